//! The ledger decides: which way a status moves, and what counts as news of a row.

use cognitivecart_worker::ledger::{IntentNews, Mismatch, News, Row, Status, news_of_intent, news_of_session, next_check};
use cognitivecart_worker::record::{Member, Record};
use cognitivecart_worker::stripe::{PaymentIntent, Session};
use serde_json::{Value, json};

const ACCOUNT: Option<&str> = Some("acct_1");

/// An open row of 20.00 USD, changed by `change`.
fn row(change: Value) -> Row {
    let mut row = json!({
        "id": "cct_1", "shop_id": "shop_1", "livemode": 0, "account": "acct_1", "charge_type": "direct", "status": "open", "source": "chat",
        "currency": "usd", "amount_expected": 2000, "total_rule": "exact", "shipping_choices": "[]", "automatic_tax": 0, "amount": 2000,
        "amount_subtotal": 2000, "amount_tax": 0, "amount_shipping": 0, "amount_capturable": 0, "amount_captured": 0, "amount_refunded": 0,
        "application_fee_amount": 0, "application_fee_refunded": 0, "capture": "automatic", "checkout_session": "cs_1",
    });
    merge(
        &mut row,
        json!({
            "line_items": "[]", "extras": "{}", "discounts": "[]", "metadata": "{}", "refunds": "[]", "events": "[]",
            "stripe_key": "cct_1-1", "attempt_until": 0, "created": 0, "checks": 0,
        }),
    );
    merge(&mut row, change);
    Row::from_value(row).unwrap()
}

fn merge(object: &mut Value, change: Value) {
    for (name, value) in change.as_object().unwrap() {
        object[name] = value.clone();
    }
}

/// The paid session of that row, changed by `change`.
fn session(change: Value) -> Session {
    let mut session = json!({
        "id": "cs_1", "livemode": false, "currency": "usd", "amount_total": 2000, "amount_subtotal": 2000, "status": "complete",
        "payment_status": "paid", "metadata": { "cc_transaction": "cct_1" }, "payment_intent": "pi_1",
    });
    merge(&mut session, change);
    Session::from_value(session).unwrap()
}

fn intent_json(change: Value) -> Value {
    let mut intent = json!({
        "id": "pi_1", "livemode": false, "currency": "usd", "amount": 2000, "amount_received": 2000, "status": "succeeded",
        "metadata": { "cc_transaction": "cct_1" },
    });
    merge(&mut intent, change);
    intent
}

fn intent(change: Value) -> PaymentIntent {
    PaymentIntent::from_value(intent_json(change)).unwrap()
}

fn told(row_change: Value, session_change: Value) -> Result<News, Mismatch> {
    news_of_session(&row(row_change), ACCOUNT, &session(session_change))
}

fn told_by(kind: &str, row_change: Value, intent_change: Value) -> Result<IntentNews, Mismatch> {
    news_of_intent(&row(row_change), ACCOUNT, kind, &intent(intent_change))
}

// --- statuses -------------------------------------------------------------------------------------------------------

/// Every status a row may have × every status that news may bring: the whole table of the contract until it is paid. `x` moves. What
/// comes after is decided from all refunds and disputes (aftermath.rs).
#[test]
fn every_status_moves_forward_only() {
    use Status::*;
    #[rustfmt::skip]
    let table: [(Status, &str); 10] = [
        // to:             open processing authorized paid part.ref refunded disputed failed expired canceled
        (Open,              ".      x          x       x     .        .        .        x       x       x"),
        (Processing,        ".      .          x       x     .        .        .        x       .       x"),
        (Authorized,        ".      .          .       x     .        .        .        .       .       x"),
        (Paid,              ".      .          .       .     .        .        .        .       .       ."),
        (PartiallyRefunded, ".      .          .       .     .        .        .        .       .       ."),
        (Refunded,          ".      .          .       .     .        .        .        .       .       ."),
        (Disputed,          ".      .          .       .     .        .        .        .       .       ."),
        (Failed,            ".      .          .       x     .        .        .        .       .       ."),
        (Expired,           ".      .          .       x     .        .        .        .       .       ."),
        (Canceled,          ".      .          .       x     .        .        .        .       .       ."),
    ];
    for (from, cells) in table {
        let cells: Vec<bool> = cells.split_whitespace().map(|cell| cell == "x").collect();
        assert_eq!(cells.len(), Status::ALL.len());
        for (to, moves) in Status::ALL.into_iter().zip(cells) {
            assert_eq!(to.follows().contains(&from), moves, "{} → {}", from.name(), to.name());
        }
    }
}

