// Sends requests made from src/openapi.json, good ones and bent ones, and holds every answer against it.
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, FULFILLMENT } from './agent.mjs';
import { switchOn } from './imports.mjs';
import { requestFor, seeded } from './generate.mjs';
import { operations, resolve, violations, wrongWith } from './schema.mjs';
import { chatBody, connectShop, createSession, registerShop, sendCatalogue } from './shop.mjs';
import { startWorker } from './worker.mjs';

const ERROR = { $ref: '#/components/schemas/Error' };
const FLAT = { $ref: '#/components/schemas/AcpError' };
/** What is in the catalogue of a shop that works. */
const PRODUCTS = ['p0', 'p1', 'mug', 'a/b c'];
const known = new WeakMap();
const unavailable = ['stripe_unavailable', 'not_configured'];

/**
 * perOperation: requests for each operation in a round. until: rounds go on until this time (ms); one round at least.
 * seen: what is to be looked at before the Worker ends, with `faults: true` in place.
 * -> {seed, requests, statuses: {200: n, …}, wrong: [text], fivexx, operations}
 */
export async function runSchema({ seed, perOperation, until = 0, seen }) {
  const stripe = await startStripe({ retryPauses: [] });
  let w;
  const shops = [];
  const result = { seed, requests: 0, statuses: {}, wrong: [], fivexx: 0, reconnected: 0, operations: operations.length };
  try {
    w = await startWorker({ stripe, faults: Boolean(seen) });
    const rng = seeded(seed);
    const { account } = await makeShop();
    // An operator's hands are on another shop than the one that works.
    const other = await registerShop(w);
    shops.push(other);

    async function makeShop() {
      const shop = await registerShop(w);
      const { account: merchant } = await connectShop(w, stripe, shop);
      await switchOn(w, shop, merchant);
      const open = await createSession(w, shop, chatBody(shop, { cart: { order_id: `open-${shop.id}` } }));
      const paid = await createSession(w, shop);
      await stripe.pay(paid.id);
      await sendCatalogue(w, shop, `id,title,price,availability\n${PRODUCTS.map((id) => `${id},Thing,12.30 USD,in_stock`).join('\n')}\nbad,,,`);
      await w.api('PUT', '/v1/shop/fulfillment', { key: shop.key, body: FULFILLMENT });
      shop.agent = await addAgent(w, shop, {});
      await stripe.webhooks.drained();
      shop.sessions = [open, paid];
      shops.push(shop);
      return { shop, account: merchant };
    }
    const current = () => shops.filter((shop) => shop.sessions).at(-1);
    /** A shop that works, whatever the last requests did to it. */
    async function ready() {
      const shop = current();
      const seen = await w.api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: true, automatic_tax: false, allowed_origins: [] } });
      // What was sent to the agents' routes may have shut the agent out.
      const there = seen.status === 200 && await w.api('PATCH', `/v1/agents/${shop.agent.id}`, { key: shop.key, body: { allow: ['acp', 'mcp'] } });
      if (seen.status === 200 && there.status !== 200) shop.agent = await addAgent(w, shop, {});
      const connection = seen.status === 200 && await w.api('GET', '/v1/connection?mode=test', { key: shop.key });
      return connection?.body?.connected ? shop : (await makeShop()).shop;
    }

    do {
      const order = operations.toSorted(() => rng.below(3) - 1);
      for (const one of order) {
        const shop = await ready();
        const ids = [...await idsOf(w, shop.id), account];
        const idFor = ({ schema, name }, path) => {
          if (path.startsWith('/v1/admin/shops')) return [other.id];
          if (path.startsWith('/v1/catalogue/products')) return PRODUCTS;
          const prefix = prefixOf(schema);
          const fit = prefix ? ids.filter((id) => id.startsWith(prefix)) : name === 'session_id' ? ids.filter((id) => id.startsWith('cs_')) : ids;
          return fit.length ? fit : [`${prefix ?? 'x_'}${'0'.repeat(26)}`];
        };
        // Leaving ends the shop: a few are enough.
        const times = one.operation.operationId === 'deleteShop' ? 2 : perOperation;
        for (let i = 0; i < times; i += 1) {
          const request = requestFor(one, rng, { home: shop.origin, idFor, bent: rng.pick([0, 0, 1, 2, 5]) });
          await send(one, request, shop);
        }
      }
      for (const word of ['suspend', 'resume']) await w.api('POST', `/v1/admin/shops/${other.id}/${word}`, { key: w.vars.ADMIN_KEY });
    } while (Date.now() < until);

    async function send(one, request, shop) {
      const wants = (kind) => one.operation.security?.some((way) => way[kind]);
      const own = wants('operator_key') ? w.vars.ADMIN_KEY : wants('agent_key') ? shop.agent.api_key : shop.key;
      const key = rng.oneIn(12) ? rng.pick([undefined, 'ccs_nobody', `${shop.key}x`, w.vars.ADMIN_KEY, '']) : own;
      const method = request.method === 'GET' && rng.oneIn(15) ? 'HEAD' : request.method;
      const headers = { ...(key !== undefined && { Authorization: `Bearer ${key}` }), ...request.headers };
      if (one.path === '/stripe/webhooks' && request.body && rng.oneIn(2)) headers['Stripe-Signature'] = stripe.signature(request.body, w.webhookSecrets.connect);
      if (one.path === '/stripe/agentic-hooks' && request.body && rng.oneIn(2)) headers['Stripe-Signature'] = stripe.signature(request.body, w.hookSecret);
      const response = await fetchAgain(request.path, { method, headers, body: request.body });
      const body = await response.text();
      result.requests += 1;
      result.statuses[response.status] = (result.statuses[response.status] ?? 0) + 1;
      const told = () => `seed ${seed}, request ${result.requests}: ${method} ${request.path.slice(0, 200)} ${JSON.stringify(request.body ?? '').slice(0, 500)} → ${response.status} ${body.slice(0, 300)}`;
      const wrong = (why) => { if (result.wrong.length < 30) result.wrong.push(`${why}\n    ${told()}`); };
      let error;
      try { error = response.headers.get('content-type')?.startsWith('application/json') ? errorOf(JSON.parse(body || '{}'), response.status) : undefined; } catch { wrong('not JSON'); }
      if (response.status >= 500) {
        result.fivexx += 1;
        if (response.status !== 503 || !unavailable.includes(error?.code)) wrong('5xx');
      }
      if (method === 'HEAD') {
        if (body !== '') wrong('HEAD with a body');
        return;
      }
      // What cannot be an id names nothing, and is not told apart from an unknown address.
      if (!request.plain && response.status === 404 && error?.code === 'route_unknown') {
        for (const why of error.request_id ? violations(ERROR, { error }) : violations(FLAT, error)) wrong(why);
        return;
      }
      // An empty id makes it another address.
      if (new URL(response.url).pathname.includes('//') || !request.plain) return;
      for (const why of wrongWith(method, request.path, { status: response.status, headers: response.headers, body })) wrong(why);
    }
    /** Who is refused before his body was read finds the connection closed, and says so only with his next request. */
    async function fetchAgain(path, init) {
      try {
        return await w.fetch(path, init);
      } catch {
        result.reconnected += 1;
        return w.fetch(path, init);
      }
    }
    await stripe.webhooks.drained();
    if (seen) await seen(w);
    return result;
  } finally {
    await w?.close();
    await stripe.close();
    for (const shop of shops) await shop.close();
  }
}

