import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { line, order, start } from './support.mjs';

describe('Checkout Sessions', () => {
  let stripe, call, merchant, session, shop;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant({ name: 'Tea shop' });
  });
  after(() => stripe.close());

  const create = (more, options = {}) => call('POST', '/v1/checkout/sessions', order(more), { account: shop, ...options });
  const refused = async (more, { code, param, status = 400 }, options) => {
    const answer = await create(more, options);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.deepEqual({ code: answer.body.error.code, param: answer.body.error.param }, { code, param }, answer.body.error.message);
    assert.equal(answer.body.error.type, 'invalid_request_error');
  };
  const now = () => Math.floor(Date.now() / 1000);

  test('a session has Stripe\'s shape, an id by mode and a page', async () => {
    const made = await session(shop, { metadata: { cc_transaction: 'cct_1', empty: '' }, client_reference_id: 'o-1', customer_email: 'b@example.com' });
    assert.match(made.id, /^cs_test_[A-Za-z0-9]{58}$/);
    assert.equal(made.url, `${stripe.url}/checkout/c/pay/${made.id}`);
    assert.equal(made.status, 'open');
    assert.equal(made.payment_status, 'unpaid');
    assert.equal(made.amount_total, 1000);
    assert.equal(made.payment_intent, null);
    assert.deepEqual(made.metadata, { cc_transaction: 'cct_1' });
    assert.equal(made.client_reference_id, 'o-1');
    assert.equal(made.customer_details.email, 'b@example.com');
    assert.ok(Math.abs(made.expires_at - now() - 86400) < 5);
    assert.equal(made.line_items, undefined, 'only when asked for');
  });

  test('amounts: three for 10.00 exactly, currency in any case, quantity counted', async () => {
    const three = await session(shop, { line_items: [line(undefined, { quantity: 3, unit_amount_decimal: '333.333333333333' })], expand: ['line_items'] });
    assert.equal(three.amount_total, 1000);
    const [item] = three.line_items.data;
    assert.deepEqual([item.quantity, item.amount_total, item.price.unit_amount, item.price.unit_amount_decimal], [3, 1000, null, '333.333333333333']);
    const loud = await session(shop, { line_items: [line(250, { quantity: 2, currency: 'EUR' })] });
    assert.deepEqual([loud.amount_total, loud.currency], [500, 'eur']);
    const hundred = await session(shop, { line_items: Array.from({ length: 100 }, () => line(1)) });
    assert.equal(hundred.amount_total, 100);
  });

  test('what does not add up is refused by name', async () => {
    await refused({ line_items: [line(1, { unit_amount_decimal: '1' })] }, { param: 'line_items[0][price_data][unit_amount]' });
    await refused({ line_items: [line(undefined)] }, { code: 'parameter_missing', param: 'line_items[0][price_data][unit_amount]' });
    await refused({ line_items: [line(-1)] }, { code: 'parameter_invalid_integer', param: 'line_items[0][price_data][unit_amount]' });
    await refused({ line_items: [line(100, { quantity: 0 })] }, { code: 'parameter_invalid_integer', param: 'line_items[0][quantity]' });
    await refused({ line_items: [line(100, { quantity: 1_000_000 })] }, { code: 'parameter_invalid_integer', param: 'line_items[0][quantity]' });
    await refused({ line_items: [line(100), line(100, { currency: 'eur' })] }, { param: 'line_items[1][price_data][currency]' });
    await refused({ line_items: undefined }, { code: 'parameter_missing', param: 'line_items' });
    await refused({ success_url: undefined }, { code: 'parameter_missing', param: 'success_url' });
    await refused({ mode: 'subscription' }, { code: 'parameter_not_played_here', param: 'mode' });
    await refused({ ui_mode: 'embedded_page' }, { code: 'parameter_not_played_here', param: 'ui_mode' });
    await refused({ line_items: Array.from({ length: 101 }, () => line(1)) }, { code: undefined, param: 'line_items' });
  });

  test('minimum and maximum amounts', async () => {
    await refused({ line_items: [line(49)] }, { code: 'amount_too_small', param: undefined });
    assert.equal((await create({ line_items: [line(50)] })).status, 200);
    await refused({ line_items: [line(29, { currency: 'gbp' })] }, { code: 'amount_too_small', param: undefined });
    await refused({ line_items: [line(1_000_000_000_000)] }, { code: 'amount_too_large', param: 'line_items[0][price_data][unit_amount]' });
    await refused({ line_items: [line(999_999_999_999), line(1)] }, { code: 'amount_too_large', param: undefined });
    assert.equal((await create({ line_items: [line(999_999_999_999)] })).status, 200);
  });

  test('special currencies: JPY whole, ISK and UGX by 100, KWD by 10', async () => {
    assert.equal((await session(shop, { line_items: [line(50, { currency: 'jpy' })] })).amount_total, 50);
    const code = 'parameter_invalid_integer';
    await refused({ line_items: [line(1050, { currency: 'isk' })] }, { code, param: 'line_items[0]' });
    await refused({ line_items: [line(1050, { currency: 'ugx' })] }, { code, param: 'line_items[0]' });
    await refused({ line_items: [line(1005, { currency: 'kwd' })] }, { code, param: 'line_items[0]' });
    for (const [currency, amount] of [['isk', 1100], ['ugx', 1100], ['kwd', 1010]]) {
      assert.equal((await session(shop, { line_items: [line(amount, { currency })] })).amount_total, amount);
    }
  });

  test('expires_at lies between 30 minutes and 24 hours', async () => {
    await refused({ expires_at: now() + 29 * 60 }, { param: 'expires_at', code: undefined });
    await refused({ expires_at: now() + 24 * 3600 + 60 }, { param: 'expires_at', code: undefined });
    assert.equal((await create({ expires_at: now() + 30 * 60 })).status, 200);
    assert.equal((await create({ expires_at: now() + 24 * 3600 })).status, 200);
  });

  test('an application fee needs somebody to take it from, and fits into the amount', async () => {
    const param = 'payment_intent_data[application_fee_amount]';
    const fee = (amount) => ({ payment_intent_data: { application_fee_amount: amount } });
    await refused(fee(10), { param, code: undefined }, { account: undefined });
    await refused(fee(1001), { param, code: undefined });
    await refused(fee(-1), { param, code: 'parameter_invalid_integer' });
    assert.equal((await create(fee(1000))).status, 200);
    assert.equal((await create({ payment_intent_data: { application_fee_amount: 10, transfer_data: { destination: shop } } }, { account: undefined })).status, 200);
    await refused({ payment_intent_data: { application_fee_amount: 10, transfer_data: { destination: shop, amount: 5 } } }, { param, code: undefined }, { account: undefined });
    await refused({ payment_intent_data: { transfer_data: { destination: 'acct_1Foreign' } } }, { param: 'payment_intent_data[transfer_data][destination]', code: 'resource_missing' }, { account: undefined });
    await refused({ payment_intent_data: { on_behalf_of: 'acct_1Foreign' } }, { param: 'payment_intent_data[on_behalf_of]', code: 'resource_missing' }, { account: undefined });
  });

  const rate = (display_name, amount, more = {}) => ({ shipping_rate_data: { display_name, fixed_amount: { amount, currency: 'usd' }, ...more } });

  test('shipping: the first option counts until the buyer chooses another', async () => {
    const made = await session(shop, { shipping_options: [rate('Post', 500), rate('Courier', 1500)], shipping_address_collection: { allowed_countries: ['DE', 'US'] } });
    assert.equal(made.amount_total, 1500);
    assert.equal(made.shipping_cost.amount_total, 500);
    assert.deepEqual(made.shipping_options.map((option) => option.shipping_amount), [500, 1500]);
    const paid = await stripe.pay(made.id, { shippingOption: 'Courier', address: { city: 'Berlin' } });
    assert.equal(paid.ok, true);
    const { body } = await call('GET', `/v1/checkout/sessions/${made.id}`, { expand: ['shipping_cost.shipping_rate', 'payment_intent'] }, { account: shop });
    assert.equal(body.amount_total, 2500);
    assert.equal(body.payment_intent.amount, 2500);
    assert.equal(body.shipping_cost.shipping_rate.display_name, 'Courier');
    assert.deepEqual([body.collected_information.shipping_details.address.country, body.collected_information.shipping_details.address.city], ['DE', 'Berlin']);
    await refused({ shipping_options: [rate('Post', 500, { fixed_amount: { amount: 1, currency: 'eur' } })] }, { param: 'shipping_options[0][shipping_rate_data][fixed_amount][currency]', code: undefined });
    const never = rate('Post', 500, { delivery_estimate: { minimum: { unit: 'day', value: 0 } } });
    await refused({ shipping_options: [never] }, { param: 'shipping_options[0][shipping_rate_data][delivery_estimate][minimum][value]', code: 'parameter_invalid_integer' });
    await refused({ shipping_options: Array.from({ length: 6 }, () => rate('Post', 1)) }, { param: 'shipping_options', code: undefined });
  });

  test('automatic tax: known with the address, on top or inside as the price says', async () => {
    const made = await session(shop, {
      automatic_tax: { enabled: true }, line_items: [line(1000, { tax_behavior: 'exclusive' }), line(1100, { tax_behavior: 'inclusive' })],
      shipping_options: [rate('Post', 500, { tax_behavior: 'exclusive' })],
    });
    assert.deepEqual([made.amount_total, made.total_details.amount_tax, made.automatic_tax.status], [2600, 0, 'requires_location_inputs']);
    await stripe.pay(made.id);
    const { body } = await call('GET', `/v1/checkout/sessions/${made.id}`, {}, { account: shop });
    assert.deepEqual([body.amount_subtotal, body.amount_total, body.total_details.amount_tax, body.automatic_tax.status], [2100, 2750, 250, 'complete']);
  });

  test('the tax may be owed by the account itself or by a connected one', async () => {
    const liability = (type, account) => ({ automatic_tax: { enabled: true, liability: { type, account } } });
    const param = 'automatic_tax[liability][account]';
    await refused(liability('account'), { code: 'parameter_missing', param });
    await refused(liability('account', 'acct_1Foreign'), { code: 'resource_missing', param });
    await refused(liability('self', shop), { code: undefined, param });
    const made = await session(undefined, { ...liability('account', shop), payment_intent_data: { transfer_data: { destination: shop }, on_behalf_of: shop } });
    assert.deepEqual(made.automatic_tax.liability, { type: 'account', account: shop });
  });

  test('phone, billing address, text and other settings are kept; adaptive pricing can be switched off', async () => {
    const made = await session(shop, {
      phone_number_collection: { enabled: true }, billing_address_collection: 'required', adaptive_pricing: { enabled: false }, locale: 'de',
      custom_text: { submit: { message: 'Danke' } }, submit_type: 'book',
    });
    assert.equal(made.adaptive_pricing.enabled, false);
    await stripe.pay(made.id, { phone: '+4912345' });
    const { body } = await call('GET', `/v1/checkout/sessions/${made.id}`, {}, { account: shop });
    assert.equal(body.customer_details.phone, '+4912345');
    assert.ok(body.customer_details.address.line1);
    assert.equal(body.custom_text.submit.message, 'Danke');
  });

  test('expire ends an open session once; the page and the next try to pay know', async () => {
    const made = await session(shop);
    const gone = await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop });
    assert.deepEqual([gone.status, gone.body.status, gone.body.url], [200, 'expired', null]);
    const again = await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop });
    assert.equal(again.status, 400);
    assert.match(again.body.error.message, /expired/);
    assert.deepEqual(await stripe.pay(made.id), { ok: false, code: 'session_expired', message: 'This Checkout Session is expired.' });
  });

  test('sessions and authorisations end by themselves when their time has come', async () => {
    const fresh = await start();
    try {
      const account = await fresh.merchant();
      const open = await fresh.session(account, { expires_at: now() + 1800 });
      const held = await fresh.session(account, { payment_intent_data: { capture_method: 'manual' } });
      await fresh.stripe.pay(held.id);
      // Real seconds pass too while this runs: some slack on both sides of the end.
      fresh.stripe.advance(1740);
      assert.equal(fresh.stripe.books().sessions[0].status, 'open');
      fresh.stripe.advance(61);
      assert.equal(fresh.stripe.books().sessions[0].status, 'expired');
      assert.ok(fresh.stripe.books().events.some((event) => event.type === 'checkout.session.expired' && event.data.object.id === open.id));
      fresh.stripe.advance(8 * 86400);
      assert.deepEqual(fresh.stripe.books().payment_intents.map((intent) => [intent.status, intent.cancellation_reason]), [['canceled', 'expired']]);
    } finally {
      await fresh.stripe.close();
    }
  });

  test('lists: newest first, pages by cursor, filters', async () => {
    const account = await merchant();
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.unshift((await session(account)).id);
    const list = async (params) => (await call('GET', '/v1/checkout/sessions', params, { account })).body;
    const first = await list({ limit: 2 });
    assert.deepEqual([first.data.map((item) => item.id), first.has_more, first.url], [ids.slice(0, 2), true, '/v1/checkout/sessions']);
    assert.deepEqual((await list({ limit: 2, starting_after: ids[1] })).data.map((item) => item.id), ids.slice(2, 4));
    assert.deepEqual((await list({ limit: 2, ending_before: ids[4] })).data.map((item) => item.id), ids.slice(2, 4));
    assert.equal((await list({ starting_after: ids[2] })).has_more, false);
    await stripe.expire(ids[0]);
    assert.deepEqual((await list({ status: 'expired' })).data.map((item) => item.id), [ids[0]]);
    assert.equal((await list({ created: { gt: now() + 100 } })).data.length, 0);
    assert.equal((await call('GET', '/v1/checkout/sessions', { limit: 101 }, { account })).body.error.param, 'limit');
    assert.equal((await call('GET', '/v1/checkout/sessions', { starting_after: 'cs_none' }, { account })).body.error.param, 'starting_after');
    const items = await call('GET', `/v1/checkout/sessions/${ids[1]}/line_items`, { limit: 1 }, { account });
    assert.deepEqual([items.body.data[0].description, items.body.has_more], ['Tea', false]);
  });

  test('expand goes four levels deep and refuses what cannot be expanded', async () => {
    const made = await session(shop);
    await stripe.pay(made.id);
    const get = (expand) => call('GET', `/v1/checkout/sessions/${made.id}`, { expand }, { account: shop });
    const { body } = await get(['payment_intent.latest_charge', 'line_items.data.price.product']);
    assert.equal(body.payment_intent.latest_charge.object, 'charge');
    assert.equal(body.line_items.data[0].price.product.name, 'Tea');
    const listed = await call('GET', '/v1/checkout/sessions', { limit: 1, expand: ['data.payment_intent'] }, { account: shop });
    assert.equal(listed.body.data[0].payment_intent.object, 'payment_intent');
    for (const path of ['nonsense', 'payment_intent.nonsense', 'metadata.x']) {
      const { status, body: answer } = await get([path]);
      assert.deepEqual([status, answer.error.param], [400, 'expand'], path);
    }
  });
});