#[test]
fn no_way_leads_in_a_circle() {
    fn reach(from: Status, seen: &mut Vec<Status>) {
        for to in Status::ALL.into_iter().filter(|to| to.follows().contains(&from)) {
            assert!(!seen.contains(&to), "{} comes back to {}", from.name(), to.name());
            seen.push(to);
            reach(to, seen);
            seen.pop();
        }
    }
    for status in Status::ALL {
        reach(status, &mut vec![status]);
    }
}

#[test]
fn names_are_those_of_the_contract_and_of_the_rows() {
    let names = "open processing authorized paid partially_refunded refunded disputed failed expired canceled";
    assert_eq!(Status::ALL.map(Status::name).join(" "), names);
    for status in Status::ALL {
        assert_eq!(Status::parse(status.name()), Some(status));
        assert_eq!(Status::read(Some(json!(status.name()))), Some(status));
    }
    assert_eq!(Status::parse("Paid"), None);
    assert_eq!(Status::parse(""), None);
}

#[test]
fn what_is_said_of_each_status() {
    use Status::*;
    for (status, sold, redirect, settled) in [
        (Open, false, "unpaid", false),
        (Processing, false, "processing", false),
        (Authorized, false, "authorized", true),
        (Paid, true, "paid", true),
        (PartiallyRefunded, true, "paid", true),
        // Whoever keeps the link of a refunded order must not get the goods a second time.
        (Refunded, true, "unpaid", true),
        (Disputed, true, "paid", true),
        (Failed, false, "unpaid", false),
        (Expired, false, "unpaid", false),
        (Canceled, false, "unpaid", false),
    ] {
        assert_eq!((status.sold(), status.for_redirect(), status.settled()), (sold, redirect, settled), "{}", status.name());
    }
}

// --- a Session ------------------------------------------------------------------------------------------------------

#[test]
fn what_a_session_says() {
    use Status::*;
    let with = |status: &str| json!({ "payment_status": "unpaid", "payment_intent": intent_json(json!({ "status": status })) });
    for (change, to) in [
        (json!({}), Some(Paid)),
        (json!({ "payment_status": "no_payment_required", "payment_intent": null }), Some(Paid)),
        (json!({ "payment_status": "unpaid" }), Some(Processing)),
        (with("processing"), Some(Processing)),
        (with("requires_payment_method"), Some(Failed)),
        (with("requires_capture"), Some(Authorized)),
        (with("canceled"), Some(Canceled)),
        (with("succeeded"), Some(Paid)),
        (json!({ "status": "expired", "payment_status": "unpaid", "payment_intent": null }), Some(Expired)),
        (json!({ "status": "open", "payment_status": "unpaid", "payment_intent": null }), None),
        (json!({ "status": null, "payment_status": null }), None),
        (json!({ "status": "something_new", "payment_status": "something_new" }), None),
    ] {
        assert_eq!(told(json!({}), change.clone()).unwrap().to, to, "{change}");
    }
    let manual = |change| told(json!({ "capture": "manual" }), change).unwrap().to;
    assert_eq!(manual(json!({ "payment_status": "unpaid" })), Some(Authorized));
    assert_eq!(manual(with("requires_capture")), Some(Authorized));
    assert_eq!(manual(with("canceled")), Some(Canceled));
}

