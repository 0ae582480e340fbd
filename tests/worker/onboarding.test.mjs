// Contract, *Connect*, the second way: Accounts v2 and account links, ending in the same claim, and everything that must not become a
// connection, or a second account.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { beginOnboarding, fillForm, goHome, onboardShop } from '../support/onboarding.mjs';
import { browserLike, connectShop, createSession, formOf, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api;
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
const PREFILL = { email: 'owner@shop.example', country: 'US', business_name: 'Harbour Lane', business_type: 'company', currency: 'USD', product_description: 'Mugs' };
const begin = (shop, more) => beginOnboarding(w, shop, { prefill: PREFILL, ...more });
const connection = async (shop, mode = 'test') => fine(await api('GET', `/v1/connection?mode=${mode}`, { key: shop.key }));
const confirm = (shop, claim, verifier) => api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim, verifier } });
const asked = (route) => stripe.requests.filter((request) => request.route === route);
const accountsMade = () => stripe.books().accounts.length;
const press = async (begun, form = {}) => {
  const page = await begun.browser.go(begun.ticketUrl);
  const { action, method, fields } = formOf(page.text);
  return begun.browser.go(new URL(action, begun.ticketUrl), { method, form: { ...fields, ...form } });
};

function isPage(answer, status) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.location, null);
  assert.match(answer.headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
}

