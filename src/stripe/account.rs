//! Accounts: the platform's own and the connected ones.

use super::call::{Base, Call, Version};

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
    Call {
        base: Base::Api,
        method: "GET",
        path: "/v1/account".to_owned(),
        account: None,
        idempotency_key: None,
        form: None,
        json: None,
        version: Version::Released,
    }
}

/// A connected account, read as the platform (the id is in the path, not in `Stripe-Account`).
pub fn retrieve(account: &str) -> Call {
    Call::get("accounts", account, None, &[])
}
