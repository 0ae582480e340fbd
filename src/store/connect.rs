//! Tickets, states, claims and connections of Connect.

use super::{Bind, Db, Statement};
use crate::error::Result;
use crate::sql;

record! {
    #[derive(Debug)]
    pub struct ConnectionRow {
        pub id: String,
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub scope: String,
        pub status: String,
        pub gone_reason: Option<String>,
        pub gone_at: Option<i64>,
        pub platform: Option<String>,
        pub charges_enabled: Option<i64>,
        pub details_submitted: Option<i64>,
        pub checked_at: Option<i64>,
        pub connected_at: i64,
        /// Since when it is being disconnected.
        pub closing_at: Option<i64>,
        /// `oauth` or `onboarding`.
        pub method: String,
    }
}

impl ConnectionRow {
    pub fn active(&self) -> bool {
        self.status == "active"
    }

    /// Whether the platform made the account (Accounts v2): OAuth knows nothing of it.
    pub fn onboarded(&self) -> bool {
        self.method == "onboarding"
    }

    /// Stripe once said that the account is not ours to use; unlike an end that somebody wanted, a later success ends it.
    pub fn may_revive(&self) -> bool {
        self.gone_reason.as_deref() == Some("account_invalid")
    }
}

record! {
    /// A ticket, with the shop it stands for.
    #[derive(Debug)]
    pub struct TicketRow {
        pub hash: String,
        pub shop_id: String,
        pub livemode: i64,
        pub return_url: String,
        pub replace_existing: i64,
        pub verifier_challenge: String,
        pub prefill: String,
        pub expires_at: i64,
        pub used_at: Option<i64>,
        /// `oauth` or `onboarding`; of an onboarding the rest is kept here until it is done.
        pub method: String,
        /// The account that was made, or that is to be completed.
        pub account: Option<String>,
        /// The browser that pressed the button first.
        pub browser_hash: Option<String>,
        pub site_url: String,
        pub shop_name: String,
        pub shop_status: String,
    }
}

record! {
    /// What a state led to.
    #[derive(Debug)]
    pub struct StateRow {
        pub browser_hash: String,
    }
}

record! {
    #[derive(Debug)]
    pub struct ClaimRow {
        pub hash: String,
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub scope: String,
        pub verifier_challenge: String,
        pub replace_existing: i64,
        pub status: String,
        pub connection_id: String,
        pub sealed_token: Option<String>,
        pub expires_at: i64,
    }
}

const TICKET: &str = "SELECT t.*, s.site_url, s.name AS shop_name, s.status AS shop_status
  FROM connect_tickets t JOIN shops s ON s.id = t.shop_id";

/// The newest connection of each mode decides; an active one before a gone one.
pub const CONNECTIONS_ORDER: &str = "ORDER BY (status = 'active') DESC, connected_at DESC, id DESC LIMIT 20";

/// The connection that counts in a mode: the active one, else the last that there was.
pub fn in_mode(connections: &[ConnectionRow], live: bool) -> Option<&ConnectionRow> {
    let of_mode = || connections.iter().filter(move |c| (c.livemode != 0) == live);
    of_mode().find(|c| c.active()).or_else(|| of_mode().max_by_key(|c| c.connected_at))
}

/// A ticket to be.
pub struct NewTicket<'a> {
    pub hash: &'a str,
    pub shop_id: &'a str,
    pub live: bool,
    pub return_url: &'a str,
    pub replace: bool,
    pub verifier_challenge: &'a str,
    pub prefill: &'a str,
    pub method: &'a str,
    /// The account to go on with.
    pub account: Option<&'a str>,
    pub expires_at: i64,
}

impl Db {
    pub fn connections_of(&self, shop_id: &str) -> Statement {
        let text = format!("SELECT * FROM connections WHERE shop_id = ?1 {CONNECTIONS_ORDER}");
        sql!(&text, shop_id)
    }

    pub fn connections(&self, shop_id: &str) -> Result<Vec<ConnectionRow>> {
        self.list(self.connections_of(shop_id))
    }

    pub fn insert_ticket(&self, ticket: &NewTicket<'_>, now: i64) -> Result<()> {
        self.run(vec![sql!(
            "INSERT INTO connect_tickets (hash, shop_id, livemode, return_url, replace_existing, verifier_challenge, prefill, method, account,
               created, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            ticket.hash,
            ticket.shop_id,
            ticket.live,
            ticket.return_url,
            ticket.replace,
            ticket.verifier_challenge,
            ticket.prefill,
            ticket.method,
            ticket.account,
            now,
            ticket.expires_at
        )])
    }

    pub fn ticket(&self, hash: &str) -> Result<Option<Box<TicketRow>>> {
        let text = format!("{TICKET} WHERE t.hash = ?1");
        self.find(sql!(&text, hash))
    }

