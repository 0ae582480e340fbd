// The control over HTTP, keeping state, listening on loopback only.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalStripe, startStripe } from '../../sandbox/stripe/index.mjs';
import { PREVIEW, order, start } from './support.mjs';

const previews = new URL('../../../shared/contracts/stripe/stripe-openapi.2026-10-14.preview.strict.json', import.meta.url);
const contracts = new URL('../../../shared/contracts/stripe/stripe-openapi.2026-10-28.endive.strict.json', import.meta.url);

test('everything in the library can be done over HTTP', async () => {
  const { stripe, merchant, session } = await start();
  const control = async (name, ...args) => {
    const response = await fetch(`${stripe.url}/_sandbox/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ args }) });
    return { status: response.status, ...(await response.json()) };
  };
  const look = async (name) => (await (await fetch(`${stripe.url}/_sandbox/${name}`)).json()).result;
  try {
    const shop = await merchant();
    const made = await session(shop);
    assert.equal((await control('pay', made.id, { card: '4000000000000002' })).result.decline_code, 'generic_decline');
    assert.equal((await control('pay', made.id)).result.ok, true);
    assert.equal((await look('books')).sessions[0].payment_status, 'paid');
    assert.equal((await look('health')).status, 'ok');
    assert.equal((await look('requests')).at(-1).headers.authorization, '***');
    await control('misbehave', { on: { regexp: '^GET' }, how: '500' });
    assert.equal((await look('misbehaviour')).length, 1);
    await control('clearMisbehaviour');
    await control('webhooks/pause');
    assert.equal(stripe.webhooks.paused, true);
    assert.deepEqual((await control('createAccount', { name: 'X', id: 'acct_1X' })).result.id, 'acct_1X');
    assert.equal((await control('pay', 'cs_none')).status, 400);
    assert.equal((await control('close')).status, 404);
    assert.equal((await control('constructor')).status, 404);
    assert.equal((await control('webhooks/close')).status, 404);
    const asForm = await fetch(`${stripe.url}/_sandbox/pay`, { method: 'POST', body: new URLSearchParams({ args: '[]' }) });
    assert.equal(asForm.status, 415, 'a page elsewhere cannot post here');
  } finally {
    await stripe.close();
  }
});

test('it listens on both loopback addresses and answers to their names only', async () => {
  const stripe = await startStripe();
  const ask = (host, name) => new Promise((resolve, reject) => {
    http.get({ host, port: stripe.port, path: '/_sandbox/health', headers: { Host: name }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  try {
    assert.equal(await ask('127.0.0.1', `localhost:${stripe.port}`), 200);
    assert.equal(await ask('127.0.0.1', `127.0.0.1:${stripe.port}`), 200);
    if (stripe.servers.length === 2) assert.equal(await ask('::1', `[::1]:${stripe.port}`), 200);
    assert.equal(await ask('127.0.0.1', 'evil.example'), 403, 'a foreign name that points here');
    for (const server of stripe.servers) assert.ok(['127.0.0.1', '::1'].includes(server.address().address));
  } finally {
    await stripe.close();
  }
});

test('a port that is taken is an error, not another port', async () => {
  const stripe = await startStripe();
  try {
    await assert.rejects(startStripe({ port: stripe.port }), { code: 'EADDRINUSE' });
  } finally {
    await stripe.close();
  }
});

test('state survives a restart: keys, connections, sessions, idempotency', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'local-stripe-'));
  const persist = join(folder, 'deep', 'state.json');
  try {
    const first = await start({ persist });
    const shop = await first.merchant({ name: 'Kept' });
    const made = await first.call('POST', '/v1/checkout/sessions', order(), { account: shop, key: 'k' });
    await first.stripe.close();
    assert.equal(statSync(persist).mode & 0o077, 0, 'only the owner may read the keys');
    const second = await start({ persist });
    assert.deepEqual(second.stripe.keys, first.stripe.keys);
    const again = await second.call('POST', '/v1/checkout/sessions', order(), { account: shop, key: 'k' });
    assert.equal(again.body.id, made.body.id);
    assert.equal((await second.stripe.pay(made.body.id)).ok, true);
    await second.stripe.close();
    writeFileSync(persist, '{"version":1,"keys"');
    const said = [];
    const { error } = console;
    console.error = (line) => said.push(line);
    const third = new LocalStripe({ persist });
    console.error = error;
    assert.match(said[0], /unreadable/);
    assert.notDeepEqual(third.keys, first.stripe.keys);
    assert.ok(existsSync(`${persist}.unreadable`));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a debit ends by itself when that was asked for', async () => {
  const { stripe, merchant, session } = await start({ settleAfterMs: 60_000 });
  try {
    const made = await session(await merchant());
    await stripe.pay(made.id, { card: 'bank_debit_fails' });
    stripe.advance(59);
    assert.equal(stripe.books().payment_intents[0].status, 'processing');
    stripe.advance(2);
    assert.equal(stripe.books().payment_intents[0].status, 'requires_payment_method');
  } finally {
    await stripe.close();
  }
});

test('tokens survive a restart, and so does a payment that waits for the bank\'s question', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'local-stripe-'));
  const persist = join(folder, 'state.json');
  const pay = ({ call }, account, token) => call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token } }, { account, version: PREVIEW });
  try {
    const first = await start({ persist });
    const account = await first.merchant();
    const idle = await first.stripe.grantToken({ account, maxAmount: 1000 });
    const asking = await first.stripe.grantToken({ account, maxAmount: 1000, card: 'pm_card_threeDSecure2Required' });
    const { body: { id } } = await pay(first, account, asking);
    await first.stripe.close();
    const second = await start({ persist });
    assert.equal((await second.stripe.confirm(id)).status, 'succeeded');
    assert.equal((await pay(second, account, asking)).status, 400, 'spent');
    assert.equal((await pay(second, account, idle)).body.status, 'succeeded');
    await second.stripe.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('tokens over HTTP', async () => {
  const { stripe, call, merchant } = await start();
  const control = async (name, ...args) => (await (await fetch(`${stripe.url}/_sandbox/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ args }) })).json()).result;
  try {
    const account = await merchant();
    const token = await control('grantToken', { account, maxAmount: 5000, card: 'pm_card_threeDSecure2Required' });
    assert.match(token, /^spt_/);
    const { body } = await call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token } }, { account, version: PREVIEW });
    assert.equal((await control('confirm', body.id)).status, 'succeeded');
    const other = await control('grantToken', { account, maxAmount: 5000 });
    assert.equal((await control('revokeToken', other)).deactivated_reason, 'revoked');
    await control('lagSearch', 0);
    const [first, second] = (await (await fetch(`${stripe.url}/_sandbox/tokens`)).json()).result;
    assert.deepEqual([first.id, first.card, first.payments, first.account, second.deactivated_reason], [token, 'pm_card_threeDSecure2Required', [body.id], account, 'revoked']);
  } finally {
    await stripe.close();
  }
});

