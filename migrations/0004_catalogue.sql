-- The shop's catalogue, its stock and how it delivers. Told in src/store/mod.rs.

-- A shop's products come in generations, of which one is live: an upload writes the next one beside it, and one statement
-- switches. A number is never given twice: rows that a broken-off upload left cannot turn up in another shop's catalogue.
CREATE TABLE catalogues (
  generation INTEGER PRIMARY KEY AUTOINCREMENT,
  shop_id TEXT NOT NULL,
  -- staged: an upload is writing it. old: to be deleted, slice by slice.
  state TEXT NOT NULL CHECK (state IN ('staged', 'live', 'old')),
  upload_id TEXT
) STRICT;
CREATE UNIQUE INDEX catalogues_one_live ON catalogues (shop_id) WHERE state = 'live';
CREATE UNIQUE INDEX catalogues_by_upload ON catalogues (upload_id) WHERE upload_id IS NOT NULL;
CREATE INDEX catalogues_old ON catalogues (generation) WHERE state = 'old';
CREATE INDEX catalogues_staged ON catalogues (shop_id) WHERE state = 'staged';
CREATE INDEX catalogues_by_shop ON catalogues (shop_id);

-- Names are the columns of Stripe's product catalogue feed; amounts are minor units.
CREATE TABLE products (
  generation INTEGER NOT NULL,
  id TEXT NOT NULL,
  title TEXT NOT NULL,
  description TEXT,
  link TEXT,
  image_link TEXT,
  additional_image_link TEXT,
  price INTEGER NOT NULL,
  currency TEXT NOT NULL,
  sale_price INTEGER,
  sale_price_effective_date TEXT,
  -- The same as Unix seconds; the end is the first second that is past it.
  sale_from INTEGER,
  sale_until INTEGER,
  availability TEXT NOT NULL CHECK (availability IN ('in_stock', 'out_of_stock', 'preorder', 'backorder')),
  availability_date TEXT,
  -- NULL: not tracked.
  inventory_quantity INTEGER,
  stripe_product_tax_code TEXT,
  tax_behavior TEXT,
  item_group_id TEXT,
  item_group_title TEXT,
  brand TEXT,
  gtin TEXT,
  mpn TEXT,
  condition TEXT,
  google_product_category TEXT,
  digital INTEGER NOT NULL CHECK (digital IN (0, 1)),
  disable_checkout INTEGER NOT NULL DEFAULT 0 CHECK (disable_checkout IN (0, 1)),
  -- Every other column of the feed, and those that only the shop knows: an object of texts.
  extra TEXT NOT NULL,
  -- What it is found by: a list of words, each of which is in product_words.
  words TEXT NOT NULL,
  updated INTEGER NOT NULL,
  -- Of a staged row: its number in the file, whether it says anything about the stock, and whether it takes the product out.
  row INTEGER NOT NULL DEFAULT 0,
  stock_given INTEGER NOT NULL DEFAULT 1,
  deleted INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (generation, id)
) STRICT;
CREATE INDEX products_to_delete ON products (generation, id) WHERE deleted = 1;

-- A full-text index of one's own: FTS5's tables keep a database from being exported.
CREATE TABLE product_words (
  generation INTEGER NOT NULL,
  word TEXT NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (generation, word, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE catalogue_uploads (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('replace', 'upsert')),
  status TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
  -- Moved ahead while it runs; past, it counts as broken off.
  locked_until INTEGER NOT NULL,
  bytes INTEGER NOT NULL DEFAULT 0,
  accepted INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  -- Why it failed: {code, message}.
  problem TEXT,
  started INTEGER NOT NULL,
  finished INTEGER
) STRICT;
CREATE UNIQUE INDEX catalogue_uploads_one_running ON catalogue_uploads (shop_id) WHERE status = 'running';
CREATE INDEX catalogue_uploads_by_shop ON catalogue_uploads (shop_id, id);
CREATE INDEX catalogue_uploads_running ON catalogue_uploads (locked_until) WHERE status = 'running';
CREATE INDEX catalogue_uploads_by_age ON catalogue_uploads (started);

CREATE TABLE catalogue_errors (
  upload_id TEXT NOT NULL,
  row INTEGER NOT NULL,
  field TEXT NOT NULL,
  product_id TEXT,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (upload_id, row, field)
) STRICT, WITHOUT ROWID;

-- Stock that is kept for a payment under way. What can be sold is inventory_quantity less the holds that still count.
CREATE TABLE stock_holds (
  holder TEXT NOT NULL,
  shop_id TEXT NOT NULL,
  product_id TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (holder, product_id)
) STRICT;
CREATE INDEX stock_holds_by_product ON stock_holds (shop_id, product_id);
CREATE INDEX stock_holds_by_expiry ON stock_holds (expires_at);

-- What PUT /v1/shop/fulfillment said, as src/fulfillment.rs writes it.
CREATE TABLE fulfillment (
  shop_id TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  updated INTEGER NOT NULL
) STRICT;

-- Apart from the coupon itself: a PUT of the rules does not count anew.
CREATE TABLE coupon_redemptions (
  shop_id TEXT NOT NULL,
  code TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (shop_id, code)
) STRICT;

ALTER TABLE shops ADD COLUMN quote_url TEXT;
ALTER TABLE shops ADD COLUMN links TEXT NOT NULL DEFAULT '[]';
ALTER TABLE shops ADD COLUMN order_url_template TEXT;
