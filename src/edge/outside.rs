//! Calls to the outside: Stripe, and the shop's challenge. Every one has a deadline, follows no redirect,
//! and reads its answer to a limit. What to call and what the answer means is decided elsewhere.

use super::{Counters, Edge};
use crate::error::Result;
use crate::id::Mode;
use crate::stripe::call::{Answer, Base, Call, Outcome};
use futures_util::future::{Either, LocalBoxFuture, select};
use crate::record::Record;
use std::pin::pin;
use std::time::Duration;
use worker::wasm_bindgen::JsValue;
use worker::{AbortController, Delay, Fetch, Headers, Request, web_sys};

/// What a call to Stripe gets (contract, *Conventions*, "Time"), milliseconds.
pub const STRIPE_DEADLINE: u64 = 10_000;
/// What a returning buyer waits at most.
pub const BUYER_DEADLINE: u64 = 8_000;

/// An answer from the outside.
pub struct Received {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// Sends and receives within `deadline` milliseconds, reading at most `limit` bytes. `Err` says why there is no answer.
async fn exchange(request: Request, deadline: u64, limit: usize) -> std::result::Result<Received, String> {
    let abort = AbortController::default();
    let signal = abort.signal();
    let work = async {
        let mut response = Fetch::Request(request).send_with_signal(&signal).await.map_err(|e| format!("no connection: {e}"))?;
        let headers = response.headers().clone();
        let status = response.status_code();
        let mut body = Vec::new();
        if let Ok(mut stream) = response.stream() {
            while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
                let chunk = chunk.map_err(|e| format!("the answer broke off: {e}"))?;
                let room = limit.saturating_sub(body.len());
                if chunk.len() > room {
                    body.extend(chunk.into_iter().take(room));
                    break;
                }
                body.extend_from_slice(&chunk);
            }
        }
        Ok(Received { status, headers, body })
    };
    let timer = Delay::from(Duration::from_millis(deadline));
    let done = match select(pin!(work), pin!(timer)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(format!("no answer within {deadline} ms")),
    };
    // Ends the transfer of what was not read; six open connections are all that a request gets.
    abort.abort();
    done
}

/// A request that follows no redirect. Made without the `RequestInit` of `worker`, whose options for Cloudflare's
/// cache and images, all unused, are 14 KB of the binary.
fn request(method: &str, url: &str, headers: &Headers, body: Option<&str>) -> worker::Result<Request> {
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    init.set_headers(headers.as_ref());
    init.set_redirect(web_sys::RequestRedirect::Manual);
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Ok(web_sys::Request::new_with_str_and_init(url, &init)?.into())
}

/// GETs a shop's address: no redirects (they could lead to an inside address), `limit` bytes.
pub async fn get(edge: &Edge, url: &str, deadline: u64, limit: usize) -> std::result::Result<Received, String> {
    let headers = Headers::new();
    let set = headers.set("User-Agent", &edge.user_agent()).and_then(|()| headers.set("Accept", "text/plain, application/json"));
    set.map_err(|e| e.to_string())?;
    let request = request("GET", url, &headers, None).map_err(|e| format!("no valid address: {e}"))?;
    exchange(request, deadline, limit).await
}

/// Stripe's answers are small; a Session with 100 lines expanded has some 150 KB.
const STRIPE_LIMIT: usize = 1024 * 1024;

/// Sends a call to Stripe with the platform's key of `mode`. One boxed future for all callers: what it holds would otherwise be
/// copied into each of theirs.
pub fn stripe_answer<'a>(
    edge: &'a Edge, mode: Mode, call: &'a Call, deadline: u64,
) -> LocalBoxFuture<'a, Result<std::result::Result<Answer, String>>> {
    Box::pin(async move {
        let pair = edge.pair(mode)?;
        let base = match call.base {
            Base::Api => &edge.config.api_base,
            Base::Connect => &edge.config.connect_base,
        };
        Counters::count(&edge.counters.stripe);
        let received = match stripe_request(edge, pair.secret_key.expose(), base, call) {
            Ok(request) => exchange(request, deadline, STRIPE_LIMIT).await,
            Err(e) => Err(format!("request could not be built: {e}")),
        };
        if let Err(why) = &received {
            super::log::line(object! {
                "level": "warn", "event": "stripe_unavailable", "request_id": &*edge.request_id,
                "call": format!("{} {}", call.method, call.path.split('?').next().unwrap_or_default()), "why": why,
            });
        }
        Ok(received.map(|received| {
            let header = |name: &str| received.headers.get(name).ok().flatten();
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

fn stripe_request(edge: &Edge, secret_key: &str, base: &str, call: &Call) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set("Authorization", &format!("Bearer {secret_key}"))?;
    headers.set("Stripe-Version", crate::stripe::API_VERSION)?;
    headers.set("User-Agent", &edge.user_agent())?;
    if let Some(account) = &call.account {
        headers.set("Stripe-Account", account)?;
    }
    if let Some(key) = &call.idempotency_key {
        headers.set("Idempotency-Key", key)?;
    }
    if call.form.is_some() {
        headers.set("Content-Type", "application/x-www-form-urlencoded")?;
    }
    request(call.method, &format!("{base}{}", call.path), &headers, call.form.as_deref())
}

/// Sends a call to Stripe and reads its answer.
pub async fn stripe<T: Record>(edge: &Edge, mode: Mode, call: &Call, deadline: u64) -> Result<Outcome<T>> {
    Ok(match stripe_answer(edge, mode, call, deadline).await? {
        Ok(answer) => Call::read(answer),
        Err(why) => Outcome::Unavailable { why, replayed_5xx: false },
    })
}
