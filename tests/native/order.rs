//! Contract, *ACP*: which way an order's status may move, what a shop may say of its deliveries, what refunds and disputes make of it.

use cognitivecart_worker::acp::dialect::Dialect;
use cognitivecart_worker::acp::order::{Fulfillment, OrderDoc};
use cognitivecart_worker::acp::session::Line;
use cognitivecart_worker::ledger::Row;
use cognitivecart_worker::order::{Home, OrderRow, STATUSES, adjust, adjustments, change, email_key, event, may_follow, read, read_answer};
use cognitivecart_worker::record::{Json, Record};
use serde_json::{Value, json};

const NOW: i64 = 1_776_330_000;

fn order() -> OrderRow {
    let line = |id: &str, product: &str, quantity| Line { id: id.into(), product: product.into(), quantity, ..Line::default() };
    let doc = OrderDoc {
        id: "ord_1".into(),
        checkout_session_id: "checkout_1".into(),
        lines: vec![line("li_1", "mug", 3), line("li_2", "tea", 1)],
        ..OrderDoc::default()
    };
    OrderRow {
        id: "ord_1".into(),
        status: "created".into(),
        body: doc.json().to_string(),
        fulfillments: "[]".into(),
        adjustments: "[]".into(),
        dialect: Some("2026-04-17".into()),
        version: 1,
        ..OrderRow::default()
    }
}

fn patched(row: &OrderRow, body: Value) -> Result<Option<Box<OrderRow>>, String> {
    let told = |problem: cognitivecart_worker::error::Problem| {
        format!("{} {} {}", problem.status, problem.code, problem.param.clone().unwrap_or_default())
    };
    let wish = read(&body, false).map_err(told)?;
    change(row, &wish, NOW).map_err(told)
}

fn after(row: &OrderRow, body: Value) -> OrderRow {
    *patched(row, body).unwrap().expect("nothing changed")
}

fn deliveries(row: &OrderRow) -> Vec<Fulfillment> {
    let Value::Array(all) = serde_json::from_str(&row.fulfillments).unwrap() else { panic!("no list") };
    all.into_iter().map(|one| Fulfillment::from_value(one).unwrap()).collect()
}

fn taken(one: &Fulfillment) -> Vec<(&str, i64)> {
    one.line_items.iter().map(|item| (item.id.as_str(), item.quantity)).collect()
}

#[test]
fn a_status_moves_forward_and_ends() {
    let forward = [
        ("created", vec!["manual_review", "confirmed", "processing", "shipped", "completed", "canceled"]),
        ("manual_review", vec!["confirmed", "processing", "shipped", "completed", "canceled"]),
        ("confirmed", vec!["manual_review", "processing", "shipped", "completed", "canceled"]),
        ("processing", vec!["manual_review", "shipped", "completed", "canceled"]),
        ("shipped", vec!["completed", "canceled"]),
        ("completed", vec![]),
        ("canceled", vec![]),
    ];
    for (from, to) in forward {
        for status in STATUSES {
            assert_eq!(may_follow(from, status), status == from || to.contains(&status), "{from} → {status}");
        }
    }
}

#[test]
fn what_is_named_is_set_and_null_takes_it_back() {
    let row = after(
        &order(),
        json!({ "order_id": 1001, "order_number": "A-7", "permalink_url": "https://shop.example/o/7", "status": "shipped" }),
    );
    assert_eq!((row.order_id.as_deref(), row.order_number.as_deref()), (Some("1001"), Some("A-7")));
    assert_eq!((row.version, row.updated, row.status.as_str()), (2, NOW, "shipped"));
    let back = after(&row, json!({ "order_number": null, "permalink_url": null }));
    assert_eq!((back.order_id.as_deref(), back.order_number, back.permalink_url, back.version), (Some("1001"), None, None, 3));
    // Nothing new is no change, and no news to anybody.
    assert_eq!(patched(&row, json!({ "status": "shipped", "order_id": "1001" })), Ok(None));
    assert_eq!(patched(&row, json!({})), Ok(None));
    assert_eq!(after(&order(), json!({ "status": "fulfilled" })).status, "completed");
    assert_eq!(patched(&row, json!({ "status": "processing" })), Err("422 order_unexpected_state status".into()));
}

