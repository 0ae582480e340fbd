// The agent's page: a shopping tour by the protocol, each step with what was asked and what was answered (agent/shopping.mjs).

import { ADDRESSES, BUYER, nextStep, REASONS } from '../agent/shopping.mjs';
import { can, VERSIONS } from '../agent/versions.mjs';
import { CARDS } from '../agent/wallet.mjs';
import { coupons } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { format } from '../money.mjs';
import { layout, moment, note, pill, token } from './layout.mjs';

const VERSION_NAMES = { stripe: 'Stripe\'s page (/checkouts)' };
const versionName = (version) => VERSION_NAMES[version] ?? version;

/** What a session's status means to the agent. */
const SAID = {
  incomplete: ['warn', 'Something is missing before it can be paid.'],
  not_ready_for_payment: ['warn', 'Something is missing before it can be paid; the messages say what.'],
  ready_for_payment: ['good', 'It can be paid.'],
  authentication_required: ['warn', 'The bank wants to see the buyer first.'],
  requires_escalation: ['warn', 'The buyer has to go on at the shop itself.'],
  pending_approval: ['warn', 'The shop looks at it first.'],
  complete_in_progress: ['warn', 'A payment is under way. Read it again in a moment.'],
  in_progress: ['warn', 'A payment is under way. Read it again in a moment.'],
  completed: ['good', 'It is paid, and there is an order.'],
  canceled: ['bad', 'It was given up.'],
  expired: ['bad', 'Its time is over.'],
};

export const agentTabs = (view) => html`<nav class="tabs" aria-label="Ways in which agents buy"><ul>
${tab(view, '/agent', 'By protocol (ACP)')}${tab(view, '/agent/checkout', 'By a payment page')}</ul></nav>`;
const tab = (view, path, label) => html`<li><a href="${path}"${view.here === path ? html` aria-current="page"` : ''}>${label}</a></li>`;

/**
 * seller: what the agent knows: {name, mode, rows, at} · tour, session: the tour, and its checkout understood · events: what it heard of it
 * wallet: {local, account, total}
 */
export function agentPage(view, { seller, tour, session, events, wallet, workerUrl }) {
  return layout({ ...view, exchanges: null }, 'Agent', html`<h1>Agent</h1>
${agentTabs(view)}
<p class="lead">A small agent buys for Ada by the Agentic Commerce Protocol, in any of <a href="${workerUrl}/.well-known/acp.json">the versions that the Worker speaks</a>. Each step shows what it asked and what the shop answered; it never names a price.</p>
${!seller ? closed(view) : !tour ? createForm(view, { seller }) : touring(view, { seller, tour, session, events, wallet })}`);
}

const closed = () => html`${note('plain', 'No agent may buy here yet. Selling to agents begins when a Stripe account is connected, or by a button.')}
<p class="row"><a class="button" href="/admin/selling">Sell to agents</a></p>`;

// --- before there is a checkout ---

function createForm(view, { seller }) {
  return html`<form method="post" action="/agent/create" class="columns">${token(view)}
<div><section class="card" aria-labelledby="want-title"><h2 id="want-title">What Ada wants</h2>
<p class="small soft">What the agent knows of the shop is the catalogue of ${moment(seller.at)}. Prices and stock may have changed since; what is true the checkout will say.</p>
<ul class="wants">${seller.rows.map((row, index) => want(row, index))}</ul>
<div class="field"><label for="other">Something else, by its id</label><input id="other" type="text" name="other" maxlength="64" placeholder="teapot" aria-describedby="other-hint"><span class="hint" id="other-hint">To see what is said of a product that the shop has not.</span></div></section></div>
<div><section class="card" aria-labelledby="how-title"><h2 id="how-title">How</h2>
<div class="field"><label for="version">Version of the protocol</label>${versionSelect('version', VERSIONS[0])}</div>
<div class="field"><label for="email">Ada's email</label><input id="email" type="text" inputmode="email" name="email" maxlength="200" value="${BUYER.email}"></div>
<p class="row"><button>Create the checkout</button></p></section>
<section class="card" aria-labelledby="all-title"><h2 id="all-title">Or all steps at once</h2>
<div class="field"><label for="place">Ship to</label>${placeSelect('place')}</div>
<div class="field"><label for="speed">Shipping</label><select id="speed" name="speed"><option value="">the cheapest, which the shop chooses by itself</option><option value="fastest">the dearest</option></select></div>
<div class="field"><label for="code">Discount code</label><input id="code" type="text" name="code" maxlength="40" aria-describedby="code-hint"><span class="hint" id="code-hint">Since 2026-01-30; try ${Object.keys(coupons).join(' or ')}.</span></div>
<div class="field"><label for="card">Ada pays with</label>${cardSelect('card')}</div>
<p class="row"><button class="second" formaction="/agent/all">Do it all</button></p></section></div></form>`;
}

