// Stands in front of the built Worker and writes down, request by request, what it asks of D1 and of Stripe: the plan that the two
// twins carry out. Also counts what D1 read and wrote for it.
import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';

let trace = [];
const made = new WeakMap();

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const body = request.body ? await request.clone().text() : undefined;
  const answer = await realFetch(request);
  const text = await answer.clone().text();
  trace.push({ fetch: { method: request.method, url: request.url, headers: Object.fromEntries(request.headers), body, answer: { status: answer.status, body: text } } });
  return answer;
};

function recording(database) {
  return new Proxy(database, {
    get(target, name) {
      const found = Reflect.get(target, name);
      if (name === 'prepare') {
        return (sql) => {
          const statement = found.call(target, sql);
          const bind = statement.bind.bind(statement);
          statement.bind = (...binds) => {
            const bound = bind(...binds);
            made.set(bound, { sql, binds });
            return bound;
          };
          return statement;
        };
      }
      if (name === 'batch') {
        return async (statements) => {
          const answers = await found.call(target, statements);
          trace.push({ batch: statements.map((statement) => made.get(statement)), read: sum(answers, 'rows_read'), written: sum(answers, 'rows_written'), ms: sum(answers, 'duration') });
          return answers;
        };
      }
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

const sum = (answers, name) => answers.reduce((total, { meta }) => total + (meta?.[name] ?? 0), 0);

export default class extends WorkerEntrypoint {
  async fetch(request) {
    if (new URL(request.url).pathname === '/__trace') {
      const told = trace;
      trace = [];
      return Response.json(told);
    }
    return new Worker(this.ctx, { ...this.env, DB: recording(this.env.DB) }).fetch(request);
  }
}
