// Once a minute the sweep finishes what a crash, a cut connection or a lost webhook left. Times are moved in the database.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { beginConnect, chatBody, comeBack, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const now = () => Math.floor(Date.now() / 1000);
const DAY = 24 * 3600;

const others = [];
let stripe, w, shop, account;

before(async () => {
  // No webhook ever arrives here: that is what the sweep is for.
  stripe = await startStripe({ retryPauses: [] });
  stripe.webhooks.pause();
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});

after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of [shop, ...others]) await one?.close();
});

/** A shop for one test. */
async function anotherShop(fields) {
  others.push(await registerShop(w, fields));
  return others.at(-1);
}

/** One run. -> its figures */
async function sweep() {
  w.clearLogs();
  await w.scheduled();
  return (await w.logLine((line) => line.event === 'sweep')).figures;
}

const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];
const due = (...ids) => Promise.all(ids.map((id) => w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', id)));
const count = async (table, where = '1', ...params) => (await w.d1(`SELECT count(*) AS n FROM ${table} WHERE ${where}`, ...params))[0].n;
const connectedAtStripe = (id) => stripe.books().connections.some((connection) => connection.account === id && connection.livemode === false);

/** A session that Stripe never answered: the row is there, the session is not. -> the row's id */
async function lostAttempt(key) {
  const before = new Set((await w.d1('SELECT id FROM transactions')).map(({ id }) => id));
  stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: '500', times: 9 });
  const made = await w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: key, body: chatBody(shop) });
  stripe.clearMisbehaviour();
  assert.equal(made.status, 503, made.text);
  return (await w.d1('SELECT id FROM transactions')).find(({ id }) => !before.has(id)).id;
}

