// Runs the requirements against a target, in this process. Who wants results calls `runSuite`; who wants one test for each
// calls `openSuite`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client, shown } from './client.mjs';
import { DIALECTS, VERSIONS, cheapest } from './dialects.mjs';
import { Skip, requirements } from './requirements.mjs';
import './suites/index.mjs';

const CHECK_DEADLINE = 60_000;
const BUYER = { first_name: 'Ada', last_name: 'Byron', email: 'ada.byron@example.com', phone_number: '15551234567' };

/** What a check has in hand: one version, one target, and the walks that many checks take. */
class Context {
  constructor({ target, version, watch }) {
    Object.assign(this, { target, version, dialect: DIALECTS[version], watch });
    this.api = new Client({ url: target.url, key: target.key, dialect: this.dialect, send: target.send, watch: (answer) => watch(answer, this) });
    this.buyer = target.buyer ?? BUYER;
    this.address = target.address;
    this.currency = target.currency ?? 'usd';
    // The handler that was offered last: a session that is over need not offer one, and is still to be asked in full.
    this.offered = target.handler;
  }

  /** A fresh key or name. */
  fresh = (what = 'conformance') => `${what}-${randomUUID()}`;

  /** The same check with another version's words. */
  in(version) {
    return new Context({ target: this.target, version, watch: this.watch });
  }

  async product(kind) {
    const id = await this.target.product(kind);
    if (id === undefined) throw new Skip(`the target has no product "${kind}"`);
    return id;
  }

  async token(kind, amount) {
    const token = await this.target.token(kind, { amount, currency: this.currency, version: this.version });
    if (token === undefined) throw new Skip(`the target has no payment token "${kind}"`);
    return token;
  }

  coupon(kind) {
    const code = this.target.coupons?.[kind];
    if (code === undefined) throw new Skip(`the target has no coupon "${kind}"`);
    return code;
  }

  /** The body of a create: one piece that is shipped, a buyer and an address, unless told otherwise (null: without). */
  async createBody({ items, buyer = this.buyer, address = this.address, ...more } = {}) {
    return this.dialect.create({
      items: items ?? [{ id: await this.product('shipped'), quantity: 1 }],
      buyer: buyer ?? undefined,
      address: address ?? undefined,
      currency: this.currency,
      ...more,
    });
  }

  /** A session just made. -> its view, with `raw` and `answer` */
  async open(more) {
    return this.view(await this.api.create(await this.createBody(more)), 201);
  }

  /** One that only has to be paid for. */
  async ready(more) {
    const session = await this.open(more);
    const ready = session.status === 'ready_for_payment' ? session : await this.choose(session);
    assert.equal(
      ready.status,
      'ready_for_payment',
      `a session with items, buyer, address and option is to be paid for: ${shown(ready.answer)}`,
    );
    return ready;
  }

  /** Chooses an option, the cheapest unless told otherwise. */
  async choose(session, option = cheapest(session)) {
    assert.ok(option, `there is no option to choose: ${shown(session.answer)}`);
    const answer = await this.api.update(
      session.id,
      this.dialect.update({ option: { ...option, items: session.lines.map(({ id }) => id) } }),
    );
    return this.view(answer);
  }

  /** An answer that must be a session. */
  view(answer, status = 200) {
    assert.equal(answer.status, status, shown(answer));
    assert.ok(answer.body && typeof answer.body === 'object' && typeof answer.body.id === 'string', `this is no session: ${shown(answer)}`);
    const view = { ...this.dialect.read(answer.body), raw: answer.body, answer };
    this.offered = (view.handlers.find(({ name }) => name === 'dev.acp.tokenized.card') ?? view.handlers[0])?.id ?? this.offered;
    return view;
  }

  async look(id) {
    return this.view(await this.api.get(id));
  }

  async paymentBody(session, { token, kind = 'success', ...more } = {}) {
    return this.dialect.complete({
      token: token === undefined ? await this.token(kind, session.totals.total) : token,
      handler: this.offered,
      buyer: this.buyer,
      ...more,
    });
  }

  async complete(session, more, options) {
    return this.api.complete(session.id, await this.paymentBody(session, more), options);
  }

  async paid(session, more) {
    const done = this.view(await this.complete(session, more));
    assert.equal(done.status, 'completed', shown(done.answer));
    return done;
  }

  /** An answer that refuses, in the protocol's own form. code: one, several, or a pattern. -> the error */
  refused(answer, { status, code, param, type } = {}) {
    const wanted = status === undefined ? undefined : [status].flat();
    assert.ok(
      wanted ? wanted.includes(answer.status) : answer.status >= 400 && answer.status < 500,
      `${wanted ? wanted.join(' or ') : 'a 4xx'} was due: ${shown(answer)}`,
    );
    const error = answer.body;
    for (const member of ['type', 'code', 'message']) {
      assert.equal(typeof error?.[member], 'string', `an error has a "${member}": ${shown(answer)}`);
    }
    if (code instanceof RegExp) assert.match(error.code, code, shown(answer));
    else if (code) assert.ok([code].flat().includes(error.code), `the code ${[code].flat().join(' or ')} was due: ${shown(answer)}`);
    if (type) assert.equal(error.type, type, shown(answer));
    if (param) assert.equal(error.param, param, shown(answer));
    return error;
  }

