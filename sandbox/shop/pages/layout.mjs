// The frame of every page, and the pieces that several pages share.

import { html } from '../html.mjs';

export const NAME = 'Harbour Lane';

/**
 * view: {title, here, cartCount, flash, exchanges} from the request (routes.mjs makes it);
 * body: what is particular to the page.
 */
export function layout(view, title, body) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · ${NAME}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<div class="strip"><div class="wrap">Demo shop. Nothing is shipped; it shows how a plugin talks to the Worker.</div></div>
<div class="top"><div class="wrap">
<a class="brand" href="/">${NAME}</a>
<nav aria-label="Main"><ul>
${link(view, '/', 'Shop')}
${link(view, '/cart', view.cartCount ? `Cart (${view.cartCount})` : 'Cart')}
${link(view, '/agent', 'Agent')}
${link(view, '/admin/orders', 'Orders', 'apart')}
${link(view, '/admin/ledger', 'Ledger')}
${link(view, '/admin/selling', 'Selling')}
${link(view, '/admin/stripe-agents', 'Agents at Stripe')}
${link(view, '/admin/stripe-rules', 'Rules at Stripe')}
${link(view, '/admin/connectivity', 'Connectivity')}
</ul></nav>
</div></div>
</header>
<main id="main" class="wrap" tabindex="-1">
${view.flash && note(view.flash.kind, view.flash.text)}
${body}
</main>
${sentToTheWorker(view.exchanges)}
</body>
</html>
`;
}

function link(view, path, label, className = '') {
  const current = view.here === path ? 'page' : path !== '/' && view.here.startsWith(`${path}/`) ? 'true' : undefined;
  return html`<li class="${className}"><a href="${path}"${current && html` aria-current="${current}"`}>${label}</a></li>`;
}

export const note = (kind, text, heading) => html`<div class="note ${kind}"${kind === 'bad' ? html` role="alert"` : html` role="status"`}>${heading && html`<h2>${heading}</h2>`}<p>${text}</p></div>`;

export const pill = (kind, text) => html`<span class="pill ${kind}">${text}</span>`;

/** Every form that changes something carries the token that server.mjs asks for. */
export const token = (view) => html`<input type="hidden" name="form_token" value="${view.formToken}">`;

export const button = (view, action, label, { className = '', fields = {} } = {}) => html`<form method="post" action="${action}">${token(view)}${
  Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<button class="${className}">${label}</button></form>`;

export const problem = ({ title, advice, detail }, level = 2) => html`<div class="note bad" role="alert">${
  level === 1 ? html`<h1>${title}</h1>` : html`<h2>${title}</h2>`}<p>${advice}</p>${detail && html`<p class="small">${detail}</p>`}</div>`;

export const moment = (seconds) => (seconds ? html`<time datetime="${new Date(seconds * 1000).toISOString()}">${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC</time>` : '—');

/** The teaching aid at the foot of each page: what went to the Worker, and what came back. */
function sentToTheWorker(exchanges = []) {
  if (exchanges === null) return ''; // a page that shows its own
  return html`<section class="sent" aria-labelledby="sent-title"><div class="wrap">
<h2 id="sent-title">What was sent</h2>
${exchanges.length === 0
    ? html`<p class="soft">No call to the Worker from this browser session yet. When there is one, it is shown here, request and answer, with keys masked.</p>`
    : html`<p class="soft">The last calls to the Worker from this browser session, newest first. Keys and secrets are masked.</p>${exchanges.slice(0, 4).map(exchangeView)}${exchanges.length > 4 && html`<details class="plain"><summary>Earlier calls</summary>${exchanges.slice(4).map(exchangeView)}</details>`}`}
</div></section>`;
}

function exchangeView(exchange) {
  const outcome = exchange.status ?? 'no answer';
  const again = exchange.attempt > 0 ? `, try ${exchange.attempt + 1}` : '';
  return html`<details class="plain"><summary><code>${exchange.method} ${exchange.path}</code> → ${outcome}${exchange.replayed ? ', replayed' : ''} <span class="soft">(${exchange.ms} ms${again})</span></summary>
<h3>Request</h3><pre tabindex="0">${exchange.method} ${exchange.path}
${Object.entries(exchange.sent).map(([name, value]) => `${name}: ${value}\n`)}${exchange.request === undefined ? '' : `\n${pretty(exchange.request)}`}</pre>
<h3>Answer</h3><pre tabindex="0">${exchange.status ? `${exchange.status}${exchange.requestId ? `\nrequest-id: ${exchange.requestId}` : ''}${exchange.replayed ? '\nidempotent-replayed: true' : ''}\n\n${exchange.response === undefined ? '(a download)' : pretty(exchange.response)}` : exchange.error}</pre>
</details>`;
}

const pretty = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));
