// The arithmetic, in every answer that has a price.
import assert from 'node:assert/strict';
import { DIALECTS, VERSIONS, amountOf } from '../dialects.mjs';
import { always, inFile, requirement } from '../requirements.mjs';

inFile('totals');
const ALL = VERSIONS;
const SESSIONS = new Set(['create', 'get', 'update', 'complete', 'cancel']);
const CARTS = new Set(['cart.create', 'cart.get', 'cart.update', 'cart.cancel']);

/** A session that was answered. Undefined for anything else. */
const sessionOf = ({ operation, status, body }) =>
  SESSIONS.has(operation) && status < 300 && Array.isArray(body?.totals) ? body : undefined;
const priced = (answer) =>
  sessionOf(answer) ?? (CARTS.has(answer.operation) && answer.status < 300 && Array.isArray(answer.body?.totals) ? answer.body : undefined);
const sum = (list) => list.reduce((total, one) => total + (one ?? 0), 0);
const list = (wrong) => (wrong.length ? wrong : true);

/** Kinds that clients were seen to look for, even where they are 0. */
const LOOKED_FOR = ['items_base_amount', 'items_discount', 'subtotal', 'discount', 'fulfillment', 'tax', 'total'];

always('totals.total', { versions: ALL, section: 'RFC checkout §8', says: 'every session has its `total`, once' }, (answer) => {
  const session = sessionOf(answer);
  if (!session) return undefined;
  const count = session.totals.filter(({ type }) => type === 'total').length;
  return count === 1 || `there are ${count} totals of the type "total"`;
});

always(
  'totals.sum',
  {
    versions: ALL,
    section: 'JSON Schema, Total; published clients',
    says: 'total = subtotal − discount + fulfillment + tax + fee + gift_wrap + tip − store_credit',
  },
  (answer) => {
    const session = priced(answer);
    const total = session && amountOf(session.totals, 'total');
    if (total === undefined) return undefined;
    const of = (kind) => amountOf(session.totals, kind) ?? 0;
    const due =
      of('subtotal') - of('discount') + of('fulfillment') + of('tax') + of('fee') + of('gift_wrap') + of('tip') - of('store_credit');
    return total === due || `total is ${total}, its parts make ${due}`;
  },
);

always(
  'totals.subtotal',
  { versions: ALL, section: 'RFC discounts §8', says: 'subtotal = items_base_amount − items_discount' },
  (answer) => {
    const session = priced(answer);
    const base = session && amountOf(session.totals, 'items_base_amount');
    if (base === undefined) return undefined;
    const due = base - (amountOf(session.totals, 'items_discount') ?? 0);
    const subtotal = amountOf(session.totals, 'subtotal');
    return subtotal === due || `subtotal is ${subtotal}, items_base_amount − items_discount is ${due}`;
  },
);

always(
  'totals.kinds',
  { versions: ALL, level: 'ours', section: 'published clients', says: 'the kinds that clients look for are there even where they are 0' },
  (answer) => {
    const session = sessionOf(answer);
    if (!session) return undefined;
    const missing = LOOKED_FOR.filter((kind) => amountOf(session.totals, kind) === undefined);
    return missing.length === 0 || `no ${missing.join(', ')}`;
  },
);

always('totals.once', { versions: ALL, level: 'ours', section: 'published clients', says: 'no kind comes twice' }, (answer) => {
  const session = priced(answer);
  if (!session) return undefined;
  const kinds = session.totals.map(({ type }) => type);
  return new Set(kinds).size === kinds.length || `twice: ${kinds.filter((kind, i) => kinds.indexOf(kind) !== i).join(', ')}`;
});

always('totals.whole', { versions: ALL, section: 'RFC checkout §3.1, §8', says: 'amounts are whole numbers, none below 0' }, (answer) => {
  const session = priced(answer);
  if (!session) return undefined;
  const lines = DIALECTS[answer.version].read(session).lines;
  const amounts = [
    ...session.totals.map(({ type, amount }) => [`totals.${type}`, amount]),
    ...lines.flatMap((line, i) =>
      ['base', 'discount', 'subtotal', 'tax', 'total', 'unit'].map((member) => [`line_items[${i}].${member}`, line[member]]),
    ),
  ];
  return list(
    amounts
      .filter(([, amount]) => amount !== undefined && !(Number.isSafeInteger(amount) && amount >= 0))
      .map(([name, amount]) => `${name} is ${amount}`),
  );
});

always('totals.text', { versions: ALL, section: 'JSON Schema, Total', says: 'each has a text to show' }, (answer) => {
  const session = priced(answer);
  return (
    session &&
    list(
      session.totals
        .filter(({ display_text: text }) => typeof text !== 'string' || text === '')
        .map(({ type }) => `${type} has no display_text`),
    )
  );
});

always(
  'lines.present',
  { versions: ALL, section: 'RFC checkout §4.1', says: 'a session shows what it is about: at least one line' },
  (answer) => {
    const session = sessionOf(answer);
    return session && (session.line_items?.length > 0 || 'there are no line_items');
  },
);

