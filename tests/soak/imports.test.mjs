// The largest catalogues on their way to Stripe: a file of 95 MB that is passed on, and one of 200 MB that is made of the Worker's
// catalogue and goes by the Files API. Neither is held.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { HEADER, importingShop, PATH, row } from '../support/imports.mjs';
import { runtimeMemory } from '../support/memory.mjs';
import { startWorker } from '../support/worker.mjs';

async function setting(t, vars = {}) {
  const stripe = await startStripe({ retryPauses: [] });
  const w = await startWorker({ stripe, vars });
  const shops = [];
  t.after(async () => {
    await w.close();
    await stripe.close();
    for (const one of shops) await one.close();
  });
  return { stripe, w, shop: await importingShop(w, stripe, shops) };
}

/** The most that the runtime took while something was done. -> { result, before, peak (MB), ms } */
async function watched(work) {
  const before = runtimeMemory();
  let [peak, running] = [before, true];
  const watch = (async () => {
    while (running) {
      peak = Math.max(peak, runtimeMemory());
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  })();
  const began = performance.now();
  const result = await work();
  running = false;
  await watch;
  return { result, before: Math.round(before), peak: Math.round(peak), ms: Math.round(performance.now() - began) };
}

/** Sends a file of exactly so many bytes; the last row is filled up. */
async function sendFile(w, shop, bytes, query) {
  const encoder = new TextEncoder();
  const filler = 'x'.repeat(700);
  let [sent, n] = [0, -1];
  const body = new ReadableStream({
    pull(controller) {
      let text = '';
      while (text.length < 64 * 1024 && sent + text.length < bytes) {
        let line = n < 0 ? `${HEADER}\n` : `${row(`p${n}`, { description: filler, price: n % 1000 === 999 && query.includes('on_error') ? 'cheap' : '5 USD' })}\n`;
        const left = bytes - sent - text.length;
        if (left < line.length + 1200) line = `${row(`p${n}`, { description: 'y'.repeat(Math.max(1, left - row(`p${n}`, { description: '' }).length - 1)) })}\n`;
        text += line;
        n += 1;
      }
      sent += text.length;
      if (text) controller.enqueue(encoder.encode(text));
      if (sent >= bytes) controller.close();
    },
  });
  const answer = await w.fetch(`${PATH}?feed_type=product&mode=replace${query}`, {
    method: 'POST', duplex: 'half', body, headers: { authorization: `Bearer ${shop.key}`, 'content-type': 'text/csv', 'content-length': String(bytes), 'idempotency-key': randomUUID() },
  });
  return { status: answer.status, body: await answer.json(), rows: n };
}

const MB = 1024 * 1024;
for (const [what, query] of [['as it comes', ''], ['its rows checked as they pass', '&on_error=skip']]) {
  test(`95 MB through the Worker, ${what}`, { timeout: 300_000 }, async (t) => {
    const { stripe, w, shop } = await setting(t);
    stripe.failImport();
    const small = await watched(() => sendFile(w, shop, 48 * MB, query));
    assert.equal(small.result.status, 202, JSON.stringify(small.result.body));
    await stripe.importsDone();
    await stripe.webhooks.drained();
    await w.scheduled();
    const large = await watched(() => sendFile(w, shop, 95 * MB, query));
    assert.equal(large.result.status, 202, JSON.stringify(large.result.body));
    const { d1 } = await w.logLine((line) => line.route === 'createImport' && line.ms > 0 && line.status === 202);
    t.diagnostic(`${what}: ${large.result.rows} rows in ${large.ms} ms; ${d1} round trips; the runtime had ${large.before} MB before and ${large.peak} MB at most (48 MB: ${small.before} → ${small.peak})`);
    // The runtime takes some 100 MB until it collects what passed, and no more for a larger file.
    if (large.peak > 0) assert.ok(large.peak < small.peak + 60, `${small.peak} MB for 48 MB, ${large.peak} MB for 95 MB`);
    await stripe.importsDone();
    await stripe.webhooks.drained();
    await w.scheduled();
    const end = (await w.api('GET', `${PATH}/${large.result.body.id}`, { key: shop.key })).body;
    assert.equal(end.status, 'succeeded', JSON.stringify(end));
    assert.equal(end.success_count + end.rejected, large.result.rows);
  });
}

test('200 MB of the Worker\'s catalogue by the Files API', { timeout: 900_000 }, async (t) => {
  const { stripe, w, shop } = await setting(t, { STRIPE_CATALOGUE_API: 'import_sets' });
  const fill = (rows, length) => w.d1Batch([
    `DELETE FROM products WHERE generation = (SELECT generation FROM catalogues WHERE shop_id = '${shop.id}' AND state = 'live')`,
    `INSERT OR IGNORE INTO catalogues (shop_id, state) VALUES ('${shop.id}', 'live')`,
    `INSERT INTO products (generation, id, title, description, link, image_link, price, currency, availability, inventory_quantity, digital, extra, words, updated)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
     SELECT (SELECT generation FROM catalogues WHERE shop_id = '${shop.id}' AND state = 'live'), printf('SKU-%07d', i), 'Mug no ' || i, replace(hex(zeroblob(${length / 2})), '0', 'x'),
       'https://shop.example/p/' || i, 'https://shop.example/i/' || i || '.jpg', 1230, 'usd', 'in_stock', i % 50, 0, '{}', '[]', 1 FROM n`,
  ]);
  const send = () => w.api('POST', PATH, { key: shop.key, idempotencyKey: randomUUID(), body: { feed_type: 'product', mode: 'upsert', from: 'catalogue' } });
  await fill(10_000, 700);
  stripe.failImport();
  const small = await watched(send);
  assert.equal(small.result.status, 202, small.result.text);
  await stripe.importsDone();
  await w.scheduled();
  await fill(248_000, 700);
  w.clearLogs();
  const large = await watched(send);
  assert.equal(large.result.status, 202, large.result.text);
  const { bytes, rows, id } = large.result.body;
  assert.ok(bytes > 199e6, `${bytes} bytes`);
  const { d1 } = await w.logLine((line) => line.event === 'request' && line.route === 'createImport');
  t.diagnostic(`${(bytes / 1e6).toFixed(1)} MB, ${rows} rows in ${large.ms} ms and ${d1} round trips; the runtime (with D1 in it) had ${large.before} MB before and ${large.peak} MB at most (${(small.result.body.bytes / 1e6).toFixed(1)} MB: ${small.before} → ${small.peak})`);
  // One statement a round trip, of which D1 allows a request 1,000.
  assert.ok(d1 < 600, `${d1} round trips`);
  if (large.peak > 0) assert.ok(large.peak < large.before + 150, `${large.before} MB before, ${large.peak} MB at most`);
  await stripe.importsDone();
  await w.scheduled();
  const end = (await w.api('GET', `${PATH}/${id}`, { key: shop.key })).body;
  assert.deepEqual([end.status, end.success_count, end.error_count], ['succeeded', rows, 0]);
});
