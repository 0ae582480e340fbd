// Contract, *Agents, catalogue, fulfilment*: rules of delivery, taxes and coupons; and what else PATCH /v1/shop takes for agents.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { documented, fine, refused } from '../support/answers.mjs';
import { registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let w, api, shop, other;

before(async () => {
  w = await startWorker();
  api = documented(w);
  shop = await registerShop(w);
  other = await registerShop(w);
});
after(async () => {
  await w?.close();
  await shop?.close();
  await other?.close();
});

const rules = {
  shipping: [
    { id: 'post', title: 'Post', subtitle: 'slow', carrier: 'USPS', amount: 500, currency: 'usd', countries: ['US', 'CA'], regions: ['NY'], free_over: 5000, min_days: 2, max_days: 5 },
    { id: 'world', title: 'Anywhere', amount: 50_000, currency: 'isk', countries: ['*'] },
  ],
  digital: [{ id: 'mail', title: 'E-mail' }],
  tax: [{ country: 'DE', rate_bps: 1900, inclusive: true, applies_to_shipping: true, display_name: 'MwSt.' }, { country: 'US', region: 'NY', rate_bps: 888, inclusive: false, applies_to_shipping: false, display_name: 'Sales tax' }],
  coupons: [{ code: 'Welcome', percent_off: 12.5, starts: 1_700_000_000, ends: 1_900_000_000, max_redemptions: 9 }, { code: 'five', amount_off: 500, currency: 'eur', min_subtotal: 1000 }],
};
const path = '/v1/shop/fulfillment';
const put = (body, key = shop.key) => api('PUT', path, { key, body });
const get = async (key = shop.key) => fine(await api('GET', path, { key }));

describe('rules', () => {
  test('are none at first, then what was sent, and replaced as a whole; another shop has its own', async () => {
    const none = { object: 'fulfillment', shipping: [], digital: [], tax: [], coupons: [], updated: null };
    assert.deepEqual(await get(), none);
    const { updated, ...set } = fine(await put(rules));
    assert.ok(Math.abs(updated - Date.now() / 1000) < 60);
    assert.deepEqual(set, { object: 'fulfillment', ...rules });
    assert.deepEqual(await get(), { ...set, updated });
    // What was answered may be sent back.
    const { object: _, updated: __, ...again } = await get();
    fine(await put(again));
    assert.deepEqual((await get()).coupons, rules.coupons);
    fine(await put({ digital: rules.digital }));
    assert.deepEqual({ ...(await get()), updated: null }, { ...none, digital: rules.digital });
    // Both kinds of delivery may be written alike; a least sum without a currency is in the checkout's.
    fine(await put({ digital: [{ ...rules.digital[0], amount: 0, currency: 'usd' }], coupons: [{ code: 'LEAST', percent_off: 10, min_subtotal: 1000 }] }));
    assert.deepEqual((await get()).digital, rules.digital);
    assert.equal((await get()).coupons[0].min_subtotal, 1000);
    refused(await put({ digital: [{ ...rules.digital[0], amount: 5, currency: 'usd' }] }), 422, 'parameter_invalid', 'digital[0][amount]');
    refused(await put({ coupons: [{ code: 'OFF', amount_off: 500 }] }), 400, 'parameter_missing', 'coupons[0][currency]');
    assert.deepEqual(await get(other.key), none);
  });

  test('are refused as a whole, by the member', async () => {
    fine(await put(rules));
    const wrong = (change) => {
      const body = structuredClone(rules);
      change(body);
      return put(body);
    };
    refused(await wrong((body) => { body.coupons.push({ code: 'WELCOME', percent_off: 1 }); }), 422, 'duplicate_value', 'coupons[2][code]');
    refused(await wrong((body) => { body.shipping[1].id = 'post'; }), 422, 'duplicate_value', 'shipping[1][id]');
    refused(await wrong((body) => { body.shipping[0].countries = ['usa']; }), 422, 'country_invalid', 'shipping[0][countries][0]');
    refused(await wrong((body) => { body.shipping[1].amount = 50; }), 422, 'parameter_invalid_integer', 'shipping[1][amount]');
    refused(await wrong((body) => { body.coupons[0].percent_off = 12.345; }), 422, 'parameter_invalid', 'coupons[0][percent_off]');
    refused(await wrong((body) => { body.coupons[0].percent_off = '12'; }), 400, 'parameter_invalid_number', 'coupons[0][percent_off]');
    refused(await wrong((body) => { body.tax[0].vat = true; }), 400, 'parameter_unknown', 'tax[0][vat]');
    refused(await wrong((body) => { body.coupons = Array.from({ length: 1001 }, (_, n) => ({ code: `c${n}`, percent_off: 1 })); }), 422, 'parameter_invalid', 'coupons');
    assert.deepEqual((await get()).shipping, rules.shipping);
  });

  test('as many as there may be', async () => {
    const most = {
      shipping: Array.from({ length: 100 }, (_, n) => ({ id: `s${n}`, title: 'Post', amount: n, currency: 'usd', countries: ['US'] })),
      tax: Array.from({ length: 300 }, (_, n) => ({ country: 'US', region: `R${n}`, rate_bps: n, inclusive: false, applies_to_shipping: true, display_name: 'Tax' })),
      coupons: Array.from({ length: 1000 }, (_, n) => ({ code: `c${n}`, percent_off: 1 + (n % 100) })),
    };
    fine(await put(most));
    const { shipping, tax, coupons } = await get();
    assert.deepEqual({ shipping, tax, coupons }, most);
  });

  test('go with a shop that leaves', async (t) => {
    const leaving = await registerShop(w);
    t.after(() => leaving.close());
    fine(await put(rules, leaving.key));
    fine(await api('DELETE', '/v1/shop', { key: leaving.key }));
    refused(await put(rules, leaving.key), 401, 'api_key_invalid');
    assert.deepEqual(await w.d1('SELECT * FROM fulfillment WHERE shop_id = ?', leaving.id), []);
  });
});

describe('what agents are told of a shop', () => {
  const patch = (body) => api('PATCH', '/v1/shop', { key: shop.key, body });

  test('is nothing at birth', () => {
    const { quote_url: quotes, links, order_url_template: template } = shop.shop;
    assert.deepEqual([quotes, links, template], [null, [], null]);
  });

  test('quote_url: on the shop’s own origin', async () => {
    assert.equal(fine(await patch({ quote_url: `${shop.origin}/wp-json/cc/quote` })).quote_url, `${shop.origin}/wp-json/cc/quote`);
    refused(await patch({ quote_url: `${other.origin}/quote` }), 422, 'url_not_allowed', 'quote_url');
    refused(await patch({ quote_url: `${shop.origin}/quote#x` }), 422, 'url_not_allowed', 'quote_url');
    assert.equal(fine(await patch({ quote_url: null })).quote_url, null);
  });

  test('links: of known kinds, on the shop’s origin or an allowed one', async () => {
    const links = [{ type: 'terms_of_use', url: `${shop.origin}/terms#1`, title: 'Terms' }, { type: 'seller_shop_policies', url: `${shop.origin}/policies` }];
    assert.deepEqual(fine(await patch({ links })).links, links);
    assert.deepEqual(fine(await api('GET', '/v1/shop', { key: shop.key })).links, links);
    fine(await patch({ name: 'Other' }));
    assert.deepEqual(fine(await api('GET', '/v1/shop', { key: shop.key })).links, links, 'what is not named stays');
    refused(await patch({ links: [{ type: 'blog', url: `${shop.origin}/blog` }] }), 422, 'parameter_invalid', 'links[0][type]');
    refused(await patch({ links: [links[0], { type: 'faq' }] }), 400, 'parameter_missing', 'links[1][url]');
    refused(await patch({ links: [{ ...links[0], url: `${other.origin}/terms` }] }), 422, 'url_not_allowed', 'links[0][url]');
    refused(await patch({ links: [{ ...links[0], title: 'x'.repeat(101) }] }), 422, 'parameter_invalid', 'links[0][title]');
    refused(await patch({ links: Array(21).fill(links[1]) }), 422, 'parameter_invalid', 'links');
    // An origin that is taken away takes its addresses with it, and says so.
    fine(await patch({ allowed_origins: [other.origin], links: [{ type: 'faq', url: `${other.origin}/faq` }] }));
    refused(await patch({ allowed_origins: [] }), 422, 'url_not_allowed', 'links[0][url]');
    assert.deepEqual(fine(await patch({ links: null, allowed_origins: [] })).links, []);
  });

  test('order_url_template: names the order, on the shop’s origin whatever is filled in', async () => {
    for (const tail of ['/order/{ORDER_ID}', '/order?id={ORDER}', '/o/{ORDER}/{ORDER_ID}#top']) {
      assert.equal(fine(await patch({ order_url_template: shop.origin + tail })).order_url_template, shop.origin + tail);
    }
    refused(await patch({ order_url_template: `${shop.origin}/orders` }), 422, 'parameter_invalid', 'order_url_template');
    refused(await patch({ order_url_template: `${shop.origin}/{ORDER_NUMBER}` }), 422, 'parameter_invalid', 'order_url_template');
    for (const elsewhere of [`${other.origin}/{ORDER}`, 'https://{ORDER_ID}.example/', `${shop.origin}.evil.example/{ORDER}`, `${shop.origin}@evil.example/{ORDER}`, '/{ORDER}']) {
      refused(await patch({ order_url_template: elsewhere }), 422, 'url_not_allowed', 'order_url_template');
    }
    assert.equal(fine(await patch({ order_url_template: null })).order_url_template, null);
  });
});
