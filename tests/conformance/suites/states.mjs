// Every status that an agent can bring about × every command.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('states');
const SECTION = 'RFC checkout §2.2, §4';

/** How a session comes into each status. */
const REACH = {
  not_ready_for_payment: {
    versions: VERSIONS,
    how: async (t) => {
      const session = await t.open({ address: null });
      assert.equal(session.status, 'not_ready_for_payment', `what is shipped needs an address: ${shown(session.answer)}`);
      return session;
    },
  },
  ready_for_payment: { versions: VERSIONS, how: (t) => t.ready() },
  authentication_required: {
    versions: since('2025-12-12'),
    needs: ['token:requires_3ds'],
    how: async (t) => {
      const session = await t.ready();
      const token = await t.token('requires_3ds', session.totals.total);
      await t.complete(session, { token });
      const now = await t.look(session.id);
      assert.equal(now.status, 'authentication_required', shown(now.answer));
      return { ...now, token };
    },
  },
  completed: {
    versions: VERSIONS,
    how: async (t) => {
      const done = await t.paid(await t.ready());
      return { ...(await t.look(done.id)), paid: done.order };
    },
  },
  canceled: {
    versions: VERSIONS,
    how: async (t) => {
      const session = await t.ready();
      t.view(await t.api.cancel(session.id));
      return t.look(session.id);
    },
  },
  expired: {
    versions: since('2026-01-30'),
    needs: ['expire'],
    how: async (t) => {
      const session = await t.ready();
      await t.target.expire(session.id);
      const now = await t.look(session.id);
      assert.equal(now.status, 'expired', shown(now.answer));
      return now;
    },
  },
};

const noOrder = async (t, session) => {
  const now = await t.look(session.id);
  assert.notEqual(now.status, 'completed', shown(now.answer));
  assert.equal(now.order, undefined, shown(now.answer));
  assert.equal((await t.charges(session.id)) ?? 0, 0, 'nothing was charged');
};

const get = {
  says: (status) => `is read as \`${status}\``,
  check: async (t, session, status) => {
    assert.equal((await t.look(session.id)).status, status);
  },
};
const update = {
  says: () => 'may be changed',
  check: async (t, session) => {
    const buyer = { ...t.buyer, first_name: 'Grace' };
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ buyer })));
    assert.deepEqual(updated.buyer, buyer, shown(updated.answer));
  },
};
const cancel = {
  says: () => 'may be canceled',
  check: async (t, session) => {
    assert.equal(t.view(await t.api.cancel(session.id)).status, 'canceled');
  },
};
const complete = {
  says: () => 'may be paid for',
  check: async (t, session) => {
    await t.paid(session);
  },
};

const frozen = {
  says: () => 'cannot be changed, and stays as it is',
  check: async (t, session) => {
    const changes = [
      { buyer: { ...t.buyer, first_name: 'Grace' } },
      { items: [{ id: session.lines[0].product, quantity: 2 }] },
      { address: t.address, contact: { name: 'Grace' } },
    ];
    for (const change of changes) t.refused(await t.api.update(session.id, t.dialect.update(change)));
    await t.unchanged(session, 'after a refused update');
  },
};
const unpayable = {
  says: () => 'cannot be paid for: no order, no charge',
  check: async (t, session) => {
    const answer = await t.complete(session, { token: await t.token('success', 100_000) });
    assert.ok(answer.status >= 400 ? t.refused(answer) : t.complaints(answer).length > 0, `it says why: ${shown(answer)}`);
    await noOrder(t, session);
  },
};
const over = {
  says: () => 'cannot be canceled: 405',
  check: async (t, session, status) => {
    t.refused(await t.api.cancel(session.id), { status: 405 });
    assert.equal((await t.look(session.id)).status, status);
  },
};

const MATRIX = {
  not_ready_for_payment: { get, update, cancel, complete: unpayable },
  ready_for_payment: { get, update, cancel, complete },
  authentication_required: {
    get,
    update,
    cancel,
    complete: {
      says: () => 'without `authentication_result` answers `requires_3ds`; with it, the order is made',
      check: async (t, session) => {
        t.refused(await t.complete(session, { token: session.token }), {
          type: 'invalid_request',
          code: 'requires_3ds',
          param: '$.authentication_result',
        });
        assert.equal((await t.look(session.id)).status, 'authentication_required');
        await t.paid(session, { token: session.token, authentication: t.dialect.authenticated });
      },
    },
  },
  completed: {
    get,
    update: frozen,
    cancel: over,
    complete: {
      says: () => 'cannot be paid for again: one order, one charge; it is refused, or told again what was ordered',
      check: async (t, session) => {
        const again = await t.complete(session, { token: await t.token('success', session.totals.total) });
        if (again.status >= 400) t.refused(again);
        else assert.equal(t.view(again).order?.id, session.paid.id, shown(again));
        const now = await t.look(session.id);
        assert.equal(now.status, 'completed');
        if (t.dialect.orderInSession) assert.equal(now.order.id, session.paid.id, shown(now.answer));
        assert.equal((await t.charges(session.id)) ?? 1, 1, 'it was charged once');
      },
    },
  },
  canceled: {
    get,
    update: frozen,
    cancel: over,
    complete: {
      ...unpayable,
      check: async (t, session) => {
        t.refused(await t.complete(session));
        await noOrder(t, session);
      },
    },
  },
  expired: {
    get,
    update: frozen,
    cancel: {
      says: () => 'cannot be canceled',
      check: async (t, session) => {
        t.refused(await t.api.cancel(session.id));
      },
    },
    complete: {
      ...unpayable,
      check: async (t, session) => {
        t.refused(await t.complete(session));
        await noOrder(t, session);
      },
    },
  },
};

for (const [status, commands] of Object.entries(MATRIX)) {
  const { versions, how, needs } = REACH[status];
  for (const [command, { says, check }] of Object.entries(commands)) {
    requirement(
      `state.${status}.${command}`,
      { versions, needs, section: SECTION, says: `a session that is \`${status}\` ${says(status)}` },
      async (t) => {
        await check(t, await how(t), status);
      },
    );
  }
}

requirement(
  'state.becomes_ready',
  {
    versions: VERSIONS,
    section: 'RFC checkout §4.1; OpenAI, production checklist',
    says: 'an address makes a session that lacks one ready for payment (with the option chosen)',
  },
  async (t) => {
    const session = await t.open({ address: null });
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ address: t.address })));
    const ready = updated.status === 'ready_for_payment' ? updated : await t.choose(updated);
    assert.equal(ready.status, 'ready_for_payment', shown(ready.answer));
  },
);

requirement(
  'state.says_why',
  {
    versions: VERSIONS,
    level: 'ours',
    section: 'RFC checkout §5, Message; OpenAI, production checklist (`missing`)',
    says: 'a session that is not ready says what is missing, and where',
  },
  async (t) => {
    const session = await t.open({ address: null });
    const missing = session.messages.filter(({ type, code }) => type === 'error' && code === 'missing');
    assert.ok(
      missing.some(({ param }) => param?.startsWith(`$.${t.dialect.addressMember}`)),
      shown(session.answer),
    );
  },
);
