// What all Dashboard pages share: the frame, tables, pills, and forms that do one thing.
import { document, html } from '../html.mjs';

/** Unix seconds, or a date as v2 prints it. */
export const when = (at) => html`<time>${new Date(typeof at === 'string' ? at : at * 1000).toISOString().replace('T', ' ').slice(0, 19)}</time>`;
export const pill = (status) => html`<span class="pill ${String(status).replace(/\W/g, '_')}">${String(status).replaceAll('_', ' ')}</span>`;
export const mode = (livemode) => (livemode ? 'live' : 'test');

export function frame(title, note, body, crumbs = []) {
  return document({
    title: `${title} – local Stripe`, kind: 'dashboard',
    body: html`<header class="top"><a href="/dashboard">Local Stripe</a><nav aria-label="Dashboard"><a href="/dashboard/tokens">Tokens</a><a href="/dashboard/events">Events</a><a href="/dashboard/requests">Requests</a><a href="/dashboard/trouble">Trouble</a></nav></header>
<main>
${crumbs.length > 0 && html`<p class="crumbs">${crumbs.map(([href, name]) => html`<a href="${href}">${name}</a> / `)}</p>`}
<h1>${title}</h1>
${note && html`<p class="note" role="status">${note}</p>`}
${body}
</main>`,
  });
}

/** A small form that does one thing and comes back. */
export const act = (what, label, members = {}, { kind = 'quiet', inputs } = {}) => html`<form method="post" action="/dashboard/do" class="inline">
<input type="hidden" name="do" value="${what}">${Object.entries(members).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${inputs}<button class="${kind}">${label}</button></form>`;

export const options = (entries, chosen) => entries.map(([value, what]) => html`<option value="${value}"${value === chosen && html` selected`}>${what}</option>`);

export const table = (heads, rows, empty) => (rows.length === 0 ? html`<p class="muted">${empty}</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`);
