// connect.stripe.com's part: who may come to the authorize page, what codes are worth, how a connection ends.
import { check } from './check.mjs';
import { OAuthError } from './errors.mjs';
import { random } from './ids.mjs';

const CODE_LIFE = 5 * 60;
const MAX_CODES = 5_000;

/** Parameters of the token calls; refused in OAuth's own error shape. */
export function checked(raw, fields) {
  try {
    return check(raw, fields);
  } catch (error) {
    if (error.error?.param === 'grant_type' && raw.grant_type) {
      throw new OAuthError(400, 'unsupported_grant_type', `Grant type '${String(raw.grant_type).slice(0, 40)}' is not supported.`);
    }
    throw new OAuthError(400, error.error?.param === 'scope' ? 'invalid_scope' : 'invalid_request', error.message);
  }
}

// -- the authorize page --------------------------------------------------------------------------------------------

/**
 * What an authorize address asks for. → { shown } (a problem that only the person sees: never redirect to an address
 * that nobody registered), { redirect } (a problem told to the application) or { ask }.
 */
export function readAuthorize(world, query) {
  const livemode = [false, true].find((mode) => query.client_id && world.clientId(mode) === query.client_id);
  if (livemode === undefined) return { shown: { code: 'invalid_client', text: 'No application has this client_id.' } };
  const uri = query.redirect_uri ?? world.redirectUris[0];
  if (!uri || !world.redirectUris.includes(uri)) {
    return { shown: { code: 'invalid_redirect_uri', text: 'This redirect_uri is not registered for the application. It has to be one of the registered ones, letter by letter.' } };
  }
  if (livemode && !/^https:\/\//.test(uri) && !/^http:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/.test(uri)) {
    // Stripe wants https without exception; loopback is let through so that live mode can be tried here.
    return { shown: { code: 'invalid_redirect_uri', text: 'In live mode the redirect_uri has to be https.' } };
  }
  const back = (error, description) => ({ redirect: backTo(uri, { error, error_description: description, state: query.state }) });
  if (!query.response_type) return back('invalid_request', 'response_type is missing');
  if (query.response_type !== 'code') return back('unsupported_response_type', 'Only the response_type code is supported');
  const scope = query.scope ?? 'read_only';
  if (scope !== 'read_write' && scope !== 'read_only') return back('invalid_scope', 'The scope is read_write or read_only');
  if (scope === 'read_only') return back('invalid_scope', 'read_only is for extensions; this application is a platform');
  const { stripe_user: prefill = {} } = query;
  return { ask: { livemode, clientId: query.client_id, redirectUri: uri, state: query.state, scope, landing: query.stripe_landing, prefill: typeof prefill === 'object' ? prefill : {} } };
}

export function backTo(uri, members) {
  const target = new URL(uri);
  for (const [name, value] of Object.entries(members)) if (value !== undefined) target.searchParams.append(name, value);
  return target.href;
}

/** Merchants who can be chosen in this mode. */
export function choices(world, livemode) {
  return [...world.table('account').values()]
    .filter((record) => record.object.id !== world.keys.platform && (record.only === undefined || record.only === livemode))
    .map((record) => record.object);
}

/** Approved: a code for the application. → where the browser goes. */
export function approve(world, ask, account) {
  const code = `ac_${random(32)}`;
  world.codes.set(code, { account, livemode: ask.livemode, scope: ask.scope, at: world.now(), used: false });
  if (world.codes.size > MAX_CODES) world.codes.delete(world.codes.keys().next().value);
  world.changed();
  return backTo(ask.redirectUri, { scope: ask.scope, code, state: ask.state });
}

export function deny(ask) {
  return backTo(ask.redirectUri, { error: 'access_denied', error_description: 'The user denied your request', state: ask.state });
}

