//! A shop looks at its products and changes single ones (contract, *Agents, catalogue, fulfilment*). Whole files come in by
//! [`super::upload`].

use super::access;
use super::lists::Page;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::product::{self, ProductRow, Rules};
use crate::record::Json;
use crate::store::shops::Whose;
use serde_json::Value;

/// Words of a query that are looked for, and its longest text, characters.
const MAX_WORDS: usize = 8;
const MAX_QUERY: usize = 200;
/// Up to here it is counted how many products a word has: whether there are more does not matter for which word leads.
const COUNTED: i64 = 1000;
/// Products whose stock is set by one request.
const MAX_INVENTORY: usize = 1000;
const MAX_QUANTITY: i64 = 1_000_000_000;

pub fn rules(edge: &Edge) -> Rules {
    Rules { allow_local: edge.config.allow_local }
}

/// `GET /v1/catalogue/products`: in the order of ids; with `query` those that have all its words in title, brand or id.
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let key_hash = access::key_hash(incoming)?;
    let query = incoming.param("query").unwrap_or_default();
    let asked = Page::read(incoming).and_then(|page| match query.chars().count() > MAX_QUERY {
        true => Err(Problem::value("parameter_invalid", "query", format!("query may have at most {MAX_QUERY} characters."))),
        false => Ok(page),
    });
    let mut words = product::words(&[&query]);
    words.truncate(MAX_WORDS);
    let nothing_fits = words.is_empty() && !query.trim().is_empty();
    let page = match asked {
        Ok(page) => page,
        Err(problem) => return Err(access::before(edge, incoming, problem)),
    };
    if nothing_fits {
        access::verified_shop(edge, incoming)?;
        return page.reply("/v1/catalogue/products", "product", Some(Vec::new()));
    }
    let now = clock::now();
    let whose = Whose::Key(&key_hash, now);
    if words.len() > 1 {
        // The rarest word leads: a word that every product has would be gone through to its end.
        let (shop, counts) = edge.db.count_words(&whose, &words, COUNTED)?;
        let shop = access::verified_known(edge, incoming, shop)?;
        let rarest = counts.iter().enumerate().min_by_key(|(_, count)| **count).map_or(0, |(at, _)| at);
        words.swap(0, rarest);
        let (_, found) = edge.db.products(&Whose::Shop(&shop.id), &words, &page.cursor(), page.limit, now)?;
        return page.reply("/v1/catalogue/products", "product", objects(found, now));
    }
    let (shop, found) = edge.db.products(&whose, &words, &page.cursor(), page.limit, now)?;
    access::verified_known(edge, incoming, shop)?;
    page.reply("/v1/catalogue/products", "product", objects(found, now))
}

fn objects(found: Option<Vec<ProductRow>>, now: i64) -> Option<Vec<Value>> {
    found.map(|rows| rows.iter().map(|row| row.object(now)).collect())
}

/// `GET /v1/catalogue/products/{product}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let now = clock::now();
    let row = edge.db.product(&shop.id, id, now)?.ok_or_else(|| Problem::missing("product", id))?;
    Ok(Reply::json(200, &row.object(now)))
}

/// `PUT /v1/catalogue/products/{product}`: what the body does not say is not kept.
pub fn put(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let product = product::read_one(&incoming.json()?, id, rules(edge))?;
    let now = clock::now();
    let row = edge.db.put_product(&shop.id, &product, now)?.ok_or_else(access::unknown_key)?;
    Ok(Reply::json(200, &row.object(now)))
}

/// `DELETE /v1/catalogue/products/{product}`
pub fn delete(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    access::no_body(incoming)?;
    if !edge.db.delete_product(&shop.id, id, clock::now())? {
        return Err(Problem::missing("product", id));
    }
    Ok(Reply::json(200, &object! { "object": "catalogue.product", "id": id, "deleted": true }))
}

/// `PATCH /v1/catalogue/inventory`: all of the list at once. `inventory_quantity: null` ends the counting.
pub fn inventory(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let body = incoming.json()?;
    let Value::Array(elements) = &body else {
        return Err(Problem::request(400, "json_invalid", "The body must be a JSON array."));
    };
    if elements.is_empty() || elements.len() > MAX_INVENTORY {
        return Err(Problem::request(422, "parameter_invalid", format!("The list must have 1 to {MAX_INVENTORY} products.")));
    }
    let mut ids: Vec<String> = Vec::with_capacity(elements.len());
    let mut rows = Vec::with_capacity(elements.len());
    for (at, element) in elements.iter().enumerate() {
        let fields = Fields::open(element, &format!("[{at}]"), &["id", "inventory_quantity", "availability"])?;
        fields.need("id")?;
        let id = fields.id("id", product::MAX_ID)?.unwrap_or_default().trim().to_owned();
        if fields.raw("inventory_quantity").is_none() {
            fields.need("inventory_quantity")?;
        }
        let quantity = fields.integer("inventory_quantity", 0, MAX_QUANTITY)?;
        let words: Vec<(&str, &str)> = product::AVAILABILITIES.iter().map(|word| (*word, *word)).collect();
        let availability = fields.choice("availability", &words)?;
        rows.push(vec![id.json(), quantity.json(), availability.json()].json());
        ids.push(id);
    }
    let mut sorted: Vec<&str> = ids.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    if let Some([id, _]) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        return Err(Problem::request(422, "duplicate_value", format!("The product {id} is in the list twice.")));
    }
    let updated = edge.db.set_inventory(&shop.id, &rows.text(), clock::now())?;
    let mut known: Vec<&str> = updated.iter().map(String::as_str).collect();
    known.sort_unstable();
    let unknown: Vec<&String> = ids.iter().filter(|id| known.binary_search(&id.as_str()).is_err()).collect();
    let count = i64::try_from(updated.len()).unwrap_or_default();
    Ok(Reply::json(200, &object! { "object": "catalogue.inventory", "updated": count, "unknown": unknown }))
}
