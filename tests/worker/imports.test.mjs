// Contract, *Stripe's agentic commerce*: a shop's catalogue goes to Stripe by imports of v2.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { askFor, HEADER, importingShop, later, listenToImports, pass, PATH, row, switchOn, table } from '../support/imports.mjs';
import { connectShop, registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const CREATE = 'POST /v2/commerce/product_catalog/imports';
const RETRIEVE = 'GET /v2/commerce/product_catalog/imports/{id}';
const shops = [];
let stripe, w, api;

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
  listenToImports(w, stripe);
});
afterEach(async () => {
  stripe.holdImports(false);
  stripe.clearMisbehaviour();
  await stripe.importsDone();
  await stripe.webhooks.drained();
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of shops) await one.close();
});

const newShop = (more) => importingShop(w, stripe, shops, more);
const ask = (shop, body, key) => askFor(api, shop, body, key);
const send = (shop, body, more) => pass(api, shop, body, more);
const get = async (shop, id) => fine(await api('GET', `${PATH}/${id}`, { key: shop.key }));
const list = async (shop) => fine(await api('GET', `${PATH}?limit=100`, { key: shop.key })).data;
const errors = (shop, id) => api('GET', `${PATH}/${id}/errors`, { key: shop.key });
/** Stripe is through, and has told. */
async function ended(shop, { id }) {
  await stripe.importsDone();
  await stripe.webhooks.drained();
  return get(shop, id);
}
const requests = (shop, route) => stripe.requests.filter((one) => one.route === route && (!shop || !one.account || one.account === shop.account));
const importsOf = (shop) => stripe.world.list('v2.commerce.product_catalog_import', { owner: shop.account, livemode: false }).map(({ object }) => object);

describe('the catalogue of the Worker', () => {
  test('goes there, its bad rows are named and kept; what Stripe makes of it is told', async () => {
    const shop = await newShop({ catalogue: table(row('a'), row('b', { description: '"x, ""y"" ünd"', stock: '' }), row('bad', { description: '', image: '' }), row('c', { price: '500 JPY', availability: 'out_of_stock', stock: '0' })) });
    const made = fine(await ask(shop, { mode: 'replace' }), 202);
    const { id, created, uploaded_at, stripe_import, bytes, ...rest } = made;
    assert.match(id, /^ccim_/);
    assert.match(stripe_import, /^pcimprt_test_/);
    assert.ok(uploaded_at >= created && bytes > 100);
    const missing = (field) => ({ row: 4, id: 'bad', field, code: 'parameter_missing', message: `${field} is missing: Stripe wants it of every product.` });
    assert.deepEqual(rest, {
      object: 'agentic.import', api: 'v2', livemode: false, account: shop.account, feed_type: 'product', mode: 'replace', from: 'catalogue', on_error: 'skip', status: 'processing',
      rows: 3, rejected: 1, success_count: null, error_count: null, errors: [missing('description'), missing('image_link')].map((error) => ({ ...error, row: 3 })), problem: null, expires_at: null, finished: null,
    });
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, end.rejected], ['succeeded', 3, 1]);
    assert.ok(end.finished >= created);
    assert.deepEqual(stripe.catalogue(shop.account), Object.fromEntries([['a', 1230, 'usd', 5, 'in_stock'], ['b', 1230, 'usd', null, 'in_stock'], ['c', 500, 'jpy', 0, 'out_of_stock']].map(([sku, unit_amount, currency, inventory_quantity, availability]) => [sku, {
      id: sku, title: `Mug ${sku}`, description: sku === 'b' ? 'x, "y" ünd' : 'A mug.', price: { unit_amount, currency }, availability, inventory_quantity, tax_code: null, image_link: `https://shop.example/${sku}.jpg`, link: `https://shop.example/${sku}`,
    }])));
    const csv = (await errors(shop, id)).text.split('\r\n');
    assert.equal(csv[0], `stripe_error_message,${HEADER},inventory_not_tracked`);
    assert.match(csv[1], /^"?description is missing.* image_link is missing.*,bad,Mug bad,,https:\/\/shop\.example\/bad,,12\.30 USD,in_stock,5,$/);
    assert.equal(csv.length, 3);
    assert.deepEqual((await list(shop)).map((one) => one.id), [id]);
    const [{ headers, params }] = requests(shop, CREATE);
    assert.deepEqual(params, { feed_type: 'product', mode: 'replace', metadata: { cc_import: id } });
    assert.deepEqual([headers['stripe-version'], headers['idempotency-key']], ['2026-10-28.endive', `${id}-1`]);
    const put = stripe.requests.findLast((one) => one.route === 'PUT upload');
    assert.deepEqual([put.headers['content-type'], put.headers['content-length'], put.headers.authorization, put.headers['stripe-account']], ['text/csv', String(bytes), undefined, undefined]);
  });

  test('on_error fail: nothing is sent, nothing is made at Stripe, all bad rows are named', async () => {
    const shop = await newShop({ catalogue: table(row('a'), row('bad', { link: '' })) });
    const answer = await ask(shop, { on_error: 'fail' });
    const error = refused(answer, 422, 'rows_invalid');
    assert.deepEqual([error.rejected, error.errors.map(({ id, field }) => [id, field])], [1, [['bad', 'link']]]);
    assert.deepEqual(requests(shop, CREATE), []);
    const failed = await get(shop, error.import);
    assert.deepEqual([failed.status, failed.problem.code, failed.on_error], ['failed', 'rows_invalid', 'fail']);
    assert.match((await errors(shop, error.import)).text, /\r\nlink is missing.*,bad,/);
    // Decided afresh: what was bad has been mended.
    fine(await sendCatalogue(w, shop, table(row('a'), row('bad'))));
    assert.equal((await ended(shop, fine(await ask(shop, { on_error: 'fail' }), 202))).success_count, 2);
  });

  test('that is empty, or all bad, is not sent: a replacement would take out everything', async () => {
    const shop = await newShop();
    refused(await ask(shop, { mode: 'replace' }), 422, 'catalogue_empty');
    fine(await sendCatalogue(w, shop, table(row('a', { description: '' }))));
    refused(await ask(shop, { mode: 'replace' }), 422, 'catalogue_empty');
    assert.deepEqual(requests(shop, CREATE), []);
  });

  test('stock and prices alone', async () => {
    const shop = await newShop({ catalogue: table(row('a'), row('b', { stock: '' })) });
    await ended(shop, fine(await ask(shop), 202));
    fine(await sendCatalogue(w, shop, table(row('a', { price: '9.99 EUR', stock: '2' }), row('b', { stock: '3' })), { method: 'PATCH' }));
    const prices = await ended(shop, fine(await ask(shop, { feed_type: 'pricing' }), 202));
    assert.deepEqual([prices.status, prices.success_count], ['succeeded', 2]);
    assert.deepEqual([stripe.catalogue(shop.account).a.price, stripe.catalogue(shop.account).a.inventory_quantity], [{ unit_amount: 999, currency: 'eur' }, 5]);
    const stock = await ended(shop, fine(await ask(shop, { feed_type: 'inventory' }), 202));
    assert.equal(stock.success_count, 2);
    assert.deepEqual(Object.values(stripe.catalogue(shop.account)).map((one) => one.inventory_quantity), [2, 3]);
  });

  test('in live mode it is another catalogue: livemode chooses the account and the key', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    refused(await ask(shop, { livemode: true }), 409, 'not_connected');
    const { account } = await connectShop(w, stripe, shop, { mode: 'live' });
    refused(await ask(shop, { livemode: true }), 409, 'agentic_not_enabled');
    await switchOn(w, shop, account, { livemode: 1 });
    const live = fine(await ask(shop, { livemode: true }), 202);
    assert.deepEqual([live.livemode, live.account], [true, account]);
    assert.equal(stripe.requests.findLast((one) => one.route === CREATE).livemode, true);
    fine(await ask(shop, { livemode: false }), 202);
  });
});