describe('payments', () => {
  test('whose webhook was lost and whose buyer never came back are found', async () => {
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    assert.ok((await row(session.transaction)).check_at > now(), 'it is not due at once');
    assert.equal((await sweep()).asked, 0);
    await due(session.transaction);
    assert.equal((await sweep()).asked, 1);
    const { status, check_at, events } = await row(session.transaction);
    assert.deepEqual({ status, check_at, by: JSON.parse(events).at(-1).by }, { status: 'paid', check_at: null, by: 'sweep' });
  });

  test('that are still open are asked about again, later', async () => {
    const session = await createSession(w, shop);
    await due(session.transaction);
    await sweep();
    const { status, check_at, expires_at } = await row(session.transaction);
    assert.equal(status, 'open');
    assert.ok(check_at >= expires_at, 'next at its end');
    const asked = stripe.requests.length;
    await sweep();
    assert.equal(stripe.requests.length, asked, 'and not with every run');
  });

  test('that expired are recorded as expired', async () => {
    const session = await createSession(w, shop);
    await stripe.expire(session.id);
    await due(session.transaction);
    await sweep();
    assert.equal((await row(session.transaction)).status, 'expired');
  });

  test('with delayed methods: processing, then paid or failed', async () => {
    for (const [end, status] of [['succeed', 'paid'], ['fail', 'failed']]) {
      const session = await createSession(w, shop);
      await stripe.pay(session.id, { card: `bank_debit_${end}s` });
      await due(session.transaction);
      await sweep();
      const waiting = await row(session.transaction);
      assert.equal(waiting.status, 'processing');
      assert.ok(waiting.check_at > now() + 3600);
      await stripe.settle(session.id, end);
      await due(session.transaction);
      await sweep();
      assert.equal((await row(session.transaction)).status, status);
    }
  });

  test('that were authorized and captured are found', async () => {
    const session = await createSession(w, shop, chatBody(shop, { capture: 'manual' }));
    await stripe.pay(session.id);
    await due(session.transaction);
    await sweep();
    assert.equal((await row(session.transaction)).status, 'authorized');
    await stripe.capture(session.id);
    await due(session.transaction);
    await sweep();
    assert.equal((await row(session.transaction)).status, 'paid');
  });

  test('that are not what was created settle nothing: a stray, and no more questions', async () => {
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    stripe.patch(session.id, { amount_total: 100 });
    await due(session.transaction);
    await sweep();
    const { status, check_at } = await row(session.transaction);
    assert.deepEqual({ status, check_at }, { status: 'open', check_at: null });
    assert.deepEqual(await w.d1('SELECT reason FROM strays WHERE transaction_id = ?', session.transaction), [{ reason: 'amount' }]);
  });

  test('one that Stripe does not answer about keeps no other waiting, and comes again', async () => {
    const [silent, fine] = [await createSession(w, shop), await createSession(w, shop)];
    for (const { id } of [silent, fine]) await stripe.pay(id);
    await due(silent.transaction, fine.transaction);
    stripe.misbehave({ on: `GET /v1/checkout/sessions/${silent.id}`, how: '500', times: 9 });
    await sweep();
    stripe.clearMisbehaviour();
    assert.equal((await row(fine.transaction)).status, 'paid');
    const waiting = await row(silent.transaction);
    assert.equal(waiting.status, 'open');
    assert.ok(waiting.check_at > now() && waiting.check_at <= now() + 600);
    await due(silent.transaction);
    await sweep();
    assert.equal((await row(silent.transaction)).status, 'paid');
  });

  test('two runs side by side ask once', async () => {
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    await due(session.transaction);
    const asked = stripe.requests.length;
    await Promise.all([w.scheduled(), w.scheduled()]);
    assert.equal(stripe.requests.length, asked + 1);
    assert.equal(JSON.parse((await row(session.transaction)).events).filter(({ type }) => type === 'paid').length, 1);
  });

  test('that never got a session are canceled when their time is over, not before', async () => {
    const id = await lostAttempt('never');
    await due(id);
    await sweep();
    assert.equal((await row(id)).status, 'open', 'the shop may still send its key again');
    await w.d1('UPDATE transactions SET expires_at = 1, attempt_until = 0 WHERE id = ?', id);
    await due(id);
    await sweep();
    const { status, check_at, stripe_form } = await row(id);
    assert.deepEqual({ status, check_at, stripe_form }, { status: 'canceled', check_at: null, stripe_form: null });
  });
});

describe('the kill switch', () => {
  test('expires what was left open', async () => {
    const other = await anotherShop();
    await connectShop(w, stripe, other);
    const [one, two] = [await createSession(w, other), await createSession(w, other)];
    await stripe.pay(two.id);
    await w.d1('UPDATE shops SET checkout_enabled = 0 WHERE id = ?', other.id);
    await due(one.transaction, two.transaction);
    assert.equal((await sweep()).asked, 2);
    assert.equal((await row(one.transaction)).status, 'expired');
    assert.equal(stripe.books().sessions.find(({ id }) => id === one.id).status, 'expired');
    assert.equal((await row(two.transaction)).status, 'paid', 'money that was paid is recorded');
    const late = await w.api('POST', '/v1/checkout/sessions', { key: other.key, idempotencyKey: 'late', body: chatBody(other) });
    assert.deepEqual([late.status, late.body.error.code], [403, 'checkout_disabled']);
  });
});

