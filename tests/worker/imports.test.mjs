// Contract, *Stripe's agentic commerce*: a shop's catalogue goes to Stripe, both ways.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { fine } from '../support/answers.mjs';
import { connectShop, registerShop, sendCatalogue } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

const PATH = '/v1/agentic/catalogue/imports';
const shops = [];
let stripe, w;
before(async () => { stripe = await startStripe({ retryPauses: [20] }); w = await startWorker({ stripe }); 
  stripe.addWebhook({ url: `${w.url}/stripe/webhooks`, secret: w.webhookSecrets.connect, connect: true, event_payload: 'thin', events: ['processing', 'succeeded', 'succeeded_with_errors', 'failed'].map((s) => `v2.commerce.product_catalog.imports.${s}`) });
});
after(async () => { await w?.close(); await stripe?.close(); for (const one of shops) await one.close(); });

test('smoke', async () => {
  const shop = await registerShop(w);
  shops.push(shop);
  const { account } = await connectShop(w, stripe, shop);
  await w.d1("INSERT INTO agentic (shop_id, livemode, account, enabled, rules, created, updated) VALUES (?, 0, ?, 1, '{}', 1, 1)", shop.id, account);
  const rows = ['id,title,description,link,image_link,price,availability,inventory_quantity', 'a,A,Text,https://s.example/a,https://s.example/a.jpg,12.30 USD,in_stock,5', 'b,B,"x, ""y""",https://s.example/a,https://s.example/a.jpg,5 USD,in_stock,', 'bad,B,,https://s.example/a,,5 USD,in_stock,'];
  fine(await sendCatalogue(w, shop, rows.join('\n')));
  const made = await w.api('POST', PATH, { key: shop.key, idempotencyKey: randomUUID(), body: { feed_type: 'product', mode: 'replace', from: 'catalogue' } });
  console.log(made.status, made.body);
  await stripe.importsDone();
  await stripe.webhooks.drained();
  const got = await w.api('GET', `${PATH}/${made.body.id}`, { key: shop.key });
  console.log(got.body, stripe.catalogue(account));
  console.log((await w.api('GET', `${PATH}/${made.body.id}/errors`, { key: shop.key })).text);
  fine(await w.api('PATCH', '/v1/catalogue/inventory', { key: shop.key, body: [{ id: 'a', inventory_quantity: 2 }] }));
  await w.scheduled();
  await stripe.importsDone();
  await stripe.webhooks.drained();
  console.log((await w.api('GET', PATH, { key: shop.key })).body.data[0], stripe.catalogue(account).a);
  console.log(w.logs().text.slice(-3000));
});
