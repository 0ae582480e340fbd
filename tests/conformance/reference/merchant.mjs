// A small, complete merchant that speaks every version: what the suite is tried on. It sells from memory and takes play money.
// Each rule is a method, so that a defect (defects.mjs) is one rule that is broken.
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import * as words from './words.mjs';

export const VERSIONS = ['2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'];
const ALIASES = { '2025-09-12': '2025-09-29' };
const NEWEST = VERSIONS.at(-1);
const TOOLS = {
  create_checkout_session: 'create',
  get_checkout_session: 'get',
  update_checkout_session: 'update',
  complete_checkout_session: 'complete',
  cancel_checkout_session: 'cancel',
};
const DAY = 86_400_000;
const TAX_BPS = 875;
const COUPONS = {
  SAVE10: { id: 'cpn_save10', name: '10 % off', percent_off: 10 },
  FIVE: { id: 'cpn_five', name: 'Five off', amount_off: 500, currency: 'usd' },
  LASTYEAR: { id: 'cpn_lastyear', name: 'Last year', percent_off: 50, ended: true },
  BIG: { id: 'cpn_big', name: 'Big orders', percent_off: 20, minimum: 10_000_000 },
};

export class Refusal extends Error {
  constructor(status, code, message, { param, type = 'invalid_request', headers = {}, more = {} } = {}) {
    super(message);
    Object.assign(this, { status, code, param, type, headers, more });
  }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const invalid = (param, message = `${param} is not valid`) => new Refusal(400, 'invalid', message, { param });
const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** One text for all ways to write the same JSON. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (isObject(value))
    return `{${Object.keys(value)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)
      .join(',')}}`;
  return JSON.stringify(value);
}

const product = (id, title, price, more) => ({
  id,
  title,
  description: `${title}, plain and good`,
  image: `https://shop.example/${id}.png`,
  price,
  shipped: true,
  stock: 1000,
  ...more,
});

export class Merchant {
  account = 'acct_reference';
  secret = 'whsec_cmVmZXJlbmNlLXNlY3JldC1vZi1hbi1hZ2VudA==';
  agents = new Map([
    ['cca_reference_one', { id: 'one' }],
    ['cca_reference_two', { id: 'two' }],
  ]);
  catalogue = new Map(
    [
      product('shirt', 'Shirt', 2000),
      product('mug', 'Mug', 1250),
      product('book', 'Book to download', 900, { shipped: false }),
      product('gone', 'Sold out', 700, { stock: 0 }),
    ].map((one) => [one.id, one]),
  );
  sessions = new Map();
  carts = new Map();
  tokens = new Map();
  charges = [];
  stored = new Map();
  running = new Set();
  webhook = undefined;

  // ---- the shop's side ----

  grant(kind, amount) {
    const token = `spt_${kind}_${randomUUID()}`;
    this.tokens.set(token, { kind, max: kind === 'over_limit' ? amount - 1 : amount });
    return token;
  }

  lastPiece() {
    const id = `last_${randomUUID().slice(0, 8)}`;
    this.catalogue.set(id, product(id, 'The last one', 3000, { stock: 1 }));
    return id;
  }

  expire(id) {
    this.sessions.get(id).state = 'expired';
  }

  async ship(id) {
    const session = this.sessions.get(id);
    session.order.status = 'shipped';
    await this.tell(session, false);
  }

  async refund(id, amount) {
    const session = this.sessions.get(id);
    session.order.refunds.push(amount);
    await this.tell(session, false);
  }

  // ---- the envelope ----

  authorize(headers) {
    const key = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
    const agent = this.agents.get(key);
    if (!agent) throw new Refusal(401, 'unauthorized', 'There is no such key.');
    return agent;
  }

  version(headers) {
    const asked = headers['api-version'];
    const more = { supported_versions: VERSIONS };
    if (asked === undefined) throw new Refusal(400, 'missing_api_version', 'API-Version is missing.', { more });
    const version = ALIASES[asked] ?? asked;
    if (!VERSIONS.includes(version)) throw new Refusal(400, 'unsupported_api_version', 'This version is not spoken here.', { more });
    return version;
  }

