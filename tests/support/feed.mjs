// An agent's Feed API, as the protocol has it (2026-04-17), and the ways in which it can fail.
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { inRoot } from '../../scripts/lib/paths.mjs';

/** The official schema is no part of this repository; where it is not at hand, bodies are not held against it. */
const path = join(process.env.ACP_CONTRACTS || inRoot('..', 'shared', 'contracts', 'acp'), '2026-04-17', 'json-schema', 'schema.feed.json');
export const hasSchema = existsSync(path);
const validate = (() => {
  if (!hasSchema) return () => true;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema({ ...JSON.parse(readFileSync(path, 'utf8')), $id: 'https://contract.invalid/feed' });
  return ajv.getSchema('https://contract.invalid/feed#/$defs/UpsertProductsRequest');
})();

/**
 * `feeds`: what the agent has, feed by feed: id → Map of products. `requests`: all that came. `misbehave`: a function of a request that
 * gives another answer (or a promise of it), {status, headers, body}, 'hang' or 'drop', or nothing. `wrong`: what no schema allows.
 */
export async function startFeed({ key } = {}) {
  const feeds = new Map();
  const made = new Map();
  const it = { feeds, requests: [], wrong: [], misbehave: () => undefined, key };
  const held = new Set();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const seen = { method: request.method, path: request.url, headers: request.headers, body: body && JSON.parse(body), bytes: Buffer.byteLength(body) };
    it.requests.push(seen);
    const answer = (status, value, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    if (request.headers.authorization !== (it.key ? `Bearer ${it.key}` : undefined)) return answer(401, { type: 'invalid_request', code: 'unauthorized', message: 'No.' });
    if (request.headers['api-version'] !== '2026-04-17') it.wrong.push(`${request.method} ${request.url}: no API-Version`);
    if (seen.bytes > 256 * 1024) it.wrong.push(`${seen.bytes} bytes`);
    const other = await it.misbehave(seen);
    if (other === 'hang') return held.add(response);
    if (other === 'drop') return request.socket.destroy();
    const take = () => {
      const [, , id, products] = request.url.split('/');
      if (request.method === 'POST' && request.url === '/feeds') {
        const same = made.get(request.headers['idempotency-key']);
        const feed = same ?? `feed_${feeds.size + 1}`;
        made.set(request.headers['idempotency-key'], feed);
        if (!same) feeds.set(feed, new Map());
        return [201, { id: feed, updated_at: new Date().toISOString() }];
      }
      const feed = feeds.get(decodeURIComponent(id ?? ''));
      if (!feed || request.method !== 'PATCH' || products !== 'products') return [404, { type: 'invalid_request', code: 'feed_not_found', message: 'Feed not found', param: 'id' }];
      if (!validate(seen.body)) it.wrong.push(JSON.stringify(validate.errors).slice(0, 500));
      if (seen.body.products.length === 0 || seen.body.products.length > 100) it.wrong.push(`${seen.body.products.length} products`);
      for (const product of seen.body.products) feed.set(product.id, product);
      return [200, { id: decodeURIComponent(id), accepted: true }];
    };
    // Some take what came, and their answer is lost.
    if (other?.take) take();
    if (other) return answer(other.status, other.body ?? {}, other.headers);
    return answer(...take());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(it, {
    url: `http://localhost:${server.address().port}`,
    /** What can be bought there, by the ids of variants. Also says where one id is in two products. */
    offers(feed = [...feeds.keys()].at(-1)) {
      const offers = new Map();
      for (const product of feeds.get(feed)?.values() ?? []) {
        for (const variant of product.variants) {
          if (variant.availability?.status === 'discontinued') continue;
          if (offers.has(variant.id)) it.wrong.push(`${variant.id} is in ${product.id} and in ${offers.get(variant.id).product}`);
          offers.set(variant.id, { product: product.id, ...variant });
        }
      }
      return offers;
    },
    patches: () => it.requests.filter(({ method }) => method === 'PATCH'),
    close: () => new Promise((resolve) => { held.forEach((response) => response.destroy()); server.close(resolve); server.closeAllConnections(); }),
  });
}