describe('Connect', () => {
  test('a claim that nobody confirmed dies with its token, and the account is given back', async () => {
    const other = await anotherShop();
    const merchant = await stripe.createAccount({ name: 'M', country: 'US' });
    const begun = await beginConnect(w, other);
    const { claim } = await comeBack(w, stripe, begun, { account: merchant.id });
    assert.equal(await count('connect_claims', "shop_id = ? AND status = 'waiting' AND sealed_token IS NOT NULL", other.id), 1);
    await sweep();
    assert.ok(connectedAtStripe(merchant.id), 'not before its ten minutes are over');
    await w.d1('UPDATE connect_claims SET expires_at = ? WHERE shop_id = ?', now() - 1, other.id);
    await sweep();
    assert.equal(await count('connect_claims', "shop_id = ? AND status = 'dead' AND sealed_token IS NULL", other.id), 1);
    await sweep();
    assert.equal(connectedAtStripe(merchant.id), false);
    assert.equal(await count('deauthorizations'), 0);
    const late = await w.api('POST', '/v1/connect/confirm', { key: other.key, body: { claim, verifier: begun.verifier } });
    assert.deepEqual([late.status, late.body.error.code], [422, 'claim_dead']);
    await w.d1('UPDATE connect_claims SET expires_at = ? WHERE shop_id = ?', now() - DAY - 1, other.id);
    await sweep();
    assert.equal(await count('connect_claims', 'shop_id = ?', other.id), 0);
  });

  test('an account that another shop here uses is not given back', async () => {
    const other = await anotherShop();
    await comeBack(w, stripe, await beginConnect(w, other), { account });
    await w.d1('UPDATE connect_claims SET expires_at = 1 WHERE shop_id = ?', other.id);
    await sweep();
    await sweep();
    assert.ok(connectedAtStripe(account));
    assert.equal(await count('deauthorizations'), 0);
  });

  test('an account that Stripe did not take back is tried again, after a pause', async () => {
    const other = await anotherShop();
    const { account: theirs } = await connectShop(w, stripe, other);
    await w.d1("UPDATE connections SET status = 'gone' WHERE shop_id = ?", other.id);
    await w.d1("INSERT INTO deauthorizations (account, livemode, reason, due_at) VALUES (?, 0, 'test', 1)", theirs);
    stripe.misbehave({ on: 'POST /oauth/deauthorize', how: '500', times: 9 });
    await sweep();
    stripe.clearMisbehaviour();
    const [owed] = await w.d1('SELECT attempts, due_at FROM deauthorizations WHERE account = ?', theirs);
    assert.equal(owed.attempts, 1);
    assert.ok(owed.due_at > now());
    await w.d1('UPDATE deauthorizations SET due_at = 1');
    assert.equal((await sweep()).deauthorized, 1);
    assert.equal(connectedAtStripe(theirs), false);
  });

  test('tickets and states go when their time is over', async () => {
    const other = await anotherShop();
    await beginConnect(w, other);
    await sweep();
    const mine = 'hash IN (SELECT ticket FROM connect_states WHERE ticket IN (SELECT hash FROM connect_tickets WHERE shop_id = ?))';
    assert.equal(await count('connect_tickets', mine, other.id), 1);
    await w.d1('UPDATE connect_states SET expires_at = 1');
    await w.d1('UPDATE connect_tickets SET expires_at = 1');
    await sweep();
    assert.deepEqual([await count('connect_tickets'), await count('connect_states')], [0, 0]);
  });

  test('a token that KV did not take is moved there', async () => {
    const kv = await w.kv();
    const [{ hash, connection_id: id }] = await w.d1("SELECT hash, connection_id FROM connect_claims WHERE shop_id = ? AND status = 'confirmed'", shop.id);
    const sealed = await kv.get(`oauth/${id}`);
    assert.ok(sealed);
    await kv.delete(`oauth/${id}`);
    await w.d1('UPDATE connect_claims SET sealed_token = ? WHERE hash = ?', sealed, hash);
    assert.equal((await sweep()).tokens_moved, 1);
    assert.equal(await kv.get(`oauth/${id}`), sealed);
    assert.equal(await count('connect_claims', 'hash = ? AND sealed_token IS NULL', hash), 1);
    assert.equal((await sweep()).tokens_moved, 0);
  });
});

