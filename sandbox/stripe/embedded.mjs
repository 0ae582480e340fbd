// Account sessions, and what an embedded component may do with one.
import { StripeError, invalid, noAccess } from './errors.mjs';
import { newId, random } from './ids.mjs';

const KIND = 'account_session';
const LIFE = 30 * 60;
/** In private preview: known only to whom says this beside the version. */
const BETA = 'v2';

export const operations = {
  'POST /v1/account_sessions': ({ world, params, scope, key, version }) => {
    const { account, components } = params;
    if (scope.owner !== account && !(scope.owner === world.keys.platform && world.connection(account, scope.livemode))) throw noAccess(account, key);
    const enabled = Object.entries(components).filter(([, component]) => component.enabled).map(([name]) => name);
    if (enabled.length === 0) throw invalid('Enable one component at least.', { param: 'components' });
    if (enabled.includes('agentic_commerce_settings') && version.embedded_connect_beta !== BETA) {
      throw new StripeError(400, { code: 'parameter_unknown', param: 'components[agentic_commerce_settings]', message: 'Received unknown parameter: components[agentic_commerce_settings]' });
    }
    const clientSecret = `accs_secret__${random(48)}`;
    world.add(KIND, { id: newId(KIND), account, expires_at: world.now() + LIFE }, { owner: account, livemode: scope.livemode, clientSecret, enabled });
    return {
      object: 'account_session', account, client_secret: clientSecret, expires_at: world.now() + LIFE, livemode: scope.livemode,
      components: Object.fromEntries(enabled.map((name) => [name, { enabled: true, features: {} }])),
    };
  },
};

/** The component begins: the secret is good once. → { page } (what its frame goes on with), or { problem }. */
export function claim(world, { clientSecret, publishableKey, component }) {
  const record = [...world.table(KIND).values()].find((one) => one.clientSecret && one.clientSecret === clientSecret);
  if (!record) return { problem: 'This client secret is not known, or was used.' };
  if (record.object.expires_at <= world.now()) return { problem: 'The account session has expired.' };
  if (!String(publishableKey).startsWith(record.livemode ? 'pk_live_' : 'pk_test_')) return { problem: 'The publishable key is of the other mode.' };
  if (!record.enabled.includes(component)) return { problem: `The account session is not for ${component}.` };
  record.clientSecret = null;
  record.frame = random(32);
  world.changed();
  return { page: record.frame };
}

/** Whose component it is, while its session lives. */
export function frameOf(world, token) {
  const record = [...world.table(KIND).values()].find((one) => one.frame && one.frame === token);
  return record && record.object.expires_at > world.now() ? record : undefined;
}
