//! The agent's copy of a shop's catalogue (the protocol's Feed API, 2026-04-17; rfc.product_feeds): what it is to be told, and what its
//! answers mean.
//!
//! A product of the feed groups rows of the catalogue by their `item_group_id`; each row is a variant, and its id is what a checkout
//! takes. Products are upserted whole, and there is no way to delete one: what the shop has no more is told as `discontinued`.

use super::session::document;
use super::write::{display_name, uri};
use crate::ledger::stored;
use crate::money::{Amount, Currency};
use crate::product::ProductRow;
use crate::record::{self, Json};
use crate::sign::sha256_hex;
use crate::text::civil_day;
use serde_json::{Map, Value};

/// Products of one request.
pub const BATCH: usize = 100;
/// Bytes of one request.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Rows that one product may group. A group that is larger is not made into one product: its rows are products of their own.
pub const GROUP: i64 = 100;
/// How many products an agent may refuse one after the other before it is left alone for a while: it refuses all, not these.
pub const REFUSED_IN_A_ROW: i64 = 10;
/// The catalogue is compared with what was told at least as often, seconds.
pub const COMPARED_EVERY: i64 = 24 * 3600;
/// And at most as often for the sake of prices that begin and end by the clock.
const PRICES_EVERY: i64 = 900;
/// Pauses after trouble, seconds; the last one again and again.
const PAUSES: [i64; 8] = [60, 120, 300, 900, 1800, 3600, 7200, 21_600];
/// The longest pause that an agent can ask for.
const LONGEST: i64 = 24 * 3600;

document! {
    /// Where a push stands.
    pub struct State {
        /// The feed's id at the agent.
        pub feed: Option<String>,
        /// The key with which the feed is made, the same with every attempt: no second one is to come of it.
        pub key: String,
        /// One of [`Phase`].
        pub phase: String,
        /// The catalogue that is compared, or was.
        pub generation: Option<i64>,
        /// How far the phase has come.
        pub at: String,
        pub at_product: String,
        /// The last change that was told.
        pub seen: i64,
        /// What was told already is told again in this pass.
        pub force: bool,
        /// Wanted by the shop: to begin with a pass that tells all.
        pub restart: bool,
        /// All is to be compared once more.
        pub compare: bool,
        /// The agent does not know its feed any more.
        pub lost: bool,
        /// Products of a request; halved to find the one that is refused.
        pub size: i64,
        pub refused_in_row: i64,
        /// Attempts that failed, one after the other.
        pub tries: i64,
        /// Products of a request whose answer is not written down: `[[key, product, variants], …]`, as in [`Piece`].
        pub sending: Value,
        /// Products that the agent has as they are, and that it refused.
        pub pushed: i64,
        pub failed: i64,
        /// `{created, status, product, message}`
        pub error: Value,
        pub last_pushed_at: Option<i64>,
        /// When the whole catalogue was compared last.
        pub full_at: Option<i64>,
        /// When a price that was told changes by the clock.
        pub price_changes_at: Option<i64>,
    }
}

/// What a push is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// What is known of a feed before is forgotten.
    Clear,
    /// The catalogue from its beginning to its end.
    Full,
    /// What was told and is there no more.
    Gone,
    /// What changed since.
    Changes,
    Idle,
}

