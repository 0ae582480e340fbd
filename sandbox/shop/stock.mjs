// How many pieces are left of what is counted. A plugin asks its shop system.
//
// Two count at once: the shop sells to its visitors, the Worker sells to agents. So each tells the other: the Worker by
// `order.created` (agent-orders.mjs takes the pieces here), the shop by PATCH /v1/catalogue/inventory (selling.mjs).

import { findProduct } from './catalogue.mjs';

export function createStock({ store }) {
  const { state, save } = store;

  /** Infinity for what is not counted. */
  const left = (product) => (product.stock === undefined ? Infinity : state.stock?.[product.id] ?? product.stock);

  /** Called once for an order, when it is paid. What was sold twice at the same moment is 0, and a person has to write a letter. */
  function take(lines) {
    state.stock ??= {};
    for (const { product, quantity } of counted(lines)) state.stock[product.id] = Math.max(0, left(product) - quantity);
    save();
  }

  /** Why these lines cannot be sold, in words; undefined when they can. */
  function shortage(lines) {
    for (const { product, quantity } of counted(lines)) {
      if (left(product) === 0) return `“${product.name}” is sold out.`;
      if (left(product) < quantity) return `Only ${left(product)} of “${product.name}” left.`;
    }
    return undefined;
  }

  function restock() {
    delete state.stock;
    save();
  }

  return { left, take, shortage, restock };
}

/** The lines whose pieces are counted, with their products. */
export const counted = (lines) => lines.map((line) => ({ product: findProduct(line.product_id), quantity: line.quantity }))
  .filter(({ product }) => product?.stock !== undefined);
