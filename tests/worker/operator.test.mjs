// Contract, *Operator*.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTES = [['GET', '/v1/admin/shops'], ['PATCH', '/v1/admin/shops/shop_1'], ['POST', '/v1/admin/shops/shop_1/suspend'],
  ['POST', '/v1/admin/shops/shop_1/resume'], ['GET', '/v1/admin/strays'], ['GET', '/v1/admin/metrics']];
const now = () => Math.floor(Date.now() / 1000);
const others = [];
let stripe, w, api, shop, account;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of [shop, ...others]) await one?.close();
});

async function anotherShop(fields) {
  others.push(await registerShop(w, fields));
  return others.at(-1);
}
const operator = (method, path, more) => api(method, path, { key: w.vars.ADMIN_KEY, ...more });
const own = (method, path, more) => api(method, path, { key: shop.key, ...more });
const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];

describe('the key', () => {
  test('nobody else’s opens anything', async () => {
    for (const [method, path] of ROUTES) {
      refused(await api(method, path), 401, 'api_key_missing');
      for (const key of [shop.key, `${w.vars.ADMIN_KEY}x`, w.vars.ADMIN_KEY.slice(0, -1), w.vars.STRIPE_SECRET_KEY]) {
        refused(await api(method, path, { key }), 401, 'api_key_invalid');
      }
    }
  });

  test('without one there is nothing here', async (t) => {
    const bare = await startWorker({ vars: { ADMIN_KEY: undefined } });
    t.after(() => bare.close());
    const there = documented(bare);
    for (const [method, path] of ROUTES) {
      refused(await there(method, path), 404, 'route_unknown');
      refused(await there(method, path, { key: 'anything' }), 404, 'route_unknown');
    }
  });
});

describe('shops', () => {
  test('are listed, newest first, a page at a time', async () => {
    const made = [];
    for (let i = 0; i < 4; i += 1) made.unshift((await anotherShop({ verify: false })).id);
    const first = fine(await operator('GET', '/v1/admin/shops?limit=2'));
    assert.deepEqual([first.data.map(({ id }) => id), first.has_more, first.url], [made.slice(0, 2), true, '/v1/admin/shops']);
    const second = fine(await operator('GET', `/v1/admin/shops?limit=2&starting_after=${made[1]}`));
    assert.deepEqual(second.data.map(({ id }) => id), made.slice(2, 4));
    const back = fine(await operator('GET', `/v1/admin/shops?limit=2&ending_before=${made[2]}`));
    assert.deepEqual([back.data.map(({ id }) => id), back.has_more], [made.slice(0, 2), false]);
    const pending = fine(await operator('GET', '/v1/admin/shops?status=pending&limit=100'));
    assert.deepEqual(pending.data.map(({ id }) => id), made);
    assert.deepEqual(fine(await operator('GET', '/v1/admin/shops?status=active')).data.map(({ id }) => id), [shop.id]);
    assert.deepEqual(fine(await operator('GET', '/v1/admin/shops?status=suspended')).data, []);
    for (const [query, status, code, param] of [['status=sold', 422, 'parameter_invalid', 'status'], ['limit=0', 422, 'parameter_invalid_integer', 'limit'],
      ['limit=ten', 400, 'parameter_invalid_integer', 'limit'], ['starting_after=shop_1', 422, 'resource_missing', 'starting_after'],
      ['starting_after=a&ending_before=b', 422, 'parameter_invalid', 'ending_before']]) {
      refused(await operator('GET', `/v1/admin/shops?${query}`), status, code, param);
    }
  });

  test('are suspended: their keys answer 403, and payments under way are still recorded', async () => {
    const session = await createSession(w, shop);
    const suspended = fine(await operator('POST', `/v1/admin/shops/${shop.id}/suspend`));
    assert.equal(suspended.status, 'suspended');
    assert.equal(fine(await operator('POST', `/v1/admin/shops/${shop.id}/suspend`)).status, 'suspended', 'once more changes nothing');
    for (const [method, path] of [['GET', '/v1/shop'], ['PATCH', '/v1/shop'], ['GET', '/v1/transactions'], ['GET', '/v1/shop/export'], ['DELETE', '/v1/shop'],
      ['POST', '/v1/shop/verify'], ['POST', '/v1/connect/start'], ['GET', '/v1/manifest']]) {
      refused(await own(method, path, method === 'PATCH' ? { body: {} } : {}), 403, 'shop_suspended');
    }
    refused(await own('POST', '/v1/checkout/sessions', { idempotencyKey: 'suspended', body: chatBody(shop) }), 403, 'shop_suspended');
    const { location } = await stripe.pay(session.id);
    await stripe.webhooks.drained();
    assert.equal((await row(session.transaction)).status, 'paid');
    const home = await w.fetch(location);
    assert.equal(home.status, 303, 'and the buyer goes home');
    assert.equal(new URL(home.headers.get('location')).searchParams.get('status'), 'paid');
  });

  test('do not get out of it by registering the site anew', async () => {
    const again = await w.api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url: `${shop.site}/wp-json/cognitive-cart/v1/challenge` } });
    shop.challenge = fine(again, 201).challenge;
    refused(await api('POST', '/v1/shop/verify', { key: again.body.api_key }), 403, 'shop_suspended');
    assert.deepEqual(await w.d1('SELECT status FROM shops WHERE site_url = ? ORDER BY id', shop.site), [{ status: 'suspended' }, { status: 'pending' }]);
    const below = await w.api('POST', '/v1/shops', { body: { site_url: `${shop.site}/shop`, challenge_url: `${shop.site}/shop/wp-json/cognitive-cart/v1/challenge` } });
    shop.challenge = fine(below, 201).challenge;
    refused(await api('POST', '/v1/shop/verify', { key: below.body.api_key }), 403, 'shop_suspended');
  });

  test('are resumed, and go on with the same key', async () => {
    assert.equal(fine(await operator('POST', `/v1/admin/shops/${shop.id}/resume`)).status, 'active');
    assert.equal(fine(await operator('POST', `/v1/admin/shops/${shop.id}/resume`, { body: {} })).status, 'active');
    fine(await own('GET', '/v1/shop'));
    await createSession(w, shop);
  });

  test('only if they are active, and there', async () => {
    const pending = await anotherShop({ verify: false });
    for (const word of ['suspend', 'resume']) {
      refused(await operator('POST', `/v1/admin/shops/${pending.id}/${word}`), 409, 'shop_not_active');
      refused(await operator('POST', `/v1/admin/shops/shop_nobody/${word}`), 404, 'resource_missing');
      refused(await operator('POST', `/v1/admin/shops/${shop.id}/${word}`, { body: { why: 'x' } }), 400, 'parameter_unknown', 'why');
    }
  });
});