describe('the whole walk', () => {
  test('start, page, account, form, back, confirm', async (t) => {
    const shop = await shopOf(t, { name: 'Tea' });
    const before = accountsMade();
    const begun = await begin(shop, { returnUrl: `${shop.origin}/admin?page=cc#tab` });
    isPage(begun.page, 200);
    assert.match(begun.page.text, /Open a Stripe account for this shop\?/);
    assert.ok(begun.page.text.includes(shop.origin));
    assert.equal(formOf(begun.page.text).fields.email, PREFILL.email, 'what the shop knows is filled in');
    assert.match(begun.page.text, /<option value="US" selected>/);

    assert.equal(begun.posted.status, 303, begun.posted.text);
    assert.ok(begun.link.startsWith(`${stripe.url}/setup/e/acct_`), begun.link);
    const cookies = begun.posted.headers.getSetCookie();
    assert.equal(cookies.length, 2, 'of the state, and of the ticket');
    for (const cookie of cookies) for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=7200']) assert.ok(cookie.includes(attribute), attribute);
    for (const cookie of cookies) assert.match(cookie, /^__Host-cc_/);
    assert.equal(accountsMade(), before + 1);

    const made = asked('POST /v2/core/accounts').at(-1);
    assert.equal(made.headers['stripe-version'], '2026-10-28.endive');
    assert.equal(made.headers['content-type'], 'application/json');
    assert.equal(made.headers['stripe-account'], undefined);
    assert.match(made.headers['idempotency-key'], /^cc_account_[0-9a-f]{40}_0$/);
    assert.deepEqual(made.params, {
      display_name: 'Harbour Lane', contact_email: PREFILL.email, dashboard: 'full', identity: { country: 'US', entity_type: 'company' },
      configuration: { merchant: { capabilities: { card_payments: { requested: true } } } },
      defaults: { currency: 'usd', profile: { product_description: 'Mugs' }, responsibilities: { fees_collector: 'stripe', losses_collector: 'stripe' } },
      metadata: { cc_shop: shop.id }, include: ['configuration.merchant', 'requirements'],
    });
    const account = new URL(begun.link).pathname.split('/')[3];
    const { return_url: returnTo, refresh_url: refreshTo } = asked('POST /v2/core/account_links').at(-1).params.use_case.account_onboarding;
    assert.ok(returnTo.startsWith(`${w.url}/connect/return?state=`) && refreshTo.startsWith(`${w.url}/connect/refresh?state=`));
    assert.ok(Buffer.from(new URL(returnTo).searchParams.get('state'), 'base64url').length >= 16, '128 bits or more');
    assert.equal((await connection(shop)).connected, false);

    const back = await fillForm(stripe, begun);
    assert.equal(back.home.status, 303, back.home.text);
    const home = new URL(back.home.location);
    assert.equal(home.origin + home.pathname + home.hash, `${shop.origin}/admin#tab`);
    assert.deepEqual(back.params, { page: 'cc', cc_connect: 'pending', cc_claim: back.claim });
    assert.equal(begun.browser.jar.size, 0, 'the cookie is taken away');
    assert.equal((await connection(shop)).connected, false, 'not before the admin confirms');

    const confirmed = fine(await confirm(shop, back.claim, begun.verifier));
    assert.deepEqual({ ...confirmed, connected_at: 0, checked_at: 0 }, {
      object: 'connection', connected: true, account, livemode: false, scope: 'read_write', connected_at: 0, charges_enabled: true, details_submitted: true,
      checked_at: 0, gone_at: null, gone_reason: null,
    });
    assert.deepEqual(fine(await confirm(shop, back.claim, begun.verifier)), confirmed, 'an answer may be lost');
    assert.deepEqual(await w.d1('SELECT method, token_seal FROM connections WHERE account = ?', account), [{ method: 'onboarding', token_seal: null }]);
    assert.equal(asked('POST /oauth/token').filter(({ params }) => JSON.stringify(params).includes(account)).length, 0);
    const session = await createSession(w, shop);
    assert.equal((await stripe.pay(session.id, {})).ok, true, 'it sells like any other');
  });

  test('live mode uses the live key', async (t) => {
    const shop = await shopOf(t);
    const { connection: made, begun } = await onboardShop(w, stripe, shop, { mode: 'live' });
    assert.equal(made.livemode, true);
    assert.match(begun.page.text, /real money/);
    assert.equal((await connection(shop, 'test')).connected, false);
  });

  test('what the merchant writes counts, and the shop need not know anything', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop, { prefill: {} });
    assert.equal(begun.posted.status, 422, 'Stripe wants an e-mail');
    assert.match(begun.posted.text, /Stripe did not make an account/);
    const wrong = await press(begun, { email: 'no address', country: 'US' });
    isPage(wrong, 422);
    assert.match(wrong.text, /role="alert"/);
    isPage(await press(begun, { email: 'a@b.example', country: 'Utopia' }), 422);
    const right = await press(begun, { email: 'Ada@Shop.example', country: 'de' });
    assert.equal(right.status, 303, right.text);
    const { params } = asked('POST /v2/core/accounts').at(-1);
    assert.deepEqual([params.contact_email, params.identity], ['Ada@Shop.example', { country: 'DE' }]);
    assert.equal(params.display_name, new URL(shop.site).host, 'a shop without a name is called by its address');
    assert.ok(!w.logs().text.includes('Ada@Shop'), 'nobody reads it in the log');
  });

  test('left half-way: connected, not ready, and gone on with', async (t) => {
    const shop = await shopOf(t);
    const { account, connection: half } = await onboardShop(w, stripe, shop, { finish: false });
    assert.deepEqual([half.connected, half.charges_enabled, half.details_submitted], [true, false, false]);
    const before = accountsMade();
    const again = await beginOnboarding(w, shop);
    assert.match(again.page.text, /Finish your Stripe account/);
    assert.equal(again.posted.status, 303);
    assert.equal(accountsMade(), before, 'no second account');
    assert.ok(again.link.includes(account), 'the same account');
    const back = await fillForm(stripe, again);
    const done = fine(await confirm(shop, back.claim, again.verifier));
    assert.deepEqual([done.account, done.charges_enabled, done.details_submitted], [account, true, true]);
    refused(await api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, mode: 'test', method: 'onboarding', verifier_challenge: 'a'.repeat(43) } }), 409, 'already_connected');
  });

  test('an unfinished account of OAuth is not gone on with, nor one by OAuth', async (t) => {
    const shop = await shopOf(t);
    const { id } = await stripe.createAccount({ charges_enabled: false, details_submitted: false });
    await connectShop(w, stripe, shop, { account: id });
    const start = (method) => api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, mode: 'test', method, verifier_challenge: 'a'.repeat(43) } });
    refused(await start('onboarding'), 409, 'already_connected');
    const other = await shopOf(t);
    await onboardShop(w, stripe, other, { finish: false });
    refused(await api('POST', '/v1/connect/start', { key: other.key, body: { return_url: `${other.origin}/a`, mode: 'test', verifier_challenge: 'a'.repeat(43) } }), 409, 'already_connected');
    refused(await api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, method: 'express', verifier_challenge: 'a'.repeat(43) } }), 422, 'parameter_invalid', 'method');
  });

  test('what becomes of the account is told by v2 and v1 events', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop, { finish: false });
    const again = await beginOnboarding(w, shop);
    stripe.misdeliver({ on: 'account.updated', how: 'lose', times: 1 });
    t.after(() => stripe.clearMisbehaviour());
    // Only the form's end is told; nobody comes back.
    const { form } = await stripe.openForm(again.link);
    await stripe.leaveForm(form, { finish: true });
    await stripe.webhooks.drained();
    const row = async () => (await w.d1('SELECT charges_enabled, details_submitted FROM connections WHERE account = ?', account))[0];
    assert.deepEqual(await row(), { charges_enabled: 1, details_submitted: 1 });
    const heard = stripe.webhooks.deliveries.filter(({ event }) => (event.context ?? event.account) === account);
    assert.ok(heard.some(({ type, status }) => type.startsWith('v2.core.account[') && status === 200), JSON.stringify(heard.map(({ type, status }) => [type, status])));
    assert.ok(heard.every(({ status }) => status === 200));
  });
});

