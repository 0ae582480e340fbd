// The live quote (contract, "Live quotes"): for every change of an agent's checkout the Worker asks the shop what it costs today,
// and takes the answer as the price. A shop needs it when its prices cannot be written into a table: ours has "any three cups
// for 10.00". When the answer is late (2.5 s) or wrong, the tables count and the buyer is told so: slowness costs no sale.
//
// The question is signed like a notice (notices.mjs). Attack: without a look at the signature anybody could ask for prices and
// stock as fast as he likes, or probe coupon codes one after the other.

import { coupons, currencies, findProduct, lineTotal, priceIn } from './catalogue.mjs';
import { scale } from './money.mjs';
import { couponDiscount } from './pricing.mjs';
import { deliveries, taxes } from './rules.mjs';

export const QUOTE_PATH = '/wp-json/cognitive-cart/v1/quote';

/** How the endpoint behaves, to be tried on the page "Selling". `off`: the Worker is not told of it. */
export const QUOTE_WAYS = { off: 'Off: the Worker prices by the tables', on: 'On: the shop answers at once', slow: 'Slow: it answers after four seconds', broken: 'Broken: it answers 500' };
export const SLOW_MS = 4000;

/**
 * asked: {id, items: [{id, quantity}], currency, address?, coupons?} · left: how many pieces there are of a product
 * -> {items, shipping, tax_total, discounts, messages}, amounts in minor units, or undefined for what is no such question.
 */
export function quote(asked, left) {
  if (!Array.isArray(asked?.items) || !Object.hasOwn(currencies, asked.currency ?? '')) return undefined;
  const { currency, address } = asked;
  const messages = [];
  const items = [];
  for (const { id, quantity } of asked.items) {
    const product = findProduct(id);
    if (!product) continue; // it was sold here once: an answer without it makes the Worker go by its tables
    const there = left(product);
    items.push({ id, amount_total: lineTotal(product, quantity, currency), available: Number.isFinite(there) ? there : true });
    if (product.bundle && quantity >= product.bundle.quantity) messages.push({ type: 'info', content: `${product.name}: ${product.text}` });
    if (there === 1) messages.push({ type: 'warning', code: 'low_stock', content: `${product.name}: the last one.` });
  }
  const goods = items.reduce((sum, item) => sum + item.amount_total, 0);

  // One coupon an order, the first that the shop knows; the Worker tells the buyer that the others were not taken.
  const code = (asked.coupons ?? []).map((one) => String(one).trim().toUpperCase()).find((one) => Object.hasOwn(coupons, one));
  const discounts = couponDiscount(code, goods, currency).map((row) => ({ ...row, code }));
  const off = discounts.reduce((sum, row) => sum + row.amount, 0);

  const shipping = deliveries.filter((rule) => rule.countries.includes(address?.country))
    .map(({ id, title, subtitle, carrier, amount, min_days, max_days }) => ({ id, title, subtitle, carrier, amount: priceIn(amount, currency), min_days, max_days }));
  const added = taxes.filter((rule) => !rule.inclusive && rule.country === address?.country && rule.region === address?.state);
  const tax_total = added.reduce((sum, rule) => sum + scale(goods - off, rule.rate_bps, 10_000, currency), 0);
  return { items, shipping, tax_total, discounts, messages };
}

/**
 * Before Stripe lets an agent pay for an order at Stripe, the Worker may ask us (contract, "Stripe's agentic commerce", `ask_shop`): here,
 * or where notices go. Called with what Stripe said of the order.
 * -> {approved: true} or {approved: false, reason}
 */
export function approval(asked, stock) {
  const lines = (asked?.data?.line_items_details ?? []).map(({ sku_id, quantity }) => ({ product_id: sku_id, quantity }));
  if (lines.length === 0 || lines.some(({ product_id }) => !findProduct(product_id))) return { approved: false, reason: 'unknown_product' };
  // The Worker has looked at its own copy of the stock; this is the stock itself.
  const shortage = stock.shortage(lines);
  return shortage ? { approved: false, reason: shortage } : { approved: true };
}
