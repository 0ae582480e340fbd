// An agent's client that others published completes a purchase, unchanged: elizaos-plugin-acp, in the version of its own choice
// (2026-01-30). It reads answers strictly: a member of another type than it expects ends it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensurePython } from '../../scripts/lib/python.mjs';
import { REQUIREMENTS, runPublishedClient } from './published-client.mjs';
import { startReference } from './targets/reference.mjs';
import { startWorkerTarget } from './targets/worker.mjs';

const python = process.env.PYTHON_BIN ?? (await ensurePython(REQUIREMENTS));
const amount = ({ totals }, kind) => totals.find(({ type }) => type === kind)?.amount;

const TARGETS = { 'the reference merchant': startReference, 'the Worker': startWorkerTarget };

for (const [name, start] of Object.entries(TARGETS)) {
  test(
    `a published client buys from ${name}`,
    { skip: !python && 'Python 3.11 with the packages of published-client.requirements.txt is not to be had here' },
    async () => {
      const target = await start();
      try {
        const {
          created,
          created_again: again,
          addressed,
          chosen,
          completed,
          read,
          canceled,
          refused,
        } = await runPublishedClient(target, python);
        assert.equal(created.line_items[0].quantity, 2);
        assert.equal(again.id, created.id, 'the same key made the same session');
        assert.equal(addressed.status, 'ready_for_payment');
        assert.ok(amount(chosen, 'total') > amount(addressed, 'total'), 'the dearer option is in the total');
        assert.equal(completed.status, 'completed');
        assert.equal(completed.order.checkout_session_id, created.id);
        assert.equal(amount(completed, 'total'), amount(chosen, 'total'));
        assert.equal(read.order.id, completed.order.id);
        assert.equal(canceled.status, 'canceled');
        assert.equal(refused.type, 'invalid_request');
        if (target.charged) assert.equal(await target.charged(created.id), amount(chosen, 'total'), 'and that is what was charged');
      } finally {
        await target.close();
      }
    },
  );
}
