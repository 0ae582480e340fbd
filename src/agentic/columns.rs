//! Stripe's product catalogue columns: rows checked before they are sent, and written as Stripe takes them.
//!
//! Two ways lead here. The shop's catalogue is made into a file ([`product_cells`], [`write_line`]); a file of the shop's own goes
//! through a [`Sieve`], which looks at its header, lets its bytes pass as they are, and leaves out bad rows where that is asked for.
//! What the columns are: docs.stripe.com/agentic-commerce/product-feed. Columns that Stripe wants of some products only (`brand`, `gtin`
//! or `mpn`, a category) are Stripe's to miss: it knows for which.

use crate::error::{Problem, Result};
use crate::feed::{Cells, Feed, Format, Row};
use crate::product::{self, Fault, ProductRow, Rules, moment};
use crate::record::{self, Json};
use serde_json::Value;
use std::borrow::Cow;

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedType {
    Product,
    Inventory,
    Pricing,
    Promotion,
}

impl FeedType {
    pub const WORDS: [(&'static str, FeedType); 4] = [
        ("product", FeedType::Product),
        ("inventory", FeedType::Inventory),
        ("pricing", FeedType::Pricing),
        ("promotion", FeedType::Promotion),
    ];

    /// Its name on the wire, Stripe's.
    pub fn name(self) -> &'static str {
        match self {
            FeedType::Product => "product",
            FeedType::Inventory => "inventory",
            FeedType::Pricing => "pricing",
            FeedType::Promotion => "promotion",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(word, _)| *word == name).map(|(_, kind)| kind)
    }

    /// Columns without which a header cannot be meant.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            FeedType::Product => &["id", "title", "description", "link", "image_link", "price", "availability"],
            FeedType::Inventory => &["id", "inventory_quantity"],
            FeedType::Pricing => &["id", "price"],
            FeedType::Promotion => &[],
        }
    }
}

/// What becomes of bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// They are left out and named.
    Skip,
    /// They are named, and nothing is sent.
    Fail,
    /// Rows are not looked at.
    Pass,
}

impl OnError {
    pub const WORDS: [(&'static str, OnError); 2] = [("skip", OnError::Skip), ("fail", OnError::Fail)];

    pub fn name(self) -> &'static str {
        match self {
            OnError::Skip => "skip",
            OnError::Fail => "fail",
            OnError::Pass => "pass",
        }
    }

    pub fn stored(name: &str) -> Self {
        Self::WORDS.into_iter().find(|(word, _)| *word == name).map_or(OnError::Pass, |(_, how)| how)
    }
}

/// Names and texts of a row; what is not there says nothing.
pub type RowCells<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A product as a row of a feed.
pub fn product_cells<'a>(row: &'a ProductRow, kind: FeedType) -> RowCells<'a> {
    let mut cells: RowCells<'a> = vec![("id".into(), row.id.as_str().into())];
    let price = |minor: i64| Cow::Owned(product::price_text(minor, &row.currency));
    if kind != FeedType::Inventory {
        if kind == FeedType::Product {
            cells.push(("title".into(), row.title.as_str().into()));
            let texts = [
                ("description", &row.description),
                ("link", &row.link),
                ("image_link", &row.image_link),
                ("additional_image_link", &row.additional_image_link),
            ];
            cells.extend(texts.into_iter().filter_map(|(name, text)| Some((name.into(), text.as_deref()?.into()))));
        }
        cells.push(("price".into(), price(row.price)));
        if let Some(sale) = row.sale_price {
            cells.push(("sale_price".into(), price(sale)));
            cells.extend(row.sale_price_effective_date.as_deref().map(|text| ("sale_price_effective_date".into(), text.into())));
        }
    }
    if kind == FeedType::Inventory || kind == FeedType::Product {
        cells.push(("availability".into(), row.availability.as_str().into()));
        match row.inventory_quantity {
            Some(quantity) => cells.push(("inventory_quantity".into(), quantity.to_string().into())),
            None => cells.push(("inventory_not_tracked".into(), "true".into())),
        }
    }
    if kind == FeedType::Product {
        let texts = [
            ("availability_date", &row.availability_date),
            ("stripe_product_tax_code", &row.stripe_product_tax_code),
            ("tax_behavior", &row.tax_behavior),
            ("item_group_id", &row.item_group_id),
            ("item_group_title", &row.item_group_title),
            ("brand", &row.brand),
            ("gtin", &row.gtin),
            ("mpn", &row.mpn),
            ("condition", &row.condition),
            ("google_product_category", &row.google_product_category),
        ];
        cells.extend(texts.into_iter().filter_map(|(name, text)| Some((name.into(), text.as_deref()?.into()))));
        if row.disable_checkout != 0 {
            cells.push(("disable_checkout".into(), "true".into()));
        }
        if row.extra.len() > 2
            && let Ok(Value::Object(extra)) = row.extra.parse::<Value>()
        {
            cells.extend(extra.into_iter().filter_map(|(name, value)| match value {
                Value::String(text) => Some((name.into(), text.into())),
                _ => None,
            }));
        }
    }
    cells
}

