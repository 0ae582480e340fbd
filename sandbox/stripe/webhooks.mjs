// Sends events to the endpoints: signed, in no promised order, again after growing pauses until a 2xx comes.
import { Misdelivery } from './misdeliver.mjs';
import { post } from './post.mjs';
import { signature } from './signature.mjs';
import { thin } from './thin.mjs';

const KEEP = 5_000;

function payloadFor(event, endpoint) {
  const isSnapshot = event.object === 'event';
  if (isSnapshot && endpoint.thin) return JSON.stringify(thin(event), null, 2);
  return JSON.stringify(isSnapshot ? { ...event, pending_webhooks: Math.max(1, event.pending_webhooks ?? 1) } : event, null, 2);
}

/** As Stripe words it (`event_payload: 'thin'`) or short (`thin: true`); `connect` = events of connected accounts (`@accounts`). */
const endpointOf = ({ url, secret, connect = false, livemode, events, thin: isThin, event_payload: payload }) =>
  ({ url, secret, connect, livemode, events, thin: isThin ?? payload === 'thin' });

/** A small generator of numbers that are the same for the same seed: a shuffle that failed can be had again. */
function shuffle(list, seed) {
  let state = seed;
  const next = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
  const cards = [...list];
  for (let i = cards.length - 1; i > 0; i -= 1) {
    const j = next(i + 1);
    [cards[i], cards[j]] = [cards[j], cards[i]];
  }
  return cards;
}

export class Webhooks {
  /** @param pauses milliseconds before the second, third, … attempt: their number bounds the attempts. */
  constructor({ world, pauses, timeoutMs, log }) {
    Object.assign(this, { world, pauses, timeoutMs, log });
    this.endpoints = [];
    this.deliveries = [];
    this.jobs = new Set();
    this.paused = false;
    this.waiters = [];
    this.misdelivery = new Misdelivery();
    this.stop = new AbortController();
    world.listeners.event.push((record) => this.enqueue(record));
  }

  setEndpoints(endpoints) {
    this.endpoints = endpoints.map(endpointOf);
  }

  addEndpoint(endpoint) {
    this.endpoints.push(endpointOf(endpoint));
  }

  /** Who gets it: connected accounts' events go to Connect endpoints, the platform's own to the others. */
  recipients({ owner, livemode, object: event }) {
    const connect = owner !== this.world.keys.platform;
    if (connect && !this.world.connection(owner, livemode)) return [];
    const isThin = event.object === 'v2.core.event';
    return this.endpoints.filter((endpoint) => endpoint.connect === connect && (!isThin || endpoint.thin)
      && (endpoint.livemode === undefined || endpoint.livemode === livemode)
      && (!endpoint.events || endpoint.events.some((type) => type === event.type || type === `v1.${event.type}`)));
  }

  enqueue(record) {
    const endpoints = this.recipients(record);
    const fault = endpoints.length > 0 ? this.misdelivery.take(record.object.type) : undefined;
    for (const endpoint of endpoints) {
      if (record.object.object === 'event') record.object.pending_webhooks += 1;
      if (fault?.how === 'lose') continue; // pending_webhooks keeps telling
      this.start({ record, event: record.object, endpoint, attempt: 0, counted: true, unheard: fault?.how === 'unheard' }, fault);
      if (fault?.how === 'twice') this.start({ record, event: record.object, endpoint, attempt: 0, counted: false });
    }
  }

  start(job, fault) {
    job.first = new Promise((resolve) => { job.tellFirst = resolve; });
    this.jobs.add(job);
    if (fault?.how === 'late' || fault?.how === 'behind') {
      job.behind = fault.how === 'behind';
      job.timer = setTimeout(() => { if (!this.paused) this.run(job); }, fault.ms).unref();
    } else if (!this.paused) this.run(job);
  }

  /** What was to come after another event to this endpoint comes now. */
  followUp(endpoint, ahead) {
    if (this.paused) return;
    for (const job of this.jobs) if (job.behind && job !== ahead && job.endpoint.url === endpoint.url) this.run(job);
  }

  /** One attempt. → the status of the answer */
  async run(job) {
    if (job.running || this.stop.signal.aborted) return undefined;
    job.running = true;
    job.behind = false;
    clearTimeout(job.timer);
    job.attempt += 1;
    const payload = payloadFor(job.event, job.endpoint);
    const headers = { 'Stripe-Signature': signature(payload, job.endpoint.secret) };
    let result = await post(job.endpoint.url, payload, headers, { timeoutMs: this.timeoutMs, signal: this.stop.signal });
    if (this.stop.signal.aborted) return undefined;
    if (job.unheard) result = { status: 0, error: 'the answer was lost (asked for in the sandbox)' };
    job.unheard = false;
    job.running = false;
    const ok = result.status >= 200 && result.status < 300;
    this.note(job, result);
    job.tellFirst(ok);
    this.followUp(job.endpoint, job);
    if (!this.jobs.has(job)) return result.status; // dropped meanwhile
    if (ok) {
      if (job.counted && job.event.object === 'event') job.event.pending_webhooks = Math.max(0, job.event.pending_webhooks - 1);
      this.end(job);
    } else if (job.attempt > this.pauses.length) {
      this.end(job); // given up: pending_webhooks keeps telling
    } else {
      job.timer = setTimeout(() => { if (!this.paused) this.run(job); }, this.pauses[job.attempt - 1]);
      job.timer.unref();
    }
    return result.status;
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

  /**
   * After pause(): sends what waits, one by one, each when the last was answered, then goes on as usual.
   * `order`: 'made' (default), 'reversed', 'shuffled' (the same for the same `seed`); `copies` of each. → [{ type, status }]
   */
  async deliver({ order = 'made', copies = 1, seed = 1 } = {}) {
    const jobs = [...this.jobs].filter((job) => job.attempt === 0 && !job.running);
    const orders = { made: () => jobs, reversed: () => jobs.reverse(), shuffled: () => shuffle(jobs, seed) };
    if (!Object.hasOwn(orders, order)) throw new Error(`deliver: order is one of ${Object.keys(orders).join(', ')}`);
    const told = [];
    for (const job of orders[order]()) {
      if (!this.jobs.has(job)) continue; // thrown away meanwhile
      for (let i = 1; i < copies; i += 1) told.push({ type: job.event.type, status: (await this.send(job.event, job.endpoint))[0] });
      told.push({ type: job.event.type, status: await this.run(job) });
    }
    this.resume();
    return told;
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

  /** Who would get this event; a thin one goes to thin endpoints only. */
  hearers(event) {
    const made = this.world.record('event', event.id);
    const record = made ?? { owner: event.account ?? event.context ?? this.world.keys.platform, livemode: event.livemode, object: event };
    return this.recipients(record).filter((endpoint) => event.object === 'event' || endpoint.thin);
  }

  /**
   * By hand: one event (or any object) to one address or to whoever would get it, `times` times, once each. → statuses
   * `thin`: a snapshot goes as its thin twin.
   */
  async send(event, { url, secret, times = 1, headers, thin: isThin } = {}) {
    const statuses = [];
    for (let i = 0; i < times; i += 1) {
      for (const endpoint of url ? [{ url, secret }] : this.hearers(event)) {
        const payload = isThin ?? endpoint.thin ? payloadFor(event, { thin: true }) : JSON.stringify(event, null, 2);
        const key = secret ?? endpoint.secret ?? this.endpoints.find((known) => known.url === endpoint.url)?.secret ?? '';
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
