//! The merchant switches agents on: account sessions for Stripe's embedded component, and the page that mounts it for merchants whose
//! plugin cannot (contract, *Stripe's agentic commerce*).
//!
//! An account session lets a browser act for the account in that component. Attack: whoever holds one can switch agents on and off for a
//! stranger's shop. So it goes to the shop's own server, which asks with its key, or to the one browser that opened a link which works
//! once; it is stored nowhere, and stands in no page and no address.

use super::{held_elsewhere, shared};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::Mode;
use crate::journey::{access, checkout, connect};
use crate::page;
use crate::place::Slot;
use crate::sign;
use crate::store::connect::{ConnectionRow, in_mode};
use crate::store::shops::ShopRow;
use crate::stripe::account::{self, AccountSession};
use crate::stripe::call::Outcome;

/// How long a link waits to be opened, seconds.
const LINK_LIFE: i64 = 10 * 60;
/// How long its page may ask for account sessions, seconds, and how often: Connect.js asks anew when one ends.
const PAGE_LIFE: i64 = 60 * 60;
const MOST_SESSIONS: i64 = 30;

/// A shop that may see and change the agentic side of its account, in a mode.
pub struct Seat {
    pub shop: Box<ShopRow>,
    pub mode: Mode,
    pub connection: ConnectionRow,
}

/// Whose account it is. Agentic commerce need not be switched on: the merchant looks at agents and their terms before. But where another
/// shop has the account's agentic side, it is that shop's to change. `embedded`: it is for Stripe's component, which needs a key of its own.
pub fn seat(edge: &Edge, shop: Box<ShopRow>, asked: Option<Mode>, embedded: bool) -> Result<Seat> {
    let seat = edge.db.seat(&shop.id)?;
    let mode = access::mode(edge, asked, &seat.connections);
    edge.pair(mode)?;
    if embedded {
        publishable_key(edge, mode)?;
    }
    let connection = checkout::usable(in_mode(&seat.connections, mode.live()), mode)?.clone();
    if seat.holder(&connection).is_some_and(|holder| holder != shop.id) || held_elsewhere(edge, &shop.id, &connection.account, mode.live())?
    {
        return Err(shared());
    }
    Ok(Seat { shop, mode, connection })
}

/// `mode` in the body of a POST, else in the query.
pub fn asked_mode(incoming: &Incoming) -> Result<Option<Mode>> {
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["mode"])?;
    match fields.choice("mode", &[("live", Mode::Live), ("test", Mode::Test)])? {
        Some(mode) => Ok(Some(mode)),
        None => access::mode_param(incoming),
    }
}

fn publishable_key(edge: &Edge, mode: Mode) -> Result<&'static str> {
    edge.pair(mode)?.publishable_key.as_deref().ok_or_else(|| {
        let name = if mode.live() { "STRIPE_PUBLISHABLE_KEY" } else { "STRIPE_TEST_PUBLISHABLE_KEY" };
        Problem::not_configured(format!("Stripe's embedded components need {name}, which the operator has not set."))
    })
}

/// Asks Stripe for an account session.
fn fresh_session(edge: &Edge, mode: Mode, account: &str) -> Result<Outcome<AccountSession>> {
    let outcome = outside::stripe::<AccountSession>(edge, mode, &account::session(account), outside::STRIPE_DEADLINE)?;
    match &outcome {
        Outcome::Ok(made) if made.account != account || made.livemode != mode.live() => {
            Err(Problem::fault("Stripe's account session is for another account"))
        }
        _ => Ok(outcome),
    }
}

fn no_session(why: String) -> Problem {
    Problem::stripe_unavailable("Stripe did not answer. Sending the same request again is safe.").because(why)
}

/// `POST /v1/agentic/account_sessions`
pub fn session(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let asked = asked_mode(incoming)?;
    let seat = seat(edge, shop, asked, true)?;
    let key = publishable_key(edge, seat.mode)?;
    match fresh_session(edge, seat.mode, &seat.connection.account)? {
        Outcome::Ok(made) => Ok(Reply::json(
            200,
            &object! { "object": "agentic.account_session", "account": made.account, "client_secret": made.client_secret,
            "publishable_key": key, "livemode": seat.mode.live(), "expires_at": made.expires_at },
        )),
        Outcome::Refused(error) if error.account_invalid() => Err(connect::account_refused(edge, seat.mode, &seat.connection)?),
        Outcome::Refused(error) => Err(error.problem()),
        Outcome::Unavailable { why, .. } => Err(no_session(why)),
    }
}