/// A product that is not there any more, as a row of an inventory feed: what is gone cannot be had.
pub fn gone_cells(id: &str) -> RowCells<'_> {
    vec![("id".into(), id.into()), ("availability".into(), "out_of_stock".into()), ("inventory_quantity".into(), "0".into())]
}

/// What Stripe would refuse of a product that the Worker takes.
pub fn faults(cells: &RowCells<'_>, kind: FeedType) -> Vec<Fault> {
    if kind != FeedType::Product {
        return Vec::new();
    }
    let get = |name: &str| cells.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_ref()).filter(|text| !text.is_empty());
    let mut faults = Vec::new();
    for name in ["description", "link", "image_link"] {
        if get(name).is_none() {
            faults.push(Fault::new(name, "parameter_missing", "is missing: Stripe wants it of every product"));
        }
    }
    if get("availability") == Some("preorder") && get("availability_date").is_none() {
        faults.push(Fault::new("availability_date", "parameter_missing", "is missing: Stripe wants it of every preorder"));
    }
    for (name, most) in [("color", 100), ("material", 100), ("size", 20)] {
        if get(name).is_some_and(|text| text.chars().count() > most) {
            faults.push(Fault::new(name, "parameter_invalid", format!("may have at most {most} characters")));
        }
    }
    const CHOICES: [(&str, &[&str]); 3] = [
        ("age_group", &["newborn", "infant", "toddler", "kids", "adult"]),
        ("gender", &["male", "female", "unisex"]),
        ("shipping_cost_basis", &["per_order", "per_item"]),
    ];
    for (name, words) in CHOICES {
        if get(name).is_some_and(|text| !words.contains(&text)) {
            faults.push(Fault::new(name, "parameter_invalid", format!("must be one of {}", words.join(", "))));
        }
    }
    // The bounds are whole: to write a fraction is 14 KB of the binary.
    for (name, low, high) in [("popularity_score", 0_u8, 5_u8), ("return_rate", 0, 100), ("product_review_rating", 1, 5)] {
        let within = |number: f64| (f64::from(low)..=f64::from(high)).contains(&number);
        // A number as in JSON, whose parser is there anyway.
        if get(name).is_some_and(|text| !text.parse().ok().as_ref().and_then(Value::as_f64).is_some_and(within)) {
            faults.push(Fault::new(name, "parameter_invalid", format!("must be a number from {low} to {high}")));
        }
    }
    if get("product_review_count").is_some_and(|text| text.parse::<u32>().is_err()) {
        faults.push(Fault::new("product_review_count", "parameter_invalid_integer", "must be a whole number"));
    }
    if get("expiration_date").is_some_and(|text| moment(text).is_none()) {
        faults.push(Fault::new("expiration_date", "parameter_invalid", "must be a date, as in 2026-07-01"));
    }
    faults
}

/// The columns of a file that is made: those that any of its rows has.
#[derive(Debug, Default, Clone)]
pub struct Header(pub Vec<String>);

/// Columns of one file. Shops may have columns of their own, and each product others.
const MOST_COLUMNS: usize = 200;

