//! What agents send in six dialects (contract, *ACP*), and what is refused with which path.

use cognitivecart_worker::acp::ask::{Ask, Patch};
use cognitivecart_worker::acp::dialect::Dialect::{self, *};
use cognitivecart_worker::acp::session::{Contact, Session};
use cognitivecart_worker::acp::{change, idempotency, problem, read, time};
use cognitivecart_worker::error::Problem;
use cognitivecart_worker::record::Json;
use serde_json::{Value, json};
use std::path::PathBuf;

const ALL: [Dialect; 6] = [Stripe, V20250929, V20251212, V20260116, V20260130, V20260417];

fn address() -> Value {
    json!({ "name": "Ada Byron", "line_one": "1 Main St", "line_two": "", "city": "Springfield", "state": "IL", "country": "us",
        "postal_code": "62701" })
}

fn buyer() -> Value {
    json!({ "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "phone_number": "+1 (555) 123-4567" })
}

/// A create that says everything the version has.
pub fn full_create(dialect: Dialect) -> Value {
    let details = json!({ "name": "Ada", "phone_number": "15551234567", "email": "ada@example.com", "address": address() });
    let affiliate = json!({ "provider": "impact.com", "token": "atp_1", "publisher_id": "pub_1", "campaign_id": "123456789012",
        "source": { "type": "url", "url": "https://medium.com/@somebody/best" }, "issued_at": "2026-02-11T10:00:00Z",
        "metadata": { "placement": "top", "rate": 0.15, "verified": true }, "touchpoint": "first", "later_version": [1] });
    match dialect {
        Stripe | V20250929 => json!({ "items": [{ "id": "mug", "quantity": 2 }], "buyer": buyer(), "fulfillment_address": address() }),
        V20251212 | V20260116 => json!({ "items": [{ "id": "mug", "quantity": 2 }], "buyer": buyer(), "fulfillment_details": details,
            "affiliate_attribution": affiliate }),
        V20260130 | V20260417 => json!({
            "line_items": [{ "id": "mug", "quantity": 2, "name": "Mug", "unit_amount": 1 }, { "id": "tea" },
                { "item": { "id": "pot" }, "quantity": 3 }],
            "currency": "USD", "capabilities": { "interventions": { "supported": ["3ds", "telepathy"], "max_redirects": 1 },
                "extensions": ["discount", "loyalty"], "future": {} },
            "buyer": { "email": "ada@example.com", "full_name": "Ada Byron", "customer_id": "c1", "account_type": "business",
                "authentication_status": "guest", "company": { "name": "Engines", "tax_id": "1" },
                "loyalty": { "tier": "gold", "points_balance": 5, "member_since": "2020-02-29T00:00:00+01:00" },
                "tax_exemption": { "certificate_id": "x", "certificate_type": "resale", "exempt_regions": ["IL"] } },
            "fulfillment_details": details,
            "fulfillment_groups": [{ "id": "g1", "item_ids": ["mug"], "destination_type": "shipping", "fulfillment_details": details,
                "instructions": "Ring twice" }],
            "affiliate_attribution": affiliate, "discounts": { "codes": ["SAVE10", "TEA"] }, "locale": "en-US",
            "timezone": "America/New_York",
            "quote_id": "q_1", "metadata": { "deep": { "is": ["kept"] } }, "order_notes": "Leave it at the door." }),
    }
}

pub fn full_complete(dialect: Dialect) -> Value {
    let billing = address();
    let mut body = if dialect < V20260130 {
        json!({ "buyer": buyer(), "payment_data": { "token": "spt_1", "provider": "stripe", "billing_address": billing } })
    } else {
        json!({ "buyer": buyer(), "payment_data": { "handler_id": "card_tokenized", "billing_address": billing,
            "instrument": { "type": "card", "credential": { "type": "spt", "token": "spt_1" } } } })
    };
    if dialect >= V20251212 {
        body["authentication_result"] = json!({ "outcome": "authenticated", "outcome_details": { "three_ds_cryptogram": "AAAB==",
            "electronic_commerce_indicator": "05", "transaction_id": "ds_1", "version": "2.2.0" } });
        body["affiliate_attribution"] = json!({ "provider": "impact.com", "publisher_id": "pub_1", "touchpoint": "last" });
    }
    if dialect >= V20260130 {
        body["risk_signals"] = json!({ "ip_address": "203.0.113.7", "user_agent": "Agent/1" });
        body["order_notes"] = json!("Ring twice.");
        body["fulfillment_details"] = json!({ "phone_number": "15551234567" });
        body["marketing_consents"] = json!([{ "channel": "email", "opted_in": true }, { "channel": "sms", "opted_in": false }]);
    }
    body
}

fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> (u16, String, String) {
    let problem = result.expect_err("this must be refused");
    (problem.status, problem.code.to_string(), problem.param.clone().unwrap_or_default())
}

#[test]
fn every_dialect_says_the_same_checkout() {
    for dialect in ALL {
        let ask = read::create(dialect, &full_create(dialect)).unwrap();
        let items = ask.items.as_deref().unwrap();
        assert_eq!((items[0].product.as_str(), items[0].quantity), ("mug", 2));
        let lines = if dialect < V20260130 { "items" } else { "line_items" };
        assert_eq!(items[0].param, format!("$.{lines}[0]"));
        let Patch::Set(to) = &ask.address else { panic!("{dialect:?}: no address") };
        assert_eq!((to.country.as_str(), to.line_two.as_deref()), ("US", None), "a blank second line is none");
        let Patch::Set(who) = &ask.buyer else { panic!("{dialect:?}: no buyer") };
        assert_eq!(who["email"], "ada@example.com");
        assert_eq!(ask.affiliate.is_some(), dialect >= V20251212);
        assert_eq!(matches!(ask.contact, Patch::Set(_)), dialect >= V20251212);
    }
    let ask = read::create(V20260417, &full_create(V20260417)).unwrap();
    let items: Vec<_> = ask.items.iter().flatten().map(|item| (item.product.as_str(), item.quantity)).collect();
    assert_eq!(items, [("mug", 2), ("tea", 1), ("pot", 3)], "a quantity that is not said is one");
    assert_eq!(ask.currency.as_deref(), Some("usd"));
    assert_eq!(ask.codes, Patch::Set(vec!["SAVE10".to_owned(), "TEA".to_owned()]));
    assert_eq!(
        ask.capabilities,
        Some(json!({ "interventions": { "supported": ["3ds", "telepathy"] }, "extensions": ["discount", "loyalty"] }))
    );
    assert_eq!(ask.metadata, Some(json!({ "deep": { "is": ["kept"] } })));
    assert_eq!(ask.order_notes, Patch::Set("Leave it at the door.".to_owned()));
    let attribution = ask.affiliate.unwrap();
    assert_eq!(attribution["metadata"]["rate"], 0.15);
    assert_eq!(attribution.get("later_version"), None, "what a later version adds is ignored");
    let Patch::Set(groups) = ask.groups else { panic!("no groups") };
    assert_eq!(groups[0]["fulfillment_details"]["address"]["country"], "US");
}

#[test]
fn what_published_clients_send_gets_through() {
    // `items`, and neither currency nor capabilities, as the OpenAPI documents have their examples.
    for dialect in [V20260130, V20260417] {
        let ask = read::create(dialect, &json!({ "items": [{ "id": "mug", "quantity": 1 }] })).unwrap();
        assert_eq!(ask.items.unwrap()[0].param, "$.items[0]");
        let complete = json!({ "payment_data": { "token": "spt_123", "provider": "stripe" } });
        assert_eq!(read::complete(dialect, &complete).unwrap().token, "spt_123");
        let nested =
            json!({ "selected_fulfillment_options": [{ "type": "shipping", "shipping": { "option_id": "o", "item_ids": ["mug"] } }] });
        let flat = json!({ "selected_fulfillment_options": [{ "type": "shipping", "option_id": "o", "item_ids": ["mug"] }] });
        assert_eq!(read::update(dialect, &nested).unwrap(), read::update(dialect, &flat).unwrap());
        let untyped = read::update(dialect, &json!({ "selected_fulfillment_options": [{ "option_id": "o" }] })).unwrap();
        let Patch::Set(selected) = untyped.selected else { panic!("not selected") };
        assert_eq!((selected[0].kind.as_str(), selected[0].option_id.as_str()), ("", "o"));
        let price = json!({ "amount": 1, "source": { "feed_id": "f" } });
        let price = json!({ "line_items": [{ "id": "mug", "suggested_price": price }], "currency": "usd", "capabilities": {} });
        assert_eq!(read::create(dialect, &price).unwrap().items.unwrap()[0].quantity, 1);
        let bound = json!({ "payment_data": { "handler_id": "card_tokenized", "instrument": { "token": "tok_visa", "id": "i" } } });
        assert_eq!(read::complete(dialect, &bound).unwrap().token, "tok_visa");
    }
    // A number in the first release, as long as it is whole.
    for quantity in [json!(2), json!(2.0), json!(2e0)] {
        assert_eq!(
            read::create(V20250929, &json!({ "items": [{ "id": "mug", "quantity": quantity }] })).unwrap().items.unwrap()[0].quantity,
            2
        );
    }
    let told = read::create(
        V20260116,
        &json!({ "items": [{ "id": "mug", "quantity": 1 }],
        "agent_capabilities": { "interventions": { "supported": ["3ds_redirect", "3ds_challenge", "biometric"] }, "features": {} } }),
    );
    assert_eq!(
        told.unwrap().capabilities,
        Some(json!({ "interventions": { "supported": ["3ds_redirect", "3ds_challenge", "biometric"] } }))
    );
    let ask = read::create(V20260417, &json!({ "cart_id": "cart_1", "buyer": null })).unwrap();
    assert_eq!((ask.cart.as_deref(), ask.items, ask.buyer), (Some("cart_1"), None, Patch::Clear));
    // Not every country has states or postal codes.
    let mut there = address();
    (there["state"], there["postal_code"]) = (json!(""), json!(""));
    let ask = read::create(V20250929, &json!({ "items": [{ "id": "mug", "quantity": 1 }], "fulfillment_address": there })).unwrap();
    assert!(matches!(ask.address, Patch::Set(to) if to.state.is_empty()));
}

#[test]
fn absent_keeps_and_null_clears() {
    let keep = read::update(V20260417, &json!({})).unwrap();
    assert_eq!(keep, Ask::default());
    let clear = json!({ "buyer": null, "fulfillment_details": null, "fulfillment_groups": null, "selected_fulfillment_options": [],
        "discounts": { "codes": [] }, "order_notes": "" });
    let clear = read::update(V20260417, &clear).unwrap();
    assert_eq!((clear.buyer, clear.contact, clear.address), (Patch::Clear, Patch::Clear, Patch::Clear));
    assert_eq!((clear.groups, clear.selected, clear.codes), (Patch::Clear, Patch::Clear, Patch::Clear));
    assert_eq!(clear.order_notes, Patch::Clear);
    assert_eq!(read::update(V20260130, &json!({ "coupons": ["A"] })).unwrap().codes, Patch::Set(vec!["A".to_owned()]));
    let both = json!({ "coupons": ["A"], "discounts": { "codes": ["B"] } });
    assert_eq!(read::update(V20260130, &both).unwrap().codes, Patch::Set(vec!["B".to_owned()]), "coupons is the older name");
    let address = read::update(V20260417, &json!({ "fulfillment_details": { "address": null } })).unwrap();
    assert_eq!((address.contact, address.address), (Patch::Keep, Patch::Clear));
    let contact = read::update(V20260417, &json!({ "fulfillment_details": { "email": "a@example.com", "name": null } })).unwrap();
    let email = Contact { email: Some("a@example.com".to_owned()), ..Contact::default() };
    assert_eq!((contact.contact, contact.address), (Patch::Set(email), Patch::Keep));
    assert_eq!(
        read::update(V20250929, &json!({ "fulfillment_option_id": null, "fulfillment_address": null })).unwrap().selected,
        Patch::Clear
    );
}

#[test]
fn how_it_is_paid() {
    for dialect in ALL {
        let payment = read::complete(dialect, &full_complete(dialect)).unwrap();
        assert_eq!(payment.token, "spt_1");
        assert_eq!(payment.billing.unwrap().country, "US");
        assert_eq!(payment.authentication.is_some(), dialect >= V20251212);
        assert_eq!(payment.ask.affiliate.is_some(), dialect >= V20251212);
        assert_eq!(payment.handler_id.as_deref(), (dialect >= V20260130).then_some("card_tokenized"));
        let consents = if dialect < V20260130 { vec![] } else { vec![("email".to_owned(), true), ("sms".to_owned(), false)] };
        assert_eq!(payment.consents, consents);
        assert_eq!(payment.ask.address, Patch::Keep);
    }
    // Its address is for the journey to compare.
    let moved = json!({ "payment_data": { "token": "spt_1", "provider": "stripe" }, "fulfillment_details": { "address": address() } });
    assert!(matches!(read::complete(V20260417, &moved).unwrap().ask.address, Patch::Set(_)));
    // The words of 2026-01-16 are those of no other version.
    for (said, heard) in
        [("failed", "denied"), ("attempt", "attempt_acknowledged"), ("unavailable", "not_supported"), ("rejected", "rejected")]
    {
        let mut body = full_complete(V20260116);
        body["authentication_result"]["outcome"] = json!(said);
        assert_eq!(read::complete(V20260116, &body).unwrap().authentication.unwrap().outcome, heard);
    }
    let mut denied = full_complete(V20260417);
    denied["authentication_result"] = json!({ "outcome": "denied", "outcome_details": { "transaction_id": "t", "version": "2.2.0" } });
    assert_eq!(read::complete(V20260417, &denied).unwrap().authentication.unwrap().outcome, "denied");
    assert!(read::offered(&read::complete(V20260417, &full_complete(V20260417)).unwrap()).is_ok());
    let other = json!({ "payment_data": { "token": "vt_1", "handler_id": "seller_pm_1" } });
    let refusal = refused(read::offered(&read::complete(V20260417, &other).unwrap()));
    assert_eq!(refusal, (400, "invalid".to_owned(), "$.payment_data.handler_id".to_owned()));
    let terms = json!({ "payment_data": { "token": "spt_1", "purchase_order_number": "PO-1", "payment_terms": "immediate",
        "approval_required": false } });
    assert!(read::complete(V20260130, &terms).is_ok());
}

#[test]
fn each_refusal_names_the_member_in_the_words_of_its_version() {
    let item = |extra: Value| {
        let mut item = json!({ "id": "mug", "quantity": 1 });
        item.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({ "items": [item] })
    };
    let new = |extra: Value| {
        let mut body = json!({ "line_items": [{ "id": "mug" }], "currency": "usd", "capabilities": {} });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let creates: Vec<(Dialect, Value, &str, &str)> = vec![
        (Stripe, json!([]), "invalid", "$"),
        (Stripe, json!({}), "missing", "$.items"),
        (V20250929, json!({ "items": [] }), "invalid", "$.items"),
        (V20250929, json!({ "items": "mug" }), "invalid", "$.items"),
        (V20250929, json!({ "items": [{ "id": "mug" }] }), "missing", "$.items[0].quantity"),
        (V20250929, json!({ "items": [{ "quantity": 1 }] }), "missing", "$.items[0].id"),
        (V20250929, item(json!({ "quantity": 2.5 })), "invalid", "$.items[0].quantity"),
        (V20250929, item(json!({ "quantity": 0 })), "invalid", "$.items[0].quantity"),
        (V20251212, item(json!({ "quantity": -1 })), "invalid", "$.items[0].quantity"),
        (V20251212, item(json!({ "quantity": "1" })), "invalid", "$.items[0].quantity"),
        (V20251212, item(json!({ "quantity": 1_000_000 })), "invalid", "$.items[0].quantity"),
        (V20260116, item(json!({ "price": 1 })), "invalid", "$.items[0].price"),
        (V20260116, item(json!({ "id": "" })), "invalid", "$.items[0].id"),
        (V20260116, item(json!({ "id": 42 })), "invalid", "$.items[0].id"),
        (V20250929, json!({ "items": [{ "id": "mug", "quantity": 1 }], "fulfillment_details": {} }), "invalid", "$.fulfillment_details"),
        (V20251212, json!({ "items": [{ "id": "mug", "quantity": 1 }], "fulfillment_address": {} }), "invalid", "$.fulfillment_address"),
        (V20250929, json!({ "items": [{ "id": "mug", "quantity": 1 }], "a b'c": 1 }), "invalid", "$[\"a b'c\"]"),
        (
            V20250929,
            json!({ "items": [{ "id": "mug", "quantity": 1 }], "buyer": { "email": "a@example.com" } }),
            "missing",
            "$.buyer.first_name",
        ),
        (V20250929, json!({ "items": [{ "id": "mug", "quantity": 1 }], "buyer": { "full_name": "A" } }), "invalid", "$.buyer.full_name"),
        (V20260130, json!({ "currency": "usd", "capabilities": {} }), "missing", "$.line_items"),
        (V20260130, json!({ "line_items": [{ "id": "mug" }], "capabilities": {} }), "missing", "$.currency"),
        (V20260417, json!({ "line_items": [{ "id": "mug" }], "currency": "usd" }), "missing", "$.capabilities"),
        (V20260417, json!({ "line_items": [{ "id": "mug" }], "currency": "usd", "capabilities": null }), "missing", "$.capabilities"),
        (V20260417, json!({ "line_items": [{ "id": "mug", "quantity": 0 }] }), "invalid", "$.line_items[0].quantity"),
        (V20260417, json!({ "line_items": [{ "item": { "id": "mug", "quantity": 0 } }] }), "invalid", "$.line_items[0].item.quantity"),
        (V20260417, json!({ "line_items": [{ "quantity": 1 }] }), "missing", "$.line_items[0].id"),
        (V20260417, json!({ "line_items": [{ "id": "mug", "quantity": null }] }), "invalid", "$.line_items[0].quantity"),
        (V20260417, new(json!({ "capabilities": { "extensions": [1] } })), "invalid", "$.capabilities.extensions[0]"),
        (V20260417, new(json!({ "currency": "dollar" })), "invalid", "$.currency"),
        (V20260417, new(json!({ "capabilities": [] })), "invalid", "$.capabilities"),
        (
            V20260417,
            new(json!({ "capabilities": { "interventions": { "supported": "3ds" } } })),
            "invalid",
            "$.capabilities.interventions.supported",
        ),
        (V20260417, new(json!({ "buyer": { "full_name": "A" } })), "missing", "$.buyer.email"),
        (V20260417, new(json!({ "buyer": { "email": "nobody" } })), "invalid", "$.buyer.email"),
        (V20260417, new(json!({ "buyer": { "email": "a@b" } })), "invalid", "$.buyer.email"),
        (V20260417, new(json!({ "buyer": { "email": "a b@example.com" } })), "invalid", "$.buyer.email"),
        (V20260417, new(json!({ "buyer": { "email": "a@example.com", "phone_number": "call me" } })), "invalid", "$.buyer.phone_number"),
        (V20260417, new(json!({ "buyer": { "email": "a@example.com", "company": {} } })), "missing", "$.buyer.company.name"),
        (
            V20260417,
            new(json!({ "buyer": { "email": "a@example.com", "loyalty": { "member_since": "2021-02-29T00:00:00Z" } } })),
            "invalid",
            "$.buyer.loyalty.member_since",
        ),
        (V20260417, new(json!({ "buyer": { "email": "a@example.com", "account_type": "robot" } })), "invalid", "$.buyer.account_type"),
        (V20260417, new(json!({ "discounts": { "codes": [1] } })), "invalid", "$.discounts.codes[0]"),
        (V20260417, new(json!({ "discounts": { "code": "A" } })), "invalid", "$.discounts.code"),
        (V20260417, new(json!({ "discounts": { "codes": vec!["A"; 21] } })), "invalid", "$.discounts.codes"),
        (V20260417, new(json!({ "metadata": "x" })), "invalid", "$.metadata"),
        (V20260417, new(json!({ "metadata": { "x": "y".repeat(17_000) } })), "invalid", "$.metadata"),
        (V20260417, new(json!({ "order_notes": "n".repeat(5_001) })), "invalid", "$.order_notes"),
        (V20260417, new(json!({ "locale": "en US" })), "invalid", "$.locale"),
        (
            V20260417,
            new(json!({ "fulfillment_groups": [{ "id": "g", "item_ids": [] }] })),
            "missing",
            "$.fulfillment_groups[0].destination_type",
        ),
        (V20260417, new(json!({ "affiliate_attribution": { "token": "t" } })), "missing", "$.affiliate_attribution.provider"),
        (V20260417, new(json!({ "affiliate_attribution": { "provider": "p" } })), "missing", "$.affiliate_attribution.publisher_id"),
        (
            V20260417,
            new(json!({ "affiliate_attribution": { "provider": "p", "token": "t", "metadata": { "a": {} } } })),
            "invalid_type",
            "$.affiliate_attribution.metadata.a",
        ),
        (
            V20260417,
            new(json!({ "affiliate_attribution": { "provider": "p", "token": "t", "touchpoint": "middle" } })),
            "invalid",
            "$.affiliate_attribution.touchpoint",
        ),
        (V20260417, new(json!({ "selected_fulfillment_options": [] })), "invalid", "$.selected_fulfillment_options"),
    ];
    for (dialect, body, code, param) in creates {
        assert_eq!(refused(read::create(dialect, &body)), (400, code.to_owned(), param.to_owned()), "{dialect:?} {body}");
    }
    let many: Vec<Value> = (0..101).map(|place| json!({ "id": format!("p{place}"), "quantity": 1 })).collect();
    assert_eq!(refused(read::create(Stripe, &json!({ "items": many }))).2, "$.items");
    for (member, value) in [("country", "USA"), ("country", "U1"), ("name", " "), ("city", "\u{0}")] {
        let mut there = address();
        there[member] = json!(value);
        let old = json!({ "items": [{ "id": "mug", "quantity": 1 }], "fulfillment_address": there });
        assert_eq!(refused(read::create(Stripe, &old)), (400, "invalid".to_owned(), format!("$.fulfillment_address.{member}")));
        let new = json!({ "fulfillment_details": { "address": there } });
        assert_eq!(refused(read::update(V20260417, &new)).2, format!("$.fulfillment_details.address.{member}"));
        there.as_object_mut().unwrap().remove(member);
        let new = json!({ "fulfillment_details": { "address": there } });
        let path = format!("$.fulfillment_details.address.{member}");
        assert_eq!(refused(read::update(V20251212, &new)), (400, "missing".to_owned(), path));
    }
    let updates: Vec<(Dialect, Value, &str, &str)> = vec![
        (V20250929, json!({ "items": [] }), "invalid", "$.items"),
        (V20250929, json!({ "fulfillment_option_id": 3 }), "invalid", "$.fulfillment_option_id"),
        (V20251212, json!({ "selected_fulfillment_options": "fast" }), "invalid", "$.selected_fulfillment_options"),
        (
            V20251212,
            json!({ "selected_fulfillment_options": [{ "type": "shipping" }] }),
            "missing",
            "$.selected_fulfillment_options[0].option_id",
        ),
        (
            V20251212,
            json!({ "selected_fulfillment_options": [{ "type": "shipping", "shipping": {} }] }),
            "missing",
            "$.selected_fulfillment_options[0].shipping.option_id",
        ),
        (
            V20260130,
            json!({ "selected_fulfillment_options": [{ "type": "pickup", "option_id": "o", "item_ids": [] }] }),
            "unsupported",
            "$.selected_fulfillment_options[0].type",
        ),
        (
            V20260130,
            json!({ "selected_fulfillment_options": [{ "type": "drone", "option_id": "o" }] }),
            "invalid",
            "$.selected_fulfillment_options[0].type",
        ),
        (V20260130, json!({ "currency": "usd" }), "invalid", "$.currency"),
        (V20251212, json!({ "affiliate_attribution": { "provider": "p", "token": "t" } }), "invalid", "$.affiliate_attribution"),
    ];
    for (dialect, body, code, param) in updates {
        assert_eq!(refused(read::update(dialect, &body)), (400, code.to_owned(), param.to_owned()), "{dialect:?} {body}");
    }
    let pay = |extra: Value| json!({ "payment_data": extra });
    let completes: Vec<(Dialect, Value, &str, &str)> = vec![
        (Stripe, json!({}), "missing", "$.payment_data"),
        (Stripe, pay(json!({ "provider": "stripe" })), "missing", "$.payment_data.token"),
        (V20250929, pay(json!({ "token": "spt_1" })), "missing", "$.payment_data.provider"),
        (V20250929, pay(json!({ "token": "spt_1", "provider": "adyen" })), "invalid", "$.payment_data.provider"),
        (V20250929, pay(json!({ "handler_id": "card_tokenized" })), "invalid", "$.payment_data.handler_id"),
        (
            V20250929,
            json!({ "payment_data": { "token": "spt_1", "provider": "stripe" }, "authentication_result": {} }),
            "invalid",
            "$.authentication_result",
        ),
        (V20260130, pay(json!({})), "missing", "$.payment_data.instrument"),
        (V20260130, pay(json!({ "instrument": { "type": "card" } })), "missing", "$.payment_data.instrument.credential"),
        (
            V20260417,
            pay(json!({ "instrument": { "type": "card", "credential": { "type": "spt" } } })),
            "missing",
            "$.payment_data.instrument.credential.token",
        ),
        (V20260417, pay(json!({ "purchase_order_number": "PO-1" })), "unsupported", "$.payment_data.purchase_order_number"),
        (V20260417, pay(json!({ "token": "spt_1", "payment_terms": "net_30" })), "unsupported", "$.payment_data.payment_terms"),
        (V20260417, pay(json!({ "token": "spt_1", "approval_required": true })), "unsupported", "$.payment_data.approval_required"),
        (
            V20260417,
            json!({ "payment_data": { "token": "spt_1" }, "authentication_result": { "outcome": "authenticated" } }),
            "missing",
            "$.authentication_result.outcome_details",
        ),
        (
            V20260417,
            json!({ "payment_data": { "token": "spt_1" }, "authentication_result": { "outcome": "maybe" } }),
            "invalid",
            "$.authentication_result.outcome",
        ),
        (
            V20260417,
            json!({ "payment_data": { "token": "spt_1" }, "marketing_consents": [{ "channel": "email" }] }),
            "missing",
            "$.marketing_consents[0].opted_in",
        ),
        (
            V20260417,
            json!({ "payment_data": { "token": "spt_1" }, "marketing_consents": [{ "channel": "email", "opted_in": 1 }] }),
            "invalid",
            "$.marketing_consents[0].opted_in",
        ),
        (V20260417, json!({ "payment_data": { "token": "spt_1" }, "risk_signals": { "iq": 1 } }), "invalid", "$.risk_signals.iq"),
    ];
    for (dialect, body, code, param) in completes {
        assert_eq!(refused(read::complete(dialect, &body)), (400, code.to_owned(), param.to_owned()), "{dialect:?} {body}");
    }
    assert_eq!(refused(read::cart(&json!({}))), (400, "missing".to_owned(), "$.line_items".to_owned()));
    assert_eq!(refused(read::cart(&json!({ "line_items": [] }))).2, "$.line_items");
    assert_eq!(refused(read::cart(&json!({ "line_items": [{ "id": "mug" }], "discounts": {} }))).2, "$.discounts");
    let cart = json!({ "line_items": [{ "id": "mug", "quantity": 2 }], "buyer": { "email": "a@example.com" }, "locale": "de-DE" });
    assert_eq!(read::cart(&cart).unwrap().items.unwrap()[0].quantity, 2);
}

#[test]
fn attribution_never_tells_who_the_buyer_is() {
    let claim = |name: &str, value: Value| {
        let mut claim = json!({ "provider": "impact.com", "token": "t", "metadata": {} });
        claim.pointer_mut(name.rsplit_once('/').unwrap().0).unwrap()[name.rsplit_once('/').unwrap().1] = value;
        read::create(V20251212, &json!({ "items": [{ "id": "mug", "quantity": 1 }], "affiliate_attribution": claim }))
    };
    for (name, value) in [
        ("/metadata/user_email", json!("hidden")),
        ("/metadata/e-mail", json!(1)),
        ("/metadata/Phone", json!(1)),
        ("/metadata/first_name", json!("Ada")),
        ("/metadata/name", json!("Ada")),
        ("/metadata/shipping_address", json!("1 Main St")),
        ("/metadata/note", json!("write to ada@example.com soon")),
        ("/metadata/note", json!("+1 555 123 4567")),
        ("/metadata/note", json!("(555) 123-4567")),
        ("/sub_id", json!("u1=ada@example.com&u2=")),
        ("/email", json!("ada@example.com")),
    ] {
        let (status, code, param) = refused(claim(name, value));
        assert_eq!((status, code.as_str()), (400, "pii_not_allowed"), "{name}");
        assert!(param.starts_with("$.affiliate_attribution"), "{param}");
    }
    for (name, value) in [
        ("/campaign_id", json!("5551234567")),
        ("/sub_id", json!("u1=abc&u2=def")),
        ("/metadata/campaign_name", json!("Summer @ home")),
        ("/metadata/started", json!("2026-02-11")),
        ("/metadata/handle", json!("@somebody")),
        ("/token", json!("a@b.cd+1 555 123 4567")),
    ] {
        assert!(claim(name, value.clone()).is_ok(), "{name} {value}");
    }
}

#[test]
fn giving_up_is_refused_only_where_the_reason_is_malformed() {
    for dialect in ALL {
        for body in [Value::Null, json!({}), json!({ "why": "not" })] {
            assert_eq!(read::cancel(dialect, &body).unwrap().trace, None);
        }
    }
    let trace = |trace: Value| read::cancel(V20260417, &json!({ "intent_trace": trace }));
    let full =
        json!({ "reason_code": "shipping_cost", "trace_summary": "Too dear.", "metadata": { "target": 0, "from": "x", "sure": true } });
    assert_eq!(trace(full.clone()).unwrap().trace, Some(full));
    assert_eq!(trace(json!({ "reason_code": "weather", "new": [] })).unwrap().trace, Some(json!({ "reason_code": "other" })));
    assert_eq!(refused(trace(json!({}))), (400, "missing".to_owned(), "$.intent_trace.reason_code".to_owned()));
    let nested = trace(json!({ "reason_code": "other", "metadata": { "deep": { "a": 1 } } }));
    assert_eq!(refused(nested), (400, "invalid_type".to_owned(), "$.intent_trace.metadata.deep".to_owned()));
    assert_eq!(refused(trace(json!({ "reason_code": "other", "trace_summary": "x".repeat(501) }))).2, "$.intent_trace.trace_summary");
    // The first release knows no trace: nothing of it is looked at.
    assert_eq!(read::cancel(V20250929, &json!({ "intent_trace": 1 })).unwrap().trace, None);
}

/// As much as an agent can say at once.
#[test]
fn no_body_makes_a_document_that_no_row_can_hold() {
    let wide = |count: usize| "\u{1f4a9}".repeat(count);
    let there = json!({ "name": wide(255), "line_one": wide(255), "line_two": wide(255), "city": wide(255), "state": wide(255),
        "country": "US", "postal_code": wide(255), "company": wide(255) });
    let details = json!({ "name": wide(255), "email": "a@example.com", "address": there });
    let ids: Vec<String> = (0..100).map(|_| wide(255)).collect();
    let body = json!({
        "line_items": (0..100).map(|place| json!({ "id": format!("{place}") })).collect::<Vec<_>>(), "currency": "usd",
        "capabilities": { "interventions": { "supported": vec![wide(100); 20] }, "payment": { "handlers": ids } },
        "buyer": { "email": "a@example.com", "first_name": wide(255), "last_name": wide(255), "full_name": wide(255),
            "customer_id": wide(255),
            "company": { "name": wide(255), "tax_id": wide(255), "department": wide(255), "cost_center": wide(255) },
            "loyalty": { "tier": wide(255) }, "tax_exemption": { "certificate_id": wide(255), "certificate_type": "resale",
                "exempt_regions": (0..40).map(|_| wide(20)).collect::<Vec<_>>() } },
        "fulfillment_details": details, "metadata": { "x": "y".repeat(16_000) }, "order_notes": wide(5_000),
        "discounts": { "codes": (0..20).map(|_| wide(100)).collect::<Vec<_>>() }, "locale": "e".repeat(64), "timezone": "e".repeat(64),
        "quote_id": wide(255), "fulfillment_groups": [{ "id": "g", "item_ids": ids[..10], "destination_type": "shipping" }],
    });
    let ask = read::create(V20260417, &body).unwrap();
    let mut session = Session::default();
    change::apply(&mut session, &ask);
    let known: Vec<String> = (0..100).map(|place| format!("{place:0>150}")).collect();
    let update = json!({ "selected_fulfillment_options": [{ "type": "shipping", "option_id": "o", "item_ids": known }] });
    assert!(read::update(V20260417, &update).is_ok_and(|ask| matches!(ask.selected, Patch::Set(_))));
    let size = session.json().to_string().len();
    assert!(size < 120_000, "{size} bytes");
    // Groups with all that one can hold are too many.
    let groups: Vec<Value> = (0..20).map(|_| json!({ "id": "g", "item_ids": known, "destination_type": "shipping" })).collect();
    assert_eq!(refused(read::update(V20260417, &json!({ "fulfillment_groups": groups }))).2, "$.fulfillment_groups");
    let selected: Vec<Value> = (0..20).map(|_| json!({ "type": "shipping", "option_id": "o", "item_ids": known })).collect();
    assert_eq!(refused(read::update(V20260417, &json!({ "selected_fulfillment_options": selected }))).2, "$.selected_fulfillment_options");
}

/// The official examples, where they are at hand (they are not part of this repository).
#[test]
fn every_official_request_is_read() {
    let contracts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts/acp");
    if !contracts.is_dir() {
        println!("skipped: {} is not here", contracts.display());
        return;
    }
    let file = |dialect: Dialect, name: &str| -> Value {
        let path = contracts.join(dialect.name()).join("examples").join(name);
        serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()))).unwrap()
    };
    let read_one = |dialect: Dialect, name: &str, body: &Value| -> Result<(), Problem> {
        if name.contains("complete") {
            read::complete(dialect, body).map(drop)
        } else if name.contains("update") {
            read::update(dialect, body).map(drop)
        } else if name.contains("cancel") {
            read::cancel(dialect, body).map(drop)
        } else {
            read::create(dialect, body).map(drop)
        }
    };
    let mut count = 0;
    let mut feed = |dialect: Dialect, name: &str, body: &Value| {
        // Half a jacket: the schema of 2025-09-29 allows it, no shop sells it.
        if dialect == V20250929 && name == "create_checkout_session_request" {
            assert_eq!(refused(read_one(dialect, name, body)).2, "$.items[0].quantity");
            let mut whole = body.clone();
            whole["items"][0]["quantity"] = json!(2);
            read_one(dialect, name, &whole).unwrap();
        } else if body.get("line_items").is_some() && body.get("capabilities").is_none() {
            // The schema requires them; those of the discount extension and of several items are without.
            assert_eq!(refused(read_one(dialect, name, body)).2, "$.capabilities");
            let mut whole = body.clone();
            whole["capabilities"] = json!({});
            read_one(dialect, name, &whole).unwrap();
        } else if let Err(problem) = read_one(dialect, name, body) {
            panic!("{dialect:?} {name}: {:?} {}\n{body}", problem.param, problem.message);
        }
        count += 1;
    };
    for dialect in Dialect::VERSIONS {
        for (name, body) in file(dialect, "examples.agentic_checkout.json").as_object().unwrap() {
            if name.contains("_request") && !name.starts_with("error") {
                feed(dialect, name, body);
            }
        }
        if dialect >= V20260130 {
            for name in [
                "automatic-discount",
                "order-level-discount",
                "percentage-discount-with-allocations",
                "rejected-discount-code",
                "stacked-discounts",
            ] {
                feed(dialect, name, &file(dialect, &format!("discount-extension/{name}.json"))["request"]);
            }
        }
    }
    for (name, body) in file(V20260116, "examples.capability_negotiation.json").as_object().unwrap() {
        if name.ends_with("_request") {
            feed(V20260116, name, body);
        }
    }
    let several = file(V20260417, "examples.multi_item_checkout.json");
    feed(V20260417, "create_multi_item", &several["create_multi_item_checkout_request"]);
    for (name, call) in file(V20260417, "examples.mcp.agentic_checkout.json").as_object().unwrap() {
        if let Some(body) = call.pointer("/params/arguments/payload") {
            feed(V20260417, name, body);
        }
    }
    println!("official requests read: {count}");
    assert!(count >= 45, "{count}");
}

