//! Agents check out by API (contract, *ACP*). What a version says how is decided in [`crate::acp`]; here it is done.
//!
//! Each journey takes an [`Asked`], which REST and MCP make of a request, and gives an [`Answered`].

pub mod complete;
pub mod document;
pub mod quote;
pub mod sale;

use super::access;
use crate::acp::ask::Ask;
use crate::acp::dialect::Dialect;
use crate::acp::session::{Link, Seller, Session};
use crate::acp::{idempotency, problem, time, write};
use crate::agent::AgentRow;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::fulfillment::code_key;
use crate::id::Mode;
use crate::ledger::stored;
use crate::record::Json;
use crate::route::Act;
use crate::sign;
use crate::store::acp::{Answer, Loaded, Wanted};
use crate::store::connect::{ConnectionRow, in_mode};
use crate::store::idempotency::AttemptRow;
use crate::store::shops::ShopRow;
use serde_json::Value;

/// How long a checkout can be paid, seconds.
pub const SESSION_LIFE: i64 = 24 * 3600;
/// How long a cart is kept.
pub const CART_LIFE: i64 = 7 * 24 * 3600;
/// The most that an agent's clock may differ from ours in what it signs, seconds.
const SKEW: i64 = 300;

/// A request of an agent's, taken apart.
pub struct Asked {
    pub dialect: Dialect,
    /// Which of the agent's doors it came by: `acp` or `mcp`.
    pub door: &'static str,
    pub key_hash: String,
    /// The scope of the idempotency key.
    pub path: String,
    pub key: Option<String>,
    /// The body, or why it is none: said only once it is known who asks.
    pub body: Result<Value>,
    pub fingerprint: String,
    pub signed: Option<Signed>,
}

/// What an agent signed.
pub struct Signed {
    pub signature: String,
    pub timestamp: String,
    pub body: Vec<u8>,
}

/// An answer, before it is one of HTTP or of MCP.
pub struct Answered {
    pub status: u16,
    /// JSON.
    pub body: String,
    pub replayed: bool,
}

impl Answered {
    fn reply(self, asked: &Asked) -> Reply {
        let mut reply = Reply::rendered(self.status, self.body);
        if let Some(key) = &asked.key {
            reply = reply.with("Idempotency-Key", key.clone());
        }
        if self.replayed {
            reply = reply.with("Idempotent-Replayed", "true");
        }
        reply
    }
}

/// The version that a path and its `API-Version` speak, for answers and errors alike: also of what is no route. `None`: the path is no
/// agent's.
pub fn dialect_of(path: &str, version: Option<&str>) -> Option<Dialect> {
    let path = path.trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    match first {
        "checkouts" => Some(Dialect::Stripe),
        "checkout_sessions" | "carts" => Some(version.and_then(Dialect::of_version).unwrap_or(Dialect::V20260417)),
        _ => None,
    }
}

/// An error, in the version's own words.
pub fn refused(dialect: Dialect, refusal: &Problem, key: Option<String>) -> Reply {
    let (status, body) = problem::body(dialect, refusal);
    let reply = Reply::json(status, &body).about(refusal);
    match key {
        Some(key) => reply.with("Idempotency-Key", key),
        None => reply,
    }
}

/// The version of a request, or that it names none.
fn version(incoming: &Incoming) -> Result<Dialect> {
    let first = incoming.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if first == "checkouts" {
        return Ok(Dialect::Stripe);
    }
    let Some(sent) = incoming.header("API-Version") else { return Err(problem::missing_version()) };
    let known = Dialect::of_version(sent.trim()).filter(|dialect| first != "carts" || *dialect == Dialect::V20260417);
    known.ok_or_else(|| problem::unsupported_version(&sent))
}

/// Takes a request apart. Who asks is decided before what is asked, so errors in the body wait.
fn receive(incoming: &Incoming) -> Result<Asked> {
    let key_hash = access::agent_key_hash(incoming)?;
    let dialect = version(incoming)?;
    let writes = incoming.method != "GET" && incoming.method != "HEAD";
    let sent = incoming.header("Idempotency-Key").filter(|key| writes && !key.is_empty());
    let key = checked_key(sent, writes && idempotency::key_required(dialect))?;
    let (body, raw) = match incoming.json_and_bytes() {
        Ok((body, raw)) => (Ok(body), raw),
        Err(problem) => (Err(problem), Vec::new()),
    };
    let signed = incoming.header("Signature").filter(|signature| !signature.is_empty()).map(|signature| Signed {
        signature,
        timestamp: incoming.header("Timestamp").unwrap_or_default(),
        body: raw,
    });
    let fingerprint = body.as_ref().map(idempotency::fingerprint).unwrap_or_default();
    Ok(Asked { dialect, door: "acp", key_hash, path: incoming.path.trim_start_matches('/').to_owned(), key, body, fingerprint, signed })
}

