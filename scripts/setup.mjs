// Everything that has to be on the machine before anything else runs; at once when it is already there.
// `npm start`, `npm test` and the build call it, so nobody has to: `npm run setup` is for the impatient.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureChromium } from './lib/chromium.mjs';
import { withLock } from './lib/lock.mjs';
import { ensureNpm, npmIsUpToDate } from './lib/npm.mjs';
import { CACHE, STATE, inRoot } from './lib/paths.mjs';
import { ensurePhp } from './lib/php.mjs';
import { step } from './lib/progress.mjs';
import { ensurePython } from './lib/python.mjs';
import { ensureRustTools, ensureTarget } from './lib/rust.mjs';
import { ensureWordPress } from './lib/wordpress.mjs';

/** What building and running the Worker needs. npm waits for the network and cargo for the cores: side by side. */
export async function setup({ rust = true } = {}) {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new Error(`Node 20 or newer is needed to begin; this is ${process.version}`);
  const results = await Promise.allSettled([
    npmIsUpToDate() || withLock(join(STATE, 'npm.lock'), () => step('npm packages', 'wrangler, its Node, wasm-opt, esbuild', ensureNpm)),
    rust && step('wasm target', 'Rust compiles to WASM by it', ensureTarget).then(() => ensureRustTools(step)),
  ]);
  for (const { reason } of results) if (reason) throw reason;
}

/** What only the tests need. -> {chromium?, php?, python?, wordpress?}; a missing one means that its tests are skipped, by name. */
export async function setupForTests({ browser = true, php = true, python = true } = {}) {
  const have = {
    chromium: browser ? await step('Chromium', 'the browser tests click through it', ensureChromium) : undefined,
    php: php ? await step('PHP', 'the WordPress example runs in it', ensurePhp) : undefined,
    python: python ? await step('Python', 'the published ACP client runs in it', (note) => ensurePython(inRoot('tests', 'conformance', 'published-client.requirements.txt'), note)) : undefined,
  };
  const wordpress = have.php && await step('WordPress', 'the example runs in a real one too, with MariaDB', (note) => ensureWordPress(have.php, note));
  return { ...have, wordpress: wordpress?.site };
}

/** For scripts that are started by hand: a message instead of a stack trace. */
export async function main(url, work) {
  if (url !== pathToFileURL(process.argv[1] ?? '').href) return;
  try {
    await work();
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

await main(import.meta.url, async () => {
  const began = performance.now();
  await setup();
  if (process.argv.includes('--tests')) {
    for (const [name, path] of Object.entries(await setupForTests())) console.log(`  ${name}: ${path ?? 'not to be had here; its tests will be skipped'}`);
  }
  console.log(`ready (${((performance.now() - began) / 1000).toFixed(1)} s); caches: ${CACHE}`);
});
