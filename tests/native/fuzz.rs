//! Drives [`crate::targets`]: first everything that was ever interesting (`corpus/`), then seeded inputs.
//!
//! `FUZZ_SEED` repeats a run, `FUZZ_ROUNDS` makes it longer (`npm run test:soak` does). An input that breaks something is printed
//! as the line to add to the corpus, where it is tried again for ever.

use super::dice::Dice;
use crate::targets::{COOKIE, NOW, SEAL_CONTEXT, SEAL_KEYS, SECRETS, TARGETS, Target, hex_hmac};
use cognitivecart_worker::order;
use cognitivecart_worker::route::ROUTES;
use cognitivecart_worker::seal::SealKeys;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What breaks parsers, wherever it is put.
const TOKENS: [&str; 72] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{a0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f4a9}",
    "é",
    "e\u{301}",
    "\u{fffd}",
    "%",
    "%0",
    "%00",
    "%0a",
    "%2e%2e",
    "%2F",
    "%5c",
    "%ff",
    "+",
    "&",
    "=",
    ";",
    ",",
    ":",
    "/",
    "//",
    "\\",
    "..",
    "/../",
    ".",
    "?",
    "#",
    "@",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "`",
    "<script>",
    "&lt;",
    "--",
    "-",
    "0",
    "-1",
    "1e999",
    "1.5",
    "9007199254740993",
    "18446744073709551616",
    "null",
    "true",
    "{CHECKOUT_SESSION_ID}",
    "__proto__",
    "cc_",
    "cct_1",
    "cs_1",
    "https://",
    "http://localhost:1",
    "https://shop.example",
    "127.0.0.1",
    "0x7f.1",
    "xn--a",
    "=cmd()",
    ";=1+1",
    "t=",
    "v1=",
    "$ref",
    "AAAA",
];

/// A few changes of any bytes.
fn mutated(dice: &mut Dice, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let to = (at + dice.below(9)).min(bytes.len());
        match dice.below(7) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let part = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, part));
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 if at < bytes.len() => bytes[at] = dice.roll() as u8,
            4 => bytes.truncate(at),
            5 => {
                let token = dice.pick(&TOKENS).repeat(if dice.one_in(20) { 300 } else { 1 });
                drop(bytes.splice(at..at, token.into_bytes()));
            }
            _ => drop(bytes.splice(at..to, dice.pick(&TOKENS).bytes())),
        }
    }
    bytes
}

/// A word of a few characters and tokens.
fn word(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..dice.below(6) {
        if dice.one_in(2) {
            text.push_str(dice.pick(&TOKENS));
        } else {
            text.push(char::from(b" !09AZaz_-.~"[dice.below(12)]));
        }
    }
    text
}

fn any_value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.one_in(2)),
        2 => json!([0, 1, -1, 1_000, 999_999, 9_007_199_254_740_993_i64, i64::MIN][dice.below(7)]),
        3 => json!([0.5, -0.0, 1e300, 9.1e15][dice.below(4)]),
        4 => json!(dice.roll()),
        5 => Value::String(dice.pick(&TOKENS).to_owned()),
        6 => Value::String(word(dice)),
        7 => (0..dice.below(4)).map(|_| any_value(dice, depth - 1)).collect(),
        _ => (0..dice.below(4)).map(|_| (["a", "b", "name", "amount"][dice.below(4)].to_owned(), any_value(dice, depth - 1))).collect(),
    }
}

/// Changes one place of a JSON value: another value, a member less, one more, one twice.
fn change(dice: &mut Dice, value: &mut Value) {
    match value {
        Value::Object(members) if !members.is_empty() && !dice.one_in(6) => {
            let name = members.keys().nth(dice.below(members.len())).unwrap().clone();
            match dice.below(10) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert(word(dice), any_value(dice, 1))),
                2 => drop(members.insert(name, any_value(dice, 2))),
                _ => change(dice, &mut members[&name]),
            }
        }
        Value::Array(elements) if !elements.is_empty() && !dice.one_in(6) => {
            let at = dice.below(elements.len());
            match dice.below(6) {
                0 => drop(elements.remove(at)),
                1 => elements.push(elements[at].clone()),
                _ => change(dice, &mut elements[at]),
            }
        }
        Value::Number(number) if dice.one_in(2) => {
            let near = number.as_i64().unwrap_or(0).saturating_add([-1, 1, 10, 1_000][dice.below(4)]);
            *value = json!(near);
        }
        other => *other = any_value(dice, 2),
    }
}

