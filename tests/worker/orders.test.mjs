// Contract, *ACP*, second paragraph: what was sold to agents, as the shop fulfils it and as agent and buyer are told of it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { ADDRESS, addAgent, agentShop, BUYER, payBody, speaker } from '../support/agent.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { bodySigned, merchantSigned, startReceiver } from '../support/receiver.mjs';
import { startWorker } from '../support/worker.mjs';

const closing = [];
let stripe, w, api;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of closing) await one.close();
});

/** A shop whose agent is told at a receiver, and whose own server keeps its notices. `answer` is what it says to them. */
async function aShop({ answer, notices = true, receiver: given, ...more } = {}) {
  const receiver = given ?? await startReceiver();
  closing.push(receiver);
  const made = await agentShop(w, stripe, { agent: { webhook_url: receiver.url }, shop: { webhook: answer }, ...more });
  closing.push(made.shop);
  if (notices) fine(await w.api('PATCH', '/v1/shop', { key: made.shop.key, body: { webhook_url: `${made.shop.origin}/notices` } }));
  made.shop.notices = (type) => made.shop.requests.filter(({ method, body }) => method === 'POST' && JSON.parse(body).type === type);
  return { ...made, receiver };
}

/** Buys something in a version's words. -> the order, as the shop sees it */
async function buy(at, { version = '2026-04-17', items = [{ id: 'mug', quantity: 2 }], buyer = BUYER, call = at.call } = {}) {
  const newest = version !== 'stripe' && version >= '2026-01-30';
  const path = version === 'stripe' ? '/checkouts' : '/checkout_sessions';
  const flat = version === 'stripe' || version === '2025-09-29';
  const address = flat ? { fulfillment_address: ADDRESS } : { fulfillment_details: { name: 'Ada', email: buyer.email, address: ADDRESS } };
  const body = newest ? { line_items: items, currency: 'usd', capabilities: {}, buyer, ...address } : { items, buyer, ...address };
  const more = { version: version === 'stripe' ? undefined : version };
  const session = fine(await call('POST', path, body, more), 201);
  const token = await stripe.grantToken({ account: at.account, currency: 'usd', maxAmount: 100_000 });
  const pay = newest ? payBody(token, { buyer }) : { payment_data: { token, provider: 'stripe' }, buyer };
  fine(await call('POST', `${path}/${session.id}/complete`, pay, more));
  await stripe.webhooks.drained();
  const [row] = await w.d1('SELECT id FROM orders WHERE checkout_session = ?', session.id);
  return get(at, row.id);
}
const get = async ({ shop }, id) => fine(await api('GET', `/v1/orders/${id}`, { key: shop.key }));
const patch = (at, id, body) => api('PATCH', `/v1/orders/${id}`, { key: at.shop.key, body });
const list = async ({ shop }, query = '') => fine(await api('GET', `/v1/orders?${query}`, { key: shop.key })).data.map(({ id }) => id);
const refund = (at, order, body = {}) => api('POST', `/v1/transactions/${order.transaction}/refunds`, { key: at.shop.key, body, idempotencyKey: randomUUID() });
const eventsOf = async ({ shop }, query = '') => fine(await api('GET', `/v1/events?limit=100${query}`, { key: shop.key })).data;
/** The events that an agent was or is to be told of an order, the oldest first. */
const rowsOf = (order) => w.d1('SELECT id, type, status, due_at, object FROM notices WHERE agent_id IS NOT NULL AND transaction_id = ? ORDER BY rowid', order.transaction);
const isOf = (order) => (event) => event.data.checkout_session_id === order.checkout_session;
const settled = (order) => eventually(async () => (await rowsOf(order)).every(({ status }) => status !== 'due'), 'events are still due');

