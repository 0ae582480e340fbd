//! Contract, *Agents, catalogue, fulfilment*: what an agent's feed is told of a catalogue, and what its answers mean.

use cognitivecart_worker::acp::feed::{
    BATCH, BATCH_BYTES, Heard, Known, OfKey, Phase, Piece, Place, Plan, State, Trouble, Was, batch, body, heard, place, plan, products_url,
    seller,
};
use cognitivecart_worker::money::{Amount, Currency};
use cognitivecart_worker::product::ProductRow;
use cognitivecart_worker::record::Json;
use serde_json::{Value, json};

const NOW: i64 = 1_795_000_000;

fn row(id: &str, group: Option<&str>) -> ProductRow {
    ProductRow {
        id: id.to_owned(),
        title: format!("Title of {id}"),
        price: 1230,
        currency: "usd".to_owned(),
        availability: "in_stock".to_owned(),
        item_group_id: group.map(str::to_owned),
        extra: "{}".to_owned(),
        ..ProductRow::default()
    }
}

fn planned(key: &str, large: bool, ids: &[&str], rows: &[ProductRow], known: &[Known]) -> Plan {
    let rows: Vec<&ProductRow> = rows.iter().collect();
    let known: Vec<&Known> = known.iter().collect();
    plan(&json!({ "name": "Shop" }), OfKey { key, large, ids, rows: &rows, known: &known }, false, NOW)
}

/// As it is written down when a piece is taken.
fn taken(piece: &Piece, alive: &[&str]) -> Known {
    Known {
        key: piece.key.clone(),
        product: piece.product.clone(),
        digest: piece.digest.clone(),
        variants: piece.variants.clone(),
        refused: 0,
        alive: json!(alive).to_string(),
    }
}

