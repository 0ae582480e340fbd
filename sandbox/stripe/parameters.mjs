// What each operation accepts, in our own compact words. `check.mjs` refuses everything else, at any depth, as
// Stripe does; `tests/sandbox/parameters.test.mjs` compares this table with Stripe's published description.
//
// `preview`: only previews have it; under a general version it is unknown. `required: 'general'`: a preview can do without.
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
const preview = (rule) => ({ ...rule, preview: true });
/** Several members at once that are there and not played. */
const without = (words, rule = unplayed) => Object.fromEntries(words.split(' ').map((name) => [name, rule]));

const expand = list(text(5000));
const switchable = hash({ enabled: must(flag) });
const taxBehavior = oneOf('exclusive inclusive unspecified');

// Of v2.
const requested = hash({ requested: must(flag) });
const INCLUDES = 'configuration.customer configuration.merchant configuration.recipient defaults future_requirements identity requirements';
const accountForm = hash({
  collection_options: hash({ fields: oneOf('currently_due eventually_due', { open: true }), future_requirements: oneOf('include omit', { open: true }) }),
  refresh_url: must(text()),
  return_url: text(),
});

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

const PAYMENT_METHODS =
  'acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit bacs_debit bancontact billie bizum blik boleto cashapp ' +
  'crypto customer_balance eps fpx giropay grabpay ideal interac_present kakao_pay klarna konbini kr_card link mb_way mobilepay ' +
  'multibanco naver_pay nz_bank_account oxxo p24 pay_by_bank payco paynow paypal paypay payto pix promptpay revolut_pay ' +
  'samsung_pay satispay scalapay sepa_debit sequra sofort sunbit swish twint upi us_bank_account wechat_pay zip';
const PREVIEW_METHODS = 'carecredit getflex gift_card gopay id_bank_transfer qris rechnung sezzle shopeepay stripe_balance vipps';

const place = hash({ line1: id, line2: id, city: id, state: id, postal_code: id, country: id });
const parcel = hash({ address: must(place), carrier: id, name: must(id), phone: id, tracking_number: id });

/** What a payment is made with. Raw cards are for no one here: a token is the only way. */
const paymentMethodData = hash({
  ...without(PAYMENT_METHODS),
  ...without(`${PREVIEW_METHODS} rakuten_pay tamara`, preview(unplayed)),
  ...without('allow_redisplay metadata radar_options'),
  billing_details: hash({ address: clearable(place), email, name: id, phone: id, tax_id: id }),
  shared_payment_granted_token: preview(text()),
  // Stripe's description lists what needs no raw card data; the list is an open one and `card` goes with a token.
  type: { ...oneOf('card', { open: true }), required: 'general' },
});

const paymentMethodOptions = hash({
  ...without(`${PAYMENT_METHODS} card_present`),
  ...without(PREVIEW_METHODS, preview(unplayed)),
  card: clearable(hash({
    ...without('capture_method cvc_token installments mandate_options moto network request_extended_authorization request_incremental_authorization ' +
      'request_multicapture request_overcapture require_cvc_recollection setup_credential_usage setup_future_usage statement_descriptor_suffix_kana ' +
      'statement_descriptor_suffix_kanji stored_credential_usage'),
    ...without('capture_by capture_delay payment_details request_card_account_update request_decremental_authorization request_partial_authorization ' +
      'request_reauthorization statement_details', preview(unplayed)),
    request_three_d_secure: oneOf('any automatic challenge'),
    three_d_secure: hash({
      ares_trans_status: oneOf('A C I N R U Y'),
      cryptogram: must(text(5000)),
      electronic_commerce_indicator: oneOf('01 02 05 06 07'),
      exemption_indicator: oneOf('low_risk none'),
      network_options: unplayed,
      requestor_challenge_indicator: text(2),
      transaction_id: must(text(5000)),
      version: must(oneOf('1.0.2 2.1.0 2.2.0 2.3.0 2.3.1')),
    }),
  })),
});

const captureMethod = oneOf('automatic automatic_async manual');
/** The same for making a PaymentIntent and for confirming one. */
const payNow = {
  ...without('allowed_payment_method_types amount_details confirmation_token excluded_payment_method_types hooks mandate mandate_data payment_details ' +
    'payment_method radar_options setup_future_usage'),
  ...without('allocated_funds fx_quote', preview(unplayed)),
  capture_method: captureMethod,
  error_on_requires_action: flag,
  expand,
  off_session: flag,
  payment_method_data: paymentMethodData,
  payment_method_options: paymentMethodOptions,
  receipt_email: email,
  return_url: url,
  use_stripe_sdk: flag,
};

