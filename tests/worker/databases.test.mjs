// Shops in several databases (src/place.rs, docs/scale.md): each request finds its shop's, what Stripe tells finds it too, what is said of
// an account is said of all; and a shop moves from one to another with all that it has.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { abort, clean, copy } from '../../scripts/lib/move.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, buyAs, FULFILLMENT, sellToAgents, speaker } from '../support/agent.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { approve, hookOf, orderData, sendHook } from '../support/hooks.mjs';
import { onboardShop } from '../support/onboarding.mjs';
import { sellingShop } from '../support/purchases.mjs';
import { agentBody, chatBody, connectShop, createSession, registerAnew, registerShop } from '../support/shop.mjs';
import { placeOf, startWorker } from '../support/worker.mjs';

const DATABASES = 'DB=0-15 DB_2=16-31';
const open = [];
let stripe, w, api;

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, databases: DATABASES });
  api = documented(w);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of open) await one.close();
});

const names = ['DB', 'DB_2'];
/** A shop whose site's hash leads to a database. */
async function shopIn(place, make = () => registerShop(w)) {
  for (;;) {
    let made;
    try {
      made = await make();
    } catch (error) {
      // Its site's hash leads to the slot that is being moved: another one.
      assert.match(error.message, /shop_moving/);
      continue;
    }
    const shop = made.shop?.id && made.account ? made.shop : made;
    open.push(shop);
    if (placeOf(DATABASES, shop.id) === place) return made;
  }
}
const rows = async (name, sql, ...params) => (await w.databases[name].prepare(sql).bind(...params).all()).results;
const looked = async (id, shop) => fine(await api('GET', `/v1/transactions/${id}`, { key: shop.key }));
const connection = async (shop) => fine(await api('GET', '/v1/connection?mode=test', { key: shop.key }));
const admin = (method, path, body) => api(method, path, { key: w.vars.ADMIN_KEY, body });
const query = (name) => (sql, params) => rows(name, sql, ...params);

for (const place of [0, 1]) {
  describe(`a shop in ${names[place]}`, () => {
    let shop, account;
    before(async () => {
      shop = await shopIn(place);
      ({ account } = await connectShop(w, stripe, shop));
    });

    test('sells, is told, gives back; and is in no other database', async () => {
      const chat = await createSession(w, shop, chatBody(shop));
      await stripe.pay(chat.id, {});
      await stripe.webhooks.drained();
      assert.equal((await looked(chat.transaction, shop)).status, 'paid');
      // Home by the transaction, and by the session alone.
      for (const path of [`/checkout/complete/${chat.transaction}?session_id=${chat.id}`, `/checkout/complete?session_id=${chat.id}`]) {
        const home = await w.fetch(path);
        assert.equal(home.status, 303, path);
        assert.ok(home.headers.get('location').startsWith(shop.origin));
      }
      await stripe.refund((await looked(chat.transaction, shop)).payment_intent, { amount: 500 });
      await stripe.dispute((await looked(chat.transaction, shop)).payment_intent);
      await stripe.webhooks.drained();
      const after = await looked(chat.transaction, shop);
      assert.deepEqual([after.amount_refunded, after.status], [500, 'disputed']);
      for (const table of ['shops WHERE id', 'transactions WHERE shop_id', 'notices WHERE shop_id', 'connections WHERE shop_id']) {
        assert.deepEqual(await rows(names[1 - place], `SELECT * FROM ${table} = ?`, shop.id), [], table);
        assert.notDeepEqual(await rows(names[place], `SELECT * FROM ${table} = ?`, shop.id), [], table);
      }
    });

    test('what no event told the sweep asks', async () => {
      const sold = await createSession(w, shop, agentBody(shop));
      stripe.webhooks.pause();
      await stripe.pay(sold.id, {});
      stripe.webhooks.drop();
      stripe.webhooks.resume();
      await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', sold.transaction);
      await w.scheduled();
      assert.equal((await looked(sold.transaction, shop)).status, 'paid');
    });

    test('its agents, orders and pages', async () => {
      await sellToAgents(w, shop.key);
      const before = fine(await api('GET', '/v1/catalogue/products/mug', { key: shop.key })).inventory_quantity;
      const agent = await addAgent(w, shop, { name: 'Buyer' });
      const bought = await buyAs(stripe, account, speaker(w, agent.api_key).call, { items: [{ id: 'mug', quantity: 2 }] });
      assert.ok(bought);
      const [order] = fine(await api('GET', '/v1/orders', { key: shop.key })).data;
      assert.equal((await w.fetch(new URL(order.permalink_url).pathname)).status, 200);
      assert.equal(fine(await api('GET', '/v1/catalogue/products/mug', { key: shop.key })).inventory_quantity, before - 2);
    });

    test('registered anew it stays there; suspended and resumed by the operator', async () => {
      const old = await shopIn(place);
      const again = await registerAnew(w, old);
      assert.equal(placeOf(DATABASES, again.id), place);
      assert.equal(fine(await admin('POST', `/v1/admin/shops/${again.id}/suspend`, {})).status, 'suspended');
      refused(await api('GET', '/v1/connection', { key: again.key }), 403, 'shop_suspended');
      fine(await admin('POST', `/v1/admin/shops/${again.id}/resume`, {}));
    });

    test('onboarded, and its settings page', async () => {
      const own = await shopIn(place);
      await onboardShop(w, stripe, own);
      assert.equal((await connection(own)).connected, true);
      const { url } = fine(await api('POST', '/v1/agentic/settings_link', { key: own.key, body: {} }), 201);
      assert.equal((await w.fetch(new URL(url).pathname)).status, 200);
    });

    test('agents at Stripe: the hook, the order and the stock are its own', async () => {
      const made = await shopIn(place, () => sellingShop(w, stripe));
      assert.ok((await approve(w, made.account, orderData())).approved);
      assert.deepEqual((await rows(names[place], 'SELECT shop_id FROM agentic_hooks WHERE shop_id = ?', made.shop.id)).length, 1);
      const bought = await made.buy();
      const [order] = fine(await api('GET', '/v1/orders', { key: made.shop.key })).data;
      assert.equal(order.checkout_session, bought.session);
      assert.deepEqual(await rows(names[1 - place], 'SELECT * FROM transactions WHERE checkout_session = ?', bought.session), []);
    });
  });
}

