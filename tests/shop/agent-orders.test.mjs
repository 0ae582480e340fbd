import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startShop } from '../../sandbox/shop/index.mjs';
import { browser, startStubWorker } from './stub-worker.mjs';

async function setting(work) {
  const stub = await startStubWorker();
  const folder = mkdtempSync(join(tmpdir(), 'demo-shop-'));
  const persist = join(folder, 'state.json');
  const shop = await startShop({ workerUrl: stub.url, persist });
  const visitor = browser(shop.url);
  try {
    await visitor.go('/admin/connectivity');
    stub.connected = true;
    await visitor.submit('/', '/admin/selling');
    await work({ stub, shop, visitor, orders: () => Object.values(JSON.parse(readFileSync(persist, 'utf8')).orders), stock: () => JSON.parse(readFileSync(persist, 'utf8')).stock });
  } finally {
    await shop.close();
    await stub.close();
    rmSync(folder, { recursive: true });
  }
}

/** The order as the Worker tells it: a clock at 129.00 and the guide at 12.00 with 10 % off, express, tax of 11.10. */
const sold = (more = {}) => ({
  id: 'ord_1', object: 'order', transaction: 'cct_1', checkout_session: 'checkout_1', livemode: false, agent: 'Errand', order_id: null, status: 'created', currency: 'usd',
  line_items: [
    { id: 'li_1', sku: 'clock', title: 'Ship\'s clock', description: 'Brass', digital: false, quantity: 1, unit_amount: 12900, amount_subtotal: 12900, amount_discount: 1290, amount_tax: 1016, amount_total: 12626 },
    { id: 'li_2', sku: 'guide', title: 'Slow coffee, a guide', description: 'A book', digital: true, quantity: 1, unit_amount: 1200, amount_subtotal: 1200, amount_discount: 120, amount_tax: 94, amount_total: 1174 },
  ],
  shipping_options: [{ type: 'shipping', id: 'express', title: 'Express', amount_total: 1250 }],
  amount_subtotal: 12690, amount_discount: 0, amount_shipping: 1250, amount_tax: 1110, amount_fee: 0, amount_total: 15050, amount_refunded: 0,
  buyer: { email: 'ada@buyer.example' }, fulfillments: [], adjustments: [], created: 1_795_000_000, ...more,
});
const requests = (stub, route) => stub.requests.filter((request) => request.route === route);

test('order.created is booked once and answered with our number and its page, however often it comes', () => setting(async ({ stub, shop, visitor, orders, stock }) => {
  stub.orders = [sold()];
  const first = await stub.tell('order.created', sold());
  const again = await stub.tell('order.created', sold());
  assert.equal(first.status, 200);
  assert.deepEqual(again.body, first.body);
  const [order, ...others] = orders();
  assert.equal(others.length, 0);
  assert.deepEqual(first.body, { order_id: order.id, permalink_url: `${shop.url}/order/${order.id}?key=${order.key}` });
  assert.deepEqual([order.status, order.source, order.total, order.livemode], ['paid', 'agent:Errand', 15050, false]);
  assert.equal(order.history.filter((entry) => entry.what.startsWith('Stock taken')).length, 1);
  assert.equal(stock().clock, 0);
  assert.equal(requests(stub, 'PATCH /v1/catalogue/inventory').length, 0); // the Worker has counted it itself

  const page = await visitor.go(first.body.permalink_url.slice(shop.url.length));
  for (const row of [/\$141\.00/, /Discounts<\/dt><dd>−\$14\.10/, /Express<\/dt><dd>\$12\.50/, /Tax<\/dt><dd>\$11\.10/, /\$150\.50/]) assert.match(page.text, row);
  const download = /href="(\/order\/[^"]+\/download\/guide[^"]+)"/.exec(page.text)[1].replaceAll('&amp;', '&');
  const file = await visitor.go(download);
  assert.deepEqual([file.status, file.headers.get('content-disposition')], [200, 'attachment; filename="guide.txt"']);
  for (const wrong of [download.replace('guide', 'clock'), download.replace(/key=.*/, 'key=x'), download.replace('guide', 'mug')]) assert.equal((await visitor.go(wrong)).status, 404, wrong);
}));

test('what is not signed by the Worker is no order', () => setting(async ({ stub, orders }) => {
  const refused = await stub.tell('order.created', sold(), { secret: `whsec_${Buffer.alloc(32, 9).toString('base64')}` });
  assert.equal(refused.status, 401);
  assert.equal((await stub.tell('order.created', sold(), { t: Math.floor(Date.now() / 1000) - 400 })).status, 401);
  assert.equal(orders().length, 0);
}));

test('the payment\'s own notice books nothing more', () => setting(async ({ stub, orders }) => {
  await stub.tell('transaction.paid', { object: 'transaction', id: 'cct_1', status: 'paid', order_id: null, amount: 15050, currency: 'usd', livemode: false });
  await stub.tell('order.created', sold());
  await stub.tell('transaction.paid', { object: 'transaction', id: 'cct_1', status: 'paid', order_id: null, amount: 15050, currency: 'usd', livemode: false });
  assert.equal(orders().length, 1);
}));

test('an order that nobody told us of is found in the list, booked, and told by PATCH', () => setting(async ({ stub, visitor, orders }) => {
  stub.orders = [sold()];
  const page = await visitor.go('/admin/orders');
  assert.match(page.text, /Order 1001/);
  assert.equal(orders().length, 1);
  const [{ body }] = requests(stub, 'PATCH /v1/orders/ord_1');
  assert.equal(body.order_id, '1001');
  await visitor.go('/admin/orders');
  assert.equal(requests(stub, 'PATCH /v1/orders/ord_1').length, 1);
  // The notice comes after all: the same order.
  assert.equal((await stub.tell('order.created', sold())).body.order_id, '1001');
}));

