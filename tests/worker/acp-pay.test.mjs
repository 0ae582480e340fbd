// Contract, *ACP*: an agent pays. Declines, banks that want to see the buyer, stock, lost answers, races; and that the books agree.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, agentShop, payBody, speaker } from '../support/agent.mjs';
import { settleAll } from '../support/faults.mjs';
import { startWorker } from '../support/worker.mjs';

const ROUTE = 'POST /v1/payment_intents';
let stripe, w, s;

before(async () => {
  stripe = await startStripe({ retryPauses: [10] });
  w = await startWorker({ stripe });
  s = await agentShop(w, stripe);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await s?.shop.close();
});

/** Another Worker with other variables, its own Stripe and a shop. */
async function apart(t, vars) {
  const its = await startStripe({ retryPauses: [10] });
  const own = await startWorker({ stripe: its, vars });
  const o = await agentShop(own, its);
  t.after(() => Promise.all([own.close(), its.close(), o.shop.close()]));
  return { own, stripe: its, o };
}

const token = (more = {}) => stripe.grantToken({ account: s.account, maxAmount: 1_000_000, ...more });
const stock = async (id) => (await w.d1('SELECT p.inventory_quantity AS n FROM products p JOIN catalogues c ON c.generation = p.generation WHERE c.shop_id = ? AND c.state = ? AND p.id = ?', s.shop.id, 'live', id))[0].n;
const held = async (id) => (await w.d1('SELECT coalesce(sum(quantity), 0) AS n FROM stock_holds WHERE holder = ?', id))[0].n;
const rowOf = async (session) => (await w.d1('SELECT * FROM transactions WHERE checkout_session = ?', session))[0];
const paymentsOf = async (session) => {
  const row = await rowOf(session);
  return stripe.payments().filter(({ cc_transaction }) => row && cc_transaction === row.id);
};
const succeeded = async (session) => (await paymentsOf(session)).filter(({ status }) => status === 'succeeded');
const messagesOf = (body) => body.messages.map(({ code }) => code).filter(Boolean);

/** A checkout that is ready to be paid. */
async function ready(items = [{ id: 'mug', quantity: 1 }], more = {}, by = s) {
  const made = await by.call('POST', '/checkout_sessions', { line_items: items, currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS }, ...more });
  assert.equal(made.status, 201, made.text);
  assert.equal(made.body.status, 'ready_for_payment', made.text);
  return made.body;
}
const complete = (id, body, options) => s.call('POST', `/checkout_sessions/${id}/complete`, body, options);
const read = async (id) => (await s.call('GET', `/checkout_sessions/${id}`)).body;

