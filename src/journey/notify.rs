//! What is owed to shops and agents is sent (contract, *To the shop*, *ACP*): at once after the change, then by the sweep. And shops look
//! it up.
//!
//! A notice is sent at least once: every attempt takes a lease first, and what is cut off is due again when that has run out. The body
//! is the same bytes each time. A shop's come in any order; an agent's events of one order come one after the other, see
//! [`crate::store::orders`].

use super::lanes::side_by_side;
use super::lists::Page;
use super::{access, orders};
use crate::acp::dialect::Dialect;
use crate::acp::time::rfc3339;
use crate::agent::{self, AgentRow};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::notice::{self, NoticeRow};
use crate::record::Json;
use crate::sign;
use crate::store::notices::{Attempted, Due, LEASE, Resent};
use crate::store::shops::ShopRow;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a shop is given for a notice, milliseconds.
const DEADLINE: u32 = 10_000;
/// What is read of a shop's answer to a new order, bytes.
const ANSWER: usize = 16 * 1024;
/// Notices of one run, all shops together.
const BATCH: i64 = 120;
/// At a time. Six open connections are all that an invocation gets, and D1 wants one.
const LANES: usize = 5;
/// After this no further notice is begun in a run, milliseconds.
const TIME: u64 = 25_000;

/// Status and body of an answer, or why there is none.
type Answer = std::result::Result<(u16, Vec<u8>), String>;

/// How an attempt ended.
enum Outcome {
    /// Not due any more, somebody else has it, or there is no address to send it to.
    Nothing,
    Delivered,
    Refused,
    /// No answer at all, from this shop or agent.
    Silent(String),
}

/// After an answer: sends what its request owed. What is cut off here, the sweep sends.
pub fn after(edge: &Edge) {
    if edge.counters.owes_nothing() {
        return;
    }
    for place in edge.everywhere() {
        let owed = place.take_owed();
        if !owed.is_empty() {
            let work = place.aside();
            edge.later(move || {
                send_all(&work, by_id(owed));
            });
        }
    }
}

/// For the sweep: what it owed itself meanwhile. Answers how many were delivered.
pub fn send_owed(edge: &Edge) -> Result<u32> {
    Ok(send_all(edge, by_id(edge.take_owed())))
}

/// For the sweep: what is due, fair between shops. Answers how many were delivered.
pub fn send_due(edge: &Edge) -> Result<u32> {
    Ok(send_all(edge, edge.db.due_notices(clock::now(), BATCH)?))
}

fn by_id(ids: Vec<String>) -> Vec<Due> {
    ids.into_iter().map(|id| Due { id, whose: String::new() }).collect()
}

/// What all lanes share.
struct Sending {
    edge: Edge,
    /// Unix milliseconds.
    end: u64,
    queue: RefCell<VecDeque<Due>>,
    /// Who does not answer.
    silent: RefCell<Vec<String>>,
    delivered: Cell<u32>,
}

/// Sends some at a time, within a bound. A shop or an agent that does not answer is left alone for the rest of the run: it would hold
/// a lane for ten seconds each time.
fn send_all(edge: &Edge, due: Vec<Due>) -> u32 {
    let lanes = due.len().min(LANES);
    let sending = Rc::new(Sending {
        edge: edge.clone(),
        end: clock::now_ms().saturating_add(TIME),
        queue: RefCell::new(VecDeque::from(due)),
        silent: RefCell::new(Vec::new()),
        delivered: Cell::new(0),
    });
    side_by_side(lanes, &sending, Sending::lane);
    sending.delivered.get()
}

impl Sending {
    fn lane(&self) {
        while clock::now_ms() < self.end {
            let Some(next) = self.queue.borrow_mut().pop_front() else { return };
            if self.silent.borrow().contains(&next.whose) {
                continue;
            }
            let sent = send(&self.edge, &next.id);
            // What a shop's answer made of an order is told to its agent.
            self.queue.borrow_mut().extend(by_id(self.edge.take_owed()));
            match sent {
                Ok((outcome, then)) => {
                    self.queue.borrow_mut().extend(then.map(|id| Due { id, whose: next.whose }));
                    match outcome {
                        Outcome::Delivered => self.delivered.set(self.delivered.get().saturating_add(1)),
                        Outcome::Silent(whose) => self.silent.borrow_mut().push(whose),
                        Outcome::Nothing | Outcome::Refused => {}
                    }
                }
                Err(problem) => log::line(object! { "level": "error", "event": "notice_trouble", "id": next.id, "why": problem.cause }),
            }
        }
    }
}

