// May the shop write to the buyer? Only what was offered and said yes to.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('consents');
const versions = since('2026-04-17');
const RFC = 'RFC consent';
const paying = (t, session, consents) => t.complete(session, { more: { marketing_consents: consents } });

requirement(
  'consents.accepted',
  { versions, section: `${RFC} §5.2`, says: 'what the buyer said about what was offered is taken with the payment' },
  async (t) => {
    const session = await t.ready();
    const consents = (session.raw.marketing_consent_options ?? [{ channel: 'email' }]).map(({ channel }) => ({ channel, opted_in: true }));
    assert.equal(t.view(await paying(t, session, consents)).status, 'completed');
  },
);

requirement(
  'consents.unoffered',
  { versions, section: `${RFC} §3.6, §10`, says: 'a channel that was not offered is passed over, it is no error' },
  async (t) => {
    const session = await t.ready();
    const answer = await paying(t, session, [{ channel: 'carrier_pigeon', opted_in: true }]);
    assert.equal(t.view(answer).status, 'completed', shown(answer));
  },
);

requirement(
  'consents.malformed',
  { versions, section: 'JSON Schema, MarketingConsent', says: 'a consent that is neither yes nor no is refused: 400' },
  async (t) => {
    const session = await t.ready();
    for (const consents of [[{ channel: 'email', opted_in: 'yes' }], [{ channel: 'email' }], [{ opted_in: true }], 'email']) {
      t.refused(await paying(t, session, consents), { status: 400, type: 'invalid_request' });
    }
    await t.unchanged(session, 'after a malformed consent');
  },
);

requirement(
  'consents.offered',
  {
    versions,
    level: 'should',
    needs: ['consents'],
    section: `${RFC} §3.2`,
    says: 'what the shop asks for has a channel once, a text and its privacy policy',
  },
  async (t) => {
    const options = (await t.ready()).raw.marketing_consent_options;
    assert.ok(options?.length > 0);
    assert.equal(new Set(options.map(({ channel }) => channel)).size, options.length);
    for (const option of options) assert.ok(option.display_text && URL.canParse(option.privacy_policy_url), JSON.stringify(option));
  },
);
