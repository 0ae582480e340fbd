// The tenant matrix: every operation of src/openapi.json, asked by everybody who must not, for the objects of another shop.
// New operations come in by themselves; one whose path names a kind of object that the victim below does not have fails here.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { bodyOf, parametersOf, seeded } from '../support/generate.mjs';
import { idsOf, prefixOf, tables } from '../support/run-schema.mjs';
import { operations, wrongWith } from '../support/schema.mjs';
import { approve } from '../support/hooks.mjs';
import { pass, row, switchOn, table } from '../support/imports.mjs';
import { addAgent, BUYER, buyAs, sellToAgents, speaker } from '../support/agent.mjs';
import { agentBody, beginConnect, chatBody, comeBack, connectShop, createSession, registerAnew, registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

// Stands in everything that the victim says of itself: whoever sees it sees the victim's.
const MARK = `victim${randomBytes(6).toString('hex')}`;
const EMAIL = `${MARK}@buyer.example`;
const shops = [];
let stripe, w, api, victim, rival, sharer, ids, claim, verifier, ticket, callers;
let asked = 0;

const isPublic = ({ operation }) => operation.security?.some((way) => Object.keys(way).length === 0) || operation.security?.length === 0;
const forAgents = ({ operation }) => Boolean(operation.security?.some((way) => way.agent_key));
const forOperator = ({ operation }) => Boolean(operation.security?.some((way) => way.operator_key)) && !isPublic({ operation });

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  const shop = async (fields) => {
    shops.push(await registerShop(w, fields));
    return shops.at(-1);
  };
  victim = await shop({ name: MARK });
  fine(await api('PATCH', '/v1/shop', { key: victim.key, body: { webhook_url: `${victim.origin}/${MARK}/notices` } }));
  const { account } = await connectShop(w, stripe, victim);
  victim.account = account;
  rival = await shop();
  await connectShop(w, stripe, rival);
  // Two shops of one merchant share a Stripe account, and nothing else.
  sharer = await shop();
  await connectShop(w, stripe, sharer, { account });
  sharer.account = account;
  await fill();
  await fillRival();
  callers = await everybody(shop);
  // Until its notices are told, the victim's rows change by themselves.
  await eventually(async () => (await w.d1("SELECT count(*) AS n FROM notices WHERE shop_id = ? AND status = 'due'", victim.id))[0].n === 0, 'notices are not delivered', 20_000);
  ids = await idsOf(w, victim.id);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of shops) await one.close();
});

