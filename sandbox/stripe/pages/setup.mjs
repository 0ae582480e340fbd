// Stripe's form for an account that a platform made: the merchant says who they are, or puts it off.
import { formOf, leave, visit } from '../onboarding.mjs';
import { country, field } from './fields.mjs';
import { document, html, message, redirect, testBadge } from './html.mjs';

const lost = (text) => message({ status: 404, title: 'This form is not open', text });

function show({ account }, form) {
  const { object, made } = account;
  return document({
    title: 'Tell us about your business', kind: 'single',
    body: html`<main class="card wide">
${testBadge(made.livemode)}
<h1>Tell us about your business</h1>
<p>CognitiveCart has opened an account for you. It takes payments as soon as this is filled in.</p>
<form method="post" action="/setup/s/${form}">
${field({ name: 'name', label: 'Business name', value: object.name, required: false })}
${country({ name: 'country', value: object.country })}
<div class="buttons"><button class="primary" name="decision" value="finish">Submit</button><button class="quiet" name="decision" value="later" formnovalidate>Save for later</button></div>
</form>
<p class="foot">A local stand-in for Stripe, which asks for a good deal more. ${object.email} · ${object.id}</p>
</main>`,
  });
}

export async function setup(stripe, { method, rest, form }) {
  const { world } = stripe;
  const [kind, first, second] = rest.split('/');
  if (kind === 'e' && method === 'GET') {
    const opened = visit(world, first, second);
    if (opened.refresh) return redirect(opened.refresh);
    return opened.form ? redirect(`/setup/s/${opened.form}`) : lost('No link leads here. Go back to where you came from and begin again.');
  }
  const found = kind === 's' && formOf(world, first);
  if (!found) return lost('It was sent already, or it never was. Go back to your shop.');
  if (method !== 'POST') return show(found, first);
  return redirect(leave(world, found, { finish: form.decision === 'finish', name: form.name?.trim().slice(0, 200), country: /^[A-Z]{2}$/.test(form.country ?? '') ? form.country : undefined }));
}
