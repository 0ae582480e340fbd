// Histories of one payment each, through the real Worker: a buyer, a merchant, a bank, the shop and the minute of the sweep do what they
// like in any order and several at once, while Stripe's events come doubled, late, reordered, thin, or not at all. At the end everything
// that was lost is sent again and the sweep runs, and the ledger must say what the local Stripe's books say of the money.
// The steps of a history follow from its seed; what is sent at the same moment may still meet in another order.
import assert from 'node:assert/strict';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { ledgerDays } from './ledger-days.mjs';
import { eventually } from './answers.mjs';
import { seeded } from './generate.mjs';
import { chatBody, connectShop, createSession, registerShop } from './shop.mjs';
import { startWorker } from './worker.mjs';

const CARDS = ['4242424242424242', '5555555555554444', '4000002500003155', '4000000000007726'];
const HANDLED = /^(checkout\.session|payment_intent|charge\.refunded|refund|charge\.dispute)/;

/** What may happen, and how often. Each takes the history's hands and says in words what it did. */
const STEPS = [
  [6, 'pays', (h, d) => h.stripe.pay(h.session.id, { card: d.pick(CARDS) })],
  [1, 'is declined', (h) => h.stripe.pay(h.session.id, { card: '4000000000000002' })],
  [2, 'pays by debit', (h) => h.stripe.pay(h.session.id, { card: 'bank_debit_succeeds' })],
  [2, 'the bank pays the debit', (h) => h.stripe.settle(h.session.id, 'succeed')],
  [1, 'the bank returns the debit', (h) => h.stripe.settle(h.session.id, 'fail')],
  [2, 'comes back', (h) => h.comeBack()],
  [1, 'comes back and reloads', (h) => Promise.all([h.comeBack(), h.comeBack()])],
  [1, 'cancels', (h) => h.get(`/checkout/cancel/${h.session.transaction}`)],
  [1, 'the session expires', (h) => h.stripe.expire(h.session.id)],
  [1, 'the shop ends the session', (h) => h.post(`/v1/checkout/sessions/${h.session.id}/expire`)],
  [3, 'the shop captures', (h, d) => h.change('capture', d.oneIn(2) ? {} : { amount: 1300 })],
  [1, 'the merchant captures', (h, d) => h.stripe.capture(h.session.id, d.oneIn(2) ? undefined : 1300)],
  [1, 'the merchant cancels the payment', (h) => h.stripe.cancelPayment(h.session.id)],
  [5, 'the shop refunds', (h, d) => h.change('refunds', amountOf(d))],
  [1, 'the shop refunds twice at once', (h, d) => Promise.all([h.change('refunds', amountOf(d)), h.change('refunds', amountOf(d))])],
  [1, 'the shop asks again', (h) => h.again()],
  [5, 'the merchant refunds', (h, d) => h.stripe.refund(h.session.id, { ...amountOf(d), pending: d.oneIn(2) })],
  [3, 'the bank ends a refund', (h, d) => h.withOne('refund', d, ({ id }) => h.stripe.settleRefund(id, d.pick(['succeeded', 'failed'])))],
  [1, 'the buyer disputes', (h, d) => h.stripe.dispute(h.session.id, { inquiry: d.oneIn(3) })],
  [3, 'a dispute moves', (h, d) => h.withOne('dispute', d, ({ id }) =>
    h.stripe.moveDispute(id, d.pick(['under_review', 'won', 'lost', 'warning_under_review', 'warning_closed', 'needs_response'])))],
  [3, 'the sweep runs', (h) => h.sweep()],
  [3, 'events are held back', (h) => h.stripe.webhooks.pause()],
  [4, 'events come in any order', (h, d) => h.deliver({ order: d.pick(['made', 'reversed', 'shuffled']), seed: d.next(), copies: 1 + d.below(2) })],
  [1, 'what is held back is lost', (h) => h.stripe.webhooks.drop()],
  [2, 'an event goes astray', (h, d) => h.stripe.misdeliver({ how: d.pick(['lose', 'twice', 'late', 'behind', 'unheard']), times: 1 + d.below(3), ms: 30 })],
  [1, 'an old event comes again', (h, d) => h.oldEvent(d)],
  [1, 'an answer of Stripe is lost', (h, d) => h.stripe.misbehave({
    on: d.pick(['POST /v1/refunds', /^POST \/v1\/payment_intents\/.*capture/, /^GET \/v1\/checkout\/sessions/, 'GET /v1/refunds']), how: d.pick(['drop_after', 'drop_before', '500']) })],
];
const WEIGHTED = STEPS.flatMap(([weight, what, how]) => Array.from({ length: weight }, () => [what, how]));
const amountOf = (d) => d.pick([{}, { amount: 1 }, { amount: 500 }, { amount: 700 }, { amount: 1300 }]);

