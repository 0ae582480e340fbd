//! What a shop takes along is read and sent slice by slice, so that a large shop is never in memory as a whole.

use crate::edge::http::{Body, Download, Reply};
use crate::edge::{Edge, log};
use crate::error::{Problem, Result};
use crate::ledger::Row;
use crate::store::lists::Cursor;
use crate::store::shops::Whose;
use crate::store::transactions::Filter;

/// Rows that are read at a time.
const SLICE: i64 = 500;

/// Answers at once, and sends afterwards what `write` writes. Broken off, it does not look whole: half of it cannot be taken for all.
pub fn serve(
    edge: &Edge, kind: &str, file: &str, shop_id: &str, write: impl FnOnce(&Edge, &Download) -> Result<()> + 'static,
) -> Result<Reply> {
    let (body, download) = Download::new()?;
    let (work, shop_id) = (edge.clone(), shop_id.to_owned());
    edge.later(move || {
        let written = write(&work, &download);
        if let Err(problem) = &written {
            // Whoever leaves his own download is no fault of ours. Attack: with a key of his own a stranger fills the log with faults.
            let level = if download.abandoned() { "info" } else { "error" };
            log::line(object! { "level": level, "event": "export_broke_off", "shop": shop_id, "why": problem.cause });
        }
        download.end(written.is_ok());
    });
    Ok(Reply {
        status: 200,
        headers: vec![
            ("Content-Type", kind.to_owned()),
            ("Content-Disposition", format!("attachment; filename=\"{file}\"")),
            ("Cache-Control", "no-store".to_owned()),
        ],
        body: Body::Stream(body),
    })
}

/// Sends what has been written so far.
pub fn send(download: &Download, text: &mut String) -> Result<()> {
    download.write(text.as_bytes()).map_err(Problem::fault)?;
    text.clear();
    Ok(())
}

/// Writes all of a shop's transactions that a filter lets through, newest first, behind what `text` holds.
pub fn transactions(
    edge: &Edge, shop_id: &str, filter: &Filter, download: &Download, text: &mut String, add: &mut dyn FnMut(&mut String, &Row),
) -> Result<()> {
    let mut last: Option<String> = None;
    loop {
        let cursor = last.as_deref().map_or(Cursor::Start, Cursor::After);
        // One more than the slice tells that there is another; it is read again then.
        let rows = edge.db.transactions(&Whose::Shop(shop_id), filter, &cursor, SLICE)?.1;
        let mut rows = rows.ok_or_else(|| Problem::fault("the row where the download stood is gone"))?;
        let more = usize::try_from(SLICE).is_ok_and(|slice| rows.len() > slice);
        if more {
            rows.pop();
        }
        rows.iter().for_each(|row| add(text, row));
        send(download, text)?;
        last = rows.pop().map(|row| row.id);
        if !more {
            return Ok(());
        }
    }
}
