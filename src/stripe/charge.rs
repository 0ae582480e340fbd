//! Charges: what a PaymentIntent has taken. Their events tell of refunds, with the sum and without the refunds themselves.

use super::call::Call;
use super::payment_intent::{Reference, TransferData};
use super::{Expandable, Identified};
use serde_json::{Map, Value};

record! {
    /// A charge. Only what identifies it is required; all else may be missing in an event of another version.
    #[derive(Debug)]
    pub struct Charge {
        pub id: String = lenient,
        /// What was authorised.
        pub amount: i64 = lenient,
        pub amount_captured: i64 = lenient,
        /// The sum of all refunds, failed ones not counted. An authorisation that was released counts as refunded too.
        pub amount_refunded: i64 = lenient,
        /// `false`: only authorised, or released.
        pub captured: Option<bool>,
        /// Less than was agreed where less was captured.
        pub application_fee_amount: Option<i64>,
        pub currency: Option<String>,
        pub livemode: bool = lenient,
        /// That of the PaymentIntent, copied when the charge was made.
        pub metadata: Map<String, Value> = lenient,
        pub payment_intent: Option<Expandable<Reference>>,
        pub on_behalf_of: Option<Expandable<Reference>>,
        pub transfer_data: Option<TransferData>,
        /// Older versions have the refunds in it: a list.
        pub refunds: Value,
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

pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("charges", id, account, &[])
}
