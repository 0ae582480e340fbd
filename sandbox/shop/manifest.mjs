// How agents find the shop: `/.well-known/ucp`, with the Worker's part merged in (contract, "Completion", last paragraph).
// Until Stripe is connected, GET /v1/manifest is `{}` and the shop offers discovery only.

import { priceNow, products } from './catalogue.mjs';

const FRESH_FOR_S = 30;

export const CREATE_SESSION_PATH = '/wp-json/cognitive-cart/v1/checkout/create-session';
export const PRODUCTS_PATH = '/wp-json/cognitive-cart/v1/products';

export function createManifest({ client, registration, siteUrl, name, now }) {
  let kept = { at: -Infinity, part: {} };

  /** Kept for half a minute: this page is open to the world, and each view must not cost a call with our key. */
  async function workersPart(recorder) {
    if (registration.current()?.status !== 'active') return {};
    if (now() - kept.at < FRESH_FOR_S) return kept.part;
    try {
      kept = { at: now(), part: await client.call('GET', '/v1/manifest', { recorder }) };
    } catch {
      // The Worker is down: products can still be found, so say what there is without the checkout.
      kept = { at: now(), part: {} };
    }
    return kept.part;
  }

  async function build(recorder) {
    return {
      ucp: { version: '2026-04-08', services: {}, capabilities: {}, payment_handlers: {} },
      name,
      url: siteUrl,
      products: `${siteUrl}${PRODUCTS_PATH}`,
      ...await workersPart(recorder),
    };
  }

  return { build, forget: () => { kept = { at: -Infinity, part: {} }; } };
}

export const productList = (siteUrl) => products.map((product) => ({
  product_id: product.id, sku: product.sku, name: product.name, description: product.text, price: priceNow(product), currency: 'usd',
  image_url: `${siteUrl}/pictures/${product.id}.svg`,
}));
