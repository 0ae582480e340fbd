-- A shop takes its hooks along (GET /v1/shop/export) in the order of their ids, page by page.
DROP INDEX agentic_hooks_by_shop;
CREATE INDEX agentic_hooks_by_shop ON agentic_hooks (shop_id, id);
