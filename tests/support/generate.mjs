// Requests made from src/openapi.json: as it describes them, and bent. Seeded: the same seed gives the same requests.
import { randomUUID } from 'node:crypto';
import { resolve } from './schema.mjs';

/** mulberry32. -> {next, below(n), oneIn(n), pick(list)} */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  return { next, below, oneIn: (n) => below(n) === 0, pick: (list) => list[below(list.length)] };
}

/** The seed of a long run: `--seed=` or SEED, else a new one. */
export const chosenSeed = (fallback) => Number(process.argv.find((word) => word.startsWith('--seed='))?.slice(7) ?? process.env.SEED ?? fallback);

/** Texts that break parsers, templates, logs and spreadsheets. */
export const NASTY = ['', ' ', '\u0000', '\n', '\r\nSet-Cookie: a=b', '\t', '\u202e', '💩', 'é', '\ufffd', '\ud800', '"', '\'', '\\', '`', '<script>alert(1)</script>', '../../etc', '%00', '%2e%2e%2f',
  '{CHECKOUT_SESSION_ID}', '${x}', '{{x}}', "' OR 1=1 --", '=cmd()', 'null', 'undefined', 'NaN', '-1', '0', '1e999', '9007199254740993', '99999999999999999999', 'true', '[]', '__proto__', 'constructor',
  'javascript:alert(1)', 'https://evil.example/', 'http://169.254.169.254/', 'http://localhost:1/', 'file:///etc/passwd', '//evil.example', 'a'.repeat(300), 'x'.repeat(5000)];
const NUMBERS = [0, 1, -1, 0.5, -0, 100, 999_999, 1_000_000, 999_999_999_999, 1e12, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 1e300];

const CURRENCIES = ['usd', 'eur', 'jpy', 'kwd', 'isk', 'USD', 'xxx'];

function text(schema, rng, at, home) {
  const { pattern = '', format, maxLength = 40 } = schema;
  if (format === 'uri') return `${home}${rng.pick(['', '/', '/a/b', '/a?b=c', '/wp-json/cognitive-cart/v1/challenge'])}`;
  if (format === 'email') return `buyer${rng.below(1000)}@shop.example`;
  if (/url$/i.test(at)) return `${home}/there`;
  if (pattern.includes('{43}')) return 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
  if (pattern.startsWith('^[A-Za-z]{3}')) return rng.pick(CURRENCIES);
  if (pattern.startsWith('^[A-Z]{2}')) return rng.pick(['US', 'DE', 'JP', 'ZZ']);
  if (pattern.startsWith('^txcd_')) return 'txcd_99999999';
  if (pattern.startsWith('^(chat')) return rng.pick(['chat', 'site', 'agent', 'agent:Claude']);
  const prefix = /^\^([a-z]+_)/.exec(pattern)?.[1];
  if (prefix) return `${prefix}${'0'.repeat(26)}`;
  return rng.pick(['x', 'Thing', 'a b', 'Ünï', '42', 'note']).repeat(1 + rng.below(3)).slice(0, maxLength);
}

/** A value that the schema allows, as far as schemas go. `home`: what addresses begin with. */
export function sample(schema, rng, { home = 'https://shop.example', at = '', depth = 0 } = {}) {
  const node = resolve(schema);
  const go = (inner, name) => sample(inner, rng, { home, at: name, depth: depth + 1 });
  if (node.const !== undefined) return node.const;
  if (node.enum) return rng.pick(node.enum);
  if (node.oneOf) return go(rng.pick(node.oneOf), at);
  const type = Array.isArray(node.type) ? rng.pick(node.type) : node.type ?? (node.properties ? 'object' : 'string');
  switch (type) {
    case 'object': {
      const required = [...node.required ?? [], ...(node.anyOf ? rng.pick(node.anyOf).required ?? [] : [])];
      const names = Object.keys(node.properties ?? {}).filter((name) => required.includes(name) || (depth < 4 && rng.oneIn(3)));
      const object = Object.fromEntries(names.map((name) => [name, go(node.properties[name], name)]));
      if (node.additionalProperties && typeof node.additionalProperties === 'object' && rng.oneIn(2)) {
        object[rng.pick(['usd', 'eur', 'note'])] = go(node.additionalProperties, 'extra');
      }
      return object;
    }
    case 'array':
      return Array.from({ length: Math.max(node.minItems ?? 0, rng.below(3)) }, () => go(node.items ?? {}, at));
    case 'integer': {
      const least = node.minimum ?? 0;
      return least + rng.below(Math.max(1, Math.min((node.maximum ?? 5000) - least, 5000) + 1));
    }
    case 'number': return rng.below(1000) / 10;
    case 'boolean': return rng.oneIn(2);
    case 'null': return null;
    default: return text(node, rng, at, home);
  }
}

const nonsense = (rng) => rng.pick([null, true, [], {}, [[]], { a: { b: [null] } }, rng.pick(NUMBERS), rng.pick(NUMBERS), rng.pick(NASTY), rng.pick(NASTY), rng.pick(NASTY)]);

/** Changes one place of a value. */
export function bend(value, rng) {
  if (value && typeof value === 'object' && !rng.oneIn(8)) {
    const names = Object.keys(value);
    if (names.length) {
      const name = rng.pick(names);
      switch (rng.below(6)) {
        case 0:
          if (Array.isArray(value)) value.splice(Number(name), 1);
          else delete value[name];
          return value;
        case 1:
          if (Array.isArray(value)) value.push(structuredClone(value[name]));
          else value[rng.pick(NASTY)] = nonsense(rng);
          return value;
        default:
          value[name] = bend(value[name], rng);
          return value;
      }
    }
  }
  return nonsense(rng);
}

