//! Both bodies of `POST /v1/checkout/sessions`: what they mean, and every refusal that needs no shop.

use super::dice::Dice;
use super::money::charged;
use cognitivecart_worker::cart::{self, Capture, Order, Source};
use cognitivecart_worker::error::Problem;
use cognitivecart_worker::id::Mode;
use cognitivecart_worker::money::{Amount, MAX_CHARGE, unit_price};
use cognitivecart_worker::record::Json;
use serde_json::{Value, json};

fn whole() -> Value {
    json!({
        "source": "chat",
        "cart": {
            "id": "cart_9", "order_id": 1042, "order_key": "wc_order_abc", "currency": "USD",
            "items": [
                {"product_id": 17, "variation_id": "18", "sku": "TEA-1", "name": "Tea", "description": "Green", "quantity": 3,
                 "image_url": "https://shop.example/tea.jpg", "amount_total": 1000, "tax_code": "txcd_40060003"},
                {"product_id": "p2", "name": "Mug", "quantity": 1, "unit_amount": 1500}
            ],
            "shipping": [{"label": "Post", "amount": 490}], "fees": [{"label": "Gift wrap", "amount": 200}],
            "taxes": [{"label": "VAT", "amount": 310}],
            "discounts": [{"label": "WELCOME", "amount": 250}, {"label": "Gift card", "amount": 100}],
            "total": 3150
        },
        "customer": {"email": "buyer@example.com"},
        "success_url": "https://shop.example/ok?s={CHECKOUT_SESSION_ID}", "cancel_url": "https://shop.example/cart",
        "expires_in": 1800, "locale": "de", "metadata": {"table": 4, "gift": true, "note": "x", "none": null, "price": 1.5},
        "capture": "manual", "mode": "test",
        "collect": {"shipping_countries": ["DE", "AT", "DE"], "phone": true, "billing": true}
    })
}

fn plain() -> Value {
    json!({"currency": "eur", "line_items": [{"name": "Tea", "quantity": 2, "amount_total": 999}]})
}

/// `value` with the member at `pointer` set; a missing member is added.
fn with(mut value: Value, pointer: &str, to: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(member.to_owned(), to);
        }
        Value::Array(elements) => match member.parse::<usize>() {
            Ok(place) if place < elements.len() => elements[place] = to,
            _ => elements.push(to),
        },
        other => panic!("{pointer} leads into {other}"),
    }
    value
}

fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    value
}

fn read(body: &Value) -> Order {
    cart::read(body).unwrap_or_else(|problem| panic!("{}: {body}", problem.body("req")))
}

fn refused(body: &Value) -> Problem {
    match cart::read(body) {
        Err(problem) => problem,
        Ok(order) => panic!("let in: {body} as {order:?}"),
    }
}

#[track_caller]
fn refuses(body: &Value, status: u16, code: &str, param: &str) {
    let problem = refused(body);
    assert_eq!((problem.status, problem.code.as_ref(), problem.param.as_deref().unwrap_or("")), (status, code, param), "{body}");
    assert!(!problem.message.is_empty());
}

#[test]
fn a_cart_is_read_in_full() {
    let order = read(&whole());
    assert_eq!((order.source, order.agent.as_deref(), order.mode), (Source::Chat, None, Some(Mode::Test)));
    assert_eq!((order.currency.code(), order.total.get()), ("usd", 3150));
    assert_eq!(order.cart_id.as_deref(), Some("cart_9"));
    assert_eq!((order.order_id.as_deref(), order.order_key.as_deref()), (Some("1042"), Some("wc_order_abc")));
    let tea = &order.items[0];
    assert_eq!((tea.product_id.as_deref(), tea.variation_id.as_deref(), tea.sku.as_deref()), (Some("17"), Some("18"), Some("TEA-1")));
    assert_eq!((tea.name.as_str(), tea.description.as_deref(), tea.quantity, tea.amount_total.get()), ("Tea", Some("Green"), 3, 1000));
    assert_eq!((tea.image_url.as_deref(), tea.tax_code.as_deref()), (Some("https://shop.example/tea.jpg"), Some("txcd_40060003")));
    assert_eq!((order.items[1].quantity, order.items[1].amount_total.get()), (1, 1500));
    assert_eq!((order.shipping[0].label.as_str(), order.shipping[0].amount.get()), ("Post", 490));
    assert_eq!((order.fees.len(), order.taxes.len(), order.discounts.len()), (1, 1, 2));
    assert_eq!(order.customer_email.as_deref(), Some("buyer@example.com"));
    assert_eq!(order.success_url.as_deref(), Some("https://shop.example/ok?s={CHECKOUT_SESSION_ID}"));
    assert_eq!(order.cancel_url.as_deref(), Some("https://shop.example/cart"));
    assert_eq!((order.expires_in, order.locale.as_deref(), order.capture), (Some(1800), Some("de"), Capture::Manual));
    let metadata: Vec<_> = order.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(metadata, [("gift", "true"), ("note", "x"), ("price", "1.5"), ("table", "4")]);
    assert_eq!(order.collect.shipping_countries, ["DE", "AT"]);
    assert!(order.collect.phone && order.collect.billing);
}