describe('paying', () => {
  test('the money, the row, the order and the stock agree', async () => {
    const before = await stock('mug');
    const session = await ready([{ id: 'mug', quantity: 2 }, { id: 'tea', quantity: 1 }], { discounts: { codes: ['SAVE10'] } });
    const answer = await complete(session.id, payBody(await token()));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.status, 'completed');
    const total = session.totals.find(({ type }) => type === 'total').amount;
    const [payment] = await succeeded(session.id);
    const row = await rowOf(session.id);
    assert.deepEqual(
      [payment.amount, row.amount, row.amount_captured, row.status, row.source, row.agent, row.protocol, row.account],
      [total, total, total, 'paid', 'agent', 'Claude', 'acp', s.account],
    );
    const parts = JSON.parse(row.extras);
    const sum = (list) => list.reduce((all, { amount, amount_total }) => all + (amount ?? amount_total), 0);
    assert.equal(sum(JSON.parse(row.line_items)) + sum(parts.shipping) + sum(parts.taxes) - sum(JSON.parse(row.discounts)), total, 'the parts in the ledger sum up');
    assert.equal(answer.body.order.checkout_session_id, session.id);
    assert.match(answer.body.order.permalink_url, new RegExp(`/orders/${answer.body.order.id}$`));
    assert.equal(await stock('mug'), before - 2);
    assert.equal(await held(session.id), 0);
    assert.deepEqual(await w.d1('SELECT id FROM orders WHERE transaction_id = ?', row.id), [{ id: answer.body.order.id }]);
  });

  test('the shop hears of it once, with buyer and address', async () => {
    const session = await ready();
    await complete(session.id, payBody(await token()));
    const notices = await w.d1("SELECT object FROM notices WHERE transaction_id = (SELECT id FROM transactions WHERE checkout_session = ?) AND type = 'transaction.paid'", session.id);
    assert.equal(notices.length, 1);
    const { customer, shipping_details } = JSON.parse(notices[0].object);
    assert.deepEqual([customer.email, customer.name, shipping_details.address.city], ['ada@buyer.example', 'Ada Buyer', 'San Francisco']);
  });

  test('what is digital needs no address', async () => {
    const made = await s.call('POST', '/checkout_sessions', { line_items: [{ id: 'book', quantity: 1 }], currency: 'usd', capabilities: {} });
    assert.equal(made.body.status, 'ready_for_payment', made.text);
    const answer = await complete(made.body.id, payBody(await token()));
    assert.equal(answer.body.status, 'completed', answer.text);
  });

  test('the platform takes its fee', async (t) => {
    const { own, stripe, o } = await apart(t, { FEE_BPS: '250', FEE_FIXED: 'usd=30' });
    const session = await ready(undefined, {}, o);
    const granted = await stripe.grantToken({ account: o.account, maxAmount: 1_000_000 });
    const answer = await o.call('POST', `/checkout_sessions/${session.id}/complete`, payBody(granted));
    assert.equal(answer.body.status, 'completed', answer.text);
    const [row] = await own.d1('SELECT * FROM transactions WHERE checkout_session = ?', session.id);
    assert.equal(row.application_fee_amount, Math.floor((row.amount * 250) / 10_000) + 30);
    assert.equal(stripe.payments().find(({ cc_transaction }) => cc_transaction === row.id).application_fee_amount, row.application_fee_amount);
  });

  test('a destination charge goes to the shop\'s account by the platform\'s token', async (t) => {
    const { own, stripe, o } = await apart(t, { CHARGE_TYPE: 'destination' });
    const session = await ready(undefined, {}, o);
    const answer = await o.call('POST', `/checkout_sessions/${session.id}/complete`, payBody(await stripe.grantToken({ maxAmount: 1_000_000 })));
    assert.equal(answer.body.status, 'completed', answer.text);
    const [row] = await own.d1('SELECT * FROM transactions WHERE checkout_session = ?', session.id);
    assert.deepEqual([row.charge_type, row.status], ['destination', 'paid']);
  });
});

