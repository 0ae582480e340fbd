// src/openapi.json is what clients are written against, so it has to be true, in both directions:
// what it says the Worker does, and what the Worker does it says.

import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, BUYER, buyAs, sellToAgents, speaker } from '../support/agent.mjs';
import { cartData, hookOf, orderData } from '../support/hooks.mjs';
import { row, table } from '../support/imports.mjs';
import { startShopServer } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';
import { codesOf, openapi, operations, operationOf, resolve, violations, wrongWith } from '../support/schema.mjs';

const root = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const unique = (list) => [...new Set(list)].sort();

describe('the document by itself', () => {
  test('is OpenAPI 3.1 by the meta-schema', async () => {
    const verdict = await new Validator().validate(structuredClone(openapi));
    assert.deepEqual(verdict.errors ?? [], []);
    assert.ok(verdict.valid);
  });

  test('every $ref leads somewhere, and nothing is defined in vain', () => {
    const used = new Set();
    const walk = (node) => {
      if (!node || typeof node !== 'object') return;
      if (typeof node.$ref === 'string') {
        assert.ok(resolve(node), `${node.$ref} leads nowhere`);
        used.add(node.$ref);
      }
      Object.values(node).forEach(walk);
    };
    walk(openapi);
    for (const kind of ['schemas', 'responses', 'parameters', 'headers']) {
      for (const name of Object.keys(openapi.components[kind])) {
        // Allow is sent with every 405, which is told once for all routes.
        if (name !== 'Allow') assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is never used`);
      }
    }
  });

  test('request objects are closed, and their examples are valid', () => {
    for (const { method, path, operation } of operations) {
      const content = operation.requestBody?.content?.['application/json'];
      if (!content || path.startsWith('/stripe/')) continue;
      for (const [name, example] of Object.entries(content.examples ?? {})) {
        assert.deepEqual(violations(content.schema, example.value), [], `${method} ${path}: example ${name}`);
      }
      for (const body of content.schema.oneOf ?? [content.schema.items ?? content.schema]) {
        assert.equal(resolve(body).additionalProperties, false, `${method} ${path} takes unknown members`);
      }
    }
  });

  test('every error in JSON has its codes, and no code is without its status', () => {
    for (const { method, path, operation } of operations.filter(({ path }) => path !== '/healthz')) {
      for (const status of Object.keys(operation.responses)) {
        const inJson = status >= 400 && resolve(operation.responses[status]).content['application/json'];
        assert.equal(codesOf(operation, status).length > 0, Boolean(inJson), `${method} ${path} ${status}`);
      }
      for (const status of Object.keys(operation['x-error-codes'] ?? {})) assert.ok(operation.responses[status], `${method} ${path} ${status}`);
    }
  });

  test('is small enough to be carried in the binary', () => {
    // Unpacked, it has to fit into what is read of a text (256 KiB).
    assert.ok(JSON.stringify(openapi).length < 230_000);
  });
});

describe('the pages about it', () => {
  const ofAgents = ({ path }) => /^\/(checkouts|checkout_sessions|carts|mcp)\b/.test(path);
  const codes = (which) => operations.filter(which).flatMap(({ operation }) => Object.keys(operation.responses).flatMap((status) => codesOf(operation, status).map((code) => `${status} ${code}`)));

  /** The codes in the last table of a page, each with its status. */
  const told = (page) => {
    const table = read(page).split('## Every error code')[1];
    return [...table.matchAll(/^\| (\d{3}) \| ([^|]+) \|/gm)].flatMap(([, status, cell]) => {
      const names = [...cell.matchAll(/`([a-z_0-9]+)`/g)].map(([, name]) => name);
      // `parameter_invalid_string`, `_integer` … share a row.
      const stem = names[0].replace(/_[a-z]+$/, '');
      return names.map((name) => `${status} ${name.startsWith('_') ? stem + name : name}`);
    });
  };

  test('docs/contract.md lists exactly the codes of the document, each at its status', () => {
    // These two are told for all routes together, in the document's introduction.
    assert.deepEqual(unique(told('docs/contract.md')), unique([...codes((one) => !ofAgents(one)), '404 route_unknown', '405 method_not_allowed']));
  });

  test('docs/acp.md those of the agents\' routes', () => {
    assert.deepEqual(unique(told('docs/acp.md')), unique(codes(ofAgents)));
  });

  test('docs/contract.md names every route under /v1', () => {
    const text = read('docs/contract.md').replaceAll('{cct_…}', '{id}').replaceAll('{ccevt_…}', '{id}').replaceAll('{cs_…}', '{id}').replaceAll('{ccup_…}', '{id}').replaceAll('{ord_…}', '{id}').replaceAll('{ccim_…}', '{id}');
    for (const { method, path } of operations.filter(({ path }) => path.startsWith('/v1'))) {
      const route = `${method} ${path}`;
      assert.ok(text.includes(route) || text.includes(`${method} http://localhost:8787${path}`) || text.includes(path), `${route} is not in docs/contract.md`);
    }
  });

  test('docs/deploy.md knows every variable that the Worker reads, and every event that it handles', () => {
    const guide = read('docs/deploy.md');
    const variables = unique([...read('src/config.rs').matchAll(/"([A-Z][A-Z_]{3,})"/g)].map(([, name]) => name));
    assert.ok(variables.length > 15);
    for (const name of variables) assert.ok(guide.includes(`\`${name}\``), `${name} is not in docs/deploy.md`);
    const events = unique([...read('src/journey/event.rs').matchAll(/"((?:checkout|payment_intent|account|charge|refund)\.[a-z_.]+)"/g)].map(([, type]) => type));
    assert.ok(events.length > 7);
    for (const type of events) assert.ok(guide.split('\n').includes(type), `${type} is not in docs/deploy.md`);
  });

  test('README.md quotes the WordPress example word for word', () => {
    const plugin = read('examples/wordpress/cognitive-cart-example.php');
    const quotes = [...read('README.md').matchAll(/```php\n([\s\S]*?)\n```/g)].map(([, code]) => code);
    assert.ok(quotes.length >= 3);
    for (const quote of quotes) assert.ok(plugin.includes(quote), `not in the plugin any more:\n${quote.slice(0, 200)}`);
  });

  test('docs/agent-events.md: the worked example is true', () => {
    const text = read('docs/agent-events.md');
    const [, body] = /^BODY='(.+)'$/m.exec(text);
    const [, secret] = /with the secret `(whsec_[^`]+)`/.exec(text);
    const [, t, v1] = /^Merchant-Signature: t=(\d+),v1=([0-9a-f]{64})$/m.exec(text);
    const hmac = (signed) => createHmac('sha256', secret).update(signed).digest('hex');
    assert.equal(hmac(`${t}.${body}`), v1);
    assert.ok(text.includes(`# ${v1}\n`) && text.includes(`# ${hmac(body)} `));
    assert.ok(text.includes(`\n\n${body}\n`), 'the body of the request shown');
    assert.equal(Date.parse(/^Timestamp: (.+)$/m.exec(text)[1]) / 1000, Number(t));
  });

  test('links between the pages lead somewhere', () => {
    for (const page of ['README.md', 'docs/contract.md', 'docs/acp.md', 'docs/agent-events.md', 'docs/deploy.md']) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [file, anchor] = target.split('#');
        const url = file ? new URL(file, new URL(page, root)) : new URL(page, root);
        assert.ok(existsSync(url), `${page}: ${target}`);
        if (anchor) {
          const anchors = [...readFileSync(url, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
            title.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'),
          );
          assert.ok(anchors.includes(anchor), `${page}: ${target}`);
        }
      }
    }
  });
});

