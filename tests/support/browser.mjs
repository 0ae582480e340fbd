// A real Chromium for tests/browser. `npm test` says in CHROMIUM_BIN which; without one the tests are skipped by name.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/lib/chromium.mjs';
import { inRoot } from '../../scripts/lib/paths.mjs';

export const SHOTS = inRoot('tests', 'browser', 'shots');

const executablePath = await findChromium();
/** The option for node:test: `test('…', { skip: noBrowser }, …)`. */
export const noBrowser = executablePath ? false : 'no Chromium to be had on this machine';

// Without these Chromium looks for its maker's hosts at every start.
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic', '--disable-gpu'];

/**
 * -> {browser, context, page, shot(name, page?), problems, close()}
 * problems: what the pages complained about (console errors, blocked loads), for a test to assert on.
 */
export async function openBrowser({ width = 1100, height = 800, ...more } = {}) {
  const browser = await chromium.launch({
    executablePath, headless: true,
    args: [...QUIET, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
  });
  const context = await browser.newContext({ viewport: { width, height }, ...more });
  context.setDefaultTimeout(30_000); // how long what must come may take on a busy machine; nothing waits for its own sake
  const problems = [];
  context.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  context.on('weberror', (error) => problems.push(String(error.error())));
  const page = await context.newPage();
  return {
    browser, context, page, problems,
    async shot(name, of = page) {
      mkdirSync(SHOTS, { recursive: true });
      const path = join(SHOTS, `${name}.png`);
      await of.screenshot({ path, fullPage: true });
      return path;
    },
    close: () => browser.close(),
  };
}
