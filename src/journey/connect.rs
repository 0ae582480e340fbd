//! A merchant connects a Stripe account by OAuth, and ends the connection (contract, *Connect*). The other way to one, for a merchant who
//! has no account yet, goes by the same ticket, page, claim and confirmation: see [`super::onboarding`].
//!
//! What an attacker would want is a stranger's shop paying into his account. He needs all of: the one-time state
//! (bound to the ticket), the cookie of the browser that pressed the button, and the verifier that only the
//! admin's session in the shop holds.

use super::{access, onboarding};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, js, log, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::{self, Mode};
use crate::ledger::{Row, Status};
use crate::page;
use crate::place::Slot;
use crate::record::{Json, Member};
use crate::store::connect::{ClaimRow, ConnectionRow, NewTicket, TicketRow, in_mode, token_key};
use crate::stripe::account::{self, Account};
use crate::stripe::call::{Call, Outcome};
use crate::stripe::oauth::{self, Grant};
use crate::{seal, sign, weburl};
use serde_json::{Map, Value};

const TICKET_LIFE: i64 = 30 * 60;
const STATE_LIFE: i64 = 10 * 60;
const CLAIM_LIFE: i64 = 10 * 60;
/// How old what we know of an account may be before Stripe is asked again, seconds.
const ACCOUNT_FRESH: i64 = 10;

/// `POST /v1/connect/start`
pub fn start(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["return_url", "mode", "replace", "verifier_challenge", "prefill", "method"])?;
    let return_url = access::shop_url(edge, &shop, "return_url", fields.need_string("return_url", 1000)?, true)?;
    let challenge = fields.need_string("verifier_challenge", 200)?;
    let is_s256 = challenge.len() == 43 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_s256 {
        return Err(Problem::value(
            "parameter_invalid",
            "verifier_challenge",
            "verifier_challenge must be base64url(SHA-256(verifier)) without padding: 43 characters.",
        ));
    }
    let method = fields.choice("method", &[("oauth", "oauth"), ("onboarding", "onboarding")])?.unwrap_or("oauth");
    let replace = fields.boolean("replace")?.unwrap_or(false);
    let asked = fields.choice("mode", &[("live", Mode::Live), ("test", Mode::Test)])?;
    let mut prefill = Map::new();
    if let Some(value) = fields.get("prefill") {
        let members = Fields::open(value, "prefill", &oauth::PREFILL)?;
        for name in oauth::PREFILL {
            if let Some(text) = members.string(name, 300)? {
                prefill.insert(name.to_owned(), text.json());
            }
        }
    }
    let connections = edge.db.connections(&shop.id)?;
    let mode = access::mode(edge, asked, &connections);
    edge.pair(mode)?;
    let active = in_mode(&connections, mode.live()).filter(|c| c.active() && !replace);
    // A merchant who left Stripe's form half-way goes on with his account. It is this shop's own: none is ever taken from a request.
    let begun = active.filter(|c| method == "onboarding" && c.onboarded() && c.details_submitted != Some(1));
    if active.is_some() && begun.is_none() {
        return Err(already_connected(mode));
    }
    let now = clock::now();
    let expires_at = now.saturating_add(TICKET_LIFE);
    let ticket = clock::fresh_secret_in(Slot::of_id(&shop.id), "")?;
    let hash = sign::sha256_hex(ticket.as_bytes());
    let new = NewTicket {
        hash: &hash,
        shop_id: &shop.id,
        live: mode.live(),
        return_url: &return_url.to_string(),
        replace,
        verifier_challenge: challenge,
        prefill: &prefill.text(),
        method,
        account: begun.map(|c| c.account.as_str()),
        expires_at,
    };
    edge.db.insert_ticket(&new, now)?;
    let url = format!("{}/connect/{ticket}", edge.public_url);
    Ok(Reply::json(201, &object! { "object": "connect.ticket", "url": url, "livemode": mode.live(), "expires_at": expires_at }))
}

fn already_connected(mode: Mode) -> Problem {
    Problem::request(
        409,
        "already_connected",
        format!("A Stripe account is connected in {} mode already. Disconnect it first, or start with replace: true.", mode.name()),
    )
}

