//! Agreements between a shop and agents (contract, *Stripe's agentic commerce*). Stripe keeps them; here is a copy of each, for when
//! Stripe is away and to hold late news against.

use super::account::{Seat, asked_mode, seat};
use crate::agentic::agreement::{self, Act, Agreement};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::id::{self, Mode};
use crate::journey::aftermath::needed;
use crate::journey::lists::Page;
use crate::journey::{access, connect};
use crate::ledger::stored;
use crate::store::agreements::{Whom, Whose};
use crate::store::lists::Cursor;
use crate::stripe::agreement::{self as calls, Page as Found};
use crate::stripe::call::{Outcome, StripeError};
use crate::stripe::event::Event;
use serde_json::Value;

/// What Stripe gets for a read, milliseconds: there is a copy, and a plugin waits five seconds for all of it.
const READ_DEADLINE: u32 = 4_000;
/// Pages of a hundred that one read goes through. A shop has as many agreements as there are agents.
const MOST_PAGES: usize = 5;

fn whose(seat: &Seat) -> Whose<'_> {
    Whose { shop_id: &seat.shop.id, account: &seat.connection.account, live: seat.mode.live() }
}

/// What a caller is told of a refusal.
fn refused(edge: &Edge, seat: &Seat, id: &str, error: &StripeError) -> Result<Problem> {
    Ok(if error.account_invalid() {
        connect::account_refused(edge, seat.mode, &seat.connection)?
    } else if error.status == 404 && !id.is_empty() {
        // Also another account's: Stripe shows each account its own.
        Problem::missing("agreement", id)
    } else {
        error.problem()
    })
}

fn seat_of(edge: &Edge, incoming: &Incoming) -> Result<Seat> {
    let shop = access::verified_shop(edge, incoming)?;
    seat(edge, shop, access::mode_param(incoming)?, false)
}

/// `GET /v1/agentic/agreements`: as Stripe has them now; while Stripe is away, as they were.
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let page = Page::read(incoming)?;
    let seat = seat_of(edge, incoming)?;
    // Further pages are of the list that the first one was of.
    if matches!(page.cursor(), Cursor::Start)
        && let Some(found) = all(edge, &seat)?
    {
        edge.db.keep_agreements(&whose(&seat), &found, clock::now())?;
    }
    let rows = edge.db.agreements(&whose(&seat), &page.cursor(), page.limit)?;
    let objects = rows.map(|rows| rows.iter().map(|row| stored(&row.object)).collect::<Vec<Value>>());
    page.reply("/v1/agentic/agreements", "agreement", objects)
}

/// All that Stripe has; `None` when it does not say.
fn all(edge: &Edge, seat: &Seat) -> Result<Option<Vec<Agreement>>> {
    let (mut found, mut next) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let call = calls::list(&seat.connection.account, next.as_deref());
        let page = match outside::stripe::<Found>(edge, seat.mode, &call, READ_DEADLINE)? {
            Outcome::Ok(page) => page,
            Outcome::Refused(error) => return Err(refused(edge, seat, "", &error)?),
            Outcome::Unavailable { .. } => return Ok(None),
        };
        next = page.next();
        found.extend(page.data.into_iter().filter_map(Agreement::read).filter(|one| one.livemode == seat.mode.live()));
        if next.is_none() {
            break;
        }
    }
    Ok(Some(found))
}

/// Keeps what Stripe answered, and answers what counts of it.
fn answered(edge: &Edge, seat: &Seat, id: &str, object: Value) -> Result<Reply> {
    let agreement = Agreement::read(object).filter(|one| one.id == id && one.livemode == seat.mode.live());
    let Some(agreement) = agreement else { return Err(Problem::fault("Stripe's agreement is another one")) };
    let kept = edge.db.keep_agreement(&whose(seat), agreement, clock::now())?;
    let kept = kept.ok_or_else(|| Problem::fault("an agreement was kept and is not there"))?;
    Ok(Reply::rendered(200, kept.object))
}

