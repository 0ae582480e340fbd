// Selling at Stripe: what is sold to them, and when not (stripe-rules.mjs).

import { html } from '../html.mjs';
import { fromMinor } from '../money.mjs';
import { layout, moment, note, pill, problem, token } from './layout.mjs';

/** rules: as the Worker has them, or undefined with `down` saying why · simulateUrl: where the local Stripe plays an agent, if there is one */
export function stripeRulesPage(view, { ready, mode, rules, down, quoteWay, simulateUrl }) {
  return layout(view, 'Selling at Stripe', html`<h1>Selling at Stripe</h1>
<p class="lead">Stripe puts this shop's products in front of AI agents and sells in its name. Before each sale it asks the Worker, which decides by the rules here.</p>
${down && problem(down)}
${!ready && html`${note('plain', 'This shop is not registered at the Worker yet.')}<p><a class="button" href="/admin/connectivity">Connectivity</a></p>`}
${rules && html`<div class="columns halves">${rulesCard(view, { mode, rules, quoteWay })}${nextCard({ rules, simulateUrl })}</div>`}`);
}

const tick = (name, label, on) => html`<label class="choice"><input type="checkbox" name="${name}" value="yes"${on ? html` checked` : ''}><span>${label}</span></label>`;
const TROUBLE = { decline: 'Decline: rather no sale than a wrong one', approve: 'Approve: rather a sale that a person has to look after' };

function rulesCard(view, { mode, rules, quoteWay }) {
  const { approve } = rules;
  return html`<section class="card" aria-labelledby="rules-title"><div class="between"><h2 id="rules-title">Rules</h2>${rules.enabled ? pill('good', 'Sells') : pill('', rules.created ? 'Off' : 'Never switched on')}</div>
<p class="small">For ${mode} mode${rules.updated ? html`, as they were set ${moment(rules.updated)}` : ''}.${rules.account && html` Paid to <code>${rules.account}</code>.`}</p>
<form method="post" action="/admin/stripe-rules">${token(view)}
${tick('enabled', 'Agents may buy here through Stripe', rules.enabled)}
${tick('stock', 'Only what is in stock', approve.require_stock)}
<div class="field"><label for="max">At most, in dollars</label><input id="max" type="text" inputmode="decimal" name="max" maxlength="16" size="10" value="${approve.max_total?.usd === undefined ? '' : fromMinor(approve.max_total.usd, 'usd')}" aria-describedby="max-hint"><span class="hint" id="max-hint">Empty: whatever it costs.</span></div>
<div class="field"><label for="countries">Countries</label><input id="countries" type="text" name="countries" maxlength="200" value="${(approve.countries ?? []).join(', ')}" placeholder="US, CA" aria-describedby="countries-hint"><span class="hint" id="countries-hint">Empty: all that the shop delivers to.</span></div>
<div class="field"><label for="blocked">Not for agents</label><input id="blocked" type="text" name="blocked" maxlength="2000" value="${(approve.blocked_skus ?? []).join(', ')}" placeholder="clock" aria-describedby="blocked-hint"><span class="hint" id="blocked-hint">Ids of products.</span></div>
${tick('ask', `Ask the shop before each sale${quoteWay === 'off' ? ', at its address for notices' : ', at the address of its live quote'}`, rules.ask_shop)}
<fieldset><legend>When it cannot be decided in time</legend>${Object.entries(TROUBLE).map(([way, label]) => html`<label class="choice"><input type="radio" name="trouble" value="${way}"${rules.on_trouble === way ? html` checked` : ''}><span>${label}</span></label>`)}</fieldset>
<button>Save</button></form></section>`;
}

function nextCard({ rules, simulateUrl }) {
  return html`<section class="card" aria-labelledby="next-title"><h2 id="next-title">What comes then</h2>
<ol><li class="small">Stripe has the catalogue.</li><li class="small">An agent buys: Stripe asks for delivery and taxes, and whether the order may be paid. Both answers are in the shop's rules.</li><li class="small">The order comes as a notice and stands under <a href="/admin/orders">Orders</a>; the money, with the platform's fee, in the <a href="/admin/ledger">Ledger</a>.</li></ol>
${simulateUrl && (rules.enabled
    ? html`<div class="row"><a class="button" href="${simulateUrl}">Be an agent at the local Stripe</a></div>`
    : html`<p class="small soft">Switch it on first.</p>`)}</section>`;
}
