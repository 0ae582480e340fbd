//! Contract, *Agents, catalogue, fulfilment*: who may enter, and which addresses an agent may have.

use cognitivecart_worker::agent::{AgentRow, DOORS, allowed, outside, read_allow};
use cognitivecart_worker::fields::Fields;
use serde_json::json;

fn agent(allow: &str) -> AgentRow {
    AgentRow { allow: allow.to_owned(), ..AgentRow::default() }
}

fn told(agent: &AgentRow, shop: &str, door: &str) -> String {
    match allowed(agent, shop, door) {
        Ok(()) => "in".to_owned(),
        Err(problem) => format!("{} {}", problem.status, problem.code),
    }
}

#[test]
fn an_agent_enters_by_the_doors_that_the_shop_opened() {
    for (allow, door, expected) in [
        (r#"["acp","mcp"]"#, "acp", "in"),
        (r#"["acp","mcp"]"#, "mcp", "in"),
        (r#"["mcp"]"#, "acp", "403 agent_not_allowed"),
        ("[]", "mcp", "403 agent_not_allowed"),
        // What cannot be read opens nothing.
        ("", "acp", "403 agent_not_allowed"),
        (r#"{"acp":true}"#, "acp", "403 agent_not_allowed"),
    ] {
        assert_eq!(told(&agent(allow), "active", door), expected, "{allow} {door}");
    }
}

#[test]
fn and_only_of_a_shop_that_sells() {
    let open = agent(r#"["acp","mcp"]"#);
    for (shop, expected) in [
        ("active", "in"),
        ("suspended", "403 shop_suspended"),
        ("pending", "403 shop_not_verified"),
        ("superseded", "401 api_key_invalid"),
        ("deleted", "401 api_key_invalid"),
        ("", "401 api_key_invalid"),
    ] {
        assert_eq!(told(&open, shop, "acp"), expected, "{shop}");
        let deleted = AgentRow { deleted_at: Some(1), ..open.clone() };
        assert_eq!(told(&deleted, shop, "acp"), "401 api_key_invalid", "{shop}");
    }
}

#[test]
fn allow_is_kept_in_one_order_and_without_repetition() {
    for (sent, kept) in [
        (json!({}), None),
        (json!({ "allow": null }), None),
        (json!({ "allow": [] }), Some("[]")),
        (json!({ "allow": ["mcp", "acp", "mcp"] }), Some(r#"["acp","mcp"]"#)),
    ] {
        let fields = Fields::open(&sent, "", &["allow"]).unwrap();
        assert_eq!(read_allow(&fields).unwrap().as_deref(), kept);
    }
    assert_eq!(DOORS, ["acp", "mcp"]);
}

#[test]
fn an_address_is_https_with_a_public_name_and_not_the_workers_own() {
    const OWN: &str = "https://worker.example";
    for (url, local) in [("https://agent.example/hook", false), ("https://agent.example:8443/a?b=c", false), ("http://localhost:9/", true)]
    {
        assert_eq!(outside(url, OWN, local), Ok(url.to_owned()));
    }
    for url in [
        "http://agent.example/",
        "http://localhost:9/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[fd00::1]/",
        "https://169.254.169.254/",
        "https://0x7f.0.0.1/",
        "https://1.1/",
        "https://agent/",
        "https://a@agent.example/",
        "https://agent.example/#f",
        "https://worker.example/v1/shops",
        "https://WORKER.example:443/",
    ] {
        assert!(outside(url, OWN, false).is_err(), "{url}");
    }
}
