import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coupons, currencies, products } from '../../sandbox/shop/catalogue.mjs';
import { step } from '../../sandbox/shop/money.mjs';
import { priceAgentLines, priceCart, Unpriceable } from '../../sandbox/shop/pricing.mjs';

const cart = (items, more = {}) => ({ items, coupon: '', shipping: 'standard', currency: 'usd', ...more });

test('lines, shipping and discounts add up to the total', () => {
  const priced = priceCart(cart({ mug: 2, notebook: 1 }, { coupon: 'WELCOME10' }));
  assert.equal(priced.subtotal, 4725);
  assert.deepEqual(priced.discounts.map((row) => row.amount), [473]); // 472.5, half up
  assert.equal(priced.total, 4725 - 473 + 490);
});

test('three cups for 10.00: the line has a price that does not divide by its quantity', () => {
  assert.equal(priceCart(cart({ cup: 3 })).lines[0].amount_total, 1000);
  assert.equal(priceCart(cart({ cup: 7 })).lines[0].amount_total, 2400);
});

test('in every currency, with every coupon, all amounts are whole steps and the sum is right', () => {
  for (const currency of Object.keys(currencies)) {
    for (const coupon of ['', ...Object.keys(coupons)]) {
      const priced = priceCart(cart(Object.fromEntries(products.map(({ id }, index) => [id, index + 1])), { currency, coupon, shipping: 'express' }));
      const rows = [...priced.lines.map((line) => line.amount_total), ...priced.shipping.map((row) => row.amount), ...priced.discounts.map((row) => -row.amount)];
      assert.equal(rows.reduce((a, b) => a + b), priced.total);
      for (const amount of [...rows, priced.total]) assert.equal(Math.abs(amount) % step(currency), 0, `${amount} ${currency}`);
    }
  }
});

test('a discount never exceeds the goods, and an unknown coupon is none', () => {
  assert.deepEqual(priceCart(cart({ cup: 1 }, { coupon: 'FIVEOFF' })).discounts.map((row) => row.amount), [400]);
  for (const coupon of ['NOPE', 'constructor', '__proto__']) assert.deepEqual(priceCart(cart({ cup: 1 }, { coupon })).discounts, []);
});

test('an agent\'s one-cent mug costs 20 dollars', () => {
  const priced = priceAgentLines([{ product_id: 'mug', quantity: 1, amount_total: 1, unit_amount: 1, price: 1, name: 'Free mug' }], 'usd');
  assert.equal(priced.total, 2000);
  assert.equal(priced.lines[0].name, 'Stoneware mug');
  assert.equal(priced.lines[0].claimed, 1); // kept to be shown, never to be charged
});

test('what an agent may not ask for', () => {
  const refused = (lines, field, currency = 'usd') => assert.throws(() => priceAgentLines(lines, currency), (error) => error instanceof Unpriceable && error.field === field, JSON.stringify(lines));
  refused([{ product_id: 'nothing', quantity: 1 }], 'line_items[0][product_id]');
  refused([{ product_id: 'mug', quantity: 1 }, { name: 'Free mug', amount_total: 0 }], 'line_items[1][product_id]');
  for (const quantity of [0, -1, 1.5, '1', 100, null === undefined, NaN]) refused([{ product_id: 'mug', quantity }], 'line_items[0][quantity]');
  refused([], 'line_items');
  refused('mug', 'line_items');
  refused(Array(101).fill({ product_id: 'mug', quantity: 1 }), 'line_items');
  refused([null], 'line_items[0]');
  refused([{ product_id: 'mug', quantity: 1 }], 'currency', 'xxx');
  refused([{ product_id: 'mug', quantity: 1 }], 'currency', 'constructor');
});
