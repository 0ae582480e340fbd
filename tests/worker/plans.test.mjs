// No request and no sweep reads a table from end to end: every statement that the Worker sends to D1 is put to `EXPLAIN QUERY PLAN`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { disturbed, faultShop, JOURNEYS } from '../support/faults.mjs';
import { runSchema, tables } from '../support/run-schema.mjs';
import { startWorker } from '../support/worker.mjs';

const statements = new Set();
let w, stripe, shop, names, indices;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
  shop = await faultShop(w, stripe);
  names = (await tables(w)).map(({ name }) => name);
  indices = (await w.d1("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")).map(({ name }) => name);
});

after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

const keep = async (worker) => { for (const text of await worker.prepared()) statements.add(text); };

/** What a statement goes through from end to end: names of tables, by whatever alias. Those that it makes itself do not count. */
async function scans(text) {
  const outside = text.replace(/'(?:[^']|'')*'/g, "''");
  const numbered = Math.max(0, ...[...outside.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)));
  const plan = await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...Array.from({ length: numbered || outside.split('?').length - 1 }, () => null));
  const aliases = new Map(names.map((name) => [name, name]));
  const made = [...text.matchAll(/(?:WITH(?: RECURSIVE)?|,)\s+(\w+)\s*(?:\([^)]*\))?\s+AS\s+(?:MATERIALIZED\s+)?\(/gi)].map(([, name]) => name);
  for (const [, name, alias] of text.matchAll(/(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+AS)?(?:\s+(\w+))?/gi)) {
    if (names.includes(name) && alias && !/^(on|where|set|join|left|inner|order|group|limit|union|select|values|using|not|indexed|returning)$/i.test(alias)) aliases.set(alias, name);
  }
  for (const name of made) aliases.delete(name);
  // An index over what waits for something holds nothing else.
  const partial = (detail) => indices.includes(/USING (?:COVERING )?INDEX (\w+)/.exec(detail)?.[1]);
  return plan.map(({ detail }) => detail).filter((detail) => {
    const [, scanned] = /^SCAN (\w+)/.exec(detail) ?? [];
    return aliases.has(scanned) && !partial(detail);
  });
}

/** What may be gone through, and why. */
const ALLOWED = [
  { why: 'the operator’s lists: in the order of the key, and only as far as the page goes', statement: /^SELECT \* FROM (shops|strays) WHERE 1 ORDER BY \w+ DESC LIMIT \d+$/, plan: /^SCAN (shops USING INDEX sqlite_autoindex_shops_1|strays)$/ },
  { why: 'the operator’s figures: a count is as long as what is counted, shops and what waits', statement: /count\(\*\)\s+AS id\s+FROM (shops|connections|deauthorizations|erasures)/, plan: /USING COVERING INDEX/ },
];

test('every journey, every route and the sweep', async (t) => {
  for (const journey of Object.keys(JOURNEYS)) await disturbed({ w, stripe, shop, journey, name: `plan-${journey}` });
  await keep(w);
  await runSchema({ seed: 20_261_128, perOperation: 6, seen: async (other) => { await other.scheduled(); await keep(other); } });
  assert.ok(statements.size > 250, `${statements.size}`);
  const found = [];
  for (const text of statements) {
    for (const detail of await scans(text)) {
      if (!ALLOWED.some((one) => one.statement.test(text) && one.plan.test(detail))) found.push(`${detail}\n    ${text.replace(/\s+/g, ' ')}`);
    }
  }
  t.diagnostic(`${statements.size} statements`);
  assert.deepEqual(found, []);
});
