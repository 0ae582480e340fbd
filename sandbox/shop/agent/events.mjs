// What the agent hears of its orders: the Worker POSTs an event to the agent's webhook_url when an order is made and whenever it
// changes. Each event is the whole order (since 2026-04-17) or its few facts (before), never a difference, so the last one counts.
//
// Merchant-Signature is `t=<seconds>,v1=<hex HMAC-SHA256(secret, `${t}.${body}`)>` since 2026-04-17, and bare
// hex HMAC-SHA256(secret, body) before; its key is the whole text of the secret, `whsec_` included. The old form says nothing about when, so a
// genuine event could be played again years later: there the Worker's second signature, by Standard Webhooks, is looked at too.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { standardWebhook } from '../notices.mjs';

/** Where 2026-04-17 wants it to be, below the agent's own address. */
export const EVENTS_PATH = '/agentic_checkout/webhooks/order_events';
const FRESH_FOR_S = 300;
const KEPT = 60;

export const merchantSignature = (secret, body, t) => {
  const mac = (text) => createHmac('sha256', secret).update(text).digest('hex');
  return t === undefined ? mac(body) : `t=${t},v1=${mac(`${t}.${body}`)}`;
};

/** -> {ok: true, event} or {ok: false, reason} */
export function checkEvent(headers, body, { secrets, now }) {
  const given = headers['merchant-signature'] ?? '';
  const timed = /^t=(\d{1,12}),v1=[0-9a-f]{64}$/.exec(given);
  if (!timed && !/^[0-9a-f]{64}$/.test(given)) return refused('unsigned');
  if (!secrets.some((secret) => sameText(given, merchantSignature(secret, body, timed?.[1])))) return refused('forged');
  if (timed ? Math.abs(now - Number(timed[1])) > FRESH_FOR_S : !standardWebhook(headers, body, { secrets, now }).ok) return refused('stale');
  try {
    return { ok: true, event: JSON.parse(body) };
  } catch {
    return refused('unreadable');
  }
}

const refused = (reason) => ({ ok: false, reason });

export function createEvents({ store, now }) {
  const { state, save } = store;

  /** Keeps a genuine event. The same one may come twice: it is known by its Request-Id. */
  function take(event, id) {
    state.agent_events ??= [];
    const known = id && state.agent_events.find((one) => one.id === id);
    if (known) known.times += 1;
    else state.agent_events.unshift({ id: id ?? null, at: now(), times: 1, type: event.type, data: event.data });
    state.agent_events.length = Math.min(state.agent_events.length, KEPT);
    save();
  }

  /** Newest first; of one checkout, or all. */
  const list = (checkout) => (state.agent_events ?? []).filter((one) => checkout === undefined || one.data?.checkout_session_id === checkout);

  return { take, list };
}

function sameText(given, right) {
  const a = Buffer.from(given);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
