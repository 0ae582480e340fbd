// A shop gives money back (contract, "Ledger" and "From Stripe"): once, never more than was paid, whatever is lost on the way.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTE = 'POST /v1/refunds';
const MONTH = 30 * 24 * 3600;
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
beforeEach(() => { key = `refund-${count += 1}`; });
afterEach(() => { stripe.clearMisbehaviour(); stripe.webhooks.drop(); stripe.webhooks.resume(); });

/** A paid transaction of 20.00 with a fee of 1.01, everything told. */
async function paid(whose = shop, body) {
  const session = await createSession(w, whose, body ?? chatBody(whose));
  await stripe.pay(session.id);
  await stripe.webhooks.drained();
  return session.transaction;
}
const post = (transaction, body = {}, { as = shop.key, idempotencyKey = key } = {}) => api('POST', `/v1/transactions/${transaction}/refunds`, { key: as, idempotencyKey, body });
const look = async (transaction, whose = shop) => fine(await api('GET', `/v1/transactions/${transaction}`, { key: whose.key }));
const row = async (transaction) => (await w.d1('SELECT * FROM transactions WHERE id = ?', transaction))[0];
const madeAt = (transaction) => stripe.books().refunds.filter(({ metadata }) => metadata.cc_transaction === transaction);
const sent = (transaction) => stripe.requests.filter(({ route, params }) => route === ROUTE && params.metadata?.cc_transaction === transaction);
const feeOf = (intent) => { const { charges, application_fees } = stripe.books(); const charge = charges.find((one) => one.payment_intent === intent); return application_fees.find((fee) => fee.charge === charge.id); };
const notices = async (transaction, type = 'transaction.refunded') => (await w.d1('SELECT once, object FROM notices WHERE transaction_id = ? AND type = ? ORDER BY id', transaction, type));

/** The books of both sides say the same. */
async function agree(transaction) {
  const { amount_refunded, application_fee_refunded, payment_intent, refunds } = await look(transaction);
  const theirs = stripe.books().refunds.filter((refund) => refund.payment_intent === payment_intent);
  const counted = theirs.filter(({ status }) => status !== 'failed').reduce((sum, { amount }) => sum + amount, 0);
  assert.equal(amount_refunded, counted);
  assert.equal(application_fee_refunded, feeOf(payment_intent).amount_refunded);
  assert.deepEqual(refunds.map(({ id, status }) => [id, status]).sort(), theirs.map(({ id, status }) => [id, status]).sort());
}

describe('a refund', () => {
  test('of everything: 201, the money and the fee are back, the shop is told once', async () => {
    const transaction = await paid();
    const answer = await post(transaction, { reason: 'requested_by_customer' });
    const { id, created, payment_intent, ...rest } = fine(answer, 201);
    assert.match(id, /^re_/);
    assert.match(payment_intent, /^pi_/);
    assert.ok(created > 0);
    assert.deepEqual(rest, {
      object: 'refund', amount: 2000, currency: 'usd', status: 'succeeded', reason: 'requested_by_customer', failure_reason: null, fee_refunded: 101, transaction,
    });
    await stripe.webhooks.drained();
    const { status, amount, amount_captured, amount_refunded, application_fee_amount, application_fee_refunded, refunds, events } = await look(transaction);
    assert.deepEqual({ status, amount, amount_captured, amount_refunded, application_fee_amount, application_fee_refunded },
      { status: 'refunded', amount: 2000, amount_captured: 2000, amount_refunded: 2000, application_fee_amount: 101, application_fee_refunded: 101 });
    assert.deepEqual(refunds.map((refund) => [refund.id, refund.amount, refund.status]), [[id, 2000, 'succeeded']]);
    assert.deepEqual(events.map(({ type }) => type), ['open', 'paid', 'refund.succeeded']);
    const told = await notices(transaction);
    assert.deepEqual(told.map(({ once }) => once), [`${transaction}/transaction.refunded/${id}/succeeded`]);
    assert.deepEqual(JSON.parse(told[0].object).refunds.map((refund) => refund.id), [id]);
    await agree(transaction);
  });

  test('in parts: the fee goes back in proportion, and in the end exactly', async () => {
    const transaction = await paid();
    for (const [amount, status, fee] of [[333, 'partially_refunded', 16], [667, 'partially_refunded', 50], [undefined, 'refunded', 101]]) {
      fine(await post(transaction, { amount }, { idempotencyKey: `${key}-${amount}` }), 201);
      const now = await look(transaction);
      assert.deepEqual([now.status, now.application_fee_refunded], [status, fee]);
    }
    await stripe.webhooks.drained();
    await agree(transaction);
    assert.equal((await notices(transaction)).length, 3);
  });

  test('says what it wants of Stripe, and on which account', async () => {
    const transaction = await paid();
    fine(await post(transaction, { amount: 5, reason: 'duplicate' }), 201);
    const [{ params, account, headers }] = sent(transaction);
    const { metadata: { cc_refund, cc_transaction }, payment_intent, ...rest } = params;
    assert.deepEqual(rest, { amount: '5', reason: 'duplicate', refund_application_fee: 'true' });
    assert.equal(cc_transaction, transaction);
    assert.match(cc_refund, /^cre_/);
    assert.equal(headers['idempotency-key'], `${cc_refund}-1`);
    assert.match(payment_intent, /^pi_/);
    assert.match(account, /^acct_/);
  });

  test('counts in the summary: what is left is left after refunds and fees', async () => {
    const mine = await registerShop(w);
    await connectShop(w, stripe, mine);
    const transaction = await paid(mine);
    fine(await post(transaction, { amount: 1000 }, { as: mine.key }), 201);
    const { data } = fine(await api('GET', '/v1/transactions/summary?group_by=status', { key: mine.key }));
    assert.deepEqual(data, [{ group: 'partially_refunded', currency: 'usd', livemode: false, count: 1, gross: 2000, refunded: 1000, fees: 51, net: 949 }]);
    await mine.close();
  });

  test('may be made while checkout is switched off', async () => {
    const transaction = await paid();
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: false } }));
    fine(await post(transaction), 201);
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: true } }));
  });
});

