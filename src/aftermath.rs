//! What becomes of a transaction after it was paid: refunds and disputes, in whatever order the news of them comes.
//!
//! Every refund and dispute only moves forward by itself, and all else (status, sums) is decided anew from all of them. So a failed
//! refund or a dispute that was won leads back, the two ways of the contract that do, and any order of the same news ends the same.

use crate::dispute::{self, Case};
use crate::error::{Problem, Result};
use crate::ledger::{self, Mismatch, Row, Status};
use crate::record::{Json, Member, Record};
use crate::refund::{self, Entry};
use crate::stripe::{Charge, Dispute, Refund};
use serde_json::Value;

/// The refunds and disputes of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aftermath {
    pub refunds: Vec<Entry>,
    pub disputes: Vec<Case>,
}

/// What Stripe says.
pub enum Told<'a> {
    Refunds(&'a [Refund]),
    /// And when it said so, Unix seconds.
    Dispute(&'a Dispute, i64),
}

/// The row as it is after the news.
#[derive(Debug)]
pub struct Revised {
    pub row: Box<Row>,
    pub check_at: Option<i64>,
    /// The notice that is owed, with what makes it this one; none when nothing changed that the shop can see.
    pub notice: Option<(&'static str, String)>,
}

fn list<T: Member>(text: &str) -> Option<Vec<T>> {
    Vec::read(text.parse::<Value>().ok())
}

impl Aftermath {
    /// What a row has; text of ours that cannot be read is a fault, never an empty list.
    pub fn of(row: &Row) -> Result<Self> {
        let refunds = list(&row.refunds).ok_or_else(|| Problem::fault("unreadable refunds of a row"))?;
        let disputes = list(row.dispute.as_deref().unwrap_or("[]")).ok_or_else(|| Problem::fault("unreadable disputes of a row"))?;
        Ok(Aftermath { refunds, disputes })
    }

    /// Whether a disputed payment may still be given back: only while no case holds the money.
    pub fn refundable(&self) -> bool {
        self.disputes.iter().all(|case| case.refundable || !case.stands())
    }

    /// The row with all that follows.
    pub fn onto(&self, row: &Row) -> Box<Row> {
        // More than was taken is given back only as long as the failure of one of them has not been heard of.
        let refunded = refund::refunded(&self.refunds).min(row.amount_captured);
        let mut after = Box::new(row.clone());
        let mut refunds = self.refunds.clone();
        refund::share_fee(row, &mut refunds);
        after.refunds = refunds.text();
        after.dispute = if self.disputes.is_empty() { None } else { Some(self.disputes.text()) };
        after.amount_refunded = refunded;
        after.application_fee_refunded = refund::fee_refunded(&refunds).min(row.application_fee_amount);
        after.status = if self.disputes.iter().any(Case::stands) {
            Status::Disputed
        } else if refunded == 0 {
            Status::Paid
        } else if refunded < row.amount_captured {
            Status::PartiallyRefunded
        } else {
            Status::Refunded
        };
        after
    }
}

/// What a row shows of its refunds and of its disputes.
pub fn shown(row: &Row) -> (Value, Value) {
    let known = Aftermath::of(row).unwrap_or_default();
    let refunds: Vec<Value> = known.refunds.iter().filter(|entry| !entry.reserved()).map(Entry::shown).collect();
    (Value::Array(refunds), dispute::shown(&known.disputes).map_or(Value::Null, Case::shown))
}

/// Where news of a refund, a charge or a dispute comes from, and what it names.
#[derive(Default)]
pub struct Origin<'a> {
    /// The connected account; none for what lives on the platform.
    pub account: Option<&'a str>,
    pub live: bool,
    pub currency: Option<&'a str>,
    pub payment_intent: Option<&'a str>,
    /// Our `cct_…`, where the object names one.
    pub transaction: Option<&'a str>,
}

/// Compares the news with the row in full.
pub fn check(row: &Row, origin: &Origin) -> std::result::Result<(), Mismatch> {
    let differs = [
        (origin.account != row.stripe_account(), Mismatch::Account),
        (origin.transaction.is_some_and(|named| named != row.id), Mismatch::Reference),
        (origin.live != (row.livemode != 0), Mismatch::Mode),
        (origin.currency.is_some_and(|told| told != row.currency), Mismatch::Currency),
        (
            origin.payment_intent.is_none() || row.payment_intent.is_some() && origin.payment_intent != row.payment_intent.as_deref(),
            Mismatch::PaymentIntent,
        ),
    ];
    differs.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, mismatch)| Err(mismatch))
}

