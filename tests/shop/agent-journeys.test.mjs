// An agent buys in the demo shop: the real Worker in workerd, the local Stripe, and forms as a browser without scripts sends them.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { after, before, test } from 'node:test';
import { can, VERSIONS } from '../../sandbox/shop/agent/versions.mjs';
import { startShop } from '../../sandbox/shop/index.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { browserLike, formOf } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';
import { browser } from './stub-worker.mjs';

let stripe;
let worker;
let shop;
let visitor;
const said = [];
const arrived = new EventEmitter();
const seen = []; // every page, for the last test

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  worker = await startWorker({ stripe, host: 'localhost' });
  shop = await startShop({ workerUrl: worker.url, stripeUrl: stripe.url, log: (line) => { said.push(line); arrived.emit('line'); } });
  const account = await stripe.createAccount({ name: 'Harbour Lane', country: 'US', charges_enabled: true, details_submitted: true });
  const plain = browser(shop.url);
  const keep = (page) => { seen.push(page.text); return page; };
  visitor = { go: async (...asked) => keep(await plain.go(...asked)), submit: async (...asked) => keep(await plain.submit(...asked)) };

  await visitor.go('/admin/connectivity');
  const ticket = (await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test' })).location;
  const merchant = browserLike(worker);
  const consent = formOf((await merchant.go(ticket)).text);
  const posted = await merchant.go(new URL(consent.action, ticket), { method: consent.method, form: consent.fields });
  const { location } = await stripe.authorize({ authorizeUrl: posted.location, account: account.id });
  const home = await merchant.go(location);
  assert.match((await visitor.go(home.location, { follow: true })).text, /Agents can buy here too: Errand has its key/);
});

after(async () => {
  await shop?.close();
  await worker?.close();
  await stripe?.close();
});

/** Waits for a line of the shop's log that begins after `from`. */
async function line(pattern, from = 0) {
  for (const deadline = Date.now() + 20_000; ;) {
    const found = said.slice(from).find((one) => pattern.test(one));
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`nothing like ${pattern} in the log:\n${said.slice(from).join('\n')}`);
    await new Promise((resolve) => { const timer = setTimeout(resolve, 500); arrived.once('line', () => { clearTimeout(timer); resolve(); }); });
  }
}

const plain = (html) => html.replace(/<[^>]+>/g, ' ').replaceAll('&quot;', '"').replaceAll('&#39;', '\'').replaceAll('&amp;', '&').replace(/\s+/g, ' ');
const page = async () => plain((await visitor.go('/agent')).text);
const step = async (name, fields) => { await visitor.submit('/agent', `/agent/${name}`, fields); return page(); };
const begin = async (fields) => { await visitor.submit('/agent', '/agent/again'); return step('create', fields); };
const status = (text) => /Where it stands ([a-z0-9 ]+?) (?:Refused|It |Something|The bank|A payment|No answer)/.exec(text)?.[1];
const total = (text) => /Total total \$([\d,.]+)/.exec(text)?.[1];
const checkout = (text) => /checkout_\w+/.exec(text)[0];
const paidFor = async (id) => (await worker.d1('SELECT id, source, agent, status, amount, amount_refunded FROM transactions WHERE checkout_session = ?', id));

