// Contract, *Conventions*, "Idempotency-Key": whatever gets lost, one attempt is one session and one transaction.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { agentBody, chatBody, connectShop, registerShop } from '../support/shop.mjs';
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
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => { await shop.close(); await w.close(); await stripe.close(); });

let key; // a fresh one for each test
let count = 0;
beforeEach(() => { key = `attempt-${count += 1}`; stripe.clearMisbehaviour(); });

const post = (body, { as = shop.key, idempotencyKey = key, headers } = {}) => api('POST', '/v1/checkout/sessions', { key: as, idempotencyKey, headers, body });
const attempt = () => w.d1('SELECT * FROM idempotency WHERE key = ?', key);
/** The requests that Stripe got for a transaction's row. */
const sent = (transaction) => stripe.requests.filter(({ route, params }) => route === ROUTE && params.metadata?.cc_transaction === transaction);
const madeFor = (transaction) => stripe.books().sessions.filter(({ metadata }) => metadata.cc_transaction === transaction);
const transactions = (orderId) => w.d1('SELECT id, status, checkout_session FROM transactions WHERE order_id = ? ORDER BY id', orderId);
const ordered = (orderId, more) => agentBody(shop, { order_id: orderId, ...more });

/** The very same answer once more, and it says that it is one. */
function isReplay(answer, first) {
  assert.equal(answer.status, first.status);
  assert.equal(answer.text, first.text);
  assert.equal(answer.headers.get('idempotent-replayed'), 'true');
}

describe('the header', () => {
  test('is required, and not empty', async () => {
    refused(await post(chatBody(shop), { idempotencyKey: null }), 400, 'idempotency_key_required');
    refused(await post(chatBody(shop), { idempotencyKey: null, headers: { 'idempotency-key': '' } }), 400, 'idempotency_key_required');
  });

  test('has 1 to 255 printable characters', async () => {
    for (const bad of ['x'.repeat(256), 'caf\u00e9', 'tab\there']) {
      refused(await post(chatBody(shop), { idempotencyKey: null, headers: { 'idempotency-key': bad } }), 400, 'idempotency_key_invalid');
    }
    fine(await post(chatBody(shop), { idempotencyKey: `${'x'.repeat(240)} ~!"#$${count}` }), 201);
  });

  test('is ignored elsewhere', async () => {
    for (const name of ['One', 'Two']) assert.equal(fine(await api('PATCH', '/v1/shop', { key: shop.key, idempotencyKey: key, body: { name } })).name, name);
  });
});

describe('the same key and the same body', () => {
  test('the first answer again, byte for byte, without asking Stripe', async () => {
    const first = await post(chatBody(shop));
    const { transaction } = fine(first, 201);
    assert.equal(first.headers.get('idempotent-replayed'), null);
    const again = await post(chatBody(shop));
    isReplay(again, first);
    assert.equal(sent(transaction).length, 1);
    const { d1, stripe: calls } = await w.lineOf(again);
    assert.deepEqual({ d1, calls }, { d1: 1, calls: 0 });
  });

  test('members in another order are the same body', async () => {
    const body = chatBody(shop);
    const turned = (value) => (Array.isArray(value) ? value.map(turned) : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).reverse().map(([k, v]) => [k, turned(v)])) : value);
    const first = await post(body);
    assert.notEqual(JSON.stringify(turned(body)), JSON.stringify(body));
    isReplay(await post(JSON.stringify(turned(body), null, 2)), first);
  });

  test('a rolled shop key changes nothing', async () => {
    const first = await post(chatBody(shop));
    const { api_key: rolled } = fine(await api('POST', '/v1/shop/api_keys', { key: shop.key }), 201);
    isReplay(await post(chatBody(shop), { as: rolled }), first);
  });

  test('is kept for a day and more, and not for ever', async () => {
    const first = await post(chatBody(shop));
    await w.d1('UPDATE idempotency SET created = created - 90000 WHERE key = ?', key);
    await w.scheduled();
    isReplay(await post(chatBody(shop)), first);
    await w.d1('UPDATE idempotency SET created = created - 90000 WHERE key = ?', key);
    const later = await post(chatBody(shop));
    assert.notEqual(fine(later, 201).id, first.body.id);
    isReplay(await post(chatBody(shop)), later);
  });

  test('another shop\'s key of the same name is another key', async (t) => {
    const other = await registerShop(w);
    t.after(() => other.close());
    await connectShop(w, stripe, other);
    const first = fine(await post(chatBody(shop)), 201);
    const second = fine(await post(chatBody(other), { as: other.key }), 201);
    assert.notEqual(first.id, second.id);
  });
});