const created = { type: 'range' }; // an integer, or gt/gte/lt/lte
const page = { ending_before: id, expand, limit: integer, starting_after: id };

/** route → parameters. Routes are spelled as in Stripe's own description. */
const PURPOSES = oneOf(
  'account_requirement additional_verification business_icon business_logo customer_signature data_management_manual_upload dispute_evidence ' +
  'identity_document issuing_regulatory_reporting pci_document platform_terms_of_service tax_document_user_upload terminal_android_apk ' +
  'terminal_reader_splashscreen terminal_wifi_certificate terminal_wifi_private_key', { open: true, strict: true });

export const parameters = {
  'POST /v1/checkout/sessions': createSession,
  'GET /v1/checkout/sessions': {
    ...page, created, customer: unplayed, customer_account: unplayed, customer_details: hash({ email: must(text()) }),
    payment_intent: id, payment_link: unplayed, status: oneOf('complete expired open'), subscription: unplayed,
  },
  'GET /v1/checkout/sessions/{session}': { expand },
  'POST /v1/checkout/sessions/{session}/expire': { expand },
  'GET /v1/checkout/sessions/{session}/line_items': { ...page },

  'POST /v1/payment_intents': {
    ...payNow,
    ...without('customer customer_account payment_method_configuration'),
    ...without('payments_orchestration secret_key_confirmation', preview(unplayed)),
    amount: must(integer),
    application_fee_amount: integer,
    automatic_payment_methods: hash({ allow_redirects: oneOf('always never'), enabled: must(flag) }),
    confirm: flag,
    confirmation_method: oneOf('automatic manual'),
    currency: must(currency),
    description: text(1000),
    metadata,
    on_behalf_of: text(),
    payment_method_types: { gone: 'payment_method_types_no_longer_supported' },
    shipping: parcel,
    statement_descriptor: text(22),
    statement_descriptor_suffix: text(22),
    transfer_data: hash({ amount: integer, destination: must(text()), ...without('description metadata payment_data') }),
    transfer_group: text(),
  },
  'POST /v1/payment_intents/{intent}/confirm': {
    ...payNow,
    amount_to_confirm: unplayed,
    application_fee_amount: preview(unplayed),
    shipping: clearable(parcel),
  },
  // In no description that is at hand: from Stripe's reference of its search.
  'GET /v1/payment_intents/search': { expand, limit: integer, page: text(), query: must(text()) },
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

  'POST /v2/commerce/product_catalog/imports': {
    feed_type: must(oneOf('inventory pricing product promotion', { open: true, strict: true })), metadata: must(metadata), mode: must(oneOf('replace upsert', { open: true, strict: true })),
  },
  'GET /v2/commerce/product_catalog/imports': {
    created: text(), created_gt: text(), created_gte: text(), created_lt: text(), created_lte: text(),
    feed_type: oneOf('inventory pricing product promotion', { open: true }), limit: integer,
    page: text(), status: oneOf('awaiting_upload failed processing succeeded succeeded_with_errors'),
  },
  'GET /v2/commerce/product_catalog/imports/{id}': {},
  'POST /v1/files': { expand, file: must({ type: 'file' }), file_link_data: unplayed, purpose: must(PURPOSES) },
  'GET /v1/files/{file}': { expand },
  'GET /v1/files/{file}/contents': {},
  // Under the seed's preview header only.
  'POST /v1/data_management/import_sets': { expand, file: must(id), standard_data_format: must(oneOf('inventory_feed product_catalog_feed')) },
  'GET /v1/data_management/import_sets/{import_set}': { expand: list(text()) },

  // Under previews only.
  'GET /v1/shared_payment/granted_tokens/{shared_payment_granted_token}': { expand: list(text()) },
  'POST /v1/test_helpers/shared_payment/granted_tokens': {
    customer: unplayed,
    expand: list(text()),
    payment_method: must(text()),
    shared_metadata: clearable(metadata),
    usage_limits: must(hash({
      currency: must({ type: 'string', looks: 'currency' }), expires_at: integer, max_amount: must(integer), recurring: unplayed, recurring_interval: unplayed,
    })),
  },
  'POST /v1/test_helpers/shared_payment/granted_tokens/{shared_payment_granted_token}/revoke': { expand: list(text()) },

  // Embedded components.
  'POST /v1/account_sessions': {
    account: must(text()),
    components: must(hash({
      agentic_commerce_settings: preview(hash({ enabled: must(flag), features: hash({}) })),
      ...without('account_management account_onboarding balance_report balances disputes_list documents financial_account ' +
      'financial_account_transactions instant_payouts_promotion issuing_card issuing_cards_list notification_banner ' +
      'payment_details payment_disputes payment_method_settings payments payout_details payout_reconciliation_report payouts ' +
      'payouts_list reporting_chart tax_registrations tax_settings terminal_hardware_orders terminal_hardware_shop'),
      ...without('app_install app_viewport capital_financing capital_financing_application capital_financing_manual_payment ' +
      'capital_financing_promotion capital_overview check_scanning export_tax_transactions product_tax_code_selector ' +
      'recipients tax_threshold_monitoring', preview(unplayed)),
    })),
    expand,
  },

  // Accounts v2: bodies are JSON (second.mjs).
  'POST /v2/core/accounts': {
    account_token: unplayed,
    configuration: hash({
      customer: unplayed,
      merchant: hash({
        ...without('bacs_debit_payments branding card_payments konbini_payments mcc script_statement_descriptor sepa_debit_payments statement_descriptor support'),
        capabilities: hash({
          card_payments: requested,
          ...without('ach_debit_payments acss_debit_payments affirm_payments afterpay_clearpay_payments alma_payments amazon_pay_payments ' +
        'au_becs_debit_payments bacs_debit_payments bancontact_payments blik_payments blik_recurring_payments boleto_payments ' +
        'cartes_bancaires_payments cashapp_payments eps_payments fpx_payments gb_bank_transfer_payments grabpay_payments ' +
        'ideal_payments jcb_payments jp_bank_transfer_payments kakao_pay_payments klarna_payments konbini_payments ' +
        'kr_card_payments link_payments mobilepay_payments multibanco_payments mx_bank_transfer_payments naver_pay_payments ' +
        'oxxo_payments p24_payments pay_by_bank_payments payco_payments paynow_payments promptpay_payments revolut_pay_payments ' +
        'samsung_pay_payments satispay_payments sepa_bank_transfer_payments sepa_debit_payments sequra_payments sunbit_payments ' +
        'swish_payments twint_payments us_bank_transfer_payments zip_payments'),
        }),
      }),
      recipient: hash({ capabilities: hash({ ...without('bank_accounts cards'), stripe_balance: hash({ stripe_transfers: requested }) }) }),
    }),
    contact_email: text(),
    contact_phone: unplayed,
    dashboard: oneOf('express full none'),
    defaults: hash({
      currency: text(),
      locales: unplayed,
      profile: hash({ business_url: text(), doing_business_as: text(), product_description: text() }),
      responsibilities: hash({
        fees_collector: must(oneOf('application application_custom application_express stripe')),
        losses_collector: must(oneOf('application stripe')),
      }),
    }),
    display_name: text(),
    identity: hash({
      ...without('attestations business_details individual'),
      country: text(),
      entity_type: oneOf('company government_entity individual non_profit', { open: true }),
    }),
    include: list(oneOf(INCLUDES)),
    metadata,
  },
  'GET /v2/core/accounts/{id}': { include: list(oneOf(INCLUDES)) },
  'POST /v2/core/account_links': {
    account: must(text()),
    use_case: must(hash({ account_onboarding: accountForm, account_update: unplayed, type: must(oneOf('account_onboarding account_update', { open: true })) })),
  },

  // Agreements with agents, under previews only.
  'GET /v2/orchestrated_commerce/agreements': { limit: integer, network_business_profile: text() },
  'POST /v2/orchestrated_commerce/agreements': { orchestrator: must(text()) },
  'GET /v2/orchestrated_commerce/agreements/{id}': {},
  'POST /v2/orchestrated_commerce/agreements/{id}/confirm': {},
  'POST /v2/orchestrated_commerce/agreements/{id}/terminate': {},

  // connect.stripe.com answers in another error shape, but refuses unknown members all the same.
  'POST /oauth/token': {
    grant_type: must(oneOf('authorization_code refresh_token')),
    code: text(), refresh_token: text(), scope: oneOf('read_write read_only'), client_secret: text(),
    assert_capabilities: unplayed,
  },
  'POST /oauth/deauthorize': { client_id: must(text()), stripe_user_id: must(text()) },
};
