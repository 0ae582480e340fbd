// The events sent out, each with its attempts and a way to send it again.
import { html, message } from '../html.mjs';
import { act, frame, pill, table, when } from './frame.mjs';

export function eventTable(stripe, records) {
  const last = new Map(stripe.webhooks.deliveries.map((delivery) => [delivery.id, delivery]));
  return table(['Event', 'Account', 'Made (UTC)', 'Delivery', ''], records.slice(0, 100).map(({ object: event }) => {
    const delivery = last.get(event.id);
    return [
      html`<a href="/dashboard/events/${event.id}">${event.type}</a>`, stripe.world.record('account', event.account ?? event.context)?.object.name ?? 'platform', when(event.created),
      delivery ? pill(delivery.status >= 200 && delivery.status < 300 ? 'delivered' : `failed_${delivery.status || delivery.error}`) : html`<span class="muted">not sent</span>`,
      act('resend', 'Resend', { id: event.id, back: `/dashboard/events/${event.id}` }),
    ];
  }), 'No events yet.');
}

export const events = (stripe, note) => frame('Events', note, html`<p>${stripe.webhooks.endpoints.length === 0 ? 'No endpoint is set.' : html`Sent to ${stripe.webhooks.endpoints.map((endpoint) => html`<code>${endpoint.url}</code> (${endpoint.connect ? 'connected accounts' : 'platform'}${endpoint.thin && ', thin'}) `)}`}</p>
${eventTable(stripe, [...stripe.world.table('event').values()].reverse())}`, [['/dashboard', 'Accounts']]);

export function event(stripe, id, note) {
  const record = stripe.world.record('event', id);
  if (!record) return message({ status: 404, title: 'There is no such event', text: id });
  const attempts = stripe.webhooks.deliveries.filter((delivery) => delivery.id === id)
    .map((delivery) => [delivery.attempt, html`<code>${delivery.url}</code>`, pill(delivery.status || delivery.error), html`<code class="clip">${delivery.body}</code>`, when(delivery.at / 1000)]);
  return frame(record.object.type, note, html`
<div class="line"><code>${id}</code> ${act('resend', 'Resend', { id, back: `/dashboard/events/${id}` }, { kind: 'primary' })} ${act('resend', 'Resend as a thin event', { id, thin: '1', back: `/dashboard/events/${id}` })}</div>
<h2>Attempts</h2>
${table(['#', 'To', 'Answer', 'Body', 'At (UTC)'], attempts, 'None: nobody listens, or it waits for its turn.')}
<h2>What is sent</h2>
<pre tabindex="0">${JSON.stringify(record.object, null, 2)}</pre>`, [['/dashboard', 'Accounts'], ['/dashboard/events', 'Events']]);
}
