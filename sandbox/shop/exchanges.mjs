// "What was sent": the calls made to the Worker, kept for the fold-out at the foot of each page.
// A teaching aid. Only in memory, only for the visitor who caused them, and with every secret masked before it is kept.
// (A real shop keeps this for its administrators.)

const SECRET_MEMBERS = new Set(['api_key', 'signing_secret', 'verifier', 'claim', 'challenge']);
const KEPT_PER_VISITOR = 12;
const MOST_VISITORS = 200;

export function createExchangeLog() {
  const byVisitor = new Map();

  return {
    recorderFor: (visitorId) => (exchange) => {
      const list = byVisitor.get(visitorId) ?? [];
      list.unshift(masked(exchange));
      list.length = Math.min(list.length, KEPT_PER_VISITOR);
      byVisitor.delete(visitorId); // to the end of the line: the first in a Map is the longest unseen
      byVisitor.set(visitorId, list);
      if (byVisitor.size > MOST_VISITORS) byVisitor.delete(byVisitor.keys().next().value);
    },
    of: (visitorId) => byVisitor.get(visitorId) ?? [],
  };
}

export function masked(exchange) {
  const sent = { ...exchange.sent };
  if (sent.authorization) sent.authorization = `Bearer ${mask(sent.authorization.slice('Bearer '.length))}`;
  return { ...exchange, sent, request: maskMembers(exchange.request), response: maskMembers(exchange.response) };
}

function maskMembers(value) {
  if (Array.isArray(value)) return value.map(maskMembers);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([name, member]) => [
    name, SECRET_MEMBERS.has(name) && typeof member === 'string' ? mask(member) : maskMembers(member),
  ]);
  const copy = Object.fromEntries(entries);
  // Whoever has a ticket's address can take its one use away, so its end is a secret too.
  if (copy.object === 'connect.ticket' && typeof copy.url === 'string') copy.url = copy.url.replace(/[^/]+$/, mask);
  return copy;
}

/** "ccs_abcdef…" -> "ccs_…(30 characters)": enough to see which kind it is, nothing to use. */
export function mask(secret) {
  const prefix = /^[a-z]{2,6}_/.exec(secret)?.[0] ?? '';
  return `${prefix}…(${secret.length} characters)`;
}
