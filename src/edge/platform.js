// What is done over there in one go: each way across the boundary costs. Where Rust waits for it (js.rs, `suspending`), its stack is put
// aside until the promise is settled.

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { ignoreBOM: true });

/** js.rs, FOREVER */
const FOREVER = 0xffffffff;

/** A promise for so many milliseconds; then it fails, with `late()`. */
function within(patience, promise, late) {
  if (patience === FOREVER) return promise;
  let timer;
  const end = new Promise((_, fail) => (timer = setTimeout(() => fail(late()), patience)));
  return Promise.race([promise, end]).finally(() => clearTimeout(timer));
}

/**
 * What Rust waits for. After a trap worker-build's glue works on a new instance, and whoever still waits in the old one must never go on: it
 * would read and write the memory of the new one, where other requests are.
 */
function waited(start) {
  const instance = () => globalThis.__worker_init_state?.instanceId;
  return async (...args) => {
    const ours = instance();
    try {
      return await start(...args);
    } finally {
      if (instance() !== ours) await new Promise(() => {});
    }
  };
}

/** js.rs */
export const settle = waited((promise, patience) => within(patience, promise, () => null));

/** Whether a promise is kept before another one is over. */
export const keptBefore = waited((promise, other) => Promise.race([promise.then(() => true, () => false), other.then(() => false, () => false)]));

export const sleep = waited((ms) => new Promise((done) => setTimeout(done, ms)));

/** Begins work with a stack of its own (js.rs, `begun`). */
export const enter = (exports, number) => Promise.resolve(number).then(WebAssembly.promising(exports.begun)).catch((error) => {
  // As worker-build's glue does where a request traps: the next one gets a new instance.
  if (error instanceof WebAssembly.RuntimeError) globalThis.__worker_init_state.criticalError = true;
  console.error(JSON.stringify({ level: 'error', event: 'work_broke_off', why: String(error) }));
});

/** Keeps a request going until what this answers is called. */
export function hold(context) {
  let release;
  context.waitUntil(new Promise((done) => (release = done)));
  return release;
}

export const release = (held) => held();

/**
 * One round trip to D1. statements: text, parameters (a JSON list), text, parameters, …, with NUL between them.
 * -> JSON in UTF-8, [[names of the columns, rows, how many changed], …]: a name with each value is as long as most values, and what else
 * D1 tells of a statement as long as a row.
 */
export const batch = waited(async (database, statements, patience) => {
  const parts = text.decode(statements).split('\0');
  const bound = [];
  for (let at = 0; at < parts.length; at += 2) bound.push(database.prepare(parts[at]).bind(...JSON.parse(parts[at + 1])));
  const answered = await within(patience, database.batch(bound), () => new Error('D1 did not answer in time'));
  const answers = answered.map(({ results, meta }) => [Object.keys(results[0] ?? {}), results.map(Object.values), meta.changes]);
  return utf8.encode(JSON.stringify(answers));
});

/** An answer. headers: JSON, [[name, value], …] */
export function respond(status, headers, body) {
  return new Response(body, { status, headers: JSON.parse(headers) });
}

/**
 * All of the body of a request or an answer, as far as it is wanted: keeps `keep` bytes, reads on and throws away up to `drain`, then
 * cancels. -> [bytes, whether that is all]
 */
export const read = waited((source, keep, drain, patience) => within(patience, readAll(source, keep, drain), () => new Error('the body took too long')));

async function readAll(source, keep, drain) {
  const { headers } = source;
  const length = headers.get('content-length');
  // The platform holds a body to the length that it announces; one that is packed is longer.
  if (length !== null && Number(length) <= keep && !headers.has('content-encoding')) return [new Uint8Array(await source.arrayBuffer()), true];
  const { body } = source;
  if (!body) return [new Uint8Array(), true];
  const reader = body.getReader();
  const parts = [];
  let seen = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return [joined(parts, Math.min(seen, keep)), seen <= keep];
    if (seen < keep) parts.push(value);
    seen += value.length;
    if (seen > drain) {
      // Whether the other side hears of it does not matter.
      reader.cancel().catch(() => {});
      return [joined(parts, Math.min(seen, keep)), false];
    }
  }
}

function joined(parts, length) {
  if (parts.length === 1 && parts[0].length === length) return parts[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    const fits = part.subarray(0, length - at);
    whole.set(fits, at);
    at += fits.length;
  }
  return whole;
}

/**
 * A request to the outside and its answer: no redirect is followed, it ends after `deadline` milliseconds, at most `limit` bytes are
 * read (0: the answer's body is given up unread). request: JSON, {url, method, headers, body?}. -> {status, headers, body?}, or
 * {failed} with why there is no whole answer.
 */
export const exchange = waited(async (request, deadline, limit) => {
  const { url, ...init } = JSON.parse(request);
  let answer;
  try {
    answer = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(deadline) });
  } catch (error) {
    return { failed: `no answer: ${error?.message ?? error}` };
  }
  const { status, headers } = answer;
  if (limit === 0) {
    answer.body?.cancel().catch(() => {});
    return { status, headers };
  }
  try {
    return { status, headers, body: (await readAll(answer, limit, limit))[0] };
  } catch (error) {
    return { failed: `the answer broke off: ${error?.message ?? error}` };
  }
});
