// What agent and shop can do together, and through whom is paid.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { AGENT, since } from '../dialects.mjs';
import { always, inFile, requirement } from '../requirements.mjs';

inFile('capabilities');
const versions = since('2026-01-30');
const RFC = 'RFC capabilities';

requirement(
  'capabilities.malformed',
  {
    versions,
    section: `${RFC} §4.4.1; JSON Schema, CreateRequest`,
    says: 'what the agent can do is an object, maybe empty; anything else is refused: 400',
  },
  async (t) => {
    const body = await t.createBody();
    for (const capabilities of [7, 'all', ['3ds'], { interventions: '3ds' }]) {
      t.refused(await t.api.create({ ...body, capabilities }), { status: 400, type: 'invalid_request' });
    }
    t.view(await t.api.create({ ...body, capabilities: {} }), 201);
  },
);

const SESSIONS = new Set(['create', 'get', 'update', 'complete', 'cancel']);
always(
  'capabilities.present',
  { versions, section: `${RFC} §4.4.2`, says: 'every session that is answered carries `capabilities`' },
  ({ operation, status, body }) => {
    if (!SESSIONS.has(operation) || status >= 300) return undefined;
    return (body?.capabilities !== null && typeof body?.capabilities === 'object') || 'no capabilities';
  },
);

requirement(
  'capabilities.handlers',
  { versions, section: `${RFC} §10; RFC payment handlers §5.1`, says: 'a session that is to be paid for says through which handlers' },
  async (t) => {
    const session = await t.ready();
    assert.ok(session.handlers.length > 0, shown(session.answer));
    assert.equal(new Set(session.handlers.map(({ id }) => id)).size, session.handlers.length, 'ids are unique');
  },
);

requirement(
  'capabilities.merchant',
  { versions, section: 'RFC payment handlers §10.4.1', says: 'the handler for cards names the account that a token must be for' },
  async (t) => {
    const session = await t.ready();
    const card = session.handlers.find(({ name }) => name === 'dev.acp.tokenized.card');
    assert.ok(card, `a handler dev.acp.tokenized.card: ${shown(session.answer)}`);
    assert.ok(card.config?.merchant_id, JSON.stringify(card));
    assert.equal(card.config.psp ?? card.psp, card.psp);
    if (t.target.account) assert.equal(card.config.merchant_id, t.target.account);
  },
);

requirement(
  'capabilities.intersection',
  { versions, section: `${RFC} §4.5.1`, says: 'of interventions only those that both can do come back' },
  async (t) => {
    for (const supported of [['3ds'], ['address_verification'], []]) {
      const session = await t.open({ capabilities: { interventions: { supported } } });
      const both = session.raw.capabilities.interventions?.supported ?? [];
      assert.deepEqual(
        both.filter((one) => !supported.includes(one)),
        [],
        `the agent can do ${supported.join(', ') || 'nothing'}: ${JSON.stringify(both)}`,
      );
    }
  },
);

requirement(
  'capabilities.unknown',
  { versions, section: `${RFC} §4.6.2`, says: 'what nobody knows is passed over, and does not come back' },
  async (t) => {
    const session = await t.open({ capabilities: { interventions: { supported: ['3ds', 'palm_reading'] } } });
    assert.ok(!JSON.stringify(session.raw.capabilities).includes('palm_reading'));
  },
);

requirement(
  'capabilities.write_only',
  { versions, section: `${RFC} §4.4.2`, says: 'what only the agent says of itself does not come back' },
  async (t) => {
    const session = await t.open({ capabilities: AGENT });
    const { interventions = {} } = session.raw.capabilities;
    for (const member of ['display_context', 'redirect_context', 'max_redirects', 'max_interaction_depth']) {
      assert.ok(!(member in interventions), `${member} came back: ${shown(session.answer)}`);
    }
  },
);

always(
  'capabilities.protocol',
  {
    versions,
    level: 'should',
    section: 'JSON Schema, ProtocolVersion',
    says: 'a session that names its version names the one it was asked in',
  },
  ({ operation, status, body, version }) => {
    if (!SESSIONS.has(operation) || status >= 300 || body?.protocol === undefined) return undefined;
    return body.protocol.version === version || `protocol.version is ${body.protocol?.version}`;
  },
);

requirement(
  'capabilities.extension',
  {
    versions,
    level: 'should',
    needs: ['coupon:valid'],
    section: 'RFC extensions §3.1, §4; RFC discounts §3',
    says: 'an agent that understands discounts is told that they are active, by an object with their name',
  },
  async (t) => {
    const { extensions = [] } = (await t.ready({ capabilities: { ...AGENT, extensions: ['discount'] } })).raw.capabilities;
    assert.ok(
      extensions.some(({ name }) => name?.split('@')[0] === 'discount'),
      JSON.stringify(extensions),
    );
  },
);

requirement(
  'capabilities.quiet',
  {
    versions,
    level: 'ours',
    section: 'RFC extensions §4; published clients',
    says: 'an agent that names no extensions is shown no such objects: a published client reads only texts there',
  },
  async (t) => {
    const { extensions = [] } = (await t.ready({ capabilities: AGENT })).raw.capabilities;
    assert.deepEqual(
      extensions.filter((one) => typeof one !== 'string'),
      [],
    );
  },
);
