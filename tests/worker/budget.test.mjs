// What a journey may cost (design, "Budget per journey"): counted by the Worker itself, said in its log.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, payBody, sellToAgents, speaker } from '../support/agent.mjs';
import { cartData, hookOf, orderData, sendHook } from '../support/hooks.mjs';
import { chatBody, connectShop, createSession, registerShop, sendCatalogue } from '../support/shop.mjs';
import { sellingShop } from '../support/purchases.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, account;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});

after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

/** What one request took, by its own line in the log. */
async function cost(answer, status) {
  assert.equal(answer.status, status);
  const { d1, stripe: calls } = await w.logLine((line) => line.event === 'request' && line.request_id === answer.headers.get('request-id'));
  return { d1, stripe: calls };
}

describe('round trips to D1, calls to Stripe', () => {
  const create = (idempotencyKey, body = chatBody(shop)) => w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey, body });

  test('creating a session: 3 + 1', async () => {
    assert.deepEqual(await cost(await create('one'), 201), { d1: 3, stripe: 1 });
    assert.deepEqual(await cost(await create('two', chatBody(shop, { cart: { order_id: '7' } })), 201), { d1: 3, stripe: 1 });
  });

  test('the same key again: 1 + 0', async () => {
    assert.deepEqual(await cost(await create('one'), 201), { d1: 1, stripe: 0 });
  });

  test('a body that is refused: 1 + 0', async () => {
    assert.deepEqual(await cost(await create('bad', { source: 'chat' }), 400), { d1: 1, stripe: 0 });
  });

  test('completing: 2 + 1; reloading: 1 + 0', async () => {
    const session = await createSession(w, shop);
    stripe.webhooks.pause();
    const { location } = await stripe.pay(session.id);
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    assert.deepEqual(await cost(await w.fetch(location), 303), { d1: 2, stripe: 1 });
    assert.deepEqual(await cost(await w.fetch(location), 303), { d1: 1, stripe: 0 });
  });

  test('canceling: 1 + 0', async () => {
    const session = await createSession(w, shop);
    assert.deepEqual(await cost(await w.fetch(`/checkout/cancel/${session.transaction}`), 303), { d1: 1, stripe: 0 });
  });

  test('webhooks: at most 2 + 0', async () => {
    const session = await createSession(w, shop);
    w.clearLogs();
    await stripe.pay(session.id);
    await stripe.webhooks.drained();
    const applied = await w.logLine((line) => line.event === 'stripe_event' && line.type === 'checkout.session.completed');
    const settled = await w.logLine((line) => line.event === 'request' && line.request_id === applied.request_id);
    assert.deepEqual({ d1: settled.d1, stripe: settled.stripe }, { d1: 2, stripe: 0 });
    const all = w.logs().lines.filter((line) => line.event === 'request' && line.route === settled.route);
    assert.ok(all.length > 1);
    for (const line of all) assert.ok(line.d1 <= 2 && line.stripe === 0, JSON.stringify(line));
  });

  test('a refund: 3 + 1; a capture: 3 + 1; the same key again: 1 + 0', async () => {
    const post = (transaction, what) => w.api('POST', `/v1/transactions/${transaction}/${what}`, { key: shop.key, idempotencyKey: 'change', body: {} });
    const session = await createSession(w, shop, chatBody(shop, { capture: 'manual' }));
    await stripe.pay(session.id);
    await stripe.webhooks.drained();
    stripe.webhooks.pause();
    for (const [what, status] of [['capture', 200], ['refunds', 201]]) {
      assert.deepEqual(await cost(await post(session.transaction, what), status), { d1: 3, stripe: 1 }, what);
      assert.deepEqual(await cost(await post(session.transaction, what), status), { d1: 1, stripe: 0 }, what);
    }
    stripe.webhooks.drop();
    stripe.webhooks.resume();
  });

  test('webhooks about refunds and disputes: 2 + 0, where what adds up has to be asked for 2 + 1, thin ones 1 more; an account: 1 + 0', async () => {
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    await stripe.webhooks.drained();
    stripe.webhooks.pause();
    const from = stripe.books().events.length;
    await stripe.refund(session.id, { amount: 5 });
    await stripe.dispute(session.id);
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    const told = stripe.books().events.slice(from);
    const send = async (event) => {
      const body = JSON.stringify(event);
      return cost(await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } }), 200);
    };
    const find = (type) => told.find((event) => event.type === type);
    assert.deepEqual(await send(find('charge.refunded')), { d1: 2, stripe: 1 });
    for (const type of ['refund.created', 'refund.updated', 'charge.dispute.created', 'charge.dispute.funds_withdrawn']) assert.deepEqual(await send(find(type)), { d1: 2, stripe: 0 }, type);
    const { data: { object }, account, livemode } = find('refund.created');
    const thin = { id: 'evt_thin', object: 'v2.core.event', type: 'v1.refund.created', created: '2026-11-27T00:00:00Z', livemode, context: account, related_object: { id: object.id, type: 'refund', url: '/x' } };
    assert.deepEqual(await send(thin), { d1: 2, stripe: 1 });
    assert.deepEqual(await send({ id: 'evt_acct', object: 'event', type: 'account.updated', created: 1, livemode, account, data: { object: { id: account } } }), { d1: 1, stripe: 0 });
  });

  test('webhooks of no business of ours 1 + 0, since an agent might have bought; another Worker\'s and forged ones 0 + 0', async () => {
    const send = (body, header) => w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': header } });
    const foreign = JSON.stringify({ id: 'evt_1', type: 'checkout.session.completed', livemode: false, data: { object: { id: 'cs_1', livemode: false, metadata: {} } } });
    assert.deepEqual(await cost(await send(foreign, stripe.signature(foreign, w.webhookSecrets.connect)), 200), { d1: 1, stripe: 0 });
    const another = JSON.stringify({ id: 'evt_2', type: 'checkout.session.completed', livemode: false, data: { object: { id: 'cs_test_2', livemode: false, metadata: { cc_transaction: 'no id of ours' } } } });
    assert.deepEqual(await cost(await send(another, stripe.signature(another, w.webhookSecrets.connect)), 200), { d1: 0, stripe: 0 });
    assert.deepEqual(await cost(await send(foreign, 't=1,v1=00'), 400), { d1: 0, stripe: 0 });
  });

  test('an agent\'s order at Stripe: by its session 2 + 1, by its payment 3 + 2; what comes then 2 + 0', async (t) => {
    const s = await sellingShop(w, stripe);
    t.after(() => s.shop.close());
    const send = async (event) => {
      const body = JSON.stringify(event);
      return cost(await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } }), 200);
    };
    for (const order of [['checkout.session.completed', 'payment_intent.succeeded'], ['payment_intent.succeeded', 'checkout.session.completed']]) {
      const from = stripe.books().events.length;
      await s.buy({ events: 'lost' });
      const told = stripe.books().events.slice(from);
      const [first, second] = order.map((type) => told.find((event) => event.type === type));
      assert.deepEqual(await send(first), order[0].startsWith('checkout') ? { d1: 2, stripe: 1 } : { d1: 3, stripe: 2 });
      assert.deepEqual(await send(second), { d1: 2, stripe: 0 });
    }
  });

  test('an agent: create 2 + 0, read 1 + 0, update 2 + 0, complete 3 + 1, the same key again 1 + 0, cancel 2 + 0', async () => {
    await sellToAgents(w, shop.key);
    const { call } = speaker(w, (await addAgent(w, shop, {})).api_key);
    const body = { line_items: [{ id: 'mug', quantity: 1 }], currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } };
    const made = await call('POST', '/checkout_sessions', body, { key: 'made' });
    assert.deepEqual(await cost(made, 201), { d1: 2, stripe: 0 });
    assert.deepEqual(await cost(await call('POST', '/checkout_sessions', body, { key: 'made' }), 201), { d1: 1, stripe: 0 });
    const path = `/checkout_sessions/${made.body.id}`;
    assert.deepEqual(await cost(await call('GET', path), 200), { d1: 1, stripe: 0 });
    assert.deepEqual(await cost(await call('POST', path, { line_items: [{ id: 'mug', quantity: 2 }] }), 200), { d1: 2, stripe: 0 });
    const pay = payBody(await stripe.grantToken({ account, maxAmount: 1_000_000 }));
    // Stripe's event may be faster than the answer's way into the books; then they are read once more, which is not what is counted here.
    stripe.webhooks.pause();
    assert.deepEqual(await cost(await call('POST', `${path}/complete`, pay, { key: 'pay' }), 200), { d1: 3, stripe: 1 });
    stripe.webhooks.resume();
    assert.deepEqual(await cost(await call('POST', `${path}/complete`, pay, { key: 'pay' }), 200), { d1: 1, stripe: 0 });
    const other = await call('POST', '/checkouts', { items: [{ id: 'book', quantity: 1 }] });
    assert.deepEqual(await cost(await call('POST', `/checkouts/${other.body.id}/cancel`, {}), 200), { d1: 2, stripe: 0 });
    assert.deepEqual(await cost(await call('POST', '/checkouts', { items: [] }), 400), { d1: 1, stripe: 0 });
  });

  test('Stripe’s hooks: an order 2 + 0, where the session has to be asked for its items 2 + 1, an approval again 2 + 0; a customization 2 + 0; a price 1 + 0; for nobody 1 + 0, forged 0 + 0', async () => {
    await sellToAgents(w, shop.key);
    const put = await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true, mode: 'test' } });
    assert.deepEqual(await cost(put, 200), { d1: 3, stripe: 0 });
    assert.deepEqual(await cost(await w.api('GET', '/v1/agentic/rules?mode=test', { key: shop.key }), 200), { d1: 2, stripe: 0 });
    const send = async (kind, data, context = account, id = undefined, status = 200) => cost(await sendHook(w, hookOf(kind, context, data, id && { id })), status);
    const order = orderData();
    assert.deepEqual(await send('finalize_checkout', order, account, 'evt_hook_budget'), { d1: 2, stripe: 0 });
    assert.deepEqual(await send('finalize_checkout', order, account, 'evt_hook_budget'), { d1: 2, stripe: 0 });
    assert.deepEqual(await send('finalize_checkout', orderData({ address: null, currency: 'eur' })), { d1: 2, stripe: 0 }, 'declined');
    assert.deepEqual(await send('finalize_checkout', orderData({ lines: [{ id: 'li_1', quantity: 1, unit_amount: 5 }] })), { d1: 2, stripe: 1 });
    assert.deepEqual(await send('customize_checkout', cartData()), { d1: 2, stripe: 0 });
    assert.deepEqual(await send('product_price_availability', { sku_id: 'mug' }), { d1: 1, stripe: 0 });
    assert.deepEqual(await send('finalize_checkout', order, 'acct_1Nobody'), { d1: 1, stripe: 0 });
    assert.deepEqual(await send('finalize_checkout', order, null), { d1: 0, stripe: 0 });
    assert.deepEqual(await cost(await sendHook(w, hookOf('finalize_checkout', account, order), { header: 't=1,v1=00' }), 400), { d1: 0, stripe: 0 });
  });

  test('reading the ledger: 1 + 0, however the page begins', async () => {
    const key = shop.key;
    assert.deepEqual(await cost(await w.api('GET', '/v1/transactions', { key }), 200), { d1: 1, stripe: 0 });
    const { body } = await w.api('GET', '/v1/transactions?limit=1', { key });
    const after = await w.api('GET', `/v1/transactions?starting_after=${body.data[0].id}`, { key });
    assert.deepEqual(await cost(after, 200), { d1: 1, stripe: 0 });
    assert.deepEqual(await cost(await w.api('GET', '/v1/transactions/summary', { key }), 200), { d1: 1, stripe: 0 });
  });

  test('the catalogue: a file 5 + 0 (one more each batch), the same again 1 + 0; products 1 + 0, found by several words 2 + 0', async () => {
    const send = (key) => sendCatalogue(w, shop, 'id,title,price,availability\nmug,Blue mug,1 USD,in_stock', { idempotencyKey: key });
    assert.deepEqual(await cost(await send('file'), 200), { d1: 5, stripe: 0 });
    assert.deepEqual(await cost(await send('file'), 200), { d1: 1, stripe: 0 });
    const asked = async (method, path, body) => cost(await w.api(method, path, { key: shop.key, body }), 200);
    for (const query of ['', '?query=mug', '?starting_after=mug']) assert.deepEqual(await asked('GET', `/v1/catalogue/products${query}`), { d1: 1, stripe: 0 }, query);
    assert.deepEqual(await asked('GET', '/v1/catalogue/products/mug'), { d1: 2, stripe: 0 });
    assert.deepEqual(await asked('GET', '/v1/catalogue/products?query=blue+mug'), { d1: 2, stripe: 0 });
    assert.deepEqual(await asked('PUT', '/v1/catalogue/products/cup', { title: 'Cup', price: '1 USD', availability: 'in_stock' }), { d1: 2, stripe: 0 });
    assert.deepEqual(await asked('PATCH', '/v1/catalogue/inventory', [{ id: 'cup', inventory_quantity: 1 }]), { d1: 2, stripe: 0 });
    assert.deepEqual(await asked('GET', '/v1/shop/fulfillment'), { d1: 2, stripe: 0 });
  });

  test('pages that need no data: 0 + 0', async () => {
    for (const path of ['/', '/openapi.json']) assert.deepEqual(await cost(await w.fetch(path), 200), { d1: 0, stripe: 0 });
  });
});

