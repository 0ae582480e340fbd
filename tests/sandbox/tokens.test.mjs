// Shared payment tokens: how they are minted, what they are good for, how they end, and who hears of it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PREVIEW, VERSION, listener, start } from './support.mjs';

describe('Shared payment tokens', () => {
  let stripe, call, merchant, shop, other, hook;
  before(async () => {
    hook = await listener();
    ({ stripe, call, merchant } = await start());
    shop = await merchant({ name: 'Tea' });
    other = await merchant({ name: 'Coffee' });
  });
  after(async () => {
    await stripe.close();
    await hook.close();
  });

  const HELPER = '/v1/test_helpers/shared_payment/granted_tokens';
  const as = (account, more = {}) => ({ account, version: PREVIEW, ...more });
  const mint = ({ usage_limits: limits, ...more } = {}, options = as(shop)) =>
    call('POST', HELPER, { payment_method: 'pm_card_visa', usage_limits: { currency: 'usd', max_amount: 1000, ...limits }, ...more }, options);
  const read = (id, options = as(shop)) => call('GET', `/v1/shared_payment/granted_tokens/${id}`, {}, options);
  const revoke = (id, options = as(shop)) => call('POST', `${HELPER}/${id}/revoke`, {}, options);
  const pay = (token, params = {}, options = as(shop)) =>
    call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token }, ...params }, options);
  const intents = () => stripe.books().payment_intents.length;
  const told = (id) => stripe.books().events.filter(({ data: { object } }) => object.id === id).map(({ type }) => type);

  test('the test helper mints one for the account that asks, with what Stripe shows of it', async () => {
    const until = Math.floor(Date.now() / 1000) + 600;
    const { status, body } = await mint({ payment_method: 'pm_card_mastercard', usage_limits: { max_amount: 5000, currency: 'eur', expires_at: until }, shared_metadata: { order: '7' } });
    assert.equal(status, 200);
    assert.match(body.id, /^spt_1\w{23}$/);
    assert.deepEqual(body.usage_limits, { currency: 'eur', expires_at: until, max_amount: 5000 });
    assert.deepEqual(body.usage_details, { amount_captured: { currency: 'eur', value: 0 } });
    assert.deepEqual([body.object, body.livemode, body.deactivated_at, body.deactivated_reason, body.shared_metadata], ['shared_payment.granted_token', false, null, null, { order: '7' }]);
    assert.deepEqual([body.payment_method_details.type, body.payment_method_details.card.brand, body.payment_method_details.card.last4], ['card', 'mastercard', '4444']);
    assert.match(body.agent_details.network_business_profile, /^profile_test_/);
    assert.deepEqual((await read(body.id)).body, body);
    assert.equal((await mint()).body.usage_limits.expires_at, null, 'an expiry may be left out');
  });

  test('refused when minted: no such card, no limits, no currency, nothing at all, the past, too far ahead, a live key', async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const [params, code, param] of [
      [{ payment_method: 'pm_1none' }, 'resource_missing', 'payment_method'],
      [{ payment_method: undefined }, 'parameter_missing', 'payment_method'],
      [{ usage_limits: { max_amount: 0 } }, 'parameter_invalid_integer', 'usage_limits[max_amount]'],
      [{ usage_limits: { currency: 'xyz' } }, undefined, 'usage_limits[currency]'],
      [{ usage_limits: { currency: undefined } }, 'parameter_missing', 'usage_limits[currency]'],
      [{ usage_limits: { expires_at: now - 1 } }, undefined, 'usage_limits[expires_at]'],
      [{ usage_limits: { expires_at: now + 91 * 86_400 } }, undefined, 'usage_limits[expires_at]'],
      [{ seller_details: { network_id: 'internal' } }, 'parameter_unknown', 'seller_details'],
      [{ usage_limits: { recurring: { interval: 'month' } } }, 'parameter_not_played_here', 'usage_limits[recurring]'],
    ]) {
      const { status, body } = await mint(params);
      assert.deepEqual([status, body.error?.code, body.error?.param], [400, code, param], JSON.stringify(params));
    }
    const both = await merchant({ livemode: true });
    assert.match((await mint({}, as(both, { livemode: true }))).body.error.message, /test mode/);
  });

  test('only previews know tokens: under a general version neither the operations nor the parameter exist', async () => {
    const { body: token } = await mint();
    for (const version of [VERSION, null]) {
      assert.equal((await mint({}, as(shop, { version }))).status, 404);
      assert.equal((await read(token.id, as(shop, { version }))).status, 404);
      assert.equal((await revoke(token.id, as(shop, { version }))).status, 404);
      const { status, body } = await pay(token.id, {}, as(shop, { version }));
      assert.deepEqual([status, body.error.code, body.error.param], [400, 'parameter_unknown', 'payment_method_data[shared_payment_granted_token]']);
    }
    assert.equal((await mint({}, as(shop, { version: '2026-02-25.preview' }))).status, 400, 'an earlier preview is none that is played');
    assert.equal((await mint({}, as(shop, { version: '2026-04-22.preview' }))).status, 200);
    assert.equal((await call('GET', '/v1/payment_intents', {}, as(shop))).status, 200, 'a preview knows everything else as well');
    assert.equal((await pay(token.id)).body.status, 'succeeded');
  });

  test('one payment consumes it, however little of it was needed; the token says so, and its seller hears of it', async () => {
    const { body: token } = await mint();
    const paid = await pay(token.id, { amount: 400 });
    assert.deepEqual([paid.status, paid.body.status, paid.body.amount_received], [200, 'succeeded', 400]);
    const after_ = (await read(token.id)).body;
    assert.deepEqual([after_.deactivated_reason, after_.usage_details.amount_captured.value], ['consumed', 400]);
    assert.ok(after_.deactivated_at >= after_.created);
    assert.deepEqual(told(token.id), ['shared_payment.granted_token.used', 'shared_payment.granted_token.deactivated']);
    const before_ = intents();
    const again = await pay(token.id, { amount: 400 });
    assert.deepEqual([again.status, Object.keys(again.body.error).sort(), again.body.error.type], [400, ['message', 'type'], 'invalid_request_error'], 'Stripe names no code');
    assert.match(again.body.error.message, /deactivated state/);
    assert.equal(intents(), before_, 'no payment was made of it');
    assert.deepEqual(stripe.books().granted_tokens.find(({ id }) => id === token.id).payments, [paid.body.id]);
  });

  test('above its amount or in another currency: refused without a code, nothing is made, and it still pays what it may', async () => {
    const { body: token } = await mint();
    const before_ = intents();
    for (const [params, message] of [[{ amount: 1001 }, /greater than the remaining amount capturable/], [{ currency: 'eur' }, /currency/]]) {
      const { status, body } = await pay(token.id, params);
      assert.deepEqual([status, body.error.type, body.error.code, body.error.param], [400, 'invalid_request_error', undefined, undefined]);
      assert.match(body.error.message, message);
    }
    assert.equal(intents(), before_);
    assert.deepEqual(told(token.id), []);
    assert.equal((await pay(token.id, { amount: 1000 })).body.status, 'succeeded', 'exactly its amount is fine');
  });

  test('other sellers\' tokens, other modes\', and ids that nobody made do not exist', async () => {
    const { body: token } = await mint();
    const live = await merchant({ livemode: true });
    const liveToken = await stripe.grantToken({ account: live, livemode: true, maxAmount: 1000 });
    const before_ = intents();
    for (const [id, options] of [[token.id, as(other)], [token.id, as(null)], [liveToken, as(shop)], ['spt_1None', as(shop)], ['pm_card_visa', as(shop)], [token.id, as(live, { livemode: true })]]) {
      const refused = await pay(id, {}, options);
      assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.param], [400, 'resource_missing', 'payment_method_data[shared_payment_granted_token]'], id);
      assert.match(refused.body.error.message, /No such shared_payment_token/);
      const unread = await read(id, options);
      assert.deepEqual([unread.status, unread.body.error.code], [404, 'resource_missing'], id);
    }
    assert.equal((await revoke(token.id, as(other))).status, 404);
    assert.equal(intents(), before_);
    const paid = await pay(liveToken, {}, as(live, { livemode: true }));
    assert.deepEqual([paid.body.status, paid.body.livemode], ['succeeded', true], 'a live token pays in live mode');
  });

  test('revoked by the agent: refused from then on, told once', async () => {
    const { body: token } = await mint();
    const { status, body } = await revoke(token.id);
    assert.deepEqual([status, body.deactivated_reason], [200, 'revoked']);
    assert.match((await pay(token.id)).body.error.message, /deactivated state/);
    assert.equal((await revoke(token.id)).status, 400);
    assert.deepEqual(told(token.id), ['shared_payment.granted_token.deactivated']);
    const mine = await stripe.grantToken({ account: shop, maxAmount: 1 });
    assert.equal((await stripe.revokeToken(mine)).deactivated_reason, 'revoked');
  });

  test('it runs out by itself, whether somebody looks or not', async () => {
    const now = stripe.world.now();
    const { body: looked } = await mint({ usage_limits: { expires_at: now + 60 } });
    const { body: unseen } = await mint({ usage_limits: { expires_at: now + 60 } });
    const { body: longer } = await mint({ usage_limits: { expires_at: now + 86_400 } });
    stripe.world.ahead += 60; // without the clock's tick
    assert.match((await pay(looked.id)).body.error.message, /deactivated state/);
    assert.equal((await read(looked.id)).body.deactivated_reason, 'expired');
    assert.deepEqual(told(unseen.id), []);
    stripe.advance(0);
    assert.deepEqual(told(unseen.id), ['shared_payment.granted_token.deactivated']);
    assert.equal((await read(unseen.id)).body.deactivated_reason, 'expired');
    assert.equal((await pay(longer.id)).body.status, 'succeeded');
  });

  test('a declined try leaves it usable, and the next one with it is declined as well', async () => {
    const { body: token } = await mint({ payment_method: 'pm_card_chargeDeclined' });
    for (const key of ['first', 'second']) assert.equal((await pay(token.id, {}, as(shop, { key }))).body.error.decline_code, 'generic_decline');
    assert.equal((await read(token.id)).body.deactivated_at, null);
  });

  test('two payments at once with one token: one of them is paid', async () => {
    const { body: token } = await mint();
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'hold_before', times: 2 });
    const both = [pay(token.id, {}, as(shop, { key: 'race-1' })), pay(token.id, {}, as(shop, { key: 'race-2' }))];
    await stripe.holding(2);
    stripe.release();
    assert.deepEqual((await Promise.all(both)).map(({ status }) => status).sort(), [200, 400]);
    assert.equal(stripe.payments().filter((row) => row.shared_payment_token === token.id).length, 1);
  });

  test('what people\'s clients send before they have a real one pays in test mode, again and again, and never in live mode', async () => {
    for (const id of ['tok_visa', 'spt_123', 'spt_test_abc', 'tok_visa']) {
      assert.equal((await pay(id)).body.status, 'succeeded', id);
      const { body } = await read(id);
      assert.deepEqual([body.id, body.deactivated_at, body.usage_limits, body.livemode], [id, null, null, false]);
    }
    assert.equal((await pay('tok_chargeDeclined')).body.error.decline_code, 'generic_decline');
    assert.equal((await pay('tok_nothing')).body.error.code, 'resource_missing');
    assert.equal((await revoke('tok_visa')).status, 400);
    const live = await merchant({ livemode: true });
    assert.equal((await pay('tok_visa', {}, as(live, { livemode: true }))).body.error.code, 'resource_missing');
  });

  test('for tests: grantToken by number, name or debit; the platform when no account is named', async () => {
    const plain = await stripe.grantToken({ maxAmount: 700 });
    const { body } = await read(plain, as(null));
    assert.deepEqual([body.usage_limits.max_amount, body.usage_limits.currency], [700, 'usd']);
    assert.ok(body.usage_limits.expires_at > body.created);
    const late = await stripe.grantToken({ account: shop, maxAmount: 700, currency: 'EUR', card: '4000 0000 0000 9995', expiresAt: stripe.world.now() + 5 });
    assert.deepEqual((await read(late)).body.usage_limits, { currency: 'eur', max_amount: 700, expires_at: stripe.world.now() + 5 });
    assert.equal((await pay(late, { amount: 700, currency: 'eur' })).body.error.decline_code, 'insufficient_funds');
    for (const [wrong, why] of [[{ maxAmount: 1, card: 'nothing' }, /test cards/], [{ maxAmount: 0 }, /maxAmount/], [{}, /maxAmount/], [{ maxAmount: 1, currency: 'xyz' }, /currency/], [{ maxAmount: 1, account: 'acct_none' }, /no account/]]) {
      await assert.rejects(stripe.grantToken(wrong), why);
    }
  });

  test('the events go to the seller\'s endpoint, signed; a thin one says where the token is', async () => {
    stripe.setWebhooks([{ url: hook.url, secret: 'whsec_x', connect: true, events: ['shared_payment.granted_token.used', 'shared_payment.granted_token.deactivated'] }]);
    const { body: token } = await mint();
    await pay(token.id);
    await hook.until(2);
    const [{ event, headers, body }] = hook.heard.filter(({ event: { type } }) => type === 'shared_payment.granted_token.used');
    assert.deepEqual([event.account, event.data.object.id, event.data.object.object], [shop, token.id, 'shared_payment.granted_token']);
    assert.equal(headers['stripe-signature'], stripe.signature(body, 'whsec_x', Number(/t=(\d+)/.exec(headers['stripe-signature'])[1])));
    assert.deepEqual(stripe.thin(event.id).related_object, { id: token.id, type: 'shared_payment.granted_token', url: `/v1/shared_payment/granted_tokens/${token.id}` });
    stripe.setWebhooks([]);
  });
});