fn json_bytes(dice: &mut Dice, mut value: Value) -> Vec<u8> {
    for _ in 0..dice.below(4) {
        change(dice, &mut value);
    }
    let bytes = value.to_string().into_bytes();
    if dice.one_in(8) { mutated(dice, bytes) } else { bytes }
}

/// A cart whose figures agree, unless a discount is larger than it.
fn cart(dice: &mut Dice) -> Value {
    let currency = ["usd", "EUR", "jpy", "kwd", "isk", "huf", "xyz"][dice.below(7)];
    let step = if currency == "kwd" {
        10
    } else if currency == "isk" {
        100
    } else {
        1
    };
    let mut sum = 0;
    let mut part = |dice: &mut Dice| {
        let amount = dice.below(30_000) as i64 * step;
        sum += amount;
        amount
    };
    let items: Vec<Value> = (0..=dice.below(4))
        .map(
            |n| json!({ "product_id": n, "name": format!("Thing {}", word(dice)), "quantity": 1 + dice.below(7), "amount_total": part(dice) }),
        )
        .collect();
    let fees: Vec<Value> = (0..dice.below(3)).map(|_| json!({ "label": "Fee", "amount": part(dice) })).collect();
    let shipping: Vec<Value> = (0..dice.below(2)).map(|_| json!({ "label": "Post", "amount": part(dice) })).collect();
    let discount = dice.below(9_000) as i64 * step;
    let discounts = if dice.one_in(2) { vec![] } else { vec![json!({ "label": "TEN", "amount": discount })] };
    let total = if discounts.is_empty() { sum } else { sum - discount };
    if dice.one_in(3) {
        let items: Vec<Value> = items.into_iter().take(20).collect();
        return json!({ "source": format!("agent:{}", word(dice)), "currency": currency, "line_items": items, "order_id": word(dice), "metadata": { word(dice): word(dice) } });
    }
    json!({
        "source": "chat", "success_url": "https://shop.example/ok", "customer": { "email": format!("a{}@shop.example", word(dice)) },
        "cart": { "id": word(dice), "currency": currency, "items": items, "fees": fees, "shipping": shipping, "discounts": discounts, "total": total },
        "collect": { "shipping_countries": ["DE"], "phone": true }, "metadata": { "note": word(dice) },
    })
}

fn event(dice: &mut Dice) -> Value {
    if dice.one_in(2) {
        return json!({ "id": "evt_1", "type": "checkout.session.completed", "account": "acct_1", "livemode": false, "created": NOW, "data": { "object": {
            "id": "cs_1", "livemode": false, "currency": "usd", "amount_total": 2000, "amount_subtotal": 2000, "status": "complete",
            "payment_status": "paid", "metadata": { "cc_transaction": "cct_1" },
            "payment_intent": { "id": "pi_1", "livemode": false, "currency": "usd", "amount": 2000, "status": "succeeded", "metadata": {} } } } });
    }
    json!({ "id": "evt_2", "type": "payment_intent.succeeded", "account": "acct_1", "livemode": false, "created": NOW, "data": { "object": {
        "id": "pi_1", "livemode": false, "currency": "usd", "amount": 2000, "amount_received": 2000, "status": "succeeded",
        "metadata": { "cc_transaction": "cct_1" } } } })
}

/// Headers of every kind of truth: signed by the right or the wrong secret, at the right or a wrong time, in any order.
fn signature(dice: &mut Dice) -> Vec<u8> {
    let body = [b"{}".as_slice(), b"", b"{\"id\":\"evt_1\"}", b"\xff\n="][dice.below(4)];
    let t = match dice.below(8) {
        0 => (NOW - 301).to_string(),
        1 => (NOW + 300).to_string(),
        2 => format!("0{NOW}"),
        3 => word(dice),
        _ => NOW.to_string(),
    };
    let secret = dice.pick(&[SECRETS[0], SECRETS[1], "whsec_another", ""]);
    let mut elements = vec![format!("t={t}"), format!("v1={}", hex_hmac(secret, &t, body))];
    for _ in 0..dice.below(3) {
        elements.push(
            [format!("v0={}", word(dice)), format!("t={NOW}"), "v1=00".to_owned(), word(dice), elements[1].to_uppercase()][dice.below(5)]
                .clone(),
        );
    }
    if dice.one_in(3) {
        let last = elements.len() - 1;
        elements.swap(0, last);
    }
    let mut input = elements.join(",").into_bytes();
    input.push(b'\n');
    input.extend_from_slice(body);
    if dice.one_in(2) { mutated(dice, input) } else { input }
}

