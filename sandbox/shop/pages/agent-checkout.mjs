import { currencies, priceIn, priceNow, products } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { CREATE_SESSION_PATH } from '../manifest.mjs';
import { format } from '../money.mjs';
import { agentTabs } from './agent.mjs';
import { layout, token, note } from './layout.mjs';

export const AGENT_ROWS = 3;

export function agentPage(view, { values = {}, wrong, siteUrl }) {
  const value = (name, otherwise = '') => values[name] ?? otherwise;
  return layout(view, 'Agent checkout', html`<h1>Agent checkout</h1>
${agentTabs(view)}
<p class="lead">The agent only brings the order, and its person pays on Stripe's page. Play a third-party agent that buys for somebody: it knows product ids, and it may claim any price it likes. The shop's server prices every line again before it signs in at the Worker.</p>
${wrong && note('bad', wrong)}
<div class="columns"><form class="card" method="post" action="/agent/checkout">${token(view)}
<div class="columns halves"><div class="field"><label for="agent">Agent's name</label><input id="agent" type="text" name="agent" required maxlength="64" value="${value('agent', 'Claude')}"></div>
<div class="field"><label for="currency">Currency</label><select id="currency" name="currency">${Object.keys(currencies).map((code) => html`<option value="${code}"${code === value('currency', 'usd') ? html` selected` : ''}>${code.toUpperCase()}</option>`)}</select></div></div>
${Array.from({ length: AGENT_ROWS }, (_, row) => html`<fieldset><legend>Line ${row + 1}</legend><div class="triple">
<div class="field"><label class="hint" for="product-${row}">Product id</label><select id="product-${row}" name="product_${row}"><option value="">none</option>${products.map(({ id }) => html`<option${id === value(`product_${row}`, row === 0 ? 'mug' : '') ? html` selected` : ''}>${id}</option>`)}</select></div>
<div class="field"><label class="hint" for="quantity-${row}">Quantity</label><input id="quantity-${row}" type="number" name="quantity_${row}" min="1" max="99" value="${value(`quantity_${row}`, '1')}"></div>
<div class="field"><label class="hint" for="claim-${row}">Claimed price of the line</label><input id="claim-${row}" type="text" inputmode="decimal" name="claim_${row}" maxlength="16" placeholder="0.01" value="${value(`claim_${row}`, row === 0 ? '0.01' : '')}"></div></div></fieldset>`)}
<div class="field"><label for="success">Success address</label><input id="success" type="text" inputmode="url" name="success_url" placeholder="${siteUrl}/checkout/return" value="${value('success_url')}" aria-describedby="success-hint"><span class="hint" id="success-hint">Empty: the shop's own. An address of another site is refused by the Worker.</span></div>
<div class="field"><label for="cancel">Cancel address</label><input id="cancel" type="text" inputmode="url" name="cancel_url" placeholder="${siteUrl}/checkout/canceled" value="${value('cancel_url')}"></div>
<button>Create checkout session</button></form>
<aside class="card"><h2>The same by API</h2><p class="small">This is the address that the manifest names, <a href="/.well-known/ucp">/.well-known/ucp</a>. Agents need no key here; the shop holds the key, and the price list.</p>
<pre class="small code" tabindex="0">POST ${CREATE_SESSION_PATH}
content-type: application/json

{
  "agent": "Claude",
  "line_items": [
    { "product_id": "mug",
      "quantity": 1 }
  ]
}</pre>
<p class="small"><a href="/wp-json/cognitive-cart/v1/products">Products as JSON</a>: ${products.map((product) => `${product.id} ${format(priceIn(priceNow(product), 'usd'), 'usd')}`).join(', ')}.</p></aside></div>`);
}

/** What came of it: the agent hands the link to the person it buys for. */
export function agentResult(view, { order }) {
  const { currency } = order;
  const url = order.sessions.at(-1)?.url;
  return layout(view, 'Session created', html`<h1>Session created for ${order.source.replace(/^agent:/, '')}</h1>
<p class="lead">Order ${order.id}. The claims were looked at and thrown away: these are the shop's prices.</p>
<div class="scroll" role="region" aria-label="Repriced lines" tabindex="0"><table class="tight"><caption>Repriced lines</caption>
<thead><tr><th scope="col">Product</th><th scope="col" class="number">Qty</th><th scope="col" class="number">Claimed</th><th scope="col" class="number">Charged</th></tr></thead>
<tbody>${order.lines.map((line) => html`<tr><th scope="row">${line.name}</th><td class="number">${line.quantity}</td><td class="number">${claim(line, currency)}</td><td class="number">${format(line.amount_total, currency)}</td></tr>`)}</tbody></table></div>
<p class="price">Total ${format(order.total, currency)}</p>
${url && html`<p class="row"><a class="button" href="${url}">Pay as the agent's person</a> <a class="button second" href="/order/${order.id}?key=${order.key}">See the order</a></p>`}`);
}

function claim(line, currency) {
  if (line.claimed === null || line.claimed === undefined) return '—';
  const shown = Number.isSafeInteger(line.claimed) && line.claimed >= 0 ? format(line.claimed, currency) : String(line.claimed).slice(0, 20);
  return line.claimed === line.amount_total ? shown : html`<s>${shown}</s> <span class="hidden">(not true)</span>`;
}
