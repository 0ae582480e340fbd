//! What a shop asks to be paid for: reads and checks the body of `POST /v1/checkout/sessions`, and turns it into
//! the lines that Stripe gets. Contract, *Checkout*.
//!
//! The two bodies, `cart` and `line_items`, mean the same and become one [`Order`]. Everything that can be
//! decided without knowing the shop is decided here; its URLs, its connection and its tax setting are not.
//! Amounts are minor units ([`crate::money`]). Refusals: 400 for the shape, 422 for a value, always with the
//! member's name.

use crate::error::{Problem, Result};
use crate::fields::{Fields, MAX_SAFE_INTEGER, NotWhole, whole};
use crate::id::Mode;
use crate::money::{self, Amount, Currency, MAX_CHARGE};
use crate::record::Json;
use crate::weburl;
use serde_json::Value;

/// Lines that Stripe takes in one Session.
pub const MAX_LINES: usize = 100;
/// Of Stripe's 50 keys, ten are kept for the Worker.
pub const MAX_METADATA: usize = 40;
const MAX_QUANTITY: i64 = 999_999;
const MAX_DISCOUNTS: usize = 100;
const MAX_SHIPPING_OPTIONS: usize = 5;
const MAX_COUNTRIES: usize = 300;
/// Ids of the shop's; also the longest `client_reference_id` of Stripe's.
const MAX_ID: usize = 200;
const MAX_AGENT: usize = 64;
const MAX_URL: usize = weburl::MAX_LENGTH;

/// Who brought the sale: the ledger's reporting key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Chat,
    Agent,
    Site,
}

impl Source {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Source::Chat => "chat",
            Source::Agent => "agent",
            Source::Site => "site",
        }
    }
}

/// Whether paying takes the money or only authorizes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    Automatic,
    Manual,
}

/// A named amount: a cost of shipping, a fee, a tax or a discount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    pub label: String,
    pub amount: Amount,
}

/// One line of the cart, as the shop gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub product_id: Option<String>,
    pub variation_id: Option<String>,
    pub sku: Option<String>,
    pub name: String,
    pub description: Option<String>,
    pub image_url: Option<String>,
    pub tax_code: Option<String>,
    pub quantity: i64,
    /// All pieces together.
    pub amount_total: Amount,
}

impl Json for Extra {
    fn json(&self) -> Value {
        object! { "label": self.label, "amount": self.amount }
    }
}

/// As the ledger shows it; what the shop did not give is not there.
impl Json for Item {
    fn json(&self) -> Value {
        let mut object = object! { "name": self.name, "quantity": self.quantity, "amount_total": self.amount_total };
        let given = [
            ("product_id", &self.product_id),
            ("variation_id", &self.variation_id),
            ("sku", &self.sku),
            ("description", &self.description),
            ("image_url", &self.image_url),
            ("tax_code", &self.tax_code),
        ];
        if let Value::Object(members) = &mut object {
            for (name, value) in given {
                if let Some(value) = value {
                    members.insert(name.to_owned(), value.json());
                }
            }
        }
        object
    }
}

/// A way of delivery that the buyer may choose on Stripe's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingOption {
    pub id: String,
    pub label: String,
    pub amount: Amount,
    /// Business days.
    pub min_days: Option<i64>,
    pub max_days: Option<i64>,
}

/// What Stripe's page asks the buyer for, besides the card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collect {
    /// Two capital letters each; none: no address is asked for.
    pub shipping_countries: Vec<String>,
    pub phone: bool,
    pub billing: bool,
}