fn url(dice: &mut Dice) -> Vec<u8> {
    let scheme = dice.pick(&["https://", "https://", "https://", "HTTPS://", "http://", "https:", "https:\\\\", "javascript:", "//", ""]);
    let host = dice.pick(&[
        "shop.example",
        "SHOP.example",
        "a.b.c-d.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "0x7f.1",
        "2130706433",
        "shop.example.",
        "xn--bcher-kva.example",
        "a@b.example",
    ]);
    let port = dice.pick(&["", "", "", ":443", ":8443", ":80", ":0", ":65536", ":+1", ":"]);
    let path = dice.pick(&["", "/", "/a/b", "/a//b", "/a/../b", "/%2e%2E/", "/{CHECKOUT_SESSION_ID}", "/a%20b", "/ä", "/."]);
    let tail = dice.pick(&["", "?", "?a=1&b", "?s={CHECKOUT_SESSION_ID}", "?'", "?a=%zz", "#x", "#", "?#", "?q#f?g"]);
    let mut raw = format!("{scheme}{host}{port}{path}{tail}").into_bytes();
    if dice.one_in(60) {
        raw.extend(dice.pick(&["a", "'", "%41", "&"]).repeat(1_900 + dice.below(200)).into_bytes());
    }
    if dice.one_in(2) { mutated(dice, raw) } else { raw }
}

fn seal(dice: &mut Dice) -> Vec<u8> {
    let keys = SealKeys::parse(SEAL_KEYS).unwrap();
    // Sealed for another row it opens nowhere that the target looks.
    let context = if dice.one_in(4) { "shop/shop_3/signing_secret" } else { SEAL_CONTEXT };
    let sealed = keys.seal(std::array::from_fn(|_| dice.roll() as u8), context, word(dice).as_bytes()).unwrap().into_bytes();
    if dice.one_in(3) { sealed } else { mutated(dice, sealed) }
}

