// What may be bought: how many, of what, at whose price, and what happens when there is none.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('items');
const ALL = VERSIONS;

for (const [name, quantity] of Object.entries({ zero: 0, negative: -1, fraction: 1.5, text: '2' })) {
  requirement(
    `quantity.${name}`,
    {
      versions: ALL,
      level: name === 'fraction' ? 'ours' : 'must',
      section: "JSON Schema, Item; Stripe's page, Item",
      says: `a quantity of ${JSON.stringify(quantity)} is refused: 400, when made and when changed`,
    },
    async (t) => {
      const id = await t.product('shipped');
      t.refused(await t.api.create(await t.createBody({ items: [{ id, quantity }] })), { status: 400, type: 'invalid_request' });
      const session = await t.open();
      t.refused(await t.api.update(session.id, t.dialect.update({ items: [{ id, quantity }] })), { status: 400, type: 'invalid_request' });
      await t.unchanged(session, 'after a refused update');
    },
  );
}

requirement(
  'quantity.other',
  { versions: ALL, section: 'JSON Schema, Item', says: 'true, a list and a number beyond all stock are no quantities' },
  async (t) => {
    const id = await t.product('shipped');
    for (const quantity of [true, [1], {}]) {
      t.refused(await t.api.create(await t.createBody({ items: [{ id, quantity }] })), { status: 400 });
    }
    for (const quantity of [1e15, Number.MAX_SAFE_INTEGER]) {
      const answer = await t.api.create(await t.createBody({ items: [{ id, quantity }] }));
      if (answer.status >= 400) t.refused(answer, { status: 400 });
      else assert.notEqual(t.view(answer, 201).status, 'ready_for_payment', `nobody has that many: ${shown(answer)}`);
    }
  },
);

requirement(
  'quantity.missing',
  { versions: since('stripe', '2026-01-16'), section: 'JSON Schema, Item', says: 'an item without a quantity is refused: 400' },
  async (t) => {
    t.refused(await t.api.create(await t.createBody({ items: [{ id: await t.product('shipped') }] })), { status: 400 });
  },
);

requirement(
  'quantity.default',
  {
    versions: since('2026-01-30'),
    section: 'JSON Schema, Item (no quantity in requests)',
    says: 'an item without a quantity is one piece',
  },
  async (t) => {
    const session = await t.open({ items: [{ id: await t.product('shipped') }] });
    assert.equal(session.lines[0].quantity, 1, shown(session.answer));
  },
);

requirement('quantity.whole', { versions: ALL, level: 'ours', section: 'JSON Schema, integer', says: '1.0 is one' }, async (t) => {
  const body = await t.createBody({ items: [{ id: await t.product('shipped'), quantity: 1234567 }] });
  const answer = await t.api.call('create', 'POST', t.dialect.path, { raw: JSON.stringify(body).replace('1234567', '1.0') });
  assert.equal(t.view(answer, 201).lines[0].quantity, 1, shown(answer));
});