/// A checked order. Its parts sum to `total`, which Stripe would charge as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub source: Source,
    /// The name behind `agent:`.
    pub agent: Option<String>,
    /// As asked for; without one the shop's connection decides.
    pub mode: Option<Mode>,
    pub currency: Currency,
    pub items: Vec<Item>,
    pub shipping: Vec<Extra>,
    pub fees: Vec<Extra>,
    pub taxes: Vec<Extra>,
    /// Positive amounts, to be taken off.
    pub discounts: Vec<Extra>,
    pub total: Amount,
    pub cart_id: Option<String>,
    pub order_id: Option<String>,
    pub order_key: Option<String>,
    pub customer_email: Option<String>,
    /// As given: where it may lead is the shop's matter.
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
    /// Seconds.
    pub expires_in: Option<i64>,
    pub locale: Option<String>,
    pub metadata: Vec<(String, String)>,
    pub capture: Capture,
    pub collect: Collect,
    pub shipping_options: Vec<ShippingOption>,
}

/// One line of Stripe's page, discounts taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub description: Option<String>,
    pub image_url: Option<String>,
    pub tax_code: Option<String>,
    pub sku: Option<String>,
    pub product_id: Option<String>,
    pub quantity: i64,
    /// All pieces together.
    pub amount: Amount,
}

const COMMON: [&str; 11] = [
    "source",
    "customer",
    "success_url",
    "cancel_url",
    "expires_in",
    "locale",
    "metadata",
    "capture",
    "mode",
    "collect",
    "shipping_options",
];
const LINE_ITEMS: [&str; 10] =
    ["line_items", "cart", "currency", "amount_total", "order_id", "order_key", "shipping", "fees", "taxes", "discounts"];
const CART: [&str; 10] = ["id", "order_id", "order_key", "currency", "items", "shipping", "fees", "taxes", "discounts", "total"];
const ITEM: [&str; 10] =
    ["product_id", "variation_id", "sku", "name", "description", "image_url", "quantity", "amount_total", "unit_amount", "tax_code"];

/// Reads either body and checks every rule that needs no shop.
pub fn read(body: &Value) -> Result<Order> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    match (given("cart"), given("line_items")) {
        (true, true) => Err(Problem::shape(
            "parameters_exclusive",
            "line_items",
            "Send either cart or line_items, not both: they are two ways to say the same.",
        )),
        // The other body's name may stand there as null.
        (true, false) => read_cart(&Fields::open(body, "", &known(&["cart", "line_items"]))?),
        (false, true) => read_line_items(&Fields::open(body, "", &known(&LINE_ITEMS))?),
        (false, false) => {
            // First what is wrong with the body itself: no object, or a misspelt name.
            Fields::open(body, "", &known(&LINE_ITEMS))?;
            Err(Problem::shape("parameter_missing", "cart", "Missing required parameter: cart (or line_items)."))
        }
    }
}

fn known(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().chain(&COMMON).copied().collect()
}

/// The session-based body.
fn read_cart(body: &Fields) -> Result<Order> {
    let cart = Fields::open(body.need("cart")?, "cart", &CART)?;
    cart.need("id")?;
    let cart_id = cart.id("id", MAX_ID)?;
    let currency = currency(&cart)?;
    cart.need("items")?;
    let items = items(&cart, "items", currency, true)?;
    let extras = all_extras(&cart, currency)?;
    cart.need("total")?;
    let total = amount(&cart, "total", currency)?;

    let mut order = common(body, currency, items)?;
    order.cart_id = cart_id;
    order.order_id = cart.id("order_id", MAX_ID)?;
    order.order_key = optional(&cart, "order_key", 200)?;
    order.with(extras);
    settle(order, total, &OF_CART)
}

/// What is paid for besides the items (shipping, fees, taxes), and what is taken off.
fn all_extras(fields: &Fields, currency: Currency) -> Result<[Vec<Extra>; 4]> {
    Ok([
        extras(fields, "shipping", currency, MAX_LINES)?,
        extras(fields, "fees", currency, MAX_LINES)?,
        extras(fields, "taxes", currency, MAX_LINES)?,
        extras(fields, "discounts", currency, MAX_DISCOUNTS)?,
    ])
}

