//! A checkout or a cart is made, read, changed and given up.

use super::quote::{self, Quoted};
use super::{Answered, Asked, CART_LIFE, Caller, SESSION_LIFE, answer, caller, connected, disabled, earlier, load, now, seller, shown};
use crate::acp::ask::{Ask, Patch};
use crate::acp::change::{self, Command};
use crate::acp::price::{self, Terms};
use crate::acp::session::{Message, Selected, Session, Status};
use crate::acp::{idempotency, read, write};
use crate::edge::http::Incoming;
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::record::Json;
use crate::store::acp::{Kept, Loaded, SessionRow, Wanted};
use serde_json::{Map, Value};

fn kind(cart: bool) -> &'static str {
    if cart { "cart" } else { "session" }
}

/// 404: no such document, or another agent's.
pub fn missing(cart: bool, id: &str) -> Problem {
    let what = if cart { "cart" } else { "checkout session" };
    let id: String = id.chars().take(80).collect();
    Problem::request(404, "not_found", format!("No such {what}: '{id}'."))
}

/// Puts what an agent wants into the document and prices it: by the shop's live quote where it gives one.
pub fn settle(
    edge: &Edge, caller: &Caller, loaded: &Loaded, session: &mut Session, choice: Option<&[Selected]>, now: i64,
) -> Result<Quoted> {
    // Lines first: the quote is asked for them.
    let terms = Terms {
        products: &loaded.products,
        rules: loaded.rules.as_deref(),
        redeemed: &loaded.redeemed,
        quote: None,
        quote_failed: false,
        now,
    };
    let quoted = if session.lines.is_empty() { Quoted::None } else { quote::ask(edge, &caller.shop, session)? };
    price::price(session, choice, &Terms { quote: quoted.price(), quote_failed: quoted.failed(), ..terms })?;
    session.updated = now;
    Ok(quoted)
}

fn choice(ask: &Ask) -> Option<&[Selected]> {
    match &ask.selected {
        Patch::Keep => None,
        Patch::Clear => Some(&[]),
        Patch::Set(selected) => Some(selected),
    }
}

