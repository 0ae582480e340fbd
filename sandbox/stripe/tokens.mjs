// Shared payment granted tokens: what an agent gives a seller to be paid with, within limits, once.
import { invalid, unknownObject } from './errors.mjs';
import { newId, random } from './ids.mjs';
import { bankDebit, cardDetails, methodOf } from './methods.mjs';
import { clone } from './world.mjs';

const KIND = 'shared_payment.granted_token';
const HOUR = 60 * 60;
const LONGEST = 90 * 24 * HOUR;
const NOBODY = { address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null }, email: null, name: null, phone: null, tax_id: null };

/** What people's clients send before anybody has a real token: paid with in test mode by every seller, as often as they like. */
const LOOSE = /^(spt_test_\w+|spt_123|tok_\w+)$/;

// -- making and ending ---------------------------------------------------------------------------------------------

function show(world, { card, livemode, currency, maxAmount, expiresAt, metadata = {} }) {
  const method = methodOf(card);
  return {
    id: newId(KIND), object: KIND,
    agent_details: { network_business_profile: `profile_${livemode ? '' : 'test_'}${random(32)}` },
    created: world.now(), deactivated_at: null, deactivated_reason: null, livemode,
    payment_method_details: {
      billing_details: clone(NOBODY),
      ...(method.type === 'card'
        ? { card: { ...cardDetails(method), display_brand: method.brand, networks: { available: [method.brand], preferred: null }, wallet: null }, type: 'card' }
        : { type: bankDebit(currency) }),
    },
    risk_details: null, shared_metadata: metadata,
    usage_details: { amount_captured: { currency, value: 0 } },
    usage_limits: { currency, expires_at: expiresAt, max_amount: maxAmount },
  };
}

/** `seller`: the account that may be paid with it. The platform's is for its destination charges. */
export function mint(world, { seller, livemode, card = 'pm_card_visa', currency, maxAmount, expiresAt = world.now() + HOUR, metadata }) {
  return world.add(KIND, show(world, { card, livemode, currency, maxAmount, expiresAt, metadata }), { owner: seller, livemode, card, payments: [] });
}

function deactivate(world, record, reason) {
  Object.assign(record.object, { deactivated_at: world.now(), deactivated_reason: reason });
  world.emit('shared_payment.granted_token.deactivated', record.object, record);
}

/** Ends what ran out. Called before every look at a token and by the clock's tick. */
export function expireToken(world, record) {
  const { deactivated_at: ended, usage_limits: limits } = record.object;
  if (ended === null && limits.expires_at !== null && limits.expires_at <= world.now()) deactivate(world, record, 'expired');
  return record;
}

export function revokeToken(world, record) {
  if (expireToken(world, record).object.deactivated_at !== null) throw dead();
  deactivate(world, record, 'revoked');
  return record.object;
}

// -- paying --------------------------------------------------------------------------------------------------------

// Stripe gives these refusals neither `code` nor `param`: who wants to know why reads the token.
const refused = (message) => invalid(message, { executed: true });
const dead = () => refused('This shared payment granted token cannot be used because it is already in a deactivated state.');

/** A token as one seller sees it in one mode. Others' tokens do not exist for it. */
export function findToken(world, id, scope) {
  const record = world.record(KIND, id);
  if (record && record.owner === scope.owner && record.livemode === scope.livemode) return expireToken(world, record);
  if (!scope.livemode && LOOSE.test(id)) {
    const card = id.startsWith('tok_') ? id : 'pm_card_visa';
    if (!methodOf(card)) return undefined;
    const object = show(world, { card, livemode: false, currency: null, maxAmount: null, expiresAt: null });
    return { object: { ...object, id, usage_details: null, usage_limits: null }, card, loose: true };
  }
  return undefined;
}

/** → the record of a token that can pay this, or Stripe's refusal. */
export function usableToken(world, id, scope, { amount, currency }, param) {
  const record = findToken(world, id, scope);
  if (!record) throw invalid(`No such shared_payment_token: '${id}'`, { code: 'resource_missing', param });
  if (record.loose) return record;
  const { deactivated_at: ended, usage_limits: limits } = record.object;
  if (ended !== null) throw dead();
  if (currency !== limits.currency) throw refused(`The currency of this payment (${currency}) is not that of the shared payment granted token (${limits.currency}).`);
  if (amount > limits.max_amount) {
    throw refused(`${amount} is greater than the remaining amount capturable with this shared payment granted token, ${limits.max_amount}.`);
  }
  return record;
}

/** One payment, whatever its amount, consumes a token; a declined try does not. */
export function consume(world, id, intent) {
  const record = world.record(KIND, id);
  if (!record) return; // a loose one
  record.payments.push(intent.id);
  world.emit('shared_payment.granted_token.used', record.object, record);
  if (record.object.deactivated_at === null) deactivate(world, record, 'consumed');
}

/** Whether something else has ended a token since a payment with it was begun; running out in between does no harm. */
export const lostToken = (world, id) => {
  const reason = world.record(KIND, id)?.object.deactivated_reason ?? null;
  return reason !== null && reason !== 'expired';
};

export function countCaptured(world, id, amount) {
  const record = world.record(KIND, id);
  if (record) record.object.usage_details.amount_captured.value += amount;
}

// -- operations ----------------------------------------------------------------------------------------------------

function create({ world, params, scope }) {
  if (scope.livemode) throw invalid('Test helpers are for test mode: use a test key.');
  if (!methodOf(params.payment_method)) throw invalid(`No such PaymentMethod: '${params.payment_method.slice(0, 60)}'`, { code: 'resource_missing', param: 'payment_method' });
  const { currency, max_amount: maxAmount, expires_at: expiresAt } = params.usage_limits;
  if (maxAmount < 1) throw invalid('Invalid positive integer', { param: 'usage_limits[max_amount]', code: 'parameter_invalid_integer' });
  if (expiresAt !== undefined && (expiresAt <= world.now() || expiresAt > world.now() + LONGEST)) {
    throw invalid('expires_at has to lie in the future, at most 90 days ahead.', { param: 'usage_limits[expires_at]' });
  }
  const metadata = Object.fromEntries(Object.entries(params.shared_metadata || {}).filter(([, value]) => value !== ''));
  return clone(mint(world, { seller: scope.owner, livemode: false, card: params.payment_method, currency, maxAmount, expiresAt: expiresAt ?? null, metadata }).object);
}

function own({ world, path, scope }) {
  const record = findToken(world, path.shared_payment_granted_token, scope);
  if (!record) throw unknownObject('shared_payment_token', path.shared_payment_granted_token, 'shared_payment_granted_token');
  return record;
}

export const operations = {
  'GET /v1/shared_payment/granted_tokens/{shared_payment_granted_token}': (context) => clone(own(context).object),
  'POST /v1/test_helpers/shared_payment/granted_tokens': create,
  'POST /v1/test_helpers/shared_payment/granted_tokens/{shared_payment_granted_token}/revoke': (context) => {
    const record = own(context);
    if (record.loose) throw invalid('This token of the sandbox cannot be revoked: mint one.');
    return clone(revokeToken(context.world, record));
  },
};

/** With them a GA version's caller gets what Stripe answers to an address that it does not know. */
export const previewRoutes = Object.keys(operations);
