// What each version of the protocol calls things: bodies are built and answers are read here, so that a suite can say one thing once.
// 'stripe' is the dialect of Stripe's own page (`/checkouts`, updated by PUT, no API-Version).

export const VERSIONS = ['stripe', '2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'];
export const NEWEST = VERSIONS.at(-1);
/** The versions from `first` to `last`, both included. */
export const since = (first, last = NEWEST) => VERSIONS.slice(VERSIONS.indexOf(first), VERSIONS.indexOf(last) + 1);

/** Undefined members are left out, so that bodies can be written down in one go. */
const compact = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** What an agent can do that the suites were written with. */
export const AGENT = {
  interventions: {
    supported: ['3ds', 'address_verification'],
    display_context: 'webview',
    redirect_context: 'in_app',
    max_redirects: 2,
    max_interaction_depth: 2,
  },
};

/** The sum that a list of totals gives for a kind; undefined where the kind is missing. */
export function amountOf(totals, kind) {
  const found = (totals ?? []).filter(({ type }) => type === kind);
  return found.length ? found.reduce((sum, { amount }) => sum + amount, 0) : undefined;
}

/** The option that costs least, the first of several. */
export const cheapest = ({ options }) =>
  options.reduce((best, option) => (best === undefined || option.amount < best.amount ? option : best), undefined);

function dialect(version) {
  const stripe = version === 'stripe';
  // Features by the version that brought them.
  const has = (first) => !stripe && version >= first;
  const groups = has('2025-12-12'); // fulfillment_details, selected_fulfillment_options, intent_trace, affiliate_attribution, 3DS
  const optionTotals = has('2026-01-16');
  const handlers = has('2026-01-30'); // line_items, capabilities, handlers, discounts
  const itemsMember = handlers ? 'line_items' : 'items';

  const where = ({ address, contact }) => {
    if (address === undefined && contact === undefined) return {};
    if (!groups) return compact({ fulfillment_address: address });
    return { fulfillment_details: compact({ ...contact, address }) };
  };
  const chosen = (option) => {
    if (!option) return {};
    if (!groups) return { fulfillment_option_id: option.id };
    const { id, type = 'shipping', items } = option;
    if (!handlers) return { selected_fulfillment_options: [{ type, [type]: { option_id: id, item_ids: items } }] };
    return { selected_fulfillment_options: [{ type, option_id: id, item_ids: items }] };
  };

  return {
    version,
    path: stripe ? '/checkouts' : '/checkout_sessions',
    updateMethod: stripe ? 'PUT' : 'POST',
    headers: stripe ? {} : { 'api-version': version },
    keyRequired: has('2026-04-17'),
    /** 422 in the newest version, 409 before: section 6.4 of the checkout RFC against OpenAI's checklist. */
    conflictStatus: has('2026-04-17') ? 422 : 409,
    conflictType: has('2026-04-17') ? 'invalid_request' : 'request_not_idempotent',
    itemsMember,
    addressMember: groups ? 'fulfillment_details' : 'fulfillment_address',
    namesRequired: !handlers,
    authentication: groups,
    intentTrace: groups,
    affiliate: groups,
    discounts: handlers,
    handlers,
    /** Whether a session that is read again carries its order: the first versions show it only in the answer to `complete`. */
    orderInSession: groups,
    eventTypes: stripe ? { created: 'order_created', updated: 'order_updated' } : { created: 'order_create', updated: 'order_update' },
    richOrders: has('2026-04-17'),
    delivered: has('2026-04-17') ? 'completed' : 'fulfilled',

    create: ({ items, buyer, address, contact, codes, capabilities = AGENT, currency = 'usd', more }) =>
      compact({
        [itemsMember]: items,
        buyer,
        ...where({ address, contact }),
        ...(handlers && { currency, capabilities }),
        ...(codes && { discounts: { codes } }),
        ...more,
      }),
    update: ({ items, buyer, address, contact, option, codes, more }) =>
      compact({
        [itemsMember]: items,
        buyer,
        ...where({ address, contact }),
        ...chosen(option),
        ...(codes && { discounts: { codes } }),
        ...more,
      }),
    complete: ({ token, handler, buyer, billing, authentication, more }) =>
      compact({
        payment_data:
          token === undefined
            ? undefined
            : handlers
              ? compact({ handler_id: handler, instrument: { type: 'card', credential: { type: 'spt', token } }, billing_address: billing })
              : compact({ token, provider: 'stripe', billing_address: billing }),
        buyer,
        authentication_result: authentication,
        ...more,
      }),
    /** A buyer who was authenticated by the bank, as the versions with 3DS print it. */
    authenticated: {
      outcome: 'authenticated',
      outcome_details: {
        three_ds_cryptogram: 'AbCdEfGhIjKlMnOpQrStUvWxY0=',
        electronic_commerce_indicator: '05',
        transaction_id: 'c4e59ceb-a382-4d6a-bc87-385d591fa09d',
        version: '2.2.0',
      },
    },
    refusedByBank: { outcome: version === '2026-01-16' ? 'failed' : 'denied' },

    /** A session in one form, whatever the version calls its parts. */
    read: (session) => ({
      id: session.id,
      status: session.status,
      currency: session.currency,
      lines: (session.line_items ?? []).map((line) => ({
        id: line.id,
        product: line.item?.id,
        quantity: line.quantity ?? line.item?.quantity,
        unit: line.unit_amount ?? line.item?.unit_amount,
        ...(handlers
          ? {
              base: amountOf(line.totals, 'items_base_amount'),
              discount: amountOf(line.totals, 'items_discount') ?? amountOf(line.totals, 'discount'),
              subtotal: amountOf(line.totals, 'subtotal'),
              tax: amountOf(line.totals, 'tax'),
              total: amountOf(line.totals, 'total'),
            }
          : { base: line.base_amount, discount: line.discount, subtotal: line.subtotal, tax: line.tax, total: line.total }),
      })),
      totals: Object.fromEntries((session.totals ?? []).map(({ type }) => [type, amountOf(session.totals, type)])),
      options: (session.fulfillment_options ?? []).map((option) => ({
        id: option.id,
        type: option.type,
        title: option.title,
        amount: optionTotals ? (amountOf(option.totals, 'total') ?? amountOf(option.totals, 'fulfillment')) : option.total,
      })),
      selected: groups
        ? (session.selected_fulfillment_options ?? [])
            .map((one) => (handlers ? one : { type: one.type, ...one[one.type] }))
            .map(({ type, option_id: id, item_ids: items }) => ({ type, id, items }))
        : session.fulfillment_option_id === undefined
          ? []
          : [{ id: session.fulfillment_option_id }],
      address: groups ? session.fulfillment_details?.address : session.fulfillment_address,
      buyer: session.buyer,
      messages: session.messages ?? [],
      links: session.links ?? [],
      order: session.order,
      discounts: session.discounts,
      handlers: session.capabilities?.payment?.handlers ?? [],
      provider: session.payment_provider,
      authentication: session.authentication_metadata,
    }),
  };
}

export const DIALECTS = Object.fromEntries(VERSIONS.map((version) => [version, dialect(version)]));
