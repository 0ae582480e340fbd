// The WASM stays small: it is loaded at every cold start.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUILD } from '../../scripts/lib/paths.mjs';

const LIMIT = 512 * 1024;

test('the WASM is at most 512 KB, not compressed', (t) => {
  const { size } = statSync(join(BUILD, 'index_bg.wasm'));
  t.diagnostic(`${size} bytes of ${LIMIT}`);
  assert.ok(size > 10_000, 'this is no Worker');
  assert.ok(size <= LIMIT, `${size} bytes are more than ${LIMIT}`);
});
