// The local Stripe: `startStripe()` for npm start and for the tests. See README.md.
import { agenticSessions, askPrice, setCatalogue, simulatePurchase } from './agentic.mjs';
import { Api } from './api.mjs';
import { showAccount, updateAccount } from './accounts.mjs';
import { confirm as confirmAgreement, enable, terminate } from './agreements.mjs';
import { books, payments } from './books.mjs';
import { answerBank, attempt, defaultBuyer, settle } from './checkout.mjs';
import { startClock, tick } from './clock.mjs';
import { answerQuestion, settleIntent } from './confirm.mjs';
import { control } from './control.mjs';
import { decodeQuery } from './form.mjs';
import { closeServers, isLocalHost, json, openServers, readBody, send as reply } from './http.mjs';
import { HOOK_TIMEOUT_MS } from './hooks.mjs';
import { kindOf, random } from './ids.mjs';
import { Imports, isFileAddress } from './imports.mjs';
import { cancelByHand, captureIntent } from './intents.mjs';
import { methodOf } from './methods.mjs';
import { Misbehaviour } from './misbehave.mjs';
import { isCurrency } from './money.mjs';
import { approve, deny, newMerchant, readAuthorize } from './oauth.mjs';
import { close, formOf, leave, visit } from './onboarding.mjs';
import { pages } from './pages/index.mjs';
import { keepState, readState } from './persist.mjs';
import { refundCharge, settleRefund } from './refunds.mjs';
import { endSession } from './sessions.mjs';
import { moveDispute, openDispute } from './disputes.mjs';
import { signature } from './signature.mjs';
import { bend, thin } from './thin.mjs';
import { mint, revokeToken } from './tokens.mjs';
import { Webhooks } from './webhooks.mjs';
import { World, clone, makeKeys } from './world.mjs';

const DEFAULTS = {
  port: 0,
  redirectUris: [],
  webhooks: [],
  hooks: [], // where sellers are asked before an agent's purchase: [{ url, secret }]
  hookTimeoutMs: HOOK_TIMEOUT_MS,
  log: false,
  retryPauses: [1_000, 3_000, 9_000, 27_000], // before the 2nd … 5th attempt; Stripe takes days where we take seconds
  webhookTimeoutMs: 10_000,
  completedWaitMs: 10_000, // how long a buyer waits for the shop's 2xx before going home
  settleAfterMs: undefined, // debits and slow refunds end by themselves after this time; undefined = only when told
};

export class LocalStripe {
  constructor(options) {
    this.options = { ...DEFAULTS, ...options };
    const { persist, log } = this.options;
    const state = persist ? readState(persist) : null;
    const keys = this.options.keys ?? state?.keys ?? makeKeys();
    this.world = new World({ keys });
    if (state) this.world.load(state);
    this.keys = keys;
    this.log = log ? (line) => console.log(`local Stripe: ${line}`) : undefined;
    this.misbehaviour = new Misbehaviour();
    this.api = new Api({ world: this.world, misbehaviour: this.misbehaviour, log: this.log });
    this.webhooks = new Webhooks({ world: this.world, pauses: this.options.retryPauses, timeoutMs: this.options.webhookTimeoutMs, log: this.log });
    this.requests = this.api.requests;
    this.imports = new Imports(this.world, this.misbehaviour, this.log);
    this.setRedirectUris(this.options.redirectUris);
    this.setWebhooks(this.options.webhooks);
    this.setHooks(this.options.hooks);
    this.hookCalls = []; // { type, question, status, ms, answer, error }, the last ones
    this.write = persist ? keepState(this.world, persist) : undefined;
  }

  async open() {
    const handler = (request, response) => this.serve(request, response);
    const { port, servers } = await openServers(handler, this.options.port);
    this.servers = servers;
    this.port = port;
    this.url = `http://localhost:${port}`;
    this.world.url = this.url;
    this.stopClock = startClock(this.world, this.options.settleAfterMs);
    return this;
  }