describe('what is refused', () => {
  test('by its shape', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    refused(await api('POST', PATH, { key: shop.key, body: {} }), 400, 'idempotency_key_required');
    refused(await ask(shop, { speed: 1 }), 400, 'parameter_unknown', 'speed');
    for (const name of ['feed_type', 'mode', 'from']) refused(await ask(shop, { [name]: undefined }), 400, 'parameter_missing', name);
    refused(await ask(shop, { feed_type: 'stock' }), 422, 'parameter_invalid', 'feed_type');
    refused(await ask(shop, { from: 'file' }), 422, 'parameter_invalid', 'from');
    refused(await ask(shop, { livemode: 'test' }), 400, 'parameter_invalid_boolean', 'livemode');
    refused(await api('POST', PATH, { key: shop.key, idempotencyKey: 'x', body: '[', }), 400, 'json_invalid');
    refused(await api('POST', PATH, { key: 'ccs_nobody', idempotencyKey: 'x', body: {} }), 401, 'api_key_invalid');
    assert.deepEqual(requests(shop, CREATE), []);
  });

  test('what no feed can do', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    for (const feed_type of ['inventory', 'pricing']) refused(await ask(shop, { feed_type, mode: 'replace' }), 422, 'feed_unsupported', 'mode');
    refused(await ask(shop, { feed_type: 'promotion' }), 422, 'feed_unsupported', 'from');
  });

  test('of whom it is not: not connected, not switched on, switched off, another shop on the account', async () => {
    const alone = await registerShop(w);
    shops.push(alone);
    refused(await ask(alone), 409, 'not_connected');
    const { account } = await connectShop(w, stripe, alone);
    refused(await ask(alone), 409, 'agentic_not_enabled');
    const shop = await newShop({ catalogue: table(row('a')) });
    await switchOn(w, shop, shop.account, { enabled: 0 });
    refused(await ask(shop), 409, 'agentic_not_enabled');
    // It stays switched on for the account that it was before.
    await switchOn(w, shop, account);
    refused(await ask(shop), 409, 'agentic_not_enabled');
    await switchOn(w, shop, shop.account);
    const second = await newShop({ catalogue: table(row('a')), account: shop.account });
    await switchOn(w, second, shop.account, { created: 2 });
    refused(await ask(second), 409, 'account_shared');
    fine(await ask(shop), 202);
  });

  test('a second one of the same feed; products within 15 minutes of an upload, and not of one that failed', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.holdImports();
    const first = fine(await ask(shop), 202);
    const error = refused(await ask(shop), 409, 'import_running');
    assert.equal(error.import, first.id);
    fine(await ask(shop, { feed_type: 'pricing' }), 202);
    stripe.failImport({ code: 'invalid_file', failure_message: 'No.', type: 'cannot_proceed' });
    stripe.holdImports(false);
    assert.equal((await ended(shop, first)).status, 'succeeded');
    const answer = await ask(shop);
    refused(answer, 429, 'import_too_soon');
    const wait = Number(answer.headers.get('retry-after'));
    assert.ok(wait > 880 && wait <= 900, `${wait}`);
    await later(w, shop);
    stripe.failImport({ code: 'invalid_file', failure_message: 'Not a table.', type: 'cannot_proceed' });
    const failed = await ended(shop, fine(await ask(shop), 202));
    // One of the failures was for the prices.
    const end = failed.status === 'failed' ? failed : await ended(shop, fine(await ask(shop), 202));
    assert.deepEqual([end.status, end.problem], ['failed', { code: 'invalid_file', message: end.problem?.message }]);
    fine(await ask(shop), 202);
  });

  test('by Stripe: its words are kept for the key; without the permission, and with a key that is none', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    const restricted = stripe.restrictedKey();
    await w.restart({ STRIPE_TEST_SECRET_KEY: restricted });
    const key = randomUUID();
    const error = refused(await ask(shop, {}, key), 422, 'stripe_refused');
    assert.match(error.message, /Product Catalog Import/);
    const again = await ask(shop, {}, key);
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [422, 'true']);
    await w.restart({ STRIPE_TEST_SECRET_KEY: stripe.restrictedKey({ permissions: ['product_catalog_import_write'] }) });
    fine(await ask(shop), 202);
    await w.restart({ STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret });
  });

  test('another shop sees and reads nothing of it', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    const other = await newShop();
    const { id } = fine(await ask(shop), 202);
    for (const path of [`${PATH}/${id}`, `${PATH}/${id}/errors`, `${PATH}/ccim_${'0'.repeat(26)}`, `${PATH}/x`]) refused(await api('GET', path, { key: other.key }), 404, 'resource_missing');
    assert.deepEqual(await list(other), []);
    refused(await api('GET', `${PATH}?starting_after=${id}`, { key: other.key }), 422, 'resource_missing', 'starting_after');
  });
});

