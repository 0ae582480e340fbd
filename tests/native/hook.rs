//! The hooks: what is read of them, what is decided, what is answered; and by which rules.

use crate::dice::Dice;
use cognitivecart_worker::acp::quote::{Quote, QuotedShipping};
use cognitivecart_worker::agentic::hook::{self, Kind, Line, Offer, Question, Verdict};
use cognitivecart_worker::agentic::rules::{OnTrouble, Rules};
use cognitivecart_worker::fulfillment::Fulfillment;
use cognitivecart_worker::money::{Currency, FeeRule, FeeTerms};
use cognitivecart_worker::product::ProductRow;
use cognitivecart_worker::record::Json;
use serde_json::{Value, json};

const NOW: i64 = 1_795_000_000;

pub fn product(id: &str, price: i64, stock: Option<i64>) -> ProductRow {
    ProductRow {
        id: id.into(),
        price,
        currency: "usd".into(),
        availability: "in_stock".into(),
        inventory_quantity: stock,
        extra: "{}".into(),
        ..ProductRow::default()
    }
}

fn rules(body: Value) -> Rules {
    Rules::read(&body).unwrap()
}

fn order(lines: &[(&str, i64, i64)]) -> Value {
    let subtotal: i64 = lines.iter().map(|(_, unit, quantity)| unit * quantity).sum();
    let lines: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(n, (sku, unit, quantity))| json!({ "id": format!("li_{n}"), "sku_id": sku, "unit_amount": unit, "quantity": quantity }))
        .collect();
    json!({ "currency": "usd", "amount_subtotal": subtotal, "amount_total": subtotal + 700, "line_items_details": lines,
        "shipping_details": { "address": { "country": "us", "state": "CA" } }, "total_details": { "amount_shipping": 500, "amount_tax": 200 } })
}

fn envelope(data: Value) -> Value {
    json!({ "type": "v1.delegated_checkout.finalize_checkout", "id": "evt_1", "livemode": false, "context": "acct_1", "data": data })
}

