import assert from 'node:assert/strict';
import { test } from 'node:test';
import { products } from '../../sandbox/shop/catalogue.mjs';
import { catalogueRows, ndjson } from '../../sandbox/shop/feed.mjs';
import { startShop } from '../../sandbox/shop/index.mjs';
import { NOTICES_PATH, sign } from '../../sandbox/shop/notices.mjs';
import { policies } from '../../sandbox/shop/policies.mjs';
import { approval, quote, QUOTE_PATH } from '../../sandbox/shop/quote.mjs';
import { fulfillmentRules } from '../../sandbox/shop/rules.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

async function setting(work, { sell = true } = {}) {
  const stub = await startStubWorker();
  const log = [];
  const shop = await startShop({ workerUrl: stub.url, log: (line) => log.push(line) });
  const visitor = browser(shop.url);
  try {
    await visitor.go('/admin/connectivity'); // registers
    stub.connected = true;
    if (sell) await visitor.submit('/', '/admin/selling');
    await work({ stub, shop, visitor, log });
  } finally {
    await shop.close();
    await stub.close();
  }
}
const routesOf = (stub) => stub.requests.map((request) => request.route);
const enough = (product) => product.stock ?? Infinity;

test('the feed has variants, what is downloaded, what is on sale, what is sold out, and the last piece', () => {
  const rows = Object.fromEntries(catalogueRows({ siteUrl: 'https://shop.example', left: enough }).map((row) => [row.id, row]));
  assert.equal(Object.keys(rows).length, products.length);
  assert.deepEqual([rows.mug.price, rows.mug.availability, 'inventory_quantity' in rows.mug], ['20.00 USD', 'in_stock', false]);
  assert.deepEqual([rows.blanket.price, rows.blanket.sale_price], ['89.50 USD', '72.00 USD']);
  assert.deepEqual(['apron-s', 'apron-m', 'apron-l'].map((id) => [rows[id].item_group_id, rows[id].size]), [['apron', 'S'], ['apron', 'M'], ['apron', 'L']]);
  assert.deepEqual([rows['apron-l'].availability, rows['apron-l'].inventory_quantity], ['out_of_stock', 0]);
  assert.deepEqual([rows.clock.availability, rows.clock.inventory_quantity], ['in_stock', 1]);
  assert.equal(rows.guide.is_digital, true);
  assert.equal(rows.mug.link, 'https://shop.example/product/mug');
  assert.deepEqual(ndjson([{ a: 1 }, { b: 'ä\n' }]), '{"a":1}\n{"b":"ä\\n"}\n');
});

test('connecting lets agents in: rules and pages first, then the catalogue, the key last', () => setting(async ({ stub, shop, visitor }) => {
  await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test' });
  const home = await visitor.go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.match(home.text, /Connected: acct_1, test mode\. Agents can buy here too: Errand has its key/);
  const told = routesOf(stub).filter((route) => /fulfillment|PATCH \/v1\/shop$|catalogue|POST \/v1\/agents/.test(route));
  assert.deepEqual(told, ['PUT /v1/shop/fulfillment', 'PATCH /v1/shop', 'PUT /v1/catalogue/products', 'POST /v1/agents']);
  const upload = stub.requests.find((request) => request.route === 'PUT /v1/catalogue/products');
  assert.equal(upload.headers['content-type'], 'application/x-ndjson');
  assert.ok(upload.headers['idempotency-key'].length >= 16);
  assert.deepEqual(stub.rows.map((row) => row.id), products.map((product) => product.id));
  assert.deepEqual(stub.rules, fulfillmentRules());
  assert.equal(stub.rules.shipping.length, 2);
  const [agent] = stub.agents;
  assert.deepEqual([agent.name, agent.mode, agent.webhook_url, agent.allow], ['Errand', 'test', `${shop.url}/agentic_checkout/webhooks/order_events`, ['acp']]);
}, { sell: false }));

test('a Worker that cannot take the catalogue does not undo the connection', () => setting(async ({ stub, visitor }) => {
  await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test' });
  stub.trouble = [{ on: 'PUT /v1/shop/fulfillment', answer: [422, { error: { type: 'invalid_request', code: 'parameter_invalid', message: 'No.' } }] }];
  const home = await visitor.go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.match(home.text, /Connected: acct_1, test mode\. Selling to agents could not begin/);
  assert.match((await visitor.go('/agent')).text, /No agent may buy here yet/);
  await visitor.submit('/', '/admin/selling');
  assert.match((await visitor.go('/admin/selling')).text, /May buy here/);
}, { sell: false }));

test('every page that agents are told of is there, and so is every product and picture', () => setting(async ({ stub, visitor, shop }) => {
  const urls = [...stub.shop.links.map((link) => link.url), ...stub.rows.flatMap((row) => [row.link, row.image_link])];
  assert.equal(stub.shop.links.length, Object.keys(policies).length);
  for (const url of urls) {
    assert.ok(url.startsWith(shop.url));
    assert.equal((await visitor.go(url.slice(shop.url.length))).status, 200, url);
  }
  for (const path of ['/policies/nothing', '/policies/constructor', '/product/nothing']) assert.equal((await visitor.go(path)).status, 404, path);
}));