describe('is refused', () => {
  test('when it is more than what is left, and says how much that is', async () => {
    const transaction = await paid();
    assert.equal(refused(await post(transaction, { amount: 2001 }), 422, 'refund_too_large', 'amount').amount_left, 2000);
    fine(await post(transaction, { amount: 1500 }, { idempotencyKey: `${key}-a` }), 201);
    assert.equal(refused(await post(transaction, { amount: 501 }), 422, 'refund_too_large', 'amount').amount_left, 500);
    fine(await post(transaction, {}, { idempotencyKey: `${key}-b` }), 201);
    assert.equal(refused(await post(transaction), 422, 'refund_too_large', 'amount').amount_left, 0);
    assert.equal(sent(transaction).length, 2, 'Stripe was not asked');
    assert.deepEqual(await w.d1('SELECT key FROM idempotency WHERE key = ?', key), [], 'decided afresh the next time');
  });

  test('when nothing was paid', async () => {
    const { transaction } = await createSession(w, shop);
    refused(await post(transaction), 422, 'charge_not_refundable');
    const held = await createSession(w, shop, chatBody(shop, { capture: 'manual' }));
    await stripe.pay(held.id);
    await stripe.webhooks.drained();
    refused(await post(held.transaction), 422, 'charge_not_refundable');
  });

  test('when the bank has taken the money already; an inquiry does not stand in the way', async () => {
    const transaction = await paid();
    const dispute = await stripe.dispute((await look(transaction)).payment_intent);
    await stripe.webhooks.drained();
    refused(await post(transaction), 422, 'charge_disputed');
    await stripe.moveDispute(dispute.id, 'lost');
    await stripe.webhooks.drained();
    refused(await post(transaction), 422, 'charge_disputed');
    const other = await paid();
    await stripe.dispute((await look(other)).payment_intent, { inquiry: true });
    await stripe.webhooks.drained();
    fine(await post(other, { amount: 700 }), 201);
    const { status, amount_refunded } = await look(other);
    assert.deepEqual([status, amount_refunded], ['disputed', 700]);
  });

  test('without a key, with a bad body, of nobody’s or another shop’s transaction', async () => {
    const transaction = await paid();
    refused(await post(transaction, {}, { idempotencyKey: null }), 400, 'idempotency_key_required');
    refused(await post(transaction, { amount: 0 }), 422, 'parameter_invalid_integer', 'amount');
    refused(await post(transaction, { amount: 1.5 }), 400, 'parameter_invalid_integer', 'amount');
    refused(await post(transaction, { reason: 'because' }), 422, 'parameter_invalid', 'reason');
    refused(await post(transaction, { reason: 5 }), 400, 'parameter_invalid_string', 'reason');
    refused(await post(transaction, { note: 'x' }), 400, 'parameter_unknown', 'note');
    refused(await post('cct_00000000000000000000000000'), 404, 'resource_missing');
    refused(await post('re_1'), 404, 'resource_missing');
    refused(await post(transaction, {}, { as: 'ccs_nobody' }), 401, 'api_key_invalid');
    const rival = await registerShop(w);
    refused(await post(transaction, {}, { as: rival.key }), 404, 'resource_missing');
    await rival.close();
    assert.equal(sent(transaction).length, 0);
  });

  test('by Stripe: its words, kept under the key, and the amount is free again', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    // In the Dashboard, and nobody has told us yet.
    stripe.webhooks.pause();
    await stripe.refund(payment_intent, { amount: 1500 });
    const first = await post(transaction, { amount: 1000 });
    refused(first, 422, 'refund_too_large', 'amount');
    const asked = stripe.requests.length;
    const again = await post(transaction, { amount: 1000 });
    assert.equal(again.text, first.text);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.equal(stripe.requests.length, asked);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    fine(await post(transaction, {}, { idempotencyKey: `${key}-rest` }), 201);
    const { status, refunds } = await look(transaction);
    assert.equal(status, 'refunded');
    assert.deepEqual(refunds.map(({ amount }) => amount).sort(), [1500, 500]);
  });

  test('when the account left', async () => {
    const mine = await registerShop(w);
    const { account } = await connectShop(w, stripe, mine);
    const transaction = await paid(mine);
    stripe.webhooks.pause();
    await stripe.deauthorize(account, { livemode: false });
    refused(await post(transaction, {}, { as: mine.key }), 409, 'connection_gone');
    assert.equal((await row(transaction)).refunds, '[]');
    await mine.close();
  });
});

