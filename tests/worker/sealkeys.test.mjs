// Contract, *Bindings, variables, secrets*: SEAL_KEYS (the first seals, all open) and STRIPE_WEBHOOK_SECRETS can be rolled without a
// moment's standstill.
import assert from 'node:assert/strict';
import { createDecipheriv, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { beginConnect, chatBody, comeBack, connectShop, createSession, registerShop, verifySignature } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const hex = () => randomBytes(32).toString('hex');
const [one, two] = [hex(), hex()];
let stripe, w, api, shop, account;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, vars: { SEAL_KEYS: `k1:${one}` } });
  api = documented(w);
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

async function sweep() {
  w.clearLogs();
  await w.scheduled();
  return (await w.logLine((line) => line.event === 'sweep')).figures;
}
const stale = async () => {
  const { text } = await api('GET', '/v1/admin/metrics', { key: w.vars.ADMIN_KEY, headers: { accept: 'text/plain' } });
  return Number(/^cognitivecart_sealed_under_old_key (\d+)$/m.exec(text)[1]);
};
/** Every sealed text, by where it lies. */
async function sealed() {
  const [{ signing_secret, previous_signing_secret }] = await w.d1('SELECT * FROM shops WHERE id = ?', shop.id);
  const claims = await w.d1('SELECT sealed_token FROM connect_claims WHERE sealed_token IS NOT NULL');
  const kv = await w.kv();
  const tokens = await Promise.all((await kv.list()).keys.map(({ name }) => kv.get(name)));
  return { signing_secret, previous_signing_secret, claims: claims.map((claim) => claim.sealed_token), tokens };
}
/** Opens a sealed text as src/seal.rs does. */
function open(text, key, context) {
  const bytes = Buffer.from(text.split('.')[2], 'base64url');
  const cipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), bytes.subarray(0, 12));
  cipher.setAAD(Buffer.from(context));
  cipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]).toString();
}
const comeHome = async () => {
  const session = await createSession(w, shop);
  const { location } = await stripe.pay(session.id);
  const home = await w.fetch(location);
  assert.equal(home.status, 303, await home.text());
  return home.headers.get('location');
};

describe('SEAL_KEYS: roll, sweep, remove the old one', () => {
  let secret, begun, back;

  test('before: all is sealed under the only key, and a sweep finds nothing to do', async () => {
    secret = fine(await api('POST', '/v1/shop/signing_secrets', { key: shop.key }), 201).signing_secret;
    begun = await beginConnect(w, shop, { replace: true });
    back = await comeBack(w, stripe, begun, { newAccount: true });
    const texts = await sealed();
    assert.equal([texts.claims.length, texts.tokens.length].join(), '1,1');
    for (const text of Object.values(texts).flat()) assert.match(text, /^s1\.k1\./);
    assert.equal((await sweep()).resealed, 0);
    assert.equal(await stale(), 0);
  });

  test('the new key in front: what was sealed still opens, and is due', async () => {
    await w.restart({ SEAL_KEYS: `k2:${two},k1:${one}` });
    assert.ok(verifySignature(await comeHome(), secret));
    assert.equal(await stale(), 4);
  });

  test('the sweep seals all of it anew, once', async () => {
    assert.equal((await sweep()).resealed, 4);
    assert.equal(await stale(), 0);
    const texts = await sealed();
    for (const text of Object.values(texts).flat()) assert.match(text, /^s1\.k2\./);
    assert.equal((await sweep()).resealed, 0);
  });

  test('the old key removed: redirects are still signed, by both secrets’ owners', async () => {
    await w.restart({ SEAL_KEYS: `k2:${two}` });
    assert.ok(verifySignature(await comeHome(), secret));
    const { previous_signing_secret: previous, tokens } = await sealed();
    assert.equal(open(previous, two, `shop/${shop.id}/signing_secret`), shop.secret);
    const token = JSON.parse(open(tokens[0], two, `oauth/${shop.id}/${account}/test`));
    assert.ok(token.access_token.length > 10, 'the token in KV opens');
    assert.throws(() => open(tokens[0], one, `oauth/${shop.id}/${account}/test`));
  });

  test('and a claim that waited through all of it is confirmed, its token in KV', async () => {
    fine(await api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim: back.claim, verifier: begun.verifier } }));
    const { tokens, claims } = await sealed();
    assert.deepEqual(claims, []);
    assert.equal(tokens.length, 2);
    for (const text of tokens) assert.match(text, /^s1\.k2\./);
    assert.equal((await w.d1("SELECT count(*) AS n FROM connections WHERE token_seal = 'k2'"))[0].n, 2);
  });
});