function want(row, index) {
  const out = row.availability !== 'in_stock';
  return html`<li><label for="want-${row.id}"><span>${row.title}</span> <span class="hint">${row.sale_price ? html`<s><span class="hidden">was </span>${row.price}</s> ${row.sale_price}` : row.price}${out ? ', sold out' : row.inventory_quantity ? `, ${row.inventory_quantity} left` : ''}${row.is_digital ? ', download' : ''}</span></label>
<input id="want-${row.id}" type="number" inputmode="numeric" name="want_${row.id}" min="0" max="99" value="${index === 0 ? 1 : 0}"></li>`;
}

// --- a checkout ---

function touring(view, { seller, tour, session, events, wallet }) {
  const last = tour.exchanges.at(-1);
  return html`<div class="tour">
<div class="stands">${standing(view, { tour, session, last })}</div>
<div class="does">${session && !session.ended && steps(view, { tour, session, wallet })}
<section aria-labelledby="said-title"><h2 id="said-title">What was said</h2><p class="small soft">Newest first. ${seller.name}'s key goes along with each request and is not shown; tokens are masked.</p>
${[...tour.exchanges].reverse().map((exchange) => exchangeCard(exchange, exchange === last))}</section>
${events.length > 0 && html`<section aria-labelledby="heard-title"><h2 id="heard-title">What the agent heard afterwards</h2>${eventList(events)}</section>`}</div></div>`;
}

function standing(view, { tour, session, last }) {
  const [kind, words] = SAID[session?.status] ?? ['', ''];
  return html`<section class="card" id="now" tabindex="-1" aria-labelledby="now-title"><div class="between"><h2 id="now-title">Where it stands</h2>${session ? pill(kind, session.status.replace(/_/g, ' ')) : pill('bad', 'no checkout')}</div>
${refusal(last)}
${session && html`<p>${words}</p>
${!session.ended && html`<p class="down"><a href="#steps">Go on with the steps</a></p>`}
${session.order && html`<p>Order <code>${session.order.id}</code><br><a href="${session.order.permalink_url}">The order's page</a></p>`}
${session.messages.length > 0 && html`<ul class="messages">${session.messages.map((message) => html`<li>${pill({ error: 'bad', warning: 'warn' }[message.type] ?? '', message.code?.replace(/_/g, ' ') ?? message.type)} ${message.content}${message.param && html` <code>${message.param}</code>`}</li>`)}</ul>`}
<table class="tight plain"><caption>Lines, with their tax</caption><thead class="hidden"><tr><th scope="col">Product</th><th scope="col">Price</th></tr></thead><tbody>${session.lines.map((line) => html`<tr><th scope="row">${line.quantity} × ${line.title}</th><td class="number">${format(line.total, session.currency)}</td></tr>`)}</tbody></table>
<table class="tight plain"><caption>Totals</caption><thead class="hidden"><tr><th scope="col">Of what</th><th scope="col">Amount</th></tr></thead><tbody>${session.totals.map((row) => html`<tr class="${row.type === 'total' ? 'all' : row.amount === 0 ? 'nil' : ''}"><th scope="row">${row.text} <span class="hint"><code>${row.type}</code></span></th><td class="number">${format(row.amount, session.currency)}</td></tr>`)}</tbody></table>
<p class="small soft">Version ${versionName(tour.version)}, checkout <code>${session.id}</code></p>
<form method="post" action="/agent/read" class="row">${token(view)}<div class="field"><label for="read-version">Read it in</label>${versionSelect('read-version', tour.version, 'version')}</div><button class="second">Read again</button></form>
${session.links.length > 0 && html`<p class="small gap">${session.links.map((link, index) => html`${index > 0 ? ' · ' : ''}<a href="${link.url}">${link.title ?? link.type.replace(/_/g, ' ')}</a>`)}</p>`}`}
<div class="row">${tour.last && html`<form method="post" action="/agent/repeat">${token(view)}<button class="second">Send the last request again</button></form>`}
<form method="post" action="/agent/again">${token(view)}<button class="${session?.ended ? '' : 'second'}">Buy something else</button></form></div></section>`;
}

