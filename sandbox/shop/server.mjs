// The small web server under the shop: routes, forms, cookies, headers. Nothing here knows of the Worker.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const COOKIE = 'cc_demo_shop';
const BODY_LIMIT = 512 * 1024; // a notice of an order with a hundred lines has some 100 KB

/** A request that we answer with a page of our own: {status, title, message}. */
export class Refused extends Error {
  constructor(status, title, message) { super(message); Object.assign(this, { status, title }); }
}

/**
 * routes: [method, pattern, handler, {api?}]; a pattern is a path with `:name` segments.
 * `api` routes are for programs: no cookie, no form token, no redirect to the canonical host.
 */
export function createHandler({ routes, secret, hosts, canonical, onError }) {
  const table = routes.map(([method, pattern, handler, options = {}]) => ({ method, handler, options, match: compile(pattern) }));

  return async function handle(request, response) {
    let reply;
    let context;
    try {
      // Attack: DNS rebinding. A page on evil.example whose name suddenly means 127.0.0.1 could read this admin's pages.
      if (!hosts().includes(request.headers.host)) throw new Refused(421, 'Wrong address', 'This shop answers on localhost only.');
      const url = new URL(request.url.replace(/^\/+/, '/'), canonical());
      const found = find(table, request.method, url.pathname);
      context = { request, url, query: url.searchParams, params: found.params, address: request.socket.remoteAddress };
      if (found.options.api) {
        context.text = () => readText(request);
      } else {
        // Cookies know hosts, not addresses: who starts on 127.0.0.1 and is sent home to localhost would be a stranger there.
        if (request.method === 'GET' && new URL(canonical()).host !== request.headers.host) {
          reply = redirect(canonical() + url.pathname + url.search);
        } else {
          openSession(context, request);
          if (request.method === 'POST') await readForm(context, request);
        }
      }
      reply ??= await found.handler(context);
    } catch (error) {
      reply = await onError(error, context ?? { request, url: new URL('/', canonical()), query: new URLSearchParams() });
    }
    await write(response, reply, request, context);
  };

  function openSession(context, request) {
    const given = cookieOf(request.headers.cookie);
    context.fresh = given === undefined;
    context.sessionId = given ?? randomBytes(16).toString('hex');
    context.formToken = createHmac('sha256', secret).update(`form ${context.sessionId}`).digest('hex');
  }

  async function readForm(context, request) {
    if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) throw new Refused(415, 'Not a form', 'This address takes HTML forms.');
    context.form = new URLSearchParams(await readText(request));
    // Attack: another site's page posts "disconnect" into the admin's session. It cannot know the token that our forms carry.
    if (!sameText(context.form.get('form_token') ?? '', context.formToken)) {
      throw new Refused(403, 'This form is too old', 'It was not made for this browser session. Go back, reload the page and send it again.');
    }
  }
}

/** Loopback only, by both of its names. port 0 takes any free port; `url` always says localhost. */
export async function listen(handler, port) {
  const servers = [createServer(handler)];
  await started(servers[0], port, '127.0.0.1');
  const chosen = servers[0].address().port;
  const second = createServer(handler);
  try {
    await started(second, chosen, '::1');
    servers.push(second);
  } catch (error) {
    if (!['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code)) { // a machine without IPv6 has one name less, and that is all
      servers[0].close();
      throw error;
    }
  }
  return {
    port: chosen,
    url: `http://localhost:${chosen}`,
    async close() {
      await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); })));
    },
  };
}

const started = (server, port, host) => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, host, resolve);
});

// --- replies ---

export const page = (markup, status = 200) => ({ status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: String(markup) });
export const redirect = (location) => ({ status: 303, headers: { location }, body: '' });
export const json = (value, status = 200) => ({ status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(value, null, 2)}\n` });
export const text = (value, status = 200) => ({ status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: value });
export const asset = (type, body) => ({ status: 200, headers: { 'content-type': type, 'cache-control': 'no-cache' }, body });

const ALWAYS = {
  // No script at all. `form-action` names other hosts because a browser applies it to the whole chain of redirects
  // after a form: Chat checkout leads to Stripe, Connect leads to the Worker.
  'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https: http://localhost:* http://127.0.0.1:*; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer', // our addresses carry signatures and order keys
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

async function write(response, reply, request, context) {
  const headers = { ...ALWAYS, ...reply.headers };
  if (context?.fresh) headers['set-cookie'] = `${COOKIE}=${context.sessionId}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000`;
  response.writeHead(reply.status, headers);
  if (request.method === 'HEAD' || !reply.stream) {
    response.end(request.method === 'HEAD' ? undefined : reply.body);
    return;
  }
  try {
    for await (const chunk of reply.stream) {
      if (!response.write(chunk)) await new Promise((resolve) => { response.once('drain', resolve).once('close', resolve); });
      if (response.destroyed) return;
    }
    response.end();
  } catch {
    response.destroy(); // a cut download must look cut, not complete
  }
}

// --- requests ---

function find(table, method, path) {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const here = table.map((route) => ({ ...route, params: route.match(path) })).filter((route) => route.params);
  const found = here.find((route) => route.method === wanted);
  if (found) return found;
  if (here.length > 0) throw new Refused(405, 'Not that way', `This address takes ${here.map((route) => route.method).join(' or ')}.`);
  throw new Refused(404, 'Page not found', 'There is nothing at this address.');
}

function compile(pattern) {
  const names = [];
  const source = pattern.replace(/[.]/g, '\\.').replace(/:(\w+)/g, (_, name) => { names.push(name); return '([A-Za-z0-9_-]{1,64})'; });
  const expression = new RegExp(`^${source}$`);
  return (path) => {
    const match = expression.exec(path);
    return match && Object.fromEntries(names.map((name, index) => [name, match[index + 1]]));
  };
}

async function readText(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refused(413, 'Too large', 'This is more than the shop reads.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function cookieOf(header = '') {
  for (const pair of header.split(';')) {
    const [name, value] = pair.trim().split('=');
    if (name === COOKIE && /^[0-9a-f]{32}$/.test(value ?? '')) return value;
  }
  return undefined;
}

function sameText(a, b) {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
