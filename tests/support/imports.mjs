// Shops that sell to agents at Stripe, and what is needed to send their catalogues there.
import { randomUUID } from 'node:crypto';
import { fine } from './answers.mjs';
import { connectShop, registerShop, sendCatalogue } from './shop.mjs';

export const PATH = '/v1/agentic/catalogue/imports';
export const HEADER = 'id,title,description,link,image_link,price,availability,inventory_quantity';

/** A row that Stripe takes, but for what is bent. */
export const row = (id, { title = `Mug ${id}`, description = 'A mug.', link = `https://shop.example/${id}`, image = `https://shop.example/${id}.jpg`, price = '12.30 USD', availability = 'in_stock', stock = '5' } = {}) =>
  [id, title, description, link, image, price, availability, stock].join(',');
export const table = (...rows) => `${[HEADER, ...rows].join('\n')}\n`;

/** The events of a v2 destination, thin, to a Worker. */
export function listenToImports(w, stripe) {
  const events = ['processing', 'succeeded', 'succeeded_with_errors', 'failed'].map((status) => `v2.commerce.product_catalog.imports.${status}`);
  stripe.addWebhook({ url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect, connect: true, event_payload: 'thin', events });
}

/** The agentic side of a connected shop, on or off; also as no request could make it (another account's, older than another's). */
export function switchOn(w, shop, account, { enabled = 1, livemode = 0, created = 1 } = {}) {
  const rules = { enabled: enabled === 1, approve: { max_total: null, countries: null, require_stock: true, blocked_skus: [], price_tolerance_bps: null }, ask_shop: false, on_trouble: 'decline' };
  return w.d1('INSERT OR REPLACE INTO agentic (shop_id, livemode, account, enabled, rules, created, updated) VALUES (?, ?, ?, ?, ?, ?, 1)', shop.id, livemode, account, enabled, JSON.stringify(rules), created);
}

/** A shop that is connected and has agents switched on. */
export async function importingShop(w, stripe, shops, { catalogue, account: given } = {}) {
  const shop = await registerShop(w);
  shops.push(shop);
  const { account } = await connectShop(w, stripe, shop, given && { account: given });
  shop.account = account;
  // Of two on one account the rules let only one have it.
  if (given) await switchOn(w, shop, account);
  else fine(await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true } }));
  if (catalogue) fine(await sendCatalogue(w, shop, catalogue));
  return shop;
}

/** Time passes for one shop: the 15 minutes of the last product feed are over. */
export const later = (w, shop) => w.d1('UPDATE agentic_imports SET uploaded_at = uploaded_at - 900 WHERE shop_id = ?', shop.id);

export const askFor = (api, shop, body, idempotencyKey = randomUUID()) =>
  api('POST', PATH, { key: shop.key, idempotencyKey, body: { feed_type: 'product', mode: 'upsert', from: 'catalogue', ...body } });

/** Sends a file as it is. */
export const pass = (api, shop, body, { query = 'feed_type=product&mode=upsert', type = 'text/csv', idempotencyKey = randomUUID(), headers = {} } = {}) =>
  api('POST', `${PATH}?${query}`, { key: shop.key, idempotencyKey, body, headers: { 'content-type': type, ...headers } });
