//! Stripe asks before a sale (contract, *Stripe's agentic commerce*, `POST /stripe/agentic-hooks`): whether an order may be paid, what
//! delivery and taxes cost, what a product costs.
//!
//! Stripe waits four seconds and then declines. So everything is raced against one deadline of our own, the database too, and at the
//! deadline there is an answer: for an order what the shop's `on_trouble` says, once its rules were read, else no.

use super::seller_of;
use crate::acp::quote::Quote;
use crate::agentic::hook::{self, DEADLINE, HELD, Hook, Kind, Offer, Question, RESERVE, SESSION_DEADLINE, SHOP_DEADLINE, Verdict};
use crate::agentic::rules::{OnTrouble, Rules};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::id::Mode;
use crate::journey::acp::quote::{self, Quoted};
use crate::journey::{access, checkout};
use crate::place::Slot;
use crate::record::Json;
use crate::sign;
use crate::store::agentic::{Answer, Hold, HookRow, Loaded, Wanted};
use crate::store::shops::ShopRow;
use crate::stripe::call::Outcome;
use crate::stripe::session;
use serde_json::Value;
use std::cell::RefCell;

/// The most that is read of what the shop answers, bytes.
const WORD_LIMIT: usize = 16 * 1024;

/// `POST /stripe/agentic-hooks`
pub fn answer(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let begun = clock::now_ms();
    // No secret, no hook: whoever could ask without one would read prices and hold stock, and approve for a shop.
    if edge.config.hook_secrets.is_empty() {
        return Err(Problem::not_configured("STRIPE_HOOK_SECRETS is not set, so no hook can be trusted."));
    }
    let body = incoming.bytes()?;
    let header = incoming.header("Stripe-Signature").unwrap_or_default();
    let secrets: Vec<&str> = edge.config.hook_secrets.iter().map(|secret| secret.expose()).collect();
    if let Err(bad) = sign::verify_stripe(&header, &body, &secrets, clock::now()) {
        log::line(object! { "level": "warn", "event": "signature_refused", "request_id": &*edge.request_id, "why": bad.0 });
        return Err(Problem::request(400, "signature_invalid", format!("The Stripe-Signature was refused: {}.", bad.0)));
    }
    let hook = hook::read(&body)?;
    let mut deadline = begun.saturating_add(DEADLINE);
    // What waits for a database or for the shop when the time is over fails: the answer is given then, by what is known.
    let place = sellers_place(edge, &hook, &mut deadline)?.until(deadline);
    let asked = Asked { edge: &place, hook: &hook, deadline };
    match hook.kind {
        Kind::Finalize => finalize(&asked),
        Kind::Customize => customize(&asked),
        Kind::Price => price(&asked),
    }
}

/// The hands on the seller's database. Where the databases do not say in time which it is, no time is left for anything else: the answer is
/// that of a database which hangs.
fn sellers_place(edge: &Edge, hook: &Hook, deadline: &mut u64) -> Result<Edge> {
    let Some(account) = hook.account.as_deref().filter(|_| edge.config.placement.matters()) else { return Ok(edge.clone()) };
    match seller_of(&edge.until(*deadline), account, hook.live) {
        Ok(Some((_, _, shop))) => edge.of(Slot::of_id(&shop.id)),
        Ok(None) => Ok(edge.clone()),
        Err(_) => {
            *deadline = 0;
            Ok(edge.clone())
        }
    }
}

/// A hook, and until when it is to be answered.
struct Asked<'a> {
    edge: &'a Edge,
    hook: &'a Hook,
    /// Unix milliseconds.
    deadline: u64,
}

