// Refunds by API and by hand: on connected accounts and on the platform, slow ones, ones that fail, and what is refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { line, start } from './support.mjs';

describe('Refunds', () => {
  let stripe, call, merchant, session, shop;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant();
  });
  after(() => stripe.close());

  const paid = async (data = {}, { account = shop, amount = 1000, ...pay } = {}) => {
    const made = await session(account, { line_items: [line(amount)], payment_intent_data: { metadata: { cc_transaction: 'cct_1' }, ...data } });
    await stripe.pay(made.id, pay);
    return stripe.intent(made.id).object;
  };
  const refund = (intent, params = {}, { account = shop, ...options } = {}) => call('POST', '/v1/refunds', { payment_intent: intent.id, ...params }, { account, ...options });
  const charge = async (intent, account = shop) => (await call('GET', `/v1/payment_intents/${intent.id}`, { expand: ['latest_charge.refunds'] }, { account })).body.latest_charge;
  const told = (id) => stripe.books().events.filter(({ data: { object } }) => object.id === id).map(({ type, data: { object } }) => `${type} ${object.status}`);
  const refusal = ({ status, body: { error } }) => [status, error.type, error.code, error.param, error.message];

  test('the refund names charge and payment but copies no metadata; the charge carries the payment\'s and the new sum', async () => {
    const intent = await paid();
    const { body } = await refund(intent, { amount: 300, reason: 'requested_by_customer' });
    assert.deepEqual([body.object, body.amount, body.charge, body.payment_intent, body.metadata, body.reason, body.status], ['refund', 300, intent.latest_charge, intent.id, {}, 'requested_by_customer', 'succeeded']);
    assert.deepEqual(told(body.id), ['refund.created succeeded', 'refund.updated succeeded']);
    const event = stripe.books().events.findLast(({ type }) => type === 'charge.refunded');
    assert.deepEqual([event.account, event.data.object.id, event.data.object.amount_refunded, event.data.object.refunded, event.data.object.metadata], [shop, intent.latest_charge, 300, false, { cc_transaction: 'cct_1' }]);
    const own = await refund(intent, { amount: 100, metadata: { why: 'x' } });
    assert.deepEqual(own.body.metadata, { why: 'x' });
  });

  test('more than is left, and more than there was, in Stripe\'s words', async () => {
    const intent = await paid();
    assert.deepEqual(refusal(await refund(intent, { amount: 1001 })), [400, 'invalid_request_error', undefined, 'amount', 'Refund amount ($10.01) is greater than charge amount ($10.00)']);
    await refund(intent, { amount: 400 });
    assert.deepEqual(refusal(await refund(intent, { amount: 601 })), [400, 'invalid_request_error', undefined, 'amount', 'Refund amount ($6.01) is greater than unrefunded amount on charge ($6.00)']);
    await refund(intent);
    for (const params of [{}, { amount: 1 }]) {
      assert.deepEqual(refusal(await refund(intent, params)), [400, 'invalid_request_error', 'charge_already_refunded', undefined, `Charge ${intent.latest_charge} has already been refunded.`]);
    }
    assert.equal((await charge(intent)).refunded, true);
  });

  test('what is refused before anything moves: unknown and unplayed members, foreign and unpaid payments', async () => {
    const intent = await paid();
    const other = await merchant();
    for (const [params, code, param] of [
      [{ foo: 1 }, 'parameter_unknown', 'foo'],
      [{ metadata: { a: { b: 1 } } }, undefined, 'metadata[a]'],
      [{ reason: 'because' }, undefined, 'reason'],
      [{ reason: 'expired_uncaptured_charge' }, undefined, 'reason'],
      [{ amount: 'all' }, 'parameter_invalid_integer', 'amount'],
      [{ amount: -1 }, 'parameter_invalid_integer', 'amount'],
      [{ instructions_email: 'a@example.com' }, 'parameter_not_played_here', 'instructions_email'],
      [{ pending: true }, 'parameter_unknown', 'pending'],
      [{ charge: 'ch_other' }, undefined, 'charge'],
    ]) assert.deepEqual(refusal(await refund(intent, params)).slice(2, 4), [code, param], JSON.stringify(params));
    assert.equal((await refund(intent, {}, { account: other })).body.error.code, 'resource_missing');
    assert.equal((await refund(intent, {}, { account: null })).body.error.code, 'resource_missing', 'nor does the platform see it');
    const declined = await paid({}, { card: '4000000000000002' });
    assert.equal((await refund(declined)).status, 400);
    assert.equal((await charge(intent)).amount_refunded, 0);
  });

  test('the same key refunds once, and a refusal is repeated too', async () => {
    const intent = await paid();
    const first = await refund(intent, { amount: 600 }, { key: 'refund-1' });
    const again = await refund(intent, { amount: 600 }, { key: 'refund-1' });
    assert.deepEqual([again.body, again.headers.get('idempotent-replayed')], [first.body, 'true']);
    await refund(intent, { amount: 600 }, { key: 'refund-2' });
    assert.equal((await refund(intent, { amount: 600 }, { key: 'refund-2' })).headers.get('idempotent-replayed'), 'true');
    assert.equal((await charge(intent)).amount_refunded, 600);
  });

  test('the fee goes back in proportion when that is asked for, and to the unit at the end', async () => {
    const intent = await paid({ application_fee_amount: 101 });
    const fee = () => stripe.books().application_fees.at(-1);
    await refund(intent, { amount: 333, refund_application_fee: true });
    assert.equal(fee().amount_refunded, 33);
    await refund(intent, { amount: 100 });
    assert.equal(fee().amount_refunded, 33, 'not asked for');
    await refund(intent, { refund_application_fee: true });
    assert.deepEqual([fee().amount_refunded, fee().refunded], [101, true]);
    const event = stripe.books().events.findLast(({ type }) => type === 'application_fee.refunded');
    assert.deepEqual([event.account, event.data.object.amount_refunded], [undefined, 101], 'the fee is the platform\'s');
    const free = await paid();
    assert.deepEqual(refusal(await refund(free, { refund_application_fee: true })).slice(3), ['refund_application_fee', `Attempting to refund_application_fee on ${free.latest_charge}, but it has no application fee`]);
  });

  test('a destination charge: refunded on the platform, told without an account, the transfer reversed on request', async () => {
    const intent = await paid({ application_fee_amount: 100, on_behalf_of: shop, transfer_data: { destination: shop } }, { account: null });
    const { body } = await refund(intent, { amount: 250, reverse_transfer: true, refund_application_fee: true }, { account: null });
    assert.match(body.transfer_reversal, /^trr_/);
    assert.deepEqual([stripe.books().transfers.at(-1).amount_reversed, stripe.books().application_fees.at(-1).amount_refunded], [250, 25]);
    const plain = await refund(intent, { amount: 250 }, { account: null });
    assert.deepEqual([plain.body.transfer_reversal, stripe.books().transfers.at(-1).amount_reversed], [null, 250]);
    for (const { account } of stripe.books().events.filter(({ data: { object } }) => object.payment_intent === intent.id)) assert.equal(account, undefined);
    const direct = await paid();
    assert.equal(refusal(await refund(direct, { reverse_transfer: true }))[3], 'reverse_transfer');
  });

  test('read by id, by payment, page by page', async () => {
    const intent = await paid();
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.unshift((await refund(intent, { amount: 10 })).body.id);
    await refund(await paid());
    const list = async (params) => (await call('GET', '/v1/refunds', { payment_intent: intent.id, ...params }, { account: shop })).body;
    const first = await list({ limit: 2 });
    assert.deepEqual([first.object, first.data.map(({ id }) => id), first.has_more, first.url], ['list', ids.slice(0, 2), true, '/v1/refunds']);
    assert.deepEqual((await list({ limit: 2, starting_after: ids[1] })).data.map(({ id }) => id), ids.slice(2, 4));
    const last = await list({ limit: 2, starting_after: ids[3] });
    assert.deepEqual([last.data.map(({ id }) => id), last.has_more], [[ids[4]], false]);
    assert.equal((await call('GET', '/v1/refunds', { charge: intent.latest_charge }, { account: shop })).body.data.length, 5);
    const { body } = await call('GET', `/v1/refunds/${ids[0]}`, { expand: ['charge', 'payment_intent'] }, { account: shop });
    assert.deepEqual([body.charge.amount_refunded, body.payment_intent.id], [50, intent.id]);
    assert.equal((await call('GET', `/v1/refunds/${ids[0]}`)).status, 404);
    assert.equal((await charge(intent)).refunds.data.length, 5);
  });

  test('found from the other end: the session by its payment, and everything below it in one call', async () => {
    const intent = await paid();
    await refund(intent, { amount: 70 });
    const { body } = await call('GET', '/v1/checkout/sessions', { payment_intent: intent.id, expand: ['data.payment_intent.latest_charge.refunds'] }, { account: shop });
    assert.equal(body.data.length, 1);
    const { latest_charge: seen } = body.data[0].payment_intent;
    assert.deepEqual([body.data[0].payment_intent.id, seen.amount_refunded, seen.refunds.data.map(({ amount }) => amount)], [intent.id, 70, [70]]);
    assert.equal((await call('GET', '/v1/checkout/sessions', { payment_intent: intent.id }, { account: await merchant() })).body.data.length, 0);
  });

  test('trouble while a refund is made: done or not, the key finds it, and the books have it once', async () => {
    const intent = await paid();
    const given = () => stripe.payments().find((row) => row.payment_intent === intent.id).amount_refunded;
    for (const [how, status, done, again] of [['500', 500, 0, 200], ['429', 429, 0, 200], ['500_after', 500, 100, 500], ['drop_before', null, 0, 200], ['drop_after', null, 100, 200]]) {
      const before_ = given();
      stripe.misbehave({ on: 'POST /v1/refunds', how });
      const first = await refund(intent, { amount: 100 }, { key: `trouble-${how}` }).catch(() => ({ status: null }));
      assert.deepEqual([first.status, given() - before_], [status, done], how);
      const second = await refund(intent, { amount: 100 }, { key: `trouble-${how}` });
      assert.deepEqual([second.status, second.headers.get('idempotent-replayed')], [again, done ? 'true' : null], how);
      assert.equal(given() - before_, 100, how);
    }
  });

  // -- refunds that end later than they begin ------------------------------------------------------------------------

  test('Stripe\'s card for slow refunds: pending, then what the bank says', async () => {
    const intent = await paid({}, { card: '4000 0000 0000 7726' });
    const { body } = await refund(intent, { amount: 400 });
    assert.deepEqual([body.status, body.pending_reason, body.destination_details.card.reference], ['pending', 'processing', undefined]);
    assert.equal((await charge(intent)).amount_refunded, 400, 'spoken for already');
    assert.equal(refusal(await refund(intent, { amount: 601 }))[3], 'amount');
    const done = await stripe.settleRefund(body.id);
    assert.deepEqual([done.status, done.pending_reason], ['succeeded', undefined]);
    assert.deepEqual(told(body.id), ['refund.created pending', 'refund.updated succeeded']);
    await assert.rejects(stripe.settleRefund(body.id, 'succeeded'), /succeeded already/);
  });

  test('Stripe\'s card for refunds that fail afterwards: the money can be refunded again', async () => {
    const intent = await paid({ application_fee_amount: 100 }, { card: '4000 0000 0000 5126' });
    const { body } = await refund(intent, { refund_application_fee: true });
    assert.deepEqual([body.status, (await charge(intent)).refunded], ['succeeded', true]);
    const failed = await stripe.settleRefund(body.id);
    assert.deepEqual([failed.status, failed.failure_reason], ['failed', 'expired_or_canceled_card']);
    const after_ = await charge(intent);
    assert.deepEqual([after_.amount_refunded, after_.refunded], [0, false]);
    assert.deepEqual(told(body.id).slice(-2), ['refund.updated failed', 'refund.failed failed']);
    assert.equal(stripe.books().application_fees.at(-1).amount_refunded, 100, 'the fee does not come back by itself');
    assert.equal((await refund(intent, { refund_application_fee: true })).status, 200);
    assert.equal(stripe.books().application_fees.at(-1).amount_refunded, 100, 'nor is it given back twice');
  });

  test('a test slows the refunds of any payment, and fails one that has succeeded', async () => {
    const intent = await paid();
    await stripe.slowRefunds(intent.id, 'failed');
    const { body } = await refund(intent);
    assert.equal(body.status, 'pending');
    assert.equal((await stripe.settleRefund(body.id)).status, 'failed');
    const done = await stripe.refund(await paid().then(({ id }) => id));
    assert.equal((await stripe.failRefund(done.id, 'lost_or_stolen_card')).failure_reason, 'lost_or_stolen_card');
    await assert.rejects(stripe.failRefund(done.id), /failed already/);
    await assert.rejects(stripe.settleRefund(done.id, 'vanished'), /'succeeded' or 'failed'/);
    await assert.rejects(stripe.settleRefund('re_none', 'failed'), /there is no refund/);
  });

  test('slow refunds end by themselves where debits do', async () => {
    const fresh = await start({ settleAfterMs: 60_000 });
    try {
      const made = await fresh.session(await fresh.merchant());
      await fresh.stripe.pay(made.id, { card: '4000000000007726' });
      await fresh.stripe.refund(made.id);
      fresh.stripe.advance(58);
      assert.equal(fresh.stripe.books().refunds[0].status, 'pending');
      fresh.stripe.advance(3);
      assert.equal(fresh.stripe.books().refunds[0].status, 'succeeded');
    } finally {
      await fresh.stripe.close();
    }
  });
});