for (const version of VERSIONS) {
  test(`${version}: step by step to an order that is shipped, and the agent hears of it`, async () => {
    const from = said.length;
    let text = await begin({ version, want_mug: '2', want_guide: '1', email: 'ada@buyer.example' });
    assert.equal(status(text), 'not ready for payment');
    const stripes = version === 'stripe';
    assert.match(text, stripes ? /POST \/checkouts / : /POST \/checkout_sessions /);
    assert.equal(new RegExp(`api-version: ${version}`).test(text), !stripes);
    assert.match(text, /idempotency-key: [0-9a-f-]{36}/);
    assert.match(text, /An address is needed to ship to/);
    const id = checkout(text);

    text = await step('address', { place: 'san-francisco' });
    assert.deepEqual([status(text), total(text)], ['ready for payment', '61.45']); // 40 + 12 + 4.90 + 8.75 % of 52.00
    assert.match(text, stripes ? /PUT \/checkouts\/checkout_/ : /POST \/checkout_sessions\/checkout_/);
    text = await step('shipping', { option: 'express' });
    assert.equal(total(text), '69.05');
    text = await step('coupon', { code: 'WELCOME10' });
    assert.equal(total(text), can.discounts(version) ? '63.40' : '69.05');
    assert.equal(/This version has no words for discounts/.test(text), !can.discounts(version));
    text = await step('token', { card: 'pm_card_visa' });
    assert.match(text, /Ada has seen the total/);
    text = await step('complete');
    assert.equal(status(text), 'completed');
    assert.match(text, /"token": "spt_…"/);

    const amount = can.discounts(version) ? 6340 : 6905;
    const [row, ...more] = await paidFor(id);
    assert.equal(more.length, 0);
    assert.deepEqual([row.source, row.agent, row.status, row.amount], ['agent', 'Errand', 'paid', amount]);

    await line(/notice order\.created/, from);
    await line(new RegExp(`the agent heard order_create[a-z]* of ${id}`), from);
    const orders = (await visitor.go('/admin/orders')).text;
    const card = orders.split('<li class="card">').find((one) => one.includes('ada@buyer.example'));
    const ours = /Order (\d+)<\/a>/.exec(card)[1];
    const ord = /\/admin\/orders\/(ord_\w+)\/ship/.exec(card)[1];
    assert.match(plain(card), /2 × Stoneware mug, 1 × Slow coffee, a guide/);
    const [kept] = await worker.d1('SELECT order_id, permalink_url FROM orders WHERE id = ?', ord);
    assert.equal(kept.order_id, ours); // the shop's answer to the notice
    const own = await visitor.go(new URL(kept.permalink_url).pathname + new URL(kept.permalink_url).search);
    assert.match(own.text, /your order is paid/);

    const before = said.length;
    await visitor.submit('/admin/orders', `/admin/orders/${ord}/ship`);
    await line(new RegExp(`the agent heard order_update[a-z]* of ${id}`), before);
    const between = said.length;
    await visitor.submit('/admin/orders', `/admin/orders/${ord}/refund`);
    await line(new RegExp(`the agent heard order_update[a-z]* of ${id}`), between);
    const [refunded] = await paidFor(id);
    assert.deepEqual([refunded.status, refunded.amount_refunded], ['partially_refunded', Math.floor(amount / 2)]);
    text = await page();
    assert.match(text, /What the agent heard afterwards/);
    const newest = version === '2026-04-17';
    assert.match(text, stripes ? /"type": "order_updated"/ : /"type": "order_update"/);
    assert.match(text, newest ? /"tracking_number": "HL\d+/ : /"status": "shipped"/);
    assert.match(text, newest ? /"adjustments": \[ \{/ : /"refunds": \[ \{ "amount": \d+, "type": "original_payment"/);
  });
}

test('the ledger names the agent', async () => {
  const { text } = await visitor.go('/admin/ledger?source=agent');
  assert.match(plain(text), /Agent, Errand/);
  assert.match(plain((await visitor.go('/admin/ledger')).text), /Sales by source/);
});

test('do it all: paid, declined, and asked by the bank, in a new version and in one without words for it', async () => {
  const wish = { want_mug: '1', place: 'portland', speed: 'fastest' };
  const all = async (more) => { await visitor.submit('/agent', '/agent/again'); return step('all', { ...wish, ...more }); };
  const paid = await all({ version: '2026-04-17', card: 'pm_card_visa', code: 'FIVEOFF' });
  assert.deepEqual([status(paid), total(paid)], ['completed', '27.50']); // 20 - 5 + 12.50, no tax
  const declined = await all({ version: '2025-12-12', card: 'pm_card_chargeDeclined' });
  assert.equal(status(declined), 'ready for payment');
  assert.match(declined, /payment declined Your card was declined/);
  await step('token', { card: 'pm_card_visa' }); // with another card it goes on
  assert.equal(status(await step('complete')), 'completed');
  const asked = await all({ version: '2026-01-16', card: 'pm_card_threeDSecure2Required' });
  assert.equal(status(asked), 'completed');
  assert.match(asked, /Complete, with what the bank said/);
  assert.match(asked, /"authentication_result"/);

  const old = await all({ version: '2025-09-29', card: 'pm_card_threeDSecure2Required' });
  assert.match(old, /requires 3ds/);
  assert.match(old, /This version has no words for it/);
  const again = await step('read', { version: '2026-01-30' });
  assert.equal(status(again), 'authentication required');
  const done = await step('complete', { authenticated: 'yes' });
  assert.equal(status(done), 'completed');
  assert.equal((await paidFor(checkout(done))).length, 1);
});

test('a lost answer at Stripe: the same request again, and paid once', async () => {
  await begin({ version: '2026-04-17', want_notebook: '1' });
  await step('address', { place: 'portland' });
  await step('token', { card: 'pm_card_visa' });
  stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'drop_after' });
  const text = await step('complete');
  assert.equal(status(text), 'completed');
  assert.match(text, /, 2 tries/);
  const id = checkout(text);
  assert.equal(stripe.payments().filter((payment) => payment.metadata.cc_checkout === id).length, 1);
  assert.deepEqual((await paidFor(id)).map((row) => row.status), ['paid']);
  assert.match(await step('repeat'), /replayed/);
});

test('what is not there, not enough, not shipped, not known and given up', async () => {
  let text = await begin({ version: '2026-04-17', want_clock: '2' });
  assert.match(text, /out of stock Only 1 of 'Ship's clock' are left/);
  text = await begin({ version: '2026-04-17', 'want_apron-l': '1' });
  assert.match(text, /'Linen apron, L' is out of stock/);
  text = await begin({ version: '2026-04-17', other: 'teapot' });
  assert.match(text, /Refused: 400 invalid_item_id The shop has no product 'teapot'\. \(\$\.line_items\[0\]\.id\)/);
  text = await begin({ version: '2026-04-17', want_blanket: '1' });
  assert.match(text, /Item discounts items_discount \$17\.50/); // on sale
  text = await step('address', { place: 'lima' });
  assert.match(text, /region restricted The shop does not ship to this address/);
  text = await step('address', { place: 'berlin' });
  assert.equal(status(text), 'ready for payment');
  assert.match(text, /Prices include tax/);
  text = await step('coupon', { code: 'NOTACODE' });
  assert.match(text, /discount code invalid The code 'NOTACODE' is not known/);
  text = await step('cancel', { reason: 'shipping_cost' });
  assert.equal(status(text), 'canceled');
  assert.match(text, /"reason_code": "shipping_cost"/);
  assert.doesNotMatch(text, /Steps Say where to/);
  assert.equal((await visitor.submit('/agent', '/agent/create', { version: '2026-04-17' })).status, 422); // nothing wanted
  assert.equal((await visitor.submit('/agent', '/agent/create', { version: '2020-01-01', want_mug: '1' })).status, 422);
});

test('a download alone needs no address', async () => {
  let text = await begin({ version: '2026-04-17', want_guide: '1' });
  assert.deepEqual([status(text), total(text)], ['ready for payment', '12.00']);
  assert.match(text, /Nothing to ship/);
  await step('token', { card: 'pm_card_visa' });
  text = await step('complete');
  assert.equal(status(text), 'completed');
});

test('the live quote: three cups for 10.00 when the shop is asked; slow or broken, the tables count and a warning says so', async () => {
  const way = (value) => visitor.submit('/admin/selling', '/admin/selling/quote', { way: value });
  const goods = async () => { const text = await begin({ version: '2026-04-17', want_cup: '3' }); return [/Subtotal subtotal \$([\d.]+)/.exec(text)[1], /price change The shop did not answer in time/.test(text)]; };
  assert.deepEqual(await goods(), ['12.00', false]);
  await way('on');
  assert.deepEqual(await goods(), ['10.00', false]);
  const text = await step('address', { place: 'san-francisco' });
  assert.equal(total(text), '15.78'); // 10.00 + 4.90 + 0.88
  await step('token', { card: 'pm_card_visa' });
  assert.equal(status(await step('complete')), 'completed');
  await way('broken');
  assert.deepEqual(await goods(), ['12.00', true]);
  await way('slow');
  assert.deepEqual(await goods(), ['12.00', true]);
  await way('off');
});

test('the last piece goes to whoever is first: the shop or the agent', async () => {
  const from = said.length;
  let text = await begin({ version: '2026-04-17', want_clock: '1' });
  await step('address', { place: 'portland' });
  await step('token', { card: 'pm_card_visa' });
  text = await step('complete');
  assert.equal(status(text), 'completed');
  await line(/notice order\.created/, from);
  assert.match((await visitor.go('/product/clock')).text, /Sold out/);
  assert.match(await begin({ version: '2026-04-17', want_clock: '1' }), /'Ship's clock' is out of stock/);
  await visitor.submit('/admin/selling', '/admin/selling/catalogue', { restock: 'yes' });
  assert.equal(status(await begin({ version: '2026-04-17', want_clock: '1' })), 'not ready for payment');
});

test('canceled by the shop: the money is back, and the agent hears it', async () => {
  const from = said.length;
  await begin({ version: '2026-04-17', want_mug: '1' });
  await step('address', { place: 'portland' });
  await step('token', { card: 'pm_card_visa' });
  const id = checkout(await step('complete'));
  await line(new RegExp(`the agent heard order_create of ${id}`), from);
  await visitor.go('/admin/orders');
  const [{ id: ord }] = await worker.d1('SELECT id FROM orders WHERE checkout_session = ?', id);
  await visitor.submit('/admin/orders', `/admin/orders/${ord}/cancel`);
  assert.deepEqual((await paidFor(id)).map((row) => [row.status, row.amount_refunded]), [['refunded', 2490]]);
  const [order] = await worker.d1('SELECT status FROM orders WHERE id = ?', ord);
  assert.equal(order.status, 'canceled');
  for (let heard = ''; !/"status": "canceled"/.test(heard);) {
    await line(/the agent heard order_update/, from);
    heard = await page();
  }
});

test('after the door was shut the key opens nothing', async () => {
  await begin({ version: '2026-04-17', want_mug: '1' });
  await visitor.submit('/admin/selling', '/admin/selling/stop');
  assert.match(await page(), /No agent may buy here yet/);
  assert.equal((await visitor.submit('/admin/selling', '/agent/address', { place: 'portland' })).status, 409);
  await visitor.submit('/admin/selling', '/admin/selling');
  assert.equal(status(await begin({ version: '2025-12-12', want_mug: '1' })), 'not ready for payment');
});

test('without the local Stripe the page says how to get a token, and takes one', async () => {
  const other = await startShop({ workerUrl: worker.url }); // as with keys of the real Stripe
  try {
    const person = browser(other.url);
    await person.go('/admin/connectivity');
    const ticket = (await person.submit('/admin/connectivity', '/admin/connect', { mode: 'test' })).location;
    const merchant = browserLike(worker);
    const consent = formOf((await merchant.go(ticket)).text);
    const posted = await merchant.go(new URL(consent.action, ticket), { method: consent.method, form: consent.fields });
    const account = await stripe.createAccount({ name: 'Harbour Lane too', country: 'US', charges_enabled: true, details_submitted: true });
    const { location } = await stripe.authorize({ authorizeUrl: posted.location, account: account.id });
    await person.go((await merchant.go(location)).location, { follow: true });
    await person.submit('/agent', '/agent/create', { version: '2026-04-17', want_mug: '1' });
    await person.submit('/agent', '/agent/address', { place: 'portland' });
    const { text } = await person.go('/agent');
    assert.match(text, /test_helpers\/shared_payment\/granted_tokens/);
    assert.ok(text.includes(`Stripe-Account: ${account.id}`) && text.includes('usage_limits[max_amount]=2490'));
    assert.equal((await person.submit('/agent', '/agent/token', { token: 'sk_test_x' })).status, 422);
    const token = await stripe.grantToken({ account: account.id, currency: 'usd', maxAmount: 2490 });
    await person.submit('/agent', '/agent/token', { token });
    await person.submit('/agent', '/agent/complete');
    const after = (await person.go('/agent')).text;
    assert.equal(status(plain(after)), 'completed');
    assert.ok(!after.includes(token) && !text.includes(token));
  } finally {
    await other.close();
  }
});

test('no page showed a key, a secret or a token, and each came with strict headers', async () => {
  assert.ok(seen.length > 100);
  for (const text of seen) assert.doesNotMatch(text, /\b(?:cca_[\w-]{8}|ccs_[\w-]{8}|whsec_[A-Za-z0-9+/]{8}|spt_\w{4})/); // In the middle of a signature it is chance.
  const { headers } = await visitor.go('/agent');
  assert.match(headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(headers.get('cache-control'), 'no-store');
});
