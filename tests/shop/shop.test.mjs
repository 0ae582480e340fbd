import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request as rawRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { signature } from '../../sandbox/shop/completion.mjs';
import { startShop } from '../../sandbox/shop/index.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

async function setting(work) {
  const stub = await startStubWorker();
  const folder = mkdtempSync(join(tmpdir(), 'demo-shop-'));
  const persist = join(folder, 'state.json');
  const start = (port = 0) => startShop({ port, workerUrl: stub.url, persist });
  const here = { stub, persist, start, shop: await start(), state: () => JSON.parse(readFileSync(persist, 'utf8')) };
  here.visitor = browser(here.shop.url);
  try {
    await here.visitor.go('/admin/connectivity'); // registers
    stub.connected = true;
    await work(here);
  } finally {
    await here.shop.close();
    await stub.close();
    rmSync(folder, { recursive: true });
  }
}

const buy = async ({ visitor }, product = 'mug') => {
  await visitor.submit('/', '/cart/add', { product_id: product });
  return visitor.submit('/cart', '/checkout/chat');
};
const wayHome = (stub, session, status = 'paid', more = {}) => {
  const members = { session_id: session.id, transaction: session.transaction, order_id: session.order_id, status, amount_total: String(session.amount_total), currency: session.currency, livemode: String(session.livemode), t: String(Math.floor(Date.now() / 1000)), ...more };
  return `/checkout/return?${new URLSearchParams({ ...members, signature: signature(members, stub.secret) })}`;
};

test('it registers itself, proves its address, and keeps its key to itself', () => setting(async ({ visitor, stub, persist, state }) => {
  const page = await visitor.go('/admin/connectivity');
  assert.match(page.text, /Registered and verified/);
  assert.equal(stub.requests.filter((request) => request.route === 'POST /v1/shops').length, 1); // twice visited, once registered
  assert.ok(!page.text.includes(state().shop.api_key) && !page.text.includes(stub.secret));
  assert.equal(statSync(persist).mode & 0o777, 0o600);
}));

test('connect: the verifier stays here, the claim is confirmed with it', () => setting(async ({ visitor, stub, shop }) => {
  stub.connected = false;
  const start = await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test' });
  assert.equal(start.location, `${stub.url}/connect/ticket_secret`);
  assert.equal(stub.returnUrl, `${shop.url}/admin/connectivity`);
  // A claim that comes to another browser is not even sent to the Worker.
  const stranger = await browser(shop.url).go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.equal(stub.requests.some((request) => request.route === 'POST /v1/connect/confirm'), false);
  assert.equal(stranger.status, 200);
  const home = await visitor.go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.match(home.text, /Connected: acct_1, test mode/);
  assert.equal(stub.connected, true);
}));

test('connect: denied and every failure are said in words', () => setting(async ({ visitor }) => {
  assert.match((await visitor.go('/admin/connectivity?cc_connect=denied', { follow: true })).text, /You refused at Stripe/);
  for (const [code, words] of [['code_rejected', 'did not accept'], ['mode_mismatch', 'other mode'], ['already_connected', 'connected to this shop already'], ['stripe_unavailable', 'could not be reached'], ['account_invalid', 'cannot be used'], ['<script>', 'The connection failed']]) {
    const { text } = await visitor.go(`/admin/connectivity?cc_connect=failed&cc_code=${encodeURIComponent(code)}`, { follow: true });
    assert.ok(text.includes(words) && !text.includes('<script>'), code);
  }
}));

test('connect: a Worker that is away at confirm is asked again later, with the same claim', () => setting(async ({ visitor, stub }) => {
  stub.connected = false;
  await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test' });
  stub.trouble = Array.from({ length: 4 }, () => ({ on: 'POST /v1/connect/confirm', answer: [503, { error: { code: 'stripe_unavailable', message: 'down' } }] }));
  const page = await visitor.go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.match(page.text, /Finish connecting/);
  await visitor.submit('/admin/connectivity', '/admin/connect/finish');
  assert.equal(stub.connected, true);
}));

test('chat checkout: cart, discount, shipping and total go out as one body, and the paid cart is emptied', () => setting(async (here) => {
  const { visitor, stub, state } = here;
  await visitor.submit('/', '/cart/add', { product_id: 'cup' });
  const sent = await visitor.submit('/cart', '/checkout/chat', { quantity_cup: '3', shipping: 'express', coupon: 'welcome10', currency: 'usd' });
  const { body, headers } = stub.requests.find((request) => request.route === 'POST /v1/checkout/sessions');
  assert.equal(body.source, 'chat');
  assert.deepEqual(body.cart.items.map(({ product_id, quantity, amount_total }) => [product_id, quantity, amount_total]), [['cup', 3, 1000]]);
  assert.equal(body.cart.total, 1000 + 1250 - 100);
  assert.ok(headers['idempotency-key'].length >= 16 && headers.authorization === 'Bearer ccs_stubkey');
  assert.deepEqual([sent.status, sent.location], [303, `${stub.url}/pay/1`]);

  const [session] = stub.sessions.values();
  const page = await visitor.go(wayHome(stub, session), { follow: true });
  assert.match(page.text, /your order is paid/);
  const again = await visitor.go(wayHome(stub, session), { follow: true });
  assert.equal(again.status, 200);
  assert.equal(state().orders['1001'].history.filter((entry) => entry.what.startsWith('Stock taken')).length, 1);
  assert.match((await visitor.go('/cart')).text, /nothing in it yet/);
}));

