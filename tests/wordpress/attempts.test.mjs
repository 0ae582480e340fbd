// What the example does when the Worker is slow, busy, gone or wrong, and when news comes twice:
// against a stand-in that answers what a test writes down. The real Worker is in shop.test.mjs.
import { after, before, beforeEach, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { browser, noPhp, press, startShop } from './support/php.mjs';

const secret = `whsec_${randomBytes(24).toString('base64')}`;

/** A Worker that plays from a script: `script` is consulted for sessions, everything else is plain. */
async function standIn() {
  const calls = [];
  const it = { calls, script: [], onSession: () => {} };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = text ? JSON.parse(text) : undefined;
    const call = { route: `${request.method} ${request.url}`, headers: request.headers, body };
    calls.push(call);
    const reply = (status, json, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(json));
    };
    const shop = { object: 'shop', id: 'shop_a', status: 'pending', api_key: 'ccs_test', signing_secret: secret, challenge: 'chal' };
    if (call.route === 'POST /v1/shops') return reply(201, shop);
    if (call.route === 'POST /v1/shop/verify' && it.firewall) {
      const error = { type: 'invalid_request', code: 'challenge_failed', message: 'not read', saw: { status: 403, server: 'wall', body: '<script>alert(1)</script>' } };
      return reply(422, { error });
    }
    if (call.route === 'GET /v1/shop' && it.firewall) return reply(200, shop);
    if (call.route === 'GET /v1/shop' || call.route === 'POST /v1/shop/verify') return reply(200, { ...shop, status: 'active' });
    if (call.route === 'POST /v1/connect/start') return reply(201, { url: `${it.url}/connect/t`, expires_at: 1 });
    if (call.route.startsWith('GET /v1/transactions/')) return reply(200, it.row);
    if (call.route !== 'POST /v1/checkout/sessions') return reply(404, { error: { code: 'route_unknown', message: 'no' } });
    await it.onSession(call);
    const next = it.script.shift() ?? {};
    if (next === 'drop') return request.socket.destroy();
    if (next.status) return reply(next.status, next.json ?? { error: { code: next.code, message: next.code } }, next.headers);
    const total = body.amount_total ?? body.cart.total;
    reply(201, {
      object: 'checkout.session',
      id: 'cs_test_1',
      url: 'https://checkout.stripe.example/1',
      amount_total: total,
      currency: body.currency ?? body.cart.currency,
      livemode: false,
      transaction: 'cct_1',
      order_id: body.order_id ?? body.cart.order_id,
      expires_at: 1,
      ...next,
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  it.url = `http://localhost:${server.address().port}`;
  it.sessions = () => calls.filter((c) => c.route === 'POST /v1/checkout/sessions');
  it.keys = () => it.sessions().map((c) => c.headers['idempotency-key']);
  it.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return it;
}

const homeUrl = (shop, more = {}) => {
  const q = {
    t: String(Math.floor(Date.now() / 1000)),
    transaction: 'cct_1',
    session_id: 'cs_test_1',
    status: 'paid',
    amount_total: '2000',
    currency: 'usd',
    livemode: 'false',
    ...more,
  };
  const text = [q.t, q.transaction, q.session_id, q.order_id, q.status, q.amount_total, q.currency, q.livemode].join('.');
  const signature = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(text).digest('hex');
  return `${shop.url}/?${new URLSearchParams({ 'cognitive-cart': 'complete', ...q, signature })}`;
};

// Both flavours side by side: most of their time is spent waiting.
describe('WordPress example: attempts', { skip: noPhp, concurrency: 2 }, () => {
  for (const woo of [true, false]) {
    describe(`${woo ? 'with' : 'without'} WooCommerce`, { concurrency: 1 }, () => {
      let worker, shop;
      const products = { 20: { name: 'Mug', price: '20.00' } };
      const line = { product_id: 20, quantity: 1 };
      const agent = (headers) => shop.agent({ source: 'Claude', line_items: [line] }, headers);
      before(async () => {
        worker = await standIn();
        shop = await startShop({ workerUrl: worker.url, woo, config: { products, cart: [line] } });
        // First a firewall before the shop: the admin sees what the Worker saw, and nothing of it runs.
        worker.firewall = true;
        const visit = shop.admin();
        const stopped = await press(visit, shop.page, 'cognitive_cart_connect', { mode: 'test' });
        const { text } = await visit(stopped.location);
        assert.match(text, /A firewall/);
        assert.match(text, /403/);
        assert.ok(text.includes('&lt;script&gt;') && !text.includes('<script>'));
        worker.firewall = false;
        const started = await press(shop.admin(), shop.page, 'cognitive_cart_connect', { mode: 'test' });
        assert.equal(started.location, `${worker.url}/connect/t`);
      });
      beforeEach(() => {
        worker.calls.length = 0;
        worker.script = [];
        worker.onSession = () => {};
        shop.set({ cart: [line], limit: undefined, slow_ms: 0 });
      });
      after(async () => {
        await shop?.close();
        worker?.close();
        assert.deepEqual(shop.complaints(), []);
      });

      test('every call has 20 seconds and follows nowhere', async () => {
        await agent();
        const calls = shop.log('http');
        assert.ok(calls.some((c) => c.url.endsWith('/v1/checkout/sessions')) && calls.some((c) => c.url.endsWith('/v1/shops')));
        for (const call of calls) {
          assert.ok(call.timeout > 5, `${call.url}: ${call.timeout}`);
          assert.equal(call.redirection, 0);
        }
      });

      if (!woo) { // once is enough
        test('a Worker that answers after WordPress would have given up is waited for', async () => {
          worker.onSession = () => new Promise((done) => setTimeout(done, 5500));
          const { status } = await agent();
          assert.equal(status, 201);
          assert.equal(worker.sessions().length, 1);
        });
      }

      test('the key is kept before the call', async () => {
        let seen;
        worker.onSession = (call) => {
          seen = JSON.stringify(shop.kept()).includes(call.headers['idempotency-key']);
        };
        assert.equal((await agent()).status, 201);
        assert.equal(seen, true);
      });

      for (const [what, first] of [
        ['503', { status: 503, code: 'stripe_unavailable' }],
        ['409 while the first is running', { status: 409, code: 'idempotency_in_flight', headers: { 'retry-after': '1' } }],
        ['409 while the order is being made', { status: 409, code: 'order_in_flight', headers: { 'retry-after': '1' } }],
        ['a lost answer', 'drop'],
      ]) {
        test(`${what}: asked again with the same key and the same bytes`, async () => {
          worker.script = [first];
          const { status, body } = await agent();
          assert.equal(status, 201);
          assert.equal(body.amount_total, 2000);
          assert.equal(worker.sessions().length, 2);
          assert.equal(new Set(worker.keys()).size, 1);
          assert.deepEqual(worker.sessions()[0].body, worker.sessions()[1].body);
        });
      }

      if (woo) { // a cart that finds its order again
        test('a Worker that stays away: the visitor is told, and pressing again sends the same key', async () => {
          shop.set({ cart: [{ product_id: 20, quantity: 3 }] });
          worker.script = Array(3).fill({ status: 503, code: 'stripe_unavailable' });
          const first = await shop.chat();
          assert.equal(first.status, 503);
          assert.equal(first.body.code, 'checkout_unavailable');
          const second = await shop.chat();
          assert.equal(second.status, 201);
          assert.equal(worker.sessions().length, 4);
          assert.equal(new Set(worker.keys()).size, 1);
        });
      }

      test('an agent that asks again with its own key gets its order again', async () => {
        worker.script = Array(3).fill({ status: 503, code: 'stripe_unavailable' });
        const headers = { 'idempotency-key': 'agent-attempt-1' };
        assert.equal((await agent(headers)).status, 503);
        assert.equal((await agent(headers)).status, 201);
        assert.equal(new Set(worker.keys()).size, 1);
        const orders = worker.sessions().map((c) => c.body.order_id);
        assert.equal(new Set(orders).size, 1);
        // The same key with other lines is another order.
        const other = await shop.agent({ source: 'Claude', line_items: [{ product_id: 20, quantity: 2 }] }, headers);
        assert.equal(other.body.amount_total, 4000);
        assert.notEqual(other.body.order_id, orders[0]);
      });

      test('a clear no ends the attempt: the next one has a new key', async () => {
        worker.script = [{ status: 422, code: 'amount_too_small' }];
        const headers = { 'idempotency-key': 'agent-attempt-2' };
        const no = await agent(headers);
        assert.deepEqual([no.status, no.body.code], [422, 'amount_too_small']);
        assert.equal((await agent(headers)).status, 201);
        assert.equal(new Set(worker.keys()).size, 2);
      });

      test('a long Retry-After is not sat out', async () => {
        worker.script = [{ status: 409, code: 'idempotency_in_flight', headers: { 'retry-after': '60' } }];
        assert.equal((await agent()).status, 409);
        assert.equal(worker.sessions().length, 1);
      });

      test('a session over another amount, currency or mode is not sold', async () => {
        for (const wrong of [{ amount_total: 1999 }, { currency: 'jpy' }, { livemode: true }]) {
          worker.script = [wrong];
          const { status, body } = await agent();
          assert.equal(status, 503);
          assert.equal(body.url, undefined);
        }
      });

      test('a redirect is not followed: the key stays at home', async (t) => {
        let visited = 0;
        const elsewhere = createServer((_, response) => {
          visited += 1;
          response.end('{}');
        }).listen(0, '127.0.0.1');
        await once(elsewhere, 'listening');
        t.after(() => {
          elsewhere.closeAllConnections();
          elsewhere.close();
        });
        worker.script = [{ status: 307, json: {}, headers: { location: `http://localhost:${elsewhere.address().port}/` } }];
        assert.equal((await agent()).status, 503);
        assert.equal(visited, 0);
      });

      test('what the Worker says about our set-up stays inside', async () => {
        worker.script = [{ status: 401, code: 'api_key_invalid' }];
        const { status, body } = await agent();
        assert.deepEqual([status, body.code], [503, 'checkout_unavailable']);
        assert.ok(!JSON.stringify(body).includes('api_key'));
      });

      test('a product that is not for sale makes no order and no call', async () => {
        for (const id of ['21', '0', 'nothing']) {
          const { status, body } = await shop.agent({ line_items: [{ product_id: id, quantity: 1, amount_total: 2000 }] });
          assert.deepEqual([status, body.code], [422, 'product_unknown']);
        }
        assert.equal(worker.calls.length, 0);
      });

      test('a price that cannot be charged is refused, not rounded', async () => {
        shop.set({ currency: 'isk', products: { ...products, 30: { name: 'Half', price: '1234.50' } } });
        const { status, body } = await shop.agent({ line_items: [{ product_id: 30, quantity: 1 }] });
        shop.set({ currency: 'usd', products });
        assert.deepEqual([status, body.code], [422, 'amount_invalid']);
        assert.equal(worker.calls.length, 0);
      });

      test('a flood of orders meets a fence', async () => {
        shop.set({ limit: 0 });
        const { status, body } = await agent();
        assert.deepEqual([status, body.code], [429, 'too_many_requests']);
        assert.equal(worker.calls.length, 0);
      });

      test('a strange page cannot order in a visitor\'s name; an empty cart is told', async () => {
        const stranger = await browser()(`${shop.rest}/checkout/get-url`, { method: 'POST' });
        assert.equal(stranger.status, 401);
        shop.set({ cart: [] });
        assert.equal((await shop.chat()).body.code, 'cart_empty');
      });

      describe('the way home', () => {
        let order;
        const completions = () => shop.log('payment_complete').filter((entry) => entry.order === order);
        const visit = (more) => browser()(homeUrl(shop, { order_id: order, ...more }));
        const arrived = (answer) => (woo ? answer.status === 302 && answer.location.includes(`/order-received/${order}/`) : answer.status === 200 && /Thank you/.test(answer.text));
        beforeEach(async () => {
          order = String((await agent()).body.order_id);
        });

        test('pays once, also when it is reloaded', async () => {
          assert.ok(arrived(await visit()));
          assert.ok(arrived(await visit()));
          assert.equal(completions().length, 1);
          assert.equal(completions()[0].transaction, 'cct_1');
        });

        test('pays once when the news comes five times at the same moment', async () => {
          shop.set({ slow_ms: 400 });
          const answers = await Promise.all(Array.from({ length: 5 }, () => visit()));
          assert.ok(answers.some(arrived));
          assert.equal(completions().length, 1);
          assert.ok(arrived(await visit()));
          assert.equal(completions().length, 1);
        });

        test('a genuine signature over another payment settles nothing', async () => {
          for (const other of [{ amount_total: '100' }, { currency: 'jpy' }, { livemode: 'true' }, { transaction: 'cct_2' }, { order_id: '999999' }])
            assert.equal((await visit(other)).status, 400, JSON.stringify(other));
          assert.equal(completions().length, 0);
        });

        test('an altered address settles nothing', async () => {
          for (const [from, to] of [
            ['status=paid', 'status=paid2'],
            ['amount_total=2000', 'amount_total=2001'],
            ['signature=', 'signature=0'],
            ['livemode=false', 'livemode=true'],
            ['currency=usd', 'currency[]=usd'],
          ]) {
            const url = homeUrl(shop, { order_id: order }).replace(from, to);
            assert.equal((await browser()(url)).status, 400, to);
          }
          assert.equal(completions().length, 0);
        });

        test('an old address settles nothing', async () => {
          const { status, text } = await visit({ t: String(Math.floor(Date.now() / 1000) - 301) });
          assert.equal(status, 410);
          assert.match(text, /too old/);
          assert.equal(completions().length, 0);
        });

        test('a bank that takes its time: waiting, then settled by the look-up', async () => {
          const { status, text } = await visit({ status: 'processing' });
          assert.equal(status, 200);
          assert.match(text, /waiting for your bank/);
          const row = { object: 'transaction', id: 'cct_1', amount: 2000, currency: 'usd', livemode: false, order_id: order };
          worker.row = { ...row, status: 'processing' };
          await shop.cron();
          assert.equal(completions().length, 0);
          worker.row = { ...row, status: 'paid' };
          await shop.cron();
          await shop.cron();
          assert.equal(completions().length, 1);
        });

        test('a buyer who never comes back is found by the look-up; a wrong row is not believed', async () => {
          const row = { object: 'transaction', id: 'cct_1', status: 'paid', amount: 2000, currency: 'usd', livemode: false, order_id: order };
          worker.row = { ...row, amount: 1 };
          await shop.cron();
          assert.equal(completions().length, 0);
          assert.ok(arrived(await visit()));
          assert.equal(completions().length, 1);
        });

        if (woo) {
          test('an order that was edited while it was paid waits for a person', async () => {
            // Somebody adds a line in the admin: the order is 40.00 now, and 20.00 were paid.
            const { execFileSync } = await import('node:child_process');
            const script = `$f=${JSON.stringify(`${shop.dir}/state`)};$r=unserialize(file_get_contents($f));$k='wc_order_${order}';$o=unserialize($r[$k]['value']);$o['total']='40.00';$r[$k]['value']=serialize($o);file_put_contents($f,serialize($r));`;
            execFileSync(process.env.PHP_BIN || 'php', ['-r', script]);
            assert.equal((await visit()).status, 400);
            assert.equal(completions().length, 0);
            assert.deepEqual(
              shop.log('status').map((entry) => entry.status),
              ['on-hold'],
            );
          });
        }

        test('a canceled checkout goes back to the cart and changes nothing', async () => {
          const { status, location } = await browser()(`${shop.url}/?cognitive-cart=canceled&transaction=cct_1&status=canceled`);
          assert.equal(status, 302);
          assert.equal(location, woo ? `${shop.url}/cart/` : `${shop.url}/`);
          assert.equal(completions().length, 0);
        });
      });

      test('nothing secret is autoloaded', () => {
        for (const [name, row] of Object.entries(shop.kept()))
          if (/ccs_test|whsec_/.test(JSON.stringify(row.value))) assert.equal(row.autoload, 'no', name);
        assert.equal(shop.kept().cognitive_cart_shop.value.api_key, 'ccs_test');
      });

      if (woo) {
        test('coupons, shipping, a negative fee, tax: the parts add up to the total the buyer saw', async () => {
          shop.set({
            products: { 20: { name: 'Mug', price: '20.00' }, 21: { name: 'Spoon', price: '3.33' } },
            cart: [
              { product_id: 20, quantity: 1 },
              { product_id: 21, quantity: 3 },
            ],
            totals: { percent_off: 7, shipping: '4.95', tax_percent: 19, fees: [{ name: 'Wrapping', total: '1.50' }, { name: 'Loyalty', total: '-2.00' }] },
          });
          const { status, body } = await shop.chat();
          shop.set({ products, totals: {} });
          assert.equal(status, 201, JSON.stringify(body));
          const { cart } = worker.sessions().at(-1).body;
          const sum = (list) => list.reduce((total, part) => total + (part.amount_total ?? part.amount), 0);
          // 29.99 − 7 % = 27.8907; + 4.95 + 1.50 − 2.00 = 32.3407; + 19 % = 38.485433
          assert.equal(cart.total, 3849);
          assert.equal(sum(cart.items) + sum(cart.shipping) + sum(cart.fees) + sum(cart.taxes) - sum(cart.discounts), 3849);
          assert.deepEqual(cart.discounts, [{ label: 'Loyalty', amount: 200 }]);
          assert.deepEqual(
            cart.items.map((item) => item.amount_total),
            [1860, 929],
          );
        });
      }
    });
  }
});
