// `npm run move`: shops of some slots from one D1 database to another. docs/scale.md tells when and in which order.
//   npm run move -- copy  --slots 7 --from DB --to DB_2           copies and compares
//   npm run move -- clean --slots 7 --from DB --to DB_2           takes them away from --from, once DATABASES leads to --to
//   npm run move -- abort --slots 7 --from DB --to DB_2           takes away what was copied: they stay in --from
//   All of it while the slots stand in DATABASES_MOVING.
//   --local    the databases of `npm start` instead of those at Cloudflare
// At Cloudflare it needs CLOUDFLARE_ACCOUNT_ID and a CLOUDFLARE_API_TOKEN that may edit D1.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { abort, clean, copy, readSlots } from './lib/move.mjs';
import { inRoot } from './lib/paths.mjs';
import { readDatabases } from './lib/production.mjs';
import { step } from './lib/progress.mjs';
import { main, setup } from './setup.mjs';

/** D1 by Cloudflare's API. */
function remote(id) {
  const { CLOUDFLARE_ACCOUNT_ID: account, CLOUDFLARE_API_TOKEN: token } = process.env;
  if (!account || !token) throw new Error('set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN (a token that may edit D1)');
  return async (sql, params) => {
    for (let tries = 1; ; tries += 1) {
      const answer = await fetch(`https://api.cloudflare.com/client/v4/accounts/${account}/d1/database/${id}/query`, {
        method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify({ sql, params }),
        signal: AbortSignal.timeout(60_000),
      });
      const { success, result, errors } = await answer.json();
      if (success) return result[0].results;
      // Too many requests: later. All else is tried again by copying anew.
      if (answer.status !== 429 || tries >= 5) throw new Error(`D1 answers ${answer.status}: ${JSON.stringify(errors)}`);
      await new Promise((resolve) => { setTimeout(resolve, tries * 2_000); });
    }
  };
}

const STEPS = { copy, clean, abort };

await main(import.meta.url, async () => {
  const { values, positionals: [what] } = parseArgs({
    allowPositionals: true, options: { slots: { type: 'string' }, from: { type: 'string' }, to: { type: 'string' }, local: { type: 'boolean' } },
  });
  const usage = 'npm run move -- copy|clean|abort --slots 7 --from DB --to DB_2 [--local]';
  if (!STEPS[what] || !values.slots || !values.from || !values.to || values.from === values.to) throw new Error(usage);
  const slots = readSlots(values.slots);
  const { bound, places, moving } = readDatabases(readFileSync(inRoot('wrangler.toml'), 'utf8'));
  for (const name of [values.from, values.to]) if (!bound[name]) throw new Error(`wrangler.toml binds no D1 database as ${name}`);
  const home = what === 'clean' ? values.to : values.from;
  for (const slot of slots) {
    if (places(slot) !== home) throw new Error(`DATABASES in wrangler.toml has slot ${slot} in ${places(slot)}, and to ${what} it must be in ${home}`);
    if (!moving.includes(slot)) throw new Error(`slot ${slot} is not in DATABASES_MOVING: put it there and deploy, so that nothing changes meanwhile`);
  }
  await setup();
  const proxy = values.local && await (await import('wrangler')).getPlatformProxy({ configPath: inRoot('wrangler.toml') });
  const open = (name) => (proxy ? async (sql, params) => (await proxy.env[name].prepare(sql).bind(...params).all()).results : remote(bound[name]));
  try {
    await step(what, `slots ${slots.join(', ')}: ${values.from} → ${values.to}`, (note) => STEPS[what]({ from: open(values.from), to: open(values.to), slots, say: note }));
  } finally {
    await proxy?.dispose?.();
  }
  console.log({
    copy: `Copied and compared. Now put the slots into ${values.to} in DATABASES, leave DATABASES_MOVING as it is, and deploy; then: npm run move -- clean --slots ${values.slots} --from ${values.from} --to ${values.to}`,
    clean: 'Done: the shops are where DATABASES says, and nowhere else. Now take them out of DATABASES_MOVING and deploy.',
    abort: 'The shops are where they were. Take them out of DATABASES_MOVING and deploy.',
  }[what]);
});
