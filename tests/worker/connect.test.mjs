// Contract, *Connect*: a merchant's account, by OAuth, and everything that must not become a connection.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { beginConnect, browserLike, chatBody, comeBack, connectShop, createSession, newVerifier, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe;
let w;
let api;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
});
after(async () => { await w.close(); await stripe.close(); });

async function shopOf(t, fields) {
  const shop = await registerShop(w, fields);
  t.after(() => shop.close());
  return shop;
}
const merchant = async () => (await stripe.createAccount({ charges_enabled: true, details_submitted: true })).id;
const confirm = (shop, claim, verifier) => api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim, verifier } });
const connection = async (shop, mode = 'test') => fine(await api('GET', `/v1/connection?mode=${mode}`, { key: shop.key }));
const disconnect = (shop, query = '?mode=test') => api('DELETE', `/v1/connection${query}`, { key: shop.key });
const atStripe = (account, livemode = false) => stripe.books().connections.some((one) => one.account === account && one.livemode === livemode);
const exchanges = () => stripe.requests.filter(({ route }) => route === 'POST /oauth/token').length;
const deauthorizations = (account) => stripe.requests.filter(({ route, params }) => route === 'POST /oauth/deauthorize' && params.stripe_user_id === account).length;
const stateOf = (begun) => new URL(begun.authorizeUrl).searchParams.get('state');

/** A page for a person: nobody is sent anywhere. */
function isPage(answer, status) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.location, null);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  assert.match(answer.headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(answer.headers.get('cache-control'), 'no-store');
}

