// Agreements between sellers and agents (v2, in public preview): who switched whom on, who has confirmed, who has ended it.
import { invalid, unknownObject } from './errors.mjs';
import { newId } from './ids.mjs';
import { page, printed } from './second.mjs';
import { clone } from './world.mjs';

const KIND = 'agreement';
const COLLECTION = '/v2/orchestrated_commerce/agreements';

/** Agents that a merchant can switch on here. Made up. */
export const AGENTS = [
  { name: 'Errand', network_business_profile: 'profile_test_agentErrand' },
  { name: 'Compass', network_business_profile: 'profile_test_agentCompass' },
  { name: 'Lantern', network_business_profile: 'profile_test_agentLantern' },
];

const agentOf = (profile) => AGENTS.find((agent) => agent.network_business_profile === profile || agent.name === profile);

/** The seller's profile on Stripe's network, the same each time. */
const sellerProfile = (owner) => `profile_test_${owner.replace('acct_', '')}`;

/** v2 says 400 to what cannot be done any more; `executed`, as the work had begun. */
const refuse = (code, message) => invalid(message, { code, executed: true });

function tell(world, record, what) {
  world.emitThin(`v2.orchestrated_commerce.agreement.${what}`, { id: record.object.id, type: 'v2.orchestrated_commerce.agreement', url: `${COLLECTION}/${record.object.id}` }, record);
}

/** Opens one, by the seller or the agent. A seller has one with each agent at a time. */
export function open(world, { owner, livemode, orchestrator, by }) {
  const agent = agentOf(orchestrator);
  if (!agent) throw refuse('orchestrator_unknown', `There is no agent ${String(orchestrator).slice(0, 60)}.`);
  const known = world.list(KIND, { owner, livemode }).find(({ object }) => object.status !== 'terminated' && object.orchestrator_details.name === agent.name);
  if (known) throw refuse('agreement_exists', `There is an agreement with ${agent.name} already: ${known.object.id}.`);
  const record = world.add(KIND, {
    id: newId(KIND), object: 'v2.orchestrated_commerce.agreement', created: printed(world.now()), initiated_by: by, livemode,
    orchestrator_details: { ...agent }, seller_details: { network_business_profile: sellerProfile(owner) }, status: 'initiated',
    status_transitions: { orchestrator_confirmed_at: null, seller_confirmed_at: null, terminated_at: null }, terminated_by: null,
  }, { owner, livemode });
  tell(world, record, 'created');
  return record;
}

/** `by`: seller or orchestrator. */
export function confirm(world, record, by) {
  const { object } = record;
  const mine = `${by}_confirmed_at`;
  if (object.status === 'terminated') throw refuse('agreement_terminated', 'The agreement has been terminated.');
  if (object.status_transitions[mine]) throw refuse('agreement_already_confirmed', `The ${by} has confirmed already.`);
  object.status_transitions[mine] = printed(world.now());
  object.status = object.status_transitions.orchestrator_confirmed_at && object.status_transitions.seller_confirmed_at ? 'confirmed' : 'partially_confirmed';
  world.changed();
  tell(world, record, object.status);
  return record;
}

export function terminate(world, record, by) {
  const { object } = record;
  if (object.status === 'terminated') throw refuse('agreement_terminated', 'The agreement has been terminated.');
  object.status = 'terminated';
  object.status_transitions.terminated_at = printed(world.now());
  object.terminated_by = by;
  world.changed();
  tell(world, record, 'terminated');
  return record;
}

/** As in the embedded component: the merchant reads the agent's terms and switches it on. */
export function enable(world, { owner, livemode, agent }) {
  return confirm(world, open(world, { owner, livemode, orchestrator: agent, by: 'seller' }), 'seller');
}

function find(world, id, scope) {
  const record = world.record(KIND, id);
  if (!record || record.owner !== scope.owner || record.livemode !== scope.livemode) throw unknownObject('agreement', id);
  return record;
}

export const operations = {
  [`GET ${COLLECTION}`]: ({ world, params, scope }) => {
    const { network_business_profile: profile } = params;
    const items = world.list(KIND, scope).map((record) => record.object)
      .filter((object) => !profile || object.orchestrator_details.network_business_profile === profile);
    return page(items, params, COLLECTION);
  },
  [`POST ${COLLECTION}`]: ({ world, params, scope }) => clone(open(world, { ...scope, orchestrator: params.orchestrator, by: 'seller' }).object),
  [`GET ${COLLECTION}/{id}`]: ({ world, path, scope }) => clone(find(world, path.id, scope).object),
  [`POST ${COLLECTION}/{id}/confirm`]: ({ world, path, scope }) => clone(confirm(world, find(world, path.id, scope), 'seller').object),
  [`POST ${COLLECTION}/{id}/terminate`]: ({ world, path, scope }) => clone(terminate(world, find(world, path.id, scope), 'seller').object),
};
export const previewRoutes = Object.keys(operations);
