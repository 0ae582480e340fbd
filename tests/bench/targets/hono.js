// The usual way: Hono for the routes, the official `stripe` package for Stripe, D1 by its own API. It makes the same statements as the
// Worker and has the same guards on the way in: key, shapes, sums, addresses, signatures.
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { logger } from 'hono/logger';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import Stripe from 'stripe';
import plans from './plans.json';
import { batched, fill, fresh26, hmac, oneByOne, sha256, values } from './replay.js';

const app = new Hono();
const web = Stripe.createSubtleCryptoProvider();
app.use(logger());
app.use(requestId());
app.use(secureHeaders());

const stripeOf = (env) => {
  const { protocol, hostname, port } = new URL(env.STRIPE_API_BASE);
  return new Stripe(env.STRIPE_TEST_SECRET_KEY, { httpClient: Stripe.createFetchHttpClient(), maxNetworkRetries: 0, protocol: protocol.slice(0, -1), host: hostname, port, telemetry: false });
};

const refuse = (status, code, message, param) => { throw new HTTPException(status, { message: JSON.stringify({ error: { type: 'invalid_request', code, message, param } }) }); };
const planOf = (c) => plans[c.req.header('x-journey') ?? 'healthz'];

/** The steps of a plan; `stripe` makes the call that the plan has at that place. */
async function carryOut(c, plan, given, stripe) {
  const run = c.env.ONE_BY_ONE === 'true' ? oneByOne : batched;
  for (const step of plan.steps) {
    if (step.batch) await run(c.env.DB, step.batch, given, c.env.D1_DELAY);
    else {
      const object = await stripe(step.fetch);
      if (object.object === 'checkout.session') given.cs = object.id;
      if (object.object === 'payment_intent') given.pi = object.id;
    }
  }
}

function answer(c, plan, given) {
  if (plan.answer.location) return c.redirect(fill(plan.answer.location, given), plan.answer.status);
  return c.body(fill(plan.answer.body, given) ?? null, plan.answer.status, plan.answer.type ? { 'content-type': plan.answer.type } : {});
}

async function authorized(c, known = {}) {
  const bearer = c.req.header('authorization');
  if (!bearer?.startsWith('Bearer ')) refuse(401, 'key_missing', 'Send a key.');
  return values({ ...known, key_hash: await sha256(bearer.slice(7)) });
}

const isText = (value, most) => typeof value === 'string' && value.length > 0 && value.length <= most;
const isAmount = (value) => Number.isSafeInteger(value) && value >= 0 && value <= 999_999_999_999;

/** The cart, known to be good, as Stripe's line items. */
function lineItems(body, env) {
  const known = ['source', 'cart', 'customer', 'success_url', 'cancel_url', 'expires_in', 'locale', 'metadata', 'capture', 'mode', 'collect', 'shipping_options'];
  for (const name of Object.keys(body)) if (!known.includes(name)) refuse(400, 'parameter_unknown', `Received unknown parameter: ${name}`, name);
  const { cart } = body;
  if (!cart || !Array.isArray(cart.items) || cart.items.length < 1 || cart.items.length > 100) refuse(422, 'too_many_lines', 'One to a hundred items.', 'cart[items]');
  if (!isText(cart.id, 200)) refuse(400, 'parameter_missing', 'A cart has an id.', 'cart[id]');
  let total = 0;
  const lines = cart.items.map((item, at) => {
    for (const name of Object.keys(item)) if (!['product_id', 'variation_id', 'sku', 'name', 'description', 'image_url', 'quantity', 'amount_total', 'tax_code'].includes(name)) refuse(400, 'parameter_unknown', name, `cart[items][${at}][${name}]`);
    if (!isText(item.name, 5000)) refuse(400, 'parameter_missing', 'name', `cart[items][${at}][name]`);
    if (!isAmount(item.amount_total)) refuse(400, 'parameter_invalid_integer', 'amount_total', `cart[items][${at}][amount_total]`);
    if (!Number.isSafeInteger(item.quantity) || item.quantity < 1 || item.quantity > 999_999) refuse(422, 'parameter_invalid_integer', 'quantity', `cart[items][${at}][quantity]`);
    total += item.amount_total;
    return { quantity: item.quantity, price_data: { currency: cart.currency, unit_amount: Math.round(item.amount_total / item.quantity), product_data: { name: item.name, metadata: { product_id: String(item.product_id) } } } };
  });
  if (total !== cart.total) refuse(422, 'total_mismatch', `The lines add up to ${total}, the cart says ${cart.total}.`, 'cart[total]');
  for (const name of ['success_url', 'cancel_url']) {
    let url;
    try { url = new URL(body[name]); } catch { refuse(422, 'url_not_allowed', 'No address.', name); }
    if (url.origin !== new URL(env.SHOP_ORIGIN).origin) refuse(422, 'url_not_allowed', 'Not the shop’s.', name);
  }
  return lines;
}

