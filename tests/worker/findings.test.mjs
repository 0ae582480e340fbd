// What a stranger found who held the running Worker against the contract, each with the check that would have found it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentBody, beginConnect, chatBody, comeBack, connectShop, registerAnew, registerShop, startShopServer } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w;
const open = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe });
});

after(async () => {
  for (const shop of open) await shop.close();
  await w?.close();
  await stripe?.close();
});

async function connectedShop(fields) {
  const shop = await registerShop(w, fields);
  open.push(shop);
  return Object.assign(shop, await connectShop(w, stripe, shop));
}

let attempts = 0;
const create = (shop, body = chatBody(shop)) => w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: `finding-${attempts += 1}`, body });
const order = (shop, id, more = {}) => chatBody(shop, { cart: { order_id: id }, ...more });
const get = async (shop, path) => (await w.api('GET', path, { key: shop.key })).body;
const row = async (id) => (await w.d1('SELECT * FROM transactions WHERE id = ?', id))[0];
const strays = async (id) => (await w.d1('SELECT reason FROM strays WHERE transaction_id = ?', id)).map(({ reason }) => reason);
const atStripe = (id) => stripe.books().sessions.find((session) => session.id === id);

describe('an account that is given back', () => {
  test('has no open session left that a buyer could pay where nobody sees it: DELETE', async () => {
    const shop = await connectedShop();
    const { body: session } = await create(shop);
    assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).status, 200);
    assert.equal(atStripe(session.id).status, 'expired');
    assert.equal((await row(session.transaction)).status, 'expired');
  });

  test('the same when another account takes its place', async () => {
    const shop = await connectedShop();
    const { body: session } = await create(shop);
    await connectShop(w, stripe, shop, { replace: true });
    await w.scheduled();
    assert.equal(atStripe(session.id).status, 'expired');
    assert.equal((await row(session.transaction)).status, 'expired');
    assert.equal(stripe.books().connections.some(({ account }) => account === shop.account), false, 'and then it was given back');
  });

  test('is not given back while Stripe does not end what is open; the same request again does both', async () => {
    const shop = await connectedShop();
    const { body: session } = await create(shop);
    stripe.misbehave({ on: `POST /v1/checkout/sessions/${session.id}/expire`, how: '500' });
    const first = await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key });
    assert.deepEqual([first.status, first.body.error.code], [503, 'stripe_unavailable']);
    assert.equal((await get(shop, '/v1/connection?mode=test')).connected, true);
    assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).status, 200);
    assert.equal(atStripe(session.id).status, 'expired');
  });

  test('by its owner, at Stripe: what was open there is neither called expired nor paid, and told when the account comes back', async () => {
    const shop = await connectedShop();
    const { body: session } = await create(shop);
    await stripe.deauthorize(shop.account, { livemode: false });
    await stripe.webhooks.drained();
    await stripe.pay(session.id);
    await w.d1('UPDATE transactions SET check_at = 1, expires_at = ? WHERE id = ?', Math.floor(Date.now() / 1000) - 3600, session.transaction);
    await w.scheduled();
    assert.equal((await row(session.transaction)).status, 'open', 'nobody here can know');
    await connectShop(w, stripe, shop, { account: shop.account });
    await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ?', session.transaction);
    await w.scheduled();
    assert.equal((await row(session.transaction)).status, 'paid');
  });
});

test('two PATCHes at once do not undo each other: the kill switch stays thrown', async () => {
  const shop = await connectedShop();
  for (let round = 0; round < 6; round += 1) {
    await w.api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: true, name: 'a' } });
    const patch = (body) => w.api('PATCH', '/v1/shop', { key: shop.key, body });
    await Promise.all([patch({ checkout_enabled: false }), patch({ name: `b${round}` }), patch({ automatic_tax: false })]);
    const { checkout_enabled, name } = await get(shop, '/v1/shop');
    assert.deepEqual([checkout_enabled, name], [false, `b${round}`]);
  }
});

test("a request that is refused leaves the order's open session to the buyer", async () => {
  const shop = await connectedShop();
  const { body: first } = await create(shop, order(shop, 'o-1'));
  const refused = await create(shop, order(shop, 'o-1', { success_url: 'https://evil.example/' }));
  assert.deepEqual([refused.status, refused.body.error.code], [422, 'url_not_allowed']);
  assert.equal(atStripe(first.id).status, 'open');
  assert.equal((await row(first.transaction)).status, 'open');
});

