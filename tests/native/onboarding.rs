//! The second way to connect, the settings page and agreements: what is sent to Stripe, what its answers mean, and the policy of the one
//! page that has a script.

use base64ct::{Base64, Encoding};
use cognitivecart_worker::agentic::agreement::{self, Act, Agreement};
use cognitivecart_worker::config;
use cognitivecart_worker::page::{self, AccountFields, Consent, Settings};
use cognitivecart_worker::stripe::account::{self, AccountSession, Beginner, Merchant};
use cognitivecart_worker::stripe::agreement::{self as calls, Page};
use cognitivecart_worker::stripe::event::{self, Thin};
use cognitivecart_worker::stripe::{Answer, Base, Call, Outcome, Version};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=x onerror=\"alert('2')\">&lt;\" ' \u{202e}moc.rehto";

fn contract(name: &str) -> Option<Value> {
    let path = format!("{}/../shared/contracts/stripe/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("{name} is not here; the tests beside this one stand alone");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// What is sent, held against the description's schema: names at every depth, types, words and what is required.
fn wrong(sent: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    match sent {
        Value::Object(members) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !members.contains_key(name.as_str().unwrap()) {
                    found.push(format!("{at}.{name} is missing"));
                }
            }
            for (name, value) in members {
                match schema["properties"].get(name) {
                    Some(inner) => wrong(value, inner, &format!("{at}.{name}"), found),
                    None if schema["additionalProperties"].is_object() => {}
                    None => found.push(format!("{at}.{name} is not known")),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| wrong(item, &schema["items"], &format!("{at}[]"), found)),
        other => {
            let kind = if other.is_boolean() { "boolean" } else { "string" };
            if schema["type"] != kind {
                found.push(format!("{at} is {kind}, and not {}", schema["type"]));
            }
            if schema["enum"].as_array().is_some_and(|words| !words.contains(other)) {
                found.push(format!("{at}: {other} is none of the words"));
            }
        }
    }
}

fn full() -> Beginner<'static> {
    Beginner {
        shop_id: "shop_1",
        name: "Harbour Lane",
        email: Some("owner@shop.example"),
        country: Some("DE"),
        currency: Some("eur"),
        url: Some("https://shop.example"),
        product_description: Some("Mugs"),
        entity: Some("company"),
        transfers: true,
    }
}

#[test]
fn what_makes_an_account_is_as_stripe_describes_it() {
    let bare = Beginner { shop_id: "shop_1", name: "shop.example", ..Beginner::default() };
    let link = account::link("acct_1", "https://w.example/r", "https://w.example/f", "k");
    assert_eq!((link.method, link.path.as_str(), link.idempotency_key.as_deref()), ("POST", "/v2/core/account_links", Some("k")));
    assert_eq!((link.base, link.version, link.account.as_deref(), link.form.as_deref()), (Base::Api, Version::Released, None, None));
    let link: Value = serde_json::from_str(&link.json.unwrap()).unwrap();
    assert_eq!(account::creation(&bare)["identity"], Value::Null, "what is not known is not sent");
    assert_eq!(account::creation(&bare).get("contact_email"), None);
    assert_eq!(
        account::creation(&bare)["defaults"],
        json!({"responsibilities": {"fees_collector": "stripe", "losses_collector": "stripe"}})
    );
    assert_eq!(account::creation(&bare)["configuration"].get("recipient"), None);
    let all = account::creation(&full());
    assert_eq!(all["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]["requested"], true);
    assert_eq!((&all["dashboard"], &all["identity"]["country"]), (&json!("full"), &json!("DE")));
    let made = account::create(&all.to_string(), "k");
    assert_eq!((made.path.as_str(), made.json.as_deref()), ("/v2/core/accounts", Some(all.to_string().as_str())));
    if let Some(spec) = contract("stripe-openapi.2026-10-28.endive.strict.json") {
        for (path, body) in
            [("/v2/core/accounts", &all), ("/v2/core/accounts", &account::creation(&bare)), ("/v2/core/account_links", &link)]
        {
            let schema = &spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
            let mut found = Vec::new();
            wrong(body, schema, path, &mut found);
            assert_eq!(found, Vec::<String>::new());
        }
    }
}

#[test]
fn an_account_is_read_with_what_tells_whether_it_may_sell() {
    let call = account::merchant("acct_1");
    assert_eq!(call.path, "/v2/core/accounts/acct_1?include%5B0%5D=configuration.merchant&include%5B1%5D=requirements");
    assert_eq!((call.method, call.account, call.version), ("GET", None, Version::Released));
    assert_eq!(account::merchant("../a?b").path.split('?').next().unwrap(), "/v2/core/accounts/%2E%2E%2Fa%3Fb");
    let read = |configuration: Value, requirements: Value| {
        let body = json!({"id": "acct_1", "livemode": false, "configuration": configuration, "requirements": requirements});
        let answer = Answer { status: 200, request_id: None, replayed: false, should_retry: None, body: body.to_string().into_bytes() };
        match Call::read::<Merchant>(answer) {
            Outcome::Ok(found) => (found.charges_enabled(), found.details_submitted()),
            other => panic!("{other:?}"),
        }
    };
    let with = |status: &str| json!({"merchant": {"capabilities": {"card_payments": {"status": status}}}});
    let entry = |who: &str, due: &str| json!({"entries": [{"awaiting_action_from": who, "minimum_deadline": {"status": due}}]});
    assert_eq!(read(with("active"), Value::Null), (true, true));
    assert_eq!(read(with("active"), entry("user", "eventually_due")), (true, true));
    assert_eq!(read(with("restricted"), entry("user", "currently_due")), (false, false));
    assert_eq!(read(with("restricted"), entry("user", "past_due")), (false, false));
    assert_eq!(read(with("pending"), entry("stripe", "currently_due")), (false, true), "Stripe is at it");
    assert_eq!(read(with("pending"), json!({"entries": []})), (false, true));
    assert_eq!(read(Value::Null, Value::Null), (false, false), "nothing is known");
    assert_eq!(read(json!("odd"), json!({"entries": "odd"})), (false, false));
}

#[test]
fn account_sessions_ask_for_one_component_and_are_not_printed() {
    let call = account::session("acct_1");
    assert_eq!(call.form.as_deref(), Some("account=acct_1&components%5Bagentic_commerce_settings%5D%5Benabled%5D=true"));
    assert_eq!((call.version.header(), call.account, call.idempotency_key), ("2026-10-14.preview; embedded_connect_beta=v2", None, None));
    let body = json!({"account": "acct_1", "client_secret": "accs_secret__hidden", "expires_at": 5, "livemode": false});
    let answer = Answer { status: 200, request_id: None, replayed: false, should_retry: None, body: body.to_string().into_bytes() };
    let Outcome::Ok(session) = Call::read::<AccountSession>(answer) else { panic!("not read") };
    assert_eq!(session.client_secret, "accs_secret__hidden");
    assert!(!format!("{session:?}").contains("hidden"));
}

#[test]
fn calls_about_agreements() {
    let get = calls::retrieve("acct_1", "agmt_1");
    assert_eq!((get.method, get.path.as_str()), ("GET", "/v2/orchestrated_commerce/agreements/agmt_1"));
    assert_eq!((get.account.as_deref(), get.version.header()), (Some("acct_1"), "2026-10-14.preview"));
    let act = calls::act("acct_1", "a/../b", Act::Terminate.name(), "k");
    assert_eq!(act.path, "/v2/orchestrated_commerce/agreements/a%2F%2E%2E%2Fb/terminate");
    assert_eq!((act.json.as_deref(), act.idempotency_key.as_deref(), act.form), (Some("{}"), Some("k"), None));
    assert_eq!(calls::list("acct_1", None).path, "/v2/orchestrated_commerce/agreements?limit=100");
    assert_eq!(calls::list("acct_1", Some("a b&c")).path, "/v2/orchestrated_commerce/agreements?limit=100&page=a+b%26c");
    let next = |url: Option<&str>| Page { data: Vec::new(), next_page_url: url.map(str::to_owned) }.next();
    assert_eq!(next(Some("/v2/orchestrated_commerce/agreements?limit=2&page=p%2F1")).as_deref(), Some("p/1"));
    // Of the address only this is taken, wherever it leads.
    assert_eq!(next(Some("https://evil.example/?page=x")).as_deref(), Some("x"));
    assert_eq!((next(None), next(Some("/v2/x")), next(Some("/v2/x?page="))), (None, None, None));
}

#[test]
fn an_agreement_goes_one_way() {
    let words = ["initiated", "partially_confirmed", "confirmed", "terminated"];
    let ranks: Vec<i64> = words.iter().map(|word| agreement::rank(word)).collect();
    assert_eq!(ranks, [0, 1, 2, 3]);
    assert_eq!(agreement::rank("suspended"), 0, "a word that we do not know moves nothing");
    let kind = |word: &str| format!("v2.orchestrated_commerce.agreement.{word}");
    assert_eq!(agreement::news(&kind("created")), Some(("agreement.created", 0)));
    for (word, rank) in words.iter().zip(ranks).skip(1) {
        let (notice, far) = agreement::news(&kind(word)).unwrap();
        assert_eq!((notice, far), (format!("agreement.{word}").as_str(), rank));
    }
    for other in ["paused", "", "confirmed.again"] {
        assert_eq!(agreement::news(&kind(other)), None);
    }
    assert_eq!(agreement::news("agreement.confirmed"), None);
}

#[test]
fn agreements_are_read_strictly_and_kept_as_they_are() {
    let object = |status: &str, seller: Value| {
        json!({"id": "agmt_1", "object": "v2.orchestrated_commerce.agreement", "livemode": false, "status": status, "created": "2026-11-01T00:00:00.000Z",
               "status_transitions": {"seller_confirmed_at": seller}, "later": {"new": true}})
    };
    let read = |value| Agreement::read(value).unwrap();
    let one = read(object("confirmed", json!("2026-11-02T00:00:00.000Z")));
    assert_eq!((one.id.as_str(), one.rank, one.livemode, &one.object["later"]["new"]), ("agmt_1", 2, false, &json!(true)));
    assert!(one.is_done(Act::Confirm) && !one.is_done(Act::Terminate));
    assert!(!read(object("partially_confirmed", Value::Null)).is_done(Act::Confirm), "the other side has");
    let ended = read(object("terminated", json!("2026-11-02T00:00:00.000Z")));
    assert!(ended.is_done(Act::Terminate) && !ended.is_done(Act::Confirm), "what has ended is not confirmed");
    for (name, value) in [("id", json!("../x")), ("id", json!(5)), ("status", Value::Null), ("livemode", json!("false"))] {
        let mut bad = object("confirmed", Value::Null);
        bad[name] = value;
        assert_eq!(Agreement::read(bad), None, "{name}");
    }
    assert_eq!(Agreement::read(json!([])), None);
}

#[test]
fn thin_events_of_accounts_and_agreements_are_told_apart() {
    let read = |kind: &str, context: Value, id: &str| {
        let body = json!({"id": "evt_1", "object": "v2.core.event", "type": kind, "livemode": false, "context": context, "created": "2026-11-01T00:00:00Z",
                          "related_object": {"id": id, "type": "x", "url": "https://evil.example/"}});
        event::read(body.to_string().as_bytes()).unwrap()
    };
    for kind in [
        "v2.core.account.updated",
        "v2.core.account[requirements].updated",
        "v2.core.account[configuration.merchant].capability_status_updated",
    ] {
        let mut told = read(kind, Value::Null, "acct_1");
        assert!(matches!(told.thin(), Thin::V2), "{kind}");
        assert!(told.is_of_account());
        assert_eq!(told.related_id(), Some("acct_1"));
    }
    for kind in ["v2.core.account_link.returned", "v2.core.account_person.created", "v2.core.event_destination.ping", "v2.core.accounts"] {
        assert!(matches!(read(kind, Value::Null, "acct_1").thin(), Thin::Foreign), "{kind}");
    }
    let mut agreement = read("v2.orchestrated_commerce.agreement.created", json!("acct_1"), "agmt_1");
    assert!(matches!(agreement.thin(), Thin::V2) && !agreement.is_of_account());
    assert_eq!(agreement.account.as_deref(), Some("acct_1"));
    assert!(matches!(read("v2.orchestrated_commerce.agreement.created", json!("../x"), "agmt_1").thin(), Thin::Foreign));
    assert_eq!(read("v2.core.account.updated", Value::Null, "../../v1/account").related_id(), None);
}

// -- pages -------------------------------------------------------------------------------------------------------------

fn consent(onboarding: bool, fields: Option<AccountFields<'_>>, refused: Option<&str>) -> String {
    page::consent(&Consent {
        site_url: "https://shop.example",
        shop_name: "Mugs",
        live: false,
        action: "/connect/t",
        onboarding,
        fields,
        refused,
    })
}

#[test]
fn the_consent_page_of_an_onboarding_asks_what_stripe_wants_first() {
    let fresh = consent(true, Some(AccountFields { email: "a@b.example", country: "de" }), None);
    assert!(fresh.contains("<h1>Open a Stripe account for this shop?</h1>"));
    assert!(
        fresh.contains("<label for=\"email\">") && fresh.contains("value=\"a@b.example\"") && fresh.contains("<label for=\"country\">")
    );
    assert!(fresh.contains("<option value=\"DE\" selected>"), "whichever case it came in");
    assert_eq!(fresh.matches(" selected").count(), 1);
    assert_eq!(fresh.matches("<button").count(), 1);
    let nothing = consent(true, Some(AccountFields { email: "", country: "" }), None);
    assert!(nothing.contains("<option value=\"\" selected>"));
    let half = consent(true, None, Some(HOSTILE));
    assert!(half.contains("Finish your Stripe account") && !half.contains("<input"));
    assert!(half.contains("role=\"alert\"") && !half.contains("<script") && !half.contains("<img"));
    let oauth = consent(false, None, None);
    assert!(oauth.contains("Connect your Stripe account") && !oauth.contains("<input") && !oauth.contains("role=\"alert\""));
    let hostile = consent(true, Some(AccountFields { email: HOSTILE, country: HOSTILE }), None);
    assert!(!hostile.contains("<script") && !hostile.contains("<img"));
}

#[test]
fn the_settings_page_has_one_script_of_ours_which_its_policy_names() {
    let html = page::settings(&Settings {
        site_url: "https://shop.example",
        live: true,
        publishable_key: "pk_live_1",
        connect_js: "https://connect-js.stripe.com",
    });
    assert!(html.contains("https://shop.example") && html.contains("real money") && html.contains("data-key=\"pk_live_1\""));
    assert!(html.contains("src=\"https://connect-js.stripe.com/v1.0/connect.js\"") && html.contains("need JavaScript"));
    let scripts: Vec<&str> = html.split("<script").skip(1).map(|rest| &rest[..rest.find("</script>").unwrap()]).collect();
    let [theirs, ours] = scripts.as_slice() else { panic!("two scripts") };
    assert!(theirs.contains("async") && theirs.ends_with('>'));
    let ours = ours.strip_prefix('>').unwrap();
    let csp = page::settings_csp("https://connect-js.stripe.com");
    assert!(csp.contains(&format!(
        "script-src 'sha256-{}' https://connect-js.stripe.com https://js.stripe.com;",
        Base64::encode_string(&Sha256::digest(ours.as_bytes()))
    )));
    let style = &html[html.find("<style>").unwrap() + 7..html.find("</style>").unwrap()];
    assert!(csp.contains(&format!("style-src 'sha256-{}' ", Base64::encode_string(&Sha256::digest(style.as_bytes())))));
    assert!(
        csp.starts_with("default-src 'none';")
            && !csp.contains("unsafe")
            && csp.contains("connect-src 'self'")
            && csp.contains("frame-ancestors 'none'")
    );
    // An inline script ends at the first `</`, and an entity in it is no entity.
    assert!(!ours.contains("</") && !ours.contains("&lt;") && !ours.contains("&amp;"));
    let hostile = page::settings(&Settings { site_url: HOSTILE, live: false, publishable_key: HOSTILE, connect_js: HOSTILE });
    assert_eq!(hostile.matches("<script").count(), 2);
    assert!(!hostile.contains("<img"));
}

#[test]
fn connect_js_is_stripes_own_unless_a_sandbox_stands_in() {
    let read = |more: &[(&str, &str)]| {
        let base = [
            ("PUBLIC_URL", "https://pay.example.com"),
            ("STRIPE_SECRET_KEY", "sk_live_planted"),
            ("STRIPE_CLIENT_ID", "ca_planted"),
            ("SEAL_KEYS", "k1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ];
        let all: std::collections::BTreeMap<_, _> = base.iter().chain(more).copied().collect();
        config::read(|name| all.get(name).map(|value| (*value).to_owned())).unwrap().connect_js
    };
    assert_eq!(read(&[]), "https://connect-js.stripe.com");
    assert_eq!(read(&[("STRIPE_CONNECT_BASE", "https://connect.stripe.com")]), "https://connect-js.stripe.com");
    assert_eq!(read(&[("STRIPE_CONNECT_BASE", "http://localhost:8788")]), "http://localhost:8788");
}
