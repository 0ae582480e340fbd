//! A file goes to Stripe, by whichever of its two ways the operator has chosen: made of the shop's catalogue, page by page, or passed on
//! as it comes. It is never held as a whole, unless it is small.
//!
//! A file of the catalogue is gone through twice: first its rows are checked and its bytes counted, so that what is wrong is known before
//! anything is sent, and the length is known that the address of an upload wants to be told. Then it is written. What changes in
//! between may make it shorter or longer by a little; the rest is filled with line ends, which are no rows.

use crate::agentic::columns::{self, Bad, FeedType, Header, OnError, RowCells};
use crate::config::CatalogueApi;
use crate::edge::outside::{self, Received, Target, Upload};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::id::Mode;
use crate::journey::connect;
use crate::product::ProductRow;
use crate::record::Json;
use crate::store::connect::ConnectionRow;
use crate::store::imports::{ImportRow, Source};
use crate::stripe::call::{Call, Outcome, StripeError};
use crate::stripe::import;
use serde_json::Value;

/// How long an import counts as worked on after it was last heard of, seconds; and how often that is said.
pub const LOCK: i64 = 60;
const SAID: i64 = 15;
/// A file of this many bytes is held.
pub const HELD: usize = 4 * 1024 * 1024;
/// What a file that is written while it is read may grow by, bytes.
const SLACK: usize = 64 * 1024;
/// Bytes that are written at a time.
const BLOCK: usize = 64 * 1024;
/// Largest file that Stripe takes by the Files API (seed), bytes.
pub const MOST_BY_FILES: usize = 200 * 1024 * 1024;
/// Bytes of an answer to a file that are read.
const ANSWER: usize = 64 * 1024;
/// Addresses that are asked for one import, when Stripe does not take the file at the ones before.
const ATTEMPTS: i64 = 5;
/// Rows that are kept of those that were not taken, and their bytes; in pieces of at most so many bytes.
pub const MOST_ERRORS: i64 = 50_000;
pub const MOST_ERROR_BYTES: usize = 24 * 1024 * 1024;
const PIECE: usize = 400_000;
/// Bad rows that an import's object names.
const NAMED: usize = 100;

/// Why a file did not get there.
pub enum Trouble {
    /// Nothing comes of it. Whoever tries again may do better.
    Over(Problem),
    /// Stripe has refused it, and would again.
    Refused(Problem),
    /// It is tried again as it is.
    Later(Problem),
    /// None of the stock that changed is anything to be told.
    Nothing,
    /// Stock of a catalogue that has been replaced.
    Stale,
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Trouble::Later(problem)
    }
}

type Sent<T> = std::result::Result<T, Trouble>;

pub fn kind_of(row: &ImportRow) -> FeedType {
    FeedType::parse(&row.feed_type).unwrap_or(FeedType::Product)
}

pub fn mode_of(row: &ImportRow) -> Mode {
    Mode::from_live(row.livemode != 0)
}

pub fn by_sets(row: &ImportRow) -> bool {
    row.api == CatalogueApi::ImportSets.name()
}

fn not_answered(why: String) -> Problem {
    Problem::stripe_unavailable(
        "Stripe did not take the catalogue. The import goes on by itself; the same Idempotency-Key may be sent again.",
    )
    .because(why)
}

fn taken_over() -> Trouble {
    Trouble::Later(Problem::request(409, "idempotency_in_flight", "Another request or the sweep goes on with this import.").after(5))
}

/// Rows that are not taken, on their way to D1 in pieces.
pub struct Errors {
    import_id: String,
    seq: i64,
    rows: Vec<String>,
    size: usize,
    /// How many more are kept, and how many bytes of them.
    left: i64,
    bytes_left: usize,
    pub count: i64,
    pub named: Vec<Value>,
}

impl Errors {
    pub fn new(import_id: &str, first: i64) -> Self {
        Errors {
            import_id: import_id.to_owned(),
            seq: first,
            rows: Vec::new(),
            size: 0,
            left: MOST_ERRORS,
            bytes_left: MOST_ERROR_BYTES,
            count: 0,
            named: Vec::new(),
        }
    }

