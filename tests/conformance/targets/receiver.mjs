// An agent's webhook: keeps what it is told, and lets a check wait for what is still to come.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';

/** port: a fixed one, else any. -> {url, requests, wait(fits, what), close()}; `requests` have {headers, body, event}. */
export async function startReceiver({ host = '127.0.0.1', port = 0 } = {}) {
  const requests = [];
  const arrived = new EventEmitter();
  arrived.setMaxListeners(0);
  const server = createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    let event;
    try {
      event = JSON.parse(body);
    } catch {
      event = undefined;
    }
    const request = { headers: incoming.headers, body, event };
    requests.push(request);
    arrived.emit('request', request);
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}');
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://${host}:${server.address().port}/agentic_checkout/webhooks/order_events`,
    requests,
    /** The first request that fits, there already or to come. */
    wait(fits, what, ms = 10_000) {
      const seen = requests.find(fits);
      if (seen) return Promise.resolve(seen);
      return new Promise((resolve, reject) => {
        const take = (request) => {
          if (!fits(request)) return;
          clearTimeout(timer);
          arrived.off('request', take);
          resolve(request);
        };
        const timer = setTimeout(() => {
          arrived.off('request', take);
          reject(
            new Error(
              `no event within ${ms / 1000} s: ${what}; there were ${
                requests
                  .map(({ body }) => body.slice(0, 200))
                  .slice(-3)
                  .join(' | ') || 'none'
              }`,
            ),
          );
        }, ms);
        arrived.on('request', take);
      });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
