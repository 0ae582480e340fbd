// Who brought the buyer: taken, kept, never shown, and never in the way of a sale.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('attribution');
const RFC = 'RFC attribution';
const versions = since('2025-12-12');
const claim = (more) => ({
  provider: 'network.example',
  token: 'atp_conformance_secret',
  publisher_id: 'pub_conformance',
  touchpoint: 'first',
  ...more,
});
const WORDS = ['affiliate_attribution', 'atp_conformance', 'pub_conformance', 'network.example'];

const created = async (t, attribution) => t.api.create(await t.createBody({ more: { affiliate_attribution: attribution } }));

requirement(
  'attribution.accepted',
  { versions, section: `${RFC} §4.3`, says: 'it is taken when a session is made and when it is completed' },
  async (t) => {
    const session = t.view(await created(t, claim()), 201);
    await t.paid(session.status === 'ready_for_payment' ? session : await t.choose(session), {
      more: { affiliate_attribution: claim({ touchpoint: 'last' }) },
    });
  },
);

requirement('attribution.write_only', { versions, section: `${RFC} §4.3.4`, says: 'it never comes back' }, async (t) => {
  const first = await created(t, claim({ metadata: { placement: 'pub_conformance_metadata' } }));
  const session = t.view(first, 201);
  const ready = session.status === 'ready_for_payment' ? session : await t.choose(session);
  const done = await t.complete(ready, { more: { affiliate_attribution: claim({ touchpoint: 'last' }) } });
  t.view(done);
  for (const { text } of [first, done, await t.api.get(session.id)]) {
    for (const word of WORDS) assert.ok(!text.includes(word), `"${word}" came back`);
  }
});

requirement(
  'attribution.conflict',
  { versions, section: `${RFC} §4.3.3, §7.6`, says: 'another claim at completion does not keep anyone from buying' },
  async (t) => {
    const session = t.view(await created(t, claim()), 201);
    const ready = session.status === 'ready_for_payment' ? session : await t.choose(session);
    await t.paid(ready, {
      more: { affiliate_attribution: claim({ provider: 'other.example', publisher_id: 'pub_other', token: undefined }) },
    });
  },
);

requirement(
  'attribution.provider',
  { versions, section: `${RFC} §4.2.3`, says: 'without a provider, or without both token and publisher, it is refused: 400' },
  async (t) => {
    for (const attribution of [
      claim({ provider: undefined }),
      claim({ token: undefined, publisher_id: undefined }),
      'network.example',
      [],
    ]) {
      t.refused(await created(t, attribution), { status: 400, type: 'invalid_request' });
    }
    for (const attribution of [claim({ token: undefined }), claim({ publisher_id: undefined })]) t.view(await created(t, attribution), 201);
  },
);

requirement(
  'attribution.metadata',
  { versions, section: `${RFC} §4.2.3`, says: 'metadata that is nested is refused: 400; text, numbers and booleans are taken' },
  async (t) => {
    for (const metadata of [{ placement: { page: 1 } }, { placements: ['top'] }]) {
      t.refused(await created(t, claim({ metadata })), { status: 400, type: 'invalid_request' });
    }
    t.view(await created(t, claim({ metadata: { placement: 'top', position: 1.5, paid: true } })), 201);
  },
);

requirement(
  'attribution.pii',
  {
    versions,
    level: 'should',
    section: `${RFC} §6.2`,
    says: "what looks like a person's address or number is refused: 400 `pii_not_allowed`, when made and when completed",
  },
  async (t) => {
    for (const more of [
      { sub_id: 'jane.doe@example.com' },
      { campaign_id: '+1 (555) 123-4567' },
      { metadata: { user_email: 'x' } },
      { metadata: { note: 'jane.doe@example.com' } },
    ]) {
      const error = t.refused(await created(t, claim(more)), { status: 400, type: 'invalid_request', code: 'pii_not_allowed' });
      assert.match(error.param ?? '', /^\$\.affiliate_attribution/);
    }
    const session = await t.ready();
    t.refused(await t.complete(session, { more: { affiliate_attribution: claim({ sub_id: 'jane.doe@example.com' }) } }), {
      status: 400,
      code: 'pii_not_allowed',
    });
    await t.unchanged(session, 'after a refused attribution');
  },
);

requirement(
  'attribution.lenient',
  {
    versions,
    level: 'should',
    section: `${RFC} §6.3, §8.2`,
    says: 'a provider nobody has heard of, and members of later versions, are no error',
  },
  async (t) => {
    const answer = await created(t, claim({ provider: 'urn:nobody:knows', shelf: 'upper' }));
    assert.equal(answer.status, 201, shown(answer));
  },
);