describe('one account, two shops, two databases', () => {
  let first, second, account;
  before(async () => {
    [first, second] = [await shopIn(0), await shopIn(1)];
    ({ account } = await connectShop(w, stripe, first));
    await connectShop(w, stripe, second, { account });
  });
  const deauthorized = () => stripe.requests.filter(({ route }) => route === 'POST /oauth/deauthorize').length;

  test('what Stripe tells of it is told to both', async () => {
    await stripe.updateAccount(account, { charges_enabled: false });
    await stripe.webhooks.drained();
    for (const shop of [first, second]) assert.equal((await connection(shop)).charges_enabled, false);
  });

  test('one of them sells to agents', async () => {
    fine(await api('PUT', '/v1/agentic/rules', { key: second.key, body: { enabled: true } }));
    refused(await api('PUT', '/v1/agentic/rules', { key: first.key, body: { enabled: true } }), 409, 'account_shared');
    refused(await api('POST', '/v1/agentic/account_sessions', { key: first.key, body: {} }), 409, 'account_shared');
    fine(await api('POST', '/v1/agentic/account_sessions', { key: second.key, body: {} }));
    const told = (shop) => api('GET', '/v1/events?limit=100', { key: shop.key }).then((answer) => fine(answer).data.filter(({ type }) => type.startsWith('agreement')).length);
    await stripe.enableAgent(account);
    await stripe.webhooks.drained();
    assert.deepEqual([await told(first), await told(second)], [0, 2]);
  });

  test('one disconnects: Stripe is not told, as long as the other uses it', async () => {
    const before = deauthorized();
    fine(await api('DELETE', '/v1/connection?mode=test', { key: second.key }));
    assert.equal(deauthorized(), before);
    assert.equal((await connection(first)).connected, true);
    await connectShop(w, stripe, second, { account });
    await stripe.deauthorize(account);
    await stripe.webhooks.drained();
    for (const shop of [first, second]) assert.equal((await connection(shop)).connected, false);
  });
});

test('what a shop has sold stays its own, whoever sells on its account afterwards', async () => {
  const made = await shopIn(0, () => sellingShop(w, stripe));
  const bought = await made.buy();
  const [row] = await w.d1('SELECT id, payment_intent FROM transactions WHERE checkout_session = ?', bought.session);
  const heir = await shopIn(1);
  await connectShop(w, stripe, heir, { account: made.account });
  fine(await api('DELETE', '/v1/connection?mode=test', { key: made.shop.key }));
  await sellToAgents(w, heir.key);
  fine(await api('PUT', '/v1/agentic/rules', { key: heir.key, body: { enabled: true } }));
  await stripe.dispute(row.payment_intent);
  await stripe.webhooks.drained();
  assert.equal((await looked(row.id, made.shop)).status, 'disputed');
  assert.deepEqual(await w.d1('SELECT shop_id FROM transactions WHERE checkout_session = ?', bought.session), [{ shop_id: made.shop.id }]);
});

