// Crashes at every await point: each journey is run again and again, and each time another call of it (to D1, to KV, to Stripe)
// goes wrong in another way. Afterwards happens what happens in life (the client sends the same again, Stripe's webhooks come,
// the sweep runs), and then our books and Stripe's must agree: nothing lost, nothing doubled.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, payBody, sellToAgents, speaker } from './agent.mjs';
import { ledgerDays } from './ledger-days.mjs';
import { beginConnect, chatBody, comeBack, connectShop, registerShop } from './shop.mjs';
import { startWorker } from './worker.mjs';

/** How a binding can fail, and how Stripe can. */
const BINDING_FAULTS = ['refuse', 'lose', 'die', 'die_after'];
const STRIPE_FAULTS = ['500', '500_after', '429', 'drop_before', 'drop_after'];

/** A shop with a notice address that keeps what it is told. */
export async function faultShop(w, stripe) {
  const told = [];
  const shop = await registerShop(w, { webhook: ({ headers, body }, response) => { told.push({ id: headers['webhook-id'], ...JSON.parse(body) }); response.writeHead(204).end(); } });
  await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } });
  Object.assign(shop, await connectShop(w, stripe, shop), { told });
  await sellToAgents(w, shop.key);
  const agent = await addAgent(w, shop, { webhook_url: `http://127.0.0.1:${new URL(shop.origin).port}/agent` });
  return Object.assign(shop, { agent, ...speaker(w, agent.api_key) });
}

/** What a client does that gets no answer, or one that says "again": the same request once more, until it is through. */
async function insist(send, { tries = 8 } = {}) {
  let answer;
  for (let n = 0; n < tries; n += 1) {
    answer = await send();
    const again = ['idempotency_in_flight', 'order_in_flight', 'complete_in_progress', 'conflict'];
    if (answer.status < 500 && answer.status !== 599 && answer.status !== 429 && !again.includes(answer.body?.error?.code ?? answer.body?.code)) return answer;
  }
  return answer;
}

/** A lock that a crash left is free after a minute; tests do not wait for it, they let the minute pass. */
async function passAMinute(w) {
  await w.d1('UPDATE idempotency SET locked_until = 0 WHERE status IS NULL');
  await w.d1('UPDATE transactions SET attempt_until = 0');
}

/** Everything that goes on by itself, to its end. */
export async function settleAll(w, stripe) {
  await stripe.webhooks.drained();
  for (let run = 0; run < 2; run += 1) {
    await w.d1('UPDATE transactions SET check_at = 1, attempt_until = 0 WHERE check_at IS NOT NULL');
    await w.d1('UPDATE notices SET due_at = 1 WHERE due_at IS NOT NULL');
    await w.d1('UPDATE deauthorizations SET due_at = 1');
    await w.scheduled();
    await stripe.webhooks.drained();
  }
}

/**
 * The journeys. Each: `setup` (undisturbed) → `run` (the request under fault, as its client sends it) → `again` (what the client does
 * after no answer); what must hold is checked for all of them alike.
 */