impl Header {
    /// Takes note of a row's names. What comes after the most is not sent.
    pub fn add(&mut self, cells: &RowCells<'_>) {
        for (name, _) in cells {
            if self.0.len() < MOST_COLUMNS && !self.0.iter().any(|known| known == name) {
                self.0.push(name.clone().into_owned());
            }
        }
    }

    pub fn line(&self) -> String {
        let mut line = String::new();
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            write_cell(&mut line, name);
        }
        line.push('\n');
        line
    }
}

/// RFC 4180, and nothing defused: Stripe takes it as it stands.
fn write_cell(line: &mut String, text: &str) {
    if text.contains([',', '"', '\r', '\n']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

/// Bytes that a cell takes.
pub fn cell_length(text: &str) -> usize {
    let quotes = text.bytes().filter(|byte| *byte == b'"').count();
    let wrapped = if text.contains([',', '"', '\r', '\n']) { 2 } else { 0 };
    text.len().saturating_add(quotes).saturating_add(wrapped)
}

/// Writes a row under a header.
pub fn write_line(line: &mut String, header: &[String], cells: &RowCells<'_>) {
    for (at, name) in header.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        if let Some((_, text)) = cells.iter().find(|(known, _)| known == name) {
            write_cell(line, text);
        }
    }
    line.push('\n');
}

/// A row that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// 1 is the first one with data.
    pub row: i64,
    pub id: Option<String>,
    pub faults: Vec<Fault>,
    /// Its cells in the order of the header.
    pub cells: Vec<String>,
}

impl Bad {
    /// As answers name it: one object for each thing that is wrong.
    pub fn objects(&self) -> Vec<Value> {
        let object = |fault: &Fault| {
            let field = (!fault.field.is_empty()).then(|| fault.field.clone());
            object! { "row": self.row, "id": self.id, "field": field, "code": fault.code, "message": fault.message() }
        };
        self.faults.iter().map(object).collect()
    }

    /// As it is kept: what is wrong, then the cells.
    pub fn kept(&self) -> String {
        let told: Vec<String> = self.faults.iter().map(Fault::message).collect();
        kept(&told.join(" "), &self.cells)
    }
}

fn kept(message: &str, cells: &[String]) -> String {
    let mut row = vec![message.json()];
    row.extend(cells.iter().map(Json::json));
    Value::Array(row).text()
}

/// A shop's own file on its way: its header is looked at, its rows where that is asked for.
pub struct Sieve {
    feed: Feed,
    kind: FeedType,
    on_error: OnError,
    rules: Rules,
    /// Bytes that are not decided yet, and where in the file they begin.
    held: Vec<u8>,
    at: usize,
    /// Whether the header was found good.
    open: bool,
    /// The last line ended with a carriage return, whose line feed may be still to come: whether that line went out.
    after_return: Option<bool>,
    rows: Vec<Row>,
    pub accepted: i64,
}

impl Sieve {
    pub fn new(format: Format, kind: FeedType, on_error: OnError, rules: Rules) -> Self {
        let feed = Feed::with_ends(format, kind != FeedType::Promotion);
        Sieve { feed, kind, on_error, rules, held: Vec::new(), at: 0, open: false, after_return: None, rows: Vec::new(), accepted: 0 }
    }

    /// The columns, once they were read.
    pub fn header(&self) -> &[String] {
        self.feed.header()
    }

    /// Whether the header was found good.
    pub fn open(&self) -> bool {
        self.open
    }

