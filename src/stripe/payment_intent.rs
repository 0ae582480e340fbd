//! PaymentIntents and their charges, as far as the ledger needs them.

use super::call::Call;
use super::charge::Charge;
use super::form::{Form, segment};
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

/// Fetches a PaymentIntent with its latest charge.
pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("payment_intents", id, account, &["latest_charge"])
}

/// The form that takes an authorised amount. `fee` replaces the fee that was agreed, where less than the whole is taken.
pub fn capture_form(amount: i64, fee: Option<i64>) -> String {
    let mut form = Form::new();
    form.push("amount_to_capture", amount);
    form.push_some("application_fee_amount", fee);
    form.encode()
}

/// Takes an authorised amount; what is not taken is released.
pub fn capture(id: &str, form: &str, account: Option<&str>, key: &str) -> Call {
    Call::post(format!("/v1/payment_intents/{}/capture", segment(id)), form, account, key)
}