  parse({ raw, headers }) {
    if (raw === '') return undefined;
    if (!/^application\/json(;|$)/.test(headers['content-type'] ?? ''))
      throw new Refusal(415, 'unsupported_media_type', 'The body has to be JSON.');
    let body;
    try {
      body = JSON.parse(raw);
    } catch {
      throw new Refusal(400, 'invalid_json', 'The body is not JSON.');
    }
    if (!isObject(body)) throw new Refusal(400, 'invalid', 'The body has to be an object.', { param: '$' });
    return body;
  }

  fingerprint(body) {
    return canonical(body ?? {});
  }
  scope(agent, method, path, key) {
    return `${agent.id} ${method} ${path} ${key}`;
  }
  keyRequired(version) {
    return version === NEWEST;
  }
  keyTooLong(key) {
    return key.length > 255;
  }
  keptAnswer({ status, body }) {
    return status < 300 || body.code === 'payment_declined';
  }
  conflict(version) {
    const old = version !== NEWEST;
    return new Refusal(old ? 409 : 422, 'idempotency_conflict', 'This key was used with another body.', {
      type: old ? 'request_not_idempotent' : 'invalid_request',
    });
  }
  replay(answer) {
    return { ...answer, headers: { ...answer.headers, 'idempotent-replayed': 'true' } };
  }

  /** Does `work` once for a key. */
  async idempotently({ agent, method, path, key, version, body }, work) {
    if (key === undefined) {
      if (this.keyRequired(version)) throw new Refusal(400, 'idempotency_key_required', 'Idempotency-Key is missing.');
      return work();
    }
    if (this.keyTooLong(key)) throw new Refusal(400, 'invalid', 'Idempotency-Key has at most 255 characters.');
    const scope = this.scope(agent, method, path, key);
    const before = this.stored.get(scope);
    if (before && before.fingerprint !== this.fingerprint(body)) throw this.conflict(version);
    if (before?.answer) return this.replay(before.answer);
    if (this.running.has(scope))
      throw new Refusal(409, 'idempotency_in_flight', 'The first call is still running.', { headers: { 'retry-after': '1' } });
    this.running.add(scope);
    try {
      const answer = await work().catch((error) => this.refusal(error));
      if (this.keptAnswer(answer)) this.stored.set(scope, { fingerprint: this.fingerprint(body), answer });
      return answer;
    } finally {
      this.running.delete(scope);
    }
  }

  refusal(error) {
    if (!(error instanceof Refusal)) throw error;
    const { status, type, code, message, param, headers, more } = error;
    return { status, headers, body: { type, code, message, ...(param && { param }), ...more } };
  }

  // ---- what an agent sends ----

  quantity(value, version, param) {
    if (value === undefined && words.age(version) >= 4) return 1;
    if (!Number.isInteger(value) || value < 1 || value > 999_999) throw invalid(param, 'A quantity is a whole number from 1 to 999999.');
    return value;
  }

  find(id, param) {
    const found = this.catalogue.get(id);
    if (!found) throw new Refusal(400, 'invalid_item_id', `There is no item ${id}.`, { param });
    return found;
  }

  items(list, version, member) {
    if (!Array.isArray(list) || list.length === 0) throw invalid(`$.${member}`);
    return list.map((one, i) => {
      const param = `$.${member}[${i}]`;
      if (!isObject(one)) throw invalid(param);
      const id = words.age(version) >= 4 ? (one.id ?? one.item?.id) : one.id;
      if (typeof id !== 'string' || id === '') throw invalid(`${param}.id`);
      const quantity = this.quantity(one.quantity, version, `${param}.quantity`);
      return { line: `li_${i + 1}_${id}`, product: this.find(id, `${param}.id`).id, quantity, price: this.price(one, id) };
    });
  }

  price(_asked, id) {
    return this.catalogue.get(id).price;
  }

  text(value, param, { max = 5000 } = {}) {
    if (typeof value !== 'string' || value === '' || value.length > max) throw invalid(param);
    return value;
  }

  readBuyer(buyer, version) {
    if (!isObject(buyer)) throw invalid('$.buyer');
    this.email(buyer.email);
    if (words.age(version) < 4) for (const member of ['first_name', 'last_name']) this.text(buyer[member], `$.buyer.${member}`);
    return buyer;
  }

  email(value) {
    if (typeof value !== 'string' || !/^[^@\s]+@[^@\s]+$/.test(value)) throw invalid('$.buyer.email');
  }

  readAddress(address, param) {
    if (!isObject(address)) throw invalid(param);
    for (const member of ['name', 'line_one', 'city', 'state', 'country', 'postal_code']) this.text(address[member], `${param}.${member}`);
    this.country(address.country, `${param}.country`);
    return address;
  }

