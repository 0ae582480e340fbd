// A product by itself: where the catalogue's `link` leads, for a buyer who wants to look before an agent buys.

import { priceIn, priceNow } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { format } from '../money.mjs';
import { layout, token } from './layout.mjs';

export function productPage(view, { product, left, currency }) {
  return layout(view, product.name, html`<div class="columns halves"><div class="card goods-one"><img src="/pictures/${product.id}.svg" alt="" width="200" height="180"></div>
<section class="card" aria-labelledby="product-title"><h1 id="product-title">${product.name}</h1><p class="lead">${product.text}</p><p>${price(product, currency)}${product.digital && html` <span class="hint">to download</span>`}</p>
${left === 0 ? html`<p class="soft">Sold out.</p>` : html`<form method="post" action="/cart/add">${token(view)}<input type="hidden" name="product_id" value="${product.id}"><button>Add to cart</button></form>`}
<p class="small soft gap">${product.sku}${Number.isFinite(left) && left > 0 && `, ${left} left`}</p></section></div>`);
}

export function price(product, currency) {
  const now = html`<span class="price">${format(priceIn(priceNow(product), currency), currency)}</span>`;
  return product.sale ? html`<s class="soft"><span class="hidden">was </span>${format(priceIn(product.price, currency), currency)}</s> ${now}` : now;
}