describe('what the bank says', () => {
  test('declined: the checkout can be paid with another card, as the same transaction', async () => {
    const session = await ready();
    const first = await complete(session.id, payBody(await token({ card: 'pm_card_chargeDeclined' })));
    assert.equal(first.status, 200, first.text);
    assert.deepEqual([first.body.status, messagesOf(first.body), first.body.order], ['ready_for_payment', ['payment_declined'], undefined]);
    assert.equal(await held(session.id), 0, 'what was held is given back');
    const second = await complete(session.id, payBody(await token()));
    assert.equal(second.body.status, 'completed', second.text);
    assert.deepEqual(messagesOf(second.body), []);
    assert.equal((await succeeded(session.id)).length, 1);
    await stripe.webhooks.drained();
    assert.deepEqual(await w.d1('SELECT * FROM strays WHERE transaction_id = ?', (await rowOf(session.id)).id), []);
  });

  test('it wants to see the buyer: authentication_required, then an authentication_result', async () => {
    const session = await ready();
    const spt = await token({ card: 'pm_card_threeDSecure2Required' });
    const first = await complete(session.id, payBody(spt));
    assert.equal(first.status, 200, first.text);
    assert.deepEqual([first.body.status, messagesOf(first.body)], ['authentication_required', ['requires_3ds']]);
    const without = await complete(session.id, payBody(spt));
    assert.deepEqual([without.status, without.body.code, without.body.param], [400, 'requires_3ds', '$.authentication_result']);
    const denied = await complete(session.id, payBody(spt, { authentication_result: { outcome: 'denied' } }));
    assert.deepEqual([denied.status, messagesOf(denied.body)], [200, ['payment_declined']]);
    const result = { outcome: 'authenticated', outcome_details: { three_ds_cryptogram: 'AAABBBCCCDDDEEEFFFGGGHHHIII=', electronic_commerce_indicator: '05', transaction_id: 'b6c1f2a0-1111-4222-8333-abcdefabcdef', version: '2.2.0' } };
    const second = await complete(session.id, payBody(spt, { authentication_result: result }));
    assert.equal(second.body.status, 'completed', second.text);
  });

  test('versions that know no authentication: another token can pay', async () => {
    for (const [path, more, version] of [['/checkouts', {}, null], ['/checkout_sessions', {}, '2025-09-29']]) {
      const call = (method, to, body) => w.api(method, to, { key: s.agent.api_key, body, headers: version ? { 'api-version': version } : {} });
      const made = await call('POST', path, { items: [{ id: 'mug', quantity: 1 }], fulfillment_address: ADDRESS, ...more });
      assert.equal(made.status, 201, made.text);
      const pay = async (options) => call('POST', `${path}/${made.body.id}/complete`, { payment_data: { token: await token(options), provider: 'stripe' } });
      const first = await pay({ card: 'pm_card_threeDSecure2Required' });
      assert.deepEqual([first.status, first.body.status, messagesOf(first.body)], [200, 'ready_for_payment', ['requires_3ds']], first.text);
      assert.ok(!first.text.includes('authentication_result'), first.text);
      const second = await pay();
      assert.deepEqual([second.status, second.body.status], [200, 'completed'], second.text);
    }
  });

  for (const [what, make] of [
    ['for less money', () => token({ maxAmount: 100 })],
    ['in another currency', () => token({ currency: 'eur' })],
    ['for another seller', async () => stripe.grantToken({ account: (await stripe.createAccount({ name: 'Other', country: 'US', charges_enabled: true, details_submitted: true })).id, maxAmount: 1_000_000 })],
    ['that was revoked', async () => { const spt = await token(); await stripe.revokeToken(spt); return spt; }],
    ['that nobody granted', async () => 'spt_live_nobody'],
  ]) {
    test(`a token ${what} pays nothing, and another one can`, async () => {
      const session = await ready();
      const answer = await complete(session.id, payBody(await make()));
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.body.status, messagesOf(answer.body)], ['ready_for_payment', ['payment_declined']]);
      assert.deepEqual(await succeeded(session.id), []);
      const again = await complete(session.id, payBody(await token()));
      assert.equal(again.body.status, 'completed', again.text);
    });
  }

  test('a token that was spent pays nothing more', async () => {
    const spt = await token();
    const [one, two] = [await ready(), await ready()];
    assert.equal((await complete(one.id, payBody(spt))).body.status, 'completed');
    const again = await complete(two.id, payBody(spt));
    assert.deepEqual([again.body.status, messagesOf(again.body)], ['ready_for_payment', ['payment_declined']]);
  });
});

describe('stock', () => {
  test('two agents race for the last piece: one wins, one hears that it is out of stock', async () => {
    const other = speaker(w, (await addAgent(w, s.shop, { name: 'Other' })).api_key);
    const [mine, theirs] = [await ready([{ id: 'last', quantity: 1 }]), await ready([{ id: 'last', quantity: 1 }], {}, other)];
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const first = complete(mine.id, payBody(await token()));
    await stripe.holding();
    const second = await other.call('POST', `/checkout_sessions/${theirs.id}/complete`, payBody(await token()));
    assert.equal(second.status, 200, second.text);
    assert.deepEqual([second.body.status, messagesOf(second.body)], ['not_ready_for_payment', ['out_of_stock']]);
    stripe.clearMisbehaviour();
    stripe.release();
    assert.equal((await first).body.status, 'completed');
    assert.equal(await stock('last'), 0);
    assert.deepEqual([await succeeded(theirs.id), await held(theirs.id)], [[], 0]);
  });

  test('what was held for a declined payment can be bought by the next', async () => {
    await w.api('PATCH', '/v1/catalogue/inventory', { key: s.shop.key, body: [{ id: 'last', inventory_quantity: 1 }] });
    const session = await ready([{ id: 'last', quantity: 1 }]);
    await complete(session.id, payBody(await token({ card: 'pm_card_chargeDeclined' })));
    const next = await ready([{ id: 'last', quantity: 1 }]);
    assert.equal((await complete(next.id, payBody(await token()))).body.status, 'completed');
    // The first buyer tries again with a better card.
    const again = await complete(session.id, payBody(await token()));
    assert.deepEqual([again.body.status, messagesOf(again.body)], ['not_ready_for_payment', ['out_of_stock']]);
  });

  test('a price that changed since it was shown is shown first, and not charged', async () => {
    const session = await ready([{ id: 'tea', quantity: 3 }]);
    const product = { title: 'Tea', description: 'Black tea.', link: 'https://shop.example/tea', image_link: 'https://shop.example/tea.jpg', price: '6.00 USD', availability: 'in_stock' };
    const put = await w.api('PUT', '/v1/catalogue/products/tea', { key: s.shop.key, body: product });
    assert.equal(put.status, 200, put.text);
    const answer = await complete(session.id, payBody(await token()));
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual([answer.body.status, messagesOf(answer.body)], ['ready_for_payment', ['price_change']]);
    assert.deepEqual(await paymentsOf(session.id), []);
    assert.equal((await complete(session.id, payBody(await token()))).body.status, 'completed');
  });
});

