//! Where the Worker touches the platform: requests and answers, calls to the outside, time, randomness, the log.
//! Nothing here decides anything.

pub mod clock;
pub mod http;
pub mod js;
pub mod limit;
pub mod log;
pub mod outside;

use crate::config::{ChargeType, Config, Misconfigured, Pair};
use crate::error::{Problem, Result};
use crate::id::Mode;
use crate::place::Slot;
use crate::store::Db;
use clock::Until;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::OnceLock;
use worker::Env;
use worker::worker_sys::Context;

/// The configuration is the same for the whole life of an isolate: read once.
static CONFIG: OnceLock<std::result::Result<Config, Misconfigured>> = OnceLock::new();

/// Reads the Worker's variables, all problems at once.
pub fn configuration(env: &Env) -> &'static std::result::Result<Config, Misconfigured> {
    CONFIG.get_or_init(|| {
        let mut read = crate::config::read(|name| js::binding(env, name).as_string());
        let mut bindings = read.as_ref().map_or_else(|_| vec!["DB".to_owned()], |config| config.placement.databases.clone());
        bindings.push("KV".to_owned());
        for name in bindings.into_iter().filter(|name| js::binding(env, name).is_undefined()) {
            let problem = (name, "is not bound: see wrangler.toml.".to_owned());
            match &mut read {
                Ok(config) => read = Err(Misconfigured { problems: vec![problem], allow_local: config.allow_local }),
                Err(broken) => broken.problems.push(problem),
            }
        }
        if let Err(broken) = &read {
            let names: Vec<&str> = broken.problems.iter().map(|(name, _)| name.as_str()).collect();
            log::line(object! { "level": "error", "event": "misconfigured", "variables": names });
        }
        read
    })
}

/// How many round trips a request took: the budget of design.md, counted and not estimated.
#[derive(Default)]
pub struct Counters {
    pub d1: Cell<u32>,
    pub stripe: Cell<u32>,
    /// Stripe's id of the last call, by which its support and its Dashboard find it.
    pub stripe_request: RefCell<Option<String>>,
    /// Whose request it is, once known.
    pub shop: RefCell<Option<String>>,
    /// The notices that it owes, by the numbers of their databases and their ids: sent once it has been answered.
    owed: RefCell<Vec<(usize, String)>>,
}

impl Counters {
    pub fn count(cell: &Cell<u32>) {
        cell.set(cell.get().saturating_add(1));
    }

    pub fn owe(&self, place: usize, ids: impl IntoIterator<Item = String>) {
        self.owed.borrow_mut().extend(ids.into_iter().map(|id| (place, id)));
    }

    pub fn owes_nothing(&self) -> bool {
        self.owed.borrow().is_empty()
    }

    /// Takes what is owed in one database.
    pub fn take_owed(&self, place: usize) -> Vec<String> {
        let (taken, left) = self.owed.take().into_iter().partition(|(of, _)| *of == place);
        self.owed.replace(left);
        let taken: Vec<(usize, String)> = taken;
        taken.into_iter().map(|(_, id)| id).collect()
    }
}

fn database(config: &Config, env: &Env, place: usize, counters: &Rc<Counters>) -> Db {
    let name = config.placement.databases.get(place).map_or("DB", String::as_str);
    Db::new(js::binding(env, name), place, counters.clone())
}

/// One request's hands on the platform. Cheap to clone, so that work can outlive the answer in `wait_until`.
#[derive(Clone)]
pub struct Edge {
    pub config: &'static Config,
    /// The number of the database in hand, among those that the configuration names.
    place: usize,
    pub db: Db,
    pub env: Rc<Env>,
    pub context: Option<Rc<Context>>,
    pub request_id: Rc<str>,
    /// The Worker's origin as the world sees it, without a trailing slash.
    pub public_url: Rc<str>,
    pub counters: Rc<Counters>,
    /// By when the databases and the outside have to answer.
    until: Until,
}

