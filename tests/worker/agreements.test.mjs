// Contract, *Stripe's agentic commerce*: agreements listed, fetched, confirmed, terminated, and kept in step by four thin events.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { connectShop, registerAnew, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
});
after(async () => { await w.close(); await stripe.close(); });
beforeEach(async () => {
  stripe.clearMisbehaviour();
  stripe.webhooks.resume();
  await stripe.webhooks.drained();
});

const AGENTS = ['Errand', 'Compass', 'Lantern'];
async function shopOf(t, { connect = true, ...more } = {}) {
  const shop = await registerShop(w);
  t.after(() => shop.close());
  if (connect) shop.account = (await connectShop(w, stripe, shop, more)).account;
  return shop;
}
const list = (shop, query = '') => api('GET', `/v1/agentic/agreements${query}`, { key: shop.key });
const get = (shop, id, query = '') => api('GET', `/v1/agentic/agreements/${id}${query}`, { key: shop.key });
const act = (shop, id, what, body = {}) => api('POST', `/v1/agentic/agreements/${id}/${what}`, { key: shop.key, body });
const notices = async (shop) => fine(await api('GET', '/v1/events?limit=100', { key: shop.key })).data.filter(({ type }) => type.startsWith('agreement.')).reverse();
const asked = (route) => stripe.requests.filter((request) => request.route === route);
const RETRIEVE = 'GET /v2/orchestrated_commerce/agreements/{id}';
const stored = async (id) => (await w.d1('SELECT rank, object FROM agreements WHERE id = ?', id)).map(({ object }) => JSON.parse(object).status);
const eventsOf = (id) => stripe.books().events.filter((event) => event.related_object?.id === id);
const agentic = (shop, at = 1) => w.d1('INSERT INTO agentic (shop_id, livemode, account, enabled, rules, created, updated) VALUES (?, 0, ?, 1, ?, ?, ?)', shop.id, shop.account, '{}', at, at);

