// An agent buys, seen from both sides in a real Chromium: the demo shop, the Worker in workerd, the local Stripe.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startShop } from '../../sandbox/shop/index.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { noBrowser, openBrowser } from '../support/browser.mjs';
import { startWorker } from '../support/worker.mjs';

const skip = { skip: noBrowser };
let stripe;
let worker;
let shop;
let browser;
let page;

before(async () => {
  if (noBrowser) return;
  stripe = await startStripe({ retryPauses: [20, 20] });
  worker = await startWorker({ stripe, host: 'localhost' });
  shop = await startShop({ workerUrl: worker.url, stripeUrl: stripe.url });
  await stripe.createAccount({ livemode: false, name: 'Harbour Lane', email: 'owner@shop.example', country: 'US' });
  browser = await openBrowser({ width: 1100, javaScriptEnabled: false }); // all of it has to work without scripts
  page = browser.page;
});

after(async () => {
  await browser?.close();
  await shop?.close();
  await worker?.close();
  await stripe?.close();
});

const button = (name, where = page) => where.getByRole('button', { name, exact: typeof name === 'string' });
const now = () => page.locator('#now');
const stands = (status) => now().locator('.pill').first().filter({ hasText: status }).waitFor();
const said = (number) => page.locator('summary', { hasText: new RegExp(`^${number}\\. `) }).waitFor();

test('connecting lets an agent in', skip, async () => {
  await page.goto(`${shop.url}/agent`);
  await page.getByText('No agent may buy here yet').waitFor();
  await page.goto(`${shop.url}/admin/connectivity`);
  await button(/^Connect with Stripe/, page.locator('section', { has: page.locator('#stripe-test') })).click();
  await page.waitForURL(`${worker.url}/connect/*`);
  await page.locator('form button').click();
  await page.locator('input[name=account]').first().check();
  await button('Connect my account').click();
  await page.waitForURL(`${shop.url}/admin/connectivity**`);
  await page.getByText('Agents can buy here too').waitFor();
  await page.goto(`${shop.url}/admin/selling`);
  await page.getByText('11 products').waitFor();
  await browser.shot('selling');
});

test('create, address, shipping, coupon, token', skip, async () => {
  await page.goto(`${shop.url}/agent`);
  await browser.shot('agent');
  await page.getByLabel(/^Stoneware mug/).fill('2');
  await page.getByLabel(/^Slow coffee, a guide/).fill('1');
  await button('Create the checkout').click();
  await stands('not ready for payment');
  await button('Send the address').click();
  await said(2);
  await stands('ready for payment');
  await page.getByLabel(/^Express/).check();
  await button('Choose').click();
  await said(3);
  await page.getByLabel('Discount code').fill('welcome10');
  await button('Use the code').click();
  await said(4);
  await now().getByText('$63.40').waitFor();
  await page.getByLabel('Ada pays with').selectOption({ label: 'A card whose bank wants to see the buyer (3D Secure)' });
  await button('Get the token').click();
  await said(5);
  await browser.shot('agent-token');
});

test('the bank asks, the agent completes again, and there is an order', skip, async () => {
  await button('Pay').click();
  await stands('authentication required');
  await browser.shot('agent-bank');
  await button('Pay with the bank\'s answer').click();
  await stands('completed');
  await browser.shot('agent-paid');
  const [row] = await worker.d1('SELECT source, agent, status, amount FROM transactions');
  assert.deepEqual(row, { source: 'agent', agent: 'Errand', status: 'paid', amount: 6340 });
});

test('the shop sees the order, ships it, and the agent hears of it', skip, async () => {
  await page.goto(`${shop.url}/admin/orders`);
  await page.getByRole('heading', { name: 'Order 1001' }).waitFor();
  await button(/^Ship with tracking/).click();
  await page.getByRole('status').getByText('It is on its way').waitFor();
  // The event travels by itself; a page without scripts is looked at again.
  const heard = page.locator('summary', { hasText: 'order update' });
  for (let looks = 0; await heard.count() === 0 && looks < 100; looks += 1) await page.reload();
  await heard.first().click();
  await page.getByRole('group', { name: 'Event' }).filter({ hasText: /"tracking_number": "HL1001/ }).waitFor();
  await browser.shot('agent-orders');
  await page.goto(`${shop.url}/agent`);
  await page.getByRole('heading', { name: 'What the agent heard afterwards' }).waitFor();
});

test('half of it goes back, and the books know', skip, async () => {
  await page.goto(`${shop.url}/admin/orders`);
  await button(/^Refund half/).click();
  await page.getByText('of which $31.70 given back').waitFor();
  await page.goto(`${shop.url}/admin/ledger`);
  await page.getByText('Agent, Errand').waitFor();
  await page.goto(`${shop.url}/admin/orders`);
  await page.getByRole('link', { name: 'Order 1001' }).click();
  await page.getByText('Shipped by Harbour Post').waitFor();
  await page.getByRole('link', { name: 'Download Slow coffee, a guide' }).waitFor();
  await browser.shot('agent-order');
});

test('all at once in Stripe\'s dialect; the pages fit 320 px, have one heading and no trouble', skip, async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  await page.goto(`${shop.url}/agent`);
  await button('Buy something else').click();
  await browser.shot('agent-320');
  await page.getByLabel('Version of the protocol').selectOption('stripe');
  await button('Do it all').click();
  await stands('completed');
  await browser.shot('agent-paid-320');
  for (const path of ['/agent', '/agent/checkout', '/admin/selling', '/admin/orders', '/', '/product/clock', '/policies/returns']) {
    const answer = await page.goto(shop.url + path);
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
    assert.equal(await page.locator('h1').count(), 1, path);
    const [wide, unlabelled] = await page.evaluate(() => [
      document.documentElement.scrollWidth - window.innerWidth,
      [...document.querySelectorAll('input:not([type=hidden]), select')].filter((field) => !field.labels?.length).map((field) => field.name),
    ]);
    assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
    assert.deepEqual(unlabelled, [], path);
  }
  await page.goto(`${shop.url}/admin/orders`);
  await browser.shot('agent-orders-320');
  await page.goto(`${shop.url}/admin/selling`);
  await browser.shot('selling-320');
  assert.deepEqual(browser.problems, []);
});

test('by keyboard alone: from the form to a checkout', skip, async () => {
  await page.setViewportSize({ width: 1100, height: 800 });
  await page.goto(`${shop.url}/agent`);
  await button('Buy something else').click();
  await page.getByLabel(/^Espresso cup/).focus();
  await page.keyboard.type('3');
  await page.keyboard.press('Enter'); // the form's own button
  await stands('not ready for payment');
  // The page opens at what has changed, and the next step is a few tabs away.
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  let reached = false;
  for (let tabs = 0; tabs < 30 && !reached; tabs += 1) {
    await page.keyboard.press('Tab');
    reached = await focused() === 'Send the address';
  }
  assert.ok(reached, 'the next step\'s button');
});
