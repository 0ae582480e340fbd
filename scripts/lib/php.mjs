// PHP for the tests of the WordPress example.
import { aptInstall } from './apt.mjs';
import { firstThatRuns, run } from './run.mjs';

const NEEDED = ['curl', 'mbstring', 'json', 'openssl', 'hash'];

async function complete(php) {
  if (!php) return false;
  const { out } = await run(php, ['-m'], { mayFail: true });
  const have = new Set(out.toLowerCase().split(/\s+/));
  return NEEDED.every((name) => have.has(name));
}

/** -> its path, or undefined */
export async function ensurePhp(note) {
  const php = await firstThatRuns([process.env.PHP_BIN, 'php']);
  if (await complete(php)) return php;
  await aptInstall(['php-cli', 'php-curl', 'php-mbstring', 'php-xml'], note);
  const again = await firstThatRuns([process.env.PHP_BIN, 'php']);
  return (await complete(again)) ? again : undefined;
}
