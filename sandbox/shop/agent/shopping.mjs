// An agent goes shopping for somebody, step by step: create → address → shipping → coupon → token → complete, or cancel. What to say
// in which version is in versions.mjs, how it is sent in client.mjs, where the money comes from in wallet.mjs.
//
// The agent decides nothing about prices. It says what is wanted and where to, reads what the shop makes of it, and shows that to its
// buyer; only then it pays, with a token for that total. The shop's last answer is the truth, never what the agent knew before.
//
// Each visitor of the page has one shopping tour at a time, in memory only: a real agent would keep it, because a checkout lives a day.

import { authenticationResult, CARDS } from './wallet.mjs';
import * as versions from './versions.mjs';

const MOST_VISITORS = 200;
const KEPT_EXCHANGES = 40;

export const ADDRESSES = {
  'san-francisco': { label: 'San Francisco, US (sales tax is added)', address: { name: 'Ada Buyer', line_one: '1 Main St', city: 'San Francisco', state: 'CA', country: 'US', postal_code: '94105' } },
  portland: { label: 'Portland, US (no tax)', address: { name: 'Ada Buyer', line_one: '12 Alder St', city: 'Portland', state: 'OR', country: 'US', postal_code: '97205' } },
  berlin: { label: 'Berlin, DE (prices include VAT)', address: { name: 'Ada Buyer', line_one: 'Uferstr. 8', city: 'Berlin', state: '', country: 'DE', postal_code: '13357' } },
  lima: { label: 'Lima, PE (the shop does not ship there)', address: { name: 'Ada Buyer', line_one: 'Calle Berlín 101', city: 'Lima', state: '', country: 'PE', postal_code: '15074' } },
};
export const BUYER = { first_name: 'Ada', last_name: 'Buyer', email: 'ada@buyer.example' };
export const REASONS = ['comparison', 'price_sensitivity', 'shipping_cost', 'shipping_speed', 'product_fit', 'trust_security', 'returns_policy', 'payment_options', 'timing_deferred', 'other'];

