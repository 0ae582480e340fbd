// The statements by which payments hold and take stock (src/store/catalogue.rs), as they stand there, in the real database. Their
// callers are the agent protocols; here several race for the last piece.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const source = readFileSync(new URL('../../src/store/catalogue.rs', import.meta.url), 'utf8');
/** The nth SQL text of a Rust function, with what stands in braces filled in. */
function sql(name, fill = {}, nth = 0) {
  const body = source.slice(source.search(new RegExp(`fn ${name}\\b`)));
  const texts = [...body.slice(0, body.search(/\n {0,4}\}\n/)).matchAll(/"((?:SELECT|INSERT|UPDATE|DELETE|\(SELECT|NOT EXISTS)[^"]*)"/g)].map(([, text]) => text);
  assert.ok(texts[nth], `no SQL in ${name}`);
  return texts[nth].replace(/\{(\w*)\}/g, (_, variable) => {
    const value = fill[variable];
    assert.ok(value !== undefined, `${name} wants {${variable}}`);
    return value;
  });
}
const generationOf = (shop) => sql('generation_of', { shop_expr: shop });
const held = (shop, but, now) => sql('held', { shop_expr: shop, but_expr: but, now_expr: now });
const shortSelect = (holder, shop, items, now) => sql('short_select', { items_expr: items, generation: generationOf(shop), held: held(shop, holder, now) });
const HOLD = sql('hold_stock', { generation: generationOf('?2'), suffices: `NOT EXISTS (${shortSelect('?1', '?2', '?3', '?4')})` });
/** The condition's own query: what cannot be had. */
const SHORT = shortSelect('?1', '?2', '?3', '?4');
const [TAKE, RELEASE] = [sql('take_stock'), sql('release_stock')];

const NOW = 1_000;
let w, shop;
before(async () => {
  w = await startWorker();
  shop = await registerShop(w);
});
after(async () => {
  await w?.close();
  await shop?.close();
});
beforeEach(async () => {
  await w.d1('DELETE FROM stock_holds');
  const file = ['id,title,price,availability,inventory_quantity,disable_checkout', 'three,Three,1 USD,in_stock,3,', 'any,Any,1 USD,in_stock,,', 'later,Later,1 USD,backorder,0,', 'out,Out,1 USD,out_of_stock,9,', 'shown,Shown,1 USD,in_stock,9,true'];
  assert.equal((await sendCatalogue(w, shop, file.join('\n'))).status, 200);
});

const items = (wanted) => JSON.stringify(Object.entries(wanted).map(([id, quantity]) => ({ id, quantity })));
const short = async (holder, wanted, now = NOW) => (await w.d1(SHORT, holder, shop.id, items(wanted), now)).map(({ id }) => id);
const hold = (holder, wanted, { now = NOW, until = NOW + 600 } = {}) => w.d1(HOLD, holder, shop.id, items(wanted), now, until);
const holds = async () => (await w.d1('SELECT holder, product_id AS id, quantity FROM stock_holds ORDER BY 1, 2')).map(({ holder, id, quantity }) => `${holder} ${id} ${quantity}`);
const left = async (id) => (await w.d1(`SELECT inventory_quantity AS n FROM products WHERE generation = ${generationOf('?1')} AND id = ?2`, shop.id, id))[0].n;
const take = async (holder) => { for (const text of [TAKE, RELEASE]) await w.d1(text, holder); };

test('of twenty who race for three pieces three get one, and of two who want two one', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, n) => hold(`h${n}`, { three: 1 })));
  assert.equal((await holds()).length, 3);
  await w.d1('DELETE FROM stock_holds');
  await Promise.all([hold('a', { three: 2 }), hold('b', { three: 2 })]);
  assert.equal((await holds()).length, 1);
});

test('all of an order or nothing; what is not counted needs no hold', async () => {
  assert.deepEqual(await short('a', { three: 2, any: 99 }), []);
  await hold('a', { three: 2, any: 99 });
  assert.deepEqual(await holds(), ['a three 2']);
  for (const [wanted, why] of [[{ any: 1, three: 2 }, ['three']], [{ any: 1, nothing: 1 }, ['nothing']], [{ out: 1 }, ['out']], [{ shown: 1 }, ['shown']]]) {
    assert.deepEqual(await short('b', wanted), why);
    await hold('b', wanted);
  }
  assert.deepEqual(await holds(), ['a three 2']);
  // The same product twice is one wish.
  const twice = JSON.stringify([{ id: 'three', quantity: 1 }, { id: 'three', quantity: 1 }]);
  assert.deepEqual((await w.d1(SHORT, 'b', shop.id, twice, NOW)).map(({ id }) => id), ['three']);
});

test('one’s own hold is no hindrance, and one that ran out is none', async () => {
  await hold('a', { three: 3 });
  assert.deepEqual([await short('a', { three: 3 }), await short('b', { three: 1 })], [[], ['three']]);
  await hold('a', { three: 1 });
  assert.deepEqual(await holds(), ['a three 1']);
  assert.deepEqual(await short('b', { three: 3 }, NOW + 600), []);
  await w.d1(RELEASE, 'a');
  assert.deepEqual([await holds(), await short('b', { three: 3 })], [[], []]);
});

test('what can be ordered before it is there is not limited, and never falls below nothing', async () => {
  assert.deepEqual(await short('a', { later: 5 }), []);
  await hold('a', { later: 5 });
  assert.deepEqual(await holds(), ['a later 5']);
  await take('a');
  assert.equal(await left('later'), 0);
});

test('taking is done once, also after the hold ran out, and hits the catalogue that is there then', async () => {
  await hold('a', { three: 2 });
  await take('a');
  await take('a');
  assert.deepEqual([await left('three'), await holds()], [1, []]);
  await hold('b', { three: 1 });
  assert.equal((await sendCatalogue(w, shop, 'id,title,price,availability,inventory_quantity\nthree,Three,1 USD,in_stock,8')).status, 200);
  assert.deepEqual(await short('c', { three: 8 }), ['three']);
  await take('b');
  assert.equal(await left('three'), 7);
});

test('another shop’s product of the same name is another', async (t) => {
  const other = await registerShop(w);
  t.after(() => other.close());
  await hold('a', { three: 3 });
  assert.equal((await sendCatalogue(w, other, 'id,title,price,availability,inventory_quantity\nthree,Three,1 USD,in_stock,3')).status, 200);
  assert.deepEqual((await w.d1(SHORT, 'b', other.id, items({ three: 3 }), NOW)), []);
  await w.d1(HOLD, 'b', other.id, items({ three: 3 }), NOW, NOW + 600);
  assert.deepEqual(await holds(), ['a three 3', 'b three 3']);
});

test('a coupon is redeemed as often as it may be, whoever comes at once', async () => {
  const redeem = sql('redeem', { condition: '1' });
  await Promise.all(Array.from({ length: 9 }, () => w.d1(redeem, shop.id, 'ten', 4)));
  await w.d1(redeem, shop.id, 'free', null);
  assert.deepEqual(await w.d1('SELECT code, count FROM coupon_redemptions ORDER BY 1'), [{ code: 'free', count: 1 }, { code: 'ten', count: 4 }]);
});

test('they lead through indices', async () => {
  for (const text of [HOLD, SHORT, TAKE, RELEASE]) {
    const binds = Math.max(...[...text.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)));
    const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...Array(binds).fill(null))).map(({ detail }) => detail);
    assert.deepEqual(plan.filter((step) => /^SCAN (?!\w+ VIRTUAL|i$|json_each)/.test(step) || /\(generation=\?\)$/.test(step)), [], text);
  }
});
