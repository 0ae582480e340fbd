// What no code of ours may do (no panic, no overflow) and a mistake or the engine could: WASM that stops in the middle. A function of the
// built Worker is replaced by a trap; everything else is the very same.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import binaryen from 'binaryen';
import { BUILD } from '../../scripts/lib/paths.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { eventually, fine } from '../support/answers.mjs';
import { chatBody, connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const folders = [];
let stripe;

/** The Worker with a trap in place of a function. */
async function trapped(name) {
  const folder = mkdtempSync(join(tmpdir(), 'traps-'));
  folders.push(folder);
  cpSync(join(BUILD, 'index.js'), join(folder, 'index.js'));
  const wasm = binaryen.readBinary(readFileSync(join(BUILD, 'index_bg.wasm')));
  const named = new RegExp(`\\b${name}(::h[0-9a-f]{16})?$`);
  const found = Array.from({ length: wasm.getNumFunctions() }, (_, n) => wasm.getFunctionByIndex(n)).filter((made) => named.test(binaryen.getFunctionInfo(made).name));
  assert.equal(found.length, 1, `one function is called ${name}`);
  binaryen.Function(found[0]).body = wasm.unreachable();
  writeFileSync(join(folder, 'index_bg.wasm'), wasm.emitBinary());
  wasm.dispose();
  return startWorker({ stripe, faults: true, buildDir: folder });
}

before(async () => { stripe = await startStripe({ retryPauses: [] }); });
after(async () => {
  await stripe?.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const created = (w, shop) => (key) => w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: key, body: chatBody(shop) });

describe('in a request', () => {
  let w, shop, create;
  before(async () => {
    w = await trapped('journey::complete::manifest');
    shop = await registerShop(w);
    await connectShop(w, stripe, shop);
    create = created(w, shop);
  });
  afterEach(() => w.fault());
  after(async () => {
    await shop?.close();
    await w?.close();
  });

  const trap = async () => assert.equal((await w.fetch('/v1/manifest', { headers: { authorization: `Bearer ${shop.key}` } })).status, 500);
  test('a trap ends its own request; the next one finds a Worker that works', async () => {
    for (let n = 0; n < 3; n += 1) {
      await trap();
      fine(await create(`after-trap-${n}`), 201);
    }
  });

  test('whoever waited in the instance that trapped never goes on in the memory of the next', async () => {
    // Its second batch has been answered, and waits.
    await w.fault([{ on: 'DB.batch', nth: 2, how: 'hold' }]);
    const held = create('held');
    await eventually(async () => (await w.faultCalls()).length >= 2);
    await trap();
    const others = await Promise.all(Array.from({ length: 8 }, (_, n) => create(`beside-${n}`)));
    await w.fault();
    const later = await Promise.all(Array.from({ length: 8 }, (_, n) => create(`behind-${n}`)));
    for (const answer of [...others, ...later]) fine(answer, 201);
    assert.equal(new Set([...others, ...later].map(({ body }) => body.url)).size, 16);
    // Nothing came of it, and nothing it had written is lost: its client asks again.
    assert.equal((await w.d1("SELECT count(*) AS n FROM transactions WHERE checkout_session IS NULL"))[0].n, 1);
    assert.match((await held).text, /had hung/);
  });
});

test('work behind an answer that traps is logged, and the next request finds a Worker that works', async () => {
  const w = await trapped('journey::notify::Sending::lane');
  const shop = await registerShop(w, { webhook: (_request, response) => response.writeHead(204).end() });
  await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } });
  const broke = w.logLine(({ event }) => event === 'work_broke_off');
  // Connecting is news to the shop.
  await connectShop(w, stripe, shop);
  await broke;
  for (let n = 0; n < 3; n += 1) fine(await created(w, shop)(`behind-${n}`), 201);
  await shop.close();
  await w.close({ asked: /work_broke_off/ });
});
