// Hooks: questions that Stripe asks a seller before a sale, with four seconds to answer. Signed like events, with a secret of their own.
import { newId } from './ids.mjs';
import { post } from './post.mjs';
import { signature } from './signature.mjs';

export const HOOK_TIMEOUT_MS = 4_000;
const ANSWER = 256 * 1024;
const KEEP = 500;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * One question. `hook`: what a test bends of it: { secret, t } (how it is signed), { id, context, livemode, type } (undefined takes it out),
 * fields (laid over the data), times (asked that often, the last answer counts), headers, timeoutMs.
 * -> { id, type, question, status, ms, answer (parsed), body, error, at }
 */
export async function askHook(stripe, { type, livemode, context, data }, hook = {}) {
  const [endpoint] = stripe.hooks;
  if (!endpoint) throw new Error('no endpoint for hooks is set: setHooks([{ url, secret }])');
  const { times = 1, headers, timeoutMs = stripe.options.hookTimeoutMs, secret = endpoint.secret, t, fields, ...members } = hook;
  const question = { id: newId('hook'), object: 'event', type, livemode, context, created: stripe.world.now(), data: { ...data, ...fields }, ...members };
  const payload = JSON.stringify(question, null, 2);
  let asked;
  for (let i = 0; i < times; i += 1) {
    const begun = performance.now();
    const result = await post(endpoint.url, payload, { 'Stripe-Signature': signature(payload, secret, t), ...headers }, { timeoutMs, signal: stripe.webhooks.stop.signal, keep: ANSWER });
    asked = {
      id: question.id, type, question, status: result.status, ms: Math.round(performance.now() - begun), answer: parse(result.body ?? ''),
      ...(result.error && { error: result.error }), at: stripe.world.now(),
    };
    stripe.hookCalls.push(asked);
    if (stripe.hookCalls.length > KEEP) stripe.hookCalls.shift();
    stripe.log?.(`hook ${type} → ${asked.status || asked.error} in ${asked.ms} ms`);
  }
  return asked;
}

// -- answers: closed shapes; anything else is as if there were none --------------------------------------------------

const isHash = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

/** The first member that is not among `known`, or is missing. -> text, or undefined */
function members(value, at, known, needed = []) {
  if (!isHash(value)) return `${at} is no object`;
  const foreign = Object.keys(value).find((name) => !known.includes(name));
  if (foreign) return `${at} has the unknown member ${foreign}`;
  const missing = needed.find((name) => value[name] === undefined);
  return missing && `${at} has no ${missing}`;
}

/** The first thing that is wrong with an order approval. */
export function checkFinalize(answer) {
  const { manual_approval_details: approval, application_fee_details: fee } = isHash(answer) ? answer : {};
  return members(answer, 'the answer', ['manual_approval_details', 'application_fee_details'], ['manual_approval_details'])
    ?? members(approval, 'manual_approval_details', ['type', 'declined'], ['type'])
    ?? (['approved', 'declined'].includes(approval.type) ? undefined : 'manual_approval_details.type is neither approved nor declined')
    ?? (approval.type === 'declined' ? members(approval.declined, 'declined', ['reason'], ['reason']) ?? (approval.declined.reason ? undefined : 'declined.reason is empty') : undefined)
    ?? (fee === undefined ? undefined
      : members(fee, 'application_fee_details', ['application_fee_amount', 'transfer_data'], ['application_fee_amount'])
        ?? (isCount(fee.application_fee_amount) ? undefined : 'application_fee_amount is no amount')
        ?? (fee.transfer_data === undefined ? undefined : members(fee.transfer_data, 'transfer_data', ['amount'])));
}

const RATE = ['display_name', 'fixed_amount', 'metadata', 'tax_code', 'tax_behavior', 'delivery_estimate'];
const BEHAVIOURS = ['inclusive', 'exclusive', 'unspecified'];
const UNITS = ['business_day', 'day', 'hour', 'month', 'week', 'year'];

