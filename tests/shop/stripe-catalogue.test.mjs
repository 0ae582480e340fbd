import assert from 'node:assert/strict';
import { test } from 'node:test';
import { products } from '../../sandbox/shop/catalogue.mjs';
import { startShop } from '../../sandbox/shop/index.mjs';
import { csv } from '../../sandbox/shop/stripe-catalogue.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

async function setting(work) {
  const stub = await startStubWorker();
  const shop = await startShop({ workerUrl: stub.url, log: () => {} });
  const visitor = browser(shop.url);
  try {
    await visitor.go('/admin/connectivity'); // registers
    await work({ stub, shop, visitor });
  } finally {
    await shop.close();
    await stub.close();
  }
}
const PAGE = '/admin/selling/stripe';
const unescape = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const typed = (page) => unescape(/<textarea[^>]*>([^]*?)<\/textarea>/.exec(page)[1]);

test('cells with commas, quotes and line ends are quoted', () => {
  assert.equal(csv([{ id: 'a', title: 'x, "y"', description: 'two\nlines' }]).split('\n').slice(1).join('\n'), 'a,"x, ""y""","two\nlines",,,,,,,,,\n');
});

test('two mistakes are named; mended, all of it is sent; agents are switched on by the way', () => setting(async ({ stub, visitor }) => {
  const spoiled = typed((await visitor.go(`${PAGE}?spoil=yes`)).text);
  assert.equal(spoiled.trimEnd().split('\n').length, products.length + 1);
  const kept = await visitor.submit(PAGE, PAGE, { csv: spoiled, on_error: 'fail' });
  assert.equal(kept.status, 422);
  assert.match(kept.text, /rows are not as Stripe wants them/);
  assert.equal(typed(kept.text), spoiled, 'the file is still there, to be mended');
  assert.equal(stub.agentic.enabled, true);
  const sent = await visitor.submit(PAGE, PAGE, { csv: spoiled, on_error: 'skip' });
  assert.equal(sent.location, PAGE);
  const page = (await visitor.go(PAGE)).text;
  assert.match(page, /1 were left out, see below/);
  assert.match(page, /Row 1 \(<code>mug<\/code>\): price must be an amount and a currency/);
  await visitor.submit(PAGE, PAGE, { csv: typed(page), on_error: 'skip' });
  assert.match((await visitor.go(PAGE)).text, new RegExp(`${products.length} rows are on their way to Stripe\\.`));
  const requests = stub.requests.filter(({ route }) => route === 'POST /v1/agentic/catalogue/imports');
  assert.ok(requests.every(({ headers }) => headers['content-type'] === 'text/csv' && headers['content-length'] > 0 && headers['idempotency-key'].length >= 16));
  // The request that was refused because agents were off and the one after it are one attempt.
  assert.equal(requests[0].headers['idempotency-key'], requests[1].headers['idempotency-key']);
}));

test('a Worker that is down leaves the file as it was typed', () => setting(async ({ stub, visitor }) => {
  stub.trouble = [{ on: 'POST /v1/agentic/catalogue/imports', answer: [503, { error: { type: 'not_configured', code: 'not_configured', message: 'No.' } }] }];
  const answer = await visitor.submit(PAGE, PAGE, { csv: 'id\n1\n', on_error: 'skip' });
  assert.equal(typed(answer.text), 'id\n1\n');
  assert.equal(answer.status, 503);
}));
