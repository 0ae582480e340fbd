// Malformed and maximal requests in a flood, good ones beside them: the good ones all succeed, and no isolate dies.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { NASTY, chosenSeed, seeded } from '../support/generate.mjs';
import { agentBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const SECONDS = Number(process.env.FLOOD_SECONDS ?? 5);
const AT_ONCE = 12;
const KIB = 1024;
/** Of memory, that a flood may add to the runtime: its own bodies in flight, and what V8 has not yet collected. A longer one comes to
 * where the runtime with its D1 stays, some 650 MB above its start (docs/performance.md): a leak would go past it. */
const MAX_GROWTH = (SECONDS > 10 ? 700 : 400) * KIB * KIB;

let stripe, w, shop;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  await connectShop(w, stripe, shop);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

/** The memory of the runtimes that this process has started, bytes. */
function memory() {
  const children = (pid) => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((name) => {
    try { return Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]) === pid; } catch { return false; }
  }).map(Number);
  return children(process.pid).flatMap((pid) => [pid, ...children(pid)]).reduce((sum, pid) => {
    try { return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * KIB; } catch { return sum; }
  }, 0);
}

/** Bytes as they are. `pieces` go out with a pause between them; `cut` closes without waiting for an answer. -> status, or 0 when cut off */
function raw(pieces, { pause = 0, cut = false, wait = 5_000 } = {}) {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(w.url).port), '127.0.0.1');
    let answer = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0));
    };
    const timer = setTimeout(end, wait);
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (answer.includes('\r\n\r\n')) end();
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (pause) await new Promise((next) => { setTimeout(next, pause); });
      }
      if (cut) end();
    });
  });
}

const head = (method, path, headers) => `${method} ${path} HTTP/1.1\r\nHost: ${new URL(w.url).host}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
const sessions = '/v1/checkout/sessions';
const mine = (more) => ({ Authorization: `Bearer ${shop.key}`, 'Idempotency-Key': `flood-${bad}`, 'Content-Type': 'application/json', ...more });
const post = (body, more = {}) => raw([head('POST', sessions, mine({ 'Content-Length': Buffer.byteLength(body), ...more })), body]);
let bad = 0;

/** What is sent, and the statuses that may come back; 0: the connection was cut. */
const ATTACKS = {
  'a body of 256 KiB': [() => post(`{"source":"${'x'.repeat(256 * KIB - 13)}"}`), [400, 422]],
  'a body of 257 KiB': [() => post(`{"source":"${'x'.repeat(257 * KIB)}"}`), [413]],
  'a body of 9 MiB, announced': [() => raw([head('POST', sessions, mine({ 'Content-Length': 9 * KIB * KIB })), 'x'.repeat(64 * KIB)], { wait: 1_000 }), [413, 0]],
  'a body of a TiB, announced': [() => raw([head('POST', sessions, mine({ 'Content-Length': 2 ** 40 })), '{'], { wait: 1_000 }), [413, 0]],
  '100,000 brackets': [() => post('['.repeat(100_000)), [400]],
  '100,000 objects': [() => post('{"a":'.repeat(50_000)), [400]],
  '100,000 members': [() => post(`{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`).join(',')}}`), [400]],
  '100 lines of 5,000 characters less': [() => post(JSON.stringify(agentBody(shop, { line_items: Array.from({ length: 120 }, (_, i) => ({ name: 'n'.repeat(900), description: 'd'.repeat(900), quantity: 1, amount_total: i + 1 })), amount_total: undefined }))), [422]],
  'a number of 100,000 digits': [() => post(`{"amount_total":${'9'.repeat(100_000)}}`), [400, 422]],
  'no UTF-8': [() => post(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d])), [400]],
  'half a surrogate': [() => post('{"source":"\\ud800"}'), [400]],
  'headers of 8 KB': [() => post('{}', { 'Idempotency-Key': 'k'.repeat(8_000) }), [400, 431]],
  'an Authorization of 8 KB': [() => raw([head('GET', '/v1/shop', { Authorization: `Bearer ${'a'.repeat(8_000)}` })]), [401, 431]],
  '200 headers': [() => raw([head('GET', '/v1/shop', Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`X-${i}`, 'y'])))]), [401, 431, 400]],
  'a Cookie of 8 KB': [() => raw([head('GET', '/connect/callback?state=x', { Cookie: '__Host-cc_'.repeat(800) })]), [400, 431]],
  'a signature of 8 KB': [() => raw([head('POST', '/stripe/webhooks', { 'Stripe-Signature': `t=1,${'v1=00,'.repeat(1_300)}`, 'Content-Length': 2 }), '{}']), [400, 431]],
  'an address of 16 KB': [() => raw([head('GET', `/v1/transactions/${'a'.repeat(16 * KIB)}`, mine())]), [404, 414, 431, 0]],
  'a query of 16 KB': [() => raw([head('GET', `/v1/transactions?${'limit=1&'.repeat(2_000)}`, mine())]), [200, 414, 431, 0]],
  'an address that is none': [() => raw([head('GET', '/%00%ff%2e%2e/../\\..', mine())]), [200, 400, 404, 0]],
  'no HTTP': [() => raw(['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n']), [400, 501, 0]],
  'two lengths': [() => raw([`POST ${sessions} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}`], { wait: 300 }), [400, 401, 0]],
  'a length and chunks': [() => raw([`POST ${sessions} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`], { wait: 300 }), [400, 401, 501, 0]],
  'chunks that break off': [() => raw([head('POST', sessions, mine({ 'Transfer-Encoding': 'chunked' })), '5\r\n{"sou\r\n', 'ff\r\nrce'], { cut: true, pause: 5 }), [0]],
  'chunks that are none': [() => raw([head('POST', sessions, mine({ 'Transfer-Encoding': 'chunked' })), 'zz\r\n{}\r\n'], { wait: 1_000 }), [400, 0]],
  'a body that comes slowly': [() => raw([head('POST', sessions, mine({ 'Content-Length': 20 })), ...'{"source":"chat"}   '], { pause: 40 }), [400]],
  'a body that never comes': [() => raw([head('POST', sessions, mine({ 'Content-Length': 20 })), '{'], { wait: 1_500 }), [0]],
  'a client that leaves at once': [() => raw([head('GET', '/v1/transactions.csv', mine())], { cut: true }), [0]],
  'a client that leaves in the middle of a download': [() => raw([head('GET', '/v1/shop/export', mine())], { cut: true, pause: 2 }), [0, 200]],
  'a body on a GET': [() => raw([head('GET', '/v1/shop', mine({ 'Content-Length': 5 })), 'hello']), [200, 400]],
  'an expectation': [() => post('{}', { Expect: '100-continue' }), [100, 400, 417]],
};

