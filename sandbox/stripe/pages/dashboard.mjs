// The Dashboard: accounts, payments, events and how they were delivered, and the switches for trouble.
import { settle } from '../checkout.mjs';
import { WAYS } from '../misbehave.mjs';
import { format } from '../money.mjs';
import { lapse } from '../payments.mjs';
import { document, html, message, redirect } from './html.mjs';
import { field } from './fields.mjs';

const when = (seconds) => html`<time>${new Date(seconds * 1000).toISOString().replace('T', ' ').slice(0, 19)}</time>`;
const pill = (status) => html`<span class="pill ${String(status).replace(/\W/g, '_')}">${String(status).replaceAll('_', ' ')}</span>`;
const mode = (livemode) => (livemode ? 'live' : 'test');

function frame(title, note, body, crumbs = []) {
  return document({
    title: `${title} – local Stripe`, kind: 'dashboard',
    body: html`<header class="top"><a href="/dashboard">Local Stripe</a><nav aria-label="Dashboard"><a href="/dashboard/events">Events</a><a href="/dashboard/requests">Requests</a><a href="/dashboard/trouble">Trouble</a></nav></header>
<main>
${crumbs.length > 0 && html`<p class="crumbs">${crumbs.map(([href, name]) => html`<a href="${href}">${name}</a> / `)}</p>`}
<h1>${title}</h1>
${note && html`<p class="note" role="status">${note}</p>`}
${body}
</main>`,
  });
}

/** A small form that does one thing and comes back. */
const act = (what, label, members = {}, { kind = 'quiet', inputs } = {}) => html`<form method="post" action="/dashboard/do" class="inline">
<input type="hidden" name="do" value="${what}">${Object.entries(members).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${inputs}<button class="${kind}">${label}</button></form>`;

const table = (heads, rows, empty) => (rows.length === 0 ? html`<p class="muted">${empty}</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`);

// -- pages ---------------------------------------------------------------------------------------------------------

