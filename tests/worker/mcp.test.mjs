// Contract, *ACP*: `POST /mcp`. The official client of the protocol buys something; what it cannot send is sent by hand.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { inRoot } from '../../scripts/lib/paths.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, agentShop, BUYER, payBody, speaker } from '../support/agent.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, s;

before(async () => {
  stripe = await startStripe({ retryPauses: [10] });
  w = await startWorker({ stripe });
  s = await agentShop(w, stripe);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await s?.shop.close();
});

const VERSION = '2026-04-17';
/** The official contracts are no part of this repository: what needs them is skipped without. */
function contract(file) {
  const path = join(process.env.ACP_CONTRACTS || inRoot('..', 'shared', 'contracts', 'acp'), VERSION, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}
const meta = (more = {}) => ({ api_version: VERSION, idempotency_key: randomUUID(), ...more });
const LINES = { line_items: [{ id: 'mug', quantity: 2 }], currency: 'usd', capabilities: {} };
const token = (more = {}) => stripe.grantToken({ account: s.account, maxAmount: 1_000_000, ...more });

/** A client of the official SDK, connected. Its answers pass by the watch for secrets, as all others do. */
async function connect(t, key = s.agent.api_key, { worker = w } = {}) {
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', worker.url), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
    fetch: (url, init) => worker.fetch(url, { ...init, headers: Object.fromEntries(new Headers(init.headers)) }),
  });
  const client = new Client({ name: 'test-agent', version: '1.0.0' });
  await client.connect(transport);
  t.after(() => client.close());
  return client;
}
const use = (client, name, args) => client.callTool({ name, arguments: args });
/** Uses a tool, and wants its answer to be a checkout. */
async function used(client, name, args) {
  const result = await use(client, name, args);
  assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
  assert.equal(result.content[0].type, 'text');
  return result.structuredContent;
}
const refusedWith = (code, fits) => (error) => {
  assert.equal(error.code, code, `${error.code} ${error.message} ${JSON.stringify(error.data)}`);
  if (fits) for (const [name, value] of Object.entries(fits)) assert.deepEqual(error.data?.[name], value, JSON.stringify(error.data));
  return true;
};

/** A message by hand. */
const post = (body, { key = s.agent.api_key, headers = {} } = {}) => w.api('POST', '/mcp', { key, body, headers });
const request = (method, params, id = 1) => ({ jsonrpc: '2.0', id, method, params });
const tool = (name, args, id = 1) => request('tools/call', { name, arguments: args }, id);
const rows = async () => (await w.d1('SELECT count(*) AS n FROM acp_sessions'))[0].n;

