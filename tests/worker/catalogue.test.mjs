// Contract, *Agents, catalogue, fulfilment*: files of products, single ones, stock.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { registerAnew, registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const shops = [];
let w, api;

before(async () => {
  w = await startWorker();
  api = documented(w);
});
after(async () => {
  await w?.close();
  for (const one of shops) await one.close();
});

async function newShop() {
  shops.push(await registerShop(w));
  return shops.at(-1);
}
const HEADER = 'id,title,price,availability,inventory_quantity';
const csv = (...rows) => [HEADER, ...rows].join('\n');
const mug = (id, more = '12.30 USD,in_stock,7') => `${id},Mug ${id},${more}`;
const send = (shop, body, more) => sendCatalogue(w, shop, body, more);
const list = async (shop, query = '') => fine(await api('GET', `/v1/catalogue/products?limit=100${query}`, { key: shop.key }));
const ids = async (shop, query) => (await list(shop, query)).data.map(({ id }) => id);
const get = (shop, id) => api('GET', `/v1/catalogue/products/${encodeURIComponent(id)}`, { key: shop.key });
const uploads = async (shop) => fine(await api('GET', '/v1/catalogue/uploads', { key: shop.key })).data;
/** The rows that D1 has of a shop, live or not. */
const kept = async (shop) => (await w.d1('SELECT c.state, count(*) AS n FROM products p JOIN catalogues c ON c.generation = p.generation WHERE c.shop_id = ? GROUP BY 1 ORDER BY 1', shop.id)).map(({ state, n }) => `${state} ${n}`);

/** A request whose body is written by hand. -> {write, end, destroy, answer} */
async function slowly(shop, { method = 'PUT', type = 'text/csv', idempotencyKey = randomUUID(), length } = {}) {
  const { hostname, port } = new URL(w.url);
  const socket = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname);
  await once(socket, 'connect');
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => { text += part; }).on('error', () => {});
  socket.write(`${method} /v1/catalogue/products HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${shop.key}\r\nContent-Type: ${type}\r\nIdempotency-Key: ${idempotencyKey}\r\n`
    + `${length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\nConnection: close\r\n\r\n`);
  const write = (part) => new Promise((resolve) => {
    const bytes = Buffer.from(part);
    socket.write(length === undefined ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes, resolve);
  });
  return {
    write,
    destroy: () => socket.destroy(),
    async end() {
      if (length === undefined) socket.write('0\r\n\r\n');
      return this.answer();
    },
    async answer() {
      if (!socket.closed) await once(socket, 'close');
      const [head, ...rest] = text.split('\r\n\r\n');
      const body = /transfer-encoding: chunked/i.test(head) ? rest.join('\r\n\r\n').replace(/^[0-9a-f]+\r\n/i, '').split('\r\n')[0] : rest.join('\r\n\r\n');
      return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), body: body ? JSON.parse(body) : undefined };
    },
  };
}

