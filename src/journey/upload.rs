//! A shop sends its catalogue as a file (contract, *Agents, catalogue, fulfilment*): received, checked and staged as it comes,
//! then switched to in one go. Until then, and should it break off, the catalogue is the one before.
//!
//! The file is too large to be kept, so what the `Idempotency-Key` is held against is a hash of its bytes, and the file has to be
//! received once more before the first answer can be given again. A shop has one upload at a time: its row in D1 is the lock, moved
//! ahead with every batch and free a minute after the last.

use super::attempt;
use super::catalogue::rules;
use super::lists::Page;
use super::{access, download, shops};
use crate::edge::http::{Download, Incoming, Pieces, Reply, larger_than};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::feed::{Cells, Feed, Format, Row};
use crate::product::{self, Fault, Rules};
use crate::record::{self, Json};
use crate::sign::Digest;
use crate::store::catalogue::staged;
use crate::store::idempotency::Attempt;
use crate::store::uploads::{Begun, Progress, Upload, UploadRow};
use crate::text::csv_cell;
use serde_json::Value;
use std::collections::BTreeMap;

/// The scope of idempotency keys is shop + path: replacing and upserting share it, and differ in what a file is recognised by.
const PATH: &str = "/v1/catalogue/products";
/// Largest file, bytes: as much as the platform lets through.
const MAX_FILE: usize = 100 * 1024 * 1024;
/// Rows of one file. What is switched in one statement, and what a shop may fill, needs a bound.
const MAX_ROWS: i64 = 250_000;
/// A batch is sent to D1 at this size of its JSON, or this many rows, or after so many seconds: a parameter of D1's has at most 2 MB, a
/// request at most 1,000 statements (the largest file takes some 900), and a file that trickles must not look like one that broke off.
const BATCH_BYTES: usize = 950_000;
const BATCH_ROWS: usize = 5000;
const BATCH_SECONDS: i64 = 15;
/// Errors that are kept of one file.
const MAX_ERRORS: i64 = 50_000;
/// Slices of the catalogue before that are swept at once after a file; the sweep has the rest.
const SLICES: u32 = 20;

/// `PUT` and `PATCH /v1/catalogue/products`; `mode` is `replace` or `upsert`.
pub fn receive(edge: &Edge, incoming: &Incoming, mode: &'static str) -> Result<Reply> {
    let mut pieces = incoming.pieces();
    let reply = answer(edge, incoming, &mut pieces, mode);
    // Of what is too large anyhow not even that much is waited for.
    if reply.is_err() && incoming.announced().is_none_or(|length| length <= MAX_FILE) {
        pieces.drain();
    }
    reply
}

