// A catalogue's file while D1 fails and isolates die: the catalogue is the one before or the new one, never half of each. And what its
// statements cost: no one looks through a table.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, fine } from '../support/answers.mjs';
import { registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let w, shop;

before(async () => {
  w = await startWorker({ faults: true });
  shop = await registerShop(w);
});
after(async () => {
  await w?.close();
  await shop?.close();
});

const file = (...ids) => ['id,title,price,availability', ...ids.map((id) => `${id},Mug ${id},12.30 USD,in_stock`), 'bad,,,'].join('\n');
const get = async (path) => fine(await w.api('GET', path, { key: shop.key }));
const ids = async (query = '') => (await get(`/v1/catalogue/products?limit=100${query}`)).data.map(({ id }) => id).join();
const generations = async () => (await w.d1('SELECT state FROM catalogues WHERE shop_id = ? ORDER BY state', shop.id)).map(({ state }) => state).join();

describe('whatever fails in the middle of a file', () => {
  // Load, begin, stage, look at what was staged, switch.
  const CALLS = 5;
  let tried = 0;
  for (const method of ['PUT', 'PATCH']) {
    for (let nth = 1; nth <= CALLS; nth += 1) {
      for (const how of ['refuse', 'lose', 'die', 'die_after']) {
        test(`${method}: D1's call ${nth}: ${how}`, async () => {
          await w.fault([]);
          fine(await sendCatalogue(w, shop, file('old', 'kept')));
          const before = 'kept,old';
          const then = method === 'PUT' ? 'kept,new' : 'kept,new,old';
          const key = `${method}-${nth}-${how}`;
          await w.fault([{ on: 'DB.batch', nth, how }]);
          const first = await sendCatalogue(w, shop, file('new', 'kept'), { method, idempotencyKey: key });
          const calls = (await w.faultCalls()).filter((call) => call === 'DB.batch').length;
          assert.ok(calls >= nth, `there were only ${calls} calls`);
          await w.fault([]);
          // Staging and switching may be repeated, and are: a passing fault is not even seen.
          if ([3, 5].includes(nth) && ['refuse', 'lose'].includes(how)) assert.equal(first.status, 200, first.text);
          // Switched to and not told: only the answer died.
          const switched = nth === CALLS && how === 'die_after';
          const now = first.status === 200 || switched ? then : before;
          assert.equal(await ids(), now);
          assert.equal(await ids('&query=new'), now.includes('new') ? 'new' : '');
          // A minute later the same key goes through, and once.
          await w.d1('UPDATE catalogue_uploads SET locked_until = 1');
          await w.d1('UPDATE idempotency SET locked_until = 1 WHERE status IS NULL');
          const again = await sendCatalogue(w, shop, file('new', 'kept'), { method, idempotencyKey: key });
          const { accepted, rejected } = fine(again);
          assert.deepEqual([accepted, rejected], [2, 1]);
          assert.equal(again.headers.get('idempotent-replayed') === 'true', first.status === 200 || switched);
          assert.equal(await ids(), then);
          assert.equal((await w.d1("SELECT count(*) AS n FROM catalogue_uploads WHERE status = 'running'"))[0].n, 0);
          await eventually(async () => (await w.scheduled(), await generations() === 'live'), 'something is left');
          tried += 1;
        });
      }
    }
  }
  test('all of them were tried', () => assert.equal(tried, 2 * CALLS * 4));
});

describe('no statement looks through a table', () => {
  test('of those that lists, searches, files, single products and stock need', async () => {
    await w.fault([]);
    const call = async (method, path, body) => fine(await w.api(method, path, { key: shop.key, body }));
    fine(await sendCatalogue(w, shop, file('a', 'b', 'c')));
    fine(await sendCatalogue(w, shop, file('a', 'd'), { method: 'PATCH' }));
    for (const query of ['', '?starting_after=a', '?ending_before=b', '?query=mug', '?query=mug+a&starting_after=a']) await get(`/v1/catalogue/products${query}`);
    await call('PUT', '/v1/catalogue/products/e', { title: 'Mug', price: '1 USD', availability: 'in_stock' });
    await get('/v1/catalogue/products/e');
    await call('PATCH', '/v1/catalogue/inventory', [{ id: 'a', inventory_quantity: 1 }]);
    await call('DELETE', '/v1/catalogue/products/e');
    const { data: [{ id }] } = await get('/v1/catalogue/uploads');
    await get(`/v1/catalogue/uploads?starting_after=${id}`);
    await get(`/v1/catalogue/uploads/${id}`);
    assert.equal((await w.api('GET', `/v1/catalogue/uploads/${id}/errors`, { key: shop.key })).status, 200);
    await call('PUT', '/v1/shop/fulfillment', {});
    await get('/v1/shop/fulfillment');
    await w.scheduled();
    const statements = [...new Set(await w.statements())].filter((text) => /product|catalogue|stock_holds|fulfillment/.test(text));
    assert.ok(statements.length > 40, `only ${statements.length} statements`);
    const bad = [];
    for (const text of statements) {
      const binds = Math.max(0, ...[...text.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)));
      const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...Array(binds).fill(null))).map(({ detail }) => detail);
      // Gone through are only lists that come along in a parameter or stand in the row itself, what a subquery made of them, and an
      // index that holds nothing but what is under way.
      const scans = plan.filter((step) => /^SCAN/.test(step) && !/^SCAN (\w+ VIRTUAL TABLE|CONSTANT ROW|f$|\(subquery|catalogues USING (COVERING )?INDEX catalogues_staged)/.test(step));
      // What leads is the parameter's list, the index of words, or the live catalogue: never one row of it against the whole list.
      const list = plan.findIndex((step) => /VIRTUAL TABLE/.test(step));
      const products = plan.findIndex((step) => /^SEARCH (p|products)\b.*\(generation=\?\)$/.test(step));
      if (scans.length || (products >= 0 && list > products && /json_each\(\?/.test(text))) bad.push(`${text}\n    ${plan.join('\n    ')}`);
      if (/ORDER BY/.test(text) && /^\s*SELECT p\.\*/.test(text) && plan.some((step) => /TEMP B-TREE FOR ORDER/.test(step))) bad.push(`sorted: ${text}`);
    }
    assert.deepEqual(bad, []);
  });
});
