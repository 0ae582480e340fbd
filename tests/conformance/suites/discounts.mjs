// Codes: which counted, which did not and why, and where the money went.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { amountOf, since } from '../dialects.mjs';
import { always, inFile, requirement } from '../requirements.mjs';

inFile('discounts');
const versions = since('2026-01-30');
const RFC = 'RFC discounts';
const valid = ['coupon:valid'];

const codesOf = ({ discounts }) => (discounts?.applied ?? []).map(({ code }) => code?.toUpperCase());
const off = ({ totals }) => (totals.items_discount ?? 0) + (totals.discount ?? 0);

requirement(
  'discounts.applied',
  {
    versions,
    needs: valid,
    section: `${RFC} §4.2, §6.2`,
    says: 'a code that counts is in `applied` with its coupon and amount, and the total is less by it',
  },
  async (t) => {
    const code = t.coupon('valid');
    const [plain, session] = [await t.ready(), await t.ready({ codes: [code] })];
    assert.deepEqual(codesOf(session), [code.toUpperCase()], shown(session.answer));
    const [applied] = session.discounts.applied;
    assert.ok(applied.coupon?.id && applied.coupon?.name, JSON.stringify(applied));
    assert.ok(applied.amount > 0);
    assert.equal(off(session), applied.amount, shown(session.answer));
    assert.equal(
      plain.totals.total - plain.totals.tax - (session.totals.total - session.totals.tax),
      applied.amount,
      'and nothing else changed',
    );
    assert.deepEqual(
      session.discounts.codes?.map((one) => one.toUpperCase()),
      [code.toUpperCase()],
    );
  },
);

requirement(
  'discounts.paid',
  { versions, needs: valid, section: `${RFC} §8`, says: 'what is charged is the discounted total' },
  async (t) => {
    const session = await t.ready({ codes: [t.coupon('valid')] });
    const done = await t.paid(session);
    assert.deepEqual(done.totals, session.totals);
    if (t.target.charged) assert.equal(await t.target.charged(session.id), session.totals.total);
  },
);

requirement(
  'discounts.case',
  { versions, needs: valid, section: `${RFC} §6.1`, says: 'upper and lower case make no difference' },
  async (t) => {
    for (const code of [t.coupon('valid').toLowerCase(), t.coupon('valid').toUpperCase()]) {
      const session = await t.open({ codes: [code] });
      assert.equal(session.discounts?.applied?.length, 1, `${code}: ${shown(session.answer)}`);
    }
  },
);

requirement(
  'discounts.update',
  {
    versions,
    needs: ['coupon:valid', 'coupon:other'],
    section: `${RFC} §6.1`,
    says: 'codes in an update replace those before; none clears them; no word of them leaves them',
  },
  async (t) => {
    const session = await t.ready({ codes: [t.coupon('valid')] });
    const kept = t.view(await t.api.update(session.id, t.dialect.update({ buyer: t.buyer })));
    assert.deepEqual(codesOf(kept), codesOf(session), 'no word of them leaves them');
    const replaced = t.view(await t.api.update(session.id, t.dialect.update({ codes: [t.coupon('other')] })));
    assert.deepEqual(codesOf(replaced), [t.coupon('other').toUpperCase()], shown(replaced.answer));
    const cleared = t.view(await t.api.update(session.id, t.dialect.update({ codes: [] })));
    assert.deepEqual(codesOf(cleared), [], shown(cleared.answer));
    assert.equal(off(cleared), 0, shown(cleared.answer));
  },
);

requirement(
  'discounts.stacked',
  {
    versions,
    level: 'ours',
    needs: ['coupon:valid', 'coupon:other'],
    section: `${RFC} §5.2`,
    says: 'of two codes each is applied or rejected, none is lost, and together they never make a total below 0',
  },
  async (t) => {
    const codes = [t.coupon('valid'), t.coupon('other')];
    const session = await t.open({ codes });
    const rejected = (session.discounts?.rejected ?? []).map(({ code }) => code.toUpperCase());
    assert.deepEqual([...codesOf(session), ...rejected].sort(), codes.map((code) => code.toUpperCase()).sort(), shown(session.answer));
  },
);

requirement(
  'discounts.same_twice',
  { versions, level: 'ours', needs: valid, section: `${RFC} §7.1`, says: 'a code that is named twice counts once' },
  async (t) => {
    const code = t.coupon('valid');
    const [one, session] = [await t.open({ codes: [code] }), await t.open({ codes: [code, code.toLowerCase()] })];
    assert.ok(off(one) > 0, shown(one.answer));
    assert.equal(off(session), off(one), shown(session.answer));
  },
);