#[test]
fn a_delivery_takes_what_is_left_and_never_more_than_was_ordered() {
    let row =
        after(&order(), json!({ "fulfillments": [{ "id": "a", "type": "shipping", "line_items": [{ "id": "mug", "quantity": 2 }] }] }));
    assert_eq!(taken(&deliveries(&row)[0]), [("li_1", 2)]);
    let row = after(&row, json!({ "fulfillments": [{ "id": "b", "type": "pickup" }] }));
    assert_eq!(taken(&deliveries(&row)[1]), [("li_1", 1), ("li_2", 1)]);
    for (lines, told) in [
        (json!([{ "id": "li_1", "quantity": 1 }]), "422 parameter_invalid fulfillments[0][line_items]"),
        (json!([{ "id": "li_9" }]), "422 parameter_invalid fulfillments[0][line_items][0][id]"),
        (json!([{ "id": "li_2" }, { "id": "tea" }]), "422 parameter_invalid fulfillments[0][line_items][1][id]"),
        (json!([{ "quantity": 1 }]), "400 parameter_missing fulfillments[0][line_items][0][id]"),
    ] {
        assert_eq!(patched(&row, json!({ "fulfillments": [{ "id": "c", "type": "shipping", "line_items": lines }] })), Err(told.into()));
    }
    // What is canceled gives its goods back.
    let row = after(&row, json!({ "fulfillments": [{ "id": "a", "status": "canceled" }, { "id": "c", "type": "shipping" }] }));
    assert_eq!(taken(&deliveries(&row)[2]), [("li_1", 2)]);
    assert_eq!(
        patched(&row, json!({ "fulfillments": [{ "id": "a", "status": "shipped" }] })),
        Err("422 order_unexpected_state fulfillments[0][status]".into())
    );
    assert_eq!(patched(&row, json!({ "fulfillments": [{ "id": "new" }] })), Err("400 parameter_missing fulfillments[0][type]".into()));
}

#[test]
fn without_an_id_a_delivery_is_the_one_of_its_number_or_the_one_that_has_none() {
    let say = |row: &OrderRow, one: Value| patched(row, json!({ "fulfillments": [one] }));
    let row = after(&order(), json!({ "fulfillments": [{ "type": "shipping", "status": "processing" }] }));
    assert_eq!(say(&row, json!({ "type": "shipping", "status": "processing" })), Ok(None));
    // It gets its number, and is still the same.
    let shipped = json!({ "type": "shipping", "status": "shipped", "tracking_number": "X1" });
    let row = *say(&row, shipped.clone()).unwrap().unwrap();
    assert_eq!(deliveries(&row).len(), 1);
    assert_eq!(say(&row, shipped), Ok(None));
    let row = *say(&row, json!({ "tracking_number": "X1", "status": "delivered" })).unwrap().unwrap();
    let [one] = deliveries(&row).try_into().unwrap();
    assert_eq!((one.id.as_str(), one.status.as_str()), ("ful_1", "delivered"));
    let told: Vec<(&str, &str)> = one.events.iter().map(|event| (event.id.as_str(), event.kind.as_str())).collect();
    assert_eq!(told, [("fe_1", "processing"), ("fe_2", "shipped"), ("fe_3", "delivered")]);
    // Another number is another parcel; it cannot take what is gone.
    let row = *say(&row, json!({ "type": "shipping", "tracking_number": "X2" })).unwrap().unwrap();
    assert_eq!(taken(&deliveries(&row)[1]), []);

    // Deliveries of one request are told apart by their place in it.
    let pair = json!({ "fulfillments": [{ "type": "digital" }, { "type": "digital", "carrier": "mail" }] });
    let row = after(&order(), pair.clone());
    assert_eq!((deliveries(&row).len(), patched(&row, pair)), (2, Ok(None)));
    assert_eq!(
        patched(&row, json!({ "fulfillments": [{ "id": "a", "type": "pickup" }, { "id": "a" }] })),
        Err("422 parameter_invalid fulfillments[1]".into())
    );

    let two = json!({ "fulfillments": [
        { "type": "shipping", "line_items": [{ "id": "li_1" }] }, { "type": "shipping", "line_items": [{ "id": "li_2" }] }] });
    let row = after(&order(), two.clone());
    assert_eq!(deliveries(&row).len(), 2);
    assert_eq!(patched(&row, two), Ok(None));
    assert_eq!(say(&row, json!({ "type": "shipping", "status": "shipped" })), Err("400 parameter_missing fulfillments[0][id]".into()));
}

