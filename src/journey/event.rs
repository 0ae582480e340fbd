//! Stripe tells us something (contract, *From Stripe*): signature, then what it is about, then one effect, kept with the
//! event's id in the same batch. 200 only once that is durable. Refunds and disputes: see [`super::aftermath`].

use super::agentic::orders::Found;
use super::{aftermath, agentic, onboarding, settle};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Kind, Problem, Result};
use crate::id::{self, Mode};
use crate::ledger::{self, IntentNews, Mismatch, News, Row, Status};
use crate::place::Slot;
use crate::sign;
use crate::stripe::account::{self, Account};
use crate::stripe::call::Outcome;
use crate::stripe::event::{self, Event, Seconds, Thin};
use crate::stripe::payment_intent::{self, PaymentIntent};
use crate::stripe::session::{self, Session};
use serde_json::Value;

/// `POST /stripe/webhooks`
pub fn receive(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    // No secret, no webhook: never «accept» (CVE-2026-1461).
    if edge.config.webhook_secrets.is_empty() {
        return Err(Problem::not_configured("STRIPE_WEBHOOK_SECRETS is not set, so no event can be trusted."));
    }
    let body = incoming.bytes()?;
    let header = incoming.header("Stripe-Signature").unwrap_or_default();
    let secrets: Vec<&str> = edge.config.webhook_secrets.iter().map(|secret| secret.expose()).collect();
    if let Err(bad) = sign::verify_stripe(&header, &body, &secrets, clock::now()) {
        log::line(object! { "level": "warn", "event": "signature_refused", "request_id": &*edge.request_id, "why": bad.0 });
        return Err(Problem::request(400, "signature_invalid", format!("The Stripe-Signature was refused: {}.", bad.0)));
    }
    let mut event = event::read(&body)?;
    let outcome = take(edge, &mut event).map_err(|mut problem| {
        // Stripe sends it again: an event that is not durable must not be acknowledged.
        if matches!(problem.kind, Kind::Internal | Kind::InvalidRequest) {
            problem.status = 503;
        }
        problem
    })?;
    log::line(
        object! { "level": "info", "event": "stripe_event", "request_id": &*edge.request_id, "id": event.id, "type": event.kind, "outcome": outcome },
    );
    Ok(Reply::json(200, &object! { "received": true }))
}

/// A thin event becomes its snapshot first: the object is fetched by type and id, as it is now.
fn take(edge: &Edge, event: &mut Event) -> Result<&'static str> {
    // What is told of a shop that is being moved would be written where it is copied from, or lost.
    if edge.config.placement.any_moving() {
        return Err(Problem::moving());
    }
    let thin = event.thin();
    match &thin {
        Thin::No | Thin::Bare | Thin::V2 => {}
        Thin::Foreign => return Ok("not_handled"),
        Thin::Fetch(call) => {
            let now = clock::now();
            match outside::stripe::<Value>(edge, Mode::from_live(event.livemode), call, outside::STRIPE_DEADLINE)? {
                Outcome::Ok(object) => event.data.object = object,
                // Nobody's to see, so nothing of ours: an account that left, an object of another mode.
                Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok("not_ours"),
                other => return aftermath::needed(other).map(|_| ""),
            }
            event.created = Seconds(now);
        }
    }
    let second = matches!(thin, Thin::V2);
    let to_all = event.kind.starts_with("account.") || second && !event.kind.starts_with(event::IMPORTS);
    let mut outcome = "not_ours";
    for place in places(edge, event)? {
        let here = if second { second_kind(&place, event)? } else { apply(&place, event)? };
        if outcome == "not_ours" || outcome == "nothing_new" && here != "not_ours" {
            outcome = here;
        }
        if outcome != "not_ours" && !to_all {
            break;
        }
    }
    Ok(outcome)
}