  country(value, param) {
    if (!/^[A-Z]{2}$/.test(value)) throw invalid(param);
  }

  readCapabilities(capabilities) {
    if (!isObject(capabilities)) throw invalid('$.capabilities');
    const texts = (list = []) => {
      if (!Array.isArray(list)) throw invalid('$.capabilities');
      return list.filter((one) => typeof one === 'string');
    };
    if (capabilities.interventions !== undefined && !isObject(capabilities.interventions)) throw invalid('$.capabilities.interventions');
    return { supported: texts(capabilities.interventions?.supported), extensions: texts(capabilities.extensions) };
  }

  readCurrency(currency) {
    if (typeof currency !== 'string' || !/^[a-z]{3}$/i.test(currency)) throw invalid('$.currency');
    if (currency.toLowerCase() !== 'usd') throw new Refusal(400, 'unsupported', 'Prices are in usd.', { param: '$.currency' });
  }

  readCodes(body) {
    const given = body.discounts;
    if (
      given !== undefined &&
      !(
        isObject(given) &&
        (given.codes === undefined || (Array.isArray(given.codes) && given.codes.every((one) => typeof one === 'string')))
      )
    )
      throw invalid('$.discounts.codes');
    return given?.codes ?? body.coupons;
  }

  readAttribution(claim, member = '$.affiliate_attribution') {
    if (!isObject(claim)) throw invalid(member);
    this.text(claim.provider, `${member}.provider`);
    if (claim.token === undefined && claim.publisher_id === undefined) throw invalid(member, 'A token or a publisher_id is needed.');
    if (claim.metadata !== undefined) this.flat(claim.metadata, `${member}.metadata`);
    for (const [name, value] of [...Object.entries(claim), ...Object.entries(claim.metadata ?? {})]) {
      if (this.personal(name, value))
        throw new Refusal(400, 'pii_not_allowed', 'Attribution must not name a person.', { param: `${member}.${name}` });
    }
  }

  personal(name, value) {
    if (['token', 'issued_at', 'expires_at', 'source'].includes(name)) return false;
    return /email|phone|ssn/i.test(name) || (typeof value === 'string' && (/\S@\S+\.\S/.test(value) || /^\+?[\d\s().-]{10,}$/.test(value)));
  }

  flat(metadata, param) {
    if (!isObject(metadata)) throw invalid(param);
    for (const [name, value] of Object.entries(metadata))
      if (!['string', 'number', 'boolean'].includes(typeof value)) throw invalid(`${param}.${name}`, 'Metadata is flat.');
  }

  readTrace(trace) {
    if (!isObject(trace)) throw invalid('$.intent_trace');
    this.text(trace.reason_code, '$.intent_trace.reason_code');
    if (trace.metadata !== undefined) this.flat(trace.metadata, '$.intent_trace.metadata');
  }

  readConsents(consents) {
    if (!Array.isArray(consents)) throw invalid('$.marketing_consents');
    consents.forEach((one, i) => {
      this.text(one?.channel, `$.marketing_consents[${i}].channel`);
      if (typeof one.opted_in !== 'boolean') throw invalid(`$.marketing_consents[${i}].opted_in`);
    });
  }

  notes(value) {
    if (value !== undefined && (typeof value !== 'string' || value.length > 5000)) throw invalid('$.order_notes');
  }

  /** Takes from a body what it says; what it does not name stays. */
  take(session, body, version) {
    const age = words.age(version);
    const member = age >= 4 ? 'line_items' : 'items';
    const next = { ...session };
    if (body[member] !== undefined) next.items = this.items(body[member], version, member);
    if (body.buyer !== undefined) next.buyer = body.buyer === null ? undefined : this.readBuyer(body.buyer, version);
    if (age < 2) {
      if (body.fulfillment_address !== undefined) next.address = this.readAddress(body.fulfillment_address, '$.fulfillment_address');
    } else if (body.fulfillment_details !== undefined) {
      if (!isObject(body.fulfillment_details)) throw invalid('$.fulfillment_details');
      const { address, ...contact } = body.fulfillment_details;
      if (address !== undefined) next.address = this.readAddress(address, '$.fulfillment_details.address');
      if (Object.keys(contact).length) next.contact = contact;
    }
    if (age >= 4) next.codes = this.nextCodes(session.codes, this.readCodes(body));
    if (age >= 5) this.notes(body.order_notes);
    if (age >= 2 && body.affiliate_attribution !== undefined) this.readAttribution(body.affiliate_attribution);
    const option = this.chosenOption(body, version, next);
    if (option !== undefined) next.option = this.offered(next, option);
    this.settleOption(next);
    return next;
  }

