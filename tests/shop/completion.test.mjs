import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { checkReturn, signature, signingKey } from '../../sandbox/shop/completion.mjs';
import { createOrders } from '../../sandbox/shop/orders.mjs';
import { openStore } from '../../sandbox/shop/store.mjs';

const NOW = 1_795_000_000;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OLDER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;

function setting() {
  const store = openStore();
  const orders = createOrders({ store, now: () => NOW });
  const priced = { currency: 'usd', lines: [], total: 2490 };
  const order = orders.create({ source: 'chat', priced, lines: [], livemode: false });
  order.sessions.push({ transaction: 'cct_1', session_id: 'cs_test_1' });
  return { store, orders, order };
}

const members = (more = {}) => ({ session_id: 'cs_test_1', transaction: 'cct_1', order_id: '1001', status: 'paid', amount_total: '2490', currency: 'usd', livemode: 'false', t: String(NOW), ...more });
const signed = (values, secret = SECRET) => new URLSearchParams({ ...values, signature: signature(values, secret) });
const check = (params, { orders }, secrets = [SECRET], now = NOW) => checkReturn(params, { secrets, findOrder: orders.find, now });

test('the signature is the contract\'s, byte for byte', () => {
  // Written out once more, so that a slip in the order of the members cannot pass by agreeing with itself.
  const right = createHmac('sha256', Buffer.alloc(32, 7)).update(`${NOW}.cct_1.cs_test_1.1001.paid.2490.usd.false`).digest('hex');
  assert.equal(signature(members(), SECRET), right);
});

test('a genuine return is accepted, in each of its four states', () => {
  for (const status of ['paid', 'authorized', 'processing', 'unpaid']) {
    const here = setting();
    const result = check(signed(members({ status })), here);
    assert.deepEqual([result.ok, result.status, result.order], [true, status, here.order]);
  }
});

test('every member that was changed after signing is noticed', () => {
  for (const [name, value] of Object.entries({ session_id: 'cs_test_2', transaction: 'cct_2', order_id: '1002', status: 'authorized', amount_total: '1', currency: 'eur', livemode: 'true', t: String(NOW - 1) })) {
    const params = signed(members());
    params.set(name, value);
    assert.equal(check(params, setting()).reason, 'forged', name);
  }
  const params = signed(members());
  for (const bad of ['', 'x', params.get('signature').toUpperCase(), params.get('signature').slice(1), `${params.get('signature')}0`]) {
    params.set('signature', bad);
    assert.equal(check(params, setting()).reason, 'forged');
  }
});

test('a genuine payment for something else does not settle this order', () => {
  for (const other of [{ amount_total: '100' }, { currency: 'jpy' }, { livemode: 'true' }, { transaction: 'cct_9' }, { session_id: 'cs_test_9' }]) {
    assert.equal(check(signed(members(other)), setting()).reason, 'other_order', JSON.stringify(other));
  }
  assert.equal(check(signed(members({ order_id: '9' })), setting()).reason, 'unknown_order');
  assert.equal(check(signed(members({ order_id: '__proto__' })), setting()).reason, 'unknown_order');
});

test('missing, doubled and unknown members', () => {
  for (const name of [...Object.keys(members()), 'signature']) {
    const without = signed(members());
    without.delete(name);
    assert.equal(check(without, setting()).reason, 'incomplete', `without ${name}`);
    const twice = signed(members());
    twice.append(name, twice.get(name));
    assert.equal(check(twice, setting()).reason, 'incomplete', `two ${name}`);
  }
  assert.equal(check(signed(members({ status: 'free' })), setting()).reason, 'incomplete');
});

test('ten minutes, and not a second more, in either direction', () => {
  assert.equal(check(signed(members()), setting(), [SECRET], NOW + 600).ok, true);
  assert.equal(check(signed(members()), setting(), [SECRET], NOW + 601).reason, 'stale');
  assert.equal(check(signed(members()), setting(), [SECRET], NOW - 601).reason, 'stale');
  assert.equal(check(signed(members({ t: `${NOW} ` })), setting()).reason, 'stale');
});

test('while the secret is rolled both are good, afterwards one', () => {
  assert.equal(check(signed(members(), OLDER), setting(), [SECRET, OLDER]).ok, true);
  assert.equal(check(signed(members(), OLDER), setting(), [SECRET]).reason, 'forged');
  assert.equal(check(signed(members()), setting(), []).reason, 'forged'); // not registered: nothing is right
});

test('an empty secret is no secret', () => assert.throws(() => signingKey('whsec_')));

test('an order is paid once and never goes back', () => {
  const { orders, order } = setting();
  assert.equal(orders.settle(order, 'processing', 'test'), true);
  assert.equal(orders.settle(order, 'paid', 'test'), true);
  for (const status of ['paid', 'processing', 'authorized', 'ended', 'pending', 'nonsense', 'constructor']) assert.equal(orders.settle(order, status, 'test'), false, status);
  assert.equal(order.status, 'paid');
  assert.equal(order.history.filter((entry) => entry.what.startsWith('Stock taken')).length, 1);
});

test('a late payment wins over an ended checkout', () => {
  const { orders, order } = setting();
  assert.equal(orders.settle(order, 'ended', 'test'), true);
  assert.equal(orders.settle(order, 'paid', 'test'), true);
});

test('a paid order empties the cart it came from, and no other', () => {
  const { store, orders } = setting();
  const visitor = store.session('v');
  visitor.cart.items = { mug: 1 };
  store.keepSession(visitor, NOW);
  const priced = { currency: 'usd', lines: [], total: 2490 };
  const older = orders.create({ visitor: 'v', cartId: 'cart_before', source: 'chat', priced, lines: [], livemode: false });
  orders.settle(older, 'paid', 'test');
  assert.deepEqual(store.session('v').cart.items, { mug: 1 });
  const mine = orders.create({ visitor: 'v', cartId: visitor.cart.id, source: 'chat', priced, lines: [], livemode: false });
  orders.settle(mine, 'paid', 'test');
  assert.deepEqual(store.session('v').cart.items, {});
});
