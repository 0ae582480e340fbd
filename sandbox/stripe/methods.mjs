// The ways to pay that the stand-in knows: test cards by their number, and a debit from a bank that ends later.

export const CARDS = {
  '4242424242424242': { brand: 'visa', outcome: 'succeeds', what: 'succeeds' },
  '5555555555554444': { brand: 'mastercard', outcome: 'succeeds', what: 'succeeds (Mastercard)' },
  '4000000000000002': { brand: 'visa', outcome: 'declined', code: 'card_declined', decline_code: 'generic_decline', what: 'is declined', message: 'Your card was declined.' },
  '4000000000009995': { brand: 'visa', outcome: 'declined', code: 'card_declined', decline_code: 'insufficient_funds', what: 'has insufficient funds', message: 'Your card has insufficient funds.' },
  '4000000000000069': { brand: 'visa', outcome: 'declined', code: 'expired_card', decline_code: 'expired_card', what: 'has expired', message: 'Your card has expired.' },
  '4000000000000127': { brand: 'visa', outcome: 'declined', code: 'incorrect_cvc', decline_code: 'incorrect_cvc', what: 'fails the CVC check', message: 'Your card\'s security code is incorrect.' },
  '4000000000000119': { brand: 'visa', outcome: 'declined', code: 'processing_error', decline_code: 'processing_error', what: 'fails while processing', message: 'An error occurred while processing your card. Try again in a little while.' },
  // Stripe's own numbers for refunds that end later than they begin.
  '4000000000007726': { brand: 'visa', outcome: 'succeeds', what: 'succeeds; refunds wait for the bank, then succeed', refunds: { pending: true, later: 'succeeded' } },
  '4000000000005126': { brand: 'visa', outcome: 'succeeds', what: 'succeeds; refunds succeed, then fail', refunds: { pending: false, later: 'failed' } },
  '4000002500003155': { brand: 'visa', outcome: 'confirm', what: 'asks for a confirmation by the bank (3D Secure)' },
};

export const DEBITS = {
  bank_debit_succeeds: { outcome: 'processing', later: 'succeed', what: 'Bank debit – succeeds later' },
  bank_debit_fails: { outcome: 'processing', later: 'fail', what: 'Bank debit – fails later' },
};

const BY_CURRENCY = { usd: 'us_bank_account', gbp: 'bacs_debit', cad: 'acss_debit', aud: 'au_becs_debit' };

/** Real debits exist in few currencies; the others borrow SEPA's name so that every currency can be tried. */
export const bankDebit = (currency) => BY_CURRENCY[currency] ?? 'sepa_debit';

/** '4242 4242 …' or 'bank_debit_fails' → how it will go; undefined for an unknown number. */
export function methodOf(name) {
  const number = String(name).replace(/[\s-]/g, '');
  if (Object.hasOwn(DEBITS, number)) return { type: 'debit', ...DEBITS[number] };
  if (Object.hasOwn(CARDS, number)) return { type: 'card', last4: number.slice(-4), ...CARDS[number] };
  return undefined;
}
