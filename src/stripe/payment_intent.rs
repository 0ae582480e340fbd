//! PaymentIntents and their charges, as far as the ledger needs them.

use super::call::Call;
use super::{Expandable, Identified};
use serde_json::{Map, Value};

record! {
    /// A PaymentIntent. Only what identifies it is required; all else may be missing in an event of another version.
    #[derive(Debug)]
    pub struct PaymentIntent {
        pub id: String,
        /// `requires_payment_method`, `processing`, `requires_capture`, `succeeded`, `canceled`, …
        pub status: String = lenient,
        /// 0 when missing, which is no row's amount.
        pub amount: i64 = lenient,
        pub amount_received: i64 = lenient,
        pub amount_capturable: i64 = lenient,
        pub currency: Option<String>,
        /// Required: a guess would mix test and live.
        pub livemode: bool,
        pub metadata: Map<String, Value> = lenient,
        pub on_behalf_of: Option<Expandable<Reference>>,
        pub transfer_data: Option<TransferData>,
        pub latest_charge: Option<Expandable<Charge>>,
        pub capture_method: Option<String>,
        pub application_fee_amount: Option<i64>,
        /// Why the last attempt failed: an error object of Stripe's.
        pub last_payment_error: Option<Value>,
    }
}

impl Identified for PaymentIntent {
    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentIntent {
    /// Until when an authorised amount can be captured, where Stripe says so.
    pub fn capture_before(&self) -> Option<i64> {
        self.latest_charge.as_ref()?.object()?.capture_before()
    }
}

record! {
    #[derive(Debug)]
    pub struct TransferData {
        pub destination: Option<Expandable<Reference>>,
    }
}

impl TransferData {
    /// The connected account of a destination charge.
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_ref().map(Expandable::id)
    }
}

record! {
    /// Any object of which only the id matters.
    #[derive(Debug)]
    pub struct Reference {
        pub id: String,
    }
}

impl Identified for Reference {
    fn id(&self) -> &str {
        &self.id
    }
}

record! {
    /// A charge.
    #[derive(Debug)]
    pub struct Charge {
        pub id: String,
        /// Its shape depends on the payment method; read through [`Charge::capture_before`].
        pub payment_method_details: Value,
    }
}

impl Charge {
    pub fn capture_before(&self) -> Option<i64> {
        self.payment_method_details.pointer("/card/capture_before")?.as_i64()
    }
}

impl Identified for Charge {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Fetches a PaymentIntent with its latest charge.
pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("payment_intents", id, account, &["latest_charge"])
}
