//! What becomes of a catalogue at Stripe: told by thin events, asked about by the sweep; and the rows that Stripe refused, which it shows
//! for five minutes and which are kept here.

use super::sending::{self, Errors, Trouble, by_sets, mode_of};
use super::stock;
use crate::agentic::columns::ErrorFile;
use crate::edge::outside::{self, Target};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::feed::Format;
use crate::record::Json;
use crate::store::connect::ConnectionRow;
use crate::store::imports::{ImportRow, STRIPES};
use crate::stripe::call::Outcome;
use crate::stripe::import::{self, ErrorsAt, State};
use serde_json::Value;

/// Imports of one run, and after how long none is begun any more, milliseconds.
const IMPORTS: i64 = 60;
const TIME: u64 = 20_000;
/// Round trips to D1 of one run's looks (a large catalogue that is sent again has its own).
const ROUND_TRIPS: u32 = 200;
/// How long one look holds an import, seconds.
const LEASE: i64 = 60;
/// How often Stripe is asked in vain: for some days.
const MOST_CHECKS: i64 = 400;
/// How long after its address an upload may still come to its end, seconds.
pub const UPLOAD_TAKES: i64 = 3600;
/// Named rows of an import's object.
const NAMED: usize = 100;

/// For the sweep. Answers how many imports it got further.
pub fn run(edge: &Edge) -> Result<u32> {
    let ends = clock::now_ms().saturating_add(TIME);
    let d1_ends = edge.counters.d1.get().saturating_add(ROUND_TRIPS);
    let mut done = 0_u32;
    let (imports, stock) = edge.db.due_imports(clock::now(), IMPORTS)?;
    for row in imports {
        if clock::now_ms() >= ends || edge.counters.d1.get() >= d1_ends {
            break;
        }
        let (id, shop) = (row.id.clone(), row.shop_id.clone());
        match look(edge, row) {
            Ok(moved) => done = done.saturating_add(u32::from(moved)),
            // One import's trouble is its own.
            Err(problem) => {
                log::line(
                    object! { "level": "warn", "event": "import_trouble", "import": id, "shop": shop, "why": problem.code, "cause": problem.cause },
                );
            }
        }
    }
    Ok(done.saturating_add(stock::run(edge, stock, ends, d1_ends)))
}

/// One import that is due.
fn look(edge: &Edge, mut row: ImportRow) -> Result<bool> {
    let now = clock::now();
    let until = now.saturating_add(LEASE);
    let Some((shop, connection)) = edge.db.lease_import(&row, now, until)? else { return Ok(false) };
    if row.status == "awaiting_upload" {
        row.locked_until = until;
    }
    let gone = shop.is_none_or(|shop| shop.ended());
    let Some(connection) = connection.filter(|_| !gone) else {
        if row.running() {
            over(edge, &row, "connection_gone", "The Stripe account is not connected any more.")?;
        } else {
            edge.db.errors_kept(&row.id, &row.columns)?;
        }
        return Ok(true);
    };
    match (row.status.as_str(), row.origin.as_str()) {
        // A file that Stripe has, and no import set of it yet, can be gone on with whosoever it was.
        ("awaiting_upload", origin)
            if matches!(origin, "catalogue" | "stock") || (row.stripe_file.is_some() && row.stripe_id.is_none()) =>
        {
            let sent = sending::deliver(edge, &mut row, &connection);
            settle(edge, &row, sent)?;
            Ok(true)
        }
        ("awaiting_upload", _) if row.stripe_id.is_none() => {
            over(edge, &row, "upload_broken_off", "The file broke off before Stripe had it. Send it again.")?;
            Ok(true)
        }
        ("awaiting_upload" | "processing", _) => ask(edge, &row, &connection, now),
        _ => match keep_errors(edge, &row, &connection) {
            Ok(()) => Ok(true),
            Err(problem) => {
                let checks = row.checks.saturating_add(1);
                if checks > MOST_CHECKS {
                    // Stripe shows them no more: what is known of them is what the import's object names.
                    edge.db.errors_kept(&row.id, &row.columns)?;
                } else {
                    edge.db.check_import_later(&row, Some(now.saturating_add(pause(checks))), checks)?;
                }
                Err(problem)
            }
        },
    }
}

