//! What must hold of every parser that a stranger reaches, whatever the stranger sends.
//!
//! Each target takes bytes, panics where something does not hold, and says whether the parser accepted them. [`crate::fuzz`]
//! drives them with seeded inputs in every `cargo test`; `fuzz/` does with libFuzzer for as long as one likes.

use cognitivecart_worker::acp::ask::{Ask, Patch};
use cognitivecart_worker::acp::dialect::Dialect;
use cognitivecart_worker::acp::feed as agent_feed;
use cognitivecart_worker::acp::order::{Fulfillment as Delivery, OrderDoc};
use cognitivecart_worker::acp::session::{Line, Message, Seller, Session as Document};
use cognitivecart_worker::acp::{change, idempotency, problem, read, write};
use cognitivecart_worker::agentic::hook::{self, Kind, Offer, Question};
use cognitivecart_worker::agentic::rules::Rules as AgenticRules;
use cognitivecart_worker::cart;
use cognitivecart_worker::error::Problem;
use cognitivecart_worker::feed::{Cells, Feed, Format, MAX_COLUMNS, MAX_ROW, Row as FeedRow};
use cognitivecart_worker::fields::{Fields, MAX_SAFE_INTEGER};
use cognitivecart_worker::fulfillment::Fulfillment;
use cognitivecart_worker::ledger::{self, IntentNews, Row};
use cognitivecart_worker::mcp;
use cognitivecart_worker::money::{Amount, Currency, FeeRule, FeeTerms, MAX_CHARGE};
use cognitivecart_worker::order::{self, OrderRow};
use cognitivecart_worker::product::{self, Product, ProductRow, Rules};
use cognitivecart_worker::record::{Json, Record};
use cognitivecart_worker::route::{self, Found, ROUTES};
use cognitivecart_worker::seal::SealKeys;
use cognitivecart_worker::stripe::{Form, PaymentIntent, Session, Terms, event, payment_intent, session};
use cognitivecart_worker::weburl::{self, WebUrl};
use cognitivecart_worker::{id, limit, page, sign, text};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::net::IpAddr;

/// Feeds one input; `true` when the parser took it.
pub type Target = fn(&[u8]) -> bool;

pub const TARGETS: [(&str, Target); 22] = [
    ("signature", signature),
    ("event", webhook_event),
    ("cart", checkout_body),
    ("fields", any_body),
    ("weburl", address),
    ("route", path),
    ("form", form),
    ("query", query),
    ("cookie", cookie),
    ("csv", csv),
    ("seal", seal),
    ("id", ids),
    ("network", network),
    ("page", pages),
    ("metadata", metadata),
    ("acp", agent_body),
    ("catalogue", catalogue),
    ("fulfillment", rules),
    ("order", order_changes),
    ("mcp", tool_messages),
    ("agentfeed", feed_answers),
    ("hook", hooks),
];

/// The clock of all targets.
pub const NOW: i64 = 1_795_000_000;
pub const SECRETS: [&str; 2] = ["whsec_one", "whsec_two"];
pub const COOKIE: &str = "__Host-cc_0123456789abcdef";
pub const SEAL_KEYS: &str = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f,\
                             k0:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef";
pub const SEAL_CONTEXT: &str = "shop/shop_1/signing_secret";

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

