//! What an agent's order at Stripe is made of (seed: *Checkout session field reference*), and what is made of half of it.

use cognitivecart_worker::acp::order::object;
use cognitivecart_worker::agentic::order::{self, Born, Owner};
use cognitivecart_worker::ledger::{self, Mismatch, Status};
use cognitivecart_worker::record::Record;
use cognitivecart_worker::stripe::session::Session;
use serde_json::{Value, json};

fn item() -> Value {
    json!({ "id": "li_9", "object": "item", "quantity": 3, "description": "Tee", "amount_subtotal": 3000, "amount_discount": 300, "amount_tax": 270, "amount_total": 2970,
      "price": { "unit_amount": 1000, "external_reference": "TEE-1", "product": { "name": "Tee", "description": "A tee.", "images": ["https://s.example/t.jpg"],
        "url": "https://s.example/t", "tax_code": "txcd_1", "identifiers": { "gtin": "0012345678905", "mpn": "T-1" } } },
      "taxes": [{ "amount": 270, "rate": { "tax_type": "sales_tax", "percentage": 10.0, "inclusive": false, "display_name": "CA" } }] })
}

fn session() -> Value {
    json!({ "id": "cs_test_1", "object": "checkout.session", "livemode": false, "status": "complete", "payment_status": "paid", "currency": "usd",
      "amount_subtotal": 3000, "amount_total": 3470, "total_details": { "amount_discount": 300, "amount_shipping": 500, "amount_tax": 270 },
      "shipping_cost": { "amount_subtotal": 500, "amount_tax": 0, "amount_total": 500, "shipping_rate": { "id": "shr_1", "display_name": "Standard" } },
      "customer_details": { "email": "A@b.example", "name": "A B", "phone": "+1" }, "metadata": { "ref": "1" }, "automatic_tax": { "enabled": true },
      "collected_information": { "shipping_details": { "name": "C D", "address": { "line1": "1 Main", "line2": null, "city": "SF", "state": "CA", "postal_code": "94105", "country": "US" } } },
      "payment_intent": { "id": "pi_1", "livemode": false, "status": "succeeded", "amount": 3470, "amount_received": 3470, "currency": "usd", "capture_method": "automatic_async",
        "application_fee_amount": 104, "agent_details": { "name": "ChatGPT" },
        "latest_charge": { "id": "ch_1", "created": 1700000000, "receipt_number": "1234-5678", "receipt_url": "https://r.example/1", "amount": 3470,
          "billing_details": { "name": "E F", "email": "e@f.example", "address": { "line1": "2 Bank", "city": "NY", "state": "NY", "postal_code": "10001", "country": "US" } },
          "payment_method_details": { "type": "card", "card": { "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030 } } } } })
}

fn born() -> Born<'static> {
    Born { id: "ord_1", transaction: "cct_1", permalink_url: "https://w.example/orders/ord_1".to_owned(), now: 1_700_000_100 }
}

fn shown(session: &Value, items: &[Value]) -> Value {
    object(&order::order(session, items, &born()))
}

#[test]
fn every_row_of_the_field_table() {
    let order = shown(&session(), &[item()]);
    let at = |pointer: &str| order.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {order}"));
    for (pointer, value) in [
        ("/order_date", json!(1_700_000_000)),
        ("/line_items/0/quantity", json!(3)),
        ("/line_items/0/sku", json!("TEE-1")),
        ("/line_items/0/description", json!("A tee.")),
        ("/line_items/0/unit_amount", json!(1000)),
        ("/line_items/0/amount_total", json!(2970)),
        ("/line_items/0/taxes", json!([{ "amount": 270, "type": "sales_tax", "rate": 10.0, "inclusive": false }])),
        ("/line_items/0/gtin", json!("0012345678905")),
        ("/line_items/0/mpn", json!("T-1")),
        (
            "/shipping_details",
            json!({ "name": "C D", "phone": "+1", "address": { "line1": "1 Main", "line2": null, "city": "SF", "state": "CA", "postal_code": "94105", "country": "US", "company": null } }),
        ),
        ("/billing_details/name", json!("E F")),
        ("/billing_details/address/line1", json!("2 Bank")),
        ("/card", json!({ "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030 })),
        ("/amount_total", json!(3470)),
        ("/agent", json!("ChatGPT")),
        ("/agent_details", json!({ "name": "ChatGPT" })),
        ("/receipt_number", json!("1234-5678")),
        ("/buyer/email", json!("A@b.example")),
        ("/amount_subtotal", json!(2700)),
        ("/amount_tax", json!(270)),
        ("/amount_shipping", json!(500)),
        ("/shipping_options/0/title", json!("Standard")),
        ("/checkout_session", json!("cs_test_1")),
        ("/transaction", json!("cct_1")),
    ] {
        assert_eq!(at(pointer), value, "{pointer}");
    }
}

#[test]
fn what_the_previews_do_not_tell_is_not_known() {
    let mut bare = session();
    bare["payment_intent"] = json!("pi_1");
    bare["shipping_cost"] = Value::Null;
    bare["collected_information"] = Value::Null;
    bare["customer_details"] = Value::Null;
    let line = json!({ "id": "li_1", "quantity": 2, "description": "Mug", "amount_subtotal": 500, "amount_total": 500, "price": { "unit_amount": null, "product": "prod_1" } });
    let order = shown(&bare, &[line, json!({}), json!("nonsense"), Value::Null]);
    let first = &order["line_items"][0];
    assert_eq!(
        (&first["sku"], &first["description"], &first["unit_amount"], &first["gtin"]),
        (&Value::Null, &json!("Mug"), &json!(250), &Value::Null)
    );
    assert_eq!(first["taxes"], json!([]));
    assert_eq!(order["line_items"].as_array().map(Vec::len), Some(4));
    for member in ["agent", "agent_details", "card", "receipt_number", "shipping_details", "billing_details"] {
        assert_eq!(order[member], Value::Null, "{member}");
    }
    assert_eq!(order["order_date"], json!(1_700_000_100));
    assert_eq!(order["amount_total"], json!(3470));
}

/// Every member of the two documents, replaced by what it is not, one at a time and all the way down: never a panic, never an order lost.
#[test]
fn whatever_stripe_sends_instead() {
    fn places(value: &Value, at: &str, into: &mut Vec<String>) {
        into.push(at.to_owned());
        match value {
            Value::Object(members) => members.iter().for_each(|(name, member)| places(member, &format!("{at}/{name}"), into)),
            Value::Array(elements) => elements.iter().enumerate().for_each(|(n, element)| places(element, &format!("{at}/{n}"), into)),
            _ => {}
        }
    }
    let whole = json!({ "session": session(), "item": item() });
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    for place in all.iter().filter(|place| !place.is_empty()) {
        for odd in
            [Value::Null, json!(-5), json!(9.5), json!(i64::MAX), json!(""), json!("x"), json!([]), json!([1]), json!({}), json!(true)]
        {
            let mut bent = whole.clone();
            *bent.pointer_mut(place).expect("a place of its own") = odd;
            let order = order::order(&bent["session"], &[bent["item"].clone()], &born());
            let shown = object(&order);
            assert_eq!(shown["id"], json!("ord_1"), "{place}");
            assert!(order.lines.iter().all(|line| line.quantity >= 1 && line.unit_amount >= 0), "{place}");
            serde_json::from_str::<Value>(&order::stock(&order)).expect("a list");
            if let Ok(session) = Session::from_value(bent["session"].clone()) {
                let owner = Owner { shop_id: "shop_1", account: "acct_1", destination: false };
                if let Some(row) = order::row(&session, &bent["session"], &order, &owner, 5) {
                    assert!((0..=row.amount).contains(&row.application_fee_amount), "{place}: {}", row.application_fee_amount);
                    // What D1 would not take would come back, again and again.
                    let kept = [row.amount, row.amount_subtotal, row.amount_tax, row.amount_shipping, order.created];
                    assert!(kept.iter().all(|amount| (0..=9_007_199_254_740_991).contains(amount)), "{place}: {kept:?}");
                    let _ = ledger::news_of_session(&row, Some("acct_1"), &session);
                }
            }
        }
    }
}

#[test]
fn an_agents_name_fits_into_the_ledger() {
    let name = |details: Value| order::agent_name(Some(&details));
    assert_eq!(name(json!({ "name": "  ChatGPT\n" })).as_deref(), Some("ChatGPT"));
    assert_eq!(name(json!({ "name": "é".repeat(70) })).map(|name| name.chars().count()), Some(64));
    for unnamed in [json!({}), json!({ "name": " \u{7} " }), json!({ "name": 5 }), json!("ChatGPT"), json!([])] {
        assert_eq!(name(unnamed), None);
    }
    assert_eq!(order::agent_details(&json!({ "payment_intent": { "agent_details": null } })), None);
    assert_eq!(order::agent_details(&json!({ "payment_intent": "pi_1", "agent_details": { "name": "A" } })), Some(&json!({ "name": "A" })));
}

#[test]
fn taxes_that_prices_include_are_not_added_again() {
    let mut of = session();
    of["amount_total"] = json!(3200);
    let mut line = item();
    line["amount_tax"] = json!(245);
    line["amount_total"] = json!(2700);
    line["taxes"] = json!([{ "amount": 245, "rate": { "tax_type": "vat", "percentage": 10, "inclusive": true } }]);
    of["total_details"]["amount_tax"] = json!(245);
    let order = order::order(&of, &[line], &born());
    assert_eq!((order.totals.tax, order.totals.included_tax, order.lines[0].tax, order.lines[0].included_tax), (0, 245, 0, 245));
    assert_eq!(object(&order)["line_items"][0]["taxes"], json!([{ "amount": 245, "type": "vat", "rate": 10, "inclusive": true }]));
}

fn row_of(session: &Value, destination: bool) -> Option<(Box<ledger::Row>, Session)> {
    let read = Session::from_value(session.clone()).ok()?;
    let order = order::order(session, &[item()], &born());
    let owner = Owner { shop_id: "shop_1", account: "acct_1", destination };
    Some((order::row(&read, session, &order, &owner, 7)?, read))
}

#[test]
fn the_row_and_what_the_session_says_of_it() {
    let (row, read) = row_of(&session(), false).expect("a row");
    assert_eq!(
        (row.amount, row.amount_subtotal, row.amount_tax, row.amount_shipping, row.application_fee_amount),
        (3470, 3000, 270, 500, 104)
    );
    assert_eq!(
        (row.source.as_str(), row.agent.as_deref(), row.protocol.as_str(), row.automatic_tax),
        ("agent", Some("ChatGPT"), "stripe", 1)
    );
    let news = ledger::news_of_session(&row, Some("acct_1"), &read).expect("its own session");
    assert_eq!((news.to, news.amount_captured), (Some(Status::Paid), Some(3470)));
    assert_eq!(ledger::news_of_session(&row, Some("acct_2"), &read), Err(Mismatch::Account));
    assert_eq!(ledger::news_of_session(&row, None, &read), Err(Mismatch::Account));
    let differs = |bend: &dyn Fn(&mut Value)| {
        let mut bent = session();
        bend(&mut bent);
        ledger::news_of_session(&row, Some("acct_1"), &Session::from_value(bent).expect("a session")).err()
    };
    assert_eq!(differs(&|s| s["amount_total"] = json!(1)), Some(Mismatch::Amount));
    assert_eq!(differs(&|s| s["payment_intent"]["amount"] = json!(1)), Some(Mismatch::Amount));
    assert_eq!(differs(&|s| s["currency"] = json!("eur")), Some(Mismatch::Currency));
    assert_eq!(differs(&|s| s["livemode"] = json!(true)), Some(Mismatch::Mode));
    assert_eq!(differs(&|s| s["id"] = json!("cs_test_2")), Some(Mismatch::Session));
    assert_eq!(differs(&|s| s["payment_intent"] = json!("pi_2")), Some(Mismatch::PaymentIntent));
    assert_eq!(differs(&|s| s["metadata"] = json!({ "cc_transaction": "cct_other" })), Some(Mismatch::Reference));
}

/// A row of a checkout of ours is never settled by a session that names none: only an agent's order may be found that way.
#[test]
fn a_row_of_ours_must_be_named() {
    let (mut row, read) = row_of(&session(), false).expect("a row");
    row.protocol = "checkout".to_owned();
    assert_eq!(ledger::news_of_session(&row, Some("acct_1"), &read), Err(Mismatch::Reference));
    row.protocol = "stripe".to_owned();
    row.checkout_session = None;
    assert_eq!(ledger::news_of_session(&row, Some("acct_1"), &read), Err(Mismatch::Session));
    row.payment_intent = None;
    let intent = read.payment_intent.as_ref().and_then(|intent| intent.object()).expect("expanded");
    assert_eq!(ledger::news_of_intent(&row, Some("acct_1"), "payment_intent.succeeded", intent), Err(Mismatch::PaymentIntent));
}

#[test]
fn a_destination_charge_goes_to_the_rows_account() {
    let mut whole = session();
    whole["payment_intent"]["transfer_data"] = json!({ "destination": "acct_1" });
    whole["payment_intent"]["on_behalf_of"] = json!("acct_1");
    let (row, read) = row_of(&whole, true).expect("a row");
    assert_eq!(ledger::news_of_session(&row, None, &read).map(|news| news.to), Ok(Some(Status::Paid)));
    whole["payment_intent"]["on_behalf_of"] = json!("acct_2");
    let bent = Session::from_value(whole).expect("a session");
    assert_eq!(ledger::news_of_session(&row, None, &bent), Err(Mismatch::Account));
}

#[test]
fn what_decides_must_be_said() {
    for (member, odd) in [
        ("amount_total", Value::Null),
        ("amount_total", json!(-1)),
        ("amount_total", json!(1_000_000_000_000_i64)),
        ("currency", json!("zzz")),
        ("currency", Value::Null),
    ] {
        let mut bent = session();
        bent[member] = odd;
        assert!(row_of(&bent, false).is_none(), "{member}");
    }
}

#[test]
fn authorised_processing_and_canceled() {
    let status = |bend: &dyn Fn(&mut Value)| {
        let mut bent = session();
        bent["payment_status"] = json!("unpaid");
        bend(&mut bent);
        let (row, read) = row_of(&bent, false).expect("a row");
        ledger::news_of_session(&row, Some("acct_1"), &read).expect("its own").to
    };
    let manual = |status: &'static str| {
        move |s: &mut Value| {
            s["payment_intent"]["capture_method"] = json!("manual");
            s["payment_intent"]["status"] = json!(status);
        }
    };
    assert_eq!(status(&manual("requires_capture")), Some(Status::Authorized));
    assert_eq!(status(&manual("canceled")), Some(Status::Canceled));
    assert_eq!(status(&|s| s["payment_intent"]["status"] = json!("processing")), Some(Status::Processing));
    assert_eq!(status(&|s| s["payment_intent"]["status"] = json!("requires_payment_method")), Some(Status::Failed));
    assert_eq!(status(&|s| s["status"] = json!("open")), None);
}

#[test]
fn what_is_sold_is_named_by_sku() {
    let order = order::order(&session(), &[item(), json!({ "id": "li_2", "quantity": 1, "price": {} })], &born());
    assert_eq!(serde_json::from_str::<Value>(&order::stock(&order)).expect("JSON"), json!([{ "id": "TEE-1", "quantity": 3 }]));
}
