//! A shop sends its catalogue to Stripe (contract, *Stripe's agentic commerce*): the Worker's, a file of its own that is passed on as it
//! comes, or by an address of Stripe's for what is larger.
//!
//! The import is written down before Stripe is called, and the keys at Stripe are derived from its id. Whatever breaks off is gone on
//! with by the same `Idempotency-Key`, by the sweep or by Stripe's events, whichever comes first: see [`super::following`]. A file that
//! is passed on is not kept, so only its sender can send it again.

use super::following::{self, told as told_json};
use super::sending::{self, Errors, HELD, LOCK, Outgoing, Place, Trouble, hold, kind_of, mode_of};
use super::{held_elsewhere, shared};
use crate::agentic::columns::{Bad, FeedType, OnError, REASON, Sieve};
use crate::config::CatalogueApi;
use crate::edge::http::{Body, Download, Incoming, Pieces, Reply, larger_than};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::feed::Format;
use crate::fields::Fields;
use crate::id::Mode;
use crate::journey::lists::Page;
use crate::journey::{access, attempt, catalogue, checkout, download, shops};
use crate::record::Json;
use crate::route;
use crate::sign::Digest;
use crate::store::connect::{ConnectionRow, in_mode};
use crate::store::idempotency::{Attempt, AttemptRow};
use crate::store::imports::{Begun, ForImport, ImportRow, KeyOf, PRODUCT_PAUSE};
use crate::store::shops::ShopRow;
use crate::stripe::event::Event;
use crate::text::csv_cell;
use serde_json::Value;

const PATH: &str = "/v1/agentic/catalogue/imports";
/// Largest file that is passed on, bytes: what most of the platform's plans let through, with room for the way.
const MAX_FILE: usize = 95 * 1024 * 1024;
const PREFIX: &str = "ccim_";

/// What is asked for.
struct Ask {
    kind: FeedType,
    mode: &'static str,
    origin: &'static str,
    on_error: OnError,
    live: Option<bool>,
}

/// `POST /v1/agentic/catalogue/imports`
pub fn create(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let media = incoming.header("Content-Type").unwrap_or_default();
    match Format::of(&media).filter(|format| *format != Format::Ndjson) {
        None => ask(edge, incoming),
        Some(format) => {
            let mut pieces = incoming.pieces();
            let reply = pass_on(edge, incoming, &mut pieces, format);
            // Of what is too large anyhow not even that much is waited for.
            if reply.is_err() && incoming.announced().is_none_or(|length| length <= MAX_FILE) {
                pieces.drain();
            }
            reply
        }
    }
}

// --- the Worker's catalogue, or an address for what is larger -------------------------------------------------------

fn ask(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    // Receive, load.
    let now = clock::now();
    let key_hash = access::key_hash(incoming)?;
    let key = attempt::key(incoming);
    let loaded = edge.db.load_for_import(&key_hash, now, PATH, key.as_deref().unwrap_or_default())?;
    let shop = access::known(edge, incoming, loaded.shop.clone())?;
    access::verified(&shop)?;
    let key = key?;
    let body = incoming.json()?;
    let asked = read(&body)?;
    let fingerprint = attempt::fingerprint(&body);
    if let Some(reply) = earlier(edge, loaded.attempt.as_deref(), &fingerprint, now)? {
        return Ok(reply);
    }
    // Decide.
    let connection = allowed(edge, &shop, &loaded, &asked, now)?.clone();
    if held_elsewhere(edge, &shop.id, &connection.account, connection.livemode != 0)? {
        return Err(shared());
    }
    let lock = clock::fresh_secret("")?;
    let attempt = Attempt { shop_id: &shop.id, path: PATH, key: &key, lock: &lock };
    if let Some(row) = gone_on(&loaded) {
        return answer_as_it_is(edge, &attempt, &fingerprint, None, row, now);
    }
    // Record the intent.
    let (mut row, fresh) = row_of(edge, &shop, &loaded, &connection, &asked, now)?;
    begin(edge, &attempt, &fingerprint, &row, fresh, now)?;
    // Call Stripe.
    if row.origin == "upload" {
        let place = match sending::place(edge, &mut row, &connection) {
            Ok(place) => place,
            Err(trouble) => return Err(not_done(edge, &row, &attempt, trouble, None)),
        };
        return match place {
            Place::Address(url) => hand_out(edge, &row, &attempt, &url),
            _ => Err(not_done(edge, &row, &attempt, Trouble::Later(Problem::fault("an upload without an address")), None)),
        };
    }
    match sending::deliver(edge, &mut row, &connection) {
        Ok(()) => done(edge, &mut row, &attempt, None),
        Err(trouble) => Err(not_done(edge, &row, &attempt, trouble, None)),
    }
}

