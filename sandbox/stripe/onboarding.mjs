// Accounts that a platform makes (Accounts v2), the links to Stripe's own form for them, and what the form does.
import { updateAccount } from './accounts.mjs';
import { invalid, noAccess } from './errors.mjs';
import { newId, random } from './ids.mjs';
import { printed } from './second.mjs';

const LINK = 'account_link';
/** A link is good for one visit, within five minutes. */
const LIFE = 5 * 60;

const refuse = (code, message) => invalid(message, { code, executed: true });

function looksLikeAddress(text) {
  try {
    const { protocol, hostname } = new URL(text);
    return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname));
  } catch {
    return false;
  }
}

const DUE = [
  ['identity.individual.given_name', 'card_payments'], ['identity.individual.date_of_birth', 'card_payments'], ['configuration.merchant.mcc', 'card_payments'],
].map(([description, capability]) => ({
  awaiting_action_from: 'user', description, errors: [], requested_reasons: [{ code: 'routine_onboarding' }],
  impact: { restricts_capabilities: [{ capability, configuration: 'merchant', deadline: { status: 'currently_due' } }] },
  minimum_deadline: { status: 'currently_due' },
}));

/** The stored merchant in v2's shape; what is not in `include` is null there. */
export function showMerchant(world, record, include = []) {
  const { object: account, made } = record;
  const has = (name, value) => (include.includes(name) ? value : null);
  return {
    id: account.id, object: 'v2.core.account', applied_configurations: ['merchant'], closed: made.closed ?? false,
    configuration: has('configuration.merchant', {
      customer: null, recipient: null,
      merchant: { applied: true, capabilities: { card_payments: { requested: true, status: account.charges_enabled ? 'active' : account.details_submitted ? 'pending' : 'restricted', status_details: [] } } },
    }),
    contact_email: account.email, created: printed(account.created), dashboard: made.dashboard,
    defaults: has('defaults', made.defaults), display_name: account.name, future_requirements: null,
    identity: has('identity', { country: account.country, ...(made.entity && { entity_type: made.entity }) }),
    livemode: made.livemode, metadata: made.metadata,
    requirements: has('requirements', { entries: account.details_submitted ? [] : DUE, ...(!account.details_submitted && { summary: { minimum_deadline: { status: 'currently_due' } } }) }),
  };
}

function own(world, id, scope) {
  const record = world.record('account', id);
  return record?.made && record.made.livemode === scope.livemode && scope.owner === world.keys.platform ? record : undefined;
}

/** What the form's end changes, told as v1 and as v2 tell it. */
function changed(world, record, fields) {
  updateAccount(world, record.object.id, fields);
  const { id } = record.object;
  const at = { owner: id, livemode: record.made.livemode };
  const related = { id, type: 'v2.core.account', url: `/v2/core/accounts/${id}` };
  world.emitThin('v2.core.account[requirements].updated', related, at);
  world.emitThin('v2.core.account[configuration.merchant].capability_status_updated', related, at);
}

/** The account's owner closes it. */
export function close(world, id) {
  const record = world.record('account', id);
  if (!record?.made) throw new Error(`${id} is no account that a platform made`);
  record.made.closed = true;
  Object.assign(record.object, { charges_enabled: false, payouts_enabled: false });
  world.emitThin('v2.core.account.closed', { id, type: 'v2.core.account', url: `/v2/core/accounts/${id}` }, { owner: id, livemode: record.made.livemode });
}

export const operations = {
  'POST /v2/core/accounts': ({ world, params, scope }) => {
    if (scope.owner !== world.keys.platform) throw refuse('account_not_permitted', 'Only a platform makes accounts.');
    const { contact_email: email, display_name: name, dashboard = 'none', identity = {}, configuration, defaults = {}, metadata = {}, include = [] } = params;
    if (email !== undefined && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) throw refuse('email_invalid', `This is no valid email address: ${email}.`);
    if (configuration?.merchant && !email) throw refuse('contact_email_required', 'A contact_email is required for a merchant.');
    if (identity.country !== undefined && !/^[A-Za-z]{2}$/.test(identity.country)) throw refuse('country_invalid', 'This is no country.');
    if (dashboard === 'full' && (defaults.responsibilities?.fees_collector !== 'stripe' || defaults.responsibilities?.losses_collector !== 'stripe')) {
      throw refuse('responsibilities_invalid', 'With the full Dashboard, Stripe collects fees and bears losses.');
    }
    const record = world.addAccount({
      livemode: scope.livemode, name, email, country: (identity.country ?? 'US').toUpperCase(), url: defaults.profile?.business_url ?? null,
      ...(defaults.currency && { default_currency: defaults.currency }), charges_enabled: false, details_submitted: false,
    });
    record.made = { livemode: scope.livemode, dashboard, defaults, metadata, entity: identity.entity_type ?? null };
    // Made by the platform, it is the platform's to act for; no OAuth has to do with it.
    world.connect({ account: record.object.id, livemode: scope.livemode, scope: 'read_write', codes: [], since: world.now(), made: true });
    return showMerchant(world, record, include);
  },

  'GET /v2/core/accounts/{id}': ({ world, params, path, scope, key }) => {
    const record = own(world, path.id, scope);
    if (!record) throw noAccess(path.id, key);
    return showMerchant(world, record, params.include);
  },

  'POST /v2/core/account_links': ({ world, params, scope, key }) => {
    const { account, use_case: use } = params;
    if (!own(world, account, scope)) throw noAccess(account, key);
    const asked = use[use.type];
    if (!asked) throw refuse('use_case_incomplete', `use_case.${use.type} is missing.`);
    for (const name of ['return_url', 'refresh_url']) {
      if (asked[name] !== undefined && !looksLikeAddress(asked[name])) throw refuse('url_invalid', `${name} is no address.`);
    }
    const record = world.add(LINK, { id: newId(LINK), account, expires_at: world.now() + LIFE }, {
      owner: account, livemode: scope.livemode, token: random(24), visited: false, returnUrl: asked.return_url, refreshUrl: asked.refresh_url,
    });
    return {
      object: 'v2.core.account_link', account, created: printed(world.now()), expires_at: printed(record.object.expires_at), livemode: scope.livemode,
      url: `${world.url}/setup/e/${account}/${record.token}`, use_case: { ...use, [use.type]: { configurations: ['merchant'], ...asked } },
    };
  },
};

// -- the form --------------------------------------------------------------------------------------------------------

const linkOf = (world, token) => [...world.table(LINK).values()].find((record) => record.token === token);

/** Somebody opens the link. → { form } (what the form is sent to), { refresh } (old, or opened before), or nothing at all. */
export function visit(world, account, token) {
  const link = linkOf(world, token);
  if (!link || link.owner !== account) return {};
  if (link.visited || link.object.expires_at <= world.now()) return { refresh: link.refreshUrl };
  link.visited = true;
  link.form = random(24);
  world.changed();
  return { form: link.form };
}

export function formOf(world, token) {
  const link = [...world.table(LINK).values()].find((record) => record.form && record.form === token);
  return link && { link, account: world.record('account', link.owner) };
}

/** The form's end: finished or not, the merchant goes back. → where to */
export function leave(world, { link, account }, { finish, name, country } = {}) {
  link.form = null;
  if (finish) changed(world, account, { ...(name && { name }), ...(country && { country }), details_submitted: true, charges_enabled: true, payouts_enabled: true });
  world.changed();
  return link.returnUrl ?? `${world.url}/dashboard`;
}