impl Order {
    fn with(&mut self, extras: [Vec<Extra>; 4]) {
        [self.shipping, self.fees, self.taxes, self.discounts] = extras;
    }
}

/// The line-items body.
fn read_line_items(body: &Fields) -> Result<Order> {
    let currency = currency(body)?;
    let items = items(body, "line_items", currency, false)?;
    let extras = all_extras(body, currency)?;
    let total = amount(body, "amount_total", currency)?;
    let mut order = common(body, currency, items)?;
    order.order_id = body.id("order_id", MAX_ID)?;
    order.order_key = optional(body, "order_key", 200)?;
    order.with(extras);
    settle(order, total, &OF_LINE_ITEMS)
}

/// The members that both bodies have.
fn common(body: &Fields, currency: Currency, items: Vec<Item>) -> Result<Order> {
    let (source, agent) = source(body)?;
    Ok(Order {
        source,
        agent,
        mode: body.choice("mode", &[("live", Mode::Live), ("test", Mode::Test)])?,
        currency,
        items,
        shipping: Vec::new(),
        fees: Vec::new(),
        taxes: Vec::new(),
        discounts: Vec::new(),
        total: Amount::ZERO,
        cart_id: None,
        order_id: None,
        order_key: None,
        customer_email: customer_email(body)?,
        success_url: address(body, "success_url")?,
        cancel_url: address(body, "cancel_url")?,
        expires_in: body.integer("expires_in", 1_800, 86_400)?,
        locale: optional(body, "locale", 10)?,
        metadata: metadata(body)?,
        capture: body.choice("capture", &[("automatic", Capture::Automatic), ("manual", Capture::Manual)])?.unwrap_or(Capture::Automatic),
        collect: collect(body)?,
        shipping_options: shipping_options(body, currency)?,
    })
}

/// What a body calls its parts.
struct Names {
    items: &'static str,
    shipping: &'static str,
    discounts: &'static str,
    total: &'static str,
}
const OF_CART: Names = Names { items: "cart[items]", shipping: "cart[shipping]", discounts: "cart[discounts]", total: "cart[total]" };
const OF_LINE_ITEMS: Names = Names { items: "line_items", shipping: "shipping", discounts: "discounts", total: "amount_total" };

/// Checks the order as a whole and sets its total: the one that was given, or what the lines come to.
fn settle(mut order: Order, given: Option<Amount>, names: &Names) -> Result<Order> {
    let total_name = names.total;
    let count = [order.shipping.len(), order.fees.len(), order.taxes.len()].into_iter().fold(order.items.len(), usize::saturating_add);
    if count > MAX_LINES {
        return Err(too_many_lines(names.items, count));
    }
    if !order.shipping.is_empty() && !order.shipping_options.is_empty() {
        return Err(Problem::value(
            "parameters_exclusive",
            "shipping_options",
            format!("Send either {}, where the delivery is settled, or shipping_options, where the buyer is to choose.", names.shipping),
        ));
    }

    let figure = |extras: &[Extra]| Amount::sum(extras.iter().map(|extra| extra.amount));
    let parts = [
        ("items", Amount::sum(order.items.iter().map(|item| item.amount_total))),
        ("shipping", figure(&order.shipping)),
        ("fees", figure(&order.fees)),
        ("taxes", figure(&order.taxes)),
    ];
    // Amounts are at most 10^12 each and there are at most a hundred: these sums fit.
    let lines = Amount::sum(parts.iter().filter_map(|(_, part)| *part)).unwrap_or_default();
    let discounts = figure(&order.discounts).unwrap_or_default();
    let currency = order.currency;
    let Some(sum) = lines.checked_sub(discounts) else {
        return Err(Problem::value(
            "total_mismatch",
            names.discounts,
            format!("The discounts come to {discounts} and all lines only to {lines} (minor units of {currency})."),
        ));
    };

    let total = given.unwrap_or(sum);
    if total != sum {
        let mut sums: Vec<String> =
            parts.iter().filter_map(|(name, part)| part.filter(|part| *part > Amount::ZERO).map(|part| format!("{name} {part}"))).collect();
        if discounts > Amount::ZERO {
            sums.push(format!("discounts -{discounts}"));
        }
        return Err(Problem::value(
            "total_mismatch",
            total_name,
            format!("{total_name} is {total}, but the parts come to {sum} ({}; minor units of {currency}).", sums.join(", ")),
        ));
    }
    if total < currency.minimum() {
        return Err(Problem::value(
            "amount_too_small",
            total_name,
            format!("{total_name} is {total}; the least that Stripe charges in {currency} is {}.", currency.minimum()),
        ));
    }
    // The dearest choice must be payable too.
    let dearest = order.shipping_options.iter().map(|option| option.amount).max().unwrap_or_default();
    if total.checked_add(dearest).is_none_or(|most| most.get() > MAX_CHARGE) {
        return Err(too_large(total_name));
    }
    order.total = total;
    Ok(order)
}

