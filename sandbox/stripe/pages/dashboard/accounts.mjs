// The merchants, and one merchant: connections, payments, open checkouts.
import { format } from '../../money.mjs';
import { payments as rowsOf } from '../../books.mjs';
import { field } from '../fields.mjs';
import { html, message } from '../html.mjs';
import { act, frame, mode, pill, table, when } from './frame.mjs';
import { status } from './payment.mjs';

export function home(stripe, note) {
  const { world } = stripe;
  const accounts = [...world.table('account').values()].filter((record) => record.object.id !== world.keys.platform);
  const count = (owner) => [...world.table('payment_intent').values()].filter((record) => record.owner === owner).length;
  const rows = accounts.map(({ object: account }) => [
    html`<a href="/dashboard/accounts/${account.id}">${account.name}</a><br><span class="muted">${account.id}</span>`,
    account.country,
    [false, true].filter((live) => world.connection(account.id, live)).map((live) => html`${pill(mode(live))} `),
    count(account.id),
  ]);
  return frame('Accounts', note, html`
<p>This stands in for Stripe on this machine: accounts of merchants, their payments, and the events that are sent out.</p>
${table(['Merchant', 'Country', 'Connected', 'Payments'], rows, 'No merchant yet. One is made when a shop connects, or here.')}
<details class="box"><summary>Add a merchant</summary>
${act('create', 'Add', {}, { kind: 'primary', inputs: html`${field({ name: 'name', label: 'Name', value: 'Another shop' })}${field({ name: 'email', label: 'Email', type: 'email', value: 'owner@example.com' })}${field({ name: 'country', label: 'Country code', value: 'US' })}` })}</details>
<p><a href="/dashboard/accounts/${world.keys.platform}">The platform's own account</a> (destination charges live there)</p>`);
}

export function account(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('account', id);
  if (!record) return message({ status: 404, title: 'There is no such account', text: id });
  const mine = (kind) => [...world.table(kind).values()].filter((entry) => entry.owner === id).reverse().slice(0, 100);
  const rows = new Map(rowsOf(world).map((row) => [row.payment_intent, row]));
  const payments = mine('payment_intent').map(({ object: intent, livemode }) => {
    const charge = world.record('charge', intent.latest_charge)?.object;
    const { amount_refunded: refunded, application_fee_amount: fee, application_fee_refunded: back, dispute } = rows.get(intent.id);
    const money = (amount) => (amount ? format(amount, intent.currency) : '');
    return [
      html`<a href="/dashboard/payments/${intent.id}">${format(intent.amount, intent.currency)}</a><br><span class="muted">${intent.id}</span>`, html`${pill(status(intent, charge))}${dispute && html` ${pill(`dispute_${dispute.status}`)}`}`,
      money(refunded), html`${money(fee)}${back > 0 && html`<br><span class="muted">${money(back)} back</span>`}`,
      charge?.billing_details.email, pill(mode(livemode)), when(intent.created),
    ];
  });
  const open = mine('checkout.session').filter(({ object }) => object.status === 'open').map(({ object: session }) => [
    html`<a href="/checkout/c/pay/${session.id}">${format(session.amount_total, session.currency)}</a>`, when(session.expires_at), html`<code>${session.id.slice(0, 24)}…</code>`,
    act('expire', 'Expire', { id: session.id, back: `/dashboard/accounts/${id}` }),
  ]);
  const { object } = record;
  return frame(object.name, note, html`
<p class="muted">${object.email} · ${object.country} · <code>${id}</code> ${!object.charges_enabled && pill('charges_disabled')} ${!object.details_submitted && pill('details_missing')}</p>
<h2>Connections</h2>
${[false, true].map((live) => (world.connection(id, live)
    ? html`<div class="line">${pill(mode(live))} CognitiveCart is connected. ${act('disconnect', 'Disconnect', { id, live: live ? '1' : '', back: `/dashboard/accounts/${id}` })}</div>`
    : ''))}
${![false, true].some((live) => world.connection(id, live)) && html`<p class="muted">${id === world.keys.platform ? 'This is the platform itself.' : 'Not connected to CognitiveCart.'}</p>`}
${id !== world.keys.platform && act('charges', object.charges_enabled ? 'Switch charges off' : 'Switch charges on', { id, back: `/dashboard/accounts/${id}` })}
${id !== world.keys.platform && act('details', object.details_submitted ? 'Ask for the details again' : 'Hand the details in', { id, back: `/dashboard/accounts/${id}` })}
<p><a href="/dashboard/accounts/${id}/catalogue">Catalogue for agents</a> (${Object.keys(record.catalogue ?? {}).length} products)</p>
<h2>Payments</h2>
${table(['Amount', 'Status', 'Refunded', 'Fee', 'Buyer', 'Mode', 'Made (UTC)'], payments, 'No payments yet.')}
<h2>Open checkouts</h2>
${table(['Total', 'Expires (UTC)', 'Id', ''], open, 'None.')}`, [['/dashboard', 'Accounts']]);
}