app.get('/healthz', async (c) => {
  await carryOut(c, plans.healthz, values({}));
  return answer(c, plans.healthz, {});
});

app.post('/v1/checkout/sessions', async (c) => {
  const plan = planOf(c);
  const key = c.req.header('idempotency-key');
  if (!key || key.length > 255) refuse(400, 'idempotency_key_required', 'Send an Idempotency-Key.');
  const body = await c.req.json();
  const given = await authorized(c, { K: key, O: body.cart?.order_id, cct: `cct_${fresh26()}` });
  const items = lineItems(body, c.env);
  // Two requests are the same if their JSON is.
  await sha256(JSON.stringify(body));
  const stripe = stripeOf(c.env);
  await carryOut(c, plan, given, (step) => {
    const transaction = fill(plan.transaction, given);
    const metadata = { cc_transaction: transaction, cc_source: 'chat', cart_id: body.cart.id, order_id: body.cart.order_id };
    return stripe.checkout.sessions.create({
      mode: 'payment', line_items: items, success_url: `${c.env.PUBLIC_URL}/checkout/complete/${transaction}?session_id={CHECKOUT_SESSION_ID}`, cancel_url: `${c.env.PUBLIC_URL}/checkout/cancel/${transaction}`,
      client_reference_id: transaction, metadata, payment_intent_data: { metadata, application_fee_amount: 100 }, adaptive_pricing: { enabled: false }, expires_at: Math.floor(Date.now() / 1000) + 86_000,
      customer_email: body.customer?.email,
    }, { stripeAccount: plan.account, idempotencyKey: fill(step.key, given) });
  });
  return answer(c, plan, given);
});

app.get('/checkout/complete/:transaction', async (c) => {
  const plan = planOf(c);
  const cs = c.req.query('session_id');
  const cct = c.req.param('transaction');
  if (!/^cs_[A-Za-z0-9_]+$/.test(cs ?? '') || !/^cct_[a-z0-9]+$/.test(cct)) refuse(404, 'resource_missing', 'No such checkout.');
  const given = values({ cct, cs });
  const stripe = stripeOf(c.env);
  await carryOut(c, plan, given, async () => {
    const session = await stripe.checkout.sessions.retrieve(cs, { expand: ['payment_intent', 'payment_intent.latest_charge'] }, { stripeAccount: plan.account });
    if (session.metadata.cc_transaction !== cct || session.amount_total !== plan.amount || session.currency !== 'usd' || session.livemode) refuse(409, 'mismatch', 'Not what was created.');
    given.pi = session.payment_intent.id;
    return session;
  });
  await hmac('a key of sixteen', `${Date.now()}.${cct}.${cs}.paid.${plan.amount}.usd.false`);
  return answer(c, plan, given);
});