describe('events of accounts', () => {
  test('closed at Stripe: the connection ends, and the shop is told', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop);
    await stripe.closeAccount(account);
    await stripe.webhooks.drained();
    const now = await connection(shop);
    assert.deepEqual([now.connected, now.gone_reason], [false, 'deauthorized']);
    const { data } = fine(await api('GET', '/v1/events?type=connection.gone', { key: shop.key }));
    assert.equal(data.length, 1);
    const [event] = stripe.books().events.filter(({ type, related_object: related }) => type === 'v2.core.account.closed' && related.id === account);
    await stripe.send(event.id, { times: 2 });
    assert.equal(fine(await api('GET', '/v1/events?type=connection.gone', { key: shop.key })).data.length, 1);
  });

  test('Stripe away: taken when it comes again; strangers\' leave no trace', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop, { finish: false });
    const { link } = await beginOnboarding(w, shop);
    stripe.misdeliver({ on: 'account.updated', how: 'lose', times: 1 });
    stripe.misbehave({ on: 'GET /v2/core/accounts/{id}', how: '500', times: 2 });
    await stripe.leaveForm((await stripe.openForm(link)).form, { finish: true });
    await stripe.webhooks.drained();
    assert.deepEqual(await w.d1('SELECT charges_enabled FROM connections WHERE account = ?', account), [{ charges_enabled: 1 }]);
    const [event] = stripe.books().events.filter(({ type, related_object: related }) => type.startsWith('v2.core.account[') && related.id === account);
    const outcome = async (members) => {
      const id = `evt_1${Math.random().toString(36).slice(2, 14)}`;
      assert.deepEqual(await stripe.send({ ...event, ...members, id }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }), [200]);
      return (await w.logLine((line) => line.event === 'stripe_event' && line.id === id)).outcome;
    };
    assert.equal(await outcome({}), 'account_updated');
    assert.equal(await outcome({ livemode: true }), 'not_ours');
    assert.equal(await outcome({ related_object: { ...event.related_object, id: 'acct_1Nobody' } }), 'not_ours');
    assert.equal(await outcome({ related_object: { ...event.related_object, id: '../x' } }), 'not_ours');
    assert.equal(await outcome({ related_object: undefined }), 'not_ours');
    assert.equal(await outcome({ type: 'v2.core.account_link.returned' }), 'not_handled');
    // An account of OAuth is none that v2 shows to the platform.
    const other = await shopOf(t);
    const { account: standard } = await connectShop(w, stripe, other);
    assert.equal(await outcome({ context: standard, related_object: { ...event.related_object, id: standard } }), 'not_ours');
    assert.equal((await connection(other)).connected, true);
  });
});

