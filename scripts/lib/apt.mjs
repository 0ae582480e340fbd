// Debian's packages, where we may install them: root on a system with apt-get. Anything else is for the person to install.
import { withLock } from './lock.mjs';
import { join } from 'node:path';
import { CACHE } from './paths.mjs';
import { firstThatRuns, run } from './run.mjs';

const env = { DEBIAN_FRONTEND: 'noninteractive' };
let updated;

export async function mayUseApt() {
  return process.platform === 'linux' && process.getuid?.() === 0 && Boolean(await firstThatRuns(['apt-get']));
}

/** Lists are refreshed once a run: an old list names packages that are gone. -> true when it went well */
async function aptGet(args, note, more) {
  if (!(await mayUseApt())) return false;
  return withLock(join(CACHE, 'apt.lock'), async () => {
    updated ??= run('apt-get', ['update', '-q'], { env, mayFail: true, onLine: note });
    await updated;
    return (await run('apt-get', args, { env, mayFail: true, onLine: note, ...more })).code === 0;
  });
}

/** -> true when installed */
export const aptInstall = (packages, note = () => {}) => aptGet(['install', '-y', '-q', '--no-install-recommends', ...packages], note);

/** Puts a package's file into a folder. -> true when it is there */
export const aptDownload = (name, folder, note = () => {}) => aptGet(['download', '-q', name], note, { cwd: folder });