describe('the key', () => {
  test('the same and the same body: the first answer, byte for byte', async () => {
    const transaction = await paid();
    const first = await post(transaction, { amount: 5 });
    const again = await post(transaction, { amount: 5 });
    assert.equal(again.status, 201);
    assert.equal(again.text, first.text);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.equal(sent(transaction).length, 1);
    refused(await post(transaction, { amount: 6 }), 422, 'idempotency_conflict');
    // Another transaction is another path, and so another key.
    fine(await post(await paid(), { amount: 5 }), 201);
  });

  test('while the first one runs: 409, then its answer', async () => {
    const transaction = await paid();
    stripe.misbehave({ on: ROUTE, how: 'slow', ms: 400 });
    const running = post(transaction, { amount: 5 });
    await eventually(async () => (await w.d1('SELECT key FROM idempotency WHERE key = ?', key)).length);
    const second = refused(await post(transaction, { amount: 5 }), 409, 'idempotency_in_flight');
    assert.ok(second);
    fine(await running, 201);
    assert.equal(madeAt(transaction).length, 1);
  });
});

describe('two at once', () => {
  test('never give back more than was paid', async () => {
    const transaction = await paid();
    stripe.misbehave({ on: ROUTE, how: 'slow', ms: 150, times: 99 });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => post(transaction, { amount: 600 }, { idempotencyKey: `${key}-${i}` })));
    const made = answers.filter(({ status }) => status === 201);
    assert.equal(made.length, 3);
    for (const answer of answers.filter((one) => !made.includes(one))) refused(answer, 422, 'refund_too_large', 'amount');
    assert.equal(sent(transaction).length, 3, 'the others never reached Stripe');
    await stripe.webhooks.drained();
    const { status, amount_refunded } = await look(transaction);
    assert.deepEqual([status, amount_refunded], ['partially_refunded', 1800]);
    await agree(transaction);
    assert.equal((await notices(transaction)).length, 3);
  });

  test('of one key: one refund', async () => {
    const transaction = await paid();
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(transaction, { amount: 600 })));
    assert.ok(answers.some(({ status }) => status === 201));
    for (const answer of answers) assert.ok([201, 409].includes(answer.status), answer.text);
    assert.equal(madeAt(transaction).length, 1);
  });
});

