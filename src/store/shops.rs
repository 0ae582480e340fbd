//! Shops and their keys.

use super::{Answers, Bind, Db, Statement};
use crate::error::{Problem, Result};
use crate::record::Member;
use crate::sql;
use serde_json::Value;

record! {
    /// A shop as D1 has it; signing secrets are sealed.
    #[derive(Debug)]
    pub struct ShopRow {
        pub id: String,
        pub site_url: String,
        pub name: String,
        pub status: String,
        pub checkout_enabled: i64,
        pub challenge: String,
        pub challenge_url: String,
        pub webhook_url: Option<String>,
        pub allowed_origins: String,
        pub create_session_endpoint: Option<String>,
        pub default_success_url: Option<String>,
        pub default_cancel_url: Option<String>,
        pub automatic_tax: i64,
        pub quote_url: Option<String>,
        /// `[{type, url, title?}]`, as JSON.
        pub links: String,
        pub order_url_template: Option<String>,
        pub fee_bps: Option<i64>,
        pub fee_fixed: Option<String>,
        /// `{category: {bps?, fixed?}}`, as JSON.
        pub category_fees: Option<String>,
        pub signing_secret: String,
        /// The one before, while it is rolled.
        pub previous_signing_secret: Option<String>,
        pub previous_signing_secret_expires_at: Option<i64>,
        pub created: i64,
    }
}

impl ShopRow {
    /// Whether it is one no more: no key opens it, and no buyer is sent to it with a signature.
    pub fn ended(&self) -> bool {
        matches!(self.status.as_str(), "superseded" | "deleted")
    }

    /// `[{type, url, title?}]`
    pub fn links(&self) -> Value {
        self.links.parse::<Value>().unwrap_or_else(|_| Value::Array(Vec::new()))
    }

    pub fn origins(&self) -> Vec<String> {
        self.allowed_origins.parse::<Value>().ok().and_then(|value| Vec::read(Some(value))).unwrap_or_default()
    }
}

/// How long a rolled key or secret stays good, seconds.
pub const ROLLED_LIFE: i64 = 24 * 3600;
/// How long a shop may stay pending, seconds.
pub const PENDING_LIFE: i64 = 24 * 3600;

/// The shop that a key's hash belongs to: the start of every statement that a shop key may run.
pub const SHOP_OF_KEY: &str = "(SELECT shop_id FROM api_keys WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2))";

/// Whose rows are read.
pub enum Whose<'a> {
    /// By the shop's id.
    Shop(&'a str),
    /// By the hash of a key, which is looked up in the same statement: who it is and what is there come in one round trip. What was
    /// read for a shop that may not see it is thrown away.
    Key(&'a str, i64),
}

impl Whose<'_> {
    /// The shop's id in a statement whose `?1` is [`Whose::bind`].
    pub fn id(&self) -> String {
        match self {
            Whose::Shop(_) => "?1".to_owned(),
            Whose::Key(_, now) => SHOP_OF_KEY.replace("?2", &now.to_string()),
        }
    }

    pub fn bind(&self) -> Bind<'_> {
        let (Whose::Shop(text) | Whose::Key(text, _)) = self;
        Bind::Text(text)
    }

    /// The shop itself, by a statement in front of the others: none where only its id is known.
    fn ahead(&self, db: &Db) -> Vec<Statement> {
        match self {
            Whose::Shop(_) => Vec::new(),
            Whose::Key(hash, now) => vec![db.shop_statement(hash, *now)],
        }
    }

    /// The statements behind the shop's own; the shop, where it was asked for, and the answers with it at their head.
    pub fn batch(&self, db: &Db, statements: Vec<Statement>) -> Result<(Option<Box<ShopRow>>, usize, Answers)> {
        let mut batch = self.ahead(db);
        let first = batch.len();
        batch.extend(statements);
        let answers = db.batch(batch)?;
        let shop = if first == 0 { None } else { answers.at(0)?.first()? };
        Ok((shop, first, answers))
    }
}

