//! How a shop delivers, what tax it adds and which coupons it takes: reads and checks the body of `PUT /v1/shop/fulfillment`,
//! and reads it back as it was stored. Contract, *Agents, catalogue, fulfilment*.
//!
//! What an order costs is decided elsewhere; here are only the shop's own rules. Amounts are minor units of the rule's own
//! currency. Refusals: 400 for the shape, 422 for a value, always with the member's name.

use crate::error::{Problem, Result};
use crate::fields::{Fields, MAX_SAFE_INTEGER};
use crate::money::{Currency, MAX_CHARGE};
use crate::record::Json;
use crate::text;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

const MAX_SHIPPING: usize = 100;
const MAX_DIGITAL: usize = 100;
const MAX_TAX: usize = 300;
const MAX_COUPONS: usize = 1000;
/// There are 249 countries.
const MAX_COUNTRIES: usize = 300;
const MAX_REGIONS: usize = 300;
const MAX_ID: usize = 100;
const MAX_TEXT: usize = 200;
const MAX_DAYS: i64 = 365;
/// Unix seconds: the year 2286.
const LAST_TIME: i64 = 9_999_999_999;
/// All of it, in basis points.
const WHOLE: i64 = 10_000;

/// A way of delivery. It is offered where both `countries` and `regions` fit the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingRule {
    pub id: String,
    pub title: String,
    pub subtitle: Option<String>,
    pub carrier: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// Three lower-case letters.
    pub currency: String,
    /// Two capital letters each, or `*` alone: everywhere.
    pub countries: Vec<String>,
    /// States or provinces as addresses name them; none: all of the countries.
    pub regions: Vec<String>,
    /// From this subtotal on it costs nothing.
    pub free_over: Option<i64>,
    /// Business days.
    pub min_days: Option<i64>,
    pub max_days: Option<i64>,
}

/// A way in which digital goods reach the buyer. It costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigitalRule {
    pub id: String,
    pub title: String,
    pub subtitle: Option<String>,
}

/// A tax of a place. All that fit the address are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaxRule {
    /// The shop's own name for it; `txr_…`: the tax rate at Stripe that it is.
    pub id: Option<String>,
    /// Two capital letters, or `*`: everywhere.
    pub country: String,
    /// None: all of the country.
    pub region: Option<String>,
    /// Hundredths of a per cent.
    pub rate_bps: i64,
    /// Whether the catalogue's prices have it in them already.
    pub inclusive: bool,
    pub applies_to_shipping: bool,
    pub display_name: String,
}

/// A code that makes an order cheaper. Of `percent_off` and `amount_off` one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// As the shop wrote it; codes are the same whatever their case ([`Coupon::key`]).
    pub code: String,
    /// Hundredths of a per cent, 1 to 10,000.
    pub percent_off: Option<i64>,
    /// Minor units of `currency`.
    pub amount_off: Option<i64>,
    /// Three lower-case letters; there where `amount_off` or `min_subtotal` is. With it, orders in another currency do not get it.
    pub currency: Option<String>,
    /// The least subtotal that it is for, minor units of `currency`.
    pub min_subtotal: Option<i64>,
    /// Unix seconds from which it counts.
    pub starts: Option<i64>,
    /// Unix seconds from which it counts no more.
    pub ends: Option<i64>,
    /// By all buyers together.
    pub max_redemptions: Option<i64>,
}

impl Coupon {
    /// The code as it is compared and counted.
    pub fn key(&self) -> String {
        code_key(&self.code)
    }
}

/// A coupon's code, as a buyer or a shop wrote it, in the form in which it is compared and counted.
pub fn code_key(code: &str) -> String {
    text::folded(code.trim())
}

/// All rules of a shop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fulfillment {
    pub shipping: Vec<ShippingRule>,
    pub digital: Vec<DigitalRule>,
    pub tax: Vec<TaxRule>,
    pub coupons: Vec<Coupon>,
}

impl Fulfillment {
    /// The body of `PUT /v1/shop/fulfillment`.
    pub fn read(body: &Value) -> Result<Fulfillment> {
        let fields = Fields::open(body, "", &["shipping", "digital", "tax", "coupons"])?;
        let mut all = Fulfillment::default();
        for (path, element) in elements(&fields, "shipping", MAX_SHIPPING)? {
            let rule = ShippingRule::read(element, &path)?;
            let taken = all.shipping.iter().any(|other| other.id == rule.id);
            all.shipping.push(once(rule, taken, &path, "id")?);
        }
        for (path, element) in elements(&fields, "digital", MAX_DIGITAL)? {
            let rule = DigitalRule::read(element, &path)?;
            // Of both kinds together: an order names its way of delivery by the id alone.
            let taken = all.digital.iter().any(|other| other.id == rule.id) || all.shipping.iter().any(|other| other.id == rule.id);
            all.digital.push(once(rule, taken, &path, "id")?);
        }
        for (path, element) in elements(&fields, "tax", MAX_TAX)? {
            all.tax.push(TaxRule::read(element, &path)?);
        }
        let mut codes = std::collections::BTreeSet::new();
        for (path, element) in elements(&fields, "coupons", MAX_COUPONS)? {
            let coupon = Coupon::read(element, &path)?;
            let taken = !codes.insert(coupon.key());
            all.coupons.push(once(coupon, taken, &path, "code")?);
        }
        Ok(all)
    }