/** A shop that is connected and told of everything, with a Stripe of its own. */
async function open() {
  const stripe = await startStripe({ retryPauses: [5, 10], completedWaitMs: 300 });
  const w = await startWorker({ stripe, vars: { FEE_BPS: '500', FEE_FIXED: 'usd=1' } });
  const shop = await registerShop(w);
  await connectShop(w, stripe, shop);
  const patched = await w.api('PATCH', '/v1/shop', { key: shop.key, body: { webhook_url: `${shop.origin}/notices` } });
  assert.equal(patched.status, 200, patched.text);
  const events = [];
  stripe.world.listeners.event.push(({ object }) => { if (HANDLED.test(object.type)) events.push(object); });
  const close = async () => { await shop.close(); await w.close(); await stripe.close(); };
  return { stripe, w, shop, events, close };
}

/** The hands of one history. */
function hands({ stripe, w, shop, events }, session, seed) {
  let keys = 0;
  const asked = [];
  const post = (path, body, idempotencyKey = `h${seed}-${keys += 1}`) => w.api('POST', path, { key: shop.key, body, idempotencyKey });
  const get = async (path) => (await w.fetch(path)).arrayBuffer();
  const books = { refund: [], dispute: [] };
  return {
    stripe, session, post, get,
    comeBack: () => get(`/checkout/complete/${session.transaction}?session_id=${session.id}`),
    async change(what, body) {
      const request = [`/v1/transactions/${session.transaction}/${what}`, body, `h${seed}-${keys += 1}`];
      asked.push(request);
      const answer = await post(...request);
      assert.ok(answer.status < 500 || answer.status === 503, `${what} answered ${answer.status}: ${answer.text}`);
    },
    again: () => (asked.length ? post(...asked.at(-1)) : undefined),
    withOne(kind, d, act) {
      const payment = stripe.payments(session.transaction).find((row) => (kind === 'refund' ? row.refunds.length : row.dispute));
      const list = payment ? (kind === 'refund' ? payment.refunds : [payment.dispute]) : books[kind];
      return list.length ? act(list[d.below(list.length)]) : undefined;
    },
    async sweep() {
      await w.d1('UPDATE transactions SET check_at = 1 WHERE id = ? AND check_at IS NOT NULL', session.transaction);
      await w.scheduled();
    },
    async deliver(how) {
      stripe.webhooks.pause();
      await stripe.webhooks.deliver(how);
    },
    oldEvent: (d) => (events.length ? stripe.send(events[d.below(events.length)].id, { thin: d.oneIn(4) }) : undefined),
  };
}