#[test]
fn a_session_settles_only_the_row_that_it_was_made_for() {
    use Mismatch::*;
    let none = json!({});
    for (row_change, session_change, wrong) in [
        (none.clone(), json!({ "metadata": { "cc_transaction": "cct_2" } }), Reference),
        (none.clone(), json!({ "metadata": {} }), Reference),
        (none.clone(), json!({ "metadata": null }), Reference),
        (none.clone(), json!({ "id": "cs_2" }), Session),
        (none.clone(), json!({ "livemode": true }), Mode),
        (json!({ "livemode": 1 }), none.clone(), Mode),
        (none.clone(), json!({ "currency": "eur" }), Currency),
        (none.clone(), json!({ "currency": null }), Currency),
        (none.clone(), json!({ "amount_total": 1999 }), Amount),
        (none.clone(), json!({ "amount_total": 2001 }), Amount),
        (none.clone(), json!({ "amount_total": null }), Amount),
        (json!({ "payment_intent": "pi_2" }), none.clone(), PaymentIntent),
        (none.clone(), json!({ "payment_intent": intent_json(json!({ "metadata": { "cc_transaction": "cct_2" } })) }), Reference),
        (none.clone(), json!({ "payment_intent": intent_json(json!({ "currency": "eur" })) }), Currency),
        (none.clone(), json!({ "payment_intent": intent_json(json!({ "amount": 100 })) }), Amount),
    ] {
        assert_eq!(told(row_change.clone(), session_change.clone()), Err(wrong), "{row_change} {session_change}");
    }
    assert!(told(none, json!({})).is_ok());
    // A row whose session was never recorded takes the one that names it.
    assert!(told(json!({ "checkout_session": null }), json!({})).is_ok());
}

#[test]
fn a_session_counts_only_where_it_was_made() {
    let destination = json!({ "charge_type": "destination" });
    for (row_change, account, good) in [
        (json!({}), Some("acct_1"), true),
        (json!({}), Some("acct_2"), false),
        (json!({}), None, false),
        (destination.clone(), None, true),
        (destination, Some("acct_1"), false),
    ] {
        let news = news_of_session(&row(row_change.clone()), account, &session(json!({})));
        assert_eq!(news.err(), (!good).then_some(Mismatch::Account), "{row_change} {account:?}");
    }
}

#[test]
fn a_destination_charge_goes_to_the_shop_and_in_its_name() {
    for (change, good) in [
        (json!({ "transfer_data": { "destination": "acct_1" }, "on_behalf_of": "acct_1" }), true),
        (json!({ "transfer_data": { "destination": { "id": "acct_1" } }, "on_behalf_of": { "id": "acct_1" } }), true),
        (json!({ "transfer_data": { "destination": "acct_2" }, "on_behalf_of": "acct_1" }), false),
        (json!({ "transfer_data": { "destination": "acct_1" }, "on_behalf_of": "acct_2" }), false),
        (json!({ "transfer_data": { "destination": "acct_1" } }), false),
        (json!({ "on_behalf_of": "acct_1" }), false),
        (json!({}), false),
    ] {
        let row = row(json!({ "charge_type": "destination" }));
        let expected = (!good).then_some(Mismatch::Account);
        assert_eq!(
            news_of_session(&row, None, &session(json!({ "payment_intent": intent_json(change.clone()) }))).err(),
            expected,
            "{change}"
        );
        assert_eq!(news_of_intent(&row, None, "payment_intent.succeeded", &intent(change.clone())).err(), expected, "{change}");
    }
}

