//! What a buyer's bank takes back, or asks about.

use crate::record::Json;
use crate::stripe::Dispute;
use serde_json::Value;

record! {
    /// A dispute of a row.
    #[derive(Debug, PartialEq)]
    pub struct Case {
        pub id: String,
        /// Minor units of the row's currency; may differ from what was paid.
        pub amount: i64,
        /// Stripe's word.
        pub status: String,
        pub reason: Option<String>,
        pub created: i64,
        /// Until when the merchant may answer, Unix seconds.
        pub evidence_due_by: Option<i64>,
        pub refundable: bool,
        /// When Stripe said so.
        pub told: i64,
    }
}

impl Case {
    /// Whether the money is with the bank, or may still go there. What was won, and an inquiry that came to nothing, is over.
    pub fn stands(&self) -> bool {
        !matches!(self.status.as_str(), "won" | "warning_closed" | "prevented" | "charge_refunded")
    }

    /// As a transaction shows it.
    pub fn shown(&self) -> Value {
        object! { "id": self.id, "amount": self.amount, "status": self.status, "reason": self.reason, "created": self.created,
        "evidence_due_by": self.evidence_due_by, "refundable": self.refundable }
    }

    /// News counts by the larger of these. A case goes from inquiry to dispute and from open to closed, and never back; within one of
    /// these, what was said later counts. Events of one second are told apart by the word, so that any order of them ends the same.
    fn standing(&self) -> (u8, i64, u8) {
        let (phase, place) = match self.status.as_str() {
            "warning_needs_response" => (1, 0),
            "warning_under_review" => (1, 1),
            "warning_closed" => (2, 0),
            "prevented" => (4, 0),
            "charge_refunded" => (4, 1),
            "won" => (4, 2),
            "lost" => (4, 3),
            "under_review" => (3, 2),
            "needs_response" => (3, 1),
            // A word of a later version.
            _ => (3, 0),
        };
        (phase, self.told, place)
    }
}

/// As the row keeps it.
impl Json for Case {
    fn json(&self) -> Value {
        let mut object = self.shown();
        if let Value::Object(members) = &mut object {
            members.insert("told".into(), self.told.json());
        }
        object
    }
}

/// The one that a transaction shows: one that stands before one that is over, the newest first.
pub fn shown(cases: &[Case]) -> Option<&Case> {
    cases.iter().max_by_key(|case| (case.stands(), case.created, &case.id))
}

/// What taking in a dispute did.
pub enum Told {
    /// Older than what is known, or the same.
    Nothing,
    /// Only when it was said last.
    Quiet,
    /// What it is now: `dp_…/needs_response`.
    News(String),
}

/// Takes in what Stripe said of a dispute at `told`, Unix seconds.
pub fn tell(cases: &mut Vec<Case>, dispute: &Dispute, told: i64) -> Told {
    let case = Case {
        id: dispute.id.clone(),
        amount: dispute.amount,
        status: dispute.status.clone(),
        reason: dispute.reason.clone(),
        created: dispute.created,
        evidence_due_by: dispute.evidence_details.as_ref().and_then(|details| details.due_by),
        refundable: dispute.is_charge_refundable,
        told,
    };
    let news = [&case.id, "/", &case.status].concat();
    match cases.iter_mut().find(|known| known.id == case.id) {
        Some(known) if known.standing() >= case.standing() => return Told::Nothing,
        Some(known) => {
            let same = known.shown() == case.shown();
            *known = case;
            if same {
                return Told::Quiet;
            }
        }
        None => cases.push(case),
    }
    Told::News(news)
}
