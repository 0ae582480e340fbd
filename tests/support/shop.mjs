// A shop as small as a test needs it, and the walks that a merchant's browser does. Everything goes over HTTP, as in real life.
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fine } from './answers.mjs';

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
// The addresses that may take over a site that another shop holds.
const REST_ROUTE = '/cognitive-cart/v1/challenge';
const CHALLENGE_PATH = `/wp-json${REST_ROUTE}`;
const WELL_KNOWN = '/.well-known/cognitive-cart-challenge';

/** A shop's web server alone, not yet known to any Worker. `challenge` is what it answers; a function gets the chance to misbehave. */
export async function startShopServer({ host = 'localhost', webhook = (_request, response) => response.writeHead(200).end() } = {}) {
  const requests = [];
  const shop = { challenge: undefined, requests, webhook };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { pathname, searchParams } = new URL(request.url, 'http://shop');
    const seen = { method: request.method, path: pathname, url: request.url, params: Object.fromEntries(searchParams), headers: request.headers, body };
    requests.push(seen);
    if (pathname.endsWith(CHALLENGE_PATH) || pathname.endsWith(WELL_KNOWN) || searchParams.get('rest_route') === REST_ROUTE) {
      if (typeof shop.challenge === 'function') return shop.challenge(request, response);
      response.writeHead(shop.challenge === undefined ? 404 : 200, { 'content-type': 'text/plain' });
      return response.end(shop.challenge);
    }
    if (request.method === 'POST') return shop.webhook(seen, response);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    return response.end(`<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1><p>${pathname === '/' ? 'home' : pathname.slice(1)}</p></html>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A test that fails before it closes its shop must not keep its file from ending.
  server.unref();
  shop.origin = `http://${host}:${server.address().port}`;
  shop.close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return shop;
}

/**
 * Registers a shop and verifies it. Other members (name, webhook_url, allowed_origins, …) go into POST /v1/shops as they are.
 * path: the shop lives below it. verify: false leaves it pending.
 * -> the shop's server plus {id, key, secret, shop (the answer of the registration), body(fields) (a small chat cart)}
 */
export async function registerShop(w, { path = '', verify = true, registrationKey, host, webhook, ...fields } = {}) {
  const server = await startShopServer({ host, webhook });
  const site = `${server.origin}${path}`;
  const made = await w.api('POST', '/v1/shops', { key: registrationKey, body: { site_url: site, challenge_url: `${site}${CHALLENGE_PATH}`, ...fields } });
  if (made.status !== 201) {
    await server.close();
    throw new Error(`POST /v1/shops answered ${made.status}: ${made.text}`);
  }
  const { id, api_key: key, signing_secret: secret, challenge } = made.body;
  server.challenge = challenge;
  if (verify) {
    const verified = await w.api('POST', '/v1/shop/verify', { key });
    if (verified.status !== 200) {
      await server.close();
      throw new Error(`POST /v1/shop/verify answered ${verified.status}: ${verified.text}`);
    }
  }
  return Object.assign(server, { id, key, secret, site, shop: made.body });
}

/** The same site is registered anew and verified: it takes the place of `shop`, whose keys are dead from here on. */
export async function registerAnew(w, shop) {
  const made = fine(await w.api('POST', '/v1/shops', { body: { site_url: shop.site, challenge_url: `${shop.site}${CHALLENGE_PATH}` } }), 201);
  shop.challenge = made.challenge;
  fine(await w.api('POST', '/v1/shop/verify', { key: made.api_key }));
  return { ...shop, id: made.id, key: made.api_key, secret: made.signing_secret, shop: made };
}

/** A browser's memory for one walk: it follows nothing by itself and keeps cookies. */
export function browserLike(w) {
  const jar = new Map();
  return {
    jar,
    async go(url, { method = 'GET', form, headers = {} } = {}) {
      const answer = await w.fetch(url, {
        method,
        headers: { ...(jar.size && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }), ...headers },
        body: form && new URLSearchParams(form),
      });
      for (const line of answer.headers.getSetCookie()) {
        const [pair, ...attributes] = line.split(';');
        const at = pair.indexOf('=');
        const gone = attributes.some((attribute) => /^\s*max-age=0\s*$/i.test(attribute));
        if (gone) jar.delete(pair.slice(0, at));
        else jar.set(pair.slice(0, at), pair.slice(at + 1));
      }
      return { status: answer.status, headers: answer.headers, location: answer.headers.get('location'), text: await answer.text() };
    },
  };
}

const unescape = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const attribute = (tag, name) => { const found = new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(tag); return found && unescape(found[1]); };

/** The first form of a page. -> {action, method, fields} */
export function formOf(html) {
  const form = /<form\b[^>]*>[\s\S]*?<\/form>/i.exec(html)?.[0];
  if (!form) throw new Error(`there is no form on this page:\n${html}`);
  const fields = {};
  for (const [tag] of form.matchAll(/<(?:input|button)\b[^>]*>/gi)) {
    const name = attribute(tag, 'name');
    if (name) fields[name] = attribute(tag, 'value') ?? '';
  }
  const open = /<form\b[^>]*>/i.exec(form)[0];
  return { action: attribute(open, 'action') ?? '', method: (attribute(open, 'method') ?? 'get').toUpperCase(), fields };
}

