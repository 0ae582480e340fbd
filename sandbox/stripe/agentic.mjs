// An agent's purchase, as Stripe runs it: the catalogue is looked up, the seller's hooks are asked, the card is charged, the events go out.
// Nobody's page and nobody's API call: the session is Stripe's own, and names nothing of the seller's but his SKUs.
import { invalid } from './errors.mjs';
import { askHook, checkCustomize, checkFinalize } from './hooks.mjs';
import { newId } from './ids.mjs';
import { bankDebit, methodOf } from './methods.mjs';
import { MAXIMUM_CARD, MAXIMUM_OTHER, TAX_PERCENT, isCurrency, step, tax } from './money.mjs';
import { checkMoneyRoute, decline, intentOf, startDebit, succeed } from './payments.mjs';
import { totalUp } from './sessions.mjs';
import { clone } from './world.mjs';

const DAY = 24 * 60 * 60;

export const ADDRESS = { line1: '354 Oyster Point Blvd', line2: null, city: 'South San Francisco', state: 'CA', postal_code: '94080', country: 'US' };

/** What is sold, where no import has told it: tests and the Dashboard put products in by hand. Products of the same id are replaced. */
export function setCatalogue(world, account, products) {
  const record = world.record('account', account);
  if (!record) throw new Error(`there is no account ${account}`);
  const added = Array.isArray(products) ? products : Object.entries(products).map(([id, product]) => ({ id, ...product }));
  record.catalogue ??= {};
  for (const product of added) {
    if (!product.id || !isCurrency(product.price?.currency) || !Number.isSafeInteger(product.price.unit_amount)) {
      throw new Error('setCatalogue: a product has an id and a price {unit_amount, currency}');
    }
    record.catalogue[product.id] = { availability: 'in_stock', inventory_quantity: null, title: product.id, ...clone(product) };
  }
  world.changed();
  return clone(record.catalogue);
}

/** What a SKU costs now. */
const priceOf = (product) => product.sale_price ?? product.price;

// -- what is bought ------------------------------------------------------------------------------------------------

class Refusal extends Error {
  constructor(code, message, more = {}) {
    super(message);
    this.result = { ok: false, code, message, ...more };
  }
}

function wanted({ skus, sku, quantity = 1 }) {
  const list = (Array.isArray(skus) ? skus : skus ? [skus] : [{ sku, quantity }])
    .map((one) => (typeof one === 'string' ? { sku: one, quantity: 1 } : { quantity: 1, ...one, sku: one.sku ?? one.id }));
  if (list.length === 0 || list.some((one) => !one.sku)) throw new Error('simulatePurchase: skus is a list of SKUs, or of {sku, quantity}');
  return list;
}

/** Stripe looks at the catalogue before it asks anybody. */
function find(catalogue, { sku, quantity }, { checkStock = true }) {
  const product = Object.hasOwn(catalogue, sku) ? catalogue[sku] : undefined;
  if (!product) throw new Refusal('product_not_found', `There is no SKU ${sku} in this seller's catalogue.`);
  if (checkStock) {
    const left = product.inventory_quantity;
    const none = product.availability === 'out_of_stock' || (left !== null && left !== undefined && left < quantity);
    if (none) throw new Refusal('out_of_stock', `${sku} is out of stock in the catalogue that Stripe has.`);
  }
  return { product, quantity };
}

function makeLine(world, { product, quantity }, { livemode, owner }, taxBehavior) {
  const { unit_amount: unit, currency } = priceOf(product);
  const amount = unit * quantity;
  const made = {
    id: newId('product'), object: 'product', active: true, created: world.now(), default_price: null, description: product.description ?? null,
    // Private preview: what the seller's feed calls it.
    identifiers: { gtin: product.gtin ?? null, mpn: product.mpn ?? null },
    images: [product.image_link].filter(Boolean), livemode, metadata: {}, name: product.title ?? product.id, tax_code: product.tax_code ?? null, type: 'good',
    unit_label: null, updated: world.now(), url: product.link ?? null,
  };
  world.add('product', made, { owner, livemode });
  return {
    id: newId('item'), object: 'item', adjustable_quantity: null, amount_discount: 0, amount_subtotal: amount, amount_tax: 0, amount_total: amount, currency,
    description: made.name, metadata: {},
    price: {
      id: newId('price'), object: 'price', active: true, billing_scheme: 'per_unit', created: world.now(), currency, custom_unit_amount: null,
      external_reference: product.id, // private preview: the SKU
      livemode, lookup_key: null, metadata: {}, nickname: null, product: made.id, recurring: null, tax_behavior: taxBehavior, tiers_mode: null,
      transform_quantity: null, type: 'one_time', unit_amount: unit, unit_amount_decimal: String(unit),
    },
    quantity,
  };
}

