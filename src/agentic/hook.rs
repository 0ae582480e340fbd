//! The hooks: what Stripe asks, in both spellings and envelopes that are in the wild, and what it is answered.
//!
//! What is asked is read leniently where nothing is decided by it (Stripe adds members), and strictly where money is. Amounts are minor
//! units of the question's currency. Facts, 0.7; contract, *Stripe's agentic commerce*.

use super::rules::{OnTrouble, Rules};
use crate::acp::quote::Quote;
use crate::acp::session::{Address, Line as AcpLine, Session};
use crate::error::{Problem, Result};
use crate::fields::{Fields, MAX_SAFE_INTEGER};
use crate::fulfillment::{Fulfillment, TaxRule, decimal};
use crate::id;
use crate::money::{Amount, Currency, FeeTerms};
use crate::product::ProductRow;
use crate::record::{self, Json};
use crate::sign;
use crate::text::cut;
use serde_json::{Map, Value};

/// What is taken of Stripe's four seconds for the whole of an answer, milliseconds: what is left is for the way there and back.
pub const DEADLINE: u64 = 3_000;
/// What asking Stripe for the items of a session may take of it.
pub const SESSION_DEADLINE: u32 = 2_000;
/// What the shop's own server is given, where that much is left.
pub const SHOP_DEADLINE: u64 = 2_500;
/// What is kept of the time for writing down what was answered.
pub const RESERVE: u64 = 300;
/// How long stock is held for an order that was approved, seconds: Stripe takes the payment at once.
pub const HELD: i64 = 900;
/// Checkout Sessions have no more.
const MAX_LINES: usize = 100;
const MAX_QUANTITY: i64 = 999_999;
/// Shipping options that Stripe takes.
const MAX_OPTIONS: usize = 5;
const WHOLE: i64 = 10_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// May this order be paid?
    Finalize,
    /// What does delivery cost, and which taxes are there?
    Customize,
    /// What does a product cost, and is it there?
    Price,
}

impl Kind {
    /// Its name in the table and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Finalize => "finalize_checkout",
            Kind::Customize => "customize_checkout",
            Kind::Price => "product_price_availability",
        }
    }

    fn of(kind: &str) -> Option<Kind> {
        match kind.strip_prefix("v1.").unwrap_or(kind) {
            "delegated_checkout.finalize_checkout" => Some(Kind::Finalize),
            "delegated_checkout.customize_checkout" => Some(Kind::Customize),
            "delegated_commerce.product_price_availability" => Some(Kind::Price),
            _ => None,
        }
    }
}

/// A hook, after its signature was found good.
#[derive(Debug, Clone)]
pub struct Hook {
    pub id: String,
    pub kind: Kind,
    pub live: bool,
    /// The connected account; none, or none that can be one.
    pub account: Option<String>,
    /// What it says, out of either envelope.
    pub data: Value,
    /// What the question is recognised by: the same id with another one is another question.
    pub fingerprint: String,
}

/// Reads the body of a hook.
pub fn read(body: &[u8]) -> Result<Hook> {
    let value: Value = record::parsed(body).map_err(|_| Problem::request(400, "json_invalid", "The body is not JSON."))?;
    let fields = Fields::lenient(&value, "")?;
    let kind = fields.need_string("type", 200)?;
    let Some(kind) = Kind::of(kind) else {
        let kind: String = kind.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(Problem::shape("hook_type_unknown", "type", format!("There is no hook '{kind}' here.")));
    };
    let id = fields.need_string("id", 255)?;
    if id.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(Problem::shape_about("parameter_invalid", "id", "must be of printable characters."));
    }
    // Required: a guess would mix test and live.
    fields.need("livemode")?;
    let live = fields.boolean("livemode")?.unwrap_or_default();
    let data = match fields.need("data")? {
        Value::Object(data) => match data.get("object") {
            Some(Value::Object(inner)) => inner.clone(),
            _ => data.clone(),
        },
        _ => return Err(Problem::shape_about("parameter_invalid_object", "data", "must be an object.")),
    };
    let data = Value::Object(data);
    let context = fields.get("context").or_else(|| fields.get("account")).and_then(Value::as_str);
    let account = context.filter(|account| id::is_account_id(account)).map(str::to_owned);
    let asked = object! { "type": kind.name(), "livemode": live, "context": account, "data": data };
    let fingerprint = sign::sha256_hex(asked.text().as_bytes());
    Ok(Hook { id: id.to_owned(), kind, live, account, data, fingerprint })
}

