// The way of an API call: route → key → version → account → parameters → idempotency → work → answer.
import { setTimeout as sleep } from 'node:timers/promises';
import * as accounts from './accounts.mjs';
import * as agreements from './agreements.mjs';
import { check } from './check.mjs';
import * as confirm from './confirm.mjs';
import * as disputes from './disputes.mjs';
import * as embedded from './embedded.mjs';
import { OAuthError, StripeError, invalid, maskKey, noAccess } from './errors.mjs';
import * as events from './events.mjs';
import { expand } from './expand.mjs';
import { decodeForm, decodeQuery, mediaType } from './form.mjs';
import { json } from './http.mjs';
import { claim } from './idempotency.mjs';
import { newId } from './ids.mjs';
import * as imports from './imports.mjs';
import * as intents from './intents.mjs';
import * as oauth from './oauth.mjs';
import * as onboarding from './onboarding.mjs';
import { parameters } from './parameters.mjs';
import * as refunds from './refunds.mjs';
import * as search from './search.mjs';
import { checkJson, readJson } from './second.mjs';
import * as sessions from './sessions.mjs';
import * as tokens from './tokens.mjs';
import { withoutPreviews } from './previews.mjs';
import { readVersion } from './versions.mjs';

/** Every operation that is served: a new family of objects is a new file here. */
const operations = Object.assign({}, ...[accounts, agreements, confirm, disputes, embedded, events, imports, search, intents, oauth, onboarding, refunds, sessions, tokens].map((file) => file.operations));

/** Served under previews alone. */
export const previewRoutes = [...tokens.previewRoutes, ...agreements.previewRoutes];

const KEEP_REQUESTS = 5_000;