describe('the official client', () => {
  test('is welcomed, pings, and finds five tools', async (t) => {
    const client = await connect(t);
    assert.deepEqual(client.getServerCapabilities(), { tools: {} });
    const { name, version } = client.getServerVersion();
    assert.deepEqual([name, version], ['cognitivecart-worker', (await w.api('GET', '/healthz')).body.version]);
    assert.match(client.getInstructions(), /create_checkout_session/);
    assert.deepEqual(await client.ping(), {});
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map(({ name }) => name), ['create', 'get', 'update', 'complete', 'cancel'].map((verb) => `${verb}_checkout_session`));
    const ajv = new Ajv2020({ strict: true });
    for (const { name, inputSchema, description } of tools) {
      ajv.compile(inputSchema);
      assert.ok(description.length > 10, name);
      assert.ok(inputSchema.required.includes('meta'), name);
      assert.deepEqual(inputSchema.required.includes('id'), name !== 'create_checkout_session', name);
    }
  });

  test('buys: create, read, address, delivery, code, pay; the books are those of any agent', async (t) => {
    const client = await connect(t);
    const made = await used(client, 'create_checkout_session', { meta: meta(), payload: LINES });
    assert.deepEqual([made.status, made.protocol.version, made.currency], ['not_ready_for_payment', VERSION, 'usd']);
    const { id } = made;
    assert.deepEqual(await used(client, 'get_checkout_session', { meta: { api_version: VERSION }, id }), made);

    const there = await used(client, 'update_checkout_session', { meta: { api_version: VERSION }, id, payload: { buyer: BUYER, fulfillment_details: { address: ADDRESS } } });
    assert.equal(there.status, 'ready_for_payment');
    assert.deepEqual(there.fulfillment_options.map(({ id }) => id), ['standard', 'express']);
    const express = there.fulfillment_options[1];
    const chosen = await used(client, 'update_checkout_session', {
      meta: { api_version: VERSION }, id,
      payload: { selected_fulfillment_options: [{ type: 'shipping', option_id: express.id, item_ids: there.line_items.map(({ id }) => id) }], discounts: { codes: ['SAVE10'] } },
    });
    const total = chosen.totals.find(({ type }) => type === 'total').amount;
    // 2 × 12.30 less 10 %, 15.00 by courier, 8.75 % on the goods.
    assert.equal(total, 2214 + 1500 + Math.round(2214 * 0.0875));

    const result = await use(client, 'complete_checkout_session', { meta: meta({ request_id: 'agent-request-7' }), id, payload: payBody(await token()) });
    const paid = result.structuredContent;
    assert.deepEqual([paid.status, paid.order.checkout_session_id, result._meta.request_id], ['completed', id, 'agent-request-7']);
    // The binding has the checkout itself as the result.
    assert.deepEqual([result.id, result.status, result.order], [id, 'completed', paid.order]);
    const [row] = await w.d1('SELECT * FROM transactions WHERE checkout_session = ?', id);
    assert.deepEqual([row.status, row.amount, row.source, row.agent, row.account], ['paid', total, 'agent', 'Claude', s.account]);
    const [payment] = stripe.payments().filter(({ cc_transaction }) => cc_transaction === row.id);
    assert.deepEqual([payment.status, payment.amount], ['succeeded', total]);
    assert.ok((await w.logLine((line) => line.event === 'tool' && line.agent_request_id === 'agent-request-7')).status === 200);
    // REST shows the same checkout.
    assert.deepEqual((await s.call('GET', `/checkout_sessions/${id}`)).body, paid);
  });

  test('gives up, with a word why, and once', async (t) => {
    const client = await connect(t);
    const { id } = await used(client, 'create_checkout_session', { meta: meta(), payload: LINES });
    const payload = { intent_trace: { reason_code: 'price_sensitivity', trace_summary: 'Cheaper elsewhere.' } };
    assert.equal((await used(client, 'cancel_checkout_session', { meta: { api_version: VERSION }, id, payload })).status, 'canceled');
    assert.equal(JSON.parse((await w.d1('SELECT private FROM acp_sessions WHERE id = ?', id))[0].private).intent_trace.reason_code, 'price_sensitivity');
    await assert.rejects(use(client, 'cancel_checkout_session', { meta: { api_version: VERSION }, id }), refusedWith(-32000, { type: 'invalid_request' }));
    // Without a payload at all.
    const other = await used(client, 'create_checkout_session', { meta: meta(), payload: LINES });
    assert.equal((await used(client, 'cancel_checkout_session', { meta: { api_version: VERSION }, id: other.id })).status, 'canceled');
  });

  test('a refusal is an error with the protocol’s own in data, its path that of the payload', async (t) => {
    const client = await connect(t);
    const create = (payload, more) => use(client, 'create_checkout_session', { meta: meta(more), payload });
    await assert.rejects(create({ ...LINES, currency: undefined }), refusedWith(-32000, { type: 'invalid_request', code: 'missing', param: '$.payload.currency' }));
    await assert.rejects(create({ ...LINES, line_items: [{ id: 'mug', quantity: 0 }] }), refusedWith(-32000, { code: 'invalid', param: '$.payload.line_items[0].quantity' }));
    await assert.rejects(create({ ...LINES, line_items: [{ id: 'nothing' }] }), refusedWith(-32000, { type: 'invalid_request', code: 'invalid_item_id', param: '$.payload.line_items[0].id' }));
    await assert.rejects(create({ ...LINES, nonsense: 1 }), refusedWith(-32000, { param: '$.payload.nonsense' }));
    await assert.rejects(use(client, 'get_checkout_session', { meta: meta(), id: 'checkout_nobody' }), refusedWith(-32000, { code: 'not_found' }));
    await assert.rejects(use(client, 'get_checkout_session', { meta: meta(), id: 'a/complete' }), refusedWith(-32000, { code: 'not_found' }));
    const { id } = await used(client, 'create_checkout_session', { meta: meta(), payload: LINES });
    await assert.rejects(use(client, 'complete_checkout_session', { meta: meta(), id, payload: payBody(await token()) }), refusedWith(-32000, { type: 'invalid_request' }));
  });

  test('a declined card is no error: the checkout says so and can be paid with another', async (t) => {
    const client = await connect(t);
    const { id } = await used(client, 'create_checkout_session', { meta: meta(), payload: { ...LINES, fulfillment_details: { address: ADDRESS } } });
    const declined = await used(client, 'complete_checkout_session', { meta: meta(), id, payload: payBody(await token({ card: 'pm_card_chargeDeclined' })) });
    assert.deepEqual([declined.status, declined.messages.map(({ code }) => code)], ['ready_for_payment', ['payment_declined']]);
    assert.equal((await used(client, 'complete_checkout_session', { meta: meta(), id, payload: payBody(await token()) })).status, 'completed');
  });
});