function home(stripe, note) {
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

const remaining = (charge) => charge.amount_captured - charge.amount_refunded;
const status = (intent, charge) => (charge?.captured && charge.amount_refunded > 0 ? (remaining(charge) === 0 ? 'refunded' : 'partly_refunded') : intent.status);

function account(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('account', id);
  if (!record) return message({ status: 404, title: 'There is no such account', text: id });
  const mine = (kind) => [...world.table(kind).values()].filter((entry) => entry.owner === id).reverse().slice(0, 100);
  const payments = mine('payment_intent').map(({ object: intent, livemode }) => {
    const charge = world.record('charge', intent.latest_charge)?.object;
    return [html`<a href="/dashboard/payments/${intent.id}">${format(intent.amount, intent.currency)}</a>`, pill(status(intent, charge)), charge?.billing_details.email, pill(mode(livemode)), when(intent.created), html`<code>${intent.id}</code>`];
  });
  const open = mine('checkout.session').filter(({ object }) => object.status === 'open').map(({ object: session }) => [
    html`<a href="/checkout/c/pay/${session.id}">${format(session.amount_total, session.currency)}</a>`, when(session.expires_at), html`<code>${session.id.slice(0, 24)}…</code>`,
    act('expire', 'Expire', { id: session.id, back: `/dashboard/accounts/${id}` }),
  ]);
  const { object } = record;
  return frame(object.name, note, html`
<p class="muted">${object.email} · ${object.country} · <code>${id}</code> ${!object.charges_enabled && pill('charges_disabled')}</p>
<h2>Connections</h2>
${[false, true].map((live) => (world.connection(id, live)
    ? html`<p>${pill(mode(live))} CognitiveCart is connected. ${act('disconnect', 'Disconnect', { id, live: live ? '1' : '', back: `/dashboard/accounts/${id}` })}</p>`
    : ''))}
${![false, true].some((live) => world.connection(id, live)) && html`<p class="muted">${id === world.keys.platform ? 'This is the platform itself.' : 'Not connected to CognitiveCart.'}</p>`}
${id !== world.keys.platform && act('charges', object.charges_enabled ? 'Switch charges off' : 'Switch charges on', { id, back: `/dashboard/accounts/${id}` })}
<h2>Payments</h2>
${table(['Amount', 'Status', 'Buyer', 'Mode', 'Made (UTC)', 'Id'], payments, 'No payments yet.')}
<h2>Open checkouts</h2>
${table(['Total', 'Expires (UTC)', 'Id', ''], open, 'None.')}`, [['/dashboard', 'Accounts']]);
}

function payment(stripe, id, note) {
  const { world } = stripe;
  const record = world.record('payment_intent', id);
  if (!record) return message({ status: 404, title: 'There is no such payment', text: id });
  lapse(world, record);
  const intent = record.object;
  const back = `/dashboard/payments/${id}`;
  const charge = world.record('charge', intent.latest_charge)?.object;
  const fee = world.record('application_fee', charge?.application_fee)?.object;
  const money = (amount) => format(amount, intent.currency);
  const refunds = [...world.table('refund').values()].filter(({ object }) => object.payment_intent === id).map(({ object }) => [money(object.amount), pill(object.status), object.reason, when(object.created), html`<code>${object.id}</code>`]);
  const amount = (name, label, value) => html`<div class="field small"><label for="${name}">${label}</label><input id="${name}" name="${name}" type="number" min="1" max="${value}" value="${value}" required></div>`;
  const transfer = charge?.transfer;
  return frame(money(intent.amount), note, html`
<p>${pill(status(intent, charge))} ${pill(mode(intent.livemode))} <code>${id}</code></p>
<dl class="facts">
<div><dt>Buyer</dt><dd>${charge?.billing_details.name} ${charge?.billing_details.email}</dd></div>
<div><dt>Method</dt><dd>${charge?.payment_method_details.type} ${charge?.payment_method_details.card?.last4}</dd></div>
<div><dt>Captured</dt><dd>${money(charge?.amount_captured ?? 0)}</dd></div>
<div><dt>Refunded</dt><dd>${money(charge?.captured ? charge.amount_refunded : 0)}</dd></div>
<div><dt>Application fee</dt><dd>${fee ? `${money(fee.amount)}, ${money(fee.amount_refunded)} given back` : intent.application_fee_amount === null ? 'none' : `${money(intent.application_fee_amount)} (not yet taken)`}</dd></div>
${intent.last_payment_error && html`<div><dt>Last error</dt><dd>${intent.last_payment_error.message} ${intent.last_payment_error.decline_code}</dd></div>`}
${Object.entries(intent.metadata).map(([name, value]) => html`<div><dt><code>${name}</code></dt><dd><code>${value}</code></dd></div>`)}
</dl>
<div class="actions">
${intent.status === 'requires_capture' && [act('capture', 'Capture', { id, back }, { kind: 'primary', inputs: amount('amount', `Capture (minor units of ${intent.currency})`, intent.amount_capturable) }), act('cancel', 'Cancel the authorization', { id, back })]}
${intent.status === 'processing' && [act('settle', 'The bank pays', { id, back, result: 'succeed' }, { kind: 'primary' }), act('settle', 'The bank returns it', { id, back, result: 'fail' })]}
${charge?.captured && remaining(charge) > 0 && act('refund', 'Refund', { id, back }, { kind: 'primary', inputs: html`${amount('amount', `Refund (minor units of ${intent.currency})`, remaining(charge))}${fee && html`<label class="check"><input type="checkbox" name="fee" value="1"> give the application fee back in proportion</label>`}${transfer && html`<label class="check"><input type="checkbox" name="transfer" value="1" checked> reverse the transfer</label>`}` })}
</div>
<h2>Refunds</h2>
${table(['Amount', 'Status', 'Reason', 'Made (UTC)', 'Id'], refunds, 'None.')}
<h2>Events</h2>
${eventTable(stripe, [...world.table('event').values()].filter(({ object }) => object.data.object.id === id || object.data.object.payment_intent === id).reverse())}`,
  [['/dashboard', 'Accounts'], [`/dashboard/accounts/${record.owner}`, world.record('account', record.owner)?.object.name ?? record.owner]]);
}

function eventTable(stripe, records) {
  const last = new Map(stripe.webhooks.deliveries.map((delivery) => [delivery.id, delivery]));
  return table(['Event', 'Account', 'Made (UTC)', 'Delivery', ''], records.slice(0, 100).map(({ object: event }) => {
    const delivery = last.get(event.id);
    return [
      html`<a href="/dashboard/events/${event.id}">${event.type}</a>`, stripe.world.record('account', event.account)?.object.name ?? 'platform', when(event.created),
      delivery ? pill(delivery.status >= 200 && delivery.status < 300 ? 'delivered' : `failed_${delivery.status || delivery.error}`) : html`<span class="muted">not sent</span>`,
      act('resend', 'Resend', { id: event.id, back: `/dashboard/events/${event.id}` }),
    ];
  }), 'No events yet.');
}

const events = (stripe, note) => frame('Events', note, html`<p>${stripe.webhooks.endpoints.length === 0 ? 'No endpoint is set.' : html`Sent to ${stripe.webhooks.endpoints.map((endpoint) => html`<code>${endpoint.url}</code> (${endpoint.connect ? 'connected accounts' : 'platform'}) `)}`}</p>
${eventTable(stripe, [...stripe.world.table('event').values()].reverse())}`, [['/dashboard', 'Accounts']]);

function event(stripe, id, note) {
  const record = stripe.world.record('event', id);
  if (!record) return message({ status: 404, title: 'There is no such event', text: id });
  const attempts = stripe.webhooks.deliveries.filter((delivery) => delivery.id === id)
    .map((delivery) => [delivery.attempt, html`<code>${delivery.url}</code>`, pill(delivery.status || delivery.error), html`<code class="clip">${delivery.body}</code>`, when(delivery.at / 1000)]);
  return frame(record.object.type, note, html`
<p><code>${id}</code> ${act('resend', 'Resend', { id, back: `/dashboard/events/${id}` }, { kind: 'primary' })}</p>
<h2>Attempts</h2>
${table(['#', 'To', 'Answer', 'Body', 'At (UTC)'], attempts, 'None: nobody listens, or it waits for its turn.')}
<h2>What is sent</h2>
<pre tabindex="0">${JSON.stringify(record.object, null, 2)}</pre>`, [['/dashboard', 'Accounts'], ['/dashboard/events', 'Events']]);
}

function requests(stripe) {
  const rows = stripe.requests.slice(-100).reverse().map((entry) => [
    html`<code>${entry.method} ${entry.path.length > 60 ? `${entry.path.slice(0, 60)}…` : entry.path}</code>`,
    pill(entry.status === null ? 'running' : entry.status === 0 ? 'cut' : entry.status), entry.replayed ? 'replayed' : '',
    entry.account, html`<code>${entry.id}</code>`, when(entry.at / 1000),
  ]);
  return frame('Requests', '', table(['Call', 'Answer', '', 'Account', 'Request id', 'At (UTC)'], rows, 'Nobody has called yet.'), [['/dashboard', 'Accounts']]);
}

const PLACES = ['POST /v1/checkout/sessions', 'GET /v1/checkout/sessions/{session}', 'POST /v1/checkout/sessions/{session}/expire', 'POST /v1/refunds', 'POST /v1/payment_intents/{intent}/capture', 'GET /v1/account', 'GET /v1/accounts/{account}', 'POST /oauth/token', 'POST /oauth/deauthorize'];

function trouble(stripe, note) {
  const rules = stripe.misbehaviour.rules.map((rule) => [html`<code>${String(rule.on ?? 'everything')}</code>`, WAYS[rule.how], rule.left, rule.how === 'slow' ? `${rule.ms} ms` : '']);
  return frame('Trouble', note, html`<p>Networks fail. Choose what goes wrong, where and how often, then use the shop and see whether it copes.</p>
${table(['Where', 'What', 'Times left', ''], rules, 'Everything works at the moment.')}
${rules.length > 0 && act('clear', 'Make everything work again', { back: '/dashboard/trouble' })}
<h2>Make trouble</h2>
${act('misbehave', 'Switch on', { back: '/dashboard/trouble' }, { kind: 'primary', inputs: html`
<div class="field"><label for="on">Where</label><select id="on" name="on">${PLACES.map((place) => html`<option>${place}</option>`)}<option value="">everywhere</option></select></div>
<div class="field"><label for="how">What</label><select id="how" name="how">${Object.entries(WAYS).map(([way, what]) => html`<option value="${way}"${way === 'drop_after' && html` selected`}>${what}</option>`)}</select></div>
<div class="row">${field({ name: 'times', label: 'How many times', type: 'number', value: '1' })}${field({ name: 'ms', label: 'Milliseconds (when slow)', type: 'number', value: '11000' })}</div>` })}
<h2>Webhooks</h2>
<p>${stripe.webhooks.jobs.size} waiting. ${stripe.webhooks.paused ? 'Held back.' : 'Sent as they come.'}</p>
${stripe.webhooks.paused ? act('resume', 'Send again', { back: '/dashboard/trouble' }) : act('pause', 'Hold back', { back: '/dashboard/trouble' })} ${act('drop', 'Lose what waits', { back: '/dashboard/trouble' })}`, [['/dashboard', 'Accounts']]);
}

// -- doing ---------------------------------------------------------------------------------------------------------

const number = (value, fallback) => (/^\d{1,15}$/.test(value ?? '') ? Number(value) : fallback);

const deeds = {
  create: async (stripe, form) => {
    const made = await stripe.createAccount({ name: form.name || undefined, email: form.email || undefined, country: /^[A-Za-z]{2}$/.test(form.country) ? form.country.toUpperCase() : undefined });
    return `${made.business_profile.name} can be chosen when a shop connects.`;
  },
  disconnect: async (stripe, form) => {
    await stripe.deauthorize(form.id, { livemode: form.live === '1' });
    return 'Disconnected; account.application.deauthorized is on its way.';
  },
  charges: async (stripe, form) => {
    const now = stripe.world.record('account', form.id)?.object.charges_enabled;
    await stripe.updateAccount(form.id, { charges_enabled: !now, payouts_enabled: !now });
    return `Charges are ${now ? 'off' : 'on'}.`;
  },
  expire: async (stripe, form) => {
    await stripe.expire(form.id);
    return 'Expired.';
  },
  refund: async (stripe, form) => {
    await stripe.refund(form.id, { amount: number(form.amount), ...(form.fee && { refund_application_fee: true }), ...(form.transfer && { reverse_transfer: true }) });
    return 'Refunded.';
  },
  capture: async (stripe, form) => {
    await stripe.capture(form.id, number(form.amount));
    return 'Captured.';
  },
  cancel: async (stripe, form) => {
    await stripe.cancelPayment(form.id);
    return 'Canceled.';
  },
  settle: async (stripe, form) => {
    const { session } = stripe.intent(form.id);
    if (!settle(stripe.world, stripe.session(session), form.result)) throw new Error('Nothing is under way for this payment.');
    return form.result === 'succeed' ? 'The bank has paid.' : 'The bank has returned it.';
  },
  resend: async (stripe, form) => {
    const statuses = await stripe.send(form.id);
    return statuses.length > 0 ? `Sent again: ${statuses.map((answer) => answer || 'no answer').join(', ')}.` : 'Nobody listens for this event.';
  },
  misbehave: async (stripe, form) => {
    stripe.misbehave({ on: form.on || undefined, how: form.how, times: Math.min(number(form.times, 1), 1000), ms: Math.min(number(form.ms, 11_000), 120_000) });
    return 'Switched on.';
  },
  clear: async (stripe) => {
    stripe.clearMisbehaviour();
    return 'Everything works again.';
  },
  pause: async (stripe) => {
    stripe.webhooks.pause();
    return 'Webhooks are held back.';
  },
  resume: async (stripe) => {
    stripe.webhooks.resume();
    return 'Webhooks are sent again.';
  },
  drop: async (stripe) => `${stripe.webhooks.drop()} lost.`,
};

async function perform(stripe, form) {
  // Back to one of these pages only, never to an address of somebody's choosing.
  const back = /^\/dashboard(\/[\w/]*)?$/.test(form.back ?? '') ? form.back : '/dashboard';
  const deed = Object.hasOwn(deeds, form.do ?? '') && deeds[form.do];
  if (!deed) return message({ status: 400, title: 'There is no such action', text: 'Go back and try again.' });
  let note;
  try {
    note = await deed(stripe, form);
  } catch (error) {
    note = `That did not work: ${error.message}`;
  }
  return redirect(`${back}?note=${encodeURIComponent(note)}`);
}

export async function dashboard(stripe, { method, rest, query, form }) {
  if (method === 'POST') return perform(stripe, form);
  const note = typeof query.note === 'string' ? query.note.slice(0, 300) : '';
  const [, what, id] = rest.split('/');
  if (!what) return home(stripe, note);
  if (what === 'accounts' && id) return account(stripe, id, note);
  if (what === 'payments' && id) return payment(stripe, id, note);
  if (what === 'events') return id ? event(stripe, id, note) : events(stripe, note);
  if (what === 'requests') return requests(stripe);
  if (what === 'trouble') return trouble(stripe, note);
  return message({ status: 404, title: 'Nothing is here', text: 'The local Stripe has no such page.' });
}