const routes = Object.entries(operations).map(([route, run]) => {
  const [method, pattern] = route.split(' ');
  const names = [...pattern.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const matcher = new RegExp(`^${pattern.replace(/\{\w+\}/g, '([^/]+)')}$`);
  return { route, method, matcher, names, run, fields: parameters[route], preview: previewRoutes.includes(route), udap: imports.udapRoutes.includes(route), second: pattern.startsWith('/v2/') };
});

function match(method, pathname) {
  for (const candidate of routes) {
    const found = candidate.method === method && candidate.matcher.exec(pathname);
    if (found) {
      const path = Object.fromEntries(candidate.names.map((name, index) => [name, decodeURIComponent(found[index + 1])]));
      return { ...candidate, path };
    }
  }
  return null;
}

/** Plain objects and lists, for `stripe.requests`: what a test likes to compare. */
function plain(value) {
  if (typeof value !== 'object' || value === null) return value;
  const names = Object.keys(value);
  const isList = Array.isArray(value) || (names.length > 0 && names.every((name, index) => name === String(index)));
  return isList ? names.map((name) => plain(value[name])) : Object.fromEntries(names.map((name) => [name, plain(value[name])]));
}

function keyOf(request, params) {
  const header = request.headers.authorization ?? '';
  const [, scheme, value] = /^(bearer|basic)\s+(\S+)$/i.exec(header) ?? [];
  if (!scheme) return params?.client_secret;
  if (scheme.toLowerCase() === 'bearer') return value;
  return Buffer.from(value, 'base64').toString('utf8').split(':')[0];
}

/** Whose key: the platform's (by mode), or a token that OAuth gave for one account. */
function holder(world, key) {
  for (const livemode of [false, true]) {
    if (key === (livemode ? world.keys.live : world.keys.test).secret) return { owner: world.keys.platform, livemode };
  }
  const restricted = world.restricted?.get(key);
  if (restricted) return { owner: world.keys.platform, ...restricted };
  for (const connection of world.connections.values()) {
    if (connection.access_token === key) return { owner: connection.account, livemode: connection.livemode };
  }
  return null;
}

function authenticate(world, key, isOAuth) {
  if (!key) {
    const message = 'No API key was sent. Send your secret key as Authorization: Bearer.';
    throw isOAuth ? new OAuthError(401, 'invalid_client', message) : new StripeError(401, { message, headers: { 'WWW-Authenticate': 'Bearer realm="Stripe"' } });
  }
  const found = holder(world, key);
  if (found) return found;
  const message = `Invalid API key: ${maskKey(key)}`;
  throw isOAuth ? new OAuthError(401, 'invalid_client', message) : new StripeError(401, { message });
}

function actAs(world, scope, account, key) {
  if (!account || account === scope.owner) return scope;
  if (scope.owner !== world.keys.platform || !world.connection(account, scope.livemode)) throw noAccess(account, key);
  return { ...scope, owner: account };
}

const unrecognized = (request, url) =>
  new StripeError(404, { message: `Unrecognized request URL (${request.method}: ${url.pathname}), or one that this local stand-in does not play.` });

function readParams(request, url, body) {
  const params = decodeQuery(url.search);
  if (request.method !== 'POST') return params;
  if (body === null) throw new StripeError(413, { message: 'The request body is too large.' });
  // The file itself lies on disk: its part stands for it.
  if (body.multipart !== undefined) return Object.assign(params, body.multipart?.fields, (body.multipart?.file || body.multipart?.over) && { file: 'a file' });
  if (body.length === 0) return params;
  const { type, charset } = mediaType(request.headers['content-type']);
  if (url.pathname.startsWith('/v2/')) return readJson(body, type);
  if (type !== 'application/x-www-form-urlencoded') {
    throw invalid(`Send application/x-www-form-urlencoded; this was ${type || 'without a Content-Type'}.`);
  }
  return Object.assign(params, decodeForm(body.toString('latin1'), charset));
}

/** v2: a POST is JSON, and where a list goes on is told by an address whose `page` means nothing to others. */
function checked({ second, fields }, method, raw, version) {
  if (!second) return check(raw, fields, version);
  if (method === 'POST') return checkJson(raw, fields);
  const { page, ...params } = raw;
  return { ...check(params, fields, version), ...(page && { page: String(page) }) };
}

export class Api {
  constructor({ world, misbehaviour, log }) {
    Object.assign(this, { world, misbehaviour, log });
    this.requests = [];
  }

  record(entry) {
    this.requests.push(entry);
    if (this.requests.length > KEEP_REQUESTS) this.requests.shift();
    return entry;
  }

  async handle(request, url, body) {
    const id = newId('request');
    const found = match(request.method, url.pathname);
    const line = `${request.method} ${url.pathname}`;
    const entry = this.record({
      id, method: request.method, path: url.pathname, route: found?.route ?? line, params: {}, headers: request.headers,
      account: request.headers['stripe-account'] ?? null, livemode: null, status: null, replayed: false, at: Date.now(),
    });
    const rule = this.misbehaviour.take(entry.route, line);
    const result = await this.perform({ request, url, body, found, entry, rule });
    entry.status = result.drop ? 0 : result.status;
    this.log?.(`${line} ${result.drop ? 'dropped' : result.status}`);
    result.headers = { 'Request-Id': id, ...result.headers };
    return result;
  }

  async perform({ request, url, body, found, entry, rule }) {
    const isOAuth = url.pathname.startsWith('/oauth/');
    const headers = {};
    const key = request.headers['idempotency-key'];
    if (request.headers['stripe-version']) headers['Stripe-Version'] = request.headers['stripe-version'];
    if (entry.account) headers['Stripe-Account'] = entry.account;
    if (key) headers['Idempotency-Key'] = key;
    let lock;
    try {
      if (!found) throw unrecognized(request, url);
      const raw = readParams(request, url, body);
      entry.params = plain(raw);
      if (rule?.how === 'drop_before') return { drop: true };
      if (rule?.how === '500') throw new StripeError(500, { type: 'api_error', message: 'Something went wrong (asked for in the sandbox).' });
      if (rule?.how === '429') {
        throw new StripeError(429, { code: 'rate_limit', message: 'Too many requests (asked for in the sandbox).', headers: { 'Stripe-Rate-Limited-Reason': 'global-rate' } });
      }
      const secret = keyOf(request, raw);
      const platform = authenticate(this.world, secret, isOAuth);
      entry.livemode = platform.livemode;
      const version = isOAuth ? {} : readVersion(request.headers['stripe-version'], this.world);
      if ((found.preview && !version.preview) || (found.udap && !version.udap)) throw unrecognized(request, url);
      const scope = isOAuth ? platform : actAs(this.world, platform, entry.account, secret);
      // Of a file's parts the table knows the texts; whether the file itself is there is the operation's to say.
      const params = isOAuth ? oauth.checked(raw, found.fields) : checked(found, request.method, raw, version);

      if (request.method === 'POST' && key && !isOAuth) {
        lock = claim(this.world, { key, method: request.method, path: url.pathname, params: raw, scope });
        if (lock.replay) {
          entry.replayed = true;
          const { status, value, original } = lock.replay;
          lock = null;
          return json(status, value, { ...headers, 'Idempotent-Replayed': 'true', 'Original-Request': original });
        }
      }
      if (rule?.how === 'slow') await sleep(rule.ms);
      if (rule?.how === 'hold_before') await this.misbehaviour.hold();
      let answer = this.work({ found, params, scope, entry, key, secret, version, upload: body?.multipart });
      if (answer.value?.raw) return { status: 200, headers: { ...headers, 'Content-Type': 'text/csv' }, stream: answer.value.raw };
      if (rule?.how === 'bend' && answer.status === 200) answer.value = this.bend(answer.value, rule.fields);
      // v2 does not replay a failure: the same key gets what was done.
      const kept = found.second ? answer : undefined;
      if (rule?.how === '500_after') {
        answer = { status: 500, value: { error: { type: 'api_error', message: 'Something went wrong after the work was done (asked for in the sandbox).' } } };
      }
      if (found.second && answer.status >= 400 && !kept) lock?.forget();
      else lock?.keep({ ...(kept ?? answer), original: entry.id });
      if (rule?.how === 'hold_after') await this.misbehaviour.hold();
      if (rule?.how === 'drop_after') return { drop: true };
      return json(answer.status, answer.value, headers);
    } catch (error) {
      if (!(error instanceof StripeError || error instanceof OAuthError)) {
        // A defect of the stand-in itself: said loudly, since it would look like Stripe's fault.
        console.error(`local Stripe: ${error.stack}`);
        return json(500, { error: { type: 'api_error', message: `The local stand-in has a defect: ${error.message}` } }, headers);
      }
      return json(error.status, error.body, { ...headers, ...error.headers });
    } finally {
      lock?.release?.();
    }
  }

  /** A refusal after the work had begun is an answer like any other: kept under the key, and lost on the way when that is asked for. */
  work(call) {
    try {
      return { status: 200, value: this.run(call) };
    } catch (error) {
      if (!(error instanceof StripeError) || !error.executed) throw error;
      return { status: error.status, value: error.body };
    }
  }

  /** The work itself is one synchronous step: nothing can come between a check and its change. */
  run({ found, params, scope, entry, key, secret, version, upload }) {
    const { world } = this;
    world.cause = { id: entry.id, idempotency_key: key ?? null };
    try {
      const value = found.run({ world, params, path: found.path, scope, key: secret, version, upload });
      world.changed();
      if (value.raw) return value;
      const whole = expand(world, value, params.expand);
      return version.preview ? whole : withoutPreviews(whole);
    } finally {
      world.cause = { id: null, idempotency_key: null };
    }
  }

  /** Another object than was asked for: it stays so, and the answer shows it. */
  bend(value, fields) {
    Object.assign(this.world.any(value.id).object, fields);
    this.world.changed();
    return { ...value, ...fields };
  }
}