impl Db {
    fn shop_statement(&self, key_hash: &str, now: i64) -> Statement {
        let text = format!("SELECT * FROM shops WHERE id = {SHOP_OF_KEY}");
        sql!(&text, key_hash, now)
    }

    pub fn shop_of_key(&self, key_hash: &str, now: i64) -> Result<Option<Box<ShopRow>>> {
        self.find(self.shop_statement(key_hash, now))
    }

    /// Writes a new shop with its first key. An active one supersedes the active one of the same site.
    pub fn insert_shop(&self, shop: &ShopRow, key_hash: &str) -> Result<()> {
        let mut batch = Vec::new();
        if shop.status == "active" {
            batch.push(self.supersede(&shop.site_url, &shop.id));
            batch.push(self.owe_superseded(&shop.site_url, &shop.id, shop.created));
            batch.extend(self.silence_superseded(&shop.site_url, &shop.id));
        }
        batch.push(sql!(
            "INSERT INTO shops (id, site_url, name, status, challenge, challenge_url, webhook_url, allowed_origins,
               signing_secret, created, verified_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            &shop.id,
            &shop.site_url,
            &shop.name,
            &shop.status,
            &shop.challenge,
            &shop.challenge_url,
            &shop.webhook_url,
            &shop.allowed_origins,
            &shop.signing_secret,
            shop.created,
            (shop.status == "active").then_some(shop.created)
        ));
        batch.push(sql!("INSERT INTO api_keys (hash, shop_id, created) VALUES (?1, ?2, ?3)", key_hash, &shop.id, shop.created));
        super::done(self.batch_owing(batch))
    }

    fn supersede(&self, site_url: &str, by: &str) -> Statement {
        sql!("UPDATE shops SET status = 'superseded' WHERE site_url = ?1 AND status = 'active' AND id <> ?2", site_url, by)
    }

    /// The keys of superseded shops answer 401 from now on, and so do those of their agents. Their catalogues are seen by nobody any
    /// more, and go.
    fn silence_superseded(&self, site_url: &str, by: &str) -> [Statement; 4] {
        [
            "DELETE FROM api_keys WHERE",
            "DELETE FROM agent_keys WHERE",
            "UPDATE catalogue_uploads SET status = 'failed', finished = started WHERE status = 'running' AND",
            "UPDATE catalogues SET state = 'old' WHERE",
        ]
        .map(|what| {
            let text = format!("{what} shop_id IN (SELECT id FROM shops WHERE site_url = ?1 AND status = 'superseded' AND id <> ?2)");
            sql!(&text, site_url, by)
        })
    }

    /// A suspended shop whose site lies above or below this one, or else another shop that holds this site: then only a fixed address may prove a second one.
    pub fn site_holder(&self, site_url: &str, other_than: &str) -> Result<Option<Box<ShopRow>>> {
        self.find(sql!(
            "SELECT * FROM shops WHERE id <> ?2 AND site_url = ?1 AND status IN ('active', 'suspended')
             UNION ALL
             SELECT * FROM shops WHERE id <> ?2 AND status = 'suspended' AND (substr(?1, 1, length(site_url) + 1) = site_url || '/'
               OR substr(site_url, 1, length(?1) + 1) = ?1 || '/')
             ORDER BY status DESC LIMIT 1",
            site_url,
            other_than
        ))
    }

