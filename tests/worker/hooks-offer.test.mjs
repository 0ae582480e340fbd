// What Stripe is told about delivery, taxes and prices: from the shop's tables, or from its live quote.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { FULFILLMENT, PRODUCTS, sellToAgents } from '../support/agent.mjs';
import { fine } from '../support/answers.mjs';
import { ADDRESS_US, cartData, fits, hookOf, MUG, sendHook, spelled } from '../support/hooks.mjs';
import { connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, account, quote;
const line = (sku, unit_amount, quantity = 1) => ({ ...MUG, id: `li_${sku}`, sku_id: sku, unit_amount, quantity });
const tables = (more) => w.api('PUT', '/v1/shop/fulfillment', { key: shop.key, body: { ...FULFILLMENT, ...more } }).then(fine);
const settings = (body) => w.api('PATCH', '/v1/shop', { key: shop.key, body }).then(fine);

async function ask(data = cartData(), { kind = 'customize_checkout', ...more } = {}) {
  const hook = hookOf(kind, account, data, more);
  if (hook.data.currency) fits(`${kind}.request`, hook);
  return fine(await sendHook(w, hook));
}
const price = (sku_id, more) => ask({ sku_id }, { kind: 'product_price_availability', ...more });
const option = (id, title, amount, min, max, tax_behavior = 'exclusive') => ({
  shipping_rate_data: {
    display_name: title, fixed_amount: { amount, currency: 'usd' }, metadata: { cc_shipping_option: id }, tax_behavior,
    delivery_estimate: { minimum: { unit: 'business_day', value: min }, maximum: { unit: 'business_day', value: max } },
  },
});
const rate = (display_name, percentage, inclusive = false) => ({ rate_data: { display_name, inclusive, percentage } });

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w, { webhook: (seen, response) => quote(seen, response) });
  ({ account } = await connectShop(w, stripe, shop));
  await sellToAgents(w, shop.key);
  fine(await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true } }));
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});
beforeEach(async () => {
  await tables();
  await settings({ quote_url: null });
});

