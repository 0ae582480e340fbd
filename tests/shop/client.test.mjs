import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { masked } from '../../sandbox/shop/exchanges.mjs';
import { html } from '../../sandbox/shop/html.mjs';
import { createWorkerClient, pauseBeforeRetry, WorkerError } from '../../sandbox/shop/worker-client.mjs';
import { startStubWorker } from './stub-worker.mjs';

async function withClient(work, options = {}) {
  const stub = await startStubWorker();
  const pauses = [];
  const exchanges = [];
  const client = createWorkerClient({ workerUrl: stub.url, apiKey: () => 'ccs_key', pause: async (ms) => { pauses.push(ms); }, record: (exchange) => exchanges.push(exchange), ...options });
  try { await work({ stub, client, pauses, exchanges }); } finally { await stub.close(); }
}

const SESSION = ['POST', '/v1/checkout/sessions', { body: { amount_total: 1 }, idempotencyKey: 'k1' }];
const trouble = (how) => ({ on: 'POST /v1/checkout/sessions', ...how });

test('a lost answer is asked for again with the same key and body', () => withClient(async ({ stub, client }) => {
  stub.trouble = [trouble({ how: 'drop_after' }), trouble({ how: 'drop_before' })];
  const answer = await client.call(...SESSION);
  assert.equal(answer.id, 'cs_test_1');
  assert.equal(stub.sessions.size, 1);
  assert.deepEqual(stub.requests.map((request) => [request.headers['idempotency-key'], request.body]), Array(3).fill(['k1', { amount_total: 1 }]));
}));

test('in flight and 503: wait as long as told, at most five seconds, then ask again', () => withClient(async ({ stub, client, pauses }) => {
  stub.trouble = [
    trouble({ answer: [409, { error: { code: 'idempotency_in_flight', message: 'running' } }], headers: { 'retry-after': '2' } }),
    trouble({ answer: [503, { error: { code: 'stripe_unavailable', message: 'down' } }], headers: { 'retry-after': '60' } }),
  ];
  await client.call(...SESSION);
  assert.deepEqual(pauses, [2000, 5000]);
}));

test('after the last try the error says what happened', () => withClient(async ({ stub, client }) => {
  stub.trouble = Array.from({ length: 4 }, () => trouble({ answer: [503, { error: { type: 'upstream', code: 'stripe_unavailable', message: 'Stripe is down', request_id: 'req-12345678' } }] }));
  await assert.rejects(client.call(...SESSION), (error) => error instanceof WorkerError && error.code === 'stripe_unavailable' && error.requestId === 'req-12345678' && error.final === false);
  assert.equal(stub.requests.length, 4);
}));

test('a POST without a key is never repeated', () => withClient(async ({ stub, client }) => {
  stub.trouble = [{ on: 'POST /v1/connect/start', how: 'drop_after' }];
  await assert.rejects(client.call('POST', '/v1/connect/start', { body: {} }), (error) => error.code === 'worker_unreachable');
  assert.equal(stub.requests.length, 1);
}));

test('what is decided is not asked again', () => {
  for (const [status, code] of [[400, 'json_invalid'], [401, 'api_key_invalid'], [403, 'checkout_disabled'], [409, 'not_connected'], [409, 'order_already_paid'], [422, 'total_mismatch'], [429, 'rate_limited'], [500, 'internal'], [503, 'not_configured']]) {
    assert.equal(pauseBeforeRetry({ repeatable: true, status, code }, 0), null, code);
  }
  assert.equal(pauseBeforeRetry({ repeatable: false, status: 503, code: 'stripe_unavailable' }, 0), null);
  assert.equal(pauseBeforeRetry({ repeatable: true, status: 0, code: 'worker_timeout' }, 3), null);
  assert.equal(pauseBeforeRetry({ repeatable: true, status: 0, code: 'worker_timeout' }, 0), 400);
});

test('the key goes to no other address', async () => {
  const thief = createServer((request, response) => response.end('{}'));
  let seen = 0;
  thief.on('request', () => { seen += 1; });
  await new Promise((resolve) => { thief.listen(0, '127.0.0.1', resolve); });
  await withClient(async ({ stub, client }) => {
    stub.trouble = [{ on: 'GET /v1/shop', answer: [302, {}], headers: { location: `http://127.0.0.1:${thief.address().port}/` } }];
    await assert.rejects(client.call('GET', '/v1/shop', { repeatable: false }), (error) => error.code === 'worker_unreadable');
  });
  assert.equal(seen, 0);
  await new Promise((resolve) => { thief.close(resolve); });
  assert.throws(() => createWorkerClient({ workerUrl: 'http://worker.example' }), /https/);
});

test('a Worker that hangs is given up on', async () => {
  const silent = createServer(() => {});
  await new Promise((resolve) => { silent.listen(0, '127.0.0.1', resolve); });
  const client = createWorkerClient({ workerUrl: `http://127.0.0.1:${silent.address().port}`, apiKey: () => 'k', timeoutMs: 30, deadlineMs: 50 });
  await assert.rejects(client.call('GET', '/v1/shop'), (error) => error.code === 'worker_timeout');
  silent.closeAllConnections();
  await new Promise((resolve) => { silent.close(resolve); });
});

test('what is kept for the pages holds no secret', () => withClient(async ({ stub, client, exchanges }) => {
  await client.call('POST', '/v1/shops', { body: { site_url: 'http://localhost', name: 'x' } });
  await client.call('POST', '/v1/connect/start', { body: { verifier_challenge: 'abc' } });
  await client.call('POST', '/v1/connect/confirm', { body: { claim: 'claim-secret', verifier: 'verifier-secret' } }).catch(() => {});
  const kept = JSON.stringify(exchanges.map(masked));
  for (const secret of ['ccs_key', 'ccs_stubkey', stub.secret, 'ticket_secret', 'claim-secret', 'verifier-secret']) assert.ok(!kept.includes(secret), secret);
  assert.ok(kept.includes('/v1/connect/confirm') && kept.includes('verifier_mismatch'));
}));

test('text becomes HTML in one place, escaped', () => {
  const name = '<script>alert("1")</script>&`\'';
  assert.equal(String(html`<b title="${name}">${name}</b>`).includes('<script>'), false);
  assert.equal(String(html`${[html`<i>`, '<', 0, null, false]}`), '<i>&lt;0');
});
