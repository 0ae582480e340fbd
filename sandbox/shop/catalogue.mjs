// What the shop sells. A plugin has its shop system's catalogue here; only this file knows prices.

import { convertFromUsd } from './money.mjs';

// `price` is in usd cents and is the only price there is: neither a browser nor an agent ever names one.
// `bundle` is a reason why the contract wants `amount_total` of the whole line: 3 cups for 10.00 have no unit price.
export const products = [
  { id: 'mug', sku: 'HL-MUG', name: 'Stoneware mug', price: 2000, tags: 'coffee tea cup kitchen gift warm',
    text: 'Hand-glazed, holds 350 ml, keeps its heat.' },
  { id: 'cup', sku: 'HL-CUP', name: 'Espresso cup', price: 400, bundle: { quantity: 3, price: 1000 }, tags: 'coffee espresso kitchen small gift',
    text: 'Small and thick-walled. Any three for 10.00.' },
  { id: 'kettle', sku: 'HL-KET', name: 'Enamel kettle', price: 4850, tags: 'tea coffee kitchen warm',
    text: 'Two litres, for every kind of stove.' },
  { id: 'lamp', sku: 'HL-LMP', name: 'Reading lamp', price: 6400, tags: 'light reading desk evening book',
    text: 'A narrow, warm beam. Brass arm, linen shade.' },
  { id: 'blanket', sku: 'HL-BLK', name: 'Wool blanket', price: 8950, tags: 'warm winter sofa reading gift',
    text: 'Undyed wool, 130 × 180 cm, woven nearby.' },
  { id: 'notebook', sku: 'HL-NTB', name: 'Field notebook', price: 725, tags: 'paper desk writing gift small book',
    text: '96 dotted pages that lie flat.' },
];

export const findProduct = (id) => products.find((product) => product.id === id);

// Fixed rates of the demo, so that the special currencies can be tried by hand (money.mjs says what is special).
export const currencies = {
  usd: { name: 'US dollar', rate: '1' },
  eur: { name: 'Euro', rate: '0.92' },
  jpy: { name: 'Japanese yen (no decimals)', rate: '151' },
  isk: { name: 'Icelandic króna (whole, sent ×100)', rate: '139' },
  kwd: { name: 'Kuwaiti dinar (three decimals)', rate: '0.307' },
};

export const shippingChoices = {
  standard: { label: 'Standard, 3 to 5 days', price: 490 },
  express: { label: 'Express, next working day', price: 1250 },
  pickup: { label: 'Collect in the shop', price: 0 },
};

export const coupons = {
  WELCOME10: { label: 'WELCOME10 (10 % off)', bps: 1000 },
  FIVEOFF: { label: 'FIVEOFF (5.00 USD off)', amount: 500 },
};

export const priceIn = (cents, currency) => convertFromUsd(cents, currencies[currency].rate, currency);

/** What a whole line costs: bundles first, the rest singly. */
export function lineTotal(product, quantity, currency) {
  const single = priceIn(product.price, currency);
  if (!product.bundle) return single * quantity;
  const bundles = Math.floor(quantity / product.bundle.quantity);
  return bundles * priceIn(product.bundle.price, currency) + (quantity % product.bundle.quantity) * single;
}

/** The pretend assistant of the chat bubble: products whose tags or name the visitor's words name. */
export function suggest(question) {
  const words = String(question ?? '').toLowerCase().match(/[a-z]{3,}/g) ?? [];
  const hits = (product) => words.filter((word) => `${product.tags} ${product.name.toLowerCase()}`.includes(word)).length;
  return products.map((product) => ({ product, score: hits(product) })).filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score).slice(0, 3).map((hit) => hit.product);
}
