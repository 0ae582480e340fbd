// The agent's HTTP client. What a client of this protocol has to do, beyond sending JSON:
//
//  - an Idempotency-Key with everything that changes something, in every version, though only the newest wants it. When no answer
//    comes, the same request goes out again with the SAME key: a lost answer is not a lost deed, and paying must not happen twice.
//  - no redirect is followed: the key would go wherever it leads.
//  - Signature and Timestamp (recommended): base64url(HMAC-SHA256(secret, `${timestamp}.${body}`)) with the secret that came with the
//    key, base64-decoded behind `whsec_`. The protocol leaves the algorithm to be agreed; this is the Worker's.

import { createHmac, randomUUID } from 'node:crypto';

const PAUSES_MS = [300, 1000];
const TIMEOUT_MS = 20_000; // the shop gives its bank ten seconds, and a little more is needed around it
const TOLD = ['request-id', 'idempotency-key', 'idempotent-replayed', 'retry-after', 'allow'];

/** credentials: () => {api_key, signing_secret}. -> send(request, {idempotencyKey?}) -> exchange */
export function createAgentClient({ workerUrl, credentials, now, pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }) }) {
  /**
   * request: {method, path, headers?, body?}. Never throws: what became of it is in the exchange,
   * {method, path, sent, body, status, told, answer, error?, tries, ms}, and neither the key nor a token is in what is shown of it.
   */
  return async function send(request, { idempotencyKey = request.method === 'GET' ? undefined : randomUUID() } = {}) {
    const text = request.body === undefined ? undefined : JSON.stringify(request.body);
    const exchange = { method: request.method, path: request.path, body: withoutToken(request.body), idempotencyKey, sent: {}, tries: 0, at: now() };
    const began = performance.now();
    for (const wait of [...PAUSES_MS, null]) {
      exchange.tries += 1;
      Object.assign(exchange, { status: undefined, told: {}, answer: undefined, error: undefined }, await once(request, text, idempotencyKey, exchange));
      if (wait === null || !worthAnother(exchange)) break;
      await pause(Math.max(wait, Math.min(Number(exchange.told['retry-after'] ?? 0), 3) * 1000));
    }
    exchange.ms = Math.round(performance.now() - began);
    return exchange;
  };

  async function once(request, text, idempotencyKey, exchange) {
    const { api_key, signing_secret } = credentials();
    const shown = {
      accept: 'application/json', 'user-agent': 'Errand/1 (a demo agent)', 'request-id': randomUUID(), ...request.headers,
      ...(text !== undefined && { 'content-type': 'application/json', ...signed(text, signing_secret) }),
      ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
    };
    exchange.sent = shown;
    try {
      const response = await fetch(workerUrl + request.path, {
        method: request.method, body: text, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { ...shown, authorization: `Bearer ${api_key}` },
      });
      const told = Object.fromEntries(TOLD.filter((name) => response.headers.has(name)).map((name) => [name, response.headers.get(name)]));
      return { status: response.status, told, answer: parse(await response.text()) };
    } catch (error) {
      return { error: error.name === 'TimeoutError' ? 'No answer came in time.' : 'The Worker cannot be reached.' };
    }
  }

  function signed(text, secret) {
    const timestamp = new Date(now() * 1000).toISOString();
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    return { timestamp, signature: createHmac('sha256', key).update(`${timestamp}.${text}`).digest('base64url') };
  }
}

/** No answer, a server in trouble, or our own first try still at work: with the same key asking again is safe. */
function worthAnother({ status, answer }) {
  return status === undefined || [502, 503, 504].includes(status) || (status === 409 && answer?.code === 'idempotency_in_flight');
}

/** A token is money until it is spent, so what is kept and shown has only its kind. */
function withoutToken(value) {
  if (Array.isArray(value)) return value.map(withoutToken);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, name === 'token' && typeof member === 'string' ? maskToken(member) : withoutToken(member)]));
}

export const maskToken = (token) => `${/^[a-z]+_/.exec(token)?.[0] ?? ''}…`;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(0, 2000);
  }
}