describe('a new order', () => {
  test('is told to shop and agent once, signed, whoever tells of the payment', async () => {
    const at = await aShop();
    const order = await buy(at);
    assert.match(order.id, /^ord_[0-9a-hjkmnp-tv-z]{26}$/);
    assert.deepEqual([order.status, order.agent, order.order_id, order.amount_total, order.buyer.email], ['created', 'Claude', null, 3175, BUYER.email]);
    assert.equal(order.permalink_url, `${w.url}/orders/${order.id}`);
    const [seen] = await at.receiver.told(isOf(order));
    assert.equal(seen.event.type, 'order_create');
    assert.equal(seen.event.data.id, order.id);
    assert.ok(merchantSigned(seen, at.agent.signing_secret));
    const { headers } = seen;
    assert.equal(headers['content-type'], 'application/json');
    assert.match(headers['webhook-id'], /^ccevt_/);
    assert.equal(headers['request-id'], headers['webhook-id']);
    assert.equal(Date.parse(headers.timestamp) / 1000, Number(headers['webhook-timestamp']));
    // Whoever has a library of that scheme may use it instead.
    new Webhook(at.agent.signing_secret.slice(6)).verify(seen.body, headers);
    await eventually(() => at.shop.notices('order.created').length > 0, 'the shop was not told');
    const notice = at.shop.notices('order.created')[0];
    new Webhook(at.shop.secret.slice(6)).verify(notice.body, notice.headers);
    assert.deepEqual(JSON.parse(notice.body).data.object, order);
    // Stripe's webhook told of the same payment.
    assert.equal((await rowsOf(order)).length, 1);
    assert.equal(at.shop.notices('order.created').length, 1);
    assert.equal(at.shop.notices('transaction.paid').length, 1);
  });

  test('an agent without an address has it kept; a deleted one is not told at all', async () => {
    const at = await aShop({ agent: {} });
    const quiet = await addAgent(w, at.shop, { name: 'Quiet' });
    const order = await buy({ ...at, ...speaker(w, quiet.api_key) });
    assert.deepEqual((await rowsOf(order)).map(({ status }) => status), ['kept']);
    fine(await api('DELETE', `/v1/agents/${quiet.id}`, { key: at.shop.key }));
    fine(await patch(at, order.id, { status: 'confirmed' }));
    assert.equal((await rowsOf(order)).length, 1);
    assert.equal((await get(at, order.id)).status, 'confirmed');
  });

  for (const [version, created, updated] of [['stripe', 'order_created', 'order_updated'], ['2025-09-29', 'order_create', 'order_update'], ['2025-12-12', 'order_create', 'order_update'], ['2026-01-16', 'order_create', 'order_update'], ['2026-01-30', 'order_create', 'order_update']]) {
    test(`${version}: told in its words, signed over the body alone`, async () => {
      const at = await aShop();
      const order = await buy(at, { version });
      fine(await patch(at, order.id, { status: 'shipped' }));
      fine(await refund(at, order, { amount: 100 }), 201);
      const seen = await at.receiver.told(isOf(order), 3);
      assert.deepEqual(seen.map(({ event }) => event.type), [created, updated, updated]);
      for (const one of seen) assert.ok(bodySigned(one, at.agent.signing_secret));
      const { data } = seen.at(-1).event;
      assert.deepEqual([data.type, data.status, data.refunds], ['order', 'shipped', [{ type: 'original_payment', amount: 100 }]]);
    });
  }

  test('while the agent’s secret is rolled, both sign', async () => {
    const at = await aShop();
    const rolled = fine(await api('POST', `/v1/agents/${at.agent.id}/signing_secrets`, { key: at.shop.key }), 201).signing_secret;
    const order = await buy(at);
    const [seen] = await at.receiver.told(isOf(order));
    assert.ok(merchantSigned(seen, rolled));
    for (const secret of [rolled, at.agent.signing_secret]) new Webhook(secret.slice(6)).verify(seen.body, seen.headers);
  });
});

