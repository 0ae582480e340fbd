// Refunds: never more than is left, the application fee back in proportion, the transfer reversed on request.
import { isChargedBack } from './disputes.mjs';
import { StripeError, invalid, missing } from './errors.mjs';
import { newId } from './ids.mjs';
import { ofPayment } from './lists.mjs';
import { format, share } from './money.mjs';
import { clone } from './world.mjs';

function refundFee(world, charge, refund) {
  const fee = world.record('application_fee', charge.application_fee);
  // Counted from the whole and not refund by refund, so that many small ones give back exactly what one large one does.
  const due = share(fee.object.amount, charge.amount_refunded, charge.amount_captured) - fee.object.amount_refunded;
  if (due <= 0) return;
  fee.object.amount_refunded += due;
  fee.object.refunded = fee.object.amount_refunded === fee.object.amount;
  fee.object.refunds.data.unshift({
    id: newId('fee_refund'), object: 'fee_refund', amount: due, balance_transaction: null, created: world.now(), currency: fee.object.currency,
    fee: fee.object.id, metadata: {},
  });
  world.emit('application_fee.refunded', fee.object, fee);
  refund.feeRefunded = due;
}

function reverseTransfer(world, charge, refund) {
  const transfer = world.record('transfer', charge.transfer).object;
  const due = share(transfer.amount, charge.amount_refunded, charge.amount_captured) - transfer.amount_reversed;
  transfer.amount_reversed += due;
  transfer.reversed = transfer.amount_reversed === transfer.amount;
  refund.object.transfer_reversal = newId('transfer_reversal');
}

const refusal = (message, more = {}) => new StripeError(400, { executed: true, message, ...more });

/** Refuses what Stripe refuses, in its words. → the amount */
function checkRefund(world, charge, params) {
  if (!charge.captured) throw refusal('This payment has no captured charge that could be refunded; cancel it instead.');
  if (isChargedBack(world, charge)) throw refusal(`Charge ${charge.id} has been charged back; cannot issue a refund.`, { code: 'charge_disputed' });
  const left = charge.amount_captured - charge.amount_refunded;
  if (left <= 0) throw refusal(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
  const amount = params.amount ?? left;
  if (amount < 1) throw invalid('Invalid positive integer', { param: 'amount', code: 'parameter_invalid_integer' });
  if (amount > left) {
    const than = charge.amount_refunded > 0 ? 'unrefunded amount on charge' : 'charge amount';
    throw refusal(`Refund amount (${format(amount, charge.currency)}) is greater than ${than} (${format(left, charge.currency)})`, { param: 'amount' });
  }
  if (params.refund_application_fee && !charge.application_fee) {
    throw invalid(`Attempting to refund_application_fee on ${charge.id}, but it has no application fee`, { param: 'refund_application_fee' });
  }
  if (params.reverse_transfer && !charge.transfer) {
    throw invalid(`Cannot reverse transfer on charge ${charge.id}: it has no associated transfer`, { param: 'reverse_transfer' });
  }
  return amount;
}

/** The bank's reference, which Stripe learns of a little after it has sent the refund. */
function referTo(world, record) {
  const { card } = record.object.destination_details;
  if (!card) return;
  const was = card.reference_status;
  Object.assign(card, { reference: String(Math.floor(1e10 * Math.random())), reference_status: 'available' });
  world.emit('refund.updated', record.object, record, { destination_details: { card: { reference_status: was } } });
}

/** For the API, the Dashboard and the tests alike; `pending` is the stand-in's own. */
export function refundCharge(world, chargeRecord, { pending, ...params } = {}) {
  const charge = chargeRecord.object;
  const amount = checkRefund(world, charge, params);
  const { owner, livemode, refunds: fate } = chargeRecord;
  const waits = pending ?? fate?.pending ?? false;
  const kind = charge.payment_method_details.type;
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount_captured;
  // The payment's metadata is not copied: a refund says whose it is by `charge` and `payment_intent` only.
  const record = world.add('refund', {
    id: newId('refund'), object: 'refund', amount, balance_transaction: null, charge: charge.id, created: world.now(), currency: charge.currency,
    destination_details: { type: kind, ...(kind === 'card' && { card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' } }) },
    metadata: Object.fromEntries(Object.entries(params.metadata || {}).filter(([, value]) => value !== '')),
    payment_intent: charge.payment_intent, ...(waits && { pending_reason: 'processing' }), reason: params.reason ?? null, receipt_number: null,
    source_transfer_reversal: null, status: waits ? 'pending' : 'succeeded', transfer_reversal: null,
  }, { owner, livemode, later: fate?.later ?? (waits ? 'succeeded' : undefined) });
  if (params.refund_application_fee) refundFee(world, charge, record);
  if (params.reverse_transfer) reverseTransfer(world, charge, record);
  world.emit('refund.created', record.object, record);
  if (!waits) referTo(world, record);
  world.emit('charge.refunded', charge, chargeRecord);
  return record.object;
}

/**
 * What the bank makes of a refund in the end: of a pending one 'succeeded' or 'failed', of a succeeded one 'failed'.
 * A failed one's money is the merchant's again. That fee and transfer stay as they are is our reading (README).
 */
export function settleRefund(world, record, status = record.later, failure_reason = 'expired_or_canceled_card') {
  const refund = record.object;
  if (!['succeeded', 'failed'].includes(status)) throw new Error(`settleRefund: 'succeeded' or 'failed', not ${status}`);
  if (refund.status === 'failed' || (refund.status === 'succeeded' && status === 'succeeded')) throw new Error(`the refund is ${refund.status} already`);
  const was = { status: refund.status, ...(refund.pending_reason && { pending_reason: refund.pending_reason }) };
  delete record.later;
  delete refund.pending_reason;
  refund.status = status;
  if (status === 'failed') {
    refund.failure_reason = failure_reason;
    const charge = world.record('charge', refund.charge);
    charge.object.amount_refunded -= refund.amount;
    charge.object.refunded = false;
  }
  world.emit('refund.updated', refund, record, was);
  if (status === 'failed') world.emit('refund.failed', refund, record, was);
  return refund;
}

function create({ world, params, scope }) {
  if (!params.payment_intent && !params.charge) throw missing('payment_intent');
  let id = params.charge;
  if (params.payment_intent) {
    const intent = world.find('payment_intent', params.payment_intent, scope, 'payment_intent').object;
    if (params.charge && params.charge !== intent.latest_charge) throw invalid('The charge is not of this PaymentIntent.', { param: 'charge' });
    id = intent.latest_charge;
    if (!id) throw refusal(`PaymentIntent ${intent.id} has no charge that could be refunded.`);
  }
  return clone(refundCharge(world, world.find('charge', id, scope, 'charge'), params));
}

export const operations = {
  'POST /v1/refunds': create,
  'GET /v1/refunds': (context) => ofPayment(context, 'refund', '/v1/refunds'),
  'GET /v1/refunds/{refund}': ({ world, path, scope }) => clone(world.find('refund', path.refund, scope, 'refund').object),
  'GET /v1/application_fees/{id}': ({ world, path, scope }) => clone(world.find('application_fee', path.id, scope, 'id').object),
};
