// The journeys that are measured: what is sent, what it needs from earlier ones, what it gives to later ones.
import { createHmac, randomBytes } from 'node:crypto';
import { ADDRESS, payBody } from '../support/agent.mjs';

export const AMOUNT = 20_000;
const json = (method, path, key, body, headers = {}) => ({ method, path, headers: { ...(key && { authorization: `Bearer ${key}` }), 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
const get = (path, key) => ({ method: 'GET', path, headers: key ? { authorization: `Bearer ${key}` } : {} });
const fresh = () => randomBytes(10).toString('hex');

const cart = (lines, order, origin) => ({
  source: 'chat', success_url: `${origin}/thanks`, cancel_url: `${origin}/cart`, customer: { email: 'ada@buyer.example' },
  cart: { id: `cart_${order}`, order_id: order, currency: 'usd', total: AMOUNT, items: Array.from({ length: lines }, (_, n) => ({ product_id: String(100 + n), name: `A thing of the shop, number ${n}`, quantity: 1, amount_total: AMOUNT / lines })) },
});
const create = (lines) => ({
  names: 'create', status: 201, batch: true,
  before: () => ({ K: fresh(), O: fresh() }),
  request: (v, c) => json('POST', '/v1/checkout/sessions', c.sells.key, cart(lines, v.O, c.sells.origin), { 'idempotency-key': v.K }),
  after: (v, body) => ({ cct: body.transaction, cs: body.id }),
});
const list = (path, shop) => ({ names: 'list', status: 200, before: () => ({}), request: (_v, c) => get(path, c[shop].key) });

/** In this order: what one makes another uses. `from`: whose values it goes on with. */
export const JOURNEYS = {
  healthz: { names: 'none', status: 200, before: () => ({}), request: () => get('/healthz') },
  'create, 2 lines': create(2),
  'create, 100 lines': create(100),
  complete: { names: 'complete', status: 303, from: 'create, 2 lines', before: () => ({}), request: (v) => get(`/checkout/complete/${v.cct}?session_id=${v.cs}`) },
  webhook: {
    names: 'webhook', status: 200, from: 'create, 100 lines', before: () => ({ evt: `evt_${fresh()}` }),
    request(v, c) {
      const body = JSON.stringify({ ...c.event, id: v.evt, data: { object: { ...c.event.data.object, id: v.cs, payment_intent: v.pi ?? v.cs.replace('cs_test', 'pi'), metadata: { ...c.event.data.object.metadata, cc_transaction: v.cct }, client_reference_id: v.cct } } });
      const t = Math.floor(Date.now() / 1000);
      const v1 = createHmac('sha256', c.webhookSecret).update(`${t}.${body}`).digest('hex');
      return { method: 'POST', path: '/stripe/webhooks', headers: { 'content-type': 'application/json', 'stripe-signature': `t=${t},v1=${v1}` }, body };
    },
  },
  'ACP create': {
    names: 'acp', status: 201, before: () => ({ K: fresh() }),
    request: (v, c) => json('POST', '/checkout_sessions', c.agent, { line_items: [{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }], currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } }, { 'idempotency-key': v.K, 'api-version': '2026-04-17' }),
    after: (_v, body) => ({ A: body.id }),
  },
  'ACP update': {
    names: 'acp', status: 200, from: 'ACP create', before: () => ({ K: fresh() }), after: () => ({}),
    request: (v, c) => json('POST', `/checkout_sessions/${v.A}`, c.agent, { line_items: [{ id: 'mug', quantity: 1 }, { id: 'tea', quantity: 3 }] }, { 'idempotency-key': v.K, 'api-version': '2026-04-17' }),
  },
  'ACP complete': {
    names: 'acp', status: 200, from: 'ACP update', before: (c) => ({ K: fresh(), spt: c.recording ? undefined : `spt_${fresh()}` }),
    request: (v, c) => json('POST', `/checkout_sessions/${v.A}/complete`, c.agent, payBody(v.spt), { 'idempotency-key': v.K, 'api-version': '2026-04-17' }),
  },
  'ledger page, 1,000 sales': list('/v1/transactions?limit=20', 'small'),
  'ledger page, 1,000,000': list('/v1/transactions?limit=20', 'big'),
  'summary, 1,000 sales': list('/v1/transactions/summary?group_by=source', 'small'),
  'summary, 1,000,000': list('/v1/transactions/summary?group_by=source', 'big'),
  'search, 1,000 products': list('/v1/catalogue/products?query=garden%20steel&limit=20', 'small'),
  'search, 100,000': list('/v1/catalogue/products?query=garden%20steel&limit=20', 'big'),
};
