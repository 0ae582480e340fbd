// The local Stripe as agents' Stripe: what it looks up, what it asks the seller, what it makes of the answers, what it tells afterwards.
import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { mac } from '../../sandbox/stripe/signature.mjs';
import { PREVIEW, VERSION, listener, start } from './support.mjs';

const SECRET = 'whsec_hooks';
const CUSTOMIZE = 'v1.delegated_checkout.customize_checkout';
const FINALIZE = 'v1.delegated_checkout.finalize_checkout';
const PRODUCTS = {
  MUG: { title: 'Mug', description: 'Of clay.', price: { unit_amount: 2499, currency: 'usd' }, inventory_quantity: 5, gtin: '0012345678905', mpn: 'M-1' },
  TEA: { title: 'Tea', price: { unit_amount: 500, currency: 'usd' }, sale_price: { unit_amount: 400, currency: 'usd' } },
  GONE: { title: 'Gone', price: { unit_amount: 100, currency: 'usd' }, availability: 'out_of_stock' },
  EURO: { title: 'Euro', price: { unit_amount: 100, currency: 'eur' } },
};

/** A seller's server for hooks. `answers[type]`: an object, or a function of the question that gives {status, body} or never ends (null). */
async function seller() {
  const self = { asked: [], answers: {} };
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const question = JSON.parse(body);
      self.asked.push({ question, body, headers: request.headers });
      const known = self.answers[question.type] ?? (question.type === FINALIZE ? { manual_approval_details: { type: 'approved' } } : {});
      const given = typeof known === 'function' ? known(question) : { status: 200, body: known };
      if (given === null) return;
      response.writeHead(given.status ?? 200, { 'content-type': 'application/json' }).end(typeof given.body === 'string' ? given.body : JSON.stringify(given.body));
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  self.url = `http://127.0.0.1:${server.address().port}/hooks`;
  self.close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return self;
}

let stripe, call, merchant, hooks, shop;
before(async () => {
  hooks = await seller();
  ({ stripe, call, merchant } = await start({ hooks: [{ url: hooks.url, secret: SECRET }], hookTimeoutMs: 150 }));
});
after(async () => {
  await stripe?.close();
  await hooks?.close();
});

/** A seller with products, and fresh answers. */
async function fresh(fields) {
  hooks.asked.length = 0;
  hooks.answers = {};
  shop = await merchant(fields);
  await stripe.setCatalogue(shop, PRODUCTS);
  return (more = {}) => stripe.simulatePurchase({ account: shop, sku: 'MUG', ...more });
}

const approved = (more = {}) => ({ manual_approval_details: { type: 'approved' }, ...more });
const EXPAND = { 0: 'line_items.data.price.product', 1: 'line_items.data.taxes', 2: 'payment_intent.latest_charge', 3: 'shipping_cost.shipping_rate' };
const read = async (id, { version = PREVIEW, account = shop } = {}) => (await call('GET', `/v1/checkout/sessions/${id}`, { expand: EXPAND }, { account, version })).body;