fn path(dice: &mut Dice) -> Vec<u8> {
    let method = dice.pick(&["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "get", ""]);
    let template = ROUTES[dice.below(ROUTES.len())].path;
    let filled: Vec<String> = template
        .split('/')
        .map(|part| {
            if part.starts_with('{') {
                ["cct_1".to_owned(), "cs_test_a".to_owned(), word(dice)][dice.below(3)].clone()
            } else {
                part.to_owned()
            }
        })
        .collect();
    let mut path = filled.join("/").into_bytes();
    if dice.one_in(2) {
        path = mutated(dice, path);
    }
    [method.as_bytes(), b"\n", &path].concat()
}

fn words(dice: &mut Dice, between: &[&str]) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..dice.below(7) {
        text.push_str(&word(dice));
        text.push_str(dice.pick(between));
    }
    mutated(dice, text.into_bytes())
}

/// A catalogue of a few rows, most of them good, in one of the three forms.
fn catalogue(dice: &mut Dice) -> Vec<u8> {
    const COLUMNS: [&str; 14] = [
        "id",
        "title",
        "price",
        "availability",
        "inventory_quantity",
        "sale_price",
        "link",
        "additional_image_link",
        "brand",
        "sale_price_effective_date",
        "stripe_product_tax_code",
        "is_digital",
        "delete",
        "shelf",
    ];
    let cell = |dice: &mut Dice, column: &str, n: usize| -> String {
        if dice.one_in(40) {
            return word(dice);
        }
        match column {
            "id" => format!("p{}{}", n - n % (1 + dice.below(2)), if dice.one_in(9) { word(dice) } else { String::new() }),
            "title" => format!("Mug {}", word(dice)),
            "price" => {
                ["12.30 USD", "500 JPY", "1.230 KWD", "500 ISK", "1.5 EUR", "0 usd", "1.2345 USD", "12 XYZ"][dice.below(8)].to_owned()
            }
            "availability" => dice.pick(&["in_stock", "out_of_stock", "preorder", "In Stock", "backorder"]).to_owned(),
            "inventory_quantity" => dice.pick(&["", "0", "7", "-1", "1000000000"]).to_owned(),
            "sale_price" => dice.pick(&["", "", "0 USD", "1 USD", "1 JPY", "99 USD"]).to_owned(),
            "link" => dice.pick(&["", "https://shop.example/p", "http://shop.example/", "http://localhost:1/"]).to_owned(),
            "additional_image_link" => dice.pick(&["", "https://a.example/1.jpg,https://a.example/2.jpg", "x"]).to_owned(),
            "sale_price_effective_date" => {
                dice.pick(&["", "2026-07-01/2026-07-31", "2026-07-01T08:00-0700/2026-07-01T09:00Z", "2026-02-30/2026-03-01"]).to_owned()
            }
            "stripe_product_tax_code" => dice.pick(&["", "txcd_99999999", "txcd_1"]).to_owned(),
            "is_digital" => dice.pick(&["", "true", "no", "maybe"]).to_owned(),
            "delete" => dice.pick(&["", "", "", "true", "false"]).to_owned(),
            _ => word(dice),
        }
    };
    let columns: Vec<&str> = COLUMNS.into_iter().enumerate().filter(|(at, _)| *at < 4 || dice.one_in(3)).map(|(_, name)| name).collect();
    let kind = dice.pick(&["text/csv", "text/tab-separated-values", "application/x-ndjson"]);
    let mut file = String::from(if dice.one_in(6) { "\u{feff}" } else { "" });
    let end = dice.pick(&["\n", "\r\n", "\r"]);
    let ndjson = kind.ends_with("ndjson");
    let between = if kind == "text/csv" { "," } else { "\t" };
    if !ndjson {
        file.push_str(&columns.join(between));
        file.push_str(end);
    }
    for n in 0..dice.below(5) {
        if ndjson {
            let row: Value = columns
                .iter()
                .map(|column| {
                    ((*column).to_owned(), if dice.one_in(40) { any_value(dice, 1) } else { Value::String(cell(dice, column, n)) })
                })
                .collect();
            file.push_str(&row.to_string());
            file.push('\n');
            continue;
        }
        let cells: Vec<String> = columns
            .iter()
            .map(|column| cell(dice, column, n))
            .map(|text| if text.contains([',', '"', '\n', '\r', '\t']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text })
            .collect();
        file.push_str(&cells.join(between));
        file.push_str(end);
    }
    let file = if dice.one_in(3) { mutated(dice, file.into_bytes()) } else { file.into_bytes() };
    [kind.as_bytes(), b"\n", &file].concat()
}

fn make(dice: &mut Dice, target: &str) -> Vec<u8> {
    match target {
        "signature" => signature(dice),
        "event" => {
            let value = event(dice);
            json_bytes(dice, value)
        }
        "cart" => {
            let value = cart(dice);
            json_bytes(dice, value)
        }
        "acp" => {
            use crate::acp_read::{full_complete, full_create};
            use cognitivecart_worker::acp::dialect::Dialect;
            let place = dice.below(6);
            let dialect = Dialect::VERSIONS.get(place).copied().unwrap_or(Dialect::Stripe);
            let (done, value) = match dice.below(7) {
                0 | 1 => ("create", full_create(dialect)),
                2 => ("complete", full_complete(dialect)),
                3 => (
                    "cancel",
                    json!({ "intent_trace": { "reason_code": word(dice), "trace_summary": word(dice), "metadata": { "a": 1 } } }),
                ),
                4 => (
                    "cart",
                    json!({ "line_items": [{ "id": "mug", "quantity": 2 }], "buyer": { "email": "a@example.com" }, "locale": "de-DE" }),
                ),
                _ => {
                    let mut value = full_create(dialect);
                    for name in ["currency", "capabilities", "affiliate_attribution", "locale", "timezone", "quote_id", "metadata"] {
                        value.as_object_mut().unwrap().remove(name);
                    }
                    if dialect >= Dialect::V20251212 {
                        value["selected_fulfillment_options"] =
                            json!([{ "type": "shipping", "shipping": { "option_id": "o", "item_ids": ["mug"] } }]);
                    } else {
                        value["fulfillment_option_id"] = json!("o");
                    }
                    ("update", value)
                }
            };
            [format!("{} {done}\n", dialect.name()).into_bytes(), json_bytes(dice, value)].concat()
        }
        "fields" => {
            let names = ["a", "b", "site_url", "name", "replace", "prefill", "other"];
            let known = if dice.one_in(4) { 7 } else { 6 };
            let value: Value = (0..dice.below(4)).map(|_| (names[dice.below(known)].to_owned(), any_value(dice, 3))).collect();
            json_bytes(dice, value)
        }
        "catalogue" => catalogue(dice),
        "fulfillment" => {
            let currency = dice.pick(&["usd", "JPY", "kwd", "isk", "xyz"]);
            let step = if currency == "kwd" { 10 } else { 100 };
            let amount = |dice: &mut Dice| json!(dice.below(900) * step);
            let shipping: Vec<Value> = (0..dice.below(3))
                .map(|n| json!({ "id": format!("s{n}"), "title": format!("Post {}", word(dice)), "amount": amount(dice), "currency": currency,
                    "countries": [dice.pick(&["US", "DE", "*", "us"])], "free_over": amount(dice), "min_days": dice.below(4), "max_days": 3 + dice.below(4) }))
                .collect();
            let tax: Vec<Value> = (0..dice.below(3))
                .map(|_| {
                    json!({ "country": "US", "region": word(dice), "rate_bps": dice.below(2_500), "inclusive": dice.one_in(2),
                    "applies_to_shipping": true, "display_name": "VAT" })
                })
                .collect();
            let coupons: Vec<Value> = (0..dice.below(4))
                .map(|n| match dice.below(3) {
                    0 => json!({ "code": format!("C{n}{}", word(dice)), "amount_off": 100 * (1 + dice.below(9)), "currency": currency, "starts": 5, "ends": 9 }),
                    1 => json!({ "code": dice.pick(&["a", "A", "b", "é"]), "percent_off": dice.below(10_100) as f64 / 100.0 }),
                    _ => json!({ "code": format!("P{n}"), "percent_off": 1 + dice.below(100), "max_redemptions": 1 + dice.below(9) }),
                })
                .collect();
            json_bytes(dice, json!({ "shipping": shipping, "digital": [{ "id": "d", "title": "Mail" }], "tax": tax, "coupons": coupons }))
        }
        "order" => {
            let one = |dice: &mut Dice| {
                let mut value = json!({});
                let text = |dice: &mut Dice| json!(dice.pick(&["X1", "X2", "DHL"]));
                if dice.one_in(2) {
                    value["status"] = json!(dice.pick(&order::STATUSES));
                }
                if dice.one_in(3) {
                    value["order_id"] = if dice.one_in(2) { json!(dice.below(99)) } else { json!(word(dice)) };
                }
                let deliveries: Vec<Value> = (0..dice.below(3))
                    .map(|_| {
                        let mut one = json!({ "type": dice.pick(&["shipping", "shipping", "pickup", "digital"]) });
                        for name in ["id", "tracking_number", "carrier"] {
                            if dice.one_in(3) {
                                one[name] = text(dice);
                            }
                        }
                        if dice.one_in(2) {
                            one["status"] = json!(dice.pick(&order::DELIVERIES));
                        }
                        if dice.one_in(3) {
                            one["line_items"] = json!([{ "id": dice.pick(&["li_1", "mug", "tea"]), "quantity": 1 + dice.below(3) }]);
                        }
                        if dice.one_in(3) {
                            let event = |dice: &mut Dice| json!({ "type": dice.pick(&["shipped", "in_transit", "failed_attempt"]) });
                            one["events"] = json!([event(dice), event(dice)]);
                        }
                        one
                    })
                    .collect();
                if !deliveries.is_empty() {
                    value["fulfillments"] = json!(deliveries);
                }
                json_bytes(dice, value)
            };
            [one(dice), b"\n".to_vec(), one(dice)].concat()
        }
        "mcp" => {
            let message = |dice: &mut Dice| {
                let tool = dice.pick(&["create_checkout_session", "get_checkout_session", "complete_checkout_session", "nothing"]);
                let arguments = json!({ "meta": { "api_version": "2026-04-17", "idempotency_key": word(dice) }, "id": "checkout_1", "payload": { "a": word(dice) } });
                let method = dice.pick(&["tools/call", "tools/call", "initialize", "tools/list", "ping", "notifications/initialized"]);
                let mut one = json!({ "jsonrpc": "2.0", "id": dice.below(9), "method": method,
                    "params": { "name": tool, "arguments": arguments, "protocolVersion": dice.pick(&["2025-11-25", "2025-03-26", "x"]) } });
                if dice.one_in(6) {
                    one.as_object_mut().unwrap().remove("id");
                }
                one
            };
            let body = if dice.one_in(4) { json!((0..dice.below(24)).map(|_| message(dice)).collect::<Vec<_>>()) } else { message(dice) };
            let version = dice.pick(&["", "", "2025-03-26", "2025-06-18", "2025-11-25", "1"]);
            [json_bytes(dice, body), b"\n".to_vec(), version.as_bytes().to_vec()].concat()
        }
        "agentfeed" => {
            let status = dice.pick(&["200", "201", "400", "404", "413", "422", "429", "500", "503", "301", "7"]);
            let retry_after = dice.pick(&["", "0", "120", "Wed, 18 Nov 2026 11:08:20 GMT", "Wed, 31 Feb 2026 11:08:20 GMT", "-1"]);
            let retry_after = mutated(dice, retry_after.as_bytes().to_vec());
            let body = json!({ "id": format!("feed_{}", word(dice)), "accepted": !dice.one_in(4), "code": dice.pick(&["invalid_product_payload", "<b>", ""]) });
            [status.as_bytes().to_vec(), b"\n".to_vec(), retry_after, b"\n".to_vec(), json_bytes(dice, body)].concat()
        }
        "hook" => {
            let rules = json!({ "enabled": !dice.one_in(4), "on_trouble": dice.pick(&["decline", "approve"]), "ask_shop": dice.one_in(2), "approve": {
                "max_total": { dice.pick(&["usd", "usd", "eur", "xyz"]): dice.below(5_000) }, "countries": [dice.pick(&["US", "DE", "us"])],
                "blocked_skus": [word(dice)], "price_tolerance_bps": dice.below(10_100) } });
            let line = |dice: &mut Dice| {
                json!({ "id": dice.pick(&["li_1", "li_2"]), "sku_id": dice.pick(&["mug", "tea", "never", ""]), "quantity": dice.below(5),
                "unit_amount": dice.below(2_000), "amount_discount": dice.below(3), "amount_subtotal": dice.below(9_000) })
            };
            let lines: Vec<Value> = (0..dice.below(4)).map(|_| line(dice)).collect();
            let mut data = json!({ "currency": dice.pick(&["usd", "USD", "eur", "xyz"]), "checkout_session": dice.pick(&["cs_test_1", "cs_/..", "x"]),
                "amount_total": dice.below(9_000), "shipping_details": { "name": word(dice), "address": { "country": "us", "state": word(dice) } },
                "automatic_tax": { "enabled": dice.one_in(2) }, "total_details": { "amount_discount": dice.below(50), "amount_tax": dice.below(50) }, "sku_id": "mug" });
            data[dice.pick(&["line_items_details", "line_item_details"])] = json!(lines);
            let kind = dice.pick(&[
                "v1.delegated_checkout.finalize_checkout",
                "v1.delegated_checkout.finalize_checkout",
                "v1.delegated_checkout.customize_checkout",
                "delegated_commerce.product_price_availability",
                "v1.other",
            ]);
            let data = if dice.one_in(3) { json!({ "object": data }) } else { data };
            let hook = json!({ "type": kind, "id": "evt_1", "livemode": dice.one_in(2), "context": dice.pick(&["acct_1", "acct_", "x"]), "data": data });
            let rules = if dice.one_in(4) { json_bytes(dice, rules) } else { rules.to_string().into_bytes() };
            [rules, b"\n".to_vec(), json_bytes(dice, hook)].concat()
        }
        "metadata" => {
            let count = [0, 1, 1, 2, 2, 3, 40, 41][dice.below(8)];
            let mut note = |n: usize| {
                let key = if dice.one_in(9) { "k".repeat(38 + dice.below(4)) } else { word(dice) };
                (format!("{key}{n}"), if dice.one_in(9) { any_value(dice, 1) } else { Value::String(word(dice)) })
            };
            let value: Value = (0..count).map(&mut note).collect();
            json_bytes(dice, value)
        }
        "weburl" => url(dice),
        "route" => path(dice),
        "seal" => seal(dice),
        "query" => [b"limit\n".as_slice(), &words(dice, &["&limit=", "&", "limit=", "=", "&limit", "%6Cimit=5&"])].concat(),
        "cookie" => words(
            dice,
            &["; ", ";", &format!("{COOKIE}=abc; "), &format!("; x{COOKIE}=evil"), &format!("{COOKIE} = a;"), &format!(" {COOKIE}=\u{a0}")],
        ),
        "csv" => words(dice, &["", ",", ";", "\t", "\r\n", "\"", ";\"="]),
        "form" => words(dice, &["\n", "", "&"]),
        "id" => {
            let start = dice.pick(&["cs_", "cct_", "acct_", "evt_", "pi_", ""]);
            [start.as_bytes(), &words(dice, &["a1", "Z", "_", ""])].concat()
        }
        "network" => {
            let start = dice.pick(&["203.0.113.7", "2001:db8:1:2::1", "::ffff:1.2.3.4", "::", "fe80::1%eth0", ""]);
            mutated(dice, start.as_bytes().to_vec())
        }
        _ => words(dice, &["", "<", ">", "\"", "</title>", "&#x3c;", "'"]),
    }
}

/// One line of a corpus: a JSON string, or `hex:` and bytes that are no UTF-8.
fn read_line(line: &str) -> Vec<u8> {
    match line.strip_prefix("hex:") {
        Some(hex) => (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect(),
        None => serde_json::from_str::<String>(line).unwrap_or_else(|_| panic!("not a line of a corpus: {line}")).into_bytes(),
    }
}

fn line_of(input: &[u8]) -> String {
    match std::str::from_utf8(input) {
        Ok(text) => Value::from(text).to_string(),
        Err(_) => format!("hex:{}", input.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/native/corpus/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path} is missing"));
    text.lines().filter(|line| !line.is_empty()).map(read_line).collect()
}

fn feed(name: &str, target: Target, input: &[u8], seed: u64) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input)))
        .unwrap_or_else(|_| panic!("\n\nadd this line to tests/native/corpus/{name}.txt (seed {seed}):\n{}\n", line_of(input)))
}

