// A lost answer is asked for again: one effect, the same answer. The key is required from 2026-04-17 on, optional before.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('idempotency');
const ALL = VERSIONS;
const RFC = 'RFC checkout';

/** The same answer again, and it says so where the version has the header. */
function replayed(first, again) {
  assert.equal(again.status, first.status, `the first was: ${shown(first)}\nthe second: ${shown(again)}`);
  assert.deepEqual(again.body, first.body);
}

const conflict = (t, answer) => t.refused(answer, { status: t.dialect.conflictStatus, code: 'idempotency_conflict' });

requirement(
  'idempotency.required',
  {
    versions: since('2026-04-17'),
    section: `${RFC} §6.1`,
    says: 'a POST without a key is refused: 400 `idempotency_key_required`, and does nothing',
  },
  async (t) => {
    const wanted = { status: 400, type: 'invalid_request', code: 'idempotency_key_required' };
    const session = await t.ready();
    t.refused(await t.api.create(await t.createBody(), { key: null }), wanted);
    t.refused(await t.api.update(session.id, t.dialect.update({ buyer: { email: 'grace@example.com' } }), { key: null }), wanted);
    t.refused(await t.complete(session, {}, { key: null }), wanted);
    t.refused(await t.api.cancel(session.id, undefined, { key: null }), wanted);
    await t.unchanged(session, 'after calls without a key');
  },
);

requirement(
  'idempotency.optional',
  { versions: since('stripe', '2026-01-30'), section: 'OpenAPI, Idempotency-Key', says: 'a POST needs no key' },
  async (t) => {
    const session = t.view(await t.api.create(await t.createBody(), { key: null }), 201);
    t.view(await t.api.cancel(session.id, undefined, { key: null }));
  },
);

requirement('idempotency.get', { versions: ALL, section: 'OpenAPI, GET', says: 'reading takes no notice of a key' }, async (t) => {
  const session = await t.ready();
  const key = t.fresh();
  const before = t.view(await t.api.get(session.id, { key }));
  t.view(await t.api.cancel(session.id));
  const after = t.view(await t.api.get(session.id, { key }));
  assert.deepEqual([before.status, after.status], ['ready_for_payment', 'canceled']);
});

requirement(
  'idempotency.length',
  { versions: since('2026-04-17'), section: 'OpenAPI, Idempotency-Key', says: 'a key has 1 to 255 characters' },
  async (t) => {
    t.view(await t.api.create(await t.createBody(), { key: t.fresh().padEnd(255, 'k') }), 201);
    t.refused(await t.api.create(await t.createBody(), { key: t.fresh().padEnd(256, 'k') }), { status: 400 });
  },
);

requirement(
  'idempotency.create',
  { versions: ALL, section: `${RFC} §6.3`, says: 'create again: the first answer, with its 201, and one session' },
  async (t) => {
    const [key, body] = [t.fresh(), await t.createBody()];
    const first = await t.api.create(body, { key });
    const { id } = t.view(first, 201);
    t.view(await t.api.cancel(id));
    replayed(first, await t.api.create(body, { key }));
    assert.equal((await t.look(id)).status, 'canceled', 'the session itself stays as it is now');
  },
);

requirement(
  'idempotency.update',
  { versions: ALL, section: `${RFC} §6.3`, says: 'update again: the first answer, and nothing is set back' },
  async (t) => {
    const session = await t.open();
    const [key, body] = [t.fresh(), t.dialect.update({ items: [{ id: session.lines[0].product, quantity: 2 }] })];
    const first = await t.api.update(session.id, body, { key });
    t.view(first);
    const later = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id: session.lines[0].product, quantity: 3 }] })));
    replayed(first, await t.api.update(session.id, body, { key }));
    assert.deepEqual((await t.look(session.id)).lines, later.lines);
  },
);

requirement(
  'idempotency.complete',
  { versions: ALL, section: `${RFC} §6.3`, says: 'complete again: the first answer, one order, one charge' },
  async (t) => {
    const session = await t.ready();
    const [key, body] = [t.fresh(), await t.paymentBody(session)];
    const first = await t.api.complete(session.id, body, { key });
    const { order } = t.view(first);
    const again = await t.api.complete(session.id, body, { key });
    replayed(first, again);
    assert.equal(again.body.order.id, order.id);
    assert.equal((await t.charges(session.id)) ?? 1, 1);
  },
);