    pub fn add(&mut self, bad: &Bad) {
        for object in bad.objects() {
            if self.named.len() < NAMED {
                self.named.push(object);
            }
        }
        self.keep(bad.kept());
    }

    /// Adds a row as it is kept.
    pub fn keep(&mut self, row: String) {
        self.count = self.count.saturating_add(1);
        if self.left > 0 && row.len() <= self.bytes_left {
            self.left = self.left.saturating_sub(1);
            self.bytes_left = self.bytes_left.saturating_sub(row.len());
            self.size = self.size.saturating_add(row.len());
            self.rows.push(row);
        }
    }

    /// Whether no more are kept.
    pub fn full(&self) -> bool {
        self.left <= 0 || self.bytes_left < 1024
    }

    /// Sends a piece that is full, or the last one.
    pub fn flush(&mut self, edge: &Edge, last: bool) -> Result<()> {
        if self.rows.is_empty() || (!last && self.size < PIECE) {
            return Ok(());
        }
        let piece = format!("[{}]", std::mem::take(&mut self.rows).join(","));
        self.size = 0;
        self.seq = self.seq.saturating_add(1);
        edge.db.keep_errors(&self.import_id, self.seq, &piece)
    }
}

/// Says, when it is time, that the import is worked on.
pub fn hold(edge: &Edge, row: &mut ImportRow) -> Sent<()> {
    let until = clock::now().saturating_add(LOCK);
    if until.saturating_sub(row.locked_until) < SAID {
        return Ok(());
    }
    if !edge.db.hold_import(row, until)? {
        return Err(taken_over());
    }
    row.locked_until = until;
    Ok(())
}

/// What Stripe refuses: final where it is about this import, and else to be mended by somebody.
fn refused(edge: &Edge, row: &ImportRow, connection: &ConnectionRow, error: StripeError) -> Trouble {
    if error.account_invalid() {
        return match connect::account_refused(edge, mode_of(row), connection) {
            Ok(problem) => Trouble::Over(problem),
            Err(problem) => Trouble::Later(problem),
        };
    }
    let problem = error.problem();
    if problem.status == 422 { Trouble::Refused(problem) } else { Trouble::Later(problem) }
}

/// Where the file of an import goes.
pub enum Place {
    /// An address of Stripe's.
    Address(String),
    /// To the Files API.
    Files,
    /// It is there already.
    There,
}

/// Has the import made at Stripe, or asks how it stands where that was done before.
pub fn place(edge: &Edge, row: &mut ImportRow, connection: &ConnectionRow) -> Sent<Place> {
    if by_sets(row) {
        if row.stripe_file.is_some() {
            make_set(edge, row, connection)?;
            return Ok(Place::There);
        }
        // A stored answer of the try before must not be this one's, and a file that nobody names does no harm.
        row.attempt = row.attempt.saturating_add(1);
        made(edge, row)?;
        return Ok(Place::Files);
    }
    let call = match &row.stripe_id {
        Some(id) => import::retrieve(id, &row.account),
        None => import::create(&row.feed_type, &row.mode, &row.id, &row.account, &format!("{}-{}", row.id, row.attempt)),
    };
    let found = match outside::stripe::<import::Import>(edge, mode_of(row), &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(found) => found,
        Outcome::Refused(error) => return Err(refused(edge, row, connection, error)),
        Outcome::Unavailable { why, .. } => return Err(Trouble::Later(not_answered(why))),
    };
    // What is put there must be for this shop's feed and mode.
    if found.livemode != (row.livemode != 0) || found.feed_type != row.feed_type || !crate::route::is_plain(&found.id) {
        return Err(Trouble::Over(Problem::fault(format!("Stripe made another import: {}", found.id))));
    }
    let state = found.state().ok_or_else(|| not_answered(format!("an import is {}", found.status)))?;
    row.stripe_id = Some(found.id);
    if state.status != "awaiting_upload" {
        return Ok(Place::There);
    }
    let (url, until) = state.upload.ok_or_else(|| not_answered("an import without an address".to_owned()))?;
    let url = import::address(&url, &edge.config.api_base, edge.config.allow_local)
        .map_err(|why| Trouble::Over(Problem::fault(format!("the address of an upload is refused: {why}"))))?;
    row.expires_at = Some(until).filter(|until| *until > 0);
    made(edge, row)?;
    Ok(Place::Address(url))
}

