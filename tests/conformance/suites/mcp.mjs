// The same checkout as tools, spoken to by the protocol's own client.
import assert from 'node:assert/strict';
import { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { NEWEST, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';
import { violations } from '../schemas.mjs';

inFile('mcp');
const versions = since('2026-04-17');
const needs = ['mcp'];
const DOC = 'MCP binding';
const TOOLS = [
  'create_checkout_session',
  'get_checkout_session',
  'update_checkout_session',
  'complete_checkout_session',
  'cancel_checkout_session',
];
/** What the transport adds to a result. */
const ENVELOPE = ['content', 'structuredContent', 'isError', '_meta'];

/** key: null for none. */
async function connected(t, key = t.target.key) {
  const client = new McpClient({ name: 'conformance', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', t.target.url), {
    requestInit: { headers: key === null ? {} : { authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  return client;
}

async function using(t, work) {
  const client = await connected(t);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

const meta = (t, more) => ({
  api_version: NEWEST,
  idempotency_key: t.fresh(),
  request_id: t.fresh(),
  user_agent: 'conformance/1.0',
  ...more,
});

/** A tool's session: the result itself, or what it carries as structured content. */
function sessionOf(result, kind = 'session') {
  assert.ok(!result.isError, JSON.stringify(result).slice(0, 600));
  const session = result.structuredContent ?? Object.fromEntries(Object.entries(result).filter(([name]) => !ENVELOPE.includes(name)));
  assert.deepEqual(violations(NEWEST, kind, session) ?? [], [], JSON.stringify(session).slice(0, 600));
  return session;
}
const call = (client, name, args) => client.callTool({ name, arguments: args });
const made = async (t, client, more) => sessionOf(await call(client, TOOLS[0], { meta: meta(t), payload: await t.createBody(more) }));

/** A tool that refuses: an error of JSON-RPC with the protocol's own in it. -> that */
async function refused(promise, { code = -32000, acp } = {}) {
  const error = await promise.then(
    (result) => assert.fail(`it was not refused: ${JSON.stringify(result).slice(0, 600)}`),
    (thrown) => thrown,
  );
  assert.ok(error instanceof McpError, String(error.stack ?? error));
  assert.ok([code].flat().includes(error.code), `${error.code}: ${error.message}`);
  if (error.code === -32000) {
    assert.deepEqual(violations(NEWEST, 'error', error.data) ?? [], [], JSON.stringify(error.data));
    if (acp) assert.ok([acp].flat().includes(error.data.code), JSON.stringify(error.data));
  }
  return error.data;
}

requirement(
  'mcp.tools',
  { versions, needs, section: `${DOC}, Tool Definitions`, says: 'five tools, whose arguments are `meta`, `id` and `payload`' },
  (t) =>
    using(t, async (client) => {
      const { tools } = await client.listTools();
      for (const name of TOOLS) {
        const tool = tools.find((one) => one.name === name);
        assert.ok(tool, `${name} is not among ${tools.map((one) => one.name).join(', ')}`);
        assert.ok(tool.description, `${name} has no description`);
        const { properties = {}, required = [] } = tool.inputSchema;
        assert.ok(properties.meta && required.includes('meta'), `${name} requires meta`);
        assert.equal(Boolean(properties.id) && required.includes('id'), name !== TOOLS[0], `${name}: id`);
        assert.equal(required.includes('payload'), ![TOOLS[1], TOOLS[4]].includes(name), `${name}: payload`);
        assert.ok(!JSON.stringify(tool.inputSchema).includes('.json#'), `${name}: a $ref to a file that the client does not have`);
        assert.ok(!('authorization' in (properties.meta.properties ?? {})), 'a key does not belong into arguments');
      }
    }),
);

requirement(
  'mcp.purchase',
  { versions, needs, section: `${DOC}, Response Mapping`, says: 'create, get, update and complete: each result is the session' },
  (t) =>
    using(t, async (client) => {
      const bare = await made(t, client, { address: null });
      const updated = sessionOf(
        await call(client, TOOLS[2], { meta: meta(t), id: bare.id, payload: t.dialect.update({ address: t.address }) }),
      );
      assert.equal(updated.id, bare.id);
      const view = { ...t.dialect.read(updated), raw: updated };
      const read = sessionOf(await call(client, TOOLS[1], { meta: { api_version: NEWEST }, id: bare.id }));
      assert.deepEqual(t.dialect.read(read).totals, view.totals);
      const done = sessionOf(
        await call(client, TOOLS[3], { meta: meta(t), id: bare.id, payload: await t.paymentBody(view, { handler: view.handlers[0]?.id }) }),
        'completed',
      );
      assert.equal(done.status, 'completed');
      assert.equal(done.order.checkout_session_id, bare.id);
    }),
);

requirement('mcp.cancel', { versions, needs, section: `${DOC}, Argument Structure`, says: 'cancel, with a payload and without' }, (t) =>
  using(t, async (client) => {
    for (const more of [{}, { payload: { intent_trace: { reason_code: 'shipping_cost' } } }]) {
      const session = await made(t, client);
      assert.equal(sessionOf(await call(client, TOOLS[4], { meta: meta(t), id: session.id, ...more })).status, 'canceled');
    }
  }),
);

requirement(
  'mcp.same_session',
  { versions, needs, section: `${DOC}, Overview`, says: 'what a tool made REST reads, and the other way round' },
  (t) =>
    using(t, async (client) => {
      const session = await made(t, client);
      assert.deepEqual((await t.look(session.id)).totals, t.dialect.read(session).totals);
      const other = await t.open();
      assert.equal(sessionOf(await call(client, TOOLS[1], { meta: meta(t), id: other.id })).id, other.id);
    }),
);

requirement(
  'mcp.errors',
  { versions, needs, section: `${DOC}, Error Handling`, says: "a refusal is an error -32000 with the protocol's error in `data`" },
  (t) =>
    using(t, async (client) => {
      await refused(call(client, TOOLS[1], { meta: meta(t), id: 'cs_does_not_exist' }));
      await refused(
        call(client, TOOLS[0], { meta: meta(t), payload: await t.createBody({ items: [{ id: 'no-such-item', quantity: 1 }] }) }),
      );
      await refused(call(client, TOOLS[0], { meta: meta(t, { api_version: '2024-01-01' }), payload: await t.createBody() }), {
        acp: 'unsupported_api_version',
      });
      const session = await made(t, client);
      sessionOf(await call(client, TOOLS[4], { meta: meta(t), id: session.id }));
      await refused(call(client, TOOLS[4], { meta: meta(t), id: session.id }));
    }),
);

requirement(
  'mcp.malformed',
  {
    versions,
    needs,
    section: `${DOC}, Error Handling`,
    says: 'arguments that lack `meta`, `id` or `payload` are refused: -32602 (or -32000)',
  },
  (t) =>
    using(t, async (client) => {
      const either = { code: [-32602, -32000] };
      await refused(call(client, TOOLS[0], { payload: await t.createBody() }), either);
      await refused(call(client, TOOLS[0], { meta: meta(t) }), either);
      await refused(call(client, TOOLS[1], { meta: meta(t) }), either);
      await refused(call(client, 'empty_the_till', {}), either);
    }),
);

requirement(
  'mcp.idempotency',
  {
    versions,
    needs,
    section: `${DOC}, Header Mapping; RFC checkout §6`,
    says: '`meta.idempotency_key` is the key: the same again, or `idempotency_conflict`',
  },
  (t) =>
    using(t, async (client) => {
      const [own, payload] = [meta(t), await t.createBody()];
      const first = sessionOf(await call(client, TOOLS[0], { meta: own, payload }));
      assert.deepEqual(sessionOf(await call(client, TOOLS[0], { meta: own, payload })), first);
      const other = await t.createBody({ items: [{ id: await t.product('shipped'), quantity: 2 }] });
      await refused(call(client, TOOLS[0], { meta: own, payload: other }), { acp: 'idempotency_conflict' });
    }),
);

requirement(
  'mcp.auth',
  {
    versions,
    needs,
    section: `${DOC}, Authentication and Authorization Errors`,
    says: 'without a key, or with a wrong one, no tool can be called',
  },
  async (t) => {
    const attempt = async (key) => {
      const client = await connected(t, key);
      try {
        return await made(t, client);
      } finally {
        await client.close();
      }
    };
    await attempt(t.target.key);
    for (const key of [null, `${t.target.key}x`]) await assert.rejects(attempt(key), 'a tool was called without a key');
  },
);

requirement(
  'mcp.foreign',
  { versions, level: 'ours', needs: [...needs, 'otherKey'], section: 'contract, ACP', says: "another agent's session is not there" },
  async (t) => {
    const session = await t.open();
    const client = await connected(t, t.target.otherKey);
    try {
      await refused(call(client, TOOLS[1], { meta: meta(t), id: session.id }));
    } finally {
      await client.close();
    }
  },
);
