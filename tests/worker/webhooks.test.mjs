// What Stripe tells us (contract, "From Stripe"): signed or refused, one effect each, in whatever order, and only about what is ours.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const now = () => Math.floor(Date.now() / 1000);
const freshId = () => `evt_${randomBytes(12).toString('hex')}`;

let stripe, w, shop, account;

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});

afterEach(() => {
  stripe.webhooks.drop();
  stripe.webhooks.resume();
});

after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

const transaction = async (id) => (await w.api('GET', `/v1/transactions/${id}`, { key: shop.key })).body;
const strays = (id) => w.d1('SELECT kind, object_id, account, reason FROM strays WHERE transaction_id = ?', id);
const steps = ({ events }) => events.map(({ type, by }) => `${type} by ${by}`);

/** Delivers an event, as it is or bent, signed as Stripe does. -> the status of our answer */
async function deliver(event, secret = w.webhookSecrets.connect) {
  const [status] = await stripe.send(event, { url: `${w.url}/stripe/webhooks`, secret });
  return status;
}

/** A session that is paid while nothing is delivered. -> {session, events: what Stripe would have told about it, by type} */
async function paidUntold({ body, how, settle } = {}) {
  const session = await createSession(w, shop, body);
  stripe.webhooks.pause();
  const told = stripe.books().events.length;
  await stripe.pay(session.id, how);
  if (settle) await stripe.settle(session.id, settle);
  stripe.webhooks.drop();
  const events = stripe.books().events.slice(told);
  return { session, events: Object.fromEntries(events.map((event) => [event.type, event])) };
}

/** The event as a new one, with its object bent. */
const bent = (event, object = {}, outer = {}) => ({ ...event, id: freshId(), ...outer, data: { ...event.data, object: { ...event.data.object, ...object } } });

describe('the signature', () => {
  const payload = JSON.stringify({ id: 'evt_probe', object: 'event', type: 'customer.created', created: 1, livemode: false, account: 'acct_1', data: { object: { id: 'cus_1' } } });
  const post = (header, body = payload) =>
    w.api('POST', '/stripe/webhooks', { body, headers: header === undefined ? {} : { 'stripe-signature': header } });
  const sign = (t = now(), body = payload, secret = w.webhookSecrets.connect) => stripe.signature(body, secret, t);

  test('of either secret is good', async () => {
    for (const secret of Object.values(w.webhookSecrets)) {
      const answer = await post(sign(now(), payload, secret));
      assert.equal(answer.status, 200, answer.text);
    }
  });

  test('is good when one of several matches, as while a secret is rolled', async () => {
    const v1 = sign().split(',').find((part) => part.startsWith('v1='));
    assert.equal((await post(`t=${now()},v1=${'0'.repeat(64)},${v1},v0=abc`)).status, 200);
  });

  test('is good up to 300 s old', async () => {
    assert.equal((await post(sign(now() - 290))).status, 200);
    assert.equal((await post(sign(now() + 290))).status, 200);
  });

  const bad = {
    'is missing': () => undefined,
    'is empty': () => '',
    'was made with another secret': () => sign(now(), payload, 'whsec_other'),
    'was made with an empty secret': () => sign(now(), payload, ''),
    'is of another body': () => sign(now(), `${payload} `),
    'is older than 300 s': () => sign(now() - 310),
    'is from the future': () => sign(now() + 310),
    'has two timestamps': () => `t=1,${sign()}`,
    'has a timestamp with a sign': () => sign().replace('t=', 't=+'),
    'has a timestamp with a space': () => sign().replace('t=', 't= '),
    'has no timestamp': () => sign().replace(/^t=\d+,/, ''),
    'has only an unknown scheme': () => sign().replace('v1=', 'v0='),
    'is longer than any of Stripe’s': () => `${sign()},v0=${'a'.repeat(5000)}`,
  };
  for (const [name, header] of Object.entries(bad)) {
    test(`that ${name} is refused`, async () => {
      const answer = await post(header());
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.body.error.code, 'signature_invalid');
    });
  }

  test('covers the bytes: what is no event is refused after it', async () => {
    for (const body of ['no json', '[]', '{}', '{"id":"evt_1"}']) {
      const answer = await post(sign(now(), body), body);
      assert.equal(answer.status, 400, body);
      assert.notEqual(answer.body.error.code, 'signature_invalid');
    }
  });
});

