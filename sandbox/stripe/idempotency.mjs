// Idempotency-Key as Stripe's API v1 has it: POST only; the answer (a 500 too) is kept once the work has begun.
import { createHash } from 'node:crypto';
import { StripeError } from './errors.mjs';

const DAY = 24 * 60 * 60;
const KEEP = 20_000;

function fingerprint(method, path, params) {
  const sorted = (value) => (typeof value === 'object' && value !== null
    ? Object.keys(value).sort().map((name) => [name, sorted(value[name])])
    : value);
  return createHash('sha256').update(JSON.stringify([method, path, sorted(params)])).digest('hex');
}

/**
 * → { replay } when the answer is known, { keep, release } when the work may begin, or a refusal.
 * Keys belong to an account in a mode: the same key on another account is another request.
 */
export function claim(world, { key, method, path, params, scope }) {
  if (key.length > 255) {
    throw new StripeError(400, { type: 'idempotency_error', message: 'An Idempotency-Key has at most 255 characters.' });
  }
  const name = JSON.stringify([scope.owner, scope.livemode, key]);
  const print = fingerprint(method, path, params);
  const known = world.idempotent.get(name);
  if (known && known.at + DAY > world.now()) {
    if (known.print !== print) {
      throw new StripeError(400, {
        type: 'idempotency_error',
        message: `The Idempotency-Key '${key.slice(0, 40)}' was first used with other parameters. Use a new key for another request.`,
      });
    }
    if (!known.answer) {
      throw new StripeError(409, {
        type: 'idempotency_error', code: 'idempotency_key_in_use', headers: { 'Stripe-Should-Retry': 'true' },
        message: `A request with the Idempotency-Key '${key.slice(0, 40)}' is still running. Try again a little later.`,
      });
    }
    return { replay: known.answer };
  }
  const mine = { print, at: world.now(), answer: null };
  world.idempotent.delete(name);
  world.idempotent.set(name, mine);
  if (world.idempotent.size > KEEP) world.idempotent.delete(world.idempotent.keys().next().value);
  return {
    keep(answer) {
      mine.answer = answer;
      world.changed();
    },
    /** v2: what failed is run again, not replayed. */
    forget() {
      if (world.idempotent.get(name) === mine) world.idempotent.delete(name);
    },
    release() {
      if (world.idempotent.get(name) === mine && !mine.answer) world.idempotent.delete(name);
    },
  };
}