impl Asked<'_> {
    /// Milliseconds.
    fn left(&self) -> u64 {
        self.deadline.saturating_sub(clock::now_ms())
    }

    /// `None`: it failed for want of time.
    fn in_time<T>(&self, outcome: Result<T>) -> Option<Result<T>> {
        if outcome.is_err() && self.left() == 0 { None } else { Some(outcome) }
    }

    fn say(&self, outcome: &str, why: Option<&str>) {
        log::line(object! { "level": if why.is_some() { "warn" } else { "info" }, "event": "agentic_hook",
        "request_id": &*self.edge.request_id, "id": self.hook.id, "type": self.hook.kind.name(), "outcome": outcome, "why": why });
    }
}

/// Whose hook it is: a shop that sells to agents now, by what rules.
struct Seller {
    shop: Box<ShopRow>,
    rules: Rules,
}

/// `Err` says why nobody sells: in the words of a declined order.
fn seller(edge: &Edge, loaded: &mut Loaded) -> Result<std::result::Result<Seller, &'static str>> {
    let Some((agentic, shop)) = loaded.agentic.take().zip(loaded.shop.take()) else { return Ok(Err("account_unknown")) };
    *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
    if shop.status != "active" || shop.checkout_enabled == 0 {
        return Ok(Err("checkout_disabled"));
    }
    if agentic.enabled == 0 {
        return Ok(Err("disabled"));
    }
    Ok(Ok(Seller { rules: Rules::stored(&agentic.rules)?, shop }))
}

/// What is known of an order by the time at which its answer is due.
#[derive(Default)]
struct Known {
    shop_id: String,
    on_trouble: OnTrouble,
    /// Declined by a rule: trouble changes nothing about it.
    declined: Option<String>,
    fee: i64,
    /// What it would hold: `[{id, quantity}]`.
    items: String,
}

/// May this order be paid?
fn finalize(asked: &Asked<'_>) -> Result<Reply> {
    // Whatever it asks: of no account nobody sells.
    if asked.hook.account.is_none() {
        asked.say("declined", None);
        return Ok(Reply::json(200, &hook::declined("account_unknown")));
    }
    let question = Question::read(&asked.hook.data)?;
    let known = RefCell::new(Known::default());
    let decided = asked.in_time(decide(asked, question.clone(), &known));
    let why = match decided {
        Some(Ok(answer)) => {
            asked.say(if hook::is_approval(&answer) { "approved" } else { "declined" }, None);
            return Ok(Reply::json(200, &answer));
        }
        Some(Err(problem)) => {
            log::problem(&problem, &asked.edge.request_id);
            problem.code.to_string()
        }
        None => "deadline".to_owned(),
    };
    let known = known.into_inner();
    let answer = match (&known.declined, known.on_trouble) {
        (Some(reason), _) => hook::declined(reason),
        (None, OnTrouble::Approve) => hook::approved(known.fee),
        (None, OnTrouble::Decline) => hook::declined("temporarily_unavailable"),
    };
    asked.say(if hook::is_approval(&answer) { "approved" } else { "declined" }, Some(&why));
    if !known.shop_id.is_empty() {
        remember(asked, &question, known.shop_id, &answer, known.items);
    }
    Ok(Reply::json(200, &answer))
}

/// The session's holds are its own, however often Stripe asks about it. Without a session, those of the very same order: an agent that
/// tries again under another hook is not to find its own pieces gone.
fn holder<'a>(hook: &'a Hook, question: &'a Question) -> &'a str {
    question.session.as_deref().unwrap_or(&hook.fingerprint)
}