fn read(body: &Value) -> Result<Ask> {
    let fields = Fields::open(body, "", &["feed_type", "mode", "from", "livemode", "on_error"])?;
    for name in ["feed_type", "mode", "from"] {
        fields.need(name)?;
    }
    Ok(Ask {
        kind: fields.choice("feed_type", &FeedType::WORDS)?.unwrap_or(FeedType::Product),
        mode: fields.choice("mode", &MODES)?.unwrap_or("upsert"),
        origin: fields.choice("from", &[("catalogue", "catalogue"), ("upload", "upload")])?.unwrap_or("catalogue"),
        on_error: fields.choice("on_error", &OnError::WORDS)?.unwrap_or(OnError::Skip),
        live: fields.boolean("livemode")?,
    })
}

const MODES: [(&str, &str); 2] = [("upsert", "upsert"), ("replace", "replace")];

/// The same from a file's query.
fn read_query(incoming: &Incoming) -> Result<Ask> {
    let mut members = serde_json::Map::new();
    for name in ["feed_type", "mode", "on_error"] {
        if let Some(text) = incoming.param(name) {
            members.insert(name.to_owned(), text.json());
        }
    }
    let members = Value::Object(members);
    let fields = Fields::lenient(&members, "")?;
    for name in ["feed_type", "mode"] {
        fields.need(name)?;
    }
    let live = match incoming.param("livemode").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Problem::shape_about("parameter_invalid_boolean", "livemode", "must be true or false.")),
    };
    Ok(Ask {
        kind: fields.choice("feed_type", &FeedType::WORDS)?.unwrap_or(FeedType::Product),
        mode: fields.choice("mode", &MODES)?.unwrap_or("upsert"),
        origin: "file",
        on_error: fields.choice("on_error", &OnError::WORDS)?.unwrap_or(OnError::Pass),
        live,
    })
}

/// The first answer again. The address of an upload opens what it leads to: it is kept sealed.
fn earlier(edge: &Edge, attempt: Option<&AttemptRow>, fingerprint: &str, now: i64) -> Result<Option<Reply>> {
    let Some(mut reply) = attempt::earlier_answer(attempt, fingerprint, now)? else { return Ok(None) };
    if let Body::Text(text) = &reply.body
        && let Ok(mut object) = text.parse::<Value>()
        && let Some(sealed) = object.get("upload_url").and_then(Value::as_str).map(str::to_owned)
    {
        let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
        let url = edge.config.seal_keys.open(&upload_context(id), &sealed).ok().and_then(|plain| String::from_utf8(plain).ok());
        if let Value::Object(members) = &mut object {
            members.insert("upload_url".to_owned(), url.json());
        }
        reply.body = Body::Text(object.text());
    }
    Ok(Some(reply))
}

fn upload_context(import_id: &str) -> String {
    format!("import/{import_id}/upload_url")
}