describe('coupons that can be used once', () => {
  test('two checkouts at once: one gets it', async () => {
    const [one, two] = [await ready(undefined, { discounts: { codes: ['ONCE'] } }), await ready(undefined, { discounts: { codes: ['ONCE'] } })];
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const first = complete(one.id, payBody(await token()));
    await stripe.holding();
    const second = await complete(two.id, payBody(await token()));
    stripe.clearMisbehaviour();
    stripe.release();
    assert.equal((await first).body.status, 'completed');
    assert.notEqual(second.body.status, 'completed', second.text);
    assert.deepEqual(await succeeded(two.id), []);
    assert.deepEqual(await w.d1('SELECT count FROM coupon_redemptions WHERE shop_id = ? AND code = ?', s.shop.id, 'once'), [{ count: 1 }]);
  });
});

describe('one payment, whatever gets lost', () => {
  for (const how of ['drop_after', 'drop_before', '500', '500_after', '429']) {
    test(`Stripe: ${how}; the same key again`, async () => {
      const session = await ready();
      const body = payBody(await token());
      const key = randomUUID();
      stripe.misbehave({ on: ROUTE, how, times: 1 });
      // Else the webhook may settle it first; that is the next test.
      stripe.webhooks.pause();
      const first = await complete(session.id, body, { key });
      stripe.clearMisbehaviour();
      if (first.status !== 200) {
        assert.equal(first.status, 503, first.text);
        assert.equal(first.body.type, 'service_unavailable');
        assert.equal((await read(session.id)).status, 'complete_in_progress');
        const other = await complete(session.id, payBody(await token()));
        assert.deepEqual([other.status, other.body.code], [409, 'complete_in_progress'], 'nothing else pays it meanwhile');
      }
      const second = await complete(session.id, body, { key });
      assert.equal(second.status, 200, second.text);
      assert.equal(second.body.status, 'completed');
      assert.equal((await succeeded(session.id)).length, 1);
      stripe.webhooks.resume();
      await settleAll(w, stripe);
      assert.equal((await w.d1("SELECT id FROM notices WHERE transaction_id = ? AND type = 'transaction.paid'", (await rowOf(session.id)).id)).length, 1);
    });

    test(`Stripe: ${how}; nobody asks again, webhook and sweep settle it`, async () => {
      const session = await ready();
      stripe.misbehave({ on: ROUTE, how, times: 1 });
      const first = await complete(session.id, payBody(await token()));
      stripe.clearMisbehaviour();
      await stripe.webhooks.drained();
      await settleAll(w, stripe);
      const after = await read(session.id);
      const paid = await succeeded(session.id);
      assert.equal(after.status, paid.length === 1 ? 'completed' : 'ready_for_payment', `${first.status} ${JSON.stringify(after.messages)}`);
      assert.equal((await rowOf(session.id)).status, paid.length === 1 ? 'paid' : 'open');
      assert.equal(await held(session.id), 0);
      assert.equal((await w.d1('SELECT id FROM orders WHERE checkout_session = ?', session.id)).length, paid.length);
      if (paid.length === 0) assert.equal((await complete(session.id, payBody(await token()))).body.status, 'completed', 'it can be paid anew');
    });
  }

  test('the answer is lost, the webhook settles it, the same key is told', async () => {
    const session = await ready();
    const [body, key] = [payBody(await token()), randomUUID()];
    stripe.misbehave({ on: ROUTE, how: 'drop_after', times: 1 });
    assert.equal((await complete(session.id, body, { key })).status, 503);
    stripe.clearMisbehaviour();
    await stripe.webhooks.drained();
    assert.equal((await read(session.id)).status, 'completed');
    const told = await complete(session.id, body, { key });
    assert.deepEqual([told.status, told.body.status, told.body.order?.id], [200, 'completed', (await read(session.id)).order.id]);
    assert.deepEqual((await complete(session.id, body, { key })).text, told.text);
    const other = await complete(session.id, payBody(await token()));
    assert.deepEqual([other.status, other.body.code], [409, 'checkout_completed']);
  });

  test('while a retry is on its way to Stripe, the sweep gives nothing back', async () => {
    const session = await ready();
    const [body, key] = [payBody(await token()), randomUUID()];
    stripe.misbehave({ on: ROUTE, how: 'drop_before', times: 1 });
    assert.equal((await complete(session.id, body, { key })).status, 503);
    stripe.clearMisbehaviour();
    // The retry is held before Stripe does anything: looked for now, no payment is there.
    stripe.misbehave({ on: ROUTE, how: 'hold_before' });
    const retry = complete(session.id, body, { key });
    await stripe.holding();
    await w.d1('UPDATE transactions SET check_at = 1 WHERE checkout_session = ?', session.id);
    await w.scheduled();
    assert.equal((await read(session.id)).status, 'complete_in_progress');
    const other = await complete(session.id, payBody(await token()));
    assert.deepEqual([other.status, other.body.code], [409, 'complete_in_progress']);
    stripe.clearMisbehaviour();
    stripe.release();
    assert.equal((await retry).body.status, 'completed');
    assert.equal((await succeeded(session.id)).length, 1);
  });

  test('a day later Stripe knows the key no more: the payment is looked for, and not made', async () => {
    const session = await ready();
    const [body, key] = [payBody(await token()), randomUUID()];
    stripe.misbehave({ on: ROUTE, how: 'drop_before', times: 1 });
    assert.equal((await complete(session.id, body, { key })).status, 503);
    stripe.clearMisbehaviour();
    await w.d1('UPDATE transactions SET created = created - 80000 WHERE checkout_session = ?', session.id);
    const answer = await complete(session.id, body, { key });
    assert.deepEqual([answer.status, answer.body.status, messagesOf(answer.body)], [200, 'ready_for_payment', ['payment_declined']]);
    assert.deepEqual(await succeeded(session.id), []);
  });

  test('the webhook before the answer: one order, and the answer tells of that one', async () => {
    const session = await ready();
    stripe.misbehave({ on: ROUTE, how: 'hold_after' });
    const answer = complete(session.id, payBody(await token()));
    await stripe.holding();
    await stripe.webhooks.drained();
    stripe.clearMisbehaviour();
    stripe.release();
    const told = await answer;
    assert.equal(told.body.status, 'completed', told.text);
    assert.deepEqual(await w.d1('SELECT id FROM orders WHERE checkout_session = ?', session.id), [{ id: told.body.order.id }]);
    assert.equal((await read(session.id)).order.id, told.body.order.id);
    const order = await w.api('GET', `/v1/orders/${told.body.order.id}`, { key: s.shop.key });
    assert.equal(order.body.card?.last4, '4242', 'the event only names the charge that tells the card');
  });

  test('two completes of one checkout at once, with different keys: one payment', async () => {
    const session = await ready();
    const answers = await Promise.all([1, 2, 3].map(async () => complete(session.id, payBody(await token()))));
    assert.equal(answers.filter(({ body }) => body.status === 'completed').length, 1, answers.map(({ text }) => text.slice(0, 200)).join('\n'));
    assert.equal((await succeeded(session.id)).length, 1);
  });

  test('the same key at once: one payment, one answer; the other is told to wait or gets the same', async () => {
    const session = await ready();
    const body = payBody(await token());
    const key = randomUUID();
    const answers = await Promise.all([1, 2, 3].map(() => complete(session.id, body, { key })));
    for (const answer of answers) assert.ok(answer.status === 200 || (answer.status === 409 && answer.headers.get('retry-after')), answer.text);
    assert.equal((await succeeded(session.id)).length, 1);
    assert.equal((await complete(session.id, body, { key })).headers.get('idempotent-replayed'), 'true');
  });

  test('without a key (older versions), a retry is told what came of it', async () => {
    const session = await ready();
    const body = { payment_data: { token: await token(), provider: 'stripe' } };
    const first = await complete(session.id, body, { version: '2025-09-29' });
    assert.equal(first.body.status, 'completed', first.text);
    const second = await complete(session.id, body, { version: '2025-09-29' });
    assert.deepEqual([second.status, second.body.order?.id], [200, first.body.order.id]);
    assert.equal((await succeeded(session.id)).length, 1);
  });
});