describe('once', () => {
  test('a lost answer, a 5xx and two presses make one account', async (t) => {
    for (const how of ['drop_after', '500_after', '500']) {
      const shop = await shopOf(t);
      const before = accountsMade();
      stripe.misbehave({ on: 'POST /v2/core/accounts', how, times: 1 });
      const begun = await begin(shop);
      isPage(begun.posted, 503);
      assert.match(begun.posted.text, /nothing is made twice/);
      // Other words the second time: what was sent first counts, since it may have been heard.
      const again = await press(begun, { email: 'other@shop.example' });
      assert.equal(again.status, 303, again.text);
      assert.equal(accountsMade(), before + 1, how);
      const [first, second] = asked('POST /v2/core/accounts').slice(-2);
      assert.equal(first.headers['idempotency-key'], second.headers['idempotency-key']);
      assert.deepEqual(first.params, second.params);
    }
  });

  test('two at the same moment', async (t) => {
    const shop = await shopOf(t);
    const before = accountsMade();
    stripe.misbehave({ on: 'POST /v2/core/accounts', how: 'hold_after', times: 1 });
    const started = fine(await api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, mode: 'test', method: 'onboarding', prefill: PREFILL, verifier_challenge: 'a'.repeat(43) } }), 201);
    const ticket = new URL(started.url).pathname;
    const first = browserLike(w).go(ticket, { method: 'POST' });
    await stripe.holding(1);
    const second = await browserLike(w).go(ticket, { method: 'POST' });
    await stripe.release();
    // The ticket is of the browser that pressed first.
    isPage(second, 400);
    assert.match(second.text, /same browser/);
    assert.equal((await first).status, 303);
    assert.equal(accountsMade(), before + 1);
  });

  test('one browser, again before the first answer has come', async (t) => {
    const shop = await shopOf(t);
    const before = accountsMade();
    const started = fine(await api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, mode: 'test', method: 'onboarding', prefill: PREFILL, verifier_challenge: 'a'.repeat(43) } }), 201);
    const browser = browserLike(w);
    const [cookie, ...more] = (await browser.go(started.url)).headers.getSetCookie();
    assert.deepEqual(more, []);
    for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=7200']) assert.ok(cookie.includes(attribute), attribute);
    assert.deepEqual((await browser.go(started.url)).headers.getSetCookie(), [], 'it stays the same');
    stripe.misbehave({ on: 'POST /v2/core/accounts', how: 'hold_after', times: 1 });
    const slow = browser.go(started.url, { method: 'POST' });
    await stripe.holding(1);
    const fast = await browser.go(started.url, { method: 'POST' });
    await stripe.release();
    assert.deepEqual([(await slow).status, fast.status].map((status) => [303, 503].includes(status)), [true, true]);
    assert.equal((await browser.go(started.url, { method: 'POST' })).status, 303);
    assert.equal(accountsMade(), before + 1);
    isPage(await browserLike(w).go(started.url, { method: 'POST' }), 400);
  });

  test('a stranger who has seen the link cannot give the admin an account of his', async (t) => {
    const shop = await shopOf(t);
    const started = fine(await api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: `${shop.origin}/a`, mode: 'test', method: 'onboarding', prefill: PREFILL, verifier_challenge: 'a'.repeat(43) } }), 201);
    const [stranger, admin] = [browserLike(w), browserLike(w)];
    // The page is anybody's to look at; who presses has it.
    await admin.go(started.url);
    assert.equal((await stranger.go(started.url, { method: 'POST', form: { email: 'stranger@evil.example' } })).status, 303);
    const before = accountsMade();
    const links = asked('POST /v2/core/account_links').length;
    for (const value of [undefined, '', 'x'.repeat(43)]) {
      if (value !== undefined) admin.jar.set([...stranger.jar.keys()].find((name) => name.startsWith('__Host-cc_')), value);
      isPage(await admin.go(started.url, { method: 'POST', form: {} }), 400);
    }
    assert.deepEqual([accountsMade(), asked('POST /v2/core/account_links').length], [before, links]);
  });

  test('a lost answer of the link: another link, the same account', async (t) => {
    const shop = await shopOf(t);
    const before = accountsMade();
    stripe.misbehave({ on: 'POST /v2/core/account_links', how: 'drop_after', times: 1 });
    const begun = await begin(shop);
    isPage(begun.posted, 503);
    assert.equal(begun.browser.jar.size, 1, 'the ticket\'s own, and no state\'s');
    const again = await press(begun);
    assert.equal(again.status, 303);
    assert.equal(accountsMade(), before + 1);
  });

  test('a link that is old or was opened leads to another, a bounded number of times', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    await stripe.openForm(begun.link);
    const { refresh } = await stripe.openForm(begun.link);
    assert.ok(refresh.startsWith(`${w.url}/connect/refresh?state=`));
    const fresh = await begun.browser.go(refresh);
    assert.equal(fresh.status, 303, fresh.text);
    assert.ok(fresh.location.startsWith(`${stripe.url}/setup/e/`) && fresh.location !== begun.link);
    assert.equal(begun.browser.jar.size, 2, 'one cookie of the ticket, one of the new state');
    isPage(await begun.browser.go(refresh), 400);
    const back = await fillForm(stripe, { ...begun, link: fresh.location });
    assert.equal(fine(await confirm(shop, back.claim, begun.verifier)).connected, true);

    const other = await begin(await shopOf(t));
    let link = other.link;
    let hops = 1;
    for (; hops < 40 && link; hops += 1) {
      await stripe.openForm(link);
      const answer = await other.browser.go((await stripe.openForm(link)).refresh);
      link = answer.location;
      if (!link) isPage(answer, 404);
    }
    assert.equal(hops, 21, 'twenty links');
  });
});

