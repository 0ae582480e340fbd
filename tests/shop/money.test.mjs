import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponent, format, fromMinor, scale, step, toMinor, convertFromUsd } from '../../sandbox/shop/money.mjs';

const plain = (text) => text.replace(/\u00a0/g, ' ');

test('minor units are Stripe\'s, not ISO\'s', () => {
  assert.equal(toMinor('12.30', 'usd'), 1230);
  assert.equal(toMinor('0.1', 'usd') + toMinor('0.2', 'usd'), toMinor('0.3', 'usd'));
  assert.equal(toMinor('500', 'jpy'), 500);
  assert.equal(toMinor('500', 'isk'), 50000);
  assert.equal(toMinor('500', 'ugx'), 50000);
  assert.equal(toMinor('1.23', 'kwd'), 1230);
  assert.deepEqual(['usd', 'jpy', 'kwd', 'isk', 'ugx', 'huf', 'twd'].map(exponent), [2, 0, 3, 2, 2, 2, 2]);
});

test('what a currency cannot express is refused, not rounded', () => {
  for (const [text, currency] of [['1.234', 'kwd'], ['1.001', 'usd'], ['0.5', 'jpy'], ['12.50', 'isk'], ['1.01', 'ugx'], ['-1', 'usd'], ['1e3', 'usd'], ['', 'usd'], ['1,50', 'usd'], ['9999999999999', 'usd']]) {
    assert.throws(() => toMinor(text, currency), RangeError, `${text} ${currency}`);
  }
  assert.throws(() => toMinor('1', 'USD'), /lower-case/);
});

test('a form field gets back what was typed', () => {
  for (const [amount, currency, text] of [[1230, 'usd', '12.30'], [5, 'usd', '0.05'], [500, 'jpy', '500'], [50000, 'isk', '500.00'], [10, 'kwd', '0.010']]) {
    assert.equal(fromMinor(amount, currency), text);
    assert.equal(toMinor(text, currency), amount);
  }
});

test('people see the decimals that exist', () => {
  assert.deepEqual([[123456, 'usd'], [1500, 'jpy'], [139000, 'isk'], [1230, 'kwd']].map(([amount, currency]) => plain(format(amount, currency))),
    ['$1,234.56', '¥1,500', 'ISK 1,390', 'KWD 1.230']);
});

test('scaling rounds half up, to a step the currency has', () => {
  assert.equal(scale(1005, 1000, 10_000, 'usd'), 101);   // 100.5
  assert.equal(scale(1004, 1000, 10_000, 'usd'), 100);
  assert.equal(scale(278_000, 1000, 10_000, 'isk'), 27_800);
  assert.equal(scale(100_500, 1000, 10_000, 'isk') % 100, 0);
  assert.equal(scale(6140, 1000, 10_000, 'kwd') % 10, 0);
  assert.equal(scale(9_007_199_254_740_991, 1, 1, 'usd'), 9_007_199_254_740_991);
  for (const bad of [-1, 1.5, NaN, 2 ** 53]) assert.throws(() => scale(bad, 1, 1, 'usd'), RangeError);
});

test('the demo\'s price lists hold whole steps in every currency', () => {
  assert.equal(convertFromUsd(2000, '151', 'jpy'), 3020);
  assert.equal(convertFromUsd(2000, '139', 'isk'), 278_000);
  assert.equal(convertFromUsd(2000, '0.307', 'kwd'), 6140);
  assert.equal(convertFromUsd(2000, '1', 'usd'), 2000);
  for (let cents = 1; cents < 3000; cents += 7) {
    for (const [rate, currency] of [['139', 'isk'], ['0.307', 'kwd'], ['3700', 'ugx']]) assert.equal(convertFromUsd(cents, rate, currency) % step(currency), 0);
  }
});
