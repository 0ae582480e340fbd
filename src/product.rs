//! A product: what a row of the shop's catalogue says, checked, and how it is shown.
//!
//! The columns are those of Stripe's product catalogue feed, plus `is_digital`, which that feed lacks. Of the feed's required
//! columns the Worker needs `id`, `title`, `price` and `availability`; whether Stripe misses another one is said when the catalogue
//! goes there. Columns that nobody here knows are kept and passed on. Contract, *Agents, catalogue, fulfilment*.

use crate::error::Problem;
use crate::money::{Amount, Currency};
use crate::record::Json;
use crate::text::{self, civil_day};
use crate::weburl;
use serde_json::{Map, Value};

/// Longest id, characters: Stripe's.
pub const MAX_ID: usize = 100;
/// Longest value of a column that has no length of its own, characters.
const MAX_TEXT: usize = 5000;
/// What a spreadsheet cannot have meant.
const MAX_QUANTITY: i64 = 1_000_000_000;
const MAX_IMAGES: usize = 10;
/// Columns that nobody here knows, and the longest name of one.
const MAX_EXTRAS: usize = 100;
const MAX_NAME: usize = 100;
/// Words by which a product is found.
const MAX_WORDS: usize = 32;
const MAX_WORD: usize = 40;

/// Columns of the feed that are kept as they are, beside those of [`ProductRow`].
pub const MORE_COLUMNS: [&str; 34] = [
    "age_group",
    "age_restriction",
    "applicable_fees",
    "color",
    "cost_of_goods_sold",
    "custom_label_0",
    "custom_label_1",
    "custom_label_2",
    "custom_label_3",
    "custom_label_4",
    "expiration_date",
    "free_shipping_threshold",
    "gender",
    "height",
    "length",
    "material",
    "model_3d_link",
    "pattern",
    "popularity_score",
    "product_category",
    "product_review_count",
    "product_review_rating",
    "product_type",
    "product_warning",
    "return_rate",
    "shipping",
    "shipping_cost_basis",
    "size",
    "size_system",
    "size_type",
    "tax",
    "video_link",
    "weight",
    "width",
];

/// Columns that a row is read by, and that [`ProductRow`] has.
const COLUMNS: [&str; 24] = [
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "additional_image_link",
    "price",
    "sale_price",
    "sale_price_effective_date",
    "availability",
    "availability_date",
    "inventory_quantity",
    "inventory_not_tracked",
    "stripe_product_tax_code",
    "tax_behavior",
    "item_group_id",
    "item_group_title",
    "brand",
    "gtin",
    "mpn",
    "condition",
    "google_product_category",
    "is_digital",
    "disable_checkout",
];

/// What the answer has beside the columns. It may come back as it is, and means nothing then.
const ANSWERS_OWN: [&str; 5] = ["object", "unit_amount", "currency", "inventory_held", "updated"];

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column; empty where it is the row as a whole.
    pub field: String,
    pub code: &'static str,
    /// A clause that goes on after the column's name.
    pub what: String,
}

impl Fault {
    pub fn new(field: &str, code: &'static str, what: impl Into<String>) -> Self {
        Fault { field: field.chars().take(MAX_NAME).collect(), code, what: what.into() }
    }

    /// For people, of whom the row's number is known already.
    pub fn message(&self) -> String {
        if self.field.is_empty() { format!("The row {}.", self.what) } else { format!("{} {}.", self.field, self.what) }
    }

    /// As the refusal of a single product: 400 for the shape, 422 for the value.
    pub fn problem(&self) -> Problem {
        if matches!(self.code, "parameter_missing" | "parameter_invalid_string" | "parameter_unknown") {
            Problem::shape(self.code, self.field.clone(), self.message())
        } else {
            Problem::value(self.code, self.field.clone(), self.message())
        }
    }
}