describe('the shop’s answer to order.created', () => {
  const answering = (answer) => (seen, response) => {
    if (JSON.parse(seen.body).type !== 'order.created') return response.writeHead(200).end();
    return answer(response, JSON.parse(seen.body).data.object);
  };

  test('tells the order’s own id and page, in the ledger and to the agent too', async () => {
    const at = await aShop({ answer: answering((response, { id }) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ok: true, order_id: 1001, permalink_url: `http://${response.req.headers.host.replace('127.0.0.1', 'localhost')}/order/${id}` }))) });
    const order = await buy(at);
    const told = await eventually(async () => {
      const now = await get(at, order.id);
      return now.order_id && now;
    });
    assert.deepEqual([told.order_id, told.permalink_url, told.status], ['1001', `${at.shop.origin}/order/${order.id}`, 'created']);
    const [, update] = await at.receiver.told(isOf(order), 2);
    assert.deepEqual([update.event.type, update.event.data.permalink_url], ['order_update', `${at.shop.origin}/order/${order.id}`]);
    assert.equal(fine(await api('GET', '/v1/transactions?order_id=1001', { key: at.shop.key })).data[0].id, order.transaction);
    const session = fine(await at.call('GET', `/checkout_sessions/${order.checkout_session}`));
    assert.equal(session.order.permalink_url, told.permalink_url);
    // Sent again it answers the same, and that is no news.
    const [{ id }] = await eventsOf(at, '&type=order.created');
    fine(await api('POST', `/v1/events/${id}/resend`, { key: at.shop.key }));
    await eventually(() => at.shop.notices('order.created').length === 2);
    await eventually(async () => (await eventsOf(at, '&type=order.created'))[0].status === 'delivered');
    assert.equal((await rowsOf(order)).length, 2);
  });

  for (const [what, body, expected] of [
    ['an address that is not the shop’s', JSON.stringify({ order_id: 'A', permalink_url: 'https://evil.example/o' }), 'A'],
    ['an answer that is no JSON', '<html>thanks</html>', null],
    ['an answer that is a list', '[1]', null],
    ['an answer without an end', `{"order_id":"B","x":"${'y'.repeat(17_000)}"}`, null],
    ['an id that is none', '{"order_id":{"a":1}}', null],
    ['nothing', '', null],
  ]) {
    test(`${what} is not taken`, async () => {
      const at = await aShop({ answer: answering((response) => response.writeHead(200).end(body)) });
      const order = await buy(at);
      await eventually(async () => (await eventsOf(at, '&type=order.created'))[0]?.status === 'delivered', 'not delivered');
      const now = await get(at, order.id);
      assert.deepEqual([now.order_id, now.permalink_url], [expected, order.permalink_url]);
    });
  }

  test('is not read where the shop refuses', async () => {
    const at = await aShop({ answer: answering((response) => response.writeHead(500).end('{"order_id":"A"}')) });
    const order = await buy(at);
    await eventually(async () => (await eventsOf(at, '&type=order.created'))[0]?.attempts.length === 1);
    assert.equal((await get(at, order.id)).order_id, null);
  });

  test('of another notice says nothing', async () => {
    const at = await aShop({ answer: (seen, response) => response.writeHead(200).end(JSON.parse(seen.body).type === 'order.created' ? '' : '{"order_id":"A"}') });
    const order = await buy(at);
    await eventually(async () => (await eventsOf(at)).every(({ status, agent }) => agent || status !== 'due'));
    assert.equal((await get(at, order.id)).order_id, null);
  });
});

describe('PATCH /v1/orders/{id}', () => {
  const PARCEL = {
    id: 'parcel-1', type: 'shipping', status: 'shipped', carrier: 'DHL', tracking_number: '00340', tracking_url: 'https://dhl.example/00340',
    estimated_delivery: { earliest: 1_776_384_000, latest: 1_776_470_400 }, events: [{ type: 'shipped', occurred_at: 1_776_330_000, location: 'Leipzig' }],
  };

  test('status, tracking and the shop’s own id, told to the agent in one event', async () => {
    const at = await aShop();
    const order = await buy(at);
    const now = fine(await patch(at, order.id, { order_id: 'W-7', order_number: 7, status: 'shipped', permalink_url: `${at.shop.origin}/o?id=7#top`, fulfillments: [PARCEL] }));
    assert.deepEqual([now.order_id, now.order_number, now.status, now.permalink_url], ['W-7', '7', 'shipped', `${at.shop.origin}/o?id=7#top`]);
    const [parcel] = now.fulfillments;
    assert.deepEqual([parcel.id, parcel.line_items, parcel.estimated_delivery], ['parcel-1', [{ id: 'li_1', quantity: 2 }], PARCEL.estimated_delivery]);
    assert.deepEqual(await get(at, order.id), now);
    const [, update] = await at.receiver.told(isOf(order), 2);
    const { data } = update.event;
    assert.deepEqual([data.status, data.order_number, data.permalink_url], ['shipped', '7', now.permalink_url]);
    assert.deepEqual([data.fulfillments[0].tracking_number, data.line_items[0].quantity.fulfilled], ['00340', 2]);
    // The same again changes nothing and is no news.
    assert.deepEqual(fine(await patch(at, order.id, { status: 'shipped', fulfillments: [PARCEL] })), now);
    assert.equal((await rowsOf(order)).length, 2);
    const session = fine(await at.call('GET', `/checkout_sessions/${order.checkout_session}`));
    assert.deepEqual([session.order.status, session.order.order_number], ['shipped', '7']);
  });

  test('goes forward only, and says where the address may be', async () => {
    const at = await aShop();
    const { id } = await buy(at);
    fine(await patch(at, id, { status: 'processing' }));
    refused(await patch(at, id, { status: 'created' }), 422, 'order_unexpected_state', 'status');
    refused(await patch(at, id, { permalink_url: 'https://evil.example/' }), 422, 'url_not_allowed', 'permalink_url');
    refused(await patch(at, id, { fulfillments: [{ ...PARCEL, line_items: [{ id: 'mug', quantity: 3 }] }] }), 422, 'parameter_invalid', 'fulfillments[0][line_items]');
    refused(await patch(at, id, { amount_total: 1 }), 400, 'parameter_unknown', 'amount_total');
    refused(await patch(at, `ord_${'0'.repeat(26)}`, {}), 404, 'resource_missing');
    // Cancelling moves no money.
    const order = fine(await patch(at, id, { status: 'canceled' }));
    assert.equal(order.amount_refunded, 0);
    assert.equal(fine(await api('GET', `/v1/transactions/${order.transaction}`, { key: at.shop.key })).status, 'paid');
    refused(await patch(at, id, { status: 'completed' }), 422, 'order_unexpected_state', 'status');
  });

  test('many at once: none undoes another, and the last event says it all', async () => {
    const at = await aShop();
    const order = await buy(at);
    await settled(order);
    const changes = [
      { order_id: 'X' }, { order_number: 'N' }, { status: 'shipped' }, { permalink_url: `${at.shop.origin}/o` },
      ...[1, 2, 3].map((n) => ({ fulfillments: [{ id: `p${n}`, type: 'digital', line_items: [], tracking_number: `T${n}` }] })),
    ];
    const answers = await Promise.all([...changes.map((change) => patch(at, order.id, change)), refund(at, order, { amount: 50 })]);
    for (const answer of answers) assert.ok([200, 201].includes(answer.status), answer.text);
    const now = await get(at, order.id);
    assert.deepEqual([now.order_id, now.order_number, now.status, now.permalink_url, now.amount_refunded], ['X', 'N', 'shipped', `${at.shop.origin}/o`, 50]);
    assert.deepEqual(now.fulfillments.map(({ id }) => id).sort(), ['p1', 'p2', 'p3']);
    assert.equal((await w.d1('SELECT version FROM orders WHERE id = ?', order.id))[0].version, 9);
    await settled(order);
    const rows = await rowsOf(order);
    assert.equal(rows.length, 9);
    const { data } = JSON.parse(rows.at(-1).object);
    assert.deepEqual([data.status, data.order_number, data.fulfillments.length, data.adjustments.length], ['shipped', 'N', 3, 1]);
    // What the agent was told last is that, whatever was left out before.
    assert.equal(at.receiver.events.filter(({ event }) => isOf(order)(event)).at(-1).body, rows.at(-1).object);
    assert.equal(rows.at(-1).status, 'delivered');
  });
});

