// Where the Worker's own CPU goes: `node tests/bench/profile.mjs "create, 2 lines"` loads one journey and prints the functions (of Rust by
// name) that took most of it, by themselves and with what they call.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { build } from '../../scripts/build.mjs';
import { inRoot } from '../../scripts/lib/paths.mjs';
import { JOURNEYS } from './journeys.mjs';
import { seed } from './seed.mjs';
import { bundle, freePort, sources, start } from './targets.mjs';

const [journey = 'create, 2 lines', kind = 'worker', requests = '600'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'profile-'));
await build();
const { context, plans, answers } = await seed({ persist: join(folder, 'd1'), sales: 2_000, products: 2_000, note: () => {} });
writeFileSync(join(folder, 'answers.json'), JSON.stringify({ answers }));
mkdirSync(join(folder, 'source'));
for (const name of ['floor.js', 'hono.js', 'replay.js']) cpSync(inRoot('tests', 'bench', 'targets', name), join(folder, 'source', name));
writeFileSync(join(folder, 'source', 'plans.json'), JSON.stringify(plans));
const port = await freePort();
const stripe = fork(inRoot('tests', 'bench', 'stripe.mjs'), [join(folder, 'answers.json'), String(port), '0']);
await once(stripe, 'message');
const inspector = await freePort();
const vars = { ...context.vars, STRIPE_API_BASE: `http://127.0.0.1:${port}`, WEBHOOK_SECRET: context.webhookSecret, SHOP_ORIGIN: context.sells.origin, PUBLIC_URL: 'https://pay.example' };
const target = await start({ source: kind === 'worker' ? sources.worker() : sources.twin(bundle(kind, folder), folder), vars, persist: join(folder, 'd1'), inspector });

const [{ webSocketDebuggerUrl }] = await (await fetch(`http://127.0.0.1:${inspector}/json`)).json();
const socket = new WebSocket(webSocketDebuggerUrl);
await once(socket, 'open');
let id = 0;
const waiting = new Map();
socket.on('message', (data) => { const told = JSON.parse(data); waiting.get(told.id)?.(told.result ?? told.error); });
const call = (method, params = {}) => new Promise((resolve) => { id += 1; waiting.set(id, resolve); socket.send(JSON.stringify({ id, method, params })); });

const chain = [];
for (let name = journey; name; name = JOURNEYS[name].from) chain.unshift(name);
async function play(name, inputs, count) {
  const made = inputs ?? Array.from({ length: count }, () => ({}));
  for (let at = 0; at < made.length; at += 8) {
    await Promise.all(made.slice(at, at + 8).map(async (known) => {
      Object.assign(known, JOURNEYS[name].before(context));
      const { method, path, headers, body } = JOURNEYS[name].request(known, context);
      const answer = await fetch(new URL(path, target.url), { method, headers: { ...headers, 'x-journey': name }, body, redirect: 'manual' });
      const text = await answer.text();
      if (answer.status !== JOURNEYS[name].status) throw new Error(`${name}: ${answer.status} ${text}`);
      if (JOURNEYS[name].after) Object.assign(known, JOURNEYS[name].after(known, JSON.parse(text)));
    }));
  }
  return made;
}
for (const round of ['warm', 'measured']) {
  let made;
  for (const name of chain.slice(0, -1)) made = await play(name, made, Number(requests));
  if (round === 'measured') {
    await call('Profiler.enable');
    await call('Profiler.setSamplingInterval', { interval: 200 });
    await call('Profiler.start');
  }
  await play(chain.at(-1), made, Number(requests));
}
const { profile } = await call('Profiler.stop');
const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
const self = new Map();
profile.samples.forEach((node, at) => self.set(node, (self.get(node) ?? 0) + profile.timeDeltas[at]));
const parents = new Map();
for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
const nameOf = ({ callFrame: { functionName, url, lineNumber } }) => `${functionName || '(anonymous)'}${functionName && url.startsWith('wasm') ? '' : `  ${url.split('/').pop()}:${lineNumber}`}`;
const [own, whole, rooms] = [new Map(), new Map(), new Map()];
/** Whose code it is: Rust's, its glue's and the twin's, the platform's own in JavaScript (D1), or native. */
const roomOf = ({ callFrame: { url } }) => (url.startsWith('wasm') ? 'WASM' : url.includes('cloudflare-internal') || url.includes('node-internal') ? 'the platform’s JavaScript' : url ? 'JavaScript of the bundle' : 'native, and the engine');
let all = 0;
for (const [node, time] of self) {
  const name = nameOf(nodes.get(node));
  if (/^\((idle|program)\)/.test(name)) { if (name.startsWith('(idle)')) continue; }
  all += time;
  own.set(name, (own.get(name) ?? 0) + time);
  const room = roomOf(nodes.get(node));
  rooms.set(room, (rooms.get(room) ?? 0) + time);
  const seen = new Set();
  for (let at = node; at !== undefined; at = parents.get(at)) {
    const above = nameOf(nodes.get(at));
    if (!seen.has(above)) whole.set(above, (whole.get(above) ?? 0) + time);
    seen.add(above);
  }
}
const print = (map, count) => [...map].sort((a, b) => b[1] - a[1]).slice(0, count).forEach(([name, time]) => console.log(`${(time / 1000 / Number(requests)).toFixed(4).padStart(9)} ms ${((time / all) * 100).toFixed(1).padStart(5)} %  ${name}`));
console.log(`${journey}, ${kind}: ${(all / 1000 / Number(requests)).toFixed(3)} ms of the isolate's own a request, by the sampling profiler\n`);
print(rooms, 9);
console.log('\nby themselves');
print(new Map([...own].filter(([n]) => !n.includes("  "))), 110);
console.log('\nwith what they call');
print(new Map([...whole].filter(([n]) => !n.includes("  "))), 120);
socket.close();
stripe.kill();
await target.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