describe('an answer of Stripe’s that is lost', () => {
  for (const [how, times] of [['drop_after', 1], ['drop_before', 2], ['500', 2], ['429', 2]]) {
    test(`${how}: 503, and the same key makes exactly one refund`, async () => {
      const transaction = await paid();
      stripe.webhooks.pause();
      stripe.misbehave({ on: ROUTE, how, times });
      for (let i = 0; i < times; i += 1) {
        const error = refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
        assert.match(error.message, /same/);
      }
      assert.equal(refused(await post(transaction, { amount: 1301 }, { idempotencyKey: `${key}-b` }), 422, 'refund_too_large', 'amount').amount_left, 1300, 'reserved');
      const { id } = fine(await post(transaction, { amount: 700 }), 201);
      assert.deepEqual(madeAt(transaction).map((refund) => refund.id), [id]);
      const requests = sent(transaction);
      assert.equal(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size, 1, 'one key of ours at Stripe');
      assert.ok(requests.every(({ params }) => JSON.stringify(params) === JSON.stringify(requests[0].params)), 'and one form');
      stripe.webhooks.resume();
      await stripe.webhooks.drained();
      await agree(transaction);
      assert.equal((await notices(transaction)).length, 1);
    });
  }

  test('a 500 that Stripe replays for ever, although the refund was made: it is found by its metadata', async () => {
    const transaction = await paid();
    stripe.webhooks.pause();
    stripe.misbehave({ on: ROUTE, how: '500_after' });
    refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
    const { id } = fine(await post(transaction, { amount: 700 }), 201);
    assert.deepEqual(madeAt(transaction).map((refund) => refund.id), [id]);
    assert.deepEqual(sent(transaction).map(({ status, replayed }) => [status, replayed]), [[500, false], [500, true]]);
  });

  test('a replayed 500, and the look-up fails too: never another key', async () => {
    const transaction = await paid();
    stripe.webhooks.pause();
    stripe.misbehave({ on: ROUTE, how: '500_after' });
    stripe.misbehave({ on: 'GET /v1/refunds', how: '500', times: 1 });
    refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
    refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
    fine(await post(transaction, { amount: 700 }), 201);
    assert.equal(madeAt(transaction).length, 1);
    assert.equal(new Set(sent(transaction).map(({ headers }) => headers['idempotency-key'])).size, 1);
  });

  test('the webhook is here before the shop asks again: the same refund', async () => {
    const transaction = await paid();
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).amount_refunded, 700);
    const asked = sent(transaction).length;
    const { id, fee_refunded } = fine(await post(transaction, { amount: 700 }), 201);
    assert.deepEqual(madeAt(transaction).map((refund) => refund.id), [id]);
    assert.equal(fee_refunded, 35);
    assert.equal(sent(transaction).length, asked);
    assert.equal((await notices(transaction)).length, 1);
  });
});

describe('what nobody asks for again, the sweep settles', () => {
  const past = async (transaction) => {
    const kept = await row(transaction);
    const entries = JSON.parse(kept.refunds).map((entry) => ({ ...entry, ...(entry.until && { until: 1 }) }));
    await w.d1('UPDATE transactions SET refunds = ?, check_at = 1 WHERE id = ?', JSON.stringify(entries), transaction);
  };

  test('a refund that was made is recorded, and the shop is told', async () => {
    const transaction = await paid();
    stripe.webhooks.pause();
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(transaction, { amount: 700 }), 503, 'stripe_unavailable');
    stripe.webhooks.drop();
    const kept = await row(transaction);
    assert.ok(kept.check_at > 0 && kept.check_at < Date.now() / 1000 + 180, 'soon');
    await past(transaction);
    await w.scheduled();
    const { status, amount_refunded, events } = await look(transaction);
    assert.deepEqual([status, amount_refunded], ['partially_refunded', 700]);
    assert.deepEqual(events.at(-1).by, 'sweep');
    assert.equal((await notices(transaction)).length, 1);
    assert.equal((await row(transaction)).check_at, null);
    await agree(transaction);
    // And the shop that comes back later finds its refund.
    fine(await post(transaction, { amount: 700 }), 201);
    assert.equal(madeAt(transaction).length, 1);
  });

  test('one that was never made is given up, and the amount is free', async () => {
    const transaction = await paid();
    stripe.misbehave({ on: ROUTE, how: 'drop_before' });
    refused(await post(transaction), 503, 'stripe_unavailable');
    refused(await post(transaction, { amount: 1 }, { idempotencyKey: `${key}-b` }), 422, 'refund_too_large', 'amount');
    await past(transaction);
    await w.scheduled();
    assert.equal((await row(transaction)).refunds, '[]');
    // The first key, late: a fresh refund, and only one.
    fine(await post(transaction), 201);
    assert.equal(madeAt(transaction).length, 1);
  });

  test('while Stripe is away nothing is given up', async () => {
    const transaction = await paid();
    stripe.misbehave({ on: ROUTE, how: 'drop_before' });
    refused(await post(transaction), 503, 'stripe_unavailable');
    await past(transaction);
    stripe.misbehave({ on: 'GET /v1/refunds', how: '500', times: 9 });
    await w.scheduled();
    assert.equal(JSON.parse((await row(transaction)).refunds)[0].status, 'reserved');
    assert.ok((await row(transaction)).check_at > 1);
  });

  test('one that Stripe had not finished is asked about', async () => {
    const transaction = await paid();
    const { id } = fine(await post(transaction), 201);
    await stripe.webhooks.drained();
    // As it is with a bank that takes its time.
    const kept = await row(transaction);
    const pending = JSON.parse(kept.refunds).map((entry) => ({ ...entry, status: 'pending' }));
    await w.d1('UPDATE transactions SET refunds = ?, check_at = 1 WHERE id = ?', JSON.stringify(pending), transaction);
    await w.scheduled();
    assert.deepEqual((await look(transaction)).refunds.map((refund) => [refund.id, refund.status]), [[id, 'succeeded']]);
    assert.ok(MONTH);
  });
});

