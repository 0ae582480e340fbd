//! Catalogues at Stripe, both ways: imports of v2, and the files and import sets of the seed's page.

use super::call::{Base, Call, Version};
use super::form::{Form, segment};
use crate::product::moment;
use crate::record::Json;
use crate::weburl::WebUrl;
use serde_json::{Map, Value};

/// What Stripe says that became of an import, in v2's words whichever way it went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// `awaiting_upload`, `processing`, `succeeded`, `succeeded_with_errors` or `failed`.
    pub status: &'static str,
    pub success_count: Option<i64>,
    pub error_count: Option<i64>,
    /// Of a failed one: code and message.
    pub problem: Option<(String, String)>,
    /// Where the rows are that were refused. It opens that file for whoever has it, for five minutes.
    pub errors: Option<ErrorsAt>,
    /// Where the file is to be put, until when. The same holds for it.
    pub upload: Option<(String, i64)>,
    /// Some of the refused rows: `[{row, id, field, error_message}]`.
    pub samples: Vec<Value>,
}

/// Where refused rows are.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorsAt {
    Address(String),
    /// `file_…`
    File(String),
}

impl State {
    pub fn ended(&self) -> bool {
        matches!(self.status, "succeeded" | "succeeded_with_errors" | "failed")
    }
}

record! {
    /// `v2.commerce.product_catalog_import`
    #[derive(Debug)]
    pub struct Import {
        pub id: String,
        pub feed_type: String,
        pub livemode: bool,
        pub status: String,
        pub status_details: Value = lenient,
    }
}

record! {
    /// `data_management.import_set`
    #[derive(Debug)]
    pub struct ImportSet {
        pub id: String,
        pub status: String,
        pub result: Value = lenient,
        pub failure_message: Option<String>,
    }
}

record! {
    /// `file`
    #[derive(Debug)]
    pub struct File {
        pub id: String,
    }
}

/// Stripe's 64-bit numbers are texts in v2, and numbers elsewhere.
fn count(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|count| (0..=crate::fields::MAX_SAFE_INTEGER).contains(count))
}

fn text(value: Option<&Value>, most: usize) -> Option<String> {
    Some(value?.as_str()?.chars().filter(|c| !c.is_control()).take(most).collect())
}

impl Import {
    /// `None`: a status that nobody here knows.
    pub fn state(&self) -> Option<State> {
        let status = ["awaiting_upload", "processing", "succeeded", "succeeded_with_errors", "failed"];
        let status = status.into_iter().find(|word| *word == self.status)?;
        let details = self.status_details.get(status).unwrap_or(&Value::Null);
        let at = |pointer: &str| details.pointer(pointer);
        let address = |name: &str| {
            let url = at(&format!("{name}/url"))?.as_str()?.to_owned();
            let until = at(&format!("{name}/expires_at")).and_then(Value::as_str).and_then(moment).map_or(0, |(at, _)| at);
            Some((url, until))
        };
        let failed = || (text(at("/code"), 100).unwrap_or_default(), text(at("/failure_message"), 500).unwrap_or_default());
        Some(State {
            status,
            success_count: count(at("/success_count")),
            error_count: count(at("/error_count")),
            problem: (status == "failed").then(failed),
            errors: address("/error_file/download_url").map(|(url, _)| ErrorsAt::Address(url)),
            upload: address("/upload_url"),
            samples: at("/samples").and_then(Value::as_array).cloned().unwrap_or_default(),
        })
    }
}

impl ImportSet {
    /// Its words are not v2's, and are in no description: what says nothing else is under way.
    pub fn state(&self) -> State {
        let at = |pointer: &str| self.result.pointer(pointer);
        let (error_count, success_count) = (count(at("/errors/row_count")), count(at("/successes/row_count")));
        let bad = error_count.is_some_and(|count| count > 0);
        let status = match self.status.as_str() {
            "succeeded_with_errors" => "succeeded_with_errors",
            "succeeded" | "complete" | "completed" | "archived" | "pending_archive" if bad => "succeeded_with_errors",
            "succeeded" | "complete" | "completed" | "archived" | "pending_archive" => "succeeded",
            "failed" | "errored" | "canceled" | "rejected" => "failed",
            _ => "processing",
        };
        let file = at("/errors/file").and_then(Value::as_str).filter(|id| crate::id::is_prefixed(id, "file_"));
        let why = self.failure_message.as_deref().unwrap_or("Stripe did not say why.").chars().filter(|c| !c.is_control()).take(500);
        State {
            status,
            success_count,
            error_count,
            problem: (status == "failed").then(|| ("import_failed".to_owned(), why.collect())),
            errors: file.map(|id| ErrorsAt::File(id.to_owned())),
            ..State::default()
        }
    }
}

