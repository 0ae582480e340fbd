// Some histories of payments at random, held against the books of the local Stripe. Many more: npm run test:soak.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playHistories } from '../support/histories.mjs';

test('whatever happens in whatever order, the ledger says what happened to the money', async (t) => {
  const [seed, count] = [Number(process.env.SEED ?? 1), Number(process.env.HISTORIES ?? 15)];
  const figures = await playHistories({ seed, count });
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`);
  assert.equal(figures.histories, count);
});
