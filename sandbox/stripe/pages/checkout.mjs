// The hosted Checkout page: what the buyer sees and sends. All of it works without scripts.
import { answerBank, attempt, chooseShipping } from '../checkout.mjs';
import { CARDS } from '../methods.mjs';
import { MAXIMUM_OTHER, format } from '../money.mjs';
import { expireDue } from '../sessions.mjs';
import { COUNTRIES, country, field } from './fields.mjs';
import { document, html, link, message, redirect, testBadge } from './html.mjs';

const text = (form, name, max = 200) => (typeof form[name] === 'string' ? form[name].trim().slice(0, max) : '');

// -- the summary ---------------------------------------------------------------------------------------------------

function summary(world, record, merchant) {
  const session = record.object;
  const money = (amount) => format(amount, session.currency);
  const { amount_shipping: shipping, amount_tax: tax } = session.total_details;
  const inclusive = record.lines.some((line) => line.price.tax_behavior === 'inclusive');
  const back = link(session.cancel_url);
  return html`<section class="summary" aria-label="Order summary">
<p class="merchant">${back && html`<a class="back" href="${back}" aria-label="Back to ${merchant.name}">←</a>`}<span class="initial" aria-hidden="true">${merchant.name.slice(0, 1)}</span> ${merchant.name} ${testBadge(session.livemode)}</p>
<p class="pay-label">Pay ${merchant.name}</p>
<p class="amount">${money(session.amount_total)}</p>
<ul class="items">
${record.lines.map((line) => {
    const product = world.record('product', line.price.product)?.object;
    const image = link(product?.images[0]);
    return html`<li>
${image ? html`<img src="${image}" alt="" width="48" height="48" loading="lazy">` : html`<span class="picture" aria-hidden="true">${line.description.slice(0, 1)}</span>`}
<div><p class="name">${line.description}</p>${product?.description && html`<p class="muted clip">${product.description}</p>`}<p class="muted">Qty ${line.quantity}</p></div>
<div class="price"><p>${money(line.amount_subtotal)}</p>${line.quantity > 1 && line.price.unit_amount !== null && html`<p class="muted">${money(line.price.unit_amount)} each</p>`}</div>
</li>`;
  })}
</ul>
<dl class="totals">
<div><dt>Subtotal</dt><dd>${money(session.amount_subtotal)}</dd></div>
${session.shipping_cost && html`<div><dt>Shipping <span class="muted">${world.record('shipping_rate', session.shipping_cost.shipping_rate)?.object.display_name}</span></dt><dd>${money(shipping)}</dd></div>`}
${session.automatic_tax.enabled && html`<div><dt>Tax <span class="muted">10 %${inclusive && ', included where the price says so'}</span></dt><dd>${record.taxed ? money(tax) : html`<span class="muted">Enter your address</span>`}</dd></div>`}
<div class="due"><dt>Total due</dt><dd>${money(session.amount_total)}</dd></div>
</dl>
</section>`;
}

// -- the form ------------------------------------------------------------------------------------------------------

const TRY_CARDS = ['4242424242424242', '4000000000000002', '4000000000009995', '4000002500003155'];
const spaced = (number) => number.replace(/(.{4})(?=.)/g, '$1 ');

function help(debits) {
  return html`<details class="help">
<summary>Test cards</summary>
<p>Nothing is charged here. Any future date and any CVC will do.</p>
<table><tbody>
${TRY_CARDS.map((number) => html`<tr><td><code>${spaced(number)}</code></td><td>${CARDS[number].what}</td></tr>`)}
${debits && html`<tr><td>Bank debit</td><td>ends later, well or badly</td></tr>`}
</tbody></table>
</details>`;
}

function days({ delivery_estimate: estimate }) {
  if (!estimate) return '';
  const print = (moment) => moment && `${moment.value} ${moment.unit.replace('_', ' ')}${moment.value === 1 ? '' : 's'}`;
  return [print(estimate.minimum), print(estimate.maximum)].filter(Boolean).join(' – ');
}

function shippingChoices(world, session) {
  if (session.shipping_options.length === 0) return '';
  const chosen = session.shipping_cost?.shipping_rate;
  return html`<fieldset><legend>Shipping method</legend>
<div class="choices">
${session.shipping_options.map(({ shipping_rate: id, shipping_amount: amount }) => {
    const rate = world.record('shipping_rate', id).object;
    return html`<label class="choice"><input type="radio" name="shipping_option" value="${id}"${id === chosen && html` checked`}>
<span>${rate.display_name}<span class="muted">${days(rate)}</span></span><span>${amount === 0 ? 'Free' : format(amount, session.currency)}</span></label>`;
  })}
</div>
<button class="quiet" name="act" value="update" formnovalidate>Update total</button>
</fieldset>`;
}