  nextCodes(before, given) {
    return given ?? before;
  }

  chosenOption(body, version, { items }) {
    const age = words.age(version);
    if (age < 2) return body.fulfillment_option_id;
    const [chosen] = body.selected_fulfillment_options ?? [];
    if (!chosen) return undefined;
    const inner = age < 4 ? chosen[chosen.type] : chosen;
    const known = new Set(items.flatMap(({ line, product: id }) => [line, id]));
    if (!(inner?.item_ids ?? []).every((id) => known.has(id))) throw invalid('$.selected_fulfillment_options[0].item_ids');
    return inner?.option_id;
  }

  offered(session, id) {
    if (!this.options(session).some((one) => one.id === id))
      throw invalid('$.selected_fulfillment_options[0].option_id', 'This option was not offered.');
    return id;
  }

  /** The cheapest as soon as there are any; none where there are none. */
  settleOption(session) {
    const options = this.options(session);
    if (!options.some(({ id }) => id === session.option)) session.option = this.preselect(options)?.id;
  }

  preselect(options) {
    return options.toSorted((a, b) => a.amount - b.amount)[0];
  }

  // ---- what the shop says ----

  shipped({ items }) {
    return items.some(({ product: id }) => this.catalogue.get(id).shipped);
  }
  ships({ country }) {
    return ['US', 'CA'].includes(country);
  }

  options(session) {
    if (!this.shipped(session)) return [{ id: 'download', type: 'digital', title: 'Download', about: 'At once', amount: 0 }];
    if (!session.address || !this.ships(session.address)) return [];
    const at = (days) => new Date(session.created + days * DAY).toISOString();
    return [
      {
        id: 'standard',
        type: 'shipping',
        title: 'Standard',
        about: '4 to 5 days',
        carrier: 'Post',
        amount: 500,
        earliest: at(4),
        latest: at(5),
      },
      {
        id: 'express',
        type: 'shipping',
        title: 'Express',
        about: '1 to 2 days',
        carrier: 'Post',
        amount: 1500,
        earliest: at(1),
        latest: at(2),
      },
    ];
  }

  coupon(code) {
    return COUPONS[code.toUpperCase()];
  }

  /** -> {applied, rejected} of the codes */
  redeem(session, base) {
    const [applied, rejected] = [[], []];
    for (const [i, code] of (session.codes ?? []).entries()) {
      const coupon = this.coupon(code);
      const reason = this.unusable(coupon, base, applied);
      if (reason) rejected.push({ code, reason, message: `${code} does not count: ${reason}`, i });
      else applied.push({ code, coupon });
    }
    return { applied, rejected };
  }

  unusable(coupon, base, applied) {
    if (!coupon) return 'discount_code_invalid';
    if (coupon.ended) return 'discount_code_expired';
    if (coupon.minimum > base) return 'discount_code_minimum_not_met';
    return applied.some((one) => one.coupon === coupon) ? 'discount_code_already_applied' : undefined;
  }

  taxBps({ address }) {
    return address?.country === 'US' && address.state === 'CA' ? TAX_BPS : 0;
  }

  reckon(session) {
    const base = session.items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
    const { applied, rejected } = this.redeem(session, base);
    const percent = applied.reduce((sum, { coupon }) => sum + (coupon.percent_off ?? 0), 0);
    const lines = session.items.map(({ line, product: id, quantity, price }) => {
      const found = this.catalogue.get(id);
      const whole = price * quantity;
      const discount = Math.floor((whole * percent) / 100);
      const subtotal = whole - discount;
      const tax = Math.floor((subtotal * this.taxBps(session)) / 10_000);
      return {
        id: line,
        product: { ...found, price },
        quantity,
        base: whole,
        discount,
        subtotal,
        tax,
        total: subtotal + tax,
        stock: found.stock,
      };
    });
    const sum = (member) => lines.reduce((total, one) => total + one[member], 0);
    const subtotal = sum('subtotal');
    const discount = Math.min(
      subtotal,
      applied.reduce((total, { coupon }) => total + (coupon.amount_off ?? 0), 0),
    );
    const option = this.options(session).find(({ id }) => id === session.option);
    const fulfillment = option?.amount ?? 0;
    const tax = sum('tax');
    const shownDiscounts = applied.map(({ code, coupon }) => this.appliedDiscount(code, coupon, lines, discount));
    return {
      lines,
      option,
      rejected,
      totals: {
        items_base_amount: sum('base'),
        items_discount: sum('discount'),
        subtotal,
        discount,
        fulfillment,
        tax,
        total: subtotal - discount + fulfillment + tax,
      },
      discounts: {
        codes: session.codes ?? [],
        applied: shownDiscounts,
        rejected: rejected.map(({ code, reason, message }) => ({ code, reason, message })),
      },
    };
  }

