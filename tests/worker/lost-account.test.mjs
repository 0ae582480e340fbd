// What a hostile review of the money found: an account that is lost or given back at the worst moment must neither lose a payment nor
// give one back twice, and one shop's pile of work must not keep another's waiting.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w;
const open = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '500' } });
});

after(async () => {
  for (const shop of open) await shop.close();
  await w?.close();
  await stripe?.close();
});

const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];
const now = () => Math.floor(Date.now() / 1000);
const madeAt = (id) => stripe.books().refunds.filter(({ metadata }) => metadata.cc_transaction === id);
const kinds = async (id) => (await w.d1('SELECT type FROM notices WHERE transaction_id = ? ORDER BY id', id)).map(({ type }) => type);
const givenBack = (account) => stripe.requests.filter(({ route, params }) => route === 'POST /oauth/deauthorize' && params.stripe_user_id === account).length;

async function connectedShop() {
  const shop = await registerShop(w);
  open.push(shop);
  return Object.assign(shop, await connectShop(w, stripe, shop));
}

/// Everything that Stripe tells meanwhile is lost.
async function unheard(work) {
  stripe.webhooks.pause();
  try {
    await work();
  } finally {
    stripe.webhooks.drop();
    stripe.webhooks.resume();
  }
}

async function paid(shop, body) {
  const session = await createSession(w, shop, body);
  await stripe.pay(session.id);
  await stripe.webhooks.drained();
  return session.transaction;
}

describe('a refund whose answer was lost, and then its account', () => {
  for (const way of ['the sweep looks', 'the shop asks again']) {
    test(`is given back once, though ${way} while the account is away`, async () => {
      const shop = await connectedShop();
      const transaction = await paid(shop);
      const post = () => w.api('POST', `/v1/transactions/${transaction}/refunds`, { key: shop.key, idempotencyKey: 'once', body: { amount: 700 } });
      await unheard(async () => {
        stripe.misbehave({ on: 'POST /v1/refunds', how: 'drop_after' });
        assert.equal((await post()).status, 503);
        await stripe.deauthorize(shop.account, { livemode: false });
      });
      if (way === 'the sweep looks') {
        const entries = JSON.parse((await row(transaction)).refunds).map((entry) => ({ ...entry, until: 1 }));
        await w.d1('UPDATE transactions SET refunds = ?, check_at = 1 WHERE id = ?', JSON.stringify(entries), transaction);
        await w.scheduled();
        assert.ok((await row(transaction)).check_at > now(), 'looked at again later');
      } else {
        const refused = await post();
        assert.deepEqual([refused.status, refused.body.error.code], [409, 'connection_gone']);
      }
      assert.deepEqual(JSON.parse((await row(transaction)).refunds).map(({ status, amount }) => [status, amount]), [['reserved', 700]]);
      await connectShop(w, stripe, shop, { account: shop.account, replace: true });
      assert.equal((await post()).status, 201);
      await stripe.webhooks.drained();
      assert.deepEqual(madeAt(transaction).map(({ amount }) => amount), [700]);
      assert.equal((await row(transaction)).amount_refunded, 700);
    });
  }

  test('is not made a second time when Stripe has forgotten its key', async () => {
    const shop = await connectedShop();
    const transaction = await paid(shop);
    const post = () => w.api('POST', `/v1/transactions/${transaction}/refunds`, { key: shop.key, idempotencyKey: 'aged', body: { amount: 700 } });
    await unheard(async () => {
      stripe.misbehave({ on: 'POST /v1/refunds', how: 'drop_after' });
      assert.equal((await post()).status, 503);
    });
    const entries = JSON.parse((await row(transaction)).refunds).map((entry) => ({ ...entry, created: entry.created - 21 * 3600 }));
    await w.d1('UPDATE transactions SET refunds = ? WHERE id = ?', JSON.stringify(entries), transaction);
    const before = stripe.requests.length;
    assert.equal((await post()).status, 201);
    assert.deepEqual(stripe.requests.slice(before).map(({ route }) => route).filter((route) => route.includes('refunds')), ['GET /v1/refunds']);
    assert.equal(madeAt(transaction).length, 1);
  });
});

