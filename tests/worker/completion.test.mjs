// The buyer comes back from Stripe (contract, "Completion"): only what was created counts, and nobody is kept waiting.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentBody, chatBody, connectShop, createSession, registerShop, verifySignature } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const RETRIEVE = 'GET /v1/checkout/sessions/{session}';
const now = () => Math.floor(Date.now() / 1000);

let stripe, w, shop, account, late;

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  shop = await registerShop(w, { name: 'Tea & Co' });
  ({ account } = await connectShop(w, stripe, shop));
  late = slowBuyer();
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

/** A buyer who pays while the webhooks are lost, so that only the way back can tell. -> {session, location} */
async function paidSilently(body, how) {
  const session = await createSession(w, shop, body);
  stripe.webhooks.pause();
  const paid = await stripe.pay(session.id, how);
  assert.ok(paid.ok, paid.message);
  stripe.webhooks.drop();
  return { session, location: paid.location };
}

/** Stripe is slow for one buyer, while the other tests run: his 8 seconds are not waited for twice. */
async function slowBuyer() {
  const { session, location } = await paidSilently();
  stripe.webhooks.resume();
  stripe.misbehave({ on: `GET /v1/checkout/sessions/${session.id}`, how: 'slow', ms: 20_000, times: 1 });
  const begun = Date.now();
  return { session, answering: w.fetch(location).then((answer) => ({ answer, ms: Date.now() - begun })) };
}

const transaction = async (id) => (await w.api('GET', `/v1/transactions/${id}`, { key: shop.key })).body;
const strays = (id) => w.d1('SELECT kind, object_id, account, reason FROM strays WHERE transaction_id = ?', id);

/** The buyer's redirect, checked as the shop checks it. -> its parameters, and the URL itself */
function home(answer, to = `${shop.origin}/thanks`) {
  assert.equal(answer.status, 303);
  const url = new URL(answer.headers.get('location'));
  assert.equal(`${url.origin}${url.pathname}`, to);
  assert.ok(verifySignature(url, shop.secret), 'the signature is not the shop’s');
  const params = Object.fromEntries(url.searchParams);
  assert.ok(Math.abs(Number(params.t) - now()) <= 5, `t is ${params.t}`);
  return { ...params, url };
}

async function isUnknownPage(answer) {
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('location'), null);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  assert.match(await answer.text(), /We cannot find this payment/);
}