describe('meta', () => {
  test('idempotency_key: required where something new or money comes of it; the first answer again; another payload refused', async (t) => {
    const client = await connect(t);
    const { idempotency_key: _, ...without } = meta();
    await assert.rejects(use(client, 'create_checkout_session', { meta: without, payload: LINES }), refusedWith(-32000, { code: 'idempotency_key_required' }));
    await assert.rejects(use(client, 'create_checkout_session', { meta: meta({ idempotency_key: 'ü' }), payload: LINES }), refusedWith(-32000, { code: 'idempotency_key_invalid' }));
    const payload = { ...LINES, fulfillment_details: { address: ADDRESS } };
    const once = meta();
    const before = await rows();
    const first = await use(client, 'create_checkout_session', { meta: once, payload });
    const again = await use(client, 'create_checkout_session', { meta: once, payload: { capabilities: {}, ...payload } });
    assert.deepEqual(again.structuredContent, first.structuredContent);
    assert.deepEqual([first._meta.idempotent_replayed, again._meta.idempotent_replayed, again._meta.idempotency_key], [undefined, true, once.idempotency_key]);
    assert.equal(await rows(), before + 1);
    await assert.rejects(use(client, 'create_checkout_session', { meta: once, payload: { ...payload, currency: 'eur' } }), refusedWith(-32000, { code: 'idempotency_conflict' }));

    const { id } = first.structuredContent;
    await assert.rejects(use(client, 'complete_checkout_session', { meta: without, id, payload: payBody(await token()) }), refusedWith(-32000, { code: 'idempotency_key_required' }));
    const pay = { meta: meta(), id, payload: payBody(await token()) };
    const paid = await used(client, 'complete_checkout_session', pay);
    assert.deepEqual(await used(client, 'complete_checkout_session', pay), paid);
    const [{ id: transaction }] = await w.d1('SELECT id FROM transactions WHERE checkout_session = ?', id);
    assert.equal(stripe.payments().filter(({ cc_transaction }) => cc_transaction === transaction).length, 1);
    // The same request by the other way: the answer was lost, not the order.
    const rest = await s.call('POST', `/checkout_sessions/${id}/complete`, pay.payload, { key: pay.meta.idempotency_key });
    assert.deepEqual([rest.status, rest.headers.get('idempotent-replayed'), rest.body], [200, 'true', paid]);
  });

  test('api_version: required, and the answer is in that version', async (t) => {
    const client = await connect(t);
    await assert.rejects(use(client, 'create_checkout_session', { meta: { idempotency_key: 'k' }, payload: LINES }), refusedWith(-32000, { code: 'missing_api_version' }));
    const { supported_versions: spoken } = (await w.api('GET', '/.well-known/acp.json')).body.protocol;
    await assert.rejects(use(client, 'create_checkout_session', { meta: meta({ api_version: '2024-01-01' }), payload: LINES }), refusedWith(-32000, { code: 'unsupported_api_version', supported_versions: spoken }));
    // What discovery promises, this keeps.
    for (const version of spoken) {
      const payload = version < '2026-01-30' ? { items: [{ id: 'mug', quantity: 1 }] } : LINES;
      const made = await used(client, 'create_checkout_session', { meta: meta({ api_version: version }), payload });
      assert.equal(made.protocol?.version, version < '2026-01-30' ? undefined : version);
      assert.ok(made.line_items[0].id);
    }
  });

  test('signature: over the timestamp and the payload in canonical form', async (t) => {
    const client = await connect(t);
    const key = Buffer.from(s.agent.signing_secret.slice('whsec_'.length), 'base64');
    const payload = { line_items: [{ quantity: 1, id: 'mug' }], currency: 'usd', capabilities: {} };
    const canonical = '{"capabilities":{},"currency":"usd","line_items":[{"id":"mug","quantity":1}]}';
    const timestamp = new Date().toISOString();
    const sign = (text, at = timestamp) => createHmac('sha256', key).update(`${at}.${text}`).digest('base64url');
    const create = (signature, more = {}) => use(client, 'create_checkout_session', { meta: meta({ signature, timestamp, ...more }), payload });
    assert.ok((await create(sign(canonical))).structuredContent.id);
    await assert.rejects(create(sign(`${canonical} `)), refusedWith(-32000, { code: 'signature_invalid' }));
    await assert.rejects(create(sign(canonical), { timestamp: undefined }), refusedWith(-32000, { code: 'signature_invalid' }));
    const old = new Date(Date.now() - 600_000).toISOString();
    await assert.rejects(create(sign(canonical, old), { timestamp: old }), refusedWith(-32000, { code: 'signature_invalid' }));
    // A reading has no payload.
    const { id } = (await create(sign(canonical))).structuredContent;
    assert.ok((await use(client, 'get_checkout_session', { meta: meta({ signature: sign(''), timestamp }), id })).structuredContent.id);
  });

  test('what is unknown in it is read past', async (t) => {
    const client = await connect(t);
    assert.ok((await used(client, 'create_checkout_session', { meta: meta({ new_header: { of: 'later' }, user_agent: 'AgentShop/1.0' }), payload: LINES })).id);
  });
});

