//! Everything that a request can be told other than what it asked for.
//!
//! One value, [`Problem`], carries all of it: *refusals* (the caller's doing, 4xx), *upstream* trouble
//! (Stripe or the shop, 502–504), configuration that is missing (503) and *faults* (ours, 500).
//! Only a fault keeps a cause; the cause goes to the log and never to the caller.
//! Shape on the wire: contract, *Conventions*, "Errors".

use crate::record::Json;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::panic::Location;

/// The `type` member of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InvalidRequest,
    Authentication,
    Permission,
    RateLimit,
    Upstream,
    NotConfigured,
    Internal,
}

impl Kind {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Kind::InvalidRequest => "invalid_request",
            Kind::Authentication => "authentication",
            Kind::Permission => "permission",
            Kind::RateLimit => "rate_limit",
            Kind::Upstream => "upstream",
            Kind::NotConfigured => "not_configured",
            Kind::Internal => "internal",
        }
    }
}

/// Why a request did not get what it asked for. One pointer: it is handed on by every `?`, and a Worker that
/// copied the [`Details`] there was 38 KB larger.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

impl std::ops::Deref for Problem {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

/// What a [`Problem`] says.
#[derive(Debug, Clone)]
pub struct Details {
    pub status: u16,
    pub kind: Kind,
    pub code: Cow<'static, str>,
    /// For the person who reads it: what happened, what to do next. Never a secret.
    pub message: String,
    /// The member at fault, in Stripe's style: `cart[items][0][quantity]`.
    pub param: Option<String>,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// The `Allow` header of a 405.
    pub allow: Option<&'static str>,
    /// Further members of the error object (`saw`, `stripe_code`, `variables`).
    pub extra: Option<Box<Map<String, Value>>>,
    /// For the log only.
    pub cause: Option<Box<str>>,
}

/// What every fallible function of the Worker returns.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    fn new(status: u16, kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Problem(Box::new(Details {
            status,
            kind,
            code: code.into(),
            message: message.into(),
            param: None,
            retry_after: None,
            allow: None,
            extra: None,
            cause: None,
        }))
    }

    /// 400: the shape is wrong (JSON, types, missing or unknown members).
    pub fn shape(code: &'static str, param: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::new(400, Kind::InvalidRequest, code, message).at(param)
    }

    /// 422: well-formed, and wrong.
    pub fn value(code: &'static str, param: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::new(422, Kind::InvalidRequest, code, message).at(param)
    }

    /// 400 about a member: the message begins with its name.
    pub fn shape_about(code: &'static str, param: &str, what: &str) -> Self {
        Problem::shape(code, param, format!("{param} {what}"))
    }

    /// 422 about a member: the message begins with its name.
    pub fn value_about(code: &'static str, param: &str, what: &str) -> Self {
        Problem::value(code, param, format!("{param} {what}"))
    }

    /// Any other 4xx of type `invalid_request`.
    pub fn request(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Problem::new(status, Kind::InvalidRequest, code, message)
    }

    /// 404 for an object that does not exist or is another shop's: the two must look the same.
    pub fn missing(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Problem::new(404, Kind::InvalidRequest, "resource_missing", format!("No such {what}: '{id}'."))
    }

    /// 404 for an address that is none of ours, or that the operator did not open.
    pub fn nothing_here() -> Self {
        Problem::request(404, "route_unknown", "There is nothing at this address. GET /openapi.json lists what there is.")
    }

    /// 429: a minute is the period of all counters.
    pub fn rate_limited() -> Self {
        Problem::new(429, Kind::RateLimit, "rate_limited", "Too many requests in one minute. Wait, then send this one again.").after(60)
    }

    /// 409: two rolls of one signing secret at the same moment.
    pub fn roll_in_flight() -> Self {
        Problem::request(
            409,
            "roll_in_flight",
            "Another roll of the signing secret happened at the same moment. Use its secret or roll again.",
        )
    }

    /// 401.
    pub fn unauthenticated(code: &'static str, message: impl Into<String>) -> Self {
        Problem::new(401, Kind::Authentication, code, message)
    }

    /// 403.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Problem::new(403, Kind::Permission, code, message)
    }

    /// 503: Stripe did not give a usable answer; sending the same request again is safe.
    pub fn stripe_unavailable(message: impl Into<String>) -> Self {
        let mut problem = Problem::new(503, Kind::Upstream, "stripe_unavailable", message);
        problem.retry_after = Some(2);
        problem
    }

    /// 503: the shop is on its way to another database.
    pub fn moving() -> Self {
        let message = "The shop is being moved to another database. Sending the same request again in a minute is safe.";
        let mut problem = Problem::new(503, Kind::Upstream, "shop_moving", message);
        problem.retry_after = Some(60);
        problem
    }

    /// 503: the operator has to set something.
    pub fn not_configured(message: impl Into<String>) -> Self {
        Problem::new(503, Kind::NotConfigured, "not_configured", message)
    }

    /// 500: our own fault. `cause` and the place it was noticed go to the log, the caller gets a reference number.
    #[track_caller]
    pub fn fault(cause: impl std::fmt::Display) -> Self {
        let place = Location::caller();
        let mut problem = Problem::new(
            500,
            Kind::Internal,
            "internal",
            "Something went wrong on our side. Sending the same request again is safe; if it goes on, tell the operator the request_id.",
        );
        problem.cause = Some(format!("{cause} ({}:{})", place.file(), place.line()).into());
        problem
    }

    /// Names the member at fault.
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Tells after how many seconds to come back.
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds a member to the error object.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.get_or_insert_with(Box::default).insert(name.to_owned(), value);
        self
    }

    /// Keeps what only the log may know.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// The body that goes on the wire.
    pub fn body(&self, request_id: &str) -> Value {
        let mut error = Map::new();
        error.insert("type".into(), (self.kind.name()).json());
        error.insert("code".into(), self.code.json());
        error.insert("message".into(), self.message.json());
        if let Some(param) = &self.param {
            error.insert("param".into(), param.json());
        }
        if let Some(extra) = &self.extra {
            for (name, value) in extra.iter() {
                error.insert(name.clone(), value.clone());
            }
        }
        error.insert("request_id".into(), request_id.json());
        object! { "error": error }
    }
}