pub(super) fn error_page(edge: &Edge, status: u16, title: &str, what_happened: &str, what_next: &str) -> Reply {
    let html = page::problem(&page::ErrorPage { title, what_happened, what_next, reference: Some(&edge.request_id) });
    Reply::page(status, html, page::csp(edge.config.allow_local))
}

pub(super) fn dead_ticket(edge: &Edge) -> Reply {
    error_page(
        edge,
        404,
        "This link is no longer valid",
        "The link to connect Stripe has been used or is too old.",
        "Go back to your shop's admin, open CognitiveCart → Connectivity and press Connect again.",
    )
}

fn live_ticket(edge: &Edge, ticket: &str) -> Result<Option<Box<TicketRow>>> {
    let row = edge.db.ticket(&sign::sha256_hex(ticket.as_bytes()))?;
    Ok(row.filter(|t| t.used_at.is_none() && t.expires_at > clock::now() && t.shop_status == "active"))
}

/// `GET /connect/{ticket}`: the page that names the shop and the mode before Stripe is reached, so that nobody is
/// led to connect an account to a stranger's shop.
pub fn consent_page(edge: &Edge, incoming: &Incoming, ticket: &str) -> Result<Reply> {
    let Some(row) = live_ticket(edge, ticket)? else { return Ok(dead_ticket(edge)) };
    let page = asking(edge, &row, ticket, 200, None, &prefill_of(&row));
    if row.method == "onboarding" { onboarding::asked(incoming, &row, page) } else { Ok(page) }
}

/// That page. `refused` is why the button did not lead on, `known` what is filled in.
pub(super) fn asking(edge: &Edge, row: &TicketRow, ticket: &str, status: u16, refused: Option<&str>, known: &Map<String, Value>) -> Reply {
    let text = |name: &str| known.get(name).and_then(Value::as_str).unwrap_or_default();
    // One that is there already is only gone on with.
    let fresh = row.method == "onboarding" && row.account.is_none();
    let html = page::consent(&page::Consent {
        site_url: &row.site_url,
        shop_name: &row.shop_name,
        live: row.livemode != 0,
        action: &format!("/connect/{ticket}"),
        onboarding: row.method == "onboarding",
        fields: fresh.then(|| page::AccountFields { email: text("email"), country: text("country") }),
        refused,
    });
    Reply::page(status, html, page::csp(edge.config.allow_local))
}

/// What the shop knows of the merchant.
pub(super) fn prefill_of(row: &TicketRow) -> Map<String, Value> {
    row.prefill.parse::<Value>().ok().and_then(|value| Map::read(Some(value))).unwrap_or_default()
}

/// The cookie of one state. One each, so that two tabs or a double click do not take each other's.
pub(super) fn cookie_name(state_hash: &str) -> String {
    let short: String = state_hash.chars().take(16).collect();
    format!("__Host-cc_{short}")
}

/// `POST /connect/{ticket}`: the button. Guarded by the ticket, not by Origin: with `no-referrer` forms say `Origin: null`.
pub fn consent(edge: &Edge, incoming: &Incoming, ticket: &str) -> Result<Reply> {
    // Attack: a stranger's page sends the form with the ticket of his own shop, and the merchant, who never saw whose shop it is, lands
    // at Stripe with the right cookie. Browsers say where a request comes from; our own button is `same-origin`.
    if incoming.header("Sec-Fetch-Site").is_some_and(|site| site != "same-origin") {
        return consent_page(edge, incoming, ticket);
    }
    let Some(row) = live_ticket(edge, ticket)? else { return Ok(dead_ticket(edge)) };
    if row.method == "onboarding" {
        return onboarding::begin(edge, incoming, ticket, &row);
    }
    let mode = Mode::from_live(row.livemode != 0);
    let pair = edge.pair(mode)?;
    let state = clock::fresh_secret_in(Slot::of_id(&row.shop_id), "")?;
    let browser = clock::fresh_secret("")?;
    let state_hash = sign::sha256_hex(state.as_bytes());
    let expires_at = clock::now().saturating_add(STATE_LIFE);
    edge.db.insert_state(&state_hash, &row.hash, &sign::sha256_hex(browser.as_bytes()), expires_at)?;
    let prefill = prefill_of(&row);
    let redirect_uri = format!("{}/connect/callback", edge.public_url);
    let url = oauth::authorize_url(&edge.config.connect_base, &pair.client_id, &redirect_uri, &state, &prefill);
    Ok(Reply::see_other(url).with("Set-Cookie", cookie(&state_hash, &browser, STATE_LIFE)))
}