describe('who comes back', () => {
  test('another browser gets a page, and the state is spent', async (t) => {
    const shop = await shopOf(t);
    for (const way of ['return_url', 'refresh_url']) {
      const begun = await begin(shop);
      const address = asked('POST /v2/core/account_links').at(-1).params.use_case.account_onboarding[way];
      const stranger = await browserLike(w).go(address);
      isPage(stranger, 400);
      assert.match(stranger.text, /same browser/);
      isPage(await begun.browser.go(address), 400);
    }
    assert.equal((await connection(shop)).connected, false);
  });

  test('a state works once, and only where it belongs; HEAD is refused', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    const { return_url: address } = asked('POST /v2/core/account_links').at(-1).params.use_case.account_onboarding;
    const head = await w.fetch(address, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('allow')], [405, 'GET']);
    const jar = new Map(begun.browser.jar);
    const first = await goHome(begun, address);
    assert.ok(first.claim);
    for (const [name, value] of jar) begun.browser.jar.set(name, value);
    isPage(await begun.browser.go(address), 400);
    // The state of one way is none of the other's.
    const oauth = await begin(await shopOf(t), { method: 'oauth' });
    const state = new URL(oauth.posted.location).searchParams.get('state');
    isPage(await oauth.browser.go(`/connect/return?state=${state}`), 400);
    const other = await begin(await shopOf(t));
    const mine = new URL(asked('POST /v2/core/account_links').at(-1).params.use_case.account_onboarding.return_url).searchParams.get('state');
    isPage(await other.browser.go(`/connect/callback?state=${mine}&code=ac_1`), 400);
    isPage(await browserLike(w).go('/connect/return'), 400);
  });

  test('a form of another site shows the page, and makes nothing', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop, { prefill: {} });
    const before = accountsMade();
    // Cookies do not come with it (SameSite=Lax).
    const answer = await browserLike(w).go(begun.ticketUrl, { method: 'POST', form: { email: 'a@b.example' }, headers: { 'sec-fetch-site': 'cross-site' } });
    isPage(answer, 200);
    assert.deepEqual(answer.headers.getSetCookie(), [], 'the browser keeps its own');
    assert.equal(accountsMade(), before);
  });

  test('a wrong verifier ends the claim; the account is given back to nobody by OAuth', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    const back = await fillForm(stripe, begun);
    refused(await confirm(shop, back.claim, 'x'.repeat(43)), 422, 'verifier_mismatch', 'verifier');
    refused(await confirm(shop, back.claim, begun.verifier), 422, 'claim_dead', 'claim');
    await eventually(async () => (await w.d1('SELECT 1 FROM deauthorizations')).length === 0, 'the debt is settled');
    assert.equal(asked('POST /oauth/deauthorize').length, 0);
  });

  test('another account came first', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    const { account } = await connectShop(w, stripe, shop);
    const back = await fillForm(stripe, begun);
    assert.deepEqual(back.params, { cc_connect: 'failed', cc_code: 'already_connected' });
    assert.equal((await connection(shop)).account, account);
  });

  test('Stripe away at the way back: the claim is made all the same', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    stripe.misbehave({ on: 'GET /v2/core/accounts/{id}', how: '500', times: 1 });
    const back = await fillForm(stripe, begun);
    assert.equal(fine(await confirm(shop, back.claim, begun.verifier)).charges_enabled, true);
  });

  test('an account that is not there any more', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    const account = new URL(begun.link).pathname.split('/')[3];
    const { form } = await stripe.openForm(begun.link);
    const { location } = await stripe.leaveForm(form, { finish: true });
    stripe.world.record('account', account).made.livemode = true;
    const { params } = await goHome(begun, location);
    assert.deepEqual(params, { cc_connect: 'failed', cc_code: 'account_invalid' });
  });
});