fn too_many_lines(param: &str, count: usize) -> Problem {
    Problem::value("too_many_lines", param, format!("{count} lines with shipping, fees and taxes; Stripe takes at most {MAX_LINES}."))
}

fn too_large(param: &str) -> Problem {
    Problem::value_about("amount_too_large", param, &format!("is more than Stripe charges to a card: at most {MAX_CHARGE} minor units."))
}

fn currency(fields: &Fields) -> Result<Currency> {
    let code = fields.need_string("currency", 100)?;
    Currency::parse(code).ok_or_else(|| {
        Problem::value(
            "currency_unsupported",
            fields.name("currency"),
            format!("Stripe does not take the currency '{code}'. Send three letters such as usd."),
        )
    })
}

/// An amount that Stripe can charge in this currency; `None` when absent.
fn amount(fields: &Fields, member: &str, currency: Currency) -> Result<Option<Amount>> {
    let param = fields.name(member);
    if fields.get(member).is_some_and(beyond) {
        return Err(too_large(&param));
    }
    let Some(minor) = fields.integer(member, 0, MAX_SAFE_INTEGER)? else { return Ok(None) };
    if minor > MAX_CHARGE {
        return Err(too_large(&param));
    }
    let step = currency.step();
    if minor.checked_rem(step) != Some(0) {
        return Err(Problem::value_about(
            "parameter_invalid_integer",
            &param,
            &format!("must be a multiple of {step}: Stripe takes {currency} in no smaller steps."),
        ));
    }
    Ok(Amount::new(minor))
}

/// A whole number too large to be counted with.
fn beyond(value: &Value) -> bool {
    matches!(whole(value), Err(NotWhole::Range)) && value.as_i64().is_none_or(|number| number > 0) && !value.text().starts_with('-')
}

fn need_amount(fields: &Fields, member: &str, currency: Currency) -> Result<Amount> {
    fields.need(member)?;
    Ok(amount(fields, member, currency)?.unwrap_or_default())
}

fn items(fields: &Fields, member: &str, currency: Currency, need_product: bool) -> Result<Vec<Item>> {
    let elements = fields.array(member)?;
    let param = fields.name(member);
    if elements.is_empty() {
        return Err(Problem::value_about("parameter_invalid_empty", &param, "is empty: there is nothing to pay for."));
    }
    if elements.len() > MAX_LINES {
        return Err(too_many_lines(&param, elements.len()));
    }
    elements.iter().map(|(name, element)| item(element, name, currency, need_product)).collect()
}