/** What the ledger should say, by Stripe's books alone. */
function moneyOf(session, payment) {
  if (!payment) return { status: session.status === 'expired' ? 'expired' : 'open', amount_captured: 0, amount_refunded: 0, amount_capturable: 0, refunds: [], dispute: null };
  const { amount_captured, amount_refunded, refunds, dispute } = payment;
  const stands = dispute && !['won', 'warning_closed'].includes(dispute.status);
  const paid = () => (stands ? 'disputed' : amount_refunded === 0 ? 'paid' : amount_refunded < amount_captured ? 'partially_refunded' : 'refunded');
  const unpaid = { processing: 'processing', requires_capture: 'authorized', canceled: 'canceled' };
  const status = payment.status === 'succeeded' ? paid() : session.status !== 'complete' ? session.status : unpaid[payment.status] ?? 'failed';
  return {
    status, amount_captured: payment.status === 'succeeded' ? amount_captured : 0, amount_refunded,
    amount_capturable: payment.status === 'requires_capture' ? payment.amount_capturable : 0,
    refunds: refunds.map(({ id, amount, status: at }) => `${id} ${amount} ${at}`).sort(), dispute: dispute && `${dispute.id} ${dispute.amount} ${dispute.status}`,
  };
}

/** Everything that was late or lost arrives, and the sweep finds what nobody told. */
async function windUp({ stripe, w, events }, h, d) {
  stripe.clearMisbehaviour();
  stripe.webhooks.resume();
  await stripe.webhooks.drained();
  const left = [...events].map((event) => [d.next(), event]).sort(([a], [b]) => a - b).map(([, event]) => event);
  for (const event of left) {
    let status;
    for (let i = 0; i < 3 && status !== 200; i += 1) [status] = await stripe.send(event.id);
    assert.equal(status, 200, `${event.type} is never acknowledged`);
  }
  // Reservations that Stripe never heard of: their two minutes are over.
  const [{ refunds }] = await w.d1('SELECT refunds FROM transactions WHERE id = ?', h.session.transaction);
  const over = JSON.stringify(JSON.parse(refunds).map((entry) => (entry.until ? { ...entry, until: 1 } : entry)));
  await w.d1('UPDATE transactions SET refunds = ? WHERE id = ?', over, h.session.transaction);
  await h.sweep();
  await h.sweep();
}

async function compare({ stripe, w, shop, events }, h) {
  const { transaction, id } = h.session;
  const payments = stripe.payments(transaction);
  assert.ok(payments.length <= 1, 'one session, one payment');
  const [payment] = payments;
  const session = stripe.session(id).object;
  const told = (await w.api('GET', `/v1/transactions/${transaction}`, { key: shop.key })).body;
  const expected = moneyOf(session, payment);
  const dispute = told.dispute ? `${told.dispute.id} ${told.dispute.amount} ${told.dispute.status}` : null;
  const shown = {
    status: told.status, amount_captured: told.amount_captured, amount_refunded: told.amount_refunded, amount_capturable: told.amount_capturable,
    refunds: told.refunds.map(({ id: re, amount, status }) => `${re} ${amount} ${status}`).sort(), dispute,
  };
  // A debit that failed, and whose payment the merchant then gave up: either word says that no money came.
  if (expected.status === 'canceled' && told.status === 'failed' && events.some(({ type }) => type === 'checkout.session.async_payment_failed')) expected.status = 'failed';
  // One of the Dashboard's that came to nothing before anybody here knew of the payment moved no money.
  expected.refunds = expected.refunds.filter((refund) => !refund.endsWith(' failed') || shown.refunds.includes(refund));
  assert.deepEqual(shown, expected, 'the ledger says what happened to the money');
  if (session.status === 'complete') assert.deepEqual([told.payment_intent, told.amount], [payment.payment_intent, payment.amount]);
  const paid = payment?.status === 'succeeded';
  if (paid) assert.equal(told.application_fee_amount, payment.application_fee_amount, 'the fee that was taken');
  // A fee goes back only with the shop's own refunds, and what becomes of it when one of them fails is Stripe's to say.
  if (paid && payment.refunds.every(({ status, metadata }) => metadata.cc_refund && status !== 'failed')) {
    assert.equal(told.application_fee_refunded, payment.application_fee_refunded, 'the fee that was given back');
  }
  const rows = await w.d1('SELECT id FROM transactions WHERE payment_intent = ? OR checkout_session = ?', payment?.payment_intent ?? '', id);
  assert.deepEqual(rows, [{ id: transaction }], 'one payment, one transaction');
  assert.deepEqual(await w.d1('SELECT * FROM strays WHERE transaction_id = ?', transaction), [], 'nothing was taken for a stranger\'s');
  const notices = await w.d1('SELECT id, type, once FROM notices WHERE transaction_id = ? ORDER BY created, id', transaction);
  assert.equal(notices.filter(({ type }) => type === 'transaction.paid').length, paid ? 1 : 0, 'the shop is owed the news once');
  await eventually(async () => (await w.d1("SELECT id FROM notices WHERE transaction_id = ? AND status <> 'delivered'", transaction)).length === 0
    || w.scheduled().then(() => false), 'a notice is never delivered', 20_000);
  const arrived = new Set(shop.requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body))
    .filter(({ type, data }) => type === 'transaction.paid' && data.object.id === transaction).map(({ id: event }) => event));
  assert.equal(arrived.size, paid ? 1 : 0, 'the shop is told of the payment under one id');
  return { paid, refunds: payment?.refunds.length ?? 0, disputes: payment?.dispute ? 1 : 0 };
}