describe('one event, one effect', () => {
  test('a payment is recorded before the buyer is back', async () => {
    const session = await createSession(w, shop);
    await stripe.pay(session.id);
    const kept = await transaction(session.transaction);
    assert.equal(kept.status, 'paid');
    assert.deepEqual(steps(kept), ['open by checkout', 'paid by webhook']);
  });

  test('delivered three times, also at once', async () => {
    const { session, events } = await paidUntold();
    const event = events['checkout.session.completed'];
    assert.equal(await deliver(event), 200);
    assert.deepEqual(await Promise.all([deliver(event), deliver(event)]), [200, 200]);
    const kept = await transaction(session.transaction);
    assert.deepEqual(steps(kept), ['open by checkout', 'paid by webhook']);
    assert.equal((await w.d1('SELECT id FROM stripe_events WHERE id = ?', event.id)).length, 1);
  });

  test('from both the buyer and Stripe', async () => {
    const { session, events } = await paidUntold();
    await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`);
    assert.equal(await deliver(events['checkout.session.completed']), 200);
    assert.deepEqual(steps(await transaction(session.transaction)), ['open by checkout', 'paid by buyer']);
  });

  test('the PaymentIntent’s alone is enough', async () => {
    const { session, events } = await paidUntold();
    assert.equal(await deliver(events['payment_intent.succeeded']), 200);
    const kept = await transaction(session.transaction);
    assert.deepEqual([kept.status, kept.amount_captured, kept.payment_intent], ['paid', 2000, events['payment_intent.succeeded'].data.object.id]);
  });
});

describe('whatever order the news comes in', () => {
  test('the ledger knows who bought, and where to', async () => {
    for (const order of [['payment_intent.succeeded', 'checkout.session.completed'], ['checkout.session.completed', 'payment_intent.succeeded']]) {
      const body = chatBody(shop, { collect: { shipping_countries: ['US'], billing: true } });
      const { session, events } = await paidUntold({ body, how: { email: 'ann@example.com', name: 'Ann Buyer' } });
      for (const type of order) assert.equal(await deliver(events[type]), 200);
      const kept = await transaction(session.transaction);
      assert.deepEqual(kept.customer, { email: 'ann@example.com', name: 'Ann Buyer', phone: null }, order[0]);
      assert.equal(kept.shipping_details.address.city, 'Springfield', order[0]);
      assert.equal(kept.billing_details.address.country, 'US', order[0]);
    }
  });

  const orders = (list) => (list.length < 2 ? [list] : list.flatMap((first, at) => orders(list.toSpliced(at, 1)).map((rest) => [first, ...rest])));

  for (const order of orders(['checkout.session.completed', 'checkout.session.async_payment_succeeded', 'payment_intent.succeeded'])) {
    test(`a late payment ends paid: ${order.map((type) => type.replace('checkout.session.', '')).join(', ')}`, async () => {
      const { session, events } = await paidUntold({ how: { card: 'bank_debit_succeeds' }, settle: 'succeed' });
      for (const type of order) assert.equal(await deliver(events[type]), 200);
      const kept = await transaction(session.transaction);
      assert.equal(kept.status, 'paid');
      assert.equal(kept.events.filter(({ type }) => type === 'paid').length, 1);
    });
  }

  for (const order of orders(['checkout.session.completed', 'checkout.session.async_payment_failed', 'payment_intent.payment_failed'])) {
    test(`a late failure ends failed: ${order.map((type) => type.replace('checkout.session.', '')).join(', ')}`, async () => {
      const { session, events } = await paidUntold({ how: { card: 'bank_debit_fails' }, settle: 'fail' });
      for (const type of order) assert.equal(await deliver(events[type]), 200);
      assert.equal((await transaction(session.transaction)).status, 'failed');
    });
  }

  test('paid wins over expired, first or last', async () => {
    for (const order of [['expired', 'completed'], ['completed', 'expired']]) {
      const { session, events } = await paidUntold();
      const completed = events['checkout.session.completed'];
      const expired = bent(completed, { status: 'expired', payment_status: 'unpaid', payment_intent: null }, { type: 'checkout.session.expired' });
      for (const type of order) assert.equal(await deliver(type === 'expired' ? expired : completed), 200);
      assert.equal((await transaction(session.transaction)).status, 'paid', order.join(', '));
    }
  });

  test('paid wins over failed: a bank that changed its mind', async () => {
    const { session, events } = await paidUntold({ how: { card: 'bank_debit_succeeds' }, settle: 'succeed' });
    const succeeded = events['checkout.session.async_payment_succeeded'];
    await deliver(bent(succeeded, { payment_status: 'unpaid' }, { type: 'checkout.session.async_payment_failed' }));
    assert.equal((await transaction(session.transaction)).status, 'failed');
    await deliver(succeeded);
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });

  test('a total that the buyer’s choice of shipping completes is taken from the session', async () => {
    const shipping_options = [{ id: 'post', label: 'Post', amount: 500 }, { id: 'fast', label: 'Fast', amount: 900 }];
    for (const order of orders(['payment_intent.succeeded', 'checkout.session.completed'])) {
      const body = chatBody(shop, { collect: { shipping_countries: ['US'] }, shipping_options });
      const { session, events } = await paidUntold({ body, how: { shippingOption: 'Fast' } });
      for (const type of order) assert.equal(await deliver(events[type]), 200);
      const { status, amount, amount_shipping, amount_captured } = await transaction(session.transaction);
      assert.deepEqual({ status, amount, amount_shipping, amount_captured }, { status: 'paid', amount: 2900, amount_shipping: 900, amount_captured: 2900 }, order[0]);
      assert.deepEqual(await strays(session.transaction), []);
    }
  });

  test('while Stripe cannot be asked for that total, the event is refused and comes again', async () => {
    const body = chatBody(shop, { collect: { shipping_countries: ['US'] }, shipping_options: [{ id: 'post', label: 'Post', amount: 500 }] });
    const { session, events } = await paidUntold({ body });
    stripe.misbehave({ on: `GET /v1/checkout/sessions/${session.id}`, how: '500', times: 9 });
    assert.equal(await deliver(events['payment_intent.succeeded']), 503);
    stripe.clearMisbehaviour();
    assert.equal((await transaction(session.transaction)).status, 'open');
    assert.equal(await deliver(events['payment_intent.succeeded']), 200);
    assert.equal((await transaction(session.transaction)).amount, 2500);
  });

  test('an expired session is recorded', async () => {
    const session = await createSession(w, shop);
    await stripe.expire(session.id);
    await stripe.webhooks.drained();
    const kept = await transaction(session.transaction);
    assert.deepEqual(steps(kept), ['open by checkout', 'expired by webhook']);
  });
});

describe('an event that names our transaction and is not about what was created has no effect, and is kept for the operator', () => {
  const bends = {
    account: (event) => bent(event, {}, { account: 'acct_other' }),
    'account (none)': (event) => { const { account: _, ...rest } = bent(event); return rest; },
    mode: (event) => bent(event, { livemode: true }, { livemode: true }),
    amount: (event) => bent(event, { amount_total: 100, amount: 100, amount_received: 100 }),
    currency: (event) => bent(event, { currency: 'eur' }),
  };
  for (const type of ['checkout.session.completed', 'payment_intent.succeeded']) {
    for (const [name, bend] of Object.entries(bends)) {
      test(`${type}: another ${name}`, async () => {
        const { session, events } = await paidUntold();
        const event = bend(events[type]);
        assert.equal(await deliver(event), 200);
        assert.equal(await deliver(event), 200);
        assert.deepEqual(await strays(session.transaction), [
          { kind: 'event', object_id: event.id, account: event.account ?? null, reason: name.split(' ')[0] },
        ]);
        assert.equal((await transaction(session.transaction)).status, 'open');
        // The genuine one still counts.
        assert.equal(await deliver(events[type]), 200);
        assert.equal((await transaction(session.transaction)).status, 'paid');
      });
    }
  }

  test('another session of the same transaction', async () => {
    const { session, events } = await paidUntold();
    await deliver(bent(events['checkout.session.completed'], { id: 'cs_test_other' }));
    assert.deepEqual((await strays(session.transaction)).map(({ reason }) => reason), ['session']);
    assert.equal((await transaction(session.transaction)).status, 'open');
  });

  test('another shop’s merchant names our transaction in his own payment', async () => {
    const mine = await createSession(w, shop);
    const rival = await registerShop(w);
    const { account: theirs } = await connectShop(w, stripe, rival);
    const cheap = await createSession(w, rival, chatBody(rival, { amount: 2000 }));
    stripe.patch(cheap.id, { metadata: { cc_transaction: mine.transaction } });
    await stripe.pay(cheap.id);
    await stripe.webhooks.drained();
    assert.equal((await transaction(mine.transaction)).status, 'open');
    assert.deepEqual([...new Set((await strays(mine.transaction)).map((stray) => `${stray.account} ${stray.reason}`))], [`${theirs} account`]);
    await rival.close();
  });
});

describe('what is none of ours leaves no trace', () => {
  const traces = async () => JSON.stringify(await w.d1('SELECT (SELECT count(*) FROM stripe_events) AS events, (SELECT count(*) FROM strays) AS strays'));
  const others = {
    'a payment link of the merchant’s': (event) => bent(event, { metadata: {} }),
    'another plugin’s reference': (event) => bent(event, { metadata: { order: '7' } }),
    'a transaction of another Worker': (event) => bent(event, { metadata: { cc_transaction: 'cct_00000000000000000000000000' } }),
    'a reference that is no id': (event) => bent(event, { metadata: { cc_transaction: "cct_' OR 1=1" } }),
    'no metadata at all': (event) => bent(event, { metadata: null }),
    'a type that is not for us': (event) => bent(event, {}, { type: 'invoice.paid' }),
  };
  for (const [name, bend] of Object.entries(others)) {
    test(name, async () => {
      const { events } = await paidUntold();
      const before = await traces();
      for (const type of ['checkout.session.completed', 'payment_intent.succeeded']) assert.equal(await deliver(bend(events[type])), 200);
      assert.equal(await traces(), before);
    });
  }
});

describe('an event that could not be recorded', () => {
  test('is answered 503, comes again and counts then', async () => {
    const { session, events } = await paidUntold();
    const event = events['checkout.session.completed'];
    await w.d1('ALTER TABLE stripe_events RENAME TO away');
    assert.equal(await deliver(event), 503);
    await w.d1('ALTER TABLE away RENAME TO stripe_events');
    assert.equal((await transaction(session.transaction)).status, 'open');
    assert.equal(await deliver(event), 200);
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });
});

describe('the merchant disconnects at Stripe', () => {
  const connection = async (whose) => (await w.api('GET', '/v1/connection?mode=test', { key: whose.key })).body;

  test('ends the connection of every shop that uses the account', async () => {
    const [one, two] = [await registerShop(w), await registerShop(w)];
    const { account: shared } = await connectShop(w, stripe, one);
    await connectShop(w, stripe, two, { account: shared });
    await stripe.deauthorize(shared, { livemode: false });
    await stripe.webhooks.drained();
    for (const whose of [one, two]) {
      const { connected, gone_reason: reason } = await connection(whose);
      assert.deepEqual({ connected, reason }, { connected: false, reason: 'deauthorized' });
      const refused = await w.api('POST', '/v1/checkout/sessions', { key: whose.key, idempotencyKey: 'gone', body: chatBody(whose, { mode: 'test' }) });
      assert.equal(refused.status, 409);
      assert.equal(refused.body.error.code, 'connection_gone');
      await whose.close();
    }
    assert.equal((await connection(shop)).connected, true);
  });

  test('of the other mode, or before this connection was made, does not end it', async () => {
    const event = { id: freshId(), object: 'event', type: 'account.application.deauthorized', created: now(), account, data: { object: { id: 'ca_1', object: 'application' } } };
    assert.equal(await deliver({ ...event, livemode: true }), 200);
    assert.equal(await deliver({ ...event, livemode: false, created: now() - 3600 }), 200);
    assert.equal((await connection(shop)).connected, true);
  });

  test('in the second of connecting for the first time: it can only be that connection’s', async () => {
    const one = await registerShop(w);
    const { account: fresh } = await connectShop(w, stripe, one);
    const [{ connected_at: second }] = await w.d1("SELECT connected_at FROM connections WHERE shop_id = ? AND status = 'active'", one.id);
    const asked = stripe.requests.length;
    assert.equal(await deliver({ id: freshId(), object: 'event', type: 'account.application.deauthorized', created: second, account: fresh, livemode: false, data: { object: { id: 'ca_1', object: 'application' } } }), 200);
    assert.equal((await connection(one)).connected, false);
    assert.equal(stripe.requests.length, asked);
    await one.close();
  });

  test('told by a thin event, which prints the time as a date', async () => {
    const one = await registerShop(w);
    const { account: fresh } = await connectShop(w, stripe, one);
    const thin = (created) => ({ id: freshId(), object: 'v2.core.event', type: 'v1.account.application.deauthorized', context: fresh, livemode: false, ...created });
    assert.equal(await deliver(thin({ created: new Date(Date.now() - 3_600_000).toISOString() })), 200);
    assert.equal((await connection(one)).connected, true, 'an hour before it was connected');
    assert.equal(await deliver(thin({ created: new Date().toISOString() })), 200);
    assert.equal((await connection(one)).connected, false);
    await connectShop(w, stripe, one, { account: fresh });
    await w.d1('UPDATE connections SET connected_at = connected_at - 60 WHERE account = ?', fresh);
    assert.equal(await deliver(thin({})), 200);
    assert.equal((await connection(one)).connected, true, 'without a time, and Stripe lets us use the account');
    await one.close();
  });

  test('in the second of connecting anew: Stripe is asked, and the connection stays', async () => {
    await w.d1("UPDATE connections SET id = id || '-before', status = 'gone', gone_reason = 'deauthorized', gone_at = connected_at WHERE shop_id = ?", shop.id);
    await connectShop(w, stripe, shop, { account });
    const [{ connected_at: second }] = await w.d1("SELECT connected_at FROM connections WHERE shop_id = ? AND status = 'active'", shop.id);
    const event = { id: freshId(), object: 'event', type: 'account.application.deauthorized', created: second, account, livemode: false, data: { object: { id: 'ca_1', object: 'application' } } };
    const asked = stripe.requests.length;
    assert.equal(await deliver(event), 200);
    assert.equal(stripe.requests.length, asked + 1);
    assert.equal((await connection(shop)).connected, true);
  });
});

// Last, because the Worker starts anew with another configuration.
describe('without a secret', () => {
  test('only this route is closed, and nothing is ever accepted', async () => {
    const { events } = await paidUntold();
    await w.restart({ STRIPE_WEBHOOK_SECRETS: undefined });
    for (const secret of [w.webhookSecrets.connect, '']) assert.equal(await deliver(events['checkout.session.completed'], secret), 503);
    const answer = await w.api('POST', '/stripe/webhooks', { body: '{}' });
    assert.equal(answer.status, 503);
    assert.deepEqual([answer.body.error.type, answer.body.error.code], ['not_configured', 'not_configured']);
    assert.match(answer.body.error.message, /STRIPE_WEBHOOK_SECRETS/);
    assert.equal((await w.fetch('/healthz')).status, 200);
    assert.equal((await w.api('GET', '/v1/shop', { key: shop.key })).status, 200);
    await createSession(w, shop);
  });
});