describe('D1 refuses once', () => {
  for (const [name, when] of [['before Stripe was asked', 'before'], ['after', 'after']]) {
    test(`${name}: the same key ends it`, async () => {
      const transaction = await paid();
      stripe.webhooks.pause();
      if (when === 'before') {
        await w.d1('ALTER TABLE idempotency RENAME TO away');
        assert.equal((await post(transaction, { amount: 700 })).status, 500);
        await w.d1('ALTER TABLE away RENAME TO idempotency');
        assert.equal(sent(transaction).length, 0);
      } else {
        stripe.misbehave({ on: ROUTE, how: 'slow', ms: 400 });
        const running = post(transaction, { amount: 700 });
        await eventually(() => sent(transaction).length);
        await w.d1('ALTER TABLE notices RENAME TO away');
        assert.equal((await running).status, 500);
        await w.d1('ALTER TABLE away RENAME TO notices');
      }
      fine(await post(transaction, { amount: 700 }), 201);
      assert.equal(madeAt(transaction).length, 1);
      await agree(transaction);
      assert.equal((await notices(transaction)).length, 1);
    });
  }
});

describe('what happens at Stripe', () => {
  const deliver = async (event) => (await stripe.send(event, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }))[0];

  test('one in the Dashboard that failed, told in the wrong order before anybody knew of the payment, counts for nothing', async () => {
    stripe.webhooks.pause();
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    const { id } = await stripe.refund(session.id);
    await stripe.failRefund(id);
    await stripe.webhooks.deliver({ order: 'reversed' });
    const [{ payment_intent, amount_refunded }] = stripe.payments(session.transaction);
    const told = await look(session.transaction);
    assert.deepEqual([told.payment_intent, told.status, told.amount_refunded, amount_refunded], [payment_intent, 'paid', 0, 0]);
  });

  test('a refund in the Dashboard appears, without a fee given back', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    await stripe.refund(payment_intent, { amount: 700 });
    await stripe.webhooks.drained();
    const { status, amount_refunded, application_fee_refunded, refunds } = await look(transaction);
    assert.deepEqual({ status, amount_refunded, application_fee_refunded }, { status: 'partially_refunded', amount_refunded: 700, application_fee_refunded: 0 });
    assert.equal(refunds.length, 1);
    await agree(transaction);
    assert.equal((await notices(transaction)).length, 1);
  });

  test('charge.refunded alone is enough: what adds up to it is asked for', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    // Of what happened in the second of the payment nobody knows whether it was told before.
    await w.d1('UPDATE transactions SET paid_at = paid_at - 60 WHERE id = ?', transaction);
    stripe.webhooks.pause();
    const before = stripe.books().events.length;
    for (const amount of [100, 200, 300]) await stripe.refund(payment_intent, { amount });
    stripe.webhooks.drop();
    const told = stripe.books().events.slice(before).filter(({ type }) => type === 'charge.refunded');
    const asked = stripe.requests.length;
    assert.equal(await deliver(told.at(-1)), 200);
    assert.equal(stripe.requests.length, asked + 1);
    for (const event of told) assert.equal(await deliver(event), 200);
    assert.equal(stripe.requests.length, asked + 1, 'older sums say nothing new');
    assert.deepEqual([(await look(transaction)).amount_refunded, (await look(transaction)).refunds.length], [600, 3]);
    assert.equal((await notices(transaction)).length, 1);
    await agree(transaction);
  });

  test('while they cannot be asked for, the event comes again', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    stripe.webhooks.pause();
    await stripe.refund(payment_intent, { amount: 100 });
    stripe.webhooks.drop();
    const event = stripe.books().events.filter(({ type }) => type === 'charge.refunded').at(-1);
    stripe.misbehave({ on: 'GET /v1/refunds', how: '500', times: 1 });
    assert.equal(await deliver(event), 503);
    assert.equal((await look(transaction)).amount_refunded, 0);
    assert.equal(await deliver(event), 200);
    assert.equal((await look(transaction)).amount_refunded, 100);
  });

  test('a refund that fails gives the amount back: refunded → paid', async () => {
    const transaction = await paid();
    const { id } = fine(await post(transaction), 201);
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).status, 'refunded');
    await stripe.settleRefund(id, 'failed', 'lost_or_stolen_card');
    await stripe.webhooks.drained();
    const { status, amount_refunded, application_fee_refunded, refunds } = await look(transaction);
    assert.deepEqual({ status, amount_refunded, application_fee_refunded }, { status: 'paid', amount_refunded: 0, application_fee_refunded: 0 });
    assert.deepEqual(refunds.map((refund) => [refund.id, refund.status, refund.failure_reason]), [[id, 'failed', 'lost_or_stolen_card']]);
    assert.deepEqual((await notices(transaction)).map(({ once }) => once.split('/').at(-1)), ['succeeded', 'failed']);
  });
});

