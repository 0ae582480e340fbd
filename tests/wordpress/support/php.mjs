// Finds php and runs the example under it: one function at a time, or as a shop on a port of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
export const plugin = join(here, '../../examples/wordpress/cognitive-cart-example.php');

export const php = process.env.PHP_BIN || 'php';
const version = spawnSync(php, ['-r', 'echo PHP_VERSION_ID;'], { encoding: 'utf8' });
const tooOld = !(Number(version.stdout) >= 80000);

/** The name under which everything here is left out where there is no php; false where there is one. */
export const noPhp = tooOld ? 'php 8.0 or newer is not installed (apt-get install php-cli)' : false;

/** A long-lived php that calls the example's functions: `await ask('minor_units', '1.00', 'usd')`. */
export function evaluator() {
  const child = spawn(php, [join(here, 'doubles/evaluate.php')], {
    env: { ...process.env, WP_PLUGIN: plugin, WP_HOME: 'http://localhost:1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const waiting = [];
  lines.on('line', (line) => waiting.shift()?.resolve(JSON.parse(line)));
  child.on('exit', (code) => waiting.splice(0).forEach((w) => w.reject(new Error(`php ended (${code})`))));
  const raw = (fn, ...args) =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.stdin.write(`${JSON.stringify({ fn, args })}\n`);
    });
  const ask = async (fn, ...args) => {
    const answer = await raw(fn, ...args);
    if (!('value' in answer)) throw new Error(`${fn}: ${JSON.stringify(answer)}`);
    return answer.value;
  };
  return { ask, raw, close: () => child.stdin.end() };
}

export async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A browser's cookie jar, and fetch without following redirects. */
export function browser(cookies = {}) {
  const jar = new Map();
  const jarOf = (url) => {
    // As browsers do it: cookies belong to a host. Ports are told apart here, so that two servers on one machine are two sites.
    const { host } = new URL(url);
    if (!jar.has(host)) jar.set(host, new Map());
    return jar.get(host);
  };
  for (const [url, pairs] of Object.entries(cookies)) for (const [k, v] of Object.entries(pairs)) jarOf(url).set(k, v);
  return async function visit(url, options = {}) {
    const cookie = [...jarOf(url)].map(([k, v]) => `${k}=${v}`).join('; ');
    const form = options.form && new URLSearchParams(options.form).toString();
    const response = await fetch(url, {
      redirect: 'manual',
      method: form === undefined ? 'GET' : 'POST',
      body: form,
      ...options,
      headers: {
        ...(cookie ? { cookie } : {}),
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...options.headers,
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';');
      const [name, ...value] = pair.split('=');
      if (attributes.some((a) => /^\s*max-age=0\s*$/i.test(a))) jarOf(url).delete(name.trim());
      else jarOf(url).set(name.trim(), value.join('='));
    }
    const text = await response.text();
    const location = response.headers.get('location');
    return {
      status: response.status,
      headers: response.headers,
      text,
      location: location && new URL(location, url).href,
      json: () => JSON.parse(text),
      forms: () => forms(text, url),
    };
  };
}

const unescape = (text) =>
  text.replace(/&(amp|lt|gt|quot|#0*39|#x27|#0*38);/g, (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#038': '&', '#38': '&' })[name] ?? "'");

/** The forms of a page: where they go and the fields they carry. */
export function forms(html, base) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head, inside]) => {
    const attribute = (tag, name) => unescape(tag.match(new RegExp(`\\b${name}\\s*=\\s*"([^"]*)"`))?.[1] ?? '');
    const fields = {};
    for (const [, tag] of inside.matchAll(/<(?:input|button)\b([^>]*)>/g)) {
      if (/type\s*=\s*"(checkbox|radio)"/.test(tag) && !/\bchecked\b/.test(tag)) continue;
      const name = attribute(tag, 'name');
      if (name) fields[name] = attribute(tag, 'value');
    }
    return { action: new URL(attribute(head, 'action') || base, base).href, fields };
  });
}

