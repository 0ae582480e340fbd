// The local Stripe takes catalogues: by imports of v2, and the way before it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { listener, start } from './support.mjs';

const V2 = '/v2/commerce/product_catalog/imports';
const UDAP = '2025-09-30.clover;udap_beta=v1';
const HEADER = 'id,title,description,link,image_link,price,availability,inventory_quantity';
const row = (id, more = '12.30 USD,in_stock,5') => `${id},Mug,A mug,https://s.example/${id},https://s.example/${id}.jpg,${more}`;
const table = (...rows) => `${[HEADER, ...rows].join('\n')}\n`;
let stripe, call, account, ear;

before(async () => {
  const made = await start();
  ({ stripe, call } = made);
  account = await made.merchant();
  ear = await listener();
});
after(async () => {
  await stripe.close();
  await ear.close();
});

const json = (method, path, body, { headers = {}, secret, key } = {}) => call(method, path, body === undefined ? undefined : JSON.stringify(body), { account, secret, key, headers: { 'Content-Type': 'application/json', ...headers } });
const create = (more = {}, options) => json('POST', V2, { feed_type: 'product', mode: 'upsert', metadata: {}, ...more }, options);
const put = (url, body, headers = {}) => fetch(url, { method: 'PUT', body, headers: { 'content-type': 'text/csv', ...headers } });
const get = async (id) => (await call('GET', `${V2}/${id}`, undefined, { account })).body;
const upload = async (made, body) => {
  const answer = await put(made.status_details.awaiting_upload.upload_url.url, body);
  assert.equal(answer.status, 200);
  await stripe.importsDone();
  return get(made.id);
};
const made = async (more) => (await create(more)).body;

describe('imports of v2', () => {
  test('all three members are required, unknown ones and words are refused', async () => {
    for (const name of ['feed_type', 'mode', 'metadata']) {
      const { error } = (await create({ [name]: undefined })).body;
      assert.deepEqual([error.code, error.message], ['missing_field', `The field ${name} is required.`]);
    }
    assert.equal((await create({ speed: 1 })).body.error.code, 'unknown_field');
    assert.equal((await create({ feed_type: 'stock' })).status, 400);
    for (const feed_type of ['inventory', 'pricing', 'promotion']) assert.match((await create({ feed_type, mode: 'replace' })).body.error.message, /upsert only/);
    assert.equal((await call('POST', V2, 'feed_type=product', { account })).status, 400);
    const { status, body } = await create({}, { secret: stripe.restrictedKey() });
    assert.deepEqual([status, body.error.code], [403, 'more_permissions_required_for_application']);
    assert.equal((await create({}, { secret: stripe.restrictedKey({ permissions: ['product_catalog_import_write'] }) })).status, 200);
  });

  test('the same key gives the same import; what failed is run again', async () => {
    stripe.misbehave({ on: `POST ${V2}`, how: '500_after' });
    assert.equal((await create({}, { key: 'k1' })).status, 500);
    const first = await create({}, { key: 'k1' });
    const again = await create({}, { key: 'k1' });
    assert.deepEqual([first.status, again.body.id, again.headers.get('idempotent-replayed')], [200, first.body.id, 'true']);
  });

  test('an address takes one file, of a known length and type, without a key, in its time', async () => {
    const one = await made();
    const { url } = one.status_details.awaiting_upload.upload_url;
    assert.equal((await put(url, 'x', { 'content-type': 'application/json' })).status, 400);
    assert.equal((await put(url, 'x', { authorization: 'Bearer sk' })).status, 400);
    const chunked = await fetch(url, { method: 'PUT', duplex: 'half', headers: { 'content-type': 'text/csv' }, body: new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode('x')); controller.close(); } }) });
    assert.equal(chunked.status, 411);
    assert.equal((await get(one.id)).status, 'awaiting_upload');
    assert.equal((await upload(one, table(row('a')))).status, 'succeeded');
    assert.equal((await put(url, table(row('a')))).status, 403);
    const late = await made();
    stripe.advance(16 * 60);
    assert.equal((await put(late.status_details.awaiting_upload.upload_url.url, table(row('a')))).status, 403);
  });

  test('rows are judged one by one; refused ones are in a file whose link dies, and can be had anew', async () => {
    const end = await upload(await made({ mode: 'replace' }), table(row('good'), row('cheap', 'cheap,in_stock,1'), row('maybe', '1 USD,maybe,1'), row('many', '1 USD,in_stock,many'), ',,,,,,,', '"x ""y""",Mug,"A, b",https://s.example/x,https://s.example/x.jpg,12.30 USD,in_stock,5', '"open'));
    const { success_count, error_count, samples, error_file } = end.status_details.succeeded_with_errors;
    assert.deepEqual([end.status, success_count, error_count, samples[0]], ['succeeded_with_errors', '2', '4', { error_message: 'Invalid price: cheap', field: 'price', id: 'cheap', row: '2' }]);
    assert.deepEqual(Object.keys(stripe.catalogue(account)), ['good', 'x "y"']);
    assert.deepEqual(stripe.catalogue(account).good.price, { unit_amount: 1230, currency: 'usd' });
    const { url } = error_file.download_url;
    const text = await (await fetch(url)).text();
    assert.equal(text.split('\n')[0], `stripe_error_message,${HEADER}`);
    assert.match(text, /^Invalid price: cheap,cheap,/m);
    stripe.advance(6 * 60);
    assert.equal((await fetch(url)).status, 403);
    const anew = (await get(end.id)).status_details.succeeded_with_errors.error_file.download_url.url;
    assert.equal(await (await fetch(anew)).text(), text);
  });

  test('upsert goes over what is there, replace takes the place of it, delete takes out; stock and prices of what there is', async () => {
    await upload(await made({ mode: 'replace' }), table(row('a'), row('b')));
    await upload(await made(), `id,delete\na,true\n`);
    assert.deepEqual(Object.keys(stripe.catalogue(account)), ['b']);
    const stock = await upload(await made({ feed_type: 'inventory' }), 'id,availability,inventory_quantity,inventory_not_tracked\nb,out_of_stock,0,\nz,in_stock,1,\n');
    assert.deepEqual([stock.status, stripe.catalogue(account).b.inventory_quantity, stripe.catalogue(account).b.availability], ['succeeded_with_errors', 0, 'out_of_stock']);
    await upload(await made({ feed_type: 'pricing' }), 'id,price\nb,500 JPY\n');
    assert.deepEqual(stripe.catalogue(account).b.price, { unit_amount: 500, currency: 'jpy' });
    assert.equal((await upload(await made(), 'title\nx\n')).status_details.failed.code, 'invalid_file');
  });

  test('tells of it by thin events, to thin endpoints only; can be held, and fail', async () => {
    stripe.setWebhooks([{ url: ear.url, secret: 'whsec_a', connect: true }, { url: ear.url, secret: 'whsec_b', connect: true, event_payload: 'thin' }]);
    stripe.holdImports();
    const one = await made();
    await put(one.status_details.awaiting_upload.upload_url.url, table(row('a')));
    await stripe.webhooks.drained();
    assert.equal((await get(one.id)).status, 'processing');
    stripe.holdImports(false);
    await stripe.importsDone();
    stripe.failImport({ code: 'internal_error', failure_message: 'No.' });
    assert.deepEqual((await upload(await made(), table(row('a')))).status_details.failed, { code: 'internal_error', failure_message: 'No.', type: 'transient_failure' });
    await stripe.webhooks.drained();
    assert.deepEqual(ear.types().map((type) => type.split('.').at(-1)), ['processing', 'succeeded', 'processing', 'failed']);
    const { event } = ear.heard[0];
    assert.deepEqual([event.object, event.context, event.related_object.id, event.livemode, 'pending_webhooks' in event], ['v2.core.event', account, one.id, false, false]);
    stripe.setWebhooks([]);
  });

  test('belongs to one account in one mode', async () => {
    const one = await made();
    assert.equal((await call('GET', `${V2}/${one.id}`)).status, 404);
    assert.deepEqual((await call('GET', V2, { status: 'awaiting_upload', limit: 1 }, { account })).body.data.map(({ id }) => id), [one.id]);
  });
});

