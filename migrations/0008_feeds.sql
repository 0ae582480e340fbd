-- The push of a shop's catalogue to the feeds of its agents. Told in src/store/mod.rs.

-- Until when nobody else takes the feed: a run that has it in hand, or a pause after trouble. Below zero: it was taken out of the hands of
-- whoever held it by that number.
ALTER TABLE agents ADD COLUMN feed_wait_until INTEGER NOT NULL DEFAULT 0;
DROP INDEX agents_feed_due;
CREATE INDEX agents_feed_due ON agents (shop_id, feed_due_at) WHERE feed_due_at IS NOT NULL;

-- What the agent's feed has. A product there groups rows of the catalogue.
CREATE TABLE feed_products (
  agent_id TEXT NOT NULL,
  -- The rows' item_group_id, or the id of a row that has none.
  key TEXT NOT NULL,
  -- The id in the feed: the key, or, where a group is too large for one product, that of a row.
  product TEXT NOT NULL,
  shop_id TEXT NOT NULL,
  -- Of what was sent last: what is the same is not sent again.
  digest TEXT NOT NULL,
  -- [[id, title], …] of the rows.
  variants TEXT NOT NULL,
  -- 1: the agent refused it; 2: it has an older one and refused what came after; 3: it may have it, the answer was lost.
  refused INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (agent_id, key, product)
) STRICT, WITHOUT ROWID;
CREATE INDEX feed_products_by_shop ON feed_products (shop_id);

-- Which rows changed since, of shops whose agents have feeds. A row that changes again moves to the end.
CREATE TABLE feed_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  shop_id TEXT NOT NULL,
  product_id TEXT NOT NULL,
  key TEXT NOT NULL,
  UNIQUE (shop_id, product_id, key)
) STRICT;
CREATE INDEX feed_changes_by_shop ON feed_changes (shop_id, seq);

-- The rows of a group.
CREATE INDEX products_by_group ON products (generation, item_group_id, id) WHERE item_group_id IS NOT NULL;