fn decide(asked: &Asked<'_>, mut question: Question, known: &RefCell<Known>) -> Result<Value> {
    let (edge, hook) = (asked.edge, asked.hook);
    let now = clock::now();
    let Some(account) = hook.account.as_deref() else { return Ok(hook::declined("account_unknown")) };
    // A line that does not say which product it is: before anything is loaded, so that one round trip brings all.
    if question.nameless() {
        name(asked, &mut question, account);
    }
    // Load.
    let skus = question.skus().text();
    let wanted = Wanted { account, live: hook.live, id: &hook.id, holder: holder(hook, &question), skus: &skus, now };
    let mut loaded = edge.db.load_for_hook(&wanted)?;
    let seller = match seller(edge, &mut loaded)? {
        Ok(seller) => seller,
        Err(why) => return Ok(hook::declined(why)),
    };
    if let Some(earlier) = earlier(edge, hook, &loaded)? {
        return Ok(earlier);
    }
    // Decide.
    let fee = question.fee(&loaded.products, &checkout::fee_terms(edge, &seller.shop), now);
    let verdict = hook::decide(&question, &seller.rules, &loaded.products, now);
    if let Verdict::Trouble(why) = verdict {
        asked.say("trouble", Some(why));
    }
    let mut declined = verdict.settled(seller.rules.on_trouble).err().map(str::to_owned);
    let items = question.stock(&loaded.products).text();
    let holds_late = if seller.rules.require_stock { items.clone() } else { "[]".to_owned() };
    known.replace(Known {
        shop_id: seller.shop.id.clone(),
        on_trouble: seller.rules.on_trouble,
        declined: declined.clone(),
        fee,
        items: holds_late,
    });
    if declined.is_none() && seller.rules.ask_shop {
        declined = match ask_shop(asked, &seller.shop, &question) {
            Ok(word) => word.err(),
            Err(why) => {
                asked.say("trouble", Some(&why));
                (seller.rules.on_trouble == OnTrouble::Decline).then(|| "shop_unavailable".to_owned())
            }
        };
        known.borrow_mut().declined.clone_from(&declined);
    }
    // Record, then reply.
    let text = declined.as_deref().map_or_else(|| hook::approved(fee), hook::declined).text();
    let answer = Answer { approved: declined.is_none(), answer: &text, ..blank(hook, &question, &seller.shop.id, now) };
    let short = hook::declined("out_of_stock").text();
    let hold = Hold { holder: holder(hook, &question), items: &items, until: now.saturating_add(HELD), short: &short };
    let holds = declined.is_none() && seller.rules.require_stock;
    let row = edge.db.answer_hook(&answer, holds.then_some(&hold))?;
    row.answer.parse::<Value>().map_err(Problem::fault)
}

fn blank<'a>(hook: &'a Hook, question: &'a Question, shop_id: &'a str, now: i64) -> Answer<'a> {
    Answer {
        id: &hook.id,
        shop_id,
        live: hook.live,
        kind: hook.kind.name(),
        session: question.session.as_deref(),
        fingerprint: &hook.fingerprint,
        approved: false,
        answer: "",
        now,
    }
}

/// What the same question was answered.
fn earlier(edge: &Edge, hook: &Hook, loaded: &Loaded) -> Result<Option<Value>> {
    let same = loaded.earlier.as_ref().is_some_and(|row| sign::equal(row.fingerprint.as_bytes(), hook.fingerprint.as_bytes()));
    let read = |row: &HookRow| row.answer.parse::<Value>().ok();
    let before: Option<Value> = loaded.earlier.as_deref().filter(|_| same).and_then(read);
    if !before.as_ref().is_some_and(hook::is_approval) {
        return Ok(before);
    }
    Ok(edge.db.answer_again(&hook.id, &hook.fingerprint)?.as_deref().and_then(read))
}

