// `npm start`: the Worker, a local Stripe and a demo shop on this machine, ready to be clicked through.
//   --port N     the Worker's port; the local Stripe and the shop take the next two (or PORT_WORKER, PORT_STRIPE, PORT_SHOP)
//   --fresh      forget everything that earlier runs left
//   --verbose    show all that the Worker logs (it is always in .state/worker.log)
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { build } from './build.mjs';
import { inRoot, STATE } from './lib/paths.mjs';
import { alsoOnIPv6, requireFree } from './lib/ports.mjs';
import { readDatabases } from './lib/production.mjs';
import { step } from './lib/progress.mjs';
import { effectiveVars, hasRealKeys, keptSecrets, parseVars, printVars, writePrivate } from './lib/vars.mjs';
import { startWrangler, wrangler } from './lib/wrangler.mjs';
import { main, setup } from './setup.mjs';

const SWEEP_MS = 60_000;

function options() {
  const { values } = parseArgs({ options: { port: { type: 'string' }, fresh: { type: 'boolean' }, verbose: { type: 'boolean' } } });
  const port = Number(values.port ?? process.env.PORT_WORKER ?? 8787);
  const next = (name, offset) => Number(process.env[name] ?? port + offset);
  const ports = { Worker: port, 'local Stripe': next('PORT_STRIPE', 1), 'demo shop': next('PORT_SHOP', 2) };
  for (const [name, value] of Object.entries(ports)) if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new Error(`the port of the ${name} is not a port`);
  return { ports, ...values };
}

/** What has to be ended, last come first. */
const running = [];
let ending = false;
async function end(code) {
  if (ending) return;
  ending = true;
  for (const stop of running.reverse()) await Promise.resolve(stop()).catch((error) => console.error(error.message));
  process.exit(code);
}

async function startWorker({ ports, verbose, envFile, workerUrl }) {
  const log = createWriteStream(join(STATE, 'worker.log'), { mode: 0o600 });
  const child = startWrangler(['dev', '--port', String(ports.Worker), '--ip', '127.0.0.1', '--env-file', envFile, '--local', '--inspector-port', '0', '--show-interactive-dev-session=false']);
  const exited = once(child, 'exit');
  const signal = (name) => { try { process.kill(process.platform === 'win32' ? child.pid : -child.pid, name); } catch { /* gone already */ } };
  running.push(async () => {
    const kill = setTimeout(signal, 5_000, 'SIGKILL');
    signal('SIGTERM');
    await exited;
    clearTimeout(kill);
  });
  // A crash that skips end() must not leave workerd behind.
  process.on('exit', () => signal('SIGKILL'));

  let tail = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (coloured) => {
      const line = stripVTControlCharacters(coloured);
      log.write(`${line}\n`);
      tail = [...tail.slice(-40), line];
      if (verbose || /^\s*(✘|X) \[ERROR\]|^error(\[|:)|panicked/.test(line)) console.log(`[worker] ${line}`);
    });
  }
  exited.then(([code]) => {
    if (ending) return;
    console.error(`\nThe Worker ended by itself (${code}). Its last words:\n${tail.join('\n')}`);
    end(1);
  });
  for (const deadline = Date.now() + 120_000; ;) {
    if (await fetch(`${workerUrl}/healthz`, { signal: AbortSignal.timeout(15_000) }).then(() => true, () => false)) return;
    if (Date.now() > deadline) throw new Error(`the Worker did not answer within two minutes:\n${tail.join('\n')}`);
    await new Promise((resolve) => { setTimeout(resolve, 200); });
  }
}

/** Locally nothing calls the cron handler, and without it lost webhooks would never be made good. */
function sweepEveryMinute(ports) {
  const timer = setInterval(() => {
    fetch(`http://127.0.0.1:${ports.Worker}/cdn-cgi/local/scheduled?cron=${encodeURIComponent('* * * * *')}`).then((answer) => answer.text(), () => {});
  }, SWEEP_MS);
  running.push(() => clearInterval(timer));
}

