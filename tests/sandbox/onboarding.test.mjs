// Accounts that a platform makes (Accounts v2), links to their form, and the form.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { listener, start } from './support.mjs';

const FULL = {
  contact_email: 'owner@shop.example', display_name: 'Harbour Lane', dashboard: 'full', identity: { country: 'DE' },
  configuration: { merchant: { capabilities: { card_payments: { requested: true } } } },
  defaults: { responsibilities: { fees_collector: 'stripe', losses_collector: 'stripe' } }, include: ['configuration.merchant', 'requirements'],
};
const WAYS = { return_url: 'https://platform.example/return', refresh_url: 'https://platform.example/refresh' };

describe('accounts of a platform', () => {
  let stripe, call, heard;
  const v2 = (method, path, body, more = {}) => call(method, path, method === 'GET' ? body : JSON.stringify(body), { headers: { 'Content-Type': 'application/json' }, ...more });
  const make = async (more = {}, options) => (await v2('POST', '/v2/core/accounts', { ...FULL, ...more }, options)).body;
  const linkTo = async (account) => (await v2('POST', '/v2/core/account_links', { account, use_case: { type: 'account_onboarding', account_onboarding: WAYS } })).body;
  before(async () => {
    heard = await listener();
    ({ stripe, call } = await start());
    stripe.addWebhook({ url: heard.url, secret: 'whsec_thin', connect: true, event_payload: 'thin', events: ['v2.*'] });
    stripe.addWebhook({ url: heard.url, secret: 'whsec_all', connect: true });
  });
  after(async () => {
    await stripe.close();
    await heard.close();
  });

  test('made, looked at by v2 and v1, acted for, and not known to OAuth', async () => {
    const account = await make();
    assert.deepEqual([account.object, account.livemode, account.configuration.merchant.capabilities.card_payments.status], ['v2.core.account', false, 'restricted']);
    assert.ok(account.requirements.entries.length > 0);
    const bare = (await v2('GET', `/v2/core/accounts/${account.id}`)).body;
    assert.deepEqual([bare.configuration, bare.requirements], [null, null], 'what is not asked for is not told');
    assert.equal((await call('GET', `/v1/accounts/${account.id}`)).body.charges_enabled, false);
    assert.equal((await call('GET', '/v1/events', {}, { account: account.id })).status, 200);
    const gone = await call('POST', '/oauth/deauthorize', { client_id: stripe.keys.test.clientId, stripe_user_id: account.id });
    assert.deepEqual([gone.status, gone.body.error], [401, 'invalid_client']);
    for (const [path, options] of [[account.id, { livemode: true }], ['acct_1Nobody', {}]]) assert.equal((await v2('GET', `/v2/core/accounts/${path}`, undefined, options)).status, 403);
  });

  test('the same key makes one, also when the answer is lost', async () => {
    const before = stripe.books().accounts.length;
    const ask = () => v2('POST', '/v2/core/accounts', FULL, { key: 'account-1' });
    stripe.misbehave({ on: 'POST /v2/core/accounts', how: '500_after', times: 1 });
    assert.equal((await ask()).status, 500);
    const [first, second] = [await ask(), await ask()];
    assert.equal(first.body.id, second.body.id);
    assert.equal(stripe.books().accounts.length, before + 1);
    assert.equal((await v2('POST', '/v2/core/accounts', { ...FULL, display_name: 'Other' }, { key: 'account-1' })).body.error.type, 'idempotency_error');
  });

  test('refused', async () => {
    const code = async (body, path = '/v2/core/accounts') => (await v2('POST', path, body)).body.error?.code;
    assert.equal(await code({ ...FULL, contact_email: undefined }), 'contact_email_required');
    assert.equal(await code({ ...FULL, contact_email: 'nobody' }), 'email_invalid');
    assert.equal(await code({ ...FULL, identity: { country: 'Utopia' } }), 'country_invalid');
    assert.equal(await code({ ...FULL, defaults: {} }), 'responsibilities_invalid');
    assert.equal(await code({ ...FULL, type: 'standard' }), 'unknown_field');
    assert.equal(await code({ ...FULL, dashboard: 'half' }), 'invalid_field');
    assert.equal(await code({ ...FULL, configuration: { merchant: { capabilities: { card_payments: { requested: 'true' } } } } }), 'invalid_field');
    assert.equal(await code({ ...FULL, configuration: { merchant: { capabilities: { klarna_payments: { requested: true } } } } }), 'field_not_played_here');
    assert.equal(await code({ ...FULL, configuration: { merchant: { capabilities: { card_payments: {} } } } }), 'missing_field');
    const { id } = await make();
    const link = (use, account = id) => code({ account, use_case: use }, '/v2/core/account_links');
    assert.equal(await link({ type: 'account_onboarding', account_onboarding: { ...WAYS, configurations: ['merchant'] } }), 'unknown_field', 'gone since endive');
    assert.equal(await link({ type: 'account_onboarding' }), 'use_case_incomplete');
    assert.equal(await link({ type: 'account_onboarding', account_onboarding: { ...WAYS, return_url: 'http://elsewhere.example/' } }), 'url_invalid');
    assert.equal(await link({ type: 'account_onboarding', account_onboarding: WAYS }, 'acct_1Nobody'), 'account_invalid');
  });

  test('the form: a link is good for one visit, for five minutes; what comes of it is told by v1 and v2', async () => {
    const { id } = await make();
    const { url } = await linkTo(id);
    const go = (address, init) => fetch(new URL(address, stripe.url), { redirect: 'manual', ...init });
    const opened = await go(url);
    assert.equal(opened.status, 303);
    const form = opened.headers.get('location');
    assert.equal((await go(url)).headers.get('location'), WAYS.refresh_url, 'opened before');
    const page = await (await go(form)).text();
    assert.match(page, /Harbour Lane/);
    const send = (body) => go(form, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(body) });
    heard.heard.length = 0;
    assert.equal((await send({ decision: 'later' })).headers.get('location'), WAYS.return_url);
    assert.equal((await send({ decision: 'finish' })).status, 404, 'sent already');
    await stripe.webhooks.drained();
    assert.deepEqual(heard.types(), [], 'nothing has changed');

    const late = (await linkTo(id)).url;
    stripe.advance(5 * 60 + 1);
    assert.equal((await go(late)).headers.get('location'), WAYS.refresh_url);
    assert.equal((await go(late.replace(id, 'acct_1Other'))).status, 404);

    const { form: token } = await stripe.openForm((await linkTo(id)).url);
    assert.deepEqual(await stripe.leaveForm(token, { finish: true, name: 'Lane' }), { location: WAYS.return_url });
    await stripe.webhooks.drained();
    assert.deepEqual(heard.types().sort(), ['account.updated', 'v2.core.account[configuration.merchant].capability_status_updated', 'v2.core.account[requirements].updated']);
    const done = (await v2('GET', `/v2/core/accounts/${id}`, { include: ['configuration.merchant', 'requirements'] })).body;
    assert.deepEqual([done.display_name, done.configuration.merchant.capabilities.card_payments.status, done.requirements.entries], ['Lane', 'active', []]);
    await assert.rejects(stripe.leaveForm(token), /no such form/);
  });
});
