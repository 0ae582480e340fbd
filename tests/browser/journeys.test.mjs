// The main job as people do it: real Chromium, the demo shop, the Worker in workerd, the local Stripe.
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
  shop = await startShop({ port: 0, workerUrl: worker.url });
  await stripe.createAccount({ livemode: false, name: 'Harbour Lane', email: 'owner@shop.example', country: 'US' });
  browser = await openBrowser();
  page = browser.page;
});

after(async () => {
  await browser?.close();
  await shop?.close();
  await worker?.close();
  await stripe?.close();
});

const button = (name, where = page) => where.getByRole('button', { name });
const connectivity = () => page.goto(`${shop.url}/admin/connectivity`);
const testCard = () => page.locator('section', { has: page.locator('#stripe-test') });

async function beginConnecting() {
  await connectivity();
  await button(/^Connect with Stripe/, testCard()).click();
  await page.waitForURL(`${worker.url}/connect/*`);
}

async function fillCart() {
  await page.goto(shop.url);
  await button(/Add|cart/i).first().click();
  // A navigation of ours would cut off the one that the button began.
  await page.getByRole('status').getByText('It is in your cart.').waitFor();
  await page.goto(`${shop.url}/cart`);
}

async function payByCard(number) {
  await button(/^Pay /).waitFor(); // it stands behind the fields: what is not there by now will not come
  for (const [label, value] of [['Email', 'buyer@example.com'], ['Card number', number], ['Expiry (MM / YY)', '12 / 40'], ['CVC', '123'], ['Cardholder or account name', 'B. Uyer']]) {
    const field = page.getByLabel(label, { exact: true });
    if (await field.count()) await field.fill(value);
  }
  await button(/^Pay /).click();
}

const sales = async () => (await worker.d1("SELECT source, agent, status, amount, order_id FROM transactions ORDER BY id"));

test('the shop registers and proves its address', skip, async () => {
  await connectivity();
  await page.getByText('Registered and verified').waitFor();
});

test('the merchant reads whose shop it is, and denies: nothing is connected', skip, async () => {
  await beginConnecting();
  const text = await page.locator('main').innerText();
  assert.match(text, new RegExp(new URL(shop.url).host), 'the consent page names the shop');
  assert.match(text, /test/i, 'and the mode');
  await browser.shot('consent');
  await page.locator('form button').click();
  await button('Deny').click();
  await page.waitForURL(`${shop.url}/admin/connectivity**`);
  await testCard().getByText('Not connected').waitFor();
  assert.deepEqual(await worker.d1("SELECT id FROM connections"), []);
});

test('connects: consent, Stripe, back, confirmed', skip, async () => {
  await beginConnecting();
  await page.locator('form button').click();
  await page.locator('input[name=account]').first().check();
  await browser.shot('oauth');
  await button('Connect my account').click();
  await page.waitForURL(`${shop.url}/admin/connectivity**`);
  await testCard().locator('.pill', { hasText: /^Connected$/ }).waitFor();
  await browser.shot('connectivity');
  const [connection] = await worker.d1("SELECT status, livemode FROM connections");
  assert.deepEqual(connection, { status: 'active', livemode: 0 });
});

test('a chat visitor is declined, tries again, pays and is home', skip, async () => {
  await fillCart();
  await button('Chat checkout').click();
  await page.waitForURL(`${stripe.url}/**`);
  await payByCard('4000000000000002');
  await page.getByRole('alert').waitFor();
  await browser.shot('declined');
  await payByCard('4242424242424242');
  await page.waitForURL(`${shop.url}/**`);
  await page.getByText('your order is paid').waitFor();
  await browser.shot('paid');
  const rows = await sales();
  assert.equal(rows.length, 1);
  assert.equal(rows[0].source, 'chat');
  assert.equal(rows[0].status, 'paid');
  await page.reload();
  await page.getByText('your order is paid').waitFor();
  assert.equal((await sales()).length, 1, 'reloading changes nothing');
});