#[test]
fn the_buyer_chooses_shipping_among_ours_and_stripe_adds_the_tax() {
    let choices = json!({ "total_rule": "open", "shipping_choices": "[0,500]" });
    let taxed = json!({ "total_rule": "open", "automatic_tax": 1 });
    let total = |shipping: i64, tax: i64, sum: i64| json!({ "amount_total": sum, "total_details": { "amount_shipping": shipping, "amount_tax": tax, "amount_discount": 0 } });
    for (row_change, session_change, good) in [
        (&choices, total(500, 0, 2500), true),
        (&choices, total(0, 0, 2000), true),
        (&choices, total(300, 0, 2300), false),
        (&choices, total(500, 0, 2000), false),
        (&choices, total(500, 100, 2600), false),
        (&taxed, total(0, 160, 2160), true),
        (&taxed, total(0, 0, 2000), true),
        (&taxed, total(0, 160, 2000), false),
        (&taxed, total(0, -160, 1840), false),
        (&taxed, total(500, 0, 2500), false),
    ] {
        assert_eq!(told(row_change.clone(), session_change.clone()).is_ok(), good, "{row_change} {session_change}");
    }
    // The goods' own price is never open.
    let cheap = json!({ "amount_subtotal": 100, "amount_total": 600, "total_details": { "amount_shipping": 500, "amount_tax": 0 } });
    assert_eq!(told(choices.clone(), cheap), Err(Mismatch::Amount));
    // While the session is open nothing has been chosen yet; when it is complete, something must have been.
    let paid_choices = json!({ "total_rule": "open", "shipping_choices": "[300,500]" });
    let unchosen = |status: &str| {
        let mut change = total(0, 0, 2000);
        merge(&mut change, json!({ "status": status, "payment_status": if status == "complete" { "paid" } else { "unpaid" } }));
        change
    };
    assert!(told(paid_choices.clone(), unchosen("open")).is_ok());
    assert_eq!(told(paid_choices, unchosen("complete")), Err(Mismatch::Amount));

    let news = told(taxed, total(0, 160, 2160)).unwrap();
    assert_eq!((news.amount, news.amount_tax, news.amount_captured), (Some(2160), Some(160), Some(2160)));
    let news = told(choices, total(500, 0, 2500)).unwrap();
    assert_eq!((news.amount, news.amount_tax, news.amount_shipping), (Some(2500), None, Some(500)));
}

#[test]
fn who_bought_and_what_was_taken_come_along() {
    let address = json!({ "country": "US" });
    let news = told(
        json!({}),
        json!({
            "customer_details": { "email": "a@b.example", "name": "Ann", "phone": null, "address": address },
            "collected_information": { "shipping_details": { "name": "Bob", "address": address } },
        }),
    )
    .unwrap();
    assert_eq!(news.customer, Some(json!({ "email": "a@b.example", "name": "Ann", "phone": null })));
    assert_eq!(news.billing_details.as_ref().unwrap()["address"], address);
    assert_eq!(news.shipping_details.as_ref().unwrap()["name"], "Bob");
    assert_eq!((news.payment_intent.as_deref(), news.amount_captured, news.amount_capturable), (Some("pi_1"), Some(2000), Some(0)));
    assert!(news.tells_buyer());
    assert!(!told(json!({}), json!({})).unwrap().tells_buyer());

    let held = json!({ "status": "requires_capture", "amount_received": 0, "amount_capturable": 2000,
        "latest_charge": { "id": "ch_1", "payment_method_details": { "card": { "capture_before": 77 } } } });
    let news = told(json!({ "capture": "manual" }), json!({ "payment_status": "unpaid", "payment_intent": intent_json(held) })).unwrap();
    assert_eq!((news.amount_captured, news.amount_capturable, news.capture_before), (None, Some(2000), Some(77)));
}

// --- a PaymentIntent's own event ------------------------------------------------------------------------------------

#[test]
fn an_intent_settles_only_the_row_that_it_was_made_for() {
    use Mismatch::*;
    let none = json!({});
    for (row_change, intent_change, wrong) in [
        (none.clone(), json!({ "metadata": { "cc_transaction": "cct_2" } }), Reference),
        (none.clone(), json!({ "metadata": {} }), Reference),
        (none.clone(), json!({ "livemode": true }), Mode),
        (json!({ "livemode": 1 }), none.clone(), Mode),
        (none.clone(), json!({ "currency": "eur" }), Currency),
        (none.clone(), json!({ "currency": null }), Currency),
        (none.clone(), json!({ "amount": 100 }), Amount),
        (none.clone(), json!({ "amount": null }), Amount),
        (json!({ "payment_intent": "pi_2" }), none.clone(), PaymentIntent),
        (json!({ "total_rule": "open", "payment_intent": "pi_1", "amount": 2500 }), none.clone(), Amount),
    ] {
        let news = told_by("payment_intent.succeeded", row_change.clone(), intent_change.clone());
        assert_eq!(news, Err(wrong), "{row_change} {intent_change}");
    }
    for account in [None, Some("acct_2")] {
        assert_eq!(news_of_intent(&row(none.clone()), account, "payment_intent.succeeded", &intent(none.clone())), Err(Account));
    }
}

