// Contract, *ACP* and "Live quotes": what is not told by the conformance suite: signed requests, the shop's own price, who is let in,
// what is kept and never echoed.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, agentShop, BUYER, payBody, speaker } from '../support/agent.mjs';
import { eventually } from '../support/answers.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, s;
/** How the shop answers when it is asked for a price. */
let quote;
const questions = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [10] });
  w = await startWorker({ stripe });
  s = await agentShop(w, stripe, {
    shop: {
      webhook: (request, response) => {
        if (request.url !== '/quote') return response.writeHead(204).end();
        questions.push(request);
        return quote(JSON.parse(request.body), response);
      },
    },
  });
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await s?.shop.close();
});

const WANTED = { line_items: [{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }], currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } };
const create = (body = WANTED, options) => s.call('POST', '/checkout_sessions', body, options);
const totalOf = (body, type = 'total') => body.totals.find((total) => total.type === type).amount;
const codesOf = (body) => body.messages.map(({ code }) => code).filter(Boolean);

describe('Signature', () => {
  const key = () => Buffer.from(s.agent.signing_secret.slice('whsec_'.length), 'base64');
  const signed = (body, timestamp, encoding = 'base64url', secret = key()) => ({ signature: createHmac('sha256', secret).update(`${timestamp}.${body}`).digest(encoding), timestamp });
  const seconds = () => String(Math.floor(Date.now() / 1000));
  const send = (body, headers) => w.api('POST', '/checkout_sessions', { key: s.agent.api_key, idempotencyKey: randomUUID(), body, headers: { 'api-version': '2026-04-17', ...headers } });
  const body = JSON.stringify(WANTED);

  test('base64url, base64 or hex, over Unix seconds or RFC 3339', async () => {
    for (const encoding of ['base64url', 'base64', 'hex']) {
      for (const timestamp of [seconds(), new Date().toISOString()]) {
        const answer = await send(body, signed(body, timestamp, encoding));
        assert.equal(answer.status, 201, `${encoding} ${timestamp}: ${answer.text}`);
      }
    }
  });

  for (const [what, headers] of [
    ['another secret', () => signed(body, seconds(), 'hex', Buffer.alloc(32))],
    ['another body', () => signed(`${body} `, seconds())],
    ['another time', () => ({ ...signed(body, seconds()), timestamp: String(Number(seconds()) + 1) })],
    ['an old time', () => signed(body, String(Number(seconds()) - 400))],
    ['a time to come', () => signed(body, String(Number(seconds()) + 400))],
    ['no time', () => ({ signature: signed(body, '').signature })],
    ['no signature at all in it', () => ({ signature: 'x', timestamp: seconds() })],
  ]) {
    test(`with ${what}: 401, and nothing is made`, async () => {
      const before = await w.d1('SELECT count(*) AS n FROM acp_sessions');
      const answer = await send(body, headers());
      assert.deepEqual([answer.status, answer.body.code, answer.body.type], [401, 'signature_invalid', 'invalid_request']);
      assert.deepEqual(await w.d1('SELECT count(*) AS n FROM acp_sessions'), before);
    });
  }

  test('while the secret is rolled, with the old one too', async () => {
    const old = key();
    const rolled = await w.api('POST', `/v1/agents/${s.agent.id}/signing_secrets`, { key: s.shop.key });
    assert.equal(rolled.status, 201, rolled.text);
    const fresh = Buffer.from(rolled.body.signing_secret.slice('whsec_'.length), 'base64');
    for (const secret of [old, fresh]) assert.equal((await send(body, signed(body, seconds(), 'hex', secret))).status, 201);
  });
});

