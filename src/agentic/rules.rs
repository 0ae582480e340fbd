//! What a shop sells to agents at Stripe, and when it does not (`PUT /v1/agentic/rules`).

use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::money::{Currency, read_amounts};
use crate::product;
use crate::record::Json;
use serde_json::{Map, Value};

/// There are 249 countries.
const MAX_COUNTRIES: usize = 300;
const MAX_BLOCKED: usize = 1000;

/// What is answered where the question cannot be decided in time, or not at all: a product that is not in the catalogue, a shop that
/// does not answer, a database that hangs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnTrouble {
    #[default]
    Decline,
    Approve,
}

impl OnTrouble {
    pub fn name(self) -> &'static str {
        match self {
            OnTrouble::Decline => "decline",
            OnTrouble::Approve => "approve",
        }
    }
}

/// By what a shop approves orders of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `false`: every hook declines.
    pub enabled: bool,
    /// The largest total by currency, minor units. Where there are any, an order in another currency is declined: whoever bounds
    /// amounts has not agreed to unbounded ones.
    pub max_total: Option<Vec<(String, i64)>>,
    /// Two capital letters each: where to it is sold. None: everywhere.
    pub countries: Option<Vec<String>>,
    /// Whether what is out of stock is declined.
    pub require_stock: bool,
    /// Ids of products that agents do not get.
    pub blocked_skus: Vec<String>,
    /// How far a price may lie below the catalogue's, basis points of it: an index that agents search may be some minutes old. None:
    /// prices are not compared, since what Stripe has may come from a file of the shop's and not from the catalogue here.
    pub price_tolerance_bps: Option<i64>,
    /// Whether the shop's own server is asked before an order is approved.
    pub ask_shop: bool,
    pub on_trouble: OnTrouble,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            enabled: false,
            max_total: None,
            countries: None,
            require_stock: true,
            blocked_skus: Vec::new(),
            price_tolerance_bps: None,
            ask_shop: false,
            on_trouble: OnTrouble::Decline,
        }
    }
}

impl Rules {
    /// The body of the PUT; `mode` is read by whoever knows the modes.
    pub fn read(body: &Value) -> Result<Rules> {
        let fields = Fields::open(body, "", &["enabled", "approve", "ask_shop", "on_trouble", "mode"])?;
        let mut rules = Rules {
            enabled: fields.boolean("enabled")?.unwrap_or(true),
            ask_shop: fields.boolean("ask_shop")?.unwrap_or_default(),
            on_trouble: fields
                .choice("on_trouble", &[("decline", OnTrouble::Decline), ("approve", OnTrouble::Approve)])?
                .unwrap_or_default(),
            ..Rules::default()
        };
        let Some(approve) = fields.get("approve") else { return Ok(rules) };
        let known = ["max_total", "countries", "require_stock", "blocked_skus", "price_tolerance_bps"];
        let approve = Fields::open(approve, "approve", &known)?;
        if let Some(amounts) = approve.get("max_total") {
            rules.max_total = Some(read_amounts(amounts, &approve.name("max_total"))?);
        }
        if approve.get("countries").is_some() {
            let countries = texts(&approve, "countries", MAX_COUNTRIES)?;
            for (param, country) in &countries {
                if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
                    return Err(Problem::value_about("country_invalid", param, "must be two capital letters (ISO 3166-1)."));
                }
            }
            if countries.is_empty() {
                let param = approve.name("countries");
                return Err(Problem::value_about("parameter_invalid_empty", &param, "must name a country; left out, all are allowed."));
            }
            rules.countries = Some(countries.into_iter().map(|(_, country)| country).collect());
        }
        rules.require_stock = approve.boolean("require_stock")?.unwrap_or(true);
        let blocked = texts(&approve, "blocked_skus", MAX_BLOCKED)?;
        for (param, sku) in &blocked {
            if sku.chars().count() > product::MAX_ID || sku.chars().any(char::is_control) {
                return Err(Problem::value_about("parameter_invalid", param, "must be the id of a product."));
            }
        }
        rules.blocked_skus = blocked.into_iter().map(|(_, sku)| sku).collect();
        rules.price_tolerance_bps = approve.integer("price_tolerance_bps", 0, 10_000)?;
        Ok(rules)
    }

    /// What D1 keeps of them: [`Json`] of them, as text.
    pub fn stored(text: &str) -> Result<Rules> {
        let body = text.parse::<Value>().map_err(Problem::fault)?;
        Rules::read(&body).map_err(|problem| Problem::fault(format!("stored rules that cannot be read: {}", problem.message)))
    }

    /// Whether a total is within what the shop allows; `Err` says why not.
    pub fn total(&self, total: i64, currency: Currency) -> std::result::Result<(), &'static str> {
        let Some(limits) = &self.max_total else { return Ok(()) };
        match limits.iter().find(|(code, _)| code == currency.code()) {
            None => Err("currency_not_allowed"),
            Some((_, most)) if total > *most => Err("amount_above_limit"),
            Some(_) => Ok(()),
        }
    }
}

/// Texts without what is around them, each once, with their names.
fn texts(fields: &Fields<'_>, member: &str, most: usize) -> Result<Vec<(String, String)>> {
    let elements = fields.array(member)?;
    if elements.len() > most {
        return Err(Problem::value_about("parameter_invalid", &fields.name(member), &format!("may have at most {most} elements.")));
    }
    let mut read: Vec<(String, String)> = Vec::new();
    for (param, element) in elements {
        let Value::String(text) = element else {
            return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Problem::value_about("parameter_invalid_empty", &param, "must not be empty."));
        }
        if !read.iter().any(|(_, other)| other == text) {
            read.push((param, text.to_owned()));
        }
    }
    Ok(read)
}

/// As they are sent, and as they are read again.
impl Json for Rules {
    fn json(&self) -> Value {
        let max_total = self.max_total.as_ref().map(|amounts| {
            let mut object = Map::new();
            for (currency, amount) in amounts {
                object.insert(currency.clone(), amount.json());
            }
            object
        });
        object! { "enabled": self.enabled,
        "approve": object! { "max_total": max_total, "countries": self.countries, "require_stock": self.require_stock,
            "blocked_skus": self.blocked_skus, "price_tolerance_bps": self.price_tolerance_bps },
        "ask_shop": self.ask_shop,
        "on_trouble": self.on_trouble.name() }
    }
}
