// One agent that speaks one version to one server. It says nothing about what is right: it sends, and shows the answer to whoever watches.
import { randomUUID } from 'node:crypto';

const DEADLINE = 30_000;

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export class Client {
  /** watch(answer): is shown every answer. send: what calls go out by, `fetch` unless told otherwise. */
  constructor({ url, key, dialect, watch = () => {}, send = fetch }) {
    Object.assign(this, { base: url.replace(/\/+$/, ''), token: key, dialect, watch, send });
  }

  /** The same agent in other words: {key, dialect}. */
  as(more) {
    return new Client({ url: this.base, key: this.token, dialect: this.dialect, watch: this.watch, send: this.send, ...more });
  }

  /**
   * operation: what is asked, for the checks of the answer. body: sent as JSON; raw: sent as it is.
   * key: an Idempotency-Key; left out, one is made where the version requires it; null sends none.
   * headers: undefined takes one away.
   */
  async call(operation, method, path, { body, raw, key, headers = {} } = {}) {
    const needsKey = method !== 'GET' && this.dialect.keyRequired;
    const idempotencyKey = key === undefined ? (needsKey ? randomUUID() : undefined) : (key ?? undefined);
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const sent = {
      ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
      ...this.dialect.headers,
      ...(payload !== undefined && { 'content-type': 'application/json' }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      'request-id': `conformance-${randomUUID()}`,
      ...headers,
    };
    for (const [name, value] of Object.entries(sent)) if (value === undefined) delete sent[name];
    const { send } = this;
    const response = await send(`${this.base}${path}`, {
      method,
      headers: sent,
      body: payload,
      redirect: 'manual',
      signal: AbortSignal.timeout(DEADLINE),
    });
    const text = await response.text();
    const answer = {
      operation,
      version: this.dialect.version,
      method,
      path,
      sent,
      payload,
      status: response.status,
      headers: response.headers,
      text,
      body: parsed(text),
    };
    this.watch(answer);
    return answer;
  }

  create(body, more) {
    return this.call('create', 'POST', this.dialect.path, { body, ...more });
  }
  get(id, more) {
    return this.call('get', 'GET', `${this.dialect.path}/${encodeURIComponent(id)}`, more);
  }
  update(id, body, more) {
    return this.call('update', this.dialect.updateMethod, `${this.dialect.path}/${encodeURIComponent(id)}`, { body, ...more });
  }
  complete(id, body, more) {
    return this.call('complete', 'POST', `${this.dialect.path}/${encodeURIComponent(id)}/complete`, { body, ...more });
  }
  cancel(id, body, more) {
    return this.call('cancel', 'POST', `${this.dialect.path}/${encodeURIComponent(id)}/cancel`, { body, ...more });
  }

  createCart(body, more) {
    return this.call('cart.create', 'POST', '/carts', { body, ...more });
  }
  getCart(id, more) {
    return this.call('cart.get', 'GET', `/carts/${encodeURIComponent(id)}`, more);
  }
  replaceCart(id, body, more) {
    return this.call('cart.update', 'PUT', `/carts/${encodeURIComponent(id)}`, { body, ...more });
  }
  cancelCart(id, body, more) {
    return this.call('cart.cancel', 'POST', `/carts/${encodeURIComponent(id)}/cancel`, { body, ...more });
  }
  discover(more) {
    return this.call('discovery', 'GET', '/.well-known/acp.json', more);
  }
}

/** What an answer was, in one line, for messages of failure. */
export const shown = ({ method, path, status, text }) => `${method} ${path} answered ${status} ${text.replace(/\s+/g, ' ').slice(0, 600)}`;