/// Writes down what was made.
fn made(edge: &Edge, row: &ImportRow) -> Sent<()> {
    if edge.db.import_made(row)? { Ok(()) } else { Err(taken_over()) }
}

/// A file that is being sent.
pub struct Outgoing {
    upload: Upload,
    /// Bytes that are still to come, without what stands behind the file.
    pub left: usize,
    behind: String,
}

impl Outgoing {
    /// Begins to send a file of `length` bytes.
    pub fn begin(edge: &Edge, row: &ImportRow, place: &Place, media: &str, length: usize) -> Sent<Outgoing> {
        let (upload, before, behind) = match place {
            Place::Address(url) => (Upload::begin(edge, &Target::Address { url, media }, length)?, String::new(), String::new()),
            _ => {
                let boundary = clock::fresh_secret("cc-")?;
                let (before, behind) = import::around(&boundary, media);
                let call = import::create_file(&row.account, &format!("{}-f{}", row.id, row.attempt));
                let media = format!("multipart/form-data; boundary={boundary}");
                let whole = length.saturating_add(before.len()).saturating_add(behind.len());
                (Upload::begin(edge, &Target::Call { mode: mode_of(row), call: &call, media: &media }, whole)?, before, behind)
            }
        };
        let mut outgoing = Outgoing { upload: upload.map_err(|why| Trouble::Later(not_answered(why)))?, left: length, behind };
        outgoing.upload.write(before.as_bytes());
        Ok(outgoing)
    }

    /// `false`: no more is wanted.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.left = self.left.saturating_sub(bytes.len());
        self.upload.write(bytes)
    }

    /// Writes what is held, and says meanwhile that the import is worked on.
    pub fn write_all(mut self, edge: &Edge, row: &mut ImportRow, bytes: &[u8]) -> Sent<Outgoing> {
        for block in bytes.chunks(BLOCK) {
            if !self.write(block) {
                break;
            }
            if let Err(trouble) = hold(edge, row) {
                self.abort();
                return Err(trouble);
            }
        }
        Ok(self)
    }

    /// Line ends in place of bytes that did not come.
    fn fill(&mut self) -> bool {
        let block = vec![b'\n'; BLOCK];
        while self.left > 0 {
            let length = self.left.min(block.len());
            if !self.write(block.get(..length).unwrap_or_default()) {
                return false;
            }
        }
        true
    }

    /// Breaks it off: Stripe never has it whole.
    pub fn abort(self) {
        self.upload.abort();
    }

    /// All is written. Stripe has it then, and the row says so.
    pub fn finish(mut self, edge: &Edge, row: &mut ImportRow, connection: &ConnectionRow) -> Sent<()> {
        self.fill();
        self.upload.write(self.behind.as_bytes());
        let received = answered(edge, row, self.upload).map_err(|why| {
            log::line(object! { "level": "warn", "event": "import_not_sent", "import": row.id, "why": why });
            Trouble::Later(not_answered(why))
        })?;
        if by_sets(row) {
            return match Call::read::<import::File>(outside::answer_of(edge, received)) {
                Outcome::Ok(file) => {
                    row.stripe_file = Some(file.id);
                    made(edge, row)?;
                    make_set(edge, row, connection)
                }
                Outcome::Refused(error) => Err(refused(edge, row, connection, error)),
                Outcome::Unavailable { why, .. } => Err(Trouble::Later(not_answered(why))),
            };
        }
        if (200..300).contains(&received.status) {
            return Ok(());
        }
        let why = format!("the address of an upload answers {}", received.status);
        if (400..500).contains(&received.status) {
            // Too old, or used up: another one, by another import.
            (row.stripe_id, row.attempt) = (None, row.attempt.saturating_add(1));
            made(edge, row)?;
            if row.attempt > ATTEMPTS {
                return Err(Trouble::Over(Problem::request(
                    422,
                    "upload_refused",
                    "Stripe does not take the file at any address that it gives.",
                )));
            }
        }
        Err(Trouble::Later(not_answered(why)))
    }
}