describe('a file', () => {
  test('in each of the three forms: what is in it can be read', async () => {
    const shop = await newShop();
    const row = { id: 'mug', title: 'Mug, "big"', price: '12.30 USD', availability: 'in_stock', inventory_quantity: 7, brand: 'Acme', link: 'https://shop.example/mug', color: 'blue', shelf: 'B4' };
    const names = Object.keys(row);
    const forms = {
      'text/csv': `\ufeff${names.join(',')}\r\n${names.map((name) => `"${String(row[name]).replaceAll('"', '""')}"`).join(',')}\r\n`,
      'text/tab-separated-values': `${names.join('\t')}\n${names.map((name) => row[name]).join('\t')}\n`,
      'application/x-ndjson; charset=utf-8': `${JSON.stringify({ ...row, price: { amount: 1230, currency: 'usd' } })}\n`,
    };
    for (const [type, body] of Object.entries(forms)) {
      const upload = fine(await send(shop, body, { type }));
      const { id, started, finished, ...rest } = upload;
      assert.match(id, /^ccup_/);
      assert.ok(finished >= started);
      assert.deepEqual(rest, { object: 'catalogue.upload', mode: 'replace', status: 'succeeded', bytes: Buffer.byteLength(body), accepted: 1, rejected: 0, errors: [], problem: null });
      const { updated, ...product } = fine(await get(shop, 'mug'));
      assert.ok(updated >= started);
      assert.deepEqual(product, {
        object: 'catalogue.product', id: 'mug', title: 'Mug, "big"', price: '12.30 USD', unit_amount: 1230, currency: 'usd', availability: 'in_stock',
        inventory_quantity: 7, inventory_held: 0, is_digital: false, brand: 'Acme', link: 'https://shop.example/mug', color: 'blue', extra: { shelf: 'B4' },
      });
      assert.deepEqual(fine(await api('GET', `/v1/catalogue/uploads/${id}`, { key: shop.key })), upload);
    }
    assert.equal((await uploads(shop)).length, 3);
  });

  test('cut anywhere, within characters, quotes and line ends: the same', async () => {
    const shop = await newShop();
    const body = Buffer.from('\ufeffid,title,price,availability,note\r\nä1,"Mug ""größer""\r\n, 🫖",12.30 EUR,in_stock,ü\r\n2,x,500 JPY,preorder,\r\n');
    const answer = await w.fetch('/v1/catalogue/products', {
      method: 'PUT', duplex: 'half', headers: { authorization: `Bearer ${shop.key}`, 'content-type': 'text/csv', 'idempotency-key': randomUUID() },
      body: new ReadableStream({
        async start(controller) {
          for (const byte of body) {
            controller.enqueue(Uint8Array.of(byte));
            await new Promise(setImmediate);
          }
          controller.close();
        },
      }),
    });
    const upload = await answer.json();
    assert.deepEqual([answer.status, upload.accepted, upload.rejected, upload.bytes], [200, 2, 0, body.length]);
    const { title, extra, price } = fine(await get(shop, 'ä1'));
    assert.deepEqual([title, extra, price], ['Mug "größer"\r\n, 🫖', { note: 'ü' }, '12.30 EUR']);
    // And the key belongs to the bytes, however they were cut.
    const again = await send(shop, body, { idempotencyKey: 'other' });
    assert.deepEqual(fine(again).accepted, 2);
  });

  test('PUT replaces, PATCH goes over it; a row that says nothing about the stock leaves it; delete takes out', async () => {
    const shop = await newShop();
    fine(await send(shop, csv(mug('a'), mug('b'), mug('c'))));
    const patch = (body, type = 'text/csv') => send(shop, body, { method: 'PATCH', type });
    const upload = fine(await patch(`id,title,price,availability,delete\na,Cup a,5 USD,in_stock,\nb,,,,true\nnew,Plate,7 USD,in_stock,false\n`));
    assert.deepEqual([upload.mode, upload.accepted, upload.rejected], ['upsert', 3, 0]);
    assert.deepEqual((await list(shop)).data.map(({ id, title, unit_amount: amount, inventory_quantity: stock }) => [id, title, amount, stock]), [['a', 'Cup a', 500, 7], ['c', 'Mug c', 1230, 7], ['new', 'Plate', 700, null]]);
    assert.deepEqual([await ids(shop, '&query=mug'), await ids(shop, '&query=cup'), await ids(shop, '&query=plates')], [['c'], ['a'], ['new']]);
    fine(await patch('{"id":"a","title":"Cup a","price":"5 USD","availability":"in_stock","inventory_not_tracked":true}', 'application/x-ndjson'));
    assert.equal(fine(await get(shop, 'a')).inventory_quantity, null);
    fine(await send(shop, csv(mug('z'))));
    assert.deepEqual(await ids(shop), ['z']);
    assert.deepEqual(await ids(shop, '&query=cup'), []);
  });

  test('a PATCH before there is a catalogue makes one', async () => {
    const shop = await newShop();
    fine(await send(shop, csv(mug('a')), { method: 'PATCH' }));
    assert.deepEqual(await ids(shop), ['a']);
  });

  test('bad rows are told by number, column and code; of an id that is there twice the later row counts', async () => {
    const shop = await newShop();
    const upload = fine(await send(shop, csv(mug('a'), 'b,,12.345 USD,sold,-1', '', mug('a', '5 USD,in_stock,1'), mug('c', '1 XYZ,in_stock,'), '"d"x,D,1 USD,in_stock,1', mug('e'))));
    assert.deepEqual([upload.accepted, upload.rejected], [2, 4]);
    assert.deepEqual(upload.errors.map(({ row, field, code }) => [row, field, code]), [
      [1, 'id', 'duplicate_id'], [2, 'availability', 'parameter_invalid'], [2, 'inventory_quantity', 'parameter_invalid_integer'],
      [2, 'price', 'price_invalid'], [2, 'title', 'parameter_missing'], [4, 'price', 'currency_unsupported'], [5, null, 'row_malformed'],
    ]);
    assert.match(upload.errors[0].message, /again in row 3/);
    assert.equal(fine(await get(shop, 'a')).unit_amount, 500);
    const answer = await api('GET', `/v1/catalogue/uploads/${upload.id}/errors`, { key: shop.key });
    assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="catalogue-errors.csv"');
    const lines = answer.text.trimEnd().split('\r\n');
    assert.equal(lines[0], 'row,id,field,code,message');
    assert.equal(lines.length, 1 + upload.errors.length);
    assert.equal(lines[1], '1,a,id,duplicate_id,"id is there again in row 3, which counts."');
  });

  test('the later row counts also where the earlier one went in long before', async () => {
    const shop = await newShop();
    // More than a batch.
    const rows = Array.from({ length: 6000 }, (_, n) => mug(`p${n}`));
    const upload = fine(await send(shop, csv(...rows, 'p0,Kettle,1 USD,in_stock,3', 'p5999,Teapot,2 USD,in_stock,3')));
    assert.deepEqual([upload.accepted, upload.rejected, upload.errors.map(({ row, code }) => [row, code])], [6000, 2, [[1, 'duplicate_id'], [6000, 'duplicate_id']]]);
    assert.deepEqual([await ids(shop, '&query=kettle'), await ids(shop, '&query=teapot'), await ids(shop, '&query=mug+p0'), (await ids(shop, '&query=mug+p1'))[0]], [['p0'], ['p5999'], [], 'p1']);
  });

  test('the CSV of errors runs no formula and has all of them, the answer a hundred', async () => {
    const shop = await newShop();
    const rows = Array.from({ length: 1500 }, (_, n) => `=cmd(${n}),,1 USD,in_stock,1`);
    const upload = fine(await send(shop, csv(mug('a'), ...rows)));
    assert.deepEqual([upload.rejected, upload.errors.length], [1500, 100]);
    const { text } = await api('GET', `/v1/catalogue/uploads/${upload.id}/errors`, { key: shop.key });
    const lines = text.trimEnd().split('\r\n').slice(1);
    assert.equal(lines.length, 1500);
    assert.ok(lines.every((line, at) => line === `${at + 2},'=cmd(${at}),title,parameter_missing,title is missing.`), lines.find((line) => !/^\d+,'=cmd/.test(line)));
  });
});

describe('what is refused changes nothing', () => {
  let shop;
  before(async () => {
    shop = await newShop();
    fine(await send(shop, csv(mug('a'), mug('b'))));
  });

  test('a file without a good row, without an id, with an open quote, of another kind', async () => {
    const told = async (body, more) => {
      const answer = await send(shop, body, more);
      return `${answer.status} ${answer.body.error.code}`;
    };
    assert.equal(await told(''), '422 catalogue_empty');
    assert.equal(await told(HEADER), '422 catalogue_empty');
    assert.equal(await told('id,delete\na,true\n'), '422 catalogue_empty');
    assert.equal(await told('sku,title\n1,Mug\n'), '422 catalogue_header_invalid');
    assert.equal(await told('id,title,Title\n1,Mug,Mug\n'), '422 catalogue_header_invalid');
    assert.equal(await told(`${csv(mug('a'))}\n2,"Mug,1 USD,in_stock,1\n`), '422 catalogue_malformed');
    assert.equal(await told(JSON.stringify([{ id: 'a' }]), { type: 'application/x-ndjson' }), '422 catalogue_empty');
    const packed = await w.api('PUT', '/v1/catalogue/products', { key: shop.key, idempotencyKey: randomUUID(), headers: { 'content-type': 'text/csv', 'content-encoding': 'gzip' }, body: csv(mug('z')) });
    assert.equal(`${packed.status} ${packed.body.error.code}`, '415 media_type_unsupported');
    for (const type of ['application/json', 'text/plain', 'text/csv; charset=windows-1252', 'multipart/form-data; boundary=x']) assert.equal(await told(csv(mug('z')), { type }), '415 media_type_unsupported');
    const { error } = (await send(shop, csv('x,,,,', 'y,,,,'))).body;
    assert.deepEqual([error.code, error.rejected, error.errors.length], ['catalogue_empty', 2, 6]);
    const [last] = await uploads(shop);
    assert.deepEqual([last.id, last.status, last.problem.code, last.rejected], [error.upload, 'failed', 'catalogue_empty', 2]);
    assert.deepEqual(await ids(shop), ['a', 'b']);
  });

  test('without a key each file is an attempt of its own', async () => {
    const own = await registerShop(w);
    const put = (...rows) => api('PUT', '/v1/catalogue/products', { key: own.key, headers: { 'content-type': 'text/csv' }, body: csv(...rows) });
    const first = fine(await put(mug('a')));
    const second = await put(mug('a'));
    assert.notEqual(fine(second).id, first.id);
    assert.equal(second.headers.get('idempotent-replayed'), null);
    fine(await put(mug('b')));
    assert.deepEqual(await ids(own), ['b']);
    // Rows that are all bad change nothing, and are told: as a replacement they would take everything from sale.
    const patched = fine(await api('PATCH', '/v1/catalogue/products', { key: own.key, headers: { 'content-type': 'text/csv' }, body: csv('x,,,,') }));
    assert.deepEqual([patched.accepted, patched.rejected, patched.errors.length, patched.status], [0, 1, 3, 'succeeded']);
    assert.deepEqual(await ids(own), ['b']);
    await own.close();
  });

  test('with a key that is none, and with a length beyond the bound', async () => {
    const put = (key) => api('PUT', '/v1/catalogue/products', { key: shop.key, headers: { 'content-type': 'text/csv', 'idempotency-key': key }, body: csv(mug('z')) });
    for (const key of ['x'.repeat(256), 'ü']) refused(await put(key), 400, 'idempotency_key_invalid');
    const large = await slowly(shop, { length: 105 * 1024 * 1024 });
    await large.write(csv(mug('z')));
    const { status, body } = await large.answer();
    assert.deepEqual([status, body.error.code], [413, 'body_too_large']);
    assert.deepEqual(await ids(shop), ['a', 'b']);
  });

  test('a file that breaks off: the catalogue is the one before, the place is free again, and nothing is left of it', async () => {
    for (const length of [undefined, 1_000_000]) {
      const broken = await slowly(shop, { length });
      await broken.write(csv(...Array.from({ length: 5001 }, (_, n) => mug(`broken${n}`))));
      const { accepted } = await eventually(async () => (await uploads(shop)).find((one) => one.status === 'running' && one.accepted > 3000), 'nothing was staged');
      assert.ok((await kept(shop)).includes(`staged ${accepted}`));
      broken.destroy();
      // Whether the Worker still hears of it or is cut off itself is the platform's affair: a minute later it is over.
      await w.d1("UPDATE catalogue_uploads SET locked_until = 1 WHERE status = 'running' AND shop_id = ?", shop.id);
      assert.deepEqual([(await uploads(shop))[0].status, await ids(shop)], ['failed', ['a', 'b']]);
      await w.scheduled();
      assert.match((await uploads(shop))[0].problem.code, /^(upload_broken_off|body_unreadable)$/);
      await eventually(async () => (await w.scheduled(), (await w.d1("SELECT 1 FROM catalogues WHERE shop_id = ? AND state <> 'live'", shop.id)).length === 0), 'staged rows are not swept');
      assert.deepEqual(await kept(shop), ['live 2']);
    }
    fine(await send(shop, csv(mug('a'), mug('b'))));
  });
});

describe('an Idempotency-Key and a file', () => {
  test('the same bytes give the first answer; other bytes, another method or kind are a conflict; a refused one is decided afresh', async () => {
    const shop = await newShop();
    const body = csv(mug('a'));
    const first = await send(shop, body, { idempotencyKey: 'k' });
    fine(first);
    const again = await send(shop, body, { idempotencyKey: 'k' });
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [200, first.text, 'true']);
    for (const [other, more] of [[`${body}\n`, {}], [body.slice(0, -1), {}], [body, { method: 'PATCH' }], [body, { type: 'text/tab-separated-values' }]]) {
      refused(await send(shop, other, { idempotencyKey: 'k', ...more }), 422, 'idempotency_conflict');
    }
    assert.equal((await uploads(shop)).length, 1);
    refused(await send(shop, 'sku\n1\n', { idempotencyKey: 'bad' }), 422, 'catalogue_header_invalid');
    fine(await send(shop, csv(mug('b')), { idempotencyKey: 'bad' }));
    assert.deepEqual(await ids(shop), ['b']);
    // A new key sends it anew.
    fine(await send(shop, body));
    assert.deepEqual(await ids(shop), ['a']);
  });

  test('while it runs: its own key is in flight, another has to wait, its figures can be seen; then it counts', async () => {
    const shop = await newShop();
    fine(await send(shop, csv(mug('old'))));
    const running = await slowly(shop, { idempotencyKey: 'running' });
    const rows = Array.from({ length: 5001 }, (_, n) => mug(`p${String(n).padStart(4, '0')}`));
    await running.write(csv(...rows));
    const seen = await eventually(async () => (await uploads(shop)).find(({ status, accepted }) => status === 'running' && accepted > 3000), 'no figures');
    assert.ok(seen.bytes > 100_000 && seen.finished === null);
    const flying = await send(shop, csv(mug('x')), { idempotencyKey: 'running' });
    refused(flying, 409, 'idempotency_in_flight');
    const busy = refused(await send(shop, csv(mug('x')), { method: 'PATCH' }), 409, 'upload_in_flight');
    assert.equal(busy.upload, seen.id);
    // Nobody sees any of it yet, and single products may be changed.
    assert.deepEqual(await ids(shop), ['old']);
    fine(await api('PUT', '/v1/catalogue/products/meanwhile', { key: shop.key, body: { title: 'Mug', price: '1 USD', availability: 'in_stock' } }));
    await running.write('\nlast,Last,1 USD,in_stock,1\n');
    const { status, body } = await running.end();
    assert.deepEqual([status, body.id, body.accepted], [200, seen.id, 5002]);
    assert.deepEqual([(await list(shop)).data[0].id, (await get(shop, 'meanwhile')).status], ['last', 404]);
    // The key that had to wait may be used now.
    fine(await send(shop, csv(mug('x')), { method: 'PATCH' }));
  });

  test('an upload that was taken over writes nothing any more', async () => {
    const shop = await newShop();
    const stalled = await slowly(shop);
    await stalled.write(csv(...Array.from({ length: 5001 }, (_, n) => mug(`stalled${n}`))));
    await eventually(async () => (await uploads(shop))[0]?.accepted > 3000, 'it has not begun');
    await w.d1('UPDATE catalogue_uploads SET locked_until = 1 WHERE shop_id = ?', shop.id);
    fine(await send(shop, csv(mug('a'))));
    await stalled.write('\nlast,Last,1 USD,in_stock,1\n');
    const { status, body } = await stalled.end();
    assert.deepEqual([status, body.error.code], [409, 'upload_broken_off']);
    assert.deepEqual(await ids(shop), ['a']);
  });
});

describe('single products', () => {
  let shop, other;
  before(async () => {
    shop = await newShop();
    other = await newShop();
  });
  const put = (who, id, body) => api('PUT', `/v1/catalogue/products/${encodeURIComponent(id)}`, { key: who.key, body });
  const good = { title: 'Blue mug', price: '12.30 USD', availability: 'in_stock', brand: 'Acme' };

  test('are written, read, and taken out; what GET answers may be sent back', async () => {
    const made = fine(await put(shop, 'mug', { ...good, inventory_quantity: 3, is_digital: true, color: 'blue', extra: { shelf: 'B4' } }));
    assert.deepEqual([made.unit_amount, made.is_digital, made.inventory_quantity, made.extra], [1230, true, 3, { shelf: 'B4' }]);
    assert.deepEqual(fine(await get(shop, 'mug')), made);
    const again = fine(await put(shop, 'mug', made));
    assert.deepEqual({ ...again, updated: 0 }, { ...made, updated: 0 });
    const less = fine(await put(shop, 'mug', { title: 'Cup', price: '5 USD', availability: 'in_stock' }));
    assert.deepEqual([less.inventory_quantity, less.brand, less.extra], [null, undefined, undefined]);
    assert.deepEqual([await ids(shop, '&query=blue'), await ids(shop, '&query=cup')], [[], ['mug']]);
    refused(await get(other, 'mug'), 404, 'resource_missing');
    assert.deepEqual(fine(await api('DELETE', '/v1/catalogue/products/mug', { key: shop.key })), { object: 'catalogue.product', id: 'mug', deleted: true });
    refused(await api('DELETE', '/v1/catalogue/products/mug', { key: shop.key }), 404, 'resource_missing');
    assert.deepEqual([await ids(shop), await ids(shop, '&query=cup')], [[], []]);
  });

  test('are called whatever the shop calls them', async () => {
    for (const id of ['a/b', 'a.b', 'a:b', 'a b', 'ü%', 'a?b#c', '+', '%2F', '.hidden', '"', "'; --", 'x'.repeat(100)]) {
      fine(await put(shop, id, good));
      assert.equal(fine(await get(shop, id)).id, id);
    }
    assert.deepEqual((await ids(shop)).length, 12);
    for (const id of ['x'.repeat(101), ' ', 'a\nb']) {
      // Such an id names nothing, as an address that is none of ours.
      const answer = await w.api('GET', `/v1/catalogue/products/${encodeURIComponent(id)}`, { key: shop.key });
      refused(answer, 404, 'route_unknown');
    }
  });

  test('are refused by their member', async () => {
    refused(await put(shop, 'mug', { ...good, title: undefined }), 400, 'parameter_missing', 'title');
    refused(await put(shop, 'mug', { ...good, shelf: 'B4' }), 400, 'parameter_unknown', 'shelf');
    refused(await put(shop, 'mug', { ...good, price: '12.345 USD' }), 422, 'price_invalid', 'price');
    refused(await put(shop, 'mug', { ...good, link: 'http://shop.example/' }), 422, 'url_invalid', 'link');
    refused(await put(shop, 'mug', { ...good, id: 'other' }), 422, 'parameter_invalid', 'id');
  });

  test('a sale counts in its time', async () => {
    const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
    const price = async (range) => fine(await put(shop, 'sale', { ...good, sale_price: '10.00 USD', ...(range && { sale_price_effective_date: range }) })).unit_amount;
    assert.deepEqual([await price(), await price(`${day(-1)}/${day(0)}`), await price(`${day(1)}/${day(2)}`), await price(`${day(-3)}/${day(-2)}`)], [1000, 1000, 1230, 1230]);
  });
});

describe('lists', () => {
  let shop;
  before(async () => {
    shop = await newShop();
    const rows = Array.from({ length: 25 }, (_, n) => `p${String(n).padStart(2, '0')},${n % 2 ? 'Blue mug' : 'Red cup'} no ${n},1 USD,in_stock,`);
    fine(await send(shop, `${csv(...rows)}\nÜ-9,Große Schüssel,1 USD,in_stock,`));
  });

  test('go by id, forward and back', async () => {
    const page = async (query) => fine(await api('GET', `/v1/catalogue/products?limit=10&${query}`, { key: shop.key }));
    const first = await page('');
    assert.deepEqual([first.data[0].id, first.data.length, first.has_more, first.url], ['p00', 10, true, '/v1/catalogue/products']);
    const second = await page('starting_after=p09');
    assert.deepEqual([second.data[0].id, second.data.at(-1).id], ['p10', 'p19']);
    const last = await page('starting_after=p19');
    assert.deepEqual([last.data.length, last.has_more, last.data.at(-1).id], [6, false, 'Ü-9']);
    assert.deepEqual((await page('ending_before=p10')).data.map(({ id }) => id), first.data.map(({ id }) => id));
    refused(await api('GET', '/v1/catalogue/products?starting_after=nothing', { key: shop.key }), 422, 'resource_missing', 'starting_after');
    refused(await api('GET', '/v1/catalogue/products?limit=101', { key: shop.key }), 422, 'parameter_invalid_integer', 'limit');
    refused(await api('GET', `/v1/catalogue/products?query=${'x'.repeat(201)}`, { key: shop.key }), 422, 'parameter_invalid', 'query');
  });

  test('a query finds products with all of its words, in pages too', async () => {
    assert.equal((await ids(shop, '&query=mug')).length, 12);
    assert.deepEqual(await ids(shop, '&query=MUGS+blue+7'), ['p07']);
    assert.deepEqual(await ids(shop, '&query=p07'), ['p07']);
    assert.deepEqual(await ids(shop, '&query=schüssel'), ['Ü-9']);
    for (const none of ['mug+cup', 'mu', '!!!', 'nothing']) assert.deepEqual(await ids(shop, `&query=${none}`), [], none);
    const seen = [];
    for (let after = ''; ;) {
      const page = fine(await api('GET', `/v1/catalogue/products?limit=5&query=blue+mug${after}`, { key: shop.key }));
      seen.push(...page.data.map(({ id }) => id));
      if (!page.has_more) break;
      after = `&starting_after=${page.data.at(-1).id}`;
    }
    assert.deepEqual(seen, await ids(shop, '&query=mug'));
  });
});

describe('stock', () => {
  let shop;
  const patch = (body) => api('PATCH', '/v1/catalogue/inventory', { key: shop.key, body });
  const stock = async (id) => { const { inventory_quantity: quantity, inventory_held: held, availability } = fine(await get(shop, id)); return [quantity, held, availability]; };
  before(async () => {
    shop = await newShop();
    fine(await send(shop, csv(mug('a'), mug('b'), mug('c'))));
  });

  test('is set for some at once, and the unknown ones are told', async () => {
    assert.deepEqual(fine(await patch([{ id: 'a', inventory_quantity: 1 }, { id: 'nope', inventory_quantity: 2 }, { id: 'b', inventory_quantity: null, availability: 'preorder' }])),
      { object: 'catalogue.inventory', updated: 2, unknown: ['nope'] });
    assert.deepEqual([await stock('a'), await stock('b'), await stock('c')], [[1, 0, 'in_stock'], [null, 0, 'preorder'], [7, 0, 'in_stock']]);
  });

  test('is refused by its member, all or nothing', async () => {
    refused(await patch([{ id: 'a', inventory_quantity: 5 }, { id: 'c', inventory_quantity: -1 }]), 422, 'parameter_invalid_integer', '[1][inventory_quantity]');
    refused(await patch([{ id: 'a' }]), 400, 'parameter_missing', '[0][inventory_quantity]');
    refused(await patch([{ id: 'a', inventory_quantity: 1, stock: 1 }]), 400, 'parameter_unknown', '[0][stock]');
    refused(await patch([{ id: 'a', inventory_quantity: 1, availability: 'sold' }]), 422, 'parameter_invalid', '[0][availability]');
    refused(await patch([{ id: 'a', inventory_quantity: 1 }, { id: 'a', inventory_quantity: 2 }]), 422, 'duplicate_value');
    refused(await patch([]), 422, 'parameter_invalid');
    refused(await patch({ id: 'a' }), 400, 'json_invalid');
    refused(await patch(Array.from({ length: 1001 }, (_, n) => ({ id: `${n}`, inventory_quantity: 1 }))), 422, 'parameter_invalid');
    assert.deepEqual(await stock('a'), [1, 0, 'in_stock']);
  });

  test('a thousand at once', async () => {
    fine(await send(shop, csv(...Array.from({ length: 1500 }, (_, n) => mug(`s${n}`)))));
    const done = fine(await patch(Array.from({ length: 1000 }, (_, n) => ({ id: `s${n * 2}`, inventory_quantity: n }))));
    assert.deepEqual([done.updated, done.unknown.length], [750, 250]);
    assert.deepEqual([await stock('s1498'), await stock('s1499')], [[749, 0, 'in_stock'], [7, 0, 'in_stock']]);
  });

  test('what is held for payments under way is shown, until it runs out; a day later it is swept', async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const [holder, quantity, ends] of [['one', 2, now + 600], ['two', 1, now + 600], ['late', 4, now - 10], ['old', 4, now - 2 * 86_400]]) {
      await w.d1('INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES (?, ?, ?, ?, ?)', holder, shop.id, 's1', quantity, ends);
    }
    assert.deepEqual(await stock('s1'), [7, 3, 'in_stock']);
    assert.equal((await list(shop)).data.find(({ id }) => id === 's1').inventory_held, 3);
    await w.scheduled();
    assert.deepEqual((await w.d1('SELECT holder FROM stock_holds ORDER BY 1')).map(({ holder }) => holder), ['late', 'one', 'two']);
  });
});

