//! Calls to the outside: Stripe, and the shop (its challenge, notices to it). Every one has a deadline, follows no redirect,
//! and reads its answer to a limit. What to call and what the answer means is decided elsewhere.

use super::http::{Pieces, fixed_length, read};
use super::{Counters, Edge, js};
use crate::error::Result;
use crate::id::Mode;
use crate::record::{Json, Record};
use crate::stripe::call::{Answer, Base, Call, Outcome};
use serde_json::{Map, Value};
use worker::js_sys::{self, Array, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response};

/// What a call to Stripe gets (contract, *Conventions*, "Time"), milliseconds.
pub const STRIPE_DEADLINE: u32 = 10_000;
/// What a returning buyer waits at most.
pub const BUYER_DEADLINE: u32 = 8_000;

/// An answer from the outside.
pub struct Received {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// Sends and receives: no redirect is followed, it is ended after `deadline` milliseconds, its answer's body included, of which at most
/// `limit` bytes are read; the rest is given up, for six open connections are all that a request gets. `Err` says why there is no answer.
fn exchange(
    edge: &Edge, method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>, deadline: u32, limit: usize,
) -> std::result::Result<Received, String> {
    let left = edge.until.left().ok_or("no time was left to ask")?;
    let mut all = Map::new();
    for (name, value) in headers {
        all.insert((*name).to_owned(), Value::String((*value).to_owned()));
    }
    let mut request = object! { "url": url, "method": method, "headers": all };
    if let (Value::Object(members), Some(body)) = (&mut request, body) {
        members.insert("body".to_owned(), Value::String(body.to_owned()));
    }
    let answer = js::exchange(&request.text(), deadline.min(left), u32::try_from(limit).unwrap_or(u32::MAX));
    let answer = answer.map_err(|error| js::told(&error))?;
    if let Some(why) = js::get(&answer, "failed").as_string() {
        return Err(why);
    }
    let body = js::get(&answer, "body");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let status = js::get(&answer, "status").as_f64().unwrap_or_default() as u16;
    let headers = js::get(&answer, "headers").unchecked_into();
    Ok(Received { status, headers, body: if body.is_falsy() { Vec::new() } else { body.unchecked_into::<Uint8Array>().to_vec() } })
}

/// GETs a shop's address: no redirects (they could lead to an inside address), `limit` bytes.
pub fn get(edge: &Edge, url: &str, deadline: u32, limit: usize) -> std::result::Result<Received, String> {
    let headers = [("User-Agent", &*edge.user_agent()), ("Accept", "text/plain, application/json")];
    exchange(edge, "GET", url, &headers, None, deadline, limit)
}

/// POSTs JSON to a shop's address: no redirects (they could lead to an inside address). The status is all that is wanted of the
/// answer: its body is given up unread, however long it is or takes.
pub fn post(edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32) -> std::result::Result<u16, String> {
    Ok(posted(edge, url, headers, body, deadline, 0)?.status)
}

fn posted(
    edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32, limit: usize,
) -> std::result::Result<Received, String> {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    send(edge, "POST", url, &all, Some(body), deadline, limit)
}

/// Sends to an agent's address, and reads at most `limit` bytes of what it answers: no redirects.
pub fn send(
    edge: &Edge, method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>, deadline: u32, limit: usize,
) -> std::result::Result<Received, String> {
    let agent = edge.user_agent();
    let mut all = vec![("User-Agent", &*agent)];
    all.extend_from_slice(headers);
    exchange(edge, method, url, &all, body, deadline, limit)
}

/// POSTs JSON to a shop's address and reads at most `limit` bytes of what it answers: no redirects.
pub fn question(
    edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32, limit: usize,
) -> std::result::Result<(u16, Vec<u8>), String> {
    let received = posted(edge, url, headers, body, deadline, limit)?;
    Ok((received.status, received.body))
}

/// Stripe's answers are small; a Session with 100 lines expanded has some 150 KB.
const STRIPE_LIMIT: usize = 1024 * 1024;

/// Sends a call to Stripe with the platform's key of `mode`.
pub fn stripe_answer(edge: &Edge, mode: Mode, call: &Call, deadline: u32) -> Result<std::result::Result<Answer, String>> {
    let pair = edge.pair(mode)?;
    let base = match call.base {
        Base::Api => &edge.config.api_base,
        Base::Connect => &edge.config.connect_base,
        Base::Files => &edge.config.files_base,
    };
    Counters::count(&edge.counters.stripe);
    let received = stripe_exchange(edge, pair.secret_key.expose(), base, call, deadline);
    if let Err(why) = &received {
        super::log::line(object! {
            "level": "warn", "event": "stripe_unavailable", "request_id": &*edge.request_id,
            "call": format!("{} {}", call.method, call.path.split('?').next().unwrap_or_default()), "why": why,
        });
    }
    Ok(received.map(|received| answer_of(edge, received)))
}

/// Stripe's answer, as it came.
pub fn answer_of(edge: &Edge, received: Received) -> Answer {
    let header = |name: &str| received.headers.get(name).ok().flatten();
    *edge.counters.stripe_request.borrow_mut() = header("Request-Id");
    Answer {
        status: received.status,
        request_id: header("Request-Id"),
        replayed: header("Idempotent-Replayed").as_deref() == Some("true"),
        should_retry: header("Stripe-Should-Retry").map(|value| value == "true"),
        body: received.body,
    }
}

/// What every call to Stripe says of itself, beside its body.
fn stripe_headers(edge: &Edge, secret_key: &str, call: &Call) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Authorization", format!("Bearer {secret_key}")),
        ("Stripe-Version", call.version.header().to_owned()),
        ("User-Agent", edge.user_agent()),
    ];
    headers.extend(call.account.clone().map(|account| ("Stripe-Account", account)));
    headers.extend(call.idempotency_key.clone().map(|key| ("Idempotency-Key", key)));
    headers
}

