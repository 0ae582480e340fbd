// The reference merchant as a target; with a defect of defects.mjs built in, or without.
import { VERSIONS } from '../dialects.mjs';
import { Merchant } from '../reference/merchant.mjs';
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
const PRODUCTS = { shipped: 'shirt', second: 'mug', digital: 'book', out_of_stock: 'gone' };

/** defect: {apply(merchant)} */
export async function startReference({ defect } = {}) {
  const merchant = new Merchant();
  defect?.apply(merchant);
  await merchant.start();
  const receiver = await startReceiver();
  merchant.webhook = receiver.url;
  return {
    name: 'the reference merchant',
    url: merchant.url,
    key: 'cca_reference_one',
    otherKey: 'cca_reference_two',
    versions: VERSIONS,
    account: merchant.account,
    products: [...Object.keys(PRODUCTS), 'last'],
    product: (kind) => (kind === 'last' ? merchant.lastPiece() : PRODUCTS[kind]),
    address: ADDRESS,
    elsewhere: { ...ADDRESS, country: 'AQ', state: 'Ross', postal_code: '0' },
    taxed: { address: ADDRESS, rate_bps: 875 },
    coupons: { valid: 'SAVE10', other: 'FIVE', expired: 'LASTYEAR', minimum: 'BIG' },
    tokens: ['success', 'declined', 'requires_3ds', 'expired', 'over_limit'],
    token: (kind, { amount }) => merchant.grant(kind, amount),
    features: new Set(['carts', 'discovery', 'mcp', 'readAnyVersion', 'singleUse', 'consents']),
    expire: (id) => merchant.expire(id),
    charges: (id) => merchant.charges.filter(({ session }) => session === id).length,
    charged: (id) => merchant.charges.filter(({ session }) => session === id).reduce((sum, { amount }) => sum + amount, 0),
    permalink: async (url) => {
      const page = await fetch(url);
      return { status: page.status, text: await page.text() };
    },
    // What it tells is there at once, if it is told at all.
    webhook: { secret: merchant.secret, wait: (fits, what) => receiver.wait(fits, what, 1_000) },
    ship: ({ id }) => merchant.ship(id),
    refund: ({ id }, amount) => merchant.refund(id, amount),
    close: async () => {
      await merchant.close();
      await receiver.close();
    },
  };
}
