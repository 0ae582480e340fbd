//! Checkout Sessions: the form that makes one, and what comes back.
//!
//! Each parameter exists in [`super::API_VERSION`]; a test compares them with Stripe's description of it.

use super::call::{Base, Call, Version};
use super::form::{Form, segment};
pub use super::{Expandable, PaymentIntent};
use crate::cart::{Capture, Line, Order, ShippingOption};
use crate::money::{Amount, UnitPrice, unit_price};
use serde_json::{Map, Value};

/// All that a Session is made of.
pub struct Terms<'a> {
    pub order: &'a Order,
    /// What [`crate::cart::lines`] made of the order; they sum to its total.
    pub lines: &'a [Line],
    /// Our `cct_…`.
    pub transaction: &'a str,
    /// Without a trailing slash.
    pub public_url: &'a str,
    /// The shop's connected account.
    pub account: &'a str,
    /// A destination charge: made by the platform on behalf of `account`, instead of by `account` itself.
    pub destination: bool,
    /// The platform's application fee.
    pub fee: Amount,
    /// Unix seconds; Stripe's own 24 hours when none.
    pub expires_at: Option<i64>,
    /// Stripe adds the tax (the lines are without it).
    pub automatic_tax: bool,
}

/// The body of `POST /v1/checkout/sessions`. The same terms give the same bytes, as an idempotency key demands.
pub fn create_form(terms: &Terms) -> String {
    let order = terms.order;
    let mut form = Form::new();
    form.push("mode", "payment");
    // Stripe puts the id in place of the braces. The form encodes them once and Stripe decodes them once; encoded
    // here as well, they would not be found.
    form.push("success_url", format!("{}/checkout/complete/{}?session_id={{CHECKOUT_SESSION_ID}}", terms.public_url, terms.transaction));
    form.push("cancel_url", format!("{}/checkout/cancel/{}", terms.public_url, terms.transaction));
    // Otherwise a buyer could pay in another currency than the one that we compare.
    form.push("adaptive_pricing[enabled]", false);
    form.push_some("client_reference_id", order.order_id.as_deref());
    form.push_some("customer_email", order.customer_email.as_deref());
    form.push_some("locale", order.locale.as_deref());
    form.push_some("expires_at", terms.expires_at);
    for (place, line) in terms.lines.iter().enumerate() {
        push_line(&mut form, &format!("line_items[{place}]"), line, terms);
    }
    // Stripe does not copy a Session's metadata to its PaymentIntent, and events come for both.
    push_metadata(&mut form, "metadata", terms);
    push_metadata(&mut form, "payment_intent_data[metadata]", terms);
    if order.capture == Capture::Manual {
        form.push("payment_intent_data[capture_method]", "manual");
    }
    if terms.fee > Amount::ZERO {
        form.push("payment_intent_data[application_fee_amount]", terms.fee.get());
    }
    if terms.destination {
        form.push("payment_intent_data[on_behalf_of]", terms.account);
        form.push("payment_intent_data[transfer_data][destination]", terms.account);
    }
    if terms.automatic_tax {
        form.push("automatic_tax[enabled]", true);
        if terms.destination {
            // The shop owes the tax, not the platform.
            form.push("automatic_tax[liability][type]", "account");
            form.push("automatic_tax[liability][account]", terms.account);
        }
    }
    for (place, country) in order.collect.shipping_countries.iter().enumerate() {
        form.push(&format!("shipping_address_collection[allowed_countries][{place}]"), country);
    }
    if order.collect.phone {
        form.push("phone_number_collection[enabled]", true);
    }
    if order.collect.billing {
        form.push("billing_address_collection", "required");
    }
    for (place, option) in order.shipping_options.iter().enumerate() {
        push_shipping_option(&mut form, &format!("shipping_options[{place}][shipping_rate_data]"), option, terms);
    }
    form.encode()
}