/// It travels with whoever is sent back by Stripe (`Lax`), is never shown to a script, and goes with its state; empty, it goes at once.
pub(super) fn cookie(state_hash: &str, browser: &str, life: i64) -> String {
    format!("{}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life}", cookie_name(state_hash))
}

/// Back to the shop, to the address that it registered when it started.
pub(super) fn back(edge: &Edge, ticket: &TicketRow, params: &[(&str, &str)]) -> Result<Reply> {
    let url = weburl::parse_with_placeholder(&ticket.return_url, edge.config.allow_local).map_err(Problem::fault)?;
    Ok(Reply::see_other(url.with_params(params)))
}

pub(super) fn failed(edge: &Edge, ticket: &TicketRow, code: &str) -> Result<Reply> {
    log::line(
        object! { "level": "info", "event": "connect_failed", "request_id": &*edge.request_id, "shop": ticket.shop_id, "code": code },
    );
    back(edge, ticket, &[("cc_connect", "failed"), ("cc_code", code)])
}

/// `GET /connect/callback`
pub fn callback(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let now = clock::now();
    match returned(edge, incoming, "oauth", now)? {
        Ok((ticket, clear)) => Ok(exchange(edge, incoming, &ticket, now)?.with("Set-Cookie", clear)),
        Err(page) => Ok(page),
    }
}

/// What a browser gets that is not the one which began: a page, and no redirect.
pub(super) fn other_browser(edge: &Edge) -> Reply {
    error_page(
        edge,
        400,
        "Please use the same browser",
        "Connecting was started in another browser or window than this one, or cookies are switched off. Nothing was connected.",
        "Go back to your shop's admin, press Connect again, and stay in one browser until you are back.",
    )
}

/// Somebody comes back from Stripe. The ticket that he set out with, and what takes his cookie away; or the page that ends it here.
pub(super) fn returned(
    edge: &Edge, incoming: &Incoming, method: &str, now: i64,
) -> Result<std::result::Result<(Box<TicketRow>, String), Reply>> {
    // 1. The state first, atomically: reloaded or stolen, it works once, and a code can not be sent twice.
    let state_hash = sign::sha256_hex(incoming.param("state").unwrap_or_default().as_bytes());
    let Some((state, ticket)) = edge.db.consume_state(&state_hash, now)?.filter(|(_, ticket)| ticket.method == method) else {
        return Ok(Err(error_page(
            edge,
            400,
            "This step was done already, or took too long",
            "Stripe sent you back with a request that is unknown, used or too old. Nothing was connected by it.",
            "Go back to your shop's admin: if it does not show the account as connected, press Connect again.",
        )));
    };
    let clear = cookie(&state_hash, "", 0);
    // 2. The browser that pressed the button. Another one gets a page and no redirect: it may be the victim's.
    let given = incoming.cookie(&cookie_name(&state_hash)).unwrap_or_default();
    if !sign::equal(sign::sha256_hex(given.as_bytes()).as_bytes(), state.browser_hash.as_bytes()) {
        return Ok(Err(other_browser(edge).with("Set-Cookie", clear)));
    }
    Ok(Ok((ticket, clear)))
}