describe('the same key', () => {
  test('the first answer again; another body is a conflict; two at once make one import', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    const key = randomUUID();
    const answers = await Promise.all([ask(shop, {}, key), ask(shop, {}, key)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409]);
    const first = answers.find(({ status }) => status === 202);
    const again = await ask(shop, {}, key);
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [202, first.text, 'true']);
    refused(await ask(shop, { mode: 'replace' }, key), 422, 'idempotency_conflict');
    refused(await send(shop, table(row('a')), { idempotencyKey: key }), 422, 'idempotency_conflict');
    assert.equal(importsOf(shop).length, 1);
  });

  for (const [what, rule] of [
    ['the answer to its making is lost', { on: CREATE, how: 'drop_after' }],
    ['its making never arrives', { on: CREATE, how: 'drop_before' }],
    ['Stripe has trouble', { on: CREATE, how: '500' }],
    ['Stripe has trouble after it made it', { on: CREATE, how: '500_after' }],
    ['the file does not arrive', { on: 'PUT upload', how: 'drop_before' }],
    ['the file is refused', { on: 'PUT upload', how: '500' }],
    ['the answer to the file is lost', { on: 'PUT upload', how: 'drop_after' }],
  ]) {
    for (const who of ['the same key', 'the sweep']) {
      test(`${what}: ${who} brings it to its end, once`, async () => {
        const shop = await newShop({ catalogue: table(row('a'), row('b')) });
        stripe.misbehave(rule);
        const key = randomUUID();
        refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
        stripe.clearMisbehaviour();
        if (who === 'the sweep') await w.scheduled();
        const made = fine(await ask(shop, {}, key), 202);
        const end = await ended(shop, made);
        assert.deepEqual([end.status, end.success_count], ['succeeded', 2]);
        assert.equal((await list(shop)).length, 1);
        // What failed was run again under the same key, so there is one; an import whose making was cut off by a 500 may stand beside it.
        const there = importsOf(shop).filter(({ status }) => status !== 'awaiting_upload');
        assert.equal(there.length, 1, JSON.stringify(there));
        assert.deepEqual(Object.keys(stripe.catalogue(shop.account)), ['a', 'b']);
        assert.equal((await ask(shop, {}, key)).headers.get('idempotent-replayed'), 'true');
      });
    }
  }

  test('an address that has grown too old is asked for anew', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.misbehave({ on: 'PUT upload', how: '500' });
    const key = randomUUID();
    refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
    stripe.advance(16 * 60);
    refused(await ask(shop, {}, key), 503, 'stripe_unavailable');
    const end = await ended(shop, fine(await ask(shop, {}, key), 202));
    assert.deepEqual([end.status, importsOf(shop).length], ['succeeded', 2]);
  });
});