#[test]
fn what_an_intent_says_in_every_status() {
    let held = json!({ "status": "requires_capture", "amount_received": 0, "amount_capturable": 2000 });
    for status in Status::ALL {
        let at =
            |kind: &str, change: &Value| told_by(kind, json!({ "status": status.name(), "capture": "manual" }), change.clone()).unwrap();
        let to = |news: IntentNews| match news {
            IntentNews::Decided(news) => news.to.map_or("?", Status::name),
            IntentNews::AskSession => "ask",
            IntentNews::Nothing => "nothing",
        };
        let none = json!({});
        assert_eq!(to(at("payment_intent.succeeded", &none)), "paid");
        assert_eq!(to(at("payment_intent.amount_capturable_updated", &held)), "authorized");
        // Late news of an authorization that was captured meanwhile.
        assert_eq!(to(at("payment_intent.amount_capturable_updated", &none)), "ask");
        let under_way = matches!(status, Status::Processing | Status::Authorized);
        assert_eq!(to(at("payment_intent.canceled", &none)), if under_way { "canceled" } else { "nothing" }, "{}", status.name());
        // A declined attempt does not end an open session; a bank that bounced a debit may have.
        assert_eq!(
            to(at("payment_intent.payment_failed", &none)),
            if status == Status::Processing { "ask" } else { "nothing" },
            "{}",
            status.name()
        );
        assert_eq!(to(at("payment_intent.created", &none)), "nothing");
    }
}

#[test]
fn an_intent_does_not_decide_a_total_that_stripe_completes() {
    let open = json!({ "total_rule": "open" });
    assert_eq!(
        told_by("payment_intent.succeeded", open.clone(), json!({ "amount": 2500, "amount_received": 2500 })),
        Ok(IntentNews::AskSession)
    );
    // Once the session has told the total, the intent may.
    let known = json!({ "total_rule": "open", "payment_intent": "pi_1", "amount": 2500 });
    assert!(matches!(
        told_by("payment_intent.succeeded", known, json!({ "amount": 2500, "amount_received": 2500 })),
        Ok(IntentNews::Decided(_))
    ));
}

#[test]
fn a_part_that_was_captured_is_what_was_captured() {
    let Ok(IntentNews::Decided(news)) =
        told_by("payment_intent.succeeded", json!({ "status": "authorized", "capture": "manual" }), json!({ "amount_received": 1500 }))
    else {
        panic!("an intent that succeeded decides");
    };
    assert_eq!((news.amount_captured, news.amount_capturable, news.amount), (Some(1500), Some(0), None));
}

#[test]
fn what_is_not_captured_by_hand_is_paid_in_full_or_not_at_all() {
    let none = json!({});
    // A genuine event of another sum must not settle the order (CVE-2026-9189).
    for received in [0, 1, 1999, 2001] {
        assert_eq!(
            told_by("payment_intent.succeeded", none.clone(), json!({ "amount_received": received })),
            Err(Mismatch::Amount),
            "{received}"
        );
    }
    assert_eq!(
        told_by("payment_intent.succeeded", json!({ "capture": "manual" }), json!({ "amount_received": 2001 })),
        Err(Mismatch::Amount)
    );
    // The event's name is not enough: the intent itself says that it succeeded.
    let failed = json!({ "status": "requires_payment_method", "amount_received": 0 });
    assert_eq!(told_by("payment_intent.succeeded", none.clone(), failed), Ok(IntentNews::AskSession));
    let held = json!({ "status": "requires_capture", "amount_received": 0, "amount_capturable": 2000 });
    assert_eq!(told_by("payment_intent.amount_capturable_updated", none, held), Ok(IntentNews::AskSession));
}

// --- what callers see -----------------------------------------------------------------------------------------------

