// Objects of Stripe's that leave out what is known already (the mode, a sum, whose it is): of another API version, or of a stand-in. A
// payment must not be lost for that, and no answer to a call of our own is taken for somebody else's.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentShop, ADDRESS, payBody } from '../support/agent.mjs';
import { fine } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, account;
before(async () => {
  stripe = await startStripe({ retryPauses: [20] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => { await shop?.close(); await w?.close(); await stripe?.close(); });
afterEach(() => { stripe.clearMisbehaviour(); stripe.webhooks.drop(); stripe.webhooks.resume(); });

const now = () => Math.floor(Date.now() / 1000);
const look = async (id) => fine(await w.api('GET', `/v1/transactions/${id}`, { key: shop.key }));
const post = (path, body = {}, idempotencyKey = randomUUID()) => w.api('POST', path, { key: shop.key, idempotencyKey, body });
const deliver = (type, object, more = {}) => stripe.send({ id: `evt_${randomUUID()}`, object: 'event', type, created: now(), account, livemode: false, data: { object }, ...more }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
const intentOf = (transaction) => stripe.books().payment_intents.find(({ metadata }) => metadata.cc_transaction === transaction);

/** A transaction that is paid, and told as Stripe does. */
async function paid(more) {
  const session = await createSession(w, shop, chatBody(shop, more));
  await stripe.pay(session.id);
  await stripe.webhooks.drained();
  return session.transaction;
}
/** One that is paid at Stripe and of which nothing is told. */
async function untold(more) {
  const session = await createSession(w, shop, chatBody(shop, more));
  stripe.webhooks.pause();
  await stripe.pay(session.id);
  stripe.webhooks.drop();
  return session;
}

describe('an event of few words', () => {
  test('a Session that was paid, failed or expired', async () => {
    for (const [type, words, status] of [
      ['completed', { payment_status: 'paid' }, 'paid'], ['completed', { payment_status: 'unpaid' }, 'processing'],
      ['async_payment_failed', { payment_status: 'unpaid' }, 'failed'], ['expired', { payment_status: 'unpaid' }, 'expired'],
    ]) {
      const session = await createSession(w, shop);
      const [answer] = await deliver(`checkout.session.${type}`, { id: session.id, amount_total: 2000, currency: 'usd', metadata: { cc_transaction: session.transaction }, ...words });
      assert.deepEqual([answer, (await look(session.transaction)).status], [200, status], type);
    }
  });

  test('a PaymentIntent that succeeded or is held', async () => {
    for (const [type, capture, status] of [['succeeded', 'automatic', 'paid'], ['amount_capturable_updated', 'manual', 'authorized']]) {
      const session = await untold({ capture });
      const { id } = intentOf(session.transaction);
      await deliver(`payment_intent.${type}`, { id, amount: 2000, currency: 'usd', metadata: { cc_transaction: session.transaction } });
      const row = await look(session.transaction);
      assert.deepEqual([row.status, row.amount_captured, row.amount_capturable], status === 'paid' ? ['paid', 2000, 0] : ['authorized', 0, 2000]);
    }
  });

  test('charge.refunded alone: the sum counts, and gives way to the refunds that make it up', async () => {
    const transaction = await paid();
    const { id } = intentOf(transaction);
    const refunded = (amount_refunded) => deliver('charge.refunded', { id: 'ch_few', amount: 2000, amount_refunded, currency: 'usd', payment_intent: id });
    const sums = async () => { const { amount_refunded, status, refunds } = await look(transaction); return [amount_refunded, status, refunds.length]; };
    await refunded(500);
    assert.deepEqual(await sums(), [500, 'partially_refunded', 1]);
    await refunded(500);
    await refunded(700);
    assert.deepEqual(await sums(), [700, 'partially_refunded', 2]);
    await deliver('refund.created', { id: 're_few', amount: 600, status: 'succeeded', currency: 'usd', payment_intent: id, created: now() + 5 });
    assert.deepEqual((await sums())[0], 700, 'told by itself now, and not once more');
    await refunded(2000);
    assert.deepEqual((await sums()).slice(0, 2), [2000, 'refunded']);
  });

  test('charge.refunded with the refunds in it, as older versions have it; Stripe lists none', async () => {
    const transaction = await paid();
    const { id } = intentOf(transaction);
    const refunds = { object: 'list', data: [{ id: 're_embedded', amount: 300, status: 'succeeded', currency: 'usd', payment_intent: id, created: now() }] };
    await deliver('charge.refunded', { id: 'ch_old', amount: 2000, amount_refunded: 300, currency: 'usd', payment_intent: id, refunds });
    const row = await look(transaction);
    assert.deepEqual(row.refunds.map((refund) => [refund.id, refund.amount]), [['re_embedded', 300]]);
  });

  test('charge.refunded of a payment that was captured in part: what was released is no refund', async () => {
    const session = await untold({ capture: 'manual' });
    await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`);
    stripe.webhooks.pause();
    assert.equal((await post(`/v1/transactions/${session.transaction}/capture`, { amount: 1500 })).body.amount_captured, 1500);
    const { id } = intentOf(session.transaction);
    for (const [amount_refunded, amount_captured] of [[500, 1500], [500, undefined], [700, 1500]]) {
      await deliver('charge.refunded', { id: 'ch_part', amount: 2000, amount_captured, captured: true, amount_refunded, currency: 'usd', payment_intent: id });
      const row = await look(session.transaction);
      assert.deepEqual([row.status, row.amount_refunded, row.refunds], ['paid', 0, []]);
    }
    assert.deepEqual(await w.d1('SELECT * FROM strays WHERE transaction_id = ?', session.transaction), []);
  });

  test('what says something else is still a stray', async () => {
    const session = await createSession(w, shop);
    const object = { id: session.id, amount_total: 2000, currency: 'usd', payment_status: 'paid', metadata: { cc_transaction: session.transaction } };
    for (const wrong of [{ livemode: true }, { currency: 'eur' }, { amount_total: 1 }, { payment_intent: { id: 'pi_1', amount: 7 } }, { payment_intent: { id: 'pi_1', livemode: true, metadata: { cc_transaction: 'cct_other' } } }]) {
      await deliver('checkout.session.completed', { ...object, ...wrong });
      assert.equal((await look(session.transaction)).status, 'open', JSON.stringify(wrong));
    }
  });
});

describe('an answer of few words', () => {
  test('a Session that was made', async () => {
    stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'bend', fields: { livemode: undefined, object: undefined } });
    assert.equal((await post('/v1/checkout/sessions', chatBody(shop))).status, 201);
  });

  test('a Session of which the PaymentIntent says little more than its id: the buyer comes home paid', async () => {
    const session = await untold();
    const { id } = intentOf(session.transaction);
    stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how: 'bend', fields: { livemode: undefined, payment_intent: { id, latest_charge: { created: 5 } } } });
    const answer = await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`);
    assert.equal(new URL(answer.headers.get('location')).searchParams.get('status'), 'paid');
  });

  test('a refund that does not say whose it is: once, whichever is first, its event or its answer', async () => {
    const fields = { metadata: {}, currency: undefined, payment_intent: undefined, livemode: undefined };
    const transaction = await paid();
    stripe.webhooks.pause();
    stripe.misbehave({ on: 'POST /v1/refunds', how: 'bend', fields });
    const key = randomUUID();
    const made = await post(`/v1/transactions/${transaction}/refunds`, { amount: 700 }, key);
    assert.deepEqual([made.status, made.body.amount], [201, 700], made.text);
    assert.equal((await post(`/v1/transactions/${transaction}/refunds`, { amount: 700 }, key)).headers.get('idempotent-replayed'), 'true');
    assert.deepEqual([(await look(transaction)).amount_refunded, (await look(transaction)).refunds.length], [700, 1]);
    // The event first, and it names nothing either.
    stripe.misbehave({ on: 'POST /v1/refunds', how: 'hold_after' });
    const second = post(`/v1/transactions/${transaction}/refunds`, { amount: 300 });
    await stripe.holding();
    const { id } = stripe.books().refunds.find(({ amount, payment_intent }) => amount === 300 && payment_intent === intentOf(transaction).id);
    await deliver('refund.created', { id, amount: 300, status: 'succeeded', payment_intent: intentOf(transaction).id, created: now() + 5 });
    stripe.clearMisbehaviour();
    stripe.release();
    assert.equal((await second).status, 201);
    const row = await look(transaction);
    assert.deepEqual([row.amount_refunded, row.refunds.length], [1000, 2]);
    assert.equal((await post(`/v1/transactions/${transaction}/refunds`)).body.amount, 1000, 'the rest, and no less');
  });

  test('a capture', async () => {
    for (const [amount, captured] of [[undefined, 2000], [800, 800]]) {
      const session = await untold({ capture: 'manual' });
      await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`);
      stripe.webhooks.pause();
      stripe.misbehave({ on: 'POST /v1/payment_intents/{intent}/capture', how: 'bend', fields: { metadata: undefined, livemode: undefined, amount: undefined, amount_received: undefined, currency: undefined } });
      const made = await post(`/v1/transactions/${session.transaction}/capture`, { amount });
      assert.deepEqual([made.status, made.body.status, made.body.amount_captured], [200, 'paid', captured], made.text);
    }
  });

  test('an agent’s payment', async (t) => {
    const s = await agentShop(w, stripe);
    t.after(() => s.shop.close());
    const made = await s.call('POST', '/checkout_sessions', { line_items: [{ id: 'mug', quantity: 1 }], currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } });
    stripe.webhooks.pause();
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'bend', fields: { metadata: undefined, livemode: undefined, amount: undefined, amount_received: undefined, currency: undefined } });
    const paidFor = await s.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(await stripe.grantToken({ account: s.account, maxAmount: 1_000_000 })));
    assert.deepEqual([paidFor.status, paidFor.body.status], [200, 'completed'], paidFor.text);
  });

  test('of another payment it is nobody’s', async () => {
    const session = await untold({ capture: 'manual' });
    await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`);
    stripe.webhooks.pause();
    stripe.misbehave({ on: 'POST /v1/payment_intents/{intent}/capture', how: 'bend', fields: { metadata: { cc_transaction: 'cct_other' } } });
    assert.equal((await post(`/v1/transactions/${session.transaction}/capture`)).status, 500);
    assert.equal((await look(session.transaction)).status, 'authorized');
  });
});

test('two shops on one account, disconnected at Stripe in the second of connecting: both are told', async () => {
  const [one, two] = [await registerShop(w), await registerShop(w)];
  const { account: shared } = await connectShop(w, stripe, one);
  await connectShop(w, stripe, two, { account: shared });
  const [{ second }] = await w.d1('SELECT max(connected_at) AS second FROM connections WHERE account = ?', shared);
  await deliver('account.application.deauthorized', { id: 'ca_1', object: 'application' }, { account: shared, created: second });
  for (const each of [one, two]) assert.equal((await w.api('GET', '/v1/connection?mode=test', { key: each.key })).body.connected, false);
  await Promise.all([one.close(), two.close()]);
});