impl Phase {
    const ALL: [(Phase, &'static str); 5] =
        [(Phase::Clear, "clear"), (Phase::Full, "full"), (Phase::Gone, "gone"), (Phase::Changes, "changes"), (Phase::Idle, "idle")];
}

impl State {
    /// A feed that nothing was told yet.
    pub fn fresh(key: String) -> Self {
        State { key, phase: "clear".to_owned(), size: as_i64(BATCH), ..State::default() }
    }

    pub fn phase(&self) -> Phase {
        Phase::ALL.into_iter().find(|(_, name)| *name == self.phase).map_or(Phase::Clear, |(phase, _)| phase)
    }

    /// Goes on to a phase, from its beginning.
    pub fn begin(&mut self, phase: Phase) {
        self.phase = Phase::ALL.into_iter().find(|(known, _)| *known == phase).map_or("clear", |(_, name)| name).to_owned();
        (self.at, self.at_product) = (String::new(), String::new());
    }

    /// Begins to compare all of a catalogue. What changes from here on is noted, and told afterwards.
    pub fn begin_pass(&mut self, generation: Option<i64>, latest: i64) {
        self.begin(Phase::Full);
        (self.generation, self.seen, self.price_changes_at) = (generation, latest, None);
    }

    /// When an idle feed is looked at, should nothing change before.
    pub fn next_look(&self, now: i64) -> i64 {
        let whole = self.full_at.unwrap_or(now).saturating_add(COMPARED_EVERY);
        let soonest = self.full_at.unwrap_or(now).saturating_add(PRICES_EVERY);
        self.price_changes_at.map_or(whole, |at| at.max(soonest).min(whole))
    }

    /// An attempt failed. Answers after how many seconds it may be tried again.
    pub fn failed(&mut self, trouble: &Trouble, now: i64) -> i64 {
        self.tries = self.tries.saturating_add(1);
        self.error = object! { "created": now, "status": trouble.status, "product": Value::Null, "message": trouble.message };
        self.lost = trouble.lost;
        let pause = usize::try_from(self.tries.saturating_sub(1)).ok().and_then(|at| PAUSES.get(at)).or(PAUSES.last());
        // A pause that the agent asks for is its own to choose; one without a word grows.
        trouble.retry_after.map_or(pause.copied().unwrap_or(LONGEST), |asked| asked.clamp(1, LONGEST))
    }

    /// The agent took something.
    pub fn succeeded(&mut self, now: i64) {
        (self.tries, self.refused_in_row, self.last_pushed_at) = (0, 0, Some(now));
        self.size = self.size.saturating_mul(2).clamp(1, as_i64(BATCH));
        if self.error.get("product").is_none_or(Value::is_null) {
            self.error = Value::Null;
        }
    }

    /// The agent refuses a batch. `true`: it is one product, which stays refused; of more the next batches are smaller, until it is found.
    pub fn refused(&mut self, batch: &[Piece], why: &str, status: u16, now: i64) -> bool {
        if batch.len() > 1 {
            self.size = as_i64((batch.len() / 2).max(1));
            return false;
        }
        let product = batch.first().map(|piece| piece.product.clone());
        let message = format!("The agent refuses the product '{}': {why}", product.as_deref().unwrap_or_default());
        self.error = object! { "created": now, "status": status, "product": product, "message": message };
        self.refused_in_row = self.refused_in_row.saturating_add(1);
        true
    }

    /// Counts what became of a piece.
    pub fn count(&mut self, piece: &Piece, taken: bool) {
        let (pushed, failed) = match piece.was {
            Was::New | Was::Unsure => (0, 0),
            Was::There => (1, 0),
            Was::Refused | Was::Outdated => (0, 1),
        };
        let (now_pushed, now_failed) = if piece.end {
            (0, 0)
        } else if taken {
            (1, 0)
        } else {
            (0, 1)
        };
        self.pushed = self.pushed.saturating_add(now_pushed).saturating_sub(pushed).max(0);
        self.failed = self.failed.saturating_add(now_failed).saturating_sub(failed).max(0);
        if self.failed == 0 && self.error.get("product").is_some_and(Value::is_string) {
            self.error = Value::Null;
        }
    }

    /// The `feed` of an agent, for its shop.
    pub fn object(state: Option<&str>, due_at: Option<i64>, wait_until: i64, now: i64) -> Value {
        let state = state.and_then(|state| State::stored(state).ok());
        let next_at = due_at.map(|due| due.max(wait_until));
        let state = match state {
            // What the shop asked to begin anew has not begun.
            Some(state) if !state.key.is_empty() => state,
            _ => State::default(),
        };
        let status = match state.phase() {
            _ if state.tries > 0 => "failing",
            _ if state.key.is_empty() => "pending",
            Phase::Idle if !state.restart && due_at.is_some_and(|due| due > now) => "synced",
            _ => "pushing",
        };
        object! { "status": status, "feed_id": state.feed, "pushed": state.pushed, "failed": state.failed, "last_error": state.error,
        "last_pushed_at": state.last_pushed_at, "next_at": next_at }
    }

    pub fn stored(text: &str) -> Result<Self, crate::record::Unreadable> {
        crate::record::Record::from_json(text.as_bytes())
    }
}

fn as_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How a product stood before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    New,
    There,
    /// Never taken.
    Refused,
    /// An older one was taken.
    Outdated,
    /// New, and told by a request of which nobody knows what came.
    Unsure,
}

record! {
    /// A product that was told, as D1 has it.
    #[derive(Debug)]
    pub struct Known {
        pub key: String,
        pub product: String,
        pub digest: String,
        /// `[[id, title], …]`
        pub variants: String,
        pub refused: i64,
        /// Those of its rows' ids that the catalogue still has, in this group or in another: a JSON list.
        pub alive: String,
    }
}

impl Known {
    fn was(&self) -> Was {
        match self.refused {
            0 => Was::There,
            1 => Was::Refused,
            3 => Was::Unsure,
            _ => Was::Outdated,
        }
    }

