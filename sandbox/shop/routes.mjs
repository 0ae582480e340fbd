// Which address does what. Read the handlers of the four journeys first:
//   connectivity · chatCheckout · agentCheckout (and its API twin createSession) · checkoutReturn · notice
// What agents do by their own protocol is in agent-routes.mjs.

import { createAgentRoutes } from './agent-routes.mjs';
import { currencies, findProduct, shippingChoices, suggest } from './catalogue.mjs';
import { AgentKeyReused, AnswerMismatch, agentCallOf } from './checkout.mjs';
import { checkReturn, reasons } from './completion.mjs';
import { failures } from './connectivity.mjs';
import { CREATE_SESSION_PATH, PRODUCTS_PATH, productList } from './manifest.mjs';
import { toMinor } from './money.mjs';
import { checkNotice, NOTICES_PATH } from './notices.mjs';
import { approval } from './quote.mjs';
import { agentPage, agentResult, AGENT_ROWS } from './pages/agent-checkout.mjs';
import { cartPage } from './pages/cart.mjs';
import { connectivityPage } from './pages/connectivity.mjs';
import { ledgerPage } from './pages/ledger.mjs';
import { problemPage } from './pages/message.mjs';
import { canceledPage, orderPage, ordersPage, refusedReturn } from './pages/order.mjs';
import { icon, picture } from './pages/pictures.mjs';
import { storefront } from './pages/storefront.mjs';
import { stripeAgentsPage } from './pages/stripe-agents.mjs';
import { style } from './pages/style.mjs';
import { MOST_OF_ONE, priceAgentLines, priceCart, Unpriceable } from './pricing.mjs';
import { explain } from './problems.mjs';
import { CHALLENGE_PATH } from './registration.mjs';
import { asset, json, page, redirect, Refused, text } from './server.mjs';
import { WorkerError } from './worker-client.mjs';

const AGENT_CALLS_A_MINUTE = 60;

