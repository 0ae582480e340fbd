// What each operation accepts, in our own compact words. `check.mjs` refuses everything else, at any depth, as
// Stripe does; `tests/sandbox/parameters.test.mjs` compares this table with Stripe's published description.
//
// `unplayed`: Stripe takes it, this stand-in does not act on it. Such a parameter is refused by name, since a
// stand-in that swallowed it would let a mistake pass.

const text = (max) => ({ type: 'string', ...(max && { max }) });
const id = text(5000);
const integer = { type: 'integer' };
const flag = { type: 'boolean' };
const currency = { type: 'string', format: 'currency' };
const decimal = { type: 'string', format: 'decimal' };
const url = { type: 'string', looks: 'url' };
const email = { type: 'string', looks: 'email' };
const oneOf = (words, more = {}) => ({ type: 'string', values: words.split(' '), ...more });
const list = (items, max) => ({ type: 'array', items, ...(max && { most: max }) });
const hash = (fields) => ({ type: 'object', fields });
const must = (rule) => ({ ...rule, required: true });
/** '' unsets it; elsewhere an empty value is a mistake. */
const clearable = (rule) => ({ ...rule, clearable: true });
const metadata = { type: 'metadata' };
const unplayed = { unplayed: true };

const expand = list(text(5000));
const switchable = hash({ enabled: must(flag) });
const taxBehavior = oneOf('exclusive inclusive unspecified');

const COUNTRIES =
  'AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CD CF CG ' +
  'CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL GM GN ' +
  'GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LB LC LI LK ' +
  'LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE ' +
  'PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF ' +
  'TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ';
const LOCALES =
  'auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru sk sl ' +
  'sv th tr vi zh zh-HK zh-TW';

const address = hash({
  line1: must(id), line2: id, city: id, state: id, postal_code: id, country: id,
});
const moment = hash({ unit: must(oneOf('business_day day hour month week')), value: must(integer) });
const remark = clearable(hash({ message: must(text(1200)) }));

const priceData = hash({
  currency: must(currency),
  product: unplayed,
  product_data: hash({
    name: must(text(5000)),
    description: text(40000),
    images: list(url, 8),
    metadata,
    tax_code: text(5000),
    tax_details: unplayed,
    unit_label: text(12),
  }),
  recurring: unplayed,
  tax_behavior: taxBehavior,
  unit_amount: integer,
  unit_amount_decimal: decimal,
});

const shippingRateData = hash({
  delivery_estimate: hash({ maximum: moment, minimum: moment }),
  display_name: must(text(100)),
  fixed_amount: hash({ amount: must(integer), currency: must(currency), currency_options: unplayed }),
  metadata,
  tax_behavior: taxBehavior,
  tax_code: text(),
  type: oneOf('fixed_amount'),
});

const createSession = {
  adaptive_pricing: hash({ enabled: flag }),
  after_expiration: unplayed,
  allow_promotion_codes: unplayed,
  allowed_payment_method_types: unplayed,
  automatic_tax: hash({
    enabled: must(flag),
    liability: hash({ account: text(), type: must(oneOf('account self')) }),
  }),
  billing_address_collection: oneOf('auto required'),
  branding_settings: unplayed,
  cancel_url: url,
  client_reference_id: text(200),
  consent_collection: unplayed,
  currency,
  custom_fields: unplayed,
  custom_text: hash({
    after_submit: remark, shipping_address: remark, submit: remark, terms_of_service_acceptance: remark,
  }),
  customer: unplayed,
  customer_account: unplayed,
  customer_creation: oneOf('always if_required'),
  customer_email: email,
  customer_update: unplayed,
  discounts: unplayed,
  excluded_payment_method_types: unplayed,
  expand,
  expires_at: integer,
  integration_identifier: text(200),
  invoice_creation: unplayed,
  line_items: list(hash({
    adjustable_quantity: unplayed,
    metadata,
    price: unplayed,
    price_data: priceData,
    quantity: integer,
    tax_rates: unplayed,
  }), 100),
  locale: oneOf(LOCALES),
  managed_payments: unplayed,
  metadata,
  mode: must(oneOf('payment setup subscription')),
  name_collection: unplayed,
  optional_items: unplayed,
  origin_context: oneOf('mobile_app web'),
  payment_intent_data: hash({
    application_fee_amount: integer,
    capture_method: oneOf('automatic automatic_async manual'),
    description: text(1000),
    metadata,
    on_behalf_of: text(),
    receipt_email: email,
    setup_future_usage: unplayed,
    shipping: hash({ address: must(address), carrier: id, name: must(id), phone: id, tracking_number: id }),
    statement_descriptor: text(22),
    statement_descriptor_suffix: text(22),
    transfer_data: hash({ amount: integer, destination: must(text()) }),
    transfer_group: text(),
  }),
  payment_method_collection: unplayed,
  payment_method_configuration: unplayed,
  payment_method_data: unplayed,
  payment_method_options: unplayed,
  payment_method_types: { gone: 'payment_method_types_no_longer_supported' },
  permissions: unplayed,
  phone_number_collection: switchable,
  redirect_on_completion: unplayed,
  return_url: unplayed,
  saved_payment_method_options: unplayed,
  setup_intent_data: unplayed,
  shipping_address_collection: hash({ allowed_countries: must(list(oneOf(COUNTRIES))) }),
  shipping_options: list(hash({ shipping_rate: unplayed, shipping_rate_data: shippingRateData }), 5),
  submit_type: oneOf('auto book donate pay subscribe'),
  subscription_data: unplayed,
  success_url: url,
  tax_id_collection: unplayed,
  ui_mode: oneOf('elements embedded_page form hosted_page'),
  wallet_options: unplayed,
};