/// In which databases an event is looked for, that in which it is likely to be found first: where the transaction is that it names, or
/// else the shop that sells to agents on its account.
fn places(edge: &Edge, event: &Event) -> Result<Vec<Edge>> {
    if edge.alone() {
        return Ok(vec![edge.clone()]);
    }
    let named = event.data.object.pointer("/metadata/cc_transaction").and_then(Value::as_str).filter(|id| id::is_prefixed(id, "cct_"));
    if let Some(transaction) = named {
        return Ok(edge.of(Slot::of_id(transaction))?.everywhere());
    }
    // A sale that is known somewhere stays there, whoever sells on its account by now.
    let object = &event.data.object;
    let id_of = |name: &str| {
        let found = object.get(name)?;
        found.as_str().or_else(|| found.get("id")?.as_str())
    };
    let (own, intent) = (id_of("id").unwrap_or_default(), id_of("payment_intent"));
    let intent = intent.or_else(|| Some(own).filter(|id| id.starts_with("pi_")));
    let session = Some(own).filter(|id| id::is_session_id(id));
    if intent.is_some() || session.is_some() {
        for place in edge.everywhere() {
            if place.db.knows_sale(intent, session)? {
                return Ok(place.everywhere());
            }
        }
    }
    let Some(account) = &event.account else { return Ok(edge.everywhere()) };
    match agentic::seller_of(edge, account, event.livemode)? {
        // Agreements are the business of nobody else who is connected to the account.
        Some((place, _, shop)) if event.kind.starts_with(event::AGREEMENT) && !shop.ended() => Ok(vec![place]),
        Some((place, _, _)) => Ok(place.everywhere()),
        None => Ok(edge.everywhere()),
    }
}

/// An event about an object of v2.
fn second_kind(edge: &Edge, event: &Event) -> Result<&'static str> {
    if event.kind.starts_with(event::IMPORTS) {
        agentic::imports::told(edge, event)
    } else if event.is_of_account() {
        onboarding::told(edge, event)
    } else {
        agentic::agreements::told(edge, event)
    }
}

fn apply(edge: &Edge, event: &Event) -> Result<&'static str> {
    match event.kind.as_str() {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired" => match event.data.read_object::<Session>() {
            Some(session) => of_session(edge, event, &session),
            None => unreadable(edge, event),
        },
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled"
        | "payment_intent.amount_capturable_updated" => match event.data.read_object::<PaymentIntent>() {
            Some(intent) => of_intent(edge, event, &intent),
            None => unreadable(edge, event),
        },
        "charge.refunded" => match event.data.read_object() {
            Some(charge) => aftermath::of_charge(edge, event, &charge),
            None => unreadable(edge, event),
        },
        "refund.created" | "refund.updated" | "refund.failed" => match event.data.read_object() {
            Some(refund) => aftermath::of_refund(edge, event, &refund),
            None => unreadable(edge, event),
        },
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => match event.data.read_object() {
            Some(dispute) => aftermath::of_dispute(edge, event, &dispute),
            None => unreadable(edge, event),
        },
        "account.application.deauthorized" => deauthorized(edge, event),
        "account.updated" => match event.data.read_object::<Account>() {
            Some(account) => account_updated(edge, event, &account),
            None => unreadable(edge, event),
        },
        _ => Ok("not_handled"),
    }
}

/// What an event is about.
pub enum About {
    /// A connected account's own business, or another Worker's: no trace.
    NotOurs,
    Seen,
    Row(Box<Row>),
}

impl About {
    /// What the log says of an event that goes no further.
    pub fn name(&self) -> &'static str {
        match self {
            About::NotOurs => "not_ours",
            About::Seen => "seen",
            About::Row(_) => "ours",
        }
    }
}

