//! When a notice is tried again, and what it says (contract, *To the shop*).
use cognitivecart_worker::notice::{NoticeRow, next_attempt};
use serde_json::Value;

#[test]
fn the_tenth_and_last_attempt_lies_three_days_behind_the_first() {
    let mut at = 1_000;
    let mut pauses = Vec::new();
    for attempts in 1.. {
        let Some(next) = next_attempt(attempts, at) else { break };
        pauses.push(next - at);
        at = next;
    }
    assert_eq!(pauses[..4], [60, 300, 1800, 7200], "1, 5, 30 minutes, 2 hours");
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "growing");
    assert_eq!(at - 1_000, 3 * 24 * 3600);
    assert_eq!(pauses.len(), 9);
}

/// A sender that crashed again and again has counted more than there is.
#[test]
fn what_was_tried_too_often_is_given_up() {
    assert_eq!(next_attempt(10, 0), None);
    assert_eq!(next_attempt(i64::MAX, 0), None);
    assert_eq!(next_attempt(0, 0), Some(60));
}

#[test]
fn the_body_is_json_of_four_members() {
    let row = NoticeRow {
        id: "ccevt_1".into(),
        kind: "transaction.paid".into(),
        created: 5,
        object: r#"{"id":"cct_\"1"}"#.into(),
        ..NoticeRow::default()
    };
    let body: Value = serde_json::from_str(&row.body()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "id": "ccevt_1", "type": "transaction.paid", "created": 5, "data": { "object": { "id": "cct_\"1" } } })
    );
}