describe('destination charges', () => {
  let d, dapi, dshop, account;
  before(async () => {
    d = await startWorker({ stripe, vars: { CHARGE_TYPE: 'destination', FEE_BPS: '500' } });
    dapi = documented(d);
    dshop = await registerShop(d);
    ({ account } = await connectShop(d, stripe, dshop));
  });
  // The webhooks of this file's other Worker again.
  after(async () => {
    await stripe.setWebhooks([
      { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect, connect: true }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.platform, connect: false },
    ]);
    await dshop?.close();
    await d?.close();
  });

  test('the transfer is reversed, the platform’s endpoint tells, and no account is named', async () => {
    const session = await createSession(d, dshop, chatBody(dshop));
    await stripe.pay(session.id);
    await stripe.webhooks.drained();
    const look = async () => fine(await dapi('GET', `/v1/transactions/${session.transaction}`, { key: dshop.key }));
    assert.equal((await look()).status, 'paid');
    fine(await dapi('POST', `/v1/transactions/${session.transaction}/refunds`, { key: dshop.key, idempotencyKey: key, body: { amount: 500 } }), 201);
    const [{ params, account: named }] = sent(session.transaction);
    assert.deepEqual([params.reverse_transfer, params.refund_application_fee, named], ['true', 'true', null]);
    await stripe.webhooks.drained();
    const { payment_intent, amount_refunded, application_fee_refunded } = await look();
    assert.deepEqual([amount_refunded, application_fee_refunded], [500, 25]);
    const transfer = stripe.books().transfers.find(({ destination }) => destination === account);
    assert.equal(transfer.amount_reversed, 500);
    // In the Dashboard, and only the charge tells.
    stripe.webhooks.pause();
    await stripe.refund(payment_intent, { amount: 300 });
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    const event = stripe.books().events.filter(({ type }) => type === 'charge.refunded').at(-1);
    const send = async (told) => (await stripe.send(told, { url: `${d.url}/stripe/webhooks`, secret: d.webhookSecrets.platform }))[0];
    const elsewhere = { ...event, id: 'evt_elsewhere', data: { object: { ...event.data.object, transfer_data: { destination: 'acct_other' } } } };
    assert.equal(await send(elsewhere), 200);
    assert.equal((await look()).amount_refunded, 500);
    assert.deepEqual(await d.d1('SELECT reason FROM strays WHERE transaction_id = ?', session.transaction), [{ reason: 'account' }]);
    assert.equal(await send(event), 200);
    assert.equal((await look()).amount_refunded, 800);
  });
});
