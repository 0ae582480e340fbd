// A Chromium for the browser tests: one that is there, else Debian's, else Playwright's own download.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { inRoot, nodeBin } from './paths.mjs';
import { firstThatRuns, run } from './run.mjs';

function playwrights() {
  const cache = process.env.PLAYWRIGHT_BROWSERS_PATH || join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'ms-playwright');
  if (!existsSync(cache)) return [];
  return readdirSync(cache).filter((name) => name.startsWith('chromium')).sort().reverse().flatMap((name) => [
    join(cache, name, 'chrome-linux', 'chrome'), join(cache, name, 'chrome-linux64', 'chrome'),
    join(cache, name, 'chrome-headless-shell-linux64', 'chrome-headless-shell'),
    join(cache, name, 'chrome-mac', 'Chromium.app', 'Contents', 'MacOS', 'Chromium'),
  ]).filter(existsSync);
}

export function findChromium() {
  return firstThatRuns([
    process.env.CHROMIUM_BIN, 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', ...playwrights(),
  ]);
}

/** -> its path, or undefined */
export async function ensureChromium(note) {
  const found = await findChromium();
  if (found) return found;
  if (await aptInstall(['chromium', 'fonts-dejavu-core'], note)) return findChromium();
  await run(nodeBin(), [inRoot('node_modules', 'playwright-core', 'cli.js'), 'install', 'chromium'], { mayFail: true, timeout: 180_000, onLine: note });
  return findChromium();
}