const created = { type: 'range' }; // an integer, or gt/gte/lt/lte
const page = { ending_before: id, expand, limit: integer, starting_after: id };

/** route → parameters. Routes are spelled as in Stripe's own description. */
export const parameters = {
  'POST /v1/checkout/sessions': createSession,
  'GET /v1/checkout/sessions': {
    ...page, created, customer: unplayed, customer_account: unplayed, customer_details: hash({ email: must(text()) }),
    payment_intent: id, payment_link: unplayed, status: oneOf('complete expired open'), subscription: unplayed,
  },
  'GET /v1/checkout/sessions/{session}': { expand },
  'POST /v1/checkout/sessions/{session}/expire': { expand },
  'GET /v1/checkout/sessions/{session}/line_items': { ...page },

  'GET /v1/payment_intents': { ...page, created, customer: unplayed, customer_account: unplayed },
  'GET /v1/payment_intents/{intent}': { client_secret: id, expand },
  'POST /v1/payment_intents/{intent}/capture': {
    amount_details: unplayed,
    amount_to_capture: integer,
    application_fee_amount: integer,
    expand,
    final_capture: flag,
    hooks: unplayed,
    metadata: clearable(metadata),
    payment_details: unplayed,
    statement_descriptor: text(22),
    statement_descriptor_suffix: text(22),
    transfer_data: hash({ amount: integer }),
  },
  'POST /v1/payment_intents/{intent}/cancel': {
    cancellation_reason: oneOf('abandoned duplicate fraudulent requested_by_customer', { max: 5000 }),
    expand,
  },

  'POST /v1/refunds': {
    amount: integer,
    charge: id,
    currency: unplayed,
    customer: unplayed,
    expand,
    instructions_email: unplayed,
    metadata: clearable(metadata),
    origin: unplayed,
    payment_intent: id,
    reason: oneOf('duplicate fraudulent requested_by_customer', { max: 5000 }),
    refund_application_fee: flag,
    reverse_transfer: flag,
  },
  'GET /v1/refunds': {
    charge: text(), created, ending_before: text(), expand, limit: integer, payment_intent: id, starting_after: text(),
  },
  'GET /v1/refunds/{refund}': { expand },

  'GET /v1/disputes': {
    charge: id, created, ending_before: id, expand, limit: integer, payment_intent: id, starting_after: id,
  },
  'GET /v1/disputes/{dispute}': { expand },

  'GET /v1/charges/{charge}': { expand },
  'GET /v1/account': { expand },
  'GET /v1/accounts/{account}': { expand },
  'GET /v1/application_fees/{id}': { expand },
  'GET /v1/events': {
    ...page, created, delivery_success: flag, type: id, types: list(text(5000)),
  },
  'GET /v1/events/{id}': { expand },

  // connect.stripe.com answers in another error shape, but refuses unknown members all the same.
  'POST /oauth/token': {
    grant_type: must(oneOf('authorization_code refresh_token')),
    code: text(), refresh_token: text(), scope: oneOf('read_write read_only'), client_secret: text(),
    assert_capabilities: unplayed,
  },
  'POST /oauth/deauthorize': { client_id: must(text()), stripe_user_id: must(text()) },
};
