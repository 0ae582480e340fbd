// Stripe's side of the agentic hooks: signs and sends them, in every spelling and envelope that is in the wild, and holds each answer
// against its schema, where the contract is at hand (../shared/contracts/stripe, or STRIPE_CONTRACTS).
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { inRoot } from '../../scripts/lib/paths.mjs';

const CONTRACT = join(process.env.STRIPE_CONTRACTS || inRoot('..', 'shared', 'contracts', 'stripe'), 'stripe-agentic-hooks.json');
export const TYPES = {
  finalize_checkout: 'v1.delegated_checkout.finalize_checkout',
  customize_checkout: 'v1.delegated_checkout.customize_checkout',
  product_price_availability: 'delegated_commerce.product_price_availability',
};

/** The contract, or why there is none: for the tests that need it. */
export const contract = existsSync(CONTRACT) ? JSON.parse(readFileSync(CONTRACT, 'utf8')) : undefined;
export const noContract = !contract && 'the schemas of the hooks are not here';

const ajv = new Ajv({ strict: false, allErrors: true });
const schemas = new Map(Object.entries(contract?.schemas ?? {}).map(([name, schema]) => [name, ajv.compile(schema)]));
export const validated = { count: 0 };

/** Fails unless `value` is what the schema says; says nothing where there is none. */
export function fits(name, value) {
  const validate = schemas.get(name);
  if (!validate) return value;
  assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)}\n${JSON.stringify(value, null, 1)}`);
  validated.count += 1;
  return value;
}

export const signature = (body, secret, t = Math.floor(Date.now() / 1000)) => `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`;

/** One line of an order of test products (support/agent.mjs): a mug. */
export const MUG = { id: 'li_1', sku_id: 'mug', unit_amount: 1230, amount_discount: 0, amount_subtotal: 1230, amount_tax: 0, amount_total: 1230, quantity: 1, name: 'Mug', tax_rates: [] };
export const ADDRESS_US = { line1: '1 Main St', line2: '', city: 'San Francisco', state: 'CA', postal_code: '94105', country: 'US' };

let numbers = 0;
export const freshSession = () => `cs_test_hook${process.pid}x${numbers += 1}`;

/** What an order approval says of an order: lines that cost what they say, delivery for 5.00, tax. */
export function orderData({ lines = [MUG], shipping = 500, tax = 0, discount = 0, address = ADDRESS_US, session = freshSession(), currency = 'usd', ...more } = {}) {
  const subtotal = lines.reduce((sum, line) => sum + (line.unit_amount ?? 0) * line.quantity, 0);
  return {
    ...(session && { checkout_session: session }),
    amount_subtotal: subtotal, amount_total: subtotal + shipping + tax - discount, currency, email: 'ada@buyer.example', phone: null,
    line_items_details: lines,
    payment_method_details: { type: 'card', card: { brand: 'visa', exp_month: 12, exp_year: 2030, funding: 'credit', last4: '4242' } },
    ...(address && { shipping_details: { name: 'Ada Buyer', address } }),
    total_details: { amount_discount: discount, amount_shipping: shipping, amount_tax: tax }, ...more,
  };
}

/** What a customization says of one. */
export function cartData({ lines = [MUG], address = ADDRESS_US, automatic_tax = false, currency = 'usd', session = freshSession(), ...more } = {}) {
  const subtotal = lines.reduce((sum, line) => sum + (line.unit_amount ?? 0) * line.quantity, 0);
  return {
    ...(session && { checkout_session: session }), automatic_tax: { enabled: automatic_tax }, currency, line_item_details: lines,
    shipping_details: { shipping_rates: [], ...(address && { address }) }, amount_subtotal: subtotal, amount_total: subtotal,
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 }, ...more,
  };
}

/** The other spelling of the lines, and the other envelope. */
export function spelled(data, { singular = false, object = false } = {}) {
  const { line_items_details, line_item_details, ...rest } = data;
  const lines = line_items_details ?? line_item_details;
  const inner = { ...rest, ...(lines && { [singular ? 'line_item_details' : 'line_items_details']: lines }) };
  return object ? { object: inner } : inner;
}

/** A hook. kind: a key of TYPES, or a type as it is. */
export const hookOf = (kind, account, data, { id = `evt_hook_${randomUUID().replaceAll('-', '')}`, livemode = false, ...more } = {}) => ({ type: TYPES[kind] ?? kind, id, livemode, ...(account !== undefined && { context: account }), data, ...more });

/** Sends a hook as Stripe does. -> the answer, held against its schema when it is a 200 */
export async function sendHook(w, hook, { secret = w.hookSecret, header, t } = {}) {
  const body = typeof hook === 'string' ? hook : JSON.stringify(hook);
  const answer = await w.api('POST', '/stripe/agentic-hooks', { body, headers: { 'stripe-signature': header ?? signature(body, secret, t) } });
  const kind = Object.entries(TYPES).find(([, type]) => type === hook.type)?.[0];
  if (answer.status === 200) fits(`${kind}.response`, answer.body);
  return answer;
}

/** Asks whether an order may be paid. -> {approved, reason, fee, answer} */
export async function approve(w, account, data = orderData(), more) {
  const hook = hookOf('finalize_checkout', account, data, more);
  if (hook.data.currency) fits('finalize_checkout.request', hook);
  const answer = await sendHook(w, hook);
  assert.equal(answer.status, 200, answer.text);
  const { manual_approval_details: { type, declined }, application_fee_details } = answer.body;
  return { approved: type === 'approved', reason: declined?.reason, fee: application_fee_details?.application_fee_amount, answer };
}
