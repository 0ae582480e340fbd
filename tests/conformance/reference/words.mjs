// How the reference merchant prints a session, a cart, an order and an event in each version. Written after the specifications, not after
// dialects.mjs: the two are to check each other.

const HANDLER = (account) => ({
  id: 'card',
  name: 'dev.acp.tokenized.card',
  version: '2026-01-22',
  spec: 'https://agenticcommerce.dev/handlers/tokenized.card',
  requires_delegate_payment: true,
  requires_pci_compliance: false,
  psp: 'stripe',
  config_schema: 'https://agenticcommerce.dev/schemas/handlers/tokenized.card/config.json',
  instrument_schemas: ['https://agenticcommerce.dev/schemas/handlers/tokenized.card/instrument.json'],
  config: {
    merchant_id: account,
    psp: 'stripe',
    accepted_brands: ['visa', 'mastercard', 'amex'],
    supports_3ds: true,
    environment: 'sandbox',
  },
});
const NETWORKS = ['visa', 'mastercard', 'amex', 'discover'];
const TEXTS = {
  items_base_amount: 'Items',
  items_discount: 'Discounts on items',
  subtotal: 'Subtotal',
  discount: 'Discount',
  fulfillment: 'Shipping',
  tax: 'Tax',
  total: 'Total',
  amount_refunded: 'Refunded',
};
const totals = (amounts) => Object.entries(amounts).map(([type, amount]) => ({ type, display_text: TEXTS[type], amount }));
const defined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

export const age = (version) => ['stripe', '2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'].indexOf(version);
const [FIRST, GROUPED, OPTION_TOTALS, HANDLERS, RICH] = [1, 2, 3, 4, 5];

/** Statuses that came later, in the words of those before. */
function status(version, value) {
  if (value === 'authentication_required' && age(version) < GROUPED) return 'in_progress';
  if (value === 'expired' && age(version) < HANDLERS) return 'canceled';
  return value;
}

const CODES = ['missing', 'invalid', 'out_of_stock', 'payment_declined', 'requires_sign_in', 'requires_3ds'];
const OLDER = { quantity_exceeded: 'out_of_stock', region_restricted: 'invalid' };

function message(version, { type, code, at, content, resolution }) {
  const place = { address: age(version) < GROUPED ? '$.fulfillment_address' : '$.fulfillment_details.address' }[at] ?? at;
  if (age(version) >= HANDLERS)
    return defined({ type, code, param: place, content_type: 'plain', content, resolution: age(version) >= RICH ? resolution : undefined });
  if (type === 'warning' || type === 'info') return defined({ type: 'info', param: place, content_type: 'plain', content });
  return defined({ type, code: CODES.includes(code) ? code : OLDER[code], param: place, content_type: 'plain', content });
}

function line(version, { id, product, quantity, base, discount, subtotal, tax, total, stock }) {
  const amounts = { base_amount: base, discount, subtotal, tax, total };
  if (age(version) <= FIRST) return { id, item: { id: product.id, quantity }, ...amounts };
  const shownAs = { name: product.title, description: product.description, images: [product.image], unit_amount: product.price };
  if (age(version) < HANDLERS) return { id, item: { id: product.id, quantity }, ...amounts, ...shownAs };
  return {
    id,
    item: { id: product.id, name: product.title, unit_amount: product.price },
    quantity,
    ...shownAs,
    availability_status: stock >= quantity ? 'in_stock' : 'out_of_stock',
    available_quantity: stock,
    totals: totals({ items_base_amount: base, items_discount: discount, subtotal, tax, total }),
  };
}

function option(version, { id, type, title, about, carrier, amount, earliest, latest }) {
  const when = type === 'shipping' ? { carrier, earliest_delivery_time: earliest, latest_delivery_time: latest } : {};
  if (age(version) < OPTION_TOTALS) return { type, id, title, subtitle: about, ...when, subtotal: amount, tax: 0, total: amount };
  return { type, id, title, description: about, ...when, totals: totals({ fulfillment: amount, total: amount }) };
}

function selected(version, { option: chosen, lines }) {
  if (!chosen) return age(version) < GROUPED ? {} : { selected_fulfillment_options: [] };
  const items = lines.map(({ id }) => id);
  if (age(version) < GROUPED) return { fulfillment_option_id: chosen.id };
  if (age(version) < HANDLERS)
    return { selected_fulfillment_options: [{ type: chosen.type, [chosen.type]: { option_id: chosen.id, item_ids: items } }] };
  return { selected_fulfillment_options: [{ type: chosen.type, option_id: chosen.id, item_ids: items }] };
}

const where = (version, { address, contact }) => {
  if (age(version) < GROUPED) return { fulfillment_address: address };
  return { fulfillment_details: address || contact ? defined({ ...contact, address }) : undefined };
};

