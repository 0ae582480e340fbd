// One POST to an endpoint, as Stripe sends it.
import http from 'node:http';
import https from 'node:https';

const MAX_BODY = 64 * 1024; // what is read of an answer; the rest is thrown away

/** → { status, body (its first `keep` characters) } or { status: 0, error } when no answer came. Never rejects, never follows redirects. */
export function post(url, payload, headers, { timeoutMs, signal, keep = 500 }) {
  return new Promise((resolve) => {
    let target;
    try {
      target = new URL(url);
    } catch {
      resolve({ status: 0, error: 'not a URL' });
      return;
    }
    const { request } = target.protocol === 'https:' ? https : http;
    const call = request(target, {
      method: 'POST', agent: false, signal,
      headers: { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(payload), 'User-Agent': 'Stripe/1.0 (local stand-in)', ...headers },
    });
    // The deadline is for the whole exchange: an endpoint that sends a byte now and then is late too.
    const timer = setTimeout(() => call.destroy(new Error('timed out')), timeoutMs);
    const done = (result) => {
      clearTimeout(timer);
      resolve(result);
    };
    call.on('error', (error) => done({ status: 0, error: error.code ?? error.message }));
    call.on('response', (response) => {
      const chunks = [];
      let size = 0;
      response.on('data', (chunk) => {
        size += chunk.length;
        if (size <= Math.max(MAX_BODY, keep)) chunks.push(chunk);
      });
      response.on('end', () => done({ status: response.statusCode, body: Buffer.concat(chunks).toString('utf8').slice(0, keep) }));
      response.on('error', (error) => done({ status: 0, error: error.message }));
    });
    call.end(payload);
  });
}