/** One of each kind of object, in each state that matters. */
async function fill() {
  const marked = (order) => chatBody(victim, {
    cart: { id: `${MARK}-cart`, order_id: `${MARK}-${order}`, order_key: `${MARK}-key`, items: [{ product_id: `${MARK}-p`, sku: MARK, name: MARK, quantity: 1, amount_total: 2000 }] },
    customer: { email: EMAIL }, metadata: { note: MARK },
  });
  const buyer = { email: EMAIL, name: MARK };
  const sold = async (order, more = {}) => {
    const session = await createSession(w, victim, { ...marked(order), ...more });
    await stripe.pay(session.id, buyer);
    return session;
  };
  // Agents at Stripe: of the shops on one account one has that side of it.
  await w.d1("INSERT INTO agentic (shop_id, livemode, account, enabled, rules, created, updated) VALUES (?1, 0, ?2, 1, '{}', 1, 1)", victim.id, victim.account);
  victim.agreement = (await stripe.enableAgent(victim.account)).id;
  await createSession(w, victim, marked('open'));
  await sold('paid');
  const refunded = await sold('refunded');
  const disputed = await sold('disputed');
  await sold('authorized', { capture: 'manual' });
  const expired = await createSession(w, victim, agentBody(victim, { source: `agent:${MARK}`, order_id: `${MARK}-expired` }));
  fine(await w.api('POST', `/v1/checkout/sessions/${expired.id}/expire`, { key: victim.key }));
  await stripe.refund(refunded.id);
  await stripe.dispute(disputed.id);
  await stripe.webhooks.drained();
  // An agent, and what it bought.
  await sellToAgents(w, victim.key);
  // What agents may buy of it at Stripe, and an order that was approved.
  fine(await w.api('PUT', '/v1/agentic/rules', { key: victim.key, body: { enabled: true, mode: 'test', approve: { blocked_skus: [MARK] } } }));
  assert.ok((await approve(w, victim.account)).approved);
  victim.agent = await addAgent(w, victim, { name: MARK, webhook_url: `http://127.0.0.1:${new URL(victim.origin).port}/${MARK}/events` });
  const { call } = speaker(w, victim.agent.api_key);
  fine(await call('POST', '/carts', { line_items: [{ id: 'mug', quantity: 1 }] }), 201);
  const { id } = await buyAs(stripe, victim.account, speaker(w, victim.agent.api_key).call, { buyer: { ...BUYER, email: EMAIL } });
  fine(await w.api('PATCH', `/v1/orders/${id}`, { key: victim.key, body: { order_id: `${MARK}-order`, fulfillments: [{ type: 'shipping', carrier: MARK, tracking_number: MARK }] } }));
  fine(await sendCatalogue(w, victim, `id,title,price,availability,brand\n${MARK}-mug,${MARK} mug,12.30 USD,in_stock,${MARK}\n${MARK}-bad,,,,\n`));
  await switchOn(w, victim, victim.account);
  fine(await pass((...args) => w.api(...args), victim, table(row(`${MARK}-mug`, { title: MARK }), row(`${MARK}-bad`, { price: MARK }))), 202);
  await stripe.importsDone();
  await w.scheduled();
  await w.scheduled();
  fine(await w.api('PUT', '/v1/shop/fulfillment', { key: victim.key, body: { coupons: [{ code: MARK, percent_off: 10 }] } }));
  await w.d1('INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at) VALUES (?1, ?2, ?3, 1, 9999999999)', `${MARK}-holder`, victim.id, `${MARK}-mug`);
  // A claim that waits, and a ticket that nobody has used.
  const begun = await beginConnect(w, victim, { replace: true });
  ({ claim } = await comeBack(w, stripe, begun, { newAccount: true }));
  ({ verifier } = begun);
  ticket = new URL((await beginConnect(w, victim, { replace: true })).ticketUrl).pathname.split('/').at(-1);
}

async function fillRival() {
  for (const shop of [rival, sharer]) {
    await createSession(w, shop);
    const paid = await createSession(w, shop);
    await stripe.pay(paid.id);
    shop.agent = await addAgent(w, shop, { name: 'Rival' });
  }
  await stripe.webhooks.drained();
}

/** Everybody who is not the victim. -> {name: {key, status, code} | {key, sees: 'own'}} */
async function everybody(shop) {
  const now = Math.floor(Date.now() / 1000);
  const pending = await shop({ verify: false });
  // It does not get any further when it is its turn to ask for it.
  pending.challenge = undefined;
  const suspended = await shop();
  fine(await w.api('POST', `/v1/admin/shops/${suspended.id}/suspend`, { key: w.vars.ADMIN_KEY }));
  const deleted = await shop();
  fine(await w.api('DELETE', '/v1/shop', { key: deleted.key }));
  const rolled = await shop();
  fine(await w.api('POST', '/v1/shop/api_keys', { key: rolled.key }), 201);
  await w.d1('UPDATE api_keys SET expires_at = ? WHERE shop_id = ? AND expires_at IS NOT NULL', now - 1, rolled.id);
  const superseded = await shop();
  const again = await registerAnew(w, superseded);
  const nobody = (key) => ({ key, status: 401, code: 'api_key_invalid' });
  return {
    'no key': { status: 401, code: 'api_key_missing' },
    'a key that never was': nobody(`ccs_${randomBytes(32).toString('base64url')}`),
    'the victim’s key, one character more': nobody(`${victim.key}x`),
    'the victim’s key, one character less': nobody(victim.key.slice(0, -1)),
    'the victim’s key, in another case': nobody(victim.key.toUpperCase()),
    'the hash of the victim’s key': nobody((await w.d1('SELECT hash FROM api_keys WHERE shop_id = ?', victim.id))[0].hash),
    'the victim’s id': nobody(victim.id),
    'the key of the victim’s agent': { key: victim.agent.api_key, status: 403, code: 'agent_key_not_allowed' },
    'another shop’s agent': { key: rival.agent.api_key, agent: true, status: 403, code: 'agent_key_not_allowed' },
    'a wildcard': nobody('%'),
    'Stripe’s key': nobody(w.vars.STRIPE_TEST_SECRET_KEY),
    'the key of a deleted shop': nobody(deleted.key),
    'a rolled key after its day': nobody(rolled.key),
    'the key of a superseded shop': nobody(superseded.key),
    'the operator’s key': { key: w.vars.ADMIN_KEY, operator: true, status: 401, code: 'api_key_invalid' },
    'the key of a suspended shop': { key: suspended.key, status: 403, code: 'shop_suspended' },
    'the key of a pending shop': { key: pending.key, shop: pending, pending: true },
    'another shop’s key': { key: rival.key, shop: rival },
    'the key of a shop on the same account': { key: sharer.key, shop: sharer, account: sharer.account },
  };
}

