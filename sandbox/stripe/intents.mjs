// What is done to a PaymentIntent once it is there: captured, canceled, left to lapse; and the API of PaymentIntents and charges.
import { StripeError, invalid } from './errors.mjs';
import { page, within } from './lists.mjs';
import { checkFee, collect } from './payments.mjs';
import { clone } from './world.mjs';

const CAPTURABLE = ['requires_capture'];
const CANCELABLE = ['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action'];

/** What the operation needs is not what the intent is: refused, and kept under the key, since the work had begun. */
function wrongState(intent, begin, done, wanted) {
  return new StripeError(400, {
    executed: true, code: 'payment_intent_unexpected_state', payment_intent: clone(intent),
    message: `${begin} because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be ${done}: ${wanted.join(', ')}.`,
  });
}

// -- canceling and lapsing -----------------------------------------------------------------------------------------

/**
 * Since 2025-03-31.basil what was only reserved is let go without a Refund: the charge stays as it is, neither
 * `refunded` nor with an `amount_refunded`, and no charge.refunded is sent.
 */
export function cancelIntent(world, record, reason = null) {
  const intent = record.object;
  const charge = reason === 'expired' ? world.record('charge', intent.latest_charge) : null;
  Object.assign(intent, { status: 'canceled', canceled_at: world.now(), cancellation_reason: reason, amount_capturable: 0, next_action: null });
  if (charge) world.emit('charge.expired', charge.object, charge);
  world.emit('payment_intent.canceled', intent, record);
  return intent;
}

/** An authorisation that nobody captured lapses. Called before every look at an intent and by the clock's tick. */
export function lapse(world, record) {
  if (record.object.status !== 'requires_capture') return record;
  const before = world.record('charge', record.object.latest_charge)?.object.payment_method_details.card?.capture_before;
  if (before && before <= world.now()) cancelIntent(world, record, 'expired');
  return record;
}

/** For the API and for the Dashboard alike. */
export function cancelByHand(world, record, reason) {
  const intent = lapse(world, record).object;
  const session = record.session && world.record('checkout.session', record.session);
  if (session?.object.status === 'open') {
    throw new StripeError(400, {
      executed: true, code: 'payment_intent_unexpected_state', payment_intent: clone(intent),
      message: 'This PaymentIntent belongs to an open Checkout Session: expire the session instead.',
    });
  }
  if (!CANCELABLE.includes(intent.status)) throw wrongState(intent, 'You cannot cancel this PaymentIntent', 'canceled', CANCELABLE);
  return cancelIntent(world, record, reason ?? null);
}

// -- capturing -----------------------------------------------------------------------------------------------------

/** The fee that is taken: the one that the capture names, or the agreed one, never more than what is captured. */
function feeOf(intent, amount, fee) {
  if (fee === undefined) return intent.application_fee_amount === null ? null : Math.min(intent.application_fee_amount, amount);
  if (!intent.application && !intent.transfer_data) throw invalid('There is no connected account to take a fee from.', { param: 'application_fee_amount' });
  checkFee(fee, amount, 'application_fee_amount');
  return fee;
}

/** What a destination charge passes on, where that is a fixed part. */
function checkTransfer(intent, amount, part) {
  if (part === undefined) return;
  const param = 'transfer_data[amount]';
  if (!intent.transfer_data) throw invalid('This PaymentIntent has no transfer_data[destination].', { param });
  if (part < 0 || part > amount) throw invalid('The transfer is between 0 and the captured amount.', { param });
}

/** The whole or a part, once: what is left of the authorisation is released, and nothing is refunded by that. */
export function captureIntent(world, record, params = {}) {
  const intent = lapse(world, record).object;
  if (params.final_capture === false) {
    throw invalid('final_capture=false (several captures) exists at Stripe, but this local stand-in does not play it.', { param: 'final_capture', code: 'parameter_not_played_here' });
  }
  if (!CAPTURABLE.includes(intent.status)) throw wrongState(intent, 'This PaymentIntent could not be captured', 'captured', CAPTURABLE);
  const amount = params.amount_to_capture ?? intent.amount_capturable;
  if (amount < 1) throw invalid('Invalid positive integer', { param: 'amount_to_capture', code: 'parameter_invalid_integer' });
  if (amount > intent.amount_capturable) {
    throw invalid(`The requested capture amount (${amount}) is greater than the amount that can be captured (${intent.amount_capturable}).`, { param: 'amount_to_capture', code: 'amount_too_large' });
  }
  const fee = feeOf(intent, amount, params.application_fee_amount);
  checkTransfer(intent, amount, params.transfer_data?.amount);
  const charge = world.record('charge', intent.latest_charge);
  intent.application_fee_amount = fee;
  if (params.transfer_data?.amount !== undefined) intent.transfer_data.amount = params.transfer_data.amount;
  if (params.metadata !== undefined) mergeMetadata(intent, params.metadata); // the charge keeps its copy from the time of the payment
  for (const name of ['statement_descriptor', 'statement_descriptor_suffix']) if (params[name]) intent[name] = charge.object[name] = params[name];
  collect(world, record, charge, amount);
  const session = record.session && world.record('checkout.session', record.session);
  if (session) session.object.payment_status = 'paid';
  world.emit('charge.captured', charge.object, charge);
  world.emit('payment_intent.succeeded', intent, record);
  return intent;
}

function mergeMetadata(object, metadata) {
  if (metadata === '') {
    object.metadata = {};
    return;
  }
  for (const [name, value] of Object.entries(metadata)) {
    if (value === '') delete object.metadata[name];
    else object.metadata[name] = value;
  }
}

// -- operations ----------------------------------------------------------------------------------------------------

const own = ({ world, path, scope }) => lapse(world, world.find('payment_intent', path.intent, scope, 'intent'));

export const operations = {
  'GET /v1/payment_intents': ({ world, params, scope }) => {
    const items = world.list('payment_intent', scope).map((record) => lapse(world, record).object).filter((intent) => within(intent.created, params.created));
    return clone(page(items, params, '/v1/payment_intents', 'payment_intent'));
  },
  'GET /v1/payment_intents/{intent}': (context) => {
    const intent = own(context).object;
    const secret = context.params.client_secret;
    if (secret !== undefined && secret !== intent.client_secret) {
      throw invalid('This client_secret is not the one of the PaymentIntent.', { param: 'client_secret', code: 'payment_intent_invalid_parameter' });
    }
    return clone(intent);
  },
  'POST /v1/payment_intents/{intent}/capture': (context) => clone(captureIntent(context.world, own(context), context.params)),
  'POST /v1/payment_intents/{intent}/cancel': (context) => clone(cancelByHand(context.world, own(context), context.params.cancellation_reason)),
  'GET /v1/charges/{charge}': ({ world, path, scope }) => clone(world.find('charge', path.charge, scope, 'charge').object),
};
