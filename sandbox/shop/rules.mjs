// How the shop delivers, what tax it adds and which coupons it takes: the body of PUT /v1/shop/fulfillment (contract,
// "Agents, catalogue, fulfilment"). With it the Worker prices an agent's checkout without asking the shop. Pure.

import { coupons, shippingChoices } from './catalogue.mjs';

export const CURRENCY = 'usd';

/** All that fit an address are added. Germany's prices have the tax in them, as its law wants. */
export const taxes = [
  { country: 'US', region: 'CA', rate_bps: 875, inclusive: false, applies_to_shipping: false, display_name: 'Sales tax' },
  { country: 'DE', rate_bps: 1900, inclusive: true, applies_to_shipping: true, display_name: 'VAT' },
];

export const deliveries = Object.entries(shippingChoices).filter(([, choice]) => choice.ships)
  .map(([id, { price, ships }]) => ({ id, ...ships, amount: price, currency: CURRENCY }));

export const fulfillmentRules = () => ({
  shipping: deliveries,
  digital: [{ id: 'download', title: 'Download', subtitle: 'A link on the order\'s page' }],
  tax: taxes,
  coupons: Object.entries(coupons).map(([code, coupon]) => (coupon.bps
    ? { code, percent_off: coupon.bps / 100 }
    : { code, amount_off: coupon.amount, currency: CURRENCY })),
});
