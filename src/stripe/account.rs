//! Accounts: the platform's own and the connected ones.

use super::call::{Base, Call};
use super::or_default;
use serde::Deserialize;

/// An account, as far as a connection shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub charges_enabled: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub details_submitted: bool,
}

/// Whose key this is: the platform's account.
pub fn own() -> Call {
    Call { base: Base::Api, method: "GET", path: "/v1/account".to_owned(), account: None, idempotency_key: None, form: None }
}

/// A connected account, read as the platform (the id is in the path, not in `Stripe-Account`).
pub fn retrieve(account: &str) -> Call {
    Call::get("accounts", account, None, &[])
}
