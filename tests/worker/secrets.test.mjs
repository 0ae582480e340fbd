// A walk through everything, with everything said on the way kept: no secret is where it does not belong,
// neither in an answer, nor in the log, nor in clear in the database.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentBody, beginConnect, chatBody, comeBack, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const SHOWN_TO_THE_SHOP_ONCE = ['POST /v1/shops', 'POST /v1/shop/api_keys', 'POST /v1/shop/signing_secrets'];
const BUYER = { email: 'secret-buyer@example.com', name: 'Secret Buyername', phone: '+15555550199' };

let stripe, w, shop, leaver;
/** Every answer of the Worker: {call: 'POST /v1/shops', headers: text, body: text}. */
const answers = [];
const secrets = { platform: [], shop: [], connect: [], tokens: [] };
const realFetch = globalThis.fetch;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  globalThis.fetch = async (url, init = {}) => {
    const answer = await realFetch(url, init);
    const { origin, pathname } = new URL(url);
    if (origin === w.url) {
      const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
      answers.push({ call: `${init.method ?? 'GET'} ${pathname}`, headers, body: await answer.clone().text() });
    }
    return answer;
  };
  await walk();
});

after(async () => {
  globalThis.fetch = realFetch;
  await w?.close();
  await stripe?.close();
  await shop?.close();
  await leaver?.close();
});

