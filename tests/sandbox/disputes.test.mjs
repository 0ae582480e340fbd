import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { listener, start } from './support.mjs';

describe('Disputes, slow refunds, thin events', () => {
  let stripe, call, merchant, session, shop, hook;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant();
    hook = await listener();
  });
  after(async () => {
    await hook.close();
    await stripe.close();
  });

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

  test('a refund may take its time, and one that fails gives the money back to the merchant', async () => {
    const intent = await paid();
    const refund = await stripe.refund(intent.id, { amount: 400, pending: true });
    assert.equal(refund.status, 'pending');
    const failed = await stripe.settleRefund(refund.id, 'failed');
    assert.deepEqual([failed.status, failed.failure_reason], ['failed', 'expired_or_canceled_card']);
    const charge = (await call('GET', `/v1/charges/${intent.latest_charge}`, {}, { account: shop })).body;
    assert.deepEqual([charge.amount_refunded, charge.refunded], [0, false]);
    assert.deepEqual(told(refund.id), ['refund.created pending', 'refund.updated failed', 'refund.failed failed']);
    await assert.rejects(stripe.settleRefund(refund.id, 'succeeded'), /failed already/);
  });

  test('a thin endpoint hears the type and the address of the object, not the object', async () => {
    stripe.setWebhooks([{ url: hook.url, secret: 'whsec_thin', connect: true, thin: true, events: ['checkout.session.completed'] }]);
    const made = await session(shop);
    await stripe.pay(made.id);
    await stripe.webhooks.drained();
    const { event, body, headers } = hook.heard.at(-1);
    assert.deepEqual([event.object, event.type, event.context, event.related_object, event.data], [
      'v2.core.event', 'v1.checkout.session.completed', shop, { id: made.id, type: 'checkout.session', url: `/v1/checkout/sessions/${made.id}` }, undefined,
    ]);
    assert.match(event.created, /^\d{4}-\d\d-\d\dT/);
    const [t] = headers['stripe-signature'].split(',');
    assert.equal(headers['stripe-signature'], stripe.signature(body, 'whsec_thin', Number(t.slice(2))));
  });
});