const refusal = (id, kind, reasons, says) =>
  requirement(
    id,
    {
      versions,
      needs: kind ? [`coupon:${kind}`] : ['coupon:valid'],
      section: `${RFC} §7`,
      says,
    },
    async (t) => {
      const code = kind ? t.coupon(kind) : 'NO-SUCH-CODE-EVER';
      const session = await t.ready({ codes: [code] });
      const rejected = session.discounts?.rejected?.find((one) => one.code.toUpperCase() === code.toUpperCase());
      assert.ok(reasons.includes(rejected?.reason), `${reasons.join(' or ')}: ${shown(session.answer)}`);
      assert.deepEqual(codesOf(session), []);
      assert.equal(off(session), 0);
    },
  );
refusal(
  'discounts.unknown',
  undefined,
  ['discount_code_invalid'],
  'a code that there is not: `rejected`, `discount_code_invalid`; the session is made all the same',
);
refusal('discounts.expired', 'expired', ['discount_code_expired'], 'a code past its time: `rejected`, `discount_code_expired`');
refusal(
  'discounts.minimum',
  'minimum',
  ['discount_code_minimum_not_met'],
  'a code for larger orders: `rejected`, `discount_code_minimum_not_met`',
);

requirement(
  'discounts.warned',
  {
    versions,
    level: 'should',
    needs: valid,
    section: `${RFC} §7, §7.2`,
    says: 'a rejected code is a warning in `messages` too, about its place in the list',
  },
  async (t) => {
    const session = await t.open({ codes: [t.coupon('valid'), 'NO-SUCH-CODE-EVER'] });
    const warning = session.messages.find(({ code }) => code === 'discount_code_invalid');
    assert.equal(warning?.type, 'warning', shown(session.answer));
    assert.equal(warning.param, '$.discounts.codes[1]');
  },
);

requirement(
  'discounts.alias',
  {
    versions,
    level: 'should',
    needs: valid,
    section: `${RFC} §10.1`,
    says: '`coupons` is an old name for `discounts.codes`, which wins where both are given',
  },
  async (t) => {
    const old = await t.open({ more: { coupons: [t.coupon('valid')] } });
    assert.deepEqual(codesOf(old), [t.coupon('valid').toUpperCase()], shown(old.answer));
    const both = await t.open({ codes: [], more: { coupons: [t.coupon('valid')] } });
    assert.deepEqual(codesOf(both), [], shown(both.answer));
  },
);

requirement(
  'discounts.malformed',
  { versions, section: 'JSON Schema, DiscountsRequest', says: 'codes that are no list of texts are refused: 400' },
  async (t) => {
    for (const discounts of [{ codes: 'SAVE' }, { codes: [7] }, [], 'SAVE']) {
      t.refused(await t.api.create(await t.createBody({ more: { discounts } })), { status: 400, type: 'invalid_request' });
    }
  },
);

const SESSIONS = new Set(['create', 'get', 'update', 'complete', 'cancel']);
always(
  'discounts.sum',
  {
    versions,
    needs: valid,
    section: `${RFC} §4.2, §5.3, §8.2`,
    says: 'what was applied makes the discounts in the totals, and the allocations make what was applied',
  },
  ({ operation, status, body }) => {
    if (!SESSIONS.has(operation) || status >= 300 || !body?.discounts?.applied?.length) return undefined;
    const wrong = [];
    const applied = body.discounts.applied;
    const all = applied.reduce((sum, { amount }) => sum + amount, 0);
    const shownOff = (amountOf(body.totals, 'items_discount') ?? 0) + (amountOf(body.totals, 'discount') ?? 0);
    if (all !== shownOff) wrong.push(`applied makes ${all}, items_discount and discount make ${shownOff}`);
    for (const { id, amount, allocations } of applied) {
      const sum = allocations?.reduce((total, one) => total + one.amount, 0);
      if (sum !== undefined && allocations.length && sum !== amount) wrong.push(`${id}: allocations make ${sum}, the amount is ${amount}`);
      for (const { path } of allocations ?? []) {
        const at = /^\$\.line_items\[(\d+)\]$/.exec(path)?.[1];
        if (at !== undefined && !body.line_items[at]) wrong.push(`${id}: ${path} leads nowhere`);
      }
    }
    return wrong.length ? wrong : true;
  },
);
