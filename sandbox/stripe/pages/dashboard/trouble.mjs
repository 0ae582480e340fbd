// The switches for trouble, and the calls that came in.
import { WAYS } from '../../misbehave.mjs';
import { FAULTS } from '../../misdeliver.mjs';
import { field } from '../fields.mjs';
import { html } from '../html.mjs';
import { act, frame, options, pill, table, when } from './frame.mjs';

export function requests(stripe) {
  const rows = stripe.requests.slice(-100).reverse().map((entry) => [
    html`<code>${entry.method} ${entry.path.length > 60 ? `${entry.path.slice(0, 60)}…` : entry.path}</code>`,
    pill(entry.status === null ? 'running' : entry.status === 0 ? 'cut' : entry.status), entry.replayed ? 'replayed' : '',
    entry.account, html`<code>${entry.id}</code>`, when(entry.at / 1000),
  ]);
  return frame('Requests', '', table(['Call', 'Answer', '', 'Account', 'Request id', 'At (UTC)'], rows, 'Nobody has called yet.'), [['/dashboard', 'Accounts']]);
}

const PLACES = ['POST /v1/checkout/sessions', 'GET /v1/checkout/sessions/{session}', 'POST /v1/checkout/sessions/{session}/expire', 'POST /v1/payment_intents', 'POST /v1/payment_intents/{intent}/confirm', 'GET /v1/payment_intents', 'GET /v1/payment_intents/search', 'GET /v1/shared_payment/granted_tokens/{shared_payment_granted_token}', 'POST /v1/refunds', 'POST /v1/payment_intents/{intent}/capture', 'POST /v1/payment_intents/{intent}/cancel', 'GET /v1/payment_intents/{intent}', 'GET /v1/refunds', 'GET /v1/charges/{charge}', 'GET /v1/disputes/{dispute}', 'GET /v1/account', 'GET /v1/accounts/{account}', 'POST /oauth/token', 'POST /oauth/deauthorize'];

const back = '/dashboard/trouble';

function webhooks(stripe) {
  const { jobs, paused, misdelivery } = stripe.webhooks;
  const rules = misdelivery.rules.map((rule) => [html`<code>${String(rule.on ?? 'every event')}</code>`, FAULTS[rule.how], rule.left, /late|behind/.test(rule.how) ? `${rule.ms} ms` : '']);
  return html`<h2>Webhooks</h2>
<p>${jobs.size} waiting. ${paused ? 'Held back.' : 'Sent as they come.'}</p>
${paused ? act('resume', 'Send again', { back }) : act('pause', 'Hold back', { back })} ${act('drop', 'Lose what waits', { back })}
${paused && act('deliver', 'Send one by one', { back }, { inputs: html`
<div class="field small"><label for="order">In which order</label><select id="order" name="order">${options([['made', 'as made'], ['reversed', 'last first'], ['shuffled', 'shuffled']])}</select></div>
<label class="check"><input type="checkbox" name="copies" value="2"> each twice</label>` })}
${table(['Event', 'What', 'Times left', ''], rules, 'None goes astray.')}
${act('misdeliver', 'Let events go astray', { back }, { inputs: html`
<div class="row"><div class="field"><label for="type">Type (refund.created, charge.*; empty = every event)</label><input id="type" name="on"></div>
<div class="field"><label for="fault">What</label><select id="fault" name="how">${options(Object.entries(FAULTS), 'twice')}</select></div></div>
<input type="hidden" name="times" value="1">` })}`;
}

// What to make of an object is for programs to say.
const CHOICES = Object.entries(WAYS).filter(([way]) => way !== 'bend');

export function trouble(stripe, note) {
  const rules = stripe.misbehaviour.rules.map((rule) => [html`<code>${String(rule.on ?? 'everything')}</code>`, WAYS[rule.how], rule.left, rule.how === 'slow' ? `${rule.ms} ms` : '']);
  return frame('Trouble', note, html`<p>Networks fail. Choose what goes wrong, where and how often, then use the shop and see whether it copes.</p>
${table(['Where', 'What', 'Times left', ''], rules, 'Everything works at the moment.')}
${rules.length + stripe.webhooks.misdelivery.rules.length > 0 && act('clear', 'Make everything work again', { back: '/dashboard/trouble' })}
<h2>Make trouble</h2>
${act('misbehave', 'Switch on', { back: '/dashboard/trouble' }, { kind: 'primary', inputs: html`
<div class="field"><label for="on">Where</label><select id="on" name="on">${PLACES.map((place) => html`<option>${place}</option>`)}<option value="">everywhere</option></select></div>
<div class="field"><label for="how">What</label><select id="how" name="how">${CHOICES.map(([way, what]) => html`<option value="${way}"${way === 'drop_after' && html` selected`}>${what}</option>`)}</select></div>
<div class="row">${field({ name: 'times', label: 'How many times', type: 'number', value: '1' })}${field({ name: 'ms', label: 'Milliseconds (when slow)', type: 'number', value: '11000' })}</div>` })}
${webhooks(stripe)}
<h2>Time</h2>
<p>Here it is ${when(stripe.world.now())} UTC. Sessions run out after a day at most, authorisations after a week.</p>
${[['An hour passes', 3_600], ['A day passes', 86_400], ['A week passes', 7 * 86_400 + 60]].map(([label, seconds]) => act('advance', label, { seconds, back }))}`, [['/dashboard', 'Accounts']]);
}