#[test]
fn a_session_object_shows_stripes_words() {
    for (status, words) in [
        ("open", ("open", "unpaid")),
        ("processing", ("complete", "unpaid")),
        ("authorized", ("complete", "unpaid")),
        ("paid", ("complete", "paid")),
        ("partially_refunded", ("complete", "paid")),
        ("refunded", ("complete", "paid")),
        ("disputed", ("complete", "paid")),
        ("failed", ("complete", "unpaid")),
        ("expired", ("expired", "unpaid")),
        ("canceled", ("expired", "unpaid")),
    ] {
        let object = row(json!({ "status": status, "session_url": "https://checkout.example/1" })).checkout_session();
        assert_eq!((object["status"].as_str().unwrap(), object["payment_status"].as_str().unwrap()), words, "{status}");
        assert_eq!(object["url"].is_string(), status == "open", "{status}");
    }
}

#[test]
fn a_transaction_object_shows_no_more_than_the_contract() {
    let object = row(json!({ "order_key": "wc_order_secret", "stripe_form": "a=b", "extras": "{\"fees\":[]}" })).transaction();
    for hidden in
        ["shop_id", "order_key", "stripe_form", "stripe_key", "attempt_until", "checks", "success_url", "capture_before", "dispute"]
    {
        assert!(object.get(hidden).is_none(), "{hidden}");
    }
    assert_eq!((object["livemode"].clone(), object["fees"].clone()), (json!(false), json!([])));
    let dispute = json!([{ "id": "dp_1", "amount": 1, "status": "lost", "created": 1, "refundable": false, "told": 1 }]).to_string();
    let object = row(json!({ "capture_before": 5, "dispute": dispute })).transaction();
    assert_eq!(object["dispute"].get("told"), None);
    assert_eq!((object["capture_before"].clone(), object["dispute"]["id"].clone()), (json!(5), json!("dp_1")));
}

#[test]
fn the_sweep_asks_early_once_then_at_the_end_and_not_for_ever() {
    let (now, end) = (1_000_000, 1_000_000 + 86_400);
    assert_eq!(next_check(Status::Open, 0, now, Some(end)), Some(now + 1800));
    assert_eq!(next_check(Status::Open, 1, now, Some(end)), Some(end + 120));
    // Past its end and still open at Stripe: not every minute.
    assert_eq!(next_check(Status::Open, 5, end + 500, Some(end)), Some(end + 500 + 600));
    for status in [Status::Processing, Status::Authorized] {
        assert_eq!(next_check(status, 59, now, Some(end)), Some(now + 12 * 3600));
        assert_eq!(next_check(status, 60, now, Some(end)), None);
    }
    for status in Status::ALL.into_iter().filter(|s| !matches!(s, Status::Open | Status::Processing | Status::Authorized)) {
        assert_eq!(next_check(status, 0, now, Some(end)), None, "{}", status.name());
    }
}

#[test]
fn a_released_authorisation_that_the_session_tells_of_can_be_captured_no_more() {
    let waits = json!({ "status": "authorized", "capture": "manual", "amount_capturable": 2000, "payment_intent": "pi_1" });
    let released = intent_json(json!({ "status": "canceled", "amount_received": 0 }));
    let news = told(waits, json!({ "payment_status": "unpaid", "payment_intent": released })).unwrap();
    assert_eq!((news.to, news.amount_capturable), (Some(Status::Canceled), Some(0)));
}

#[test]
fn a_declined_try_for_another_sum_is_no_stranger() {
    let open = json!({ "total_rule": "open", "status": "paid", "payment_intent": "pi_1", "amount": 2500 });
    let other = json!({ "status": "requires_payment_method", "amount_received": 0 });
    assert_eq!(told_by("payment_intent.payment_failed", open, other.clone()), Ok(IntentNews::Nothing));
    // Where the shop said the sum, it was never another.
    let exact = json!({ "status": "paid", "payment_intent": "pi_1", "amount": 2500 });
    assert_eq!(told_by("payment_intent.payment_failed", exact, other), Err(Mismatch::Amount));
}
