// Contract, *Stripe's agentic commerce*: the seed's way, where the operator has chosen it: the Files API and import sets.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { askFor, HEADER, importingShop, pass, PATH, row, table } from '../support/imports.mjs';
import { sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const shops = [];
let stripe, w, api;

before(async () => {
  stripe = await startStripe({ retryPauses: [20] });
  w = await startWorker({ stripe, vars: { STRIPE_CATALOGUE_API: 'import_sets' } });
  api = documented(w);
});
afterEach(() => stripe.clearMisbehaviour());
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of shops) await one.close();
});

const newShop = (catalogue = table(row('a'), row('b'))) => importingShop(w, stripe, shops, { catalogue });
const ask = (shop, body, key) => askFor(api, shop, body, key);
/** There are no events of import sets: the sweep asks. */
async function ended(shop, { id }) {
  await stripe.importsDone();
  await w.scheduled();
  return fine(await api('GET', `${PATH}/${id}`, { key: shop.key }));
}
const sets = (shop) => stripe.world.list('data_management.import_set', { owner: shop.account, livemode: false });
const last = (route) => stripe.requests.findLast((one) => one.route === route);

test('the catalogue goes as a file, and an import set of it', async () => {
  const shop = await newShop(table(row('a'), row('b', { description: '"x, ""y"""' }), row('bad', { link: '' })));
  const made = fine(await ask(shop), 202);
  assert.deepEqual([made.api, made.status, made.rows, made.rejected], ['import_sets', 'processing', 2, 1]);
  assert.match(made.stripe_import, /^impset_/);
  const file = last('POST /v1/files');
  assert.match(file.headers['content-type'], /^multipart\/form-data; boundary=/);
  assert.ok(Number(file.headers['content-length']) > made.bytes);
  assert.deepEqual([file.params, file.account], [{ purpose: 'data_management_manual_upload', file: 'a file' }, shop.account]);
  const set = last('POST /v1/data_management/import_sets');
  assert.equal(set.headers['stripe-version'], '2025-09-30.clover;udap_beta=v1');
  assert.equal(set.params.standard_data_format, 'product_catalog_feed');
  const end = await ended(shop, made);
  assert.deepEqual([end.status, end.success_count, end.error_count], ['succeeded', 2, 0]);
  assert.equal(stripe.catalogue(shop.account).b.description, 'x, "y"');
  assert.match((await api('GET', `${PATH}/${made.id}/errors`, { key: shop.key })).text, /\r\nlink is missing[^\r]*,bad,/);
});

test('what Stripe refuses is in a file of its own', async () => {
  const shop = await newShop();
  const made = fine(await pass(api, shop, table(row('a'), row('bad', { price: 'cheap' }))), 202);
  const end = await ended(shop, made);
  assert.deepEqual([end.status, end.success_count, end.error_count], ['succeeded_with_errors', 1, 1]);
  const { text } = await api('GET', `${PATH}/${made.id}/errors`, { key: shop.key });
  assert.equal(text, `stripe_error_message,${HEADER}\r\nInvalid price: cheap,bad,Mug bad,A mug.,https://shop.example/bad,https://shop.example/bad.jpg,cheap,in_stock,5\r\n`);
  assert.ok(last('GET /v1/files/{file}/contents').headers.authorization);
});

test('what this way cannot do', async () => {
  const shop = await newShop();
  refused(await ask(shop, { mode: 'replace' }), 422, 'feed_unsupported', 'mode');
  for (const feed_type of ['pricing', 'promotion']) refused(await pass(api, shop, 'id,price\na,5 USD\n', { query: `feed_type=${feed_type}&mode=upsert` }), 422, 'feed_unsupported', 'feed_type');
  refused(await ask(shop, { from: 'upload' }), 422, 'feed_unsupported', 'from');
  assert.deepEqual(sets(shop), []);
});

for (const [on, how] of [
  ['POST /v1/files', 'drop_before'], ['POST /v1/files', 'drop_after'], ['POST /v1/files', '500'], ['POST /v1/files', '500_after'],
  ['POST /v1/data_management/import_sets', 'drop_before'], ['POST /v1/data_management/import_sets', 'drop_after'],
  ['POST /v1/data_management/import_sets', '500'],
]) {
  for (const who of ['the same key', 'the sweep']) {
    test(`${on}: ${how}: ${who} brings it to its end, once`, async () => {
      const shop = await newShop();
      const key = randomUUID();
      stripe.misbehave({ on, how });
      refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
      if (who === 'the sweep') await w.scheduled();
      const made = fine(await ask(shop, {}, key), 202);
      const end = await ended(shop, made);
      assert.deepEqual([end.status, end.success_count, sets(shop).length], ['succeeded', 2, 1]);
    });
  }
}

for (const who of ['the same key', 'the sweep']) {
  test(`a file of the shop's own that Stripe has, and no answer about its set: ${who} goes on with it, once`, async () => {
    const shop = await newShop();
    const [key, body] = [randomUUID(), table(row('a'), row('b'))];
    stripe.misbehave({ on: 'POST /v1/data_management/import_sets', how: 'drop_after' });
    refused(await pass(api, shop, body, { idempotencyKey: key }), 503, 'stripe_unavailable');
    if (who === 'the sweep') {
      await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE shop_id = ? AND finished IS NULL', shop.id);
      await w.scheduled();
    }
    const made = fine(await pass(api, shop, body, { idempotencyKey: key }), 202);
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, sets(shop).length], ['succeeded', 2, 1]);
    assert.equal(stripe.requests.filter((one) => one.route === 'POST /v1/files' && one.account === shop.account).length, 1);
  });
}

test('a stored 500 does not stand in the way for good: another file, under another key', async () => {
  const shop = await newShop();
  const key = randomUUID();
  stripe.misbehave({ on: 'POST /v1/data_management/import_sets', how: '500_after' });
  refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
  refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
  const end = await ended(shop, fine(await ask(shop, {}, key), 202));
  // Products that are told twice are the same.
  assert.deepEqual([end.status, sets(shop).length, Object.keys(stripe.catalogue(shop.account)).length], ['succeeded', 2, 2]);
});

test('stock goes by itself here too', async () => {
  const shop = await newShop();
  await ended(shop, fine(await ask(shop), 202));
  fine(await api('PATCH', '/v1/catalogue/inventory', { key: shop.key, body: [{ id: 'b', inventory_quantity: 1 }] }));
  await w.scheduled();
  assert.equal(last('POST /v1/data_management/import_sets').params.standard_data_format, 'inventory_feed');
  await stripe.importsDone();
  await w.scheduled();
  assert.equal(stripe.catalogue(shop.account).b.inventory_quantity, 1);
  const [stock] = fine(await api('GET', PATH, { key: shop.key })).data;
  assert.deepEqual([stock.from, stock.status, stock.rows], ['stock', 'succeeded', 1]);
});

test('a catalogue that is too large to be held', async () => {
  const shop = await newShop(table(...Array.from({ length: 1500 }, (_, n) => row(`p${n}`, { description: 'x'.repeat(4000) }))));
  const made = fine(await ask(shop), 202);
  assert.ok(made.bytes > 6e6);
  assert.equal((await ended(shop, made)).success_count, 1500);
  fine(await sendCatalogue(w, shop, table(row('a'))));
});
