//! A shop that leaves: its keys, tokens and secrets, and the personal data of its buyers. The books stay.

use super::Db;
use super::shops::ShopRow;
use crate::error::Result;
use crate::sql;

/// Of a row in `transactions`: whether its shop was deleted, so that nothing personal may be written to it any more.
pub const ERASED: &str = "EXISTS (SELECT 1 FROM shops WHERE shops.id = transactions.shop_id AND shops.status = 'deleted')";

/// Transactions that are cleared in one statement.
const SLICE: i64 = 200;

impl Db {
    /// Ends a shop, atomically: from here on no key opens it, nothing can be sold or connected for it, and no personal data is
    /// written. What takes longer is owed in `erasures`, by the same batch. A pending shop, which has no books, goes altogether.
    pub fn delete_shop(&self, shop: &ShopRow, now: i64) -> Result<()> {
        let id = &shop.id;
        self.run_repeatable(vec![
            sql!("DELETE FROM shops WHERE id = ?1 AND status = 'pending'", id),
            // Its address stays: the books must tell whose they are.
            sql!(
                "UPDATE shops SET status = 'deleted', checkout_enabled = 0, name = site_url, challenge = '', challenge_url = '',
                   webhook_url = NULL, allowed_origins = '[]', create_session_endpoint = NULL, default_success_url = NULL,
                   default_cancel_url = NULL, quote_url = NULL, links = '[]', order_url_template = NULL, signing_secret = '', previous_signing_secret = NULL,
                   previous_signing_secret_expires_at = NULL WHERE id = ?1",
                id
            ),
            sql!("DELETE FROM api_keys WHERE shop_id = ?1", id),
            sql!("DELETE FROM agent_keys WHERE shop_id = ?1", id),
            // Its agents' rows say whose answers are still to be erased; then they go too.
            sql!(
                "UPDATE agents SET deleted_at = ?2, name = '', webhook_url = NULL, signing_secret = '', previous_signing_secret = NULL,
                   previous_signing_secret_expires_at = NULL, feed_url = NULL, feed_key = NULL, feed_state = NULL, feed_due_at = NULL
                 WHERE shop_id = ?1",
                id,
                now
            ),
            sql!(
                "INSERT INTO deauthorizations (account, livemode, reason, due_at)
                 SELECT account, livemode, 'shop deleted', ?2 FROM connect_claims WHERE shop_id = ?1 AND status = 'waiting'
                 ON CONFLICT (account, livemode) DO NOTHING",
                id,
                now
            ),
            sql!("DELETE FROM connect_claims WHERE shop_id = ?1", id),
            sql!("DELETE FROM connect_states WHERE ticket IN (SELECT hash FROM connect_tickets WHERE shop_id = ?1)", id),
            sql!("DELETE FROM connect_tickets WHERE shop_id = ?1", id),
            sql!(
                "UPDATE connections SET status = 'gone', gone_at = ?2, gone_reason = 'deleted' WHERE shop_id = ?1 AND status = 'active'",
                id,
                now
            ),
            // An upload under way may write nothing any more; what it staged, and the catalogue, the sweep deletes.
            sql!("UPDATE catalogue_uploads SET status = 'failed', finished = ?2 WHERE shop_id = ?1 AND status = 'running'", id, now),
            sql!("UPDATE catalogues SET state = 'old' WHERE shop_id = ?1", id),
            sql!("DELETE FROM fulfillment WHERE shop_id = ?1", id),
            sql!("DELETE FROM agentic_settings WHERE shop_id = ?1", id),
            sql!("DELETE FROM agreements WHERE shop_id = ?1", id),
            sql!("DELETE FROM coupon_redemptions WHERE shop_id = ?1", id),
            sql!("DELETE FROM stock_holds WHERE shop_id = ?1", id),
            // No hook is answered for it any more, and another shop of the account may have the agentic side.
            sql!("DELETE FROM agentic WHERE shop_id = ?1", id),
            // Nothing of its catalogue goes to Stripe any more.
            sql!("DELETE FROM agentic_stock WHERE shop_id = ?1", id),
            sql!(
                "UPDATE agentic_imports SET status = 'failed', finished = ?2, check_at = NULL
                 WHERE shop_id = ?1 AND status IN ('awaiting_upload', 'processing')",
                id,
                now
            ),
            // What is open is due for the sweep, which ends it: checkout_enabled is 0.
            sql!(
                "UPDATE transactions SET check_at = ?2, checks = 0 WHERE shop_id = ?1 AND status = 'open' AND checkout_session IS NOT NULL",
                id,
                now
            ),
            sql!(
                "INSERT INTO erasures (shop_id, created, due_at) SELECT id, ?2, ?2 FROM shops WHERE id = ?1 AND status = 'deleted'
                 ON CONFLICT (shop_id) DO NOTHING",
                id,
                now
            ),
        ])
    }

