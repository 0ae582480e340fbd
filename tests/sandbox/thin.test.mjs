// Thin v2 events: what they show, who gets them, and how a test sends one that lies.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { listener, start } from './support.mjs';

const description = new URL('../../../shared/contracts/stripe/stripe-openapi.2026-10-28.endive.strict.json', import.meta.url);

describe('Thin events', () => {
  let stripe, call, merchant, session, shop, snapshots, thins, platform;
  before(async () => {
    [snapshots, thins, platform] = await Promise.all([listener(), listener(), listener()]);
    ({ stripe, call, merchant, session } = await start({ webhooks: [{ url: snapshots.url, secret: 'whsec_snapshot', connect: true }] }));
    stripe.addWebhook({ url: thins.url, secret: 'whsec_thin', connect: true, event_payload: 'thin' });
    stripe.addWebhook({ url: platform.url, secret: 'whsec_platform', thin: true, events: ['v1.checkout.session.completed'] });
    shop = await merchant();
    await stripe.webhooks.drained();
  });
  afterEach(async () => {
    await stripe.webhooks.drained();
    for (const each of [snapshots, thins, platform]) each.heard.length = 0;
  });
  after(async () => {
    await stripe.close();
    await Promise.all([snapshots, thins, platform].map((each) => each.close()));
  });

  const paid = async (account = shop, more = {}) => {
    const made = await session(account, more);
    await stripe.pay(made.id);
    await stripe.webhooks.drained();
    return made;
  };
  const signed = ({ body, headers }, secret) => {
    const t = /t=(\d+)/.exec(headers['stripe-signature'])[1];
    return headers['stripe-signature'] === stripe.signature(body, secret, Number(t));
  };

  test('each endpoint gets its own kind, signed with its own secret', async () => {
    const made = await paid();
    const [snapshot] = snapshots.heard.filter(({ event }) => event.type === 'checkout.session.completed');
    const [light] = thins.heard.filter(({ event }) => event.type === 'v1.checkout.session.completed');
    const { created, ...rest } = light.event;
    assert.deepEqual(rest, {
      id: snapshot.event.id, object: 'v2.core.event', type: 'v1.checkout.session.completed', livemode: false, context: shop,
      related_object: { id: made.id, type: 'checkout.session', url: `/v1/checkout/sessions/${made.id}` },
    });
    assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.equal(Math.floor(Date.parse(created) / 1000), snapshot.event.created);
    assert.ok(signed(light, 'whsec_thin') && signed(snapshot, 'whsec_snapshot'));
    assert.equal((await call('GET', light.event.related_object.url, {}, { account: light.event.context })).body.payment_status, 'paid', 'what it names can be fetched');
  });

  test('every object that events are about has an address that answers; an application has none', async () => {
    const made = await paid(shop, { payment_intent_data: { application_fee_amount: 10 } });
    await stripe.refund(made.id, { amount: 100 });
    await stripe.dispute(made.id);
    await stripe.updateAccount(shop, { charges_enabled: true });
    const gone = await merchant();
    await stripe.deauthorize(gone, { livemode: false });
    await stripe.webhooks.drained();
    const kinds = new Set();
    for (const { event: { type, context, related_object: related } } of thins.heard) {
      if (/account\.application/.test(type)) {
        assert.equal(related, undefined, type);
        continue;
      }
      kinds.add(related.type);
      const { status, body } = await call('GET', related.url, {}, { account: context });
      assert.deepEqual([status, body.id, body.object], [200, related.id, related.type], type);
    }
    assert.deepEqual([...kinds].sort(), ['account', 'charge', 'checkout.session', 'dispute', 'payment_intent', 'refund']);
    assert.ok(thins.types().includes('v1.account.application.deauthorized'));
  });

  test('the platform\'s own events have no context; events may be chosen by their thin names', async () => {
    await paid(null, { payment_intent_data: { on_behalf_of: shop, transfer_data: { destination: shop } } });
    assert.deepEqual(platform.types(), ['v1.checkout.session.completed']);
    assert.equal(platform.heard[0].event.context, undefined);
    assert.equal(thins.heard.length, 0);
  });

  test('a call\'s event names the request', async () => {
    const made = await session(shop);
    const { headers } = await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop, key: 'k-1' });
    await stripe.webhooks.drained();
    assert.deepEqual(thins.heard.at(-1).event.reason, { type: 'request', request: { id: headers.get('request-id'), idempotency_key: 'k-1' } });
  });

  test('a test sends one that lies about its object, to an address or to whoever hears thin events', async () => {
    const made = await paid();
    const { id } = stripe.books().events.findLast(({ type }) => type === 'checkout.session.completed');
    snapshots.heard.length = thins.heard.length = 0;
    const hostile = stripe.thin(id, { related_object: { url: 'https://elsewhere.example/v1/checkout/sessions/cs_1' } });
    assert.deepEqual(hostile.related_object, { id: made.id, type: 'checkout.session', url: 'https://elsewhere.example/v1/checkout/sessions/cs_1' });
    assert.deepEqual(await stripe.send(hostile, { times: 2 }), [200, 200]);
    assert.deepEqual([snapshots.heard.length, thins.heard.length], [0, 2]);
    assert.deepEqual(thins.heard[0].event, hostile, 'sent as it is');
    assert.ok(signed(thins.heard[0], 'whsec_thin'));
    await stripe.send(stripe.thin(id, { context: 'acct_1Evil', related_object: undefined }), { url: snapshots.url, secret: 'whsec_guess' });
    assert.deepEqual([snapshots.heard[0].event.context, 'related_object' in snapshots.heard[0].event], ['acct_1Evil', false]);
    assert.ok(signed(snapshots.heard[0], 'whsec_guess'));
    await stripe.send(id, { url: snapshots.url, secret: 'whsec_snapshot', thin: true });
    assert.equal(snapshots.heard.at(-1).event.object, 'v2.core.event');
    assert.throws(() => stripe.thin('evt_none'), /there is no event/);
  });

  test('it fits Stripe\'s description', { skip: !existsSync(description) && 'Stripe\'s description is not here' }, async () => {
    const { properties, required } = JSON.parse(readFileSync(description, 'utf8')).components.schemas['v2.core.event'];
    await paid();
    for (const { event } of thins.heard) {
      for (const name of required) assert.ok(name in event, name);
      for (const name of Object.keys(event)) assert.ok(name in properties, name);
      assert.deepEqual(Object.keys(event.related_object).sort(), Object.keys(properties.related_object.properties).sort());
    }
  });
});
