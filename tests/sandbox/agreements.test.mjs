// Agreements between sellers and agents, and account sessions: as v2 and the previews have them, with their refusals.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { listener, PREVIEW, start, VERSION } from './support.mjs';

const COLLECTION = '/v2/orchestrated_commerce/agreements';
const EMBEDDED = `${PREVIEW}; embedded_connect_beta=v2`;
const description = new URL('../../../shared/contracts/stripe/stripe-openapi.2026-10-14.preview.strict.json', import.meta.url);

describe('agreements', () => {
  let stripe, call, merchant, shop, thins, snapshots;
  const v2 = (method, path, body, more = {}) => call(method, path, method === 'GET' ? body : JSON.stringify(body ?? {}), { account: shop, version: PREVIEW, headers: { 'Content-Type': 'application/json' }, ...more });
  before(async () => {
    [thins, snapshots] = await Promise.all([listener(), listener()]);
    ({ stripe, call, merchant } = await start());
    stripe.addWebhook({ url: thins.url, secret: 'whsec_thin', connect: true, event_payload: 'thin', events: ['v2.*'] });
    stripe.addWebhook({ url: snapshots.url, secret: 'whsec_all', connect: true });
    shop = await merchant();
    await stripe.webhooks.drained();
  });
  afterEach(async () => {
    await stripe.webhooks.drained();
    thins.heard.length = snapshots.heard.length = 0;
  });
  after(async () => {
    await stripe.close();
    await Promise.all([thins.close(), snapshots.close()]);
  });

  test('from the switch to the end, told by thin events that go to thin endpoints alone', async () => {
    snapshots.heard.length = 0;
    const { id, status, initiated_by: by } = await stripe.enableAgent(shop, { agent: 'Errand' });
    assert.deepEqual([status, by], ['partially_confirmed', 'seller']);
    await stripe.agentAnswers(id, 'confirm');
    const confirmed = (await v2('GET', `${COLLECTION}/${id}`)).body;
    assert.equal(confirmed.status, 'confirmed');
    assert.ok(confirmed.status_transitions.seller_confirmed_at && confirmed.status_transitions.orchestrator_confirmed_at);
    const ended = await v2('POST', `${COLLECTION}/${id}/terminate`);
    assert.deepEqual([ended.status, ended.body.status, ended.body.terminated_by], [200, 'terminated', 'seller']);
    await stripe.webhooks.drained();
    const types = ['created', 'partially_confirmed', 'confirmed', 'terminated'].map((word) => `v2.orchestrated_commerce.agreement.${word}`);
    assert.deepEqual(thins.types().sort(), types.sort());
    assert.deepEqual(snapshots.heard, []);
    for (const { event, body, headers } of thins.heard) {
      const { id: eventId, created, reason, type, ...rest } = event;
      assert.match(eventId, /^evt_/);
      assert.match(created, /^\d{4}-\d\d-\d\dT/);
      assert.deepEqual(rest, { object: 'v2.core.event', context: shop, livemode: false, related_object: { id, type: 'v2.orchestrated_commerce.agreement', url: `${COLLECTION}/${id}` } });
      const t = Number(/t=(\d+)/.exec(headers['stripe-signature'])[1]);
      assert.equal(headers['stripe-signature'], stripe.signature(body, 'whsec_thin', t));
    }
    assert.ok(thins.heard.find(({ event }) => event.type.endsWith('terminated')).event.reason.request.id, 'who asked by API is named');
  });

  test('listed in pages whose addresses lead on', async () => {
    const other = await merchant();
    const made = [];
    for (const agent of ['Errand', 'Compass', 'Lantern']) made.unshift((await stripe.enableAgent(other, { agent })).id);
    const at = { account: other };
    const first = (await v2('GET', COLLECTION, { limit: 2 }, at)).body;
    assert.deepEqual([first.data.map(({ id }) => id), first.previous_page_url], [made.slice(0, 2), null]);
    assert.ok(first.next_page_url.startsWith(`${COLLECTION}?`));
    const second = (await v2('GET', first.next_page_url, undefined, at)).body;
    assert.deepEqual([second.data.map(({ id }) => id), second.next_page_url], [[made[2]], null]);
    assert.deepEqual((await v2('GET', second.previous_page_url, undefined, at)).body.data, first.data);
    assert.equal((await v2('GET', `${COLLECTION}?page=elsewhere`, undefined, at)).status, 400);
    assert.equal((await v2('GET', COLLECTION, { limit: 101 }, at)).status, 400);
    const one = (await v2('GET', COLLECTION, { network_business_profile: first.data[0].orchestrator_details.network_business_profile }, at)).body;
    assert.deepEqual(one.data, [first.data[0]]);
  });

  test('refused: without the preview, another account\'s, twice, after the end, a form for a body', async () => {
    const { id } = await stripe.enableAgent(shop, { agent: 'Compass' });
    const other = await merchant();
    const codes = async (...args) => { const { status, body } = await v2(...args); return [status, body.error?.code]; };
    assert.equal((await v2('GET', `${COLLECTION}/${id}`, undefined, { version: VERSION })).status, 404);
    assert.equal((await v2('GET', `${COLLECTION}/${id}`, undefined, { version: '2025-12-19-17.internal' })).status, 400);
    assert.deepEqual(await codes('GET', `${COLLECTION}/${id}`, undefined, { account: other }), [404, 'resource_missing']);
    assert.deepEqual(await codes('GET', `${COLLECTION}/${id}`, undefined, { livemode: true }), [403, 'account_invalid']);
    assert.deepEqual(await codes('POST', COLLECTION, { orchestrator: 'nobody' }), [400, 'orchestrator_unknown']);
    assert.deepEqual(await codes('POST', COLLECTION, { orchestrator: 'Compass' }), [400, 'agreement_exists']);
    assert.deepEqual(await codes('POST', COLLECTION, { orchestrator: 'Lantern', why: 1 }), [400, 'unknown_field']);
    assert.deepEqual(await codes('POST', COLLECTION, {}), [400, 'missing_field']);
    assert.deepEqual(await codes('POST', COLLECTION, { orchestrator: 1 }), [400, 'invalid_field']);
    assert.deepEqual(await codes('POST', `${COLLECTION}/${id}/confirm`), [400, 'agreement_already_confirmed']);
    assert.equal((await call('POST', `${COLLECTION}/${id}/terminate`, { a: 1 }, { account: shop, version: PREVIEW })).body.error.code, 'unsupported_media_type');
    await stripe.agentAnswers(id, 'terminate');
    for (const word of ['confirm', 'terminate']) assert.deepEqual(await codes('POST', `${COLLECTION}/${id}/${word}`), [400, 'agreement_terminated']);
    assert.equal((await v2('GET', `${COLLECTION}/${id}`)).body.terminated_by, 'orchestrator');
    assert.equal((await v2('POST', COLLECTION, { orchestrator: 'Compass' })).body.status, 'initiated', 'after the end there may be a new one');
  });

  test('the same key is the same work, and a failure is no answer that is kept', async () => {
    const { id } = await stripe.enableAgent(shop, { agent: 'Errand' });
    stripe.misbehave({ on: /terminate$/, how: '500_after', times: 1 });
    assert.equal((await v2('POST', `${COLLECTION}/${id}/terminate`, {}, { key: 'once' })).status, 500);
    const again = await v2('POST', `${COLLECTION}/${id}/terminate`, {}, { key: 'once' });
    assert.deepEqual([again.status, again.body.status, again.headers.get('idempotent-replayed')], [200, 'terminated', 'true']);
  });

  test('they fit Stripe\'s description', { skip: !existsSync(description) && 'Stripe\'s description is not here' }, async () => {
    const { properties } = JSON.parse(readFileSync(description, 'utf8')).components.schemas['v2.orchestrated_commerce.agreement'];
    const { id } = await stripe.enableAgent(await merchant(), { agent: 'Errand' });
    const { object } = stripe.world.record('agreement', id);
    assert.deepEqual(Object.keys(object).sort(), Object.keys(properties).sort());
    for (const [name, { enum: values, properties: inner }] of Object.entries(properties)) {
      if (values && object[name] !== null) assert.ok(values.includes(object[name]), name);
      if (inner) assert.deepEqual(Object.keys(object[name]).sort(), Object.keys(inner).sort(), name);
    }
  });

  test('account sessions: for connected accounts, of the components that are enabled; a secret opens one frame, once', async () => {
    const ask = (params, more) => call('POST', '/v1/account_sessions', params, { version: EMBEDDED, ...more });
    const components = { agentic_commerce_settings: { enabled: true } };
    const made = await ask({ account: shop, components });
    assert.deepEqual([made.status, made.body.object, made.body.account, made.body.livemode], [200, 'account_session', shop, false]);
    const error = async (params, more) => { const { status, body } = await ask(params, more); return [status, body.error.code, body.error.param]; };
    assert.deepEqual(await error({ account: shop, components }, { version: VERSION }), [400, 'parameter_unknown', 'components[agentic_commerce_settings]']);
    assert.deepEqual(await error({ account: shop, components }, { version: PREVIEW }), [400, 'parameter_unknown', 'components[agentic_commerce_settings]']);
    assert.equal((await ask({ account: shop, components }, { version: `${PREVIEW}; embedded_connect_beta=v9` })).status, 400);
    assert.deepEqual((await error({ account: 'acct_1Nobody', components })).slice(0, 2), [403, 'account_invalid']);
    assert.deepEqual((await error({ account: shop, components }, { livemode: true })).slice(0, 2), [403, 'account_invalid']);
    assert.equal((await ask({ account: shop, components: { agentic_commerce_settings: { enabled: false } } })).status, 400);
    const open = (secret, key = 'pk_test_1') => fetch(`${stripe.url}/embedded/agentic-commerce-settings?${new URLSearchParams({ client_secret: secret, key })}`, { redirect: 'manual' });
    assert.equal((await open(made.body.client_secret, 'pk_live_1')).status, 403);
    const frame = await open(made.body.client_secret);
    assert.equal(frame.status, 303);
    assert.equal((await open(made.body.client_secret)).status, 403);
    const page = await fetch(new URL(frame.headers.get('location'), stripe.url));
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy'), /frame-ancestors http: https:/);
    stripe.advance(31 * 60);
    assert.equal((await fetch(new URL(frame.headers.get('location'), stripe.url))).status, 403);
  });
});
