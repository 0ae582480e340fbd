import { html } from '../html.mjs';
import { mask } from '../exchanges.mjs';
import { button, layout, moment, note, pill, problem, token } from './layout.mjs';

const MODES = { test: 'Test mode', live: 'Live mode' };

/** shop: our registration or null · down: a problem to show · connections: {test: {connection} | {problem}, live: …} */
export function connectivityPage(view, { shop, workerUrl, siteUrl, down, connections, settings, unfinished }) {
  return layout(view, 'Connectivity', html`<h1>Connectivity</h1>
<p class="lead">Here the shop's owner connects a Stripe account. (A real shop asks for an administrator's password first.)</p>
${down && problem(down)}
${unfinished && html`<div class="note warn" role="status"><h2>One step is missing</h2><p>Stripe has approved, but the Worker has not confirmed yet.</p>${button(view, '/admin/connect/finish', 'Finish connecting')}</div>`}
${registrationCard(view, { shop, workerUrl, siteUrl })}
${shop?.status === 'active' && html`<div class="columns halves">${Object.keys(MODES).map((mode) => connectionCard(view, mode, connections[mode]))}</div>
<div class="columns halves">${sellingCard(view, { shop, settings })}${keysCard(view, { shop })}</div>`}`);
}

function registrationCard(view, { shop, workerUrl, siteUrl }) {
  const state = !shop ? pill('warn', 'Not registered') : shop.key_refused ? pill('bad', 'Key refused')
    : shop.status === 'active' ? pill('good', 'Registered and verified') : pill('warn', 'Waiting for verification');
  return html`<section class="card" aria-labelledby="reg-title"><div class="between"><h2 id="reg-title">This shop</h2>${state}</div>
<dl class="facts"><dt>Address</dt><dd><code>${siteUrl}</code></dd><dt>Worker</dt><dd><code>${workerUrl}</code></dd>
${shop && html`<dt>Shop id</dt><dd><code>${shop.id}</code></dd><dt>Registered</dt><dd>${moment(shop.registered_at)}</dd>`}</dl>
${shop?.key_refused && note('bad', 'The Worker does not accept this shop\'s key. Either this address was registered again somewhere else (the newer one has replaced this one), or the Worker\'s data was reset. Registering anew makes a new shop; its Stripe account has to be connected again.')}
<div class="row">${!shop && button(view, '/admin/register', 'Register this shop')}
${shop && shop.status !== 'active' && !shop.key_refused && button(view, '/admin/register', 'Verify now')}
${shop?.key_refused && button(view, '/admin/register', 'Register anew', { fields: { anew: 'yes' } })}</div></section>`;
}

function connectionCard(view, mode, { connection, problem: wrong } = {}) {
  const connected = connection?.connected === true;
  const state = wrong ? pill('warn', 'Unknown') : connected ? pill('good', 'Connected') : connection?.gone_at ? pill('bad', 'Ended at Stripe') : pill('', 'Not connected');
  return html`<section class="card" aria-labelledby="stripe-${mode}"><div class="between"><h2 id="stripe-${mode}">Stripe, ${MODES[mode].toLowerCase()}</h2>${state}</div>
${wrong && problem(wrong, 3)}
${connected && html`<dl class="facts"><dt>Account</dt><dd><code>${connection.account}</code></dd><dt>Can take payments</dt><dd>${yesNo(connection.charges_enabled)}</dd><dt>Details submitted</dt><dd>${yesNo(connection.details_submitted)}</dd><dt>Connected</dt><dd>${moment(connection.connected_at)}</dd><dt>Last looked at</dt><dd>${moment(connection.checked_at)}</dd></dl>
${connection.charges_enabled === false && note('warn', 'Stripe does not let this account take payments yet. Its owner finishes the set-up in Stripe\'s Dashboard; if the account was opened from here, in Stripe\'s form.')}
${connection.details_submitted === false && onboardForm(view, mode, 'Go on with the form')}
<details><summary>Disconnect…</summary><p class="small">Buyers cannot pay in ${MODES[mode].toLowerCase()} until an account is connected again. Paid orders stay as they are.</p>${button(view, '/admin/disconnect', html`Disconnect <span class="hidden">${mode} </span>account`, { className: 'danger', fields: { mode } })}</details>
<details><summary>Connect another account…</summary>${connectForm(view, mode, true)}</details>`}
${!connected && connection?.gone_at && html`<p class="small">The connection ended ${moment(connection.gone_at)}${connection.gone_reason && html` (${connection.gone_reason})`}.</p>`}
${!connected && !wrong && html`${connectForm(view, mode, false)}
<details><summary>I have no Stripe account yet…</summary><p class="small">One is opened for this shop, and Stripe asks for the rest. It is the owner's, with a Dashboard of its own.</p>${onboardForm(view, mode, 'Open a Stripe account')}</details>`}</section>`;
}

const connectForm = (view, mode, replace) => html`<form method="post" action="/admin/connect">${token(view)}<input type="hidden" name="mode" value="${mode}">
${replace && html`<label class="choice"><input type="checkbox" name="replace" value="yes" required><span>Replace the connected account</span></label>`}
<button>Connect with Stripe<span class="hidden">, ${MODES[mode].toLowerCase()}</span></button></form>`;

const onboardForm = (view, mode, label) => button(view, '/admin/connect', html`${label}<span class="hidden">, ${MODES[mode].toLowerCase()}</span>`, { className: 'second', fields: { mode, method: 'onboarding' } });

function sellingCard(view, { shop, settings }) {
  return html`<section class="card" aria-labelledby="sell-title"><h2 id="sell-title">Mode</h2>
<form method="post" action="/admin/mode">${token(view)}<fieldset><legend>This shop sells in</legend>${Object.entries(MODES).map(([mode, label]) => html`<label class="choice"><input type="radio" name="mode" value="${mode}"${settings.mode === mode ? html` checked` : ''}><span>${label}</span></label>`)}</fieldset><button class="second">Save mode</button></form>
<hr><div class="between"><h3>Kill switch</h3>${shop.checkout_enabled ? pill('good', 'Checkout is on') : pill('bad', 'Checkout is off')}</div>
<p class="small">Off means that nobody, visitor or agent, can start a checkout. Open Stripe pages are closed; money that was already paid is still recorded.</p>
${shop.checkout_enabled ? button(view, '/admin/kill-switch', 'Switch checkout off', { className: 'danger', fields: { enabled: 'no' } }) : button(view, '/admin/kill-switch', 'Switch checkout on', { fields: { enabled: 'yes' } })}</section>`;
}

function keysCard(view, { shop }) {
  return html`<section class="card" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2>
<dl class="facts"><dt>API key</dt><dd><code>${mask(shop.api_key)}</code></dd><dt>Signing secret</dt><dd><code>${mask(shop.signing_secret)}</code></dd></dl>
<p class="small">Roll a key when somebody may have seen it, or once a year. The old one works for 24 hours more, so nothing breaks meanwhile.</p>
<div class="row">${button(view, '/admin/keys', 'Roll API key', { className: 'second', fields: { which: 'api_key' } })}${button(view, '/admin/keys', 'Roll signing secret', { className: 'second', fields: { which: 'signing_secret' } })}</div></section>`;
}

const yesNo = (value) => (value === null || value === undefined ? 'not known' : value ? 'yes' : 'no');