#[test]
fn what_happened_is_added_once() {
    let events = json!([{ "type": "shipped", "occurred_at": 5 }, { "id": "x", "type": "in_transit", "location": "Leipzig" }]);
    let body = json!({ "fulfillments": [{ "id": "a", "type": "shipping", "status": "in_transit", "events": events }] });
    let row = after(&order(), body.clone());
    assert_eq!(patched(&row, body), Ok(None));
    let events = deliveries(&row)[0].events.clone();
    assert_eq!(events.iter().map(|event| (event.id.as_str(), event.occurred_at)).collect::<Vec<_>>(), [("fe_1", 5), ("x", NOW)]);
    let many: Vec<Value> = (0..101).map(|at| json!({ "type": "in_transit", "occurred_at": at })).collect();
    assert_eq!(
        patched(&row, json!({ "fulfillments": [{ "id": "a", "events": many }] })),
        Err("422 parameter_invalid fulfillments[0][events]".into())
    );
}

#[test]
fn what_a_shop_may_not_say() {
    for (body, told) in [
        (json!({ "total": 1 }), "400 parameter_unknown total"),
        (json!({ "status": "lost" }), "422 parameter_invalid status"),
        (json!({ "order_id": true }), "400 parameter_invalid_string order_id"),
        (json!({ "fulfillments": {} }), "400 parameter_invalid_array fulfillments"),
        (json!({ "fulfillments": [{ "id": "a b" }] }), "422 parameter_invalid fulfillments[0][id]"),
        (json!({ "fulfillments": [{ "type": "pigeon" }] }), "422 parameter_invalid fulfillments[0][type]"),
        (json!({ "fulfillments": [{ "tracking_url": "javascript:alert(1)" }] }), "422 url_not_allowed fulfillments[0][tracking_url]"),
        (json!({ "fulfillments": [{ "access_url": "http://x.example/" }] }), "422 url_not_allowed fulfillments[0][access_url]"),
        (json!({ "fulfillments": [{ "carrier": "" }] }), "422 parameter_invalid_empty fulfillments[0][carrier]"),
        (json!({ "fulfillments": [{ "events": [{}] }] }), "400 parameter_missing fulfillments[0][events][0][type]"),
        (
            json!({ "fulfillments": [{ "estimated_delivery": { "earliest": 2, "latest": 1 } }] }),
            "422 parameter_invalid fulfillments[0][estimated_delivery][latest]",
        ),
        (
            json!({ "fulfillments": [{ "estimated_delivery": { "earliest": 2 } }] }),
            "400 parameter_missing fulfillments[0][estimated_delivery][latest]",
        ),
    ] {
        assert_eq!(patched(&order(), body.clone()), Err(told.into()), "{body}");
    }
    let all: Vec<Value> = (0..101).map(|at| json!({ "id": format!("p{at}"), "type": "digital" })).collect();
    assert_eq!(patched(&order(), json!({ "fulfillments": all })), Err("422 parameter_invalid fulfillments".into()));
}

