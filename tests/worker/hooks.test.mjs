// Stripe asks before a sale: signatures, what is approved and what is not, the same answer to the same question.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { PRODUCTS, sellToAgents } from '../support/agent.mjs';
import { fine } from '../support/answers.mjs';
import { ADDRESS_US, approve, cartData, contract, fits, hookOf, MUG, noContract, orderData, sendHook, signature, spelled, TYPES } from '../support/hooks.mjs';
import { connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, account;
const rules = (body = {}) => w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true, ...body, approve: { price_tolerance_bps: 0, ...body.approve } } });
const admin = (body) => w.api('PATCH', `/v1/admin/shops/${shop.id}`, { key: w.vars.ADMIN_KEY, body });
const holds = async () => (await w.d1('SELECT holder, product_id, quantity FROM stock_holds ORDER BY 1, 2')).map(({ holder, product_id, quantity }) => `${holder} ${product_id} ${quantity}`);
const line = (sku, unit_amount, quantity = 1, more = {}) => ({ ...MUG, id: `li_${sku}`, sku_id: sku, unit_amount, quantity, ...more });

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe });
  shop = await registerShop(w);
  ({ account } = await connectShop(w, stripe, shop));
  await sellToAgents(w, shop.key);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});
beforeEach(async () => {
  await w.d1('DELETE FROM stock_holds');
  fine(await rules());
});

describe('who asks', () => {
  const data = orderData();

  test('only with a secret of the hooks', async () => {
    const hook = hookOf('finalize_checkout', account, data);
    const body = JSON.stringify(hook);
    for (const options of [{ secret: w.webhookSecrets.connect }, { secret: 'whsec_other' }, { header: '' }, { header: 't=1,v1=00' }, { t: Math.floor(Date.now() / 1000) - 301 }, { t: Math.floor(Date.now() / 1000) + 301 }]) {
      const answer = await sendHook(w, hook, options);
      assert.deepEqual([answer.status, answer.body.error?.code], [400, 'signature_invalid'], JSON.stringify(options));
    }
    const changed = await w.api('POST', '/stripe/agentic-hooks', { body: body.replace('1230', '1231'), headers: { 'stripe-signature': signature(body, w.hookSecret) } });
    assert.equal(changed.body.error.code, 'signature_invalid');
    assert.deepEqual(await holds(), []);
  });

  test('while a secret is rolled, both are good; without one the route is closed, and no other', async (t) => {
    const more = await startWorker({ stripe, vars: { STRIPE_HOOK_SECRETS: 'whsec_new,whsec_old' } });
    t.after(() => more.close());
    const hook = hookOf('finalize_checkout', undefined, data);
    for (const secret of ['whsec_new', 'whsec_old']) assert.equal((await sendHook(more, hook, { secret })).status, 200);
    assert.equal((await sendHook(more, hook, { secret: 'whsec_older' })).status, 400);
    await more.restart({ STRIPE_HOOK_SECRETS: undefined });
    for (const secret of ['whsec_new', '', 'whsec_']) {
      const answer = await sendHook(more, hook, { secret });
      assert.deepEqual([answer.status, answer.body.error.type, answer.body.error.code], [503, 'not_configured', 'not_configured']);
    }
    assert.equal((await more.api('GET', '/healthz')).status, 200);
  });

  test('a hook’s signature opens no webhook', async () => {
    const body = JSON.stringify({ id: 'evt_1', type: 'account.updated', livemode: false, data: { object: {} } });
    const answer = await w.api('POST', '/stripe/webhooks', { body, headers: { 'stripe-signature': signature(body, w.hookSecret) } });
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'signature_invalid']);
  });

  test('what is no hook', async () => {
    const cases = [
      ['{', 400, 'json_invalid'], ['[]', 400, 'json_invalid'],
      [{ id: 'evt_1', livemode: false, data: {} }, 400, 'parameter_missing'],
      [{ type: TYPES.finalize_checkout, livemode: false, data }, 400, 'parameter_missing'],
      [{ type: TYPES.finalize_checkout, id: 'evt_1', data }, 400, 'parameter_missing'],
      [{ type: TYPES.finalize_checkout, id: 'evt_1', livemode: 'no', data }, 400, 'parameter_invalid_boolean'],
      [{ type: TYPES.finalize_checkout, id: 'evt_1', livemode: false }, 400, 'parameter_missing'],
      [{ type: TYPES.finalize_checkout, id: 'evt_1', livemode: false, data: [] }, 400, 'parameter_invalid_object'],
      [{ type: 'v1.delegated_checkout.paint_checkout', id: 'evt_1', livemode: false, data }, 400, 'hook_type_unknown'],
      [hookOf('finalize_checkout', account, { ...data, currency: undefined }), 400, 'parameter_missing'],
      [hookOf('finalize_checkout', account, orderData({ lines: [line('mug', '1230')] })), 400, 'parameter_invalid_integer'],
      [hookOf('finalize_checkout', account, orderData({ lines: [line('mug', 1230, 0)] })), 422, 'parameter_invalid_integer'],
      [hookOf('finalize_checkout', account, orderData({ lines: [line('mug', -1)] })), 422, 'parameter_invalid_integer'],
    ];
    for (const [hook, status, code] of cases) {
      const answer = await sendHook(w, hook);
      assert.deepEqual([answer.status, answer.body.error?.code], [status, code], JSON.stringify(hook));
    }
  });

  test('for nobody here: finalize is declined, the others are 404', async () => {
    const ask = async (context, more) => {
      const { approved, reason } = await approve(w, context, orderData(), more);
      assert.equal(approved, false);
      for (const [kind, body] of [['customize_checkout', cartData()], ['product_price_availability', { sku_id: 'mug' }]]) {
        const answer = await sendHook(w, hookOf(kind, context, body, more));
        assert.deepEqual([answer.status, answer.body.error?.code], [404, 'resource_missing'], kind);
      }
      return reason;
    };
    assert.equal(await ask(undefined), 'account_unknown');
    assert.equal(await ask(null), 'account_unknown');
    assert.equal(await ask('acct_1Foreign'), 'account_unknown');
    assert.equal(await ask("acct_1'; DROP TABLE shops"), 'account_unknown');
    assert.equal(await ask(account, { livemode: true }), 'account_unknown');
    fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: false } }));
    assert.equal(await ask(account), 'checkout_disabled');
    fine(await w.api('PATCH', '/v1/shop', { key: shop.key, body: { checkout_enabled: true } }));
    fine(await w.api('POST', `/v1/admin/shops/${shop.id}/suspend`, { key: w.vars.ADMIN_KEY }));
    assert.equal(await ask(account), 'checkout_disabled');
    fine(await w.api('POST', `/v1/admin/shops/${shop.id}/resume`, { key: w.vars.ADMIN_KEY }));
    fine(await rules({ enabled: false }));
    assert.equal(await ask(account), 'disabled');
    assert.deepEqual(await holds(), []);
  });
});

