// A real WordPress with the example in it: its own MariaDB on a socket, its own wp-content, all in one folder that goes at the end.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findWordPress } from '../../../scripts/lib/wordpress.mjs';
import { browser, freePort, php, plugin, serve, shopAt } from './php.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { site, mariadbd } = (await findWordPress(php)) ?? {};

/** The name under which the tests of a real WordPress are left out; false where there is one. */
export const noWordPress = site ? false : 'there is no WordPress with MariaDB here (`npm run setup -- --tests` gets both, on Debian and as root)';

/** -> the shop, as startShop() makes it. Login takes WordPress's own way. */
export async function startWordPress({ workerUrl, config }) {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const dir = mkdtempSync(join(tmpdir(), 'cognitivecart-wp-'));
  const socket = join(dir, 'db.sock');
  const asUser = process.getuid() === 0 ? ['--user=root'] : [];
  const small = ['--innodb-log-file-size=8M', '--innodb-buffer-pool-size=32M', '--innodb-flush-log-at-trx-commit=0'];
  const made = spawnSync('mariadb-install-db', ['--no-defaults', `--datadir=${dir}/db`, '--auth-root-authentication-method=normal', '--skip-test-db', ...small, ...asUser], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stdout}${made.stderr}`);
  const database = spawn(mariadbd, ['--no-defaults', `--datadir=${dir}/db`, `--socket=${socket}`, '--skip-networking', ...small, ...asUser], { stdio: ['ignore', 'ignore', 'pipe'] });
  const stopDatabase = () => database.kill('SIGTERM');
  process.once('exit', stopDatabase);
  await new Promise((resolve, reject) => {
    let said = '';
    database.stderr.on('data', (chunk) => { said += chunk; if (/ready for connections/.test(said)) resolve(); });
    database.once('exit', (code) => reject(new Error(`mariadbd ended (${code}): ${said}`)));
  });

  mkdirSync(join(dir, 'wp-content/mu-plugins'), { recursive: true });
  mkdirSync(join(dir, 'wp-content/themes'));
  copyFileSync(plugin, join(dir, 'wp-content/mu-plugins/cognitive-cart-example.php'));
  copyFileSync(join(here, '../probe.php'), join(dir, 'wp-content/mu-plugins/probe.php'));
  // WordPress looks here when its own folder has no wp-config.php.
  copyFileSync(join(here, 'wp-config.php'), join(site, '../wp-config.php'));
  const env = { ...process.env, PHP_CLI_SERVER_WORKERS: '6', PROBE: dir, WP_DIR: site, WP_SOCKET: socket, WP_HOME: url, WP_WORKER_URL: workerUrl };
  // There is nobody to write mail to.
  const noMail = ['-d', 'sendmail_path=/bin/true'];
  const installed = spawnSync(php, [...noMail, join(here, 'wp-install.php')], { env, encoding: 'utf8' });
  if (installed.status !== 0) throw new Error(`wp-install.php: ${installed.stdout}${installed.stderr}`);

  const server = await serve([...noMail, '-t', site], port, join(here, 'wp-router.php'), env);
  const logins = new Map();
  const shop = {
    ...shopAt(url, dir, config),
    complaints: () => server.complaints().filter((line) => line.includes(join(dir, 'wp-content'))),
    option: async (name) => (await fetch(`${url}/_option?name=${name}`)).json(),
    async admin(user = 1, session = `session-of-${user}`) {
      const name = `${user}:${session}`;
      if (!logins.has(name)) {
        const visit = browser({ [url]: { wordpress_test_cookie: 'WP%20Cookie%20check' } });
        const answer = await visit(`${url}/wp-login.php`, { form: { log: `user${user}`, pwd: `user${user}`, testcookie: '1' } });
        if (answer.status !== 302) throw new Error(`log-in: ${answer.status} ${answer.text.slice(0, 500)}`);
        const pairs = answer.headers.getSetCookie().map((line) => line.split(';')[0]);
        logins.set(name, Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])));
      }
      return browser({ [url]: logins.get(name) });
    },
    async close() {
      await server.close();
      process.removeListener('exit', stopDatabase);
      const gone = once(database, 'exit');
      stopDatabase();
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return shop;
}