#[test]
fn a_shops_answer_to_a_new_order() {
    let ids = |body: &str| read_answer(body.as_bytes()).map(|wish| (wish.order_id.flatten(), wish.permalink_url.flatten()));
    assert_eq!(ids(r#"{"order_id":1001,"more":[1]}"#), Some((Some("1001".into()), None)));
    assert_eq!(
        ids(r#"{"order_id":"A","permalink_url":"https://x.example/"}"#),
        Some((Some("A".into()), Some("https://x.example/".into())))
    );
    for nothing in
        ["", "ok", "[]", "{}", "null", r#"{"order_id":null}"#, r#"{"order_id":{}}"#, r#"{"permalink_url":""}"#, r#"{"order_id":"\u0000"}"#]
    {
        assert!(ids(nothing).is_none(), "{nothing}");
    }
}

fn transaction(refunds: Value, disputes: Value) -> Row {
    let dispute = if disputes.is_null() { None } else { Some(disputes.to_string()) };
    Row { refunds: refunds.to_string(), dispute, currency: "usd".into(), ..Row::default() }
}

#[test]
fn refunds_and_disputes_are_adjustments() {
    let refund =
        |id: Value, status: &str, created: i64| json!({ "id": id, "key": "cre_1", "amount": 300, "status": status, "created": created });
    let case = |id: &str, status: &str| json!({ "id": id, "amount": 900, "status": status, "created": 4, "refundable": false, "told": 4 });
    let row = transaction(
        json!([
            refund(json!("re_3"), "failed", 3),
            refund(json!("re_2"), "pending", 2),
            refund(json!("re_1"), "succeeded", 1),
            refund(Value::Null, "reserved", 5)
        ]),
        json!([case("dp_1", "needs_response"), case("dp_2", "lost"), case("dp_3", "won")]),
    );
    let all = adjustments(&row).unwrap();
    let told: Vec<_> = all.iter().map(|one| (one.id.as_str(), one.kind.as_str(), one.status.as_str(), one.amount)).collect();
    assert_eq!(
        told,
        [
            ("re_1", "refund", "completed", Some(300)),
            ("re_2", "refund", "pending", Some(300)),
            ("re_3", "refund", "failed", Some(300)),
            ("dp_1", "dispute", "pending", Some(900)),
            ("dp_2", "dispute", "completed", Some(900)),
            ("dp_3", "dispute", "failed", Some(900)),
        ]
    );
    let adjusted = adjust(&order(), &row, NOW).unwrap().unwrap();
    assert_eq!(adjusted.version, 2);
    assert_eq!(adjust(&adjusted, &row, NOW + 1).unwrap(), None);
}

#[test]
fn an_order_is_at_the_workers_page_until_the_shop_says_otherwise() {
    let at =
        |template: Option<&str>, row: &OrderRow| row.doc(&Home { template, public_url: "https://worker.example" }).unwrap().permalink_url;
    let mut row = order();
    assert_eq!(at(None, &row), "https://worker.example/orders/ord_1");
    assert_eq!(at(Some("https://shop.example/o/{ORDER}"), &row), "https://shop.example/o/ord_1");
    // A template that wants the shop's own id is of use once it has told it.
    assert_eq!(at(Some("https://shop.example/o/{ORDER_ID}"), &row), "https://worker.example/orders/ord_1");
    row.order_id = Some("7/../8".into());
    assert_eq!(at(Some("https://shop.example/o/{ORDER_ID}"), &row), "https://shop.example/o/7%2F%2E%2E%2F8");
    row.permalink_url = Some("https://shop.example/mine".into());
    assert_eq!(at(Some("https://shop.example/o/{ORDER}"), &row), "https://shop.example/mine");
}

#[test]
fn an_agent_is_told_in_the_words_of_its_version() {
    let doc = order().doc(&Home { template: None, public_url: "https://worker.example" }).unwrap();
    for (dialect, words) in [
        (Dialect::Stripe, ("order_created", "order_updated")),
        (Dialect::V20250929, ("order_create", "order_update")),
        (Dialect::V20260417, ("order_create", "order_update")),
    ] {
        assert_eq!((event(dialect, true, &doc).0.as_str(), event(dialect, false, &doc).0.as_str()), words);
        let body: Value = serde_json::from_str(&event(dialect, false, &doc).1).unwrap();
        assert_eq!(body["type"], words.1);
        assert_eq!(body["data"]["checkout_session_id"], "checkout_1");
    }
}

#[test]
fn an_email_is_found_whatever_its_case() {
    assert_eq!(email_key("  Ada@Buyer.Example "), "ada@buyer.example");
    assert_eq!(email_key("ÄDA@buyer.example"), email_key("äda@BUYER.example"));
}
