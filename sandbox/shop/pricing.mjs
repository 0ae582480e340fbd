// From what somebody wants to what it costs. Pure functions: no clock, no network, no state.
// Prices come from catalogue.mjs by product id; a price that came from outside is never read, only shown.

import { coupons, currencies, findProduct, lineTotal, priceIn, shippingChoices } from './catalogue.mjs';
import { scale } from './money.mjs';

export const MOST_OF_ONE = 99;

/** A wish that cannot be priced. `field` names what is wrong, in the place it was sent in. */
export class Unpriceable extends Error {
  constructor(message, field) { super(message); this.field = field; }
}

/**
 * cart: {items: {productId: quantity}, coupon?, shipping, currency}
 * -> {currency, lines, subtotal, discounts, shipping, total}, all amounts in minor units of `currency`.
 */
export function priceCart(cart) {
  const { currency } = cart;
  const lines = Object.entries(cart.items).map(([id, quantity]) => priceLine(id, quantity, currency));
  const subtotal = sum(lines.map((line) => line.amount_total));
  const discounts = couponDiscount(cart.coupon, subtotal, currency);
  const choice = shippingChoices[cart.shipping] ?? shippingChoices.standard;
  const shipping = lines.length === 0 ? [] : [{ label: choice.label, amount: priceIn(choice.price, currency) }];
  // The same sum the Worker makes (contract, "Checkout"); a shop that adds up differently gets 422 `total_mismatch`.
  const total = subtotal + sum(shipping.map((row) => row.amount)) - sum(discounts.map((row) => row.amount));
  return { currency, lines, subtotal, discounts, shipping, total };
}

/**
 * An agent's lines: {product_id, quantity, amount_total?}. What the agent says a line costs is compared and thrown away.
 * Attack: an agent (or whoever talked it into it) sends a 20-dollar mug as `amount_total: 1`. The buyer's page
 * would then honestly ask for one cent. Only the product id and the quantity are taken; the price is the shop's.
 */
export function priceAgentLines(asked, currency) {
  if (!Object.hasOwn(currencies, currency)) throw new Unpriceable(`This shop does not sell in "${currency}".`, 'currency');
  if (!Array.isArray(asked) || asked.length === 0) throw new Unpriceable('Send at least one line.', 'line_items');
  if (asked.length > 100) throw new Unpriceable('Send at most 100 lines.', 'line_items');
  const lines = asked.map((line, index) => {
    const field = `line_items[${index}]`;
    if (line === null || typeof line !== 'object') throw new Unpriceable('A line is an object.', field);
    const priced = priceLine(line.product_id, line.quantity ?? 1, currency, field);
    const claimed = line.amount_total ?? null;
    return { ...priced, claimed };
  });
  return { currency, lines, total: sum(lines.map((line) => line.amount_total)) };
}

function priceLine(id, quantity, currency, field = `items[${id}]`) {
  const product = findProduct(id);
  if (!product) throw new Unpriceable(`There is no product "${String(id).slice(0, 40)}".`, `${field}[product_id]`);
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MOST_OF_ONE) {
    // Zero and negative quantities make negative totals: somebody else's goods would pay for theirs.
    throw new Unpriceable(`A quantity is a whole number from 1 to ${MOST_OF_ONE}.`, `${field}[quantity]`);
  }
  return {
    product_id: product.id, sku: product.sku, name: product.name, description: product.text,
    quantity, amount_total: lineTotal(product, quantity, currency),
  };
}

/** What a coupon takes off the goods: a list of one row, or of none. */
export function couponDiscount(code, subtotal, currency) {
  const coupon = Object.hasOwn(coupons, code ?? '') ? coupons[code] : undefined;
  if (!coupon || subtotal === 0) return [];
  const wanted = coupon.bps ? scale(subtotal, coupon.bps, 10_000, currency) : priceIn(coupon.amount, currency);
  return [{ label: coupon.label, amount: Math.min(wanted, subtotal) }]; // a discount is a positive number, and never more than the goods
}

const sum = (amounts) => amounts.reduce((a, b) => a + b, 0);