fn item(element: &Value, path: &str, currency: Currency, need_product: bool) -> Result<Item> {
    let fields = Fields::open(element, path, &ITEM)?;
    if need_product {
        fields.need("product_id")?;
    }
    fields.need("quantity")?;
    let quantity = fields.integer("quantity", 1, MAX_QUANTITY)?.unwrap_or(1);
    Ok(Item {
        product_id: fields.id("product_id", MAX_ID)?,
        variation_id: fields.id("variation_id", MAX_ID)?,
        sku: optional(&fields, "sku", 200)?,
        name: fields.need_string("name", 5_000)?.to_owned(),
        description: optional(&fields, "description", 40_000)?,
        image_url: image_url(&fields)?,
        tax_code: tax_code(&fields)?,
        quantity,
        amount_total: line_amount(&fields, quantity, currency)?,
    })
}

/// The price of the whole line: `amount_total`, or `unit_amount` times the quantity, or both if they agree.
fn line_amount(fields: &Fields, quantity: i64, currency: Currency) -> Result<Amount> {
    let whole = amount(fields, "amount_total", currency)?;
    let Some(unit) = amount(fields, "unit_amount", currency)? else {
        return match whole {
            Some(whole) => Ok(whole),
            None => need_amount(fields, "amount_total", currency),
        };
    };
    let product = unit
        .get()
        .checked_mul(quantity)
        .filter(|product| *product <= MAX_CHARGE)
        .and_then(Amount::new)
        .ok_or_else(|| too_large(&fields.name("unit_amount")))?;
    match whole {
        Some(whole) if whole != product => {
            let param = fields.name("amount_total");
            Err(Problem::value_about(
                "total_mismatch",
                &param,
                &format!("is {whole}, but {quantity} × unit_amount {unit} is {product}. Send one of the two, or make them agree."),
            ))
        }
        _ => Ok(product),
    }
}

fn image_url(fields: &Fields) -> Result<Option<String>> {
    let url = optional(fields, "image_url", MAX_URL)?;
    match url {
        Some(url) if !weburl::is_web_url(&url) => {
            let param = fields.name("image_url");
            Err(Problem::value_about("url_invalid", &param, "must be an absolute http or https address."))
        }
        url => Ok(url),
    }
}