/// Asks Stripe which products the lines are; where it does not say, they stay without a name.
fn name(asked: &Asked<'_>, question: &mut Question, account: &str) {
    let Some(id) = question.session.clone() else { return };
    let (mode, account) = (Mode::from_live(asked.hook.live), Some(account).filter(|_| !asked.edge.destination()));
    let end = clock::now_ms().saturating_add(u64::from(SESSION_DEADLINE));
    // A Session shows ten of its items; where it has more, they are asked for in what is left of the time.
    for (call, more) in [(session::with_items(&id, account), true), (session::items(&id, account), false)] {
        let left = u32::try_from(end.saturating_sub(clock::now_ms())).unwrap_or_default();
        if left == 0 {
            return asked.say("items_unknown", Some("deadline"));
        }
        match outside::stripe::<Value>(asked.edge, mode, &call, left) {
            Ok(Outcome::Ok(found)) => {
                let items = if more { found.get("line_items").cloned().unwrap_or_default() } else { found };
                question.name(&items);
                if !more || items.is_object() && !items.get("has_more").and_then(Value::as_bool).unwrap_or_default() {
                    return;
                }
            }
            Ok(Outcome::Refused(error)) => return asked.say("items_unknown", Some(error.code.as_deref().unwrap_or(&error.kind))),
            Ok(Outcome::Unavailable { why, .. }) => return asked.say("items_unknown", Some(&why)),
            Err(problem) => return asked.say("items_unknown", Some(&problem.code)),
        }
    }
}

/// The shop's own word on an order: approved, or why not. `Err`: it gave none.
fn ask_shop(asked: &Asked<'_>, shop: &ShopRow, question: &Question) -> std::result::Result<std::result::Result<(), String>, String> {
    let (edge, hook) = (asked.edge, asked.hook);
    let (param, url) = match (&shop.quote_url, &shop.webhook_url) {
        (Some(url), _) => ("quote_url", url),
        (None, Some(url)) => ("webhook_url", url),
        (None, None) => return Err("the shop has neither quote_url nor webhook_url".to_owned()),
    };
    let now = clock::now();
    let body =
        object! { "type": "order.approval", "id": hook.id, "livemode": hook.live, "created": now, "data": question.data(&hook.data) };
    let body = body.text();
    // Looked at again each time: an origin may have been taken away since.
    let prepared = access::shop_url(edge, shop, param, url, false).and_then(|url| {
        let signature = sign::webhook_signature(&access::signing_secrets(edge, shop, now)?, &hook.id, now, &body)?;
        Ok((url.to_string(), signature))
    });
    let (url, signature) = prepared.map_err(|problem| problem.message.clone())?;
    let t = now.to_string();
    let headers = [("webhook-id", hook.id.as_str()), ("webhook-timestamp", &t), ("webhook-signature", &signature)];
    let time = u32::try_from(asked.left().saturating_sub(RESERVE).min(SHOP_DEADLINE)).unwrap_or_default();
    match outside::question(edge, &url, &headers, &body, time, WORD_LIMIT)? {
        (200..=299, bytes) => hook::shops_word(&bytes).ok_or_else(|| "the shop's answer has no approved".to_owned()),
        (status, _) => Err(format!("status {status}")),
    }
}

/// What was answered without the database is written down behind the answer: it counts, and an approved session is an order to be.
fn remember(asked: &Asked<'_>, question: &Question, shop_id: String, answer: &Value, items: String) {
    let (edge, hook, question) = (asked.edge.aside(), asked.hook.clone(), question.clone());
    let (approved, text) = (hook::is_approval(answer), answer.text());
    asked.edge.later(move || {
        let answer = Answer { approved, answer: &text, ..blank(&hook, &question, &shop_id, clock::now()) };
        let hold = Hold { holder: holder(&hook, &question), items: &items, until: clock::now().saturating_add(HELD), short: "" };
        if let Err(problem) = edge.db.answered_late(&answer, &hold) {
            log::line(object! { "level": "error", "event": "hook_not_recorded", "request_id": &*edge.request_id, "id": hook.id,
            "why": problem.cause });
        }
    });
}

fn nobody() -> Problem {
    Problem::request(404, "resource_missing", "No shop sells to agents through this account.")
}

fn late(what: &str) -> Problem {
    let mut problem = Problem::fault(what);
    problem.status = 503;
    problem
}