/** Everything that is kept of the victim. */
async function kept() {
  // An account may be shared; what else names it is another shop's matter, unless it is to be taken away.
  const own = ids.filter((id) => !id.startsWith('acct_'));
  const all = {};
  const list = await tables(w);
  const found = await w.d1Batch(list.map(({ name }) => `SELECT * FROM ${name}`));
  const generations = found[list.findIndex(({ name }) => name === 'catalogues')].filter((row) => row.shop_id === victim.id).map((row) => row.generation);
  for (const [at, { name, columns }] of list.entries()) {
    const rows = found[at];
    const mine = (row) => (columns.includes('generation') && !columns.includes('shop_id') ? generations.includes(row.generation) : columns.includes('shop_id') ? row.shop_id === victim.id : name === 'shops' ? row.id === victim.id
      : (name === 'deauthorizations' ? ids : own).some((id) => JSON.stringify(row).includes(id)));
    all[name] = rows.filter(mine).map((row) => JSON.stringify(row)).sort();
  }
  const kv = await w.kv();
  const connections = all.connections.map((row) => JSON.parse(row).id);
  for (const { name } of (await kv.list()).keys) if (connections.some((id) => name.includes(id))) all[`kv ${name}`] = await kv.get(name);
  return all;
}

/** The victim's objects that fit a parameter of a path. */
function victimsFor({ name, schema }, path) {
  if (name === 'ticket') return [ticket];
  // Products have no ids of ours: they are the shop's own.
  if (path.startsWith('/v1/catalogue/products')) return [`${MARK}-mug`];
  if (path.startsWith('/v1/agentic/agreements')) return [victim.agreement];
  const prefix = prefixOf(schema);
  if (prefix === 'shop_') return [victim.id];
  const fit = ids.filter((id) => prefix && id.startsWith(prefix));
  assert.ok(fit.length, `${path}: the victim has nothing for {${name}} (${prefix ?? 'no pattern says what it is'}): give it one in fill()`);
  return fit;
}

/** What of the victim's is in a text, but for what the request itself said. */
function leaked(text, said, { isPage, caller }) {
  // A page tells whoever holds its address whose shop it is, and nobody who bought there.
  const all = [EMAIL, victim.key, victim.secret, claim, ...(isPage ? [] : [MARK, victim.origin, victim.id, ...ids.filter((id) => id !== caller.account)])];
  return [...new Set(all)].filter((secret) => text.includes(secret) && !said.includes(secret));
}

const rng = seeded(1);
// What ends or changes the caller itself comes last.
const byHarm = (one) => (one.operation.operationId === 'deleteShop' ? 3 : one.method === 'DELETE' ? 2 : one.method === 'GET' ? 0 : 1);