export const JOURNEYS = {
  create: {
    setup: async () => ({}),
    run: (c) => c.api('POST', '/v1/checkout/sessions', { idempotencyKey: c.name, body: chatBody(c.shop, { cart: { order_id: c.name } }) }),
    finish: async (c, answer) => { if (answer.status === 201) await c.stripe.pay(answer.body.id); },
  },
  complete: {
    setup: async (c) => {
      const made = await c.create();
      c.stripe.webhooks.pause();
      const { location } = await c.stripe.pay(made.id);
      c.stripe.webhooks.drop();
      c.stripe.webhooks.resume();
      return { location };
    },
    run: (c) => c.w.fetch(c.location).then((answer) => ({ status: answer.status, location: answer.headers.get('location') })),
    finish: async (_c, answer) => assert.equal(answer.status, 303, 'the buyer always goes home'),
  },
  webhook: {
    setup: async (c) => {
      const made = await c.create();
      c.stripe.webhooks.pause();
      const before = c.stripe.books().events.length;
      await c.stripe.pay(made.id);
      c.stripe.webhooks.drop();
      c.stripe.webhooks.resume();
      return { event: c.stripe.books().events.slice(before).find(({ type }) => type === 'checkout.session.completed') };
    },
    run: async (c) => ({ status: (await c.stripe.send(c.event, { url: `${c.w.url}/stripe/webhooks`, secret: c.w.webhookSecrets.connect }))[0] || 599 }),
    finish: async () => {},
  },
  refund: {
    setup: async (c) => ({ paid: await c.paid() }),
    run: (c) => c.api('POST', `/v1/transactions/${c.paid.transaction}/refunds`, { idempotencyKey: c.name, body: { amount: 700 } }),
    finish: async (c, answer) => assert.equal(answer.status, 201, answer.text),
    refunded: 700,
  },
  capture: {
    setup: async (c) => {
      const made = await c.create({ capture: 'manual' });
      await c.stripe.pay(made.id);
      await c.stripe.webhooks.drained();
      return { held: made };
    },
    run: (c) => c.api('POST', `/v1/transactions/${c.held.transaction}/capture`, { idempotencyKey: c.name, body: {} }),
    finish: async (c, answer) => assert.equal(answer.status, 200, answer.text),
  },
  expire: {
    setup: async (c) => ({ made: await c.create() }),
    run: (c) => c.api('POST', `/v1/checkout/sessions/${c.made.id}/expire`),
    finish: async (c, answer) => assert.equal(answer.body?.status, 'expired', answer.text),
  },
  confirm: {
    setup: async (c) => {
      const begun = await beginConnect(c.w, c.shop, { mode: 'test', replace: true });
      const back = await comeBack(c.w, c.stripe, begun, { newAccount: true });
      return { claim: back.claim, verifier: begun.verifier };
    },
    run: (c) => c.api('POST', '/v1/connect/confirm', { body: { claim: c.claim, verifier: c.verifier } }),
    finish: async (c, answer) => {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.connected, true);
      assert.deepEqual(await c.w.d1("SELECT count(*) AS n FROM connections WHERE shop_id = ? AND status = 'active'", c.shop.id), [{ n: 1 }]);
    },
  },
  agent_creates: {
    setup: async () => ({}),
    run: (c) => c.shop.call('POST', '/checkout_sessions', toBuy(c), { key: c.name }),
    finish: async (c, answer) => {
      assert.equal(answer.status, 201, answer.text);
      const made = await c.w.d1("SELECT count(*) AS n FROM acp_sessions WHERE json_extract(state, '$.metadata.order') = ?", c.name);
      assert.deepEqual(made, [{ n: 1 }], 'one checkout, however often it was asked for');
    },
  },
  agent_pays: {
    setup: agentReady,
    run: (c) => c.shop.call('POST', `/checkout_sessions/${c.checkout}/complete`, payBody(c.token), { key: c.name }),
    finish: async (c, answer) => {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.status, 'completed', answer.text);
    },
  },
  // Whoever paid never asks again: webhook and sweep have to find it all.
  agent_leaves: {
    setup: agentReady,
    run: (c) => c.shop.call('POST', `/checkout_sessions/${c.checkout}/complete`, payBody(c.token), { key: c.name }).then((answer) => ({ ...answer, status: 200 }), () => ({ status: 200 })),
    finish: async () => {},
  },
  // Only the webhook tells of it.
  agent_webhook: {
    setup: async (c) => {
      await agentReady(c);
      c.stripe.webhooks.pause();
      const before = c.stripe.books().events.length;
      c.stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'drop_after', times: 1 });
      await c.shop.call('POST', `/checkout_sessions/${c.checkout}/complete`, payBody(c.token), { key: c.name });
      c.stripe.webhooks.drop();
      c.stripe.webhooks.resume();
      return { event: c.stripe.books().events.slice(before).find(({ type }) => type === 'payment_intent.succeeded') };
    },
    run: async (c) => ({ status: (await c.stripe.send(c.event, { url: `${c.w.url}/stripe/webhooks`, secret: c.w.webhookSecrets.connect }))[0] || 599 }),
    finish: async () => {},
  },
  sweep: {
    setup: async (c) => {
      const made = await c.create();
      c.stripe.webhooks.pause();
      await c.stripe.pay(made.id);
      c.stripe.webhooks.drop();
      c.stripe.webhooks.resume();
      await c.w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', made.transaction);
      return {};
    },
    run: (c) => c.w.scheduled().then(() => ({ status: 200 }), () => ({ status: 599 })),
    finish: async () => {},
  },
};

