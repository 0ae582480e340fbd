//! One call to Stripe and what came of it.
//!
//! An answer is one of three things, and the difference decides what a caller is told and what is kept:
//! it worked; Stripe *refused* (the same request will be refused again, the answer is final); or Stripe is
//! *unavailable* (nothing is known or nothing was done; the same key may be sent again and cannot charge twice).

use super::form::{Form, segment};
use super::known;
use crate::error::Problem;
use crate::record::{self, Json, Record};
use crate::text::cut;
use serde_json::Value;

/// Which of Stripe's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// `STRIPE_API_BASE`.
    Api,
    /// `STRIPE_CONNECT_BASE`.
    Connect,
    /// `STRIPE_FILES_BASE`.
    Files,
}

/// `Stripe-Version`: what is not in [`super::API_VERSION`] yet is asked for by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    #[default]
    Released,
    /// Public previews: shared payment tokens, agreements, agents' orders with all that Stripe tells of them.
    Preview,
    /// The import sets of the seed's page, which no released version has.
    ImportSets,
    /// Embedded components that are in private preview.
    Embedded,
}

impl Version {
    /// The header's value.
    pub fn header(self) -> &'static str {
        match self {
            Version::Released => super::API_VERSION,
            Version::Preview => super::PREVIEW_VERSION,
            Version::ImportSets => super::IMPORT_SETS_VERSION,
            Version::Embedded => super::EMBEDDED_VERSION,
        }
    }
}

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub base: Base,
    pub method: &'static str,
    /// With the query, where there is one.
    pub path: String,
    /// `Stripe-Account`.
    pub account: Option<String>,
    /// `Idempotency-Key`. A POST without one is not to be repeated blindly.
    pub idempotency_key: Option<String>,
    /// The body of a POST to the API of v1.
    pub form: Option<String>,
    /// The body of a POST to the API of v2.
    pub json: Option<String>,
    pub version: Version,
}

/// A response, as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// `Request-Id`: what Stripe's support asks for.
    pub request_id: Option<String>,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
    /// `Stripe-Should-Retry`.
    pub should_retry: Option<bool>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether sending the same call once more, with the same key, may help. Stripe's own word counts most; without
    /// it a conflict or a server error may pass, a stored server error will not, and a 429 needs time instead.
    pub fn worth_retrying(&self) -> bool {
        match self.should_retry {
            Some(word) => word,
            None => self.status == 409 || (self.status >= 500 && !self.replayed),
        }
    }

    fn unavailable<T>(&self, what: &str) -> Outcome<T> {
        let id = self.request_id.as_deref().unwrap_or("none");
        Outcome::Unavailable {
            why: format!("{what} (status {}, Stripe's request {id})", self.status),
            replayed_5xx: self.replayed && self.status >= 500,
        }
    }

    /// What both hosts have in common; `read_error` reads the body of a refusal.
    /// `live`: the mode of the key that asked, where an answer need not say it.
    pub(super) fn outcome<T: Record>(&self, read_error: fn(u16, &Value) -> Option<StripeError>, live: Option<bool>) -> Outcome<T> {
        let mut value = self.value(read_error);
        if let (Outcome::Ok(object), Some(live)) = (&mut value, live) {
            known::in_mode(object, live);
        }
        match value {
            Outcome::Ok(value) => match T::from_value(value) {
                Ok(record) => Outcome::Ok(record),
                Err(why) => self.unavailable(&format!("Stripe's answer could not be read: {why}")),
            },
            Outcome::Refused(error) => Outcome::Refused(error),
            Outcome::Unavailable { why, replayed_5xx } => Outcome::Unavailable { why, replayed_5xx },
        }
    }

    fn value(&self, read_error: fn(u16, &Value) -> Option<StripeError>) -> Outcome<Value> {
        // The parser's message may quote the body, and a body may hold tokens: it is not said.
        let body: Value = record::parsed(&self.body).unwrap_or_default();
        match self.status {
            200..=299 => Outcome::Ok(body),
            429 => self.unavailable("Stripe asks us to slow down"),
            409 if self.should_retry != Some(false) => self.unavailable("Stripe is still at work on the same request"),
            400..=499 => match read_error(self.status, &body) {
                Some(error) if error.code.as_deref() == Some("lock_timeout") => self.unavailable("Stripe has the object locked"),
                Some(error) => Outcome::Refused(error),
                // Not Stripe's words: a proxy or a firewall on the way. Nothing final can be concluded from it.
                None => self.unavailable("an answer that is not Stripe's"),
            },
            500..=599 => self.unavailable("Stripe has trouble"),
            _ => self.unavailable("an answer that Stripe does not give"),
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone)]
pub enum Outcome<T> {
    Ok(T),
    /// Final: the same call will be refused again.
    Refused(StripeError),
    /// Nothing is known about what was done.
    Unavailable {
        /// For the log.
        why: String,
        /// Stripe answers this idempotency key with a stored 5xx from now on: look for what was made, or take a
        /// new key.
        replayed_5xx: bool,
    },
}

