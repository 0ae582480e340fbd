// Missing or malformed configuration is told in full and at once, by name and never by value (contract, "Bindings, variables, secrets").
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startWorker } from '../support/worker.mjs';

let w;
const get = (path) => w.api('GET', path, { key: 'ccs_any' });
const bad = {
  STRIPE_SECRET_KEY: 'sk_test_in_the_wrong_place', STRIPE_TEST_CLIENT_ID: 'client-bad-value', SEAL_KEYS: 'k1:tooshort-value',
  FEE_BPS: 'many-bad-value', CHARGE_TYPE: 'sideways-value', SHOP_VERIFICATION: 'perhaps-value', ADMIN_KEY: 'short',
};

before(async () => { w = await startWorker({ vars: bad }); });
after(() => w?.close());

describe('a Worker with much of its configuration wrong', () => {
  test('names every bad variable with 503, wherever one asks', async () => {
    for (const path of ['/v1/shop', '/v1/transactions', '/v1/manifest']) {
      const answer = await get(path);
      assert.equal(answer.status, 503, path);
      const { type, code, variables, message } = answer.body.error;
      assert.deepEqual([type, code], ['not_configured', 'not_configured']);
      assert.deepEqual(variables.toSorted(), Object.keys(bad).toSorted());
      for (const name of Object.keys(bad)) assert.match(message, new RegExp(name));
    }
  });

  test('tells a buyer and a merchant no names, but when to come again', async () => {
    for (const path of ['/checkout/complete/cct_1?session_id=cs_1', '/checkout/cancel/cct_1', '/connect/abc']) {
      const answer = await get(path);
      assert.equal(answer.status, 503, path);
      assert.match(answer.headers.get('content-type'), /^text\/html/);
      for (const name of Object.keys(bad)) assert.doesNotMatch(answer.text, new RegExp(name));
    }
  });

  test('says so to monitors', async () => {
    const { status, body } = await get('/healthz');
    assert.deepEqual([status, body.status], [503, 'misconfigured']);
    assert.deepEqual([...new Set(body.problems.map(({ variable }) => variable))].toSorted(), Object.keys(bad).toSorted());
  });

  test('lists them on the front page, which answers', async () => {
    const { status, text } = await get('/');
    assert.equal(status, 200);
    for (const name of Object.keys(bad)) assert.match(text, new RegExp(name));
    assert.doesNotMatch(text, /Configured and ready/);
  });

  test('says so in the log', async () => {
    const { variables } = await w.logLine((line) => line.event === 'misconfigured');
    assert.deepEqual(variables.toSorted(), Object.keys(bad).toSorted());
  });

  test('tells no value anywhere', async () => {
    const told = [...(await Promise.all(['/', '/healthz', '/v1/shop'].map(get))).map(({ text }) => text), w.logs().text].join('\n');
    for (const value of [...Object.values(bad).filter((value) => value !== 'short'), ...w.secrets]) assert.ok(!told.includes(value), `${value} was told`);
  });

  test('still serves the contract, and sweeps nothing', async () => {
    assert.equal((await get('/openapi.json')).status, 200);
    await w.scheduled();
  });
});

describe('what each variable is for', () => {
  const problems = async (vars) => {
    await w.restart({ ...Object.fromEntries(Object.keys(bad).map((name) => [name, undefined])), SEAL_KEYS: `k1:${'ab'.repeat(32)}`,
      STRIPE_SECRET_KEY: undefined, STRIPE_CLIENT_ID: undefined, STRIPE_TEST_SECRET_KEY: 'sk_test_1', STRIPE_TEST_CLIENT_ID: 'ca_1', ALLOW_LOCAL: 'true',
      SHOP_VERIFICATION: undefined, RATE_LIMITS: undefined, PUBLIC_URL: undefined, ...vars });
    const { body } = await get('/healthz');
    return body.status === 'ok' ? 'ok' : [...new Set(body.problems.map(({ variable }) => variable))].toSorted().join(' ');
  };

  test('one mode is enough, half a pair is not', async () => {
    assert.equal(await problems({}), 'ok');
    assert.match(await problems({ STRIPE_TEST_CLIENT_ID: undefined }), /STRIPE_TEST_CLIENT_ID/);
    assert.match(await problems({ STRIPE_TEST_SECRET_KEY: undefined, STRIPE_TEST_CLIENT_ID: undefined }), /STRIPE/);
  });

  test('what is for one’s own machine needs ALLOW_LOCAL, and the front page says loudly that it is on', async () => {
    assert.equal(await problems({ ALLOW_LOCAL: undefined }), 'PUBLIC_URL');
    const online = { ALLOW_LOCAL: undefined, PUBLIC_URL: 'https://pay.example', STRIPE_API_BASE: undefined, STRIPE_CONNECT_BASE: undefined, STRIPE_FILES_BASE: undefined };
    assert.equal(await problems(online), 'ok');
    assert.doesNotMatch((await get('/')).text, /ALLOW_LOCAL is on/);
    assert.equal(await problems({ ...online, SHOP_VERIFICATION: 'off', RATE_LIMITS: 'off' }), 'RATE_LIMITS SHOP_VERIFICATION');
    assert.equal(await problems({ SHOP_VERIFICATION: 'off', RATE_LIMITS: 'off' }), 'ok');
    assert.match((await get('/')).text, /ALLOW_LOCAL is on/);
  });
});
