// `npm test`: everything, stage by stage; a stage that fails does not keep the next from running.
//   npm test -- worker             one stage (several: worker,browser)
//   npm test -- worker checkout    of that stage only the files with "checkout" in their name
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { build } from './build.mjs';
import { cargoEnv, inOurTarget } from './lib/cargo.mjs';
import { add, closingLine, countCargo, countTap, nothing } from './lib/counts.mjs';
import { inRoot, nodeBin, ROOT } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { main, setup, setupForTests } from './setup.mjs';

const one = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });

const testFiles = (folder) => (existsSync(folder)
  ? readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => join(folder, name)) : []);

async function cargo(args, count) {
  console.log(`\n$ cargo ${args.join(' ')}`);
  const { code, out } = await run('cargo', args, { cwd: ROOT, env: { ...cargoEnv(), CARGO_TERM_COLOR: 'never', NODE_BIN: nodeBin() }, tee: true, mayFail: true });
  if (code === 127) console.log(out);
  const counts = count?.(out) ?? one(code === 0);
  // A test that did not even compile is not among the figures.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

const rust = (filter) => inOurTarget(async () => {
  const total = nothing();
  if (!filter) {
    add(total, await cargo(['fmt', '--check', '--', '-l']));
    add(total, await cargo(['clippy', '--all-targets', '--', '-D', 'warnings']));
    add(total, await cargo(['clippy', '--lib', '--target', 'wasm32-unknown-unknown', '--', '-D', 'warnings']));
  }
  return add(total, await cargo(['test', ...(filter ? [filter] : [])], countCargo));
});

/** Runs the files of one folder under tests/ by node:test, on the newer Node. */
const nodeTests = (name, { needs, concurrency = 2, only, env } = {}) => async (filter, have) => {
  const all = testFiles(inRoot('tests', name)).filter((path) => !only || only.includes(basename(path, '.test.mjs')));
  const files = filter ? all.filter((path) => basename(path).includes(filter)) : all;
  if (files.length === 0) {
    console.log(filter ? `no file in tests/${name} has "${filter}" in its name` : `there are no tests in tests/${name}`);
    return one(!filter && all.length > 0);
  }
  if (needs && !have[needs]) {
    for (const path of files) console.log(`skipped: ${relative(ROOT, path)} (${needs} is not on this machine and could not be installed)`);
    return { passed: 0, failed: 0, skipped: files.length };
  }
  const folder = mkdtempSync(join(tmpdir(), 'cognitivecart-tests-'));
  try {
    const tap = join(folder, 'tap');
    const { code } = await run(nodeBin(), [
      '--test', `--test-concurrency=${concurrency}`, '--test-timeout=120000',
      '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tap}`, ...files,
    ], { cwd: ROOT, tee: true, mayFail: true, env: { CHROMIUM_BIN: have.chromium, PHP_BIN: have.php, PYTHON_BIN: have.python, NODE_TEST_CONTEXT: undefined, ...env } });
    const counts = existsSync(tap) ? countTap(readFileSync(tap, 'utf8')) : nothing();
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** The answers of the agent protocol against the schemas of each version: the native tests write them down. */
const dialects = async (filter, have) => {
  const total = await inOurTarget(() => cargo(['test', '--test', 'native', '--', 'acp_write'], countCargo));
  return total.failed > 0 ? total : nodeTests('acp')(filter, have);
};

/** What has to go as well when the shops of a file are in two databases (docs/scale.md). */
const SPREAD = ['connect', 'checkout', 'completion', 'webhooks', 'refunds', 'capture', 'acp', 'acp-pay', 'agentic-orders', 'imports', 'account-sessions', 'shops', 'onboarding', 'fees'];
const spread = nodeTests('worker', { only: SPREAD, env: { DATABASES: 'DB=0-15 DB_2=16-31' } });

async function buildStage() {
  await build();
  return one(true);
}

const STAGES = {
  rust: { about: 'format, clippy (native and WASM), native tests', work: rust },
  acp: { about: 'what agents are answered, against the schemas of each version', work: dialects },
  scripts: { about: 'the scripts of this repository', work: nodeTests('scripts') },
  sandbox: { about: 'the local Stripe', work: nodeTests('sandbox') },
  build: { about: 'the Worker as WASM', work: buildStage },
  shop: { about: 'the demo shop', work: nodeTests('shop'), built: true },
  worker: { about: 'in real workerd, D1 and KV', work: nodeTests('worker'), built: true },
  databases: { about: 'the same with shops in two databases', work: spread, built: true },
  browser: { about: 'in real Chromium', work: nodeTests('browser', { needs: 'chromium', concurrency: 1 }), built: true },
  wordpress: { about: 'the WordPress example under real PHP', work: nodeTests('wordpress', { needs: 'php' }), built: true },
  conformance: { about: 'every version of ACP, by a suite that is proved on other servers', work: nodeTests('conformance'), built: true },
  budget: { about: 'the size of the WASM (round trips and calls are counted in worker)', work: nodeTests('budget', { concurrency: 1 }), built: true },
};

await main(import.meta.url, async () => {
  const [names, filter] = process.argv.slice(2);
  const chosen = names ? names.split(',') : Object.keys(STAGES);
  for (const name of chosen) if (!STAGES[name]) throw new Error(`there is no stage "${name}"; there are ${Object.keys(STAGES).join(', ')}`);

  await setup();
  const have = await setupForTests({ browser: chosen.includes('browser'), php: chosen.includes('wordpress'), python: chosen.includes('conformance') });
  const total = nothing();
  const table = [];
  for (const name of chosen) {
    const { about, work, built } = STAGES[name];
    console.log(`\n=== ${name}: ${about}`);
    const began = performance.now();
    let counts;
    try {
      if (built) await build();
      counts = await work(filter, have);
    } catch (error) {
      console.log(error.message);
      counts = one(false);
    }
    add(total, counts);
    const took = `${((performance.now() - began) / 1000).toFixed(1)} s`;
    table.push(`  ${counts.failed ? 'FAILED' : 'ok    '} ${name.padEnd(10)} ${took.padStart(8)}   ${counts.passed}/${counts.passed + counts.failed}${counts.skipped ? `, ${counts.skipped} skipped` : ''}`);
    console.log(`--- ${name}: ${counts.failed ? 'FAILED' : 'ok'} in ${took}`);
  }
  console.log(`\n${table.join('\n')}\n`);
  console.log(closingLine(total));
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
});
