//! What is given back of a payment: reserved before Stripe is asked, then as Stripe says.
//!
//! The row's `refunds` holds every one of them, those that are only reserved too, so that two requests at once can never give back
//! more than was paid: each is written by a statement that wants the list unchanged.

use crate::error::{Problem, Result};
use crate::fields::{Fields, MAX_SAFE_INTEGER};
use crate::ledger::{Mismatch, Row, Status};
use crate::record::Json;
use crate::stripe::Refund;
use crate::stripe::refund::{self, Terms};
use serde_json::Value;

/// What a shop may say of a refund; Stripe's words.
pub const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
/// After this many seconds without an answer a reservation is looked for at Stripe: a call gets 10 s, so what is not there then
/// was never made.
pub const RESERVED: i64 = 120;

const HELD: &str = "reserved";

record! {
    /// One refund of a row.
    #[derive(Debug, PartialEq)]
    pub struct Entry {
        /// Stripe's `re_…`; none while it is only reserved.
        pub id: Option<String>,
        /// Our `cre_…`; none for one that was made elsewhere, as in the Dashboard.
        pub key: Option<String>,
        /// Minor units.
        pub amount: i64,
        /// Stripe's word, or `reserved`.
        pub status: String,
        pub reason: Option<String>,
        pub failure_reason: Option<String>,
        /// What of the platform's fee goes back with it. Only the platform can give it back, so a refund made elsewhere has none.
        pub fee_refunded: i64 = lenient,
        pub created: i64,
        /// While it is reserved: the exact form, how many keys of Stripe's were used up, and until when an answer may come.
        pub form: Option<String>,
        pub tries: i64 = lenient,
        pub until: i64 = lenient,
    }
}

impl Entry {
    pub fn reserved(&self) -> bool {
        self.status == HELD
    }

    /// Whether the money is given back, or on its way.
    pub fn counts(&self) -> bool {
        !matches!(self.status.as_str(), HELD | "failed" | "canceled")
    }

    /// Whether the amount cannot be given back a second time.
    fn holds(&self) -> bool {
        self.reserved() || self.counts()
    }

    /// The key of the request to Stripe.
    pub fn stripe_key(&self) -> String {
        format!("{}-{}", self.key.as_deref().unwrap_or_default(), self.tries.saturating_add(1))
    }

    /// As a transaction shows it.
    pub fn shown(&self) -> Value {
        object! { "id": self.id, "amount": self.amount, "status": self.status, "reason": self.reason, "failure_reason": self.failure_reason,
        "fee_refunded": self.fee_refunded, "created": self.created }
    }

    /// The `refund` object of the contract.
    pub fn object(&self, row: &Row) -> Value {
        let mut object = self.shown();
        if let Value::Object(members) = &mut object {
            members.insert("object".into(), "refund".json());
            members.insert("currency".into(), row.currency.json());
            members.insert("transaction".into(), row.id.json());
            members.insert("payment_intent".into(), row.payment_intent.json());
        }
        object
    }
}

/// As the row keeps it.
impl Json for Entry {
    fn json(&self) -> Value {
        let mut object = self.shown();
        if let Value::Object(members) = &mut object {
            members.insert("key".into(), self.key.json());
            if self.reserved() {
                members.insert("form".into(), self.form.json());
                members.insert("tries".into(), self.tries.json());
                members.insert("until".into(), self.until.json());
            }
        }
        object
    }
}

/// How far a refund has come; news never leads back. `failed` is the last: a refund that had succeeded may still fail.
fn rank(status: &str) -> u8 {
    match status {
        HELD => 0,
        "pending" => 1,
        "requires_action" => 2,
        "succeeded" => 3,
        "canceled" => 4,
        "failed" => 5,
        // A word of a later version: between what is under way and what is done.
        _ => 2,
    }
}

fn sum(entries: &[Entry], of: fn(&Entry) -> i64, which: fn(&Entry) -> bool) -> i64 {
    entries.iter().filter(|entry| which(entry)).fold(0, |sum, entry| sum.saturating_add(of(entry)))
}

