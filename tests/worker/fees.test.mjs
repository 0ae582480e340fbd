// What the platform takes of one and the same sale, by whichever way it comes: a Checkout Session, an agent's checkout (ACP), an order
// that an agent makes at Stripe. By the feed's categories, and never below what Stripe takes of the platform.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, payBody, PRODUCTS, sellToAgents, speaker } from '../support/agent.mjs';
import { fine } from '../support/answers.mjs';
import { approve, MUG, orderData } from '../support/hooks.mjs';
import { connectShop, createSession, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const CATEGORIES = { mug: 'Home > Kitchen > Mugs', tea: 'Food > Tea' };
let stripe, w, shop, account, agent;

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '100' } });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
  // One of them says its category in the other column.
  const products = PRODUCTS.map((product) => ({ ...product, ...(product.id === 'mug' && { google_product_category: CATEGORIES.mug }), ...(product.id === 'tea' && { product_category: CATEGORIES.tea }) }));
  await sellToAgents(w, shop.key, { products, fulfillment: { shipping: [{ id: 's', title: 'S', amount: 500, currency: 'usd', countries: ['*'] }] } });
  fine(await w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true } }));
  agent = speaker(w, (await addAgent(w, shop, {})).api_key);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});

const operator = (body) => w.api('PATCH', `/v1/admin/shops/${shop.id}`, { key: w.vars.ADMIN_KEY, body }).then(fine);
const PRICES = { mug: 1230, tea: 400, book: 2000 };

/** The fee of an order (`{mug: 2}`) by each of the three ways. */
async function fees(wanted) {
  const items = Object.entries(wanted);
  const goods = items.reduce((sum, [id, quantity]) => sum + PRICES[id] * quantity, 0);
  // What is digital is not shipped.
  const delivery = items.some(([id]) => id !== 'book') ? 500 : 0;
  const named = { product_id: '4711', variation_id: '12', sku: 'x' };
  const session = await createSession(w, shop, {
    source: 'chat', cart: { id: 'c', currency: 'usd', items: items.map(([id, quantity], n) => ({ ...named, [['product_id', 'variation_id', 'sku'][n % 3]]: id, name: id, quantity, amount_total: PRICES[id] * quantity })), shipping: [{ label: 'S', amount: delivery }], total: goods + delivery },
    success_url: `${shop.origin}/thanks`, cancel_url: `${shop.origin}/cart`,
  });
  const made = await agent.call('POST', '/checkout_sessions', { line_items: items.map(([id, quantity]) => ({ id, quantity })), currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } });
  const paid = await agent.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(await stripe.grantToken({ account, maxAmount: 1_000_000 })));
  assert.equal(paid.status, 200, paid.text);
  const [row] = await w.d1('SELECT application_fee_amount AS fee, amount FROM transactions WHERE checkout_session = ?', made.body.id);
  assert.equal(row.amount, goods + delivery);
  const { fee } = await approve(w, account, orderData({ shipping: delivery, lines: items.map(([id, quantity]) => ({ ...MUG, id: `li_${id}`, sku_id: id, quantity, unit_amount: PRICES[id] })) }));
  assert.deepEqual([session.application_fee_amount, row.fee], [fee ?? 0, fee ?? 0], `${JSON.stringify(wanted)}: a Checkout Session, ACP, a hook`);
  return fee;
}

test('the platform’s, the shop’s, and that of a category', async () => {
  assert.equal(await fees({ mug: 1 }), Math.floor(1730 / 100));
  await operator({ fee_bps: 300, fee_fixed: { usd: 10 }, category_fees: { 'home > kitchen': { bps: 1000, fixed: { usd: 25 } }, Food: { bps: 50 } } });
  assert.equal(await fees({ mug: 1 }), 173 + 25);
  assert.equal(await fees({ tea: 2 }), Math.floor((1300 * 50) / 10_000) + 10, 'what a category does not say is the shop’s');
  assert.equal(await fees({ book: 1 }), 60 + 10);
  assert.equal(await fees({ mug: 1, tea: 1, book: 1 }), Math.floor((4130 * (1230 * 1000 + 400 * 50 + 2000 * 300)) / 3630 / 10_000 + 25));
});

test('never below what Stripe takes of the platform, whatever the categories say, nor above the amount', async (t) => {
  t.after(() => w.restart({ STRIPE_COST_BPS: undefined, STRIPE_COST_FIXED: undefined }));
  await w.restart({ STRIPE_COST_BPS: '290', STRIPE_COST_FIXED: 'usd=30' });
  await operator({ fee_bps: 0, fee_fixed: {}, category_fees: { Home: { bps: 10_000 }, Food: { bps: 1 } } });
  assert.equal(await fees({ tea: 1 }), Math.ceil(900 * 0.029) + 30);
  assert.equal(await fees({ book: 1 }), Math.ceil(2000 * 0.029) + 30);
  assert.equal(await fees({ mug: 1 }), 1730);
});

test('a destination charge takes the same, in the same words', async (t) => {
  t.after(() => w.restart({ CHARGE_TYPE: undefined }));
  await operator({ fee_bps: 250, fee_fixed: null, category_fees: null });
  await w.restart({ CHARGE_TYPE: 'destination' });
  const { answer } = await approve(w, account);
  assert.deepEqual(answer.body, { manual_approval_details: { type: 'approved' }, application_fee_details: { application_fee_amount: 43 } });
});
