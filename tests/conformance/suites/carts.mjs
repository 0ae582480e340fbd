// Before a checkout: items and estimates, no payment, no status.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { DIALECTS, amountOf, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('carts');
const versions = since('2026-04-17');
const needs = ['carts'];
const RFC = 'RFC cart';

const lines = (cart) => DIALECTS['2026-04-17'].read(cart).lines;

function cartOf(answer, status = 200) {
  assert.equal(answer.status, status, shown(answer));
  for (const member of ['id', 'line_items', 'currency', 'totals'])
    assert.ok(answer.body?.[member] !== undefined, `a cart has ${member}: ${shown(answer)}`);
  return answer.body;
}
const item = async (t, quantity = 1, kind = 'shipped') => ({ id: await t.product(kind), quantity });
const made = async (t, more) => cartOf(await t.api.createCart({ line_items: [await item(t)], ...more }), 201);

requirement(
  'carts.create',
  { versions, needs, section: `${RFC} §4.2`, says: 'made with 201, with lines, currency and an estimate' },
  async (t) => {
    const cart = await made(t, { line_items: [await item(t, 2)], buyer: { email: t.buyer.email } });
    assert.deepEqual(
      lines(cart).map(({ quantity }) => quantity),
      [2],
    );
    assert.ok(amountOf(cart.totals, 'subtotal') > 0, JSON.stringify(cart));
    assert.equal(cart.buyer?.email, t.buyer.email);
    assert.equal(cart.currency, t.currency);
  },
);

requirement('carts.no_checkout', { versions, needs, section: `${RFC} §3.1`, says: 'no status, no payment, no options' }, async (t) => {
  const cart = await made(t);
  for (const member of ['status', 'capabilities', 'fulfillment_options', 'order']) assert.ok(!(member in cart), `a cart with ${member}`);
});

requirement('carts.get', { versions, needs, section: `${RFC} §4.3`, says: 'read as it was made' }, async (t) => {
  const cart = await made(t);
  assert.deepEqual(lines(cartOf(await t.api.getCart(cart.id))), lines(cart));
});

requirement('carts.replace', { versions, needs, section: `${RFC} §4.4`, says: 'PUT replaces the whole' }, async (t) => {
  const cart = await made(t);
  const second = await item(t, 3, 'second');
  const changed = cartOf(await t.api.replaceCart(cart.id, { line_items: [second] }));
  assert.equal(changed.id, cart.id);
  assert.deepEqual(
    lines(changed).map(({ product, quantity }) => [product, quantity]),
    [[second.id, 3]],
  );
  assert.deepEqual(lines(cartOf(await t.api.getCart(cart.id))), lines(changed));
});

requirement(
  'carts.cancel',
  { versions, needs, section: `${RFC} §4.5`, says: 'canceled with 200 and its last state; gone after that: 404 for everything' },
  async (t) => {
    const cart = await made(t);
    assert.deepEqual(lines(cartOf(await t.api.cancelCart(cart.id, {}))), lines(cart));
    for (const answer of [
      await t.api.getCart(cart.id),
      await t.api.replaceCart(cart.id, { line_items: [await item(t)] }),
      await t.api.cancelCart(cart.id),
    ]) {
      t.refused(answer, { status: 404 });
    }
  },
);

requirement('carts.unknown', { versions, needs, section: `${RFC} §4.3`, says: 'a cart that there is not: 404' }, async (t) => {
  t.refused(await t.api.getCart('cart_does_not_exist'), { status: 404 });
  t.refused(await t.api.replaceCart('cart_does_not_exist', { line_items: [await item(t)] }), { status: 404 });
});

requirement(
  'carts.foreign',
  { versions, level: 'ours', needs: [...needs, 'otherKey'], section: 'contract, ACP', says: "another agent's cart is 404 too" },
  async (t) => {
    const cart = await made(t);
    const other = t.api.as({ key: t.target.otherKey });
    t.refused(await other.getCart(cart.id), { status: 404 });
    t.refused(await other.cancelCart(cart.id), { status: 404 });
    cartOf(await t.api.getCart(cart.id));
  },
);