// -- our answers against Stripe's description ----------------------------------------------------------------------

function misfits(spec, schema, value, at, found = []) {
  if (value === null) {
    const target = schema.$ref?.split('/').slice(1).reduce((node, name) => node[name], spec);
    if (!schema.nullable && !target?.nullable) found.push(`${at}: null`);
    return found;
  }
  if (schema.$ref) return misfits(spec, schema.$ref.split('/').slice(1).reduce((node, name) => node[name], spec), value, at, found);
  if (schema.anyOf) {
    const tries = schema.anyOf.map((choice) => misfits(spec, choice, value, at));
    if (!tries.some((list) => list.length === 0)) found.push(...tries.sort((a, b) => a.length - b.length)[0]);
    return found;
  }
  const kind = Array.isArray(value) ? 'array' : Number.isInteger(value) && schema.type !== 'number' ? 'integer' : typeof value;
  if (schema.type && schema.type !== kind) return [...found, `${at}: ${kind} instead of ${schema.type}`];
  if (schema.enum && !schema.enum.includes(value)) found.push(`${at}: ${value} is none of ${schema.enum.join(', ')}`);
  if (schema.maxLength && value.length > schema.maxLength) found.push(`${at}: too long`);
  if (kind === 'array') value.forEach((item, index) => misfits(spec, schema.items ?? {}, item, `${at}[${index}]`, found));
  if (kind === 'object' && schema.properties) {
    for (const name of schema.required ?? []) if (!(name in value)) found.push(`${at}.${name}: missing`);
    for (const [name, member] of Object.entries(value)) {
      if (schema.properties[name]) misfits(spec, schema.properties[name], member, `${at}.${name}`, found);
      else if (!schema.additionalProperties) found.push(`${at}.${name}: Stripe has no such member`);
    }
  }
  return found;
}

