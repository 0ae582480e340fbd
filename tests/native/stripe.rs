//! What we send to Stripe and how we read what comes back.

use cognitivecart_worker::cart;
use cognitivecart_worker::error::Kind;
use cognitivecart_worker::money::Amount;
use cognitivecart_worker::stripe::{
    self, Account, Answer, Base, Call, Expandable, Form, Grant, Outcome, PaymentIntent, Session, StripeError, Terms, account, event, oauth,
    payment_intent, session,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Stripe's own description of its API, where it lies beside the project.
fn contract(name: &str) -> Option<Value> {
    let path = format!("{}/../shared/contracts/stripe/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("{name} is not here; the tests beside this one stand alone");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// What Stripe reads: the pairs, in order.
fn decoded(form: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn map(form: &str) -> BTreeMap<String, String> {
    let pairs = decoded(form);
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "a parameter was sent twice: {form}");
    map
}

/// A cart with everything in it.
fn full() -> Value {
    json!({
        "source": "agent:Claude & Co",
        "cart": {
            "id": "c1", "order_id": 4711, "order_key": "wc_order_x", "currency": "USD",
            "items": [
                {"product_id": 7, "sku": "MUG+1", "name": "Mug – 東京 & \"más\"", "description": "Blue\nand white",
                 "image_url": "https://shop.example/mug.png?a=1&b=2", "quantity": 3, "amount_total": 1000, "tax_code": "txcd_99999999"},
                {"product_id": "8", "name": "Tea", "quantity": 2, "amount_total": 500},
            ],
            "shipping": [{"label": "Post", "amount": 499}],
            "fees": [{"label": "Gift wrap", "amount": 100}],
            "taxes": [{"label": "VAT", "amount": 200}],
            "discounts": [{"label": "TEN", "amount": 150}],
            "total": 2149,
        },
        "customer": {"email": "ann+shop@example.com"},
        "success_url": "https://shop.example/ok", "cancel_url": "https://shop.example/cart",
        "locale": "de",
        "metadata": {"campaign": "spring & summer", "note": "c=d&e"},
        "capture": "manual",
        "collect": {"shipping_countries": ["DE", "AT"], "phone": true, "billing": true},
    })
}

/// A cart that lets the buyer choose how it is shipped.
fn choosing() -> Value {
    json!({
        "source": "chat", "currency": "eur",
        "line_items": [{"name": "Tea", "amount_total": 500, "quantity": 1}],
        "success_url": "https://shop.example/ok", "cancel_url": "https://shop.example/cart",
        "collect": {"shipping_countries": ["DE"]},
        "shipping_options": [
            {"id": "dhl", "label": "DHL", "amount": 499, "min_days": 2, "max_days": 4},
            {"id": "pickup", "label": "Pick up", "amount": 0},
        ],
    })
}

fn form(body: &Value, change: impl FnOnce(&mut Terms)) -> String {
    let order = cart::read(body).unwrap();
    let lines = cart::lines(&order).unwrap();
    let mut terms = Terms {
        order: &order,
        lines: &lines,
        transaction: "cct_01",
        public_url: "https://pay.example",
        account: "acct_1Shop",
        destination: false,
        fee: Amount::ZERO,
        expires_at: None,
        automatic_tax: false,
    };
    change(&mut terms);
    session::create_form(&terms)
}

fn everything(terms: &mut Terms) {
    terms.destination = true;
    terms.fee = Amount::new(123).unwrap();
    terms.expires_at = Some(1_795_003_600);
    terms.automatic_tax = true;
}

#[test]
fn the_smallest_session_has_exactly_these_bytes() {
    let body = json!({
        "currency": "usd",
        "line_items": [{"name": "Tea & more", "amount_total": 1230, "quantity": 1}],
        "success_url": "https://shop.example/ok", "cancel_url": "https://shop.example/cart",
    });
    assert_eq!(
        form(&body, |_| {}),
        "mode=payment\
         &success_url=https%3A%2F%2Fpay.example%2Fcheckout%2Fcomplete%2Fcct_01%3Fsession_id%3D%7BCHECKOUT_SESSION_ID%7D\
         &cancel_url=https%3A%2F%2Fpay.example%2Fcheckout%2Fcancel%2Fcct_01\
         &adaptive_pricing%5Benabled%5D=false\
         &line_items%5B0%5D%5Bquantity%5D=1\
         &line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=usd\
         &line_items%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=1230\
         &line_items%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D%5Bname%5D=Tea+%26+more\
         &metadata%5Bcc_transaction%5D=cct_01&metadata%5Bcc_source%5D=site\
         &payment_intent_data%5Bmetadata%5D%5Bcc_transaction%5D=cct_01\
         &payment_intent_data%5Bmetadata%5D%5Bcc_source%5D=site"
    );
}

#[test]
fn a_full_session_says_what_the_order_says() {
    let sent = map(&form(&full(), |terms| {
        terms.fee = Amount::new(123).unwrap();
        terms.expires_at = Some(1_795_003_600);
    }));
    let is = |key: &str, value: &str| assert_eq!(sent.get(key).map(String::as_str), Some(value), "{key}");
    // After one decoding, Stripe finds the braces that it looks for.
    is("success_url", "https://pay.example/checkout/complete/cct_01?session_id={CHECKOUT_SESSION_ID}");
    is("cancel_url", "https://pay.example/checkout/cancel/cct_01");
    is("client_reference_id", "4711");
    is("customer_email", "ann+shop@example.com");
    is("locale", "de");
    is("expires_at", "1795003600");
    is("line_items[0][price_data][product_data][name]", "Mug – 東京 & \"más\"");
    is("line_items[0][price_data][product_data][description]", "Blue\nand white");
    is("line_items[0][price_data][product_data][images][0]", "https://shop.example/mug.png?a=1&b=2");
    is("line_items[0][price_data][product_data][tax_code]", "txcd_99999999");
    is("line_items[0][price_data][product_data][metadata][product_id]", "7");
    is("line_items[0][price_data][product_data][metadata][sku]", "MUG+1");
    is("line_items[0][quantity]", "3");
    for at in ["metadata", "payment_intent_data[metadata]"] {
        is(&format!("{at}[cc_transaction]"), "cct_01");
        is(&format!("{at}[cc_source]"), "agent");
        is(&format!("{at}[cc_agent]"), "Claude & Co");
        is(&format!("{at}[cc_order_id]"), "4711");
        is(&format!("{at}[campaign]"), "spring & summer");
    }
    is("payment_intent_data[capture_method]", "manual");
    is("payment_intent_data[application_fee_amount]", "123");
    is("shipping_address_collection[allowed_countries][0]", "DE");
    is("shipping_address_collection[allowed_countries][1]", "AT");
    is("phone_number_collection[enabled]", "true");
    is("billing_address_collection", "required");
    // Absent means absent; an empty value would be a value.
    assert!(!sent.contains_key("line_items[1][price_data][product_data][description]"));
    assert!(sent.values().all(|value| !value.is_empty()), "{sent:?}");
    // A direct charge and no tax of Stripe's: none of these words.
    for word in ["on_behalf_of", "transfer_data", "automatic_tax", "tax_behavior", "shipping_options"] {
        assert!(sent.keys().all(|key| !key.contains(word)), "{word}");
    }
}

/// Stripe multiplies and rounds; what it then asks for must be the order's total.
#[test]
fn the_lines_as_stripe_reckons_them_sum_to_the_total() {
    for (body, total) in [(full(), 2149), (choosing(), 500)] {
        let sent = map(&form(&body, |_| {}));
        let mut sum = 0_i128;
        for place in 0.. {
            let Some(quantity) = sent.get(&format!("line_items[{place}][quantity]")) else { break };
            let price = format!("line_items[{place}][price_data]");
            let (whole, decimal) = (sent.get(&format!("{price}[unit_amount]")), sent.get(&format!("{price}[unit_amount_decimal]")));
            assert!(whole.is_some() != decimal.is_some(), "exactly one price: {place}");
            // In 10^-12 minor units, so that nothing is lost on the way.
            let text = whole.or(decimal).unwrap();
            let (units, places) = text.split_once('.').unwrap_or((text, ""));
            assert!(places.len() <= 12, "{text}");
            let unit: i128 = format!("{units}{places:0<12}").parse().unwrap();
            let line = unit * quantity.parse::<i128>().unwrap();
            sum += (line + 500_000_000_000) / 1_000_000_000_000;
        }
        assert_eq!(sum, total);
    }
}

#[test]
fn a_destination_charge_and_stripes_tax_name_the_shops_account() {
    let sent = map(&form(&full_untaxed(), everything));
    let is = |key: &str, value: &str| assert_eq!(sent.get(key).map(String::as_str), Some(value), "{key}");
    is("payment_intent_data[on_behalf_of]", "acct_1Shop");
    is("payment_intent_data[transfer_data][destination]", "acct_1Shop");
    is("automatic_tax[enabled]", "true");
    is("automatic_tax[liability][type]", "account");
    is("automatic_tax[liability][account]", "acct_1Shop");
    let lines = sent.keys().filter(|key| key.ends_with("[quantity]")).count();
    let behaviours = sent.iter().filter(|(key, value)| key.ends_with("[tax_behavior]") && *value == "exclusive").count();
    assert_eq!(lines, behaviours);
    // A direct charge owes its own tax: the liability is the account's without saying so.
    let direct = map(&form(&full_untaxed(), |terms| terms.automatic_tax = true));
    assert_eq!(direct.get("automatic_tax[enabled]").map(String::as_str), Some("true"));
    assert!(direct.keys().all(|key| !key.contains("liability") && !key.contains("transfer_data")));
}

fn full_untaxed() -> Value {
    let mut body = full();
    body["cart"]["taxes"] = json!([]);
    body["cart"]["total"] = json!(1949);
    body
}

#[test]
fn shipping_options_carry_their_estimate_and_the_shops_id() {
    let sent = map(&form(&choosing(), |terms| terms.automatic_tax = true));
    let is = |key: &str, value: &str| assert_eq!(sent.get(key).map(String::as_str), Some(value), "{key}");
    let first = "shipping_options[0][shipping_rate_data]";
    is(&format!("{first}[type]"), "fixed_amount");
    is(&format!("{first}[display_name]"), "DHL");
    is(&format!("{first}[fixed_amount][amount]"), "499");
    is(&format!("{first}[fixed_amount][currency]"), "eur");
    is(&format!("{first}[tax_behavior]"), "exclusive");
    is(&format!("{first}[delivery_estimate][minimum][unit]"), "business_day");
    is(&format!("{first}[delivery_estimate][minimum][value]"), "2");
    is(&format!("{first}[delivery_estimate][maximum][value]"), "4");
    is(&format!("{first}[metadata][cc_shipping_option]"), "dhl");
    is("shipping_options[1][shipping_rate_data][fixed_amount][amount]", "0");
    assert!(sent.keys().all(|key| !key.starts_with("shipping_options[1][shipping_rate_data][delivery_estimate]")));
}

/// The same order gives the same bytes, run after run: an idempotency key is refused with other parameters.
#[test]
fn the_same_order_gives_the_same_bytes() {
    let (mut first, mut second) = (full(), full());
    let key = |n: i32| format!("key_{n}");
    first["metadata"] = (0..30).map(|n| (key(n), json!("v"))).collect();
    second["metadata"] = (0..30).rev().map(|n| (key(n), json!("v"))).collect();
    assert_eq!(form(&first, everything_but_tax), form(&second, everything_but_tax));
}

fn everything_but_tax(terms: &mut Terms) {
    everything(terms);
    terms.automatic_tax = false;
}

/// `a[b][0]` → `a`, `b`, `0`.
fn path(key: &str) -> Vec<String> {
    let (first, rest) = key.split_once('[').map_or((key, ""), |(first, rest)| (first, rest));
    let mut path = vec![first.to_owned()];
    if !rest.is_empty() {
        let rest = rest.strip_suffix(']').unwrap_or_else(|| panic!("{key}"));
        path.extend(rest.split("][").map(str::to_owned));
    }
    path
}

/// Walks a schema along a key; what is wrong with the value there, if anything.
fn check(root: &Value, schema: &Value, path: &[String], value: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).ok_or("a dead reference")?;
        return check(root, target, path, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let tried: Vec<_> = choices.iter().map(|choice| check(root, choice, path, value)).collect();
        return if tried.iter().any(Result::is_ok) { Ok(()) } else { Err(format!("fits none: {tried:?}")) };
    }
    let Some((step, rest)) = path.split_first() else {
        return match schema["type"].as_str() {
            Some("integer") => value.parse::<i64>().map(|_| ()).map_err(|_| format!("no integer: {value}")),
            Some("boolean") if value == "true" || value == "false" => Ok(()),
            Some("string") => {
                // Also where Stripe leaves a list open: what we send is to be a word that is on it.
                let known = schema["enum"].as_array().is_none_or(|words| words.iter().any(|word| word == value));
                let fits = schema["maxLength"].as_u64().is_none_or(|most| value.chars().count() as u64 <= most);
                if known && fits { Ok(()) } else { Err(format!("not allowed: {value}")) }
            }
            other => Err(format!("a value where there is {other:?}")),
        };
    };
    if schema["type"] == "array" {
        step.parse::<usize>().map_err(|_| format!("no index: {step}"))?;
        return check(root, &schema["items"], rest, value);
    }
    match schema["properties"].get(step) {
        Some(member) => check(root, member, rest, value),
        None if schema["additionalProperties"].is_object() => check(root, &schema["additionalProperties"], rest, value),
        None => Err(format!("no such parameter: {step}")),
    }
}

fn checked(root: &Value, path_of: &str, form: &str) -> Result<(), String> {
    let media = "/requestBody/content/application~1x-www-form-urlencoded/schema";
    let schema = root["paths"][path_of]["post"].pointer(media).expect(path_of);
    for (key, value) in decoded(form) {
        check(root, schema, &path(&key), &value).map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

#[test]
fn every_parameter_exists_in_the_version_that_we_name() {
    let Some(api) = contract("stripe-openapi.2026-10-28.endive.strict.json") else { return };
    assert_eq!(api["info"]["version"].as_str().unwrap().split(' ').next().unwrap(), stripe::API_VERSION);
    let sessions = "/v1/checkout/sessions";
    for form in
        [form(&full(), everything_but_tax), form(&full_untaxed(), everything), form(&choosing(), everything), form(&choosing(), |_| {})]
    {
        assert_eq!(checked(&api, sessions, &form), Ok(()));
    }
    // The check itself must be able to fail.
    for wrong in [
        "payment_method_types[0]=card",
        "line_items[0][name]=Tea",
        "line_items[0][quantity]=two",
        "mode=pay",
        "adaptive_pricing=false",
        "adaptive_pricing[enabled]=no",
        "line_items[x][quantity]=1",
    ] {
        assert!(checked(&api, sessions, wrong).is_err(), "{wrong}");
    }
    // Paths and queries of everything else.
    for call in [
        session::retrieve("cs_1", None),
        session::expire("cs_1", None),
        payment_intent::retrieve("pi_1", None),
        account::own(),
        account::retrieve("acct_1"),
    ] {
        let bare = call.path.split('?').next().unwrap();
        let steps: Vec<&str> = bare.split('/').collect();
        let found = api["paths"].as_object().unwrap().iter().any(|(path, operations)| {
            let template: Vec<&str> = path.split('/').collect();
            operations.get(call.method.to_lowercase()).is_some()
                && template.len() == steps.len()
                && template.iter().zip(&steps).all(|(t, s)| t == s || t.starts_with('{'))
        });
        assert!(found, "{} {}", call.method, call.path);
    }
}

#[test]
fn the_oauth_calls_fit_their_description() {
    let code = oauth::exchange("ac_123");
    assert_eq!((code.base, code.method, code.path.as_str()), (Base::Connect, "POST", "/oauth/token"));
    assert_eq!(code.form.as_deref(), Some("grant_type=authorization_code&code=ac_123"));
    // No key: it must not look as if it could be sent again.
    assert_eq!((code.idempotency_key.as_ref(), code.account.as_ref()), (None, None));
    let end = oauth::deauthorize("ca_1", "acct_1");
    assert_eq!((end.base, end.path.as_str()), (Base::Connect, "/oauth/deauthorize"));
    assert_eq!(end.form.as_deref(), Some("client_id=ca_1&stripe_user_id=acct_1"));

    let prefill = json!({ "email": "a+b@example.com", "business_name": "Tea & Co", "redirect_uri": "https://evil.example" });
    let prefill = prefill.as_object().unwrap();
    let url = oauth::authorize_url("https://connect.stripe.com/", "ca_1", "https://pay.example/connect/callback", "s-_1", prefill);
    assert_eq!(
        url,
        "https://connect.stripe.com/oauth/authorize?response_type=code&client_id=ca_1&scope=read_write\
         &redirect_uri=https%3A%2F%2Fpay.example%2Fconnect%2Fcallback&state=s-_1\
         &stripe_user%5Bbusiness_name%5D=Tea+%26+Co&stripe_user%5Bemail%5D=a%2Bb%40example.com"
    );

    let Some(described) = contract("stripe-connect-oauth.json") else { return };
    for call in [code, end] {
        assert_eq!(checked(&described, &call.path, call.form.as_deref().unwrap()), Ok(()));
    }
    let parameters = described["paths"]["/oauth/authorize"]["get"]["parameters"].as_array().unwrap();
    for (key, _) in decoded(url.split_once('?').unwrap().1) {
        let path = path(&key);
        let parameter = parameters.iter().find(|parameter| parameter["name"] == path[0].as_str()).expect(&key);
        if let Some(member) = path.get(1) {
            assert!(parameter["schema"]["properties"].get(member).is_some(), "{key}");
        }
    }
    let user = parameters.iter().find(|parameter| parameter["name"] == "stripe_user").unwrap();
    for name in oauth::PREFILL {
        assert!(user["schema"]["properties"].get(name).is_some(), "{name}");
    }
}

#[test]
fn calls_name_their_account_and_key() {
    let made = session::create("mode=payment", Some("acct_1"), "cct_01");
    assert_eq!((made.base, made.method, made.path.as_str()), (Base::Api, "POST", "/v1/checkout/sessions"));
    assert_eq!((made.account.as_deref(), made.idempotency_key.as_deref()), (Some("acct_1"), Some("cct_01")));
    assert_eq!(made.form.as_deref(), Some("mode=payment"));
    let read = session::retrieve("cs_test_1", Some("acct_1"));
    assert_eq!(read.path, "/v1/checkout/sessions/cs_test_1?expand%5B%5D=payment_intent&expand%5B%5D=payment_intent.latest_charge");
    assert_eq!((read.method, read.account.as_deref(), read.form), ("GET", Some("acct_1"), None));
    assert_eq!(payment_intent::retrieve("pi_1", None).path, "/v1/payment_intents/pi_1?expand%5B%5D=latest_charge");
    assert_eq!(session::expire("cs_1", None).path, "/v1/checkout/sessions/cs_1/expire");
    assert_eq!(account::own().path, "/v1/account");
    assert_eq!((account::retrieve("acct_1").path.as_str(), account::retrieve("acct_1").account), ("/v1/accounts/acct_1", None));
    // An id that nobody checked still cannot leave its place.
    assert_eq!(account::retrieve("../charges?x=1#").path, "/v1/accounts/%2E%2E%2Fcharges%3Fx%3D1%23");
    assert_eq!(account::retrieve("..").path, "/v1/accounts/%2E%2E");
}

#[test]
fn a_form_encodes_each_byte_once() {
    let mut form = Form::new();
    form.push("a[b]", "x y+z&=%7B{é\r\n");
    form.push("n", 7);
    form.push_some("none", None::<&str>);
    form.push_some("some", Some(true));
    let text = form.encode();
    assert_eq!(text, "a%5Bb%5D=x+y%2Bz%26%3D%257B%7B%C3%A9%0D%0A&n=7&some=true");
    assert_eq!(decoded(&text)[0], ("a[b]".to_owned(), "x y+z&=%7B{é\r\n".to_owned()));
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, request_id: Some("req_1".to_owned()), replayed: false, should_retry: None, body: body.into() }
}

fn error(status: u16, body: Value) -> Answer {
    answer(status, json!({ "error": body }).to_string())
}

fn refusal(answer: Answer) -> StripeError {
    match Call::read::<Session>(answer) {
        Outcome::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

fn unavailable(answer: Answer) -> (String, bool) {
    match Call::read::<Session>(answer) {
        Outcome::Unavailable { why, replayed_5xx } => (why, replayed_5xx),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_is_handed_on_in_stripes_words() {
    let refused = refusal(error(
        400,
        json!({"type": "invalid_request_error", "code": "amount_too_small", "param": "line_items[0]", "message": "Too small."}),
    ));
    assert!(!refused.account_invalid());
    let problem = refused.problem();
    assert_eq!((problem.status, problem.kind, problem.code.as_ref()), (422, Kind::InvalidRequest, "stripe_refused"));
    assert_eq!(problem.param.as_deref(), Some("line_items[0]"));
    let body = problem.body("r");
    assert_eq!(body["error"]["stripe_code"], "amount_too_small");
    assert_eq!(body["error"]["stripe_type"], "invalid_request_error");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("Too small.") && message.contains("amount_too_small"), "{message}");

    let declined =
        refusal(error(402, json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "No."})));
    assert_eq!(declined.decline_code.as_deref(), Some("insufficient_funds"));
    // Members of a wrong type do not hide the refusal.
    let odd = refusal(error(400, json!({"type": "invalid_request_error", "code": 7, "param": ["x"], "message": null})));
    assert_eq!((odd.code, odd.param), (None, None));
}

#[test]
fn refusals_that_are_not_the_callers_doing_do_not_look_like_it() {
    let gone = refusal(error(
        403,
        json!({"type": "invalid_request_error", "code": "account_invalid",
        "message": "The provided key 'sk_test_***' does not have access to account 'acct_1'."}),
    ));
    assert!(gone.account_invalid());
    assert!(!gone.message.contains("sk_test") && gone.message.contains("'[key]' does not"), "{}", gone.message);
    // The same code with another status is something else.
    assert!(!refusal(error(400, json!({"type": "invalid_request_error", "code": "account_invalid"}))).account_invalid());

    let key = refusal(error(401, json!({"type": "invalid_request_error", "message": "Invalid API Key provided: sk_live_abc"})));
    let problem = key.problem();
    assert_eq!((problem.status, problem.kind), (503, Kind::NotConfigured));
    assert!(!format!("{problem:?}").contains("sk_live"), "{problem:?}");

    let clash = refusal(error(400, json!({"type": "idempotency_error", "message": "Keys for idempotent requests…"})));
    assert_eq!(clash.problem().kind, Kind::Internal);

    let long = refusal(error(400, json!({"type": "invalid_request_error", "message": "é".repeat(9000), "code": "c".repeat(9000)})));
    assert!(long.problem().body("r").to_string().len() < 6000);
}

#[test]
fn what_is_not_final_is_unavailable() {
    let in_flight = json!({"type": "invalid_request_error", "code": "idempotency_key_in_use", "message": "Wait."});
    unavailable(error(409, in_flight.clone()));
    // Stripe's own word that it is final counts.
    refusal(Answer { should_retry: Some(false), ..error(409, in_flight) });
    unavailable(error(429, json!({"type": "invalid_request_error", "code": "rate_limit", "message": "Slow down."})));
    unavailable(error(400, json!({"type": "invalid_request_error", "code": "lock_timeout", "message": "Locked."})));
    for status in [100, 204, 302, 500, 502, 599, 600] {
        unavailable(answer(status, ""));
    }
    // A 4xx that is not Stripe's own says nothing about the call.
    for body in ["", "<html>403 Forbidden</html>", "{}", "[]", r#"{"error":"no"}"#, r#"{"error":{}}"#, "\u{0}"] {
        unavailable(answer(403, body));
    }
    // A success that cannot be read may have charged: it is not an error that anyone can act upon.
    for body in [&b"{"[..], b"null", b"[]", b"{}", b"\xff\xfe", br#"{"id":"cs_1"}"#, br#"{"id":7,"livemode":true}"#] {
        unavailable(answer(200, body));
    }
    let (why, _) = unavailable(answer(200, r#"{"id":"cs_1","livemode":"sk_live_secret"}"#));
    assert!(why.contains("req_1") && !why.contains("secret"), "{why}");

    assert!(!unavailable(answer(500, "")).1);
    assert!(unavailable(Answer { replayed: true, ..answer(500, "") }).1);
    assert!(!unavailable(Answer { replayed: true, ..answer(429, "") }).1);
}

#[test]
fn when_to_try_again() {
    for (status, replayed, word, again) in [
        (500, false, None, true),
        (503, false, None, true),
        (409, false, None, true),
        (500, true, None, false),
        (429, false, None, false),
        (400, false, None, false),
        (200, false, None, false),
        (429, false, Some(true), true),
        (500, false, Some(false), false),
        (500, true, Some(true), true),
    ] {
        let answer = Answer { replayed, should_retry: word, ..answer(status, "") };
        assert_eq!(answer.worth_retrying(), again, "{status} {replayed} {word:?}");
    }
}

#[test]
fn oauth_answers() {
    let granted = json!({"stripe_user_id": "acct_1", "livemode": false, "scope": "read_write", "token_type": "bearer",
        "access_token": "sk_test_hidden", "refresh_token": "rt_hidden", "stripe_publishable_key": "pk_test_1"});
    let Outcome::Ok(grant) = oauth::read_oauth::<Grant>(answer(200, granted.to_string())) else { panic!() };
    assert_eq!((grant.stripe_user_id.as_str(), grant.livemode), ("acct_1", false));
    assert_eq!(grant.access_token.as_deref(), Some("sk_test_hidden"));
    assert!(!format!("{grant:?}").contains("hidden"), "{grant:?}");
    // Without its mode a grant is not usable.
    assert!(matches!(oauth::read_oauth::<Grant>(answer(200, r#"{"stripe_user_id":"acct_1"}"#)), Outcome::Unavailable { .. }));

    let refused = |status, body: &str| match oauth::read_oauth::<oauth::Deauthorized>(answer(status, body)) {
        Outcome::Refused(error) => error,
        other => panic!("{other:?}"),
    };
    let used = refused(400, r#"{"error":"invalid_grant","error_description":"Code ac_12345 was used."}"#);
    assert_eq!((used.kind.as_str(), used.code.as_deref()), ("oauth_error", Some("invalid_grant")));
    assert!(!used.message.contains("12345"), "{}", used.message);
    assert!(!oauth::is_not_connected(&used));
    assert!(oauth::is_not_connected(&refused(401, r#"{"error":"invalid_client"}"#)));
    assert!(!oauth::is_not_connected(&refused(400, r#"{"error":"invalid_client"}"#)));
    assert_eq!(refused(401, r#"{"error":{"type":"invalid_request_error","message":"No key."}}"#).message, "No key.");
    for garbage in ["", "<html>", "{}", r#"{"error":7}"#] {
        assert!(matches!(oauth::read_oauth::<Grant>(answer(400, garbage)), Outcome::Unavailable { .. }));
    }
    assert!(matches!(oauth::read_oauth::<Grant>(answer(500, "{}")), Outcome::Unavailable { .. }));
}

#[test]
fn a_session_is_read_as_it_comes() {
    let Outcome::Ok(bare) = Call::read::<Session>(answer(200, r#"{"id":"cs_1","livemode":true}"#)) else { panic!() };
    assert!(bare.livemode && bare.metadata.is_empty() && bare.payment_intent.is_none() && bare.status.is_none());

    let body = json!({
        "id": "cs_1", "object": "checkout.session", "livemode": false, "url": null, "status": "complete", "payment_status": "paid",
        "amount_total": 1230, "amount_subtotal": 1000, "currency": "usd", "metadata": null, "client_reference_id": "42",
        "expires_at": 1_795_000_000, "unknown": {"deep": [1]},
        "total_details": {"amount_tax": 230, "amount_shipping": null, "amount_discount": 0},
        "customer_details": {"email": "a@example.com", "name": null, "phone": "+1", "address": {"country": "US"}},
        "collected_information": {"shipping_details": {"name": "Ann"}},
        "payment_intent": {
            "id": "pi_1", "livemode": false, "status": "requires_capture", "amount": 1230, "amount_received": 0,
            "amount_capturable": 1230, "currency": "usd", "metadata": {"cc_transaction": "cct_01"},
            "on_behalf_of": "acct_1", "transfer_data": {"destination": {"id": "acct_2", "object": "account"}},
            "latest_charge": {"id": "ch_1", "payment_method_details": {"type": "card", "card": {"capture_before": 1_795_600_000}}},
            "capture_method": "manual",
        },
    });
    let Outcome::Ok(session) = Call::read::<Session>(answer(200, body.to_string())) else { panic!() };
    assert_eq!((session.status.as_deref(), session.payment_status.as_deref()), (Some("complete"), Some("paid")));
    assert_eq!(session.url, None);
    assert_eq!((session.amount_total, session.currency.as_deref()), (Some(1230), Some("usd")));
    assert_eq!(session.total_details.as_ref().and_then(|details| details.amount_tax), Some(230));
    assert_eq!(session.shipping().unwrap()["name"], "Ann");
    assert_eq!(session.customer_details.as_ref().unwrap().address.as_ref().unwrap()["country"], "US");
    let reference = session.payment_intent.as_ref().unwrap();
    let intent = reference.object().unwrap();
    assert_eq!((reference.id(), intent.amount_capturable), ("pi_1", 1230));
    assert_eq!(intent.on_behalf_of.as_ref().map(Expandable::id), Some("acct_1"));
    assert_eq!(intent.transfer_data.as_ref().unwrap().destination(), Some("acct_2"));
    assert_eq!(intent.capture_before(), Some(1_795_600_000));
    assert_eq!(intent.latest_charge.as_ref().map(Expandable::id), Some("ch_1"));

    let short = r#"{"id":"cs_1","livemode":true,"payment_intent":"pi_1","shipping_details":{"name":"Bob"},"collected_information":null}"#;
    let Outcome::Ok(short) = Call::read::<Session>(answer(200, short)) else { panic!() };
    assert_eq!(short.payment_intent.as_ref().unwrap().id(), "pi_1");
    assert!(short.payment_intent.as_ref().unwrap().object().is_none());
    assert_eq!(short.shipping().unwrap()["name"], "Bob");
}

#[test]
fn stripes_own_samples_are_read() {
    let Some(samples) = contract("fixtures.json") else { return };
    let sample = |name: &str| samples["resources"][name].to_string();
    let Outcome::Ok(session) = Call::read::<Session>(answer(200, sample("checkout.session"))) else { panic!() };
    assert_eq!(session.status.as_deref(), Some("open"));
    assert!(session.payment_intent.unwrap().id().starts_with("pi_"));
    let Outcome::Ok(intent) = Call::read::<PaymentIntent>(answer(200, sample("payment_intent"))) else { panic!() };
    assert!(intent.id.starts_with("pi_") && intent.amount > 0);
    let Outcome::Ok(account) = Call::read::<Account>(answer(200, sample("account"))) else { panic!() };
    assert!(account.id.starts_with("acct_"));
    let event = event::read(sample("event").as_bytes()).unwrap();
    assert_eq!(event.object, "event");
    assert!(event.created.0 > 0);
}

#[test]
fn events() {
    let body = json!({"id": "evt_1", "object": "event", "type": "checkout.session.completed", "account": "acct_1",
        "created": 1_795_000_000, "livemode": false, "data": {"object": {"id": "cs_1", "livemode": false, "payment_status": "paid"}}});
    let event = event::read(body.to_string().as_bytes()).unwrap();
    assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "checkout.session.completed"));
    assert_eq!((event.account.as_deref(), event.created.0, event.livemode), (Some("acct_1"), 1_795_000_000, false));
    assert_eq!(event.data.read_object::<Session>().unwrap().payment_status.as_deref(), Some("paid"));

    let platform = event::read(br#"{"id":"evt_2","type":"x","account":null,"livemode":true,"data":{"object":{"id":7}}}"#).unwrap();
    assert_eq!(platform.account, None);
    assert!(platform.data.read_object::<Session>().is_none());
    let thin = event::read(
        br#"{"id":"evt_3","object":"v2.core.event","type":"v1.x","livemode":true,"created":"2026-11-23T09:00:00Z","data":null}"#,
    )
    .unwrap();
    assert_eq!((thin.object.as_str(), thin.created.0), ("v2.core.event", 1_795_424_400));
    assert!(thin.data.object.is_null());

    for garbage in [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        r#"{"id":"evt_1","type":"x","data":{"object":{}}}"#,
        r#"{"id":"evt_1","livemode":true,"data":{"object":{}}}"#,
        r#"{"id":"cs_1","type":"x","livemode":true}"#,
        r#"{"id":"evt_","type":"x","livemode":true}"#,
        r#"{"id":"evt_/../1","type":"x","livemode":true}"#,
        r#"{"id":"evt_1","type":"","livemode":true}"#,
        r#"{"id":"evt_1","type":"x","livemode":"true"}"#,
    ] {
        assert_eq!(event::read(garbage.as_bytes()).expect_err(garbage).status, 400);
    }
    let secret = event::read(br#"{"id":"evt_1","type":"x","livemode":"ann@example.com"}"#).unwrap_err();
    assert!(!format!("{secret:?}").contains("ann@"), "{secret:?}");
    assert!(event::read(format!(r#"{{"id":"evt_1","type":"{}","livemode":true}}"#, "x".repeat(201)).as_bytes()).is_err());
}
