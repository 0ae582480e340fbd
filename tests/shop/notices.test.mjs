import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { startShop } from '../../sandbox/shop/index.mjs';
import { checkNotice, NOTICES_PATH, sign } from '../../sandbox/shop/notices.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OLDER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const NOW = 1_795_000_000;
const seconds = () => Math.floor(Date.now() / 1000);

const notice = (object, { id = 'ccevt_1', type = 'transaction.paid' } = {}) => JSON.stringify({ id, type, created: NOW, data: { object } });
const headersOf = (body, { id = 'ccevt_1', t = NOW, secrets = [SECRET] } = {}) => ({
  'webhook-id': id, 'webhook-timestamp': String(t), 'webhook-signature': secrets.map((secret) => sign(id, t, body, secret)).join(' '),
});
const check = (headers, body, secrets = [SECRET], now = NOW) => checkNotice(headers, body, { secrets, now });

test('the signature is that of the Standard Webhooks library', () => {
  const body = notice({ object: 'transaction' });
  const t = seconds();
  assert.equal(sign('ccevt_1', t, body, SECRET), new Webhook(SECRET).sign('ccevt_1', new Date(t * 1000), body));
  assert.ok(new Webhook(SECRET).verify(body, headersOf(body, { t })));
});

test('what was changed, is old or was signed by somebody else is no notice', () => {
  const body = notice({ object: 'transaction' });
  const good = headersOf(body);
  assert.equal(check(good, body).ok, true);
  assert.equal(check(good, `${body} `).reason, 'forged');
  assert.equal(check({ ...good, 'webhook-id': 'ccevt_2' }, body).reason, 'forged');
  assert.equal(check({ ...good, 'webhook-timestamp': String(NOW + 1) }, body).reason, 'forged');
  assert.equal(check(good, body, [OLDER]).reason, 'forged');
  assert.equal(check(good, body, []).reason, 'forged');
  for (const bad of ['', 'v1,', 'v2,x', good['webhook-signature'].slice(0, -1)]) assert.equal(check({ ...good, 'webhook-signature': bad }, body).reason, 'forged');
  assert.equal(check({}, body).reason, 'stale');
  assert.equal(check(good, body, [SECRET], NOW + 300).ok, true);
  for (const now of [NOW + 301, NOW - 301]) assert.equal(check(good, body, [SECRET], now).reason, 'stale');
  assert.equal(check({ ...good, 'webhook-timestamp': `${NOW}.0` }, body).reason, 'stale');
});

test('while the secret is rolled either of the two signatures is enough', () => {
  const body = notice({ object: 'transaction' });
  const both = headersOf(body, { secrets: [SECRET, OLDER] });
  for (const known of [[SECRET], [OLDER], [SECRET, OLDER]]) assert.equal(check(both, body, known).ok, true);
});

test('a notice pays its order once, is shown, and a foreign or forged one pays nothing', async () => {
  const stub = await startStubWorker();
  const shop = await startShop({ workerUrl: stub.url });
  try {
    const visitor = browser(shop.url);
    await visitor.go('/admin/connectivity'); // registers
    assert.equal(stub.shop.webhook_url, `${shop.url}${NOTICES_PATH}`);
    stub.connected = true;
    await visitor.submit('/', '/cart/add', { product_id: 'mug' });
    await visitor.submit('/cart', '/checkout/chat');
    const [session] = stub.sessions.values();
    const row = { object: 'transaction', id: session.transaction, status: 'paid', order_id: session.order_id, amount: session.amount_total, currency: session.currency, livemode: session.livemode };
    const tell = async (object, { secret = stub.secret, ...more } = {}) => {
      const body = notice(object, more);
      const answer = await fetch(shop.url + NOTICES_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headersOf(body, { t: seconds(), secrets: [secret], ...more }) } });
      return answer.status;
    };
    const orders = async () => (await visitor.go('/admin/orders')).text;
    assert.equal(await tell(row, { secret: OLDER }), 401);
    assert.equal(await tell({ ...row, amount: 1 }, { id: 'ccevt_2' }), 204);
    assert.equal(await tell({ ...row, livemode: true }, { id: 'ccevt_3' }), 204);
    assert.equal(await tell({ ...row, order_id: 'nobody' }, { id: 'ccevt_4' }), 204);
    assert.match(await orders(), /Waiting for payment/);
    for (let i = 0; i < 3; i += 1) assert.equal(await tell(row), 204);
    const page = await orders();
    assert.doesNotMatch(page, /Waiting for payment/);
    assert.match(page, /transaction\.paid/);
    const address = /href="(\/order\/[^"]+)"/.exec(page)[1].replaceAll('&amp;', '&');
    const { text } = await visitor.go(address);
    assert.match(text, /Paid \(told by ccevt_1\)/);
    assert.equal(text.match(/Stock taken/g).length, 1);
    // News of less comes late: nothing goes back.
    assert.equal(await tell({ ...row, status: 'processing' }, { id: 'ccevt_5', type: 'transaction.processing' }), 204);
    assert.match((await visitor.go(address)).text, /your order is paid/);
    assert.equal(await tell({ object: 'shop', id: 'shop_1' }, { id: 'ccevt_6', type: 'shop.superseded' }), 204);
    assert.equal(await tell({ object: 'connection', account: 'acct_1' }, { id: 'ccevt_7', type: 'connection.gone' }), 204);
    assert.match(await orders(), /connection\.gone/);
  } finally {
    await shop.close();
    await stub.close();
  }
});