    /// What D1 keeps of it: [`Json`] of it, as text. An agent asks several times about one shop, so what was read last is kept.
    pub fn stored(text: &str) -> Result<Rc<Fulfillment>> {
        let known = LAST.with_borrow(|last| last.as_ref().filter(|(from, _)| from == text).map(|(_, rules)| rules.clone()));
        if let Some(rules) = known {
            return Ok(rules);
        }
        let body = text.parse::<Value>().map_err(Problem::fault)?;
        let read = Fulfillment::read(&body);
        let rules = Rc::new(read.map_err(|problem| Problem::fault(format!("stored rules that cannot be read: {}", problem.message)))?);
        LAST.set(Some((text.to_owned(), rules.clone())));
        Ok(rules)
    }
}

thread_local! {
    /// The rules that were read last, with all of the text that they were read from: nobody can be given another shop's.
    static LAST: RefCell<Option<(String, Rc<Fulfillment>)>> = const { RefCell::new(None) };
}

/// As it was sent, and as it is read again.
impl Json for Fulfillment {
    fn json(&self) -> Value {
        object! { "shipping": self.shipping, "digital": self.digital, "tax": self.tax, "coupons": self.coupons }
    }
}

fn elements<'a>(fields: &Fields<'a>, member: &str, most: usize) -> Result<Vec<(String, &'a Value)>> {
    let elements = fields.array(member)?;
    if elements.len() > most {
        return Err(Problem::value_about("parameter_invalid", member, &format!("may have at most {most} elements.")));
    }
    Ok(elements)
}

fn once<T>(rule: T, taken: bool, path: &str, member: &str) -> Result<T> {
    if taken {
        return Err(Problem::value_about("duplicate_value", &format!("{path}[{member}]"), "is there twice."));
    }
    Ok(rule)
}

fn need_text(fields: &Fields<'_>, member: &str, max: usize) -> Result<String> {
    Ok(fields.need_string(member, max)?.trim().to_owned())
}