describe('by API', () => {
  test('listed newest first and page by page, fetched, as Stripe has them', async (t) => {
    const shop = await shopOf(t);
    assert.deepEqual(fine(await list(shop)), { object: 'list', data: [], has_more: false, url: '/v1/agentic/agreements' });
    const made = [];
    for (const agent of AGENTS) {
      made.unshift(await stripe.enableAgent(shop.account, { agent }));
      stripe.advance(1);
    }
    const all = fine(await list(shop));
    assert.deepEqual(all.data, made, 'Stripe\'s objects as they are');
    const call = asked('GET /v2/orchestrated_commerce/agreements').at(-1);
    assert.deepEqual([call.account, call.headers['stripe-version'], call.params.limit], [shop.account, '2026-10-14.preview', '100']);
    assert.notEqual(call.headers['stripe-version'], '2025-12-19-17.internal');
    const first = fine(await list(shop, '?limit=2'));
    assert.deepEqual([first.data.map(({ id }) => id), first.has_more], [made.slice(0, 2).map(({ id }) => id), true]);
    const before = asked('GET /v2/orchestrated_commerce/agreements').length;
    const rest = fine(await list(shop, `?limit=2&starting_after=${first.data[1].id}`));
    assert.deepEqual([rest.data, rest.has_more], [[made[2]], false]);
    const back = fine(await list(shop, `?limit=1&ending_before=${made[2].id}`));
    assert.deepEqual([back.data, back.has_more], [[made[1]], true]);
    assert.equal(asked('GET /v2/orchestrated_commerce/agreements').length, before, 'further pages are of the same list');
    refused(await list(shop, '?starting_after=agmt_none'), 422, 'resource_missing', 'starting_after');
    refused(await list(shop, '?limit=0'), 422, 'parameter_invalid_integer', 'limit');
    assert.deepEqual(fine(await get(shop, made[0].id)), made[0]);
  });

  test('more than Stripe gives at once', async (t) => {
    const shop = await shopOf(t);
    stripe.webhooks.pause();
    for (let i = 0; i < 110; i += 1) {
      const { id } = await stripe.enableAgent(shop.account, { agent: 'Errand' });
      await stripe.agentAnswers(id, 'terminate');
    }
    stripe.webhooks.drop();
    const page = fine(await list(shop, '?limit=100'));
    assert.deepEqual([page.data.length, page.has_more], [100, true]);
    assert.equal(fine(await list(shop, `?limit=100&starting_after=${page.data.at(-1).id}`)).data.length, 10);
  });

  test('confirmed and terminated in the seller\'s name', async (t) => {
    const shop = await shopOf(t);
    const record = stripe.world.add('agreement', { ...(await stripe.enableAgent(shop.account)), id: 'agmt_test_byagent', status: 'initiated', initiated_by: 'orchestrator', status_transitions: { orchestrator_confirmed_at: null, seller_confirmed_at: null, terminated_at: null } }, { owner: shop.account, livemode: false });
    const { id } = record.object;
    const confirmed = fine(await act(shop, id, 'confirm'));
    assert.equal(confirmed.status, 'partially_confirmed');
    assert.ok(confirmed.status_transitions.seller_confirmed_at);
    const call = asked('POST /v2/orchestrated_commerce/agreements/{id}/confirm').at(-1);
    assert.deepEqual([call.account, call.params, call.headers['stripe-version'], call.headers['content-type']], [shop.account, {}, '2026-10-14.preview', 'application/json']);
    assert.ok(call.headers['idempotency-key']);
    assert.deepEqual(fine(await act(shop, id, 'confirm')), confirmed, 'sent again: it is so already');
    const ended = fine(await act(shop, id, 'terminate'));
    assert.deepEqual([ended.status, ended.terminated_by], ['terminated', 'seller']);
    assert.deepEqual(fine(await act(shop, id, 'terminate')), ended);
    const error = refused(await act(shop, id, 'confirm'), 422, 'stripe_refused');
    assert.equal(error.stripe_code, 'agreement_terminated');
    assert.deepEqual(fine(await get(shop, id)), ended);
  });

  test('a lost answer may be asked for again', async (t) => {
    const shop = await shopOf(t);
    for (const how of ['drop_after', '500_after', 'drop_before', '500', '429']) {
      const { id } = await stripe.enableAgent(shop.account, { agent: 'Errand' });
      stripe.misbehave({ on: 'POST /v2/orchestrated_commerce/agreements/{id}/terminate', how, times: 1 });
      refused(await act(shop, id, 'terminate'), 503, 'stripe_unavailable');
      assert.equal(fine(await act(shop, id, 'terminate')).status, 'terminated', how);
    }
  });

  test('Stripe away: the copy', async (t) => {
    const shop = await shopOf(t);
    const agreement = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    for (const how of ['500', '429', 'drop_before']) {
      stripe.misbehave({ how, times: 2 });
      assert.deepEqual(fine(await list(shop)).data, [agreement], how);
      assert.deepEqual(fine(await get(shop, agreement.id)), agreement, how);
      stripe.clearMisbehaviour();
    }
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 1 });
    refused(await get(shop, 'agmt_never_seen'), 503, 'stripe_unavailable');
  });

  test('refusals', async (t) => {
    const [shop, other, unconnected] = [await shopOf(t), await shopOf(t), await shopOf(t, { connect: false })];
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    for (const ask of [() => get(other, id), () => act(other, id, 'confirm'), () => act(other, id, 'terminate'), () => get(shop, 'agmt_none'), () => act(shop, 'agmt_none', 'terminate')]) {
      refused(await ask(), 404, 'resource_missing');
    }
    refused(await list(other, `?starting_after=${id}`), 422, 'resource_missing', 'starting_after');
    assert.equal(stripe.world.record('agreement', id).object.status, 'partially_confirmed');
    for (const ask of [() => list(unconnected), () => get(unconnected, id), () => act(unconnected, id, 'confirm'), () => list(shop, '?mode=live'), () => act(shop, id, 'confirm', { mode: 'live' })]) {
      refused(await ask(), 409, 'not_connected');
    }
    refused(await list(shop, '?mode=x'), 422, 'parameter_invalid', 'mode');
    refused(await act(shop, id, 'confirm', { why: 1 }), 400, 'parameter_unknown', 'why');
    refused(await w.api('POST', `/v1/agentic/agreements/${id}/pause`, { key: shop.key }), 404, 'route_unknown');
    stripe.world.connections.delete(`${shop.account} test`);
    refused(await list(shop), 409, 'connection_gone');
  });

  test('one shop has the agentic side of an account', async (t) => {
    const first = await shopOf(t);
    const second = await shopOf(t, { account: first.account });
    const { id } = await stripe.enableAgent(first.account);
    await stripe.webhooks.drained();
    assert.equal((await notices(first)).length, 2);
    assert.equal((await notices(second)).length, 2, 'as long as nobody has it, both are told');
    await agentic(first);
    for (const ask of [() => list(second), () => get(second, id), () => act(second, id, 'terminate')]) refused(await ask(), 409, 'account_shared');
    await stripe.agentAnswers(id, 'confirm');
    await stripe.webhooks.drained();
    assert.equal((await notices(first)).length, 3);
    assert.equal((await notices(second)).length, 2);
  });

  test('a site that is registered anew has them, and is told of them', async (t) => {
    const old = await shopOf(t);
    await agentic(old);
    const renewed = await registerAnew(w, old);
    await connectShop(w, stripe, renewed, { account: old.account });
    const { id } = await stripe.enableAgent(old.account);
    await stripe.webhooks.drained();
    assert.deepEqual((await notices(renewed)).map(({ type }) => type).sort(), ['agreement.created', 'agreement.partially_confirmed']);
    assert.equal(fine(await get(renewed, id)).id, id);
  });
});

