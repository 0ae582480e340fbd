// Where an agent is told of its orders: a server that keeps what it got, and the check that whoever runs an agent would write.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';

/** `answer(request, response, seen)` says how it answers; a 200 without one. -> {url, events, next(fits), close} */
export async function startReceiver(answer = (_seen, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}')) {
  const events = [];
  const arrived = new EventEmitter();
  arrived.setMaxListeners(0);
  const receiver = { events, answer };
  const server = createServer(async (request, response) => {
    let body = '';
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      return; // whoever sent it has left, which on a busy machine may be before all of it was here
    }
    const seen = { method: request.method, url: request.url, headers: request.headers, body, event: JSON.parse(body), at: Date.now() };
    events.push(seen);
    arrived.emit('event');
    return receiver.answer(seen, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.url = `http://127.0.0.1:${server.address().port}/agentic_checkout/webhooks/order_events`;
  /** The first `times` events that fit, there already or still to come. */
  receiver.told = async (fits = () => true, times = 1, ms = 5_000) => {
    const signal = AbortSignal.timeout(ms);
    for (;;) {
      const found = events.filter((seen) => fits(seen.event, seen));
      if (found.length >= times) return found;
      try {
        await once(arrived, 'event', { signal });
      } catch {
        throw new Error(`${found.length} of ${times} events came; all: ${JSON.stringify(events.map(({ event }) => event)).slice(0, 2000)}`);
      }
    }
  };
  receiver.close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return receiver;
}

const equal = (one, other) => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

/** 2026-04-17: `t=<seconds>,v1=<hex>` over `t.body`, under the whole text of the secret, no older than five minutes. */
export function merchantSigned({ headers, body }, secret, now = Date.now() / 1000) {
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['merchant-signature']) ?? [];
  return t !== undefined && Math.abs(now - t) <= 300 && equal(v1, createHmac('sha256', secret).update(`${t}.${body}`).digest('hex'));
}

/** Before that: the bare hex over the body. */
export const bodySigned = ({ headers, body }, secret) => equal(headers['merchant-signature'], createHmac('sha256', secret).update(body).digest('hex'));