/// Waits for what Stripe says to a file, and says meanwhile that the import is worked on: nobody is to take it for left.
fn answered(edge: &Edge, row: &mut ImportRow, mut upload: Upload) -> std::result::Result<Received, String> {
    let patience = u32::try_from(SAID.saturating_mul(1000)).unwrap_or(u32::MAX);
    upload.close();
    let mut ours = true;
    loop {
        if let Some(received) = upload.answer(ANSWER, patience) {
            return received;
        }
        // Stripe's own news of it may have been faster: its answer is waited for all the same.
        ours = ours && hold(edge, row).is_ok();
    }
}

/// The seed's way, second half: an import set of the file.
pub fn make_set(edge: &Edge, row: &mut ImportRow, connection: &ConnectionRow) -> Sent<()> {
    let format = if kind_of(row) == FeedType::Inventory { "inventory_feed" } else { "product_catalog_feed" };
    let file = row.stripe_file.clone().unwrap_or_default();
    let call = import::create_set(&file, format, &row.account, &format!("{}-{}", row.id, row.attempt));
    match outside::stripe::<import::ImportSet>(edge, mode_of(row), &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(set) => {
            row.stripe_id = Some(set.id);
            Ok(())
        }
        Outcome::Refused(error) => Err(refused(edge, row, connection, error)),
        Outcome::Unavailable { why, replayed_5xx } => {
            if replayed_5xx {
                // Stripe keeps giving its stored trouble under this key, and may have imported the file. Products that are told twice are
                // the same.
                (row.stripe_file, row.attempt) = (None, row.attempt.saturating_add(1));
                made(edge, row)?;
            }
            Err(Trouble::Later(not_answered(why)))
        }
    }
}

/// A row on its way.
type Item = std::result::Result<ProductRow, String>;

fn cells(item: &Item, kind: FeedType) -> RowCells<'_> {
    match item {
        Ok(row) => columns::product_cells(row, kind),
        Err(gone) => columns::gone_cells(gone),
    }
}

/// What the first time through the rows tells.
struct Plan {
    sources: Sources,
    header: Header,
    /// Of the rows that are sent.
    length: usize,
    rows: i64,
    /// They themselves, where they are few.
    held: Option<Vec<Item>>,
}

/// What is sent, in this order. Of stock of another catalogue than before: all of it, and then what it left out.
type Sources = [Option<Source>; 2];

/// Pages of what is sent, larger where rows are small.
struct Pages {
    sources: std::array::IntoIter<Option<Source>, 2>,
    source: Option<Source>,
    after: String,
    limit: i64,
    /// Whether the rows may be those of another catalogue than the import was begun of: nothing of it has been read.
    open: bool,
}

impl Pages {
    /// The first time through the rows: those of products are the ones of the catalogue that is live then.
    fn new(sources: Sources, row: &ImportRow) -> Self {
        let open = row.origin != "stock";
        let mut pages = Pages { sources: sources.into_iter(), source: None, after: String::new(), limit: 200, open };
        pages.turn();
        pages
    }

    /// The second time: they must be the ones that were counted, under the header that was made of them.
    fn again(sources: Sources, row: &ImportRow) -> Self {
        Pages { open: false, ..Pages::new(sources, row) }
    }

    fn turn(&mut self) {
        self.source = self.sources.next().flatten();
        self.after.clear();
    }

