// Where the Worker's own CPU goes: `node tests/bench/profile.mjs "create, 2 lines"` loads one journey and prints the functions (of Rust by
// name) that took most of it, by themselves and with what they call.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
const target = await start({ source: kind === 'worker' ? sources.worker() : sources.twin(bundle(kind, folder), folder), vars, persist: join(folder, 'd1'), });


import { spawn, execSync } from 'node:child_process';
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
    const pids = execSync('pgrep -x workerd').toString().trim().split('\n');
    console.log(pids);
    globalThis.perf = spawn('perf', ['record', '-F', '2000', '-g', '-o', '/tmp/perf.'+kind+'.data', '-p', pids.join(',')], { stdio: 'inherit' });
    await new Promise((r) => setTimeout(r, 500));
  }
  await play(chain.at(-1), made, Number(requests));
}
globalThis.perf.kill('SIGINT'); await once(globalThis.perf, 'exit'); stripe.kill(); await target.close(); process.exit(0);