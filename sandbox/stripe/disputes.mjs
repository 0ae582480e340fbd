// Disputes: the buyer's bank takes the money back, and at the end it stays gone or returns.
import { StripeError } from './errors.mjs';
import { newId } from './ids.mjs';
import { page, within } from './lists.mjs';
import { clone } from './world.mjs';

const ANSWER_WITHIN = 7 * 24 * 60 * 60;

/** An open dispute over a charge. `inquiry`: the bank only asks, no money moves. */
export function openDispute(world, chargeRecord, { amount, reason = 'fraudulent', inquiry = false } = {}) {
  const charge = chargeRecord.object;
  if (!charge.captured) throw new StripeError(400, { message: 'Only a captured charge can be disputed.' });
  if (charge.disputed) throw new StripeError(400, { message: `Charge ${charge.id} is disputed already.` });
  const { owner, livemode } = chargeRecord;
  charge.disputed = true;
  const record = world.add('dispute', {
    id: newId('dispute'), object: 'dispute', amount: amount ?? charge.amount_captured - charge.amount_refunded, balance_transactions: [],
    charge: charge.id, created: world.now(), currency: charge.currency, enhanced_eligibility_types: [],
    evidence: Object.fromEntries(['access_activity_log', 'billing_address', 'customer_communication', 'product_description', 'receipt', 'uncategorized_text'].map((name) => [name, null])),
    evidence_details: { due_by: world.now() + ANSWER_WITHIN, enhanced_eligibility: {}, has_evidence: false, past_due: false, submission_count: 0 },
    is_charge_refundable: inquiry, livemode, metadata: {}, payment_intent: charge.payment_intent, reason,
    payment_method_details: { type: 'card', card: { brand: 'visa', case_type: inquiry ? 'inquiry' : 'chargeback', network_reason_code: '10.4' } },
    status: inquiry ? 'warning_needs_response' : 'needs_response',
  }, { owner, livemode });
  world.emit('charge.dispute.created', record.object, record);
  if (!inquiry) world.emit('charge.dispute.funds_withdrawn', record.object, record);
  return record.object;
}

/** `status`: won, lost, warning_closed; or under_review, which does not end it. */
export function moveDispute(world, record, status) {
  const dispute = record.object;
  if (['won', 'lost', 'warning_closed'].includes(dispute.status)) throw new Error(`the dispute is ${dispute.status} already`);
  const was = dispute.status;
  dispute.status = status;
  if (!['won', 'lost', 'warning_closed'].includes(status)) {
    world.emit('charge.dispute.updated', dispute, record, { status: was });
    return dispute;
  }
  if (status === 'won') world.emit('charge.dispute.funds_reinstated', dispute, record);
  if (status !== 'lost') world.record('charge', dispute.charge).object.disputed = true; // Stripe leaves the mark
  world.emit('charge.dispute.closed', dispute, record, { status: was });
  return dispute;
}

export const operations = {
  'GET /v1/disputes': ({ world, params, scope }) => {
    const items = world.list('dispute', scope).map((record) => record.object)
      .filter((dispute) => within(dispute.created, params.created)
        && (!params.payment_intent || dispute.payment_intent === params.payment_intent)
        && (!params.charge || dispute.charge === params.charge));
    return clone(page(items, params, '/v1/disputes', 'dispute'));
  },
  'GET /v1/disputes/{dispute}': ({ world, path, scope }) => clone(world.find('dispute', path.dispute, scope, 'dispute').object),
};