fn read(body: &Value) -> hook::Hook {
    hook::read(body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_hook_is_recognised_by_what_it_asks() {
    let plain = read(&envelope(order(&[("mug", 1230, 1)])));
    assert_eq!((plain.kind, plain.account.as_deref(), plain.live), (Kind::Finalize, Some("acct_1"), false));
    let mut changed = envelope(order(&[("mug", 1230, 1)]));
    changed["created"] = json!(5);
    changed["id"] = json!("evt_2");
    assert_eq!(read(&changed).fingerprint, plain.fingerprint, "neither its id nor what is beside the question");
    for (member, value) in
        [("livemode", json!(true)), ("context", json!("acct_2")), ("type", json!("v1.delegated_checkout.customize_checkout"))]
    {
        let mut other = envelope(order(&[("mug", 1230, 1)]));
        other[member] = value;
        assert_ne!(read(&other).fingerprint, plain.fingerprint, "{member}");
    }
    assert_ne!(read(&envelope(order(&[("mug", 1230, 2)]))).fingerprint, plain.fingerprint);
    // An account goes into a header.
    for context in [json!("acct_1/../x"), json!("acct_"), json!(7), json!(null), json!("cus_1"), json!("acct_1\r\nX: y")] {
        let mut other = envelope(json!({}));
        other["context"] = context;
        assert_eq!(read(&other).account, None);
    }
}

#[test]
fn what_stands_in_either_spelling_and_envelope_is_the_same() {
    let data = order(&[("mug", 1230, 2), ("tea", 400, 1)]);
    let mut singular = data.clone();
    let lines = singular.as_object_mut().unwrap().remove("line_items_details").unwrap();
    singular["line_item_details"] = lines;
    let expected = Question::read(&data).unwrap();
    assert_eq!(expected.lines.len(), 2);
    for other in [singular.clone(), json!({ "object": singular }), json!({ "object": data })] {
        let question = Question::read(&read(&envelope(other)).data).unwrap();
        assert_eq!((question.lines.clone(), question.total()), (expected.lines.clone(), Some(3560)));
        assert_eq!(question.address.map(|address| (address.country, address.state)), Some(("US".to_owned(), "CA".to_owned())));
    }
    // `object` as a name, as snapshots have it, is no envelope.
    let named = json!({ "object": "checkout", "currency": "usd" });
    assert_eq!(Question::read(&read(&envelope(named)).data).unwrap().currency, "usd");
}

#[test]
fn nulls_count_as_absent() {
    let data = json!({ "currency": "USD", "amount_total": null, "shipping_details": null, "billing_details": { "address": null, "name": null },
        "line_items_details": null, "line_item_details": [{ "id": "li_1", "quantity": 1, "unit_amount": null, "sku_id": null }],
        "total_details": null, "automatic_tax": null, "checkout_session": null, "phone": null });
    let question = Question::read(&data).unwrap();
    assert_eq!(question.lines, [Line { id: "li_1".into(), quantity: 1, ..Line::default() }]);
    assert_eq!((question.currency.as_str(), question.total(), question.session), ("usd", None, None));
    // A session's id goes into a path.
    for id in ["cs_../x", "pi_1", "", "cs_1?x"] {
        assert_eq!(Question::read(&json!({ "currency": "usd", "checkout_session": id })).unwrap().session, None);
    }
}

/// What an order comes to, from all that may differ.
fn verdict(body: Value, data: Value, products: &[ProductRow]) -> Verdict {
    hook::decide(&Question::read(&data).unwrap(), &rules(body), products, NOW)
}

#[test]
fn a_price_below_the_catalogues_is_declined_wherever_it_is_hidden() {
    let products =
        [product("mug", 1230, None), ProductRow { sale_price: Some(1000), sale_until: Some(NOW), ..product("sold", 1230, None) }];
    let declined = Verdict::Decline("price_below_catalogue");
    let on = json!({ "enabled": true, "approve": { "price_tolerance_bps": 0 } });
    assert_eq!(
        verdict(json!({ "enabled": true }), order(&[("mug", 1, 3)]), &products),
        Verdict::Approve,
        "compared only where the shop wants it"
    );
    assert_eq!(verdict(on.clone(), order(&[("mug", 1230, 3)]), &products), Verdict::Approve);
    assert_eq!(verdict(on.clone(), order(&[("mug", 1229, 3)]), &products), declined);
    assert_eq!(verdict(on.clone(), order(&[("sold", 1000, 1)]), &products), declined, "the sale is over in this very second");
    assert_eq!(
        hook::decide(&Question::read(&order(&[("sold", 1000, 1)])).unwrap(), &rules(on.clone()), &products, NOW - 1),
        Verdict::Approve
    );
    let with = |member: &str, value: Value| {
        let mut data = order(&[("mug", 1230, 2)]);
        *data.pointer_mut(member).unwrap() = value;
        verdict(on.clone(), data, &products)
    };
    assert_eq!(with("/amount_total", json!(2459)), declined);
    assert_eq!(with("/amount_total", json!(2460)), Verdict::Approve, "whoever pays neither delivery nor tax pays the goods");
    assert_eq!(with("/total_details", json!({ "amount_discount": 1 })), declined);
    // A dear line does not pay for a cheap one, and a cheap one without a price does not hide behind the order's total.
    assert_eq!(verdict(on.clone(), order(&[("mug", 2460, 1), ("sold", 1, 1)]), &products), declined);
    let mut hidden = order(&[("mug", 1230, 2)]);
    hidden["line_items_details"][0].as_object_mut().unwrap().remove("unit_amount");
    hidden["line_items_details"][0]["amount_subtotal"] = json!(2459);
    assert_eq!(verdict(on.clone(), hidden, &products), declined);
    let bare = json!({ "currency": "usd", "line_items_details": [{ "id": "li_1", "sku_id": "mug", "quantity": 1 }] });
    assert_eq!(verdict(on, bare, &products), Verdict::Decline("amount_unknown"));
}

#[test]
fn trouble_opens_no_way_around_a_rule() {
    let products = [product("mug", 1230, Some(1))];
    let unknown = order(&[("mug", 1230, 1), ("never", 5, 1)]);
    assert_eq!(verdict(json!({ "enabled": true }), unknown.clone(), &products), Verdict::Trouble("item_unknown"));
    for (approve, reason) in [
        (json!({ "max_total": { "usd": 1934 } }), "amount_above_limit"),
        (json!({ "countries": ["DE"] }), "country_not_allowed"),
        (json!({ "blocked_skus": ["never"] }), "sku_blocked"),
    ] {
        let body = json!({ "enabled": true, "approve": approve, "on_trouble": "approve" });
        assert_eq!(verdict(body, unknown.clone(), &products), Verdict::Decline(reason));
    }
    let short = order(&[("mug", 1230, 2), ("never", 5, 1)]);
    assert_eq!(verdict(json!({ "enabled": true, "on_trouble": "approve" }), short.clone(), &products), Verdict::Decline("out_of_stock"));
    assert_eq!(verdict(json!({ "enabled": false, "on_trouble": "approve" }), short, &products), Verdict::Decline("disabled"));
    assert_eq!(Verdict::Trouble("x").settled(OnTrouble::Approve), Ok(()));
    assert_eq!(Verdict::Trouble("x").settled(OnTrouble::Decline), Err("x"));
    assert_eq!(Verdict::Decline("x").settled(OnTrouble::Approve), Err("x"));
}

/// Whatever is asked: what is approved keeps every rule, whichever of them it was decided by.
#[test]
fn whatever_is_approved_keeps_all_rules() {
    let mut dice = Dice(11);
    let skus = ["a", "b", "c", "never"];
    let mut seen = [0_u32; 2];
    for round in 0..40_000 {
        let products: Vec<ProductRow> = skus[..3]
            .iter()
            .map(|sku| {
                let stock = if dice.one_in(3) { Some(dice.within(0, 3)) } else { None };
                ProductRow { held: dice.within(0, 1), ..product(sku, dice.within(0, 3) * 100, stock) }
            })
            .collect();
        let lines: Vec<(&str, i64, i64)> = (0..dice.within(0, 3))
            .map(|_| (dice.pick(&skus), dice.within(0, 3) * 100 - if dice.one_in(9) { 1 } else { 0 }, dice.within(1, 2)))
            .map(|(sku, unit, quantity)| (sku, unit.max(0), quantity))
            .collect();
        let mut data = order(&lines);
        if dice.one_in(4) {
            data["total_details"]["amount_discount"] = json!(dice.within(0, 300));
        }
        if dice.one_in(4) {
            data["amount_total"] = json!(dice.within(0, 1500));
        }
        if dice.one_in(6) {
            data.as_object_mut().unwrap().remove("shipping_details");
        }
        // 10,000: as if they were not compared.
        let tolerance = dice.one_of(&[0, 0, 5000, 10_000]);
        let compared = tolerance != 10_000 || dice.one_in(2);
        let (most, country) = (dice.within(0, 1500), dice.pick(&["US", "DE"]));
        let body = json!({ "enabled": !dice.one_in(20), "on_trouble": dice.pick(&["decline", "approve"]), "approve": {
            "max_total": if dice.one_in(3) { json!({ "usd": most }) } else { json!(null) }, "countries": if dice.one_in(3) { json!([country]) } else { json!(null) },
            "require_stock": dice.one_in(2), "blocked_skus": if dice.one_in(3) { json!([dice.pick(&skus)]) } else { json!([]) }, "price_tolerance_bps": if compared { json!(tolerance) } else { json!(null) } } });
        let (rules, question) = (rules(body.clone()), Question::read(&data).unwrap());
        let settled = hook::decide(&question, &rules, &products, NOW).settled(rules.on_trouble);
        seen[usize::from(settled.is_ok())] += 1;
        if settled.is_err() {
            continue;
        }
        let case = || format!("round {round}: {body} {data} {products:?}");
        assert!(rules.enabled, "{}", case());
        assert!(rules.max_total.is_none() || question.total().unwrap() <= most, "{}", case());
        assert!(rules.countries.is_none() || country == "US" && question.address.is_some(), "{}", case());
        let mut listed = 0;
        for (sku, unit, quantity) in &lines {
            assert!(!rules.blocked_skus.iter().any(|blocked| blocked == sku), "{}", case());
            let Some(product) = products.iter().find(|product| product.id == *sku) else {
                assert_eq!(rules.on_trouble, OnTrouble::Approve, "{}", case());
                continue;
            };
            assert!(unit * 10_000 >= product.price * (10_000 - tolerance), "{}", case());
            listed += product.price * quantity;
            let wanted: i64 = lines.iter().filter(|(other, ..)| other == sku).map(|(.., quantity)| quantity).sum();
            assert!(!rules.require_stock || product.sellable().is_none_or(|left| left >= wanted), "{}", case());
        }
        assert!(question.total().unwrap() * 10_000 >= listed * (10_000 - tolerance), "{}", case());
    }
    assert!(seen.iter().all(|n| *n > 4_000), "{seen:?}");
}

#[test]
fn names_come_from_the_sessions_own_items() {
    let mut question = Question::read(&json!({ "currency": "usd", "line_items_details": [
        { "id": "li_1", "quantity": 1 }, { "id": "li_2", "quantity": 1, "sku_id": "told" }, { "id": "li_3", "quantity": 1 }] }))
    .unwrap();
    assert!(question.nameless());
    question.name(&json!({ "data": [{ "id": "li_1", "price": { "external_reference": " mug " } }, { "id": "li_2", "price": { "external_reference": "other" } }, { "id": "li_3", "price": {} }] }));
    let skus: Vec<Option<&str>> = question.lines.iter().map(|line| line.sku.as_deref()).collect();
    assert_eq!(skus, [Some("mug"), Some("told"), None], "what was told with the hook counts");
    assert_eq!(question.skus(), json!(["mug", "told"]));
    assert_eq!(
        question.data(&json!({ "line_item_details": [{ "id": "li_1" }, { "id": "li_2" }, { "id": "li_3" }], "x": 1 })),
        json!({ "line_items_details": [{ "id": "li_1", "sku_id": "mug" }, { "id": "li_2", "sku_id": "told" }, { "id": "li_3", "sku_id": null }], "x": 1 })
    );
    // Of one line in one session there is nothing to mistake, whatever the ids are.
    let mut single = Question::read(&json!({ "currency": "usd", "line_items_details": [{ "id": "li_x", "quantity": 1 }] })).unwrap();
    single.name(&json!({ "data": [{ "id": "li_1", "price": { "external_reference": "mug" } }] }));
    assert_eq!(single.lines[0].sku.as_deref(), Some("mug"));
    for nonsense in [json!(null), json!({ "data": {} }), json!({ "data": [1, null, {}] })] {
        let mut question = Question::read(
            &json!({ "currency": "usd", "line_items_details": [{ "id": "a", "quantity": 1 }, { "id": "b", "quantity": 1 }] }),
        )
        .unwrap();
        question.name(&nonsense);
        assert!(question.lines.iter().all(|line| line.sku.is_none()));
    }
}

#[test]
fn the_shops_word() {
    assert_eq!(hook::shops_word(br#"{"approved":true,"reason":"x","more":1}"#), Some(Ok(())));
    assert_eq!(hook::shops_word(br#"{"approved":false}"#), Some(Err("declined_by_shop".into())));
    assert_eq!(hook::shops_word(br#"{"approved":false,"reason":"  "}"#), Some(Err("declined_by_shop".into())));
    let long = json!({ "approved": false, "reason": "ä\u{0}".repeat(500) }).to_string();
    assert_eq!(hook::shops_word(long.as_bytes()), Some(Err("ä".repeat(200))));
    for none in ["", "true", "[]", "{}", r#"{"approved":1}"#, r#"{"approved":"true"}"#, r#"{"approved":null}"#, r#"{"approved":true"#] {
        assert_eq!(hook::shops_word(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn an_answer_tells_a_fee_only_where_there_is_one() {
    assert_eq!(hook::approved(0), json!({ "manual_approval_details": { "type": "approved" } }));
    assert_eq!(
        hook::approved(96),
        json!({ "manual_approval_details": { "type": "approved" }, "application_fee_details": { "application_fee_amount": 96 } })
    );
    assert!(hook::is_approval(&hook::approved(1)) && !hook::is_approval(&hook::declined("x")));
}

#[test]
fn the_fee_is_of_what_is_paid_by_the_lines_categories() {
    let question = Question::read(&order(&[("mug", 1230, 2), ("never", 500, 1)])).unwrap();
    let products = [ProductRow { google_product_category: Some("Home > Mugs".into()), ..product("mug", 1230, None) }];
    let rule = |bps| FeeRule { bps, fixed: Vec::new() };
    let terms = FeeTerms { rule: rule(100), categories: vec![("home".into(), rule(1000))], cost: FeeRule::default() };
    // 3660 in all, of which 2460 of 2960 at 10 % and 500 at 1 %.
    assert_eq!(question.fee(&products, &terms, 0), 3660 * (2460 * 1000 + 500 * 100) / 2960 / 10_000);
    let unknown = Question::read(&json!({ "currency": "usd", "line_items_details": [{ "id": "li_1", "quantity": 1 }] })).unwrap();
    assert_eq!(unknown.fee(&products, &terms, 0), 0);
}

fn tables(value: Value) -> Fulfillment {
    Fulfillment::read(&value).unwrap()
}

/// A quoted tax is one figure; Stripe takes a rate. It makes that figure again, to the minor unit, of anything that a shop sells.
#[test]
fn a_quoted_tax_as_a_rate_makes_the_quoted_tax() {
    let mut dice = Dice(12);
    for _ in 0..20_000 {
        let net = dice.scaled(999_999).max(1);
        let tax = dice.within(0, net / 2);
        let data = order(&[("mug", net, 1)]);
        let question = Question::read(&data).unwrap();
        let quote = Quote { tax_total: Some(tax), ..Quote::default() };
        let answer = hook::customize(&question, &Offer { quote: Some(&quote), ..Offer::default() });
        let made = match answer.pointer("/line_items/0/tax_rates/0/rate_data/percentage") {
            None => 0.0,
            Some(percentage) => (net as f64 * percentage.as_f64().unwrap() / 100.0).round(),
        };
        assert_eq!(made as i64, tax, "{net} {tax} {answer}");
    }
}

#[test]
fn no_answer_is_larger_than_stripe_takes_it() {
    let mut dice = Dice(13);
    for _ in 0..5_000 {
        let shipping: Vec<Value> = (0..dice.within(0, 12))
            .map(|n| json!({ "id": format!("{}{n}", dice.pick(&["s", "shr_"])), "title": "T".repeat(dice.within(1, 200) as usize), "amount": dice.within(0, 5) * 100,
                "currency": dice.pick(&["usd", "usd", "eur"]), "countries": [dice.pick(&["US", "*", "DE"])], "free_over": dice.within(0, 5000), "min_days": dice.within(0, 3), "max_days": dice.within(3, 9) }))
            .collect();
        let tax: Vec<Value> = (0..dice.within(0, 3))
            .map(|_| json!({ "country": dice.pick(&["US", "*"]), "rate_bps": dice.within(0, 10_000), "inclusive": dice.one_in(2), "applies_to_shipping": dice.one_in(2), "display_name": "N".repeat(dice.within(1, 200) as usize) }))
            .collect();
        let rules = tables(json!({ "shipping": shipping, "tax": tax }));
        let quote = Quote {
            shipping: (0..dice.within(0, 9))
                .map(|n| QuotedShipping {
                    id: format!("q{n}"),
                    title: "Q".into(),
                    amount: dice.within(0, 999),
                    ..QuotedShipping::default()
                })
                .collect(),
            tax_total: if dice.one_in(2) { Some(dice.within(0, 99_999)) } else { None },
            ..Quote::default()
        };
        let question = Question::read(&order(&[("mug", dice.within(0, 2000), 1)])).unwrap();
        let offer = Offer { rules: Some(&rules), quote: dice.one_in(2).then_some(&quote), products: &[] };
        let answer = hook::customize(&question, &offer);
        let options = answer["shipping_options"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(options.len() <= 5, "{answer}");
        for option in options {
            let Some(data) = option.get("shipping_rate_data") else { continue };
            assert!(
                data["display_name"].as_str().unwrap().len() <= 100 && data["fixed_amount"]["amount"].as_i64().unwrap() >= 0,
                "{answer}"
            );
        }
        for rate in answer.pointer("/line_items/0/tax_rates").and_then(Value::as_array).into_iter().flatten() {
            let percentage = rate["rate_data"]["percentage"].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&percentage), "{answer}");
        }
    }
}

#[test]
fn rules_are_stored_and_read_again_as_they_are() {
    for body in [
        json!({ "enabled": true }),
        json!({ "enabled": false, "approve": { "max_total": {}, "countries": ["US"], "blocked_skus": ["a"], "require_stock": false, "price_tolerance_bps": 10_000 }, "ask_shop": true, "on_trouble": "approve", "mode": "live" }),
    ] {
        let rules = rules(body);
        assert_eq!(Rules::stored(&rules.json().to_string()).unwrap(), rules);
    }
    let limited = rules(json!({ "enabled": true, "approve": { "max_total": { "usd": 5, "jpy": 0 } } }));
    let of = |code: &str, total| limited.total(total, Currency::parse(code).unwrap());
    assert_eq!((of("usd", 5), of("usd", 6)), (Ok(()), Err("amount_above_limit")));
    assert_eq!((of("jpy", 0), of("eur", 0)), (Ok(()), Err("currency_not_allowed")));
    assert_eq!(Rules::default().on_trouble, OnTrouble::Decline);
    assert!(!Rules::default().enabled && Rules::default().require_stock);
}