describe('the fee of one shop', () => {
  const patch = (body, id = shop.id) => operator('PATCH', `/v1/admin/shops/${id}`, { body });
  const fee = async () => (await createSession(w, shop, chatBody(shop, { amount: 10_000 }))).application_fee_amount;

  test('is the variables’ until the operator says otherwise, and again after null', async () => {
    assert.equal(await fee(), 0);
    const changed = fine(await patch({ fee_bps: 250, fee_fixed: { usd: 30, eur: 25 } }));
    assert.deepEqual([changed.fee_bps, changed.fee_fixed], [250, { usd: 30, eur: 25 }]);
    assert.equal(await fee(), 280);
    assert.deepEqual(fine(await patch({ fee_bps: 100 })).fee_fixed, { usd: 30, eur: 25 }, 'what is not named stays');
    assert.equal(await fee(), 130);
    assert.equal(fine(await patch({ fee_fixed: null })).fee_fixed, null);
    assert.equal(await fee(), 100);
    assert.equal(fine(await patch({ fee_bps: null })).fee_bps, null);
    assert.equal(await fee(), 0);
    fine(await patch({}));
  });

  test('is held to what the variables are held to', async () => {
    for (const [body, status, code, param] of [
      [{ fee_bps: 10_001 }, 422, 'parameter_invalid_integer', 'fee_bps'], [{ fee_bps: -1 }, 422, 'parameter_invalid_integer', 'fee_bps'],
      [{ fee_bps: '250' }, 400, 'parameter_invalid_integer', 'fee_bps'], [{ fee_fixed: 30 }, 400, 'parameter_invalid_object', 'fee_fixed'],
      [{ fee_fixed: { usd: -1 } }, 422, 'parameter_invalid_integer', 'fee_fixed[usd]'], [{ fee_fixed: { usd: 0.5 } }, 400, 'parameter_invalid_integer', 'fee_fixed[usd]'],
      [{ fee_fixed: { usd: null } }, 400, 'parameter_missing', 'fee_fixed[usd]'], [{ fee_fixed: { xyz: 1 } }, 422, 'currency_unsupported', 'fee_fixed[xyz]'],
      [{ fee_fixed: { USD: 1 } }, 422, 'currency_unsupported', 'fee_fixed[USD]'], [{ shop_fees: {} }, 400, 'parameter_unknown', 'shop_fees'],
      [{ category_fees: [] }, 400, 'parameter_invalid_object', 'category_fees'], [{ category_fees: { Shoes: 5 } }, 400, 'parameter_invalid_object', 'category_fees[Shoes]'],
      [{ category_fees: { Shoes: null } }, 400, 'parameter_missing', 'category_fees[Shoes]'], [{ category_fees: { Shoes: { cents: 1 } } }, 400, 'parameter_unknown', 'category_fees[Shoes][cents]'],
      [{ category_fees: { Shoes: { bps: 10_001 } } }, 422, 'parameter_invalid_integer', 'category_fees[Shoes][bps]'], [{ category_fees: { Shoes: { fixed: { usd: -1 } } } }, 422, 'parameter_invalid_integer', 'category_fees[Shoes][fixed][usd]'],
      [{ category_fees: { 'Shoes >': { bps: 1 } } }, 422, 'parameter_invalid', 'category_fees[Shoes >]'],
    ]) refused(await patch(body), status, code, param);
    refused(await patch({ fee_bps: 1 }, 'shop_nobody'), 404, 'resource_missing');
  });
});

