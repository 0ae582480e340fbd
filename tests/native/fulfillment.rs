//! The shop's rules of delivery, tax and coupons.

use cognitivecart_worker::fulfillment::{Fulfillment, code_key};
use cognitivecart_worker::record::Json;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "shipping": [
            { "id": "post", "title": "Post", "subtitle": "slow", "carrier": "USPS", "amount": 500, "currency": "USD", "countries": ["US", "CA", "US"],
              "regions": ["NY"], "free_over": 5000, "min_days": 2, "max_days": 5 },
            { "id": "world", "title": "World", "amount": 0, "currency": "isk", "countries": ["*"] },
        ],
        "digital": [{ "id": "mail", "title": "E-mail" }],
        "tax": [{ "country": "DE", "rate_bps": 1900, "inclusive": true, "applies_to_shipping": true, "display_name": "MwSt." }],
        "coupons": [
            { "code": "Welcome", "percent_off": 12.5, "starts": 1, "ends": 2, "max_redemptions": 9 },
            { "code": "five", "amount_off": 500, "currency": "eur", "min_subtotal": 1000 },
        ],
    })
}

#[test]
fn rules_are_read_and_stored() {
    let rules = Fulfillment::read(&good()).unwrap();
    let post = &rules.shipping[0];
    assert_eq!(
        (post.amount, post.currency.as_str(), post.countries.as_slice()),
        (500, "usd", ["US".to_owned(), "CA".to_owned()].as_slice())
    );
    assert_eq!(
        (post.free_over, post.min_days, post.max_days, post.regions.as_slice()),
        (Some(5000), Some(2), Some(5), ["NY".to_owned()].as_slice())
    );
    assert_eq!(rules.tax[0].rate_bps, 1900);
    assert_eq!(
        (rules.coupons[0].percent_off, rules.coupons[0].amount_off, rules.coupons[0].key()),
        (Some(1250), None, "welcome".to_owned())
    );
    assert_eq!((rules.coupons[1].amount_off, rules.coupons[1].currency.as_deref()), (Some(500), Some("eur")));
    let text = rules.json().to_string();
    assert_eq!(*Fulfillment::stored(&text).unwrap(), rules);
    assert_eq!(rules.json()["coupons"][0], json!({ "code": "Welcome", "percent_off": 12.5, "starts": 1, "ends": 2, "max_redemptions": 9 }));
    assert_eq!(Fulfillment::read(&json!({})).unwrap(), Fulfillment::default());
    assert!(Fulfillment::stored("{\"shipping\":1}").is_err_and(|problem| problem.status == 500), "what is stored must be readable");
    // What was read last is kept, and is nobody else's: another text gives other rules, and after one that cannot be read too.
    assert!(std::rc::Rc::ptr_eq(&Fulfillment::stored(&text).unwrap(), &Fulfillment::stored(&text).unwrap()));
    let other = text.replace("500", "501");
    assert_eq!(Fulfillment::stored(&other).unwrap().shipping[0].amount, 501);
    assert_eq!(*Fulfillment::stored(&text).unwrap(), rules);
    assert_eq!(code_key(" ÄPFEL "), "äpfel");
    assert_eq!(code_key("ΚΑΛΌΣ"), code_key("καλός"), "the letter at the end has a form of its own");
}

#[test]
fn percents_of_two_decimals() {
    let percent = |value: Value| {
        let rules = Fulfillment::read(&json!({ "coupons": [{ "code": "a", "percent_off": value }] }));
        rules.map(|rules| rules.coupons[0].percent_off.unwrap()).map_err(|problem| (problem.status, problem.param.clone().unwrap()))
    };
    for (value, bps) in
        [(json!(10), 1000), (json!(0.01), 1), (json!(33.33), 3333), (json!(100), 10_000), (json!(1e2), 10_000), (json!(99.9), 9990)]
    {
        assert_eq!(percent(value), Ok(bps));
    }
    let param = "coupons[0][percent_off]".to_owned();
    for value in [json!(0), json!(-1), json!(100.01), json!(12.345), json!(1e300), json!(1e-7), json!(i64::MAX)] {
        assert_eq!(percent(value), Err((422, param.clone())));
    }
    assert_eq!(percent(json!("10")), Err((400, param)));
}

