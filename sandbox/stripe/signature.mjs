// Stripe-Signature: t=<seconds>,v1=<lower-case hex HMAC-SHA256 over "<t>.<body>"; the key is the whole secret, whsec_ and all.
import { createHmac } from 'node:crypto';

export function mac(payload, secret, t) {
  return createHmac('sha256', secret).update(`${t}.`).update(payload).digest('hex');
}

export function signature(payload, secret, t = Math.floor(Date.now() / 1000)) {
  return `t=${t},v1=${mac(payload, secret, t)}`;
}
