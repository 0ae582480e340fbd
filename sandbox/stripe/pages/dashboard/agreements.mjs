// Agreements as the agents see them: which sellers have switched them on, and what they say to it.
import { html } from '../html.mjs';
import { act, frame, mode, pill, table } from './frame.mjs';

const back = '/dashboard/agreements';

export function agreements(stripe, note) {
  const { world } = stripe;
  const rows = [...world.table('agreement').values()].reverse().slice(0, 100).map(({ object: agreement, owner, livemode }) => [
    html`<code>${agreement.id}</code>`, world.record('account', owner)?.object.name ?? owner, agreement.orchestrator_details.name, html`${pill(agreement.status)} ${pill(mode(livemode))}`,
    html`${agreement.status !== 'terminated' && !agreement.status_transitions.orchestrator_confirmed_at && act('agentConfirms', 'Accept as the agent', { id: agreement.id, back }, { kind: 'primary' })}
${agreement.status !== 'terminated' && act('agentEnds', 'End as the agent', { id: agreement.id, back })}`,
  ]);
  return frame('Agreements', note, html`<p>Between sellers and agents. A seller switches an agent on in the embedded component; here the agent answers.</p>
${table(['Agreement', 'Seller', 'Agent', 'State', ''], rows, 'None yet. A seller opens the settings of agents in the shop, and switches one on.')}`, [['/dashboard', 'Accounts']]);
}