  async close() {
    this.stopClock();
    this.webhooks.close();
    await closeServers(this.servers);
    await this.imports.close();
    this.write?.();
  }

  async serve(request, response) {
    try {
      const result = await this.file(request, response) ?? await this.answer(request, await this.bodyOf(request));
      if (result !== 'sent') reply(request, response, result);
    } catch (error) {
      if (request.aborted || response.destroyed) return;
      console.error(`local Stripe: ${error.stack}`);
      reply(request, response, json(500, { error: { message: 'The local stand-in has a defect; see its log.' } }));
    }
  }

  /** Files come and go beside the API, and are never held. → undefined where it is none */
  async file(request, response) {
    if (!isLocalHost(request.headers.host) || !request.url.startsWith('/files/')) return undefined;
    const url = new URL(request.url, this.url);
    if (!isFileAddress(url.pathname)) return undefined;
    const route = `${request.method} ${url.pathname.includes('/upload/') ? 'upload' : 'download'}`;
    const entry = this.api.record({ id: '', method: request.method, path: url.pathname, route, params: {}, headers: request.headers, account: null, livemode: null, status: null, replayed: false, at: Date.now() });
    const result = await this.imports.serve(request, response, url, this.misbehaviour.take(route, route));
    entry.status = result?.drop ? 0 : result?.status ?? 0;
    return result ?? 'sent';
  }

  async bodyOf(request) {
    if (request.method === 'POST' && request.url.split('?')[0] === '/v1/files') return { length: 0, multipart: await this.imports.multipart(request) };
    return readBody(request);
  }