fn stripe_exchange(edge: &Edge, secret_key: &str, base: &str, call: &Call, deadline: u32) -> std::result::Result<Received, String> {
    let owned = stripe_headers(edge, secret_key, call);
    let mut headers: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if call.form.is_some() {
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    }
    if call.json.is_some() {
        headers.push(("Content-Type", "application/json"));
    }
    let body = call.form.as_deref().or(call.json.as_deref());
    exchange(edge, call.method, &format!("{base}{}", call.path), &headers, body, deadline, STRIPE_LIMIT)
}

/// Sends a call to Stripe and reads its answer.
pub fn stripe<T: Record>(edge: &Edge, mode: Mode, call: &Call, deadline: u32) -> Result<Outcome<T>> {
    Ok(match stripe_answer(edge, mode, call, deadline)? {
        Ok(answer) => Call::read_in(answer, mode.live()),
        Err(why) => Outcome::Unavailable { why, replayed_5xx: false },
    })
}

/// How long a file may be on its way, milliseconds.
const FILE_DEADLINE: u32 = 10 * 60 * 1000;

/// A file on its way out, written while it is sent, so that it is never held.
pub struct Upload {
    writer: JsValue,
    /// A promise.
    answer: JsValue,
    /// Whether the other side answered before it had all.
    early: bool,
}

/// Where a file goes.
pub enum Target<'a> {
    /// An address that Stripe gave for it, which needs no key. Nobody else is to know it: it is not in what this says of trouble.
    Address { url: &'a str, media: &'a str },
    /// Stripe's own host.
    Call { mode: Mode, call: &'a Call, media: &'a str },
}

impl Upload {
    /// Begins to send exactly `length` bytes.
    pub fn begin(edge: &Edge, target: &Target<'_>, length: usize) -> Result<std::result::Result<Upload, String>> {
        let (key, base) = match target {
            Target::Address { .. } => ("", ""),
            Target::Call { mode, .. } => (edge.pair(*mode)?.secret_key.expose(), edge.config.files_base.as_str()),
        };
        let begun = (|| {
            let (method, url, headers, media) = match target {
                Target::Address { url, media } => ("PUT", (*url).to_owned(), vec![("User-Agent", edge.user_agent())], *media),
                Target::Call { call, media, .. } => (call.method, format!("{base}{}", call.path), stripe_headers(edge, key, call), *media),
            };
            let headers = as_headers(&headers)?;
            headers.set("Content-Type", media)?;
            let (readable, writer) = fixed_length(length)?;
            let init = RequestInit::new();
            init.set_method(method);
            init.set_headers(&headers);
            init.set_redirect(RequestRedirect::Manual);
            init.set_signal(Some(&AbortSignal::timeout_with_u32(FILE_DEADLINE)));
            init.set_body(&readable);
            let request = Request::new_with_str_and_init(&url, &init)?;
            Ok(Upload { writer, answer: js::apply(&js_sys::global(), "fetch", &Array::of1(&request))?, early: false })
        })();
        Counters::count(&edge.counters.stripe);
        // What the platform says of a request that it does not take has its address in it.
        Ok(begun.map_err(|_: JsValue| "the request could not be built".to_owned()))
    }

