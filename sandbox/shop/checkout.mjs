// Step 3: from an order to Stripe's Checkout page (contract, "Checkout").
//
// The order of things is the lesson here:
//   1. price on the server                                       (pricing.mjs)
//   2. store the order
//   3. store the attempt: a fresh Idempotency-Key and the exact body that will be sent
//   4. call the Worker
//   5. compare the answer with the order, store the transaction, forget the attempt
//   6. send the buyer to the answer's url
// A crash or a lost answer after 3 is repaired by the next click: same key, same body, so the Worker gives the answer
// it gave the first time. Without 3 the next click would make a second session for the same goods.

import { createHash, randomUUID } from 'node:crypto';

const SESSION_LIFE_S = 3600;          // how long the buyer may take; within the contract's 1800 to 86400
const ATTEMPT_LIFE_S = 20 * 3600;     // the Worker keeps keys for at least 24 h; an older attempt is a new attempt

export class AnswerMismatch extends Error {}

export function createCheckout({ store, orders, client, siteUrl, now }) {
  const { state, save } = store;
  const running = new Map(); // order id -> promise: a double click waits for the first click's answer

  /** The visitor's own cart (session-based body, source "chat"). -> {order, url} */
  async function checkOutCart(session, priced, mode, recorder) {
    const order = pendingOrderFor(session, priced, mode) ?? newOrder(session, priced, mode, recorder);
    return { order, url: await open(order, cartBody(order), recorder) };
  }

  /** A third-party agent's lines, already repriced (line-items body, source "agent:<name>"). -> {order, url} */
  async function checkOutForAgent({ agent, priced, mode, successUrl, cancelUrl, agentCall }, recorder) {
    const known = agentCall && state.agent_calls[agentCall.id];
    if (known && known.hash !== agentCall.hash) throw new AgentKeyReused();
    let order = known && orders.find(known.order);
    if (!order) {
      order = orders.create({ source: `agent:${agent}`, priced, lines: priced.lines, livemode: mode === 'live' });
      Object.assign(order, { success_url: successUrl, cancel_url: cancelUrl });
      if (agentCall) rememberAgentCall(agentCall, order);
      save();
    }
    // An agent that lost our answer asks again with its own key, and gets the same page of the same order.
    const last = order.sessions.at(-1);
    if (last && last.expires_at > now()) return { order, url: last.url };
    try {
      return { order, url: await open(order, agentBody(order), recorder) };
    } catch (error) {
      // Refused for good (a foreign address, say): nobody will come back to this order, so it does not wait for payment.
      if (error.final && order.sessions.length === 0) orders.settle(order, 'ended', `refused: ${error.code}`);
      throw error;
    }
  }

  async function open(order, body, recorder) {
    if (!running.has(order.id)) {
      running.set(order.id, attempt(order, body, recorder).finally(() => running.delete(order.id)));
    }
    return running.get(order.id);
  }

  async function attempt(order, body, recorder) {
    const stale = order.attempt && order.attempt.started < now() - ATTEMPT_LIFE_S;
    if (!order.attempt || stale) {
      order.attempt = { key: randomUUID(), body, started: now() };
      save(); // (3) before (4)
    }
    let answer;
    try {
      answer = await client.call('POST', '/v1/checkout/sessions', { body: order.attempt.body, idempotencyKey: order.attempt.key, recorder });
    } catch (error) {
      if (error.final) { order.attempt = null; save(); } // decided: the next click is a new attempt with a new key
      throw error;
    }
    compare(answer, order); // a buyer is never sent to a page that asks for anything else than the order says
    order.attempt = null;
    order.sessions.push({ transaction: answer.transaction, session_id: answer.id, url: answer.url, expires_at: answer.expires_at });
    save();
    return answer.url;
  }

  /**
   * The buyer came back and clicked again with the same cart: the same order gets a new session, and the Worker expires the
   * one before (contract: "a new session for an order_id expires its open predecessor"), so that nobody can pay twice.
   */
  function pendingOrderFor(session, priced, mode) {
    const order = orders.find(session.cart.order_id ?? '');
    if (!order || order.status !== 'pending' || order.cart_id !== session.cart.id) return undefined;
    const same = order.livemode === (mode === 'live') && fingerprint(order) === fingerprint(priced);
    return same ? order : undefined;
  }

  /** The cart was changed: a new order with a new total. The old session must not stay payable with the old contents. */
  function newOrder(session, priced, mode, recorder) {
    const before = orders.find(session.cart.order_id ?? '');
    if (before?.status === 'pending') {
      for (const old of before.sessions) {
        // Not waited for: if it fails, the old page dies by itself within the hour.
        client.call('POST', `/v1/checkout/sessions/${old.session_id}/expire`, { repeatable: false, recorder }).catch(() => {});
      }
    }
    const order = orders.create({
      visitor: session.id, cartId: session.cart.id, source: 'chat', priced, lines: priced.lines, livemode: mode === 'live',
    });
    session.cart.order_id = order.id;
    store.keepSession(session, now());
    return order;
  }

  function cartBody(order) {
    return {
      source: 'chat',
      mode: modeOf(order),
      cart: {
        id: order.cart_id, order_id: order.id, order_key: order.key, currency: order.currency,
        items: order.lines.map(wireLine), shipping: order.shipping, discounts: order.discounts, total: order.total,
      },
      ...returnUrls(order),
      expires_in: SESSION_LIFE_S,
    };
  }

  function agentBody(order) {
    return {
      source: order.source,
      mode: modeOf(order),
      currency: order.currency,
      line_items: order.lines.map(wireLine),
      amount_total: order.total, // what we added up: the Worker refuses the session if it adds up to anything else
      order_id: order.id,
      ...returnUrls(order),
      expires_in: SESSION_LIFE_S,
    };
  }

  function returnUrls(order) {
    return {
      success_url: order.success_url || `${siteUrl}/checkout/return`,
      cancel_url: order.cancel_url || `${siteUrl}/checkout/canceled?order=${order.id}&key=${order.key}`,
    };
  }

  function wireLine(line) {
    const { product_id, sku, name, description, quantity, amount_total } = line;
    const https = siteUrl.startsWith('https:');
    // Stripe fetches pictures from outside, so a shop on localhost sends none.
    return { product_id, sku, name, description, quantity, amount_total, ...(https && { image_url: `${siteUrl}/pictures/${product_id}.svg` }) };
  }

  function rememberAgentCall(agentCall, order) {
    for (const [id, call] of Object.entries(state.agent_calls)) {
      if (call.at < now() - 24 * 3600) delete state.agent_calls[id];
    }
    state.agent_calls[agentCall.id] = { hash: agentCall.hash, order: order.id, at: now() };
  }

  return { checkOutCart, checkOutForAgent };
}

/** The agent used one Idempotency-Key for two different baskets. */
export class AgentKeyReused extends Error {}

/** Names an agent's request: who, with which key, and a hash of what was in it. */
export function agentCallOf(agent, key, body) {
  return { id: sha256(`${agent}\n${key}`), hash: sha256(JSON.stringify(body)) };
}

/** (5) What the Worker opened must be what the order says. */
export function compare(answer, order) {
  const wrong = ['amount_total', 'currency', 'livemode', 'order_id'].filter((name) => answer[name] !== expected(order)[name]);
  if (wrong.length > 0) throw new AnswerMismatch(`The Worker opened a session whose ${wrong.join(', ')} differ from order ${order.id}.`);
}

const expected = (order) => ({ amount_total: order.total, currency: order.currency, livemode: order.livemode, order_id: order.id });
const modeOf = (order) => (order.livemode ? 'live' : 'test');
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const fingerprint = ({ currency, lines, discounts, shipping, total }) => JSON.stringify([
  currency, lines.map((line) => [line.product_id, line.quantity, line.amount_total]), discounts, shipping, total,
]);