test('strays: what named a transaction of ours and was not what was created, newest first', async () => {
  assert.deepEqual(fine(await operator('GET', '/v1/admin/strays')).data, []);
  const ids = [];
  for (const amount of [1, 2, 3]) {
    const session = await createSession(w, shop);
    const body = JSON.stringify({ id: `evt_stray${amount}`, type: 'checkout.session.completed', account, livemode: false, created: now(), data: { object: {
      id: session.id, object: 'checkout.session', livemode: false, status: 'complete', payment_status: 'paid', amount_total: amount, currency: 'usd',
      metadata: { cc_transaction: session.transaction }, payment_intent: 'pi_x' } } });
    fine(await api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } }));
    ids.unshift([`evt_stray${amount}`, session.transaction]);
    assert.equal((await row(session.transaction)).status, 'open');
  }
  const all = fine(await operator('GET', '/v1/admin/strays'));
  assert.deepEqual(all.data.map(({ object_id: object, transaction }) => [object, transaction]), ids);
  const { id, created, ...rest } = all.data[0];
  assert.deepEqual(rest, { object: 'stray', kind: 'event', object_id: 'evt_stray3', transaction: ids[0][1], account, livemode: false, reason: 'amount' });
  assert.ok(Math.abs(created - now()) < 60);
  const page = fine(await operator('GET', `/v1/admin/strays?limit=1&starting_after=${encodeURIComponent(id)}`));
  assert.deepEqual([page.data.map(({ object_id: object }) => object), page.has_more], [['evt_stray2'], true]);
  refused(await operator('GET', '/v1/admin/strays?starting_after=evt_x'), 422, 'resource_missing', 'starting_after');
});