/// A text that may be missing; a blank one is.
fn text(fields: &Fields<'_>, member: &str) -> Result<Option<String>> {
    Ok(fields.string(member, MAX_TEXT)?.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
}

fn country(value: &str, param: &str) -> Result<String> {
    if value == "*" || (value.len() == 2 && value.bytes().all(|b| b.is_ascii_uppercase())) {
        return Ok(value.to_owned());
    }
    Err(Problem::value_about("country_invalid", param, "must be two capital letters (ISO 3166-1), or * for all countries."))
}

fn currency(fields: &Fields<'_>, member: &str) -> Result<Option<Currency>> {
    let Some(code) = fields.string(member, 10)? else { return Ok(None) };
    match Currency::parse(code) {
        Some(currency) => Ok(Some(currency)),
        None => Err(Problem::value_about("currency_unsupported", &fields.name(member), "must be a currency that Stripe takes.")),
    }
}

/// An amount of at least `least`, in the currency's steps.
fn amount(fields: &Fields<'_>, member: &str, least: i64, currency: Currency) -> Result<Option<i64>> {
    let amount = fields.integer(member, least, MAX_CHARGE)?;
    if amount.is_some_and(|amount| amount.checked_rem(currency.step()) != Some(0)) {
        let what = format!("must be a multiple of {} in {currency}.", currency.step());
        return Err(Problem::value_about("parameter_invalid_integer", &fields.name(member), &what));
    }
    Ok(amount)
}

/// Refuses `later` before `earlier`, where both are there.
fn in_order(fields: &Fields<'_>, earlier: Option<i64>, later: (&str, Option<i64>), allow_equal: bool) -> Result<()> {
    if let (Some(earlier), (member, Some(later))) = (earlier, later)
        && (later < earlier || (later == earlier && !allow_equal))
    {
        return Err(Problem::value_about("parameter_invalid", &fields.name(member), "ends before it begins."));
    }
    Ok(())
}

impl ShippingRule {
    /// Whether it goes to a place: a country in capital letters, and its state.
    pub fn goes_to(&self, country: &str, state: &str) -> bool {
        self.countries.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(country))
            && (self.regions.is_empty() || self.regions.iter().any(|region| same_region(region, state)))
    }

    /// What it costs with goods for `net`, minor units.
    pub fn cost(&self, net: i64) -> i64 {
        if self.free_over.is_some_and(|over| net >= over) { 0 } else { self.amount }
    }

    const KNOWN: [&'static str; 11] =
        ["id", "title", "subtitle", "carrier", "amount", "currency", "countries", "regions", "free_over", "min_days", "max_days"];

    fn read(value: &Value, path: &str) -> Result<Self> {
        let fields = Fields::open(value, path, &Self::KNOWN)?;
        fields.need("amount")?;
        fields.need("currency")?;
        fields.need("countries")?;
        let (id, title) = (need_text(&fields, "id", MAX_ID)?, need_text(&fields, "title", MAX_TEXT)?);
        let Some(money) = currency(&fields, "currency")? else { return Err(Problem::fault("a currency that is there and is not")) };
        let mut countries = Vec::new();
        for (param, element) in elements(&fields, "countries", MAX_COUNTRIES)? {
            let Value::String(name) = element else {
                return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
            };
            let name = country(name, &param)?;
            if !countries.contains(&name) {
                countries.push(name);
            }
        }
        if countries.is_empty() {
            return Err(Problem::value_about("parameter_invalid_empty", &fields.name("countries"), "must name a country, or * for all."));
        }
        let mut regions = Vec::new();
        for (param, element) in elements(&fields, "regions", MAX_REGIONS)? {
            let Value::String(name) = element else {
                return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
            };
            let name = name.trim();
            if name.is_empty() || name.chars().count() > MAX_ID || name.chars().any(char::is_control) {
                return Err(Problem::value_about("parameter_invalid", &param, "must be the name or code of a region."));
            }
            regions.push(name.to_owned());
        }
        let min_days = fields.integer("min_days", 0, MAX_DAYS)?;
        let max_days = fields.integer("max_days", 0, MAX_DAYS)?;
        in_order(&fields, min_days, ("max_days", max_days), true)?;
        Ok(ShippingRule {
            id,
            title,
            subtitle: text(&fields, "subtitle")?,
            carrier: text(&fields, "carrier")?,
            amount: amount(&fields, "amount", 0, money)?.unwrap_or_default(),
            currency: money.code().to_owned(),
            countries,
            regions,
            free_over: amount(&fields, "free_over", 0, money)?,
            min_days,
            max_days,
        })
    }
}

fn same_region(one: &str, other: &str) -> bool {
    text::folded(one.trim()) == text::folded(other.trim())
}

/// What was not given is not there, here and below.
impl Json for ShippingRule {
    fn json(&self) -> Value {
        let mut object = object! { "id": self.id, "title": self.title, "subtitle": self.subtitle, "carrier": self.carrier,
        "amount": self.amount, "currency": self.currency, "countries": self.countries, "free_over": self.free_over,
        "min_days": self.min_days, "max_days": self.max_days };
        if let (Value::Object(members), false) = (&mut object, self.regions.is_empty()) {
            members.insert("regions".to_owned(), self.regions.json());
        }
        given(object)
    }
}

impl DigitalRule {
    fn read(value: &Value, path: &str) -> Result<Self> {
        let fields = Fields::open(value, path, &["id", "title", "subtitle", "amount", "currency"])?;
        // Whoever writes both kinds alike may say that it is free; a price for it would never be charged.
        currency(&fields, "currency")?;
        if fields.integer("amount", 0, MAX_SAFE_INTEGER)?.is_some_and(|amount| amount != 0) {
            let what = "must be 0: what is delivered by e-mail or download costs nothing to deliver.";
            return Err(Problem::value_about("parameter_invalid", &fields.name("amount"), what));
        }
        let (id, title) = (need_text(&fields, "id", MAX_ID)?, need_text(&fields, "title", MAX_TEXT)?);
        Ok(DigitalRule { id, title, subtitle: text(&fields, "subtitle")? })
    }
}

impl Json for DigitalRule {
    fn json(&self) -> Value {
        given(object! { "id": self.id, "title": self.title, "subtitle": self.subtitle })
    }
}

impl TaxRule {
    /// Whether it counts in a place.
    pub fn counts_in(&self, country: &str, state: &str) -> bool {
        (self.country == "*" || self.country.eq_ignore_ascii_case(country))
            && self.region.as_deref().is_none_or(|region| same_region(region, state))
    }

    fn read(value: &Value, path: &str) -> Result<Self> {
        let known = ["id", "country", "region", "rate_bps", "inclusive", "applies_to_shipping", "display_name"];
        let fields = Fields::open(value, path, &known)?;
        for member in ["rate_bps", "inclusive", "applies_to_shipping"] {
            fields.need(member)?;
        }
        Ok(TaxRule {
            id: fields.string("id", MAX_ID)?.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned),
            country: country(fields.need_string("country", 10)?, &fields.name("country"))?,
            region: text(&fields, "region")?,
            rate_bps: fields.integer("rate_bps", 0, WHOLE)?.unwrap_or_default(),
            inclusive: fields.boolean("inclusive")?.unwrap_or_default(),
            applies_to_shipping: fields.boolean("applies_to_shipping")?.unwrap_or_default(),
            display_name: need_text(&fields, "display_name", MAX_TEXT)?,
        })
    }
}

