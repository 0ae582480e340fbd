// Holds answers of the Worker against src/openapi.json.
//
//   import { openapi, assertAnswer } from '../support/schema.mjs';
//   await assertAnswer('POST', '/v1/shops', response);            // a fetch Response; gives its JSON back
//
// An answer must have a documented status, documented headers, a body of the documented schema, and, where it is an
// error, a code that `x-error-codes` lists for that route and status. Members that the document does not name are
// refused as well: clients must tolerate them, but a document that is silent about them would not be true.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export const openapi = JSON.parse(readFileSync(new URL('../../src/openapi.json', import.meta.url), 'utf8'));

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

/** Every documented operation: {method, path, operation, item}. */
export const operations = Object.entries(openapi.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({ method: method.toUpperCase(), path, operation: item[method], item })),
);

/** Follows a `$ref` inside the document. */
export function resolve(value) {
  let seen = value;
  while (seen?.$ref) seen = seen.$ref.slice(2).split('/').reduce((node, name) => node[name.replaceAll('~1', '/').replaceAll('~0', '~')], openapi);
  return seen;
}

/** The codes that an operation may answer with a status: its own, and those that come with the response everywhere. */
export function codesOf(operation, status) {
  return [...(operation['x-error-codes']?.[status] ?? []), ...(resolve(operation.responses[status])?.['x-error-codes'] ?? [])];
}

const templates = Object.keys(openapi.paths)
  // A fixed address wins over one with a variable part, as in the Worker.
  .sort((a, b) => a.split('{').length - b.split('{').length)
  .map((path) => [path, new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`)]);

/** The documented operation of a real request, or undefined. */
export function operationOf(method, url) {
  const pathname = new URL(url, 'http://worker.invalid').pathname.replace(/^\/+/, '/');
  const template = templates.find(([, pattern]) => pattern.test(pathname))?.[0];
  return operations.find((one) => one.path === template && one.method === method);
}

// ---- schemas ----

const SCHEMA = 'https://openapi.invalid/document';
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: SCHEMA, components: { schemas: openapi.components.schemas } });
const compiled = new Map();

/** `$ref`s of the document become absolute, so that ajv finds them. */
function absolute(node) {
  if (Array.isArray(node)) return node.map(absolute);
  if (!node || typeof node !== 'object') return node;
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, key === '$ref' ? SCHEMA + value : absolute(value)]));
}

/** Errors of `value` under a schema of the document; empty when it is valid. */
export function violations(schema, value) {
  const key = JSON.stringify(schema);
  if (!compiled.has(key)) compiled.set(key, ajv.compile(absolute(schema)));
  const validate = compiled.get(key);
  return validate(value) ? [] : validate.errors.map((e) => `${e.instancePath || '(body)'} ${e.message}${e.params?.additionalProperty ? `: ${e.params.additionalProperty}` : ''}`);
}

/** Names of members in `value` that the schema says nothing about. */
export function undocumented(schema, value, at = '') {
  const nodes = flatten(schema);
  if (Array.isArray(value)) {
    const items = nodes.map((node) => node.items).filter(Boolean);
    return items.length ? value.flatMap((element, i) => undocumented({ allOf: items }, element, `${at}[${i}]`)) : [];
  }
  if (!value || typeof value !== 'object') return [];
  // A schema that lists no members is free inside (metadata, an address of Stripe's).
  const described = nodes.filter((node) => node.properties);
  if (described.length === 0) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = at ? `${at}.${name}` : name;
    const schemas = described.map((node) => node.properties[name]).filter(Boolean);
    return schemas.length ? undocumented({ allOf: schemas }, inner, here) : [here];
  });
}

function flatten(schema) {
  const node = resolve(schema);
  return [node, ...['allOf', 'oneOf', 'anyOf'].flatMap((word) => (node[word] ?? []).flatMap(flatten))];
}

// ---- answers ----

/** What is wrong with an answer; empty when the document describes it. `body` is its text. */
export function wrongWith(method, url, { status, headers, body }) {
  const found = operationOf(method, url);
  if (!found) return [`${method} ${url} is not in the document`];
  const { operation } = found;
  const name = `${method} ${found.path} → ${status}`;
  const response = resolve(operation.responses[status]);
  if (!response) return [`${name}: the document has only ${Object.keys(operation.responses).join(', ')}; the body was ${body.slice(0, 400)}`];
  const wrong = [];

  for (const [header, raw] of Object.entries(response.headers ?? {})) {
    const rule = resolve(raw);
    const value = headers.get(header);
    if (value === null) {
      if (header === 'Request-Id' || rule.required) wrong.push(`${name}: no ${header}`);
    } else {
      const typed = resolve(rule.schema).type === 'integer' ? Number(value) : value;
      wrong.push(...violations(rule.schema, typed).map((why) => `${name}: ${header}: ${why}`));
    }
  }

  const media = (headers.get('content-type') ?? '').split(';')[0];
  const types = Object.keys(response.content ?? {});
  if (types.length === 0) {
    if (body !== '') wrong.push(`${name}: has a body, the document has none`);
    return wrong;
  }
  if (!types.includes(media)) return [...wrong, `${name}: is ${media || 'without a type'}, the document says ${types.join(', ')}`];
  if (media !== 'application/json') return wrong;

  let value;
  try {
    value = JSON.parse(body);
  } catch {
    return [...wrong, `${name}: not JSON: ${body.slice(0, 200)}`];
  }
  const { schema } = response.content[media];
  wrong.push(...violations(schema, value).map((why) => `${name}: ${why}`));
  wrong.push(...undocumented(schema, value).map((member) => `${name}: "${member}" is not in the document`));
  // Of an answer of JSON-RPC the code is within its error. What could be read comes with 200, whatever it says.
  if (value.jsonrpc) {
    if (status >= 400 && !codesOf(operation, status).includes(value.error?.data?.code)) wrong.push(`${name}: code ${value.error?.data?.code} is not documented`);
    return wrong;
  }
  // The agent protocols' errors are flat.
  if (status >= 400 && !value.error && resolve(schema).required?.includes('code')) {
    const codes = codesOf(operation, status);
    if (!codes.includes(value.code)) wrong.push(`${name}: code ${value.code} is not among ${codes.join(', ') || 'none'}`);
  }
  if (status >= 400 && value.error) {
    const codes = codesOf(operation, status);
    if (!codes.includes(value.error.code)) wrong.push(`${name}: code ${value.error.code} is not among ${codes.join(', ') || 'none'}`);
    // A replayed refusal is the first one byte for byte, and names the first request.
    if (value.error.request_id !== headers.get('request-id') && !headers.has('idempotent-replayed')) wrong.push(`${name}: request_id and Request-Id differ`);
  }
  return wrong;
}

/** Fails unless the document describes this answer. Gives back its JSON, or its text. */
export async function assertAnswer(method, url, response) {
  const body = await response.text();
  const wrong = wrongWith(method, url, { status: response.status, headers: response.headers, body });
  assert.deepEqual(wrong, [], `${method} ${url} is not as documented`);
  return (response.headers.get('content-type') ?? '').startsWith('application/json') ? JSON.parse(body) : body;
}