describe('who may not', () => {
  test('the kill switch: nothing is made and nothing is paid, and it can be read', async (t) => {
    const o = await agentShop(w, stripe);
    t.after(() => o.shop.close());
    const session = await ready(undefined, {}, o);
    await w.api('PATCH', '/v1/shop', { key: o.shop.key, body: { checkout_enabled: false } });
    const made = await o.call('POST', '/checkout_sessions', { line_items: [{ id: 'mug', quantity: 1 }], currency: 'usd', capabilities: {} });
    assert.deepEqual([made.status, made.body.code], [403, 'checkout_disabled']);
    const paid = await o.call('POST', `/checkout_sessions/${session.id}/complete`, payBody(await stripe.grantToken({ account: o.account, maxAmount: 1_000_000 })));
    assert.deepEqual([paid.status, paid.body.code], [403, 'checkout_disabled']);
    assert.equal((await o.call('GET', `/checkout_sessions/${session.id}`)).status, 200);
  });

  test('another agent, another shop, a shop\'s key', async (t) => {
    const session = await ready();
    const other = speaker(w, (await addAgent(w, s.shop, { name: 'Third' })).api_key);
    const o = await agentShop(w, stripe);
    t.after(() => o.shop.close());
    for (const by of [other, o]) {
      for (const [method, path, body] of [['GET', '', undefined], ['POST', '', {}], ['POST', '/complete', payBody('spt_x')], ['POST', '/cancel', {}]]) {
        const answer = await by.call(method, `/checkout_sessions/${session.id}${path}`, body);
        assert.deepEqual([answer.status, answer.body.code], [404, 'not_found'], `${method} ${path}`);
      }
    }
    const shopKey = await speaker(w, s.shop.key).call('GET', `/checkout_sessions/${session.id}`);
    assert.equal(shopKey.status, 403);
  });

  test('an account that was disconnected: not_connected, and nothing is charged', async (t) => {
    const o = await agentShop(w, stripe);
    t.after(() => o.shop.close());
    const session = await ready(undefined, {}, o);
    const granted = await stripe.grantToken({ account: o.account, maxAmount: 1_000_000 });
    await w.api('DELETE', '/v1/connection?mode=test', { key: o.shop.key });
    const answer = await o.call('POST', `/checkout_sessions/${session.id}/complete`, payBody(granted));
    assert.deepEqual([answer.status, answer.body.code], [409, 'not_connected']);
  });
});