/// A line of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// `li_…`
    pub id: String,
    /// The catalogue's id, where it is known.
    pub sku: Option<String>,
    pub quantity: i64,
    pub unit_amount: Option<i64>,
    /// For all pieces.
    pub subtotal: Option<i64>,
    pub discount: i64,
}

impl Line {
    fn amount(&self) -> Option<i64> {
        self.unit_amount.map(|unit| unit.saturating_mul(self.quantity)).or(self.subtotal)
    }
}

/// What an order approval or a customization is about.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// `cs_…`, where Stripe tells it.
    pub session: Option<String>,
    /// Three lower-case letters.
    pub currency: String,
    pub lines: Vec<Line>,
    pub amount_subtotal: Option<i64>,
    pub amount_total: Option<i64>,
    pub discount: i64,
    pub shipping: i64,
    pub tax: i64,
    pub address: Option<Address>,
    pub billing_country: Option<String>,
    /// Stripe adds the tax.
    pub automatic_tax: bool,
}

fn amount(fields: &Fields<'_>, member: &str) -> Result<Option<i64>> {
    fields.integer(member, 0, MAX_SAFE_INTEGER)
}

fn text(fields: &Fields<'_>, member: &str) -> Option<String> {
    fields.get(member).and_then(Value::as_str).map(|text| cut(text.trim(), 300)).filter(|text| !text.is_empty())
}

fn member<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<Fields<'a>>> {
    fields.get(name).map(|value| Fields::lenient(value, &fields.name(name))).transpose()
}

/// The address of `shipping_details` or `billing_details`; none without a country.
fn address(fields: &Fields<'_>, details: &str) -> Result<Option<Address>> {
    let Some(details) = member(fields, details)? else { return Ok(None) };
    let Some(address) = member(&details, "address")? else { return Ok(None) };
    let Some(country) = text(&address, "country") else { return Ok(None) };
    let part = |name: &str| text(&address, name).unwrap_or_default();
    Ok(Some(Address {
        name: text(&details, "name").unwrap_or_default(),
        line_one: part("line1"),
        line_two: text(&address, "line2"),
        city: part("city"),
        state: part("state"),
        country: country.to_ascii_uppercase(),
        postal_code: part("postal_code"),
        ..Address::default()
    }))
}

impl Question {
    pub fn read(data: &Value) -> Result<Question> {
        let fields = Fields::lenient(data, "data")?;
        let totals = member(&fields, "total_details")?;
        let of_totals = |name: &str| totals.as_ref().map_or(Ok(None), |totals| amount(totals, name)).map(Option::unwrap_or_default);
        let automatic = member(&fields, "automatic_tax")?;
        let mut question = Question {
            session: text(&fields, "checkout_session").filter(|id| id::is_session_id(id)),
            currency: fields.need_string("currency", 10)?.to_ascii_lowercase(),
            lines: Vec::new(),
            amount_subtotal: amount(&fields, "amount_subtotal")?,
            amount_total: amount(&fields, "amount_total")?,
            discount: of_totals("amount_discount")?,
            shipping: of_totals("amount_shipping")?,
            tax: of_totals("amount_tax")?,
            address: address(&fields, "shipping_details")?,
            billing_country: address(&fields, "billing_details")?.map(|address| address.country),
            automatic_tax: automatic.map_or(Ok(None), |tax| tax.boolean("enabled"))?.unwrap_or_default(),
        };
        // The documentation says line_items_details, what is sent in the wild line_item_details.
        let spelled = if fields.get("line_items_details").is_some() { "line_items_details" } else { "line_item_details" };
        let lines = fields.array(spelled)?;
        if lines.len() > MAX_LINES {
            return Err(Problem::value_about("parameter_invalid", &fields.name(spelled), &format!("may have {MAX_LINES} lines.")));
        }
        for (path, line) in lines {
            let line = Fields::lenient(line, &path)?;
            line.need("quantity")?;
            question.lines.push(Line {
                id: line.need_string("id", 255)?.to_owned(),
                sku: text(&line, "sku_id"),
                quantity: line.integer("quantity", 1, MAX_QUANTITY)?.unwrap_or_default(),
                unit_amount: amount(&line, "unit_amount")?,
                subtotal: amount(&line, "amount_subtotal")?,
                discount: amount(&line, "amount_discount")?.unwrap_or_default(),
            });
        }
        Ok(question)
    }

