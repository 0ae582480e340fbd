// Our own Worker as a target, in real workerd with the local Stripe: a shop that is connected, with a catalogue, delivery, taxes and
// coupons, and two agents. Everything that the suite takes for granted about the Worker is in this file.
import { setTimeout as pause } from 'node:timers/promises';
import { startStripe } from '../../../sandbox/stripe/index.mjs';
import { addAgent, agentShop } from '../../support/agent.mjs';
import { startWorker } from '../../support/worker.mjs';
import { VERSIONS } from '../dialects.mjs';
import { startReceiver } from './receiver.mjs';

const ADDRESS = {
  name: 'Ada Byron',
  line_one: '1 Main Street',
  line_two: 'Unit 2',
  city: 'San Francisco',
  state: 'CA',
  country: 'US',
  postal_code: '94105',
};
const PRODUCTS = { shipped: 'shirt', second: 'mug', digital: 'book', out_of_stock: 'gone', last: 'last' };
const TAX_BPS = 875;
const YEAR = 365 * 24 * 60 * 60;

const row = (id, title, price, more) => ({
  id,
  title,
  description: `${title}, plain and good`,
  link: `https://shop.example/${id}`,
  image_link: `https://shop.example/${id}.png`,
  price,
  availability: 'in_stock',
  inventory_quantity: 100_000,
  ...more,
});
const CATALOGUE = [
  row('shirt', 'Shirt', '20.00 USD'),
  row('mug', 'Mug', '12.50 USD'),
  row('book', 'Book to download', '9.00 USD', { is_digital: 'true' }),
  row('gone', 'Sold out', '7.00 USD', { availability: 'out_of_stock', inventory_quantity: 0 }),
  row('last', 'The last one', '30.00 USD', { inventory_quantity: 1 }),
];

const shipping = (id, title, amount, min_days, max_days) => ({
  id,
  title,
  carrier: 'Post',
  amount,
  currency: 'usd',
  countries: ['US', 'CA'],
  min_days,
  max_days,
});
const FULFILLMENT = () => ({
  shipping: [shipping('standard', 'Standard', 500, 4, 5), shipping('express', 'Express', 1500, 1, 2)],
  digital: [{ id: 'download', title: 'Download' }],
  tax: [{ country: 'US', region: 'CA', rate_bps: TAX_BPS, inclusive: false, applies_to_shipping: false, display_name: 'Sales tax' }],
  coupons: [
    { code: 'SAVE10', percent_off: 10 },
    { code: 'FIVE', amount_off: 500, currency: 'usd' },
    { code: 'LASTYEAR', percent_off: 50, ends: Math.floor(Date.now() / 1000) - YEAR },
    { code: 'BIG', percent_off: 20, min_subtotal: 10_000_000, currency: 'usd' },
  ],
});

/** Stripe's own test cards, by what becomes of a payment with them. */
const CARDS = { declined: 'pm_card_visa_chargeDeclined', requires_3ds: 'pm_card_authenticationRequired' };

/** Grants a shared payment token to the shop, as an agent's platform does. */
async function grant(stripe, account, kind, { amount, currency }) {
  const maxAmount = kind === 'over_limit' ? amount - 1 : amount;
  const id = await stripe.grantToken({ account, currency, maxAmount, card: CARDS[kind] });
  // Past its time or taken back is one to whoever wants to be paid, and the second needs no clock to be moved.
  if (kind === 'expired') await stripe.revokeToken(id);
  return id;
}

/** Puts the end of a session into the past, whichever table holds it. */
async function expire(w, id) {
  const tables = await w.d1("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'");
  for (const { name } of tables) {
    const columns = (await w.d1(`SELECT name FROM pragma_table_info('${name}')`)).map((column) => column.name);
    const end = columns.find((column) => ['expires_at', 'expires'].includes(column));
    if (!end || !columns.includes('id')) continue;
    const changed = await w.d1(`UPDATE "${name}" SET "${end}" = 1 WHERE id = ? RETURNING id`, id);
    if (changed.length > 0) return;
  }
  throw new Error(`no table with an end holds the session ${id}`);
}