const toBuy = (c) => ({ line_items: [{ id: 'mug', quantity: 1 }], currency: 'usd', capabilities: {}, metadata: { order: c.name }, fulfillment_details: { address: ADDRESS } });

/** A checkout of an agent's that is ready to be paid, and a token for it. */
async function agentReady(c) {
  const made = await c.shop.call('POST', '/checkout_sessions', toBuy(c));
  assert.equal(made.body.status, 'ready_for_payment', made.text);
  // Another journey may have connected another account since.
  const { account } = (await c.api('GET', '/v1/connection?mode=test')).body;
  return Object.assign(c, { checkout: made.body.id, token: await c.stripe.grantToken({ account, maxAmount: 1_000_000 }) });
}

/** One journey with one fault (or none), and all that follows. -> what the undisturbed run called */
export async function disturbed({ w, stripe, shop, journey, name, fault }) {
  const { setup, run, finish, refunded = 0 } = JOURNEYS[journey];
  const c = {
    w, stripe, shop, name,
    api: (method, path, options = {}) => w.api(method, path, { key: shop.key, ...options }),
    async create(more = {}) {
      const made = await c.api('POST', '/v1/checkout/sessions', { idempotencyKey: `${name}-setup`, body: chatBody(shop, { cart: { order_id: name }, ...more }) });
      assert.equal(made.status, 201, made.text);
      return made.body;
    },
    async paid() {
      const made = await c.create();
      await stripe.pay(made.id);
      await stripe.webhooks.drained();
      return made;
    },
  };
  Object.assign(c, await setup(c));
  const asked = stripe.requests.length;
  await w.fault(fault?.binding ? [fault.binding] : []);
  if (fault?.stripe) stripe.misbehave(fault.stripe);
  const first = await run(c);
  const calls = await w.faultCalls();
  const routes = stripe.requests.slice(asked).map(({ route }) => route);
  // The rest of the world works.
  await w.fault();
  stripe.clearMisbehaviour();
  await passAMinute(w);
  const last = first.status < 400 && first.status > 0 ? first : await insist(async () => { await passAMinute(w); return run(c); });
  await finish(c, last);
  await settleAll(w, stripe);
  await agree({ w, stripe, shop, name, refunded, checkout: c.checkout });
  return { calls, routes };
}

/** An agent's checkout, its order and its stock, against the transaction. */
async function agreeOnCheckout({ w, shop, name, checkout, row, sold }) {
  const [{ status }] = await w.d1('SELECT status FROM acp_sessions WHERE id = ?', checkout);
  assert.equal(status, sold ? 'completed' : 'ready_for_payment', name);
  const orders = await w.d1('SELECT id FROM orders WHERE checkout_session = ?', checkout);
  assert.equal(orders.length, sold ? 1 : 0, `${name}: one order for one payment`);
  assert.deepEqual(await w.d1('SELECT * FROM stock_holds WHERE holder = ?', checkout), [], `${name}: nothing is held any more`);
  if (!sold) return assert.ok(!row || row.stripe_form === null, `${name}: it can be paid anew`);
  for (const type of ['order.created', 'order_create']) {
    const notices = await w.d1('SELECT status FROM notices WHERE shop_id = ? AND type = ? AND (object LIKE ?)', shop.id, type, `%${orders[0].id}%`);
    assert.deepEqual(notices.map((notice) => notice.status), ['delivered'], `${name}: ${type}`);
  }
}