/// A product tax code of Stripe's.
fn tax_code(fields: &Fields) -> Result<Option<String>> {
    let code = optional(fields, "tax_code", 100)?;
    let valid = |code: &str| {
        code.strip_prefix("txcd_").is_some_and(|digits| (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    match code {
        Some(code) if !valid(&code) => {
            let param = fields.name("tax_code");
            Err(Problem::value_about("parameter_invalid", &param, "must be a tax code of Stripe's, such as txcd_99999999."))
        }
        code => Ok(code),
    }
}

fn extras(fields: &Fields, member: &str, currency: Currency, most: usize) -> Result<Vec<Extra>> {
    let elements = fields.array(member)?;
    let param = fields.name(member);
    if elements.len() > most {
        return Err(if member == "discounts" {
            Problem::value_about("parameter_invalid", &param, &format!("may have at most {most} entries."))
        } else {
            too_many_lines(&param, elements.len())
        });
    }
    elements
        .iter()
        .map(|(name, element)| {
            let fields = Fields::open(element, name, &["label", "amount"])?;
            Ok(Extra { label: fields.need_string("label", 200)?.to_owned(), amount: need_amount(&fields, "amount", currency)? })
        })
        .collect()
}

/// An optional string; a blank one counts as absent, because shops send every field that they have.
fn optional(fields: &Fields, member: &str, max: usize) -> Result<Option<String>> {
    Ok(fields.string(member, max)?.filter(|text| !text.trim().is_empty()).map(str::to_owned))
}

/// A return address, as it is.
fn address(fields: &Fields, member: &str) -> Result<Option<String>> {
    match fields.get(member) {
        None => Ok(None),
        Some(_) => fields.need_string(member, MAX_URL).map(|url| Some(url.to_owned())),
    }
}

fn source(body: &Fields) -> Result<(Source, Option<String>)> {
    match body.string("source", 200)? {
        None | Some("site") => Ok((Source::Site, None)),
        Some("chat") => Ok((Source::Chat, None)),
        Some("agent") => Ok((Source::Agent, None)),
        Some(other) => match other.strip_prefix("agent:") {
            Some(name) if !name.trim().is_empty() && name.chars().count() <= MAX_AGENT && !name.chars().any(char::is_control) => {
                Ok((Source::Agent, Some(name.to_owned())))
            }
            _ => Err(Problem::value(
                "parameter_invalid",
                "source",
                format!("source must be chat, agent, site or agent:<name> with a name of 1 to {MAX_AGENT} characters."),
            )),
        },
    }
}

fn customer_email(body: &Fields) -> Result<Option<String>> {
    let Some(customer) = body.get("customer") else { return Ok(None) };
    let customer = Fields::open(customer, "customer", &["email"])?;
    if customer.get("email").is_none() {
        return Ok(None);
    }
    let email = customer.need_string("email", 512)?;
    let plausible = email.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if plausible {
        Ok(Some(email.to_owned()))
    } else {
        Err(Problem::value("email_invalid", "customer[email]", "customer[email] must be an email address."))
    }
}

/// The shop's own notes on the transaction. Scalars become text, as Stripe makes of them.
fn metadata(body: &Fields) -> Result<Vec<(String, String)>> {
    let mut metadata = Vec::new();
    let Some(value) = body.get("metadata") else { return Ok(metadata) };
    let Value::Object(members) = value else {
        return Err(Problem::shape("parameter_invalid_object", "metadata", "metadata must be an object."));
    };
    if members.len() > MAX_METADATA {
        return Err(Problem::value(
            "parameter_invalid",
            "metadata",
            format!("metadata may have at most {MAX_METADATA} keys; it has {}.", members.len()),
        ));
    }
    for (key, value) in members {
        let shown: String = key.chars().take(100).collect();
        let param = format!("metadata[{shown}]");
        // Stripe takes no square brackets in keys: they are its form syntax.
        if key.is_empty() || key.chars().count() > 40 || key.chars().any(|c| c.is_control() || matches!(c, '[' | ']')) {
            return Err(Problem::value("parameter_invalid", param, "A metadata key has 1 to 40 characters and no square brackets."));
        }
        if key.starts_with("cc_") {
            return Err(Problem::value("parameter_invalid", param, "Metadata keys that begin with cc_ are the Worker's own."));
        }
        let text = match value {
            // An empty value unsets a key, and there is nothing yet to unset.
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string, a number or a boolean."));
            }
        };
        if text.chars().count() > 500 {
            return Err(Problem::value_about("parameter_invalid", &param, "may have at most 500 characters."));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(Problem::value_about("parameter_invalid", &param, "must not contain control characters."));
        }
        metadata.push((key.clone(), text));
    }
    Ok(metadata)
}

fn collect(body: &Fields) -> Result<Collect> {
    let Some(value) = body.get("collect") else { return Ok(Collect::default()) };
    let fields = Fields::open(value, "collect", &["shipping_countries", "phone", "billing"])?;
    let elements = fields.array("shipping_countries")?;
    if elements.len() > MAX_COUNTRIES {
        return Err(Problem::value(
            "parameter_invalid",
            "collect[shipping_countries]",
            format!("collect[shipping_countries] may have at most {MAX_COUNTRIES} countries."),
        ));
    }
    let mut shipping_countries: Vec<String> = Vec::with_capacity(elements.len());
    for (param, element) in elements {
        let Value::String(country) = element else {
            return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
        };
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Problem::value_about("parameter_invalid", &param, "must be a country of two capital letters, such as US."));
        }
        // Stripe refuses a country that is named twice.
        if !shipping_countries.contains(country) {
            shipping_countries.push(country.clone());
        }
    }
    Ok(Collect {
        shipping_countries,
        phone: fields.boolean("phone")?.unwrap_or_default(),
        billing: fields.boolean("billing")?.unwrap_or_default(),
    })
}

