//! Everything that a shop owns, as one download (contract, *Shops*, `GET /v1/shop/export`): one JSON document.

use super::download::{self, send};
use super::shops::shop_object;
use super::{access, orders};
use crate::edge::http::{Download, Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::ledger::Row;
use crate::record::Json;
use crate::store::catalogue::FulfillmentRow;
use crate::store::export::LISTS;
use crate::store::lists::Cursor;
use crate::store::shops::ShopRow;
use crate::store::transactions::Filter;
use serde_json::Value;

/// Products that are read at a time.
const PRODUCTS: i64 = 500;
/// And orders.
const ORDERS: i64 = 200;

/// `GET /v1/shop/export`
pub fn shop(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    let id = shop.id.clone();
    let kind = "application/json; charset=utf-8";
    download::serve(edge, kind, "shop-export.json", &id, move |edge, download| write(edge, &shop, download))
}

fn write(edge: &Edge, shop: &ShopRow, download: &Download) -> Result<()> {
    let now = clock::now();
    let rules = edge.db.find::<FulfillmentRow>(edge.db.fulfillment_for(&shop.id))?;
    let rules = rules.map(|row| row.body.parse::<Value>().map_err(Problem::fault)).transpose()?;
    let mut text = object! { "object": "shop.export", "created": now, "shop": shop_object(shop), "fulfillment": rules }.text();
    text.pop();
    for list in &LISTS {
        begin(&mut text, list.name);
        // Above all ids: '~' follows every character that is in one.
        let mut below = "~".to_owned();
        loop {
            let rows = edge.db.exported(list, &shop.id, &below)?;
            let Some(last) = rows.last() else { break };
            below = last.id.clone();
            rows.iter().for_each(|row| add(&mut text, &row.object));
            send(download, &mut text)?;
        }
        text.push(']');
    }
    begin(&mut text, "products");
    let mut last: Option<String> = None;
    loop {
        let cursor = last.as_deref().map_or(Cursor::Start, Cursor::After);
        let page = edge.db.products_after(&shop.id, &cursor, PRODUCTS, now)?;
        page.iter().for_each(|row| add(&mut text, &row.object(now).text()));
        send(download, &mut text)?;
        match page.into_iter().next_back() {
            Some(row) => last = Some(row.id),
            None => break,
        }
    }
    text.push(']');
    begin(&mut text, "transactions");
    let mut one = |text: &mut String, row: &Row| add(text, &row.transaction().text());
    download::transactions(edge, &shop.id, &Filter::default(), download, &mut text, &mut one)?;
    text.push(']');
    begin(&mut text, "orders");
    write_orders(edge, shop, download, &mut text)?;
    text.push_str("]}");
    send(download, &mut text)
}

fn write_orders(edge: &Edge, shop: &ShopRow, download: &Download, text: &mut String) -> Result<()> {
    let mut last: Option<String> = None;
    loop {
        let cursor = last.as_deref().map_or(Cursor::Start, Cursor::After);
        let rows = edge.db.orders(&shop.id, &orders::Filter::default(), &cursor, ORDERS)?.unwrap_or_default();
        for row in &rows {
            add(text, &orders::object(edge, shop, row)?.text());
        }
        send(download, text)?;
        last = rows.into_iter().next_back().map(|row| row.id);
        if last.is_none() {
            return Ok(());
        }
    }
}

fn begin(text: &mut String, list: &str) {
    text.push_str(",\"");
    text.push_str(list);
    text.push_str("\":[");
}

/// Adds an element to the list at the end of the text. After a slice was sent the text is empty, and it cannot be the first.
fn add(text: &mut String, element: &str) {
    if !text.ends_with('[') {
        text.push(',');
    }
    text.push_str(element);
}
