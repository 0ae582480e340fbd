// Selling to agents by the Agentic Commerce Protocol: what a plugin tells the Worker once, so that agents can buy without the shop
// being asked each time (contract, "Agents, catalogue, fulfilment").
//
//   1. rules      PUT /v1/shop/fulfillment     how it delivers, taxes, coupons           (rules.mjs)
//   2. pages      PATCH /v1/shop               links that agents show, address of the live quote (policies.mjs, quote.mjs)
//   3. catalogue  PUT /v1/catalogue/products   everything that is for sale, as a file     (feed.mjs)
//   4. agent      POST /v1/agents              a key for an agent, and where it wants to hear of its orders
//
// In this order: from step 4 on somebody can buy, and then prices and rules have to be there. Each of 1 to 3 replaces what was,
// so doing it all again repairs whatever went wrong half-way.

import { randomUUID } from 'node:crypto';
import { EVENTS_PATH } from './agent/events.mjs';
import { catalogueRows, ndjson } from './feed.mjs';
import { policyLinks } from './policies.mjs';
import { QUOTE_PATH } from './quote.mjs';
import { fulfillmentRules } from './rules.mjs';
import { counted } from './stock.mjs';

/** Not a name that anybody else has: it is what the ledger's reports show. */
export const AGENT_NAME = 'Errand';

export function createSelling({ store, client, registration, connectivity, stock, siteUrl, log, now }) {
  const { state, save } = store;

  /** What the Worker was told, as far as it was told in the name of this registration; a new one begins with nothing. */
  function told() {
    const shop = registration.current()?.id ?? null;
    if (!state.selling || state.selling.shop !== shop) state.selling = { shop };
    return state.selling;
  }

  /** The agent of a mode, or undefined. Its key is no use at another registration. */
  function agent(mode = state.settings.mode) {
    const found = state.agents?.[mode];
    return found && found.shop === registration.current()?.id ? found : undefined;
  }

  async function start(mode, recorder) {
    await sendRules(recorder);
    await sendPages(recorder);
    await uploadCatalogue(recorder);
    return agent(mode) ?? makeAgent(mode, recorder);
  }

  async function sendRules(recorder) {
    await client.call('PUT', '/v1/shop/fulfillment', { body: fulfillmentRules(), recorder });
    told().rules_at = now();
    save();
  }

  async function sendPages(recorder) {
    await client.call('PATCH', '/v1/shop', { body: { links: policyLinks(siteUrl), quote_url: quoteUrl() }, recorder });
    told().pages_at = now();
    save();
  }

  /** All or nothing: should it break off, the catalogue is the one before. Bad rows are left out and named. */
  async function uploadCatalogue(recorder) {
    const rows = catalogueRows({ siteUrl, left: stock.left });
    const answer = await client.call('PUT', '/v1/catalogue/products', {
      body: ndjson(rows), media: 'application/x-ndjson', idempotencyKey: randomUUID(), recorder,
    });
    const { id, accepted, rejected, errors } = answer;
    // `rows` is also what the agent of this demo knows of the shop: what was true at the last upload.
    told().catalogue = { id, accepted, rejected, errors, rows, at: now() };
    save();
    return told().catalogue;
  }

  /** The agent's mode is fixed at its birth: a test agent never moves money. */
  async function makeAgent(mode, recorder) {
    await removeStrays(mode, recorder);
    const { account } = await connectivity.status(mode, recorder);
    // Not repeatable, since the key is shown once: a lost answer leaves an agent behind that removeStrays finds.
    const made = await client.call('POST', '/v1/agents', { body: { name: AGENT_NAME, mode, webhook_url: siteUrl + EVENTS_PATH, allow: ['acp'] }, recorder });
    // A shop hands key and secret over to whoever runs the agent and forgets them. Here both live under one roof, and under one
    // file that only its owner may read; no page and no address ever shows them.
    state.agents = { ...state.agents, [mode]: {
      shop: registration.current().id, id: made.id, name: made.name, mode, created: made.created,
      api_key: made.api_key, signing_secret: made.signing_secret,
      // To whom the agent's tokens are made out. Up to 2025-12-12 no answer says it, so agents learn it when they join.
      account,
    } };
    save();
    return agent(mode);
  }

  /** Agents of ours whose keys nobody has. */
  async function removeStrays(mode, recorder) {
    const { data } = await client.call('GET', '/v1/agents', { query: { limit: 100 }, recorder });
    const strays = data.filter((one) => one.webhook_url === siteUrl + EVENTS_PATH && one.mode === mode && one.id !== agent(mode)?.id);
    for (const stray of strays) await client.call('DELETE', `/v1/agents/${stray.id}`, { recorder });
  }

  /** Shuts the door: the agent's key answers 401 from now on. Its orders stay, and so does the catalogue. */
  async function stop(mode, recorder) {
    const one = agent(mode);
    if (!one) return;
    try {
      await client.call('DELETE', `/v1/agents/${one.id}`, { recorder });
    } catch (error) {
      if (error.status !== 404) throw error; // gone already
    }
    delete state.agents[mode];
    save();
  }

  async function setQuote(way, recorder) {
    const before = state.settings.quote;
    state.settings.quote = way; // first, so that the endpoint behaves as it is asked
    try {
      await sendPages(recorder);
    } catch (error) {
      state.settings.quote = before;
      throw error;
    }
  }

  const quoteWay = () => state.settings.quote ?? 'off';
  const quoteUrl = () => (quoteWay() === 'off' ? null : siteUrl + QUOTE_PATH);

  /**
   * Tells the Worker how many are left of what the shop has sold by itself. Nobody waits for it, and when it is lost the next
   * upload makes it good; until then an agent may sell the same last piece, and the second buyer gets his money back.
   */
  function tellStock(lines, recorder) {
    if (!told().catalogue) return;
    const levels = counted(lines).map(({ product }) => ({ id: product.id, inventory_quantity: stock.left(product), availability: stock.left(product) > 0 ? 'in_stock' : 'out_of_stock' }));
    if (levels.length === 0) return;
    client.call('PATCH', '/v1/catalogue/inventory', { body: levels, recorder }).catch((error) => log(`stock was not told: ${error.message}`));
  }

  /** Secrets that an event to an agent of ours may be signed with. */
  const eventSecrets = () => Object.values(state.agents ?? {}).map((one) => one.signing_secret);

  return { told, agent, start, stop, uploadCatalogue, setQuote, quoteWay, tellStock, eventSecrets };
}
