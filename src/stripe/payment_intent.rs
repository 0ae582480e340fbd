//! PaymentIntents and their charges, as far as the ledger needs them.

use super::call::{Base, Call, Version};
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
        /// Required, or known from where it stands (see [`super::known`]): a guess would mix test and live.
        pub livemode: bool,
        pub metadata: Map<String, Value> = lenient,
        pub on_behalf_of: Option<Expandable<Reference>>,
        pub transfer_data: Option<TransferData>,
        pub latest_charge: Option<Expandable<Charge>>,
        pub capture_method: Option<String>,
        pub application_fee_amount: Option<i64>,
        /// Of the agent that ordered, where one did (private preview).
        pub agent_details: Value,
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
    /// The answer to a call about a row's own payment: what it leaves out is as it was asked for. `received`: what was to be taken.
    pub fn answering(mut self, row: &str, currency: &str, amount: i64, received: i64) -> Self {
        self.metadata.entry("cc_transaction").or_insert(Value::String(row.to_owned()));
        self.currency = self.currency.or_else(|| Some(currency.to_owned()));
        if self.amount == 0 {
            self.amount = amount;
        }
        if self.amount_received == 0 && self.status == "succeeded" {
            self.amount_received = received;
        }
        self
    }

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

/// All that an agent's payment is made of.
pub struct Terms<'a> {
    /// Minor units.
    pub amount: i64,
    pub currency: &'a str,
    /// The shared payment token that the agent was granted: `spt_…`.
    pub token: &'a str,
    /// Our `cct_…`, by which the payment is found when its answer was lost.
    pub transaction: &'a str,
    /// The checkout's id.
    pub checkout_session: &'a str,
    pub agent: Option<&'a str>,
    /// What the buyer's statement of the payment says.
    pub description: &'a str,
    /// Where Stripe sends a receipt to, if the account has it sent.
    pub receipt_email: Option<&'a str>,
    pub shipping: Option<&'a Shipping<'a>>,
    /// The platform's application fee.
    pub fee: i64,
    pub account: &'a str,
    /// A destination charge: made by the platform on behalf of `account`.
    pub destination: bool,
    pub three_d_secure: Option<&'a ThreeDSecure<'a>>,
}

/// Where the goods go.
pub struct Shipping<'a> {
    pub name: &'a str,
    pub phone: Option<&'a str>,
    pub line_one: &'a str,
    pub line_two: Option<&'a str>,
    pub city: &'a str,
    pub state: &'a str,
    pub country: &'a str,
    pub postal_code: &'a str,
}

/// What an authentication of the buyer outside of Stripe gave.
pub struct ThreeDSecure<'a> {
    pub cryptogram: &'a str,
    pub transaction_id: &'a str,
    /// `2.1.0`, `2.2.0`, …
    pub version: &'a str,
    pub electronic_commerce_indicator: Option<&'a str>,
}

/// The body of `POST /v1/payment_intents`: made and confirmed at once. The same terms give the same bytes, as an idempotency key
/// demands. A bank that wants to see the buyer refuses, instead of leaving a payment that waits for him: nobody here could show it.
pub fn create_form(terms: &Terms) -> String {
    let mut form = Form::new();
    form.push("amount", terms.amount);
    form.push("currency", terms.currency);
    form.push("confirm", true);
    form.push("error_on_requires_action", true);
    form.push("expand[0]", "latest_charge");
    form.push("payment_method_data[shared_payment_granted_token]", terms.token);
    form.push("description", terms.description);
    form.push_some("receipt_email", terms.receipt_email);
    if let Some(shipping) = terms.shipping {
        form.push("shipping[name]", shipping.name);
        form.push_some("shipping[phone]", shipping.phone);
        form.push("shipping[address][line1]", shipping.line_one);
        form.push_some("shipping[address][line2]", shipping.line_two);
        form.push("shipping[address][city]", shipping.city);
        form.push("shipping[address][state]", shipping.state);
        form.push("shipping[address][country]", shipping.country);
        form.push("shipping[address][postal_code]", shipping.postal_code);
    }
    if let Some(secure) = terms.three_d_secure {
        let at = "payment_method_options[card][three_d_secure]";
        form.push_at(at, "[cryptogram]", secure.cryptogram);
        form.push_at(at, "[transaction_id]", secure.transaction_id);
        form.push_at(at, "[version]", secure.version);
        form.push_some_at(at, "[electronic_commerce_indicator]", secure.electronic_commerce_indicator);
    }
    if terms.fee > 0 {
        form.push("application_fee_amount", terms.fee);
    }
    if terms.destination {
        form.push("on_behalf_of", terms.account);
        form.push("transfer_data[destination]", terms.account);
    }
    form.push("metadata[cc_transaction]", terms.transaction);
    form.push("metadata[cc_checkout]", terms.checkout_session);
    form.push("metadata[cc_source]", "agent");
    form.push_some("metadata[cc_agent]", terms.agent);
    form.encode()
}

/// Makes a payment. `account` is the shop's, or none for a destination charge.
pub fn create(form: &str, account: Option<&str>, key: &str) -> Call {
    let mut call = Call::post("/v1/payment_intents".to_owned(), form, account, key);
    // Tokens are in public preview only.
    call.version = Version::Preview;
    call
}

/// Gives a payment up that waits for something. Done twice it is refused, which changes nothing.
pub fn cancel(id: &str, account: Option<&str>, key: &str) -> Call {
    Call::post(format!("/v1/payment_intents/{}/cancel", segment(id)), "", account, &[key, "-cancel"].concat())
}

/// The payments of an account that were made from one second to another, newest first, a page at a time. Strongly consistent, which the
/// search by metadata is not: one that is not here was not made.
pub fn list(from: i64, to: i64, after: Option<&str>, account: Option<&str>) -> Call {
    let mut query = Form::new();
    query.push("created[gte]", from);
    query.push("created[lte]", to);
    query.push("limit", 100);
    query.push("expand[]", "data.latest_charge");
    query.push_some("starting_after", after);
    Call {
        base: Base::Api,
        method: "GET",
        path: ["/v1/payment_intents?", &query.encode()].concat(),
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
        pub data: Vec<PaymentIntent>,
        pub has_more: bool = lenient,
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