always(
  'lines.sum',
  { versions: ALL, section: 'JSON Schema, LineItem', says: 'in a line, base = unit × quantity, subtotal = base − discount' },
  (answer) => {
    const session = priced(answer);
    if (!session) return undefined;
    return list(
      DIALECTS[answer.version].read(session).lines.flatMap((line, i) => {
        const wrong = [];
        if (line.unit !== undefined && line.base !== undefined && line.base !== line.unit * line.quantity)
          wrong.push(`line ${i}: base ${line.base} is not ${line.unit} × ${line.quantity}`);
        if (line.base !== undefined && line.subtotal !== line.base - (line.discount ?? 0))
          wrong.push(`line ${i}: subtotal ${line.subtotal} is not ${line.base} − ${line.discount ?? 0}`);
        return wrong;
      }),
    );
  },
);

always('lines.total', { versions: ALL, section: 'JSON Schema, LineItem', says: 'in a line, total = subtotal + tax' }, (answer) => {
  const session = priced(answer);
  if (!session) return undefined;
  return list(
    DIALECTS[answer.version]
      .read(session)
      .lines.flatMap((line, i) =>
        line.total !== undefined && line.subtotal !== undefined && line.total !== line.subtotal + (line.tax ?? 0)
          ? [`line ${i}: total ${line.total} is not ${line.subtotal} + ${line.tax ?? 0}`]
          : [],
      ),
  );
});

always(
  'lines.add_up',
  { versions: ALL, section: 'RFC discounts §8.2', says: 'the lines make the totals: items_base_amount, items_discount, subtotal' },
  (answer) => {
    const session = priced(answer);
    if (!session?.line_items?.length) return undefined;
    const { lines, totals } = DIALECTS[answer.version].read(session);
    const wrong = [];
    for (const [kind, member] of [
      ['items_base_amount', 'base'],
      ['items_discount', 'discount'],
      ['subtotal', 'subtotal'],
    ]) {
      if (totals[kind] === undefined || lines.every((line) => line[member] === undefined)) continue;
      const due = sum(lines.map((line) => line[member]));
      if (totals[kind] !== due) wrong.push(`${kind} is ${totals[kind]}, the lines make ${due}`);
    }
    return list(wrong);
  },
);

always(
  'messages.content',
  { versions: ALL, section: 'RFC checkout §5.1', says: 'messages have a text, no raw HTML in markdown, and name members by JSONPath' },
  (answer) => {
    const messages = priced(answer)?.messages;
    if (!Array.isArray(messages) || messages.length === 0) return undefined;
    return list(
      messages.flatMap((message) => {
        const wrong = [];
        if (typeof message.content !== 'string' || message.content === '') wrong.push('a message without content');
        if (message.content_type === 'markdown' && /<\/?[a-z!][^>]*>/i.test(message.content))
          wrong.push(`raw HTML in a message: ${message.content}`);
        if (message.param !== undefined && !/^\$([.[]|$)/.test(message.param)) wrong.push(`param is "${message.param}"`);
        return wrong;
      }),
    );
  },
);

requirement(
  'totals.quantity',
  { versions: ALL, section: 'JSON Schema, LineItem', says: 'three pieces cost three times as much as one' },
  async (t) => {
    const id = await t.product('shipped');
    const [one, three] = [await t.open({ items: [{ id, quantity: 1 }] }), await t.open({ items: [{ id, quantity: 3 }] })];
    assert.ok(one.totals.subtotal > 0);
    assert.equal(three.totals.subtotal, 3 * one.totals.subtotal);
  },
);

requirement(
  'totals.items',
  { versions: ALL, section: 'JSON Schema, LineItem', says: 'two products cost what they cost together' },
  async (t) => {
    const [shipped, second] = [await t.product('shipped'), await t.product('second')];
    const [a, b] = [await t.open({ items: [{ id: shipped, quantity: 1 }] }), await t.open({ items: [{ id: second, quantity: 1 }] })];
    const both = await t.open({
      items: [
        { id: shipped, quantity: 1 },
        { id: second, quantity: 1 },
      ],
    });
    assert.equal(both.totals.subtotal, a.totals.subtotal + b.totals.subtotal);
  },
);

requirement(
  'totals.tax',
  {
    versions: ALL,
    level: 'ours',
    needs: ['taxed'],
    section: 'contract, fulfillment (tax)',
    says: 'where the shop taxes, the tax is in the total and in the lines',
  },
  async (t) => {
    const session = await t.ready({ address: t.target.taxed.address });
    const due = Math.floor((session.totals.subtotal * t.target.taxed.rate_bps) / 10_000);
    assert.ok(
      Math.abs(session.totals.tax - due) <= 1,
      `tax is ${session.totals.tax}, ${t.target.taxed.rate_bps} basis points of ${session.totals.subtotal} are ${due}`,
    );
    assert.equal(sum(session.lines.map(({ tax }) => tax)), session.totals.tax, "the lines' taxes make the tax");
  },
);