describe('a connection that has ended', () => {
  test('at Stripe does not come back when another shop gets the consent for that account', async () => {
    const a = await connectedShop({ path: '/a' });
    const b = await registerShop(w, { path: '/b' });
    open.push(b);
    await connectShop(w, stripe, b, { account: a.account });
    stripe.webhooks.pause();
    await stripe.deauthorize(a.account, { livemode: false });
    assert.equal((await create(a)).body.error.code, 'connection_gone', 'Stripe refuses the account');
    stripe.webhooks.resume();
    await stripe.webhooks.drained();
    await connectShop(w, stripe, b, { account: a.account });
    const again = await create(a, chatBody(a, { mode: 'test' }));
    assert.deepEqual([again.status, again.body.error?.code], [409, 'connection_gone']);
    assert.equal((await get(a, '/v1/connection?mode=test')).connected, false);
  });

  test('because Stripe refused it is disconnected for good by a DELETE', async () => {
    const shop = await connectedShop();
    await w.d1("UPDATE connections SET status = 'gone', gone_reason = 'account_invalid', gone_at = 1 WHERE shop_id = ?", shop.id);
    assert.equal((await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key })).body.connected, false);
    assert.equal(stripe.books().connections.some(({ account }) => account === shop.account), false);
    assert.equal((await get(shop, '/v1/connection?mode=test')).connected, false);
  });

  test('is noticed whoever asks Stripe first: reading a session does', async () => {
    const shop = await connectedShop();
    const { body: session } = await create(shop);
    stripe.webhooks.pause();
    await stripe.deauthorize(shop.account, { livemode: false });
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    assert.equal((await get(shop, `/v1/checkout/sessions/${session.id}`)).status, 'open');
    await w.logLine((line) => line.event === 'connection_gone' && line.shop === shop.id);
    assert.deepEqual(await get(shop, '/v1/manifest'), {});
  });

  test('leaves no token behind in KV', async () => {
    const shop = await connectedShop();
    const kv = await w.kv();
    const [{ id }] = await w.d1('SELECT id FROM connections WHERE shop_id = ?', shop.id);
    assert.notEqual(await kv.get(`oauth/${id}`), null);
    await stripe.deauthorize(shop.account, { livemode: false });
    await stripe.webhooks.drained();
    await w.scheduled();
    assert.equal(await kv.get(`oauth/${id}`), null);
  });

  test('is not said to have ended where the platform key was wrong', async () => {
    const shop = await connectedShop();
    await w.restart({ STRIPE_TEST_SECRET_KEY: 'sk_test_wrongwrongwrong' });
    const answer = await w.api('DELETE', '/v1/connection?mode=test', { key: shop.key });
    await w.restart({ STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret });
    assert.equal(answer.status, 503);
    assert.equal((await get(shop, '/v1/connection?mode=test')).connected, true);
  });

  test('in the very second in which a new claim is made does not kill the claim', async () => {
    const shop = await connectedShop();
    stripe.webhooks.pause();
    await stripe.deauthorize(shop.account, { livemode: false });
    const begun = await beginConnect(w, shop, { mode: 'test', replace: true });
    const back = await comeBack(w, stripe, begun, { account: shop.account });
    const event = stripe.books().events.filter(({ type, account }) => type === 'account.application.deauthorized' && account === shop.account).at(-1);
    const [{ created }] = await w.d1("SELECT created FROM connect_claims WHERE account = ? AND status = 'waiting'", shop.account);
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    const [status] = await stripe.send({ ...event, created }, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect });
    assert.equal(status, 200);
    const confirmed = await w.api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim: back.claim, verifier: begun.verifier } });
    assert.equal(confirmed.status, 200, confirmed.text);
  });
});

test('of two registrations of one site, proved at the same moment, the fixed address wins', async () => {
  for (let round = 0; round < 4; round += 1) {
    const proper = await registerShop(w, { verify: false });
    open.push(proper);
    const upload = await w.api('POST', '/v1/shops', { body: { site_url: proper.site, challenge_url: `${proper.site}/uploads/wp-json/cognitive-cart/v1/challenge` } });
    // The server shows each its own challenge: the upload folder that of whoever could write there.
    const asked = proper.challenge;
    proper.challenge = (request, response) => response.writeHead(200).end(request.url.startsWith('/uploads/') ? upload.body.challenge : asked);
    const verify = (key) => w.api('POST', '/v1/shop/verify', { key });
    await Promise.all([verify(upload.body.api_key), verify(proper.key)]);
    const holder = await w.d1("SELECT id FROM shops WHERE site_url = ? AND status = 'active'", proper.site);
    assert.deepEqual(holder, [{ id: proper.id }]);
  }
});

