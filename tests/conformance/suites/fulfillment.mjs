// From an address to the options, and from an option to the price.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { DIALECTS, VERSIONS, cheapest, since } from '../dialects.mjs';
import { always, inFile, requirement } from '../requirements.mjs';

inFile('fulfillment');
const ALL = VERSIONS;
const RFC = 'RFC checkout';

requirement(
  'fulfillment.none',
  { versions: ALL, section: `${RFC} §4.1; RFC cart §3.1`, says: 'without an address nothing that is shipped is ready for payment' },
  async (t) => {
    const session = await t.open({ address: null });
    assert.equal(session.status, 'not_ready_for_payment', shown(session.answer));
    assert.equal(session.totals.fulfillment ?? 0, 0, `shipping is not charged before it is known where to: ${shown(session.answer)}`);
  },
);

requirement(
  'fulfillment.options',
  {
    versions: ALL,
    section: 'OpenAI, production checklist',
    says: 'an address brings options, each with id, title and price, whether it comes with create or with update',
  },
  async (t) => {
    const made = await t.open();
    const bare = await t.open({ address: null });
    const updated = t.view(await t.api.update(bare.id, t.dialect.update({ address: t.address })));
    for (const session of [made, updated]) {
      assert.ok(session.options.length > 0, `no options: ${shown(session.answer)}`);
      assert.equal(new Set(session.options.map(({ id }) => id)).size, session.options.length, 'ids are unique');
      for (const option of session.options) {
        assert.ok(Number.isSafeInteger(option.amount) && option.amount >= 0, `${option.id} has no price: ${shown(session.answer)}`);
        assert.ok(option.title, `${option.id} has no title`);
      }
    }
  },
);

requirement('fulfillment.echo', { versions: ALL, section: `${RFC} §4.1`, says: 'the address comes back as it was given' }, async (t) => {
  const session = await t.open();
  assert.deepEqual(session.address, t.address, shown(session.answer));
});

requirement(
  'fulfillment.contact',
  {
    versions: since('2025-12-12'),
    section: 'JSON Schema, FulfillmentDetails',
    says: 'name, phone number and e-mail address of who receives it come back too',
  },
  async (t) => {
    const contact = { name: 'Grace Hopper', phone_number: '15557654321', email: 'grace@example.com' };
    const session = await t.open({ contact });
    const { address, ...rest } = session.raw.fulfillment_details ?? {};
    assert.ok(address, shown(session.answer));
    assert.deepEqual(rest, contact);
  },
);

requirement(
  'fulfillment.cheapest',
  {
    versions: ALL,
    level: 'ours',
    section: 'issue 194; published clients',
    says: 'the cheapest option is chosen as soon as the address is known, so that the same answer is ready and has the full total',
  },
  async (t) => {
    const session = await t.open();
    const best = cheapest(session);
    assert.deepEqual(
      session.selected.map(({ id }) => id),
      [best.id],
      shown(session.answer),
    );
    assert.equal(session.totals.fulfillment, best.amount);
    assert.equal(session.status, 'ready_for_payment', shown(session.answer));
  },
);

requirement(
  'fulfillment.choose',
  {
    versions: ALL,
    section: `${RFC} §4.2; OpenAI, production checklist`,
    says: 'another option is another price: its amount is in the total at once',
  },
  async (t) => {
    const session = await t.ready();
    const other = session.options.find(
      ({ id, amount }) => !session.selected.some((one) => one.id === id) && amount !== session.totals.fulfillment,
    );
    assert.ok(other, `there are two options of different prices to choose from: ${shown(session.answer)}`);
    const updated = await t.choose(session, other);
    assert.deepEqual(
      updated.selected.map(({ id }) => id),
      [other.id],
      shown(updated.answer),
    );
    assert.equal(updated.totals.fulfillment, other.amount, shown(updated.answer));
    assert.equal(
      updated.totals.total - session.totals.total,
      other.amount - session.totals.fulfillment + (updated.totals.tax - session.totals.tax),
    );
    assert.deepEqual((await t.look(session.id)).totals, updated.totals);
  },
);

requirement(
  'fulfillment.unknown',
  { versions: ALL, section: `${RFC} §8`, says: 'an option that was not offered is refused, and the choice stays' },
  async (t) => {
    const session = await t.ready();
    const body = t.dialect.update({ option: { id: 'no-such-option', items: session.lines.map(({ id }) => id) } });
    t.refused(await t.api.update(session.id, body), { type: 'invalid_request' });
    await t.unchanged(session, 'after an option that was not offered');
  },
);

requirement(
  'fulfillment.item_ids',
  {
    versions: since('2025-12-12'),
    level: 'ours',
    section: 'examples (item_ids); published clients',
    says: '`item_ids` are ids of lines or of products',
  },
  async (t) => {
    const session = await t.ready();
    const option = session.options.find(({ id }) => !session.selected.some((one) => one.id === id));
    for (const member of ['id', 'product']) {
      const answer = await t.api.update(
        session.id,
        t.dialect.update({ option: { ...option, items: session.lines.map((line) => line[member]) } }),
      );
      assert.deepEqual(
        t.view(answer).selected.map(({ id }) => id),
        [option.id],
        shown(answer),
      );
    }
  },
);

requirement(
  'fulfillment.item_ids_unknown',
  { versions: since('2025-12-12'), level: 'ours', section: 'examples (item_ids)', says: 'an item that is in no line cannot be shipped' },
  async (t) => {
    const session = await t.ready();
    const option = session.options.find(({ id }) => !session.selected.some((one) => one.id === id));
    const body = t.dialect.update({ option: { ...option, items: ['no-such-line'] } });
    t.refused(await t.api.update(session.id, body), { type: 'invalid_request' });
    await t.unchanged(session, 'after an option for nothing');
  },
);