test('an account is not given back while a bank still has to pay to a shop in another database', async () => {
  const [first, second] = [await shopIn(0), await shopIn(1)];
  const { account } = await connectShop(w, stripe, first);
  await connectShop(w, stripe, second, { account });
  const slow = await createSession(w, second, agentBody(second));
  await stripe.pay(slow.id, { card: 'bank_debit_succeeds' });
  await stripe.webhooks.drained();
  assert.equal((await looked(slow.transaction, second)).status, 'processing');
  const before = stripe.requests.filter(({ route }) => route === 'POST /oauth/deauthorize').length;
  for (const shop of [second, first]) fine(await api('DELETE', '/v1/connection?mode=test', { key: shop.key }));
  await w.scheduled();
  assert.equal(stripe.requests.filter(({ route }) => route === 'POST /oauth/deauthorize').length, before);
  await stripe.settle(slow.id, 'succeed');
  await stripe.webhooks.drained();
  assert.equal((await looked(slow.transaction, second)).status, 'paid');
});

describe('the operator', () => {
  test('sees all shops, a page at a time, forwards and backwards', async () => {
    const all = new Set((await w.d1('SELECT id FROM shops')).map(({ id }) => id));
    const seen = [];
    let page;
    do {
      page = fine(await admin('GET', `/v1/admin/shops?limit=3${seen.length ? `&starting_after=${seen.at(-1)}` : ''}`));
      seen.push(...page.data.map(({ id }) => id));
    } while (page.has_more);
    assert.deepEqual([seen.length, new Set(seen)], [all.size, all]);
    const back = [seen.at(-1)];
    do {
      page = fine(await admin('GET', `/v1/admin/shops?limit=3&ending_before=${back[0]}`));
      back.unshift(...page.data.map(({ id }) => id));
    } while (page.has_more);
    assert.deepEqual(back, seen);
    refused(await admin('GET', '/v1/admin/shops?starting_after=shop_nobody'), 422, 'resource_missing', 'starting_after');
  });

  test('has figures of each', async () => {
    const { text } = await api('GET', '/v1/admin/metrics', { key: w.vars.ADMIN_KEY, headers: { accept: 'text/plain' } });
    for (const name of names) assert.match(text, new RegExp(`cognitivecart_shops\\{database="${name}",status="active"\\} [1-9]`));
    assert.equal(text.match(/# TYPE cognitivecart_shops /g).length, 1);
    assert.equal(fine(await api('GET', '/healthz')).status, 'ok');
  });
});

describe('a move', () => {
  const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

  test('takes all that a shop has, and loses, doubles and delays nothing', async () => {
    const { shop, account, buy } = await shopIn(0, () => sellingShop(w, stripe, { fulfillment: FULFILLMENT }));
    const agent = await addAgent(w, shop, { name: 'Buyer' });
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } }));
    await buy();
    const paid = await createSession(w, shop, chatBody(shop));
    await stripe.pay(paid.id, {});
    await stripe.webhooks.drained();
    const waiting = await createSession(w, shop, agentBody(shop));
    const imported = fine(await api('POST', '/v1/agentic/catalogue/imports', { key: shop.key, idempotencyKey: randomUUID(), body: { feed_type: 'product', mode: 'upsert', from: 'catalogue' } }), 202);
    await stripe.importsDone();
    await stripe.webhooks.drained();
    await w.scheduled();
    const paths = ['/v1/shop', '/v1/transactions?limit=100', '/v1/transactions/summary?group_by=agent', '/v1/orders', '/v1/events?limit=100', '/v1/catalogue/products?limit=100', '/v1/catalogue/products?q=mug',
      '/v1/agents', '/v1/agentic/rules', `/v1/agentic/catalogue/imports/${imported.id}`, '/v1/connection?mode=test'];
    // When Stripe was asked last is no matter of the move.
    const all = async () => Promise.all(paths.map(async (path) => [path, { ...(await api('GET', path, { key: shop.key })).body, checked_at: 0 }]));
    const before = await all();
    const books = await w.d1('SELECT * FROM ledger_days WHERE shop_id = ? AND count > 0 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8', shop.id);
    const slot = DIGITS.indexOf(shop.id.at(-1));
    const others = DATABASES.replace('DB=0-15', `DB=${Array.from({ length: 16 }, (_, n) => n).filter((n) => n !== slot).join(',')}`).replace('16-31', `16-31,${slot}`);

    // 1. Nothing changes while it is moved: its own requests, Stripe's events, the sweep.
    await w.restart({ DATABASES_MOVING: String(slot) });
    const answer = await api('GET', '/v1/shop', { key: shop.key });
    refused(answer, 503, 'shop_moving');
    assert.equal(answer.headers.get('retry-after'), '60');
    const page = await w.fetch(`/checkout/complete/${paid.transaction}?session_id=${paid.id}`);
    assert.equal(page.status, 503);
    assert.match(await page.text(), /being moved/);
    stripe.webhooks.pause();
    await stripe.pay(waiting.id, {});
    const stays = await shopIn(1);
    assert.equal(fine(await api('GET', '/v1/shop', { key: stays.key })).id, stays.id, 'others go on');
    await w.scheduled();
    await w.logLine((line) => line.event === 'sweep_rests');
    assert.equal((await approve(w, account, orderData()).catch((error) => ({ error }))).approved ?? false, false);

    // 2. Copied, twice: whoever is interrupted begins again.
    const [from, to] = [query('DB'), query('DB_2')];
    const counts = await copy({ from, to, slots: [slot] });
    // Other shops may share its slot.
    assert.ok(counts.transactions >= 3 && counts.orders >= 1 && counts.products > 3 && counts.notices > 3, JSON.stringify(counts));
    await copy({ from, to, slots: [slot] });
    await to('DELETE FROM notices WHERE shop_id = ?', [shop.id]);
    await assert.rejects(clean({ from, to, slots: [slot] }), /notices differs/, 'what is not whole is not taken away');
    await abort({ from, to, slots: [slot] });
    assert.deepEqual(await to('SELECT id FROM shops WHERE id = ?', [shop.id]), []);
    await copy({ from, to, slots: [slot] });

    // 3. The configuration leads there, and only then, with nothing changed, it is taken away where it was.
    await w.restart({ DATABASES: others });
    refused(await api('GET', '/v1/shop', { key: shop.key }), 503, 'shop_moving');
    for (const path of [`/checkout/complete/${paid.transaction}?session_id=${paid.id}`, `/checkout/complete?session_id=${paid.id}`]) assert.equal((await w.fetch(path)).status, 503, path);
    await clean({ from, to, slots: [slot] });
    await w.restart({ DATABASES_MOVING: undefined });
    for (const [at, [path, body]] of (await all()).entries()) assert.deepEqual(body, before[at][1], path);
    assert.deepEqual(await rows('DB_2', 'SELECT * FROM ledger_days WHERE shop_id = ? AND count > 0 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8', shop.id), books);
    const left = await rows('DB', "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%shop_id%'");
    for (const { name } of left) assert.deepEqual(await rows('DB', `SELECT * FROM ${name} WHERE shop_id = ?`, shop.id), [], name);
    for (const step of [copy, abort]) await assert.rejects(step({ from, to, slots: [slot] }), /in use where they/);

    // 4. And life goes on: what was paid meanwhile, what changes, what is bought.
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal((await looked(waiting.transaction, shop)).status, 'paid');
    await stripe.refund((await looked(paid.transaction, shop)).payment_intent, { amount: 100 });
    await stripe.webhooks.drained();
    assert.equal((await looked(paid.transaction, shop)).amount_refunded, 100);
    assert.ok((await approve(w, account, orderData())).approved);
    await buyAs(stripe, account, speaker(w, agent.api_key).call, { items: [{ id: 'mug', quantity: 1 }] });
    assert.equal(fine(await api('GET', '/v1/orders', { key: shop.key })).data.length, 2);
    fine(await api('PATCH', '/v1/catalogue/inventory', { key: shop.key, body: [{ id: 'mug', inventory_quantity: 3 }] }));
    await w.scheduled();
    await stripe.importsDone();
    await stripe.webhooks.drained();
    assert.equal(stripe.catalogue(account).mug.inventory_quantity, 3, 'what changes after the move is told, whatever was told before it');
    const first = await w.fetch(`/checkout/complete/${paid.transaction}?session_id=${paid.id}`);
    assert.equal(first.status, 303);
  });
});

test('with one database as well nothing is answered for a shop that is being moved', async (t) => {
  const its = await startStripe({ retryPauses: [20] });
  const own = await startWorker({ stripe: its });
  const made = await sellingShop(own, its);
  t.after(async () => { await own.close(); await its.close(); await made.shop.close(); });
  assert.ok((await approve(own, made.account, orderData())).approved);
  await own.restart({ DATABASES_MOVING: '0-31' });
  const before = await own.d1('SELECT id FROM agentic_hooks');
  const told = await sendHook(own, hookOf('finalize_checkout', made.account, orderData()));
  assert.deepEqual([told.status, told.body.error.code, await own.d1('SELECT id FROM agentic_hooks')], [503, 'shop_moving', before]);
});