  /** What an answer says went wrong: the code of its error, or of the error messages in its session. */
  complaints({ status, body }) {
    if (status >= 400) return [body?.code].filter(Boolean);
    return (body?.messages ?? []).filter(({ type }) => type === 'error').map(({ code }) => code);
  }

  /** A session that was not touched: the same as it was. */
  async unchanged(before, what) {
    const now = await this.look(before.id);
    for (const member of ['status', 'totals', 'lines', 'address', 'selected', 'order']) {
      assert.deepEqual(now[member], before[member], `${what}: ${member} changed: ${shown(now.answer)}`);
    }
    return now;
  }

  /** How often money was taken for a session; undefined where the target cannot tell. */
  charges(id) {
    return this.target.charges?.(id);
  }
}

/** What of `needs` a target lacks: the reason to skip, or undefined. */
function lack(target, needs) {
  for (const need of needs) {
    const [kind, name] = need.split(':');
    const there =
      {
        product: () => target.products?.includes(name),
        token: () => target.tokens?.includes(name),
        coupon: () => target.coupons?.[name] !== undefined,
      }[kind]?.() ??
      (target.features?.has(need) || target[need] !== undefined);
    if (!there) return `the target has no ${name === undefined ? need : `${kind} "${name}"`}`;
  }
  return undefined;
}

const brief = (value) => (JSON.stringify(value) ?? String(value)).slice(0, 600);

/** Why a check failed. A message of ours keeps node from printing what was compared; here it comes first. */
function reason(error) {
  if (error.code !== 'ERR_ASSERTION') return `${error.stack ?? error}`;
  if (error.generatedMessage || typeof error.actual === 'boolean') return error.message;
  return `is ${brief(error.actual)}, due was ${brief(error.expected)}\n${error.message}`;
}

function within(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * What is to be checked at a target: tests with `run()`, to be run in this order. What must hold in every answer comes last in its
 * version.
 * only: ids of requirements; versions: those of the target unless given.
 * -> {tests: [{id, version, level, title, file, run() -> {ok, why, skipped}}], answers: (version) -> number}
 */
export function openSuite(target, { only, versions = target.versions } = {}) {
  const chosen = requirements().filter(({ id }) => !only || only.includes(id));
  for (const id of only ?? [])
    assert.ok(
      chosen.some((one) => one.id === id),
      `there is no requirement ${id}`,
    );
  const tests = [];
  const counts = new Map();
  for (const version of VERSIONS.filter((one) => versions.includes(one))) {
    const mine = chosen.filter((one) => one.versions.includes(version));
    const watched = mine.filter(({ look }) => look).map((entry) => ({ ...entry, looked: 0, wrong: new Map() }));
    const watch = (answer, t) => {
      counts.set(answer.version, (counts.get(answer.version) ?? 0) + 1);
      if (answer.version !== version) return;
      for (const entry of watched) {
        const verdict = entry.look(answer, t);
        if (verdict === undefined) continue;
        entry.looked += 1;
        for (const one of [verdict].flat()) {
          if (one !== true && !entry.wrong.has(one)) entry.wrong.set(one, shown(answer));
        }
      }
    };
    const base = ({ id, level, says, file }) => ({ id, version, level, file, title: `${id} (${version}): ${says}` });
    for (const entry of mine.filter(({ check }) => check)) {
      tests.push({
        ...base(entry),
        async run() {
          const missing = lack(target, entry.needs);
          if (missing) return { ok: false, skipped: missing };
          try {
            await target.ready?.();
            await within(entry.check(new Context({ target, version, watch })), CHECK_DEADLINE);
            return { ok: true };
          } catch (error) {
            return error instanceof Skip ? { ok: false, skipped: error.message } : { ok: false, why: reason(error) };
          }
        },
      });
    }
    for (const entry of watched) {
      tests.push({
        ...base(entry),
        async run() {
          const missing = lack(target, entry.needs);
          if (missing) return { ok: false, skipped: missing };
          if (entry.wrong.size > 0) {
            const list = [...entry.wrong].slice(0, 8).map(([why, where]) => `${why}\n    in: ${where}`);
            return { ok: false, why: `${entry.wrong.size} finding(s) in ${entry.looked} answers:\n  ${list.join('\n  ')}` };
          }
          return entry.looked > 0 ? { ok: true } : { ok: false, skipped: entry.idle ?? 'no answer of this kind was seen' };
        },
      });
    }
  }
  return { tests, answers: (version) => counts.get(version) ?? 0 };
}

/** Runs everything. -> [{id, version, level, title, file, ok, why?, skipped?}] */
export async function runSuite(target, options = {}) {
  const results = [];
  for (const test of openSuite(target, options).tests) {
    const { run, ...about } = test;
    const result = { ...about, ...(await run()) };
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}