#[test]
fn what_is_left_out_has_its_default() {
    let order = read(&plain());
    assert_eq!((order.source, order.agent, order.mode, order.capture), (Source::Site, None, None, Capture::Automatic));
    assert_eq!((order.total.get(), order.expires_in, order.metadata.len()), (999, None, 0));
    assert_eq!((order.cart_id, order.order_id, order.order_key), (None, None, None));
    assert_eq!((order.success_url, order.cancel_url, order.customer_email), (None, None, None));
    assert_eq!(order.collect, cart::Collect::default());
    assert!(order.shipping_options.is_empty());

    // null is absent, and so is what is empty of the descriptive members.
    let nulls = json!({"currency": "eur", "cart": null, "source": null, "mode": null, "metadata": null, "collect": null, "customer": null,
        "success_url": null, "shipping_options": null, "amount_total": null, "order_id": null, "locale": "",
        "line_items": [{"name": "Tea", "quantity": 2, "amount_total": 999, "unit_amount": null, "product_id": null,
            "description": "", "image_url": "", "sku": " ", "tax_code": ""}]});
    assert_eq!(read(&nulls), read(&plain()));
}

#[test]
fn an_item_is_kept_without_what_it_does_not_have() {
    let order = read(&plain());
    assert_eq!(order.items.json(), json!([{"name": "Tea", "quantity": 2, "amount_total": 999}]));
    let order = read(&whole());
    assert_eq!(
        order.items[0].json(),
        json!({"product_id": "17", "variation_id": "18", "sku": "TEA-1", "name": "Tea", "description": "Green",
            "image_url": "https://shop.example/tea.jpg", "tax_code": "txcd_40060003", "quantity": 3, "amount_total": 1000})
    );
    assert_eq!(order.discounts[1].json(), json!({"label": "Gift card", "amount": 100}));
}

#[test]
fn sources() {
    for (given, source, agent) in [
        ("site", "site", None),
        ("chat", "chat", None),
        ("agent", "agent", None),
        ("agent:Claude", "agent", Some("Claude")),
        ("agent:a:b", "agent", Some("a:b")),
        ("agent:日本", "agent", Some("日本")),
    ] {
        let order = read(&with(plain(), "/source", json!(given)));
        assert_eq!((order.source.name(), order.agent.as_deref()), (source, agent));
    }
    let name = "é".repeat(64);
    assert_eq!(read(&with(plain(), "/source", json!(format!("agent:{name}")))).agent, Some(name.clone()));
    for given in ["", "Chat", "agent:", "agent: ", "agents", "site:x", "chat:x", "agent:a\nb", &format!("agent:{name}x")] {
        refuses(&with(plain(), "/source", json!(given)), 422, "parameter_invalid", "source");
    }
    refuses(&with(plain(), "/source", json!(1)), 400, "parameter_invalid_string", "source");
}

