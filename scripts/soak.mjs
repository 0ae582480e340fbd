// `npm run test:soak`: the long variants of the tests that try at random, 10 minutes at most.
//   npm run test:soak                    a seed of its own, which it prints
//   npm run test:soak -- --seed=42       the same again (so does SEED=42)
//   npm run test:soak -- schema          only the parts with that word in their name
import { randomInt } from 'node:crypto';
import { build } from './build.mjs';
import { cargoEnv, inOurTarget } from './lib/cargo.mjs';
import { add, closingLine, countCargo, nothing } from './lib/counts.mjs';
import { inRoot, nodeBin, ROOT } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { main, setup } from './setup.mjs';

const MINUTE = 60_000;
const ends = Date.now() + 10 * MINUTE;

const one = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });

/** A file of tests/soak or tests/worker by node:test, with its seconds. */
const nodeTest = (file) => async (seed, seconds) => {
  const { code } = await run(nodeBin(), ['--test', '--test-reporter=spec', `--test-timeout=${(seconds + 90) * 1_000}`, inRoot('tests', ...file)], {
    cwd: ROOT, tee: true, mayFail: true, env: { SEED: String(seed), SOAK_SECONDS: String(seconds), FLOOD_SECONDS: String(seconds), NODE_TEST_CONTEXT: undefined },
  });
  return one(code === 0);
};

/** Some 100,000 inputs a round; a release build does a round in a fraction of a second. */
const fuzz = (seed) => inOurTarget(async () => {
  const args = ['test', '--release', '--test', 'native', 'fuzz', '--', '--nocapture'];
  const { out } = await run('cargo', args, { cwd: ROOT, tee: true, mayFail: true, env: { ...cargoEnv(), FUZZ_SEED: String(seed), FUZZ_ROUNDS: '60', RUST_BACKTRACE: '0' } });
  const counts = countCargo(out);
  return counts.passed + counts.failed ? counts : one(false);
});

/** Of each seed one history of a payment; a release build plays 6,000 a second. */
const model = (seed) => inOurTarget(async () => {
  const args = ['test', '--release', '--test', 'native', 'histories', '--', '--nocapture'];
  const { out } = await run('cargo', args, { cwd: ROOT, tee: true, mayFail: true, env: { ...cargoEnv(), SEED: String(seed), HISTORIES: '100000', RUST_BACKTRACE: '0' } });
  const counts = countCargo(out);
  return counts.passed + counts.failed ? counts : one(false);
});

/** name, seconds that it may use, work. Others' soaks are further lines. */
const PARTS = [
  { name: 'fuzz', about: 'every parser that a stranger reaches, 6 million inputs', seconds: 60, work: fuzz },
  { name: 'model', about: 'histories of a payment on the pure core, 100,000', seconds: 30, work: model },
  { name: 'catalogue', about: 'the largest catalogue that may be uploaded: 250,000 rows', seconds: 60, built: true, work: nodeTest(['soak', 'catalogue.test.mjs']) },
  { name: 'imports', about: 'catalogues on their way to Stripe: 95 MB passed on, 200 MB made of the catalogue', seconds: 60, built: true, work: nodeTest(['soak', 'imports.test.mjs']) },
  { name: 'histories', about: 'histories of a payment through workerd, 500', seconds: 160, built: true, work: nodeTest(['soak', 'histories.test.mjs']) },
  { name: 'faults', about: 'every await point of every journey fails in every way', seconds: 230, built: true, work: nodeTest(['soak', 'faults.test.mjs']) },
  { name: 'schema', about: 'requests made from openapi.json', seconds: 90, built: true, work: nodeTest(['soak', 'schema-run.test.mjs']) },
  { name: 'flood', about: 'malformed and maximal requests beside good ones', seconds: 30, built: true, work: nodeTest(['worker', 'flood.test.mjs']) },
];

await main(import.meta.url, async () => {
  const words = process.argv.slice(2);
  const seed = Number(words.find((word) => word.startsWith('--seed='))?.slice(7) ?? process.env.SEED ?? randomInt(2 ** 31));
  const filter = words.find((word) => !word.startsWith('--')) ?? '';
  const chosen = PARTS.filter(({ name }) => name.includes(filter));
  if (chosen.length === 0) throw new Error(`there is no part "${filter}"; there are ${PARTS.map(({ name }) => name).join(', ')}`);
  console.log(`seed ${seed}: npm run test:soak -- --seed=${seed} does the same again`);
  await setup();
  const total = nothing();
  const table = [];
  for (const { name, about, seconds, built, work } of chosen) {
    const left = Math.floor((ends - Date.now()) / 1_000);
    if (left < 30) {
      console.log(`skipped: ${name} (the ten minutes are over)`);
      add(total, { passed: 0, failed: 0, skipped: 1 });
      continue;
    }
    console.log(`\n=== ${name}: ${about}`);
    const began = performance.now();
    let counts;
    try {
      if (built) await build();
      counts = await work(seed, Math.min(seconds, left));
    } catch (error) {
      console.log(error.message);
      counts = one(false);
    }
    add(total, counts);
    table.push(`  ${counts.failed ? 'FAILED' : 'ok    '} ${name.padEnd(10)} ${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s`);
  }
  console.log(`\n${table.join('\n')}\n\nseed ${seed}\n${closingLine(total)}`);
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
});
