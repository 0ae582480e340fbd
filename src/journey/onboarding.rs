//! The second way to connect (contract, *Connect*, `method:"onboarding"`): for a merchant who has no Stripe account, or a platform to which
//! Stripe gives no OAuth. The platform makes an account (Accounts v2), Stripe's own form asks the merchant for the rest (account links),
//! and what comes back is a claim like that of OAuth.
//!
//! The account's id never passes through the browser: it stands on the ticket. What leads back from Stripe is a state that works once,
//! in the browser that pressed the button. Attack: who gets hold of the address to come back to has nothing without that cookie, and
//! nothing with it but a claim, which wants the verifier of the admin's session.

use super::aftermath::needed;
use super::connect;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::id::{self, Mode};
use crate::place::Slot;
use crate::record::Json;
use crate::store::connect::TicketRow;
use crate::stripe::account::{self, Account, Beginner, Link, Merchant};
use crate::stripe::call::Outcome;
use crate::stripe::event::Event;
use crate::{sign, text};
use serde_json::{Map, Value};

/// How long a merchant may take for Stripe's form, seconds: it asks for papers.
const FORM_LIFE: i64 = 2 * 3600;
/// How many links to the form one ticket gets, and how often Stripe may refuse to make its account.
const MOST_LINKS: i64 = 20;
const MOST_ATTEMPTS: i64 = 10;

/// The cookie of a ticket: by it a browser is known again when it presses the button a second time.
fn marked(incoming: &Incoming, row: &TicketRow) -> Option<String> {
    incoming.cookie(&connect::cookie_name(&row.hash)).filter(|cookie| (20..=100).contains(&cookie.len()))
}

/// The consent page, with that cookie: whoever presses twice, or again after an answer that never arrived, sends it both times.
pub fn asked(incoming: &Incoming, row: &TicketRow, page: Reply) -> Result<Reply> {
    // Attack: a stranger's page sends the form. No cookie comes with that, and a new one would take the place of the one that counts.
    if incoming.method != "GET" || row.browser_hash.is_some() || marked(incoming, row).is_some() {
        return Ok(page);
    }
    Ok(page.with("Set-Cookie", connect::cookie(&row.hash, &clock::fresh_secret("")?, FORM_LIFE)))
}

/// The button of the consent page.
pub fn begin(edge: &Edge, incoming: &Incoming, ticket: &str, row: &TicketRow) -> Result<Reply> {
    let mode = Mode::from_live(row.livemode != 0);
    edge.pair(mode)?;
    // Attack: somebody has seen the link and presses first, with an e-mail address of his. The admin would go on with an account that is
    // a stranger's, fill in his papers, and confirm it. So a ticket is of the browser that pressed first, and no other's.
    let browser = match marked(incoming, row) {
        Some(known) => known,
        None if row.browser_hash.is_some() => return Ok(connect::other_browser(edge)),
        None => clock::fresh_secret("")?,
    };
    if !edge.db.bind_ticket(&row.hash, &sign::sha256_hex(browser.as_bytes()))? {
        return Ok(connect::other_browser(edge));
    }
    let reply = pressed(edge, incoming, ticket, row, mode)?;
    Ok(reply.with("Set-Cookie", connect::cookie(&row.hash, &browser, FORM_LIFE)))
}

fn pressed(edge: &Edge, incoming: &Incoming, ticket: &str, row: &TicketRow, mode: Mode) -> Result<Reply> {
    let account = match &row.account {
        Some(account) => account.clone(),
        None => match make(edge, incoming, ticket, row, mode)? {
            Ok(account) => account,
            Err(page) => return Ok(page),
        },
    };
    match lead(edge, row, &account, mode)? {
        Ok(reply) => Ok(reply),
        Err(Halt::Unavailable) => Ok(connect::asking(edge, row, ticket, 503, Some(UNAVAILABLE), &connect::prefill_of(row))),
        Err(halt) => ended(edge, row, &halt),
    }
}

