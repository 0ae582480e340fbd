//! Who counts as whom, and which route counts against what (contract, *Conventions*, "Rate limits").

use cognitivecart_worker::limit::{Counter, network};
use cognitivecart_worker::route::ROUTES;
use serde_json::Value;

#[test]
fn an_ipv4_address_is_itself_and_an_ipv6_one_its_line() {
    for (address, counted) in [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "0:0:0:0::/64"),
        ("", "unknown"),
        ("203.0.113.7, 198.51.100.1", "unknown"),
        ("nonsense", "unknown"),
    ] {
        assert_eq!(network(address), counted, "{address:?}");
    }
}

/// What needs no key counts by address, what needs one by its shop, Stripe's events by nothing.
#[test]
fn every_route_counts_as_openapi_says_who_may_call_it() {
    let openapi: Value = serde_json::from_str(include_str!("../../src/openapi.json")).unwrap();
    for entry in ROUTES {
        let operation = &openapi["paths"][entry.path][entry.method.name().to_lowercase()];
        let open = operation["security"].as_array().is_some_and(|ways| ways.is_empty());
        let expected = match (entry.path, open) {
            ("/v1/shops", _) => Counter::Registration,
            ("/stripe/webhooks" | "/stripe/agentic-hooks", _) => Counter::Nothing,
            (_, true) => Counter::Address,
            (_, false) => Counter::Key,
        };
        assert_eq!((entry.make)("x".into()).counter(), expected, "{}", entry.path);
        let told = operation["responses"].get("429").is_some();
        assert_eq!(told, expected != Counter::Nothing, "429 of {}", entry.path);
    }
}

/// The figures of the contract stand in wrangler.toml, under the names that the Worker asks for.
#[test]
fn wrangler_toml_has_every_counter_with_its_figure() {
    let toml = include_str!("../../wrangler.toml");
    for (counter, limit) in [(Counter::Key, 600), (Counter::Address, 60), (Counter::Registration, 10)] {
        let name = counter.binding().unwrap();
        let entry = toml.split("[[ratelimits]]").find(|entry| entry.contains(&format!("name = \"{name}\""))).unwrap();
        assert!(entry.contains(&format!("limit = {limit}, period = 60")), "{name}");
    }
    assert_eq!(Counter::Nothing.binding(), None);
}
