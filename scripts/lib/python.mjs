// Python with the packages of a requirements file, in a folder of its own in the cache: the published ACP client is written in it.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { withLock } from './lock.mjs';
import { CACHE, sha256 } from './paths.mjs';
import { firstThatRuns, run } from './run.mjs';

const MINOR = 11;

/** The first Python that is new enough and can make a folder of its own; or undefined. */
async function suitable() {
  const python = await firstThatRuns([process.env.PYTHON, 'python3', 'python3.13', 'python3.12', 'python3.11']);
  if (!python) return undefined;
  const { code } = await run(python, ['-c', `import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, ${MINOR}) else 1)`], {
    mayFail: true,
  });
  return code === 0 ? python : undefined;
}

/** -> the path of a Python that has what `requirements` (a file's path) names; undefined where there is none to be had */
export async function ensurePython(requirements, note) {
  const folder = join(CACHE, 'python', sha256(readFileSync(requirements, 'utf8')).slice(0, 16));
  const ready = join(folder, 'bin', 'python');
  return withLock(`${folder}.lock`, async () => {
    if (existsSync(ready)) return ready;
    const python = (await suitable()) ?? ((await aptInstall(['python3', 'python3-venv'], note)) ? await suitable() : undefined);
    if (!python) return undefined;
    // Built beside and then put in place, so that half an installation is never taken for a whole one.
    const building = `${folder}.building`;
    rmSync(building, { recursive: true, force: true });
    if ((await run(python, ['-m', 'venv', building], { mayFail: true })).code !== 0) return undefined;
    const installed = await run(
      join(building, 'bin', 'python'),
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-input',
        '--disable-pip-version-check',
        '--only-binary=:all:',
        '--no-deps',
        '-r',
        requirements,
      ],
      { mayFail: true, onLine: note },
    );
    if (installed.code !== 0) {
      rmSync(building, { recursive: true, force: true });
      return undefined;
    }
    renameSync(building, folder);
    return ready;
  });
}
