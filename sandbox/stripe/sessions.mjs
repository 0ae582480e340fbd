// Checkout Sessions: made from the form, shown to the API, ended by time or by hand.
import { StripeError, invalid, missing } from './errors.mjs';
import { newId } from './ids.mjs';
import { cancelIntent } from './intents.mjs';
import { page, within } from './lists.mjs';
import { MAXIMUM_CARD, MINIMUM, format, isWhole, lineTotal, parseDecimal, printDecimal, scale, step, tax } from './money.mjs';
import { bankDebit } from './methods.mjs';
import { checkMoneyRoute } from './payments.mjs';
import { clone } from './world.mjs';

const HALF_HOUR = 30 * 60;
const DAY = 24 * 60 * 60;

const dropEmpty = (metadata = {}) => Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== ''));

// -- lines ---------------------------------------------------------------------------------------------------------

/** Exactly one of unit_amount and unit_amount_decimal, as a big integer of 10^-12 minor units. */
function unitOf(price, at) {
  const both = price.unit_amount !== undefined && price.unit_amount_decimal !== undefined;
  if (both) throw invalid('Send unit_amount or unit_amount_decimal, not both.', { param: `${at}[unit_amount]` });
  if (price.unit_amount !== undefined) {
    if (price.unit_amount < 0) throw invalid('Invalid non-negative integer', { param: `${at}[unit_amount]`, code: 'parameter_invalid_integer' });
    if (price.unit_amount > MAXIMUM_CARD) throw invalid('The amount has too many digits.', { param: `${at}[unit_amount]`, code: 'amount_too_large' });
    return scale(price.unit_amount);
  }
  if (price.unit_amount_decimal === undefined) throw missing(`${at}[unit_amount]`);
  const unit = parseDecimal(price.unit_amount_decimal);
  if (unit === null) throw invalid('Invalid non-negative decimal', { param: `${at}[unit_amount_decimal]` });
  return unit;
}

function makeLine(world, line, index, currency, livemode, owner) {
  const at = `line_items[${index}]`;
  if (!line.price_data) throw missing(`${at}[price_data]`);
  const price = line.price_data;
  if (!price.product_data) throw missing(`${at}[price_data][product_data]`);
  if (line.quantity === undefined) throw missing(`${at}[quantity]`);
  if (line.quantity < 1 || line.quantity > 999_999) {
    throw invalid('quantity is between 1 and 999999.', { param: `${at}[quantity]`, code: 'parameter_invalid_integer' });
  }
  if (price.currency !== currency) {
    throw invalid(`All lines have one currency: ${currency} and ${price.currency} do not mix.`, { param: `${at}[price_data][currency]` });
  }
  const unit = unitOf(price, `${at}[price_data]`);
  const amount = lineTotal(unit, line.quantity);
  if (!Number.isSafeInteger(amount) || amount > MAXIMUM_CARD) {
    throw invalid('The amount of this line is too large.', { param: at, code: 'amount_too_large' });
  }
  checkStep(amount, currency, at);
  const product = {
    id: newId('product'), object: 'product', active: false, name: price.product_data.name,
    description: price.product_data.description ?? null, images: price.product_data.images ?? [],
    metadata: dropEmpty(price.product_data.metadata), tax_code: price.product_data.tax_code ?? null,
    unit_label: price.product_data.unit_label ?? null, livemode, created: world.now(), updated: world.now(), type: 'service', url: null,
  };
  const item = {
    id: newId('item'), object: 'item', adjustable_quantity: null, amount_discount: 0, amount_subtotal: amount, amount_tax: 0,
    amount_total: amount, currency, description: product.name, metadata: dropEmpty(line.metadata),
    price: {
      id: newId('price'), object: 'price', active: false, billing_scheme: 'per_unit', created: world.now(), currency,
      custom_unit_amount: null, livemode, lookup_key: null, metadata: {}, nickname: null, product: product.id, recurring: null,
      tax_behavior: price.tax_behavior ?? 'unspecified', tiers_mode: null, transform_quantity: null, type: 'one_time',
      unit_amount: isWhole(unit) ? Number(printDecimal(unit)) : null, unit_amount_decimal: printDecimal(unit),
    },
    quantity: line.quantity,
  };
  return { item, product };
}