    /// Makes a pending shop active, in one batch; `false` when it may not. With `takes_over` it supersedes whoever holds the site;
    /// without, nobody may hold it. Attack: of two registrations proved at the same moment, one by a visitor's upload, that one wins.
    pub fn activate_shop(&self, shop: &ShopRow, takes_over: bool, now: i64) -> Result<bool> {
        let mut batch = Vec::new();
        if takes_over {
            // Nothing of the other shop's is inherited; the fee is the operator's.
            batch.push(sql!(
                "UPDATE shops SET (fee_bps, fee_fixed, category_fees) = (SELECT o.fee_bps, o.fee_fixed, o.category_fees FROM shops o
                   WHERE o.site_url = ?1 AND o.status = 'active' AND o.id <> ?2)
                 WHERE id = ?2 AND EXISTS (SELECT 1 FROM shops o WHERE o.site_url = ?1 AND o.status = 'active' AND o.id <> ?2)",
                &shop.site_url,
                &shop.id
            ));
            batch.push(self.supersede(&shop.site_url, &shop.id));
            batch.push(self.owe_superseded(&shop.site_url, &shop.id, now));
            batch.extend(self.silence_superseded(&shop.site_url, &shop.id));
        }
        let last = batch.len();
        batch.push(sql!(
            "UPDATE shops SET status = 'active', verified_at = ?2 WHERE id = ?1 AND status = 'pending' AND NOT EXISTS (SELECT 1
               FROM shops o WHERE o.site_url = shops.site_url AND o.status IN ('active', 'suspended') AND o.id <> shops.id)",
            &shop.id,
            now
        ));
        Ok(self.batch_owing(batch)?.at(last)?.changes()? == 1)
    }

    /// Writes what a `PATCH /v1/shop` named, and nothing else: two at once, of which one throws the kill switch, must not undo each
    /// other. Answers the shop as it is then. With the kill switch on, its open sessions are due for the sweep in the same batch, which
    /// then ends them; they share its pauses, so that sessions that cannot be ended do not hold up others.
    pub fn update_shop(&self, shop: &ShopRow, named: &[&str], now: i64) -> Result<Option<Box<ShopRow>>> {
        let columns: [(&str, Bind<'_>); 11] = [
            ("name", (&shop.name).into()),
            ("webhook_url", (&shop.webhook_url).into()),
            ("allowed_origins", (&shop.allowed_origins).into()),
            ("checkout_enabled", shop.checkout_enabled.into()),
            ("create_session_endpoint", (&shop.create_session_endpoint).into()),
            ("default_success_url", (&shop.default_success_url).into()),
            ("default_cancel_url", (&shop.default_cancel_url).into()),
            ("automatic_tax", shop.automatic_tax.into()),
            ("quote_url", (&shop.quote_url).into()),
            ("links", (&shop.links).into()),
            ("order_url_template", (&shop.order_url_template).into()),
        ];
        let mut text = String::from("UPDATE shops SET id = id");
        let mut binds = vec![Bind::Text(&shop.id)];
        for (column, bind) in columns {
            if named.contains(&column) {
                binds.push(bind);
                text.push_str(&format!(", {column} = ?{}", binds.len()));
            }
        }
        // Read before and deleted meanwhile: nothing personal is written to it any more.
        text.push_str(" WHERE id = ?1 AND status IN ('pending', 'active') RETURNING *");
        let due = sql!(
            "UPDATE transactions SET check_at = ?2, checks = 0 WHERE ?3 = 0 AND shop_id = ?1 AND status = 'open'
               AND checkout_session IS NOT NULL",
            &shop.id,
            now,
            shop.checkout_enabled
        );
        self.batch(vec![Statement::with(&text, &binds), due])?.at(0)?.first()
    }

    /// A new key; the ones before stay good until `old_until` at most, and a second roll does not prolong them.
    pub fn roll_key(&self, shop_id: &str, key_hash: &str, now: i64, old_until: i64) -> Result<()> {
        self.run(vec![
            sql!("UPDATE api_keys SET expires_at = ?2 WHERE shop_id = ?1 AND coalesce(expires_at, ?2) >= ?2", shop_id, old_until),
            sql!("INSERT INTO api_keys (hash, shop_id, created) VALUES (?1, ?2, ?3)", key_hash, shop_id, now),
        ])
    }

    /// A new signing secret (sealed); the one before stays beside it until `old_until`.
    pub fn roll_signing_secret(&self, shop: &ShopRow, sealed: &str, old_until: i64) -> Result<()> {
        let moved = self
            .one(sql!(
                "UPDATE shops SET previous_signing_secret = signing_secret, previous_signing_secret_expires_at = ?4, signing_secret = ?3
                 WHERE id = ?1 AND signing_secret = ?2",
                &shop.id,
                &shop.signing_secret,
                sealed,
                old_until
            ))?
            .changes()?;
        if moved == 1 { Ok(()) } else { Err(Problem::roll_in_flight()) }
    }
}