/// An idempotency key: 1 to 255 printable characters.
pub fn checked_key(key: Option<String>, required: bool) -> Result<Option<String>> {
    match key {
        None if required => Err(idempotency::key_missing()),
        None => Ok(None),
        Some(key) if key.len() <= 255 && key.bytes().all(|b| (0x20..=0x7e).contains(&b)) => Ok(Some(key)),
        Some(_) => Err(idempotency::key_invalid()),
    }
}

/// Checks what an agent signed, where it did: HMAC-SHA256 of `timestamp.body` with its signing secret, base64url or hex; the protocol
/// leaves the algorithm to be agreed (facts, 3.10). Attack: a body changed on the way, or an old one sent again.
fn check_signature(edge: &Edge, agent: &AgentRow, asked: &Asked, now: i64) -> Result<()> {
    let Some(signed) = &asked.signed else { return Ok(()) };
    let refused = |why: &str| Problem::unauthenticated("signature_invalid", format!("The Signature was refused: {why}."));
    let at = signed.timestamp.parse::<i64>().ok().or_else(|| time::seconds(&signed.timestamp));
    let Some(at) = at else { return Err(refused("Timestamp must be RFC 3339 or Unix seconds")) };
    if at.abs_diff(now) > SKEW.unsigned_abs() {
        return Err(refused("the Timestamp is more than five minutes off"));
    }
    let mut message = Vec::from(signed.timestamp.as_bytes());
    message.push(b'.');
    message.extend_from_slice(&signed.body);
    for secret in access::agent_signing_secrets(edge, agent, now)? {
        if sign::verify_agent(&secret, &message, &signed.signature) {
            return Ok(());
        }
    }
    Err(refused("it does not fit the body, the Timestamp and the agent's signing_secret"))
}

/// Who asks, for which shop, and whether they may.
pub struct Caller {
    agent: Box<AgentRow>,
    shop: Box<ShopRow>,
}

fn caller(edge: &Edge, incoming: &Incoming, asked: &Asked, loaded: &mut Loaded, now: i64) -> Result<Caller> {
    let (agent, shop) = access::known_agent(edge, incoming, loaded.agent.take(), loaded.shop.take())?;
    access::agent_allowed(&agent, &shop, asked.door)?;
    check_signature(edge, &agent, asked, now)?;
    Ok(Caller { agent, shop })
}

/// What the same key was told before.
fn earlier(asked: &Asked, attempt: Option<&AttemptRow>, now: i64) -> Result<Option<Answered>> {
    let Some(attempt) = attempt.filter(|_| asked.key.is_some()) else { return Ok(None) };
    if !sign::equal(attempt.fingerprint.as_bytes(), asked.fingerprint.as_bytes()) {
        return Err(idempotency::conflict(asked.dialect));
    }
    if let (Some(status), Some(body)) = (attempt.status, &attempt.body) {
        let status = u16::try_from(status).map_err(Problem::fault)?;
        return Ok(Some(Answered { status, body: body.clone(), replayed: true }));
    }
    if attempt.locked_until > now { Err(idempotency::in_flight(asked.dialect)) } else { Ok(None) }
}

/// Loads what an answer needs.
fn load(edge: &Edge, asked: &Asked, id: &str, kind: &str, ask: Option<&Ask>, now: i64) -> Result<Loaded> {
    let products: Vec<&str> = ask.and_then(|ask| ask.items.as_ref()).into_iter().flatten().map(|item| item.product.as_str()).collect();
    let codes: Vec<String> = match ask.map(|ask| &ask.codes) {
        Some(crate::acp::ask::Patch::Set(codes)) => codes.iter().map(|code| code_key(code)).collect(),
        _ => Vec::new(),
    };
    let (products, codes) = (products.text(), codes.text());
    edge.db.load_for_agent(&Wanted {
        key_hash: &asked.key_hash,
        now,
        attempt: asked.key.as_deref().map(|key| (asked.path.as_str(), key)),
        id,
        kind,
        products: &products,
        codes: &codes,
        shown: false,
    })
}