    /// Ids and titles of its rows.
    fn rows(&self) -> Vec<(String, String)> {
        let text = |row: &Value, at: usize| row.get(at).and_then(Value::as_str).map(str::to_owned);
        match stored(&self.variants) {
            Value::Array(rows) => rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1).unwrap_or_default()))).collect(),
            _ => Vec::new(),
        }
    }

    fn alive(&self) -> Vec<String> {
        match stored(&self.alive) {
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// One product to be told.
#[derive(Debug, Clone)]
pub struct Piece {
    pub key: String,
    pub product: String,
    /// The product as JSON.
    pub text: String,
    pub digest: String,
    /// As in [`Known::variants`], once it is taken.
    pub variants: String,
    /// And if it is refused.
    pub variants_before: String,
    /// There is no such product any more.
    pub end: bool,
    pub was: Was,
}

/// What there is to tell of one key.
#[derive(Debug, Default)]
pub struct Plan {
    pub pieces: Vec<Piece>,
    /// Products of which nothing need be told or known any more; each with how it stood.
    pub forgotten: Vec<Piece>,
    /// When the price of one of them changes by the clock.
    pub price_changes_at: Option<i64>,
    /// The group has grown too large: what was one product has to be told row by row, and not all of its rows are here.
    pub regroup: bool,
}

/// Who sells, as it stands with each variant.
pub fn seller(name: &str, links: &str) -> Value {
    let links = match stored(links) {
        Value::Array(links) => links,
        _ => Vec::new(),
    };
    let link = |link: &Value| {
        let text = |member: &str| link.get(member).and_then(Value::as_str);
        // The feed's own words for two of them.
        let kind = match text("type")? {
            "terms_of_use" => "terms_of_service",
            "return_policy" => "refund_policy",
            kind => kind,
        };
        let mut shown = Map::new();
        shown.insert("type".to_owned(), kind.json());
        shown.insert("url".to_owned(), uri(text("url")?)?.json());
        if let Some(title) = text("title") {
            shown.insert("title".to_owned(), title.json());
        }
        Some(Value::Object(shown))
    };
    let mut seller = Map::new();
    if !name.is_empty() {
        seller.insert("name".to_owned(), name.json());
    }
    let links: Vec<Value> = links.iter().filter_map(link).collect();
    if !links.is_empty() {
        seller.insert("links".to_owned(), links.json());
    }
    Value::Object(seller)
}

/// What there is of one key.
#[derive(Debug, Clone, Copy)]
pub struct OfKey<'a> {
    pub key: &'a str,
    /// The group is too large for one product: each row is one, and `rows` are those of `ids` alone.
    pub large: bool,
    pub ids: &'a [&'a str],
    /// As they are now.
    pub rows: &'a [&'a ProductRow],
    /// What was told before.
    pub known: &'a [&'a Known],
}

