//! Orders that agents make at Stripe (contract, *Stripe's agentic commerce*): sessions that this Worker did not create. Stripe's events
//! tell of them, in any order and any number; the Session is fetched whole, and becomes a transaction and, once paid, an order.
//!
//! What counts is where a session comes from: a hook of ours approved it, or Stripe says that an agent made it; and the account that it
//! was made on has its agentic side with a shop here. All else that happens on a connected account is its own business, and leaves no
//! trace.
//!
//! Attack: who gets a session of his own taken for an order of another shop's would be delivered goods that he paid to himself. So the
//! account decides whose an order is: the one that Stripe signed the event for, or, on the platform, the one that the payment goes to
//! and is made on behalf of; and never anything that session or payment say of themselves.

use crate::agentic::order::{self, Born, Owner};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::id::{self, Mode};
use crate::journey::acp::sale::permalink;
use crate::journey::{aftermath, settle};
use crate::ledger::{self, BANKS_TAKE, News, Row, Status};
use crate::place::Slot;
use crate::record::Record;
use crate::store::Statement;
use crate::store::agentic::{Approved, Heard, Known};
use crate::store::orders::NewOrder;
use crate::store::shops::ShopRow;
use crate::stripe::call::{Call, Outcome, Version};
use crate::stripe::event::Event;
use crate::stripe::payment_intent::{PaymentIntent, TransferData};
use crate::stripe::session::{self, Expandable, Session, Sessions};
use serde_json::Value;

/// Approved sessions asked about in one run of the sweep.
const ASKED: i64 = 30;
/// How long Stripe's own events are waited for, seconds.
const WAIT: i64 = 180;
/// How long a session that was approved may still be paid, seconds: Stripe's sessions live a day.
const LIFE: i64 = 26 * 3600;
/// How much longer Stripe is asked that did not answer the last question.
const GRACE: i64 = 3 * 24 * 3600;
/// Further lines are fetched by the hundred, of which Stripe has one at most.
const PAGES: u32 = 5;

/// What came of an event that names no transaction of ours.
pub enum Found {
    /// An order that is known already: what the event says of it is as of any other transaction.
    Row(Box<Row>),
    /// Nothing more is to be done: the word for the log.
    Done(&'static str),
}

/// Where a session is to be looked for.
struct Place<'a> {
    /// None: on the platform.
    account: Option<&'a str>,
    live: bool,
    session: &'a str,
}

/// An event about a Session that names none of ours.
pub fn of_session(edge: &Edge, event: &Event, session: &Session) -> Result<Found> {
    // What expires was never sold; what names a transaction is another Worker's.
    if event.kind == "checkout.session.expired" || ledger::reference(&session.metadata).is_some() || !id::is_session_id(&session.id) {
        return Ok(Found::Done("not_ours"));
    }
    let intent = session.payment_intent.as_ref().map(Expandable::id);
    let heard = Heard { event: &event.id, account: event.account.as_deref(), live: event.livemode, session: Some(&session.id), intent };
    let mut known = edge.db.agentic_heard(&heard)?;
    if let Some(found) = known_already(edge, &mut known) {
        return Ok(found);
    }
    if session.status.as_deref().is_some_and(|status| status != "complete") || event.livemode != session.livemode {
        return Ok(Found::Done("not_ours"));
    }
    let place = Place { account: event.account.as_deref(), live: event.livemode, session: &session.id };
    take_in(edge, &place, known, Some(event), "webhook")
}

/// An event about a PaymentIntent that names none of ours.
pub fn of_intent(edge: &Edge, event: &Event, intent: &PaymentIntent) -> Result<Found> {
    if ledger::reference(&intent.metadata).is_some() {
        return Ok(Found::Done("not_ours"));
    }
    let account = event.account.as_deref().or_else(|| intent.transfer_data.as_ref().and_then(TransferData::destination));
    let heard = Heard { event: &event.id, account, live: event.livemode, session: None, intent: Some(&intent.id) };
    let mut known = edge.db.agentic_heard(&heard)?;
    if let Some(found) = known_already(edge, &mut known) {
        return Ok(found);
    }
    if event.livemode != intent.livemode || !matches!(intent.status.as_str(), "succeeded" | "requires_capture") {
        return Ok(Found::Done("not_ours"));
    }
    by_payment(edge, event, &intent.id, known, Some(event))
}