test('a capture whose answer was lost, and then its account, is answered by the same key once the account is back', async () => {
  const shop = await connectedShop();
  const transaction = await paid(shop, chatBody(shop, { capture: 'manual' }));
  const post = () => w.api('POST', `/v1/transactions/${transaction}/capture`, { key: shop.key, idempotencyKey: 'taken', body: { amount: 1500 } });
  await unheard(async () => {
    stripe.misbehave({ on: /capture$/, how: 'drop_after' });
    assert.equal((await post()).status, 503);
    await stripe.deauthorize(shop.account, { livemode: false });
  });
  assert.equal((await post()).status, 409);
  await connectShop(w, stripe, shop, { account: shop.account, replace: true });
  const answer = await post();
  assert.deepEqual([answer.status, answer.body.status, answer.body.amount_captured], [200, 'paid', 1500]);
});

describe('a session that is being made while its account is given back', () => {
  for (const [how, leave] of [
    ['disconnected', async (shop) => assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).status, 200)],
    ['replaced', (shop) => connectShop(w, stripe, shop, { replace: true })],
    ['left by a deleted shop', async (shop) => assert.equal((await w.api('DELETE', '/v1/shop', { key: shop.key })).status, 200)],
  ]) {
    test(`is not handed out: ${how}`, async () => {
      const shop = await connectedShop();
      stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'hold_after' });
      const making = w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: how, body: chatBody(shop) });
      await stripe.holding();
      await leave(shop);
      stripe.release();
      const answer = await making;
      assert.deepEqual([answer.status, answer.body.error?.code, answer.text.includes('checkout.stripe')], [409, 'connection_gone', false]);
      assert.deepEqual(await w.d1('SELECT id FROM transactions WHERE shop_id = ?', shop.id), []);
    });
  }

  test('is handed out again after a disconnection that failed', async () => {
    const shop = await connectedShop();
    stripe.misbehave({ on: 'POST /oauth/deauthorize', how: 'drop_before', times: 3 });
    assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).status, 503);
    assert.ok((await createSession(w, shop)).url);
  });
});

describe('a payment under way at a bank', () => {
  for (const how of ['replaced', 'disconnected']) {
    test(`is heard of though the account is ${how}, which is given back only then`, async () => {
      const shop = await connectedShop();
      const session = await createSession(w, shop);
      await stripe.pay(session.id, { card: 'bank_debit_succeeds' });
      await stripe.webhooks.drained();
      assert.equal((await row(session.transaction)).status, 'processing');
      if (how === 'replaced') await connectShop(w, stripe, shop, { replace: true });
      else assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).status, 200);
      await w.scheduled();
      assert.equal(givenBack(shop.account), 0);
      await stripe.settle(session.id);
      await stripe.webhooks.drained();
      assert.equal((await row(session.transaction)).status, 'paid');
      await w.d1('UPDATE deauthorizations SET due_at = 1 WHERE account = ?', shop.account);
      await w.scheduled();
      assert.equal(givenBack(shop.account), 1);
    });
  }
});

test('a shop is not told that an order expired which nobody could look at, and hears of it when it turns out to be paid', async () => {
  const shop = await connectedShop();
  const order = () => chatBody(shop, { cart: { order_id: '77' } });
  const session = await createSession(w, shop, order());
  await unheard(async () => {
    await stripe.pay(session.id);
    await stripe.deauthorize(shop.account, { livemode: false });
  });
  await w.d1('UPDATE transactions SET expires_at = ? WHERE id = ?', now() - 400, session.transaction);
  const ended = await w.api('POST', `/v1/checkout/sessions/${session.id}/expire`, { key: shop.key, body: {} });
  assert.deepEqual([ended.status, ended.body.error.code], [409, 'connection_gone']);
  const other = await connectShop(w, stripe, shop, { replace: true });
  assert.notEqual(other.account, shop.account);
  const again = await createSession(w, shop, order());
  assert.ok(again.url);
  assert.equal((await row(session.transaction)).status, 'expired');
  assert.ok((await row(session.transaction)).check_at > now(), 'still asked about');
  assert.deepEqual(await kinds(session.transaction), []);
  await w.api('POST', `/v1/checkout/sessions/${again.id}/expire`, { key: shop.key, body: {} });
  await connectShop(w, stripe, shop, { account: shop.account, replace: true });
  await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
  await w.scheduled();
  assert.equal((await row(session.transaction)).status, 'paid');
  assert.deepEqual(await kinds(session.transaction), ['transaction.paid']);
});

