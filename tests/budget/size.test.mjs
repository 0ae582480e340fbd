// The WASM is loaded at every cold start. Its budget is 512 KB raw for the core and 900 KB with all protocols; neither is met yet (the
// README says where it stands). Until they are, this ratchet keeps the binary from growing: lower it whenever the binary has shrunk.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUILD } from '../../scripts/lib/paths.mjs';

const BUDGET = 900 * 1024;
const RATCHET = 1_511_000;

test('the WASM does not grow', (t) => {
  const { size } = statSync(join(BUILD, 'index_bg.wasm'));
  t.diagnostic(`${size} bytes; the budget is ${BUDGET}`);
  assert.ok(size > 10_000, 'this is no Worker');
  assert.ok(size <= RATCHET, `${size} bytes are more than ${RATCHET}`);
});