const IMPORTS: &str = "/v2/commerce/product_catalog/imports";
const SETS: &str = "/v1/data_management/import_sets";

/// POST: all three members are required, and the metadata says whose it is.
pub fn create(feed_type: &str, mode: &str, import_id: &str, account: &str, key: &str) -> Call {
    let mut metadata = Map::new();
    metadata.insert("cc_import".to_owned(), import_id.json());
    let body = object! { "feed_type": feed_type, "mode": mode, "metadata": metadata };
    Call { json: Some(body.text()), idempotency_key: Some(key.to_owned()), ..Call::of("POST", IMPORTS.to_owned(), Some(account)) }
}

pub fn retrieve(id: &str, account: &str) -> Call {
    Call::of("GET", format!("{IMPORTS}/{}", segment(id)), Some(account))
}

/// POST of an import set for a file that is there.
pub fn create_set(file: &str, format: &str, account: &str, key: &str) -> Call {
    let mut form = Form::new();
    form.push("file", file);
    form.push("standard_data_format", format);
    let (form, key) = (Some(form.encode()), Some(key.to_owned()));
    Call { form, idempotency_key: key, version: Version::ImportSets, ..Call::of("POST", SETS.to_owned(), Some(account)) }
}

pub fn retrieve_set(id: &str, account: &str) -> Call {
    Call { version: Version::ImportSets, ..Call::of("GET", format!("{SETS}/{}", segment(id)), Some(account)) }
}

/// POST of a file: its body is [`around`] what is sent.
pub fn create_file(account: &str, key: &str) -> Call {
    Call { base: Base::Files, idempotency_key: Some(key.to_owned()), ..Call::of("POST", "/v1/files".to_owned(), Some(account)) }
}

/// GET of what a file holds.
pub fn file_contents(file: &str, account: &str) -> Call {
    Call { base: Base::Files, ..Call::of("GET", format!("/v1/files/{}/contents", segment(file)), Some(account)) }
}

/// What stands before and behind a file in a `multipart/form-data` body. `boundary` must not be in the file: it is random.
pub fn around(boundary: &str, media: &str) -> (String, String) {
    let extension = if media == "text/csv" { "csv" } else { "tsv" };
    let before = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\ndata_management_manual_upload\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"catalogue.{extension}\"\r\nContent-Type: {media}\r\n\r\n"
    );
    (before, format!("\r\n--{boundary}--\r\n"))
}

/// An address that Stripe gave for a file, if it is one that a file may go to or come from.
///
/// Attack: an answer that a stranger could bend sends a shop's catalogue, or our request, to an inside address. So: https, and a host of
/// Stripe's (facts: uploads go to stripeusercontent.com); or the very origin that stands in for Stripe's, and on a machine of one's own
/// any port of it.
pub fn address(raw: &str, stripe: &str, allow_local: bool) -> Result<String, &'static str> {
    let url = WebUrl::parse(raw, true)?;
    let origin = url.origin();
    let ours = |name: &str| {
        let host = origin.strip_prefix("https://").unwrap_or_default();
        host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    };
    let local = |origin: &str| {
        ["http://localhost", "http://127.0.0.1"]
            .iter()
            .any(|start| origin.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
    };
    let stands_in = origin == stripe || (allow_local && local(stripe) && local(&origin));
    if stands_in || ours("stripe.com") || ours("stripeusercontent.com") {
        return Ok(url.to_string());
    }
    Err("it is not on a host of Stripe's")
}
