// Guards for what should not happen: Stripe makes something else than was asked for, one row of many cannot be written, two
// things happen in the middle of each other, a download breaks off.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const CREATE = 'POST /v1/checkout/sessions';
const EXPIRE = 'POST /v1/checkout/sessions/{session}/expire';
const shops = [];
let stripe, w, api, shop;

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await connectedShop();
});

after(async () => {
  for (const one of shops) await one.close();
  await w?.close();
  await stripe?.close();
});

async function connectedShop() {
  const one = await registerShop(w);
  shops.push(one);
  return Object.assign(one, await connectShop(w, stripe, one));
}

let keys = 0;
const freshKey = () => `guard-${keys += 1}`;
const order = (id) => chatBody(shop, { cart: { order_id: id } });
const create = (body, idempotencyKey = freshKey(), key = shop.key) => api('POST', '/v1/checkout/sessions', { key, idempotencyKey, body });
const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];
const sessionsOf = (orderId) => stripe.books().sessions.filter(({ client_reference_id: id }) => id === orderId);
const statuses = (orderId) => sessionsOf(orderId).map(({ status }) => status).sort();
async function pay(session) {
  assert.equal((await stripe.pay(session.id, { card: '4242424242424242', email: 'b@example.com', name: 'B' })).ok, true);
  await stripe.webhooks.drained();
}

describe('Stripe makes another Session than was asked for', () => {
  for (const [what, fields] of [['with another total', { amount_total: 1999 }], ['in another currency', { currency: 'jpy' }], ['without an address', { url: null }]]) {
    test(`${what}: it is expired, and nobody gets an address`, async () => {
      const [id, key] = [`bent ${what}`, freshKey()];
      stripe.misbehave({ on: CREATE, how: 'bend', fields });
      const answer = await create(order(id), key);
      refused(answer, 500, 'internal');
      const [session] = sessionsOf(id);
      assert.equal(session.status, 'expired');
      assert.ok(!answer.text.includes(session.id) && !answer.text.includes(stripe.url), answer.text);
      assert.deepEqual(await w.d1("SELECT id FROM transactions WHERE order_id = ? AND status <> 'expired'", id), []);
      const again = fine(await create(order(id), key), 201);
      assert.deepEqual([again.amount_total, again.currency], [2000, 'usd'], 'the same key may try again');
      assert.deepEqual(statuses(id), ['expired', 'open']);
    });
  }

  test('and tells of its end before the Worker has forgotten it: the order can be sold again', async () => {
    stripe.misbehave({ on: CREATE, how: 'bend', fields: { url: null } });
    stripe.misbehave({ on: EXPIRE, how: 'hold_after' });
    const key = freshKey();
    const answer = create(order('bent, then told'), key);
    await stripe.holding();
    await stripe.webhooks.drained();
    stripe.release();
    refused(await answer, 500, 'internal');
    fine(await create(order('bent, then told'), key), 201);
    assert.deepEqual(statuses('bent, then told'), ['expired', 'open']);
  });

  test('and does not expire it: still nobody gets an address', async (t) => {
    stripe.misbehave({ on: CREATE, how: 'bend', fields: { amount_total: 1 } });
    stripe.misbehave({ on: EXPIRE, how: '500', times: 9 });
    t.after(() => stripe.clearMisbehaviour());
    const answer = await create(order('bent and open'));
    refused(answer, 500, 'internal');
    assert.ok(!answer.text.includes(sessionsOf('bent and open')[0].id), answer.text);
    assert.deepEqual(await w.d1("SELECT id FROM transactions WHERE order_id = 'bent and open'"), []);
  });
});

describe('the sweep', () => {
  /** A database that refuses one change of one row. */
  const refuse = (id, change) => w.d1(`CREATE TRIGGER guard BEFORE UPDATE ON transactions WHEN OLD.id = '${id}' AND ${change} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`);

  for (const [what, change] of [['cannot be moved', "NEW.status = 'paid'"], ['cannot be leased', 'NEW.check_at > 1']]) {
    test(`one row that ${what} keeps no other from being settled`, async (t) => {
      const sessions = [];
      for (let n = 0; n < 3; n += 1) sessions.push(await createSession(w, shop));
      stripe.webhooks.pause();
      t.after(() => { stripe.webhooks.drop(); stripe.webhooks.resume(); });
      for (const { id } of sessions) await stripe.pay(id, { card: '4242424242424242', email: 'b@example.com', name: 'B' });
      for (const { transaction } of sessions) await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', transaction);
      // The one in the middle: there are rows before and behind it, in whatever order they are taken.
      const [bad, good] = [sessions[1].transaction, [sessions[0].transaction, sessions[2].transaction]];
      await refuse(bad, change);
      w.clearLogs();
      await w.scheduled();
      await w.d1('DROP TRIGGER guard');
      assert.deepEqual(await Promise.all(good.map(async (id) => (await row(id)).status)), ['paid', 'paid']);
      assert.equal((await row(bad)).status, 'open');
      assert.equal((await w.logLine(({ event }) => event === 'check_failed')).transaction, bad);
      assert.equal((await w.logLine(({ event }) => event === 'sweep')).figures.asked, 2);
      assert.notEqual((await row(bad)).check_at, null, 'it is asked about again');
      await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', bad);
      await w.scheduled();
      assert.equal((await row(bad)).status, 'paid');
    });
  }
});