  appliedDiscount(code, { ended, minimum, ...coupon }, lines, discount) {
    const shown = { id: `di_${code.toLowerCase()}`, code, coupon };
    if (!coupon.percent_off) return { ...shown, amount: discount, method: 'across' };
    const allocations = lines.map((line, i) => ({ path: `$.line_items[${i}]`, amount: line.discount }));
    return { ...shown, amount: allocations.reduce((sum, { amount }) => sum + amount, 0), method: 'each', allocations };
  }

  short(session) {
    return session.items
      .map(({ product: id, quantity }, i) => ({ i, stock: this.catalogue.get(id).stock, quantity }))
      .filter(({ stock, quantity }) => stock < quantity);
  }

  status(session) {
    if (session.state !== 'open') return session.state;
    if (session.challenge) return 'authentication_required';
    if (this.short(session).length || !session.option) return 'not_ready_for_payment';
    return 'ready_for_payment';
  }

  messages(session, { rejected }) {
    if (session.state === 'canceled') return [{ type: 'info', content: 'The checkout was canceled.' }];
    if (session.state !== 'open') return [];
    const list = this.short(session).map(({ i, stock }) => ({
      type: 'error',
      code: stock === 0 ? 'out_of_stock' : 'quantity_exceeded',
      at: `$.line_items[${i}]`,
      content: `There are ${stock} of this.`,
      resolution: 'recoverable',
    }));
    if (this.shipped(session) && !session.address)
      list.push({ type: 'error', code: 'missing', at: 'address', content: 'Where is it to be shipped to?', resolution: 'recoverable' });
    if (session.address && this.options(session).length === 0)
      list.push({
        type: 'error',
        code: 'region_restricted',
        at: 'address',
        content: 'Nothing is shipped there.',
        resolution: 'requires_buyer_input',
      });
    list.push(
      ...rejected.map(({ reason, message, i }) => ({ type: 'warning', code: reason, at: `$.discounts.codes[${i}]`, content: message })),
    );
    return list;
  }

  facts(session) {
    const reckoned = this.reckon(session);
    return {
      ...session,
      ...reckoned,
      url: this.url,
      account: this.account,
      status: this.status(session),
      options: this.options(session),
      messages: this.messages(session, reckoned),
      closed: session.state !== 'open',
      created: new Date(session.created).toISOString(),
      updated: new Date(session.updated).toISOString(),
      expires: new Date(session.created + DAY).toISOString(),
    };
  }

  print(version, session, { order = words.showsOrder(version) } = {}) {
    return words.session(version, this.facts(session), { order });
  }

  // ---- the five commands ----

  async create({ agent, version, body }) {
    if (body === undefined) throw invalid('$');
    const age = words.age(version);
    if (age >= 4) this.readCurrency(body.currency);
    const capable = age >= 4 ? this.readCapabilities(body.capabilities) : { supported: [], extensions: [] };
    if (body[age >= 4 ? 'line_items' : 'items'] === undefined) throw invalid(`$.${age >= 4 ? 'line_items' : 'items'}`);
    const session = this.take(
      { id: `cs_${randomUUID()}`, agent: agent.id, version, state: 'open', ...capable, created: Date.now(), updated: Date.now() },
      body,
      version,
    );
    this.sessions.set(session.id, session);
    await pause(2);
    return { status: 201, body: this.print(version, session) };
  }

  own(agent, id) {
    const session = this.sessions.get(id);
    if (!session || session.agent !== agent.id) throw new Refusal(404, 'not_found', 'There is no such session.');
    return session;
  }

  async get({ agent, version, id }) {
    return { status: 200, body: this.print(version, this.own(agent, id)) };
  }

