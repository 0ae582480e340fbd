// `npm run bench`: this Worker, the same journeys as they are usually written (Hono with the official `stripe` package) and the bare
// floor (the least JavaScript that makes the same statements and calls), on the same workerd, the same D1 and the same canned Stripe.
//   --rounds N --requests N    how often, how many each time     --sales N --products N    of the big shop
//   --only TEXT                journeys whose name has it        --write                   docs/performance.md and its chart
//   --soak                     100,000 requests to the Worker alone, and its memory every 10,000
//   --scale                    what several databases carry, simulated from what the last --write measured
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as ask } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../../scripts/build.mjs';
import { BUILD, inRoot } from '../../scripts/lib/paths.mjs';
import { JOURNEYS } from './journeys.mjs';
import { report } from './report.mjs';
import { scale } from './scale.mjs';
import { seed } from './seed.mjs';
import { bundle, cpu, freePort, memory, size, sources, start } from './targets.mjs';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, requests: { type: 'string', default: '200' }, sales: { type: 'string', default: '1000000' }, products: { type: 'string', default: '100000' }, only: { type: 'string' }, write: { type: 'boolean' }, soak: { type: 'boolean' }, scale: { type: 'boolean' } } });
if (options.scale) {
  scale(options);
  process.exit();
}
const [ROUNDS, REQUESTS, CONCURRENCY] = [Number(options.rounds), Number(options.requests), 8];
const wanted = (name) => !options.only || name.includes(options.only) || Object.values(JOURNEYS).some(({ from }, at) => from === name && Object.keys(JOURNEYS)[at].includes(options.only));

