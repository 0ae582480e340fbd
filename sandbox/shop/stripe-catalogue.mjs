// The catalogue at Stripe: what a plugin does so that AI agents see the shop's products there (contract, "Stripe's agentic commerce").
//
//   1. switch on   PUT  /v1/agentic/rules                       once, in each mode
//   2. send        POST /v1/agentic/catalogue/imports?…         a file of the shop's own, its rows checked as they pass
//   3. look        GET  /v1/agentic/catalogue/imports           until Stripe is through: it takes seconds to minutes
//   4. mend        GET  /v1/agentic/catalogue/imports/{id}/errors   the rows that were not taken, with the reason
//
// A shop that has uploaded its catalogue to the Worker can have that one sent instead: {"from":"catalogue"}. From the first products on
// the Worker tells Stripe by itself what changes of the stock.

import { randomUUID } from 'node:crypto';
import { catalogueRows } from './feed.mjs';

const PATH = '/v1/agentic/catalogue/imports';
const COLUMNS = ['id', 'title', 'description', 'link', 'image_link', 'price', 'availability', 'inventory_quantity', 'stripe_product_tax_code', 'brand', 'mpn', 'condition'];

/** RFC 4180: what has a comma, a quote or a line end is quoted. */
const cell = (value) => (/[",\r\n]/.test(String(value ?? '')) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ''));
export const csv = (rows) => [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((name) => cell(row[name])).join(','))].join('\n').concat('\n');

export function createStripeCatalogue({ client, stock, siteUrl }) {
  /** What the shop sells, as a file. */
  const file = () => csv(catalogueRows({ siteUrl, left: stock.left }));

  /** The same with two mistakes as people make them: a price without its currency, and a product without a picture. */
  function spoiled() {
    const [first, second, ...rest] = catalogueRows({ siteUrl, left: stock.left });
    return csv([{ ...first, price: '20.00' }, { ...second, image_link: '' }, ...rest]);
  }

  /** `onError`: 'skip' sends the good rows, 'fail' sends nothing when one is bad. -> the import */
  async function send(text, { mode, onError }, recorder) {
    const query = { feed_type: 'product', mode: 'upsert', livemode: String(mode === 'live'), on_error: onError };
    // One key for each attempt of the merchant's: the client may repeat the request, and one import comes of it.
    const idempotencyKey = randomUUID();
    const post = () => client.call('POST', PATH, { query, body: text, media: 'text/csv', idempotencyKey, recorder });
    try {
      return await post();
    } catch (error) {
      if (error.code !== 'agentic_not_enabled') throw error;
      await client.call('PUT', '/v1/agentic/rules', { body: { enabled: true, approve: { require_stock: true }, mode }, recorder });
      return post();
    }
  }

  const list = async (recorder) => (await client.call('GET', PATH, { query: { limit: 5 }, recorder })).data;
  const errors = (id, recorder) => client.stream(`${PATH}/${encodeURIComponent(id)}/errors`, { recorder });

  return { file, spoiled, send, list, errors };
}
