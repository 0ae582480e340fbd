//! Agents of shops and their keys.

use super::{Bind, Db, Found, Statement};
use crate::agent::{AgentRow, MOST};
use crate::error::{Problem, Result};
use crate::sql;
use crate::store::lists::{Cursor, List};
use crate::store::shops::ShopRow;

/// The agent that a key's hash (`?1`) belongs to at a time (`?2`): the start of every statement that an agent's key may run.
pub const AGENT_OF_KEY: &str = "(SELECT agent_id FROM agent_keys WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2))";
/// And its shop.
pub const SHOP_OF_AGENT_KEY: &str = "(SELECT shop_id FROM agent_keys WHERE hash = ?1 AND (expires_at IS NULL OR expires_at > ?2))";

/// A new key, or a new secret, of an agent that is not there any more.
pub enum Rolled {
    Done,
    Gone,
}

impl Db {
    /// The agent and the shop of an agent's key, two statements: for the beginning of a batch that reads more.
    pub fn agent_and_shop_of_key(&self, key_hash: &str, now: i64) -> [Statement; 2] {
        let agent = format!("SELECT * FROM agents WHERE id = {AGENT_OF_KEY} AND deleted_at IS NULL");
        let shop = format!("SELECT * FROM shops WHERE id = {SHOP_OF_AGENT_KEY}");
        [sql!(&agent, key_hash, now), sql!(&shop, key_hash, now)]
    }

    pub fn agent_of_key(&self, key_hash: &str, now: i64) -> Result<(Found<AgentRow>, Found<ShopRow>)> {
        let answers = self.batch(self.agent_and_shop_of_key(key_hash, now).into())?;
        Ok((answers.at(0)?.first()?, answers.at(1)?.first()?))
    }

    /// Writes a new agent with its first key; `false` when the shop has as many as it may have. Attack: agents made side by side,
    /// each of which counts one less.
    pub fn insert_agent(&self, agent: &AgentRow, key_hash: &str) -> Result<bool> {
        let text = format!(
            "INSERT INTO agents (id, shop_id, name, livemode, allow, webhook_url, signing_secret, created)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
             WHERE (SELECT count(*) FROM agents WHERE shop_id = ?2 AND deleted_at IS NULL) < {MOST}
               AND EXISTS (SELECT 1 FROM shops WHERE id = ?2 AND status = 'active')"
        );
        let inserted = sql!(
            &text,
            &agent.id,
            &agent.shop_id,
            &agent.name,
            agent.livemode,
            &agent.allow,
            &agent.webhook_url,
            &agent.signing_secret,
            agent.created
        );
        let answers = self.batch(vec![inserted, self.insert_agent_key(agent, key_hash, agent.created)])?;
        Ok(answers.at(0)?.changes()? == 1)
    }

    /// Only while the agent is there.
    fn insert_agent_key(&self, agent: &AgentRow, key_hash: &str, now: i64) -> Statement {
        sql!(
            "INSERT INTO agent_keys (hash, agent_id, shop_id, created)
             SELECT ?1, id, shop_id, ?4 FROM agents WHERE id = ?2 AND shop_id = ?3 AND deleted_at IS NULL",
            key_hash,
            &agent.id,
            &agent.shop_id,
            now
        )
    }

    pub fn agent(&self, id: &str, shop_id: &str) -> Result<Option<Box<AgentRow>>> {
        self.find(sql!("SELECT * FROM agents WHERE id = ?1 AND shop_id = ?2 AND deleted_at IS NULL", id, shop_id))
    }

