// A shop with a catalogue, and an agent that buys there.
import { randomUUID } from 'node:crypto';
import { connectShop, registerShop } from './shop.mjs';

export const ADDRESS = { name: 'Ada Buyer', line_one: '1 Main St', city: 'San Francisco', state: 'CA', country: 'US', postal_code: '94105' };
export const BUYER = { first_name: 'Ada', last_name: 'Buyer', email: 'ada@buyer.example' };

/** The rows of a small catalogue, by Stripe's column names. */
export const PRODUCTS = [
  { id: 'mug', title: 'Mug', description: 'A mug of clay.', link: 'https://shop.example/mug', image_link: 'https://shop.example/mug.jpg', price: '12.30 USD', availability: 'in_stock', inventory_quantity: 1000 },
  { id: 'tea', title: 'Tea', description: 'Black tea.', link: 'https://shop.example/tea', image_link: 'https://shop.example/tea.jpg', price: '5.00 USD', sale_price: '4.00 USD', availability: 'in_stock' },
  { id: 'last', title: 'The last one', description: 'Only one is left.', link: 'https://shop.example/last', image_link: 'https://shop.example/last.jpg', price: '99.00 USD', availability: 'in_stock', inventory_quantity: 1 },
  { id: 'gone', title: 'Gone', description: 'Sold out.', link: 'https://shop.example/gone', image_link: 'https://shop.example/gone.jpg', price: '7.00 USD', availability: 'out_of_stock' },
  { id: 'book', title: 'E-book', description: 'To read.', link: 'https://shop.example/book', image_link: 'https://shop.example/book.jpg', price: '20.00 USD', availability: 'in_stock', is_digital: 'true' },
];

export const FULFILLMENT = {
  shipping: [
    { id: 'standard', title: 'Standard', amount: 500, currency: 'usd', countries: ['US'], free_over: 10_000, min_days: 3, max_days: 5 },
    { id: 'express', title: 'Express', subtitle: 'By courier', carrier: 'DHL', amount: 1500, currency: 'usd', countries: ['US', 'CA'], min_days: 1, max_days: 2 },
  ],
  digital: [{ id: 'download', title: 'Download' }],
  tax: [{ country: 'US', region: 'CA', rate_bps: 875, inclusive: false, applies_to_shipping: false, display_name: 'Sales tax' }],
  coupons: [
    { code: 'SAVE10', percent_off: 10 },
    { code: 'FIVE', amount_off: 500, currency: 'usd', min_subtotal: 2000 },
    { code: 'ONCE', percent_off: 50, max_redemptions: 1 },
    { code: 'OLD', percent_off: 5, ends: 1_600_000_000 },
  ],
};

/** Sets a shop up for agents: connected, with a catalogue, its rules and an agent. -> {shop, agent, account, call, token}. */
export async function agentShop(w, stripe, { products = PRODUCTS, fulfillment = FULFILLMENT, mode = 'test', name = 'Claude', agent: more = {}, shop: fields = {}, account } = {}) {
  const shop = await registerShop(w, fields);
  const connection = await connectShop(w, stripe, shop, { mode, account });
  await sellToAgents(w, shop.key, { products, fulfillment });
  const agent = await addAgent(w, shop, { name, mode, ...more });
  return { shop, agent, account: connection.account, ...speaker(w, agent.api_key) };
}

/** A shop's catalogue and its rules, as far as given. */
export async function sellToAgents(w, key, { products = PRODUCTS, fulfillment = FULFILLMENT } = {}) {
  if (products) {
    const body = products.map((row) => JSON.stringify(row)).join('\n');
    const answer = await w.api('PUT', '/v1/catalogue/products', { key, idempotencyKey: randomUUID(), body, headers: { 'content-type': 'application/x-ndjson' } });
    if (answer.status !== 200 || answer.body.rejected) throw new Error(`the catalogue was refused: ${answer.text}`);
  }
  if (fulfillment) {
    const answer = await w.api('PUT', '/v1/shop/fulfillment', { key, body: fulfillment });
    if (answer.status !== 200) throw new Error(`the rules were refused: ${answer.text}`);
  }
}

/** Buys in the newest version. -> the order, as its agent is answered */
export async function buyAs(stripe, account, call, { items = [{ id: 'mug', quantity: 2 }], buyer = BUYER } = {}) {
  const asked = await call('POST', '/checkout_sessions', { line_items: items, currency: 'usd', capabilities: {}, buyer, fulfillment_details: { name: 'Ada', email: buyer.email, address: ADDRESS } });
  if (asked.status !== 201) throw new Error(`no checkout: ${asked.text}`);
  const token = await stripe.grantToken({ account, currency: 'usd', maxAmount: 1_000_000 });
  const paid = await call('POST', `/checkout_sessions/${asked.body.id}/complete`, payBody(token, { buyer }));
  if (paid.status !== 200) throw new Error(`not paid: ${paid.text}`);
  await stripe.webhooks.drained();
  return paid.body.order;
}

export async function addAgent(w, shop, body) {
  const made = await w.api('POST', '/v1/agents', { key: shop.key, body: { name: 'Claude', mode: 'test', ...body } });
  if (made.status !== 201) throw new Error(`no agent: ${made.text}`);
  return made.body;
}

/** How an agent calls: `call('POST', '/checkout_sessions', body, {version, key})`; a fresh Idempotency-Key with each POST of the newest version. */
export function speaker(w, apiKey) {
  const call = (method, path, body, { version = '2026-04-17', key, headers = {} } = {}) => {
    const released = !path.startsWith('/checkouts');
    const fresh = method !== 'GET' && version === '2026-04-17' && released ? randomUUID() : undefined;
    return w.api(method, path, { key: apiKey, body, idempotencyKey: key === undefined ? fresh : key ?? undefined, headers: { ...(released && version && { 'api-version': version }), ...headers } });
  };
  return { call };
}

/** The body that pays, in the words of the newest version. */
export const payBody = (token, more = {}) => ({
  payment_data: { handler_id: 'card_tokenized', instrument: { type: 'card', credential: { type: 'spt', token } } },
  buyer: BUYER, ...more,
});