/** `php -S` with enough workers, until it listens. */
export async function serve(options, port, router, env) {
  const args = ['-d', 'display_errors=stderr', '-d', 'error_reporting=E_ALL', ...options, '-S', `localhost:${port}`, router];
  const child = spawn(php, args, { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  // php -S does not take its workers along: the whole group, which it leads, is told to go.
  const stop = () => process.kill(-child.pid, 'SIGTERM');
  process.once('exit', stop);
  let noise = '';
  await new Promise((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      noise += chunk;
      if (/started/.test(noise)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`php -S ended (${code}): ${noise}`)));
  });
  return {
    /** PHP's own complaints. */
    complaints: () => noise.split('\n').filter((line) => /\b(Warning|Notice|Deprecated|Fatal|Error)\b/.test(line)),
    async close() {
      process.removeListener('exit', stop);
      const gone = once(child, 'exit');
      stop();
      await gone;
    },
  };
}

/** What every kind of shop has. config: products, cart, currency, … (see probe.php). */
export function shopAt(url, dir, config) {
  const rest = `${url}/wp-json/cognitive-cart/v1`;
  const set = (more) => {
    config = { ...config, ...more };
    writeFileSync(join(dir, 'shop.new'), JSON.stringify(config));
    renameSync(join(dir, 'shop.new'), join(dir, 'shop.json')); // Whole, for whoever is reading.
  };
  set({});
  return {
    url,
    dir,
    rest,
    page: `${url}/wp-admin/admin.php?page=cognitive-cart`,
    /** What the shop sells from now on; merged into what it was. */
    set,
    /** What the example asked WordPress for. */
    log: (what) =>
      (existsSync(join(dir, 'log.jsonl')) ? readFileSync(join(dir, 'log.jsonl'), 'utf8') : '')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .filter((entry) => !what || entry.what === what),
    async agent(body, headers = {}) {
      const response = await fetch(`${rest}/checkout/create-session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
    async chat(visit = browser()) {
      const nonce = (await visit(`${url}/?probe-nonce=1`)).text.trim();
      const answer = await visit(`${rest}/checkout/get-url`, { method: 'POST', headers: { 'x-wp-nonce': nonce } });
      return { status: answer.status, body: answer.json() };
    },
    cron: () => fetch(`${url}/wp-cron.php`).then((r) => r.text()),
    manifest: () => fetch(`${rest}/manifest`).then((r) => r.json()),
  };
}

/** Starts a shop of doubles with the example in it; woo: with the double of WooCommerce. */
export async function startShop({ workerUrl, woo = false, config = {} } = {}) {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const dir = mkdtempSync(join(tmpdir(), 'cognitivecart-shop-'));
  const env = {
    ...process.env,
    PHP_CLI_SERVER_WORKERS: '6', // The Worker reads the challenge while the shop waits for the Worker.
    PROBE: dir,
    WP_STATE: join(dir, 'state'),
    WP_HOME: url,
    WP_WORKER_URL: workerUrl ?? '',
    WP_WOO: woo ? '1' : '',
    WP_PLUGIN: plugin,
  };
  const shop = shopAt(url, dir, config);
  const server = await serve([], port, join(here, 'doubles/router.php'), env);
  return {
    ...shop,
    complaints: server.complaints,
    /** What the shop keeps. */
    kept() {
      if (!existsSync(join(dir, 'state'))) return {};
      const script = `$f = fopen(getenv('WP_STATE'), 'r'); flock($f, LOCK_SH); $rows = unserialize(stream_get_contents($f));
        echo json_encode(array_map(fn($r) => ['value' => @unserialize($r['value']), 'autoload' => $r['autoload']], $rows));`;
      return JSON.parse(spawnSync(php, ['-r', script], { env, encoding: 'utf8' }).stdout);
    },
    async option(name) {
      return this.kept()[name]?.value ?? false;
    },
    /** A logged-in browser: users 1 and 2 are admins; each session is one log-in of theirs. */
    admin: (user = 1, session = `session-of-${user}`) => browser({ [url]: { wp_user: `${user}:${session}` } }),
    async close() {
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Finishes a page-guarded POST: finds the form whose hidden action matches and sends it. */
export async function press(visit, pageUrl, action, more = {}) {
  const page = await visit(pageUrl);
  const form = page.forms().find((f) => f.fields.action === action && (!more.mode || f.fields.mode === more.mode));
  if (!form) throw new Error(`no form "${action}" on the page: ${page.status} ${page.text.slice(0, 600)}`);
  return visit(form.action, { form: { ...form.fields, ...more } });
}
