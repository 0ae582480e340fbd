// A buyer's bank takes a payment back, or asks about it; and news in every shape and order (contract, "From Stripe").
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const now = () => Math.floor(Date.now() / 1000);
const freshId = () => `evt_${randomBytes(12).toString('hex')}`;
let stripe, w, api, shop, account;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '500' } });
  api = documented(w);
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => { await shop?.close(); await w?.close(); await stripe?.close(); });
afterEach(() => { stripe.clearMisbehaviour(); stripe.webhooks.drop(); stripe.webhooks.resume(); });

const look = async (transaction, whose = shop) => fine(await api('GET', `/v1/transactions/${transaction}`, { key: whose.key }));
const notices = async (transaction, type = 'transaction.disputed') => (await w.d1('SELECT once FROM notices WHERE transaction_id = ? AND type = ? ORDER BY id', transaction, type)).map(({ once }) => once.split('/').at(-1).split('@')[0]);
const strays = (transaction) => w.d1('SELECT kind, object_id, account, reason FROM strays WHERE transaction_id = ?', transaction);
async function deliver(event, secret = w.webhookSecrets.connect) {
  const [status] = await stripe.send(event, { url: `${w.url}/stripe/webhooks`, secret });
  return status;
}
/** What Stripe would have told while `work` is done, by type; nothing is delivered. */
async function untold(work) {
  stripe.webhooks.pause();
  const from = stripe.books().events.length;
  await work();
  stripe.webhooks.drop();
  stripe.webhooks.resume();
  return stripe.books().events.slice(from);
}
async function paid(whose = shop, body) {
  const session = await createSession(w, whose, body ?? chatBody(whose));
  await stripe.pay(session.id);
  await stripe.webhooks.drained();
  return session.transaction;
}
const bent = (event, object = {}, outer = {}) => ({ ...event, id: freshId(), ...outer, data: { ...event.data, object: { ...event.data.object, ...object } } });
/** The thin twin of a snapshot. */
const thin = ({ type, livemode, account: context, data: { object } }, more = {}) => ({
  id: freshId(), object: 'v2.core.event', type: `v1.${type}`, created: new Date().toISOString(), livemode, ...(context && { context }),
  related_object: { id: object.id, type: object.object, url: `https://attacker.example/v1/${object.id}` }, ...more,
});
const orders = (list) => (list.length < 2 ? [list] : list.flatMap((first, at) => orders(list.toSpliced(at, 1)).map((rest) => [first, ...rest])));

describe('a dispute', () => {
  test('is recorded, told, and goes on as the bank decides', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    const dispute = await stripe.dispute(payment_intent, { reason: 'product_not_received' });
    await stripe.webhooks.drained();
    const open = await look(transaction);
    assert.equal(open.status, 'disputed');
    const { created, evidence_due_by: due, ...rest } = open.dispute;
    assert.deepEqual(rest, { id: dispute.id, amount: 2000, status: 'needs_response', reason: 'product_not_received', refundable: false });
    assert.ok(due > created);
    await stripe.moveDispute(dispute.id, 'under_review');
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).dispute.status, 'under_review');
    await stripe.moveDispute(dispute.id, 'won');
    await stripe.webhooks.drained();
    const won = await look(transaction);
    assert.deepEqual([won.status, won.dispute.status], ['paid', 'won']);
    assert.deepEqual(await notices(transaction), ['needs_response', 'under_review', 'won']);
    assert.deepEqual(won.events.map(({ type }) => type), ['open', 'paid', 'dispute.needs_response', 'dispute.under_review', 'dispute.won']);
  });

  test('that is lost stays disputed', async () => {
    const transaction = await paid();
    const dispute = await stripe.dispute((await look(transaction)).payment_intent);
    await stripe.moveDispute(dispute.id, 'lost');
    await stripe.webhooks.drained();
    const { status, dispute: { status: end } } = await look(transaction);
    assert.deepEqual([status, end], ['disputed', 'lost']);
  });

  test('that is won goes back to what was refunded before', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    await stripe.refund(payment_intent, { amount: 500 });
    const dispute = await stripe.dispute(payment_intent);
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).status, 'disputed');
    await stripe.moveDispute(dispute.id, 'won');
    await stripe.webhooks.drained();
    const { status, amount_refunded } = await look(transaction);
    assert.deepEqual([status, amount_refunded], ['partially_refunded', 500]);
  });

  test('that begins as an inquiry, and one that ends as an inquiry', async () => {
    for (const [end, expected] of [['warning_closed', 'paid'], ['needs_response', 'disputed']]) {
      const transaction = await paid();
      const dispute = await stripe.dispute((await look(transaction)).payment_intent, { inquiry: true });
      await stripe.webhooks.drained();
      assert.deepEqual([(await look(transaction)).status, (await look(transaction)).dispute.refundable], ['disputed', true]);
      await stripe.moveDispute(dispute.id, end);
      await stripe.webhooks.drained();
      assert.equal((await look(transaction)).status, expected, end);
    }
  });
});

