// The database that all are measured on: a shop that sells, a small one and a big one; and the journeys as the Worker made them, written
// down as plans for the twins.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, FULFILLMENT, PRODUCTS } from '../support/agent.mjs';
import { connectShop, registerShop, sendCatalogue } from '../support/shop.mjs';
import { JOURNEYS, AMOUNT } from './journeys.mjs';
import { sources, start } from './targets.mjs';

const WORDS = ['blue', 'red', 'green', 'small', 'large', 'round', 'ceramic', 'steel', 'oak', 'linen', 'travel', 'kitchen', 'garden', 'winter', 'summer', 'gift'];
const word = (n, at) => WORDS[(n * 7 + at * 5 + ((n / 16) | 0)) % WORDS.length];
const row = (n) => `SKU-${n},${word(n, 1)} ${word(n, 2)} mug no ${n} ${word(n, 3)},A thing to have.,https://shop.example/p/${n},https://shop.example/i/${n}.jpg,${10 + (n % 90)}.50 USD,in_stock,${n % 50},Acme ${n % 40}`;
const catalogue = (rows) => `id,title,description,link,image_link,price,availability,inventory_quantity,brand\n${Array.from({ length: rows }, (_, n) => row(n)).join('\n')}`;

/** Sales over ninety days, a dozen kinds of them: the same kinds at a thousand and at a million. Written as rows, not sold one by one. */
const SALES = `INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, agent, currency, amount_expected, total_rule, amount,
    amount_subtotal, amount_captured, amount_refunded, application_fee_amount, capture, order_id, checkout_session, payment_intent, line_items, extras, discounts, metadata, stripe_key,
    attempt_until, created, paid_at)
  WITH RECURSIVE n (i) AS (SELECT ?3 UNION ALL SELECT i + 1 FROM n WHERE i < ?4)
  SELECT ?2 || printf('%026d', i), ?1, 0, 'acct_bench', 'direct', iif(i % 12 = 0, 'refunded', 'paid'), CASE i % 3 WHEN 0 THEN 'chat' WHEN 1 THEN 'site' ELSE 'agent' END,
    iif(i % 3 = 2, iif(i % 2, 'Claude', 'ChatGPT'), NULL), 'usd', 2000, 'exact', 2000, 2000, 2000, iif(i % 12 = 0, 2000, 0), 60, 'automatic', 'order-' || i, 'cs_test_' || ?2 || i, 'pi_' || ?2 || i,
    '[{"name":"A thing of the shop","quantity":1,"amount_total":2000,"product_id":"1"}]', '{}', '[]', '{"cart_id":"cart_1"}', ?2 || i, 0, 1780000000 + (i * 86400 / ?5) % 7776000, 1780000100 + (i * 86400 / ?5) % 7776000
  FROM n`;

/** -> bytes of the database then */
async function fillLedger(database, shop, prefix, count, note) {
  const step = 50_000;
  let size = 0;
  for (let from = 1; from <= count; from += step) {
    const { meta } = await database.prepare(SALES).bind(shop, prefix, from, Math.min(count, from + step - 1), Math.max(1, Math.floor(count / 90))).run();
    size = meta.size_after;
    note?.(`${prefix} ${Math.min(count, from + step - 1).toLocaleString('en')} sales`);
  }
  return size;
}

/** -> {context, plans, answers, costs, saleBytes}; the database lies in `persist`. `sales`, `products`: of the big shop. */
export async function seed({ persist, sales, products, note }) {
  const stripe = await startStripe({ retryPauses: [] });
  const hex = (bytes) => randomBytes(bytes).toString('hex');
  const webhookSecret = `whsec_${hex(16)}`;
  const vars = {
    ALLOW_LOCAL: 'true', SHOP_VERIFICATION: 'required', RATE_LIMITS: 'off', FEE_BPS: '50',
    STRIPE_TEST_SECRET_KEY: stripe.keys.test.secret, STRIPE_TEST_CLIENT_ID: stripe.keys.test.clientId,
    STRIPE_WEBHOOK_SECRETS: webhookSecret, SEAL_KEYS: `k1:${hex(32)}`, ADMIN_KEY: `admin_${hex(16)}`,
    STRIPE_API_BASE: stripe.url, STRIPE_CONNECT_BASE: stripe.url, STRIPE_FILES_BASE: stripe.url,
  };
  const target = await start({ source: sources.recorder(), vars, persist });
  const { statements } = await (await import('../support/migrations.mjs')).workerConfig();
  const database = await target.database();
  await database.batch(statements.map((statement) => database.prepare(statement)));
  const w = worker(target.url);
  await stripe.setRedirectUris([`${target.url}/connect/callback`]);

  const open = async () => { const shop = await registerShop(w); return Object.assign(shop, await connectShop(w, stripe, shop)); };
  const [sells, small, big] = [await open(), await open(), await open()];
  const rows = PRODUCTS.map((product) => JSON.stringify({ ...product, inventory_quantity: product.id === 'mug' ? 1_000_000 : undefined })).join('\n');
  await w.api('PUT', '/v1/catalogue/products', { key: sells.key, idempotencyKey: randomUUID(), body: rows, headers: { 'content-type': 'application/x-ndjson' } });
  await w.api('PUT', '/v1/shop/fulfillment', { key: sells.key, body: FULFILLMENT });
  const agent = await addAgent(w, sells, {});
  for (const [shop, count] of [[small, 1_000], [big, products]]) {
    note(`a catalogue of ${count.toLocaleString('en')}`);
    const sent = await sendCatalogue(w, shop, catalogue(count));
    if (sent.body.accepted !== count) throw new Error(sent.text.slice(0, 500));
  }
  const before = await fillLedger(database, small.id, 'cct_a', 1_000);
  const saleBytes = (await fillLedger(database, big.id, 'cct_b', sales, note) - before) / sales;

  const context = { sells: { key: sells.key, id: sells.id, origin: sells.origin, account: sells.account }, small: { key: small.key }, big: { key: big.key }, agent: agent.api_key, webhookSecret, vars };
  note('recording');
  const hashes = new Set([sells.key, small.key, big.key, agent.api_key].map((key) => createHash('sha256').update(key).digest('hex')));
  const { plans, answers, costs, event } = await record({ w, stripe, context: { ...context, hashes } });
  for (const shop of [sells, small, big]) await shop.close();
  await target.close();
  await stripe.close();
  return { context: { ...context, event }, plans, answers, costs, saleBytes };
}