/** What the last request was refused with, in words. */
function refusal({ status, answer, error }) {
  if (status === undefined) return note('warn', `${error} Nothing is known about what became of it. Send the same request again: with the same key it can do no harm.`);
  if (status < 400) return '';
  const param = answer?.param ? ` (${answer.param})` : '';
  return note('bad', `${answer?.message ?? answer?.error?.message ?? 'An answer that is none.'}${param}`, `Refused: ${status}${answer?.code ? ` ${answer.code}` : ''}`);
}

function steps(view, { tour, session, wallet }) {
  const next = nextStep(tour, session);
  const shipping = session.options.filter((option) => option.type === 'shipping');
  const step = (name, title, body, { also = false, state = '' } = {}) => html`<li><details${next === name || also ? html` open` : ''}><summary>${title}${next === name ? html` ${pill('good', 'next')}` : state && html` <span class="hint">${state}</span>`}</summary>${body}</details></li>`;
  return html`<section class="card" id="steps" tabindex="-1" aria-labelledby="steps-title"><h2 id="steps-title">Steps</h2><ol class="stepper">
${step('address', 'Say where to', html`<form method="post" action="/agent/address">${token(view)}<div class="field"><label for="place">Ship to</label>${placeSelect('place')}</div><button>Send the address</button></form>`, { state: tour.done.has('address') ? 'done' : '' })}
${step('shipping', 'Choose the shipping', shipping.length === 0 ? html`<p class="small soft">${session.options.length > 0 ? 'Nothing to ship: it comes as a download.' : 'The shop offers shipping once it knows where to.'}</p>`
    : html`<form method="post" action="/agent/shipping">${token(view)}<fieldset><legend class="hidden">Shipping</legend>${shipping.map((option) => html`<label class="choice"><input type="radio" name="option" value="${option.id}"${option.selected ? html` checked` : ''}><span>${option.title}${option.hint && html` <span class="hint">${option.hint}</span>`}</span><span class="price">${format(option.amount, session.currency)}</span></label>`)}</fieldset><button>Choose</button></form>`, { state: tour.done.has('shipping') ? 'done' : '' })}
${step('coupon', 'Try a discount code', can.discounts(tour.version) ? html`<form method="post" action="/agent/coupon">${token(view)}<div class="field"><label for="code">Discount code</label><input id="code" type="text" name="code" maxlength="40" aria-describedby="code-hint"><span class="hint" id="code-hint">Try ${Object.keys(coupons).join(' or ')}, or one that nobody knows. Empty takes all off.</span></div><button class="second">Use the code</button></form>`
    : html`<p class="small soft">This version has no words for discounts; 2026-01-30 and later have.</p>`, { also: next === 'token' && can.discounts(tour.version) && !tour.done.has('coupon'), state: tour.done.has('coupon') ? 'done' : 'optional' })}
${step('token', 'Get a payment token', tokenStep(view, { session, wallet }), { state: tour.token ? `${tour.token.card}, up to ${format(tour.token.limit, session.currency)}` : '' })}
${step('complete', 'Complete', tour.token ? html`<form method="post" action="/agent/complete">${token(view)}<p class="small">Ada has seen the total of ${format(session.total, session.currency)} and says yes.</p><button>Pay</button></form>` : html`<p class="small soft">Needs a payment token.</p>`)}
${session.wantsBank && step('authenticate', 'Complete again, authenticated', authenticateStep(view, { tour, session }))}
</ol><hr><details><summary>Give it up…</summary><form method="post" action="/agent/cancel">${token(view)}${can.sayWhy(tour.version) && html`<div class="field"><label for="reason">Why</label><select id="reason" name="reason">${REASONS.map((reason) => html`<option value="${reason}">${reason.replace(/_/g, ' ')}</option>`)}</select></div>`}<button class="danger">Cancel the checkout</button></form></details></section>`;
}