app.post('/stripe/webhooks', async (c) => {
  const plan = planOf(c);
  let event;
  try {
    event = await stripeOf(c.env).webhooks.constructEventAsync(await c.req.text(), c.req.header('stripe-signature'), c.env.WEBHOOK_SECRET, 300, web);
  } catch {
    refuse(400, 'signature_invalid', 'The signature was refused.');
  }
  const session = event.data.object;
  const given = values({ cct: session.metadata.cc_transaction, cs: session.id, pi: session.payment_intent, evt: event.id });
  if (event.account !== plan.account || session.amount_total !== plan.amount || session.currency !== 'usd') return c.json({ received: true });
  await carryOut(c, plan, given);
  return answer(c, plan, given);
});

async function acp(c) {
  const plan = planOf(c);
  if (c.req.header('api-version') !== '2026-04-17') refuse(400, 'unsupported_version', 'API-Version');
  const key = c.req.header('idempotency-key');
  if (!key) refuse(400, 'idempotency_key_required', 'Send an Idempotency-Key.');
  const body = await c.req.json();
  const given = await authorized(c, { K: key, A: c.req.param('id') ?? `checkout_${fresh26()}`, ...(body.payment_data && { spt: body.payment_data.instrument?.credential?.token }) });
  await sha256(JSON.stringify(body));
  for (const [at, item] of (body.line_items ?? []).entries()) {
    if (!isText(item.id, 200)) refuse(400, 'invalid', 'id', `$.line_items[${at}].id`);
    if (!Number.isSafeInteger(item.quantity ?? 1) || item.quantity < 1) refuse(400, 'invalid', 'quantity', `$.line_items[${at}].quantity`);
  }
  const address = body.fulfillment_details?.address;
  if (address && !(isText(address.line_one, 200) && isText(address.city, 200) && /^[A-Z]{2}$/.test(address.country))) refuse(400, 'invalid', 'address', '$.fulfillment_details.address');
  const stripe = stripeOf(c.env);
  await carryOut(c, plan, given, (step) => {
    if (step.method === 'GET') return stripe.rawRequest('GET', fill(step.path, given), undefined, { stripeAccount: plan.account });
    return stripe.paymentIntents.create({ ...step.params, payment_method_data: { shared_payment_granted_token: given.spt }, metadata: { ...step.params.metadata, cc_transaction: fill(plan.transaction, given) } }, { stripeAccount: plan.account, idempotencyKey: fill(step.key, given) });
  });
  return answer(c, plan, given);
}
app.post('/checkout_sessions', acp);
app.post('/checkout_sessions/:id', acp);
app.post('/checkout_sessions/:id/complete', acp);

for (const path of ['/v1/transactions', '/v1/transactions/summary', '/v1/catalogue/products']) {
  app.get(path, async (c) => {
    const plan = planOf(c);
    const limit = Number(c.req.query('limit') ?? 10);
    if (!(limit >= 1 && limit <= 100)) refuse(422, 'parameter_invalid_integer', 'limit', 'limit');
    const given = await authorized(c);
    const run = c.env.ONE_BY_ONE === 'true' ? oneByOne : batched;
    let answers;
    for (const step of plan.steps) answers = await run(c.env.DB, step.batch, given, c.env.D1_DELAY);
    const rows = answers.at(-1).results;
    const shaped = rows.map((row) => ({ ...row, livemode: row.livemode === 1, ...(row.line_items && { line_items: JSON.parse(row.line_items), metadata: JSON.parse(row.metadata), events: JSON.parse(row.events), refunds: JSON.parse(row.refunds) }) }));
    return c.json({ object: 'list', data: shaped.slice(0, limit), has_more: shaped.length > limit, url: path });
  });
}

app.onError((error, c) => {
  if (error instanceof HTTPException) return c.body(error.message, error.status, { 'content-type': 'application/json' });
  console.error(error);
  return c.json({ error: { type: 'internal', code: 'internal', message: String(error?.message) } }, 500);
});

export default app;