record! {
    /// A product as D1 has it. Amounts are minor units of `currency`.
    #[derive(Debug)]
    pub struct ProductRow {
        pub id: String,
        pub title: String,
        pub description: Option<String>,
        pub link: Option<String>,
        pub image_link: Option<String>,
        /// Addresses with commas between.
        pub additional_image_link: Option<String>,
        pub price: i64,
        /// Three lower-case letters.
        pub currency: String,
        pub sale_price: Option<i64>,
        pub sale_price_effective_date: Option<String>,
        /// Unix seconds.
        pub sale_from: Option<i64>,
        /// The first second that is past it.
        pub sale_until: Option<i64>,
        /// `in_stock`, `out_of_stock`, `preorder` or `backorder`.
        pub availability: String,
        pub availability_date: Option<String>,
        /// None: not tracked.
        pub inventory_quantity: Option<i64>,
        pub stripe_product_tax_code: Option<String>,
        pub tax_behavior: Option<String>,
        pub item_group_id: Option<String>,
        pub item_group_title: Option<String>,
        pub brand: Option<String>,
        pub gtin: Option<String>,
        pub mpn: Option<String>,
        pub condition: Option<String>,
        pub google_product_category: Option<String>,
        /// 1: nothing is shipped.
        pub digital: i64,
        /// 1: shown and not sold.
        pub disable_checkout: i64,
        /// Every other column: an object of texts, as JSON.
        pub extra: String,
        /// Unix seconds.
        pub updated: i64,
        /// Pieces that are kept for payments under way.
        pub held: i64,
    }
}

impl ProductRow {
    /// What a piece costs now, minor units.
    pub fn price_at(&self, now: i64) -> i64 {
        let on_sale = self.sale_from.is_none_or(|from| from <= now) && self.sale_until.is_none_or(|until| now < until);
        self.sale_price.filter(|_| on_sale).unwrap_or(self.price)
    }

    /// How many pieces can be sold now; `None`: as many as are wanted. What can be ordered before it is there is not limited.
    pub fn sellable(&self) -> Option<i64> {
        match (self.availability.as_str(), self.inventory_quantity) {
            _ if self.disable_checkout != 0 => Some(0),
            ("out_of_stock", _) => Some(0),
            ("preorder" | "backorder", _) | (_, None) => None,
            (_, Some(quantity)) => Some(quantity.saturating_sub(self.held).max(0)),
        }
    }

    /// Its category, by which the platform's fee may go: Google's where the feed has it, else `product_category`.
    pub fn category(&self) -> Option<String> {
        let own = || self.extra.parse::<Value>().ok()?.get("product_category")?.as_str().map(str::to_owned);
        self.google_product_category.clone().or_else(own)
    }

    /// As the API shows it, with the feed's names: what it does not say is not there. It can be sent back as it is.
    pub fn object(&self, now: i64) -> Value {
        let price = |minor: i64| price_text(minor, &self.currency);
        let mut object = object! { "object": "catalogue.product", "id": self.id, "title": self.title, "price": price(self.price),
        "unit_amount": self.price_at(now), "currency": self.currency, "availability": self.availability,
        "inventory_held": self.held, "is_digital": self.digital != 0, "updated": self.updated,
        // Without a quantity, null says so.
        "inventory_quantity": self.inventory_quantity };
        let Value::Object(members) = &mut object else { return object };
        let texts = [
            ("description", &self.description),
            ("link", &self.link),
            ("image_link", &self.image_link),
            ("additional_image_link", &self.additional_image_link),
            ("sale_price_effective_date", &self.sale_price_effective_date),
            ("availability_date", &self.availability_date),
            ("stripe_product_tax_code", &self.stripe_product_tax_code),
            ("tax_behavior", &self.tax_behavior),
            ("item_group_id", &self.item_group_id),
            ("item_group_title", &self.item_group_title),
            ("brand", &self.brand),
            ("gtin", &self.gtin),
            ("mpn", &self.mpn),
            ("condition", &self.condition),
            ("google_product_category", &self.google_product_category),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                members.insert(name.to_owned(), text.json());
            }
        }
        if let Some(sale) = self.sale_price {
            members.insert("sale_price".to_owned(), price(sale).json());
        }
        if self.disable_checkout != 0 {
            members.insert("disable_checkout".to_owned(), true.json());
        }
        let mut unknown = Map::new();
        if let Ok(Value::Object(extra)) = self.extra.parse::<Value>() {
            for (name, value) in extra {
                let kept = if MORE_COLUMNS.contains(&name.as_str()) { &mut *members } else { &mut unknown };
                kept.insert(name, value);
            }
        }
        if !unknown.is_empty() {
            members.insert("extra".to_owned(), unknown.json());
        }
        object
    }
}