#[test]
fn the_shape_of_the_body() {
    for body in [json!([]), json!("x"), json!(null), json!(1)] {
        refuses(&body, 400, "json_invalid", "");
    }
    refuses(&json!({}), 400, "parameter_missing", "cart");
    refuses(&json!({"cart": null}), 400, "parameter_missing", "cart");
    refuses(&json!({"basket": {}}), 400, "parameter_unknown", "basket");
    refuses(&with(whole(), "/line_items", plain()["line_items"].clone()), 400, "parameters_exclusive", "line_items");
    refuses(&json!({"cart": []}), 400, "parameter_invalid_object", "cart");
    refuses(&json!({"line_items": {}, "currency": "usd"}), 400, "parameter_invalid_array", "line_items");
    refuses(&with(plain(), "/line_items/0", json!("tea")), 400, "parameter_invalid_object", "line_items[0]");
    // Members of one body are unknown in the other, at every depth.
    refuses(&with(whole(), "/currency", json!("usd")), 400, "parameter_unknown", "currency");
    refuses(&with(whole(), "/order_id", json!("1")), 400, "parameter_unknown", "order_id");
    refuses(&with(plain(), "/total", json!(1)), 400, "parameter_unknown", "total");
    refuses(&with(whole(), "/cart/coupon", json!(1)), 400, "parameter_unknown", "cart[coupon]");
    refuses(&with(whole(), "/cart/items/0/price", json!(1)), 400, "parameter_unknown", "cart[items][0][price]");
    refuses(&with(whole(), "/cart/fees/0/tax", json!(1)), 400, "parameter_unknown", "cart[fees][0][tax]");
    refuses(&with(whole(), "/collect/email", json!(true)), 400, "parameter_unknown", "collect[email]");
    refuses(&with(whole(), "/customer/name", json!("x")), 400, "parameter_unknown", "customer[name]");
    refuses(&with(whole(), "/customer", json!("x@y.example")), 400, "parameter_invalid_object", "customer");
}

#[test]
fn what_must_be_there() {
    for (pointer, param) in [
        ("/cart/id", "cart[id]"),
        ("/cart/currency", "cart[currency]"),
        ("/cart/items", "cart[items]"),
        ("/cart/total", "cart[total]"),
        ("/cart/items/0/product_id", "cart[items][0][product_id]"),
        ("/cart/items/0/name", "cart[items][0][name]"),
        ("/cart/items/0/quantity", "cart[items][0][quantity]"),
        ("/cart/items/0/amount_total", "cart[items][0][amount_total]"),
        ("/cart/items/1/unit_amount", "cart[items][1][amount_total]"),
        ("/cart/shipping/0/label", "cart[shipping][0][label]"),
        ("/cart/taxes/0/amount", "cart[taxes][0][amount]"),
    ] {
        refuses(&without(whole(), pointer), 400, "parameter_missing", param);
        if pointer != "/cart/items/1/unit_amount" {
            refuses(&with(whole(), pointer, json!(null)), 400, "parameter_missing", param);
        }
    }
    refuses(&without(plain(), "/currency"), 400, "parameter_missing", "currency");
    // Agents' line items need not come from a catalogue.
    assert_eq!(read(&plain()).items[0].product_id, None);
}

