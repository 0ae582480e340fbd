// Contract, *Stripe's agentic commerce*: orders that agents make at Stripe, from Stripe's events to the shop's books.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { connectShop, registerShop } from '../support/shop.mjs';
import { FULFILLMENT } from '../support/agent.mjs';
import { noticesOf, ordersOf, purchaser, rowsOf, sellingShop, stockOf } from '../support/purchases.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, s;

before(async () => {
  stripe = await startStripe({ retryPauses: [10, 10] });
  w = await startWorker({ stripe });
  s = await sellingShop(w, stripe);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await s?.shop.close();
});

/** Another shop, for tests that count. */
async function another(t, fields = {}) {
  const made = await sellingShop(w, stripe, fields);
  t.after(() => made.shop.close());
  return made;
}

/** Another Worker with other variables, its own Stripe and a shop. */
async function apart(t, vars, fields) {
  const its = await startStripe({ retryPauses: [10, 10] });
  const own = await startWorker({ stripe: its, vars });
  const o = await sellingShop(own, its, fields);
  t.after(() => Promise.all([own.close(), its.close(), o.shop.close()]));
  return { own, its, o };
}

const transaction = async (id, shop = s.shop) => (await w.api('GET', `/v1/transactions/${id}`, { key: shop.key })).body;
const rowOf = async (session, of = w) => (await of.d1('SELECT * FROM transactions WHERE checkout_session = ?', session))[0];
/** What the shop is owed, but for its connection. */
const told = async (o) => (await noticesOf(w, o.shop)).filter((type) => type !== 'connection.active').sort();
const refund = (id, body, shop = s.shop, of = w, key = randomUUID()) => of.api('POST', `/v1/transactions/${id}/refunds`, { key: shop.key, body, idempotencyKey: key });
const callsTo = (route, since = 0) => stripe.requests.slice(since).filter((request) => request.route === route);
const SESSION = 'GET /v1/checkout/sessions/{session}';

