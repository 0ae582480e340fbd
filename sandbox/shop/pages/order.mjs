import { findProduct } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { WORDS } from '../orders.mjs';
import { format } from '../money.mjs';
import { eventList } from './agent.mjs';
import { sums } from './cart.mjs';
import { button, layout, moment, note, pill, problem } from './layout.mjs';

const KIND = { paid: 'good', authorized: 'good', processing: 'warn', pending: '', ended: 'bad' };
export const statusPill = (order) => (order.canceled_at ? pill('warn', 'Canceled') : pill(KIND[order.status], WORDS[order.status]));

const SAID = {
  paid: ['good', 'Thank you, your order is paid.', 'A confirmation mail would be on its way now.'],
  authorized: ['good', 'Thank you, your payment is authorized.', 'The amount is reserved and is taken when the goods leave.'],
  processing: ['warn', 'We are still waiting for your bank.', 'Some payments take minutes or days to arrive. You need not do anything; the order goes on as soon as the money is there.'],
  pending: ['warn', 'This order is not paid.', 'No money has moved. You can still pay.'],
  canceled: ['warn', 'This order was canceled.', 'Your money is on its way back, by the way you paid.'],
  ended: ['bad', 'This checkout has ended without a payment.', 'No money has moved. Put the goods into the cart again if you still want them.'],
};

export function orderPage(view, { order }) {
  const [kind, heading, text] = SAID[order.canceled_at ? 'canceled' : order.status];
  const last = order.sessions.at(-1);
  return layout(view, `Order ${order.id}`, html`<h1>Order ${order.id}</h1>
${note(kind, text, heading)}
<div class="columns"><section class="card" aria-labelledby="what-title"><h2 id="what-title">What you ordered</h2>
<ul class="lines">${order.lines.map((line) => html`<li><img src="/pictures/${line.product_id}.svg" alt="" width="58" height="58"><div class="between"><span>${line.quantity} × ${line.name}</span><span class="price">${format(line.amount_total, order.currency)}</span></div></li>`)}</ul>
<hr>${sums(order)}
${order.status === 'paid' && !order.canceled_at && order.lines.filter((line) => findProduct(line.product_id)?.digital).map((line) => html`<p class="gap"><a class="button second wide" href="/order/${order.id}/download/${line.product_id}?key=${order.key}">Download ${line.name}</a></p>`)}</section>
<section class="card" aria-labelledby="state-title"><h2 id="state-title">Where it stands</h2>
<p>${statusPill(order)} ${!order.livemode && pill('', 'Test mode')}</p>
<ul class="history">${order.history.map((entry) => html`<li class="small">${moment(entry.at)}<br>${entry.what}</li>`)}</ul><p></p>
${order.status === 'pending' && last && html`<p><a class="button wide" href="${last.url}">Go to payment</a></p>`}
${order.status !== 'paid' && button(view, `/order/${order.id}/refresh`, 'Ask again', { className: 'second wide', fields: { key: order.key } })}
</section></div>`);
}

export function refusedReturn(view, text) {
  return layout(view, 'Payment not confirmed', html`<h1>We cannot confirm a payment from this address</h1>
${note('bad', text)}
<p>Nothing was changed, and no order was marked as paid. If you have just paid, your payment is not lost: the shop finds it in the ledger.</p>
<p class="row"><a class="button" href="/cart">Back to the cart</a></p>`);
}

export function canceledPage(view, { order }) {
  return layout(view, 'Not paid', html`<h1>You have not paid</h1>
${note('plain', 'Everything is still as you left it. No money has moved.')}
<p class="row"><a class="button" href="/cart">Back to the cart</a>${order?.status === 'pending' && order.sessions.length > 0 && html` <a class="button second" href="${order.sessions.at(-1).url}">Go back and pay</a>`}</p>`);
}

