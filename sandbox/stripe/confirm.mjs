// PaymentIntents made and confirmed by API with a shared payment token: no page, no buyer at hand, unless the bank asks.
import { StripeError, invalid, missing } from './errors.mjs';
import { lapse } from './intents.mjs';
import { bankDebit, confirmed, methodOf } from './methods.mjs';
import { MAXIMUM_CARD, MAXIMUM_OTHER, MINIMUM, format, step } from './money.mjs';
import { askBank, checkMoneyRoute, decline, endDebit, intentFields, makeMethod, newIntent, redirectTo, refuseAtBank, startDebit, succeed } from './payments.mjs';
import { consume, lostToken, usableToken } from './tokens.mjs';
import { clone } from './world.mjs';

const CONFIRMABLE = ['requires_payment_method', 'requires_confirmation', 'requires_action'];
const TOKEN = 'payment_method_data[shared_payment_granted_token]';

/** What banks say where nobody is there to be asked. */
const UNASKED = {
  off_session: {
    code: 'authentication_required', decline_code: 'authentication_required',
    message: 'Your card was declined. This transaction requires authentication.',
  },
  error_on_requires_action: {
    code: 'authentication_required', decline_code: 'authentication_not_handled',
    message: 'Your card was declined. This transaction requires authentication, and nobody would have handled it.',
  },
};

function unexpected(intent, message) {
  return new StripeError(400, { executed: true, code: 'payment_intent_unexpected_state', payment_intent: clone(intent), message });
}

// -- checks --------------------------------------------------------------------------------------------------------

function checkAmount(amount, currency) {
  if (amount < 1) throw invalid('This value must be greater than or equal to 1.', { param: 'amount', code: 'parameter_invalid_integer' });
  if (amount > MAXIMUM_CARD) throw invalid(`Amount must be no more than ${format(MAXIMUM_CARD, currency)}`, { param: 'amount', code: 'amount_too_large' });
  if (MINIMUM[currency] && amount < MINIMUM[currency]) throw invalid(`Amount must be at least ${format(MINIMUM[currency], currency)}`, { param: 'amount', code: 'amount_too_small' });
  if (amount % step(currency) !== 0) throw invalid(`Amounts in ${currency} are multiples of ${step(currency)}; ${amount} is not.`, { param: 'amount', code: 'parameter_invalid_integer' });
}

const address = (given) => (given ? { city: null, country: null, line1: null, line2: null, postal_code: null, state: null, ...given } : null);
const shipTo = (given) => ({ carrier: null, phone: null, tracking_number: null, ...given, address: address(given.address) });

function billTo(token, given = {}) {
  const known = token.object.payment_method_details.billing_details;
  return { ...known, ...given, address: address(given.address || known.address) };
}

/** What is to be paid with: the token that the form names, checked against the payment, or the one named before. */
function tender(world, scope, data, intent, earlier) {
  if (!data) {
    // A payment under way keeps its token, even one that has run out since: only what ended it for good stops it.
    if (earlier && (!earlier.asked || lostToken(world, earlier.token))) usableToken(world, earlier.token, scope, intent, TOKEN);
    return earlier;
  }
  if (data.shared_payment_granted_token === undefined) throw missing(TOKEN);
  const token = usableToken(world, data.shared_payment_granted_token, scope, intent, TOKEN);
  const method = methodOf(token.card);
  if (method.type === 'debit' && (intent.capture_method === 'manual' || intent.amount > MAXIMUM_OTHER)) {
    throw invalid('This way of paying cannot be captured later or is not for so large an amount.', { code: 'payment_intent_incompatible_payment_method', param: TOKEN });
  }
  return { token: token.object.id, card: token.card, loose: token.loose, billing: billTo(token, data.billing_details) };
}

/** Somebody else's 3D Secure: whether the bank was convinced, by its own words. */
const isAuthenticated = ({ ares_trans_status: status = 'Y', electronic_commerce_indicator: eci }) => ['Y', 'A', 'C'].includes(status) && eci !== '07';

const shownProof = (proof) => ({
  authentication_flow: null, electronic_commerce_indicator: proof.electronic_commerce_indicator ?? null, exemption_indicator: proof.exemption_indicator ?? null,
  result: 'authenticated', result_reason: null, transaction_id: proof.transaction_id, version: proof.version,
});

// -- the try -------------------------------------------------------------------------------------------------------

/** → what the API answers for a payment that the bank refused: the error, with the PaymentIntent in it. */
function refusal({ object: intent }) {
  return new StripeError(402, { ...intent.last_payment_error, executed: true, payment_intent: clone(intent) });
}

function settleWith(world, record, outcome, { token, billing, payment_method }) {
  const method = { ...outcome, payment_method };
  if (method.outcome === 'declined') {
    decline(world, record, method, billing);
    delete record.tender; // as Stripe lets go of the payment method: the next try has to name one
    return false;
  }
  record.token = token;
  if (method.outcome === 'processing') {
    record.later = method.later;
    startDebit(world, record, method, billing);
  } else succeed(world, record, method, billing);
  consume(world, token, record.object);
  return true;
}