describe('refunds and disputes', () => {
  test('are adjustments of the order, and told to its agent', async () => {
    const at = await aShop();
    const order = await buy(at);
    await settled(order);
    const { id } = fine(await refund(at, order, { amount: 1000, reason: 'requested_by_customer' }), 201);
    await stripe.webhooks.drained();
    const now = await get(at, order.id);
    assert.deepEqual(now.adjustments.map(({ id, type, status, amount, currency, reason }) => ({ id, type, status, amount, currency, reason })), [{ id, type: 'refund', status: 'completed', amount: 1000, currency: 'usd', reason: 'requested_by_customer' }]);
    assert.equal(now.amount_refunded, 1000);
    const [, update] = await at.receiver.told(isOf(order), 2);
    assert.deepEqual([update.event.data.adjustments[0].amount, update.event.data.totals.at(-1)], [1000, { type: 'amount_refunded', display_text: update.event.data.totals.at(-1).display_text, amount: 1000 }]);
    // Once, though the API's answer and Stripe's events tell of it.
    assert.equal((await rowsOf(order)).length, 2);
  });

  test('a refund in the Dashboard, and a dispute that is lost or won', async () => {
    const at = await aShop();
    const [refunded, lost, won] = [await buy(at), await buy(at), await buy(at)];
    const intent = async (order) => fine(await api('GET', `/v1/transactions/${order.transaction}`, { key: at.shop.key })).payment_intent;
    await stripe.refund(await intent(refunded));
    for (const [order, outcome] of [[lost, 'lost'], [won, 'won']]) {
      const { id } = await stripe.dispute(await intent(order));
      await stripe.webhooks.drained();
      assert.deepEqual((await get(at, order.id)).adjustments.map(({ type, status }) => `${type} ${status}`), ['dispute pending']);
      await stripe.moveDispute(id, outcome);
    }
    await stripe.webhooks.drained();
    const told = async (order) => (await get(at, order.id)).adjustments.map(({ type, status }) => `${type} ${status}`);
    assert.deepEqual([await told(refunded), await told(lost), await told(won)], [['refund completed'], ['dispute completed'], ['dispute failed']]);
    const [, update] = await at.receiver.told((event) => isOf(won)(event), 3).then((seen) => [seen[0], seen.at(-1)]);
    assert.equal(update.event.data.adjustments[0].status, 'failed');
  });

  test('a sale of the shop’s own has no order, and its refund is nothing to one', async () => {
    const at = await aShop();
    const made = fine(await api('POST', '/v1/checkout/sessions', { key: at.shop.key, idempotencyKey: randomUUID(), body: { source: 'agent:Claude', currency: 'usd', line_items: [{ name: 'Thing', quantity: 1, amount_total: 900 }], success_url: `${at.shop.origin}/thanks`, cancel_url: `${at.shop.origin}/cart` } }), 201);
    await stripe.pay(made.id);
    await stripe.webhooks.drained();
    fine(await refund(at, made), 201);
    assert.deepEqual(await list(at), []);
  });
});

