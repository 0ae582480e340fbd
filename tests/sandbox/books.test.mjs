// The books as a test reads them: one row a payment, with everything that became of its money.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { line, start } from './support.mjs';

describe('The books', () => {
  let stripe, merchant, session, shop;
  before(async () => {
    ({ stripe, merchant, session } = await start());
    shop = await merchant();
  });
  after(() => stripe.close());

  let count = 0;
  const paid = async (data = {}, { account = shop, ...pay } = {}) => {
    const cc_transaction = `cct_${count += 1}`;
    const made = await session(account, { line_items: [line(1000)], payment_intent_data: { metadata: { cc_transaction }, application_fee_amount: 100, ...data } });
    await stripe.pay(made.id, pay);
    return { id: made.id, row: () => stripe.payments(cc_transaction)[0], cc_transaction };
  };

  test('a direct charge: who, what, how much, and what of it went back', async () => {
    const { id, row, cc_transaction } = await paid();
    const refund = await stripe.refund(id, { amount: 300, refund_application_fee: true, metadata: { why: 'x' } });
    const intent = stripe.intent(id).object;
    assert.deepEqual(row(), {
      payment_intent: intent.id, cc_transaction, checkout_session: id, shared_payment_token: null, charge: intent.latest_charge, account: shop, charge_type: 'direct', on_behalf_of: null,
      livemode: false, currency: 'usd', status: 'succeeded', amount: 1000, amount_capturable: 0, amount_captured: 1000, amount_refunded: 300, amount_refund_pending: 0,
      amount_charged_back: 0, application_fee_amount: 100, application_fee_refunded: 30, transfer_amount: 0, transfer_reversed: 0,
      refunds: [{ id: refund.id, amount: 300, status: 'succeeded', reason: null, metadata: { why: 'x' } }], dispute: null, metadata: { cc_transaction },
    });
  });

  test('a destination charge names the merchant, and what was passed on and taken back', async () => {
    const { id, row } = await paid({ on_behalf_of: shop, transfer_data: { destination: shop } }, { account: null });
    await stripe.refund(id, { amount: 500, reverse_transfer: true });
    const { account, charge_type, on_behalf_of, transfer_amount, transfer_reversed, application_fee_amount } = row();
    assert.deepEqual({ account, charge_type, on_behalf_of, transfer_amount, transfer_reversed, application_fee_amount },
      { account: shop, charge_type: 'destination', on_behalf_of: shop, transfer_amount: 1000, transfer_reversed: 500, application_fee_amount: 100 });
  });

  test('what was only authorised is neither captured nor refunded; a part that is captured is just that', async () => {
    const held = await paid({ capture_method: 'manual' });
    const money = ({ amount, amount_capturable, amount_captured, amount_refunded, application_fee_amount }) => [amount, amount_capturable, amount_captured, amount_refunded, application_fee_amount];
    assert.deepEqual(money(held.row()), [1000, 1000, 0, 0, 0]);
    await stripe.cancelPayment(held.id);
    assert.deepEqual([held.row().status, ...money(held.row())], ['canceled', 1000, 0, 0, 0, 0]);
    const part = await paid({ capture_method: 'manual' });
    await stripe.capture(part.id, 400);
    assert.deepEqual(money(part.row()), [1000, 0, 400, 0, 100]);
  });

  test('refunds count while they are under way, and no longer once they have failed', async () => {
    const { id, row } = await paid();
    await stripe.slowRefunds(id);
    const one = await stripe.refund(id, { amount: 200 });
    await stripe.refund(id, { amount: 300 });
    assert.deepEqual([row().amount_refunded, row().amount_refund_pending], [500, 500]);
    await stripe.settleRefund(one.id);
    await stripe.failRefund(row().refunds[1].id);
    assert.deepEqual([row().amount_refunded, row().amount_refund_pending, row().refunds.map(({ status }) => status)], [200, 0, ['succeeded', 'failed']]);
  });

  test('a dispute shows, and what the bank holds', async () => {
    const { id, row } = await paid();
    const { id: inquiry } = await stripe.dispute(id, { inquiry: true });
    assert.equal(row().amount_charged_back, 0);
    await stripe.moveDispute(inquiry, 'needs_response');
    assert.deepEqual([row().amount_charged_back, row().dispute], [1000, { id: inquiry, amount: 1000, status: 'needs_response', reason: 'fraudulent' }]);
    await stripe.moveDispute(inquiry, 'won');
    assert.deepEqual([row().amount_charged_back, row().dispute.status], [0, 'won']);
  });

  test('a payment that failed, one that is nobody\'s, two for one transaction; over HTTP too', async () => {
    const declined = await paid({}, { card: '4000000000000002' });
    assert.deepEqual([declined.row().status, declined.row().amount_captured], ['requires_payment_method', 0]);
    const foreign = await session(shop, {});
    await stripe.pay(foreign.id);
    assert.deepEqual([stripe.payments().at(-1).cc_transaction, stripe.payments().at(-1).application_fee_amount], [null, 0]);
    for (let i = 0; i < 2; i += 1) await stripe.pay((await session(shop, { payment_intent_data: { metadata: { cc_transaction: 'cct_double' } } })).id);
    assert.equal(stripe.payments('cct_double').length, 2, 'a buyer who was charged twice is seen');
    const { result } = await (await fetch(`${stripe.url}/_sandbox/payments`)).json();
    assert.deepEqual(result, stripe.payments());
    assert.deepEqual(stripe.books().payments, result);
  });
});