    /// Shops of which something may be left, those that wait longest first.
    pub fn due_erasures(&self, now: i64, limit: i64) -> Result<Vec<String>> {
        let text = format!("SELECT shop_id AS id FROM erasures WHERE due_at <= ?1 ORDER BY due_at LIMIT {limit}");
        Ok(self.one(sql!(&text, now))?.ids())
    }

    /// Clears one slice; `false` when there was nothing left. Names, addresses, free text and addresses of pages go; ids, amounts,
    /// currency, status, source, agent, dates and the account stay.
    pub fn erase_slice(&self, shop_id: &str) -> Result<bool> {
        let next = format!(
            "SELECT id FROM transactions WHERE shop_id = ?1 AND id > (SELECT after_id FROM erasures WHERE shop_id = ?1) ORDER BY id LIMIT {SLICE}"
        );
        let clear = format!(
            "UPDATE transactions SET customer = NULL, shipping_details = NULL, billing_details = NULL, metadata = '{{}}', extras = '{{}}',
               discounts = '[]', cart_id = NULL, order_key = NULL, success_url = NULL, cancel_url = NULL, session_url = NULL,
               stripe_form = NULL, line_items = (SELECT json_group_array(json_remove(value, '$.name', '$.description', '$.image_url'))
                 FROM json_each(transactions.line_items))
             WHERE id IN ({next})"
        );
        let step = format!("UPDATE erasures SET after_id = coalesce((SELECT max(id) FROM ({next})), after_id) WHERE shop_id = ?1");
        let answers = self.batch(vec![
            sql!(&clear, shop_id),
            sql!("DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE shop_id = ?1 LIMIT 500)", shop_id),
            sql!("DELETE FROM orders WHERE rowid IN (SELECT rowid FROM orders WHERE shop_id = ?1 LIMIT 500)", shop_id),
            sql!("DELETE FROM acp_sessions WHERE id IN (SELECT id FROM acp_sessions WHERE shop_id = ?1 LIMIT 500)", shop_id),
            // Answers to its agents are kept under theirs.
            sql!(
                "DELETE FROM idempotency WHERE rowid IN (SELECT i.rowid FROM idempotency i
                       WHERE i.shop_id IN (SELECT ?1 UNION ALL SELECT id FROM agents WHERE shop_id = ?1) LIMIT 500)",
                shop_id
            ),
            sql!(
                "DELETE FROM feed_products WHERE (agent_id, key, product) IN
                       (SELECT agent_id, key, product FROM feed_products WHERE shop_id = ?1 LIMIT 1000)",
                shop_id
            ),
            sql!("DELETE FROM feed_changes WHERE seq IN (SELECT seq FROM feed_changes WHERE shop_id = ?1 LIMIT 1000)", shop_id),
            sql!(
                "DELETE FROM catalogue_errors WHERE (upload_id, row, field) IN (SELECT upload_id, row, field FROM catalogue_errors
                       WHERE upload_id IN (SELECT id FROM catalogue_uploads WHERE shop_id = ?1) LIMIT 5000)",
                shop_id
            ),
            sql!(
                "DELETE FROM catalogue_uploads WHERE id IN (SELECT id FROM catalogue_uploads WHERE shop_id = ?1 LIMIT 500)
                       AND NOT EXISTS (SELECT 1 FROM catalogue_errors e WHERE e.upload_id = catalogue_uploads.id)",
                shop_id
            ),
            sql!(
                "DELETE FROM agentic_import_errors WHERE rowid IN (SELECT rowid FROM agentic_import_errors
                       WHERE import_id IN (SELECT id FROM agentic_imports WHERE shop_id = ?1) LIMIT 20)",
                shop_id
            ),
            sql!(
                "DELETE FROM agentic_imports WHERE id IN (SELECT id FROM agentic_imports WHERE shop_id = ?1 LIMIT 500)
                       AND NOT EXISTS (SELECT 1 FROM agentic_import_errors e WHERE e.import_id = agentic_imports.id)",
                shop_id
            ),
            sql!(
                "DELETE FROM product_words WHERE (generation, word, id) IN (SELECT generation, word, id FROM product_words
                       WHERE generation IN (SELECT generation FROM catalogues WHERE shop_id = ?1) LIMIT 5000)",
                shop_id
            ),
            sql!(
                "DELETE FROM products WHERE rowid IN (SELECT rowid FROM products
                       WHERE generation IN (SELECT generation FROM catalogues WHERE shop_id = ?1) LIMIT 1000)",
                shop_id
            ),
            sql!(
                "DELETE FROM catalogues WHERE shop_id = ?1
                       AND NOT EXISTS (SELECT 1 FROM products p WHERE p.generation = catalogues.generation)
                       AND NOT EXISTS (SELECT 1 FROM product_words w WHERE w.generation = catalogues.generation)",
                shop_id
            ),
            sql!(
                "DELETE FROM agents WHERE id IN (SELECT id FROM agents a WHERE shop_id = ?1
                       AND NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.shop_id = a.id) LIMIT 500)",
                shop_id
            ),
            sql!("DELETE FROM agentic_hooks WHERE id IN (SELECT id FROM agentic_hooks WHERE shop_id = ?1 LIMIT 1000)", shop_id),
            sql!(&step, shop_id),
        ])?;
        let mut cleared = 0_usize;
        for index in 0..16 {
            cleared = cleared.saturating_add(answers.at(index)?.changes()?);
        }
        Ok(cleared > 0)
    }

    /// The connections of a shop that still have a token in KV.
    pub fn tokens_of(&self, shop_id: &str) -> Result<Vec<String>> {
        Ok(self.one(sql!("SELECT id FROM connections WHERE shop_id = ?1 AND token_seal IS NOT NULL LIMIT 50", shop_id))?.ids())
    }

    pub fn token_gone(&self, connection_id: &str) -> Result<()> {
        self.run(vec![sql!("UPDATE connections SET token_seal = NULL WHERE id = ?1", connection_id)])
    }

    /// Whether a payment of a shop that was deleted after `since` is still under way.
    pub fn under_way(&self, shop_id: &str, since: i64) -> Result<bool> {
        let found = sql!(
            "SELECT id FROM transactions WHERE shop_id = ?1 AND status IN ('open', 'processing')
               AND EXISTS (SELECT 1 FROM erasures WHERE shop_id = ?1 AND created > ?2) LIMIT 1",
            shop_id,
            since
        );
        Ok(self.one(found)?.any())
    }

    pub fn erasure_later(&self, shop_id: &str, due_at: i64) -> Result<()> {
        self.run(vec![sql!("UPDATE erasures SET due_at = ?2 WHERE shop_id = ?1", shop_id, due_at)])
    }

    /// Nothing is left: the accounts may be given back at Stripe.
    pub fn erasure_done(&self, shop_id: &str, now: i64) -> Result<()> {
        self.run(vec![
            sql!(
                "INSERT INTO deauthorizations (account, livemode, reason, due_at)
                 SELECT DISTINCT account, livemode, 'shop deleted', ?2 FROM connections WHERE shop_id = ?1 AND gone_reason = 'deleted'
                 ON CONFLICT (account, livemode) DO NOTHING",
                shop_id,
                now
            ),
            sql!("DELETE FROM erasures WHERE shop_id = ?1", shop_id),
        ])
    }
}