describe('whose checkout it is', () => {
  test('another agent, and another shop’s, find nothing', async (t) => {
    const client = await connect(t);
    const { id } = await used(client, 'create_checkout_session', { meta: meta(), payload: LINES });
    const other = await agentShop(w, stripe);
    t.after(() => other.shop.close());
    const beside = await addAgent(w, s.shop, { name: 'Beside' });
    for (const key of [other.agent.api_key, beside.api_key]) {
      const stranger = await connect(t, key);
      for (const [name, payload] of [['get', undefined], ['update', { buyer: BUYER }], ['complete', payBody(await token())], ['cancel', undefined]]) {
        await assert.rejects(use(stranger, `${name}_checkout_session`, { meta: meta(), id, ...(payload && { payload }) }), refusedWith(-32000, { code: 'not_found' }), name);
      }
    }
    assert.equal((await used(client, 'get_checkout_session', { meta: meta(), id })).status, 'not_ready_for_payment');
  });

  test('the kill switch is no matter of the door', async (t) => {
    const own = await agentShop(w, stripe);
    t.after(() => own.shop.close());
    const client = await connect(t, own.agent.api_key);
    await w.api('PATCH', '/v1/shop', { key: own.shop.key, body: { checkout_enabled: false } });
    await assert.rejects(use(client, 'create_checkout_session', { meta: meta(), payload: LINES }), refusedWith(-32000, { code: 'checkout_disabled' }));
    assert.equal((await client.listTools()).tools.length, 5);
  });
});

