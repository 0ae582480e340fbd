// What agents bought, in the shop's own books (contract, "ACP"): the notice `order.created`, and what the shop does with the order
// afterwards: ship it, cancel it, give money back. Of each the agent is told by the Worker.
//
// The order was priced by the Worker from our catalogue and our rules, and it is paid before we hear of it. So there is nothing on
// record to compare it with; that it is genuine says the signature (notices.mjs), and that it is booked once says its id.

import { randomUUID } from 'node:crypto';
import { findProduct } from './catalogue.mjs';
import { step } from './money.mjs';

const SHOWN = 20;

export function createAgentOrders({ store, orders, client, siteUrl, log, now }) {
  const { state, save } = store;

  const bookedAs = (id) => orders.list().find((order) => order.agent_order?.id === id);

  /**
   * Books what was sold, once, however often it is told. -> {order_id, permalink_url}: the answer to the notice, by which the Worker
   * and the agent learn our number and the page where the buyer sees his order.
   */
  function book(sold) {
    const order = bookedAs(sold.id) ?? newOrder(sold);
    return { order_id: order.id, permalink_url: `${siteUrl}/order/${order.id}?key=${order.key}` };
  }

  function newOrder(sold) {
    const lines = sold.line_items.map((line) => ({
      product_id: line.sku, sku: findProduct(line.sku)?.sku ?? line.sku, name: line.title ?? line.description, quantity: line.quantity,
      amount_total: line.amount_subtotal ?? line.amount_total,
    }));
    const goods = sum(lines.map((line) => line.amount_total));
    const rows = (label, amount) => (amount > 0 ? [{ label, amount }] : []);
    const [shipping, tax, fee] = ['amount_shipping', 'amount_tax', 'amount_fee'].map((name) => sold[name] ?? 0);
    const order = orders.create({
      source: `agent:${sold.agent ?? 'unnamed'}`, livemode: sold.livemode === true, lines,
      priced: {
        currency: sold.currency, total: sold.amount_total,
        // Sale prices and coupons together: what the goods cost less than their prices.
        discounts: rows('Discounts', goods + shipping + tax + fee - sold.amount_total),
        shipping: [...rows(sold.shipping_options?.map((option) => option.title).join(', ') || 'Shipping', shipping), ...rows('Tax', tax), ...rows('Fees', fee)],
      },
    });
    order.agent_order = { id: sold.id, transaction: sold.transaction, buyer: sold.buyer?.email ?? null };
    orders.settle(order, 'paid', `${sold.agent ?? 'an agent'} paid, ${sold.id}`);
    return order;
  }

  /**
   * The Worker's list, newest first, each with our own order. One that we have never heard of (we were down, and three days are over,
   * or the notice is on its way) is booked now and told by PATCH: the same two facts, another way.
   */
  async function list(recorder) {
    const { data } = await client.call('GET', '/v1/orders', { query: { limit: SHOWN }, recorder });
    return Promise.all(data.map(async (sold) => {
      const answer = book(sold);
      if (sold.order_id !== answer.order_id) await client.call('PATCH', `/v1/orders/${sold.id}`, { body: answer, recorder });
      return { sold, order: bookedAs(sold.id) };
    }));
  }

  const orderOf = (id, recorder) => client.call('GET', `/v1/orders/${encodeURIComponent(id)}`, { recorder });

  /** What has a weight goes out in one parcel, what has none is a link. Sent again it changes nothing: ids and number are the order's own. */
  async function ship(id, recorder) {
    const sold = await orderOf(id, recorder);
    const { permalink_url: page } = book(sold);
    const order = bookedAs(id);
    const parts = (digital) => sold.line_items.filter((line) => isDigital(line) === digital).map((line) => ({ id: line.id, quantity: line.quantity }));
    const [solid, digital] = [parts(false), parts(true)];
    const tracking = `HL${order.id}${order.key.slice(0, 6).toUpperCase()}`;
    const fulfillments = [
      ...(solid.length > 0 ? [{ id: 'parcel', type: 'shipping', status: 'shipped', carrier: 'Harbour Post', tracking_number: tracking, tracking_url: page, line_items: solid }] : []),
      ...(digital.length > 0 ? [{ id: 'download', type: 'digital', status: 'delivered', access_url: page, line_items: digital }] : []),
    ];
    await client.call('PATCH', `/v1/orders/${id}`, { body: { status: solid.length > 0 ? 'shipped' : 'completed', fulfillments }, recorder });
    note(order, solid.length > 0 ? `Shipped by Harbour Post, ${tracking}` : 'Delivered as a download');
  }

  /** First the money, then the word: an order that is canceled and not refunded is a complaint. */
  async function cancel(id, recorder) {
    const sold = await orderOf(id, recorder);
    book(sold);
    const order = bookedAs(id);
    if ((sold.amount_refunded ?? 0) < sold.amount_total) await refund(order, undefined, recorder);
    await client.call('PATCH', `/v1/orders/${id}`, { body: { status: 'canceled' }, recorder });
    order.canceled_at = now();
    note(order, 'Canceled, all money given back');
  }

  async function refundHalf(id, recorder) {
    const sold = await orderOf(id, recorder);
    book(sold);
    const unit = step(sold.currency);
    const half = Math.floor(sold.amount_total / 2 / unit) * unit;
    await refund(bookedAs(id), half, recorder);
    note(bookedAs(id), 'Half of it given back');
    return half;
  }

  /**
   * As with a checkout (checkout.mjs): the attempt is stored before it is sent, so that a click after a lost answer is the same refund
   * and not a second one. `amount` undefined: everything that is left.
   */
  async function refund(order, amount, recorder) {
    const wanted = { amount, reason: 'requested_by_customer' };
    if (!order.refund || order.refund.body.amount !== amount) order.refund = { key: randomUUID(), body: wanted };
    save();
    try {
      await client.call('POST', `/v1/transactions/${order.agent_order.transaction}/refunds`, { body: order.refund.body, idempotencyKey: order.refund.key, recorder });
    } catch (error) {
      if (error.final) delete order.refund; // decided: the next click is a new one
      save();
      throw error;
    }
    delete order.refund;
    save();
  }

  function note(order, what) {
    order.history.push({ at: now(), what });
    save();
    log(`order ${order.id}: ${what}`);
  }

  return { book, list, ship, cancel, refundHalf };
}

const isDigital = (line) => line.digital ?? findProduct(line.sku)?.digital ?? false;
const sum = (amounts) => amounts.reduce((a, b) => a + b, 0);