export function createRoutes(shop) {
  const { store, registration, connectivity, checkout, orders, ledger, notices, manifest, selling, stripeAgents, stock, agentOrders, events, exchanges, siteUrl, now, log } = shop;
  const { state } = store;

  // --- what every page needs ---

  const recorder = (context) => exchanges.recorderFor(context.sessionId);
  const session = (context) => { context.session ??= store.session(context.sessionId); return context.session; };

  function view(context) {
    const visitor = session(context);
    const { flash } = visitor;
    if (flash) { delete visitor.flash; store.keepSession(visitor, now()); } // shown once
    return {
      here: context.url.pathname, flash, formToken: context.formToken, exchanges: exchanges.of(context.sessionId),
      cartCount: Object.values(visitor.cart.items).reduce((sum, quantity) => sum + quantity, 0),
    };
  }

  function say(context, kind, message) {
    session(context).flash = { kind, text: message };
    store.keepSession(session(context), now());
  }

  // --- the storefront and the cart ---

  function home(context) {
    const { cart } = session(context);
    const question = context.query.get('ask')?.trim().slice(0, 120);
    return page(storefront(view(context), { currency: cart.currency, priced: priceCart(cart), question, found: suggest(question), left: stock.left }));
  }

  function addToCart(context) {
    const { items } = session(context).cart;
    let short;
    for (const id of context.form.getAll('product_id').slice(0, 20)) {
      const product = findProduct(id);
      const quantity = Math.min((items[id] ?? 0) + 1, MOST_OF_ONE);
      const missing = product && stock.shortage([{ product_id: id, quantity }]);
      if (missing) short = missing;
      else if (product) items[id] = quantity;
    }
    say(context, short ? 'warn' : 'good', short ?? 'It is in your cart.');
    return redirect('/');
  }

  function changeCurrency(context) {
    const wanted = context.form.get('currency');
    if (Object.hasOwn(currencies, wanted)) session(context).cart.currency = wanted;
    store.keepSession(session(context), now());
    return redirect('/');
  }

  const cart = (context) => page(cartPage(view(context), { cart: session(context).cart, priced: priceCart(session(context).cart) }));

  function updateCart(context) {
    readCartForm(context);
    return redirect('/cart');
  }

  function readCartForm(context) {
    const { form } = context;
    const { cart: basket } = session(context);
    for (const id of Object.keys(basket.items)) {
      const typed = form.get(`quantity_${id}`);
      const quantity = /^\d{1,4}$/.test(typed ?? '') ? Math.min(Number(typed), MOST_OF_ONE) : basket.items[id];
      if (quantity === 0 || form.get('remove') === id) delete basket.items[id];
      else basket.items[id] = quantity;
    }
    if (Object.hasOwn(shippingChoices, form.get('shipping'))) basket.shipping = form.get('shipping');
    if (Object.hasOwn(currencies, form.get('currency'))) basket.currency = form.get('currency');
    if (form.has('coupon')) basket.coupon = form.get('coupon').trim().toUpperCase().slice(0, 40);
    store.keepSession(session(context), now());
  }

  // --- journey: chat checkout ---

  async function chatCheckout(context) {
    if (context.form.has('shipping')) readCartForm(context); // sent from the cart page, with whatever was typed there
    const visitor = session(context);
    const priced = priceCart(visitor.cart);
    if (priced.lines.length === 0) return redirect('/cart');
    mustBeOpen();
    const short = stock.shortage(priced.lines);
    if (short) {
      say(context, 'warn', short);
      return redirect('/cart');
    }
    try {
      const { url } = await checkout.checkOutCart(visitor, priced, state.settings.mode, recorder(context));
      return redirect(safeCheckoutUrl(url));
    } catch (error) {
      if (error.code !== 'order_already_paid') throw error;
      // Paid in another tab, or the way home was lost. Learn it from the ledger instead of charging again.
      const order = orders.find(visitor.cart.order_id);
      await ledger.reconcile(order, recorder(context));
      return redirect(orderPath(order));
    }
  }

  function mustBeOpen() {
    if (registration.current()?.status !== 'active') throw new Refused(503, 'Payments are not set up yet', 'An administrator registers this shop and connects Stripe under Connectivity.');
  }

  /** The Worker is trusted, but a `javascript:` or `data:` address would be no place to send a buyer to in any case. */
  function safeCheckoutUrl(url) {
    if (!/^https:\/\/|^http:\/\/(localhost|127\.0\.0\.1)[:/]/.test(url)) throw new AnswerMismatch('The Worker answered with an address that is no web page.');
    return url;
  }

  // --- journey: agent checkout ---

  const agentForm = (context) => page(agentPage(view(context), { siteUrl }));

  async function agentCheckout(context) {
    const values = Object.fromEntries(context.form);
    const asked = { agent: values.agent, currency: values.currency, success_url: values.success_url?.trim(), cancel_url: values.cancel_url?.trim(), line_items: [] };
    try {
      for (let row = 0; row < AGENT_ROWS; row += 1) {
        if (!values[`product_${row}`]) continue;
        const claim = values[`claim_${row}`]?.trim();
        asked.line_items.push({
          product_id: values[`product_${row}`], quantity: Number(values[`quantity_${row}`]),
          ...(claim && { amount_total: toMinor(claim, asked.currency) }),
        });
      }
      const { order } = await sellToAgent(asked, undefined, recorder(context));
      return redirect(`/agent/order/${order.id}?key=${order.key}`);
    } catch (error) {
      const wrong = error instanceof WorkerError ? undefined : error instanceof Unpriceable || error instanceof RangeError ? error.message : undefined;
      if (!wrong) throw error;
      return page(agentPage(view(context), { values, wrong, siteUrl }), 422);
    }
  }

  async function sellToAgent(asked, idempotencyKey, record) {
    mustBeOpen();
    const agent = agentName(asked);
    const currency = asked.currency === undefined ? 'usd' : String(asked.currency).toLowerCase();
    const priced = priceAgentLines(asked.line_items, currency);
    const short = stock.shortage(priced.lines);
    if (short) throw new Unpriceable(short, 'line_items');
    return checkout.checkOutForAgent({
      agent, priced, mode: state.settings.mode, successUrl: asked.success_url, cancelUrl: asked.cancel_url,
      agentCall: idempotencyKey && agentCallOf(agent, idempotencyKey, asked),
    }, record);
  }

  function agentName(asked) {
    const given = asked.agent ?? (typeof asked.source === 'string' ? asked.source.replace(/^agent:/, '') : 'unnamed');
    const name = typeof given === 'string' ? given.trim() : '';
    if (!/^[^\p{Cc}]{1,64}$/u.test(name)) throw new Unpriceable('An agent has a name of 1 to 64 characters.', 'agent');
    return name;
  }

  function agentOrder(context) {
    return page(agentResult(view(context), { order: orderOf(context.params.id, context.query.get('key')) }));
  }

  /** The API twin, at the address that the manifest names. Open to any agent, so it is limited and says little. */
  async function createSession(context) {
    const problem = (status, code, message, param) => json({ error: { code, message, ...(param && { param }) } }, status);
    if (tooMany(context.address)) return problem(429, 'rate_limited', 'Too many checkouts in this minute.');
    if (!/^application\/json\b/i.test(context.request.headers['content-type'] ?? '')) return problem(415, 'media_type_unsupported', 'Send JSON.');
    try {
      const asked = JSON.parse(await context.text());
      if (asked === null || typeof asked !== 'object' || Array.isArray(asked)) return problem(400, 'json_invalid', 'Send a JSON object.');
      const { order, url } = await sellToAgent(asked, context.request.headers['idempotency-key']?.slice(0, 255), exchanges.recorderFor('agents'));
      return json({
        checkout_url: url, order_id: order.id, session_id: order.sessions.at(-1).session_id, currency: order.currency, amount_total: order.total,
        line_items: order.lines.map(({ product_id, name, quantity, amount_total }) => ({ product_id, name, quantity, amount_total })),
        repriced: order.lines.some((line) => line.claimed !== null && line.claimed !== line.amount_total),
        expires_at: order.sessions.at(-1).expires_at,
      }, 201);
    } catch (error) {
      if (error instanceof SyntaxError) return problem(400, 'json_invalid', 'This is not JSON.');
      if (error instanceof Unpriceable) return problem(422, 'line_items_invalid', error.message, error.field);
      if (error instanceof AgentKeyReused) return problem(422, 'idempotency_conflict', 'This Idempotency-Key was used for another request.');
      if (error instanceof Refused) return problem(error.status, 'not_available', error.message);
      if (!(error instanceof WorkerError)) throw error;
      // A refusal of OUR key is our trouble, not the agent's.
      if (!error.final || error.status === 401) return problem(503, 'not_available', 'Checkout is not available at the moment. The same request may be sent again.');
      return problem(error.status, error.code, error.message, error.param);
    }
  }

  const calls = new Map(); // address -> the times of its calls in the last minute
  function tooMany(address) {
    const recent = (calls.get(address) ?? []).filter((at) => at > now() - 60);
    if (recent.length < AGENT_CALLS_A_MINUTE) recent.push(now());
    else return true;
    if (calls.size > 1000) calls.clear();
    calls.set(address, recent);
    return false;
  }

  // --- journey: the buyer comes home ---

  function checkoutReturn(context) {
    const result = checkReturn(context.query, { secrets: registration.signingSecrets(), findOrder: orders.find, now: now() });
    if (!result.ok) {
      log(`a return was refused: ${result.reason}`);
      return page(refusedReturn(view(context), reasons[result.reason]), 403);
    }
    const { order, status } = result;
    orders.settle(order, status === 'unpaid' ? 'pending' : status, 'the buyer came back, signed');
    // On to an address that may be reloaded and kept: the signed one is stale in ten minutes.
    return redirect(orderPath(order));
  }

  /** Unsigned, so it changes nothing: the buyer may still go back and pay. */
  function checkoutCanceled(context) {
    const order = orders.find(context.query.get('order') ?? '');
    return page(canceledPage(view(context), { order: order?.key === context.query.get('key') ? order : undefined }));
  }

  const orderPath = (order) => `/order/${order.id}?key=${order.key}`;

  function orderOf(id, key) {
    const order = orders.find(id);
    // Order numbers can be counted; the key is what keeps a stranger from reading other people's orders.
    if (!order || order.key !== key) throw new Refused(404, 'No such order', 'This address does not lead to an order.');
    return order;
  }

  const order = (context) => page(orderPage(view(context), { order: orderOf(context.params.id, context.query.get('key')) }));

  async function refreshOrder(context) {
    const found = orderOf(context.params.id, context.form.get('key'));
    const moved = await ledger.reconcile(found, recorder(context));
    say(context, 'plain', moved ? `Order ${found.id} has moved on.` : `Nothing new about order ${found.id}.`);
    return redirect(context.form.get('back') === 'orders' ? '/admin/orders' : orderPath(found));
  }

  // --- journey: the Worker tells ---

  async function notice(context) {
    const result = checkNotice(context.request.headers, await context.text(), { secrets: registration.signingSecrets(), now: now() });
    if (!result.ok) {
      log(`a notice was refused: ${result.reason}`);
      return json({ error: { code: result.reason } }, 401);
    }
    // A question, and no notice: nothing of it is kept.
    if (result.notice.type === 'order.approval') return json(approval(result.notice, stock));
    const answer = notices.take(result.notice);
    return answer ? json(answer) : { status: 204, headers: {}, body: '' };
  }

  // --- journey: connect ---

  async function connectivityHome(context) {
    if (context.query.has('cc_connect')) return backFromStripe(context);
    let down;
    const connections = {};
    try {
      if (!registration.current()) await registration.ensure(recorder(context));
      else await registration.refresh(recorder(context));
      if (registration.current().status === 'active') {
        await Promise.all(['test', 'live'].map(async (mode) => { connections[mode] = await connectionIn(mode, context); }));
      }
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      if (error.status !== 401) down = explain(error); // 401 has its own words on the page
    }
    if (down) for (const mode of ['test', 'live']) connections[mode] ??= { problem: { title: 'Not known', advice: 'The Worker could not be asked.' } };
    return page(connectivityPage(view(context), {
      shop: registration.current(), workerUrl: shop.client.workerUrl, siteUrl, down, connections, settings: state.settings,
      unfinished: Boolean(session(context).connect?.claim),
    }), down ? 503 : 200);
  }

  async function connectionIn(mode, context) {
    try {
      return { connection: await connectivity.status(mode, recorder(context)) };
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      return { problem: explain(error) };
    }
  }

  async function register(context) {
    if (context.form.get('anew') === 'yes') registration.forget();
    await registration.ensure(recorder(context));
    say(context, 'good', 'This shop is registered and verified.');
    return redirect('/admin/connectivity');
  }

  async function connect(context) {
    const mode = modeOf(context);
    const url = await connectivity.start(session(context), {
      mode, replace: context.form.get('replace') === 'yes',
      ...(context.form.get('method') === 'onboarding' && { method: 'onboarding' }),
      prefill: { email: 'owner@harbour-lane.example', business_name: shop.name, country: 'US' },
    }, recorder(context));
    return redirect(safeCheckoutUrl(url));
  }

  async function backFromStripe(context) {
    const outcome = context.query.get('cc_connect');
    const visitor = session(context);
    if (outcome === 'denied') {
      say(context, 'warn', 'You refused at Stripe. Nothing is connected.');
    } else if (outcome === 'failed') {
      const code = context.query.get('cc_code');
      say(context, 'bad', Object.hasOwn(failures, code ?? '') ? failures[code] : 'The connection failed. Nothing is connected; press Connect to try again.');
    } else if (outcome === 'pending' && connectivity.rememberClaim(visitor, context.query.get('cc_claim') ?? '')) {
      return finishConnect(context);
    } else {
      // No verifier, so there is nothing to confirm with: another browser, or a link that somebody sent.
      say(context, 'bad', 'This browser did not start that connection, or more than a quarter of an hour has passed. Nothing is connected.');
    }
    if (visitor.connect) connectivity.drop(visitor);
    return redirect('/admin/connectivity'); // the claim does not stay in the address bar
  }

  async function finishConnect(context) {
    const visitor = session(context);
    if (!visitor.connect?.claim) return redirect('/admin/connectivity');
    try {
      const connection = await connectivity.finish(visitor, recorder(context));
      manifest.forget();
      const mode = connection.livemode ? 'live' : 'test';
      const more = mode === state.settings.mode ? await openToAgents(mode, context) : `This shop still sells in ${state.settings.mode} mode; change that below.`;
      say(context, 'good', `Connected: ${connection.account}, ${mode} mode. ${more}`);
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      const words = explain(error);
      say(context, 'bad', `${words.title}. ${words.advice}`);
    }
    return redirect('/admin/connectivity');
  }

  /** From now on there is somebody to pay, so agents may come too. What goes wrong here does not undo the connection. */
  async function openToAgents(mode, context) {
    try {
      const agent = await selling.start(mode, recorder(context));
      return `Agents can buy here too: ${agent.name} has its key.`;
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      log(`selling to agents could not begin: ${error.message}`);
      return 'Selling to agents could not begin; try it again under Selling.';
    }
  }

  async function disconnect(context) {
    const mode = modeOf(context);
    await connectivity.disconnect(mode, recorder(context));
    manifest.forget();
    say(context, 'good', `Disconnected, ${mode} mode.`);
    return redirect('/admin/connectivity');
  }

  function chooseMode(context) {
    state.settings.mode = modeOf(context);
    store.save();
    say(context, 'good', `This shop now sells in ${state.settings.mode} mode.`);
    return redirect('/admin/connectivity');
  }

  async function killSwitch(context) {
    const enabled = context.form.get('enabled') === 'yes';
    await registration.setCheckoutEnabled(enabled, recorder(context));
    manifest.forget();
    say(context, enabled ? 'good' : 'warn', enabled ? 'Checkout is on.' : 'Checkout is off. Nobody can start one.');
    return redirect('/admin/connectivity');
  }

  async function rollKey(context) {
    if (context.form.get('which') === 'signing_secret') await registration.rollSigningSecret(recorder(context));
    else await registration.rollApiKey(recorder(context));
    say(context, 'good', 'Rolled. The old one works for 24 hours more.');
    return redirect('/admin/connectivity');
  }

  function modeOf(context) {
    const mode = context.form.get('mode');
    if (mode !== 'test' && mode !== 'live') throw new Refused(422, 'Which mode?', 'A mode is test or live.');
    return mode;
  }

  // --- agents at Stripe ---

  async function stripeAgentsHome(context) {
    const { mode } = state.settings;
    const ready = registration.current()?.status === 'active';
    let agreements;
    let down;
    try {
      if (ready) agreements = await stripeAgents.list(mode, recorder(context));
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      down = explain(error);
    }
    return page(stripeAgentsPage(view(context), { ready, mode, agreements, down }));
  }

  async function stripeAgentsSettings(context) {
    return redirect(safeCheckoutUrl(await stripeAgents.settings(state.settings.mode, recorder(context))));
  }

  const stripeAgentsAct = (what, words) => async (context) => {
    const id = context.form.get('id') ?? '';
    if (!/^[A-Za-z0-9_-]{1,200}$/.test(id)) throw new Refused(422, 'Which agreement?', 'Go back and choose one.');
    const { orchestrator_details: agent } = await stripeAgents[what](id, state.settings.mode, recorder(context));
    say(context, 'good', `${words} ${agent?.name ?? 'the agent'}.`);
    return redirect('/admin/stripe-agents');
  };

  // --- orders and ledger ---

  async function ordersHome(context) {
    let sold;
    let down;
    try {
      if (registration.current()?.status === 'active') sold = await agentOrders.list(recorder(context));
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error;
      down = explain(error); // the shop's own books can be read all the same
    }
    return page(ordersPage(view(context), { orders: orders.list(), notices: notices.list(), sold, down, events: events.list() }));
  }

  async function ledgerHome(context) {
    try {
      mustBeOpen();
      const [groups, rows] = await Promise.all([ledger.salesBySource(recorder(context)), ledger.page(context.query, recorder(context))]);
      return page(ledgerPage(view(context), { groups, page: rows }));
    } catch (error) {
      if (error instanceof Refused) return page(ledgerPage(view(context), { down: { title: error.title, advice: error.message } }), error.status);
      if (!(error instanceof WorkerError)) throw error;
      return page(ledgerPage(view(context), { down: explain(error) }), error.status || 503);
    }
  }

  async function ledgerCsv(context) {
    mustBeOpen();
    const answer = await ledger.csv(context.query, recorder(context));
    return { status: 200, headers: { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="transactions.csv"' }, stream: answer.body };
  }

  // --- what others read ---

  function challenge() {
    const current = registration.current();
    if (!current) throw new Refused(404, 'No challenge', 'This shop has not registered yet.');
    return text(current.challenge);
  }

  const ucp = async () => json(await manifest.build(exchanges.recorderFor('agents')));

  function productPicture(context) {
    const { id } = context.params;
    const drawn = picture(findProduct(id)?.group?.id ?? id); // sizes look alike
    if (!drawn) throw new Refused(404, 'No picture', 'There is no such product.');
    return asset('image/svg+xml', drawn);
  }

  // --- what went wrong ---

  function onError(error, context) {
    const words = wordsFor(error);
    if (words.status >= 500 && !(error instanceof WorkerError) && !(error instanceof Refused)) log(`${words.reference}: ${error.stack}`);
    if (!context.sessionId) return text(`${words.title}. ${words.advice}\n`, words.status);
    return page(problemPage(view(context), words, BACK.find(([path]) => context.url.pathname.startsWith(path))[1]), words.status);
  }

  /** Where the button "Back" of a problem leads. */
  const BACK = [['/admin/orders', '/admin/orders'], ['/admin/selling', '/admin/selling'], ['/admin/stripe-agents', '/admin/stripe-agents'], ['/admin/stripe-rules', '/admin/stripe-rules'], ['/admin', '/admin/connectivity'], ['/agent', '/agent'], ['/', '/cart']];

  function wordsFor(error) {
    if (error instanceof Refused) return { status: error.status, title: error.title, advice: error.message };
    if (error instanceof WorkerError) return { ...explain(error), status: error.status === 401 ? 502 : error.status || 503 };
    if (error instanceof AnswerMismatch) return { status: 502, title: 'This checkout was stopped', advice: error.message };
    const reference = Math.random().toString(36).slice(2, 10);
    return { status: 500, title: 'Something is wrong in the shop', advice: `It is written in the shop's log under ${reference}.`, reference };
  }

  const routes = [
    ['GET', '/', home],
    ['POST', '/cart/add', addToCart],
    ['POST', '/currency', changeCurrency],
    ['GET', '/cart', cart],
    ['POST', '/cart', updateCart],
    ['POST', '/checkout/chat', chatCheckout],
    ['GET', '/checkout/return', checkoutReturn],
    ['GET', '/checkout/canceled', checkoutCanceled],
    ['GET', '/order/:id', order],
    ['POST', '/order/:id/refresh', refreshOrder],
    ['GET', '/agent/checkout', agentForm],
    ['POST', '/agent/checkout', agentCheckout],
    ['GET', '/agent/order/:id', agentOrder],
    ['GET', '/admin', () => redirect('/admin/connectivity')],
    ['GET', '/admin/connectivity', connectivityHome],
    ['POST', '/admin/register', register],
    ['POST', '/admin/connect', connect],
    ['POST', '/admin/connect/finish', finishConnect],
    ['POST', '/admin/disconnect', disconnect],
    ['POST', '/admin/mode', chooseMode],
    ['POST', '/admin/kill-switch', killSwitch],
    ['POST', '/admin/keys', rollKey],
    ['GET', '/admin/stripe-agents', stripeAgentsHome],
    ['POST', '/admin/stripe-agents/settings', stripeAgentsSettings],
    ['POST', '/admin/stripe-agents/confirm', stripeAgentsAct('confirm', 'Confirmed:')],
    ['POST', '/admin/stripe-agents/terminate', stripeAgentsAct('terminate', 'Ended: the agreement with')],
    ['GET', '/admin/orders', ordersHome],
    ['GET', '/admin/ledger', ledgerHome],
    ['GET', '/admin/ledger.csv', ledgerCsv],
    ['GET', CHALLENGE_PATH, challenge, { api: true }],
    ['POST', CREATE_SESSION_PATH, createSession, { api: true }],
    ['POST', NOTICES_PATH, notice, { api: true }],
    ['GET', PRODUCTS_PATH, () => json(productList(siteUrl)), { api: true }],
    ['GET', '/.well-known/ucp', ucp, { api: true }],
    ['GET', '/style.css', () => asset('text/css; charset=utf-8', style), { api: true }],
    ['GET', '/favicon.svg', () => asset('image/svg+xml', icon), { api: true }],
    ['GET', '/pictures/:id.svg', productPicture, { api: true }],
    ...createAgentRoutes(shop, { view, say, session, recorder, orderOf }),
  ];
  return { routes, onError };
}