describe('the catalogue', () => {
  test('what is not there, out of stock, too few, or of two currencies is not sold', async () => {
    const buy = await fresh();
    for (const [more, code] of [
      [{ sku: 'NONE' }, 'product_not_found'], [{ sku: '__proto__' }, 'product_not_found'], [{ sku: 'GONE' }, 'out_of_stock'], [{ sku: 'MUG', quantity: 6 }, 'out_of_stock'], [{ skus: ['MUG', 'EURO'] }, 'currency_mixed'],
    ]) {
      const { ok, code: said, message } = await buy(more);
      assert.deepEqual([ok, said, typeof message], [false, code, 'string'], JSON.stringify(more));
    }
    assert.equal(hooks.asked.length, 0, 'nobody was asked');
    assert.equal((await buy({ sku: 'GONE', checkStock: false })).ok, true);
  });

  test('what was sold is counted down; what is on sale costs less', async () => {
    const buy = await fresh();
    const { amount_total } = await buy({ skus: [{ sku: 'MUG', quantity: 4 }, 'TEA'] });
    assert.equal(amount_total, 4 * 2499 + 400);
    assert.equal((await buy({ quantity: 2 })).code, 'out_of_stock');
    assert.equal((await buy()).ok, true);
  });

  test('a seller who is not connected, or cannot be paid, sells nothing', async () => {
    const buy = await fresh();
    assert.equal((await buy({ livemode: true })).code, 'seller_not_connected');
    await stripe.updateAccount(shop, { charges_enabled: false });
    assert.equal((await buy()).code, 'seller_not_ready');
  });

  test('mistakes of who simulates are errors, not refusals', async () => {
    const buy = await fresh();
    for (const [more, what] of [
      [{ card: '1' }, /none of the test cards/], [{ chargeType: 'x' }, /chargeType/], [{ capture: 'x' }, /capture/], [{ account: 'acct_none' }, /no account/], [{ sku: undefined }, /skus/],
      [{ spelling: 'x' }, /spelling/], [{ envelope: 'x' }, /envelope/], [{ session: 'cs_test_none' }, /no open session/],
    ]) await assert.rejects(buy(more), what, JSON.stringify(more));
    await assert.rejects(stripe.setCatalogue(shop, { X: { title: 'no price' } }), /price/);
    await assert.rejects(stripe.setCatalogue('acct_none', {}), /no account/);
  });
});

describe('the questions', () => {
  test('signed with the hooks\' own secret, one id each, the seller as context, the session to be read meanwhile', async () => {
    const buy = await fresh();
    hooks.answers[FINALIZE] = (question) => {
      const record = stripe.world.record('checkout.session', question.data.checkout_session);
      assert.deepEqual([record.object.status, record.owner], ['open', shop]);
      return { body: approved() };
    };
    await buy({ name: 'Ada', email: 'ada@b.example' });
    const [customize, finalize] = hooks.asked;
    for (const { body, headers, question } of hooks.asked) {
      const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['stripe-signature']);
      assert.equal(v1, mac(body, SECRET, t));
      assert.deepEqual([question.context, question.livemode], [shop, false]);
      assert.match(question.id, /^evt_/);
    }
    assert.notEqual(customize.question.id, finalize.question.id);
    assert.deepEqual([customize.question.type, finalize.question.type], [CUSTOMIZE, FINALIZE]);
    const { data } = finalize.question;
    assert.deepEqual([data.email, data.currency, data.amount_total, data.shipping_details.address.country, data.payment_method_details.card.last4], ['ada@b.example', 'usd', 2499, 'US', '4242']);
    const [line] = data.line_items_details;
    assert.deepEqual([line.sku_id, line.quantity, line.unit_amount, line.name], ['MUG', 1, 2499, 'Mug']);
  });

  test('both spellings, both envelopes, without SKUs, without the session', async () => {
    const buy = await fresh();
    await buy({ spelling: 'line_item_details', envelope: 'object', skuIds: false, tellSession: false });
    const { data } = hooks.asked[1].question;
    assert.deepEqual(Object.keys(data), ['object']);
    assert.deepEqual([data.object.line_items_details, data.object.checkout_session, data.object.line_item_details[0].sku_id], [undefined, undefined, undefined]);
    await buy({ spelling: 'both' });
    assert.deepEqual(hooks.asked[3].question.data.line_items_details, hooks.asked[3].question.data.line_item_details);
  });

  test('bent by hand: another signature, time, account, mode, id; asked twice', async () => {
    const buy = await fresh();
    await buy({ hooks: ['finalize'], hook: { secret: 'whsec_other', t: 5, context: 'acct_other', livemode: true, id: 'evt_mine', times: 2, headers: { 'X-Odd': '1' }, fields: { currency: 'eur' } } });
    assert.equal(hooks.asked.length, 2);
    const [{ question, headers, body }, again] = hooks.asked;
    assert.equal(headers['stripe-signature'], `t=5,v1=${mac(body, 'whsec_other', 5)}`);
    assert.deepEqual([question.context, question.livemode, question.id, question.data.currency, headers['x-odd']], ['acct_other', true, 'evt_mine', 'eur', '1']);
    assert.equal(again.body, body, 'the very same question');
    await buy({ hooks: ['finalize'], hook: { context: undefined } });
    assert.equal('context' in hooks.asked.at(-1).question, false);
  });

  test('price and stock of one product', async () => {
    await fresh();
    hooks.answers['delegated_commerce.product_price_availability'] = { sku_id: 'MUG', availability: { status: 'in_stock' } };
    const asked = await stripe.askPrice({ account: shop, sku: 'MUG' });
    assert.deepEqual([asked.status, asked.answer.availability.status, asked.question.data], [200, 'in_stock', { sku_id: 'MUG' }]);
  });
});

