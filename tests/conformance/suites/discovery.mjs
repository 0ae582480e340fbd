// What a server says of itself before anyone has a key.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('discovery');
const versions = since('2026-04-17');
const needs = ['discovery'];
const RFC = 'RFC discovery';

async function read(t, more) {
  const answer = await t.api.as({ key: undefined }).discover({ headers: { 'api-version': undefined }, ...more });
  assert.equal(answer.status, 200, shown(answer));
  return { ...answer, document: answer.body };
}

requirement(
  'discovery.open',
  { versions, needs, section: `${RFC} §4.1`, says: 'it is read without a key and without a version' },
  async (t) => {
    const { document } = await read(t);
    assert.equal(document.protocol.name, 'acp');
  },
);

requirement(
  'discovery.cache',
  { versions, level: 'should', needs, section: `${RFC} §4.1`, says: 'it may be kept for an hour: `public, max-age=3600` at least' },
  async (t) => {
    const cache = (await read(t)).headers.get('cache-control') ?? '';
    assert.match(cache, /\bpublic\b/);
    assert.ok(Number(/max-age=(\d+)/.exec(cache)?.[1]) >= 3600, cache);
  },
);

requirement(
  'discovery.versions',
  { versions, needs, section: `${RFC} §4.2`, says: 'it lists the versions that are spoken, oldest first, and names the newest' },
  async (t) => {
    const { protocol } = (await read(t)).document;
    assert.deepEqual(protocol.supported_versions, [...protocol.supported_versions].sort());
    assert.equal(protocol.version, protocol.supported_versions.at(-1));
    for (const version of t.target.versions.filter((one) => one !== 'stripe'))
      assert.ok(protocol.supported_versions.includes(version), `${version} is spoken and not listed`);
    // Answers of other versions are not to be measured by this one's rules.
    const unwatched = t.api.as({ watch: () => {} });
    for (const version of protocol.supported_versions) {
      const answer = await unwatched.create(await t.createBody(), { headers: { 'api-version': version } });
      assert.notEqual(answer.body?.code, 'unsupported_api_version', `${version} is listed and not spoken`);
    }
  },
);

requirement(
  'discovery.address',
  { versions, needs, section: `${RFC} §4.2`, says: 'the address that it names leads to the API' },
  async (t) => {
    const { api_base_url: base } = (await read(t)).document;
    const body = await t.createBody();
    const there = t.api.as({});
    there.base = base.replace(/\/+$/, '');
    assert.equal((await there.create(body)).status, 201);
  },
);

requirement(
  'discovery.services',
  {
    versions,
    needs,
    section: `${RFC} §4.2, §10; RFC cart §6`,
    says: 'it names services and transports: checkout and REST, carts and MCP where there are any',
  },
  async (t) => {
    const { transports, capabilities } = (await read(t)).document;
    assert.ok(transports.includes('rest') && capabilities.services.includes('checkout'));
    assert.equal(transports.includes('mcp'), t.target.features.has('mcp'));
    assert.equal(capabilities.services.includes('carts'), t.target.features.has('carts'));
  },
);

requirement(
  'discovery.discreet',
  { versions, needs, section: `${RFC} §7.1, §7.4`, says: 'it says nothing of any shop or account, whoever asks and however' },
  async (t) => {
    const plain = await read(t);
    const asked = await t.api.as({}).call('discovery', 'GET', '/.well-known/acp.json?merchant=acct_1&shop=shop_1', {});
    assert.deepEqual(asked.body, plain.document);
    for (const word of ['acct_', 'shop_', 'merchant_id', 'sk_', 'pk_', ...(t.target.account ? [t.target.account] : [])])
      assert.ok(!plain.text.includes(word), `it has "${word}"`);
  },
);
