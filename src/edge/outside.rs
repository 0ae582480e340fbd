//! Calls to the outside: Stripe, and the shop (its challenge, notices to it). Every one has a deadline, follows no redirect,
//! and reads its answer to a limit. What to call and what the answer means is decided elsewhere.

use super::{Counters, Edge, js};
use crate::error::Result;
use crate::id::Mode;
use crate::record::Record;
use crate::stripe::call::{Answer, Base, Call, Outcome};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsCast;
use worker::web_sys::Headers;

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
    method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>, deadline: u32, limit: usize,
) -> LocalBoxFuture<'static, std::result::Result<Received, String>> {
    let mut all = Map::new();
    for (name, value) in headers {
        all.insert((*name).to_owned(), Value::String((*value).to_owned()));
    }
    let mut request = object! { "url": url, "method": method, "headers": all };
    if let (Value::Object(members), Some(body)) = (&mut request, body) {
        members.insert("body".to_owned(), Value::String(body.to_owned()));
    }
    let answer = js::exchange(&request.to_string(), deadline, u32::try_from(limit).unwrap_or(u32::MAX));
    Box::pin(async move {
        let answer = js::settled(answer).await?;
        if let Some(why) = js::get(&answer, "failed").as_string() {
            return Err(why);
        }
        let body = js::get(&answer, "body");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let status = js::get(&answer, "status").as_f64().unwrap_or_default() as u16;
        let headers = js::get(&answer, "headers").unchecked_into();
        Ok(Received { status, headers, body: if body.is_falsy() { Vec::new() } else { Uint8Array::new(&body).to_vec() } })
    })
}

/// GETs a shop's address: no redirects (they could lead to an inside address), `limit` bytes.
pub async fn get(edge: &Edge, url: &str, deadline: u32, limit: usize) -> std::result::Result<Received, String> {
    let headers = [("User-Agent", &*edge.user_agent()), ("Accept", "text/plain, application/json")];
    exchange("GET", url, &headers, None, deadline, limit).await
}

/// POSTs JSON to a shop's address: no redirects (they could lead to an inside address). The status is all that is wanted of the
/// answer: its body is given up unread, however long it is or takes.
pub async fn post(edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32) -> std::result::Result<u16, String> {
    Ok(posted(edge, url, headers, body, deadline, 0).await?.status)
}

async fn posted(
    edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32, limit: usize,
) -> std::result::Result<Received, String> {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    send(edge, "POST", url, &all, Some(body), deadline, limit).await
}

/// Sends to an agent's address, and reads at most `limit` bytes of what it answers: no redirects.
pub async fn send(
    edge: &Edge, method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>, deadline: u32, limit: usize,
) -> std::result::Result<Received, String> {
    let agent = edge.user_agent();
    let mut all = vec![("User-Agent", &*agent)];
    all.extend_from_slice(headers);
    exchange(method, url, &all, body, deadline, limit).await
}

/// POSTs JSON to a shop's address and reads at most `limit` bytes of what it answers: no redirects.
pub async fn question(
    edge: &Edge, url: &str, headers: &[(&str, &str)], body: &str, deadline: u32, limit: usize,
) -> std::result::Result<(u16, Vec<u8>), String> {
    let received = posted(edge, url, headers, body, deadline, limit).await?;
    Ok((received.status, received.body))
}

/// Stripe's answers are small; a Session with 100 lines expanded has some 150 KB.
const STRIPE_LIMIT: usize = 1024 * 1024;

/// Sends a call to Stripe with the platform's key of `mode`. One boxed future for all callers: what it holds would otherwise be
/// copied into each of theirs.
pub fn stripe_answer<'a>(
    edge: &'a Edge, mode: Mode, call: &'a Call, deadline: u32,
) -> LocalBoxFuture<'a, Result<std::result::Result<Answer, String>>> {
    Box::pin(async move {
        let pair = edge.pair(mode)?;
        let base = match call.base {
            Base::Api => &edge.config.api_base,
            Base::Connect => &edge.config.connect_base,
            Base::Files => &edge.config.files_base,
        };
        Counters::count(&edge.counters.stripe);
        let received = stripe_exchange(edge, pair.secret_key.expose(), base, call, deadline).await;
        if let Err(why) = &received {
            super::log::line(object! {
                "level": "warn", "event": "stripe_unavailable", "request_id": &*edge.request_id,
                "call": format!("{} {}", call.method, call.path.split('?').next().unwrap_or_default()), "why": why,
            });
        }
        Ok(received.map(|received| {
            let header = |name: &str| received.headers.get(name).ok().flatten();
            *edge.counters.stripe_request.borrow_mut() = header("Request-Id");
            Answer {
                status: received.status,
                request_id: header("Request-Id"),
                replayed: header("Idempotent-Replayed").as_deref() == Some("true"),
                should_retry: header("Stripe-Should-Retry").map(|value| value == "true"),
                body: received.body,
            }
        }))
    })
}

fn stripe_exchange(
    edge: &Edge, secret_key: &str, base: &str, call: &Call, deadline: u32,
) -> LocalBoxFuture<'static, std::result::Result<Received, String>> {
    let (authorization, agent) = (format!("Bearer {secret_key}"), edge.user_agent());
    let mut headers = vec![("Authorization", &*authorization), ("Stripe-Version", call.version.header()), ("User-Agent", &*agent)];
    if let Some(account) = &call.account {
        headers.push(("Stripe-Account", account));
    }
    if let Some(key) = &call.idempotency_key {
        headers.push(("Idempotency-Key", key));
    }
    if call.form.is_some() {
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    }
    if call.json.is_some() {
        headers.push(("Content-Type", "application/json"));
    }
    let body = call.form.as_deref().or(call.json.as_deref());
    exchange(call.method, &format!("{base}{}", call.path), &headers, body, deadline, STRIPE_LIMIT)
}

/// Sends a call to Stripe and reads its answer.
pub async fn stripe<T: Record>(edge: &Edge, mode: Mode, call: &Call, deadline: u32) -> Result<Outcome<T>> {
    Ok(match stripe_answer(edge, mode, call, deadline).await? {
        Ok(answer) => Call::read(answer),
        Err(why) => Outcome::Unavailable { why, replayed_5xx: false },
    })
}
