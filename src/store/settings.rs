//! Links to the page on which a merchant switches agents on.

use super::Db;
use super::agentic::AGENTIC_OF_ACCOUNT;
use super::connect::ConnectionRow;
use crate::error::Result;
use crate::sql;

record! {
    /// A link, with the shop that it is for.
    #[derive(Debug)]
    pub struct SettingsRow {
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub site_url: String,
    }
}

/// A link `s` to `?1` that leads somewhere: its shop may act, and is connected to the account for which the link was made.
const LEADS: &str = "FROM agentic_settings s JOIN shops p ON p.id = s.shop_id AND p.status = 'active'
    JOIN connections c ON c.shop_id = s.shop_id AND c.livemode = s.livemode AND c.status = 'active' AND c.account = s.account
    WHERE s.hash = ?1";

/// Whose the agentic side of an account is.
pub struct Seat {
    pub connections: Vec<ConnectionRow>,
    holders: Vec<Holder>,
}

record! {
    #[derive(Debug)]
    pub struct Holder {
        pub shop_id: String,
        pub account: String,
        pub livemode: i64,
    }
}

impl Seat {
    /// The shop that has the agentic side of a connection's account: the one that had it first.
    pub fn holder(&self, connection: &ConnectionRow) -> Option<&str> {
        let found = self.holders.iter().find(|one| one.account == connection.account && one.livemode == connection.livemode);
        found.map(|one| one.shop_id.as_str())
    }
}

impl Db {
    /// A shop's connections, and who has the agentic side of their accounts: nobody, where the shop that had it has ended (a site that is
    /// registered anew takes its place).
    pub fn seat(&self, shop_id: &str) -> Result<Seat> {
        let of = AGENTIC_OF_ACCOUNT.replace("?1", "mine.account").replace("?2", "mine.livemode");
        let holders = format!(
            "SELECT h.id AS shop_id, mine.account, mine.livemode FROM connections mine
             JOIN shops h ON h.id = (SELECT a.shop_id {of}) AND h.status IN ('active', 'suspended')
             WHERE mine.shop_id = ?1 AND mine.status = 'active'"
        );
        let answers = self.batch(vec![self.connections_of(shop_id), sql!(&holders, shop_id)])?;
        Ok(Seat { connections: answers.at(0)?.all()?, holders: answers.at(1)?.all()? })
    }

    pub fn insert_settings_link(&self, hash: &str, connection: &ConnectionRow, now: i64, expires_at: i64) -> Result<()> {
        self.run(vec![sql!(
            "INSERT INTO agentic_settings (hash, shop_id, livemode, account, created, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            hash,
            &connection.shop_id,
            connection.livemode,
            &connection.account,
            now,
            expires_at
        )])
    }

    /// What a link would open, if it still could. Uses nothing up.
    pub fn settings_waiting(&self, hash: &str, now: i64) -> Result<Option<Box<SettingsRow>>> {
        let text = format!("SELECT s.shop_id, s.livemode, s.account, p.site_url {LEADS} AND s.used_at IS NULL AND s.expires_at > ?2");
        self.find(sql!(&text, hash, now))
    }

    /// Opens a link for one browser, in one conditional statement: of two that open it, one gets the page.
    pub fn open_settings(&self, hash: &str, browser_hash: &str, until: i64, now: i64) -> Result<Option<Box<SettingsRow>>> {
        let open = format!(
            "UPDATE agentic_settings SET used_at = ?2, browser_hash = ?3, expires_at = ?4
             WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2 AND EXISTS (SELECT 1 {LEADS})"
        );
        let whose = format!("SELECT s.shop_id, s.livemode, s.account, p.site_url {LEADS}");
        let answers = self.batch(vec![sql!(&open, hash, now, browser_hash, until), sql!(&whose, hash)])?;
        if answers.at(0)?.changes()? == 1 { answers.at(1)?.first() } else { Ok(None) }
    }

    /// Counts an account session for the page of a link, and says whose account it is for. `None`: another browser, too late, too often,
    /// or the shop is not connected to the account any more.
    pub fn count_account_session(&self, hash: &str, browser_hash: &str, most: i64, now: i64) -> Result<Option<Box<SettingsRow>>> {
        let count = format!(
            "UPDATE agentic_settings SET sessions = sessions + 1 WHERE hash = ?1 AND used_at IS NOT NULL AND browser_hash = ?2
               AND expires_at > ?3 AND sessions < ?4 AND EXISTS (SELECT 1 {LEADS})"
        );
        let whose = format!("SELECT s.shop_id, s.livemode, s.account, p.site_url {LEADS}");
        let answers = self.batch(vec![sql!(&count, hash, browser_hash, now, most), sql!(&whose, hash)])?;
        if answers.at(0)?.changes()? == 1 { answers.at(1)?.first() } else { Ok(None) }
    }
}
