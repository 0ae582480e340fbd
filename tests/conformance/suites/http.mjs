// The envelope of every call: who asks, in which version, in what form, and what an error looks like.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { NEWEST, VERSIONS, since } from '../dialects.mjs';
import { always, inFile, requirement } from '../requirements.mjs';

inFile('http');
const ALL = VERSIONS;
const CHECKOUT = 'RFC checkout';

/** The five commands on a session, with bodies that are well formed. */
const commands = (t, id, payment) => [
  ['get', () => t.api.get(id)],
  ['update', () => t.api.update(id, t.dialect.update({ buyer: t.buyer }))],
  ['complete', () => t.api.complete(id, payment)],
  ['cancel', () => t.api.cancel(id)],
];
const anyPayment = (t) => t.dialect.complete({ token: 'spt_nobody', handler: 'card', buyer: t.buyer });

async function everyCommandWith(t, key, id) {
  const stranger = t.api.as({ key });
  const before = t.api;
  t.api = stranger;
  const answers = [['create', await stranger.create(await t.createBody())]];
  for (const [name, call] of commands(t, id, anyPayment(t))) answers.push([name, await call()]);
  t.api = before;
  return answers;
}

requirement(
  'auth.missing',
  { versions: ALL, section: `${CHECKOUT} §3.1, §7`, says: 'no call is answered without an Authorization header: 401' },
  async (t) => {
    const session = await t.open();
    for (const [name, answer] of await everyCommandWith(t, undefined, session.id)) {
      assert.equal(answer.status, 401, `${name} without a key: ${shown(answer)}`);
    }
    await t.unchanged(session, 'after calls without a key');
  },
);

const wrongKey = { versions: ALL, section: `${CHECKOUT} §3.1, §7`, says: 'a key that nobody has is refused: 401' };
requirement('auth.wrong', wrongKey, async (t) => {
  const session = await t.open();
  for (const [name, answer] of await everyCommandWith(t, `${t.api.token}x`, session.id)) {
    assert.equal(answer.status, 401, `${name} with a wrong key: ${shown(answer)}`);
  }
  await t.unchanged(session, 'after calls with a wrong key');
});

requirement(
  'auth.scheme',
  { versions: ALL, level: 'ours', section: 'RFC 6750 §2.1', says: 'only the Bearer scheme is taken' },
  async (t) => {
    const session = await t.open();
    for (const authorization of [t.api.token, `Basic ${Buffer.from(`${t.api.token}:`).toString('base64')}`, 'Bearer', 'Bearer ']) {
      const answer = await t.api.get(session.id, { headers: { authorization } });
      assert.equal(answer.status, 401, `Authorization: ${authorization.split(' ')[0]} …: ${shown(answer)}`);
    }
  },
);

requirement(
  'version.missing',
  { versions: [NEWEST], section: `${CHECKOUT} §2.1`, says: 'a call without API-Version is refused: 400' },
  async (t) => {
    const session = await t.open();
    t.refused(await t.api.create(await t.createBody(), { headers: { 'api-version': undefined } }), {
      status: 400,
      type: 'invalid_request',
    });
    t.refused(await t.api.get(session.id, { headers: { 'api-version': undefined } }), { status: 400, type: 'invalid_request' });
  },
);

