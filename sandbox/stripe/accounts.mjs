// Accounts as the platform sees them, and the change that a merchant's onboarding would make.
import { noAccess } from './errors.mjs';

/** The stored merchant in the API's shape (a Standard account with its own Dashboard). */
export function showAccount(account) {
  const none = { alternatives: [], current_deadline: null, currently_due: [], disabled_reason: null, errors: [], eventually_due: [], past_due: [], pending_verification: [] };
  return {
    id: account.id,
    object: 'account',
    business_profile: { mcc: null, name: account.name, product_description: null, support_address: null, support_email: null, support_phone: null, support_url: null, url: account.url },
    business_type: null,
    capabilities: account.charges_enabled ? { card_payments: 'active', transfers: 'active' } : { card_payments: 'inactive', transfers: 'inactive' },
    charges_enabled: account.charges_enabled,
    controller: { type: 'account' },
    country: account.country,
    created: account.created,
    default_currency: account.default_currency,
    details_submitted: account.details_submitted,
    email: account.email,
    external_accounts: { object: 'list', data: [], has_more: false, url: `/v1/accounts/${account.id}/external_accounts` },
    future_requirements: none,
    metadata: {},
    payouts_enabled: account.payouts_enabled,
    requirements: account.charges_enabled ? none : { ...none, currently_due: ['external_account'], eventually_due: ['external_account'], disabled_reason: 'requirements.past_due' },
    settings: {
      branding: { icon: null, logo: null, primary_color: null, secondary_color: null },
      card_payments: { statement_descriptor_prefix: null },
      dashboard: { display_name: account.name, timezone: 'Etc/UTC' },
      payments: { statement_descriptor: null, statement_descriptor_kana: null, statement_descriptor_kanji: null },
    },
    tos_acceptance: { date: null, ip: null, user_agent: null },
    type: account.type,
  };
}

/** What differs between two looks at an object, as an event's `previous_attributes` show it: the old values. */
function changedFrom(before, after) {
  const was = {};
  for (const [name, value] of Object.entries(before)) {
    if (JSON.stringify(value) === JSON.stringify(after[name])) continue;
    was[name] = typeof value === 'object' && value !== null && !Array.isArray(value) ? changedFrom(value, after[name] ?? {}) : value;
  }
  return was;
}

const CHANGEABLE = ['name', 'email', 'country', 'url', 'default_currency', 'charges_enabled', 'details_submitted', 'payouts_enabled'];

/** Onboarding goes on, or Stripe puts a stop to it: charges_enabled, details_submitted, … Told wherever the account is connected. */
export function updateAccount(world, id, fields) {
  const record = world.record('account', id);
  if (!record) throw new Error(`no such account: ${id}`);
  for (const name of Object.keys(fields)) if (!CHANGEABLE.includes(name)) throw new Error(`updateAccount: ${name} is none of ${CHANGEABLE.join(', ')}`);
  const before = showAccount(record.object);
  Object.assign(record.object, fields);
  const after = showAccount(record.object);
  world.changed();
  for (const livemode of [false, true]) {
    if (world.connection(id, livemode)) world.emit('account.updated', after, { owner: id, livemode }, changedFrom(before, after));
  }
  return after;
}

export const operations = {
  'GET /v1/account': ({ world, scope }) => showAccount(world.record('account', scope.owner).object),

  'GET /v1/accounts/{account}': ({ world, scope, path, key }) => {
    const { account } = path;
    const own = account === scope.owner;
    const connected = scope.owner === world.keys.platform && world.connection(account, scope.livemode);
    const record = world.record('account', account);
    if (!record || !(own || connected)) throw noAccess(account, key);
    return showAccount(record.object);
  },
};