test('an agent buys; its price is thrown away', skip, async () => {
  await page.goto(`${shop.url}/agent/checkout`);
  await page.locator('#product-0').selectOption({ index: 1 });
  await page.locator('#claim-0').fill('0.01');
  await button('Create checkout session').click();
  await page.getByText('Session created for Claude').waitFor();
  await page.getByRole('link', { name: "Pay as the agent's person" }).click();
  await page.waitForURL(`${stripe.url}/**`);
  await browser.shot('checkout');
  await payByCard('4242424242424242');
  await page.waitForURL(`${shop.url}/**`);
  await page.getByText('your order is paid').waitFor();
  const row = (await sales()).at(-1);
  assert.deepEqual([row.source, row.agent, row.status], ['agent', 'Claude', 'paid']);
  assert.ok(row.amount > 100, 'the shop priced the line, not the agent');
});

test('a buyer cancels: the cart is kept and the session may still be paid', skip, async () => {
  await fillCart();
  await button('Chat checkout').click();
  await page.waitForURL(`${stripe.url}/**`);
  await page.getByRole('link', { name: 'Cancel and return to the shop' }).click();
  await page.waitForURL(`${shop.url}/**`);
  await page.getByText('You have not paid').waitFor();
  assert.equal((await sales()).at(-1).status, 'open');
  await page.goto(`${shop.url}/cart`);
  await button('Chat checkout').waitFor();
});

test('a bank debit: first the shop waits, then it is paid', skip, async () => {
  await page.goto(`${shop.url}/cart`);
  await button('Chat checkout').click();
  await page.waitForURL(`${stripe.url}/**`);
  const id = decodeURIComponent(new URL(page.url()).pathname.split('/').at(-1));
  await page.locator('input[name=method][value=bank_debit_succeeds]').check();
  await page.getByLabel('Email', { exact: true }).fill('buyer@example.com');
  await page.getByLabel('Cardholder or account name', { exact: true }).fill('B. Uyer');
  await button(/^Pay /).click();
  await page.waitForURL(`${shop.url}/**`);
  await page.getByText('We are still waiting for your bank.').waitFor();
  await browser.shot('waiting');
  await stripe.settle(id, 'succeed');
  await stripe.webhooks.drained();
  const [row] = await worker.d1('SELECT status FROM transactions WHERE checkout_session = ?', id);
  assert.equal(row.status, 'paid');
});

test('the ledger shows the sales by source', skip, async () => {
  await page.goto(`${shop.url}/admin/ledger`);
  const text = await page.locator('main').innerText();
  assert.match(text, /chat/i);
  assert.match(text, /agent/i);
  await browser.shot('ledger');
});

test('disconnects; nothing can be sold any more', skip, async () => {
  await connectivity();
  await testCard().getByText('Disconnect…').click();
  await button(/^Disconnect/, testCard()).click();
  await testCard().locator('.pill', { hasText: /^Not connected$/ }).waitFor();
  await browser.shot('disconnected');
  await fillCart();
  await button('Chat checkout').click();
  await page.locator('main').getByText(/connect/i).first().waitFor();
  assert.ok(page.url().startsWith(shop.url), 'the buyer stays in the shop');
});

test("the Worker's own pages fit 320 px, load nothing, and have one heading", skip, async () => {
  const narrow = await openBrowser({ width: 320, height: 640 });
  try {
    for (const path of ['/', '/checkout/complete?session_id=cs_test_nothing', '/connect/nothing', '/connect/callback?state=nothing']) {
      const answer = await narrow.page.goto(worker.url + path);
      assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
      assert.equal(await narrow.page.locator('h1').count(), 1, path);
      const overflow = await narrow.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${path} is ${overflow} px too wide`);
    }
    await narrow.page.goto(worker.url);
    await narrow.shot('front');
    assert.deepEqual(narrow.problems.filter((text) => !/status of 40[04]/.test(text)), []);
  } finally {
    await narrow.close();
  }
});