/// `GET /v1/agentic/agreements/{id}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let seat = seat_of(edge, incoming)?;
    let call = calls::retrieve(&seat.connection.account, id);
    match outside::stripe::<Value>(edge, seat.mode, &call, READ_DEADLINE)? {
        Outcome::Ok(object) => answered(edge, &seat, id, object),
        Outcome::Refused(error) => Err(refused(edge, &seat, id, &error)?),
        Outcome::Unavailable { why, .. } => match edge.db.agreement(&whose(&seat), id)? {
            Some(kept) => Ok(Reply::rendered(200, kept.object)),
            None => Err(Problem::stripe_unavailable("Stripe did not answer. Sending the same request again is safe.").because(why)),
        },
    }
}

/// `POST /v1/agentic/agreements/{id}/confirm`
pub fn confirm(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    act(edge, incoming, id, Act::Confirm)
}

/// `POST /v1/agentic/agreements/{id}/terminate`
pub fn terminate(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    act(edge, incoming, id, Act::Terminate)
}

/// Both are what they are once they are done, so a request whose answer was lost may be sent again: Stripe then refuses, and a look says
/// that it is as it was asked for.
fn act(edge: &Edge, incoming: &Incoming, id: &str, act: Act) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let asked = asked_mode(incoming)?;
    let seat = seat(edge, shop, asked, false)?;
    let account = &seat.connection.account;
    let call = calls::act(account, id, act.name(), &clock::fresh_id("agr_")?);
    let error = match outside::stripe::<Value>(edge, seat.mode, &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(object) => return answered(edge, &seat, id, object),
        Outcome::Refused(error) => error,
        Outcome::Unavailable { why, .. } => {
            return Err(Problem::stripe_unavailable("Stripe did not answer. Sending the same request again is safe.").because(why));
        }
    };
    if error.status != 404 && !error.account_invalid() {
        let call = calls::retrieve(account, id);
        if let Outcome::Ok(object) = outside::stripe::<Value>(edge, seat.mode, &call, READ_DEADLINE)?
            && Agreement::read(object.clone()).is_some_and(|found| found.is_done(act))
        {
            return answered(edge, &seat, id, object);
        }
    }
    Err(refused(edge, &seat, id, &error)?)
}

/// A thin event about one: `webhook`'s word for what came of it. The agreement is fetched as it is now, so events may come in any order;
/// the shop is told of each kind once.
pub fn told(edge: &Edge, event: &Event) -> Result<&'static str> {
    let Some((notice, far)) = agreement::news(&event.kind) else { return Ok("not_handled") };
    let Some((account, id)) = event.account.as_deref().filter(|account| id::is_account_id(account)).zip(event.related_id()) else {
        return Ok("not_ours");
    };
    let (seen, shops) = edge.db.agreement_told(&event.id, account, event.livemode)?;
    if seen {
        return Ok("seen");
    }
    if shops.is_empty() {
        return Ok("not_ours");
    }
    let mode = Mode::from_live(event.livemode);
    let object = match outside::stripe::<Value>(edge, mode, &calls::retrieve(account, id), outside::STRIPE_DEADLINE)? {
        // Nobody's to see: an account that left, an agreement of another mode.
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok("not_ours"),
        other => needed(other)?,
    };
    let Some(agreement) = Agreement::read(object).filter(|one| one.id == id && one.livemode == event.livemode) else {
        return Ok("not_ours");
    };
    let now = clock::now();
    // What the event says has not come to pass as far as Stripe knows: nobody is told.
    let notice = Some(notice).filter(|_| agreement.rank >= far);
    let remember = edge.db.remember_event(&event.id, &event.kind, Some(account), event.livemode, None, now, now);
    let whom = Whom { shops: &shops, account, live: event.livemode };
    edge.db.tell_agreement(remember, &whom, agreement, notice, now)?;
    Ok(if notice.is_some() { "agreement_told" } else { "nothing_new" })
}