  changeable(session) {
    if (session.state !== 'open') throw new Refusal(409, 'conflict', `The session is ${session.state}.`);
  }

  async update({ agent, version, id, body }) {
    const session = this.own(agent, id);
    this.changeable(session);
    Object.assign(session, this.take(session, body ?? {}, version), { updated: Date.now() });
    return { status: 200, body: this.print(version, session) };
  }

  cancelable(session) {
    if (session.state !== 'open')
      throw new Refusal(405, 'not_cancelable', `The session is ${session.state}.`, { headers: { allow: 'GET' } });
  }

  async cancel({ agent, version, id, body }) {
    const session = this.own(agent, id);
    this.cancelable(session);
    if (words.age(version) >= 2 && body?.intent_trace !== undefined) this.readTrace(body.intent_trace);
    session.state = 'canceled';
    return { status: 200, body: this.print(version, session) };
  }

  readPayment(body, version) {
    const data = body?.payment_data;
    if (!isObject(data)) throw invalid('$.payment_data');
    if (data.billing_address !== undefined) this.readAddress(data.billing_address, '$.payment_data.billing_address');
    if (words.age(version) < 4) {
      if (data.provider !== 'stripe') throw invalid('$.payment_data.provider');
      return this.text(data.token, '$.payment_data.token');
    }
    if (data.handler_id !== 'card') throw invalid('$.payment_data.handler_id');
    return this.text(data.instrument?.credential?.token, '$.payment_data.instrument.credential.token');
  }

  readAuthentication(result, version) {
    if (result === undefined) return undefined;
    if (!isObject(result) || typeof result.outcome !== 'string') throw invalid('$.authentication_result');
    if (version !== '2026-01-16' && result.outcome === 'authenticated' && !isObject(result.outcome_details))
      throw invalid('$.authentication_result.outcome_details');
    return result.outcome;
  }

  payable(session) {
    if (session.state !== 'open') throw new Refusal(409, 'conflict', `The session is ${session.state}.`);
    const [short] = this.short(session);
    if (short) throw new Refusal(409, 'out_of_stock', 'There are not enough.', { param: `$.line_items[${short.i}]` });
    if (!session.option) throw new Refusal(400, 'missing', 'Where is it to be shipped to?', { param: '$.fulfillment_details.address' });
    if (session.paying) throw new Refusal(409, 'conflict', 'A payment is under way.');
  }

  /** Play money. -> 'paid' or throws */
  async charge(session, token, amount, outcome) {
    const granted = this.tokens.get(token);
    await pause(5);
    const declined = new Refusal(402, 'payment_declined', 'The payment was declined.', {
      type: 'processing_error',
      param: '$.payment_data',
    });
    if (!granted || granted.used || granted.max < amount || !['success', 'requires_3ds'].includes(granted.kind)) throw declined;
    if (granted.kind === 'requires_3ds') {
      if (outcome !== undefined && outcome !== 'authenticated') throw declined;
      if (outcome === undefined) {
        session.challenge = true;
        throw this.needs3ds();
      }
    }
    granted.used = true;
    this.charges.push({ session: session.id, amount });
  }

  needs3ds() {
    return new Refusal(400, 'requires_3ds', 'The bank wants to see the buyer.', { param: '$.authentication_result' });
  }

  async complete({ agent, version, id, body }) {
    const session = this.own(agent, id);
    const token = this.readPayment(body, version);
    const buyer = body.buyer === undefined ? session.buyer : this.readBuyer(body.buyer, version);
    const outcome = words.age(version) >= 2 ? this.readAuthentication(body.authentication_result, version) : undefined;
    if (words.age(version) >= 2 && body.affiliate_attribution !== undefined) this.readAttribution(body.affiliate_attribution);
    if (words.age(version) >= 5 && body.marketing_consents !== undefined) this.readConsents(body.marketing_consents);
    this.payable(session);
    if (session.challenge && outcome === undefined && words.age(version) >= 2) throw this.needs3ds();
    session.paying = true;
    this.reserve(session);
    try {
      await this.charge(session, token, this.reckon(session).totals.total, outcome);
    } catch (error) {
      for (const { product: one, quantity } of session.items) this.catalogue.get(one).stock += quantity;
      throw error;
    } finally {
      session.paying = false;
    }
    Object.assign(session, { buyer, challenge: undefined, state: 'completed', order: this.newOrder() });
    this.tell(session, true);
    return { status: 200, body: this.print(version, session, { order: true }) };
  }