describe('whatever order the news comes in, and however often', () => {
  for (const shape of ['snapshot', 'thin']) {
    test(`a dispute that is won, ${shape}`, async () => {
      const transaction = await paid();
      const { payment_intent } = await look(transaction);
      const told = await untold(async () => {
        const { id } = await stripe.dispute(payment_intent);
        await stripe.moveDispute(id, 'won');
      });
      assert.deepEqual(told.map(({ type }) => type.split('.').at(-1)).sort(), ['closed', 'created', 'funds_reinstated', 'funds_withdrawn']);
      for (const order of orders(told).filter((_, at) => at % 5 === 0)) {
        await w.d1("UPDATE transactions SET status = 'paid', dispute = NULL WHERE id = ?", transaction);
        await w.d1('DELETE FROM stripe_events');
        for (const event of order) {
          const piece = shape === 'thin' ? thin(event) : event;
          assert.equal(await deliver(piece), 200);
          assert.equal(await deliver(piece), 200);
        }
        const { status, dispute } = await look(transaction);
        assert.deepEqual([status, dispute.status], ['paid', 'won'], order.map(({ type }) => type).join(', '));
      }
    });
  }

  test('refunds before paid: Stripe is asked, and the whole truth is written', async () => {
    for (const kind of ['charge.refunded', 'charge.dispute.created']) {
      const session = await createSession(w, shop);
      const told = await untold(async () => {
        const { payment_intent } = await stripe.pay(session.id).then(() => stripe.books().sessions.find(({ id }) => id === session.id));
        if (kind === 'charge.refunded') await stripe.refund(payment_intent, { amount: 500 });
        else await stripe.dispute(payment_intent);
      });
      assert.equal((await look(session.transaction)).status, 'open');
      const asked = stripe.requests.length;
      assert.equal(await deliver(told.find(({ type }) => type === kind)), 200);
      assert.equal(stripe.requests.length, asked + 1, 'one call');
      const { status, amount_captured, paid_at } = await look(session.transaction);
      assert.equal(status, kind === 'charge.refunded' ? 'partially_refunded' : 'disputed');
      assert.equal(amount_captured, 2000);
      assert.ok(paid_at > 0);
      // What comes late moves nothing back, and tells who bought.
      for (const event of told) assert.equal(await deliver(event), 200);
      const after = await look(session.transaction);
      assert.equal(after.status, status);
      assert.equal(after.customer?.email, stripe.books().sessions.find(({ id }) => id === session.id).customer_details.email);
      assert.deepEqual(await notices(session.transaction, 'transaction.paid'), ['transaction.paid']);
    }
  });

  test('a total that only the session knows is asked of the session', async () => {
    const body = chatBody(shop, { collect: { shipping_countries: ['US'] }, shipping_options: [{ id: 'post', label: 'Post', amount: 500 }] });
    const session = await createSession(w, shop, body);
    const told = await untold(async () => {
      await stripe.pay(session.id);
      await stripe.refund(session.id, { amount: 700 });
    });
    assert.equal(await deliver(told.find(({ type }) => type === 'charge.refunded')), 200);
    const { status, amount, amount_refunded } = await look(session.transaction);
    assert.deepEqual([status, amount, amount_refunded], ['partially_refunded', 2500, 700]);
  });
});

