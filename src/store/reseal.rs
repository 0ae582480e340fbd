//! What is sealed in D1 and KV, found by the key that sealed it.

use super::{Db, Statement};
use crate::error::Result;
use crate::{seal, sql};

record! {
    /// A sealed text and what it is bound to. `sealed` is empty where it lies in KV.
    #[derive(Debug)]
    pub struct Sealed {
        pub id: String,
        pub shop_id: String,
        pub account: Option<String>,
        pub livemode: i64,
        pub sealed: String,
    }
}

/// What a sealed text is, which says what it is bound to.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The shop's id.
    ShopSecret,
    /// Shop, account and mode.
    Token,
    /// The agent's id, as the next one.
    AgentSecret,
    AgentFeed,
}

/// A place in D1 where sealed texts stand.
pub struct Place {
    pub kind: Kind,
    table: &'static str,
    id: &'static str,
    column: &'static str,
    /// Columns that a text is bound to, besides its `id`.
    bound_to: &'static str,
}

const OF_SHOP: &str = "id AS shop_id, NULL AS account, 0 AS livemode";
const OF_AGENT: &str = "shop_id, NULL AS account, 0 AS livemode";

pub const PLACES: [Place; 6] = [
    Place { kind: Kind::ShopSecret, table: "shops", id: "id", column: "signing_secret", bound_to: OF_SHOP },
    Place { kind: Kind::ShopSecret, table: "shops", id: "id", column: "previous_signing_secret", bound_to: OF_SHOP },
    Place { kind: Kind::Token, table: "connect_claims", id: "hash", column: "sealed_token", bound_to: "shop_id, account, livemode" },
    Place { kind: Kind::AgentSecret, table: "agents", id: "id", column: "signing_secret", bound_to: OF_AGENT },
    Place { kind: Kind::AgentSecret, table: "agents", id: "id", column: "previous_signing_secret", bound_to: OF_AGENT },
    Place { kind: Kind::AgentFeed, table: "agents", id: "id", column: "feed_key", bound_to: OF_AGENT },
];

impl Db {
    /// What a key sealed, `limit` of each place; last those whose text is in KV.
    pub fn sealed_under(&self, key_id: &str, limit: i64) -> Result<Vec<Vec<Sealed>>> {
        let (from, below) = seal::range(key_id);
        let mut batch: Vec<Statement> = PLACES
            .iter()
            .map(|place| {
                let Place { table, id, column, bound_to, .. } = place;
                let text = format!(
                    "SELECT {id} AS id, {bound_to}, {column} AS sealed FROM {table} WHERE {column} >= ?1 AND {column} < ?2 LIMIT {limit}"
                );
                sql!(&text, &from, &below)
            })
            .collect();
        let in_kv = format!("SELECT id, shop_id, account, livemode, '' AS sealed FROM connections WHERE token_seal = ?1 LIMIT {limit}");
        batch.push(sql!(&in_kv, key_id));
        let places = batch.len();
        let answers = self.batch(batch)?;
        (0..places).map(|place| answers.at(place)?.all()).collect()
    }

    /// Puts the new text in the old one's place, unless somebody changed it meanwhile: a rolled secret must not come back.
    pub fn put_sealed(&self, place: &Place, was: &Sealed, sealed: &str) -> Statement {
        let Place { table, id, column, .. } = place;
        let text = format!("UPDATE {table} SET {column} = ?3 WHERE {id} = ?1 AND {column} = ?2");
        sql!(&text, &was.id, &was.sealed, sealed)
    }

    /// The token in KV is sealed under `seal` now.
    pub fn token_sealed(&self, connection_id: &str, seal: &str) -> Statement {
        sql!("UPDATE connections SET token_seal = ?2 WHERE id = ?1", connection_id, seal)
    }

    /// A connection that has ended and whose token KV does not have any more.
    pub fn forget_token(&self, connection_id: &str) -> Result<()> {
        self.run(vec![sql!("UPDATE connections SET token_seal = NULL WHERE id = ?1 AND status = 'gone'", connection_id)])
    }
}