function form(world, record, { values = {}, errors = {}, problem } = {}) {
  const session = record.object;
  const debits = session.payment_method_types.length > 1 && session.amount_total <= MAXIMUM_OTHER;
  const free = session.amount_total === 0;
  const countries = session.shipping_address_collection?.allowed_countries;
  const method = values.method || 'card';
  const ship = (name, label, more = {}) => field({ name: `ship_${name}`, label, value: values[`ship_${name}`], error: errors[`ship_${name}`], ...more });
  const note = session.custom_text;
  return html`<section class="form" aria-label="Payment">
${problem && html`<p class="alert" role="alert">${problem}</p>`}
<form method="post" action="/checkout/c/pay/${session.id}">
<input type="hidden" name="seen_total" value="${session.amount_total}">
<h1>Contact</h1>
${session.customer_email
    ? html`<p class="fixed"><span class="muted">Email</span> ${session.customer_email}</p>`
    : field({ name: 'email', label: 'Email', type: 'email', value: values.email, error: errors.email, autocomplete: 'email' })}
${session.phone_number_collection.enabled && field({ name: 'phone', label: 'Phone', type: 'tel', value: values.phone, error: errors.phone, autocomplete: 'tel' })}
${countries && html`<h2>Shipping address</h2>
${ship('name', 'Full name', { autocomplete: 'shipping name' })}
${country({ name: 'ship_country', value: values.ship_country, codes: countries, autocomplete: 'shipping country' })}
${ship('line1', 'Address', { autocomplete: 'shipping address-line1' })}
${ship('line2', 'Address line 2 (optional)', { required: false, autocomplete: 'shipping address-line2' })}
<div class="row">${ship('city', 'City', { autocomplete: 'shipping address-level2' })}${ship('postal_code', 'Postal code', { autocomplete: 'shipping postal-code', required: false })}</div>
${ship('state', 'State or region (optional)', { required: false, autocomplete: 'shipping address-level1' })}
${note.shipping_address && html`<p class="muted">${note.shipping_address.message}</p>`}`}
${shippingChoices(world, session)}
${free ? html`<p>Nothing to pay for this order.</p>` : html`<h2>Payment method</h2>
<div class="choices methods">
<label class="choice"><input type="radio" name="method" value="card"${method === 'card' && html` checked`}><span>Card</span><span class="brands" aria-hidden="true">visa · mastercard</span></label>
<div class="card-fields">
${field({ name: 'number', label: 'Card number', value: values.number, error: errors.number, autocomplete: 'cc-number', inputmode: 'numeric', required: false })}
<div class="row">
${field({ name: 'exp', label: 'Expiry (MM / YY)', value: values.exp, error: errors.exp, autocomplete: 'cc-exp', required: false })}
${field({ name: 'cvc', label: 'CVC', value: values.cvc, error: errors.cvc, autocomplete: 'cc-csc', inputmode: 'numeric', required: false })}
</div>
${help(debits)}
</div>
${debits && [['bank_debit_succeeds', 'succeeds later'], ['bank_debit_fails', 'fails later']].map(([value, what]) => html`<label class="choice"><input type="radio" name="method" value="${value}"${method === value && html` checked`}><span>Bank debit – ${what}<span class="muted">for trying out payments that take days</span></span><span></span></label>`)}
</div>
${field({ name: 'name', label: 'Cardholder or account name', value: values.name, error: errors.name, autocomplete: 'name' })}
<div class="row">
${country({ name: 'country', label: 'Billing country', value: values.country })}
${field({ name: 'postal_code', label: 'Postal code', value: values.postal_code, required: false, autocomplete: 'postal-code' })}
</div>
${session.billing_address_collection === 'required' && html`
${field({ name: 'line1', label: 'Billing address', value: values.line1, error: errors.line1, autocomplete: 'billing address-line1' })}
${field({ name: 'city', label: 'City', value: values.city, error: errors.city, autocomplete: 'billing address-level2' })}`}`}
${note.submit && html`<p class="muted">${note.submit.message}</p>`}
<button class="primary" name="act" value="pay">${free ? 'Complete order' : session.submit_type === 'book' ? `Book for ${format(session.amount_total, session.currency)}` : session.submit_type === 'donate' ? `Donate ${format(session.amount_total, session.currency)}` : `Pay ${format(session.amount_total, session.currency)}`}</button>
${link(session.cancel_url) && html`<p class="center"><a href="${link(session.cancel_url)}">Cancel and return to the shop</a></p>`}
</form>
<p class="foot">A local stand-in for Stripe. No money moves, no card is read.</p>
</section>`;
}

function show(stripe, record, state) {
  const { world } = stripe;
  const session = record.object;
  const merchant = world.record('account', session.payment_intent && record.data.on_behalf_of ? record.data.on_behalf_of : record.owner).object;
  return document({
    title: `${merchant.name} – Checkout`, kind: 'checkout', status: state?.problem || state?.errors ? 422 : 200,
    body: html`<main>${summary(world, record, merchant)}${form(world, record, state)}</main>`,
  });
}

function over(session) {
  const home = link(session.cancel_url);
  return session.status === 'complete'
    ? message({ title: 'You are all done here', text: 'This payment is complete. You can close this page.', badge: testBadge(session.livemode) })
    : message({
        title: 'This checkout has expired', text: 'Nothing was charged. Go back to the shop to start again.', badge: testBadge(session.livemode),
        action: home && html`<p><a class="button" href="${home}">Back to the shop</a></p>`,
      });
}