describe('the whole walk', () => {
  test('start, consent, Stripe, callback, confirm', async (t) => {
    const shop = await shopOf(t, { name: 'Tea & <b>Coffee</b>' });
    const account = await merchant();
    const begun = await beginConnect(w, shop, { returnUrl: `${shop.origin}/admin?page=cc#tab`, prefill: { email: 'a@shop.example', business_name: 'Tea' } });

    isPage(begun.page, 200);
    assert.ok(begun.page.text.includes(shop.origin), 'the page names the origin');
    assert.match(begun.page.text, /Test/);
    assert.ok(begun.page.text.includes('Tea &amp; &lt;b&gt;Coffee'), 'a name is text');
    assert.equal(begun.page.text.match(/<button/g).length, 1);

    assert.equal(begun.posted.status, 303);
    const ask = new URL(begun.authorizeUrl);
    assert.equal(ask.origin + ask.pathname, `${stripe.url}/oauth/authorize`);
    const { state, ...params } = Object.fromEntries(ask.searchParams);
    assert.deepEqual(params, {
      response_type: 'code', client_id: stripe.keys.test.clientId, scope: 'read_write', redirect_uri: `${w.url}/connect/callback`,
      'stripe_user[email]': 'a@shop.example', 'stripe_user[business_name]': 'Tea',
    });
    assert.ok(Buffer.from(state, 'base64url').length >= 16, '128 bits or more');
    const cookie = begun.posted.headers.getSetCookie()[0];
    assert.match(cookie, /^__Host-cc_[^=]+=[^;]+;/);
    for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=600']) assert.ok(cookie.includes(attribute), attribute);

    const before = exchanges();
    const back = await comeBack(w, stripe, begun, { account });
    assert.equal(exchanges(), before + 1);
    assert.equal(back.home.status, 303);
    const home = new URL(back.home.location);
    assert.equal(home.origin + home.pathname + home.hash, `${shop.origin}/admin#tab`);
    assert.deepEqual(back.params, { page: 'cc', cc_connect: 'pending', cc_claim: back.claim });
    assert.equal(begun.browser.jar.size, 0, 'the cookie is taken away');
    assert.equal((await connection(shop)).connected, false, 'not before the admin confirms');

    const made = fine(await confirm(shop, back.claim, begun.verifier));
    const { connected_at: at, checked_at: checked, ...rest } = made;
    assert.deepEqual(rest, {
      object: 'connection', connected: true, account, livemode: false, scope: 'read_write', charges_enabled: true, details_submitted: true,
      gone_at: null, gone_reason: null,
    });
    assert.ok(Math.abs(at - Date.now() / 1000) < 30 && checked >= at);
    assert.deepEqual(await connection(shop), made);
    // An answer may be lost on its way: the same claim and verifier get it again.
    assert.deepEqual(fine(await confirm(shop, back.claim, begun.verifier)), made);
    assert.equal(exchanges(), before + 1);
  });

  test('live mode has its own keys and its own connection', async (t) => {
    const shop = await shopOf(t);
    const { account, begun } = await connectShop(w, stripe, shop, { mode: 'live' });
    assert.equal(new URL(begun.authorizeUrl).searchParams.get('client_id'), stripe.keys.live.clientId);
    assert.match(begun.page.text, /real money/);
    assert.equal((await connection(shop, 'live')).account, account);
    assert.equal((await connection(shop, 'test')).connected, false);
    assert.equal(fine(await api('GET', '/v1/connection', { key: shop.key })).livemode, true, 'the only one decides');
  });

  test('the mode of the only connection is the default; without one it is live', async (t) => {
    const shop = await shopOf(t);
    assert.equal(fine(await api('GET', '/v1/connection', { key: shop.key })).livemode, true);
    await connectShop(w, stripe, shop);
    assert.equal(fine(await api('GET', '/v1/connection', { key: shop.key })).livemode, false);
    refused(await api('GET', '/v1/connection?mode=both', { key: shop.key }), 422, 'parameter_invalid', 'mode');
  });

  test('nothing secret is in clear in the database, in KV, in the log or in an answer', async (t) => {
    const shop = await shopOf(t);
    const account = await merchant();
    const begun = await beginConnect(w, shop);
    const cookie = [...begun.browser.jar.values()][0];
    const back = await comeBack(w, stripe, begun, { account });
    const { access_token: access, refresh_token: refresh } = stripe.world.connection(account, false);
    const secrets = [access, refresh, back.claim, begun.verifier, cookie, stateOf(begun), begun.ticketUrl.split('/').pop(), new URL(back.callbackUrl).searchParams.get('code'), shop.key, ...w.secrets];
    const everything = async () => {
      const tables = await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'");
      const rows = await Promise.all(tables.map(({ name }) => w.d1(`SELECT * FROM ${name}`)));
      const kv = await w.kv();
      const { keys } = await kv.list();
      const values = await Promise.all(keys.map(({ name }) => kv.get(name)));
      return { d1: JSON.stringify(rows), kv: JSON.stringify([keys, values]), log: w.logs().text, keys };
    };
    const check = (found, when) => {
      for (const [place, text] of Object.entries({ d1: found.d1, kv: found.kv, log: found.log })) {
        for (const [i, secret] of secrets.entries()) assert.ok(!text.includes(secret), `${when}: secret ${i} is in ${place}`);
      }
    };
    check(await everything(), 'waiting');
    assert.match((await w.d1('SELECT sealed_token FROM connect_claims WHERE account = ?', account))[0].sealed_token, /k1/, 'sealed by the key of that name');

    const confirmed = await confirm(shop, back.claim, begun.verifier);
    const [{ id }] = await w.d1('SELECT id FROM connections WHERE account = ?', account);
    const found = await everything();
    check(found, 'connected');
    assert.ok(found.keys.some(({ name }) => name === `oauth/${id}`), 'the sealed token is in KV');
    assert.deepEqual(await w.d1('SELECT sealed_token FROM connect_claims WHERE account = ?', account), [{ sealed_token: null }]);
    for (const text of [confirmed.text, back.home.location, back.home.text, begun.page.text]) assert.ok(!text.includes(access) && !text.includes(refresh));
  });
});