describe('the end', () => {
  test('disconnecting: nothing is deauthorized by OAuth, and open sessions end', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop);
    const session = await createSession(w, shop);
    const before = asked('POST /oauth/deauthorize').length;
    assert.equal(fine(await api('DELETE', '/v1/connection?mode=test', { key: shop.key })).connected, false);
    assert.equal(asked('POST /oauth/deauthorize').length, before);
    assert.equal(stripe.session(session.id).object.status, 'expired');
    assert.deepEqual(await w.d1('SELECT status, gone_reason FROM connections WHERE account = ?', account), [{ status: 'gone', gone_reason: 'disconnected' }]);
    const next = await onboardShop(w, stripe, shop);
    assert.notEqual(next.account, account, 'a new way begins with a new account');
  });

  test('replaced by OAuth: likewise', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop);
    const before = asked('POST /oauth/deauthorize').length;
    const { account: other } = await connectShop(w, stripe, shop, { replace: true });
    await eventually(async () => (await w.d1('SELECT 1 FROM deauthorizations')).length === 0);
    assert.equal(asked('POST /oauth/deauthorize').length, before);
    assert.equal((await connection(shop)).account, other);
    assert.notEqual(other, account);
  });

  test('the shop is deleted: nothing is deauthorized by OAuth, and nothing is owed', async (t) => {
    const shop = await shopOf(t);
    const { account } = await onboardShop(w, stripe, shop);
    const begun = await begin(shop, { replace: true });
    await fillForm(stripe, begun);
    const before = asked('POST /oauth/deauthorize').length;
    fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    for (let i = 0; i < 3; i += 1) await w.scheduled();
    await eventually(async () => (await w.d1('SELECT 1 FROM deauthorizations')).length === 0);
    assert.equal(asked('POST /oauth/deauthorize').length, before);
    assert.deepEqual(await w.d1('SELECT status FROM connections WHERE account = ?', account), [{ status: 'gone' }]);
    assert.deepEqual(await w.d1('SELECT 1 FROM connect_tickets WHERE shop_id = ?', shop.id), []);
  });

  test('nothing secret is in clear in the database', async (t) => {
    const shop = await shopOf(t);
    const begun = await begin(shop);
    const { return_url: address } = asked('POST /v2/core/account_links').at(-1).params.use_case.account_onboarding;
    const secrets = [new URL(address).searchParams.get('state'), ...begun.browser.jar.values(), begun.ticketUrl.split('/').pop(), new URL(begun.link).pathname.split('/').pop()];
    const tables = ['connect_tickets', 'connect_states', 'connect_claims', 'connections', 'onboarded'];
    const rows = JSON.stringify(await w.d1Batch(tables.map((table) => `SELECT * FROM ${table}`)));
    for (const secret of secrets) assert.ok(secret.length > 10 && !rows.includes(secret) && !w.logs().text.includes(secret));
  });
});
