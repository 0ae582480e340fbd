//! What a shop takes along beside its ledger.

use super::Db;
use crate::error::Result;
use crate::sql;

/// A list of the export: its name, and what reads a slice of it. Each row's `object` is sent as SQLite writes it.
pub struct List {
    pub name: &'static str,
    sql: &'static str,
}

pub const LISTS: [List; 9] = [
    // Without what would let anybody look for the key.
    List {
        name: "api_keys",
        sql: "SELECT hash AS id, json_object('created', created, 'expires_at', expires_at) AS object FROM api_keys
              WHERE shop_id = ?1 AND hash < ?2 ORDER BY hash DESC LIMIT 200",
    },
    // Without secrets, and with those that were deleted: the books name them.
    List {
        name: "agents",
        sql: "SELECT id, json_object('object', 'agent', 'id', id, 'name', name, 'mode', iif(livemode, 'live', 'test'),
                'livemode', json(iif(livemode, 'true', 'false')), 'allow', json(allow), 'webhook_url', webhook_url, 'feed_url', feed_url,
                'created', created, 'deleted_at', deleted_at) AS object
              FROM agents WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
    List {
        name: "agent_keys",
        sql: "SELECT hash AS id, json_object('agent', agent_id, 'created', created, 'expires_at', expires_at) AS object FROM agent_keys
              WHERE shop_id = ?1 AND hash < ?2 ORDER BY hash DESC LIMIT 200",
    },
    List {
        name: "connections",
        sql: "SELECT id, json_object('object', 'connection', 'id', id, 'status', status, 'account', account,
                'livemode', json(iif(livemode, 'true', 'false')), 'scope', scope, 'connected_at', connected_at,
                'gone_at', gone_at, 'gone_reason', gone_reason) AS object
              FROM connections WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
    // With agents, as Stripe told them last.
    List {
        name: "agreements",
        sql: "SELECT id, object FROM agreements WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
    List {
        name: "agentic_rules",
        sql: "SELECT iif(livemode, 'live', 'test') AS id, json_patch(json(rules), json_object('object', 'agentic.rules',
                'livemode', json(iif(livemode, 'true', 'false')), 'account', account, 'created', created, 'updated', updated)) AS object
              FROM agentic WHERE shop_id = ?1 AND iif(livemode, 'live', 'test') < ?2 ORDER BY livemode LIMIT 200",
    },
    // What was answered, not what was asked: buyers' names are not kept with hooks.
    List {
        name: "agentic_hooks",
        sql: "SELECT id, json_object('object', 'agentic.hook', 'id', id, 'type', type, 'livemode', json(iif(livemode, 'true', 'false')),
                'checkout_session', checkout_session, 'answer', json(answer), 'created', created) AS object
              FROM agentic_hooks WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
    List {
        name: "catalogue_imports",
        sql: "SELECT id, json_object('object', 'agentic.import', 'id', id, 'livemode', json(iif(livemode, 'true', 'false')), 'account', account,
                'api', api, 'feed_type', feed_type, 'mode', mode, 'from', origin, 'status', status, 'stripe_id', stripe_id, 'rows', rows,
                'rejected', rejected, 'bytes', bytes, 'success_count', success_count, 'error_count', error_count,
                'problem', json(problem), 'created', created, 'uploaded_at', uploaded_at, 'finished', finished) AS object
              FROM agentic_imports WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
    List {
        name: "notices",
        sql: "SELECT id, json_object('object', 'event', 'id', id, 'type', type, 'agent', agent_id, 'created', created, 'status', status,
                'attempts', attempts, 'data', json_object('object', iif(agent_id IS NULL, json(object), json_extract(object, '$.data')))) AS object
              FROM notices WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200",
    },
];

record! {
    #[derive(Debug)]
    pub struct Exported {
        pub id: String,
        pub object: String,
    }
}

impl Db {
    /// The next slice of a list, below an id; empty at its end.
    pub fn exported(&self, list: &List, shop_id: &str, below: &str) -> Result<Vec<Exported>> {
        self.one(sql!(list.sql, shop_id, below))?.all()
    }
}