describe('a file of the shop\'s own', () => {
  const uploaded = () => stripe.requests.findLast((one) => one.route === 'PUT upload');

  test('passes as it comes; what Stripe refuses is told, and kept when its link is gone', async () => {
    const shop = await newShop();
    const body = `${HEADER},mine\r\n${row('a')},"x, y"\r\n${row('bad', { price: 'cheap' })},=z\r\n${row('c', { availability: 'maybe' })},\r\n`;
    const made = fine(await send(shop, body), 202);
    assert.deepEqual([made.from, made.on_error, made.rows, made.rejected, made.bytes, made.status], ['file', 'pass', null, 0, Buffer.byteLength(body), 'processing']);
    assert.equal(uploaded().headers['content-length'], String(Buffer.byteLength(body)));
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, end.error_count], ['succeeded_with_errors', 1, 2]);
    assert.deepEqual(end.errors[0], { row: 2, id: 'bad', field: 'price', code: 'stripe_refused', message: 'Invalid price: cheap' });
    await eventually(async () => (await w.d1('SELECT errors_kept AS kept FROM agentic_imports WHERE id = ?', made.id))[0].kept === 1);
    stripe.advance(6 * 60);
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 9 });
    const answer = await errors(shop, made.id);
    assert.equal(answer.text, `stripe_error_message,${HEADER},mine\r\nInvalid price: cheap,bad,Mug bad,A mug.,https://shop.example/bad,https://shop.example/bad.jpg,cheap,in_stock,5,'=z\r\nInvalid availability: maybe,c,Mug c,A mug.,https://shop.example/c,https://shop.example/c.jpg,12.30 USD,maybe,5,\r\n`);
  });

  test('refused rows that could not be fetched are fetched when they are asked for, by a new link', async () => {
    const shop = await newShop();
    stripe.misbehave({ on: 'GET download', how: '500', times: 2 });
    stripe.webhooks.pause();
    const made = fine(await send(shop, table(row('bad', { price: 'x' }))), 202);
    refused(await errors(shop, made.id), 409, 'import_running');
    await stripe.importsDone();
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    stripe.clearMisbehaviour();
    // Nothing was told: the sweep asks.
    await w.scheduled();
    assert.equal((await get(shop, made.id)).status, 'succeeded_with_errors');
    stripe.misbehave({ on: RETRIEVE, how: '500' });
    refused(await errors(shop, made.id), 503, 'stripe_unavailable');
    stripe.advance(6 * 60);
    assert.match((await errors(shop, made.id)).text, /Invalid price/);
    assert.equal((await w.d1('SELECT errors_kept AS kept FROM agentic_imports WHERE id = ?', made.id))[0].kept, 1);
  });

  test('none refused: the header alone, under the columns that were sent', async () => {
    const shop = await newShop();
    const made = fine(await send(shop, table(row('a'))), 202);
    await ended(shop, made);
    assert.equal((await errors(shop, made.id)).text, `stripe_error_message,${HEADER}\r\n`);
  });

  test('with on_error its rows are checked as they pass', async () => {
    const shop = await newShop();
    const body = table(row('a'), row('bad', { price: 'cheap' }), row('c'));
    const query = 'feed_type=product&mode=upsert&on_error=';
    const error = refused(await send(shop, body, { query: `${query}fail` }), 422, 'rows_invalid');
    assert.deepEqual(error.errors, [{ row: 2, id: 'bad', field: 'price', code: 'price_invalid', message: 'price must be an amount and a currency, as in 12.30 USD.' }]);
    assert.deepEqual(requests(shop, CREATE), []);
    assert.match((await errors(shop, error.import)).text, /\r\n"price must be.*,bad,/);
    const made = fine(await send(shop, body, { query: `${query}skip` }), 202);
    assert.deepEqual([made.rows, made.rejected, made.bytes], [2, 1, Buffer.byteLength(table(row('a'), row('c')))]);
    assert.equal(uploaded().headers['content-length'], String(made.bytes));
    assert.deepEqual([(await ended(shop, made)).success_count, Object.keys(stripe.catalogue(shop.account))], [2, ['a', 'c']]);
  });

  test('a large one is not held: bad rows are left out of it as it passes, or it is broken off', async () => {
    const shop = await newShop();
    const text = 'x'.repeat(4000);
    const rows = Array.from({ length: 2000 }, (_, n) => row(`p${n}`, { description: text, price: n % 500 === 499 ? 'cheap' : '5 USD' }));
    const body = table(...rows);
    assert.ok(body.length > 8e6);
    const query = 'feed_type=product&mode=replace&on_error=';
    const error = refused(await send(shop, body, { query: `${query}fail` }), 422, 'rows_invalid');
    assert.equal(error.rejected, 4);
    await eventually(() => importsOf(shop).every(({ status }) => status === 'awaiting_upload'), 'Stripe has a broken-off file');
    const made = fine(await send(shop, body, { query: `${query}skip` }), 202);
    assert.deepEqual([made.rows, made.rejected], [1996, 4]);
    assert.equal(uploaded().headers['content-length'], String(body.length));
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, end.error_count], ['succeeded', 1996, 0]);
    assert.equal((await errors(shop, made.id)).text.split('\r\n').length, 6);
  });

  test('TSV, and the other feeds', async () => {
    const shop = await newShop();
    const made = fine(await send(shop, table(row('a', { description: 'A mug' })).replaceAll(',', '\t'), { type: 'text/tab-separated-values; charset=utf-8' }), 202);
    assert.equal(uploaded().headers['content-type'], 'text/tab-separated-values');
    assert.equal((await ended(shop, made)).status, 'succeeded');
    const other = await newShop();
    const bad = fine(await send(other, table(row('a', { description: 'A mug' }), row('b', { description: 'A mug', price: 'cheap' })).replaceAll(',', '\t'), { type: 'text/tab-separated-values' }), 202);
    assert.equal((await ended(other, bad)).error_count, 1);
    // The event that said so may still be fetching them.
    const kept = await eventually(async () => { const answer = await errors(other, bad.id); return answer.status === 200 && answer; });
    assert.match(kept.text, /^stripe_error_message,id,title[^\t]*\r\nInvalid price: cheap,b,Mug b,[^\t]*cheap[^\t]*\r\n$/);
    const stock = fine(await send(shop, 'id,inventory_quantity\na,3\nnobody,1\n', { query: 'feed_type=inventory&mode=upsert' }), 202);
    const end = await ended(shop, stock);
    assert.deepEqual([end.status, end.error_count, stripe.catalogue(shop.account).a.inventory_quantity], ['succeeded_with_errors', 1, 3]);
    const promotion = fine(await send(shop, 'promotion_id,long_title\nSALE,Ten off\n', { query: 'feed_type=promotion&mode=upsert' }), 202);
    assert.equal((await ended(shop, promotion)).success_count, 1);
  });

  test('what is no file for Stripe makes nothing there', async () => {
    const shop = await newShop();
    const header = refused(await send(shop, 'id,title\n1,x\n'), 422, 'catalogue_header_invalid');
    assert.match(header.message, /description, link, image_link, price, availability/);
    refused(await send(shop, ''), 422, 'catalogue_header_invalid');
    refused(await send(shop, table(row('a')), { query: 'feed_type=product' }), 400, 'parameter_missing', 'mode');
    refused(await send(shop, table(row('a')), { query: 'feed_type=product&mode=merge' }), 422, 'parameter_invalid', 'mode');
    refused(await send(shop, table(row('a')), { query: 'feed_type=product&mode=upsert&livemode=1' }), 400, 'parameter_invalid_boolean', 'livemode');
    refused(await send(shop, table(row('a')), { type: 'application/x-ndjson' }), 415, 'media_type_unsupported');
    refused(await send(shop, table(row('a')), { type: 'text/csv; charset=latin1' }), 415, 'media_type_unsupported');
    refused(await send(shop, table(row('a')), { headers: { 'content-encoding': 'gzip' } }), 415, 'media_type_unsupported');
    refused(await send(shop, table(row('a'), '"open'), { query: 'feed_type=product&mode=upsert&on_error=skip' }), 422, 'catalogue_malformed');
    assert.deepEqual(requests(shop, CREATE), []);
    assert.ok((await list(shop)).every(({ status }) => status === 'failed'));
  });

  test('without its length 411, too long 413, broken off 400 and nothing at Stripe', async () => {
    const shop = await newShop();
    const raw = (headers, body) => new Promise((resolve, reject) => {
      const call = request(`${w.url}${PATH}?feed_type=product&mode=upsert`, { method: 'POST', headers: { authorization: `Bearer ${shop.key}`, 'content-type': 'text/csv', 'idempotency-key': randomUUID(), connection: 'close', ...headers } }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve({ status: response.statusCode, body: JSON.parse(text) });
      });
      call.on('error', reject);
      body(call);
    });
    const chunked = await raw({ 'transfer-encoding': 'chunked' }, (call) => call.end(table(row('a'))));
    assert.deepEqual([chunked.status, chunked.body.error.code], [411, 'length_required']);
    // By hand: what is refused before it was read is answered into a connection that then closes.
    const { hostname, port } = new URL(w.url);
    const socket = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname);
    socket.setEncoding('utf8').on('error', () => {});
    let text = '';
    socket.on('data', (part) => { text += part; });
    socket.write(`POST ${PATH}?feed_type=product&mode=upsert HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${shop.key}\r\nContent-Type: text/csv\r\nIdempotency-Key: large\r\nContent-Length: ${96 * 1024 * 1024}\r\nConnection: close\r\n\r\n${HEADER}\n`);
    if (!socket.closed) await once(socket, 'close');
    assert.match(text, /^HTTP\/1\.1 413 [^]*"body_too_large"/);
    const whole = table(...Array.from({ length: 3000 }, (_, n) => row(`p${n}`, { description: 'y'.repeat(2000) })));
    await assert.rejects(raw({ 'content-length': String(whole.length) }, (call) => { call.write(whole.slice(0, 5_000_000), () => setTimeout(() => call.destroy(), 50)); }));
    await w.d1('UPDATE agentic_imports SET locked_until = 0, check_at = 1 WHERE shop_id = ? AND finished IS NULL', shop.id);
    await w.scheduled();
    assert.deepEqual(importsOf(shop).map(({ status }) => status).filter((status) => status !== 'awaiting_upload'), []);
    assert.deepEqual([...new Set((await list(shop)).map(({ status }) => status))], ['failed']);
  });

  test('the key belongs to the bytes: the same again, others are a conflict; a lost file may be sent again', async () => {
    const shop = await newShop();
    const [key, body] = [randomUUID(), table(row('a'))];
    stripe.misbehave({ on: 'PUT upload', how: 'drop_before' });
    refused(await send(shop, body, { idempotencyKey: key }), 503, 'stripe_unavailable');
    const first = await send(shop, body, { idempotencyKey: key });
    fine(first, 202);
    const again = await send(shop, body, { idempotencyKey: key });
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [202, first.text, 'true']);
    refused(await send(shop, table(row('b')), { idempotencyKey: key }), 422, 'idempotency_conflict');
    refused(await send(shop, body, { idempotencyKey: key, query: 'feed_type=product&mode=replace' }), 422, 'idempotency_conflict');
    assert.equal((await ended(shop, first.body)).success_count, 1);
    assert.equal(importsOf(shop).length, 1);
  });

  test('an answer to the file that takes long: the import is held until it comes', async () => {
    const shop = await newShop();
    stripe.webhooks.pause();
    stripe.misbehave({ on: 'PUT upload', how: 'hold_after' });
    const key = randomUUID();
    const sent = send(shop, table(row('a')), { idempotencyKey: key });
    await stripe.holding();
    const held = async () => (await w.d1('SELECT locked_until AS until FROM agentic_imports WHERE shop_id = ?', shop.id))[0].until;
    const before = await held();
    await eventually(async () => await held() > before, 'it is not held', 25_000);
    stripe.release();
    stripe.webhooks.resume();
    const made = fine(await sent, 202);
    assert.equal((await ended(shop, made)).status, 'succeeded');
  });

  test('a file that Stripe notices late is not taken for one that broke off', async () => {
    const shop = await newShop();
    stripe.lateUploads();
    const made = fine(await send(shop, table(row('a'))), 202);
    for (const checks of [0, 20]) {
      await w.d1('UPDATE agentic_imports SET check_at = 1, checks = ? WHERE id = ?', checks, made.id);
      await w.scheduled();
      assert.equal((await get(shop, made.id)).status, 'processing');
    }
    stripe.lateUploads(false);
    assert.equal((await ended(shop, made)).status, 'succeeded');
    // Hours later it is none that Stripe will notice.
    await later(w, shop);
    stripe.lateUploads();
    const lost = fine(await send(shop, table(row('a'))), 202);
    await w.d1('UPDATE agentic_imports SET check_at = 1, uploaded_at = uploaded_at - 3700 WHERE id = ?', lost.id);
    await w.scheduled();
    assert.deepEqual((await get(shop, lost.id)).problem.code, 'upload_expired');
    stripe.lateUploads(false);
  });

  test('rows are fetched by one at a time: who comes second is told to ask again, and takes nothing away', async () => {
    const shop = await newShop();
    stripe.webhooks.pause();
    const made = fine(await send(shop, table(row('bad', { price: 'x' }), row('worse', { price: 'y' }))), 202);
    await stripe.importsDone();
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    await w.scheduled();
    assert.equal((await get(shop, made.id)).status, 'succeeded_with_errors');
    stripe.misbehave({ on: 'GET download', how: 'hold_before' });
    const first = errors(shop, made.id);
    await stripe.holding();
    refused(await errors(shop, made.id), 503, 'stripe_unavailable');
    stripe.release();
    assert.match((await first).text, /Invalid price: x,bad,[^]*Invalid price: y,worse,/);
    assert.match((await errors(shop, made.id)).text, /Invalid price: x,bad,[^]*Invalid price: y,worse,/);
  });

  test('a key is forgotten after 48 hours, and what it made then is none of the next request\'s', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    const key = randomUUID();
    const first = fine(await ask(shop, { feed_type: 'pricing' }, key), 202);
    await ended(shop, first);
    await w.d1('UPDATE idempotency SET created = created - 49 * 3600 WHERE shop_id = ?', shop.id);
    const second = fine(await ask(shop, { feed_type: 'inventory' }, key), 202);
    assert.notEqual(second.id, first.id);
    assert.equal(second.feed_type, 'inventory');
  });

  test('what Stripe refuses of a file is the key\'s answer too, for these bytes', async (t) => {
    const shop = await newShop();
    await w.restart({ STRIPE_TEST_SECRET_KEY: stripe.restrictedKey() });
    t.after(() => w.restart({ STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret }));
    const files = (id) => [table(row(id)), table(...Array.from({ length: 1200 }, (_, n) => row(`${id}${n}`, { description: 'x'.repeat(4000) })))];
    for (const [at, body] of files('a').entries()) {
      const key = randomUUID();
      const first = await send(shop, body, { idempotencyKey: key });
      refused(first, 422, 'stripe_refused');
      const again = await send(shop, body, { idempotencyKey: key });
      assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [422, first.text, 'true']);
      refused(await send(shop, files('b')[at], { idempotencyKey: key }), 422, 'idempotency_conflict');
    }
    assert.equal(requests(shop, CREATE).length, 2);
  });

  test('a file whose sender does not come back ends with the sweep', async () => {
    const shop = await newShop();
    stripe.misbehave({ on: 'PUT upload', how: 'drop_before' });
    refused(await send(shop, table(row('a'))), 503, 'stripe_unavailable');
    await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE shop_id = ?', shop.id);
    await w.scheduled();
    assert.deepEqual((await list(shop)).map(({ status, problem }) => [status, problem.code]), [['failed', 'upload_broken_off']]);
    fine(await send(shop, table(row('a'))), 202);
  });
});

