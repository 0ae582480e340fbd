// One session, read side by side in every version that the server speaks.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';
import { unlikeExamples } from '../compare.mjs';
import { violations } from '../schemas.mjs';

inFile('versions');
const needs = ['readAnyVersion'];
const section = 'contract, ACP';

const others = (t) => VERSIONS.filter((version) => version !== t.version && t.target.versions.includes(version));

/** The same session in another version: valid there, and the same in what both can say. */
async function reads(t, session, version, statuses = [session.status]) {
  const other = t.in(version);
  const seen = await other.look(session.id);
  const where = `made in ${t.version}, read in ${version}`;
  const kind = seen.status === 'completed' && seen.order ? 'completed' : 'session';
  assert.deepEqual(violations(version, kind, seen.raw) ?? [], [], `${where}: ${shown(seen.answer)}`);
  assert.deepEqual(unlikeExamples(version, kind, seen.raw) ?? [], [], `${where}: ${shown(seen.answer)}`);
  assert.ok(statuses.includes(seen.status), `${where}: ${seen.status} where ${statuses.join(' or ')} was due`);
  assert.equal(seen.currency, session.currency);
  assert.deepEqual(
    seen.lines.map(({ id, product, quantity, subtotal, tax }) => [id, product, quantity, subtotal, tax]),
    session.lines.map(({ id, product, quantity, subtotal, tax }) => [id, product, quantity, subtotal, tax]),
    where,
  );
  assert.deepEqual(seen.totals, session.totals, `${where}: totals`);
  assert.deepEqual(
    seen.options.map(({ id, type, amount }) => [id, type, amount]),
    session.options.map(({ id, type, amount }) => [id, type, amount]),
    `${where}: options`,
  );
  assert.deepEqual(
    seen.selected.map(({ id }) => id),
    session.selected.map(({ id }) => id),
    `${where}: selected`,
  );
  assert.deepEqual(seen.buyer, session.buyer, `${where}: buyer`);
  assert.deepEqual(seen.address, session.address, `${where}: address`);
  return seen;
}

requirement(
  'versions.read',
  {
    versions: VERSIONS,
    level: 'ours',
    needs,
    section,
    says: 'what was made in one version is read in each other: valid there, with the same lines, options and totals',
  },
  async (t) => {
    const [bare, session] = [await t.open({ address: null }), await t.ready()];
    for (const version of others(t)) {
      await reads(t, session, version);
      await reads(t, bare, version);
    }
  },
);

requirement(
  'versions.update',
  { versions: VERSIONS, level: 'ours', needs, section, says: 'what one version changed the others see' },
  async (t) => {
    const session = await t.ready();
    for (const version of others(t)) {
      const other = t.in(version);
      const now = await other.look(session.id);
      const option = now.options.find(({ id }) => !now.selected.some((one) => one.id === id));
      const changed = await other.choose(now, option);
      const seen = await t.look(session.id);
      assert.deepEqual([seen.totals, seen.selected.map(({ id }) => id)], [changed.totals, [option.id]], `changed in ${version}`);
    }
  },
);

requirement(
  'versions.complete',
  {
    versions: VERSIONS,
    level: 'ours',
    needs,
    section,
    says: 'what one version paid for is completed in all, with one order, and cannot be canceled in any',
  },
  async (t) => {
    const done = await t.paid(await t.ready());
    for (const version of others(t)) {
      const seen = await reads(t, done, version);
      if (t.in(version).dialect.orderInSession) assert.equal(seen.order?.id, done.order.id);
      t.refused(await t.in(version).api.cancel(done.id), { status: 405 });
    }
  },
);

requirement(
  'versions.cancel',
  { versions: VERSIONS, level: 'ours', needs, section, says: 'what one version canceled is canceled in all' },
  async (t) => {
    const session = await t.ready();
    const canceled = t.view(await t.api.cancel(session.id));
    for (const version of others(t)) await reads(t, { ...session, status: canceled.status, ...(await t.look(session.id)) }, version);
  },
);

requirement(
  'versions.stock',
  {
    versions: VERSIONS,
    level: 'ours',
    needs: [...needs, 'product:out_of_stock'],
    section,
    says: 'messages are put into words that each version knows',
  },
  async (t) => {
    const session = await t.open({ items: [{ id: await t.product('out_of_stock'), quantity: 1 }] });
    for (const version of others(t)) {
      const seen = await reads(t, session, version);
      assert.ok(
        seen.messages.some(({ code }) => code === 'out_of_stock'),
        shown(seen.answer),
      );
    }
  },
);

requirement(
  'versions.authentication',
  {
    versions: VERSIONS,
    level: 'ours',
    needs: [...needs, 'token:requires_3ds'],
    section,
    says: 'a status that an older version does not know is told by one that it knows',
  },
  async (t) => {
    const session = await t.ready();
    await t.complete(session, { kind: 'requires_3ds' });
    const now = await t.look(session.id);
    for (const version of others(t)) {
      const known = t.in(version).dialect.authentication
        ? ['authentication_required']
        : ['ready_for_payment', 'not_ready_for_payment', 'in_progress'];
      await reads(t, now, version, known);
    }
  },
);
