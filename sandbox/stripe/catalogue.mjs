// A seller's catalogue as Stripe indexes it: rows of a feed, judged one by one and taken into the account's record.
import { isCurrency, decimals, step, parseDecimal } from './money.mjs';

/** Products that are kept of one account: a sandbox must not eat the machine. More are judged and counted. */
export const KEEP = 50_000;

const AVAILABILITY = ['in_stock', 'out_of_stock', 'preorder', 'backorder'];
const ADDRESS = /^https?:\/\/[^\s]+$/;

/** '12.30 USD' → { unit_amount, currency }, or null. */
export function price(text = '') {
  const [, amount, code] = /^(\d+(?:\.\d+)?)\s+([A-Za-z]{3})$/.exec(text.trim()) ?? [];
  const currency = code?.toLowerCase();
  if (!currency || !isCurrency(currency)) return null;
  const [whole, part = ''] = amount.split('.');
  if (part.length > decimals(currency) || parseDecimal(amount) === null) return null;
  const unit = Number(whole + part.padEnd(decimals(currency), '0'));
  return Number.isSafeInteger(unit) && unit % step(currency) === 0 ? { unit_amount: unit, currency } : null;
}

const isTrue = (text) => /^(true|yes|1)$/i.test(text ?? '');
const quantity = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : null);

/** What is wrong with a row: { field, message }, or null. `known` says whether a product is there. */
const judges = {
  product(row) {
    for (const [name, most] of [['id', 100], ['title', 150], ['description', 5000], ['link', 2048], ['image_link', 2048], ['availability', 40], ['price', 40]]) {
      if (!row[name]) return { field: name, message: `Missing required field: ${name}` };
      if ([...row[name]].length > most) return { field: name, message: `${name} is longer than ${most} characters` };
    }
    for (const name of ['link', 'image_link']) if (!ADDRESS.test(row[name])) return { field: name, message: `${name} is not a URL` };
    if (!AVAILABILITY.includes(row.availability)) return { field: 'availability', message: `Invalid availability: ${row.availability.slice(0, 40)}` };
    if (!price(row.price)) return { field: 'price', message: `Invalid price: ${row.price}` };
    if (row.sale_price && !price(row.sale_price)) return { field: 'sale_price', message: `Invalid price: ${row.sale_price.slice(0, 40)}` };
    if (row.inventory_quantity && quantity(row.inventory_quantity) === null) return { field: 'inventory_quantity', message: 'inventory_quantity is not a whole number' };
    if (row.stripe_product_tax_code && !/^txcd_\d{8}$/.test(row.stripe_product_tax_code)) return { field: 'stripe_product_tax_code', message: 'Unknown tax code' };
    if (row.availability === 'preorder' && !row.availability_date) return { field: 'availability_date', message: 'Missing required field: availability_date' };
    return null;
  },
  inventory(row, known) {
    if (!row.id) return { field: 'id', message: 'Missing required field: id' };
    if (!known(row.id)) return { field: 'id', message: `There is no product ${row.id.slice(0, 100)}` };
    if (row.availability && !AVAILABILITY.includes(row.availability)) return { field: 'availability', message: 'Invalid availability' };
    if (!isTrue(row.inventory_not_tracked) && quantity(row.inventory_quantity ?? '') === null) return { field: 'inventory_quantity', message: 'inventory_quantity is not a whole number' };
    return null;
  },
  pricing(row, known) {
    if (!row.id) return { field: 'id', message: 'Missing required field: id' };
    if (!known(row.id)) return { field: 'id', message: `There is no product ${row.id.slice(0, 100)}` };
    if (!price(row.price)) return { field: 'price', message: 'Invalid price' };
    return null;
  },
  promotion(row) {
    return Object.values(row).some(Boolean) ? null : { field: 'id', message: 'The row is empty' };
  },
};

const entry = (row) => ({
  id: row.id,
  title: row.title,
  description: row.description.slice(0, 500),
  price: price(row.price),
  ...(row.sale_price && { sale_price: price(row.sale_price) }),
  availability: row.availability,
  inventory_quantity: row.inventory_quantity && !isTrue(row.inventory_not_tracked) ? quantity(row.inventory_quantity) : null,
  tax_code: row.stripe_product_tax_code || null,
  image_link: row.image_link,
  link: row.link,
});

/** Takes the rows of one feed. Nothing of it is seen before `commit`, and a replacement takes the place of all. */
export class Indexing {
  constructor(record, feedType, mode) {
    this.record = record;
    this.feedType = feedType;
    this.before = record.catalogue ?? {};
    this.changes = new Map();
    this.replaces = mode === 'replace';
    this.success = 0;
    this.known = (id) => (this.changes.has(id) ? this.changes.get(id) !== null : Object.hasOwn(this.before, id)) || this.overfull;
    this.overfull = Object.keys(this.before).length >= KEEP;
  }

  /** → what is wrong with it, or null */
  take(row) {
    if (this.feedType === 'product' && isTrue(row.delete)) {
      if (!row.id) return { field: 'id', message: 'Missing required field: id' };
      this.changes.set(row.id, null);
      this.success += 1;
      return null;
    }
    const wrong = judges[this.feedType](row, this.known);
    if (wrong) return wrong;
    this.success += 1;
    if (this.feedType === 'product') {
      if (this.changes.size < KEEP) this.changes.set(row.id, entry(row));
    } else if (this.feedType !== 'promotion') {
      const old = this.changes.get(row.id) ?? this.before[row.id];
      if (old) this.changes.set(row.id, { ...old, ...this.fields(row) });
    }
    return null;
  }

  fields(row) {
    if (this.feedType === 'pricing') return { price: price(row.price), ...(row.sale_price && { sale_price: price(row.sale_price) }) };
    return { ...(row.availability && { availability: row.availability }), inventory_quantity: isTrue(row.inventory_not_tracked) ? null : quantity(row.inventory_quantity) };
  }

  commit() {
    const kept = this.replaces ? {} : { ...this.before };
    for (const [id, product] of this.changes) {
      if (product) kept[id] = product;
      else delete kept[id];
    }
    this.record.catalogue = kept;
  }
}
