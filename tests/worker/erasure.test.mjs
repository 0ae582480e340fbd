// Contract, *Shops*: DELETE /v1/shop disconnects, erases keys, tokens and personal data, and keeps the bare ledger.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { beginConnect, chatBody, comeBack, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const BUYER = { email: 'ada.lovelace@example.com', name: 'Ada Lovelace', phone: '+15550001815', address: { line1: '12 Analytical Row', city: 'London', postal_code: 'W1', country: 'GB' } };
const PERSONAL = [BUYER.email, BUYER.name, BUYER.phone, BUYER.address.line1, 'wc_order_key', 'engraved for Ada', 'Gift card of Ada', 'note from Ada', 'cart_of_ada', '/thanks', 'Mugs by Ada'];
const others = [];
let stripe, w, api;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of others) await one?.close();
});

async function connected(fields, connecting) {
  const shop = await registerShop(w, { name: 'Mugs by Ada', ...fields });
  others.push(shop);
  return Object.assign(shop, await connectShop(w, stripe, shop, connecting));
}
const sale = (shop, more = {}) => createSession(w, shop, chatBody(shop, {
  customer: { email: BUYER.email }, metadata: { note: 'note from Ada' }, collect: { phone: true, billing: true },
  cart: { id: 'cart_of_ada', order_key: 'wc_order_key', items: [{ product_id: '1', name: 'Mug', description: 'engraved for Ada', quantity: 1, amount_total: 2100 }],
    discounts: [{ label: 'Gift card of Ada', amount: 100 }], total: 2000 }, ...more,
}));
const leave = (shop) => api('DELETE', '/v1/shop', { key: shop.key });
const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];
const connectedAtStripe = (id) => stripe.books().connections.some((one) => one.account === id && one.livemode === false);
const left = async (shop) => (await w.d1('SELECT count(*) AS n FROM erasures WHERE shop_id = ?', shop.id))[0].n;

/** Every value of every table that has something personal in it. */
async function personal() {
  const tables = await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'");
  const found = [];
  for (const { name } of tables) {
    const dump = JSON.stringify(await w.d1(`SELECT * FROM ${name}`));
    found.push(...PERSONAL.filter((text) => dump.includes(text)).map((text) => `${text} in ${name}`));
  }
  return found;
}