requirement('carts.auth', { versions, needs, section: `${RFC} §4.1`, says: 'a key is needed, and a version' }, async (t) => {
  const cart = await made(t);
  for (const key of [undefined, `${t.api.token}x`]) t.refused(await t.api.as({ key }).getCart(cart.id), { status: 401 });
  t.refused(await t.api.getCart(cart.id, { headers: { 'api-version': undefined } }), { status: 400 });
});

requirement(
  'carts.malformed',
  {
    versions,
    needs,
    section: `${RFC} §4.2; JSON Schema, CartCreateRequest`,
    says: 'no items, unknown items and strange quantities are refused: 400',
  },
  async (t) => {
    const id = await t.product('shipped');
    for (const list of [
      undefined,
      [],
      'all',
      [{ quantity: 1 }],
      [{ id: 'no-such-item' }],
      [{ id, quantity: 0 }],
      [{ id, quantity: -1 }],
      [{ id, quantity: 1.5 }],
      [{ id, quantity: '1' }],
    ]) {
      t.refused(await t.api.createCart({ line_items: list }), { status: 400, type: 'invalid_request' });
    }
    const cart = await made(t);
    t.refused(await t.api.replaceCart(cart.id, { line_items: [] }), { status: 400 });
    assert.deepEqual(lines(cartOf(await t.api.getCart(cart.id))), lines(cart));
  },
);

requirement(
  'carts.stock',
  {
    versions,
    needs: [...needs, 'product:out_of_stock'],
    section: `${RFC} §4.2, §4.4`,
    says: 'what is sold out stays in the cart with a message, or where all is, 422 `out_of_stock`',
  },
  async (t) => {
    const gone = await t.product('out_of_stock');
    const cart = await made(t, { line_items: [await item(t), { id: gone, quantity: 1 }] });
    assert.ok(
      lines(cart).some(({ product }) => product === gone),
      'it was dropped',
    );
    assert.ok(cart.messages?.length > 0, `without a word: ${JSON.stringify(cart)}`);
    const answer = await t.api.createCart({ line_items: [{ id: gone, quantity: 1 }] });
    if (answer.status >= 400) t.refused(answer, { status: 422, code: 'out_of_stock' });
    else assert.ok(cartOf(answer, 201).messages?.length > 0, shown(answer));
  },
);

requirement(
  'carts.idempotency',
  {
    versions,
    needs,
    section: `${RFC} §4.1; RFC checkout §6`,
    says: 'the rules of keys hold: required for POST, replayed, refused with another body',
  },
  async (t) => {
    const [key, body] = [t.fresh(), { line_items: [await item(t)] }];
    const first = await t.api.createCart(body, { key });
    const again = await t.api.createCart(body, { key });
    assert.deepEqual([again.status, again.body], [first.status, first.body]);
    t.refused(await t.api.createCart({ line_items: [await item(t, 2)] }, { key }), { status: 422, code: 'idempotency_conflict' });
    t.refused(await t.api.createCart(body, { key: null }), { status: 400, code: 'idempotency_key_required' });
    t.refused(await t.api.cancelCart(first.body.id, {}, { key: null }), { status: 400, code: 'idempotency_key_required' });
  },
);

requirement(
  'carts.same_price',
  { versions, level: 'ours', needs, section: `${RFC} §3.2`, says: 'a checkout of the same items has the same subtotal' },
  async (t) => {
    const cart = await made(t, { line_items: [await item(t, 2)] });
    const session = await t.open({ items: lines(cart).map(({ product, quantity }) => ({ id: product, quantity })) });
    assert.equal(session.totals.subtotal, amountOf(cart.totals, 'subtotal'));
  },
);

requirement(
  'carts.expiry',
  {
    versions,
    level: 'should',
    needs,
    section: `${RFC} §3.3, §4.4`,
    says: 'a cart says until when it is kept, and a change keeps it longer',
  },
  async (t) => {
    const cart = await made(t);
    assert.ok(Date.parse(cart.expires_at) > Date.now(), JSON.stringify(cart.expires_at));
    const changed = cartOf(await t.api.replaceCart(cart.id, { line_items: [await item(t, 2)] }));
    assert.ok(Date.parse(changed.expires_at) >= Date.parse(cart.expires_at));
  },
);
