//! What an object need not say because it is known (`stripe::known`), and never what it says itself.

use cognitivecart_worker::stripe::{Call, Event, Outcome, PaymentIntent, Session, call::Answer, event, known};
use serde_json::{Value, json};

fn completed(mut object: Value, live: bool) -> Value {
    known::in_mode(&mut object, live);
    object
}

#[test]
fn the_mode_is_that_of_the_key_or_the_event() {
    let session = completed(json!({"id": "cs_1", "payment_intent": {"id": "pi_1", "latest_charge": {"amount": 5}}}), true);
    for pointer in ["/livemode", "/payment_intent/livemode", "/payment_intent/latest_charge/livemode"] {
        assert_eq!(session.pointer(pointer), Some(&json!(true)), "{pointer}");
    }
    assert_eq!(completed(json!({"data": [{"id": "cs_1"}]}), false)["data"][0]["livemode"], false);
    assert_eq!(completed(json!({"livemode": true}), false)["livemode"], true, "what is said is compared, never changed");
    for nothing in [json!({}), json!(null), json!([]), json!("x")] {
        assert_eq!(completed(nothing.clone(), false), nothing);
    }
}

#[test]
fn a_payment_that_was_taken_as_a_whole_was_taken_in_full() {
    let taken = json!({"id": "pi_1", "status": "succeeded", "amount": 2000});
    assert_eq!(completed(taken.clone(), false)["amount_received"], 2000);
    assert_eq!(completed(json!({"id": "pi_1", "status": "requires_capture", "amount": 2000}), false)["amount_capturable"], 2000);
    for (member, value) in [("capture_method", json!("manual")), ("status", json!("processing")), ("id", json!("re_1"))] {
        let mut other = taken.clone();
        other[member] = value;
        assert!(completed(other, false).get("amount_received").is_none(), "{member}");
    }
    let mut said = taken;
    said["amount_received"] = json!(1);
    assert_eq!(completed(said, false)["amount_received"], 1);
}

fn read(event: Value) -> Event {
    event::read(event.to_string().as_bytes()).unwrap()
}

#[test]
fn the_type_of_an_event_is_a_status() {
    for (kind, status) in [
        ("checkout.session.expired", Some("expired")),
        ("checkout.session.completed", Some("complete")),
        ("checkout.session.async_payment_failed", Some("complete")),
        ("payment_intent.succeeded", Some("succeeded")),
        ("payment_intent.amount_capturable_updated", Some("requires_capture")),
        ("payment_intent.payment_failed", None),
    ] {
        let event = |object: Value| read(json!({"id": "evt_1-a", "type": kind, "livemode": true, "data": {"object": object}})).data.object;
        assert_eq!(event(json!({"id": "x"})).get("status").and_then(Value::as_str), status, "{kind}");
        assert_eq!(event(json!({"id": "x", "status": "open"}))["status"], "open");
        assert_eq!(event(json!({"id": "x"}))["livemode"], true);
    }
    let event = read(json!({"id": "evt_1", "type": "x", "data": {"object": {"livemode": true}}}));
    assert!(event.livemode, "as its object says");
    assert!(event::read(br#"{"id":"evt_1","type":"x","data":{"object":{}}}"#).is_err(), "neither says it");
}

#[test]
fn answers_of_few_words() {
    let answer = |body: Value| Answer { status: 200, request_id: None, replayed: false, should_retry: None, body: body.to_string().into() };
    let Outcome::Ok(session) = Call::read_in::<Session>(answer(json!({"id": "cs_1", "payment_intent": {"id": "pi_1"}})), false) else {
        panic!()
    };
    assert!(!session.livemode);
    let Outcome::Ok(intent) = Call::read_in::<PaymentIntent>(answer(json!({"id": "pi_1", "status": "succeeded"})), true) else { panic!() };
    let intent = intent.answering("cct_1", "usd", 2000, 500);
    assert_eq!((intent.amount, intent.amount_received, intent.currency.as_deref(), intent.livemode), (2000, 500, Some("usd"), true));
    assert_eq!(intent.metadata["cc_transaction"], "cct_1");
    let said = json!({"id": "pi_1", "status": "succeeded", "amount": 7, "amount_received": 6, "currency": "eur", "metadata": {"cc_transaction": "cct_2"}});
    let Outcome::Ok(other) = Call::read_in::<PaymentIntent>(answer(said), true) else { panic!() };
    let other = other.answering("cct_1", "usd", 2000, 500);
    assert_eq!((other.amount, other.amount_received, other.currency.as_deref()), (7, 6, Some("eur")));
    assert_eq!(other.metadata["cc_transaction"], "cct_2");
}
