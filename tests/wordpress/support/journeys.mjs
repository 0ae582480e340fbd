// The walks of the example plugin with the running Worker and the local Stripe. The same walks serve every kind of
// shop: the doubles of WordPress, with and without WooCommerce, and a real WordPress.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { startStripe } from '../../../sandbox/stripe/index.mjs';
import { startWorker } from '../../support/worker.mjs';
import { browser, press } from './php.mjs';

const products = { 20: { name: 'Mug', price: '20.00' }, 21: { name: 'Spoon', price: '3.33' } };
const cart = [
  { product_id: 20, quantity: 1 },
  { product_id: 21, quantity: 3 },
];

export function journeys(name, start, { skip = false, woo = false } = {}) {
  // As one test that is skipped: a skipped suite is in nobody's figures.
  if (skip) return test(name, { skip }, () => {});
  return describe(name, () => {
    let stripe, worker, shop, merchant;
    before(async () => {
      stripe = await startStripe({ port: 0, retryPauses: [] });
      worker = await startWorker({ stripe });
      shop = await start({ workerUrl: worker.url, config: { products, cart, currency: 'usd' } });
      merchant = (await stripe.createAccount({ name: 'Mug & Spoon', country: 'US', charges_enabled: true, details_submitted: true })).id;
    });
    after(async () => {
      await shop?.close();
      await worker?.close();
      await stripe?.close();
      if (shop) assert.deepEqual(shop.complaints(), []);
    });

    /** Pressing Connect, until Stripe's page. */
    async function begin(visit, more = {}) {
      const pressed = await press(visit, shop.page, 'cognitive_cart_connect', { mode: 'test', ...more });
      assert.equal(pressed.status, 302);
      if (!pressed.location.startsWith(worker.url)) return { refused: pressed };
      const consent = await visit(pressed.location);
      assert.equal(consent.status, 200);
      assert.ok(consent.text.includes(new URL(shop.url).host), 'the consent page names the shop');
      const [form] = consent.forms();
      const led = await visit(form.action, { form: form.fields });
      assert.ok(led.location?.startsWith(stripe.url), `${led.status} ${led.location}`);
      return { authorizeUrl: led.location };
    }
    /** From Stripe's page to the page in the admin, by way of the Worker. */
    async function comeBack(visit, authorizeUrl, choice) {
      const { location } = await stripe.authorize({ authorizeUrl, ...choice });
      const callback = await visit(location);
      return callback.location;
    }
    const noticeAt = async (visit, url) => {
      const landed = await visit(url);
      assert.equal(landed.status, 302, landed.text.slice(0, 300));
      assert.ok(!landed.location.includes('cc_claim'), 'the claim leaves the address bar');
      return (await visit(landed.location)).text;
    };
    /** The buyer pays at Stripe and follows every redirect home. */
    async function payAndComeHome(session) {
      const paid = await stripe.pay(session.id, { card: '4242424242424242', email: 'buyer@example.com' });
      assert.equal(paid.ok, true, JSON.stringify(paid));
      const visit = browser();
      const completed = await visit(paid.location);
      assert.equal(completed.status, 303, completed.text);
      assert.ok(completed.location.startsWith(`${shop.url}/`));
      return { home: completed.location, landed: await visit(completed.location), visit };
    }
    const thanked = (landed) => (woo ? landed.status === 302 && /order-received/.test(landed.location) : landed.status === 200 && /Thank you/.test(landed.text));
    const completions = (order) => shop.log('payment_complete').filter((entry) => entry.order === String(order));
    const sentToStripe = () => stripe.requests.filter((r) => r.route === 'POST /v1/checkout/sessions').at(-1).params;
    const api = async (path) => (await worker.api('GET', path, { key: (await shop.option('cognitive_cart_shop')).api_key })).body;

    test('before connecting: no challenge, no checkout, nothing in the manifest', async () => {
      assert.equal((await fetch(`${shop.rest}/challenge`)).status, 404);
      assert.deepEqual(await shop.manifest(), {});
      const { status, body } = await shop.agent({ line_items: [{ product_id: 20, quantity: 1 }] });
      assert.equal(status, 503);
      assert.equal(body.code, 'checkout_unavailable');
    });

    test('only an admin reaches the page, and only its own form connects', async () => {
      const nobody = browser();
      assert.equal((await nobody(shop.page)).status, 302);
      const admin = await shop.admin(1);
      const forged = await admin(`${shop.url}/wp-admin/admin-post.php`, { form: { action: 'cognitive_cart_connect', mode: 'test' } });
      assert.equal(forged.status, 403);
      const subscriber = await shop.admin(3);
      const page = await subscriber(shop.page);
      assert.equal(page.status, 403);
      assert.equal(await shop.option('cognitive_cart_shop'), false);
    });

    test('Connect registers the shop, and the Worker verifies it through the challenge route', async () => {
      const visit = await shop.admin(1);
      await begin(visit);
      const kept = await shop.option('cognitive_cart_shop');
      assert.match(kept.api_key, /^ccs_/);
      const now = await api('/v1/shop');
      assert.equal(now.status, 'active');
      assert.equal(now.site_url, shop.url);
      assert.deepEqual(await (await fetch(`${shop.rest}/challenge`)).json(), { challenge: kept.challenge });
      // Once is enough: pressing again uses the same account.
      await begin(visit);
      assert.equal((await shop.option('cognitive_cart_shop')).id, kept.id);
    });

    test('verified, but Stripe is not connected: the visitor is told, the manifest stays empty', async () => {
      const { status, body } = await shop.chat();
      assert.deepEqual([status, body.code], [409, 'not_connected']);
      assert.deepEqual(await shop.manifest(), {});
    });

    test('a merchant who does not agree at Stripe comes back to a plain word', async () => {
      const visit = await shop.admin(1);
      const { authorizeUrl } = await begin(visit);
      const text = await noticeAt(visit, await comeBack(visit, authorizeUrl, { deny: true }));
      assert.match(text, /You did not give access at Stripe/);
    });

    test('Stripe down at the last step: nothing is connected, and the page says what to do', async () => {
      const visit = await shop.admin(1);
      const { authorizeUrl } = await begin(visit);
      stripe.misbehave({ on: 'POST /oauth/token', how: '500', times: 1 });
      const back = await comeBack(visit, authorizeUrl, { account: merchant });
      stripe.clearMisbehaviour();
      assert.match(back, /cc_code=stripe_unavailable/);
      assert.match(await noticeAt(visit, back), /Stripe did not answer\. Nothing was connected/);
    });

    test("a stranger's claim, slipped to the admin, connects nothing", async () => {
      // An admin with a connection begun, then another log-in that gets as far as a claim for its own Stripe account.
      const victim = await shop.admin(1, 'another-session');
      const mine = await comeBack(victim, (await begin(victim)).authorizeUrl, { deny: true });
      const thief = await shop.admin(2);
      const theirs = await comeBack(thief, (await begin(thief)).authorizeUrl, { newAccount: true });
      assert.match(theirs, /cc_claim=/);
      assert.match(await noticeAt(victim, theirs), /belongs to another session/);
      // Even with the victim's own nonce: the verifier of this log-in does not fit the claim, and the claim is dead.
      const grafted = new URL(theirs);
      grafted.searchParams.set('cc_nonce', new URL(mine).searchParams.get('cc_nonce'));
      assert.match(await noticeAt(victim, grafted.href), /not started in your session, so it was refused/);
      assert.doesNotMatch(await noticeAt(thief, theirs), /Stripe is connected/);
      assert.equal((await api('/v1/connection?mode=test')).connected, false);
    });

    test('the whole way: Connect, consent, Stripe, back, confirmed, and the manifest is filled', async () => {
      const visit = await shop.admin(1);
      const { authorizeUrl } = await begin(visit);
      const back = await comeBack(visit, authorizeUrl, { account: merchant });
      assert.ok(back.startsWith(`${shop.url}/wp-admin/`));
      const text = await noticeAt(visit, back);
      assert.match(text, /Stripe is connected\./);
      assert.ok(text.includes(merchant), 'the page names the account');
      assert.equal((await api('/v1/connection?mode=test')).account, merchant);
      // Nothing left with which to confirm again, and nothing secret on the page.
      assert.match(await noticeAt(visit, back), /not started in your session/);
      const kept = await shop.option('cognitive_cart_shop');
      for (const secret of [kept.api_key, kept.signing_secret]) assert.ok(!text.includes(secret));

      const manifest = await shop.manifest();
      assert.equal(manifest.checkoutCreateSessionEndpoint, `${shop.rest}/checkout/create-session`);
      assert.ok(manifest.checkoutCompleteUrlTemplate.startsWith(worker.url));
      assert.ok(manifest.checkoutCompleteUrlTemplate.includes('{CHECKOUT_SESSION_ID}'));
    });

    test('the manifest is kept for a while: a second reader costs the Worker nothing', async () => {
      const before = shop.log('http').length;
      await shop.manifest();
      assert.equal(shop.log('http').length, before);
    });

    test("the visitor's cart is sold, paid, and comes home", async () => {
      const { status, body } = await shop.chat();
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(body.amount_total, 2999);
      const { landed } = await payAndComeHome(body);
      assert.ok(thanked(landed), `${landed.status} ${landed.location} ${landed.text}`);
      assert.equal(completions(body.order_id).length, 1);
      const { data } = await api(`/v1/transactions?order_id=${body.order_id}`);
      assert.equal(data.length, 1);
      assert.deepEqual([data[0].source, data[0].status, data[0].amount], ['chat', 'paid', 2999]);
      assert.equal(completions(body.order_id)[0].transaction, data[0].id);
    });

    test('an agent that sends one cent for a mug of 20 dollars is charged 20 dollars', async () => {
      const { status, body } = await shop.agent({
        source: 'Claude',
        line_items: [{ product_id: 20, name: 'Mug, reduced', amount_total: 1, unit_amount: 1, quantity: 1 }],
        amount_total: 1,
        currency: 'jpy',
        success_url: 'https://evil.example/thanks',
        cancel_url: 'https://evil.example/',
      });
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(body.amount_total, 2000);
      assert.equal(body.currency, 'usd');
      assert.deepEqual(
        body.line_items.map(({ name, amount_total }) => [name, amount_total]),
        [['Mug', 2000]],
      );
      const { home, landed } = await payAndComeHome(body);
      assert.ok(home.startsWith(shop.url));
      assert.ok(thanked(landed));
      const intent = stripe.books().payment_intents.find((pi) => pi.metadata?.cc_transaction === completions(body.order_id)[0].transaction);
      assert.deepEqual([intent.amount, intent.amount_received, intent.currency], [2000, 2000, 'usd']);
      const { data } = await api(`/v1/transactions?order_id=${body.order_id}`);
      assert.deepEqual([data[0].source, data[0].agent, data[0].amount], ['agent', 'Claude', 2000]);
    });

    test('the signature of the way home holds; altered it is refused; again it pays nothing twice', async () => {
      const { body } = await shop.agent({ line_items: [{ product_id: 21, quantity: 2 }] });
      const paid = await stripe.pay(body.id, { card: '4242424242424242', email: 'buyer@example.com' });
      const { location } = await browser()(paid.location);
      for (const [what, value] of [
        ['status', 'authorized'],
        ['amount_total', '1'],
        ['order_id', `${body.order_id}0`],
        ['livemode', 'true'],
        ['t', '1'],
        ['signature', '0'.repeat(64)],
      ]) {
        const altered = new URL(location);
        altered.searchParams.set(what, value);
        assert.equal((await browser()(altered.href)).status, 400, what);
      }
      assert.equal(completions(body.order_id).length, 0);
      for (let i = 0; i < 3; i++) assert.ok(thanked(await browser()(location)));
      // And by way of the Worker once more, with a fresh signature.
      const again = await browser()(paid.location);
      assert.ok(thanked(await browser()(again.location)));
      assert.equal(completions(body.order_id).length, 1);
    });

    test('a buyer who pays and never comes back: the look-up completes the order', async () => {
      const { body } = await shop.agent({ line_items: [{ product_id: 20, quantity: 1 }] });
      await stripe.pay(body.id, { card: '4242424242424242', email: 'buyer@example.com' });
      await stripe.webhooks.drained();
      await shop.cron();
      assert.equal(completions(body.order_id).length, 1);
    });

    test('the answer to creating the session is lost at Stripe: one session, one transaction, one sale', async () => {
      const before = stripe.books().sessions.length;
      stripe.misbehave({ on: 'POST /v1/checkout/sessions', how: 'drop_after', times: 1 });
      const { status, body } = await shop.agent({ line_items: [{ product_id: 20, quantity: 1 }] });
      stripe.clearMisbehaviour();
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(stripe.books().sessions.length, before + 1);
      assert.ok(thanked((await payAndComeHome(body)).landed));
      assert.equal((await api(`/v1/transactions?order_id=${body.order_id}`)).data.length, 1);
      assert.equal(completions(body.order_id).length, 1);
    });

    for (const [currency, price, decimals, minor] of [
      ['isk', '1234', 0, 123400],
      ['ugx', '25000', 0, 2500000],
      ['kwd', '1.230', 3, 1230],
      ['jpy', '500', 0, 500],
    ]) {
      test(`${price} ${currency.toUpperCase()} arrives at Stripe as ${minor}, and comes home as that`, async () => {
        shop.set({ currency, decimals, products: { 30: { name: 'Thing', price } } });
        try {
          const { status, body } = await shop.agent({ line_items: [{ product_id: 30, quantity: 2, amount_total: 1 }] });
          assert.equal(status, 201, JSON.stringify(body));
          const { price_data: sent, quantity } = sentToStripe().line_items[0];
          assert.equal(sent.currency, currency);
          assert.equal(Number(sent.unit_amount ?? sent.unit_amount_decimal) * Number(quantity), minor * 2);
          const { landed } = await payAndComeHome(body);
          assert.ok(thanked(landed), landed.text);
          const session = stripe.books().sessions.find((s) => s.id === body.id);
          assert.deepEqual([session.amount_total, session.currency], [minor * 2, currency]);
          assert.equal(completions(body.order_id).length, 1);
        } finally {
          shop.set({ currency: 'usd', decimals: 2, products });
        }
      });
    }

    test('Disconnect ends the access at Stripe and empties the manifest', async () => {
      const visit = await shop.admin(1);
      const stop = await press(visit, shop.page, 'cognitive_cart_disconnect', { mode: 'test' });
      assert.match((await visit(stop.location)).text, /Stripe is disconnected\./);
      assert.equal((await api('/v1/connection?mode=test')).connected, false);
      assert.equal(stripe.books().connections.filter((c) => c.account === merchant && !c.livemode).length, 0);
      assert.deepEqual(await shop.manifest(), {});
    });

    test('every call to the Worker had 20 seconds and followed nowhere', () => {
      const calls = shop.log('http').filter((c) => c.url.startsWith(worker.url));
      assert.ok(calls.length > 20);
      for (const call of calls) {
        assert.ok(call.timeout > 5, `${call.url}: ${call.timeout}`);
        assert.equal(call.redirection, 0);
      }
    });

    test("no secret of the shop is in the Worker's log", async () => {
      const kept = await shop.option('cognitive_cart_shop');
      for (const secret of [kept.api_key, kept.signing_secret]) assert.ok(!worker.logs().text.includes(secret));
    });
  });
}