  reserve(session) {
    for (const { product: one, quantity } of session.items) this.catalogue.get(one).stock -= quantity;
  }
  newOrder() {
    return { id: `ord_${randomUUID()}`, status: 'created', refunds: [], at: new Date().toISOString() };
  }

  // ---- carts ----

  async cart({ agent, command, id, body }) {
    if (command === 'create') {
      const cart = this.fill({ id: `cart_${randomUUID()}`, agent: agent.id, created: Date.now() }, body);
      this.carts.set(cart.id, cart);
      return { status: 201, body: this.printCart(cart) };
    }
    const cart = this.carts.get(id);
    if (!cart || cart.agent !== agent.id) throw new Refusal(404, 'not_found', 'There is no such cart.');
    if (command === 'update') Object.assign(cart, this.fill(cart, body), { created: Date.now() });
    if (command === 'cancel') this.carts.delete(id);
    return { status: 200, body: this.printCart(cart) };
  }

  fill(cart, body) {
    const items = this.items(body?.line_items, NEWEST, 'line_items');
    return { ...cart, items, ...(body.buyer !== undefined && { buyer: this.readBuyer(body.buyer, NEWEST) }) };
  }

  printCart(cart) {
    const {
      lines,
      totals: { fulfillment, tax, ...totals },
    } = this.reckon({ ...cart, codes: [] });
    const messages = this.short(cart).map(({ i, stock }) => ({
      type: 'error',
      code: 'out_of_stock',
      at: `$.line_items[${i}]`,
      content: `There are ${stock} of this.`,
    }));
    return words.cart({ ...cart, lines, totals, messages, url: this.url, expires: new Date(cart.created + 7 * DAY).toISOString() });
  }

  // ---- discovery, tools, events ----

  discovery() {
    return {
      protocol: { name: 'acp', version: NEWEST, supported_versions: VERSIONS },
      api_base_url: this.url,
      transports: ['rest', 'mcp'],
      capabilities: {
        services: ['checkout', 'orders', 'carts'],
        extensions: [{ name: 'discount' }],
        intervention_types: ['3ds'],
        supported_currencies: ['usd'],
        supported_locales: ['en-US'],
      },
    };
  }

  toolList() {
    const object = { type: 'object', additionalProperties: true };
    const meta = {
      type: 'object',
      required: ['api_version'],
      properties: { api_version: { type: 'string' }, idempotency_key: { type: 'string' }, request_id: { type: 'string' } },
    };
    return Object.entries(TOOLS).map(([name, command]) => ({
      name,
      description: `${command} a checkout session`,
      inputSchema: {
        type: 'object',
        properties: { meta, ...(command !== 'create' && { id: { type: 'string' } }), ...(command !== 'get' && { payload: object }) },
        required: [
          'meta',
          ...(command === 'create' ? [] : ['id']),
          ...(['create', 'update', 'complete'].includes(command) ? ['payload'] : []),
        ],
      },
    }));
  }