export async function startWorkerTarget() {
  const opened = [];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  };
  try {
    const receiver = await startReceiver({ host: 'localhost' });
    opened.push(receiver);
    const stripe = await startStripe({ retryPauses: [20, 20] });
    opened.push(stripe);
    const w = await startWorker({ stripe });
    opened.push(w);
    const { shop, agent, account } = await agentShop(w, stripe, {
      products: CATALOGUE,
      fulfillment: FULFILLMENT(),
      agent: { name: 'Conformance', webhook_url: receiver.url },
    });
    opened.push(shop);
    const other = await addAgent(w, shop, { name: 'Another' });

    const ask = async (method, path, body, { status = 200, ...more } = {}) => {
      const answer = await w.api(method, path, { key: shop.key, body, ...more });
      if (answer.status !== status) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
      return answer.body;
    };
    await ask('PATCH', '/v1/shop', {
      links: [
        { type: 'terms_of_use', url: `${shop.origin}/terms` },
        { type: 'privacy_policy', url: `${shop.origin}/privacy` },
      ],
    });

    /** The sales of a session, as the shop's ledger has them: the newest are enough, a check has just made its own. */
    const sales = async (id) => (await ask('GET', '/v1/transactions?limit=100')).data.filter((one) => one.checkout_session === id);
    const taken = async (id) => {
      const own = new Set((await sales(id)).map((sale) => sale.id));
      return stripe.payments().filter(({ cc_transaction: cct, status }) => own.has(cct) && status === 'succeeded');
    };

    return {
      name: 'the Worker',
      url: w.url,
      // Through the test's own hands, so that every answer is searched for secrets.
      send: w.fetch,
      key: agent.api_key,
      otherKey: other.api_key,
      versions: VERSIONS,
      account,
      products: Object.keys(PRODUCTS),
      async product(kind) {
        if (kind === 'last') await ask('PATCH', '/v1/catalogue/inventory', [{ id: PRODUCTS.last, inventory_quantity: 1 }]);
        return PRODUCTS[kind];
      },
      address: ADDRESS,
      elsewhere: { ...ADDRESS, country: 'AQ', state: 'Ross', postal_code: '0' },
      taxed: { address: ADDRESS, rate_bps: TAX_BPS },
      coupons: { valid: 'SAVE10', other: 'FIVE', expired: 'LASTYEAR', minimum: 'BIG' },
      tokens: ['success', 'declined', 'requires_3ds', 'expired', 'over_limit'],
      token: (kind, limits) => grant(stripe, account, kind, limits),
      features: new Set(['carts', 'discovery', 'mcp', 'readAnyVersion', 'singleUse']),
      expire: (id) => expire(w, id),
      charges: async (id) => (await taken(id)).length,
      charged: async (id) => (await taken(id)).reduce((sum, { amount }) => sum + amount, 0),
      async permalink(url) {
        const page = await w.fetch(url);
        return { status: page.status, text: await page.text() };
      },
      webhook: {
        secret: agent.signing_secret,
        /** News goes out at once; what did not is found by the sweep, which no clock runs here. */
        async wait(fits, what) {
          let waiting = true;
          const told = receiver.wait(fits, what, 5_000).finally(() => { waiting = false; });
          const swept = (async () => {
            for (await pause(500); waiting; await pause(500)) await w.scheduled();
          })();
          try {
            return await told;
          } finally {
            await swept;
          }
        },
      },
      async ship({ order }) {
        await ask('PATCH', `/v1/orders/${order.id}`, { status: 'shipped' });
      },
      async refund({ id }, amount) {
        const [sale] = await sales(id);
        await ask('POST', `/v1/transactions/${sale.id}/refunds`, { amount }, { idempotencyKey: `refund-${id}`, status: 201 });
        await stripe.webhooks.drained();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
