// The catalogue at Stripe: a file to look at, to spoil, to mend and to send, and what became of those before (stripe-catalogue.mjs).

import { html } from '../html.mjs';
import { layout, moment, note, pill, problem, token } from './layout.mjs';

const COLOURS = { succeeded: 'good', succeeded_with_errors: 'warn', failed: 'bad' };

/** text: the file · imports: the last ones, or undefined where the Worker cannot be asked · down: why · bad: the rows for which nothing was sent */
export function stripeCataloguePage(view, { ready, mode, text, onError = 'skip', imports, down, bad = [] }) {
  return layout(view, 'Catalogue at Stripe', html`<h1>Catalogue at Stripe</h1>
<p class="lead">AI agents buy through Stripe what Stripe knows. Here the shop sends its products there, in ${mode} mode. Rows that are not as Stripe wants them are named before anything leaves.</p>
${!ready ? html`${note('plain', 'This shop is not registered at the Worker yet.')}<p><a class="button" href="/admin/connectivity">Connectivity</a></p>` : html`
<section class="card" aria-labelledby="file-title"><h2 id="file-title">The file</h2>
<p class="small"><a href="/admin/selling/stripe">As it is</a> · <a href="/admin/selling/stripe?spoil=yes">With two mistakes</a></p>
<form method="post" action="/admin/selling/stripe">${token(view)}
<label for="csv">Products, as CSV</label><textarea id="csv" name="csv" rows="14" spellcheck="false">${text}</textarea>
<fieldset><legend>Bad rows</legend><label class="choice"><input type="radio" name="on_error" value="skip"${onError === 'skip' && html` checked`}><span>are left out, the others are sent</span></label><label class="choice"><input type="radio" name="on_error" value="fail"${onError === 'fail' && html` checked`}><span>keep the file from being sent</span></label></fieldset>
<button>Send the catalogue to Stripe</button></form></section>
${down ? html`${problem(down)}${bad.length > 0 && html`<ul aria-label="Rows that are not as Stripe wants them">${bad.slice(0, 10).map(badRow)}</ul>`}` : html`<section class="card" aria-labelledby="sent-title"><h2 id="sent-title">Sent</h2>${imports.length === 0 ? html`<p class="small">Nothing yet.</p>` : imports.map(one)}</section>`}`}`);
}

function one(sent) {
  const { status, errors, rejected, rows, success_count: taken, error_count: refused } = sent;
  return html`<article><div class="between"><h3>${sent.from === 'stock' ? 'Stock, by itself' : `Feed ${sent.feed_type}`}</h3>${pill(COLOURS[status] ?? '', status.replaceAll('_', ' '))}</div>
<p class="small">${moment(sent.created)} · ${rows ?? 'all'} rows sent${rejected > 0 && `, ${rejected} left out`}${taken !== null && ` · Stripe took ${taken}`}${refused > 0 && ` and refused ${refused}`}</p>
${sent.problem && html`<p class="small">${sent.problem.message}</p>`}
${errors.length > 0 && html`<ul>${errors.slice(0, 10).map(badRow)}</ul>`}
${sent.finished && errors.length > 0 && html`<p class="small"><a href="/admin/selling/stripe/${sent.id}.csv">All rows that were not taken, as CSV</a></p>`}</article>`;
}

const badRow = ({ row, id, message }) => html`<li class="small">Row ${row ?? '?'}${id && html` (<code>${id}</code>)`}: ${message}</li>`;
