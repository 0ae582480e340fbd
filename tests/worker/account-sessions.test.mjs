// Contract, *Stripe's agentic commerce*: account sessions, and the page that a link opens once. What they give lets a browser act for a
// merchant, so most of this is about who must not get it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { browserLike, connectShop, registerAnew, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api, shop, account;
before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => { await shop.close(); await w.close(); await stripe.close(); });

async function shopOf(t) {
  const one = await registerShop(w);
  t.after(() => one.close());
  return one;
}
const session = (of = shop, body = {}) => api('POST', '/v1/agentic/account_sessions', { key: of.key, body });
const link = (of = shop, body = {}) => api('POST', '/v1/agentic/settings_link', { key: of.key, body });
const asked = () => stripe.requests.filter(({ route }) => route === 'POST /v1/account_sessions');
const later = async (seconds) => w.d1('UPDATE agentic_settings SET expires_at = expires_at - ?', seconds);
/** The page asks, as its script does. */
const refresh = (browser, url, headers = { 'sec-fetch-site': 'same-origin' }) => browser.go(url, { method: 'POST', headers });
const agentic = (of, on, at = 1) => w.d1('INSERT INTO agentic (shop_id, livemode, account, enabled, rules, created, updated) VALUES (?, 0, ?, 1, ?, ?, ?)', of.id, on, '{}', at, at);

