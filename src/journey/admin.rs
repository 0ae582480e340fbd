//! What the operator sees and does (contract, *Operator*). Without `ADMIN_KEY` there is nothing here.

use super::access;
use super::lists::Page;
use super::shops::shop_object;
use crate::edge::http::{Body, Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::money;
use crate::record::Json;
use crate::store::Db;
use crate::store::admin::{Fees, METRICS};
use crate::store::lists::Cursor;
use crate::store::shops::ShopRow;
use serde_json::Value;

/// Of a shop's `category_fees`: how many there may be, and the longest name, characters.
const MAX_CATEGORIES: usize = 500;
const MAX_CATEGORY: usize = 750;

const STATUSES: [&str; 5] = ["pending", "active", "suspended", "superseded", "deleted"];

fn operator(edge: &Edge, incoming: &Incoming) -> Result<()> {
    if edge.config.admin_key.is_none() {
        return Err(Problem::nothing_here());
    }
    access::operator(edge, incoming)
}

/// The shop as its operator sees it.
fn seen(shop: &ShopRow) -> Value {
    let mut object = shop_object(shop);
    if let Value::Object(members) = &mut object {
        members.insert("fee_bps".into(), shop.fee_bps.json());
        for (name, stored) in [("fee_fixed", &shop.fee_fixed), ("category_fees", &shop.category_fees)] {
            let value = stored.as_deref().and_then(|text| text.parse::<Value>().ok());
            members.insert(name.into(), value.json());
        }
    }
    object
}

/// `GET /v1/admin/shops`
pub fn shops(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    operator(edge, incoming)?;
    let page = Page::read(incoming)?;
    let status = incoming.param("status");
    if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(Problem::value("parameter_invalid", "status", format!("status must be one of {}.", STATUSES.join(", "))));
    }
    let rows = through(edge, &page, |db, cursor, limit| {
        let rows = db.all_shops(status.as_deref(), cursor, limit)?;
        Ok(rows.map(|rows| rows.iter().map(seen).collect()))
    });
    page.reply("/v1/admin/shops", "shop", rows?)
}

/// A page of a list that goes through all databases, one after the other. As one database gives it: one row more than the page holds, in
/// the order of reading; `None` where no database has what it is to begin at.
fn through(edge: &Edge, page: &Page, read: impl Fn(&Db, &Cursor<'_>, i64) -> Result<Option<Vec<Value>>>) -> Result<Option<Vec<Value>>> {
    let mut places = edge.everywhere();
    let start = page.cursor();
    let backwards = matches!(start, Cursor::Before(_));
    if backwards {
        places.reverse();
    }
    let mut found: Option<Vec<Value>> = None;
    for place in places {
        let cursor = match &found {
            None => &start,
            Some(_) if backwards => &Cursor::End,
            Some(_) => &Cursor::Start,
        };
        let left = page.limit.saturating_sub(found.as_ref().map_or(0, |rows| i64::try_from(rows.len()).unwrap_or(page.limit)));
        if left < 0 {
            break;
        }
        if let Some(rows) = read(&place.db, cursor, left)? {
            found.get_or_insert_default().extend(rows);
        }
    }
    Ok(found)
}

/// `POST /v1/admin/shops/{id}/suspend` and `…/resume`; once more changes nothing.
pub fn switch(edge: &Edge, incoming: &Incoming, id: &str, suspend: bool) -> Result<Reply> {
    operator(edge, incoming)?;
    Fields::open(&incoming.json()?, "", &[])?;
    let to = if suspend { "suspended" } else { "active" };
    match edge.db.switch_shop(id, to)? {
        Some(shop) if shop.status == to => Ok(Reply::json(200, &seen(&shop))),
        Some(shop) => Err(Problem::request(
            409,
            "shop_not_active",
            format!("This shop is {}: only one that is active can be suspended, and resumed after that.", shop.status),
        )),
        None => Err(Problem::missing("shop", id)),
    }
}

/// `PATCH /v1/admin/shops/{id}`: what is named is set, `null` takes it back (the variables hold again), the rest stays.
pub fn update(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    operator(edge, incoming)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["fee_bps", "fee_fixed", "category_fees"])?;
    let bps = fields.integer("fee_bps", 0, 10_000)?;
    let fixed = match fields.get("fee_fixed") {
        None => None,
        Some(value) => {
            money::read_amounts(value, "fee_fixed")?;
            Some(value.text())
        }
    };
    let categories = match fields.get("category_fees") {
        None => None,
        Some(value) => {
            category_fees(value)?;
            Some(value.text())
        }
    };
    let named = |name: &str| fields.raw(name).is_some();
    let set = |name: &str, value: Option<String>| named(name).then_some(value);
    let fees = Fees { bps: named("fee_bps").then_some(bps), fixed: set("fee_fixed", fixed), categories: set("category_fees", categories) };
    let shop = edge.db.set_fees(id, &fees)?;
    shop.map(|shop| Reply::json(200, &seen(&shop))).ok_or_else(|| Problem::missing("shop", id))
}