describe('the answers', () => {
  test('shipping and taxes of the hook are the price; what is inclusive is not added', async () => {
    const buy = await fresh();
    hooks.answers[CUSTOMIZE] = ({ data }) => ({
      body: {
        shipping_options: [
          { shipping_rate_data: { display_name: 'Slow', fixed_amount: { amount: 500, currency: 'usd' } } },
          { shipping_rate_data: { display_name: 'Fast', fixed_amount: { amount: 900, currency: 'usd' }, tax_behavior: 'exclusive', delivery_estimate: { minimum: { unit: 'day', value: 1 } } } },
        ],
        line_items: data.line_item_details.map(({ id, sku_id }) => ({
          id, tax_rates: sku_id === 'MUG' ? [{ rate_data: { display_name: 'CA', inclusive: false, percentage: 8.625 } }] : [{ rate_data: { display_name: 'VAT', inclusive: true, percentage: 20 } }],
        })),
      },
    });
    const { session, amount_total, ok } = await buy({ skus: [{ sku: 'MUG', quantity: 2 }, { sku: 'TEA', quantity: 3 }], shippingOption: 'Fast' });
    assert.equal(ok, true);
    const whole = await read(session);
    const exclusive = Math.round(4998 * 0.08625);
    const inclusive = 1200 - 1000;
    assert.equal(amount_total, 4998 + 1200 + 900 + exclusive);
    assert.deepEqual([whole.amount_subtotal, whole.total_details, whole.shipping_cost.shipping_rate.display_name], [6198, { amount_discount: 0, amount_shipping: 900, amount_tax: exclusive + inclusive }, 'Fast']);
    const [mug, tea] = whole.line_items.data;
    assert.deepEqual([mug.amount_total, tea.amount_total, mug.taxes[0].amount, tea.taxes[0].amount, mug.taxes[0].rate.percentage], [4998 + exclusive, 1200, exclusive, inclusive, 8.625]);
    assert.equal(hooks.asked[1].question.data.amount_total, amount_total);
    await buy({ skus: ['MUG'] });
    assert.equal(stripe.world.table('tax_rate').size, 2, 'a rate that matches is used again');
  });

  test('ids of rates: the seller\'s own are taken, unknown ones are not', async () => {
    const buy = await fresh();
    hooks.answers[CUSTOMIZE] = { shipping_options: [{ shipping_rate_data: { fixed_amount: { amount: 100, currency: 'usd' } } }] };
    await buy();
    const rate = [...stripe.world.table('shipping_rate').values()].at(-1).object.id;
    hooks.answers[CUSTOMIZE] = { shipping_options: [{ shipping_rate: rate }] };
    assert.equal((await buy()).amount_total, 2599);
    hooks.answers[CUSTOMIZE] = { shipping_options: [{ shipping_rate: 'shr_none' }] };
    assert.equal((await buy()).code, 'hook_answer_invalid');
    hooks.answers[CUSTOMIZE] = ({ data }) => ({ body: { line_items: [{ id: data.line_item_details[0].id, tax_rates: [{ rate: 'txr_none' }] }] } });
    assert.equal((await buy()).code, 'hook_answer_invalid');
  });

  test('the fee is taken, by either way of saying it', async () => {
    const buy = await fresh();
    hooks.answers[FINALIZE] = approved({ application_fee_details: { application_fee_amount: 96 } });
    const { payment_intent: direct } = await buy();
    hooks.answers[FINALIZE] = approved({ application_fee_details: { application_fee_amount: 96 } });
    const { payment_intent: fee } = await buy({ chargeType: 'destination' });
    hooks.answers[FINALIZE] = approved({ application_fee_details: { application_fee_amount: 0, transfer_data: { amount: 2000 } } });
    const { payment_intent: transfer } = await buy({ chargeType: 'destination' });
    const row = (id) => { const found = stripe.payments().find(({ payment_intent }) => payment_intent === id); return [found.charge_type, found.application_fee_amount, found.transfer_amount, found.on_behalf_of === shop]; };
    assert.deepEqual(row(direct), ['direct', 96, 0, false]);
    assert.deepEqual(row(fee), ['destination', 96, 2499, true]);
    assert.deepEqual(row(transfer), ['destination', 0, 2000, true]);
  });

  test('declined, late, in trouble: nothing is charged, and the agent is told how', async () => {
    const buy = await fresh();
    const tries = [
      [{ manual_approval_details: { type: 'declined', declined: { reason: 'closed' } } }, 'order_declined', 'declined'],
      [() => null, 'hook_timeout', 'declined'],
      [() => ({ status: 500, body: 'oops' }), 'hook_failed', 424],
      [() => ({ status: 302, body: '' }), 'hook_failed', 424],
    ];
    for (const [answer, code, status] of tries) {
      hooks.answers[FINALIZE] = answer;
      const result = await buy();
      assert.deepEqual([result.ok, result.code, result.status], [false, code, status]);
      assert.equal(result.hooks.length, 2);
    }
    assert.deepEqual(stripe.payments().filter(({ account }) => account === shop), []);
  });

  test('what is not in the shape of an answer counts as none', async () => {
    const buy = await fresh();
    const rate = (more) => ({ shipping_options: [{ shipping_rate_data: { fixed_amount: { amount: 1, currency: 'usd' }, ...more } }] });
    const lines = (rates) => ({ data }) => ({ body: { line_items: [{ id: data.line_item_details[0].id, tax_rates: rates }] } });
    const wrong = {
      [FINALIZE]: [
        {}, 'no JSON', [], { manual_approval_details: { type: 'maybe' } }, { manual_approval_details: { type: 'declined' } }, { manual_approval_details: { type: 'declined', declined: { reason: '' } } },
        approved({ extra: 1 }), approved({ application_fee_details: { application_fee_amount: -1 } }), approved({ application_fee_details: { application_fee_amount: 1.5 } }), approved({ application_fee_details: {} }),
        approved({ application_fee_details: { application_fee_amount: 2500 } }), approved({ application_fee_details: { application_fee_amount: 0, transfer_data: { amount: 1 } } }),
      ],
      [CUSTOMIZE]: [
        { foo: 1 }, { shipping_options: {} }, { shipping_options: [{}] }, { shipping_options: [{ shipping_rate: 'a', shipping_rate_data: {} }] }, rate({ fixed_amount: { amount: -1, currency: 'usd' } }),
        rate({ fixed_amount: { amount: 1, currency: 'eur' } }), rate({ tax_behavior: 'included' }), rate({ display_name: 'x'.repeat(101) }), rate({ delivery_estimate: { minimum: { unit: 'fortnight', value: 1 } } }), rate({ odd: 1 }),
        { line_items: [{ id: 'li_none', tax_rates: [] }] }, lines([{}]), lines([{ rate: 'a', rate_data: {} }]), lines([{ rate_data: { display_name: 'x', inclusive: false, percentage: 101 } }]), lines([{ rate_data: { display_name: 'x' } }]), lines('x'),
      ],
    };
    for (const [type, answers] of Object.entries(wrong)) {
      for (const answer of answers) {
        hooks.answers = { [type]: typeof answer === 'function' ? answer : () => ({ body: answer }) };
        const result = await buy();
        assert.deepEqual([result.ok, result.code], [false, 'hook_answer_invalid'], `${type} ${JSON.stringify(answer)}`);
      }
    }
    hooks.answers = { [CUSTOMIZE]: lines([{ rate_data: { display_name: 'x', inclusive: false, percentage: 5 } }]) };
    assert.equal((await buy({ automaticTax: true })).code, 'hook_answer_invalid', 'own taxes beside Stripe Tax');
    assert.deepEqual(stripe.payments().filter(({ account }) => account === shop), []);
  });

  test('an agent that was answered 424 tries the same session again', async () => {
    const buy = await fresh();
    hooks.answers[FINALIZE] = () => ({ status: 503, body: '' });
    const { session } = await buy();
    hooks.answers = {};
    const again = await buy({ session });
    assert.deepEqual([again.ok, again.session, again.hooks.length], [true, session, 4]);
    await assert.rejects(buy({ session }), /no open session/);
  });
});