/// One attempt at one notice; and the id of the event that waited for it, if there was one and it is over.
fn send(edge: &Edge, id: &str) -> Result<(Outcome, Option<String>)> {
    let now = clock::now();
    let leased_until = now.saturating_add(LEASE);
    let Some(leased) = edge.db.lease_notice(id, now, leased_until)? else { return Ok((Outcome::Nothing, None)) };
    let (notice, shop) = (&*leased.notice, leased.shop.as_deref());
    let order = notice.agent_id.as_deref().zip(notice.transaction_id.as_deref());
    let mut attempted = Attempted { id, leased_until, status: "kept", due_at: None, now, entry: None, order };
    let (url, whose) = match (&notice.agent_id, &leased.agent) {
        (Some(_), agent) => (agent.as_ref().and_then(|agent| agent.webhook_url.as_deref()), notice.agent_id.as_ref()),
        (None, _) => (shop.and_then(|shop| shop.webhook_url.as_deref()), Some(&notice.shop_id)),
    };
    let (Some(shop), Some(url)) = (shop, url) else {
        // The address was taken away meanwhile.
        return Ok((Outcome::Nothing, edge.db.notice_attempted(&attempted)?));
    };
    let begun = clock::now_ms();
    let answer = match &leased.agent {
        Some(agent) => post_to_agent(edge, agent, url, notice, now),
        None => post(edge, shop, url, notice, now),
    };
    let (status, error) = match &answer {
        Ok((status @ 200..=299, _)) => (Some(*status), None),
        Ok((status @ 300..=399, _)) => (Some(*status), Some("redirects are not followed".to_owned())),
        Ok((status, _)) => (Some(*status), Some("only 2xx means that it has arrived".to_owned())),
        Err(why) => (None, Some(why.clone())),
    };
    if let (Ok((_, body)), None) = (&answer, &error)
        && reads_answer(notice)
        && body.len() <= ANSWER
    {
        // Before it counts as delivered: what is lost here is answered again, and then it changes nothing.
        orders::take_answer(edge, shop, notice, body)?;
    }
    let ended = clock::now();
    let duration = clock::now_ms().saturating_sub(begun);
    let entry = object! { "created": now, "status": status, "duration_ms": duration, "error": error };
    attempted.due_at = if error.is_some() { notice::next_attempt(notice.attempts, ended) } else { None };
    let (state, level, event) = match (&error, attempted.due_at) {
        (None, _) => ("delivered", "info", "notice_delivered"),
        (Some(_), Some(_)) => ("due", "warn", "notice_failed"),
        (Some(_), None) => ("dead", "error", "notice_dead"),
    };
    log::line(object! { "level": level, "event": event, "request_id": &*edge.request_id, "id": id, "type": notice.kind, "shop": shop.id,
    "agent": notice.agent_id, "attempt": notice.attempts, "status": status, "ms": duration, "why": error });
    (attempted.status, attempted.now, attempted.entry) = (state, ended, Some(entry.text()));
    let then = edge.db.notice_attempted(&attempted)?;
    let outcome = match (status, error) {
        (_, None) => Outcome::Delivered,
        (Some(_), _) => Outcome::Refused,
        (None, _) => Outcome::Silent(whose.cloned().unwrap_or_default()),
    };
    Ok((outcome, then))
}

/// What a shop says to a new order tells the order's own id and page.
fn reads_answer(notice: &NoticeRow) -> bool {
    notice.agent_id.is_none() && notice.kind == "order.created"
}

fn unsendable(shop: &str, problem: &Problem) -> String {
    log::line(object! { "level": "error", "event": "notice_unsendable", "shop": shop, "code": problem.code, "why": problem.cause });
    problem.message.clone()
}

