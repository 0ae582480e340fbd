// The npm packages of package-lock.json. Install scripts are not run: none of ours needs one, and fewer strangers run code.
import { existsSync, readFileSync } from 'node:fs';
import { inRoot } from './paths.mjs';
import { run } from './run.mjs';

const packages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** npm leaves a list of what it installed in node_modules; it must agree with the lock file. */
export function npmIsUpToDate(wanted = inRoot('package-lock.json'), installed = inRoot('node_modules', '.package-lock.json')) {
  if (!existsSync(installed)) return false;
  const have = packages(installed);
  return Object.entries(packages(wanted)).every(([path, { version, optional }]) =>
    path === '' || (have[path] ? have[path].version === version : optional));
}

export async function ensureNpm(note) {
  if (npmIsUpToDate()) return;
  await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: inRoot(), onLine: note });
}
