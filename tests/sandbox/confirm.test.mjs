// PaymentIntents made and confirmed by API: every way they go, what is refused, and what is found again after a lost answer.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CARDS, NAMES, methodOf } from '../../sandbox/stripe/methods.mjs';
import { PREVIEW, VERSION, listener, start } from './support.mjs';

const PROOF = { cryptogram: 'AAIBBYNoEwAAAAAAg4PyBhdAEhs=', transaction_id: '5e1c3b1e-5a5c-4d2a-9a3c-0f1e2d3c4b5a', version: '2.2.0', electronic_commerce_indicator: '05', ares_trans_status: 'Y' };

describe('PaymentIntents by API', () => {
  let stripe, call, merchant, shop;
  before(async () => {
    ({ stripe, call, merchant } = await start());
    shop = await merchant({ name: 'Tea' });
  });
  after(() => stripe.close());

  const as = (account = shop, more = {}) => ({ account, version: PREVIEW, ...more });
  const grant = (card, more = {}) => stripe.grantToken({ account: shop, maxAmount: 5000, card, ...more });
  const order = (token, more = {}) => ({ amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token }, ...more });
  const create = (params, options = as()) => call('POST', '/v1/payment_intents', params, options);
  const confirm = (id, params = {}, options = as()) => call('POST', `/v1/payment_intents/${id}/confirm`, params, options);
  const read = async (id, options = as()) => (await call('GET', `/v1/payment_intents/${id}`, { expand: ['latest_charge', 'payment_method'] }, options)).body;
  const told = (id) => stripe.books().events.filter(({ data: { object } }) => object.id === id || object.payment_intent === id).map(({ type }) => type);
  const tokenOf = (id) => stripe.books().granted_tokens.find((token) => token.id === id);

  // -- paid --------------------------------------------------------------------------------------------------------

  test('paid at once: all that was said is kept, the fee is taken, it is told, and it counts in the books', async () => {
    const token = await grant();
    const { status, body } = await create(order(token, {
      payment_method_data: { type: 'card', shared_payment_granted_token: token, billing_details: { name: 'Bo', email: 'bo@example.com', address: { line1: 'Road 1', country: 'US' } } },
      application_fee_amount: 30, metadata: { cc_transaction: 'cct_paid', other: 'x' }, description: 'Order 7', receipt_email: 'bo@example.com',
      shipping: { name: 'Bo', address: { line1: 'Road 1', city: 'Ely' } }, statement_descriptor_suffix: 'TEA', expand: ['latest_charge', 'payment_method'],
    }));
    assert.equal(status, 200, JSON.stringify(body));
    const { latest_charge: charge } = body;
    assert.deepEqual(
      [body.status, body.amount_received, body.application_fee_amount, body.metadata, body.description, body.receipt_email, body.application, body.payment_method_types],
      ['succeeded', 1000, 30, { cc_transaction: 'cct_paid', other: 'x' }, 'Order 7', 'bo@example.com', stripe.keys.test.clientId, ['card']]);
    assert.deepEqual(body.shipping, { carrier: null, phone: null, tracking_number: null, name: 'Bo', address: { line1: 'Road 1', city: 'Ely', country: null, line2: null, postal_code: null, state: null } });
    assert.deepEqual([charge.paid, charge.captured, charge.amount, charge.metadata.cc_transaction, charge.billing_details.email, charge.billing_details.address.line1], [true, true, 1000, 'cct_paid', 'bo@example.com', 'Road 1']);
    assert.deepEqual([body.payment_method.card.brand, body.payment_method.card.last4, charge.payment_method], ['visa', '4242', body.payment_method.id]);
    assert.deepEqual(told(body.id), ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded']);
    const [row, ...more] = stripe.payments('cct_paid');
    assert.deepEqual(more, []);
    assert.deepEqual(
      [row.payment_intent, row.checkout_session, row.shared_payment_token, row.account, row.charge_type, row.status, row.amount_captured, row.application_fee_amount],
      [body.id, null, token, shop, 'direct', 'succeeded', 1000, 30]);
    const refund = await call('POST', '/v1/refunds', { payment_intent: body.id, amount: 400, refund_application_fee: true }, as(shop, { version: VERSION }));
    assert.equal(refund.body.status, 'succeeded');
    assert.deepEqual([stripe.payments('cct_paid')[0].amount_refunded, stripe.payments('cct_paid')[0].application_fee_refunded], [400, 12]);
    assert.equal((await read(body.id, as(shop, { version: VERSION }))).status, 'succeeded', 'read under any version');
    assert.equal((await call('GET', `/v1/payment_intents/${body.id}`, {}, as(await merchant()))).status, 404);
  });

  for (const [card, code, decline_code] of [
    ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_visa_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_visa_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
    ['pm_card_visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card'],
    ['pm_card_visa_chargeDeclinedVelocityLimitExceeded', 'card_declined', 'card_velocity_exceeded'],
    ['pm_card_chargeDeclinedFraudulent', 'card_declined', 'fraudulent'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc'],
    ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error'],
  ]) {
    test(`${card}: 402 with the PaymentIntent in the error, and nothing is paid`, async () => {
      const token = await grant(card);
      const { status, body: { error } } = await create(order(token));
      assert.deepEqual([status, error.type, error.code, error.decline_code], [402, 'card_error', code, decline_code]);
      const intent = await read(error.payment_intent.id);
      assert.deepEqual([intent.status, intent.amount_received, intent.payment_method, intent.last_payment_error.code, intent.last_payment_error.charge], ['requires_payment_method', 0, null, code, error.charge]);
      assert.deepEqual([error.payment_intent.status, error.payment_intent.last_payment_error.code, error.payment_method.object], ['requires_payment_method', code, 'payment_method']);
      assert.deepEqual([intent.latest_charge.id, intent.latest_charge.status, intent.latest_charge.failure_code], [error.charge, 'failed', code]);
      assert.deepEqual(told(intent.id), ['payment_intent.created', 'charge.failed', 'payment_intent.payment_failed']);
      assert.equal(tokenOf(token).deactivated_at, null);
    });
  }

  for (const [card, brand, last4] of [['pm_card_visa', 'visa', '4242'], ['pm_card_us', 'visa', '4242'], ['pm_card_mastercard', 'mastercard', '4444'], ['pm_card_amex', 'amex', '0005'], ['pm_card_discover', 'discover', '1117']]) {
    test(`${card} pays`, async () => {
      const { body } = await create(order(await grant(card), { expand: ['payment_method'] }));
      assert.deepEqual([body.status, body.payment_method.card.brand, body.payment_method.card.last4], ['succeeded', brand, last4]);
    });
  }

  test('cards whose refunds end later than they begin, by their names too', async () => {
    const refund = async (card) => {
      const { body } = await create(order(await grant(card)));
      return (await call('POST', '/v1/refunds', { payment_intent: body.id }, as(shop, { version: VERSION }))).body;
    };
    const slow = await refund('pm_card_pendingRefund');
    assert.deepEqual([slow.status, (await stripe.settleRefund(slow.id)).status], ['pending', 'succeeded']);
    const doomed = await refund('pm_card_refundFail');
    assert.deepEqual([doomed.status, (await stripe.settleRefund(doomed.id)).status], ['succeeded', 'failed']);
  });

  for (const [card, later] of [
    ['pm_card_threeDSecure2Required', 'succeeded'], ['pm_card_authenticationRequired', 'succeeded'], ['pm_card_authenticationRequiredOnSetup', 'succeeded'],
    ['pm_card_threeDSecureRequiredChargeDeclined', 'generic_decline'], ['pm_card_authenticationRequiredChargeDeclinedInsufficientFunds', 'insufficient_funds'],
  ]) {
    test(`${card} asks the bank, then: ${later}`, async () => {
      const { body } = await create(order(await grant(card)));
      assert.equal(body.status, 'requires_action');
      const after_ = await stripe.confirm(body.id);
      assert.equal(after_.decline_code ?? after_.status, later);
      assert.equal((await read(body.id)).status, later === 'succeeded' ? 'succeeded' : 'requires_payment_method');
    });
  }

  test('every name stands for something, and every card has a name', () => {
    for (const [name, number] of Object.entries(NAMES)) assert.deepEqual(methodOf(name), methodOf(number), name);
    assert.deepEqual(Object.keys(CARDS).filter((number) => !Object.values(NAMES).includes(number)), []);
    for (const none of ['', 'pm_card', 'tok_', 'constructor', 'pm_card_nothing', '4242']) assert.equal(methodOf(none), undefined, none);
  });

  test('after a decline the same PaymentIntent is confirmed with another token; without one it cannot be', async () => {
    const { body: { error: { payment_intent: { id } } } } = await create(order(await grant('pm_card_chargeDeclined')));
    const bare = await confirm(id);
    assert.deepEqual([bare.status, bare.body.error.code, bare.body.error.payment_intent.id], [400, 'payment_intent_unexpected_state', id]);
    const token = await grant('pm_card_mastercard');
    const { body } = await confirm(id, { payment_method_data: { shared_payment_granted_token: token } });
    assert.deepEqual([body.status, body.last_payment_error], ['succeeded', null]);
    assert.equal(tokenOf(token).deactivated_reason, 'consumed');
    const again = await confirm(id, { payment_method_data: { shared_payment_granted_token: await grant() } });
    assert.deepEqual([again.status, again.body.error.code, again.body.error.payment_intent.status], [400, 'payment_intent_unexpected_state', 'succeeded']);
  });

  test('made first and confirmed later; the token is looked at both times', async () => {
    const { body: empty } = await create({ amount: 1000, currency: 'usd' }, as(shop, { version: VERSION }));
    assert.equal(empty.status, 'requires_payment_method');
    const token = await grant();
    const { body: made } = await create(order(token, { confirm: false }));
    assert.deepEqual([made.status, told(made.id)], ['requires_confirmation', ['payment_intent.created']]);
    assert.equal(tokenOf(token).deactivated_at, null, 'not used yet');
    await stripe.revokeToken(token);
    assert.match((await confirm(made.id)).body.error.message, /deactivated state/);
    const fresh = await grant();
    assert.equal((await confirm(made.id, { payment_method_data: { shared_payment_granted_token: fresh }, receipt_email: 'late@example.com' })).body.receipt_email, 'late@example.com');
    assert.equal((await read(made.id)).status, 'succeeded');
    const { body: third } = await create(order(await grant(), { confirm: undefined }));
    assert.equal((await confirm(third.id, {}, as(shop, { version: VERSION }))).body.status, 'succeeded', 'a general version confirms what is there');
  });

  // -- authorised, debited -----------------------------------------------------------------------------------------

  test('manual capture: authorised with the token, captured in part, which the token counts', async () => {
    const token = await grant();
    const { body } = await create(order(token, { capture_method: 'manual', application_fee_amount: 100 }));
    assert.deepEqual([body.status, body.amount_capturable, body.amount_received], ['requires_capture', 1000, 0]);
    assert.deepEqual(told(body.id), ['payment_intent.created', 'charge.succeeded', 'payment_intent.amount_capturable_updated']);
    assert.deepEqual([tokenOf(token).deactivated_reason, tokenOf(token).usage_details.amount_captured.value], ['consumed', 0]);
    const captured = await call('POST', `/v1/payment_intents/${body.id}/capture`, { amount_to_capture: 600 }, as());
    assert.deepEqual([captured.body.status, captured.body.amount_received], ['succeeded', 600]);
    assert.equal(tokenOf(token).usage_details.amount_captured.value, 600);
    const other = (await create(order(await grant(), { capture_method: 'manual' }))).body;
    assert.equal((await call('POST', `/v1/payment_intents/${other.id}/cancel`, { cancellation_reason: 'abandoned' }, as())).body.status, 'canceled');
    assert.equal((await confirm(other.id)).body.error.code, 'payment_intent_unexpected_state');
  });

  test('a debit takes its time: processing, then paid or returned', async () => {
    const one = (await create(order(await grant('bank_debit_succeeds')))).body;
    assert.deepEqual([one.status, one.amount_received, told(one.id)], ['processing', 0, ['payment_intent.created', 'charge.pending', 'payment_intent.processing']]);
    assert.equal((await call('POST', `/v1/payment_intents/${one.id}/cancel`, {}, as())).status, 400);
    await stripe.settle(one.id);
    assert.equal((await read(one.id)).status, 'succeeded');
    await assert.rejects(stripe.settle(one.id), /nothing is under way/);
    const two = (await create(order(await grant('pm_usBankAccount_insufficientFunds')))).body;
    await stripe.settle(two.id);
    const returned = await read(two.id);
    assert.deepEqual([returned.status, returned.last_payment_error.code, told(two.id).slice(-2)], ['requires_payment_method', 'payment_method_provider_decline', ['charge.failed', 'payment_intent.payment_failed']]);
    const held = await create(order(await grant('bank_debit_succeeds'), { capture_method: 'manual' }));
    assert.equal(held.body.error.code, 'payment_intent_incompatible_payment_method');
  });

  test('debits end by themselves where that was asked for', async () => {
    const quick = await start({ settleAfterMs: 1000 });
    try {
      const account = await quick.merchant();
      const token = await quick.stripe.grantToken({ account, maxAmount: 1000, card: 'bank_debit_succeeds' });
      const { body } = await quick.call('POST', '/v1/payment_intents', order(token), as(account));
      quick.stripe.advance(2);
      assert.equal(quick.stripe.intent(body.id).object.status, 'succeeded');
    } finally {
      await quick.stripe.close();
    }
  });

  // -- 3D Secure ---------------------------------------------------------------------------------------------------

  const asked = async (params = {}, card = 'pm_card_threeDSecure2Required') => {
    const token = await grant(card);
    return { token, ...(await create(order(token, params))) };
  };

  test('the bank asks: 200 requires_action, whose next_action is a page or what Stripe\'s scripts read', async () => {
    const { status, body, token } = await asked({ return_url: 'https://shop.example/back' });
    assert.deepEqual([status, body.status, body.latest_charge, body.next_action.type, body.next_action.redirect_to_url.return_url], [200, 'requires_action', null, 'redirect_to_url', 'https://shop.example/back']);
    assert.match(body.payment_method, /^pm_/);
    assert.deepEqual(told(body.id), ['payment_intent.created', 'payment_intent.requires_action']);
    assert.equal(tokenOf(token).deactivated_at, null, 'not used before the buyer has said yes');
    const bare = (await asked()).body.next_action;
    assert.deepEqual([bare.type, bare.use_stripe_sdk.type], ['use_stripe_sdk', 'three_d_secure_redirect']);
    assert.equal((await asked({ return_url: 'https://shop.example/back', use_stripe_sdk: true })).body.next_action.type, 'use_stripe_sdk');
    assert.equal((await fetch(bare.use_stripe_sdk.stripe_js)).status, 200);
  });

  test('passed: paid, told, and the charge says so. Refused: it can be tried anew', async () => {
    const { body, token } = await asked();
    assert.deepEqual(await stripe.confirm(body.id), { ok: true, status: 'succeeded' });
    const paid = await read(body.id);
    assert.deepEqual([paid.status, paid.next_action, paid.latest_charge.payment_method_details.card.three_d_secure.result, paid.payment_method.id], ['succeeded', null, 'authenticated', body.payment_method]);
    assert.deepEqual(told(body.id).slice(-2), ['charge.succeeded', 'payment_intent.succeeded']);
    assert.equal(tokenOf(token).deactivated_reason, 'consumed');
    assert.equal((await stripe.confirm(body.id)).code, 'nothing_to_confirm');
    const { body: other, token: kept } = await asked();
    assert.equal((await stripe.confirm(other.id, false)).code, 'payment_intent_authentication_failure');
    const failed = await read(other.id);
    assert.deepEqual([failed.status, failed.last_payment_error.code, failed.payment_method, told(other.id).at(-1)], ['requires_payment_method', 'payment_intent_authentication_failure', null, 'payment_intent.payment_failed']);
    assert.equal((await confirm(other.id, { payment_method_data: { shared_payment_granted_token: kept } })).body.status, 'requires_action', 'the token is as good as before');
  });

  test('held after the question: authorised; declined after it; canceled during it; revoked or spent elsewhere during it', async () => {
    const held = (await asked({ capture_method: 'manual' })).body;
    assert.equal((await stripe.confirm(held.id)).status, 'requires_capture');
    const declined = (await asked({}, 'pm_card_threeDSecureRequiredChargeDeclined')).body;
    assert.deepEqual(await stripe.confirm(declined.id), { ok: false, status: 'requires_payment_method', code: 'card_declined', decline_code: 'generic_decline', message: 'Your card was declined.' });
    const canceled = (await asked()).body;
    assert.equal((await call('POST', `/v1/payment_intents/${canceled.id}/cancel`, {}, as())).body.status, 'canceled');
    assert.equal((await stripe.confirm(canceled.id)).code, 'nothing_to_confirm');
    const revoked = await asked();
    await stripe.revokeToken(revoked.token);
    assert.equal((await stripe.confirm(revoked.body.id)).ok, false, 'a token that is no more pays nothing');
    const { body: first, token } = await asked();
    const { body: second } = await create(order(token));
    assert.equal((await stripe.confirm(first.id)).ok, true);
    assert.equal((await stripe.confirm(second.id)).ok, false, 'one token, one payment');
    assert.equal(stripe.payments().filter((row) => row.amount_captured > 0 && row.shared_payment_token === token).length, 1);
  });

  test('a token that runs out while the buyer is asked still pays: it was in time', async () => {
    const token = await grant('pm_card_threeDSecure2Required', { expiresAt: stripe.world.now() + 30 });
    const { body } = await create(order(token));
    stripe.advance(31);
    assert.equal(tokenOf(token).deactivated_reason, 'expired');
    assert.equal((await stripe.confirm(body.id)).status, 'succeeded');
    assert.equal(told(token).filter((type) => type === 'shared_payment.granted_token.deactivated').length, 1);
  });

  test('somebody else\'s 3D Secure: taken when it is sent at once, and when it comes later', async () => {
    const card = { payment_method_options: { card: { three_d_secure: PROOF } } };
    const { body, token } = await asked(card);
    assert.deepEqual([body.status, tokenOf(token).deactivated_reason], ['succeeded', 'consumed']);
    const { three_d_secure: shown } = (await read(body.id)).latest_charge.payment_method_details.card;
    assert.deepEqual([shown.result, shown.version, shown.transaction_id, shown.electronic_commerce_indicator], ['authenticated', '2.2.0', PROOF.transaction_id, '05']);
    const { body: waiting } = await asked();
    assert.equal((await confirm(waiting.id)).body.status, 'requires_action', 'asked again');
    assert.equal((await confirm(waiting.id, card)).body.status, 'succeeded');
    assert.equal((await create(order(await grant(), card))).body.status, 'succeeded', 'where it was not needed');
    const { body: later } = await create(order(await grant('pm_card_threeDSecure2Required'), { ...card, confirm: false }));
    assert.equal((await confirm(later.id)).body.status, 'succeeded', 'said when it was made, used when it was confirmed');
  });

  test('being authenticated does not make a bad card good, nor a debit quick', async () => {
    const card = { payment_method_options: { card: { three_d_secure: PROOF } } };
    assert.equal((await create(order(await grant('pm_card_chargeDeclined'), card))).body.error.decline_code, 'generic_decline');
    assert.equal((await create(order(await grant('pm_card_threeDSecureRequiredChargeDeclined'), card))).body.error.decline_code, 'generic_decline');
    assert.equal((await create(order(await grant('bank_debit_succeeds'), card))).body.status, 'processing');
    const { body: waiting } = await asked();
    const unmoved = await confirm(waiting.id, { payment_method_data: { shared_payment_granted_token: await grant('pm_card_chargeDeclined') } });
    assert.deepEqual([unmoved.status, unmoved.body.error.payment_intent.next_action], [402, null]);
  });

  test('a proof that proves nothing is no authentication; half a proof is none at all', async () => {
    for (const bad of [{ ares_trans_status: 'N' }, { ares_trans_status: 'R' }, { electronic_commerce_indicator: '07' }]) {
      const { status, body: { error } } = await asked({ payment_method_options: { card: { three_d_secure: { ...PROOF, ...bad } } } });
      assert.deepEqual([status, error.code, error.decline_code], [402, 'authentication_required', 'authentication_required'], JSON.stringify(bad));
    }
    for (const name of ['cryptogram', 'transaction_id', 'version']) {
      const { status, body: { error } } = await asked({ payment_method_options: { card: { three_d_secure: { ...PROOF, [name]: undefined } } } });
      assert.deepEqual([status, error.code, error.param], [400, 'parameter_missing', `payment_method_options[card][three_d_secure][${name}]`]);
    }
    assert.equal((await asked({ payment_method_options: { card: { three_d_secure: { ...PROOF, version: '9' } } } })).status, 400);
  });

  test('nobody is there to be asked: declined instead, and asked only where that was requested', async () => {
    for (const [param, code, decline_code] of [['off_session', 'authentication_required', 'authentication_required'], ['error_on_requires_action', 'authentication_required', 'authentication_not_handled']]) {
      const { status, body: { error } } = await asked({ [param]: true });
      assert.deepEqual([status, error.type, error.code, error.decline_code, error.payment_intent.status], [402, 'card_error', code, decline_code, 'requires_payment_method']);
      assert.equal((await create(order(await grant(), { [param]: true }))).body.status, 'succeeded', 'a card that asks nothing');
    }
    const optional = 'pm_card_threeDSecureOptional';
    assert.equal((await asked({}, optional)).body.status, 'succeeded');
    for (const request_three_d_secure of ['any', 'challenge']) {
      const { body } = await asked({ payment_method_options: { card: { request_three_d_secure } } }, optional);
      assert.deepEqual([body.status, body.payment_method_options.card.request_three_d_secure], ['requires_action', request_three_d_secure]);
      const { body: made } = await create(order(await grant(optional), { payment_method_options: { card: { request_three_d_secure } }, confirm: false }));
      assert.equal((await confirm(made.id)).body.status, 'requires_action', 'said when it was made');
    }
    assert.equal((await create(order(await grant(), { payment_method_options: { card: { request_three_d_secure: 'any' } } }))).body.status, 'succeeded', 'a card that is not enrolled');
  });

  test('an agent\'s whole order at once: nobody may be asked, and the buyer was authenticated elsewhere', async () => {
    const since = stripe.world.now();
    const { status, body } = await create(order(await grant('pm_card_threeDSecure2Required'), {
      error_on_requires_action: true, description: 'Order cs_7', receipt_email: 'bo@example.com', application_fee_amount: 25,
      shipping: { name: 'Bo', phone: '+15555550100', address: { line1: 'Road 1', line2: 'Flat 2', city: 'Ely', state: 'NV', country: 'US', postal_code: '89301' } },
      payment_method_options: { card: { three_d_secure: { cryptogram: PROOF.cryptogram, transaction_id: PROOF.transaction_id, version: '2.2.0', electronic_commerce_indicator: '05' } } },
      metadata: { cc_transaction: 'cct_order', cc_checkout: 'cs_7', cc_source: 'agent' },
    }));
    assert.deepEqual([status, body.status, body.shipping.address.postal_code], [200, 'succeeded', '89301']);
    const { body: page } = await call('GET', '/v1/payment_intents', { created: { gte: since, lte: since + 60 }, limit: 100, expand: ['data.latest_charge'] }, as(shop, { version: VERSION }));
    const [found] = page.data.filter(({ metadata }) => metadata.cc_transaction === 'cct_order');
    assert.deepEqual([found.id, found.latest_charge.payment_method_details.card.last4], [body.id, '3220']);
  });

  // -- refused -----------------------------------------------------------------------------------------------------

  test('refused, each by its name, and nothing is made', async () => {
    const token = await grant();
    const before_ = stripe.books().payment_intents.length;
    for (const [params, code, param] of [
      [{ amount: undefined }, 'parameter_missing', 'amount'],
      [{ currency: undefined }, 'parameter_missing', 'currency'],
      [{ amount: 0 }, 'parameter_invalid_integer', 'amount'],
      [{ amount: -5 }, 'parameter_invalid_integer', 'amount'],
      [{ amount: '10.00' }, 'parameter_invalid_integer', 'amount'],
      [{ amount: 49 }, 'amount_too_small', 'amount'],
      [{ amount: 1_000_000_000_000 }, 'amount_too_large', 'amount'],
      [{ amount: 1050, currency: 'isk' }, 'parameter_invalid_integer', 'amount'],
      [{ currency: 'xyz' }, undefined, 'currency'],
      [{ application_fee_amount: 1001 }, undefined, 'application_fee_amount'],
      [{ application_fee_amount: -1 }, 'parameter_invalid_integer', 'application_fee_amount'],
      [{ on_behalf_of: shop }, 'resource_missing', 'on_behalf_of'],
      [{ transfer_data: { destination: shop } }, 'resource_missing', 'transfer_data[destination]'],
      [{ payment_method_data: undefined }, 'parameter_missing', 'payment_method_data'],
      [{ payment_method_data: { type: 'card' } }, 'parameter_missing', 'payment_method_data[shared_payment_granted_token]'],
      [{ payment_method_data: { type: 'klarna', shared_payment_granted_token: token } }, undefined, 'payment_method_data[type]'],
      [{ payment_method: 'pm_card_visa' }, 'parameter_not_played_here', 'payment_method'],
      [{ payment_method_types: ['card'] }, 'payment_method_types_no_longer_supported', 'payment_method_types'],
      [{ shared_payment_granted_token: token }, 'parameter_unknown', 'shared_payment_granted_token'],
      [{ setup_future_usage: 'off_session' }, 'parameter_not_played_here', 'setup_future_usage'],
      [{ confirmation_method: 'manual' }, 'parameter_not_played_here', 'confirmation_method'],
      [{ receipt_email: 'nobody' }, 'email_invalid', 'receipt_email'],
      [{ return_url: 'nowhere' }, 'url_invalid', 'return_url'],
      [{ shipping: { address: { line1: 'x' } } }, 'parameter_missing', 'shipping[name]'],
      [{ shipping: { name: 'x', address: { street: 'x' } } }, 'parameter_unknown', 'shipping[address][street]'],
      [{ metadata: { ['k'.repeat(41)]: 'v' } }, undefined, `metadata[${'k'.repeat(41)}]`],
      [{ confirm: false, off_session: true }, undefined, 'off_session'],
      [{ confirm: undefined, return_url: 'https://s.example/' }, undefined, 'return_url'],
      [{ payment_method_options: { card: { cvc: '1' } } }, 'parameter_unknown', 'payment_method_options[card][cvc]'],
    ]) {
      const { status, body } = await create({ ...order(token), ...params });
      assert.deepEqual([status, body.error?.code, body.error?.param], [400, code, param], JSON.stringify(params));
    }
    assert.equal(stripe.books().payment_intents.length, before_);
    assert.equal(tokenOf(token).deactivated_at, null);
  });

  test('not confirmed by API: what a Checkout Session made', async () => {
    const made = await call('POST', '/v1/checkout/sessions', { mode: 'payment', success_url: 'https://s.example/', line_items: [{ quantity: 1, price_data: { currency: 'usd', unit_amount: 100, product_data: { name: 'Tea' } } }] }, { account: shop });
    await stripe.pay(made.body.id, { card: '4000000000000002' });
    const { id } = stripe.intent(made.body.id).object;
    assert.equal((await confirm(id, { payment_method_data: { shared_payment_granted_token: await grant() } })).body.error.code, 'payment_intent_unexpected_state');
  });

  test('an account that may not charge yet takes no live payment', async () => {
    const asleep = await merchant({ livemode: true, charges_enabled: false });
    const token = await stripe.grantToken({ account: asleep, livemode: true, maxAmount: 1000 });
    assert.equal((await create(order(token), as(asleep, { livemode: true }))).body.error.code, 'testmode_charges_only');
  });

  // -- destination charges -----------------------------------------------------------------------------------------

  test('a destination charge: the platform\'s token, the platform\'s payment, the shop\'s money', async () => {
    const route = { on_behalf_of: shop, transfer_data: { destination: shop }, application_fee_amount: 100, metadata: { cc_transaction: 'cct_destination' } };
    const mine = await grant();
    assert.equal((await create(order(mine, route), as(null))).body.error.code, 'resource_missing', 'the shop\'s token is not the platform\'s');
    const token = await stripe.grantToken({ maxAmount: 1000 });
    const { body } = await create(order(token, route), as(null));
    assert.deepEqual([body.status, body.application, body.on_behalf_of, body.transfer_data.destination], ['succeeded', null, shop, shop]);
    const [row] = stripe.payments('cct_destination');
    assert.deepEqual([row.charge_type, row.account, row.transfer_amount, row.application_fee_amount], ['destination', shop, 1000, 100]);
    const event = stripe.books().events.find(({ type, data }) => type === 'payment_intent.succeeded' && data.object.id === body.id);
    assert.equal(event.account, undefined, 'told to the platform');
    const gone = await create(order(await stripe.grantToken({ maxAmount: 1000 }), { transfer_data: { destination: 'acct_1None' } }), as(null));
    assert.deepEqual([gone.body.error.code, gone.body.error.param], ['resource_missing', 'transfer_data[destination]']);
    const feeOnly = await create(order(await stripe.grantToken({ maxAmount: 1000 }), { application_fee_amount: 1 }), as(null));
    assert.equal(feeOnly.body.error.param, 'application_fee_amount');
  });

  // -- idempotency and lost answers --------------------------------------------------------------------------------

  const count = () => stripe.books().payment_intents.length;

  test('the same key: the same payment again, a decline too; another form is refused; while it runs: 409', async () => {
    const token = await grant();
    const first = await create(order(token), as(shop, { key: 'p-1' }));
    const again = await create(order(token), as(shop, { key: 'p-1' }));
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed'), again.body], [200, 'true', first.body]);
    const other = await create(order(token, { amount: 999 }), as(shop, { key: 'p-1' }));
    assert.deepEqual([other.status, other.body.error.type], [400, 'idempotency_error']);
    const bad = await grant('pm_card_chargeDeclined');
    const declined = await create(order(bad), as(shop, { key: 'p-2' }));
    const before_ = count();
    const declinedAgain = await create(order(bad), as(shop, { key: 'p-2' }));
    assert.deepEqual([declinedAgain.status, declinedAgain.headers.get('idempotent-replayed'), declinedAgain.body], [402, 'true', declined.body]);
    assert.equal(count(), before_);
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'hold_before' });
    const third = await grant();
    const slow = create(order(third), as(shop, { key: 'p-3' }));
    await stripe.holding();
    const busy = await create(order(third), as(shop, { key: 'p-3' }));
    assert.deepEqual([busy.status, busy.body.error.code, busy.headers.get('stripe-should-retry')], [409, 'idempotency_key_in_use', 'true']);
    stripe.release();
    assert.equal((await slow).body.status, 'succeeded');
  });

  test('a refused form is not kept under its key, a token that was no good is', async () => {
    const token = await grant();
    assert.equal((await create(order(token, { foo: 1 }), as(shop, { key: 'p-4' }))).status, 400);
    assert.equal((await create(order(token), as(shop, { key: 'p-4' }))).status, 200);
    assert.equal((await create(order(token), as(shop, { key: 'p-5' }))).status, 400, 'spent');
    assert.equal((await create(order(token), as(shop, { key: 'p-5' }))).headers.get('idempotent-replayed'), 'true');
  });

  test('500 and 429 before the work: nothing is made, and the same key makes it', async () => {
    const token = await grant();
    const before_ = count();
    for (const how of ['500', '429', 'drop_before']) {
      stripe.misbehave({ on: 'POST /v1/payment_intents', how });
      const answer = await create(order(token), as(shop, { key: 'p-6' })).catch(() => ({ status: 0 }));
      assert.equal(answer.status, Number(how) || 0);
    }
    assert.equal(count(), before_);
    const { status, headers } = await create(order(token), as(shop, { key: 'p-6' }));
    assert.deepEqual([status, headers.get('idempotent-replayed'), count()], [200, null, before_ + 1]);
  });

  test('500 after the work: paid, and the key keeps saying 500; what was paid is found by its metadata', async () => {
    const token = await grant();
    const params = order(token, { metadata: { cc_transaction: 'cct_lost' } });
    const since = stripe.world.now();
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: '500_after' });
    assert.equal((await create(params, as(shop, { key: 'p-7' }))).status, 500);
    const again = await create(params, as(shop, { key: 'p-7' }));
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [500, 'true']);
    assert.match((await create(params, as(shop, { key: 'p-8' }))).body.error.message, /deactivated state/, 'another key cannot pay twice');
    const { body: { data } } = await call('GET', '/v1/payment_intents', { created: { gte: since }, limit: 100 }, as(shop, { version: VERSION }));
    const found = data.filter(({ metadata }) => metadata.cc_transaction === 'cct_lost');
    assert.deepEqual(found.map(({ status }) => status), ['succeeded'], 'the list knows at once');
  });

  test('the answer is lost on the way, of a payment, a decline and a question: the key finds each again', async () => {
    for (const [card, status, last] of [['pm_card_visa', 200, 'succeeded'], ['pm_card_chargeDeclined', 402, 'requires_payment_method'], ['pm_card_threeDSecure2Required', 200, 'requires_action']]) {
      const token = await grant(card);
      const before_ = count();
      stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'drop_after' });
      await assert.rejects(create(order(token), as(shop, { key: `lost-${card}` })));
      assert.equal(count(), before_ + 1, 'the work was done');
      const found = await create(order(token), as(shop, { key: `lost-${card}` }));
      assert.deepEqual([found.status, found.headers.get('idempotent-replayed'), (found.body.error?.payment_intent ?? found.body).status], [status, 'true', last]);
      assert.equal(count(), before_ + 1);
    }
  });

  test('confirming is idempotent and goes wrong like everything else', async () => {
    const { body: { id } } = await create(order(await grant(), { confirm: false }));
    stripe.misbehave({ on: 'POST /v1/payment_intents/{intent}/confirm', how: '500' });
    assert.equal((await confirm(id, {}, as(shop, { key: 'c-1' }))).status, 500);
    stripe.misbehave({ on: 'POST /v1/payment_intents/{intent}/confirm', how: 'drop_after' });
    await assert.rejects(confirm(id, {}, as(shop, { key: 'c-1' })));
    const { status, headers, body } = await confirm(id, {}, as(shop, { key: 'c-1' }));
    assert.deepEqual([status, headers.get('idempotent-replayed'), body.status], [200, 'true', 'succeeded']);
    assert.equal(stripe.books().charges.filter(({ payment_intent: of }) => of === id).length, 1);
  });

  test('something else is paid than was asked for, so that a test sees whether anybody looks', async () => {
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'bend', fields: { amount: 1, amount_received: 1 } });
    const { body } = await create(order(await grant()));
    assert.deepEqual([body.amount, (await read(body.id)).amount_received], [1, 1]);
  });

  test('webhooks: the shop\'s endpoint hears of each, signed, with the key that caused it', async () => {
    const hook = await listener();
    try {
      stripe.setWebhooks([{ url: hook.url, secret: 'whsec_y', connect: true }]);
      const { body } = await create(order(await grant()), as(shop, { key: 'hook' }));
      await hook.until(5);
      assert.deepEqual(hook.types().sort(), ['charge.succeeded', 'payment_intent.created', 'payment_intent.succeeded', 'shared_payment.granted_token.deactivated', 'shared_payment.granted_token.used']);
      const { event } = hook.heard.find(({ event: { type } }) => type === 'payment_intent.succeeded');
      assert.deepEqual([event.account, event.data.object.id, event.request.idempotency_key], [shop, body.id, 'hook']);
    } finally {
      stripe.setWebhooks([]);
      await hook.close();
    }
  });
});
