// Shared payment tokens: minted here as an agent would, seen as they are used, taken back.
import { CARDS, DEBITS, NAMES } from '../../methods.mjs';
import { format } from '../../money.mjs';
import { expireToken } from '../../tokens.mjs';
import { field } from '../fields.mjs';
import { html } from '../html.mjs';
import { act, frame, mode, options, pill, table, when } from './frame.mjs';

const back = '/dashboard/tokens';
const nameOf = (number) => Object.keys(NAMES).find((name) => NAMES[name] === number);
const CHOICES = Object.entries({ ...CARDS, ...DEBITS }).map(([number, { what }]) => [number, `${nameOf(number) ?? number}: ${what}`]);

function rows(world) {
  return [...world.table('shared_payment.granted_token').values()].reverse().slice(0, 100).map((record) => {
    const { object: token, owner, card, payments, livemode } = expireToken(world, record);
    const { currency, max_amount: most, expires_at: until } = token.usage_limits;
    const captured = token.usage_details.amount_captured.value;
    return [
      html`<code>${token.id}</code>`, world.record('account', owner)?.object.name ?? owner, html`<code>${card}</code>`, format(most, currency),
      html`${pill(token.deactivated_reason ?? 'active')} ${pill(mode(livemode))}`, until === null ? 'never' : when(until),
      payments.map((id) => html`<a href="/dashboard/payments/${id}">${format(captured, currency)}</a> `),
      token.deactivated_at === null && act('revokeToken', 'Revoke', { id: token.id, back }),
    ];
  });
}

export function tokens(stripe, note) {
  const { world } = stripe;
  const sellers = [...world.table('account').values()].map(({ object }) => [object.id, object.id === world.keys.platform ? `${object.name}: destination charges` : object.name]);
  return frame('Shared payment tokens', note, html`<p>What a buyer's agent gives a seller to be paid with: good for one payment, up to an amount, until a time, to one seller only.</p>
<h2>Mint one</h2>
${act('grantToken', 'Mint', { back }, { kind: 'primary', inputs: html`
<div class="row"><div class="field"><label for="account">Seller</label><select id="account" name="account">${options(sellers, sellers.at(-1)?.[0])}</select></div>
<div class="field"><label for="live">Mode</label><select id="live" name="live">${options([['', 'test'], ['1', 'live']])}</select></div></div>
<div class="field"><label for="card">Pays by</label><select id="card" name="card">${options(CHOICES)}</select></div>
<div class="row">${field({ name: 'max', label: 'At most (minor units)', type: 'number', value: '5000' })}${field({ name: 'currency', label: 'Currency', value: 'usd' })}
${field({ name: 'minutes', label: 'Minutes it lives', type: 'number', value: '60' })}</div>` })}
<h2>All of them</h2>
${table(['Token', 'Seller', 'Card', 'At most', 'State', 'Until (UTC)', 'Paid', ''], rows(world), 'None yet.')}`, [['/dashboard', 'Accounts']]);
}