/// What is to be told of one key. `force` tells again what is the same.
pub fn plan(seller: &Value, of: OfKey<'_>, force: bool, now: i64) -> Plan {
    let OfKey { key, large, ids, rows, known } = of;
    let mut plan = Plan { price_changes_at: rows.iter().filter_map(|row| price_changes_at(row, now)).min(), ..Plan::default() };
    let wanted: Vec<(&str, &[&ProductRow])> = match (large, rows) {
        (_, []) => Vec::new(),
        (true, rows) => rows.iter().map(|row| (row.id.as_str(), std::slice::from_ref(row))).collect(),
        (false, rows) => vec![(key, rows)],
    };
    let is_wanted = |product: &str| wanted.iter().any(|(wanted, _)| *wanted == product);
    // First what ends: a row that moves to another product is not to be discontinued after it arrived there.
    for known in known.iter().filter(|known| !is_wanted(&known.product)) {
        let over = !large || known.product == key || ids.contains(&known.product.as_str());
        let end = Piece {
            key: key.to_owned(),
            product: known.product.clone(),
            text: ended(known).to_string(),
            digest: String::new(),
            variants: "[]".to_owned(),
            variants_before: known.variants.clone(),
            end: true,
            was: known.was(),
        };
        plan.regroup |= large && known.product == key;
        match known.was() {
            _ if !over => {}
            Was::Refused => plan.forgotten.push(end),
            _ => plan.pieces.push(end),
        }
    }
    for (product, rows) in wanted {
        let known = known.iter().find(|known| known.product == product);
        let live = shown(seller, product, rows, now);
        let digest = sha256_hex(live.text().as_bytes());
        let gone = known.map(|known| gone(known, rows)).unwrap_or_default();
        let same = known.is_some_and(|known| known.digest == digest);
        if same && gone.is_empty() && !force {
            continue;
        }
        let variants: Vec<[&str; 2]> = rows.iter().map(|row| [row.id.as_str(), row.title.as_str()]).collect();
        plan.pieces.push(Piece {
            key: key.to_owned(),
            product: product.to_owned(),
            text: with(live, gone).text(),
            digest,
            variants: variants.text(),
            variants_before: known.filter(|known| known.refused != 1).map_or_else(|| "[]".to_owned(), |known| known.variants.clone()),
            end: false,
            was: known.map_or(Was::New, |known| known.was()),
        });
    }
    plan
}

/// Variants that the agent has of a product and that are nowhere any more.
fn gone(known: &Known, rows: &[&ProductRow]) -> Vec<Value> {
    let alive = known.alive();
    let is_there = |id: &str| rows.iter().any(|row| row.id == id) || alive.iter().any(|alive| alive == id);
    known.rows().iter().filter(|(id, _)| known.refused != 1 && !is_there(id)).map(|(id, title)| discontinued(id, title)).collect()
}

fn discontinued(id: &str, title: &str) -> Value {
    object! { "id": id, "title": if title.is_empty() { id } else { title },
    "availability": object! { "available": false, "status": "discontinued" } }
}

/// A product that is no more. A row that lives on in another one is not said to be gone.
fn ended(known: &Known) -> Value {
    let title = known.rows().first().map(|(_, title)| title.clone()).unwrap_or_default();
    let mut product = Map::new();
    product.insert("id".to_owned(), known.product.json());
    if !title.is_empty() {
        product.insert("title".to_owned(), title.json());
    }
    product.insert("variants".to_owned(), gone(known, &[]).json());
    Value::Object(product)
}

fn with(mut product: Value, more: Vec<Value>) -> Value {
    if let Some(variants) = product.get_mut("variants").and_then(Value::as_array_mut) {
        variants.extend(more);
    }
    product
}

/// A product and its variants. What all variants share of a description and of pictures is said once, with the product.
fn shown(seller: &Value, id: &str, rows: &[&ProductRow], now: i64) -> Value {
    let mut product = Map::new();
    product.insert("id".to_owned(), id.json());
    let Some(first) = rows.first() else { return Value::Object(product) };
    product.insert("title".to_owned(), first.item_group_title.as_ref().filter(|_| id != first.id).unwrap_or(&first.title).json());
    if let Some(description) = &first.description {
        product.insert("description".to_owned(), object! { "plain": description });
    }
    if let Some(link) = first.link.as_deref().and_then(uri) {
        product.insert("url".to_owned(), link.json());
    }
    let pictures = media(first);
    if !pictures.is_empty() {
        product.insert("media".to_owned(), pictures.json());
    }
    let variants: Vec<Value> = rows.iter().map(|row| variant(seller, row, first, now)).collect();
    product.insert("variants".to_owned(), variants.json());
    Value::Object(product)
}