describe('what is kept for a while only', () => {
  test('a shop that is still pending after 24 h is erased with its key', async () => {
    const [old, young] = [await anotherShop({ verify: false }), await anotherShop({ verify: false })];
    await w.d1('UPDATE shops SET created = ? WHERE id = ?', now() - DAY - 1, old.id);
    await w.d1('UPDATE shops SET created = ? WHERE id = ?', now() - DAY + 60, young.id);
    await w.d1('UPDATE shops SET created = 1 WHERE id = ?', shop.id);
    await sweep();
    assert.equal((await w.api('GET', '/v1/shop', { key: old.key })).status, 401);
    assert.deepEqual([await count('shops', 'id = ?', old.id), await count('api_keys', 'shop_id = ?', old.id)], [0, 0]);
    assert.equal((await w.api('GET', '/v1/shop', { key: young.key })).status, 200);
    assert.equal((await w.api('GET', '/v1/shop', { key: shop.key })).status, 200, 'an active shop stays, however old');
  });

  test('keys and secrets that were rolled go after their 24 h', async () => {
    const other = await anotherShop();
    await w.api('POST', '/v1/shop/api_keys', { key: other.key });
    await w.api('POST', '/v1/shop/signing_secrets', { key: other.key });
    await sweep();
    assert.deepEqual([await count('api_keys', 'shop_id = ?', other.id), await count('shops', 'id = ? AND previous_signing_secret IS NOT NULL', other.id)], [2, 1]);
    await w.d1('UPDATE api_keys SET expires_at = ? WHERE shop_id = ? AND expires_at IS NOT NULL', now() - 1, other.id);
    await w.d1('UPDATE shops SET previous_signing_secret_expires_at = ? WHERE id = ?', now() - 1, other.id);
    await sweep();
    assert.deepEqual([await count('api_keys', 'shop_id = ?', other.id), await count('shops', 'id = ? AND previous_signing_secret IS NOT NULL', other.id)], [1, 0]);
  });

  test('answers to idempotency keys stay 24 h at least', async () => {
    await createSession(w, shop, chatBody(shop), 'kept');
    const age = (seconds) => w.d1("UPDATE idempotency SET created = ? WHERE key = 'kept'", now() - seconds);
    await age(DAY + 60);
    await sweep();
    assert.equal(await count('idempotency', "key = 'kept'"), 1);
    await age(3 * DAY);
    await sweep();
    assert.equal(await count('idempotency', "key = 'kept'"), 0);
  });

  test('event ids outlive all of Stripe’s attempts', async () => {
    const insert = (id, age) => w.d1("INSERT INTO stripe_events (id, type, livemode, created, received) VALUES (?, 'x', 0, 1, ?)", id, now() - age);
    await insert('evt_young', 31 * DAY);
    await insert('evt_old', 60 * DAY);
    await sweep();
    assert.deepEqual(await w.d1("SELECT id FROM stripe_events WHERE type = 'x'"), [{ id: 'evt_young' }]);
  });
});

describe('a run', () => {
  test('with nothing to do costs little and says so', async () => {
    await w.d1('UPDATE transactions SET check_at = NULL');
    w.clearLogs();
    await w.scheduled();
    const line = await w.logLine(({ event }) => event === 'sweep');
    assert.deepEqual(line.figures, { asked: 0, agent_orders: 0, notices: 0, notices_at_once: 0, erased: 0, deauthorized: 0, tokens_moved: 0, tokens_erased: 0, resealed: 0, catalogue_rows: 0, imports: 0, feeds: 0, rows_expired: 0 });
    assert.equal(line.stripe, 0);
    assert.ok(line.d1 <= 10, `${line.d1} round trips`);
  });

  test('in which one step fails does the others', async () => {
    await w.d1('ALTER TABLE deauthorizations RENAME TO away');
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    await due(session.transaction);
    const figures = await sweep();
    await w.d1('ALTER TABLE away RENAME TO deauthorizations');
    assert.equal(figures.asked, 1);
    assert.equal(figures.deauthorized.failed, 'internal');
    assert.equal((await row(session.transaction)).status, 'paid');
  });
});
