// The statements by which an order that an agent made at Stripe takes its stock (src/store/agentic.rs, take_agentic_stock), as they stand
// there, in the real database: after a hook that held it, and after one that did not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { sellToAgents } from '../support/agent.mjs';
import { fine } from '../support/answers.mjs';
import { approve, MUG, orderData } from '../support/hooks.mjs';
import { connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const read = (file) => readFileSync(new URL(`../../src/store/${file}.rs`, import.meta.url), 'utf8');
/** The first SQL text of a Rust function. */
function sql(file, name, fill = {}) {
  const source = read(file);
  const body = source.slice(source.search(new RegExp(`fn ${name}\\b`)));
  const [, text] = /"((?:SELECT|INSERT|UPDATE|DELETE|\(SELECT)[^"]*)"/.exec(body);
  return text.replace(/\{(\w*)\}/g, (_, variable) => fill[variable]);
}
const generation = sql('catalogue', 'generation_of', { shop_expr: '?2' });
const HOLD = sql('agentic', 'take_agentic_stock', { '': generation, condition: '?4 = 1' });
const [TAKE, RELEASE] = [sql('catalogue', 'take_stock'), sql('catalogue', 'release_stock')];

let stripe, w, shop, account;
before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
  fine(await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true } }));
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});
beforeEach(() => sellToAgents(w, shop.key));

const left = async (id) => (await w.d1(`SELECT inventory_quantity AS n FROM products WHERE generation = ${generation} AND id = ?1`, id, shop.id))[0].n;
async function sold(session, items, first = 1) {
  await w.d1(HOLD, session, shop.id, JSON.stringify(items), first);
  for (const text of [TAKE, RELEASE]) await w.d1(text, session);
}
const mugs = (quantity) => orderData({ lines: [{ ...MUG, quantity }] });

test('what a hook held is taken, once', async () => {
  const data = mugs(3);
  assert.ok((await approve(w, account, data)).approved);
  await sold(data.checkout_session, [{ id: 'mug', quantity: 3 }]);
  await sold(data.checkout_session, [{ id: 'mug', quantity: 3 }], 0);
  assert.equal(await left('mug'), 997);
  assert.deepEqual(await w.d1('SELECT * FROM stock_holds'), []);
});

test('what no hook held is taken as the order says it, and only where the order is new', async () => {
  await sold('cs_test_unheld', [{ id: 'mug', quantity: 2 }, { id: 'mug', quantity: 1 }, { id: 'tea', quantity: 5 }, { id: 'never', quantity: 1 }], 0);
  assert.equal(await left('mug'), 1000);
  await sold('cs_test_unheld', [{ id: 'mug', quantity: 2 }, { id: 'mug', quantity: 1 }, { id: 'tea', quantity: 5 }, { id: 'never', quantity: 1 }]);
  assert.deepEqual([await left('mug'), await left('tea')], [997, null]);
  assert.deepEqual(await w.d1('SELECT * FROM stock_holds'), []);
});

test('more than there is leaves nothing, and no debt', async () => {
  await sold('cs_test_more', [{ id: 'last', quantity: 4 }]);
  assert.equal(await left('last'), 0);
});