describe('a live quote', () => {
  const price = (asked) => ({
    items: asked.items.map(({ id, quantity }) => ({ id, amount_total: 700 * quantity, available: true })),
    shipping: asked.address ? [{ id: 'bike', title: 'By bike', amount: 250, min_days: 1, max_days: 1 }] : [],
    tax_total: 99,
    messages: [{ type: 'info', content: 'Wrapped by hand.' }],
  });
  const good = (asked, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(price(asked)));

  before(async () => {
    const set = await w.api('PATCH', '/v1/shop', { key: s.shop.key, body: { quote_url: `${s.shop.origin}/quote` } });
    assert.equal(set.status, 200, set.text);
  });
  after(() => w.api('PATCH', '/v1/shop', { key: s.shop.key, body: { quote_url: null } }));

  test('is asked for items and address, signed like a notice, and is the price', async () => {
    quote = good;
    const answer = await create();
    assert.equal(answer.status, 201, answer.text);
    assert.deepEqual([totalOf(answer.body), totalOf(answer.body, 'tax'), totalOf(answer.body, 'fulfillment'), answer.body.status], [2100 + 250 + 99, 99, 250, 'ready_for_payment']);
    const asked = questions.at(-1);
    assert.deepEqual(new Webhook(s.shop.secret).verify(asked.body, asked.headers), {
      id: answer.body.id, currency: 'usd', items: [{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }], address: { ...ADDRESS, line_two: null, company: null },
    });
    assert.ok(answer.body.messages.some(({ content }) => content === 'Wrapped by hand.'));
  });

  test('is asked again before paying, and what is gone by then is not sold', async () => {
    quote = good;
    const made = await create();
    quote = (asked, response) => { const told = price(asked); told.items[0].available = 0; response.writeHead(200).end(JSON.stringify(told)); };
    const token = await stripe.grantToken({ account: s.account, maxAmount: 100_000 });
    const first = await s.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(token));
    assert.deepEqual([first.status, first.body.status, codesOf(first.body)], [200, 'not_ready_for_payment', ['out_of_stock']]);
    quote = good;
    const second = await s.call('POST', `/checkout_sessions/${made.body.id}`, {});
    assert.equal(second.body.status, 'ready_for_payment', second.text);
    const paid = await s.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(token));
    assert.equal(paid.body.status, 'completed', paid.text);
    assert.equal((await w.d1('SELECT amount FROM transactions WHERE checkout_session = ?', made.body.id))[0].amount, 2449);
  });

  for (const [what, answers] of [
    ['fails', (_asked, response) => response.writeHead(500).end()],
    ['is no JSON', (_asked, response) => response.writeHead(200).end('<html>')],
    ['forgets an item', (asked, response) => response.writeHead(200).end(JSON.stringify({ items: [{ id: asked.items[0].id, amount_total: 1 }] }))],
    ['leads elsewhere', (_asked, response) => response.writeHead(302, { location: 'https://elsewhere.example/' }).end()],
    ['is cut off', (_asked, response) => response.destroy()],
    ['never comes', () => {}],
  ]) {
    test(`that ${what}: the tables count, with a warning`, async () => {
      quote = answers;
      const begun = Date.now();
      const answer = await create();
      assert.equal(answer.status, 201, answer.text);
      assert.equal(totalOf(answer.body, 'items_base_amount'), 2 * 1230 + 500);
      assert.deepEqual(codesOf(answer.body), ['price_change']);
      assert.equal(answer.body.status, 'ready_for_payment');
      assert.ok(Date.now() - begun < 8_000, 'the agent is not kept waiting');
    });
  }
});

describe('who is let in', () => {
  test('by the doors that the shop opened', async () => {
    const { api_key } = await addAgent(w, s.shop, { name: 'Tools', allow: ['mcp'] });
    const answer = await speaker(w, api_key).call('POST', '/checkout_sessions', WANTED);
    assert.deepEqual([answer.status, answer.body.code], [403, 'agent_not_allowed']);
  });

  test('until the operator suspends the shop, or the shop deletes the agent', async () => {
    const made = await addAgent(w, s.shop, { name: 'Soon gone' });
    const gone = speaker(w, made.api_key);
    await w.api('POST', `/v1/admin/shops/${s.shop.id}/suspend`, { key: w.vars.ADMIN_KEY });
    const suspended = await gone.call('POST', '/checkout_sessions', WANTED);
    assert.deepEqual([suspended.status, suspended.body.code], [403, 'shop_suspended']);
    await w.api('POST', `/v1/admin/shops/${s.shop.id}/resume`, { key: w.vars.ADMIN_KEY });
    assert.equal((await gone.call('POST', '/checkout_sessions', WANTED)).status, 201);
    await w.api('DELETE', `/v1/agents/${made.id}`, { key: s.shop.key });
    assert.equal((await gone.call('POST', '/checkout_sessions', WANTED)).status, 401);
  });

  test('a key of one mode never pays in the other', async () => {
    const live = speaker(w, (await addAgent(w, s.shop, { name: 'Live', mode: 'live' })).api_key);
    const answer = await live.call('POST', '/checkout_sessions', WANTED);
    assert.deepEqual([answer.status, answer.body.code], [409, 'not_connected']);
  });
});

