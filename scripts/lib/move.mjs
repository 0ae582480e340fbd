// Shops move from one D1 database to another, slot by slot (src/place.rs): copied, compared, and taken away where they were. Nothing may
// change meanwhile: DATABASES_MOVING names the slots until the configuration says where they are now (docs/scale.md).
//
// A database here is `query(sql, params)` -> rows: D1 by its binding, or by Cloudflare's API.
import { createHash } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** Rows that are read at a time, and the most that is written at a time, characters of JSON. */
const PAGE = 200;
const CHUNK = 400_000;

/** `0-3,9` -> [0, 1, 2, 3, 9] */
export function readSlots(text) {
  const slots = text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map((number) => (/^\d+$/.test(number) ? Number(number) : Number.NaN));
    if (!(first >= 0 && last < 32 && first <= last)) throw new Error(`"${part}" is no slot: 0 to 31, as in 0-3,9`);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
  return [...new Set(slots)];
}

/** Which rows of a table are those of the shops in some slots. */
function scopes(slots) {
  const last = slots.map((slot) => `'${ALPHABET[slot]}'`).join(', ');
  const shops = `(SELECT id FROM shops WHERE substr(id, -1) IN (${last}))`;
  const own = `shop_id IN ${shops}`;
  const of = (column, table, key = 'id') => `${column} IN (SELECT ${key} FROM ${table} WHERE ${own})`;
  return {
    shops: `substr(id, -1) IN (${last})`,
    api_keys: own, agents: own, agent_keys: own, connections: own, connect_tickets: own, connect_claims: own,
    connect_states: of('ticket', 'connect_tickets', 'hash'),
    transactions: own, orders: own, acp_sessions: own, idempotency: own, notices: own, erasures: own,
    strays: of('transaction_id', 'transactions'),
    stripe_events: of('transaction_id', 'transactions'),
    catalogues: own,
    products: of('generation', 'catalogues', 'generation'), product_words: of('generation', 'catalogues', 'generation'),
    catalogue_uploads: own, catalogue_errors: of('upload_id', 'catalogue_uploads'),
    stock_holds: own, fulfillment: own, coupon_redemptions: own, feed_products: own, feed_changes: own,
    agentic: own, agentic_hooks: own, agentic_imports: own, agentic_import_errors: of('import_id', 'agentic_imports'),
    agentic_stock: own, agentic_settings: own, agreements: own,
  };
}

/** Not of one shop: who has an account from this platform, and whom Stripe is to be told of. They are copied and stay. */
const OF_ACCOUNTS = { onboarded: 'account, livemode' };
/** Kept by triggers on `transactions`. */
const BY_TRIGGERS = ['ledger_days'];
/** The sweep's own, and what waits for Stripe whoever asked for it. */
const STAYS = ['runs', 'deauthorizations'];

/** Numbers that each database counts by itself, and where they stand. */
const NUMBERS = {
  catalogues: { generation: 'generation' }, products: { generation: 'generation' }, product_words: { generation: 'generation' },
  agentic_imports: { generation: 'generation', seen: 'change' }, agentic_stock: { generation: 'generation', seen: 'change' },
  feed_changes: { seq: 'change' },
};

/** Tables that have no rowid, and what their rows are found by. */
const KEYS = { product_words: ['generation', 'word', 'id'], catalogue_errors: ['upload_id', 'row', 'field'], feed_products: ['agent_id', 'key', 'product'] };
const keyOf = (table) => KEYS[table] ?? ['rowid'];

/** The largest number that a database has given, of either kind. */
async function numbersOf(query) {
  const [{ generation, change }] = await query(`SELECT
    coalesce((SELECT max(generation) FROM catalogues), 0) AS generation,
    max(coalesce((SELECT max(seq) FROM feed_changes), 0), coalesce((SELECT max(seen) FROM agentic_stock), 0), coalesce((SELECT max(seen) FROM agentic_imports), 0),
      coalesce((SELECT max(coalesce(feed_state ->> '$.seen', 0)) FROM agents), 0)) AS change`, []);
  return { generation, change };
}

