// Contract, *Conventions*, "Rate limits": counted by the platform's own binding, which workerd brings along.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { addAgent } from '../support/agent.mjs';
import { chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const UNKNOWN = `cct_${'0'.repeat(26)}`;
let stripe, w, api, shop;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w);
  await connectShop(w, stripe, shop);
});
beforeEach(() => w.restart({ RATE_LIMITS: 'on' }));
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

/** Sends `count` requests, some at a time. -> how many answers of each status */
async function flood(count, send) {
  const statuses = {};
  for (let sent = 0; sent < count; sent += 30) {
    const answers = await Promise.all(Array.from({ length: Math.min(30, count - sent) }, (_, i) => send(sent + i)));
    for (const answer of answers) {
      await answer.text?.();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    }
  }
  return statuses;
}
let address = 0;
/** The counters begin anew with each minute of the clock: what was cut in two by that is done once more, from an address of its own. */
async function inOneMinute(work) {
  const minute = () => Math.floor(Date.now() / 60_000);
  for (;;) {
    const began = minute();
    address += 1;
    const result = await work(`203.0.113.${address}`);
    if (minute() === began) return result;
  }
}
const from = (address) => ({ 'CF-Connecting-IP': address });
const visit = (path, address, init = {}) => w.fetch(path, { ...init, headers: { ...from(address), ...init.headers } });

describe('what needs no key: 60 a minute for each address', () => {
  test('then a page with 429 and Retry-After, for a buyer and a merchant', async () => {
    const places = [['GET', `/checkout/complete/${UNKNOWN}?session_id=cs_test_1`], ['GET', '/checkout/complete?session_id=cs_test_1'],
      ['GET', '/connect/no-such-ticket'], ['POST', '/connect/no-such-ticket'], ['GET', '/connect/callback?state=x&code=y'], ['GET', '/'],
      ['GET', '/healthz'], ['GET', '/openapi.json']];
    const { statuses, answers, elsewhere } = await inOneMinute(async (address) => ({
      statuses: await flood(70, () => visit(`/checkout/cancel/${UNKNOWN}`, address)),
      answers: await Promise.all(places.map(([method, path]) => api(method, path, { headers: from(address) }))),
      elsewhere: await visit('/healthz', '198.51.100.1'),
    }));
    assert.deepEqual(statuses, { 404: 60, 429: 10 });
    for (const [at, answer] of answers.entries()) {
      assert.equal(answer.status, 429, places[at].join(' '));
      assert.equal(answer.headers.get('retry-after'), '60');
      if (at >= 6) {
        refused(answer, 429, 'rate_limited');
        continue;
      }
      assert.match(answer.headers.get('content-type'), /^text\/html/);
      assert.match(answer.text, /Too many requests/);
      assert.match(answer.text, new RegExp(answer.headers.get('request-id')));
    }
    assert.equal(elsewhere.status, 200, 'another address is another caller');
  });

  test('an IPv6 line counts as one, however many addresses it has', async () => {
    const { statuses, next } = await inOneMinute(async (address) => {
      const line = `2001:db8:0:${address.split('.').at(-1)}`;
      return { statuses: await flood(66, (i) => visit('/healthz', `${line}:${i.toString(16)}::${i}`)), next: await visit('/healthz', '2001:db8:1:1::1') };
    });
    assert.deepEqual(statuses, { 200: 60, 429: 6 });
    assert.equal(next.status, 200);
  });

  test('keys that open nothing are counted too, so that nobody tries them one after the other', async () => {
    const { statuses, last, good, operator } = await inOneMinute(async (address) => {
      const guess = (i) => visit(i % 2 ? '/v1/shop' : '/v1/admin/metrics', address, { headers: { authorization: `Bearer ccs_${'x'.repeat(40)}${i}` } });
      return {
        statuses: await flood(66, guess),
        last: await api('GET', '/v1/shop', { key: 'ccs_wrong', headers: from(address) }),
        good: await api('GET', '/v1/shop', { key: shop.key, headers: from(address) }),
        operator: await api('GET', '/v1/admin/shops', { key: w.vars.ADMIN_KEY, headers: from(address) }),
      };
    });
    assert.deepEqual(statuses, { 401: 60, 429: 6 });
    refused(last, 429, 'rate_limited');
    fine(good);
    fine(operator);
  });
});

test('the buyer’s page: guesses count by who guesses, and by the order that is guessed at', async () => {
  const guess = (id, address) => visit(`/orders/${id}`, address, { method: 'POST', body: new URLSearchParams({ email: 'eve@elsewhere.example' }) });
  const order = `ord_${'1'.repeat(26)}`;
  const { one, many, elsewhere } = await inOneMinute(async (address) => {
    const [at] = address.split('.').slice(-1);
    return {
      one: await flood(66, (i) => guess(`ord_${String(i).padStart(26, '0')}`, address)),
      many: await flood(66, (i) => guess(`${order}${at}`, `198.18.${at}.${i}`)),
      elsewhere: await guess(`ord_${'2'.repeat(26)}`, `198.18.${at}.200`),
    };
  });
  assert.deepEqual([one, many], [{ 404: 60, 429: 6 }, { 404: 60, 429: 6 }]);
  assert.equal(elsewhere.status, 404);
});

