//! Disputes: a buyer's bank takes a payment back, or asks about it (an inquiry, whose statuses begin with `warning_`).

use super::Expandable;
use super::call::Call;
use super::payment_intent::Reference;

record! {
    /// A dispute, as its events have it.
    #[derive(Debug)]
    pub struct Dispute {
        pub id: String,
        pub amount: i64,
        pub currency: Option<String>,
        /// `warning_needs_response`, `warning_under_review`, `warning_closed`, `needs_response`, `under_review`, `won`, `lost`, …
        pub status: String,
        pub reason: Option<String>,
        /// Required: a guess would mix test and live.
        pub livemode: bool,
        pub created: i64 = lenient,
        pub payment_intent: Option<Expandable<Reference>>,
        /// Whether the payment can still be refunded, as during an inquiry.
        pub is_charge_refundable: bool = lenient,
        pub evidence_details: Option<EvidenceDetails>,
    }
}

record! {
    #[derive(Debug)]
    pub struct EvidenceDetails {
        /// Until when the merchant may answer, Unix seconds.
        pub due_by: Option<i64>,
    }
}

pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("disputes", id, account, &[])
}