function checkStep(amount, currency, param) {
  if (amount % step(currency) !== 0) {
    throw invalid(`Amounts in ${currency} are multiples of ${step(currency)}; ${amount} is not.`, { param, code: 'parameter_invalid_integer' });
  }
}

// -- shipping ------------------------------------------------------------------------------------------------------

function makeRate(world, option, index, currency, livemode) {
  const at = `shipping_options[${index}]`;
  const data = option.shipping_rate_data;
  if (!data) throw missing(`${at}[shipping_rate_data]`);
  if (!data.fixed_amount) throw missing(`${at}[shipping_rate_data][fixed_amount]`);
  const { amount, currency: coin } = data.fixed_amount;
  const param = `${at}[shipping_rate_data][fixed_amount]`;
  if (coin !== currency) throw invalid('The shipping rate has another currency than the lines.', { param: `${param}[currency]` });
  if (amount < 0 || amount > MAXIMUM_CARD) throw invalid('Invalid non-negative integer', { param: `${param}[amount]`, code: 'parameter_invalid_integer' });
  checkStep(amount, currency, `${param}[amount]`);
  for (const [bound, moment] of Object.entries(data.delivery_estimate ?? {})) {
    if (moment.value < 1) throw invalid('A delivery estimate is at least 1.', { param: `${at}[shipping_rate_data][delivery_estimate][${bound}][value]`, code: 'parameter_invalid_integer' });
  }
  return {
    id: newId('shipping_rate'), object: 'shipping_rate', active: true, created: world.now(),
    delivery_estimate: data.delivery_estimate ? { maximum: null, minimum: null, ...data.delivery_estimate } : null,
    display_name: data.display_name, fixed_amount: { amount, currency }, livemode, metadata: dropEmpty(data.metadata),
    tax_behavior: data.tax_behavior ?? 'unspecified', tax_code: data.tax_code ?? null, type: 'fixed_amount',
  };
}

// -- totals --------------------------------------------------------------------------------------------------------

/**
 * Sets every figure of the session from its lines, the chosen shipping and the tax.
 * Tax waits for the buyer's address, as at Stripe: `taxed` says that it is known.
 */
export function totalUp(world, record, { taxed = record.taxed, shippingRate } = {}) {
  const { object: session, lines } = record;
  if (shippingRate !== undefined) record.shippingRate = shippingRate;
  record.taxed = taxed;
  const taxing = session.automatic_tax.enabled && taxed;
  const { currency } = session;
  // 'unspecified' counts as exclusive: the default of an account that never chose.
  const split = (amount, behavior) => {
    if (!taxing) return { amount_tax: 0, amount_total: amount };
    const due = tax(amount, behavior, currency);
    return { amount_tax: due, amount_total: behavior === 'inclusive' ? amount : amount + due };
  };
  let subtotal = 0;
  let total = 0;
  let taxes = 0;
  for (const line of lines) {
    Object.assign(line, split(line.amount_subtotal, line.price.tax_behavior));
    subtotal += line.amount_subtotal;
    total += line.amount_total;
    taxes += line.amount_tax;
  }
  const rate = record.shippingRate ? world.record('shipping_rate', record.shippingRate)?.object : null;
  if (rate) {
    const amount = rate.fixed_amount.amount;
    const shipping = split(amount, rate.tax_behavior);
    session.shipping_cost = { amount_subtotal: amount, ...shipping, shipping_rate: rate.id };
    total += shipping.amount_total;
    taxes += shipping.amount_tax;
  }
  session.amount_subtotal = subtotal;
  session.amount_total = total;
  session.total_details = { amount_discount: 0, amount_shipping: rate ? rate.fixed_amount.amount : 0, amount_tax: taxes };
  session.automatic_tax.status = session.automatic_tax.enabled ? (taxed ? 'complete' : 'requires_location_inputs') : null;
  return session;
}

// -- create --------------------------------------------------------------------------------------------------------