  async rpc({ agent, message }) {
    const { method, params, id } = message;
    const fail = (code, text, data) => ({ jsonrpc: '2.0', id, error: { code, message: text, ...(data && { data }) } });
    if (method === 'initialize')
      return {
        jsonrpc: '2.0',
        id,
        result: {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: 'reference', version: '1.0.0' },
        },
      };
    if (method === 'tools/list') return { jsonrpc: '2.0', id, result: { tools: this.toolList() } };
    if (method !== 'tools/call') return fail(-32601, 'There is no such method.');
    const command = TOOLS[params.name];
    const { meta, id: session, payload } = params.arguments ?? {};
    const missing =
      !command ||
      !isObject(meta) ||
      (command !== 'create' && typeof session !== 'string') ||
      (['create', 'update', 'complete'].includes(command) && !isObject(payload));
    if (missing) return fail(-32602, 'meta, id and payload are needed as the tool says.');
    try {
      const version = this.version({ 'api-version': meta.api_version });
      const work = () => this[command]({ agent, version, id: session, body: payload });
      const key = meta.idempotency_key;
      const answer =
        command === 'get' || key === undefined
          ? await work()
          : await this.idempotently({ agent, method: 'MCP', path: `${command} ${session ?? ''}`, key, version, body: payload }, work);
      if (answer.status >= 400) return fail(-32000, answer.body.message, answer.body);
      return { jsonrpc: '2.0', id, result: this.toolResult(answer.body) };
    } catch (error) {
      const { body } = this.refusal(error);
      return fail(-32000, body.message, body);
    }
  }

  toolResult(body) {
    return { ...body, content: [{ type: 'text', text: JSON.stringify(body) }], structuredContent: body };
  }

  sign(body) {
    const t = Math.floor(Date.now() / 1000);
    return `t=${t},v1=${createHmac('sha256', Buffer.from(this.secret.slice(6), 'base64'))
      .update(`${t}.${body}`)
      .digest('hex')}`;
  }

  eventOf(session, created) {
    return words.event(session.version, this.facts(session), created);
  }

  async tell(session, created) {
    if (!this.webhook) return;
    const body = JSON.stringify(this.eventOf(session, created));
    await fetch(this.webhook, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'merchant-signature': this.sign(body) },
      body,
    }).catch(() => {});
  }

  // ---- HTTP ----

  async route({ method, path, headers, raw }) {
    if (path === '/.well-known/acp.json' && method === 'GET') return this.discoveryAnswer();
    const page = /^\/orders\/([^/]+)$/.exec(path);
    if (page && method === 'GET') return { status: 200, page: this.orderPage(page[1]) };
    if (path === '/mcp') {
      const agent = this.authorize(headers);
      if (method !== 'POST')
        return {
          status: 405,
          headers: { allow: 'POST' },
          body: { type: 'invalid_request', code: 'method_not_allowed', message: 'POST only.' },
        };
      const message = JSON.parse(raw);
      return message.id === undefined ? { status: 202 } : { status: 200, body: await this.rpc({ agent, message }) };
    }
    const [, base, id, action] = /^\/(checkouts|checkout_sessions|carts)(?:\/([^/]+)(?:\/(complete|cancel))?)?$/.exec(path) ?? [];
    if (!base) return { status: 404, body: { type: 'invalid_request', code: 'not_found', message: 'There is nothing here.' } };
    const agent = this.authorize(headers);
    const version = base === 'checkouts' ? 'stripe' : this.version(headers);
    const change = base === 'checkout_sessions' ? 'POST' : 'PUT';
    const command =
      action && method === 'POST'
        ? action
        : id === undefined
          ? method === 'POST'
            ? 'create'
            : undefined
          : method === 'GET'
            ? 'get'
            : method === change && !action
              ? 'update'
              : undefined;
    if (!command)
      return {
        status: 405,
        headers: { allow: 'GET, POST' },
        body: { type: 'invalid_request', code: 'method_not_allowed', message: 'Not so.' },
      };
    const body = this.parse({ raw, headers });
    const call = { agent, version, command, id: id && decodeURIComponent(id), body };
    const work = () => (base === 'carts' ? this.cart(call) : this[command](call));
    if (command === 'get') return work();
    return this.idempotently({ agent, method, path, key: headers['idempotency-key'], version, body }, work);
  }

  discoveryAnswer() {
    return { status: 200, headers: { 'cache-control': 'public, max-age=3600' }, body: this.discovery() };
  }
  orderPage() {
    return '<!doctype html><title>Your order</title><form><input name="email"></form>';
  }

  echo({ method, headers }) {
    return {
      ...(headers['request-id'] && { 'request-id': headers['request-id'] }),
      ...(method === 'POST' && headers['idempotency-key'] && { 'idempotency-key': headers['idempotency-key'] }),
    };
  }

  /** request -> {status, headers, body}: everything but the socket, so that a defect may stand before or behind it. */
  async answer(request) {
    const { status, headers, body, page } = await this.route(request).catch((error) => this.refusal(error));
    return { status, headers: { ...this.echo(request), ...headers }, body, page };
  }

  async start() {
    this.server = createServer(async (incoming, outgoing) => {
      let raw = '';
      for await (const chunk of incoming) raw += chunk;
      const { pathname } = new URL(incoming.url, 'http://reference.invalid');
      const { status, headers, body, page } = await this.answer({
        method: incoming.method,
        path: pathname,
        headers: incoming.headers,
        raw,
      });
      if (page !== undefined) outgoing.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(page);
      else if (body === undefined) outgoing.writeHead(status, headers).end();
      else
        outgoing
          .writeHead(status, { 'content-type': 'application/json', ...headers })
          .end(typeof body === 'string' ? body : JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    return new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }
}
