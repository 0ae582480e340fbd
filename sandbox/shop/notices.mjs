// What the Worker tells us by itself (contract, "To the shop"): the browser may be closed, the notice comes all the same.
//
// The scheme is Standard Webhooks, so a library would do; it is written out here because it is short:
//   1. the signature covers id, time and the raw bytes       (bytes, not the parsed object: writing JSON anew gives other bytes)
//   2. the time is fresh                                     (attack: an old genuine notice played again)
//   3. one of the signatures in the header is right          (while the secret is rolled there are two)
//   4. it is about what we have on record                    (as on the way home)
// The same id may come again and in any order. Orders move forward only, so that does no harm; what must not happen twice
// hangs on `orders.settle`. And 2xx is said only after it was stored: anything else comes again, for three days.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { signingKey } from './completion.mjs';

export const NOTICES_PATH = '/wp-json/cognitive-cart/v1/notices';
export const FRESH_FOR_S = 300;
const KEPT = 50;

export function sign(id, timestamp, body, secret) {
  return `v1,${createHmac('sha256', signingKey(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** Whether the Worker has sent this, and now. -> {ok: true, id} or {ok: false, reason} */
export function standardWebhook(headers, body, { secrets, now }) {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headers[name] ?? '');
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > FRESH_FOR_S) return { ok: false, reason: 'stale' };
  const right = secrets.map((secret) => sign(id, timestamp, body, secret));
  if (!signatures.split(' ').some((given) => right.some((one) => sameText(given, one)))) return { ok: false, reason: 'forged' };
  return { ok: true, id };
}

/** -> {ok: true, notice} or {ok: false, reason} */
export function checkNotice(headers, body, { secrets, now }) {
  const signed = standardWebhook(headers, body, { secrets, now });
  if (!signed.ok) return signed;
  const notice = JSON.parse(body);
  return notice.id === signed.id ? { ok: true, notice } : { ok: false, reason: 'forged' };
}

export function createNotices({ store, orders, ledger, agentOrders, registration, log, now }) {
  const { state, save } = store;

  /** Acts on a genuine notice and remembers that it came. -> what the Worker is answered, where it waits for an answer */
  function take({ id, type, data }) {
    state.notices ??= [];
    const { object } = data;
    let order;
    let answer;
    if (object.object === 'transaction') {
      order = orders.find(object.order_id ?? '');
      if (order) ledger.apply(order, [object], `told by ${id}`);
    } else if (type === 'order.created') {
      answer = agentOrders.book(object); // `transaction.paid` of the same sale names no order of ours, so it is booked once
      order = orders.find(answer.order_id);
    } else if (type === 'shop.superseded' && registration.current()?.id === object.id) {
      registration.current().key_refused = true; // a person decides; registering by ourselves could fight another copy of this shop
    }
    const known = state.notices.find((one) => one.id === id);
    if (known) known.times += 1;
    else state.notices.unshift({ id, type, at: now(), times: 1, order: order?.id ?? null, about: object.id ?? object.account ?? null });
    state.notices.length = Math.min(state.notices.length, KEPT);
    save();
    log(`notice ${type} ${id}`);
    return answer;
  }

  return { take, list: () => state.notices ?? [] };
}

function sameText(given, right) {
  const a = Buffer.from(given);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
