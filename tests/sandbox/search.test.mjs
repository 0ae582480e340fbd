// The search of PaymentIntents: Stripe's query language, and an index that comes later than the truth.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PREVIEW, start } from './support.mjs';

/** Payments by a name of our own, and the search that finds them again by it. */
function searcher({ stripe, call }, shop) {
  const ids = {};
  const search = (query, { account = shop, ...more } = {}) => call('GET', '/v1/payment_intents/search', { query, ...more }, { account });
  const found = async (query, more) => {
    const { status, body } = await search(query, more);
    assert.equal(status, 200, JSON.stringify(body));
    return body.data.map(({ id }) => Object.keys(ids).find((name) => ids[name] === id));
  };
  const pay = async (name, { account = shop, card = 'pm_card_visa', ...params }) => {
    const token = await stripe.grantToken({ account, maxAmount: 10_000, card, currency: params.currency });
    const { body } = await call('POST', '/v1/payment_intents', { amount: 1000, currency: 'usd', confirm: true, payment_method_data: { shared_payment_granted_token: token }, ...params }, { account, version: PREVIEW });
    ids[name] = (body.error?.payment_intent ?? body).id;
  };
  return { ids, search, found, pay };
}

describe('Search', () => {
  let stripe, search, found, pay, other;
  before(async () => {
    const here = await start();
    ({ stripe } = here);
    const shop = await here.merchant();
    other = await here.merchant();
    ({ search, found, pay } = searcher(here, shop));
    stripe.lagSearch(0);
    await pay('plain', { metadata: { cc_transaction: 'cct_1', note: 'He said "no"' } });
    await pay('declined', { card: 'pm_card_chargeDeclined', amount: 2000, metadata: { cc_transaction: 'cct_2' } });
    await pay('euro', { currency: 'eur', amount: 3000, metadata: { cc_transaction: 'cct_3', 'it\'s': 'x' } });
    await pay('elsewhere', { account: other, metadata: { cc_transaction: 'cct_1' } });
  });
  after(() => stripe.close());

  test('by metadata, status, amount, currency, creation; and, or, not; one account\'s only', async () => {
    for (const [query, wanted] of [
      ['metadata[\'cc_transaction\']:\'cct_1\'', ['plain']],
      ['metadata["cc_transaction"]:"CCT_1"', ['plain']],
      ['metadata[\'cc_transaction\']~\'cct\'', ['euro', 'declined', 'plain']],
      ['metadata[\'note\']:\'He said "no"\'', ['plain']],
      ['metadata["note"]:"He said \\"no\\""', ['plain']],
      ['metadata[\'it\\\'s\']:\'x\'', ['euro']],
      ['metadata[\'note\']:null', ['euro', 'declined']],
      ['-metadata[\'cc_transaction\']:\'cct_1\'', ['euro', 'declined']],
      ['status:\'succeeded\' AND amount>1000', ['euro']],
      ['status:\'succeeded\' amount>=1000', ['euro', 'plain']],
      ['amount:2000 OR currency:\'eur\'', ['euro', 'declined']],
      ['amount<1000', []],
      [`created>${stripe.world.now() - 3600} and -status:'succeeded'`, ['declined']],
      ['customer:null', ['euro', 'declined', 'plain']],
    ]) assert.deepEqual((await found(query)).sort(), [...wanted].sort(), query);
    assert.deepEqual(await found('metadata[\'cc_transaction\']:\'cct_1\'', { account: other }), ['elsewhere']);
  });

  test('in pages', async () => {
    const first = (await search('customer:null', { limit: 2 })).body;
    assert.deepEqual([first.object, first.url, first.data.length, first.has_more], ['search_result', '/v1/payment_intents/search', 2, true]);
    const second = (await search('customer:null', { limit: 2, page: first.next_page })).body;
    assert.deepEqual([second.data.length, second.has_more, second.next_page], [1, false, null]);
    assert.equal(new Set([...first.data, ...second.data].map(({ id }) => id)).size, 3);
    const whole = (await search('status:\'succeeded\'', { expand: ['data.latest_charge'] })).body;
    assert.ok(whole.data.every(({ latest_charge: charge }) => charge.paid));
  });

  test('refused: what is no query', async () => {
    for (const query of ['cct_1', 'metadata[cc_transaction]:\'x\'', 'status:succeeded', 'description:\'x\'', 'amount~5', 'status>\'x\'', 'metadata[\'a\']~\'xy\'', 'amount:1 AND amount:2 OR amount:3', 'amount:1 XOR amount:2', 'amount:1 AND', Array(11).fill('amount:1').join(' AND ')]) {
      const { status, body } = await search(query);
      assert.deepEqual([status, body.error.param], [400, 'query'], query);
    }
    assert.equal((await search(undefined)).body.error.code, 'parameter_missing');
    assert.equal((await search('amount:1', { page: 'x' })).body.error.param, 'page');
    assert.equal((await search('amount:1', { limit: 101 })).body.error.param, 'limit');
  });

  test('what was just done is not found yet, nor what became of it; the list knows at once', async () => {
    const here = await start();
    try {
      const account = await here.merchant();
      const fresh = searcher(here, account);
      await fresh.pay('new', { card: 'pm_card_threeDSecure2Required', metadata: { cc_transaction: 'cct_new' } });
      const query = 'metadata[\'cc_transaction\']:\'cct_new\'';
      const has = async (more = '') => (await fresh.found(`${query}${more}`)).length;
      assert.equal(await has(), 0, 'by default it lags');
      assert.equal((await here.call('GET', '/v1/payment_intents', {}, { account })).body.data[0].metadata.cc_transaction, 'cct_new');
      here.stripe.advance(30);
      assert.equal(await has(), 1);
      await here.stripe.confirm(fresh.ids.new);
      assert.deepEqual([await has(' AND status:\'requires_action\''), await has(' AND status:\'succeeded\'')], [1, 0], 'found by what it was');
      assert.equal((await fresh.search(query)).body.data[0].status, 'succeeded', 'shown as it is');
      here.stripe.advance(30);
      assert.deepEqual([await has(' AND status:\'requires_action\''), await has(' AND status:\'succeeded\'')], [0, 1]);
      here.stripe.lagSearch(3600);
      assert.equal(await has(), 0, 'an outage: an hour behind');
    } finally {
      await here.stripe.close();
    }
  });
});