const UNAVAILABLE: &str = "Stripe did not answer. Press the button again in a moment: nothing is made twice.";

/// What the merchant wrote into the page's fields, else what the shop knew: of an account that is made, what Stripe asks for first.
struct Given {
    email: Option<String>,
    country: Option<String>,
}

impl Given {
    fn read(known: &Map<String, Value>) -> std::result::Result<Given, &'static str> {
        let field = |name: &str| known.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let (email, country) = (field("email"), field("country").map(|country| country.to_ascii_uppercase()));
        // What an address may be is for Stripe to say; this is for slips of the pen.
        if email
            .as_ref()
            .is_some_and(|email| email.len() > 254 || !email.contains('@') || email.chars().any(|c| c.is_control() || c == ' '))
        {
            return Err("This is no e-mail address. Please correct it.");
        }
        if country.as_ref().is_some_and(|country| country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase())) {
            return Err("This is no country. Please choose one.");
        }
        Ok(Given { email, country })
    }
}

/// Makes the account of a ticket, once. The row first: what is sent, and under which key, is written down before Stripe hears of it, so
/// that a lost answer is asked for again and not made again. `Err` is the page that says why there is none.
fn make(edge: &Edge, incoming: &Incoming, ticket: &str, row: &TicketRow, mode: Mode) -> Result<std::result::Result<String, Reply>> {
    let form = incoming.bytes()?;
    let form = String::from_utf8_lossy(&form);
    let mut known = connect::prefill_of(row);
    for name in ["email", "country"] {
        if let Some(written) = text::param(&form, name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
            known.insert(name.to_owned(), written.json());
        }
    }
    let again = |status: u16, why: &str| connect::asking(edge, row, ticket, status, Some(why), &known);
    let given = match Given::read(&known) {
        Ok(given) => given,
        Err(why) => return Ok(Err(again(422, why))),
    };
    let body = beginner(row, &known, &given, edge.destination()).text();
    let Some(to_make) = edge.db.account_to_make(&row.hash, &body)? else { return Ok(Err(connect::dead_ticket(edge))) };
    let body = match (to_make.account, to_make.body) {
        // Pressed twice: the other one was faster.
        (Some(account), _) => return Ok(Ok(account)),
        (None, Some(body)) if to_make.attempt < MOST_ATTEMPTS => body,
        _ => return Ok(Err(connect::dead_ticket(edge))),
    };
    let short: String = row.hash.chars().take(40).collect();
    let call = account::create(&body, &format!("cc_account_{short}_{}", to_make.attempt));
    match outside::stripe::<Merchant>(edge, mode, &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(made) if id::is_account_id(&made.id) && made.livemode == mode.live() => {
            edge.db.account_made(&row.hash, &made.id, mode.live(), clock::now())?;
            Ok(Ok(made.id))
        }
        Outcome::Ok(made) => Err(Problem::fault(format!("Stripe made an account that is none: livemode {}", made.livemode))),
        // The operator's to mend.
        Outcome::Refused(error) if error.status == 401 => Err(error.problem()),
        Outcome::Refused(error) => {
            edge.db.account_refused(&row.hash, to_make.attempt)?;
            // Not Stripe's message, which may quote what the merchant wrote.
            log::line(
                object! { "level": "warn", "event": "account_not_made", "request_id": &*edge.request_id, "status": error.status, "code": error.code },
            );
            Ok(Err(again(422, &format!("Stripe did not make an account: {}", error.message))))
        }
        Outcome::Unavailable { .. } => Ok(Err(again(503, UNAVAILABLE))),
    }
}

