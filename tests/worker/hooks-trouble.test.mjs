// Stripe waits four seconds for a hook and then declines. Whatever is late or broken (the shop, Stripe, the database), there is an
// answer before that: what the shop's `on_trouble` says, once its rules were read, and no without them.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { sellToAgents } from '../support/agent.mjs';
import { eventually, fine } from '../support/answers.mjs';
import { approve, cartData, freshSession, hookOf, MUG, orderData, sendHook } from '../support/hooks.mjs';
import { connectShop, registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

/** Milliseconds: what Stripe waits, less what the way there and back takes. */
const CEILING = 3_800;
let stripe, w, shop, account, word, asked;
const line = (sku, unit_amount, quantity = 1) => ({ ...MUG, id: `li_${sku}`, sku_id: sku, unit_amount, quantity });
const rules = (body = {}) => w.api('PUT', '/v1/agentic/rules', { key: shop.key, body: { enabled: true, ...body, approve: { price_tolerance_bps: 0, ...body.approve } } }).then(fine);
const settings = (body) => w.api('PATCH', '/v1/shop', { key: shop.key, body }).then(fine);
const rowOf = async (id) => (await w.d1('SELECT approved, answer FROM agentic_hooks WHERE id = ?', id))[0];
const held = async () => (await w.d1('SELECT holder FROM stock_holds')).map(({ holder }) => holder);

async function timed(work) {
  const begun = performance.now();
  const result = await work();
  return { ...result, ms: performance.now() - begun };
}
const percentile = (list, part) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * part))];

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
  shop = await registerShop(w, { webhook: (seen, response) => { asked.push(seen); return word(seen, response); } });
  ({ account } = await connectShop(w, stripe, shop));
  await sellToAgents(w, shop.key);
});
after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
});
beforeEach(async () => {
  await w.fault();
  await w.quiet();
  stripe.clearMisbehaviour();
  asked = [];
  word = (_, response) => response.writeHead(200).end('{"approved":true}');
  await w.d1('DELETE FROM stock_holds');
  await settings({ quote_url: `${shop.origin}/quote`, webhook_url: `${shop.origin}/notices` });
  await rules();
});

