// The Worker in real workerd, with real local D1 and KV, as `build/` has it. One call starts one, in about half a second.
//
// Why Miniflare and not wrangler's createTestHarness(), which sits on top of it: the harness lets every outgoing call pass
// through Node's fetch, where a cut connection arrives as an answer 500 and redirects are followed, so that the tests of lost
// answers would test something else; it re-bundles at each start; its port cannot be chosen. wrangler.toml is still read by
// wrangler, so bindings and flags are those of production.
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { BUILD } from '../../scripts/lib/paths.mjs';
import { eventually } from './answers.mjs';
import { workerConfig } from './migrations.mjs';
import { parse } from './parse.mjs';
import { Watch } from './secrets.mjs';

/** Nothing listens there: a test without a local Stripe fails at once and never reaches the real one. */
const NOWHERE = 'http://127.0.0.1:9';

/** In which of the databases the shop of an id is (src/place.rs). `databases` as the variable says it. */
export function placeOf(databases, id) {
  const slot = '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(id.at(-1));
  const holds = (part) => part.split('=')[1].split(',').some((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return slot >= first && slot <= last;
  });
  return databases.split(' ').findIndex(holds);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const hex = (bytes) => randomBytes(bytes).toString('hex');

/** The variables of a test's Worker; `secrets` are those that must never show up in an answer or a log. */
function defaultVars(url, stripe) {
  const keys = stripe?.keys ?? { test: { secret: `sk_test_${hex(12)}`, clientId: `ca_${hex(12)}` }, live: { secret: `sk_live_${hex(12)}`, clientId: `ca_${hex(12)}` } };
  const base = stripe?.url ?? NOWHERE;
  const webhook = { connect: `whsec_${hex(16)}`, platform: `whsec_${hex(16)}` };
  const hook = `whsec_${hex(16)}`;
  const vars = {
    PUBLIC_URL: url, ALLOW_LOCAL: 'true', SHOP_VERIFICATION: 'required', RATE_LIMITS: 'off',
    STRIPE_SECRET_KEY: keys.live.secret, STRIPE_CLIENT_ID: keys.live.clientId,
    STRIPE_TEST_SECRET_KEY: keys.test.secret, STRIPE_TEST_CLIENT_ID: keys.test.clientId,
    STRIPE_WEBHOOK_SECRETS: `${webhook.connect},${webhook.platform}`, STRIPE_HOOK_SECRETS: hook,
    STRIPE_PUBLISHABLE_KEY: `pk_live_${hex(12)}`, STRIPE_TEST_PUBLISHABLE_KEY: `pk_test_${hex(12)}`,
    STRIPE_API_BASE: base, STRIPE_CONNECT_BASE: base, STRIPE_FILES_BASE: base,
    SEAL_KEYS: `k1:${hex(32)}`, ADMIN_KEY: `admin_${hex(16)}`,
  };
  return { vars, webhook, hook, secrets: [hook, keys.live.secret, keys.test.secret, webhook.connect, webhook.platform, vars.SEAL_KEYS.slice(3), vars.ADMIN_KEY] };
}

/**
 * vars: overrides; `undefined` takes a variable away.
 * stripe: a running local Stripe: its addresses and keys are put in, its redirect URI and webhooks point back here.
 * faults: with a database and a KV that can be told to fail (faulty.entry.js): w.fault([{on: 'DB.batch', nth: 2, how: 'lose'}]).
 * databases: which there are and which shops are in which, as the variable DATABASES says it.
 * without: kinds of bindings that are left out. port: a fixed one, else any. host: 'localhost' or '127.0.0.1', as `url` shows it.
 */
export async function startWorker({ vars = {}, stripe, port, host = 'localhost', buildDir = BUILD, onLog, without = [], faults = false, databases = process.env.DATABASES } = {}) {
  if (!existsSync(join(buildDir, 'index_bg.wasm'))) throw new Error('the Worker is not built: run `npm run build` first');
  const { options, statements } = await workerConfig();
  const names = databases ? databases.split(' ').map((part) => part.split('=')[0]) : ['DB'];
  options.d1Databases = Object.fromEntries(names.map((name) => [name, options.d1Databases[name] ?? { id: name }]));
  for (const kind of without) delete options[kind];
  const chosen = port ?? await freePort();
  const url = `http://${host}:${chosen}`;
  const planted = defaultVars(url, stripe);
  let current = { ...planted.vars, ...(databases && { DATABASES: databases }), ...vars };

  const watch = new Watch();
  watch.plantVars(current);
  const said = [];
  const records = [];
  const arrived = new EventEmitter();
  arrived.setMaxListeners(0);
  const settings = () => convertV4MiniflareOptions({
    host: '127.0.0.1', port: chosen, cf: false,
    handleStructuredLogs: ({ level, message }) => {
      const record = { level, text: String(message), line: parse(message) };
      records.push(record);
      said.push(record.text);
      onLog?.(record);
      arrived.emit('record', record);
    },
    workers: [{
      name: 'worker', ...options, modulesRoot: buildDir,
      modules: [...(faults ? [faultyEntry(buildDir)] : []), { type: 'ESModule', path: join(buildDir, 'index.js') }, { type: 'CompiledWasm', path: join(buildDir, 'index_bg.wasm') }],
      bindings: Object.fromEntries(Object.entries({ ...options.bindings, ...current }).filter(([, value]) => value !== undefined)),
    }],
  });

  const runtime = new Miniflare(settings());
  await runtime.ready;
  const open = () => Promise.all(names.map((name) => runtime.getD1Database(name, 'worker')));
  let opened = await open();
  for (const database of opened) await database.batch(statements.map((statement) => database.prepare(statement)));
  if (stripe) {
    await stripe.setRedirectUris([`${url}/connect/callback`]);
    await stripe.setWebhooks([
      { url: `${url}/stripe/webhooks`, secret: planted.webhook.connect, connect: true },
      { url: `${url}/stripe/webhooks`, secret: planted.webhook.platform, connect: false },
      // What v2 tells, there is as thin events alone.
      { url: `${url}/stripe/webhooks`, secret: planted.webhook.connect, connect: true, event_payload: 'thin', events: ['v2.*'] },
    ]);
    await stripe.setHooks([{ url: `${url}/stripe/agentic-hooks`, secret: planted.hook }]);
  }

  const w = {
    /** Sets the rules by which bindings fail, and forgets what was called before. */
    fault: (rules = []) => w.fetch('/__faults', { method: 'POST', body: JSON.stringify(rules) }),
    /** The bindings' methods that were called since. */
    faultCalls: async () => (await (await w.fetch('/__faults')).json()).calls,
    /** The statements that were prepared since. */
    statements: async () => (await (await w.fetch('/__faults')).json()).statements,
    /** All statements that were ever prepared, each once. */
    prepared: async () => (await (await w.fetch('/__faults')).json()).prepared,
    /** Until nothing goes on behind answers any more: it would be counted among the calls of what comes next. */
    quiet: () => eventually(async () => (await (await w.fetch('/__faults')).json()).behind === 0, 'work behind an answer does not end'),
    url,
    stripe,
    webhookSecrets: planted.webhook,
    /** Of the agentic hooks. */
    hookSecret: planted.hook,
    secrets: planted.secrets,
    get vars() { return { ...current }; },

    /** Like fetch, for a path of the Worker; redirects are not followed, since they are what a test looks at. */
    async fetch(path, init = {}) {
      const address = new URL(path, url);
      const answer = await fetch(address, { redirect: 'manual', ...init });
      watch.see(init.method ?? 'GET', address, init, answer);
      return answer;
    },

    /** Where tests note what they learned by other ways than `fetch`: secrets, raw answers. */
    watch,

    /** A call of the API. `body`: an object is sent as JSON, a string as it is (with the media type of JSON too). */
    async api(method, path, { key, body, idempotencyKey, headers = {} } = {}) {
      const answer = await w.fetch(path, {
        method,
        headers: {
          ...(key && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
          ...headers,
        },
        body: body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      });
      const text = await answer.text();
      return { status: answer.status, headers: answer.headers, text, body: parse(text) ?? text };
    },

    /** Runs the cron handler to its end. */
    async scheduled(cron = '* * * * *') {
      const worker = await runtime.getWorker('worker');
      const result = await worker.scheduled({ cron });
      if (result.outcome !== 'ok') throw new Error(`the cron handler ended with "${result.outcome}"\n${w.logs().text}`);
      return result;
    },

    /** What the Worker logged: `lines` are the JSON lines, parsed; `text` is everything, for greps. */
    logs: () => ({
      lines: records.map(({ line }) => line).filter(Boolean),
      text: records.map(({ text }) => text).join('\n'),
      records: [...records],
    }),
    clearLogs() { records.length = 0; },

    /** The first JSON line that fits, there already or still to come: a line is written after its answer was sent. */
    async logLine(fits, ms = 5_000) {
      const seen = records.find(({ line }) => line && fits(line));
      if (seen) return seen.line;
      return new Promise((resolve, reject) => {
        const take = ({ line }) => {
          if (!line || !fits(line)) return;
          clearTimeout(timer);
          arrived.off('record', take);
          resolve(line);
        };
        const timer = setTimeout(() => {
          arrived.off('record', take);
          reject(new Error(`no such line in the log after ${ms} ms:\n${w.logs().text}`));
        }, ms);
        arrived.on('record', take);
      });
    },

    /** The log line of one request, found by the Request-Id that its answer carried. */
    lineOf: (answer, ms) => w.logLine((line) => line.request_id === (answer.headers.get?.('request-id')), ms),

    /** A direct look into (or hand at) the databases. -> rows of all of them */
    async d1(sql, ...params) {
      const found = [];
      // What is put in belongs where its shop is: the last character of an id says that.
      const id = /^\s*INSERT/i.test(sql) && params.find((param) => /^(shop|cct|ord)_[0-9a-z]{26}$/.test(param));
      for (const database of id && databases ? [opened[placeOf(databases, id)]] : opened) found.push(...(await database.prepare(sql).bind(...params).all()).results);
      return found;
    },

    /** The databases by their names. */
    get databases() { return Object.fromEntries(names.map((name, at) => [name, opened[at]])); },

    /** The same for many statements in one go: each call costs some 10 ms on its way through the runtime. -> rows of each */
    async d1Batch(statements) {
      const found = statements.map(() => []);
      for (const database of opened) {
        for (const [at, { results }] of (await database.batch(statements.map((sql) => database.prepare(sql)))).entries()) found[at].push(...results);
      }
      return found;
    },

    /** The KV namespace itself: get, put, list, delete. */
    kv: () => runtime.getKVNamespace('KV', 'worker'),

    /** Starts anew with other variables (added to those before); database, KV and address stay. */
    async restart(more = {}) {
      current = { ...current, ...more };
      watch.plantVars(current);
      await runtime.setOptions(settings());
      await runtime.ready;
      opened = await open();
    },

    /** Fails when a secret was said anywhere, or the runtime was in trouble. asked: what the test itself brought about, of which nothing is said. */
    async close({ asked } = {}) {
      await runtime.dispose();
      if (stripe) watch.plantStripe(stripe.world);
      const found = (await watch.findings(said.join('\n'))).found.filter((line) => !asked?.test(line));
      if (found.length === 0) return;
      // Whatever the test still holds open does not keep it from failing.
      setTimeout(() => process.exit(1), 20_000).unref();
      throw new Error(`what the Worker said is not fit to be said:\n  ${found.slice(0, 20).join('\n  ')}`);
    },
  };
  return w;
}

const faultyEntry = (buildDir) => ({
  type: 'ESModule', path: join(buildDir, 'faulty.entry.js'), contents: readFileSync(new URL('./faulty.entry.js', import.meta.url), 'utf8'),
});