describe('GET /v1/orders', () => {
  test('newest first, by pages, and by mode, agent, status, time and the shop’s id', async () => {
    const at = await aShop();
    const other = await addAgent(w, at.shop, { name: 'Atlas' });
    const ids = [];
    for (const call of [at.call, speaker(w, other.api_key).call, at.call]) ids.unshift((await buy(at, { call })).id);
    const [third, second, first] = ids;
    fine(await patch(at, second, { status: 'confirmed', order_id: 'S' }));
    assert.deepEqual(await list(at), ids);
    assert.deepEqual(await list(at, 'limit=2'), [third, second]);
    assert.deepEqual(await list(at, `limit=2&starting_after=${second}`), [first]);
    assert.deepEqual(await list(at, `ending_before=${second}`), [third]);
    assert.deepEqual(await list(at, 'mode=live'), []);
    assert.deepEqual(await list(at, 'mode=test'), ids);
    assert.deepEqual(await list(at, 'agent=Atlas'), [second]);
    assert.deepEqual(await list(at, `agent=${at.agent.id}`), [third, first]);
    assert.deepEqual(await list(at, 'status=confirmed'), [second]);
    assert.deepEqual(await list(at, 'order_id=S'), [second]);
    const { created } = await get(at, first);
    assert.deepEqual(await list(at, `created[gte]=${created}`), ids);
    assert.deepEqual(await list(at, `created[lt]=${created}`), []);
    refused(await api('GET', '/v1/orders?status=lost', { key: at.shop.key }), 422, 'parameter_invalid', 'status');
    refused(await api('GET', '/v1/orders?starting_after=ord_0', { key: at.shop.key }), 422, 'resource_missing', 'starting_after');
  });

  test('a page costs the same at any depth: by each filter an index is used', async () => {
    for (const [condition, index] of [['', 'orders_by_shop'], ['AND livemode = 1', 'orders_by_mode'], ["AND status = 'created'", 'orders_by_status'], ["AND agent_id = 'a'", 'orders_by_agent'], ["AND agent = 'a'", 'orders_by_agent_name'], ["AND order_id = 'a'", 'orders_by_order']]) {
      const plan = await w.d1(`EXPLAIN QUERY PLAN SELECT * FROM orders WHERE shop_id = 'x' ${condition} AND id < 'y' ORDER BY id DESC LIMIT 11`);
      assert.deepEqual(plan.map(({ detail }) => detail.replace(/ \(.*/, '')), [`SEARCH orders USING INDEX ${index}`]);
    }
  });

  test('another shop’s are not there', async () => {
    const [at, other] = [await aShop(), await aShop()];
    const order = await buy(at);
    assert.deepEqual(await list(other), []);
    refused(await api('GET', `/v1/orders/${order.id}`, { key: other.shop.key }), 404, 'resource_missing');
    refused(await patch(other, order.id, { status: 'canceled' }), 404, 'resource_missing');
  });
});

describe('events of one order', () => {
  const failing = (_seen, response) => response.writeHead(503).end();
  const good = (_seen, response) => response.writeHead(200).end();
  const due = (id) => w.d1('UPDATE notices SET due_at = 1 WHERE id = ? AND due_at IS NOT NULL', id);

  test('go one after the other: what is not taken is tried again before the newest, and what came between is left out', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = failing;
    const order = await buy(at);
    await at.receiver.told(isOf(order));
    for (const status of ['confirmed', 'processing', 'shipped']) fine(await patch(at, order.id, { status }));
    const [create, , , update] = await rowsOf(order);
    assert.deepEqual((await rowsOf(order)).map(({ status, due_at }) => `${status} ${due_at === null ? 'waits' : 'timed'}`), ['due timed', 'kept waits', 'kept waits', 'due waits']);
    at.receiver.answer = good;
    await due(create.id);
    await w.scheduled();
    const seen = await at.receiver.told(isOf(order), 3);
    assert.deepEqual(seen.slice(-2).map(({ headers }) => headers['webhook-id']), [create.id, update.id]);
    assert.equal(seen.at(-1).event.data.status, 'shipped');
    await settled(order);
    assert.deepEqual((await eventsOf(at, '&status=delivered')).map(({ id, agent }) => [id, agent]), [[update.id, at.agent.id], [create.id, at.agent.id]]);
  });

  test('a change makes what failed due at once', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = failing;
    const order = await buy(at);
    await eventually(async () => (await eventsOf(at)).some(({ attempts }) => attempts.length === 1));
    const [{ id }] = await rowsOf(order);
    await w.d1('UPDATE notices SET due_at = due_at + 36000 WHERE id = ?', id);
    at.receiver.answer = good;
    fine(await patch(at, order.id, { status: 'shipped' }));
    await w.scheduled();
    await settled(order);
    assert.deepEqual((await rowsOf(order)).map(({ status }) => status), ['delivered', 'delivered']);
  });

  test('while one is on its way, the next waits for it', async () => {
    const at = await aShop({ notices: false });
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    at.receiver.answer = async (_seen, response) => {
      await held;
      response.writeHead(200).end();
    };
    const order = await buy(at);
    await at.receiver.told(isOf(order));
    fine(await patch(at, order.id, { status: 'shipped' }));
    await w.scheduled();
    assert.equal(at.receiver.events.length, 1);
    release();
    const [first, second] = await at.receiver.told(isOf(order), 2);
    assert.deepEqual([first.event.data.status, second.event.data.status], ['created', 'shipped']);
  });

  test('what is given up lets the next one through', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = failing;
    const order = await buy(at);
    await at.receiver.told(isOf(order));
    await eventually(async () => (await eventsOf(at)).some(({ attempts }) => attempts.length === 1));
    fine(await patch(at, order.id, { status: 'shipped' }));
    const [create] = await rowsOf(order);
    await w.d1('UPDATE notices SET attempts = 9, due_at = 1 WHERE id = ?', create.id);
    await w.scheduled();
    assert.deepEqual((await rowsOf(order)).map(({ status }) => status), ['dead', 'due']);
    assert.deepEqual(at.receiver.events.map(({ event }) => event.data.status), ['created', 'created', 'shipped']);
  });

  test('only the newest can be sent again, and it takes the place of those before', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = failing;
    const order = await buy(at);
    fine(await patch(at, order.id, { status: 'shipped' }));
    const [create, update] = await rowsOf(order);
    const resend = (id) => api('POST', `/v1/events/${id}/resend`, { key: at.shop.key });
    refused(await resend(create.id), 409, 'event_superseded');
    at.receiver.answer = good;
    assert.equal(fine(await resend(update.id)).status, 'due');
    await settled(order);
    assert.deepEqual((await rowsOf(order)).map(({ status }) => status), ['kept', 'delivered']);
    fine(await api('PATCH', `/v1/agents/${at.agent.id}`, { key: at.shop.key, body: { webhook_url: null } }));
    refused(await resend(update.id), 409, 'webhook_url_missing');
    // Of the shop's own notices each can.
    const [paid] = await eventsOf(at, '&type=transaction.paid');
    fine(await w.api('PATCH', '/v1/shop', { key: at.shop.key, body: { webhook_url: `${at.shop.origin}/notices` } }));
    fine(await resend(paid.id));
  });

  test('an agent whose address was taken away meanwhile: kept, and the next too', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = failing;
    const order = await buy(at);
    await eventually(async () => (await eventsOf(at)).some(({ attempts }) => attempts.length === 1));
    fine(await patch(at, order.id, { status: 'shipped' }));
    fine(await api('PATCH', `/v1/agents/${at.agent.id}`, { key: at.shop.key, body: { webhook_url: null } }));
    await w.d1('UPDATE notices SET due_at = 1 WHERE due_at IS NOT NULL AND transaction_id = ?', order.transaction);
    await w.scheduled();
    await settled(order);
    assert.deepEqual((await rowsOf(order)).map(({ status }) => status), ['kept', 'kept']);
  });

  test('redirects are not followed', async () => {
    const at = await aShop({ notices: false });
    at.receiver.answer = (_seen, response) => response.writeHead(302, { location: `${w.url}/healthz` }).end();
    const order = await buy(at);
    const [{ attempts }] = await eventually(async () => {
      const found = (await eventsOf(at, '&type=order_create')).filter(({ attempts }) => attempts.length === 1);
      return found.length && found;
    });
    assert.deepEqual([attempts[0].status, attempts[0].error], [302, 'redirects are not followed']);
    assert.equal(at.receiver.events.length, 1);
    assert.equal((await rowsOf(order))[0].status, 'due');
  });

  test('a stored address that is not allowed any more is not called', async () => {
    const at = await aShop({ notices: false });
    await w.d1("UPDATE agents SET webhook_url = 'https://169.254.169.254/latest' WHERE id = ?", at.agent.id);
    await buy(at);
    const [{ attempts }] = await eventually(async () => {
      const found = (await eventsOf(at, '&type=order_create')).filter(({ attempts }) => attempts.length === 1);
      return found.length && found;
    });
    assert.deepEqual([attempts[0].status, attempts[0].error], [null, 'its host must be a name, not an IP address']);
  });

  test('agents that hang hold up neither the shop nor another agent', async () => {
    const hang = await startReceiver();
    closing.push(hang);
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    hang.answer = async (_seen, response) => {
      await held;
      response.writeHead(200).end();
    };
    const at = await aShop();
    const rows = [];
    for (let n = 0; n < 8; n += 1) {
      const agent = await addAgent(w, at.shop, { name: `Hung ${n}`, webhook_url: hang.url });
      for (let i = 0; i < 50; i += 1) {
        rows.push(`('ccevt_hung${n}x${i}', '${at.shop.id}', '${agent.id}', '2026-04-17', 'order_update', 'hung/${n}/${i}', '{"type":"order_update","data":{}}', 'cct_hung${n}x${i}', 1, 'due', 1, '[{"created":1,"status":null,"duration_ms":10000,"error":"no answer"}]')`);
      }
    }
    const quiet = `('ccevt_own', '${at.shop.id}', NULL, NULL, 'transaction.paid', 'own', '{"id":"cct_own"}', NULL, 1, 'due', 5, '[]'), ('ccevt_other', '${at.shop.id}', '${at.agent.id}', '2026-04-17', 'order_update', 'other', '{"type":"order_update","data":{"status":"other"}}', 'cct_other', 1, 'due', 5, '[]')`;
    for (let from = 0; from < rows.length; from += 100) await w.d1(`INSERT INTO notices (id, shop_id, agent_id, dialect, type, once, object, transaction_id, created, status, due_at, attempt_log) VALUES ${rows.slice(from, from + 100).join(', ')}`);
    await w.d1(`INSERT INTO notices (id, shop_id, agent_id, dialect, type, once, object, transaction_id, created, status, due_at, attempt_log) VALUES ${quiet}`);
    const sweep = w.scheduled();
    await at.receiver.told((event) => event.data.status === 'other');
    await eventually(() => at.shop.notices('transaction.paid').length === 1);
    release();
    await sweep;
  });
});