describe('the shop’s own word', () => {
  const says = (status, body) => (_, response) => response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));

  test('is asked for, signed, at its own address, and counts', async () => {
    await rules({ ask_shop: true });
    const data = orderData();
    const told = await approve(w, account, data);
    assert.ok(told.approved);
    const [{ path, headers, body }] = asked;
    const { created, ...question } = JSON.parse(body);
    assert.deepEqual([path, question], ['/quote', { type: 'order.approval', id: headers['webhook-id'], livemode: false, data }]);
    const mac = createHmac('sha256', Buffer.from(shop.secret.slice(6), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${mac}`);
    assert.ok(Math.abs(created - Date.now() / 1000) < 60);
    word = says(200, { approved: false, reason: 'Not\u0007 on Sundays' });
    assert.deepEqual((({ approved, reason }) => [approved, reason])(await approve(w, account)), [false, 'Not on Sundays']);
    word = says(200, { approved: false });
    assert.equal((await approve(w, account)).reason, 'declined_by_shop');
    assert.deepEqual((await held()).length, 1, 'only what was approved is held');
    await settings({ quote_url: null });
    await approve(w, account);
    assert.equal(asked.at(-1).path, '/notices');
  });

  test('is not asked for where a rule forbids it already, nor twice for one question', async () => {
    await rules({ ask_shop: true, approve: { countries: ['DE'] } });
    assert.equal((await approve(w, account)).reason, 'country_not_allowed');
    assert.deepEqual(asked, []);
    await rules({ ask_shop: true });
    const hook = hookOf('finalize_checkout', account, orderData());
    await sendHook(w, hook);
    await sendHook(w, hook);
    assert.equal(asked.length, 1);
  });

  test('an approval of the shop’s sells no stock twice', async () => {
    await rules({ ask_shop: true });
    const told = await Promise.all(Array.from({ length: 5 }, () => approve(w, account, orderData({ lines: [line('last', 9900)] }))));
    assert.equal(told.filter(({ approved }) => approved).length, 1);
  });

  for (const [on_trouble, approved, reason] of [['decline', false, 'shop_unavailable'], ['approve', true, undefined]]) {
    test(`that does not come: ${on_trouble}`, async () => {
      await rules({ ask_shop: true, on_trouble });
      for (const how of [says(500, ''), says(200, 'yes'), says(200, {}), says(200, { approved: 'true' }), says(302, ''), (_, response) => response.destroy()]) {
        word = how;
        const told = await approve(w, account);
        assert.deepEqual([told.approved, told.reason], [approved, reason]);
      }
      await settings({ quote_url: null, webhook_url: null });
      assert.equal((await approve(w, account)).approved, approved);
      await w.logLine((one) => one.event === 'agentic_hook' && one.why?.includes('neither quote_url'));
    });
  }

  test('a shop that never answers: p50 and p99', async (t) => {
    await rules({ ask_shop: true });
    word = () => {};
    const runs = [];
    for (let round = 0; round < 5; round += 1) runs.push(...await Promise.all(Array.from({ length: 20 }, () => timed(() => approve(w, account)))));
    const times = runs.map(({ ms }) => ms);
    t.diagnostic(`a shop that never answers, 100 orders, 20 at once: p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ${percentile(times, 0.99).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`);
    for (const { ms, reason } of runs) {
      assert.equal(reason, 'shop_unavailable');
      assert.ok(ms < CEILING, `${ms} ms`);
    }
    await settings({ webhook_url: null });
    word = () => {};
    const { ms, answer } = await timed(async () => ({ answer: await sendHook(w, hookOf('customize_checkout', account, cartData())) }));
    assert.ok(ms < CEILING, `${ms} ms`);
    assert.equal(fine(answer).shipping_options[0].shipping_rate_data.display_name, 'Standard', 'the tables answer in its place');
  });
});

describe('a line that does not say which product it is', () => {
  /** A session of an agent's at Stripe, whose items say it. */
  function sessionOf(items, livemode = false) {
    const id = freshSession();
    const object = { id, object: 'checkout.session', livemode, status: 'open', payment_status: 'unpaid', metadata: {}, currency: 'usd', expires_at: 9_999_999_999, payment_intent: null };
    const lines = items.map(([item, external_reference]) => ({ id: item, object: 'item', quantity: 1, price: { id: `price_${item}`, object: 'price', external_reference } }));
    stripe.world.add('checkout.session', object, { owner: account, livemode, lines });
    return id;
  }
  const nameless = (id, unit_amount) => ({ id, unit_amount, quantity: 1, name: 'Thing' });
  const order = (session, lines = [nameless('li_a', 1230)]) => orderData({ session, lines });

  test('of an order of twelve lines each is known', async () => {
    const many = Array.from({ length: 12 }, (_, n) => [`li_${n}`, n === 11 ? 'tea' : 'mug']);
    const session = sessionOf(many);
    const lines = many.map(([id, sku]) => nameless(id, sku === 'tea' ? 400 : 1230));
    assert.ok((await approve(w, account, order(session, lines))).approved);
    await rules({ approve: { blocked_skus: ['tea'] } });
    assert.equal((await approve(w, account, order(session, lines))).reason, 'sku_blocked');
  });

  test('is asked for at Stripe, once, with the preview', async () => {
    const session = sessionOf([['li_a', 'mug'], ['li_b', 'tea']]);
    const from = stripe.requests.length;
    assert.ok((await approve(w, account, order(session, [nameless('li_b', 400), nameless('li_a', 1230)]))).approved);
    const calls = stripe.requests.slice(from);
    assert.deepEqual(calls.map(({ route }) => route), ['GET /v1/checkout/sessions/{session}']);
    assert.deepEqual(await held(), [session]);
    assert.equal((await approve(w, account, order(session, [nameless('li_b', 399), nameless('li_a', 1230)]))).reason, 'price_below_catalogue', 'each line by its own id');
    await rules({ approve: { blocked_skus: ['tea'] } });
    assert.equal((await approve(w, account, order(session))).approved, true);
    assert.equal((await approve(w, account, order(session, [nameless('li_b', 400)]))).reason, 'sku_blocked');
    const customized = fine(await sendHook(w, hookOf('customize_checkout', account, cartData({ session, lines: [nameless('li_a', 1230)] }))));
    assert.equal(customized.line_items[0].id, 'li_a');
  });

  test('where Stripe cannot say: on_trouble', async () => {
    for (const [on_trouble, approved] of [['decline', false], ['approve', true]]) {
      await rules({ on_trouble });
      const session = sessionOf([['li_z', 'mug'], ['li_y', 'tea']]);
      for (const data of [order(session), order('cs_test_never'), order(null), order(sessionOf([['li_a', null]])), order(sessionOf([['li_a', 'never']]))]) {
        const told = await approve(w, account, data);
        assert.deepEqual([told.approved, told.reason], [approved, approved ? undefined : 'item_unknown'], JSON.stringify(data));
      }
    }
  });

  test('Stripe that fails, cuts the line or does not answer', async () => {
    const session = sessionOf([['li_a', 'mug']]);
    for (const how of ['500', '429', 'drop_before', 'drop_after', 'hold_before']) {
      stripe.misbehave({ on: 'GET /v1/checkout/sessions/{session}', how, times: 9 });
      const { reason, ms } = await timed(() => approve(w, account, order(session)));
      assert.equal(reason, 'item_unknown', how);
      assert.ok(ms < CEILING, `${how}: ${ms} ms`);
      stripe.clearMisbehaviour();
    }
    assert.ok((await approve(w, account, order(session))).approved);
  });
});

describe('the database', () => {
  const one = (nth, how) => [{ on: 'DB.batch', nth, how }];
  const all = (how, times = 40) => Array.from({ length: times }, (_, n) => ({ on: 'DB.batch', nth: n + 1, how }));

  test('hangs before the rules are read: no', async () => {
    await rules({ on_trouble: 'approve' });
    await w.fault(one(1, 'hold'));
    const { approved, reason, ms } = await timed(() => approve(w, account));
    assert.deepEqual([approved, reason], [false, 'temporarily_unavailable']);
    assert.ok(ms < CEILING, `${ms} ms`);
    await w.logLine((line_) => line_.event === 'agentic_hook' && line_.why === 'deadline');
    for (const [kind, data] of [['customize_checkout', cartData()], ['product_price_availability', { sku_id: 'mug' }]]) {
      await w.fault(one(1, 'hold'));
      const { answer, ms: took } = await timed(async () => ({ answer: await sendHook(w, hookOf(kind, account, data)) }));
      assert.deepEqual([answer.status, answer.body.error.code], [503, 'internal'], kind);
      assert.ok(took < CEILING, `${took} ms`);
    }
  });

  for (const [on_trouble, approved] of [['decline', false], ['approve', true]]) {
    test(`hangs when the answer is written down: ${on_trouble}; what was told counts from then on`, async () => {
      await rules({ on_trouble });
      const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
      await w.fault(one(2, 'hold'));
      const { answer, ms } = await timed(async () => ({ answer: await sendHook(w, hook) }));
      assert.ok(ms < CEILING, `${ms} ms`);
      assert.equal(answer.body.manual_approval_details.type, approved ? 'approved' : 'declined');
      await w.fault();
      // The batch that hung had approved it and held its stock; it was told something else, or the same.
      await eventually(async () => (await rowOf(hook.id))?.approved === Number(approved));
      assert.equal((await rowOf(hook.id)).answer, answer.text);
      assert.equal((await sendHook(w, hook)).text, answer.text);
      assert.deepEqual(await held(), approved ? [hook.data.checkout_session] : []);
      assert.equal((await approve(w, account, orderData({ lines: [line('last', 9900)] }))).approved, !approved, 'the last piece is another’s where this one was declined');
    });
  }

  test('approved late, and answered again by that: the first answer, which was late, does not take it back', async () => {
    await rules({ on_trouble: 'decline' });
    const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
    await w.fault(one(2, 'hold'));
    const first = sendHook(w, hook);
    await eventually(async () => (await rowOf(hook.id))?.approved === 1);
    // Stripe has given up waiting, and asks again before the first one has its say.
    const second = await sendHook(w, hook);
    assert.equal(second.body.manual_approval_details.type, 'approved');
    assert.equal((await first).body.manual_approval_details.type, 'declined');
    await w.fault();
    await w.logLine((line_) => line_.event === 'agentic_hook' && line_.id === hook.id && line_.why === 'deadline');
    assert.equal((await sendHook(w, hook)).text, second.text);
    assert.deepEqual([(await rowOf(hook.id)).approved, await held()], [1, [hook.data.checkout_session]]);
  });

  test('approved without the database: what it sells is held as soon as that is back', async () => {
    await rules({ on_trouble: 'approve' });
    const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
    await w.fault([...one(2, 'refuse'), ...one(3, 'refuse')]);
    assert.ok((await sendHook(w, hook)).body.manual_approval_details.type === 'approved');
    await eventually(async () => (await held()).length === 1);
    assert.deepEqual(await held(), [hook.data.checkout_session]);
    assert.equal((await approve(w, account, orderData({ lines: [line('last', 9900)] }))).reason, 'out_of_stock');
  });

  test('what a rule forbids is declined, whatever on_trouble says', async () => {
    await rules({ on_trouble: 'approve', approve: { blocked_skus: ['mug'] } });
    await w.fault(one(2, 'hold'));
    assert.equal((await approve(w, account)).reason, 'sku_blocked');
    await w.fault();
    await w.quiet();
    await w.fault(all('refuse').slice(1));
    assert.equal((await approve(w, account)).reason, 'sku_blocked');
  });

  test('hangs for a customization: the tables, which were read', async () => {
    await settings({ quote_url: null });
    await w.fault(one(2, 'hold'));
    const hook = hookOf('customize_checkout', account, cartData());
    const { answer, ms } = await timed(async () => ({ answer: await sendHook(w, hook) }));
    assert.ok(ms < CEILING, `${ms} ms`);
    assert.equal(fine(answer).shipping_options.length, 2);
    await w.fault();
    await eventually(async () => (await rowOf(hook.id))?.answer === answer.text);
  });

  test('is asked through indices alone', async () => {
    await rules({ ask_shop: true });
    await w.fault();
    assert.ok((await approve(w, account)).approved);
    fine(await sendHook(w, hookOf('customize_checkout', account, cartData())));
    await w.fault(one(2, 'hold'));
    const { approved } = await approve(w, account);
    assert.equal(approved, false);
    await w.logLine((line_) => line_.event === 'agentic_hook' && line_.why === 'deadline');
    const statements = [...new Set(await w.statements())];
    assert.ok(statements.length > 10, `${statements.length}`);
    for (const text of statements) {
      const binds = Math.max(0, ...[...text.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n)));
      const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...Array(binds).fill(null))).map(({ detail }) => detail);
      assert.deepEqual(plan.filter((step) => /^SCAN (?!\w+ VIRTUAL|i$|json_each|\(subquery|CONSTANT ROW)/.test(step)), [], text);
    }
  });

  test('fails once, at either call: nobody notices', async () => {
    for (const nth of [1, 2]) {
      for (const how of ['refuse', 'lose']) {
        const hook = hookOf('finalize_checkout', account, orderData());
        await w.fault(one(nth, how));
        const answer = await sendHook(w, hook);
        assert.equal(answer.body.manual_approval_details.type, 'approved', `${nth} ${how}`);
        await w.fault();
        assert.equal((await rowOf(hook.id)).approved, 1);
        assert.deepEqual((await held()).filter((holder) => holder === hook.data.checkout_session).length, 1);
      }
    }
  });

  test('a crash between any two calls: the hook comes again, and is answered and held once', async () => {
    for (const nth of [1, 2]) {
      for (const how of ['die', 'die_after']) {
        const hook = hookOf('finalize_checkout', account, orderData({ lines: [line('last', 9900)] }));
        await w.fault(one(nth, how));
        assert.equal((await sendHook(w, hook)).status, 599);
        await w.fault();
        assert.equal((await sendHook(w, hook)).body.manual_approval_details.type, 'approved', `${nth} ${how}`);
        assert.deepEqual(await held(), [hook.data.checkout_session]);
        await w.d1('DELETE FROM stock_holds');
      }
    }
  });

  test('fails for good: no without rules, on_trouble with them', async () => {
    await rules({ on_trouble: 'approve' });
    await w.fault(all('refuse'));
    assert.equal((await approve(w, account)).reason, 'temporarily_unavailable');
    await w.fault(all('refuse').slice(1));
    const hook = hookOf('finalize_checkout', account, orderData());
    assert.equal((await sendHook(w, hook)).body.manual_approval_details.type, 'approved');
    await w.logLine((one_) => one_.event === 'hook_not_recorded' && one_.id === hook.id);
  });

  test('that hangs under many orders: p50 and p99', async (t) => {
    await w.fault(all('hold', 10));
    const runs = await Promise.all(Array.from({ length: 10 }, () => timed(() => approve(w, account))));
    const times = runs.map(({ ms }) => ms);
    t.diagnostic(`a database that hangs, 10 orders at once: p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ${percentile(times, 0.99).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`);
    for (const { ms, approved } of runs) {
      assert.equal(approved, false);
      assert.ok(ms < CEILING, `${ms} ms`);
    }
  });
});

test('a good day: p50 and p99', async (t) => {
  await rules({ ask_shop: true });
  const times = [];
  for (let n = 0; n < 50; n += 1) times.push((await timed(() => approve(w, account))).ms);
  t.diagnostic(`a shop that answers, one order after the other: p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ${percentile(times, 0.99).toFixed(0)} ms`);
  assert.ok(Math.max(...times) < CEILING);
});
