//! What is owed to shops is sent (contract, *To the shop*): at once after the change, then by the sweep. And shops look it up.
//!
//! A notice is sent at least once, in any order: every attempt takes a lease first, and what is cut off is due again when that has
//! run out. The body is the same bytes each time.

use super::access;
use super::lanes::side_by_side;
use super::lists::Page;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::notice::{self, NoticeRow};
use crate::sign;
use crate::store::notices::{Attempted, Due};
use crate::store::shops::ShopRow;
use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, RefCell};

/// What a shop is given for a notice, milliseconds.
const DEADLINE: u32 = 10_000;
/// How long one attempt holds a notice, seconds: longer than it can take.
const LEASE: i64 = 60;
/// Notices of one run, all shops together.
const BATCH: i64 = 120;
/// At a time. Six open connections are all that an invocation gets, and D1 wants one.
const LANES: usize = 5;
/// After this no further notice is begun in a run, milliseconds.
const TIME: u64 = 25_000;

/// How an attempt ended.
enum Outcome {
    /// Not due any more, somebody else has it, or there is no address to send it to.
    Nothing,
    Delivered,
    Refused,
    /// No answer at all, from this shop.
    Silent(String),
}

/// After an answer: sends what its request owed. What is cut off here, the sweep sends.
pub fn after(edge: &Edge) {
    let owed = edge.counters.owed.take();
    if !owed.is_empty() {
        let work = edge.aside();
        edge.later(async move {
            send_all(&work, by_id(owed)).await;
        });
    }
}

/// For the sweep: what it owed itself meanwhile. Answers how many were delivered.
pub async fn send_owed(edge: &Edge) -> Result<u32> {
    Ok(send_all(edge, by_id(edge.counters.owed.take())).await)
}

/// For the sweep: what is due, fair between shops. Answers how many were delivered.
pub async fn send_due(edge: &Edge) -> Result<u32> {
    Ok(send_all(edge, edge.db.due_notices(clock::now(), BATCH).await?).await)
}

fn by_id(ids: Vec<String>) -> Vec<Due> {
    ids.into_iter().map(|id| Due { id, shop_id: String::new() }).collect()
}