// -- the session ---------------------------------------------------------------------------------------------------

function makeSession(world, { scope, currency, automaticTax, account, destination, manual, buyer }) {
  const { livemode } = scope;
  const id = newId('checkout.session', livemode);
  return {
    id, object: 'checkout.session', adaptive_pricing: null, after_expiration: null, allow_promotion_codes: null, amount_subtotal: 0, amount_total: 0,
    automatic_tax: {
      enabled: automaticTax, liability: automaticTax ? (destination ? { type: 'account', account } : { type: 'self' }) : null, provider: automaticTax ? 'stripe' : null, status: null,
    },
    billing_address_collection: null, cancel_url: null, client_reference_id: null, client_secret: null, collected_information: null, consent: null,
    consent_collection: null, created: world.now(), currency, currency_conversion: null, custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null }, customer: null, customer_account: null,
    customer_creation: 'if_required',
    customer_details: { address: null, business_name: null, email: buyer.email, individual_name: null, name: buyer.name, phone: buyer.phone, tax_exempt: 'none', tax_ids: null },
    customer_email: null, discounts: [], expires_at: world.now() + DAY, integration_identifier: null, invoice: null, invoice_creation: null, livemode, locale: null,
    metadata: {}, mode: 'payment', origin_context: null, payment_intent: null, payment_link: null, payment_method_collection: 'always',
    payment_method_configuration_details: null, payment_method_options: {}, payment_method_types: manual ? ['card'] : ['card', bankDebit(currency)],
    payment_status: 'unpaid', permissions: null, phone_number_collection: { enabled: false }, recovered_from: null, saved_payment_method_options: null,
    setup_intent: null, shipping_address_collection: null, shipping_cost: null, shipping_options: [], status: 'open', submit_type: null, subscription: null,
    success_url: null, total_details: null, ui_mode: 'custom', url: null, wallet_options: null,
  };
}

/** The shape of a tax rate; one that matches is used again, as Stripe says of `rate_data`. */
function taxRate(world, { owner, livemode }, { display_name, percentage, inclusive, tax_type = 'sales_tax' }) {
  const known = [...world.table('tax_rate').values()].find((record) => record.owner === owner && record.livemode === livemode
    && record.object.display_name === display_name && record.object.percentage === percentage && record.object.inclusive === inclusive);
  if (known) return known.object;
  const rate = {
    id: newId('tax_rate'), object: 'tax_rate', active: true, country: null, created: world.now(), description: null, display_name, effective_percentage: percentage,
    flat_amount: null, inclusive, jurisdiction: null, jurisdiction_level: null, livemode, metadata: {}, percentage, rate_type: 'percentage', state: null, tax_type,
  };
  return world.add('tax_rate', rate, { owner, livemode }).object;
}

/** `percentage` of an amount, or what of it is that tax; kept to the currency's step. Four digits of a percentage are enough for any tax. */
function part(amount, { percentage, inclusive }, currency) {
  const rate = BigInt(Math.round(percentage * 10_000));
  const over = inclusive ? 1_000_000n + rate : 1_000_000n;
  const unit = BigInt(step(currency));
  const exact = BigInt(amount) * rate;
  return Number(((exact + (over * unit) / 2n) / (over * unit)) * unit);
}

/** All figures, from lines, chosen shipping and taxes: Stripe Tax's, or the seller's own from the hook. */
function figure(world, record) {
  const { object: session, lines, owner, livemode } = record;
  totalUp(world, record, { taxed: true });
  const { currency } = session;
  if (session.automatic_tax.enabled) {
    for (const line of lines) {
      const inclusive = line.price.tax_behavior === 'inclusive';
      const rate = taxRate(world, { owner, livemode }, { display_name: 'Sales tax', percentage: Number(TAX_PERCENT), inclusive });
      keepTaxes(world, line, [{ amount: line.amount_tax, rate, taxability_reason: 'standard_rated', taxable_amount: line.amount_subtotal }]);
    }
    return session;
  }
  let taxes = 0;
  for (const line of lines) {
    const list = (record.taxRates?.[line.id] ?? []).map((rate) => ({
      amount: part(line.amount_subtotal, rate, currency), rate, taxability_reason: null, taxable_amount: line.amount_subtotal,
    }));
    line.amount_tax = list.reduce((sum, { amount }) => sum + amount, 0);
    line.amount_total = line.amount_subtotal + list.filter(({ rate }) => !rate.inclusive).reduce((sum, { amount }) => sum + amount, 0);
    session.amount_total += line.amount_total - line.amount_subtotal;
    taxes += line.amount_tax;
    keepTaxes(world, line, list);
  }
  session.total_details.amount_tax = taxes;
  return session;
}