/// What makes the account, of all that is known of the merchant.
fn beginner(row: &TicketRow, known: &Map<String, Value>, given: &Given, transfers: bool) -> Value {
    let text = |name: &str| known.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let currency =
        text("currency").map(str::to_ascii_lowercase).filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase()));
    // Stripe takes https only; a shop under development has no address for it.
    let url = text("url").or(Some(row.site_url.as_str())).filter(|url| url.starts_with("https://"));
    let host = row.site_url.split_once("://").map_or(row.site_url.as_str(), |(_, host)| host);
    account::creation(&Beginner {
        shop_id: &row.shop_id,
        name: text("business_name").or(Some(row.shop_name.trim()).filter(|name| !name.is_empty())).unwrap_or(host),
        email: given.email.as_deref(),
        country: given.country.as_deref(),
        currency: currency.as_deref(),
        url,
        product_description: text("product_description"),
        entity: text("business_type").filter(|kind| account::ENTITIES.contains(kind)),
        transfers,
    })
}

/// Why nobody is led to Stripe's form.
enum Halt {
    Unavailable,
    Refused,
    TooOften,
}

/// Leads to Stripe's form, by a link and a state of their own.
fn lead(edge: &Edge, row: &TicketRow, account: &str, mode: Mode) -> Result<std::result::Result<Reply, Halt>> {
    let (state, browser) = (clock::fresh_secret_in(Slot::of_id(&row.shop_id), "")?, clock::fresh_secret("")?);
    let state_hash = sign::sha256_hex(state.as_bytes());
    let until = clock::now().saturating_add(FORM_LIFE);
    if !edge.db.link_state(&row.hash, MOST_LINKS, &state_hash, &sign::sha256_hex(browser.as_bytes()), until)? {
        return Ok(Err(Halt::TooOften));
    }
    let address = |way: &str| format!("{}/connect/{way}?state={state}", edge.public_url);
    let short: String = state_hash.chars().take(40).collect();
    let call = account::link(account, &address("return"), &address("refresh"), &format!("cc_link_{short}"));
    match outside::stripe::<Link>(edge, mode, &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(link) if leads_to_stripe(edge, &link.url) => {
            Ok(Ok(Reply::see_other(link.url).with("Set-Cookie", connect::cookie(&state_hash, &browser, FORM_LIFE))))
        }
        Outcome::Ok(_) => Err(Problem::fault("Stripe's link is no address")),
        Outcome::Refused(error) if error.status == 401 => Err(error.problem()),
        Outcome::Refused(error) => {
            log::line(
                object! { "level": "warn", "event": "link_not_made", "request_id": &*edge.request_id, "status": error.status, "code": error.code },
            );
            Ok(Err(Halt::Refused))
        }
        Outcome::Unavailable { .. } => Ok(Err(Halt::Unavailable)),
    }
}

/// An address that a browser can be sent to: https, or the sandbox that stands in for Stripe. It came from Stripe's API over TLS; this
/// keeps a broken answer from becoming a broken header.
fn leads_to_stripe(edge: &Edge, url: &str) -> bool {
    let here = |base: &str| url.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
    (url.starts_with("https://") || here(&edge.config.connect_base) || here(&edge.config.api_base))
        && url.bytes().all(|b| b.is_ascii_graphic())
}

/// The end of the way, where there is no form to go back to.
fn ended(edge: &Edge, row: &TicketRow, halt: &Halt) -> Result<Reply> {
    match halt {
        Halt::Unavailable => connect::failed(edge, row, "stripe_unavailable"),
        Halt::Refused => connect::failed(edge, row, "account_invalid"),
        Halt::TooOften => Ok(connect::dead_ticket(edge)),
    }
}

/// `GET /connect/refresh`: Stripe's link was old, or had been used. Another one for the same account, if it is the same browser.
pub fn refresh(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let (row, clear) = match connect::returned(edge, incoming, "onboarding", clock::now())? {
        Ok(found) => found,
        Err(page) => return Ok(page),
    };
    let account = row.account.as_ref().ok_or_else(|| Problem::fault("a link without an account"))?;
    let reply = if row.shop_status == "active" {
        match lead(edge, &row, account, Mode::from_live(row.livemode != 0))? {
            Ok(reply) => reply,
            Err(halt) => ended(edge, &row, &halt)?,
        }
    } else {
        connect::dead_ticket(edge)
    };
    Ok(reply.with("Set-Cookie", clear))
}