describe('what is kept and never echoed', () => {
  test('attribution, the reason of a cancellation, risk signals, and no token anywhere', async () => {
    const affiliate = { provider: 'impact.example', token: 'atp_secret_touch' };
    const made = await create({ ...WANTED, affiliate_attribution: affiliate });
    const token = await stripe.grantToken({ account: s.account, maxAmount: 100_000 });
    const paid = await s.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(token, { affiliate_attribution: { ...affiliate, touchpoint: 'last' }, risk_signals: { ip_address: '203.0.113.9' } }));
    assert.equal(paid.body.status, 'completed', paid.text);
    const other = await create();
    const canceled = await s.call('POST', `/checkout_sessions/${other.body.id}/cancel`, { intent_trace: { reason_code: 'shipping_cost', trace_summary: 'Too dear for me.' } });
    const read = [made, paid, canceled, await s.call('GET', `/checkout_sessions/${made.body.id}`), await s.call('GET', `/checkout_sessions/${other.body.id}`)];
    for (const { text } of read) for (const word of ['atp_secret_touch', '203.0.113.9', 'Too dear', token]) assert.ok(!text.includes(word), word);
    const [kept] = await w.d1('SELECT private FROM acp_sessions WHERE id = ?', made.body.id);
    const [given] = await w.d1('SELECT private FROM acp_sessions WHERE id = ?', other.body.id);
    assert.deepEqual([JSON.parse(kept.private).affiliate_first.token, JSON.parse(kept.private).affiliate_last.touchpoint, JSON.parse(given.private).intent_trace.reason_code], ['atp_secret_touch', 'last', 'shipping_cost']);
    for (const table of ['acp_sessions', 'transactions', 'orders', 'idempotency', 'notices']) assert.ok(!JSON.stringify(await w.d1(`SELECT * FROM ${table}`)).includes(token), table);
  });
});

test('one checkout, begun in Stripe\'s words, read side by side in all versions: one total, one order', async () => {
  const made = await s.call('POST', '/checkouts', { items: [{ id: 'mug', quantity: 2 }], buyer: BUYER, fulfillment_address: ADDRESS });
  assert.equal(made.status, 201, made.text);
  const put = await s.call('PUT', `/checkouts/${made.body.id}`, { fulfillment_option_id: 'express' });
  assert.equal(put.body.fulfillment_option_id, 'express', put.text);
  const paid = await s.call('POST', `/checkouts/${made.body.id}/complete`, { payment_data: { token: await stripe.grantToken({ account: s.account, maxAmount: 100_000 }), provider: 'stripe' } });
  assert.equal(paid.body.status, 'completed', paid.text);
  const seen = await Promise.all(['2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'].map((version) => s.call('GET', `/checkout_sessions/${made.body.id}`, undefined, { version })));
  for (const { body, text } of [paid, ...seen]) {
    assert.deepEqual([body.status, totalOf(body), totalOf(body, 'fulfillment')], ['completed', totalOf(paid.body), 1500], text);
    // The first release has it in the answer to the completion alone.
    if (body.order) assert.equal(body.order.id, paid.body.order.id);
  }
  assert.equal(seen.filter(({ body }) => body.order).length, 4);
  assert.equal((await w.d1('SELECT dialect FROM orders WHERE checkout_session = ?', made.body.id))[0].dialect, 'stripe');
});

test('a shop that leaves: its agents\' checkouts are erased', async (t) => {
  const o = await agentShop(w, stripe);
  t.after(() => o.shop.close());
  await o.call('POST', '/checkout_sessions', WANTED);
  await w.api('DELETE', '/v1/shop', { key: o.shop.key });
  assert.equal((await o.call('POST', '/checkout_sessions', WANTED)).status, 401);
  await eventually(async () => {
    await w.scheduled();
    const left = await w.d1('SELECT (SELECT count(*) FROM acp_sessions WHERE shop_id = ?1) + (SELECT count(*) FROM idempotency WHERE shop_id = ?2) + (SELECT count(*) FROM agents WHERE shop_id = ?1) AS n', o.shop.id, o.agent.id);
    return left[0].n === 0;
  }, 'something of it is left');
});