async function ask(one, caller, name, path, headers = {}) {
  const home = (caller.shop ?? rival).origin;
  const hasBody = one.method !== 'GET' && one.method !== 'DELETE';
  const body = hasBody ? bodyOf(one.operation, rng, home) : undefined;
  const answer = await w.api(one.method, path, { key: caller.key, body: body ?? (hasBody ? {} : undefined), idempotencyKey: randomUUID(), headers });
  asked += 1;
  const where = `${one.method} ${path} by ${name}: ${answer.status} ${answer.text.slice(0, 300)}`;
  assert.ok(answer.status < 500, where);
  assert.deepEqual(wrongWith(one.method, path, { status: answer.status, headers: answer.headers, body: answer.text }), [], where);
  const headersText = [...answer.headers].join('\n');
  assert.deepEqual(leaked(`${headersText}\n${answer.text}`, `${path}${JSON.stringify(body)}`, { isPage: isPublic(one), caller }), [], where);
  return { ...answer, where };
}

/** The agents' routes: whoever is no agent is told so, and another shop's finds nothing. */
async function asAgent(one, caller, name, path, hasId) {
  // The victim's own agent is no stranger.
  if (caller.key === victim.agent.api_key) return;
  const answer = await ask(one, caller, name, path, { 'api-version': '2026-04-17' });
  const [status, code] = caller.agent ? [404, 'not_found'] : !caller.key ? [401, 'api_key_missing'] : caller.key.startsWith('ccs_') ? [403, 'shop_key_not_allowed'] : [401, 'api_key_invalid'];
  if (caller.agent && !hasId) return;
  assert.equal(answer.status, status, answer.where);
  if (one.path !== '/mcp') assert.equal(answer.body.code, code, answer.where);
}

describe('the matrix', () => {
  let was;
  for (const one of operations.toSorted((a, b) => byHarm(a) - byHarm(b))) {
    test(`${one.method} ${one.path}`, async () => {
      was ??= await kept();
      const inPath = parametersOf(one).filter((parameter) => parameter.in === 'path');
      const paths = inPath.reduce((found, parameter) => found.flatMap((path) => victimsFor(parameter, one.path).map((id) => path.replace(`{${parameter.name}}`, id))), [one.path]);
      await Promise.all(Object.entries(callers).map(async ([name, caller]) => {
        // Leaving is its own shop's right; a shop that has left cannot be asked the rest.
        if (one.operation.operationId === 'deleteShop' && caller.shop) return;
        // The operator may do what he may; here only that it is no one else's.
        if (forOperator(one) && caller.operator) return;
        // What belongs to whoever knows the address (a ticket, a buyer's way home) is asked by whom nothing is known.
        if (isPublic(one) && name !== 'no key' && name !== 'another shop’s key') return;
        // Who is no one is told so before it matters what he asks for.
        for (const path of caller.status && !isPublic(one) ? paths.slice(0, 1) : paths) {
          if (forAgents(one)) {
            await asAgent(one, caller, name, path, inPath.length > 0);
            continue;
          }
          const answer = await ask(one, caller, name, path);
          if (isPublic(one)) continue;
          if (forOperator(one)) refused(answer, 401, caller.key ? 'api_key_invalid' : 'api_key_missing');
          else if (caller.status) refused(answer, caller.status, caller.code);
          else if (caller.pending && one.operation['x-error-codes']?.['403']?.includes('shop_not_verified')) refused(answer, 403, 'shop_not_verified');
          // Two shops may call their products the same: each has its own.
          else if (['putProduct', 'deleteProduct'].includes(one.operation.operationId)) continue;
          else if (caller.account && one.path.startsWith('/v1/agentic/agreements')) refused(answer, 409, answer.body.error?.message?.includes('live mode') ? 'not_connected' : 'account_shared');
          // As if it did not exist: 404, never 403.
          else if (inPath.length) refused(answer, 404, 'resource_missing');
        }
      }));
      assert.deepEqual(await kept(), was, 'something of the victim’s has changed');
      // The document's example of a change is the kill switch.
      if (one.operation.operationId === 'deleteConnection') for (const shop of [rival, sharer]) await connectShop(w, stripe, shop, { account: shop.account });
      if (one.operation.operationId === 'updateShop') for (const { key } of [rival, sharer]) fine(await w.api('PATCH', '/v1/shop', { key, body: { checkout_enabled: true } }));
    });
  }
});

