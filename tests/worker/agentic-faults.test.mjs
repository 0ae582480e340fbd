// Each call to D1 and to Stripe while an agent's order is taken in goes wrong in each way: Stripe sends its event again, the sweep runs,
// and then there is one transaction, one order, one notice of each, and the stock is what it should be.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { noticesOf, ordersOf, rowsOf, sellingShop, stockOf } from '../support/purchases.mjs';
import { startWorker } from '../support/worker.mjs';

const HOW = ['refuse', 'lose', 'die', 'die_after'];
let stripe, w;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
});
after(async () => {
  await w?.close();
  await stripe?.close();
});

const WHOLE = ['checkout.session.completed', 'payment_intent.succeeded'];
/** The events of a purchase that nobody was told yet. */
async function bought(o, more) {
  const from = stripe.books().events.length;
  const purchase = await o.buy({ skus: [{ sku: 'mug', quantity: 2 }], ...more, events: 'lost' });
  return { purchase, events: stripe.books().events.slice(from).filter(({ type }) => /^(checkout\.session\.|payment_intent\.(succeeded|amount))/.test(type)) };
}
const send = async (event) => {
  const body = JSON.stringify(event);
  return (await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': stripe.signature(body, w.webhookSecrets.connect) } })).status;
};
/** As Stripe does: until it is taken. */
async function insist(event) {
  for (let n = 0; n < 6; n += 1) if (await send(event) === 200) return;
  assert.fail(`${event.type} was never taken`);
}

async function check(o, before, purchase) {
  const rows = await rowsOf(w, o.shop);
  assert.deepEqual(rows.map(({ status, amount_captured, checkout_session }) => [status, amount_captured, checkout_session]), [['paid', purchase.amount_total, purchase.session]]);
  assert.deepEqual((await ordersOf(w, o.shop)).map(({ transaction }) => transaction), [rows[0].id]);
  assert.deepEqual((await noticesOf(w, o.shop)).filter((type) => /^(order\.|transaction\.paid)/.test(type)).sort(), ['order.created', 'transaction.paid']);
  assert.equal(await stockOf(w, o.shop, 'mug'), before - 2);
  assert.deepEqual(await w.d1('SELECT holder FROM stock_holds WHERE shop_id = ?', o.shop.id), []);
}

describe('D1 fails', () => {
  for (const first of WHOLE) {
    for (const how of HOW) {
      for (let nth = 1; nth <= (first === 'payment_intent.succeeded' ? 3 : 2); nth += 1) {
        test(`${first}, call ${nth}: ${how}`, async (t) => {
          const o = await sellingShop(w, stripe);
          t.after(() => o.shop.close());
          const before = await stockOf(w, o.shop, 'mug');
          const { purchase, events } = await bought(o);
          await w.fault([{ on: 'DB.batch', nth, how }]);
          const ordered = events.sort((one) => (one.type === first ? -1 : 1));
          await send(ordered[0]);
          await w.fault();
          for (const event of ordered) await insist(event);
          await check(o, before, purchase);
        });
      }
    }
  }

  for (const how of HOW) {
    for (let nth = 1; nth <= 3; nth += 1) {
      test(`a debit is paid, call ${nth}: ${how}`, async (t) => {
        const o = await sellingShop(w, stripe);
        t.after(() => o.shop.close());
        const before = await stockOf(w, o.shop, 'mug');
        const { purchase, events } = await bought(o, { card: 'bank_debit_succeeds' });
        for (const event of events) await insist(event);
        const from = stripe.books().events.length;
        stripe.webhooks.pause();
        await stripe.settle(purchase.session, 'succeed');
        stripe.webhooks.drop();
        stripe.webhooks.resume();
        const paid = stripe.books().events.slice(from).filter(({ type }) => /succeeded$/.test(type) && !type.startsWith('charge'));
        await w.fault([{ on: 'DB.batch', nth, how }]);
        await send(paid[0]);
        await w.fault();
        for (const event of paid) await insist(event);
        await check(o, before, purchase);
      });
    }
  }
});