/// What is given back.
pub fn refunded(entries: &[Entry]) -> i64 {
    sum(entries, |entry| entry.amount, Entry::counts)
}

/// What of the fee is given back.
pub fn fee_refunded(entries: &[Entry]) -> i64 {
    sum(entries, |entry| entry.fee_refunded, Entry::counts)
}

/// Shares out anew what of the fee goes back with each refund of ours, the oldest first. Counted from the whole, as Stripe does: many
/// small refunds give back exactly what one large one does. Anew, because a reservation that was given up had a share, and the
/// cent that its rounding cost belongs to the others.
pub fn share_fee(row: &Row, entries: &mut [Entry]) {
    let (mut amount, mut given) = (0_i64, 0_i64);
    for entry in entries.iter_mut().rev().filter(|entry| entry.key.is_some() && entry.holds()) {
        amount = amount.saturating_add(entry.amount);
        let fee = share(row.application_fee_amount, amount, row.amount_captured).max(given);
        entry.fee_refunded = fee.saturating_sub(given);
        given = fee;
    }
}

/// What can still be given back.
pub fn left(row: &Row, entries: &[Entry]) -> i64 {
    row.amount_captured.saturating_sub(sum(entries, |entry| entry.amount, Entry::holds)).max(0)
}

/// When a row is to be looked at for its refunds' sake: those without an answer soon, those under way at Stripe twice a day.
pub fn next_check(entries: &[Entry], now: i64) -> Option<i64> {
    const HALF_A_DAY: i64 = 12 * 3600;
    const MONTH: i64 = 30 * 24 * 3600;
    let due = |entry: &Entry| match entry.status.as_str() {
        HELD => Some(entry.until),
        "pending" | "requires_action" if entry.created.saturating_add(MONTH) > now => Some(now.saturating_add(HALF_A_DAY)),
        _ => None,
    };
    entries.iter().filter_map(due).min()
}

/// What a shop asks for.
#[derive(Debug)]
pub struct Wish {
    /// Everything that is left, when none.
    pub amount: Option<i64>,
    pub reason: Option<&'static str>,
}

/// Reads the body of `POST /v1/transactions/{id}/refunds`.
pub fn read(body: &Value) -> Result<Wish> {
    let fields = Fields::open(body, "", &["amount", "reason"])?;
    let words = REASONS.map(|word| (word, word));
    Ok(Wish { amount: fields.integer("amount", 1, MAX_SAFE_INTEGER)?, reason: fields.choice("reason", &words)? })
}

/// Decides a refund, and writes it down as reserved. `key` is our `cre_…`; `refundable` says whether a dispute lets it be.
pub fn reserve(row: &Row, entries: &[Entry], refundable: bool, wish: &Wish, key: &str, now: i64) -> Result<Entry> {
    let payment_intent = match (&row.payment_intent, row.status) {
        (_, Status::Disputed) if !refundable => {
            return Err(Problem::request(
                422,
                "charge_disputed",
                "The payment is disputed: the bank already holds the money, and giving it back as well would pay it twice.",
            ));
        }
        (Some(payment_intent), status) if status.sold() => payment_intent,
        (_, status) => {
            return Err(Problem::request(
                422,
                "charge_not_refundable",
                format!("Only what was paid can be given back; this transaction is {}.", status.name()),
            ));
        }
    };
    let left = left(row, entries);
    let amount = wish.amount.unwrap_or(left);
    if amount > left || amount < 1 {
        let problem =
            format!("{left} of {} {} is left to be given back; this asks for {}.", row.amount_captured, row.currency, amount.max(1));
        return Err(Problem::value("refund_too_large", "amount", problem).with("amount_left", left.json()));
    }
    let fee_back = row.application_fee_amount > 0;
    let form = refund::create_form(&Terms {
        payment_intent,
        amount,
        reason: wish.reason,
        fee_back,
        destination: row.destination(),
        transaction: &row.id,
        refund: key,
    });
    Ok(Entry {
        id: None,
        key: Some(key.to_owned()),
        amount,
        status: HELD.to_owned(),
        reason: wish.reason.map(str::to_owned),
        failure_reason: None,
        // Its share is reckoned with those of all others (`share_fee`).
        fee_refunded: 0,
        created: now,
        form: Some(form),
        tries: 0,
        until: now.saturating_add(RESERVED),
    })
}