/// POSTs a notice to its shop; what it answered, or why there is no answer.
fn post(edge: &Edge, shop: &ShopRow, url: &str, notice: &NoticeRow, now: i64) -> Answer {
    let body = notice.body();
    // Looked at again with every attempt: an origin may have been taken away, and an inside address must not be reached by what was
    // allowed once.
    let prepared = access::shop_url(edge, shop, "webhook_url", url, false).and_then(|url| {
        let signature = sign::webhook_signature(&access::signing_secrets(edge, shop, now)?, &notice.id, now, &body)?;
        Ok((url.to_string(), signature))
    });
    let (url, signature) = prepared.map_err(|problem| unsendable(&shop.id, &problem))?;
    let headers = [("webhook-id", notice.id.as_str()), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)];
    if reads_answer(notice) {
        // One byte more: what is longer is not taken.
        return outside::question(edge, &url, &headers, &body, DEADLINE, ANSWER.saturating_add(1));
    }
    outside::post(edge, &url, &headers, &body, DEADLINE).map(|status| (status, Vec::new()))
}

/// POSTs an event to its agent (2026-04-17, `postOrderEvents`), by any host's address: what keeps it from being an inside one, and what
/// is looked at of the answer, is told at [`agent::address`].
fn post_to_agent(edge: &Edge, agent: &AgentRow, url: &str, notice: &NoticeRow, now: i64) -> Answer {
    let body = notice.body();
    let url = agent::outside(url, &edge.public_url, edge.config.allow_local).map_err(str::to_owned)?;
    let prepared = access::agent_signing_secrets(edge, agent, now).and_then(|secrets| {
        let newest = secrets.first().map(String::as_str).unwrap_or_default();
        // Its form has room for one signature: that of the newest secret. The older one's is beside it, in the other header.
        let timed = notice.dialect().is_none_or(|dialect| dialect >= Dialect::V20260417);
        let merchant = sign::merchant_signature(newest, timed.then_some(now), &body)?;
        Ok((merchant, sign::webhook_signature(&secrets, &notice.id, now, &body)?))
    });
    let (merchant, signature) = prepared.map_err(|problem| unsendable(&agent.shop_id, &problem))?;
    let headers = [
        ("Merchant-Signature", merchant.as_str()),
        ("Request-Id", &notice.id),
        ("Timestamp", &rfc3339(now)),
        ("webhook-id", &notice.id),
        ("webhook-timestamp", &now.to_string()),
        ("webhook-signature", &signature),
    ];
    outside::post(edge, &url, &headers, &body, DEADLINE).map(|status| (status, Vec::new()))
}

/// `GET /v1/events`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let page = Page::read(incoming)?;
    let (kind, status) = (incoming.param("type"), incoming.param("status"));
    if status.as_deref().is_some_and(|status| !notice::STATUSES.contains(&status)) {
        return Err(Problem::value_about("parameter_invalid", "status", &format!("must be one of {}.", notice::STATUSES.join(", "))));
    }
    let rows = edge.db.notices(&shop.id, kind.as_deref(), status.as_deref(), &page.cursor(), page.limit)?;
    page.reply("/v1/events", "event", rows.map(|rows| rows.iter().map(NoticeRow::event).collect()))
}

/// `GET /v1/events/{ccevt_…}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    super::shops::plausible("event", id, "ccevt_")?;
    shown(edge.db.notice(id, &shop.id)?, id)
}

/// `POST /v1/events/{ccevt_…}/resend`: as on its first day, also what was delivered or given up.
pub fn resend(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    Fields::open(&incoming.json()?, "", &[])?;
    super::shops::plausible("event", id, "ccevt_")?;
    let (found, resent) = edge.db.resend_notice(id, &shop.id, clock::now())?;
    let reply = shown(found, id)?;
    match resent {
        Resent::Due => Ok(reply),
        Resent::NoAddress => Err(Problem::request(
            409,
            "webhook_url_missing",
            "There is no webhook_url to send this to. Set one with PATCH /v1/shop, or for an agent's event with PATCH /v1/agents/{id}.",
        )),
        Resent::Superseded => Err(Problem::request(
            409,
            "event_superseded",
            "A newer event of the same order exists, and holds all that this one does: resend that one.",
        )),
    }
}

fn shown(row: Option<Box<NoticeRow>>, id: &str) -> Result<Reply> {
    row.map(|row| Reply::json(200, &row.event())).ok_or_else(|| Problem::missing("event", id))
}
