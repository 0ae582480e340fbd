// A merchant without a Stripe account, and the agents at Stripe: real Chromium, the demo shop, the Worker in workerd, the local Stripe.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startShop } from '../../sandbox/shop/index.mjs';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { noBrowser, openBrowser } from '../support/browser.mjs';
import { startWorker } from '../support/worker.mjs';

const skip = { skip: noBrowser };
let stripe, worker, shop, browser, page;
const violations = [];

before(async () => {
  if (noBrowser) return;
  stripe = await startStripe({ retryPauses: [20, 20] });
  worker = await startWorker({ stripe, host: 'localhost' });
  shop = await startShop({ port: 0, workerUrl: worker.url, stripeUrl: stripe.url });
  browser = await openBrowser({ width: 320, height: 640 });
  page = browser.page;
  // What a page's policy blocks, also where the console says nothing of it.
  await browser.context.exposeBinding('noteViolation', (_source, what) => violations.push(what));
  await browser.context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.noteViolation(`${event.violatedDirective} ${event.blockedURI} on ${location.href}`));
  });
});

after(async () => {
  await browser?.close();
  await shop?.close();
  await worker?.close();
  await stripe?.close();
});

const button = (name, where = page) => where.getByRole('button', { name });
const testCard = () => page.locator('section', { has: page.locator('#stripe-test') });

/** Nothing lies beyond the right edge, and every target can be hit by a finger (WCAG 2.2, 1.4.10 and 2.5.8). */
async function fits() {
  const { wide, small } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small: [...document.querySelectorAll('main button, main input:not([type=hidden], [type=radio], [type=checkbox]), main select, main .button')].map((e) => e.getBoundingClientRect()).filter(({ height }) => height > 0 && height < 44).length,
  }));
  assert.deepEqual({ wide, small }, { wide: 0, small: 0 }, page.url());
}

async function openForm() {
  await page.goto(`${shop.url}/admin/connectivity`);
  await testCard().getByText('I have no Stripe account yet…').click();
  await fits();
  await browser.shot('onboarding-shop');
  await button(/^Open a Stripe account/, testCard()).click();
  await page.waitForURL(`${worker.url}/connect/*`);
}

test('no account yet: by keyboard, a mistake, then Stripe\'s form, put off', skip, async () => {
  await openForm();
  await page.getByRole('heading', { name: 'Open a Stripe account for this shop?', level: 1 }).waitFor();
  await fits();
  await browser.shot('onboarding-consent');
  const email = page.getByLabel('Your e-mail address');
  assert.equal(await email.inputValue(), 'owner@harbour-lane.example', 'what the shop knows is there');
  assert.equal(await page.getByLabel('Country of your business').inputValue(), 'US');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'email');
  // A browser lets this pass; Stripe does not.
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('owner@nowhere');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Germany');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('Stripe did not make an account').waitFor();
  await fits();
  await browser.shot('onboarding-refused');
  assert.deepEqual([await email.inputValue(), await page.getByLabel('Country of your business').inputValue()], ['owner@nowhere', 'DE'], 'what was written is still there');
  await email.fill('owner@harbour-lane.example');
  await button('Continue to Stripe').click();
  await page.waitForURL(`${stripe.url}/setup/s/*`);
  await fits();
  await browser.shot('onboarding-stripe');
  await button('Save for later').click();
  await page.waitForURL(`${shop.url}/admin/connectivity`);
  await page.getByText(/^Connected: acct_/).waitFor();
  await testCard().getByText('does not let this account take payments yet').waitFor();
  await fits();
  await browser.shot('onboarding-half');
});

test('gone on with: the same account, finished', skip, async () => {
  const [{ account }] = await worker.d1("SELECT account FROM connections WHERE status = 'active'");
  await page.goto(`${shop.url}/admin/connectivity`);
  await button(/^Go on with the form/, testCard()).click();
  await page.getByRole('heading', { name: 'Finish your Stripe account for this shop?' }).waitFor();
  await fits();
  await browser.shot('onboarding-go-on');
  await button('Continue to Stripe').click();
  await page.waitForURL(`${stripe.url}/setup/s/*`);
  // Back, and on again: the link was used, so Stripe sends to another one.
  await page.goBack();
  await button('Continue to Stripe').click();
  await page.waitForURL(`${stripe.url}/setup/s/*`);
  await button('Submit').click();
  await page.waitForURL(`${shop.url}/admin/connectivity`);
  await page.getByText(`Connected: ${account}`).waitFor();
  assert.equal(await testCard().getByText('does not let this account take payments yet').count(), 0);
});

