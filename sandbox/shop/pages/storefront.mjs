import { currencies, priceIn, priceNow, products } from '../catalogue.mjs';
import { html } from '../html.mjs';
import { format } from '../money.mjs';
import { layout, token } from './layout.mjs';
import { price } from './product.mjs';

export function storefront(view, { currency, priced, question, found, left }) {
  return layout(view, 'Shop', html`
<h1>Good things for slow days</h1>
<div class="columns">
<section aria-label="Products">
<ul class="goods">${cards().map((variants) => productCard(view, variants, { currency, left }))}</ul>
</section>
<aside class="stick" aria-label="Chat and cart">
${chatBubble(view, { question, found, currency })}
<section class="card" aria-labelledby="cart-title">
<h2 id="cart-title">Your cart</h2>
${priced.lines.length === 0
    ? html`<p class="soft">Empty so far.</p>`
    : html`<dl class="sums">${priced.lines.map((line) => html`<div><dt>${line.quantity} × ${line.name}</dt><dd>${format(line.amount_total, currency)}</dd></div>`)}
<div class="all"><dt>Total with shipping</dt><dd>${format(priced.total, currency)}</dd></div></dl>
<p class="row"><a class="button second wide" href="/cart">Open cart</a></p>`}
</section>
<form class="card" method="post" action="/currency">${token(view)}
<div class="field"><label for="currency">Prices in</label>
<select id="currency" name="currency">${Object.entries(currencies).map(([code, { name }]) => html`<option value="${code}"${code === currency ? html` selected` : ''}>${code.toUpperCase()} · ${name}</option>`)}</select></div>
<button class="second">Change currency</button>
</form>
</aside>
</div>`);
}

/** Variants share a card. -> lists of products */
function cards() {
  const byCard = new Map();
  for (const product of products) {
    const card = product.group?.id ?? product.id;
    byCard.set(card, [...(byCard.get(card) ?? []), product]);
  }
  return [...byCard.values()];
}

function productCard(view, variants, { currency, left }) {
  const [product] = variants;
  const name = product.group?.title ?? product.name;
  const there = variants.filter((one) => left(one) > 0);
  const sizes = variants.length > 1 && html`<div class="field"><label class="hint" for="size-${product.group.id}">Size<span class="hidden"> of ${name}</span></label><select id="size-${product.group.id}" name="product_id">${variants.map((one) => html`<option value="${one.id}"${left(one) > 0 ? '' : html` disabled`}>${one.size}${left(one) > 0 ? '' : ', sold out'}</option>`)}</select></div>`;
  return html`<li class="card"><img src="/pictures/${product.id}.svg" alt="" width="200" height="180">
<div class="about"><div class="between"><h2><a href="/product/${product.id}">${name}</a></h2><span>${price(product, currency)}</span></div>
<p class="soft small">${product.text}</p>
${there.length === 0 ? html`<p class="soft small">Sold out.</p>` : html`<form method="post" action="/cart/add">${token(view)}${sizes || html`<input type="hidden" name="product_id" value="${product.id}">`}<button class="second wide">Add to cart<span class="hidden">: ${name}</span></button></form>`}</div></li>`;
}

/** A pretend assistant: it shows where the chat's checkout sits in a conversation, and calls no model. */
function chatBubble(view, { question, found, currency }) {
  return html`<section class="card chat" aria-labelledby="chat-title">
<h2 id="chat-title">Ask the shop</h2>
${question
    ? html`<div class="says they"><p><span class="hidden">You: </span>${question}</p></div>
<div class="says we"><p><span class="hidden">The shop: </span>${found.length > 0 ? 'I found these for you:' : 'I found nothing for that. Try coffee, reading or a gift.'}</p>
${found.length > 0 && html`<ul>${found.map((product) => html`<li>${product.name}, ${format(priceIn(priceNow(product), currency), currency)}</li>`)}</ul>
<form method="post" action="/cart/add">${token(view)}${found.map((product) => html`<input type="hidden" name="product_id" value="${product.id}">`)}<button class="second">Put them into my cart</button></form>`}</div>`
    : html`<div class="says we"><p><span class="hidden">The shop: </span>Hello! What are you looking for?</p></div>`}
<form method="get" action="/"><div class="field"><label for="ask">Your question</label><input id="ask" type="search" name="ask" maxlength="120" placeholder="A gift for a coffee lover" value=""></div><button class="second">Ask</button></form>
${view.cartCount > 0 && html`<hr><form method="post" action="/checkout/chat">${token(view)}<button class="wide">Chat checkout</button></form>`}
</section>`;
}
