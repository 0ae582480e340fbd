// What a shop sells to agents at Stripe (PUT /v1/agentic/rules): who may have it, what may be said, and what becomes of it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { sellToAgents } from '../support/agent.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { approve } from '../support/hooks.mjs';
import { connectShop, registerAnew, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api;
const shops = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const shop of shops) await shop.close();
});

async function connected({ account, mode, ...fields } = {}) {
  const shop = await registerShop(w, fields);
  shops.push(shop);
  return Object.assign(shop, await connectShop(w, stripe, shop, { account, mode }));
}
const put = (shop, body = {}) => api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true, ...body } });
const get = (shop, query = '') => api('GET', `/v1/agentic/rules${query}`, { key: shop.key });

describe('rules', () => {
  test('are none before the first PUT, what was said after it, and replaced as a whole', async () => {
    const shop = await connected();
    const none = { object: 'agentic.rules', livemode: false, account: null, enabled: false, approve: { max_total: null, countries: null, require_stock: true, blocked_skus: [], price_tolerance_bps: null }, ask_shop: false, on_trouble: 'decline', created: null, updated: null };
    assert.deepEqual(fine(await get(shop)), none);
    const said = { enabled: true, approve: { max_total: { usd: 50_000, jpy: 0 }, countries: ['US', 'CA', 'US'], require_stock: false, blocked_skus: [' gift ', 'gift', 'x'], price_tolerance_bps: 100 }, ask_shop: true, on_trouble: 'approve', mode: 'test' };
    const made = fine(await put(shop, said));
    assert.deepEqual({ ...made, created: 1, updated: 1 }, {
      ...none, account: shop.account, enabled: true, approve: { max_total: { usd: 50_000, jpy: 0 }, countries: ['US', 'CA'], require_stock: false, blocked_skus: ['gift', 'x'], price_tolerance_bps: 100 },
      ask_shop: true, on_trouble: 'approve', created: 1, updated: 1,
    });
    assert.deepEqual(fine(await get(shop, '?mode=test')), made);
    assert.equal(fine(await get(shop, '?mode=live')).enabled, false);
    const replaced = fine(await put(shop, { approve: null }));
    assert.deepEqual([replaced.approve, replaced.ask_shop, replaced.on_trouble], [none.approve, false, 'decline']);
    assert.equal(fine(await put(shop, { enabled: false })).enabled, false);
    assert.equal(fine(await put(shop, { enabled: undefined, ask_shop: true })).enabled, false, 'rules alone switch nothing on again');
  });

  test('are held to their shape', async () => {
    const shop = await connected();
    for (const [body, status, code, param] of [
      [{ enabled: 1 }, 400, 'parameter_invalid_boolean', 'enabled'],
      [{ rules: {} }, 400, 'parameter_unknown', 'rules'], [{ approve: [] }, 400, 'parameter_invalid_object', 'approve'],
      [{ approve: { max: 1 } }, 400, 'parameter_unknown', 'approve[max]'], [{ approve: { max_total: 5 } }, 400, 'parameter_invalid_object', 'approve[max_total]'],
      [{ approve: { max_total: { usd: -1 } } }, 422, 'parameter_invalid_integer', 'approve[max_total][usd]'],
      [{ approve: { max_total: { usd: '5' } } }, 400, 'parameter_invalid_integer', 'approve[max_total][usd]'],
      [{ approve: { max_total: { USD: 1 } } }, 422, 'currency_unsupported', 'approve[max_total][USD]'],
      [{ approve: { countries: ['us'] } }, 422, 'country_invalid', 'approve[countries][0]'], [{ approve: { countries: [] } }, 422, 'parameter_invalid_empty', 'approve[countries]'],
      [{ approve: { countries: 'US' } }, 400, 'parameter_invalid_array', 'approve[countries]'], [{ approve: { countries: [1] } }, 400, 'parameter_invalid_string', 'approve[countries][0]'],
      [{ approve: { blocked_skus: [''] } }, 422, 'parameter_invalid_empty', 'approve[blocked_skus][0]'], [{ approve: { blocked_skus: ['x'.repeat(101)] } }, 422, 'parameter_invalid', 'approve[blocked_skus][0]'],
      [{ approve: { blocked_skus: Array(1001).fill('x') } }, 422, 'parameter_invalid', 'approve[blocked_skus]'],
      [{ approve: { require_stock: 'yes' } }, 400, 'parameter_invalid_boolean', 'approve[require_stock]'], [{ approve: { price_tolerance_bps: 10_001 } }, 422, 'parameter_invalid_integer', 'approve[price_tolerance_bps]'],
      [{ ask_shop: 'no' }, 400, 'parameter_invalid_boolean', 'ask_shop'], [{ on_trouble: 'maybe' }, 422, 'parameter_invalid', 'on_trouble'], [{ mode: 'both' }, 422, 'parameter_invalid', 'mode'],
    ]) {
      refused(await put(shop, body), status, code, param);
    }
    assert.equal(fine(await get(shop)).created, null, 'nothing was kept of it');
  });
});

