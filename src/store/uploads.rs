//! Catalogues on their way in: begun, staged batch by batch, switched in one go; and what is left of them swept.

use super::catalogue::{ROW, generation_of, merge_generation, write_rows, write_words};
use super::feeds::{changing, note_changes};
use super::idempotency::{Attempt, AttemptRow, HOLDS, KEPT};
use super::lists::{Cursor, List};
use super::shops::{SHOP_OF_KEY, ShopRow};
use super::{Bind, Db, Found, Statement};
use crate::error::Result;
use crate::record::Member;
use crate::sql;
use serde_json::Value;

/// How long an upload counts as running after it was last heard of, seconds.
pub const UPLOAD_LOCK: i64 = 60;
/// How long uploads and their errors are kept, seconds.
pub const UPLOADS_KEPT: i64 = 30 * 24 * 3600;
/// Errors that an upload's object shows.
const SHOWN: i64 = 100;

record! {
    /// An upload as D1 has it.
    #[derive(Debug)]
    pub struct UploadRow {
        pub id: String,
        pub mode: String,
        pub status: String,
        pub locked_until: i64,
        pub bytes: i64,
        pub accepted: i64,
        pub rejected: i64,
        /// `{code, message}`, as JSON.
        pub problem: Option<String>,
        pub started: i64,
        pub finished: Option<i64>,
        /// The first errors, as JSON.
        pub errors: String,
    }
}

record! {
    /// An error in a row of a file.
    #[derive(Debug)]
    pub struct ErrorRow {
        pub row: i64,
        pub field: String,
        pub product_id: Option<String>,
        pub code: String,
        pub message: String,
    }
}

/// An upload that runs here.
pub struct Upload<'a> {
    pub id: &'a str,
    /// Where its rows are staged.
    pub generation: i64,
    /// Takes the place of the whole catalogue, or goes over it.
    pub replaces: bool,
    pub attempt: &'a Attempt<'a>,
}

/// What came of a beginning.
pub enum Begun {
    /// The generation for its rows.
    Yes(i64),
    /// Another request holds the key.
    KeyTaken,
    /// Another upload of the shop is running: its id.
    Busy(String),
}

/// How far an upload has come.
#[derive(Clone, Copy, Default)]
pub struct Progress {
    pub bytes: i64,
    pub accepted: i64,
    pub rejected: i64,
}

/// What was staged.
pub struct Staged {
    /// Rows of which the last of each id is counted, those that take out a product too.
    pub accepted: i64,
    /// Products that are there afterwards, in a replacement.
    pub products: i64,
    /// The first errors.
    pub errors: Vec<Value>,
}

/// Whether the upload `?1` may still write: it was neither given up nor taken over.
const RUNS: &str = "EXISTS (SELECT 1 FROM catalogue_uploads WHERE id = ?1 AND status = 'running')";

const BROKEN_OFF: &str = r#"{"code":"upload_broken_off","message":"The upload broke off. Nothing was changed."}"#;

/// The first errors of the upload `{expr}` as a JSON list.
fn shown_errors(expr: &str) -> String {
    format!(
        "(SELECT json_group_array(json_object('row', f.row, 'field', nullif(f.field, ''), 'code', f.code, 'message', f.message))
            FROM (SELECT row, field, code, message FROM catalogue_errors WHERE upload_id = {expr} ORDER BY row, field LIMIT {SHOWN}) f)"
    )
}

