//! The pages a person meets: what they say, that strangers' text stays text, and that they can be read by everyone.

use cognitivecart_worker::config::{self, Config, Misconfigured};
use cognitivecart_worker::page::{self, AskEmail, CartKept, Consent, ErrorPage, Order, Part, Shipment, Status, Thanks};
use std::collections::BTreeMap;

const STATUSES: [Status; 4] = [Status::Paid, Status::Authorized, Status::Processing, Status::Unpaid];

const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=x onerror=\"alert('2')\">&lt;\" ' \u{202e}moc.rehto";

fn config(more: &[(&str, &str)]) -> Config {
    let mut set = BTreeMap::from([
        ("PUBLIC_URL", "https://pay.example.com"),
        ("STRIPE_SECRET_KEY", "sk_live_planted"),
        ("STRIPE_CLIENT_ID", "ca_planted"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_planted"),
        ("SEAL_KEYS", "k1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    ]);
    set.extend(more.iter().copied());
    config::read(|name| set.get(name).map(|value| (*value).to_owned())).unwrap()
}

fn misconfigured(variables: &[(&str, &str)]) -> Misconfigured {
    let set: BTreeMap<_, _> = variables.iter().copied().collect();
    config::read(|name| set.get(name).map(|value| (*value).to_owned())).unwrap_err()
}

fn front(config: Result<&Config, &Misconfigured>) -> String {
    page::front("0.1.0", &config, "https://pay.example.com")
}

fn thanks(status: Status) -> String {
    page::thanks(&Thanks {
        status,
        amount: "USD 12.30",
        shop_name: "Ada's Mugs",
        shop_url: "https://shop.example",
        order_id: Some("1001"),
        pay_url: Some("https://checkout.stripe.com/c/pay/cs_1"),
    })
}

fn order(text: &str) -> String {
    let part = |quantity| Part { name: text.into(), quantity, amount: text.into() };
    let some = || Some(text.to_owned());
    let shipment = Shipment { title: text.into(), state: text.into(), carrier: some(), number: some(), url: some(), expected: some() };
    page::order(&Order {
        shop_name: text,
        shop_url: text,
        number: text,
        placed: text,
        state: text,
        items: &[part(Some(2)), part(Some(1))],
        totals: &[part(None), part(None)],
        refunded: Some(text),
        shipments: &[shipment],
        own_page: Some(text),
    })
}

/// Every page, with `text` wherever someone else may write.
fn every_page(text: &str) -> Vec<(&'static str, String)> {
    let bad = Misconfigured { problems: vec![(text.into(), text.into()), ("B".into(), "is not set.".into())], allow_local: true };
    let consent = |live| {
        page::consent(&Consent { site_url: text, shop_name: text, live, action: text, onboarding: false, fields: None, refused: None })
    };
    let mut pages = vec![
        ("front", page::front(text, &Ok(&config(&[])), text)),
        ("front-local", page::front(text, &Ok(&config(&[("ALLOW_LOCAL", "true"), ("RATE_LIMITS", "off")])), text)),
        ("front-bad", page::front(text, &Err(&bad), text)),
        ("consent-live", consent(true)),
        ("consent-test", consent(false)),
        ("problem", page::problem(&ErrorPage { title: text, what_happened: text, what_next: text, reference: Some(text) })),
        ("cart-kept", page::cart_kept(&CartKept { shop_name: text, shop_url: text })),
        ("order-not-found", page::ask_email(&AskEmail { refused: Some(text) })),
        ("order", order(text)),
    ];
    for status in STATUSES {
        let page =
            page::thanks(&Thanks { status, amount: text, shop_name: text, shop_url: text, order_id: Some(text), pay_url: Some(text) });
        pages.push(("thanks", page));
    }
    pages
}

/// A page cut into tags and text. Fails on a bare `<` or `>`, on an attribute without quotes and on wrong nesting.
fn tags(html: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let (mut found, mut open) = (Vec::new(), Vec::<String>::new());
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>') || open.last().is_some_and(|tag| tag == "style"), "a bare > in text");
        let end = start + rest[start..].find('>').expect("a tag that ends");
        let inner = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "nesting");
            continue;
        }
        let (name, mut attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()), "<{inner}> is no tag of ours");
        let mut read = BTreeMap::new();
        while !attributes.is_empty() {
            let (key, value) = attributes.split_once("=\"").expect("a quoted value");
            let (value, after) = value.split_once('"').expect("a quote that ends");
            read.insert(key.trim().to_owned(), value.to_owned());
            attributes = after.trim_start();
        }
        if !["meta", "link", "br", "input"].contains(&name) {
            open.push(name.to_owned());
        }
        found.push((name.to_owned(), read));
    }
    assert!(open.is_empty(), "left open: {open:?}");
    found
}

