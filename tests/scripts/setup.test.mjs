// The parts of the setup that can be wrong without anybody noticing.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { withLock } from '../../scripts/lib/lock.mjs';
import { npmIsUpToDate } from '../../scripts/lib/npm.mjs';
import { lockedVersion } from '../../scripts/lib/paths.mjs';
import { requireFree } from '../../scripts/lib/ports.mjs';
import { createServer } from 'node:net';
import { once } from 'node:events';

let folder;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'setup-')); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a crate is found by its whole name', () => {
  const lock = '[[package]]\nname = "worker-macros"\nversion = "0.1.0"\n\n[[package]]\nname = "worker"\nversion = "0.8.7"\n';
  assert.equal(lockedVersion('worker', lock), '0.8.7');
  assert.throws(() => lockedVersion('work', lock), /does not name the crate work/);
});

test('two holders of a lock follow each other', async () => {
  const lock = join(folder, 'lock');
  const order = [];
  let waited = 0;
  await Promise.all(['a', 'b'].map((name) => withLock(lock, async () => {
    order.push(`${name} in`);
    await new Promise((resolve) => { setImmediate(resolve); });
    order.push(`${name} out`);
  }, { onWait: () => { waited += 1; } })));
  assert.deepEqual(order.map((entry) => entry.slice(2)), ['in', 'out', 'in', 'out']);
  assert.equal(waited, 1);
  assert.equal(existsSync(lock), false);
});

test('the lock of a process that died is taken over, and a failure releases it', async () => {
  const lock = join(folder, 'lock');
  mkdirSync(lock);
  writeFileSync(join(lock, 'pid'), '4194305'); // above the largest pid there can be
  await assert.rejects(withLock(lock, async () => { throw new Error('mine'); }), /mine/);
  assert.equal(await withLock(lock, async () => 'again'), 'again');
});

test('node_modules is compared package by package; what is for other systems may be missing', () => {
  const write = (name, packages) => { const path = join(folder, name); writeFileSync(path, JSON.stringify({ packages })); return path; };
  const wanted = write('wanted', { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0', optional: true } });
  assert.equal(npmIsUpToDate(wanted, join(folder, 'nothing')), false);
  assert.equal(npmIsUpToDate(wanted, write('same', { 'node_modules/a': { version: '1.0.0' } })), true);
  assert.equal(npmIsUpToDate(wanted, write('older', { 'node_modules/a': { version: '0.9.0' } })), false);
  assert.equal(npmIsUpToDate(wanted, write('optional', { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '0.9.0' } })), false);
});

test('a port in use is named, with the way out', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await assert.rejects(requireFree({ Worker: port }), new RegExp(`port ${port} \\(Worker\\) is in use.*--port`));
  server.close();
  await once(server, 'close');
  await requireFree({ Worker: port });
});