/// `whole` × `part` ÷ `of`, rounded down.
pub fn share(whole: i64, part: i64, of: i64) -> i64 {
    let exact = i128::from(whole).saturating_mul(i128::from(part)).checked_div(i128::from(of)).unwrap_or(0);
    i64::try_from(exact).unwrap_or(0)
}

/// What a refund is called that is known by the charge's sum alone.
pub fn rest_id(charge: &str, sum: i64) -> String {
    format!("{charge}{REST}{sum}")
}

const REST: &str = "_refunded_";

/// A refund that Stripe tells now is part of what was only known as a sum.
fn absorb(entries: &mut Vec<Entry>, mut amount: i64) {
    for entry in entries.iter_mut().filter(|entry| entry.id.as_ref().is_some_and(|id| id.contains(REST))) {
        let part = entry.amount.min(amount);
        entry.amount = entry.amount.saturating_sub(part);
        amount = amount.saturating_sub(part);
    }
    entries.retain(|entry| entry.amount > 0 || !entry.id.as_ref().is_some_and(|id| id.contains(REST)));
}

/// Takes in what Stripe says of a refund; answers what it is now (`re_…/succeeded`) where that is news.
pub fn tell(row: &Row, entries: &mut Vec<Entry>, told: &Refund) -> std::result::Result<Option<String>, Mismatch> {
    let by_id = entries.iter().position(|entry| entry.id.as_ref() == Some(&told.id));
    // Ours by its metadata, and only if it is what was asked for: a merchant can write any metadata on a refund of his own.
    let key = told.metadata.get("cc_refund").and_then(Value::as_str);
    let ours = |entry: &Entry| entry.id.is_none() && entry.key.as_deref() == key && key.is_some() && entry.amount == told.amount;
    if told.amount <= 0 || told.amount > row.amount_captured {
        return Err(Mismatch::Amount);
    }
    let reserved = entries.iter().position(ours);
    // Its event came first and did not say whose it is; its answer does.
    if let (Some(at), Some(mine)) = (by_id, reserved)
        && entries.get(at).is_some_and(|entry| entry.key.is_none() && entry.amount == told.amount)
    {
        let mine = entries.remove(mine);
        if let Some(entry) = entries.iter_mut().find(|entry| entry.id.as_ref() == Some(&told.id)) {
            (entry.key, entry.fee_refunded, entry.reason) = (mine.key, mine.fee_refunded, mine.reason.or(entry.reason.take()));
        }
        return Ok(Some([&told.id, "/", &told.status].concat()));
    }
    let place = by_id.or(reserved);
    if place.is_none() && !told.id.contains(REST) {
        absorb(entries, told.amount);
    }
    let known = place.and_then(|place| entries.get(place));
    if known.is_some_and(|entry| entry.amount != told.amount) {
        return Err(Mismatch::Amount);
    }
    if known.is_some_and(|entry| rank(&told.status) <= rank(&entry.status)) {
        return Ok(None);
    }
    let known = place.map(|place| entries.remove(place)).unwrap_or_default();
    let entry = Entry {
        id: Some(told.id.clone()),
        amount: told.amount,
        status: told.status.clone(),
        reason: known.reason.or_else(|| told.reason.clone()),
        failure_reason: told.failure_reason.clone(),
        created: told.created,
        key: known.key,
        fee_refunded: known.fee_refunded,
        ..Entry::default()
    };
    // Newest first, and the same list whatever order the news came in.
    let place = entries.iter().position(|other| (other.created, &other.id) <= (entry.created, &entry.id)).unwrap_or(entries.len());
    entries.insert(place, entry);
    Ok(Some([&told.id, "/", &told.status].concat()))
}