test('a forged way home changes nothing', () => setting(async (here) => {
  await buy(here);
  const [session] = here.stub.sessions.values();
  const page = await here.visitor.go(`${wayHome(here.stub, session)}0`);
  assert.equal(page.status, 403);
  assert.match(page.text, /cannot confirm a payment/);
  assert.equal(here.state().orders['1001'].status, 'pending');
  const unpaid = await here.visitor.go(wayHome(here.stub, session, 'unpaid'), { follow: true });
  assert.match(unpaid.text, /not paid/);
  assert.equal(here.state().orders['1001'].status, 'pending');
}));

test('an attempt without an answer is repeated after a restart with the same key and body', () => setting(async (here) => {
  const { visitor, stub } = here;
  stub.trouble = Array.from({ length: 4 }, () => ({ on: 'POST /v1/checkout/sessions', how: 'drop_after' }));
  const down = await buy(here);
  assert.equal(down.status, 503);
  assert.match(down.text, /does not answer/);
  const { port } = here.shop;
  await here.shop.close();
  here.shop = await here.start(port);
  const second = await visitor.submit('/cart', '/checkout/chat');
  assert.equal(second.status, 303);
  const tries = stub.requests.filter((request) => request.route === 'POST /v1/checkout/sessions');
  assert.equal(new Set(tries.map((request) => request.headers['idempotency-key'])).size, 1);
  assert.equal(new Set(tries.map((request) => JSON.stringify(request.body))).size, 1);
  assert.equal(stub.sessions.size, 1);
}));

test('the same cart again keeps its order with a new key; a changed cart is a new order', () => setting(async (here) => {
  await buy(here);
  await here.visitor.submit('/cart', '/checkout/chat');
  assert.deepEqual([...here.stub.sessions.values()].map((session) => session.order_id), ['1001', '1001']);
  await here.visitor.submit('/cart', '/checkout/chat', { shipping: 'pickup' });
  assert.equal([...here.stub.sessions.values()].at(-1).order_id, '1002');
  assert.ok(here.stub.requests.some((request) => request.route === 'POST /v1/checkout/sessions/cs_test_2/expire'));
}));

test('a session for another amount than the order\'s is not shown to the buyer', () => setting(async (here) => {
  here.stub.trouble = [{ on: 'POST /v1/checkout/sessions', answer: [201, { id: 'cs_x', url: 'https://pay.example/', amount_total: 1, currency: 'usd', livemode: false, order_id: '1001', transaction: 'cct_x' }] }];
  const page = await buy(here);
  assert.equal(page.status, 502);
  assert.match(page.text, /amount_total differ/);
}));

