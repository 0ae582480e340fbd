// Requests made from src/openapi.json, good ones and bent ones: nothing undocumented comes back, and never a fault. The long
// variant is in `npm run test:soak`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenSeed } from '../support/generate.mjs';
import { runSchema } from '../support/run-schema.mjs';

test('whatever is asked, the answer is as documented', async (t) => {
  const run = await runSchema({ seed: chosenSeed(20_261_127), perOperation: 18 });
  t.diagnostic(`seed ${run.seed}: ${run.requests} requests to ${run.operations} operations, ${run.fivexx} of them 5xx, ${JSON.stringify(run.statuses)}`);
  assert.deepEqual(run.wrong, []);
  assert.ok(run.requests > 14 * run.operations);
  for (const status of [200, 201, 400, 401, 404, 422]) assert.ok(run.statuses[status] > 10, `hardly any ${status}`);
});