#[test]
fn what_was_interesting_once_still_holds() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        let accepted = inputs.iter().filter(|input| feed(name, target, input, 0)).count();
        assert!(accepted > 0 && accepted < inputs.len(), "{name}: {accepted} of {} accepted; a corpus has both", inputs.len());
    }
}

#[test]
fn no_parser_panics_or_takes_what_it_must_not() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seed, rounds) = (number("FUZZ_SEED", 20_261_127), number("FUZZ_ROUNDS", 1));
    let per_target = 7_000 * rounds as usize;
    // Two threads, because each target is a world of its own.
    let report: Vec<String> = std::thread::scope(|scope| {
        let halves: Vec<_> = [0, 1]
            .map(|half| {
                scope.spawn(move || {
                    let mine = TARGETS.iter().enumerate().filter(|(place, _)| place % 2 == half);
                    mine.map(|(place, (name, target))| {
                        let mut dice = Dice(seed ^ ((place as u64 + 1) << 40));
                        let kept = corpus(name);
                        let mut accepted = 0;
                        for _ in 0..per_target {
                            let input = if dice.one_in(4) {
                                let start = kept[dice.below(kept.len())].clone();
                                mutated(&mut dice, start)
                            } else {
                                make(&mut dice, name)
                            };
                            accepted += usize::from(feed(name, *target, &input, seed));
                        }
                        // A generator that makes only rubbish, or nothing wrong, proves little.
                        assert!(accepted * 50 > per_target && accepted < per_target, "{name}: {accepted} of {per_target} accepted");
                        format!("{name} {accepted}/{per_target}")
                    })
                    .collect::<Vec<String>>()
                })
            })
            .into_iter()
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))).collect()
    });
    let total = per_target * TARGETS.len();
    println!("fuzz: seed {seed}, {total} inputs, accepted/tried: {}", report.join(", "));
}