describe('metrics', () => {
  /** The text format 0.0.4, read strictly. -> Map of name{labels} to number */
  function read(text) {
    assert.ok(text.endsWith('\n'));
    const values = new Map();
    let family;
    for (const line of text.slice(0, -1).split('\n')) {
      const help = /^# HELP ([a-z_0-9]+) .+$/.exec(line);
      if (help) {
        family = help[1];
        continue;
      }
      if (line.startsWith('#')) {
        assert.equal(line, `# TYPE ${family} gauge`);
        continue;
      }
      const sample = /^([a-z_0-9]+)(\{[a-z]+="[a-z_]+"(?:,[a-z]+="[a-z_]+")*\})? (\d+)$/.exec(line);
      assert.ok(sample, line);
      assert.equal(sample[1], family);
      assert.ok(!values.has(sample[1] + (sample[2] ?? '')), line);
      values.set(sample[1] + (sample[2] ?? ''), Number(sample[3]));
    }
    return values;
  }
  const scraped = () => operator('GET', '/v1/admin/metrics', { headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1' } });
  const metrics = async () => read(fine(await scraped()));

  test('are in the Prometheus text format, and right', async () => {
    await w.scheduled();
    const answer = await scraped();
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    const values = read(answer.text);
    const { object, data } = fine(await operator('GET', '/v1/admin/metrics'));
    assert.equal(object, 'metrics');
    const named = data.map(({ name, labels, value }) => [name + (Object.keys(labels).length ? `{${Object.entries(labels).map(([label, word]) => `${label}="${word}"`).sort().join(',')}}` : ''), value]);
    const sorted = (name) => name.replace(/\{(.*)\}/, (_, inside) => `{${inside.split(',').sort().join(',')}}`);
    assert.deepEqual(named.filter(([name]) => !name.includes('_seconds')), [...values].map(([name, value]) => [sorted(name), value]).filter(([name]) => !name.includes('_seconds')), 'the same as JSON');
    const count = async (sql) => (await w.d1(`SELECT count(*) AS n FROM ${sql}`))[0].n;
    assert.equal(values.get('cognitivecart_shops{status="active"}'), 1);
    assert.equal(values.get('cognitivecart_shops{status="pending"}'), await count("shops WHERE status = 'pending'"));
    assert.equal(values.get('cognitivecart_connections{mode="test",status="active"}'), 1);
    assert.equal(values.get('cognitivecart_transactions_unsettled{mode="test",status="open"}'), await count("transactions WHERE status = 'open'"));
    assert.equal(values.get('cognitivecart_transactions_last_day{mode="test",status="paid"}'), 1);
    assert.equal(values.get('cognitivecart_strays'), 3);
    assert.equal(values.get('cognitivecart_deauthorizations_owed'), 0);
    assert.equal(values.get('cognitivecart_sealed_under_old_key'), 0);
    assert.equal(values.get('cognitivecart_erasures_unfinished'), 0);
    assert.equal(values.get('cognitivecart_transactions_overdue'), 0);
    assert.ok(Math.abs(values.get('cognitivecart_sweep_last_run_timestamp_seconds') - now()) < 60);
  });

  test('tell what is late', async () => {
    const session = await createSession(w, shop);
    await w.d1('UPDATE transactions SET expires_at = ? WHERE id = ?', now() - 7200, session.transaction);
    await w.d1("INSERT INTO deauthorizations (account, livemode, reason, due_at) VALUES ('acct_1', 0, 'x', 4000000000)");
    await w.d1(`INSERT INTO notices (id, shop_id, type, once, object, created, status, due_at)
      VALUES ('ccevt_late', ?1, 'x', 'late', '{}', ?2, 'due', ?2 - 500), ('ccevt_dead', ?1, 'x', 'dead', '{}', ?2, 'dead', NULL)`, shop.id, now());
    const values = await metrics();
    assert.equal(values.get('cognitivecart_transactions_overdue'), 1);
    assert.equal(values.get('cognitivecart_deauthorizations_owed'), 1);
    assert.equal(values.get('cognitivecart_notices_dead'), 1);
    assert.ok(values.get('cognitivecart_notices_due') >= 1);
    assert.ok(values.get('cognitivecart_notices_late_seconds') >= 500);
  });

  test('cost one round trip, and never look through the ledger', async () => {
    const answer = await operator('GET', '/v1/admin/metrics');
    const { d1, stripe: calls } = await w.lineOf(answer);
    assert.deepEqual([d1, calls], [1, 0]);
    for (const [sql, index] of [
      ["SELECT status, livemode, count(*) FROM transactions WHERE status IN ('open', 'processing', 'authorized') GROUP BY status, livemode", 'COVERING INDEX transactions_unsettled'],
      ["SELECT status, livemode, count(*) FROM transactions WHERE id >= 'cct_0' GROUP BY status, livemode", 'SEARCH transactions USING INDEX'],
      ["SELECT count(*) FROM transactions WHERE status IN ('open', 'processing', 'authorized') AND status = 'open' AND expires_at < 5", 'COVERING INDEX transactions_unsettled'],
      ['SELECT count(*) FROM transactions WHERE check_at <= 5', 'COVERING INDEX transactions_to_check'],
      ['SELECT count(*) FROM notices WHERE due_at <= 5', 'COVERING INDEX notices_due'],
      ["SELECT count(*) FROM notices WHERE status = 'dead' AND created > 5", 'COVERING INDEX notices_dead'],
      ["SELECT count(*) FROM shops WHERE signing_secret > '' AND signing_secret < 's1.k1.'", 'COVERING INDEX shops_by_seal'],
      ['SELECT status, count(*) FROM shops GROUP BY status', 'COVERING INDEX shops_by_status'],
      ['SELECT status, livemode, count(*) FROM connections GROUP BY status, livemode', 'COVERING INDEX connections_by_status'],
    ]) {
      const plan = (await w.d1(`EXPLAIN QUERY PLAN ${sql}`)).map(({ detail }) => detail).join('; ');
      assert.ok(plan.includes(index), `${sql}: ${plan}`);
    }
  });
});