/// The text that `element` shows, without tags.
fn text_of(html: &str, element: &str) -> String {
    let from = html.find(&format!("<{element}")).unwrap_or_else(|| panic!("no {element}"));
    let from = from + html[from..].find('>').unwrap() + 1;
    let to = from + html[from..].find(&format!("</{element}>")).unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in html[from..to].chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

#[test]
fn every_page_can_be_read_by_everyone() {
    for (name, html) in every_page("https://shop.example") {
        let tags = tags(&html);
        let count = |tag: &str| tags.iter().filter(|(found, _)| found == tag).count();
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}: doctype and language");
        assert!(html.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"), "{name}: may be zoomed");
        for once in ["title", "main", "h1"] {
            assert_eq!(count(once), 1, "{name}: {once}");
        }
        assert!(!text_of(&html, "title").trim().is_empty(), "{name}: title");
        assert!(!text_of(&html, "h1").trim().is_empty(), "{name}: h1");
        // h2 only below the h1, and nothing deeper: no level is skipped.
        assert!(["h3", "h4", "h5", "h6"].iter().all(|tag| count(tag) == 0), "{name}: headings");
        // No control is without a name: buttons and links have text, and every field its label.
        assert_eq!(count("select") + count("textarea"), 0, "{name}: a field of another kind");
        for (_, field) in tags.iter().filter(|(tag, _)| tag == "input") {
            let labels = tags.iter().filter(|(tag, label)| tag == "label" && label.get("for") == field.get("id")).count();
            assert!(field.contains_key("id") && labels == 1, "{name}: a field needs a label");
            assert!(field.contains_key("autocomplete"), "{name}: what the field is for (WCAG 2.2, 1.3.5)");
        }
        for (_, cell) in tags.iter().filter(|(tag, _)| tag == "th") {
            assert!(cell.contains_key("scope"), "{name}: a heading of a table without what it heads");
        }
        for tag in ["a ", "button"] {
            let mut rest = html.as_str();
            while let Some(at) = rest.find(&format!("<{tag}")) {
                rest = &rest[at..];
                assert!(!text_of(rest, tag.trim()).trim().is_empty(), "{name}: a {tag} without text");
                rest = &rest[1..];
            }
        }
        for (tag, attributes) in &tags {
            if attributes.contains_key("role") {
                assert!(attributes.contains_key("aria-label"), "{name}: a {tag} with a role and no name");
            }
            assert_eq!(attributes.get("tabindex"), None, "{name}");
        }
    }
}

#[test]
fn no_page_runs_or_loads_anything() {
    for (name, html) in every_page("https://shop.example") {
        for (tag, attributes) in tags(&html) {
            assert!(!["script", "img", "iframe", "link", "base", "object", "svg"].contains(&tag.as_str()), "{name}: {tag}");
            for key in attributes.keys() {
                assert!(!key.starts_with("on") && !["style", "src", "srcset"].contains(&key.as_str()), "{name}: {tag} {key}");
            }
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    let tame: Vec<_> = every_page("plain").into_iter().map(|(name, html)| (name, tags(&html))).collect();
    for ((name, html), (_, expected)) in every_page(HOSTILE).into_iter().zip(tame) {
        // The same tags with the same attributes as with a harmless text: nothing of it became markup.
        let found: Vec<_> = tags(&html).into_iter().map(|(tag, at)| (tag, at.into_keys().collect::<Vec<_>>())).collect();
        let expected: Vec<_> = expected.into_iter().map(|(tag, at)| (tag, at.into_keys().collect::<Vec<_>>())).collect();
        assert_eq!(found, expected, "{name}");
        assert!(!html.contains("<script") && !html.contains("<img"), "{name}");
        // Shown as it was written, not swallowed, and not unescaped once too often.
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{name}");
        assert!(html.contains("&amp;lt;"), "{name}");
    }
}

#[test]
fn only_web_addresses_become_links() {
    for url in ["javascript:alert(1)", "data:text/html,x", " https://shop.example", "//shop.example", "JavaScript:x", ""] {
        let html = page::thanks(&Thanks {
            status: Status::Unpaid,
            amount: "USD 1.00",
            shop_name: "Shop",
            shop_url: url,
            order_id: None,
            pay_url: Some(url),
        });
        assert!(!html.contains("href"), "{url:?} is linked");
        assert!(!page::cart_kept(&CartKept { shop_name: "Shop", shop_url: url }).contains("href"), "{url:?} is linked");
    }
    assert!(page::cart_kept(&CartKept { shop_name: "Shop", shop_url: "http://localhost:8789" }).contains("href=\"http://localhost:8789\""));
}

#[test]
fn consent_names_origin_and_mode_and_has_one_button() {
    let page = |live| {
        page::consent(&Consent {
            site_url: "https://shop.example",
            shop_name: "Ada's Mugs",
            live,
            action: "/connect/tk_A-1",
            onboarding: false,
            fields: None,
            refused: None,
        })
    };
    let (live, test) = (page(true), page(false));
    for html in [&live, &test] {
        assert!(text_of(html, "title").contains("https://shop.example"));
        assert!(html.contains("<p class=\"lead\">https://shop.example</p>"), "the proven origin stands alone");
        assert!(html.find("class=\"lead\"") < html.find("Ada's Mugs"), "the origin comes before the name, which proves nothing");
        assert!(html.contains("<bdi>Ada's Mugs</bdi>"), "direction marks stay inside the name");
        let tags = tags(html);
        let forms: Vec<_> = tags.iter().filter(|(tag, _)| tag == "form").collect();
        let [(_, form)] = forms.as_slice() else { panic!("one form") };
        assert_eq!((form["method"].as_str(), form["action"].as_str()), ("post", "/connect/tk_A-1"));
        let buttons: Vec<_> = tags.iter().filter(|(tag, _)| tag == "button").collect();
        let [(_, button)] = buttons.as_slice() else { panic!("one button") };
        assert_eq!(button["type"], "submit");
        assert!(!tags.iter().any(|(tag, _)| tag == "a"), "no other way on");
    }
    assert!(live.contains("real money") && !live.contains("no real money"));
    assert!(test.contains("no real money moves") && !test.contains("real payments"));
}

#[test]
fn consent_without_a_name_shows_no_empty_row() {
    let html = page::consent(&Consent {
        site_url: "https://shop.example",
        shop_name: "  ",
        live: true,
        action: "/connect/t",
        onboarding: false,
        fields: None,
        refused: None,
    });
    assert!(!html.contains("Calls itself"));
}

#[test]
fn thanks_promises_no_more_than_is_known() {
    let paid = "your payment was received";
    for status in STATUSES {
        let html = thanks(status);
        assert_eq!(html.contains(paid), status == Status::Paid, "{status:?}");
        // Only what is unpaid offers to pay: never a second payment.
        assert_eq!(html.contains("Go back and pay"), status == Status::Unpaid, "{status:?}");
        assert!(html.contains("USD 12.30") && html.contains("1001") && html.contains("href=\"https://shop.example\""));
        assert!(html.contains("<p class=\"brand\"><bdi>Ada's Mugs</bdi></p>"), "the buyer's page is the shop's");
    }
    assert!(thanks(Status::Authorized).contains("not yet charged"));
    assert!(thanks(Status::Processing).contains("no need to pay again"));
    // A refunded order is «unpaid» too, and was charged once.
    assert!(thanks(Status::Unpaid).contains("given back") && !thanks(Status::Unpaid).contains("charged"));
}

#[test]
fn thanks_without_order_or_page_leaves_them_out() {
    let html = page::thanks(&Thanks {
        status: Status::Unpaid,
        amount: "USD 1.00",
        shop_name: "",
        shop_url: "https://shop.example",
        order_id: Some(""),
        pay_url: None,
    });
    assert!(!html.contains("<dt>Order</dt>") && !html.contains("Go back and pay"));
    assert!(html.contains("<bdi>https://shop.example</bdi>"), "a shop without a name goes by its address");
}

#[test]
fn problem_shows_the_reference_if_there_is_one() {
    let mut the = ErrorPage { title: "This link was used already", what_happened: "A.", what_next: "B.", reference: Some("req_12345678") };
    assert!(page::problem(&the).contains("<code>req_12345678</code>"));
    assert!(text_of(&page::problem(&the), "title").contains("used already"));
    the.reference = None;
    assert!(!page::problem(&the).contains("Reference"));
}

#[test]
fn front_says_whether_it_is_configured() {
    let html = front(Ok(&config(&[])));
    assert!(html.contains("Configured and ready"));
    assert!(html.contains("https://pay.example.com/connect/callback") && html.contains("https://pay.example.com/stripe/webhooks"));
    assert!(html.contains("<dd>live</dd>") && html.contains("Version 0.1.0"));
    assert!(!html.contains("ALLOW_LOCAL") && !html.contains("STRIPE_WEBHOOK_SECRETS"));

    let bad = misconfigured(&[("STRIPE_SECRET_KEY", "sk_test_planted"), ("FEE_BPS", "planted")]);
    let html = front(Err(&bad));
    assert!(html.contains("Not configured yet") && !html.contains("Configured and ready"));
    assert!(bad.problems.len() >= 5);
    for (name, what) in &bad.problems {
        let escaped = what.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        assert!(html.contains(&format!("<li><code>{name}</code> {escaped}</li>")), "{name}: {what}");
    }
    assert!(!html.contains("planted"));
}

#[test]
fn front_says_loudly_what_is_off() {
    let warning = "ALLOW_LOCAL is on";
    assert!(!front(Ok(&config(&[]))).contains(warning));
    let local = front(Ok(&config(&[("ALLOW_LOCAL", "true")])));
    assert!(local.contains(warning) && !local.contains("not verified") && !local.contains("rate-limited"));
    assert!(local.find(warning) < local.find("Configured"), "before anything else");
    let open = front(Ok(&config(&[("ALLOW_LOCAL", "true"), ("SHOP_VERIFICATION", "off"), ("RATE_LIMITS", "off")])));
    assert!(open.contains("Shops are not verified") && open.contains("Nothing is rate-limited"));
    assert!(front(Err(&misconfigured(&[("ALLOW_LOCAL", "true")]))).contains(warning), "also when something else is wrong");

    let deaf = front(Ok(&config(&[("STRIPE_WEBHOOK_SECRETS", "")])));
    assert!(deaf.contains("webhooks are refused") && deaf.contains("STRIPE_WEBHOOK_SECRETS"));
}

#[test]
fn front_keeps_secrets_and_fees_to_itself() {
    let config = config(&[
        ("STRIPE_TEST_SECRET_KEY", "sk_test_planted"),
        ("STRIPE_TEST_CLIENT_ID", "ca_planted2"),
        ("ADMIN_KEY", "planted-planted-planted"),
        ("STRIPE_HOOK_SECRETS", "whsec_planted"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_planted"),
        ("STRIPE_API_BASE", "https://planted.example"),
        ("FEE_BPS", "4321"),
        ("FEE_FIXED", "usd=98765"),
        ("REGISTRATION", "operator"),
        ("CHARGE_TYPE", "destination"),
    ]);
    let html = front(Ok(&config));
    for planted in ["planted", "4321", "98765", "001122"] {
        assert!(!html.contains(planted), "{planted}");
    }
    assert!(html.contains("live and test") && html.contains("by the operator") && html.contains("on behalf of"));
}

#[test]
fn policy_forbids_all_but_the_one_style_and_the_way_through_stripe() {
    use base64ct::{Base64, Encoding};
    use sha2::{Digest, Sha256};

    for (name, html) in every_page("plain") {
        // The hash is of what really stands between the tags, not of what the source meant to put there.
        let from = html.find("<style>").unwrap() + "<style>".len();
        let style = &html[from..html.find("</style>").unwrap()];
        let hash = Base64::encode_string(&Sha256::digest(style.as_bytes()));
        let directives: Vec<String> = page::csp(false).split("; ").map(str::to_owned).collect();
        assert_eq!(
            directives,
            [
                "default-src 'none'".to_owned(),
                format!("style-src 'sha256-{hash}'"),
                "form-action 'self' https:".to_owned(),
                "frame-ancestors 'none'".to_owned(),
                "base-uri 'none'".to_owned(),
            ],
            "{name}"
        );
        assert_eq!(page::csp(true), page::csp(false).replace("https:", "https: http:"));
        assert_eq!(page::csp_own(), page::csp(false).replace(" https:", ""));
    }
}

#[test]
fn the_order_page_asks_once_and_says_when_nothing_was_found() {
    let asks = page::ask_email(&AskEmail::default());
    assert!(!asks.contains("role=\"alert\"") && !asks.contains("value="));
    assert_eq!(text_of(&asks, "h1"), "Your order");
    let refused = page::ask_email(&AskEmail { refused: Some("eve@elsewhere.example") });
    assert_eq!(text_of(&refused, "title"), "No order found");
    assert!(refused.contains("value=\"eve@elsewhere.example\"") && refused.contains("aria-invalid=\"true\""));
    for html in [asks, refused] {
        let form = tags(&html).into_iter().find(|(tag, _)| tag == "form").unwrap().1;
        // To its own address, and never by GET: an e-mail must not stand in one.
        assert_eq!((form.get("method").map(String::as_str), form.get("action")), (Some("post"), None));
    }
}

#[test]
fn an_order_says_its_total_last_and_links_only_what_can_be_followed() {
    let part = |name: &str, quantity, amount: &str| Part { name: name.into(), quantity, amount: amount.into() };
    let shipment = |url: &str| Shipment {
        title: "Parcel".into(),
        state: "Shipped".into(),
        carrier: None,
        number: None,
        url: Some(url.into()),
        expected: None,
    };
    let html = page::order(&Order {
        shop_name: " ",
        shop_url: "https://shop.example",
        number: "W-7",
        placed: "2026-04-17",
        state: "On its way",
        items: &[part("Mug", Some(2), "USD 24.60")],
        totals: &[part("Tax", None, "USD 2.15"), part("Total", None, "USD 26.75")],
        refunded: None,
        shipments: &[shipment("javascript:alert(1)"), shipment("https://dhl.example/1")],
        own_page: None,
    });
    assert_eq!(text_of(&html, "tbody"), "Mug × 2USD 24.60TaxUSD 2.15TotalUSD 26.75");
    assert_eq!(text_of(&html, "p"), "https://shop.example", "a shop without a name goes by its address");
    assert!(!html.contains("href=\"javascript") && html.contains("href=\"https://dhl.example/1\""));
    assert!(!html.contains("Given back") && !html.contains("See it at the shop"));
}
