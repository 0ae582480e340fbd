// The shop's own orders, and the one place where an order becomes paid.
//
//   pending ──> processing ──> paid        (a bank transfer: "still waiting for your bank")
//      │  └───> authorized ──> paid        (money is reserved, the merchant takes it later)
//      └──────> ended                      (expired, failed, canceled at Stripe; a late payment still wins)
//
// It only moves forward, whoever brings the news and however often: the returning buyer (completion.mjs), a notice
// (notices.mjs) or a look at the Worker's ledger (ledger.mjs).

import { randomBytes } from 'node:crypto';
import { emptyCart } from './store.mjs';

const RANK = { pending: 0, ended: 1, processing: 2, authorized: 2, paid: 3 };

/** onPaid: (order) => void, called for an order once in its life. */
export function createOrders({ store, onPaid = () => {}, now }) {
  const { state, save } = store;

  function create({ visitor = null, cartId = null, source, priced, lines, livemode }) {
    const id = String(state.next_order);
    state.next_order += 1;
    const order = {
      id,
      key: randomBytes(16).toString('hex'), // whoever has it may see the order: a buyer sent by an agent has no cookie here
      visitor, cart_id: cartId, source, livemode,
      currency: priced.currency, lines, discounts: priced.discounts ?? [], shipping: priced.shipping ?? [], total: priced.total,
      status: 'pending', created: now(), paid_at: null,
      attempt: null,   // the request that has no answer yet: its Idempotency-Key and its exact body (checkout.mjs)
      sessions: [],    // each Stripe session made for this order: {transaction, session_id, url, expires_at}
      history: [{ at: now(), what: `Order placed (${source})` }],
    };
    state.orders[id] = order;
    save();
    return order;
  }

  /**
   * Moves an order to where the money is. Returns true only for the call that really moved it, so that what must
   * happen once (stock, the confirmation mail, the licence key) hangs on that. There is no `await` between the
   * look and the deed: two returns at the same moment cannot both see "pending". In SQL this is one
   * `UPDATE … WHERE status IN (…)` and its number of changed rows.
   */
  function settle(order, status, evidence) {
    if (!Object.hasOwn(RANK, status) || RANK[status] <= RANK[order.status]) return false;
    order.status = status;
    order.history.push({ at: now(), what: `${WORDS[status]} (${evidence})` });
    if (status === 'paid') {
      order.paid_at = now();
      order.history.push({ at: now(), what: 'Stock taken, confirmation mail written' }); // the demo's stand-in for "once"
    }
    if (status !== 'ended') emptyTheCartOf(order);
    save();
    if (status === 'paid') onPaid(order);
    return true;
  }

  /** Bought things leave the cart; a cart that was changed or begun since then is another cart and stays. */
  function emptyTheCartOf(order) {
    const session = order.visitor && state.sessions[order.visitor];
    if (!session || session.cart.id !== order.cart_id) return;
    session.cart = { ...emptyCart(), currency: session.cart.currency };
  }

  const find = (id) => (Object.hasOwn(state.orders, id) ? state.orders[id] : undefined);
  const list = () => Object.values(state.orders).reverse();

  return { create, settle, find, list };
}

export const WORDS = {
  pending: 'Waiting for payment', ended: 'Ended without payment', processing: 'Waiting for the bank',
  authorized: 'Authorized', paid: 'Paid',
};
