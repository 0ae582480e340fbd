// A shop takes what was authorized (contract, "Ledger"): once, all or less, and the fee is never more than what is taken.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTE = 'POST /v1/payment_intents/{intent}/capture';
let stripe, w, api, shop;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '500', FEE_FIXED: 'usd=1' } });
  api = documented(w);
  shop = await registerShop(w);
  await connectShop(w, stripe, shop);
});
after(async () => { await shop?.close(); await w?.close(); await stripe?.close(); });

let key;
let count = 0;
beforeEach(() => { key = `capture-${count += 1}`; });
afterEach(() => { stripe.clearMisbehaviour(); stripe.webhooks.drop(); stripe.webhooks.resume(); });

/** An authorized transaction of 20.00 with a fee of 1.01, everything told. */
async function authorized(whose = shop) {
  const session = await createSession(w, whose, chatBody(whose, { capture: 'manual' }));
  await stripe.pay(session.id);
  await stripe.webhooks.drained();
  assert.equal((await look(session.transaction, whose)).status, 'authorized');
  return session.transaction;
}
const post = (transaction, body = {}, { as = shop.key, idempotencyKey = key } = {}) => api('POST', `/v1/transactions/${transaction}/capture`, { key: as, idempotencyKey, body });
const look = async (transaction, whose = shop) => fine(await api('GET', `/v1/transactions/${transaction}`, { key: whose.key }));
const intentOf = (transaction) => stripe.books().payment_intents.find(({ metadata }) => metadata.cc_transaction === transaction);
const sent = (transaction) => stripe.requests.filter(({ route, path }) => route === ROUTE && path.includes(intentOf(transaction).id));
const notices = async (transaction) => (await w.d1("SELECT type FROM notices WHERE transaction_id = ? ORDER BY id", transaction)).map(({ type }) => type);
const money = ({ status, amount, amount_capturable, amount_captured, application_fee_amount }) => ({ status, amount, amount_capturable, amount_captured, application_fee_amount });

describe('a capture', () => {
  test('of everything: the transaction, paid, and the shop is told once', async () => {
    const transaction = await authorized();
    // Otherwise the webhook may be faster than Stripe's answer.
    stripe.webhooks.pause();
    const made = fine(await post(transaction));
    stripe.webhooks.resume();
    assert.deepEqual(money(made), { status: 'paid', amount: 2000, amount_capturable: 0, amount_captured: 2000, application_fee_amount: 101 });
    assert.ok(made.paid_at > 0);
    await stripe.webhooks.drained();
    const kept = await look(transaction);
    assert.deepEqual(kept, made);
    assert.deepEqual(kept.events.map(({ type, by }) => `${type} by ${by}`).slice(-1), ['paid by api']);
    assert.deepEqual(await notices(transaction), ['transaction.authorized', 'transaction.paid']);
    assert.deepEqual(sent(transaction)[0].params, { amount_to_capture: '2000' });
  });

  test('of a part: the rest is released, and the fee shrinks in proportion', async () => {
    const transaction = await authorized();
    const made = fine(await post(transaction, { amount: 1500 }));
    assert.deepEqual(money(made), { status: 'paid', amount: 2000, amount_capturable: 0, amount_captured: 1500, application_fee_amount: 75 });
    assert.deepEqual(sent(transaction)[0].params, { amount_to_capture: '1500', application_fee_amount: '75' });
    const intent = intentOf(transaction);
    assert.deepEqual([intent.status, intent.amount_received, intent.application_fee_amount], ['succeeded', 1500, 75]);
    await stripe.webhooks.drained();
    assert.deepEqual(money(await look(transaction)), money(made));
    assert.deepEqual(await w.d1('SELECT * FROM strays WHERE transaction_id = ?', transaction), []);
    // Only what was taken can be given back.
    const refund = (amount) => api('POST', `/v1/transactions/${transaction}/refunds`, { key: shop.key, idempotencyKey: `${key}-${amount}`, body: { amount } });
    assert.equal(refused(await refund(1501), 422, 'refund_too_large', 'amount').amount_left, 1500);
    assert.equal(fine(await refund(1500), 201).fee_refunded, 75);
    assert.equal((await look(transaction)).status, 'refunded');
  });

  test('gross counts what was taken', async () => {
    const mine = await registerShop(w);
    await connectShop(w, stripe, mine);
    const transaction = await authorized(mine);
    fine(await post(transaction, { amount: 1 }, { as: mine.key }));
    const { data } = fine(await api('GET', '/v1/transactions/summary?group_by=currency', { key: mine.key }));
    assert.deepEqual(data.map(({ gross, fees, net }) => ({ gross, fees, net })), [{ gross: 1, fees: 0, net: 1 }]);
    await mine.close();
  });

  test('in the Dashboard: the money and the fee that were really taken', async () => {
    const transaction = await authorized();
    await stripe.capture(intentOf(transaction).id, 50);
    await stripe.webhooks.drained();
    assert.deepEqual(money(await look(transaction)), { status: 'paid', amount: 2000, amount_capturable: 0, amount_captured: 50, application_fee_amount: 50 });
    refused(await post(transaction), 422, 'payment_intent_unexpected_state');
  });
});

