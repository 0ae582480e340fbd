// Where the agent gets its money: a shared payment token (`spt_…`), by which Stripe lets one seller take one payment, for no more
// than an amount and not for long. The buyer says yes to the agent, the agent's platform asks Stripe for the token, and the card
// itself is never seen by the shop, by the Worker or by the agent.

import { maskToken } from './client.mjs';

const LIFE_S = 15 * 60;

/** Cards to choose from, by Stripe's names of its test cards. */
export const CARDS = {
  pm_card_visa: 'A card that pays',
  pm_card_chargeDeclined: 'A card that is declined',
  pm_card_threeDSecure2Required: 'A card whose bank wants to see the buyer (3D Secure)',
};

/** stripeUrl: of the local Stripe, or undefined where the real one is spoken to and a person brings the token along. */
export function createWallet({ stripeUrl, now }) {
  /** -> {token?, exchange}. `limit` is what the buyer agreed to: the token is good for that and not for a cent more. */
  async function mint({ account, livemode, currency, limit, card }) {
    const asked = { account, livemode, currency, maxAmount: limit, card, expiresAt: now() + LIFE_S };
    const path = '/_sandbox/grantToken';
    const exchange = { title: 'A token from the local Stripe', method: 'POST', path, sent: { 'content-type': 'application/json' }, body: { args: [asked] }, told: {}, tries: 1, at: now() };
    const began = performance.now();
    try {
      const response = await fetch(stripeUrl + path, { method: 'POST', headers: exchange.sent, body: JSON.stringify(exchange.body), signal: AbortSignal.timeout(10_000) });
      const answer = await response.json();
      const token = response.ok ? answer.result : undefined;
      Object.assign(exchange, { status: response.status, answer: token ? { result: maskToken(token) } : answer });
      return { token, exchange };
    } catch {
      exchange.error = 'The local Stripe cannot be reached.';
      return { exchange };
    } finally {
      exchange.ms = Math.round(performance.now() - began);
    }
  }

  return { local: stripeUrl !== undefined, mint };
}

/**
 * What an agent gets from the bank after the buyer was asked (3D Secure), made up here: a real one comes from the agent's payment
 * provider, and Stripe looks at it.
 */
export const authenticationResult = () => ({
  outcome: 'authenticated',
  outcome_details: { three_ds_cryptogram: 'AAIBBYNoEwAAAAAAg4PyBhdAEQs=', electronic_commerce_indicator: '05', transaction_id: 'f38e6948-5388-41a6-bca4-b49723c19437', version: '2.2.0' },
});
