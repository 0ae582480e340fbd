// The demo shop: a storefront that sells through the CognitiveCart Worker, and the worked example for plugin authors.
// It uses the public contract only and imports nothing of the Worker. README.md beside this file says in which order to read.

import { fileURLToPath } from 'node:url';
import { createAgentClient } from './agent/client.mjs';
import { createEvents } from './agent/events.mjs';
import { createShopping } from './agent/shopping.mjs';
import { createWallet } from './agent/wallet.mjs';
import { createAgentOrders } from './agent-orders.mjs';
import { createCheckout } from './checkout.mjs';
import { createConnectivity } from './connectivity.mjs';
import { createExchangeLog } from './exchanges.mjs';
import { createLedger } from './ledger.mjs';
import { createManifest } from './manifest.mjs';
import { createOrders } from './orders.mjs';
import { createNotices } from './notices.mjs';
import { NAME } from './pages/layout.mjs';
import { createRegistration } from './registration.mjs';
import { createRoutes } from './routes.mjs';
import { createSelling } from './selling.mjs';
import { createStripeCatalogue } from './stripe-catalogue.mjs';
import { createHandler, listen } from './server.mjs';
import { createStock } from './stock.mjs';
import { createStripeAgents } from './stripe-agents.mjs';
import { createStripeRules } from './stripe-rules.mjs';
import { openStore } from './store.mjs';
import { createWorkerClient } from './worker-client.mjs';

/**
 * persist: path of the state file, or undefined for memory only
 * stripeUrl: of the local Stripe, from which the demo's agent has its tokens; undefined where the real one is spoken to
 * operatorKey: needed only where the Worker says REGISTRATION=operator
 * log: false, true, or a function that takes a line
 * -> {url, port, close()}
 */
export async function startShop({ port = 0, workerUrl, stripeUrl, persist, operatorKey, log = false, now = () => Math.floor(Date.now() / 1000) }) {
  const write = typeof log === 'function' ? log : log ? (line) => console.log(`[shop] ${line}`) : () => {};
  const store = openStore(persist);

  // The address is known only once the port is: listen first, answer 503 until the rest is put together.
  let handle = (request, response) => { response.writeHead(503).end(); };
  const server = await listen((request, response) => handle(request, response), port);
  const siteUrl = server.url;

  let registration;
  const client = createWorkerClient({ workerUrl, apiKey: () => registration?.current()?.api_key });
  registration = createRegistration({ store, siteUrl, client, name: NAME, operatorKey, now });
  const connectivity = createConnectivity({ store, client, returnUrl: `${siteUrl}/admin/connectivity`, now });
  const stock = createStock({ store });
  let selling;
  const orders = createOrders({
    store, now,
    onPaid(order) {
      stock.take(order.lines);
      // What an agent bought the Worker has counted itself.
      if (!order.agent_order) selling.tellStock(order.lines);
    },
  });
  const checkout = createCheckout({ store, orders, client, siteUrl, now });
  const ledger = createLedger({ client, orders });
  const agentOrders = createAgentOrders({ store, orders, client, siteUrl, log: write, now });
  const notices = createNotices({ store, orders, ledger, agentOrders, registration, log: write, now });
  const manifest = createManifest({ client, registration, siteUrl, name: NAME, now });

  selling = createSelling({ store, client, registration, connectivity, stock, siteUrl, log: write, now });

  const stripeRules = createStripeRules({ store, client });

  // The agent. Nothing of it reaches into the shop but its key, its secret and what the shop has uploaded.
  const wallet = createWallet({ stripeUrl, now });
  const shopping = createShopping({
    send: createAgentClient({ workerUrl: client.workerUrl, credentials: () => selling.agent(), now }),
    wallet, agent: () => selling.agent(), now,
    titleOf: (id) => selling.told().catalogue?.rows.find((row) => row.id === id)?.title,
  });
  const events = createEvents({ store, now });

  const { routes, onError } = createRoutes({
    store, client, registration, connectivity, orders, checkout, ledger, notices, manifest,
    selling, stripeAgents: createStripeAgents({ client }), stripeCatalogue: createStripeCatalogue({ client, stock, siteUrl }), stock, agentOrders, stripeRules, stripeUrl, wallet, shopping, events,
    exchanges: createExchangeLog(), siteUrl, name: NAME, now, log: write,
  });
  handle = createHandler({
    routes, onError, secret: store.state.secret, canonical: () => siteUrl,
    hosts: () => ['localhost', '127.0.0.1', '[::1]'].map((host) => `${host}:${server.port}`),
  });
  write(`open at ${siteUrl}, Worker at ${client.workerUrl}`);
  return { url: siteUrl, port: server.port, close: server.close };
}

// node sandbox/shop/index.mjs: the shop alone, against a Worker that runs elsewhere.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await startShop({
    port: Number(process.env.SHOP_PORT ?? 8789), workerUrl: process.env.WORKER_URL ?? 'http://localhost:8787',
    stripeUrl: process.env.STRIPE_URL, persist: process.env.SHOP_STATE, operatorKey: process.env.ADMIN_KEY, log: true,
  });
}