    /// Takes the next piece; what of the file may go out is added to `out`, bad rows to `bad`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>, bad: &mut Vec<Bad>) -> Result<()> {
        if self.open && self.on_error == OnError::Pass {
            out.extend_from_slice(piece);
            return Ok(());
        }
        self.held.extend_from_slice(piece);
        let mut rows = std::mem::take(&mut self.rows);
        self.feed.push(piece, &mut rows)?;
        self.sort(&mut rows, out, bad)?;
        self.rows = rows;
        Ok(())
    }

    /// After the last piece.
    pub fn finish(&mut self, out: &mut Vec<u8>, bad: &mut Vec<Bad>) -> Result<()> {
        if self.open && self.on_error == OnError::Pass {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.rows);
        self.feed.finish(&mut rows)?;
        self.sort(&mut rows, out, bad)?;
        if !self.open {
            return Err(refused_header("is missing: the file is empty"));
        }
        out.append(&mut self.held);
        Ok(())
    }

    fn sort(&mut self, rows: &mut Vec<Row>, out: &mut Vec<u8>, bad: &mut Vec<Bad>) -> Result<()> {
        let Some(end) = self.feed.header_end() else { return Ok(()) };
        let begins = self.at;
        if let Some(went_out) = self.after_return
            && let Some(next) = self.held.first()
        {
            if *next == b'\n' {
                self.at = self.at.saturating_add(1);
                out.extend_from_slice(if went_out { b"\n" } else { b"" });
            }
            self.after_return = None;
        }
        if !self.open {
            check_header(self.feed.header(), self.kind)?;
            self.open = true;
            if self.on_error == OnError::Pass {
                rows.clear();
                out.append(&mut self.held);
                return Ok(());
            }
            let line = self.line(begins, end);
            let returned = line.ends_with(b"\r").then_some(true);
            out.extend_from_slice(line);
            (self.after_return, self.at) = (returned, end);
        }
        for (row, end) in rows.drain(..).zip(self.feed.ends()) {
            let found = self.look(row);
            let line = self.line(begins, end);
            let returned = line.ends_with(b"\r").then_some(found.is_none());
            match found {
                Some(found) => bad.push(found),
                None => {
                    out.extend_from_slice(line);
                    self.accepted = self.accepted.saturating_add(1);
                }
            }
            (self.after_return, self.at) = (returned, end);
        }
        // Once a piece: what is cut off row by row is copied row by row.
        self.held.drain(..self.at.saturating_sub(begins).min(self.held.len()));
        Ok(())
    }

    /// The bytes from where the last one ended up to a place in the file, of those that are held since the place `begins`.
    fn line(&self, begins: usize, end: usize) -> &[u8] {
        let place = |at: usize| at.saturating_sub(begins).min(self.held.len());
        self.held.get(place(self.at)..place(end)).unwrap_or_default()
    }

    /// What is wrong with a row.
    fn look(&self, row: Row) -> Option<Bad> {
        let header = self.feed.header();
        let cells = match row.cells {
            Ok(Cells::Table(cells)) => cells,
            Ok(Cells::Object(_)) => Vec::new(),
            Err(why) => {
                return Some(Bad { row: row.number, id: None, faults: vec![Fault::new("", "row_malformed", why)], cells: Vec::new() });
            }
        };
        let faults = check_row(header, &cells, self.kind, self.rules);
        if faults.is_empty() {
            return None;
        }
        let place = header.iter().position(|name| name == "id");
        let id = place
            .and_then(|at| cells.get(at))
            .map(|id| id.trim().chars().take(product::MAX_ID).collect())
            .filter(|id: &String| !id.is_empty());
        Some(Bad { row: row.number, id, faults, cells })
    }
}

fn refused_header(why: &str) -> Problem {
    Problem::request(422, "catalogue_header_invalid", format!("The header {why}. Nothing was sent."))
}

fn check_header(header: &[String], kind: FeedType) -> Result<()> {
    let has = |name: &str| header.iter().any(|known| known == name);
    // Of a row that takes a product out Stripe reads nothing else.
    if kind == FeedType::Product && has("id") && has("delete") {
        return Ok(());
    }
    let missing: Vec<&str> = kind.required().iter().copied().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let columns = if missing.len() == 1 { "column" } else { "columns" };
    Err(refused_header(&format!("has no {columns} {} (feed_type {})", missing.join(", "), kind.name())))
}