/** The Worker as the tests' helpers want it. */
function worker(url) {
  const w = {
    url,
    fetch: (path, init = {}) => fetch(new URL(path, url), { redirect: 'manual', ...init }),
    async api(method, path, { key, body, idempotencyKey, headers = {} } = {}) {
      const answer = await w.fetch(path, { method, headers: { ...(key && { authorization: `Bearer ${key}` }), ...(body !== undefined && { 'content-type': 'application/json' }), ...(idempotencyKey && { 'idempotency-key': idempotencyKey }), ...headers }, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body) });
      const text = await answer.text();
      let parsed = text;
      try { parsed = JSON.parse(text); } catch { /* no JSON */ }
      return { status: answer.status, headers: answer.headers, text, body: parsed };
    },
  };
  return w;
}

/** Makes each journey twice. What differs between the two is made afresh by the twins; what it is called by is `names`. */
async function record({ w, stripe, context }) {
  const takes = [{}, {}];
  const seen = [{}, {}];
  let event;
  for (const [n, take] of takes.entries()) {
    for (const [name, journey] of Object.entries(JOURNEYS)) {
      const known = { ...(journey.from && seen[n][journey.from]), ...journey.before({ recording: true }) };
      if (name === 'complete' || name === 'webhook') {
        // Paid at the local Stripe, and nobody has told the Worker yet.
        stripe.setWebhooks([]);
        const before = stripe.books().events.length;
        await stripe.pay(known.cs);
        const paid = stripe.books().events.slice(before).find(({ type }) => type === 'checkout.session.completed');
        event = paid;
        known.pi = paid.data.object.payment_intent;
      }
      if (name === 'ACP complete') known.spt = await stripe.grantToken({ account: context.sells.account, maxAmount: 1_000_000 });
      const { method, path, headers, body } = journey.request(known, { ...context, event });
      await w.fetch('/__trace');
      const answer = await w.fetch(path, { method, headers, body });
      const text = await answer.text();
      if (answer.status !== journey.status) throw new Error(`${name} answered ${answer.status}: ${text}`);
      let parsed;
      try { parsed = JSON.parse(text); } catch { /* none */ }
      Object.assign(known, journey.after?.(known, parsed));
      seen[n][name] = known;
      // What goes on behind the answer belongs to it.
      await new Promise((resolve) => { setTimeout(resolve, 50); });
      const trace = await (await w.fetch('/__trace')).json();
      if (name === 'ACP complete') known.pi = JSON.parse(trace.find((step) => step.fetch).fetch.answer.body).id;
      take[name] = { trace, known, answer: { status: answer.status, type: answer.headers.get('content-type') ?? undefined, location: answer.headers.get('location') ?? undefined, body: text || undefined } };
    }
  }
  const [plans, answers, costs] = [{}, {}, {}];
  for (const [name, journey] of Object.entries(JOURNEYS)) {
    const template = templates(takes.map((take) => take[name].known));
    const [one, two] = takes.map((take) => take[name]);
    if (one.trace.length !== two.trace.length) throw new Error(`${name} is not the same twice`);
    const steps = one.trace.map((step, at) => {
      const other = two.trace[at];
      if (step.batch) {
        return { batch: step.batch.map((statement, s) => ({ sql: statement.sql, binds: statement.binds.map((bind, b) => (typeof bind === 'string' ? keyed(template(bind, other.batch[s].binds[b]), bind, context) : bind)) })) };
      }
      const [call, again] = [step.fetch, other.fetch];
      const base = context.vars.STRIPE_API_BASE;
      answers[`${call.method} ${new URL(call.url).pathname.replace(/(cs_test|spt)_[A-Za-z0-9_]+/, '{id}')}`] = canned(call.answer.body, one.known);
      return {
        fetch: {
          method: call.method, path: template(call.url.slice(base.length), again.url.slice(base.length)), key: call.headers['idempotency-key'] && template(call.headers['idempotency-key'], again.headers['idempotency-key']),
          body: call.body && template(call.body, again.body), params: call.body && params(call.body),
        },
      };
    });
    const told = (part) => one.answer[part] && template(one.answer[part], two.answer[part] ?? '');
    plans[name] = { names: journey.names, account: context.sells.account, amount: AMOUNT, transaction: 'cct', steps, answer: { status: one.answer.status, type: one.answer.type, location: told('location'), body: told('body') } };
    const transaction = findTransaction(steps);
    plans[name].transaction = journey.names === 'create' ? ['', 'cct', ''] : transaction && ['cct_', transaction, ''];
    const sum = (what) => one.trace.reduce((total, step) => total + (step[what] ?? 0), 0);
    costs[name] = { d1: one.trace.filter((step) => step.batch).length, statements: one.trace.reduce((total, step) => total + (step.batch?.length ?? 0), 0), stripe: one.trace.filter((step) => step.fetch).length, read: sum('read'), written: sum('written'), ms: sum('ms') };
  }
  return { plans, answers, costs, event };
}