describe('a buyer who paid', () => {
  test('goes home with all that the shop needs, signed, and the ledger has it', async () => {
    const { session, location } = await paidSilently(chatBody(shop, { cart: { order_id: 4711 } }), { email: 'ann@example.com', name: 'Ann Buyer' });
    assert.ok(location.startsWith(`${w.url}/checkout/complete/${session.transaction}?`));
    const answer = await w.fetch(location);
    const { url, t, signature, ...rest } = home(answer);
    assert.deepEqual(rest, {
      session_id: session.id, transaction: session.transaction, order_id: '4711', status: 'paid', amount_total: '2000', currency: 'usd', livemode: 'false',
    });
    assert.match(signature, /^[0-9a-f]{64}$/);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
    const kept = await transaction(session.transaction);
    assert.equal(kept.status, 'paid');
    assert.equal(kept.amount_captured, 2000);
    assert.equal(kept.account, account);
    assert.match(kept.payment_intent, /^pi_/);
    assert.deepEqual(kept.customer, { email: 'ann@example.com', name: 'Ann Buyer', phone: null });
    assert.ok(Math.abs(kept.paid_at - now()) <= 5);
    assert.deepEqual(kept.events.map(({ type, by }) => `${type} by ${by}`), ['open by checkout', 'paid by buyer']);
  });

  test('is told the same again on reload, and nothing else happens', async () => {
    const { session, location } = await paidSilently();
    home(await w.fetch(location));
    const before = await transaction(session.transaction);
    const again = await w.fetch(location);
    assert.equal(home(again).status, 'paid');
    assert.equal((await w.lineOf(again)).stripe, 0);
    assert.deepEqual(await transaction(session.transaction), before);
  });

  test('without an order_id is signed with the empty string', async () => {
    const { location } = await paidSilently(agentBody(shop));
    assert.equal(home(await w.fetch(location)).order_id, '');
  });

  test('comes home by the address of the UCP manifest too', async () => {
    const { session } = await paidSilently();
    const manifest = (await w.api('GET', '/v1/manifest', { key: shop.key })).body;
    const url = manifest.checkoutCompleteUrlTemplate.replace('{CHECKOUT_SESSION_ID}', session.id);
    assert.equal(home(await w.fetch(url)).transaction, session.transaction);
  });

  test('finds query, placeholder and fragment of success_url as the shop wrote them, ours before the #', async () => {
    const { session, location } = await paidSilently(chatBody(shop, { success_url: `${shop.origin}/thanks?lang=de&s={CHECKOUT_SESSION_ID}#order` }));
    const { url, lang, s, status } = home(await w.fetch(location));
    assert.deepEqual({ lang, s, status, hash: url.hash }, { lang: 'de', s: session.id, status: 'paid', hash: '#order' });
    assert.ok(url.href.indexOf('signature=') < url.href.indexOf('#'));
  });

  test('sees a thank-you page of ours where the shop named none', async () => {
    const { session, location } = await paidSilently(chatBody(shop, { success_url: undefined, cancel_url: undefined, cart: { order_id: 'A-1' } }));
    const thanks = await w.fetch(location);
    assert.equal(thanks.status, 200);
    const html = await thanks.text();
    assert.match(html, /your payment was received/);
    assert.match(html, /USD 20\.00/);
    assert.match(html, /Tea &amp; Co/);
    const kept = await w.fetch(`/checkout/cancel/${session.transaction}`);
    assert.equal(kept.status, 200);
    assert.match(await kept.text(), /Your cart is kept/);
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });

  test('goes to the shop’s default pages where the session named none', async () => {
    const set = await w.api('PATCH', '/v1/shop', { key: shop.key, body: { default_success_url: `${shop.origin}/done`, default_cancel_url: `${shop.origin}/back` } });
    assert.equal(set.status, 200, set.text);
    const { session, location } = await paidSilently(chatBody(shop, { success_url: undefined, cancel_url: undefined }));
    await w.api('PATCH', '/v1/shop', { key: shop.key, body: { default_success_url: null, default_cancel_url: null } });
    home(await w.fetch(location), `${shop.origin}/done`);
    const canceled = await w.fetch(`/checkout/cancel/${session.transaction}`);
    assert.ok(canceled.headers.get('location').startsWith(`${shop.origin}/back?`));
  });
});