describe('the victim’s objects in places other than the path', () => {
  test('pages do not begin at another shop’s object', async () => {
    for (const one of operations.filter((operation) => !isPublic(operation) && !forOperator(operation))) {
      for (const parameter of parametersOf(one).filter(({ name }) => ['starting_after', 'ending_before'].includes(name))) {
        for (const id of victimsFor(parameter, one.path)) {
          refused(await ask(one, { key: rival.key, shop: rival }, 'another shop', `${one.path}?${parameter.name}=${id}`), 422, 'resource_missing', parameter.name);
        }
      }
    }
  });

  test('filters find nothing of another shop’s', async () => {
    for (const path of ['/v1/transactions', '/v1/transactions.csv', '/v1/transactions/summary', '/v1/orders']) {
      for (const query of [`order_id=${MARK}-paid`, `order_id=${MARK}-order`, `agent=${victim.agent.id}`, `agent=${MARK}`, `source=agent:${MARK}`]) {
        const one = operations.find((operation) => operation.method === 'GET' && operation.path === path);
        const answer = await ask(one, { key: rival.key, shop: rival }, 'another shop', `${path}?${query}`);
        assert.equal(answer.status, 200);
        if (answer.body.data) assert.deepEqual(answer.body.data, []);
      }
    }
  });

  test('a claim is worth nothing to another shop, not even with its verifier, and is not spent by the attempt', async () => {
    for (const key of [rival.key, sharer.key]) {
      const answer = await api('POST', '/v1/connect/confirm', { key, body: { claim, verifier } });
      assert.ok([404, 422].includes(answer.status), answer.text);
    }
    assert.deepEqual(await w.d1("SELECT status FROM connect_claims WHERE shop_id = ? AND status = 'waiting'", victim.id), [{ status: 'waiting' }]);
  });

  test('an Idempotency-Key is its shop’s own', async () => {
    const body = agentBody(rival);
    const key = randomUUID();
    const first = await createSession(w, victim, agentBody(victim), key);
    const answer = await api('POST', '/v1/checkout/sessions', { key: rival.key, body, idempotencyKey: key });
    assert.notEqual(fine(answer, 201).id, first.id);
    assert.equal(answer.headers.get('idempotent-replayed'), null);
  });

  test('a shop’s addresses do not lead to another shop', async () => {
    for (const [method, path, member] of [['PATCH', '/v1/shop', 'webhook_url'], ['PATCH', '/v1/shop', 'default_success_url'], ['POST', '/v1/checkout/sessions', 'success_url'], ['POST', '/v1/connect/start', 'return_url']]) {
      const more = path.endsWith('sessions') ? agentBody(rival) : path.endsWith('start') ? { verifier_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' } : {};
      refused(await api(method, path, { key: rival.key, idempotencyKey: randomUUID(), body: { ...more, [member]: `${victim.origin}/thanks` } }), 422, 'url_not_allowed', member);
    }
  });

  test('whoever leaves a shared account does not take it from the others', async () => {
    // What the sweep has to do for the victim itself is done before.
    await w.scheduled();
    const before = await kept();
    for (const shop of [sharer, rival]) {
      fine(await api('DELETE', '/v1/connection?mode=test', { key: shop.key }));
      fine(await api('DELETE', '/v1/shop', { key: shop.key }));
    }
    await eventually(async () => (await w.d1("SELECT count(*) AS n FROM shops WHERE status = 'deleted'"))[0].n >= 3);
    await w.scheduled();
    assert.deepEqual(await kept(), before);
    assert.equal(fine(await api('GET', '/v1/connection?mode=test', { key: victim.key })).connected, true);
    await createSession(w, victim);
  });

  test('and the claim that others tried is still its shop’s', async () => {
    assert.equal(fine(await api('POST', '/v1/connect/confirm', { key: victim.key, body: { claim, verifier } })).connected, true);
  });
});

test('the matrix was one', (t) => {
  t.diagnostic(`${asked} requests of ${Object.keys(callers).length} callers to ${operations.length} operations; the victim has ${ids.length} ids`);
  assert.ok(asked > 300, `${asked} requests`);
});