#[test]
fn values_that_cannot_be() {
    let bad = |pointer: &str, value: Value, code: &str, param: &str| refuses(&with(whole(), pointer, value), 422, code, param);
    bad("/cart/currency", json!("xxx"), "currency_unsupported", "cart[currency]");
    bad("/cart/currency", json!("dollars"), "currency_unsupported", "cart[currency]");
    bad("/cart/currency", json!(""), "parameter_invalid_empty", "cart[currency]");
    bad("/cart/items", json!([]), "parameter_invalid_empty", "cart[items]");
    bad("/cart/id", json!(""), "parameter_invalid_empty", "cart[id]");
    bad("/cart/order_id", json!("x".repeat(201)), "parameter_invalid", "cart[order_id]");
    bad("/cart/order_key", json!("x".repeat(201)), "parameter_invalid", "cart[order_key]");
    bad("/cart/items/0/product_id", json!("a\nb"), "parameter_invalid", "cart[items][0][product_id]");
    bad("/cart/items/0/name", json!("  "), "parameter_invalid_empty", "cart[items][0][name]");
    bad("/cart/items/0/name", json!("x".repeat(5001)), "parameter_invalid", "cart[items][0][name]");
    bad("/cart/items/0/sku", json!("x".repeat(201)), "parameter_invalid", "cart[items][0][sku]");
    bad("/cart/items/0/description", json!("x".repeat(40_001)), "parameter_invalid", "cart[items][0][description]");
    for image in ["tea.jpg", "/tea.jpg", "//cdn.example/tea.jpg", "data:image/png;base64,AA==", "javascript:alert(1)"] {
        bad("/cart/items/0/image_url", json!(image), "url_invalid", "cart[items][0][image_url]");
    }
    for code in ["40060003", "txcd_", "txcd_1x", "txcd_123456789012345678901"] {
        bad("/cart/items/0/tax_code", json!(code), "parameter_invalid", "cart[items][0][tax_code]");
    }
    for quantity in [0, -1, 1_000_000] {
        bad("/cart/items/0/quantity", json!(quantity), "parameter_invalid_integer", "cart[items][0][quantity]");
    }
    for (pointer, param) in [
        ("/cart/total", "cart[total]"),
        ("/cart/items/0/amount_total", "cart[items][0][amount_total]"),
        ("/cart/items/1/unit_amount", "cart[items][1][unit_amount]"),
        ("/cart/shipping/0/amount", "cart[shipping][0][amount]"),
        ("/cart/discounts/0/amount", "cart[discounts][0][amount]"),
    ] {
        bad(pointer, json!(-1), "parameter_invalid_integer", param);
        bad(pointer, json!(MAX_CHARGE + 1), "amount_too_large", param);
        bad(pointer, json!(u64::MAX), "amount_too_large", param);
        for no_integer in [json!(10.5), json!("10"), json!(true), json!([])] {
            refuses(&with(whole(), pointer, no_integer), 400, "parameter_invalid_integer", param);
        }
    }
    bad("/cart/discounts/0/label", json!(""), "parameter_invalid_empty", "cart[discounts][0][label]");
    bad("/cart/fees/0/label", json!("x".repeat(201)), "parameter_invalid", "cart[fees][0][label]");
    bad("/success_url", json!(""), "parameter_invalid_empty", "success_url");
    bad("/cancel_url", json!("https://".to_owned() + &"x".repeat(2048)), "parameter_invalid", "cancel_url");
    for seconds in [0, 1_799, 86_401] {
        bad("/expires_in", json!(seconds), "parameter_invalid_integer", "expires_in");
    }
    assert_eq!(read(&with(whole(), "/expires_in", json!(86_400))).expires_in, Some(86_400));
    bad("/locale", json!("x".repeat(11)), "parameter_invalid", "locale");
    bad("/capture", json!("later"), "parameter_invalid", "capture");
    bad("/mode", json!("sandbox"), "parameter_invalid", "mode");
    for email in ["buyer", "@example.com", "buyer@", "a b@example.com", "a@example.com\n"] {
        bad("/customer/email", json!(email), "email_invalid", "customer[email]");
    }
    bad("/customer/email", json!(""), "parameter_invalid_empty", "customer[email]");
    bad("/customer/email", json!("x".repeat(512) + "@example.com"), "parameter_invalid", "customer[email]");
    bad("/collect/shipping_countries", json!(vec!["US"; 301]), "parameter_invalid", "collect[shipping_countries]");
    for country in ["de", "DEU", "D", "D1", ""] {
        bad("/collect/shipping_countries/1", json!(country), "parameter_invalid", "collect[shipping_countries][1]");
    }
    refuses(&with(whole(), "/collect/shipping_countries/1", json!(49)), 400, "parameter_invalid_string", "collect[shipping_countries][1]");
    refuses(&with(whole(), "/collect/phone", json!("yes")), 400, "parameter_invalid_boolean", "collect[phone]");
}

#[test]
fn metadata_is_bounded_and_cannot_pass_for_ours() {
    let many = |count: usize| Value::Object((0..count).map(|i| (format!("k{i}"), json!(i))).collect());
    assert_eq!(read(&with(plain(), "/metadata", many(40))).metadata.len(), 40);
    refuses(&with(plain(), "/metadata", many(41)), 422, "parameter_invalid", "metadata");
    refuses(&with(plain(), "/metadata", json!([])), 400, "parameter_invalid_object", "metadata");
    let key = |key: &str| json!({ key: "v" });
    assert_eq!(read(&with(plain(), "/metadata", key(&"é".repeat(40)))).metadata.len(), 1);
    for bad in ["cc_transaction", "cc_", "a[b]", "a]", "", "a\u{7}", &"é".repeat(41)] {
        refuses(&with(plain(), "/metadata", key(bad)), 422, "parameter_invalid", &format!("metadata[{bad}]"));
    }
    assert!(cart::read(&with(plain(), "/metadata", json!({"a": "é".repeat(500)}))).is_ok());
    refuses(&with(plain(), "/metadata", json!({"a": "é".repeat(501)})), 422, "parameter_invalid", "metadata[a]");
    refuses(&with(plain(), "/metadata", json!({"a": "\0"})), 422, "parameter_invalid", "metadata[a]");
    for nested in [json!([]), json!({})] {
        refuses(&with(plain(), "/metadata", json!({ "a": nested })), 400, "parameter_invalid_string", "metadata[a]");
    }
}

