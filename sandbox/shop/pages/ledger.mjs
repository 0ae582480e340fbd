import { html } from '../html.mjs';
import { format } from '../money.mjs';
import { layout, moment, pill, problem } from './layout.mjs';

const SOURCES = { chat: 'Chat', agent: 'Agent', site: 'Site' };
const STATUSES = ['open', 'processing', 'authorized', 'paid', 'partially_refunded', 'refunded', 'disputed', 'failed', 'expired', 'canceled'];
const WIDTH = 270; // of the chart, in its own units: so narrow that its words stay readable at 320 px
const KIND = { paid: 'good', authorized: 'good', processing: 'warn', disputed: 'bad', failed: 'bad', refunded: 'warn', partially_refunded: 'warn' };

export function ledgerPage(view, { groups, page, down }) {
  return layout(view, 'Ledger', html`<h1>Ledger</h1>
<p class="lead">What the Worker has recorded for this shop, whichever way the buyer came.</p>
${down && problem(down)}
${groups && chartSection(groups)}
${page && rowsSection(page)}`);
}

/** Currencies and modes are never added together, so each has its own chart. */
function chartSection(groups) {
  return html`<section aria-labelledby="chart-title"><h2 id="chart-title">Sales by source</h2>
${groups.length === 0 ? html`<p class="card soft">No sales yet. Buy something from the shop, and once more as an agent.</p>` : html`<div class="columns halves">${groups.map(chart)}</div>`}</section>`;
}

function chart(group, index) {
  const { currency } = group;
  const most = Math.max(1, ...group.rows.map((row) => row.gross));
  const name = `${currency.toUpperCase()}, ${group.livemode ? 'live' : 'test'} mode`;
  const rowHeight = 48;
  // Text above each bar, so that neither long names nor long amounts are ever cut by a short bar.
  return html`<div class="card"><h3>${name}</h3>
<svg class="chart" viewBox="0 0 ${WIDTH} ${group.rows.length * rowHeight}" role="img" aria-labelledby="chart-${index}-title chart-${index}-desc">
<title id="chart-${index}-title">Sales by source, ${name}</title>
<desc id="chart-${index}-desc">${group.rows.map((row) => `${label(row.group)}: ${format(row.gross, currency)} in ${row.count} sales`).join('; ')}. The same figures are in the table below.</desc>
${group.rows.map((row, position) => html`<text x="0" y="${position * rowHeight + 15}">${label(row.group)}</text><text x="${WIDTH}" y="${position * rowHeight + 15}" text-anchor="end">${format(row.gross, currency)}</text><rect class="bar-${Object.hasOwn(SOURCES, row.group) ? row.group : 'site'}" x="0" y="${position * rowHeight + 22}" width="${Math.max(row.gross > 0 ? 3 : 0, Math.round((row.gross / most) * WIDTH))}" height="16" rx="3"/>`)}
</svg>
<details><summary>As a table</summary><div class="scroll" role="region" aria-label="Sales by source, ${name}" tabindex="0"><table><thead><tr><th scope="col">Source</th><th scope="col" class="number">Sales</th><th scope="col" class="number">Gross</th><th scope="col" class="number">Refunded</th><th scope="col" class="number">Fees</th><th scope="col" class="number">Net</th></tr></thead>
<tbody>${group.rows.map((row) => html`<tr><th scope="row">${label(row.group)}</th><td class="number">${row.count}</td>${['gross', 'refunded', 'fees', 'net'].map((figure) => html`<td class="number">${signed(row[figure], currency)}</td>`)}</tr>`)}</tbody></table></div></details></div>`;
}

function rowsSection({ rows, filters, older, newer }) {
  const query = (extra) => `?${new URLSearchParams({ ...filters, ...extra })}`;
  return html`<section aria-labelledby="rows-title"><h2 id="rows-title">Transactions</h2>
<form class="card row" method="get" action="/admin/ledger">
${choice('source', 'Source', Object.keys(SOURCES), filters)}${choice('status', 'Status', STATUSES, filters)}${choice('mode', 'Mode', ['test', 'live'], filters)}
<div class="field"><label for="f-agent">Agent</label><input id="f-agent" type="text" name="agent" maxlength="64" size="12" value="${filters.agent ?? ''}"></div>
<div class="field row"><button class="second">Filter</button><a class="button second" href="/admin/ledger.csv${query({})}">Download CSV</a></div></form>
${rows.length === 0 ? html`<p class="card soft">No transactions here.</p>` : html`<div class="scroll" role="region" aria-label="List of transactions" tabindex="0"><table><thead><tr><th scope="col">When</th><th scope="col">Order</th><th scope="col">Source</th><th scope="col">Status</th><th scope="col" class="number">Amount</th><th scope="col" class="number">Fee</th><th scope="col">Transaction</th></tr></thead><tbody>
${rows.map((row) => html`<tr><td>${moment(row.created)}</td><td>${row.order_id ?? '—'}</td><td>${label(row.source)}${row.agent && `, ${row.agent}`}</td><td>${pill(KIND[row.status] ?? '', row.status.replace(/_/g, ' '))}${row.livemode ? '' : ' test'}</td><td class="number">${format(row.amount, row.currency)}</td><td class="number">${row.application_fee_amount ? format(row.application_fee_amount, row.currency) : '—'}</td><td><code>${row.id}</code></td></tr>`)}
</tbody></table></div>`}
<nav aria-label="Pages of the ledger"><ul>${newer && html`<li><a rel="prev" href="/admin/ledger${query({ before: newer })}">← Newer</a></li>`}${older && html`<li><a rel="next" href="/admin/ledger${query({ after: older })}">Older →</a></li>`}</ul></nav></section>`;
}

const choice = (name, title, values, filters) => html`<div class="field"><label for="f-${name}">${title}</label><select id="f-${name}" name="${name}"><option value="">all</option>${values.map((value) => html`<option value="${value}"${filters[name] === value ? html` selected` : ''}>${value.replace(/_/g, ' ')}</option>`)}</select></div>`;

const label = (source) => SOURCES[source] ?? source ?? '—';
const signed = (amount, currency) => (amount < 0 ? `−${format(-amount, currency)}` : format(amount, currency));