/// What is wrong with a row of a shop's own file.
fn check_row(header: &[String], cells: &[String], kind: FeedType, rules: Rules) -> Vec<Fault> {
    let get = |name: &str| {
        let at = header.iter().position(|known| known == name)?;
        cells.get(at).map(|text| text.trim()).filter(|text| !text.is_empty())
    };
    match kind {
        FeedType::Promotion => Vec::new(),
        FeedType::Product => {
            let named = record::named(header, cells.iter().map(Json::json));
            let mut found = match product::read(named, rules) {
                Ok(product) if product.deleted => return Vec::new(),
                Ok(_) => Vec::new(),
                Err(faults) => faults,
            };
            let known: RowCells<'_> =
                header.iter().zip(cells).map(|(name, text)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(text.trim()))).collect();
            for fault in faults(&known, kind) {
                if !found.iter().any(|other| other.field == fault.field) {
                    found.push(fault);
                }
            }
            found
        }
        FeedType::Inventory | FeedType::Pricing => {
            let mut faults = Vec::new();
            match get("id") {
                None => faults.push(Fault::new("id", "parameter_missing", "is missing")),
                Some(id) if id.chars().count() > product::MAX_ID => {
                    faults.push(Fault::new("id", "parameter_invalid", format!("may have at most {} characters", product::MAX_ID)));
                }
                Some(_) => {}
            }
            if kind == FeedType::Pricing {
                for name in ["price", "sale_price"] {
                    match get(name).map(product::price_of) {
                        None if name == "price" => faults.push(Fault::new(name, "parameter_missing", "is missing")),
                        Some(Err((code, why))) => faults.push(Fault::new(name, code, why)),
                        _ => {}
                    }
                }
                return faults;
            }
            if get("availability").is_some_and(|text| product::availability(text).is_none()) {
                let what = format!("must be one of {}", product::AVAILABILITIES.join(", "));
                faults.push(Fault::new("availability", "parameter_invalid", what));
            }
            match get("inventory_quantity") {
                None if get("inventory_not_tracked").is_some() => {}
                None => faults.push(Fault::new("inventory_quantity", "parameter_missing", "is missing")),
                Some(text) if text.parse::<u32>().is_err() => {
                    faults.push(Fault::new("inventory_quantity", "parameter_invalid_integer", "must be a whole number"));
                }
                Some(_) => {}
            }
            faults
        }
    }
}

/// The rows that Stripe refused, as its file has them: columns of what was sent, and why.
pub struct ErrorFile {
    feed: Feed,
    /// Of the import; names that are Stripe's only come behind its own.
    pub columns: Vec<String>,
    /// Where each cell of the file goes. `None`: it is the reason.
    places: Vec<Option<usize>>,
    rows: Vec<Row>,
}

/// The column in which Stripe says why.
pub const REASON: &str = "stripe_error_message";

impl ErrorFile {
    pub fn new(format: Format, columns: Vec<String>) -> Self {
        ErrorFile { feed: Feed::with_ends(format, false), columns, places: Vec::new(), rows: Vec::new() }
    }

    /// Takes the next piece (`None`: there is no more); rows as they are kept are added to `kept_rows`.
    pub fn push(&mut self, piece: Option<&[u8]>, kept_rows: &mut Vec<String>) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        match piece {
            Some(piece) => self.feed.push(piece, &mut rows)?,
            None => self.feed.finish(&mut rows)?,
        }
        self.feed.ends();
        if self.places.is_empty() && !self.feed.header().is_empty() {
            for name in self.feed.header() {
                let place = match self.columns.iter().position(|known| known == name) {
                    _ if name == REASON => None,
                    Some(at) => Some(at),
                    None => {
                        self.columns.push(name.clone());
                        Some(self.columns.len().saturating_sub(1))
                    }
                };
                self.places.push(place);
            }
        }
        for row in rows.drain(..) {
            // A row that Stripe itself writes badly is none that anybody could mend.
            let Ok(Cells::Table(texts)) = row.cells else { continue };
            let mut cells = vec![String::new(); self.columns.len()];
            let mut reason = String::new();
            for (text, place) in texts.into_iter().zip(&self.places) {
                match place {
                    None => reason = text,
                    Some(at) => {
                        if let Some(cell) = cells.get_mut(*at) {
                            *cell = text;
                        }
                    }
                }
            }
            kept_rows.push(kept(&reason, &cells));
        }
        self.rows = rows;
        Ok(())
    }
}