test('ship: what weighs goes out with a number, what does not is a link; sent again it is the same', () => setting(async ({ stub, visitor, orders }) => {
  stub.orders = [sold()];
  await stub.tell('order.created', sold());
  for (let i = 0; i < 2; i += 1) await visitor.submit('/', '/admin/orders/ord_1/ship');
  const [first, second] = requests(stub, 'PATCH /v1/orders/ord_1').map((request) => request.body).filter((body) => body.status);
  assert.deepEqual(first, second);
  const [parcel, download] = first.fulfillments;
  assert.equal(first.status, 'shipped');
  assert.deepEqual([parcel.type, parcel.status, parcel.carrier, parcel.line_items], ['shipping', 'shipped', 'Harbour Post', [{ id: 'li_1', quantity: 1 }]]);
  assert.match(parcel.tracking_number, /^HL1001[0-9A-F]{6}$/);
  assert.deepEqual([download.type, download.status, download.line_items], ['digital', 'delivered', [{ id: 'li_2', quantity: 1 }]]);
  assert.ok(orders()[0].history.some((entry) => entry.what.includes(parcel.tracking_number)));
  const page = await visitor.go('/admin/orders');
  assert.match(page.text, new RegExp(parcel.tracking_number));
  assert.doesNotMatch(page.text, /Ship with tracking/);
}));

test('only downloads: the order is complete at once', () => setting(async ({ stub, visitor }) => {
  const download = sold({ line_items: [sold().line_items[1]], amount_shipping: 0, amount_total: 1174 });
  stub.orders = [download];
  await visitor.submit('/', '/admin/orders/ord_1/ship');
  const { body } = requests(stub, 'PATCH /v1/orders/ord_1').find((request) => request.body.status);
  assert.deepEqual([body.status, body.fulfillments.length], ['completed', 1]);
}));

test('half of it back; a lost answer is the same refund when the button is pressed again', () => setting(async ({ stub, visitor }) => {
  stub.orders = [sold()];
  const refund = 'POST /v1/transactions/cct_1/refunds';
  stub.trouble = Array.from({ length: 4 }, () => ({ on: refund, how: 'drop_after' }));
  assert.equal((await visitor.submit('/', '/admin/orders/ord_1/refund')).status, 503);
  await visitor.submit('/', '/admin/orders/ord_1/refund');
  assert.equal(new Set(requests(stub, refund).map((request) => request.headers['idempotency-key'])).size, 1);
  assert.deepEqual(requests(stub, refund)[0].body, { amount: 7525, reason: 'requested_by_customer' });
  assert.equal(stub.orders[0].amount_refunded, 7525);
  await visitor.submit('/', '/admin/orders/ord_1/refund'); // and now it is a second one
  assert.equal(stub.orders[0].amount_refunded, 15050);
  assert.match((await visitor.go('/admin/orders')).text, /of which \$150\.50 given back/);
}));

test('cancel: first the money that is left, then the word', () => setting(async ({ stub, visitor, orders }) => {
  stub.orders = [sold({ amount_refunded: 5050 })];
  await visitor.submit('/', '/admin/orders/ord_1/cancel');
  const [{ id, key }] = orders();
  assert.match((await visitor.go(`/order/${id}?key=${key}`)).text, /This order was canceled/);
  assert.equal((await visitor.go(`/order/${id}/download/guide?key=${key}`)).status, 404);
  const told = stub.requests.map((request) => [request.route, request.body]).filter(([route, body]) => route.startsWith('POST /v1/transactions') || body?.status);
  assert.deepEqual(told, [['POST /v1/transactions/cct_1/refunds', { reason: 'requested_by_customer' }], ['PATCH /v1/orders/ord_1', { status: 'canceled' }]]);
  assert.equal(stub.orders[0].amount_refunded, 15050);
  // What was given back already is not asked for again.
  stub.orders = [sold({ id: 'ord_2', transaction: 'cct_2', amount_refunded: 15050 })];
  await visitor.submit('/', '/admin/orders/ord_2/cancel');
  assert.equal(requests(stub, 'POST /v1/transactions/cct_2/refunds').length, 0);
  assert.equal((await visitor.submit('/', '/admin/orders/ord_9/ship')).status, 404);
}));

test('a refund that is refused is not called canceled', () => setting(async ({ stub, visitor }) => {
  stub.orders = [sold()];
  stub.trouble = [{ on: 'POST /v1/transactions/cct_1/refunds', answer: [422, { error: { type: 'invalid_request', code: 'charge_disputed', message: 'Disputed.' } }] }];
  // The stub looks at the first trouble only: what comes before it goes through.
  assert.equal((await visitor.submit('/', '/admin/orders/ord_1/cancel')).status, 422);
  assert.equal(stub.orders[0].status, 'created');
}));

test('the Worker is down: the shop\'s own books can be read', () => setting(async ({ stub, visitor }) => {
  await stub.tell('order.created', sold());
  stub.trouble = Array.from({ length: 4 }, () => ({ on: 'GET /v1/orders', answer: [503, { error: { type: 'upstream', code: 'not_configured', message: 'Down.' } }] }));
  const page = await visitor.go('/admin/orders');
  assert.deepEqual([page.status, /agent:Errand/.test(page.text), /not set up yet/.test(page.text)], [200, true, true]);
}));