describe('who may come in', () => {
  const ask = [request('ping', {}), tool('get_checkout_session', { meta: meta(), id: 'checkout_x' }), tool('nothing', {}), request('initialize', { protocolVersion: '2025-11-25' }), { jsonrpc: '2.0', method: 'notifications/initialized' }];

  test('without a key, or with one that opens nothing: 401, whatever is asked', async () => {
    for (const body of [...ask, '{', '', [], 'x'.repeat(300_000)]) {
      for (const key of [null, 'cca_nobody']) {
        const answer = await post(body, { key });
        assert.equal(answer.status, 401, answer.text);
        assert.deepEqual([answer.body.jsonrpc, answer.body.id, answer.body.error.code], ['2.0', null, -32000]);
        assert.equal(answer.body.error.data.code, key ? 'api_key_invalid' : 'api_key_missing');
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      }
    }
    await assert.rejects(connect({ after() {} }, 'cca_nobody'), (error) => error.code === 401);
  });

  test('a shop’s key, an agent that may not, a shop that is suspended: 403', async (t) => {
    const own = await agentShop(w, stripe);
    t.after(() => own.shop.close());
    const shut = await addAgent(w, own.shop, { name: 'Shut', allow: ['acp'] });
    for (const body of ask) {
      for (const [key, code] of [[own.shop.key, 'shop_key_not_allowed'], [shut.api_key, 'agent_not_allowed']]) {
        const answer = await post(body, { key });
        assert.deepEqual([answer.status, answer.body.error?.data.code], [403, code], answer.text);
      }
    }
    // An agent of tools alone has no REST.
    const tools = await addAgent(w, own.shop, { name: 'Tools', allow: ['mcp'] });
    assert.equal((await post(ask[0], { key: tools.api_key })).status, 200);
    assert.equal((await speaker(w, tools.api_key).call('POST', '/checkout_sessions', LINES)).status, 403);
    await w.api('POST', `/v1/admin/shops/${own.shop.id}/suspend`, { key: w.vars.ADMIN_KEY });
    for (const body of ask) {
      const answer = await post(body, { key: tools.api_key });
      assert.deepEqual([answer.status, answer.body.error?.data.code], [403, 'shop_suspended'], answer.text);
    }
  });

  test('a page in a browser is refused', async () => {
    for (const origin of ['https://evil.example', 'null', w.url.replace('localhost', '127.0.0.1')]) {
      const answer = await post(ask[0], { headers: { origin } });
      assert.deepEqual([answer.status, answer.body.error.data.code], [403, 'origin_not_allowed'], origin);
    }
    assert.equal((await post(ask[0], { headers: { origin: w.url } })).status, 200);
  });
});