fn answer(edge: &Edge, incoming: &Incoming, pieces: &mut Pieces, mode: &'static str) -> Result<Reply> {
    // Receive.
    let now = clock::now();
    let key_hash = access::key_hash(incoming)?;
    let key = attempt::key(incoming);
    let format = Format::of(&incoming.header("Content-Type").unwrap_or_default());
    // Load.
    let (shop, earlier) = edge.db.load_for_upload(&key_hash, now, PATH, key.as_deref().unwrap_or_default())?;
    let shop = access::known(edge, incoming, shop)?;
    access::verified(&shop)?;
    // One attempt can be told from the next by a key; without one each is its own.
    let key = if incoming.header("Idempotency-Key").is_some_and(|key| !key.is_empty()) { Some(key?) } else { None };
    let packed = incoming.header("Content-Encoding").is_some_and(|how| !how.eq_ignore_ascii_case("identity"));
    let Some(format) = format.filter(|_| !packed) else {
        return Err(Problem::request(
            415,
            "media_type_unsupported",
            "Send the file as application/x-ndjson, text/csv or text/tab-separated-values, in UTF-8 and not compressed.",
        ));
    };
    let announced = incoming.announced();
    if announced.is_some_and(|length| length > MAX_FILE) {
        return Err(larger_than(MAX_FILE));
    }
    let mut file = File { pieces, digest: Digest::default(), bytes: 0, announced };
    if let Some(earlier) = &earlier {
        if earlier.status.is_some() {
            while file.next()?.is_some() {}
            let fingerprint = file.fingerprint(mode, format);
            if let Some(reply) = attempt::earlier_answer(Some(earlier), &fingerprint, now)? {
                return Ok(reply);
            }
            return Err(Problem::fault("an answer that is there and is not"));
        }
        if earlier.locked_until > now {
            return Err(attempt::in_flight());
        }
    }
    // Record the intent.
    let id = clock::fresh_id("ccup_")?;
    let lock = clock::fresh_secret("")?;
    let key = key.unwrap_or_else(|| ["-", &lock].concat());
    let attempt = Attempt { shop_id: &shop.id, path: PATH, key: &key, lock: &lock };
    let generation = match edge.db.begin_upload(&attempt, &id, mode, now)? {
        Begun::Yes(generation) => generation,
        Begun::KeyTaken => return Err(attempt::in_flight()),
        Begun::Busy(other) => {
            return Err(Problem::request(
                409,
                "upload_in_flight",
                "Another upload of this shop is running. Send this one when it has ended.",
            )
            .after(10)
            .with("upload", other.json()));
        }
    };
    let upload = Upload { id: &id, generation, replaces: mode == "replace", attempt: &attempt };
    let mut staging = Staging::new(rules(edge));
    // Decide, row by row, and record.
    let done = (|| {
        stage_file(edge, &mut file, &upload, Feed::new(format), &mut staging)?;
        switch(edge, &upload, &mut staging.progress, file.fingerprint(mode, format), now)
    })();
    match done {
        Ok(body) => {
            sweep_later(edge);
            Ok(Reply::rendered(200, body))
        }
        Err(problem) => {
            let told = object! { "code": problem.code, "message": problem.message }.text();
            // What cannot be written down now is found by the next upload, or by the sweep.
            if let Err(trouble) = edge.db.fail_upload(&upload, staging.progress, &told, clock::now()) {
                log::line(object! { "level": "warn", "event": "upload_left_to_sweep", "upload": id, "why": trouble.cause });
            }
            sweep_later(edge);
            Err(problem.with("upload", id.json()))
        }
    }
}

/// A file as it comes in, counted and hashed.
struct File<'a> {
    pieces: &'a mut Pieces,
    digest: Digest,
    bytes: usize,
    announced: Option<usize>,
}

impl File<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let broken = |why: String| Problem::request(400, "body_unreadable", "The file broke off. Nothing was changed.").because(why);
        match self.pieces.next().map_err(broken)? {
            Some(piece) => {
                self.bytes = self.bytes.saturating_add(piece.len());
                if self.bytes > MAX_FILE {
                    return Err(larger_than(MAX_FILE));
                }
                self.digest.update(&piece);
                Ok(Some(piece))
            }
            None if self.announced.is_some_and(|length| length != self.bytes) => {
                Err(broken(format!("{} bytes of {:?}", self.bytes, self.announced)))
            }
            None => Ok(None),
        }
    }

    /// What a file is recognised by. Called once, at its end.
    fn fingerprint(&mut self, mode: &str, format: Format) -> String {
        format!("{mode} {} {}", format.name(), std::mem::take(&mut self.digest).hex())
    }
}

/// Rows on their way to D1.
struct Staging {
    rules: Rules,
    rows: Vec<String>,
    /// Where in `rows` an id is, and the number of its row.
    ids: BTreeMap<String, (usize, i64)>,
    errors: Vec<String>,
    /// Bytes of both.
    size: usize,
    /// How many more errors are kept.
    errors_left: i64,
    progress: Progress,
}

impl Staging {
    fn new(rules: Rules) -> Self {
        Staging {
            rules,
            rows: Vec::new(),
            ids: BTreeMap::new(),
            errors: Vec::new(),
            size: 0,
            errors_left: MAX_ERRORS,
            progress: Progress::default(),
        }
    }

    fn full(&self) -> bool {
        self.size >= BATCH_BYTES || self.rows.len() >= BATCH_ROWS
    }

    fn reject(&mut self, number: i64, id: Option<&str>, faults: &[Fault]) {
        self.progress.rejected = self.progress.rejected.saturating_add(1);
        for fault in faults {
            if self.errors_left > 0 {
                let error = vec![number.json(), fault.field.json(), id.json(), fault.code.json(), fault.message().json()].text();
                self.size = self.size.saturating_add(error.len());
                self.errors.push(error);
                self.errors_left = self.errors_left.saturating_sub(1);
            }
        }
    }

