// The Worker, held against every requirement of every version that it speaks: one test each.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { VERSIONS } from './dialects.mjs';
import { CONTRACTS, hasOfficial } from './schemas.mjs';
import { openSuite } from './suite.mjs';
import { startWorkerTarget } from './targets/worker.mjs';

/** What cannot be checked here, and why that is no gap. Everything else that is skipped is a failure. */
const SKIPPED = {
  'consents.offered': () => 'shops have no marketing of their own through the Worker, so that nothing is offered',
  'schema.official': (version) => !hasOfficial(version) && `there are no official schemas in ${CONTRACTS}; our own examples are checked`,
};

/** What the Worker does not do, and why it cannot. Should it one day, this list has to say so. */
const CANNOT = {
  'payment.3ds_metadata': 'Stripe tells nobody the acquirer behind an account (its BIN, its merchant id), and made-up ones would fail at the bank',
};

// Before the tests are registered: one that does not start is one failure that says why, not a thousand.
const target = await startWorkerTarget();
after(() => target.close());

const { tests } = openSuite(target);
for (const version of VERSIONS) {
  describe(`the Worker in ${version}`, () => {
    for (const { id, title, run } of tests.filter((one) => one.version === version)) {
      test(title, async (t) => {
        const { ok, why, skipped } = await run();
        if (CANNOT[id]) {
          assert.equal(ok, false, 'it does by now');
          t.skip(CANNOT[id]);
        } else if (skipped) {
          const reason = SKIPPED[id]?.(version);
          assert.ok(reason, `it was skipped: ${skipped}`);
          t.skip(`${skipped}: ${reason}`);
        } else assert.ok(ok, why);
      });
    }
  });
}