describe('an event', () => {
  async function paidUntold(shop) {
    const { body: session } = await create(shop);
    stripe.webhooks.pause();
    const before = stripe.books().events.length;
    await stripe.pay(session.id);
    stripe.webhooks.drop();
    stripe.webhooks.resume();
    const events = stripe.books().events.slice(before);
    return { session, of: (type) => structuredClone(events.find((event) => event.type === type)) };
  }
  const deliver = async (event) => (await stripe.send(event, { url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect }))[0];

  test('of another sum settles nothing and is kept', async () => {
    const shop = await connectedShop();
    const { session, of } = await paidUntold(shop);
    const event = of('payment_intent.succeeded');
    event.data.object.amount_received = 1;
    assert.equal(await deliver(event), 200);
    assert.equal((await row(session.transaction)).status, 'open');
    assert.deepEqual(await strays(session.transaction), ['amount']);
  });

  test('whose own mode is not that of its object likewise', async () => {
    const shop = await connectedShop();
    const { session, of } = await paidUntold(shop);
    assert.equal(await deliver({ ...of('payment_intent.succeeded'), livemode: true }), 200);
    assert.equal((await row(session.transaction)).status, 'open');
    assert.deepEqual(await strays(session.transaction), ['mode']);
  });

  test('that names ours and cannot be read is kept, not swallowed', async () => {
    const shop = await connectedShop();
    const { session, of } = await paidUntold(shop);
    const event = of('checkout.session.completed');
    event.data.object.amount_total = '2000';
    assert.equal(await deliver(event), 200);
    assert.deepEqual(await strays(session.transaction), ['unreadable']);
  });
});

test('what is listed as of a second was created in that second, however long its predecessor took to end', async () => {
  const shop = await connectedShop();
  const { body: first } = await create(shop, order(shop, 'slow'));
  stripe.misbehave({ on: `POST /v1/checkout/sessions/${first.id}/expire`, how: 'slow', ms: 1_200 });
  const { body: second } = await create(shop, order(shop, 'slow'));
  const { created } = await get(shop, `/v1/transactions/${second.transaction}`);
  for (const query of [`created[gte]=${created}&created[lt]=${created + 1}`, `created[gt]=${created - 1}&created[lte]=${created}`]) {
    assert.ok((await get(shop, `/v1/transactions?${query}`)).data.some(({ id }) => id === second.transaction), query);
  }
  for (const query of [`created[gt]=${created}`, `created[lt]=${created}`]) {
    assert.ok(!(await get(shop, `/v1/transactions?${query}`)).data.some(({ id }) => id === second.transaction), query);
  }
});

test('expiring a session on an account that is gone says so', async () => {
  const shop = await connectedShop();
  const { body: session } = await create(shop, agentBody(shop));
  await stripe.deauthorize(shop.account, { livemode: false });
  await stripe.webhooks.drained();
  const answer = await w.api('POST', `/v1/checkout/sessions/${session.id}/expire`, { key: shop.key });
  assert.deepEqual([answer.status, answer.body.error.code], [409, 'connection_gone']);
});

test('line items take shipping, fees, taxes and discounts too', async () => {
  const shop = await connectedShop();
  const { status, body } = await create(shop, agentBody(shop, { shipping: [{ label: 'Post', amount: 500 }], discounts: [{ label: 'TEN', amount: 100 }], amount_total: 2400 }));
  assert.deepEqual([status, body.amount_total], [201, 2400]);
});

test('a binding that is missing is reported like a variable', async () => {
  const bare = await startWorker({ without: ['kvNamespaces'] });
  try {
    const health = await bare.api('GET', '/healthz');
    assert.deepEqual([health.status, health.body.status, health.body.problems.map(({ variable }) => variable)], [503, 'misconfigured', ['KV']]);
    assert.equal((await bare.api('GET', '/v1/shop', { key: 'ccs_x' })).body.error.code, 'not_configured');
  } finally {
    await bare.close();
  }
});

test('the placeholder of a Session belongs into the addresses that buyers come home to, and into no other', async () => {
  const server = await startShopServer();
  open.push(server);
  const answer = await w.api('POST', '/v1/shops', { body: { site_url: server.origin, challenge_url: `${server.origin}/{CHECKOUT_SESSION_ID}` } });
  assert.deepEqual([answer.status, answer.body.error.param], [422, 'challenge_url']);
});

