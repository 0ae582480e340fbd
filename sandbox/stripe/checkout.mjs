// What the buyer does: pays, is asked by the bank, or pays by a debit whose end comes later.
// The hosted page and the library's `pay` both come through here, so that tests see what a person sees.
import { confirmed, methodOf } from './methods.mjs';
import { MAXIMUM_OTHER } from './money.mjs';
import { askBank, decline, endDebit, intentOf, redirectTo, refuseAtBank, startDebit, succeed } from './payments.mjs';
import { expireDue, successUrl, totalUp } from './sessions.mjs';

const EMPTY_ADDRESS = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
const address = (given) => ({ ...EMPTY_ADDRESS, ...Object.fromEntries(Object.entries(given ?? {}).filter(([name, value]) => name in EMPTY_ADDRESS && value)) });

/** Fills in what a test leaves out. */
export function defaultBuyer(session, given = {}) {
  const countries = session.shipping_address_collection?.allowed_countries;
  const home = address({ line1: '1 Main Street', city: 'Springfield', postal_code: '12345', state: 'IL', country: countries?.[0] ?? 'US', ...given.address });
  return {
    method: given.method ?? given.card ?? '4242424242424242',
    email: given.email ?? session.customer_email ?? 'buyer@example.com',
    name: given.name ?? 'Robin Buyer',
    phone: given.phone ?? (session.phone_number_collection.enabled ? '+15555550123' : null),
    shipping: countries ? { name: given.shippingName ?? given.name ?? 'Robin Buyer', address: home } : null,
    billing: address({ country: home.country, postal_code: home.postal_code, ...(session.billing_address_collection === 'required' && home), ...given.billing }),
    shippingOption: given.shippingOption,
  };
}

/** An option by the rate's id, its place in the list or its name. */
function rateOf(world, session, wanted) {
  if (wanted === undefined) return undefined;
  const options = session.shipping_options;
  const found = options.find(({ shipping_rate: id }, index) =>
    id === wanted || index === wanted || world.record('shipping_rate', id)?.object.display_name === wanted);
  return found?.shipping_rate ?? null;
}

const closed = (session) => ({ ok: false, code: `session_${session.status}`, message: `This Checkout Session is ${session.status}.` });

function applyBuyer(world, record, buyer) {
  const session = record.object;
  session.customer_details = {
    address: buyer.billing, business_name: null, email: buyer.email, individual_name: null, name: buyer.name, phone: buyer.phone,
    tax_exempt: 'none', tax_ids: [],
  };
  if (buyer.shipping) {
    session.collected_information = { business_name: null, individual_name: null, shipping_details: buyer.shipping };
  }
}

/** Chooses shipping and learns the tax: what the page does when the buyer's address is known. */
export function chooseShipping(world, record, option) {
  const rate = rateOf(world, record.object, option);
  if (rate === null) return false;
  totalUp(world, record, { taxed: true, ...(rate && { shippingRate: rate }) });
  world.changed();
  return true;
}

function complete(world, record, paymentStatus) {
  const session = record.object;
  session.status = 'complete';
  session.url = null;
  session.payment_status = paymentStatus;
  world.changed();
  return world.emit('checkout.session.completed', session, record);
}

/**
 * One try to pay. → { ok, location, completed } (completed = the event that the redirect waits for),
 * { ok: false, code, decline_code?, message } or { ok: false, code: 'requires_action' } until the bank has asked.
 */
export function attempt(world, record, buyer) {
  const session = expireDue(world, record).object;
  if (session.status !== 'open') return closed(session);
  if (!chooseShipping(world, record, buyer.shippingOption)) {
    return { ok: false, code: 'shipping_rate_invalid', message: 'There is no such way of shipping.' };
  }
  applyBuyer(world, record, buyer);
  if (session.amount_total === 0) {
    return { ok: true, location: successUrl(session), completed: complete(world, record, 'no_payment_required') };
  }
  const method = methodOf(buyer.method);
  // Checked by Stripe before any payment is made, so no intent comes of it.
  if (!method) return { ok: false, code: 'incorrect_number', message: 'Your card number is not one of the test cards.' };
  if (method.type === 'debit' && (session.payment_method_types.length < 2 || session.amount_total > MAXIMUM_OTHER)) {
    return { ok: false, code: 'payment_method_not_available', message: 'This way of paying is not offered here.' };
  }
  const billing = { address: buyer.billing, email: buyer.email, name: buyer.name, phone: buyer.phone, tax_id: null };
  const intent = intentOf(world, record, { receiptEmail: null, shipping: buyer.shipping });
  switch (method.outcome) {
    case 'declined':
      return refuse(world, intent, method, billing);
    case 'confirm':
      record.waiting = { method: buyer.method, billing };
      askBank(world, intent, redirectTo(`${world.url}/checkout/c/pay/${session.id}/bank`));
      world.changed();
      return { ok: false, code: 'requires_action', message: 'Your bank wants to confirm this payment.' };
    case 'processing':
      record.later = method.later;
      startDebit(world, intent, method, billing);
      return { ok: true, location: successUrl(session), completed: complete(world, record, 'unpaid') };
    default:
      return finish(world, record, intent, method, billing);
  }
}

function refuse(world, intent, method, billing) {
  decline(world, intent, method, billing);
  world.changed();
  return { ok: false, code: method.code, decline_code: method.decline_code, message: method.message };
}

function finish(world, record, intent, method, billing) {
  succeed(world, intent, method, billing);
  // Authorised is not paid: with manual capture the session stays unpaid until the capture.
  const status = intent.object.status === 'requires_capture' ? 'unpaid' : 'paid';
  return { ok: true, location: successUrl(record.object), completed: complete(world, record, status) };
}

/** The buyer's answer on the bank's page. */
export function answerBank(world, record, yes) {
  const session = expireDue(world, record).object;
  if (session.status !== 'open') return closed(session);
  const intent = session.payment_intent && world.record('payment_intent', session.payment_intent);
  if (intent?.object.status !== 'requires_action' || !record.waiting) return { ok: false, code: 'nothing_to_confirm', message: 'There is nothing to confirm.' };
  const { method, billing } = record.waiting;
  delete record.waiting;
  if (!yes) {
    refuseAtBank(world, intent);
    world.changed();
    return { ok: false, code: 'payment_intent_authentication_failure', message: 'The bank could not confirm this payment. Try another way to pay.' };
  }
  const passed = confirmed(methodOf(method));
  return passed.outcome === 'declined' ? refuse(world, intent, passed, billing) : finish(world, record, intent, passed, billing);
}

/** The end of a debit: 'succeed', 'fail', or what the chosen method stands for. False when nothing is under way. */
export function settle(world, record, result = record.later) {
  const session = record.object;
  const intent = session.payment_intent && world.record('payment_intent', session.payment_intent);
  if (intent?.object.status !== 'processing') return false;
  if (!['succeed', 'fail'].includes(result)) throw new Error(`settle: 'succeed' or 'fail', not ${result}`);
  endDebit(world, intent, result);
  if (result === 'succeed') session.payment_status = 'paid';
  world.changed();
  world.emit(`checkout.session.async_payment_${result === 'succeed' ? 'succeeded' : 'failed'}`, session, record);
  return true;
}