#[test]
fn totals_must_agree_and_both_figures_are_named() {
    for off in [3149, 3151, 0] {
        let problem = refused(&with(whole(), "/cart/total", json!(off)));
        assert_eq!((problem.status, problem.code.as_ref(), problem.param.as_deref()), (422, "total_mismatch", Some("cart[total]")));
        assert!(problem.message.contains(&off.to_string()) && problem.message.contains("3150"), "{}", problem.message);
    }
    assert_eq!(read(&with(plain(), "/amount_total", json!(999))).total.get(), 999);
    let problem = refused(&with(plain(), "/amount_total", json!(1000)));
    assert_eq!((problem.code.as_ref(), problem.param.as_deref()), ("total_mismatch", Some("amount_total")));
    assert!(problem.message.contains("999") && problem.message.contains("1000"));

    // Discounts beyond all lines, and just all of them.
    let free = |discount: i64, total: i64| {
        with(with(whole(), "/cart/discounts", json!([{"label": "x", "amount": discount}])), "/cart/total", json!(total))
    };
    let problem = refused(&free(3501, 0));
    assert_eq!((problem.status, problem.code.as_ref(), problem.param.as_deref()), (422, "total_mismatch", Some("cart[discounts]")));
    assert!(problem.message.contains("3501") && problem.message.contains("3500"));
    refuses(&free(3500, 0), 422, "amount_too_small", "cart[total]");
    refuses(&free(3451, 49), 422, "amount_too_small", "cart[total]");
    assert_eq!(read(&free(3450, 50)).total.get(), 50);
}

#[test]
fn unit_amount_stands_for_the_line_or_agrees_with_it() {
    let item = |item: Value| json!({"currency": "usd", "line_items": [item]});
    let both = |unit: i64, total: i64| item(json!({"name": "Tea", "quantity": 3, "unit_amount": unit, "amount_total": total}));
    assert_eq!(read(&item(json!({"name": "Tea", "quantity": 3, "unit_amount": 333}))).total.get(), 999);
    assert_eq!(read(&both(333, 999)).total.get(), 999);
    let problem = refused(&both(333, 1000));
    assert_eq!(
        (problem.status, problem.code.as_ref(), problem.param.as_deref()),
        (422, "total_mismatch", Some("line_items[0][amount_total]"))
    );
    assert!(problem.message.contains("999") && problem.message.contains("1000"));
    refuses(
        &item(json!({"name": "Tea", "quantity": 999_999, "unit_amount": MAX_CHARGE})),
        422,
        "amount_too_large",
        "line_items[0][unit_amount]",
    );
}

#[test]
fn as_many_lines_as_stripe_takes() {
    let items =
        |count: usize| Value::Array((0..count).map(|i| json!({"product_id": i, "name": "x", "quantity": 1, "amount_total": 10})).collect());
    let body = |count: usize, total: usize| json!({"cart": {"id": 1, "currency": "usd", "items": items(count), "shipping": [{"label": "Post", "amount": 5}], "total": total}});
    assert_eq!(read(&body(99, 995)).items.len(), 99);
    refuses(&body(100, 1005), 422, "too_many_lines", "cart[items]");
    let line_items = |count: usize| json!({"currency": "usd", "line_items": items(count)});
    assert_eq!(cart::lines(&read(&line_items(100))).unwrap().len(), 100);
    refuses(&line_items(101), 422, "too_many_lines", "line_items");
    let posted = json!({"currency": "usd", "line_items": items(100), "shipping": [{"label": "Post", "amount": 5}]});
    refuses(&posted, 422, "too_many_lines", "line_items");
    let given_away = json!({"currency": "usd", "line_items": items(1), "discounts": [{"label": "All", "amount": 11}]});
    refuses(&given_away, 422, "total_mismatch", "discounts");
    let extras = |count: usize| Value::Array((0..count).map(|_| json!({"label": "x", "amount": 1})).collect());
    refuses(&with(whole(), "/cart/fees", extras(101)), 422, "too_many_lines", "cart[fees]");
    refuses(&with(whole(), "/cart/discounts", extras(101)), 422, "parameter_invalid", "cart[discounts]");
    // Discounts are no lines of Stripe's.
    let body = with(with(whole(), "/cart/discounts", extras(100)), "/cart/total", json!(3400));
    assert_eq!(cart::lines(&read(&body)).unwrap().len(), 5);
}

