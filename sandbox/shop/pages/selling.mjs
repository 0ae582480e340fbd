// Selling to agents: what the Worker was told, and buttons to tell it again (selling.mjs).

import { AGENT_NAME } from '../selling.mjs';
import { html } from '../html.mjs';
import { mask } from '../exchanges.mjs';
import { format } from '../money.mjs';
import { policies, policyPath } from '../policies.mjs';
import { QUOTE_PATH, QUOTE_WAYS } from '../quote.mjs';
import { fulfillmentRules } from '../rules.mjs';
import { button, layout, moment, note, pill, token } from './layout.mjs';

/** ready: whether the shop is registered and active · agent: of the mode that the shop sells in, or undefined · told: selling.mjs */
export function sellingPage(view, { ready, mode, agent, told, quoteWay, siteUrl }) {
  return layout(view, 'Selling to agents', html`<h1>Selling to agents</h1>
<p class="lead">Here the shop's owner lets agents in: the Worker gets the catalogue and the shop's rules, and sells by them in the shop's name. Prices stay the shop's.</p>
${!ready ? html`${note('plain', 'This shop is not registered at the Worker yet.')}<p><a class="button" href="/admin/connectivity">Connectivity</a></p>` : html`
<div class="columns halves">${doorCard(view, { mode, agent })}${quoteCard(view, { quoteWay, siteUrl })}</div>
${catalogueCard(view, told.catalogue)}
<div class="columns halves">${rulesCard(told)}${pagesCard(told)}</div>`}`);
}

function doorCard(view, { mode, agent }) {
  return html`<section class="card" aria-labelledby="door-title"><div class="between"><h2 id="door-title">Agent</h2>${agent ? pill('good', 'May buy here') : pill('', 'None')}</div>
${agent ? html`<dl class="facts"><dt>Name in the ledger</dt><dd>${agent.name}</dd><dt>Id</dt><dd><code>${agent.id}</code></dd><dt>Mode</dt><dd>${agent.mode}, for good</dd><dt>Key</dt><dd><code>${mask(agent.api_key)}</code></dd><dt>Pays to</dt><dd><code>${agent.account ?? 'not known'}</code></dd><dt>Since</dt><dd>${moment(agent.created)}</dd></dl>
<div class="row"><a class="button" href="/agent">Go shopping as ${agent.name}</a></div>
<details><summary>Shut the door…</summary><p class="small">${agent.name}'s key opens nothing any more. What was sold stays sold.</p>${button(view, '/admin/selling/stop', 'Stop selling to agents', { className: 'danger' })}</details>`
    : html`<p class="small">One button does it all: rules, pages, catalogue, and an agent named ${AGENT_NAME} in ${mode} mode. It lives in this shop, under Agent, so that you can see both sides.</p>${button(view, '/admin/selling', 'Sell to agents')}`}</section>`;
}

function quoteCard(view, { quoteWay, siteUrl }) {
  return html`<section class="card" aria-labelledby="quote-title"><h2 id="quote-title">Live quote</h2>
<p class="small">The Worker can ask the shop what a checkout costs, at <code>${siteUrl}${QUOTE_PATH}</code>. Three espresso cups show the difference: only the shop knows that they are 10.00.</p>
<form method="post" action="/admin/selling/quote">${token(view)}<fieldset><legend class="hidden">How the shop answers</legend>${Object.entries(QUOTE_WAYS).map(([way, label]) => html`<label class="choice"><input type="radio" name="way" value="${way}"${way === quoteWay ? html` checked` : ''}><span>${label}</span></label>`)}</fieldset><button class="second">Save</button></form></section>`;
}

function catalogueCard(view, catalogue) {
  return html`<section class="card" aria-labelledby="cat-title"><div class="between"><h2 id="cat-title">Catalogue</h2>${catalogue ? pill(catalogue.rejected ? 'warn' : 'good', `${catalogue.accepted} products`) : pill('', 'Not uploaded')}</div>
${catalogue && html`<p class="small">As it was uploaded ${moment(catalogue.at)}${catalogue.rejected > 0 && `; ${catalogue.rejected} rows were refused`}.</p>
${catalogue.errors?.length > 0 && html`<ul>${catalogue.errors.map((one) => html`<li class="small">Row ${one.row}: ${one.message}</li>`)}</ul>`}
<div class="scroll" role="region" aria-label="Uploaded catalogue" tabindex="0"><table><thead><tr><th scope="col">Id</th><th scope="col">Title</th><th scope="col" class="number">Price</th><th scope="col" class="number">Sale</th><th scope="col">Stock</th><th scope="col">What else</th></tr></thead><tbody>
${catalogue.rows.map((row) => html`<tr><th scope="row"><code>${row.id}</code></th><td>${row.title}</td><td class="number">${row.price}</td><td class="number">${row.sale_price ?? ''}</td><td>${row.availability === 'in_stock' ? row.inventory_quantity ?? 'enough' : pill('bad', 'sold out')}</td><td class="small">${row.is_digital ? 'download' : row.size ? `size ${row.size} of ${row.item_group_title}` : ''}</td></tr>`)}
</tbody></table></div>`}
<div class="row"><a class="button second" href="/admin/selling/stripe">Catalogue at Stripe</a>${button(view, '/admin/selling/catalogue', 'Upload the catalogue')}${button(view, '/admin/selling/catalogue', 'Restock and upload', { className: 'second', fields: { restock: 'yes' } })}</div></section>`;
}

function rulesCard(told) {
  const rules = fulfillmentRules();
  return html`<section class="card" aria-labelledby="rules-title"><div class="between"><h2 id="rules-title">Rules</h2>${told.rules_at ? pill('good', 'Sent') : pill('', 'Not sent')}</div>
<dl class="facts">${rules.shipping.map((one) => html`<dt>${one.title}</dt><dd>${format(one.amount, one.currency)}, ${one.subtitle}, to ${one.countries.join(', ')}</dd>`)}
${rules.digital.map((one) => html`<dt>${one.title}</dt><dd>free, ${one.subtitle}</dd>`)}
${rules.tax.map((one) => html`<dt>${one.display_name}</dt><dd>${one.rate_bps / 100} % in ${one.country}${one.region && `, ${one.region}`}, ${one.inclusive ? 'in the prices' : 'added'}</dd>`)}
${rules.coupons.map((one) => html`<dt>${one.code}</dt><dd>${one.percent_off ? `${one.percent_off} % off` : `${format(one.amount_off, one.currency)} off`}</dd>`)}</dl></section>`;
}

function pagesCard(told) {
  return html`<section class="card" aria-labelledby="pages-title"><div class="between"><h2 id="pages-title">Pages</h2>${told.pages_at ? pill('good', 'Sent') : pill('', 'Not sent')}</div>
<p class="small">Agents show them to buyers with every checkout.</p><ul>${Object.entries(policies).map(([name, { title, type }]) => html`<li><a href="${policyPath(name)}">${title}</a> <span class="hint"><code>${type}</code></span></li>`)}</ul></section>`;
}
