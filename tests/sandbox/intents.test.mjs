// Authorisations: captured once, in whole or in part; canceled; left to lapse.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { line, start } from './support.mjs';

const WEEK = 7 * 24 * 60 * 60;

describe('Captures, cancellations, authorisations that lapse', () => {
  let stripe, call, merchant, session, shop;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant();
  });
  after(() => stripe.close());

  const held = async (data = {}, account = shop) => {
    const made = await session(account, { line_items: [line(1000)], payment_intent_data: { capture_method: 'manual', metadata: { cc_transaction: 'cct_1' }, ...data } });
    await stripe.pay(made.id);
    return stripe.intent(made.id).object;
  };
  const capture = (intent, params = {}, account = shop) => call('POST', `/v1/payment_intents/${intent.id}/capture`, params, { account });
  const cancel = (intent, params = {}) => call('POST', `/v1/payment_intents/${intent.id}/cancel`, params, { account: shop });
  const read = async (intent) => (await call('GET', `/v1/payment_intents/${intent.id}`, { expand: ['latest_charge.refunds'] }, { account: shop })).body;
  const told = (intent) => stripe.books().events.filter(({ data: { object } }) => object.id === intent.id || object.payment_intent === intent.id).map(({ type }) => type);

  test('an authorisation tells of itself, then its capture', async () => {
    const intent = await held();
    assert.deepEqual(told(intent).slice(-3), ['charge.succeeded', 'payment_intent.amount_capturable_updated', 'checkout.session.completed']);
    assert.equal((await capture(intent)).body.status, 'succeeded');
    assert.deepEqual(told(intent).slice(-2), ['charge.captured', 'payment_intent.succeeded']);
  });

  test('a part: the rest is released, and that is no refund', async () => {
    const intent = await held({ application_fee_amount: 900 });
    const { body } = await capture(intent, { amount_to_capture: 400 });
    assert.deepEqual([body.amount, body.amount_received, body.amount_capturable, body.application_fee_amount], [1000, 400, 0, 400], 'the fee is no more than what was captured');
    const { latest_charge: charge } = await read(intent);
    assert.deepEqual([charge.amount, charge.amount_captured, charge.amount_refunded, charge.refunded, charge.captured, charge.refunds.data], [1000, 400, 0, false, true, []]);
    assert.ok(!told(intent).includes('charge.refunded'));
    const whole = await call('POST', '/v1/refunds', { payment_intent: intent.id }, { account: shop });
    assert.equal(whole.body.amount, 400, 'what can be refunded is what was captured');
    assert.equal((await read(intent)).latest_charge.refunded, true);
  });

  test('fee, descriptor and metadata of the capture hold; the charge keeps the metadata that it was born with', async () => {
    const intent = await held({ application_fee_amount: 900 });
    const { body } = await capture(intent, { application_fee_amount: 55, statement_descriptor_suffix: 'TEA', metadata: { more: '1' } });
    assert.deepEqual([body.application_fee_amount, body.statement_descriptor_suffix, body.metadata], [55, 'TEA', { cc_transaction: 'cct_1', more: '1' }]);
    const { latest_charge: charge } = await read(intent);
    assert.deepEqual([charge.application_fee_amount, charge.statement_descriptor_suffix, charge.metadata], [55, 'TEA', { cc_transaction: 'cct_1' }]);
    assert.equal(stripe.books().application_fees.at(-1).amount, 55);
  });

  test('refused: too much, nothing, a fee above it, several captures, an unknown member, another shop', async () => {
    const intent = await held();
    for (const [params, code, param] of [
      [{ amount_to_capture: 1001 }, 'amount_too_large', 'amount_to_capture'],
      [{ amount_to_capture: 0 }, 'parameter_invalid_integer', 'amount_to_capture'],
      [{ amount_to_capture: 10, application_fee_amount: 11 }, undefined, 'application_fee_amount'],
      [{ final_capture: false }, 'parameter_not_played_here', 'final_capture'],
      [{ transfer_data: { amount: 5 } }, undefined, 'transfer_data[amount]'],
      [{ transfer_data: { destination: shop } }, 'parameter_unknown', 'transfer_data[destination]'],
    ]) {
      const { status, body } = await capture(intent, params);
      assert.deepEqual([status, body.error.code, body.error.param], [400, code, param], JSON.stringify(params));
    }
    assert.equal((await capture(intent, {}, await merchant())).status, 404);
    assert.equal((await read(intent)).status, 'requires_capture', 'nothing was done by halves');
    assert.equal((await capture(intent, { final_capture: true })).status, 200);
  });

  test('once only, and not after a cancellation: Stripe\'s code, the intent and its status in words', async () => {
    const intent = await held();
    await capture(intent);
    for (const again of [await capture(intent), await cancel(intent)]) {
      assert.deepEqual([again.status, again.body.error.code, again.body.error.payment_intent.status], [400, 'payment_intent_unexpected_state', 'succeeded']);
      assert.match(again.body.error.message, /has a status of succeeded. Only a PaymentIntent with one of the following statuses may be/);
    }
    const other = await held();
    await cancel(other);
    assert.match((await capture(other)).body.error.message, /status of canceled/);
  });

  test('a cancellation lets the money go without a refund', async () => {
    const intent = await held();
    const { body } = await cancel(intent, { cancellation_reason: 'abandoned' });
    assert.deepEqual([body.status, body.cancellation_reason, body.amount_capturable], ['canceled', 'abandoned', 0]);
    assert.equal((await cancel(await held(), { cancellation_reason: 'expired' })).status, 400, 'Stripe keeps that reason for itself');
    const { latest_charge: charge } = await read(intent);
    assert.deepEqual([charge.captured, charge.amount_captured, charge.amount_refunded, charge.refunded, charge.refunds.data], [false, 0, 0, false, []]);
    assert.equal(told(intent).at(-1), 'payment_intent.canceled');
    assert.ok(!told(intent).some((type) => /refund/.test(type)));
    const refund = await call('POST', '/v1/refunds', { payment_intent: intent.id }, { account: shop });
    assert.equal(refund.status, 400);
  });

  test('nobody captures for a week: it expires by itself, and a capture comes too late', async () => {
    const intent = await held();
    stripe.advance(WEEK - 60);
    assert.equal((await read(intent)).status, 'requires_capture');
    stripe.advance(61);
    const late = await capture(intent);
    assert.equal(late.body.error.code, 'payment_intent_unexpected_state');
    const seen = await read(intent);
    assert.deepEqual([seen.status, seen.cancellation_reason, seen.latest_charge.refunded], ['canceled', 'expired', false]);
    assert.deepEqual(told(intent).slice(-2), ['charge.expired', 'payment_intent.canceled']);
  });

  test('destination charges: captured on the platform, the transfer as large as the capture', async () => {
    const intent = await held({ application_fee_amount: 100, on_behalf_of: shop, transfer_data: { destination: shop } }, null);
    const { body } = await capture(intent, { amount_to_capture: 600 }, null);
    assert.deepEqual([body.amount_received, body.application_fee_amount], [600, 100]);
    assert.deepEqual(stripe.books().transfers.at(-1).amount, 600);
    assert.equal(stripe.books().events.at(-1).account, undefined);
    const fixed = await held({ transfer_data: { destination: shop, amount: 700 } }, null);
    assert.equal((await capture(fixed, { transfer_data: { amount: 601 }, amount_to_capture: 600 }, null)).body.error.param, 'transfer_data[amount]');
    await capture(fixed, { transfer_data: { amount: 500 }, amount_to_capture: 600 }, null);
    assert.equal(stripe.books().transfers.at(-1).amount, 500);
  });
});
