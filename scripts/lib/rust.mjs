// The Rust side of the tools: wasm target, worker-build, wasm-bindgen. Built once into the cache, one folder a version.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { arch, platform } from 'node:process';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { aptInstall } from './apt.mjs';
import { withLock } from './lock.mjs';
import { inRoot, lockedVersion, TOOLS } from './paths.mjs';
import { firstThatRuns, run } from './run.mjs';

const TARGET = 'wasm32-unknown-unknown';
const PROBE_MS = 3_000;
// The tools run for a moment each: compiling them without optimisation is the quicker way (measured: 80 s + 54 s against 10 min).
const QUICK = { CARGO_PROFILE_DEV_OPT_LEVEL: '0', CARGO_PROFILE_DEV_DEBUG: '0', CARGO_INCREMENTAL: '0' };

const exe = platform === 'win32' ? '.exe' : '';
const toolDir = (name, version) => join(TOOLS, `${name}-${version}`);
const toolBin = (name, version) => join(toolDir(name, version), 'bin', name + exe);

/** Where the tools are, for whoever runs them. worker-build must be of the very version of the `worker` crate. */
export function rustTools() {
  return {
    workerBuild: toolBin('worker-build', lockedVersion('worker')),
    wasmBindgen: toolBin('wasm-bindgen', lockedVersion('wasm-bindgen')),
  };
}

export async function ensureTarget() {
  const asked = await run('rustc', ['--print', 'target-libdir', '--target', TARGET], { cwd: inRoot(), mayFail: true });
  if (asked.code === 127) throw new Error('Rust is missing: install it from https://rustup.rs and start again');
  if (asked.code === 0 && existsSync(asked.out.trim())) return;
  const added = await run('rustup', ['target', 'add', TARGET], { cwd: inRoot(), mayFail: true });
  if (added.code !== 0) throw new Error(`the Rust target ${TARGET} is missing and rustup could not add it:\n${added.out}`);
}

/** worker-build speaks TLS by the system's OpenSSL, whose headers its compilation needs. */
async function ensureOpenssl(note) {
  if (platform !== 'linux' || process.env.OPENSSL_DIR) return;
  if ((await run('pkg-config', ['--exists', 'openssl'], { mayFail: true })).code === 0) return;
  if (await aptInstall(['libssl-dev', 'pkg-config'], note)) return;
  throw new Error('worker-build needs the headers of OpenSSL: install libssl-dev and pkg-config (Fedora: openssl-devel) and start again');
}

/** Into a folder of its own, then renamed: a half-built tool is never found under the final name. */
async function install(name, version, work) {
  mkdirSync(TOOLS, { recursive: true });
  const draft = mkdtempSync(join(TOOLS, '.draft-'));
  try {
    await work(draft);
    rmSync(toolDir(name, version), { recursive: true, force: true });
    renameSync(draft, toolDir(name, version));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function cargoInstall(crate, version, root, extra, note) {
  const args = ['install', crate, '--version', `=${version}`, '--debug', '--root', root, ...extra];
  const env = { ...QUICK, CARGO_TARGET_DIR: join(TOOLS, '.target'), RUSTFLAGS: '', CARGO_BUILD_TARGET: undefined };
  const locked = await run('cargo', [...args, '--locked'], { env, mayFail: true, onLine: note });
  // A registry's mirror may lag behind one locked dependency; another version of it will do for a build tool.
  if (locked.code !== 0) await run('cargo', args, { env, onLine: note });
}

/** The maker's own binary, where it can be had within a moment. -> false where not */
async function downloadWasmBindgen(version, into) {
  const triple = {
    'linux x64': 'x86_64-unknown-linux-musl', 'linux arm64': 'aarch64-unknown-linux-musl',
    'darwin x64': 'x86_64-apple-darwin', 'darwin arm64': 'aarch64-apple-darwin',
  }[`${platform} ${arch}`];
  if (!triple) return false;
  const name = `wasm-bindgen-${version}-${triple}`;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), PROBE_MS);
  try {
    const answer = await fetch(`https://github.com/wasm-bindgen/wasm-bindgen/releases/download/${version}/${name}.tar.gz`, { signal: deadline.signal });
    clearTimeout(timer);
    if (!answer.ok) return false;
    const archive = join(into, 'archive.tar.gz');
    await writeFile(archive, Buffer.from(await answer.arrayBuffer()));
    mkdirSync(join(into, 'bin'));
    await run('tar', ['xzf', archive, '-C', join(into, 'bin'), '--strip-components=1', `${name}/wasm-bindgen`]);
    rmSync(archive);
    return Boolean(await firstThatRuns([join(into, 'bin', 'wasm-bindgen')]));
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

export async function ensureRustTools(step) {
  const missing = () => Object.values(rustTools()).some((path) => !existsSync(path));
  if (!missing()) return;
  await withLock(join(TOOLS, '.lock'), async () => {
    const { workerBuild, wasmBindgen } = rustTools();
    if (!existsSync(wasmBindgen)) {
      const version = lockedVersion('wasm-bindgen');
      await step(`wasm-bindgen ${version}`, 'binds WASM to JavaScript; downloaded, or compiled once (about a minute)', (note) =>
        install('wasm-bindgen', version, async (root) => {
          if (await downloadWasmBindgen(version, root)) return;
          rmSync(join(root, 'bin'), { recursive: true, force: true });
          await cargoInstall('wasm-bindgen-cli', version, root, ['--bin', 'wasm-bindgen'], note);
        }));
    }
    if (!existsSync(workerBuild)) {
      const version = lockedVersion('worker');
      await step(`worker-build ${version}`, 'turns the crate into a Worker; compiled once (1 to 3 minutes)', async (note) => {
        await ensureOpenssl(note);
        await install('worker-build', version, (root) => cargoInstall('worker-build', version, root, ['--bin', 'worker-build'], note));
      });
    }
    rmSync(join(TOOLS, '.target'), { recursive: true, force: true }); // 1 GB that nobody needs again
  }, { onWait: () => console.log('  tools: another setup is at work, waiting for it …') });
}