/** A brand-new merchant, filled in from what the application sent along. */
export function newMerchant(world, ask, given = {}) {
  const text = (value, fallback) => (typeof value === 'string' && value.trim() ? value.trim().slice(0, 200) : fallback);
  const country = text(given.country ?? ask.prefill.country, 'US').toUpperCase();
  return world.addAccount({
    name: text(given.name ?? ask.prefill.business_name, 'A new shop'),
    email: text(given.email ?? ask.prefill.email, 'owner@example.com'),
    url: text(ask.prefill.url, null),
    country: /^[A-Z]{2}$/.test(country) ? country : 'US',
  }).object;
}

// -- tokens --------------------------------------------------------------------------------------------------------

const modeName = (livemode) => (livemode ? 'live' : 'test');

function grant(world, { account, livemode, scope, code }) {
  const old = world.connection(account, livemode);
  const mode = modeName(livemode);
  const connection = old ?? {
    account, livemode, scope, codes: [], since: world.now(),
    publishable_key: `pk_${mode}_51${random(96)}`,
  };
  connection.access_token = `sk_${mode}_51${random(96)}`;
  connection.refresh_token ??= `rt_${random(48)}`;
  if (code) connection.codes.push(code);
  world.connect(connection);
  if (!old) world.emit('account.application.authorized', world.application(livemode), { owner: account, livemode });
  return {
    access_token: connection.access_token,
    livemode,
    refresh_token: connection.refresh_token,
    token_type: 'bearer',
    stripe_publishable_key: connection.publishable_key,
    stripe_user_id: account,
    scope,
  };
}

const badGrant = (description) => new OAuthError(400, 'invalid_grant', description);

function byCode(world, code, livemode) {
  if (!code) throw new OAuthError(400, 'invalid_request', 'code is missing.');
  const known = world.codes.get(code);
  if (!known) throw badGrant(`There is no such authorization code: ${code.slice(0, 8)}…`);
  if (known.livemode !== livemode) {
    throw badGrant(`The code was made in ${modeName(known.livemode)} mode, and the key is a ${modeName(livemode)} mode key.`);
  }
  if (known.used) {
    // Two exchanges of one code mean that somebody else has seen it: what the first one got ends too.
    const connection = world.connection(known.account, livemode);
    if (connection?.codes.includes(code)) {
      connection.codes = connection.codes.filter((other) => other !== code);
      if (connection.codes.length === 0) world.disconnect(known.account, livemode);
    }
    throw badGrant('This authorization code has been used before. What it granted has been revoked.');
  }
  if (known.at + CODE_LIFE < world.now()) throw badGrant('The authorization code has expired.');
  known.used = true;
  return grant(world, { ...known, code });
}

function byRefreshToken(world, token, livemode) {
  const found = [...world.connections.values()].find((connection) => connection.refresh_token === token);
  if (!token || !found) throw badGrant('There is no such refresh token.');
  // A live grant opens test mode too; a test grant never opens live mode.
  if (livemode && !found.livemode) throw badGrant('The refresh token is of test mode, and the key is a live mode key.');
  return grant(world, { account: found.account, livemode, scope: found.scope });
}

export const operations = {
  'POST /oauth/token': ({ world, params, scope }) => (params.grant_type === 'authorization_code'
    ? byCode(world, params.code, scope.livemode)
    : byRefreshToken(world, params.refresh_token, scope.livemode)),

  'POST /oauth/deauthorize': ({ world, params, scope }) => {
    const { client_id: client, stripe_user_id: account } = params;
    if (client !== world.clientId(scope.livemode)) {
      throw new OAuthError(401, 'invalid_client', 'No application of this key has that client_id.');
    }
    // One that the platform made was connected by no OAuth.
    if (world.connection(account, scope.livemode)?.made || !world.disconnect(account, scope.livemode)) {
      throw new OAuthError(401, 'invalid_client', `The application is not connected to the account ${account}, or there is no such account.`);
    }
    return { stripe_user_id: account };
  },
};