#[test]
fn what_stripe_charges_at_least_and_at_most() {
    let one = |code: &str, amount: i64| json!({"currency": code, "line_items": [{"name": "x", "quantity": 1, "amount_total": amount}]});
    for (code, least) in [("usd", 50), ("gbp", 30), ("jpy", 50), ("huf", 17_500), ("isk", 100), ("kwd", 10), ("afn", 1)] {
        assert_eq!(read(&one(code, least)).total.get(), least, "{code}");
        let step = match code {
            "isk" => 100,
            "kwd" => 10,
            _ => 1,
        };
        refuses(&one(code, least - step), 422, "amount_too_small", "amount_total");
    }
    assert_eq!(read(&one("usd", MAX_CHARGE)).total.get(), MAX_CHARGE);
    let two = json!({"currency": "usd", "line_items": [
        {"name": "x", "quantity": 1, "amount_total": MAX_CHARGE}, {"name": "y", "quantity": 1, "amount_total": 1}]});
    refuses(&two, 422, "amount_too_large", "amount_total");
}

#[test]
fn currencies_without_their_last_digit() {
    for (code, good, bad) in [("isk", 500, 550), ("ugx", 500, 501), ("kwd", 1_230, 1_235), ("tnd", 990, 999)] {
        let items = |amount: i64| json!([{"product_id": 1, "name": "x", "quantity": 2, "amount_total": amount}]);
        let cart = |items: Value, extra: i64, total: i64| json!({"cart": {"id": 1, "currency": code, "items": items, "fees": [{"label": "f", "amount": extra}], "total": total}});
        assert!(cart::read(&cart(items(good), good, 2 * good)).is_ok(), "{code}");
        refuses(&cart(items(bad), good, good + bad), 422, "parameter_invalid_integer", "cart[items][0][amount_total]");
        refuses(&cart(items(good), bad, good + bad), 422, "parameter_invalid_integer", "cart[fees][0][amount]");
        refuses(&cart(items(good), good, bad), 422, "parameter_invalid_integer", "cart[total]");
        let unit = json!([{"product_id": 1, "name": "x", "quantity": 100, "unit_amount": bad}]);
        refuses(&cart(unit, good, 100 * bad + good), 422, "parameter_invalid_integer", "cart[items][0][unit_amount]");
    }
    // huf and twd are ordinary for charges.
    assert!(cart::read(&json!({"currency": "huf", "line_items": [{"name": "x", "quantity": 1, "amount_total": 17_501}]})).is_ok());
}

#[test]
fn shipping_options() {
    let option = |id: Value| json!({"id": id, "label": "Post", "amount": 490, "min_days": 1, "max_days": 3});
    let body = |options: Value| with(plain(), "/shipping_options", options);
    let order = read(&body(json!([option(json!("flat_rate:1")), {"id": 2, "label": "Collect", "amount": 0}])));
    let first = &order.shipping_options[0];
    assert_eq!((first.id.as_str(), first.label.as_str(), first.amount.get()), ("flat_rate:1", "Post", 490));
    assert_eq!((first.min_days, first.max_days), (Some(1), Some(3)));
    assert_eq!((order.shipping_options[1].id.as_str(), order.shipping_options[1].min_days), ("2", None));
    assert_eq!(order.total.get(), 999, "what the buyer chooses comes on top");

    assert!(read(&body(json!([]))).shipping_options.is_empty());
    refuses(&body(Value::Array((0..6).map(|i| option(json!(i))).collect())), 422, "parameter_invalid", "shipping_options");
    refuses(&body(json!([option(json!(1)), option(json!("1"))])), 422, "parameter_invalid", "shipping_options[1][id]");
    let bent = |member: &str, value: Value| body(json!([with(option(json!("a")), &format!("/{member}"), value)]));
    refuses(&bent("id", json!(null)), 400, "parameter_missing", "shipping_options[0][id]");
    refuses(&bent("label", json!("x".repeat(101))), 422, "parameter_invalid", "shipping_options[0][label]");
    refuses(&bent("amount", json!(-1)), 422, "parameter_invalid_integer", "shipping_options[0][amount]");
    refuses(&bent("amount", json!(null)), 400, "parameter_missing", "shipping_options[0][amount]");
    refuses(&bent("min_days", json!(4)), 422, "parameter_invalid_integer", "shipping_options[0][max_days]");
    refuses(&bent("max_days", json!(366)), 422, "parameter_invalid_integer", "shipping_options[0][max_days]");
    refuses(&bent("days", json!(1)), 400, "parameter_unknown", "shipping_options[0][days]");
    refuses(&bent("amount", json!(MAX_CHARGE)), 422, "amount_too_large", "amount_total");
    // Settled or to be chosen, not both.
    refuses(&with(whole(), "/shipping_options", json!([option(json!("a"))])), 422, "parameters_exclusive", "shipping_options");
    assert!(
        cart::read(&with(
            with(with(whole(), "/cart/shipping", json!([])), "/cart/total", json!(2660)),
            "/shipping_options",
            json!([option(json!("a"))])
        ))
        .is_ok()
    );
}