/// What came of sending, where no caller waits for it.
pub fn settle(edge: &Edge, row: &ImportRow, sent: std::result::Result<(), Trouble>) -> Result<()> {
    let now = clock::now();
    match sent {
        Ok(()) => edge.db.import_sent(row, None, now),
        Err(Trouble::Nothing) if row.stripe_id.is_none() => edge.db.stock_told(row, now),
        Err(Trouble::Stale) if row.stripe_id.is_none() => edge.db.drop_import(row, now),
        // Stripe waits for a file that will not come: the next run makes an import of its own.
        Err(Trouble::Nothing | Trouble::Stale) => {
            over(edge, row, "catalogue_changed", "The catalogue was replaced before its stock was sent. Its own is sent next.")
        }
        Err(Trouble::Over(problem) | Trouble::Refused(problem)) => {
            log::line(object! { "level": "warn", "event": "import_failed", "import": row.id, "shop": row.shop_id, "why": problem.code });
            edge.db.fail_import(row, &told(&problem.code, &problem.message), None, now)
        }
        Err(Trouble::Later(problem)) => {
            log::line(
                object! { "level": "warn", "event": "import_later", "import": row.id, "shop": row.shop_id, "why": problem.code, "cause": problem.cause },
            );
            let checks = row.checks.saturating_add(1);
            if checks > MOST_CHECKS {
                return over(edge, row, "import_lost", "Stripe did not take the catalogue for days.");
            }
            edge.db.leave_import(row, None, now.saturating_add(pause(checks)))?;
            edge.db.check_import_later(row, Some(now.saturating_add(pause(checks))), checks)
        }
    }
}

pub fn told(code: &str, message: &str) -> String {
    object! { "code": code, "message": message }.text()
}

fn over(edge: &Edge, row: &ImportRow, code: &str, message: &str) -> Result<()> {
    edge.db.fail_import(row, &told(code, message), None, clock::now())
}

/// Between one question and the next, seconds.
fn pause(checks: i64) -> i64 {
    match checks {
        ..=3 => 60,
        4..=10 => 300,
        _ => 900,
    }
}

/// The same of an import that Stripe works on: at first it is asked with each sweep, which comes once a minute.
fn soon(checks: i64) -> i64 {
    if checks <= 3 { 0 } else { pause(checks) }
}

/// Asks Stripe how an import stands; whether it moved.
fn ask(edge: &Edge, row: &ImportRow, connection: &ConnectionRow, now: i64) -> Result<bool> {
    let checks = row.checks.saturating_add(1);
    let later = |row: &ImportRow| edge.db.check_import_later(row, Some(now.saturating_add(pause(checks))), checks);
    let state = match state_of(edge, row) {
        Ok(Outcome::Ok(state)) => state,
        Ok(Outcome::Refused(error)) if error.account_invalid() && checks <= MOST_CHECKS => {
            crate::journey::connect::account_refused(edge, mode_of(row), connection)?;
            later(row)?;
            return Ok(false);
        }
        Ok(Outcome::Refused(error)) if error.status == 404 => {
            over(edge, row, "import_lost", "Stripe does not know the import any more.")?;
            return Ok(true);
        }
        _ if checks > MOST_CHECKS => {
            over(edge, row, "import_lost", "Stripe did not say for days what became of the import.")?;
            return Ok(true);
        }
        // Trouble at Stripe, or a key that the operator has taken away.
        Ok(_) | Err(_) => {
            later(row)?;
            return Ok(false);
        }
    };
    if state.status == "awaiting_upload" {
        // A file that was sent whole is Stripe's to take up; one that was not, nobody sends again.
        if row.origin == "file" && row.uploaded_at.is_none() {
            over(edge, row, "upload_broken_off", "The file broke off before Stripe had it. Send it again.")?;
            return Ok(true);
        }
        let end = row.uploaded_at.or(row.expires_at).unwrap_or(row.created).saturating_add(UPLOAD_TAKES);
        if end <= now {
            over(edge, row, "upload_expired", "Nothing was sent to the upload_url in its time.")?;
            return Ok(true);
        }
        let at = now.saturating_add(soon(checks)).min(end);
        edge.db.leave_import(row, None, at)?;
        edge.db.check_import_later(row, Some(at), checks)?;
        return Ok(false);
    }
    if checks > MOST_CHECKS && !state.ended() {
        over(edge, row, "import_lost", "Stripe has not come to an end with the import for days.")?;
        return Ok(true);
    }
    tell(edge, row, &state, checks, now)
}

