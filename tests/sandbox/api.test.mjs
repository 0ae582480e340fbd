// Keys, versions, accounts, idempotency, and failing on purpose.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { order, start } from './support.mjs';

describe('The API around its operations', () => {
  let stripe, call, merchant, session, shop, other;
  before(async () => {
    ({ stripe, call, merchant, session } = await start());
    shop = await merchant({ name: 'One' });
    other = await merchant({ name: 'Two' });
  });
  after(() => stripe.close());

  const create = (options = {}, more = {}) => call('POST', '/v1/checkout/sessions', order(more), { account: shop, ...options });
  const count = () => stripe.books().sessions.length;

  test('a key is needed, a wrong one is not repeated in full, Basic works too', async () => {
    const none = await call('GET', '/v1/account', {}, { headers: { Authorization: '' } });
    assert.deepEqual([none.status, none.body.error.type], [401, 'invalid_request_error']);
    const wrong = await call('GET', '/v1/account', {}, { secret: 'sk_test_notarealkey123456789' });
    assert.equal(wrong.status, 401);
    assert.ok(!wrong.body.error.message.includes('notarealkey'));
    const basic = await call('GET', '/v1/account', {}, { headers: { Authorization: `Basic ${Buffer.from(`${stripe.keys.test.secret}:`).toString('base64')}` } });
    assert.deepEqual([basic.status, basic.body.id], [200, stripe.keys.platform]);
  });

  test('a wrong version is refused, none means the default', async () => {
    const wrong = await call('GET', '/v1/account', {}, { version: '2020-01-01' });
    assert.deepEqual([wrong.status, wrong.body.error.type], [400, 'invalid_request_error']);
    assert.equal((await call('GET', '/v1/account', {}, { version: null })).status, 200);
  });

  test('every answer names its request, repeats account and version, and errors have Stripe\'s members', async () => {
    const { headers } = await call('GET', '/v1/account', {}, { account: shop });
    assert.match(headers.get('request-id'), /^req_/);
    assert.equal(headers.get('stripe-account'), shop);
    assert.equal(headers.get('stripe-version'), '2026-10-28.endive');
    const { status, body } = await call('GET', '/v1/checkout/sessions/cs_test_none', {}, { account: shop });
    assert.equal(status, 404);
    assert.deepEqual(Object.keys(body.error).sort(), ['code', 'doc_url', 'message', 'param', 'type']);
    assert.deepEqual([body.error.code, body.error.param], ['resource_missing', 'session']);
    assert.equal((await call('GET', '/v1/nothing')).status, 404);
  });

  test('the body has to be a form of bounded size', async () => {
    const asJson = await call('POST', '/v1/checkout/sessions', '{}', { headers: { 'Content-Type': 'application/json' } });
    assert.equal(asJson.status, 400);
    const huge = await call('POST', '/v1/checkout/sessions', `a=${'x'.repeat(1024 * 1024)}`);
    assert.equal(huge.status, 413);
  });

  test('objects belong to one account and one mode', async () => {
    const mine = await session(shop);
    assert.equal((await call('GET', `/v1/checkout/sessions/${mine.id}`, {}, { account: shop })).status, 200);
    assert.equal((await call('GET', `/v1/checkout/sessions/${mine.id}`, {}, { account: other })).status, 404);
    assert.equal((await call('GET', `/v1/checkout/sessions/${mine.id}`)).status, 404, 'not in the platform\'s own books');
    const both = await merchant({ livemode: true });
    const live = await session(both, {}, { livemode: true });
    assert.match(live.id, /^cs_live_/);
    assert.equal(live.livemode, true);
    assert.equal((await call('GET', `/v1/checkout/sessions/${live.id}`, {}, { account: both })).status, 403, 'not connected in test mode');
    const { body } = await call('GET', `/v1/checkout/sessions/${live.id}`);
    assert.equal(body.error.code, 'resource_missing');
    const own = await session(undefined);
    const wrongMode = await call('GET', `/v1/checkout/sessions/${own.id}`, {}, { livemode: true });
    assert.match(wrongMode.body.error.message, /test mode/);
  });

  test('an account that is foreign, unknown or gone: 403 account_invalid', async () => {
    const stranger = await stripe.createAccount({ name: 'Stranger' });
    const gone = await merchant();
    await stripe.deauthorize(gone);
    for (const account of [stranger.id, gone, 'acct_1None']) {
      const { status, body } = await call('GET', '/v1/account', {}, { account });
      assert.deepEqual([status, body.error.code, body.error.type], [403, 'account_invalid', 'invalid_request_error'], account);
      assert.ok(!body.error.message.includes(stripe.keys.test.secret));
      assert.equal((await call('GET', `/v1/accounts/${account}`)).body.error.code, 'account_invalid');
    }
  });

  test('accounts as the platform and as the shop see them', async () => {
    assert.equal((await call('GET', '/v1/account')).body.id, stripe.keys.platform);
    assert.equal((await call('GET', '/v1/account', {}, { account: shop })).body.id, shop);
    await stripe.updateAccount(shop, { charges_enabled: false });
    const { body } = await call('GET', `/v1/accounts/${shop}`);
    assert.deepEqual([body.charges_enabled, body.details_submitted, body.capabilities.card_payments, body.business_profile.name], [false, true, 'inactive', 'One']);
    await stripe.updateAccount(shop, { charges_enabled: true });
    const asleep = await merchant({ livemode: true, charges_enabled: false });
    const refused = await call('POST', '/v1/checkout/sessions', order(), { account: asleep, livemode: true });
    assert.equal(refused.body.error.code, 'testmode_charges_only');
  });

  test('events: listed by account and type, fetched by id', async () => {
    const made = await session(shop);
    await stripe.expire(made.id);
    const { body } = await call('GET', '/v1/events', { type: 'checkout.session.*', limit: 1 }, { account: shop });
    assert.deepEqual([body.data[0].type, body.data[0].data.object.id, body.data[0].account], ['checkout.session.expired', made.id, shop]);
    assert.equal((await call('GET', `/v1/events/${body.data[0].id}`, {}, { account: shop })).body.id, body.data[0].id);
    assert.equal((await call('GET', `/v1/events/${body.data[0].id}`)).status, 404);
  });

  // -- idempotency ---------------------------------------------------------------------------------------------

  test('the same key and form: the first answer again, and one session', async () => {
    const before_ = count();
    const first = await create({ key: 'k-1' });
    const again = await create({ key: 'k-1' });
    assert.deepEqual(again.body, first.body);
    assert.equal(first.headers.get('idempotent-replayed'), null);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.equal(again.headers.get('original-request'), first.headers.get('request-id'));
    assert.equal(count(), before_ + 1);
    assert.deepEqual(stripe.requests.slice(-2).map((entry) => entry.replayed), [false, true]);
    const elsewhere = await create({ key: 'k-1', account: other });
    assert.notEqual(elsewhere.body.id, first.body.id, 'a key belongs to one account');
  });

  test('the same key with other parameters is refused', async () => {
    await create({ key: 'k-2' });
    const { status, body } = await create({ key: 'k-2' }, { client_reference_id: 'x' });
    assert.deepEqual([status, body.error.type], [400, 'idempotency_error']);
    const tooLong = await create({ key: 'k'.repeat(256) });
    assert.equal(tooLong.status, 400);
  });

  test('a refused form is not kept under its key', async () => {
    assert.equal((await create({ key: 'k-3' }, { foo: 1 })).status, 400);
    assert.equal((await create({ key: 'k-3' }, { line_items: undefined })).status, 400);
    assert.equal((await create({ key: 'k-3' })).status, 200);
  });

  test('a failure after the work had begun is kept', async () => {
    const made = await session(shop);
    const expire = () => call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop, key: 'k-4' });
    await stripe.expire(made.id);
    assert.equal((await expire()).status, 400);
    const again = await expire();
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [400, 'true']);
  });

  test('while the first is running: 409 idempotency_key_in_use', async () => {
    stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'slow', ms: 150 });
    const first = create({ key: 'k-5' });
    while (stripe.requests.at(-1)?.headers['idempotency-key'] !== 'k-5') await new Promise(setImmediate);
    const { status, body, headers } = await create({ key: 'k-5' });
    assert.deepEqual([status, body.error.code, headers.get('stripe-should-retry')], [409, 'idempotency_key_in_use', 'true']);
    const done = await first;
    assert.equal((await create({ key: 'k-5' })).body.id, done.body.id);
  });

  test('keys are forgotten after a day', async () => {
    const fresh = await start();
    try {
      const account = await fresh.merchant();
      const one = await fresh.call('POST', '/v1/checkout/sessions', order(), { account, key: 'k' });
      fresh.stripe.advance(86401);
      const two = await fresh.call('POST', '/v1/checkout/sessions', order(), { account, key: 'k' });
      assert.notEqual(one.body.id, two.body.id);
    } finally {
      await fresh.stripe.close();
    }
  });

  // -- failing on purpose ----------------------------------------------------------------------------------------

  const misbehave = (how, more = {}) => stripe.misbehave({ on: 'POST /v1/checkout/sessions', how, ...more });

  test('500 and 429 without the work, as often as asked', async () => {
    const before_ = count();
    misbehave('500', { times: 2 });
    assert.deepEqual([(await create({ key: 'm-1' })).status, (await create({ key: 'm-1' })).status], [500, 500]);
    misbehave('429');
    const limited = await create({ key: 'm-1' });
    assert.deepEqual([limited.status, limited.body.error.code], [429, 'rate_limit']);
    assert.equal(count(), before_);
    const fine = await create({ key: 'm-1' });
    assert.deepEqual([fine.status, fine.headers.get('idempotent-replayed')], [200, null]);
  });

  test('500 after the work is kept and replayed', async () => {
    const before_ = count();
    misbehave('500_after');
    assert.equal((await create({ key: 'm-2' })).status, 500);
    const again = await create({ key: 'm-2' });
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [500, 'true']);
    assert.equal(count(), before_ + 1);
  });

  test('the connection is cut before or after the work; the key finds the session again', async () => {
    const before_ = count();
    misbehave('drop_before');
    await assert.rejects(create({ key: 'm-3' }));
    assert.equal(count(), before_);
    misbehave('drop_after');
    await assert.rejects(create({ key: 'm-3' }));
    assert.equal(count(), before_ + 1);
    assert.equal(stripe.requests.at(-1).status, 0);
    const found = await create({ key: 'm-3' });
    assert.deepEqual([found.status, found.headers.get('idempotent-replayed')], [200, 'true']);
    assert.equal(count(), before_ + 1);
  });

  test('a call is held before or after the work until it is told to go on', async () => {
    const before_ = count();
    misbehave('hold_before');
    const early = create({ key: 'm-4' });
    await stripe.holding();
    assert.equal(count(), before_);
    assert.equal((await create({ key: 'm-4' })).body.error.code, 'idempotency_key_in_use');
    assert.equal(stripe.release(), 1);
    assert.equal((await early).status, 200);
    misbehave('hold_after', { times: 2 });
    const late = [create(), create()];
    await stripe.holding(2);
    assert.equal(count(), before_ + 3);
    stripe.clearMisbehaviour();
    assert.deepEqual((await Promise.all(late)).map(({ status }) => status), [200, 200], 'calling it off lets them go too');
    assert.equal(stripe.release(), 0);
  });

  test('something else is made than was asked for, and stays so', async () => {
    misbehave('bend', { fields: { amount_total: 1, url: null } });
    const { body } = await create({ key: 'm-5' });
    const read = (await call('GET', `/v1/checkout/sessions/${body.id}`, {}, { account: shop })).body;
    const again = (await create({ key: 'm-5' })).body;
    for (const seen of [body, read, again]) assert.deepEqual([seen.id, seen.amount_total, seen.url], [body.id, 1, null]);
    assert.notEqual((await create()).body.url, null, 'once');
    assert.throws(() => misbehave('bend'), /needs fields/);
  });

  test('trouble hits what it names, by route, path or pattern, and can be called off', async () => {
    const made = await session(shop);
    stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how: '500' });
    stripe.misbehave({ on: /expire$/, how: '500', times: 100 });
    assert.equal((await create()).status, 200);
    assert.equal((await call('GET', `/v1/checkout/sessions/${made.id}`, {}, { account: shop })).status, 500);
    assert.equal((await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop })).status, 500);
    stripe.clearMisbehaviour();
    assert.equal((await call('POST', `/v1/checkout/sessions/${made.id}/expire`, {}, { account: shop })).status, 200);
    assert.throws(() => stripe.misbehave({ how: 'politely' }), /how is one of/);
  });

  test('what was received is kept for tests, decoded', async () => {
    await create({ key: 'seen' });
    const entry = stripe.requests.at(-1);
    assert.deepEqual(
      [entry.method, entry.route, entry.path, entry.account, entry.livemode, entry.status, entry.headers['idempotency-key']],
      ['POST', 'POST /v1/checkout/sessions', '/v1/checkout/sessions', shop, false, 200, 'seen']);
    assert.deepEqual(entry.params.line_items, [{ quantity: '1', price_data: { currency: 'usd', unit_amount: '1000', product_data: { name: 'Tea' } } }]);
  });
});