describe('whether an order may be paid', () => {
  test('it may, in both spellings and envelopes, with and without the session', async () => {
    for (const how of [{}, { singular: true }, { object: true }, { singular: true, object: true }]) {
      const { approved, answer } = await approve(w, account, spelled(orderData(), how));
      assert.ok(approved, answer.text);
    }
    assert.ok((await approve(w, account, orderData({ session: null }))).approved);
    const sessionless = orderData({ session: null, lines: [line('last', 9900)] });
    for (const again of [1, 2]) assert.ok((await approve(w, account, sessionless)).approved, `an agent’s own pieces are there for it: ${again}`);
    assert.equal((await approve(w, account, { ...sessionless, email: 'other@buyer.example' })).reason, 'out_of_stock');
    await w.d1('DELETE FROM stock_holds');
    const odd = spelled(orderData({ lines: [line('mug', 1, 1)] }), { singular: true, object: true });
    assert.equal((await approve(w, account, odd)).reason, 'price_below_catalogue', 'what stands in another spelling is read as well');
  });

  test('each reason to decline', async () => {
    const refusals = [
      ['price_below_catalogue', {}, { lines: [line('mug', 1229)] }],
      ['price_below_catalogue', {}, { discount: 1 }],
      ['price_below_catalogue', {}, { lines: [line('mug', 1230, 1, { amount_discount: 1 })] }],
      ['price_below_catalogue', {}, { amount_total: 1000 }],
      ['price_below_catalogue', {}, { lines: [line('tea', 399)] }],
      ['currency_mismatch', {}, { currency: 'eur' }],
      ['currency_unsupported', {}, { currency: 'xxx' }],
      ['out_of_stock', {}, { lines: [line('last', 9900, 2)] }],
      ['out_of_stock', {}, { lines: [line('last', 9900), line('last', 9900)] }],
      ['out_of_stock', {}, { lines: [line('gone', 700)] }],
      ['item_unknown', {}, { lines: [line('never', 700)] }],
      ['item_unknown', {}, { lines: [] }],
      ['amount_above_limit', { approve: { max_total: { usd: 1729 } } }, {}],
      ['currency_not_allowed', { approve: { max_total: { eur: 1_000_000 } } }, {}],
      ['country_not_allowed', { approve: { countries: ['CA', 'DE'] } }, {}],
      ['address_missing', { approve: { countries: ['US'] } }, { address: null }],
      ['address_missing', { approve: { countries: ['US'] } }, { address: { ...ADDRESS_US, country: null } }],
      ['sku_blocked', { approve: { blocked_skus: ['x', 'mug'] } }, {}],
      ['sku_blocked', { approve: { blocked_skus: ['never'] }, on_trouble: 'approve' }, { lines: [line('never', 700)] }],
      ['price_below_catalogue', { on_trouble: 'approve' }, { lines: [line('never', 700), line('mug', 1)] }],
    ];
    for (const [reason, body, data] of refusals) {
      fine(await rules(body));
      const told = await approve(w, account, orderData(data));
      assert.deepEqual([told.approved, told.reason, told.fee], [false, reason, undefined], JSON.stringify([body, data]));
    }
    assert.deepEqual(await holds(), []);
  });

  test('each rule that lets it through', async () => {
    const orders = [
      [{ approve: { max_total: { usd: 1730 }, countries: ['US'], blocked_skus: ['tea'] } }, {}],
      [{ approve: { price_tolerance_bps: 500 } }, { lines: [line('mug', 1169)] }],
      [{}, { lines: [line('tea', 400, 3)] }],
      [{}, { lines: [line('mug', 9999)] }],
      [{ approve: { require_stock: false } }, { lines: [line('gone', 700)] }],
      [{ approve: { countries: ['US'] } }, { lines: [line('book', 2000)], address: null, billing_details: { address: { country: 'US' } } }],
      [{ on_trouble: 'approve' }, { lines: [line('never', 700)] }],
      [{}, { lines: [line('mug', 1230, 1000)] }],
    ];
    for (const [body, data] of orders) {
      fine(await rules(body));
      const told = await approve(w, account, orderData(data));
      assert.ok(told.approved, `${told.reason} ${JSON.stringify([body, data])}`);
      await w.d1('DELETE FROM stock_holds');
    }
    fine(await rules({ approve: { price_tolerance_bps: 500 } }));
    assert.equal((await approve(w, account, orderData({ lines: [line('mug', 1168)] }))).reason, 'price_below_catalogue');
  });

  test('one that is told nowhere how much is paid', async () => {
    const bare = { id: 'li_1', sku_id: 'mug', quantity: 1 };
    const data = { currency: 'usd', line_items_details: [bare] };
    assert.equal((await approve(w, account, data)).reason, 'amount_unknown');
    assert.ok((await approve(w, account, { ...data, amount_total: 1730 })).approved);
    assert.equal((await approve(w, account, { ...data, amount_total: 1229 })).reason, 'price_below_catalogue');
  });
});