describe('a shop with everything', () => {
  let shop, paid, open, delayed, before;

  test('had personal data, a token and keys', async () => {
    shop = await connected();
    paid = await sale(shop);
    await stripe.pay(paid.id, BUYER);
    open = await sale(shop);
    delayed = await sale(shop);
    await stripe.pay(delayed.id, { card: 'bank_debit_succeeds', ...BUYER });
    await stripe.webhooks.drained();
    fine(await api('POST', '/v1/shop/api_keys', { key: shop.key }), 201);
    fine(await api('POST', '/v1/shop/signing_secrets', { key: shop.key }), 201);
    const begun = await beginConnect(w, shop, { replace: true });
    await comeBack(w, stripe, begun, { newAccount: true });
    assert.ok((await personal()).length > 8, 'or this test would see nothing');
    assert.equal((await (await w.kv()).list()).keys.length, 1);
    assert.equal((await row(delayed.transaction)).status, 'processing');
    before = await row(paid.transaction);
  });

  test('is told that it is gone', async () => {
    assert.deepEqual(fine(await leave(shop)), { object: 'shop', id: shop.id, deleted: true });
  });

  test('has no key, no secret, no token, no claim and no ticket any more', async () => {
    for (const [method, path] of [['GET', '/v1/shop'], ['DELETE', '/v1/shop'], ['GET', '/v1/transactions'], ['GET', '/v1/shop/export']]) {
      refused(await api(method, path, { key: shop.key }), 401, 'api_key_invalid');
    }
    for (const table of ['api_keys', 'connect_claims', 'connect_tickets', 'notices', 'idempotency']) {
      assert.deepEqual(await w.d1(`SELECT * FROM ${table} WHERE shop_id = ?`, shop.id), [], table);
    }
    assert.deepEqual(await w.d1('SELECT * FROM connect_states'), []);
    const [kept] = await w.d1('SELECT * FROM shops WHERE id = ?', shop.id);
    assert.deepEqual([kept.status, kept.site_url, kept.name, kept.signing_secret, kept.previous_signing_secret, kept.webhook_url], ['deleted', shop.site, shop.site, '', null, null]);
    assert.deepEqual((await (await w.kv()).list()).keys, []);
  });

  test('left nothing personal in any table', async () => assert.deepEqual(await personal(), []));

  test('left its books', async () => {
    const after = await row(paid.transaction);
    for (const column of ['id', 'shop_id', 'livemode', 'account', 'status', 'source', 'agent', 'currency', 'amount', 'amount_subtotal', 'amount_tax', 'amount_captured',
      'amount_refunded', 'application_fee_amount', 'order_id', 'checkout_session', 'payment_intent', 'events', 'refunds', 'created', 'paid_at']) {
      assert.equal(after[column], before[column], column);
    }
    assert.deepEqual(JSON.parse(after.line_items).map(({ amount_total: total, quantity }) => [total, quantity]), [[2100, 1]]);
  });

  test('has no page open at Stripe', async () => {
    assert.equal((await row(open.transaction)).status, 'expired');
    const again = await stripe.pay(open.id).catch((error) => error);
    assert.ok(!again.ok && !again.location, 'it cannot be paid');
  });

  test('a buyer who comes back is told, and led nowhere', async () => {
    for (const path of [`/checkout/complete/${paid.transaction}?session_id=${paid.id}`, `/checkout/cancel/${paid.transaction}`]) {
      const answer = await api('GET', path);
      assert.equal(answer.status, 200, path);
      assert.match(answer.headers.get('content-type'), /^text\/html/);
    }
  });

  test('a payment that was under way is still recorded, without the buyer; the account is given back after it', async () => {
    assert.ok(connectedAtStripe(shop.account), 'the platform can still hear of it');
    await w.scheduled();
    assert.equal((await row(delayed.transaction)).status, 'processing');
    await stripe.settle(delayed.id, 'succeed');
    await stripe.webhooks.drained();
    assert.equal((await row(delayed.transaction)).status, 'paid');
    assert.deepEqual(await personal(), []);
    assert.deepEqual(await w.d1('SELECT * FROM notices WHERE shop_id = ?', shop.id), []);
    await w.d1('UPDATE erasures SET due_at = 0');
    await w.scheduled();
    assert.equal(await left(shop), 0);
    assert.ok(!connectedAtStripe(shop.account));
    assert.deepEqual(await w.d1('SELECT * FROM deauthorizations'), []);
  });

  test('its site is free for a new registration, which inherits nothing', async () => {
    const born = fine(await api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url: `${shop.site}/challenge/wp-json/cognitive-cart/v1/challenge` } }), 201);
    shop.challenge = born.challenge;
    assert.equal(fine(await api('POST', '/v1/shop/verify', { key: born.api_key })).status, 'active');
    assert.deepEqual(fine(await api('GET', '/v1/transactions', { key: born.api_key })).data, []);
    assert.equal(fine(await api('GET', '/v1/connection?mode=test', { key: born.api_key })).connected, false);
  });
});

test('a payment that comes in at the last moment is recorded, without the buyer', async () => {
  const shop = await connected();
  const session = await sale(shop);
  stripe.webhooks.pause();
  const { location } = await stripe.pay(session.id, BUYER);
  fine(await leave(shop));
  const { status, paid_at: paidAt } = await row(session.transaction);
  assert.equal(status, 'paid', 'looked at when it could not be ended');
  assert.ok(paidAt);
  stripe.webhooks.resume();
  await stripe.webhooks.drained();
  assert.equal((await w.fetch(location)).status, 200);
  assert.deepEqual(await personal(), []);
  assert.ok(!connectedAtStripe(shop.account), 'nothing was under way any more');
});

