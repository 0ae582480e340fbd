// The long variant of tests/worker/schema-run.test.mjs: rounds of new requests until the time is over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenSeed } from '../support/generate.mjs';
import { runSchema } from '../support/run-schema.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 120);

test(`whatever is asked for ${SECONDS} s, the answer is as documented`, { timeout: (SECONDS + 80) * 1_000 }, async (t) => {
  const run = await runSchema({ seed: chosenSeed(1), perOperation: 40, until: Date.now() + SECONDS * 1_000 });
  t.diagnostic(`seed ${run.seed}: ${run.requests} requests to ${run.operations} operations, ${run.fivexx} of them 5xx, ${JSON.stringify(run.statuses)}`);
  assert.deepEqual(run.wrong, []);
});
