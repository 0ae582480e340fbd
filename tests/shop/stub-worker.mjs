// A fixture for the shop's own unit tests: just enough of the contract to answer the shop, and a way to be unwell.
// What the shop and the real Worker do together is proved in tests/browser.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { NOTICES_PATH, sign } from '../../sandbox/shop/notices.mjs';

export async function startStubWorker() {
  const stub = { requests: [], sessions: new Map(), answers: new Map(), transactions: [], summary: [], agents: [], orders: [], imports: [], connected: false, checkoutEnabled: true, secret: `whsec_${randomBytes(32).toString('base64')}`, trouble: [] };
  const shop = {};

  const routes = {
    'POST /v1/shops': (body) => { Object.assign(shop, body, { challenge: randomBytes(8).toString('hex') }); return [201, { object: 'shop', id: 'shop_1', status: 'pending', checkout_enabled: true, name: body.name, api_key: 'ccs_stubkey', signing_secret: stub.secret, challenge: shop.challenge }]; },
    'POST /v1/shop/verify': async () => {
      const seen = await (await fetch(shop.challenge_url)).text();
      return seen.trim() === shop.challenge ? [200, { object: 'shop', status: 'active' }] : [422, { error: { type: 'invalid_request', code: 'challenge_failed', message: 'Not the challenge.' } }];
    },
    'GET /v1/shop': () => [200, { status: 'active', checkout_enabled: stub.checkoutEnabled, name: shop.name, webhook_url: shop.webhook_url }],
    'PATCH /v1/shop': (body) => { stub.checkoutEnabled = body.checkout_enabled ?? stub.checkoutEnabled; Object.assign(shop, body); return [200, { checkout_enabled: stub.checkoutEnabled }]; },
    'POST /v1/shop/signing_secrets': () => { stub.secret = `whsec_${randomBytes(32).toString('base64')}`; return [201, { signing_secret: stub.secret, previous_expires_at: Math.floor(Date.now() / 1000) + 86400 }]; },
    'GET /v1/connection': (_, query) => [200, { object: 'connection', connected: stub.connected && query.get('mode') === 'test', account: stub.connected ? 'acct_1' : null, livemode: false, charges_enabled: true }],
    'POST /v1/connect/start': (body) => { stub.challenge = body.verifier_challenge; stub.returnUrl = body.return_url; return [201, { object: 'connect.ticket', url: `${stub.url}/connect/ticket_secret` }]; },
    'POST /v1/connect/confirm': (body) => {
      if (createHash('sha256').update(body.verifier).digest('base64url') !== stub.challenge) return [422, { error: { type: 'invalid_request', code: 'verifier_mismatch', message: 'No.' } }];
      stub.connected = true;
      return [200, { object: 'connection', connected: true, account: 'acct_1', livemode: false }];
    },
    'DELETE /v1/connection': () => { stub.connected = false; return [200, { connected: false }]; },
    'GET /v1/manifest': () => [200, stub.connected ? { checkoutCreateSessionEndpoint: `${shop.site_url}/wp-json/cognitive-cart/v1/checkout/create-session` } : {}],
    'GET /v1/transactions': (_, query) => {
      const from = query.get('starting_after') ? stub.transactions.findIndex((row) => row.id === query.get('starting_after')) + 1 : 0;
      return [200, { object: 'list', data: stub.transactions.slice(from, from + 10), has_more: stub.transactions.length > from + 10 }];
    },
    'GET /v1/transactions.csv': (_, query) => [200, { csv: query.toString() }],
    'GET /v1/transactions/summary': () => [200, { group_by: 'source', data: stub.summary }],
    'PUT /v1/shop/fulfillment': (body) => { stub.rules = body; return [200, { object: 'fulfillment', ...body }]; },
    'PUT /v1/catalogue/products': (body) => {
      stub.rows = body.trimEnd().split('\n').map((line) => JSON.parse(line));
      return [200, { object: 'catalogue.upload', id: 'ccup_1', mode: 'replace', accepted: stub.rows.length, rejected: 0, errors: [] }];
    },
    'PUT /v1/agentic/rules': (body) => { stub.agentic = body; return [200, { object: 'agentic.rules', ...body }]; },
    'POST /v1/agentic/catalogue/imports': (body, query) => {
      if (!stub.agentic?.enabled) return [409, { error: { type: 'invalid_request', code: 'agentic_not_enabled', message: 'Agents are not switched on.' } }];
      const [, ...rows] = body.trimEnd().split('\n');
      const bad = rows.map((text, at) => ({ row: at + 1, id: text.split(',')[0], field: 'price', code: 'price_invalid', message: 'price must be an amount and a currency, as in 12.30 USD.' })).filter(({ row }) => !/\d (USD|EUR),/.test(rows[row - 1]));
      if (bad.length > 0 && query.get('on_error') === 'fail') return [422, { error: { type: 'invalid_request', code: 'rows_invalid', message: `${bad.length} rows are not as Stripe wants them. Nothing was sent.` } }];
      const made = { object: 'agentic.import', id: `ccim_${stub.imports.length + 1}`, status: 'succeeded', from: 'file', feed_type: query.get('feed_type'), rows: rows.length - bad.length, rejected: bad.length, success_count: rows.length - bad.length, error_count: 0, errors: bad, problem: null, created: 1_795_000_000, finished: 1_795_000_001 };
      stub.imports.unshift(made);
      return [202, made];
    },
    'GET /v1/agentic/catalogue/imports': () => [200, { object: 'list', data: stub.imports, has_more: false }],
    'PATCH /v1/catalogue/inventory': (body) => [200, { object: 'catalogue.inventory', updated: body.length }],
    'GET /v1/agents': () => [200, { object: 'list', data: stub.agents, has_more: false }],
    'POST /v1/agents': (body) => {
      const made = { object: 'agent', id: `agt_${stub.agents.length + 1}${randomBytes(2).toString('hex')}`, ...body, created: 1_795_000_000 };
      stub.agents.push(made);
      return [201, { ...made, api_key: `cca_${randomBytes(16).toString('hex')}`, signing_secret: `whsec_${randomBytes(32).toString('base64')}` }];
    },
    'DELETE /v1/agents/:id': (_, query, headers, id) => { stub.agents = stub.agents.filter((one) => one.id !== id); return [200, { object: 'agent', id, deleted: true }]; },
    'POST /v1/agentic/settings_link': () => [201, { object: 'agentic.settings_link', url: `${stub.url}/agentic/settings/ticket_secret`, livemode: false }],
    'GET /v1/agentic/agreements': () => [200, { object: 'list', data: stub.agreements ?? [], has_more: false }],
    'POST /v1/agentic/agreements/:id/confirm': (_, query, headers, id) => [200, stub.agreements.find((one) => one.id === id)],
    'POST /v1/agentic/agreements/:id/terminate': (_, query, headers, id) => [200, Object.assign(stub.agreements.find((one) => one.id === id), { status: 'terminated' })],
    'GET /v1/orders': () => [200, { object: 'list', data: stub.orders, has_more: false }],
    'GET /v1/orders/:id': (_, query, headers, id) => { const found = stub.orders.find((one) => one.id === id); return found && [200, found]; },
    'PATCH /v1/orders/:id': (body, query, headers, id) => { const found = stub.orders.find((one) => one.id === id); return found && [200, Object.assign(found, body)]; },
    'POST /v1/transactions/:id/refunds': (body, query, headers, id) => {
      const key = headers['idempotency-key'];
      const order = stub.orders.find((one) => one.transaction === id);
      if (!stub.answers.has(key)) {
        const amount = body.amount ?? order.amount_total - order.amount_refunded;
        order.amount_refunded += amount;
        stub.answers.set(key, { object: 'refund', id: `re_${stub.answers.size + 1}`, amount, status: 'succeeded', transaction: id });
      }
      return [201, stub.answers.get(key)];
    },
    'POST /v1/checkout/sessions': (body, query, headers) => {
      if (!stub.checkoutEnabled) return [403, { error: { type: 'permission', code: 'checkout_disabled', message: 'Off.' } }];
      const key = headers['idempotency-key'];
      if (!stub.sessions.has(key)) {
        const n = stub.sessions.size + 1;
        stub.sessions.set(key, { object: 'checkout.session', id: `cs_test_${n}`, url: `${stub.url}/pay/${n}`, amount_total: body.cart?.total ?? body.amount_total, currency: body.cart?.currency ?? body.currency, livemode: body.mode === 'live', order_id: body.cart?.order_id ?? body.order_id, transaction: `cct_${n}`, expires_at: Math.floor(Date.now() / 1000) + 3600, success_url: body.success_url });
      }
      return [201, stub.sessions.get(key)];
    },
  };

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url, 'http://stub');
    // What an agent, an agreement, an order or a transaction is named by stands in the path.
    const id = /\/((?:agt|agmt|ord|cct)_\w+)/.exec(url.pathname)?.[1];
    const route = `${request.method} ${url.pathname}`;
    const pattern = id ? route.replace(id, ':id') : route;
    const sent = Buffer.concat(chunks).toString('utf8');
    const body = sent === '' ? undefined : request.headers['content-type'] === 'application/json' ? JSON.parse(sent) : sent;
    stub.requests.push({ route, body, headers: request.headers });
    const next = stub.trouble[0]?.on === route ? stub.trouble.shift() : undefined;
    if (next?.how === 'drop_before') return request.socket.destroy();
    const [status, answer] = next?.answer ?? (await routes[pattern]?.(body, url.searchParams, request.headers, id)) ?? [404, { error: { type: 'invalid_request', code: 'route_unknown', message: route } }];
    if (next?.how === 'drop_after') return request.socket.destroy(); // did the work, the answer is lost
    response.writeHead(status, { 'content-type': 'application/json', ...next?.headers }).end(JSON.stringify(answer));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  stub.shop = shop;
  stub.url = `http://127.0.0.1:${server.address().port}`;
  /** Tells the shop, as the Worker does. */
  stub.tell = async (type, object, { id = `ccevt_${randomBytes(6).toString('hex')}`, secret = stub.secret, t = Math.floor(Date.now() / 1000) } = {}) => {
    const body = JSON.stringify({ id, type, created: t, data: { object } });
    const answer = await fetch(shop.site_url + NOTICES_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(t), 'webhook-signature': sign(id, t, body, secret) } });
    const text = await answer.text();
    return { status: answer.status, body: text && JSON.parse(text) };
  };
  stub.close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return stub;
}

/** A browser for tests: one cookie jar, forms filled from the page that shows them. */
export function browser(base) {
  let cookie;
  async function go(path, { form, follow = false } = {}) {
    const headers = { ...(cookie && { cookie }) };
    const response = await fetch(new URL(path, base), { redirect: 'manual', headers, ...(form && { method: 'POST', body: new URLSearchParams(form) }) });
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
    const location = response.headers.get('location');
    if (follow && location?.startsWith('/')) return go(location);
    return { status: response.status, location, text: await response.text(), headers: response.headers };
  }
  const token = async (page) => /name="form_token" value="([0-9a-f]+)"/.exec((await go(page)).text)[1];
  const submit = async (page, path, fields = {}) => go(path, { form: { ...fields, form_token: await token(page) } });
  return { go, submit };
}