/// `{category: {bps?, fixed?}}`: categories as the product feed names them, each down to any of its steps.
fn category_fees(value: &Value) -> Result<()> {
    let names: Vec<&str> = value.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default();
    let all = Fields::open(value, "category_fees", &names)?;
    if names.len() > MAX_CATEGORIES {
        return Err(Problem::value_about("parameter_invalid", "category_fees", &format!("may name at most {MAX_CATEGORIES} categories.")));
    }
    for name in names {
        let path = all.name(&name.chars().take(100).collect::<String>());
        if name.chars().count() > MAX_CATEGORY || name.split('>').any(|step| step.trim().is_empty()) {
            return Err(Problem::value_about("parameter_invalid", &path, "must be a category of the feed, as in Apparel > Shoes."));
        }
        let one = Fields::open(all.need(name)?, &path, &["bps", "fixed"])?;
        one.integer("bps", 0, 10_000)?;
        if let Some(fixed) = one.get("fixed") {
            money::read_amounts(fixed, &one.name("fixed"))?;
        }
    }
    Ok(())
}

/// `GET /v1/admin/strays`
pub fn strays(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    operator(edge, incoming)?;
    let page = Page::read(incoming)?;
    let mut rows = through(edge, &page, |db, cursor, limit| db.strays(cursor, limit))?;
    for row in rows.iter_mut().flatten().filter_map(Value::as_object_mut) {
        row.insert("object".to_owned(), "stray".json());
        let live = row.get("livemode").and_then(Value::as_i64) == Some(1);
        row.insert("livemode".to_owned(), live.json());
        if let Some(transaction) = row.remove("transaction_id") {
            row.insert("transaction".to_owned(), transaction);
        }
    }
    page.reply("/v1/admin/strays", "stray", rows)
}

/// `GET /v1/admin/metrics`: JSON, or the Prometheus text format 0.0.4 for whoever accepts text (a scraper says so). All are gauges: they
/// are counted when they are asked for.
pub fn metrics(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    operator(edge, incoming)?;
    let now = clock::now();
    let mut found = Vec::new();
    for place in edge.everywhere() {
        found.push((place.database(), place.db.figures(edge.config.seal_keys.first_id(), now)?.into_iter()));
    }
    let (mut text, mut list) = (String::new(), Vec::new());
    for metric in &METRICS {
        text.push_str(metric.head);
        for (database, figures) in &mut found {
            // Where there are several databases each has figures of its own.
            let label = database.map(|name| format!("database=\"{name}\"")).unwrap_or_default();
            for figure in figures.next().unwrap_or_default() {
                let (labels, value) = figure.rsplit_once(' ').unwrap_or_default();
                let inside = labels.trim_start_matches('{').trim_end_matches('}');
                let labels: Vec<&str> = [label.as_str(), inside].into_iter().filter(|label| !label.is_empty()).collect();
                let labels = labels.join(",");
                text.push_str(metric.name);
                if !labels.is_empty() {
                    text.push_str(&format!("{{{labels}}}"));
                }
                text.push_str(&format!(" {value}\n"));
                list.push(object! { "name": metric.name, "labels": labels_of(&labels), "value": value.parse::<i64>().ok() });
            }
        }
    }
    if !incoming.header("Accept").is_some_and(|accept| accept.contains("text/") || accept.contains("openmetrics")) {
        return Ok(Reply::json(200, &object! { "object": "metrics", "data": list }));
    }
    let headers = vec![("Content-Type", "text/plain; version=0.0.4; charset=utf-8".to_owned()), ("Cache-Control", "no-store".to_owned())];
    Ok(Reply { status: 200, headers, body: Body::Text(text) })
}

/// `a="b",c="d"` as an object. The values are words of ours, which hold no quotes.
fn labels_of(labels: &str) -> Value {
    let mut object = serde_json::Map::new();
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        if let Some((name, value)) = label.split_once("=\"") {
            object.insert(name.to_owned(), value.trim_end_matches('"').json());
        }
    }
    Value::Object(object)
}