describe('every type, as a snapshot and as a thin event', () => {
  const status = async (transaction) => (await look(transaction)).status;
  async function happened() {
    const session = await createSession(w, shop);
    const told = await untold(async () => {
      await stripe.pay(session.id);
      const { id } = await stripe.refund(session.id, { amount: 500 });
      await stripe.settleRefund(id, 'failed', 'lost_or_stolen_card');
      await stripe.dispute(session.id);
    });
    return { session, told };
  }

  for (const shape of ['snapshot', 'thin']) {
    test(`${shape}: each once and each again`, async () => {
      const { session, told } = await happened();
      const pieces = told.map((event) => (shape === 'thin' ? thin(event) : event));
      for (const piece of pieces) assert.equal(await deliver(piece), 200, piece.type);
      const first = await look(session.transaction);
      assert.deepEqual([first.status, first.amount_refunded, first.refunds[0].status], ['disputed', 0, 'failed']);
      for (const piece of pieces.toReversed()) assert.equal(await deliver(piece), 200, piece.type);
      assert.deepEqual(await look(session.transaction), first);
      assert.deepEqual(await strays(session.transaction), []);
      const handled = await w.d1('SELECT DISTINCT type FROM stripe_events WHERE transaction_id = ? ORDER BY type', session.transaction);
      for (const type of ['charge.refunded', 'refund.created', 'refund.failed', 'charge.dispute.created', 'payment_intent.succeeded', 'checkout.session.completed']) {
        assert.ok(handled.some((row) => row.type === type) || shape === 'thin', type);
      }
    });
  }

  test('a thin event: one call, to the configured host, on its own account', async () => {
    const transaction = await paid();
    const told = await untold(async () => { await stripe.refund((await look(transaction)).payment_intent, { amount: 500 }); });
    const asked = stripe.requests.length;
    assert.equal(await deliver(thin(told.find(({ type }) => type === 'refund.created'))), 200);
    const [call] = stripe.requests.slice(asked);
    assert.equal(stripe.requests.length, asked + 1);
    assert.deepEqual([call.route, call.account], ['GET /v1/refunds/{refund}', account]);
    assert.equal((await look(transaction)).amount_refunded, 500);
  });

  test('a thin event whose object cannot be fetched now comes again', async () => {
    const transaction = await paid();
    const told = await untold(async () => { await stripe.dispute((await look(transaction)).payment_intent); });
    const event = thin(told[0]);
    stripe.misbehave({ on: 'GET /v1/disputes/{dispute}', how: '500' });
    assert.equal(await deliver(event), 503);
    assert.equal(await status(transaction), 'paid');
    assert.equal(await deliver(event), 200);
    assert.equal(await status(transaction), 'disputed');
  });

  test('a thin event with a foreign account, object, type or id is nobody’s', async () => {
    const transaction = await paid();
    const told = await untold(async () => { await stripe.dispute((await look(transaction)).payment_intent); });
    const event = thin(told[0]);
    const traces = async () => JSON.stringify(await w.d1('SELECT (SELECT count(*) FROM stripe_events) AS events, (SELECT count(*) FROM strays) AS strays'));
    const before = await traces();
    for (const more of [
      { context: 'acct_other' }, { context: "acct_1\r\nX: y" }, { related_object: null }, { type: 'v2.core.account.updated' }, { type: 'charge.dispute.created' },
      { type: 'v1.invoice.paid' }, { related_object: { id: 'du_unknown', type: 'dispute', url: 'x' } }, { related_object: { id: '../accounts/acct_1', type: 'dispute', url: 'x' } },
    ]) {
      assert.equal(await deliver({ ...event, id: freshId(), ...more }), 200, JSON.stringify(more));
    }
    assert.equal(await traces(), before);
    assert.equal(await status(transaction), 'paid');
  });
});

describe('an event about our payment that is not what was created has no effect, and is kept for the operator', () => {
  const bends = {
    account: (event) => bent(event, {}, { account: 'acct_other' }),
    'account (none)': (event) => { const { account: _, ...rest } = bent(event); return rest; },
    mode: (event) => bent(event, 'livemode' in event.data.object ? { livemode: true } : {}, { livemode: true }),
    currency: (event) => bent(event, { currency: 'eur' }),
  };
  const amounts = { 'charge.refunded': { amount: 1 }, 'refund.created': { amount: 5000 }, 'charge.dispute.created': { amount: -1 } };
  for (const type of ['charge.refunded', 'refund.created', 'charge.dispute.created']) {
    test(type, async () => {
      const transaction = await paid();
      const { payment_intent } = await look(transaction);
      const told = await untold(async () => {
        if (type === 'charge.dispute.created') await stripe.dispute(payment_intent);
        else await stripe.refund(payment_intent, { amount: 500 });
      });
      const event = told.find((one) => one.type === type);
      const bad = { ...bends, amount: (one) => bent(one, amounts[type]) };
      for (const [name, bend] of Object.entries(bad)) {
        const stray = bend(event);
        assert.equal(await deliver(stray), 200);
        assert.equal(await deliver(stray), 200);
        assert.deepEqual((await strays(transaction)).filter((one) => one.object_id === stray.id).map(({ reason }) => reason), [name.split(' ')[0]], name);
        assert.equal((await look(transaction)).status, 'paid', name);
      }
      // The genuine one still counts.
      assert.equal(await deliver(event), 200);
      assert.notEqual((await look(transaction)).status, 'paid');
    });
  }

  test('a refund of a stranger’s payment that names our transaction', async () => {
    const transaction = await paid();
    const rival = await registerShop(w);
    const { account: theirs } = await connectShop(w, stripe, rival);
    const other = await paid(rival);
    stripe.webhooks.pause();
    await stripe.refund((await look(other, rival)).payment_intent, { amount: 500, metadata: { cc_transaction: transaction } });
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal((await look(transaction)).status, 'paid');
    assert.deepEqual([...new Set((await strays(other)).map((stray) => `${stray.account} ${stray.reason}`))], [`${theirs} reference`]);
    await rival.close();
  });
});

