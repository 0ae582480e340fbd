// The bank's question about a payment that was made by API: what its `next_action` leads to.
import { answerQuestion } from '../confirm.mjs';
import { lapse } from '../intents.mjs';
import { format } from '../money.mjs';
import { html, link, message, redirect } from './html.mjs';

const badge = html`<span class="badge">Your bank (pretended)</span>`;

/** Home to whoever sent the buyer here, as Stripe does it; without an address there is nowhere to go. */
function home({ object: intent, returnUrl }) {
  const passed = intent.last_payment_error === null;
  if (link(returnUrl)) {
    const url = new URL(returnUrl);
    url.searchParams.set('payment_intent', intent.id);
    url.searchParams.set('payment_intent_client_secret', intent.client_secret);
    url.searchParams.set('redirect_status', passed ? 'succeeded' : 'failed');
    return redirect(url.href);
  }
  return passed
    ? message({ title: 'Confirmed', text: 'The payment goes on. You can close this page.', badge })
    : message({ title: 'Not confirmed', text: `${intent.last_payment_error.message} You can close this page.`, badge });
}

export async function authenticate(stripe, { method, rest: id, form }) {
  const { world } = stripe;
  const record = world.record('payment_intent', id);
  if (!record || record.session) return message({ status: 404, title: 'There is no such payment', text: 'The address is not complete, or the local Stripe has been started afresh since.' });
  const { object: intent } = lapse(world, record);
  if (method === 'POST') {
    if (answerQuestion(world, record, form.answer === 'yes')) return home(record);
  } else if (intent.status === 'requires_action') {
    const merchant = world.record('account', intent.transfer_data?.destination ?? record.owner)?.object.name;
    return message({
      title: 'Confirm this payment', badge, text: `Your bank asks whether you want to pay ${format(intent.amount, intent.currency)} to ${merchant}.`,
      action: html`<form method="post" class="buttons" action="/authenticate/${id}">
<button class="primary" name="answer" value="yes">Confirm payment</button><button class="quiet" name="answer" value="no">Refuse</button></form>`,
    });
  }
  return message({ title: 'There is nothing to confirm', text: `This payment's status is ${intent.status.replaceAll('_', ' ')}.`, badge });
}
