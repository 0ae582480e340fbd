// The listening side: loopback only, on both families, with bounded bodies.
import http from 'node:http';

export const MAX_BODY = 1024 * 1024; // a form of 100 rich lines is about 200 KB

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Names other than loopback's mean that a web page points its own name here (DNS rebinding). */
export function isLocalHost(header = '') {
  return LOOPBACK.has(header.replace(/:\d+$/, '').toLowerCase());
}

/** Forms of our own pages only: another site must not be able to refund a payment through the person's browser. */
export function isOwnForm(request) {
  const site = request.headers['sec-fetch-site'];
  if (site) return site === 'same-origin' || site === 'none';
  const { origin } = request.headers;
  return !origin || origin === `http://${request.headers.host}`;
}

export function readBody(request, limit = MAX_BODY) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size > limit) {
        // Keep reading so that the caller hears the answer, but keep nothing.
        chunks.length = 0;
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', () => resolve(size > limit ? null : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('aborted', () => reject(new Error('the caller left')));
  });
}

export const json = (status, value, headers = {}) => ({
  status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value, null, 2),
});

/** Writes what a handler returned; `drop` cuts the connection instead. */
export function send(request, response, { status = 200, headers = {}, body = '', stream, drop = false }) {
  if (drop) {
    request.socket.destroy();
    return;
  }
  if (stream) {
    response.writeHead(status, headers);
    stream.pipe(response);
    return;
  }
  response.writeHead(status, {
    'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Content-Length': Buffer.byteLength(body), ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function listen(server, host, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: host === '::1' }, () => {
      server.off('error', reject);
      resolve(server.address().port);
    });
  });
}

/** Both loopback addresses, since `localhost` means either. A machine without IPv6 gets the one. */
export async function openServers(handler, wanted) {
  for (let tries = 0; ; tries += 1) {
    const four = http.createServer(handler);
    const port = await listen(four, '127.0.0.1', wanted);
    const six = http.createServer(handler);
    try {
      await listen(six, '::1', port);
      return { port, servers: [four, six] };
    } catch (error) {
      if (error.code !== 'EADDRINUSE') return { port, servers: [four] };
      await new Promise((resolve) => { four.close(resolve); });
      if (wanted !== 0 || tries > 20) throw error; // somebody else listens there
    }
  }
}

export function closeServers(servers) {
  return Promise.all(servers.map((server) => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  })));
}
