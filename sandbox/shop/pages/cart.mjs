import { currencies, coupons, priceIn, shippingChoices } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { format } from '../money.mjs';
import { MOST_OF_ONE } from '../pricing.mjs';
import { layout, token } from './layout.mjs';

export function cartPage(view, { cart, priced }) {
  const { currency } = priced;
  if (priced.lines.length === 0) {
    return layout(view, 'Cart', html`<h1>Your cart</h1><p>There is nothing in it yet.</p><p><a class="button" href="/">Look around</a></p>`);
  }
  // One form: "Chat checkout" sends the same fields as "Update", so a quantity typed just before is not lost.
  return layout(view, 'Cart', html`<h1>Your cart</h1>
<form method="post" action="/cart" class="columns">${token(view)}
<button class="hidden" tabindex="-1" aria-hidden="true">Update cart</button>
<div>
<section class="card" aria-labelledby="goods-title"><h2 id="goods-title">Goods</h2>
<ul class="lines">${priced.lines.map((line) => html`<li><img src="/pictures/${line.product_id}.svg" alt="" width="58" height="58">
<div class="between"><span>${line.name}</span><span class="price">${format(line.amount_total, currency)}</span></div>
<div class="row"><div><label for="q-${line.product_id}">Quantity<span class="hidden"> of ${line.name}</span></label><input id="q-${line.product_id}" type="number" inputmode="numeric" name="quantity_${line.product_id}" value="${line.quantity}" min="0" max="${MOST_OF_ONE}"></div>
<button class="second" name="remove" value="${line.product_id}">Remove<span class="hidden"> ${line.name}</span></button></div></li>`)}</ul>
</section>
<fieldset class="card"><legend class="hidden">Shipping</legend><h2 aria-hidden="true">Shipping</h2>
${Object.entries(shippingChoices).map(([id, choice]) => html`<label class="choice"><input type="radio" name="shipping" value="${id}"${cart.shipping === id ? html` checked` : ''}><span>${choice.label}</span><span class="price">${format(priceIn(choice.price, currency), currency)}</span></label>`)}
</fieldset>
<div class="card columns halves">
<div class="field"><label for="coupon">Coupon</label><input id="coupon" type="text" name="coupon" value="${cart.coupon}" maxlength="40" autocapitalize="characters" aria-describedby="coupon-hint"><span class="hint" id="coupon-hint">Try ${Object.keys(coupons).join(' or ')}.</span></div>
<div class="field"><label for="currency">Pay in</label><select id="currency" name="currency">${Object.entries(currencies).map(([code, { name }]) => html`<option value="${code}"${code === currency ? html` selected` : ''}>${code.toUpperCase()} · ${name}</option>`)}</select></div>
</div>
</div>
<section class="card stick" aria-labelledby="sum-title"><h2 id="sum-title">Summary</h2>
${sums(priced)}
<p></p><p><button class="wide" formaction="/checkout/chat">Chat checkout</button></p><p><button class="second wide">Update cart</button></p>
<p class="small soft">You pay on Stripe's page and come back here.</p></section>
</form>`);
}

export function sums(order) {
  const { currency } = order;
  const subtotal = order.lines.reduce((sum, line) => sum + line.amount_total, 0);
  return html`<dl class="sums"><div><dt>Goods</dt><dd>${format(subtotal, currency)}</dd></div>
${order.discounts?.map((row) => html`<div><dt>${row.label}</dt><dd>−${format(row.amount, currency)}</dd></div>`)}
${order.shipping?.map((row) => html`<div><dt>${row.label}</dt><dd>${format(row.amount, currency)}</dd></div>`)}
<div class="all"><dt>Total</dt><dd>${format(order.total, currency)}</dd></div></dl>`;
}