const STRANGE = ['2024-01-01', '2099-12-31', '2026-04-18', 'latest', '2026-4-17', '2026-04-17, 2026-01-30'];
requirement(
  'version.unsupported',
  { versions: [NEWEST], section: `${CHECKOUT} §2.1`, says: 'a version that is not spoken, or is no date, is refused: 400' },
  async (t) => {
    for (const version of STRANGE) {
      const answer = await t.api.create(await t.createBody(), { headers: { 'api-version': version } });
      t.refused(answer, { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'version.list',
  {
    versions: [NEWEST],
    level: 'should',
    section: `${CHECKOUT} §2.1`,
    says: 'such a refusal lists `supported_versions`, and names the case in its code',
  },
  async (t) => {
    const dated = t.target.versions.filter((version) => version !== 'stripe');
    for (const [version, code] of [
      [undefined, 'missing_api_version'],
      ['2024-01-01', 'unsupported_api_version'],
    ]) {
      const error = t.refused(await t.api.create(await t.createBody(), { headers: { 'api-version': version } }), { status: 400, code });
      for (const spoken of dated)
        assert.ok(error.supported_versions?.includes(spoken), `supported_versions has ${spoken}: ${JSON.stringify(error)}`);
    }
  },
);

requirement(
  'version.alias',
  {
    versions: ['2025-09-29'],
    level: 'ours',
    section: 'published clients',
    says: '2025-09-12, which published clients send, is 2025-09-29',
  },
  async (t) => {
    const answer = await t.api.create(await t.createBody(), { headers: { 'api-version': '2025-09-12' } });
    const session = t.view(answer, 201);
    assert.deepEqual((await t.api.get(session.id, { headers: { 'api-version': '2025-09-12' } })).body, (await t.api.get(session.id)).body);
  },
);

requirement('http.malformed', { versions: ALL, section: `${CHECKOUT} §3.1`, says: 'what is not JSON is refused: 400' }, async (t) => {
  const session = await t.open();
  for (const raw of ['{"items": [', '{"a":1}}', 'items=1', "{'id':1}", '\u0000']) {
    t.refused(await t.api.call('create', 'POST', t.dialect.path, { raw }), { status: 400, type: 'invalid_request' });
  }
  t.refused(await t.api.call('update', t.dialect.updateMethod, `${t.dialect.path}/${session.id}`, { raw: '{"buyer":' }), { status: 400 });
});

requirement(
  'http.not_an_object',
  { versions: ALL, section: 'JSON Schema, CreateRequest', says: 'JSON that is no object is refused: 400' },
  async (t) => {
    for (const raw of ['[]', '"items"', 'null', '1', 'true']) {
      t.refused(await t.api.call('create', 'POST', t.dialect.path, { raw }), { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'http.media_type',
  { versions: ALL, level: 'ours', section: `${CHECKOUT} §3.1`, says: 'a body that does not say it is JSON is refused: 415 or 400' },
  async (t) => {
    const raw = JSON.stringify(await t.createBody());
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      t.refused(await t.api.call('create', 'POST', t.dialect.path, { raw, headers: { 'content-type': type } }), { status: [400, 415] });
    }
    const answer = await t.api.call('create', 'POST', t.dialect.path, {
      raw,
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    assert.equal(answer.status, 201, `a charset does no harm: ${shown(answer)}`);
  },
);

requirement(
  'session.unknown',
  { versions: ALL, section: `${CHECKOUT} §4.3`, says: 'a session that there is not: 404, for every command' },
  async (t) => {
    for (const id of ['cs_does_not_exist', `${(await t.open()).id}x`]) {
      for (const [name, call] of commands(t, id, anyPayment(t))) {
        const answer = await call();
        assert.equal(answer.status, 404, `${name}: ${shown(answer)}`);
        t.refused(answer);
      }
    }
  },
);

requirement(
  'session.foreign',
  {
    versions: ALL,
    level: 'ours',
    needs: ['otherKey'],
    section: 'contract, ACP',
    says: "another agent's session is 404 too, and stays as it was",
  },
  async (t) => {
    const session = await t.ready();
    const owner = t.api;
    t.api = owner.as({ key: t.target.otherKey });
    for (const [name, call] of commands(t, session.id, await t.paymentBody(session))) {
      const answer = await call();
      assert.equal(answer.status, 404, `${name} by another agent: ${shown(answer)}`);
    }
    t.api = owner;
    await t.unchanged(session, 'after another agent tried');
  },
);

const isJson = ({ headers }) => /^application\/json\b/i.test(headers.get('content-type') ?? '');

always('http.json', { versions: ALL, section: `${CHECKOUT} §3.1`, says: 'every answer is JSON and says so, errors too' }, (answer) => {
  if (!isJson(answer)) return `it is ${answer.headers.get('content-type') ?? 'without a Content-Type'}`;
  return answer.body === undefined ? 'it does not parse as JSON' : true;
});

always('http.no_5xx', { versions: ALL, section: 'contract', says: 'nothing that an agent sends gives a 5xx' }, ({ status }) =>
  status >= 500 ? `status ${status}` : true,
);

always(
  'http.request_id',
  { versions: ALL, level: 'should', section: `${CHECKOUT} §3.1`, says: 'Request-Id comes back as it was sent' },
  ({ sent, headers }) =>
    sent['request-id'] === undefined ? undefined : headers.get('request-id') === sent['request-id'] || 'Request-Id was not echoed',
);

always(
  'http.key_echo',
  { versions: since('2025-09-29'), section: `${CHECKOUT} §3.1`, says: 'Idempotency-Key comes back with what a POST did' },
  ({ method, status, sent, headers }) => {
    if (method !== 'POST' || status >= 300 || sent['idempotency-key'] === undefined) return undefined;
    return headers.get('idempotency-key') === sent['idempotency-key'] || 'Idempotency-Key was not echoed';
  },
);

const MEMBERS = new Set(['type', 'code', 'message', 'param', 'supported_versions']);
const TYPES = ['invalid_request', 'processing_error', 'service_unavailable'];
always(
  'errors.shape',
  {
    versions: ALL,
    section: `${CHECKOUT} §3.1`,
    says: 'an error is flat: type, code, message, and nothing but param (and supported_versions) beside',
  },
  ({ status, body, version }) => {
    if (status < 400) return undefined;
    if (!body || typeof body !== 'object') return 'an error without an object';
    const wrong = [];
    for (const member of ['type', 'code', 'message'])
      if (typeof body[member] !== 'string' || body[member] === '') wrong.push(`an error without "${member}"`);
    for (const member of Object.keys(body)) if (!MEMBERS.has(member)) wrong.push(`an error with "${member}"`);
    if (
      version < '2026-04-17' || version === 'stripe'
        ? ![...TYPES, 'request_not_idempotent'].includes(body.type)
        : !TYPES.includes(body.type)
    )
      wrong.push(`the type "${body.type}" is not of this version`);
    return wrong.length ? wrong : true;
  },
);

always(
  'errors.param',
  { versions: ALL, level: 'should', section: `${CHECKOUT} §3.1; RFC 9535`, says: 'where an error names a member, it does so by JSONPath' },
  ({ status, body }) =>
    status < 400 || typeof body?.param !== 'string' ? undefined : /^\$([.[]|$)/.test(body.param) || `param is "${body.param}"`,
);