/// What the answers say of the shop.
pub fn seller(edge: &Edge, shop: &ShopRow, connections: &[ConnectionRow], live: bool) -> Seller {
    let links = match stored(&shop.links) {
        Value::Array(links) => links,
        _ => Vec::new(),
    };
    let text = |link: &Value, member: &str| link.get(member).and_then(Value::as_str).map(str::to_owned);
    Seller {
        name: shop.name.clone(),
        site_url: shop.site_url.clone(),
        account: in_mode(connections, live).filter(|connection| connection.active()).map(|connection| {
            // Of a destination charge the platform is the seller to Stripe: tokens are for its account.
            let platform = connection.platform.as_ref().filter(|_| edge.destination());
            platform.unwrap_or(&connection.account).clone()
        }),
        links: links
            .iter()
            .filter_map(|link| Some(Link { kind: text(link, "type")?, url: text(link, "url")?, title: text(link, "title") }))
            .collect(),
        public_url: edge.public_url.to_string(),
    }
}

/// The connection that an agent's checkout is charged on, or why there is none.
fn connected(connections: &[ConnectionRow], mode: Mode) -> Result<&ConnectionRow> {
    match in_mode(connections, mode.live()) {
        Some(connection) if connection.active() || connection.may_revive() => Ok(connection),
        _ => Err(Problem::request(
            409,
            "not_connected",
            format!("The shop has no Stripe account connected in {} mode, so nothing can be paid there.", mode.name()),
        )),
    }
}

fn disabled() -> Problem {
    Problem::forbidden("checkout_disabled", "This shop has switched checkout off.")
}

/// Writes a document as the asked version has it.
fn shown(asked: &Asked, session: &Session, seller: &Seller) -> String {
    write::session(asked.dialect, session, seller).text()
}

/// What an agent asks of a checkout, whichever way it came.
pub fn answer_checkout(edge: &Edge, incoming: &Incoming, asked: &Asked, act: Act, id: &str) -> Result<Answered> {
    match act {
        Act::Create => document::create(edge, incoming, asked, false),
        Act::Get => document::get(edge, incoming, asked, id, false),
        Act::Update => document::update(edge, incoming, asked, id, false),
        Act::Complete => complete::complete(edge, incoming, asked, id),
        Act::Cancel => document::cancel(edge, incoming, asked, id, false),
    }
}

/// `/checkouts…`, `/checkout_sessions…`
pub fn checkout(edge: &Edge, incoming: &Incoming, act: Act, id: &str) -> Result<Reply> {
    let asked = receive(incoming)?;
    Ok(answer_checkout(edge, incoming, &asked, act, id)?.reply(&asked))
}

/// `/carts…`
pub fn cart(edge: &Edge, incoming: &Incoming, act: Act, id: &str) -> Result<Reply> {
    let asked = receive(incoming)?;
    let answered = match act {
        Act::Create => document::create(edge, incoming, &asked, true),
        Act::Get => document::get(edge, incoming, &asked, id, true),
        Act::Update | Act::Complete => document::update(edge, incoming, &asked, id, true),
        Act::Cancel => document::cancel(edge, incoming, &asked, id, true),
    };
    Ok(answered?.reply(&asked))
}

/// `GET /.well-known/acp.json`: one for all shops of this Worker, so it names none; who sells is said by the key.
pub fn discovery(edge: &Edge) -> Reply {
    let documentation = format!("{}/openapi.json", edge.public_url);
    let mut reply = Reply::json(200, &write::discovery(&edge.public_url, &documentation));
    reply.headers.retain(|(name, _)| *name != "Cache-Control");
    reply.with("Cache-Control", "public, max-age=3600")
}

fn now() -> i64 {
    clock::now()
}

/// The answer for whoever sends the same key again.
fn answer<'a>(asked: &'a Asked, status: u16, body: &'a str) -> Option<Answer<'a>> {
    let key = asked.key.as_deref()?;
    Some(Answer { path: &asked.path, key, fingerprint: &asked.fingerprint, status, body })
}
