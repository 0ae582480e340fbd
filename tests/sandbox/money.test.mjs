import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MAXIMUM_CARD, MAXIMUM_OTHER, MINIMUM, THREE_DECIMAL, WHOLE_UNITS, ZERO_DECIMAL, decimals, isCurrency, lineTotal, parseDecimal, printDecimal, share, step, tax } from '../../sandbox/stripe/money.mjs';

const published = new URL('../../../shared/contracts/stripe/currencies.json', import.meta.url);

test('currencies agree with what Stripe publishes', { skip: !existsSync(published) && 'currencies.json is not here' }, () => {
  const list = JSON.parse(readFileSync(published, 'utf8'));
  assert.deepEqual([...ZERO_DECIMAL].sort(), list.zero_decimal.filter((code) => !WHOLE_UNITS.has(code)).sort());
  assert.deepEqual([...THREE_DECIMAL].sort(), list.three_decimal.sort());
  assert.deepEqual([...WHOLE_UNITS].sort(), list.whole_units_sent_with_two_decimals.sort());
  const minor = Object.entries(list.minimum_charge_major_units).map(([code, major]) => [code, Math.round(Number(major) * 10 ** decimals(code))]);
  assert.deepEqual(MINIMUM, Object.fromEntries(minor));
  assert.equal(MAXIMUM_CARD, list.maximum.card_minor_units);
  assert.equal(MAXIMUM_OTHER, list.maximum.other_methods_minor_units);
  for (const code of Object.keys(MINIMUM)) assert.ok(isCurrency(code), code);
});

test('a line is quantity × unit, rounded once, half up', () => {
  const total = (unit, quantity) => lineTotal(parseDecimal(unit), quantity);
  assert.equal(total('333.333333333333', 3), 1000);
  assert.equal(total('0.5', 1), 1);
  assert.equal(total('0.499999999999', 1), 0);
  assert.equal(total('142.857142857143', 7), 1000);
  // Beyond 2^53 in 10^-12 units: floating point would lose the last piece.
  assert.equal(total('999999.000001', 999999), 999998000002);
  assert.equal(parseDecimal('1.1234567890123'), null);
  assert.equal(parseDecimal('-1'), null);
  assert.equal(printDecimal(parseDecimal('10.50')), '10.5');
});

test('steps, toy tax and proportional shares', () => {
  assert.deepEqual(['usd', 'jpy', 'isk', 'ugx', 'kwd'].map(step), [1, 1, 100, 100, 10]);
  assert.equal(tax(1000, 'exclusive', 'usd'), 100);
  assert.equal(tax(1100, 'inclusive', 'usd'), 100);
  assert.equal(tax(1000, 'exclusive', 'isk'), 100);
  assert.equal(tax(1400, 'exclusive', 'isk'), 100);
  assert.equal(tax(1500, 'exclusive', 'isk'), 200);
  assert.equal(share(300, 1000, 9100), 32);
});