describe('by the tables', () => {
  test('delivery and taxes of an address, in every spelling and envelope', async () => {
    const expected = {
      shipping_options: [option('standard', 'Standard', 500, 3, 5), option('express', 'Express', 1500, 1, 2)],
      line_items: [{ id: 'li_1', tax_rates: [rate('Sales tax', 8.75)] }],
    };
    for (const how of [{}, { singular: true }, { object: true }, { singular: true, object: true }]) assert.deepEqual(await ask(spelled(cartData(), how)), expected);
  });

  test('what is free from some subtotal on; where tax is none; where it is not sent to', async () => {
    const free = await ask(cartData({ lines: [line('mug', 1230, 9)] }));
    assert.equal(free.shipping_options[0].shipping_rate_data.fixed_amount.amount, 0);
    const canada = await ask(cartData({ address: { ...ADDRESS_US, country: 'CA', state: 'ON' } }));
    assert.deepEqual(canada.shipping_options, [option('express', 'Express', 1500, 1, 2)]);
    assert.deepEqual(canada.line_items, [{ id: 'li_1', tax_rates: [] }]);
    assert.deepEqual((await ask(cartData({ address: { ...ADDRESS_US, country: 'DE' } }))).shipping_options, []);
    assert.deepEqual((await ask(cartData({ currency: 'eur' }))).shipping_options, [], 'no way of delivery is in this currency');
  });

  test('without an address nothing is said; of what the shop has said nothing about neither', async () => {
    assert.deepEqual(await ask(cartData({ address: null })), {});
    assert.deepEqual(await ask({ currency: 'usd' }), {});
    await tables({ shipping: [], tax: [] });
    assert.deepEqual(await ask(), {});
    await tables({ shipping: [] });
    assert.deepEqual(Object.keys(await ask()), ['line_items']);
  });

  test('Stripe Tax takes no rates beside it', async () => {
    const answer = await ask(cartData({ automatic_tax: true }));
    assert.equal(answer.line_items, undefined);
    assert.equal(answer.shipping_options.length, 2);
  });

  test('tax on delivery is in its price, and said to be', async () => {
    await tables({ tax: [{ country: 'US', rate_bps: 1000, inclusive: false, applies_to_shipping: true, display_name: 'All' }] });
    assert.deepEqual((await ask()).shipping_options[0], option('standard', 'Standard', 550, 3, 5, 'inclusive'));
    assert.deepEqual((await ask(cartData({ automatic_tax: true }))).shipping_options[0], option('standard', 'Standard', 500, 3, 5), 'Stripe adds it');
    await tables({ tax: [{ country: '*', rate_bps: 1900, inclusive: true, applies_to_shipping: true, display_name: 'VAT' }] });
    const answer = await ask();
    assert.deepEqual([answer.shipping_options[0], answer.line_items[0].tax_rates], [option('standard', 'Standard', 500, 3, 5, 'inclusive'), [rate('VAT', 19, true)]]);
  });

  test('rates that the account has go by their ids', async () => {
    const shipping = [{ id: 'shr_1Standard', title: 'S', amount: 500, currency: 'usd', countries: ['*'], free_over: 2000 }];
    await tables({ shipping, tax: [{ id: 'txr_1Ca', country: 'US', rate_bps: 875, inclusive: false, applies_to_shipping: false, display_name: 'T' }] });
    assert.deepEqual(await ask(), { shipping_options: [{ shipping_rate: 'shr_1Standard' }], line_items: [{ id: 'li_1', tax_rates: [{ rate: 'txr_1Ca' }] }] });
    const free = await ask(cartData({ lines: [line('mug', 1230, 2)] }));
    assert.equal(free.shipping_options[0].shipping_rate_data.fixed_amount.amount, 0, 'what is free is not the rate that costs');
  });

  test('at most five ways, the cheapest, and no text that is too long', async () => {
    const shipping = Array.from({ length: 12 }, (_, n) => ({ id: `way${n}`, title: `W${n} `.repeat(40), amount: 1200 - n * 100, currency: 'usd', countries: ['*'] }));
    await tables({ shipping });
    const { shipping_options: ways } = await ask();
    assert.deepEqual(ways.map((way) => way.shipping_rate_data.metadata.cc_shipping_option), ['way7', 'way8', 'way9', 'way10', 'way11']);
    for (const way of ways) assert.ok(way.shipping_rate_data.display_name.length <= 100);
    // The cheapest is kept wherever it stands, and of those that cost the same the first.
    await tables({ shipping: [5, 5, 5, 5, 5, 1].map((amount, n) => ({ id: `w${n}`, title: `W${n}`, amount, currency: 'usd', countries: ['*'] })) });
    assert.deepEqual((await ask()).shipping_options.map((way) => way.shipping_rate_data.metadata.cc_shipping_option), ['w0', 'w1', 'w2', 'w3', 'w5']);
  });

  test('what is digital is not shipped', async () => {
    const digital = cartData({ lines: [line('book', 2000)], address: null });
    assert.deepEqual((await ask(digital)).shipping_options.map((way) => way.shipping_rate_data), [{ display_name: 'Download', fixed_amount: { amount: 0, currency: 'usd' }, metadata: { cc_shipping_option: 'download' }, tax_behavior: 'exclusive' }]);
    await tables({ digital: [] });
    assert.deepEqual(await ask(digital), {});
    assert.equal((await ask(cartData({ lines: [line('book', 2000), line('mug', 1230)] }))).shipping_options.length, 2);
  });

  test('the same question gets the same answer', async () => {
    const data = cartData();
    const id = 'evt_hook_same';
    const first = await ask(data, { id });
    await tables({ shipping: [] });
    assert.deepEqual(await ask(data, { id }), first);
    assert.notDeepEqual(await ask(cartData({ lines: [line('tea', 400)] }), { id }), first);
  });
});

