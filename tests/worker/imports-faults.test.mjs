// An import survives whatever happens to the Worker or to D1 at any of its round trips: the same key or the sweep brings it to its end,
// and Stripe has the catalogue once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, buyAs, sellToAgents, speaker } from '../support/agent.mjs';
import { eventually, fine, refused } from '../support/answers.mjs';
import { askFor, importingShop, listenToImports, pass, PATH, row, table } from '../support/imports.mjs';
import { startWorker } from '../support/worker.mjs';

const shops = [];
const statements = new Set();
let stripe, w;

before(async () => {
  stripe = await startStripe({ retryPauses: [20] });
  w = await startWorker({ stripe, faults: true });
  listenToImports(w, stripe);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of shops) await one.close();
});

const api = (...args) => w.api(...args);
const BODY = table(row('a'), row('b'));
const list = async (shop) => fine(await api('GET', `${PATH}?limit=100`, { key: shop.key })).data;
const processed = (shop) => stripe.world.list('v2.commerce.product_catalog_import', { owner: shop.account, livemode: false }).filter(({ object }) => object.status !== 'awaiting_upload').length;
/** The time that a lock lives has passed. */
const unlock = (shop) => w.d1Batch([
  `UPDATE agentic_imports SET locked_until = 0, check_at = iif(check_at IS NULL, NULL, 1) WHERE shop_id = '${shop.id}'`, `UPDATE idempotency SET locked_until = 0 WHERE shop_id = '${shop.id}'`,
]);
async function settled() {
  await stripe.importsDone();
  await stripe.webhooks.drained();
}

/** What was begun went wrong at a round trip; whoever comes first goes on. */
async function fails(begin, { nth, how, then }) {
  const shop = await importingShop(w, stripe, shops, { catalogue: BODY });
  const key = randomUUID();
  await w.fault([{ on: 'DB.batch', nth, how }]);
  const first = await begin(shop, key).catch(() => ({ status: 0 }));
  const made = (await w.faultCalls()).length;
  for (const text of await w.statements()) statements.add(text);
  await w.fault([]);
  await unlock(shop);
  await settled();
  if (then === 'sweep') {
    await w.scheduled();
    await settled();
    await w.scheduled();
  }
  const again = await begin(shop, key);
  await settled();
  await w.scheduled();
  const all = await list(shop);
  const told = `${how} ${nth} ${then}: ${first.status}, then ${again.status} ${again.text}; ${JSON.stringify(all.map(({ status, problem }) => [status, problem]))}`;
  assert.equal(again.status, 202, told);
  assert.equal(processed(shop), 1, told);
  assert.equal(all.filter(({ status }) => status === 'succeeded').length, 1, told);
  assert.deepEqual(Object.keys(stripe.catalogue(shop.account)), ['a', 'b'], told);
  return made;
}

for (const [what, begin, trips] of [
  ['the catalogue', (shop, key) => askFor(api, shop, {}, key), 6],
  ['a file', (shop, key) => pass(api, shop, BODY, { idempotencyKey: key }), 7],
]) {
  describe(what, () => {
    for (const how of ['refuse', 'lose', 'die', 'die_after']) {
      for (const then of ['same key', 'sweep']) {
        test(`${how} at each round trip, then the ${then}`, async () => {
          for (let nth = 2; nth <= trips; nth += 1) await fails(begin, { nth, how, then });
        });
      }
    }
  });
}

test('the sweep takes up an import between two looks of its sender: the key stays, and there is one import', async () => {
  const shop = await importingShop(w, stripe, shops, { catalogue: BODY });
  const key = randomUUID();
  stripe.misbehave({ on: 'PUT upload', how: '500' });
  refused(await askFor(api, shop, {}, key), 503, 'stripe_unavailable');
  await w.fault([{ on: 'DB.batch', nth: 1, how: 'hold' }]);
  const again = askFor(api, shop, {}, key);
  await eventually(async () => (await w.faultCalls()).length === 1);
  // As the sweep does when it leases it.
  await w.d1('UPDATE agentic_imports SET locked_until = ? WHERE shop_id = ?', Math.floor(Date.now() / 1000) + 60, shop.id);
  await w.fault([]);
  refused(await again, 409, 'idempotency_in_flight');
  await unlock(shop);
  await w.scheduled();
  await settled();
  fine(await askFor(api, shop, {}, key), 202);
  assert.deepEqual((await list(shop)).map(({ status }) => status), ['succeeded']);
});

test('what an agent has bought goes out of the stock at Stripe with the next sweep', async () => {
  const shop = await importingShop(w, stripe, shops);
  await sellToAgents(w, shop.key);
  const agent = await addAgent(w, shop, { name: 'Buyer' });
  const made = fine(await pass(api, shop, table(row('mug', { stock: '7' }))), 202);
  await settled();
  assert.equal(fine(await api('GET', `${PATH}/${made.id}`, { key: shop.key })).status, 'succeeded');
  const before = fine(await api('GET', '/v1/catalogue/products/mug', { key: shop.key })).inventory_quantity;
  await buyAs(stripe, shop.account, speaker(w, agent.api_key).call, { items: [{ id: 'mug', quantity: 2 }] });
  await stripe.webhooks.drained();
  await w.scheduled();
  await settled();
  const [stock] = (await list(shop)).filter(({ from }) => from === 'stock');
  assert.deepEqual([stock?.status, stripe.catalogue(shop.account).mug.inventory_quantity], ['succeeded', before - 2]);
});

test('the statements of imports use their indices', async () => {
  await w.scheduled();
  for (const text of await w.statements()) statements.add(text);
  const seen = [...statements].filter((text) => /agentic_(imports|stock|import_errors)/.test(text));
  assert.ok(seen.length > 10, `${seen.length}`);
  for (const text of seen) {
    const most = Math.max(0, ...[...text.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)));
    const plan = await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...Array.from({ length: most }, () => 1));
    const scans = plan.map(({ detail }) => detail).filter((detail) => /^SCAN (m|x|s|agentic_imports|agentic_stock|agentic_import_errors|feed_changes)$/.test(detail));
    assert.deepEqual(scans, [], text);
  }
});
