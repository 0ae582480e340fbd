// Ids that look like Stripe's, because clients check their prefixes and store their lengths.
import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export function random(length) {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 = 4 × 62: higher bytes are thrown away, so that every letter is equally likely.
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
    }
  }
  return text;
}

const make = {
  account: () => `acct_1${random(15)}`,
  'checkout.session': (livemode) => `cs_${livemode ? 'live' : 'test'}_a1${random(56)}`,
  payment_intent: () => `pi_3${random(23)}`,
  charge: () => `ch_3${random(23)}`,
  refund: () => `re_3${random(23)}`,
  application_fee: () => `fee_1${random(23)}`,
  dispute: () => `du_1${random(23)}`,
  fee_refund: () => `fr_1${random(23)}`,
  event: () => `evt_1${random(23)}`,
  hook: () => `evt_1hook${random(19)}`,
  item: () => `li_1${random(23)}`,
  price: () => `price_1${random(23)}`,
  product: () => `prod_${random(14)}`,
  shipping_rate: () => `shr_1${random(23)}`,
  payment_method: () => `pm_1${random(23)}`,
  'shared_payment.granted_token': () => `spt_1${random(23)}`,
  tax_rate: () => `txr_1${random(23)}`,
  transfer: () => `tr_3${random(23)}`,
  transfer_reversal: () => `trr_1${random(23)}`,
  agreement: () => `agmt_test_61${random(24)}`,
  account_session: () => `acses_1${random(24)}`,
  account_link: () => `aclnk_1${random(24)}`,
  request: () => `req_${random(14)}`,
};

export const newId = (kind, livemode = false) => make[kind](livemode);

const kinds = {
  acct: 'account', cs: 'checkout.session', pi: 'payment_intent', ch: 'charge', py: 'charge', re: 'refund', pyr: 'refund',
  fee: 'application_fee', fr: 'fee_refund', du: 'dispute', dp: 'dispute', evt: 'event', prod: 'product', shr: 'shipping_rate', tr: 'transfer',
  agmt: 'agreement', pm: 'payment_method', txr: 'tax_rate', spt: 'shared_payment.granted_token',
  pcimprt: 'v2.commerce.product_catalog_import', impset: 'data_management.import_set', file: 'file',
};

/** Which kind of object an id names, by its prefix; undefined when it is none of ours. */
export const kindOf = (id) => kinds[String(id).split('_', 1)[0]];