    /// The products that are known by now, as a JSON list.
    pub fn skus(&self) -> Value {
        let skus: Vec<&str> = self.lines.iter().filter_map(|line| line.sku.as_deref()).collect();
        skus.json()
    }

    /// Whether a line does not say which product it is.
    pub fn nameless(&self) -> bool {
        self.lines.iter().any(|line| line.sku.is_none())
    }

    /// Names products by what the session's own items say.
    pub fn name(&mut self, items: &Value) {
        let items = items.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let single = items.len() == 1 && self.lines.len() == 1;
        for line in self.lines.iter_mut().filter(|line| line.sku.is_none()) {
            let own = |item: &&Value| single || item.get("id").and_then(Value::as_str) == Some(line.id.as_str());
            let sku = items.iter().find(own).and_then(|item| item.pointer("/price/external_reference")?.as_str());
            line.sku = sku.map(|sku| cut(sku.trim(), 300)).filter(|sku| !sku.is_empty());
        }
    }

    /// What the goods cost before discounts, tax and delivery.
    fn subtotal(&self) -> Option<i64> {
        let lines = self.lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.amount()?));
        lines.filter(|_| !self.lines.is_empty()).or(self.amount_subtotal)
    }

    /// The goods less all discounts, whether they are told of the order or of its lines.
    fn net(&self) -> Option<i64> {
        let of_lines = self.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.discount));
        self.subtotal().map(|subtotal| subtotal.saturating_sub(self.discount.max(of_lines)).max(0))
    }

    /// What is paid.
    pub fn total(&self) -> Option<i64> {
        self.amount_total.or_else(|| self.net().map(|net| net.saturating_add(self.shipping).saturating_add(self.tax)))
    }

    /// Where it goes to, by country: where nothing is shipped, that of the bill.
    fn country(&self, products: &[ProductRow]) -> Option<&str> {
        let billed = || self.billing_country.as_deref().filter(|_| self.all_digital(products));
        self.address.as_ref().map(|address| address.country.as_str()).or_else(billed)
    }

    /// Whether it is known of each line that nothing is shipped.
    fn all_digital(&self, products: &[ProductRow]) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| find(line, products).is_some_and(|product| product.digital != 0))
    }

    /// What is to be held of the stock: `[{id, quantity}]` of all that the catalogue has.
    pub fn stock(&self, products: &[ProductRow]) -> Value {
        let known = self.lines.iter().filter(|line| find(line, products).is_some());
        let items: Vec<Value> = known.map(|line| object! { "id": line.sku, "quantity": line.quantity }).collect();
        items.json()
    }

    /// The platform's fee on it; nothing where it is not known what is paid.
    pub fn fee(&self, products: &[ProductRow], terms: &FeeTerms, now: i64) -> i64 {
        let (Some(total), Some(currency)) = (self.total().and_then(Amount::new), Currency::parse(&self.currency)) else { return 0 };
        let mut lines = Vec::new();
        for line in &self.lines {
            let product = find(line, products);
            let listed = || product.map(|product| product.price_at(now).saturating_mul(line.quantity));
            let net = line.amount().or_else(listed).unwrap_or_default().saturating_sub(line.discount).max(0);
            lines.push((Amount::new(net).unwrap_or_default(), product.and_then(ProductRow::category)));
        }
        let lines: Vec<_> = lines.iter().map(|(amount, category)| (*amount, category.as_deref())).collect();
        terms.fee(total, currency, &lines).get()
    }

    /// The checkout that a live quote is asked about. `id` names it where Stripe does not.
    pub fn checkout(&self, id: &str) -> Session {
        let lines = self.lines.iter().filter_map(|line| {
            Some(AcpLine { id: line.id.clone(), product: line.sku.clone()?, quantity: line.quantity, ..AcpLine::default() })
        });
        Session {
            id: self.session.clone().unwrap_or_else(|| id.to_owned()),
            currency: self.currency.clone(),
            lines: lines.collect(),
            address: self.address.clone(),
            ..Session::default()
        }
    }

    /// What the shop is asked: what Stripe said, with the products named that it did not name.
    pub fn data(&self, data: &Value) -> Value {
        let mut data = data.clone();
        let Value::Object(members) = &mut data else { return data };
        let lines = members.remove("line_items_details").or_else(|| members.remove("line_item_details"));
        let Some(Value::Array(mut lines)) = lines else { return data };
        for (line, known) in lines.iter_mut().filter_map(Value::as_object_mut).zip(&self.lines) {
            line.insert("sku_id".to_owned(), known.sku.json());
        }
        members.insert("line_items_details".to_owned(), Value::Array(lines));
        data
    }
}