/// How an import stands at Stripe.
fn state_of(edge: &Edge, row: &ImportRow) -> Result<Outcome<State>> {
    let id = row.stripe_id.as_deref().unwrap_or_default();
    let lost = || Outcome::Unavailable { why: "another object than was asked for".to_owned(), replayed_5xx: false };
    if by_sets(row) {
        let call = import::retrieve_set(id, &row.account);
        return Ok(match outside::stripe::<import::ImportSet>(edge, mode_of(row), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(set) if set.id == id => Outcome::Ok(set.state()),
            Outcome::Ok(_) => lost(),
            Outcome::Refused(error) => Outcome::Refused(error),
            Outcome::Unavailable { why, replayed_5xx } => Outcome::Unavailable { why, replayed_5xx },
        });
    }
    let call = import::retrieve(id, &row.account);
    Ok(match outside::stripe::<import::Import>(edge, mode_of(row), &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(found) if found.id == id && found.livemode == (row.livemode != 0) => found.state().map_or_else(lost, Outcome::Ok),
        Outcome::Ok(_) => lost(),
        Outcome::Refused(error) => Outcome::Refused(error),
        Outcome::Unavailable { why, replayed_5xx } => Outcome::Unavailable { why, replayed_5xx },
    })
}

/// Writes down what Stripe says; whether anything moved.
fn tell(edge: &Edge, row: &ImportRow, state: &State, checks: i64, now: i64) -> Result<bool> {
    let bad = state.errors.is_some() || state.status == "succeeded_with_errors";
    let mut after = row.clone();
    after.status = state.status.to_owned();
    after.success_count = state.success_count.or(row.success_count);
    after.error_count = state.error_count.or(row.error_count);
    after.problem = state.problem.as_ref().map(|(code, message)| told(code, message));
    after.uploaded_at = row.uploaded_at.or(Some(now));
    // From its end on it is counted how often the refused rows were fetched in vain.
    after.checks = if state.ended() { 0 } else { checks };
    after.finished = state.ended().then_some(now);
    // Rows that were refused are fetched at once, or with the next run.
    after.check_at = if state.ended() { bad.then_some(now) } else { Some(now.saturating_add(soon(checks))) };
    after.errors_kept = i64::from(state.ended() && !bad);
    let mut named: Vec<Value> = row.samples.parse::<Value>().ok().and_then(|list| list.as_array().cloned()).unwrap_or_default();
    if state.ended() {
        named.extend(state.samples.iter().map(sample));
        named.truncate(NAMED);
    }
    after.samples = named.text();
    let moved = edge.db.import_told(row, &after, now)?;
    if moved && state.status == "failed" {
        log::line(object! { "level": "warn", "event": "import_failed", "import": row.id, "shop": row.shop_id, "why": after.problem });
    }
    Ok(moved)
}

/// A refused row as Stripe names it.
fn sample(given: &Value) -> Value {
    let text = |name: &str, most: usize| -> Option<String> {
        let text = given.get(name)?.as_str()?;
        Some(text.chars().filter(|c| !c.is_control()).take(most).collect())
    };
    let row = given.get("row").and_then(|row| row.as_i64().or_else(|| row.as_str()?.parse().ok()));
    object! { "row": row, "id": text("id", 100), "field": text("field", 100), "code": "stripe_refused", "message": text("error_message", 500) }
}

/// A thin event about an import: it is fetched by its id from the configured host, never by the address in the event.
pub fn heard(edge: &Edge, stripe_id: &str, account: &str, live: bool) -> Result<&'static str> {
    let Some(row) = edge.db.import_of_stripe(stripe_id, account, live)? else { return Ok("not_ours") };
    *edge.counters.shop.borrow_mut() = Some(row.shop_id.clone());
    if !row.running() {
        return Ok("nothing_new");
    }
    let state = match state_of(edge, &row)? {
        Outcome::Ok(state) => state,
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok("not_ours"),
        // Stripe sends it again.
        Outcome::Refused(_) | Outcome::Unavailable { .. } => return Err(Problem::stripe_unavailable("Stripe could not be asked.")),
    };
    if state.status == "awaiting_upload" || !tell(edge, &row, &state, row.checks, clock::now())? {
        return Ok("nothing_new");
    }
    if state.errors.is_some() {
        keep_later(edge, &row);
    }
    Ok(state.status)
}