/// `12.30 USD`
pub fn price_text(minor: i64, currency: &str) -> String {
    match (Currency::parse(currency), Amount::new(minor)) {
        (Some(money), Some(amount)) => format!("{} {}", money.decimal(amount), currency.to_ascii_uppercase()),
        _ => String::new(),
    }
}

/// Reads `12.30 USD`. `Err`: a code, and a clause that goes on after the column's name.
pub fn price_of(text: &str) -> Result<(i64, Currency), (&'static str, &'static str)> {
    let (amount, code) =
        text.split_once(char::is_whitespace).ok_or(("price_invalid", "must be an amount and a currency, as in 12.30 USD"))?;
    let currency =
        Currency::parse(code.trim()).ok_or(("currency_unsupported", "must be in a currency that Stripe takes, as in 12.30 USD"))?;
    let amount = currency.read_decimal(amount).map_err(|why| ("price_invalid", why))?;
    Ok((amount.get(), currency))
}

/// A row that was found good. `row` is what D1 keeps of it; the stock that it names counts only where `stock_given`.
#[derive(Debug, Clone, Default)]
pub struct Product {
    pub row: ProductRow,
    /// In an upsert a row that says nothing about the stock leaves it as it is.
    pub stock_given: bool,
    /// The row takes the product out (`delete`); of the rest only the id is there.
    pub deleted: bool,
}

/// What a row may say depends on.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Adds `http://localhost` to what addresses may be.
    pub allow_local: bool,
}

/// Reads one row of a file: its columns by name. Unknown ones are kept.
pub fn read(cells: Map<String, Value>, rules: Rules) -> Result<Product, Vec<Fault>> {
    Reader { cells, rules, faults: Vec::new() }.read()
}

/// Reads the body of `PUT /v1/catalogue/products/{product}`: columns of the feed and nothing else; the shop's own ones are in `extra`.
pub fn read_one(body: &Value, id: &str, rules: Rules) -> Result<Product, Problem> {
    let Value::Object(members) = body else {
        return Err(Problem::request(400, "json_invalid", "The body must be a JSON object."));
    };
    let mut cells = members.clone();
    cells.retain(|name, value| !value.is_null() && !ANSWERS_OWN.contains(&name.as_str()));
    let extra = cells.remove("extra");
    let known = |name: &str| COLUMNS.contains(&name) || MORE_COLUMNS.contains(&name);
    if let Some(name) = cells.keys().find(|name| !known(name)) {
        let what = "is no column of the feed: columns of your own go into extra";
        return Err(Fault::new(name, "parameter_unknown", what).problem());
    }
    match extra {
        None => {}
        Some(Value::Object(own)) => {
            for (name, value) in own {
                if known(&name) || ANSWERS_OWN.contains(&name.as_str()) || name == "delete" {
                    let what = "is a column of the feed: it stands beside extra";
                    return Err(Fault::new(&format!("extra[{name}]"), "parameter_unknown", what).problem());
                }
                cells.insert(name, value);
            }
        }
        Some(_) => return Err(Problem::shape_about("parameter_invalid_object", "extra", "must be an object.")),
    }
    match cells.get("id") {
        None => {}
        Some(Value::String(same)) if same == id => {}
        Some(_) => return Err(Problem::value_about("parameter_invalid", "id", "must be the id of the address.")),
    }
    cells.insert("id".to_owned(), id.json());
    read(cells, rules).map_err(|faults| faults.first().map_or_else(|| Problem::fault("no fault"), Fault::problem))
}

/// The members of `[{id, inventory_quantity, availability?}]`, checked, by the feed's rules.
pub fn availability(text: &str) -> Option<&'static str> {
    let word = text.trim().to_ascii_lowercase().replace(' ', "_");
    AVAILABILITIES.into_iter().find(|known| *known == word)
}

/// What `availability` may be.
pub const AVAILABILITIES: [&str; 4] = ["in_stock", "out_of_stock", "preorder", "backorder"];