requirement(
  'idempotency.declined',
  {
    versions: ALL,
    level: 'ours',
    needs: ['token:declined'],
    section: `${RFC} §6.3`,
    says: 'a payment that was declined is declined again under its key; another key may pay',
  },
  async (t) => {
    const session = await t.ready();
    const [key, body] = [t.fresh(), await t.paymentBody(session, { kind: 'declined' })];
    const first = await t.api.complete(session.id, body, { key });
    assert.notEqual(first.body?.status, 'completed', shown(first));
    replayed(first, await t.api.complete(session.id, body, { key }));
    await t.paid(session);
  },
);

requirement(
  'idempotency.cancel',
  { versions: ALL, section: `${RFC} §6.3; RFC intent traces §6`, says: 'cancel again: the first answer, not 405' },
  async (t) => {
    const session = await t.open();
    const key = t.fresh();
    const first = await t.api.cancel(session.id, {}, { key });
    t.view(first);
    replayed(first, await t.api.cancel(session.id, {}, { key }));
  },
);

requirement(
  'idempotency.marked',
  {
    versions: ALL,
    level: 'should',
    section: `${RFC} §6.3`,
    says: 'what is said again carries `Idempotent-Replayed: true`, what is said first does not',
  },
  async (t) => {
    const [key, body] = [t.fresh(), await t.createBody()];
    const first = await t.api.create(body, { key });
    assert.equal(first.headers.get('idempotent-replayed'), null);
    const again = await t.api.create(body, { key });
    assert.equal(again.headers.get('idempotent-replayed'), 'true', shown(again));
  },
);

requirement(
  'idempotency.conflict',
  {
    versions: ALL,
    section: `${RFC} §6.4; OpenAI, production checklist (409 before 2026-04-17)`,
    says: 'a key with another body is refused: `idempotency_conflict`, 422, before 2026-04-17 409',
  },
  async (t) => {
    const key = t.fresh();
    const id = await t.product('shipped');
    const session = t.view(await t.api.create(await t.createBody({ items: [{ id, quantity: 1 }] }), { key }), 201);
    conflict(t, await t.api.create(await t.createBody({ items: [{ id, quantity: 2 }] }), { key }));
    await t.unchanged(session, 'after a conflict');

    const other = t.fresh();
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id, quantity: 2 }] }), { key: other }));
    conflict(t, await t.api.update(session.id, t.dialect.update({ items: [{ id, quantity: 3 }] }), { key: other }));
    assert.deepEqual((await t.look(session.id)).lines, updated.lines);
  },
);

requirement(
  'idempotency.conflict_type',
  {
    versions: ALL,
    level: 'ours',
    section: `JSON Schema, Error.type; ${RFC} §6.4`,
    says: 'such a refusal is `request_not_idempotent` in the versions that know the type, `invalid_request` after',
  },
  async (t) => {
    const key = t.fresh();
    t.view(await t.api.create(await t.createBody(), { key }), 201);
    t.refused(await t.api.create(await t.createBody({ buyer: null }), { key }), {
      code: 'idempotency_conflict',
      type: t.dialect.conflictType,
    });
  },
);

requirement(
  'idempotency.conflict_payment',
  { versions: ALL, section: `${RFC} §6.4`, says: 'a key that paid does not pay with another token' },
  async (t) => {
    const session = await t.ready();
    const key = t.fresh();
    t.view(await t.complete(session, {}, { key }));
    conflict(t, await t.complete(session, { token: await t.token('success', session.totals.total) }, { key }));
    assert.equal((await t.charges(session.id)) ?? 1, 1);
  },
);

requirement(
  'idempotency.order',
  { versions: ALL, section: `${RFC} §6.2`, says: 'the order of members, white space and `1.0` for `1` make no difference' },
  async (t) => {
    const key = t.fresh();
    const body = await t.createBody();
    const first = await t.api.create(body, { key });
    t.view(first, 201);
    const turned = JSON.stringify(reversed(body), null, 2).replace('"quantity": 1', '"quantity": 1.0');
    assert.ok(turned.includes('1.0'));
    replayed(first, await t.api.call('create', 'POST', t.dialect.path, { raw: turned, key }));
  },
);

requirement('idempotency.null', { versions: ALL, section: `${RFC} §6.2`, says: 'null is not the same as absent' }, async (t) => {
  const session = await t.open();
  const [key, body] = [t.fresh(), t.dialect.update({ address: t.address })];
  t.view(await t.api.update(session.id, body, { key }));
  conflict(t, await t.api.update(session.id, { ...body, buyer: null }, { key }));
});

requirement('idempotency.lists', { versions: ALL, section: `${RFC} §6.2`, says: 'the order of a list matters' }, async (t) => {
  const items = [
    { id: await t.product('shipped'), quantity: 1 },
    { id: await t.product('second'), quantity: 1 },
  ];
  const key = t.fresh();
  t.view(await t.api.create(await t.createBody({ items }), { key }), 201);
  conflict(t, await t.api.create(await t.createBody({ items: [...items].reverse() }), { key }));
});