const agents = new Map();
/** One request on a kept connection. -> {status, body, ms} */
function send(url, { method, path, headers, body }) {
  if (!agents.has(url)) agents.set(url, new Agent({ keepAlive: true, maxSockets: 64 }));
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const outgoing = ask(new URL(path, url), { method, headers: { ...headers, ...(body && { 'content-length': Buffer.byteLength(body) }) }, agent: agents.get(url) }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString(), ms: performance.now() - began }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** All of a list, so many at a time. */
async function inLanes(list, lanes, work) {
  let next = 0;
  await Promise.all(Array.from({ length: lanes }, async () => { while (next < list.length) { const at = next; next += 1; await work(list[at], at); } }));
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

/** One round of one journey on one target. -> {cpu (ms a request), rps, p50, p99} */
async function measure(target, name, context, from, { count = REQUESTS, lanes = CONCURRENCY } = {}) {
  const journey = JOURNEYS[name];
  const inputs = from ? from.splice(0, count) : Array.from({ length: count }, () => ({}));
  if (inputs.length < count) throw new Error(`${name}: only ${inputs.length} of ${journey.from} are left`);
  const all = inputs.map((input) => ({ ...input, ...journey.before(context) }));
  const requests = all.map((known) => { const made = journey.request(known, context); return { ...made, headers: { ...made.headers, 'x-journey': name } }; });
  const times = [];
  const before = cpu(target.pid);
  const began = performance.now();
  await inLanes(requests, lanes, async (request, at) => {
    const answer = await send(target.url, request);
    if (answer.status !== journey.status) throw new Error(`${target.name}, ${name}: ${answer.status} ${answer.body.slice(0, 600)}`);
    times.push(answer.ms);
    if (journey.after) Object.assign(all[at], journey.after(all[at], JSON.parse(answer.body)));
  });
  const ms = performance.now() - began;
  // What goes on behind the answers.
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  times.sort((a, b) => a - b);
  return { made: all, cpu: (cpu(target.pid) - before) / 1e6 / count, rps: (count / ms) * 1000, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const open = [];
const say = (text) => console.log(`  ${text}`);
try {
  await build();
  console.log('the database, and the journeys as the Worker makes them');
  const first = join(folder, 'd1');
  const { context, plans, answers, costs, saleBytes } = await seed({ persist: first, sales: Number(options.sales), products: Number(options.products), note: say });
  writeFileSync(join(folder, 'answers.json'), JSON.stringify({ answers }));
  mkdirSync(join(folder, 'source'));
  for (const name of ['floor.js', 'hono.js', 'replay.js']) cpSync(inRoot('tests', 'bench', 'targets', name), join(folder, 'source', name));
  writeFileSync(join(folder, 'source', 'plans.json'), JSON.stringify(plans));

  const canned = async (delay) => {
    const port = await freePort();
    const child = fork(inRoot('tests', 'bench', 'stripe.mjs'), [join(folder, 'answers.json'), String(port), String(delay)]);
    open.push(() => child.kill());
    await once(child, 'message');
    return `http://127.0.0.1:${port}`;
  };
  const stripe = await canned(0);
  const twins = { hono: bundle('hono', folder), floor: bundle('floor', folder) };
  const kinds = {
    worker: { source: sources.worker() },
    hono: { source: sources.twin(twins.hono, folder) },
    usual: { source: sources.twin(twins.hono, folder), vars: { ONE_BY_ONE: 'true' } },
    floor: { source: sources.twin(twins.floor, folder) },
  };
  const targets = [];
  for (const [name, kind] of Object.entries(kinds)) {
    const persist = join(folder, `d1-${name}`);
    cpSync(first, persist, { recursive: true });
    const vars = { ...context.vars, STRIPE_API_BASE: stripe, WEBHOOK_SECRET: context.webhookSecret, SHOP_ORIGIN: context.sells.origin, PUBLIC_URL: 'https://pay.example', ...kind.vars };
    targets.push({ name, vars, persist, source: kind.source, ...(await start({ source: kind.source, vars, persist })) });
  }
  for (const target of targets) open.push(() => target.close());

  if (options.soak) {
    const [worker] = targets;
    for (let sent = 0; sent < 100_000; sent += 10_000) {
      for (const [name, count] of [['healthz', 5_000], ['create, 2 lines', 1_000], ['ledger page, 1,000 sales', 2_000], ['summary, 1,000 sales', 1_000], ['ACP create', 1_000]]) await measure(worker, name, context, undefined, { count });
      const { now, peak } = memory(worker.pid);
      say(`${(sent + 10_000).toLocaleString('en')} requests: ${now} MB, at most ${peak}`);
    }
  }

  const figures = Object.fromEntries(Object.keys(JOURNEYS).map((name) => [name, Object.fromEntries(targets.map((target) => [target.name, []]))]));
  const names = Object.keys(JOURNEYS).filter(wanted);
  for (let round = -1; round < ROUNDS; round += 1) {
    // The first is for warming up, and short.
    const count = round < 0 ? Math.min(50, REQUESTS) : REQUESTS;
    console.log(round < 0 ? 'warming up' : `round ${round + 1} of ${ROUNDS}`);
    const kept = Object.fromEntries(targets.map((target) => [target.name, {}]));
    for (const name of names) {
      for (let at = 0; at < targets.length; at += 1) {
        // Each is first, second, third and last equally often.
        const target = targets[(at + round + 1) % targets.length];
        const { made, ...measured } = await measure(target, name, context, JOURNEYS[name].from && kept[target.name][JOURNEYS[name].from], { count });
        kept[target.name][name] = made;
        if (round >= 0) figures[name][target.name].push(measured);
      }
    }
  }

  // The same was done by all: what is in the books says so.
  const books = {};
  for (const target of targets) {
    const database = await target.database();
    const [sold, checkouts] = await database.batch(['SELECT status, count(*) AS n, sum(amount) AS amount FROM transactions WHERE shop_id = ?1 GROUP BY 1 ORDER BY 1', 'SELECT status, count(*) AS n FROM acp_sessions WHERE shop_id = ?1 GROUP BY 1 ORDER BY 1'].map((text) => database.prepare(text).bind(context.sells.id)));
    books[target.name] = JSON.stringify([sold.results, checkouts.results]);
  }
  if (new Set(Object.values(books)).size !== 1) throw new Error(`the books differ:\n${Object.entries(books).map(([name, told]) => `${name}: ${told}`).join('\n')}`);
  const memories = Object.fromEntries(targets.map((target) => [target.name, memory(target.pid)]));

  console.log('what a buyer waits, with D1 20 ms away and Stripe 300');
  const away = await canned(300);
  const latency = Object.fromEntries(names.map((name) => [name, {}]));
  for (const target of targets.filter(({ name }) => name !== 'floor')) {
    const vars = { ...target.vars, STRIPE_API_BASE: away, D1_DELAY: '20' };
    const persist = join(folder, `slow-${target.name}`);
    cpSync(first, persist, { recursive: true });
    const slow = { name: target.name, ...(await start({ source: target.name === 'worker' ? sources.slow() : target.source, vars, persist })) };
    open.push(() => slow.close());
    const kept = {};
    for (const name of names) {
      const { made, p50 } = await measure(slow, name, context, JOURNEYS[name].from && kept[JOURNEYS[name].from], { count: 9, lanes: 1 });
      kept[name] = made;
      latency[name][target.name] = p50;
    }
  }

  console.log('starting up');
  const starts = Object.fromEntries(targets.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, source, vars } of targets.filter(({ name: kind }) => kind !== 'usual')) {
      const began = performance.now();
      const fresh = await start({ source, vars });
      const answer = await send(fresh.url, { method: 'GET', path: '/openapi.json', headers: { 'x-journey': 'none' } });
      starts[name].push({ ms: performance.now() - began, cpu: cpu(fresh.pid) / 1e6, status: answer.status });
      agents.get(fresh.url).destroy();
      await fresh.close();
    }
  }

  const result = {
    rounds: ROUNDS, requests: REQUESTS, sales: Number(options.sales), products: Number(options.products), figures, costs, saleBytes, latency, memories, starts,
    sizes: { worker: size(join(BUILD, 'index.js'), join(BUILD, 'index_bg.wasm')), hono: size(twins.hono), floor: size(twins.floor) },
  };
  report(result, { write: options.write, names });
} finally {
  for (const close of open) await Promise.resolve(close()).catch(() => {});
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