/** A fresh verifier, as a plugin makes it. */
export function newVerifier() {
  const verifier = base64url(randomBytes(32));
  return { verifier, challenge: base64url(createHash('sha256').update(verifier).digest()) };
}

/** Until Stripe's page: ticket, consent page, its form. -> {ticketUrl, page, posted, authorizeUrl, verifier, browser} */
export async function beginConnect(w, shop, { mode = 'test', returnUrl = `${shop.origin}/admin/connected`, browser = browserLike(w), ...fields } = {}) {
  const { verifier, challenge } = newVerifier();
  const started = await w.api('POST', '/v1/connect/start', { key: shop.key, body: { return_url: returnUrl, mode, verifier_challenge: challenge, ...fields } });
  if (started.status !== 201) throw new Error(`POST /v1/connect/start answered ${started.status}: ${started.text}`);
  const ticketUrl = started.body.url;
  const page = await browser.go(ticketUrl);
  if (page.status !== 200) throw new Error(`the consent page answered ${page.status}: ${page.text}`);
  const form = formOf(page.text);
  const posted = await browser.go(new URL(form.action, ticketUrl), { method: form.method, form: form.fields });
  return { ticketUrl, page, posted, authorizeUrl: posted.location, verifier, browser };
}

/** Stripe's page and back to the shop. choice: {account} | {newAccount:true} | {deny:true} -> {callbackUrl, home, params, claim} */
export async function comeBack(w, stripe, begun, choice) {
  const { location, shown } = await stripe.authorize({ authorizeUrl: begun.authorizeUrl, ...choice });
  if (!location) throw new Error(`Stripe's page did not lead back: ${JSON.stringify(shown)}`);
  const home = await begun.browser.go(location);
  const params = home.location ? Object.fromEntries(new URL(home.location).searchParams) : {};
  return { callbackUrl: location, home, params, claim: params.cc_claim };
}

/** The whole walk. -> {account, connection, claim, …} ; `account` is a merchant made for it unless one is given. */
export async function connectShop(w, stripe, shop, { mode = 'test', account, ...fields } = {}) {
  const merchant = account ?? (await stripe.createAccount({ name: 'Merchant', country: 'US', charges_enabled: true, details_submitted: true })).id;
  const begun = await beginConnect(w, shop, { mode, ...fields });
  const back = await comeBack(w, stripe, begun, { account: merchant });
  if (!back.claim) throw new Error(`the callback answered ${back.home.status} ${back.home.location ?? back.home.text}`);
  const confirmed = await w.api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim: back.claim, verifier: begun.verifier } });
  if (confirmed.status !== 200) throw new Error(`POST /v1/connect/confirm answered ${confirmed.status}: ${confirmed.text}`);
  return { account: merchant, connection: confirmed.body, claim: back.claim, verifier: begun.verifier, begun, back };
}

/** Sends a catalogue as a file. `body`: text or bytes. -> the answer */
export const sendCatalogue = (w, shop, body, { method = 'PUT', type = 'text/csv', idempotencyKey = randomUUID() } = {}) =>
  w.api(method, '/v1/catalogue/products', { key: shop.key, idempotencyKey, headers: { 'content-type': type }, body });

/** The body of a session-based checkout: one item of 20.00 unless told otherwise. */
export function chatBody(shop, { amount = 2000, currency = 'usd', cart = {}, ...more } = {}) {
  return {
    source: 'chat',
    cart: { id: 'cart_1', currency, items: [{ product_id: '1', name: 'Thing', quantity: 1, amount_total: amount }], total: amount, ...cart },
    success_url: `${shop.origin}/thanks`, cancel_url: `${shop.origin}/cart`, ...more,
  };
}

/** The body of a line-items checkout, as an agent's shop sends it. */
export function agentBody(shop, { amount = 2000, currency = 'usd', ...more } = {}) {
  return {
    source: 'agent:Claude', currency, line_items: [{ product_id: '1', name: 'Thing', quantity: 1, amount_total: amount }], amount_total: amount,
    success_url: `${shop.origin}/thanks`, cancel_url: `${shop.origin}/cart`, ...more,
  };
}

let keys = 0;
/** A new checkout session, or an error. -> the session */
export async function createSession(w, shop, body = chatBody(shop), idempotencyKey = `test-${process.pid}-${keys += 1}`) {
  const made = await w.api('POST', '/v1/checkout/sessions', { key: shop.key, idempotencyKey, body });
  if (made.status !== 201) throw new Error(`POST /v1/checkout/sessions answered ${made.status}: ${made.text}`);
  return made.body;
}

/** Whether the address that a buyer came home by was signed with the shop's secret. */
export function verifySignature(url, secret) {
  const q = new URL(url).searchParams;
  const signed = ['t', 'transaction', 'session_id', 'order_id', 'status', 'amount_total', 'currency', 'livemode'].map((name) => q.get(name) ?? '').join('.');
  const expected = createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).update(signed).digest();
  const given = Buffer.from(q.get('signature') ?? '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
