// PaymentIntents and their charges: how they are made and what a payment makes of them. What is done to them by hand is in intents.mjs.
import { invalid } from './errors.mjs';
import { newId, random } from './ids.mjs';
import { bankDebit, cardDetails } from './methods.mjs';
import { countCaptured } from './tokens.mjs';

const WEEK = 7 * 24 * 60 * 60;

export function checkFee(fee, amount, param) {
  if (fee < 0) throw invalid('Invalid non-negative integer', { param, code: 'parameter_invalid_integer' });
  if (fee > amount) throw invalid(`The application fee (${fee}) cannot be more than the amount (${amount}).`, { param });
}

/** Whose money it becomes, and what the platform takes. `at`: what the form calls a member. */
export function checkMoneyRoute(world, scope, data, total, at = (name, ...inner) => [name, ...inner.map((step) => `[${step}]`)].join('')) {
  const platform = scope.owner === world.keys.platform;
  for (const [account, param] of [[data.on_behalf_of, at('on_behalf_of')], [data.transfer_data?.destination, at('transfer_data', 'destination')]]) {
    if (account === undefined) continue;
    if (!platform || !world.connection(account, scope.livemode)) {
      throw invalid(`No such account to pay to: '${account}'`, { code: 'resource_missing', param });
    }
  }
  const fee = data.application_fee_amount;
  if (fee !== undefined) {
    const param = at('application_fee_amount');
    if (platform && !data.transfer_data) {
      throw invalid('An application fee needs a connected account: send Stripe-Account, or transfer_data[destination].', { param });
    }
    if (data.transfer_data?.amount !== undefined) {
      throw invalid('Send application_fee_amount or transfer_data[amount], not both.', { param });
    }
    checkFee(fee, total, param);
  }
  const part = data.transfer_data?.amount;
  if (part !== undefined && (part < 0 || part > total)) {
    throw invalid('The transfer is between 0 and the amount.', { param: at('transfer_data', 'amount') });
  }
}

// -- making --------------------------------------------------------------------------------------------------------