fn variant(seller: &Value, row: &ProductRow, first: &ProductRow, now: i64) -> Value {
    let mut variant = Map::new();
    let mut put = |name: &str, value: Value| variant.insert(name.to_owned(), value);
    put("id", row.id.json());
    put("title", row.title.json());
    if let Some(description) = row.description.as_ref().filter(|description| Some(*description) != first.description.as_ref()) {
        put("description", object! { "plain": description });
    }
    if let Some(link) = row.link.as_deref().and_then(uri) {
        put("url", link.json());
    }
    let barcodes: Vec<Value> = [("GTIN", &row.gtin), ("MPN", &row.mpn)]
        .into_iter()
        .filter_map(|(kind, value)| Some(object! { "type": kind, "value": value.as_ref()? }))
        .collect();
    if !barcodes.is_empty() {
        put("barcodes", barcodes.json());
    }
    let price = row.price_at(now);
    if let Some(shown) = amount(price, &row.currency) {
        put("price", shown);
    }
    if let Some(before) = amount(row.price, &row.currency).filter(|_| price < row.price) {
        put("list_price", before);
    }
    put("availability", availability(row));
    let extra = stored(&row.extra);
    let said = |name: &str| extra.get(name).and_then(Value::as_str);
    let categories: Vec<Value> = [
        (row.google_product_category.as_deref(), "google_product_category"),
        (said("product_category"), "merchant"),
        (said("product_type"), "merchant"),
    ]
    .into_iter()
    .filter_map(|(value, taxonomy)| Some(object! { "value": value?, "taxonomy": taxonomy }))
    .collect();
    if !categories.is_empty() {
        put("categories", categories.json());
    }
    if let Some(condition) = &row.condition {
        put("condition", [condition].json());
    }
    let options: Vec<Value> = ["color", "size", "material", "pattern", "gender", "age_group"]
        .into_iter()
        .filter_map(|name| Some(object! { "name": display_name(name), "value": said(name)? }))
        .collect();
    if !options.is_empty() {
        put("variant_options", options.json());
    }
    let pictures = media(row);
    if !pictures.is_empty() && (row.id == first.id || pictures != media(first)) {
        put("media", pictures.json());
    }
    if seller.as_object().is_some_and(|seller| !seller.is_empty()) {
        put("seller", seller.clone());
    }
    Value::Object(variant)
}

/// Pictures first, the main one at the front.
fn media(row: &ProductRow) -> Vec<Value> {
    let extra = stored(&row.extra);
    let said = |name: &str| extra.get(name).and_then(Value::as_str).map(str::to_owned);
    let more = row.additional_image_link.iter().flat_map(|links| links.split(',')).map(|link| link.trim().to_owned());
    let pictures = row.image_link.iter().cloned().chain(more).map(|url| ("image", url));
    let others = [("video", said("video_link")), ("model", said("model_3d_link"))];
    let others = others.into_iter().filter_map(|(kind, url)| Some((kind, url?)));
    pictures.chain(others).filter_map(|(kind, url)| Some(object! { "type": kind, "url": uri(&url)? })).collect()
}

/// In ISO 4217's minor units, as the feed's schema wants it. `None`: not to be said in them.
fn amount(minor: i64, currency: &str) -> Option<Value> {
    let known = Currency::parse(currency)?;
    Some(object! { "amount": known.iso_minor(Amount::new(minor)?)?, "currency": currency.to_ascii_uppercase() })
}

/// What is held for a payment under way counts as there: it mostly comes back, and a checkout looks again.
fn availability(row: &ProductRow) -> Value {
    let status = match (row.availability.as_str(), row.inventory_quantity) {
        ("in_stock", Some(..=0)) => "out_of_stock",
        (status, _) => status,
    };
    object! { "available": status != "out_of_stock" && row.disable_checkout == 0, "status": status }
}

fn price_changes_at(row: &ProductRow, now: i64) -> Option<i64> {
    row.sale_price?;
    [row.sale_from, row.sale_until].into_iter().flatten().filter(|at| *at > now).min()
}