/// The connection to send on, or why nothing may be sent.
fn allowed<'a>(edge: &Edge, shop: &ShopRow, loaded: &'a ForImport, asked: &Ask, now: i64) -> Result<&'a ConnectionRow> {
    let mode = access::mode(edge, asked.live.map(Mode::from_live), &loaded.connections);
    let connection = checkout::usable(in_mode(&loaded.connections, mode.live()), mode)?;
    edge.pair(mode)?;
    let side = loaded.sides.iter().find(|side| (side.livemode != 0) == mode.live() && side.account == connection.account);
    match side.filter(|side| side.enabled != 0) {
        None => {
            let message = format!("Agents are not switched on for this shop in {} mode: PUT /v1/agentic/rules does it.", mode.name());
            return Err(Problem::request(409, "agentic_not_enabled", message));
        }
        // What it sent would be sold in the other's name.
        Some(side) if side.owner.as_ref() != Some(&shop.id) => return Err(shared()),
        Some(_) => {}
    }
    supported(edge, asked)?;
    let own = gone_on(loaded).or_else(|| taken_up(loaded, mode, connection)).map(|row| &row.id);
    if own.is_some() {
        return Ok(connection);
    }
    let live = i64::from(mode.live());
    if let Some(other) = loaded.running.iter().find(|row| row.livemode == live && row.feed_type == asked.kind.name()) {
        let message = format!("An import of the {} feed is running. Send the next one when it has ended.", asked.kind.name());
        return Err(Problem::request(409, "import_running", message).after(30).with("import", other.id.json()));
    }
    if asked.kind == FeedType::Product {
        let last = loaded.last.iter().find(|last| last.livemode == live).and_then(|last| last.at);
        if let Some(wait) = last.map(|at| at.saturating_add(PRODUCT_PAUSE).saturating_sub(now)).filter(|wait| *wait > 0) {
            let mut problem = Problem::rate_limited().after(u32::try_from(wait).unwrap_or(900));
            problem.code = "import_too_soon".into();
            problem.message = "Stripe takes the products of an account every 15 minutes. Stock and prices may go at any time.".to_owned();
            return Err(problem);
        }
    }
    Ok(connection)
}

/// Whether the operator's way to Stripe can do it.
fn supported(edge: &Edge, asked: &Ask) -> Result<()> {
    let refused = |param: &str, message: &str| Err(Problem::value("feed_unsupported", param, message));
    let upsert_only = matches!(asked.kind, FeedType::Inventory | FeedType::Pricing);
    if upsert_only && asked.mode == "replace" {
        return refused("mode", "Stripe takes stock and prices as upsert only.");
    }
    if asked.kind == FeedType::Promotion && asked.origin == "catalogue" {
        return refused("from", "The catalogue has no promotions: send a file of them.");
    }
    if edge.config.catalogue_api == CatalogueApi::V2 {
        return Ok(());
    }
    if asked.mode == "replace" {
        return refused("mode", "Import sets, which the operator of this Worker has chosen, can only upsert.");
    }
    if matches!(asked.kind, FeedType::Pricing | FeedType::Promotion) {
        return refused("feed_type", "Import sets, which the operator of this Worker has chosen, take products and stock only.");
    }
    if asked.origin == "upload" {
        return refused("from", "Import sets, which the operator of this Worker has chosen, give no address for an upload.");
    }
    Ok(())
}

/// The import of the same key that went on without whoever asked for it.
fn gone_on(loaded: &ForImport) -> Option<&ImportRow> {
    loaded.attempted.as_deref().filter(|row| !matches!(row.status.as_str(), "awaiting_upload" | "failed"))
}

/// The import of the same key that nobody works on.
fn taken_up<'a>(loaded: &'a ForImport, mode: Mode, connection: &ConnectionRow) -> Option<&'a ImportRow> {
    let row = loaded.attempted.as_deref().filter(|row| row.status == "awaiting_upload")?;
    (mode_of(row) == mode && row.account == connection.account).then_some(row)
}

fn row_of(edge: &Edge, shop: &ShopRow, loaded: &ForImport, connection: &ConnectionRow, asked: &Ask, now: i64) -> Result<(ImportRow, bool)> {
    let locked_until = now.saturating_add(LOCK);
    if let Some(row) = taken_up(loaded, Mode::from_live(connection.livemode != 0), connection) {
        return Ok((ImportRow { locked_until, ..row.clone() }, false));
    }
    let from_here = asked.origin == "catalogue";
    let row = ImportRow {
        id: clock::fresh_id(PREFIX)?,
        shop_id: shop.id.clone(),
        livemode: connection.livemode,
        account: connection.account.clone(),
        api: edge.config.catalogue_api.name().to_owned(),
        feed_type: asked.kind.name().to_owned(),
        mode: asked.mode.to_owned(),
        origin: asked.origin.to_owned(),
        on_error: if asked.origin == "upload" { OnError::Pass } else { asked.on_error }.name().to_owned(),
        status: "awaiting_upload".to_owned(),
        attempt: 1,
        columns: "[]".to_owned(),
        samples: "[]".to_owned(),
        generation: loaded.catalogue.generation,
        seen: loaded.catalogue.latest,
        locked_until,
        check_at: Some(locked_until),
        created: now,
        ..ImportRow::default()
    };
    // Of a file nobody knows what is in it; what changes from now on is told behind it.
    log::line(
        object! { "level": "info", "event": "import", "import": row.id, "shop": shop.id, "feed": row.feed_type, "from": row.origin, "own": from_here },
    );
    Ok((row, true))
}

