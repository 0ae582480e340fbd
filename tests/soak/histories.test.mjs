// The histories of tests/worker/histories.test.mjs, many and each time others. SEED and HISTORIES choose them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playHistories } from '../support/histories.mjs';

test('whatever happens in whatever order, the ledger says what happened to the money', async (t) => {
  const [seed, count] = [Number(process.env.SEED ?? Date.now() % 1_000_000_000), Number(process.env.HISTORIES ?? 500)];
  t.diagnostic(`SEED=${seed}`);
  const figures = await playHistories({ seed, count, lanes: 4, seconds: Number(process.env.SOAK_SECONDS ?? Infinity) });
  t.diagnostic(`histories: ${JSON.stringify(figures)}`);
  // Too few, or histories in which nothing happens, prove nothing.
  const { histories, paid, refunds, disputes } = figures;
  assert.ok(histories >= Math.min(count, 100) && paid * 4 >= histories && refunds * 4 >= histories && disputes * 20 >= histories, JSON.stringify(figures));
});