describe('an end', () => {
  test('past its time a checkout is expired, and its transaction canceled', async () => {
    const session = await ready();
    await complete(session.id, payBody(await token({ card: 'pm_card_chargeDeclined' })));
    await w.d1('UPDATE acp_sessions SET expires_at = 1 WHERE id = ?', session.id);
    await w.d1('UPDATE transactions SET expires_at = 1, check_at = 1 WHERE checkout_session = ?', session.id);
    assert.equal((await read(session.id)).status, 'expired');
    const paid = await complete(session.id, payBody(await token()));
    assert.deepEqual([paid.status, paid.body.code], [409, 'checkout_expired']);
    await w.scheduled();
    assert.equal((await w.d1('SELECT status FROM acp_sessions WHERE id = ?', session.id))[0].status, 'expired');
    assert.equal((await rowOf(session.id)).status, 'canceled');
  });

  test('given up after a decline: the transaction is canceled with it', async () => {
    const session = await ready();
    await complete(session.id, payBody(await token({ card: 'pm_card_chargeDeclined' })));
    const canceled = await s.call('POST', `/checkout_sessions/${session.id}/cancel`, {});
    assert.deepEqual([canceled.status, canceled.body.status], [200, 'canceled']);
    assert.equal((await rowOf(session.id)).status, 'canceled');
    const again = await s.call('POST', `/checkout_sessions/${session.id}/cancel`, {});
    assert.equal(again.status, 405);
  });
});