function checkTotal(total, currency) {
  if (total === 0) return; // a no-cost order is allowed and needs no payment
  const minimum = MINIMUM[currency];
  if (minimum && total < minimum) {
    throw invalid(`The total has to be at least ${format(minimum, currency)}.`, { code: 'amount_too_small' });
  }
  if (!Number.isSafeInteger(total) || total > MAXIMUM_CARD) {
    throw invalid(`The total may be at most ${format(MAXIMUM_CARD, currency)}.`, { code: 'amount_too_large' });
  }
}

function expiry(world, params) {
  const now = world.now();
  if (params.expires_at === undefined) return now + DAY;
  // A few seconds of grace downwards: the caller's clock and the way here are not ours.
  if (params.expires_at < now + HALF_HOUR - 10 || params.expires_at > now + DAY + 10) {
    throw invalid('expires_at has to lie between 30 minutes and 24 hours from now.', { param: 'expires_at' });
  }
  return params.expires_at;
}

/** Who owes the tax: the account itself, or a connected one that the platform names. */
function checkLiability(world, scope, { type, account }) {
  const param = 'automatic_tax[liability][account]';
  if (type === 'account' && account === undefined) throw missing(param);
  if (type === 'self' && account !== undefined) throw invalid('liability[account] goes with type=account only.', { param });
  if (account !== undefined && account !== scope.owner && !(scope.owner === world.keys.platform && world.connection(account, scope.livemode))) {
    throw invalid(`No such account to owe the tax: '${account}'`, { code: 'resource_missing', param });
  }
}

function createSession({ world, params, scope }) {
  if (params.mode !== 'payment') {
    throw invalid(`mode=${params.mode} exists at Stripe, but this local stand-in plays payment only.`, { param: 'mode', code: 'parameter_not_played_here' });
  }
  if (params.ui_mode !== undefined && params.ui_mode !== 'hosted_page') {
    throw invalid(`ui_mode=${params.ui_mode} exists at Stripe, but this local stand-in plays hosted_page only.`, { param: 'ui_mode', code: 'parameter_not_played_here' });
  }
  if (!params.success_url) throw missing('success_url');
  if (!params.line_items?.length) throw missing('line_items');
  const { livemode, owner } = scope;
  const account = world.record('account', owner).object;
  if (livemode && !account.charges_enabled) {
    throw invalid('This account is not activated and can take test payments only.', { code: 'testmode_charges_only' });
  }
  const currency = params.currency ?? params.line_items[0].price_data?.currency;
  const made = params.line_items.map((line, index) => makeLine(world, line, index, currency, livemode, owner));
  const rates = (params.shipping_options ?? []).map((option, index) => makeRate(world, option, index, currency, livemode));
  const expires_at = expiry(world, params);
  const data = params.payment_intent_data ?? {};
  const manual = data.capture_method === 'manual';
  const id = newId('checkout.session', livemode);
  const email = params.customer_email ?? null;
  const session = {
    id,
    object: 'checkout.session',
    adaptive_pricing: { enabled: params.adaptive_pricing?.enabled ?? true },
    after_expiration: null,
    allow_promotion_codes: null,
    amount_subtotal: 0,
    amount_total: 0,
    automatic_tax: {
      enabled: params.automatic_tax?.enabled ?? false,
      liability: params.automatic_tax?.enabled ? params.automatic_tax.liability ?? { type: 'self' } : null,
      provider: params.automatic_tax?.enabled ? 'stripe' : null,
      status: null,
    },
    billing_address_collection: params.billing_address_collection ?? null,
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: world.now(),
    currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null, ...Object.fromEntries(Object.entries(params.custom_text ?? {}).filter(([, value]) => value !== '')) },
    customer: null,
    customer_account: null,
    customer_creation: params.customer_creation ?? 'if_required',
    customer_details: email && { address: null, business_name: null, email, individual_name: null, name: null, phone: null, tax_exempt: 'none', tax_ids: null },
    customer_email: email,
    discounts: [],
    expires_at,
    integration_identifier: params.integration_identifier ?? null,
    invoice: null,
    invoice_creation: { enabled: false, invoice_data: { account_tax_ids: null, custom_fields: null, description: null, footer: null, issuer: null, metadata: {}, rendering_options: null } },
    livemode,
    locale: params.locale ?? null,
    metadata: dropEmpty(params.metadata),
    mode: 'payment',
    origin_context: params.origin_context ?? null,
    payment_intent: null, // made when the buyer first tries to pay
    payment_link: null,
    payment_method_collection: 'if_required',
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    // A debit from a bank cannot be authorised now and captured later.
    payment_method_types: manual ? ['card'] : ['card', bankDebit(currency)],
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: params.phone_number_collection?.enabled ?? false },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: params.shipping_address_collection ?? null,
    shipping_cost: null,
    shipping_options: rates.map((rate) => ({ shipping_amount: rate.fixed_amount.amount, shipping_rate: rate.id })),
    status: 'open',
    submit_type: params.submit_type ?? null,
    subscription: null,
    success_url: params.success_url,
    total_details: null,
    ui_mode: 'hosted_page',
    url: `${world.url}/checkout/c/pay/${id}`,
    wallet_options: null,
  };
  const record = { object: session, owner, livemode, lines: made.map(({ item }) => item), data, shippingRate: null, taxed: false };
  // The figures are tried out with the first rate on a copy of the world's rates: nothing is kept if they are refused.
  const shipping = rates[0] ? rates[0].fixed_amount.amount : 0;
  const total = record.lines.reduce((sum, line) => sum + line.amount_total, 0) + shipping;
  checkTotal(total, currency);
  checkStep(total, currency, 'line_items');
  checkMoneyRoute(world, scope, data, total, (name, ...inner) => `payment_intent_data[${[name, ...inner].join('][')}]`);
  if (params.automatic_tax?.liability) checkLiability(world, scope, params.automatic_tax.liability);

  for (const { product } of made) world.add('product', product, { owner, livemode });
  for (const rate of rates) world.add('shipping_rate', rate, { owner, livemode });
  const { object, ...secret } = record;
  const kept = world.add('checkout.session', object, secret);
  totalUp(world, kept, { shippingRate: rates[0]?.id ?? null });
  return clone(session);
}