test('objects fit Stripe\'s description of them', { skip: !existsSync(contracts) && 'Stripe\'s description is not here' }, async () => {
  const spec = JSON.parse(readFileSync(contracts, 'utf8'));
  const { stripe, call, merchant, session } = await start();
  try {
    const shop = await merchant();
    const rate = { shipping_rate_data: { display_name: 'Post', fixed_amount: { amount: 100, currency: 'usd' } } };
    const data = { application_fee_amount: 10, metadata: { a: 'b' } };
    const made = await session(shop, { payment_intent_data: data, shipping_options: [rate], automatic_tax: { enabled: true }, shipping_address_collection: { allowed_countries: ['US'] } });
    const open = await session(shop, { customer_email: 'a@example.com' });
    await stripe.pay(open.id, { card: '4000000000000002' });
    const debit = await session(shop);
    await stripe.pay(debit.id, { card: 'bank_debit_succeeds' });
    const asked = await session(shop);
    await stripe.pay(asked.id, { card: '4000002500003155', confirm: 'leave' });
    await stripe.pay(made.id);
    const held = await session(shop, { payment_intent_data: { capture_method: 'manual' } });
    await stripe.pay(held.id);
    await stripe.refund(made.id, { amount: 100, refund_application_fee: true });
    await stripe.refund(made.id, { amount: 100, pending: true });
    await stripe.failRefund((await stripe.refund(made.id, { amount: 100 })).id);
    await stripe.moveDispute((await stripe.dispute(made.id, { inquiry: true })).id, 'needs_response');
    await stripe.settle(debit.id);
    await stripe.dispute(debit.id);
    const lapsed = await session(shop, { payment_intent_data: { capture_method: 'manual' } });
    await stripe.pay(lapsed.id);
    await stripe.cancelPayment(lapsed.id, 'abandoned');
    const paid = async (card, more = {}) => {
      const token = await stripe.grantToken({ account: shop, maxAmount: 1000, card });
      const { body } = await call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token }, ...more }, { account: shop, version: PREVIEW });
      return { token, ...body };
    };
    const proof = { cryptogram: 'x', transaction_id: 'y', version: '2.2.0' };
    const declined = await paid('pm_card_chargeDeclined');
    const tokens = [
      await paid('pm_card_visa', { application_fee_amount: 10 }), declined, await paid('pm_card_threeDSecure2Required'), await paid('bank_debit_succeeds'),
      await paid('pm_card_threeDSecure2Required', { return_url: 'https://s.example/' }), await paid('pm_card_visa', { capture_method: 'manual' }),
      await paid('pm_card_threeDSecure2Required', { payment_method_options: { card: { three_d_secure: proof } } }),
    ].map(({ token }) => token).filter((token) => stripe.world.record('shared_payment.granted_token', token).card !== 'bank_debit_succeeds');
    await stripe.revokeToken(declined.token);
    const bad = {};
    const compare = (name, objects, of = spec) => {
      assert.ok(objects.length > 0, name);
      for (const object of objects) {
        const list = misfits(of, of.components.schemas[name], object, name);
        if (list.length > 0) bad[object.id] = list;
      }
    };
    const read = async (path, account = shop) => (await call('GET', path, {}, { account })).body;
    compare('checkout.session', (await read('/v1/checkout/sessions')).data);
    compare('payment_intent', (await read('/v1/payment_intents')).data);
    const preview = JSON.parse(readFileSync(previews, 'utf8'));
    const readPreview = async (path) => (await call('GET', path, {}, { account: shop, version: PREVIEW })).body;
    compare('payment_intent', (await readPreview('/v1/payment_intents')).data, preview);
    compare('shared_payment.granted_token', await Promise.all(tokens.map((id) => readPreview(`/v1/shared_payment/granted_tokens/${id}`))), preview);
    compare('shared_payment.granted_token', [await readPreview('/v1/shared_payment/granted_tokens/tok_visa')], preview);
    compare('refund', (await read('/v1/refunds')).data);
    compare('dispute', (await read('/v1/disputes')).data);
    compare('item', (await read(`/v1/checkout/sessions/${made.id}/line_items`)).data);
    compare('charge', await Promise.all(stripe.books().charges.map(({ id }) => read(`/v1/charges/${id}`))));
    compare('application_fee', [await read(`/v1/application_fees/${stripe.books().application_fees[0].id}`, null)]);
    compare('account', [await read('/v1/account')]);
    compare('event', (await read('/v1/events')).data);
    assert.deepEqual(bad, {});
  } finally {
    await stripe.close();
  }
});