/// A payment that no row has, of which something is heard that came after it (a dispute): the row, if an agent's order it is.
pub fn of_payment(edge: &Edge, event: &Event, intent: &PaymentIntent) -> Result<Option<Box<Row>>> {
    let account = event.account.as_deref().or_else(|| intent.transfer_data.as_ref().and_then(TransferData::destination));
    let heard = Heard { event: "", account, live: event.livemode, session: None, intent: Some(&intent.id) };
    let known = edge.db.agentic_heard(&heard)?;
    match by_payment(edge, event, &intent.id, known, None)? {
        Found::Row(row) => Ok(Some(row)),
        Found::Done(_) => Ok(edge.db.agentic_heard(&heard)?.row),
    }
}

fn known_already(edge: &Edge, known: &mut Known) -> Option<Found> {
    if known.seen {
        return Some(Found::Done("seen"));
    }
    let row = known.row.take()?;
    *edge.counters.shop.borrow_mut() = Some(row.shop_id.clone());
    Some(Found::Row(row))
}

/// Finds the session that made a payment, and takes it in.
fn by_payment(edge: &Edge, event: &Event, intent: &str, known: Known, remember: Option<&Event>) -> Result<Found> {
    // Without a shop that sells to agents on the account it is the account's own business, and Stripe is not asked.
    if known.side.is_none() {
        return Ok(Found::Done("not_ours"));
    }
    let account = event.account.as_deref();
    let call = session::of_payment_intent(intent, account);
    let sessions = match outside::stripe::<Sessions>(edge, Mode::from_live(event.livemode), &call, outside::STRIPE_DEADLINE)? {
        Outcome::Refused(error) if error.account_invalid() => return Ok(Found::Done("not_ours")),
        other => aftermath::needed(other)?,
    };
    // A payment that was not made by a Session: another gateway's.
    let Some(session) = sessions.data.into_iter().find(|session| id::is_session_id(&session.id)) else {
        return Ok(Found::Done("not_ours"));
    };
    if ledger::reference(&session.metadata).is_some() {
        return Ok(Found::Done("not_ours"));
    }
    let place = Place { account, live: event.livemode, session: &session.id };
    let heard = Heard { event: "", account: None, live: event.livemode, session: Some(&session.id), intent: None };
    let approved_for = edge.db.agentic_heard(&heard)?.approved_for;
    take_in(edge, &place, Known { approved_for, ..known }, remember, "webhook")
}

