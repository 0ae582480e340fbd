// The shop's memory: one JSON file, written whole. A plugin has its database's options and orders here.
//
//   shop       who we are at the Worker: id, api_key, signing_secret, challenge, status
//   settings   mode ("test" or "live"): which of the two Stripe accounts this shop sells through
//   sessions   by cookie: cart, verifier of a connection being made, a message to show once
//   orders     by order id, each with its attempts and Stripe sessions (checkout.mjs, orders.mjs)
//   notices    the last that came (notices.mjs)
//   stock      pieces left of what is counted (stock.mjs)
//   selling    what the Worker was told for agents, and when (selling.mjs)
//   agents     by mode: the agent that lives on /agent, with its key and its signing secret (selling.mjs, agent/)
//   secret     signs the tokens of our own forms (server.mjs)

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const SESSION_LIFE_S = 30 * 24 * 3600;
const MOST_SESSIONS = 500;

/** path undefined: memory only, for tests. */
export function openStore(path) {
  const state = (path && load(path)) ?? {
    version: 1, secret: randomBytes(32).toString('hex'), shop: null, settings: { mode: 'test' },
    sessions: {}, orders: {}, agent_calls: {}, next_order: 1001,
  };

  /** Called before anything is answered that relies on the change: a crash must not forget a key or a payment. */
  function save() {
    if (!path) return;
    const text = `${JSON.stringify(state, null, 1)}\n`;
    const draft = `${path}.${process.pid}.new`;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(draft, text, { mode: 0o600 }); // the api key and the signing secret are in it
    chmodSync(draft, 0o600);
    renameSync(draft, path); // either the old file or the new one, never half of it
  }

  /** A visitor's session. It is stored only once something is worth keeping: a crawler's visits leave nothing. */
  function session(id) {
    return state.sessions[id] ?? { id, seen: 0, cart: emptyCart() };
  }

  function keepSession(visitor, now) {
    visitor.seen = now;
    state.sessions[visitor.id] = visitor;
    const ids = Object.keys(state.sessions);
    if (ids.length > MOST_SESSIONS || ids.some((id) => state.sessions[id].seen < now - SESSION_LIFE_S)) {
      const newest = ids.sort((a, b) => state.sessions[b].seen - state.sessions[a].seen).slice(0, MOST_SESSIONS);
      state.sessions = Object.fromEntries(newest.filter((id) => state.sessions[id].seen >= now - SESSION_LIFE_S)
        .map((id) => [id, state.sessions[id]]));
    }
    save();
  }

  return { state, save, session, keepSession };
}

export function emptyCart() {
  return { id: `cart_${randomBytes(9).toString('base64url')}`, items: {}, coupon: '', shipping: 'standard', currency: 'usd' };
}

function load(path) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const state = JSON.parse(text);
    if (state.version === 1) return state;
  } catch { /* said below */ }
  // Starting afresh would throw the shop's key and its paid orders away. A failed read is an error, never a default.
  throw new Error(`${path} is not the demo shop's state. Move it away to start afresh.`);
}
