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

export function updateAccount(world, id, fields) {
  const record = world.record('account', id);
  if (!record) throw new Error(`no such account: ${id}`);
  Object.assign(record.object, fields);
  world.changed();
  for (const livemode of [false, true]) {
    if (world.connection(id, livemode)) world.emit('account.updated', showAccount(record.object), { owner: id, livemode });
  }
  return showAccount(record.object);
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
