// A real WordPress with a database, for the tests of the WordPress example: Debian's packages. The database and PHP's driver are
// installed; WordPress itself is only unpacked, so that no web server comes along.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptDownload, aptInstall, mayUseApt } from './apt.mjs';
import { withLock } from './lock.mjs';
import { CACHE } from './paths.mjs';
import { firstThatRuns, run } from './run.mjs';

const FOLDER = join(CACHE, 'wordpress');
const SITE = join(FOLDER, 'site');

const unpacked = () => existsSync(join(SITE, 'wp-load.php'));
const mariadb = () => firstThatRuns(['mariadbd', '/usr/sbin/mariadbd']);
const speaksToIt = async (php) => (await run(php, ['-r', 'exit(extension_loaded("mysqli") ? 0 : 1);'], { mayFail: true })).code === 0;

/** -> {site, mariadbd}, or undefined where a part of it is missing */
export async function findWordPress(php) {
  if (!unpacked() || !php || !(await speaksToIt(php))) return undefined;
  const mariadbd = await mariadb();
  return mariadbd && { site: SITE, mariadbd };
}

async function unpack(note) {
  mkdirSync(FOLDER, { recursive: true });
  const draft = mkdtempSync(join(FOLDER, 'new-'));
  try {
    if (!(await aptDownload('wordpress', draft, note))) return;
    const file = readdirSync(draft).find((name) => name.endsWith('.deb'));
    if (!file || (await run('dpkg', ['-x', join(draft, file), draft], { mayFail: true, onLine: note })).code !== 0) return;
    // Debian's own wp-config.php looks below /etc; the tests' lies one folder up, where WordPress looks next.
    rmSync(join(draft, 'usr/share/wordpress/wp-config.php'), { force: true });
    rmSync(SITE, { recursive: true, force: true });
    renameSync(join(draft, 'usr/share/wordpress'), SITE);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** -> as findWordPress(); undefined where it cannot be had: no Debian, or not root, or no network */
export async function ensureWordPress(php, note) {
  const found = await findWordPress(php);
  if (found || !php || !(await mayUseApt())) return found;
  if (!(await mariadb()) || !(await speaksToIt(php))) await aptInstall(['php-mysql', 'mariadb-server-core', 'mariadb-client-core'], note);
  if (!unpacked()) await withLock(join(CACHE, 'wordpress.lock'), () => (unpacked() ? undefined : unpack(note)));
  return findWordPress(php);
}