requirement(
  'items.empty',
  { versions: ALL, section: 'JSON Schema, CreateRequest', says: 'a session without items is refused: 400' },
  async (t) => {
    const body = await t.createBody();
    for (const items of [[], undefined, null, {}, 'all']) {
      t.refused(await t.api.create({ ...body, [t.dialect.itemsMember]: items }), { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'items.malformed',
  { versions: ALL, section: 'JSON Schema, Item', says: 'an item that names no product is refused: 400' },
  async (t) => {
    for (const item of [{ quantity: 1 }, { id: 7, quantity: 1 }, { id: '', quantity: 1 }, 'item_123', null]) {
      t.refused(await t.api.create(await t.createBody({ items: [item] })), { status: 400 });
    }
  },
);

requirement(
  'items.unknown',
  {
    versions: ALL,
    section: 'examples (invalid_item_id); OpenAI, production checklist',
    says: 'an item that the shop does not have is refused: 400',
  },
  async (t) => {
    const known = { id: await t.product('shipped'), quantity: 1 };
    for (const items of [[{ id: 'no-such-item', quantity: 1 }], [known, { id: 'no-such-item', quantity: 1 }]]) {
      t.refused(await t.api.create(await t.createBody({ items })), { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'items.unknown_later',
  { versions: ALL, section: 'examples (invalid_item_id)', says: 'nor can one be put into a session: 400, and it stays as it was' },
  async (t) => {
    const session = await t.open();
    t.refused(await t.api.update(session.id, t.dialect.update({ items: [{ id: 'no-such-item', quantity: 1 }] })), {
      status: 400,
      type: 'invalid_request',
    });
    await t.unchanged(session, 'after an unknown item');
  },
);

requirement(
  'items.twice',
  { versions: ALL, level: 'ours', section: "Stripe's page, Item", says: 'a product that is named twice is bought twice' },
  async (t) => {
    const id = await t.product('shipped');
    const one = await t.open({ items: [{ id, quantity: 1 }] });
    const session = await t.open({
      items: [
        { id, quantity: 1 },
        { id, quantity: 2 },
      ],
    });
    assert.equal(
      session.lines.reduce((sum, { quantity }) => sum + quantity, 0),
      3,
      shown(session.answer),
    );
    assert.equal(session.totals.subtotal, 3 * one.totals.subtotal);
  },
);

requirement(
  'items.nested',
  {
    versions: since('2026-01-30'),
    level: 'ours',
    section: 'published clients',
    says: '`{item: {id}, quantity}`, which published clients send, is `{id, quantity}`',
  },
  async (t) => {
    const id = await t.product('shipped');
    const session = await t.open({ items: [{ item: { id }, quantity: 2 }] });
    assert.deepEqual(
      session.lines.map(({ product, quantity }) => [product, quantity]),
      [[id, 2]],
      shown(session.answer),
    );
  },
);

requirement(
  'items.price',
  {
    versions: since('2026-01-30'),
    section: 'RFC checkout, preamble (the merchant is the system of record)',
    says: 'a price or name that an agent sends changes nothing',
  },
  async (t) => {
    const id = await t.product('shipped');
    const honest = await t.open({ items: [{ id, quantity: 1 }] });
    const session = await t.open({ items: [{ id, quantity: 1, unit_amount: 1, name: 'Cheap' }] });
    assert.deepEqual(session.totals, honest.totals, shown(session.answer));
    assert.equal(session.lines[0].unit, honest.lines[0].unit);
  },
);

requirement(
  'currency.required',
  { versions: since('2026-01-30'), section: 'JSON Schema, CreateRequest', says: 'a session without a currency is refused: 400' },
  async (t) => {
    for (const currency of [undefined, 7, 'dollars']) {
      t.refused(await t.api.create({ ...(await t.createBody()), currency }), { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'currency.case',
  { versions: since('2026-01-30'), level: 'ours', section: 'RFC checkout §8 (lowercase recommended)', says: '`USD` is `usd`' },
  async (t) => {
    assert.equal((await t.open({ currency: t.currency.toUpperCase() })).currency, t.currency);
  },
);

requirement(
  'currency.other',
  {
    versions: since('2026-01-30'),
    level: 'ours',
    section: 'RFC checkout §8',
    says: 'a currency that the shop does not price in is refused',
  },
  async (t) => {
    t.refused(await t.api.create(await t.createBody({ currency: t.currency === 'jpy' ? 'usd' : 'jpy' })), { status: [400, 422] });
  },
);

requirement(
  'notes.length',
  {
    versions: since('2026-04-17'),
    section: 'JSON Schema, order_notes',
    says: 'notes of 5,000 characters are taken, longer ones refused: 400',
  },
  async (t) => {
    await t.open({ more: { order_notes: 'n'.repeat(5000) } });
    t.refused(await t.api.create(await t.createBody({ more: { order_notes: 'n'.repeat(5001) } })), { status: 400 });
  },
);

requirement(
  'stock.none',
  {
    versions: ALL,
    needs: ['product:out_of_stock'],
    section: 'RFC checkout §5, MessageError; OpenAI, production checklist',
    says: 'what is sold out gives a session with the message `out_of_stock` about its line, not ready for payment',
  },
  async (t) => {
    const items = [
      { id: await t.product('shipped'), quantity: 1 },
      { id: await t.product('out_of_stock'), quantity: 1 },
    ];
    const session = await t.open({ items });
    const message = session.messages.find(({ code }) => code === 'out_of_stock');
    assert.ok(message, `a message "out_of_stock": ${shown(session.answer)}`);
    assert.equal(message.type, 'error');
    assert.notEqual(session.status, 'ready_for_payment', shown(session.answer));
    const read = await t.look(session.id);
    assert.notEqual(read.status, 'ready_for_payment', `read again: ${shown(read.answer)}`);
    assert.ok(
      read.messages.some(({ code }) => code === 'out_of_stock'),
      `read again: ${shown(read.answer)}`,
    );
  },
);

requirement(
  'stock.param',
  {
    versions: ALL,
    level: 'should',
    needs: ['product:out_of_stock'],
    section: 'RFC checkout §8',
    says: 'that message names the line by JSONPath',
  },
  async (t) => {
    const items = [
      { id: await t.product('shipped'), quantity: 1 },
      { id: await t.product('out_of_stock'), quantity: 1 },
    ];
    const session = await t.open({ items });
    const { param } = session.messages.find(({ code }) => code === 'out_of_stock') ?? {};
    assert.match(param ?? '', /^\$\.line_items\[1\]/, shown(session.answer));
  },
);

requirement(
  'stock.unpayable',
  { versions: ALL, needs: ['product:out_of_stock'], section: 'RFC checkout §4.4', says: 'what is sold out cannot be paid for' },
  async (t) => {
    const session = await t.open({ items: [{ id: await t.product('out_of_stock'), quantity: 1 }] });
    const answer = await t.complete(session, { token: await t.token('success', 100_000) });
    assert.notEqual(answer.body?.status, 'completed', shown(answer));
    assert.ok(answer.status >= 400 || t.complaints(answer).length > 0, `it says why: ${shown(answer)}`);
    assert.notEqual((await t.look(session.id)).status, 'completed');
    assert.equal((await t.charges(session.id)) ?? 0, 0, 'and nothing was charged');
  },
);

const SHORT = ['out_of_stock', 'quantity_exceeded', 'low_stock'];
requirement(
  'stock.too_many',
  {
    versions: ALL,
    needs: ['product:last'],
    section: 'RFC checkout §5, MessageError',
    says: 'more than there are: a message about it, not ready for payment; fewer again, and it is',
  },
  async (t) => {
    const id = await t.product('last');
    const session = await t.open({ items: [{ id, quantity: 2 }] });
    assert.ok(
      session.messages.some(({ type, code }) => type === 'error' && SHORT.includes(code)),
      `a message: ${shown(session.answer)}`,
    );
    assert.notEqual(session.status, 'ready_for_payment', shown(session.answer));
    const fewer = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id, quantity: 1 }] })));
    assert.ok(!fewer.messages.some(({ code }) => SHORT.slice(0, 2).includes(code)), `the message is gone: ${shown(fewer.answer)}`);
    assert.equal(fewer.status, 'ready_for_payment', shown(fewer.answer));
  },
);

requirement(
  'stock.last_piece',
  {
    versions: ALL,
    level: 'ours',
    needs: ['product:last'],
    section: 'RFC checkout §4.4',
    says: 'the last piece is sold once: who comes second pays nothing and is told',
  },
  async (t) => {
    const id = await t.product('last');
    const [first, second] = [await t.ready({ items: [{ id, quantity: 1 }] }), await t.ready({ items: [{ id, quantity: 1 }] })];
    await t.paid(first);
    const answer = await t.complete(second);
    assert.notEqual(answer.body?.status, 'completed', shown(answer));
    assert.ok(
      t.complaints(answer).some((code) => SHORT.includes(code)),
      `out_of_stock was due: ${shown(answer)}`,
    );
    assert.equal((await t.charges(second.id)) ?? 0, 0, 'and nothing was charged');
  },
);

requirement(
  'stock.last_race',
  {
    versions: ALL,
    level: 'ours',
    needs: ['product:last'],
    section: 'RFC checkout §4.4',
    says: 'two who pay for the last piece at once: one order',
  },
  async (t) => {
    const id = await t.product('last');
    const sessions = [await t.ready({ items: [{ id, quantity: 1 }] }), await t.ready({ items: [{ id, quantity: 1 }] })];
    const answers = await Promise.all(sessions.map((session) => t.complete(session)));
    assert.equal(answers.filter(({ body }) => body?.status === 'completed').length, 1, answers.map(shown).join('\n'));
  },
);
