// One session from its making to its order, and that an update changes what it names and nothing else.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('lifecycle');
const ALL = VERSIONS;
const RFC = 'RFC checkout';

requirement(
  'create.status',
  { versions: ALL, section: `${RFC} §4.1`, says: 'a session is made with 201, with an id of its own' },
  async (t) => {
    const [first, second] = [await t.open(), await t.open()];
    assert.notEqual(first.id, second.id);
  },
);

requirement('create.minimal', { versions: ALL, section: `${RFC} §4.1`, says: 'items are enough to begin with' }, async (t) => {
  const session = await t.open({ buyer: null, address: null });
  assert.ok(['not_ready_for_payment', 'ready_for_payment', 'incomplete'].includes(session.status), session.status);
});

requirement(
  'create.lines',
  { versions: ALL, section: `${RFC} §4.1`, says: 'the answer has one line for each item, with product and quantity as asked' },
  async (t) => {
    const items = [
      { id: await t.product('shipped'), quantity: 2 },
      { id: await t.product('second'), quantity: 3 },
    ];
    const session = await t.open({ items });
    assert.deepEqual(
      session.lines.map(({ product, quantity }) => ({ id: product, quantity })),
      items,
      shown(session.answer),
    );
    assert.equal(new Set(session.lines.map(({ id }) => id)).size, 2, 'lines have ids of their own');
  },
);

requirement(
  'create.currency',
  { versions: ALL, section: `${RFC} §8`, says: "amounts are in the shop's currency, in lower case" },
  async (t) => {
    assert.equal((await t.open()).currency, t.currency);
  },
);

requirement(
  'create.links',
  { versions: ALL, level: 'should', section: 'OpenAI, production checklist', says: 'terms of use and privacy policy are linked' },
  async (t) => {
    const links = (await t.open()).links.map(({ type }) => type);
    for (const type of ['terms_of_use', 'privacy_policy']) assert.ok(links.includes(type), `links are ${links.join(', ') || 'empty'}`);
  },
);

requirement('get.same', { versions: ALL, section: `${RFC} §4.3`, says: 'what is read is what the last change answered' }, async (t) => {
  const session = await t.open();
  await t.unchanged(session, 'read after create');
  const updated = t.view(await t.api.update(session.id, t.dialect.update({ buyer: { ...t.buyer, first_name: 'Grace' } })));
  const read = await t.look(session.id);
  assert.deepEqual(read.buyer, updated.buyer);
  assert.deepEqual(read.totals, updated.totals);
});

requirement(
  'update.status',
  { versions: ALL, section: `${RFC} §4.2`, says: 'an update answers 200 with the whole session, under the same id' },
  async (t) => {
    const session = await t.open();
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ buyer: t.buyer })));
    assert.equal(updated.id, session.id);
    assert.deepEqual(updated.lines, session.lines);
  },
);

requirement('update.items', { versions: ALL, section: `${RFC} §4.2`, says: 'items replace those before' }, async (t) => {
  const session = await t.open({ items: [{ id: await t.product('shipped'), quantity: 1 }] });
  const second = await t.product('second');
  const updated = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id: second, quantity: 2 }] })));
  assert.deepEqual(
    updated.lines.map(({ product, quantity }) => [product, quantity]),
    [[second, 2]],
    shown(updated.answer),
  );
});

requirement('update.quantity', { versions: ALL, section: `${RFC} §4.2`, says: 'another quantity is another price' }, async (t) => {
  const id = await t.product('shipped');
  const session = await t.open({ items: [{ id, quantity: 1 }] });
  const updated = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id, quantity: 3 }] })));
  assert.equal(updated.totals.subtotal, 3 * session.totals.subtotal, shown(updated.answer));
  assert.ok(updated.totals.total > session.totals.total);
});

requirement('update.keeps', { versions: ALL, section: `${RFC} §6.2`, says: 'what an update does not name stays' }, async (t) => {
  const session = await t.ready();
  const updated = t.view(await t.api.update(session.id, t.dialect.update({ items: [{ id: session.lines[0].product, quantity: 2 }] })));
  for (const member of ['buyer', 'address']) assert.deepEqual(updated[member], session[member], `${member}: ${shown(updated.answer)}`);
  assert.deepEqual(
    updated.selected.map(({ id }) => id),
    session.selected.map(({ id }) => id),
    `the option: ${shown(updated.answer)}`,
  );
});

requirement(
  'update.null',
  { versions: since('2026-04-17'), level: 'should', section: `${RFC} §6.2`, says: 'null clears a member' },
  async (t) => {
    const session = await t.open();
    assert.ok(session.buyer, shown(session.answer));
    const updated = t.view(await t.api.update(session.id, { buyer: null }));
    assert.equal(updated.buyer ?? undefined, undefined, shown(updated.answer));
  },
);

