// The catalogue as agents get it: one row a product, in the columns of Stripe's product feed (contract, "Catalogue").
// Pure functions. Only what is uploaded here can be bought by an agent, and only at these prices.

import { products } from './catalogue.mjs';
import { fromMinor } from './money.mjs';
import { NAME } from './pages/layout.mjs';

// Stripe's tax codes of tangible goods and of what comes over the wire.
const TANGIBLE = 'txcd_99999999';
const ELECTRONIC = 'txcd_10000000';

export const catalogueRows = ({ siteUrl, left }) => products.map((product) => productRow(product, { siteUrl, left: left(product) }));

export function productRow(product, { siteUrl, left }) {
  return {
    id: product.id,
    title: product.name,
    description: product.text,
    link: `${siteUrl}/product/${product.id}`,
    image_link: `${siteUrl}/pictures/${product.id}.svg`,
    price: priceText(product.price),
    ...(product.sale && { sale_price: priceText(product.sale) }),
    availability: left > 0 ? 'in_stock' : 'out_of_stock',
    // Without a quantity the Worker does not count: it sells until it is told to stop.
    ...(Number.isFinite(left) && { inventory_quantity: left }),
    // Sizes are rows of their own; this is what holds them together.
    ...(product.group && { item_group_id: product.group.id, item_group_title: product.group.title, size: product.size }),
    ...(product.digital && { is_digital: true }),
    stripe_product_tax_code: product.digital ? ELECTRONIC : TANGIBLE,
    brand: NAME,
    condition: 'new',
    mpn: product.sku,
  };
}

/** One JSON object a line. A file of 100 MB is written and read in pieces this way; a JSON array would have to be whole. */
export const ndjson = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

const priceText = (cents) => `${fromMinor(cents, 'usd')} USD`;