    /// A page of the shop's agents: see [`Db::page_of`].
    pub fn agents(&self, shop_id: &str, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<AgentRow>>> {
        self.page_of(&List { table: "agents", columns: "*", shop_id, there: "deleted_at IS NULL", conditions: &[] }, cursor, limit)
    }

    /// Writes what a PATCH named, and nothing else. A feed at another address begins anew; one whose address is named again tells all
    /// again; with another key it is tried at once. Whoever has it in hand has lost it.
    pub fn update_agent(&self, agent: &AgentRow, named: &[&str], now: i64) -> Result<Option<Box<AgentRow>>> {
        let columns: [(&str, Bind<'_>); 5] = [
            ("name", (&agent.name).into()),
            ("allow", (&agent.allow).into()),
            ("webhook_url", (&agent.webhook_url).into()),
            ("feed_url", (&agent.feed_url).into()),
            ("feed_key", (&agent.feed_key).into()),
        ];
        let mut text = String::from("UPDATE agents SET id = id");
        let mut binds = vec![Bind::Text(&agent.id), Bind::Text(&agent.shop_id)];
        for (column, bind) in columns {
            if named.contains(&column) {
                binds.push(bind);
                let at = binds.len();
                text.push_str(&format!(", {column} = ?{at}"));
                if column == "feed_url" {
                    // On the right side stands what was there before.
                    text.push_str(&format!(
                        ", feed_state = CASE WHEN feed_url IS ?{at} THEN json_set(feed_state, '$.restart', json('true')) END"
                    ));
                }
            }
        }
        if named.contains(&"feed_url") || named.contains(&"feed_key") {
            binds.push(Bind::Int(now));
            let at = binds.len();
            let due = if !named.contains(&"feed_url") {
                format!("iif(feed_url IS NULL, feed_due_at, ?{at})")
            } else if agent.feed_url.is_some() {
                format!("?{at}")
            } else {
                // One that has ended is due as long as there is something to forget.
                format!("(SELECT ?{at} FROM feed_products f WHERE f.agent_id = agents.id LIMIT 1)")
            };
            // Below zero it keeps by what it was in hand: nobody is to hold it by the same.
            text.push_str(&format!(", feed_wait_until = -abs(feed_wait_until), feed_due_at = {due}"));
        }
        text.push_str(" WHERE id = ?1 AND shop_id = ?2 AND deleted_at IS NULL RETURNING *");
        self.batch(vec![Statement::with(&text, &binds), self.forget_changes(&agent.shop_id)])?.at(0)?.first()
    }

    /// Ends an agent: its keys open nothing from now on, its secrets are gone, and it is told nothing more. Its row stays, so that
    /// what it bought still says whose it was. `false`: the shop has no such agent.
    pub fn delete_agent(&self, id: &str, shop_id: &str, now: i64) -> Result<bool> {
        let answers = self
            .batch(vec![
                sql!(
                    "UPDATE agents SET deleted_at = ?3, webhook_url = NULL, signing_secret = '', previous_signing_secret = NULL,
                       previous_signing_secret_expires_at = NULL, feed_url = NULL, feed_key = NULL, feed_state = NULL, feed_wait_until = -abs(feed_wait_until),
                       feed_due_at = (SELECT ?3 FROM feed_products f WHERE f.agent_id = agents.id LIMIT 1)
                     WHERE id = ?1 AND shop_id = ?2 AND deleted_at IS NULL",
                    id,
                    shop_id,
                    now
                ),
                sql!("DELETE FROM agent_keys WHERE agent_id = ?1 AND shop_id = ?2", id, shop_id),
                sql!(
                    "UPDATE notices SET status = 'kept', due_at = NULL WHERE agent_id = ?1 AND shop_id = ?2 AND status = 'due'",
                    id,
                    shop_id
                ),
                self.forget_changes(shop_id),
            ])?;
        Ok(answers.at(0)?.changes()? == 1)
    }

    /// A new key; the ones before stay good until `old_until` at most, and a second roll does not prolong them.
    pub fn roll_agent_key(&self, agent: &AgentRow, key_hash: &str, now: i64, old_until: i64) -> Result<Rolled> {
        let old = sql!(
            "UPDATE agent_keys SET expires_at = ?3 WHERE agent_id = ?1 AND shop_id = ?2 AND coalesce(expires_at, ?3) >= ?3",
            &agent.id,
            &agent.shop_id,
            old_until
        );
        let answers = self.batch(vec![old, self.insert_agent_key(agent, key_hash, now)])?;
        Ok(if answers.at(1)?.changes()? == 1 { Rolled::Done } else { Rolled::Gone })
    }

    /// A new signing secret (sealed); the one before stays beside it until `old_until`.
    pub fn roll_agent_secret(&self, agent: &AgentRow, sealed: &str, old_until: i64) -> Result<()> {
        let moved = self.moved(sql!(
            "UPDATE agents SET previous_signing_secret = signing_secret, previous_signing_secret_expires_at = ?5, signing_secret = ?4
             WHERE id = ?1 AND shop_id = ?2 AND signing_secret = ?3 AND deleted_at IS NULL",
            &agent.id,
            &agent.shop_id,
            &agent.signing_secret,
            sealed,
            old_until
        ));
        if moved? { Ok(()) } else { Err(Problem::roll_in_flight()) }
    }
}