requirement('fulfillment.moved', { versions: ALL, section: `${RFC} §4.2`, says: 'another address replaces the one before' }, async (t) => {
  const session = await t.ready();
  const address = { ...t.address, line_one: '2 Other Street', name: 'Grace Hopper' };
  const updated = t.view(await t.api.update(session.id, t.dialect.update({ address })));
  assert.deepEqual(updated.address, address, shown(updated.answer));
});

requirement(
  'fulfillment.elsewhere',
  {
    versions: ALL,
    level: 'ours',
    needs: ['elsewhere'],
    section: `${RFC} §5, MessageError`,
    says: 'where nothing is shipped to, there are no options, it is not ready, and it says so',
  },
  async (t) => {
    const session = await t.ready();
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ address: t.target.elsewhere })));
    assert.equal(updated.options.filter(({ type }) => type === 'shipping').length, 0, shown(updated.answer));
    assert.notEqual(updated.status, 'ready_for_payment', shown(updated.answer));
    assert.deepEqual(updated.selected, []);
    assert.ok(
      updated.messages.some(({ type }) => type === 'error'),
      shown(updated.answer),
    );
    const back = t.view(await t.api.update(session.id, t.dialect.update({ address: t.address })));
    assert.ok(back.options.length > 0, 'and back again');
  },
);

requirement(
  'fulfillment.malformed',
  { versions: ALL, section: 'JSON Schema, Address', says: 'an address that lacks a member, or has one of another type, is refused: 400' },
  async (t) => {
    const session = await t.ready();
    for (const member of ['name', 'line_one', 'city', 'state', 'country', 'postal_code']) {
      const address = { ...t.address, [member]: undefined };
      t.refused(await t.api.create(await t.createBody({ address })), { status: 400, type: 'invalid_request' });
      t.refused(await t.api.update(session.id, t.dialect.update({ address })), { status: 400, type: 'invalid_request' });
    }
    t.refused(await t.api.create(await t.createBody({ address: { ...t.address, postal_code: 94105 } })), { status: 400 });
    await t.unchanged(session, 'after a malformed address');
  },
);

requirement(
  'fulfillment.country',
  { versions: ALL, section: 'OpenAPI, Address.country (ISO 3166-1 alpha-2)', says: 'a country is two letters' },
  async (t) => {
    const session = await t.ready();
    for (const country of ['USA', 'United States', '']) {
      t.refused(await t.api.update(session.id, t.dialect.update({ address: { ...t.address, country } })), {
        status: 400,
        type: 'invalid_request',
      });
    }
    await t.unchanged(session, 'after a malformed country');
  },
);

requirement(
  'fulfillment.digital',
  {
    versions: ALL,
    level: 'ours',
    needs: ['product:digital'],
    section: 'JSON Schema, FulfillmentOptionDigital',
    says: 'what is downloaded needs no address: ready at once, nothing shipped',
  },
  async (t) => {
    const session = await t.open({ items: [{ id: await t.product('digital'), quantity: 1 }], address: null });
    assert.equal(session.status, 'ready_for_payment', shown(session.answer));
    assert.ok(
      session.options.every(({ type }) => type === 'digital'),
      shown(session.answer),
    );
    await t.paid(session);
  },
);

requirement(
  'fulfillment.mixed',
  {
    versions: ALL,
    level: 'ours',
    needs: ['product:digital'],
    section: `${RFC} §4.1`,
    says: 'something to ship beside something to download needs its address and its option',
  },
  async (t) => {
    const items = [
      { id: await t.product('digital'), quantity: 1 },
      { id: await t.product('shipped'), quantity: 1 },
    ];
    const bare = await t.open({ items, address: null });
    assert.equal(bare.status, 'not_ready_for_payment', shown(bare.answer));
    const session = t.view(await t.api.update(bare.id, t.dialect.update({ address: t.address })));
    assert.equal(session.status, 'ready_for_payment', shown(session.answer));
    assert.ok(session.totals.fulfillment > 0, shown(session.answer));
    await t.paid(session);
  },
);

const SESSIONS = new Set(['create', 'get', 'update', 'complete', 'cancel']);
always(
  'fulfillment.selected',
  { versions: ALL, section: `${RFC} §8`, says: 'what is selected is among the options, and what it costs is in the totals' },
  ({ operation, status, body, version }) => {
    if (!SESSIONS.has(operation) || status >= 300 || !body?.id) return undefined;
    const { options, selected, totals, lines } = DIALECTS[version].read(body);
    if (selected.length === 0) return undefined;
    const wrong = [];
    const found = selected.map(({ id }) => options.find((option) => option.id === id));
    if (found.includes(undefined))
      wrong.push(`${selected.map(({ id }) => id).join(', ')} is not among ${options.map(({ id }) => id).join(', ') || 'no options'}`);
    else {
      const due = found.reduce((total, { amount }) => total + amount, 0);
      if (totals.fulfillment !== due) wrong.push(`fulfillment is ${totals.fulfillment}, the selected cost ${due}`);
    }
    const known = new Set(lines.flatMap(({ id, product }) => [id, product]));
    for (const { items } of selected) {
      const strange = (items ?? []).filter((id) => !known.has(id));
      if (strange.length) wrong.push(`item_ids has ${strange.join(', ')}, which is no line`);
    }
    return wrong.length ? wrong : true;
  },
);
