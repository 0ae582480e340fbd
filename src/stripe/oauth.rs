//! Connect by OAuth, Standard accounts (contract, *Connect*).
//!
//! A code works once, and sending it a second time revokes what the first exchange granted: [`exchange`] must never
//! be retried, not even when nothing came back.

use super::call::{Answer, Base, Call, Outcome, StripeError};
use super::form::Form;
use crate::record::Record;
use serde_json::{Map, Value};
use std::fmt;

/// What may be filled in beforehand for a merchant who has no account yet. Stripe ignores bad values silently.
pub const PREFILL: [&str; 27] = [
    "email",
    "url",
    "country",
    "phone_number",
    "business_name",
    "business_type",
    "first_name",
    "last_name",
    "dob_day",
    "dob_month",
    "dob_year",
    "street_address",
    "city",
    "state",
    "zip",
    "physical_product",
    "product_description",
    "currency",
    "first_name_kana",
    "last_name_kana",
    "first_name_kanji",
    "last_name_kanji",
    "gender",
    "block_kana",
    "block_kanji",
    "building_kana",
    "building_kanji",
];

/// Where the merchant's browser is sent. `base` is `STRIPE_CONNECT_BASE`; names in `prefill` that are not in
/// [`PREFILL`] are left out.
pub fn authorize_url(base: &str, client_id: &str, redirect_uri: &str, state: &str, prefill: &Map<String, Value>) -> String {
    let mut query = Form::new();
    query.push("response_type", "code");
    query.push("client_id", client_id);
    query.push("scope", "read_write");
    query.push("redirect_uri", redirect_uri);
    query.push("state", state);
    for (name, value) in prefill.iter().filter(|(name, _)| PREFILL.contains(&name.as_str())) {
        query.push_some(&format!("stripe_user[{name}]"), value.as_str());
    }
    format!("{}/oauth/authorize?{}", base.trim_end_matches('/'), query.encode())
}

record! {
    /// What a merchant granted. The tokens are sealed at once and never shown, and so is what `Debug` prints.
    pub struct Grant {
        pub stripe_user_id: String,
        /// Required: it must equal the mode that was asked for.
        pub livemode: bool,
        pub scope: Option<String>,
        pub access_token: Option<String>,
        pub refresh_token: Option<String>,
        pub stripe_publishable_key: Option<String>,
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("stripe_user_id", &self.stripe_user_id)
            .field("livemode", &self.livemode)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

record! {
    /// The answer of [`deauthorize`].
    #[derive(Debug)]
    pub struct Deauthorized {
        pub stripe_user_id: String,
    }
}

fn post(path: &str, form: Form) -> Call {
    // These routes take no key.
    Call { base: Base::Connect, form: Some(form.encode()), ..Call::of("POST", path.to_owned(), None) }
}

/// Exchanges a code, with the secret key of the mode that was asked for. Once.
pub fn exchange(code: &str) -> Call {
    let mut form = Form::new();
    form.push("grant_type", "authorization_code");
    form.push("code", code);
    post("/oauth/token", form)
}

/// Disconnects an account. Refused with `invalid_client` when it is not connected, which is what was wanted; see
/// [`is_not_connected`]. Repeating it is harmless.
pub fn deauthorize(client_id: &str, account: &str) -> Call {
    let mut form = Form::new();
    form.push("client_id", client_id);
    form.push("stripe_user_id", account);
    post("/oauth/deauthorize", form)
}

/// Whether a refused [`deauthorize`] means that there was nothing to end.
pub fn is_not_connected(error: &StripeError) -> bool {
    // A key that Stripe does not know is refused with the same code: then nothing was ended, and to say so would be untrue.
    error.status == 401 && error.code.as_deref() == Some("invalid_client") && !error.message.to_ascii_lowercase().contains("api key")
}

/// Reads an answer of the OAuth routes, where `error` is a word and not an object. The word becomes the `code`,
/// `type` is `oauth_error`. `error_description` may hold text that others chose: never into a redirect, and
/// escaped on a page.
pub fn read_oauth<T: Record>(answer: Answer) -> Outcome<T> {
    let read_error = |status: u16, body: &Value| match body.get("error")?.as_str() {
        Some(error) => {
            let description = body.get("error_description").and_then(Value::as_str).unwrap_or("no reason given");
            Some(StripeError::new(status, "oauth_error", Some(error), description))
        }
        // The API's own form, should a gateway in front answer in its place.
        None => StripeError::read(status, body),
    };
    // The mode that was granted must be said.
    answer.outcome(read_error, None)
}
