// Giving up, with or without a reason.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('cancel');
const RFC = 'RFC intent traces';
const SECRET = 'The buyer found a lower price elsewhere (conformance-trace).';

requirement(
  'cancel.body',
  { versions: VERSIONS, section: "RFC checkout §4.5; Stripe's page", says: 'a cancel needs no body, and `{}` is one' },
  async (t) => {
    for (const body of [undefined, {}]) {
      assert.equal(t.view(await t.api.cancel((await t.open()).id, body)).status, 'canceled');
    }
  },
);

requirement(
  'cancel.twice',
  { versions: VERSIONS, section: 'RFC checkout §4.5', says: 'what is canceled cannot be canceled again: 405' },
  async (t) => {
    const session = await t.open();
    t.view(await t.api.cancel(session.id));
    t.refused(await t.api.cancel(session.id), { status: 405 });
  },
);

requirement(
  'cancel.lines',
  {
    versions: VERSIONS,
    section: `RFC checkout §1 (authoritative state on every response)`,
    says: 'a canceled session still shows what it was about',
  },
  async (t) => {
    const session = await t.ready();
    const canceled = t.view(await t.api.cancel(session.id));
    assert.deepEqual(canceled.lines, session.lines, shown(canceled.answer));
  },
);

requirement(
  'intent.accepted',
  { versions: since('2025-12-12'), section: `${RFC} §3.1`, says: 'a reason may be given, and it is canceled all the same' },
  async (t) => {
    for (const trace of [
      { reason_code: 'price_sensitivity' },
      {
        reason_code: 'comparison',
        trace_summary: 'x'.repeat(500),
        metadata: { max_budget: 8500, competitor_source: 'elsewhere', final: true },
      },
    ]) {
      assert.equal(t.view(await t.api.cancel((await t.open()).id, { intent_trace: trace })).status, 'canceled');
    }
  },
);

requirement(
  'intent.unknown',
  {
    versions: since('2025-12-12'),
    level: 'should',
    section: `${RFC} §7.2`,
    says: 'a reason that is not known counts as `other`, it is no error',
  },
  async (t) => {
    const answer = await t.api.cancel((await t.open()).id, { intent_trace: { reason_code: 'found_it_in_a_drawer' } });
    assert.equal(t.view(answer).status, 'canceled');
  },
);

requirement(
  'intent.nested',
  {
    versions: since('2025-12-12'),
    level: 'should',
    section: `${RFC} §5`,
    says: 'metadata that is nested is refused: 400, and names the member',
  },
  async (t) => {
    const session = await t.open();
    for (const metadata of [{ competitor: { name: 'elsewhere' } }, { prices: [1, 2] }, [], 'elsewhere']) {
      const error = t.refused(await t.api.cancel(session.id, { intent_trace: { reason_code: 'other', metadata } }), {
        status: 400,
        type: 'invalid_request',
      });
      assert.match(error.param ?? '', /^\$\.intent_trace\.metadata/);
    }
    assert.notEqual((await t.look(session.id)).status, 'canceled');
  },
);

requirement(
  'intent.malformed',
  {
    versions: since('2025-12-12'),
    level: 'should',
    section: `${RFC} §5`,
    says: 'a trace without a reason, or of another type, is refused: 400',
  },
  async (t) => {
    const session = await t.open();
    for (const trace of [{}, { reason_code: 7 }, 'too expensive']) {
      t.refused(await t.api.cancel(session.id, { intent_trace: trace }), { status: 400, type: 'invalid_request' });
    }
  },
);

const trace = { versions: since('2025-12-12'), section: `${RFC} §3.1`, says: 'a trace never comes back' };
requirement('intent.write_only', trace, async (t) => {
  const session = await t.open();
  const key = t.fresh();
  const canceled = await t.api.cancel(
    session.id,
    { intent_trace: { reason_code: 'other', trace_summary: SECRET, metadata: { note: 'conformance-note' } } },
    { key },
  );
  t.view(canceled);
  for (const { text } of [canceled, await t.api.get(session.id)]) {
    for (const word of ['intent_trace', 'conformance-trace', 'conformance-note']) assert.ok(!text.includes(word), `"${word}" came back`);
  }
});