describe('account sessions', () => {
  test('for the shop\'s own account, in the version that has the component', async () => {
    const answer = await session();
    const made = fine(answer);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.deepEqual(Object.keys(made).sort(), ['account', 'client_secret', 'expires_at', 'livemode', 'object', 'publishable_key']);
    assert.match(made.client_secret, /^accs_secret__/);
    assert.deepEqual([made.account, made.publishable_key, made.livemode], [account, w.vars.STRIPE_TEST_PUBLISHABLE_KEY, false]);
    assert.ok(made.expires_at > Date.now() / 1000);
    const call = asked().at(-1);
    assert.deepEqual(call.params, { account, components: { agentic_commerce_settings: { enabled: 'true' } } });
    assert.equal(call.headers['stripe-version'], '2026-10-14.preview; embedded_connect_beta=v2');
    assert.equal(call.account, null);
    const again = fine(await session());
    assert.notEqual(again.client_secret, made.client_secret, 'each browser has its own');
  });

  test('it is in no log and in no table', async () => {
    const { client_secret: secret } = fine(await session());
    const tables = (await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'")).map(({ name }) => name);
    const rows = JSON.stringify(await w.d1Batch(tables.map((name) => `SELECT * FROM ${name}`)));
    assert.ok(!rows.includes(secret) && !w.logs().text.includes(secret));
  });

  test('mode: in the body or the query, else the only connection\'s', async (t) => {
    refused(await session(shop, { mode: 'live' }), 409, 'not_connected');
    refused(await api('POST', '/v1/agentic/account_sessions?mode=live', { key: shop.key, body: {} }), 409, 'not_connected');
    const both = await shopOf(t);
    await connectShop(w, stripe, both, { mode: 'live' });
    assert.deepEqual([fine(await session(both)).livemode, fine(await session(both)).publishable_key], [true, w.vars.STRIPE_PUBLISHABLE_KEY]);
  });

  test('refusals', async (t) => {
    const other = await shopOf(t);
    refused(await session(other), 409, 'not_connected');
    refused(await link(other), 409, 'not_connected');
    refused(await api('POST', '/v1/agentic/account_sessions', { body: {} }), 401, 'api_key_missing');
    refused(await session(shop, { account: 'acct_1' }), 400, 'parameter_unknown', 'account');
    refused(await session(shop, { mode: 'both' }), 422, 'parameter_invalid', 'mode');
    refused(await api('POST', '/v1/agentic/account_sessions?mode=x', { key: shop.key, body: {} }), 422, 'parameter_invalid', 'mode');
    refused(await session(shop, '{"mode":'), 400, 'json_invalid');
    const pending = await registerShop(w, { verify: false });
    t.after(() => pending.close());
    refused(await session(pending), 403, 'shop_not_verified');
    fine(await api('POST', `/v1/admin/shops/${other.id}/suspend`, { key: w.vars.ADMIN_KEY, body: {} }));
    refused(await session(other), 403, 'shop_suspended');
    refused(await link(other), 403, 'shop_suspended');
  });

  test('Stripe away, Stripe refusing, the account gone', async (t) => {
    const one = await shopOf(t);
    const { account: lost } = await connectShop(w, stripe, one);
    for (const how of ['500', '429', 'drop_before', 'drop_after']) {
      stripe.misbehave({ on: 'POST /v1/account_sessions', how, times: 1 });
      refused(await session(one), 503, 'stripe_unavailable');
    }
    stripe.world.connections.delete(`${lost} test`);
    for (let i = 0; i < 2; i += 1) refused(await session(one, { mode: 'test' }), 409, 'connection_gone');
    refused(await link(one, { mode: 'test' }), 409, 'connection_gone');
    const left = await shopOf(t);
    await stripe.deauthorize((await connectShop(w, stripe, left)).account);
    await stripe.webhooks.drained();
    refused(await session(left, { mode: 'test' }), 409, 'connection_gone');
  });

  test('one shop has the agentic side of an account: the other may not change it', async (t) => {
    const [first, second] = [await shopOf(t), await shopOf(t)];
    const { account: shared } = await connectShop(w, stripe, first);
    await connectShop(w, stripe, second, { account: shared });
    fine(await session(second));
    await agentic(first, shared);
    for (const ask of [session, link]) refused(await ask(second), 409, 'account_shared');
    fine(await session(first));
    await w.d1("UPDATE connections SET status = 'gone' WHERE shop_id = ?", first.id);
    fine(await session(second));
  });

  test('a site that is registered anew takes the place of the shop that had it', async (t) => {
    const old = await shopOf(t);
    const { account: kept } = await connectShop(w, stripe, old);
    await agentic(old, kept);
    const renewed = await registerAnew(w, old);
    await connectShop(w, stripe, renewed, { account: kept });
    fine(await session(renewed));
    fine(await link(renewed), 201);
    // Nobody gets it from a shop that may come back.
    const other = await shopOf(t);
    await connectShop(w, stripe, other, { account: kept });
    await agentic(renewed, kept, 2);
    fine(await api('POST', `/v1/admin/shops/${renewed.id}/suspend`, { key: w.vars.ADMIN_KEY, body: {} }));
    refused(await session(other), 409, 'account_shared');
  });
});

describe('the settings page', () => {
  test('opened once, by one browser, which then gets account sessions', async () => {
    const before = asked().length;
    const made = fine(await link(), 201);
    assert.deepEqual({ ...made, url: '', expires_at: 0 }, { object: 'agentic.settings_link', url: '', livemode: false, expires_at: 0 });
    assert.ok(Math.abs(made.expires_at - Date.now() / 1000 - 600) < 10);
    assert.ok(made.url.startsWith(`${w.url}/agentic/settings/`));
    const browser = browserLike(w);
    const page = await browser.go(made.url);
    assert.equal(page.status, 200);
    assert.equal(asked().length, before, 'the page itself holds no secret');
    assert.ok(!page.text.includes('accs_secret'));
    assert.ok(page.text.includes(shop.site) && page.text.includes(w.vars.STRIPE_TEST_PUBLISHABLE_KEY));
    assert.match(page.text, /role="status">[^<]*JavaScript/);
    const cookie = page.headers.getSetCookie()[0];
    for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=3600']) assert.ok(cookie.includes(attribute), attribute);
    assert.match(cookie, /^__Host-cc_/);
    for (const [name, value] of [['cache-control', 'no-store'], ['referrer-policy', 'no-referrer'], ['x-frame-options', 'DENY']]) assert.equal(page.headers.get(name), value);

    const given = await refresh(browser, made.url);
    assert.equal(given.status, 200, given.text);
    assert.equal(given.headers.get('cache-control'), 'no-store');
    assert.match(JSON.parse(given.text).client_secret, /^accs_secret__/);
    assert.deepEqual(asked().at(-1).params.account, account);
    assert.equal((await refresh(browser, made.url)).status, 200, 'Connect.js asks anew when one ends');

    for (const again of [browser, browserLike(w)]) {
      const second = await again.go(made.url);
      assert.equal(second.status, 404);
      assert.match(second.text, /no longer valid/);
      assert.equal(second.headers.getSetCookie().length, 0);
    }
    assert.equal((await refresh(browser, made.url)).status, 200, 'who tries it again does not end the page');
  });

  test('HEAD looks and uses nothing up', async () => {
    const { url } = fine(await link(), 201);
    for (let i = 0; i < 2; i += 1) {
      const head = await w.fetch(url, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text(), head.headers.getSetCookie()], [200, '', []]);
      assert.match(head.headers.get('content-type'), /text\/html/);
    }
    assert.equal((await browserLike(w).go(url)).status, 200);
    assert.equal((await w.fetch(url, { method: 'HEAD' })).status, 404);
    assert.equal((await w.fetch(`${w.url}/agentic/settings/nothing`, { method: 'HEAD' })).status, 404);
  });

  test('what the operator has not set does not use it up', async () => {
    const known = w.vars.STRIPE_TEST_PUBLISHABLE_KEY;
    const { url } = fine(await link(), 201);
    await w.restart({ STRIPE_TEST_PUBLISHABLE_KEY: undefined });
    try {
      assert.equal((await browserLike(w).go(url)).status, 503);
    } finally {
      await w.restart({ STRIPE_TEST_PUBLISHABLE_KEY: known });
    }
    assert.equal((await browserLike(w).go(url)).status, 200);
  });

  test('the policy names Stripe\'s hosts, or who stands in for them, and the scripts by their hashes', async () => {
    const { url } = fine(await link(), 201);
    const csp = (await browserLike(w).go(url)).headers.get('content-security-policy');
    const parts = Object.fromEntries(csp.split(';').map((part) => part.trim().split(/ (.*)/s).slice(0, 2)));
    assert.equal(parts['default-src'], "'none'");
    assert.match(parts['script-src'], new RegExp(`^'sha256-[A-Za-z0-9+/]{43}=' ${stripe.url} https://js\\.stripe\\.com$`));
    assert.equal(parts['frame-src'], `${stripe.url} https://js.stripe.com`);
    assert.equal(parts['img-src'], 'https://*.stripe.com');
    assert.equal(parts['connect-src'], "'self'");
    assert.match(parts['style-src'], /^'sha256-[^']+' 'sha256-0hAheEzaMe6uXIKV4EehS9pu1am1lj\/KnnzrOYqckXk='$/);
    assert.deepEqual([parts['form-action'], parts['frame-ancestors'], parts['base-uri']], ["'none'", "'none'", "'none'"]);
    assert.ok(!csp.includes('unsafe'));
  });

  test('a stranger gets nothing: no cookie, another\'s cookie, another site', async () => {
    const [mine, other] = [fine(await link(), 201), fine(await link(), 201)];
    const browser = browserLike(w);
    const over = (answer) => { assert.equal(answer.status, 404, answer.text); assert.equal(JSON.parse(answer.text).error.code, 'resource_missing'); };
    over(await refresh(browser, mine.url));
    await browser.go(mine.url);
    const before = asked().length;
    over(await refresh(browserLike(w), mine.url));
    over(await refresh(browser, other.url));
    for (const site of ['cross-site', 'same-site', 'none']) over(await refresh(browser, mine.url, { 'sec-fetch-site': site }));
    const forged = browserLike(w);
    const [[name]] = browser.jar;
    for (const value of ['', 'x', 'y'.repeat(43)]) {
      forged.jar.set(name, value);
      over(await refresh(forged, mine.url));
    }
    assert.equal(asked().length, before);
    assert.equal((await refresh(browser, mine.url)).status, 200);
  });

  test('ten minutes to be opened, an hour and thirty sessions for the page', async () => {
    const late = fine(await link(), 201);
    await later(601);
    assert.equal((await browserLike(w).go(late.url)).status, 404);
    const { url } = fine(await link(), 201);
    const browser = browserLike(w);
    await browser.go(url);
    for (let i = 0; i < 30; i += 1) assert.equal((await refresh(browser, url)).status, 200, `session ${i + 1}`);
    assert.equal((await refresh(browser, url)).status, 404);
    const next = fine(await link(), 201);
    const other = browserLike(w);
    await other.go(next.url);
    assert.equal((await refresh(other, next.url)).status, 200);
    await later(3601);
    assert.equal((await refresh(other, next.url)).status, 404);
  });

  test('two browsers at once: one gets it', async () => {
    const { url } = fine(await link(), 201);
    const statuses = await Promise.all(Array.from({ length: 6 }, async () => (await browserLike(w).go(url)).status));
    assert.deepEqual(statuses.sort(), [200, 404, 404, 404, 404, 404]);
  });

  test('a link leads nowhere once the shop is disconnected, suspended or on another account', async (t) => {
    const one = await shopOf(t);
    await connectShop(w, stripe, one);
    const [unopened, opened] = [fine(await link(one), 201), fine(await link(one), 201)];
    const browser = browserLike(w);
    await browser.go(opened.url);
    const both = async (status) => {
      assert.equal((await refresh(browser, opened.url)).status, status);
      assert.equal((await w.fetch(unopened.url, { method: 'HEAD' })).status, status);
    };
    await both(200);
    fine(await api('POST', `/v1/admin/shops/${one.id}/suspend`, { key: w.vars.ADMIN_KEY, body: {} }));
    await both(404);
    fine(await api('POST', `/v1/admin/shops/${one.id}/resume`, { key: w.vars.ADMIN_KEY, body: {} }));
    await both(200);
    await connectShop(w, stripe, one, { replace: true });
    await both(404);
    fine(await api('DELETE', '/v1/shop', { key: one.key }));
    assert.deepEqual(await w.d1('SELECT * FROM agentic_settings WHERE shop_id = ?', one.id), []);
  });

  test('Stripe away while the page asks', async () => {
    const { url } = fine(await link(), 201);
    const browser = browserLike(w);
    await browser.go(url);
    stripe.misbehave({ on: 'POST /v1/account_sessions', how: '500', times: 1 });
    assert.equal((await refresh(browser, url)).status, 503);
    assert.equal((await refresh(browser, url)).status, 200);
  });

  test('old links go with the sweep; secrets are only hashed', async () => {
    const { url } = fine(await link(), 201);
    const browser = browserLike(w);
    await browser.go(url);
    const rows = JSON.stringify(await w.d1('SELECT * FROM agentic_settings'));
    assert.ok(!rows.includes(url.split('/').pop()) && !rows.includes([...browser.jar.values()][0]));
    await later(3 * 24 * 3600);
    await w.scheduled();
    assert.deepEqual(await w.d1('SELECT * FROM agentic_settings'), []);
  });
});

describe('the publishable key', () => {
  test('without it, neither; the rest of the Worker goes on', async (t) => {
    const { url } = fine(await link(), 201);
    await w.restart({ STRIPE_TEST_PUBLISHABLE_KEY: undefined });
    t.after(() => w.restart({ STRIPE_TEST_PUBLISHABLE_KEY: 'pk_test_again1' }));
    for (const ask of [session, link]) {
      const error = refused(await ask(), 503, 'not_configured');
      assert.match(error.message, /STRIPE_TEST_PUBLISHABLE_KEY/);
      refused(await ask(await shopOf(t), { mode: 'test' }), 503, 'not_configured');
    }
    assert.equal((await browserLike(w).go(url)).status, 503);
    fine(await api('GET', '/v1/connection', { key: shop.key }));
    fine(await api('GET', '/v1/agentic/agreements', { key: shop.key }));
  });
});