impl Json for TaxRule {
    fn json(&self) -> Value {
        given(
            object! { "id": self.id, "country": self.country, "region": self.region, "rate_bps": self.rate_bps, "inclusive": self.inclusive,
            "applies_to_shipping": self.applies_to_shipping, "display_name": self.display_name },
        )
    }
}

impl Coupon {
    const KNOWN: [&'static str; 8] = ["code", "percent_off", "amount_off", "currency", "min_subtotal", "starts", "ends", "max_redemptions"];

    fn read(value: &Value, path: &str) -> Result<Self> {
        let fields = Fields::open(value, path, &Self::KNOWN)?;
        let code = need_text(&fields, "code", MAX_ID)?;
        if code.chars().any(char::is_control) {
            return Err(Problem::value_about("parameter_invalid", &fields.name("code"), "must not contain control characters."));
        }
        let money = currency(&fields, "currency")?;
        if money.is_none() && fields.get("amount_off").is_some() {
            let param = fields.name("currency");
            return Err(Problem::shape("parameter_missing", &param, format!("{} needs a {param}.", fields.name("amount_off"))));
        }
        // Without a currency a subtotal is in the checkout's, whose steps are not known here.
        let in_money = |member: &str| match money {
            Some(money) => amount(&fields, member, 1, money),
            None => fields.integer(member, 1, MAX_SAFE_INTEGER),
        };
        let (amount_off, min_subtotal) = (in_money("amount_off")?, in_money("min_subtotal")?);
        let percent_off = match fields.get("percent_off") {
            None => None,
            Some(value) => Some(percent(value, &fields.name("percent_off"))?),
        };
        if percent_off.is_some() == amount_off.is_some() {
            return Err(Problem::value_about("parameter_invalid", path, "must have percent_off or amount_off, and not both."));
        }
        let starts = fields.integer("starts", 0, LAST_TIME)?;
        let ends = fields.integer("ends", 0, LAST_TIME)?;
        in_order(&fields, starts, ("ends", ends), false)?;
        Ok(Coupon {
            code,
            percent_off,
            amount_off,
            currency: money.map(|money| money.code().to_owned()),
            min_subtotal,
            starts,
            ends,
            max_redemptions: fields.integer("max_redemptions", 1, MAX_SAFE_INTEGER)?,
        })
    }
}

/// A number of at most two decimals, above 0 and up to 100, in basis points. Read from the digits: a float is not exact.
fn percent(value: &Value, param: &str) -> Result<i64> {
    let Value::Number(number) = value else {
        return Err(Problem::shape_about("parameter_invalid_number", param, "must be a number."));
    };
    let digits = number.to_string();
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let bps = match (whole.parse::<i64>(), part.len()) {
        (Ok(whole), 0..=2) => format!("{part:0<2}").parse::<i64>().ok().and_then(|part| whole.checked_mul(100)?.checked_add(part)),
        _ => None,
    };
    bps.filter(|bps| (1..=WHOLE).contains(bps) && !digits.starts_with('-'))
        .ok_or_else(|| Problem::value_about("parameter_invalid", param, "must be above 0 and at most 100, with at most two decimals."))
}

impl Json for Coupon {
    fn json(&self) -> Value {
        let percent_off = self.percent_off.map(|bps| decimal(bps, 100));
        given(object! { "code": self.code, "percent_off": percent_off, "amount_off": self.amount_off, "currency": self.currency,
        "min_subtotal": self.min_subtotal, "starts": self.starts, "ends": self.ends, "max_redemptions": self.max_redemptions })
    }
}

/// `number` ÷ `scale` as JSON, which has no decimals but floats.
pub fn decimal(number: i64, scale: i64) -> Value {
    #[allow(clippy::cast_precision_loss)]
    match number.checked_rem(scale) {
        Some(0) => Value::from(number.checked_div(scale).unwrap_or_default()),
        _ => Value::from(number as f64 / scale as f64),
    }
}

/// The object without the members that are null.
fn given(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}