/** Taxes are told where somebody expands them; see expand.mjs. */
function keepTaxes(world, line, taxes) {
  world.add('item_tax', { id: line.id, taxes: clone(taxes) }, { owner: null, livemode: null });
}

function makeRate(world, { owner, livemode }, data, currency) {
  const { amount, currency: coin } = data.fixed_amount;
  if (coin !== currency) throw new Refusal('hook_answer_invalid', `The hook offers shipping in ${coin}; this sale is in ${currency}.`);
  return world.add('shipping_rate', {
    id: newId('shipping_rate'), object: 'shipping_rate', active: true, created: world.now(),
    delivery_estimate: data.delivery_estimate ? { maximum: null, minimum: null, ...data.delivery_estimate } : null,
    display_name: data.display_name ?? null, fixed_amount: { amount, currency }, livemode, metadata: data.metadata ?? {},
    tax_behavior: data.tax_behavior ?? 'unspecified', tax_code: data.tax_code ?? null, type: 'fixed_amount',
  }, { owner, livemode }).object;
}

function offerShipping(world, record, options) {
  const rates = options.map((option) => {
    if (option.shipping_rate_data) return makeRate(world, record, option.shipping_rate_data, record.object.currency);
    const known = world.record('shipping_rate', option.shipping_rate);
    if (!known || known.owner !== record.owner) throw new Refusal('hook_answer_invalid', `There is no shipping rate ${option.shipping_rate}.`);
    return known.object;
  });
  record.object.shipping_options = rates.map((rate) => ({ shipping_amount: rate.fixed_amount.amount, shipping_rate: rate.id }));
  return rates;
}

/** By its place, its id or its name; the first where nothing is said. */
function chooseShipping(record, rates, option = 0) {
  const rate = rates.find((one, place) => place === option || one.id === option || one.display_name === option);
  if (!rate && rates.length > 0) throw new Refusal('shipping_option_invalid', `There is no way of shipping ${option}.`);
  record.shippingRate = rate?.id ?? null;
}

// -- questions -----------------------------------------------------------------------------------------------------

const lineDetails = (world, record, { skus = true }) => record.lines.map((line) => ({
  id: line.id, ...(skus && { sku_id: line.price.external_reference }), unit_amount: line.price.unit_amount, amount_discount: line.amount_discount,
  amount_subtotal: line.amount_subtotal, amount_tax: line.amount_tax, amount_total: line.amount_total, quantity: line.quantity, name: line.description,
  tax_rates: (world.table('item_tax').get(line.id)?.object.taxes ?? []).map(({ amount, rate }) => ({
    rate: { id: rate.id, display_name: rate.display_name, percentage: rate.percentage, inclusive: rate.inclusive }, amount,
  })),
}));

/** The two spellings that are in the wild, and the two envelopes. */
function enveloped(data, { envelope = 'data' }) {
  if (!['data', 'object'].includes(envelope)) throw new Error("simulatePurchase: envelope is 'data' or 'object'");
  return envelope === 'object' ? { object: data } : data;
}

function spelled(lines, { spelling = 'line_items_details' }) {
  const names = { line_items_details: ['line_items_details'], line_item_details: ['line_item_details'], both: ['line_items_details', 'line_item_details'] }[spelling];
  if (!names) throw new Error("simulatePurchase: spelling is 'line_items_details', 'line_item_details' or 'both'");
  return Object.fromEntries(names.map((name) => [name, lines]));
}

function customizeQuestion(world, record, buyer, given) {
  const { object: session } = record;
  return {
    type: 'v1.delegated_checkout.customize_checkout',
    data: enveloped({
      ...(given.tellSession !== false && { checkout_session: session.id }),
      amount_subtotal: session.amount_subtotal, amount_total: session.amount_total, automatic_tax: { enabled: session.automatic_tax.enabled },
      currency: session.currency, line_item_details: lineDetails(world, record, given),
      shipping_details: { shipping_rate: null, shipping_rates: [], address: buyer.address }, total_details: clone(session.total_details),
    }, given),
  };
}

