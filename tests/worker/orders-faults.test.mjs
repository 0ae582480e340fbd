// Each call to D1 while an order changes goes wrong in each way: the client sends the same again, the sweep runs, and then the order
// is what was wanted, its agent was told so exactly once, and last.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentShop, buyAs } from '../support/agent.mjs';
import { eventually } from '../support/answers.mjs';
import { startReceiver } from '../support/receiver.mjs';
import { startWorker } from '../support/worker.mjs';

const HOW = ['refuse', 'lose', 'die', 'die_after'];
let stripe, w, at, receiver, tells;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
  receiver = await startReceiver();
  const webhook = ({ body }, response) => {
    const { type, data } = JSON.parse(body);
    response.writeHead(200).end(tells && type === 'order.created' ? JSON.stringify({ order_id: `W-${data.object.id}` }) : '');
  };
  at = await agentShop(w, stripe, { agent: { webhook_url: receiver.url }, shop: { webhook } });
  await w.api('PATCH', '/v1/shop', { key: at.shop.key, body: { webhook_url: `${at.shop.origin}/notices` } });
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await receiver?.close();
  await at?.shop.close();
});

const key = () => ({ key: at.shop.key });
const order = (id) => w.api('GET', `/v1/orders/${id}`, key()).then(({ body }) => body);
const eventsOf = (transaction) => w.d1('SELECT id, type, status, object FROM notices WHERE agent_id IS NOT NULL AND transaction_id = ? ORDER BY rowid', transaction);

/** Until nothing is due any more: what a crash left under a lease is due again when that has run out. */
async function settle() {
  for (let n = 0; n < 6; n += 1) {
    await stripe.webhooks.drained();
    await w.d1('UPDATE notices SET due_at = 1 WHERE due_at IS NOT NULL');
    await w.d1('UPDATE idempotency SET locked_until = 0 WHERE status IS NULL');
    await w.scheduled();
    if ((await w.d1("SELECT count(*) AS n FROM notices WHERE status = 'due'"))[0].n === 0) return;
  }
  assert.fail('something is still due');
}

async function insist(send) {
  let answer;
  for (let n = 0; n < 8; n += 1) {
    answer = await send();
    if (answer.status < 500 && answer.status !== 409) return answer;
    await w.d1('UPDATE idempotency SET locked_until = 0 WHERE status IS NULL');
  }
  return answer;
}

const JOURNEYS = {
  'a shop tells what becomes of it': {
    send: (one) => w.api('PATCH', `/v1/orders/${one.id}`, { ...key(), body: { order_id: `W-${one.id}`, status: 'shipped', fulfillments: [{ type: 'shipping', status: 'shipped', tracking_number: 'X1' }] } }),
    status: 200,
    good: (now) => now.status === 'shipped' && now.fulfillments.length === 1 && now.fulfillments[0].events.length === 1 && now.order_id === `W-${now.id}`,
    told: (data) => data.status === 'shipped',
  },
  'a shop answers to order.created': {
    prepare: async (one) => {
      tells = true;
      [one.notice] = (await w.d1("SELECT id FROM notices WHERE type = 'order.created' AND transaction_id = ?", one.transaction)).map(({ id }) => id);
    },
    send: (one) => w.api('POST', `/v1/events/${one.notice}/resend`, key()),
    status: 200,
    good: (now) => now.order_id === `W-${now.id}`,
    told: (data) => data.type === 'order',
  },
  'money is given back': {
    prepare: (one) => { one.attempt = randomUUID(); },
    send: (one) => w.api('POST', `/v1/transactions/${one.transaction}/refunds`, { ...key(), body: { amount: 100 }, idempotencyKey: one.attempt }),
    status: 201,
    good: (now) => now.amount_refunded === 100 && now.adjustments.length === 1,
    told: (data) => data.adjustments.length === 1,
    // What comes behind these is telling, as above.
    most: 5,
  },
};

for (const [name, journey] of Object.entries(JOURNEYS)) {
  describe(name, () => {
    /** One order, changed while the rules hold, then again by who got no answer, then by itself. -> the calls that it took */
    async function once(rules) {
      tells = false;
      const made = await buyAs(stripe, at.account, at.call);
      await settle();
      const [{ transaction_id: transaction }] = await w.d1('SELECT transaction_id FROM orders WHERE id = ?', made.id);
      const one = { id: made.id, transaction };
      await journey.prepare?.(one);
      await w.fault(rules);
      await journey.send(one);
      // What goes on behind the answer has its chance to fail, too.
      if (rules.length === 0) await eventually(async () => (await eventsOf(transaction)).at(-1).type === 'order_update' && (await eventsOf(transaction)).every(({ status }) => status === 'delivered'));
      const calls = (await w.faultCalls()).filter((call) => call === 'DB.batch').length;
      await w.fault([]);
      const answer = await insist(() => journey.send(one));
      assert.equal(answer.status, journey.status, answer.text);
      await settle();
      const now = await order(made.id);
      assert.ok(journey.good(now), JSON.stringify(now));
      const events = await eventsOf(transaction);
      assert.deepEqual(events.map(({ type, status }) => `${type} ${status}`), ['order_create delivered', 'order_update delivered']);
      const seen = receiver.events.filter(({ event }) => event.data.checkout_session_id === now.checkout_session);
      assert.equal(seen.at(-1).body, events.at(-1).object);
      assert.ok(journey.told(seen.at(-1).event.data));
      assert.equal(seen.at(-1).event.data.adjustments.length, now.adjustments.length);
      return calls;
    }

    let calls;
    test('as it goes when nothing fails', async () => {
      calls = await once([]);
      assert.ok(calls >= 4, `${calls} calls`);
    });
    for (const how of HOW) {
      test(`each call: ${how}`, { timeout: 120_000 }, async () => {
        for (let nth = 1; nth <= Math.min(calls, journey.most ?? calls); nth += 1) await once([{ on: 'DB.batch', nth, how }]);
      });
    }
  });
}