/// `GET /connect/return`: the merchant has finished, or has had enough for today. Both make a connection: what is missing can be brought
/// later, and `charges_enabled` says that it is missing.
pub fn came_back(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let now = clock::now();
    match connect::returned(edge, incoming, "onboarding", now)? {
        Ok((row, clear)) => {
            let reply = claimed(edge, &row, now)?;
            Ok(reply.with("Set-Cookie", clear).with("Set-Cookie", connect::cookie(&row.hash, "", 0)))
        }
        Err(page) => Ok(page),
    }
}

fn claimed(edge: &Edge, row: &TicketRow, now: i64) -> Result<Reply> {
    let mode = Mode::from_live(row.livemode != 0);
    let account = row.account.as_ref().ok_or_else(|| Problem::fault("a link without an account"))?;
    if row.shop_status != "active" {
        return connect::failed(edge, row, "account_invalid");
    }
    match outside::stripe::<Merchant>(edge, mode, &account::merchant(account), outside::BUYER_DEADLINE)? {
        Outcome::Ok(found) if &found.id != account || found.closed => return connect::failed(edge, row, "account_invalid"),
        Outcome::Ok(found) if found.livemode != mode.live() => return connect::failed(edge, row, "mode_mismatch"),
        Outcome::Ok(_) => {}
        Outcome::Refused(error) if matches!(error.status, 403 | 404) => return connect::failed(edge, row, "account_invalid"),
        // We made it ourselves, so there is nothing to be learned without which it could not be connected; how it is, is asked at confirm.
        Outcome::Refused(_) | Outcome::Unavailable { .. } => {}
    }
    if connect::another_came_first(edge, row, account)? {
        return connect::failed(edge, row, "already_connected");
    }
    connect::claim(edge, row, account, None, None, now)
}

/// An account of ours as a connection shows it.
pub fn account(edge: &Edge, mode: Mode, account: &str) -> Result<Outcome<Account>> {
    Ok(match outside::stripe::<Merchant>(edge, mode, &account::merchant(account), outside::STRIPE_DEADLINE)? {
        Outcome::Ok(found) => Outcome::Ok(Account {
            charges_enabled: found.charges_enabled() && !found.closed,
            details_submitted: found.details_submitted(),
            id: found.id,
        }),
        Outcome::Refused(error) => Outcome::Refused(error),
        Outcome::Unavailable { why, replayed_5xx } => Outcome::Unavailable { why, replayed_5xx },
    })
}

/// A thin event about an account of v2: it is looked at, and all its connections are told.
pub fn told(edge: &Edge, event: &Event) -> Result<&'static str> {
    let Some(account) = event.related_id().filter(|account| id::is_account_id(account)) else { return Ok("not_ours") };
    if !edge.db.is_connected(account, event.livemode)? {
        return Ok("not_ours");
    }
    let (mode, now) = (Mode::from_live(event.livemode), clock::now());
    let found = match outside::stripe::<Merchant>(edge, mode, &account::merchant(account), outside::STRIPE_DEADLINE)? {
        // Nobody's to see: an account that another platform made.
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok("not_ours"),
        other => needed(other)?,
    };
    if found.id != account || found.livemode != event.livemode {
        return Ok("not_ours");
    }
    if found.closed {
        let ended = edge.db.account_deauthorized(account, event.livemode, now, now)?;
        return Ok(if ended > 0 { "connection_gone" } else { "nothing_new" });
    }
    let moved = edge.db.account_updated(account, event.livemode, found.charges_enabled(), found.details_submitted(), now)?;
    Ok(if moved { "account_updated" } else { "nothing_new" })
}
