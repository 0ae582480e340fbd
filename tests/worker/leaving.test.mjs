// Clients that leave before they have their answer: an agent's deadline, a phone in a tunnel.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { eventually, fine } from '../support/answers.mjs';
import { chatBody, connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  await connectShop(w, stripe, shop);
});
afterEach(() => stripe.clearMisbehaviour());
after(async () => {
  await shop?.close();
  await w?.close();
  await stripe?.close();
});

/** Sends a request and leaves while Stripe works on it. */
async function leaveDuring(on, path, init) {
  stripe.misbehave({ on, how: 'hold_before', times: 1 });
  const leaving = new AbortController();
  const answer = w.fetch(path, { ...init, signal: leaving.signal });
  await stripe.holding();
  leaving.abort();
  await assert.rejects(answer, { name: 'AbortError' });
  stripe.release();
}

test('a checkout whose client left is finished all the same: asked for again, it is there', async () => {
  const body = JSON.stringify(chatBody(shop));
  const headers = { authorization: `Bearer ${shop.key}`, 'content-type': 'application/json', 'idempotency-key': 'left' };
  await leaveDuring('POST /v1/checkout/sessions', '/v1/checkout/sessions', { method: 'POST', headers, body });
  await eventually(async () => (await w.d1('SELECT checkout_session FROM transactions'))[0]?.checkout_session);
  const again = fine(await w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey: 'left', body: chatBody(shop) }), 201);
  const rows = await w.d1('SELECT id, checkout_session FROM transactions');
  assert.deepEqual(rows.map((row) => row.checkout_session), [again.id]);
  assert.equal(stripe.requests.filter(({ route }) => route === 'POST /v1/checkout/sessions').length, 1);
});
