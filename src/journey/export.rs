//! Everything that a shop owns, as one download (contract, *Shops*, `GET /v1/shop/export`): one JSON document whose lists are read
//! and sent slice by slice, so that a large shop is never in memory as a whole.

use super::access;
use super::shops::shop_object;
use crate::edge::http::{Body, Download, Incoming, Reply};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::record::Json;
use crate::store::connect::ConnectionRow;
use crate::store::shops::ShopRow;
use crate::store::transactions::{Cursor, Filter};
use serde_json::Value;

/// Rows that are read at a time.
const SLICE: i64 = 200;

/// `GET /v1/shop/export`
pub async fn shop(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming).await?;
    let (body, download) = Download::new()?;
    let work = edge.clone();
    edge.later(async move {
        let written = write(&work, &shop, &download).await;
        if let Err(problem) = &written {
            log::line(object! { "level": "error", "event": "export_broke_off", "shop": shop.id, "why": problem.cause });
        }
        // Broken off, it does not parse: half of it cannot be taken for all of it.
        download.end(written.is_ok()).await;
    });
    Ok(Reply {
        status: 200,
        headers: vec![
            ("Content-Type", "application/json; charset=utf-8".to_owned()),
            ("Content-Disposition", "attachment; filename=\"shop-export.json\"".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ],
        body: Body::Stream(body),
    })
}

async fn write(edge: &Edge, shop: &ShopRow, download: &Download) -> Result<()> {
    let (keys, connections) = edge.db.keys_and_connections(&shop.id).await?;
    let keys: Vec<Value> = keys.iter().map(|key| object! { "created": key.created, "expires_at": key.expires_at }).collect();
    let connections: Vec<Value> = connections.iter().map(connection).collect();
    let head = object! { "object": "shop.export", "created": clock::now(), "shop": shop_object(shop), "api_keys": keys, "connections": connections };
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"transactions\":[");
    let (filter, mut last, mut between) = (Filter::default(), None::<String>, "");
    loop {
        let cursor = last.as_deref().map_or(Cursor::Start, Cursor::After);
        let rows = edge.db.transactions(&shop.id, &filter, &cursor, SLICE).await?;
        let mut rows = rows.ok_or_else(|| Problem::fault("the row where the export stood is gone"))?;
        let wanted = usize::try_from(SLICE).unwrap_or(200);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        for row in &rows {
            text.push_str(between);
            text.push_str(&row.transaction().to_string());
            between = ",";
        }
        send(download, &mut text).await?;
        last = rows.pop().map(|row| row.id);
        if !more {
            break;
        }
    }
    text.push_str("],\"notices\":[");
    // Above all ids: '~' follows every character that is in one.
    let (mut below, mut between) = ("~".to_owned(), "");
    loop {
        let notices = edge.db.notices_below(&shop.id, &below, SLICE).await?;
        let Some(lowest) = notices.last() else { break };
        below = lowest.id.clone();
        for notice in &notices {
            let object: Value = serde_json::from_str(&notice.object).unwrap_or_default();
            let told = object! { "object": "event", "id": notice.id, "type": notice.kind, "created": notice.created,
            "status": notice.status, "attempts": notice.attempts, "data": object! { "object": object } };
            text.push_str(between);
            text.push_str(&told.to_string());
            between = ",";
        }
        send(download, &mut text).await?;
    }
    text.push_str("]}");
    send(download, &mut text).await
}

async fn send(download: &Download, text: &mut String) -> Result<()> {
    download.write(text.as_bytes()).await.map_err(Problem::fault)?;
    text.clear();
    Ok(())
}

fn connection(row: &ConnectionRow) -> Value {
    object! { "object": "connection", "id": row.id, "status": row.status, "account": row.account, "livemode": row.livemode != 0,
    "scope": row.scope, "connected_at": row.connected_at, "gone_at": row.gone_at, "gone_reason": row.gone_reason,
    "charges_enabled": row.charges_enabled.map(|flag| (flag != 0).json()).unwrap_or_default(),
    "details_submitted": row.details_submitted.map(|flag| (flag != 0).json()).unwrap_or_default() }
}