#[test]
fn each_refusal_names_its_member() {
    let told = |change: &dyn Fn(&mut Value)| {
        let mut body = good();
        change(&mut body);
        let problem = Fulfillment::read(&body).unwrap_err();
        format!("{} {} {}", problem.status, problem.code, problem.param.clone().unwrap_or_default())
    };
    let set = |path: &'static str, value: Value| told(&move |body: &mut Value| *body.pointer_mut(path).unwrap() = value.clone());
    let add = |path: &'static str, name: &'static str, value: Value| {
        told(&move |body: &mut Value| body.pointer_mut(path).unwrap()[name] = value.clone())
    };
    assert_eq!(set("/shipping/1/id", json!("post")), "422 duplicate_value shipping[1][id]");
    assert_eq!(set("/digital/0/id", json!("post")), "422 duplicate_value digital[0][id]");
    assert_eq!(set("/coupons/1/code", json!("WELCOME")), "422 duplicate_value coupons[1][code]");
    assert_eq!(set("/shipping/0/amount", json!(-1)), "422 parameter_invalid_integer shipping[0][amount]");
    assert_eq!(set("/shipping/0/amount", json!("5")), "400 parameter_invalid_integer shipping[0][amount]");
    assert_eq!(set("/shipping/0/amount", Value::Null), "400 parameter_missing shipping[0][amount]");
    assert_eq!(set("/shipping/1/amount", json!(50)), "422 parameter_invalid_integer shipping[1][amount]");
    assert_eq!(set("/shipping/0/currency", json!("xyz")), "422 currency_unsupported shipping[0][currency]");
    assert_eq!(set("/shipping/0/countries", json!([])), "422 parameter_invalid_empty shipping[0][countries]");
    assert_eq!(set("/shipping/0/countries/1", json!("ca")), "422 country_invalid shipping[0][countries][1]");
    assert_eq!(set("/shipping/0/countries/1", json!("USA")), "422 country_invalid shipping[0][countries][1]");
    assert_eq!(set("/shipping/0/countries/1", json!(1)), "400 parameter_invalid_string shipping[0][countries][1]");
    assert_eq!(set("/shipping/0/regions/0", json!(" ")), "422 parameter_invalid shipping[0][regions][0]");
    assert_eq!(set("/shipping/0/max_days", json!(1)), "422 parameter_invalid shipping[0][max_days]");
    assert_eq!(set("/shipping/0/title", json!(" ")), "422 parameter_invalid_empty shipping[0][title]");
    assert_eq!(add("/shipping/0", "weight", json!(1)), "400 parameter_unknown shipping[0][weight]");
    assert_eq!(set("/tax/0/rate_bps", json!(10_001)), "422 parameter_invalid_integer tax[0][rate_bps]");
    assert_eq!(set("/tax/0/inclusive", json!("no")), "400 parameter_invalid_boolean tax[0][inclusive]");
    assert_eq!(set("/tax/0/inclusive", Value::Null), "400 parameter_missing tax[0][inclusive]");
    assert_eq!(add("/coupons/0", "amount_off", json!(5)), "400 parameter_missing coupons[0][currency]");
    assert_eq!(set("/coupons/0/percent_off", Value::Null), "422 parameter_invalid coupons[0]");
    assert_eq!(set("/coupons/0/ends", json!(1)), "422 parameter_invalid coupons[0][ends]");
    assert_eq!(set("/coupons/0/max_redemptions", json!(0)), "422 parameter_invalid_integer coupons[0][max_redemptions]");
    assert_eq!(add("/coupons/1", "percent_off", json!(5)), "422 parameter_invalid coupons[1]");
    assert_eq!(told(&|body| body["tax"] = vec![body["tax"][0].clone(); 301].into()), "422 parameter_invalid tax");
    assert_eq!(told(&|body| body["shipping"] = json!({})), "400 parameter_invalid_array shipping");
}