fn find<'a>(line: &Line, products: &'a [ProductRow]) -> Option<&'a ProductRow> {
    products.iter().find(|product| line.sku.as_ref() == Some(&product.id))
}

/// What the rules say of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    /// With the reason that Stripe, and through it the agent, is told.
    Decline(&'static str),
    /// It cannot be said: `on_trouble` does.
    Trouble(&'static str),
}

impl Verdict {
    /// What comes of it where trouble is decided by a setting.
    pub fn settled(self, on_trouble: OnTrouble) -> std::result::Result<(), &'static str> {
        match (self, on_trouble) {
            (Verdict::Approve, _) | (Verdict::Trouble(_), OnTrouble::Approve) => Ok(()),
            (Verdict::Decline(why) | Verdict::Trouble(why), _) => Err(why),
        }
    }
}

/// Decides about an order. What a rule forbids is declined even where something else is not known: `on_trouble` opens no way around
/// a rule.
pub fn decide(question: &Question, rules: &Rules, products: &[ProductRow], now: i64) -> Verdict {
    match forbidden(question, rules, products, now) {
        Err(why) => Verdict::Decline(why),
        Ok(()) if question.lines.is_empty() || question.lines.iter().any(|line| find(line, products).is_none()) => {
            Verdict::Trouble("item_unknown")
        }
        Ok(()) => Verdict::Approve,
    }
}

