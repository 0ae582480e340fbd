// Where things are. The cache is outside the clone, so that a second clone and CI need not build the tools again.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'cognitivecart-worker');
export const TOOLS = join(CACHE, 'tools');
/** What `npm start` keeps between two runs: secrets made once, the sandbox's and the shop's state. */
export const STATE = join(ROOT, '.state');
export const BUILD = join(ROOT, 'build');

export const inRoot = (...parts) => join(ROOT, ...parts);
export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The version that Cargo.lock names for a crate. */
export function lockedVersion(crate, lock = readFileSync(inRoot('Cargo.lock'), 'utf8')) {
  const found = new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, 'm').exec(lock.replaceAll('\r\n', '\n'));
  if (!found) throw new Error(`Cargo.lock does not name the crate ${crate}`);
  return found[1];
}

/** The newer Node that wrangler needs: from npm where npm has it for this system, else the one that runs us. */
export function nodeBin() {
  const ours = inRoot('node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(ours)) return ours;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 12)) return process.execPath;
  throw new Error(`wrangler needs Node 22.12 or newer, and npm brings none for ${process.platform} ${process.arch}: please install one (this is ${process.version})`);
}
