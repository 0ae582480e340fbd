//! Shops' catalogues go to the feeds of their agents (contract, *Agents, catalogue, fulfilment*), by the sweep.
//!
//! A feed is worked on in turns, so that a large shop does not keep the others waiting. What an agent has taken is written down
//! request by request: a turn that breaks off, and one that is refused, goes on at the very request. Nothing is lost when an answer is:
//! what a request tells is noted before it goes out, and told again as the catalogue then is.

use super::access;
use super::lanes::side_by_side;
use crate::acp::dialect::Dialect;
use crate::acp::feed::{self, Heard, Phase, Piece, Place, REFUSED_IN_A_ROW, State, Trouble};
use crate::agent::{self, AgentRow};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::product::ProductRow;
use crate::record::Json;
use crate::store::feeds::{Catalogue, Due, Ended, FeedPage, Pair};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// What an agent is given for a request, milliseconds.
const DEADLINE: u32 = 10_000;
/// Bytes of an answer that are read.
const ANSWER: usize = 16 * 1024;
/// Feeds of one run.
const FEEDS: i64 = 200;
/// At a time: with D1's, six connections are all that an invocation gets.
const LANES: usize = 4;
/// After this no further turn is begun in a run, milliseconds.
const TIME: u64 = 20_000;
/// Round trips to D1 of one run: with what else the sweep does, well within what an invocation gets.
const ROUND_TRIPS: u32 = 200;
/// Of one turn: requests to the agent, steps, and after how long none is begun any more, milliseconds.
const REQUESTS: u32 = 8;
const STEPS: u32 = 20;
const TURN: u64 = 10_000;
/// How long one turn holds a feed, seconds: longer than it can take, its last request included.
const LEASE: i64 = 60;
/// Rows that are worked on at a time.
const ROWS: i64 = 300;
/// When a shop that is suspended is looked at again, seconds.
const LATER: i64 = 3600;

/// What all lanes share.
struct Run {
    edge: Edge,
    /// Unix milliseconds.
    end: u64,
    /// Round trips to D1 of the whole sweep.
    d1_ends: u32,
    queue: RefCell<VecDeque<Due>>,
    told: Cell<u32>,
}

/// For the sweep: goes on with every feed that is due. Answers how many products were told.
pub fn run(edge: &Edge) -> Result<u32> {
    let end = clock::now_ms().saturating_add(TIME);
    let d1_ends = edge.counters.d1.get().saturating_add(ROUND_TRIPS);
    let due = edge.db.due_feeds(clock::now(), FEEDS)?;
    let lanes = due.len().min(LANES);
    let run = Rc::new(Run { edge: edge.clone(), end, d1_ends, queue: RefCell::new(due.into()), told: Cell::new(0) });
    side_by_side(lanes, &run, Run::lane);
    Ok(run.told.get())
}

impl Run {
    fn lane(&self) {
        while clock::now_ms() < self.end && self.edge.counters.d1.get() < self.d1_ends {
            let Some(next) = self.queue.borrow_mut().pop_front() else { return };
            match turn(&self.edge, &next, self.d1_ends, &self.told) {
                // Behind all others.
                Ok(true) => self.queue.borrow_mut().push_back(next),
                Ok(false) => {}
                // Its lease runs out by itself.
                Err(problem) => log::line(object! { "level": "error", "event": "feed_trouble", "agent": next.id, "why": problem.cause }),
            }
        }
    }
}

/// A feed in hand.
struct Turn<'a> {
    edge: &'a Edge,
    agent: Box<AgentRow>,
    token: i64,
    url: String,
    key: Option<String>,
    seller: Value,
    state: State,
    /// Why nothing can be sent at all.
    broken: Option<&'static str>,
    requests: u32,
    ends: u64,
    d1_ends: u32,
    told: &'a Cell<u32>,
}

/// What comes after a step.
enum Next {
    /// The next step.
    On,
    /// Another turn.
    Later,
    /// All is told.
    Rest,
    Pause(Trouble),
    /// The shop changed its mind, or somebody else has it.
    Lost,
}

