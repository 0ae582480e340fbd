// 100,000 products in one file: read in batches, watched meanwhile, searched afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sendLarge } from '../support/large.mjs';
import { startWorker } from '../support/worker.mjs';

const ROWS = 100_000;
let w, shop;

before(async () => { w = await startWorker(); });
after(async () => {
  await w?.close();
  await shop?.close();
});

test(`${ROWS} products in one file`, { timeout: 120_000 }, async (t) => {
  const seen = [];
  const sent = await sendLarge(w, { rows: ROWS, onProgress: ({ accepted, bytes }) => seen.push([accepted, bytes]) });
  shop = sent.shop;
  assert.equal(sent.answer.status, 200, JSON.stringify(sent.answer.body));
  assert.deepEqual([sent.answer.body.accepted, sent.answer.body.rejected, sent.answer.body.bytes], [ROWS, 0, sent.bytes]);
  const figures = [...new Set(seen.map(([accepted]) => accepted))];
  assert.ok(figures.length >= 5, `the figures hardly moved: ${figures}`);
  assert.deepEqual(figures, figures.toSorted((a, b) => a - b));
  const { d1 } = await w.logLine((line) => line.event === 'request' && line.route === 'replaceProducts');
  t.diagnostic(`${(sent.bytes / 1e6).toFixed(1)} MB in ${sent.ms} ms and ${d1} round trips; the runtime (with D1 in it) had ${sent.before} MB before and ${sent.peak} MB at most`);
  // Each takes at most six statements, of which D1 allows a request 1,000.
  assert.ok(d1 * 6 < 1000, `${d1} round trips`);
});

test('and they are found at once', async (t) => {
  const times = [];
  const ask = async (query) => {
    const began = performance.now();
    const { status, body } = await w.api('GET', `/v1/catalogue/products${query}`, { key: shop.key });
    times.push(Math.round(performance.now() - began));
    assert.equal(status, 200);
    return body.data.map(({ id }) => id);
  };
  const last = (await ask('?limit=100&starting_after=SKU-99990')).at(-1);
  assert.equal(last, 'SKU-99999');
  assert.deepEqual(await ask('?query=mug+77777'), ['SKU-77777']);
  assert.equal((await ask('?query=blue+mug&limit=100')).length, 100);
  // Two words of many products each, which none has together with a third.
  assert.deepEqual(await ask('?query=mug+acme+nothing'), []);
  t.diagnostic(`each in ${times.join(', ')} ms`);
  assert.ok(Math.max(...times) < 1_000, times.join());
});