describe('more than one run can do, and what does not open', () => {
  test('goes on with the next run, and one bad text keeps none of the others', async (t) => {
    const shops = [];
    for (let i = 0; i < 3; i += 1) shops.push(await registerShop(w));
    t.after(() => Promise.all(shops.map((other) => other.close())));
    await w.d1(`INSERT INTO shops (id, site_url, name, status, challenge, challenge_url, signing_secret, created)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
      SELECT 'shop_bad' || i, 'https://bad' || i || '.example', 'x', 'superseded', '', '', 's1.k0.AAAA' || i, 1 FROM n`);
    await w.d1("UPDATE shops SET signing_secret = 's1.k2.AAAA' WHERE id = ?", shops[0].id);
    const three = hex();
    await w.restart({ SEAL_KEYS: `k3:${three},k2:${two}` });
    const { resealed } = await sweep();
    assert.ok(resealed >= 4, `${resealed}: what an unknown key sealed is not in the way`);
    const line = await w.logLine(({ event }) => event === 'reseal_failed');
    assert.equal(line.shop, shops[0].id);
    for (const other of shops.slice(1)) assert.match((await w.d1('SELECT signing_secret FROM shops WHERE id = ?', other.id))[0].signing_secret, /^s1\.k3\./);
    assert.equal(await stale(), 61, 'the operator sees that some are left');
  });

  test('costs no more than looking: every range is found by an index', async () => {
    for (const [table, column] of [['shops', 'signing_secret'], ['shops', 'previous_signing_secret'], ['connect_claims', 'sealed_token']]) {
      const plan = (await w.d1(`EXPLAIN QUERY PLAN SELECT * FROM ${table} WHERE ${column} >= 's1.k1.' AND ${column} < 's1.k1/' LIMIT 50`)).map(({ detail }) => detail).join('; ');
      assert.match(plan, /^SEARCH \w+ USING INDEX \w+_seal /, plan);
    }
    assert.match((await w.d1("EXPLAIN QUERY PLAN SELECT id FROM connections WHERE token_seal = 'k1'"))[0].detail, /USING INDEX connections_by_seal/);
  });
});

test('STRIPE_WEBHOOK_SECRETS: while rolling both sign, afterwards only the new one', async () => {
  const [before, after] = [w.webhookSecrets.connect, `whsec_${randomBytes(16).toString('hex')}`];
  const body = JSON.stringify({ id: 'evt_roll', type: 'account.updated', livemode: false, created: 1, data: { object: {} } });
  const send = (secret) => api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, secret) } });
  fine(await send(before));
  refused(await send(after), 400, 'signature_invalid');
  await w.restart({ STRIPE_WEBHOOK_SECRETS: `${after},${before}` });
  fine(await send(before));
  fine(await send(after));
  await w.restart({ STRIPE_WEBHOOK_SECRETS: after });
  refused(await send(before), 400, 'signature_invalid');
  fine(await send(after));
});

test('the log names Stripe’s own id of the call, by which its support finds it', async () => {
  const { status, headers } = await w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'logged', body: chatBody(shop) });
  assert.equal(status, 201);
  const line = await w.logLine((one) => one.event === 'request' && one.request_id === headers.get('request-id'));
  assert.match(line.stripe_request_id, /^req_/);
  const quiet = await w.fetch('/healthz');
  assert.equal((await w.logLine((one) => one.event === 'request' && one.request_id === quiet.headers.get('request-id'))).stripe_request_id, null);
});