/// Finds the row by its PaymentIntent, else by the reference that the object carries.
pub fn about(edge: &Edge, event: &Event, payment_intent: Option<&str>, reference: Option<&str>) -> Result<About> {
    let reference = reference.filter(|r| id::is_prefixed(r, "cct_"));
    if reference.is_none() && payment_intent.is_none() {
        return Ok(About::NotOurs);
    }
    Ok(match edge.db.event_about(&event.id, payment_intent, reference)? {
        (_, None) => About::NotOurs,
        (true, _) => About::Seen,
        (false, Some(row)) => {
            *edge.counters.shop.borrow_mut() = Some(row.shop_id.clone());
            About::Row(row)
        }
    })
}

fn of_session(edge: &Edge, event: &Event, session: &Session) -> Result<&'static str> {
    let row = match about(edge, event, None, ledger::reference(&session.metadata))? {
        About::Row(row) => row,
        About::Seen => return Ok("seen"),
        // An agent may have made it at Stripe.
        About::NotOurs => match agentic::orders::of_session(edge, event, session)? {
            Found::Row(row) => row,
            Found::Done(outcome) => return Ok(outcome),
        },
    };
    if event.livemode != session.livemode {
        return keep_stray(edge, event, &row, Mismatch::Mode);
    }
    match ledger::news_of_session(&row, event.account.as_deref(), session) {
        Ok(mut news) => {
            if event.kind == "checkout.session.async_payment_failed" && news.to == Some(Status::Processing) {
                news.to = Some(Status::Failed);
            }
            let row = Row { checkout_session: Some(session.id.clone()), ..*row };
            complete_hold(edge, &row, &mut news);
            record(edge, event, &row, &news)
        }
        Err(mismatch) => keep_stray(edge, event, &row, mismatch),
    }
}

/// Until when an authorised payment can be captured stands in the charge, which events only name: it is fetched, once. Where Stripe does
/// not answer, the payment counts all the same, and another event or the sweep brings it.
fn complete_hold(edge: &Edge, row: &Row, news: &mut News) {
    let wanted = news.to == Some(Status::Authorized) && news.capture_before.is_none() && row.capture_before.is_none();
    let held = wanted && (row.status == Status::Authorized || Status::Authorized.follows().contains(&row.status));
    let Some(intent) = news.payment_intent.as_deref().filter(|_| held) else { return };
    let call = payment_intent::retrieve(intent, row.stripe_account());
    if let Ok(Outcome::Ok(intent)) = outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE) {
        news.capture_before = intent.capture_before();
    }
}

fn of_intent(edge: &Edge, event: &Event, intent: &PaymentIntent) -> Result<&'static str> {
    let row = match about(edge, event, None, ledger::reference(&intent.metadata))? {
        About::Row(row) => row,
        About::Seen => return Ok("seen"),
        About::NotOurs => match agentic::orders::of_intent(edge, event, intent)? {
            Found::Row(row) => row,
            Found::Done(outcome) => return Ok(outcome),
        },
    };
    if event.livemode != intent.livemode {
        return keep_stray(edge, event, &row, Mismatch::Mode);
    }
    match ledger::news_of_intent(&row, event.account.as_deref(), &event.kind, intent) {
        Ok(IntentNews::Decided(mut news)) => {
            complete_hold(edge, &row, &mut news);
            record(edge, event, &row, &news)
        }
        Ok(IntentNews::Nothing) => record(edge, event, &row, &News::default()),
        // A delayed payment of an agent's failed: there is no session to ask.
        Ok(IntentNews::AskSession) if row.by_api() => {
            let failed = News { to: Some(Status::Failed), ..News::default() };
            record(edge, event, &row, &failed)
        }
        Ok(IntentNews::AskSession) => {
            let Some(session_id) = &row.checkout_session else {
                return Err(Problem::stripe_unavailable("The session is not recorded yet."));
            };
            let call = session::retrieve(session_id, row.stripe_account());
            match outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
                Outcome::Ok(session) => match ledger::news_of_session(&row, row.stripe_account(), &session) {
                    Ok(news) => record(edge, event, &row, &news),
                    Err(mismatch) => keep_stray(edge, event, &row, mismatch),
                },
                Outcome::Refused(error) => Err(error.problem()),
                Outcome::Unavailable { why, .. } => Err(Problem::stripe_unavailable("Stripe did not answer.").because(why)),
            }
        }
        Err(mismatch) => keep_stray(edge, event, &row, mismatch),
    }
}