/// Whether what was told of a refund may be older than what was told before and belonged to nobody: one that was made elsewhere, and
/// before anybody here knew of the payment (its failure may have been heard first, of a payment that no row had yet).
pub fn outdated(row: &Row, refund: &Refund) -> Result<bool> {
    let known = Aftermath::of(row)?.refunds.iter().any(|entry| entry.id.as_ref() == Some(&refund.id));
    Ok(!known && !refund.metadata.contains_key("cc_refund") && before_paid(row, refund.created))
}

/// Refunds that the charge itself has (older versions show them), and what of its sum is explained by nothing: one for the rest, which
/// gives way when Stripe tells what it was (see [`refund::tell`]).
pub fn complete(row: &Row, charge: &Charge, refunds: &mut Vec<Refund>, now: i64) -> Result<()> {
    for embedded in charge.refunds.get("data").and_then(Value::as_array).into_iter().flatten() {
        if let Ok(refund) = Refund::from_value(embedded.clone())
            && refunds.iter().all(|other| other.id != refund.id)
        {
            refunds.push(refund);
        }
    }
    // Failed ones too: the sum may be of a time when they had not failed. And those of ours that Stripe has not answered yet.
    let told = refunds.iter().fold(0_i64, |sum, refund| sum.saturating_add(refund.amount));
    let known = Aftermath::of(row)?.refunds;
    let others = known.iter().filter(|entry| entry.id.as_ref().is_none_or(|id| refunds.iter().all(|refund| refund.id != *id)));
    let rest = others.fold(charge.amount_refunded.saturating_sub(told), |rest, entry| rest.saturating_sub(entry.amount));
    // Of a payment that was captured in part the sum counts in what was released, which nobody had paid.
    let whole = row.amount_captured == row.amount && (charge.amount_captured == 0 || charge.amount_captured == charge.amount);
    if rest > 0 && whole && !charge.id.is_empty() {
        refunds.push(Refund {
            id: refund::rest_id(&charge.id, charge.amount_refunded),
            amount: rest,
            status: "succeeded".to_owned(),
            created: now,
            ..Refund::default()
        });
    }
    Ok(())
}

/// Whether something happened before the row knew that it was paid.
pub fn before_paid(row: &Row, at: i64) -> bool {
    row.paid_at.is_none_or(|paid| at <= paid)
}

/// Takes in what Stripe says of a row that was paid; none where it is nothing new.
pub fn revise(row: &Row, told: &Told, by: &str, now: i64) -> Result<std::result::Result<Option<Revised>, Mismatch>> {
    let mut known = Aftermath::of(row)?;
    let mut news: Vec<String> = Vec::new();
    let mut quiet = false;
    let kind = match told {
        Told::Refunds(refunds) => {
            for refund in *refunds {
                match refund::tell(row, &mut known.refunds, refund) {
                    Ok(change) => news.extend(change),
                    Err(mismatch) => return Ok(Err(mismatch)),
                }
            }
            "transaction.refunded"
        }
        Told::Dispute(dispute, at) => {
            match dispute::tell(&mut known.disputes, dispute, *at) {
                dispute::Told::News(change) => news.push(change),
                dispute::Told::Quiet => quiet = true,
                dispute::Told::Nothing => {}
            }
            "transaction.disputed"
        }
    };
    if news.is_empty() && !quiet {
        return Ok(Ok(None));
    }
    let mut after = known.onto(row);
    for change in &news {
        let (id, status) = change.split_once('/').unwrap_or_default();
        let what = if kind == "transaction.refunded" { "refund." } else { "dispute." };
        after.events = ledger::with_event(&after.events, object! { "type": [what, status].concat(), "created": now, "by": by, "id": id });
    }
    // A dispute may come back to a status that it had before, and that is news again.
    let when = if let Told::Dispute(_, at) = told { ["@", &at.to_string()].concat() } else { String::new() };
    let notice = (!news.is_empty()).then(|| (kind, [&row.id, "/", kind, "/", &news.join("+"), &when].concat()));
    Ok(Ok(Some(Revised { check_at: refund::next_check(&known.refunds, now), row: after, notice })))
}