    /// Does something to the pipe. `false`: it is broken, or the other side answered before that was done.
    fn tell(&self, method: &str, what: &Array) -> bool {
        js::apply(&self.writer, method, what).is_ok_and(|told| js::kept_before(&told, &self.answer))
    }

    /// `false`: the other side wants no more; [`Upload::answer`] tells what it said.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if !self.early && !bytes.is_empty() {
            self.early = !self.tell("write", &Array::of1(&Uint8Array::from(bytes)));
        }
        !self.early
    }

    /// All is written. A pipe that broke says so in the answer.
    pub fn close(&mut self) {
        if !self.early {
            self.tell("close", &Array::new());
        }
    }

    /// What the other side says to it, of which at most `limit` bytes are read. `Err` says why there is no answer; `None`: it takes longer
    /// than `patience` milliseconds, and can be asked for again.
    pub fn answer(&self, limit: usize, patience: u32) -> Option<std::result::Result<Received, String>> {
        let answer = js::settled_within(&self.answer, patience)?;
        Some(match answer {
            Ok(response) => read_whole(response.unchecked_into(), limit),
            Err(why) => Err(format!("no answer: {why}")),
        })
    }

    /// Breaks it off, so that the other side never has a whole file.
    pub fn abort(self) {
        // Whatever the other side makes of it: there is nothing to be done about it.
        self.tell("abort", &Array::of1(&"broken off".into()));
    }
}

/// GETs a file piece by piece, from an address of Stripe's or from its own host. `Err` says why there is none.
pub fn download(edge: &Edge, source: &Target<'_>) -> Result<std::result::Result<(u16, Pieces), String>> {
    let (url, headers) = match source {
        Target::Address { url, .. } => ((*url).to_owned(), vec![("User-Agent", edge.user_agent())]),
        Target::Call { mode, call, .. } => {
            let key = edge.pair(*mode)?.secret_key.expose();
            (format!("{}{}", edge.config.files_base, call.path), stripe_headers(edge, key, call))
        }
    };
    Counters::count(&edge.counters.stripe);
    let built = (|| {
        let init = RequestInit::new();
        init.set_headers(&JsValue::from(as_headers(&headers)?));
        init.set_redirect(RequestRedirect::Manual);
        init.set_signal(Some(&AbortSignal::timeout_with_u32(FILE_DEADLINE)));
        Request::new_with_str_and_init(&url, &init)
    })();
    // What the platform says of a request that it does not take has its address in it.
    let Ok(request) = built else { return Ok(Err("the request could not be built".to_owned())) };
    Ok(match js::call(&js_sys::global(), "fetch", &[request.into()]) {
        Ok(answer) => {
            let response: Response = answer.unchecked_into();
            Ok((response.status(), Pieces::of(response.body())))
        }
        Err(why) => Err(format!("no answer: {why}")),
    })
}

fn as_headers(headers: &[(&str, String)]) -> std::result::Result<Headers, JsValue> {
    let all = Headers::new()?;
    for (name, value) in headers {
        all.set(name, value)?;
    }
    Ok(all)
}

/// An answer with at most `limit` bytes of its body.
fn read_whole(response: Response, limit: usize) -> std::result::Result<Received, String> {
    let read = read(&response, limit, limit, js::FOREVER).map_err(|why| format!("the answer broke off: {why}"))?;
    Ok(Received { status: response.status(), headers: response.headers(), body: read.bytes })
}
