import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { line, start } from './support.mjs';

describe('Payments and refunds', () => {
  let stripe, call, merchant, session, shop;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant();
  });
  after(() => stripe.close());

  const get = async (path, params, account = shop) => (await call('GET', path, params, { account })).body;
  const reload = (made) => get(`/v1/checkout/sessions/${made.id}`, { expand: ['payment_intent.latest_charge'] });
  const typesOf = (id) => stripe.books().events.filter(({ data: { object } }) => object.id === id || object.payment_intent === id).map(({ type }) => type);

  test('a good card pays: session complete, the address home filled in, events in Stripe\'s words', async () => {
    const made = await session(shop, { payment_intent_data: { metadata: { cc_transaction: 'cct_1' }, application_fee_amount: 30 } });
    const paid = await stripe.pay(made.id, { email: 'b@example.com', name: 'Bo' });
    assert.deepEqual(paid, { ok: true, location: `https://shop.example/thanks?session_id=${made.id}` });
    const after_ = await reload(made);
    const { payment_intent: intent } = after_;
    assert.deepEqual([after_.status, after_.payment_status, after_.url, after_.customer_details.email, after_.customer_details.name], ['complete', 'paid', null, 'b@example.com', 'Bo']);
    assert.deepEqual([intent.status, intent.amount, intent.amount_received, intent.metadata, intent.application_fee_amount], ['succeeded', 1000, 1000, { cc_transaction: 'cct_1' }, 30]);
    assert.equal(intent.application, stripe.keys.test.clientId);
    assert.equal(intent.latest_charge.payment_method_details.card.last4, '4242');
    assert.deepEqual(typesOf(intent.id), ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed']);
    assert.equal((await stripe.pay(made.id)).code, 'session_complete', 'nobody pays twice');
    const fee = await call('GET', `/v1/application_fees/${intent.latest_charge.application_fee}`);
    assert.deepEqual([fee.body.amount, fee.body.account], [30, shop]);
  });

  for (const [card, code, decline_code] of [
    ['4000000000000002', 'card_declined', 'generic_decline'],
    ['4000000000009995', 'card_declined', 'insufficient_funds'],
    ['4000 0000 0000 0069', 'expired_card', 'expired_card'],
  ]) {
    test(`${card} is declined (${decline_code}); the session stays open and a good card still pays`, async () => {
      const made = await session(shop);
      const refused = await stripe.pay(made.id, { card });
      assert.deepEqual([refused.ok, refused.code, refused.decline_code], [false, code, decline_code]);
      const between = await reload(made);
      assert.deepEqual([between.status, between.payment_status], ['open', 'unpaid']);
      assert.deepEqual([between.payment_intent.status, between.payment_intent.last_payment_error.decline_code], ['requires_payment_method', decline_code]);
      assert.equal((await stripe.pay(made.id)).ok, true);
      const after_ = await reload(made);
      assert.equal(after_.payment_intent.id, between.payment_intent.id, 'one intent for all tries');
      assert.equal(after_.payment_intent.last_payment_error, null);
      assert.ok(typesOf(after_.payment_intent.id).includes('payment_intent.payment_failed'));
    });
  }

  test('an unknown number makes no payment at all', async () => {
    const made = await session(shop);
    assert.equal((await stripe.pay(made.id, { card: '1234567812345678' })).code, 'incorrect_number');
    assert.equal((await reload(made)).payment_intent, null);
  });

  test('the bank asks: refused, then confirmed', async () => {
    const made = await session(shop);
    assert.equal((await stripe.pay(made.id, { card: '4000002500003155', confirm: 'leave' })).code, 'requires_action');
    assert.equal((await reload(made)).payment_intent.status, 'requires_action');
    assert.equal((await stripe.confirm(made.id, false)).code, 'payment_intent_authentication_failure');
    assert.equal((await reload(made)).status, 'open');
    assert.equal((await stripe.pay(made.id, { card: '4000002500003155' })).ok, true);
    assert.equal((await reload(made)).payment_status, 'paid');
    assert.equal((await stripe.confirm(made.id)).code, 'session_complete');
  });

  test('a debit ends later, well or badly', async () => {
    const good = await session(shop);
    assert.equal((await stripe.pay(good.id, { card: 'bank_debit_succeeds' })).ok, true);
    const waiting = await reload(good);
    assert.deepEqual([waiting.status, waiting.payment_status, waiting.payment_intent.status], ['complete', 'unpaid', 'processing']);
    await stripe.settle(good.id);
    const done = await reload(good);
    assert.deepEqual([done.payment_status, done.payment_intent.status], ['paid', 'succeeded']);
    await assert.rejects(stripe.settle(good.id), /nothing is under way/);
    const bad = await session(shop);
    await stripe.pay(bad.id, { card: 'bank_debit_fails' });
    await stripe.settle(bad.id);
    const failed = await reload(bad);
    assert.deepEqual([failed.payment_status, failed.payment_intent.status], ['unpaid', 'requires_payment_method']);
    const types = stripe.books().events.filter(({ data }) => [good.id, bad.id].includes(data.object.id)).map(({ type }) => type);
    assert.deepEqual(types, ['checkout.session.completed', 'checkout.session.async_payment_succeeded', 'checkout.session.completed', 'checkout.session.async_payment_failed']);
  });

  const held = async (more = {}) => {
    const made = await session(shop, { payment_intent_data: { capture_method: 'manual', application_fee_amount: 900, ...more } });
    await stripe.pay(made.id);
    return reload(made);
  };
  const post = (path, params = {}) => call('POST', path, params, { account: shop });

  test('manual capture: authorised, captured in part with a fee that fits, never twice', async () => {
    const { id, payment_status: before_, payment_intent: intent } = await held();
    assert.deepEqual([before_, intent.status, intent.amount_capturable], ['unpaid', 'requires_capture', 1000]);
    assert.ok(intent.latest_charge.payment_method_details.card.capture_before > intent.created);
    const tooMuch = await post(`/v1/payment_intents/${intent.id}/capture`, { amount_to_capture: 1001 });
    assert.deepEqual([tooMuch.status, tooMuch.body.error.code], [400, 'amount_too_large']);
    const feeTooHigh = await post(`/v1/payment_intents/${intent.id}/capture`, { amount_to_capture: 100, application_fee_amount: 101 });
    assert.equal(feeTooHigh.body.error.param, 'application_fee_amount');
    const captured = await post(`/v1/payment_intents/${intent.id}/capture`, { amount_to_capture: 400 });
    assert.deepEqual([captured.body.status, captured.body.amount_received, captured.body.amount_capturable, captured.body.application_fee_amount], ['succeeded', 400, 0, 400]);
    assert.equal((await get(`/v1/checkout/sessions/${id}`)).payment_status, 'paid');
    const again = await post(`/v1/payment_intents/${intent.id}/capture`);
    assert.deepEqual([again.status, again.body.error.code, again.body.error.payment_intent.id], [400, 'payment_intent_unexpected_state', intent.id]);
    assert.equal((await post('/v1/refunds', { payment_intent: intent.id, amount: 401 })).body.error.param, 'amount');
  });

  test('an authorisation can be canceled; what is open or done cannot', async () => {
    const { payment_intent: intent } = await held();
    const canceled = await post(`/v1/payment_intents/${intent.id}/cancel`, { cancellation_reason: 'requested_by_customer' });
    assert.deepEqual([canceled.body.status, canceled.body.cancellation_reason], ['canceled', 'requested_by_customer']);
    assert.ok(typesOf(intent.id).includes('payment_intent.canceled'));
    assert.equal((await post(`/v1/payment_intents/${intent.id}/cancel`)).body.error.code, 'payment_intent_unexpected_state');
    const open = await session(shop);
    await stripe.pay(open.id, { card: '4000000000000002' });
    const { payment_intent: tried } = await reload(open);
    assert.match((await post(`/v1/payment_intents/${tried.id}/cancel`)).body.error.message, /expire the session/);
    await stripe.expire(open.id);
    assert.equal((await get(`/v1/payment_intents/${tried.id}`)).status, 'canceled');
  });

  const paid = async (amount, data = {}, account = shop) => {
    const made = await session(account, { line_items: [line(amount)], payment_intent_data: data });
    await stripe.pay(made.id);
    return (await get(`/v1/checkout/sessions/${made.id}`, {}, account)).payment_intent;
  };

  test('refunds: parts, the fee back in proportion, never more than is left', async () => {
    const intent = await paid(1000, { application_fee_amount: 100 });
    const refund = (params) => post('/v1/refunds', { payment_intent: intent, ...params });
    const first = await refund({ amount: 333, refund_application_fee: true, reason: 'duplicate', metadata: { why: 'x' } });
    assert.deepEqual([first.status, first.body.status, first.body.reason, first.body.metadata.why], [200, 'succeeded', 'duplicate', 'x']);
    await refund({ amount: 333, refund_application_fee: true });
    const tooMuch = await refund({ amount: 335 });
    assert.deepEqual([tooMuch.status, tooMuch.body.error.param], [400, 'amount']);
    await refund({ refund_application_fee: true });
    const { latest_charge: charge } = await get(`/v1/payment_intents/${intent}`, { expand: ['latest_charge'] });
    assert.deepEqual([charge.amount_refunded, charge.refunded], [1000, true]);
    const fee = (await call('GET', `/v1/application_fees/${charge.application_fee}`)).body;
    assert.deepEqual([fee.amount_refunded, fee.refunded, fee.refunds.data.map((part) => part.amount)], [100, true, [34, 33, 33]]);
    assert.equal((await refund({})).body.error.code, 'charge_already_refunded');
    assert.deepEqual((await get('/v1/refunds', { payment_intent: intent })).data.map((item) => item.amount), [334, 333, 333]);
    assert.equal((await get(`/v1/refunds/${first.body.id}`)).id, first.body.id);
    const types = typesOf(intent);
    for (const type of ['refund.created', 'refund.updated', 'charge.refunded']) assert.equal(types.filter((other) => other === type).length, 3, type);
    const without = await paid(1000);
    assert.equal((await post('/v1/refunds', { payment_intent: without, refund_application_fee: true })).body.error.param, 'refund_application_fee');
    assert.equal((await post('/v1/refunds', { payment_intent: without, amount: 0 })).body.error.param, 'amount');
    assert.equal((await post('/v1/refunds', {})).body.error.code, 'parameter_missing');
    const charged = (await get(`/v1/payment_intents/${without}`)).latest_charge;
    assert.equal((await post('/v1/refunds', { charge: charged })).status, 200);
    assert.equal((await get(`/v1/charges/${charged}`)).refunded, true);
  });

  test('destination charges live on the platform; refunds reverse the transfer', async () => {
    const intent = await paid(1000, { application_fee_amount: 100, on_behalf_of: shop, transfer_data: { destination: shop } }, null);
    const { body } = await call('GET', `/v1/payment_intents/${intent}`, { expand: ['latest_charge.transfer'] });
    assert.deepEqual([body.on_behalf_of, body.transfer_data.destination, body.application], [shop, shop, null]);
    assert.equal(body.latest_charge.transfer.destination, shop);
    assert.equal((await call('GET', `/v1/payment_intents/${intent}`, {}, { account: shop })).status, 404, 'invisible to the shop');
    const event = stripe.books().events.find(({ data, type }) => type === 'payment_intent.succeeded' && data.object.id === intent);
    assert.equal(event.account, undefined);
    const refunded = await call('POST', '/v1/refunds', { payment_intent: intent, amount: 500, reverse_transfer: true, refund_application_fee: true });
    assert.ok(refunded.body.transfer_reversal);
    assert.equal(stripe.books().transfers.at(-1).amount_reversed, 500);
    const direct = await paid(1000);
    assert.equal((await post('/v1/refunds', { payment_intent: direct, reverse_transfer: true })).body.error.param, 'reverse_transfer');
  });

  test('a test may bend an object to play a wrong payment', async () => {
    const made = await session(shop);
    stripe.patch(made.id, { amount_total: 1, currency: 'jpy', metadata: {} });
    const seen = await get(`/v1/checkout/sessions/${made.id}`);
    assert.deepEqual([seen.amount_total, seen.currency, seen.metadata], [1, 'jpy', {}]);
  });
});