requirement(
  'idempotency.headers',
  { versions: ALL, section: `${RFC} §6.2`, says: 'only the body is compared, not the headers' },
  async (t) => {
    const [key, body] = [t.fresh(), await t.createBody()];
    const first = await t.api.create(body, { key, headers: { 'user-agent': 'first/1.0', 'accept-language': 'en-US' } });
    t.view(first, 201);
    replayed(first, await t.api.create(body, { key, headers: { 'user-agent': 'second/2.0', 'accept-language': 'de-DE' } }));
  },
);

requirement(
  'idempotency.path',
  { versions: ALL, section: `${RFC} §6.1`, says: 'a key is good for one address: the same on another is another' },
  async (t) => {
    const key = t.fresh();
    const first = t.view(await t.api.create(await t.createBody(), { key }), 201);
    const second = await t.open();
    const body = t.dialect.update({ buyer: t.buyer });
    assert.equal(t.view(await t.api.update(first.id, body, { key })).id, first.id);
    assert.equal(t.view(await t.api.update(second.id, body, { key })).id, second.id);
    assert.equal(t.view(await t.api.cancel(second.id, undefined, { key })).status, 'canceled');
  },
);

requirement(
  'idempotency.identity',
  { versions: ALL, needs: ['otherKey'], section: `${RFC} §6.1`, says: 'two agents may use the same key' },
  async (t) => {
    const [key, body] = [t.fresh(), await t.createBody()];
    const mine = t.view(await t.api.create(body, { key }), 201);
    const theirs = t.view(await t.api.as({ key: t.target.otherKey }).create(body, { key }), 201);
    assert.notEqual(theirs.id, mine.id, "another agent was handed this agent's session");
  },
);

/** Of several at once, one does it; the others are told the same, or to wait. -> the answers that did it */
function oneEffect(t, answers, status) {
  for (const answer of answers.filter((one) => one.status !== status)) {
    t.refused(answer, { status: 409, code: 'idempotency_in_flight' });
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/, `it says when to come again: ${shown(answer)}`);
  }
  const done = answers.filter((one) => one.status === status);
  assert.ok(done.length > 0, answers.map(shown).join('\n'));
  return done;
}

requirement(
  'idempotency.race_create',
  {
    versions: ALL,
    section: `${RFC} §6.4`,
    says: 'several creates at once under one key: one session; who is too early gets 409 `idempotency_in_flight` and Retry-After',
  },
  async (t) => {
    const [key, body] = [t.fresh(), await t.createBody()];
    const answers = await Promise.all(Array.from({ length: 5 }, () => t.api.create(body, { key })));
    const ids = oneEffect(t, answers, 201).map((answer) => t.view(answer, 201).id);
    assert.equal(new Set(ids).size, 1, `sessions: ${ids.join(', ')}`);
  },
);

requirement(
  'idempotency.race_complete',
  { versions: ALL, section: `${RFC} §6.3, §6.4`, says: 'several payments at once under one key: one order, one charge' },
  async (t) => {
    const session = await t.ready();
    const [key, body] = [t.fresh(), await t.paymentBody(session)];
    const answers = await Promise.all(Array.from({ length: 5 }, () => t.api.complete(session.id, body, { key })));
    const orders = oneEffect(t, answers, 200).map((answer) => t.view(answer).order?.id);
    assert.equal(new Set(orders).size, 1, `orders: ${orders.join(', ')}`);
    assert.equal((await t.charges(session.id)) ?? 1, 1);
  },
);

requirement(
  'idempotency.race_keys',
  { versions: ALL, level: 'ours', section: `${RFC} §4.4`, says: 'several payments at once under several keys: one order, one charge' },
  async (t) => {
    const session = await t.ready();
    const bodies = await Promise.all(Array.from({ length: 4 }, () => t.paymentBody(session)));
    const answers = await Promise.all(bodies.map((body) => t.api.complete(session.id, body, { key: t.fresh() })));
    const done = answers.filter(({ status, body }) => status === 200 && body?.status === 'completed');
    for (const answer of answers.filter((one) => !done.includes(one))) t.refused(answer);
    assert.equal(new Set(done.map(({ body }) => body.order?.id)).size, 1, answers.map(shown).join('\n'));
    assert.equal(done.length, 1, `one of them was told that it paid: ${answers.map(shown).join('\n')}`);
    assert.equal((await t.charges(session.id)) ?? 1, 1);
  },
);

/** Members last first, all the way down. */
function reversed(value) {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, reversed(inner)]),
  );
}
