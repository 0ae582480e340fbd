// Agents that buy at Stripe (contract, "Stripe's agentic commerce"): Stripe has the catalogue, sells in the shop's name, and asks the
// Worker before each sale; the Worker decides by rules that the shop has set. A plugin sets them, and may answer for itself:
//
//   rules      PUT /v1/agentic/rules    what is sold to agents; the first one switches it on, enabled:false off
//   question   POST order.approval      only where the rules say ask_shop: 2.5 seconds to say yes or no, signed like a notice (quote.mjs)
//
// What was bought comes like any order of an agent's, by the notice `order.created` (agent-orders.mjs).

import { toMinor } from './money.mjs';

export function createStripeRules({ store, client }) {
  const { state } = store;
  const mode = () => state.settings.mode;

  const rules = (recorder) => client.call('GET', '/v1/agentic/rules', { query: { mode: mode() }, recorder });

  /** wish: {enabled, max (in dollars, or empty), countries, blocked, requireStock, askShop, onTrouble}, as the page's form has them. */
  function setRules(wish, recorder) {
    const list = (text) => text.split(/[\s,]+/).map((word) => word.trim()).filter(Boolean);
    const countries = list(wish.countries.toUpperCase());
    const blocked = list(wish.blocked);
    return client.call('PUT', '/v1/agentic/rules', {
      body: {
        enabled: wish.enabled, mode: mode(), ask_shop: wish.askShop, on_trouble: wish.onTrouble,
        approve: {
          require_stock: wish.requireStock,
          ...(wish.max && { max_total: { usd: toMinor(wish.max, 'usd') } }),
          ...(countries.length > 0 && { countries }),
          ...(blocked.length > 0 && { blocked_skus: blocked }),
        },
      },
      recorder,
    });
  }

  return { rules, setRules };
}