    /// The next page; `None` at the end.
    fn next(&mut self, edge: &Edge, row: &mut ImportRow) -> Sent<Option<Vec<Item>>> {
        let Some(source) = self.source else { return Ok(None) };
        let page = edge.db.source_page(&row.shop_id, source, &self.after, self.limit)?;
        if !page.rows.is_empty() {
            if page.generation != row.generation {
                if row.origin == "stock" {
                    return Err(Trouble::Stale);
                }
                if !self.open {
                    return Err(changed());
                }
                row.generation = page.generation;
            }
            self.open = false;
        }
        if page.more {
            self.after = page.next;
        } else {
            self.turn();
        }
        Ok(Some(page.rows))
    }

    /// Rows of some 2 MB are read at a time, and at most 2,000: D1 allows an invocation 1,000 statements.
    fn adapt(&mut self, bytes: usize, rows: usize) {
        let each = bytes.checked_div(rows.max(1)).unwrap_or_default().saturating_add(300);
        let fit = 2_000_000_usize.checked_div(each).unwrap_or(200);
        self.limit = i64::try_from(fit).unwrap_or(2000).clamp(50, 2000);
    }
}

fn changed() -> Trouble {
    Trouble::Later(not_answered("the catalogue was changed while it was sent".to_owned()))
}

/// Goes through all rows: checks them, keeps the bad ones, counts the others.
fn plan(edge: &Edge, row: &mut ImportRow, sources: Sources) -> Sent<Plan> {
    let kind = kind_of(row);
    edge.db.forget_errors(&row.id, 0, crate::store::imports::STRIPES)?;
    let mut errors = Errors::new(&row.id, 0);
    let mut plan = Plan { sources, header: Header::default(), length: 0, rows: 0, held: Some(Vec::new()) };
    let mut pages = Pages::new(sources, row);
    let mut number = 0_i64;
    while let Some(items) = pages.next(edge, row)? {
        let (before, count) = (plan.length, items.len());
        for item in items {
            number = number.saturating_add(1);
            let cells = cells(&item, kind);
            plan.header.add(&cells);
            let faults = columns::faults(&cells, kind);
            if !faults.is_empty() {
                let in_order =
                    plan.header.0.iter().map(|name| cells.iter().find(|(known, _)| known == name).map(|(_, text)| text.to_string()));
                let in_order: Vec<String> = in_order.map(Option::unwrap_or_default).collect();
                let id = cells.first().map(|(_, id)| id.to_string());
                errors.add(&Bad { row: number, id, faults, cells: in_order });
                continue;
            }
            for (_, text) in cells.iter().filter(|(name, _)| plan.header.0.iter().any(|known| known == name)) {
                plan.length = plan.length.saturating_add(columns::cell_length(text));
            }
            plan.rows = plan.rows.saturating_add(1);
            drop(cells);
            match &mut plan.held {
                Some(held) if plan.length <= HELD => held.push(item),
                _ => plan.held = None,
            }
        }
        pages.adapt(plan.length.saturating_sub(before), count);
        errors.flush(edge, false)?;
        hold(edge, row)?;
    }
    errors.flush(edge, true)?;
    // Each row has as many commas and line ends as there are columns.
    let marks = usize::try_from(plan.rows).unwrap_or_default().saturating_mul(plan.header.0.len());
    plan.length = plan.length.saturating_add(marks).saturating_add(plan.header.line().len());
    row.rows = Some(plan.rows);
    row.rejected = errors.count;
    row.bytes = i64::try_from(plan.length).ok();
    row.columns = plan.header.0.text();
    row.samples = errors.named.text();
    Ok(plan)
}

/// Whether anything may be sent, after the rows were looked at.
pub fn sendable(row: &ImportRow) -> Sent<()> {
    let named: Value = row.samples.parse().unwrap_or_default();
    let about = |problem: Problem| {
        Trouble::Over(problem.with("import", row.id.json()).with("rejected", row.rejected.json()).with("errors", named.clone()))
    };
    if row.rejected > 0 && OnError::stored(&row.on_error) == OnError::Fail {
        let message = format!("{} rows are not as Stripe wants them. Nothing was sent.", row.rejected);
        return Err(about(Problem::request(422, "rows_invalid", message)));
    }
    if row.rows == Some(0) {
        return Err(about(Problem::request(422, "catalogue_empty", "There is no row that can be sent. Nothing was sent.")));
    }
    Ok(())
}