fn exchange(edge: &Edge, incoming: &Incoming, ticket: &TicketRow, now: i64) -> Result<Reply> {
    let mode = Mode::from_live(ticket.livemode != 0);
    // 3. What Stripe says. `error_description` is anybody's text and goes nowhere.
    if let Some(error) = incoming.param("error") {
        edge.db.use_ticket(&ticket.hash, now)?;
        return if error == "access_denied" {
            back(edge, ticket, &[("cc_connect", "denied")])
        } else {
            failed(edge, ticket, "code_rejected")
        };
    }
    let Some(code) = incoming.param("code").filter(|code| !code.is_empty() && code.len() <= 512) else {
        return failed(edge, ticket, "code_rejected");
    };
    if ticket.shop_status != "active" {
        return failed(edge, ticket, "code_rejected");
    }
    // 4. Exactly one exchange, never a retry: a code that is used twice makes Stripe revoke what it granted.
    let grant = match outside::stripe_answer(edge, mode, &oauth::exchange(&code), outside::STRIPE_DEADLINE)? {
        Ok(answer) => oauth::read_oauth::<Grant>(answer),
        Err(why) => Outcome::Unavailable { why, replayed_5xx: false },
    };
    let grant = match grant {
        Outcome::Ok(grant) => grant,
        Outcome::Refused(error) if error.status == 400 => return failed(edge, ticket, "code_rejected"),
        Outcome::Refused(error) => {
            log::line(
                object! { "level": "error", "event": "oauth_refused", "request_id": &*edge.request_id, "status": error.status, "code": error.code },
            );
            return failed(edge, ticket, "stripe_unavailable");
        }
        Outcome::Unavailable { why, .. } => {
            log::line(object! { "level": "warn", "event": "oauth_unavailable", "request_id": &*edge.request_id, "why": why });
            return failed(edge, ticket, "stripe_unavailable");
        }
    };
    if !id::is_account_id(&grant.stripe_user_id) {
        return failed(edge, ticket, "account_invalid");
    }
    if grant.livemode != mode.live() {
        give_back_later(edge, &grant.stripe_user_id, Mode::from_live(grant.livemode), "mode mismatch", now)?;
        return failed(edge, ticket, "mode_mismatch");
    }
    // 5. Another account came first, and nobody asked to replace it.
    if another_came_first(edge, ticket, &grant.stripe_user_id)? {
        give_back_later(edge, &grant.stripe_user_id, mode, "already connected", now)?;
        return failed(edge, ticket, "already_connected");
    }
    // 6. Kept until the admin's session confirms with its verifier. The tokens wait sealed in the claim's row.
    let tokens = object! { "access_token": grant.access_token, "refresh_token": grant.refresh_token, "scope": grant.scope,
    "stripe_publishable_key": grant.stripe_publishable_key };
    let context = token_context(&ticket.shop_id, &grant.stripe_user_id, mode);
    let sealed = edge.config.seal_keys.seal(clock::random::<12>()?, &context, tokens.text().as_bytes())?;
    claim(edge, ticket, &grant.stripe_user_id, grant.scope.as_deref(), Some(sealed), now)
}

/// Whether the shop has another account by now, and nobody asked to replace it.
pub(super) fn another_came_first(edge: &Edge, ticket: &TicketRow, account: &str) -> Result<bool> {
    if ticket.replace_existing != 0 {
        return Ok(false);
    }
    let existing = edge.db.active_connection(&ticket.shop_id, ticket.livemode != 0)?;
    Ok(existing.is_some_and(|existing| existing.account != account))
}

/// Keeps an account for the admin to confirm, and leads home.
pub(super) fn claim(
    edge: &Edge, ticket: &TicketRow, account: &str, scope: Option<&str>, sealed_token: Option<String>, now: i64,
) -> Result<Reply> {
    let claim_secret = clock::fresh_secret("ccc_")?;
    let claim = ClaimRow {
        hash: sign::sha256_hex(claim_secret.as_bytes()),
        shop_id: ticket.shop_id.clone(),
        livemode: ticket.livemode,
        account: account.to_owned(),
        scope: scope.unwrap_or("read_write").to_owned(),
        verifier_challenge: ticket.verifier_challenge.clone(),
        replace_existing: ticket.replace_existing,
        status: "waiting".to_owned(),
        connection_id: clock::fresh_id("conn_")?,
        sealed_token,
        expires_at: now.saturating_add(CLAIM_LIFE),
    };
    edge.db.insert_claim(&claim, &ticket.hash, now)?;
    back(edge, ticket, &[("cc_connect", "pending"), ("cc_claim", &claim_secret)])
}