struct Reader {
    cells: Map<String, Value>,
    rules: Rules,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, field: &str, code: &'static str, what: impl Into<String>) {
        self.faults.push(Fault::new(field, code, what));
    }

    /// A column's text; blank ones are not there. Numbers and truth values are texts as well.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = match self.cells.remove(name)? {
            Value::Null => return None,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Array(_) | Value::Object(_) => {
                self.fault(name, "parameter_invalid_string", "must be a text");
                return None;
            }
        };
        let text = text.trim();
        if text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || c == char::MAX) {
            self.fault(name, "parameter_invalid", "must not contain control characters");
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn at_most(&mut self, name: &str, max: usize) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > max {
            self.fault(name, "parameter_invalid", format!("may have at most {max} characters"));
            return None;
        }
        Some(text)
    }

    fn need(&mut self, name: &str, max: usize) -> String {
        let faults = self.faults.len();
        let text = self.at_most(name, max);
        if text.is_none() && self.faults.len() == faults {
            self.fault(name, "parameter_missing", "is missing");
        }
        text.unwrap_or_default()
    }

    fn is_address(&self, url: &str) -> bool {
        let local = ["http://localhost", "http://127.0.0.1"];
        let secure = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        url.len() <= weburl::MAX_LENGTH
            && weburl::is_web_url(url)
            && (secure || (self.rules.allow_local && local.iter().any(|start| url.starts_with(start))))
    }

    fn address(&mut self, name: &str) -> Option<String> {
        let url = self.text(name)?;
        if !self.is_address(&url) {
            self.fault(name, "url_invalid", "must be an https address");
            return None;
        }
        Some(url)
    }

    /// Addresses with commas between, or a list of them.
    fn addresses(&mut self, name: &str) -> Option<String> {
        if let Some(Value::Array(list)) = self.cells.get(name) {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            match texts {
                Some(texts) => {
                    let joined = texts.join(",").json();
                    self.cells.insert(name.to_owned(), joined);
                }
                None => self.fault(name, "parameter_invalid_string", "must be a list of addresses"),
            }
        }
        let text = self.text(name)?;
        let urls: Vec<&str> = text.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
        if urls.len() > MAX_IMAGES {
            self.fault(name, "parameter_invalid", format!("may have at most {MAX_IMAGES} addresses"));
        } else if !urls.iter().all(|url| self.is_address(url)) {
            self.fault(name, "url_invalid", "must be https addresses with commas between them");
        }
        // Commas alone are no addresses.
        (!urls.is_empty()).then(|| urls.join(","))
    }

    fn choice(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let text = self.text(name)?.to_ascii_lowercase();
        if !words.contains(&text.as_str()) {
            self.fault(name, "parameter_invalid", format!("must be one of {}", words.join(", ")));
            return None;
        }
        Some(text)
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?.to_ascii_lowercase();
        match text.as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => {
                self.fault(name, "parameter_invalid", "must be true or false");
                None
            }
        }
    }

    /// `12.30 USD`, or `{amount, currency}` in minor units.
    fn price(&mut self, name: &str) -> Option<(i64, Currency)> {
        if let Some(Value::Object(members)) = self.cells.get(name) {
            let currency = members.get("currency").and_then(Value::as_str).and_then(Currency::parse);
            let amount = members.get("amount").and_then(Value::as_i64).and_then(Amount::new);
            let read = match (currency, amount, members.len()) {
                (Some(currency), Some(amount), 2) => {
                    currency.read_decimal(&currency.decimal(amount)).ok().map(|_| (amount.get(), currency))
                }
                _ => None,
            };
            self.cells.remove(name);
            if read.is_none() {
                self.fault(name, "price_invalid", "must be like 12.30 USD, or {amount, currency} with amount in Stripe's minor units");
            }
            return read;
        }
        let text = self.text(name)?;
        match price_of(&text) {
            Ok(price) => Some(price),
            Err((code, why)) => {
                self.fault(name, code, why);
                None
            }
        }
    }

    fn quantity(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let quantity = text.parse::<i64>().ok().filter(|quantity| plain && *quantity <= MAX_QUANTITY);
        if quantity.is_none() {
            self.fault(name, "parameter_invalid_integer", format!("must be a whole number from 0 to {MAX_QUANTITY}"));
        }
        quantity
    }

    fn read(mut self) -> Result<Product, Vec<Fault>> {
        for name in ANSWERS_OWN {
            self.cells.remove(name);
        }
        let id = self.need("id", MAX_ID);
        if self.flag("delete") == Some(true) {
            // As Stripe does: of such a row nothing else is read.
            let row = ProductRow { id, ..ProductRow::default() };
            return if self.faults.is_empty() { Ok(Product { row, deleted: true, stock_given: false }) } else { Err(self.faults) };
        }
        let title = self.need("title", 150);
        let availability = match self.need("availability", MAX_TEXT) {
            missing if missing.is_empty() => String::new(),
            text => availability(&text).map(str::to_owned).unwrap_or_else(|| {
                self.fault("availability", "parameter_invalid", format!("must be one of {}", AVAILABILITIES.join(", ")));
                String::new()
            }),
        };
        if self.cells.get("price").is_none_or(|price| price.is_null() || price.as_str().is_some_and(|text| text.trim().is_empty())) {
            self.fault("price", "parameter_missing", "is missing");
        }
        let price = self.price("price");
        let sale = self.price("sale_price");
        if let (Some((price, currency)), Some((sale, other))) = (price, sale)
            && (currency != other || sale > price)
        {
            self.fault("sale_price", "price_invalid", "must be in the currency of price, and not above it");
        }
        let sale_price_effective_date = self.at_most("sale_price_effective_date", 100);
        let (mut sale_from, mut sale_until) = (None, None);
        if let Some(text) = &sale_price_effective_date {
            match range(text) {
                Some((from, until)) => (sale_from, sale_until) = (Some(from), Some(until)),
                None => self.fault("sale_price_effective_date", "parameter_invalid", "must be two dates, as in 2026-07-01/2026-07-31"),
            }
        }
        let availability_date = self.at_most("availability_date", 40);
        if availability_date.as_deref().is_some_and(|text| moment(text).is_none()) {
            self.fault("availability_date", "parameter_invalid", "must be a date, as in 2026-07-01");
        }
        let not_tracked = self.flag("inventory_not_tracked");
        let quantity = self.quantity("inventory_quantity");
        let tax_code = self.text("stripe_product_tax_code");
        let is_tax_code = |code: &String| code.strip_prefix("txcd_").is_some_and(|n| n.len() == 8 && n.bytes().all(|b| b.is_ascii_digit()));
        if tax_code.as_ref().is_some_and(|code| !is_tax_code(code)) {
            self.fault("stripe_product_tax_code", "parameter_invalid", "must be a tax code of Stripe's, as in txcd_99999999");
        }
        let row = ProductRow {
            id,
            title,
            description: self.at_most("description", 5000),
            link: self.address("link"),
            image_link: self.address("image_link"),
            additional_image_link: self.addresses("additional_image_link"),
            price: price.map_or(0, |(price, _)| price),
            currency: price.map(|(_, currency)| currency.code().to_owned()).unwrap_or_default(),
            sale_price: sale.map(|(sale, _)| sale),
            sale_price_effective_date,
            sale_from,
            sale_until,
            availability,
            availability_date,
            inventory_quantity: quantity.filter(|_| not_tracked != Some(true)),
            stripe_product_tax_code: tax_code,
            tax_behavior: self.choice("tax_behavior", &["inclusive", "exclusive"]),
            item_group_id: self.at_most("item_group_id", 70),
            item_group_title: self.at_most("item_group_title", 150),
            brand: self.at_most("brand", 70),
            gtin: self.at_most("gtin", 50),
            mpn: self.at_most("mpn", 70),
            condition: self.choice("condition", &["new", "refurbished", "used"]),
            google_product_category: self.at_most("google_product_category", 750),
            digital: i64::from(self.flag("is_digital").unwrap_or(false)),
            disable_checkout: i64::from(self.flag("disable_checkout").unwrap_or(false)),
            extra: self.extra().text(),
            updated: 0,
            held: 0,
        };
        let stock_given = quantity.is_some() || not_tracked.is_some();
        if self.faults.is_empty() { Ok(Product { row, stock_given, deleted: false }) } else { Err(self.faults) }
    }

    /// What is left: texts as they are, and of what is none its JSON.
    fn extra(&mut self) -> Value {
        for name in ["video_link", "model_3d_link"] {
            if let Some(url) = self.address(name) {
                self.cells.insert(name.to_owned(), url.json());
            }
        }
        let mut extra = Map::new();
        let names: Vec<String> = self.cells.keys().cloned().collect();
        for name in names {
            if let Some(structure @ (Value::Array(_) | Value::Object(_))) = self.cells.get(&name) {
                let json = structure.text().json();
                self.cells.insert(name.clone(), json);
            }
            if name.is_empty() {
                continue;
            }
            if let Some(text) = self.at_most(&name, MAX_TEXT) {
                if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
                    self.fault(&name, "parameter_invalid", "is no name for a column");
                }
                extra.insert(name, text.json());
            }
        }
        if extra.len() > MORE_COLUMNS.len().saturating_add(MAX_EXTRAS) {
            self.fault("", "parameter_invalid", format!("may have at most {MAX_EXTRAS} columns of its own"));
        }
        Value::Object(extra)
    }
}

