// Ports: are they free, and who answers on IPv6 where a server listens on IPv4 only.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

async function isFree(port, host) {
  const server = createServer();
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    return error.code !== 'EADDRINUSE'; // a machine without IPv6 says EADDRNOTAVAIL: nobody else is there either
  }
  server.close();
  await once(server, 'close');
  return true;
}

export async function requireFree(ports) {
  for (const [name, port] of Object.entries(ports)) {
    if ((await isFree(port, '127.0.0.1')) && (await isFree(port, '::1'))) continue;
    throw new Error(`port ${port} (${name}) is in use, perhaps by another \`npm start\`. Stop that one, or take others: \`npm start -- --port 9000\` uses 9000, 9001 and 9002.`);
  }
}

/** "localhost" may mean ::1 to a client. -> a server to close, or undefined where there is no IPv6 or it is served already */
export async function alsoOnIPv6(port) {
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [[client, upstream], [upstream, client]]) from.on('error', () => to.destroy());
    client.pipe(upstream).pipe(client);
  });
  server.listen({ port, host: '::1', ipv6Only: true });
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