test('the key and the secret are on no page; the file that has them is', () => setting(async ({ visitor }) => {
  const pages = await Promise.all(['/admin/selling', '/agent', '/admin/connectivity', '/admin/orders', '/'].map((path) => visitor.go(path)));
  for (const { text } of pages) assert.doesNotMatch(text, /\bcca_[0-9a-f]{8}|\bwhsec_[A-Za-z0-9+/]{8}/);
  assert.match(pages[0].text, /cca_…\(36 characters\)/);
}));

test('the door can be shut and opened again; a key that was lost on the way is taken back', () => setting(async ({ stub, visitor }) => {
  const [first] = stub.agents;
  await visitor.submit('/', '/admin/selling/stop');
  assert.equal(stub.agents.length, 0);
  assert.match((await visitor.go('/agent')).text, /No agent may buy here yet/);
  stub.trouble = [{ on: 'POST /v1/agents', how: 'drop_after' }];
  const down = await visitor.submit('/', '/admin/selling');
  assert.equal(down.status, 503);
  assert.equal(stub.agents.length, 1); // somebody has a key, and nobody knows it
  await visitor.submit('/', '/admin/selling');
  assert.equal(stub.agents.length, 1);
  assert.notEqual(stub.agents[0].id, first.id);
  assert.match((await visitor.go('/admin/selling')).text, new RegExp(stub.agents[0].id));
}));

test('stock: what the shop sells by itself the Worker is told, and nobody gets the last piece twice', () => setting(async ({ stub, visitor }) => {
  await visitor.submit('/', '/cart/add', { product_id: 'clock' });
  const second = await visitor.submit('/', '/cart/add', { product_id: 'clock' });
  assert.equal(second.status, 303);
  assert.match((await visitor.go('/')).text, /Only 1 of “Ship&#39;s clock” left/);
  await visitor.submit('/cart', '/checkout/chat');
  const [session] = stub.sessions.values();
  const row = { object: 'transaction', id: session.transaction, status: 'paid', order_id: session.order_id, amount: session.amount_total, currency: 'usd', livemode: false };
  assert.equal((await stub.tell('transaction.paid', row)).status, 204);
  assert.equal((await stub.tell('transaction.paid', row)).status, 204);
  const told = () => stub.requests.filter((request) => request.route === 'PATCH /v1/catalogue/inventory');
  for (let tries = 0; told().length === 0 && tries < 200; tries += 1) await new Promise((resolve) => { setImmediate(resolve); }); // nobody waits for it
  assert.deepEqual(told().map((request) => request.body), [[{ id: 'clock', inventory_quantity: 0, availability: 'out_of_stock' }]]);
  assert.match((await visitor.go('/product/clock')).text, /Sold out/);
  const api = await fetch(new URL('/wp-json/cognitive-cart/v1/checkout/create-session', stub.shop.site_url), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ agent: 'X', line_items: [{ product_id: 'clock', quantity: 1 }] }) });
  assert.deepEqual([api.status, (await api.json()).error.code], [422, 'line_items_invalid']);
  await visitor.submit('/', '/admin/selling/catalogue', { restock: 'yes' });
  assert.equal(stub.rows.find((one) => one.id === 'clock').inventory_quantity, 1);
}));

const ask = (asked, left = enough) => quote({ currency: 'usd', ...asked }, left);
const sanFrancisco = { country: 'US', state: 'CA', city: 'San Francisco' };

test('the live quote: bundles, coupons, tax and stock, as the shop itself reckons', () => {
  const three = ask({ items: [{ id: 'cup', quantity: 3 }, { id: 'mug', quantity: 1 }], address: sanFrancisco, coupons: ['nope', ' welcome10 ', 'FIVEOFF'] });
  assert.deepEqual(three.items, [{ id: 'cup', amount_total: 1000, available: true }, { id: 'mug', amount_total: 2000, available: true }]);
  assert.deepEqual(three.discounts, [{ label: 'WELCOME10 (10 % off)', amount: 300, code: 'WELCOME10' }]);
  assert.equal(three.tax_total, 236); // 8.75 % of 27.00 is 2.3625
  assert.deepEqual(three.shipping.map(({ id, amount }) => [id, amount]), [['standard', 490], ['express', 1250]]);
  assert.match(three.messages[0].content, /Any three for 10\.00/);

  const abroad = ask({ items: [{ id: 'clock', quantity: 1 }], address: { country: 'DE', state: '' } });
  assert.deepEqual([abroad.tax_total, abroad.shipping.map((one) => one.id), abroad.items[0].available], [0, ['standard'], 1]);
  assert.equal(abroad.messages[0].code, 'low_stock');
  assert.deepEqual(ask({ items: [{ id: 'mug', quantity: 1 }], address: { country: 'PE' } }).shipping, []);
  assert.deepEqual(ask({ items: [{ id: 'mug', quantity: 1 }] }).shipping, []); // nobody knows where to
  assert.equal(ask({ items: [{ id: 'apron-l', quantity: 1 }] }).items[0].available, 0);
  assert.deepEqual(ask({ items: [{ id: 'gone', quantity: 1 }] }).items, []);
  assert.equal(ask({ items: [{ id: 'mug', quantity: 2 }], currency: 'jpy' }).items[0].amount_total, 6040);
  for (const wrong of [{}, { items: 'mug' }, { items: [], currency: 'xxx' }, { items: [], currency: 'constructor' }]) assert.equal(ask({ currency: undefined, ...wrong }), undefined);
});

