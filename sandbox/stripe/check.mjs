// Holds a decoded form against `parameters.mjs`: returns typed values, or refuses as Stripe does.
import { StripeError, invalid, missing } from './errors.mjs';
import { isCurrency } from './money.mjs';

const inside = (at, name) => (at ? `${at}[${name}]` : name);
const isObject = (value) => typeof value === 'object' && value !== null;
const short = (value) => (isObject(value) ? 'a hash' : String(value).slice(0, 60));

function refuse(message, param, code) {
  throw invalid(message, { param, ...(code && { code }) });
}

/** `x[]=a` is a list already; `x[0]=a&x[1]=b` came as a hash with indices for names. */
function asList(value) {
  if (Array.isArray(value)) return value;
  const names = Object.keys(value);
  if (!names.every((name) => /^\d{1,6}$/.test(name))) return null;
  return names.sort((a, b) => a - b).map((name) => value[name]);
}

function checkMetadata(value, at) {
  if (!isObject(value) || Array.isArray(value)) refuse(`${at} has to be a hash.`, at);
  const names = Object.keys(value);
  if (names.length > 50) refuse(`Metadata can have up to 50 keys; there are ${names.length}.`, at);
  const kept = {};
  for (const name of names) {
    const param = inside(at, name);
    if (isObject(value[name])) refuse('Metadata values are strings, not hashes.', param);
    if ([...name].length > 40) refuse(`Metadata keys have up to 40 characters: ${short(name)}.`, param);
    if ([...value[name]].length > 500) refuse('Metadata values have up to 500 characters.', param);
    kept[name] = value[name]; // '' stays for the caller: it unsets a key on an update
  }
  return kept;
}

function checkRange(value, at, under) {
  if (!isObject(value)) return { gte: readInteger(value, at), lte: readInteger(value, at) };
  return checkHash(value, Object.fromEntries(['gt', 'gte', 'lt', 'lte'].map((name) => [name, { type: 'integer' }])), at, under);
}

function readInteger(value, at) {
  if (!/^-?\d{1,16}$/.test(value) || !Number.isSafeInteger(Number(value))) {
    refuse(`Invalid integer: ${short(value)}`, at, 'parameter_invalid_integer');
  }
  return Number(value);
}

function looksLikeUrl(value) {
  // Braces are allowed: the {CHECKOUT_SESSION_ID} template has to pass.
  try {
    const { protocol, hostname } = new URL(value);
    return /^https?:$/.test(protocol) && hostname !== '' && !/\s/.test(value);
  } catch {
    return false;
  }
}

function checkText(value, rule, at) {
  if (rule.values && !rule.values.includes(value)) {
    refuse(`Invalid ${at}: must be one of ${rule.values.slice(0, 12).join(', ')}${rule.values.length > 12 ? ', …' : ''}`, at);
  }
  if (rule.max && [...value].length > rule.max) {
    refuse(`Invalid string: ${value.slice(0, 10)}…; must be at most ${rule.max} characters`, at, 'parameter_invalid_string_too_long');
  }
  if (rule.format === 'currency' || rule.looks === 'currency') {
    if (!isCurrency(value.toLowerCase())) refuse(`Invalid currency: ${short(value)}.`, at);
    return value.toLowerCase();
  }
  if (rule.format === 'decimal' && !/^-?\d{1,15}(\.\d{1,12})?$/.test(value)) {
    refuse(`Invalid decimal: ${short(value)}; up to 12 decimal places`, at);
  }
  if (rule.looks === 'url' && !looksLikeUrl(value)) refuse('Not a valid URL', at, 'url_invalid');
  if (rule.looks === 'email' && !/^[^\s@]+@[^\s@]+$/.test(value)) refuse(`Invalid email address: ${short(value)}`, at, 'email_invalid');
  return value;
}

function checkValue(value, rule, at, under) {
  if (rule.gone) refuse(`${at} is no longer supported in this API version.`, at, rule.gone);
  if (rule.unplayed) {
    refuse(`${at} exists at Stripe, but this local stand-in does not play it.`, at, 'parameter_not_played_here');
  }
  if (value === '') {
    if (rule.clearable) return '';
    if (rule.type !== 'metadata') {
      refuse(`${at} was sent empty. Leave it out, or give it a value.`, at, 'parameter_invalid_empty');
    }
    return {};
  }
  switch (rule.type) {
    case 'metadata': return checkMetadata(value, at);
    case 'range': return checkRange(value, at, under);
    case 'object':
      if (!isObject(value) || Array.isArray(value)) refuse('Invalid object', at, 'parameter_invalid_hash');
      return checkHash(value, rule.fields, at, under);
    case 'array': {
      const items = isObject(value) ? asList(value) : null;
      if (!items) refuse('Invalid array', at, 'parameter_invalid_array');
      if (rule.most && items.length > rule.most) refuse(`${at} takes up to ${rule.most} entries.`, at);
      return items.map((item, index) => checkValue(item, rule.items, inside(at, index), under));
    }
    default:
  }
  if (isObject(value)) refuse(`Invalid ${rule.type}: a hash or list`, at, `parameter_invalid_${rule.type}`);
  if (rule.type === 'integer') return readInteger(value, at);
  if (rule.type === 'boolean') {
    if (value !== 'true' && value !== 'false') refuse(`Invalid boolean: ${short(value)}`, at);
    return value === 'true';
  }
  return checkText(value, rule, at);
}

function checkHash(value, fields, at, under) {
  const known = (name) => Object.hasOwn(fields, name) && (under.preview || !fields[name].preview);
  const unknown = Object.keys(value).filter((name) => !known(name)).map((name) => inside(at, name));
  if (unknown.length > 0) {
    throw new StripeError(400, {
      code: 'parameter_unknown', param: unknown[0],
      message: `Received unknown parameter${unknown.length > 1 ? 's' : ''}: ${unknown.slice(0, 10).join(', ')}`,
    });
  }
  const result = {};
  for (const [name, rule] of Object.entries(fields)) {
    if (value[name] === undefined) {
      if (known(name) && (rule.required === 'general' ? !under.preview : rule.required)) throw missing(inside(at, name));
    } else {
      result[name] = checkValue(value[name], rule, inside(at, name), under);
    }
  }
  return result;
}

/** `preview`: whether the version of the call has what only previews have. */
export const check = (params, fields, { preview = false } = {}) => checkHash(params, fields, '', { preview });