describe('a buyer who did not pay', () => {
  test('and turned back goes to cancel_url; nothing changes, he may still pay', async () => {
    const session = await createSession(w, shop, chatBody(shop, { cancel_url: `${shop.origin}/cart?a=1#top` }));
    const answer = await w.fetch(`/checkout/cancel/${session.transaction}`);
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get('location'), `${shop.origin}/cart?a=1&transaction=${session.transaction}&status=canceled#top`);
    assert.equal((await transaction(session.transaction)).status, 'open');
    await stripe.pay(session.id);
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });

  test('but opened the way back by hand is told unpaid', async () => {
    const session = await createSession(w, shop);
    assert.equal(home(await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`)).status, 'unpaid');
    assert.equal((await transaction(session.transaction)).status, 'open');
  });

  test('because the session expired is told unpaid', async () => {
    const session = await createSession(w, shop);
    stripe.webhooks.pause();
    await stripe.expire(session.id);
    assert.equal(home(await w.fetch(`/checkout/complete/${session.transaction}?session_id=${session.id}`)).status, 'unpaid');
    assert.equal((await transaction(session.transaction)).status, 'expired');
  });

  test('after a declined card may try another one', async () => {
    const session = await createSession(w, shop);
    assert.equal((await stripe.pay(session.id, { card: '4000000000000002' })).ok, false);
    await stripe.webhooks.drained();
    assert.equal((await transaction(session.transaction)).status, 'open');
    const { location } = await stripe.pay(session.id);
    assert.equal(home(await w.fetch(location)).status, 'paid');
  });
});

describe('an unknown pair gives a page, never a redirect, and is not stored', () => {
  const cases = {
    'a transaction that is not there': (s) => `/checkout/complete/cct_00000000000000000000000000?session_id=${s.id}`,
    'a session that is another’s': (s, other) => `/checkout/complete/${s.transaction}?session_id=${other.id}`,
    'a session that is not there': (s) => `/checkout/complete/${s.transaction}?session_id=cs_test_nowhere`,
    'no session': (s) => `/checkout/complete/${s.transaction}`,
    'a session id that is none': (s) => `/checkout/complete/${s.transaction}?session_id=..%2Faccounts`,
    'the placeholder as it was written': (s) => `/checkout/complete/${s.transaction}?session_id={CHECKOUT_SESSION_ID}`,
    'a session alone that is not there': () => '/checkout/complete?session_id=cs_test_nowhere',
    'a cancel of nothing': () => '/checkout/cancel/cct_00000000000000000000000000',
  };
  let mine, other;
  before(async () => {
    mine = await createSession(w, shop);
    other = await createSession(w, shop);
  });
  for (const [name, url] of Object.entries(cases)) {
    test(name, async () => {
      const asked = stripe.requests.length;
      await isUnknownPage(await w.fetch(url(mine, other)));
      assert.equal(stripe.requests.length, asked, 'Stripe was asked about a stranger’s guess');
      assert.deepEqual(await strays(mine.transaction), []);
    });
  }

  test('even when Stripe is down and the row has no session yet', async () => {
    const before = new Set((await w.d1('SELECT id FROM transactions')).map(({ id }) => id));
    stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: '500', times: 9 });
    const made = await w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'lost', body: chatBody(shop) });
    assert.equal(made.status, 503);
    const [{ id }] = (await w.d1('SELECT id FROM transactions')).filter((row) => !before.has(row.id));
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 9 });
    await isUnknownPage(await w.fetch(`/checkout/complete/${id}?session_id=cs_test_guess`));
    stripe.clearMisbehaviour();
  });
});

describe('a genuine payment that is not what was created settles nothing, and the operator finds it', () => {
  const intentOf = (session) => stripe.books().sessions.find(({ id }) => id === session.id).payment_intent;
  const bends = {
    'another amount': ['amount', (s) => stripe.patch(s.id, { amount_total: 100, amount_subtotal: 100 })],
    'another amount of the payment itself': ['amount', (s) => stripe.patch(intentOf(s), { amount: 100, amount_received: 100 })],
    'another currency': ['currency', (s) => stripe.patch(s.id, { currency: 'jpy' })],
    'another currency of the payment itself': ['currency', (s) => stripe.patch(intentOf(s), { currency: 'jpy' })],
    'another reference': ['reference', (s) => stripe.patch(s.id, { metadata: { cc_transaction: 'cct_other' } })],
    'no reference': ['reference', (s) => stripe.patch(s.id, { metadata: {} })],
    'another mode': ['mode', (s) => stripe.patch(s.id, { livemode: true })],
  };
  for (const [name, [reason, bend]] of Object.entries(bends)) {
    test(name, async () => {
      const { session, location } = await paidSilently();
      bend(session);
      await isUnknownPage(await w.fetch(location));
      assert.deepEqual(await strays(session.transaction), [{ kind: 'session', object_id: session.id, account, reason }]);
      await isUnknownPage(await w.fetch(location));
      assert.equal((await strays(session.transaction)).length, 1, 'a reload makes a second stray');
      assert.equal((await transaction(session.transaction)).status, 'open');
    });
  }

  test('another account’s session that names our transaction', async () => {
    const mine = await createSession(w, shop);
    const rival = await registerShop(w);
    await connectShop(w, stripe, rival);
    const theirs = await createSession(w, rival, chatBody(rival, { amount: 100 }));
    stripe.webhooks.pause();
    await stripe.pay(theirs.id);
    stripe.webhooks.drop();
    stripe.patch(theirs.id, { metadata: { cc_transaction: mine.transaction }, amount_total: 2000 });
    await isUnknownPage(await w.fetch(`/checkout/complete/${mine.transaction}?session_id=${theirs.id}`));
    assert.equal((await transaction(mine.transaction)).status, 'open');
    await rival.close();
  });
});

describe('Stripe in trouble: the buyer goes home, the sweep finishes', () => {
  for (const how of ['500', '429', 'drop_before', 'drop_after']) {
    test(how, async () => {
      const { session, location } = await paidSilently();
      // workerd itself asks again when a connection is cut, so it is cut until further notice.
      stripe.misbehave({ on: `GET /v1/checkout/sessions/${session.id}`, how, times: 9 });
      assert.equal(home(await w.fetch(location)).status, 'processing');
      stripe.clearMisbehaviour();
      assert.equal((await transaction(session.transaction)).status, 'open');
      await w.scheduled();
      assert.equal((await transaction(session.transaction)).status, 'paid');
      assert.equal(home(await w.fetch(location)).status, 'paid');
    });
  }

  test('our own page says the same', async () => {
    const { session, location } = await paidSilently(chatBody(shop, { success_url: undefined }));
    stripe.misbehave({ on: `GET /v1/checkout/sessions/${session.id}`, how: '500', times: 1 });
    const answer = await w.fetch(location);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /being processed/);
  });
});

describe('methods whose money comes later', () => {
  for (const [end, ledger, redirect] of [['succeed', 'paid', 'paid'], ['fail', 'failed', 'unpaid']]) {
    test(`${end}: processing, then ${ledger}`, async () => {
      const session = await createSession(w, shop);
      const { location } = await stripe.pay(session.id, { card: `bank_debit_${end}s` });
      assert.equal(home(await w.fetch(location)).status, 'processing');
      assert.equal((await transaction(session.transaction)).status, 'processing');
      await stripe.settle(session.id, end);
      await stripe.webhooks.drained();
      assert.equal((await transaction(session.transaction)).status, ledger);
      assert.equal(home(await w.fetch(location)).status, redirect);
    });
  }
});

describe('manual capture', () => {
  const RETRIEVE = 'GET /v1/payment_intents/{intent}';
  for (const type of ['checkout.session.completed', 'payment_intent.amount_capturable_updated']) {
    test(`until when it can be captured is known from the webhook alone (${type})`, async () => {
      const { session } = await paidSilently(chatBody(shop, { capture: 'manual' }));
      const asked = stripe.requests.length;
      const event = stripe.books().events.find((one) => one.type === type && JSON.stringify(one.data).includes(session.transaction));
      stripe.webhooks.drop();
      stripe.webhooks.resume();
      const deliver = () => stripe.send({ ...event, id: `evt_${Math.random().toString(36).slice(2)}` }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
      stripe.misbehave({ on: RETRIEVE, how: '500', times: 1 });
      await deliver();
      stripe.clearMisbehaviour();
      const held = await transaction(session.transaction);
      assert.deepEqual([held.status, held.capture_before], ['authorized', undefined], 'the payment counts although Stripe could not be asked');
      await deliver();
      assert.ok((await transaction(session.transaction)).capture_before > now(), 'another event brings it');
      const before = stripe.requests.length;
      assert.ok(before > asked);
      await deliver();
      assert.equal(stripe.requests.slice(before).filter(({ route }) => route === RETRIEVE).length, 0, 'what is known is not asked for');
    });
  }

  test('the sweep brings what no event could', async () => {
    const { session } = await paidSilently(chatBody(shop, { capture: 'manual' }));
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 9 });
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    stripe.clearMisbehaviour();
    assert.equal((await transaction(session.transaction)).capture_before, undefined);
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
    await w.scheduled();
    assert.ok((await transaction(session.transaction)).capture_before > now());
  });

  test('is authorized until the money is taken', async () => {
    const { session, location } = await paidSilently(chatBody(shop, { capture: 'manual' }));
    assert.equal(home(await w.fetch(location)).status, 'authorized');
    const held = await transaction(session.transaction);
    assert.equal(held.status, 'authorized');
    assert.equal(held.amount_capturable, 2000);
    assert.equal(held.amount_captured, 0);
    assert.equal(held.paid_at, null);
    assert.ok(held.capture_before > now());
    stripe.webhooks.resume();
    await stripe.capture(session.id);
    await stripe.webhooks.drained();
    const taken = await transaction(session.transaction);
    assert.deepEqual([taken.status, taken.amount_captured, taken.amount_capturable], ['paid', 2000, 0]);
    assert.equal(home(await w.fetch(location)).status, 'paid');
  });

  test('is canceled when the authorization is let go', async () => {
    const session = await createSession(w, shop, chatBody(shop, { capture: 'manual' }));
    const { location } = await stripe.pay(session.id);
    await stripe.cancelPayment(session.id);
    await stripe.webhooks.drained();
    assert.equal((await transaction(session.transaction)).status, 'canceled');
    assert.equal(home(await w.fetch(location)).status, 'unpaid');
  });
});

describe('Stripe too slow', () => {
  test('the buyer waits 8 seconds at most and goes home with processing; the sweep finishes', { timeout: 20_000 }, async () => {
    const { session, answering } = await late;
    const { answer, ms } = await answering;
    assert.equal(home(answer).status, 'processing');
    assert.ok(ms >= 7_000 && ms < 9_500, `it took ${ms} ms`);
    await w.scheduled();
    assert.equal((await transaction(session.transaction)).status, 'paid');
  });
});

// Last, because the Worker starts anew with another configuration.
describe('destination charges', () => {
  before(() => w.restart({ CHARGE_TYPE: 'destination' }));
  after(() => w.restart({ CHARGE_TYPE: undefined }));

  test('live on the platform and are paid out to the shop’s account', async () => {
    const session = await createSession(w, shop);
    const asked = stripe.requests.findLast(({ route }) => route === 'POST /v1/checkout/sessions');
    assert.equal(asked.headers['stripe-account'], undefined);
    assert.equal(asked.params.payment_intent_data.on_behalf_of, account);
    assert.equal(asked.params.payment_intent_data.transfer_data.destination, account);
    const { location } = await stripe.pay(session.id);
    const { events, ...kept } = await transaction(session.transaction);
    assert.deepEqual([kept.status, kept.charge_type, kept.account], ['paid', 'destination', account]);
    assert.equal(events.at(-1).by, 'webhook');
    assert.equal(home(await w.fetch(location)).status, 'paid');
  });

  for (const [name, bend] of Object.entries({
    'another destination': { transfer_data: { destination: 'acct_other' } },
    'on behalf of another': { on_behalf_of: 'acct_other' },
    'no destination': { transfer_data: null },
  })) {
    test(`${name} settles nothing`, async () => {
      const { session, location } = await paidSilently();
      stripe.patch(stripe.books().sessions.find(({ id }) => id === session.id).payment_intent, bend);
      await isUnknownPage(await w.fetch(location));
      assert.deepEqual((await strays(session.transaction)).map(({ reason }) => reason), ['account']);
      assert.equal((await transaction(session.transaction)).status, 'open');
    });
  }
});
