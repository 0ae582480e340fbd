// Stands in front of the built Worker where latency is measured: every round trip to D1 takes as long as it does in life.
import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';

const slow = (database, ms) => new Proxy(database, {
  get(target, name) {
    const found = Reflect.get(target, name);
    if (name === 'batch') return async (statements) => { await scheduler.wait(ms); return found.call(target, statements); };
    return typeof found === 'function' ? found.bind(target) : found;
  },
});

export default class extends WorkerEntrypoint {
  fetch(request) {
    return new Worker(this.ctx, { ...this.env, DB: slow(this.env.DB, Number(this.env.D1_DELAY)) }).fetch(request);
  }
}