test('a page costs the same at row 10 and at row 1,000,000: an index finds it, nothing is sorted', async () => {
  for (const filter of ['', " AND source = 'agent'", " AND agent = 'Claude'", " AND status = 'paid'", ' AND livemode = 1', " AND order_id = '7'"]) {
    const plan = await w.d1(`EXPLAIN QUERY PLAN SELECT * FROM transactions WHERE shop_id = 'shop_1'${filter} AND id < 'cct_5' ORDER BY id DESC LIMIT 11`);
    const told = plan.map(({ detail }) => detail).join('; ');
    assert.match(told, /^SEARCH transactions USING INDEX/, filter);
    assert.doesNotMatch(told, /TEMP B-TREE/, filter);
  }
});

test('what an agent bought is found by indices, and so is what the sweep asks about', async () => {
  for (const [query, wanted] of [
    ["SELECT * FROM (SELECT * FROM transactions WHERE payment_intent = 'pi_1' UNION ALL SELECT * FROM transactions WHERE checkout_session = 'cs_1') WHERE protocol = 'stripe' LIMIT 1", /transactions_(by_payment_intent|one_at_stripe).*transactions_by_session/],
    ["SELECT shop_id FROM agentic_hooks WHERE checkout_session = 'cs_1' AND livemode = 0 AND approved = 1 LIMIT 1", /agentic_hooks_approved/],
    ["SELECT shop_id FROM agentic WHERE livemode = 0 AND enabled = 1 LIMIT 1", /agentic_enabled/],
    ["UPDATE agentic_hooks SET ask_at = NULL WHERE checkout_session = 'cs_1' AND approved = 1", /agentic_hooks_approved/],
    ['SELECT h.id FROM agentic_hooks h JOIN agentic a ON a.shop_id = h.shop_id AND a.livemode = h.livemode WHERE h.approved = 1 AND h.ask_at <= 5 AND h.checkout_session IS NOT NULL AND h.created <= 5 ORDER BY h.ask_at LIMIT 30', /agentic_hooks_to_ask/],
  ]) {
    const told = (await w.d1(`EXPLAIN QUERY PLAN ${query}`)).map(({ detail }) => detail).join('; ');
    assert.match(told, wanted, query);
    assert.doesNotMatch(told, /SCAN (transactions|agentic)\b|TEMP B-TREE/, told);
  }
});
