// The variables of a Worker that runs on this machine: what the person wrote into .dev.vars, and what is made for them.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** NAME=value lines: quotes, comments, blank lines and `export` as everybody writes them. */
export function parseVars(text) {
  const vars = {};
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const found = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(raw);
    if (!found) continue;
    const [, name, rest] = found;
    const quoted = /^(["'`])(.*)\1(?:\s+#.*)?$/.exec(rest);
    vars[name] = quoted ? (quoted[1] === '"' ? quoted[2].replaceAll('\\n', '\n') : quoted[2]) : rest.replace(/(^|\s+)#.*$/, '');
  }
  return vars;
}

/** The other way, so that wrangler reads the same values again: it expands `$NAME` inside quotes too. */
export function printVars(vars) {
  return Object.entries(vars).filter(([, value]) => value !== undefined && value !== '').map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new Error(`${name} has a line break in it`);
    const quote = ["'", '"', '`'].find((mark) => !value.includes(mark));
    if (!quote) throw new Error(`${name} has every kind of quote in it`);
    return `${name}=${quote}${value.replaceAll('$', '\\$')}${quote}\n`;
  }).join('');
}

/** Secrets belong to whoever runs us and to nobody else on the machine. */
export function writePrivate(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600); // the mode above counts for new files only
}

const hex = (bytes) => randomBytes(bytes).toString('hex');

/** Made once and kept, so that a restart opens what was sealed before and the sandbox still knows its keys. */
export function keptSecrets(path) {
  const kept = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const all = {
    seal: `k1:${hex(32)}`, admin: `admin_${hex(16)}`, connectWebhook: `whsec_${hex(20)}`, platformWebhook: `whsec_${hex(20)}`, hooks: `whsec_${hex(20)}`,
    publishable: { test: `pk_test_sandbox${hex(12)}`, live: `pk_live_sandbox${hex(12)}` },
    stripe: {
      test: { secret: `sk_test_sandbox${hex(12)}`, clientId: `ca_sandboxtest${hex(10)}` },
      live: { secret: `sk_live_sandbox${hex(12)}`, clientId: `ca_sandboxlive${hex(10)}` },
      platform: `acct_sandbox${hex(6)}`,
    },
    ...kept,
  };
  writePrivate(path, `${JSON.stringify(all, undefined, 2)}\n`);
  return all;
}

/** Whether the person brought keys of the real Stripe: then the sandbox stays off. */
export const hasRealKeys = (own) => ['STRIPE_SECRET_KEY', 'STRIPE_TEST_SECRET_KEY'].some((name) => /^(sk|rk)_(test|live)_/.test(own[name] ?? ''));

/** own: .dev.vars. secrets: keptSecrets. stripeUrl: the sandbox's, or undefined where the real Stripe is spoken to. */
export function effectiveVars({ own, secrets, workerUrl, stripeUrl }) {
  const always = { PUBLIC_URL: workerUrl, ALLOW_LOCAL: 'true', SHOP_VERIFICATION: 'required', SEAL_KEYS: secrets.seal, ADMIN_KEY: secrets.admin };
  if (!stripeUrl) return { ...always, ...own };
  return {
    ...always,
    // So that the ledger has something to show; who brings terms of their own sees those alone.
    ...(own.FEE_BPS === undefined && own.FEE_FIXED === undefined && { FEE_BPS: '250', FEE_FIXED: 'usd=30' }),
    ...own,
    STRIPE_SECRET_KEY: secrets.stripe.live.secret, STRIPE_CLIENT_ID: secrets.stripe.live.clientId,
    STRIPE_TEST_SECRET_KEY: secrets.stripe.test.secret, STRIPE_TEST_CLIENT_ID: secrets.stripe.test.clientId,
    // Nothing but their form is looked at: in the sandbox a browser needs no key of its own.
    STRIPE_PUBLISHABLE_KEY: 'pk_live_sandbox', STRIPE_TEST_PUBLISHABLE_KEY: 'pk_test_sandbox',
    STRIPE_API_BASE: stripeUrl, STRIPE_CONNECT_BASE: stripeUrl, STRIPE_FILES_BASE: stripeUrl,
    STRIPE_WEBHOOK_SECRETS: `${secrets.connectWebhook},${secrets.platformWebhook}`, STRIPE_HOOK_SECRETS: secrets.hooks,
    STRIPE_PUBLISHABLE_KEY: secrets.publishable.live, STRIPE_TEST_PUBLISHABLE_KEY: secrets.publishable.test,
  };
}
