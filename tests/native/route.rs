//! The route table against `openapi.json`, and every method on every path.

use cognitivecart_worker::route::{Found, Method, ROUTES, Route, find};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

fn openapi() -> Value {
    serde_json::from_str(include_str!("../../src/openapi.json")).unwrap()
}

/// `/v1/transactions/{id}` with an id that is one.
fn filled(template: &str) -> String {
    template.split('/').map(|part| if part.starts_with('{') { "cs_test_a1-B2" } else { part }).collect::<Vec<_>>().join("/")
}

/// The methods of a path as HTTP sees them, from the table.
fn methods_of(template: &str) -> BTreeSet<&'static str> {
    let mut methods = BTreeSet::new();
    for entry in ROUTES.iter().filter(|entry| entry.path == template) {
        methods.insert(entry.method.name());
        if entry.method == Method::Get {
            methods.insert("HEAD");
        }
    }
    methods
}

#[test]
fn table_and_openapi_say_the_same() {
    let mut written = BTreeSet::new();
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Some(name) = operation["operationId"].as_str() {
                written.insert((method.to_uppercase(), path.clone(), name.to_owned()));
            }
        }
    }
    let table: BTreeSet<_> = ROUTES
        .iter()
        .map(|entry| (entry.method.name().to_owned(), entry.path.to_owned(), (entry.make)("x".into()).name().to_owned()))
        .collect();
    assert_eq!(table, written);
    assert_eq!(table.len(), ROUTES.len(), "a line stands twice");
}

#[test]
fn every_route_is_found_with_its_id() {
    for entry in ROUTES {
        let expected = (entry.make)(if entry.path.contains('{') { "cs_test_a1-B2".into() } else { String::new() });
        assert_eq!(find(entry.method.name(), &filled(entry.path)), Found::Route(expected), "{}", entry.path);
    }
    assert_eq!(find("GET", "/connect/AbC_-9"), Found::Route(Route::ConsentPage("AbC_-9".into())));
    assert_eq!(find("POST", "/connect/AbC_-9"), Found::Route(Route::Consent("AbC_-9".into())));
}

#[test]
fn names_are_unique() {
    let mut names = BTreeMap::new();
    for entry in ROUTES {
        let name = (entry.make)("x".into()).name();
        assert_eq!(names.insert(name, entry.path), None, "{name} stands twice");
    }
}

#[test]
fn every_other_method_is_a_405_with_what_is_allowed() {
    let mut seen = 0;
    for template in ROUTES.iter().map(|entry| entry.path).collect::<BTreeSet<_>>() {
        let allowed = methods_of(template);
        for method in METHODS {
            match find(method, &filled(template)) {
                Found::Route(_) => assert!(allowed.contains(method), "{method} {template} is answered"),
                Found::NotAllowed(allow) => {
                    assert!(!allowed.contains(method), "{method} {template} is refused");
                    assert_eq!(allow.split(", ").collect::<BTreeSet<_>>(), allowed, "Allow of {template}");
                    seen += 1;
                }
                Found::NotFound => panic!("{method} {template} is not found"),
            }
        }
    }
    assert!(seen > 100, "only {seen} refusals were looked at");
}

#[test]
fn head_is_get_and_no_cors() {
    assert_eq!(find("HEAD", "/healthz"), find("GET", "/healthz"));
    assert_eq!(find("OPTIONS", "/v1/checkout/sessions"), Found::NotAllowed("POST"));
    assert_eq!(find("OPTIONS", "/v1/shop"), Found::NotAllowed("GET, HEAD, PATCH, DELETE"));
    assert_eq!(find("PUT", "/v1/connection"), Found::NotAllowed("GET, HEAD, DELETE"));
}