/// Attribution is kept beside the document: no answer is made of it (2025-12-12: write-only).
pub fn with_private(private: &str, name: &str, value: Option<Value>) -> String {
    let mut members = match private.parse::<Value>() {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    if let Some(value) = value {
        members.insert(name.to_owned(), value);
    }
    Value::Object(members).text()
}

fn rendered(asked: &Asked, caller: &Caller, loaded: &Loaded, session: &Session, cart: bool, edge: &Edge) -> String {
    let seller = seller(edge, &caller.shop, &loaded.connections, caller.agent.livemode != 0);
    if cart {
        return write::cart(session, &seller).text();
    }
    shown(asked, session, &seller)
}

/// Makes a checkout or a cart.
pub fn create(edge: &Edge, incoming: &Incoming, asked: &Asked, cart: bool) -> Result<Answered> {
    // Receive, load.
    let now = now();
    let ask = asked.body.as_ref().ok().map(|body| if cart { read::cart(body) } else { read::create(asked.dialect, body) });
    let known = ask.as_ref().and_then(|ask| ask.as_ref().ok());
    let mut loaded = load(edge, asked, "", kind(cart), known, now)?;
    let caller = caller(edge, incoming, asked, &mut loaded, now)?;
    if let Some(answered) = earlier(asked, loaded.attempt.as_deref(), now)? {
        return Ok(answered);
    }
    asked.body.as_ref().map_err(Clone::clone)?;
    let mut ask = ask.ok_or_else(|| Problem::fault("a body that asks nothing"))??;
    // Decide.
    if caller.shop.checkout_enabled == 0 {
        return Err(disabled());
    }
    let mode = caller.agent.mode();
    edge.pair(mode)?;
    if !cart {
        connected(&loaded.connections, mode)?;
    }
    let mut buyer = Value::Null;
    if let Some(id) = ask.cart.clone() {
        buyer = take_cart(edge, asked, &mut loaded, &mut ask, &id, now)?;
    }
    let mut session = Session {
        id: clock::fresh_id(if cart { "cart_" } else { "checkout_" })?,
        livemode: mode.live(),
        buyer,
        created: now,
        expires_at: now.saturating_add(if cart { CART_LIFE } else { SESSION_LIFE }),
        ..Session::default()
    };
    price::set_currency(&mut session, ask.currency.as_deref())?;
    price::set_items(&mut session, ask.items.as_deref().unwrap_or_default(), &loaded.products)?;
    change::apply(&mut session, &ask);
    settle(edge, &caller, &loaded, &mut session, choice(&ask), now)?;
    // Record, then reply.
    let body = rendered(asked, &caller, &loaded, &session, cart, edge);
    let row = SessionRow {
        id: session.id.clone(),
        shop_id: caller.shop.id.clone(),
        agent_id: caller.agent.id.clone(),
        livemode: caller.agent.livemode,
        kind: kind(cart).to_owned(),
        expires_at: session.expires_at,
        ..SessionRow::default()
    };
    let private = with_private("{}", "affiliate_first", ask.affiliate.clone());
    let kept = Kept { row: &row, document: &session, private: &private, now, answer: answer(asked, 201, &body), also: Vec::new() };
    if edge.db.keep_document(kept, true)? {
        return Ok(Answered { status: 201, body, replayed: false });
    }
    faster(edge, asked, now)
}

/// Another request was faster: with the same key its answer is given, else what it did to the document has to be read first.
fn faster(edge: &Edge, asked: &Asked, now: i64) -> Result<Answered> {
    let loaded = load(edge, asked, "", "session", None, now)?;
    match earlier(asked, loaded.attempt.as_deref(), now)? {
        Some(answered) => Ok(answered),
        None => Err(changed_meanwhile()),
    }
}

pub fn changed_meanwhile() -> Problem {
    Problem::request(409, "conflict", "Another request changed this at the same moment. Read it again, then send yours.").after(1)
}

/// A cart becomes a checkout: its products, and its buyer where the checkout brings none.
fn take_cart(edge: &Edge, asked: &Asked, loaded: &mut Loaded, ask: &mut Ask, id: &str, now: i64) -> Result<Value> {
    let found = load(edge, asked, id, "cart", Some(ask), now)?;
    let gone = || {
        let id: String = id.chars().take(80).collect();
        Problem::request(404, "not_found", format!("No such cart: '{id}'.")).at("$.cart_id")
    };
    let document = found.document.as_ref().filter(|document| document.expires_at > now).ok_or_else(gone)?.document()?;
    if document.status.ended() {
        return Err(gone());
    }
    if ask.items.is_none() {
        ask.items = Some(
            document
                .lines
                .iter()
                .map(|line| crate::acp::ask::ItemAsk {
                    product: line.product.clone(),
                    quantity: line.quantity,
                    param: "$.cart_id".to_owned(),
                })
                .collect(),
        );
        ask.currency = ask.currency.take().or(Some(document.currency.clone()));
    }
    loaded.products = found.products;
    Ok(document.buyer)
}

/// The document, if it is this agent's. A cart that was given up, or is too old, is none.
pub fn own(loaded: &mut Loaded, id: &str, cart: bool, now: i64) -> Result<(Box<SessionRow>, Session)> {
    let row = loaded.document.take().ok_or_else(|| missing(cart, id))?;
    let mut session = row.document()?;
    if row.expires_at <= now && !session.status.ended() && session.status != Status::InProgress {
        session.status = Status::Expired;
    }
    if cart && session.status.ended() {
        return Err(missing(cart, id));
    }
    Ok((row, session))
}

/// Reads a checkout or a cart.
pub fn get(edge: &Edge, incoming: &Incoming, asked: &Asked, id: &str, cart: bool) -> Result<Answered> {
    let now = now();
    let wanted = Wanted { key_hash: &asked.key_hash, now, attempt: None, id, kind: kind(cart), products: "[]", codes: "[]", shown: true };
    let mut loaded = edge.db.load_for_agent(&wanted)?;
    let caller = caller(edge, incoming, asked, &mut loaded, now)?;
    let (_, session) = own(&mut loaded, id, cart, now)?;
    Ok(Answered { status: 200, body: rendered(asked, &caller, &loaded, &session, cart, edge), replayed: false })
}

/// Changes a checkout, or replaces what is in a cart.
pub fn update(edge: &Edge, incoming: &Incoming, asked: &Asked, id: &str, cart: bool) -> Result<Answered> {
    let now = now();
    let ask = asked.body.as_ref().ok().map(|body| if cart { read::cart(body) } else { read::update(asked.dialect, body) });
    let known = ask.as_ref().and_then(|ask| ask.as_ref().ok());
    let mut loaded = load(edge, asked, id, kind(cart), known, now)?;
    let caller = caller(edge, incoming, asked, &mut loaded, now)?;
    if let Some(answered) = earlier(asked, loaded.attempt.as_deref(), now)? {
        return Ok(answered);
    }
    let (row, mut session) = own(&mut loaded, id, cart, now)?;
    asked.body.as_ref().map_err(Clone::clone)?;
    let ask = ask.ok_or_else(|| Problem::fault("a body that asks nothing"))??;
    change::allowed(session.status, Command::Update)?;
    if let Some(items) = &ask.items {
        price::set_items(&mut session, items, &loaded.products)?;
    }
    change::apply(&mut session, &ask);
    settle(edge, &caller, &loaded, &mut session, choice(&ask), now)?;
    let body = rendered(asked, &caller, &loaded, &session, cart, edge);
    let kept = Kept { row: &row, document: &session, private: &row.private, now, answer: answer(asked, 200, &body), also: Vec::new() };
    if edge.db.keep_document(kept, false)? {
        return Ok(Answered { status: 200, body, replayed: false });
    }
    faster(edge, asked, now)
}

/// Gives a checkout or a cart up. Why is kept, and whatever it says, it is given up (rfc.intent_traces).
pub fn cancel(edge: &Edge, incoming: &Incoming, asked: &Asked, id: &str, cart: bool) -> Result<Answered> {
    let now = now();
    let mut loaded = load(edge, asked, id, kind(cart), None, now)?;
    let caller = caller(edge, incoming, asked, &mut loaded, now)?;
    if let Some(answered) = earlier(asked, loaded.attempt.as_deref(), now)? {
        return Ok(answered);
    }
    let (row, mut session) = own(&mut loaded, id, cart, now)?;
    let body = asked.body.as_ref().map_err(Clone::clone)?;
    let cancel = read::cancel(asked.dialect, body)?;
    change::allowed(session.status, Command::Cancel)?;
    session.status = Status::Canceled;
    session.updated = now;
    let content = if cart { "The cart has been given up." } else { "The checkout has been canceled." };
    session.messages = vec![Message { kind: "info".to_owned(), content: content.to_owned(), ..Message::default() }];
    let body = rendered(asked, &caller, &loaded, &session, cart, edge);
    let private = with_private(&row.private, "intent_trace", cancel.trace);
    let also = loaded.row.iter().map(|row| edge.db.payment_given_up(row, now)).collect();
    let kept = Kept { row: &row, document: &session, private: &private, now, answer: answer(asked, 200, &body), also };
    if edge.db.keep_document(kept, false)? {
        return Ok(Answered { status: 200, body, replayed: false });
    }
    faster(edge, asked, now)
}

/// What two requests with one key at once are told, where the second cannot wait for the first.
pub fn in_flight(asked: &Asked) -> Problem {
    match asked.key {
        Some(_) => idempotency::in_flight(asked.dialect),
        None => changed_meanwhile(),
    }
}

/// A list as JSON text.
pub fn text(value: &impl Json) -> String {
    value.text()
}