describe('an order', () => {
  test('every row of the field table is in it, in one call to Stripe', async (t) => {
    const o = await another(t);
    const since = stripe.requests.length;
    const bought = await o.buy({
      skus: [{ sku: 'mug', quantity: 2 }, 'tea'], agent: { name: 'ChatGPT', id: 'agt_1' }, automaticTax: true, shipping: [{ display_name: 'Courier', amount: 700 }],
      name: 'Ada Buyer', shippingName: 'Grace Hopper', email: 'Ada@Buyer.example', phone: '+15555550100', billing: { line1: '9 Bank Street', city: 'Boston', state: 'MA', postal_code: '02101' },
    });
    assert.equal(bought.ok, true, bought.message);
    const [order] = await ordersOf(w, o.shop);
    const session = stripe.world.record('checkout.session', bought.session).object;
    const charge = stripe.charge(bought.session).object;
    assert.deepEqual(
      [order.object, order.order_date, order.amount_total, order.currency, order.agent, order.agent_details, order.receipt_number, order.livemode, order.checkout_session],
      ['order', charge.created, session.amount_total, 'usd', 'ChatGPT', { name: 'ChatGPT', id: 'agt_1' }, charge.receipt_number, false, bought.session],
    );
    const [mug, tea] = order.line_items;
    assert.deepEqual(
      [mug.sku, mug.description, mug.quantity, mug.unit_amount, mug.amount_subtotal, mug.amount_total, mug.amount_tax, mug.gtin, mug.mpn, mug.title],
      ['mug', 'A mug of clay.', 2, 1230, 2460, 2706, 246, '0012345678905', 'MUG-1', 'Mug'],
    );
    assert.deepEqual(mug.taxes, [{ amount: 246, type: 'sales_tax', rate: 10, inclusive: false }]);
    assert.deepEqual([tea.sku, tea.quantity, tea.unit_amount, tea.amount_total, tea.gtin], ['tea', 1, 400, 440, null]);
    assert.deepEqual([order.amount_subtotal, order.amount_shipping, order.amount_tax, order.amount_discount], [2860, 700, 356, 0]);
    assert.deepEqual(order.shipping_options.map(({ title, amount_subtotal }) => [title, amount_subtotal]), [['Courier', 700]]);
    assert.deepEqual(order.card, { brand: 'visa', last4: '4242', exp_month: 12, exp_year: 2034 });
    assert.deepEqual([order.buyer.email, order.buyer.name, order.buyer.phone], ['Ada@Buyer.example', 'Ada Buyer', '+15555550100']);
    assert.deepEqual([order.shipping_details.name, order.shipping_details.address.line1, order.shipping_details.address.line2], ['Grace Hopper', '354 Oyster Point Blvd', null]);
    assert.deepEqual([order.billing_details.name, order.billing_details.address.line1, order.billing_details.address.state], ['Ada Buyer', '9 Bank Street', 'MA']);

    const row = await transaction(order.transaction, o.shop);
    assert.deepEqual(
      [row.status, row.source, row.agent, row.amount, row.amount_subtotal, row.amount_tax, row.amount_shipping, row.amount_captured, row.charge_type, row.account, row.payment_intent, row.checkout_session],
      ['paid', 'agent', 'ChatGPT', 3916, 2860, 356, 700, 3916, 'direct', o.account, bought.payment_intent, bought.session],
    );
    assert.deepEqual([row.customer.email, row.shipping_details.name, row.billing_details.address.city], ['Ada@Buyer.example', 'Grace Hopper', 'Boston']);
    const parts = (list) => list.reduce((sum, { amount, amount_total }) => sum + (amount ?? amount_total), 0);
    assert.equal(parts(row.line_items) + parts(row.shipping) + parts(row.taxes) - parts(row.discounts), row.amount, 'the parts in the ledger sum up');

    const [call, ...more] = callsTo(SESSION, since);
    assert.equal(more.length <= 1, true, 'one call for each of the two events at most');
    assert.deepEqual(call.params.expand, ['line_items.data.price.product', 'line_items.data.taxes', 'payment_intent.latest_charge', 'shipping_cost.shipping_rate']);
    assert.deepEqual([call.headers['stripe-version'], call.headers['stripe-account']], ['2026-10-14.preview', o.account]);
  });

  test('the shop is told once of each, and where its notices agree with what is read', async (t) => {
    const heard = [];
    const o = await another(t, { webhook: (request, response) => { heard.push(JSON.parse(request.body)); response.writeHead(200).end(); } });
    await w.api('PATCH', '/v1/shop', { key: o.shop.key, body: { webhook_url: `${o.shop.origin}/notices` } });
    await o.buy();
    await w.scheduled();
    assert.deepEqual(heard.map(({ type }) => type).filter((type) => type !== 'connection.active').sort(), ['order.created', 'transaction.paid']);
    const created = heard.find(({ type }) => type === 'order.created').data.object;
    const [order] = await ordersOf(w, o.shop);
    assert.deepEqual(created, order);
    const paid = heard.find(({ type }) => type === 'transaction.paid').data.object;
    assert.deepEqual([paid.id, paid.status, paid.amount], [order.transaction, 'paid', order.amount_total]);
  });

  test('what it sold is gone from the stock, once', async (t) => {
    const o = await another(t);
    const before = await stockOf(w, o.shop, 'mug');
    await o.buy({ skus: [{ sku: 'mug', quantity: 3 }, 'tea'], events: { order: 'shuffled', copies: 3 } });
    assert.equal(await stockOf(w, o.shop, 'mug'), before - 3);
    assert.deepEqual(await w.d1('SELECT holder FROM stock_holds WHERE shop_id = ?', o.shop.id), []);
  });

  test('what a hook held for its session is taken, not taken twice', async (t) => {
    const o = await another(t);
    const before = await stockOf(w, o.shop, 'mug');
    stripe.webhooks.pause();
    const bought = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }] });
    await w.d1('INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES (?, ?, ?, ?, ?)', bought.session, o.shop.id, 'mug', 2, 4_000_000_000);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal(await stockOf(w, o.shop, 'mug'), before - 2);
    assert.deepEqual(await w.d1('SELECT holder FROM stock_holds WHERE shop_id = ?', o.shop.id), []);
  });

  test('more than there is leaves nothing, and no debt', async (t) => {
    const o = await another(t);
    await o.buy({ skus: [{ sku: 'last', quantity: 4 }], checkStock: false });
    assert.equal(await stockOf(w, o.shop, 'last'), 0);
    assert.equal((await ordersOf(w, o.shop)).length, 1);
  });

  test('more lines than come with the session are fetched too', async (t) => {
    const o = await another(t);
    await stripe.setCatalogue(o.account, Object.fromEntries(Array.from({ length: 23 }, (_, n) => [`sku-${n}`, { title: `No ${n}`, price: { unit_amount: 100 + n, currency: 'usd' } }])));
    const bought = await o.buy({ skus: Array.from({ length: 23 }, (_, n) => `sku-${n}`), automaticTax: true });
    assert.equal(bought.ok, true, bought.message);
    const [order] = await ordersOf(w, o.shop);
    assert.deepEqual(order.line_items.map(({ sku }) => sku), Array.from({ length: 23 }, (_, n) => `sku-${n}`));
    assert.ok(order.line_items.every(({ taxes, description, title }) => taxes.length === 1 && (description ?? title)));
  });

  test('an agent that Stripe does not name, or names strangely, is no reason to lose it', async (t) => {
    const o = await another(t);
    for (const [agent, name] of [[{ id: 'x' }, null], [{ name: '' }, null], [{ name: 7 }, null], [{ name: `=${'a'.repeat(100)}\u0007` }, `=${'a'.repeat(63)}`]]) {
      const bought = await o.buy({ agent });
      assert.equal((await rowOf(bought.session)).agent, name, JSON.stringify(agent));
    }
    const csv = await w.api('GET', '/v1/transactions.csv', { key: o.shop.key });
    assert.match(csv.text, /'=aaaa/, 'a name that a spreadsheet would run is defused');
  });

  test('the order is on its page for whoever has the buyer\'s e-mail', async (t) => {
    const o = await another(t);
    await o.buy({ email: 'Mixed@Case.example' });
    const [order] = await ordersOf(w, o.shop);
    const show = (email) => w.fetch(`/orders/${order.id}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ email }) });
    const page = await show('mixed@case.EXAMPLE');
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Mug/);
    assert.equal((await show('else@where.example')).status, 404);
  });

  test('the shop\'s own id and its deliveries are taken as with any order', async (t) => {
    const o = await another(t);
    await o.buy();
    const [order] = await ordersOf(w, o.shop);
    const changed = await w.api('PATCH', `/v1/orders/${order.id}`, { key: o.shop.key, body: { order_id: '1001', status: 'shipped', fulfillments: [{ type: 'shipping', status: 'shipped', tracking_number: 'T1', line_items: [{ id: 'mug' }] }] } });
    assert.equal(changed.status, 200, changed.text);
    assert.deepEqual([changed.body.order_id, changed.body.status], ['1001', 'shipped']);
    assert.equal((await transaction(order.transaction, o.shop)).order_id, '1001');
  });

  test('it is not a page to come home to', async () => {
    const bought = await s.buy();
    const row = await rowOf(bought.session);
    assert.equal((await w.fetch(`/checkout/complete?session_id=${bought.session}`)).status, 404);
    assert.equal((await w.fetch(`/checkout/complete/${row.id}?session_id=${bought.session}`)).status, 404);
  });
});

describe('events', () => {
  for (const order of ['made', 'reversed', 'shuffled']) {
    test(`once, whatever the order and number of events: ${order}`, async (t) => {
      const o = await another(t);
      await o.buy({ events: { order, copies: 2, seed: 5 } });
      const rows = await rowsOf(w, o.shop);
      assert.deepEqual(rows.map(({ status }) => status), ['paid']);
      assert.deepEqual(await told(o), ['order.created', 'transaction.paid']);
      assert.equal((await ordersOf(w, o.shop)).length, 1);
    });
  }

  test('all of them at the same moment', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    await o.buy({ skus: [{ sku: 'mug', quantity: 2 }] });
    const before = await stockOf(w, o.shop, 'mug');
    // Every call to Stripe waits until all are there: none of them can know of the other.
    const events = stripe.books().events.filter(({ account, type }) => account === o.account && ['checkout.session.completed', 'payment_intent.succeeded'].includes(type));
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    stripe.misbehave({ on: SESSION, how: 'hold_after', times: 4 });
    const sent = Promise.all(events.flatMap((event) => [stripe.send(event), stripe.send(event)]));
    await stripe.holding(4);
    stripe.release();
    assert.deepEqual((await sent).flat(), [200, 200, 200, 200]);
    stripe.clearMisbehaviour();
    assert.deepEqual((await rowsOf(w, o.shop)).map(({ status }) => status), ['paid']);
    assert.deepEqual(await told(o), ['order.created', 'transaction.paid']);
    assert.equal(await stockOf(w, o.shop, 'mug'), before - 2);
  });

  test('the payment\'s event alone is enough, and so is the session\'s', async (t) => {
    for (const lost of ['checkout.session.completed', 'payment_intent.succeeded']) {
      const o = await another(t);
      stripe.misdeliver({ on: lost, how: 'lose' });
      const bought = await o.buy();
      assert.equal((await rowOf(bought.session))?.status, 'paid', `without ${lost}`);
      assert.equal((await ordersOf(w, o.shop)).length, 1, `without ${lost}`);
      stripe.clearMisbehaviour();
    }
  });

  test('thin ones too', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy();
    const events = stripe.books().events.filter(({ account, type }) => account === o.account && ['checkout.session.completed', 'payment_intent.succeeded'].includes(type));
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    for (const event of events) assert.deepEqual(await stripe.send(event.id, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect, thin: true }), [200]);
    assert.equal((await rowOf(bought.session)).status, 'paid');
    assert.equal((await ordersOf(w, o.shop)).length, 1);
  });

  for (const [route, how] of [[SESSION, '500'], [SESSION, 'drop_before'], [SESSION, 'drop_after'], ['GET /v1/checkout/sessions', 'drop_before']]) {
    test(`Stripe is away when it is asked (${route.split('/').at(-1)}, ${how}): the event is not acknowledged, and comes again`, async (t) => {
      const o = await another(t);
      stripe.misbehave({ on: route, how, times: 1 });
      const bought = await o.buy({ events: undefined });
      stripe.clearMisbehaviour();
      assert.equal((await rowOf(bought.session)).status, 'paid');
      assert.equal((await ordersOf(w, o.shop)).length, 1);
      assert.deepEqual((await noticesOf(w, o.shop)).filter((type) => type.startsWith('order')), ['order.created']);
    });
  }

  test('previews closed to the platform: what was approved is an order all the same, without what only they tell', async (t) => {
    const o = await another(t);
    const before = await stockOf(w, o.shop, 'mug');
    stripe.webhooks.pause();
    const bought = await o.buy();
    await approve(o, bought.session);
    // The hook named the pieces that the session does not.
    await w.d1('INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES (?, ?, ?, ?, ?)', bought.session, o.shop.id, 'mug', 1, 4_000_000_000);
    stripe.closePreviews();
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    stripe.closePreviews(false);
    const [order] = await ordersOf(w, o.shop);
    assert.deepEqual([order.amount_total, order.agent, order.line_items[0].sku, order.line_items[0].title], [bought.amount_total, null, null, 'Mug']);
    assert.ok(w.logs().lines.some((line) => line.event === 'preview_refused'));
    assert.deepEqual([await stockOf(w, o.shop, 'mug'), await w.d1('SELECT * FROM stock_holds WHERE shop_id = ?', o.shop.id)], [before - 1, []], 'what was paid is gone from the stock, once');
  });

  test('previews closed, and no hook that approved it: nobody can tell whose it is, and the log says so', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy();
    stripe.closePreviews();
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    stripe.closePreviews(false);
    assert.deepEqual(await ordersOf(w, o.shop), []);
    await w.logLine((line) => line.event === 'agent_order_unfit' && line.session === bought.session && line.why === 'preview_refused');
  });

  test('a debit that takes its time: processing, then paid, and only then an order', async (t) => {
    const o = await another(t);
    const before = await stockOf(w, o.shop, 'mug');
    const bought = await o.buy({ card: 'bank_debit_succeeds' });
    assert.deepEqual((await rowsOf(w, o.shop)).map(({ status }) => status), ['processing']);
    assert.deepEqual([await ordersOf(w, o.shop), await stockOf(w, o.shop, 'mug')], [[], before]);
    assert.deepEqual(await w.d1('SELECT quantity FROM stock_holds WHERE shop_id = ?', o.shop.id), [{ quantity: 1 }]);
    assert.deepEqual(await told(o), ['transaction.processing']);
    await stripe.settle(bought.session, 'succeed');
    await stripe.webhooks.drained();
    const [row] = await rowsOf(w, o.shop);
    assert.deepEqual([row.status, row.amount_captured], ['paid', bought.amount_total]);
    assert.deepEqual(await told(o), ['order.created', 'transaction.paid', 'transaction.processing']);
    assert.equal((await ordersOf(w, o.shop))[0].transaction, row.id);
    assert.equal(await stockOf(w, o.shop, 'mug'), before - 1);
  });

  test('a debit that comes back is a failed transaction and no order', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ card: 'bank_debit_fails' });
    const [hold] = await w.d1('SELECT holder, quantity, expires_at FROM stock_holds WHERE shop_id = ?', o.shop.id);
    assert.deepEqual([hold.holder, hold.quantity], [bought.session, 1]);
    assert.ok(hold.expires_at > Date.now() / 1000 + 13 * 24 * 3600, 'held until the bank has said its word');
    await stripe.settle(bought.session, 'fail');
    await stripe.webhooks.drained();
    assert.deepEqual((await rowsOf(w, o.shop)).map(({ status }) => status), ['failed']);
    assert.deepEqual(await ordersOf(w, o.shop), []);
    assert.deepEqual(await told(o), ['transaction.failed', 'transaction.processing']);
    assert.deepEqual(await w.d1('SELECT holder FROM stock_holds WHERE shop_id = ?', o.shop.id), [], 'what a hook held is free again');
  });

  test('a declined card leaves no trace', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ card: '4000000000000002' });
    assert.deepEqual([bought.ok, bought.code], [false, 'card_declined']);
    assert.deepEqual(await rowsOf(w, o.shop), []);
  });
});

describe('whose it is', () => {
  test('a connected account\'s own business leaves no trace', async (t) => {
    const o = await another(t);
    const counts = () => w.d1('SELECT (SELECT count(*) FROM transactions) AS t, (SELECT count(*) FROM stripe_events) AS e, (SELECT count(*) FROM strays) AS s, (SELECT count(*) FROM orders) AS o');
    const before = await counts();
    await o.buy({ agent: null });
    assert.deepEqual(await counts(), before);
    w.clearLogs();
    await o.buy({ agent: null });
    await w.logLine((line) => line.event === 'stripe_event' && line.type === 'checkout.session.completed' && line.outcome === 'not_ours');
  });

  test('a shop that never switched it on, or off again, has no orders, and Stripe is not asked', async (t) => {
    const never = await another(t, { on: false });
    const off = await another(t, { rules: { enabled: false } });
    for (const o of [never, off]) {
      const since = stripe.requests.length;
      await o.buy();
      assert.deepEqual(await rowsOf(w, o.shop), []);
      if (o === off) assert.ok(w.logs().lines.some((line) => line.event === 'agent_order_unfit' && line.account === o.account && line.why === 'disabled'));
      if (o === never) assert.deepEqual(stripe.requests.slice(since).map(({ route }) => route), []);
    }
  });

  test('what our hook approved counts though Stripe does not name the agent', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy({ agent: null });
    await approve(o, bought.session);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    const row = await rowOf(bought.session);
    assert.deepEqual([row.status, row.source, row.agent], ['paid', 'agent', null]);
    assert.equal((await ordersOf(w, o.shop))[0].agent, null);
  });

  test('an approval for one shop is none for another', async (t) => {
    const [o, other] = [await another(t), await another(t)];
    stripe.webhooks.pause();
    const bought = await o.buy({ agent: null });
    await approve(other, bought.session);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.deepEqual([await rowsOf(w, o.shop), await rowsOf(w, other.shop)], [[], []]);
  });

  test('the mode decides: test events never make live orders', async (t) => {
    const o = await another(t); // switched on in test mode
    await connectShop(w, stripe, o.shop, { mode: 'live', account: o.account });
    await purchaser(stripe, o.account, true)();
    assert.deepEqual(await rowsOf(w, o.shop), []);
    await o.buy();
    assert.deepEqual((await rowsOf(w, o.shop)).map(({ livemode }) => livemode), [0]);
  });

  test('an event whose account is another\'s finds nothing there', async (t) => {
    const [o, other] = [await another(t), await another(t)];
    stripe.webhooks.pause();
    const bought = await o.buy();
    const events = stripe.books().events.filter(({ account, type }) => account === o.account && ['checkout.session.completed', 'payment_intent.succeeded'].includes(type));
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    for (const event of events) await stripe.send({ ...event, id: `${event.id}x`, account: other.account, context: other.account }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
    assert.deepEqual([await rowsOf(w, o.shop), await rowsOf(w, other.shop), await rowOf(bought.session)], [[], [], undefined]);
  });

  test('a session that says another sum than its payment is not taken', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy();
    stripe.patch(bought.session, { amount_total: 1 });
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.deepEqual(await rowsOf(w, o.shop), []);
    assert.ok(w.logs().lines.some((line) => line.event === 'agent_order_unfit' && line.session === bought.session && line.why === 'amount'));
  });

  test('one that was taken in is compared with later events: another sum is a stray and moves nothing', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ card: 'bank_debit_succeeds' });
    stripe.patch(bought.payment_intent, { amount: 5 });
    await stripe.settle(bought.session, 'succeed');
    await stripe.webhooks.drained();
    const row = await rowOf(bought.session);
    assert.equal(row.status, 'processing');
    const strays = await w.d1('SELECT reason FROM strays WHERE transaction_id = ?', row.id);
    assert.ok(strays.some(({ reason }) => reason === 'amount'), JSON.stringify(strays));
  });

  test('no key of another shop\'s sees any of it', async (t) => {
    const o = await another(t);
    await o.buy();
    const [order] = await ordersOf(w, o.shop);
    for (const [method, path, body] of [
      ['GET', `/v1/orders/${order.id}`], ['PATCH', `/v1/orders/${order.id}`, { order_id: 'x' }], ['GET', `/v1/transactions/${order.transaction}`],
      ['POST', `/v1/transactions/${order.transaction}/refunds`, {}], ['POST', `/v1/transactions/${order.transaction}/capture`, {}], ['GET', `/v1/checkout/sessions/${order.checkout_session}`],
    ]) {
      const answer = await w.api(method, path, { key: s.shop.key, body, idempotencyKey: randomUUID() });
      assert.equal(answer.status, 404, `${method} ${path}: ${answer.text}`);
    }
  });

  test('a deleted shop\'s buyers stay unknown, whatever is told later', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ card: 'bank_debit_succeeds' });
    await w.api('DELETE', '/v1/shop', { key: o.shop.key });
    await w.scheduled();
    await stripe.settle(bought.session, 'succeed');
    await stripe.webhooks.drained();
    await w.scheduled();
    const row = await rowOf(bought.session);
    assert.deepEqual([row.customer, row.shipping_details, row.billing_details], [null, null, null]);
    assert.deepEqual(await w.d1('SELECT id FROM orders WHERE shop_id = ?', o.shop.id), []);
    assert.doesNotMatch(JSON.stringify(row), /Mug/);
  });
});

/** As the order approval hook leaves it behind. */
const approve = (o, session, created = Math.floor(Date.now() / 1000)) => w.d1(
  "INSERT INTO agentic_hooks (id, shop_id, livemode, type, checkout_session, approved, fingerprint, answer, created) VALUES (?, ?, 0, 'v1.delegated_checkout.finalize_checkout', ?, 1, '', '{}', ?)",
  `hook_${randomUUID()}`, o.shop.id, session, created,
);
const askAt = async (session) => (await w.d1('SELECT ask_at FROM agentic_hooks WHERE checkout_session = ?', session))[0].ask_at;

describe('the sweep', () => {
  test('all events lost: what was approved is asked about, and becomes an order', async (t) => {
    const o = await another(t);
    const before = await stockOf(w, o.shop, 'mug');
    const bought = await o.buy({ agent: null, events: 'lost' });
    const now = Math.floor(Date.now() / 1000);
    await approve(o, bought.session, now - 60);
    await w.scheduled();
    assert.equal(await rowOf(bought.session), undefined, 'events are waited for first');
    await w.d1('UPDATE agentic_hooks SET created = ? WHERE checkout_session = ?', now - 200, bought.session);
    await w.scheduled();
    const row = await rowOf(bought.session);
    assert.deepEqual([row.status, row.shop_id], ['paid', o.shop.id]);
    assert.equal((await ordersOf(w, o.shop)).length, 1);
    assert.equal(await stockOf(w, o.shop, 'mug'), before - 1);
    assert.equal(await askAt(bought.session), null);
    const since = stripe.requests.length;
    await w.scheduled();
    assert.deepEqual(callsTo(SESSION, since), [], 'and is not asked about again');
  });

  test('what an event told is not asked about', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy({ agent: null });
    await approve(o, bought.session, Math.floor(Date.now() / 1000) - 200);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal(await askAt(bought.session), null);
  });

  test('a session that nobody paid is asked about later and later, an expired one no more, and its stock is free', async (t) => {
    const o = await another(t);
    const now = Math.floor(Date.now() / 1000);
    const bought = await o.buy({ card: '4000000000000002' });
    await approve(o, bought.session, now - 300);
    await w.d1('INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES (?, ?, ?, ?, ?)', bought.session, o.shop.id, 'mug', 1, 4_000_000_000);
    await w.scheduled();
    assert.ok(await askAt(bought.session) >= now + 590);
    await stripe.expire(bought.session);
    await w.d1('UPDATE agentic_hooks SET ask_at = 1 WHERE checkout_session = ?', bought.session);
    await w.scheduled();
    assert.equal(await askAt(bought.session), null);
    assert.deepEqual(await w.d1('SELECT holder FROM stock_holds WHERE holder = ?', bought.session), []);
  });

  test('beyond a session\'s life nobody asks any more; trouble at Stripe is not an answer', async (t) => {
    const o = await another(t);
    const now = Math.floor(Date.now() / 1000);
    const bought = await o.buy({ agent: null, events: 'lost' });
    await approve(o, bought.session, now - 300);
    stripe.misbehave({ on: SESSION, how: '500', times: 5 });
    await w.scheduled();
    stripe.clearMisbehaviour();
    assert.equal(await rowOf(bought.session), undefined);
    assert.ok(await askAt(bought.session) > now);
    await w.d1('UPDATE agentic_hooks SET created = ?, ask_at = 1, checkout_session = ? WHERE checkout_session = ?', now - 30 * 3600, 'cs_test_nowhere', bought.session);
    await w.scheduled();
    assert.equal(await askAt('cs_test_nowhere'), null);
  });

  test('a refund that was made before anybody here knew of the order is found', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy();
    await stripe.refund(bought.session, { amount: 300 });
    await stripe.webhooks.deliver({ order: 'reversed' });
    await stripe.webhooks.drained();
    await w.scheduled();
    const row = await rowOf(bought.session);
    assert.deepEqual([row.status, row.amount_refunded], ['partially_refunded', 300]);
    assert.equal((await ordersOf(w, o.shop))[0].amount_refunded, 300);
  });
});

describe('money', () => {
  test('a destination charge: no account is named, the platform\'s session, and the shop that is paid', async (t) => {
    const { own, its, o } = await apart(t, { CHARGE_TYPE: 'destination' });
    const since = its.requests.length;
    const bought = await o.buy({ chargeType: 'destination' });
    const row = await rowOf(bought.session, own);
    assert.deepEqual([row.status, row.charge_type, row.account, row.shop_id], ['paid', 'destination', o.account, o.shop.id]);
    assert.ok(its.requests.slice(since).every(({ account }) => account === null), 'no Stripe-Account');
    const answer = await refund(row.id, { amount: 400 }, o.shop, own);
    assert.equal(answer.status, 201, answer.text);
    assert.equal(its.payments().find(({ payment_intent }) => payment_intent === bought.payment_intent).transfer_reversed, 400);
    assert.deepEqual([(await ordersOf(own, o.shop))[0].amount_refunded], [400]);
  });

  test('a destination charge by the session\'s event alone, and one for an account that sells nothing here', async (t) => {
    const { own, its, o } = await apart(t, {});
    its.misdeliver({ on: 'payment_intent.succeeded', how: 'lose' });
    const bought = await o.buy({ chargeType: 'destination' });
    assert.equal((await rowOf(bought.session, own)).charge_type, 'destination');
    const shop = await registerShop(own);
    t.after(() => shop.close());
    const { account } = await connectShop(own, its, shop);
    await its.setCatalogue(account, { mug: { price: { unit_amount: 100, currency: 'usd' } } });
    await purchaser(its, account)({ chargeType: 'destination' });
    assert.deepEqual(await rowsOf(own, shop), []);
  });

  test('the fee of the hook\'s answer is in the ledger, and goes back in proportion', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }] });
    // As the approval's application_fee_details make it.
    stripe.world.record('payment_intent', bought.payment_intent).object.application_fee_amount = 246;
    const charge = stripe.charge(bought.session);
    charge.object.application_fee_amount = 246;
    const fee = stripe.world.add('application_fee', { id: 'fee_1test', object: 'application_fee', account: o.account, amount: 246, amount_refunded: 0, application: 'ca_x', charge: charge.object.id, currency: 'usd', livemode: false, refunded: false, refunds: { object: 'list', data: [], has_more: false, url: '' } }, { owner: stripe.keys.platform, livemode: false });
    charge.object.application_fee = fee.object.id;
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    const row = await rowOf(bought.session);
    assert.equal(row.application_fee_amount, 246);
    const half = Math.floor(row.amount / 2);
    const answer = await refund(row.id, { amount: half }, o.shop);
    assert.equal(answer.status, 201, answer.text);
    await stripe.webhooks.drained();
    const after = await transaction(row.id, o.shop);
    assert.deepEqual([after.status, after.amount_refunded, after.application_fee_refunded], ['partially_refunded', half, 123]);
    assert.equal(fee.object.amount_refunded, 123, 'at Stripe too');
    const summary = await w.api('GET', '/v1/transactions/summary?group_by=agent', { key: o.shop.key });
    assert.deepEqual(summary.body.data.map(({ group, count, gross, refunded, fees }) => [group, count, gross, refunded, fees]), [['ChatGPT', 1, row.amount, half, 123]]);
    const [order] = await ordersOf(w, o.shop);
    assert.deepEqual([order.amount_refunded, order.adjustments.map(({ type, amount, status }) => [type, amount, status])], [half, [['refund', half, 'completed']]]);
  });

  test('refunds of the Dashboard, disputes: row and order follow', async (t) => {
    const o = await another(t);
    const bought = await o.buy();
    await stripe.refund(bought.session, { amount: 230 });
    const dispute = await stripe.dispute(bought.session);
    await stripe.webhooks.drained();
    let [order] = await ordersOf(w, o.shop);
    const adjusted = () => Object.fromEntries(order.adjustments.map(({ type, status }) => [type, status]));
    assert.deepEqual(adjusted(), { refund: 'completed', dispute: 'pending' });
    assert.equal((await rowOf(bought.session)).status, 'disputed');
    await stripe.moveDispute(dispute.id, 'won');
    await stripe.webhooks.drained();
    [order] = await ordersOf(w, o.shop);
    assert.deepEqual([adjusted(), (await rowOf(bought.session)).status], [{ refund: 'completed', dispute: 'failed' }, 'partially_refunded']);
  });

  test('a dispute that is the first thing to be heard of finds its order', async (t) => {
    const o = await another(t);
    stripe.webhooks.pause();
    const bought = await o.buy();
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    await stripe.dispute(bought.session);
    await stripe.webhooks.drained();
    const row = await rowOf(bought.session);
    assert.equal(row?.status, 'disputed');
    assert.equal((await ordersOf(w, o.shop)).length, 1);
  });

  test('captured by hand: authorized, no order; captured by the API it is one', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }], capture: 'manual' });
    const [row] = await rowsOf(w, o.shop);
    assert.deepEqual([row.status, row.capture, row.amount_capturable], ['authorized', 'manual', bought.amount_total]);
    assert.deepEqual([await ordersOf(w, o.shop), await told(o)], [[], ['transaction.authorized']]);
    stripe.webhooks.pause();
    const answer = await w.api('POST', `/v1/transactions/${row.id}/capture`, { key: o.shop.key, body: { amount: 2000 }, idempotencyKey: randomUUID() });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual([answer.body.status, answer.body.amount_captured], ['paid', 2000]);
    const [order] = await ordersOf(w, o.shop);
    assert.deepEqual([order.transaction, order.amount_total], [row.id, bought.amount_total]);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.deepEqual(await told(o), ['order.created', 'transaction.authorized', 'transaction.paid']);
    assert.equal((await ordersOf(w, o.shop)).length, 1);
  });

  for (const how of ['drop_after', '500']) {
    test(`Stripe is lost between capture and order (${how}): the same key finishes it`, async (t) => {
      const o = await another(t);
      await o.buy({ capture: 'manual' });
      const [row] = await rowsOf(w, o.shop);
      stripe.webhooks.pause();
      stripe.misbehave({ on: SESSION, how, times: 5 });
      const key = randomUUID();
      const ask = () => w.api('POST', `/v1/transactions/${row.id}/capture`, { key: o.shop.key, body: {}, idempotencyKey: key });
      assert.equal((await ask()).status, 503);
      stripe.clearMisbehaviour();
      const answer = await ask();
      assert.deepEqual([answer.status, answer.body.status], [200, 'paid'], answer.text);
      stripe.webhooks.resume();
      await stripe.webhooks.drained();
      assert.equal((await ordersOf(w, o.shop)).length, 1);
    });
  }

  test('captured in the Dashboard; released in the Dashboard', async (t) => {
    const o = await another(t);
    const bought = await o.buy({ capture: 'manual' });
    await stripe.capture(bought.session);
    await stripe.webhooks.drained();
    assert.equal((await rowOf(bought.session)).status, 'paid');
    assert.equal((await ordersOf(w, o.shop)).length, 1);
    const other = await o.buy({ capture: 'manual' });
    await stripe.cancelPayment(other.session);
    await stripe.webhooks.drained();
    assert.equal((await rowOf(other.session)).status, 'canceled');
    assert.equal((await ordersOf(w, o.shop)).length, 1);
  });

  test('through the hooks: delivery and taxes of the shop, the platform\'s fee, an order that Stripe names no agent of; half of it goes back', async (t) => {
    const { own, its, o } = await apart(t, { FEE_BPS: '250', FEE_FIXED: 'usd=30' }, { fulfillment: FULFILLMENT });
    const before = await stockOf(own, o.shop, 'mug');
    const bought = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }], agent: null, hooks: undefined, shippingOption: 'Express' });
    assert.equal(bought.ok, true, JSON.stringify(bought, null, 1));
    assert.deepEqual(bought.hooks.map(({ type, status }) => [type, status]), [['v1.delegated_checkout.customize_checkout', 200], ['v1.delegated_checkout.finalize_checkout', 200]]);
    // 24.60, Express 15.00, 8.75 % on the goods.
    const tax = Math.round(2460 * 0.0875);
    const row = await rowOf(bought.session, own);
    assert.deepEqual([row.status, row.agent, row.amount, row.amount_subtotal, row.amount_shipping, row.amount_tax], ['paid', null, 2460 + 1500 + tax, 2460, 1500, tax]);
    const fee = Math.floor((row.amount * 250) / 10_000) + 30;
    assert.deepEqual([row.application_fee_amount, its.payments()[0].application_fee_amount], [fee, fee]);
    const [order] = await ordersOf(own, o.shop);
    assert.deepEqual(order.line_items[0].taxes, [{ amount: tax, type: 'sales_tax', rate: 8.75, inclusive: false }]);
    assert.equal(order.shipping_options[0].title, 'Express');
    assert.equal(await stockOf(own, o.shop, 'mug'), before - 2);
    assert.deepEqual(await own.d1('SELECT holder FROM stock_holds'), []);
    assert.deepEqual(await own.d1('SELECT ask_at FROM agentic_hooks WHERE approved = 1'), [{ ask_at: null }]);
    const half = Math.floor(row.amount / 2);
    const answer = await refund(row.id, { amount: half }, o.shop, own);
    assert.equal(answer.status, 201, answer.text);
    await its.webhooks.drained();
    const [payment] = its.payments();
    const after = (await own.d1('SELECT application_fee_refunded AS n FROM transactions'))[0].n;
    assert.deepEqual([payment.amount_refunded, payment.application_fee_refunded], [half, after]);
    assert.ok(Math.abs(after - (fee * half) / row.amount) < 1, `${after} of ${fee}`);
  });

  test('through the hooks: what the shop does not sell is declined, and nothing is charged', async (t) => {
    const { own, its, o } = await apart(t, {}, { fulfillment: FULFILLMENT, rules: { approve: { blocked_skus: ['tea'] } } });
    for (const [more, reason] of [[{ sku: 'tea' }, 'sku_blocked'], [{ sku: 'last', quantity: 2, checkStock: false }, 'out_of_stock']]) {
      const bought = await o.buy({ hooks: undefined, ...more });
      assert.deepEqual([bought.ok, bought.code], [false, 'order_declined'], JSON.stringify(bought));
      assert.equal(typeof bought.message, 'string', reason);
    }
    assert.deepEqual([its.payments(), await rowsOf(own, o.shop)], [[], []]);
  });

  test('through the hooks, as destination charges are made, and every spelling of the question', async (t) => {
    const { own, o } = await apart(t, { FEE_BPS: '100', CHARGE_TYPE: 'destination' }, { fulfillment: FULFILLMENT });
    for (const [spelling, envelope, skuIds] of [['line_items_details', 'data', true], ['line_item_details', 'object', true], ['both', 'data', false], ['line_items_details', 'object', false]]) {
      const bought = await o.buy({ hooks: undefined, chargeType: 'destination', spelling, envelope, skuIds });
      assert.equal(bought.ok, true, `${spelling} ${envelope} ${skuIds}: ${JSON.stringify(bought.hooks.at(-1))}`);
      const row = await rowOf(bought.session, own);
      assert.deepEqual([row.status, row.charge_type, row.application_fee_amount], ['paid', 'destination', Math.floor(row.amount / 100)]);
    }
    assert.equal((await ordersOf(own, o.shop)).length, 4);
  });

  test('Stripe Tax: a session of the shop\'s own carries the tax code of each line; of an agent\'s order subtotal, tax and total are Stripe\'s', async (t) => {
    const o = await another(t);
    assert.equal((await w.api('PATCH', '/v1/shop', { key: o.shop.key, body: { automatic_tax: true } })).status, 200);
    const items = [['txcd_99999999', 1000], ['txcd_10000000', 500]].map(([tax_code, amount_total], n) => ({ product_id: `p${n}`, name: `P ${n}`, quantity: 1, amount_total, tax_code }));
    const made = await w.api('POST', '/v1/checkout/sessions', {
      key: o.shop.key, idempotencyKey: randomUUID(),
      body: { source: 'chat', cart: { id: 'c1', currency: 'usd', items, total: 1500 }, success_url: `${o.shop.origin}/ok`, cancel_url: `${o.shop.origin}/no` },
    });
    assert.equal(made.status, 201, made.text);
    const { params } = stripe.requests.findLast(({ route }) => route === 'POST /v1/checkout/sessions');
    assert.equal(params.automatic_tax.enabled, 'true');
    assert.deepEqual(params.line_items.map(({ price_data: { tax_behavior, product_data } }) => [tax_behavior, product_data.tax_code]), [['exclusive', 'txcd_99999999'], ['exclusive', 'txcd_10000000']]);
    await stripe.pay(made.body.id);
    await stripe.webhooks.drained();
    const own = await transaction(made.body.transaction, o.shop);
    assert.deepEqual([own.status, own.amount_subtotal, own.amount_tax, own.amount], ['paid', 1500, 150, 1650]);
    const bought = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }], automaticTax: true });
    const agents = await transaction((await rowOf(bought.session)).id, o.shop);
    assert.deepEqual([agents.status, agents.amount_subtotal, agents.amount_tax, agents.amount], ['paid', 2460, 246, 2706]);
  });

  test('the export has it all', async (t) => {
    const o = await another(t);
    await o.buy();
    const whole = JSON.parse((await w.api('GET', '/v1/shop/export', { key: o.shop.key })).text);
    assert.equal(JSON.stringify(whole).includes('"A mug of clay."'), true);
    assert.equal(whole.transactions.length, 1);
  });
});