describe('the money', () => {
  test('previews only: SKU, identifiers, agent; a released version and events do not show them', async () => {
    const buy = await fresh();
    const heard = await listener();
    stripe.setWebhooks([{ url: heard.url, secret: 'whsec_1', connect: true }]);
    const { session, payment_intent: intent } = await buy({ agent: { name: 'ChatGPT', id: 'a1' } });
    await stripe.webhooks.drained();
    stripe.setWebhooks([]);
    await heard.close();
    const whole = await read(session);
    const [line] = whole.line_items.data;
    assert.deepEqual([line.price.external_reference, line.price.product.identifiers, whole.payment_intent.agent_details], ['MUG', { gtin: '0012345678905', mpn: 'M-1' }, { name: 'ChatGPT', id: 'a1' }]);
    assert.match(whole.payment_intent.latest_charge.receipt_number, /^[A-Z0-9]{4}-[A-Z0-9]{4}$/);
    const shown = JSON.stringify([await read(session, { version: VERSION }), (await call('GET', `/v1/payment_intents/${intent}`, undefined, { account: shop })).body, heard.heard.map(({ event }) => event)]);
    for (const hidden of ['external_reference', 'identifiers', 'agent_details']) assert.equal(shown.includes(hidden), false, hidden);
    assert.deepEqual(heard.types().sort(), ['charge.succeeded', 'checkout.session.completed', 'payment_intent.created', 'payment_intent.succeeded']);
    assert.equal('taxes' in (await call('GET', `/v1/checkout/sessions/${session}/line_items`, undefined, { account: shop, version: PREVIEW })).body.data[0], false, 'taxes only where they are asked for');
  });

  test('Stripe does not tell the agent where the preview is off', async () => {
    const buy = await fresh();
    const { session } = await buy({ agent: null });
    assert.equal('agent_details' in (await read(session)).payment_intent, false);
  });

  test('declined, asking the bank: no sale; debits, by hand', async () => {
    const buy = await fresh();
    for (const [card, code] of [['4000000000000002', 'card_declined'], ['4000002500003155', 'authentication_required']]) {
      const result = await buy({ card });
      assert.deepEqual([result.ok, result.code, stripe.session(result.session).object.status], [false, code, 'open']);
    }
    const debit = await buy({ card: 'bank_debit_succeeds' });
    assert.deepEqual([debit.ok, debit.status], [true, 'processing']);
    await stripe.settle(debit.session);
    assert.equal(stripe.session(debit.session).object.payment_status, 'paid');
    const manual = await buy({ capture: 'manual' });
    assert.deepEqual([manual.status, stripe.session(manual.session).object.payment_status], ['requires_capture', 'unpaid']);
    assert.equal((await buy({ capture: 'manual', card: 'bank_debit_succeeds' })).code, 'payment_method_not_available');
    assert.equal((await buy({ automaticTax: true })).amount_total, 2499 + 250);
  });

  test('a destination charge is the platform\'s, its events too', async () => {
    const buy = await fresh();
    const { session } = await buy({ chargeType: 'destination' });
    assert.equal((await call('GET', `/v1/checkout/sessions/${session}`, undefined, { account: shop })).status, 404);
    assert.equal((await call('GET', `/v1/checkout/sessions/${session}`)).status, 200);
    const event = stripe.books().events.find(({ type, data }) => type === 'checkout.session.completed' && data.object.id === session);
    assert.equal(event.account, undefined);
  });

  test('events in any order, several times, or not at all; what was held back before stays so', async () => {
    const buy = await fresh();
    const heard = await listener();
    stripe.setWebhooks([{ url: heard.url, secret: 'whsec_1', connect: true, events: ['checkout.session.completed', 'payment_intent.succeeded'] }]);
    await buy({ events: { order: 'made', copies: 2 } });
    assert.deepEqual(heard.types(), ['payment_intent.succeeded', 'payment_intent.succeeded', 'checkout.session.completed', 'checkout.session.completed']);
    heard.heard.length = 0;
    await buy({ events: { order: 'reversed' } });
    assert.deepEqual(heard.types(), ['checkout.session.completed', 'payment_intent.succeeded']);
    heard.heard.length = 0;
    await buy({ events: 'lost' });
    await stripe.webhooks.drained();
    assert.deepEqual(heard.types(), []);
    stripe.webhooks.pause();
    await buy({ events: { order: 'made' } });
    assert.deepEqual([heard.types(), stripe.webhooks.paused], [[], true]);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal(heard.types().length, 2);
    stripe.setWebhooks([]);
    await heard.close();
  });

  test('several lines, more than one page', async () => {
    const buy = await fresh();
    await stripe.setCatalogue(shop, Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`S${n}`, { price: { unit_amount: 100, currency: 'usd' } }])));
    const { session } = await buy({ skus: Array.from({ length: 12 }, (_, n) => `S${n}`) });
    const whole = await read(session);
    assert.deepEqual([whole.line_items.data.length, whole.line_items.has_more], [10, true]);
    const more = await call('GET', `/v1/checkout/sessions/${session}/line_items`, { starting_after: whole.line_items.data.at(-1).id, limit: 100, expand: { 0: 'data.price.product', 1: 'data.taxes' } }, { account: shop, version: PREVIEW });
    assert.deepEqual(more.body.data.map(({ price }) => price.external_reference), ['S10', 'S11']);
  });
});