/// What a sealed token is bound to: it does not open for another shop, account or mode.
pub fn token_context(shop_id: &str, account: &str, mode: Mode) -> String {
    format!("oauth/{shop_id}/{account}/{}", mode.name())
}

/// `POST /v1/connect/confirm`. The same claim and verifier again get the same answer: an answer may be lost.
pub fn confirm(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["claim", "verifier"])?;
    let claim = fields.need_string("claim", 200)?;
    let verifier = fields.need_string("verifier", 500)?;
    let now = clock::now();
    let Some(row) = edge.db.claim(&sign::sha256_hex(claim.as_bytes()), &shop.id)? else {
        return Err(
            Problem::request(404, "resource_missing", "No such claim for this shop. Start again with POST /v1/connect/start.").at("claim")
        );
    };
    let mode = Mode::from_live(row.livemode != 0);
    if !sign::equal(sign::s256(verifier).as_bytes(), row.verifier_challenge.as_bytes()) {
        // One guess: whoever brings a stolen claim without the admin's session ends it.
        edge.db.kill_claim(&row, "wrong verifier", now)?;
        settle_deauthorizations_later(edge);
        return Err(Problem::value(
            "verifier_mismatch",
            "verifier",
            "The verifier does not belong to this claim, which is dead now. Start again with POST /v1/connect/start.",
        ));
    }
    let dead = || {
        Problem::value(
            "claim_dead",
            "claim",
            "This claim was refused or not confirmed within ten minutes. Start again with POST /v1/connect/start.",
        )
    };
    match row.status.as_str() {
        "dead" => return Err(dead()),
        "confirmed" => {
            let connections = edge.db.connections(&shop.id)?;
            let same = connections.iter().find(|c| c.id == row.connection_id && c.active());
            return same.map(|c| Reply::json(200, &connection_object(mode, Some(c)))).ok_or_else(dead);
        }
        _ if row.expires_at <= now => return Err(dead()),
        _ => {}
    }
    let platform = platform_account(edge, mode);
    if !edge.db.confirm_claim(&row, platform.as_deref(), now)? {
        // The same request, sent twice at the same moment, is no race to lose.
        let connections = edge.db.connections(&shop.id)?;
        if let Some(same) = connections.iter().find(|c| c.id == row.connection_id && c.active()) {
            return Ok(Reply::json(200, &connection_object(mode, Some(same))));
        }
        edge.db.kill_claim(&row, "lost race", now)?;
        settle_deauthorizations_later(edge);
        return Err(already_connected(mode));
    }
    settle_deauthorizations_later(edge);
    // The tokens move to KV. If KV refuses, they stay sealed in the claim's row and the sweep moves them.
    if let Some(sealed) = &row.sealed_token {
        move_token(edge, &row.hash, &row.connection_id, sealed);
    }
    let connections = edge.db.connections(&shop.id)?;
    let connection = checked(edge, mode, in_mode(&connections, mode.live()).cloned(), now)?;
    Ok(Reply::json(200, &connection_object(mode, connection.as_ref())))
}

/// Puts a sealed token into KV, then takes it out of the claim's row.
pub fn move_token(edge: &Edge, claim_hash: &str, connection_id: &str, sealed: &str) {
    let stored = (|| {
        let key = token_key(connection_id);
        js::call(&js::binding(&edge.env, "KV"), "put", &[key.into(), sealed.into()]).map_err(Problem::fault)?;
        edge.db.token_moved(claim_hash, connection_id, seal::key_id(sealed).unwrap_or_default())
    })();
    if let Err(problem) = stored {
        log::line(object! { "level": "warn", "event": "token_left_to_sweep", "connection": connection_id, "why": problem.cause });
    }
}

/// The platform that the configured key belongs to; `None` when Stripe does not say.
fn platform_account(edge: &Edge, mode: Mode) -> Option<String> {
    match outside::stripe::<Account>(edge, mode, &account::own(), outside::STRIPE_DEADLINE) {
        Ok(Outcome::Ok(account)) => Some(account.id),
        _ => None,
    }
}