requirement(
  'buyer.echo',
  { versions: ALL, section: `${RFC} §4.1; Stripe's page, Buyer`, says: 'the buyer comes back as given, and an update replaces it' },
  async (t) => {
    const session = await t.open();
    assert.deepEqual(session.buyer, t.buyer, shown(session.answer));
    const other = { first_name: 'Grace', last_name: 'Hopper', email: 'grace@example.com' };
    const updated = t.view(await t.api.update(session.id, t.dialect.update({ buyer: other })));
    assert.deepEqual(updated.buyer, other, shown(updated.answer));
  },
);

requirement(
  'buyer.email',
  {
    versions: ALL,
    section: 'JSON Schema, Buyer',
    says: 'a buyer without an e-mail address, or with something else in its place, is refused: 400',
  },
  async (t) => {
    const { email, ...nameless } = t.buyer;
    assert.ok(email);
    for (const buyer of [nameless, { ...t.buyer, email: 'nobody' }, { ...t.buyer, email: 7 }]) {
      t.refused(await t.api.create(await t.createBody({ buyer })), { status: 400, type: 'invalid_request' });
    }
  },
);

requirement(
  'buyer.names',
  { versions: since('stripe', '2026-01-16'), section: 'JSON Schema, Buyer', says: 'first and last name are required of a buyer' },
  async (t) => {
    for (const member of ['first_name', 'last_name']) {
      t.refused(await t.api.create(await t.createBody({ buyer: { ...t.buyer, [member]: undefined } })), { status: 400 });
    }
  },
);

requirement(
  'buyer.email_alone',
  { versions: since('2026-01-30'), section: 'JSON Schema, Buyer', says: 'an e-mail address is enough of a buyer' },
  async (t) => {
    const session = await t.open({ buyer: { email: 'ada@example.com' } });
    assert.equal(session.buyer?.email, 'ada@example.com');
  },
);

requirement(
  'complete.order',
  { versions: ALL, section: `${RFC} §4.4`, says: 'completing answers 200, `completed`, and an order with id, session and permanent link' },
  async (t) => {
    const session = await t.ready();
    const done = await t.paid(session);
    assert.equal(done.id, session.id);
    assert.ok(done.order, shown(done.answer));
    assert.equal(done.order.checkout_session_id, session.id);
    assert.equal(typeof done.order.id, 'string');
    assert.ok(URL.canParse(done.order.permalink_url), done.order.permalink_url);
  },
);

requirement(
  'complete.read_back',
  { versions: since('2025-12-12'), section: `${RFC} §4.1`, says: 'a completed session shows its order when it is read' },
  async (t) => {
    const done = await t.paid(await t.ready());
    const read = await t.look(done.id);
    assert.equal(read.status, 'completed');
    assert.equal(read.order?.id, done.order.id, shown(read.answer));
  },
);

requirement('complete.amounts', { versions: ALL, section: `${RFC} §4.4`, says: 'what is charged is what was shown before' }, async (t) => {
  const session = await t.ready();
  const done = await t.paid(session);
  assert.deepEqual(done.totals, session.totals, shown(done.answer));
  assert.deepEqual(done.lines, session.lines);
});

requirement(
  'complete.buyer',
  { versions: ALL, section: `${RFC} §4.4`, says: "a buyer given with the payment is the order's buyer" },
  async (t) => {
    const session = await t.ready();
    const buyer = { ...t.buyer, first_name: 'Grace', email: 'grace@example.com' };
    const done = await t.paid(session, { buyer });
    assert.deepEqual(done.buyer, buyer, shown(done.answer));
  },
);

requirement(
  'complete.permalink',
  {
    versions: ALL,
    level: 'ours',
    needs: ['permalink'],
    section: "contract, ACP; Stripe's page, OrderEventData",
    says: 'the permanent link opens, and shows nothing of the buyer to whoever has it',
  },
  async (t) => {
    const { order } = await t.paid(await t.ready());
    const page = await t.target.permalink(order.permalink_url);
    assert.equal(page.status, 200, `${order.permalink_url} answered ${page.status}`);
    assert.ok(!page.text.includes(t.buyer.email), "the page tells the buyer's address to anyone");
  },
);

requirement(
  'cancel.status',
  { versions: ALL, section: `${RFC} §4.5`, says: 'canceling answers 200 with the session, `canceled`' },
  async (t) => {
    const session = await t.open();
    const canceled = t.view(await t.api.cancel(session.id));
    assert.equal(canceled.status, 'canceled');
    assert.equal(canceled.id, session.id);
    assert.equal((await t.look(session.id)).status, 'canceled');
  },
);
