import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { start } from './support.mjs';

describe('Disputes', () => {
  let stripe, call, merchant, session, shop;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant();
  });
  after(() => stripe.close());

  const paid = async () => {
    const made = await session(shop, { payment_intent_data: { metadata: { cc_transaction: 'cct_1' } } });
    await stripe.pay(made.id);
    return stripe.intent(made.id).object;
  };
  const told = (id) => stripe.books().events.filter(({ data: { object } }) => object.id === id).map(({ type, data: { object } }) => `${type} ${object.status}`);

  test('a dispute is opened, reviewed and won: each step is an event, and the dispute names charge and payment but carries no metadata', async () => {
    const intent = await paid();
    const dispute = await stripe.dispute(intent.id, { reason: 'product_not_received' });
    assert.deepEqual([dispute.amount, dispute.charge, dispute.payment_intent, dispute.metadata, dispute.status], [1000, intent.latest_charge, intent.id, {}, 'needs_response']);
    await stripe.moveDispute(dispute.id, 'under_review');
    await stripe.moveDispute(dispute.id, 'won');
    assert.deepEqual(told(dispute.id), [
      'charge.dispute.created needs_response', 'charge.dispute.funds_withdrawn needs_response', 'charge.dispute.updated under_review',
      'charge.dispute.funds_reinstated won', 'charge.dispute.closed won',
    ]);
    const { body } = await call('GET', `/v1/disputes/${dispute.id}`, {}, { account: shop });
    assert.equal(body.status, 'won');
    assert.equal((await call('GET', '/v1/disputes', { payment_intent: intent.id }, { account: shop })).body.data.length, 1);
    assert.equal((await call('GET', `/v1/disputes/${dispute.id}`)).status, 404, 'the platform does not see it');
    await assert.rejects(stripe.moveDispute(dispute.id, 'lost'), /won already/);
  });

  test('an inquiry moves no money', async () => {
    const intent = await paid();
    const dispute = await stripe.dispute(intent.id, { inquiry: true });
    await stripe.moveDispute(dispute.id, 'warning_closed');
    assert.deepEqual(told(dispute.id), ['charge.dispute.created warning_needs_response', 'charge.dispute.closed warning_closed']);
  });

  test('a bank that asks first may come for the money later; an inquiry that was closed is over', async () => {
    const intent = await paid();
    const { id } = await stripe.dispute(intent.id, { inquiry: true });
    await assert.rejects(stripe.moveDispute(id, 'won'), /goes to warning_under_review, warning_closed, needs_response, not to won/);
    await stripe.moveDispute(id, 'warning_under_review');
    const grown = await stripe.moveDispute(id, 'needs_response');
    assert.deepEqual([grown.is_charge_refundable, grown.evidence_details.has_evidence], [false, true]);
    await stripe.moveDispute(id, 'lost');
    assert.deepEqual(told(id), [
      'charge.dispute.created warning_needs_response', 'charge.dispute.updated warning_under_review', 'charge.dispute.updated needs_response',
      'charge.dispute.funds_withdrawn needs_response', 'charge.dispute.closed lost',
    ]);
    const other = await paid();
    const asked = await stripe.dispute(other.id, { inquiry: true });
    await assert.rejects(stripe.dispute(other.id), /disputed already/, 'one at a time');
    await stripe.moveDispute(asked.id, 'warning_closed');
    assert.equal((await stripe.dispute(other.id)).status, 'needs_response', 'but one after the other');
  });

  test('what a bank holds cannot be refunded as well; what it only asks about, or gave back, can', async () => {
    const refund = (intent) => call('POST', '/v1/refunds', { payment_intent: intent.id, amount: 100 }, { account: shop });
    const intent = await paid();
    const { id } = await stripe.dispute(intent.id);
    const { status, body } = await refund(intent);
    assert.deepEqual([status, body.error.code, body.error.message], [400, 'charge_disputed', `Charge ${intent.latest_charge} has been charged back; cannot issue a refund.`]);
    await stripe.moveDispute(id, 'won');
    assert.equal((await refund(intent)).status, 200);
    const asked = await paid();
    await stripe.dispute(asked.id, { inquiry: true });
    assert.equal((await refund(asked)).status, 200);
    const lost = await paid();
    await stripe.moveDispute((await stripe.dispute(lost.id)).id, 'lost');
    assert.equal((await refund(lost)).body.error.code, 'charge_disputed');
    const seen = (await call('GET', `/v1/charges/${lost.latest_charge}`, {}, { account: shop })).body;
    assert.deepEqual([seen.disputed, seen.amount_refunded, seen.refunded], [true, 0, false], 'a lost dispute is no refund');
  });

  test('a dispute is about what is left, or about a part; the platform hears of those over destination charges', async () => {
    const intent = await paid();
    await stripe.refund(intent.id, { amount: 300 });
    assert.equal((await stripe.dispute(intent.id)).amount, 700);
    assert.equal((await stripe.dispute((await paid()).id, { amount: 200 })).amount, 200);
    await assert.rejects(stripe.dispute((await paid()).id, { amount: 1001 }), /1 to 1000/);
    const made = await session(undefined, { payment_intent_data: { on_behalf_of: shop, transfer_data: { destination: shop } } });
    await stripe.pay(made.id);
    const { id, charge } = await stripe.dispute(made.id);
    assert.equal(stripe.books().events.at(-1).account, undefined);
    assert.equal((await call('GET', `/v1/disputes/${id}`, { expand: ['charge'] })).body.charge.id, charge);
    assert.equal((await call('GET', `/v1/disputes/${id}`, {}, { account: shop })).status, 404);
    await assert.rejects(stripe.moveDispute('du_none', 'won'), /there is no dispute/);
  });
});
