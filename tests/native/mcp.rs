//! Contract, *ACP*: messages of the Model Context Protocol, taken apart and put together.

use cognitivecart_worker::acp::dialect::Dialect;
use cognitivecart_worker::error::Problem;
use cognitivecart_worker::mcp::{
    Asks, BATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Message, REFUSED, Refusal, Sent, Tool, VERSIONS, answered, asks,
    may_come_from, read, refused, result_of_tool,
};
use serde_json::{Value, json};

fn code<T>(result: Result<T, Refusal>) -> i64 {
    result.err().map_or(0, |refusal| refusal.code)
}

fn ping(id: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })
}

#[test]
fn a_request_a_notification_and_an_answer_are_told_apart() {
    let request = Message::Request { id: json!("a"), method: "ping".to_owned(), params: json!({}) };
    assert_eq!(read(ping(json!("a")), None), Ok(Sent::One(request)));
    for silent in [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 7, "error": {} }),
    ] {
        assert_eq!(read(silent, None), Ok(Sent::One(Message::Silent)));
    }
    for none in
        [json!(null), json!(7), json!("x"), json!({}), ping(json!(null)), ping(json!(1.5)), ping(json!([])), json!({ "jsonrpc": "2.0" })]
    {
        assert_eq!(code(read(none.clone(), None)), INVALID_REQUEST, "{none}");
    }
}

#[test]
fn batches_are_of_the_versions_that_have_them() {
    let batch = |n: usize| Value::Array((0..n).map(|id| ping(json!(id))).collect());
    for version in VERSIONS {
        let has = version <= "2025-03-26";
        assert_eq!(code(read(batch(2), Some(version))), if has { 0 } else { INVALID_REQUEST }, "{version}");
    }
    assert_eq!(code(read(batch(BATCH), None)), 0);
    for n in [0, BATCH + 1] {
        assert_eq!(code(read(batch(n), None)), INVALID_REQUEST, "{n}");
    }
    assert_eq!(code(read(ping(json!(1)), Some("2020-01-01"))), INVALID_REQUEST);
    // A version that is to come has no batches either, and is none of ours.
    assert_eq!(code(read(batch(1), Some("2099-01-01"))), INVALID_REQUEST);
}

#[test]
fn who_begins_is_told_a_version_that_is_spoken() {
    let agreed = |version: &str| match asks("initialize", &json!({ "protocolVersion": version })) {
        Ok(Asks::Initialize(agreed)) => agreed,
        other => panic!("{other:?}"),
    };
    for version in VERSIONS {
        assert_eq!(agreed(version), version);
    }
    assert_eq!(agreed("1999-01-01"), VERSIONS[0]);
    assert_eq!(code(asks("initialize", &json!({}))), INVALID_PARAMS);
    assert_eq!(code(asks("resources/list", &json!({}))), METHOD_NOT_FOUND);
    assert!(matches!(asks("ping", &json!([])), Ok(Asks::Ping)));
}

#[test]
fn a_call_has_what_its_tool_needs() {
    let full = json!({ "meta": { "api_version": "2026-04-17", "idempotency_key": "" }, "id": "checkout_1", "payload": { "b": 1, "a": 2 } });
    for tool in Tool::ALL {
        let call = |arguments: &Value| asks("tools/call", &json!({ "name": tool.name(), "arguments": arguments }));
        let Ok(Asks::Call(got)) = call(&full) else { panic!("{}", tool.name()) };
        assert_eq!(got.tool, tool);
        assert_eq!(got.id.is_empty(), tool == Tool::Create);
        assert_eq!(got.payload.is_none(), tool == Tool::Get);
        // An empty text is none.
        assert_eq!(got.meta.idempotency_key, None);
        for (missing, needed) in
            [("meta", true), ("id", tool != Tool::Create), ("payload", !matches!(tool, Tool::Get | Tool::Cancel)), ("nothing", false)]
        {
            let mut less = full.clone();
            less.as_object_mut().unwrap().remove(missing);
            let refused = call(&less);
            assert_eq!(refused.is_err(), needed, "{} without {missing}", tool.name());
            if let Err(refusal) = refused {
                assert_eq!((refusal.code, refusal.data.unwrap()["param"].clone()), (INVALID_PARAMS, json!(format!("$.{missing}"))));
            }
        }
    }
}

#[test]
fn the_path_of_an_operation_is_that_of_rest() {
    let paths = Tool::ALL.map(|tool| tool.path("x"));
    let rest = ["", "/x", "/x", "/x/complete", "/x/cancel"].map(|rest| format!("checkout_sessions{rest}"));
    assert_eq!(paths, rest);
}

#[test]
fn a_result_is_for_those_who_look_for_the_body_and_for_those_who_look_for_its_content() {
    let body = json!({ "id": "checkout_1", "status": "completed", "messages": [], "note": "\"}\\" });
    for text in [body.to_string(), "{}".to_owned(), "{ }".to_owned()] {
        let meant: Value = serde_json::from_str(&text).unwrap();
        let result: Value = serde_json::from_str(&result_of_tool(&text, &json!({ "request_id": "r" }))).unwrap();
        assert_eq!(result["structuredContent"], meant);
        assert_eq!(serde_json::from_str::<Value>(result["content"][0]["text"].as_str().unwrap()).unwrap(), meant);
        assert_eq!(result["_meta"]["request_id"], "r");
        for (name, value) in meant.as_object().unwrap() {
            assert_eq!(&result[name], value);
        }
    }
}

#[test]
fn answers_are_json_whatever_the_id() {
    for id in [json!(0), json!(-7), json!("a\"\\\u{2028}"), json!(9_007_199_254_740_991_i64)] {
        let good: Value = serde_json::from_str(&answered(&id, r#"{"a":1}"#)).unwrap();
        assert_eq!(good, json!({ "jsonrpc": "2.0", "id": id, "result": { "a": 1 } }));
        let refusal = Refusal { code: REFUSED, message: "No.".to_owned(), data: None };
        let bad: Value = serde_json::from_str(&refused(&id, &refusal)).unwrap();
        assert_eq!(bad, json!({ "jsonrpc": "2.0", "id": id, "error": { "code": REFUSED, "message": "No." } }));
    }
}

#[test]
fn a_refusal_names_the_member_of_the_payload_in_the_words_of_the_version() {
    let problem = Problem::shape("invalid", "$.line_items[0].quantity", "No.");
    let told = |dialect| Refusal::of(dialect, &problem).data.unwrap();
    assert_eq!(told(Dialect::V20260417)["param"], "$.payload.line_items[0].quantity");
    assert_eq!(told(Dialect::V20250929)["param"], "$.payload.items[0].quantity");
    let fault = Refusal::of(Dialect::V20260417, &Problem::fault("a secret cause"));
    assert_eq!(fault.data.as_ref().unwrap()["type"], "processing_error");
    assert!(!format!("{fault:?}").contains("a secret cause"));
}

#[test]
fn pages_of_other_origins_may_not_speak() {
    let own = "https://worker.example";
    for (origin, may) in
        [(None, true), (Some(own), true), (Some("null"), false), (Some("https://worker.example.evil"), false), (Some(""), false)]
    {
        assert_eq!(may_come_from(origin, own), may, "{origin:?}");
    }
}
