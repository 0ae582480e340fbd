//! An account that the platform makes for a merchant (Accounts v2): what is kept of it on the ticket, until it is a claim like any other.

use super::Db;
use crate::error::Result;
use crate::sql;

impl Db {
    /// Binds a ticket to the browser that presses its button first; the same one may press again. `false`: it is another one's.
    pub fn bind_ticket(&self, ticket: &str, browser_hash: &str) -> Result<bool> {
        self.moved(sql!(
            "UPDATE connect_tickets SET browser_hash = ?2 WHERE hash = ?1 AND (browser_hash IS NULL OR browser_hash = ?2)",
            ticket,
            browser_hash
        ))
    }

    /// Writes down what is about to be sent to make the account, unless that was done before. Answers what counts, and its attempt: of
    /// two that press the button at once, both send the same under the same key, and Stripe makes one account.
    pub fn account_to_make(&self, ticket: &str, body: &str) -> Result<Option<Box<ToMake>>> {
        let answers = self.batch(vec![
            sql!("UPDATE connect_tickets SET account_body = ?2 WHERE hash = ?1 AND account_body IS NULL AND account IS NULL", ticket, body),
            sql!("SELECT account_body AS body, attempt, account FROM connect_tickets WHERE hash = ?1", ticket),
        ])?;
        answers.at(1)?.first()
    }

    /// Stripe refused what was sent: the next attempt may send something else, under a key of its own.
    pub fn account_refused(&self, ticket: &str, attempt: i64) -> Result<()> {
        self.run(vec![sql!(
            "UPDATE connect_tickets SET account_body = NULL, attempt = attempt + 1 WHERE hash = ?1 AND attempt = ?2 AND account IS NULL",
            ticket,
            attempt
        )])
    }

    /// The account has been made. Repeatable: it is there now, and must not be lost.
    pub fn account_made(&self, ticket: &str, account: &str, live: bool, now: i64) -> Result<()> {
        self.run_repeatable(vec![
            sql!("UPDATE connect_tickets SET account = ?2, account_body = NULL WHERE hash = ?1 AND account IS NULL", ticket, account),
            sql!("INSERT INTO onboarded (account, livemode, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", account, live, now),
        ])
    }

    /// Counts a link to Stripe's form and writes down the state that leads back from it. `false`: there were enough.
    pub fn link_state(&self, ticket: &str, most: i64, state: &str, browser_hash: &str, expires_at: i64) -> Result<bool> {
        let answers = self.batch(vec![
            sql!("UPDATE connect_tickets SET links = links + 1 WHERE hash = ?1 AND links < ?2 AND used_at IS NULL", ticket, most),
            sql!(
                "INSERT INTO connect_states (hash, ticket, browser_hash, expires_at) SELECT ?1, ?2, ?3, ?4 WHERE changes() = 1",
                state,
                ticket,
                browser_hash,
                expires_at
            ),
        ])?;
        Ok(answers.at(1)?.changes()? == 1)
    }
}

record! {
    /// What makes the account of a ticket, or the account that was made of it.
    #[derive(Debug)]
    pub struct ToMake {
        pub body: Option<String>,
        pub attempt: i64,
        pub account: Option<String>,
    }
}
