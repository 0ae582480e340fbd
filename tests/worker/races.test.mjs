// What one request has read, another changes before the first writes.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { documented, eventually, fine, refused } from '../support/answers.mjs';
import { registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, api;
const shops = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
  api = documented(w);
});
after(async () => {
  for (const shop of shops) await shop.close();
  await w?.close();
  await stripe?.close();
});
afterEach(() => w.fault());

async function aShop() {
  shops.push(await registerShop(w));
  return shops.at(-1);
}
const row = async (id) => (await w.d1('SELECT * FROM shops WHERE id = ?', id))[0];

/** Begins a request and stops it behind the answer of its nth batch. -> what lets it go on, and answers as it does */
async function heldAt(nth, begin) {
  await w.fault([{ on: 'DB.batch', nth, how: 'hold' }]);
  const answer = begin();
  await eventually(async () => (await w.faultCalls()).filter((call) => call === 'DB.batch').length >= nth);
  return async () => {
    await w.fault();
    return answer;
  };
}

test('a shop that was deleted while its PATCH was under way has nothing personal written to it', async () => {
  const shop = await aShop();
  const body = { name: 'Ada Lovelace', webhook_url: `${shop.origin}/hook`, checkout_enabled: true };
  const goOn = await heldAt(1, () => api('PATCH', '/v1/shop', { key: shop.key, body }));
  fine(await api('DELETE', '/v1/shop', { key: shop.key }));
  refused(await goOn(), 401, 'api_key_invalid');
  const { status, name, webhook_url, checkout_enabled } = await row(shop.id);
  assert.deepEqual({ status, name, webhook_url, checkout_enabled }, { status: 'deleted', name: shop.site, webhook_url: null, checkout_enabled: 0 });
});

test('a shop that is suspended while its site is registered anew stays so, and the new one stays out', async () => {
  const shop = await aShop();
  const { body: anew } = await w.api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url: `${shop.site}/wp-json/cognitive-cart/v1/challenge` } });
  shop.challenge = anew.challenge;
  // The shop of the key, then who holds the site.
  const goOn = await heldAt(2, () => api('POST', '/v1/shop/verify', { key: anew.api_key }));
  fine(await api('POST', `/v1/admin/shops/${shop.id}/suspend`, { key: w.vars.ADMIN_KEY }));
  refused(await goOn(), 422, 'challenge_failed', 'challenge_url');
  assert.deepEqual([(await row(shop.id)).status, (await row(anew.id)).status], ['suspended', 'pending']);
});