fn connection_object(mode: Mode, connection: Option<&ConnectionRow>) -> Value {
    let active = connection.filter(|c| c.active());
    // Only an end that came from Stripe is news to the shop; its own it knows.
    let ended = connection.filter(|c| !c.active() && matches!(c.gone_reason.as_deref(), Some("deauthorized" | "account_invalid")));
    object! { "object": "connection",
    "connected": active.is_some(),
    "account": active.map(|c| &c.account),
    "livemode": mode.live(),
    "scope": active.map(|c| &c.scope),
    "connected_at": active.map(|c| c.connected_at),
    "charges_enabled": active.and_then(|c| c.charges_enabled).map(|flag| flag != 0),
    "details_submitted": active.and_then(|c| c.details_submitted).map(|flag| flag != 0),
    "checked_at": active.and_then(|c| c.checked_at),
    "gone_at": ended.and_then(|c| c.gone_at),
    "gone_reason": ended.and_then(|c| c.gone_reason.as_deref()) }
}

/// Asks Stripe how the account is, unless that was done seconds ago. Stripe being away changes nothing.
fn checked(edge: &Edge, mode: Mode, connection: Option<ConnectionRow>, now: i64) -> Result<Option<ConnectionRow>> {
    let Some(mut row) = connection else { return Ok(None) };
    let worth = row.active() || row.may_revive();
    if !worth || row.checked_at.is_some_and(|at| at.saturating_add(ACCOUNT_FRESH) > now) {
        return Ok(Some(row));
    }
    let found = if row.onboarded() {
        onboarding::account(edge, mode, &row.account)?
    } else {
        outside::stripe::<Account>(edge, mode, &account::retrieve(&row.account), outside::STRIPE_DEADLINE)?
    };
    match found {
        Outcome::Ok(account) => {
            let platform = if row.platform.is_none() { platform_account(edge, mode) } else { None };
            edge.db.account_checked(&row.id, account.charges_enabled, account.details_submitted, platform.as_deref(), now)?;
            if !row.active() {
                edge.db.connection_revived(&row.id, now)?;
                row.status = "active".to_owned();
            }
            row.charges_enabled = Some(i64::from(account.charges_enabled));
            row.details_submitted = Some(i64::from(account.details_submitted));
            row.checked_at = Some(now);
        }
        Outcome::Refused(error) if error.account_invalid() => {
            account_refused(edge, mode, &row)?;
            row = edge.db.connections(&row.shop_id)?.into_iter().find(|c| c.id == row.id).unwrap_or(row);
        }
        _ => {}
    }
    Ok(Some(row))
}

/// Stripe says that the platform may not use the account. That ends the connection only while the configured key still
/// belongs to the platform that made it: a wrong key must not disconnect every shop.
/// Answers what the caller is to be told.
pub fn account_refused(edge: &Edge, mode: Mode, connection: &ConnectionRow) -> Result<Problem> {
    let gone = Problem::request(
        409,
        "connection_gone",
        "Stripe no longer lets this Worker use the connected account: it was disconnected there. Connect again in the shop's admin.",
    );
    if !connection.active() {
        return Ok(gone);
    }
    let platform = platform_account(edge, mode);
    if platform.is_some() && platform == connection.platform {
        edge.db.connection_gone(&connection.id, "account_invalid", clock::now())?;
        log::line(object! { "level": "warn", "event": "connection_gone", "shop": connection.shop_id, "reason": "account_invalid" });
        return Ok(gone);
    }
    log::line(
        object! { "level": "error", "event": "platform_changed", "shop": connection.shop_id, "known": connection.platform, "configured": platform },
    );
    if platform.is_none() {
        return Ok(Problem::stripe_unavailable(
            "Stripe could not be asked whether the account is still connected. Sending the same request again is safe.",
        ));
    }
    Ok(Problem::not_configured(format!(
        "The operator's Stripe key for {} mode belongs to another platform than the one this shop connected to.",
        mode.name()
    )))
}

