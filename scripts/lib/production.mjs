// What wrangler.toml and the secrets of a Worker in production must have; looked at as text, so that comments survive a change.

import { readSlots } from './move.mjs';

const ZEROS = /^[0-]*$/;

/** The value of `key = "…"` below a table's heading. */
function valueOf(toml, heading, key) {
  const at = toml.indexOf(`\n${heading}`);
  if (at < 0) return undefined;
  const body = toml.slice(at + 1 + heading.length).split(/^\[/m)[0];
  return new RegExp(`^\\s*${key}\\s*=\\s*"([^"]*)"`, 'm').exec(body)?.[1];
}

export function readWrangler(toml) {
  const text = `\n${toml}`;
  return {
    d1: valueOf(text, '[[d1_databases]]', 'database_id'),
    d1Name: valueOf(text, '[[d1_databases]]', 'database_name'),
    kv: valueOf(text, '[[kv_namespaces]]', 'id'),
    publicUrl: valueOf(text, '[vars]', 'PUBLIC_URL'),
    allowLocal: valueOf(text, '[vars]', 'ALLOW_LOCAL'),
  };
}

/** -> { bound: {DB: id}, places: (slot) => name, moving: [slots] }, of the databases and what the variables say of them */
export function readDatabases(toml) {
  const text = `\n${toml}`;
  const bound = {};
  for (const block of text.split('\n[[d1_databases]]').slice(1)) {
    const body = block.split(/^\[/m)[0];
    const value = (key) => new RegExp(`^\\s*${key}\\s*=\\s*"([^"]*)"`, 'm').exec(body)?.[1];
    bound[value('binding')] = value('database_id');
  }
  const placement = valueOf(text, '[vars]', 'DATABASES') ?? 'DB=0-31';
  const parts = placement.trim().split(/\s+/).map((part) => part.split('='));
  const moving = valueOf(text, '[vars]', 'DATABASES_MOVING');
  return { bound, places: (slot) => parts.find(([, slots]) => readSlots(slots).includes(slot))?.[0], moving: moving ? readSlots(moving) : [] };
}

export const isPlaceholder = (id) => id === undefined || ZEROS.test(id);

/** Puts the ids that were created in the place of the zeros. */
export function withIds(toml, { d1, kv }) {
  const put = (text, key, id) => (id ? text.replace(new RegExp(`^(\\s*${key}\\s*=\\s*)"[0-]*"`, 'm'), `$1"${id}"`) : text);
  return put(put(toml, 'database_id', d1), 'id', kv);
}

const MAKE_SEAL_KEY = `node -p "'k1:' + require('crypto').randomBytes(32).toString('hex')"`;

/** -> what is missing, each with what it is and how it comes about */
export function missingSecrets(names) {
  const has = new Set(names);
  const pair = (prefix) => has.has(`${prefix}SECRET_KEY`) && has.has(`${prefix}CLIENT_ID`);
  const missing = [];
  const want = (name, what) => { if (!has.has(name)) missing.push({ name, what }); };
  if (!pair('STRIPE_') && !pair('STRIPE_TEST_')) {
    want('STRIPE_SECRET_KEY', "the platform's live key: Stripe's Dashboard, Developers → API keys (or the test pair: STRIPE_TEST_SECRET_KEY, STRIPE_TEST_CLIENT_ID)");
    want('STRIPE_CLIENT_ID', "ca_…: Stripe's Dashboard, Settings → Connect → OAuth");
  } else {
    for (const prefix of ['STRIPE_', 'STRIPE_TEST_']) {
      if (has.has(`${prefix}SECRET_KEY`) !== has.has(`${prefix}CLIENT_ID`)) {
        want(`${prefix}SECRET_KEY`, 'its other half is there');
        want(`${prefix}CLIENT_ID`, 'its other half is there');
      }
    }
  }
  want('STRIPE_WEBHOOK_SECRETS', 'whsec_… of each endpoint that Stripe has on /stripe/webhooks, separated by commas');
  want('SEAL_KEYS', `seals tokens and signing secrets; make one by  ${MAKE_SEAL_KEY}  and keep a copy in a safe place`);
  return missing;
}
