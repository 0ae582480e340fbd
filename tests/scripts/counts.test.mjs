// The closing line of `npm test` is what CI believes: the figures must be those of the runners.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, closingLine, countCargo, countTap, nothing } from '../../scripts/lib/counts.mjs';

test('node:test, the last figures of the output', () => {
  const tap = 'TAP version 13\n# Subtest: prints "# pass 99"\n    # pass 99\nok 1 - x\n1..1\n# tests 9\n# suites 2\n# pass 4\n# fail 1\n# cancelled 2\n# skipped 1\n# todo 1\n# duration_ms 5\n';
  assert.deepEqual(countTap(tap), { passed: 4, failed: 3, skipped: 2 });
  assert.deepEqual(countTap('crashed before the first line'), nothing());
});

test('cargo test, one line a binary', () => {
  const out = 'running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\ntest result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n';
  assert.deepEqual(countCargo(out), { passed: 5, failed: 1, skipped: 1 });
  assert.deepEqual(countCargo('error: could not compile'), nothing());
});

test('the sum, as one line', () => {
  const total = add(add(nothing(), { passed: 1, failed: 0, skipped: 2 }), { passed: 3, failed: 1, skipped: 0 });
  assert.equal(closingLine(total), '4 passed, 1 failed, 2 skipped');
});
