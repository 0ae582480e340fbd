// `npm run deploy`: from this clone to a Worker that runs at Cloudflare. docs/ tells what to prepare at Stripe.
//   --create     make the D1 database and the KV namespace where wrangler.toml has zeros, and write their ids into it
//   --dry-run    everything that needs neither network nor account: build, checks, bundling
// Nothing here reads, takes or prints a secret: `wrangler secret put` asks for it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { inRoot, STATE } from './lib/paths.mjs';
import { isPlaceholder, missingSecrets, readDatabases, readWrangler, withIds } from './lib/production.mjs';
import { step } from './lib/progress.mjs';
import { wrangler } from './lib/wrangler.mjs';
import { main, setup } from './setup.mjs';

const TOML = inRoot('wrangler.toml');
const read = () => readFileSync(TOML, 'utf8');
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const HEX32 = /\b[0-9a-f]{32}\b/;

/** -> what keeps wrangler.toml from production, in sentences */
function complaints(config) {
  const found = [];
  if (isPlaceholder(config.d1)) found.push(`the D1 database has no id yet: \`npm run deploy -- --create\` makes one, or \`npm run wrangler -- d1 create ${config.d1Name}\` and put its id into wrangler.toml`);
  if (isPlaceholder(config.kv)) found.push('the KV namespace has no id yet: `npm run deploy -- --create` makes one, or `npm run wrangler -- kv namespace create KV` and put its id into wrangler.toml');
  if (!config.publicUrl?.startsWith('https://')) found.push('PUBLIC_URL is missing: put PUBLIC_URL = "https://…" below [vars] in wrangler.toml, the address by which the world will reach this Worker');
  if (config.allowLocal !== undefined) found.push('ALLOW_LOCAL is in [vars]: it lets shops on localhost in and belongs in .dev.vars only');
  return found;
}

async function create(config) {
  const made = {};
  if (isPlaceholder(config.d1)) made.d1 = UUID.exec((await step('D1', 'creating the database', () => wrangler(['d1', 'create', config.d1Name], { input: 'n\n' }))).out)?.[0];
  if (isPlaceholder(config.kv)) made.kv = HEX32.exec((await step('KV', 'creating the namespace', () => wrangler(['kv', 'namespace', 'create', 'KV'], { input: 'n\n' }))).out)?.[0];
  if (Object.values(made).includes(undefined)) throw new Error('wrangler created something but its answer had no id in it; see `npm run wrangler -- d1 list` and `npm run wrangler -- kv namespace list`');
  writeFileSync(TOML, withIds(read(), made));
  for (const [kind, id] of Object.entries(made)) console.log(`  ${kind.toUpperCase()}: ${id} (now in wrangler.toml; commit it)`);
}

async function tellMissingSecrets() {
  const { code, out } = await wrangler(['secret', 'list', '--format', 'json'], { mayFail: true });
  // Before the first deployment there is no Worker whose secrets could be listed.
  const names = code === 0 ? JSON.parse(out.slice(out.indexOf('['), out.lastIndexOf(']') + 1)).map(({ name }) => name) : [];
  const missing = missingSecrets(names);
  if (missing.length === 0) return;
  console.log('\nSecrets that are missing (the Worker answers 503 and names them until they are there):');
  for (const { name, what } of missing) console.log(`  npm run wrangler -- secret put ${name}\n      ${what}`);
}

async function checkHealth(publicUrl) {
  const url = `${publicUrl.replace(/\/+$/, '')}/healthz`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    console.log(`\n${url} answers ${answer.status}: ${(await answer.text()).slice(0, 2_000)}`);
    if (!answer.ok) process.exitCode = 1;
  } catch (error) {
    throw new Error(`${url} does not answer (${error.cause?.code ?? error.message}): does its domain lead to this Worker?`);
  }
}

await main(import.meta.url, async () => {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean' }, create: { type: 'boolean' } } });
  const dry = values['dry-run'];
  await setup();
  await build();

  if (!dry) {
    const who = await wrangler(['whoami'], { mayFail: true });
    if (who.code !== 0 || /not authenticated/i.test(who.out)) throw new Error('Cloudflare does not know who you are: run `npm run wrangler -- login`, or set CLOUDFLARE_API_TOKEN');
    if (values.create) await create(readWrangler(read()));
  }
  const config = readWrangler(read());
  const wrong = complaints(config);
  for (const text of wrong) console.log(`  ! ${text}`);

  if (dry) {
    const { out } = await step('bundle', 'what would be uploaded', () => wrangler(['deploy', '--dry-run', '--outdir', join(STATE, 'deploy')]));
    console.log(/^Total Upload:.*$/m.exec(out)?.[0] ?? out);
    for (const { name, what } of missingSecrets([])) console.log(`  needs the secret ${name}: ${what}`);
    console.log(wrong.length ? '\nNot ready to deploy: see the lines with "!".' : '\nReady to deploy (nothing was sent).');
    if (wrong.length) process.exitCode = 1;
    return;
  }
  if (wrong.length) throw new Error('wrangler.toml is not ready for production: see above');
  for (const name of Object.keys(readDatabases(read()).bound)) {
    await step('database', `bringing the tables of ${name} in production up to date`, () => wrangler(['d1', 'migrations', 'apply', name, '--remote'], { env: { CI: 'true' } }));
  }
  const { out } = await step('deploy', 'uploading the Worker', () => wrangler(['deploy']));
  console.log(out.split('\n').filter((line) => /https:\/\/|Startup Time|Version ID/i.test(line)).join('\n'));
  await tellMissingSecrets();
  await checkHealth(config.publicUrl);
});