describe('an order that is paid in the same moment gets no second session that could be paid', () => {
  test('paid while its session is being expired', async () => {
    const first = fine(await create(order('m1')), 201);
    stripe.misbehave({ on: EXPIRE, how: 'hold_before' });
    const second = create(order('m1'));
    await stripe.holding();
    await pay(first);
    assert.equal((await row(first.transaction)).status, 'paid');
    stripe.release();
    refused(await second, 409, 'order_already_paid', 'order_id');
    assert.deepEqual(statuses('m1'), ['complete']);
  });

  test('paid, and no webhook came', async (t) => {
    const first = fine(await create(order('m2')), 201);
    stripe.misbehave({ on: EXPIRE, how: 'hold_before' });
    const second = create(order('m2'));
    await stripe.holding();
    stripe.webhooks.pause();
    t.after(() => { stripe.webhooks.drop(); stripe.webhooks.resume(); });
    await stripe.pay(first.id, { card: '4242424242424242', email: 'b@example.com', name: 'B' });
    stripe.release();
    refused(await second, 409, 'order_already_paid', 'order_id');
    assert.equal((await row(first.transaction)).status, 'paid', 'the look at Stripe recorded it');
    assert.deepEqual(statuses('m2'), ['complete']);
  });

  test('paid by another session, made while its first one was being expired', async () => {
    fine(await create(order('m3')), 201);
    stripe.misbehave({ on: EXPIRE, how: 'hold_after' });
    const key = freshKey();
    const late = create(order('m3'), key);
    await stripe.holding();
    const other = fine(await create(order('m3')), 201);
    await pay(other);
    stripe.release();
    // What it had read is old news by now; if it does not know why yet, its next try does.
    const answer = await late;
    refused(answer, 409, answer.body.error?.code === 'order_already_paid' ? 'order_already_paid' : 'order_in_flight', 'order_id');
    refused(await create(order('m3'), key), 409, 'order_already_paid', 'order_id');
    assert.deepEqual(statuses('m3'), ['complete', 'expired']);
  });

  test('not paid yet: the other session is the one that can be', async () => {
    fine(await create(order('m4')), 201);
    stripe.misbehave({ on: EXPIRE, how: 'hold_after' });
    const late = create(order('m4'));
    await stripe.holding();
    const other = fine(await create(order('m4')), 201);
    stripe.release();
    refused(await late, 409, 'order_in_flight', 'order_id');
    assert.deepEqual(sessionsOf('m4').filter(({ status }) => status === 'open').map(({ id }) => id), [other.id]);
  });

  test('a request that was given up gives out no address when Stripe answers after all', async () => {
    stripe.misbehave({ on: CREATE, how: 'hold_after' });
    const key = freshKey();
    const given = create(order('m5'), key);
    await stripe.holding();
    const [{ id: lost }] = sessionsOf('m5');
    // As if its minute were over.
    await w.d1("UPDATE transactions SET attempt_until = 1 WHERE order_id = 'm5'");
    await w.d1('UPDATE idempotency SET locked_until = 1 WHERE key = ?', key);
    const other = fine(await create(order('m5')), 201);
    assert.notEqual(other.id, lost);
    await pay(other);
    stripe.release();
    const answer = await given;
    refused(answer, 409, 'order_in_flight', 'order_id');
    assert.ok(!answer.text.includes(lost), answer.text);
    refused(await create(order('m5'), key), 409, 'order_already_paid', 'order_id');
    assert.deepEqual(await w.d1("SELECT status FROM transactions WHERE order_id = 'm5' ORDER BY id"), [{ status: 'canceled' }, { status: 'paid' }]);
  });
});

describe('the CSV export', () => {
  /** All bytes until the connection ends, and whether it ended as HTTP says that a whole answer ends. */
  const download = (key) => new Promise((resolve) => {
    const got = { status: 0, text: '', whole: false };
    const asked = request(new URL('/v1/transactions.csv', w.url), { headers: { authorization: `Bearer ${key}` } }, (response) => {
      got.status = response.statusCode;
      response.setEncoding('utf8');
      response.on('data', (chunk) => { got.text += chunk; });
      response.on('error', () => {});
      response.on('close', () => resolve({ ...got, whole: response.complete }));
    });
    asked.on('error', () => resolve(got));
    asked.end();
  });

  test('that breaks off half way does not end as if it were whole', async () => {
    const other = await connectedShop();
    const { transaction } = fine(await create(chatBody(other), freshKey(), other.key), 201);
    const columns = (await w.d1("SELECT name FROM pragma_table_info('transactions')")).map(({ name }) => name);
    const copied = columns.map((name) => ({ id: "'cct_0' || printf('%025d', j.value)", checkout_session: 'NULL' })[name] ?? `t.${name}`);
    await w.d1(`INSERT INTO transactions (${columns.join()}) SELECT ${copied.join()} FROM transactions t, json_each(?) j WHERE t.id = ?`,
      JSON.stringify(Array.from({ length: 5100 }, (_, n) => n)), transaction);
    const lines = ({ text }) => text.split('\r\n').length - 1;
    const fineOne = await download(other.key);
    assert.deepEqual([fineOne.status, lines(fineOne), fineOne.whole], [200, 5102, true]);

    // Newest first, 500 at a time: a row of the second slice that cannot be read.
    const unreadable = 'cct_0' + '400'.padStart(25, '0');
    await w.d1('UPDATE transactions SET amount_subtotal = 9223372036854775807 WHERE id = ?', unreadable);
    w.clearLogs();
    const broken = await download(other.key);
    assert.equal(broken.whole, false, 'a spreadsheet must not take it for all there is');
    assert.ok(lines(broken) > 500 && lines(broken) < 5000, `half way, not after ${lines(broken)} lines`);
    assert.equal((await w.logLine(({ event }) => event === 'export_broke_off')).level, 'error');

    // And when not even the first slice can be read.
    await w.d1('UPDATE transactions SET amount_subtotal = 9223372036854775807 WHERE id = ?', transaction);
    w.clearLogs();
    const nothing = await download(other.key);
    assert.equal(nothing.whole, false);
    await w.logLine(({ event }) => event === 'export_broke_off');
  });
});
