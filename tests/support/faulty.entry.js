// Stands in front of the built Worker in the tests of crashes: the very same Worker, with a database and a KV that fail when told to.
// A rule { binding, method, nth, how } holds for the nth call from when it was set:
//   refuse    the call is not made, and fails          lose   the call is made, and its answer is lost (fails)
//   die       the call is not made, and the isolate stops there          die_after   the call is made, then the isolate stops
//   hold      the call is made, and its answer waits until rules are set anew
// What stops never goes on: whoever waits for an answer gets a 599 in its place.
import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';

let rules = [];
let calls = [];
let statements = [];
const prepared = new Set();
let deaths = [];
/** What goes on behind answers. */
const behind = new Set();
const forever = () => new Promise(() => {});

function died(where) {
  behind.clear();
  for (const tell of deaths.splice(0)) tell(where);
  return forever();
}

function wrap(binding, name, methods) {
  return new Proxy(binding, {
    get(target, method) {
      const found = Reflect.get(target, method);
      if (typeof found !== 'function') return found;
      if (method === 'prepare') {
        return (text) => {
          statements.push(text);
          prepared.add(text);
          return found.call(target, text);
        };
      }
      if (!methods.includes(method)) return found.bind(target);
      return async (...args) => {
        const where = `${name}.${method}`;
        calls.push(where);
        const nth = calls.filter((call) => call === where).length;
        const rule = rules.find((candidate) => candidate.on === where && candidate.nth === nth);
        if (rule?.how === 'refuse') throw new Error(`${where} refused (asked for by the test)`);
        if (rule?.how === 'die') return died(where);
        const answer = await found.apply(target, args);
        if (rule?.how === 'lose') throw new Error(`${where}: the answer was lost (asked for by the test)`);
        if (rule?.how === 'die_after') return died(where);
        // Looked at from here, because one request may not wake another.
        while (rule?.how === 'hold' && rules.includes(rule)) await scheduler.wait(5);
        return answer;
      };
    },
  });
}

export default class extends WorkerEntrypoint {
  inner() {
    const { ctx } = this;
    const waitUntil = ctx.waitUntil.bind(ctx);
    ctx.waitUntil = (work) => {
      behind.add(work);
      waitUntil(work.finally(() => behind.delete(work)));
    };
    const env = { ...this.env, DB: wrap(this.env.DB, 'DB', ['batch']), KV: wrap(this.env.KV, 'KV', ['put', 'get', 'delete']) };
    return new Worker(this.ctx, env);
  }

  async fetch(request) {
    if (new URL(request.url).pathname === '/__faults') {
      if (request.method === 'POST') {
        rules = await request.json();
        calls = [];
        statements = [];
      }
      return Response.json({ calls, statements, prepared: [...prepared], behind: behind.size });
    }
    const death = new Promise((resolve) => { deaths.push(resolve); });
    const body = await request.arrayBuffer();
    const copy = new Request(request.url, { method: request.method, headers: request.headers, redirect: 'manual', ...(body.byteLength > 0 && { body }) });
    return Promise.race([this.inner().fetch(copy), death.then((where) => new Response(`died at ${where}`, { status: 599 }))]);
  }

  async scheduled(event) {
    const death = new Promise((resolve) => { deaths.push(resolve); });
    await Promise.race([this.inner().scheduled(event), death]);
  }
}
