import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDRESSES, nextStep } from '../../sandbox/shop/agent/shopping.mjs';
import { can, cancel, choose, complete, create, deliverTo, discount, headers, read, understand, VERSIONS } from '../../sandbox/shop/agent/versions.mjs';

const OLD = ['stripe', '2025-09-29', '2025-12-12', '2026-01-16'];
const NEW = ['2026-01-30', '2026-04-17'];
const buyer = { first_name: 'Ada', last_name: 'Buyer', email: 'ada@buyer.example' };
const items = [{ id: 'mug', quantity: 2 }];
const { address } = ADDRESSES['san-francisco'];

test('where a version is spoken, and how it says which it is', () => {
  assert.deepEqual(headers('stripe'), {});
  assert.deepEqual(headers('2026-01-16'), { 'api-version': '2026-01-16' });
  for (const version of VERSIONS) {
    const base = version === 'stripe' ? '/checkouts' : '/checkout_sessions';
    assert.deepEqual([create(version, { items, buyer }).method, create(version, { items, buyer }).path], ['POST', base]);
    assert.deepEqual(read(version, 'c1'), { method: 'GET', path: `${base}/c1` });
    const change = deliverTo(version, 'c1', { address, email: buyer.email });
    assert.deepEqual([change.method, change.path], [version === 'stripe' ? 'PUT' : 'POST', `${base}/c1`]);
    assert.equal(cancel(version, 'c1').path, `${base}/c1/cancel`);
  }
});

test('create: items, and since 2026-01-30 line items with currency and capabilities', () => {
  for (const version of OLD) assert.deepEqual(create(version, { items, buyer }).body, { items, buyer });
  for (const version of NEW) {
    assert.deepEqual(create(version, { items, buyer }).body, { line_items: items, currency: 'usd', capabilities: { interventions: { supported: ['3ds'] } }, buyer });
  }
});

test('where to: an address, and since 2025-12-12 the person with it', () => {
  for (const version of ['stripe', '2025-09-29']) assert.deepEqual(deliverTo(version, 'c1', { address, email: 'a@b.example' }).body, { fulfillment_address: address });
  for (const version of ['2025-12-12', '2026-01-16', ...NEW]) {
    assert.deepEqual(deliverTo(version, 'c1', { address, email: 'a@b.example' }).body, { fulfillment_details: { name: 'Ada Buyer', email: 'a@b.example', address } });
  }
});

test('the choice of shipping, in its three shapes; what was chosen for downloads stays chosen', () => {
  const option = { id: 'express', type: 'shipping' };
  const lines = [{ id: 'li_1' }, { id: 'li_2' }];
  for (const version of ['stripe', '2025-09-29']) assert.deepEqual(choose(version, 'c1', { line_items: lines }, option).body, { fulfillment_option_id: 'express' });
  for (const version of ['2025-12-12', '2026-01-16']) {
    const session = { line_items: lines, selected_fulfillment_options: [{ type: 'digital', digital: { option_id: 'download', item_ids: ['li_2'] } }, { type: 'shipping', shipping: { option_id: 'standard', item_ids: ['li_1'] } }] };
    assert.deepEqual(choose(version, 'c1', session, option).body.selected_fulfillment_options, [
      { type: 'digital', digital: { option_id: 'download', item_ids: ['li_2'] } }, { type: 'shipping', shipping: { option_id: 'express', item_ids: ['li_1'] } },
    ]);
  }
  for (const version of NEW) {
    const session = { line_items: lines, selected_fulfillment_options: [{ type: 'shipping', option_id: 'standard', item_ids: ['li_1', 'li_2'] }] };
    assert.deepEqual(choose(version, 'c1', session, option).body.selected_fulfillment_options, [{ type: 'shipping', option_id: 'express', item_ids: ['li_1', 'li_2'] }]);
    assert.deepEqual(choose(version, 'c1', { line_items: lines }, option).body.selected_fulfillment_options[0].item_ids, ['li_1', 'li_2']);
  }
});

test('codes, reasons and what the bank said: where a version has words for them', () => {
  assert.deepEqual(discount('2026-04-17', 'c1', ['WELCOME10']).body, { discounts: { codes: ['WELCOME10'] } });
  assert.deepEqual(VERSIONS.filter(can.discounts), ['2026-04-17', '2026-01-30']);
  assert.deepEqual(VERSIONS.filter((version) => !can.authenticate(version)), ['2025-09-29', 'stripe']);
  assert.deepEqual(cancel('2025-12-12', 'c1', 'comparison').body, { intent_trace: { reason_code: 'comparison' } });
  assert.equal(cancel('2025-09-29', 'c1', 'comparison').body, undefined);
});

