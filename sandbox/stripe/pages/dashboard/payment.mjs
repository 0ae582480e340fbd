// One payment: refund it, capture it, cancel it, let the bank decide.
import { stepsFrom } from '../../disputes.mjs';
import { lapse } from '../../intents.mjs';
import { format } from '../../money.mjs';
import { html, message } from '../html.mjs';
import { eventTable } from './events.mjs';
import { act, frame, mode, pill, table, when } from './frame.mjs';

const STEPS = {
  under_review: 'Answered', warning_under_review: 'Answered', won: 'Won', lost: 'Lost', warning_closed: 'Close the inquiry', needs_response: 'Becomes a dispute',
};

const remaining = (charge) => charge.amount_captured - charge.amount_refunded;
export const status = (intent, charge) => (charge?.captured && charge.amount_refunded > 0 ? (remaining(charge) === 0 ? 'refunded' : 'partly_refunded') : intent.status);

export function payment(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('payment_intent', id);
  if (!record) return message({ status: 404, title: 'There is no such payment', text: id });
  lapse(world, record);
  const intent = record.object;
  const back = `/dashboard/payments/${id}`;
  const charge = world.record('charge', intent.latest_charge)?.object;
  const fee = world.record('application_fee', charge?.application_fee)?.object;
  const token = record.token ?? record.tender?.token;
  const money = (amount) => format(amount, intent.currency);
  const mine = (kind) => [...world.table(kind).values()].filter(({ object }) => object.payment_intent === id).map(({ object }) => object);
  const refunds = mine('refund').map((refund) => [
    money(refund.amount), pill(refund.status), refund.failure_reason ?? refund.reason, when(refund.created), html`<code>${refund.id}</code>`,
    refund.status !== 'failed' && html`<div class="actions">${refund.status === 'pending' && act('settleRefund', 'Succeeds', { refund: refund.id, status: 'succeeded', back })}${act('settleRefund', 'Fails', { refund: refund.id, status: 'failed', back })}</div>`,
  ]);
  const disputes = mine('dispute').map((dispute) => [
    html`${money(dispute.amount)}<br><span class="muted">${dispute.id}</span>`, pill(dispute.status), dispute.reason, when(dispute.created), when(dispute.evidence_details.due_by),
    html`<div class="actions">${stepsFrom(dispute.status).map((to) => act('moveDispute', STEPS[to], { dispute: dispute.id, status: to, back }))}</div>`,
  ]);
  const feeBack = (fee?.refunds.data ?? []).map((part) => [money(part.amount), when(part.created), html`<code>${part.id}</code>`]);
  const amount = (name, label, value) => html`<div class="field small"><label for="${name}">${label}</label><input id="${name}" name="${name}" type="number" min="1" max="${value}" value="${value}" required></div>`;
  const transfer = charge?.transfer;
  return frame(money(intent.amount), note, html`
<p>${pill(status(intent, charge))} ${pill(mode(intent.livemode))} <code>${id}</code></p>
<dl class="facts">
<div><dt>Buyer</dt><dd>${charge?.billing_details.name} ${charge?.billing_details.email}</dd></div>
<div><dt>Method</dt><dd>${charge?.payment_method_details.type} ${charge?.payment_method_details.card?.last4}</dd></div>
<div><dt>Captured</dt><dd>${money(charge?.amount_captured ?? 0)}</dd></div>
<div><dt>Refunded</dt><dd>${money(charge?.captured ? charge.amount_refunded : 0)}</dd></div>
<div><dt>Application fee</dt><dd>${fee ? `${money(fee.amount)}, ${money(fee.amount_refunded)} given back` : intent.application_fee_amount === null ? 'none' : `${money(intent.application_fee_amount)} (not yet taken)`}</dd></div>
${token && html`<div><dt>Token</dt><dd><code>${token}</code></dd></div>`}
${intent.last_payment_error && html`<div><dt>Last error</dt><dd>${intent.last_payment_error.message} ${intent.last_payment_error.decline_code}</dd></div>`}
${Object.entries(intent.metadata).map(([name, value]) => html`<div><dt><code>${name}</code></dt><dd><code>${value}</code></dd></div>`)}
</dl>
<div class="actions">
${intent.status === 'requires_action' && !record.session && html`<a class="button" href="/authenticate/${id}">Answer the bank's question</a>`}
${intent.status === 'requires_capture' && [act('capture', 'Capture', { id, back }, { kind: 'primary', inputs: amount('amount', `Capture (minor units of ${intent.currency})`, intent.amount_capturable) }), act('cancel', 'Cancel the authorization', { id, back })]}
${intent.status === 'processing' && [act('settle', 'The bank pays', { id, back, result: 'succeed' }, { kind: 'primary' }), act('settle', 'The bank returns it', { id, back, result: 'fail' })]}
${charge?.captured && remaining(charge) > 0 && act('refund', 'Refund', { id, back }, { kind: 'primary', inputs: html`${amount('amount', `Refund (minor units of ${intent.currency})`, remaining(charge))}${fee && html`<label class="check"><input type="checkbox" name="fee" value="1"> give the application fee back in proportion</label>`}${transfer && html`<label class="check"><input type="checkbox" name="transfer" value="1" checked> reverse the transfer</label>`}<label class="check"><input type="checkbox" name="pending" value="1"> the bank takes its time</label>` })}
${charge?.captured && !mine('dispute').some(({ status: at }) => stepsFrom(at).length > 0 || at === 'lost') && [act('dispute', 'Dispute', { id, back }), act('dispute', 'Inquiry', { id, back, inquiry: '1' })]}
</div>
<h2>Refunds</h2>
${table(['Amount', 'Status', 'Reason', 'Made (UTC)', 'Id', 'The bank'], refunds, 'None.')}
<h2>Disputes</h2>
${table(['Amount', 'Status', 'Reason', 'Opened (UTC)', 'Answer by (UTC)', 'What happens'], disputes, 'None.')}
${feeBack.length > 0 && html`<h2>Application fee given back</h2>
${table(['Amount', 'Made (UTC)', 'Id'], feeBack, 'None.')}`}
<h2>Events</h2>
${eventTable(stripe, [...world.table('event').values()].filter(({ object }) => object.data.object.id === id || object.data.object.payment_intent === id).reverse())}`,
  [['/dashboard', 'Accounts'], [`/dashboard/accounts/${record.owner}`, world.record('account', record.owner)?.object.name ?? record.owner]]);
}