fn shipping_options(body: &Fields, currency: Currency) -> Result<Vec<ShippingOption>> {
    let elements = body.array("shipping_options")?;
    if elements.len() > MAX_SHIPPING_OPTIONS {
        return Err(Problem::value(
            "parameter_invalid",
            "shipping_options",
            format!("shipping_options may have at most {MAX_SHIPPING_OPTIONS} entries."),
        ));
    }
    let mut options: Vec<ShippingOption> = Vec::with_capacity(elements.len());
    for (name, element) in elements {
        let fields = Fields::open(element, &name, &["id", "label", "amount", "min_days", "max_days"])?;
        fields.need("id")?;
        let id = fields.id("id", MAX_ID)?.unwrap_or_default();
        if options.iter().any(|option| option.id == id) {
            let param = fields.name("id");
            return Err(Problem::value_about(
                "parameter_invalid",
                &param,
                "is the id of an earlier option too: the buyer's choice could not be told.",
            ));
        }
        let min_days = fields.integer("min_days", 0, 365)?;
        let max_days = fields.integer("max_days", 0, 365)?;
        if let (Some(min), Some(max)) = (min_days, max_days)
            && min > max
        {
            let param = fields.name("max_days");
            return Err(Problem::value_about(
                "parameter_invalid_integer",
                &param,
                &format!("is {max}, which is less than min_days, {min}."),
            ));
        }
        options.push(ShippingOption {
            id,
            label: fields.need_string("label", 100)?.to_owned(),
            amount: need_amount(&fields, "amount", currency)?,
            min_days,
            max_days,
        });
    }
    Ok(options)
}

/// The lines that Stripe gets: the items, then shipping, fees and taxes. Stripe has no line below zero, so the
/// discounts are taken off the items in proportion, and what the items cannot bear off the rest. They sum to the
/// order's total exactly.
pub fn lines(order: &Order) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = order
        .items
        .iter()
        .map(|item| Line {
            name: item.name.clone(),
            description: item.description.clone(),
            image_url: item.image_url.clone(),
            tax_code: item.tax_code.clone(),
            sku: item.sku.clone(),
            product_id: item.product_id.clone(),
            quantity: item.quantity,
            amount: item.amount_total,
        })
        .collect();
    let mut others: Vec<Line> = [&order.shipping, &order.fees, &order.taxes]
        .into_iter()
        .flatten()
        .map(|extra| Line {
            name: extra.label.clone(),
            description: None,
            image_url: None,
            tax_code: None,
            sku: None,
            product_id: None,
            quantity: 1,
            amount: extra.amount,
        })
        .collect();

    let unfit = || Problem::fault("the discounts do not fit into the lines of a checked order");
    let discount = Amount::sum(order.discounts.iter().map(|extra| extra.amount)).ok_or_else(unfit)?;
    let of_items = Amount::sum(lines.iter().map(|line| line.amount)).ok_or_else(unfit)?.min(discount);
    let of_others = discount.checked_sub(of_items).ok_or_else(unfit)?;
    let step = order.currency.step();
    take_off(&mut lines, of_items, step).ok_or_else(unfit)?;
    take_off(&mut others, of_others, step).ok_or_else(unfit)?;
    lines.append(&mut others);

    // What Stripe would charge is what was agreed, or nothing is asked of Stripe at all.
    if Amount::sum(lines.iter().map(|line| line.amount)) != Some(order.total) {
        return Err(Problem::fault("the lines do not sum to the total of a checked order"));
    }
    Ok(lines)
}

fn take_off(lines: &mut [Line], discount: Amount, step: i64) -> Option<()> {
    let amounts: Vec<Amount> = lines.iter().map(|line| line.amount).collect();
    let shares = money::spread(discount, &amounts, step)?;
    for (line, share) in lines.iter_mut().zip(shares) {
        line.amount = line.amount.checked_sub(share)?;
    }
    Some(())
}