test('an account that another shop uses stays connected', async () => {
  const one = await connected();
  const two = await connected({}, { account: one.account });
  fine(await leave(one));
  assert.equal(await left(one), 0);
  assert.ok(connectedAtStripe(one.account));
  await createSession(w, two);
  fine(await leave(two));
  assert.ok(!connectedAtStripe(one.account));
});

test('a shop that was never verified goes altogether', async () => {
  const shop = await registerShop(w, { verify: false });
  others.push(shop);
  fine(await leave(shop));
  assert.deepEqual(await w.d1('SELECT * FROM shops WHERE id = ?', shop.id), []);
  refused(await leave(shop), 401, 'api_key_invalid');
});

describe('what a request does not get done, the sweep does', () => {
  test('while Stripe is away: sessions first, the account last', async () => {
    const shop = await connected();
    const session = await sale(shop);
    stripe.misbehave({ on: 'POST /v1/checkout/sessions/{session}/expire', how: '500', times: 9 });
    stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how: '500', times: 9 });
    fine(await leave(shop));
    stripe.clearMisbehaviour();
    assert.equal((await row(session.transaction)).status, 'open');
    assert.ok(connectedAtStripe(shop.account));
    assert.ok((await personal()).every((text) => !text.includes('in transactions')), 'what is personal does not wait for Stripe');
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
    await w.d1('UPDATE erasures SET due_at = 0');
    await w.scheduled();
    assert.equal((await row(session.transaction)).status, 'expired');
    assert.ok(!connectedAtStripe(shop.account));
    assert.equal(await left(shop), 0);
  });

  test('after a crash between the steps: whatever was done already, it ends the same', async () => {
    const shop = await connected();
    const session = await sale(shop);
    await stripe.pay(session.id, BUYER);
    await stripe.webhooks.drained();
    // The request dies after its first batch: nothing but that is done.
    await w.d1('ALTER TABLE idempotency RENAME TO away');
    fine(await leave(shop));
    await w.d1('ALTER TABLE away RENAME TO idempotency');
    await w.logLine((line) => line.event === 'erasure_left_to_sweep' && line.shop === shop.id);
    assert.ok((await personal()).length > 0);
    assert.equal(await left(shop), 1);
    await w.scheduled();
    assert.deepEqual(await personal(), []);
    assert.equal(await left(shop), 0);
    assert.ok(!connectedAtStripe(shop.account));
  });

  test('a ledger of thousands, slice by slice', async () => {
    const shop = await connected();
    await w.d1(`INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, currency, amount_expected, total_rule, amount, amount_subtotal,
        capture, line_items, extras, discounts, metadata, customer, stripe_key, attempt_until, created)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)
      SELECT printf('cct_%026d', i), ?, 0, 'acct_1', 'direct', 'paid', 'site', 'usd', 1, 'exact', 1, 1, 'automatic', '[]', '{}', '[]', '{}', '{"email":"${BUYER.email}"}', 'k', 0, i FROM n`, shop.id);
    fine(await leave(shop));
    assert.equal(await left(shop), 1);
    for (let runs = 0; await left(shop); runs += 1) {
      assert.ok(runs < 4);
      await w.scheduled();
    }
    assert.deepEqual(await personal(), []);
    assert.equal((await w.d1('SELECT sum(amount) AS n FROM transactions WHERE shop_id = ?', shop.id))[0].n, 4500);
    await eventually(() => !connectedAtStripe(shop.account));
  });
});

test('a session that Stripe was making at that moment is not handed out, and the account given back after it', async () => {
  const shop = await connected();
  stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'hold_after' });
  const making = sale(shop).catch((error) => error);
  await stripe.holding();
  fine(await leave(shop));
  stripe.release();
  assert.match(String(await making), /connection_gone/);
  assert.deepEqual(await w.d1('SELECT id FROM transactions WHERE shop_id = ?', shop.id), []);
  await w.d1('UPDATE erasures SET due_at = 0');
  await w.scheduled();
  assert.deepEqual(await personal(), []);
  assert.ok(!connectedAtStripe(shop.account));
});