impl Db {
    /// Who asks, and what was said with this key before: one round trip.
    pub fn load_for_upload(&self, key_hash: &str, now: i64, path: &str, key: &str) -> Result<(Found<ShopRow>, Found<AttemptRow>)> {
        let shop = format!("SELECT * FROM shops WHERE id = {SHOP_OF_KEY}");
        // As long as the upload runs it holds the key too.
        let attempt = format!(
            "SELECT fingerprint, subject, form, status, body, coalesce((SELECT u.locked_until FROM catalogue_uploads u
               WHERE u.id = i.subject AND u.status = 'running'), i.locked_until) AS locked_until
             FROM idempotency i WHERE shop_id = {SHOP_OF_KEY} AND path = ?3 AND key = ?4 AND created > ?5"
        );
        let attempt = sql!(&attempt, key_hash, now, path, key, now.saturating_sub(KEPT));
        let answers = self.batch(vec![sql!(&shop, key_hash, now), attempt])?;
        Ok((answers.at(0)?.first()?, answers.at(1)?.first()?))
    }

    /// Uploads that were not heard of for too long are over, and what they staged is to be swept. `whose` narrows it to some.
    fn give_up_lost(&self, whose: &str, binds: &[Bind<'_>]) -> [Statement; 2] {
        let uploads = format!(
            "UPDATE catalogue_uploads SET status = 'failed', finished = ?1, problem = '{BROKEN_OFF}'
             WHERE status = 'running' AND locked_until <= ?1 AND {whose}"
        );
        let staged = format!(
            "UPDATE catalogues SET state = 'old' WHERE state = 'staged' AND ?1 > 0 AND {whose}
               AND NOT EXISTS (SELECT 1 FROM catalogue_uploads u WHERE u.id = catalogues.upload_id AND u.status = 'running')"
        );
        [Statement::with(&uploads, binds), Statement::with(&staged, binds)]
    }

    /// Takes the key and the shop's only place for an upload. An upload that a crash left is over.
    pub fn begin_upload(&self, attempt: &Attempt<'_>, id: &str, mode: &str, now: i64) -> Result<Begun> {
        let until = now.saturating_add(UPLOAD_LOCK);
        let [lost, staged] = self.give_up_lost("shop_id = ?2", &[Bind::Int(now), Bind::Text(attempt.shop_id)]);
        let mut binds = attempt.binds();
        binds.extend([Bind::Text(id), Bind::Text(mode), Bind::Int(until), Bind::Int(now)]);
        let upload = format!(
            "INSERT INTO catalogue_uploads (id, shop_id, mode, status, locked_until, started) SELECT ?5, ?1, ?6, 'running', ?7, ?8
             WHERE {HOLDS} AND EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status = 'active')
               AND NOT EXISTS (SELECT 1 FROM catalogue_uploads WHERE shop_id = ?1 AND status = 'running')"
        );
        let generation =
            format!("INSERT INTO catalogues (shop_id, state, upload_id) SELECT ?2, 'staged', ?1 WHERE {RUNS} RETURNING generation AS n");
        let mut forget = attempt.binds();
        forget.push(Bind::Text(id));
        let answers = self.batch(vec![
            lost,
            staged,
            // What the bytes are is known at their end only.
            self.take_key(attempt, "", id, None, until, now),
            Statement::with(&upload, &binds),
            sql!(&generation, id, attempt.shop_id),
            sql!("SELECT id FROM catalogue_uploads WHERE shop_id = ?1 AND status = 'running'", attempt.shop_id),
            Statement::with(
                "DELETE FROM idempotency WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4
                       AND NOT EXISTS (SELECT 1 FROM catalogue_uploads WHERE id = ?5)",
                &forget,
            ),
        ])?;
        if answers.at(2)?.changes()? == 0 {
            return Ok(Begun::KeyTaken);
        }
        if answers.at(4)?.any() {
            return Ok(Begun::Yes(answers.at(4)?.number()?));
        }
        Ok(Begun::Busy(answers.at(5)?.ids().pop().unwrap_or_default()))
    }

    /// Stages rows and errors (JSON lists) and says that the upload is alive. Answers how many rows of before were noted because they are there
    /// again (the later one counts), or `None` where the upload is one no more. May be repeated: what is there already is the same.
    pub fn stage(
        &self, upload: &Upload<'_>, rows: &str, errors: &str, progress: Progress, errors_left: i64, now: i64,
    ) -> Result<Option<usize>> {
        let until = now.saturating_add(UPLOAD_LOCK);
        let mut batch = vec![sql!(
            "UPDATE catalogue_uploads SET locked_until = ?2, bytes = ?3, accepted = ?4, rejected = ?5 WHERE id = ?1 AND status = 'running'",
            upload.id,
            until,
            progress.bytes,
            progress.accepted,
            progress.rejected
        )];
        let mut again = None;
        if rows != "[]" {
            // The list leads: led by the products, each of them would be held against the whole list.
            let earlier = format!(
                "json_each(?3) e CROSS JOIN products p ON p.generation = ?2 AND p.id = e.value ->> 0 AND p.row <> e.value ->> {ROW}"
            );
            let duplicates = format!(
                "INSERT INTO catalogue_errors (upload_id, row, field, product_id, code, message)
                 SELECT ?1, p.row, 'id', p.id, 'duplicate_id', 'id is there again in row ' || (e.value ->> {ROW}) || ', which counts.'
                 FROM {earlier} WHERE {RUNS} LIMIT max(0, ?4) ON CONFLICT DO NOTHING"
            );
            let words = format!(
                "DELETE FROM product_words WHERE (generation, word, id) IN (SELECT p.generation, w.value, p.id FROM {earlier}, json_each(p.words) w
                 WHERE {RUNS})"
            );
            again = Some(batch.len());
            batch.push(sql!(&duplicates, upload.id, upload.generation, rows, errors_left));
            if upload.replaces {
                batch.push(sql!(&words, upload.id, upload.generation, rows));
            }
            batch.push(sql!(&write_rows("?2", "?3", "?4", RUNS), upload.id, upload.generation, rows, now));
            if upload.replaces {
                batch.push(sql!(&write_words("?2", "?3", RUNS), upload.id, upload.generation, rows));
            }
        }
        if errors != "[]" {
            let text = format!(
                "INSERT INTO catalogue_errors (upload_id, row, field, product_id, code, message)
                 SELECT ?1, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4 FROM json_each(?2) e WHERE {RUNS}
                 ON CONFLICT DO NOTHING"
            );
            batch.push(sql!(&text, upload.id, errors));
        }
        let answers = self.repeatable(batch)?;
        if answers.at(0)?.changes()? == 0 {
            return Ok(None);
        }
        again.map_or(Ok(0), |at| answers.at(at)?.changes()).map(Some)
    }

    /// What has been staged.
    pub fn staged(&self, upload: &Upload<'_>) -> Result<Staged> {
        let answers = self.batch(vec![
            sql!("SELECT count(*) AS n FROM products WHERE generation = ?1", upload.generation),
            sql!("SELECT count(*) AS n FROM products WHERE generation = ?1 AND deleted = 1", upload.generation),
            sql!(&format!("SELECT {} AS errors", shown_errors("?1")), upload.id),
        ])?;
        let accepted = answers.at(0)?.number()?;
        let errors = answers.at(2)?.objects().first().and_then(|row| Vec::read(row.get("errors")?.as_str()?.parse().ok()));
        Ok(Staged { accepted, products: accepted.saturating_sub(answers.at(1)?.number()?), errors: errors.unwrap_or_default() })
    }

    /// Switches to what was staged, keeps the answer for the key, and ends the upload: all of it or nothing. `false` when the upload
    /// was taken over or its shop deleted. May be repeated.
    pub fn commit_upload(&self, upload: &Upload<'_>, progress: Progress, fingerprint: &str, body: &str, finished: i64) -> Result<bool> {
        let shop_id = upload.attempt.shop_id;
        let mut batch = Vec::new();
        if upload.replaces {
            // Stripe keeps what it was not told is gone: what the new catalogue leaves out is a change like any other.
            let left_out = format!(
                "SELECT id, coalesce(item_group_id, id) AS key FROM products WHERE generation = {} AND {RUNS} AND NOT EXISTS
                   (SELECT 1 FROM products n WHERE n.generation = ?2 AND n.id = products.id AND n.deleted = 0)",
                generation_of("?3")
            );
            batch.push(sql!(&note_changes("?3", &left_out), upload.id, upload.generation, shop_id));
            let old = format!("UPDATE catalogues SET state = 'old' WHERE shop_id = ?2 AND state = 'live' AND {RUNS}");
            let gone = format!("DELETE FROM products WHERE generation = ?2 AND deleted = 1 AND {RUNS}");
            let live = format!("UPDATE catalogues SET state = 'live' WHERE generation = ?2 AND state = 'staged' AND {RUNS}");
            batch.push(sql!(&old, upload.id, shop_id));
            batch.push(sql!(&gone, upload.id, upload.generation));
            batch.push(sql!(&live, upload.id, upload.generation));
        } else {
            batch.push(self.open_catalogue(shop_id));
            // For the feeds of agents: the groups that rows leave, and those that they come to.
            let staged = format!("SELECT id FROM products WHERE generation = ?2 AND {RUNS}");
            let note = note_changes("?3", &changing("?3", &staged));
            batch.push(sql!(&note, upload.id, upload.generation, shop_id));
            for text in merge_generation(&generation_of("?3"), "?2", RUNS) {
                batch.push(sql!(&text, upload.id, upload.generation, shop_id));
            }
            batch.push(sql!(&note, upload.id, upload.generation, shop_id));
            let old = format!("UPDATE catalogues SET state = 'old' WHERE generation = ?2 AND state = 'staged' AND {RUNS}");
            batch.push(sql!(&old, upload.id, upload.generation));
        }
        let mut binds = upload.attempt.binds();
        binds.extend([Bind::Text(fingerprint), Bind::Text(body), Bind::Text(upload.id)]);
        batch.push(Statement::with(
            "UPDATE idempotency SET status = 200, body = ?6, fingerprint = ?5, locked_until = 0
             WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4
               AND EXISTS (SELECT 1 FROM catalogue_uploads WHERE id = ?7 AND status = 'running')",
            &binds,
        ));
        batch.push(sql!(
            "UPDATE catalogue_uploads SET status = 'succeeded', finished = ?2, bytes = ?3, accepted = ?4, rejected = ?5
             WHERE id = ?1 AND status = 'running'",
            upload.id,
            finished,
            progress.bytes,
            progress.accepted,
            progress.rejected
        ));
        batch.push(self.wake_feeds(shop_id, finished));
        batch.push(self.wake_stock(shop_id, finished));
        batch.push(sql!("SELECT count(*) AS n FROM catalogue_uploads WHERE id = ?1 AND status = 'succeeded'", upload.id));
        // Where the first answer was lost, the second run changes nothing and still finds it done.
        let answers = self.repeatable(batch)?;
        Ok(answers.into_last().map_or(Ok(0), |rows| rows.number())? == 1)
    }

    /// Nothing came of it: the catalogue is as it was, the key as if it had never been sent.
    pub fn fail_upload(&self, upload: &Upload<'_>, progress: Progress, problem: &str, now: i64) -> Result<()> {
        self.run_repeatable(vec![
            sql!(
                "UPDATE catalogue_uploads SET status = 'failed', finished = ?2, problem = ?3, bytes = ?4, accepted = ?5, rejected = ?6
                 WHERE id = ?1 AND status = 'running'",
                upload.id,
                now,
                problem,
                progress.bytes,
                progress.accepted,
                progress.rejected
            ),
            sql!("UPDATE catalogues SET state = 'old' WHERE generation = ?1 AND state = 'staged'", upload.generation),
            self.forget(upload.attempt),
        ])
    }

    /// A page of the shop's uploads: see [`Db::page_of`].
    pub fn uploads(&self, shop_id: &str, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<UploadRow>>> {
        let columns = format!("*, {} AS errors", shown_errors("catalogue_uploads.id"));
        self.page_of(&List { table: "catalogue_uploads", columns: &columns, shop_id, there: "1", conditions: &[] }, cursor, limit)
    }

    /// One upload of the shop's.
    pub fn upload(&self, shop_id: &str, id: &str) -> Result<Option<Box<UploadRow>>> {
        let text = format!("SELECT u.*, {} AS errors FROM catalogue_uploads u WHERE u.id = ?2 AND u.shop_id = ?1", shown_errors("u.id"));
        self.find(sql!(&text, shop_id, id))
    }

    /// The next errors of an upload behind a row and field.
    pub fn upload_errors(&self, id: &str, row: i64, field: &str, limit: i64) -> Result<Vec<ErrorRow>> {
        let text = format!(
            "SELECT row, field, product_id, code, message FROM catalogue_errors WHERE upload_id = ?1 AND (row, field) > (?2, ?3)
             ORDER BY row, field LIMIT {limit}"
        );
        self.list(sql!(&text, id, row, field))
    }

    /// One slice of what uploads left: those that broke off are over; rows of generations that nobody sees any more go, and uploads
    /// that are too old with their errors. Answers how many rows there were.
    pub fn sweep_catalogues(&self, now: i64) -> Result<usize> {
        const OLD: &str = "(SELECT min(generation) FROM catalogues WHERE state = 'old')";
        const AGED: &str = "(SELECT id FROM catalogue_uploads WHERE started <= ?1 ORDER BY started LIMIT 20)";
        let [lost, staged] = self.give_up_lost("1", &[Bind::Int(now)]);
        let words = format!(
            "DELETE FROM product_words WHERE (generation, word, id) IN
               (SELECT generation, word, id FROM product_words WHERE generation = {OLD} LIMIT 20000)"
        );
        let products = format!("DELETE FROM products WHERE rowid IN (SELECT rowid FROM products WHERE generation = {OLD} LIMIT 2000)");
        let empty = format!(
            "DELETE FROM catalogues WHERE generation = {OLD} AND NOT EXISTS (SELECT 1 FROM products p WHERE p.generation = catalogues.generation)
               AND NOT EXISTS (SELECT 1 FROM product_words w WHERE w.generation = catalogues.generation)"
        );
        let errors = format!(
            "DELETE FROM catalogue_errors WHERE (upload_id, row, field) IN
               (SELECT upload_id, row, field FROM catalogue_errors WHERE upload_id IN {AGED} LIMIT 2000)"
        );
        let uploads = format!(
            "DELETE FROM catalogue_uploads WHERE id IN {AGED}
               AND NOT EXISTS (SELECT 1 FROM catalogue_errors e WHERE e.upload_id = catalogue_uploads.id)"
        );
        let aged = now.saturating_sub(UPLOADS_KEPT);
        let answers =
            self.batch(vec![sql!(&words), sql!(&products), sql!(&empty), sql!(&errors, aged), sql!(&uploads, aged), lost, staged])?;
        let mut gone = 0_usize;
        for at in 0..5 {
            gone = gone.saturating_add(answers.at(at)?.changes()?);
        }
        Ok(gone)
    }
}