#[test]
fn lines_are_items_then_the_rest_less_the_discounts() {
    let order = read(&whole());
    let lines = cart::lines(&order).unwrap();
    let shown: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.quantity, line.amount.get())).collect();
    // 350 off 1000 and 1500: 140 and 210.
    assert_eq!(shown, [("Tea", 3, 860), ("Mug", 1, 1290), ("Post", 1, 490), ("Gift wrap", 1, 200), ("VAT", 1, 310)]);
    assert_eq!((lines[0].product_id.as_deref(), lines[0].sku.as_deref()), (Some("17"), Some("TEA-1")));
    assert_eq!((lines[0].description.as_deref(), lines[0].tax_code.as_deref()), (Some("Green"), Some("txcd_40060003")));
    assert_eq!(lines[0].image_url.as_deref(), Some("https://shop.example/tea.jpg"));
    assert_eq!((&lines[2].product_id, &lines[2].sku), (&None, &None));
    // The ledger keeps the order as it was.
    assert_eq!(order.items[0].amount_total.get(), 1000);

    // A gift card that pays more than the goods: the goods go for nothing, the rest comes off shipping, fees and taxes.
    let body = with(with(whole(), "/cart/discounts", json!([{"label": "Gift card", "amount": 3000}])), "/cart/total", json!(500));
    let left: Vec<_> = cart::lines(&read(&body)).unwrap().iter().map(|line| line.amount.get()).collect();
    assert_eq!(left, [0, 0, 245, 100, 155]);
}

/// An order that no checked body gives: Stripe must not be asked for another sum than was agreed.
#[test]
fn lines_that_do_not_sum_are_our_fault() {
    let mut order = read(&whole());
    order.total = Amount::new(3151).unwrap();
    assert_eq!(cart::lines(&order).unwrap_err().status, 500);
    let mut order = read(&whole());
    order.discounts[0].amount = Amount::new(99_999).unwrap();
    assert_eq!(cart::lines(&order).unwrap_err().status, 500);
}

/// Random carts in every kind of currency: what Stripe will charge is the total, to the last unit.
#[test]
fn stripe_charges_the_total_of_any_cart() {
    let mut dice = Dice(11);
    let (mut accepted, mut gift_cards) = (0, 0);
    for round in 0..3_000 {
        let (code, step) = [("usd", 1), ("jpy", 1), ("isk", 100), ("kwd", 10)][dice.within(0, 3) as usize];
        let most = MAX_CHARGE / 200 / step;
        let mut sum = 0;
        let items: Vec<Value> = (0..dice.within(1, 60))
            .map(|i| {
                let quantity = dice.scaled(999_998) + 1;
                let mut item = json!({"product_id": i, "name": format!("p{i}"), "quantity": quantity});
                let unit = dice.scaled(most) / quantity;
                let kind = dice.within(0, 2);
                let total = if kind == 0 { dice.scaled(most) * step } else { unit * quantity * step };
                if kind != 1 {
                    item["amount_total"] = json!(total);
                }
                if kind != 0 {
                    item["unit_amount"] = json!(unit * step);
                }
                sum += total;
                item
            })
            .collect();
        let goods = sum;
        let mut extras = |most_entries: i64, sum: &mut i64| -> Vec<Value> {
            (0..dice.within(0, most_entries))
                .map(|i| {
                    let amount = dice.scaled(most) * step;
                    *sum += amount;
                    json!({"label": format!("e{i}"), "amount": amount})
                })
                .collect()
        };
        let (shipping, fees, taxes) = (extras(5, &mut sum), extras(5, &mut sum), extras(5, &mut sum));
        let mut off = 0;
        let discounts: Vec<Value> = (0..dice.within(0, 4))
            .map(|i| {
                let amount = dice.within(0, (sum - off) / step) * step;
                off += amount;
                json!({"label": format!("d{i}"), "amount": amount})
            })
            .collect();
        let total = sum - off;
        let body = json!({"cart": {"id": round, "currency": code, "items": items, "shipping": shipping, "fees": fees,
            "taxes": taxes, "discounts": discounts, "total": total}});

        let order = match cart::read(&body) {
            Ok(order) => order,
            Err(problem) => {
                assert_eq!(problem.code, "amount_too_small", "round {round}: {}", problem.message);
                assert!(total < 100, "round {round}");
                continue;
            }
        };
        accepted += 1;
        gift_cards += i32::from(off > goods);
        let lines = cart::lines(&order).unwrap();
        assert_eq!(lines.len(), order.items.len() + order.shipping.len() + order.fees.len() + order.taxes.len());
        let asked: i64 = lines.iter().map(|line| charged(&unit_price(line.amount, line.quantity), line.quantity)).sum();
        assert_eq!(asked, total, "round {round}: {body}");
        assert!(lines.iter().all(|line| line.amount.get() % step == 0), "round {round}: {body}");
        for (line, item) in lines.iter().zip(&order.items) {
            assert!(line.amount <= item.amount_total && line.quantity == item.quantity, "round {round}: {body}");
        }

        // One unit more or less is noticed.
        for wrong in [total + step, total - step] {
            if wrong >= 0 {
                assert_eq!(refused(&with(body.clone(), "/cart/total", json!(wrong))).code, "total_mismatch", "round {round}");
            }
        }
    }
    assert!(accepted > 2_000 && gift_cards > 100, "{accepted} carts, {gift_cards} of them with a discount beyond the goods");
}