describe('the transport', () => {
  test('GET and DELETE: there is no stream and no session', async () => {
    for (const method of ['GET', 'DELETE', 'PUT', 'OPTIONS']) {
      const answer = await w.api(method, '/mcp', { key: s.agent.api_key });
      assert.deepEqual([answer.status, answer.headers.get('allow'), answer.body.error.code], [405, 'POST', -32000], method);
    }
  });

  test('the version: what is asked for, else the newest; the header is looked at', async () => {
    const welcome = async (protocolVersion) => (await post(request('initialize', { protocolVersion, capabilities: {}, clientInfo: { name: 'x', version: '1' } }))).body.result?.protocolVersion;
    for (const version of SUPPORTED_PROTOCOL_VERSIONS) assert.equal(await welcome(version), version);
    assert.equal(await welcome('2099-01-01'), LATEST_PROTOCOL_VERSION);
    assert.equal(await welcome('x'), LATEST_PROTOCOL_VERSION);
    for (const params of [{}, { protocolVersion: 1 }]) assert.equal((await post(request('initialize', params))).body.error.code, -32602);
    for (const version of SUPPORTED_PROTOCOL_VERSIONS) assert.equal((await post(request('ping'), { headers: { 'mcp-protocol-version': version } })).status, 200);
    const answer = await post(request('ping'), { headers: { 'mcp-protocol-version': '1999-01-01' } });
    assert.deepEqual([answer.status, answer.body.error.code], [400, -32600]);
    // Who begins anew is not held to what was agreed on before.
    assert.equal((await post(request('initialize', { protocolVersion: '2025-11-25' }), { headers: { 'mcp-protocol-version': '1999-01-01' } })).status, 200);
  });

  test('notifications, and answers to nothing: 202 without a body', async () => {
    for (const body of [{ jsonrpc: '2.0', method: 'notifications/initialized' }, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, { jsonrpc: '2.0', id: 1, result: {} }]) {
      const answer = await post(body);
      assert.deepEqual([answer.status, answer.text, answer.headers.get('content-type')], [202, '', null]);
    }
  });

  test('the id comes back as it is', async () => {
    for (const id of [0, 7, -1, 9_007_199_254_740_991, 'a', '', 'ü"\\']) assert.deepEqual((await post(request('ping', {}, id))).body, { jsonrpc: '2.0', id, result: {} });
  });

  test('what is no message', async () => {
    for (const [body, status, code] of [
      ['{', 400, -32700], ['nonsense', 400, -32700], ['', 400, -32600], ['7', 400, -32600], ['null', 400, -32600], [{}, 400, -32600],
      [{ id: 1, method: 'ping' }, 400, -32600], [{ jsonrpc: '1.0', id: 1, method: 'ping' }, 400, -32600],
      [{ jsonrpc: '2.0', id: null, method: 'ping' }, 400, -32600], [{ jsonrpc: '2.0', id: 1.5, method: 'ping' }, 400, -32600], [{ jsonrpc: '2.0', id: {}, method: 'ping' }, 400, -32600],
      [{ jsonrpc: '2.0', id: 1, method: 7 }, 400, -32600], [{ jsonrpc: '2.0', id: 1 }, 400, -32600],
    ]) {
      const answer = await post(body);
      assert.deepEqual([answer.status, answer.body.error?.code, answer.body.id, answer.body.jsonrpc], [status, code, null, '2.0'], `${JSON.stringify(body)} ${answer.text}`);
    }
    const large = await post(`"${'x'.repeat(262_200)}"`);
    assert.deepEqual([large.status, large.body.error.data.code], [413, 'body_too_large']);
    const kind = await post('{}', { headers: { 'content-type': 'text/plain' } });
    assert.deepEqual([kind.status, kind.body.error.data.code], [415, 'media_type_unsupported']);
  });

  test('unknown methods, tools and arguments', async () => {
    const ok = { meta: meta(), id: 'checkout_x', payload: {} };
    for (const [body, code, param] of [
      [request('resources/list', {}), -32601], [request('tools/none', {}), -32601], [request('', {}), -32601],
      [request('tools/call', []), -32602], [request('tools/call', {}), -32602], [request('tools/call', { name: 7 }), -32602], [request('tools/list', 'x'), -32602],
      [tool('delete_everything', ok), -32602],
      [tool('get_checkout_session', []), -32602, '$'], [tool('get_checkout_session', undefined), -32602, '$.meta'], [tool('get_checkout_session', { id: 'x' }), -32602, '$.meta'],
      [tool('get_checkout_session', { meta: 'x', id: 'x' }), -32602, '$.meta'], [tool('get_checkout_session', { meta: { api_version: 1 }, id: 'x' }), -32602, '$.meta.api_version'],
      [tool('get_checkout_session', { meta: meta() }), -32602, '$.id'], [tool('get_checkout_session', { meta: meta(), id: 7 }), -32602, '$.id'], [tool('get_checkout_session', { meta: meta(), id: '' }), -32602, '$.id'],
      [tool('update_checkout_session', { meta: meta(), id: 'x' }), -32602, '$.payload'], [tool('create_checkout_session', { meta: meta(), payload: null }), -32602, '$.payload'],
      [tool('complete_checkout_session', { meta: meta(), id: 'x', payload: [] }), -32602, '$.payload'],
      [tool('create_checkout_session', { meta: meta(), ...LINES }), -32602, '$.capabilities'],
    ]) {
      const answer = await post(body);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.body.error?.code, answer.body.error?.data?.param, answer.body.id], [code, param, 1], `${JSON.stringify(body)} ${answer.text}`);
    }
  });

  test('a batch, where the version has them: each is answered, in order', async () => {
    const once = meta();
    const batch = [
      request('ping', {}, 'a'), { jsonrpc: '2.0', method: 'notifications/initialized' }, tool('create_checkout_session', { meta: once, payload: LINES }, 'b'),
      tool('create_checkout_session', { meta: once, payload: LINES }, 'c'), request('nothing', {}, 'd'), { nonsense: true }, request('initialize', { protocolVersion: '2025-03-26' }, 'e'),
    ];
    const answer = await post(batch, { headers: { 'mcp-protocol-version': '2025-03-26' } });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body.map(({ id, error }) => [id, error?.code]), [['a', undefined], ['b', undefined], ['c', undefined], ['d', -32601], [null, -32600], [null, -32600]]);
    assert.equal(answer.body[2].result.structuredContent.id, answer.body[1].result.structuredContent.id);
    assert.equal((await post([{ jsonrpc: '2.0', method: 'notifications/initialized' }])).status, 202);
    for (const [body, headers] of [[[], {}], [Array(21).fill(request('ping')), {}], [batch, { 'mcp-protocol-version': '2025-06-18' }], [batch, { 'mcp-protocol-version': '2025-11-25' }]]) {
      const refused = await post(body, { headers });
      assert.deepEqual([refused.status, refused.body.error?.code], [400, -32600]);
    }
  });

  test('a retry that comes too early is told when to come again, and Stripe’s silence charges nothing twice', async (t) => {
    const { id } = (await post(tool('create_checkout_session', { meta: meta(), payload: { ...LINES, fulfillment_details: { address: ADDRESS } } }))).body.result;
    stripe.misbehave({ on: 'POST /v1/payment_intents', how: 'drop_after' });
    const pay = tool('complete_checkout_session', { meta: meta(), id, payload: payBody(await token()) });
    const lost = await post(pay);
    assert.deepEqual([lost.status, lost.body.error?.code, lost.body.error?.data.type, lost.headers.get('retry-after')], [200, -32000, 'service_unavailable', '2'], lost.text);
    const paid = await post(pay);
    assert.equal(paid.body.result.status, 'completed', paid.text);
    const [{ id: transaction }] = await w.d1('SELECT id FROM transactions WHERE checkout_session = ?', id);
    assert.equal(stripe.payments().filter(({ cc_transaction, status }) => cc_transaction === transaction && status === 'succeeded').length, 1);
    t.diagnostic(`answered after a lost answer: ${paid.body.result.order.id}`);
  });
});

