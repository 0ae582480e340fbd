// What the shop sells. A plugin has its shop system's catalogue here; only this file knows prices.

import { convertFromUsd } from './money.mjs';

// `price` is in usd cents and is the only price there is: neither a browser nor an agent ever names one.
// `sale` is what it costs at the moment, `stock` how many pieces there are to begin with (without it: as many as are wanted).
// `group` and `size` make variants: each is a product of its own, and the group is what they have in common.
// `bundle` is a reason why the contract wants `amount_total` of the whole line: 3 cups for 10.00 have no unit price.
const apron = { price: 3400, group: { id: 'apron', title: 'Linen apron' }, tags: 'kitchen cook linen gift', text: 'Washed linen, one large pocket.' };
export const products = [
  { id: 'mug', sku: 'HL-MUG', name: 'Stoneware mug', price: 2000, tags: 'coffee tea cup kitchen gift warm',
    text: 'Hand-glazed, holds 350 ml, keeps its heat.' },
  { id: 'cup', sku: 'HL-CUP', name: 'Espresso cup', price: 400, bundle: { quantity: 3, price: 1000 }, tags: 'coffee espresso kitchen small gift',
    text: 'Small and thick-walled. Any three for 10.00.' },
  { id: 'kettle', sku: 'HL-KET', name: 'Enamel kettle', price: 4850, tags: 'tea coffee kitchen warm',
    text: 'Two litres, for every kind of stove.' },
  { id: 'lamp', sku: 'HL-LMP', name: 'Reading lamp', price: 6400, tags: 'light reading desk evening book',
    text: 'A narrow, warm beam. Brass arm, linen shade.' },
  { id: 'blanket', sku: 'HL-BLK', name: 'Wool blanket', price: 8950, sale: 7200, tags: 'warm winter sofa reading gift',
    text: 'Undyed wool, 130 × 180 cm, woven nearby.' },
  { id: 'notebook', sku: 'HL-NTB', name: 'Field notebook', price: 725, tags: 'paper desk writing gift small book',
    text: '96 dotted pages that lie flat.' },
  { ...apron, id: 'apron-s', sku: 'HL-APR-S', name: 'Linen apron, S', size: 'S' },
  { ...apron, id: 'apron-m', sku: 'HL-APR-M', name: 'Linen apron, M', size: 'M' },
  { ...apron, id: 'apron-l', sku: 'HL-APR-L', name: 'Linen apron, L', size: 'L', stock: 0 },
  { id: 'clock', sku: 'HL-CLK', name: 'Ship\'s clock', price: 12900, stock: 1, tags: 'time harbour brass wall',
    text: 'Brass, rewound once a week. The last one.' },
  { id: 'guide', sku: 'HL-GDE', name: 'Slow coffee, a guide', price: 1200, digital: true, tags: 'coffee book reading',
    text: 'A small book to download: grind, pour, wait.' },
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

// `ships`: the same for those who are not here (rules.mjs). What is collected in the shop is no delivery.
export const shippingChoices = {
  standard: { label: 'Standard, 3 to 5 days', price: 490,
    ships: { title: 'Standard', subtitle: '3 to 5 working days', carrier: 'Harbour Post', countries: ['US', 'CA', 'DE'], min_days: 3, max_days: 5 } },
  express: { label: 'Express, next working day', price: 1250,
    ships: { title: 'Express', subtitle: 'By courier, next working day', carrier: 'Swift Gull', countries: ['US'], min_days: 1, max_days: 1 } },
  pickup: { label: 'Collect in the shop', price: 0 },
};

export const coupons = {
  WELCOME10: { label: 'WELCOME10 (10 % off)', bps: 1000 },
  FIVEOFF: { label: 'FIVEOFF (5.00 USD off)', amount: 500 },
};

/** What one piece costs today, in usd cents. */
export const priceNow = (product) => product.sale ?? product.price;

export const priceIn = (cents, currency) => convertFromUsd(cents, currencies[currency].rate, currency);

/** What a whole line costs: bundles first, the rest singly. */
export function lineTotal(product, quantity, currency) {
  const single = priceIn(priceNow(product), currency);
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