function advert(version, { account, supported, extensions, closed }) {
  if (age(version) >= HANDLERS) {
    return {
      capabilities: {
        payment: { handlers: closed ? [] : [HANDLER(account)] },
        interventions: { supported: ['3ds'].filter((one) => supported.includes(one)), required: [], enforcement: 'conditional' },
        ...(extensions.includes('discount') && { extensions: [{ name: 'discount', extends: ['$.CheckoutSession.discounts'] }] }),
      },
    };
  }
  if (age(version) <= FIRST) return { payment_provider: { provider: 'stripe', supported_payment_methods: ['card'] } };
  return {
    payment_provider: defined({
      provider: 'stripe',
      merchant_id: age(version) >= OPTION_TOTALS ? account : undefined,
      supported_payment_methods: [{ type: 'card', supported_card_networks: NETWORKS }],
    }),
  };
}

const CHALLENGE = {
  channel: {
    type: 'browser',
    browser: { accept_header: '*/*', ip_address: '192.0.2.1', javascript_enabled: false, language: 'en', user_agent: 'unknown' },
  },
  acquirer_details: {
    acquirer_bin: '123456',
    acquirer_country: 'US',
    acquirer_merchant_id: 'acct_reference',
    merchant_name: 'Reference shop',
  },
  directory_server: 'visa',
  flow_preference: { type: 'challenge', challenge: { type: 'mandated' } },
};

const links = (version, url) =>
  [
    { type: 'terms_of_use', url: `${url}/terms` },
    { type: 'privacy_policy', url: `${url}/privacy` },
    { type: age(version) <= FIRST ? 'seller_shop_policies' : 'return_policy', url: `${url}/returns` },
  ].map((one) => (age(version) >= HANDLERS ? { ...one, title: one.type.replaceAll('_', ' ') } : one));

/** facts: everything about a session, as the merchant has worked it out. order: whether the answer shows it. */
export function session(version, facts, { order }) {
  const shownOrder = order && facts.order ? orderOf(version, facts) : undefined;
  return defined({
    id: facts.id,
    ...(age(version) >= HANDLERS && { protocol: { version } }),
    ...advert(version, facts),
    buyer: facts.buyer,
    status: status(version, facts.status),
    currency: 'usd',
    line_items: facts.lines.map((one) => line(version, one)),
    ...where(version, facts),
    fulfillment_options: facts.options.map((one) => option(version, one)),
    ...selected(version, facts),
    totals: totals(facts.totals),
    messages: facts.messages.map((one) => message(version, one)),
    links: links(version, facts.url),
    ...(age(version) >= GROUPED && facts.status === 'authentication_required' && { authentication_metadata: CHALLENGE }),
    ...(age(version) >= HANDLERS && {
      discounts: facts.discounts,
      created_at: facts.created,
      updated_at: facts.updated,
      expires_at: facts.expires,
      ...(age(version) >= RICH && {
        marketing_consent_options: [
          { channel: 'email', display_text: 'News and offers', privacy_policy_url: `${facts.url}/privacy`, is_subscribed: false },
        ],
      }),
    }),
    order: shownOrder,
  });
}

/** Whether a session that is read again shows its order. */
export const showsOrder = (version) => age(version) >= GROUPED;

function orderOf(version, { id, order, lines, totals: amounts, url }) {
  const basic = { id: order.id, checkout_session_id: id, permalink_url: `${url}/orders/${order.id}` };
  if (age(version) < RICH) return basic;
  return {
    type: 'order',
    ...basic,
    status: order.status,
    line_items: lines.map(({ id: lineId, product, quantity, subtotal }) => ({
      id: lineId,
      title: product.title,
      product_id: product.id,
      quantity: { ordered: quantity, current: quantity, fulfilled: order.status === 'shipped' ? quantity : 0 },
      unit_price: product.price,
      subtotal,
    })),
    fulfillments:
      order.status === 'shipped' ? [{ id: 'ful_1', type: 'shipping', status: 'shipped', carrier: 'Post', tracking_number: '1Z999' }] : [],
    adjustments: order.refunds.map((amount, i) => ({
      id: `adj_${i + 1}`,
      type: 'refund',
      occurred_at: order.at,
      status: 'completed',
      amount,
      currency: 'usd',
    })),
    totals: totals(order.refunds.length ? { ...amounts, amount_refunded: order.refunds.reduce((a, b) => a + b, 0) } : amounts),
  };
}

export function event(version, facts, created) {
  const word = created ? 'create' : 'update';
  if (age(version) >= RICH) return { type: `order_${word}`, data: orderOf(version, facts) };
  return {
    type: version === 'stripe' ? `order_${word}d` : `order_${word}`,
    data: {
      type: 'order',
      checkout_session_id: facts.id,
      permalink_url: `${facts.url}/orders/${facts.order.id}`,
      status: facts.order.status,
      refunds: facts.order.refunds.map((amount) => ({ type: 'original_payment', amount })),
    },
  };
}

export const cart = (facts) =>
  defined({
    id: facts.id,
    line_items: facts.lines.map((one) => line('2026-04-17', one)),
    buyer: facts.buyer,
    currency: 'usd',
    totals: totals(facts.totals),
    messages: facts.messages.map((one) => message('2026-04-17', one)),
    continue_url: `${facts.url}/cart/${facts.id}`,
    expires_at: facts.expires,
  });