/// Stripe's error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeError {
    pub status: u16,
    /// `type`: `invalid_request_error`, `card_error`, …
    pub kind: String,
    pub code: Option<String>,
    pub param: Option<String>,
    pub message: String,
    pub decline_code: Option<String>,
}

/// Text of Stripe's that goes into an answer of ours is cut here.
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_WORD: usize = 200;

impl StripeError {
    /// The connected account is not (or no longer) ours to act for.
    pub fn account_invalid(&self) -> bool {
        self.status == 403 && self.code.as_deref() == Some("account_invalid")
    }

    /// What a caller of ours is told: 422 `stripe_refused` with Stripe's words (contract, *Checkout*, "Codes").
    ///
    /// Two refusals are not the caller's doing and must not look like it, or be kept as the answer to their key:
    /// a key that Stripe does not take (401) is the operator's to mend, and an idempotency key that we used for two
    /// different calls is our fault.
    pub fn problem(&self) -> Problem {
        let code = self.code.as_deref().unwrap_or(&self.kind);
        if self.status == 401 {
            return Problem::not_configured("Stripe does not accept this Worker's secret key. The operator has to set a valid one.")
                .because(format!("Stripe: {} ({code})", self.message));
        }
        if self.kind == "idempotency_error" {
            return Problem::fault(format!("Stripe: {} ({code})", self.message));
        }
        let mut problem = Problem::request(422, "stripe_refused", format!("Stripe refused this: {} (Stripe's code: {code})", self.message))
            .with("stripe_type", self.kind.json());
        if let Some(code) = &self.code {
            problem = problem.with("stripe_code", code.json());
        }
        if let Some(decline_code) = &self.decline_code {
            problem = problem.with("decline_code", decline_code.json());
        }
        match &self.param {
            Some(param) => problem.at(param.clone()),
            None => problem,
        }
    }

    pub(super) fn new(status: u16, kind: &str, code: Option<&str>, message: &str) -> Self {
        StripeError {
            status,
            kind: cut(kind, LONGEST_WORD),
            code: code.map(|code| cut(code, LONGEST_WORD)),
            param: None,
            message: cut(&without_keys(message), LONGEST_MESSAGE),
            decline_code: None,
        }
    }

    /// Reads `{"error":{…}}`; nothing when the body is something else.
    pub(super) fn read(status: u16, body: &Value) -> Option<StripeError> {
        let error = body.get("error")?;
        // One member of another type must not hide the refusal.
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let (kind, code, message) = (text("type"), text("code"), text("message"));
        kind.or(code).or(message)?;
        let mut read = StripeError::new(status, kind.unwrap_or("invalid_request_error"), code, message.unwrap_or("no reason given"));
        read.param = text("param").map(|param| cut(param, LONGEST_WORD));
        read.decline_code = text("decline_code").map(|code| cut(code, LONGEST_WORD));
        Some(read)
    }
}

/// Takes out what looks like a key. Stripe masks keys in its messages; that is its promise, this is ours.
fn without_keys(message: &str) -> String {
    const PREFIXES: [&str; 6] = ["sk_", "rk_", "whsec_", "ac_", "rt_", "ek_"];
    message
        .split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '*'))
        .map(|word| {
            if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
                // What ends the word (a space, a quote) stays.
                let end = word.chars().last().filter(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '*'));
                let mut hidden = String::from("[key]");
                hidden.extend(end);
                hidden
            } else {
                word.to_owned()
            }
        })
        .collect()
}

impl Call {
    /// A call of the API in its released version, without a body and without a key.
    pub(super) fn of(method: &'static str, path: String, account: Option<&str>) -> Call {
        Call {
            base: Base::Api,
            method,
            path,
            account: account.map(str::to_owned),
            idempotency_key: None,
            form: None,
            json: None,
            version: Version::Released,
        }
    }

    /// POST of a form that may be sent again, byte for byte, with the same key.
    pub(super) fn post(path: String, form: &str, account: Option<&str>, key: &str) -> Call {
        Call { idempotency_key: Some(key.to_owned()), form: Some(form.to_owned()), ..Call::of("POST", path, account) }
    }

    /// GET `/v1/{collection}/{id}` with the given objects expanded.
    pub(super) fn get(collection: &str, id: &str, account: Option<&str>, expand: &[&str]) -> Call {
        let mut path = format!("/v1/{collection}/{}", segment(id));
        if !expand.is_empty() {
            let mut query = Form::new();
            for name in expand {
                query.push("expand[]", name);
            }
            path = format!("{path}?{}", query.encode());
        }
        Call::of("GET", path, account)
    }

    /// Reads an answer of the API.
    pub fn read<T: Record>(answer: Answer) -> Outcome<T> {
        answer.outcome(StripeError::read, None)
    }

    /// The same of a call with the key of a mode: what leaves the mode out is of that.
    pub fn read_in<T: Record>(answer: Answer, live: bool) -> Outcome<T> {
        answer.outcome(StripeError::read, Some(live))
    }
}
