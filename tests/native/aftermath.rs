//! What becomes of a payment: refunds and disputes, in every order.

use cognitivecart_worker::aftermath::{Aftermath, Origin, Told, check, complete, outdated, revise, shown};
use cognitivecart_worker::ledger::{Mismatch, Row, Status, check_charge, news_of_charge};
use cognitivecart_worker::record::Record;
use cognitivecart_worker::refund::{self, Entry, RESERVED, Wish, left, reserve, share};
use cognitivecart_worker::stripe::{Charge, Dispute, Refund};
use serde_json::{Value, json};

fn merge(mut object: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// A paid row of 20.00 USD with a fee of 1.01, changed by `change`.
fn row(change: Value) -> Row {
    let row = json!({
        "id": "cct_1", "shop_id": "shop_1", "livemode": 0, "account": "acct_1", "charge_type": "direct", "status": "paid", "source": "chat",
        "currency": "usd", "amount_expected": 2000, "total_rule": "exact", "shipping_choices": "[]", "automatic_tax": 0, "amount": 2000,
        "amount_subtotal": 2000, "amount_tax": 0, "amount_shipping": 0, "amount_capturable": 0, "amount_captured": 2000, "amount_refunded": 0,
        "application_fee_amount": 101, "application_fee_refunded": 0, "capture": "automatic", "checkout_session": "cs_1", "payment_intent": "pi_1",
        "line_items": "[]", "extras": "{}", "discounts": "[]", "metadata": "{}", "refunds": "[]", "events": "[]",
        "stripe_key": "cct_1-1", "attempt_until": 0, "created": 0, "checks": 0,
    });
    Row::from_value(merge(row, change)).unwrap()
}

fn refund(id: &str, amount: i64, status: &str, change: Value) -> Refund {
    let refund = json!({ "id": id, "amount": amount, "currency": "usd", "status": status, "created": 100, "payment_intent": "pi_1" });
    Refund::from_value(merge(refund, change)).unwrap()
}

fn dispute(id: &str, status: &str) -> Dispute {
    let refundable = status.starts_with("warning") || status == "won";
    Dispute::from_value(json!({ "id": id, "amount": 2000, "currency": "usd", "status": status, "reason": "fraudulent", "livemode": false,
        "created": 50, "payment_intent": "pi_1", "is_charge_refundable": refundable, "evidence_details": { "due_by": 999 } }))
    .unwrap()
}

/// One piece of news, as an event brings it.
#[derive(Clone)]
enum News {
    Refund(Refund),
    Dispute(Dispute, i64),
}

/// Applies; the row as it is then, and whether the shop is told.
fn tell(row: Row, news: &News) -> (Row, bool) {
    let told = match news {
        News::Refund(refund) => Told::Refunds(std::slice::from_ref(refund)),
        News::Dispute(dispute, at) => Told::Dispute(dispute, *at),
    };
    match revise(&row, &told, "test", 1000).unwrap().unwrap() {
        Some(revised) => (*revised.row, revised.notice.is_some()),
        None => (row, false),
    }
}

fn permutations<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    if list.len() < 2 {
        return vec![list.to_vec()];
    }
    let mut all = Vec::new();
    for at in 0..list.len() {
        let mut rest = list.to_vec();
        let first = rest.remove(at);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

/// What must be the same whatever order the news came in.
fn state(row: &Row) -> (Status, i64, i64, Value, Value) {
    let (refunds, dispute) = shown(row);
    (row.status, row.amount_refunded, row.application_fee_refunded, refunds, dispute)
}

/// Every order of `news`, each piece told twice and all of them once more, ends in the same state.
fn every_order(news: &[News], expected: (Status, i64)) {
    let mut states = Vec::new();
    for order in permutations(news) {
        let mut now = row(json!({}));
        for piece in &order {
            now = tell(now, piece).0;
            let (again, told) = tell(now.clone(), piece);
            assert!(!told, "a doubled event is told twice");
            assert_eq!(state(&again), state(&now));
        }
        let settled = state(&now);
        for piece in &order {
            let (again, told) = tell(now, piece);
            assert!(!told, "an old event is told again");
            now = again;
        }
        assert_eq!(state(&now), settled, "an old event leads back");
        assert_eq!((settled.0, settled.1), expected);
        states.push(settled);
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn refunds_and_disputes_end_the_same_in_every_order() {
    use Status::*;
    let r = |id: &str, amount, status: &str| News::Refund(refund(id, amount, status, json!({})));
    let d = |id: &str, status: &str, at| News::Dispute(dispute(id, status), at);
    every_order(&[r("re_1", 500, "pending"), r("re_1", 500, "succeeded"), r("re_2", 300, "succeeded")], (PartiallyRefunded, 800));
    every_order(&[r("re_1", 500, "succeeded"), r("re_2", 1500, "pending"), r("re_2", 1500, "succeeded")], (Refunded, 2000));
    every_order(&[r("re_1", 500, "pending"), r("re_1", 500, "succeeded"), r("re_1", 500, "failed")], (Paid, 0));
    every_order(&[r("re_1", 2000, "succeeded"), r("re_1", 2000, "failed"), r("re_2", 700, "succeeded")], (PartiallyRefunded, 700));
    every_order(&[r("re_1", 500, "requires_action"), r("re_1", 500, "canceled")], (Paid, 0));
    every_order(&[d("dp_1", "needs_response", 60), d("dp_1", "under_review", 70), d("dp_1", "won", 80)], (Paid, 0));
    every_order(&[d("dp_1", "needs_response", 60), d("dp_1", "under_review", 60), d("dp_1", "lost", 60)], (Disputed, 0));
    every_order(&[d("dp_1", "warning_needs_response", 60), d("dp_1", "warning_closed", 90)], (Paid, 0));
    every_order(&[d("dp_1", "warning_needs_response", 60), d("dp_1", "needs_response", 90)], (Disputed, 0));
    every_order(&[d("dp_1", "won", 80), d("dp_1", "lost", 90)], (Disputed, 0));
    every_order(&[d("dp_1", "lost", 80), d("dp_1", "won", 90)], (Paid, 0));
    every_order(&[d("dp_1", "lost", 80), d("dp_2", "won", 90)], (Disputed, 0));
    every_order(
        &[d("dp_1", "needs_response", 60), d("dp_1", "won", 80), r("re_1", 500, "pending"), r("re_1", 500, "succeeded")],
        (PartiallyRefunded, 500),
    );
    every_order(
        &[d("dp_1", "needs_response", 60), d("dp_1", "lost", 80), r("re_1", 2000, "succeeded"), r("re_1", 2000, "failed")],
        (Disputed, 0),
    );
    every_order(
        &[
            d("dp_1", "needs_response", 60),
            d("dp_1", "under_review", 70),
            d("dp_1", "won", 80),
            r("re_1", 2000, "succeeded"),
            r("re_2", 1, "failed"),
        ],
        (Refunded, 2000),
    );
}

/// Every status of a refund × every status of a dispute: what the row is then.
#[test]
fn the_whole_table_of_refund_and_dispute() {
    for (status, counts) in
        [("pending", true), ("requires_action", true), ("succeeded", true), ("failed", false), ("canceled", false), ("a_new_word", true)]
    {
        for amount in [1, 1999, 2000] {
            for (case, stands) in [
                ("", false),
                ("warning_needs_response", true),
                ("warning_under_review", true),
                ("warning_closed", false),
                ("needs_response", true),
                ("under_review", true),
                ("won", false),
                ("lost", true),
                ("prevented", false),
                ("a_new_word", true),
            ] {
                let mut now = tell(row(json!({})), &News::Refund(refund("re_1", amount, status, json!({})))).0;
                if !case.is_empty() {
                    now = tell(now, &News::Dispute(dispute("dp_1", case), 60)).0;
                }
                let expected = match (stands, counts, amount) {
                    (true, ..) => Status::Disputed,
                    (false, false, _) => Status::Paid,
                    (false, true, 2000) => Status::Refunded,
                    (false, true, _) => Status::PartiallyRefunded,
                };
                assert_eq!((now.status, now.amount_refunded), (expected, if counts { amount } else { 0 }), "{status} {amount} {case}");
            }
        }
    }
}

#[test]
fn a_change_is_told_once_with_a_name_of_its_own_and_noted() {
    let mut now = row(json!({}));
    let mut names = Vec::new();
    for news in [
        News::Refund(refund("re_1", 500, "pending", json!({}))),
        News::Refund(refund("re_1", 500, "succeeded", json!({}))),
        News::Dispute(dispute("dp_1", "needs_response"), 60),
        News::Dispute(dispute("dp_1", "needs_response"), 61),
        News::Dispute(dispute("dp_1", "won"), 62),
    ] {
        let told = match &news {
            News::Refund(refund) => Told::Refunds(std::slice::from_ref(refund)),
            News::Dispute(dispute, at) => Told::Dispute(dispute, *at),
        };
        let revised = revise(&now, &told, "webhook", 7).unwrap().unwrap().unwrap();
        names.extend(revised.notice.map(|(kind, once)| format!("{kind} {once}")));
        now = *revised.row;
    }
    assert_eq!(
        names,
        [
            "transaction.refunded cct_1/transaction.refunded/re_1/pending",
            "transaction.refunded cct_1/transaction.refunded/re_1/succeeded",
            "transaction.disputed cct_1/transaction.disputed/dp_1/needs_response@60",
            "transaction.disputed cct_1/transaction.disputed/dp_1/won@62",
        ]
    );
    let events: Value = serde_json::from_str(&now.events).unwrap();
    assert_eq!(events[2], json!({ "type": "dispute.needs_response", "created": 7, "by": "webhook", "id": "dp_1" }));
    assert_eq!(events.as_array().unwrap().len(), 4);
}

// --- reserving ------------------------------------------------------------------------------------------------------

fn wish(amount: Option<i64>) -> Wish {
    Wish { amount, reason: None }
}

/// Reserves on the row, as the journey does; the row as it is then.
fn reserved(row: &Row, amount: Option<i64>, key: &str) -> Result<Row, (String, Option<Value>)> {
    let mut known = Aftermath::of(row).unwrap();
    match reserve(row, &known.refunds, known.refundable(), &wish(amount), key, 1000) {
        Ok(entry) => {
            known.refunds.insert(0, entry);
            Ok(*known.onto(row))
        }
        Err(problem) => Err((problem.code.to_string(), problem.extra.as_ref().and_then(|extra| extra.get("amount_left").cloned()))),
    }
}

fn entries(row: &Row) -> Vec<Entry> {
    Aftermath::of(row).unwrap().refunds
}

#[test]
fn what_is_reserved_holds_the_amount_and_shows_nowhere() {
    let one = reserved(&row(json!({})), Some(1500), "cre_1").unwrap();
    assert_eq!((one.status, one.amount_refunded, shown(&one).0), (Status::Paid, 0, json!([])));
    assert_eq!(left(&one, &entries(&one)), 500);
    assert_eq!(reserved(&one, Some(501), "cre_2").err(), Some(("refund_too_large".into(), Some(json!(500)))));
    let two = reserved(&one, None, "cre_2").unwrap();
    assert_eq!(entries(&two)[0].amount, 500);
    assert_eq!(reserved(&two, None, "cre_3").err(), Some(("refund_too_large".into(), Some(json!(0)))));
    assert_eq!(refund::next_check(&entries(&two), 1000), Some(1000 + RESERVED));
    // Reading it back loses nothing: a retry sends the very same form.
    assert_eq!(entries(&two)[1].form.as_deref(), entries(&one)[0].form.as_deref());
    assert_eq!(entries(&two)[1].stripe_key(), "cre_1-1");
}

#[test]
fn the_answer_takes_the_place_of_its_reservation() {
    let held = reserved(&row(json!({})), Some(1500), "cre_1").unwrap();
    let made = refund("re_1", 1500, "succeeded", json!({ "metadata": { "cc_refund": "cre_1", "cc_transaction": "cct_1" } }));
    let (after, told) = tell(held, &News::Refund(made));
    assert!(told);
    assert_eq!((after.status, after.amount_refunded, after.application_fee_refunded), (Status::PartiallyRefunded, 1500, 75));
    assert_eq!(entries(&after).len(), 1);
    assert_eq!(entries(&after)[0].form, None);
    // Attack: a merchant names our reservation in a smaller refund of his own. It is counted as his.
    let held = reserved(&row(json!({})), Some(1500), "cre_1").unwrap();
    let other = refund("re_2", 1, "succeeded", json!({ "metadata": { "cc_refund": "cre_1" } }));
    let (after, _) = tell(held, &News::Refund(other));
    assert_eq!((after.amount_refunded, entries(&after).len(), left(&after, &entries(&after))), (1, 2, 499));
}

#[test]
fn only_what_was_paid_can_be_given_back() {
    for status in Status::ALL {
        let change = json!({ "status": status.name(), "dispute": null });
        let expected = if status.sold() && status != Status::Disputed { None } else { Some("charge_not_refundable") };
        let refused = reserved(&row(change), Some(1), "cre_1").err().map(|(code, _)| code);
        // A disputed row without a case that holds the money cannot be, and would be refundable.
        if status != Status::Disputed {
            assert_eq!(refused.as_deref(), expected, "{}", status.name());
        }
    }
    for (case, refused) in
        [("needs_response", Some("charge_disputed")), ("lost", Some("charge_disputed")), ("warning_needs_response", None), ("won", None)]
    {
        let disputed = tell(row(json!({})), &News::Dispute(dispute("dp_1", case), 60)).0;
        assert_eq!(reserved(&disputed, Some(1), "cre_1").err().map(|(code, _)| code).as_deref(), refused, "{case}");
    }
}

#[test]
fn the_fee_goes_back_in_proportion_and_in_the_end_exactly() {
    for parts in [vec![2000], vec![1, 1999], vec![333, 333, 333, 333, 333, 335], vec![1; 40]] {
        let mut now = row(json!({}));
        let mut sum = 0;
        for (at, part) in parts.iter().enumerate() {
            let key = format!("cre_{at}");
            now = reserved(&now, Some(*part), &key).unwrap();
            let made = refund(&format!("re_{at}"), *part, "succeeded", json!({ "metadata": { "cc_refund": key } }));
            now = tell(now, &News::Refund(made)).0;
            sum += part;
            assert_eq!(now.application_fee_refunded, 101 * sum / 2000);
        }
    }
    // One that Stripe never made had a share while it was reserved; the cent that its rounding took is the next one's again.
    let mut given_up =
        Aftermath::of(&reserved(&reserved(&row(json!({})), Some(510), "cre_1").unwrap(), Some(1490), "cre_2").unwrap()).unwrap();
    assert_eq!(entries(&given_up.onto(&row(json!({})))).iter().map(|entry| entry.fee_refunded).collect::<Vec<_>>(), [76, 25]);
    given_up.refunds.pop();
    let now = *given_up.onto(&row(json!({})));
    let made = refund("re_2", 1490, "succeeded", json!({ "metadata": { "cc_refund": "cre_2" } }));
    assert_eq!(tell(now, &News::Refund(made)).0.application_fee_refunded, 101 * 1490 / 2000);
    // A refund of the Dashboard gives no fee back, and what is left gives back its own part only.
    let now = tell(row(json!({})), &News::Refund(refund("re_1", 1000, "succeeded", json!({})))).0;
    assert_eq!(now.application_fee_refunded, 0);
    let now = reserved(&now, None, "cre_1").unwrap();
    assert_eq!(entries(&now)[0].fee_refunded, 50);
    // The form asks for it only where there is a fee, and reverses the transfer only where there is one.
    let form = |change: Value| entries(&reserved(&row(change), Some(5), "cre_1").unwrap())[0].form.clone().unwrap();
    assert_eq!(
        form(json!({})),
        "payment_intent=pi_1&amount=5&refund_application_fee=true&metadata%5Bcc_transaction%5D=cct_1&metadata%5Bcc_refund%5D=cre_1"
    );
    assert_eq!(
        form(json!({ "application_fee_amount": 0, "charge_type": "destination" })),
        "payment_intent=pi_1&amount=5&reverse_transfer=true&metadata%5Bcc_transaction%5D=cct_1&metadata%5Bcc_refund%5D=cre_1"
    );
    // Beyond 64 bits in between.
    assert_eq!(share(999_999_999_999, 999_999_999_998, 999_999_999_999), 999_999_999_998);
    assert_eq!(share(5, 1, 0), 0);
}

#[test]
fn a_body_says_amount_and_reason_and_nothing_else() {
    let code = |body: Value| refund::read(&body).err().map(|problem| (problem.status, problem.code.to_string()));
    assert_eq!(code(json!({})), None);
    assert_eq!(code(json!({ "amount": 1, "reason": "duplicate" })), None);
    assert_eq!(code(json!({ "amount": null, "reason": null })), None);
    assert_eq!(code(json!({ "amount": 0 })), Some((422, "parameter_invalid_integer".into())));
    assert_eq!(code(json!({ "amount": -5 })), Some((422, "parameter_invalid_integer".into())));
    assert_eq!(code(json!({ "amount": "5" })), Some((400, "parameter_invalid_integer".into())));
    assert_eq!(code(json!({ "reason": "why not" })), Some((422, "parameter_invalid".into())));
    assert_eq!(code(json!({ "metadata": {} })), Some((400, "parameter_unknown".into())));
}

// --- only about this row --------------------------------------------------------------------------------------------

#[test]
fn news_counts_only_where_it_was_made() {
    let good =
        || Origin { account: Some("acct_1"), live: false, currency: Some("usd"), payment_intent: Some("pi_1"), transaction: Some("cct_1") };
    let paid = row(json!({}));
    assert_eq!(check(&paid, &good()), Ok(()));
    assert_eq!(check(&paid, &Origin { transaction: None, ..good() }), Ok(()));
    assert_eq!(check(&paid, &Origin { currency: None, ..good() }), Ok(()), "what is not said is not wrong");
    for (origin, wrong) in [
        (Origin { account: Some("acct_2"), ..good() }, Mismatch::Account),
        (Origin { account: None, ..good() }, Mismatch::Account),
        (Origin { live: true, ..good() }, Mismatch::Mode),
        (Origin { currency: Some("eur"), ..good() }, Mismatch::Currency),
        (Origin { payment_intent: Some("pi_2"), ..good() }, Mismatch::PaymentIntent),
        (Origin { payment_intent: None, ..good() }, Mismatch::PaymentIntent),
        (Origin { transaction: Some("cct_2"), ..good() }, Mismatch::Reference),
    ] {
        assert_eq!(check(&paid, &origin), Err(wrong));
    }
    let destination = row(json!({ "charge_type": "destination" }));
    assert_eq!(check(&destination, &Origin { account: None, ..good() }), Ok(()));
    assert_eq!(check(&destination, &good()), Err(Mismatch::Account));
}

#[test]
fn more_than_was_taken_is_not_about_this_row() {
    let told = |amount| {
        revise(&row(json!({ "amount_captured": 1500 })), &Told::Refunds(&[refund("re_1", amount, "succeeded", json!({}))]), "test", 1)
            .unwrap()
    };
    assert!(told(1500).is_ok());
    assert_eq!(told(1501).err(), Some(Mismatch::Amount));
    assert_eq!(told(-1).err(), Some(Mismatch::Amount));
    // Two that are each possible and not together: one of them must have failed, and the news of it is on its way.
    let two = [refund("re_1", 1500, "succeeded", json!({})), refund("re_2", 700, "succeeded", json!({}))];
    let both = revise(&row(json!({ "amount_captured": 1500 })), &Told::Refunds(&two), "test", 1).unwrap().unwrap().unwrap().row;
    assert_eq!((both.status, both.amount_refunded), (Status::Refunded, 1500));
    // And a refund never changes its amount.
    let known = tell(row(json!({})), &News::Refund(refund("re_1", 5, "pending", json!({})))).0;
    assert_eq!(
        revise(&known, &Told::Refunds(&[refund("re_1", 6, "succeeded", json!({}))]), "test", 1).unwrap().err(),
        Some(Mismatch::Amount)
    );
}

#[test]
fn a_charge_of_a_destination_goes_to_the_rows_account() {
    let charge = |change: Value| {
        Charge::from_value(merge(
            json!({ "id": "ch_1", "amount": 2000, "amount_captured": 1500, "captured": true, "payment_intent": "pi_1" }),
            change,
        ))
        .unwrap()
    };
    assert_eq!(check_charge(&row(json!({})), &charge(json!({}))), Ok(()));
    assert_eq!(check_charge(&row(json!({})), &charge(json!({ "amount": 1999 }))), Err(Mismatch::Amount));
    assert_eq!(check_charge(&row(json!({})), &charge(json!({ "amount_captured": 2001 }))), Err(Mismatch::Amount));
    let destination = row(json!({ "charge_type": "destination" }));
    let to = |account: &str| charge(json!({ "on_behalf_of": account, "transfer_data": { "destination": account } }));
    assert_eq!(check_charge(&destination, &to("acct_1")), Ok(()));
    assert_eq!(check_charge(&destination, &to("acct_2")), Err(Mismatch::Account));
    assert_eq!(check_charge(&destination, &charge(json!({}))), Err(Mismatch::Account));
    // What it says of a row that nobody said to be paid.
    let news = news_of_charge(&row(json!({ "status": "open", "payment_intent": null })), &charge(json!({}))).unwrap();
    assert_eq!((news.to, news.amount_captured, news.payment_intent.as_deref()), (Some(Status::Paid), Some(1500), Some("pi_1")));
    assert_eq!(news.application_fee, None);
    let part = charge(json!({ "application_fee_amount": 75 }));
    assert_eq!(news_of_charge(&row(json!({ "status": "authorized" })), &part).unwrap().application_fee, Some(75), "the fee of a part");
    assert_eq!(news_of_charge(&row(json!({ "total_rule": "open", "payment_intent": null })), &charge(json!({}))), None);
    assert_eq!(news_of_charge(&row(json!({})), &charge(json!({ "captured": false }))), None);
}

#[test]
fn what_cannot_be_read_is_a_fault_and_never_nothing() {
    for change in [json!({ "refunds": "" }), json!({ "refunds": "{}" }), json!({ "refunds": "[{}]" }), json!({ "dispute": "{" })] {
        assert!(Aftermath::of(&row(change)).is_err());
    }
}

/// What was told of it before may have been nobody's: then it is asked for.
#[test]
fn a_refund_from_before_the_payment_was_known_is_not_believed_as_it_was_told() {
    let told = |change| refund("re_1", 500, "succeeded", change);
    let paid = |change| row(merge(json!({ "paid_at": 100 }), change));
    assert!(outdated(&paid(json!({})), &told(json!({}))).unwrap(), "of the same second");
    assert!(outdated(&row(json!({})), &told(json!({}))).unwrap());
    assert!(!outdated(&paid(json!({ "paid_at": 99 })), &told(json!({}))).unwrap());
    assert!(!outdated(&paid(json!({})), &told(json!({ "metadata": { "cc_refund": "cre_1" } }))).unwrap(), "the shop's own");
    let (known, _) = tell(paid(json!({})), &News::Refund(told(json!({}))));
    assert!(!outdated(&known, &told(json!({}))).unwrap());
}

/// What a charge's sum adds to the refunds that are told with it: `[(id, amount)]`.
fn completed(row: &Row, charge: Value, mut refunds: Vec<Refund>) -> Vec<(String, i64)> {
    let charge = Charge::from_value(merge(json!({ "id": "ch_1", "amount": 2000, "payment_intent": "pi_1" }), charge)).unwrap();
    complete(row, &charge, &mut refunds, 1000).unwrap();
    refunds.into_iter().map(|refund| (refund.id, refund.amount)).collect()
}

#[test]
fn a_sum_stands_for_what_nobody_tells_and_for_nothing_else() {
    let paid = row(json!({}));
    let rest = |sum: i64, amount: i64| vec![(format!("ch_1_refunded_{sum}"), amount)];
    assert_eq!(completed(&paid, json!({ "amount_refunded": 500 }), vec![]), rest(500, 500));
    let listed = || vec![refund("re_1", 500, "succeeded", json!({}))];
    assert_eq!(completed(&paid, json!({ "amount_refunded": 500 }), listed()).len(), 1, "the list tells it");
    assert_eq!(completed(&paid, json!({ "amount_refunded": 700 }), listed())[1..], rest(700, 200));
    let failed = vec![refund("re_1", 500, "failed", json!({}))];
    assert_eq!(completed(&paid, json!({ "amount_refunded": 500 }), failed).len(), 1, "the sum is of before it failed");
    // Known here, or asked for here and not answered yet.
    let known = |entry: Value| {
        row(json!({ "refunds": json!([merge(json!({ "amount": 500, "status": "succeeded", "created": 1 }), entry)]).to_string() }))
    };
    assert_eq!(completed(&known(json!({ "id": "re_1" })), json!({ "amount_refunded": 500 }), vec![]), []);
    assert_eq!(completed(&known(json!({ "key": "cre_1", "status": "reserved" })), json!({ "amount_refunded": 500 }), vec![]), []);
    assert_eq!(completed(&known(json!({ "id": "re_1" })), json!({ "amount_refunded": 600 }), vec![]), rest(600, 100));
    // Captured in part: what was released is in the sum, and was never paid.
    let part = row(json!({ "amount_captured": 1500 }));
    assert_eq!(completed(&part, json!({ "amount_refunded": 500 }), vec![]), []);
    assert_eq!(completed(&paid, json!({ "amount_refunded": 500, "amount_captured": 1500 }), vec![]), []);
    // Told later, it takes the place of the sum.
    let (sum, _) = tell(paid, &News::Refund(refund("ch_1_refunded_500", 500, "succeeded", json!({}))));
    let (after, told) = tell(sum, &News::Refund(refund("re_9", 500, "succeeded", json!({}))));
    assert_eq!((after.amount_refunded, told), (500, true));
    assert_eq!(Aftermath::of(&after).unwrap().refunds.iter().filter_map(|entry| entry.id.as_deref()).collect::<Vec<_>>(), ["re_9"]);
}