    /// A row of the file: checked, and put to the others.
    fn take(&mut self, row: Row, header: &[String]) {
        let cells = match row.cells {
            Ok(Cells::Object(members)) => members,
            Ok(Cells::Table(texts)) => record::named(header, texts.into_iter().map(Value::String)),
            Err(why) => return self.reject(row.number, None, &[Fault::new("", "row_malformed", why)]),
        };
        let id = match cells.get("id") {
            Some(Value::String(id)) => Some(id.trim().chars().take(product::MAX_ID).collect::<String>()),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        let product = match product::read(cells, self.rules) {
            Ok(product) => product,
            Err(faults) => return self.reject(row.number, id.as_deref(), &faults),
        };
        let json = staged(&product, row.number);
        self.size = self.size.saturating_add(json.len());
        let place = (self.rows.len(), row.number);
        if let Some((earlier, number)) = self.ids.insert(product.row.id.clone(), place) {
            // The later row counts, as in an update. Those of batches before are found by D1.
            if let Some(json) = self.rows.get_mut(earlier) {
                json.clear();
            }
            let what = format!("is there again in row {}, which counts", row.number);
            self.progress.accepted = self.progress.accepted.saturating_sub(1);
            self.reject(number, Some(&product.row.id), &[Fault::new("id", "duplicate_id", what)]);
        }
        self.progress.accepted = self.progress.accepted.saturating_add(1);
        self.rows.push(json);
    }

    /// Sends what has gathered.
    fn flush(&mut self, edge: &Edge, upload: &Upload<'_>, bytes: usize) -> Result<()> {
        self.progress.bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let rows = std::mem::take(&mut self.rows);
        let rows: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
        let (rows, errors) = (format!("[{}]", rows.join(",")), format!("[{}]", std::mem::take(&mut self.errors).join(",")));
        self.ids.clear();
        self.size = 0;
        let again = edge.db.stage(upload, &rows, &errors, self.progress, self.errors_left, clock::now())?;
        let again = again.ok_or_else(|| {
            Problem::request(409, "upload_broken_off", "The upload paused for more than a minute and was given up. Nothing was changed.")
        })?;
        let again = i64::try_from(again).unwrap_or_default();
        self.errors_left = self.errors_left.saturating_sub(again);
        self.progress.accepted = self.progress.accepted.saturating_sub(again);
        self.progress.rejected = self.progress.rejected.saturating_add(again);
        Ok(())
    }
}

fn stage_file(edge: &Edge, file: &mut File<'_>, upload: &Upload<'_>, mut feed: Feed, staging: &mut Staging) -> Result<()> {
    let mut rows = Vec::new();
    let mut flushed = clock::now();
    loop {
        let piece = file.next()?;
        match &piece {
            Some(piece) => feed.push(piece, &mut rows)?,
            None => feed.finish(&mut rows)?,
        }
        if feed.rows() > MAX_ROWS {
            return Err(Problem::request(422, "too_many_rows", format!("A file may have at most {MAX_ROWS} rows. Nothing was changed.")));
        }
        for row in rows.drain(..) {
            staging.take(row, feed.header());
            if staging.full() {
                staging.flush(edge, upload, file.bytes)?;
                flushed = clock::now();
            }
        }
        if piece.is_none() || clock::now().saturating_sub(flushed) >= BATCH_SECONDS {
            staging.flush(edge, upload, file.bytes)?;
            flushed = clock::now();
        }
        if piece.is_none() {
            return Ok(());
        }
    }
}

/// Switches to what was staged; the answer.
fn switch(edge: &Edge, upload: &Upload<'_>, progress: &mut Progress, fingerprint: String, started: i64) -> Result<String> {
    let rows = progress.accepted.saturating_add(progress.rejected);
    let staged = edge.db.staged(upload)?;
    progress.accepted = staged.accepted;
    progress.rejected = rows.saturating_sub(staged.accepted);
    // A file that says nothing is a mistake of whoever wrote it, and so is a catalogue of bad rows alone: it would take all from sale.
    if rows == 0 || upload.replaces && staged.products == 0 {
        let problem = Problem::request(422, "catalogue_empty", "The file has no row that can be taken. Nothing was changed.");
        return Err(problem.with("rejected", progress.rejected.json()).with("errors", staged.errors.json()));
    }
    let finished = clock::now();
    let body = object! { "object": "catalogue.upload", "id": upload.id, "mode": if upload.replaces { "replace" } else { "upsert" },
    "status": "succeeded", "bytes": progress.bytes, "accepted": progress.accepted, "rejected": progress.rejected, "errors": staged.errors,
    "problem": Value::Null, "started": started, "finished": finished }
    .text();
    if !edge.db.commit_upload(upload, *progress, &fingerprint, &body, finished)? {
        return Err(Problem::request(409, "upload_broken_off", "The upload was given up before it had ended. Nothing was changed."));
    }
    Ok(body)
}

/// The catalogue before, and what was staged in vain, go behind the answer.
fn sweep_later(edge: &Edge) {
    let work = edge.aside();
    edge.later(move || {
        for _ in 0..SLICES {
            match work.db.sweep_catalogues(clock::now()) {
                Ok(0) => return,
                Ok(_) => {}
                Err(problem) => {
                    return log::line(object! { "level": "warn", "event": "catalogue_left_to_sweep", "why": problem.cause });
                }
            }
        }
    });
}

fn object(row: &UploadRow, now: i64) -> Value {
    let lost = row.status == "running" && row.locked_until <= now;
    let status = if lost { "failed" } else { row.status.as_str() };
    let problem = match &row.problem {
        Some(problem) => problem.parse::<Value>().unwrap_or_default(),
        None if lost => object! { "code": "upload_broken_off", "message": "The upload broke off. Nothing was changed." },
        None => Value::Null,
    };
    let errors: Value = row.errors.parse().unwrap_or_else(|_| Value::Array(Vec::new()));
    object! { "object": "catalogue.upload", "id": row.id, "mode": row.mode, "status": status, "bytes": row.bytes,
    "accepted": row.accepted, "rejected": row.rejected, "errors": errors, "problem": problem, "started": row.started,
    "finished": row.finished }
}

/// `GET /v1/catalogue/uploads`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let page = Page::read(incoming)?;
    let rows = edge.db.uploads(&shop.id, &page.cursor(), page.limit)?;
    let now = clock::now();
    page.reply("/v1/catalogue/uploads", "upload", rows.map(|rows| rows.iter().map(|row| object(row, now)).collect()))
}