/** Our books about one order and Stripe's. */
async function agree({ w, stripe, shop, name, refunded, checkout }) {
  const rows = await w.d1(`SELECT * FROM transactions WHERE shop_id = ? AND ${checkout ? 'checkout_session' : 'order_id'} = ?`, shop.id, checkout ?? name);
  const ids = new Set(rows.map(({ id }) => id));
  const money = stripe.payments().filter(({ cc_transaction }) => ids.has(cc_transaction)).filter(({ status }) => ['succeeded', 'requires_capture', 'processing'].includes(status));
  assert.ok(money.length <= 1, `${name}: paid ${money.length} times`);
  const sold = rows.filter(({ status }) => ['paid', 'partially_refunded', 'refunded', 'disputed'].includes(status));
  assert.equal(sold.length, money.filter(({ status }) => status === 'succeeded').length, `${name}: ${rows.map(({ status }) => status)} against ${money.map(({ status }) => status)}`);
  if (checkout) await agreeOnCheckout({ w, shop, name, checkout, row: rows[0], sold: sold.length === 1 });
  for (const [row, payment] of sold.map((one, n) => [one, money[n]])) {
    assert.deepEqual(
      { captured: row.amount_captured, refunded: row.amount_refunded, fee: row.application_fee_amount, intent: row.payment_intent },
      { captured: payment.amount_captured, refunded: payment.amount_refunded, fee: payment.application_fee_amount ?? 0, intent: payment.payment_intent }, name,
    );
    assert.equal(row.amount_refunded, refunded, `${name}: refunded once, not twice`);
    const notices = await w.d1("SELECT id, status FROM notices WHERE transaction_id = ? AND type = 'transaction.paid'", row.id);
    assert.equal(notices.length, 1, `${name}: one transaction.paid`);
    assert.equal(notices[0].status, 'delivered', name);
    assert.ok(shop.told.some(({ id }) => id === notices[0].id), `${name}: the shop was told`);
    assert.deepEqual(new Set(shop.told.filter(({ type, data }) => type === 'transaction.paid' && data.object.id === row.id).map(({ id }) => id)), new Set([notices[0].id]), name);
  }
  // A Session that Stripe made behind a 500 that it keeps repeating stays open there until its time is over: nobody has its address.
  for (const session of stripe.books().sessions.filter(({ status, metadata }) => status === 'open' && ids.has(metadata.cc_transaction))) {
    const row = rows.find(({ checkout_session }) => checkout_session === session.id);
    assert.ok(!row || row.status === 'open', `${name}: ${session.id} can still be paid, and the row says ${row?.status}`);
  }
  assert.deepEqual(await w.d1('SELECT * FROM strays WHERE transaction_id IN (SELECT id FROM transactions WHERE shop_id = ? AND order_id = ?)', shop.id, name), [], name);
}

/** Every fault of every call of a journey, from what an undisturbed run of it called. */
export function faultsOf({ calls, routes }) {
  const nth = (list, place) => list.slice(0, place + 1).filter((one) => one === list[place]).length;
  const bindings = calls.flatMap((on, place) => BINDING_FAULTS.map((how) => ({ name: `${on}#${nth(calls, place)} ${how}`, binding: { on, nth: nth(calls, place), how } })));
  // Stripe's calls of one journey differ in their route; one that is made twice fails the first time.
  const stripe = [...new Set(routes)].flatMap((on) => STRIPE_FAULTS.map((how) => ({ name: `${on} ${how}`, stripe: { on, how, times: 1 } })));
  return [...bindings, ...stripe];
}

/** The suite, over every `each`th fault of each journey. */
export function faultRun({ each = 1, least }) {
  let stripe, w, shop;
  let injected = 0;

  before(async () => {
    stripe = await startStripe({ retryPauses: [10, 20] });
    w = await startWorker({ stripe, faults: true });
    shop = await faultShop(w, stripe);
  });

  after(async () => {
    await w?.close();
    await stripe?.close();
    await shop?.close();
  });

  for (const journey of Object.keys(JOURNEYS)) {
    describe(journey, () => {
      let faults = [];

      test('undisturbed', async () => {
        const seen = await disturbed({ w, stripe, shop, journey, name: `${journey}-0` });
        faults = faultsOf(seen);
        assert.ok(seen.calls.length > 0, 'it calls something that can fail');
      });

      test('with each fault of each call: the books agree afterwards', async (t) => {
        for (const [n, fault] of [...faults.entries()].filter(([place]) => place % each === 0)) {
          await disturbed({ w, stripe, shop, journey, name: `${journey}-${n + 1} (${fault.name})`, fault });
          injected += 1;
        }
        t.diagnostic(`${Math.ceil(faults.length / each)} of ${faults.length} faults injected`);
      });
    });
  }

  test('no panic, every fault was injected, and the days of the ledger come to what its rows do', async (t) => {
    assert.deepEqual(...await ledgerDays(w));
    assert.ok(!w.logs().text.includes('panicked'), w.logs().text);
    assert.ok(injected >= least, `${injected}`);
    t.diagnostic(`${injected} faults injected in all; lost 0, doubled 0`);
  });
}
