// Contract, *Checkout*: a shop's cart becomes a session at Stripe that charges exactly its total.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { agentBody, chatBody, connectShop, createSession, registerAnew, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTE = 'POST /v1/checkout/sessions';
let stripe;
let w;
let api;
let shop;
let account;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w, { allowed_origins: ['https://pay.shop.example'] });
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => { await shop.close(); await w.close(); await stripe.close(); });

let count = 0;
const create = (body, as = shop) => api('POST', '/v1/checkout/sessions', { key: as.key, idempotencyKey: `c-${count += 1}`, body });
const made = async (body, as = shop) => fine(await create(body, as), 201);
const see = async (id, as = shop) => fine(await api('GET', `/v1/checkout/sessions/${id}`, { key: as.key }));
const expire = (id, as = shop) => api('POST', `/v1/checkout/sessions/${id}/expire`, { key: as.key });
const transaction = async (id, as = shop) => fine(await api('GET', `/v1/transactions/${id}`, { key: as.key }));
/** The session as Stripe has it, and the request that made it. */
const stripes = (id) => stripe.books().sessions.find((session) => session.id === id);
const request = (cct) => stripe.requests.findLast(({ route, params }) => route === ROUTE && params.metadata?.cc_transaction === cct);
async function newShop(t, fields, connect = {}) {
  const other = await registerShop(w, fields);
  t.after(() => other.close());
  if (connect) Object.assign(other, { account: (await connectShop(w, stripe, other, connect)).account });
  return other;
}
const items = (n, more) => Array.from({ length: n }, (_, i) => ({ product_id: i + 1, name: `Item ${i + 1}`, quantity: 1, amount_total: 100, ...more }));
async function pay(id, more) {
  const paid = await stripe.pay(id, { card: '4242424242424242', email: 'buyer@example.com', name: 'B. Uyer', address: { country: 'US', line1: '1 Main St', city: 'Town', state: 'CA', postal_code: '90001' }, ...more });
  await stripe.webhooks.drained();
  return paid;
}

