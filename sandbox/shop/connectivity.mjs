// Step 2: connect the merchant's Stripe account (contract, "Connect").
//
//   start()    POST /v1/connect/start with the hash of a verifier -> the address the admin is sent to
//   (the admin reads the Worker's page, approves at Stripe, and comes back here with cc_connect=…)
//   finish()   POST /v1/connect/confirm with the claim and the verifier itself -> connected
//
// The verifier never leaves this server before confirm, and is kept in the session of the admin who pressed Connect.
// Attack: somebody has a merchant approve at Stripe, steals the way back, and hands the claim to HIS shop (or hands us a
// claim of HIS Stripe account, so that our buyers pay him). Without the verifier the claim is worthless, and dies.

import { createHash, randomBytes } from 'node:crypto';

const VERIFIER_LIFE_S = 15 * 60; // the Worker's claim lives 10 minutes; a little more covers reading the pages
const FORM_LIFE_S = 2 * 60 * 60; // a merchant without an account fills in Stripe's form first, which asks for papers

export const verifierChallenge = (verifier) => createHash('sha256').update(verifier).digest('base64url');

export function createConnectivity({ store, client, returnUrl, now }) {
  async function status(mode, recorder) {
    return client.call('GET', '/v1/connection', { query: { mode }, recorder });
  }

  async function start(session, { mode, replace, method = 'oauth', prefill }, recorder) {
    const verifier = randomBytes(32).toString('base64url');
    session.connect = { verifier, mode, method, started: now(), claim: null };
    store.keepSession(session, now()); // before the call, so that the way back finds it whatever happens
    const ticket = await client.call('POST', '/v1/connect/start', {
      recorder,
      body: { return_url: returnUrl, mode, verifier_challenge: verifierChallenge(verifier), ...(replace && { replace: true }), ...(method !== 'oauth' && { method }), prefill },
    });
    return ticket.url;
  }

  /** The admin is back with a claim. Keep it: if the Worker cannot be reached now, finish() can be tried again. */
  function rememberClaim(session, claim) {
    const { connect } = session;
    if (!connect || connect.started < now() - VERIFIER_LIFE_S - (connect.method === 'onboarding' ? FORM_LIFE_S : 0)) return false; // another browser, or far too late
    connect.claim = claim;
    store.keepSession(session, now());
    return true;
  }

  async function finish(session, recorder) {
    const { claim, verifier } = session.connect;
    try {
      // Repeatable: the Worker answers 200 again for the same claim and verifier.
      const connection = await client.call('POST', '/v1/connect/confirm', { body: { claim, verifier }, repeatable: true, recorder });
      drop(session);
      return connection;
    } catch (error) {
      if (error.final) drop(session); // a dead claim stays dead
      throw error;
    }
  }

  function drop(session) {
    delete session.connect;
    store.keepSession(session, now());
  }

  async function disconnect(mode, recorder) {
    return client.call('DELETE', '/v1/connection', { query: { mode }, recorder });
  }

  return { status, start, rememberClaim, finish, drop, disconnect };
}

/** What `cc_connect=failed&cc_code=…` means, in words for the merchant. */
export const failures = {
  code_rejected: 'Stripe did not accept the authorization (it was used already, or it had expired). Nothing is connected. Press Connect to try again.',
  mode_mismatch: 'The account was approved in the other mode than the one asked for (test instead of live, or the reverse). Nothing is connected. In Stripe, check the “test mode” switch and try again.',
  already_connected: 'Another Stripe account is connected to this shop already. Disconnect it first, or tick “replace the connected account”.',
  stripe_unavailable: 'Stripe could not be reached while the connection was being made. Nothing is connected. Wait a minute and try again.',
  account_invalid: 'Stripe answered with an account that cannot be used. Nothing is connected. Try again, or choose another account at Stripe.',
};