describe('POST /v1/connect/start', () => {
  test('refuses', async (t) => {
    const shop = await shopOf(t);
    const good = { return_url: `${shop.origin}/admin`, verifier_challenge: newVerifier().challenge };
    for (const [body, status, code, param] of [
      [{ ...good, return_url: undefined }, 400, 'parameter_missing', 'return_url'],
      [{ ...good, verifier_challenge: undefined }, 400, 'parameter_missing', 'verifier_challenge'],
      [{ ...good, verifier_challenge: 'short' }, 422, 'parameter_invalid', 'verifier_challenge'],
      [{ ...good, verifier_challenge: `${good.verifier_challenge}=` }, 422, 'parameter_invalid', 'verifier_challenge'],
      [{ ...good, return_url: 'https://evil.example/' }, 422, 'url_not_allowed', 'return_url'],
      [{ ...good, return_url: `${shop.origin}@evil.example/` }, 422, 'url_not_allowed', 'return_url'],
      [{ ...good, return_url: '//evil.example' }, 422, 'url_not_allowed', 'return_url'],
      [{ ...good, mode: 'sandbox' }, 422, 'parameter_invalid', 'mode'],
      [{ ...good, replace: 'yes' }, 400, 'parameter_invalid_boolean', 'replace'],
      [{ ...good, prefill: { iban: 'x' } }, 400, 'parameter_unknown', 'prefill[iban]'],
      [{ ...good, prefill: 'x' }, 400, 'parameter_invalid_object', 'prefill'],
      [{ ...good, state: 'mine' }, 400, 'parameter_unknown', 'state'],
    ]) refused(await api('POST', '/v1/connect/start', { key: shop.key, body }), status, code, param);
  });

  test('409 already_connected, unless replace', async (t) => {
    const shop = await shopOf(t);
    await connectShop(w, stripe, shop);
    const body = { return_url: `${shop.origin}/admin`, mode: 'test', verifier_challenge: newVerifier().challenge };
    refused(await api('POST', '/v1/connect/start', { key: shop.key, body }), 409, 'already_connected');
    fine(await api('POST', '/v1/connect/start', { key: shop.key, body: { ...body, replace: true } }), 201);
    fine(await api('POST', '/v1/connect/start', { key: shop.key, body: { ...body, mode: 'live' } }), 201);
  });

  test('503 not_configured for a mode that the operator has no keys for', async (t) => {
    const shop = await shopOf(t);
    t.after(() => w.restart({ STRIPE_SECRET_KEY: stripe.keys.live.secret, STRIPE_CLIENT_ID: stripe.keys.live.clientId }));
    await w.restart({ STRIPE_SECRET_KEY: undefined, STRIPE_CLIENT_ID: undefined });
    const body = { return_url: `${shop.origin}/admin`, verifier_challenge: newVerifier().challenge };
    refused(await api('POST', '/v1/connect/start', { key: shop.key, body: { ...body, mode: 'live' } }), 503, 'not_configured');
    assert.equal(fine(await api('POST', '/v1/connect/start', { key: shop.key, body }), 201).livemode, false, 'then test is the default');
  });
});

describe('the consent page', () => {
  test('an unknown, a used and an old ticket are pages', async (t) => {
    const shop = await shopOf(t);
    const browser = browserLike(w);
    isPage(await browser.go('/connect/nothing'), 404);
    isPage(await browser.go('/connect/nothing', { method: 'POST', form: {} }), 404);
    const used = await beginConnect(w, shop);
    await comeBack(w, stripe, used, { account: await merchant() });
    isPage(await browser.go(used.ticketUrl), 404);
    const old = await beginConnect(w, shop);
    await w.d1('UPDATE connect_tickets SET expires_at = 1 WHERE shop_id = ?', shop.id);
    isPage(await browser.go(old.ticketUrl), 404);
    isPage(await browser.go(old.ticketUrl, { method: 'POST', form: {} }), 404);
  });

  test('looking at it (a link scanner) uses nothing up', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    for (const method of ['HEAD', 'GET', 'GET']) assert.equal((await browserLike(w).go(begun.ticketUrl, { method })).status, 200);
    assert.ok((await comeBack(w, stripe, begun, { account: await merchant() })).claim);
  });

  test('a button pressed twice leaves the first press good', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const twice = await begun.browser.go(begun.ticketUrl, { method: 'POST', form: {} });
    assert.notEqual(twice.location, begun.authorizeUrl);
    assert.ok((await comeBack(w, stripe, begun, { account: await merchant() })).claim);
  });
});