function tokenStep(view, { session, wallet }) {
  if (!session.payable) return html`<p class="small soft">There is no total to agree to yet.</p>`;
  if (wallet.local) {
    return html`<form method="post" action="/agent/token">${token(view)}<div class="field"><label for="card">Ada pays with</label>${cardSelect('card')}</div><p class="small">For this shop only, once, up to ${format(session.total, session.currency)}.</p><button>Get the token</button></form>`;
  }
  return html`<p class="small">The Worker speaks to the real Stripe, so the token has to come from there. In test mode, with the platform's test key:</p>
<pre class="small code" tabindex="0">curl https://api.stripe.com/v1/test_helpers/shared_payment/granted_tokens \\
  -u sk_test_…: -H "Stripe-Account: ${wallet.account}" \\
  -H "Stripe-Version: 2026-10-14.preview" \\
  -d payment_method=pm_card_visa \\
  -d "usage_limits[currency]=${session.currency}" \\
  -d "usage_limits[max_amount]=${session.total}" \\
  -d "usage_limits[expires_at]=$(($(date +%s) + 3600))"</pre>
<form method="post" action="/agent/token">${token(view)}<div class="field"><label for="token">Its id</label><input id="token" type="text" name="token" autocomplete="off" maxlength="200" placeholder="spt_…" required></div><button>Take this token</button></form>`;
}

function authenticateStep(view, { tour, session }) {
  if (!can.authenticate(tour.version)) return html`<p class="small">This version has no words for it. Read the checkout in 2025-12-12 or later, and go on in that one.</p>`;
  if (!tour.token) return html`<p class="small soft">Needs a payment token.</p>`;
  return html`<form method="post" action="/agent/complete">${token(view)}<input type="hidden" name="authenticated" value="yes"><p class="small">The agent has its payment provider ask the bank, and Ada says yes in her bank's app. What the bank said goes along, for ${format(session.total, session.currency)}.</p><button>Pay with the bank's answer</button></form>`;
}

// --- pieces ---

const versionSelect = (id, chosen, name = id) => html`<select id="${id}" name="${name}">${VERSIONS.map((version) => html`<option value="${version}"${version === chosen ? html` selected` : ''}>${versionName(version)}</option>`)}</select>`;
const placeSelect = (id) => html`<select id="${id}" name="${id}">${Object.entries(ADDRESSES).map(([place, { label }]) => html`<option value="${place}">${label}</option>`)}</select>`;
const cardSelect = (id) => html`<select id="${id}" name="${id}">${Object.entries(CARDS).map(([card, label]) => html`<option value="${card}">${label}</option>`)}</select>`;

function exchangeCard(exchange, open) {
  const { number, title, method, path, sent, body, status, told, answer, error, ms, tries } = exchange;
  const good = status < 300 ? 'good' : status === undefined ? 'warn' : 'bad';
  return html`<details class="talk"${open ? html` open` : ''}><summary><span>${number}. ${title}</span> ${pill(good, status ?? 'no answer')}${told['idempotent-replayed'] === 'true' ? html` ${pill('', 'replayed')}` : ''}<br><code>${method} ${path}</code> <span class="hint">${ms} ms${tries > 1 ? `, ${tries} tries` : ''}</span></summary>
<h3>Request</h3><pre tabindex="0" role="group" aria-label="Request ${number}">${method} ${path}
${Object.entries(sent).map(([name, value]) => `${name}: ${value}\n`)}${body === undefined ? '' : `\n${pretty(body)}`}</pre>
<h3>Answer</h3><pre tabindex="0" role="group" aria-label="Answer ${number}">${status === undefined ? error : `${status}\n${Object.entries(told).map(([name, value]) => `${name}: ${value}\n`).join('')}\n${pretty(answer)}`}</pre></details>`;
}

/** What an agent heard: signature checked before it came here (agent/events.mjs). */
export function eventList(events) {
  return html`${events.map((event) => html`<details class="talk"><summary><span>${event.type.replace(/_/g, ' ')}</span> ${pill('good', 'signature is right')} ${pill('', event.data?.status ?? '')}<br><span class="hint">${moment(event.at)}${event.data?.id && html` · <code>${event.data.id}</code>`}${event.times > 1 ? ` · came ${event.times} times` : ''}</span></summary>
<pre tabindex="0" role="group" aria-label="Event">${pretty({ type: event.type, data: event.data })}</pre></details>`)}`;
}

const pretty = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));