describe('the sweep', () => {
  test('asks for every shop, though one has thousands of rows that are due', async () => {
    const [crowd, one] = [await connectedShop(), await connectedShop()];
    const [many, lone] = [await createSession(w, crowd), await createSession(w, one)];
    await w.d1(`INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, currency, amount_expected, total_rule,
        amount, amount_subtotal, capture, line_items, extras, discounts, metadata, stripe_key, attempt_until, created, check_at, checkout_session, expires_at)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5200)
      SELECT id || printf('%05d', i), shop_id, livemode, account, charge_type, status, source, currency, amount_expected, total_rule,
        amount, amount_subtotal, capture, line_items, extras, discounts, metadata, stripe_key, 0, created, 1000, 'cs_test_x' || i, expires_at
      FROM transactions, n WHERE id = ?`, many.transaction);
    await unheard(() => stripe.pay(lone.id));
    await w.d1('UPDATE transactions SET check_at = 2000 WHERE id = ?', lone.transaction);
    await w.scheduled();
    assert.equal((await row(lone.transaction)).status, 'paid');
    await w.d1("DELETE FROM transactions WHERE checkout_session LIKE 'cs_test_x%'");
  });

  test('does not put off what a capture or a refund has set while it asked', async () => {
    const shop = await connectedShop();
    const held = await paid(shop, chatBody(shop, { capture: 'manual' }));
    await w.d1('UPDATE transactions SET check_at = NULL');
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', held);
    stripe.misbehave({ on: /GET .*checkout\/sessions/, how: 'hold_after' });
    const asking = w.scheduled();
    await stripe.holding();
    await unheard(async () => {
      stripe.misbehave({ on: /capture$/, how: 'drop_after' });
      assert.equal((await w.api('POST', `/v1/transactions/${held}/capture`, { key: shop.key, idempotencyKey: 'c', body: {} })).status, 503);
    });
    stripe.release();
    await asking;
    assert.ok((await row(held)).check_at < now() + 150, 'looked after as soon as the capture said');

    const sold = await paid(shop);
    await w.d1('UPDATE transactions SET check_at = NULL');
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', sold);
    stripe.misbehave({ on: 'GET /v1/refunds', how: 'hold_after' });
    const looking = w.scheduled();
    await stripe.holding();
    await unheard(async () => {
      stripe.misbehave({ on: 'POST /v1/refunds', how: 'drop_after' });
      const body = { amount: 700 };
      assert.equal((await w.api('POST', `/v1/transactions/${sold}/refunds`, { key: shop.key, idempotencyKey: 'r', body })).status, 503);
    });
    stripe.release();
    await looking;
    const entries = JSON.parse((await row(sold)).refunds).map((entry) => ({ ...entry, until: 1 }));
    assert.ok((await row(sold)).check_at > 1, 'still due');
    await w.d1('UPDATE transactions SET refunds = ?, check_at = 1 WHERE id = ?', JSON.stringify(entries), sold);
    await w.scheduled();
    assert.equal((await row(sold)).amount_refunded, 700);
    assert.equal(madeAt(sold).length, 1);
  });
});

test('a dispute that comes back to an earlier status is news again', async () => {
  const shop = await connectedShop();
  const transaction = await paid(shop);
  await stripe.dispute((await row(transaction)).payment_intent);
  await stripe.webhooks.drained();
  const event = stripe.books().events.filter(({ type }) => type === 'charge.dispute.created').at(-1);
  const tell = (id, later, status) =>
    stripe.send(
      { ...event, id, type: 'charge.dispute.updated', created: event.created + later, data: { object: { ...event.data.object, status } } },
      { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect },
    );
  await tell('evt_aaaaaaaaaaaaaaaaaaaaaaa1', 10, 'under_review');
  await tell('evt_aaaaaaaaaaaaaaaaaaaaaaa2', 20, 'needs_response');
  assert.deepEqual((await kinds(transaction)).filter((kind) => kind === 'transaction.disputed').length, 3);
});