describe('by the shop’s live quote', () => {
  const good = { items: [{ id: 'mug', amount_total: 1230 }], shipping: [{ id: 'drone', title: 'Drone', amount: 900, min_days: 0, max_days: 1 }], tax_total: 108 };

  test('its ways of delivery, and its tax as the rate that makes it', async () => {
    let seen;
    quote = (asked, response) => { seen = asked; response.writeHead(200).end(JSON.stringify(good)); };
    await settings({ quote_url: `${shop.origin}/quote` });
    const data = cartData();
    const answer = await ask(data);
    assert.deepEqual(answer.shipping_options[0].shipping_rate_data, { display_name: 'Drone', fixed_amount: { amount: 900, currency: 'usd' }, metadata: { cc_shipping_option: 'drone' }, tax_behavior: 'exclusive', delivery_estimate: { maximum: { unit: 'business_day', value: 1 } } });
    const [{ rate_data: { percentage, inclusive } }] = answer.line_items[0].tax_rates;
    assert.deepEqual([percentage, inclusive, Math.round((1230 * percentage) / 100)], [8.7805, false, 108]);
    const body = JSON.parse(seen.body);
    assert.deepEqual([body.id, body.items, body.currency, body.address.country, body.address.state], [data.checkout_session, [{ id: 'mug', quantity: 1 }], 'usd', 'US', 'CA']);
    assert.equal(seen.headers['webhook-id'], data.checkout_session);
    quote = (_, response) => response.writeHead(200).end(JSON.stringify({ ...good, tax_total: 0, shipping: [] }));
    assert.deepEqual(await ask(), { shipping_options: [], line_items: [{ id: 'li_1', tax_rates: [] }] });
  });

  test('where it fails, or not all products are known, the tables', async () => {
    await settings({ quote_url: `${shop.origin}/quote` });
    for (const how of [(_, response) => response.writeHead(500).end(), (_, response) => response.writeHead(200).end('no'), (_, response) => response.writeHead(200).end(JSON.stringify({ ...good, items: [] })), (_, response) => response.destroy()]) {
      quote = how;
      assert.equal((await ask()).shipping_options[0].shipping_rate_data.display_name, 'Standard');
    }
    quote = () => assert.fail('nobody is to be asked');
    assert.equal((await ask(cartData({ lines: [{ id: 'li_1', quantity: 1, unit_amount: 5 }], session: null }))).shipping_options[0].shipping_rate_data.display_name, 'Standard');
  });
});

describe('price and availability', () => {
  test('of each kind of product', async () => {
    const common = { merchant_id: account };
    const answers = {
      mug: { availability: { status: 'in_stock', quantity: 1000 }, price: { unit_amount: 1230, currency: 'usd' } },
      tea: { availability: { status: 'in_stock' }, price: { unit_amount: 400, currency: 'usd' } },
      gone: { availability: { status: 'out_of_stock', quantity: 0 }, price: { unit_amount: 700, currency: 'usd' } },
      never: { deleted: true },
    };
    for (const [sku_id, expected] of Object.entries(answers)) {
      for (const data of [{ sku_id }, { object: { sku_id } }]) {
        const hook = hookOf('product_price_availability', account, data);
        const { as_of, ...answer } = fine(await sendHook(w, hook));
        assert.deepEqual(answer, { sku_id, ...common, ...expected });
        assert.ok(Math.abs(as_of - Date.now() / 1000) < 60);
      }
    }
    const missing = await sendHook(w, hookOf('product_price_availability', account, {}));
    assert.deepEqual([missing.status, missing.body.error.code, missing.body.error.param], [400, 'parameter_missing', 'data[sku_id]']);
  });

  test('a sale with an end, stock that others hold, and what is only shown', async (t) => {
    t.after(() => sellToAgents(w, shop.key));
    const products = [
      { ...PRODUCTS[0], id: 'sale', sale_price: '10.00 USD', sale_price_effective_date: '2026-01-01/2099-12-31' },
      { ...PRODUCTS[0], id: 'later', availability: 'preorder', inventory_quantity: 0 },
      { ...PRODUCTS[0], id: 'shown', disable_checkout: 'true' },
      { ...PRODUCTS[0], id: 'last', inventory_quantity: 2 },
    ];
    await sellToAgents(w, shop.key, { products });
    const sale = await price('sale');
    assert.deepEqual([sale.price, sale.sale_price], [{ unit_amount: 1230, currency: 'usd' }, { unit_amount: 1000, currency: 'usd', start_date: '2026-01-01', end_date: '2099-12-31' }]);
    assert.deepEqual((await price('later')).availability, { status: 'preorder' });
    assert.deepEqual((await price('shown')).availability, { status: 'out_of_stock', quantity: 0 });
    await w.d1("INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES ('x', ?, 'last', 2, 9999999999)", shop.id);
    assert.deepEqual((await price('last')).availability, { status: 'out_of_stock', quantity: 0 });
    await w.d1('DELETE FROM stock_holds');
  });
});