test('a link that is old leads to another by itself', skip, async () => {
  await page.goto(`${shop.url}/admin/connectivity`);
  const live = page.locator('section', { has: page.locator('#stripe-live') });
  await live.getByText('I have no Stripe account yet…').click();
  await button(/^Open a Stripe account/, live).click();
  await page.waitForURL(`${worker.url}/connect/*`);
  // The link is made, and its time passes before the browser gets it.
  stripe.misbehave({ on: 'POST /v2/core/account_links', how: 'hold_after', times: 1 });
  const pressed = button('Continue to Stripe').click();
  await stripe.holding(1);
  stripe.advance(6 * 60);
  await stripe.release();
  await pressed;
  await page.waitForURL(`${stripe.url}/setup/s/*`);
  await worker.logLine(({ route, status }) => route === 'connectRefresh' && status === 303);
  await button('Submit').click();
  await page.waitForURL(`${shop.url}/admin/connectivity`);
  await page.getByText(/^Connected: acct_.*live mode/).waitFor();
});

test('the settings: the component is mounted, an agent is switched on, nothing is blocked', skip, async () => {
  violations.length = 0;
  browser.problems.length = 0;
  await page.goto(`${shop.url}/admin/stripe-agents`);
  await page.getByText('None yet.').waitFor();
  await fits();
  await browser.shot('stripe-agents-none');
  await button('Open the settings').click();
  await page.waitForURL(`${worker.url}/agentic/settings/*`);
  const frame = page.frameLocator('#agents iframe');
  await frame.getByRole('heading', { name: 'Agents that sell for' }).waitFor();
  await fits();
  assert.equal(await page.locator('#state').isVisible(), false, 'nothing is loading any more');
  await browser.shot('agentic-settings');
  await frame.getByRole('checkbox', { name: 'I accept the terms of Errand' }).check();
  await frame.getByRole('button', { name: 'Sell with Errand' }).click();
  await frame.getByText('Waiting for the agent').waitFor();
  await browser.shot('agentic-settings-on');
  // No other page, frame or script of another origin gets at the session.
  const answers = await page.evaluate(async () => {
    const own = await fetch(location.pathname, { method: 'POST' });
    return [own.status, Object.keys(await own.json()).sort(), document.cookie];
  });
  assert.deepEqual(answers, [200, ['client_secret', 'expires_at', 'object'], ''], 'no script sees the cookie');
  assert.deepEqual(violations, []);
  assert.deepEqual(browser.problems, []);
  await page.reload();
  await page.getByRole('heading', { name: 'This link is no longer valid' }).waitFor();
  await fits();
  await browser.shot('agentic-settings-dead');
});

test('the shop sees the agreement, the agent agrees, the shop ends it', skip, async () => {
  await stripe.webhooks.drained();
  await page.goto(`${shop.url}/admin/stripe-agents`);
  await page.getByText('Confirmed by one side').waitFor();
  await fits();
  await browser.shot('stripe-agents');
  await page.goto(`${stripe.url}/dashboard/agreements`);
  await browser.shot('stripe-dashboard-agreements');
  await button('Accept as the agent').click();
  await page.getByText('The agreement is confirmed.').waitFor();
  await page.goto(`${shop.url}/admin/stripe-agents`);
  await page.getByText('May sell here', { exact: true }).waitFor();
  await button(/^End the agreement with Errand/).click();
  await page.getByText('Ended: the agreement with Errand.').waitFor();
  await page.getByText('Ended', { exact: true }).waitFor();
  await stripe.webhooks.drained();
  const told = await worker.d1("SELECT type FROM notices WHERE type LIKE 'agreement.%' ORDER BY type");
  assert.deepEqual(told.map(({ type }) => type), ['agreement.confirmed', 'agreement.created', 'agreement.partially_confirmed', 'agreement.terminated']);
});

test('Stripe away, and no script at all: the page says so', skip, async () => {
  stripe.misbehave({ on: 'POST /v1/account_sessions', how: '500', times: 1 });
  await page.goto(`${shop.url}/admin/stripe-agents`);
  await button('Open the settings').click();
  await page.getByRole('status').getByText('Stripe could not be reached').waitFor();
  await fits();
  await browser.shot('agentic-settings-away');

  const { context } = browser;
  const plain = await context.browser().newContext({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });
  try {
    const other = await plain.newPage();
    await other.goto(`${shop.url}/admin/stripe-agents`);
    await button('Open the settings', other).click();
    await other.getByText('need JavaScript').waitFor();
    await browser.shot('agentic-settings-no-script', other);
  } finally {
    await plain.close();
  }
});
