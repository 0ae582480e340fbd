// What is different in Stripe's API v2: bodies are JSON with types of their own, and dates are printed.
import { invalid } from './errors.mjs';

const inside = (at, name) => (at === '' ? name : typeof name === 'number' ? `${at}[${name}]` : `${at}.${name}`);
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

const refuse = (code, message) => {
  throw invalid(message, { code });
};

/** A body as it was sent → what it says; anything else is refused. */
export function readJson(body, type) {
  if (type !== 'application/json') refuse('unsupported_media_type', `Send application/json; this was ${type || 'without a Content-Type'}.`);
  let value;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    refuse('invalid_json', 'The body is no JSON.');
  }
  if (!isObject(value)) refuse('invalid_json', 'The body has to be an object.');
  return value;
}

/** Holds a body against `parameters.mjs`, as check.mjs does with forms. */
export function checkJson(value, fields, at = '') {
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) refuse('unknown_field', `There is no field ${inside(at, unknown)}.`);
  const checked = {};
  for (const [name, rule] of Object.entries(fields)) {
    const given = value[name];
    if (given === undefined || given === null) {
      if (rule.required) refuse('missing_field', `The field ${inside(at, name)} is required.`);
    } else {
      checked[name] = checkValue(given, rule, inside(at, name));
    }
  }
  return checked;
}

function checkValue(value, rule, at) {
  if (rule.unplayed) refuse('field_not_played_here', `${at} exists at Stripe, but this local stand-in does not play it.`);
  const expect = (holds, what) => { if (!holds) refuse('invalid_field', `${at} has to be ${what}.`); };
  switch (rule.type) {
    case 'object':
      expect(isObject(value), 'an object');
      return checkJson(value, rule.fields, at);
    case 'array':
      expect(Array.isArray(value), 'a list');
      return value.map((item, index) => checkValue(item, rule.items, inside(at, index)));
    case 'metadata':
      expect(isObject(value) && Object.values(value).every((text) => typeof text === 'string'), 'an object of strings');
      expect(Object.keys(value).length <= 50, 'of 50 keys at most');
      return value;
    case 'boolean':
      expect(typeof value === 'boolean', 'true or false');
      return value;
    case 'integer':
      expect(Number.isSafeInteger(value), 'a whole number');
      return value;
    default:
      expect(typeof value === 'string', 'a string');
      expect(!rule.values || (rule.open && !rule.strict) || rule.values.includes(value), `one of ${rule.values?.join(', ')}`);
      return value;
  }
}

/** Seconds as v2 prints them. */
export const printed = (seconds) => new Date(seconds * 1000).toISOString();

/** A page of v2: the addresses of the pages beside it carry a `page` that means nothing to others. */
export function page(items, { limit = 10, page: token }, url) {
  if (limit < 1 || limit > 100) refuse('invalid_field', `limit is between 1 and 100, not ${limit}.`);
  const from = token === undefined ? 0 : Number(/^p_(\d{1,6})$/.exec(token)?.[1] ?? refuse('invalid_page', 'This page is none of ours.'));
  const at = (start) => `${url}?${new URLSearchParams({ limit, page: `p_${start}` })}`;
  return {
    data: structuredClone(items.slice(from, from + limit)),
    next_page_url: from + limit < items.length ? at(from + limit) : null,
    previous_page_url: from > 0 ? at(Math.max(0, from - limit)) : null,
  };
}