#[test]
fn the_same_request_again_is_told_by_its_meaning() {
    let print = |text: &str| idempotency::fingerprint(&serde_json::from_str(text).unwrap());
    let same = |one: &str, other: &str| assert_eq!(print(one), print(other), "{one} {other}");
    let differ = |one: &str, other: &str| assert_ne!(print(one), print(other), "{one} {other}");
    same(r#"{"a":1,"b":[1,2]}"#, r#"{ "b": [1.0, 2e0], "a": 1.00 }"#);
    same("0", "-0.0");
    same("-0", "0");
    same("1e16", "10000000000000000");
    same(r#""\u00e9""#, "\"é\"");
    same("1.5", "15e-1");
    differ(r#"{"a":null}"#, "{}");
    differ("[1,2]", "[2,1]");
    differ("1", r#""1""#);
    differ("true", r#""true""#);
    same("-5e1", "-50");
    same("1e300", "1.0e300");
    differ("9007199254740993", "9007199254740992");
    differ("9007199254740993", "9007199254740992.0");
    differ("18446744073709551615", "18446744073709551614");
    differ(r#"{"a":"1,\"b\":2"}"#, r#"{"a":1,"b":2}"#);
    differ(r#"["a","b"]"#, r#"["a,b"]"#);
    differ("[[1],2]", "[[1,2]]");
    differ("[]", "{}");
    assert_eq!(print("{}").len(), 64);
    for dialect in ALL {
        let new = dialect == V20260417;
        assert_eq!(idempotency::key_required(dialect), new);
        let (status, body) = problem::body(dialect, &idempotency::conflict(dialect));
        let expected = if new { (422, json!("invalid_request")) } else { (409, json!("request_not_idempotent")) };
        assert_eq!((status, body["type"].clone()), expected);
        assert_eq!(body["code"], "idempotency_conflict");
        let (status, body) = problem::body(dialect, &idempotency::in_flight(dialect));
        assert_eq!((status, &body["type"], &body["code"]), (409, &json!("invalid_request"), &json!("idempotency_in_flight")));
    }
    assert!(idempotency::in_flight(V20260417).retry_after.is_some());
    assert_eq!(idempotency::key_missing().code, "idempotency_key_required");
    assert_eq!(idempotency::key_invalid().status, 400);
}

#[test]
fn whatever_went_wrong_is_told_in_the_words_of_the_version() {
    let newest = Problem::request(409, "conflict", "Elsewhere.").at("$.fulfillment_details.address.city");
    let param = |dialect: Dialect, path: &str| {
        problem::body(dialect, &Problem::request(400, "invalid", "No.").at(path)).1.get("param").cloned().unwrap_or_default()
    };
    assert_eq!(
        problem::body(V20260417, &newest),
        (
            409,
            json!({ "type": "invalid_request", "code": "conflict", "message": "Elsewhere.",
        "param": "$.fulfillment_details.address.city" })
        )
    );
    for (path, first, middle) in [
        ("$.fulfillment_details.address.city", json!("$.fulfillment_address.city"), json!("$.fulfillment_details.address.city")),
        ("$.fulfillment_details.email", json!(null), json!("$.fulfillment_details.email")),
        ("$.fulfillment_details", json!("$.fulfillment_address"), json!("$.fulfillment_details")),
        ("$.fulfillment_detailsx", json!("$.fulfillment_detailsx"), json!("$.fulfillment_detailsx")),
        (
            "$.selected_fulfillment_options[0].option_id",
            json!("$.fulfillment_option_id"),
            json!("$.selected_fulfillment_options[0].option_id"),
        ),
        ("$.line_items[0].item.id", json!("$.items[0].id"), json!("$.items[0].id")),
        ("$.items[0].quantity", json!("$.items[0].quantity"), json!("$.items[0].quantity")),
        ("$.discounts.codes[0]", json!(null), json!(null)),
        ("$.payment_data.instrument.credential.token", json!("$.payment_data.token"), json!("$.payment_data.token")),
        ("cart[items]", json!(null), json!(null)),
    ] {
        for dialect in [Stripe, V20250929] {
            assert_eq!(param(dialect, path), first, "{path}");
        }
        for dialect in [V20251212, V20260116] {
            assert_eq!(param(dialect, path), middle, "{path}");
        }
    }
    for (problem, status, kind) in [
        (Problem::unauthenticated("key_unknown", "Who?"), 401, "invalid_request"),
        (Problem::forbidden("shop_suspended", "No."), 403, "invalid_request"),
        (Problem::missing("checkout session", "x"), 404, "invalid_request"),
        (Problem::request(405, "method_not_allowed", "No."), 405, "invalid_request"),
        (Problem::request(413, "body_too_large", "No."), 413, "invalid_request"),
        (Problem::request(415, "media_type_unsupported", "No."), 415, "invalid_request"),
        (Problem::rate_limited(), 429, "invalid_request"),
        (Problem::fault("secret cause"), 500, "processing_error"),
        (Problem::stripe_unavailable("Later."), 503, "service_unavailable"),
        (Problem::not_configured("Later."), 503, "service_unavailable"),
    ] {
        for dialect in ALL {
            let (told, body) = problem::body(dialect, &problem);
            assert_eq!((told, &body["type"]), (status, &json!(kind)));
            assert!(!body.to_string().contains("secret cause"));
        }
    }
    let versions = json!(["2025-09-29", "2025-12-12", "2026-01-16", "2026-01-30", "2026-04-17"]);
    for (problem, code) in
        [(problem::missing_version(), "missing_api_version"), (problem::unsupported_version("1999\n"), "unsupported_api_version")]
    {
        let (status, body) = problem::body(V20260417, &problem);
        assert_eq!((status, &body["code"], &body["supported_versions"]), (400, &json!(code), &versions));
        assert_eq!(problem::body(V20260130, &problem).1.get("supported_versions"), None, "the older Error is closed");
    }
}

#[test]
fn times_are_written_and_told_by_rfc_3339() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_795_000_000, "2026-11-18T11:06:40Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (i64::MAX, "9999-12-31T23:59:59Z"),
        (i64::MIN, "0000-01-01T00:00:00Z"),
    ] {
        assert_eq!(time::rfc3339(seconds), text);
        assert!(time::is_rfc3339(text));
    }
    // Every day of 400 years follows the one before.
    let mut before = time::rfc3339(0);
    for day in 1..146_097 {
        let today = time::rfc3339(day * 86_400);
        assert!(today > before && time::is_rfc3339(&today), "{today}");
        before = today;
    }
    assert_eq!(before, "2369-12-31T00:00:00Z");
    for good in ["2026-04-17T09:30:00z", "2026-04-17t09:30:00.123456Z", "2026-04-17T09:30:00-23:59", "2024-02-29T00:00:00+00:00"] {
        assert!(time::is_rfc3339(good), "{good}");
    }
    for bad in [
        "",
        "2026-04-17",
        "2026-04-17T09:30:00",
        "2026-04-17 09:30:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-17T24:00:00Z",
        "2026-04-17T09:60:00Z",
        "2026-04-17T09:30:60Z",
        "2026-04-17T09:30:00.Z",
        "2026-04-17T09:30:00+2:00",
        "2026-04-17T09:30:00+24:00",
        "2026-04-17T09:30:00Zx",
        "２026-04-17T09:30:00Z",
        "+026-04-17T09:30:00Z",
    ] {
        assert!(!time::is_rfc3339(bad), "{bad}");
    }
}
