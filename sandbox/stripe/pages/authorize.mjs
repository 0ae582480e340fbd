// The OAuth page of connect.stripe.com: the merchant chooses an account, approves or denies.
import { approve, choices, deny, newMerchant, readAuthorize } from '../oauth.mjs';
import { country, field } from './fields.mjs';
import { document, html, message, redirect, testBadge } from './html.mjs';

function show(stripe, ask, search) {
  const accounts = choices(stripe.world, ask.livemode);
  const fresh = accounts.length === 0 || ask.landing === 'register';
  const prefill = (name) => (typeof ask.prefill[name] === 'string' ? ask.prefill[name].slice(0, 200) : '');
  const chosenCountry = prefill('country').toUpperCase() || 'US';
  return document({
    title: 'Connect your account', kind: 'single',
    body: html`<main class="card wide">
${testBadge(ask.livemode)}
<h1>Connect to CognitiveCart</h1>
<p>CognitiveCart would like to take payments for your account: create and see payments, refund them, and read your account's details. You can disconnect it at any time.</p>
<form method="post" action="/oauth/authorize${search}">
<fieldset><legend>Which account?</legend>
<div class="choices">
${accounts.map((account, index) => html`<label class="choice"><input type="radio" name="account" value="${account.id}"${!fresh && index === 0 && html` checked`}><span>${account.name}<span class="muted">${account.email} · ${account.country} · ${account.id}</span></span><span></span></label>`)}
<label class="choice"><input type="radio" name="account" value="new"${fresh && html` checked`}><span>A brand-new account<span class="muted">opened now, filled in from what the shop sent</span></span><span></span></label>
<div class="new-fields">
${field({ name: 'name', label: 'Business name', value: prefill('business_name') || 'My new shop', required: false })}
${field({ name: 'email', label: 'Email', type: 'email', value: prefill('email'), required: false })}
${country({ name: 'country', value: chosenCountry })}
</div>
</div></fieldset>
<div class="buttons"><button class="primary" name="decision" value="approve">Connect my account</button><button class="quiet" name="decision" value="deny" formnovalidate>Deny</button></div>
</form>
<p class="foot">A local stand-in for Stripe. No real account is touched.</p>
</main>`,
  });
}

export async function authorize(stripe, { method, url, query, form }) {
  const { world } = stripe;
  const read = readAuthorize(world, query);
  if (read.shown) return message({ status: 400, title: 'This request cannot be used', text: `${read.shown.text} (${read.shown.code})` });
  if (read.redirect) return redirect(read.redirect);
  if (method !== 'POST') return show(stripe, read.ask, url.search);
  if (form.decision !== 'approve') return redirect(deny(read.ask));
  if (form.account === 'new') return redirect(approve(world, read.ask, newMerchant(world, read.ask, form).id));
  const known = choices(world, read.ask.livemode).some((account) => account.id === form.account);
  if (!known) return message({ status: 422, title: 'Choose an account', text: 'Go back and choose one of the accounts.' });
  return redirect(approve(world, read.ask, form.account));
}
