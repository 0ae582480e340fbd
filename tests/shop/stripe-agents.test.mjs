import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startShop } from '../../sandbox/shop/index.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

async function setting(work) {
  const stub = await startStubWorker();
  const shop = await startShop({ workerUrl: stub.url });
  const visitor = browser(shop.url);
  try {
    await visitor.go('/admin/connectivity'); // registers
    await work({ stub, shop, visitor });
  } finally {
    await shop.close();
    await stub.close();
  }
}
const asked = (stub, route) => stub.requests.filter((request) => request.route === route);
const agreement = (more) => ({
  id: 'agmt_1', object: 'v2.orchestrated_commerce.agreement', status: 'partially_confirmed', initiated_by: 'orchestrator',
  orchestrator_details: { name: 'Errand <b>' }, status_transitions: { seller_confirmed_at: null }, ...more,
});

test('before there is a shop, the way there', async () => {
  const stub = await startStubWorker();
  const shop = await startShop({ workerUrl: stub.url });
  try {
    const { status, text } = await browser(shop.url).go('/admin/stripe-agents');
    assert.equal(status, 200);
    assert.match(text, /not registered/);
    assert.equal(stub.requests.length, 0);
  } finally {
    await shop.close();
    await stub.close();
  }
});

test('the settings: a link of the shop\'s mode, followed at once', () => setting(async ({ stub, visitor }) => {
  const answer = await visitor.submit('/admin/stripe-agents', '/admin/stripe-agents/settings');
  assert.deepEqual([answer.status, answer.location ?? answer.headers?.get?.('location')], [303, `${stub.url}/agentic/settings/ticket_secret`]);
  assert.deepEqual(asked(stub, 'POST /v1/agentic/settings_link')[0].body, { mode: 'test' });
}));

test('agreements: what can be done with each, and names are text', () => setting(async ({ stub, visitor }) => {
  stub.agreements = [agreement(), agreement({ id: 'agmt_2', status: 'terminated' }), agreement({ id: 'agmt_3', status: 'suspended', orchestrator_details: null })];
  const { text } = await visitor.go('/admin/stripe-agents');
  assert.ok(text.includes('Errand &lt;b&gt;') && !text.includes('<b>'));
  assert.equal(text.match(/stripe-agents\/confirm/g).length, 2, 'what has ended is not confirmed');
  assert.match(text, /suspended/);
  await visitor.submit('/admin/stripe-agents', '/admin/stripe-agents/confirm', { id: 'agmt_1' });
  await visitor.submit('/admin/stripe-agents', '/admin/stripe-agents/terminate', { id: 'agmt_1' });
  assert.equal(stub.agreements[0].status, 'terminated');
  for (const id of ['', '../shop', 'a'.repeat(300)]) assert.equal((await visitor.submit('/admin/stripe-agents', '/admin/stripe-agents/confirm', { id })).status, 422, id);
}));

test('a Worker that refuses: its reason in words', () => setting(async ({ stub, visitor }) => {
  stub.trouble = [{ on: 'GET /v1/agentic/agreements', answer: [409, { error: { type: 'invalid_request', code: 'account_shared', message: 'Another shop has it.' } }] }];
  const { status, text } = await visitor.go('/admin/stripe-agents');
  assert.equal(status, 200);
  assert.match(text, /Another shop sells with this account/);
}));

test('no account yet: the start says so, and the verifier waits for the form', () => setting(async ({ stub, visitor }) => {
  await visitor.submit('/admin/connectivity', '/admin/connect', { mode: 'test', method: 'onboarding' });
  assert.equal(asked(stub, 'POST /v1/connect/start').at(-1).body.method, 'onboarding');
  const home = await visitor.go('/admin/connectivity?cc_connect=pending&cc_claim=c1', { follow: true });
  assert.match(home.text, /Connected: acct_1/);
}));
