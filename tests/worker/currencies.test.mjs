// Contract, *Checkout*: amounts are Stripe's minor units, never ISO 4217's. What the Worker takes Stripe must take, to the unit.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { agentBody, chatBody, connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe;
let w;
let api;
let shop;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '333' } });
  api = documented(w);
  shop = await registerShop(w);
  await connectShop(w, stripe, shop);
});
after(async () => { await shop.close(); await w.close(); await stripe.close(); });

let count = 0;
const create = (body) => api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: `c-${count += 1}`, body });
const buy = (currency, amount, more) => create(agentBody(shop, { currency, amount, ...more }));
/** Made, and Stripe charges the very same figure. -> the session at Stripe */
async function exact(currency, amount, more) {
  const session = fine(await buy(currency, amount, more), 201);
  assert.deepEqual([session.amount_total, session.currency], [amount, currency.toLowerCase()]);
  const at = stripe.books().sessions.find(({ id }) => id === session.id);
  assert.deepEqual([at.amount_total, at.currency], [amount, currency.toLowerCase()]);
  return { ...at, fee: session.application_fee_amount, transaction: session.transaction };
}
const pieces = (quantity, amount) => ({ line_items: [{ name: 'Piece', quantity, amount_total: amount }] });

describe('special currencies', () => {
  test('JPY has no decimals: 500 is ¥500', async () => {
    const { id, fee, transaction } = await exact('jpy', 500);
    assert.equal(fee, 16); // 16.65
    await stripe.pay(id, { card: '4242424242424242', email: 'a@b.example' });
    await stripe.webhooks.drained();
    const paid = fine(await api('GET', `/v1/transactions/${transaction}`, { key: shop.key }));
    assert.deepEqual([paid.status, paid.amount_captured, paid.currency], ['paid', 500, 'jpy']);
    await exact('jpy', 1000, pieces(3, 1000));
  });

  test('ISK has two decimals that must be 00: 50000 is 500 kr', async () => {
    assert.equal((await exact('isk', 50_000)).fee, 1600, 'the fee keeps the step too');
    await exact('isk', 100_000, pieces(3, 100_000));
    refused(await buy('isk', 50_050), 422, 'parameter_invalid_integer', 'line_items[0][amount_total]');
  });

  test('UGX likewise', async () => {
    await exact('ugx', 370_000);
    refused(await buy('ugx', 370_001), 422, 'parameter_invalid_integer', 'line_items[0][amount_total]');
  });

  for (const currency of ['kwd', 'bhd', 'jod', 'omr', 'tnd']) {
    test(`${currency.toUpperCase()} has three decimals, the last one 0: 1230 is 1.230`, async () => {
      assert.equal((await exact(currency, 1230)).fee, 40);
      await exact(currency, 1000, pieces(3, 1000));
      refused(await buy(currency, 1235), 422, 'parameter_invalid_integer', 'line_items[0][amount_total]');
    });
  }

  test('every part of a cart keeps the step', async () => {
    for (const part of ['shipping', 'fees', 'taxes', 'discounts']) {
      const body = chatBody(shop, { currency: 'isk', amount: 100_000, cart: { [part]: [{ label: 'X', amount: 150 }], total: 100_000 + (part === 'discounts' ? -150 : 150) } });
      // The total is looked at last, so the part is named.
      const { status, body: { error } } = await create(body);
      assert.deepEqual([status, error.code, error.param], [422, 'parameter_invalid_integer', `cart[${part}][0][amount]`]);
    }
    refused(await buy('kwd', 1230, { shipping_options: [{ id: 'a', label: 'A', amount: 15 }] }), 422, 'parameter_invalid_integer', 'shipping_options[0][amount]');
  });

  test('a discount is shared out in steps', async () => {
    for (const [currency, line, discount] of [['isk', 100_000, 10_000], ['kwd', 1000, 100], ['jpy', 1000, 100]]) {
      const items = [1, 2, 3].map((i) => ({ product_id: i, name: `Item ${i}`, quantity: 1, amount_total: line }));
      const session = fine(await create(chatBody(shop, { currency, cart: { items, discounts: [{ label: 'D', amount: discount }], total: 3 * line - discount } })), 201);
      const at = stripe.books().sessions.find(({ id }) => id === session.id);
      assert.equal(at.amount_total, 3 * line - discount, currency);
    }
  });

  test('HUF and TWD are ordinary here: only payouts are whole', async () => {
    await exact('huf', 17_501);
    await exact('twd', 1234);
  });

  test('the code may be in capitals', async () => exact('EUR', 1999));

  test('zero-decimal currencies, all of them', async () => {
    for (const currency of ['bif', 'clp', 'djf', 'gnf', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf']) await exact(currency, 12_345);
  });
});

describe('what no currency is', () => {
  for (const code of ['xyz', 'us', 'usdt', '€', 'btc']) test(code, async () => refused(await buy(code, 1000), 422, 'currency_unsupported', 'currency'));
  test('in a cart', async () => refused(await create(chatBody(shop, { currency: 'xyz' })), 422, 'currency_unsupported', 'cart[currency]'));
  test('a number', async () => refused(await buy(978, 1000), 400, 'parameter_invalid_string', 'currency'));
});

describe('the least and the most', () => {
  const minima = {
    usd: 50, aed: 200, ars: 50, aud: 50, brl: 50, cad: 50, chf: 50, cop: 50, czk: 1500, dkk: 250, eur: 50, gbp: 30, hkd: 400, huf: 17_500, idr: 50, ils: 50, inr: 50,
    jpy: 50, krw: 50, mxn: 1000, myr: 200, nok: 300, nzd: 50, php: 50, pln: 200, ron: 200, rub: 50, sek: 300, sgd: 50, thb: 1000, zar: 50,
  };
  test('Stripe\'s published minima, to the unit', async () => {
    for (const [currency, least] of Object.entries(minima)) {
      refused(await buy(currency, least - 1), 422, 'amount_too_small', 'amount_total');
      await exact(currency, least);
    }
  });

  test('where Stripe publishes none, one step is enough; nothing is never', async () => {
    await exact('isk', 100);
    await exact('kwd', 10);
    for (const currency of ['isk', 'usd']) refused(await buy(currency, 0), 422, 'amount_too_small', 'amount_total');
  });

  test('a discount down to nothing is too small', async () => {
    refused(await create(chatBody(shop, { cart: { discounts: [{ label: 'D', amount: 2000 }], total: 0 } })), 422, 'amount_too_small', 'cart[total]');
  });

  test('999,999,999,999 is the most, as a line, as a sum, and with the dearest shipping', async () => {
    const most = 999_999_999_999;
    await exact('usd', most);
    refused(await buy('usd', most + 1), 422, 'amount_too_large', 'line_items[0][amount_total]');
    const two = [{ name: 'A', quantity: 1, amount_total: most }, { name: 'B', quantity: 1, amount_total: 1 }];
    refused(await buy('usd', undefined, { line_items: two, amount_total: undefined }), 422, 'amount_too_large', 'amount_total');
    refused(await buy('usd', most, { shipping_options: [{ id: 'a', label: 'A', amount: 0 }, { id: 'b', label: 'B', amount: 1 }] }), 422, 'amount_too_large', 'amount_total');
    refused(await buy('usd', undefined, { line_items: [{ name: 'A', quantity: 999_999, unit_amount: 1_000_002 }], amount_total: undefined }), 422, 'amount_too_large', 'line_items[0][unit_amount]');
  });
});