/** agent: () => {account, mode} · titleOf: what the agent calls a product. */
export function createShopping({ send, wallet, agent, titleOf, now }) {
  const tours = new Map(); // visitor -> tour

  const of = (visitor) => tours.get(visitor);
  const forget = (visitor) => { tours.delete(visitor); };

  /** wish: {version, items, email?} */
  async function begin(visitor, { version, items, email = BUYER.email }) {
    const tour = { version, buyer: { ...BUYER, email }, exchanges: [], done: new Set(), began: now() };
    tours.delete(visitor); // to the end of the line: the first in a Map is the longest unseen
    tours.set(visitor, tour);
    if (tours.size > MOST_VISITORS) tours.delete(tours.keys().next().value);
    await say(tour, 'Create the checkout', versions.create(version, { items, buyer: tour.buyer }));
    return tour;
  }

  async function deliverTo(tour, place) {
    const { address } = ADDRESSES[place];
    await say(tour, `Ship to ${address.city}`, versions.deliverTo(tour.version, tour.session.id, { address, email: tour.buyer.email }), 'address');
  }

  async function choose(tour, optionId) {
    const option = state(tour).options.find((one) => one.id === optionId);
    if (!option) return;
    await say(tour, `Choose ${option.title}`, versions.choose(tour.version, tour.session.id, tour.session, option), 'shipping');
  }

  /** No code takes all off. */
  async function discount(tour, code) {
    if (!versions.can.discounts(tour.version)) return;
    await say(tour, code ? `Try the code ${code}` : 'Use no code', versions.discount(tour.version, tour.session.id, code ? [code] : []), 'coupon');
  }

  /** A token for what the checkout costs now. Whatever is changed afterwards makes the total another one, and then a new token is needed. */
  async function mint(tour, card) {
    const { total, currency, account } = state(tour);
    const { token, exchange } = await wallet.mint({ account: account ?? agent().account, livemode: agent().mode === 'live', currency, limit: total, card });
    keep(tour, exchange);
    tour.token = token && { value: token, card: CARDS[card], limit: total };
  }

  /** Where the real Stripe is spoken to, a person brings the token. */
  function bring(tour, value) {
    tour.token = { value, card: 'your own token', limit: state(tour).total };
  }

  async function complete(tour, { authenticated = false } = {}) {
    const authentication = authenticated && versions.can.authenticate(tour.version) ? authenticationResult() : undefined;
    const request = versions.complete(tour.version, tour.session.id, tour.session, { token: tour.token.value, buyer: tour.buyer, authentication });
    const exchange = await say(tour, authentication ? 'Complete, with what the bank said' : 'Complete', request);
    // Kept while it may still be what pays: where the bank wants to be asked, and where nobody knows what became of it.
    const open = exchange.status === undefined || exchange.status >= 500 || exchange.status === 409 || state(tour).wantsBank;
    if (!open) delete tour.token;
  }

  async function cancel(tour, reason) {
    await say(tour, 'Give it up', versions.cancel(tour.version, tour.session.id, reason));
  }

  /** A checkout may be read, and gone on with, in any version. */
  async function read(tour, version = tour.version) {
    const before = tour.version;
    tour.version = version;
    const { status } = await say(tour, version === before ? 'Read it again' : 'Read it in another version', versions.read(version, tour.session.id));
    if (status !== 200) tour.version = before;
  }

  /** The last request once more, with the key it had: the answer is the first one again, marked, and nothing is done twice. */
  async function repeat(tour) {
    const { title, request, idempotencyKey } = tour.last;
    await say(tour, `${title}: the same request again`, request, undefined, idempotencyKey);
  }

  /** All steps one after the other, until one of them does not go as hoped. wish: as for begin, and {place?, fastest?, code?, card} */
  async function all(visitor, wish) {
    const tour = await begin(visitor, wish);
    const going = () => tour.session && tour.exchanges.at(-1).status < 300 && !state(tour).ended;
    if (going() && wish.place) await deliverTo(tour, wish.place);
    if (going() && wish.fastest) {
      const [dearest] = state(tour).options.filter((option) => option.type === 'shipping').sort((a, b) => b.amount - a.amount);
      if (dearest && !dearest.selected) await choose(tour, dearest.id);
    }
    if (going() && wish.code) await discount(tour, wish.code);
    if (!going() || !state(tour).payable || !wallet.local) return tour;
    await mint(tour, wish.card);
    if (tour.token) await complete(tour);
    if (going() && tour.token && state(tour).wantsBank && versions.can.authenticate(tour.version)) await complete(tour, { authenticated: true });
    return tour;
  }

  async function say(tour, title, request, step, idempotencyKey) {
    const full = { ...request, headers: versions.headers(tour.version) };
    const exchange = await send(full, idempotencyKey && { idempotencyKey });
    exchange.title = title;
    keep(tour, exchange);
    tour.last = { title, request: full, idempotencyKey: exchange.idempotencyKey };
    if (exchange.status < 300 && exchange.answer?.id) {
      tour.session = exchange.answer;
      if (step) tour.done.add(step);
    }
    return exchange;
  }

  function keep(tour, exchange) {
    exchange.number = (tour.exchanges.at(-1)?.number ?? 0) + 1;
    tour.exchanges.push(exchange);
    if (tour.exchanges.length > KEPT_EXCHANGES) tour.exchanges.shift();
  }

  /** The session as it was last answered, understood. */
  const state = (tour) => versions.understand(tour.version, tour.session, titleOf);

  return { of, forget, begin, deliverTo, choose, discount, mint, bring, complete, cancel, read, repeat, all, state };
}

/** What comes next on a tour whose session is understood: the step that a page opens. Pure. */
export function nextStep(tour, session) {
  if (!session) return 'create';
  if (session.ended) return 'done';
  const shipping = session.options.filter((option) => option.type === 'shipping');
  if (tour.token) return session.wantsBank && versions.can.authenticate(tour.version) ? 'authenticate' : 'complete';
  if (!tour.done.has('address') && !session.payable) return 'address';
  if (shipping.length > 1 && !tour.done.has('shipping')) return 'shipping';
  return session.payable ? 'token' : 'address';
}
