import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { checkEvent, EVENTS_PATH, merchantSignature } from '../../sandbox/shop/agent/events.mjs';
import { startShop } from '../../sandbox/shop/index.mjs';
import { sign } from '../../sandbox/shop/notices.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const NOW = 1_795_000_000;
const BODY = JSON.stringify({ type: 'order_update', data: { type: 'order', id: 'ord_1', checkout_session_id: 'checkout_1', status: 'shipped' } });
const check = (headers, body = BODY, { secrets = [SECRET], now = NOW } = {}) => checkEvent(headers, body, { secrets, now });
const timed = (t = NOW, secret = SECRET, body = BODY) => ({ 'merchant-signature': merchantSignature(secret, body, t) });
const standard = (t = NOW, secret = SECRET, id = 'ccevt_1') => ({ 'webhook-id': id, 'webhook-timestamp': String(t), 'webhook-signature': sign(id, t, BODY, secret) });

test('the signature is the protocol\'s, byte for byte', () => {
  // Written out once more, so that a slip cannot pass by agreeing with itself. The key is the whole text of the secret.
  const right = createHmac('sha256', Buffer.from(SECRET)).update(`${NOW}.${BODY}`).digest('hex');
  assert.equal(merchantSignature(SECRET, BODY, NOW), `t=${NOW},v1=${right}`);
  assert.equal(merchantSignature(SECRET, BODY), createHmac('sha256', Buffer.from(SECRET)).update(BODY).digest('hex'));
});

test('what was changed, is old or was signed by somebody else is no event', () => {
  assert.deepEqual(check(timed()), { ok: true, event: JSON.parse(BODY) });
  assert.equal(check(timed(), `${BODY} `).reason, 'forged');
  assert.equal(check(timed(NOW, OTHER)).reason, 'forged');
  assert.equal(check(timed(), BODY, { secrets: [] }).reason, 'forged');
  assert.equal(check({ 'merchant-signature': timed()['merchant-signature'].replace(`t=${NOW}`, `t=${NOW + 1}`) }).reason, 'forged');
  for (const bad of [undefined, '', 'v1=', `t=,v1=${'0'.repeat(64)}`, `t=${NOW}`, `${timed()['merchant-signature']},v1=${'0'.repeat(64)}`]) assert.equal(check({ 'merchant-signature': bad }).reason, 'unsigned');
  assert.equal(check(timed(), BODY, { now: NOW + 300 }).ok, true);
  for (const now of [NOW + 301, NOW - 301]) assert.equal(check(timed(), BODY, { now }).reason, 'stale');
  assert.equal(check(timed(NOW, SECRET, 'no json'), 'no json').reason, 'unreadable');
});

test('the old form says nothing about when: the second signature does', () => {
  const bare = { 'merchant-signature': merchantSignature(SECRET, BODY) };
  assert.equal(check({ ...bare, ...standard() }).ok, true);
  assert.equal(check(bare).reason, 'stale');
  assert.equal(check({ ...bare, ...standard(NOW, OTHER) }).reason, 'stale');
  assert.equal(check({ ...bare, ...standard(NOW - 301) }).reason, 'stale');
  assert.equal(check({ 'merchant-signature': merchantSignature(OTHER, BODY), ...standard() }).reason, 'forged');
});

test('the agent takes a genuine event once, shows it, and a forged one not at all', async () => {
  const stub = await startStubWorker();
  const shop = await startShop({ workerUrl: stub.url });
  try {
    const visitor = browser(shop.url);
    await visitor.go('/admin/connectivity');
    stub.connected = true;
    stub.trouble = [{ on: 'POST /v1/agents', answer: [201, { object: 'agent', id: 'agt_1', name: 'Errand', mode: 'test', created: 1, api_key: 'cca_x', signing_secret: SECRET }] }];
    await visitor.submit('/', '/admin/selling');
    const tell = async (headers, body = BODY) => {
      const answer = await fetch(shop.url + EVENTS_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', 'request-id': 'ccevt_77', ...headers } });
      return [answer.status, await answer.json()];
    };
    const t = Math.floor(Date.now() / 1000);
    assert.equal((await tell(timed(t, OTHER)))[0], 401);
    assert.doesNotMatch((await visitor.go('/admin/orders')).text, /What the agent heard/);
    for (let i = 0; i < 2; i += 1) assert.deepEqual(await tell(timed(t)), [200, { received: true, request_id: 'ccevt_77' }]);
    const { text } = await visitor.go('/admin/orders');
    assert.match(text, /order update/);
    assert.match(text, /signature is right/);
    assert.match(text, /came 2 times/);
    const hostile = JSON.stringify({ type: 'order_update', data: { status: '<script>alert(1)</script>' } });
    assert.equal((await tell({ ...timed(t, SECRET, hostile), 'request-id': 'ccevt_78' }, hostile))[0], 200);
    assert.doesNotMatch((await visitor.go('/admin/orders')).text, /<script/);
  } finally {
    await shop.close();
    await stub.close();
  }
});