describe('the same question', () => {
  test('gets the same answer, whatever has changed since, and once more is held once', async () => {
    const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
    const first = await sendHook(w, hook);
    fine(await rules({ enabled: true, approve: { blocked_skus: ['last'] } }));
    for (let n = 0; n < 3; n += 1) assert.equal((await sendHook(w, hook)).text, first.text);
    assert.equal((await holds()).length, 1);
    const [{ n }] = await w.d1('SELECT count(*) AS n FROM agentic_hooks WHERE id = ?', hook.id);
    assert.equal(n, 1);
    const { id } = hook;
    assert.equal((await approve(w, account, orderData({ lines: [line('last', 9900)] }), { id })).reason, 'sku_blocked', 'another question under the same id is another question');
  });

  test('asked at once is answered once', async () => {
    const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
    const told = await Promise.all(Array.from({ length: 8 }, () => sendHook(w, hook)));
    assert.deepEqual([...new Set(told.map(({ text }) => text))].length, 1);
    assert.equal(told[0].body.manual_approval_details.type, 'approved');
    assert.deepEqual(await holds(), [`${hook.data.checkout_session} last 1`]);
  });

  test('of many who want the last piece one gets it, and asks again with another hook', async () => {
    const asks = Array.from({ length: 8 }, () => orderData({ lines: [line('last', 9900)] }));
    const told = await Promise.all(asks.map((data) => approve(w, account, data)));
    assert.equal(told.filter(({ approved }) => approved).length, 1);
    assert.deepEqual(new Set(told.filter(({ approved }) => !approved).map(({ reason }) => reason)), new Set(['out_of_stock']));
    const winner = asks[told.findIndex(({ approved }) => approved)];
    // Stripe told the agent 424, and the agent tries the same session again.
    assert.ok((await approve(w, account, winner)).approved);
    assert.deepEqual(await holds(), [`${winner.checkout_session} last 1`]);
    // The session has changed since: what is not in it any more is given back.
    assert.ok((await approve(w, account, { ...orderData({ lines: [line('mug', 1230, 2)] }), checkout_session: winner.checkout_session })).approved);
    assert.deepEqual(await holds(), [`${winner.checkout_session} mug 2`]);
  });
});

