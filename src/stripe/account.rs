//! Accounts: the platform's own and the connected ones.

use super::call::{Call, Version};
use super::form::{Form, segment};
use crate::record::Json;
use serde_json::Value;

record! {
    /// An account, as far as a connection shows it.
    #[derive(Debug)]
    pub struct Account {
        pub id: String,
        pub charges_enabled: bool = lenient,
        pub details_submitted: bool = lenient,
    }
}

/// Whose key this is: the platform's account.
pub fn own() -> Call {
    Call::of("GET", "/v1/account".to_owned(), None)
}

/// A connected account, read as the platform (the id is in the path, not in `Stripe-Account`).
pub fn retrieve(account: &str) -> Call {
    Call::get("accounts", account, None, &[])
}

// -- accounts that the platform makes (Accounts v2) ------------------------------------------------------------------

/// Where Accounts v2 are.
const ACCOUNTS: &str = "/v2/core/accounts";

record! {
    /// An account of Accounts v2, as far as a connection shows it.
    #[derive(Debug)]
    pub struct Merchant {
        pub id: String,
        /// Required: it must equal the mode that was asked for.
        pub livemode: bool,
        pub closed: bool = lenient,
        pub configuration: Value = lenient,
        pub requirements: Value = lenient,
    }
}

impl Merchant {
    /// Whether it may take payments: what v1 calls `charges_enabled`.
    pub fn charges_enabled(&self) -> bool {
        let status = self.configuration.pointer("/merchant/capabilities/card_payments/status");
        status.and_then(Value::as_str) == Some("active")
    }

    /// What v1 calls `details_submitted`: whether the merchant owes Stripe nothing that is due. v2 has no word for it.
    pub fn details_submitted(&self) -> bool {
        let due = |entry: &Value| {
            let text = |at: &str| entry.pointer(at).and_then(Value::as_str).unwrap_or_default();
            text("/awaiting_action_from") != "stripe" && matches!(text("/minimum_deadline/status"), "currently_due" | "past_due")
        };
        // Without the list nothing is known.
        let entries = self.requirements.get("entries").and_then(Value::as_array);
        self.charges_enabled() || entries.is_some_and(|entries| !entries.iter().any(due))
    }
}

/// What is known of a merchant who has no account yet.
#[derive(Debug, Default)]
pub struct Beginner<'a> {
    pub shop_id: &'a str,
    /// What the account is called in Stripe's Dashboard.
    pub name: &'a str,
    pub email: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// ISO 4217.
    pub currency: Option<&'a str>,
    pub url: Option<&'a str>,
    pub product_description: Option<&'a str>,
    /// One of [`ENTITIES`].
    pub entity: Option<&'a str>,
    /// Whether the platform makes the charges and transfers them: then the account receives transfers too.
    pub transfers: bool,
}

/// What a business can be (`identity.entity_type`); OAuth's `business_type` has the same words.
pub const ENTITIES: [&str; 4] = ["company", "government_entity", "individual", "non_profit"];

/// What makes an account, as JSON.
///
/// The merchant's own: the full Dashboard, Stripe's fees and losses between Stripe and the merchant, as with an account that is connected
/// by OAuth. So everything downstream (direct charges, fees, disputes) is the same whichever way a shop came.
pub fn creation(the: &Beginner<'_>) -> Value {
    let mut body = object! {
        "display_name": the.name,
        "dashboard": "full",
        "configuration": object! { "merchant": object! { "capabilities": object! { "card_payments": object! { "requested": true } } } },
        "metadata": object! { "cc_shop": the.shop_id },
        "include": ["configuration.merchant", "requirements"],
    };
    let mut defaults = object! { "responsibilities": object! { "fees_collector": "stripe", "losses_collector": "stripe" } };
    let mut profile = object! {};
    put(&mut profile, "business_url", the.url);
    put(&mut profile, "product_description", the.product_description);
    if profile.as_object().is_some_and(|profile| !profile.is_empty()) {
        set(&mut defaults, "profile", profile);
    }
    put(&mut defaults, "currency", the.currency);
    set(&mut body, "defaults", defaults);
    let mut identity = object! {};
    put(&mut identity, "country", the.country);
    put(&mut identity, "entity_type", the.entity);
    if identity.as_object().is_some_and(|identity| !identity.is_empty()) {
        set(&mut body, "identity", identity);
    }
    put(&mut body, "contact_email", the.email);
    if the.transfers {
        let wanted = object! { "stripe_balance": object! { "stripe_transfers": object! { "requested": true } } };
        if let Some(configuration) = body.get_mut("configuration") {
            set(configuration, "recipient", object! { "capabilities": wanted });
        }
    }
    body
}

fn put(object: &mut Value, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        set(object, name, value.json());
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// A call of v2 in the platform's own name.
fn second(method: &'static str, path: String, json: Option<String>, key: Option<&str>) -> Call {
    Call { idempotency_key: key.map(str::to_owned), json, ..Call::of(method, path, None) }
}

/// Makes an account: `body` is what [`creation`] gave, stored before it is sent for the first time.
pub fn create(body: &str, key: &str) -> Call {
    second("POST", ACCOUNTS.to_owned(), Some(body.to_owned()), Some(key))
}

/// An account that the platform made, with what tells whether it may take payments.
pub fn merchant(account: &str) -> Call {
    let mut query = Form::new();
    query.push("include[0]", "configuration.merchant");
    query.push("include[1]", "requirements");
    second("GET", format!("{ACCOUNTS}/{}?{}", segment(account), query.encode()), None, None)
}

record! {
    /// An address at Stripe that works once, for minutes.
    #[derive(Debug)]
    pub struct Link {
        pub url: String,
    }
}

/// A link to Stripe's form for an account. Stripe sends the merchant to `refresh_url` when the link is old or was used.
pub fn link(account: &str, return_url: &str, refresh_url: &str, key: &str) -> Call {
    let form = object! { "return_url": return_url, "refresh_url": refresh_url };
    let body = object! { "account": account, "use_case": object! { "type": "account_onboarding", "account_onboarding": form } };
    second("POST", "/v2/core/account_links".to_owned(), Some(body.text()), Some(key))
}

// -- embedded components -----------------------------------------------------------------------------------------------

record! {
    /// What lets a merchant's browser act for the account, in one embedded component, for a while. It is handed on at once, and stands
    /// nowhere: not in D1, not in a log, and not in what `Debug` prints.
    pub struct AccountSession {
        pub account: String,
        pub client_secret: String,
        pub expires_at: i64,
        pub livemode: bool,
    }
}

impl std::fmt::Debug for AccountSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSession").field("account", &self.account).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A session for the component in which a merchant switches agents on. Each is good for one browser, so nothing is asked for twice: no
/// idempotency key.
pub fn session(account: &str) -> Call {
    let mut form = Form::new();
    form.push("account", account);
    form.push("components[agentic_commerce_settings][enabled]", true);
    Call { form: Some(form.encode()), version: Version::Embedded, ..Call::of("POST", "/v1/account_sessions".to_owned(), None) }
}