describe('an address for larger files', () => {
  test('is told once, and to the same key again; D1 has it sealed', async () => {
    const shop = await newShop();
    const key = randomUUID();
    const answer = await ask(shop, { from: 'upload' }, key);
    const made = fine(answer, 202);
    assert.ok(made.upload_url.startsWith(`${stripe.url}/files/`));
    assert.deepEqual([made.status, made.from, made.uploaded_at], ['awaiting_upload', 'upload', null]);
    assert.ok(made.expires_at > made.created);
    assert.deepEqual(JSON.parse((await ask(shop, { from: 'upload' }, key)).text), made);
    assert.equal((await get(shop, made.id)).upload_url, undefined);
    const rows = await w.d1Batch(['SELECT * FROM agentic_imports', 'SELECT * FROM idempotency']);
    assert.ok(!JSON.stringify(rows).includes(made.upload_url.split('/').at(-1)));
    assert.ok(!w.logs().text.includes(made.upload_url.split('/').at(-1)));
    refused(await ask(shop), 409, 'import_running');
    const put = await fetch(made.upload_url, { method: 'PUT', headers: { 'content-type': 'text/csv' }, body: table(row('a')) });
    assert.equal(put.status, 200);
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, end.expires_at], ['succeeded', 1, null]);
    refused(await ask(shop, { from: 'upload' }), 429, 'import_too_soon');
  });

  test('that nobody uses ends, and stands in nobody\'s way', async () => {
    const shop = await newShop();
    const made = fine(await ask(shop, { from: 'upload' }), 202);
    await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE id = ?', made.id);
    await w.scheduled();
    assert.equal((await get(shop, made.id)).status, 'awaiting_upload');
    await w.d1('UPDATE agentic_imports SET check_at = 1, expires_at = expires_at - 9999 WHERE id = ?', made.id);
    await w.scheduled();
    assert.equal((await get(shop, made.id)).problem.code, 'upload_expired');
    fine(await ask(shop, { from: 'upload' }), 202);
  });

  test('an address that is not Stripe\'s gets nothing', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    const create = stripe.imports.create;
    stripe.imports.create = function bent(...args) {
      const made = create.apply(this, args);
      made.status_details.awaiting_upload.upload_url.url = 'https://169.254.169.254/latest/meta-data';
      return made;
    };
    const answer = await ask(shop);
    stripe.imports.create = create;
    refused(answer, 500, 'internal');
    assert.ok(!answer.text.includes('169.254'));
    assert.equal((await list(shop))[0].status, 'failed');
  });
});