test('an order at Stripe is approved by the stock itself, at either address, and for the Worker only', () => setting(async ({ stub, shop, visitor }) => {
  const shortage = (lines) => (lines.some(({ product_id, quantity }) => product_id === 'clock' && quantity > 1) ? 'Only 1 left.' : undefined);
  const asked = (...lines) => ({ type: 'order.approval', id: 'evt_hook_1', data: { line_items_details: lines.map(([sku_id, quantity]) => ({ id: 'li_1', sku_id, quantity })) } });
  assert.deepEqual(approval(asked(['clock', 1], ['mug', 3]), { shortage }), { approved: true });
  assert.deepEqual(approval(asked(['clock', 2]), { shortage }), { approved: false, reason: 'Only 1 left.' });
  for (const unknown of [asked(), asked(['never', 1]), asked([null, 1]), {}]) assert.deepEqual(approval(unknown, { shortage }), { approved: false, reason: 'unknown_product' });
  await visitor.submit('/', '/admin/selling/quote', { way: 'on' });
  for (const path of [QUOTE_PATH, NOTICES_PATH]) {
    const send = (body, secret = stub.secret) => {
      const t = String(Math.floor(Date.now() / 1000));
      return fetch(shop.url + path, { method: 'POST', headers: { 'content-type': 'application/json', 'webhook-id': 'evt_hook_1', 'webhook-timestamp': t, 'webhook-signature': sign('evt_hook_1', t, body, secret) }, body });
    };
    const body = JSON.stringify(asked(['clock', 1]));
    assert.deepEqual(await (await send(body)).json(), { approved: true }, path);
    assert.deepEqual(await (await send(JSON.stringify(asked(['clock', 2])))).json(), { approved: false, reason: 'Only 1 of “Ship\'s clock” left.' }, path);
    assert.equal((await send(body, `whsec_${Buffer.alloc(32, 9).toString('base64')}`)).status, 401);
  }
}));

test('the live quote is asked by the Worker only, and can be switched on, slow, broken and off', () => setting(async ({ stub, shop, visitor }) => {
  const question = JSON.stringify({ id: 'checkout_1', items: [{ id: 'cup', quantity: 3 }], currency: 'usd' });
  async function send({ secret = stub.secret, t = Math.floor(Date.now() / 1000), body = question } = {}) {
    const answer = await fetch(shop.url + QUOTE_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', 'webhook-id': 'checkout_1', 'webhook-timestamp': String(t), 'webhook-signature': sign('checkout_1', t, body, secret) } });
    return [answer.status, await answer.json()];
  }
  assert.equal(stub.shop.quote_url, null);
  await visitor.submit('/', '/admin/selling/quote', { way: 'on' });
  assert.equal(stub.shop.quote_url, shop.url + QUOTE_PATH);
  assert.equal((await send({ secret: `whsec_${Buffer.alloc(32, 9).toString('base64')}` }))[0], 401);
  assert.equal((await send({ t: Math.floor(Date.now() / 1000) - 301 }))[0], 401);
  const [status, answer] = await send();
  assert.deepEqual([status, answer.items[0].amount_total], [200, 1000]);
  assert.equal((await send({ body: 'no json' }))[0], 400);
  await visitor.submit('/', '/admin/selling/quote', { way: 'broken' });
  assert.equal((await send())[0], 500);
  await visitor.submit('/', '/admin/selling/quote', { way: 'slow' });
  const began = Date.now();
  assert.equal((await send())[0], 200);
  assert.ok(Date.now() - began > 2500, 'later than the Worker waits');
  await visitor.submit('/', '/admin/selling/quote', { way: 'off' });
  assert.equal(stub.shop.quote_url, null);
  assert.equal((await visitor.submit('/', '/admin/selling/quote', { way: 'constructor' })).status, 422);
  // What the Worker did not take is not what the page says.
  stub.trouble = [{ on: 'PATCH /v1/shop', answer: [422, { error: { code: 'url_not_allowed', message: 'No.' } }] }];
  assert.equal((await visitor.submit('/', '/admin/selling/quote', { way: 'on' })).status, 422);
  assert.match((await visitor.go('/admin/selling')).text, /value="off" checked/);
}));