function nextAction(world, { object: intent, returnUrl, useSdk }) {
  const url = `${world.url}/authenticate/${intent.id}`;
  if (returnUrl && !useSdk) return redirectTo(url, returnUrl);
  return { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect', stripe_js: url } };
}

/** One try to pay. Throws Stripe's 402 when the bank refuses, after everything was written down. */
function attempt(world, record, params) {
  const { tender: means } = record;
  const { proof } = record;
  delete record.proof; // of this try only
  means.payment_method ??= makeMethod(world, record, methodOf(means.card), means.billing).id;
  record.object.payment_method = means.payment_method;
  let method = methodOf(means.card);
  const asks = method.outcome === 'confirm' || (method.outcome === 'may_confirm' && record.object.payment_method_options.card?.request_three_d_secure !== 'automatic');
  const alone = ['off_session', 'error_on_requires_action'].find((name) => params[name]);
  if (proof && isAuthenticated(proof)) method = asks ? confirmed(method, shownProof(proof)) : { ...method, confirmed: shownProof(proof) };
  else if (asks && proof) method = { ...method, outcome: 'declined', ...UNASKED.off_session };
  else if (asks && alone) method = { ...method, outcome: 'declined', ...UNASKED[alone] };
  else if (asks) {
    means.asked = true;
    askBank(world, record, nextAction(world, record));
    return;
  }
  delete means.asked;
  if (!settleWith(world, record, method, means)) throw refusal(record);
}

/** The buyer's answer to the bank's question. → false when nothing was asked */
export function answerQuestion(world, record, yes) {
  const { tender: means } = record;
  if (record.object.status !== 'requires_action' || !means?.asked) return false;
  delete means.asked;
  if (!yes || lostToken(world, means.token)) {
    delete record.tender;
    refuseAtBank(world, record);
  } else settleWith(world, record, confirmed(methodOf(means.card)), means);
  world.changed();
  return true;
}

/** The end of a debit: 'succeed', 'fail', or what the token's method stands for. → false when nothing is under way */
export function settleIntent(world, record, result = record.later) {
  if (record.object.status !== 'processing') return false;
  if (!['succeed', 'fail'].includes(result)) throw new Error(`settle: 'succeed' or 'fail', not ${result}`);
  delete record.later;
  if (result === 'fail') delete record.tender;
  endDebit(world, record, result);
  world.changed();
  return true;
}

// -- operations ----------------------------------------------------------------------------------------------------

/** What both ways of confirming may say. */
function remember(world, record, params, means) {
  const { object: intent } = record;
  const { card } = params.payment_method_options ?? {};
  const before = intent.payment_method_options.card?.request_three_d_secure ?? 'automatic';
  intent.payment_method_options = { card: { installments: null, mandate_options: null, network: null, request_three_d_secure: card?.request_three_d_secure ?? before } };
  if (card?.three_d_secure) record.proof = card.three_d_secure;
  if (params.return_url) record.returnUrl = params.return_url;
  if (params.use_stripe_sdk !== undefined) record.useSdk = params.use_stripe_sdk;
  if (!means) return;
  record.tender = means;
  const method = methodOf(means.card);
  intent.payment_method_types = method.type === 'debit' ? ['card', bankDebit(intent.currency)] : ['card'];
  if (intent.status === 'requires_payment_method') intent.status = 'requires_confirmation';
}

function create({ world, params, scope }) {
  const { owner, livemode } = scope;
  const { amount, currency } = params;
  if (params.confirmation_method === 'manual') {
    throw invalid('confirmation_method=manual exists at Stripe, but this local stand-in does not play it.', { param: 'confirmation_method', code: 'parameter_not_played_here' });
  }
  checkAmount(amount, currency);
  if (livemode && !world.record('account', owner).object.charges_enabled) {
    throw invalid('This account is not activated and can take test payments only.', { code: 'testmode_charges_only' });
  }
  checkMoneyRoute(world, scope, params, amount);
  const alone = ['off_session', 'error_on_requires_action', 'return_url'].find((name) => params[name] !== undefined && !params.confirm);
  if (alone) throw invalid(`You may only set ${alone} together with confirm=true.`, { param: alone });
  const means = tender(world, scope, params.payment_method_data, { amount, currency, capture_method: params.capture_method });
  if (params.confirm && !means) throw invalid('This PaymentIntent cannot be confirmed: it has no payment method.', { code: 'parameter_missing', param: 'payment_method_data' });
  const record = newIntent(world, { owner, livemode }, {
    ...intentFields(params), amount, currency,
    automatic_payment_methods: { allow_redirects: 'always', enabled: true, ...params.automatic_payment_methods },
    shipping: params.shipping ? shipTo(params.shipping) : null,
  });
  remember(world, record, params, means);
  world.emit('payment_intent.created', record.object, record);
  if (params.confirm) attempt(world, record, params);
  return clone(record.object);
}

function confirm({ world, params, path, scope }) {
  const record = lapse(world, world.find('payment_intent', path.intent, scope, 'intent'));
  const { object: intent } = record;
  if (record.session) throw unexpected(intent, 'This PaymentIntent was made by a Checkout Session, and only that can confirm it.');
  if (!CONFIRMABLE.includes(intent.status)) {
    throw unexpected(intent, `You cannot confirm this PaymentIntent because it has a status of ${intent.status}. ` +
      `Only a PaymentIntent with one of the following statuses may be confirmed: ${CONFIRMABLE.join(', ')}.`);
  }
  const { amount, currency } = intent;
  const capture_method = params.capture_method ?? intent.capture_method;
  const means = tender(world, scope, params.payment_method_data, { amount, currency, capture_method }, record.tender);
  if (!means) throw unexpected(intent, 'You cannot confirm this PaymentIntent because it\'s missing a payment method. Send one with it.');
  if (params.receipt_email) intent.receipt_email = params.receipt_email;
  if (params.shipping !== undefined) intent.shipping = params.shipping === '' ? null : shipTo(params.shipping);
  intent.capture_method = capture_method;
  remember(world, record, params, means);
  attempt(world, record, params);
  return clone(intent);
}

export const operations = {
  'POST /v1/payment_intents': create,
  'POST /v1/payment_intents/{intent}/confirm': confirm,
};