fn begin(edge: &Edge, attempt: &Attempt<'_>, fingerprint: &str, row: &ImportRow, fresh: bool, now: i64) -> Result<()> {
    match edge.db.begin_import(attempt, fingerprint, row, fresh, now)? {
        Begun::Yes => Ok(()),
        Begun::KeyTaken => Err(attempt::in_flight()),
        Begun::Busy => {
            let message = format!("An import of the {} feed was begun at the same moment. Send this one when it has ended.", row.feed_type);
            Err(Problem::request(409, "import_running", message).after(30))
        }
    }
}

/// Stripe has the file: the answer.
fn done(edge: &Edge, row: &mut ImportRow, attempt: &Attempt<'_>, whole: Option<&str>) -> Result<Reply> {
    let now = clock::now();
    row.status = "processing".to_owned();
    row.uploaded_at = Some(now);
    row.expires_at = None;
    let body = object(row).text();
    edge.db.import_sent(row, Some((attempt, &body, whole)), now)?;
    Ok(Reply::rendered(202, body))
}

fn answer_as_it_is(edge: &Edge, attempt: &Attempt<'_>, fingerprint: &str, whole: Option<&str>, row: &ImportRow, now: i64) -> Result<Reply> {
    let body = object(row).text();
    if !edge.db.answer_import(attempt, fingerprint, whole, &row.id, &body, now.saturating_add(attempt::LOCK_LIFE), now)? {
        return Err(attempt::in_flight());
    }
    Ok(Reply::rendered(202, body))
}

/// The address of an upload goes to whoever asked for it, and to nobody else: D1 has it sealed, for the same key again.
fn hand_out(edge: &Edge, row: &ImportRow, attempt: &Attempt<'_>, url: &str) -> Result<Reply> {
    let sealed = edge.config.seal_keys.seal(clock::random()?, &upload_context(&row.id), url.as_bytes())?;
    let mut answer = object(row);
    let mut with = |url: &str| {
        if let Value::Object(members) = &mut answer {
            members.insert("upload_url".to_owned(), url.json());
        }
        answer.text()
    };
    let (kept, body) = (with(&sealed), with(url));
    // Asked about from the next sweep on.
    edge.db.import_waits(row, attempt, &kept, clock::now())?;
    Ok(Reply::rendered(202, body))
}

/// What came instead: the row and the key say so, and the caller is told. `whole`: what the key's file is recognised by from now on.
fn not_done(edge: &Edge, row: &ImportRow, attempt: &Attempt<'_>, trouble: Trouble, whole: Option<&str>) -> Problem {
    let now = clock::now();
    let (problem, stays) = match trouble {
        Trouble::Nothing | Trouble::Stale => (Problem::request(422, "catalogue_empty", "There is nothing to be sent."), false),
        Trouble::Over(problem) => (problem, false),
        Trouble::Refused(problem) => (problem, true),
        Trouble::Later(problem) => {
            // A file can only be sent again by whoever has it; a minute later the sweep takes it for broken off.
            let check_at = if row.origin == "file" { now.saturating_add(LOCK) } else { now };
            left(row, edge.db.leave_import(row, Some(attempt), check_at));
            return problem;
        }
    };
    let body = problem.body(&edge.request_id).text();
    let key = KeyOf { attempt, answer: stays.then_some((problem.status, &body)), whole: whole.filter(|_| stays) };
    left(row, edge.db.fail_import(row, &told_json(&problem.code, &problem.message), Some(&key), now));
    problem
}