/** sold: [{sold, order}] as the Worker has them, or undefined with `down` saying why · events: what our agent heard */
export function ordersPage(view, { orders, notices = [], sold, down, events = [] }) {
  return layout(view, 'Orders', html`<h1>Orders</h1>
<p class="lead">The shop's own books. An order becomes paid once: by the signed way home, by a signed notice of the Worker's, or by asking its ledger.</p>
${orders.length === 0
    ? html`<p class="soft">No orders yet.</p>`
    : html`<div class="scroll" role="region" aria-label="Orders" tabindex="0"><table><thead><tr><th scope="col">Order</th><th scope="col">Source</th><th scope="col">Status</th><th scope="col" class="number">Total</th><th scope="col">Placed</th><th scope="col"><span class="hidden">Action</span></th></tr></thead><tbody>
${orders.map((order) => html`<tr><th scope="row"><a href="/order/${order.id}?key=${order.key}">${order.id}</a></th><td>${order.source}</td><td>${statusPill(order)}${order.livemode ? '' : ' test'}</td><td class="number">${format(order.total, order.currency)}</td><td>${moment(order.created)}</td><td>${order.status === 'paid' ? '' : button(view, `/order/${order.id}/refresh`, html`Ask<span class="hidden"> the ledger about order ${order.id}</span>`, { className: 'second', fields: { key: order.key, back: 'orders' } })}</td></tr>`)}
</tbody></table></div>`}
<section aria-labelledby="sold-title"><h2 id="sold-title">Sold to agents</h2>
${down && problem(down, 3)}
${sold && (sold.length === 0
    ? html`<p class="soft">Nothing yet. <a href="/agent">Go shopping as an agent</a>.</p>`
    : html`<ul class="sold">${sold.map((one) => soldCard(view, one))}</ul>`)}</section>
${events.length > 0 && html`<section aria-labelledby="heard-title"><h2 id="heard-title">What the agent heard</h2><p class="small soft">The Worker tells the agent of every change, signed. Newest first.</p>${eventList(events)}</section>`}
<h2>Notices</h2>
${notices.length === 0
    ? html`<p class="soft">The Worker has told us nothing yet.</p>`
    : html`<div class="scroll" role="region" aria-label="Notices" tabindex="0"><table><thead><tr><th scope="col">Came</th><th scope="col">Type</th><th scope="col">Order</th><th scope="col">About</th><th scope="col" class="number">Times</th></tr></thead><tbody>
${notices.map((one) => html`<tr><td>${moment(one.at)}</td><td>${one.type}</td><td>${one.order ?? ''}</td><td class="small">${one.about ?? ''}</td><td class="number">${one.times}</td></tr>`)}
</tbody></table></div>`}`);
}

const SOLD_KIND = { shipped: 'good', completed: 'good', canceled: 'bad' };

/** One order of an agent's, with what can be done about it. */
function soldCard(view, { sold, order }) {
  const { id, currency, status } = sold;
  const over = status === 'canceled' || status === 'completed';
  const sent = over || status === 'shipped';
  const left = sold.amount_total - (sold.amount_refunded ?? 0);
  const act = (deed, label, options) => button(view, `/admin/orders/${id}/${deed}`, html`${label}<span class="hidden"> order ${order.id}</span>`, options);
  return html`<li class="card"><div class="between"><h3><a href="/order/${order.id}?key=${order.key}">Order ${order.id}</a></h3><span>${pill(SOLD_KIND[status] ?? '', status.replace(/_/g, ' '))} ${!sold.livemode && pill('', 'test')}</span></div>
<dl class="facts"><dt>Agent</dt><dd>${sold.agent ?? 'not named'}</dd><dt>Buyer</dt><dd>${sold.buyer?.email ?? 'not named'}</dd>
<dt>Goods</dt><dd>${sold.line_items.map((line) => `${line.quantity} × ${line.title ?? line.description}`).join(', ')}</dd>
<dt>Paid</dt><dd>${format(sold.amount_total, currency)}${sold.amount_refunded > 0 && `, of which ${format(sold.amount_refunded, currency)} given back`}</dd>
${(sold.fulfillments ?? []).map((one) => html`<dt>${one.type === 'digital' ? 'Download' : 'Parcel'}</dt><dd>${one.status.replace(/_/g, ' ')}${one.tracking_number && html`, ${one.carrier} <code>${one.tracking_number}</code>`}</dd>`)}
<dt>At the Worker</dt><dd><code>${id}</code></dd></dl>
<div class="row">${!sent && act('ship', 'Ship with tracking')}${left > 0 && act('refund', 'Refund half', { className: 'second' })}${!over && act('cancel', 'Cancel and refund', { className: 'danger' })}</div></li>`;
}
