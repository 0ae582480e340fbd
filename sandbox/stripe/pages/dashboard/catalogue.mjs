// What agents see of an account's products, and the imports that it came by.
import { format } from '../../money.mjs';
import { html, link, message } from '../html.mjs';
import { frame, mode, pill, table } from './frame.mjs';

const SHOWN = 100;

export function catalogue(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('account', id);
  if (!record) return message({ status: 404, title: 'There is no such account', text: id });
  const products = Object.values(record.catalogue ?? {});
  const own = (kind) => [...world.table(kind).values()].filter((entry) => entry.owner === id).reverse().slice(0, SHOWN);
  const imports = own('v2.commerce.product_catalog_import').map(({ object, livemode, success, errors, failure }) => [
    html`${object.feed_type}, ${object.mode}<br><span class="muted">${object.id}</span>`, pill(object.status), success ?? '', errors?.count ?? '',
    errors ? html`${errors.samples.slice(0, 3).map((sample) => html`row ${sample.row}: ${sample.error_message}<br>`)}` : failure?.failure_message, pill(mode(livemode)),
  ]);
  const sets = own('data_management.import_set').map(({ object, livemode }) => [
    html`import set<br><span class="muted">${object.id}</span>`, pill(object.status), object.result?.successes.row_count ?? '', object.result?.errors.row_count ?? '', object.failure_message, pill(mode(livemode)),
  ]);
  const rows = products.slice(0, SHOWN).map((product) => [
    html`${link(product.link) ? html`<a href="${product.link}">${product.title}</a>` : product.title}<br><span class="muted">${product.id}</span>`,
    html`${format(product.price.unit_amount, product.price.currency)}${product.sale_price && html`<br>${format(product.sale_price.unit_amount, product.sale_price.currency)}`}`,
    pill(product.availability), product.inventory_quantity ?? 'not counted', product.tax_code,
  ]);
  return frame(`Catalogue of ${record.object.name}`, note, html`
<h2>Imports</h2>
${table(['Feed', 'Status', 'Taken', 'Refused', 'Why', 'Mode'], [...imports, ...sets], 'None yet.')}
<h2>Products${products.length > SHOWN && ` (the first ${SHOWN} of ${products.length})`}</h2>
${table(['Product', 'Price', 'Availability', 'Stock', 'Tax code'], rows, 'No products yet.')}`, [['/dashboard', 'Accounts'], [`/dashboard/accounts/${id}`, record.object.name]]);
}
