// Disputes: the buyer's bank takes the money back, and at the end it stays gone or returns. An inquiry only asks, and may grow into one.
import { StripeError } from './errors.mjs';
import { newId } from './ids.mjs';
import { ofPayment } from './lists.mjs';
import { clone } from './world.mjs';

const ANSWER_WITHIN = 7 * 24 * 60 * 60;
const EVIDENCE = ['access_activity_log', 'billing_address', 'customer_communication', 'product_description', 'receipt', 'uncategorized_text'];

/** Where a dispute may go from where it is. */
const STEPS = {
  warning_needs_response: ['warning_under_review', 'warning_closed', 'needs_response'],
  warning_under_review: ['warning_closed', 'needs_response'],
  needs_response: ['under_review', 'won', 'lost'],
  under_review: ['won', 'lost'],
};
export const stepsFrom = (status) => STEPS[status] ?? [];
const isInquiry = (status) => status.startsWith('warning_');

const of = (world, charge) => [...world.table('dispute').values()].filter(({ object }) => object.charge === charge.id).map(({ object }) => object);

/** Whether a bank holds the money of a charge, or has kept it: then it cannot be refunded as well. */
export const isChargedBack = (world, charge) => of(world, charge).some(({ status }) => !isInquiry(status) && status !== 'won');

/** `inquiry`: the bank only asks, no money moves. `amount`: a part of what was paid. */
export function openDispute(world, chargeRecord, { amount, reason = 'fraudulent', inquiry = false } = {}) {
  const charge = chargeRecord.object;
  const left = charge.amount_captured - charge.amount_refunded;
  if (!charge.captured) throw new StripeError(400, { message: 'Only a captured charge can be disputed.' });
  if (of(world, charge).some(({ status }) => stepsFrom(status).length > 0 || status === 'lost')) throw new StripeError(400, { message: `Charge ${charge.id} is disputed already.` });
  if ((amount ?? left) < 1 || (amount ?? left) > charge.amount_captured) throw new StripeError(400, { message: `A dispute is about 1 to ${charge.amount_captured}.` });
  const { owner, livemode } = chargeRecord;
  const { card } = charge.payment_method_details;
  charge.disputed = true; // for good, whatever comes of it
  const record = world.add('dispute', {
    id: newId('dispute'), object: 'dispute', amount: amount ?? left, balance_transactions: [], charge: charge.id, created: world.now(),
    currency: charge.currency, enhanced_eligibility_types: [], evidence: { ...Object.fromEntries(EVIDENCE.map((name) => [name, null])), enhanced_evidence: {} },
    evidence_details: { due_by: world.now() + ANSWER_WITHIN, enhanced_eligibility: {}, has_evidence: false, past_due: false, submission_count: 0 },
    is_charge_refundable: inquiry, livemode, metadata: {}, payment_intent: charge.payment_intent, reason,
    ...(card && { payment_method_details: { type: 'card', card: { brand: card.brand, case_type: inquiry ? 'inquiry' : 'chargeback', network_reason_code: '10.4' } } }),
    status: inquiry ? 'warning_needs_response' : 'needs_response',
  }, { owner, livemode });
  world.emit('charge.dispute.created', record.object, record);
  if (!inquiry) world.emit('charge.dispute.funds_withdrawn', record.object, record);
  return record.object;
}

/** One step: an answer is under review, the bank decides, an inquiry is closed or becomes a dispute (`needs_response`). */
export function moveDispute(world, record, status) {
  const dispute = record.object;
  const { status: was } = dispute;
  if (stepsFrom(was).length === 0) throw new Error(`the dispute is ${was} already`);
  if (!stepsFrom(was).includes(status)) throw new Error(`from ${was} a dispute goes to ${stepsFrom(was).join(', ')}, not to ${status}`);
  dispute.status = status;
  dispute.is_charge_refundable = isInquiry(status) || status === 'won';
  if (/under_review$/.test(status)) Object.assign(dispute.evidence_details, { has_evidence: true, submission_count: dispute.evidence_details.submission_count + 1 });
  const withdrawn = isInquiry(was) && !isInquiry(status);
  if (withdrawn && dispute.payment_method_details) dispute.payment_method_details.card.case_type = 'chargeback';
  if (stepsFrom(status).length > 0) {
    world.emit('charge.dispute.updated', dispute, record, { status: was });
    if (withdrawn) world.emit('charge.dispute.funds_withdrawn', dispute, record);
    return dispute;
  }
  if (status === 'won') world.emit('charge.dispute.funds_reinstated', dispute, record);
  world.emit('charge.dispute.closed', dispute, record, { status: was });
  return dispute;
}

export const operations = {
  'GET /v1/disputes': (context) => ofPayment(context, 'dispute', '/v1/disputes'),
  'GET /v1/disputes/{dispute}': ({ world, path, scope }) => clone(world.find('dispute', path.dispute, scope, 'dispute').object),
};