pub fn hex_hmac(secret: &str, t: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [t.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A refusal that goes to a stranger: a 4xx of the two kinds, bounded, with a name of ours for the member.
fn refusal(problem: &Problem) {
    assert!(matches!(problem.status, 400 | 422), "{} {}", problem.status, problem.code);
    assert!(problem.cause.is_none(), "a cause is for faults: {:?}", problem.cause);
    assert!(!problem.message.is_empty() && problem.message.len() < 8_192, "{} bytes of message", problem.message.len());
    assert!(problem.param.as_ref().is_none_or(|param| param.len() < 2_048));
}

/// Header, line feed, body. Accepted is what the rule accepts when it is written down a second time, and nothing under a secret
/// that is not ours.
pub fn signature(data: &[u8]) -> bool {
    let (header, body) = halves(data);
    let Ok(header) = std::str::from_utf8(header) else { return false };
    let accepted = sign::verify_stripe(header, body, &SECRETS, NOW).is_ok();
    let of = |scheme: &'static str| header.split(',').filter_map(move |element| element.strip_prefix(scheme));
    let times: Vec<&str> = of("t=").collect();
    let rule = match times[..] {
        [t] if (1..=12).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()) => {
            header.len() <= 4096
                && !body.is_empty()
                && (NOW - t.parse::<i64>().unwrap()).abs() <= 300
                && of("v1=").any(|mac| SECRETS.iter().any(|secret| mac == hex_hmac(secret, t, body)))
        }
        _ => false,
    };
    assert_eq!(accepted, rule, "{header:?}");
    assert!(sign::verify_stripe(header, body, &["whsec_never"], NOW).is_err());
    assert!(sign::verify_stripe(header, body, &[""], NOW).is_err());
    assert!(sign::verify_stripe(header, body, &[], NOW).is_err());
    accepted
}

/// The row that the events of [`webhook_event`] may be about: 20.00 USD in test mode on `acct_1`.
fn row() -> Row {
    Row::from_value(json!({
        "id": "cct_1", "shop_id": "shop_1", "livemode": 0, "account": "acct_1", "charge_type": "direct", "status": "open", "source": "chat",
        "currency": "usd", "amount_expected": 2000, "total_rule": "exact", "shipping_choices": "[]", "automatic_tax": 0, "amount": 2000,
        "amount_subtotal": 2000, "amount_tax": 0, "amount_shipping": 0, "amount_capturable": 0, "amount_captured": 0, "amount_refunded": 0,
        "application_fee_amount": 0, "application_fee_refunded": 0, "capture": "automatic", "checkout_session": "cs_1", "line_items": "[]", "extras": "{}",
        "discounts": "[]", "metadata": "{}", "refunds": "[]", "events": "[]", "stripe_key": "cct_1-1", "attempt_until": 0, "created": 0,
        "checks": 0,
    }))
    .unwrap()
}

/// An event that settles something is about that very thing: account, mode, currency, amount and reference are the row's, in the
/// bytes as they came.
pub fn webhook_event(data: &[u8]) -> bool {
    let event = match event::read(data) {
        Ok(event) => event,
        Err(problem) => {
            assert_eq!(problem.status, 400);
            return false;
        }
    };
    assert!(event.id.starts_with("evt_") && event.id.len() <= 255);
    assert!(event.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
    assert!((1..=200).contains(&event.kind.len()));
    let raw: Value = serde_json::from_slice(data).unwrap();
    let at = |pointer: &str| raw.pointer(pointer).cloned().unwrap_or_default();
    let row = row();
    let same = |amount: &str| {
        assert_eq!(at("/account"), "acct_1");
        // That the event is of its object's mode is compared by the journey.
        let said = Some(at("/data/object/livemode")).filter(|mode| !mode.is_null());
        assert_eq!(said.unwrap_or_else(|| at("/livemode")), false);
        assert_eq!(at("/data/object/currency"), "usd");
        assert_eq!(at(amount), 2000);
        assert_eq!(at("/data/object/metadata/cc_transaction"), "cct_1");
    };
    if let Some(session) = event.data.read_object::<Session>()
        && let Ok(news) = ledger::news_of_session(&row, event.account.as_deref(), &session)
    {
        same("/data/object/amount_total");
        assert_eq!(at("/data/object/id"), "cs_1");
        assert!(news.amount.is_none_or(|amount| amount == 2000));
    }
    if let Some(intent) = event.data.read_object::<PaymentIntent>()
        && let Ok(IntentNews::Decided(_)) = ledger::news_of_intent(&row, event.account.as_deref(), &event.kind, &intent)
    {
        same("/data/object/amount");
    }
    true
}

/// `0.333333333333` pieces × quantity, as Stripe multiplies: in minor units, rounded half up.
fn charged(unit: &str, quantity: i128) -> i128 {
    let (whole, fraction) = unit.split_once('.').unwrap_or((unit, ""));
    assert!(fraction.len() <= 12, "{unit}");
    let scaled: i128 = format!("{whole}{fraction:0<12}").parse().unwrap();
    (scaled * quantity + 500_000_000_000).div_euclid(1_000_000_000_000)
}

/// A body that is taken is an order whose parts sum to its total, within Stripe's bounds; and what Stripe is then asked to charge
/// is that total, whatever stands in names, notes and labels.
pub fn checkout_body(data: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return false };
    let order = match cart::read(&body) {
        Ok(order) => order,
        Err(problem) => {
            refusal(&problem);
            return false;
        }
    };
    let total = order.total.get();
    assert!((order.currency.minimum().get()..=MAX_CHARGE).contains(&total));
    assert!((1..=100).contains(&order.items.len()));
    assert!(order.items.iter().all(|item| (1..=999_999).contains(&item.quantity) && !item.name.trim().is_empty()));
    assert!(order.metadata.len() <= 40 && order.metadata.iter().all(|(key, _)| !key.starts_with("cc_") && !key.contains(['[', ']'])));
    assert!(order.agent.as_ref().is_none_or(|name| (1..=64).contains(&name.chars().count())));
    assert!(order.expires_in.is_none_or(|seconds| (1_800..=86_400).contains(&seconds)));
    assert!(order.shipping_options.len() <= 5);
    let lines = cart::lines(&order).expect("a checked order has its lines");
    assert!(lines.len() <= 100);
    assert_eq!(lines.iter().map(|line| line.amount.get()).sum::<i64>(), total);
    assert!(lines.iter().all(|line| line.amount.get() >= 0));

    let terms = Terms {
        order: &order,
        lines: &lines,
        transaction: "cct_1",
        public_url: "https://pay.example",
        account: "acct_1",
        destination: false,
        fee: Amount::ZERO,
        expires_at: None,
        automatic_tax: false,
    };
    let form = session::create_form(&terms);
    assert!(form.is_ascii());
    let pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a parameter was sent twice: {form}");
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(value("metadata[cc_transaction]"), Some("cct_1"));
    assert_eq!(value("mode"), Some("payment"));
    let mut sum = 0;
    for place in 0..lines.len() {
        let at = |name: &str| value(&format!("line_items[{place}]{name}"));
        let unit = at("[price_data][unit_amount]").or_else(|| at("[price_data][unit_amount_decimal]")).unwrap();
        assert_eq!(at("[price_data][currency]"), Some(order.currency.code()));
        sum += charged(unit, at("[quantity]").unwrap().parse().unwrap());
    }
    assert_eq!(sum, i128::from(total), "{form}");
    true
}

/// Any other body: what each reader gives back keeps its promise, and each refusal names a member.
pub fn any_body(data: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return false };
    let known = ["a", "b", "site_url", "name", "replace", "prefill"];
    let fields = match Fields::open(&body, "", &known) {
        Ok(fields) => fields,
        Err(problem) => {
            refusal(&problem);
            return false;
        }
    };
    fn fine<T>(read: Result<T, Problem>, name: &str) -> Option<T> {
        read.map_err(|problem| {
            refusal(&problem);
            assert!(problem.param.as_deref().is_some_and(|param| param.starts_with(name)), "{:?}", problem.param);
        })
        .ok()
    }
    for name in known {
        let absent = fields.get(name).is_none();
        let control = |text: &str| text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
        if let Some(text) = fine(fields.string(name, 10), name) {
            assert!(text.is_none() == absent && text.is_none_or(|text| text.chars().count() <= 10 && !control(text)));
        }
        if let Some(text) = fine(fields.need_string(name, 10), name) {
            assert!(!absent && !text.trim().is_empty());
        }
        if let Some(Some(text)) = fine(fields.id(name, 10), name) {
            assert!(!text.trim().is_empty() && !text.chars().any(char::is_control) && text.len() <= 40);
        }
        if let Some(Some(number)) = fine(fields.integer(name, -5, MAX_SAFE_INTEGER), name) {
            assert!((-5..=MAX_SAFE_INTEGER).contains(&number));
            assert_eq!(body[name].as_f64(), Some(number as f64));
        }
        if let Some(flag) = fine(fields.boolean(name), name) {
            assert_eq!(flag, body[name].as_bool());
        }
        if let Some(Some(word)) = fine(fields.choice(name, &[("live", 1), ("test", 2)]), name) {
            assert_eq!(body[name].as_str(), Some(["live", "test"][word - 1]));
        }
        if let Some(elements) = fine(fields.array(name), name) {
            assert_eq!(elements.len(), body[name].as_array().map_or(0, Vec::len));
        }
        if let Some(inner) = fields.get(name) {
            fine(Fields::open(inner, name, &known), name);
        }
    }
    true
}

