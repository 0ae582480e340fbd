// Agents buy: Stripe's "Trigger Agentic Purchase", and what the sellers' hooks were asked and answered.
import { agenticSessions } from '../../agentic.mjs';
import { CARDS, DEBITS } from '../../methods.mjs';
import { format } from '../../money.mjs';
import { field } from '../fields.mjs';
import { html, message } from '../html.mjs';
import { act, frame, mode, options, pill, table, when } from './frame.mjs';

const CHOICES = Object.entries({ ...CARDS, ...DEBITS }).map(([number, { what }]) => [number, what]);
const pick = (name, label, entries, chosen) => html`<div class="field"><label for="${name}">${label}</label><select id="${name}" name="${name}">${options(entries, chosen)}</select></div>`;

/** How a try ended, in a word. */
function state({ object: session, hooks }) {
  if (session.status === 'complete') return session.payment_status === 'paid' ? 'bought' : 'under way';
  const last = hooks.at(-1);
  if (last?.error || last?.status >= 300 || last?.invalid) return 'no answer';
  return last?.answer?.manual_approval_details?.type === 'declined' ? 'declined' : 'not paid';
}

/** `chosen`: the seller whose catalogue is offered; without one the first that has a catalogue. */
export function agents(stripe, chosen, note) {
  const { world } = stripe;
  const all = [...world.table('account').values()].filter(({ object }) => object.id !== world.keys.platform);
  const seller = all.find(({ object }) => object.id === chosen) ?? all.find(({ catalogue }) => Object.keys(catalogue ?? {}).length > 0) ?? all[0];
  const products = Object.values(seller?.catalogue ?? {});
  const back = `/dashboard/agents${seller ? `/${seller.object.id}` : ''}`;
  const rows = agenticSessions(world).slice(0, 100).map((record) => [
    html`<a href="/dashboard/purchases/${record.object.id}">${format(record.object.amount_total, record.object.currency)}</a>`, pill(state(record)),
    record.agentic.sold.map(([sku, quantity]) => `${quantity} × ${sku}`).join(', '), record.agentic.agent?.name ?? 'not told',
    world.record('account', record.agentic.account)?.object.name ?? record.agentic.account, pill(mode(record.livemode)), when(record.object.created),
  ]);
  const product = (one) => [one.id, `${one.title ?? one.id}: ${format((one.sale_price ?? one.price).unit_amount, one.price.currency)}${one.availability === 'out_of_stock' || one.inventory_quantity === 0 ? ', sold out' : ''}`];
  return frame('Agents', note, html`<p>An agent buys from a seller's catalogue, as Stripe runs it: the hooks are asked for delivery, taxes and approval, the card is charged, and the events go out.</p>
<p>${stripe.hooks.length > 0 ? html`Hooks go to <code>${stripe.hooks[0].url}</code>; who does not answer within ${stripe.options.hookTimeoutMs / 1000} s declines.` : 'No endpoint for hooks is set: nobody is asked.'}</p>
<h2>Buy something</h2>
${all.length > 1 && html`<p class="muted">From ${all.map(({ object }) => html`<a href="/dashboard/agents/${object.id}"${object.id === seller?.object.id && html` aria-current="true"`}>${object.name}</a> `)}</p>`}
${!seller ? html`<p class="muted">No merchant yet.</p>` : products.length === 0
    ? html`<p class="muted">Stripe has no catalogue of ${seller.object.name} yet: the shop sends one.</p>`
    : act('purchase', 'Buy it', { account: seller.object.id, back }, { kind: 'primary', inputs: html`
<div class="row">${pick('sku', `Product of ${seller.object.name}`, products.slice(0, 500).map(product))}${field({ name: 'quantity', label: 'Quantity', type: 'number', value: '1', size: 'small' })}</div>
<div class="row">${field({ name: 'agent', label: 'Agent (empty: Stripe does not tell)', value: 'ChatGPT', required: false })}${pick('card', 'Pays by', CHOICES)}</div>
<div class="row">${field({ name: 'state', label: 'State', value: 'CA', size: 'small', required: false })}${field({ name: 'country', label: 'Country', value: 'US', size: 'small' })}${field({ name: 'shipping', label: 'Delivery (first, or its name)', required: false })}</div>
<div class="row">${pick('live', 'Mode', [['', 'test'], ['1', 'live']])}${pick('charge', 'Charge', [['direct', 'direct'], ['destination', 'destination']])}${pick('capture', 'Capture', [['automatic', 'at once'], ['manual', 'by hand']])}${pick('told', 'Events', [['', 'as they come'], ['reversed', 'last first'], ['twice', 'each twice'], ['lost', 'lost']])}</div>
<label class="check"><input type="checkbox" name="tax" value="1"> Stripe Tax</label>` })}
<h2>What agents have tried</h2>
${table(['Total', 'State', 'What', 'Agent', 'Seller', 'Mode', 'Made (UTC)'], rows, 'Nothing yet.')}`, [['/dashboard', 'Accounts']]);
}

const json = (value) => html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;

function asked(one) {
  const said = one.error ?? `${one.status}`;
  const word = one.answer?.manual_approval_details?.type;
  return html`<details class="box" open><summary><code>${one.type}</code> → ${word ? pill(word) : pill(said)} <span class="muted">${one.ms} ms</span></summary>
${one.invalid && html`<p class="note">Not taken: ${one.invalid}.</p>`}
<h3>Answer</h3>${one.answer === undefined ? html`<p class="muted">${one.error ? `None: ${one.error}.` : one.body ?? 'Not JSON.'}</p>` : json(one.answer)}
<details><summary>Question</summary>${json(one.question)}</details></details>`;
}

export function purchase(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('checkout.session', id);
  if (!record?.agentic) return message({ status: 404, title: 'No agent has tried this', text: id });
  const { object: session, agentic, hooks } = record;
  const money = (amount) => format(amount, session.currency);
  const rate = session.shipping_cost && world.record('shipping_rate', session.shipping_cost.shipping_rate)?.object;
  const lines = record.lines.map((line) => [line.description, html`<code>${line.price.external_reference}</code>`, line.quantity, money(line.amount_subtotal), money(line.amount_tax), money(line.amount_total)]);
  return frame('A purchase', note, html`<p>${pill(state(record))} ${pill(mode(record.livemode))} by ${agentic.agent?.name ?? 'an agent that Stripe does not tell'} <span class="muted"><code>${id}</code></span></p>
${table(['What', 'SKU', 'Quantity', 'Goods', 'Tax', 'Total'], lines, 'Nothing.')}
<dl class="facts"><div><dt>Delivery</dt><dd>${rate ? `${rate.display_name ?? 'unnamed'}, ${money(session.shipping_cost.amount_total)}` : 'none'}</dd></div><div><dt>Tax</dt><dd>${money(session.total_details.amount_tax)}</dd></div><div><dt>Total</dt><dd>${money(session.amount_total)}</dd></div>
<div><dt>Payment</dt><dd>${session.payment_intent ? html`<a href="/dashboard/payments/${session.payment_intent}">${session.payment_intent}</a>` : 'none'}</dd></div></dl>
<h2>What the seller was asked</h2>
${hooks.length > 0 ? hooks.map(asked) : html`<p class="muted">Nothing.</p>`}`, [['/dashboard', 'Accounts'], ['/dashboard/agents', 'Agents']]);
}