await main(import.meta.url, async () => {
  const began = performance.now();
  const { ports, fresh, verbose } = options();
  await requireFree(ports);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => { console.log('\nending …'); end(0); });

  if (fresh) for (const path of [STATE, inRoot('.wrangler', 'state')]) rmSync(path, { recursive: true, force: true });
  mkdirSync(STATE, { recursive: true });
  console.log('CognitiveCart Worker: getting ready');
  await setup();
  await build();

  const own = existsSync(inRoot('.dev.vars')) ? parseVars(readFileSync(inRoot('.dev.vars'), 'utf8')) : {};
  const sandbox = !hasRealKeys(own);
  const secrets = keptSecrets(join(STATE, 'secrets.json'));
  const workerUrl = `http://localhost:${ports.Worker}`;
  const stripeUrl = sandbox ? `http://localhost:${ports['local Stripe']}` : undefined;

  // Handed over in a file that only we may read: `ps` shows every argument to everybody.
  const envFile = join(STATE, 'worker.env');
  writePrivate(envFile, printVars(effectiveVars({ own, secrets, workerUrl, stripeUrl })));

  try {
    if (sandbox) {
      const { startStripe } = await import('../sandbox/stripe/index.mjs');
      const hook = `${workerUrl}/stripe/webhooks`;
      const stripe = await startStripe({
        port: ports['local Stripe'], redirectUris: [`${workerUrl}/connect/callback`], keys: secrets.stripe, persist: join(STATE, 'stripe.json'), settleAfterMs: 60_000,
        webhooks: [{ url: hook, secret: secrets.connectWebhook, connect: true }, { url: hook, secret: secrets.platformWebhook, connect: false },
          // What v2 tells (catalogues, agreements with agents, accounts that onboarding made), there is as thin events alone.
          { url: hook, secret: secrets.connectWebhook, connect: true, event_payload: 'thin', events: ['v2.*'] }],
        hooks: [{ url: `${workerUrl}/stripe/agentic-hooks`, secret: secrets.hooks }],
      });
      running.push(() => stripe.close());
    }
    for (const name of Object.keys(readDatabases(readFileSync(inRoot('wrangler.toml'), 'utf8')).bound)) {
      await step('database', 'bringing its tables up to date', () => wrangler(['d1', 'migrations', 'apply', name, '--local'], { env: { CI: 'true' } }));
    }
    await step('Worker', 'starting it in workerd', () => startWorker({ ports, verbose, envFile, workerUrl }));
    const six = await alsoOnIPv6(ports.Worker);
    if (six) running.push(() => { six.close(); });
    sweepEveryMinute(ports);

    const { startShop } = await import('../sandbox/shop/index.mjs');
    const operatorKey = own.REGISTRATION === 'operator' ? own.ADMIN_KEY ?? secrets.admin : undefined;
    const shop = await startShop({ port: ports['demo shop'], workerUrl, stripeUrl, persist: join(STATE, `shop-${ports['demo shop']}.json`), operatorKey });
    running.push(() => shop.close());
    console.log(welcome({ shop, workerUrl, stripeUrl, took: performance.now() - began, own }));
  } catch (error) {
    console.error(`\n${error.message}`);
    await end(1);
  }
});

function welcome({ shop, workerUrl, stripeUrl, took, own }) {
  const stripe = stripeUrl
    ? `  local Stripe  ${stripeUrl}   accounts, payments and events`
    : [
      '  Stripe        the real one, since .dev.vars has keys; the sandbox stays off.',
      `                Its webhooks do not reach this machine: run  stripe listen --forward-connect-to ${workerUrl}/stripe/webhooks --forward-to ${workerUrl}/stripe/webhooks`,
      ...(own.STRIPE_WEBHOOK_SECRETS ? [] : ['                and put the whsec_… that it prints into .dev.vars as STRIPE_WEBHOOK_SECRETS.']),
      `                ${workerUrl}/connect/callback must be among the redirect URIs in Stripe's Connect settings.`,
    ].join('\n');
  return `
Ready after ${(took / 1000).toFixed(1)} s.

  demo shop     ${shop.url}   begin here
  Worker        ${workerUrl}
${stripe}

  1. In the shop open "Connectivity" and connect a Stripe account${stripeUrl ? ' (in the local Stripe any will do)' : ''}.
  2. Put something into the cart, then "Chat checkout"${stripeUrl ? '; pay with card 4242 4242 4242 4242, any date to come, any code' : ''}.
  3. Open "Agent" and buy as an agent, step by step or all at once; then see both sales in the ledger.
  4. Open "At Stripe", switch it on${stripeUrl ? `, and let an agent buy at ${stripeUrl}/dashboard/agents` : ''}.

Everything is kept between runs (\`npm start -- --fresh\` forgets it). Ctrl-C ends all of it.`;
}