describe('GET /connect/callback', () => {
  test('denied: home with cc_connect=denied, and the ticket is used', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const before = exchanges();
    const back = await comeBack(w, stripe, begun, { deny: true });
    assert.deepEqual(back.params, { cc_connect: 'denied' });
    assert.equal(exchanges(), before);
    isPage(await begun.browser.go(begun.ticketUrl), 404);
  });

  test('another error of Stripe\'s is code_rejected, and its description goes nowhere', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const home = await begun.browser.go(`/connect/callback?error=invalid_scope&error_description=Call+0190+now&state=${stateOf(begun)}`);
    assert.equal(home.location, `${shop.origin}/admin/connected?cc_connect=failed&cc_code=code_rejected`);
  });

  test('the state works once: the second time is a page, and the code is not sent again', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const account = await merchant();
    const cookies = [...begun.browser.jar];
    const before = exchanges();
    const back = await comeBack(w, stripe, begun, { account });
    for (const [name, value] of cookies) begun.browser.jar.set(name, value);
    isPage(await begun.browser.go(back.callbackUrl), 400);
    assert.equal(exchanges(), before + 1);
    assert.ok(atStripe(account), 'a second exchange would have revoked it');
    fine(await confirm(shop, back.claim, begun.verifier));
  });

  test('two callbacks at the same moment: one exchange', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const { location } = await stripe.authorize({ authorizeUrl: begun.authorizeUrl, account: await merchant() });
    const before = exchanges();
    const answers = await Promise.all([1, 2, 3].map(() => begun.browser.go(location)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [303, 400, 400]);
    assert.equal(exchanges(), before + 1);
  });

  test('a stolen callback, in another browser: a page, no redirect, no exchange, and the state is spent', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const { location } = await stripe.authorize({ authorizeUrl: begun.authorizeUrl, account: await merchant() });
    const before = exchanges();
    const thief = await beginConnect(w, shop); // has a cookie, of another state
    const stolen = await thief.browser.go(location);
    isPage(stolen, 400);
    assert.ok(!stolen.text.includes('cc_claim'));
    isPage(await begun.browser.go(location), 400);
    assert.equal(exchanges(), before);
  });

  test('an old state, and none at all, are pages', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    await w.d1('UPDATE connect_states SET expires_at = 1 WHERE used_at IS NULL');
    isPage(await begun.browser.go(`/connect/callback?code=ac_x&state=${stateOf(begun)}`), 400);
    for (const query of ['', '?code=ac_x', '?state=', '?code=ac_x&state=guess']) isPage(await begun.browser.go(`/connect/callback${query}`), 400);
  });

  test('HEAD is refused and spends nothing', async (t) => {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop);
    const { location } = await stripe.authorize({ authorizeUrl: begun.authorizeUrl, account: await merchant() });
    assert.equal((await begun.browser.go(location, { method: 'HEAD' })).status, 405);
    assert.match((await begun.browser.go(location)).location, /cc_connect=pending/);
  });

  test('a code that Stripe does not take: code_rejected', async (t) => {
    const shop = await shopOf(t);
    for (const code of ['code=ac_wrong', 'code=', 'nothing=1']) {
      const begun = await beginConnect(w, shop);
      const home = await begun.browser.go(`/connect/callback?${code}&state=${stateOf(begun)}`);
      assert.equal(new URL(home.location).searchParams.get('cc_code'), 'code_rejected');
    }
  });

  for (const how of ['500', '429', 'drop_before', 'drop_after']) {
    test(`Stripe ${how}: stripe_unavailable after exactly one exchange`, async (t) => {
      const shop = await shopOf(t);
      const begun = await beginConnect(w, shop);
      const before = exchanges();
      stripe.misbehave({ on: 'POST /oauth/token', how, times: 5 });
      t.after(() => stripe.clearMisbehaviour());
      const back = await comeBack(w, stripe, begun, { account: await merchant() });
      assert.deepEqual(back.params, { cc_connect: 'failed', cc_code: 'stripe_unavailable' });
      assert.equal(exchanges(), before + 1);
    });
  }

  describe('what Stripe should never answer', () => {
    let odd; // a Stripe that answers what a test wants
    before(async () => {
      const calls = [];
      const server = createServer(async (request, response) => {
        let body = '';
        for await (const chunk of request) body += chunk;
        calls.push({ path: request.url, params: Object.fromEntries(new URLSearchParams(body)), key: request.headers.authorization });
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(request.url === '/oauth/token' ? odd.grant : { stripe_user_id: 'x' }));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      odd = { calls, server, grant: undefined };
      await w.restart({ STRIPE_CONNECT_BASE: `http://127.0.0.1:${server.address().port}` });
    });
    after(async () => {
      await w.restart({ STRIPE_CONNECT_BASE: stripe.url });
      odd.server.closeAllConnections();
      odd.server.close();
    });
    const walk = async (shop, grant) => {
      odd.grant = { access_token: 'sk_test_x', refresh_token: 'rt_x', livemode: false, scope: 'read_write', token_type: 'bearer', stripe_user_id: 'acct_1Odd', ...grant };
      const begun = await beginConnect(w, shop);
      const home = await begun.browser.go(`/connect/callback?code=ac_1&state=${stateOf(begun)}`);
      return Object.fromEntries(new URL(home.location).searchParams);
    };

    test('the other mode: mode_mismatch, and the account is given back in the mode it came in', async (t) => {
      const shop = await shopOf(t);
      assert.deepEqual(await walk(shop, { livemode: true }), { cc_connect: 'failed', cc_code: 'mode_mismatch' });
      const call = await eventually(() => odd.calls.find(({ path }) => path === '/oauth/deauthorize'));
      assert.deepEqual(call.params, { client_id: stripe.keys.live.clientId, stripe_user_id: 'acct_1Odd' });
      assert.equal(call.key, `Bearer ${stripe.keys.live.secret}`);
    });

    for (const id of ['acct_', 'acct_1/../x', 'cus_1', 'acct_1 2', 'acct_ü', '']) {
      test(`the account "${id}": account_invalid`, async (t) => {
        assert.deepEqual(await walk(await shopOf(t), { stripe_user_id: id }), { cc_connect: 'failed', cc_code: 'account_invalid' });
      });
    }
  });
});