// -- sending -------------------------------------------------------------------------------------------------------

function read(session, sent) {
  const errors = {};
  const need = (name, label) => {
    if (!text(sent, name)) errors[name] = `${label} is needed.`;
    return text(sent, name);
  };
  const free = session.amount_total === 0;
  const email = session.customer_email ?? need('email', 'An email address');
  if (email && !/^[^\s@]+@[^\s@]+\.[^\s@]+$|@localhost$/.test(email)) errors.email = 'This does not look like an email address.';
  const phone = session.phone_number_collection.enabled ? need('phone', 'A phone number') : null;
  let shipping = null;
  const countries = session.shipping_address_collection?.allowed_countries;
  if (countries) {
    const land = text(sent, 'ship_country');
    shipping = {
      name: need('ship_name', 'A name'),
      address: {
        line1: need('ship_line1', 'An address'), line2: text(sent, 'ship_line2') || null, city: need('ship_city', 'A city'),
        postal_code: text(sent, 'ship_postal_code') || null, state: text(sent, 'ship_state') || null, country: countries.includes(land) ? land : countries[0],
      },
    };
  }
  const method = text(sent, 'method') || 'card';
  const name = free ? shipping?.name ?? null : need('name', 'A name');
  if (!free && method === 'card') {
    if (!/^\d{12,19}$/.test(text(sent, 'number').replace(/[\s-]/g, ''))) errors.number = 'Your card number is incomplete.';
    if (!/^(0[1-9]|1[0-2])\s*\/?\s*(\d{2}|\d{4})$/.test(text(sent, 'exp'))) errors.exp = 'Use month and year, such as 12 / 34.';
    if (!/^\d{3,4}$/.test(text(sent, 'cvc'))) errors.cvc = 'Three or four digits.';
  }
  const full = session.billing_address_collection === 'required' && !free;
  const billing = {
    city: full ? need('city', 'A city') : null, country: text(sent, 'country') || shipping?.address.country || null,
    line1: full ? need('line1', 'An address') : null, line2: null, postal_code: text(sent, 'postal_code') || null, state: null,
  };
  const buyer = { method: method === 'card' ? text(sent, 'number') : method, email, name, phone, shipping, billing, shippingOption: text(sent, 'shipping_option') || undefined };
  return { errors, buyer };
}

async function submit(stripe, record, sent) {
  const { world } = stripe;
  const session = record.object;
  const values = Object.fromEntries(Object.keys(sent).map((name) => [name, text(sent, name)]));
  const { errors, buyer } = read(session, sent);
  const option = text(sent, 'shipping_option') || undefined;
  chooseShipping(world, record, option);
  if (sent.act === 'update') return { ...show(stripe, record, { values }), status: 200 };
  if (Object.keys(errors).length > 0) return show(stripe, record, { values, errors, problem: 'Some details are missing or not right.' });
  if (String(session.amount_total) !== sent.seen_total) {
    // Tax or shipping changed the total after the buyer last saw it: nobody pays what was not shown.
    return show(stripe, record, { values, problem: `The total is now ${format(session.amount_total, session.currency)}. Please look at it and pay again.` });
  }
  const result = attempt(world, record, buyer);
  if (result.ok) return redirect((await stripe.goHome(result)).location);
  if (result.code === 'requires_action') return redirect(`/checkout/c/pay/${session.id}/bank`);
  return show(stripe, record, { values: { ...values, number: '', cvc: '' }, problem: result.message });
}

// -- the bank's question -------------------------------------------------------------------------------------------

function bankPage(record) {
  const session = record.object;
  return message({
    title: 'Confirm this payment', badge: html`<span class="badge">Your bank (pretended)</span>`,
    text: `Your bank asks whether you want to pay ${format(session.amount_total, session.currency)}.`,
    action: html`<form method="post" class="buttons" action="/checkout/c/pay/${session.id}/bank"><button class="primary" name="answer" value="yes">Confirm payment</button><button class="quiet" name="answer" value="no">Refuse</button></form>`,
  });
}

async function bank(stripe, record, method, sent) {
  const waiting = record.waiting && record.object.status === 'open';
  const home = `/checkout/c/pay/${record.object.id}`;
  if (!waiting) return redirect(home);
  if (method !== 'POST') return bankPage(record);
  const result = answerBank(stripe.world, record, sent.answer === 'yes');
  if (result.ok) return redirect((await stripe.goHome(result)).location);
  return show(stripe, record, { problem: result.message });
}

export async function checkout(stripe, { method, rest, form: sent }) {
  const [id, step] = rest.split('/');
  const record = stripe.world.record('checkout.session', id);
  if (!record) return message({ status: 404, title: 'There is no such checkout', text: 'The address is not complete, or the local Stripe has been started afresh since.' });
  const session = expireDue(stripe.world, record).object;
  if (session.status !== 'open') return over(session);
  if (step === 'bank') return bank(stripe, record, method, sent);
  return method === 'POST' ? submit(stripe, record, sent) : show(stripe, record, { values: { country: COUNTRIES[0] } });
}