/// `POST /v1/agentic/settings_link`
pub fn link(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let asked = asked_mode(incoming)?;
    let seat = seat(edge, shop, asked, true)?;
    if !seat.connection.active() {
        // Stripe refused the account; should it be ours after all, the next look at the connection says so.
        return Err(connect::account_refused(edge, seat.mode, &seat.connection)?);
    }
    let now = clock::now();
    let expires_at = now.saturating_add(LINK_LIFE);
    let ticket = clock::fresh_secret_in(Slot::of_id(&seat.connection.shop_id), "")?;
    edge.db.insert_settings_link(&sign::sha256_hex(ticket.as_bytes()), &seat.connection, now, expires_at)?;
    let url = format!("{}/agentic/settings/{ticket}", edge.public_url);
    Ok(Reply::json(201, &object! { "object": "agentic.settings_link", "url": url, "livemode": seat.mode.live(), "expires_at": expires_at }))
}

/// One each, so that two pages do not take each other's.
fn cookie_name(hash: &str) -> String {
    let short: String = hash.chars().take(16).collect();
    format!("__Host-cc_{short}")
}

fn dead_link(edge: &Edge) -> Reply {
    connect::error_page(
        edge,
        404,
        "This link is no longer valid",
        "The link to the settings of agents works once, and for ten minutes.",
        "Go back to your shop's admin and open the settings of agents again.",
    )
}

/// `GET /agentic/settings/{ticket}`: opened once. HEAD looks and uses nothing up: whoever previews a link must not spend it.
pub fn page(edge: &Edge, incoming: &Incoming, ticket: &str) -> Result<Reply> {
    let (hash, now) = (sign::sha256_hex(ticket.as_bytes()), clock::now());
    let csp = page::settings_csp(&edge.config.connect_js);
    let Some(waiting) = edge.db.settings_waiting(&hash, now)? else { return Ok(dead_link(edge)) };
    *edge.counters.shop.borrow_mut() = Some(waiting.shop_id.clone());
    if incoming.method == "HEAD" {
        return Ok(Reply::page(200, String::new(), csp));
    }
    let mode = Mode::from_live(waiting.livemode != 0);
    // Before the link is opened: what the operator has not set must not use it up.
    let key = publishable_key(edge, mode)?;
    let browser = clock::fresh_secret("")?;
    let until = now.saturating_add(PAGE_LIFE);
    let Some(row) = edge.db.open_settings(&hash, &sign::sha256_hex(browser.as_bytes()), until, now)? else {
        return Ok(dead_link(edge));
    };
    let html = page::settings(&page::Settings {
        site_url: &row.site_url,
        live: mode.live(),
        publishable_key: key,
        connect_js: &edge.config.connect_js,
    });
    // Strict: no other site's page can make this browser ask for an account session.
    let cookie = format!("{}={browser}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={PAGE_LIFE}", cookie_name(&hash));
    Ok(Reply::page(200, html, csp).with("Set-Cookie", cookie))
}

/// `POST /agentic/settings/{ticket}`: the page asks for an account session. It needs the cookie of the browser that opened the link.
pub fn refresh(edge: &Edge, incoming: &Incoming, ticket: &str) -> Result<Reply> {
    // One answer for all that is wrong: a stranger learns nothing about links.
    let over = || Problem::request(404, "resource_missing", "This page is over. Open the settings of agents again from the shop's admin.");
    // Browsers say where a request comes from; the page's own is `same-origin`.
    if incoming.header("Sec-Fetch-Site").is_some_and(|site| site != "same-origin") {
        return Err(over());
    }
    let hash = sign::sha256_hex(ticket.as_bytes());
    let Some(cookie) = incoming.cookie(&cookie_name(&hash)).filter(|cookie| !cookie.is_empty()) else { return Err(over()) };
    let browser = sign::sha256_hex(cookie.as_bytes());
    let Some(row) = edge.db.count_account_session(&hash, &browser, MOST_SESSIONS, clock::now())? else { return Err(over()) };
    *edge.counters.shop.borrow_mut() = Some(row.shop_id.clone());
    let mode = Mode::from_live(row.livemode != 0);
    match fresh_session(edge, mode, &row.account)? {
        Outcome::Ok(made) => Ok(Reply::json(
            200,
            &object! { "object": "agentic.account_session", "client_secret": made.client_secret, "expires_at": made.expires_at },
        )),
        Outcome::Refused(error) => Err(error.problem()),
        Outcome::Unavailable { why, .. } => Err(no_session(why)),
    }
}
