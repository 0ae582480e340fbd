// The switches for trouble, and the calls that came in.
import { WAYS } from '../../misbehave.mjs';
import { field } from '../fields.mjs';
import { html } from '../html.mjs';
import { act, frame, pill, table, when } from './frame.mjs';

export function requests(stripe) {
  const rows = stripe.requests.slice(-100).reverse().map((entry) => [
    html`<code>${entry.method} ${entry.path.length > 60 ? `${entry.path.slice(0, 60)}…` : entry.path}</code>`,
    pill(entry.status === null ? 'running' : entry.status === 0 ? 'cut' : entry.status), entry.replayed ? 'replayed' : '',
    entry.account, html`<code>${entry.id}</code>`, when(entry.at / 1000),
  ]);
  return frame('Requests', '', table(['Call', 'Answer', '', 'Account', 'Request id', 'At (UTC)'], rows, 'Nobody has called yet.'), [['/dashboard', 'Accounts']]);
}

const PLACES = ['POST /v1/checkout/sessions', 'GET /v1/checkout/sessions/{session}', 'POST /v1/checkout/sessions/{session}/expire', 'POST /v1/refunds', 'POST /v1/payment_intents/{intent}/capture', 'GET /v1/account', 'GET /v1/accounts/{account}', 'POST /oauth/token', 'POST /oauth/deauthorize'];

// What to make of an object is for programs to say.
const CHOICES = Object.entries(WAYS).filter(([way]) => way !== 'bend');

export function trouble(stripe, note) {
  const rules = stripe.misbehaviour.rules.map((rule) => [html`<code>${String(rule.on ?? 'everything')}</code>`, WAYS[rule.how], rule.left, rule.how === 'slow' ? `${rule.ms} ms` : '']);
  return frame('Trouble', note, html`<p>Networks fail. Choose what goes wrong, where and how often, then use the shop and see whether it copes.</p>
${table(['Where', 'What', 'Times left', ''], rules, 'Everything works at the moment.')}
${rules.length > 0 && act('clear', 'Make everything work again', { back: '/dashboard/trouble' })}
<h2>Make trouble</h2>
${act('misbehave', 'Switch on', { back: '/dashboard/trouble' }, { kind: 'primary', inputs: html`
<div class="field"><label for="on">Where</label><select id="on" name="on">${PLACES.map((place) => html`<option>${place}</option>`)}<option value="">everywhere</option></select></div>
<div class="field"><label for="how">What</label><select id="how" name="how">${CHOICES.map(([way, what]) => html`<option value="${way}"${way === 'drop_after' && html` selected`}>${what}</option>`)}</select></div>
<div class="row">${field({ name: 'times', label: 'How many times', type: 'number', value: '1' })}${field({ name: 'ms', label: 'Milliseconds (when slow)', type: 'number', value: '11000' })}</div>` })}
<h2>Webhooks</h2>
<p>${stripe.webhooks.jobs.size} waiting. ${stripe.webhooks.paused ? 'Held back.' : 'Sent as they come.'}</p>
${stripe.webhooks.paused ? act('resume', 'Send again', { back: '/dashboard/trouble' }) : act('pause', 'Hold back', { back: '/dashboard/trouble' })} ${act('drop', 'Lose what waits', { back: '/dashboard/trouble' })}`, [['/dashboard', 'Accounts']]);
}