describe('POST /v1/connect/confirm', () => {
  async function waiting(t, fields) {
    const shop = await shopOf(t);
    const begun = await beginConnect(w, shop, fields);
    const account = await merchant();
    const { claim } = await comeBack(w, stripe, begun, { account });
    return { shop, begun, account, claim, verifier: begun.verifier };
  }

  test('a wrong verifier kills the claim, and the account is given back', async (t) => {
    const { shop, claim, verifier, account } = await waiting(t);
    refused(await confirm(shop, claim, newVerifier().verifier), 422, 'verifier_mismatch', 'verifier');
    refused(await confirm(shop, claim, verifier), 422, 'claim_dead', 'claim');
    assert.equal((await connection(shop)).connected, false);
    await eventually(() => !atStripe(account), 'still connected at Stripe');
    assert.deepEqual(await w.d1('SELECT status, sealed_token FROM connect_claims WHERE account = ?', account), [{ status: 'dead', sealed_token: null }]);
  });

  test('another shop\'s claim is 404, and harms nothing', async (t) => {
    const { shop, claim, verifier } = await waiting(t);
    const other = await shopOf(t);
    refused(await confirm(other, claim, verifier), 404, 'resource_missing', 'claim');
    refused(await confirm(other, claim, 'wrong'), 404, 'resource_missing', 'claim');
    refused(await confirm(shop, 'ccc_unknown', verifier), 404, 'resource_missing', 'claim');
    fine(await confirm(shop, claim, verifier));
  });

  test('members', async (t) => {
    const shop = await shopOf(t);
    for (const [body, status, code, param] of [
      [{ verifier: 'v' }, 400, 'parameter_missing', 'claim'], [{ claim: 'c' }, 400, 'parameter_missing', 'verifier'],
      [{ claim: 1, verifier: 'v' }, 400, 'parameter_invalid_string', 'claim'], [{ claim: 'c', verifier: 'v', mode: 'test' }, 400, 'parameter_unknown', 'mode'],
    ]) refused(await api('POST', '/v1/connect/confirm', { key: shop.key, body }), status, code, param);
  });

  test('after ten minutes the claim is dead; the sweep takes its token and gives the account back', async (t) => {
    const { shop, claim, verifier, account } = await waiting(t);
    await w.d1('UPDATE connect_claims SET expires_at = 1 WHERE account = ?', account);
    refused(await confirm(shop, claim, verifier), 422, 'claim_dead', 'claim');
    await w.scheduled();
    await w.scheduled();
    assert.ok(!atStripe(account));
    const left = await w.d1('SELECT sealed_token FROM connect_claims WHERE account = ?', account);
    assert.ok(left.every((row) => row.sealed_token === null));
  });

  test('replace: the new account is active, the old one is given back', async (t) => {
    const shop = await shopOf(t);
    const first = await connectShop(w, stripe, shop);
    const second = await connectShop(w, stripe, shop, { replace: true });
    assert.equal((await connection(shop)).account, second.account);
    await eventually(() => !atStripe(first.account));
    assert.ok(atStripe(second.account));
    refused(await confirm(shop, first.claim, first.verifier), 422, 'claim_dead', 'claim');
  });

  test('replace by the same account keeps it', async (t) => {
    const shop = await shopOf(t);
    const first = await connectShop(w, stripe, shop);
    await connectShop(w, stripe, shop, { replace: true, account: first.account });
    await w.scheduled();
    assert.ok(atStripe(first.account));
    assert.equal(deauthorizations(first.account), 0);
    assert.equal((await connection(shop)).account, first.account);
  });

  test('a lost race: 409 at confirm, and the loser is given back', async (t) => {
    const shop = await shopOf(t);
    const [one, two] = [await beginConnect(w, shop), await beginConnect(w, shop)];
    const [a, b] = [await merchant(), await merchant()];
    const claims = [(await comeBack(w, stripe, one, { account: a })).claim, (await comeBack(w, stripe, two, { account: b })).claim];
    const answers = await Promise.all([confirm(shop, claims[0], one.verifier), confirm(shop, claims[1], two.verifier)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    refused(answers.find(({ status }) => status === 409), 409, 'already_connected');
    const winner = (await connection(shop)).account;
    assert.equal(winner, answers.find(({ status }) => status === 200).body.account);
    const loser = winner === a ? b : a;
    await eventually(() => !atStripe(loser));
    assert.ok(atStripe(winner));
  });

  test('connected meanwhile: the callback says already_connected and gives the account back', async (t) => {
    const shop = await shopOf(t);
    const late = await beginConnect(w, shop);
    const first = await connectShop(w, stripe, shop);
    const account = await merchant();
    const back = await comeBack(w, stripe, late, { account });
    assert.deepEqual(back.params, { cc_connect: 'failed', cc_code: 'already_connected' });
    await eventually(() => !atStripe(account));
    assert.equal((await connection(shop)).account, first.account);
  });
});

describe('the end of a connection', () => {
  test('DELETE deauthorizes at Stripe, forgets the token, and may be repeated', async (t) => {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    const [{ id }] = await w.d1('SELECT id FROM connections WHERE account = ?', account);
    const ended = fine(await disconnect(shop));
    assert.deepEqual({ connected: ended.connected, account: ended.account, livemode: ended.livemode }, { connected: false, account: null, livemode: false });
    assert.ok(!atStripe(account));
    assert.equal(await (await w.kv()).get(`oauth/${id}`), null);
    fine(await disconnect(shop));
    assert.equal(deauthorizations(account), 1);
    const answer = await api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'k', body: chatBody(shop, { mode: 'test' }) });
    refused(answer, 409, 'not_connected');
    assert.equal((await connectShop(w, stripe, shop, { account })).connection.connected, true, 'and it may be connected again');
  });

  test('whose webhook comes before the answer of Stripe is still the shop\'s own doing', async (t) => {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    await w.d1('UPDATE connections SET connected_at = connected_at - 5 WHERE account = ?', account);
    stripe.misbehave({ on: 'POST /oauth/deauthorize', how: 'hold_after' });
    t.after(() => stripe.clearMisbehaviour());
    const ended = disconnect(shop);
    await stripe.holding();
    await stripe.webhooks.drained();
    stripe.release();
    fine(await ended);
    const { connected, gone_at, gone_reason } = await connection(shop);
    assert.deepEqual({ connected, gone_at, gone_reason }, { connected: false, gone_at: null, gone_reason: null });
    refused(await api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'k', body: chatBody(shop, { mode: 'test' }) }), 409, 'not_connected');
  });

  test('"not connected" at Stripe counts as done', async (t) => {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    stripe.webhooks.pause();
    t.after(() => { stripe.webhooks.drop(); stripe.webhooks.resume(); });
    await stripe.deauthorize(account, { livemode: false });
    assert.equal(fine(await disconnect(shop)).connected, false);
  });

  test('Stripe away: 503, still connected, and the next try ends it', async (t) => {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    stripe.misbehave({ on: 'POST /oauth/deauthorize', how: '500', times: 1 });
    t.after(() => stripe.clearMisbehaviour());
    refused(await disconnect(shop), 503, 'stripe_unavailable');
    assert.equal((await connection(shop)).account, account);
    fine(await disconnect(shop));
    assert.ok(!atStripe(account));
  });

  test('two shops on one account: it is given back only with the last', async (t) => {
    const [one, two] = [await shopOf(t), await shopOf(t)];
    const { account } = await connectShop(w, stripe, one);
    await connectShop(w, stripe, two, { account });
    fine(await disconnect(one));
    await eventually(async () => !(await w.d1('SELECT account FROM deauthorizations WHERE account = ?', account)).length);
    assert.ok(atStripe(account));
    assert.equal(deauthorizations(account), 0);
    assert.equal((await connection(two)).connected, true);
    fine(await disconnect(two));
    assert.ok(!atStripe(account));
  });

  test('two shops on one account leave at the same moment: it is given back', async (t) => {
    const [one, two] = [await shopOf(t), await shopOf(t)];
    const { account } = await connectShop(w, stripe, one);
    await connectShop(w, stripe, two, { account });
    for (const answer of await Promise.all([disconnect(one), disconnect(two)])) fine(answer);
    await eventually(() => !atStripe(account), 'nobody here uses the account, and it is still connected');
  });

  test('a dead claim does not take the account from another shop', async (t) => {
    const [one, two] = [await shopOf(t), await shopOf(t)];
    const { account } = await connectShop(w, stripe, one);
    const begun = await beginConnect(w, two);
    const { claim } = await comeBack(w, stripe, begun, { account });
    refused(await confirm(two, claim, 'wrong'), 422, 'verifier_mismatch', 'verifier');
    await w.scheduled();
    assert.ok(atStripe(account));
    assert.equal((await connection(one)).connected, true);
  });

  test('deauthorized by its owner at Stripe: every shop\'s connection is gone', async (t) => {
    const [one, two] = [await shopOf(t), await shopOf(t)];
    const { account } = await connectShop(w, stripe, one);
    await connectShop(w, stripe, two, { account });
    await w.d1('UPDATE connections SET connected_at = connected_at - 5 WHERE account = ?', account);
    await stripe.deauthorize(account, { livemode: false });
    await stripe.webhooks.drained();
    for (const shop of [one, two]) {
      const gone = await connection(shop);
      assert.deepEqual({ connected: gone.connected, account: gone.account, reason: gone.gone_reason }, { connected: false, account: null, reason: 'deauthorized' });
      assert.ok(gone.gone_at);
      refused(await api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'k', body: chatBody(shop, { mode: 'test' }) }), 409, 'connection_gone');
    }
  });
});

