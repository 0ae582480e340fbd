// What a hostile reading of the code found, each with the check that would have found it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { beginConnect, chatBody, comeBack, connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w;
const shops = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
});

after(async () => {
  for (const shop of shops) await shop.close();
  await w?.close();
  await stripe?.close();
});

async function connectedShop(path) {
  const shop = await registerShop(w, { path });
  shops.push(shop);
  return Object.assign(shop, await connectShop(w, stripe, shop));
}

const order = (shop, id) => chatBody(shop, { cart: { order_id: id } });
let attempts = 0;
const create = (shop, body = chatBody(shop)) => w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: `aftermath-${attempts += 1}`, body });
const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];

test('an order whose session lies on a lost account can be sold again once that session is past its time', async () => {
  const shop = await connectedShop('/lost');
  const { body: first } = await create(shop, order(shop, '7'));
  const accountId = typeof shop.account === 'string' ? shop.account : shop.account.id;
  await stripe.deauthorize(accountId, { livemode: false });
  await stripe.webhooks.drained();
  await connectShop(w, stripe, shop);
  const early = await create(shop, order(shop, '7'));
  assert.deepEqual([early.status, early.body.error.code], [409, 'order_in_flight'], 'it can still be paid over there');
  await w.d1('UPDATE transactions SET expires_at = ? WHERE id = ?', Math.floor(Date.now() / 1000) - 600, first.transaction);
  const late = await create(shop, order(shop, '7'));
  assert.equal(late.status, 201);
  assert.equal((await row(first.transaction)).status, 'expired');
});

test('the sweep never stops asking about an open session that may still be paid', async () => {
  const shop = await connectedShop('/outage');
  const { body } = await create(shop);
  stripe.misbehave({ on: /^GET \/v1\/checkout\/sessions\//, how: '500', times: 100 });
  for (let run = 0; run < 25; run += 1) {
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', body.transaction);
    await w.scheduled('* * * * *');
  }
  stripe.clearMisbehaviour();
  const left = await row(body.transaction);
  assert.equal(left.status, 'open');
  assert.notEqual(left.check_at, null);
  assert.equal(left.checks, 0, 'an outage does not count as having asked');
});

test('a buyer who came back is asked for first, however much is due', async () => {
  const busy = await connectedShop('/busy');
  const { body: many } = await create(busy);
  const columns = (await w.d1("SELECT name FROM pragma_table_info('transactions')")).map(({ name }) => name);
  const copied = columns.map((name) => ({ id: "'cct_copy' || j.value", checkout_session: "'cs_test_copy' || j.value", check_at: '2' })[name] ?? `t.${name}`);
  await w.d1(`INSERT INTO transactions (${columns.join()}) SELECT ${copied.join()} FROM transactions t, json_each(?) j WHERE t.id = ?`,
    JSON.stringify(Array.from({ length: 200 }, (_, n) => n)), many.transaction);
  const shop = await connectedShop('/quiet');
  const { body } = await create(shop);
  await stripe.pay(body.id, { card: '4242424242424242', email: 'b@example.com', name: 'B' });
  await stripe.webhooks.drained();
  await w.d1("UPDATE transactions SET status = 'open', payment_intent = NULL, check_at = 0 WHERE id = ?", body.transaction);
  await w.scheduled('* * * * *');
  assert.equal((await row(body.transaction)).status, 'paid');
  const asked = await w.d1("SELECT count(*) AS n FROM transactions WHERE id LIKE 'cct_copy%' AND check_at <> 2");
  assert.ok(asked[0].n > 0 && asked[0].n < 200, 'a run is bounded, and what is left of it goes to who has more');
});

test("the goods' subtotal is the same before and after the payment", async () => {
  const shop = await connectedShop('/subtotal');
  const body = chatBody(shop, { cart: { shipping: [{ label: 'Post', amount: 500 }], total: 2500 } });
  const { body: session, status } = await create(shop, body);
  assert.equal(status, 201);
  const before = await row(session.transaction);
  await stripe.pay(session.id, { card: '4242424242424242', email: 'b@example.com', name: 'B' });
  await stripe.webhooks.drained();
  const paid = await row(session.transaction);
  assert.equal(paid.status, 'paid');
  assert.deepEqual([paid.amount_subtotal, paid.amount_shipping, paid.amount], [before.amount_subtotal, 500, 2500]);
});

test('the same claim confirmed twice at the same moment is confirmed, and its account is kept', async () => {
  const shop = await registerShop(w, { path: '/twice' });
  shops.push(shop);
  const account = await stripe.createAccount({ livemode: false, name: 'Twice', email: 't@example.com', country: 'US' });
  const begun = await beginConnect(w, shop);
  const back = await comeBack(w, stripe, begun, { account: account.id ?? account });
  const confirm = () => w.api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim: back.claim, verifier: begun.verifier } });
  const answers = await Promise.all([confirm(), confirm(), confirm()]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.deepEqual(await w.d1('SELECT account FROM deauthorizations'), []);
});

test('a row that never got a session is canceled only once nobody is making one', async () => {
  const shop = await connectedShop('/abandoned');
  const { body } = await create(shop);
  const now = Math.floor(Date.now() / 1000);
  const leave = (attemptUntil) => w.d1(
    'UPDATE transactions SET checkout_session = NULL, expires_at = ?, attempt_until = ?, check_at = 1 WHERE id = ?', now - 600, attemptUntil, body.transaction);
  await leave(now + 60);
  await w.scheduled('* * * * *');
  assert.equal((await row(body.transaction)).status, 'open', 'a request is still at it');
  await leave(0);
  await w.scheduled('* * * * *');
  assert.equal((await row(body.transaction)).status, 'canceled');
});

test('a first try that never arrived and is too old now is written anew under the same key', async () => {
  const shop = await connectedShop('/stale');
  const body = { ...chatBody(shop), expires_in: 1800 };
  const send = () => w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'stale', body });
  stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'drop_before', times: 9 });
  assert.equal((await send()).status, 503);
  stripe.clearMisbehaviour();
  await w.d1("UPDATE transactions SET stripe_form = replace(stripe_form, 'expires_at=' || expires_at, 'expires_at=' || (expires_at - 1200)) WHERE shop_id = ?", shop.id);
  const refused = await send();
  assert.deepEqual([refused.status, refused.body.error.code], [503, 'stripe_unavailable'], 'not kept as the answer of this key');
  assert.equal((await send()).status, 201);
});