/// The body of a request with some products.
pub fn body(pieces: &[Piece]) -> String {
    let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
    format!(r#"{{"products":[{}]}}"#, texts.join(","))
}

/// How many of the first pieces go into one request: at least one, at most `size`.
pub fn batch(pieces: &[Piece], size: i64) -> usize {
    let most = usize::try_from(size).unwrap_or(BATCH).clamp(1, BATCH);
    let mut bytes = r#"{"products":[]}"#.len();
    let fits = |piece: &&Piece| {
        bytes = bytes.saturating_add(piece.text.len()).saturating_add(1);
        bytes <= BATCH_BYTES
    };
    pieces.iter().take(most).take_while(fits).count().max(pieces.len().min(1))
}

/// Where an agent's feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To be made by a POST to this address.
    ToMake(String),
    /// The address says which one it is: its id.
    Named(String),
}

/// Reads a `feed_url`: where the agent's Feed API is, with or without the `/feeds`, or one feed there.
pub fn place(url: &str) -> Place {
    let base = url.trim_end_matches('/');
    let mut segments = base.rsplit('/');
    let (last, before) = (segments.next().unwrap_or_default(), segments.next());
    match before {
        _ if last == "feeds" => Place::ToMake(base.to_owned()),
        Some("feeds") => Place::Named(last.to_owned()),
        _ => Place::ToMake([base, "/feeds"].concat()),
    }
}

/// The address of a feed's products. What stands in a `feed_url` is encoded already.
pub fn products_url(url: &str, feed: &str) -> String {
    match place(url) {
        Place::Named(_) => [url.trim_end_matches('/'), "/products"].concat(),
        Place::ToMake(feeds) => format!("{feeds}/{}/products", encoded(feed)),
    }
}

/// A segment of a path (RFC 3986): all but the unreserved characters are encoded, so that an agent's id leads to nowhere else.
fn encoded(segment: &str) -> String {
    let mut encoded = String::new();
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Why nothing can be told for now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// HTTP's; none where there was no answer.
    pub status: Option<u16>,
    pub message: String,
    /// Seconds, as the agent asks.
    pub retry_after: Option<i64>,
    /// The agent does not know the feed.
    pub lost: bool,
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Carries the feed's id, where one was made.
    Taken(Option<String>),
    /// What was sent is not to its liking; why.
    Refused(u16, String),
    Trouble(Trouble),
}

/// Reads an answer. Of its text nothing goes further but a feed's id and an error's code: an address might be an inside one.
pub fn heard(status: u16, retry_after: Option<&str>, body: &[u8], making: bool, now: i64) -> Heard {
    let said: Value = record::parsed(body).unwrap_or_default();
    let code = said.get("code").or_else(|| said.pointer("/error/code")).and_then(Value::as_str);
    let plain = |code: &&str| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    let why = match code.filter(plain) {
        Some(code) => format!("it answered {status} {code}."),
        None => format!("it answered {status}."),
    };
    let trouble = |what: &str, lost: bool| {
        let retry_after = retry_after.and_then(|text| seconds_until(text, now)).filter(|_| status == 429 || status >= 500);
        Heard::Trouble(Trouble { status: Some(status), message: format!("{what}: {why}"), retry_after, lost })
    };
    match status {
        200..=299 if making => match said.get("id").and_then(Value::as_str) {
            // Two names that lead elsewhere in any address, however they are encoded.
            Some(id) if (1..=255).contains(&id.len()) && !id.chars().any(char::is_control) && id != "." && id != ".." => {
                Heard::Taken(Some(id.to_owned()))
            }
            _ => trouble("The agent made no feed that has an id", false),
        },
        200..=299 if said.get("accepted") == Some(&Value::Bool(false)) => Heard::Refused(status, why),
        200..=299 => Heard::Taken(None),
        300..=399 => trouble("The agent's feed redirects, which is not followed", false),
        400 | 413 | 422 if !making => Heard::Refused(status, why),
        401 | 403 => trouble("The agent's feed does not take the feed_key", false),
        404 | 410 if !making => trouble("The agent does not know the feed", true),
        _ => trouble("The agent's feed is in trouble", false),
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, 5.6.7 and 10.2.3), as seconds from now.
fn seconds_until(text: &str, now: i64) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(LONGEST));
    }
    let mut parts = text.split(' ').skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|known| *known == month)?;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if parts.next() != Some("GMT") || !(1970..=9999).contains(&year) {
        return None;
    }
    let at = civil_day(year, as_i64(month).saturating_add(1), day)?.checked_mul(86_400)?;
    let at = at.checked_add(hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?)?;
    Some(at.saturating_sub(now).max(0))
}