describe('what a hostile review of tenants and input found', () => {
  test('the consent page is not skipped by a form on another site', async () => {
    const shop = await registerShop(w);
    open.push(shop);
    const { ticketUrl } = await beginConnect(w, shop);
    const post = (headers) => w.fetch(ticketUrl, { method: 'POST', redirect: 'manual', headers });
    for (const site of ['cross-site', 'same-site', 'none']) {
      const page = await post({ 'Sec-Fetch-Site': site, Origin: 'https://evil.example' });
      assert.deepEqual([page.status, page.headers.get('set-cookie')], [200, null]);
      assert.match(await page.text(), /Connect your Stripe account to this shop\?/);
    }
    assert.equal((await post({ 'Sec-Fetch-Site': 'same-origin', Origin: 'null' })).status, 303);
  });

  test('a leaked key ends at once when the shop says so, and one that was rolled too', async () => {
    const shop = await registerShop(w);
    open.push(shop);
    const roll = (key, body) => w.api('POST', '/v1/shop/api_keys', { key, body });
    const bad = await roll(shop.key, { previous_valid_for: 86_401 });
    assert.deepEqual([bad.status, bad.body.error.param], [422, 'previous_valid_for']);
    const { body: second } = await roll(shop.key, {});
    const { body: third } = await roll(second.api_key, { previous_valid_for: 0 });
    const answers = [];
    for (const key of [shop.key, second.api_key, third.api_key]) answers.push((await w.api('GET', '/v1/shop', { key })).status);
    assert.deepEqual(answers, [401, 401, 200]);
    shop.key = third.api_key;
  });

  test("another shop's notice cannot be sent again", async () => {
    const [shop, other] = [await connectedShop({}), await connectedShop({})];
    const { body: session } = await create(shop);
    await stripe.pay(session.id);
    await stripe.webhooks.drained();
    await w.d1("UPDATE notices SET status = 'due', due_at = 1, attempts = 3 WHERE shop_id = ?", shop.id);
    const [notice] = await w.d1('SELECT id FROM notices WHERE shop_id = ? ORDER BY id DESC', shop.id);
    assert.equal((await w.api('POST', `/v1/events/${notice.id}/resend`, { key: other.key })).status, 404);
    assert.equal((await w.d1('SELECT attempts FROM notices WHERE id = ?', notice.id))[0].attempts, 3);
  });

  test("a site that is registered anew keeps the operator's fee", async () => {
    const shop = await registerShop(w);
    open.push(shop);
    await w.d1('UPDATE shops SET fee_bps = 900 WHERE id = ?', shop.id);
    const again = await registerAnew(w, shop);
    const rows = await w.d1('SELECT status, fee_bps FROM shops WHERE id IN (?, ?) ORDER BY status', shop.id, again.id);
    assert.deepEqual(rows, [{ status: 'active', fee_bps: 900 }, { status: 'superseded', fee_bps: 900 }]);
  });

  test('a site is not taken over from an address whose last segment a visitor may have named', async () => {
    const shop = await registerShop(w);
    open.push(shop);
    const challenge_url = `${shop.site}/.well-known%2Fcognitive-cart-challenge`;
    const { body: thief } = await w.api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url } });
    shop.challenge = (request, response) => response.end(thief.challenge);
    const verified = await w.api('POST', '/v1/shop/verify', { key: thief.api_key });
    assert.deepEqual([verified.status, verified.body.error.code], [422, 'challenge_failed']);
    assert.equal((await w.api('GET', '/v1/shop', { key: shop.key })).status, 200);
  });

  test('shops that did not answer last time are told after all others', async () => {
    const arrived = [];
    const told = (name) => (_seen, response) => {
      arrived.push(name);
      response.writeHead(200).end();
    };
    const lane = 5;
    const shops = [];
    for (let n = 0; n < 2 * lane; n += 1) shops.push(await registerShop(w, { webhook: told('hung') }));
    const good = await registerShop(w, { webhook: told('good') });
    open.push(...shops, good);
    await w.d1('UPDATE notices SET due_at = NULL');
    const write = (shop, n, attempts, log) => w.d1(
      `INSERT INTO notices (id, shop_id, type, once, object, created, status, due_at, attempts, attempt_log) VALUES (?, ?, 'shop.superseded', ?, '{}', 1, 'due', ?, ?, ?)`,
      `ccevt_00000000000000000000000${n + 10}`, shop.id, `finding-hung-${n}`, n, attempts, JSON.stringify(log));
    for (const shop of [...shops, good]) await w.d1('UPDATE shops SET webhook_url = ? WHERE id = ?', `${shop.origin}/hook`, shop.id);
    for (const [n, shop] of shops.entries()) await write(shop, n + 1, 1, [{ created: 1, status: null, duration_ms: 10000, error: 'timeout' }]);
    await write(good, 99, 2, [{ created: 1, status: 500, duration_ms: 10, error: null }]);
    await w.scheduled();
    assert.equal(arrived.length, 2 * lane + 1);
    assert.ok(arrived.indexOf('good') < lane, arrived.join(' '));
  });

  test('what is past its time goes as fast as it comes', async () => {
    await w.d1(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO stripe_events (id, type, livemode, created, received) SELECT 'evt_old_' || i, 'x', 0, 1, 1 FROM n`);
    await w.scheduled();
    assert.deepEqual(await w.d1("SELECT count(*) AS n FROM stripe_events WHERE id LIKE 'evt_old_%'"), [{ n: 0 }]);
  });
});