describe('the same key and another body', () => {
  test('422 idempotency_conflict; the first answer stays', async () => {
    const first = await post(chatBody(shop));
    refused(await post(chatBody(shop, { amount: 2001 })), 422, 'idempotency_conflict');
    refused(await post({ ...chatBody(shop), locale: null }), 422, 'idempotency_conflict');
    isReplay(await post(chatBody(shop)), first);
  });

  test('while the first one runs, too', async () => {
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const running = post(chatBody(shop));
    await stripe.holding();
    refused(await post(chatBody(shop, { amount: 999 })), 422, 'idempotency_conflict');
    stripe.release();
    fine(await running, 201);
  });
});

describe('while the first one runs', () => {
  test('409 idempotency_in_flight with Retry-After, then the first answer', async () => {
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const running = post(chatBody(shop));
    await stripe.holding();
    const second = await post(chatBody(shop));
    refused(second, 409, 'idempotency_in_flight');
    assert.ok(Number(second.headers.get('retry-after')) >= 1);
    stripe.release();
    const first = await running;
    fine(first, 201);
    isReplay(await post(chatBody(shop)), first);
    assert.equal(sent(first.body.transaction).length, 1);
  });

  test('ten at once: one session, one transaction', async () => {
    const body = ordered(`o-${key}`);
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(body)));
    const made = answers.filter(({ status }) => status === 201);
    assert.ok(made.length >= 1);
    assert.equal(new Set(made.map(({ text }) => text)).size, 1);
    for (const answer of answers.filter((one) => !made.includes(one))) {
      assert.ok(['idempotency_in_flight', 'order_in_flight'].includes(answer.body.error.code), answer.text);
      assert.equal(answer.status, 409);
    }
    assert.equal((await transactions(`o-${key}`)).length, 1);
    assert.equal(madeFor(made[0].body.transaction).length, 1);
  });

  test('a lock that a crash left is free after 60 s at most', async () => {
    const body = ordered(`o-${key}`);
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(body), 503, 'stripe_unavailable');
    // As it would be if the Worker had died before it could let go.
    const now = Math.floor(Date.now() / 1000);
    await w.d1('UPDATE idempotency SET locked_until = ? WHERE key = ?', now + 59, key);
    await w.d1('UPDATE transactions SET attempt_until = ? WHERE order_id = ?', now + 59, `o-${key}`);
    refused(await post(body), 409, 'idempotency_in_flight');
    await w.d1('UPDATE idempotency SET locked_until = ? WHERE key = ?', now, key);
    await w.d1('UPDATE transactions SET attempt_until = ? WHERE order_id = ?', now, `o-${key}`);
    const { transaction } = fine(await post(body), 201);
    assert.equal(madeFor(transaction).length, 1);
  });

  test('the lock that is taken is 60 s long', async () => {
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const running = post(chatBody(shop));
    await stripe.holding();
    const [row] = await attempt();
    assert.ok(row.locked_until - row.created <= 60);
    stripe.release();
    await running;
  });
});