describe('what Stripe tells', () => {
  test('has one effect, however often and in whatever order it comes', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.webhooks.pause();
    const made = fine(await ask(shop), 202);
    await stripe.importsDone();
    assert.deepEqual(new Set((await stripe.webhooks.deliver({ order: 'reversed', copies: 2 })).map(({ status }) => status)), new Set([200]));
    assert.equal((await get(shop, made.id)).status, 'succeeded');
    const told = w.logs().lines.filter((line) => line.event === 'stripe_event' && line.type.includes('imports'));
    assert.ok(told.some(({ outcome }) => outcome === 'nothing_new'));
  });

  test('about what is nobody\'s here, or another account\'s, asks nothing of Stripe', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.holdImports();
    const made = fine(await ask(shop), 202);
    await stripe.webhooks.drained();
    const before = stripe.requests.length;
    const event = (more) => ({ id: `evt_${randomUUID().replaceAll('-', '')}`, object: 'v2.core.event', created: '2026-11-28T00:00:00Z', livemode: false, type: 'v2.commerce.product_catalog.imports.succeeded', context: shop.account,
      related_object: { id: made.stripe_import, type: 'v2.commerce.product_catalog_import', url: 'https://evil.example/' }, ...more });
    for (const more of [{ context: 'acct_1other' }, { context: undefined }, { livemode: true }, { related_object: { id: 'pcimprt_unknown', type: 'x', url: 'x' } }, { related_object: { id: '../secret', type: 'x', url: 'x' } }]) {
      assert.deepEqual(await stripe.send(event(more), { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }), [200]);
    }
    assert.equal(stripe.requests.length, before);
    // A genuine one fetches by the id, whatever address it names; what it claims is not believed.
    assert.deepEqual(await stripe.send(event(), { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }), [200]);
    assert.equal(stripe.requests.at(-1).route, RETRIEVE);
    assert.equal((await get(shop, made.id)).status, 'processing');
  });

  test('that cannot be looked up now is not acknowledged', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 1 });
    const made = fine(await ask(shop), 202);
    assert.equal((await ended(shop, made)).status, 'succeeded');
    assert.ok(stripe.webhooks.deliveries.some(({ type, status }) => type.includes('imports') && status === 503));
  });

  test('nothing: the sweep asks', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.webhooks.pause();
    const made = fine(await ask(shop), 202);
    await stripe.importsDone();
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    await w.scheduled();
    assert.equal((await get(shop, made.id)).status, 'succeeded');
  });

  test('Stripe that never says more: it ends, and stands in nobody\'s way', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.holdImports();
    const made = fine(await ask(shop), 202);
    const due = () => w.d1('UPDATE agentic_imports SET check_at = 1, checks = 400 WHERE id = ?', made.id);
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 9 });
    await w.d1('UPDATE agentic_imports SET check_at = 1, checks = 12 WHERE id = ?', made.id);
    await w.scheduled();
    const [{ check_at: next, checks }] = await w.d1('SELECT check_at, checks FROM agentic_imports WHERE id = ?', made.id);
    assert.ok(checks === 13 && Math.abs(next - Date.now() / 1000 - 900) < 30, 'four times an hour, and no more');
    await due();
    await w.scheduled();
    const end = await get(shop, made.id);
    assert.deepEqual([end.status, end.problem.code], ['failed', 'import_lost']);
    await later(w, shop);
    stripe.clearMisbehaviour();
    fine(await ask(shop), 202);
  });

  test('the operator has taken the mode\'s key away: it is counted like Stripe\'s silence', async (t) => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.holdImports();
    const made = fine(await ask(shop), 202);
    const keys = { STRIPE_TEST_SECRET_KEY: w.vars.STRIPE_TEST_SECRET_KEY, STRIPE_TEST_CLIENT_ID: w.vars.STRIPE_TEST_CLIENT_ID };
    await w.restart({ STRIPE_TEST_SECRET_KEY: undefined, STRIPE_TEST_CLIENT_ID: undefined });
    t.after(() => w.restart(keys));
    await w.d1('UPDATE agentic_imports SET check_at = 1, checks = 20 WHERE id = ?', made.id);
    await w.scheduled();
    const [{ check_at: next, checks }] = await w.d1('SELECT check_at, checks FROM agentic_imports WHERE id = ?', made.id);
    assert.ok(checks === 21 && Math.abs(next - Date.now() / 1000 - 900) < 30);
  });

  test('refused rows that cannot be had are asked for ever less often, and in the end no more', async () => {
    const shop = await newShop();
    stripe.webhooks.pause();
    const made = fine(await send(shop, table(row('bad', { price: 'x' }))), 202);
    await stripe.importsDone();
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    stripe.misbehave({ on: 'GET download', how: '500', times: 99 });
    const stored = async () => (await w.d1('SELECT check_at, checks, errors_kept FROM agentic_imports WHERE id = ?', made.id))[0];
    await w.scheduled();
    assert.equal((await get(shop, made.id)).status, 'succeeded_with_errors');
    assert.equal((await stored()).checks, 0);
    for (const [checks, pause] of [[0, 60], [5, 300], [20, 900]]) {
      await w.d1('UPDATE agentic_imports SET check_at = 1, checks = ? WHERE id = ?', checks, made.id);
      await w.scheduled();
      const { check_at: next, checks: counted } = await stored();
      assert.ok(Math.abs(next - Date.now() / 1000 - pause) < 30, `${checks}: ${next}`);
      assert.equal(counted, checks + 1);
    }
    await w.d1('UPDATE agentic_imports SET check_at = 1, checks = 400 WHERE id = ?', made.id);
    await w.scheduled();
    assert.deepEqual(await stored(), { check_at: null, checks: 20 + 380, errors_kept: 1 });
    assert.match((await errors(shop, made.id)).text, /^stripe_error_message,id,title.*\r\n$/);
  });

  test('of an account that was replaced meanwhile: the new connection stays as it is', async () => {
    const shop = await newShop();
    stripe.webhooks.pause();
    const made = fine(await send(shop, table(row('bad', { price: 'x' }))), 202);
    await stripe.importsDone();
    stripe.misbehave({ on: RETRIEVE, how: 'hold_after', times: 9 });
    stripe.webhooks.resume();
    await stripe.holding();
    const { account } = await connectShop(w, stripe, shop, { replace: true, mode: 'test' });
    stripe.clearMisbehaviour();
    assert.equal((await ended(shop, made)).status, 'succeeded_with_errors');
    await w.scheduled();
    const now = fine(await api('GET', '/v1/connection?mode=test', { key: shop.key }));
    assert.deepEqual([now.connected, now.account], [true, account]);
  });

  test('the account is gone: its imports end', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    stripe.holdImports();
    const made = fine(await ask(shop), 202);
    fine(await api('DELETE', '/v1/connection?mode=test', { key: shop.key }));
    await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE id = ?', made.id);
    await w.scheduled();
    assert.equal((await get(shop, made.id)).problem.code, 'connection_gone');
  });
});