/// Any member replaced by any kind of value: a refusal that names a member, or an order that sums. Never a panic, never a 500.
#[test]
fn bent_bodies_are_refused_with_a_name() {
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
            Value::Array(elements) => elements.iter().enumerate().map(|(i, inner)| (i.to_string(), inner)).collect(),
            _ => Vec::new(),
        };
        for (name, inner) in inner {
            let pointer = format!("{at}/{name}");
            pointers(inner, &pointer, found);
            found.push(pointer);
        }
    }
    let options = json!([{"id": "a", "label": "Post", "amount": 490, "min_days": 1, "max_days": 3}]);
    let lines = json!({"currency": "eur", "source": "agent:Claude", "order_id": "7", "amount_total": 999, "shipping_options": options,
        "line_items": [{"name": "Tea", "quantity": 2, "amount_total": 999, "sku": "T"}]});
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(1.5),
        json!(1e30),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("x"),
        json!("\0"),
        json!("x".repeat(6000)),
        json!([]),
        json!([[]]),
        json!([null]),
        json!({}),
        json!({"a": 1}),
    ];
    let mut tried = 0;
    for body in [whole(), lines] {
        let mut found = Vec::new();
        pointers(&body, "", &mut found);
        for pointer in &found {
            for value in &values {
                let bent = with(body.clone(), pointer, value.clone());
                tried += 1;
                match cart::read(&bent) {
                    Ok(order) => {
                        let lines = cart::lines(&order).unwrap();
                        assert_eq!(Amount::sum(lines.iter().map(|line| line.amount)), Some(order.total), "{bent}");
                    }
                    Err(problem) => {
                        assert!(matches!(problem.status, 400 | 422), "{pointer} = {value}: {}", problem.status);
                        assert!(problem.param.as_deref().is_some_and(|param| !param.is_empty()), "{pointer} = {value}");
                        assert!(problem.message.len() < 1_000, "{pointer} = {value}: a message of {} bytes", problem.message.len());
                    }
                }
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn line_items_take_shipping_fees_taxes_and_discounts_like_a_cart() {
    let body = json!({
        "currency": "eur", "line_items": [{"name": "Tea", "quantity": 2, "amount_total": 1000}], "order_id": 7, "order_key": "k",
        "shipping": [{"label": "Post", "amount": 500}], "fees": [{"label": "Wrap", "amount": 100}], "taxes": [{"label": "VAT", "amount": 50}],
        "discounts": [{"label": "TEN", "amount": 150}], "amount_total": 1500,
    });
    let order = read(&body);
    assert_eq!((order.total.get(), order.shipping.len(), order.discounts.len(), order.order_key.as_deref()), (1500, 1, 1, Some("k")));
    refuses(&with(body, "/amount_total", json!(1501)), 422, "total_mismatch", "amount_total");
}

#[test]
fn an_amount_beyond_counting_is_too_large_and_not_ill_typed() {
    for amount in [json!(9_007_199_254_740_992_i64), json!(u64::MAX), serde_json::from_str("1000000000000000000000000").unwrap()] {
        refuses(&with(plain(), "/line_items/0/amount_total", amount), 422, "amount_too_large", "line_items[0][amount_total]");
    }
    refuses(&with(plain(), "/line_items/0/amount_total", json!(-1)), 422, "parameter_invalid_integer", "line_items[0][amount_total]");
}