test('a flood does no harm', async (t) => {
  const rng = seeded(chosenSeed(20_261_127));
  const before = memory();
  let peak = before;
  const until = Date.now() + SECONDS * 1_000;
  const outcomes = {};
  const wrong = [];
  let good = 0;

  async function attacker() {
    while (Date.now() < until) {
      bad += 1;
      if (rng.oneIn(8)) {
        const text = rng.pick(NASTY);
        await post(JSON.stringify({ source: text, currency: text, line_items: [{ name: text, quantity: 1, amount_total: 1 }], [text.slice(0, 50)]: 1 }));
        continue;
      }
      const name = rng.pick(Object.keys(ATTACKS));
      const [send, allowed] = ATTACKS[name];
      const status = await send();
      outcomes[name] = { ...outcomes[name], [status]: (outcomes[name]?.[status] ?? 0) + 1 };
      if (!allowed.includes(status)) wrong.push(`${name}: ${status}`);
    }
  }
  async function customer(number) {
    for (let n = 0; Date.now() < until; n += 1) {
      const session = await createSession(w, shop, agentBody(shop, { order_id: `good-${number}-${n}` }), `good-${number}-${n}`);
      for (const path of [`${sessions}/${session.id}`, `/v1/transactions/${session.transaction}`, '/v1/transactions?limit=5', '/v1/shop', '/healthz']) {
        const answer = await w.api('GET', path, { key: shop.key });
        if (answer.status !== 200) wrong.push(`a good one: ${path} ${answer.status} ${answer.text.slice(0, 200)}`);
        good += 1;
      }
      peak = Math.max(peak, memory());
    }
  }
  await Promise.all([...Array.from({ length: AT_ONCE }, attacker), customer(1), customer(2)]);

  t.diagnostic(`${bad} bad requests, ${good} good ones, memory ${Math.round(before / KIB / KIB)} → ${Math.round(peak / KIB / KIB)} MiB at most`);
  assert.deepEqual([...new Set(wrong)], []);
  assert.ok(good > 20, `${good} good ones`);
  const never = Object.keys(ATTACKS).filter((name) => !outcomes[name]);
  assert.ok(SECONDS < 4 || never.length < 5, `not sent: ${never.join(', ')}`);
  assert.ok(peak - before < MAX_GROWTH, `${Math.round((peak - before) / KIB / KIB)} MiB more`);
  // It is still the same: nothing of what was bad was sold, and nothing good was lost.
  const { length } = await w.d1("SELECT id FROM transactions WHERE order_id LIKE 'good-%' AND checkout_session IS NOT NULL");
  assert.equal(length, good / 5);
  // A download that its reader left is no fault. Panics and the like are looked for when the Worker is closed.
  assert.deepEqual(w.logs().lines.filter(({ level, status }) => level === 'error' || status >= 500), []);
});