  async answer(request, body) {
    if (!isLocalHost(request.headers.host)) return json(403, { error: { message: 'This stand-in answers to localhost only.' } });
    let url;
    try {
      url = new URL(request.url, this.url);
      decodeURIComponent(url.pathname);
    } catch {
      return json(400, { error: { message: 'This is not an address.' } });
    }
    const { pathname } = url;
    if (/^\/(v1|v2)\//.test(pathname) || /^\/oauth\/(token|deauthorize)$/.test(pathname)) return this.api.handle(request, url, body);
    if (body === null) return json(413, { error: { message: 'The request body is too large.' } });
    if (pathname.startsWith('/_sandbox/')) return control(this, request, url, body);
    return pages(this, request, url, body);
  }

  // -- set-up ----------------------------------------------------------------------------------------------------

  setRedirectUris(uris) {
    this.world.redirectUris = [...uris];
  }

  setWebhooks(endpoints) {
    this.webhooks.setEndpoints(endpoints);
  }

  /** One more endpoint, e.g. { url, secret, connect: true, event_payload: 'thin', events: ['charge.refunded'] }. */
  addWebhook(endpoint) {
    this.webhooks.addEndpoint(endpoint);
  }

  /** Where hooks go: [{ url, secret }]. The first is asked. */
  setHooks(endpoints) {
    this.hooks = endpoints.map(({ url, secret }) => ({ url, secret }));
  }

  /** Products of a seller's, as if a feed had brought them: { SKU: { title, description, price: { unit_amount, currency }, … } }. */
  async setCatalogue(account, products) {
    return setCatalogue(this.world, account?.id ?? account, products);
  }

  /** A merchant who can be chosen on the OAuth page. */
  async createAccount(fields = {}) {
    return showAccount(this.world.addAccount(fields).object);
  }

  /** Changes a merchant and tells it (account.updated), e.g. { charges_enabled: false }. */
  async updateAccount(id, fields) {
    return updateAccount(this.world, id, fields);
  }

  // -- a merchant's and a buyer's hands --------------------------------------------------------------------------

  /** What the OAuth page does. → { location } or, where Stripe only shows a problem, { shown: { code, text } }. */
  async authorize({ authorizeUrl, account, newAccount, deny: denied }) {
    const read = readAuthorize(this.world, decodeQuery(new URL(authorizeUrl, this.url).search));
    if (read.shown) return { shown: read.shown };
    if (read.redirect) return { location: read.redirect };
    if (denied) return { location: deny(read.ask) };
    const chosen = newAccount
      ? newMerchant(this.world, read.ask, newAccount === true ? {} : newAccount).id
      : account?.id ?? account;
    if (!this.world.record('account', chosen)) throw new Error(`authorize: there is no account ${chosen}`);
    return { location: approve(this.world, read.ask, chosen), account: chosen };
  }

  /** Stripe's form, by the link to it. → { form } to leave it by, or { refresh } where the link is old or was opened before. */
  async openForm(url) {
    const [, account, token] = /\/setup\/e\/(\w+)\/(\w+)$/.exec(url) ?? [];
    return visit(this.world, account, token);
  }

  /** The form's end: { finish } or not, and { name, country }. → { location } back to the platform */
  async leaveForm(form, fields) {
    const found = formOf(this.world, form);
    if (!found) throw new Error('there is no such form');
    return { location: leave(this.world, found, fields) };
  }

  /** The owner of an account that a platform made closes it. */
  async closeAccount(id) {
    close(this.world, id);
  }

  /** As the merchant in the embedded component: switches an agent on, by its name. */
  async enableAgent(account, { agent = 'Errand', livemode = false } = {}) {
    return clone(enable(this.world, { owner: account?.id ?? account, livemode, agent }).object);
  }

  /** As the agent: 'confirm' or 'terminate'. */
  async agentAnswers(id, answer) {
    const record = this.found('agreement', id);
    return clone((answer === 'terminate' ? terminate : confirmAgreement)(this.world, record, 'orchestrator').object);
  }

  session(id) {
    const record = this.world.record('checkout.session', id);
    if (!record) throw new Error(`there is no session ${id}`);
    return record;
  }

  intent(id) {
    const record = this.world.record('payment_intent', kindOf(id) === 'checkout.session' ? this.session(id).object.payment_intent : id);
    if (!record) throw new Error(`there is no payment ${id}`);
    return record;
  }

  /** `confirm` answers the bank's question: true (default), false, or 'leave' to stop there. */
  async pay(sessionId, { confirm = true, ...given } = {}) {
    const record = this.session(sessionId);
    let result = attempt(this.world, record, defaultBuyer(record.object, given));
    if (result.code === 'requires_action' && confirm !== 'leave') result = answerBank(this.world, record, confirm);
    return this.goHome(result);
  }

  /** The bank's question, answered with yes or no: of a session, or of a PaymentIntent that was made by API. → what became of it */
  async confirm(id, yes = true) {
    const intent = this.apiIntent(id);
    if (!intent) return this.goHome(answerBank(this.world, this.session(id), yes));
    if (!answerQuestion(this.world, intent, yes)) return { ok: false, code: 'nothing_to_confirm', message: 'There is nothing to confirm.' };
    const { status, last_payment_error: error } = intent.object;
    return error ? { ok: false, status, code: error.code, ...(error.decline_code && { decline_code: error.decline_code }), message: error.message } : { ok: true, status };
  }

  /** A PaymentIntent that no Checkout Session made. */
  apiIntent(id) {
    const record = this.world.record('payment_intent', id);
    return record && !record.session ? record : undefined;
  }

  /**
   * A shared payment token, as an agent would give it to `account` (none: the platform, for destination charges). `card` is
   * a number or one of Stripe's names (pm_card_visa), `expiresAt` in seconds. → 'spt_…'
   */
  async grantToken({ account, livemode = false, currency = 'usd', maxAmount, card = 'pm_card_visa', expiresAt } = {}) {
    if (!methodOf(card)) throw new Error(`grantToken: ${card} is none of the test cards`);
    if (!isCurrency(currency.toLowerCase())) throw new Error(`grantToken: ${currency} is no currency`);
    if (!Number.isSafeInteger(maxAmount) || maxAmount < 1) throw new Error('grantToken: maxAmount is a whole number of minor units');
    const seller = this.found('account', account?.id ?? account ?? this.keys.platform).object.id;
    return mint(this.world, { seller, livemode, card, currency: currency.toLowerCase(), maxAmount, expiresAt }).object.id;
  }

  /** As the agent: the token is good for nothing from now on. */
  async revokeToken(id) {
    return clone(revokeToken(this.world, this.found('shared_payment.granted_token', id)));
  }

  /** How many seconds the search of PaymentIntents lags behind from now on. */
  lagSearch(seconds) {
    this.world.searchLag = seconds;
  }

  /** The buyer waits here for the shop to hear of it first. */
  async goHome({ completed, ...result }) {
    if (completed) await this.webhooks.acknowledged(completed.object.id, this.options.completedWaitMs);
    return result;
  }

  /** The end of a debit, by session or by PaymentIntent. */
  async settle(id, result) {
    const intent = this.world.record('payment_intent', id);
    const done = this.apiIntent(id) ? settleIntent(this.world, intent, result) : settle(this.world, this.session(intent?.session ?? id), result);
    if (!done) throw new Error(`nothing is under way for ${id}`);
  }

  async expire(sessionId) {
    return clone(endSession(this.world, this.session(sessionId)));
  }

  /** As the merchant in their Dashboard; in both modes when none is named. → how many connections ended. */
  async deauthorize(account, { livemode } = {}) {
    const modes = livemode === undefined ? [false, true] : [livemode];
    return modes.filter((mode) => this.world.disconnect(account, mode)).length;
  }

  async cancelPayment(id, reason) {
    return clone(cancelByHand(this.world, this.intent(id), reason));
  }

  async capture(id, amount) {
    return clone(captureIntent(this.world, this.intent(id), amount === undefined ? {} : { amount_to_capture: amount }));
  }

  /** The charge of a payment that went well, by the id of session, PaymentIntent or charge. */
  charge(id) {
    const record = this.world.record('charge', kindOf(id) === 'charge' ? id : this.intent(id).object.latest_charge);
    if (!record) throw new Error(`there is no charge for ${id}`);
    return record;
  }

  found(kind, id) {
    const record = this.world.record(kind, id);
    if (!record) throw new Error(`there is no ${kind} ${id}`);
    return record;
  }

  /** As the merchant in their Dashboard: { amount, reason, refund_application_fee, reverse_transfer, metadata, pending }. */
  async refund(id, params = {}) {
    return clone(refundCharge(this.world, this.charge(id), params));
  }

  /** From now on refunds of this payment, however they are made, begin `pending`; `later` is what becomes of them. */
  async slowRefunds(id, later = 'succeeded') {
    this.charge(id).refunds = { pending: true, later };
  }

  /** The bank decides: a pending refund 'succeeded' or 'failed', a succeeded one 'failed'. Left out: as its card or slowRefunds said. */
  async settleRefund(id, status, reason) {
    return clone(settleRefund(this.world, this.found('refund', id), status, reason));
  }

  async failRefund(id, reason) {
    return this.settleRefund(id, 'failed', reason);
  }

  /** The buyer disputes a payment: { amount, reason, inquiry }. */
  async dispute(id, fields = {}) {
    return clone(openDispute(this.world, this.charge(id), fields));
  }

  /** 'under_review', 'won', 'lost'; of an inquiry 'warning_under_review', 'warning_closed', or 'needs_response' (it becomes a dispute). */
  async moveDispute(id, status) {
    return clone(moveDispute(this.world, this.found('dispute', id), status));
  }

  // -- agents ----------------------------------------------------------------------------------------------------

  /** An agent buys: hooks, session, payment, events. What there is to choose: agentic.mjs. */
  async simulatePurchase(given) {
    return simulatePurchase(this, given);
  }

  /** Stripe asks for price and stock of a SKU: { account, sku, livemode }. */
  async askPrice(given) {
    return askPrice(this, given);
  }

  /** What agents have tried to buy, the newest first. */
  purchases() {
    return agenticSessions(this.world).map((record) => ({ ...clone(record.object), account: record.agentic.account, agent: clone(record.agentic.agent), hooks: clone(record.hooks) }));
  }

  // -- catalogues --------------------------------------------------------------------------------------------------

  /** From now on imports stay `processing` (true) or go on by themselves (false). */
  holdImports(held = true) {
    this.imports.hold(held);
  }

  /** From now on uploads are noticed late (true), or at once again (false). */
  lateUploads(late = true) {
    this.imports.notice(late);
  }

  /** Of the imports that are held the last one goes on alone. */
  letLastImportGo() {
    this.imports.letLastGo();
  }

  /** Resolves when no import is being worked on. */
  async importsDone() {
    await this.imports.drained();
  }

  /** The next import fails: { code, failure_message, type }. */
  failImport(failure = {}) {
    this.imports.failures.push(failure);
  }

  /** What agents see of an account's products, by SKU. */
  catalogue(account) {
    return clone(this.found('account', account).catalogue ?? {});
  }

  /** A restricted key of the platform: `permissions` may have product_catalog_import_write. → 'rk_…' */
  restrictedKey({ livemode = false, permissions = [] } = {}) {
    const key = `rk_${livemode ? 'live' : 'test'}_51${random(40)}`;
    this.world.restricted ??= new Map();
    this.world.restricted.set(key, { livemode, permissions });
    return key;
  }

  // -- trouble ---------------------------------------------------------------------------------------------------

  misbehave(rule) {
    this.misbehaviour.add(rule);
  }

  /** Whether Stripe refuses this platform's calls in preview versions from now on. */
  closePreviews(closed = true) {
    this.world.previewsClosed = closed;
  }

  /** What is held goes on. */
  clearMisbehaviour() {
    this.misbehaviour.clear();
    this.webhooks.misdelivery.clear();
  }

  /** Events go astray: { on: 'charge.refunded' | 'refund.*' | RegExp, how: 'lose' | 'twice' | 'late' | 'behind' | 'unheard', times, ms }. */
  misdeliver(rule) {
    this.webhooks.misdelivery.add(rule);
  }

  /** Resolves when `count` calls are held (hold_before, hold_after): what a test does then happens in the middle of them. */
  async holding(count) {
    return this.misbehaviour.holding(count);
  }

  /** Lets the held calls go on. → how many */
  release() {
    return this.misbehaviour.release();
  }

  /** Moves the stand-in's clock forward and does what time does. Signatures keep the real time. */
  advance(seconds) {
    this.world.ahead += seconds;
    tick(this.world, this.options.settleAfterMs);
  }

  /** Deliver by hand: an event id, or an event with whatever members a test has bent: { url, secret, times, headers, thin }. → statuses */
  async send(event, options) {
    const whole = typeof event === 'string' ? this.found('event', event).object : event;
    return this.webhooks.send(clone(whole), options);
  }

  /** An event's thin twin, with members laid over it: thin(id, { related_object: { url: 'https://elsewhere.example/' } }). Deliver it with send. */
  thin(event, members) {
    return bend(thin(typeof event === 'string' ? this.found('event', event).object : event), members);
  }

  signature(payload, secret, t) {
    return signature(payload, secret, t);
  }

  // -- looking ---------------------------------------------------------------------------------------------------

  /** Plain copies of everything; `account` is the owner, since Stripe's objects do not name it. */
  books() {
    return books(this.world);
  }

  /** One row for each PaymentIntent with all that became of its money; or only those of one cc_transaction. See books.mjs. */
  payments(transaction) {
    return payments(this.world).filter((row) => transaction === undefined || row.cc_transaction === transaction);
  }

  /** Bends an object without telling anybody, e.g. to play a wrong payment. */
  patch(id, fields) {
    const record = this.world.any(id);
    if (!record) throw new Error(`there is no object ${id}`);
    Object.assign(record.object, fields);
    this.world.changed();
    return clone(record.object);
  }
}

export function startStripe(options = {}) {
  return new LocalStripe(options).open();
}