function finalizeQuestion(world, record, buyer, method, given) {
  const { object: session } = record;
  const card = method.type === 'card' && { brand: method.brand, country: 'US', exp_month: 12, exp_year: 2034, fingerprint: `sandbox${method.last4}00000`, funding: 'credit', last4: method.last4 };
  return {
    type: 'v1.delegated_checkout.finalize_checkout',
    data: enveloped({
      ...(given.tellSession !== false && { checkout_session: session.id }),
      amount_subtotal: session.amount_subtotal, amount_total: session.amount_total, billing_details: { name: buyer.name, address: buyer.billing },
      currency: session.currency, email: buyer.email, ...spelled(lineDetails(world, record, given), given),
      payment_method_details: card ? { type: 'card', card } : { type: bankDebit(session.currency) }, phone: buyer.phone,
      shipping_details: { name: buyer.shippingName, address: buyer.address }, total_details: clone(session.total_details),
    }, given),
  };
}

/** Asks, keeps question and answer for whoever looks, and refuses on trouble as Stripe does. */
async function ask(stripe, record, account, question, check, given) {
  const asked = await askHook(stripe, { ...question, livemode: record.livemode, context: account }, given.hook);
  record.hooks.push(asked);
  stripe.world.changed();
  if (asked.error === 'timed out') throw new Refusal('hook_timeout', 'The seller did not answer in time, so the purchase is declined.', { status: 'declined' });
  if (!(asked.status >= 200 && asked.status < 300)) {
    throw new Refusal('hook_failed', `The seller's hook answered ${asked.status || asked.error}: the agent gets 424 and may try again.`, { status: 424 });
  }
  const wrong = check(asked.answer);
  if (wrong) {
    asked.invalid = wrong;
    throw new Refusal('hook_answer_invalid', `The hook's answer is not what it should be: ${wrong}.`, { status: 424 });
  }
  return asked.answer;
}

// -- the whole -----------------------------------------------------------------------------------------------------

function buyerOf(given) {
  const name = given.name ?? 'Jenny Rosen';
  const address = { ...ADDRESS, ...given.address };
  return { email: given.email ?? 'jenny@example.com', name, phone: given.phone ?? null, shippingName: given.shippingName ?? name, address, billing: { ...address, ...given.billing } };
}

function begin(stripe, given, wants, buyer) {
  const { world } = stripe;
  const { livemode = false, chargeType = 'direct', capture = 'automatic', automaticTax = false } = given;
  const account = given.account?.id ?? given.account;
  const seller = world.record('account', account);
  if (!seller) throw new Error(`simulatePurchase: there is no account ${account}`);
  if (!['direct', 'destination'].includes(chargeType)) throw new Error("simulatePurchase: chargeType is 'direct' or 'destination'");
  if (!['automatic', 'manual'].includes(capture)) throw new Error("simulatePurchase: capture is 'automatic' or 'manual'");
  if (!world.connection(account, livemode)) throw new Refusal('seller_not_connected', 'This seller is not connected to the platform in this mode.');
  if (!seller.object.charges_enabled) throw new Refusal('seller_not_ready', 'This seller cannot take payments.');
  const found = wants.map((want) => find(seller.catalogue ?? {}, want, given));
  const { currency } = priceOf(found[0].product);
  if (found.some(({ product }) => priceOf(product).currency !== currency)) throw new Refusal('currency_mixed', 'One purchase has one currency.');
  const destination = chargeType === 'destination';
  const owner = destination ? world.keys.platform : account;
  const scope = { owner, livemode };
  const object = makeSession(world, { scope, currency, automaticTax, account, destination, manual: capture === 'manual', buyer });
  const record = world.add('checkout.session', object, {
    ...scope, lines: [], shippingRate: null, taxed: true, hooks: [],
    agentic: { account, agent: agentOf(given), sold: found.map(({ product, quantity }) => [product.id, quantity]) },
    data: { capture_method: capture === 'manual' ? 'manual' : undefined, ...(destination && { on_behalf_of: account, transfer_data: { destination: account } }) },
  });
  record.lines = found.map((one) => makeLine(world, one, scope, given.taxBehavior ?? 'exclusive'));
  figure(world, record);
  if (object.amount_subtotal > MAXIMUM_CARD) throw new Refusal('amount_too_large', 'That is more than Stripe charges.');
  return record;
}