// -- reading and ending --------------------------------------------------------------------------------------------

const own = (context) => context.world.find('checkout.session', context.path.session, context.scope, 'session');

/** Ends what ran out. Called before every look at a session and by the clock's tick. */
export function expireDue(world, record) {
  if (record.object.status === 'open' && record.object.expires_at <= world.now()) endSession(world, record);
  return record;
}

export function endSession(world, record) {
  const session = record.object;
  if (session.status !== 'open') {
    throw new StripeError(400, {
      executed: true,
      message: `Only an open Checkout Session can be expired; this one is ${session.status}.`,
    });
  }
  session.status = 'expired';
  session.url = null;
  if (session.payment_intent) {
    const intent = world.record('payment_intent', session.payment_intent);
    if (intent && /^requires_(payment_method|action|confirmation)$/.test(intent.object.status)) cancelIntent(world, intent, 'automatic');
  }
  world.emit('checkout.session.expired', session, record);
  return session;
}

function listSessions({ world, params, scope }) {
  const { payment_intent: intent, status, created, customer_details: details } = params;
  const items = world.list('checkout.session', scope)
    .map((record) => expireDue(world, record).object)
    .filter((session) => within(session.created, created)
      && (!intent || session.payment_intent === intent)
      && (!status || session.status === status)
      && (!details || session.customer_details?.email === details.email));
  return clone(page(items, params, '/v1/checkout/sessions', 'checkout.session'));
}

export const operations = {
  'POST /v1/checkout/sessions': createSession,
  'GET /v1/checkout/sessions': listSessions,
  'GET /v1/checkout/sessions/{session}': (context) => clone(expireDue(context.world, own(context)).object),
  'POST /v1/checkout/sessions/{session}/expire': (context) => {
    const record = expireDue(context.world, own(context));
    return clone(endSession(context.world, record));
  },
  'GET /v1/checkout/sessions/{session}/line_items': (context) => {
    const record = own(context);
    return clone(page(record.lines, context.params, `/v1/checkout/sessions/${record.object.id}/line_items`, 'item'));
  },
};

export const successUrl = (session) => session.success_url.replaceAll('{CHECKOUT_SESSION_ID}', session.id);