fn forbidden(question: &Question, rules: &Rules, products: &[ProductRow], now: i64) -> std::result::Result<(), &'static str> {
    if !rules.enabled {
        return Err("disabled");
    }
    let Some(currency) = Currency::parse(&question.currency) else { return Err("currency_unsupported") };
    // Of what nobody says how much it is no fee can be taken, and the platform would pay Stripe's out of its own pocket.
    let Some(total) = question.total() else { return Err("amount_unknown") };
    rules.total(total, currency)?;
    if let Some(countries) = &rules.countries {
        match question.country(products) {
            None => return Err("address_missing"),
            Some(country) if !countries.iter().any(|allowed| allowed == country) => return Err("country_not_allowed"),
            Some(_) => {}
        }
    }
    if question.lines.iter().any(|line| line.sku.as_ref().is_some_and(|sku| rules.blocked_skus.contains(sku))) {
        return Err("sku_blocked");
    }
    // For a shop that wants it: an index that is hours old must not sell below the catalogue's price, line by line, and, since a discount
    // may be told of the order alone, by all that the known lines cost together.
    let enough = |amount: i64, price: i64| {
        rules.price_tolerance_bps.is_none_or(|tolerance| {
            let least = i128::from(price).saturating_mul(i128::from(WHOLE.saturating_sub(tolerance)));
            i128::from(amount).saturating_mul(i128::from(WHOLE)) >= least
        })
    };
    let mut listed = 0_i64;
    for line in &question.lines {
        let Some(product) = find(line, products) else { continue };
        if product.currency != currency.code() {
            return Err("currency_mismatch");
        }
        if product.disable_checkout != 0 {
            return Err("not_for_sale");
        }
        let price = product.price_at(now);
        if line.unit_amount.is_some_and(|unit| !enough(unit, price)) {
            return Err("price_below_catalogue");
        }
        listed = listed.saturating_add(price.saturating_mul(line.quantity));
        let wanted =
            question.lines.iter().filter(|other| other.sku == line.sku).fold(0_i64, |sum, other| sum.saturating_add(other.quantity));
        if rules.require_stock && product.sellable().is_some_and(|left| left < wanted) {
            return Err("out_of_stock");
        }
    }
    for amount in [question.net(), question.amount_total].into_iter().flatten() {
        if !enough(amount, listed) {
            return Err("price_below_catalogue");
        }
    }
    Ok(())
}

/// Approved. The fee's member is there where there is one. With destination charges it is the same: the whole payment is transferred
/// and the fee comes back, as with the Checkout Sessions that are made here; `transfer_data[amount]` says the same in other words, and
/// Stripe takes one of the two.
pub fn approved(fee: i64) -> Value {
    let mut answer = object! { "manual_approval_details": object! { "type": "approved" } };
    if let (Value::Object(members), true) = (&mut answer, fee > 0) {
        members.insert("application_fee_details".to_owned(), object! { "application_fee_amount": fee });
    }
    answer
}

/// Declined.
pub fn declined(reason: &str) -> Value {
    object! { "manual_approval_details": object! { "type": "declined", "declined": object! { "reason": reason } } }
}

/// Whether an answer that was given was an approval.
pub fn is_approval(answer: &Value) -> bool {
    answer.pointer("/manual_approval_details/type").and_then(Value::as_str) == Some("approved")
}

/// What the shop answers when it is asked: approved, or the reason why not; `None` where that is no answer.
pub fn shops_word(body: &[u8]) -> Option<std::result::Result<(), String>> {
    let value: Value = record::parsed(body).ok()?;
    if value.get("approved")?.as_bool()? {
        return Some(Ok(()));
    }
    let reason = value.get("reason").and_then(Value::as_str).map(|reason| cut(reason.trim(), 200)).filter(|reason| !reason.is_empty());
    Some(Err(reason.unwrap_or_else(|| "declined_by_shop".to_owned())))
}

/// What a customization is made of.
#[derive(Default)]
pub struct Offer<'a> {
    /// `None`: the shop has set no rules.
    pub rules: Option<&'a Fulfillment>,
    pub quote: Option<&'a Quote>,
    pub products: &'a [ProductRow],
}

/// One way of delivery, in the question's currency.
struct Delivery {
    id: String,
    title: String,
    /// Minor units, with the tax on it.
    amount: i64,
    /// What is said of the tax on it.
    tax_behavior: &'static str,
    /// `shr_…`: it is known at Stripe.
    known: bool,
    days: [Option<i64>; 2],
}