/// What could not be written down is found by the sweep, once the lock is over.
fn left(row: &ImportRow, written: Result<()>) {
    if let Err(why) = written {
        log::line(object! { "level": "warn", "event": "import_left_to_sweep", "import": row.id, "why": why.cause });
    }
}

// --- a file of the shop's own ---------------------------------------------------------------------------------------

/// A file as it comes in, counted and hashed.
struct File<'a> {
    pieces: &'a mut Pieces,
    digest: Digest,
    bytes: usize,
    length: usize,
}

impl File<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let broken = |why: String| Problem::request(400, "body_unreadable", "The file broke off. Nothing was changed.").because(why);
        match self.pieces.next().map_err(broken)? {
            Some(piece) => {
                self.bytes = self.bytes.saturating_add(piece.len());
                if self.bytes > self.length {
                    return Err(broken(format!("more than {} bytes", self.length)));
                }
                self.digest.update(&piece);
                Ok(Some(piece))
            }
            None if self.bytes != self.length => Err(broken(format!("{} bytes of {}", self.bytes, self.length))),
            None => Ok(None),
        }
    }
}

fn pass_on(edge: &Edge, incoming: &Incoming, pieces: &mut Pieces, format: Format) -> Result<Reply> {
    // Receive, load.
    let now = clock::now();
    let key_hash = access::key_hash(incoming)?;
    let key = attempt::key(incoming);
    let loaded = edge.db.load_for_import(&key_hash, now, PATH, key.as_deref().unwrap_or_default())?;
    let shop = access::known(edge, incoming, loaded.shop.clone())?;
    access::verified(&shop)?;
    let key = key?;
    if incoming.header("Content-Encoding").is_some_and(|how| !how.eq_ignore_ascii_case("identity")) {
        return Err(Problem::request(415, "media_type_unsupported", "Send the file as it is, in UTF-8 and not compressed."));
    }
    // Stripe's address wants to know the length before the first byte.
    let length = incoming.announced().ok_or_else(|| {
        Problem::request(
            411,
            "length_required",
            "Send the file with its Content-Length: it is passed on as it comes, and Stripe asks for it.",
        )
    })?;
    if length > MAX_FILE {
        return Err(larger_than(MAX_FILE));
    }
    let asked = read_query(incoming)?;
    let live = asked.live.map_or("", |live| if live { "live" } else { "test" });
    // The bytes are known at their end only.
    let begun = format!("{} {} {} {live} {} {length}", asked.kind.name(), asked.mode, asked.on_error.name(), format.name());
    let mut file = File { pieces, digest: Digest::default(), bytes: 0, length };
    if let Some(earlier) = loaded.attempt.as_deref() {
        let same = earlier.fingerprint == begun || earlier.fingerprint.strip_prefix(&begun).is_some_and(|rest| rest.starts_with(' '));
        if same && earlier.status.is_some() {
            while file.next()?.is_some() {}
            // A file that broke off behind a refusal is known by its beginning only.
            let fingerprint = if earlier.fingerprint == begun { begun } else { format!("{begun} {}", file.digest.hex()) };
            if let Some(reply) = attempt::earlier_answer(Some(earlier), &fingerprint, now)? {
                return Ok(reply);
            }
            return Err(Problem::fault("an answer that is there and is not"));
        }
        if let Some(reply) = attempt::earlier_answer(Some(earlier), &begun, now)? {
            return Ok(reply);
        }
    }
    // Decide.
    let connection = allowed(edge, &shop, &loaded, &asked, now)?.clone();
    if held_elsewhere(edge, &shop.id, &connection.account, connection.livemode != 0)? {
        return Err(shared());
    }
    let lock = clock::fresh_secret("")?;
    let attempt = Attempt { shop_id: &shop.id, path: PATH, key: &key, lock: &lock };
    if let Some(row) = gone_on(&loaded) {
        while file.next()?.is_some() {}
        let whole = format!("{begun} {}", file.digest.hex());
        return answer_as_it_is(edge, &attempt, &begun, Some(&whole), row, now);
    }
    // Record the intent.
    let (mut row, fresh) = row_of(edge, &shop, &loaded, &connection, &asked, now)?;
    begin(edge, &attempt, &begun, &row, fresh, now)?;
    // Call Stripe.
    let media = if format == Format::Csv { "text/csv" } else { "text/tab-separated-values" };
    let sieve = Sieve::new(format, asked.kind, asked.on_error, catalogue::rules(edge));
    let sent = pour(edge, &mut file, sieve, &mut row, &connection, media);
    match sent {
        Ok(()) => {
            let whole = format!("{begun} {}", file.digest.hex());
            done(edge, &mut row, &attempt, Some(&whole))
        }
        Err(trouble) => {
            // A refusal is the key's answer from now on, and the key belongs to all of the bytes.
            while matches!(trouble, Trouble::Refused(_)) && file.next().is_ok_and(|piece| piece.is_some()) {}
            let whole = (file.bytes == file.length).then(|| format!("{begun} {}", file.digest.hex()));
            Err(not_done(edge, &row, &attempt, trouble, whole.as_deref()))
        }
    }
}

