// What the Dashboard's buttons do. Each deed returns the sentence that is shown afterwards.
import { message, redirect } from '../html.mjs';

const number = (value, fallback) => (/^\d{1,15}$/.test(value ?? '') ? Number(value) : fallback);

const deeds = {
  create: async (stripe, form) => {
    const made = await stripe.createAccount({ name: form.name || undefined, email: form.email || undefined, country: /^[A-Za-z]{2}$/.test(form.country) ? form.country.toUpperCase() : undefined });
    return `${made.business_profile.name} can be chosen when a shop connects.`;
  },
  disconnect: async (stripe, form) => {
    await stripe.deauthorize(form.id, { livemode: form.live === '1' });
    return 'Disconnected; account.application.deauthorized is on its way.';
  },
  charges: async (stripe, form) => {
    const now = stripe.world.record('account', form.id)?.object.charges_enabled;
    await stripe.updateAccount(form.id, { charges_enabled: !now, payouts_enabled: !now });
    return `Charges are ${now ? 'off' : 'on'}.`;
  },
  details: async (stripe, form) => {
    const now = stripe.world.record('account', form.id)?.object.details_submitted;
    await stripe.updateAccount(form.id, { details_submitted: !now, charges_enabled: !now, payouts_enabled: !now });
    return `The details are ${now ? 'missing, and charges are off' : 'in, and charges are on'}.`;
  },
  expire: async (stripe, form) => {
    await stripe.expire(form.id);
    return 'Expired.';
  },
  refund: async (stripe, form) => {
    await stripe.refund(form.id, { amount: number(form.amount), ...(form.fee && { refund_application_fee: true }), ...(form.transfer && { reverse_transfer: true }), ...(form.pending && { pending: true }) });
    return 'Refunded.';
  },
  dispute: async (stripe, form) => {
    await stripe.dispute(form.id, { inquiry: form.inquiry === '1' });
    return form.inquiry === '1' ? 'The bank asks about this payment.' : 'The buyer disputes this payment.';
  },
  moveDispute: async (stripe, form) => {
    const { status } = await stripe.moveDispute(form.dispute, form.status);
    return `The dispute is ${status}.`;
  },
  settleRefund: async (stripe, form) => {
    const { status } = await stripe.settleRefund(form.refund, form.status);
    return `The refund has ${status}.`;
  },
  capture: async (stripe, form) => {
    await stripe.capture(form.id, number(form.amount));
    return 'Captured.';
  },
  cancel: async (stripe, form) => {
    await stripe.cancelPayment(form.id);
    return 'Canceled.';
  },
  settle: async (stripe, form) => {
    await stripe.settle(form.id, form.result);
    return form.result === 'succeed' ? 'The bank has paid.' : 'The bank has returned it.';
  },
  grantToken: async (stripe, form) => {
    const expiresAt = stripe.world.now() + 60 * number(form.minutes, 60);
    const id = await stripe.grantToken({ account: form.account, livemode: form.live === '1', currency: form.currency, maxAmount: number(form.max), card: form.card, expiresAt });
    return `Minted: ${id}`;
  },
  purchase: async (stripe, form) => {
    const result = await stripe.simulatePurchase({
      account: form.account, skus: [{ sku: form.sku, quantity: Math.max(1, number(form.quantity, 1)) }], agent: form.agent?.trim() ? form.agent.trim() : null, card: form.card,
      livemode: form.live === '1', chargeType: form.charge, capture: form.capture, automaticTax: form.tax === '1', shippingOption: form.shipping?.trim() || undefined,
      address: { state: form.state || null, country: /^[A-Za-z]{2}$/.test(form.country ?? '') ? form.country.toUpperCase() : 'US' },
      events: { reversed: { order: 'reversed' }, twice: { copies: 2 }, lost: 'lost' }[form.told],
    });
    if (result.session) form.back = `/dashboard/purchases/${result.session}`;
    return result.ok ? 'Bought.' : `Not bought: ${result.message}`;
  },
  revokeToken: async (stripe, form) => {
    await stripe.revokeToken(form.id);
    return 'Revoked; shared_payment.granted_token.deactivated is on its way.';
  },
  agentConfirms: async (stripe, form) => {
    const { status } = await stripe.agentAnswers(form.id, 'confirm');
    return `The agreement is ${status.replaceAll('_', ' ')}.`;
  },
  agentEnds: async (stripe, form) => {
    await stripe.agentAnswers(form.id, 'terminate');
    return 'The agent has ended the agreement.';
  },
  resend: async (stripe, form) => {
    const statuses = await stripe.send(form.id, form.thin ? { thin: true } : {});
    return statuses.length > 0 ? `Sent again: ${statuses.map((answer) => answer || 'no answer').join(', ')}.` : 'Nobody listens for this event.';
  },
  misbehave: async (stripe, form) => {
    stripe.misbehave({ on: form.on || undefined, how: form.how, times: Math.min(number(form.times, 1), 1000), ms: Math.min(number(form.ms, 11_000), 120_000) });
    return 'Switched on.';
  },
  misdeliver: async (stripe, form) => {
    stripe.misdeliver({ on: form.on || undefined, how: form.how, times: Math.min(number(form.times, 1), 1000), ms: Math.min(number(form.ms, 2_000), 120_000) });
    return 'Switched on.';
  },
  deliver: async (stripe, form) => {
    const told = await stripe.webhooks.deliver({ order: form.order, copies: form.copies === '2' ? 2 : 1 });
    return told.length > 0 ? `Sent: ${told.map(({ type, status }) => `${type} ${status || 'no answer'}`).join(', ')}.` : 'Nothing was waiting.';
  },
  advance: async (stripe, form) => {
    stripe.advance(Math.min(number(form.seconds, 0), 366 * 24 * 60 * 60));
    return `It is now ${new Date(stripe.world.now() * 1000).toISOString().slice(0, 16).replace('T', ' ')} here.`;
  },
  clear: async (stripe) => {
    stripe.clearMisbehaviour();
    return 'Everything works again.';
  },
  pause: async (stripe) => {
    stripe.webhooks.pause();
    return 'Webhooks are held back.';
  },
  resume: async (stripe) => {
    stripe.webhooks.resume();
    return 'Webhooks are sent again.';
  },
  drop: async (stripe) => `${stripe.webhooks.drop()} lost.`,
};

export async function perform(stripe, form) {
  const deed = Object.hasOwn(deeds, form.do ?? '') && deeds[form.do];
  if (!deed) return message({ status: 400, title: 'There is no such action', text: 'Go back and try again.' });
  let note;
  try {
    note = await deed(stripe, form);
  } catch (error) {
    note = `That did not work: ${error.message}`;
  }
  // To one of these pages only, never to an address of somebody's choosing.
  const back = /^\/dashboard(\/[\w/]*)?$/.test(form.back ?? '') ? form.back : '/dashboard';
  return redirect(`${back}?note=${encodeURIComponent(note)}`);
}