/** Media types of files that an operation takes. */
const fileTypes = (operation) => Object.keys(operation.requestBody?.content ?? {}).filter((type) => type !== 'application/json');

/** A small catalogue in one of three forms; some of its cells are what breaks parsers. */
function catalogue(type, rng) {
  const columns = ['id', 'title', 'price', 'availability', 'inventory_quantity', 'shelf'].filter((_, at) => at < 4 || rng.oneIn(2));
  const cell = (name, n) => (rng.oneIn(12) ? rng.pick(NASTY) : { id: `p${n}`, price: rng.pick(['12.30 USD', '500 JPY']), availability: 'in_stock', inventory_quantity: `${rng.below(9)}` }[name] ?? `Thing ${n}`);
  const rows = Array.from({ length: 1 + rng.below(4) }, (_, n) => columns.map((name) => cell(name, n).toWellFormed()));
  if (type.endsWith('ndjson')) return rows.map((row) => JSON.stringify(Object.fromEntries(row.map((text, at) => [columns[at], text])))).join('\n');
  const quoted = (text) => (/[",\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [columns, ...rows].map((row) => row.map(quoted).join(type.endsWith('csv') ? ',' : '\t')).join('\n');
}

export const bodySchema = (operation) => operation.requestBody?.content?.['application/json']?.schema;

/** A body for an operation: its own example or one from its schema, at home in a shop; undefined where it takes none. */
export function bodyOf(operation, rng, home) {
  const content = operation.requestBody?.content?.['application/json'];
  if (!content) return undefined;
  const examples = Object.values(content.examples ?? {});
  const made = examples.length && rng.oneIn(2) ? structuredClone(rng.pick(examples).value) : sample(content.schema, rng, { home });
  return JSON.parse(JSON.stringify(made).replaceAll('https://shop.example', home));
}

/** All parameters of an operation, those of its path too. */
export const parametersOf = ({ operation, item }) => [...item.parameters ?? [], ...operation.parameters ?? []].map(resolve);

/**
 * One request for an operation. `idFor(parameter, path)` gives the ids to choose from; `bent`: how many places are bent.
 * -> {method, path, headers, body, plain (whether the id in the path can be one)}
 */
export function requestFor(one, rng, { home, idFor, bent = 0 }) {
  let path = one.path;
  let plain = true;
  const query = new URLSearchParams();
  const headers = {};
  const spoil = () => bent > 0 && rng.oneIn(3);
  for (const parameter of parametersOf(one)) {
    const { name, in: where, required, schema } = parameter;
    if (where === 'path') {
      const id = spoil() ? String(rng.pick(NASTY)) : rng.pick(idFor(parameter, one.path));
      plain &&= /^[A-Za-z0-9_-]{1,255}$/.test(id);
      path = path.replace(`{${name}}`, encodeURIComponent(id.toWellFormed()));
    } else if (where === 'query' && (required ? !rng.oneIn(8) : rng.oneIn(3))) {
      const ids = /after|before|session_id|order_id/.test(name) ? idFor(parameter, one.path) : [];
      const value = spoil() ? rng.pick(NASTY) : ids.length && rng.oneIn(2) ? rng.pick(ids) : String(sample(schema, rng, { home, at: name }));
      query.append(name, value.toWellFormed());
    } else if (where === 'header') {
      if (name === 'Idempotency-Key') headers[name] = spoil() ? rng.pick(['', 'a', 'x'.repeat(256), 'same']) : randomUUID();
      else if (name === 'API-Version') headers[name] = spoil() ? rng.pick(['', '2025-09-12', '2024-01-01', 'x'.repeat(300)]) : rng.pick(resolve(schema).enum);
      else if (name === 'Signature' || name === 'Timestamp') { if (rng.oneIn(12)) headers[name] = rng.pick(['', '0', '1790000000', '2026-11-27T00:00:00Z', 'x'.repeat(5000)]); }
      else headers[name] = rng.pick(['', 't=1,v1=00', 'x'.repeat(5000), 't=,v1=,']);
    }
  }
  if (bent && rng.oneIn(6)) query.append(rng.pick(['limit', 'mode', 'x', 'created[gte]', 'limit']), rng.pick(NASTY).toWellFormed());
  let body = bodyOf(one.operation, rng, home);
  if (body === undefined && bent && rng.oneIn(6) && one.method !== 'GET') body = nonsense(rng);
  for (let i = 0; i < bent && body !== undefined; i += 1) body = bend(body, rng);
  let sent = body === undefined ? undefined : JSON.stringify(body) ?? 'null';
  if (sent !== undefined) headers['Content-Type'] = 'application/json';
  if (sent !== undefined && bent && rng.oneIn(10)) {
    sent = rng.pick([sent.slice(0, rng.below(sent.length + 1)), `${sent}${sent}`, `\ufeff${sent}`, '', 'null', '[', `{"a":${'['.repeat(1000)}`, `{"name":"${'y'.repeat(270_000)}"}`]);
  }
  if (sent !== undefined && bent && rng.oneIn(20)) headers['Content-Type'] = rng.pick(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'multipart/form-data; boundary=x', 'APPLICATION/JSON ;']);
  const files = fileTypes(one.operation);
  if (files.length && !spoil()) {
    headers['Content-Type'] = rng.pick(files);
    sent = catalogue(headers['Content-Type'], rng);
  }
  const search = query.size ? `?${query}` : '';
  return { method: one.method, path: `${path}${search}`, headers, body: sent, plain };
}
