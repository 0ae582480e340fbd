// What the shop is told (contract, "To the shop"): once for each change, at least once delivered, signed, looked up, sent again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const now = () => Math.floor(Date.now() / 1000);
const HOUR = 3600;
const PAUSES = [60, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 18 * HOUR, 80_640];

const shops = [];
let stripe, w, api, account;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  account = (await stripe.createAccount({ name: 'Merchant', country: 'US', charges_enabled: true, details_submitted: true })).id;
});

after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of shops) await one.close();
});

/** A connected shop whose server keeps the notices that it gets; `answer` says how it answers them. */
async function aShop({ connected = true, address = '/notices', answer, ...more } = {}) {
  const shop = await registerShop(w, { webhook: answer, ...more });
  shops.push(shop);
  if (address) fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}${address}` } }));
  if (connected) await connectShop(w, stripe, shop, { account });
  shop.notices = (type) => shop.requests.filter(({ method, body }) => method === 'POST' && (!type || JSON.parse(body).type === type));
  shop.told = (type, times = 1) => eventually(() => shop.notices(type).length >= times && shop.notices(type), `no ${type}`);
  if (connected && address) await shop.told('connection.active');
  return shop;
}

/** A sale, paid at Stripe. -> the session, and where the buyer is sent */
async function sale(shop, { webhooks = true, ...more } = {}) {
  const session = await createSession(w, shop, chatBody(shop, more));
  if (!webhooks) stripe.webhooks.pause();
  const { location } = await stripe.pay(session.id);
  if (webhooks) await stripe.webhooks.drained();
  else {
    stripe.webhooks.drop();
    stripe.webhooks.resume();
  }
  return { ...session, home: location };
}

/** The shop's events, as it sees them. */
const events = async (shop, query = '') => fine(await api('GET', `/v1/events?limit=100${query}`, { key: shop.key })).data;
const event = async (shop, id) => fine(await api('GET', `/v1/events/${id}`, { key: shop.key }));
const attempted = (shop, id, times) => eventually(async () => {
  const one = await event(shop, id);
  return one.attempts.length >= times && one;
}, `no attempt ${times}`);
const settled = (shop, id, status) => eventually(async () => {
  const one = await event(shop, id);
  return one.status === status && one;
}, `not ${status}`);

/** The one paid notice of a sale. */
const paidEvent = async (shop, session) => {
  const of = (await events(shop, '&type=transaction.paid')).filter(({ data }) => data.object.id === session.transaction);
  assert.equal(of.length, 1, `${of.length} notices`);
  return of[0];
};

/** Makes a notice due and runs the sweep. */
async function again(id) {
  await w.d1('UPDATE notices SET due_at = 1 WHERE id = ?', id);
  await w.scheduled();
}

const verified = (secret, { body, headers }) => new Webhook(secret).verify(body, headers);

describe('a payment', () => {
  test('is told at once, signed by the Standard Webhooks scheme, as the transaction that it is', async () => {
    const shop = await aShop();
    const session = await sale(shop);
    const [notice] = await shop.told('transaction.paid');
    assert.equal(notice.path, '/notices');
    assert.equal(notice.headers['content-type'], 'application/json');
    assert.match(notice.headers['user-agent'], /^CognitiveCart-Worker\/\S+ \(\+http:\/\/localhost/);
    const told = verified(shop.secret, notice);
    assert.deepEqual(Object.keys(told), ['id', 'type', 'created', 'data']);
    assert.equal(told.id, notice.headers['webhook-id']);
    assert.match(told.id, /^ccevt_[0-9a-z]{26}$/);
    assert.ok(Math.abs(told.created - now()) < 10);
    assert.throws(() => verified(`whsec_${Buffer.alloc(32).toString('base64')}`, notice));
    assert.throws(() => verified(shop.secret, { ...notice, body: `${notice.body} ` }));
    const transaction = fine(await api('GET', `/v1/transactions/${session.transaction}`, { key: shop.key }));
    assert.deepEqual(told.data.object, transaction);
    const shown = await settled(shop, told.id, 'delivered');
    assert.deepEqual(shown.data, told.data);
    assert.equal(shown.next_attempt_at, null);
    assert.ok(shown.delivered_at >= told.created);
    assert.deepEqual(shown.attempts.map(({ status, error }) => ({ status, error })), [{ status: 200, error: null }]);
  });

  test('is told once, however often buyer, webhooks and sweep bring the news', async () => {
    const shop = await aShop();
    const session = await sale(shop, { webhooks: false });
    await Promise.all([w.fetch(session.home), w.fetch(session.home), w.fetch(session.home)]);
    await w.fetch(session.home);
    // Every event of it that Stripe has, twice.
    const told = stripe.books().events.filter((one) => JSON.stringify(one.data).includes(session.transaction));
    assert.ok(told.length >= 2);
    for (const one of [...told, ...told]) await stripe.send(one, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
    await Promise.all([w.scheduled(), w.scheduled()]);
    await stripe.webhooks.drained();
    const { id } = await paidEvent(shop, session);
    await settled(shop, id, 'delivered');
    assert.deepEqual([...new Set(shop.notices('transaction.paid').map(({ headers }) => headers['webhook-id']))], [id]);
  });

  test('that came without the buyer’s name: the Session is asked for it, and the shop is told at once', async () => {
    const shop = await aShop();
    const pay = async () => {
      const session = await sale(shop, { webhooks: false });
      const of = (type) => stripe.books().events.find((one) => one.type === type && JSON.stringify(one.data).includes(session.transaction));
      const send = (type) => stripe.send(of(type), { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
      await send('payment_intent.succeeded');
      return { id: (await paidEvent(shop, session)).id, send };
    };
    const RETRIEVE = 'GET /v1/checkout/sessions/{session}';
    const first = await pay();
    const [notice] = await shop.told('transaction.paid');
    assert.equal(JSON.parse(notice.body).data.object.customer.email, 'buyer@example.com');
    assert.equal((await w.api('GET', `/v1/transactions/${JSON.parse(notice.body).data.object.id}`, { key: shop.key })).body.customer.email, 'buyer@example.com');
    await first.send('checkout.session.completed');
    // Stripe does not say: the shop is told without, at once all the same.
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 1 });
    const second = await pay();
    const [, bare] = await shop.told('transaction.paid', 2);
    assert.equal(JSON.parse(bare.body).data.object.customer, null);
    await second.send('checkout.session.completed');
    assert.equal((await settled(shop, second.id, 'delivered')).data.object.customer, null, 'what was sent is not rewritten');
    stripe.clearMisbehaviour();
  });

  test('that came without the buyer’s name, and the isolate ends there: the sweep tells it', async () => {
    const shop = await aShop();
    const session = await sale(shop, { webhooks: false });
    const event = stripe.books().events.find((one) => one.type === 'payment_intent.succeeded' && JSON.stringify(one.data).includes(session.transaction));
    // Stripe hangs for longer than this test looks.
    stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how: 'hold_before', times: 1 });
    await stripe.send(event, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
    const { id } = await paidEvent(shop, session);
    const [{ due_at: due }] = await w.d1('SELECT due_at FROM notices WHERE id = ?', id);
    assert.ok(due - now() <= 15 && due > now());
    await w.scheduled();
    assert.equal(shop.notices('transaction.paid').length, 0, 'not before its time');
    await again(id);
    const [late] = await shop.told('transaction.paid');
    assert.equal(JSON.parse(late.body).data.object.customer, null);
    stripe.clearMisbehaviour();
  });

  test('whose Session knows no buyer is told at once', async () => {
    const shop = await aShop();
    const session = await sale(shop, { webhooks: false });
    const event = stripe.books().events.find((one) => one.type === 'checkout.session.completed' && JSON.stringify(one.data).includes(session.transaction));
    const asked = stripe.requests.length;
    await stripe.send({ ...event, data: { object: { ...event.data.object, customer_details: null } } }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
    const [notice] = await shop.told('transaction.paid');
    assert.equal(JSON.parse(notice.body).data.object.customer, null);
    assert.equal(stripe.requests.length, asked);
  });

  test('costs its request nothing more: the notice is sent behind the answer', async () => {
    const shop = await aShop();
    const session = await sale(shop, { webhooks: false });
    const { d1, stripe: calls } = await w.lineOf(await w.fetch(session.home));
    assert.deepEqual({ d1, calls }, { d1: 2, calls: 1 });
    await shop.told('transaction.paid');
  });

  test('that was only found by the sweep is told in the same run', async () => {
    const shop = await aShop();
    const session = await sale(shop, { webhooks: false });
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
    await w.scheduled();
    assert.equal(shop.notices('transaction.paid').length, 1);
  });

  test('that is only authorized, delayed, failed or expired is told as that', async () => {
    const shop = await aShop();
    const reserved = await sale(shop, { capture: 'manual' });
    assert.equal(verified(shop.secret, (await shop.told('transaction.authorized'))[0]).data.object.id, reserved.transaction);
    const debit = await createSession(w, shop);
    await stripe.pay(debit.id, { card: 'bank_debit_fails' });
    await shop.told('transaction.processing');
    await stripe.settle(debit.id, 'fail');
    await shop.told('transaction.failed');
    const left = await createSession(w, shop);
    await stripe.expire(left.id);
    await shop.told('transaction.expired');
    assert.equal(shop.notices('transaction.paid').length, 0);
  });
});

describe('a shop that', () => {
  /** What each answers, and what is noted about it. */
  const TROUBLE = {
    'is in trouble (500)': [(_, response) => response.writeHead(500).end('oops'), 500, /2xx/],
    'has the route no more (410)': [(_, response) => response.writeHead(410).end(), 410, /2xx/],
    'redirects': [(seen, response) => response.writeHead(seen.path === '/notices' ? 307 : 200, { location: '/elsewhere' }).end(), 307, /redirect/],
    'closes the connection': [(_, response) => response.socket.destroy(), null, /no answer/],
    'answers an error without end': [(_, response) => {
      response.writeHead(500);
      const more = () => { while (response.write('x'.repeat(65_536))); };
      response.on('drain', more);
      more();
    }, 500, /2xx/],
  };
  for (const [what, [answer, status, error]] of Object.entries(TROUBLE)) {
    test(`${what} is told again later, and then it has arrived`, async () => {
      const shop = await aShop();
      shop.webhook = answer;
      const session = await sale(shop);
      const { id } = await paidEvent(shop, session);
      const failed = await attempted(shop, id, 1);
      assert.equal(failed.status, 'due');
      assert.equal(failed.attempts[0].status, status);
      assert.match(failed.attempts[0].error, error);
      assert.ok(failed.next_attempt_at - now() <= 60 && failed.next_attempt_at - now() > 30);
      const sent = shop.notices().length;
      await w.scheduled();
      assert.equal(shop.notices().length, sent, 'not before its time');
      assert.ok(shop.requests.every(({ path }) => path !== '/elsewhere'), 'nothing follows a redirect');
      shop.webhook = (_, response) => response.writeHead(204).end();
      await again(id);
      assert.deepEqual((await settled(shop, id, 'delivered')).attempts.map((one) => one.status), [status, 204]);
      const [first, second] = shop.notices('transaction.paid').map((one) => ({ id: one.headers['webhook-id'], body: one.body }));
      assert.deepEqual(first, second, 'the same bytes');
      shop.notices('transaction.paid').forEach((one) => verified(shop.secret, one));
    });
  }

  test('answers 200 and then talks without end has got it', async () => {
    const shop = await aShop();
    let closed = false;
    shop.webhook = (_, response) => {
      response.on('close', () => { closed = true; });
      response.writeHead(200);
      const more = () => { while (response.write('x'.repeat(65_536))); };
      response.on('drain', more);
      more();
    };
    const { id } = await paidEvent(shop, await sale(shop));
    await settled(shop, id, 'delivered');
    await eventually(() => closed, 'the Worker hangs up');
  });

  test('does not answer is given ten seconds', async () => {
    const shop = await aShop();
    shop.webhook = () => {};
    const session = await sale(shop);
    const { id } = await paidEvent(shop, session);
    const line = await w.logLine((one) => one.event === 'notice_failed' && one.id === id, 15_000);
    assert.ok(line.ms >= 9_500 && line.ms < 12_000, `${line.ms} ms`);
    const { attempts: [attempt] } = await attempted(shop, id, 1);
    assert.equal(attempt.status, null);
    assert.ok(attempt.duration_ms >= 9_500);
  });

  test('never answers well is tried for three days with growing pauses, then given up, and told on request', async () => {
    const shop = await aShop();
    shop.webhook = (_, response) => response.writeHead(503).end();
    const { id } = await paidEvent(shop, await sale(shop));
    await attempted(shop, id, 1);
    const pauses = [];
    for (const pause of PAUSES) {
      const [{ due_at }] = await w.d1('SELECT due_at FROM notices WHERE id = ?', id);
      const made = (await event(shop, id)).attempts.at(-1).created;
      assert.ok(Math.abs(due_at - made - pause) <= 2, `${due_at - made} instead of ${pause}`);
      pauses.push(pause);
      await again(id);
    }
    assert.equal(pauses.reduce((sum, pause) => sum + pause), 3 * 24 * HOUR);
    const dead = await event(shop, id);
    assert.equal(dead.status, 'dead');
    assert.equal(dead.next_attempt_at, null);
    assert.equal(dead.attempts.length, 10);
    const line = await w.logLine((one) => one.event === 'notice_dead' && one.id === id);
    assert.deepEqual({ level: line.level, shop: line.shop, type: line.type, attempt: line.attempt }, { level: 'error', shop: shop.id, type: 'transaction.paid', attempt: 10 });
    const sent = shop.notices().length;
    await w.scheduled();
    assert.equal(shop.notices().length, sent);
    assert.deepEqual((await events(shop, '&status=dead')).map((one) => one.id), [id]);
    shop.webhook = (_, response) => response.writeHead(200).end();
    assert.equal(fine(await api('POST', `/v1/events/${id}/resend`, { key: shop.key })).status, 'due');
    assert.equal((await settled(shop, id, 'delivered')).attempts.length, 11);
  });

  test('is told 21 times sees the last 20 attempts', async () => {
    const shop = await aShop();
    const { id } = await paidEvent(shop, await sale(shop));
    await settled(shop, id, 'delivered');
    const earlier = Array.from({ length: 20 }, (_, i) => ({ created: i, status: 500, duration_ms: 1, error: 'x' }));
    await w.d1('UPDATE notices SET attempt_log = ? WHERE id = ?', JSON.stringify(earlier), id);
    fine(await api('POST', `/v1/events/${id}/resend`, { key: shop.key }));
    const { attempts } = await settled(shop, id, 'delivered');
    assert.equal(attempts.length, 20);
    assert.equal(attempts.at(-1).status, 200);
  });

  test('has no webhook_url finds its notices kept, and is not flooded when it names one', async () => {
    const shop = await aShop({ address: null });
    const session = await sale(shop);
    const kept = await paidEvent(shop, session);
    assert.deepEqual({ status: kept.status, next: kept.next_attempt_at, attempts: kept.attempts }, { status: 'kept', next: null, attempts: [] });
    refused(await api('POST', `/v1/events/${kept.id}/resend`, { key: shop.key }), 409, 'webhook_url_missing');
    fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } }));
    await w.scheduled();
    assert.equal(shop.notices().length, 0);
    fine(await api('POST', `/v1/events/${kept.id}/resend`, { key: shop.key }));
    assert.equal(verified(shop.secret, (await shop.told('transaction.paid'))[0]).id, kept.id);
  });

  test('takes its webhook_url away is not told any more', async () => {
    const shop = await aShop();
    shop.webhook = (_, response) => response.writeHead(500).end();
    const { id } = await paidEvent(shop, await sale(shop));
    await attempted(shop, id, 1);
    fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: '' } }));
    const sent = shop.notices().length;
    await again(id);
    assert.equal((await event(shop, id)).status, 'kept');
    assert.equal(shop.notices().length, sent);
  });

  test('lost the origin of its webhook_url is not called there: addresses are looked at with every attempt', async () => {
    const shop = await aShop({ connected: false, address: null });
    const other = shop.origin.replace('localhost', '127.0.0.1');
    fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { allowed_origins: [other], webhook_url: `${other}/notices` } }));
    await w.d1("UPDATE shops SET allowed_origins = '[]' WHERE id = ?", shop.id);
    await connectShop(w, stripe, shop, { account });
    const { id } = await paidEvent(shop, await sale(shop));
    const { attempts: [attempt] } = await attempted(shop, id, 1);
    assert.equal(attempt.status, null);
    assert.match(attempt.error, /not allowed/);
    assert.equal(shop.notices().length, 0);
  });
});

describe('a notice', () => {
  test('is sent by one of all that want to send it', async () => {
    const shop = await aShop();
    const held = [];
    shop.webhook = (_, response) => held.push(response);
    const session = await sale(shop);
    await shop.told('transaction.paid');
    await Promise.all([w.scheduled(), w.scheduled()]);
    assert.equal(held.length, 1, 'while one is under way there is no second');
    held[0].writeHead(200).end();
    await settled(shop, (await paidEvent(shop, session)).id, 'delivered');
  });

  test('whose sender was cut off is due again when its lease has run out', async () => {
    const shop = await aShop();
    const { id } = await paidEvent(shop, await sale(shop));
    await settled(shop, id, 'delivered');
    // As a crash between sending and writing it down leaves it.
    await w.d1("UPDATE notices SET status = 'due', delivered_at = NULL, attempts = 1, due_at = ? WHERE id = ?", now() + 60, id);
    await w.scheduled();
    assert.equal(shop.notices('transaction.paid').length, 1);
    await again(id);
    assert.equal(shop.notices('transaction.paid').length, 2);
    assert.equal((await event(shop, id)).status, 'delivered');
  });

  test('has the signatures of both secrets for a day after a roll', async () => {
    const shop = await aShop();
    const rolled = fine(await w.api('POST', '/v1/shop/signing_secrets', { key: shop.key }), 201).signing_secret;
    assert.notEqual(rolled, shop.secret);
    const session = await sale(shop);
    const [notice] = await shop.told('transaction.paid');
    assert.equal(notice.headers['webhook-signature'].split(' ').length, 2);
    for (const secret of [rolled, shop.secret]) assert.equal(verified(secret, notice).data.object.id, session.transaction);
    await w.d1('UPDATE shops SET previous_signing_secret_expires_at = ? WHERE id = ?', now() - 1, shop.id);
    await sale(shop);
    const [, next] = await shop.told('transaction.paid', 2);
    assert.equal(next.headers['webhook-signature'].split(' ').length, 1);
    verified(rolled, next);
    assert.throws(() => verified(shop.secret, next));
  });

  test('that was delivered may be sent again', async () => {
    const shop = await aShop();
    const { id } = await paidEvent(shop, await sale(shop));
    await settled(shop, id, 'delivered');
    fine(await api('POST', `/v1/events/${id}/resend`, { key: shop.key, body: {} }));
    await shop.told('transaction.paid', 2);
    assert.equal((await settled(shop, id, 'delivered')).attempts.length, 2);
    refused(await api('POST', `/v1/events/${id}/resend`, { key: shop.key, body: { now: true } }), 400, 'parameter_unknown', 'now');
  });

  test('of another shop does not exist', async () => {
    const [mine, theirs] = [await aShop(), await aShop({ connected: false })];
    const { id } = await paidEvent(mine, await sale(mine));
    await settled(mine, id, 'delivered');
    refused(await api('GET', `/v1/events/${id}`, { key: theirs.key }), 404, 'resource_missing');
    refused(await api('POST', `/v1/events/${id}/resend`, { key: theirs.key }), 404, 'resource_missing');
    refused(await api('GET', `/v1/events?starting_after=${id}`, { key: theirs.key }), 422, 'resource_missing', 'starting_after');
    assert.deepEqual(await events(theirs), []);
    await w.scheduled();
    assert.equal(mine.notices('transaction.paid').length, 1, 'and is not sent for them');
    for (const path of [`/v1/events/ccevt_${'0'.repeat(26)}`, '/v1/events/cct_1']) refused(await api('GET', path, { key: mine.key }), 404, 'resource_missing');
  });

  test('is found in the list by page, type and status', async () => {
    const shop = await aShop();
    for (let i = 0; i < 3; i += 1) await sale(shop);
    await shop.told('transaction.paid', 3);
    const all = await events(shop);
    assert.deepEqual(all.map(({ id }) => id), all.map(({ id }) => id).sort().reverse(), 'newest first');
    const first = fine(await api('GET', '/v1/events?limit=2', { key: shop.key }));
    assert.equal(first.has_more, true);
    const rest = fine(await api('GET', `/v1/events?starting_after=${first.data[1].id}`, { key: shop.key }));
    assert.deepEqual([...first.data, ...rest.data].map(({ id }) => id), all.map(({ id }) => id));
    const back = fine(await api('GET', `/v1/events?limit=2&ending_before=${all.at(-1).id}`, { key: shop.key }));
    assert.deepEqual(back.data.map(({ id }) => id), all.slice(-3, -1).map(({ id }) => id));
    assert.deepEqual(new Set((await events(shop, '&type=transaction.paid&status=delivered')).map(({ type }) => type)), new Set(['transaction.paid']));
    assert.deepEqual(await events(shop, '&type=nothing.known'), []);
    refused(await api('GET', '/v1/events?status=lost', { key: shop.key }), 422, 'parameter_invalid', 'status');
    refused(await api('GET', '/v1/events?limit=0', { key: shop.key }), 422, 'parameter_invalid_integer', 'limit');
    const both = `/v1/events?starting_after=${all[0].id}&ending_before=${all[0].id}`;
    refused(await api('GET', both, { key: shop.key }), 422, 'parameter_invalid', 'ending_before');
    for (const filter of ['', " AND type = 'transaction.paid'", " AND status = 'due'"]) {
      const plan = await w.d1(`EXPLAIN QUERY PLAN SELECT * FROM notices WHERE shop_id = 'shop_1'${filter} AND id < 'ccevt_5' ORDER BY id DESC LIMIT 11`);
      const told = plan.map(({ detail }) => detail).join('; ');
      assert.match(told, /^SEARCH notices USING INDEX/, filter);
      assert.doesNotMatch(told, /TEMP B-TREE/, filter);
    }
  });
});

describe('the connection', () => {
  const goneOf = async (shop) => verified(shop.secret, (await shop.told('connection.gone')).at(-1)).data.object;

  test('is told when it becomes active, once, and when the shop ends it', async () => {
    const shop = await aShop({ connected: false });
    const { claim, verifier } = await connectShop(w, stripe, shop, { account });
    await w.api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim, verifier } });
    const { data: { object } } = verified(shop.secret, (await shop.told('connection.active'))[0]);
    assert.deepEqual({ object: object.object, connected: object.connected, account: object.account, livemode: object.livemode }, { object: 'connection', connected: true, account, livemode: false });
    assert.deepEqual(Object.keys(object).sort(), Object.keys(fine(await w.api('GET', '/v1/connection', { key: shop.key }))).sort());
    fine(await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key }));
    const gone = await goneOf(shop);
    assert.deepEqual({ connected: gone.connected, account: gone.account, reason: gone.gone_reason }, { connected: false, account, reason: 'disconnected' });
    assert.ok(gone.gone_at > 0);
    assert.equal((await events(shop)).length, 2);
  });

  test('is told when the merchant ends it at Stripe, to every shop that used it', async () => {
    const merchant = (await stripe.createAccount({ name: 'Leaving', country: 'US', charges_enabled: true, details_submitted: true })).id;
    const two = [await aShop({ connected: false }), await aShop({ connected: false })];
    for (const shop of two) await connectShop(w, stripe, shop, { account: merchant });
    // An event of the very second of the connection is asked about; this one comes later.
    await w.d1('UPDATE connections SET connected_at = connected_at - 5 WHERE account = ?', merchant);
    await stripe.deauthorize(merchant, { livemode: false });
    for (const shop of two) {
      assert.equal((await goneOf(shop)).gone_reason, 'deauthorized');
      assert.equal(shop.notices('connection.gone').length, 1);
    }
    const ids = two.map((shop) => shop.notices('connection.gone')[0].headers['webhook-id']);
    assert.notEqual(ids[0], ids[1]);
  });

  test('is told when another account takes its place', async () => {
    const shop = await aShop();
    const { account: second } = await connectShop(w, stripe, shop, { replace: true });
    const gone = await goneOf(shop);
    assert.deepEqual({ account: gone.account, reason: gone.gone_reason }, { account, reason: 'replaced' });
    assert.deepEqual((await shop.told('connection.active', 2)).map(({ body }) => JSON.parse(body).data.object.account), [account, second]);
  });

  test('is told when Stripe says that it has ended, and when it turns out to live', async () => {
    const merchant = (await stripe.createAccount({ name: 'Flaky', country: 'US', charges_enabled: true, details_submitted: true })).id;
    const shop = await aShop({ connected: false });
    await connectShop(w, stripe, shop, { account: merchant });
    await shop.told('connection.active');
    // As if it had been a while ago: no connection ends and lives again within a second.
    await w.d1("UPDATE notices SET once = once || ' before' WHERE shop_id = ?", shop.id);
    await w.d1("UPDATE connections SET status = 'gone', gone_reason = 'account_invalid', gone_at = 1, checked_at = NULL WHERE account = ?", merchant);
    fine(await w.api('GET', '/v1/connection?mode=test', { key: shop.key }));
    await shop.told('connection.active', 2);
    stripe.webhooks.pause();
    await stripe.deauthorize(merchant, { livemode: false });
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    await w.d1('UPDATE connections SET checked_at = NULL WHERE account = ?', merchant);
    fine(await w.api('GET', '/v1/connection?mode=test', { key: shop.key }));
    assert.equal((await goneOf(shop)).gone_reason, 'account_invalid');
  });
});

test('a shop whose site was registered anew is told so, with its own secret, and how its payments end', async () => {
  const shop = await aShop();
  const session = await createSession(w, shop);
  const anew = fine(await w.api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url: `${shop.site}/wp-json/cognitive-cart/v1/challenge` } }), 201);
  shop.challenge = anew.challenge;
  fine(await w.api('POST', '/v1/shop/verify', { key: anew.api_key }));
  const [notice] = await shop.told('shop.superseded');
  const { data: { object } } = verified(shop.secret, notice);
  assert.throws(() => verified(anew.signing_secret, notice));
  assert.deepEqual({ object: object.object, id: object.id, site_url: object.site_url, status: object.status }, { object: 'shop', id: shop.id, site_url: shop.site, status: 'superseded' });
  refused(await w.api('GET', '/v1/events', { key: shop.key }), 401, 'api_key_invalid');
  assert.deepEqual(fine(await w.api('GET', '/v1/events', { key: anew.api_key })).data, [], 'nothing is inherited');
  await stripe.pay(session.id);
  assert.equal(verified(shop.secret, (await shop.told('transaction.paid'))[0]).data.object.id, session.transaction);
  assert.equal(shop.notices('shop.superseded').length, 1);
});

describe('many shops', () => {
  /** n notices of a shop that have been due for long, oldest of all. */
  const flood = (shop, n) => w.d1(
    `WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${n})
     INSERT INTO notices (id, shop_id, type, once, object, created, status, due_at)
     SELECT 'ccevt_' || printf('%026d', n) || substr(?1, -8), ?1, 'transaction.paid', ?1 || '/flood/' || n, '{"n":' || n || '}', 1, 'due', 1 FROM i`, shop.id);

  /** One notice of a shop that has just become due. */
  const one = (shop, name = 'one') => w.d1(
    `INSERT INTO notices (id, shop_id, type, once, object, created, status, due_at) VALUES (?1 || ?2, ?2, 'transaction.paid', ?2 || ?1, '{}', 1, 'due', ?3)`, `ccevt_${name}`, shop.id, now());

  test('100,000 due notices of one do not keep another waiting, and a run takes its share of them', async () => {
    const [loud, quiet] = [await aShop({ connected: false }), await aShop({ connected: false })];
    await flood(loud, 100_000);
    await one(quiet);
    w.clearLogs();
    const begun = Date.now();
    await w.scheduled();
    assert.ok(Date.now() - begun < 20_000);
    assert.equal(quiet.notices().length, 1);
    const of = loud.notices().length;
    assert.ok(of >= 10 && of <= 40, `${of} of the loud shop`);
    const { d1, figures } = await w.logLine((line) => line.event === 'sweep');
    assert.equal(figures.notices, of + 1);
    assert.ok(d1 < 150, `${d1} round trips`);
    await w.d1('DELETE FROM notices WHERE shop_id = ?', loud.id);
  });

  test('one that does not answer holds up nobody else, and is left alone for the rest of the run', async () => {
    const [dead, well] = [await aShop({ connected: false }), await aShop({ connected: false })];
    const held = [];
    dead.webhook = (_, response) => {
      held.push(response);
      if (well.notices().length > 0) response.socket.destroy();
    };
    await flood(dead, 30);
    await one(well);
    const run = w.scheduled();
    await well.told('transaction.paid');
    held.forEach(({ socket }) => socket?.destroy());
    await run;
    assert.ok(held.length <= 10, `${held.length} attempts at the dead one`);
    await w.d1('DELETE FROM notices WHERE shop_id = ?', dead.id);
  });

  test('no more than five connections at a time', async () => {
    const shop = await aShop({ connected: false });
    let [open, most] = [0, 0];
    shop.webhook = (_, response) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => setImmediate(() => { open -= 1; response.writeHead(200).end(); }));
    };
    await flood(shop, 40);
    await w.scheduled();
    assert.equal(shop.notices().length, 40);
    assert.ok(most <= 5, `${most} at once`);
  });

  for (const [table, whose, at, index] of [['notices', 'coalesce(agent_id, shop_id)', 'due_at', 'notices_due'], ['transactions', 'shop_id', 'check_at', 'transactions_to_check_by_shop']]) {
    test(`what is due is found by an index, shop by shop: ${table}`, async () => {
      const source = readFileSync(new URL('../../src/store/mod.rs', import.meta.url), 'utf8');
      const values = { table, whose, at, MOST: 100_000, of_each: 40 };
      const text = /fn in_turn\([^]*?format!\(\s*"([^"]+)"/.exec(source)[1].replaceAll(/\{(\w+)\}/g, (_, name) => values[name]).replaceAll('?1', '1');
      const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text} SELECT id FROM due ORDER BY turn LIMIT 40`)).map(({ detail }) => detail);
      const steps = plan.filter((detail) => detail.includes(table) || /\bn\b/.test(detail));
      assert.ok(steps.length >= 4, plan.join('\n'));
      for (const step of steps) {
        assert.ok(step.includes(`USING INDEX ${index}`) || step.includes(`USING COVERING INDEX ${index}`) || step.includes('USING INTEGER PRIMARY KEY'), plan.join('\n'));
      }
      assert.ok(!plan.some((detail) => detail === 'SCAN n' || detail === `SCAN ${table}`), plan.join('\n'));
    });
  }
});

test('no secret, no signature and nothing of a buyer is in the log', async () => {
  w.clearLogs();
  const shop = await aShop();
  shop.webhook = (_, response) => response.writeHead(500).end('a secret of the shop');
  const session = await createSession(w, shop);
  await stripe.pay(session.id, { email: 'secret-buyer@example.com', name: 'Secret Buyername' });
  await stripe.webhooks.drained();
  const { id } = await paidEvent(shop, session);
  await attempted(shop, id, 1);
  const [notice] = shop.notices('transaction.paid');
  const { text } = w.logs();
  assert.ok(text.includes(id));
  const signature = notice.headers['webhook-signature'].slice(3);
  for (const secret of [shop.secret, shop.secret.slice(6), shop.key, signature, 'secret-buyer', 'Secret Buyername', 'a secret of the shop']) assert.ok(!text.includes(secret), secret);
});
