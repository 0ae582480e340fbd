// Contract, *Shops*: GET /v1/shop/export.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { agentBody, chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api, shop, other, connection;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w, { name: 'Mugs' });
  other = await registerShop(w);
  connection = await connectShop(w, stripe, shop);
  await connectShop(w, stripe, other);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
  await other?.close();
});

const take = (key = shop.key) => api('GET', '/v1/shop/export', { key });

test('everything the shop owns, and nothing of another’s', async () => {
  const sold = await createSession(w, shop, chatBody(shop, { customer: { email: 'ada@example.com' }, metadata: { note: 'n' } }));
  await stripe.pay(sold.id, { email: 'ada@example.com', name: 'Ada' });
  const open = await createSession(w, shop, agentBody(shop));
  await createSession(w, other);
  await stripe.webhooks.drained();
  const { api_key: rolled } = fine(await api('POST', '/v1/shop/api_keys', { key: shop.key }), 201);
  const answer = await take(rolled);
  assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="shop-export.json"');
  const all = fine(answer);
  assert.equal(all.object, 'shop.export');
  assert.deepEqual(all.shop, fine(await api('GET', '/v1/shop', { key: rolled })));
  assert.deepEqual(all.connections.map(({ account, livemode, status }) => [account, livemode, status]), [[connection.account, false, 'active']]);
  assert.equal(all.api_keys.length, 2);
  assert.equal(all.api_keys.filter(({ expires_at: end }) => end === null).length, 1);
  for (const id of [sold.transaction, open.transaction]) {
    assert.deepEqual(all.transactions.find((one) => one.id === id), fine(await api('GET', `/v1/transactions/${id}`, { key: rolled })));
  }
  assert.equal(all.transactions.length, 2);
  assert.equal(all.transactions.find(({ id }) => id === sold.transaction).customer.email, 'ada@example.com');
  const paid = all.notices.find(({ type }) => type === 'transaction.paid');
  assert.equal(paid.data.object.id, sold.transaction);
  for (const secret of [shop.key, rolled, shop.secret, shop.secret.slice(6), shop.shop.challenge, other.id]) assert.ok(!answer.text.includes(secret), secret.slice(0, 8));
  assert.ok(!/"(hash|signing_secret|sealed_token|access_token)"/.test(answer.text));
});

test('a large ledger, slice by slice, each row once', async () => {
  await w.d1(`INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, currency, amount_expected, total_rule, amount, amount_subtotal,
      capture, line_items, extras, discounts, metadata, stripe_key, attempt_until, created)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
    SELECT printf('cct_%026d', i), ?, 0, 'acct_1', 'direct', 'paid', 'site', 'usd', 1, 'exact', 1, 1, 'automatic', '[]', '{"shipping":[],"fees":[],"taxes":[]}', '[]', '{}', 'k', 0, i FROM n`, other.id);
  await w.d1(`INSERT INTO notices (id, shop_id, type, once, object, created, status)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 401)
    SELECT printf('ccevt_%026d', i), ?, 'transaction.paid', 'once' || i, '{"object":"transaction"}', i, 'delivered' FROM n`, other.id);
  const all = fine(await take(other.key));
  // One of each was there before: a sale, and the notice that the connection is active.
  for (const [rows, count] of [[all.transactions, 1002], [all.notices, 402]]) {
    const ids = rows.map(({ id }) => id);
    assert.equal(new Set(ids).size, count);
    assert.deepEqual(ids, [...ids].sort().reverse());
  }
  const { d1 } = await w.logLine((line) => line.event === 'request' && line.route === 'exportShop' && line.shop === other.id);
  assert.ok(d1 <= 2, 'the rest is read while it is sent');
});

test('a shop that is not verified yet may take its things too; nobody else’s key opens it', async (t) => {
  const pending = await registerShop(w, { verify: false });
  t.after(() => pending.close());
  const all = fine(await take(pending.key));
  assert.deepEqual([all.transactions, all.notices, all.connections, all.shop.status], [[], [], [], 'pending']);
  refused(await api('GET', '/v1/shop/export'), 401, 'api_key_missing');
  refused(await take(w.vars.ADMIN_KEY), 401, 'api_key_invalid');
});

test('a download that breaks off does not parse', async () => {
  await w.d1("UPDATE transactions SET status = 'paid', amount = 1 WHERE id = (SELECT min(id) FROM transactions WHERE shop_id = ?)", other.id);
  await w.d1('ALTER TABLE notices RENAME TO away');
  const text = await w.fetch('/v1/shop/export', { headers: { authorization: `Bearer ${other.key}` } }).then((answer) => answer.text()).catch(() => '');
  await w.d1('ALTER TABLE away RENAME TO notices');
  assert.throws(() => JSON.parse(text));
  await w.logLine((line) => line.event === 'export_broke_off');
});