impl Delivery {
    fn option(&self, currency: &str) -> Value {
        if self.known {
            return object! { "shipping_rate": self.id };
        }
        let mut data = object! { "display_name": cut(&self.title, 100),
        "fixed_amount": object! { "amount": self.amount, "currency": currency },
        "metadata": object! { "cc_shipping_option": self.id },
        "tax_behavior": self.tax_behavior };
        let mut estimate = Map::new();
        for (bound, days) in ["minimum", "maximum"].iter().zip(self.days) {
            // Stripe takes whole days from 1 on; "today" is no estimate to it.
            if let Some(days) = days.filter(|days| *days > 0) {
                estimate.insert((*bound).to_owned(), object! { "unit": "business_day", "value": days });
            }
        }
        if let (Value::Object(members), false) = (&mut data, estimate.is_empty()) {
            members.insert("delivery_estimate".to_owned(), Value::Object(estimate));
        }
        object! { "shipping_rate_data": data }
    }
}

/// Answers a customization. Of what the shop has said nothing about nothing is said, and Stripe goes by its own settings; where the shop
/// has said how it delivers and does not go to this address, the list is there and empty.
pub fn customize(question: &Question, offer: &Offer<'_>) -> Value {
    let mut answer = Map::new();
    if let Some(mut ways) = delivery(question, offer) {
        // Too many: the cheapest, in the shop's own order.
        while ways.len() > MAX_OPTIONS {
            // Of those that cost the same the later one goes.
            let dearest = ways.iter().enumerate().max_by_key(|(place, way)| (way.amount, *place)).map(|(place, _)| place);
            ways.remove(dearest.unwrap_or_default());
        }
        let options: Vec<Value> = ways.iter().map(|way| way.option(&question.currency)).collect();
        answer.insert("shipping_options".to_owned(), options.json());
    }
    // Stripe adds the tax itself, and takes no rates beside it.
    if let Some(rates) = tax_rates(question, offer).filter(|_| !question.automatic_tax && !question.lines.is_empty()) {
        let lines: Vec<Value> = question.lines.iter().map(|line| object! { "id": line.id, "tax_rates": rates }).collect();
        answer.insert("line_items".to_owned(), lines.json());
    }
    Value::Object(answer)
}

/// The ways of delivery; `None` where there is nothing to say.
fn delivery(question: &Question, offer: &Offer<'_>) -> Option<Vec<Delivery>> {
    let exclusive = "exclusive";
    if question.all_digital(offer.products) {
        let ways: Vec<Delivery> = offer
            .rules?
            .digital
            .iter()
            .map(|rule| Delivery {
                id: rule.id.clone(),
                title: rule.title.clone(),
                amount: 0,
                tax_behavior: exclusive,
                known: false,
                days: [None; 2],
            })
            .collect();
        return (!ways.is_empty()).then_some(ways);
    }
    let address = question.address.as_ref()?;
    if let Some(quote) = offer.quote {
        let way = |way: &crate::acp::quote::QuotedShipping| Delivery {
            id: way.id.clone(),
            title: way.title.clone(),
            amount: way.amount,
            tax_behavior: exclusive,
            known: way.id.starts_with("shr_"),
            days: [way.min_days, way.max_days],
        };
        return Some(quote.shipping.iter().map(way).collect());
    }
    let rules = offer.rules.filter(|rules| !rules.shipping.is_empty())?;
    let taxes: Vec<&TaxRule> = rules
        .tax
        .iter()
        .filter(|tax| tax.applies_to_shipping && !question.automatic_tax && tax.counts_in(&address.country, &address.state))
        .collect();
    let (net, step) = (question.net().unwrap_or_default(), Currency::parse(&question.currency).map_or(1, Currency::step));
    let fits =
        |rule: &&crate::fulfillment::ShippingRule| rule.currency == question.currency && rule.goes_to(&address.country, &address.state);
    let way = |rule: &crate::fulfillment::ShippingRule| {
        let cost = rule.cost(net);
        // Rates are of lines only: what tax the table adds to delivery is in its price, and said to be.
        let tax = taxes.iter().filter(|tax| !tax.inclusive).fold(0, |sum: i64, tax| sum.saturating_add(tax_on(cost, tax.rate_bps, step)));
        Delivery {
            id: rule.id.clone(),
            title: rule.title.clone(),
            amount: cost.saturating_add(tax),
            tax_behavior: if taxes.is_empty() { exclusive } else { "inclusive" },
            known: rule.id.starts_with("shr_") && cost == rule.amount && tax == 0,
            days: [rule.min_days, rule.max_days],
        }
    };
    Some(rules.shipping.iter().filter(fits).map(way).collect())
}

