// `expand[]=payment_intent.latest_charge`: ids become the objects they name.
import { invalid } from './errors.mjs';
import { showAccount } from './accounts.mjs';
import { kindOf } from './ids.mjs';
import { TAX_PERCENT } from './money.mjs';
import { clone } from './world.mjs';

/** Which members of which object may be expanded. Later files add to it. */
export const expandable = {
  'checkout.session': ['line_items', 'payment_intent', 'customer', 'invoice', 'subscription', 'shipping_cost.shipping_rate', 'shipping_options.shipping_rate'],
  payment_intent: ['latest_charge', 'customer', 'application', 'on_behalf_of', 'payment_method', 'review', 'transfer_data.destination'],
  charge: ['application', 'application_fee', 'balance_transaction', 'customer', 'on_behalf_of', 'payment_intent', 'refunds', 'transfer', 'transfer_data.destination'],
  dispute: ['charge', 'payment_intent'],
  refund: ['charge', 'payment_intent', 'balance_transaction', 'transfer_reversal', 'source_transfer_reversal'],
  application_fee: ['account', 'application', 'charge', 'balance_transaction', 'originating_transaction'],
  item: ['price', 'taxes'],
  price: ['product'],
};

/** Members that are left out altogether until asked for. Record (of an item: the item itself) → value. */
export const included = {
  'checkout.session.line_items': (world, record) => ({
    object: 'list', data: clone(record.lines.slice(0, 10)), has_more: record.lines.length > 10,
    url: `/v1/checkout/sessions/${record.object.id}/line_items`,
  }),
  // What an agent's purchase was taxed by; of other sessions the stand-in's one tax.
  'item.taxes': (world, _record, item) => clone(world.table('item_tax').get(item.id)?.object.taxes ?? toyTaxes(item)),
  'charge.refunds': (world, record) => {
    const refunds = world.list('refund', record).filter((refund) => refund.object.charge === record.object.id);
    return { object: 'list', data: refunds.slice(0, 10).map((refund) => clone(refund.object)), has_more: refunds.length > 10, url: `/v1/charges/${record.object.id}/refunds` };
  },
};

function toyTaxes(item) {
  if (item.amount_tax === 0) return [];
  const rate = {
    id: 'txr_1sandbox', object: 'tax_rate', active: true, display_name: 'Sales tax', inclusive: item.price.tax_behavior === 'inclusive', percentage: Number(TAX_PERCENT), tax_type: 'sales_tax',
  };
  return [{ amount: item.amount_tax, rate, taxability_reason: 'standard_rated', taxable_amount: item.amount_subtotal }];
}

const MAX_DEPTH = 4;

function lookUp(world, id) {
  if (typeof id !== 'string') return id;
  const record = world.record(kindOf(id), id);
  if (!record) return id;
  return kindOf(id) === 'account' ? showAccount(record.object) : clone(record.object);
}

function refuse(whole) {
  throw invalid(`This property cannot be expanded (${whole}).`, { param: 'expand', code: 'property_unexpandable' });
}

function walk(world, target, steps, whole) {
  if (steps.length === 0 || target === null || target === undefined) return;
  if (Array.isArray(target)) {
    for (const item of target) walk(world, item, steps, whole);
    return;
  }
  if (typeof target !== 'object') refuse(whole);
  if (target.object === 'list' || target.object === 'search_result') {
    if (steps[0] !== 'data') refuse(whole);
    walk(world, target.data, steps.slice(1), whole);
    return;
  }
  const allowed = expandable[target.object] ?? [];
  // Two steps at once where an id sits in a plain hash (`shipping_cost.shipping_rate`).
  for (const length of [1, 2]) {
    const name = steps.slice(0, length).join('.');
    if (steps.length < length || !allowed.includes(name)) continue;
    const rest = steps.slice(length);
    const include = included[`${target.object}.${name}`];
    if (include && target[name] === undefined) target[name] = include(world, world.any(target.id), target);
    const holders = length === 1 ? [target] : [target[steps[0]]].flat();
    const member = steps[length - 1];
    for (const holder of holders) {
      if (!holder) continue;
      holder[member] = lookUp(world, holder[member]);
      walk(world, holder[member], rest, whole);
    }
    return;
  }
  refuse(whole);
}

/** @param answer a copy that may be changed */
export function expand(world, answer, paths = []) {
  for (const whole of paths) {
    const steps = whole.split('.');
    if (steps.length > MAX_DEPTH + (steps[0] === 'data' ? 1 : 0)) {
      throw invalid(`Expansion goes at most ${MAX_DEPTH} levels deep (${whole}).`, { param: 'expand' });
    }
    walk(world, answer, steps, whole);
  }
  return answer;
}
