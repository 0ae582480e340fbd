// Contract, *Agents, catalogue, fulfilment*, first paragraph: agents, their keys and secrets.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, fine, refused } from '../support/answers.mjs';
import { connectShop, registerAnew, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const hash = (key) => createHash('sha256').update(key).digest('hex');
let stripe, w, api, shop;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  api = documented(w);
  shop = await registerShop(w);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

async function another(t, fields) {
  const made = await registerShop(w, fields);
  t.after(() => made.close());
  return made;
}
const create = (body = {}, key = shop.key) => api('POST', '/v1/agents', { key, body: { name: 'Claude', mode: 'test', ...body } });
const agent = async (body, key) => fine(await create(body, key), 201);
const patch = (id, body) => api('PATCH', `/v1/agents/${id}`, { key: shop.key, body });
const keysOf = async (id) => (await w.d1('SELECT * FROM agent_keys WHERE agent_id = ? ORDER BY created, hash', id)).map((row) => row.hash);

describe('POST /v1/agents', () => {
  test('gives an agent, its key and its secret', async () => {
    const made = await agent({ webhook_url: 'HTTPS://Agent.Example:443/hook', allow: ['mcp', 'acp', 'mcp'] });
    assert.match(made.id, /^agt_[0-9a-hjkmnp-tv-z]{26}$/);
    assert.deepEqual([made.object, made.name, made.mode, made.livemode, made.webhook_url], ['agent', 'Claude', 'test', false, 'https://agent.example/hook']);
    assert.deepEqual(made.allow, ['acp', 'mcp']);
    assert.match(made.api_key, /^cca_[A-Za-z0-9_-]{43}$/);
    assert.match(made.signing_secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.ok(Math.abs(made.created - Date.now() / 1000) < 30);
  });

  test('the key is kept as a hash, the secret sealed, and neither is shown again or logged', async () => {
    const made = await agent();
    const rows = await w.d1('SELECT * FROM agents WHERE id = ?', made.id);
    assert.match(rows[0].signing_secret, /^s1\.k1\./);
    assert.deepEqual(await keysOf(made.id), [hash(made.api_key)]);
    const later = [await api('GET', `/v1/agents/${made.id}`, { key: shop.key }), await api('GET', '/v1/agents?limit=100', { key: shop.key }), await patch(made.id, { name: 'Other' })];
    const everything = JSON.stringify([rows, await w.d1('SELECT * FROM agent_keys'), later.map(({ text }) => text)]) + w.logs().text;
    for (const secret of [made.api_key, made.signing_secret, made.signing_secret.slice(6)]) assert.ok(!everything.includes(secret));
  });

  test('the mode that is not said: that of the only connection; with none, live where there are live keys', async (t) => {
    const own = await another(t);
    const unsaid = async () => fine(await api('POST', '/v1/agents', { key: own.key, body: { name: 'x' } }), 201).mode;
    assert.equal(await unsaid(), 'live');
    await connectShop(w, stripe, own);
    assert.equal(await unsaid(), 'test');
  });

  test('what is no name, no mode, no door, no address', async () => {
    for (const [body, status, code, param] of [
      [{ name: undefined }, 400, 'parameter_missing', 'name'],
      [{ name: ' ' }, 422, 'parameter_invalid_empty', 'name'],
      [{ name: 'x'.repeat(65) }, 422, 'parameter_invalid', 'name'],
      [{ name: 'a\nb' }, 422, 'parameter_invalid', 'name'],
      [{ mode: 'both' }, 422, 'parameter_invalid', 'mode'],
      [{ allow: 'acp' }, 400, 'parameter_invalid_array', 'allow'],
      [{ allow: ['acp', 'admin'] }, 422, 'parameter_invalid', 'allow[1]'],
      [{ allow: [1] }, 400, 'parameter_invalid_string', 'allow[0]'],
      [{ feed_url: 'https://agent.example' }, 400, 'parameter_unknown', 'feed_url'],
    ]) refused(await create(body), status, code, param);
    assert.equal((await agent({ name: 'Ünï-😀'.repeat(10).slice(0, 60) })).object, 'agent');
  });

  // Server-side request forgery: what is stored is what is called.
  test('an address that only the Worker could reach is none', async () => {
    for (const url of [
      'http://agent.example/hook', 'https://127.0.0.1/', 'https://[::1]/', 'https://10.0.0.1/', 'https://169.254.169.254/latest', 'https://0x7f.1/', 'https://2130706433/',
      'https://017700000001/', 'https://localhost/', 'https://a.localhost/', 'https://intranet/', 'https://user:pass@agent.example/', 'https://agent.example/#x', 'https://agent.example\\@evil.example/',
      'https://agent.example/a/../b', 'ftp://agent.example/', '//agent.example/', 'https://agent.example./', 'https://bücher.example/', `${w.url}/v1/shops`,
    ]) refused(await create({ webhook_url: url }), 422, 'url_not_allowed', 'webhook_url');
    // On the operator's own machine, and nowhere else.
    assert.equal((await agent({ webhook_url: 'http://127.0.0.1:9/hook' })).webhook_url, 'http://127.0.0.1:9/hook');
  });

  test('a shop has at most 100, and deleted ones do not count', async (t) => {
    const own = await another(t);
    const rows = Array.from({ length: 99 }, (_, i) => `('agt_${String(i).padStart(26, '0')}', '${own.id}', 'n', 0, '[]', '', 1)`);
    await w.d1(`INSERT INTO agents (id, shop_id, name, livemode, allow, signing_secret, created) VALUES ${rows.join(', ')}`);
    const [one, two] = await Promise.all([create({}, own.key), create({}, own.key)]);
    const [good, bad] = one.status === 201 ? [one, two] : [two, one];
    refused(bad, 422, 'too_many_agents');
    assert.equal((await w.d1('SELECT count(*) AS n FROM agent_keys WHERE shop_id = ?', own.id))[0].n, 1);
    fine(await api('DELETE', `/v1/agents/${good.body.id}`, { key: own.key }));
    await agent({}, own.key);
  });
});

describe('GET, PATCH, DELETE', () => {
  test('the list, newest first, by pages', async (t) => {
    const own = await another(t);
    const made = [];
    for (const name of ['a', 'b', 'c']) made.unshift((await agent({ name }, own.key)).id);
    const page = async (query) => fine(await api('GET', `/v1/agents?${query}`, { key: own.key }));
    const first = await page('limit=2');
    assert.deepEqual([first.data.map(({ id }) => id), first.has_more, first.url], [made.slice(0, 2), true, '/v1/agents']);
    assert.deepEqual((await page(`starting_after=${made[1]}`)).data.map(({ id }) => id), [made[2]]);
    assert.deepEqual((await page(`ending_before=${made[1]}`)).data.map(({ id }) => id), [made[0]]);
    refused(await api('GET', '/v1/agents?starting_after=agt_0', { key: own.key }), 422, 'resource_missing', 'starting_after');
    // What is gone is still a place to begin at.
    fine(await api('DELETE', `/v1/agents/${made[1]}`, { key: own.key }));
    assert.deepEqual((await page(`starting_after=${made[1]}`)).data.map(({ id }) => id), [made[2]]);
    assert.deepEqual((await page('')).data.map(({ id }) => id), [made[0], made[2]]);
  });

  test('PATCH sets what is named, clears by null, and does not change the mode', async () => {
    const { id } = await agent({ webhook_url: 'https://agent.example/hook' });
    const changed = fine(await patch(id, { name: ' Atlas ', allow: [], webhook_url: null }));
    assert.deepEqual([changed.name, changed.allow, changed.webhook_url, changed.mode], ['Atlas', [], null, 'test']);
    assert.deepEqual(fine(await patch(id, { allow: null })).allow, ['acp', 'mcp']);
    assert.deepEqual(fine(await patch(id, {})), { ...changed, allow: ['acp', 'mcp'] });
    refused(await patch(id, { mode: 'live' }), 400, 'parameter_unknown', 'mode');
    refused(await patch(id, { name: null }), 400, 'parameter_missing', 'name');
    refused(await patch(id, { webhook_url: 'https://10.0.0.1/' }), 422, 'url_not_allowed', 'webhook_url');
  });

  test('a feed: its key is sealed and never shown, and a new address begins anew', async () => {
    const { id } = await agent();
    const feedKey = `feed_${randomBytes(24).toString('base64url')}`;
    const shown = fine(await patch(id, { feed_url: 'https://agent.example/feeds', feed_key: feedKey }));
    assert.deepEqual([shown.feed_url, shown.feed_key_set], ['https://agent.example/feeds', true]);
    const row = async () => (await w.d1('SELECT * FROM agents WHERE id = ?', id))[0];
    const { feed_key: sealed, feed_due_at: due } = await row();
    assert.match(sealed, /^s1\.k1\./);
    assert.ok(due <= Date.now() / 1000);
    await w.d1("UPDATE agents SET feed_state = '{}', feed_due_at = 5 WHERE id = ?", id);
    fine(await patch(id, { name: 'x' }));
    assert.deepEqual([(await row()).feed_state, (await row()).feed_due_at], ['{}', 5]);
    fine(await patch(id, { feed_url: null }));
    assert.deepEqual([(await row()).feed_state, (await row()).feed_due_at], [null, null]);
    assert.equal(fine(await patch(id, { feed_key: null })).feed_key_set, false);
    for (const bad of ['', 'a b', 'a\r\nX: y', 'ä']) refused(await patch(id, { feed_key: bad }), 422, bad ? 'parameter_invalid' : 'parameter_invalid_empty', 'feed_key');
  });

  test('DELETE: key, secret and addresses are gone, and it is told nothing more', async () => {
    const made = await agent({ webhook_url: 'https://agent.example/hook' });
    fine(await patch(made.id, { feed_url: 'https://agent.example/feeds', feed_key: 'k'.repeat(8) }));
    await w.d1(`INSERT INTO notices (id, shop_id, agent_id, type, once, object, created, status, due_at) VALUES ('ccevt_a', '${shop.id}', '${made.id}', 'order_update', 'x', '{}', 1, 'due', 9999999999)`);
    assert.deepEqual(fine(await api('DELETE', `/v1/agents/${made.id}`, { key: shop.key })), { object: 'agent', id: made.id, deleted: true });
    assert.deepEqual(await keysOf(made.id), []);
    const [row] = await w.d1('SELECT * FROM agents WHERE id = ?', made.id);
    assert.deepEqual([row.name, row.signing_secret, row.webhook_url, row.feed_url, row.feed_key], ['Claude', '', null, null, null]);
    assert.deepEqual(await w.d1("SELECT status, due_at FROM notices WHERE id = 'ccevt_a'"), [{ status: 'kept', due_at: null }]);
    for (const [method, path] of [['GET', ''], ['DELETE', ''], ['PATCH', ''], ['POST', '/api_keys'], ['POST', '/signing_secrets']]) {
      refused(await api(method, `/v1/agents/${made.id}${path}`, { key: shop.key, body: method === 'PATCH' ? {} : undefined }), 404, 'resource_missing');
    }
  });
});

describe('rolling', () => {
  const roll = (id, what, body) => api('POST', `/v1/agents/${id}/${what}`, { key: shop.key, body });
  const ends = async (id) => Object.fromEntries((await w.d1('SELECT hash, expires_at FROM agent_keys WHERE agent_id = ?', id)).map((row) => [row.hash, row.expires_at]));

  test('a new key; the old one is good for 24 hours, or as long as is said, and a second roll prolongs nothing', async () => {
    const made = await agent();
    const first = fine(await roll(made.id, 'api_keys'), 201);
    assert.deepEqual([first.object, first.agent], ['api_key', made.id]);
    assert.match(first.api_key, /^cca_/);
    const day = first.created + 86_400;
    assert.deepEqual(await ends(made.id), { [hash(made.api_key)]: day, [hash(first.api_key)]: null });
    const second = fine(await roll(made.id, 'api_keys', { previous_valid_for: 3600 }), 201);
    assert.deepEqual(await ends(made.id), { [hash(made.api_key)]: second.created + 3600, [hash(first.api_key)]: second.created + 3600, [hash(second.api_key)]: null });
    const third = fine(await roll(made.id, 'api_keys', { previous_valid_for: 0 }), 201);
    assert.ok(Object.entries(await ends(made.id)).every(([key, end]) => (key === hash(third.api_key) ? end === null : end <= third.created)));
    await w.scheduled();
    assert.deepEqual(await keysOf(made.id), [hash(third.api_key)]);
    refused(await roll(made.id, 'api_keys', { previous_valid_for: 86_401 }), 422, 'parameter_invalid_integer', 'previous_valid_for');
  });

  test('a new secret; the old one stays beside it until the sweep after 24 hours', async () => {
    const made = await agent();
    const rolled = fine(await roll(made.id, 'signing_secrets'), 201);
    assert.deepEqual([rolled.object, rolled.agent, rolled.previous_expires_at], ['signing_secret', made.id, rolled.created + 86_400]);
    const row = async () => (await w.d1('SELECT * FROM agents WHERE id = ?', made.id))[0];
    assert.match((await row()).previous_signing_secret, /^s1\.k1\./);
    await w.d1('UPDATE agents SET previous_signing_secret_expires_at = 1 WHERE id = ?', made.id);
    await w.scheduled();
    assert.equal((await row()).previous_signing_secret, null);
  });
});

describe('whose key it is', () => {
  test('an agent’s key opens nothing under /v1', async () => {
    const { api_key: key } = await agent();
    for (const [method, path, body] of [
      ['GET', '/v1/shop'], ['GET', '/v1/agents'], ['POST', '/v1/agents', { name: 'x' }], ['GET', '/v1/transactions'], ['GET', '/v1/events'], ['POST', '/v1/checkout/sessions', {}],
      ['GET', '/v1/shop/export'], ['DELETE', '/v1/shop'], ['POST', '/v1/connect/start', {}], ['GET', '/v1/manifest'],
    ]) refused(await api(method, path, { key, body }), 403, 'agent_key_not_allowed');
    refused(await api('GET', '/v1/admin/shops', { key }), 401, 'api_key_invalid');
  });

  test('the keys of a superseded shop’s agents are gone with its own', async (t) => {
    const old = await another(t);
    const made = await agent({}, old.key);
    const again = await registerAnew(w, old);
    assert.deepEqual(await keysOf(made.id), []);
  });

  test('a shop that leaves takes its agents and their keys with it; what it takes along names them without secrets', async (t) => {
    const own = await another(t);
    const made = await agent({ webhook_url: 'https://agent.example/hook' }, own.key);
    const taken = fine(await api('GET', '/v1/shop/export', { key: own.key }));
    assert.deepEqual(taken.agents.map(({ id, name, mode, webhook_url }) => ({ id, name, mode, webhook_url })), [{ id: made.id, name: 'Claude', mode: 'test', webhook_url: 'https://agent.example/hook' }]);
    assert.deepEqual(taken.agent_keys, [{ agent: made.id, created: made.created, expires_at: null }]);
    fine(await api('DELETE', '/v1/shop', { key: own.key }));
    assert.deepEqual(await w.d1('SELECT id FROM agents WHERE shop_id = ? UNION ALL SELECT hash FROM agent_keys WHERE shop_id = ?', own.id, own.id), []);
  });

  test('after SEAL_KEYS was rolled the sweep seals an agent’s secrets anew', async () => {
    const made = await agent();
    fine(await api('POST', `/v1/agents/${made.id}/signing_secrets`, { key: shop.key }), 201);
    fine(await patch(made.id, { feed_url: 'https://agent.example/feeds', feed_key: 'k'.repeat(8) }));
    const before = w.vars.SEAL_KEYS;
    const seals = async () => {
      const [row] = await w.d1('SELECT signing_secret, previous_signing_secret, feed_key FROM agents WHERE id = ?', made.id);
      return Object.values(row).map((text) => text.split('.')[1]);
    };
    await w.restart({ SEAL_KEYS: `k2:${randomBytes(32).toString('hex')},${before}` });
    const stale = async () => Number(/^cognitivecart_sealed_under_old_key (\d+)$/m.exec((await w.api('GET', '/v1/admin/metrics', { key: w.vars.ADMIN_KEY, headers: { accept: 'text/plain' } })).text)[1]);
    assert.ok(await stale() >= 3);
    await w.scheduled();
    assert.deepEqual(await seals(), ['k2', 'k2', 'k2']);
    assert.equal(await stale(), 0);
  });
});
