// Step 1 of a plugin's life: tell the Worker who we are, and prove it (contract, "Shops").
//
//   POST /v1/shops        -> api_key, signing_secret (each shown once) and a challenge
//   we serve the challenge on our own origin, under CHALLENGE_PATH
//   POST /v1/shop/verify  -> the Worker fetches it, and the shop is active
//
// Attack: a stranger registers our address and collects what belongs to us. He cannot serve the challenge here.

import { NOTICES_PATH } from './notices.mjs';

export const CHALLENGE_PATH = '/wp-json/cognitive-cart/v1/challenge';

export function createRegistration({ store, siteUrl, client, name, operatorKey, now }) {
  const { state, save } = store;
  let running; // two page views at once must not register twice

  /** The registration that belongs to this address and this Worker, or null. */
  function current() {
    const { shop } = state;
    return shop && shop.site_url === siteUrl && shop.worker_url === client.workerUrl ? shop : null;
  }

  /** Registers if we never did, verifies if we are not verified yet. Safe to call whenever a page needs it. */
  function ensure(recorder) {
    running ??= register(recorder).finally(() => { running = undefined; });
    return running;
  }

  async function register(recorder) {
    if (!current()) {
      const answer = await client.call('POST', '/v1/shops', {
        // Not repeatable: a lost answer leaves a pending shop behind, which the Worker erases after 24 h.
        key: operatorKey, recorder,
        body: { site_url: siteUrl, challenge_url: siteUrl + CHALLENGE_PATH, webhook_url: siteUrl + NOTICES_PATH, name },
      });
      state.shop = {
        id: answer.id, site_url: siteUrl, worker_url: client.workerUrl, name: answer.name, status: answer.status,
        api_key: answer.api_key, signing_secret: answer.signing_secret, previous_signing_secret: null,
        challenge: answer.challenge, checkout_enabled: answer.checkout_enabled, registered_at: now(), key_refused: false,
      };
      save(); // before verifying: the key is shown once, and the Worker asks for the challenge while we wait
    }
    if (current().status !== 'active') await verify(recorder);
    return current();
  }

  async function verify(recorder) {
    const answer = await client.call('POST', '/v1/shop/verify', { repeatable: true, recorder });
    current().status = answer.status;
    save();
  }

  /** What the Worker says of us now. A 401 means it does not know our key any more. */
  async function refresh(recorder) {
    try {
      const answer = await client.call('GET', '/v1/shop', { recorder, repeatable: false }); // a page about the Worker's health does not wait
      Object.assign(current(), { status: answer.status, checkout_enabled: answer.checkout_enabled, name: answer.name, key_refused: false });
      save();
      if (answer.webhook_url !== siteUrl + NOTICES_PATH) await client.call('PATCH', '/v1/shop', { body: { webhook_url: siteUrl + NOTICES_PATH }, recorder });
    } catch (error) {
      if (error.status === 401) {
        // Superseded by a newer registration of this address, or the Worker's database is a new one.
        // We say so and wait for a person: registering again by ourselves could fight another copy of this shop forever.
        current().key_refused = true;
        save();
      }
      throw error;
    }
  }

  function forget() {
    state.shop = null;
    save();
  }

  /** The kill switch: with `false` nobody can start a checkout, and money already paid is still recorded. */
  async function setCheckoutEnabled(enabled, recorder) {
    const answer = await client.call('PATCH', '/v1/shop', { body: { checkout_enabled: enabled }, recorder });
    current().checkout_enabled = answer.checkout_enabled;
    save();
  }

  /** The old key works for 24 h more, so if this answer is lost, pressing again within a day is all it takes. */
  async function rollApiKey(recorder) {
    const answer = await client.call('POST', '/v1/shop/api_keys', { recorder });
    current().api_key = answer.api_key;
    save();
  }

  async function rollSigningSecret(recorder) {
    const answer = await client.call('POST', '/v1/shop/signing_secrets', { recorder });
    const shop = current();
    // Buyers who are at Stripe right now may come home with a signature of the old secret.
    shop.previous_signing_secret = { secret: shop.signing_secret, until: answer.previous_expires_at };
    shop.signing_secret = answer.signing_secret;
    save();
  }

  /** The secrets a signature may be made with today (completion.mjs). */
  function signingSecrets() {
    const shop = current();
    if (!shop) return [];
    const previous = shop.previous_signing_secret;
    return [shop.signing_secret, ...(previous && previous.until > now() ? [previous.secret] : [])];
  }

  return { current, ensure, refresh, forget, setCheckoutEnabled, rollApiKey, rollSigningSecret, signingSecrets };
}