/// Sends some at a time, within a bound. A shop that does not answer is left alone for the rest of the run: it would hold a lane
/// for ten seconds each time.
async fn send_all(edge: &Edge, due: Vec<Due>) -> u32 {
    let end = clock::now_ms().saturating_add(TIME);
    let (queue, silent, delivered) = (RefCell::new(due.into_iter()), RefCell::new(Vec::new()), Cell::new(0_u32));
    let lane = || async {
        while clock::now_ms() < end {
            let Some(next) = queue.borrow_mut().next() else { return };
            if silent.borrow().contains(&next.shop_id) {
                continue;
            }
            match send(edge, &next.id).await {
                Ok(Outcome::Delivered) => delivered.set(delivered.get().saturating_add(1)),
                Ok(Outcome::Silent(shop)) => silent.borrow_mut().push(shop),
                Ok(Outcome::Nothing | Outcome::Refused) => {}
                Err(problem) => log::line(object! { "level": "error", "event": "notice_trouble", "id": next.id, "why": problem.cause }),
            }
        }
    };
    side_by_side((0..LANES).map(|_| Box::pin(lane()) as LocalBoxFuture<'_, ()>).collect()).await;
    delivered.get()
}

/// One attempt at one notice.
async fn send(edge: &Edge, id: &str) -> Result<Outcome> {
    let now = clock::now();
    let leased_until = now.saturating_add(LEASE);
    let Some((notice, shop)) = edge.db.lease_notice(id, now, leased_until).await? else { return Ok(Outcome::Nothing) };
    let Some((shop, url)) = shop.as_ref().and_then(|shop| Some((shop, shop.webhook_url.as_deref()?))) else {
        // The address was taken away meanwhile.
        edge.db.notice_attempted(&Attempted { id, leased_until, status: "kept", due_at: None, now, entry: None }).await?;
        return Ok(Outcome::Nothing);
    };
    let begun = clock::now_ms();
    let answer = post(edge, shop, url, &notice, now).await;
    let (status, error) = match answer {
        Ok(status @ 200..=299) => (Some(status), None),
        Ok(status @ 300..=399) => (Some(status), Some("redirects are not followed".to_owned())),
        Ok(status) => (Some(status), Some("only 2xx means that it has arrived".to_owned())),
        Err(why) => (None, Some(why)),
    };
    let ended = clock::now();
    let duration = clock::now_ms().saturating_sub(begun);
    let entry = object! { "created": now, "status": status, "duration_ms": duration, "error": error };
    let due_at = if error.is_some() { notice::next_attempt(notice.attempts, ended) } else { None };
    let (state, level, event) = match (&error, due_at) {
        (None, _) => ("delivered", "info", "notice_delivered"),
        (Some(_), Some(_)) => ("due", "warn", "notice_failed"),
        (Some(_), None) => ("dead", "error", "notice_dead"),
    };
    log::line(object! { "level": level, "event": event, "request_id": &*edge.request_id, "id": id, "type": notice.kind, "shop": shop.id,
    "attempt": notice.attempts, "status": status, "ms": duration, "why": error });
    edge.db.notice_attempted(&Attempted { id, leased_until, status: state, due_at, now: ended, entry: Some(entry.to_string()) }).await?;
    Ok(match (status, error) {
        (_, None) => Outcome::Delivered,
        (Some(_), _) => Outcome::Refused,
        (None, _) => Outcome::Silent(shop.id.clone()),
    })
}

/// POSTs a notice; the status of the answer, or why there is none.
async fn post(edge: &Edge, shop: &ShopRow, url: &str, notice: &NoticeRow, now: i64) -> std::result::Result<u16, String> {
    let body = notice.body();
    // Looked at again with every attempt: an origin may have been taken away, and an inside address must not be reached by what was
    // allowed once.
    let prepared = access::shop_url(edge, shop, "webhook_url", url, false).and_then(|url| {
        let signature = sign::webhook_signature(&access::signing_secrets(edge, shop, now)?, &notice.id, now, &body)?;
        Ok((url.to_string(), signature))
    });
    let (url, signature) = prepared.map_err(|problem| {
        log::line(object! { "level": "error", "event": "notice_unsendable", "shop": shop.id, "code": problem.code, "why": problem.cause });
        problem.message.clone()
    })?;
    let headers = [("webhook-id", notice.id.as_str()), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)];
    outside::post(edge, &url, &headers, &body, DEADLINE).await
}

/// `GET /v1/events`
pub async fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming).await?;
    let page = Page::read(incoming)?;
    let (kind, status) = (incoming.param("type"), incoming.param("status"));
    if status.as_deref().is_some_and(|status| !notice::STATUSES.contains(&status)) {
        return Err(Problem::value_about("parameter_invalid", "status", &format!("must be one of {}.", notice::STATUSES.join(", "))));
    }
    let rows = edge.db.notices(&shop.id, kind.as_deref(), status.as_deref(), &page.cursor(), page.limit).await?;
    page.reply("/v1/events", "event", rows.map(|rows| rows.iter().map(NoticeRow::event).collect()))
}

/// `GET /v1/events/{ccevt_…}`
pub async fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming).await?;
    super::shops::plausible("event", id, "ccevt_")?;
    shown(edge.db.notice(id, &shop.id).await?, id)
}

/// `POST /v1/events/{ccevt_…}/resend`: as on its first day, also what was delivered or given up.
pub async fn resend(edge: &Edge, incoming: &mut Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming).await?;
    Fields::open(&incoming.json().await?, "", &[])?;
    super::shops::plausible("event", id, "ccevt_")?;
    let reply = shown(edge.db.resend_notice(id, &shop.id, clock::now()).await?, id)?;
    if shop.webhook_url.is_none() {
        return Err(Problem::request(
            409,
            "webhook_url_missing",
            "The shop has no webhook_url to send this to. Set one with PATCH /v1/shop.",
        ));
    }
    Ok(reply)
}

fn shown(row: Option<Box<NoticeRow>>, id: &str) -> Result<Reply> {
    row.map(|row| Reply::json(200, &row.event())).ok_or_else(|| Problem::missing("event", id))
}