describe('the fee', () => {
  test('is the shop’s own, of the total, and never below what Stripe takes', async (t) => {
    t.after(() => admin({ fee_bps: null, fee_fixed: null, category_fees: null }));
    assert.equal((await approve(w, account)).fee, undefined);
    fine(await admin({ fee_bps: 250, fee_fixed: { usd: 30 } }));
    assert.equal((await approve(w, account, orderData({ tax: 100 }))).fee, Math.floor((1830 * 250) / 10_000) + 30);
    fine(await admin({ fee_bps: 10_000 }));
    assert.equal((await approve(w, account)).fee, 1730);
  });

  test('goes by the feed’s categories, longest first', async (t) => {
    t.after(async () => {
      await admin({ fee_bps: null, fee_fixed: null, category_fees: null });
      await sellToAgents(w, shop.key);
    });
    const products = PRODUCTS.map((product) => ({ ...product, google_product_category: { mug: 'Home > Kitchen > Mugs', tea: 'Food > Tea' }[product.id] }));
    await sellToAgents(w, shop.key, { products, fulfillment: undefined });
    const category_fees = { home: { bps: 1000 }, 'Home > Kitchen': { bps: 500, fixed: { usd: 7 } }, Food: { bps: 2000 } };
    assert.deepEqual(fine(await admin({ fee_bps: 100, fee_fixed: { usd: 3 }, category_fees })).category_fees, category_fees);
    assert.equal((await approve(w, account)).fee, Math.floor((1730 * 500) / 10_000) + 7);
    assert.equal((await approve(w, account, orderData({ lines: [line('book', 2000)], shipping: 0 }))).fee, 20 + 3, 'of no category: the shop’s own');
    // 1230 at 5 % and 400 at 20 % of 2130, the larger fixed part once.
    const mixed = orderData({ lines: [line('mug', 1230), line('tea', 400)] });
    assert.equal((await approve(w, account, mixed)).fee, Math.floor((2130 * (1230 * 500 + 400 * 2000)) / 1630 / 10_000 + 7));
  });
});

describe('stock that an approved order took', () => {
  test('is held no longer than a quarter of an hour', async () => {
    const data = orderData({ lines: [line('last', 9900)] });
    assert.ok((await approve(w, account, data)).approved);
    const [{ left }] = await w.d1("SELECT expires_at - unixepoch() AS left FROM stock_holds");
    assert.ok(left > 880 && left <= 900, left);
    await w.d1('UPDATE stock_holds SET expires_at = unixepoch() - 1');
    assert.ok((await approve(w, account, orderData({ lines: [line('last', 9900)] }))).approved);
  });

  test('is not held where the shop does not count it', async () => {
    fine(await rules({ approve: { require_stock: false } }));
    assert.ok((await approve(w, account, orderData({ lines: [line('last', 9900, 5)] }))).approved);
    assert.deepEqual(await holds(), []);
  });
});

describe('the schemas', { skip: noContract }, () => {
  test('the contract’s own examples are understood', async () => {
    const { examples } = contract;
    const own = { ...examples['finalize_checkout.request'], context: account };
    const answer = await sendHook(w, own);
    // Its line has no sku_id, and no session is named that could be asked.
    assert.equal(answer.body.manual_approval_details.declined.reason, 'item_unknown');
    const customized = await sendHook(w, { ...examples['customize_checkout.request'], context: account });
    assert.equal(customized.status, 200);
    fits('customize_checkout.response', customized.body);
  });
});
