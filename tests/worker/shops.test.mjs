// Contract, *Shops*, and what *Conventions* says about every request.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { documented, fine, refused } from '../support/answers.mjs';
import { chatBody, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTE = '/wp-json/cognitive-cart/v1/challenge';
let w;
let api;
before(async () => {
  w = await startWorker();
  api = documented(w);
});
after(() => w.close());

/** A pending shop on a server of its own; `t.after` closes it. */
async function pending(t, fields) {
  const shop = await registerShop(w, { verify: false, ...fields });
  t.after(() => shop.close());
  return shop;
}
async function active(t, fields) {
  const shop = await registerShop(w, fields);
  t.after(() => shop.close());
  return shop;
}
const register = (body) => api('POST', '/v1/shops', { body });
const verify = (key) => api('POST', '/v1/shop/verify', { key });
const patch = (key, body) => api('PATCH', '/v1/shop', { key, body });

describe('POST /v1/shops', () => {
  test('gives a pending shop, its key, its secret and its challenge', async () => {
    const made = fine(await register({ site_url: 'HTTPS://Shop.Example:443/store/', challenge_url: 'https://shop.example/store/c', name: 'My shop' }), 201);
    assert.equal(made.object, 'shop');
    assert.match(made.id, /^shop_[0-9a-hjkmnp-tv-z]{26}$/);
    assert.equal(made.site_url, 'https://shop.example/store');
    assert.equal(made.name, 'My shop');
    assert.equal(made.status, 'pending');
    assert.equal(made.checkout_enabled, true);
    assert.equal(made.webhook_url, null);
    assert.deepEqual(made.allowed_origins, []);
    assert.ok(Math.abs(made.created - Date.now() / 1000) < 30);
    assert.match(made.api_key, /^ccs_/);
    assert.match(made.signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.ok(made.challenge.length >= 16);
  });

  test('the key is kept as a hash, the secret sealed, and neither is in the log', async (t) => {
    const shop = await pending(t);
    const [row] = await w.d1('SELECT * FROM shops WHERE id = ?', shop.id);
    const keys = await w.d1('SELECT * FROM api_keys WHERE shop_id = ?', shop.id);
    assert.deepEqual(keys.map(({ hash }) => hash), [createHash('sha256').update(shop.key).digest('hex')]);
    const everything = JSON.stringify([row, keys]) + w.logs().text;
    assert.ok(!everything.includes(shop.key));
    assert.ok(!everything.includes(shop.secret) && !everything.includes(shop.secret.slice(6)));
  });

  test('GET /v1/shop shows neither key nor secret nor challenge', async (t) => {
    const shop = await pending(t);
    const answer = await api('GET', '/v1/shop', { key: shop.key });
    assert.equal(fine(answer).id, shop.id);
    for (const secret of [shop.key, shop.secret, shop.shop.challenge]) assert.ok(!answer.text.includes(secret));
  });

  const good = { site_url: 'https://shop.example/a', challenge_url: 'https://shop.example/a/c' };
  const cases = [
    ['no site_url', { challenge_url: good.challenge_url }, 400, 'parameter_missing', 'site_url'],
    ['no challenge_url', { site_url: good.site_url }, 400, 'parameter_missing', 'challenge_url'],
    ['an unknown member', { ...good, nmae: 'x' }, 400, 'parameter_unknown', 'nmae'],
    ['a number for a name', { ...good, name: 7 }, 400, 'parameter_invalid_string', 'name'],
    ['a string for a list', { ...good, allowed_origins: 'https://a.example' }, 400, 'parameter_invalid_array', 'allowed_origins'],
    ['a list of numbers', { ...good, allowed_origins: [1] }, 400, 'parameter_invalid_string', 'allowed_origins[0]'],
    ['http outside localhost', { ...good, site_url: 'http://shop.example' }, 422, 'url_not_allowed', 'site_url'],
    ['an IP literal', { ...good, site_url: 'https://192.0.2.7' }, 422, 'url_not_allowed', 'site_url'],
    ['an IPv6 literal', { ...good, site_url: 'https://[2001:db8::1]' }, 422, 'url_not_allowed', 'site_url'],
    ['credentials', { ...good, site_url: 'https://me:pw@shop.example' }, 422, 'url_not_allowed', 'site_url'],
    ['a fragment', { ...good, site_url: 'https://shop.example/#top' }, 422, 'url_not_allowed', 'site_url'],
    ['a query in site_url', { ...good, site_url: 'https://shop.example/?p=1' }, 422, 'url_not_allowed', 'site_url'],
    ['a challenge on another origin', { ...good, challenge_url: 'https://other.example/a/c' }, 422, 'url_not_allowed', 'challenge_url'],
    ['a challenge beside the path', { ...good, challenge_url: 'https://shop.example/ab/c' }, 422, 'url_not_allowed', 'challenge_url'],
    ['a challenge above the path by dots', { ...good, challenge_url: 'https://shop.example/a/../c' }, 422, 'url_not_allowed', 'challenge_url'],
    ['a challenge on an allowed origin only', { ...good, allowed_origins: ['https://b.example'], challenge_url: 'https://b.example/a/c' }, 422, 'url_not_allowed', 'challenge_url'],
    ['a fragment in the challenge', { ...good, challenge_url: 'https://shop.example/a/c#x' }, 422, 'url_not_allowed', 'challenge_url'],
    ['a foreign webhook', { ...good, webhook_url: 'https://other.example/hook' }, 422, 'url_not_allowed', 'webhook_url'],
    ['an inside webhook', { ...good, webhook_url: 'http://169.254.169.254/' }, 422, 'url_not_allowed', 'webhook_url'],
    ['an origin with a path', { ...good, allowed_origins: ['https://b.example', 'https://c.example/x'] }, 422, 'url_not_allowed', 'allowed_origins[1]'],
    ['too many origins', { ...good, allowed_origins: Array.from({ length: 21 }, (_, i) => `https://o${i}.example`) }, 422, 'parameter_invalid', 'allowed_origins'],
  ];
  for (const [name, body, status, code, param] of cases) test(`${name}: ${status} ${code}`, async () => refused(await register(body), status, code, param));

  test('a webhook may be on an allowed origin', async () => {
    const made = fine(await register({ ...good, allowed_origins: ['https://B.example/'], webhook_url: 'https://b.example/hook' }), 201);
    assert.deepEqual(made.allowed_origins, ['https://b.example']);
    assert.equal(made.webhook_url, 'https://b.example/hook');
  });

  test('REGISTRATION=operator asks for the operator\'s key', async (t) => {
    const closed = await startWorker({ vars: { REGISTRATION: 'operator' } });
    t.after(() => closed.close());
    refused(await closed.api('POST', '/v1/shops', { body: good }), 401, 'api_key_missing');
    refused(await closed.api('POST', '/v1/shops', { body: good, key: 'wrong' }), 401, 'api_key_invalid');
    fine(await closed.api('POST', '/v1/shops', { body: good, key: closed.vars.ADMIN_KEY }), 201);
  });
});

describe('POST /v1/shop/verify', () => {
  for (const [name, answer] of [
    ['plain text with white space around it', (c) => `\n  ${c} \n`],
    ['JSON', (c) => JSON.stringify({ challenge: c, more: 1 })],
    ['a JSON string', (c) => JSON.stringify(c)],
  ]) {
    test(`takes the challenge as ${name}`, async (t) => {
      const shop = await pending(t);
      shop.challenge = answer(shop.shop.challenge);
      assert.equal(fine(await verify(shop.key)).status, 'active');
      // The Worker names itself to the shop's firewall.
      const seen = shop.requests.find(({ path }) => path === ROUTE);
      assert.match(seen.headers['user-agent'], /^CognitiveCart-Worker\/\d+\.\d+\.\d+ \(\+http:\/\/localhost:\d+\)$/);
      assert.equal(fine(await verify(shop.key)).status, 'active');
    });
  }

  test('tells what it saw: status, server and the first 200 characters', async (t) => {
    const shop = await pending(t);
    shop.challenge = (_request, response) => response.writeHead(403, { server: 'fierce-wall', 'content-type': 'text/html' }).end(`<h1>Blocked</h1>${'x'.repeat(5000)}`);
    const { saw } = refused(await verify(shop.key), 422, 'challenge_failed', 'challenge_url');
    assert.deepEqual({ status: saw.status, server: saw.server }, { status: 403, server: 'fierce-wall' });
    assert.equal(saw.body, `<h1>Blocked</h1>${'x'.repeat(184)}`);
    assert.equal(fine(await api('GET', '/v1/shop', { key: shop.key })).status, 'pending');
  });

  for (const [name, challenge] of [
    ['another challenge', () => 'ccch_wrong'],
    ['a page that only contains it', (c) => `<p>${c}</p>`],
    ['JSON without it', () => '{"challenge":null}'],
    ['the challenge with a status 404', (c) => (_request, response) => response.writeHead(404).end(c)],
    ['the challenge behind more than 4 KiB', (c) => `${' '.repeat(4096)}${c}`],
    ['nothing, the connection is cut', () => (request) => request.socket.destroy()],
  ]) {
    test(`${name}: 422 challenge_failed`, async (t) => {
      const shop = await pending(t);
      shop.challenge = challenge(shop.shop.challenge);
      const error = refused(await verify(shop.key), 422, 'challenge_failed', 'challenge_url');
      assert.ok('status' in error.saw && 'body' in error.saw);
    });
  }

  test('follows no redirect', async (t) => {
    const shop = await pending(t);
    const { challenge } = shop;
    shop.challenge = (request, response) => (request.url.includes('?there')
      ? response.writeHead(200).end(challenge) : response.writeHead(302, { location: `${shop.origin}${ROUTE}?there` }).end());
    assert.equal(refused(await verify(shop.key), 422, 'challenge_failed', 'challenge_url').saw.status, 302);
    assert.equal(shop.requests.length, 1);
  });

  test('until then only /v1/shop… answers', async (t) => {
    const shop = await pending(t);
    fine(await api('GET', '/v1/shop', { key: shop.key }));
    fine(await patch(shop.key, { name: 'Early bird' }));
    fine(await api('PUT', '/v1/shop/fulfillment', { key: shop.key, body: { digital: [{ id: 'mail', title: 'By mail' }] } }));
    assert.equal(fine(await api('GET', '/v1/shop/fulfillment', { key: shop.key })).digital[0].id, 'mail');
    for (const [method, path, body] of [
      ['POST', '/v1/connect/start', {}], ['POST', '/v1/connect/confirm', {}], ['GET', '/v1/connection'], ['DELETE', '/v1/connection'],
      ['POST', '/v1/checkout/sessions', chatBody(shop)], ['GET', '/v1/checkout/sessions/cs_test_a1'], ['POST', '/v1/checkout/sessions/cs_test_a1/expire', {}],
      ['GET', '/v1/transactions'], ['GET', '/v1/transactions/summary'], ['GET', '/v1/transactions.csv'], ['GET', '/v1/manifest'],
    ]) refused(await api(method, path, { key: shop.key, body, idempotencyKey: 'k' }), 403, 'shop_not_verified');
  });

  test('a shop still pending after 24 h is erased', async (t) => {
    const [old, young] = [await pending(t), await pending(t)];
    for (const { key } of [old, young]) fine(await api('PUT', '/v1/shop/fulfillment', { key, body: {} }));
    await w.d1('UPDATE shops SET created = created - 86500 WHERE id = ?', old.id);
    await w.scheduled();
    refused(await api('GET', '/v1/shop', { key: old.key }), 401, 'api_key_invalid');
    fine(await api('GET', '/v1/shop', { key: young.key }));
    assert.deepEqual(await w.d1('SELECT shop_id FROM fulfillment WHERE shop_id IN (?, ?)', old.id, young.id), [{ shop_id: young.id }]);
  });
});

describe('a second registration of the same site', () => {
  /** Registers `site` again; its challenge is served on the very same server. */
  async function again(t, first, challengePath) {
    const made = fine(await register({ site_url: `${first.site}/`, challenge_url: `${first.site}${challengePath}` }), 201);
    first.challenge = made.challenge;
    return made;
  }

  for (const path of [ROUTE, '/index.php?rest_route=/cognitive-cart/v1/challenge', '/?rest_route=/cognitive-cart/v1/challenge', '/?rest_route=%2Fcognitive-cart%2Fv1%2Fchallenge', '/.well-known/cognitive-cart-challenge']) {
    test(`supersedes the first one by ${path}`, async (t) => {
      const first = await active(t);
      const second = await again(t, first, path);
      fine(await api('GET', '/v1/shop', { key: first.key }));
      assert.equal(fine(await verify(second.api_key)).status, 'active');
      assert.ok(first.requests.some(({ url }) => decodeURIComponent(url) === decodeURIComponent(path)));
      refused(await api('GET', '/v1/shop', { key: first.key }), 401, 'api_key_invalid');
      refused(await api('POST', '/v1/checkout/sessions', { key: first.key, idempotencyKey: 'k', body: chatBody(first) }), 401, 'api_key_invalid');
      assert.deepEqual(await w.d1('SELECT status FROM shops WHERE id = ?', first.id), [{ status: 'superseded' }]);
    });
  }

  test('does not by an address that a visitor could have filled', async (t) => {
    const first = await active(t);
    const second = await again(t, first, `/uploads${ROUTE}`);
    refused(await verify(second.api_key), 422, 'challenge_failed', 'challenge_url');
    fine(await api('GET', '/v1/shop', { key: first.key }));
    assert.equal(fine(await api('GET', '/v1/shop', { key: second.api_key })).status, 'pending');
  });

  test('inherits nothing', async (t) => {
    const first = await active(t, { name: 'Before' });
    const second = await again(t, first, ROUTE);
    const shop = fine(await verify(second.api_key));
    assert.notEqual(shop.id, first.id);
    assert.equal(fine(await api('GET', '/v1/connection', { key: second.api_key })).connected, false);
    assert.deepEqual(fine(await api('GET', '/v1/transactions', { key: second.api_key })).data, []);
  });

  test('another path of the same origin is another shop', async (t) => {
    const first = await active(t, { path: '/one' });
    const other = fine(await register({ site_url: `${first.origin}/two`, challenge_url: `${first.origin}/two${ROUTE}` }), 201);
    first.challenge = other.challenge;
    fine(await verify(other.api_key));
    fine(await api('GET', '/v1/shop', { key: first.key }));
  });
});

test('SHOP_VERIFICATION=off: active at birth, and the next one of the same site supersedes it', async (t) => {
  const trusting = await startWorker({ vars: { SHOP_VERIFICATION: 'off' } });
  t.after(() => trusting.close());
  const body = { site_url: 'http://localhost:4', challenge_url: 'http://localhost:4/c' };
  const first = fine(await trusting.api('POST', '/v1/shops', { body }), 201);
  assert.equal(first.status, 'active');
  const second = fine(await trusting.api('POST', '/v1/shops', { body }), 201);
  assert.equal(second.status, 'active');
  refused(await trusting.api('GET', '/v1/shop', { key: first.api_key }), 401, 'api_key_invalid');
  fine(await trusting.api('GET', '/v1/shop', { key: second.api_key }));
});

describe('PATCH /v1/shop', () => {
  test('sets what is named, clears by null, keeps the rest', async (t) => {
    const shop = await active(t, { name: 'Old' });
    const set = {
      name: 'New', webhook_url: 'https://b.example/hook', allowed_origins: ['https://b.example'], checkout_enabled: false, automatic_tax: true,
      create_session_endpoint: `${shop.origin}/agents`, default_success_url: `${shop.origin}/ok?s={CHECKOUT_SESSION_ID}#top`, default_cancel_url: `${shop.origin}/no`,
    };
    const subset = (object) => Object.fromEntries(Object.keys(set).map((name) => [name, object[name]]));
    assert.deepEqual(subset(fine(await patch(shop.key, set))), set);
    assert.deepEqual(subset(fine(await patch(shop.key, {}))), set);
    const cleared = fine(await patch(shop.key, { webhook_url: null, create_session_endpoint: null, default_success_url: null, default_cancel_url: null, allowed_origins: null }));
    assert.deepEqual(subset(cleared), {
      ...set, webhook_url: null, create_session_endpoint: null, default_success_url: null, default_cancel_url: null, allowed_origins: [],
    });
    assert.deepEqual(subset(fine(await api('GET', '/v1/shop', { key: shop.key }))), subset(cleared));
  });

  test('an origin that still carries an address cannot be taken away', async (t) => {
    const shop = await active(t);
    fine(await patch(shop.key, { allowed_origins: ['https://b.example'], webhook_url: 'https://b.example/hook' }));
    refused(await patch(shop.key, { allowed_origins: [] }), 422, 'url_not_allowed', 'webhook_url');
    fine(await patch(shop.key, { allowed_origins: [], webhook_url: null }));
  });

  test('refuses what is not allowed, and changes nothing then', async (t) => {
    const shop = await active(t, { name: 'Same' });
    for (const [body, status, code, param] of [
      [{ name: null }, 400, 'parameter_missing', 'name'],
      [{ name: ' ' }, 422, 'parameter_invalid_empty', 'name'],
      [{ checkout_enabled: 'no' }, 400, 'parameter_invalid_boolean', 'checkout_enabled'],
      [{ automatic_tax: 1 }, 400, 'parameter_invalid_boolean', 'automatic_tax'],
      [{ webhook_url: 'https://other.example/' }, 422, 'url_not_allowed', 'webhook_url'],
      [{ webhook_url: 5 }, 400, 'parameter_invalid_string', 'webhook_url'],
      [{ default_success_url: 'https://other.example/' }, 422, 'url_not_allowed', 'default_success_url'],
      [{ default_cancel_url: 'javascript:alert(1)' }, 422, 'url_not_allowed', 'default_cancel_url'],
      [{ create_session_endpoint: 'https://other.example/' }, 422, 'url_not_allowed', 'create_session_endpoint'],
      [{ create_session_endpoint: `${shop.origin}/x#y` }, 422, 'url_not_allowed', 'create_session_endpoint'],
      [{ site_url: 'https://elsewhere.example' }, 400, 'parameter_unknown', 'site_url'],
      [{ status: 'active' }, 400, 'parameter_unknown', 'status'],
      [{ name: 'Other', webhook_url: 'https://other.example/' }, 422, 'url_not_allowed', 'webhook_url'],
    ]) refused(await patch(shop.key, body), status, code, param);
    assert.equal(fine(await api('GET', '/v1/shop', { key: shop.key })).name, 'Same');
  });
});

describe('rolled keys', () => {
  test('a new key; the old one is good for 24 h more, and not a second longer', async (t) => {
    const shop = await active(t);
    const rolled = fine(await api('POST', '/v1/shop/api_keys', { key: shop.key }), 201);
    assert.equal(rolled.object, 'api_key');
    assert.equal(rolled.previous_expires_at, rolled.created + 86400);
    for (const key of [shop.key, rolled.api_key]) fine(await api('GET', '/v1/shop', { key }));
    // A second roll does not prolong the first key.
    await w.d1('UPDATE api_keys SET expires_at = expires_at - 50000 WHERE shop_id = ? AND expires_at IS NOT NULL', shop.id);
    fine(await api('POST', '/v1/shop/api_keys', { key: rolled.api_key }), 201);
    await w.d1('UPDATE api_keys SET expires_at = expires_at - 36400 WHERE shop_id = ? AND expires_at IS NOT NULL', shop.id);
    refused(await api('GET', '/v1/shop', { key: shop.key }), 401, 'api_key_invalid');
    fine(await api('GET', '/v1/shop', { key: rolled.api_key }));
  });

  test('a new signing secret, sealed; the old one is kept beside it for 24 h', async (t) => {
    const shop = await active(t);
    const rolled = fine(await api('POST', '/v1/shop/signing_secrets', { key: shop.key }), 201);
    assert.match(rolled.signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.notEqual(rolled.signing_secret, shop.secret);
    assert.equal(rolled.previous_expires_at, rolled.created + 86400);
    const [row] = await w.d1('SELECT * FROM shops WHERE id = ?', shop.id);
    assert.ok(row.previous_signing_secret && row.previous_signing_secret !== row.signing_secret);
    assert.equal(row.previous_signing_secret_expires_at, rolled.previous_expires_at);
    assert.ok(!JSON.stringify(row).includes(rolled.signing_secret.slice(6)));
  });

  test('both take no member', async (t) => {
    const shop = await active(t);
    for (const path of ['/v1/shop/api_keys', '/v1/shop/signing_secrets', '/v1/shop/verify']) {
      refused(await api('POST', path, { key: shop.key, body: { force: true } }), 400, 'parameter_unknown', 'force');
    }
  });
});

describe('every request', () => {
  test('no key, a wrong key, another scheme: 401', async () => {
    for (const [headers, code] of [[{}, 'api_key_missing'], [{ authorization: 'Bearer ccs_wrong' }, 'api_key_invalid'], [{ authorization: 'Basic Zm9v' }, 'api_key_invalid'], [{ authorization: 'Bearer ' }, 'api_key_invalid']]) {
      const answer = await api('GET', '/v1/shop', { headers });
      refused(answer, 401, code);
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
    }
  });

  test('shop keys do not open what is the operator\'s, nor the operator\'s key a shop', async () => {
    refused(await api('GET', '/v1/shop', { key: w.vars.ADMIN_KEY }), 401, 'api_key_invalid');
  });

  test('a suspended shop: 403 shop_suspended', async (t) => {
    const shop = await active(t);
    await w.d1("UPDATE shops SET status = 'suspended' WHERE id = ?", shop.id);
    refused(await api('GET', '/v1/shop', { key: shop.key }), 403, 'shop_suspended');
    refused(await api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'k', body: chatBody(shop) }), 403, 'shop_suspended');
  });

  test('404 and 405 with Allow; OPTIONS too; no CORS', async () => {
    refused(await w.api('GET', '/v1/nothing'), 404, 'route_unknown');
    for (const [method, path, allow] of [['OPTIONS', '/v1/shops', 'POST'], ['GET', '/v1/shops', 'POST'], ['PUT', '/v1/shop', /PATCH/], ['DELETE', '/v1/checkout/sessions', 'POST']]) {
      const answer = await w.api(method, path, { headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } });
      refused(answer, 405, 'method_not_allowed');
      assert.match(answer.headers.get('allow'), new RegExp(allow));
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
    }
  });

  test('slashes before the path do not matter', async (t) => {
    const shop = await active(t);
    fine(await w.api('GET', `${w.url}//v1/shop`, { key: shop.key }));
  });

  test('bodies: 400 json_invalid, 413, 415', async () => {
    for (const body of ['{', '[]', '"x"', 'null', '{"a":1}}', Buffer.from([0x7b, 0xff, 0x7d])]) refused(await register(body), 400, 'json_invalid');
    refused(await register(`{"site_url":"${'x'.repeat(256 * 1024)}"}`), 413, 'body_too_large');
    refused(await api('POST', '/v1/shops', { body: '{}', headers: { 'content-type': 'text/plain' } }), 415, 'media_type_unsupported');
    refused(await api('POST', '/v1/shops', { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 415, 'media_type_unsupported');
    refused(await api('POST', '/v1/shops', { body: '{}', headers: { 'content-type': 'application/json; charset=UTF-8' } }), 400, 'parameter_missing', 'site_url');
  });

  test('members in the body of a DELETE are refused by name, and nothing is deleted', async (t) => {
    const shop = await active(t);
    const { body: agent } = await w.api('POST', '/v1/agents', { key: shop.key, body: { name: 'Claude' } });
    for (const path of ['/v1/shop', '/v1/connection', `/v1/agents/${agent.id}`, '/v1/catalogue/products/mug']) {
      refused(await w.api('DELETE', path, { key: shop.key, body: { mode: 'live' } }), 400, 'parameter_unknown', 'mode');
    }
    assert.equal((await w.api('GET', '/v1/shop', { key: shop.key })).body.status, 'active');
    fine(await w.api('DELETE', `/v1/agents/${agent.id}`, { key: shop.key, body: {} }));
  });

  test('a large body of one who may not come in is read and thrown away: its sender sees the refusal, not a broken line', async () => {
    for (const size of [300_000, 5_000_000]) {
      const body = 'x'.repeat(size);
      for (let n = 0; n < 40; n += 1) refused(await api('PATCH', '/v1/shop', { key: 'ccs_nobody', body }), 401, 'api_key_invalid');
      for (let n = 0; n < 10; n += 1) refused(await w.api('POST', '/v1/nothing', { body }), 404, 'route_unknown');
    }
  });

  test('a body that does not tell its length is measured while it is read', async () => {
    const part = Buffer.alloc(64 * 1024, 0x20);
    const stream = new ReadableStream({ start(to) { for (let i = 0; i < 5; i += 1) to.enqueue(part); to.close(); } });
    const answer = await w.fetch('/v1/shops', { method: 'POST', headers: { 'content-type': 'application/json' }, body: stream, duplex: 'half' });
    assert.equal(answer.status, 413);
    assert.equal((await answer.json()).error.code, 'body_too_large');
  });

  test('Request-Id: the caller\'s own where it is plain, else a fresh one; in the error and in the log', async () => {
    for (const [sent, kept] of [['my-request.0001_x', true], ['short', false], ['x'.repeat(129), false], ['with space 1', false]]) {
      const answer = await api('GET', '/v1/shop', { headers: { 'request-id': sent } });
      const id = answer.headers.get('request-id');
      assert.equal(id === sent, kept, sent);
      assert.equal(answer.body.error.request_id, id);
      assert.equal((await w.lineOf(answer)).status, 401);
    }
    assert.ok((await w.api('GET', '/healthz')).headers.get('request-id'));
  });
});
