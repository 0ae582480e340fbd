// The stand-in's books: every object as it is, and one row a payment, so that a test can hold the Worker's ledger against the money.
import { showAccount } from './accounts.mjs';
import { clone } from './world.mjs';

/** Plain copies of everything; `account` is the owner, since Stripe's objects do not name it. */
export function books(world) {
  const all = (kind, more = () => ({})) => [...world.table(kind).values()].map((record) => ({ account: record.owner, ...clone(record.object), ...more(record) }));
  return {
    sessions: all('checkout.session', (record) => ({ line_items: clone(record.lines) })),
    payment_intents: all('payment_intent'),
    charges: all('charge'),
    refunds: all('refund'),
    disputes: all('dispute'),
    application_fees: all('application_fee', (record) => ({ account: record.object.account })),
    transfers: all('transfer'),
    granted_tokens: all('shared_payment.granted_token', (record) => ({ card: record.card, payments: [...record.payments] })),
    agreements: all('agreement'),
    payments: payments(world),
    events: [...world.table('event').values()].map((record) => clone(record.object)),
    accounts: [...world.table('account').values()].map((record) => showAccount(record.object)),
    connections: [...world.connections.values()].map(({ account, livemode, scope, since }) => ({ account, livemode, scope, since })),
  };
}

/** The records of one kind by the payment that they belong to. */
function byIntent(world, kind) {
  const found = new Map();
  for (const record of world.table(kind).values()) {
    const id = record.object.payment_intent;
    found.set(id, [...(found.get(id) ?? []), record.object]);
  }
  return found;
}

const sum = (list, wanted) => list.filter(wanted).reduce((total, { amount }) => total + amount, 0);

/**
 * One row for each PaymentIntent. Amounts are what really moved, in minor units: `amount_refunded` is the refunds that
 * were not sent back, `amount_refund_pending` the part of it that the bank has not yet paid out, `amount_charged_back`
 * what a bank holds or has kept. `account` is the merchant: the owner of a direct charge, the destination of the other.
 */
export function payments(world) {
  const refunds = byIntent(world, 'refund');
  const disputes = byIntent(world, 'dispute');
  return [...world.table('payment_intent').values()].map(({ object: intent, owner, livemode, session, token }) => {
    const charge = world.record('charge', intent.latest_charge)?.object;
    const fee = world.record('application_fee', charge?.application_fee)?.object;
    const transfer = world.record('transfer', charge?.transfer)?.object;
    const given = refunds.get(intent.id) ?? [];
    const disputed = disputes.get(intent.id) ?? [];
    const destination = intent.transfer_data?.destination;
    const last = disputed.at(-1);
    return {
      payment_intent: intent.id,
      cc_transaction: intent.metadata.cc_transaction ?? null,
      checkout_session: session ?? null,
      shared_payment_token: token ?? null,
      charge: intent.latest_charge,
      account: destination ?? owner,
      charge_type: destination ? 'destination' : owner === world.keys.platform ? 'platform' : 'direct',
      on_behalf_of: intent.on_behalf_of,
      livemode,
      currency: intent.currency,
      status: intent.status,
      amount: intent.amount,
      amount_capturable: intent.amount_capturable,
      amount_captured: charge?.amount_captured ?? 0,
      amount_refunded: sum(given, ({ status }) => status === 'succeeded' || status === 'pending'),
      amount_refund_pending: sum(given, ({ status }) => status === 'pending'),
      amount_charged_back: sum(disputed, ({ status }) => ['needs_response', 'under_review', 'lost'].includes(status)),
      application_fee_amount: fee?.amount ?? 0,
      application_fee_refunded: fee?.amount_refunded ?? 0,
      transfer_amount: transfer?.amount ?? 0,
      transfer_reversed: transfer?.amount_reversed ?? 0,
      refunds: given.map(({ id, amount, status, reason, metadata }) => ({ id, amount, status, reason, metadata: clone(metadata) })),
      dispute: last ? { id: last.id, amount: last.amount, status: last.status, reason: last.reason } : null,
      metadata: clone(intent.metadata),
    };
  });
}