test('with an agent’s key: counted for each agent, and neither the shop nor another agent waits for it', async () => {
  const { statuses, other, own, tools } = await inOneMinute(async (address) => {
    await w.restart({ RATE_LIMITS: 'off' });
    const [busy, quiet] = [await addAgent(w, shop), await addAgent(w, shop)];
    await w.restart({ RATE_LIMITS: 'on' });
    const look = (agent) => visit(`/checkout_sessions/checkout_${'0'.repeat(26)}`, address, { headers: { authorization: `Bearer ${agent.api_key}`, 'api-version': '2026-04-17' } });
    const call = (id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'get_checkout_session', arguments: { meta: { api_version: '2026-04-17' }, id: 'checkout_x' } } });
    const use = (agent, body) => visit('/mcp', address, { method: 'POST', headers: { authorization: `Bearer ${agent.api_key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return {
      // 580, then a list of 19 calls, each of which counts as much as it would by itself, and the list too.
      statuses: [await flood(580, () => look(busy)), (await use(busy, Array.from({ length: 19 }, (_, id) => call(id)))).status, await flood(10, () => look(busy))],
      tools: await Promise.all([call(1), [call(1)], { jsonrpc: '2.0', id: 1, method: 'ping' }].map(async (body) => {
        const answer = await use(busy, body);
        return [answer.status, answer.headers.get('retry-after'), (await answer.json()).error?.data.code];
      })),
      other: (await look(quiet)).status, own: (await api('GET', '/v1/orders', { key: shop.key })).status,
    };
  });
  assert.deepEqual(tools, Array(3).fill([429, '60', 'rate_limited']), 'as tools, too');
  assert.deepEqual(statuses, [{ 404: 580 }, 200, { 429: 10 }]);
  assert.deepEqual([other, own], [404, 200]);
});

test('registration: 10 a minute for each address', async () => {
  const { statuses, answer, health, elsewhere } = await inOneMinute(async (address) => ({
    statuses: await flood(14, () => visit('/v1/shops', address, { method: 'POST' })),
    answer: await api('POST', '/v1/shops', { body: {}, headers: from(address) }),
    health: await visit('/healthz', address),
    elsewhere: await visit('/v1/shops', '198.51.100.2', { method: 'POST' }),
  }));
  assert.deepEqual(statuses, { 400: 10, 429: 4 });
  refused(answer, 429, 'rate_limited');
  assert.equal(answer.headers.get('retry-after'), '60');
  assert.equal(health.status, 200, 'by a counter of its own');
  assert.equal(elsewhere.status, 400);
});

test('with a key: 600 a minute for each shop, and a rolled key does not begin anew', async (t) => {
  const { statuses, answer, neighbour } = await inOneMinute(async (address) => {
    await w.restart({ RATE_LIMITS: 'off' });
    const busy = await registerShop(w);
    t.after(() => busy.close());
    const { api_key: rolled } = fine(await api('POST', '/v1/shop/api_keys', { key: busy.key }), 201);
    await w.restart({ RATE_LIMITS: 'on' });
    return {
      statuses: await flood(620, (i) => visit('/v1/shop', address, { headers: { authorization: `Bearer ${i % 2 ? busy.key : rolled}` } })),
      answer: await api('POST', '/v1/checkout/sessions', { key: rolled, idempotencyKey: 'limited', body: chatBody(busy) }),
      neighbour: await api('GET', '/v1/shop', { key: shop.key }),
    };
  });
  assert.deepEqual(statuses, { 200: 600, 429: 20 });
  refused(answer, 429, 'rate_limited');
  assert.equal(answer.headers.get('retry-after'), '60');
  fine(neighbour);
});

test('Stripe’s events are never limited', async () => {
  const body = JSON.stringify({ id: 'evt_1', type: 'account.updated', livemode: false, created: 1, data: { object: {} } });
  const send = () => visit('/stripe/webhooks', '198.51.100.3', { method: 'POST', body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } });
  assert.deepEqual(await flood(150, send), { 200: 150 });
});

test('a limit costs no round trip to D1', async () => {
  const session = await createSession(w, shop, chatBody(shop), 'cost');
  const { d1 } = await w.logLine((line) => line.event === 'request' && line.route === 'createCheckoutSession' && line.status === 201);
  assert.equal(d1, 3);
  assert.ok(session.id);
});

test('RATE_LIMITS=off is for a machine of one’s own', async () => {
  await w.restart({ RATE_LIMITS: 'off' });
  assert.deepEqual(await flood(70, () => visit('/healthz', '198.51.100.4')), { 200: 70 });
});

test('a Worker without the bindings says so once, and limits nobody', async (t) => {
  const bare = await startWorker({ vars: { RATE_LIMITS: 'on' }, without: ['ratelimits'] });
  t.after(() => bare.close());
  for (let i = 0; i < 65; i += 1) assert.equal((await bare.fetch('/healthz')).status, 200);
  const lines = bare.logs().lines.filter(({ event }) => event === 'rate_limit_missing');
  assert.equal(lines.length, 1);
});