/** Which fresh token is the new transaction's: the one behind `cct_`. */
const findTransaction = (steps) => {
  for (const step of steps) {
    for (const bind of step.batch?.flatMap(({ binds }) => binds) ?? []) {
      if (!Array.isArray(bind)) continue;
      const at = bind.findIndex((part, n) => n % 2 === 0 && part.endsWith('cct_'));
      if (at >= 0 && bind.length > at + 1) return bind[at + 1];
    }
  }
};

/** The hash of a key is what the twins make of the key. */
const keyed = (template, bind, context) => (typeof template === 'string' && /^[0-9a-f]{64}$/.test(bind) && context.hashes?.has(bind) ? ['', 'key_hash', ''] : template);

/** Makes templates of two texts that were the same but for what was made afresh. */
function templates([first, second]) {
  const fresh = new Map();
  const known = new Map();
  for (const [name, value] of Object.entries(first)) if (typeof value === 'string') known.set(`${value} ${second[name]}`, name);
  return (one, two) => {
    // Known values first, as a whole; what is left differs in fresh tokens.
    const parts = [''];
    const names = [...known].map(([pair, name]) => [...pair.split(' '), name]).filter(([value]) => value).sort(([a], [b]) => b.length - a.length);
    let [i, j] = [0, 0];
    const word = /[A-Za-z0-9]/;
    while (i < one.length) {
      const hit = names.find(([value, other]) => one.startsWith(value, i) && two.startsWith(other, j));
      if (hit) {
        parts.push(hit[2], '');
        i += hit[0].length;
        j += hit[1].length;
      } else if (word.test(one[i]) && !(i > 0 && word.test(one[i - 1]))) {
        const token = (text, at) => /^[A-Za-z0-9]+/.exec(text.slice(at))?.[0] ?? '';
        const [mine, other] = [token(one, i), token(two, j)];
        if (mine !== other && !/^\d{1,13}$/.test(mine)) {
          const pair = `${mine} ${other}`;
          if (!fresh.has(pair)) fresh.set(pair, `r${fresh.size}:${mine.length}`);
          parts.push(fresh.get(pair), '');
        } else parts[parts.length - 1] += mine;
        i += mine.length;
        j += other.length;
      } else {
        parts[parts.length - 1] += one[i];
        i += 1;
        j += 1;
      }
    }
    return parts.length === 1 ? parts[0] : parts;
  };
}

/** An answer of Stripe's with the ids that follow from the request left open. */
const canned = (body, known) => {
  let text = body;
  const { metadata, id, object, payment_intent: intent } = JSON.parse(body);
  const ids = { cct: metadata?.cc_transaction, ...(object === 'checkout.session' && { cs: id, pi: intent?.id ?? intent ?? known.pi }), ...(object === 'payment_intent' && { pi: id }), spt: known.spt };
  for (const [name, value] of Object.entries(ids)) if (value) text = text.replaceAll(value, `{{${name}}}`);
  return text;
};

/** A form's body as the SDK takes it. */
function params(form) {
  const object = {};
  for (const [name, value] of new URLSearchParams(form)) {
    const path = name.replaceAll(']', '').split('[');
    let at = object;
    for (const part of path.slice(0, -1)) at = at[part] ??= {};
    at[path.at(-1)] = /^\d+$/.test(value) ? Number(value) : value === 'true' ? true : value;
  }
  const lists = (value) => {
    if (!value || typeof value !== 'object') return value;
    const entries = Object.entries(value).map(([key, one]) => [key, lists(one)]);
    return entries.every(([key]) => /^\d+$/.test(key)) && entries.length ? entries.map(([, one]) => one) : Object.fromEntries(entries);
  };
  delete object.payment_method_data;
  return lists(object);
}
