// Looks for planted secrets in everything that a Worker says: answers and log lines. startWorker() keeps one for every Worker of
// every test and asks it when the Worker is closed, so that each test is a test of this too.
//
// A secret that the contract hands out (a key at registration, a claim on the way home) may stand in the answer that hands it
// out, and where whoever asks has put it into his own request. Nowhere else, and never in the log.
import { parse } from './parse.mjs';
import { operationOf, resolve } from './schema.mjs';

const SECRET_VARS = ['STRIPE_SECRET_KEY', 'STRIPE_TEST_SECRET_KEY', 'STRIPE_WEBHOOK_SECRETS', 'STRIPE_HOOK_SECRETS', 'SEAL_KEYS', 'ADMIN_KEY'];
/** Members of an answer that are secrets, where the document has them for this operation and status. */
const HANDED_OUT = ['api_key', 'signing_secret', 'client_secret', 'challenge'];
/** Members of a request that are secrets. */
const BROUGHT = ['verifier', 'claim', 'feed_key'];
/** Shorter ones would be found by chance. */
const SHORTEST = 12;
const GRAM = 8;

/** What a runtime in trouble says. */
const TROUBLE = /panicked at|RuntimeError|unreachable|recursive use of an object|had hung|never generate a response|Uncaught|exceeded its (CPU|memory)/;
const EMAIL = /[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}/;

/** A download that the Worker itself breaks off is told to the runtime as an error, and by it to the log. */
const EXPECTED = /remote\.jsg\.Error: broken off/;

export class Watch {
  /** secret → {kind, given: Set of answers that may have it, elsewhere: may it stand in other answers} */
  #secrets = new Map();
  #answers = [];
  #reading = [];

  plant(kind, secret, answer) {
    if (typeof secret !== 'string' || secret.length < SHORTEST) return;
    const known = this.#secrets.get(secret) ?? this.#secrets.set(secret, { kind, given: new Set() }).get(secret);
    if (answer) known.given.add(answer);
  }

  plantVars(vars) {
    for (const name of SECRET_VARS) {
      for (const part of (vars[name] ?? '').split(',')) {
        const secret = part.trim();
        this.plant(name, name === 'SEAL_KEYS' ? secret.slice(secret.indexOf(':') + 1) : secret);
      }
    }
  }

  /** The keys, tokens and codes that the stand-in for Stripe ever gave out. */
  plantStripe(world) {
    const seen = new Set();
    const visit = (value) => {
      if (typeof value === 'string') {
        if (/^(sk_|rk_|rt_|ac_|whsec_)/.test(value)) this.plant('a token of Stripe’s', value);
      } else if (value && typeof value === 'object' && !seen.has(value)) {
        seen.add(value);
        const inner = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value);
        inner.forEach(visit);
      }
    };
    visit(world);
  }

  /** An answer to a request of a test. `response` is a fetch Response, which stays readable. */
  see(method, url, init, response) {
    const headers = new Headers(init.headers ?? {});
    const body = init.body === undefined || init.body === null ? '' : String(init.body);
    const copy = response.clone();
    // A test may leave a body unread or break it off; then there is nothing to look at.
    this.#reading.push(copy.text().catch(() => '').then((text) => this.note({
      method, url: String(url), asked: `${url}\n${body}`, bearer: headers.get('authorization'), cookie: headers.get('cookie'), body,
      status: response.status, headers: response.headers, text,
    })));
  }

  note({ method, url, asked = url, bearer, cookie, body = '', status, headers, text }) {
    const answer = { name: `${method} ${new URL(url, 'http://worker').pathname} → ${status}`, asked, text: `${[...headers].map(([name, value]) => `${name}: ${value}`).join('\n')}\n${text}` };
    this.#answers.push(answer);
    const key = /^bearer\s+(.+)$/i.exec(bearer ?? '')?.[1];
    // A key that opens nothing is none; tests try parts of real ones.
    if (key && status !== 401 && !text.includes('shop_key_not_allowed') && /^cc[sa]_/.test(key)) this.plant('a key', key);
    for (const pair of (cookie ?? '').split(/;\s*/)) if (pair.startsWith('__Host-cc_')) this.plant('a cookie', pair.slice(pair.indexOf('=') + 1));
    if (body.startsWith('{')) {
      const sent = parse(body);
      // Words that a test made up are none: a real one is random.
      for (const name of BROUGHT) if (isRandom(sent?.[name])) this.plant(`a ${name}`, sent[name]);
    }
    const location = headers.get('location');
    if (location?.includes('state=') && location.includes('/oauth/authorize')) this.plant('a state', new URL(location).searchParams.get('state'), answer);
    if (location?.includes('cc_claim=')) this.plant('a claim', new URL(location).searchParams.get('cc_claim'), answer);
    for (const line of headers.getSetCookie?.() ?? []) if (line.startsWith('__Host-cc_')) this.plant('a cookie', line.split(';')[0].slice(line.indexOf('=') + 1), answer);
    const given = status < 300 && parse(text);
    if (!given) return;
    for (const name of HANDED_OUT) {
      if (typeof given[name] === 'string') this.plant(`a ${name}`, given[name], handsOut(method, url, status, name) ? answer : undefined);
    }
    if (given.object === 'connect.ticket') this.plant('a ticket', String(given.url).split('/').at(-1), answer);
  }

  /** -> what is wrong, told without telling the secret */
  async findings(log) {
    await Promise.all(this.#reading);
    // By their first characters: hundreds of secrets in thousands of answers are found in one pass.
    const byGram = new Map();
    for (const [secret, about] of this.#secrets) {
      const gram = secret.slice(0, GRAM);
      byGram.set(gram, [...byGram.get(gram) ?? [], [secret, about]]);
    }
    const found = [];
    const within = (text, tell) => {
      for (let at = 0; at <= text.length - SHORTEST; at += 1) {
        for (const [secret, about] of byGram.get(text.slice(at, at + GRAM)) ?? []) if (text.startsWith(secret, at)) tell(secret, about);
      }
    };
    for (const answer of this.#answers) {
      within(answer.text, (secret, { kind, given }) => {
        // A challenge is shown by the shop itself, at its own address.
        if (given.has(answer) || kind === 'a challenge' || answer.asked.includes(secret)) return;
        found.push(`${kind} (${secret.slice(0, 6)}…) is in the answer ${answer.name}`);
      });
    }
    for (const line of log.split('\n')) {
      within(line, (secret, { kind }) => found.push(`${kind} (${secret.slice(0, 6)}…) is in the log: ${line.replaceAll(secret, '***').slice(0, 300)}`));
      if (EMAIL.test(line)) found.push(`an e-mail address is in the log: ${line.slice(0, 300)}`);
      if (TROUBLE.test(line) && !EXPECTED.test(line)) found.push(`the runtime is in trouble: ${line.slice(0, 300)}`);
    }
    return { found: [...new Set(found)], secrets: this.#secrets.size, answers: this.#answers.length };
  }
}

/** Whether the document has such a member in such an answer. */
function handsOut(method, url, status, name) {
  const response = resolve(operationOf(method, url)?.operation.responses[status] ?? {});
  const has = (schema) => {
    const node = resolve(schema) ?? {};
    return Boolean(node.properties?.[name]) || ['allOf', 'oneOf', 'anyOf'].some((word) => node[word]?.some(has));
  };
  return has(response.content?.['application/json']?.schema);
}

const isRandom = (text) => typeof text === 'string' && /^[A-Za-z0-9_.~-]{32,}$/.test(text) && new Set(text).size > 12;
