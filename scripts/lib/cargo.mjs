// Where cargo puts what it compiles. In the clone, as everybody expects; in CI, where every run is a fresh clone, in the cache,
// so that the dependencies are compiled once.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { CACHE, ROOT } from './paths.mjs';
import { run } from './run.mjs';

const OURS = 'cognitivecart-worker';
const shared = () => !process.env.CARGO_TARGET_DIR && Boolean(process.env.CI);
const sharedDir = () => join(CACHE, 'target');

export const cargoEnv = () => (shared() ? { CARGO_TARGET_DIR: sharedDir() } : {});

/**
 * Runs `work` while no other clone uses the same folder. Cargo tells fresh from stale by path and time, and two clones' crate
 * look alike to it: what another clone left of our own crate is thrown away first. The dependencies stay.
 */
export async function inOurTarget(work) {
  if (!shared()) return work();
  const dir = sharedDir();
  mkdirSync(dir, { recursive: true });
  return withLock(`${dir}.lock`, async () => {
    const owner = join(dir, '.owner');
    const { ino, birthtimeMs } = statSync(ROOT);
    const us = `${ROOT} ${ino} ${birthtimeMs}`;
    if (!existsSync(owner) || readFileSync(owner, 'utf8') !== us) {
      await run('cargo', ['clean', '-p', OURS], { cwd: ROOT, env: cargoEnv(), mayFail: true });
      await run('cargo', ['clean', '-p', OURS, '--release', '--target', 'wasm32-unknown-unknown'], { cwd: ROOT, env: cargoEnv(), mayFail: true });
      await run('cargo', ['clean', '-p', OURS, '--target', 'wasm32-unknown-unknown'], { cwd: ROOT, env: cargoEnv(), mayFail: true });
      writeFileSync(owner, us);
    }
    return work();
  }, { onWait: () => console.log('  cargo: another clone is compiling, waiting for it …') });
}