/// What do delivery and taxes cost?
fn customize(asked: &Asked<'_>) -> Result<Reply> {
    let question = Question::read(&asked.hook.data)?;
    let known: RefCell<Option<(String, Value)>> = RefCell::new(None);
    let problem = match asked.in_time(offer(asked, question.clone(), &known)) {
        Some(Ok(answer)) => {
            asked.say("customized", None);
            return Ok(Reply::json(200, &answer));
        }
        Some(Err(problem)) => problem,
        None => late("the tables were not read in time"),
    };
    // Whatever is late (the shop's quote, writing it down): once the tables were read, there is an answer by them.
    let Some((shop_id, answer)) = known.into_inner() else { return Err(problem) };
    log::problem(&problem, &asked.edge.request_id);
    asked.say("customized", Some(&problem.code));
    remember(asked, &question, shop_id, &answer, "[]".to_owned());
    Ok(Reply::json(200, &answer))
}

fn offer(asked: &Asked<'_>, mut question: Question, known: &RefCell<Option<(String, Value)>>) -> Result<Value> {
    let (edge, hook) = (asked.edge, asked.hook);
    let now = clock::now();
    let Some(account) = hook.account.as_deref() else { return Err(nobody()) };
    if question.nameless() {
        name(asked, &mut question, account);
    }
    // Load.
    let skus = question.skus().text();
    let wanted = Wanted { account, live: hook.live, id: &hook.id, holder: holder(hook, &question), skus: &skus, now };
    let mut loaded = edge.db.load_for_hook(&wanted)?;
    let Ok(seller) = seller(edge, &mut loaded)? else { return Err(nobody()) };
    if let Some(earlier) = earlier(edge, hook, &loaded)? {
        return Ok(earlier);
    }
    // Decide.
    let (rules, products) = (loaded.fulfillment.as_deref(), loaded.products.as_slice());
    known.replace(Some((seller.shop.id.clone(), hook::customize(&question, &Offer { rules, quote: None, products }))));
    let quoted = live_quote(asked, &seller.shop, &question)?;
    let answer = hook::customize(&question, &Offer { rules, quote: quoted.as_deref(), products });
    known.replace(Some((seller.shop.id.clone(), answer.clone())));
    // Record, then reply.
    let text = answer.text();
    let kept = edge.db.answer_hook(&Answer { answer: &text, ..blank(hook, &question, &seller.shop.id, now) }, None)?;
    kept.answer.parse::<Value>().map_err(Problem::fault)
}

/// The shop's live quote, where it has one and all products are known: a quote for a part would price a part.
fn live_quote(asked: &Asked<'_>, shop: &ShopRow, question: &Question) -> Result<Option<Box<Quote>>> {
    if shop.quote_url.is_none() || question.lines.is_empty() || question.nameless() || question.address.is_none() {
        return Ok(None);
    }
    Ok(match quote::ask(asked.edge, shop, &question.checkout(&asked.hook.id))? {
        Quoted::Price(quote) => Some(quote),
        Quoted::None | Quoted::Failed => None,
    })
}

/// What does a product cost, and is it there?
fn price(asked: &Asked<'_>) -> Result<Reply> {
    let sku = hook::asked_sku(&asked.hook.data)?;
    match asked.in_time(priced(asked, &sku)) {
        Some(answer) => Ok(Reply::json(200, &answer?)),
        None => Err(late("the catalogue was not read in time")),
    }
}

fn priced(asked: &Asked<'_>, sku: &str) -> Result<Value> {
    let (edge, hook) = (asked.edge, asked.hook);
    let now = clock::now();
    let Some(account) = hook.account.as_deref() else { return Err(nobody()) };
    let skus = Value::Array(vec![sku.into()]).text();
    let wanted = Wanted { account, live: hook.live, id: &hook.id, holder: "", skus: &skus, now };
    let mut loaded = edge.db.load_for_hook(&wanted)?;
    let Ok(_) = seller(edge, &mut loaded)? else { return Err(nobody()) };
    Ok(hook::price(sku, account, loaded.products.first(), now))
}
