// The ways to pay that the stand-in knows: test cards by number or by Stripe's names for them, and a debit that ends later.

const declined = (code, decline_code, what, message) => ({ brand: 'visa', outcome: 'declined', code, decline_code, what, message });
const asks = (what, more = {}) => ({ brand: 'visa', outcome: 'confirm', what, ...more });

const REFUSED = declined('card_declined', 'generic_decline', 'is declined', 'Your card was declined.');
const NO_FUNDS = declined('card_declined', 'insufficient_funds', 'has insufficient funds', 'Your card has insufficient funds.');

/** `after`: what becomes of it once the bank's question was answered with yes. */
export const CARDS = {
  '4242424242424242': { brand: 'visa', outcome: 'succeeds', what: 'succeeds' },
  '5555555555554444': { brand: 'mastercard', outcome: 'succeeds', what: 'succeeds (Mastercard)' },
  '378282246310005': { brand: 'amex', outcome: 'succeeds', what: 'succeeds (American Express)' },
  '6011111111111117': { brand: 'discover', outcome: 'succeeds', what: 'succeeds (Discover)' },
  '4000000000000002': REFUSED,
  '4000000000009995': NO_FUNDS,
  '4000000000009987': declined('card_declined', 'lost_card', 'was lost', 'Your card was declined.'),
  '4000000000009979': declined('card_declined', 'stolen_card', 'was stolen', 'Your card was declined.'),
  '4000000000006975': declined('card_declined', 'card_velocity_exceeded', 'was used too often', 'Your card was declined for making repeated attempts too frequently.'),
  '4100000000000019': declined('card_declined', 'fraudulent', 'is blocked as fraudulent', 'Your card was declined.'),
  '4000000000000069': declined('expired_card', 'expired_card', 'has expired', 'Your card has expired.'),
  '4000000000000127': declined('incorrect_cvc', 'incorrect_cvc', 'fails the CVC check', 'Your card\'s security code is incorrect.'),
  '4000000000000119': declined('processing_error', 'processing_error', 'fails while processing', 'An error occurred while processing your card. Try again in a little while.'),
  // Stripe's own numbers for refunds that end later than they begin.
  '4000000000007726': { brand: 'visa', outcome: 'succeeds', what: 'succeeds; refunds wait for the bank, then succeed', refunds: { pending: true, later: 'succeeded' } },
  '4000000000005126': { brand: 'visa', outcome: 'succeeds', what: 'succeeds; refunds succeed, then fail', refunds: { pending: false, later: 'failed' } },
  '4000002500003155': asks('asks for a confirmation by the bank (3D Secure)'),
  '4000002760003184': asks('asks for a confirmation by the bank every time'),
  '4000000000003220': asks('has to be confirmed by the bank (3D Secure 2)'),
  '4000008400001629': asks('asks the bank, and is declined afterwards', { after: REFUSED }),
  '4000008260003178': asks('asks the bank, and has insufficient funds', { after: NO_FUNDS }),
  '4000000000003055': { brand: 'visa', outcome: 'may_confirm', what: 'succeeds; asks the bank only when 3D Secure is requested' },
};

export const DEBITS = {
  bank_debit_succeeds: { outcome: 'processing', later: 'succeed', what: 'Bank debit – succeeds later' },
  bank_debit_fails: { outcome: 'processing', later: 'fail', what: 'Bank debit – fails later' },
};

/** Stripe's names of test PaymentMethods (`tok_…` for the same cards as tokens). */
export const NAMES = {
  pm_card_visa: '4242424242424242',
  pm_card_us: '4242424242424242',
  pm_card_mastercard: '5555555555554444',
  pm_card_amex: '378282246310005',
  pm_card_discover: '6011111111111117',
  pm_card_chargeDeclined: '4000000000000002',
  pm_card_visa_chargeDeclined: '4000000000000002',
  pm_card_chargeCustomerFail: '4000000000000002',
  pm_card_chargeDeclinedInsufficientFunds: '4000000000009995',
  pm_card_visa_chargeDeclinedInsufficientFunds: '4000000000009995',
  pm_card_visa_chargeDeclinedLostCard: '4000000000009987',
  pm_card_visa_chargeDeclinedStolenCard: '4000000000009979',
  pm_card_visa_chargeDeclinedVelocityLimitExceeded: '4000000000006975',
  pm_card_chargeDeclinedFraudulent: '4100000000000019',
  pm_card_chargeDeclinedExpiredCard: '4000000000000069',
  pm_card_chargeDeclinedIncorrectCvc: '4000000000000127',
  pm_card_chargeDeclinedProcessingError: '4000000000000119',
  pm_card_pendingRefund: '4000000000007726',
  pm_card_refundFail: '4000000000005126',
  pm_card_authenticationRequiredOnSetup: '4000002500003155',
  pm_card_authenticationRequired: '4000002760003184',
  pm_card_threeDSecure2Required: '4000000000003220',
  pm_card_threeDSecureRequiredChargeDeclined: '4000008400001629',
  pm_card_authenticationRequiredChargeDeclinedInsufficientFunds: '4000008260003178',
  pm_card_threeDSecureOptional: '4000000000003055',
  pm_usBankAccount_success: 'bank_debit_succeeds',
  pm_usBankAccount_insufficientFunds: 'bank_debit_fails',
};

const BY_CURRENCY = { usd: 'us_bank_account', gbp: 'bacs_debit', cad: 'acss_debit', aud: 'au_becs_debit' };

/** Real debits exist in few currencies; the others borrow SEPA's name so that every currency can be tried. */
export const bankDebit = (currency) => BY_CURRENCY[currency] ?? 'sepa_debit';

/** '4242 4242 …', 'pm_card_visa', 'tok_visa' or 'bank_debit_fails' → how it will go; undefined for anything else. */
export function methodOf(name) {
  const alias = String(name).replace(/^tok_/, 'pm_card_');
  const number = Object.hasOwn(NAMES, alias) ? NAMES[alias] : alias.replace(/[\s-]/g, '');
  if (Object.hasOwn(DEBITS, number)) return { type: 'debit', ...DEBITS[number] };
  if (Object.hasOwn(CARDS, number)) return { type: 'card', last4: number.slice(-4), ...CARDS[number] };
  return undefined;
}

/** The same way to pay once the bank has asked and the buyer has said yes. `how`: what a charge shows of it. */
export const confirmed = (method, how = { result: 'authenticated', version: '2.2.0' }) => ({ ...method, outcome: 'succeeds', ...method.after, confirmed: how });

/** What is the same of a card wherever it is shown: in a charge, a PaymentMethod, a token. */
export const cardDetails = (method) => ({
  brand: method.brand, checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' }, country: 'US', exp_month: 12, exp_year: 2034,
  fingerprint: `sandbox${method.last4}00000`, funding: 'credit', last4: method.last4,
});
