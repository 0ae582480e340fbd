import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { mac, signature } from '../../sandbox/stripe/signature.mjs';
import { listener, start } from './support.mjs';

const vectors = new URL('../../../shared/contracts/stripe/webhook-signature-vectors.json', import.meta.url);

test('signatures agree with the official SDK', { skip: !existsSync(vectors) && 'the vectors are not here' }, () => {
  const { cases } = JSON.parse(readFileSync(vectors, 'utf8'));
  let checked = 0;
  for (const { name, payload, header, secret, official_sdk: verdict, official_error: why } of cases) {
    const plain = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header);
    if (!plain) continue;
    const [, t, given] = plain;
    const right = signature(payload, secret, Number(t)) === header;
    assert.equal(mac(payload, secret, t) === given, right, name);
    if (verdict === 'accept') assert.ok(right, `${name}: what the SDK accepts is what we send`);
    if (/^No signatures found matching/.test(why)) assert.ok(!right, `${name}: what the SDK finds wrongly signed is not what we send`);
    checked += 1;
  }
  assert.ok(checked >= 8, `${checked} plain vectors were there`);
});

describe('Webhooks', () => {
  let stripe, session, shop, connect, platform, call;
  before(async () => {
    connect = await listener();
    platform = await listener();
    let merchant;
    ({ stripe, call, merchant, session } = await start({
      completedWaitMs: 200, webhookTimeoutMs: 300,
      webhooks: [{ url: connect.url, secret: 'whsec_connect', connect: true }, { url: platform.url, secret: 'whsec_platform', connect: false }],
    }));
    shop = await merchant();
    await stripe.webhooks.drained();
    connect.heard.length = 0; // account.application.authorized
  });
  after(async () => {
    await stripe.close();
    await Promise.all([connect.close(), platform.close()]);
  });
  afterEach(async () => {
    connect.answer = 200;
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    connect.heard.length = 0;
    platform.heard.length = 0;
  });

  test('connected accounts\' events go to the Connect endpoint, signed over the raw body', async () => {
    const made = await session(shop, { payment_intent_data: { application_fee_amount: 10 } });
    await stripe.pay(made.id);
    await stripe.webhooks.drained();
    assert.deepEqual(connect.types().sort(), ['charge.succeeded', 'checkout.session.completed', 'payment_intent.created', 'payment_intent.succeeded']);
    assert.deepEqual(platform.types(), ['application_fee.created']);
    const { event, body, headers } = connect.heard.find((entry) => entry.event.type === 'checkout.session.completed');
    assert.deepEqual([event.account, event.api_version, event.livemode, event.object, event.data.object.id], [shop, '2026-10-28.endive', false, 'event', made.id]);
    const [, t, v1] = /^t=(\d{10}),v1=([0-9a-f]{64})$/.exec(headers['stripe-signature']);
    assert.equal(v1, mac(body, 'whsec_connect', t));
    assert.ok(Math.abs(Number(t) - Date.now() / 1000) < 5);
    assert.equal(platform.heard[0].event.account, undefined);
    assert.equal(stripe.books().events.findLast(({ id }) => id === event.id).pending_webhooks, 0);
  });

  test('an API call\'s event names the request and its key; a buyer\'s names none', async () => {
    const made = await session(shop);
    const answer = await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop, key: 'exp-1' });
    await stripe.webhooks.drained();
    assert.deepEqual(connect.heard[0].event.request, { id: answer.headers.get('request-id'), idempotency_key: 'exp-1' });
    const paid = await session(shop);
    await stripe.pay(paid.id);
    assert.deepEqual(connect.heard.at(-1).event.request, { id: null, idempotency_key: null });
  });

  test('not a 2xx: again after growing pauses, and then no more', async () => {
    connect.answer = 500;
    const made = await session(shop);
    await stripe.expire(made.id);
    await stripe.webhooks.drained();
    assert.equal(connect.heard.length, 3, 'three attempts with two pauses');
    assert.deepEqual(stripe.webhooks.deliveries.slice(-3).map(({ status, attempt, type }) => [status, attempt, type]), [1, 2, 3].map((n) => [500, n, 'checkout.session.expired']));
    assert.equal(new Set(connect.heard.map(({ event }) => event.id)).size, 1);
    assert.equal(stripe.books().events.at(-1).pending_webhooks, 1);
  });

  test('redirects and time-outs are failures too', async () => {
    let tries = 0;
    connect.answer = () => [302, null, 200][tries++];
    const made = await session(shop);
    await stripe.expire(made.id);
    await stripe.webhooks.drained();
    assert.deepEqual(stripe.webhooks.deliveries.slice(-3).map(({ status, error }) => [status, error]), [[302, undefined], [0, 'timed out'], [200, undefined]]);
  });

  test('the buyer goes home when the endpoint has taken the event', async () => {
    let taken = false;
    connect.answer = async (event) => {
      if (event.type === 'checkout.session.completed') {
        await new Promise((resolve) => { setTimeout(resolve, 60); });
        taken = true;
      }
      return 200;
    };
    const made = await session(shop);
    assert.equal((await stripe.pay(made.id)).ok, true);
    assert.equal(taken, true);
  });

  test('but does not wait for ever, nor while deliveries are held back', async () => {
    connect.answer = null;
    const made = await session(shop);
    const began = Date.now();
    assert.equal((await stripe.pay(made.id)).ok, true);
    assert.ok(Date.now() - began < 290, 'completedWaitMs, not the endpoint\'s time-out');
    connect.answer = 200;
    await stripe.webhooks.drained();
    stripe.webhooks.pause();
    const held = await session(shop);
    const before_ = connect.heard.length;
    assert.equal((await stripe.pay(held.id)).ok, true);
    assert.equal(connect.heard.length, before_);
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    assert.equal(connect.heard.length, before_ + 4);
  });

  test('lost deliveries stay lost until somebody sends them again', async () => {
    stripe.webhooks.pause();
    const made = await session(shop);
    await stripe.expire(made.id);
    assert.equal(stripe.webhooks.drop(), 1);
    await stripe.webhooks.drained();
    stripe.webhooks.resume();
    assert.equal(connect.heard.length, 0);
    const event = stripe.books().events.at(-1);
    assert.deepEqual(await stripe.send(event.id, { times: 2 }), [200, 200]);
    assert.deepEqual(connect.heard.map((entry) => entry.event.id), [event.id, event.id]);
  });

  test('a test may send what never happened, with any secret', async () => {
    const forged = { ...stripe.books().events.at(-1), account: 'acct_1Evil' };
    await stripe.send(forged, { url: connect.url, secret: 'whsec_guess' });
    const { event, body, headers } = connect.heard[0];
    assert.equal(event.account, 'acct_1Evil');
    const [, t, v1] = /t=(\d+),v1=(\w+)/.exec(headers['stripe-signature']);
    assert.equal(v1, mac(body, 'whsec_guess', t));
  });

  test('the end of a connection is the last thing that is heard of an account', async () => {
    const fresh = await listener();
    const one = await start({ webhooks: [{ url: fresh.url, secret: 'whsec_x', connect: true }] });
    try {
      const account = await one.merchant();
      const made = await one.session(account);
      assert.equal(await one.stripe.deauthorize(account, { livemode: false }), 1);
      assert.equal(await one.stripe.deauthorize(account, { livemode: false }), 0);
      await one.stripe.expire(made.id);
      await one.stripe.updateAccount(account, { charges_enabled: false });
      await one.stripe.webhooks.drained();
      assert.deepEqual(fresh.types(), ['account.application.authorized', 'account.application.deauthorized']);
    } finally {
      await one.stripe.close();
      await fresh.close();
    }
  });

  test('account.updated, live mode, and destination charges reach the right endpoint', async () => {
    await stripe.updateAccount(shop, { charges_enabled: true });
    await stripe.webhooks.drained();
    assert.deepEqual(connect.heard.map(({ event }) => [event.type, event.account, event.data.object.charges_enabled]), [['account.updated', shop, true]]);
    await stripe.updateAccount(shop, { charges_enabled: false, details_submitted: false });
    await stripe.webhooks.drained();
    const { object, previous_attributes: was } = connect.heard.at(-1).event.data;
    assert.deepEqual([object.charges_enabled, object.details_submitted, was.charges_enabled, was.details_submitted, was.capabilities.card_payments, was.email], [false, false, true, true, 'active', undefined]);
    await assert.rejects(stripe.updateAccount(shop, { charges: false }), /charges is none of/);
    await stripe.updateAccount(shop, { charges_enabled: true, details_submitted: true });
    await stripe.webhooks.drained();
    connect.heard.length = 0;
    const made = await session(undefined, { payment_intent_data: { transfer_data: { destination: shop }, on_behalf_of: shop } });
    await stripe.pay(made.id);
    await stripe.refund(made.id, { amount: 100, reverse_transfer: true });
    await stripe.dispute(made.id);
    await stripe.webhooks.drained();
    assert.ok(platform.types().includes('checkout.session.completed'));
    for (const type of ['charge.refunded', 'refund.created', 'charge.dispute.created']) assert.ok(platform.types().includes(type), type);
    assert.ok(platform.heard.every(({ event }) => event.account === undefined));
    assert.equal(connect.heard.length, 0);
  });
});