fn push_line(form: &mut Form, at: &str, line: &Line, terms: &Terms) {
    form.push_at(at, "[quantity]", line.quantity);
    form.push_at(at, "[price_data][currency]", terms.order.currency.code());
    match unit_price(line.amount, line.quantity) {
        UnitPrice::Whole(amount) => form.push_at(at, "[price_data][unit_amount]", amount),
        UnitPrice::Decimal(amount) => form.push_at(at, "[price_data][unit_amount_decimal]", amount),
    }
    if terms.automatic_tax {
        form.push_at(at, "[price_data][tax_behavior]", "exclusive");
    }
    form.push_at(at, "[price_data][product_data][name]", &line.name);
    form.push_some_at(at, "[price_data][product_data][description]", line.description.as_deref());
    form.push_some_at(at, "[price_data][product_data][images][0]", line.image_url.as_deref());
    form.push_some_at(at, "[price_data][product_data][tax_code]", line.tax_code.as_deref());
    form.push_some_at(at, "[price_data][product_data][metadata][product_id]", line.product_id.as_deref());
    form.push_some_at(at, "[price_data][product_data][metadata][sku]", line.sku.as_deref());
}

/// The shop's own metadata and ours: at most 40 and 4, of the 50 that Stripe takes.
fn push_metadata(form: &mut Form, at: &str, terms: &Terms) {
    for (key, value) in &terms.order.metadata {
        form.push(&format!("{at}[{key}]"), value);
    }
    form.push_at(at, "[cc_transaction]", terms.transaction);
    form.push_at(at, "[cc_source]", terms.order.source.name());
    form.push_some_at(at, "[cc_agent]", terms.order.agent.as_deref());
    form.push_some_at(at, "[cc_order_id]", terms.order.order_id.as_deref());
}

fn push_shipping_option(form: &mut Form, at: &str, option: &ShippingOption, terms: &Terms) {
    form.push_at(at, "[type]", "fixed_amount");
    form.push_at(at, "[display_name]", &option.label);
    form.push_at(at, "[fixed_amount][amount]", option.amount.get());
    form.push_at(at, "[fixed_amount][currency]", terms.order.currency.code());
    if terms.automatic_tax {
        form.push_at(at, "[tax_behavior]", "exclusive");
    }
    // Stripe takes whole days from 1 on; "today" is no estimate to it.
    for (bound, days) in [("minimum", option.min_days), ("maximum", option.max_days)] {
        if let Some(days) = days.filter(|days| *days > 0) {
            form.push(&format!("{at}[delivery_estimate][{bound}][unit]"), "business_day");
            form.push(&format!("{at}[delivery_estimate][{bound}][value]"), days);
        }
    }
    form.push_at(at, "[metadata][cc_shipping_option]", &option.id);
}

/// Makes a Session. `account` is the shop's, or none for a destination charge.
pub fn create(form: &str, account: Option<&str>, key: &str) -> Call {
    Call::post("/v1/checkout/sessions".to_owned(), form, account, key)
}

/// Fetches a Session with its PaymentIntent and that one's charge.
pub fn retrieve(id: &str, account: Option<&str>) -> Call {
    Call::get("checkout/sessions", id, account, &["payment_intent", "payment_intent.latest_charge"])
}

/// Fetches a Session that an agent made, with all that an order is made of, in one call (seed: *retrieve all required fields with a
/// single API call*). Some of it is told in previews only.
pub fn expanded(id: &str, account: Option<&str>) -> Call {
    let expand = ["line_items.data.price.product", "line_items.data.taxes", "payment_intent.latest_charge", "shipping_cost.shipping_rate"];
    Call { version: Version::Preview, ..Call::get("checkout/sessions", id, account, &expand) }
}

/// The lines of a Session behind one of them: with the Session itself come its first ten.
pub fn line_items(id: &str, after: &str, account: Option<&str>) -> Call {
    let mut query = Form::new();
    query.push("limit", 100);
    query.push("starting_after", after);
    query.push("expand[]", "data.price.product");
    query.push("expand[]", "data.taxes");
    let path = format!("/v1/checkout/sessions/{}/line_items?{}", segment(id), query.encode());
    Call { path, version: Version::Preview, ..Call::get("checkout/sessions", id, account, &[]) }
}