describe('the agentic side of an account', () => {
  test('needs a connection that is active', async () => {
    const shop = await registerShop(w);
    shops.push(shop);
    refused(await put(shop), 409, 'not_connected');
    await connectShop(w, stripe, shop);
    refused(await put(shop, { mode: 'live' }), 409, 'not_connected');
    fine(await put(shop));
    fine(await api('DELETE', '/v1/connection?mode=test', { key: shop.key }));
    refused(await put(shop, { mode: 'test' }), 409, 'not_connected');
  });

  test('is one shop’s, of those that share it: of two who ask at once one gets it', async () => {
    const first = await connected();
    const second = await connected({ account: first.account });
    const answers = await Promise.all([put(first), put(second), put(first), put(second)]);
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses[0] !== statuses[1] && statuses[0] === statuses[2] && statuses[1] === statuses[3], JSON.stringify(statuses));
    const [winner, loser] = statuses[0] === 200 ? [first, second] : [second, first];
    refused(await put(loser), 409, 'account_shared');
    fine(await put(winner, { enabled: false }));
    refused(await put(loser), 409, 'account_shared');
    // In the other mode it is another matter.
    await connectShop(w, stripe, loser, { account: first.account, mode: 'live' });
    fine(await put(loser, { mode: 'live' }));
    fine(await api('DELETE', '/v1/connection?mode=test', { key: winner.key }));
    fine(await put(loser, { mode: 'test' }));
  });

  test('ends with its connection, and goes on with another account only when its shop says so', async () => {
    const shop = await connected();
    await sellToAgents(w, shop.key);
    fine(await put(shop));
    assert.ok((await approve(w, shop.account)).approved);
    const { account } = await connectShop(w, stripe, shop, { replace: true, mode: 'test' });
    assert.equal((await approve(w, shop.account)).reason, 'account_unknown');
    assert.equal((await approve(w, account)).reason, 'account_unknown');
    assert.equal(fine(await put(shop)).account, account);
    assert.ok((await approve(w, account)).approved);
  });

  test('of a shop that was registered anew, or has left, goes to whoever asks for it', async () => {
    const old = await connected();
    await sellToAgents(w, old.key);
    fine(await put(old));
    const renewed = await registerAnew(w, old);
    assert.equal((await approve(w, old.account)).reason, 'checkout_disabled');
    await connectShop(w, stripe, renewed, { account: old.account });
    fine(await put(renewed));
    await sellToAgents(w, renewed.key);
    assert.ok((await approve(w, old.account)).approved);
    const heir = await connected({ account: old.account });
    refused(await put(heir), 409, 'account_shared');
    fine(await api('DELETE', '/v1/shop', { key: renewed.key }));
    fine(await put(heir));
    await sellToAgents(w, heir.key);
    assert.ok((await approve(w, old.account)).approved);
  });
});

describe('what is kept of it', () => {
  test('is taken along, and goes with its shop', async () => {
    const shop = await connected();
    await sellToAgents(w, shop.key);
    const rules = fine(await put(shop, { approve: { countries: ['US'] } }));
    const asked = await approve(w, shop.account);
    const all = fine(await api('GET', '/v1/shop/export', { key: shop.key }));
    assert.deepEqual(all.agentic_rules, [rules]);
    assert.deepEqual(all.agentic_hooks.map(({ type, livemode, answer }) => [type, livemode, answer]), [['finalize_checkout', false, asked.answer.body]]);
    fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    await eventually(async () => (await w.d1('SELECT count(*) AS n FROM erasures WHERE shop_id = ?', shop.id))[0].n === 0);
    for (const table of ['agentic', 'agentic_hooks', 'stock_holds']) assert.deepEqual(await w.d1(`SELECT * FROM ${table} WHERE shop_id = ?`, shop.id), [], table);
  });

  test('answers are forgotten after forty days', async () => {
    const shop = await connected();
    await sellToAgents(w, shop.key);
    fine(await put(shop));
    await approve(w, shop.account);
    await approve(w, shop.account);
    const old = Math.floor(Date.now() / 1000) - 40 * 24 * 3600;
    await w.d1('UPDATE agentic_hooks SET created = ? WHERE rowid = (SELECT min(rowid) FROM agentic_hooks WHERE shop_id = ?)', old, shop.id);
    await w.scheduled();
    assert.equal((await w.d1('SELECT count(*) AS n FROM agentic_hooks WHERE shop_id = ?', shop.id))[0].n, 1);
  });

  test('is found by indices', async () => {
    for (const text of [
      'SELECT * FROM agentic WHERE account = ?1 AND livemode = ?2', 'SELECT * FROM agentic WHERE shop_id = ?1 AND livemode = ?2', 'SELECT * FROM agentic_hooks WHERE id = ?1',
      'SELECT 1 FROM agentic_hooks WHERE checkout_session = ?1 AND approved = 1', 'SELECT id FROM agentic_hooks WHERE shop_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 200',
      'SELECT id FROM agentic_hooks WHERE created <= ?1 LIMIT 500',
    ]) {
      const binds = [...new Set(text.match(/\?\d/g))].map(() => null);
      const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...binds)).map(({ detail }) => detail).join('; ');
      assert.match(plan, /^SEARCH/, text);
      assert.doesNotMatch(plan, /SCAN|TEMP B-TREE/, text);
    }
  });
});
