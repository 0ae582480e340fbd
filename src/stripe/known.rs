//! What objects of Stripe's need not say, because it is known already: the mode, from the signed event that they are in or the key that
//! asked; a status, from the event's type. Objects of other API versions leave such members out, and a payment must not be lost for
//! that. A member that is there is never changed: whoever compares refuses one that differs.

use serde_json::{Map, Value};

/// Completes an object of one mode, with those that are expanded in it or listed.
pub fn in_mode(object: &mut Value, live: bool) {
    let Value::Object(members) = object else { return };
    if members.is_empty() {
        return;
    }
    members.entry("livemode").or_insert(Value::Bool(live));
    amounts(members);
    for name in ["payment_intent", "latest_charge"] {
        if let Some(inner @ Value::Object(_)) = members.get_mut(name) {
            in_mode(inner, live);
        }
    }
    if let Some(Value::Array(list)) = members.get_mut("data") {
        list.iter_mut().for_each(|element| in_mode(element, live));
    }
}

/// Of a PaymentIntent that was taken or is held as a whole.
fn amounts(members: &mut Map<String, Value>) {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("object") != Some("payment_intent") && !text("id").is_some_and(|id| id.starts_with("pi_")) {
        return;
    }
    let name = match text("status") {
        // By hand less may have been taken.
        Some("succeeded") if text("capture_method") != Some("manual") => "amount_received",
        Some("requires_capture") => "amount_capturable",
        _ => return,
    };
    if let Some(amount) = members.get("amount").cloned() {
        members.entry(name).or_insert(amount);
    }
}

/// Completes the object of an event.
pub fn of_event(kind: &str, object: &mut Value) {
    let status = match kind {
        "checkout.session.expired" => "expired",
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" | "checkout.session.async_payment_failed" => "complete",
        "payment_intent.succeeded" => "succeeded",
        "payment_intent.amount_capturable_updated" => "requires_capture",
        "payment_intent.canceled" => "canceled",
        _ => return,
    };
    if let Value::Object(members) = object
        && !members.is_empty()
    {
        members.entry("status").or_insert(Value::String(status.to_owned()));
    }
}
