// The page of an order that an agent placed, as its buyer meets it: real Chromium, on a phone and on a desk, by keyboard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentShop, BUYER, buyAs } from '../support/agent.mjs';
import { noBrowser, openBrowser } from '../support/browser.mjs';
import { startWorker } from '../support/worker.mjs';

const skip = { skip: noBrowser };
let stripe, w, at, browser, page, order;

before(async () => {
  if (noBrowser) return;
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, host: 'localhost' });
  at = await agentShop(w, stripe, { shop: { name: 'Harbour Lane' } });
  order = await buyAs(stripe, at.account, at.call, { items: [{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }] });
  const told = await w.api('PATCH', `/v1/orders/${order.id}`, { key: at.shop.key, body: {
    order_number: 'HL-1001', status: 'shipped', permalink_url: `${at.shop.origin}/order/1001`,
    fulfillments: [{ type: 'shipping', status: 'in_transit', carrier: 'DHL', tracking_number: '00340434161094015902', tracking_url: 'https://dhl.example/en/tracking?number=00340434161094015902', estimated_delivery: { earliest: 1_776_384_000, latest: 1_776_470_400 } }],
  } });
  assert.equal(told.status, 200, told.text);
  browser = await openBrowser({ width: 320, height: 640 });
  page = browser.page;
});
after(async () => {
  await browser?.close();
  await w?.close();
  await stripe?.close();
  await at?.shop.close();
});

/** Nothing lies beyond the right edge, and every target can be hit by a finger (WCAG 2.2, 1.4.10 and 2.5.8). */
async function fits() {
  const { wide, small } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small: [...document.querySelectorAll('button, input, .button')].map((e) => e.getBoundingClientRect()).filter(({ height }) => height < 44).length,
  }));
  assert.deepEqual({ wide, small }, { wide: 0, small: 0 });
}

test('by keyboard, on a phone: a mistake, then the order', skip, async () => {
  assert.equal(order.permalink_url, `${w.url}/orders/${order.id}`);
  await page.goto(order.permalink_url);
  await fits();
  await browser.shot('order-ask');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'email');
  await page.keyboard.type('eve@elsewhere.example');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('There is no order at this address with that e-mail.').waitFor();
  assert.equal(await page.title(), 'No order found');
  await fits();
  await browser.shot('order-not-found');
  const field = page.getByLabel('E-mail address');
  assert.equal(await field.inputValue(), 'eve@elsewhere.example');
  await field.fill(BUYER.email);
  await page.getByRole('button', { name: 'Show the order' }).click();
  await page.getByRole('heading', { name: 'Order HL-1001', level: 1 }).waitFor();
  // The e-mail is in no address, whatever was entered.
  assert.equal(page.url(), order.permalink_url);
  await fits();
  await browser.shot('order-phone');
});

test('what it says: items, sums, where it is, and the way to the shop', skip, async () => {
  await page.setViewportSize({ width: 1100, height: 800 });
  const rows = await page.getByRole('row').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText)));
  assert.deepEqual(rows, [['Item', 'Price'], ['Mug × 2', 'USD 24.60'], ['Tea × 1', 'USD 4.00'], ['Delivery', 'USD 5.00'], ['Tax', 'USD 2.50'], ['Total', 'USD 36.10']]);
  const text = await page.locator('main').innerText();
  for (const said of ['On its way', '2026-04-17 – 2026-04-18', 'DHL', '00340434161094015902']) assert.ok(text.includes(said), said);
  assert.equal(await page.getByRole('link', { name: 'See it at the shop' }).getAttribute('href'), `${at.shop.origin}/order/1001`);
  await browser.shot('order');
  // The one complaint is Chromium's own about the 404 above.
  assert.deepEqual(browser.problems.filter((problem) => !problem.includes('404')), []);
});

test('in the dark, enlarged', skip, async () => {
  const dark = await openBrowser({ width: 320, height: 640, colorScheme: 'dark', deviceScaleFactor: 2 });
  try {
    await dark.page.goto(order.permalink_url);
    await dark.page.getByLabel('E-mail address').fill(BUYER.email);
    await dark.page.keyboard.press('Enter');
    await dark.page.getByRole('heading', { name: 'Order HL-1001' }).waitFor();
    await dark.shot('order-dark');
  } finally {
    await dark.close();
  }
});