fn own(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Box<UploadRow>> {
    let shop = access::verified_shop(edge, incoming)?;
    shops::plausible("upload", id, "ccup_")?;
    edge.db.upload(&shop.id, id)?.ok_or_else(|| Problem::missing("upload", id))
}

/// `GET /v1/catalogue/uploads/{ccup_…}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    Ok(Reply::json(200, &object(&*own(edge, incoming, id)?, clock::now())))
}

/// `GET /v1/catalogue/uploads/{ccup_…}/errors`: all that were kept, as CSV.
pub fn errors(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let row = own(edge, incoming, id)?;
    let shop = edge.counters.shop.borrow().clone().unwrap_or_default();
    let write = move |edge: &Edge, download: &Download| write_errors(edge, &row.id, download);
    download::serve(edge, "text/csv; charset=utf-8", "catalogue-errors.csv", &shop, write)
}

fn write_errors(edge: &Edge, id: &str, download: &Download) -> Result<()> {
    const SLICE: i64 = 1000;
    let mut text = String::from("row,id,field,code,message\r\n");
    let (mut row, mut field) = (0, String::new());
    loop {
        let errors = edge.db.upload_errors(id, row, &field, SLICE)?;
        for error in &errors {
            text.push_str(&error.row.to_string());
            for cell in [error.product_id.as_deref().unwrap_or_default(), &error.field, &error.code, &error.message] {
                text.push(',');
                text.push_str(&csv_cell(cell));
            }
            text.push_str("\r\n");
        }
        download::send(download, &mut text)?;
        match errors.last() {
            Some(last) => (row, field) = (last.row, last.field.clone()),
            None => return Ok(()),
        }
    }
}