/// The words of some texts, by which they are found: in lower case, each once. An English plural is found by its singular.
pub fn words(texts: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for text in texts {
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let end = word.char_indices().nth(MAX_WORD).map_or(word.len(), |(at, _)| at);
            let mut word = text::folded(word.get(..end).unwrap_or(word));
            if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
                word.pop();
            }
            if words.len() < MAX_WORDS && !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

impl Product {
    /// What this is found by.
    pub fn words(&self) -> Vec<String> {
        words(&[&self.row.id, &self.row.title, self.row.brand.as_deref().unwrap_or_default()])
    }
}

/// Two moments with a slash between, as ISO 8601 and feeds write a span: Unix seconds of its first and of the first past it.
fn range(text: &str) -> Option<(i64, i64)> {
    let (from, until) = text.split_once('/')?;
    let ((from, _), (until, whole_day)) = (moment(from)?, moment(until)?);
    // A last day is meant as a whole.
    let until = until.checked_add(if whole_day { 86_400 } else { 1 })?;
    (from < until).then_some((from, until))
}

/// A date (`2026-07-01`), or with a time (`2026-07-01T08:00-0700`, seconds and offset may be missing): Unix seconds, and whether it
/// is a date alone. Without an offset it is UTC.
pub fn moment(text: &str) -> Option<(i64, bool)> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (text.get(..at)?, Some(text.get(at.saturating_add(1)..)?)),
        None => (text, None),
    };
    let number = |text: &str, min: i64, max: i64, length: usize| -> Option<i64> {
        let plain = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| plain && (min..=max).contains(number))
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 1970, 9999, 4)?, number(parts.next()?, 1, 12, 2)?, number(parts.next()?, 1, 31, 2)?);
    if parts.next().is_some() {
        return None;
    }
    let midnight = civil_day(year, month, day)?.checked_mul(86_400)?;
    let Some(time) = time else { return Some((midnight, true)) };
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (time.get(..at)?, time.get(at..)?),
        None => (time, "Z"),
    };
    let mut parts = clock.split('.').next()?.split(':');
    let (hour, minute) = (number(parts.next()?, 0, 23, 2)?, number(parts.next()?, 0, 59, 2)?);
    let second = parts.next().map_or(Some(0), |part| number(part, 0, 60, 2))?;
    if parts.next().is_some() {
        return None;
    }
    let of_day = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let offset = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign @ ("+" | "-"), rest) => {
            let digits = rest.replace(':', "");
            let (hours, minutes) = digits.split_at_checked(2)?;
            let minutes = if minutes.is_empty() { 0 } else { number(minutes, 0, 59, 2)? };
            let seconds = number(hours, 0, 23, 2)?.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
            if sign == "-" { seconds.checked_neg()? } else { seconds }
        }
        _ => return None,
    };
    Some((midnight.checked_add(of_day)?.checked_sub(offset)?, false))
}
