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

/** -> true when installed. Lists are refreshed once a run: an old list names packages that are gone. */
export async function aptInstall(packages, note = () => {}) {
  if (!(await mayUseApt())) return false;
  return withLock(join(CACHE, 'apt.lock'), async () => {
    updated ??= run('apt-get', ['update', '-q'], { env, mayFail: true, onLine: note });
    await updated;
    const { code } = await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { env, mayFail: true, onLine: note });
    return code === 0;
  });
}