/** The error of an answer: the agent protocols' are flat. */
const errorOf = (body, status) => body.error ?? (status >= 400 ? body : undefined);

/** How the ids of a schema begin: `cct_`, or undefined. */
export const prefixOf = (schema) => /^\^([a-z]+_)/.exec(resolve(schema)?.pattern ?? '')?.[1];

/** Every id in what D1 has of a shop. */
export async function idsOf(w, shopId) {
  const ids = new Set();
  const owned = (await tables(w)).filter(({ columns }) => columns.includes('shop_id'));
  const rows = await w.d1Batch(owned.map(({ name }) => `SELECT * FROM ${name} WHERE shop_id = '${shopId}'`));
  for (const value of rows.flat().flatMap(Object.values)) {
    for (const [id] of String(value).matchAll(/\b(?:(?:cs|cct|ccevt|ccup|ccim|pi|re|ch|acct|agt|ord|dp|du)_[A-Za-z0-9_]+|(?:checkout|cart)_[0-9a-hjkmnp-tv-z]{26}\b)/g)) ids.add(id);
  }
  return [...ids];
}

/** The tables of the Worker. -> [{name, columns}] */
export async function tables(w) {
  if (known.has(w)) return known.get(w);
  const names = await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name");
  const columns = await w.d1Batch(names.map(({ name }) => `SELECT name FROM pragma_table_info('${name}')`));
  known.set(w, names.map(({ name }, at) => ({ name, columns: columns[at].map((column) => column.name) })));
  return known.get(w);
}