/// Fetches refused rows behind the answer. The sweep finds what is left.
fn keep_later(edge: &Edge, row: &ImportRow) {
    let (work, id, shop) = (edge.aside(), row.id.clone(), row.shop_id.clone());
    edge.later(move || {
        let kept = (|| {
            let Some(row) = work.db.import(&shop, &id)? else { return Ok(()) };
            let connection = work.db.active_connection(&shop, row.livemode != 0)?;
            let Some(connection) = connection.filter(|connection| connection.account == row.account) else { return Ok(()) };
            keep_errors(&work, &row, &connection)
        })();
        if let Err(problem) = kept {
            let problem: Problem = problem;
            log::line(
                object! { "level": "warn", "event": "import_errors_later", "import": id, "why": problem.code, "cause": problem.cause },
            );
        }
    });
}

/// Keeps the rows that Stripe refused, before its link dies; a new one is asked for each time. May be repeated.
pub fn keep_errors(edge: &Edge, row: &ImportRow, connection: &ConnectionRow) -> Result<()> {
    if row.errors_kept != 0 {
        return Ok(());
    }
    // One at a time: who begins anew takes away what another has kept by then.
    let now = clock::now();
    if !edge.db.claim_errors(&row.id, now, now.saturating_add(LEASE))? {
        return Err(Problem::stripe_unavailable("The rows are being fetched. Ask again in a moment."));
    }
    let kept = fetch_errors(edge, row, connection);
    if kept.is_err() {
        edge.db.release_errors(&row.id)?;
    }
    kept
}

fn fetch_errors(edge: &Edge, row: &ImportRow, connection: &ConnectionRow) -> Result<()> {
    let unavailable = |why: String| Problem::stripe_unavailable("Stripe does not show the rows right now. Ask again.").because(why);
    let state = match state_of(edge, row)? {
        Outcome::Ok(state) => state,
        Outcome::Refused(error) if error.account_invalid() => {
            return Err(crate::journey::connect::account_refused(edge, mode_of(row), connection)?);
        }
        Outcome::Refused(error) => return Err(unavailable(error.message)),
        Outcome::Unavailable { why, .. } => return Err(unavailable(why)),
    };
    let opened = match &state.errors {
        None => return edge.db.errors_kept(&row.id, &row.columns),
        Some(ErrorsAt::Address(url)) => {
            let url = import::address(url, &edge.config.api_base, edge.config.allow_local)
                .map_err(|why| Problem::fault(format!("the address of refused rows is refused: {why}")))?;
            outside::download(edge, &Target::Address { url: &url, media: "" })?
        }
        Some(ErrorsAt::File(file)) => {
            let call = import::file_contents(file, &row.account);
            outside::download(edge, &Target::Call { mode: mode_of(row), call: &call, media: "" })?
        }
    };
    let mut pieces = match opened {
        Ok((200, pieces)) => pieces,
        Ok((status, _)) => return Err(unavailable(format!("refused rows answer {status}"))),
        Err(why) => return Err(unavailable(why)),
    };
    edge.db.forget_errors(&row.id, STRIPES, i64::MAX >> 12)?;
    let columns: Vec<String> = match row.columns.parse::<Value>() {
        Ok(Value::Array(names)) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let mut piece = pieces.next().map_err(unavailable)?;
    // Of a file with tabs Stripe makes one with tabs.
    let first = piece.as_deref().unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut file = ErrorFile::new(if first.contains(&b'\t') { Format::Tsv } else { Format::Csv }, columns);
    let mut errors = Errors::new(&row.id, STRIPES);
    let mut rows = Vec::new();
    loop {
        if let Err(problem) = file.push(piece.as_deref(), &mut rows) {
            // Not a table: what was read so far is what there is.
            log::line(object! { "level": "warn", "event": "import_errors_unreadable", "import": row.id, "why": problem.message });
            break;
        }
        rows.drain(..).for_each(|row| errors.keep(row));
        errors.flush(edge, false)?;
        if piece.is_none() || errors.full() {
            break;
        }
        piece = pieces.next().map_err(unavailable)?;
    }
    errors.flush(edge, true)?;
    pieces.drain();
    edge.db.errors_kept(&row.id, &file.columns.text())
}