/// An address that is taken leads where every browser would be led: the same host, https (or this machine), no credentials; it is
/// its own normal form; and what is added to it does not move it.
pub fn address(data: &[u8]) -> bool {
    let Ok(raw) = std::str::from_utf8(data) else { return false };
    let mut taken = false;
    for local in [false, true] {
        let Ok(url) = WebUrl::parse(raw, local) else { continue };
        taken = true;
        let text = url.to_string();
        assert!(text.len() <= weburl::MAX_LENGTH, "{} bytes", text.len());
        assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>`'{}|^".contains(&b) || b == b'\''), "{text}");
        assert_eq!(WebUrl::parse(&text, local).as_ref(), Ok(&url), "{text} is not its own normal form");
        // As a browser takes it apart: the authority ends at the first of / \ ? #, the host begins behind the last @.
        let (scheme, rest) = raw.split_once("://").unwrap();
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap();
        assert!(!authority.contains('@'));
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let standard = if scheme == "https" { "443" } else { "80" };
        let port = if port.is_empty() || port == standard { String::new() } else { format!(":{port}") };
        assert_eq!(url.origin(), format!("{scheme}://{host}{port}"));
        let this_machine = local && matches!(host.as_str(), "localhost" | "127.0.0.1");
        assert!(scheme == "https" || this_machine, "{text}");
        assert!(this_machine || host.contains('.') && host.parse::<IpAddr>().is_err(), "{text}");
        assert!(url.path().starts_with('/') && url.path().split('/').all(|segment| segment != ".."));
        assert!(url.under(&url));

        let added = url.with_params(&[("status", "paid"), ("t", "&#?= \u{e9}")]);
        assert!(added.starts_with(&url.origin()) && added.is_ascii());
        let query = added.split_once('#').map_or(added.as_str(), |(before, _)| before).split_once('?').unwrap().1;
        // The parameters that decide come last, and a browser's URLSearchParams finds ours among them.
        assert!(form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "t" && value == "&#?= \u{e9}"));
    }
    for local in [false, true] {
        if let Ok(site) = weburl::site_url(raw, local) {
            assert!(!site.ends_with('/') && !site.contains(['?', '#']));
            assert_eq!(weburl::site_url(&site, local).as_deref(), Ok(site.as_str()));
        }
        if let Ok(origin) = weburl::origin_only(raw, local) {
            assert_eq!(weburl::origin_only(&origin, local).as_deref(), Ok(origin.as_str()));
        }
        // What was found good with the longest id is good with every id.
        if weburl::parse_with_placeholder(raw, local).is_ok() {
            for session in ["cs_1", "cs_test_a1B2", &format!("cs_{}", "z".repeat(252))] {
                assert!(WebUrl::parse(&weburl::fill_session(raw, session), local).is_ok(), "{raw}");
            }
        }
    }
    if weburl::is_web_url(raw) {
        assert!(raw.len() > 7 && !raw.chars().any(|c| c.is_whitespace() || c.is_control()));
    }
    taken
}

/// The id of a product in a path, read a second way: none where the rule has none.
fn products_name(segment: &str) -> Option<String> {
    let hex = |text: &[u8]| {
        std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|t| u8::from_str_radix(t, 16).ok())
    };
    let (mut rest, mut bytes) = (segment.as_bytes(), Vec::new());
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(hex(after.get(..2)?)?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let id = String::from_utf8(bytes).ok()?;
    (!id.trim().is_empty() && id.chars().count() <= 100 && !id.chars().any(char::is_control)).then_some(id)
}

/// Method, line feed, path. A route is found only at its own address, and what it carries along is plain.
pub fn path(data: &[u8]) -> bool {
    let (method, path) = halves(data);
    let (Ok(method), Ok(path)) = (std::str::from_utf8(method), std::str::from_utf8(path)) else { return false };
    match route::find(method, path) {
        Found::Route(found) => {
            let fits = ROUTES.iter().any(|entry| {
                let (mut expected, mut given) = (entry.path.trim_start_matches('/').split('/'), path.trim_start_matches('/').split('/'));
                let same = expected.by_ref().zip(given.by_ref()).all(|(e, g)| {
                    e == g
                        || e == "{product}" && products_name(g).is_some()
                        || e.starts_with('{')
                            && e != "{product}"
                            && (1..=255).contains(&g.len())
                            && g.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                });
                let read = |segment: &str| {
                    if entry.path.contains("{product}") { products_name(segment).unwrap_or_default() } else { segment.to_owned() }
                };
                let id = path.trim_start_matches('/').split('/').map(read).find(|id| (entry.make)(id.clone()) == found).unwrap_or_default();
                same && expected.next().is_none()
                    && path.trim_start_matches('/').split('/').count() == entry.path.trim_start_matches('/').split('/').count()
                    && (entry.make)(id) == found
                    && (method == entry.method.name() || method == "HEAD")
            });
            assert!(fits, "{method} {path} → {found:?}");
            true
        }
        Found::NotAllowed(allow) => {
            assert!(!allow.is_empty() && !allow.split(", ").any(|allowed| allowed == method), "{method} {path}");
            false
        }
        Found::NotFound => false,
    }
}

/// Names and values, line by line: Stripe reads back what was pushed, and not one parameter more.
pub fn form(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let lines: Vec<&str> = text.split('\n').collect();
    let pairs: Vec<(String, String)> =
        lines.chunks(2).map(|pair| (pair[0].to_owned(), pair.get(1).copied().unwrap_or_default().to_owned())).collect();
    let mut form = Form::new();
    for (name, value) in &pairs {
        form.push(name, value);
    }
    let encoded = form.encode();
    assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"*-._+%=&".contains(&b)), "{encoded}");
    let back: Vec<(String, String)> = form_urlencoded::parse(encoded.as_bytes()).into_owned().collect();
    // An empty name with an empty value is `=`, which says nothing.
    assert_eq!(back, pairs);
    true
}

/// Name, line feed, query: the value is the one that the plain rule finds.
pub fn query(data: &[u8]) -> bool {
    let (name, query) = halves(data);
    let (Ok(name), Ok(query)) = (std::str::from_utf8(name), std::str::from_utf8(query)) else { return false };
    fn decoded(text: &str) -> String {
        let bytes = text.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let hex = bytes.get(at + 1..at + 3).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
            match (bytes[at], hex) {
                (b'%', Some(pair)) => {
                    out.push(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
                    at += 3;
                }
                (byte, _) => {
                    out.push(if byte == b'+' { b' ' } else { byte });
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
    let rule = query.split('&').filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    });
    let found = text::param(query, name);
    assert_eq!(found, rule, "{name:?} in {query:?}");
    found.is_some()
}

/// A cookie of ours is one whole element of the header, and never a part of another's.
pub fn cookie(data: &[u8]) -> bool {
    let Ok(header) = std::str::from_utf8(data) else { return false };
    let found = text::cookie(header, COOKIE);
    let rule = header.split(';').map(str::trim).find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == COOKIE));
    assert_eq!(found, rule.map(|(_, value)| value), "{header:?}");
    assert!(found.is_none_or(|value| !value.contains(';')));
    found.is_some()
}

/// A cell is one cell to whoever reads RFC 4180, and no formula to whoever reads it, with whatever separator.
pub fn csv(data: &[u8]) -> bool {
    let Ok(raw) = std::str::from_utf8(data) else { return false };
    let cell = text::csv_cell(raw);
    let content = match cell.strip_prefix('"') {
        Some(rest) => {
            let inner = rest.strip_suffix('"').unwrap_or_else(|| panic!("{cell:?} is not closed"));
            assert!(!inner.replace("\"\"", "").contains('"'), "{cell:?} ends early");
            inner.replace("\"\"", "\"")
        }
        None => {
            assert!(!cell.contains([',', '"', '\r', '\n']), "{cell:?} is more than one cell");
            cell.clone()
        }
    };
    assert_eq!(content.replace('\'', ""), raw.replace('\'', ""), "nothing but apostrophes is added");
    assert!(!content.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
    for piece in format!("cct_1,{cell},usd").split([';', '\t', '\r', '\n']) {
        assert!(!piece.trim_start_matches('"').starts_with(['=', '+', '-', '@']), "{cell:?} read by semicolons or tabs");
    }
    content == raw
}

/// Only what was sealed under this context opens, and it is the same text, byte for byte.
pub fn seal(data: &[u8]) -> bool {
    let Ok(sealed) = std::str::from_utf8(data) else { return false };
    let keys = SealKeys::parse(SEAL_KEYS).unwrap();
    assert!(keys.open("shop/shop_2/signing_secret", sealed).is_err());
    if let Err(why) = SealKeys::parse(sealed) {
        assert!(why.len() < 200 && !why.contains("0102030405"), "{why}");
    }
    match keys.open(SEAL_CONTEXT, sealed) {
        Ok(plain) => {
            let (id, encoded) = sealed.strip_prefix("s1.").unwrap().split_once('.').unwrap();
            let nonce: [u8; 12] = sign::base64_decode(encoded).unwrap()[..12].try_into().unwrap();
            let alone = SEAL_KEYS.split(',').find(|key| key.trim().starts_with(id)).unwrap();
            assert_eq!(SealKeys::parse(alone).unwrap().seal(nonce, SEAL_CONTEXT, &plain).unwrap(), sealed);
            true
        }
        Err(problem) => {
            assert_eq!(problem.status, 500, "it is a fault of ours");
            assert!(problem.cause.as_deref().is_some_and(|cause| cause.len() < 300));
            false
        }
    }
}

/// What passes for an id goes into a path or a header as it is; and what does not is made harmless on the way.
pub fn ids(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let accepted = ["cs_", "cct_", "evt_"].iter().any(|prefix| id::is_prefixed(text, prefix)) || id::is_account_id(text);
    assert!(!accepted || plain(text) && text.len() <= 255);
    assert!(!id::is_session_id(text) || text.starts_with("cs_") && text.len() > 3);
    assert!(!id::is_account_id(text) || !text[5..].contains(['_', '-']) && text.len() > 5);
    for (call, before) in
        [(session::retrieve(text, None), "/v1/checkout/sessions/"), (payment_intent::retrieve(text, None), "/v1/payment_intents/")]
    {
        let rest = call.path.strip_prefix(before).expect("the path stays");
        let segment = rest.split_once('?').map_or(rest, |(segment, _)| segment);
        assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"*-_+%".contains(&b)), "{segment}");
        if plain(text) {
            assert_eq!(segment, text);
        }
    }
    accepted
}

/// An address is counted as what it is, however it is spelt: itself, or its line of IPv6. What is none makes a short and plain name.
pub fn network(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let name = limit::network(text);
    assert!((1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".:/".contains(&b)), "{name}");
    match text.trim().parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => assert_eq!(name, v4.to_string()),
        // With an IPv4 address in it, it is read from its end.
        Ok(IpAddr::V6(_)) if text.contains('.') => assert!(text.trim().ends_with(&name)),
        Ok(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            assert_eq!(name, format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"), "{text}");
        }
        Err(_) => return false,
    }
    true
}

/// A page has the same elements whatever a stranger's words are.
pub fn pages(data: &[u8]) -> bool {
    let Ok(words) = std::str::from_utf8(data) else { return false };
    if words.trim().is_empty() {
        return false;
    }
    let rendered = |words: &str| {
        [
            page::consent(&page::Consent {
                site_url: words,
                shop_name: words,
                live: false,
                action: words,
                onboarding: false,
                fields: None,
                refused: None,
            }),
            page::problem(&page::ErrorPage { title: words, what_happened: words, what_next: words, reference: Some(words) }),
            page::cart_kept(&page::CartKept { shop_name: words, shop_url: words }),
            page::thanks(&page::Thanks {
                status: page::Status::Unpaid,
                amount: words,
                shop_name: words,
                shop_url: words,
                order_id: Some(words),
                pay_url: Some(words),
            }),
            page::ask_email(&page::AskEmail { refused: Some(words) }),
            order_page(words),
        ]
    };
    // What is no web address is shown and does not lead anywhere.
    let marks = |html: &str| ['<', '>', '"'].map(|mark| html.matches(mark).count());
    for (hostile, (plain, link)) in rendered(words).iter().zip(rendered("x").iter().zip(rendered("https://x.example"))) {
        assert!(marks(hostile) == marks(plain) || marks(hostile) == marks(&link), "{hostile}");
        let links = hostile.split("<a ").skip(1).filter_map(|rest| rest.split_once("href=\"")?.1.split_once('"'));
        for (target, _) in links {
            assert!(target.starts_with("https://") || target.starts_with("http://"), "{target}");
        }
    }
    true
}

fn order_page(words: &str) -> String {
    let part = || page::Part { name: words.into(), quantity: Some(2), amount: words.into() };
    let some = || Some(words.to_owned());
    let shipment =
        page::Shipment { title: words.into(), state: words.into(), carrier: some(), number: some(), url: some(), expected: some() };
    page::order(&page::Order {
        shop_name: words,
        shop_url: words,
        number: words,
        placed: words,
        state: words,
        items: &[part()],
        totals: &[part()],
        refunded: Some(words),
        shipments: &[shipment],
        own_page: Some(words),
    })
}

/// An order of three mugs and one tea.
fn an_order() -> OrderRow {
    let line = |id: &str, product: &str, quantity| Line { id: id.into(), product: product.into(), quantity, ..Line::default() };
    let doc = OrderDoc { lines: vec![line("li_1", "mug", 3), line("li_2", "tea", 1)], ..OrderDoc::default() };
    OrderRow {
        status: "created".into(),
        body: doc.json().to_string(),
        fulfillments: "[]".into(),
        adjustments: "[]".into(),
        version: 1,
        ..OrderRow::default()
    }
}

/// What a shop sends about an order, one change a line: the same again changes nothing more, and nothing is delivered twice.
pub fn order_changes(data: &[u8]) -> bool {
    let _ = order::read_answer(data);
    let (mut row, mut accepted) = (an_order(), false);
    let (first, second) = halves(data);
    for body in [first, second] {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { continue };
        let changed = order::read(&body, false).and_then(|wish| Ok((order::change(&row, &wish, NOW)?, wish)));
        let (after, wish) = match changed {
            Ok((Some(after), wish)) => (after, wish),
            Ok((None, _)) => continue,
            Err(problem) => {
                refusal(&problem);
                continue;
            }
        };
        accepted = true;
        assert_eq!((after.version, &after.body), (row.version + 1, &row.body));
        assert!(order::may_follow(&row.status, &after.status));
        match order::change(&after, &wish, NOW + 60) {
            Ok(again) => assert_eq!(again, None, "the same again is a change"),
            // Deliveries without ids that cannot be told apart: asked for one, and nothing is doubled.
            Err(problem) => {
                assert_eq!(problem.code, "parameter_missing");
                assert!(problem.param.as_deref().is_some_and(|param| param.ends_with("[id]")));
            }
        }
        let Value::Array(all) = serde_json::from_str(&after.fulfillments).unwrap() else { panic!("no list") };
        let all: Vec<Delivery> = all.into_iter().map(|one| Delivery::from_value(one).unwrap()).collect();
        let mut ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len(), "two deliveries of one id");
        for (line, ordered) in [("li_1", 3), ("li_2", 1)] {
            let moving = all.iter().filter(|one| !["failed", "canceled"].contains(&one.status.as_str()));
            let taken: i64 = moving.flat_map(|one| &one.line_items).filter(|item| item.id == line).map(|item| item.quantity).sum();
            assert!(taken <= ordered, "{taken} of {ordered} {line}");
        }
        row = *after;
    }
    accepted
}

/// The notes of an order: what is kept is text that Stripe takes, and no key of ours.
pub fn metadata(data: &[u8]) -> bool {
    let Ok(notes) = serde_json::from_slice::<Value>(data) else { return false };
    let body = json!({ "currency": "usd", "line_items": [{ "name": "x", "quantity": 1, "amount_total": 100 }], "metadata": notes });
    match cart::read(&body) {
        Ok(order) => {
            for (key, value) in &order.metadata {
                assert!((1..=40).contains(&key.chars().count()) && value.chars().count() <= 500, "{key}");
                assert!(!key.starts_with("cc_") && !key.chars().any(|c| c.is_control() || "[]".contains(c)), "{key}");
            }
            true
        }
        Err(problem) => {
            refusal(&problem);
            assert!(problem.param.as_deref().is_some_and(|param| param.starts_with("metadata")));
            false
        }
    }
}

fn no_null(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => elements.iter().all(no_null),
        // `metadata` is the agent's own.
        Value::Object(members) => members.iter().all(|(name, value)| name == "metadata" || no_null(value)),
        _ => true,
    }
}

/// Dialect and what is done, line feed, body. What an agent may send is a wish within bounds, which every dialect can write back; what it
/// may not is a 400 that names the member.
pub fn agent_body(data: &[u8]) -> bool {
    let (head, body) = halves(data);
    let Some((dialect, done)) = std::str::from_utf8(head).ok().and_then(|head| head.split_once(' ')) else { return false };
    let (Some(dialect), Ok(body)) = (Dialect::stored(dialect), serde_json::from_slice::<Value>(body)) else { return false };
    assert_eq!(idempotency::fingerprint(&body).len(), 64);
    let read: Result<Ask, Problem> = match done {
        "create" => read::create(dialect, &body),
        "update" => read::update(dialect, &body),
        "cart" => read::cart(&body),
        "cancel" => read::cancel(dialect, &body).map(|cancel| {
            assert!(cancel.trace.is_none_or(|trace| trace["reason_code"].is_string() && trace.to_string().len() <= 16_384));
            Ask::default()
        }),
        _ => read::complete(dialect, &body).map(|payment| {
            assert!(!payment.token.trim().is_empty() && payment.token.chars().count() <= 255);
            assert!(payment.consents.len() <= 20 && payment.authentication.is_none_or(|result| !result.outcome.is_empty()));
            payment.ask
        }),
    };
    let ask = match read {
        Ok(ask) => ask,
        Err(refused) => {
            refusal(&refused);
            assert_eq!(refused.status, 400);
            assert!(refused.param.as_deref().is_some_and(|param| param.starts_with('$')), "{:?}", refused.param);
            let (status, told) = problem::body(dialect, &refused);
            assert!(status == 400 && told["type"] == "invalid_request" && no_null(&told), "{told}");
            return false;
        }
    };
    if done == "create" {
        assert!(ask.items.is_some() || ask.cart.is_some());
    }
    let items = ask.items.as_deref().unwrap_or_default();
    assert!(items.len() <= 100 && items.iter().all(|item| (1..=999_999).contains(&item.quantity) && !item.product.trim().is_empty()));
    let mut session = Document::default();
    change::apply(&mut session, &ask);
    if let Patch::Set(selected) = &ask.selected {
        session.selected.clone_from(selected);
    }
    assert!(session.json().to_string().len() < 200_000);
    assert_eq!(Document::stored(&session.json().to_string()).unwrap(), session);
    let words = || String::from_utf8_lossy(head).into_owned();
    session.lines = items
        .iter()
        .map(|item| Line { product: item.product.clone(), quantity: item.quantity, title: words(), ..Line::default() })
        .collect();
    session.messages =
        vec![Message { kind: "error".to_owned(), code: Some(words()), param: Some(words()), content: words(), resolution: Some(words()) }];
    let seller = Seller { name: words(), site_url: words(), account: Some(words()), links: Vec::new(), public_url: words() };
    for dialect in Dialect::VERSIONS.into_iter().chain([Dialect::Stripe]) {
        let answer = write::session(dialect, &session, &seller);
        assert!(no_null(&answer), "{answer}");
        if let Some(affiliate) = ask.affiliate.as_ref().and_then(|claim| claim["token"].as_str()).filter(|token| token.len() > 20) {
            assert!(!answer.to_string().contains(affiliate), "attribution is never echoed");
        }
    }
    assert!(no_null(&write::cart(&session, &seller)));
    true
}

/// Takes a file in pieces.
fn rows_of<'a>(format: Format, pieces: impl Iterator<Item = &'a [u8]>) -> Result<(Vec<FeedRow>, Vec<String>), Problem> {
    let (mut feed, mut rows) = (Feed::new(format), Vec::new());
    for piece in pieces {
        feed.push(piece, &mut rows)?;
    }
    feed.finish(&mut rows)?;
    assert_eq!(feed.rows(), rows.len() as i64);
    Ok((rows, feed.header().to_vec()))
}

/// A product that was taken: of amounts that can be charged, and the same again when its answer is sent back.
fn good_product(product: &Product) {
    let row = &product.row;
    assert!(
        !row.id.is_empty()
            && row.id.chars().count() <= product::MAX_ID
            && !row.id.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r')
    );
    if product.deleted {
        return;
    }
    let currency = Currency::parse(&row.currency).unwrap();
    for price in [Some(row.price), row.sale_price].into_iter().flatten() {
        assert!((0..=MAX_CHARGE).contains(&price) && price % currency.step() == 0, "{price} {currency}");
    }
    assert!(row.sale_price.is_none_or(|sale| sale <= row.price));
    assert_eq!(row.sale_from.is_some(), row.sale_price_effective_date.is_some());
    assert!(row.sale_from < row.sale_until || row.sale_from.is_none());
    assert!(row.inventory_quantity.is_none_or(|quantity| quantity >= 0));
    assert!(row.title.chars().count() <= 150 && row.digital & !1 == 0);
    let words = product.words();
    assert!(words.len() <= 32 && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| !c.is_whitespace())));
    let again = product::read_one(&row.object(NOW), &row.id, Rules { allow_local: true })
        .unwrap_or_else(|problem| panic!("{}: {}", row.object(NOW), problem.message));
    assert_eq!(format!("{:?}", again.row), format!("{row:?}"));
    assert_eq!(again.words(), words);
}

/// A format, line feed, a file: the same rows however it is cut, each of which is a product or says what is wrong.
pub fn catalogue(data: &[u8]) -> bool {
    let (kind, file) = halves(data);
    let Some(format) = std::str::from_utf8(kind).ok().and_then(Format::of) else { return false };
    let whole = rows_of(format, std::iter::once(file));
    for length in [1, 3, 64] {
        match (&whole, rows_of(format, file.chunks(length))) {
            (Ok(rows), Ok(cut)) => assert_eq!(*rows, cut),
            (Err(problem), Err(cut)) => assert_eq!((&problem.code, &problem.message), (&cut.code, &cut.message)),
            (whole, cut) => panic!("whole {:?}, cut {:?}", whole.as_ref().err(), cut.err()),
        }
    }
    let (rows, header) = match whole {
        Ok(read) => read,
        Err(problem) => {
            refusal(&problem);
            return false;
        }
    };
    let mut good = false;
    for (place, row) in rows.into_iter().enumerate() {
        assert_eq!(row.number, place as i64 + 1);
        let cells = match row.cells {
            Ok(Cells::Object(members)) => members,
            Ok(Cells::Table(texts)) => {
                assert!(
                    texts.len() <= header.len()
                        && header.len() <= MAX_COLUMNS + 1
                        && texts.iter().map(String::len).sum::<usize>() <= MAX_ROW
                );
                assert!(texts.iter().any(|text| !text.is_empty()) && header.iter().any(|name| name == "id"));
                header.iter().cloned().zip(texts.into_iter().map(Value::String)).collect()
            }
            Err(why) => {
                assert!(!why.is_empty());
                continue;
            }
        };
        match product::read(cells, Rules { allow_local: true }) {
            Ok(product) => {
                good_product(&product);
                good = true;
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                for fault in faults {
                    assert!(fault.message().len() < 2_048 && fault.field.chars().count() <= 100, "{fault:?}");
                    refusal(&fault.problem());
                }
            }
        }
    }
    good
}

/// Rules of delivery: what is taken is stored and read again as it is.
pub fn rules(data: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return false };
    match Fulfillment::read(&body) {
        Ok(rules) => {
            assert_eq!(*Fulfillment::stored(&rules.json().to_string()).unwrap(), rules);
            let mut keys: Vec<String> = rules.coupons.iter().map(|coupon| coupon.key()).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), rules.coupons.len());
            for coupon in &rules.coupons {
                assert!(coupon.percent_off.is_some() != coupon.amount_off.is_some());
                assert!(coupon.percent_off.is_none_or(|bps| (1..=10_000).contains(&bps)));
                assert!(coupon.currency.is_some() || coupon.amount_off.is_none());
            }
            for rule in &rules.shipping {
                assert!(rule.amount >= 0 && !rule.countries.is_empty() && Currency::parse(&rule.currency).is_some());
            }
            true
        }
        Err(problem) => {
            refusal(&problem);
            false
        }
    }
}

/// A body to `/mcp`; behind a line break the version in the header. Whatever it is, the answer is JSON-RPC with the id that was sent.
pub fn tool_messages(data: &[u8]) -> bool {
    let (body, version) = halves(data);
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    let version = std::str::from_utf8(version).ok().filter(|version| !version.is_empty());
    let sent = match mcp::read(body, version) {
        Ok(mcp::Sent::One(message)) => vec![message],
        Ok(mcp::Sent::Many(messages)) => {
            assert!((1..=mcp::BATCH).contains(&messages.len()));
            messages
        }
        Err(refusal) => {
            assert_eq!(refusal.code, mcp::INVALID_REQUEST);
            json_rpc(&mcp::refused(&Value::Null, &refusal), &Value::Null);
            return false;
        }
    };
    let mut accepted = false;
    for message in sent {
        let mcp::Message::Request { id, method, params } = message else { continue };
        match mcp::asks(&method, &params) {
            Ok(mcp::Asks::Call(call)) => {
                accepted = true;
                assert_eq!(call.id.is_empty(), call.tool == mcp::Tool::Create);
                assert!(call.payload.as_ref().is_none_or(Value::is_object));
                let _ = call.tool.path(&call.id);
            }
            Ok(_) => accepted = true,
            Err(refusal) => {
                assert!([mcp::METHOD_NOT_FOUND, mcp::INVALID_PARAMS].contains(&refusal.code));
                assert!(refusal.message.len() < 1_000);
                json_rpc(&mcp::refused(&id, &refusal), &id);
            }
        }
        json_rpc(&mcp::answered(&id, &mcp::result_of_tool(&params.to_string(), &json!({}))), &id);
    }
    accepted
}

fn json_rpc(answer: &str, id: &Value) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), id));
    assert!(answer.get("result").is_some() != answer.get("error").is_some());
}

/// What an agent's Feed API answers: a status, `Retry-After` and a body on lines of their own. Nothing of it but an id and a code is kept.
pub fn feed_answers(data: &[u8]) -> bool {
    let (status, rest) = halves(data);
    let (retry_after, body) = halves(rest);
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse::<u16>().ok()).unwrap_or(200);
    let retry_after = std::str::from_utf8(retry_after).ok();
    let mut accepted = false;
    for making in [true, false] {
        match agent_feed::heard(status, retry_after, body, making, NOW) {
            agent_feed::Heard::Taken(id) => {
                accepted = true;
                assert_eq!(id.is_some(), making);
                let Some(id) = id else { continue };
                for base in ["https://agent.example", "https://agent.example/acp/feeds"] {
                    let url = agent_feed::products_url(base, &id);
                    // One segment more, whatever the id: it leads nowhere else.
                    let inner = url.strip_prefix(base.trim_end_matches("/feeds")).and_then(|rest| rest.strip_prefix("/feeds/")).unwrap();
                    let inner = inner.strip_suffix("/products").unwrap();
                    assert!(!inner.contains(['/', '?', '#', '\\']) && inner != "." && inner != "..");
                    assert_eq!(text::percent_decoded(inner).as_deref(), Some(id.as_str()));
                }
            }
            agent_feed::Heard::Refused(_, why) => assert!(why.len() < 100),
            agent_feed::Heard::Trouble(trouble) => {
                assert!(trouble.message.len() < 200 && !trouble.message.contains(['<', '\n']));
                let mut state = agent_feed::State::fresh("key".to_owned());
                assert!((1..=86_400).contains(&state.failed(&trouble, NOW)));
                assert_eq!(agent_feed::State::stored(&state.json().to_string()).unwrap(), state);
            }
        }
    }
    accepted
}

/// Rules of a shop's and, behind a line break, a hook of Stripe's. Rules that are taken are stored and read again as they are; whatever
/// is asked, no answer takes more than is paid, approves what is switched off, or is larger than Stripe takes it.
pub fn hooks(data: &[u8]) -> bool {
    let (rules, body) = halves(data);
    let rules = match serde_json::from_slice::<Value>(rules).map(|rules| AgenticRules::read(&rules)) {
        Ok(Ok(rules)) => {
            assert_eq!(AgenticRules::stored(&rules.json().to_string()).unwrap(), rules);
            rules
        }
        Ok(Err(problem)) => {
            refusal(&problem);
            return false;
        }
        Err(_) => AgenticRules::default(),
    };
    let asked = match hook::read(body) {
        Ok(asked) => asked,
        Err(problem) => {
            refusal(&problem);
            return false;
        }
    };
    assert!(asked.account.as_deref().is_none_or(id::is_account_id) && asked.fingerprint.len() == 64);
    if asked.kind == Kind::Price {
        return hook::asked_sku(&asked.data).map_err(|problem| refusal(&problem)).is_ok();
    }
    let question = match Question::read(&asked.data) {
        Ok(question) => question,
        Err(problem) => {
            refusal(&problem);
            return false;
        }
    };
    assert!(question.session.as_deref().is_none_or(id::is_session_id));
    let product = |id: &str, price: i64| ProductRow {
        id: id.to_owned(),
        price,
        currency: "usd".to_owned(),
        availability: "in_stock".to_owned(),
        inventory_quantity: Some(3),
        extra: "{}".to_owned(),
        ..ProductRow::default()
    };
    let products = [product("mug", 1230), product("tea", 400)];
    let settled = hook::decide(&question, &rules, &products, NOW).settled(rules.on_trouble);
    assert!(rules.enabled || settled.is_err());
    let terms = FeeTerms { rule: FeeRule { bps: 10_000, fixed: vec![("usd".to_owned(), MAX_CHARGE)] }, ..FeeTerms::default() };
    let fee = question.fee(&products, &terms, 0);
    assert!(fee >= 0 && question.total().is_none_or(|total| fee <= total.max(0)));
    let table = json!({ "shipping": [{ "id": "s", "title": "S", "amount": 500, "currency": "usd", "countries": ["*"] }],
        "tax": [{ "country": "*", "rate_bps": 875, "inclusive": false, "applies_to_shipping": true, "display_name": "T" }] });
    let table = Fulfillment::read(&table).unwrap();
    let answer = hook::customize(&question, &Offer { rules: Some(&table), quote: None, products: &products });
    assert!(answer["shipping_options"].as_array().is_none_or(|options| options.len() <= 5), "{answer}");
    let lines = answer["line_items"].as_array().map_or(0, Vec::len);
    assert!(lines == 0 || (lines == question.lines.len() && !question.automatic_tax), "{answer}");
    true
}
