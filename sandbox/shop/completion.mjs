// Step 4: the buyer comes home (contract, "Completion").
//
// The Worker has checked with Stripe and sends the buyer to our success_url with the result and a signature. The URL passes
// through the buyer's browser, so anybody can write one by hand. It counts only if
//   1. every member is there exactly once      (two `status` members: which one was signed, which one is read?)
//   2. it is fresh                             (a URL from last year's browser history says nothing about today)
//   3. the signature is right                  (compared in constant time: no guessing byte by byte)
//   4. it is about what we have on record      (attack: a genuine, well-signed $1 payment offered for a $2,000 order)
// and then it may be offered a hundred times: orders.mjs moves an order once.

import { createHmac, timingSafeEqual } from 'node:crypto';

export const FRESH_FOR_S = 600;

// In the order in which they are signed: HMAC-SHA256(key, "{t}.{transaction}.{session_id}.…")
const SIGNED = ['t', 'transaction', 'session_id', 'order_id', 'status', 'amount_total', 'currency', 'livemode'];
const STATUSES = new Set(['paid', 'authorized', 'processing', 'unpaid']);

/** The key is what follows `whsec_`, base64-decoded: the same key as for the signed notices (Standard Webhooks). */
export function signingKey(secret) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  if (key.length < 16) throw new Error('This signing secret is no secret.'); // an empty key would make every forgery right
  return key;
}

export function signature(members, secret) {
  return createHmac('sha256', signingKey(secret)).update(SIGNED.map((name) => members[name]).join('.')).digest('hex');
}

/**
 * params: URLSearchParams · secrets: the signing secret, and the one before while it is being rolled
 * -> {ok: true, order, status, members} or {ok: false, reason}
 */
export function checkReturn(params, { secrets, findOrder, now }) {
  const members = {};
  for (const name of [...SIGNED, 'signature']) {
    const values = params.getAll(name);
    if (values.length !== 1) return refused('incomplete'); // (1)
    [members[name]] = values;
  }
  if (!STATUSES.has(members.status) || !/^\d{1,16}$/.test(members.amount_total)) return refused('incomplete');

  if (!/^\d{1,12}$/.test(members.t) || Math.abs(now - Number(members.t)) > FRESH_FOR_S) return refused('stale'); // (2)
  if (!secrets.some((secret) => sameText(members.signature, signature(members, secret)))) return refused('forged'); // (3)

  const order = findOrder(members.order_id); // (4)
  if (!order) return refused('unknown_order');
  const known = order.sessions.some((made) => made.transaction === members.transaction && made.session_id === members.session_id);
  const agrees = known && members.amount_total === String(order.total) && members.currency === order.currency
    && members.livemode === String(order.livemode); // a test payment must not settle a live order
  return agrees ? { ok: true, order, status: members.status, members } : refused('other_order');
}

function sameText(given, right) {
  const a = Buffer.from(given);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b); // the length is no secret: it is always 64
}

const refused = (reason) => ({ ok: false, reason });

export const reasons = {
  incomplete: 'Something is missing from this address, or is in it twice.',
  stale: 'This address is more than ten minutes old. If you have paid, your payment is safe: look at your order again from your shop account or confirmation mail.',
  forged: 'The signature in this address does not fit. It was changed on the way, or it was not made by our payment service.',
  unknown_order: 'The signature is right, but this shop has no such order.',
  other_order: 'The signature is right, but the payment is not the one that this order was waiting for.',
};
