// The histories of tests/worker/histories.test.mjs, many and each time others. SEED and HISTORIES choose them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playHistories } from '../support/histories.mjs';

test('whatever happens in whatever order, the ledger says what happened to the money', async (t) => {
  const [seed, count] = [Number(process.env.SEED ?? Date.now() % 1_000_000_000), Number(process.env.HISTORIES ?? 500)];
  t.diagnostic(`SEED=${seed}`);
  const figures = await playHistories({ seed, count });
  t.diagnostic(`histories: ${JSON.stringify(figures)}`);
  assert.equal(figures.histories, count);
  // Histories in which nothing happens prove nothing.
  if (count >= 100) assert.ok(figures.paid * 4 > count && figures.refunds * 8 > count && figures.disputes * 20 > count, JSON.stringify(figures));
});