describe('stock goes by itself', () => {
  const stockImports = async (shop) => (await list(shop)).filter(({ from }) => from === 'stock');
  const set = async (shop, ...levels) => fine(await api('PATCH', '/v1/catalogue/inventory', { key: shop.key, body: levels.map(([id, inventory_quantity]) => ({ id, inventory_quantity })) }));
  const levels = (shop) => Object.fromEntries(Object.values(stripe.catalogue(shop.account)).map(({ id, inventory_quantity: left }) => [id, left]));
  async function sweep() {
    await w.scheduled();
    await stripe.importsDone();
    await stripe.webhooks.drained();
  }
  async function selling(...ids) {
    const shop = await newShop({ catalogue: table(...ids.map((id) => row(id))) });
    assert.equal((await ended(shop, fine(await ask(shop), 202))).status, 'succeeded');
    return shop;
  }

  test('as one upsert with the next sweep, of what changed; then nothing more', async () => {
    const shop = await selling('a', 'b', 'c');
    await sweep();
    assert.deepEqual(await stockImports(shop), [], 'nothing changed');
    await set(shop, ['a', 4], ['b', 0]);
    await set(shop, ['a', 3]);
    await sweep();
    const [one, ...more] = await stockImports(shop);
    assert.deepEqual([more, one.feed_type, one.mode, one.rows, one.status], [[], 'inventory', 'upsert', 2, 'succeeded']);
    assert.deepEqual(levels(shop), { a: 3, b: 0, c: 5 });
    await sweep();
    assert.equal((await stockImports(shop)).length, 1);
    assert.deepEqual(await w.d1('SELECT * FROM feed_changes WHERE shop_id = ?', shop.id), [], 'what is told is forgotten');
  });

  test('what was taken out cannot be had any more; a replaced catalogue tells all of its stock', async () => {
    const shop = await selling('a', 'b');
    fine(await api('DELETE', '/v1/catalogue/products/b', { key: shop.key }));
    await sweep();
    assert.deepEqual([levels(shop).b, stripe.catalogue(shop.account).b.availability], [0, 'out_of_stock']);
    fine(await sendCatalogue(w, shop, table(row('a', { stock: '1' }), row('b', { stock: '2' }))));
    await sweep();
    assert.deepEqual(levels(shop), { a: 1, b: 2 });
  });

  test('what a new catalogue leaves out cannot be had any more, until it is there again', async () => {
    const shop = await selling('a', 'b', 'c');
    fine(await sendCatalogue(w, shop, table(row('a', { stock: '1' }))));
    await sweep();
    assert.deepEqual(levels(shop), { a: 1, b: 0, c: 0 });
    assert.equal(stripe.catalogue(shop.account).b.availability, 'out_of_stock');
    assert.equal((await stockImports(shop))[0].rows, 3);
    fine(await sendCatalogue(w, shop, table(row('a', { stock: '1' }), row('b', { stock: '7' }))));
    await sweep();
    assert.deepEqual(levels(shop), { a: 1, b: 7, c: 0 });
    for (const id of ['a', 'b']) fine(await api('DELETE', `/v1/catalogue/products/${id}`, { key: shop.key }));
    await sweep();
    assert.deepEqual(levels(shop), { a: 0, b: 0, c: 0 }, 'an empty one too');
    await sweep();
    assert.equal((await stockImports(shop)).length, 3, 'each once');
    assert.deepEqual(await w.d1('SELECT due_at FROM agentic_stock WHERE shop_id = ?', shop.id), [{ due_at: null }]);
  });

  test('a catalogue of which nothing can be told is looked at once', async () => {
    const shop = await newShop();
    await ended(shop, fine(await send(shop, table(row('a'))), 202));
    fine(await sendCatalogue(w, shop, table(row('a'))));
    fine(await api('DELETE', '/v1/catalogue/products/a', { key: shop.key }));
    // As when a product is changed again while the run begins: its change has another number then.
    await w.d1('DELETE FROM feed_changes WHERE shop_id = ?', shop.id);
    await sweep();
    await sweep();
    assert.deepEqual(await stockImports(shop), []);
    assert.deepEqual(await w.d1('SELECT due_at FROM agentic_stock WHERE shop_id = ?', shop.id), [{ due_at: null }]);
    assert.deepEqual(requests(shop, CREATE).length, 1);
  });

  test('a catalogue that is replaced before its stock was sent ends that import; its own follows', async () => {
    const shop = await selling('a');
    await set(shop, ['a', 4]);
    stripe.misbehave({ on: 'PUT upload', how: 'drop_before' });
    await sweep();
    const [left] = await stockImports(shop);
    assert.equal(left.status, 'awaiting_upload');
    assert.match(left.stripe_import, /^pcimprt_/);
    fine(await sendCatalogue(w, shop, table(row('a', { stock: '2' }))));
    await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE shop_id = ? AND finished IS NULL', shop.id);
    await sweep();
    const failed = await get(shop, left.id);
    assert.deepEqual([failed.status, failed.problem.code], ['failed', 'catalogue_changed']);
    await w.d1('UPDATE agentic_stock SET due_at = 1, wait_until = 0 WHERE shop_id = ?', shop.id);
    await sweep();
    assert.deepEqual(levels(shop), { a: 2 });
  });

  test('products that Stripe takes before older stock do not hide what changed in between', async () => {
    const shop = await selling('a');
    await later(w, shop);
    await set(shop, ['a', 4]);
    stripe.holdImports();
    await w.scheduled();
    assert.equal((await stockImports(shop)).length, 1, 'of 4 pieces, not through');
    await set(shop, ['a', 0]);
    const products = fine(await ask(shop), 202);
    stripe.letLastImportGo();
    await eventually(async () => (await get(shop, products.id)).status === 'succeeded');
    assert.deepEqual(levels(shop), { a: 0 });
    stripe.holdImports(false);
    await stripe.importsDone();
    await stripe.webhooks.drained();
    assert.deepEqual(levels(shop), { a: 4 }, 'the older stock was read later');
    await sweep();
    assert.deepEqual(levels(shop), { a: 0 }, 'nothing is sold that is not there');
  });

  test('of another account nothing is known: its stock goes once its own products are there', async () => {
    const shop = await selling('a');
    await set(shop, ['a', 4]);
    await sweep();
    const before = await stockImports(shop);
    assert.equal(before.length, 1);
    ({ account: shop.account } = await connectShop(w, stripe, shop, { replace: true, mode: 'test' }));
    fine(await api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true } }));
    await set(shop, ['a', 3]);
    await sweep();
    assert.equal((await stockImports(shop)).length, 1, 'nothing goes to an account without products');
    await later(w, shop);
    await ended(shop, fine(await ask(shop), 202));
    await set(shop, ['a', 2]);
    await sweep();
    assert.deepEqual(levels(shop), { a: 2 });
  });

  test('before there are products, and while the agents are switched off, nothing goes', async () => {
    const shop = await newShop({ catalogue: table(row('a')) });
    await set(shop, ['a', 1]);
    await sweep();
    assert.deepEqual(await stockImports(shop), []);
    await ended(shop, fine(await ask(shop), 202));
    await switchOn(w, shop, shop.account, { enabled: 0 });
    await set(shop, ['a', 2]);
    await sweep();
    assert.deepEqual(await stockImports(shop), []);
    await switchOn(w, shop, shop.account);
    await w.d1('UPDATE agentic_stock SET due_at = 1 WHERE shop_id = ?', shop.id);
    await sweep();
    assert.deepEqual(levels(shop), { a: 2 });
  });

  test('never two at once, and not beside products', async () => {
    const shop = await selling('a');
    await later(w, shop);
    stripe.holdImports();
    const products = fine(await ask(shop), 202);
    await set(shop, ['a', 1]);
    await w.scheduled();
    assert.deepEqual(await stockImports(shop), []);
    stripe.holdImports(false);
    await ended(shop, products);
    stripe.holdImports();
    await w.scheduled();
    assert.equal((await stockImports(shop)).length, 1);
    await set(shop, ['a', 2]);
    await w.scheduled();
    refused(await ask(shop, { feed_type: 'inventory' }), 409, 'import_running');
    assert.equal((await stockImports(shop)).length, 1);
    stripe.holdImports(false);
    await stripe.importsDone();
    await stripe.webhooks.drained();
    await sweep();
    assert.deepEqual([levels(shop), (await stockImports(shop)).length], [{ a: 2 }, 2]);
  });

  test('Stripe fails: it is tried again later, and nothing is lost', async () => {
    const shop = await selling('a', 'b');
    await set(shop, ['a', 1]);
    stripe.failImport();
    await sweep();
    assert.deepEqual([(await stockImports(shop))[0].status, levels(shop).a], ['failed', 5]);
    await set(shop, ['b', 2]);
    await sweep();
    assert.equal((await stockImports(shop)).length, 1, 'not at once');
    await w.d1('UPDATE agentic_stock SET due_at = 1, wait_until = 0 WHERE shop_id = ?', shop.id);
    stripe.misbehave({ on: 'PUT upload', how: 'drop_before' });
    await sweep();
    assert.equal(levels(shop).a, 5);
    await w.d1('UPDATE agentic_imports SET check_at = 1 WHERE shop_id = ? AND finished IS NULL', shop.id);
    await sweep();
    assert.deepEqual(levels(shop), { a: 1, b: 2 });
  });

  test('a catalogue that is too large to be held is gone through twice, and is whole', async () => {
    const text = 'x'.repeat(4000);
    const rows = Array.from({ length: 1500 }, (_, n) => row(`p${String(n).padStart(4, '0')}`, { description: n === 700 ? '' : text }));
    const shop = await newShop({ catalogue: table(...rows) });
    const made = fine(await ask(shop, { mode: 'replace' }), 202);
    assert.deepEqual([made.rows, made.rejected], [1499, 1]);
    assert.ok(made.bytes > 6e6);
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count, end.error_count, Object.keys(stripe.catalogue(shop.account)).length], ['succeeded', 1499, 0, 1499]);
  });

  test('one with more columns than a file has goes without the rest, and is whole', async () => {
    const shop = await newShop();
    for (const kind of ['cups', 'rugs', 'lamps']) {
      const own = Array.from({ length: 90 }, (_, n) => `${kind}_${n}`);
      const rows = Array.from({ length: 500 }, (_, n) => `${row(`${kind}${n}`, { description: 'x'.repeat(4000) })},${own.join(',')}`);
      fine(await sendCatalogue(w, shop, `${HEADER},${own.join(',')}\n${rows.join('\n')}\n`, { method: 'PATCH' }));
    }
    const made = fine(await ask(shop), 202);
    assert.ok(made.bytes > 6e6);
    const end = await ended(shop, made);
    assert.deepEqual([end.status, end.success_count], ['succeeded', 1500]);
  });

  test('one that is replaced between the two times is counted anew: its columns may be others', async () => {
    const rows = (header, more) => `${header}\n${Array.from({ length: 1500 }, (_, n) => row(`p${n}`, { description: 'x'.repeat(4000) }).replace(/,5$/, more)).join('\n')}\n`;
    const shop = await newShop({ catalogue: rows(HEADER.replace(',inventory_quantity', ''), '') });
    stripe.misbehave({ on: CREATE, how: 'hold_before' });
    const key = randomUUID();
    const asked = ask(shop, {}, key);
    await stripe.holding();
    fine(await sendCatalogue(w, shop, rows(HEADER, ',3')));
    stripe.release();
    refused(await asked, 503, 'stripe_unavailable');
    const end = await ended(shop, fine(await ask(shop, {}, key), 202));
    assert.deepEqual([end.status, end.success_count], ['succeeded', 1500]);
    assert.deepEqual(new Set(Object.values(levels(shop))), new Set([3]));
  });
});