/** A PaymentIntent as it is born; `fields` is what is not as usual, `private` what the API does not show. */
export function newIntent(world, { owner, livemode, ...secret }, fields) {
  const id = newId('payment_intent');
  return world.add('payment_intent', {
    id,
    object: 'payment_intent',
    amount: 0,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    application: owner === world.keys.platform ? null : world.clientId(livemode),
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${id}_secret_${random(25)}`,
    confirmation_method: 'automatic',
    created: world.now(),
    currency: null,
    customer: null,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
    ...fields,
  }, { owner, livemode, ...secret });
}

/** What a form says of the payment, where it was said: the same members for a session's and for an API's own intent. */
export const intentFields = (data) => ({
  application_fee_amount: data.application_fee_amount ?? null,
  capture_method: data.capture_method ?? 'automatic_async',
  description: data.description ?? null,
  metadata: Object.fromEntries(Object.entries(data.metadata ?? {}).filter(([, value]) => value !== '')),
  on_behalf_of: data.on_behalf_of ?? null,
  receipt_email: data.receipt_email ?? null,
  shipping: data.shipping ?? null,
  statement_descriptor: data.statement_descriptor ?? null,
  statement_descriptor_suffix: data.statement_descriptor_suffix ?? null,
  transfer_data: data.transfer_data ?? null,
  transfer_group: data.transfer_group ?? null,
});

/** The intent of a session, made at the buyer's first try, brought up to date at every later one. */
export function intentOf(world, session, { receiptEmail, shipping }) {
  const { object: checkout, data, owner, livemode } = session;
  let record = checkout.payment_intent && world.record('payment_intent', checkout.payment_intent);
  const isNew = !record;
  if (isNew) {
    record = newIntent(world, { owner, livemode, session: checkout.id }, {
      ...intentFields(data), currency: checkout.currency, payment_method_types: checkout.payment_method_types,
    });
    checkout.payment_intent = record.object.id;
  }
  const intent = record.object;
  // Another shipping choice, another total: the fee must still fit into it.
  intent.amount = checkout.amount_total;
  if (intent.application_fee_amount !== null) intent.application_fee_amount = Math.min(intent.application_fee_amount, intent.amount);
  intent.receipt_email ??= receiptEmail ?? null;
  if (shipping) intent.shipping = { carrier: null, phone: null, tracking_number: null, ...shipping };
  if (isNew) world.emit('payment_intent.created', intent, record);
  return record;
}

/** The PaymentMethod that a payment is tried with. */
export function makeMethod(world, { object: intent, owner, livemode }, method, billing) {
  const debit = method.type === 'debit' && bankDebit(intent.currency);
  return world.add('payment_method', {
    id: newId('payment_method'), object: 'payment_method', allow_redisplay: 'unspecified', billing_details: billing, created: world.now(), customer: null,
    customer_account: null, livemode, metadata: {}, type: debit || 'card',
    ...(debit ? { [debit]: { last4: '6789' } } : {
      card: {
        ...cardDetails(method), display_brand: method.brand, generated_from: null, networks: { available: [method.brand], preferred: null },
        regulated_status: 'unregulated', three_d_secure_usage: { supported: true }, wallet: null,
      },
    }),
  }, { owner, livemode }).object;
}

function makeCharge(world, record, method, billing, fields) {
  const { object: intent, owner, livemode } = record;
  const debit = method.type === 'debit' && bankDebit(intent.currency);
  const details = debit
    ? { type: debit, [debit]: { last4: '6789' } }
    : {
        type: 'card',
        card: {
          ...cardDetails(method), amount_authorized: intent.amount, network: method.brand, three_d_secure: method.confirmed ?? null,
          // An authorisation lapses after a week.
          ...(intent.capture_method === 'manual' && { capture_before: world.now() + WEEK }),
        },
      };
  const charge = {
    id: newId('charge'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: 0,
    amount_refunded: 0,
    application: intent.application,
    application_fee: null,
    application_fee_amount: intent.application_fee_amount,
    balance_transaction: null,
    billing_details: billing,
    calculated_statement_descriptor: intent.statement_descriptor,
    captured: false,
    created: world.now(),
    currency: intent.currency,
    customer: null,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    fraud_details: {},
    livemode,
    metadata: { ...intent.metadata },
    on_behalf_of: intent.on_behalf_of,
    outcome: { network_status: 'approved_by_network', reason: null, seller_message: 'Payment complete.', type: 'authorized' },
    paid: true,
    payment_intent: intent.id,
    payment_method: method.payment_method ?? makeMethod(world, record, method, billing).id,
    payment_method_details: details,
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: intent.shipping,
    source_transfer: null,
    statement_descriptor: intent.statement_descriptor,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: 'succeeded',
    transfer_data: intent.transfer_data && { amount: intent.transfer_data.amount ?? null, destination: intent.transfer_data.destination },
    transfer_group: intent.transfer_group,
    ...fields,
  };
  const kept = world.add('charge', charge, { owner, livemode, ...(method.refunds && { refunds: method.refunds }) });
  intent.latest_charge = charge.id;
  intent.payment_method = charge.payment_method;
  return kept;
}

// -- moving --------------------------------------------------------------------------------------------------------

/** Money has arrived (or is captured): fee, transfer, figures. */
export function collect(world, record, charge, amount) {
  const { object: intent, owner, livemode } = record;
  intent.status = 'succeeded';
  intent.amount_received = amount;
  if (record.token) countCaptured(world, record.token, amount);
  intent.amount_capturable = 0;
  intent.processing = null;
  intent.next_action = null;
  intent.last_payment_error = null;
  Object.assign(charge.object, { captured: true, amount_captured: amount, status: 'succeeded', paid: true });
  const platform = world.keys.platform;
  const destination = intent.transfer_data?.destination;
  if (destination) {
    const transfer = {
      id: newId('transfer'), object: 'transfer', amount: Math.min(intent.transfer_data.amount ?? amount, amount), amount_reversed: 0, created: world.now(),
      currency: intent.currency, destination, livemode, metadata: {}, reversed: false, source_transaction: charge.object.id,
    };
    world.add('transfer', transfer, { owner, livemode });
    charge.object.transfer = transfer.id;
  }
  if (intent.application_fee_amount) {
    const fee = {
      id: newId('application_fee'), object: 'application_fee', account: destination ?? owner, amount: intent.application_fee_amount,
      amount_refunded: 0, application: world.clientId(livemode), balance_transaction: null, charge: charge.object.id,
      created: world.now(), currency: intent.currency, fee_source: { charge: charge.object.id, type: 'charge' }, livemode,
      originating_transaction: null, refunded: false,
      refunds: { object: 'list', data: [], has_more: false, url: '' },
    };
    fee.refunds.url = `/v1/application_fees/${fee.id}/refunds`;
    charge.object.application_fee = fee.id;
    charge.object.application_fee_amount = fee.amount;
    const kept = world.add('application_fee', fee, { owner: platform, livemode });
    world.emit('application_fee.created', fee, kept);
  }
}

export function succeed(world, record, method, billing) {
  const charge = makeCharge(world, record, method, billing);
  if (record.object.capture_method === 'manual') {
    Object.assign(record.object, { status: 'requires_capture', amount_capturable: record.object.amount, next_action: null, last_payment_error: null });
    world.emit('charge.succeeded', charge.object, charge);
    world.emit('payment_intent.amount_capturable_updated', record.object, record);
    return;
  }
  collect(world, record, charge, record.object.amount);
  world.emit('charge.succeeded', charge.object, charge);
  world.emit('payment_intent.succeeded', record.object, record);
}

function failure(charge, { code, decline_code, message }, payment_method) {
  return {
    type: 'card_error', code, ...(decline_code && { decline_code }), message, charge, doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`,
    ...(payment_method && { payment_method }),
  };
}

export function decline(world, record, method, billing) {
  const charge = makeCharge(world, record, method, billing, {
    status: 'failed', paid: false, failure_code: method.code, failure_message: method.message,
    outcome: { network_status: 'declined_by_network', reason: method.decline_code, seller_message: 'The bank declined the payment.', type: 'issuer_declined' },
  });
  Object.assign(record.object, {
    status: 'requires_payment_method', payment_method: null, next_action: null,
    last_payment_error: failure(charge.object.id, method, world.record('payment_method', charge.object.payment_method).object),
  });
  world.emit('charge.failed', charge.object, charge);
  world.emit('payment_intent.payment_failed', record.object, record);
}

export const redirectTo = (url, return_url = null) => ({ type: 'redirect_to_url', redirect_to_url: { url, return_url } });

/** The bank wants to ask the buyer first: `next_action` says how. */
export function askBank(world, record, next_action) {
  Object.assign(record.object, { status: 'requires_action', last_payment_error: null, next_action });
  world.emit('payment_intent.requires_action', record.object, record);
}

export function refuseAtBank(world, record) {
  Object.assign(record.object, {
    status: 'requires_payment_method', payment_method: null, next_action: null,
    last_payment_error: { type: 'card_error', code: 'payment_intent_authentication_failure', message: 'The bank could not confirm this payment.' },
  });
  world.emit('payment_intent.payment_failed', record.object, record);
}

export function startDebit(world, record, method, billing) {
  const charge = makeCharge(world, record, method, billing, { status: 'pending', paid: false });
  Object.assign(record.object, { status: 'processing', last_payment_error: null });
  world.emit('charge.pending', charge.object, charge);
  world.emit('payment_intent.processing', record.object, record);
}

export function endDebit(world, record, result) {
  const charge = world.record('charge', record.object.latest_charge);
  if (result === 'succeed') {
    collect(world, record, charge, record.object.amount);
    world.emit('charge.succeeded', charge.object, charge);
    world.emit('payment_intent.succeeded', record.object, record);
    return;
  }
  const why = { code: 'payment_method_provider_decline', decline_code: 'insufficient_funds', message: 'The bank returned the debit.' };
  Object.assign(charge.object, { status: 'failed', paid: false, failure_code: why.code, failure_message: why.message });
  Object.assign(record.object, {
    status: 'requires_payment_method', processing: null, payment_method: null, last_payment_error: failure(charge.object.id, why),
  });
  world.emit('charge.failed', charge.object, charge);
  world.emit('payment_intent.payment_failed', record.object, record);
}
