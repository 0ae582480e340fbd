//! Everything that a shop owns, as one download (contract, *Shops*, `GET /v1/shop/export`): one JSON document whose lists are read
//! and sent slice by slice, so that a large shop is never in memory as a whole.

use super::access;
use super::shops::shop_object;
use crate::edge::http::{Body, Download, Incoming, Reply};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::store::export::LISTS;
use crate::store::shops::ShopRow;
use crate::store::transactions::{Cursor, Filter};

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
    let mut text = object! { "object": "shop.export", "created": clock::now(), "shop": shop_object(shop) }.to_string();
    text.pop();
    for list in &LISTS {
        begin(&mut text, list.name);
        // Above all ids: '~' follows every character that is in one.
        let mut below = "~".to_owned();
        loop {
            let rows = edge.db.exported(list, &shop.id, &below).await?;
            let Some(last) = rows.last() else { break };
            below = last.id.clone();
            rows.iter().for_each(|row| add(&mut text, &row.object));
            send(download, &mut text).await?;
        }
        text.push(']');
    }
    begin(&mut text, "transactions");
    let (filter, mut last) = (Filter::default(), None::<String>);
    loop {
        let cursor = last.as_deref().map_or(Cursor::Start, Cursor::After);
        // One more than the slice tells that there is another; it is read again then.
        let rows = edge.db.transactions(&shop.id, &filter, &cursor, SLICE).await?;
        let mut rows = rows.ok_or_else(|| Problem::fault("the row where the export stood is gone"))?;
        let more = usize::try_from(SLICE).is_ok_and(|slice| rows.len() > slice);
        if more {
            rows.pop();
        }
        rows.iter().for_each(|row| add(&mut text, &row.transaction().to_string()));
        send(download, &mut text).await?;
        last = rows.pop().map(|row| row.id);
        if !more {
            break;
        }
    }
    text.push_str("]}");
    send(download, &mut text).await
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

async fn send(download: &Download, text: &mut String) -> Result<()> {
    download.write(text.as_bytes()).await.map_err(Problem::fault)?;
    text.clear();
    Ok(())
}