/** A row with its numbers moved on; without `by`, without them. */
function numbered(table, row, by) {
  const moved = { ...row };
  if (!by) {
    for (const column of Object.keys(NUMBERS[table] ?? {})) moved[column] = null;
    if (table === 'agents' && moved.feed_state) moved.feed_state = JSON.stringify({ ...JSON.parse(moved.feed_state), generation: null, seen: null });
    return moved;
  }
  for (const [column, kind] of Object.entries(NUMBERS[table] ?? {})) if (moved[column] !== null) moved[column] += by[kind];
  if (table === 'agents' && moved.feed_state) {
    const state = JSON.parse(moved.feed_state);
    if (typeof state.generation === 'number') state.generation += by.generation;
    if (typeof state.seen === 'number') state.seen += by.change;
    moved.feed_state = JSON.stringify(state);
  }
  return moved;
}

/** All rows of a scope in the order in which they were written, in pages. */
async function* pages(query, table, scope) {
  const key = keyOf(table);
  const list = key.join(', ');
  const named = key.map((column, at) => `${column} AS at_${at}`).join(', ');
  for (let after; ;) {
    const behind = after ? `AND (${list}) > (${key.map((_, at) => `?${at + 1}`).join(', ')})` : '';
    const rows = await query(`SELECT ${named}, * FROM ${table} WHERE ${scope} ${behind} ORDER BY ${list} LIMIT ${PAGE}`, after ?? []);
    if (rows.length === 0) return;
    after = key.map((_, at) => rows.at(-1)[`at_${at}`]);
    yield rows.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !/^at_\d$/.test(column))));
  }
}

/** What the rows of a scope come to. Order counts: notices of one order are sent by it. */
async function digestOf(query, table, scope, by) {
  const hash = createHash('sha256');
  let count = 0;
  for await (const rows of pages(query, table, scope)) {
    for (const row of rows) hash.update(`${JSON.stringify(numbered(table, row, by))}\n`);
    count += rows.length;
  }
  return { count, hash: hash.digest('hex') };
}

const NO_CHANGE = { generation: 0, change: 0 };

async function insert(query, table, rows) {
  const columns = Object.keys(rows[0]);
  const values = columns.map((_, at) => `value ->> ${at}`).join(', ');
  let chunk = [];
  let size = 0;
  const flush = async () => {
    if (chunk.length > 0) await query(`INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values} FROM json_each(?1)`, [`[${chunk.join(',')}]`]);
    [chunk, size] = [[], 0];
  };
  for (const row of rows) {
    const text = JSON.stringify(columns.map((column) => row[column]));
    if (size + text.length > CHUNK) await flush();
    chunk.push(text);
    size += text.length;
  }
  await flush();
}

/** Fails when a database has tables that this does not know: a shop must not lose what came with a newer version. */
async function knowAll(query, known) {
  const tables = await query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'd1\\_%' ESCAPE '\\'", []);
  const unknown = tables.map(({ name }) => name).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`scripts/lib/move.mjs does not know the tables ${unknown.join(', ')}`);
}

/** Fails when something was sold on the one side that the other does not have: then that side is in use. */
async function within(inner, outer, slots, words) {
  const of = scopes(slots);
  for (const table of ['shops', 'transactions', 'orders']) {
    for await (const rows of pages(inner, table, of[table])) {
      const ids = rows.map(({ id }) => id);
      const there = await outer(`SELECT id FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`, [JSON.stringify(ids)]);
      if (there.length !== ids.length) throw new Error(`${words}: ${table} has ${ids.length - there.length} more there. Nothing was changed.`);
    }
  }
}

/** Deletes what is of the slots, children before what they are found by. */
async function erase(query, slots) {
  const of = Object.entries(scopes(slots)).reverse();
  // What is found by another table's rows goes before them; shops are in every scope, so they go last.
  const order = [...of.filter(([, scope]) => !scope.startsWith('shop_id') && !scope.startsWith('substr')), ...of.filter(([, scope]) => scope.startsWith('shop_id'))];
  for (const [table, scope] of order) {
    const list = keyOf(table).join(', ');
    const some = `DELETE FROM ${table} WHERE (${list}) IN (SELECT ${list} FROM ${table} WHERE ${scope} LIMIT 1000) RETURNING 1 AS gone`;
    while ((await query(some, [])).length > 0);
  }
  await query(`DELETE FROM ledger_days WHERE ${scopes(slots).agentic}`, []);
  await query(`DELETE FROM shops WHERE ${scopes(slots).shops}`, []);
}