describe('the buyer’s page', () => {
  const PAGE = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff' };
  const enter = async (id, email, more = {}) => {
    const answer = await w.fetch(`/orders/${id}`, { method: 'POST', body: new URLSearchParams({ email }), ...more });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  /** An answer but for what no two have in common. */
  const bare = ({ status, headers, text }) => ({ status, text, headers: [...headers].filter(([name]) => !['request-id', 'date'].includes(name)) });
  const UNKNOWN = `ord_${'0'.repeat(26)}`;

  test('asks for the e-mail, and says nothing of any order', async () => {
    const at = await aShop();
    const order = await buy(at);
    const looks = [];
    w.clearLogs();
    for (const id of [order.id, UNKNOWN, 'x', order.transaction]) {
      const answer = await w.fetch(`/orders/${id}`);
      looks.push(bare({ status: answer.status, headers: answer.headers, text: await answer.text() }));
    }
    assert.equal(looks[0].status, 200);
    for (const look of looks) assert.deepEqual(look, looks[0]);
    const headers = Object.fromEntries(looks[0].headers);
    for (const [name, value] of Object.entries(PAGE)) assert.equal(headers[name], value, name);
    assert.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/);
    assert.ok(!looks[0].text.includes('<script'));
    assert.match(looks[0].text, /<form method="post">[^]*<label for="email">/);
    // Nothing is read for it.
    assert.equal((await w.logLine((line) => line.route === 'orderPage')).d1, 0);
    const head = await w.fetch(`/orders/${order.id}`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  test('shows the order to whoever knows the e-mail, in any case', async () => {
    const at = await aShop({ shop: { name: 'Clay & Co' } });
    const order = await buy(at, { items: [{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }] });
    const seen = await enter(order.id, ' ADA@Buyer.Example ');
    assert.equal(seen.status, 200);
    for (const [name, value] of Object.entries(PAGE)) assert.equal(seen.headers.get(name), value, name);
    for (const text of [order.id, 'Clay &amp; Co', 'Received', 'Mug', '× 2', 'USD 24.60', 'Tea', 'Delivery', 'USD 5.00', 'Tax', 'Total', new Date(order.created * 1000).toISOString().slice(0, 10)]) assert.ok(seen.text.includes(text), text);
    assert.ok(!seen.text.toLowerCase().includes('ada@buyer.example'));
    fine(await patch(at, order.id, { order_number: 'W-7', status: 'shipped', permalink_url: `${at.shop.origin}/o/7`, fulfillments: [{ type: 'shipping', status: 'in_transit', carrier: 'DHL', tracking_number: '00340', tracking_url: 'https://dhl.example/00340', estimated_delivery: { earliest: 1_776_384_000, latest: 1_776_470_400 } }] }));
    fine(await refund(at, order, { amount: 1000 }), 201);
    const later = await enter(order.id, BUYER.email);
    for (const text of ['Order <bdi>W-7</bdi>', 'On its way', 'DHL', '00340', 'href="https://dhl.example/00340"', '2026-04-17 – 2026-04-18', 'Given back', 'USD 10.00', `href="${at.shop.origin}/o/7"`]) assert.ok(later.text.includes(text), text);
  });

  test('a wrong e-mail and an unknown order get the same answer', async () => {
    const at = await aShop();
    const order = await buy(at);
    const wrong = 'eve@elsewhere.example';
    const answers = [];
    w.clearLogs();
    for (const [id, email] of [[order.id, wrong], [UNKNOWN, wrong], [order.transaction, wrong], ['x', wrong]]) answers.push(bare(await enter(id, email)));
    assert.equal(answers[0].status, 404);
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    const lines = await eventually(() => {
      const found = w.logs().lines.filter(({ route }) => route === 'showOrder');
      return found.length === 4 && found;
    });
    // The same reads, and nothing in the log that tells them apart.
    assert.deepEqual(lines.map(({ d1, shop, status }) => [d1, shop, status]), Array(4).fill([1, null, 404]));
    for (const email of ['', ' ', '%', '*', "' OR 1=1 --", 'ada@buyer.example\u0000', BUYER.email.replace('ada', 'a_a')]) assert.equal((await enter(order.id, email)).status, 404, email);
    assert.equal((await enter(UNKNOWN, BUYER.email)).status, 404);
    // It is in no address: as a parameter it does not count.
    assert.equal((await w.fetch(`/orders/${order.id}?email=${BUYER.email}`, { method: 'POST' })).status, 404);
    assert.equal((await w.fetch(`/orders/${order.id}`, { method: 'POST', body: JSON.stringify({ email: BUYER.email }), headers: { 'content-type': 'application/json' } })).status, 404);
  });

  test('strangers’ text is text', async () => {
    const evil = '"><script>alert(1)</script>';
    const at = await aShop({ shop: { name: evil } });
    const order = await buy(at);
    await w.d1("UPDATE orders SET body = json_set(body, '$.lines[0].title', ?) WHERE id = ?", evil, order.id);
    fine(await patch(at, order.id, { order_number: evil, fulfillments: [{ type: 'shipping', carrier: evil, tracking_number: evil, tracking_url: 'https://dhl.example/?a=%3Cscript%3E&b=2' }] }));
    for (const { text } of [await enter(order.id, BUYER.email), await enter(UNKNOWN, evil)]) {
      assert.ok(!text.includes('<script'));
      assert.ok(text.includes('&lt;script&gt;alert(1)&lt;/script&gt;'));
    }
  });

  test('too much is too much', async () => {
    assert.equal((await enter(UNKNOWN, 'a'.repeat(300_000))).status, 413);
    assert.equal((await enter(UNKNOWN, 'a'.repeat(10_000))).status, 404);
    assert.equal((await w.fetch(`/orders/${UNKNOWN}`, { method: 'DELETE' })).headers.get('allow'), 'GET, HEAD, POST');
  });
});

describe('a shop that leaves', () => {
  test('takes its orders along, and nothing of them stays', async () => {
    const at = await aShop();
    const order = await buy(at, { buyer: { ...BUYER, email: 'leaving@buyer.example' } });
    const taken = fine(await w.api('GET', '/v1/shop/export', { key: at.shop.key }));
    assert.deepEqual(taken.orders, [order]);
    const told = taken.notices.find(({ agent }) => agent);
    assert.deepEqual([told.type, told.data.object.id], ['order_create', order.id]);
    fine(await api('DELETE', '/v1/shop', { key: at.shop.key }));
    await w.scheduled();
    for (const table of ['orders', 'notices', 'agents', 'agent_keys']) assert.deepEqual(await w.d1(`SELECT * FROM ${table} WHERE shop_id = ?`, at.shop.id), [], table);
    const page = await w.fetch(`/orders/${order.id}`, { method: 'POST', body: new URLSearchParams({ email: 'leaving@buyer.example' }) });
    assert.equal(page.status, 404);
  });
});