describe('is refused', () => {
  test('when it is more than what is authorized', async () => {
    const transaction = await authorized();
    assert.equal(refused(await post(transaction, { amount: 2001 }), 422, 'amount_too_large', 'amount').amount_capturable, 2000);
    assert.equal(sent(transaction).length, 0);
    fine(await post(transaction, { amount: 2000 }, { idempotencyKey: `${key}-b` }));
  });

  test('when nothing is authorized', async () => {
    const { id, transaction } = await createSession(w, shop);
    refused(await post(transaction), 422, 'payment_intent_unexpected_state');
    await stripe.pay(id);
    await stripe.webhooks.drained();
    refused(await post(transaction), 422, 'payment_intent_unexpected_state');
  });

  test('by Stripe, for which the authorization is over: its words, kept under the key', async () => {
    const transaction = await authorized();
    stripe.webhooks.pause();
    await stripe.cancelPayment(intentOf(transaction).id);
    const first = await post(transaction);
    assert.equal(refused(first, 422, 'stripe_refused').stripe_code, 'payment_intent_unexpected_state');
    const again = await post(transaction);
    assert.deepEqual([again.text, again.headers.get('idempotent-replayed')], [first.text, 'true']);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).status, 'canceled');
    assert.equal((await look(transaction)).amount_refunded, 0, 'what was only authorized and is released is no refund');
  });

  test('without a key, with a bad body, of nobody’s or another shop’s transaction', async () => {
    const transaction = await authorized();
    refused(await post(transaction, {}, { idempotencyKey: null }), 400, 'idempotency_key_required');
    refused(await post(transaction, { amount: 0 }), 422, 'parameter_invalid_integer', 'amount');
    refused(await post(transaction, { amount: '5' }), 400, 'parameter_invalid_integer', 'amount');
    refused(await post(transaction, { reason: 'duplicate' }), 400, 'parameter_unknown', 'reason');
    refused(await post('cct_00000000000000000000000000'), 404, 'resource_missing');
    const rival = await registerShop(w);
    refused(await post(transaction, {}, { as: rival.key }), 404, 'resource_missing');
    await rival.close();
    assert.equal(sent(transaction).length, 0);
  });
});

describe('the key', () => {
  test('the same: the first answer; another body: a conflict', async () => {
    const transaction = await authorized();
    const first = await post(transaction, { amount: 900 });
    const again = await post(transaction, { amount: 900 });
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [200, first.text, 'true']);
    assert.equal(sent(transaction).length, 1);
    refused(await post(transaction, { amount: 901 }), 422, 'idempotency_conflict');
  });

  test('two at once, with a key each: one takes the money', async () => {
    const transaction = await authorized();
    stripe.misbehave({ on: ROUTE, how: 'slow', ms: 150, times: 9 });
    const answers = await Promise.all([700, 800, 900].map((amount) => post(transaction, { amount }, { idempotencyKey: `${key}-${amount}` })));
    const made = answers.filter(({ status }) => status === 200);
    assert.equal(made.length, 1);
    for (const answer of answers.filter((one) => !made.includes(one))) assert.equal(answer.status, 422, answer.text);
    assert.equal(intentOf(transaction).amount_received, made[0].body.amount_captured);
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).amount_captured, made[0].body.amount_captured);
  });

  test('while the first one runs: 409', async () => {
    const transaction = await authorized();
    stripe.misbehave({ on: ROUTE, how: 'slow', ms: 400 });
    const running = post(transaction);
    await eventually(async () => (await w.d1('SELECT key FROM idempotency WHERE key = ?', key)).length);
    refused(await post(transaction), 409, 'idempotency_in_flight');
    fine(await running);
  });
});

describe('an answer of Stripe’s that is lost', () => {
  for (const [how, times] of [['drop_after', 1], ['drop_before', 2], ['500', 2], ['429', 2], ['500_after', 1]]) {
    test(`${how}: 503, and the same key captures once`, async () => {
      const transaction = await authorized();
      stripe.webhooks.pause();
      stripe.misbehave({ on: ROUTE, how, times });
      for (let i = 0; i < times; i += 1) refused(await post(transaction, { amount: 1500 }), 503, 'stripe_unavailable');
      const made = fine(await post(transaction, { amount: 1500 }));
      assert.deepEqual(money(made), { status: 'paid', amount: 2000, amount_capturable: 0, amount_captured: 1500, application_fee_amount: 75 });
      assert.equal(intentOf(transaction).amount_received, 1500);
      const requests = sent(transaction);
      assert.equal(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size, 1);
      assert.ok(requests.every(({ params }) => JSON.stringify(params) === JSON.stringify(requests[0].params)));
      assert.deepEqual(await notices(transaction), ['transaction.authorized', 'transaction.paid']);
    });
  }

  test('and the webhook is here before the shop asks again', async () => {
    const transaction = await authorized();
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(transaction, { amount: 1500 }), 503, 'stripe_unavailable');
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).status, 'paid');
    assert.equal(fine(await post(transaction, { amount: 1500 })).amount_captured, 1500);
    assert.deepEqual(await notices(transaction), ['transaction.authorized', 'transaction.paid']);
  });

  test('and nobody asks again: the sweep looks soon', async () => {
    const transaction = await authorized();
    stripe.webhooks.pause();
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(transaction, { amount: 1500 }), 503, 'stripe_unavailable');
    stripe.webhooks.drop();
    const [{ check_at: at }] = await w.d1('SELECT check_at FROM transactions WHERE id = ?', transaction);
    assert.ok(at < Date.now() / 1000 + 180);
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', transaction);
    await w.scheduled();
    assert.deepEqual(money(await look(transaction)), { status: 'paid', amount: 2000, amount_capturable: 0, amount_captured: 1500, application_fee_amount: 75 });
  });

  test('when the account left: 409, and nothing is kept', async () => {
    const mine = await registerShop(w);
    const { account } = await connectShop(w, stripe, mine);
    const transaction = await authorized(mine);
    stripe.webhooks.pause();
    await stripe.deauthorize(account, { livemode: false });
    refused(await post(transaction, {}, { as: mine.key }), 409, 'connection_gone');
    assert.deepEqual(await w.d1('SELECT key FROM idempotency WHERE key = ?', key), []);
    await mine.close();
  });
});