// ---- the running Worker ----

/** The members of a body that its schema requires or closes, with their names in the style of `param`. */
function* members(schema, value, name = '') {
  const node = resolve(schema);
  if (Array.isArray(value)) {
    if (value.length) yield* members(node.items, value[0], `${name}[0]`);
    return;
  }
  if (!value || typeof value !== 'object') return;
  const inner = (member) => (name ? `${name}[${member}]` : member);
  if (node.additionalProperties === false) yield { kind: 'unknown', owner: value, member: 'nonsense', param: inner('nonsense') };
  for (const member of node.required ?? []) yield { kind: 'missing', owner: value, member, param: inner(member) };
  for (const member of Object.keys(value)) if (node.properties?.[member]) yield* members(node.properties[member], value[member], inner(member));
}

describe('the running Worker', () => {
  let stripe, worker, shop, key, account;
  const seen = new Set();

  /** Calls the Worker and holds the answer against the document. */
  async function call(method, path, { body, headers = {}, as = key, expect } = {}) {
    const response = await worker.fetch(path, {
      method,
      redirect: 'manual',
      headers: { ...(as ? { Authorization: `Bearer ${as}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = { status: response.status, headers: response.headers, body: text };
    assert.deepEqual(wrongWith(method, path, answer), [], `${method} ${path}`);
    if (expect) assert.equal(response.status, expect, `${method} ${path}: ${text.slice(0, 500)}`);
    seen.add(`${operationOf(method, path).operation.operationId} ${response.status}`);
    const json = (response.headers.get('content-type') ?? '').startsWith('application/json') && text ? JSON.parse(text) : undefined;
    return { ...answer, json, error: json?.error ?? (json?.code ? json : undefined), location: response.headers.get('location') };
  }

  const s256 = (text) => createHash('sha256').update(text).digest('base64url');
  const sell = (body, more) => call('POST', '/v1/checkout/sessions', { body, headers: { 'Idempotency-Key': randomUUID() }, ...more });
  const example = (operationId, name) => {
    const { operation } = operations.find((one) => one.operation.operationId === operationId);
    return structuredClone(operation.requestBody.content['application/json'].examples[name].value);
  };
  /** The document's example, at home in the shop of this test. */
  const atHome = (value) => JSON.parse(JSON.stringify(value).replaceAll('https://shop.example', shop.origin));

  async function connect(mode = 'test') {
    const verifier = randomBytes(32).toString('base64url');
    const { json: ticket } = await call('POST', '/v1/connect/start', { body: { return_url: `${shop.origin}/back`, mode, verifier_challenge: s256(verifier) }, expect: 201 });
    const path = new URL(ticket.url).pathname;
    await call('GET', path, { as: null, expect: 200 });
    const consent = await call('POST', path, { as: null, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: '', expect: 303 });
    const { location } = await stripe.authorize({ authorizeUrl: consent.location, account });
    const cookie = consent.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ');
    const { pathname, search } = new URL(location);
    const back = await call('GET', pathname + search, { as: null, headers: { Cookie: cookie }, expect: 303 });
    return { verifier, claim: new URL(back.location).searchParams.get('cc_claim'), used: pathname + search, cookie };
  }

  before(async () => {
    stripe = await startStripe({ retryPauses: [20, 20] });
    worker = await startWorker({ stripe });
    shop = await startShopServer();
    account = (await stripe.createAccount({ name: 'Mugs', email: 'mugs@example.com', country: 'US', charges_enabled: true, details_submitted: true })).id;
  });
  after(async () => {
    await worker?.close();
    await stripe?.close();
    await shop?.close();
  });

  test('every documented operation is routed', async () => {
    for (const { method, path, operation } of operations) {
      const concrete = path.replace('{ticket}', 'no-such-ticket').replace('{transaction}', `cct_${'0'.repeat(26)}`)
        .replace('{id}', path.startsWith('/v1/checkout') ? 'cs_test_0' : `cct_${'0'.repeat(26)}`);
      const { status, error } = await call(method, concrete, { as: null });
      assert.notEqual(error?.code, 'route_unknown', `${method} ${path}`);
      assert.notEqual(error?.code, 'method_not_allowed', `${method} ${path}`);
      // Who wants a key says so before anything else.
      if (!operation.security) assert.equal(`${status} ${error?.code}`, '401 api_key_missing', `${method} ${path}`);
    }
  });

  test('every other method is 405, and Allow names exactly the documented ones', async () => {
    for (const path of Object.keys(openapi.paths)) {
      const here = operations.filter((one) => one.path === path);
      const allowed = here.flatMap(({ method, operation }) => (method === 'GET' && operation['x-head'] !== false ? ['GET', 'HEAD'] : [method]));
      const concrete = path.replace(/\{[^}]+\}/g, path.startsWith('/v1/checkout') ? 'cs_test_0' : `cct_${'0'.repeat(26)}`);
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await worker.fetch(concrete, { method, redirect: 'manual' });
        const body = await response.text();
        if (allowed.includes(method)) {
          assert.notEqual(response.status, 405, `${method} ${path}`);
          continue;
        }
        assert.equal(response.status, 405, `${method} ${path}: ${body.slice(0, 200)}`);
        assert.deepEqual(unique(response.headers.get('allow').split(', ')), unique(allowed), `${method} ${path}`);
        if (method !== 'HEAD') {
          const told = JSON.parse(body);
          const problem = told.jsonrpc ? told.error.data : told;
          const flat = !problem.error;
          assert.deepEqual(violations({ $ref: `#/components/schemas/${flat ? 'AcpError' : 'Error'}` }, problem), [], path);
          assert.equal((problem.error ?? problem).code, 'method_not_allowed');
        }
      }
    }
  });

  test('an address that is not in the document is 404 route_unknown', async () => {
    for (const path of ['/v1', '/v1/', '/v2/shop', '/v1/shops/', '/v1/transactions/a/b', '/robots.txt', '/connect', '/checkout']) {
      const response = await worker.fetch(path);
      const problem = await response.json();
      assert.equal(`${response.status} ${problem.error.code}`, '404 route_unknown', path);
      assert.deepEqual(violations({ $ref: '#/components/schemas/Error' }, problem), []);
    }
  });

  test('what is served is this document', async () => {
    const { json } = await call('GET', '/openapi.json', { as: null, expect: 200 });
    assert.deepEqual(json, openapi);
  });

  test('a shop: register, verify, change, roll', async () => {
    const { json: born } = await call('POST', '/v1/shops', { as: null, body: atHome(example('createShop', 'shop')), expect: 201 });
    key = born.api_key;
    shop.challenge = 'not it';
    const { error } = await call('POST', '/v1/shop/verify', { expect: 422 });
    assert.equal(error.code, 'challenge_failed');
    assert.equal(error.saw.status, 200);
    assert.equal((await call('GET', '/v1/connection', { expect: 403 })).error.code, 'shop_not_verified');
    shop.challenge = born.challenge;
    assert.equal((await call('POST', '/v1/shop/verify', { expect: 200 })).json.status, 'active');
    await call('GET', '/v1/shop', { expect: 200 });
    await call('PATCH', '/v1/shop', { body: { name: 'Mugs' }, expect: 200 });
    const old = key;
    key = (await call('POST', '/v1/shop/api_keys', { expect: 201 })).json.api_key;
    await call('GET', '/v1/shop', { as: old, expect: 200 });
    await call('POST', '/v1/shop/signing_secrets', { expect: 201 });
    assert.deepEqual((await call('GET', '/v1/manifest', { expect: 200 })).json, {});
    assert.equal((await call('GET', '/v1/connection?mode=test', { expect: 200 })).json.connected, false);
    assert.equal((await sell(atHome(example('createCheckoutSession', 'agent')), { expect: 409 })).error.code, 'not_connected');
  });

  test('connecting: ticket, consent, callback, confirm', async () => {
    const lost = await connect();
    assert.equal((await call('POST', '/v1/connect/confirm', { body: { claim: lost.claim, verifier: 'x'.repeat(43) }, expect: 422 })).error.code, 'verifier_mismatch');
    assert.equal((await call('POST', '/v1/connect/confirm', { body: { claim: lost.claim, verifier: lost.verifier }, expect: 422 })).error.code, 'claim_dead');
    await call('GET', lost.used, { as: null, headers: { Cookie: lost.cookie }, expect: 400 });
    const { claim, verifier } = await connect();
    const { json } = await call('POST', '/v1/connect/confirm', { body: { claim, verifier }, expect: 200 });
    assert.equal(json.account, account);
    assert.equal((await call('GET', '/v1/connection', { expect: 200 })).json.connected, true);
    assert.ok((await call('GET', '/v1/manifest', { expect: 200 })).json.checkoutCompleteUrlTemplate.includes('{CHECKOUT_SESSION_ID}'));
    const again = await call('POST', '/v1/connect/start', { body: { return_url: `${shop.origin}/back`, mode: 'test', verifier_challenge: s256(verifier) }, expect: 409 });
    assert.equal(again.error.code, 'already_connected');
  });

  test('connecting a merchant who has no account: form, another link, back, confirm', async () => {
    const verifier = randomBytes(32).toString('base64url');
    const { json: ticket } = await call('POST', '/v1/connect/start', { body: { return_url: `${shop.origin}/back`, mode: 'live', method: 'onboarding', verifier_challenge: s256(verifier) }, expect: 201 });
    const path = new URL(ticket.url).pathname;
    await call('GET', path, { as: null, expect: 200 });
    const press = (body, expect, cookie) => call('POST', path, { as: null, headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...(cookie && { Cookie: cookie }) }, body, expect });
    const cookieOf = (answer) => answer.headers.getSetCookie().map((one) => one.split(';')[0]).filter((one) => !one.endsWith('=')).join('; ');
    const first = await press('email=nobody', 422);
    await press('email=ada%40shop.example', 400);
    const consent = await press('email=ada%40shop.example&country=US', 303, cookieOf(first));
    const onward = (address, cookie) => { const { pathname, search } = new URL(address); return call('GET', pathname + search, { as: null, headers: { Cookie: cookie }, expect: 303 }); };
    await stripe.openForm(consent.location);
    const again = await onward((await stripe.openForm(consent.location)).refresh, cookieOf(consent));
    const { location } = await stripe.leaveForm((await stripe.openForm(again.location)).form, { finish: true });
    const home = new URL((await onward(location, cookieOf(again))).location);
    const { json } = await call('POST', '/v1/connect/confirm', { body: { claim: home.searchParams.get('cc_claim'), verifier }, expect: 200 });
    assert.deepEqual([json.livemode, json.charges_enabled], [true, true]);
    assert.equal((await call('DELETE', '/v1/connection?mode=live', { expect: 200 })).json.connected, false);
  });

  test('agents at Stripe: the merchant switches them on, and agreements', async () => {
    const { json: given } = await call('POST', '/v1/agentic/account_sessions', { body: { mode: 'test' }, expect: 200 });
    assert.ok(given.client_secret);
    const { json: link } = await call('POST', '/v1/agentic/settings_link', { body: {}, expect: 201 });
    const path = new URL(link.url).pathname;
    const page = await call('GET', path, { as: null, expect: 200 });
    await call('GET', path, { as: null, expect: 404 });
    const cookie = page.headers.getSetCookie()[0].split(';')[0];
    await call('POST', path, { as: null, headers: { Cookie: cookie }, expect: 200 });
    assert.equal((await call('POST', path, { as: null, expect: 404 })).error.code, 'resource_missing');
    assert.equal((await call('POST', '/v1/agentic/settings_link', { body: { mode: 'live' }, expect: 409 })).error.code, 'not_connected');
    const { id } = await stripe.enableAgent(account);
    assert.deepEqual((await call('GET', '/v1/agentic/agreements', { expect: 200 })).json.data.map((one) => one.id), [id]);
    await call('GET', `/v1/agentic/agreements/${id}`, { expect: 200 });
    await call('GET', '/v1/agentic/agreements/agmt_none', { expect: 404 });
    assert.equal((await call('POST', `/v1/agentic/agreements/${id}/confirm`, { body: {}, expect: 200 })).json.status, 'partially_confirmed');
    assert.equal((await call('POST', `/v1/agentic/agreements/${id}/terminate`, { body: {}, expect: 200 })).json.status, 'terminated');
    assert.equal((await call('POST', `/v1/agentic/agreements/${id}/confirm`, { body: {}, expect: 422 })).error.code, 'stripe_refused');
  });

  test('a sale of each body: open, pay, home, ledger', async () => {
    for (const name of ['chat', 'agent']) {
      const body = { ...atHome(example('createCheckoutSession', name)), mode: 'test' };
      const idempotency = { headers: { 'Idempotency-Key': `${name}-1` } };
      const { json: session, body: first } = await sell(body, { ...idempotency, expect: 201 });
      const replay = await sell(body, { ...idempotency, expect: 201 });
      assert.equal(replay.body, first);
      assert.equal(replay.headers.get('idempotent-replayed'), 'true');
      assert.equal((await sell({ ...body, locale: 'de' }, { ...idempotency, expect: 422 })).error.code, 'idempotency_conflict');
      await call('GET', `/v1/checkout/sessions/${session.id}`, { expect: 200 });
      const paid = await stripe.pay(session.id, { card: '4242424242424242', email: 'ada@example.com' });
      assert.ok(paid.ok);
      const { pathname, search } = new URL(paid.location);
      const home = await call('GET', pathname + search, { as: null });
      assert.equal(home.status, body.success_url ? 303 : 200);
      const { json: transaction } = await call('GET', `/v1/transactions/${session.transaction}`, { expect: 200 });
      assert.equal(transaction.status, 'paid');
      assert.equal((await call('POST', `/v1/checkout/sessions/${session.id}/expire`, { expect: 422 })).error.code, 'stripe_refused');
      assert.equal((await sell(body, { expect: 409 })).error.code, 'order_already_paid');
    }
  });

  test('what is authorized is captured, and given back', async () => {
    const { json: session } = await sell({ ...atHome(example('createCheckoutSession', 'chat')), mode: 'test', capture: 'manual', cart: { ...example('createCheckoutSession', 'chat').cart, order_id: 'held' } }, { expect: 201 });
    const paid = await stripe.pay(session.id, { card: '4242424242424242' });
    const { pathname, search } = new URL(paid.location);
    await call('GET', pathname + search, { as: null, expect: 303 });
    const change = (what, body, expect) => call('POST', `/v1/transactions/${session.transaction}/${what}`, { body, headers: { 'Idempotency-Key': randomUUID() }, expect });
    assert.equal((await change('refunds', {}, 422)).error.code, 'charge_not_refundable');
    assert.equal((await change('capture', { amount: 999_999 }, 422)).error.code, 'amount_too_large');
    assert.equal((await change('capture', { amount: 1000 }, 200)).json.status, 'paid');
    assert.equal((await change('capture', {}, 422)).error.code, 'payment_intent_unexpected_state');
    assert.equal((await change('refunds', { amount: 400, reason: 'requested_by_customer' }, 201)).json.amount, 400);
    assert.equal((await change('refunds', { amount: 601 }, 422)).error.code, 'refund_too_large');
  });

  test('a session that is not paid: cancel, expire', async () => {
    const body = { ...atHome(example('createCheckoutSession', 'chat')), mode: 'test' };
    body.cart.order_id = 'left-open';
    const { json: session } = await sell(body, { expect: 201 });
    await call('GET', `/checkout/cancel/${session.transaction}`, { as: null, expect: 303 });
    const { json: expired } = await call('POST', `/v1/checkout/sessions/${session.id}/expire`, { expect: 200 });
    assert.equal(expired.status, 'expired');
  });

  test('the ledger: list, filters, pages, summary, CSV', async () => {
    const { json: page } = await call('GET', '/v1/transactions?limit=1', { expect: 200 });
    assert.equal(page.data.length, 1);
    assert.equal(page.has_more, true);
    await call('GET', `/v1/transactions?limit=1&starting_after=${page.data[0].id}`, { expect: 200 });
    assert.equal((await call('GET', '/v1/transactions?source=agent&agent=Claude&mode=test', { expect: 200 })).json.data.length, 1);
    await call('GET', '/v1/transactions?limit=ten', { expect: 400 });
    for (const wrong of ['limit=0', 'limit=101', 'status=sold', 'mode=both', `starting_after=cct_${'0'.repeat(26)}`]) await call('GET', `/v1/transactions?${wrong}`, { expect: 422 });
    for (const group of resolve({ $ref: '#/components/schemas/GroupBy' }).enum) {
      const { json } = await call('GET', `/v1/transactions/summary?group_by=${group}`, { expect: 200 });
      assert.ok(json.data.length > 0, group);
    }
    await call('GET', '/v1/transactions.csv', { expect: 200 });
    assert.equal((await call('GET', `/v1/transactions/cct_${'0'.repeat(26)}`, { expect: 404 })).error.code, 'resource_missing');
  });

  test('the catalogue: a file, its errors, products, stock; rules of delivery', async () => {
    const send = (method, body, type, expect, idempotencyKey = randomUUID()) => call(method, '/v1/catalogue/products', { body, headers: { 'Content-Type': type, 'Idempotency-Key': idempotencyKey }, expect });
    const file = 'id,title,price,availability\nmug,Mug,12.30 USD,in_stock\nbad,,,\n';
    const { json: upload, body: first } = await send('PUT', file, 'text/csv', 200, 'file-1');
    assert.deepEqual([upload.accepted, upload.rejected], [1, 1]);
    assert.equal((await send('PUT', file, 'text/csv', 200, 'file-1')).body, first);
    assert.equal((await send('PUT', `${file} `, 'text/csv', 422, 'file-1')).error.code, 'idempotency_conflict');
    await send('PATCH', '{"id":"cup","title":"Cup","price":"5 USD","availability":"in_stock"}', 'application/x-ndjson', 200);
    assert.equal((await send('PATCH', '', 'text/csv', 422)).error.code, 'catalogue_empty');
    assert.equal((await send('PUT', 'sku\n1\n', 'text/tab-separated-values', 422)).error.code, 'catalogue_header_invalid');
    assert.equal((await send('PUT', file, 'text/plain', 415)).error.code, 'media_type_unsupported');
    const { json: list } = await call('GET', '/v1/catalogue/uploads?limit=2', { expect: 200 });
    await call('GET', `/v1/catalogue/uploads/${list.data[0].id}`, { expect: 200 });
    await call('GET', `/v1/catalogue/uploads/${upload.id}/errors`, { expect: 200 });
    const { json: products } = await call('GET', '/v1/catalogue/products?query=mug', { expect: 200 });
    assert.deepEqual(products.data.map(({ id }) => id), ['mug']);
    await call('GET', '/v1/catalogue/products/mug', { expect: 200 });
    await call('PUT', '/v1/catalogue/products/a%2Fb', { body: example('putProduct', 'mug'), expect: 200 });
    assert.deepEqual((await call('PATCH', '/v1/catalogue/inventory', { body: example('updateInventory', 'stock'), expect: 200 })).json.unknown, ['poster']);
    await call('DELETE', '/v1/catalogue/products/mug', { expect: 200 });
    await call('GET', '/v1/catalogue/products/mug', { expect: 404 });
    await call('GET', '/v1/shop/fulfillment', { expect: 200 });
    await call('PUT', '/v1/shop/fulfillment', { body: example('setFulfillment', 'rules'), expect: 200 });
  });

  test('the catalogue at Stripe', async () => {
    const [{ id: shop }] = await worker.d1("SELECT id FROM shops WHERE id = (SELECT shop_id FROM api_keys WHERE hash = ?)", createHash('sha256').update(key).digest('hex'));
    const [connection] = await worker.d1("SELECT account FROM connections WHERE shop_id = ? AND livemode = 0 AND status = 'active'", shop);
    const send = (expect, idempotencyKey = randomUUID()) => call('POST', '/v1/agentic/catalogue/imports', { body: { ...example('createImport', 'all'), livemode: false }, headers: { 'Idempotency-Key': idempotencyKey }, expect });
    assert.equal((await send(409)).error.code, connection ? 'agentic_not_enabled' : 'not_connected');
    assert.equal((await call('GET', '/v1/agentic/rules', { expect: 200 })).json.enabled, false);
    await call('PUT', '/v1/agentic/rules', { body: { enabled: true, mode: 'test' }, expect: 200 });
    await call('PUT', '/v1/catalogue/products', { body: table(row('a'), row('bad', { link: '' })), headers: { 'Content-Type': 'text/csv', 'Idempotency-Key': randomUUID() }, expect: 200 });
    const { json: made, body } = await send(202, 'import-1');
    assert.equal((await send(202, 'import-1')).body, body);
    await stripe.importsDone();
    await worker.scheduled();
    assert.equal((await send(429)).error.code, 'import_too_soon');
    const { json: list } = await call('GET', '/v1/agentic/catalogue/imports', { expect: 200 });
    assert.equal(list.data[0].id, made.id);
    assert.equal((await call('GET', `/v1/agentic/catalogue/imports/${made.id}`, { expect: 200 })).json.status, 'succeeded');
    await call('GET', `/v1/agentic/catalogue/imports/${made.id}/errors`, { expect: 200 });
  });

  test('notices: list, one, again', async () => {
    const { json: page } = await call('GET', '/v1/events?status=kept&limit=1', { expect: 200 });
    const { id } = page.data[0];
    await call('GET', `/v1/events/${id}`, { expect: 200 });
    assert.equal((await call('POST', `/v1/events/${id}/resend`, { expect: 409 })).error.code, 'webhook_url_missing');
    await call('PATCH', '/v1/shop', { body: { webhook_url: `${shop.origin}/notices` }, expect: 200 });
    assert.equal((await call('POST', `/v1/events/${id}/resend`, { expect: 200 })).json.status, 'due');
    await call('GET', `/v1/events?starting_after=ccevt_${'0'.repeat(26)}`, { expect: 422 });
    await call('GET', `/v1/events/ccevt_${'0'.repeat(26)}`, { expect: 404 });
  });

  test('agents: let in, looked up, changed, rolled, let out', async () => {
    const { json: made } = await call('POST', '/v1/agents', { body: example('createAgent', 'agent'), expect: 201 });
    await call('GET', '/v1/agents', { expect: 200 });
    await call('GET', `/v1/agents/${made.id}`, { expect: 200 });
    assert.deepEqual((await call('PATCH', `/v1/agents/${made.id}`, { body: example('updateAgent', 'shut'), expect: 200 })).json.allow, []);
    await call('POST', `/v1/agents/${made.id}/api_keys`, { expect: 201 });
    await call('POST', `/v1/agents/${made.id}/signing_secrets`, { expect: 201 });
    for (const path of ['/v1/shop', '/v1/agents', '/v1/orders']) assert.equal((await call('GET', path, { as: made.api_key, expect: 403 })).error.code, 'agent_key_not_allowed');
    await call('DELETE', `/v1/agents/${made.id}`, { expect: 200 });
    await call('GET', `/v1/agents/${made.id}`, { expect: 404 });
  });

  let agentId, agentKey, orderId;
  test('orders: bought by an agent, listed, told of, shown to the buyer', async () => {
    await sellToAgents(worker, key);
    const agent = await addAgent(worker, { key }, {});
    const order = await buyAs(stripe, account, speaker(worker, agent.api_key).call);
    [agentId, agentKey, orderId] = [agent.id, agent.api_key, order.id];
    assert.equal((await call('GET', '/v1/orders?agent=Claude&mode=test', { expect: 200 })).json.data[0].id, orderId);
    await call('GET', `/v1/orders/${orderId}`, { expect: 200 });
    const { json } = await call('PATCH', `/v1/orders/${orderId}`, { body: atHome(example('updateOrder', 'shipped')), expect: 200 });
    assert.deepEqual([json.status, json.fulfillments[0].carrier], ['shipped', 'DHL']);
    assert.equal((await call('PATCH', `/v1/orders/${orderId}`, { body: { status: 'created' }, expect: 422 })).error.code, 'order_unexpected_state');
    const enter = (email) => ({ as: null, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: `email=${encodeURIComponent(email)}` });
    await call('GET', `/orders/${orderId}`, { as: null, expect: 200 });
    await call('POST', `/orders/${orderId}`, { ...enter(BUYER.email), expect: 200 });
    await call('POST', `/orders/${orderId}`, { ...enter('eve@elsewhere.example'), expect: 404 });
    const told = (await call('GET', '/v1/events?type=order_create', { expect: 200 })).json.data;
    assert.equal(told[0].agent, agentId);
    assert.equal((await call('POST', `/v1/events/${told[0].id}/resend`, { expect: 409 })).error.code, 'event_superseded');
  });

  for (const [wire, verb, version] of [['checkouts', 'PUT'], ['checkout_sessions', 'POST', '2026-04-17']]) {
    test(`an agent's checkout at /${wire}: begun, read, changed, paid, given up`, async () => {
      const headers = () => ({ 'Idempotency-Key': randomUUID(), ...(version && { 'API-Version': version }) });
      const speak = (method, path, body, expect) => call(method, `/${wire}${path}`, { as: agentKey, headers: headers(), body, expect });
      const id = (name) => (version ? name : `${name}Stripe`);
      const { json: made } = await speak('POST', '', example(id('createCheckout'), 'agent'), 201);
      assert.equal((await speak('GET', `/${made.id}`, undefined, 200)).json.status, 'ready_for_payment');
      await speak(verb, `/${made.id}`, example(id('updateCheckout'), 'address'), 200);
      const pay = JSON.parse(JSON.stringify(example(id('completeCheckout'), 'token')).replace('spt_123', await stripe.grantToken({ account, maxAmount: 100_000 })));
      assert.equal((await speak('POST', `/${made.id}/complete`, pay, 200)).json.status, 'completed');
      assert.equal((await speak('POST', `/${made.id}/complete`, pay, 409)).error.code, 'checkout_completed');
      assert.equal((await speak('POST', `/${made.id}/cancel`, {}, 405)).error.code, 'checkout_completed');
      const { json: other } = await speak('POST', '', example(id('createCheckout'), 'agent'), 201);
      assert.equal((await speak('POST', `/${other.id}/cancel`, {}, 200)).json.status, 'canceled');
      assert.equal((await speak('GET', `/checkout_${'0'.repeat(26)}`, undefined, 404)).error.code, 'not_found');
    });
  }

  test('an agent\'s cart: begun, read, replaced, taken over, given up', async () => {
    const headers = () => ({ 'Idempotency-Key': randomUUID(), 'API-Version': '2026-04-17' });
    const speak = (method, path, body, expect) => call(method, path, { as: agentKey, headers: headers(), body, expect });
    const { json: cart } = await speak('POST', '/carts', example('createCart', 'cart'), 201);
    await speak('GET', `/carts/${cart.id}`, undefined, 200);
    await speak('PUT', `/carts/${cart.id}`, example('replaceCart', 'cart'), 200);
    const { json: checkout } = await speak('POST', '/checkout_sessions', { cart_id: cart.id, currency: 'usd', capabilities: {} }, 201);
    assert.equal(checkout.line_items[0].quantity, 3);
    await speak('POST', `/carts/${cart.id}/cancel`, {}, 200);
    await speak('GET', `/carts/${cart.id}`, undefined, 404);
    assert.equal((await call('GET', '/.well-known/acp.json', { as: null, expect: 200 })).json.protocol.name, 'acp');
  });

  test('an agent\'s tools: welcomed, listed, used', async () => {
    const speak = async (message, expect = 200) => (await call('POST', '/mcp', { as: agentKey, body: message, expect })).json;
    assert.equal((await speak(example('mcp', 'initialize'))).result.protocolVersion, '2025-11-25');
    await speak({ jsonrpc: '2.0', method: 'notifications/initialized' }, 202);
    assert.equal((await speak(example('mcp', 'tools'))).result.tools.length, 5);
    assert.equal((await speak(example('mcp', 'create'))).result.line_items[0].quantity, 2);
    assert.equal((await speak({ ...example('mcp', 'create'), method: 'nothing' })).error.code, -32601);
  });

  test('agents at Stripe: rules, and what Stripe asks', async () => {
    const { json } = await call('PUT', '/v1/agentic/rules', { body: example('setAgenticRules', 'rules'), expect: 200 });
    assert.deepEqual([json.enabled, json.livemode, json.account], [true, false, account]);
    assert.equal((await call('PUT', '/v1/agentic/rules', { body: { enabled: true, mode: 'live' }, expect: 409 })).error.code, 'not_connected');
    const ask = (kind, data, expect, { context = account, signed = true } = {}) => {
      const body = JSON.stringify(hookOf(kind, context, data));
      return call('POST', '/stripe/agentic-hooks', { as: null, body, headers: { 'Stripe-Signature': signed ? stripe.signature(body, worker.hookSecret) : 't=1,v1=00' }, expect });
    };
    assert.equal((await ask('finalize_checkout', orderData(), 200)).json.manual_approval_details.type, 'approved');
    assert.ok((await ask('customize_checkout', cartData(), 200)).json.shipping_options.length > 0);
    assert.equal((await ask('product_price_availability', { sku_id: 'mug' }, 200)).json.price.unit_amount, 1230);
    assert.equal((await ask('customize_checkout', cartData(), 404, { context: 'acct_1Nobody' })).error.code, 'resource_missing');
    assert.equal((await ask('v1.nothing', {}, 400)).error.code, 'hook_type_unknown');
    assert.equal((await ask('finalize_checkout', orderData(), 400, { signed: false })).error.code, 'signature_invalid');
  });

  test('an agent\'s feed: how far it is', async () => {
    const [agent] = (await call('GET', '/v1/agents', { expect: 200 })).json.data;
    const set = (feed_url) => call('PATCH', `/v1/agents/${agent.id}`, { body: { feed_url }, expect: 200 });
    assert.equal((await set('http://localhost:9/acp')).json.feed.status, 'pending');
    await worker.scheduled();
    const { json } = await call('GET', `/v1/agents/${agent.id}`, { expect: 200 });
    assert.deepEqual([json.feed.status, json.feed.last_error.status], ['failing', null]);
    assert.equal((await set(null)).json.feed, null);
  });

  /** Whose key a route wants. */
  const keyFor = (path, operation) => (path.startsWith('/v1/admin') ? worker.vars.ADMIN_KEY : isForAgents(operation) ? agentKey : operation.security ? null : key);
  const isForAgents = (operation) => Boolean(operation.security?.[0]?.agent_key);

  /** The documented path with the id of a session that is open: who names none gets a 404 before the body is looked at. */
  const withOpenSession = async () => {
    const { json } = await sell({ ...atHome(example('createCheckoutSession', 'agent')), mode: 'test', order_id: randomUUID() }, { expect: 201 });
    const { json: own } = await call('GET', '/v1/shop');
    const asAgent = { as: agentKey, headers: { 'API-Version': '2026-04-17', 'Idempotency-Key': randomUUID() } };
    const { json: checkout } = await call('POST', '/checkout_sessions', { ...asAgent, body: example('createCheckout', 'agent'), expect: 201 });
    const { json: cart } = await call('POST', '/carts', { ...asAgent, body: example('createCart', 'cart'), expect: 201 });
    const named = { '/checkout': checkout.id, '/carts': cart.id, '/v1/admin': own.id, '/v1/transactions': json.transaction, '/v1/agents': agentId, '/v1/orders': orderId };
    return (path) => path.replace('{id}', Object.entries(named).find(([start]) => path.startsWith(start))?.[1] ?? json.id);
  };

  /** The two bodies of a checkout with everything in them that may be. */
  const everything = () => {
    const amount = [{ label: 'L', amount: 100 }];
    const more = { collect: { shipping_countries: ['US'], phone: true, billing: true }, metadata: { note: 'n' }, expires_in: 3600, locale: 'en', capture: 'automatic' };
    const chat = example('createCheckoutSession', 'chat');
    const agent = example('createCheckoutSession', 'agent');
    return [
      { ...chat, ...more, cart: { ...chat.cart, order_key: 'k', shipping: amount, fees: amount, taxes: amount, discounts: amount, total: 1200 } },
      { ...agent, ...more, shipping_options: [{ id: 'post', label: 'Post', amount: 500, min_days: 1, max_days: 3 }] },
    ];
  };

  test('each documented required member is required, and nothing beyond the documented members is taken', async () => {
    let checked = 0;
    const concrete = await withOpenSession();
    for (const { method, path, operation } of operations) {
      const content = operation.requestBody?.content?.['application/json'];
      // The agent protocols have their own words for it: tests/native/acp_read.rs and tests/conformance.
      if (!content || path.startsWith('/stripe/') || isForAgents(operation)) continue;
      const bodies = Object.values(content.examples ?? {}).map((one) => one.value);
      if (path === '/v1/connect/confirm') bodies.push({ claim: 'c', verifier: 'v'.repeat(43) });
      if (path === '/v1/connect/start') bodies.push({ ...bodies[0], prefill: { email: 'ada@example.com' } });
      if (path === '/v1/checkout/sessions') bodies.push(...everything());
      if (!operation.requestBody.required) bodies.push({});
      assert.ok(bodies.length > 0, `${method} ${path} has no example to try`);
      for (const original of bodies) {
        const schema = (content.schema.oneOf ?? [content.schema]).find((one) => violations(one, original).length === 0);
        const probes = [...members(schema, original)].length;
        for (let i = 0; i < probes; i++) {
          const body = atHome(original);
          const { kind, owner, member, param } = [...members(schema, body)][i];
          if (kind === 'unknown') owner[member] = 1;
          else delete owner[member];
          const { status, error } = await call(method, concrete(path), { body, headers: { 'Idempotency-Key': randomUUID() }, as: keyFor(path, operation) });
          // Without `cart` it is simply the other of the two bodies, and that one lacks its own first member.
          const other = kind === 'missing' && ['cart', 'line_items'].includes(param);
          const told = `${status} ${error?.code} ${other ? '' : error?.param}`;
          assert.equal(told, `400 parameter_${kind} ${other ? '' : param}`, `${method} ${path} ${JSON.stringify(body)}: ${error?.message}`);
          checked += 1;
        }
      }
    }
    assert.ok(checked > 40, `only ${checked} probes`);
  });

  test('bodies that are no JSON, too large, or of another kind', async () => {
    const concrete = await withOpenSession();
    for (const { method, path: documented, operation } of operations.filter(({ operation, path }) => operation.requestBody?.content['application/json'] && !path.startsWith('/stripe/') && path !== '/mcp')) {
      const isList = operation.requestBody.content['application/json'].schema.type === 'array';
      const path = concrete(documented);
      const as = keyFor(documented, operation);
      const headers = { 'Idempotency-Key': randomUUID(), ...(isForAgents(operation) && { 'API-Version': '2026-04-17' }) };
      assert.equal((await call(method, path, { as, headers, body: '{', expect: 400 })).error.code, 'json_invalid');
      const noObject = await call(method, path, { as, headers, body: isList ? '{}' : '[]', expect: 400 });
      assert.equal(noObject.error.code, isForAgents(operation) ? 'invalid' : 'json_invalid', path);
      assert.equal((await call(method, path, { as, headers: { ...headers, 'Content-Type': 'text/plain' }, body: '{}', expect: 415 })).error.code, 'media_type_unsupported');
      assert.equal((await call(method, path, { as, headers, body: JSON.stringify({ name: 'x'.repeat(262_144) }), expect: 413 })).error.code, 'body_too_large');
    }
    await sell({ source: 'chat' }, { expect: 400 });
    const bare = await call('POST', '/v1/checkout/sessions', { body: atHome(example('createCheckoutSession', 'agent')), expect: 400 });
    assert.equal(bare.error.code, 'idempotency_key_required');
  });

  test('Stripe\'s events: genuine, forged', async () => {
    const forged = await call('POST', '/stripe/webhooks', { as: null, body: { id: 'evt_1', type: 'account.updated' }, headers: { 'Stripe-Signature': `t=1,v1=${'0'.repeat(64)}` }, expect: 400 });
    assert.equal(forged.error.code, 'signature_invalid');
    await stripe.webhooks.drained();
    const delivered = stripe.webhooks.deliveries.filter((one) => one.status === 200);
    assert.ok(delivered.length > 0, 'no event was answered 200');
  });

  test('the operator: shops, fees, suspension, strays, metrics', async () => {
    const as = worker.vars.ADMIN_KEY;
    const { json: list } = await call('GET', '/v1/admin/shops', { as, expect: 200 });
    const [{ id }] = list.data;
    await call('PATCH', `/v1/admin/shops/${id}`, { as, body: example('adminUpdateShop', 'fee'), expect: 200 });
    await call('PATCH', `/v1/admin/shops/${id}`, { as, body: { fee_bps: null, fee_fixed: null, category_fees: null }, expect: 200 });
    assert.equal((await call('POST', `/v1/admin/shops/${id}/suspend`, { as, expect: 200 })).json.status, 'suspended');
    for (const path of ['/v1/shop', '/v1/transactions', '/v1/shop/export']) assert.equal((await call('GET', path, { expect: 403 })).error.code, 'shop_suspended');
    assert.equal((await call('POST', `/v1/admin/shops/${id}/resume`, { as, expect: 200 })).json.status, 'active');
    await call('GET', '/v1/admin/strays', { as, expect: 200 });
    await call('GET', '/v1/admin/metrics', { as, expect: 200 });
    await call('GET', '/v1/admin/metrics', { as, headers: { Accept: 'text/plain' }, expect: 200 });
  });

  test('the emergency brake and disconnecting', async () => {
    await call('PATCH', '/v1/shop', { body: example('updateShop', 'off'), expect: 200 });
    const body = { ...atHome(example('createCheckoutSession', 'agent')), mode: 'test', order_id: 'braked' };
    assert.equal((await sell(body, { expect: 403 })).error.code, 'checkout_disabled');
    await call('PATCH', '/v1/shop', { body: { checkout_enabled: true }, expect: 200 });
    assert.equal((await call('DELETE', '/v1/connection?mode=test', { expect: 200 })).json.connected, false);
  });

  test('leaving: everything in one download, then gone', async () => {
    const { json } = await call('GET', '/v1/shop/export', { expect: 200 });
    assert.ok(json.transactions.length > 2);
    assert.equal((await call('DELETE', '/v1/shop', { expect: 200 })).json.deleted, true);
    assert.equal((await call('GET', '/v1/shop', { expect: 401 })).error.code, 'api_key_invalid');
  });

  test('every documented success was seen here', () => {
    const promised = operations.flatMap(({ operation }) => Object.keys(operation.responses).filter((status) => status < 400).map((status) => `${operation.operationId} ${status}`));
    const elsewhere = [
      'completeBySession 200', 'completeBySession 303', // the same journey as complete, tested with it
      'cancel 200', // only without cancel_url; tested with the pages
      'stripeWebhook 200', // Stripe itself gets that answer, above
    ];
    assert.deepEqual(promised.filter((one) => !seen.has(one) && !elsewhere.includes(one)), []);
  });
});