/// `amount` × `bps` ÷ 10,000, half up, in whole steps.
fn tax_on(amount: i64, bps: i64, step: i64) -> i64 {
    let unit = i128::from(WHOLE).saturating_mul(i128::from(step.max(1)));
    let exact = i128::from(amount).saturating_mul(i128::from(bps)).saturating_mul(2).saturating_add(unit);
    let steps = exact.checked_div_euclid(unit.saturating_mul(2)).unwrap_or_default();
    i64::try_from(steps).unwrap_or_default().saturating_mul(step.max(1))
}

/// The rates of every line; `None` where there is nothing to say.
fn tax_rates(question: &Question, offer: &Offer<'_>) -> Option<Vec<Value>> {
    let data = |name: &str, inclusive: bool, percentage: Value| {
        object! { "rate_data": object! { "display_name": cut(name, 50), "inclusive": inclusive, "percentage": percentage } }
    };
    if let Some(quote) = offer.quote {
        // One figure for the order: the rate that makes it of what the goods cost, as exactly as a rate can.
        let (tax, net) = (quote.tax_total?, question.net()?);
        let scaled = i128::from(tax).saturating_mul(1_000_000).saturating_mul(2).saturating_add(i128::from(net));
        let scaled = scaled.checked_div(i128::from(net).saturating_mul(2)).unwrap_or_default().min(1_000_000);
        let percentage = decimal(i64::try_from(scaled).unwrap_or_default(), WHOLE);
        return Some(if tax > 0 && net > 0 { vec![data("Tax", false, percentage)] } else { Vec::new() });
    }
    let rules = offer.rules.filter(|rules| !rules.tax.is_empty())?;
    let address = question.address.as_ref()?;
    let rate = |tax: &TaxRule| match &tax.id {
        Some(id) if id.starts_with("txr_") => object! { "rate": id },
        _ => data(&tax.display_name, tax.inclusive, decimal(tax.rate_bps, 100)),
    };
    Some(rules.tax.iter().filter(|tax| tax.counts_in(&address.country, &address.state)).map(rate).collect())
}

/// The product that a price hook asks about.
pub fn asked_sku(data: &Value) -> Result<String> {
    Ok(Fields::lenient(data, "data")?.need_string("sku_id", 300)?.trim().to_owned())
}

/// Answers a price hook. `account` is the hook's context.
pub fn price(sku: &str, account: &str, product: Option<&ProductRow>, now: i64) -> Value {
    let Some(product) = product else {
        return object! { "sku_id": sku, "merchant_id": account, "deleted": true, "as_of": now };
    };
    let money = |minor: i64| object! { "unit_amount": minor, "currency": product.currency };
    let left = product.sellable();
    let status = if left == Some(0) { "out_of_stock" } else { product.availability.as_str() };
    let mut availability = object! { "status": status };
    if let (Value::Object(members), Some(left)) = (&mut availability, left) {
        members.insert("quantity".to_owned(), left.json());
    }
    let mut answer = object! { "sku_id": sku, "merchant_id": account, "availability": availability, "as_of": now };
    let Value::Object(members) = &mut answer else { return answer };
    let span = product.sale_price_effective_date.as_deref().and_then(|text| text.split_once('/'));
    match (product.sale_price, span) {
        (Some(sale), Some((start, end))) => {
            let sale = object! { "unit_amount": sale, "currency": product.currency, "start_date": start.trim(), "end_date": end.trim() };
            members.insert("price".to_owned(), money(product.price));
            members.insert("sale_price".to_owned(), sale);
        }
        // A sale without an end is the price.
        _ => {
            members.insert("price".to_owned(), money(product.price_at(now)));
        }
    }
    answer
}
