//! Who sent which `Idempotency-Key` for what, and what was answered (contract, *Conventions*).

use super::shops::SHOP_OF_KEY;
use super::{Bind, Db, Statement};
use crate::sql;

record! {
    /// What is known of a key.
    #[derive(Debug)]
    pub struct AttemptRow {
        pub fingerprint: String,
        /// What the attempt makes.
        pub subject: String,
        /// The exact form for Stripe, where it is kept here.
        pub form: Option<String>,
        pub locked_until: i64,
        pub status: Option<i64>,
        pub body: Option<String>,
    }
}

/// One request's hold on a key.
pub struct Attempt<'a> {
    pub shop_id: &'a str,
    pub path: &'a str,
    pub key: &'a str,
    /// Fresh for each request: who lost the lock writes nothing more.
    pub lock: &'a str,
}

impl<'a> Attempt<'a> {
    /// The four parameters with which [`HOLDS`] begins.
    pub fn binds(&self) -> Vec<Bind<'a>> {
        [self.shop_id, self.path, self.key, self.lock].map(Bind::Text).into()
    }
}

/// Whether this request holds its key; the first four parameters are [`Attempt::binds`].
pub const HOLDS: &str = "EXISTS (SELECT 1 FROM idempotency WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4)";

/// How long answers are kept for replay, seconds.
pub const KEPT: i64 = 48 * 3600;

impl Db {
    /// What the shop of an API key said with this key before.
    pub fn attempt_of_key(&self, key_hash: &str, now: i64, path: &str, key: &str) -> Statement {
        let text = format!("SELECT * FROM idempotency WHERE shop_id = {SHOP_OF_KEY} AND path = ?3 AND key = ?4 AND created > ?5");
        sql!(&text, key_hash, now, path, key, now.saturating_sub(KEPT))
    }

    /// Takes the key: a fresh one, one whose lock is over without an answer, or one that is too old to count.
    pub fn take_key(
        &self, attempt: &Attempt<'_>, fingerprint: &str, subject: &str, form: Option<&str>, locked_until: i64, now: i64,
    ) -> Statement {
        sql!(
            "INSERT INTO idempotency (shop_id, path, key, lock, fingerprint, subject, form, locked_until, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (shop_id, path, key) DO UPDATE SET lock = excluded.lock, locked_until = excluded.locked_until,
               subject = excluded.subject, form = excluded.form, fingerprint = excluded.fingerprint, created = excluded.created,
               status = NULL, body = NULL
             WHERE (idempotency.status IS NULL AND idempotency.locked_until <= ?9 AND idempotency.fingerprint = excluded.fingerprint)
                OR idempotency.created <= ?10",
            attempt.shop_id,
            attempt.path,
            attempt.key,
            attempt.lock,
            fingerprint,
            subject,
            form,
            locked_until,
            now,
            now.saturating_sub(KEPT)
        )
    }

    /// The answer for whoever sends the same key again.
    pub fn keep_answer(&self, attempt: &Attempt<'_>, status: u16, body: &str) -> Statement {
        self.keep_answer_if(attempt, status, body, "1", &[])
    }

    /// The same, under a condition whose own parameters begin at `?7`.
    pub fn keep_answer_if(&self, attempt: &Attempt<'_>, status: u16, body: &str, condition: &str, more: &[Bind<'_>]) -> Statement {
        let text = [
            "UPDATE idempotency SET status = ?5, body = ?6, form = NULL, locked_until = 0
             WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND ",
            condition,
        ]
        .concat();
        let mut binds = attempt.binds();
        binds.extend([Bind::Int(i64::from(status)), Bind::Text(body)]);
        binds.extend(more.iter().copied());
        Statement::with(&text, &binds)
    }

    /// What the attempt makes is called otherwise from now on.
    pub fn next_subject(&self, attempt: &Attempt<'_>, subject: &str) -> Statement {
        let mut binds = attempt.binds();
        binds.push(Bind::Text(subject));
        let text = "UPDATE idempotency SET subject = ?5 WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND status IS NULL";
        Statement::with(text, &binds)
    }

    /// No answer from Stripe: the same key may be sent again at once.
    pub fn let_go(&self, attempt: &Attempt<'_>) -> Statement {
        let text = "UPDATE idempotency SET locked_until = 0 WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND status IS NULL";
        Statement::with(text, &attempt.binds())
    }

    /// Nothing was begun: the key is as if it had never been sent.
    pub fn forget(&self, attempt: &Attempt<'_>) -> Statement {
        let text = "DELETE FROM idempotency WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND status IS NULL";
        Statement::with(text, &attempt.binds())
    }
}