describe('files and import sets', () => {
  const file = (fields, options = {}) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value, ...(value instanceof Blob ? ['catalogue.csv'] : []));
    return fetch(`${stripe.url}/v1/files`, { method: 'POST', body, headers: { Authorization: `Bearer ${stripe.keys.test.secret}`, 'Stripe-Account': account, ...options } });
  };
  const csv = (text, type = 'text/csv') => new Blob([text], { type });
  const purpose = 'data_management_manual_upload';

  test('a file has a purpose, a type and a size; its contents can be had', async () => {
    const answer = await file({ purpose, file: csv(table(row('a'))) });
    const object = await answer.json();
    assert.deepEqual([answer.status, object.purpose, object.size, object.type], [200, purpose, table(row('a')).length, 'csv']);
    const contents = await fetch(`${stripe.url}/v1/files/${object.id}/contents`, { headers: { Authorization: `Bearer ${stripe.keys.test.secret}`, 'Stripe-Account': account } });
    assert.equal(await contents.text(), table(row('a')));
    assert.equal((await (await file({ purpose: 'fun', file: csv('x') })).json()).error.param, 'purpose');
    assert.equal((await (await file({ purpose })).json()).error.param, 'file');
    assert.equal((await (await file({ file: csv('x') })).json()).error.param, 'purpose');
    assert.match((await (await file({ purpose, file: csv('x', 'image/png') })).json()).error.message, /CSV or TSV/);
  });

  test('import sets exist under their own header only, and take a file once', async () => {
    const { id } = await (await file({ purpose, file: csv(table(row('set'), row('bad', 'x,in_stock,1'))) })).json();
    const post = (version, more = {}) => call('POST', '/v1/data_management/import_sets', { file: id, standard_data_format: 'product_catalog_feed', ...more }, { account, version });
    assert.match((await post('2026-10-28.endive')).body.error.message, /Unrecognized request URL/);
    assert.match((await post('2026-10-14.preview')).body.error.message, /Unrecognized request URL/);
    assert.equal((await post(UDAP, { standard_data_format: 'pricing_feed' })).status, 400);
    const set = (await post(UDAP)).body;
    assert.equal(set.status, 'pending');
    await stripe.importsDone();
    const { body } = await call('GET', `/v1/data_management/import_sets/${set.id}`, undefined, { account, version: UDAP });
    assert.deepEqual([body.status, body.result.errors.row_count, body.result.successes.row_count, body.result.rows_processed], ['succeeded_with_errors', 1, 1, 2]);
    assert.match(body.result.errors.file, /^file_/);
    assert.ok(stripe.catalogue(account).set);
    assert.equal((await post(UDAP)).status, 400);
  });
});

test('the Dashboard shows the imports and the products', async () => {
  const page = await (await fetch(`${stripe.url}/dashboard/accounts/${account}/catalogue`)).text();
  assert.match(page, /import set/);
  assert.match(page, /Invalid price|succeeded with errors/);
  assert.match(page, /12\.30/);
  assert.equal((await fetch(`${stripe.url}/dashboard/accounts/acct_1nobody/catalogue`)).status, 404);
  assert.match(await (await fetch(`${stripe.url}/dashboard/accounts/${account}`)).text(), /Catalogue for agents/);
  assert.equal((await fetch(`${stripe.url}/dashboard/events`)).status, 200);
});