describe('a merchant’s own business leaves no trace', () => {
  test('refunds and disputes of payments that are none of ours', async () => {
    const transaction = await paid();
    const { payment_intent } = await look(transaction);
    const told = await untold(async () => {
      await stripe.refund(payment_intent, { amount: 500 });
      await stripe.dispute(payment_intent);
    });
    const traces = async () => JSON.stringify(await w.d1('SELECT (SELECT count(*) FROM stripe_events) AS events, (SELECT count(*) FROM strays) AS strays'));
    const before = await traces();
    for (const event of told) {
      for (const change of [{ payment_intent: 'pi_theirs', metadata: {} }, { payment_intent: null, metadata: null }]) assert.equal(await deliver(bent(event, change)), 200);
    }
    assert.equal(await traces(), before);
    assert.equal((await look(transaction)).status, 'paid');
  });

  test('a dispute of an unknown payment, while Stripe cannot say whose it is, comes again', async () => {
    const transaction = await paid();
    const [event] = await untold(async () => { await stripe.dispute((await look(transaction)).payment_intent); });
    stripe.misbehave({ on: 'GET /v1/payment_intents/{intent}', how: '500' });
    assert.equal(await deliver(bent(event, { payment_intent: 'pi_theirs' })), 503);
  });
});

describe('two shops on one Stripe account', () => {
  test('each gets its own', async () => {
    const second = await registerShop(w);
    await connectShop(w, stripe, second, { account });
    const [mine, theirs] = [await paid(), await paid(second)];
    await stripe.refund((await look(mine)).payment_intent, { amount: 500 });
    await stripe.dispute((await look(theirs, second)).payment_intent);
    await stripe.webhooks.drained();
    assert.deepEqual([(await look(mine)).status, (await look(theirs, second)).status], ['partially_refunded', 'disputed']);
    for (const one of [mine, theirs]) assert.deepEqual(await strays(one), []);
    await second.close();
  });
});

describe('account.updated', () => {
  const connection = async (whose) => (await w.d1("SELECT charges_enabled, details_submitted, checked_at FROM connections WHERE shop_id = ? AND status = 'active'", whose.id))[0];
  const event = (more = {}, object = {}) => ({
    id: freshId(), object: 'event', type: 'account.updated', created: now(), account, livemode: false, ...more,
    data: { object: { id: account, object: 'account', charges_enabled: false, details_submitted: true, ...object } },
  });

  test('tells all connections of the account how it is', async () => {
    const second = await registerShop(w);
    await connectShop(w, stripe, second, { account });
    await stripe.updateAccount(account, { charges_enabled: false });
    await stripe.webhooks.drained();
    for (const whose of [shop, second]) {
      const { charges_enabled: enabled, checked_at: at } = await connection(whose);
      assert.equal(enabled, 0);
      assert.ok(at >= now() - 5);
    }
    await stripe.updateAccount(account, { charges_enabled: true });
    await stripe.webhooks.drained();
    assert.equal((await connection(shop)).charges_enabled, 1);
    await second.close();
  });

  test('older news, another mode, another account: nothing', async () => {
    await deliver(event({}, { charges_enabled: true }));
    for (const [more, object] of [[{ created: now() - 600 }], [{ livemode: true }], [{ account: 'acct_other' }], [{}, { id: 'acct_other' }]]) {
      assert.equal(await deliver(event(more, object)), 200);
      assert.equal((await connection(shop)).charges_enabled, 1, JSON.stringify(more));
    }
    assert.equal(await deliver(event()), 200);
    assert.equal((await connection(shop)).charges_enabled, 0);
    // Thin: the account as it is now.
    assert.equal(await deliver(thin(event())), 200);
    assert.equal((await connection(shop)).charges_enabled, 1);
  });
});

describe('an event that could not be recorded', () => {
  for (const type of ['refund.created', 'charge.dispute.created']) {
    test(`${type}: 503, comes again and counts then`, async () => {
      const transaction = await paid();
      const { payment_intent } = await look(transaction);
      const told = await untold(async () => { await (type === 'refund.created' ? stripe.refund(payment_intent, { amount: 500 }) : stripe.dispute(payment_intent)); });
      const event = told.find((one) => one.type === type);
      await w.d1('ALTER TABLE stripe_events RENAME TO away');
      assert.equal(await deliver(event), 503);
      await w.d1('ALTER TABLE away RENAME TO stripe_events');
      assert.equal((await look(transaction)).status, 'paid');
      await w.d1('ALTER TABLE notices RENAME TO away');
      assert.equal(await deliver(event), 503);
      await w.d1('ALTER TABLE away RENAME TO notices');
      assert.equal((await look(transaction)).status, 'paid');
      assert.equal(await deliver(event), 200);
      assert.notEqual((await look(transaction)).status, 'paid');
    });
  }
});