describe('the protocol’s own examples', () => {
  const examples = contract('examples/examples.mcp.agentic_checkout.json');

  const schemas = contract('json-schema/schema.agentic_checkout.json');

  test('its schemas accept what our tools’ schemas let through, and what is answered', { skip: !schemas && 'the contracts are not here' }, async (t) => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats(ajv);
    ajv.addSchema({ ...schemas, $id: 'https://contract.invalid/acp' });
    const fits = (name, value) => {
      const validate = ajv.getSchema(`https://contract.invalid/acp#/$defs/${name}`);
      assert.ok(validate(value), `${name}: ${ajv.errorsText(validate.errors)}`);
    };
    const client = await connect(t);
    const { tools } = await client.listTools();
    const ours = Object.fromEntries(tools.map(({ name, inputSchema }) => [name, ajv.compile(inputSchema)]));
    // The schemas have no quantity where they should (contract, *ACP*): it is left out here.
    const create = { meta: meta(), payload: { ...LINES, line_items: [{ id: 'mug' }], buyer: BUYER, fulfillment_details: { address: ADDRESS } } };
    assert.ok(ours.create_checkout_session(create), JSON.stringify(ours.create_checkout_session.errors));
    fits('CheckoutSessionCreateRequest', create.payload);
    const made = await used(client, 'create_checkout_session', create);
    fits('CheckoutSession', made);
    const update = { meta: { api_version: VERSION }, id: made.id, payload: { selected_fulfillment_options: [{ type: 'shipping', option_id: 'express', item_ids: [made.line_items[0].id] }] } };
    assert.ok(ours.update_checkout_session(update));
    fits('CheckoutSessionUpdateRequest', update.payload);
    fits('CheckoutSession', await used(client, 'update_checkout_session', update));
    const complete = { meta: meta(), id: made.id, payload: payBody(await token()) };
    assert.ok(ours.complete_checkout_session(complete), JSON.stringify(ours.complete_checkout_session.errors));
    fits('CheckoutSessionCompleteRequest', complete.payload);
    fits('CheckoutSessionWithOrder', await used(client, 'complete_checkout_session', complete));
    const { body } = await post(tool('complete_checkout_session', { meta: meta(), id: 'checkout_x', payload: {} }));
    fits('Error', body.error.data);
  });

  test('are understood', { skip: !examples && 'the contracts are not here' }, async () => {
    const product = (text) => text.replaceAll('item_123', 'mug').replaceAll('fulfillment_option_456', 'express');
    const asked = (name) => JSON.parse(product(JSON.stringify(examples[`${name}_checkout_session_request`])));
    const made = await post(asked('create'));
    assert.equal(made.body.id, 1);
    const { id } = made.body.result;
    for (const [name, wanted] of [['get', 'ready_for_payment'], ['update', 'ready_for_payment'], ['complete', 'completed']]) {
      const body = asked(name);
      body.params.arguments.id = id;
      if (name === 'complete') body.params.arguments.payload.payment_data.instrument.token = await token();
      const answer = await post(body);
      assert.deepEqual([answer.body.id, answer.body.result?.status], [body.id, wanted], answer.text);
    }
    const other = asked('create');
    other.params.arguments.meta.idempotency_key = randomUUID();
    const body = asked('cancel');
    body.params.arguments.id = (await post(other)).body.result.id;
    assert.equal((await post(body)).body.result.status, 'canceled');
  });
});