/// Makes a file of the shop's catalogue, or of what changed of its stock, and sends it. May be repeated: what is there is found.
pub fn deliver(edge: &Edge, row: &mut ImportRow, connection: &ConnectionRow) -> Sent<()> {
    if row.stripe_id.is_some() || row.stripe_file.is_some() {
        // A try before may have come to its end without being heard.
        if let Place::There = place(edge, row, connection)? {
            return Ok(());
        }
    }
    let mut sources = [Some(Source::Catalogue), None];
    if row.origin == "stock"
        && let Some(stock) = edge.db.stock(&row.shop_id, row.livemode)?
    {
        let (from, to) = (stock.seen, row.seen);
        sources = if stock.generation == row.generation {
            [Some(Source::Changes(from, to)), None]
        } else {
            [Some(Source::Catalogue), Some(Source::Gone(from, to))]
        };
    }
    let plan = plan(edge, row, sources)?;
    if row.origin == "stock" && plan.rows == 0 {
        return Err(Trouble::Nothing);
    }
    sendable(row)?;
    if by_sets(row) && plan.length.saturating_add(SLACK) > MOST_BY_FILES {
        let message = format!("The file would have {} bytes; Stripe takes {MOST_BY_FILES}. Nothing was sent.", plan.length);
        return Err(Trouble::Over(Problem::request(422, "file_too_large", message)));
    }
    let place = place(edge, row, connection)?;
    if let Place::There = place {
        return Ok(());
    }
    write(edge, row, connection, &plan, &place)
}

fn write(edge: &Edge, row: &mut ImportRow, connection: &ConnectionRow, plan: &Plan, place: &Place) -> Sent<()> {
    let kind = kind_of(row);
    let mut text = plan.header.line();
    if let Some(held) = &plan.held {
        for item in held {
            columns::write_line(&mut text, &plan.header.0, &cells(item, kind));
        }
        let outgoing = Outgoing::begin(edge, row, place, "text/csv", text.len())?;
        let mut outgoing = outgoing.write_all(edge, row, text.as_bytes())?;
        outgoing.left = 0;
        return outgoing.finish(edge, row, connection);
    }
    let mut outgoing = Outgoing::begin(edge, row, place, "text/csv", plan.length.saturating_add(SLACK))?;
    let mut pages = Pages::again(plan.sources, row);
    loop {
        let page = match pages.next(edge, row) {
            Ok(page) => page,
            Err(trouble) => {
                outgoing.abort();
                return Err(trouble);
            }
        };
        let last = page.is_none();
        let (count, mut bytes) = (page.as_ref().map_or(0, Vec::len), 0_usize);
        for item in page.into_iter().flatten() {
            let cells = cells(&item, kind);
            if !columns::faults(&cells, kind).is_empty() {
                continue;
            }
            let before = text.len();
            columns::write_line(&mut text, &plan.header.0, &cells);
            bytes = bytes.saturating_add(text.len().saturating_sub(before));
            if text.len() >= BLOCK {
                if text.len() > outgoing.left {
                    outgoing.abort();
                    return Err(changed());
                }
                if !outgoing.write(text.as_bytes()) {
                    return outgoing.finish(edge, row, connection);
                }
                text.clear();
            }
        }
        pages.adapt(bytes, count);
        if let Err(trouble) = hold(edge, row) {
            outgoing.abort();
            return Err(trouble);
        }
        if last {
            break;
        }
    }
    // A file that lacks many rows is not what was counted, and as a replacement it would take them out.
    if text.len() > outgoing.left || outgoing.left.saturating_sub(text.len()) > SLACK.saturating_mul(2) {
        outgoing.abort();
        return Err(changed());
    }
    outgoing.write(text.as_bytes());
    outgoing.finish(edge, row, connection)
}
