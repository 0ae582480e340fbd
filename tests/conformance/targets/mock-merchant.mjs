// `@acp-check/mock-merchant`, a published merchant that was written by others: correct as it is, and wrong in 19 ways when it is told
// to be. It runs as a process of its own, because some of what the suite sends brings it down; it is started again for the next check.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export { BROKEN_SCENARIOS } from '@acp-check/mock-merchant';

const CLI = fileURLToPath(new URL('./cli.js', import.meta.resolve('@acp-check/mock-merchant')));
const PRODUCTS = { shipped: 'item_123', second: 'item_456', out_of_stock: 'item_oos' };

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** broken: modes of BROKEN_SCENARIOS. */
export async function startMock({ broken = [] } = {}) {
  const port = await freePort();
  let child;
  const gone = () => child.exitCode !== null || child.signalCode !== null;
  /** Until it takes calls. What it was sent last may be bringing it down just now. */
  async function ready() {
    for (;;) {
      if (!child || gone()) {
        child = spawn(process.execPath, [CLI, '--port', String(port), ...(broken.length ? ['--broken', broken.join(',')] : [])], {
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        await Promise.race([
          once(child.stdout, 'data'),
          once(child, 'exit').then(() => {
            throw new Error('the mock merchant did not start');
          }),
        ]);
      }
      const answers = await fetch(`http://127.0.0.1:${port}/`).then(
        (answer) => answer.body?.cancel().then(() => true),
        () => false,
      );
      if (answers) return;
      if (!gone()) await once(child, 'exit');
    }
  }
  await ready();
  return {
    name: `@acp-check/mock-merchant${broken.length ? ` (${broken.join(', ')})` : ''}`,
    url: `http://127.0.0.1:${port}`,
    key: 'test_merchant_token',
    versions: ['2026-04-17'],
    products: Object.keys(PRODUCTS),
    product: (kind) => PRODUCTS[kind],
    address: { name: 'Ada Byron', line_one: '1 Main Street', city: 'San Francisco', state: 'CA', country: 'US', postal_code: '94105' },
    tokens: ['success'],
    token: (kind) => (kind === 'success' ? 'spt_conformance' : undefined),
    // It names no handler, and takes any.
    handler: 'card_tokenized',
    features: new Set(),
    ready,
    async close() {
      if (gone()) return;
      child.kill();
      await once(child, 'exit');
    },
  };
}