test('what was replaced is swept, slice by slice, and uploads are forgotten after a month', async () => {
  const shop = await newShop();
  const many = (name, count) => csv(...Array.from({ length: count }, (_, n) => mug(`${name}${n}`)));
  fine(await send(shop, many('a', 3000)));
  const { id } = fine(await send(shop, `${many('b', 10)}\nbad,,,,`));
  // By the request itself behind its answer, or else by the sweep.
  await eventually(async () => (await w.scheduled(), (await w.d1("SELECT 1 FROM catalogues WHERE shop_id = ? AND state <> 'live'", shop.id)).length === 0), 'it is not swept', 20_000);
  assert.deepEqual(await kept(shop), ['live 10']);
  for (const table of ['products', 'product_words']) {
    const [{ n }] = await w.d1(`SELECT count(*) AS n FROM ${table} WHERE generation NOT IN (SELECT generation FROM catalogues)`);
    assert.equal(n, 0, table);
  }
  await w.d1('UPDATE catalogue_uploads SET started = 1 WHERE id = ?', id);
  await w.scheduled();
  assert.deepEqual(await w.d1('SELECT 1 FROM catalogue_errors WHERE upload_id = ?', id), []);
  await w.scheduled();
  assert.deepEqual(await w.d1('SELECT 1 FROM catalogue_uploads WHERE id = ?', id), []);
  assert.equal((await ids(shop)).length, 10);
});