function checkEstimate(estimate, at) {
  if (estimate === undefined) return undefined;
  const wrong = members(estimate, at, ['minimum', 'maximum']);
  if (wrong) return wrong;
  for (const [bound, moment] of Object.entries(estimate)) {
    const bad = members(moment, `${at}.${bound}`, ['unit', 'value'], ['unit', 'value']);
    if (bad) return bad;
    if (!UNITS.includes(moment.unit) || !Number.isSafeInteger(moment.value) || moment.value < 1) return `${at}.${bound} is no time`;
  }
  return undefined;
}

function checkOption(option, at) {
  const wrong = members(option, at, ['shipping_rate', 'shipping_rate_data']);
  if (wrong) return wrong;
  if ((option.shipping_rate === undefined) === (option.shipping_rate_data === undefined)) return `${at} has shipping_rate or shipping_rate_data, and not both`;
  const data = option.shipping_rate_data;
  if (!data) return typeof option.shipping_rate === 'string' ? undefined : `${at}.shipping_rate is no id`;
  return members(data, `${at}.shipping_rate_data`, RATE, ['fixed_amount'])
    ?? members(data.fixed_amount, `${at}.fixed_amount`, ['amount', 'currency'], ['amount', 'currency'])
    ?? (isCount(data.fixed_amount.amount) && /^[a-z]{3}$/.test(data.fixed_amount.currency) ? undefined : `${at}.fixed_amount is no amount`)
    ?? (data.tax_behavior === undefined || BEHAVIOURS.includes(data.tax_behavior) ? undefined : `${at}.tax_behavior is ${data.tax_behavior}`)
    ?? ((data.display_name ?? '').length > 100 ? `${at}.display_name is too long` : undefined)
    ?? checkEstimate(data.delivery_estimate, `${at}.delivery_estimate`);
}

function checkLine(line, at, ids) {
  const wrong = members(line, at, ['id', 'tax_rates'], ['id', 'tax_rates']);
  if (wrong) return wrong;
  if (!ids.includes(line.id)) return `${at}.id is none of the lines that were asked about`;
  if (!Array.isArray(line.tax_rates)) return `${at}.tax_rates is no list`;
  for (const [place, rate] of line.tax_rates.entries()) {
    const of = `${at}.tax_rates[${place}]`;
    const bad = members(rate, of, ['rate', 'rate_data']);
    if (bad) return bad;
    if ((rate.rate === undefined) === (rate.rate_data === undefined)) return `${of} has rate or rate_data, and not both`;
    if (rate.rate !== undefined) continue;
    const data = rate.rate_data;
    const missing = members(data, `${of}.rate_data`, ['display_name', 'inclusive', 'percentage'], ['display_name', 'inclusive', 'percentage']);
    if (missing) return missing;
    const good = typeof data.display_name === 'string' && typeof data.inclusive === 'boolean' && typeof data.percentage === 'number' && data.percentage >= 0 && data.percentage <= 100;
    if (!good) return `${of}.rate_data is no tax rate`;
  }
  return undefined;
}

/** The first thing that is wrong with a customization. */
export function checkCustomize(answer, record) {
  const wrong = members(answer, 'the answer', ['shipping_options', 'line_items']);
  if (wrong) return wrong;
  const { shipping_options: options = [], line_items: lines = [] } = answer;
  if (!Array.isArray(options) || !Array.isArray(lines)) return 'shipping_options and line_items are lists';
  for (const [place, option] of options.entries()) {
    const bad = checkOption(option, `shipping_options[${place}]`);
    if (bad) return bad;
  }
  // Stripe Tax has its own; taxes of the seller's beside it are a mistake.
  if (record.object.automatic_tax.enabled && lines.some(({ tax_rates }) => tax_rates?.length > 0)) return 'line_items has tax rates, and Stripe Tax is on';
  const ids = record.lines.map(({ id }) => id);
  for (const [place, line] of lines.entries()) {
    const bad = checkLine(line, `line_items[${place}]`, ids);
    if (bad) return bad;
  }
  return undefined;
}
