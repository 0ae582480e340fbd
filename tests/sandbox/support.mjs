// A stand-in of its own for each test file, an endpoint that hears webhooks, and short ways to call.
import http from 'node:http';
import { startStripe } from '../../sandbox/stripe/index.mjs';

export const VERSION = '2026-10-28.endive';
/** One that knows shared payment tokens. */
export const PREVIEW = '2026-10-14.preview';
export const CALLBACK = 'http://localhost:8787/connect/callback';

/** Flattens { line_items: [{ quantity: 1 }] } into Stripe's form. */
export function form(value, prefix = '', into = new URLSearchParams()) {
  for (const [name, member] of Object.entries(value)) {
    const key = prefix ? `${prefix}[${name}]` : name;
    if (typeof member === 'object' && member !== null) form(member, key, into);
    else if (member !== undefined) into.append(key, String(member));
  }
  return prefix ? into : into.toString();
}

export const line = (unit_amount, { quantity = 1, currency = 'usd', name = 'Tea', ...price } = {}) => ({
  quantity, price_data: { currency, ...(unit_amount !== undefined && { unit_amount }), product_data: { name }, ...price },
});

export const order = (more = {}) => ({
  mode: 'payment', success_url: 'https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}', line_items: [line(1000)], ...more,
});

/** Hears webhooks. `answer` may be changed: a status, or a function of the event. */
export async function listener() {
  const heard = [];
  const self = { heard, answer: 200, waiting: [] };
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const event = JSON.parse(body);
      heard.push({ event, body, headers: request.headers });
      for (const wake of self.waiting.splice(0)) wake();
      const status = typeof self.answer === 'function' ? await self.answer(event) : self.answer;
      if (status === null) return; // never answers
      response.writeHead(status, status === 302 ? { Location: '/elsewhere' } : {}).end('heard');
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  self.url = `http://127.0.0.1:${server.address().port}/hook`;
  self.types = () => heard.map(({ event }) => event.type);
  self.until = async (count) => {
    while (heard.length < count) await new Promise((resolve) => { self.waiting.push(resolve); });
  };
  self.close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return self;
}

export async function start(options = {}) {
  const stripe = await startStripe({ redirectUris: [CALLBACK], retryPauses: [5, 5], ...options });

  /** → { status, body, headers }; `key` and `account` choose whose eyes look. */
  const call = async (method, path, params, { account, key, livemode = false, headers = {}, secret, version = VERSION } = {}) => {
    const isGet = method === 'GET';
    const encoded = typeof params === 'string' ? params : params && form(params);
    const response = await fetch(`${stripe.url}${path}${isGet && encoded ? `?${encoded}` : ''}`, {
      method, redirect: 'manual',
      headers: {
        Authorization: `Bearer ${secret ?? (livemode ? stripe.keys.live : stripe.keys.test).secret}`,
        ...(version && { 'Stripe-Version': version }),
        ...(account && { 'Stripe-Account': account }),
        ...(key && { 'Idempotency-Key': key }),
        ...(!isGet && { 'Content-Type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
      ...(!isGet && { body: encoded ?? '' }),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  };

  const authorizeUrl = (more = {}, livemode = false) => `${stripe.url}/oauth/authorize?${form({
    client_id: (livemode ? stripe.keys.live : stripe.keys.test).clientId, response_type: 'code', scope: 'read_write', redirect_uri: CALLBACK, state: 'state-1', ...more,
  })}`;

  /** A merchant who is connected. → account id */
  const merchant = async ({ livemode = false, ...fields } = {}) => {
    const { id } = await stripe.createAccount(fields);
    const { location } = await stripe.authorize({ authorizeUrl: authorizeUrl({}, livemode), account: id });
    const code = new URL(location).searchParams.get('code');
    const { status } = await call('POST', '/oauth/token', { grant_type: 'authorization_code', code }, { livemode });
    if (status !== 200) throw new Error(`connecting failed: ${status}`);
    return id;
  };

  /** A session, or an error that says why there is none. */
  const session = async (account, more = {}, options_ = {}) => {
    const answer = await call('POST', '/v1/checkout/sessions', order(more), { account, ...options_ });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    return answer.body;
  };

  return { stripe, call, authorizeUrl, merchant, session };
}