describe('the two bodies', () => {
  test('session-based: what the shop gets, what Stripe is told, what the ledger keeps', async () => {
    const body = {
      source: 'chat',
      cart: {
        id: 'cart_9', order_id: 1042, order_key: 'wc_order_x', currency: 'USD',
        items: [
          { product_id: 7, variation_id: 8, sku: 'TEA-1', name: 'Tea', description: 'Green', image_url: 'https://cdn.example/tea.png', quantity: 2, amount_total: 2400, tax_code: 'txcd_99999999' },
          { product_id: 'p-9', name: 'Mug', quantity: 1, amount_total: 900 },
        ],
        shipping: [{ label: 'Post', amount: 500 }], fees: [{ label: 'Gift wrap', amount: 100 }], taxes: [{ label: 'VAT', amount: 300 }], total: 4200,
      },
      customer: { email: 'buyer@example.com' }, success_url: `${shop.origin}/thanks?s={CHECKOUT_SESSION_ID}`, cancel_url: `${shop.origin}/cart#top`, locale: 'de',
      metadata: { coupon: 'SPRING', visits: 3, vip: true, nothing: null }, mode: 'test',
    };
    const answer = await create(body);
    const { id, url, transaction: cct, expires_at: until, ...rest } = fine(answer, 201);
    assert.match(id, /^cs_test_/);
    assert.match(cct, /^cct_[0-9a-hjkmnp-tv-z]{26}$/);
    assert.equal(url, stripes(id).url);
    assert.equal(until, stripes(id).expires_at);
    assert.deepEqual(rest, {
      object: 'checkout.session', status: 'open', payment_status: 'unpaid', amount_total: 4200, application_fee_amount: 0, currency: 'usd', livemode: false,
      source: 'chat', agent: null, order_id: '1042',
    });

    const asked = request(cct);
    assert.equal(asked.headers['stripe-account'], account);
    assert.equal(asked.headers['idempotency-key'], `${cct}-1`);
    assert.match(asked.headers['user-agent'], /^CognitiveCart-Worker\//);
    const metadata = { coupon: 'SPRING', visits: '3', vip: 'true', cc_transaction: cct, cc_source: 'chat', cc_order_id: '1042' };
    const line = (name, quantity, unit_amount, product) => ({ quantity: String(quantity), price_data: { currency: 'usd', unit_amount: String(unit_amount), product_data: { name, ...product } } });
    assert.deepEqual(asked.params, {
      mode: 'payment', success_url: `${w.url}/checkout/complete/${cct}?session_id={CHECKOUT_SESSION_ID}`, cancel_url: `${w.url}/checkout/cancel/${cct}`,
      adaptive_pricing: { enabled: 'false' }, client_reference_id: '1042', customer_email: 'buyer@example.com', locale: 'de', metadata, payment_intent_data: { metadata },
      line_items: [
        line('Tea', 2, 1200, { description: 'Green', images: ['https://cdn.example/tea.png'], tax_code: 'txcd_99999999', metadata: { product_id: '7', sku: 'TEA-1' } }),
        line('Mug', 1, 900, { metadata: { product_id: 'p-9' } }), line('Post', 1, 500), line('Gift wrap', 1, 100), line('VAT', 1, 300),
      ],
    });

    const row = await transaction(cct);
    assert.equal(row.status, 'open');
    assert.deepEqual([row.amount, row.amount_subtotal, row.amount_shipping, row.amount_tax], [4200, 3300, 500, 300]);
    assert.deepEqual(row.metadata, { coupon: 'SPRING', visits: '3', vip: 'true' });
    assert.deepEqual(row.line_items[0], { product_id: '7', variation_id: '8', sku: 'TEA-1', name: 'Tea', description: 'Green', image_url: 'https://cdn.example/tea.png', tax_code: 'txcd_99999999', quantity: 2, amount_total: 2400 });
    assert.deepEqual([row.account, row.charge_type, row.checkout_session], [account, 'direct', id]);
  });

  test('line items, by agent:Claude', async () => {
    const session = await made({
      source: 'agent:Claude', currency: 'eur', line_items: [{ name: 'Tea', amount_total: 1200, quantity: 2 }, { name: 'Mug', amount_total: 900, quantity: 1, product_id: 3, sku: 'M' }],
      success_url: `${shop.origin}/thanks`, cancel_url: `${shop.origin}/cart`, customer: { email: 'a@b.example' }, order_id: 'L-1',
    });
    assert.deepEqual([session.source, session.agent, session.amount_total, session.currency, session.order_id], ['agent', 'Claude', 2100, 'eur', 'L-1']);
    const { metadata } = stripes(session.id);
    assert.deepEqual([metadata.cc_source, metadata.cc_agent], ['agent', 'Claude']);
    const row = await transaction(session.transaction);
    assert.deepEqual([row.source, row.agent], ['agent', 'Claude']);
    assert.ok((fine(await api('GET', '/v1/transactions?source=agent&agent=Claude', { key: shop.key })).data).some(({ id }) => id === row.id));
  });

  for (const [source, stored] of [[undefined, ['site', null]], ['site', ['site', null]], ['agent', ['agent', null]], ['chat', ['chat', null]], ['agent:My Agent 2 – ü', ['agent', 'My Agent 2 – ü']], [`agent:${'x'.repeat(64)}`, ['agent', 'x'.repeat(64)]]]) {
    test(`source ${JSON.stringify(source)?.slice(0, 30)}`, async () => {
      const session = await made(agentBody(shop, { source }));
      assert.deepEqual([session.source, session.agent], stored);
    });
  }

  test('costs three round trips to D1 and one call to Stripe', async () => {
    const { d1, stripe: calls, route, status } = await w.lineOf(await create(agentBody(shop)));
    assert.deepEqual({ d1, calls, route, status }, { d1: 3, calls: 1, route: 'createCheckoutSession', status: 201 });
  });
});

describe('lines and amounts', () => {
  for (const [quantity, total] of [[3, 1000], [7, 1000], [999_999, 1_000_000], [999_999, 999_999_999_999], [6, 100], [3, 50]]) {
    test(`${quantity} pieces for ${total}: Stripe shows the quantity and charges exactly that`, async () => {
      const session = await made(agentBody(shop, { line_items: [{ name: 'Piece', quantity, amount_total: total }], amount_total: total }));
      const { amount_total: charged, line_items: [line] } = stripes(session.id);
      assert.equal(charged, total);
      assert.deepEqual([line.quantity, line.amount_total], [quantity, total]);
      assert.equal(session.amount_total, total);
    });
  }

  test('3 for 10.00 goes out as 333.333333333333', async () => {
    const session = await made(agentBody(shop, { line_items: [{ name: 'Piece', quantity: 3, amount_total: 1000 }], amount_total: 1000 }));
    assert.equal(request(session.transaction).params.line_items[0].price_data.unit_amount_decimal, '333.333333333333');
    assert.ok((await pay(session.id)).ok);
    assert.equal((await transaction(session.transaction)).amount_captured, 1000);
  });

  test('unit_amount instead of, or beside, amount_total', async () => {
    const line = { name: 'Piece', quantity: 3, unit_amount: 250 };
    assert.equal((await made(agentBody(shop, { line_items: [line], amount_total: 750 }))).amount_total, 750);
    assert.equal((await made(agentBody(shop, { line_items: [{ ...line, amount_total: 750 }], amount_total: 750 }))).amount_total, 750);
    const error = refused(await create(agentBody(shop, { line_items: [{ ...line, amount_total: 751 }], amount_total: 751 })), 422, 'total_mismatch', 'line_items[0][amount_total]');
    assert.match(error.message, /751.*750/);
  });

  test('100 lines are the most; shipping, fees and taxes count', async () => {
    const cart = (n, more = {}, extra = 0) => chatBody(shop, { cart: { items: items(n), total: n * 100 + extra, ...more } });
    assert.equal(stripes((await made(cart(100))).id).line_items.length, 100);
    refused(await create(cart(101)), 422, 'too_many_lines', 'cart[items]');
    const extras = { shipping: [{ label: 'S', amount: 1 }], fees: [{ label: 'F', amount: 1 }], taxes: [{ label: 'T', amount: 1 }] };
    assert.equal(stripes((await made(cart(97, extras, 3))).id).line_items.length, 100);
    refused(await create(cart(98, extras, 3)), 422, 'too_many_lines', 'cart[items]');
    refused(await create(agentBody(shop, { line_items: items(101), amount_total: 10_100 })), 422, 'too_many_lines', 'line_items');
  });

  test('total_mismatch names both figures', async () => {
    let error = refused(await create(chatBody(shop, { cart: { shipping: [{ label: 'S', amount: 500 }], discounts: [{ label: 'D', amount: 100 }], total: 2000 } })), 422, 'total_mismatch', 'cart[total]');
    assert.match(error.message, /2000.*2400/);
    error = refused(await create(agentBody(shop, { amount_total: 1999 })), 422, 'total_mismatch', 'amount_total');
    assert.match(error.message, /1999.*2000/);
    refused(await create(chatBody(shop, { cart: { discounts: [{ label: 'D', amount: 2001 }], total: 0 } })), 422, 'total_mismatch', 'cart[discounts]');
  });

  test('discounts are spread over the lines for Stripe and kept as they are in the ledger', async () => {
    const session = await made(chatBody(shop, {
      cart: {
        items: [{ product_id: 1, name: 'A', quantity: 3, amount_total: 1000 }, { product_id: 2, name: 'B', quantity: 1, amount_total: 1000 }, { product_id: 3, name: 'C', quantity: 1, amount_total: 0 }],
        shipping: [{ label: 'Post', amount: 500 }], discounts: [{ label: 'SPRING', amount: 300 }, { label: 'Gift card', amount: 33 }], total: 2167,
      },
    }));
    const at = stripes(session.id);
    assert.equal(at.amount_total, 2167);
    assert.deepEqual(at.line_items.map(({ amount_total: amount }) => amount).slice(2), [0, 500], 'the items bear it first');
    assert.deepEqual(at.line_items.slice(0, 2).map(({ amount_total: amount }) => amount).toSorted(), [833, 834]);
    const row = await transaction(session.transaction);
    assert.deepEqual(row.discounts, [{ label: 'SPRING', amount: 300 }, { label: 'Gift card', amount: 33 }]);
    assert.deepEqual(row.line_items.map(({ amount_total: amount }) => amount), [1000, 1000, 0]);
  });

  test('discounts beyond the items reach the shipping', async () => {
    const session = await made(chatBody(shop, { cart: { shipping: [{ label: 'Post', amount: 500 }], discounts: [{ label: 'Gift card', amount: 2400 }], total: 100 } }));
    assert.deepEqual(stripes(session.id).line_items.map(({ amount_total: amount }) => amount), [0, 100]);
  });
});

describe('refusals', () => {
  const chat = (cart, more) => () => chatBody(shop, { cart, ...more });
  const item = (more) => chat({ items: [{ product_id: '1', name: 'Thing', quantity: 1, amount_total: 2000, ...more }] });
  const agent = (more) => () => agentBody(shop, more);
  const option = { id: 'a', label: 'Post', amount: 500 };
  const cases = [
    ['neither body', () => ({ source: 'chat' }), 400, 'parameter_missing', 'cart'],
    ['both bodies', () => ({ ...chatBody(shop), line_items: [] }), 400, 'parameters_exclusive', 'line_items'],
    ['an unknown member', agent({ colour: 1 }), 400, 'parameter_unknown', 'colour'],
    ['a member of the other body', () => ({ ...chatBody(shop), currency: 'usd' }), 400, 'parameter_unknown', 'currency'],
    ['an unknown member of the cart', chat({ coupon: 'x' }), 400, 'parameter_unknown', 'cart[coupon]'],
    ['an unknown member of an item', item({ price: 1 }), 400, 'parameter_unknown', 'cart[items][0][price]'],
    ['a cart that is a list', () => ({ ...chatBody(shop), cart: [] }), 400, 'parameter_invalid_object', 'cart'],
    ['no cart id', chat({ id: undefined }), 400, 'parameter_missing', 'cart[id]'],
    ['no currency', chat({ currency: undefined }), 400, 'parameter_missing', 'cart[currency]'],
    ['no items', chat({ items: undefined }), 400, 'parameter_missing', 'cart[items]'],
    ['no total', chat({ total: undefined }), 400, 'parameter_missing', 'cart[total]'],
    ['empty items', chat({ items: [] }), 422, 'parameter_invalid_empty', 'cart[items]'],
    ['empty line items', agent({ line_items: [] }), 422, 'parameter_invalid_empty', 'line_items'],
    ['items that are no list', chat({ items: {} }), 400, 'parameter_invalid_array', 'cart[items]'],
    ['no product_id', item({ product_id: undefined }), 400, 'parameter_missing', 'cart[items][0][product_id]'],
    ['no name', item({ name: undefined }), 400, 'parameter_missing', 'cart[items][0][name]'],
    ['a blank name', item({ name: ' ' }), 422, 'parameter_invalid_empty', 'cart[items][0][name]'],
    ['no quantity', item({ quantity: undefined }), 400, 'parameter_missing', 'cart[items][0][quantity]'],
    ['quantity 0', item({ quantity: 0 }), 422, 'parameter_invalid_integer', 'cart[items][0][quantity]'],
    ['quantity 1,000,000', item({ quantity: 1_000_000 }), 422, 'parameter_invalid_integer', 'cart[items][0][quantity]'],
    ['a string for a quantity', item({ quantity: '1' }), 400, 'parameter_invalid_integer', 'cart[items][0][quantity]'],
    ['no price', item({ amount_total: undefined }), 400, 'parameter_missing', 'cart[items][0][amount_total]'],
    ['a fraction', item({ amount_total: 19.99 }), 400, 'parameter_invalid_integer', 'cart[items][0][amount_total]'],
    ['a negative price', item({ amount_total: -1 }), 422, 'parameter_invalid_integer', 'cart[items][0][amount_total]'],
    ['a price as text', item({ amount_total: '2000' }), 400, 'parameter_invalid_integer', 'cart[items][0][amount_total]'],
    ['a price beyond 2^53', item({ amount_total: 1e300 }), 422, 'amount_too_large', 'cart[items][0][amount_total]'],
    ['a product_id that is an object', item({ product_id: {} }), 400, 'parameter_invalid_string', 'cart[items][0][product_id]'],
    ['a relative image', item({ image_url: '/tea.png' }), 422, 'url_invalid', 'cart[items][0][image_url]'],
    ['a tax code of no one\'s', item({ tax_code: 'standard' }), 422, 'parameter_invalid', 'cart[items][0][tax_code]'],
    ['a discount below zero', chat({ discounts: [{ label: 'D', amount: -5 }] }), 422, 'parameter_invalid_integer', 'cart[discounts][0][amount]'],
    ['a fee without a label', chat({ fees: [{ amount: 5 }] }), 400, 'parameter_missing', 'cart[fees][0][label]'],
    ['a tax without an amount', chat({ taxes: [{ label: 'VAT' }] }), 400, 'parameter_missing', 'cart[taxes][0][amount]'],
    ['an unknown source', agent({ source: 'radio' }), 422, 'parameter_invalid', 'source'],
    ['an agent without a name', agent({ source: 'agent:' }), 422, 'parameter_invalid', 'source'],
    ['an agent of 65 characters', agent({ source: `agent:${'x'.repeat(65)}` }), 422, 'parameter_invalid', 'source'],
    ['an unknown mode', agent({ mode: 'sandbox' }), 422, 'parameter_invalid', 'mode'],
    ['an email without @', agent({ customer: { email: 'buyer' } }), 422, 'email_invalid', 'customer[email]'],
    ['a customer with more', agent({ customer: { email: 'a@b.c', phone: '1' } }), 400, 'parameter_unknown', 'customer[phone]'],
    ['expires_in too short', agent({ expires_in: 1799 }), 422, 'parameter_invalid_integer', 'expires_in'],
    ['expires_in too long', agent({ expires_in: 86_401 }), 422, 'parameter_invalid_integer', 'expires_in'],
    ['an unknown capture', agent({ capture: 'later' }), 422, 'parameter_invalid', 'capture'],
    ['41 metadata keys', agent({ metadata: Object.fromEntries(Array.from({ length: 41 }, (_, i) => [`k${i}`, 'v'])) }), 422, 'parameter_invalid', 'metadata'],
    ['metadata of ours', agent({ metadata: { cc_transaction: 'x' } }), 422, 'parameter_invalid', 'metadata[cc_transaction]'],
    ['metadata in metadata', agent({ metadata: { a: {} } }), 400, 'parameter_invalid_string', 'metadata[a]'],
    ['metadata as a list', agent({ metadata: [] }), 400, 'parameter_invalid_object', 'metadata'],
    ['a metadata key of 41 characters', agent({ metadata: { ['k'.repeat(41)]: 'v' } }), 422, 'parameter_invalid', `metadata[${'k'.repeat(41)}]`],
    ['metadata of 501 characters', agent({ metadata: { a: 'x'.repeat(501) } }), 422, 'parameter_invalid', 'metadata[a]'],
    ['a country in small letters', agent({ collect: { shipping_countries: ['us'] } }), 422, 'parameter_invalid', 'collect[shipping_countries][0]'],
    ['301 countries', agent({ collect: { shipping_countries: Array(301).fill('US') } }), 422, 'parameter_invalid', 'collect[shipping_countries]'],
    ['six shipping options', agent({ shipping_options: Array.from({ length: 6 }, (_, i) => ({ ...option, id: i })) }), 422, 'parameter_invalid', 'shipping_options'],
    ['two options of one id', agent({ shipping_options: [option, option] }), 422, 'parameter_invalid', 'shipping_options[1][id]'],
    ['days the wrong way round', agent({ shipping_options: [{ ...option, min_days: 3, max_days: 2 }] }), 422, 'parameter_invalid_integer', 'shipping_options[0][max_days]'],
    ['shipping and shipping options', chat({ shipping: [{ label: 'S', amount: 0 }] }, { shipping_options: [option] }), 422, 'parameters_exclusive', 'shipping_options'],
  ];
  for (const [name, body, status, code, param] of cases) {
    test(`${name}: ${status} ${code}`, async () => {
      const before = stripe.requests.length;
      refused(await create(body()), status, code, param);
      assert.equal(stripe.requests.length, before, 'Stripe is not asked');
    });
  }

  test('who may not: 401, 403 of an unverified shop, 405, 413, 415', async (t) => {
    const pending = await registerShop(w, { verify: false });
    t.after(() => pending.close());
    const post = (more) => api('POST', '/v1/checkout/sessions', { idempotencyKey: 'k', body: agentBody(shop), ...more });
    refused(await post({}), 401, 'api_key_missing');
    refused(await post({ key: 'ccs_nobody' }), 401, 'api_key_invalid');
    refused(await post({ key: w.vars.ADMIN_KEY }), 401, 'api_key_invalid');
    refused(await post({ key: pending.key }), 403, 'shop_not_verified');
    refused(await post({ key: shop.key, body: `{"a":"${'x'.repeat(262_144)}"}` }), 413, 'body_too_large');
    refused(await post({ key: shop.key, headers: { 'content-type': 'text/plain' } }), 415, 'media_type_unsupported');
    refused(await post({ key: shop.key, body: '[1]' }), 400, 'json_invalid');
    const answer = await w.api('PUT', '/v1/checkout/sessions', { key: shop.key });
    refused(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.get('allow'), 'POST');
    // Whose request it is comes before what is wrong with it.
    refused(await post({ body: '{' }), 401, 'api_key_missing');
    refused(await post({ key: 'ccs_nobody', idempotencyKey: undefined }), 401, 'api_key_invalid');
  });

  test('not_connected names the mode', async (t) => {
    const alone = await newShop(t, {}, null);
    assert.match(refused(await create(agentBody(alone), alone), 409, 'not_connected').message, /live/);
    assert.match(refused(await create(agentBody(shop, { mode: 'live' })), 409, 'not_connected').message, /live/);
  });

  test('what Stripe refuses is 422 stripe_refused with Stripe\'s code', async (t) => {
    const closed = await newShop(t, {}, { mode: 'live', account: (await stripe.createAccount({ charges_enabled: false })).id });
    const error = refused(await create(agentBody(closed), closed), 422, 'stripe_refused');
    assert.equal(error.stripe_code, 'testmode_charges_only');
  });
});

describe('where the buyer goes', () => {
  const foreign = ['https://evil.example/', 'https://shop.example.evil.example/', '//evil.example', 'javascript:alert(1)', 'http://127.0.0.1/x', '/thanks', 'https://user@pay.shop.example/', 'https://pay.shop.example:444/'];
  for (const url of foreign) {
    test(`not to ${url}`, async () => {
      refused(await create(agentBody(shop, { success_url: url })), 422, 'url_not_allowed', 'success_url');
      refused(await create(agentBody(shop, { cancel_url: url })), 422, 'url_not_allowed', 'cancel_url');
    });
  }

  test('to site_url\'s origin, to an allowed one, with a placeholder and a fragment', async () => {
    await made(agentBody(shop, { success_url: 'https://pay.shop.example/ok/{CHECKOUT_SESSION_ID}?a=1#x', cancel_url: `${shop.origin}/` }));
  });

  test('nowhere given: the shop\'s defaults, else the Worker\'s own pages', async (t) => {
    const other = await newShop(t);
    const bare = { ...agentBody(other), success_url: undefined, cancel_url: undefined };
    await made(bare, other);
    fine(await api('PATCH', '/v1/shop', { key: other.key, body: { default_success_url: `${other.origin}/ok`, default_cancel_url: `${other.origin}/no` } }));
    const session = await made(bare, other);
    const back = await w.fetch(`/checkout/cancel/${session.transaction}`);
    assert.equal(back.headers.get('location'), `${other.origin}/no?transaction=${session.transaction}&status=canceled`);
  });
});

describe('fees', () => {
  const fee = async (body, as) => {
    const session = await made(body, as);
    const sent = request(session.transaction).params.payment_intent_data.application_fee_amount;
    assert.equal(Number(sent ?? 0), session.application_fee_amount);
    return session.application_fee_amount;
  };
  before(() => w.restart({ FEE_BPS: '250', FEE_FIXED: 'usd=30,eur=25' }));
  after(() => w.restart({ FEE_BPS: undefined, FEE_FIXED: undefined, STRIPE_COST_BPS: undefined, STRIPE_COST_FIXED: undefined, CHARGE_TYPE: undefined }));

  test('total × bps / 10,000 + fixed, rounded down', async () => {
    assert.equal(await fee(agentBody(shop, { amount: 1999 })), 79); // 49.975 + 30
    assert.equal(await fee(agentBody(shop, { amount: 2000, currency: 'eur' })), 75);
    assert.equal(await fee(agentBody(shop, { amount: 2000, currency: 'gbp' })), 50);
  });

  test('a shop\'s own terms win', async (t) => {
    const other = await newShop(t);
    await w.d1("UPDATE shops SET fee_bps = 100, fee_fixed = '{\"usd\":5}' WHERE id = ?", other.id);
    assert.equal(await fee(agentBody(other, { amount: 2000 }), other), 25);
  });

  test('a direct charge: the account pays the fee', async () => {
    const session = await made(agentBody(shop, { amount: 10_000 }));
    await pay(session.id);
    const row = await transaction(session.transaction);
    assert.deepEqual([row.status, row.application_fee_amount, row.charge_type], ['paid', 280, 'direct']);
    assert.deepEqual(stripe.books().application_fees.map(({ amount }) => amount).slice(-1), [280]);
  });

  test('never below what Stripe charges the platform, rounded up', async () => {
    await w.restart({ FEE_BPS: '100', FEE_FIXED: undefined, STRIPE_COST_BPS: '290', STRIPE_COST_FIXED: 'usd=30' });
    assert.equal(await fee(agentBody(shop, { amount: 1999 })), 88); // 57.971 + 30
  });

  test('never more than the total', async () => {
    await w.restart({ FEE_BPS: '0', FEE_FIXED: 'usd=500', STRIPE_COST_BPS: undefined, STRIPE_COST_FIXED: undefined });
    assert.equal(await fee(agentBody(shop, { amount: 100 })), 100);
  });

  test('a destination charge: made by the platform, on behalf of the account', async () => {
    await w.restart({ CHARGE_TYPE: 'destination', FEE_BPS: '250', FEE_FIXED: 'usd=30' });
    const session = await made(agentBody(shop, { amount: 10_000 }));
    const { headers, params } = request(session.transaction);
    assert.equal(headers['stripe-account'], undefined);
    assert.equal(params.payment_intent_data.on_behalf_of, account);
    assert.deepEqual(params.payment_intent_data.transfer_data, { destination: account });
    assert.equal(params.payment_intent_data.application_fee_amount, '280');
    await pay(session.id);
    assert.deepEqual(await transaction(session.transaction).then((row) => [row.status, row.charge_type, row.account]), ['paid', 'destination', account]);
    assert.equal((await see(session.id)).payment_status, 'paid');
  });
});

describe('what the buyer may choose or is asked for', () => {
  test('shipping options: the choice is in what was paid', async () => {
    const session = await made(agentBody(shop, {
      amount: 2000,
      shipping_options: [{ id: 'post', label: 'Post', amount: 500, min_days: 2, max_days: 5 }, { id: 'express', label: 'Express', amount: 1500, min_days: 0 }],
      collect: { shipping_countries: ['US', 'DE', 'US'], phone: true, billing: true },
    }));
    const { params } = request(session.transaction);
    assert.deepEqual(params.shipping_address_collection, { allowed_countries: ['US', 'DE'] });
    assert.equal(params.phone_number_collection.enabled, 'true');
    assert.equal(params.billing_address_collection, 'required');
    assert.deepEqual(params.shipping_options.map(({ shipping_rate_data: rate }) => [rate.display_name, rate.fixed_amount, rate.metadata.cc_shipping_option]), [
      ['Post', { amount: '500', currency: 'usd' }, 'post'], ['Express', { amount: '1500', currency: 'usd' }, 'express'],
    ]);
    const paid = await pay(session.id, { shippingOption: 'Express', phone: '+15550100' });
    assert.ok(paid.ok, JSON.stringify(paid));
    const row = await transaction(session.transaction);
    assert.deepEqual([row.status, row.amount, row.amount_shipping, row.amount_captured], ['paid', 3500, 1500, 3500]);
    assert.equal(row.shipping_details.address.country, 'US');
    assert.equal(row.customer.email, 'buyer@example.com');
  });

  test('automatic tax: Stripe adds it, and it is recorded', async (t) => {
    const taxed = await newShop(t);
    fine(await api('PATCH', '/v1/shop', { key: taxed.key, body: { automatic_tax: true } }));
    refused(await create(chatBody(taxed, { cart: { taxes: [{ label: 'VAT', amount: 100 }], total: 2100 } }), taxed), 422, 'parameter_invalid', 'cart[taxes]');
    const session = await made(chatBody(taxed, { collect: { billing: true } }), taxed);
    const { params } = request(session.transaction);
    assert.deepEqual(params.automatic_tax, { enabled: 'true' });
    assert.equal(params.line_items[0].price_data.tax_behavior, 'exclusive');
    await pay(session.id);
    const row = await transaction(session.transaction, taxed);
    assert.deepEqual([row.status, row.amount, row.amount_subtotal, row.amount_tax], ['paid', 2200, 2000, 200]);
  });

  test('40 metadata keys fit beside ours', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key ${i}`, 'ü'.repeat(500)]));
    const session = await made(agentBody(shop, { metadata, order_id: 'm-1' }));
    assert.equal(Object.keys(stripes(session.id).metadata).length, 44);
  });

  test('manual capture authorizes', async () => {
    const session = await made(agentBody(shop, { capture: 'manual' }));
    assert.equal(request(session.transaction).params.payment_intent_data.capture_method, 'manual');
    await pay(session.id);
    const row = await transaction(session.transaction);
    assert.deepEqual([row.status, row.amount_capturable, row.amount_captured], ['authorized', 2000, 0]);
    const { status, payment_status: paid } = await see(session.id);
    assert.deepEqual([status, paid], ['complete', 'unpaid']);
  });

  test('expires_in, at both ends', async () => {
    for (const seconds of [1800, 7200, 86_400]) {
      const { expires_at: at } = await made(agentBody(shop, { expires_in: seconds }));
      assert.ok(Math.abs(at - Date.now() / 1000 - seconds) <= 15, `${seconds}`);
    }
  });

  test('the mode of the only connection, or the one that was asked for', async (t) => {
    const both = await newShop(t);
    assert.equal((await made(agentBody(both), both)).livemode, false);
    await connectShop(w, stripe, both, { mode: 'live' });
    const live = await made(agentBody(both), both);
    assert.deepEqual([live.livemode, live.id.startsWith('cs_live_')], [true, true]);
    assert.equal((await made(agentBody(both, { mode: 'test' }), both)).livemode, false);
  });
});

describe('GET and POST …/expire', () => {
  test('a session, as it moves', async () => {
    const session = await made(agentBody(shop));
    assert.deepEqual(await see(session.id), session);
    // Nobody told the Worker: it asks while the session can still change.
    stripe.webhooks.pause();
    await stripe.pay(session.id, { card: '4242424242424242', email: 'a@b.example' });
    const paid = await see(session.id);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.deepEqual([paid.status, paid.payment_status, paid.url], ['complete', 'paid', null]);
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });

  test('while Stripe is away the row answers', async (t) => {
    const session = await made(agentBody(shop));
    stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how: '500', times: 9 });
    t.after(() => stripe.clearMisbehaviour());
    assert.deepEqual(await see(session.id), session);
  });

  test('expire ends it, again and again; a paid one is refused', async () => {
    const session = await made(agentBody(shop));
    const ended = fine(await expire(session.id));
    assert.deepEqual([ended.status, ended.payment_status, ended.url], ['expired', 'unpaid', null]);
    assert.equal(stripes(session.id).status, 'expired');
    assert.equal(fine(await expire(session.id)).status, 'expired');
    const sold = await made(agentBody(shop));
    await pay(sold.id);
    refused(await expire(sold.id), 422, 'stripe_refused');
    const late = await made(agentBody(shop));
    stripe.webhooks.pause();
    await stripe.pay(late.id, { card: '4242424242424242', email: 'a@b.example' });
    refused(await expire(late.id), 422, 'stripe_refused');
    stripe.webhooks.resume();
    assert.equal((await transaction(late.transaction)).status, 'paid', 'what the refusal taught is kept');
  });

  test('a session whose buyer\'s card was declined is expired like any other', async () => {
    const session = await made(agentBody(shop));
    assert.equal((await pay(session.id, { card: '4000000000000002' })).ok, false);
    assert.equal((await see(session.id)).status, 'open', 'he may try again');
    const ended = fine(await expire(session.id));
    await stripe.webhooks.drained();
    assert.deepEqual([ended.status, ended.payment_status], ['expired', 'unpaid']);
    assert.equal((await see(session.id)).status, 'expired');
  });

  test('another shop\'s session is 404, like one that is none', async (t) => {
    const other = await newShop(t);
    const session = await made(agentBody(shop, { order_id: 'same-number' }));
    for (const id of [session.id, 'cs_test_a1unknown', 'cs_', 'nothing', session.transaction]) {
      refused(await api('GET', `/v1/checkout/sessions/${id}`, { key: other.key }), 404, 'resource_missing');
      refused(await expire(id, other), 404, 'resource_missing');
    }
    refused(await api('GET', `/v1/transactions/${session.transaction}`, { key: other.key }), 404, 'resource_missing');
    assert.equal(stripes(session.id).status, 'open');
    // The same order number in another shop is another order.
    await made(agentBody(other, { order_id: 'same-number' }), other);
    assert.equal(stripes(session.id).status, 'open');
    assert.deepEqual(fine(await api('GET', '/v1/transactions?order_id=same-number', { key: other.key })).data.length, 1);
  });
});

describe('one order, one open session', () => {
  test('a new session expires the one before', async () => {
    const first = await made(agentBody(shop, { order_id: 'o1' }));
    const second = await made(agentBody(shop, { order_id: 'o1', amount: 2500 }));
    assert.deepEqual([stripes(first.id).status, stripes(second.id).status], ['expired', 'open']);
    assert.equal((await transaction(first.transaction)).status, 'expired');
    const third = await made(chatBody(shop, { cart: { order_id: 'o1' } }));
    assert.deepEqual([stripes(second.id).status, stripes(third.id).status], ['expired', 'open']);
  });

  test('an order that was paid: 409 order_already_paid, told by webhook or not', async () => {
    const first = await made(agentBody(shop, { order_id: 'o2' }));
    stripe.webhooks.pause();
    await stripe.pay(first.id, { card: '4242424242424242', email: 'a@b.example' });
    refused(await create(agentBody(shop, { order_id: 'o2' })), 409, 'order_already_paid', 'order_id');
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    refused(await create(agentBody(shop, { order_id: 'o2' })), 409, 'order_already_paid', 'order_id');
    assert.equal(stripe.books().sessions.filter(({ client_reference_id: id }) => id === 'o2').length, 1);
  });

  test('a payment under way counts as paid; a failed one does not', async () => {
    const first = await made(agentBody(shop, { order_id: 'o3' }));
    await pay(first.id, { card: 'bank_debit_fails' });
    refused(await create(agentBody(shop, { order_id: 'o3' })), 409, 'order_already_paid', 'order_id');
    await stripe.settle(first.id, 'fail');
    await stripe.webhooks.drained();
    await made(agentBody(shop, { order_id: 'o3' }));
  });

  test('an authorized one counts too', async () => {
    const first = await made(agentBody(shop, { order_id: 'o4', capture: 'manual' }));
    await pay(first.id);
    refused(await create(agentBody(shop, { order_id: 'o4' })), 409, 'order_already_paid', 'order_id');
  });

  test('the other mode is another matter', async (t) => {
    const both = await newShop(t);
    await connectShop(w, stripe, both, { mode: 'live' });
    const test1 = await made(agentBody(both, { order_id: 'o5', mode: 'test' }), both);
    await made(agentBody(both, { order_id: 'o5', mode: 'live' }), both);
    assert.equal(stripes(test1.id).status, 'open');
  });

  test('two at the same moment: one wins, the other is told to wait', async () => {
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const running = create(agentBody(shop, { order_id: 'o6' }));
    await stripe.holding();
    const second = await create(agentBody(shop, { order_id: 'o6' }));
    refused(second, 409, 'order_in_flight', 'order_id');
    assert.ok(Number(second.headers.get('retry-after')) >= 1);
    stripe.release();
    const first = fine(await running, 201);
    const after = await made(agentBody(shop, { order_id: 'o6' }));
    assert.deepEqual([stripes(first.id).status, stripes(after.id).status], ['expired', 'open']);
  });

  test('the one before cannot be ended: 503, and no second open session', async (t) => {
    const first = await made(agentBody(shop, { order_id: 'o7' }));
    stripe.misbehave({ on: 'POST /v1/checkout/sessions/{session}/expire', how: '500', times: 5 });
    t.after(() => stripe.clearMisbehaviour());
    refused(await create(agentBody(shop, { order_id: 'o7' })), 503, 'stripe_unavailable');
    assert.equal(stripes(first.id).status, 'open');
    assert.equal(stripe.books().sessions.filter(({ client_reference_id: id }) => id === 'o7').length, 1);
  });
});

describe('the kill switch', () => {
  test('403 checkout_disabled, open sessions are expired, and what was paid is recorded', async (t) => {
    const other = await newShop(t);
    const [open, sold] = [await createSession(w, other, agentBody(other)), await createSession(w, other, agentBody(other))];
    stripe.webhooks.pause();
    await stripe.pay(sold.id, { card: '4242424242424242', email: 'a@b.example' });
    fine(await api('PATCH', '/v1/shop', { key: other.key, body: { checkout_enabled: false } }));
    refused(await create(agentBody(other), other), 403, 'checkout_disabled');
    await eventually(() => stripes(open.id).status === 'expired', 'the open session is still open');
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal((await transaction(open.transaction, other)).status, 'expired');
    assert.equal((await transaction(sold.transaction, other)).status, 'paid');
    fine(await api('PATCH', '/v1/shop', { key: other.key, body: { checkout_enabled: true } }));
    await made(agentBody(other), other);
  });

  test('thrown while a session is being made: the sweep ends it', async (t) => {
    const other = await newShop(t);
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const running = create(agentBody(other), other);
    await stripe.holding();
    fine(await api('PATCH', '/v1/shop', { key: other.key, body: { checkout_enabled: false } }));
    stripe.release();
    const late = fine(await running, 201);
    await w.scheduled();
    assert.equal(stripes(late.id).status, 'expired');
    assert.equal((await transaction(late.transaction, other)).status, 'expired');
  });

  test('what Stripe did not end at once the sweep ends', async (t) => {
    const other = await newShop(t);
    const open = await createSession(w, other, agentBody(other));
    stripe.misbehave({ on: 'POST /v1/checkout/sessions/{session}/expire', how: '500', times: 1 });
    t.after(() => stripe.clearMisbehaviour());
    const before = stripe.requests.length;
    fine(await api('PATCH', '/v1/shop', { key: other.key, body: { checkout_enabled: false } }));
    await eventually(() => stripe.requests.slice(before).some(({ status }) => status === 500));
    assert.equal(stripes(open.id).status, 'open');
    // It is tried again a little later; the test does not wait that long.
    const [due] = await eventually(async () => {
      const rows = await w.d1('SELECT checks, check_at FROM transactions WHERE id = ?', open.transaction);
      return rows[0].checks > 0 && rows;
    });
    assert.ok(due.check_at <= Date.now() / 1000 + 61, 'by the minute');
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', open.transaction);
    await w.scheduled();
    assert.equal(stripes(open.id).status, 'expired');
    assert.equal((await transaction(open.transaction, other)).status, 'expired');
  });
});

describe('a superseded shop', () => {
  test('makes no new sessions; what was open is paid and recorded', async (t) => {
    const first = await newShop(t);
    const open = await made(agentBody(first), first);
    const again = await registerAnew(w, first);
    refused(await create(agentBody(first), first), 401, 'api_key_invalid');
    refused(await create(agentBody(first), { key: again.key }), 409, 'not_connected');
    await pay(open.id);
    assert.deepEqual(await w.d1('SELECT status, shop_id FROM transactions WHERE id = ?', open.transaction), [{ status: 'paid', shop_id: first.id }]);
    assert.deepEqual(fine(await api('GET', '/v1/transactions', { key: again.key })).data, []);
  });
});
