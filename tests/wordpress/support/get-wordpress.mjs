// Gets a real WordPress for real.test.mjs: `node tests/wordpress/support/get-wordpress.mjs` (Debian, as root).
// The database and PHP's driver are installed; WordPress itself is only unpacked, so that no web server comes along.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { wordPressDir } from './wordpress.mjs';

const run = (command, args, options = {}) => {
  console.log(`$ ${command} ${args.join(' ')}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit', ...options, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (status !== 0) process.exit(status ?? 1);
};
run('apt-get', ['update', '-q']);
run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'php-cli', 'php-curl', 'php-mbstring', 'php-xml', 'php-mysql', 'mariadb-server-core', 'mariadb-client-core']);
mkdirSync(join(wordPressDir, '..'), { recursive: true });
const folder = mkdtempSync(join(wordPressDir, '../new-'));
run('apt-get', ['download', 'wordpress'], { cwd: folder });
run('dpkg', ['-x', join(folder, readdirSync(folder).find((name) => name.endsWith('.deb'))), folder]);
// Debian's own wp-config.php looks below /etc; ours lies one folder up, where WordPress looks next.
rmSync(join(folder, 'usr/share/wordpress/wp-config.php'));
rmSync(wordPressDir, { recursive: true, force: true });
renameSync(join(folder, 'usr/share/wordpress'), wordPressDir);
rmSync(folder, { recursive: true });
console.log(`WordPress is in ${wordPressDir}`);