/// One turn of one feed; `true` when there is more to do.
fn turn(edge: &Edge, due: &Due, d1_ends: u32, told: &Cell<u32>) -> Result<bool> {
    // Load.
    let now = clock::now();
    let Some(leased) = edge.db.lease_feed(due, now, now.saturating_add(LEASE))? else { return Ok(false) };
    let agent = leased.agent;
    let token = agent.feed_wait_until;
    let state = agent.feed_state.as_deref().and_then(|state| match State::stored(state) {
        Ok(state) => Some(state).filter(|state| !state.key.is_empty()),
        Err(why) => {
            log::line(object! { "level": "error", "event": "feed_begins_anew", "agent": agent.id, "why": why.to_string() });
            None
        }
    });
    let Some(url) = agent.feed_url.clone() else { return forget(edge, &agent, token) };
    let shop = match leased.shop {
        Some(shop) if shop.status == "active" => shop,
        // It may come back.
        Some(shop) if shop.status == "suspended" => {
            let due_at = Some(now.saturating_add(LATER));
            let state = agent.feed_state.clone();
            edge.db.end_feed_turn(&Ended { agent: &agent, token, state: state.as_deref(), wait_until: 0, due_at, told: None, now })?;
            return Ok(false);
        }
        _ => return forget(edge, &agent, token),
    };
    let mut broken = None;
    // Looked at again with every turn: an inside address must not be reached by what was allowed once.
    if let Err(why) = agent::outside(&url, &edge.public_url, edge.config.allow_local) {
        log::line(object! { "level": "error", "event": "feed_unsendable", "agent": agent.id, "why": why });
        broken = Some("The feed_url is not allowed any more.");
    }
    let key = agent.feed_key.as_deref().and_then(|sealed| match open(edge, &agent, sealed) {
        Ok(key) => Some(key),
        Err(problem) => {
            log::line(object! { "level": "error", "event": "feed_unsendable", "agent": agent.id, "why": problem.cause });
            broken = Some("The feed_key cannot be read any more: set it again.");
            None
        }
    });
    let mut turn = Turn {
        edge,
        token,
        url,
        key,
        seller: feed::seller(&shop.name, &shop.links),
        state: match state {
            Some(state) => state,
            None => State::fresh(clock::fresh_secret("")?),
        },
        agent,
        broken,
        requests: 0,
        d1_ends,
        ends: clock::now_ms().saturating_add(TURN),
        told,
    };
    let was = turn.state.tries;
    turn.choose(leased.now, now)?;
    // Step by step.
    let next = turn.steps()?;
    // Record.
    let now = clock::now();
    let (wait, due_at, told) = match &next {
        Next::Lost => return Ok(false),
        Next::On | Next::Later => (0, now, None),
        Next::Rest => (0, turn.state.next_look(now), Some(Catalogue { generation: turn.state.generation, latest: turn.state.seen })),
        Next::Pause(trouble) => {
            let at = now.saturating_add(turn.state.failed(trouble, now));
            log::line(object! { "level": "warn", "event": "feed_failed", "agent": turn.agent.id, "shop": turn.agent.shop_id,
            "attempt": turn.state.tries, "status": trouble.status, "why": trouble.message });
            (at, at, None)
        }
    };
    if was > 0 && turn.state.tries == 0 {
        log::line(object! { "level": "info", "event": "feed_recovered", "agent": turn.agent.id, "shop": turn.agent.shop_id });
    }
    let state = turn.state.text();
    let ended = Ended { agent: &turn.agent, token, state: Some(&state), wait_until: wait, due_at: Some(due_at), told, now };
    edge.db.end_feed_turn(&ended)?;
    Ok(matches!(next, Next::On | Next::Later))
}

fn open(edge: &Edge, agent: &AgentRow, sealed: &str) -> Result<String> {
    let plain = edge.config.seal_keys.open(&access::agent_feed_context(&agent.id), sealed)?;
    String::from_utf8(plain).map_err(Problem::fault)
}