describe('Stripe says account_invalid', () => {
  /** A connected shop whose account has left without a word. */
  async function left(t) {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    stripe.webhooks.pause();
    await stripe.deauthorize(account, { livemode: false });
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    return { shop, account };
  }
  let keys = 0;
  const sell = (shop) => api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: `gone-${keys += 1}`, body: chatBody(shop, { mode: 'test' }) });

  test('connection_gone, and the connection says so', async (t) => {
    const { shop } = await left(t);
    refused(await sell(shop), 409, 'connection_gone');
    const gone = await connection(shop);
    assert.deepEqual({ connected: gone.connected, reason: gone.gone_reason }, { connected: false, reason: 'account_invalid' });
    refused(await sell(shop), 409, 'connection_gone');
    assert.deepEqual(await w.d1('SELECT id FROM transactions WHERE shop_id = ?', shop.id), [], 'nothing was begun');
  });

  test('a look at the connection notices it too', async (t) => {
    const { shop } = await left(t);
    await w.d1('UPDATE connections SET checked_at = 1 WHERE shop_id = ?', shop.id);
    assert.equal((await connection(shop)).gone_reason, 'account_invalid');
  });

  test('a later success revives it', async (t) => {
    for (const look of ['sell', 'get']) {
      const { shop, account } = await left(t);
      refused(await sell(shop), 409, 'connection_gone');
      await connectShop(w, stripe, await shopOf(t), { account }); // the account is the platform's again
      await w.d1('UPDATE connections SET checked_at = 1 WHERE shop_id = ?', shop.id);
      if (look === 'sell') {
        fine(await sell(shop), 201);
        await eventually(async () => (await w.d1('SELECT status FROM connections WHERE shop_id = ?', shop.id))[0].status === 'active');
      }
      const revived = await connection(shop);
      assert.deepEqual({ connected: revived.connected, account: revived.account, reason: revived.gone_reason }, { connected: true, account, reason: null });
    }
  });

  test('with another platform\'s key nothing is disconnected: 503 not_configured', async (t) => {
    const shop = await shopOf(t);
    const { account } = await connectShop(w, stripe, shop);
    const other = await startStripe();
    t.after(() => other.close());
    await w.restart({ STRIPE_API_BASE: other.url, STRIPE_TEST_SECRET_KEY: other.keys.test.secret });
    try {
      refused(await sell(shop), 503, 'not_configured');
      await w.d1('UPDATE connections SET checked_at = 1 WHERE shop_id = ?', shop.id);
      assert.equal((await connection(shop)).account, account);
    } finally {
      await w.restart({ STRIPE_API_BASE: stripe.url, STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret });
    }
    assert.ok((await createSession(w, shop, chatBody(shop, { mode: 'test' }))).id);
  });

  test('with a key that Stripe does not take: 503 not_configured, and the same attempt works once it is mended', async (t) => {
    const shop = await shopOf(t);
    await connectShop(w, stripe, shop);
    const attempt = { key: shop.key, idempotencyKey: 'bad-key', body: chatBody(shop, { mode: 'test' }) };
    await w.restart({ STRIPE_TEST_SECRET_KEY: 'sk_test_nobodysKey000000000000' });
    try {
      refused(await api('POST', '/v1/checkout/sessions', attempt), 503, 'not_configured');
      assert.equal((await connection(shop)).connected, true);
    } finally {
      await w.restart({ STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret });
    }
    fine(await api('POST', '/v1/checkout/sessions', attempt), 201);
  });
});