async function walk() {
  const begin = w.vars;
  secrets.platform.push(...w.secrets);
  const own = (method, path, more) => w.api(method, path, { key: shop.key, ...more });
  shop = await registerShop(w, { name: 'Shop' });
  // Connecting: once well, once with a wrong verifier, once denied, once with Stripe in trouble, once with a code sent twice.
  const good = await connectShop(w, stripe, shop);
  await own('POST', '/v1/connect/confirm', { body: { claim: good.claim, verifier: good.verifier } });
  await good.begun.browser.go(good.back.callbackUrl);
  const begun = await beginConnect(w, shop, { replace: true });
  const back = await comeBack(w, stripe, begun, { newAccount: true });
  await own('POST', '/v1/connect/confirm', { body: { claim: back.claim, verifier: 'x'.repeat(43) } });
  const denied = await beginConnect(w, shop, { replace: true });
  await comeBack(w, stripe, denied, { deny: true });
  const troubled = await beginConnect(w, shop, { replace: true });
  stripe.misbehave({ on: 'POST /oauth/token', how: '500', times: 9 });
  await comeBack(w, stripe, troubled, { newAccount: true });
  stripe.clearMisbehaviour();
  for (const one of [good.begun, begun, denied, troubled]) {
    secrets.connect.push(one.verifier, new URL(one.ticketUrl).pathname.split('/').at(-1), new URL(one.authorizeUrl).searchParams.get('state'));
  }
  secrets.connect.push(good.claim, back.claim);
  secrets.tokens.push(...tokensOf(stripe));
  await own('GET', '/v1/connection');
  await own('GET', '/v1/manifest');
  await own('GET', '/v1/shop');
  await own('PATCH', '/v1/shop', { body: { name: 'Renamed' } });
  // Selling: paid, declined, refused by Stripe, unreachable, delayed, expired.
  const paid = await createSession(w, shop, chatBody(shop, { customer: { email: BUYER.email }, cart: { order_key: 'wc_order_secretkey' }, collect: { phone: true } }));
  await stripe.pay(paid.id, { card: '4000000000000002', ...BUYER });
  const { location } = await stripe.pay(paid.id, BUYER);
  await w.fetch(location);
  await w.fetch(location);
  await w.fetch(`/checkout/cancel/${paid.transaction}`);
  const debit = await createSession(w, shop, agentBody(shop));
  await stripe.pay(debit.id, { card: 'bank_debit_fails', ...BUYER });
  await stripe.settle(debit.id, 'fail');
  const expired = await createSession(w, shop);
  await own('POST', `/v1/checkout/sessions/${expired.id}/expire`);
  stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: '500', times: 9 });
  await own('POST', '/v1/checkout/sessions', { idempotencyKey: 'down', body: chatBody(shop) });
  stripe.clearMisbehaviour();
  await own('POST', '/v1/checkout/sessions', { idempotencyKey: 'wrong', body: { source: 'chat' } });
  await stripe.webhooks.drained();
  // What Stripe says, forged and unreadable.
  for (const body of ['{}', 'no json', '']) {
    await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } });
    await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': 't=1,v1=00' } });
  }
  // Reading, also with keys and in places that are wrong.
  for (const path of ['', '.csv', '/summary', `/${paid.transaction}`]) await own('GET', `/v1/transactions${path}`);
  await own('GET', `/v1/checkout/sessions/${paid.id}`);
  for (const key of [`${shop.key}x`, w.vars.ADMIN_KEY, w.vars.STRIPE_SECRET_KEY]) await w.api('GET', '/v1/shop', { key });
  for (const path of [`/v1/transactions/${shop.key}`, `/connect/${shop.key}`, `/checkout/complete/${shop.key}`, `/${shop.key}`, `/v1/transactions?limit=${shop.key}`]) {
    await w.fetch(path, { headers: { authorization: `Bearer ${shop.key}` } });
  }
  // Rolling, and the operator's mistakes: a key that Stripe does not take, seals that do not open, a database that fails.
  const key = (await own('POST', '/v1/shop/api_keys')).body.api_key;
  const secret = (await own('POST', '/v1/shop/signing_secrets')).body.signing_secret;
  secrets.shop.push(shop.key, key, shop.secret, secret, shop.secret.slice(6), secret.slice(6), shop.shop.challenge);
  await w.scheduled();
  for (const path of ['/', '/healthz', '/openapi.json', '/nowhere']) await w.fetch(path);
  await w.d1('ALTER TABLE transactions RENAME TO away');
  await own('GET', '/v1/transactions');
  await own('POST', '/v1/checkout/sessions', { idempotencyKey: 'broken', body: chatBody(shop) });
  await w.fetch(location);
  await w.d1('ALTER TABLE away RENAME TO transactions');
  const wrong = { STRIPE_TEST_SECRET_KEY: 'sk_test_wrongwrongwrong', SEAL_KEYS: `k2:${'ab'.repeat(32)}` };
  secrets.platform.push(wrong.STRIPE_TEST_SECRET_KEY, 'ab'.repeat(32));
  await w.restart(wrong);
  await own('POST', '/v1/checkout/sessions', { idempotencyKey: 'wrong key', body: chatBody(shop) });
  await own('GET', '/v1/connection');
  await w.fetch(location);
  await w.scheduled();
  await w.restart({ STRIPE_TEST_SECRET_KEY: 'sk_live_inthewrongplace', ADMIN_KEY: 'short-admin' });
  secrets.platform.push('sk_live_inthewrongplace', 'short-admin');
  for (const path of ['/', '/healthz', '/v1/shop']) await w.fetch(path);
  await w.logLine(({ event }) => event === 'misconfigured');
  await own('DELETE', '/v1/connection');
  // The operator, with a key that is good and others that are not; then the shop takes everything and leaves.
  await w.restart({ STRIPE_TEST_SECRET_KEY: begin.STRIPE_TEST_SECRET_KEY, ADMIN_KEY: begin.ADMIN_KEY, SEAL_KEYS: `k2:${'ab'.repeat(32)},${begin.SEAL_KEYS}` });
  for (const key of [begin.ADMIN_KEY, shop.key, `${begin.ADMIN_KEY}x`]) {
    for (const path of ['shops', 'strays', 'metrics']) await w.api('GET', `/v1/admin/${path}`, { key });
    for (const word of ['suspend', 'resume']) await w.api('POST', `/v1/admin/shops/${shop.id}/${word}`, { key });
    await w.api('PATCH', `/v1/admin/shops/${shop.id}`, { key, body: { fee_bps: 0 } });
  }
  await w.scheduled();
  await own('GET', '/v1/shop/export');
  leaver = await registerShop(w, { name: 'Leaver' });
  const left = await connectShop(w, stripe, leaver);
  secrets.shop.push(leaver.key, leaver.secret, leaver.secret.slice(6));
  secrets.tokens.push(...tokensOf(stripe).filter((token) => !secrets.tokens.includes(token)));
  secrets.leaver = [left.claim, left.verifier, leaver.key, leaver.secret];
  const last = await createSession(w, leaver, chatBody(leaver, { customer: { email: BUYER.email } }));
  await stripe.pay(last.id, BUYER);
  await stripe.webhooks.drained();
  for (const [method, path] of [['GET', '/v1/shop/export'], ['DELETE', '/v1/shop'], ['DELETE', '/v1/shop']]) await w.api(method, path, { key: leaver.key });
  await w.scheduled();
}

