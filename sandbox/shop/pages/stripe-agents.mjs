// Agents at Stripe: the way to Stripe's settings, and the agreements that came of them (stripe-agents.mjs).

import { html } from '../html.mjs';
import { button, layout, note, pill, problem } from './layout.mjs';

/** Stripe's words, in ours. */
const STATES = {
  initiated: ['warn', 'Waiting to be confirmed'],
  partially_confirmed: ['warn', 'Confirmed by one side'],
  confirmed: ['good', 'May sell here'],
  terminated: ['', 'Ended'],
};

/** ready: whether the shop is registered · mode: the one it sells in · agreements: a list, or undefined · down: a problem to show */
export function stripeAgentsPage(view, { ready, mode, agreements = [], down }) {
  return layout(view, 'Agents at Stripe', html`<h1>Agents at Stripe</h1>
<p class="lead">Stripe brings a shop's products before AI agents. Which of them may sell here, the shop's owner decides in Stripe's own settings.</p>
${down && problem(down)}
${!ready ? html`${note('plain', 'This shop is not registered at the Worker yet.')}<p><a class="button" href="/admin/connectivity">Connectivity</a></p>` : html`
<section class="card" aria-labelledby="settings-title"><h2 id="settings-title">Settings</h2>
<p class="small">They are a component of Stripe's, on a page of the Worker's, since this shop's pages carry no scripts. The way there works once; come back and press again for another. In ${mode} mode.</p>
${button(view, '/admin/stripe-agents/settings', 'Open the settings')}</section>
<section class="card" aria-labelledby="agreements-title"><h2 id="agreements-title">Agreements</h2>
${agreements.length === 0 ? html`<p class="small">None yet. Switch an agent on in the settings; then it has to agree, too.</p>` : agreements.map((one) => agreement(view, one))}</section>`}`);
}

function agreement(view, { id, status, initiated_by: by, orchestrator_details: agent, status_transitions: at }) {
  const [kind, words] = STATES[status] ?? ['', status];
  const name = agent?.name ?? 'An agent';
  return html`<hr><div class="between"><h3>${name}</h3>${pill(kind, words)}</div>
<p class="small">Begun by ${by === 'seller' ? 'this shop' : 'the agent'}. <code>${id}</code></p>
${status !== 'terminated' && html`<div class="row">${!at?.seller_confirmed_at && button(view, '/admin/stripe-agents/confirm', html`Confirm<span class="hidden"> ${name}</span>`, { fields: { id } })}${
  button(view, '/admin/stripe-agents/terminate', html`End<span class="hidden"> the agreement with ${name}</span>`, { className: 'danger', fields: { id } })}</div>`}`;
}
