//! Refunds: the form that makes one, and what comes back.

use super::Expandable;
use super::call::{Base, Call, Version};
use super::form::Form;
use super::payment_intent::Reference;
use serde_json::{Map, Value};

/// All that a refund is made of.
pub struct Terms<'a> {
    pub payment_intent: &'a str,
    /// Minor units.
    pub amount: i64,
    /// `duplicate`, `fraudulent` or `requested_by_customer`.
    pub reason: Option<&'a str>,
    /// Gives the platform's fee back in proportion; refused by Stripe where there was none.
    pub fee_back: bool,
    /// A destination charge: takes the money back from the account that it went to.
    pub destination: bool,
    /// Our `cct_…`.
    pub transaction: &'a str,
    /// Our `cre_…`, by which the refund is found when its answer was lost.
    pub refund: &'a str,
}

/// The body of `POST /v1/refunds`. The same terms give the same bytes, as an idempotency key demands.
pub fn create_form(terms: &Terms) -> String {
    let mut form = Form::new();
    form.push("payment_intent", terms.payment_intent);
    form.push("amount", terms.amount);
    form.push_some("reason", terms.reason);
    if terms.fee_back {
        form.push("refund_application_fee", true);
    }
    if terms.destination {
        form.push("reverse_transfer", true);
    }
    form.push("metadata[cc_transaction]", terms.transaction);
    form.push("metadata[cc_refund]", terms.refund);
    form.encode()
}

/// Makes a refund. `account` is the shop's, or none for a destination charge.
pub fn create(form: &str, account: Option<&str>, key: &str) -> Call {
    Call::post("/v1/refunds".to_owned(), form, account, key)
}

pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("refunds", id, account, &[])
}

/// The refunds of a payment, newest first, a page at a time.
pub fn list(payment_intent: &str, after: Option<&str>, account: Option<&str>) -> Call {
    let mut query = Form::new();
    query.push("payment_intent", payment_intent);
    query.push("limit", 100);
    query.push_some("starting_after", after);
    Call {
        base: Base::Api,
        method: "GET",
        path: ["/v1/refunds?", &query.encode()].concat(),
        account: account.map(str::to_owned),
        idempotency_key: None,
        form: None,
        json: None,
        version: Version::Released,
    }
}

record! {
    /// A page of [`list`].
    #[derive(Debug)]
    pub struct Page {
        pub data: Vec<Refund>,
        pub has_more: bool = lenient,
    }
}

record! {
    /// A refund.
    #[derive(Debug)]
    pub struct Refund {
        pub id: String,
        /// 0 when missing, which no refund is of.
        pub amount: i64 = lenient,
        pub currency: Option<String>,
        /// `pending`, `requires_action`, `succeeded`, `failed` or `canceled`.
        pub status: String,
        pub reason: Option<String>,
        pub failure_reason: Option<String>,
        pub created: i64 = lenient,
        pub payment_intent: Option<Expandable<Reference>>,
        /// Empty for one that was made in the Dashboard.
        pub metadata: Map<String, Value> = lenient,
    }
}