/// A feed that the shop has ended, or whose agent: what was told is forgotten.
fn forget(edge: &Edge, agent: &AgentRow, token: i64) -> Result<bool> {
    let more = edge.db.forget_feed(&agent.id, token)?;
    let now = clock::now();
    let due_at = more.then_some(now);
    edge.db.end_feed_turn(&Ended { agent, token, state: None, wait_until: 0, due_at, told: None, now })?;
    Ok(more)
}

impl Turn<'_> {
    /// Where to go on.
    fn choose(&mut self, catalogue: Catalogue, now: i64) -> Result<()> {
        let state = &mut self.state;
        if state.lost {
            // Under another key, or the agent would give the lost one again.
            *state = State { tries: state.tries, error: state.error.clone(), ..State::fresh(clock::fresh_secret("")?) };
        }
        if state.restart && state.phase() != Phase::Clear {
            (state.restart, state.force) = (false, true);
            state.begin_pass(catalogue.generation, catalogue.latest);
        }
        if state.phase() == Phase::Idle {
            if state.generation != catalogue.generation {
                state.begin_pass(catalogue.generation, catalogue.latest);
            } else if catalogue.latest > state.seen {
                state.begin(Phase::Changes);
            } else if state.next_look(now) <= now {
                state.begin_pass(catalogue.generation, catalogue.latest);
            }
        }
        Ok(())
    }

    fn steps(&mut self) -> Result<Next> {
        if !self.state.sending.is_null() {
            // It may have arrived or not: a product that is again as it was before must not be taken for told.
            let sending = std::mem::take(&mut self.state.sending).text();
            if !self.edge.db.unsure_of(&self.agent, self.token, &self.state.text(), &sending)? {
                return Ok(Next::Lost);
            }
        }
        for _ in 0..STEPS {
            match self.step()? {
                Next::On if self.spent() => return Ok(Next::Later),
                Next::On => {}
                next => return Ok(next),
            }
        }
        Ok(Next::Later)
    }

    fn spent(&self) -> bool {
        self.requests >= REQUESTS || clock::now_ms() >= self.ends || self.edge.counters.d1.get() >= self.d1_ends
    }

    fn step(&mut self) -> Result<Next> {
        if let Some(why) = self.broken {
            return Ok(Next::Pause(Trouble { message: why.to_owned(), ..Trouble::default() }));
        }
        let db = &self.edge.db;
        let page = match self.state.phase() {
            Phase::Clear => {
                if !db.forget_feed(&self.agent.id, self.token)? {
                    (self.state.pushed, self.state.failed, self.state.restart) = (0, 0, false);
                    let now = db.feed_catalogue(&self.agent.shop_id)?;
                    self.state.begin_pass(now.generation, now.latest);
                }
                return Ok(if self.keep("[]", "[]")? { Next::On } else { Next::Lost });
            }
            Phase::Idle => return Ok(Next::Rest),
            _ if self.state.feed.is_none() => return self.make(),
            Phase::Full => db.feed_rows(&self.agent.shop_id, &self.state.at)?,
            Phase::Gone => db.feed_leftovers(&self.agent.shop_id, &self.agent.id, (&self.state.at, &self.state.at_product))?,
            Phase::Changes => db.feed_changes(&self.agent.shop_id, self.state.seen)?,
        };
        if page.now.generation != self.state.generation {
            // Replaced meanwhile: what was told of the one before is compared with this one.
            self.state.begin_pass(page.now.generation, page.now.latest);
            return Ok(if self.keep("[]", "[]")? { Next::On } else { Next::Lost });
        }
        self.tell(page)
    }

    /// Makes the feed. The key was written down before: however often this is asked, one feed comes of it.
    fn make(&mut self) -> Result<Next> {
        let made = match feed::place(&self.url) {
            Place::Named(id) => Heard::Taken(Some(id)),
            Place::ToMake(url) => {
                let key = self.state.key.clone();
                self.ask("POST", &url, "{}", Some(&key))
            }
        };
        match made {
            Heard::Taken(Some(id)) => {
                self.state.feed = Some(id);
                self.state.tries = 0;
                Ok(if self.keep("[]", "[]")? { Next::On } else { Next::Lost })
            }
            Heard::Trouble(trouble) => Ok(Next::Pause(trouble)),
            Heard::Taken(None) | Heard::Refused(..) => Err(Problem::fault("a feed that is neither made nor refused")),
        }
    }

    /// Tells what a page has, as far as that goes, and goes on behind it.
    fn tell(&mut self, page: FeedPage) -> Result<Next> {
        let now = clock::now();
        // No more rows at a time than can be held.
        let (mut rows, mut fit, mut keys) = (0_i64, Vec::<&Pair>::new(), Vec::<&str>::new());
        for pair in &page.pairs {
            if pair.large || !keys.contains(&pair.key.as_str()) {
                rows = rows.saturating_add(pair.rows);
                keys.push(&pair.key);
            }
            if rows > ROWS && !fit.is_empty() {
                break;
            }
            fit.push(pair);
        }
        let whole = fit.len() == page.pairs.len();
        let mut pieces = Vec::new();
        let mut forgotten = Vec::new();
        if !fit.is_empty() {
            let found = self.edge.db.of_keys(&self.agent.shop_id, &self.agent.id, &fit)?;
            let mut keys: Vec<&str> = fit.iter().map(|pair| pair.key.as_str()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let pairs = || fit.iter().filter(|pair| pair.key == key);
                let ids: Vec<&str> = pairs().map(|pair| pair.id.as_str()).collect();
                let rows: Vec<&ProductRow> = found.rows.iter().filter(|(of, _)| of == key).map(|(_, row)| row).collect();
                let known: Vec<&feed::Known> = found.known.iter().filter(|known| known.key == key).collect();
                let large = pairs().any(|pair| pair.large);
                let of = feed::OfKey { key, large, ids: &ids, rows: &rows, known: &known };
                let plan = feed::plan(&self.seller, of, self.state.force, now);
                let soonest = [self.state.price_changes_at, plan.price_changes_at].into_iter().flatten().min();
                self.state.price_changes_at = soonest;
                self.state.compare |= plan.regroup;
                pieces.extend(plan.pieces);
                forgotten.extend(plan.forgotten);
            }
        }
        // What ends comes first: a row that moved is not to be discontinued after it has arrived.
        let (mut pieces, others): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| piece.end);
        pieces.extend(others);
        let mut left = pieces.as_slice();
        while !left.is_empty() {
            if self.spent() {
                return Ok(Next::Later);
            }
            let (batch, rest) = left.split_at_checked(feed::batch(left, self.state.size)).unwrap_or((left, &[]));
            match self.send(batch)? {
                Sent::Done => left = rest,
                Sent::Again => {}
                Sent::Stop(next) => return Ok(next),
            }
        }
        forgotten.iter().for_each(|piece| self.state.count(piece, false));
        let next = if whole { page.next } else { fit.last().map(|pair| (pair.at.clone(), pair.at_product.clone())) };
        self.go_on(next, fit.last().map(|pair| pair.at.as_str()), now);
        let forgotten: Vec<[&str; 2]> = forgotten.iter().map(|piece| [piece.key.as_str(), piece.product.as_str()]).collect();
        Ok(if self.keep("[]", &forgotten.text())? { Next::On } else { Next::Lost })
    }

    /// Behind a page: the next one, or what comes after the last.
    fn go_on(&mut self, next: Option<(String, String)>, last: Option<&str>, now: i64) {
        let state = &mut self.state;
        match (state.phase(), next) {
            (Phase::Changes, next) => {
                let seen = next.as_ref().map(|(at, _)| at.as_str()).or(last).and_then(|at| at.parse().ok());
                state.seen = seen.unwrap_or(state.seen);
                if next.is_none() {
                    state.begin(Phase::Idle);
                }
            }
            (_, Some((at, at_product))) => (state.at, state.at_product) = (at, at_product),
            (Phase::Full, None) => state.begin(Phase::Gone),
            (_, None) => {
                state.begin(Phase::Idle);
                state.full_at = Some(now);
                state.force = false;
            }
        }
        if state.phase() == Phase::Idle && std::mem::take(&mut state.compare) {
            // What changed since is told behind it.
            state.begin_pass(state.generation, state.seen);
        }
    }

    /// Sends some products, and writes down what became of them.
    fn send(&mut self, batch: &[Piece]) -> Result<Sent> {
        let url = feed::products_url(&self.url, self.state.feed.as_deref().unwrap_or_default());
        let sending = batch.iter().map(|piece| [&piece.key, &piece.product, &piece.variants]);
        self.state.sending = sending.collect::<Vec<_>>().json();
        if !self.keep("[]", "[]")? {
            return Ok(Sent::Stop(Next::Lost));
        }
        let heard = self.ask("PATCH", &url, &feed::body(batch), None);
        let now = clock::now();
        let taken = match heard {
            Heard::Trouble(trouble) => return Ok(Sent::Stop(Next::Pause(trouble))),
            Heard::Taken(_) => {
                self.state.sending = Value::Null;
                self.state.succeeded(now);
                true
            }
            Heard::Refused(status, why) => {
                self.state.sending = Value::Null;
                log::line(object! { "level": "warn", "event": "feed_refused", "agent": self.agent.id, "shop": self.agent.shop_id,
                "products": i64::try_from(batch.len()).unwrap_or_default(), "why": why });
                if !self.state.refused(batch, &why, status, now) {
                    return Ok(if self.keep("[]", "[]")? { Sent::Again } else { Sent::Stop(Next::Lost) });
                }
                false
            }
        };
        let (mut told, mut forgotten) = (Vec::new(), Vec::new());
        for piece in batch {
            self.state.count(piece, taken);
            if piece.end {
                forgotten.push([piece.key.as_str(), piece.product.as_str()]);
                continue;
            }
            let older = matches!(piece.was, feed::Was::There | feed::Was::Outdated | feed::Was::Unsure);
            let refused = match (taken, older) {
                (true, _) => 0_i64,
                (false, false) => 1,
                (false, true) => 2,
            };
            let variants = if taken { &piece.variants } else { &piece.variants_before };
            let row: [&dyn Json; 5] = [&piece.key, &piece.product, &piece.digest, variants, &refused];
            told.push(Value::Array(row.iter().map(|cell| cell.json()).collect()));
        }
        if taken {
            self.told.set(self.told.get().saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
        }
        if !self.keep(&told.text(), &forgotten.text())? {
            return Ok(Sent::Stop(Next::Lost));
        }
        if self.state.refused_in_row >= REFUSED_IN_A_ROW {
            self.state.refused_in_row = 0;
            let message = format!("The agent refused {REFUSED_IN_A_ROW} products one after the other.");
            return Ok(Sent::Stop(Next::Pause(Trouble { message, ..Trouble::default() })));
        }
        Ok(Sent::Done)
    }

    fn ask(&mut self, method: &str, url: &str, body: &str, key: Option<&str>) -> Heard {
        self.requests = self.requests.saturating_add(1);
        let authorization = self.key.as_ref().map(|key| ["Bearer ", key].concat());
        let mut headers =
            vec![("Content-Type", "application/json"), ("Accept", "application/json"), ("API-Version", Dialect::V20260417.name())];
        headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        match outside::send(self.edge, method, url, &headers, Some(body), DEADLINE, ANSWER) {
            Ok(received) => {
                let retry_after = received.headers.get("Retry-After").ok().flatten();
                feed::heard(received.status, retry_after.as_deref(), &received.body, method == "POST", clock::now())
            }
            Err(why) => Heard::Trouble(Trouble { message: format!("The agent's feed gives {why}"), ..Trouble::default() }),
        }
    }

    /// Writes down where the push stands. `false`: the feed is not in hand any more.
    fn keep(&self, told: &str, forgotten: &str) -> Result<bool> {
        self.edge.db.told(&self.agent, self.token, &self.state.text(), told, forgotten)
    }
}

/// What came of a request.
enum Sent {
    Done,
    /// The same once more, in smaller pieces.
    Again,
    Stop(Next),
}
