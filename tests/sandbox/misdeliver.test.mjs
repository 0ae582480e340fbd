// Events that go astray because a test wants it: lost, doubled, late, in another order, or heard although nobody knows.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { listener, start } from './support.mjs';

describe('Misdelivery', () => {
  let stripe, call, merchant, session, shop, hook;
  before(async () => {
    hook = await listener();
    ({ stripe, call, merchant, session } = await start({ completedWaitMs: 50, webhooks: [{ url: hook.url, secret: 'whsec_1', connect: true }] }));
    shop = await merchant();
  });
  afterEach(async () => {
    stripe.clearMisbehaviour();
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    hook.heard.length = 0;
    hook.answer = 200;
  });
  after(async () => {
    await stripe.close();
    await hook.close();
  });

  const paid = async () => {
    const made = await session(shop);
    await stripe.pay(made.id);
    return made.id;
  };
  /** A payment whose events are out of the way. */
  const settled = async () => {
    const id = await paid();
    await stripe.webhooks.drained();
    hook.heard.length = 0;
    return id;
  };
  const heard = (type) => hook.heard.filter(({ event }) => event.type === type);

  test('lost: never sent, and only the Events API knows', async () => {
    stripe.misdeliver({ on: 'payment_intent.succeeded', how: 'lose' });
    await paid();
    await stripe.webhooks.drained();
    assert.equal(heard('payment_intent.succeeded').length, 0);
    assert.equal(heard('checkout.session.completed').length, 1);
    const { body } = await call('GET', '/v1/events', { type: 'payment_intent.succeeded', delivery_success: false }, { account: shop });
    assert.equal(body.data.length, 1);
    await paid();
    await stripe.webhooks.drained();
    assert.equal(heard('payment_intent.succeeded').length, 1, 'once was asked for');
  });

  test('twice: the same event at the same moment', async () => {
    stripe.misdeliver({ on: /^checkout/, how: 'twice' });
    await paid();
    await stripe.webhooks.drained();
    const both = heard('checkout.session.completed');
    assert.deepEqual([both.length, new Set(both.map(({ event }) => event.id)).size], [2, 1]);
    assert.equal(stripe.books().events.at(-1).pending_webhooks, 0);
  });

  test('late: after a while, and everything else before it', async () => {
    const id = await settled();
    stripe.misdeliver({ on: 'refund.created', how: 'late', ms: 60 });
    const began = Date.now();
    await stripe.refund(id);
    await stripe.webhooks.drained();
    assert.equal(hook.types().at(-1), 'refund.created');
    assert.ok(Date.now() - began >= 55);
  });

  test('behind: after the next event to the same endpoint, or after a while when none comes', async () => {
    const id = await settled();
    stripe.misdeliver({ on: 'charge.dispute.created', how: 'behind', ms: 60_000 });
    await stripe.dispute(id);
    await stripe.webhooks.drained();
    assert.deepEqual(hook.types(), ['charge.dispute.funds_withdrawn', 'charge.dispute.created']);
    stripe.misdeliver({ how: 'behind', ms: 30 });
    await stripe.expire((await session(shop)).id);
    await stripe.webhooks.drained();
    assert.equal(hook.types().at(-1), 'checkout.session.expired');
  });

  test('unheard: taken by the endpoint, and sent again all the same', async () => {
    stripe.misdeliver({ on: 'checkout.session.expired', how: 'unheard' });
    await stripe.expire((await session(shop)).id);
    await stripe.webhooks.drained();
    assert.equal(heard('checkout.session.expired').length, 2);
    assert.deepEqual(stripe.webhooks.deliveries.slice(-2).map(({ status, attempt }) => [status, attempt]), [[0, 1], [200, 2]]);
  });

  test('rules by family, for every event, until called off; an unknown way is refused', async () => {
    const id = await settled();
    stripe.misdeliver({ on: 'refund.*', how: 'lose', times: Infinity });
    await stripe.refund(id, { amount: 100 });
    await stripe.webhooks.drained();
    assert.deepEqual(hook.types(), ['charge.refunded']);
    stripe.clearMisbehaviour();
    await stripe.refund(id, { amount: 100 });
    await stripe.webhooks.drained();
    assert.equal(heard('refund.created').length, 1);
    assert.throws(() => stripe.misdeliver({ how: 'rudely' }), /how is one of lose, twice/);
  });

  test('held back, then told one by one in the order of the test\'s choice, in copies', async () => {
    const run = async (options) => {
      stripe.webhooks.pause();
      const from = stripe.books().events.length;
      await paid();
      const made = stripe.books().events.slice(from).map(({ type }) => type);
      hook.heard.length = 0;
      const told = await stripe.webhooks.deliver(options);
      return { made, told, types: hook.types() };
    };
    const reversed = await run({ order: 'reversed' });
    assert.deepEqual(reversed.types, reversed.made.toReversed());
    assert.deepEqual(reversed.told[0], { type: 'checkout.session.completed', status: 200 });
    const twice = await run({ copies: 2 });
    assert.deepEqual(twice.types, twice.made.flatMap((type) => [type, type]));
    const [one, again] = [await run({ order: 'shuffled', seed: 7 }), await run({ order: 'shuffled', seed: 7 })];
    assert.deepEqual(one.types, again.types, 'the same seed, the same order');
    assert.deepEqual(one.types.toSorted(), one.made.toSorted());
    const orders = new Set();
    for (let seed = 1; seed <= 8; seed += 1) orders.add((await run({ order: 'shuffled', seed })).types.join());
    assert.ok(orders.size > 1);
    await assert.rejects(stripe.webhooks.deliver({ order: 'random' }), /order is one of/);
    await stripe.expire((await session(shop)).id);
    await stripe.webhooks.drained();
    assert.equal(hook.types().at(-1), 'checkout.session.expired', 'afterwards it flows as usual');
  });

  test('one that the endpoint refuses while told by hand is tried again as usual', async () => {
    const made = await session(shop);
    stripe.webhooks.pause();
    await stripe.expire(made.id);
    let tries = 0;
    hook.answer = () => [500, 200][tries++];
    assert.deepEqual(await stripe.webhooks.deliver(), [{ type: 'checkout.session.expired', status: 500 }]);
    await stripe.webhooks.drained();
    assert.equal(tries, 2);
  });

  test('other processes do the same', async () => {
    const control = async (name, ...args) => (await (await fetch(`${stripe.url}/_sandbox/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ args }) })).json()).result;
    await control('misdeliver', { on: { regexp: '^checkout' }, how: 'lose' });
    assert.deepEqual((await (await fetch(`${stripe.url}/_sandbox/misdelivery`)).json()).result, [{ on: '/^checkout/', how: 'lose', left: 1, ms: 2000 }]);
    await control('clearMisbehaviour');
    const made = await session(shop);
    await control('webhooks/pause');
    await stripe.expire(made.id);
    assert.deepEqual(await control('webhooks/deliver', { order: 'reversed' }), [{ type: 'checkout.session.expired', status: 200 }]);
    const { id } = stripe.books().events.at(-1);
    assert.equal((await control('thin', id)).object, 'v2.core.event');
    await control('addWebhook', { url: hook.url, secret: 'whsec_2', connect: false });
    assert.equal(stripe.webhooks.endpoints.length, 2);
    stripe.setWebhooks(stripe.webhooks.endpoints.slice(0, 1));
  });
});
