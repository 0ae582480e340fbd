// The largest files: 100 MB and the most rows that there may be, over one another, and one row more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendLarge } from '../support/large.mjs';
import { startWorker } from '../support/worker.mjs';

const ROWS = 250_000;

test('the largest files go in, and memory stays', { timeout: 600_000 }, async (t) => {
  const w = await startWorker();
  let shop;
  t.after(async () => {
    await w.close();
    await shop?.close();
  });
  const one = async (what, more) => {
    w.clearLogs();
    const sent = await sendLarge(w, { shop, ...more });
    shop = sent.shop;
    const { d1 } = await w.logLine((line) => line.event === 'request' && /Products$/.test(line.route) && line.route !== 'listProducts');
    t.diagnostic(`${what}: ${sent.answer.status}, ${(sent.bytes / 1e6).toFixed(1)} MB in ${sent.ms} ms and ${d1} round trips, ${sent.before} → ${sent.peak} MB`);
    return { ...sent, d1 };
  };
  const small = await one('20,000 rows', { rows: 20_000 });
  const first = await one('replace', { rows: ROWS, description: 230 });
  assert.deepEqual([first.answer.status, first.answer.body.accepted], [200, ROWS]);
  // A clean file takes five statements a round trip, of which D1 allows a request 1,000.
  assert.ok(first.bytes > 95e6 && first.d1 * 5 < 1000, `${first.bytes} bytes, ${first.d1} round trips`);
  const over = await one('upsert', { rows: ROWS, description: 190, method: 'PATCH' });
  assert.deepEqual([over.answer.status, over.answer.body.accepted], [200, ROWS]);
  const more = await one('one row more', { rows: ROWS + 1, description: 10 });
  assert.deepEqual([more.answer.status, more.answer.body.error?.code], [422, 'too_many_rows']);
  // D1's own memory is in the figure, so it may grow, but not with the file.
  if (small.peak > 0) assert.ok(over.peak < small.peak + 400, `${small.peak} MB for 20,000 rows, ${over.peak} MB for ${ROWS}`);
});