/// A Session with everything expanded, all of its lines, and the version that said so; `None` where there is none to be seen.
fn fetch(edge: &Edge, place: &Place<'_>) -> Result<Option<(Value, Vec<Value>, Version)>> {
    let mode = Mode::from_live(place.live);
    let mut call = session::expanded(place.session, place.account);
    let whole = loop {
        match outside::stripe::<Value>(edge, mode, &call, outside::STRIPE_DEADLINE)? {
            Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok(None),
            // The preview is closed to this platform, or is over. An order without SKUs is better than none; and an endpoint that never
            // takes an event is switched off by Stripe, for all shops.
            Outcome::Refused(error) if error.status == 400 && call.version == Version::Preview => {
                log::line(object! { "level": "error", "event": "preview_refused", "request_id": &*edge.request_id,
                "version": call.version.header(), "why": error.message });
                call.version = Version::Released;
            }
            other => break aftermath::needed(other)?,
        }
    };
    let version = call.version;
    let mut items = whole.pointer("/line_items/data").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut more = has_more(whole.get("line_items"));
    for _ in 0..PAGES {
        let Some(last) = items.last().and_then(|item| item.get("id")?.as_str()).filter(|_| more) else { break };
        let call = Call { version, ..session::line_items(place.session, last, place.account) };
        let page = aftermath::needed(outside::stripe::<Value>(edge, mode, &call, outside::STRIPE_DEADLINE)?)?;
        more = has_more(Some(&page));
        items.extend(page.get("data").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    Ok(Some((whole, items, version)))
}

fn has_more(list: Option<&Value>) -> bool {
    list.and_then(|list| list.get("has_more")).and_then(Value::as_bool).unwrap_or(false)
}

/// The account that a charge on the platform goes to and is made on behalf of.
fn seller(session: &Session) -> Option<&str> {
    let intent = session.payment_intent.as_ref()?.object()?;
    let to = intent.transfer_data.as_ref()?.destination()?;
    (intent.on_behalf_of.as_ref().map(Expandable::id) == Some(to) && id::is_account_id(to)).then_some(to)
}

/// Decides whether a session is an agent's order of a shop's here, and writes it: the transaction as it is by now, what the shop is owed
/// for it, and, where it is paid, the order and the stock, all at once and with the event.
fn take_in(edge: &Edge, place: &Place<'_>, known: Known, event: Option<&Event>, by: &str) -> Result<Found> {
    const NOT_OURS: Found = Found::Done("not_ours");
    // Load. Stripe is asked only about what may be an agent's: on an account whose shop sells to agents, or on the platform.
    let possible = if place.account.is_some() { known.side.is_some() } else { known.approved_for.is_some() || known.anybody };
    if !possible {
        return Ok(NOT_OURS);
    }
    let Some((whole, items, version)) = fetch(edge, place)? else { return Ok(NOT_OURS) };
    let told = Session::from_value(whole.clone()).ok();
    let Some(session) = told.filter(|session| session.id == place.session && session.livemode == place.live) else {
        return Ok(unfit(edge, place, "unreadable"));
    };
    let account = match place.account {
        Some(account) => account,
        None => match seller(&session) {
            Some(account) => account,
            None => return Ok(NOT_OURS),
        },
    };
    let intent = session.payment_intent.as_ref().map(Expandable::id);
    let side = if place.account.is_some() { known.side } else { edge.db.agentic_of_account(account, place.live)? };
    // Decide.
    let Some((side, shop)) = &side else { return Ok(NOT_OURS) };
    let approved = known.approved_for.as_ref() == Some(&side.shop_id);
    if side.account != account || (side.livemode != 0) != place.live {
        return Ok(NOT_OURS);
    }
    // Only a preview names the agent; where that is closed, the log at least says which payments may have been an agent's.
    if !approved && version == Version::Released && side.enabled == 1 && ledger::reference(&session.metadata).is_none() {
        return Ok(unfit(edge, place, "preview_refused"));
    }
    if !approved && order::agent_details(&whole).is_none() || ledger::reference(&session.metadata).is_some() {
        return Ok(NOT_OURS);
    }
    // An agent bought where the shop sells to none any more: nobody here approved it, and somebody should look why Stripe did not ask.
    if !approved && side.enabled == 0 {
        return Ok(unfit(edge, place, "disabled"));
    }
    *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
    let now = clock::now();
    let slot = Slot::of_id(&shop.id);
    let (transaction, order_id) = (clock::fresh_id_in(slot, "cct_")?, clock::fresh_id_in(slot, "ord_")?);
    let born = Born { id: &order_id, transaction: &transaction, permalink_url: permalink(edge, shop, &order_id), now };
    let doc = order::order(&whole, &items, &born);
    let owner = Owner { shop_id: &shop.id, account, destination: place.account.is_none() };
    let Some(row) = order::row(&session, &whole, &doc, &owner, now) else { return Ok(unfit(edge, place, "unreadable")) };
    let news = match ledger::news_of_session(&row, place.account, &session) {
        Ok(news) => News { amount_tax: None, amount_shipping: None, ..with_buyer(news, &whole) },
        Err(mismatch) => return Ok(unfit(edge, place, mismatch.name())),
    };
    // What nobody paid is nobody's order yet.
    if !matches!(news.to, Some(Status::Paid | Status::Authorized | Status::Processing)) {
        return Ok(Found::Done("not_paid"));
    }
    // Record.
    let (moving, after) = settle::moving_alone(edge, &row, &news, by, now)?;
    let mut batch = vec![edge.db.insert_agents_order(&row)];
    batch.extend(moving);
    if after.status == Status::Paid {
        batch.extend(sale(edge, &after, &doc, &whole, now)?);
    } else {
        batch.extend(edge.db.keep_stock(&after, &order::stock(&doc), now.saturating_add(BANKS_TAKE)));
    }
    if order::refunded(&whole) && after.status == Status::Paid {
        batch.push(edge.db.look_at(&after.id, now));
    }
    batch.push(edge.db.approval_answered(&session.id));
    if let Some(event) = event {
        let (id, kind) = (&event.id, &event.kind);
        batch.push(edge.db.remember_event_of(id, kind, event.account.as_deref(), event.livemode, event.created.0, now, &after));
    }
    // Sent again it finds the row, and writes nothing a second time.
    if edge.db.repeatable(batch)?.at(0)?.changed()? || edge.db.transaction(&after.id)?.is_some() {
        return Ok(Found::Done(after.status.name()));
    }
    // Another event was faster. What this one says counts as of any row that is known.
    let heard = Heard { event: "", account: None, live: place.live, session: Some(&session.id), intent };
    match edge.db.agentic_heard(&heard)?.row {
        Some(row) => Ok(Found::Row(row)),
        None => Ok(unfit(edge, place, "taken")),
    }
}

fn with_buyer(news: News, whole: &Value) -> News {
    let News { customer, shipping_details, billing_details, .. } = order::buyer_news(whole);
    News { customer, shipping_details, billing_details, ..news }
}

/// An agent's order that is not what it should be: the operator reads it in the log. (A stray would have to name a transaction.)
fn unfit(edge: &Edge, place: &Place<'_>, why: &str) -> Found {
    log::line(object! { "level": "warn", "event": "agent_order_unfit", "request_id": &*edge.request_id, "session": place.session,
    "account": place.account, "why": why });
    Found::Done("unfit")
}

/// What a paid session becomes: its stock is taken, its order is written, shop and books know it. Behind what says that it is paid.
fn sale(edge: &Edge, row: &Row, doc: &crate::acp::order::OrderDoc, whole: &Value, now: i64) -> Result<Vec<Statement>> {
    let nameless = doc.lines.iter().any(|line| line.product.is_empty());
    let mut statements = edge.db.sell_stock(row, &order::stock(doc), nameless, now);
    let email = order::buyer_email(whole);
    statements.extend(edge.db.create_order(
        &NewOrder { order: doc, shop_id: &row.shop_id, agent_id: None, dialect: None, origin: "stripe", buyer_email: email.as_deref() },
        &clock::fresh_id("ccevt_")?,
        &clock::fresh_id("ccevt_")?,
        now,
    ));
    Ok(statements)
}

/// What moves a row of an agent's that is known already (a delayed payment came, an authorised one was captured), for whoever hears of
/// it: paid, it becomes an order, from the session as it is now.
pub fn moving(edge: &Edge, row: &Row, news: &News, by: &str, now: i64) -> Result<(Vec<Statement>, Box<Row>)> {
    if !news.to.is_some_and(|to| to.follows().contains(&row.status)) {
        return settle::moving_alone(edge, row, news, by, now);
    }
    let Some(session) = row.checkout_session.as_deref() else { return Err(Problem::fault("an agent's order without its session")) };
    let place = Place { account: row.stripe_account(), live: row.livemode != 0, session };
    let shop: Option<Box<ShopRow>> = edge.db.shop(&row.shop_id)?;
    // Of a shop that has left the books are kept, and of a session that nobody can see any more.
    let (Some(shop), Some((whole, items, _))) = (shop.filter(|shop| shop.status != "deleted"), fetch(edge, &place)?) else {
        return settle::moving_alone(edge, row, news, by, now);
    };
    // An event shows the half of it: now that the payment is seen too, it is compared.
    let told = Session::from_value(whole.clone()).map_err(Problem::fault)?;
    let seen = match ledger::news_of_session(row, row.stripe_account(), &told) {
        Ok(seen) => seen,
        Err(mismatch) => {
            settle::stray(edge, "session", session, &row.id, row.stripe_account(), told.livemode, mismatch, now)?;
            return Ok((Vec::new(), Box::new(row.clone())));
        }
    };
    let news = News { application_fee: news.application_fee.or(seen.application_fee), ..with_buyer(news.clone(), &whole) };
    let (mut statements, after) = settle::moving_alone(edge, row, &news, by, now)?;
    let id = clock::fresh_id_in(Slot::of_id(&row.shop_id), "ord_")?;
    let born = Born { id: &id, transaction: &row.id, permalink_url: permalink(edge, &shop, &id), now };
    let doc = order::order(&whole, &items, &born);
    statements.extend(sale(edge, &after, &doc, &whole, now)?);
    Ok((statements, after))
}

/// The sweep: sessions that were approved here and of which no event told. Stripe is asked what became of them, on the account and on the
/// platform: which way charges are made there is Stripe's setting.
pub fn sweep(edge: &Edge) -> Result<u32> {
    let now = clock::now();
    let mut found = 0_u32;
    for due in edge.db.approvals_due(now, now.saturating_sub(WAIT), ASKED)? {
        let age = now.saturating_sub(due.created);
        // Sooner at first: most that are paid at all are paid at once.
        let next = (age <= LIFE).then(|| now.saturating_add(age.clamp(600, 4 * 3600)));
        if !edge.db.lease_approval(&due, next)? {
            continue;
        }
        match ask(edge, &due) {
            Ok(true) => found = found.saturating_add(1),
            Ok(false) => {}
            Err(problem) => {
                let session = &due.checkout_session;
                // The last question is asked again until it is answered, for some days.
                if next.is_none() && age <= LIFE.saturating_add(GRACE) {
                    edge.db.ask_approval_again(&due.id, now.saturating_add(4 * 3600))?;
                }
                log::line(
                    object! { "level": "warn", "event": "approval_not_asked", "session": session, "why": problem.code, "cause": problem.cause },
                );
            }
        }
    }
    Ok(found)
}

/// `true` when an order was found.
fn ask(edge: &Edge, due: &Approved) -> Result<bool> {
    let (live, session) = (due.livemode != 0, due.checkout_session.as_str());
    for account in [Some(due.account.as_str()), None] {
        let call = session::retrieve(session, account);
        let told = match outside::stripe::<Session>(edge, Mode::from_live(live), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(session) => session,
            Outcome::Refused(error) if error.account_invalid() || error.status == 404 => continue,
            other => aftermath::needed(other)?,
        };
        match told.status.as_deref() {
            Some("complete") => {}
            Some("expired") => {
                edge.db.approval_over(session)?;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        let heard = Heard { event: "", account: Some(&due.account), live, session: Some(session), intent: None };
        let known = edge.db.agentic_heard(&heard)?;
        if known.row.is_some() {
            edge.db.run(vec![edge.db.approval_answered(session)])?;
            return Ok(false);
        }
        let place = Place { account, live, session };
        let found = take_in(edge, &place, known, None, "sweep")?;
        return Ok(matches!(found, Found::Done("paid" | "authorized" | "processing")));
    }
    Ok(false)
}
