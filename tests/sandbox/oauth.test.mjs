import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, start } from './support.mjs';

describe('Connecting by OAuth', () => {
  let stripe, call, authorizeUrl, merchant;
  before(async () => {
    ({ stripe, call, authorizeUrl, merchant } = await start());
  });
  after(() => stripe.close());

  const token = (params, options) => call('POST', '/oauth/token', { grant_type: 'authorization_code', ...params }, options);
  const codeFor = async (options = {}, livemode = false) => {
    const { location } = await stripe.authorize({ authorizeUrl: authorizeUrl({}, livemode), newAccount: true, ...options });
    return new URL(location).searchParams.get('code');
  };
  const connected = () => stripe.books().connections;

  test('approving leads back with code, scope and state; the code becomes a connection', async () => {
    const { id } = await stripe.createAccount({ name: 'Tea shop' });
    const { location } = await stripe.authorize({ authorizeUrl: authorizeUrl({ state: 'a b&c' }), account: id });
    const back = new URL(location);
    assert.equal(back.origin + back.pathname, CALLBACK);
    assert.deepEqual([back.searchParams.get('state'), back.searchParams.get('scope')], ['a b&c', 'read_write']);
    const code = back.searchParams.get('code');
    assert.match(code, /^ac_\w{32}$/);
    const { status, body } = await token({ code });
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ['access_token', 'livemode', 'refresh_token', 'scope', 'stripe_publishable_key', 'stripe_user_id', 'token_type']);
    assert.deepEqual([body.stripe_user_id, body.livemode, body.scope, body.token_type], [id, false, 'read_write', 'bearer']);
    assert.equal((await call('GET', '/v1/account', {}, { secret: body.access_token })).body.id, id, 'the token acts as the account');
    const refreshed = await call('POST', '/oauth/token', { grant_type: 'refresh_token', refresh_token: body.refresh_token });
    assert.equal(refreshed.body.stripe_user_id, id);
  });

  test('denying, and mistakes that the application may hear of', async () => {
    const ask = async (more, choice = { deny: true }) => Object.fromEntries(new URL((await stripe.authorize({ authorizeUrl: authorizeUrl(more), ...choice })).location).searchParams);
    assert.deepEqual(await ask({}), { error: 'access_denied', error_description: 'The user denied your request', state: 'state-1' });
    assert.equal((await ask({ response_type: undefined })).error, 'invalid_request');
    assert.equal((await ask({ response_type: 'token' })).error, 'unsupported_response_type');
    assert.equal((await ask({ scope: 'everything' })).error, 'invalid_scope');
    assert.equal((await ask({ scope: undefined })).error, 'invalid_scope', 'read_only, the default, is for extensions');
    assert.equal((await ask({ state: undefined })).state, undefined);
  });

  test('an unregistered address or unknown application is shown, never redirected', async () => {
    for (const [more, code] of [
      [{ redirect_uri: 'https://evil.example/' }, 'invalid_redirect_uri'],
      [{ redirect_uri: `${CALLBACK}/` }, 'invalid_redirect_uri'],
      [{ redirect_uri: `${CALLBACK}?x=1` }, 'invalid_redirect_uri'],
      [{ client_id: 'ca_unknown' }, 'invalid_client'],
      [{ client_id: undefined }, 'invalid_client'],
    ]) {
      const answer = await stripe.authorize({ authorizeUrl: authorizeUrl(more), newAccount: true });
      assert.deepEqual([answer.location, answer.shown?.code], [undefined, code], JSON.stringify(more));
      const page = await fetch(authorizeUrl(more), { redirect: 'manual' });
      assert.equal(page.status, 400);
    }
    const first = await stripe.authorize({ authorizeUrl: authorizeUrl({ redirect_uri: undefined }), newAccount: true });
    assert.ok(first.location.startsWith(CALLBACK), 'none = the first that is registered');
  });

  test('a code used twice is refused and takes back what it gave', async () => {
    const code = await codeFor();
    const { body } = await token({ code });
    assert.equal((await call('GET', '/v1/account', {}, { account: body.stripe_user_id })).status, 200);
    const second = await token({ code });
    assert.deepEqual([second.status, second.body.error], [400, 'invalid_grant']);
    assert.equal(typeof second.body.error_description, 'string');
    assert.equal((await call('GET', '/v1/account', {}, { account: body.stripe_user_id })).status, 403);
    assert.equal((await token({ code })).body.error, 'invalid_grant');
  });

  test('a code used twice does not end what another code gave', async () => {
    const { id } = await stripe.createAccount();
    const first = await codeFor({ newAccount: undefined, account: id });
    await token({ code: first });
    await token({ code: await codeFor({ newAccount: undefined, account: id }) });
    await token({ code: first });
    assert.equal((await call('GET', '/v1/account', {}, { account: id })).status, 200);
  });

  test('the mode of the key must be the code\'s; the mistake does not spend it', async () => {
    const code = await codeFor();
    const wrong = await token({ code }, { livemode: true });
    assert.deepEqual([wrong.status, wrong.body.error], [400, 'invalid_grant']);
    assert.equal((await token({ code })).status, 200);
    const live = await codeFor({}, true);
    assert.equal((await token({ code: live })).body.error, 'invalid_grant');
    assert.equal((await token({ code: live }, { livemode: true })).body.livemode, true);
  });

  test('unknown, old and malformed', async () => {
    assert.equal((await token({ code: 'ac_unknown' })).body.error, 'invalid_grant');
    assert.equal((await token({})).body.error, 'invalid_request');
    assert.equal((await token({ code: 'ac_1', foo: 1 })).body.error, 'invalid_request');
    assert.equal((await call('POST', '/oauth/token', { grant_type: 'password' })).body.error, 'unsupported_grant_type');
    const noKey = await call('POST', '/oauth/token', { grant_type: 'authorization_code', code: 'ac_1' }, { headers: { Authorization: '' } });
    assert.deepEqual([noKey.status, noKey.body.error], [401, 'invalid_client']);
    const inBody = await token({ code: await codeFor(), client_secret: stripe.keys.test.secret }, { headers: { Authorization: '' } });
    assert.equal(inBody.status, 200);
    const fresh = await start();
    try {
      const { location } = await fresh.stripe.authorize({ authorizeUrl: fresh.authorizeUrl(), newAccount: true });
      fresh.stripe.advance(301);
      const late = await fresh.call('POST', '/oauth/token', { grant_type: 'authorization_code', code: new URL(location).searchParams.get('code') });
      assert.match(late.body.error_description, /expired/);
    } finally {
      await fresh.stripe.close();
    }
  });

  test('deauthorize ends a connection of this mode once, and says so', async () => {
    const id = await merchant();
    const end = (more = {}, options) => call('POST', '/oauth/deauthorize', { client_id: stripe.keys.test.clientId, stripe_user_id: id, ...more }, options);
    assert.equal((await end({ client_id: 'ca_other' })).status, 401);
    assert.equal((await end({ client_id: stripe.keys.live.clientId }, { livemode: true })).body.error, 'invalid_client', 'not connected in live mode');
    assert.equal((await end({ stripe_user_id: undefined })).body.error, 'invalid_request');
    assert.deepEqual((await end()).body, { stripe_user_id: id });
    const again = await end();
    assert.deepEqual([again.status, again.body.error], [401, 'invalid_client']);
    assert.ok(!connected().some((connection) => connection.account === id));
    const event = stripe.books().events.findLast(({ type }) => type === 'account.application.deauthorized');
    assert.deepEqual([event.account, event.data.object.id, event.data.object.object], [id, stripe.keys.test.clientId, 'application']);
  });

  test('a brand-new account takes what the shop sent along', async () => {
    const url = authorizeUrl({ stripe_user: { email: 'me@example.com', business_name: 'Café & Co', country: 'is', url: 'https://shop.example', nonsense: 'ignored' } });
    const { account } = await stripe.authorize({ authorizeUrl: url, newAccount: true });
    const made = stripe.books().accounts.find(({ id }) => id === account);
    assert.deepEqual([made.email, made.business_profile.name, made.country, made.business_profile.url], ['me@example.com', 'Café & Co', 'IS', 'https://shop.example']);
  });
});