    pub fn insert_state(&self, hash: &str, ticket: &str, browser_hash: &str, expires_at: i64) -> Result<()> {
        self.run(vec![sql!(
            "INSERT INTO connect_states (hash, ticket, browser_hash, expires_at) VALUES (?1, ?2, ?3, ?4)",
            hash,
            ticket,
            browser_hash,
            expires_at
        )])
    }

    /// Consumes a state, atomically and before anything else happens: of two callbacks with the same state, one gets it.
    /// (A second exchange of the same code would make Stripe revoke what the first one granted.)
    pub fn consume_state(&self, hash: &str, now: i64) -> Result<Option<(Box<StateRow>, Box<TicketRow>)>> {
        let ticket = format!("{TICKET} WHERE t.hash = (SELECT ticket FROM connect_states WHERE hash = ?1)");
        let answers = self.batch(vec![
            sql!(
                "UPDATE connect_states SET used_at = ?2 WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2
                     RETURNING browser_hash",
                hash,
                now
            ),
            sql!(&ticket, hash),
        ])?;
        Ok(answers.at(0)?.first::<StateRow>()?.zip(answers.at(1)?.first::<TicketRow>()?))
    }

    /// What the callback has to know after Stripe named the account: is another one active, and who else uses this one?
    pub fn active_connection(&self, shop_id: &str, live: bool) -> Result<Option<Box<ConnectionRow>>> {
        self.find(sql!("SELECT * FROM connections WHERE shop_id = ?1 AND livemode = ?2 AND status = 'active'", shop_id, live))
    }

    /// Keeps what Stripe granted until the admin confirms. Repeatable: the code is spent, this must not be lost.
    pub fn insert_claim(&self, claim: &ClaimRow, ticket_hash: &str, now: i64) -> Result<()> {
        self.run_repeatable(vec![
            sql!(
                "INSERT INTO connect_claims (hash, shop_id, livemode, account, scope, verifier_challenge, replace_existing, status,
                       connection_id, sealed_token, created, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting', ?8, ?9, ?10, ?11)
                     ON CONFLICT (hash) DO NOTHING",
                &claim.hash,
                &claim.shop_id,
                claim.livemode,
                &claim.account,
                &claim.scope,
                &claim.verifier_challenge,
                claim.replace_existing,
                &claim.connection_id,
                &claim.sealed_token,
                now,
                claim.expires_at
            ),
            sql!("UPDATE connect_tickets SET used_at = ?2 WHERE hash = ?1", ticket_hash, now),
        ])
    }

    pub fn use_ticket(&self, hash: &str, now: i64) -> Result<()> {
        self.run(vec![sql!("UPDATE connect_tickets SET used_at = ?2 WHERE hash = ?1", hash, now)])
    }

    pub fn claim(&self, hash: &str, shop_id: &str) -> Result<Option<Box<ClaimRow>>> {
        self.find(sql!("SELECT * FROM connect_claims WHERE hash = ?1 AND shop_id = ?2", hash, shop_id))
    }

    /// Ends a claim; its account is given back unless somebody here uses it.
    pub fn kill_claim(&self, claim: &ClaimRow, reason: &str, now: i64) -> Result<()> {
        self.run(vec![
            sql!("UPDATE connect_claims SET status = 'dead', sealed_token = NULL WHERE hash = ?1 AND status = 'waiting'", &claim.hash),
            sql!(
                "INSERT INTO deauthorizations (account, livemode, reason, due_at)
                 SELECT account, livemode, ?2, ?3 FROM connect_claims WHERE hash = ?1 AND status = 'dead'
                 ON CONFLICT (account, livemode) DO NOTHING",
                &claim.hash,
                reason,
                now
            ),
        ])
    }

