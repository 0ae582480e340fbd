// Sends events to the endpoints: signed, in no promised order, again after growing pauses until a 2xx comes.
import http from 'node:http';
import https from 'node:https';
import { signature } from './signature.mjs';

const KEEP = 5_000;
const MAX_BODY = 64 * 1024; // what is read of an answer; the rest is thrown away

/** One POST. → { status, body } or { status: 0, error } when no answer came. Never rejects, never follows redirects. */
export function post(url, payload, headers, { timeoutMs, signal }) {
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
        if (size <= MAX_BODY) chunks.push(chunk);
      });
      response.on('end', () => done({ status: response.statusCode, body: Buffer.concat(chunks).toString('utf8').slice(0, 500) }));
      response.on('error', (error) => done({ status: 0, error: error.message }));
    });
    call.end(payload);
  });
}

/** A thin event names its object and does not show it: the receiver fetches it (v2 event destinations, `event_payload: thin`). */
export function thin(event) {
  const { object } = event.data;
  const collection = { 'checkout.session': 'checkout/sessions' }[object.object] ?? `${object.object}s`;
  return {
    id: event.id, object: 'v2.core.event', type: `v1.${event.type}`, livemode: event.livemode,
    created: new Date(event.created * 1000).toISOString(), ...(event.context && { context: event.context }),
    reason: event.request.id ? { type: 'request', request: event.request } : null,
    related_object: { id: object.id, type: object.object, url: `/v1/${collection}/${object.id}` },
  };
}

const payloadFor = (event, endpoint) => JSON.stringify(
  endpoint.thin && event.object === 'event' ? thin(event) : { ...event, pending_webhooks: Math.max(1, event.pending_webhooks ?? 1) }, null, 2,
);

export class Webhooks {
  /** @param pauses milliseconds before the second, third, … attempt: their number bounds the attempts. */
  constructor({ world, pauses, timeoutMs, log }) {
    Object.assign(this, { world, pauses, timeoutMs, log });
    this.endpoints = [];
    this.deliveries = [];
    this.jobs = new Set();
    this.paused = false;
    this.waiters = [];
    this.stop = new AbortController();
    world.listeners.event.push((record) => this.enqueue(record));
  }

  setEndpoints(endpoints) {
    this.endpoints = endpoints.map(({ url, secret, connect = false, livemode, events, thin = false }) => ({ url, secret, connect, livemode, events, thin }));
  }

  /** Who gets it: connected accounts' events go to Connect endpoints, the platform's own to the others. */
  recipients({ owner, livemode, object: event }) {
    const connect = owner !== this.world.keys.platform;
    if (connect && !this.world.connection(owner, livemode)) return [];
    return this.endpoints.filter((endpoint) => endpoint.connect === connect
      && (endpoint.livemode === undefined || endpoint.livemode === livemode)
      && (!endpoint.events || endpoint.events.includes(event.type)));
  }

  enqueue(record) {
    for (const endpoint of this.recipients(record)) {
      record.object.pending_webhooks += 1;
      this.start({ record, event: record.object, endpoint, attempt: 0, counted: true });
    }
  }

  start(job) {
    job.first = new Promise((resolve) => { job.tellFirst = resolve; });
    this.jobs.add(job);
    if (!this.paused) this.run(job);
  }

  async run(job) {
    if (job.running || this.stop.signal.aborted) return;
    job.running = true;
    clearTimeout(job.timer);
    job.attempt += 1;
    const payload = payloadFor(job.event, job.endpoint);
    const headers = { 'Stripe-Signature': signature(payload, job.endpoint.secret) };
    const result = await post(job.endpoint.url, payload, headers, { timeoutMs: this.timeoutMs, signal: this.stop.signal });
    if (this.stop.signal.aborted) return;
    job.running = false;
    const ok = result.status >= 200 && result.status < 300;
    this.note(job, result);
    job.tellFirst(ok);
    if (!this.jobs.has(job)) return; // dropped meanwhile
    if (ok) {
      if (job.counted) job.event.pending_webhooks = Math.max(0, job.event.pending_webhooks - 1);
      this.end(job);
    } else if (job.attempt > this.pauses.length) {
      this.end(job); // given up: pending_webhooks keeps telling
    } else {
      job.timer = setTimeout(() => { if (!this.paused) this.run(job); }, this.pauses[job.attempt - 1]);
      job.timer.unref();
    }
  }

  note(job, { status, error, body }) {
    this.deliveries.push({
      event: job.event, id: job.event.id, type: job.event.type, url: job.endpoint.url, status, ...(error && { error }), body, attempt: job.attempt, at: Date.now(),
    });
    if (this.deliveries.length > KEEP) this.deliveries.shift();
    this.log?.(`event ${job.event.type} → ${status || error} (attempt ${job.attempt})`);
  }

  end(job) {
    clearTimeout(job.timer);
    job.tellFirst(false);
    this.jobs.delete(job);
    if (this.jobs.size === 0) for (const wake of this.waiters.splice(0)) wake();
  }

  // -- control ---------------------------------------------------------------------------------------------------

  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
    for (const job of this.jobs) this.run(job);
  }

  /** Throws away what is waiting, as if the network had lost it. → how many. */
  drop() {
    const lost = [...this.jobs];
    for (const job of lost) this.end(job);
    return lost.length;
  }

  /** Resolves when nothing is queued, under way or waiting for another attempt. */
  drained() {
    if (this.jobs.size === 0) return Promise.resolve();
    return new Promise((resolve) => { this.waiters.push(resolve); });
  }

  /** Stripe holds the buyer back until the endpoints have taken the event, but not for ever. */
  async acknowledged(eventId, waitMs) {
    if (this.paused) return;
    const firsts = [...this.jobs].filter((job) => job.event.id === eventId).map((job) => job.first);
    if (firsts.length === 0) return;
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, waitMs); });
    await Promise.race([Promise.all(firsts), late]);
    clearTimeout(timer);
  }

  /** By hand: one event (or any object) to one address or to whoever would get it, `times` times, once each. → statuses */
  async send(event, { url, secret, times = 1, headers } = {}) {
    const record = this.world.record('event', event.id);
    const targets = url ? [{ url, secret }] : this.recipients(record ?? { owner: event.account ?? this.world.keys.platform, livemode: event.livemode, object: event });
    const statuses = [];
    for (let i = 0; i < times; i += 1) {
      for (const endpoint of targets) {
        const payload = endpoint.thin ? payloadFor(event, endpoint) : JSON.stringify(event, null, 2);
        const key = endpoint.secret ?? this.endpoints.find((known) => known.url === endpoint.url)?.secret ?? '';
        const result = await post(endpoint.url, payload, { 'Stripe-Signature': signature(payload, key), ...headers }, { timeoutMs: this.timeoutMs, signal: this.stop.signal });
        this.note({ event, endpoint, attempt: 1 }, result);
        statuses.push(result.status);
      }
    }
    return statuses;
  }

  close() {
    this.stop.abort();
    for (const job of [...this.jobs]) this.end(job);
  }
}