test('an agent by API: repriced, replayed by its own key, and told no with reasons', () => setting(async ({ shop, stub, state }) => {
  const ask = async (body, headers = {}) => {
    const response = await fetch(`${shop.url}/wp-json/cognitive-cart/v1/checkout/create-session`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    return [response.status, await response.json()];
  };
  const asked = { source: 'agent:Claude', line_items: [{ product_id: 'mug', name: 'Mug', quantity: 1, amount_total: 1 }] };
  const [status, made] = await ask(asked, { 'idempotency-key': 'agent-1' });
  assert.deepEqual([status, made.amount_total, made.repriced], [201, 2000, true]);
  const { body } = stub.requests.find((request) => request.route === 'POST /v1/checkout/sessions');
  assert.deepEqual([body.source, body.amount_total, body.line_items[0].amount_total], ['agent:Claude', 2000, 2000]);
  assert.equal((await ask(asked, { 'idempotency-key': 'agent-1' }))[1].order_id, made.order_id);
  assert.equal((await ask({ ...asked, currency: 'eur' }, { 'idempotency-key': 'agent-1' }))[1].error.code, 'idempotency_conflict');
  assert.equal((await ask({ line_items: [{ product_id: 'x' }] }))[1].error.param, 'line_items[0][product_id]');
  stub.checkoutEnabled = false;
  assert.deepEqual((await ask(asked)).map((part) => part.error?.code ?? part), [403, 'checkout_disabled']);
  assert.equal(Object.values(state().orders).at(-1).status, 'ended'); // it waits for nobody
}));

test('the manifest names the checkout only once Stripe is connected', () => setting(async ({ shop }) => {
  const manifest = await (await fetch(`${shop.url}/.well-known/ucp`)).json();
  assert.equal(manifest.checkoutCreateSessionEndpoint, `${shop.url}/wp-json/cognitive-cart/v1/checkout/create-session`);
}));

test('orders whose buyers never came home are settled from the ledger, if the row is theirs', () => setting(async (here) => {
  await buy(here);
  const key = here.state().orders['1001'].key;
  const row = { id: 'cct_1', order_id: '1001', amount: 2490, currency: 'usd', livemode: false, status: 'paid' };
  here.stub.transactions = [{ ...row, amount: 1 }];
  await here.visitor.submit('/', '/order/1001/refresh', { key });
  assert.equal(here.state().orders['1001'].status, 'pending');
  here.stub.transactions = [row];
  await here.visitor.submit('/', '/order/1001/refresh', { key });
  assert.equal(here.state().orders['1001'].status, 'paid');
  assert.equal((await here.visitor.go('/order/1001?key=wrong')).status, 404);
}));

test('the Worker is down: the shop stands, and says what to do', () => setting(async ({ visitor, stub }) => {
  await stub.close();
  assert.equal((await visitor.go('/')).status, 200);
  for (const path of ['/admin/connectivity', '/admin/ledger']) {
    const page = await visitor.go(path);
    assert.equal(page.status, 503, path);
    assert.match(page.text, /npm start/);
  }
}));

test('forms of other sites, foreign hosts and strict headers', () => setting(async ({ visitor, shop }) => {
  assert.equal((await visitor.go('/admin/disconnect', { form: { mode: 'test' } })).status, 403);
  const status = await new Promise((resolve) => { rawRequest({ port: shop.port, host: '127.0.0.1', path: '/admin/orders', headers: { host: 'evil.example' } }, (response) => { response.resume(); resolve(response.statusCode); }).end(); });
  assert.equal(status, 421);
  const { headers } = await visitor.go('/');
  assert.match(headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(headers.get('referrer-policy'), 'no-referrer');
  assert.equal((await visitor.go('/nothing')).status, 404);
}));

test('a key the Worker does not know any more: said in words, and a person registers anew', () => setting(async ({ visitor, stub }) => {
  stub.trouble = [{ on: 'GET /v1/shop', answer: [401, { error: { type: 'authentication', code: 'api_key_invalid', message: 'Unknown key.' } }] }];
  assert.match((await visitor.go('/admin/connectivity')).text, /does not accept this shop&#39;s key/);
  assert.equal(stub.requests.filter((request) => request.route === 'POST /v1/shops').length, 1); // not by itself
  await visitor.submit('/', '/admin/register', { anew: 'yes' });
  assert.equal(stub.requests.filter((request) => request.route === 'POST /v1/shops').length, 2);
  assert.match((await visitor.go('/admin/connectivity')).text, /Registered and verified/);
}));

test('a rolled signing secret: buyers under way still come home', () => setting(async (here) => {
  await buy(here);
  const [session] = here.stub.sessions.values();
  const underWay = wayHome(here.stub, session);
  await here.visitor.submit('/', '/admin/keys', { which: 'signing_secret' });
  assert.equal((await here.visitor.go(underWay)).status, 303);
  assert.equal(here.state().orders['1001'].status, 'paid');
}));

test('the ledger turns its pages by id, keeps its filters, and its CSV comes through the shop', () => setting(async ({ visitor, stub }) => {
  stub.transactions = Array.from({ length: 12 }, (_, index) => ({ id: `cct_${index}`, created: 1_795_000_000, order_id: null, source: 'agent', agent: '<b>', status: 'paid', amount: 100, currency: 'jpy', livemode: false }));
  stub.summary = [{ group: 'agent', currency: 'jpy', livemode: false, count: 12, gross: 1200, refunded: 0, fees: 0, net: 1200 }];
  const first = await visitor.go('/admin/ledger?source=agent');
  assert.match(first.text, /Agent: ¥1,200 in 12 sales/); // the chart's words
  assert.ok(first.text.includes('&lt;b&gt;') && !first.text.includes('<b>'));
  const next = /href="([^"]+)">Older/.exec(first.text)[1].replaceAll('&amp;', '&');
  assert.equal(next, '/admin/ledger?source=agent&after=cct_9');
  const second = await visitor.go(next);
  assert.ok(second.text.includes('cct_11') && second.text.includes('Newer') && !second.text.includes('Older'));
  const csv = await visitor.go('/admin/ledger.csv?source=agent&evil=1');
  assert.deepEqual([csv.headers.get('content-type'), JSON.parse(csv.text)], ['text/csv; charset=utf-8', { csv: 'source=agent' }]);
}));