/** `agent: null` = Stripe does not tell (the preview is off for this account). */
function agentOf({ agent = 'ChatGPT' }) {
  return typeof agent === 'string' ? { name: agent } : agent;
}

/** Ends an agent's try: what Stripe tells the agent, and what a test looks at. */
const outcome = (record, more) => ({
  session: record.object.id, payment_intent: record.object.payment_intent, amount_total: record.object.amount_total, currency: record.object.currency,
  hooks: clone(record.hooks), ...more,
});

function applyFee(world, record, { application_fee_details: fee }) {
  const { owner, livemode, object, data } = record;
  if (!fee) return;
  data.application_fee_amount = fee.application_fee_amount;
  if (fee.transfer_data?.amount !== undefined) {
    if (!data.transfer_data) throw new Refusal('hook_answer_invalid', 'transfer_data goes with destination charges only.', { status: 424 });
    data.transfer_data = { ...data.transfer_data, amount: fee.transfer_data.amount };
    delete data.application_fee_amount; // one or the other, as in the API
  }
  try {
    checkMoneyRoute(world, { owner, livemode }, data, object.amount_total);
  } catch (error) {
    throw new Refusal('hook_answer_invalid', error.message, { status: 424 });
  }
}

/**
 * As `Trigger Agentic Purchase` in Stripe's Workbench. All but `account` and a SKU may be left out:
 *   account, skus: ['MUG', { sku, quantity }] | sku, quantity; agent: 'ChatGPT' | { name, … } | null (Stripe does not tell);
 *   card ('4242…', 'pm_card_chargeDeclined', 'bank_debit_succeeds'); email, name, phone, address, billing; livemode; capture: 'manual';
 *   chargeType: 'destination'; automaticTax; taxBehavior; shippingOption (place, id or name); shipping: [{ display_name, amount }] without a hook for it;
 *   hooks: ['customize', 'finalize'] (default: both where an endpoint is set) or []; checkStock: false = sells what the catalogue has not;
 *   session: an earlier try that is still open, tried again; metadata;
 *   spelling, envelope, skuIds: false, tellSession: false: how the questions look; hook: { secret, t, context, livemode, id, times, headers, fields, timeoutMs };
 *   events: { order: 'made' | 'reversed' | 'shuffled', seed, copies } tells them one by one, 'lost' loses them all.
 * -> { ok, session, payment_intent, status, amount_total, hooks: [{ type, question, status, ms, answer, error }], code, message }
 */
export async function simulatePurchase(stripe, given = {}) {
  const { world } = stripe;
  const method = methodOf(given.card ?? given.method ?? '4242424242424242');
  if (!method) throw new Error(`simulatePurchase: ${given.card ?? given.method} is none of the test cards`);
  const buyer = buyerOf(given);
  const options = { ...given, skus: given.skuIds !== false };
  let record;
  try {
    record = given.session ? again(world, given.session) : begin(stripe, given, wanted(given), buyer);
    const { account } = record.agentic;
    const hooks = given.hooks ?? (stripe.hooks.length > 0 ? ['customize', 'finalize'] : []);
    // 1. What does it cost there?
    let rates = offerShipping(world, record, (given.shipping ?? []).map(({ display_name, amount, tax_behavior }) => ({
      shipping_rate_data: { display_name, tax_behavior, fixed_amount: { amount, currency: record.object.currency } },
    })));
    if (hooks.includes('customize')) {
      const answer = await ask(stripe, record, account, customizeQuestion(world, record, buyer, options), (body) => checkCustomize(body, record), given);
      if (answer.shipping_options) rates = offerShipping(world, record, answer.shipping_options);
      record.taxRates = taxesOf(world, record, answer.line_items ?? []);
    }
    chooseShipping(record, rates, given.shippingOption);
    figure(world, record);
    // 2. May it be sold?
    if (hooks.includes('finalize')) {
      const answer = await ask(stripe, record, account, finalizeQuestion(world, record, buyer, method, options), checkFinalize, given);
      if (answer.manual_approval_details.type === 'declined') {
        return outcome(record, { ok: false, status: 'declined', code: 'order_declined', message: answer.manual_approval_details.declined.reason });
      }
      applyFee(world, record, answer);
    }
    return await payFor(stripe, record, method, buyer, given);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return record ? outcome(record, error.result) : { hooks: [], ...error.result };
  }
}

function again(world, id) {
  const record = world.record('checkout.session', id);
  if (!record?.agentic || record.object.status !== 'open') throw new Error(`simulatePurchase: ${id} is no open session of an agent's`);
  return record;
}

