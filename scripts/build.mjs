// Builds the Worker into build/, and does nothing at all when nothing changed. `wrangler dev` and `wrangler deploy` call it too.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { cargoEnv, inOurTarget } from './lib/cargo.mjs';
import { promisingByInstance } from './lib/glue.mjs';
import { withLock } from './lib/lock.mjs';
import { BUILD, inRoot, nodeBin, ROOT, sha256, STATE } from './lib/paths.mjs';
import { step } from './lib/progress.mjs';
import { run } from './lib/run.mjs';
import { rustTools } from './lib/rust.mjs';
import { dropExports, isUnusedClass, shortenNames } from './lib/wasm.mjs';
import { main, setup } from './setup.mjs';

const STAMP = join(BUILD, '.built-from');
const OUTPUT = ['index.js', 'index_bg.wasm'].map((name) => join(BUILD, name));

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

/** What worker-build leaves in the binary and nobody needs (lib/wasm.mjs). */
async function shrink(wasmOpt) {
  const path = join(BUILD, 'index_bg.wasm');
  writeFileSync(path, dropExports(readFileSync(path), isUnusedClass));
  // The features that rustc's own binaries have; with all of them on, the section of imports gets a form that workerd does not know.
  const features = ['reference-types', 'bulk-memory', 'bulk-memory-opt', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'multivalue'];
  await run(nodeBin(), [wasmOpt, path, '-Oz', '-g', '--low-memory-unused', ...features.map((name) => `--enable-${name}`), '-o', path], { cwd: ROOT });
  writeFileSync(path, shortenNames(readFileSync(path)));
}

const LOCK = inRoot('Cargo.lock');

/** Bytes of stack, for what has an address. All of tests/worker passes with a quarter of it; whoever goes beyond traps. */
const STACK = 256 * 1024;

/** QUICK=1: for working on the code. Not made small and not made fast, which is most of the time that a build takes. */
const QUICK = process.env.QUICK === '1';
const quickEnv = () => ({
  CARGO_INCREMENTAL: '1', CARGO_PROFILE_RELEASE_LTO: 'off', CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16', CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
});

/** One hash over the contents (not the times: git changes those) of all that the output depends on. */
function sources({ without } = {}) {
  const paths = [...filesUnder(inRoot('src')), inRoot('build.rs'), inRoot('Cargo.toml'), LOCK].filter((path) => path !== without).sort();
  return sha256(`${QUICK} ${paths.map((path) => `${relative(ROOT, path)} ${sha256(readFileSync(path))}`).join('\n')}`);
}

const upToDate = (hash) => OUTPUT.every(existsSync) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash;

/** The folder in which cargo unpacks its registries, a folder each. */
function crates() {
  const folder = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'registry', 'src');
  const [registry] = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('index.crates.io')) : [];
  return registry ? `${join(folder, registry)}/` : `${folder}/`;
}

/** -> true when something was built */
export async function build() {
  if (upToDate(sources())) return false;
  await setup();
  const { workerBuild, wasmBindgen } = rustTools();
  const bin = (...parts) => inRoot('node_modules', ...parts);
  await step('Worker', 'compiling Rust to WASM (the first time with all its crates: about a minute)', (note) => withLock(join(STATE, 'build.lock'), () => inOurTarget(async () => {
    const hash = sources();
    if (upToDate(hash)) return; // by another process, while this one waited
    const written = sources({ without: LOCK });
    rmSync(STAMP, { force: true });
    const { out } = await run(workerBuild, ['--release', ...(QUICK ? ['--no-opt'] : [])], {
      cwd: ROOT, onLine: note,
      env: {
        ...cargoEnv(), ...(QUICK && quickEnv()),
        // Panics name the file that they happened in; where this machine keeps its crates is nobody's business, and 3 KB.
        // With the usual megabyte of stack all data lies beyond 2^20, where an address is a byte longer: 10 KB.
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: `--remap-path-prefix=${crates()}= -Clink-arg=-zstack-size=${STACK}`,
        RUST_BACKTRACE: '0', // worker-build would bury the compiler's message under its own stack
        WASM_BINDGEN_BIN: wasmBindgen, WASM_OPT_BIN: bin('binaryen', 'bin', 'wasm-opt'), ESBUILD_BIN: bin('.bin', 'esbuild'),
        // npm's wasm-opt is a Node script that needs the newer Node.
        PATH: `${dirname(nodeBin())}:${process.env.PATH}`,
      },
    });
    const glue = join(BUILD, 'index.js');
    writeFileSync(glue, promisingByInstance(readFileSync(glue, 'utf8')));
    if (!QUICK) await shrink(bin('binaryen', 'bin', 'wasm-opt'));
    for (const warning of out.match(/^warning: .*(\n +.*)*/gm) ?? []) console.log(warning);
    // Cargo may have brought Cargo.lock up to date. Whoever edits the rest during the build gets another build.
    writeFileSync(STAMP, written === sources({ without: LOCK }) ? sources() : hash);
  })));
  return true;
}

await main(import.meta.url, async () => {
  await build();
});
