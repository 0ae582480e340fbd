// The HTTP client: every call of the shop to the Worker goes through `call`.
//
// Four things a plugin's client needs, and why:
//  - a time-out longer than 5 s. The Worker gives Stripe 10 s; WordPress gives an HTTP call 5 s unless told otherwise,
//    and a plugin that hangs up first never learns of the session it has just made.
//  - retries with the SAME Idempotency-Key. A lost answer is not a lost deed: with the same key the Worker gives the first
//    answer again, with a new key it would make a second session (contract, "Conventions").
//  - bounded pauses. A buyer is waiting; after `deadlineMs` in all, an honest page is better than a spinner.
//  - errors that say what happened. `code` is for programs, `message` for people, `requestId` for the operator's log.

const RETRY_PAUSES_MS = [400, 1000, 2000];
const LONGEST_PAUSE_MS = 5000;

export class WorkerError extends Error {
  constructor({ message, code, status = 0, type = 'no_answer', param, requestId, retryAfter, saw, errors }) {
    super(message);
    Object.assign(this, { code, status, type, param, requestId, retryAfter, saw, errors });
  }

  /** True when the Worker has decided and the same request would be decided the same way: the attempt is over. */
  get final() {
    return this.status >= 400 && this.status < 500 && !IN_FLIGHT.has(this.code) && this.status !== 429;
  }
}

const IN_FLIGHT = new Set(['idempotency_in_flight', 'order_in_flight']);

/**
 * How long to wait before trying again, or null for "do not". Pure, so that the rule can be read and tested.
 * Only what may be repeated is repeated: a GET, a call with an Idempotency-Key, or one the caller marks as repeatable.
 */
export function pauseBeforeRetry({ repeatable, status, code, retryAfter }, attempt) {
  if (!repeatable || attempt >= RETRY_PAUSES_MS.length) return null;
  const noAnswer = status === 0;
  const busy = [502, 503, 504].includes(status) && code !== 'not_configured'; // waiting configures nothing
  const stillRunning = status === 409 && IN_FLIGHT.has(code);                 // our own first try is still at work
  if (!noAnswer && !busy && !stillRunning) return null;
  const asked = Number.isFinite(retryAfter) ? retryAfter * 1000 : 0;
  return Math.min(Math.max(RETRY_PAUSES_MS[attempt], asked), LONGEST_PAUSE_MS);
}

/**
 * apiKey: () => string | undefined, read at each call because keys can be rolled.
 * record: (exchange) => void, for the "what was sent" fold-out of the pages; secrets are masked before they get there.
 */
export function createWorkerClient({ workerUrl, apiKey, timeoutMs = 20_000, deadlineMs = 30_000, pause = sleep, record = () => {} }) {
  const base = checkedBase(workerUrl);

  /** `media`: of a body that is a text already, a catalogue's file for instance; an object goes out as JSON. */
  async function call(method, path, { query, body, media, idempotencyKey, repeatable, key = apiKey(), recorder = record } = {}) {
    const mayRepeat = repeatable ?? (method !== 'POST' || idempotencyKey !== undefined);
    const endsAt = Date.now() + deadlineMs;
    for (let attempt = 0; ; attempt += 1) {
      const exchange = { method, path: path + queryString(query), attempt, request: body, sent: {}, at: Date.now() };
      try {
        const response = await send(method, exchange, { body, media, idempotencyKey, key, timeoutMs: Math.min(timeoutMs, endsAt - Date.now()) });
        return await readAnswer(response, exchange);
      } catch (thrown) {
        const error = thrown instanceof WorkerError ? thrown : noAnswer(thrown, base);
        exchange.error = error.message;
        const wait = pauseBeforeRetry({ repeatable: mayRepeat, status: error.status, code: error.code, retryAfter: error.retryAfter }, attempt);
        if (wait === null || Date.now() + wait >= endsAt) throw error;
        await pause(wait);
      } finally {
        exchange.ms = Date.now() - exchange.at;
        recorder(exchange);
      }
    }
  }

  /** For downloads: the answer's body as a stream, unread. */
  async function stream(path, { query, recorder = record } = {}) {
    const exchange = { method: 'GET', path: path + queryString(query), attempt: 0, sent: {}, at: Date.now() };
    try {
      const response = await send('GET', exchange, { key: apiKey(), timeoutMs: 5 * 60_000 });
      exchange.status = response.status;
      if (!response.ok) await readAnswer(response, exchange);
      return response;
    } catch (thrown) {
      const error = thrown instanceof WorkerError ? thrown : noAnswer(thrown, base);
      exchange.error = error.message;
      throw error;
    } finally {
      exchange.ms = Date.now() - exchange.at;
      recorder(exchange);
    }
  }

  async function send(method, exchange, { body, media = 'application/json', idempotencyKey, key, timeoutMs: limit }) {
    const headers = { accept: 'application/json', 'user-agent': 'CognitiveCart-DemoShop/1' };
    if (key) headers.authorization = `Bearer ${key}`;
    if (body !== undefined) headers['content-type'] = media;
    if (idempotencyKey) headers['idempotency-key'] = idempotencyKey;
    exchange.sent = headers;
    return fetch(base + exchange.path, {
      method, headers, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      redirect: 'manual', // following a redirect would carry the shop's key to wherever it points
      signal: AbortSignal.timeout(Math.max(limit, 1)),
    });
  }

  return { call, stream, workerUrl: base };
}

async function readAnswer(response, exchange) {
  exchange.status = response.status;
  exchange.requestId = response.headers.get('request-id') ?? undefined;
  exchange.replayed = response.headers.get('idempotent-replayed') === 'true';
  const text = await response.text();
  const answer = parseObject(text);
  exchange.response = answer ?? text.slice(0, 2000);
  if (response.ok && answer) return answer;
  const retryAfter = response.headers.has('retry-after') ? Number(response.headers.get('retry-after')) : undefined;
  const { error } = answer ?? {};
  if (!error) {
    // Not the Worker's own words: a proxy, a firewall's block page, or the address of something else.
    throw new WorkerError({
      message: `Something answered ${response.status}, but not as the Worker does.`,
      code: 'worker_unreadable', status: response.ok || response.status < 400 ? 502 : response.status, retryAfter,
    });
  }
  throw new WorkerError({ ...error, requestId: error.request_id ?? exchange.requestId, status: response.status, retryAfter });
}

function noAnswer(thrown, base) {
  const timedOut = thrown?.name === 'TimeoutError';
  return new WorkerError({
    message: timedOut ? `The Worker at ${base} did not answer in time.` : `The Worker at ${base} cannot be reached.`,
    code: timedOut ? 'worker_timeout' : 'worker_unreachable',
  });
}

function checkedBase(workerUrl) {
  const url = new URL(workerUrl);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  // The key travels in a header: over plain http anyone on the way could read it and sell in the shop's name.
  if (url.protocol !== 'https:' && !(local && url.protocol === 'http:')) throw new Error(`The Worker's address must be https, not ${workerUrl}`);
  return url.origin + url.pathname.replace(/\/+$/, '');
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

function queryString(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