function taxesOf(world, record, lines) {
  return Object.fromEntries(lines.map(({ id, tax_rates }) => [id, tax_rates.map(({ rate, rate_data: data }) => {
    if (data) return taxRate(world, record, data);
    const known = world.record('tax_rate', rate);
    if (!known || known.owner !== record.owner) throw new Refusal('hook_answer_invalid', `There is no tax rate ${rate}.`, { status: 424 });
    return known.object;
  })]));
}

/** 3. The money, 4. the events. */
async function payFor(stripe, record, method, buyer, given) {
  const { world } = stripe;
  const session = record.object;
  if (method.type === 'debit' && (session.payment_method_types.length < 2 || session.amount_total > MAXIMUM_OTHER)) {
    throw new Refusal('payment_method_not_available', 'This way of paying is not offered here.');
  }
  const { order, seed, copies } = given.events === 'lost' ? {} : given.events ?? {};
  const inOrder = order !== undefined || copies !== undefined;
  const held = stripe.webhooks.paused;
  if (inOrder || given.events === 'lost') stripe.webhooks.pause();
  try {
    const billing = { address: buyer.billing, email: buyer.email, name: buyer.name, phone: buyer.phone, tax_id: null };
    Object.assign(session, {
      customer_details: { ...session.customer_details, address: buyer.billing, email: buyer.email, name: buyer.name, phone: buyer.phone },
      collected_information: { business_name: null, individual_name: null, shipping_details: { name: buyer.shippingName, address: buyer.address } },
      ...(given.metadata && { metadata: { ...given.metadata } }),
    });
    const intent = intentOf(world, record, { receiptEmail: null, shipping: { name: buyer.shippingName, address: buyer.address } });
    if (record.agentic.agent) intent.object.agent_details = clone(record.agentic.agent); // private preview
    // An agent's buyer is not there to be asked by his bank.
    if (method.outcome === 'declined' || method.outcome === 'confirm') {
      const { code, decline_code, message } = method.outcome === 'confirm'
        ? { code: 'authentication_required', decline_code: 'authentication_required', message: 'The bank wants to ask the buyer, who is not there.' } : method;
      decline(world, intent, { ...method, code, decline_code, message }, billing);
      return outcome(record, { ok: false, status: 'declined', code, decline_code, message });
    }
    if (method.outcome === 'processing') {
      record.later = method.later;
      startDebit(world, intent, method, billing);
    } else {
      succeed(world, intent, method, billing);
      Object.assign(world.record('charge', intent.object.latest_charge).object, receipt(world, intent.object.latest_charge));
    }
    const { status } = intent.object;
    Object.assign(session, { status: 'complete', payment_status: status === 'succeeded' ? 'paid' : 'unpaid' });
    takeFromCatalogue(world, record);
    world.changed();
    world.emit('checkout.session.completed', session, record);
    if (given.events === 'lost') stripe.webhooks.drop();
    else if (inOrder && !held) await stripe.webhooks.deliver({ order, seed, copies });
    return outcome(record, { ok: true, status });
  } finally {
    if (!held && stripe.webhooks.paused) stripe.webhooks.resume();
  }
}

/** Stripe numbers a receipt when it sends one. */
const receipt = (world, charge) => ({ receipt_number: `${charge.slice(-8, -4)}-${charge.slice(-4)}`.toUpperCase(), receipt_url: `${world.url}/receipts/${charge}` });

/** Stripe counts down what it has of a catalogue, until the next feed says otherwise. */
function takeFromCatalogue(world, record) {
  const { catalogue } = world.record('account', record.agentic.account);
  for (const [id, quantity] of record.agentic.sold) {
    const product = catalogue?.[id];
    if (Number.isInteger(product?.inventory_quantity)) product.inventory_quantity = Math.max(0, product.inventory_quantity - quantity);
  }
}

/** Stripe asks what a product costs and whether there is any, before it is shown to somebody. -> { type, question, status, answer, … } */
export async function askPrice(stripe, { account, sku, livemode = false, envelope, hook } = {}) {
  const context = account?.id ?? account;
  if (!stripe.world.record('account', context)) throw invalid(`there is no account ${context}`);
  const question = { type: 'delegated_commerce.product_price_availability', livemode, context, data: enveloped({ sku_id: sku }, { envelope }) };
  return askHook(stripe, question, hook);
}

export const agenticSessions = (world) => [...world.table('checkout.session').values()].filter((record) => record.agentic).reverse();
