// The pages, as a browser without scripts uses them: fetch, fill in the form, send it, follow.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, PREVIEW, form, line, start } from './support.mjs';

const unescape = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[name]);

describe('Pages', () => {
  let stripe, call, authorizeUrl, merchant, session, shop;
  before(async () => {
    ({ stripe, call, authorizeUrl, merchant, session } = await start());
    shop = await merchant({ name: 'Tea & "Leaf" <shop>' });
  });
  after(() => stripe.close());

  const open = async (path, options = {}) => {
    const response = await fetch(new URL(path, stripe.url), { redirect: 'manual', ...options });
    return { status: response.status, text: await response.text(), location: response.headers.get('location'), headers: response.headers };
  };
  const send = (path, fields, headers = {}) => open(path, { method: 'POST', body: new URLSearchParams(fields), headers });
  const pageOf = (made) => `/checkout/c/pay/${made.id}`;
  /** What the page's form would send before anybody types: hidden fields and checked radios. */
  const filled = (text) => Object.fromEntries([...text.matchAll(/<input type="(hidden|radio)" name="(\w+)" value="([^"]*)"( checked)?/g)]
    .filter(([, type, , , checked]) => type === 'hidden' || checked).map(([, , name, value]) => [name, unescape(value)]));
  const card = { email: 'b@example.com', number: '4242 4242 4242 4242', exp: '12 / 34', cvc: '123', name: 'Bo', country: 'US', act: 'pay' };
  const reload = async (made) => (await call('GET', `/v1/checkout/sessions/${made.id}`, {}, { account: shop })).body;

  test('checkout shows merchant, items, quantities and total, escaped, under strict headers', async () => {
    const made = await session(shop, { cancel_url: 'https://shop.example/cart', line_items: [line(1450, { quantity: 2, name: '<b>Sencha</b>' })], custom_text: { submit: { message: 'Tea comes by post' } } });
    const { status, text, headers } = await open(pageOf(made));
    assert.equal(status, 200);
    for (const part of ['Tea &amp; &quot;Leaf&quot; &lt;shop&gt;', '&lt;b&gt;Sencha&lt;/b&gt;', 'Qty 2', '$29.00', '$14.50 each', 'Test mode', 'Pay $29.00', 'https://shop.example/cart', '4000 0025 0000 3155', 'Tea comes by post', 'Bank debit']) {
      assert.ok(text.includes(part), part);
    }
    assert.ok(!/<script|<b>Sencha/.test(text));
    assert.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/);
    assert.equal(headers.get('cache-control'), 'no-store');
  });

  test('every field has a label and every reference leads somewhere', async () => {
    const made = await session(shop, { phone_number_collection: { enabled: true }, shipping_address_collection: { allowed_countries: ['US'] }, billing_address_collection: 'required' });
    stripe.webhooks.pause();
    const disputed = await paid();
    await stripe.refund(disputed, { amount: 1 });
    await stripe.dispute(disputed);
    for (const path of [pageOf(made), '/dashboard', '/dashboard/trouble', '/dashboard/tokens', `/dashboard/accounts/${shop}`, `/dashboard/payments/${disputed}`, authorizeUrl()]) {
      const { text } = await open(path);
      const ids = [...text.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
      assert.equal(new Set(ids).size, ids.length, `${path}: ids are unique`);
      for (const [, tag] of text.matchAll(/<((?:input|select)\b[^>]*)>/g)) {
        if (/type="(hidden|radio|checkbox)"/.test(tag)) continue;
        const id = / id="([^"]+)"/.exec(tag)?.[1];
        assert.ok(text.includes(`<label for="${id}"`), `${path}: ${tag}`);
      }
      for (const [, about] of text.matchAll(/aria-describedby="([^"]+)"/g)) assert.ok(about.split(' ').every((id) => ids.includes(id)), about);
      assert.equal((text.match(/<h1/g) ?? []).length, 1, `${path}: one heading`);
      assert.ok(text.includes('<html lang="en">') && text.includes('<main'), path);
    }
    stripe.webhooks.resume();
  });

  test('a payment by form goes home to the shop', async () => {
    const made = await session(shop);
    const page = await open(pageOf(made));
    const done = await send(pageOf(made), { ...filled(page.text), ...card });
    assert.deepEqual([done.status, done.location], [303, `https://shop.example/thanks?session_id=${made.id}`]);
    const seen = await reload(made);
    assert.deepEqual([seen.payment_status, seen.customer_details.email, seen.customer_details.name], ['paid', 'b@example.com', 'Bo']);
    assert.match((await open(pageOf(made))).text, /all done/);
    assert.match((await send(pageOf(made), { ...filled(page.text), ...card })).text, /all done/, 'sent twice, charged once');
  });

  test('mistakes are said beside the field, what was typed stays', async () => {
    const made = await session(shop);
    const page = await open(pageOf(made));
    const wrong = await send(pageOf(made), { ...filled(page.text), ...card, number: '42', email: 'nobody', name: 'Bo "B"' });
    assert.equal(wrong.status, 422);
    assert.match(wrong.text, /id="number-error"/);
    assert.match(wrong.text, /id="email-error"/);
    assert.match(wrong.text, /value="Bo &quot;B&quot;"/);
    assert.equal((await reload(made)).payment_intent, null);
  });

  test('a decline is told and the page stays usable', async () => {
    const made = await session(shop);
    const page = await open(pageOf(made));
    const refused = await send(pageOf(made), { ...filled(page.text), ...card, number: '4000000000009995' });
    assert.equal(refused.status, 422);
    assert.match(refused.text, /role="alert">Your card has insufficient funds/);
    assert.ok(!refused.text.includes('4000000000009995'), 'the number is not sent back');
    assert.equal((await send(pageOf(made), { ...filled(refused.text), ...card })).status, 303);
  });

  test('the bank\'s page: refuse, then confirm', async () => {
    const made = await session(shop);
    const start_ = async () => {
      const page = await open(pageOf(made));
      return send(pageOf(made), { ...filled(page.text), ...card, number: '4000002500003155' });
    };
    const asked = await start_();
    assert.equal(asked.location, `${pageOf(made)}/bank`);
    assert.match((await open(asked.location)).text, /Confirm payment/);
    assert.match((await send(asked.location, { answer: 'no' })).text, /could not confirm/);
    await start_();
    assert.equal((await send(`${pageOf(made)}/bank`, { answer: 'yes' })).status, 303);
    assert.equal((await reload(made)).payment_status, 'paid');
  });

  test('a bank debit needs no card', async () => {
    const made = await session(shop);
    const page = await open(pageOf(made));
    const done = await send(pageOf(made), { ...filled(page.text), email: 'b@example.com', name: 'Bo', method: 'bank_debit_fails', act: 'pay' });
    assert.equal(done.status, 303);
    assert.equal((await reload(made)).payment_status, 'unpaid');
    const manual = await session(shop, { payment_intent_data: { capture_method: 'manual' } });
    assert.ok(!(await open(pageOf(manual))).text.includes('bank_debit'), 'not offered where it cannot work');
  });

  const rate = (display_name, amount) => ({ shipping_rate_data: { display_name, fixed_amount: { amount, currency: 'usd' }, delivery_estimate: { minimum: { unit: 'day', value: 1 } } } });

  test('nobody pays a total that was not shown: shipping and tax are asked back', async () => {
    const made = await session(shop, { automatic_tax: { enabled: true }, shipping_options: [rate('Post', 500), rate('Courier', 1500)], shipping_address_collection: { allowed_countries: ['CA', 'US'] } });
    const page = await open(pageOf(made));
    assert.match(page.text, /Enter your address/);
    const courier = [...page.text.matchAll(/name="shipping_option" value="(shr_\w+)"/g)][1][1];
    const address = { ship_name: 'Bo', ship_country: 'CA', ship_line1: '1 Rue', ship_city: 'Montréal', ship_postal_code: 'H1' };
    const first = await send(pageOf(made), { ...filled(page.text), ...card, ...address, shipping_option: courier });
    assert.equal(first.status, 422);
    assert.match(first.text, /The total is now \$27\.50/);
    assert.match(first.text, /value="Montréal"/);
    const second = await send(pageOf(made), { ...filled(first.text), ...card, ...address });
    assert.equal(second.status, 303);
    const seen = await reload(made);
    assert.deepEqual([seen.amount_total, seen.shipping_cost.amount_subtotal, seen.collected_information.shipping_details.address.city], [2750, 1500, 'Montréal']);
    const other = await session(shop, { shipping_options: [rate('Post', 500), rate('Courier', 1500)] });
    const rates = [...(await open(pageOf(other))).text.matchAll(/name="shipping_option" value="(shr_\w+)"/g)];
    const updated = await send(pageOf(other), { shipping_option: rates[1][1], act: 'update' });
    assert.match(updated.text, /Pay \$25\.00/);
  });

  test('expired and unknown checkouts have a page', async () => {
    const made = await session(shop, { cancel_url: 'https://shop.example/cart' });
    await stripe.expire(made.id);
    const { text } = await open(pageOf(made));
    assert.match(text, /has expired/);
    assert.match(text, /https:\/\/shop\.example\/cart/);
    assert.equal((await open('/checkout/c/pay/cs_test_none')).status, 404);
    assert.equal((await open('/nowhere')).status, 404);
  });

  test('the OAuth page: choose, deny, or open a new account filled in from the shop', async () => {
    const url = authorizeUrl({ stripe_user: { business_name: 'Fresh & New', email: 'f@example.com', country: 'DE' } });
    const { text } = await open(url);
    assert.match(text, /Fresh &amp; New/);
    assert.ok(text.includes(shop));
    const chosen = await send(url, { account: shop, decision: 'approve' });
    assert.equal(chosen.status, 303);
    assert.ok(chosen.location.startsWith(`${CALLBACK}?scope=read_write&code=ac_`));
    assert.match((await send(url, { account: shop, decision: 'deny' })).location, /error=access_denied/);
    assert.equal((await send(url, { account: 'acct_1None', decision: 'approve' })).status, 422);
    const fresh = await send(url, { account: 'new', name: 'Fresh & New', email: 'f@example.com', country: 'DE', decision: 'approve' });
    const code = new URL(fresh.location).searchParams.get('code');
    const { body } = await call('POST', '/oauth/token', { grant_type: 'authorization_code', code });
    const made = stripe.books().accounts.find(({ id }) => id === body.stripe_user_id);
    assert.deepEqual([made.business_profile.name, made.email, made.country], ['Fresh & New', 'f@example.com', 'DE']);
    await stripe.createAccount({ name: 'Live only', livemode: true });
    assert.ok(!(await open(url)).text.includes('Live only'));
    assert.match((await open(authorizeUrl({}, true))).text, /Live only/);
  });

  // -- the Dashboard ---------------------------------------------------------------------------------------------

  const deed = async (fields) => {
    const { status, location } = await send('/dashboard/do', fields);
    assert.equal(status, 303);
    return decodeURIComponent(location.split('note=')[1]);
  };
  const paid = async (data = {}, pay = {}) => {
    const made = await session(shop, { payment_intent_data: data });
    await stripe.pay(made.id, pay);
    return (await reload(made)).payment_intent;
  };
  const intent = (id) => stripe.books().payment_intents.find((entry) => entry.id === id);

  test('a person refunds, captures, cancels and lets the bank decide', async () => {
    const one = await paid({ application_fee_amount: 100 });
    const back = `/dashboard/payments/${one}`;
    assert.match((await open(back)).text, /give the application fee back/);
    assert.equal(await deed({ do: 'refund', id: one, amount: '400', fee: '1', back }), 'Refunded.');
    assert.match((await open(back)).text, /partly refunded/);
    assert.match(await deed({ do: 'refund', id: one, amount: '601', back }), /^That did not work/);
    const held = await paid({ capture_method: 'manual' });
    assert.match((await open(`/dashboard/payments/${held}`)).text, /Cancel the authorization/);
    assert.equal(await deed({ do: 'capture', id: held, amount: '300' }), 'Captured.');
    assert.equal(intent(held).amount_received, 300);
    const other = await paid({ capture_method: 'manual' });
    assert.equal(await deed({ do: 'cancel', id: other }), 'Canceled.');
    assert.equal(intent(other).status, 'canceled');
    const debit = await paid({}, { card: 'bank_debit_succeeds' });
    assert.equal(await deed({ do: 'settle', id: debit, result: 'succeed' }), 'The bank has paid.');
    assert.equal(intent(debit).status, 'succeeded');
    const { text } = await open(`/dashboard/accounts/${shop}`);
    for (const id of [one, held, other, debit]) assert.ok(text.includes(id));
  });

  test('refunds that wait, disputes and what became of the fee are shown, and a person decides them', async () => {
    const one = await paid({ application_fee_amount: 100 });
    const back = `/dashboard/payments/${one}`;
    const page = async () => (await open(back)).text;
    await deed({ do: 'refund', id: one, amount: '400', fee: '1', pending: '1', back });
    assert.match(await page(), /Application fee given back[\s\S]*\$0\.40/);
    assert.match(await page(), /Succeeds/);
    const [{ id: refund }] = stripe.books().refunds.filter((entry) => entry.payment_intent === one);
    assert.equal(await deed({ do: 'settleRefund', refund, status: 'failed' }), 'The refund has failed.');
    assert.match(await page(), /expired_or_canceled_card/);
    assert.equal(await deed({ do: 'dispute', id: one, inquiry: '1' }), 'The bank asks about this payment.');
    assert.match(await page(), /Becomes a dispute/);
    const [{ id: dispute }] = stripe.books().disputes.filter((entry) => entry.payment_intent === one);
    assert.equal(await deed({ do: 'moveDispute', dispute, status: 'needs_response' }), 'The dispute is needs_response.');
    assert.match(await deed({ do: 'moveDispute', dispute, status: 'warning_closed' }), /^That did not work/);
    const merchantPage = (await open(`/dashboard/accounts/${shop}`)).text;
    assert.match(merchantPage, /dispute needs response/);
    assert.match(merchantPage, /\$0\.40 back/);
    assert.equal(await deed({ do: 'moveDispute', dispute, status: 'lost' }), 'The dispute is lost.');
    assert.ok(!(await page()).includes('value="moveDispute"'), 'nothing is left to decide');
  });

  test('a person lets time pass, details go missing, and events go astray', async () => {
    const other = await merchant({ name: 'Elsewhere' });
    assert.equal(await deed({ do: 'details', id: other }), 'The details are missing, and charges are off.');
    assert.match((await open(`/dashboard/accounts/${other}`)).text, /details missing/);
    const { data: { object } } = stripe.books().events.findLast(({ type }) => type === 'account.updated');
    assert.deepEqual([object.id, object.details_submitted, object.charges_enabled], [other, false, false]);
    assert.equal(await deed({ do: 'details', id: other }), 'The details are in, and charges are on.');
    await deed({ do: 'misdeliver', on: 'refund.*', how: 'late', times: '1', ms: '5' });
    assert.match((await open('/dashboard/trouble')).text, /sent after a while/);
    await deed({ do: 'clear' });
    assert.match((await open('/dashboard/trouble')).text, /None goes astray/);
    await deed({ do: 'pause' });
    assert.match((await open('/dashboard/trouble')).text, /Send one by one/);
    assert.equal(await deed({ do: 'deliver', order: 'reversed' }), 'Nothing was waiting.');
    const held = await paid({ capture_method: 'manual' });
    assert.match(await deed({ do: 'advance', seconds: String(7 * 86_400 + 60) }), /^It is now \d{4}-/);
    assert.deepEqual([intent(held).status, intent(held).cancellation_reason], ['canceled', 'expired']);
  });

  const byApi = async (token, more = {}) => {
    const { body } = await call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token }, ...more }, { account: shop, version: PREVIEW });
    return body.error?.payment_intent ?? body;
  };

  test('a person mints a token, sees what was paid with it, and takes another back', async () => {
    const back = '/dashboard/tokens';
    assert.match((await open(back)).text, /None yet[\s\S]*<\/main>/);
    const mint = async (more = {}) => /spt_\w+/.exec(await deed({ do: 'grantToken', account: shop, live: '', card: '4242424242424242', max: '5000', currency: 'usd', minutes: '5', back, ...more }))?.[0];
    const [used, idle, live, declined] = [await mint(), await mint(), await mint({ live: '1' }), await mint({ card: '4000000000000002', currency: 'EUR' })];
    const { usage_limits: limits } = stripe.books().granted_tokens.find(({ id }) => id === used);
    assert.deepEqual([limits.max_amount, limits.currency, limits.expires_at - stripe.world.now()], [5000, 'usd', 300]);
    const paid = await byApi(used);
    const { text } = await open(back);
    for (const part of [used, idle, live, declined, '$50.00', '€50.00', 'consumed', 'active', `/dashboard/payments/${paid.id}`]) assert.ok(text.includes(part), part);
    assert.equal((text.match(/value="revokeToken"/g) ?? []).length, 3, 'what is spent cannot be taken back');
    assert.match(await deed({ do: 'revokeToken', id: idle, back }), /^Revoked/);
    assert.match(await deed({ do: 'revokeToken', id: used, back }), /^That did not work/);
    assert.match((await open(back)).text, /revoked/);
    for (const wrong of [{ max: '0' }, { currency: 'x' }, { card: 'none' }, { account: 'acct_none' }]) assert.equal(await mint(wrong), undefined, JSON.stringify(wrong));
    const payment = (await open(`/dashboard/payments/${paid.id}`)).text;
    assert.ok(payment.includes(used), 'the payment names its token');
    assert.equal(await deed({ do: 'refund', id: paid.id, amount: '1000' }), 'Refunded.');
    assert.ok((await open(`/dashboard/accounts/${shop}`)).text.includes(paid.id));
    const debit = await byApi(await stripe.grantToken({ account: shop, maxAmount: 1000, card: 'bank_debit_fails' }));
    assert.equal(await deed({ do: 'settle', id: debit.id, result: 'succeed' }), 'The bank has paid.');
    assert.equal(intent(debit.id).status, 'succeeded');
  });

  test('the bank\'s page: a person confirms or refuses, and goes home with the outcome', async () => {
    const ask = async (more) => byApi(await stripe.grantToken({ account: shop, maxAmount: 1000, card: '4000000000003220' }), more);
    const one = await ask({ return_url: 'https://shop.example/back?a=b' });
    assert.match((await open(`/dashboard/payments/${one.id}`)).text, /spt_\w+[\s\S]*Answer the bank/);
    const path = new URL(one.next_action.redirect_to_url.url).pathname;
    const page = await open(path);
    assert.match(page.text, /\$10\.00 to Tea &amp; &quot;Leaf&quot; &lt;shop&gt;/);
    const yes = await send(path, { answer: 'yes' });
    const home = new URL(yes.location);
    assert.deepEqual([yes.status, home.origin, Object.fromEntries(home.searchParams)], [303, 'https://shop.example', { a: 'b', payment_intent: one.id, payment_intent_client_secret: one.client_secret, redirect_status: 'succeeded' }]);
    assert.equal(intent(one.id).status, 'succeeded');
    assert.match((await send(path, { answer: 'no' })).text, /nothing to confirm/, 'answered once');
    const two = await ask({ return_url: 'https://shop.example/back' });
    assert.match((await send(`/authenticate/${two.id}`, { answer: 'no' })).location, /redirect_status=failed/);
    assert.equal(intent(two.id).status, 'requires_payment_method');
    const three = await ask();
    assert.match((await send(`/authenticate/${three.id}`, { answer: 'yes' })).text, /The payment goes on/);
    const four = await ask();
    assert.match((await send(`/authenticate/${four.id}`, { answer: 'no' })).text, /Not confirmed/);
    assert.match((await open(`/authenticate/${four.id}`)).text, /nothing to confirm/);
    assert.equal((await open('/authenticate/pi_3None')).status, 404);
    const five = await ask();
    assert.equal((await send(`/authenticate/${five.id}`, { answer: 'yes' }, { 'Sec-Fetch-Site': 'cross-site' })).status, 403, 'no other site answers for the buyer');
    assert.equal(intent(five.id).status, 'requires_action');
  });

  test('events, resending, requests, trouble, disconnecting', async () => {
    await paid();
    const [event] = stripe.books().events.slice(-1);
    assert.match((await open('/dashboard/events')).text, new RegExp(event.id));
    assert.match((await open(`/dashboard/events/${event.id}`)).text, /&quot;checkout\.session\.completed&quot;/);
    assert.equal(await deed({ do: 'resend', id: event.id }), 'Nobody listens for this event.');
    assert.equal(await deed({ do: 'resend', id: event.id, thin: '1' }), 'Nobody listens for this event.');
    const requests = await open('/dashboard/requests');
    assert.match(requests.text, /POST \/v1\/checkout\/sessions/);
    assert.ok(!requests.text.includes(stripe.keys.test.secret), 'no key on a page');
    await deed({ do: 'misbehave', on: 'POST /v1/checkout/sessions', how: '500', times: '1', ms: '1' });
    assert.match((await open('/dashboard/trouble')).text, /answer 500 without doing the work/);
    await assert.rejects(session(shop));
    await deed({ do: 'misbehave', on: '', how: '500', times: '5' });
    await deed({ do: 'clear' });
    await session(shop);
    const gone = await merchant();
    assert.match((await open(`/dashboard/accounts/${gone}`)).text, /Disconnect/);
    await deed({ do: 'disconnect', id: gone, live: '' });
    assert.equal((await call('GET', '/v1/account', {}, { account: gone })).status, 403);
  });

  test('forms of other sites are refused, and nobody is sent elsewhere', async () => {
    const one = await paid();
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, { Origin: 'https://evil.example' }, { Origin: 'null' }]) {
      assert.equal((await send('/dashboard/do', { do: 'refund', id: one }, headers)).status, 403);
    }
    assert.equal(intent(one).status, 'succeeded');
    const away = await send('/dashboard/do', { do: 'clear', back: '//evil.example' });
    assert.ok(away.location.startsWith('/dashboard?'));
    assert.equal((await send('/dashboard/do', { do: 'constructor' })).status, 400);
  });
});

test('form() of the helpers writes brackets', () => assert.equal(form({ a: [{ b: 1 }] }), 'a%5B0%5D%5Bb%5D=1'));