/// The Session that made a PaymentIntent.
pub fn of_payment_intent(intent: &str, account: Option<&str>) -> Call {
    let mut query = Form::new();
    query.push("payment_intent", intent);
    query.push("limit", 1);
    let path = format!("/v1/checkout/sessions?{}", query.encode());
    Call { path, ..Call::get("checkout/sessions", "", account, &[]) }
}

record! {
    /// A page of [`of_payment_intent`].
    #[derive(Debug)]
    pub struct Sessions {
        pub data: Vec<Session>,
    }
}

/// Fetches a Session with its items, of which [`items`] has all where there are more than ten.
pub fn with_items(id: &str, account: Option<&str>) -> Call {
    Call { version: Version::Preview, ..Call::get("checkout/sessions", id, account, &["line_items.data.price"]) }
}

/// Fetches the items of a Session (an order has at most a hundred), of which only a preview tells by which name the catalogue has them (`price.external_reference`).
pub fn items(id: &str, account: Option<&str>) -> Call {
    let path = format!("/v1/checkout/sessions/{}/line_items?limit=100", segment(id));
    Call { version: Version::Preview, ..Call::of("GET", path, account) }
}

/// Ends an open Session. It carries no key on purpose: Stripe refuses to end a Session twice, which is harmless and
/// says more than a stored answer would. After a refusal, look at the Session: it may be paid.
pub fn expire(id: &str, account: Option<&str>) -> Call {
    Call {
        base: Base::Api,
        method: "POST",
        path: format!("/v1/checkout/sessions/{}/expire", segment(id)),
        account: account.map(str::to_owned),
        idempotency_key: None,
        form: Some(String::new()),
        json: None,
        version: Version::Released,
    }
}

record! {
    /// A Session. Only what identifies it is required; all else may be missing in an event of another version.
    #[derive(Debug)]
    pub struct Session {
        pub id: String,
        /// Stripe's page; only while the Session is open.
        pub url: Option<String>,
        /// `open`, `complete` or `expired`.
        pub status: Option<String>,
        /// `paid`, `unpaid` or `no_payment_required`.
        pub payment_status: Option<String>,
        pub amount_total: Option<i64>,
        pub amount_subtotal: Option<i64>,
        pub currency: Option<String>,
        /// Required, or known from where it stands (see [`super::known`]): a guess would mix test and live.
        pub livemode: bool,
        pub metadata: Map<String, Value> = lenient,
        pub client_reference_id: Option<String>,
        pub expires_at: Option<i64>,
        pub payment_intent: Option<Expandable<PaymentIntent>>,
        pub total_details: Option<TotalDetails>,
        pub customer_details: Option<CustomerDetails>,
        /// What was told when the Session was made.
        pub customer_email: Option<String>,
        pub shipping_cost: Option<Value>,
        /// Where the shipping address is.
        pub collected_information: Option<Value>,
        /// Where older versions have the shipping address.
        pub shipping_details: Option<Value>,
    }
}

impl Session {
    /// The shipping name and address, wherever this version has them.
    pub fn shipping(&self) -> Option<Value> {
        self.collected_information
            .as_ref()
            .and_then(|collected| collected.get("shipping_details"))
            .or(self.shipping_details.as_ref())
            .filter(|details| !details.is_null())
            .cloned()
    }
}

record! {
    #[derive(Debug)]
    pub struct TotalDetails {
        pub amount_tax: Option<i64>,
        pub amount_shipping: Option<i64>,
        pub amount_discount: Option<i64>,
    }
}

record! {
    #[derive(Debug)]
    pub struct CustomerDetails {
        pub email: Option<String>,
        pub name: Option<String>,
        pub phone: Option<String>,
        pub address: Option<Value>,
    }
}
