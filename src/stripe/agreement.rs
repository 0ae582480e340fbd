//! Agreements between a connected account and agents: `/v2/orchestrated_commerce/agreements`, in public preview.

use super::call::{Call, Version};
use super::form::{Form, segment};
use crate::text;

const COLLECTION: &str = "/v2/orchestrated_commerce/agreements";

fn call(method: &'static str, path: String, account: &str) -> Call {
    Call { version: Version::Preview, ..Call::of(method, path, Some(account)) }
}

record! {
    /// A page of a list of v2.
    #[derive(Debug)]
    pub struct Page {
        pub data: Vec<serde_json::Value>,
        pub next_page_url: Option<String>,
    }
}

impl Page {
    /// What asks for the next page. Only this is taken of the address that Stripe names: the path is ours.
    pub fn next(&self) -> Option<String> {
        let (_, query) = self.next_page_url.as_deref()?.split_once('?')?;
        text::param(query, "page").filter(|page| !page.is_empty())
    }
}

/// An account's agreements, a page of a hundred.
pub fn list(account: &str, page: Option<&str>) -> Call {
    let mut query = Form::new();
    query.push("limit", 100);
    query.push_some("page", page);
    call("GET", format!("{COLLECTION}?{}", query.encode()), account)
}

pub fn retrieve(account: &str, id: &str) -> Call {
    call("GET", format!("{COLLECTION}/{}", segment(id)), account)
}

/// Confirms or terminates it in the seller's name: `act` is the word at the end of the path.
pub fn act(account: &str, id: &str, act: &str, key: &str) -> Call {
    let mut call = call("POST", format!("{COLLECTION}/{}/{act}", segment(id)), account);
    call.idempotency_key = Some(key.to_owned());
    call.json = Some("{}".to_owned());
    call
}