describe('an answer of Stripe\'s that is lost', () => {
  // Once the work is done, Stripe has the answer and gives it to whoever asks again: only one can be lost.
  for (const [how, times] of [['drop_after', 1], ['drop_before', 2], ['500', 2], ['429', 2]]) {
    test(`${how}: 503, and the same key makes exactly one session`, async () => {
      const body = ordered(`o-${key}`);
      stripe.misbehave({ on: ROUTE, how, times });
      for (let i = 0; i < times; i += 1) {
        const lost = await post(body);
        const error = refused(lost, 503, 'stripe_unavailable');
        assert.match(error.message, /same/);
        assert.ok(Number(lost.headers.get('retry-after')) >= 1);
      }
      const made = await post(body);
      const { id, transaction } = fine(made, 201);
      assert.deepEqual(await transactions(`o-${key}`), [{ id: transaction, status: 'open', checkout_session: id }]);
      assert.deepEqual(madeFor(transaction).map((session) => session.id), [id]);
      const requests = sent(transaction);
      assert.equal(requests.length, times + 1);
      assert.deepEqual(new Set(requests.map(({ headers }) => headers['idempotency-key'])), new Set([`${transaction}-1`]), 'one key of ours at Stripe');
      assert.ok(requests.every(({ params }) => JSON.stringify(params) === JSON.stringify(requests[0].params)), 'and one form');
      isReplay(await post(body), made);
    });
  }

  test('a 500 that Stripe replays for ever: the next key, and one transaction', async () => {
    const body = ordered(`o-${key}`);
    stripe.misbehave({ on: ROUTE, how: '500_after' });
    refused(await post(body), 503, 'stripe_unavailable');
    const made = await post(body);
    const { id, transaction } = fine(made, 201);
    assert.deepEqual(await transactions(`o-${key}`), [{ id: transaction, status: 'open', checkout_session: id }]);
    const requests = sent(transaction);
    assert.deepEqual(requests.map(({ headers, status, replayed }) => [headers['idempotency-key'], status, replayed]), [
      [`${transaction}-1`, 500, false], [`${transaction}-1`, 500, true], [`${transaction}-2`, 200, false],
    ]);
    isReplay(await post(body), made);
  });

  test('whoever tries again with another key gets another transaction, and the first can never be paid', async () => {
    const order = `o-${key}`;
    stripe.misbehave({ on: ROUTE, how: 'drop_after' });
    refused(await post(ordered(order)), 503, 'stripe_unavailable');
    const [lost] = await transactions(order);
    const second = fine(await post(ordered(order), { idempotencyKey: `${key}-b` }), 201);
    const rows = await transactions(order);
    assert.deepEqual(rows.map(({ id, status }) => [id, status]), [[lost.id, 'canceled'], [second.transaction, 'open']]);
    // The late one comes back with its own key: the order still has one session that can be paid.
    const third = fine(await post(ordered(order)), 201);
    const open = (await transactions(order)).filter(({ status }) => status === 'open');
    assert.deepEqual(open.map(({ id }) => id), [third.transaction]);
    assert.equal(madeFor(second.transaction)[0].status, 'expired');
  });

  test('the account was replaced in between: a new transaction on the new account', async (t) => {
    const moving = await registerShop(w);
    t.after(() => moving.close());
    await connectShop(w, stripe, moving);
    const body = agentBody(moving, { order_id: `o-${key}` });
    stripe.misbehave({ on: ROUTE, how: 'drop_before' });
    refused(await post(body, { as: moving.key }), 503, 'stripe_unavailable');
    const next = await connectShop(w, stripe, moving, { replace: true });
    const { id, transaction } = fine(await post(body, { as: moving.key }), 201);
    assert.equal(stripe.books().sessions.find((session) => session.id === id).account, next.account);
    const rows = await transactions(`o-${key}`);
    assert.deepEqual(rows.map(({ id: row, status }) => [row === transaction, status]), [[false, 'canceled'], [true, 'open']]);
  });
});

describe('what is kept and what is decided afresh', () => {
  test('what Stripe refused is kept', async () => {
    const body = chatBody(shop, { locale: 'xx' });
    const first = await post(body);
    const error = refused(first, 422, 'stripe_refused', 'locale');
    assert.ok(error.stripe_type);
    const before = stripe.requests.length;
    isReplay(await post(body), first);
    assert.equal(stripe.requests.length, before);
    assert.deepEqual(await w.d1("SELECT id FROM transactions WHERE status = 'open' AND checkout_session IS NULL"), [], 'no row is left of it');
  });

  test('a bad body is not', async () => {
    refused(await post({ ...chatBody(shop), source: 'radio' }), 422, 'parameter_invalid', 'source');
    refused(await post('{'), 400, 'json_invalid');
    fine(await post(chatBody(shop)), 201);
  });

  test('"not connected" is not', async (t) => {
    const late = await registerShop(w);
    t.after(() => late.close());
    refused(await post(chatBody(late, { mode: 'test' }), { as: late.key }), 409, 'not_connected');
    await connectShop(w, stripe, late);
    fine(await post(chatBody(late, { mode: 'test' }), { as: late.key }), 201);
  });

  test('"checkout disabled" is not', async () => {
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: false } }));
    refused(await post(chatBody(shop)), 403, 'checkout_disabled');
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: true } }));
    const made = fine(await post(chatBody(shop)), 201);
    assert.equal(stripe.books().sessions.find(({ id }) => id === made.id).account, account);
  });
});