describe('around it', () => {
  test('by HTTP, and what was asked can be looked at', async () => {
    await fresh();
    const control = async (name, ...args) => (await fetch(`${stripe.url}/_sandbox/${name}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ args }) })).json();
    const { result } = await control('simulatePurchase', { account: shop, sku: 'MUG' });
    assert.equal(result.ok, true);
    const [purchase] = (await (await fetch(`${stripe.url}/_sandbox/purchases`)).json()).result;
    assert.deepEqual([purchase.id, purchase.account, purchase.hooks.length], [result.session, shop, 2]);
    assert.ok((await (await fetch(`${stripe.url}/_sandbox/hooks`)).json()).result.length >= 2);
    assert.doesNotMatch(JSON.stringify(stripe.hookCalls), new RegExp(SECRET));
  });

  test('nobody to ask: both hooks are left out, and asking by hand is an error', async () => {
    const buy = await fresh();
    stripe.setHooks([]);
    const { ok, hooks: asked } = await buy();
    assert.deepEqual([ok, asked], [true, []]);
    await assert.rejects(buy({ hooks: ['finalize'] }), /setHooks/);
    stripe.setHooks([{ url: hooks.url, secret: SECRET }]);
  });

  test('kept over a restart: catalogue, purchase, taxes', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'agentic-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const persist = join(folder, 'stripe.json');
    const one = await startStripe({ persist });
    const { id } = await one.createAccount({});
    one.world.connect({ account: id, livemode: false, scope: 'read_write', access_token: 'x', codes: [], since: 1 });
    await one.setCatalogue(id, PRODUCTS);
    const { session } = await one.simulatePurchase({ account: id, sku: 'MUG', automaticTax: true });
    await one.close();
    const two = await startStripe({ persist });
    t.after(() => two.close());
    assert.equal(two.purchases()[0].id, session);
    assert.equal(two.world.record('account', id).catalogue.MUG.inventory_quantity, 4);
    assert.equal(two.world.table('item_tax').size, 1);
  });
});
