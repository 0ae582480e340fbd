// The Workers that are held against each other, each in a workerd of its own with a copy of the same database.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { BUILD, inRoot } from '../../scripts/lib/paths.mjs';
import { workerConfig } from '../support/migrations.mjs';

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const children = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'workerd' && readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(process.pid);
  } catch { return false; }
});

/** Nanoseconds of CPU that a process has had, all its threads. */
export function cpu(pid) {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try { total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]); } catch { /* a thread that ended meanwhile */ }
  }
  return total;
}

/** Megabytes: now, and the most so far. */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name) => Math.round(Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return { now: of('VmRSS'), peak: of('VmHWM') };
}

/** Bundles a twin as wrangler would: minified, for workerd. -> its path */
export function bundle(name, folder) {
  const out = join(folder, `${name}.js`);
  execFileSync(inRoot('node_modules', '.bin', 'esbuild'), [join(folder, 'source', `${name}.js`), '--bundle', '--minify', '--format=esm', '--target=es2022', '--conditions=workerd,worker,browser', '--loader:.json=json', '--external:cloudflare:*', '--external:node:*', `--outfile=${out}`, '--log-level=error'], { env: { ...process.env, NODE_PATH: inRoot('node_modules') } });
  return out;
}

const wasm = (dir = BUILD) => [{ type: 'ESModule', path: join(dir, 'index.js') }, { type: 'CompiledWasm', path: join(dir, 'index_bg.wasm') }];
export const sources = {
  worker: () => ({ modulesRoot: BUILD, modules: wasm() }),
  slow: () => ({ modulesRoot: BUILD, modules: [{ type: 'ESModule', path: join(BUILD, 'slow.entry.js'), contents: readFileSync(inRoot('tests', 'bench', 'slow.entry.js'), 'utf8') }, ...wasm()] }),
  recorder: () => ({ modulesRoot: BUILD, modules: [{ type: 'ESModule', path: join(BUILD, 'recorder.entry.js'), contents: readFileSync(inRoot('tests', 'bench', 'recorder.entry.js'), 'utf8') }, ...wasm()] }),
  twin: (path, folder) => ({ modulesRoot: folder, modules: [{ type: 'ESModule', path }] }),
};

/** -> {url, pid, database, close} */
export async function start({ source, vars, persist, inspector }) {
  const { options } = await workerConfig();
  const port = await freePort();
  const before = new Set(children());
  const runtime = new Miniflare(convertV4MiniflareOptions({
    host: '127.0.0.1', port, cf: false, ...(inspector && { inspectorPort: inspector }), ...(persist && { resourcePersistencePath: persist }), handleStructuredLogs: ({ level, message }) => { if (level === 'error') console.error(String(message).slice(0, 500)); },
    workers: [{ name: 'worker', ...options, compatibilityFlags: [...new Set([...(options.compatibilityFlags ?? []), 'nodejs_compat'])], ...source, bindings: { ...options.bindings, ...vars } }],
  }));
  await runtime.ready;
  const pid = children().find((child) => !before.has(child));
  return { url: `http://127.0.0.1:${port}`, pid, database: () => runtime.getD1Database('DB', 'worker'), close: () => runtime.dispose() };
}

/** Kilobytes, raw and gzipped, of files together. */
export const size = (...paths) => ({
  raw: Math.round(paths.reduce((sum, path) => sum + statSync(path).size, 0) / 1024),
  gzip: Math.round(paths.reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0) / 1024),
});