test('complete: a token by itself, and since 2026-01-30 in an instrument of the shop\'s handler', () => {
  for (const version of OLD) {
    assert.deepEqual(complete(version, 'c1', {}, { token: 'spt_1', buyer }).body, { buyer, payment_data: { token: 'spt_1', provider: 'stripe' } });
  }
  const session = { capabilities: { payment: { handlers: [{ id: 'card_tokenized' }] } } };
  for (const version of NEW) {
    const { body } = complete(version, 'c1', session, { token: 'spt_1', buyer, authentication: { outcome: 'authenticated' } });
    assert.deepEqual(body.payment_data, { handler_id: 'card_tokenized', instrument: { type: 'card', credential: { type: 'spt', token: 'spt_1' } } });
    assert.deepEqual(body.authentication_result, { outcome: 'authenticated' });
  }
});

test('answers of old and new versions come to the same', () => {
  const old = understand('2025-12-12', {
    id: 'c1', status: 'ready_for_payment', currency: 'usd', messages: [], links: [], payment_provider: { provider: 'stripe', merchant_id: 'acct_1' },
    line_items: [{ id: 'li_1', item: { id: 'mug', quantity: 2 }, base_amount: 4000, total: 4350 }],
    totals: [{ type: 'total', display_text: 'Total', amount: 4840 }],
    fulfillment_options: [{ type: 'shipping', id: 'standard', title: 'Standard', subtitle: 'slow', total: 490 }],
    selected_fulfillment_options: [{ type: 'shipping', shipping: { option_id: 'standard', item_ids: ['li_1'] } }],
  }, (id) => ({ mug: 'Mug' })[id]);
  const recent = understand('2026-04-17', {
    id: 'c1', status: 'ready_for_payment', currency: 'usd', messages: [], links: [], capabilities: { payment: { handlers: [{ config: { merchant_id: 'acct_1' } }] } },
    line_items: [{ id: 'li_1', item: { id: 'mug' }, name: 'Mug', quantity: 2, totals: [{ type: 'tax', amount: 350 }, { type: 'total', amount: 4350 }] }],
    totals: [{ type: 'total', display_text: 'Total', amount: 4840 }],
    fulfillment_options: [{ type: 'shipping', id: 'standard', title: 'Standard', description: 'slow', totals: [{ type: 'total', amount: 490 }] }],
    selected_fulfillment_options: [{ type: 'shipping', option_id: 'standard', item_ids: ['li_1'] }],
  });
  assert.deepEqual(old, recent);
  assert.deepEqual([old.lines[0], old.options[0].selected, old.total, old.account], [{ id: 'li_1', product: 'mug', title: 'Mug', quantity: 2, total: 4350 }, true, 4840, 'acct_1']);
  const first = understand('2025-09-29', { id: 'c', status: 'ready_for_payment', currency: 'usd', line_items: [], totals: [], fulfillment_options: [{ type: 'shipping', id: 'standard', total: 1 }], fulfillment_option_id: 'standard', messages: [{ type: 'error', code: 'requires_3ds' }] });
  assert.deepEqual([first.options[0].selected, first.wantsBank, first.account], [true, true, undefined]); // no status for it, only a message
});

test('what comes next on a tour', () => {
  const tour = (done = [], more = {}) => ({ version: '2026-04-17', done: new Set(done), ...more });
  const session = (more = {}) => ({ options: [], payable: false, ended: false, wantsBank: false, ...more });
  const two = [{ type: 'shipping' }, { type: 'shipping' }];
  const token = { token: { value: 'spt_1' } };
  assert.equal(nextStep(tour(), undefined), 'create');
  assert.equal(nextStep(tour(), session()), 'address');
  assert.equal(nextStep(tour(), session({ payable: true })), 'token'); // a download needs no address
  assert.equal(nextStep(tour(['address']), session({ options: two, payable: true })), 'shipping');
  assert.equal(nextStep(tour(['address', 'shipping']), session({ options: two, payable: true })), 'token');
  assert.equal(nextStep(tour(['address']), session()), 'address'); // the shop does not ship there: another one
  assert.equal(nextStep(tour(['address'], token), session({ payable: true })), 'complete');
  assert.equal(nextStep(tour(['address'], token), session({ payable: true, wantsBank: true })), 'authenticate');
  assert.equal(nextStep(tour([], { ...token, version: '2025-09-29' }), session({ payable: true, wantsBank: true })), 'complete');
  assert.equal(nextStep(tour([], token), session({ ended: true })), 'done');
});
