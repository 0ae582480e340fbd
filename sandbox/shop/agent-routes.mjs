// Which address does what, for everything that has to do with agents: the shop's side (selling, quotes, their orders) and the agent's
// own (its shopping, its ear for events).

import { checkEvent, EVENTS_PATH } from './agent/events.mjs';
import { ADDRESSES, REASONS } from './agent/shopping.mjs';
import { VERSIONS } from './agent/versions.mjs';
import { CARDS } from './agent/wallet.mjs';
import { findProduct } from './catalogue.mjs';
import { standardWebhook } from './notices.mjs';
import { agentPage } from './pages/agent.mjs';
import { policyPage } from './pages/policy.mjs';
import { productPage } from './pages/product.mjs';
import { sellingPage } from './pages/selling.mjs';
import { stripeCataloguePage } from './pages/stripe-catalogue.mjs';
import { stripeRulesPage } from './pages/stripe-rules.mjs';
import { policies } from './policies.mjs';
import { explain } from './problems.mjs';
import { approval, quote, QUOTE_PATH, QUOTE_WAYS, SLOW_MS } from './quote.mjs';
import { json, page, redirect, Refused, text } from './server.mjs';
import { WorkerError } from './worker-client.mjs';

/** tools: what routes.mjs has for all its handlers. */
export function createAgentRoutes(shop, { view, say, session, recorder, orderOf }) {
  const { store, registration, selling, stripeCatalogue, stock, agentOrders, stripeRules, shopping, wallet, events, siteUrl, stripeUrl, now, log } = shop;
  const { state } = store;
  const ready = () => registration.current()?.status === 'active';

  // --- the shop: selling to agents ---

  const sellingHome = (context) => page(sellingPage(view(context), {
    ready: ready(), mode: state.settings.mode, agent: selling.agent(), told: ready() ? selling.told() : {}, quoteWay: selling.quoteWay(), siteUrl,
  }));

  // --- the shop: its catalogue at Stripe ---

  async function stripeHome(context, { text: sent, onError, status = 200, down, bad = [] } = {}) {
    const file = sent ?? (context.query.get('spoil') ? stripeCatalogue.spoiled() : stripeCatalogue.file());
    const seen = { ready: ready(), mode: state.settings.mode, text: file, onError, imports: [], down, bad };
    if (!seen.ready) return page(stripeCataloguePage(view(context), seen));
    try {
      if (!down) seen.imports = await stripeCatalogue.list(recorder(context));
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      seen.down = explain(error);
    }
    return page(stripeCataloguePage(view(context), seen), status);
  }

  async function sendToStripe(context) {
    const file = context.form.get('csv') ?? '';
    const onError = context.form.get('on_error') === 'fail' ? 'fail' : 'skip';
    try {
      const sent = await stripeCatalogue.send(file.replaceAll('\r\n', '\n'), { mode: state.settings.mode, onError }, recorder(context));
      say(context, sent.rejected > 0 ? 'warn' : 'good', `${sent.rows} rows are on their way to Stripe${sent.rejected > 0 ? `; ${sent.rejected} were left out, see below` : ''}.`);
      return redirect('/admin/selling/stripe');
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      // The file stays as it was typed, to be mended.
      return stripeHome(context, { text: file, onError, status: error.status || 503, down: explain(error), bad: error.errors });
    }
  }

  async function stripeErrors(context) {
    const answer = await stripeCatalogue.errors(context.params.id, recorder(context));
    return { status: 200, headers: { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="not-taken.csv"' }, stream: answer.body };
  }

  const backToSelling = (context, kind, message) => { say(context, kind, message); return redirect('/admin/selling'); };

  function mustBeReady() {
    if (!ready()) throw new Refused(503, 'This shop is not registered yet', 'An administrator registers it and connects Stripe under Connectivity.');
  }

  async function sell(context) {
    mustBeReady();
    const agent = await selling.start(state.settings.mode, recorder(context));
    return backToSelling(context, 'good', `${agent.name} may buy here now.`);
  }

  async function stopSelling(context) {
    mustBeReady();
    await selling.stop(state.settings.mode, recorder(context));
    return backToSelling(context, 'good', 'No agent may buy here any more.');
  }

  async function uploadCatalogue(context) {
    mustBeReady();
    if (context.form.get('restock') === 'yes') stock.restock();
    const { accepted, rejected } = await selling.uploadCatalogue(recorder(context));
    return backToSelling(context, rejected > 0 ? 'warn' : 'good', `${accepted} products are for sale to agents${rejected > 0 ? `, ${rejected} rows were refused` : ''}.`);
  }

  async function setQuote(context) {
    mustBeReady();
    const way = context.form.get('way');
    if (!Object.hasOwn(QUOTE_WAYS, way ?? '')) throw new Refused(422, 'Which way?', 'The live quote is off, on, slow or broken.');
    await selling.setQuote(way, recorder(context));
    return backToSelling(context, 'good', QUOTE_WAYS[way]);
  }

  /** The Worker asks what a checkout costs, or whether an order may be paid (quote.mjs). The signature is looked at before anything else. */
  async function answerQuote(context) {
    const body = await context.text();
    const signed = standardWebhook(context.request.headers, body, { secrets: registration.signingSecrets(), now: now() });
    if (!signed.ok) return json({ error: { code: signed.reason } }, 401);
    const way = selling.quoteWay();
    if (way === 'broken') return json({ error: { code: 'broken', message: 'As it was asked for, on the page Selling.' } }, 500);
    if (way === 'slow') await new Promise((resolve) => { setTimeout(resolve, SLOW_MS); });
    let answer;
    try {
      const asked = JSON.parse(body);
      answer = asked?.type === 'order.approval' ? approval(asked, stock) : quote(asked, stock.left);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    return answer ? json(answer) : json({ error: { code: 'unreadable' } }, 400);
  }

  // --- the shop: selling at Stripe ---

  async function stripeRulesHome(context) {
    const shown = { ready: ready(), mode: state.settings.mode, quoteWay: selling.quoteWay() };
    if (!shown.ready) return page(stripeRulesPage(view(context), shown));
    try {
      const rules = await stripeRules.rules(recorder(context));
      const simulateUrl = stripeUrl && `${stripeUrl}/dashboard/agents${rules.account ? `/${rules.account}` : ''}`;
      return page(stripeRulesPage(view(context), { ...shown, rules, simulateUrl }));
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      return page(stripeRulesPage(view(context), { ...shown, down: explain(error) }), error.status || 503);
    }
  }

  async function setStripeRules(context) {
    mustBeReady();
    const { form } = context;
    const asText = (name, longest) => (form.get(name) ?? '').trim().slice(0, longest);
    const wish = {
      enabled: form.get('enabled') === 'yes', requireStock: form.get('stock') === 'yes', askShop: form.get('ask') === 'yes',
      max: asText('max', 16), countries: asText('countries', 200), blocked: asText('blocked', 2000), onTrouble: chosen(form, 'trouble', ['decline', 'approve']),
    };
    try {
      await stripeRules.setRules(wish, recorder(context));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new Refused(422, 'That is no amount', error.message);
    }
    say(context, wish.enabled ? 'good' : 'warn', wish.enabled ? 'Agents may buy here through Stripe.' : 'Agents can buy nothing here through Stripe any more.');
    return redirect('/admin/stripe-rules');
  }

  // --- the shop: pages that others lead to ---

  function policy(context) {
    const found = Object.hasOwn(policies, context.params.name) ? policies[context.params.name] : undefined;
    if (!found) throw new Refused(404, 'Page not found', 'There is nothing at this address.');
    return page(policyPage(view(context), found));
  }

  function product(context) {
    const found = findProduct(context.params.id);
    if (!found) throw new Refused(404, 'No such product', 'The shop has nothing of this name.');
    return page(productPage(view(context), { product: found, left: stock.left(found), currency: session(context).cart.currency }));
  }

  /** What was bought and has no weight; the order's key opens it as it opens the order. */
  function download(context) {
    const order = orderOf(context.params.id, context.query.get('key'));
    const bought = order.status === 'paid' && !order.canceled_at && order.lines.some((line) => line.product_id === context.params.product);
    const found = findProduct(context.params.product);
    if (!bought || !found?.digital) throw new Refused(404, 'Nothing to download', 'This order has no such download.');
    const reply = text(`${found.name}\n\nGrind, pour, wait. (A real shop has a book here.)\n`);
    return { ...reply, headers: { ...reply.headers, 'content-disposition': `attachment; filename="${found.id}.txt"` } };
  }

  // --- the shop: what agents bought ---

  const deed = (work, done) => async (context) => {
    mustBeReady();
    await work(context.params.id, recorder(context));
    say(context, 'good', done);
    return redirect('/admin/orders');
  };

  // --- the agent: its page ---

  const tourOf = (context) => shopping.of(context.sessionId);

  function agentHome(context) {
    const agent = ready() ? selling.agent() : undefined;
    const known = selling.told().catalogue;
    const tour = agent && tourOf(context);
    const current = tour?.session && shopping.state(tour);
    return page(agentPage(view(context), {
      seller: agent && known && { name: agent.name, mode: agent.mode, rows: known.rows, at: known.at },
      tour, session: current, events: current ? events.list(current.id) : [],
      wallet: { local: wallet.local, account: current?.account ?? agent?.account }, workerUrl: shop.client.workerUrl,
    }));
  }

  function wishOf({ form }) {
    const items = [];
    for (const [name, value] of form) {
      const quantity = /^\d{1,2}$/.test(value) ? Number(value) : 0;
      if (name.startsWith('want_') && quantity > 0) items.push({ id: name.slice('want_'.length), quantity });
    }
    const other = form.get('other')?.trim().slice(0, 64);
    if (other) items.push({ id: other, quantity: 1 });
    if (items.length === 0) throw new Refused(422, 'Nothing to buy', 'Say how many of something Ada wants.');
    return {
      items, version: chosen(form, 'version', VERSIONS), email: form.get('email')?.trim().slice(0, 200) || undefined,
      place: form.get('place') ?? undefined, fastest: form.get('speed') === 'fastest', code: codeOf(form), card: form.get('card') ?? undefined,
    };
  }

  const codeOf = (form) => (form.get('code') ?? '').trim().slice(0, 40);

  function chosen(form, name, among) {
    const value = form.get(name);
    if (!among.includes(value)) throw new Refused(422, 'Which one?', `This form's “${name}” is none of those that were offered.`);
    return value;
  }

  const toNow = () => redirect('/agent#now');

  function mustHaveAgent() {
    if (!ready() || !selling.agent()) throw new Refused(409, 'No agent may buy here', 'Let one in on the page Selling.');
  }

  async function createCheckout(context) {
    mustHaveAgent();
    await shopping.begin(context.sessionId, wishOf(context));
    return toNow();
  }

  async function doItAll(context) {
    mustHaveAgent();
    chosen(context.form, 'place', Object.keys(ADDRESSES));
    chosen(context.form, 'card', Object.keys(CARDS));
    await shopping.all(context.sessionId, wishOf(context));
    return toNow();
  }

  /** A step of a tour; one at a time, or a double click would be two requests that know nothing of each other. */
  const step = (work) => async (context) => {
    mustHaveAgent();
    const tour = tourOf(context);
    if (!tour) return redirect('/agent');
    const before = tour.busy ?? Promise.resolve();
    const mine = before.then(() => (tour.session || work.early ? work(tour, context.form) : undefined));
    tour.busy = mine.catch(() => {});
    await mine;
    return toNow();
  };

  const repeat = (tour) => tour.last && shopping.repeat(tour);
  repeat.early = true; // also where no answer ever came

  function takeToken(tour, form) {
    if (!shopping.state(tour).payable) return undefined;
    if (wallet.local) return shopping.mint(tour, chosen(form, 'card', Object.keys(CARDS)));
    const value = form.get('token')?.trim() ?? '';
    if (!/^(spt|tok)_\w{1,200}$/.test(value)) throw new Refused(422, 'No token', 'A shared payment token begins with spt_.');
    return shopping.bring(tour, value);
  }

  function startAnew(context) {
    shopping.forget(context.sessionId);
    return redirect('/agent');
  }

  // --- the agent: it is told what becomes of its orders ---

  async function hearEvent(context) {
    const { headers } = context.request;
    const result = checkEvent(headers, await context.text(), { secrets: selling.eventSecrets(), now: now() });
    if (!result.ok) {
      log(`an event for the agent was refused: ${result.reason}`);
      return json({ type: 'invalid_request', code: result.reason, message: 'This event is not signed by the merchant.' }, 401);
    }
    events.take(result.event, headers['webhook-id'] ?? headers['request-id']);
    log(`the agent heard ${result.event.type} of ${result.event.data?.checkout_session_id}`);
    return json({ received: true, ...(headers['request-id'] && { request_id: headers['request-id'] }) });
  }

  return [
    ['GET', '/admin/selling', sellingHome],
    ['POST', '/admin/selling', sell],
    ['GET', '/admin/selling/stripe', (context) => stripeHome(context)],
    ['POST', '/admin/selling/stripe', sendToStripe],
    ['GET', '/admin/selling/stripe/:id.csv', stripeErrors],
    ['POST', '/admin/selling/stop', stopSelling],
    ['POST', '/admin/selling/catalogue', uploadCatalogue],
    ['POST', '/admin/selling/quote', setQuote],
    ['GET', '/admin/stripe-rules', stripeRulesHome],
    ['POST', '/admin/stripe-rules', setStripeRules],
    ['POST', '/admin/orders/:id/ship', deed(agentOrders.ship, 'It is on its way, and the agent is told.')],
    ['POST', '/admin/orders/:id/cancel', deed(agentOrders.cancel, 'Canceled, and the money goes back.')],
    ['POST', '/admin/orders/:id/refund', deed(agentOrders.refundHalf, 'Half of it goes back.')],
    ['GET', '/policies/:name', policy],
    ['GET', '/product/:id', product],
    ['GET', '/order/:id/download/:product', download],
    ['POST', QUOTE_PATH, answerQuote, { api: true }],
    ['GET', '/agent', agentHome],
    ['POST', '/agent/create', createCheckout],
    ['POST', '/agent/all', doItAll],
    ['POST', '/agent/address', step((tour, form) => shopping.deliverTo(tour, chosen(form, 'place', Object.keys(ADDRESSES))))],
    ['POST', '/agent/shipping', step((tour, form) => shopping.choose(tour, form.get('option')))],
    ['POST', '/agent/coupon', step((tour, form) => shopping.discount(tour, codeOf(form)))],
    ['POST', '/agent/token', step(takeToken)],
    ['POST', '/agent/complete', step((tour, form) => tour.token && shopping.complete(tour, { authenticated: form.get('authenticated') === 'yes' }))],
    ['POST', '/agent/cancel', step((tour, form) => shopping.cancel(tour, form.has('reason') ? chosen(form, 'reason', REASONS) : undefined))],
    ['POST', '/agent/read', step((tour, form) => shopping.read(tour, chosen(form, 'version', VERSIONS)))],
    ['POST', '/agent/repeat', step(repeat)],
    ['POST', '/agent/again', startAnew],
    ['POST', EVENTS_PATH, hearEvent, { api: true }],
  ];
}
