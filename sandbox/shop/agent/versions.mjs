// What an agent says to a shop in each version of the protocol, and how it reads the answers. Pure functions, so that the versions
// can be laid side by side. What changed when:
//
//   stripe       /checkouts, changes by PUT, no version header: the page that Stripe gave out before the protocol was published
//   2025-09-29   /checkout_sessions, API-Version, changes by POST
//   2025-12-12   fulfillment_details, selected_fulfillment_options, authentication (3DS), a reason when giving up
//   2026-01-16   options and lines say their prices as totals; the account to be paid is named
//   2026-01-30   line_items, currency, capabilities; payment by a handler's instrument; discounts
//   2026-04-17   an Idempotency-Key is required; rich orders and events

/** Newest first, as a page offers them. */
export const VERSIONS = ['2026-04-17', '2026-01-30', '2026-01-16', '2025-12-12', '2025-09-29', 'stripe'];

const ORDER = ['stripe', '2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'];
const since = (version, first) => ORDER.indexOf(version) >= ORDER.indexOf(first);

/** What a version has words for. */
export const can = {
  discounts: (version) => since(version, '2026-01-30'),
  authenticate: (version) => since(version, '2025-12-12'),
  sayWhy: (version) => since(version, '2025-12-12'),
  nameAccount: (version) => since(version, '2026-01-16'),
};

const base = (version) => (version === 'stripe' ? '/checkouts' : '/checkout_sessions');
export const headers = (version) => (version === 'stripe' ? {} : { 'api-version': version });

// --- what an agent asks: each function gives {method, path, body?} ---

/**
 * items: [{id, quantity}]. Names and prices are the shop's to say. Since 2026-01-30 the published schema has no place for a
 * quantity in a request; it was forgotten, and agents send it all the same.
 */
export function create(version, { items, buyer, currency = 'usd' }) {
  const body = since(version, '2026-01-30')
    ? { line_items: items, currency, capabilities: { interventions: { supported: ['3ds'] } }, buyer }
    : { items, buyer };
  return { method: 'POST', path: base(version), body };
}

export const read = (version, id) => ({ method: 'GET', path: `${base(version)}/${id}` });

const update = (version, id, body) => ({ method: version === 'stripe' ? 'PUT' : 'POST', path: `${base(version)}/${id}`, body });

export function deliverTo(version, id, { address, email }) {
  return update(version, id, since(version, '2025-12-12')
    ? { fulfillment_details: { name: address.name, email, address } }
    : { fulfillment_address: address });
}

/** `session` is the last answer: since 2025-12-12 a choice names the lines that it is for, and says all that was chosen before. */
export function choose(version, id, session, option) {
  if (!since(version, '2025-12-12')) return update(version, id, { fulfillment_option_id: option.id });
  const nested = !since(version, '2026-01-30');
  const before = (session.selected_fulfillment_options ?? []).map((one) => (nested ? { type: one.type, ...one[one.type] } : one));
  const item_ids = before.find((one) => one.type === option.type)?.item_ids ?? session.line_items.map((line) => line.id);
  const selected = [...before.filter((one) => one.type !== option.type), { type: option.type, option_id: option.id, item_ids }];
  return update(version, id, {
    selected_fulfillment_options: selected.map(({ type, ...inner }) => (nested ? { type, [type]: inner } : { type, ...inner })),
  });
}

/** The codes that are sent replace those before; none takes them all off. */
export const discount = (version, id, codes) => update(version, id, { discounts: { codes } });

/** token: a shared payment token, made out to this shop and for no more than the total. authentication: what the bank said, where it asked. */
export function complete(version, id, session, { token, buyer, authentication }) {
  const payment_data = since(version, '2026-01-30')
    ? { handler_id: session.capabilities.payment.handlers[0].id, instrument: { type: 'card', credential: { type: 'spt', token } } }
    : { token, provider: 'stripe' };
  return {
    method: 'POST', path: `${base(version)}/${id}/complete`,
    body: { buyer, payment_data, ...(authentication && { authentication_result: authentication }) },
  };
}

export function cancel(version, id, reason) {
  const why = reason && can.sayWhy(version) ? { body: { intent_trace: { reason_code: reason } } } : {};
  return { method: 'POST', path: `${base(version)}/${id}/cancel`, ...why };
}

// --- what a shop answers ---

/** A session, in whichever version, in the words that the page needs. `titleOf`: names by product id, for versions without them. */
export function understand(version, session, titleOf = () => undefined) {
  const { status, currency, messages = [], links = [], order } = session;
  return {
    id: session.id, status, currency, messages, links, order,
    lines: session.line_items.map((line) => ({
      id: line.id, product: line.item.id, title: line.name ?? line.item.name ?? titleOf(line.item.id) ?? line.item.id,
      quantity: line.quantity ?? line.item.quantity, total: line.total ?? totalOf(line.totals),
    })),
    totals: session.totals.map(({ type, display_text: text, amount }) => ({ type, text, amount })),
    total: totalOf(session.totals),
    options: session.fulfillment_options.map((option) => ({
      id: option.id, type: option.type, title: option.title, hint: option.description ?? option.subtitle,
      amount: option.total ?? totalOf(option.totals), selected: chosen(session).includes(option.id),
    })),
    // To whom a token has to be made out, in the versions that say it.
    account: session.capabilities?.payment?.handlers?.[0]?.config?.merchant_id ?? session.payment_provider?.merchant_id,
    // Up to 2025-09-29 there is no status for it; a message says so.
    wantsBank: status === 'authentication_required' || messages.some((message) => message.code === 'requires_3ds'),
    ended: ['completed', 'canceled', 'expired'].includes(status),
    payable: ['ready_for_payment', 'authentication_required'].includes(status),
  };
}

const chosen = (session) => [
  session.fulfillment_option_id,
  ...(session.selected_fulfillment_options ?? []).map((one) => one.option_id ?? one[one.type]?.option_id),
];

const totalOf = (totals) => totals?.find((one) => one.type === 'total')?.amount;