test('a shop takes its imports along when it leaves, and nothing of them stays', async () => {
  const shop = await newShop({ catalogue: table(row('a'), row('bad', { link: '' })) });
  const made = fine(await ask(shop), 202);
  await ended(shop, made);
  const all = fine(await api('GET', '/v1/shop/export', { key: shop.key }));
  assert.deepEqual(all.catalogue_imports.map(({ id, status, from, rejected }) => [id, status, from, rejected]), [[made.id, 'succeeded', 'catalogue', 1]]);
  fine(await api('DELETE', '/v1/shop', { key: shop.key }));
  await eventually(async () => {
    await w.scheduled();
    const left = await w.d1Batch([`SELECT 1 FROM agentic_imports WHERE shop_id = '${shop.id}'`, `SELECT 1 FROM agentic_import_errors WHERE import_id = '${made.id}'`, `SELECT 1 FROM agentic_stock WHERE shop_id = '${shop.id}'`]);
    return left.every((rows) => rows.length === 0);
  }, 'something is left');
});

test('imports and the rows that were not taken go after 30 days', async () => {
  const shop = await newShop({ catalogue: table(row('a'), row('bad', { link: '' })) });
  const made = fine(await ask(shop), 202);
  await ended(shop, made);
  await w.d1('UPDATE agentic_imports SET created = created - 30 * 86400 - 1 WHERE id = ?', made.id);
  await w.scheduled();
  await w.scheduled();
  assert.deepEqual(await w.d1('SELECT id FROM agentic_imports WHERE id = ? UNION ALL SELECT import_id FROM agentic_import_errors WHERE import_id = ?', made.id, made.id), []);
});