async function play(world, seed) {
  const { stripe, w, shop, events } = world;
  const d = seeded(seed);
  const log = [];
  events.length = 0;
  shop.requests.length = 0;
  const url = `${w.url}/stripe/webhooks`;
  const payload = d.pick(['snapshot', 'snapshot', 'thin']);
  stripe.setWebhooks([{ url, secret: w.webhookSecrets.connect, connect: true, event_payload: payload }]);
  const capture = d.oneIn(3) ? 'manual' : 'automatic';
  log.push(`${payload} events, ${capture} capture`);
  try {
    const session = await createSession(w, shop, chatBody(shop, { capture, cart: { order_id: `order-${seed}` } }), `history-${seed}`);
    const h = hands(world, session, seed);
    const length = 10 + d.below(18);
    for (let at = 0; at < length; at += 1) {
      const burst = d.oneIn(4) ? 2 + d.below(2) : 1;
      await Promise.all(Array.from({ length: burst }, async () => {
        const [what, how] = d.pick(WEIGHTED);
        const line = log.push(`${burst > 1 ? 'at once: ' : ''}${what}`) - 1;
        try {
          await how(h, d);
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          log[line] += ` (cannot: ${error.message.slice(0, 80)})`;
        }
      }));
    }
    log.push('— everything is sent again, and the sweep runs');
    await windUp(world, h, d);
    const figures = await compare(world, h);
    return { ...figures, events: events.length };
  } catch (error) {
    const told = events.map(({ type, created }) => `  ${created} ${type}`);
    throw new Error(`history SEED=${seed} HISTORIES=1\n  ${log.join('\n  ')}\nevents as they were made:\n${told.join('\n')}\n${error.message}`, { cause: error });
  }
}

/**
 * Plays `count` histories, the first with `seed`, or as many as `seconds` are enough for, in `lanes` worlds side by side. -> figures;
 * throws the first that ends wrong, with its steps.
 */
export async function playHistories({ count, seed, seconds = Infinity, lanes = 1, perWorld = 50 }) {
  const total = { histories: 0, paid: 0, refunds: 0, disputes: 0, events: 0 };
  const ends = Date.now() + seconds * 1_000;
  let next = 0;
  let failed = false;
  const more = () => !failed && next < count && Date.now() < ends;
  const lane = async () => {
    while (more()) {
      const world = await open();
      try {
        for (let i = 0; i < perWorld && more(); i += 1) {
          const figures = await play(world, seed + next++);
          total.histories += 1;
          for (const [name, value] of Object.entries(figures)) total[name] += Number(value);
        }
        const { text } = world.w.logs();
        const fault = /.*(?:panicked|RuntimeError|"level":"error").*/.exec(text)?.[0];
        assert.equal(fault, undefined, 'a fault in the log');
        assert.deepEqual(...await ledgerDays(world.w));
      } catch (error) {
        failed = true;
        throw error;
      } finally {
        await world.close();
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const { reason } of ended) if (reason) throw reason;
  return total;
}