/// `product: variant status, …`
fn told(piece: &Piece) -> String {
    let product: Value = serde_json::from_str(&piece.text).unwrap();
    assert_eq!(product["id"], piece.product);
    let variants: Vec<String> = product["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| format!("{} {}", variant["id"].as_str().unwrap(), variant["availability"]["status"].as_str().unwrap()))
        .collect();
    format!("{}: {}", piece.product, variants.join(", "))
}

fn all_told(plan: &Plan) -> Vec<String> {
    plan.pieces.iter().map(told).collect()
}

#[test]
fn what_is_the_same_is_told_once() {
    let rows = [row("a", None)];
    let first = planned("a", false, &[], &rows, &[]);
    assert_eq!(all_told(&first), ["a: a in_stock"]);
    assert_eq!(first.pieces[0].was, Was::New);
    let known = [taken(&first.pieces[0], &["a"])];
    assert!(planned("a", false, &[], &rows, &known).pieces.is_empty());
    let changed = [ProductRow { price: 1, ..row("a", None) }];
    assert_eq!(planned("a", false, &[], &changed, &known).pieces[0].was, Was::There);
    // How many there are is not told, and what is held comes back.
    let held = [ProductRow { inventory_quantity: Some(5), held: 5, ..row("a", None) }];
    assert!(planned("a", false, &[], &held, &known).pieces.is_empty());
}

#[test]
fn all_again_where_the_shop_wants_it() {
    let rows = [row("a", None)];
    let known = taken(&planned("a", false, &[], &rows, &[]).pieces[0], &["a"]);
    let again =
        plan(&json!({ "name": "Shop" }), OfKey { key: "a", large: false, ids: &[], rows: &[&rows[0]], known: &[&known] }, true, NOW);
    assert_eq!(all_told(&again), ["a: a in_stock"]);
}

#[test]
fn what_ends_is_discontinued_and_what_moves_is_not() {
    let rows = [row("a", Some("g")), row("b", Some("g"))];
    let first = planned("g", false, &[], &rows, &[]);
    assert_eq!(all_told(&first), ["g: a in_stock, b in_stock"]);
    // b was deleted.
    let known = [taken(&first.pieces[0], &["a"])];
    let less = planned("g", false, &[], &rows[..1], &known);
    assert_eq!(all_told(&less), ["g: a in_stock, b discontinued"]);
    // Once: what is written down is without it.
    let known = [taken(&less.pieces[0], &["a"])];
    assert!(planned("g", false, &[], &rows[..1], &known).pieces.is_empty());
    // b moved to another group.
    let known = [taken(&first.pieces[0], &["a", "b"])];
    assert_eq!(all_told(&planned("g", false, &[], &rows[..1], &known)), ["g: a in_stock"]);
    // The group is gone: with its rows, and without.
    assert_eq!(all_told(&planned("g", false, &[], &[], &known)), ["g: "]);
    let known = [taken(&first.pieces[0], &[])];
    let end = planned("g", false, &[], &[], &known);
    assert_eq!(all_told(&end), ["g: a discontinued, b discontinued"]);
    assert!(end.pieces[0].end);
}

#[test]
fn a_group_that_is_too_large_is_told_row_by_row_and_ends_as_a_product() {
    let small = planned("g", false, &[], &[row("a", Some("g")), row("b", Some("g"))], &[]);
    let known = [taken(&small.pieces[0], &["a", "b"])];
    let large = planned("g", true, &["b", "gone"], &[row("b", Some("g"))], &known);
    assert_eq!(all_told(&large), ["g: ", "b: b in_stock"]);
    assert!(large.regroup, "the other rows are not here");
    let known = [taken(&large.pieces[1], &["b"]), Known { product: "gone".to_owned(), ..taken(&large.pieces[1], &[]) }];
    let later = planned("g", true, &["b", "gone"], &[row("b", Some("g"))], &known);
    assert_eq!(all_told(&later), ["gone: b discontinued"]);
    assert!(!later.regroup);
    // What is not asked about stays.
    assert!(planned("g", true, &["b"], &[row("b", Some("g"))], &known).pieces.is_empty());
    // It has become small again.
    let whole = planned("g", false, &[], &[row("a", Some("g")), row("b", Some("g"))], &known[..1]);
    assert_eq!(all_told(&whole), ["b: ", "g: a in_stock, b in_stock"]);
}

#[test]
fn what_was_never_taken_need_not_end() {
    let piece = planned("a", false, &[], &[row("a", None)], &[]).pieces.remove(0);
    let refused = [Known { refused: 1, ..taken(&piece, &[]) }];
    let end = planned("a", false, &[], &[], &refused);
    assert!(end.pieces.is_empty());
    assert_eq!(end.forgotten.len(), 1);
    // An older one was: the agent still has it.
    let outdated = [Known { refused: 2, ..taken(&piece, &[]) }];
    assert_eq!(all_told(&planned("a", false, &[], &[], &outdated)), ["a: a discontinued"]);
    // As it is it is not sent again.
    assert!(planned("a", false, &[], &[row("a", None)], &refused).pieces.is_empty());
}

#[test]
fn what_may_have_arrived_is_told_again_or_ended() {
    let piece = planned("a", false, &[], &[row("a", None)], &[]).pieces.remove(0);
    let unsure = [Known { refused: 3, digest: String::new(), ..taken(&piece, &[]) }];
    assert_eq!(all_told(&planned("a", false, &[], &[row("a", None)], &unsure)), ["a: a in_stock"]);
    let end = planned("a", false, &[], &[], &unsure);
    assert_eq!(all_told(&end), ["a: a discontinued"]);
    // It was never counted.
    let mut state = State::fresh("k".to_owned());
    state.count(&end.pieces[0], true);
    assert_eq!((state.pushed, state.failed), (0, 0));
}

#[test]
fn the_next_price_by_the_clock_is_noticed() {
    let sale = |from, until| ProductRow { sale_price: Some(1), sale_from: from, sale_until: until, ..row("a", None) };
    for (row, at) in [
        (sale(Some(NOW + 5), Some(NOW + 9)), Some(NOW + 5)),
        (sale(Some(NOW - 5), Some(NOW + 9)), Some(NOW + 9)),
        (sale(Some(NOW - 5), Some(NOW)), None),
        (ProductRow { sale_price: None, ..sale(Some(NOW + 5), None) }, None),
    ] {
        assert_eq!(planned("a", false, &[], &[row], &[]).price_changes_at, at);
    }
}

#[test]
fn amounts_are_iso_4217s() {
    for (currency, minor, iso) in [
        ("usd", 1230, Some(1230)),
        ("jpy", 500, Some(500)),
        ("isk", 50_000, Some(500)),
        ("ugx", 150, None),
        ("mga", 7, Some(700)),
        ("kwd", 1230, Some(1230)),
    ] {
        assert_eq!(Currency::parse(currency).unwrap().iso_minor(Amount::new(minor).unwrap()), iso, "{currency}");
    }
    let rows = [ProductRow { price: 50_000, currency: "isk".to_owned(), ..row("a", None) }];
    let product: Value = serde_json::from_str(&planned("a", false, &[], &rows, &[]).pieces[0].text).unwrap();
    assert_eq!(product["variants"][0]["price"], json!({ "amount": 500, "currency": "ISK" }));
}

#[test]
fn links_are_said_in_the_feeds_words() {
    let links = json!([
        { "type": "terms_of_use", "url": "https://shop.example/t", "title": "Terms" }, { "type": "return_policy", "url": "https://shop.example/r" },
        { "type": "faq", "url": "not a link" }, { "type": "contact_us", "url": "https://shop.example/c" },
    ]);
    assert_eq!(
        seller("Shop", &links.to_string()),
        json!({ "name": "Shop", "links": [
            { "type": "terms_of_service", "url": "https://shop.example/t", "title": "Terms" }, { "type": "refund_policy", "url": "https://shop.example/r" },
            { "type": "contact_us", "url": "https://shop.example/c" },
        ] })
    );
    assert_eq!(seller("", "nonsense"), json!({}));
}

#[test]
fn batches_are_bounded_by_number_and_by_bytes() {
    let piece = |bytes: usize| Piece { text: "x".repeat(bytes), ..planned("a", false, &[], &[row("a", None)], &[]).pieces.remove(0) };
    let small = vec![piece(10); 250];
    assert_eq!(batch(&small, 100), BATCH);
    assert_eq!(batch(&small, 7), 7);
    for size in [0, -1, 1_000_000] {
        assert!((1..=BATCH).contains(&batch(&small, size)), "{size}");
    }
    let large = vec![piece(BATCH_BYTES / 3); 5];
    assert_eq!(batch(&large, 100), 2);
    assert!(body(&large[..2]).len() <= BATCH_BYTES);
    // By itself, however large.
    assert_eq!(batch(&[piece(BATCH_BYTES * 2), piece(1)], 100), 1);
    assert_eq!(batch(&[], 100), 0);
    let exact = vec![piece((BATCH_BYTES - r#"{"products":[]}"#.len()) / 2 - 1); 3];
    assert!(body(&exact[..batch(&exact, 100)]).len() <= BATCH_BYTES);
}

#[test]
fn where_a_feed_is() {
    for (url, to_make, products) in [
        ("https://agent.example", Some("https://agent.example/feeds"), "https://agent.example/feeds/f/products"),
        ("https://agent.example/", Some("https://agent.example/feeds"), "https://agent.example/feeds/f/products"),
        ("https://agent.example/acp/v1/", Some("https://agent.example/acp/v1/feeds"), "https://agent.example/acp/v1/feeds/f/products"),
        ("https://agent.example/acp/feeds", Some("https://agent.example/acp/feeds"), "https://agent.example/acp/feeds/f/products"),
        ("https://agent.example/feeds/feed_8f3K2x", None, "https://agent.example/feeds/feed_8f3K2x/products"),
        ("https://agent.example/feeds/feed_8f3K2x/", None, "https://agent.example/feeds/feed_8f3K2x/products"),
    ] {
        assert_eq!(matches!(place(url), Place::Named(_)), to_make.is_none(), "{url}");
        if let (Place::ToMake(got), Some(wanted)) = (place(url), to_make) {
            assert_eq!(got, wanted);
        }
        assert_eq!(products_url(url, "f"), products, "{url}");
    }
    // Attack: an id of the agent's that leads to another place.
    assert_eq!(products_url("https://a.example", "../x?y#z/ü"), "https://a.example/feeds/..%2Fx%3Fy%23z%2F%C3%BC/products");
}

#[test]
fn what_an_answer_means() {
    let hear = |status, retry: Option<&str>, body: &str, making| heard(status, retry, body.as_bytes(), making, NOW);
    assert_eq!(hear(201, None, r#"{"id":"feed_1"}"#, true), Heard::Taken(Some("feed_1".to_owned())));
    for none in ["", "{}", r#"{"id":7}"#, r#"{"id":""}"#, r#"{"id":".."}"#, r#"{"id":"a\nb"}"#] {
        assert!(matches!(hear(201, None, none, true), Heard::Trouble(_)), "{none}");
    }
    for good in ["", "{}", "nonsense", r#"{"id":"f","accepted":true}"#] {
        assert_eq!(hear(200, None, good, false), Heard::Taken(None), "{good}");
    }
    for (status, body) in [(200, r#"{"accepted":false}"#), (400, ""), (413, ""), (422, "{}")] {
        assert!(matches!(hear(status, None, body, false), Heard::Refused(..)), "{status}");
    }
    for status in [301, 307, 401, 403, 404, 405, 409, 410, 415, 429, 500, 503, 599] {
        let Heard::Trouble(Trouble { lost, .. }) = hear(status, None, "", false) else { panic!("{status}") };
        assert_eq!(lost, matches!(status, 404 | 410), "{status}");
    }
    // Of what it says only a code goes further.
    let Heard::Refused(_, why) = hear(400, None, r#"{"code":"invalid_product_payload","message":"secret"}"#, false) else { panic!() };
    assert_eq!(why, "it answered 400 invalid_product_payload.");
    let Heard::Refused(_, why) = hear(400, None, r#"{"code":"<b>","message":"secret"}"#, false) else { panic!() };
    assert_eq!(why, "it answered 400.");
}

#[test]
fn how_long_an_agent_asks_to_be_left_alone() {
    let asked = |status, text: &str| match heard(status, Some(text), b"", false, NOW) {
        Heard::Trouble(trouble) => trouble.retry_after,
        other => panic!("{other:?}"),
    };
    for (text, seconds) in [
        ("0", Some(0)),
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("99999999999999999999", Some(86_400)),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        // NOW is Wed, 18 Nov 2026 11:06:40 GMT.
        ("Wed, 18 Nov 2026 11:08:20 GMT", Some(100)),
        ("Wed, 18 Nov 2026 01:00:00 GMT", Some(0)),
        ("Wed, 31 Feb 2027 10:00:00 GMT", None),
        ("Wed, 18 Nov 2026 11:08:20", None),
        ("Wed, 18 Foo 2026 10:00:00 GMT", None),
        ("Wed, 18 Nov 2026 99:28:20 GMT", None),
    ] {
        assert_eq!(asked(429, text), seconds, "{text}");
        assert_eq!(asked(503, text), seconds, "{text}");
        // Whom it does not let in it does not ask back.
        assert_eq!(asked(401, text), None, "{text}");
    }
}

#[test]
fn pauses_grow_and_the_agents_own_counts() {
    let mut state = State::fresh("k".to_owned());
    let trouble = Trouble { status: Some(500), message: "x".to_owned(), ..Trouble::default() };
    let pauses: Vec<i64> = (0..10).map(|_| state.failed(&trouble, NOW)).collect();
    assert_eq!(pauses, [60, 120, 300, 900, 1800, 3600, 7200, 21_600, 21_600, 21_600]);
    for (asked, pause) in [(0, 1), (7, 7), (1_000_000, 86_400)] {
        assert_eq!(state.failed(&Trouble { retry_after: Some(asked), ..trouble.clone() }, NOW), pause);
    }
    state.succeeded(NOW);
    assert_eq!((state.tries, state.error.clone()), (0, Value::Null));
    assert_eq!(state.failed(&trouble, NOW), 60);
}

#[test]
fn the_one_that_is_refused_is_found_by_halves() {
    let mut state = State::fresh("k".to_owned());
    let piece = planned("a", false, &[], &[row("a", None)], &[]).pieces.remove(0);
    let mut sizes = Vec::new();
    let mut left = 100;
    while !state.refused(&vec![piece.clone(); left], "no", 400, NOW) {
        left = batch(&vec![piece.clone(); left], state.size);
        sizes.push(left);
    }
    assert_eq!(sizes, [50, 25, 12, 6, 3, 1]);
    assert_eq!(state.error["product"], "a");
    // What went well afterwards does not hide it.
    state.succeeded(NOW);
    assert_eq!(state.error["product"], "a");
    for _ in 0..10 {
        state.succeeded(NOW);
    }
    assert_eq!(state.size, 100);
}

#[test]
fn counts_are_what_the_agent_has_now() {
    let mut state = State::fresh("k".to_owned());
    let piece = |was, end| Piece { was, end, ..planned("a", false, &[], &[row("a", None)], &[]).pieces.remove(0) };
    let mut count = |was, end, taken| {
        state.count(&piece(was, end), taken);
        (state.pushed, state.failed)
    };
    assert_eq!(count(Was::New, false, true), (1, 0));
    assert_eq!(count(Was::New, false, false), (1, 1));
    assert_eq!(count(Was::There, false, true), (1, 1));
    assert_eq!(count(Was::There, false, false), (0, 2));
    assert_eq!(count(Was::Outdated, false, true), (1, 1));
    assert_eq!(count(Was::Refused, true, false), (1, 0));
    assert_eq!(count(Was::There, true, true), (0, 0));
}

#[test]
fn a_state_is_kept_and_shown() {
    let mut state = State::fresh("secret key".to_owned());
    state.begin_pass(Some(7), 9);
    state.feed = Some("feed_1".to_owned());
    let text = state.json().to_string();
    assert_eq!(State::stored(&text).unwrap(), state);
    assert_eq!(State::stored("{}").unwrap().phase(), Phase::Clear);
    let shown = |state: &State, due: i64, wait| State::object(Some(&state.json().to_string()), Some(due), wait, NOW);
    let pushing = shown(&state, NOW, 0);
    assert_eq!((&pushing["status"], &pushing["feed_id"]), (&json!("pushing"), &json!("feed_1")));
    assert!(!pushing.to_string().contains("secret"));
    state.begin(Phase::Idle);
    assert_eq!(shown(&state, NOW + 9, 0)["status"], "synced");
    assert_eq!(shown(&state, NOW, 0)["status"], "pushing", "something changed");
    state.failed(&Trouble::default(), NOW);
    let failing = shown(&state, NOW, NOW + 60);
    assert_eq!((&failing["status"], &failing["next_at"]), (&json!("failing"), &json!(NOW + 60)));
    for none in [None, Some("{}"), Some("nonsense")] {
        assert_eq!(State::object(none, None, 0, NOW)["status"], "pending");
    }
}

#[test]
fn an_idle_feed_is_looked_at_once_a_day_and_when_a_price_changes() {
    let state = |full_at, price_changes_at| State { full_at, price_changes_at, ..State::fresh("k".to_owned()) };
    assert_eq!(state(Some(NOW), None).next_look(NOW), NOW + 86_400);
    assert_eq!(state(Some(NOW), Some(NOW + 5000)).next_look(NOW), NOW + 5000);
    // Not more often than every quarter of an hour, and not later than in a day.
    assert_eq!(state(Some(NOW), Some(NOW + 5)).next_look(NOW), NOW + 900);
    assert_eq!(state(Some(NOW), Some(NOW + 500_000)).next_look(NOW), NOW + 86_400);
}