impl Edge {
    /// Hands on the first database, for one request.
    pub fn new(
        config: &'static Config, env: Env, context: Option<Context>, request_id: Rc<str>, public_url: Rc<str>, counters: Rc<Counters>,
    ) -> Edge {
        let (env, context) = (Rc::new(env), context.map(Rc::new));
        Edge {
            config,
            place: 0,
            db: database(config, &env, 0, &counters),
            env,
            context,
            request_id,
            public_url,
            counters,
            until: Until::default(),
        }
    }

    /// The same hands on another database.
    fn at(&self, place: usize) -> Edge {
        if place == self.place {
            return self.clone();
        }
        Edge { place, db: database(self.config, &self.env, place, &self.counters).until(self.until), ..self.clone() }
    }

    /// The same hands, which are empty from a time on (Unix milliseconds): what waits then, for a database or for the outside, fails.
    pub fn until(&self, ms: u64) -> Edge {
        let until = Until::at(ms);
        Edge { until, db: self.db.until(until), ..self.clone() }
    }

    /// The hands on a shop's database, by what leads to the shop; none while it is being moved.
    pub fn of(&self, slot: Slot) -> Result<Edge> {
        if self.config.placement.is_moving(slot) { Err(Problem::moving()) } else { Ok(self.at(self.config.placement.database(slot))) }
    }

    /// Those on every database, the one in hand first.
    pub fn everywhere(&self) -> Vec<Edge> {
        let others = (0..self.config.placement.databases.len()).filter(|place| *place != self.place);
        std::iter::once(self.place).chain(others).map(|place| self.at(place)).collect()
    }

    /// Whether there is no other database.
    pub fn alone(&self) -> bool {
        self.config.placement.databases.len() == 1
    }

    /// The notices that were owed in the database in hand.
    pub fn take_owed(&self) -> Vec<String> {
        self.counters.take_owed(self.place)
    }

    /// The name of the database in hand, where there are several.
    pub fn database(&self) -> Option<&'static str> {
        let names = &self.config.placement.databases;
        (names.len() > 1).then(|| names.get(self.place).map(String::as_str)).flatten()
    }

    /// The platform's keys of a mode, or what the operator has to set.
    pub fn pair(&self, mode: Mode) -> Result<&'static Pair> {
        self.config.pair(mode).ok_or_else(|| {
            let names = match mode {
                Mode::Live => "STRIPE_SECRET_KEY and STRIPE_CLIENT_ID",
                Mode::Test => "STRIPE_TEST_SECRET_KEY and STRIPE_TEST_CLIENT_ID",
            };
            Problem::not_configured(format!("This Worker has no Stripe keys for {} mode: its operator has to set {names}.", mode.name()))
        })
    }

    /// `live` where the live pair is configured, else `test` (contract, *Checkout*, "mode").
    pub fn default_mode(&self) -> Mode {
        if self.config.live.is_some() { Mode::Live } else { Mode::Test }
    }

    pub fn destination(&self) -> bool {
        matches!(self.config.charge_type, ChargeType::Destination)
    }

    /// Lets work go on after the answer. It may be cut off after 30 s: the sweep finds what was left.
    pub fn later(&self, work: impl FnOnce() + 'static) {
        if let Some(context) = &self.context {
            // It refuses only what is no promise.
            let _ = context.wait_until(&js::begin(Box::new(work)));
        }
    }

    /// The same hands for work behind the answer, which is counted by itself (the figures of a request are what its answer took) and has the
    /// time that it takes.
    pub fn aside(&self) -> Edge {
        let counters = Rc::new(Counters::default());
        Edge { db: database(self.config, &self.env, self.place, &counters), counters, until: Until::default(), ..self.clone() }
    }

    /// A request to the outside must carry this name: shops' firewalls need one to allow.
    pub fn user_agent(&self) -> String {
        format!("CognitiveCart-Worker/{} (+{})", env!("CARGO_PKG_VERSION"), self.public_url)
    }
}