/// A mail or chat scanner that sends HEAD must not spend the one-time state.
#[test]
fn head_does_not_reach_what_a_get_uses_up() {
    assert_eq!(find("HEAD", "/connect/callback"), Found::NotAllowed("GET"));
    assert_eq!(find("POST", "/connect/callback"), Found::NotAllowed("GET"));
    assert_eq!(find("GET", "/connect/callback"), Found::Route(Route::ConnectCallback));
    assert_eq!(find("GET", "/connect/return"), Found::Route(Route::ConnectReturn));
    assert_eq!(find("GET", "/connect/refresh"), Found::Route(Route::ConnectRefresh));
    // These use something up: a scanner's HEAD must not, and the button is no such thing.
    for method in ["HEAD", "POST"] {
        assert_eq!(find(method, "/connect/return"), Found::NotAllowed("GET"));
    }
    // This does too, but looks first: see the journey.
    assert_eq!(find("HEAD", "/agentic/settings/t1"), Found::Route(Route::AgenticSettings("t1".into())));
    assert_eq!(find("DELETE", "/agentic/settings/t1"), Found::NotAllowed("GET, HEAD, POST"));
}

#[test]
fn methods_are_case_sensitive() {
    assert_eq!(find("get", "/healthz"), Found::NotAllowed("GET, HEAD"));
    assert_eq!(find("Post", "/v1/shops"), Found::NotAllowed("POST"));
    assert_eq!(find("", "/v1/shops"), Found::NotAllowed("POST"));
}

#[test]
fn leading_slashes_collapse_and_others_do_not() {
    assert_eq!(find("POST", "//v1/checkout/sessions"), Found::Route(Route::CreateCheckoutSession));
    assert_eq!(find("GET", "////healthz"), Found::Route(Route::Health));
    assert_eq!(find("GET", "//"), Found::Route(Route::FrontPage));
    assert_eq!(find("GET", ""), Found::Route(Route::FrontPage));
    assert_eq!(find("GET", "/v1//shop"), Found::NotFound);
    assert_eq!(find("GET", "/v1/shop/"), Found::NotFound);
    assert_eq!(find("GET", "/healthz//"), Found::NotFound);
}

#[test]
fn literals_win_over_ids() {
    assert_eq!(find("GET", "/v1/transactions/summary"), Found::Route(Route::SummarizeTransactions));
    assert_eq!(find("GET", "/v1/transactions.csv"), Found::Route(Route::ExportTransactions));
    assert_eq!(find("GET", "/v1/transactions/summary2"), Found::Route(Route::GetTransaction("summary2".into())));
    // The order in the table is what makes it so.
    for (i, entry) in ROUTES.iter().enumerate() {
        if !entry.path.contains('{') {
            let Found::Route(found) = find(entry.method.name(), entry.path) else { panic!("{} at {i}", entry.path) };
            assert_eq!(found.name(), (entry.make)(String::new()).name(), "line {i} is hidden by one above it");
        }
    }
}

#[test]
fn what_names_nothing_is_not_found() {
    let long = format!("/v1/transactions/{}", "a".repeat(256));
    for path in [
        "/nothing",
        "/v1",
        "/v1/",
        "/V1/shop",
        "/Healthz",
        "/healthz.json",
        "/connect",
        "/connect/",
        "/connect/a/b",
        "/connect/a%2Fb",
        "/connect/a.b",
        "/connect/../v1",
        "/connect/ä",
        "/connect/a b",
        "/connect/a\0",
        "/checkout/complete/",
        "/checkout/complete/{CHECKOUT_SESSION_ID}",
        "/checkout/cancel",
        "/v1/checkout/sessions/",
        "/v1/checkout/sessions/cs_1/expire/now",
        "/v1/checkout/sessions//expire",
        "/v1/transactions/cct_'--",
        "\\v1\\shop",
        "/{ticket}",
        "/connect/{ticket}",
        &long,
    ] {
        for method in METHODS {
            assert_eq!(find(method, path), Found::NotFound, "{method} {path:?}");
        }
    }
    assert!(matches!(find("GET", &format!("/v1/transactions/{}", "a".repeat(255))), Found::Route(_)));
}