/// A caller's file that cannot be used is the caller's to mend.
fn bad_file(problem: Problem) -> Trouble {
    Trouble::Over(problem)
}

/// Passes a file on. Small ones are read to their end first, so that nothing is made at Stripe for what is not sent.
fn pour(
    edge: &Edge, file: &mut File<'_>, mut sieve: Sieve, row: &mut ImportRow, connection: &ConnectionRow, media: &str,
) -> std::result::Result<(), Trouble> {
    let fails = OnError::stored(&row.on_error) == OnError::Fail;
    let passes = OnError::stored(&row.on_error) == OnError::Pass;
    let mut errors = Errors::new(&row.id, 0);
    let mut bad: Vec<Bad> = Vec::new();
    edge.db.forget_errors(&row.id, 0, crate::store::imports::STRIPES)?;
    let mut out: Vec<u8> = Vec::new();
    let mut outgoing: Option<Outgoing> = None;
    // Whether the other side still wants it.
    let mut wanted = true;
    let outcome = (|| {
        loop {
            let piece = file.next().map_err(bad_file)?;
            match &piece {
                Some(piece) => sieve.push(piece, &mut out, &mut bad).map_err(bad_file)?,
                None => sieve.finish(&mut out, &mut bad).map_err(bad_file)?,
            }
            for found in bad.drain(..) {
                errors.add(&found);
            }
            errors.flush(edge, piece.is_none())?;
            hold(edge, row)?;
            if fails && errors.count > 0 {
                // Broken off, so that Stripe never has it whole; what else is wrong is still named.
                if let Some(outgoing) = outgoing.take() {
                    outgoing.abort();
                }
                wanted = false;
            }
            if !wanted {
                out.clear();
            }
            if piece.is_none() {
                return Ok(());
            }
            if file.length <= HELD || !sieve.open() || !wanted {
                continue;
            }
            if outgoing.is_none() {
                let place = sending::place(edge, row, connection)?;
                if let Place::There = place {
                    wanted = false;
                    continue;
                }
                outgoing = Some(Outgoing::begin(edge, row, &place, media, file.length)?);
            }
            if let Some(outgoing) = &mut outgoing {
                wanted = outgoing.write(&out);
            }
            out.clear();
        }
    })();
    let outcome: std::result::Result<(), Trouble> = outcome;
    row.rejected = errors.count;
    row.samples = errors.named.text();
    row.columns = sieve.header().to_vec().text();
    row.bytes = i64::try_from(file.length).ok();
    row.rows = (!passes).then_some(sieve.accepted);
    let outcome = match outcome {
        Ok(()) => sending::sendable(row),
        Err(trouble) => Err(trouble),
    };
    if let Err(trouble) = outcome {
        if let Some(outgoing) = outgoing.take() {
            outgoing.abort();
        }
        return Err(trouble);
    }
    let outgoing = match outgoing {
        Some(outgoing) => outgoing,
        // It was there already.
        None if file.length > HELD => return Ok(()),
        None => {
            row.bytes = i64::try_from(out.len()).ok();
            match sending::place(edge, row, connection)? {
                Place::There => return Ok(()),
                place => Outgoing::begin(edge, row, &place, media, out.len())?,
            }
        }
    };
    outgoing.write_all(edge, row, &out)?.finish(edge, row, connection)
}