    /// Turns a claim into the shop's active connection. `false`: somebody else's connection stands in the way (a lost race)
    /// or the claim was not waiting any more.
    pub fn confirm_claim(&self, claim: &ClaimRow, platform: Option<&str>, now: i64) -> Result<bool> {
        let replace = claim.replace_existing != 0;
        let of_claim: [Bind<'_>; 6] =
            [(&claim.shop_id).into(), claim.livemode.into(), (&claim.account).into(), now.into(), replace.into(), (&claim.hash).into()];
        let answers = self.batch_owing(vec![
            // The account that is replaced is given back, unless it is the same one.
            Statement::with(
                "INSERT INTO deauthorizations (account, livemode, reason, due_at)
                     SELECT account, livemode, 'replaced', ?4 FROM connections
                     WHERE shop_id = ?1 AND livemode = ?2 AND status = 'active' AND account <> ?3 AND ?5 = 1
                       AND EXISTS (SELECT 1 FROM connect_claims WHERE hash = ?6 AND status = 'waiting' AND expires_at > ?4)
                     ON CONFLICT (account, livemode) DO NOTHING",
                &of_claim,
            ),
            Statement::with(
                "UPDATE connections SET status = 'gone', gone_at = ?4, gone_reason = 'replaced'
                     WHERE shop_id = ?1 AND livemode = ?2 AND status = 'active' AND (account = ?3 OR ?5 = 1)
                       AND EXISTS (SELECT 1 FROM connect_claims WHERE hash = ?6 AND status = 'waiting' AND expires_at > ?4)",
                &of_claim,
            ),
            self.owe_connections(
                "c.shop_id = ?2 AND c.livemode = ?3 AND c.account <> ?4 AND c.gone_reason = 'replaced' AND c.gone_at = ?5",
                &[(&claim.shop_id).into(), claim.livemode.into(), (&claim.account).into(), now.into()],
                now,
            ),
            // The unique index on active connections lets one of two racing claims through.
            sql!(
                "INSERT INTO connections (id, shop_id, livemode, account, scope, status, platform, connected_at, method)
                     SELECT connection_id, shop_id, livemode, account, scope, 'active', ?2, ?3,
                       CASE WHEN sealed_token IS NULL AND EXISTS (SELECT 1 FROM onboarded o WHERE o.account = connect_claims.account
                         AND o.livemode = connect_claims.livemode) THEN 'onboarding' ELSE 'oauth' END FROM connect_claims
                     WHERE hash = ?1 AND status = 'waiting' AND expires_at > ?3
                     ON CONFLICT DO NOTHING",
                &claim.hash,
                platform,
                now
            ),
            self.owe_connections("c.id = ?2", &[(&claim.connection_id).into()], now),
            sql!(
                "UPDATE connect_claims SET status = 'confirmed' WHERE hash = ?1 AND status = 'waiting'
                       AND EXISTS (SELECT 1 FROM connections WHERE id = ?2 AND status = 'active')",
                &claim.hash,
                &claim.connection_id
            ),
            sql!(
                "DELETE FROM deauthorizations WHERE account = ?1 AND livemode = ?2
                       AND EXISTS (SELECT 1 FROM connections WHERE id = ?3 AND status = 'active')",
                &claim.account,
                claim.livemode,
                &claim.connection_id
            ),
        ])?;
        Ok(answers.at(5)?.changes()? == 1)
    }

    /// The token is in KV now, sealed under `seal`.
    pub fn token_moved(&self, claim_hash: &str, connection_id: &str, seal: &str) -> Result<()> {
        self.run(vec![
            sql!("UPDATE connections SET token_seal = ?2 WHERE id = ?1", connection_id, seal),
            sql!("UPDATE connect_claims SET sealed_token = NULL WHERE hash = ?1 AND status = 'confirmed'", claim_hash),
        ])
    }

    pub fn account_checked(
        &self, id: &str, charges_enabled: bool, details_submitted: bool, platform: Option<&str>, now: i64,
    ) -> Result<()> {
        self.run(vec![sql!(
            "UPDATE connections SET charges_enabled = ?2, details_submitted = ?3, checked_at = ?4, platform = coalesce(platform, ?5) WHERE id = ?1",
            id,
            charges_enabled,
            details_submitted,
            now,
            platform
        )])
    }

    pub fn connection_gone(&self, id: &str, reason: &str, now: i64) -> Result<()> {
        let gone = sql!(
            // Stripe's webhook may be faster than the answer that it is about: who disconnected himself is not told of a stranger's end.
            "UPDATE connections SET status = 'gone', gone_reason = ?2, gone_at = ?3 WHERE id = ?1
               AND (status = 'active' OR (?2 = 'disconnected' AND gone_reason IN ('deauthorized', 'account_invalid')))",
            id,
            reason,
            now
        );
        self.connection_changed(gone, id, now)
    }

    /// A call with the account succeeded after all.
    pub fn connection_revived(&self, id: &str, now: i64) -> Result<()> {
        let revived = sql!(
            "UPDATE OR IGNORE connections SET status = 'active', gone_reason = NULL, gone_at = NULL
             WHERE id = ?1 AND status = 'gone' AND gone_reason = 'account_invalid'",
            id
        );
        self.connection_changed(revived, id, now)
    }

    /// Changes a connection and owes its shop the news of it.
    fn connection_changed(&self, change: Statement, id: &str, now: i64) -> Result<()> {
        super::done(self.batch_owing(vec![change, self.owe_connections("c.id = ?2", &[id.into()], now)]))
    }

    /// Ends every connection of an account, as its owner wanted at Stripe; those made after the event are left alone. One that had
    /// ended because Stripe refused the account ends for good: a later consent is another shop's.
    pub fn account_deauthorized(&self, account: &str, live: bool, until: i64, now: i64) -> Result<usize> {
        let answers = self.batch_owing(vec![
            sql!(
                "UPDATE connections SET status = 'gone', gone_reason = 'deauthorized', gone_at = ?4
                 WHERE account = ?1 AND livemode = ?2 AND (status = 'active' OR gone_reason = 'account_invalid') AND connected_at <= ?3",
                account,
                live,
                until,
                now
            ),
            self.owe_connections(
                "c.account = ?2 AND c.livemode = ?3 AND c.gone_reason = 'deauthorized' AND c.gone_at = ?4",
                &[account.into(), live.into(), now.into()],
                now,
            ),
            sql!(
                "UPDATE connect_claims SET status = 'dead', sealed_token = NULL
                 WHERE account = ?1 AND livemode = ?2 AND status = 'waiting' AND created <= ?3",
                account,
                live,
                until
            ),
        ])?;
        answers.at(0)?.changes()
    }

    /// Whether an account has a connection or a claim made in this very second, for which the order of events cannot be told: the
    /// same shop had another just before it, to which the event may belong.
    pub fn connected_in(&self, account: &str, live: bool, second: i64) -> Result<bool> {
        let rows = self
            .one(sql!(
                "SELECT shop_id AS id FROM
                   (SELECT shop_id FROM connections WHERE account = ?1 AND livemode = ?2 AND status = 'active' AND connected_at = ?3
                    UNION ALL SELECT shop_id FROM connect_claims WHERE account = ?1 AND livemode = ?2 AND status = 'waiting' AND created = ?3) t
                 WHERE (SELECT count(*) FROM connections c WHERE c.account = ?1 AND c.livemode = ?2 AND c.shop_id = t.shop_id
                          AND (c.status = 'active' OR c.gone_at >= ?3 - 60))
                     + (SELECT count(*) FROM connect_claims c WHERE c.account = ?1 AND c.livemode = ?2 AND c.status = 'waiting'
                          AND c.shop_id = t.shop_id) > 1
                 LIMIT 1",
                account,
                live,
                second
            ))?;
        Ok(rows.any())
    }

    /// Whether anybody here is connected to an account in a mode.
    pub fn is_connected(&self, account: &str, live: bool) -> Result<bool> {
        let text = "SELECT id FROM connections WHERE account = ?1 AND livemode = ?2 AND status = 'active' LIMIT 1";
        Ok(self.one(sql!(text, account, live))?.any())
    }

    pub fn owe_deauthorization(&self, account: &str, live: bool, reason: &str, now: i64) -> Statement {
        sql!(
            "INSERT INTO deauthorizations (account, livemode, reason, due_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, livemode) DO NOTHING",
            account,
            live,
            reason,
            now
        )
    }

    pub fn owe_deauthorization_now(&self, account: &str, live: bool, reason: &str, now: i64) -> Result<()> {
        self.run(vec![self.owe_deauthorization(account, live, reason, now)])
    }

    /// Whether anybody here uses an account in a mode (connections that are active, claims that wait). `except` is left out.
    pub fn account_in_use(&self, account: &str, live: bool, except: &str, now: i64) -> Result<bool> {
        let used = self
            .one(sql!(
                "SELECT (SELECT count(*) FROM connections WHERE account = ?1 AND livemode = ?2 AND status = 'active' AND id <> ?3)
                      + (SELECT count(*) FROM connect_claims WHERE account = ?1 AND livemode = ?2 AND status = 'waiting' AND expires_at > ?4) AS n",
                account,
                live,
                except,
                now
            ))?
            .number()?;
        Ok(used > 0)
    }

    /// Notes that a connection is about to end (see [`Db::record_session`]), or that this failed.
    pub fn closing(&self, id: &str, since: Option<i64>) -> Result<()> {
        self.run(vec![sql!("UPDATE connections SET closing_at = ?2 WHERE id = ?1", id, since)])
    }

    pub fn deauthorization_done(&self, account: &str, live: bool) -> Result<()> {
        self.run(vec![sql!("DELETE FROM deauthorizations WHERE account = ?1 AND livemode = ?2", account, live)])
    }

    pub fn deauthorization_failed(&self, account: &str, live: bool, next: i64) -> Result<()> {
        self.run(vec![sql!(
            "UPDATE deauthorizations SET attempts = attempts + 1, due_at = ?3 WHERE account = ?1 AND livemode = ?2",
            account,
            live,
            next
        )])
    }
}

/// The KV key of a connection's sealed token.
pub fn token_key(connection_id: &str) -> String {
    format!("oauth/{connection_id}")
}