describe('a shop takes its catalogue along, and leaves', () => {
  test('the export has it, as it is shown; nothing of it is left afterwards', async () => {
    const shop = await newShop();
    fine(await send(shop, csv(...Array.from({ length: 1203 }, (_, n) => mug(`p${n}`)), 'ü,Ü,1 USD,in_stock,1', 'bad,,,,')));
    const rules = { shipping: [{ id: 'post', title: 'Post', amount: 500, currency: 'usd', countries: ['US'] }], digital: [], tax: [], coupons: [{ code: 'TEN', percent_off: 10 }] };
    fine(await api('PUT', '/v1/shop/fulfillment', { key: shop.key, body: rules }));
    const all = fine(await api('GET', '/v1/shop/export', { key: shop.key }));
    assert.equal(new Set(all.products.map(({ id }) => id)).size, 1204);
    assert.deepEqual(all.products.find(({ id }) => id === 'ü'), fine(await get(shop, 'ü')));
    assert.deepEqual(all.fulfillment, rules);
    await w.d1("INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES ('leaving', ?, 'p1', 1, 9999999999)", shop.id);
    await w.d1("INSERT INTO coupon_redemptions (shop_id, code, count) VALUES (?, 'ten', 1)", shop.id);
    const [{ generation }] = await w.d1('SELECT generation FROM catalogues WHERE shop_id = ?', shop.id);
    fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    await eventually(async () => {
      await w.scheduled();
      const counts = await w.d1Batch(['catalogues', 'catalogue_uploads', 'stock_holds', 'fulfillment', 'coupon_redemptions'].map((table) => `SELECT count(*) AS n FROM ${table} WHERE shop_id = '${shop.id}'`)
        .concat(['products', 'product_words'].map((table) => `SELECT count(*) AS n FROM ${table} WHERE generation = ${generation}`), `SELECT count(*) AS n FROM catalogue_errors WHERE product_id = 'bad' AND upload_id NOT IN (SELECT id FROM catalogue_uploads)`));
      return counts.every(([{ n }]) => n === 0);
    }, 'something of the catalogue is left', 20_000);
  });

  test('a file that is under way while its shop leaves does not come to count', async () => {
    const shop = await newShop();
    const running = await slowly(shop);
    await running.write(csv(mug('a')));
    await eventually(async () => (await uploads(shop))[0]?.status === 'running', 'it has not begun');
    fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    const { status, body } = await running.end();
    assert.deepEqual([status, body.error.code], [409, 'upload_broken_off']);
    await eventually(async () => (await w.scheduled(), (await w.d1('SELECT 1 FROM catalogues WHERE shop_id = ?', shop.id)).length === 0));
    assert.deepEqual(await w.d1("SELECT 1 FROM products p JOIN catalogues c ON c.generation = p.generation WHERE c.shop_id = ?", shop.id), []);
  });
});

test('a shop whose site was registered anew has no catalogue any more', async () => {
  const shop = await newShop();
  fine(await send(shop, csv(mug('a'))));
  const running = await slowly(shop);
  await running.write(csv(mug('b')));
  await eventually(async () => (await uploads(shop))[0].status === 'running', 'it has not begun');
  const again = await registerAnew(w, shop);
  assert.equal((await running.end()).status, 409);
  await eventually(async () => (await w.scheduled(), (await w.d1('SELECT 1 FROM catalogues WHERE shop_id = ?', shop.id)).length === 0), 'it is still there');
  assert.deepEqual(await ids({ key: again.key }), []);
});

test('a shop that is not verified has no catalogue', async (t) => {
  const pending = await registerShop(w, { verify: false });
  t.after(() => pending.close());
  refused(await send(pending, csv(mug('a'))), 403, 'shop_not_verified');
  for (const path of ['/v1/catalogue/products', '/v1/catalogue/uploads']) refused(await api('GET', path, { key: pending.key }), 403, 'shop_not_verified');
});