// --- looking ----------------------------------------------------------------------------------------------------------

fn json_or(text: &str, empty: Value) -> Value {
    text.parse::<Value>().unwrap_or(empty)
}

/// An import as the API shows it.
fn object(row: &ImportRow) -> Value {
    let problem = row.problem.as_deref().map_or(Value::Null, |problem| json_or(problem, Value::Null));
    object! { "object": "agentic.import", "id": row.id, "api": row.api, "livemode": row.livemode != 0, "account": row.account,
    "feed_type": row.feed_type, "mode": row.mode, "from": row.origin, "on_error": row.on_error, "status": row.status,
    "rows": row.rows, "rejected": row.rejected, "bytes": row.bytes, "success_count": row.success_count, "error_count": row.error_count,
    "errors": json_or(&row.samples, Value::Array(Vec::new())), "problem": problem, "stripe_import": row.stripe_id, "created": row.created,
    "expires_at": row.expires_at, "uploaded_at": row.uploaded_at, "finished": row.finished }
}

/// `GET /v1/agentic/catalogue/imports`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let page = Page::read(incoming)?;
    let rows = edge.db.imports(&shop.id, &page.cursor(), page.limit)?;
    page.reply(PATH, "import", rows.map(|rows| rows.iter().map(object).collect()))
}

fn own(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Box<ImportRow>> {
    let shop = access::verified_shop(edge, incoming)?;
    shops::plausible("import", id, PREFIX)?;
    edge.db.import(&shop.id, id)?.ok_or_else(|| Problem::missing("import", id))
}

/// `GET /v1/agentic/catalogue/imports/{ccim_…}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    Ok(Reply::json(200, &object(&*own(edge, incoming, id)?)))
}

/// `GET /v1/agentic/catalogue/imports/{ccim_…}/errors`: the rows that were not taken, by us or by Stripe, as CSV with the reason.
pub fn errors(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let mut row = own(edge, incoming, id)?;
    if row.running() {
        return Err(Problem::request(409, "import_running", "The import has not come to its end. Ask for its rows then.").after(30));
    }
    if row.errors_kept == 0 {
        // Stripe still has them, and its links live for five minutes.
        let connection = edge.db.active_connection(&row.shop_id, row.livemode != 0)?.filter(|c| c.account == row.account);
        let connection =
            connection.ok_or_else(|| Problem::request(409, "not_connected", "The account that has the rows is not connected any more."))?;
        following::keep_errors(edge, &row, &connection)?;
        row = edge.db.import(&row.shop_id, id)?.ok_or_else(|| Problem::missing("import", id))?;
    }
    let shop = row.shop_id.clone();
    let write = move |edge: &Edge, download: &Download| write_errors(edge, &row, download);
    download::serve(edge, "text/csv; charset=utf-8", "import-errors.csv", &shop, write)
}

fn write_errors(edge: &Edge, row: &ImportRow, download: &Download) -> Result<()> {
    let names = json_or(&row.columns, Value::Null);
    let mut names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        names = kind_of(row).required().to_vec();
    }
    // The reason leads, as in Stripe's own files.
    let mut text = REASON.to_owned();
    for name in &names {
        text.push(',');
        text.push_str(&csv_cell(name));
    }
    text.push_str("\r\n");
    let mut after = -1;
    while let Some((seq, rows)) = edge.db.errors_piece(&row.id, after)? {
        after = seq;
        for kept in json_or(&rows, Value::Null).as_array().into_iter().flatten() {
            for at in 0..=names.len() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&csv_cell(kept.get(at).and_then(Value::as_str).unwrap_or_default()));
            }
            text.push_str("\r\n");
        }
        download::send(download, &mut text)?;
    }
    download::send(download, &mut text)
}

/// A thin event about one: `webhook`'s word for what came of it.
pub fn told(edge: &Edge, event: &Event) -> Result<&'static str> {
    let id = event.related_object.as_ref().map(|related| related.id.as_str()).unwrap_or_default();
    match &event.account {
        Some(account) if route::is_plain(id) => following::heard(edge, id, account, event.livemode),
        _ => Ok("not_ours"),
    }
}