describe('by events', () => {
  test('all four: the copy moves on and the shop is told, each once', async (t) => {
    const shop = await registerShop(w);
    t.after(() => shop.close());
    const told = [];
    shop.webhook = (seen, response) => { told.push(JSON.parse(seen.body)); response.writeHead(200).end(); };
    fine(await api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } }));
    shop.account = (await connectShop(w, stripe, shop)).account;
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    assert.deepEqual(await stored(id), ['partially_confirmed']);
    await stripe.agentAnswers(id, 'confirm');
    await stripe.webhooks.drained();
    assert.deepEqual(await stored(id), ['confirmed']);
    await stripe.agentAnswers(id, 'terminate');
    await stripe.webhooks.drained();
    assert.deepEqual(await stored(id), ['terminated']);
    assert.equal(eventsOf(id).length, 4);
    const seen = await notices(shop);
    assert.deepEqual(seen.map(({ type }) => type).sort(), ['agreement.confirmed', 'agreement.created', 'agreement.partially_confirmed', 'agreement.terminated']);
    for (const { data } of seen) assert.deepEqual([data.object.object, data.object.id], ['v2.orchestrated_commerce.agreement', id]);
    assert.equal(seen.find(({ type }) => type === 'agreement.terminated').data.object.terminated_by, 'orchestrator');
    await eventually(() => told.filter(({ type }) => type.startsWith('agreement.')).length === 4, 'the notices are sent');
    const calls = asked(RETRIEVE).filter(({ path }) => path.endsWith(id));
    assert.equal(calls.length, 4, 'one fetch each');
    for (const call of calls) assert.deepEqual([call.account, call.headers['stripe-version']], [shop.account, '2026-10-14.preview']);
  });

  test('twice, shuffled, late: nothing moves back, and nobody is told twice', async (t) => {
    for (const seed of [1, 2, 3, 4]) {
      const shop = await shopOf(t);
      stripe.webhooks.pause();
      const { id } = await stripe.enableAgent(shop.account);
      await stripe.agentAnswers(id, 'confirm');
      await stripe.agentAnswers(id, 'terminate');
      const answers = await stripe.webhooks.deliver({ order: 'shuffled', copies: 2, seed });
      assert.ok(answers.every(({ status }) => status === 200), JSON.stringify(answers));
      assert.deepEqual(await stored(id), ['terminated']);
      const seen = await notices(shop);
      assert.equal(seen.length, 4);
      assert.ok(seen.every(({ data }) => data.object.status === 'terminated'), 'each shows how it is');
    }
  });

  test('an answer that was under way when the next news came does not move it back', async (t) => {
    const shop = await shopOf(t);
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    stripe.misbehave({ on: RETRIEVE, how: 'hold_after', times: 1 });
    const slow = get(shop, id);
    await stripe.holding(1);
    await stripe.agentAnswers(id, 'confirm');
    await stripe.webhooks.drained();
    assert.deepEqual(await stored(id), ['confirmed']);
    await stripe.release();
    assert.equal(fine(await slow).status, 'confirmed', 'what counts is answered, not what was on its way');
    assert.deepEqual(await stored(id), ['confirmed']);
  });

  test('Stripe away: not acknowledged, and taken when it comes again', async (t) => {
    const shop = await shopOf(t);
    stripe.misbehave({ on: RETRIEVE, how: '500', times: 2 });
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    assert.deepEqual(await stored(id), ['partially_confirmed']);
    assert.equal((await notices(shop)).length, 2);
    const failed = stripe.webhooks.deliveries.filter(({ event, status }) => event.related_object?.id === id && status === 503);
    assert.equal(failed.length, 2);
  });

  test('a database that fails in between: nothing is lost and nothing doubled', async (t) => {
    const itsOwn = await startStripe({ retryPauses: [20, 20, 20] });
    const own = await startWorker({ stripe: itsOwn, faults: true });
    const shop = await registerShop(own);
    t.after(async () => { await shop.close(); await own.close(); await itsOwn.close(); });
    const { account } = await connectShop(own, itsOwn, shop);
    for (const how of ['fail', 'lose']) {
      await own.fault([{ on: 'DB.batch', nth: 2, how }]);
      const { id } = await itsOwn.enableAgent(account, { agent: 'Errand' });
      await itsOwn.webhooks.drained();
      await own.fault();
      const rows = await own.d1("SELECT type FROM notices WHERE type LIKE 'agreement.%' AND json_extract(object, '$.id') = ? ORDER BY type", id);
      assert.deepEqual(rows.map(({ type }) => type), ['agreement.created', 'agreement.partially_confirmed'], how);
      await itsOwn.agentAnswers(id, 'terminate');
      await itsOwn.webhooks.drained();
    }
  });

  test('what is not ours leaves no trace, and what lies tells nobody', async (t) => {
    const shop = await shopOf(t);
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    const [event] = eventsOf(id);
    const outcome = async (members) => {
      const eventId = `evt_1${Math.random().toString(36).slice(2, 14)}`;
      assert.deepEqual(await stripe.send({ ...event, ...members, id: eventId }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }), [200]);
      return (await w.logLine((line) => line.event === 'stripe_event' && line.id === eventId)).outcome;
    };
    const type = (word) => `v2.orchestrated_commerce.agreement.${word}`;
    const stranger = await shopOf(t);
    assert.equal(await outcome({ context: stranger.account }), 'not_ours', 'another account\'s');
    assert.equal(await outcome({ context: 'acct_1Nobody' }), 'not_ours');
    assert.equal(await outcome({ context: undefined }), 'not_ours');
    assert.equal(await outcome({ context: '../acct' }), 'not_handled');
    assert.equal(await outcome({ livemode: true }), 'not_ours');
    assert.equal(await outcome({ related_object: undefined }), 'not_ours');
    assert.equal(await outcome({ related_object: { ...event.related_object, id: '../../../v1/account' } }), 'not_ours');
    assert.equal(await outcome({ related_object: { ...event.related_object, id: 'agmt_none' } }), 'not_ours');
    assert.equal(await outcome({ type: type('paused') }), 'not_handled');
    // The address is never used.
    assert.equal(await outcome({ related_object: { ...event.related_object, url: 'https://elsewhere.example/' } }), 'agreement_told');
    // It says more than Stripe knows.
    assert.equal(await outcome({ type: type('terminated') }), 'nothing_new');
    assert.deepEqual((await notices(shop)).map(({ type: kind }) => kind).sort(), ['agreement.created', 'agreement.partially_confirmed']);
    assert.deepEqual(await notices(stranger), []);
    assert.deepEqual(await stored(id), ['partially_confirmed']);
  });

  test('a snapshot of that name is no event of ours', async (t) => {
    const shop = await shopOf(t);
    const { id } = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    const [event] = eventsOf(id);
    const before = asked(RETRIEVE).length;
    assert.deepEqual(await stripe.send({ ...event, object: 'event', account: shop.account, created: 1, data: { object: { id } }, id: 'evt_1snapshot' }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }), [200]);
    assert.equal(asked(RETRIEVE).length, before);
  });
});

describe('the shop\'s own', () => {
  test('exported, and gone when the shop goes; another account\'s are not shown', async (t) => {
    const shop = await shopOf(t);
    const agreement = await stripe.enableAgent(shop.account);
    await stripe.webhooks.drained();
    const exported = JSON.parse((await api('GET', '/v1/shop/export', { key: shop.key })).text);
    assert.deepEqual(exported.agreements, [agreement]);
    await connectShop(w, stripe, shop, { replace: true });
    assert.deepEqual(fine(await list(shop)).data, []);
    refused(await get(shop, agreement.id), 404, 'resource_missing');
    fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    assert.deepEqual(await w.d1('SELECT * FROM agreements WHERE shop_id = ?', shop.id), []);
  });
});
