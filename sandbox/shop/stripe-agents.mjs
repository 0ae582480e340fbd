// Agents that sell through Stripe: the merchant switches them on in Stripe's own settings, and the shop shows what came of it
// (contract, "Stripe's agentic commerce").
//
//   settings()   POST /v1/agentic/settings_link -> a page that opens once, for a shop that cannot mount Stripe's component itself
//   list()       GET /v1/agentic/agreements     -> which agents may sell here, and how far each agreement is
//   confirm(), terminate()                         in the shop's name; may be sent again, since what is done is answered as done
//
// A plugin whose pages may carry scripts mounts the component itself, with POST /v1/agentic/account_sessions.

export function createStripeAgents({ client }) {
  const settings = async (mode, recorder) => (await client.call('POST', '/v1/agentic/settings_link', { body: { mode }, recorder })).url;

  const list = async (mode, recorder) => (await client.call('GET', '/v1/agentic/agreements', { query: { mode, limit: 100 }, recorder })).data;

  const act = (what) => (id, mode, recorder) => client.call('POST', `/v1/agentic/agreements/${encodeURIComponent(id)}/${what}`, { body: { mode }, repeatable: true, recorder });

  return { settings, list, confirm: act('confirm'), terminate: act('terminate') };
}
