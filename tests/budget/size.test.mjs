// The WASM is loaded at every cold start. The budget for the core is 512 KB raw; it is not met yet (the
// README says where it stands). Until it is, this ratchet keeps the binary from growing: lower it whenever the binary has shrunk.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUILD } from '../../scripts/lib/paths.mjs';

const BUDGET = 512 * 1024;
const RATCHET = 735_000;

test('the WASM does not grow', (t) => {
  const { size } = statSync(join(BUILD, 'index_bg.wasm'));
  t.diagnostic(`${size} bytes; the budget is ${BUDGET}`);
  assert.ok(size > 10_000, 'this is no Worker');
  assert.ok(size <= RATCHET, `${size} bytes are more than ${RATCHET}`);
});