/** The tokens and codes that the stand-in ever gave out, wherever it keeps them. */
function tokensOf({ world }) {
  const found = new Set();
  const seen = new Set();
  const visit = (value) => {
    if (typeof value === 'string') {
      if (/^(sk_acct_|rk_|rt_|ac_|sk_test_|sk_live_)/.test(value)) found.add(value);
    } else if (value && typeof value === 'object' && !seen.has(value)) {
      seen.add(value);
      if (value instanceof Map) for (const [key, inner] of value) { visit(key); visit(inner); }
      else if (value instanceof Set) value.forEach(visit);
      else Object.values(value).forEach(visit);
    }
  };
  visit(world);
  return [...found].filter((token) => !secrets.platform.includes(token));
}

/** Where one of the secrets is, told without telling it. */
const leaks = (list, text, where) => list.filter((secret) => text.includes(secret)).map((secret) => `${secret.slice(0, 8)}… in ${where}`);
const all = () => Object.values(secrets).flat();
const inAnswers = (list, except = () => false) =>
  answers.flatMap((answer) => (except(answer) ? [] : leaks(list, `${answer.headers}\n${answer.body}`, answer.call)));

describe('after a walk through everything', () => {
  test('the walk really went everywhere', () => {
    assert.ok(answers.length > 60, `${answers.length} answers`);
    for (const [kind, list] of Object.entries(secrets)) {
      assert.ok(list.length >= 4, `only ${list.length} secrets of ${kind}`);
      for (const secret of list) assert.ok(typeof secret === 'string' && secret.length >= 11, `no real secret among ${kind}`);
    }
    const routes = new Set(w.logs().lines.filter(({ event }) => event === 'request').map(({ route }) => route));
    assert.ok(routes.size >= 22, [...routes].join(' '));
    const shown = SHOWN_TO_THE_SHOP_ONCE.filter((call) => answers.some((answer) => answer.call === call && leaks(secrets.shop, answer.body, '').length));
    assert.deepEqual(shown, SHOWN_TO_THE_SHOP_ONCE, 'this test would not see a secret if there was one');
  });

  test('no secret is in the log, and no buyer', () => {
    assert.deepEqual(leaks([...all(), ...Object.values(BUYER), 'wc_order_secretkey'], w.logs().text, 'the log'), []);
  });

  test('no key of the platform’s, no token and no code is in any answer', () => {
    assert.deepEqual(inAnswers([...secrets.platform, ...secrets.tokens]), []);
  });

  test('a shop’s keys and secrets are in the answers that made them and in no other', () => {
    assert.deepEqual(inAnswers(secrets.shop, ({ call }) => SHOWN_TO_THE_SHOP_ONCE.includes(call)
      // Where a test put its own key into the address, the answer may name what was asked for to the one who asked.
      || call.includes(shop.key)), []);
  });

  test('a verifier is in no answer; ticket, state and claim only where the walk needs them', () => {
    const [verifiers, tickets, states] = [0, 1, 2].map((at) => secrets.connect.slice(0, -2).filter((_, place) => place % 3 === at));
    const claims = secrets.connect.slice(-2);
    assert.deepEqual(inAnswers(verifiers), []);
    assert.deepEqual(inAnswers(tickets, ({ call }) => call === 'POST /v1/connect/start' || /^GET \/connect\//.test(call)), []);
    assert.deepEqual(inAnswers(states, ({ call }) => /^POST \/connect\//.test(call)), []);
    assert.deepEqual(inAnswers(claims, ({ call }) => call === 'GET /connect/callback'), []);
  });

  test('a faulty Worker tells a reference number and no detail', () => {
    const faults = answers.filter(({ body }) => /"code":\s*"internal"/.test(body));
    assert.ok(faults.length >= 2);
    for (const { body } of faults) {
      assert.match(body, /"request_id"/);
      assert.doesNotMatch(body, /transactions|SQLITE|no such table|\.rs:/);
    }
  });

  test('a dump of the database opens nothing', async () => {
    const tables = await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'");
    assert.ok(tables.length >= 10);
    const challenge = shop.shop.challenge; // Published by the shop itself, at its own address.
    for (const { name } of tables) {
      const dump = JSON.stringify(await w.d1(`SELECT * FROM ${name}`));
      assert.deepEqual(leaks(all().filter((secret) => secret !== challenge), dump, name), []);
    }
  });

  test('the tokens in KV are sealed', async () => {
    const kv = await w.kv();
    const { keys } = await kv.list();
    assert.ok(keys.length >= 1);
    for (const { name } of keys) assert.deepEqual(leaks(all(), `${name} ${await kv.get(name)}`, 'KV'), []);
  });
});
