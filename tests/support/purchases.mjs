// A shop that sells to agents at Stripe, and what its purchases come to.
import { PRODUCTS, sellToAgents } from './agent.mjs';
import { connectShop, registerShop } from './shop.mjs';

/** The same products as Stripe has them after an import. */
export const AT_STRIPE = Object.fromEntries(PRODUCTS.map((row) => {
  const price = (text) => ({ unit_amount: Math.round(Number.parseFloat(text) * 100), currency: text.slice(-3).toLowerCase() });
  return [row.id, {
    title: row.title, description: row.description, price: price(row.price), ...(row.sale_price && { sale_price: price(row.sale_price) }),
    availability: row.availability, inventory_quantity: row.inventory_quantity ?? null, link: row.link, image_link: row.image_link,
    ...(row.id === 'mug' && { gtin: '0012345678905', mpn: 'MUG-1', tax_code: 'txcd_99999999' }),
  }];
}));

/** Switches the agentic side of a shop on. */
export async function switchOn(w, shop, rules = {}) {
  const answer = await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true, ...rules } });
  if (answer.status !== 200) throw new Error(`PUT /v1/agentic/rules answered ${answer.status}: ${answer.text}`);
}

/** A connected shop with a catalogue here and at Stripe, that sells to agents there. -> {shop, account, buy(more)} */
export async function sellingShop(w, stripe, { mode = 'test', account, products = PRODUCTS, fulfillment = null, on = true, rules, ...fields } = {}) {
  const shop = await registerShop(w, fields);
  const connection = await connectShop(w, stripe, shop, { mode, account });
  await sellToAgents(w, shop.key, { products, fulfillment });
  await stripe.setCatalogue(connection.account, AT_STRIPE);
  if (on) await switchOn(w, shop, { ...(mode === 'live' && { mode }), ...rules });
  return { shop, account: connection.account, buy: purchaser(stripe, connection.account, mode === 'live') };
}

/** Buys, and waits until all events are told. Without hooks, unless they are asked for: Stripe then says that an agent bought. */
export const purchaser = (stripe, account, livemode = false) => async (more = {}) => {
  const result = await stripe.simulatePurchase({ account, livemode, sku: 'mug', hooks: [], ...more });
  if (!stripe.webhooks.paused) await stripe.webhooks.drained();
  return result;
};

export const rowsOf = (w, shop) => w.d1('SELECT * FROM transactions WHERE shop_id = ? ORDER BY id', shop.id);
export const noticesOf = async (w, shop) => (await w.d1('SELECT type FROM notices WHERE shop_id = ? AND agent_id IS NULL ORDER BY created, id', shop.id)).map(({ type }) => type);
export const ordersOf = async (w, shop) => (await w.api('GET', '/v1/orders', { key: shop.key })).body.data;
export const stockOf = async (w, shop, id) => (await w.d1("SELECT p.inventory_quantity AS n FROM products p JOIN catalogues c ON c.generation = p.generation WHERE c.shop_id = ? AND c.state = 'live' AND p.id = ?", shop.id, id))[0].n;
