// Reads application/x-www-form-urlencoded as Stripe does: `a[b][0][c]=1`, `list[]=x`, later duplicates win.
import { invalid } from './errors.mjs';

const MAX_PAIRS = 20_000; // 100 lines with metadata fit many times over
const MAX_DEPTH = 12;

export function mediaType(header = '') {
  const [type, ...rest] = header.split(';');
  const charset = rest.map((part) => part.trim().match(/^charset="?([\w.:-]+)"?$/i)?.[1]).find(Boolean);
  return { type: type.trim().toLowerCase(), charset: charset?.toLowerCase() ?? 'utf-8' };
}

/** Bytes in the form's own alphabet → text. A form is bytes first: percent escapes name bytes, not letters. */
function unescape(text, decoder) {
  const bytes = [];
  const raw = Buffer.from(text.replaceAll('+', ' '), 'latin1');
  for (let i = 0; i < raw.length; i += 1) {
    const hex = raw[i] === 0x25 ? raw.toString('latin1', i + 1, i + 3) : '';
    if (/^[0-9a-f]{2}$/i.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else {
      bytes.push(raw[i]);
    }
  }
  return decoder.decode(Uint8Array.from(bytes));
}

/** `a[b][]` → ['a', 'b', '']; a name that is not well formed stays whole and is then an unknown parameter. */
function path(name) {
  const match = name.match(/^([^[\]]+)((?:\[[^[\]]*\])*)$/);
  if (!match) return [name];
  const inner = [...match[2].matchAll(/\[([^[\]]*)\]/g)].map((part) => part[1]);
  return [match[1], ...inner];
}

const isBranch = (value) => typeof value === 'object' && value !== null;
const conflict = (name) => invalid(`${name} was sent both as a value and as a hash or list.`, { param: name });

function put(root, name, value) {
  const steps = path(name);
  if (steps.length > MAX_DEPTH) throw invalid(`${name.slice(0, 80)} is nested too deeply.`);
  let at = root;
  for (let i = 0; i < steps.length; i += 1) {
    const last = i === steps.length - 1;
    const step = steps[i];
    if (Array.isArray(at)) {
      // Inside `x[]`: `x[][a]=1&x[][b]=2` is one element, `x[][a]=1&x[][a]=2` are two.
      if (step !== '') throw conflict(name);
      const tail = at.at(-1);
      if (last) {
        at.push(value);
        return;
      }
      const next = steps[i + 1];
      if (!isBranch(tail) || (next !== '' && next in tail)) at.push(next === '' ? [] : Object.create(null));
      at = at.at(-1);
      continue;
    }
    if (last) {
      if (isBranch(at[step])) throw conflict(name);
      at[step] = value;
      return;
    }
    const wantsList = steps[i + 1] === '';
    if (at[step] === undefined) at[step] = wantsList ? [] : Object.create(null);
    if (!isBranch(at[step]) || Array.isArray(at[step]) !== wantsList) throw conflict(name);
    at = at[step];
  }
}

/** Text of a form (one letter a byte, i.e. latin1) → nested objects without prototypes. */
export function decodeForm(text, charset = 'utf-8') {
  let decoder;
  try {
    decoder = new TextDecoder(charset, { fatal: true });
  } catch {
    throw invalid(`The charset ${charset} is not known.`);
  }
  const root = Object.create(null);
  const pairs = text.split('&').filter(Boolean);
  if (pairs.length > MAX_PAIRS) throw invalid('Too many parameters.');
  for (const pair of pairs) {
    const cut = pair.indexOf('=');
    const [name, value] = cut < 0 ? [pair, ''] : [pair.slice(0, cut), pair.slice(cut + 1)];
    let decoded;
    try {
      decoded = [unescape(name, decoder), unescape(value, decoder)];
    } catch {
      throw invalid(`The form is not valid ${charset}.`);
    }
    put(root, ...decoded);
  }
  return root;
}

/** Query strings arrive as text already percent-encoded in ASCII; the same rules hold. */
export const decodeQuery = (search) => decodeForm(Buffer.from(search.replace(/^\?/, ''), 'utf8').toString('latin1'));