/// The effect and the event's id, in one batch.
pub fn record(edge: &Edge, event: &Event, row: &Row, news: &News) -> Result<&'static str> {
    let now = clock::now();
    let remember =
        edge.db.remember_event(&event.id, &event.kind, event.account.as_deref(), event.livemode, Some(&row.id), event.created.0, now);
    let mut batch = vec![remember];
    let (moving, after) = settle::moving(edge, row, news, "webhook", now)?;
    let moves = !moving.is_empty();
    batch.extend(moving);
    // Of an agent's order at Stripe all is known from its session as a whole; an event shows less.
    if news.tells_buyer() && !row.at_stripe() {
        batch.push(edge.db.note_buyer(row, news));
        batch.push(edge.db.tell_buyer(&row.id, news, now));
    }
    let answers = edge.db.batch_owing(batch)?;
    if !moves || !answers.at(1)?.changed()? {
        return Ok("nothing_new");
    }
    if news.lacks_buyer(&after) {
        settle::ask_buyer(edge, &after);
    }
    Ok(after.status.name())
}

pub fn keep_stray(edge: &Edge, event: &Event, row: &Row, mismatch: Mismatch) -> Result<&'static str> {
    settle::stray(edge, "event", &event.id, &row.id, event.account.as_deref(), event.livemode, mismatch, clock::now())?;
    Ok("stray")
}

/// An object that is not what its type says. One that names a transaction of ours is kept for the operator: what it told is lost else.
fn unreadable(edge: &Edge, event: &Event) -> Result<&'static str> {
    let named = event.data.object.pointer("/metadata/cc_transaction").and_then(serde_json::Value::as_str);
    match about(edge, event, None, named)? {
        About::Row(row) => keep_stray(edge, event, &row, Mismatch::Unreadable),
        other => Ok(other.name()),
    }
}

/// An account tells how it is now; all its connections are told.
fn account_updated(edge: &Edge, event: &Event, account: &Account) -> Result<&'static str> {
    if event.account.as_ref() != Some(&account.id) {
        return Ok("not_ours");
    }
    let moved =
        edge.db.account_updated(&account.id, event.livemode, account.charges_enabled, account.details_submitted, event.created.0)?;
    Ok(if moved { "account_updated" } else { "nothing_new" })
}

/// The merchant disconnected at Stripe. An event that is older than a connection does not end it; when both happened in the
/// same second, and it may be an earlier connection's, Stripe is asked.
fn deauthorized(edge: &Edge, event: &Event) -> Result<&'static str> {
    let Some(account) = event.account.as_deref().filter(|account| id::is_account_id(account)) else { return Ok("not_ours") };
    let mode = Mode::from_live(event.livemode);
    let timed = event.created.0 > 0;
    let mut until = if timed { event.created.0 } else { clock::now() };
    // One that does not say when may be an old one that comes late: of a connection before this one.
    if !timed || edge.db.connected_in(account, event.livemode, until)? {
        match outside::stripe::<Account>(edge, mode, &account::retrieve(account), outside::STRIPE_DEADLINE)? {
            Outcome::Ok(_) if !timed => return Ok("nothing_new"),
            Outcome::Ok(_) => until = until.saturating_sub(1),
            Outcome::Refused(error) if error.account_invalid() => {}
            Outcome::Refused(_) | Outcome::Unavailable { .. } => return Err(Problem::stripe_unavailable("Stripe could not be asked.")),
        }
    }
    let ended = edge.db.account_deauthorized(account, event.livemode, until, clock::now())?;
    Ok(if ended > 0 { "connection_gone" } else { "nothing_new" })
}
