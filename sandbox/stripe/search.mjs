// The search of PaymentIntents: Stripe's query language over an index that lags behind. For what was just done, list or retrieve.
import { invalid } from './errors.mjs';
import { lapse } from './intents.mjs';
import { clone } from './world.mjs';

const FIELDS = { amount: 'number', created: 'number', currency: 'token', customer: 'token', status: 'token' };
const OPERATORS = { number: [':', '>', '<', '>=', '<='], token: [':'], text: [':', '~'] };

const fail = (why) => invalid(`We were unable to parse your search query: ${why}`, { param: 'query' });

/** `metadata['k']:'v' AND amount>10` → clauses and the word between them. */
function parse(query) {
  const clause = /^\s*(-)?(?:metadata\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]|([a-z_]+))(>=|<=|[:~<>])(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(null|-?\d+))/;
  const plain = (text) => text.replace(/\\(.)/g, '$1');
  const clauses = [];
  let word = null;
  let rest = query;
  for (;;) {
    const found = clause.exec(rest);
    if (!found) throw fail(`a clause is expected at "${rest.slice(0, 30)}".`);
    const [whole, not, double, single, field, operator, one, two, bare] = found;
    const key = double ?? single;
    const type = key === undefined ? FIELDS[field] : 'text';
    if (!type) throw fail(`${field} is not a field of PaymentIntents that can be searched.`);
    if (!OPERATORS[type].includes(operator)) throw fail(`${operator} does not go with ${key === undefined ? field : 'metadata'}.`);
    const quoted = one ?? two;
    if (quoted === undefined && bare !== 'null' && type !== 'number') throw fail('text has to be in quotes.');
    if (operator === '~' && quoted.length < 3) throw fail('a part of a text has at least three letters.');
    clauses.push({ not: Boolean(not), key: key && plain(key), field, operator, value: bare === 'null' ? null : type === 'number' ? Number(quoted ?? bare) : plain(quoted) });
    rest = rest.slice(whole.length);
    if (rest.trim() === '') break;
    const joint = /^\s+(AND|OR)\s|^\s+/i.exec(rest);
    if (!joint) throw fail(`AND or OR is expected at "${rest.slice(0, 30)}".`);
    const next = (joint[1] ?? 'AND').toUpperCase();
    if (word && word !== next) throw fail('AND and OR cannot be mixed.');
    word = next;
    rest = rest.slice(joint[0].length);
  }
  if (clauses.length > 10) throw fail('there are more than 10 clauses.');
  return { clauses, any: word === 'OR' };
}

function holds(intent, { not, key, field, operator, value }) {
  const has = (key === undefined ? intent[field] : intent.metadata[key]) ?? null;
  const tests = {
    ':': () => (typeof has === 'string' && value !== null ? has.toLowerCase() === value.toLowerCase() : has === value),
    '~': () => typeof has === 'string' && has.toLowerCase().includes(value.toLowerCase()),
    '>': () => has > value, '<': () => has < value, '>=': () => has >= value, '<=': () => has <= value,
  };
  return tests[operator]() !== not;
}

/** What the index knows: each PaymentIntent as its newest event showed it that is old enough to have arrived there. */
function indexed(world, scope) {
  const until = world.now() - world.searchLag;
  const seen = new Map();
  for (const { object: event } of world.list('event', scope)) {
    const { object } = event.data;
    if (event.created <= until && object.object === 'payment_intent' && !seen.has(object.id)) seen.set(object.id, object);
  }
  return [...seen.values()].sort((a, b) => b.created - a.created);
}

export const operations = {
  'GET /v1/payment_intents/search': ({ world, params, scope }) => {
    const { limit = 10, page = '0' } = params;
    if (limit < 1 || limit > 100) throw invalid(`limit is between 1 and 100, not ${limit}.`, { param: 'limit', code: 'parameter_invalid_integer' });
    if (!/^\d{1,6}$/.test(page)) throw invalid('This is not a page of this search.', { param: 'page' });
    const { clauses, any } = parse(params.query);
    const hits = indexed(world, scope)
      .filter((intent) => (any ? clauses.some((clause) => holds(intent, clause)) : clauses.every((clause) => holds(intent, clause))))
      .map(({ id }) => world.record('payment_intent', id)).filter(Boolean);
    const end = Number(page) + limit;
    // Found by what the index knew, shown as they are.
    const data = hits.slice(Number(page), end).map((record) => clone(lapse(world, record).object));
    return { object: 'search_result', data, has_more: hits.length > end, next_page: hits.length > end ? String(end) : null, url: '/v1/payment_intents/search' };
  },
};