/// Whether any shop here, but for one connection, uses an account or is about to.
fn in_use(edge: &Edge, account: &str, live: bool, except: &str, now: i64) -> Result<bool> {
    for place in edge.everywhere() {
        if place.db.account_in_use(account, live, except, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stripe refused, for a row of ours, the account that it lies on: looked at as if the shop had asked (see [`account_refused`]).
pub fn doubt(edge: &Edge, row: &Row) -> Result<()> {
    if let Some(connection) = edge.db.active_connection(&row.shop_id, row.livemode != 0)?.filter(|c| c.account == row.account) {
        account_refused(edge, row.mode(), &connection)?;
    }
    Ok(())
}

/// The same after the answer: whoever waits for that needs nothing of it.
pub fn doubt_later(edge: &Edge, row: &Row) {
    let (work, row) = (edge.clone(), row.clone());
    edge.later(move || {
        if let Err(problem) = doubt(&work, &row) {
            log::line(object! { "level": "warn", "event": "connection_not_looked_at", "shop": row.shop_id, "why": problem.cause });
        }
    });
}

/// `GET /v1/connection`
pub fn get(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let asked = access::mode_param(incoming)?;
    let connections = edge.db.connections(&shop.id)?;
    let mode = access::mode(edge, asked, &connections);
    let connection = match edge.pair(mode) {
        Ok(_) => checked(edge, mode, in_mode(&connections, mode.live()).cloned(), clock::now())?,
        Err(_) => in_mode(&connections, mode.live()).cloned(),
    };
    Ok(Reply::json(200, &connection_object(mode, connection.as_ref())))
}

/// `DELETE /v1/connection`: Stripe first, then the row, so that a retry after a crash finishes it.
pub fn delete(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    access::no_body(incoming)?;
    let asked = access::mode_param(incoming)?;
    let connections = edge.db.connections(&shop.id)?;
    let mode = access::mode(edge, asked, &connections);
    let now = clock::now();
    // One that Stripe refused may come back by itself, which nobody wants who disconnects.
    if let Some(connection) = in_mode(&connections, mode.live()).filter(|c| c.active() || c.may_revive()) {
        edge.pair(mode)?;
        let shared = in_use(edge, &connection.account, mode.live(), &connection.id, now)?;
        edge.db.closing(&connection.id, Some(now))?;
        let ended = match end_open(edge, &connection.account, mode, if shared { &shop.id } else { "" }) {
            Ok(()) => give_back(edge, connection, mode, shared, now),
            Err(problem) => Err(problem),
        };
        if ended.is_err() {
            // Best effort: by itself it counts for a minute only.
            let _ = edge.db.closing(&connection.id, None);
        }
        let later = ended?;
        edge.db.connection_gone(&connection.id, "disconnected", now)?;
        if later {
            // The other shop may be leaving at this very moment and have seen this one: looked at again now that the row says so.
            give_back_later(edge, &connection.account, mode, "disconnected", now)?;
        }
        // Should this fail, what stays is sealed and opens nothing: the account is deauthorized.
        let _ = js::call(&js::binding(&edge.env, "KV"), "delete", &[token_key(&connection.id).into()]);
    }
    Ok(Reply::json(200, &connection_object(mode, None)))
}

/// Gives back the account of a connection that ends, if nobody needs it; `true` when that is left for later.
fn give_back(edge: &Edge, connection: &ConnectionRow, mode: Mode, shared: bool, now: i64) -> Result<bool> {
    let later = shared || under_way(edge, &connection.account, mode, now)?;
    // An account that the platform made was connected by no OAuth, so none ends it: it stays the merchant's, and is not used any more.
    if !later && !connection.onboarded() {
        deauthorize(edge, &connection.account, mode)?;
    }
    Ok(later)
}

/// Whether a payment on an account is under way at a bank, of whichever shop.
fn under_way(edge: &Edge, account: &str, mode: Mode, now: i64) -> Result<bool> {
    for place in edge.everywhere() {
        if place.db.under_way_on(account, mode.live(), now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends what is open on an account before it is given back, of one shop or (with none named) of all. A session left open could be
/// paid afterwards, at an account that nobody here can look into: the buyer's money would be there and his order nowhere.
fn end_open(edge: &Edge, account: &str, mode: Mode, shop_id: &str) -> Result<()> {
    for place in edge.everywhere() {
        end_open_here(&place, account, mode, shop_id)?;
    }
    Ok(())
}

fn end_open_here(edge: &Edge, account: &str, mode: Mode, shop_id: &str) -> Result<()> {
    const AT_ONCE: i64 = 40;
    loop {
        let open = edge.db.open_on_account(account, mode.live(), shop_id, AT_ONCE)?;
        for row in &open {
            match super::checkout::end(edge, row) {
                Ok(after) if after.status != Status::Open => {}
                // The account is lost already; what is open there is for the sweep to look after.
                Err(problem) if problem.code == "connection_gone" => return Ok(()),
                Ok(_) => {
                    return Err(Problem::stripe_unavailable(
                        "An open session could not be ended, so the account is still connected. Sending the same request again is safe.",
                    ));
                }
                Err(problem) => return Err(problem),
            }
        }
        if i64::try_from(open.len()).unwrap_or(AT_ONCE) < AT_ONCE {
            return Ok(());
        }
    }
}

/// Takes the token of a connection out of KV, where it opens nothing any more: replaced, or ended at Stripe.
pub fn erase_token(edge: &Edge, connection_id: &str) -> Result<()> {
    js::call(&js::binding(&edge.env, "KV"), "delete", &[token_key(connection_id).into()]).map_err(Problem::fault)?;
    edge.db.token_gone(connection_id)
}

/// Gives an account back at Stripe; "not connected" there counts as done.
fn deauthorize(edge: &Edge, account: &str, mode: Mode) -> Result<()> {
    let call: Call = oauth::deauthorize(&edge.pair(mode)?.client_id, account);
    let outcome = match outside::stripe_answer(edge, mode, &call, outside::STRIPE_DEADLINE)? {
        Ok(answer) => oauth::read_oauth::<oauth::Deauthorized>(answer),
        Err(why) => Outcome::Unavailable { why, replayed_5xx: false },
    };
    match outcome {
        Outcome::Ok(_) => Ok(()),
        Outcome::Refused(error) if oauth::is_not_connected(&error) => Ok(()),
        Outcome::Refused(error) => Err(Problem::stripe_unavailable(format!("Stripe refused to disconnect the account: {}", error.message))),
        Outcome::Unavailable { why, .. } => Err(Problem::stripe_unavailable(
            "Stripe did not answer, so the account is still connected. Sending the same request again is safe.",
        )
        .because(why)),
    }
}

fn give_back_later(edge: &Edge, account: &str, mode: Mode, reason: &str, now: i64) -> Result<()> {
    edge.db.owe_deauthorization_now(account, mode.live(), reason, now)?;
    settle_deauthorizations_later(edge);
    Ok(())
}

fn settle_deauthorizations_later(edge: &Edge) {
    let work = edge.clone();
    edge.later(move || {
        if let Err(problem) = settle_deauthorizations(&work, 5) {
            log::line(object! { "level": "warn", "event": "deauthorization_left_to_sweep", "why": problem.code });
        }
    });
}

/// Gives back what is owed, unless somebody here uses the account after all. Answers how many were done.
pub fn settle_deauthorizations(edge: &Edge, limit: i64) -> Result<u32> {
    let now = clock::now();
    let mut done = 0_u32;
    for due in edge.db.due_deauthorizations(now, limit)? {
        let mode = Mode::from_live(due.livemode != 0);
        let outcome = if in_use(edge, &due.account, mode.live(), "", now)? {
            Ok(())
        } else {
            match end_open(edge, &due.account, mode, "") {
                Ok(()) if under_way(edge, &due.account, mode, now)? => {
                    Err(Problem::stripe_unavailable("A payment on the account is still under way at a bank."))
                }
                Ok(()) if due.onboarded != 0 => Ok(()),
                Ok(()) => deauthorize(edge, &due.account, mode),
                Err(problem) => Err(problem),
            }
        };
        match outcome {
            Ok(()) => {
                edge.db.deauthorization_done(&due.account, mode.live())?;
                done = done.saturating_add(1);
            }
            Err(_) => {
                let pause = 60_i64.saturating_mul(due.attempts.clamp(0, 60).saturating_add(1));
                edge.db.deauthorization_failed(&due.account, mode.live(), now.saturating_add(pause))?;
            }
        }
    }
    Ok(done)
}