/** Fails where two databases do not have the same of some slots. `by`: how far the numbers of the second one are; without it they do not count. */
async function compare(from, to, slots, by) {
  for (const [table, scope] of Object.entries(scopes(slots))) {
    const [before, after] = [await digestOf(from, table, scope, by), await digestOf(to, table, scope, by && NO_CHANGE)];
    if (before.count !== after.count || before.hash !== after.hash) {
      throw new Error(`${table} differs (${before.count} rows here, ${after.count} there): it was not copied whole, or something changed meanwhile. Is DATABASES_MOVING deployed, and a minute over? Copy again. Nothing was taken away.`);
    }
  }
  const days = await Promise.all([daysOf(from, slots), daysOf(to, slots)]);
  if (JSON.stringify(days[0]) !== JSON.stringify(days[1])) throw new Error('the days of the ledger differ: copy again');
}

/** The days of the ledger of some slots, in their order. */
const daysOf = (query, slots) => query(`SELECT * FROM ledger_days WHERE ${scopes(slots).agentic} AND count > 0
  ORDER BY shop_id, created_day, paid_day, livemode, currency, source, agent, status`, []);

/**
 * Copies the shops of some slots, anew each time, and compares both sides row by row. Whoever is interrupted begins again.
 * -> rows by table
 */
export async function copy({ from, to, slots, say = () => {} }) {
  const of = scopes(slots);
  const known = [...Object.keys(of), ...Object.keys(OF_ACCOUNTS), ...BY_TRIGGERS, ...STAYS];
  for (const query of [from, to]) await knowAll(query, known);
  await within(to, from, slots, 'the shops are in use where they are to go');
  await erase(to, slots);
  const [given, theirs] = [await numbersOf(from), await numbersOf(to)];
  // What changes after the move must have higher numbers than all that was told before it.
  const tidy = async () => {
    await to("DELETE FROM feed_changes WHERE shop_id = ''", []);
    await to("DELETE FROM catalogues WHERE shop_id = ''", []);
  };
  await tidy();
  await to("INSERT INTO feed_changes (seq, shop_id, product_id, key) VALUES (?1, '', '', '')", [given.change + theirs.change + 1]);
  await to("INSERT INTO catalogues (generation, shop_id, state) VALUES (?1, '', 'old')", [given.generation + theirs.generation + 1]);
  await tidy();
  const counts = {};
  for (const [table, scope] of Object.entries(of)) {
    counts[table] = 0;
    for await (const rows of pages(from, table, scope)) {
      await insert(to, table, rows.map((row) => numbered(table, row, theirs)));
      counts[table] += rows.length;
    }
    if (counts[table] > 0) say(`${table}: ${counts[table]}`);
  }
  for (const [table, key] of Object.entries(OF_ACCOUNTS)) {
    const accounts = ['connections', 'connect_claims', 'connect_tickets'].map((source) => `SELECT account, livemode FROM ${source} WHERE ${of[source]}`);
    const rows = await from(`SELECT * FROM ${table} WHERE (account, livemode) IN (${accounts.join(' UNION ')})`, []);
    for (const row of rows) {
      const columns = Object.keys(row);
      await to(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, at) => `?${at + 1}`).join(', ')}) ON CONFLICT (${key}) DO NOTHING`, Object.values(row));
    }
  }
  await compare(from, to, slots, theirs);
  return counts;
}

/** Takes the shops away where they were, once the configuration leads elsewhere and before anything may change again. */
export async function clean({ from, to, slots }) {
  await compare(from, to, slots);
  await erase(from, slots);
}

/** Takes away what was copied: the shops stay where they are. */
export async function abort({ from, to, slots }) {
  await within(to, from, slots, 'the shops are in use where they were to go');
  await erase(to, slots);
}
