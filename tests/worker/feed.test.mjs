// Contract, *Agents, catalogue, fulfilment*: a shop's catalogue goes to its agent's feed; and whatever happens on the way, in the end the
// agent has exactly what the shop sells.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { addAgent, ADDRESS, agentShop, payBody } from '../support/agent.mjs';
import { startFeed } from '../support/feed.mjs';
import { registerShop } from '../support/shop.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, agent, feed;
const open = [];

before(async () => {
  stripe = await startStripe({ retryPauses: [] });
  w = await startWorker({ stripe, faults: true });
});
after(async () => {
  await w?.close();
  await stripe?.close();
  for (const one of open) await one.close();
});

/** Every statement of these tests that has to do with feeds. */
const statements = new Set();
afterEach(async () => { for (const text of await w.statements()) if (/feed_/.test(text)) statements.add(text); });

const api = (method, path, body, more = {}) => w.api(method, path, { key: shop.key, body, ...more });
const fine = (answer, status = 200) => { assert.equal(answer.status, status, answer.text); return answer.body; };
const product = (id, more = {}) => ({ id, title: `Product ${id}`, price: '12.30 USD', availability: 'in_stock', link: `https://shop.example/${id}`, image_link: `https://shop.example/${id}.jpg`, ...more });
const upload = async (rows, method = 'PUT') => {
  const body = rows.map((row) => JSON.stringify(row)).join('\n');
  const { rejected } = fine(await api(method, '/v1/catalogue/products', body, { idempotencyKey: randomUUID(), headers: { 'content-type': 'application/x-ndjson' } }));
  assert.equal(rejected, 0);
};
const numbered = (n, from = 0) => Array.from({ length: n }, (_, i) => product(`p${String(from + i).padStart(5, '0')}`));
const status = async () => fine(await api('GET', `/v1/agents/${agent.id}`)).feed;
const set = async (body) => fine(await api('PATCH', `/v1/agents/${agent.id}`, body)).feed;
/** The time that a pause takes has passed. */
const later = () => w.d1('UPDATE agents SET feed_wait_until = 0, feed_due_at = 1 WHERE id = ? AND feed_due_at IS NOT NULL', agent.id);
/** Sweeps until all is told. -> the status */
async function synced(most = 12) {
  let seen;
  for (let run = 0; run < most; run += 1) {
    await w.scheduled();
    seen = await status();
    if (seen.status === 'synced') return seen;
    assert.equal(seen.status, 'pushing', JSON.stringify(seen));
  }
  throw new Error(`not told after ${most} sweeps: ${JSON.stringify(seen)}`);
}

/** All that the shop sells, by the API. */
async function catalogue() {
  const all = [];
  for (let after = ''; ;) {
    const page = fine(await api('GET', `/v1/catalogue/products?limit=100${after}`));
    all.push(...page.data);
    if (!page.has_more) return all;
    after = `&starting_after=${encodeURIComponent(page.data.at(-1).id)}`;
  }
}

/** Fails unless the agent has exactly the live catalogue. */
async function agrees({ amounts = true } = {}) {
  const offers = feed.offers();
  const rows = await catalogue();
  const short = (id, title, amount, product, available) => `${id} ${title} ${amounts && amount} ${product} ${available}`;
  const wanted = rows.map((row) => short(row.id, row.title, row.unit_amount, row.item_group_id ?? row.id,
    row.availability !== 'out_of_stock' && !row.disable_checkout && (row.availability !== 'in_stock' || row.inventory_quantity === null || row.inventory_quantity > 0)));
  const had = [...offers.values()].map((offer) => short(offer.id, offer.title, offer.price.amount, offer.product, offer.availability.available));
  assert.deepEqual(had.sort(), wanted.sort());
  assert.deepEqual(feed.wrong, []);
  return rows.length;
}

/** A shop of its own with an agent, whose feed is `feed`. */
async function begin({ rows = [], key = `feedkey_${randomBytes(24).toString('base64url')}`, url = (base) => base, ready = true } = {}) {
  shop = await registerShop(w);
  feed = await startFeed({ key });
  open.push(shop, feed);
  agent = await addAgent(w, shop, { name: 'Claude' });
  if (rows.length) await upload(rows);
  if (ready) assert.equal((await set({ feed_url: url(feed.url), feed_key: key })).status, 'pending');
}

describe('what an agent is told', () => {
  test('5,000 products: each once, in batches, and the shop sees how far it is', async (t) => {
    await begin({ rows: numbered(5000) });
    assert.deepEqual(await status(), { status: 'pending', feed_id: null, pushed: 0, failed: 0, last_error: null, last_pushed_at: null, next_at: (await status()).next_at });
    const seen = await synced();
    assert.equal(await agrees(), 5000);
    assert.deepEqual([seen.feed_id, seen.pushed, seen.failed, seen.last_error], ['feed_1', 5000, 0, null]);
    assert.ok(Math.abs(seen.last_pushed_at - Date.now() / 1000) < 60);
    assert.ok(seen.next_at > Date.now() / 1000 + 80_000, 'looked at again within a day');
    assert.equal(feed.requests.filter(({ method }) => method === 'POST').length, 1);
    assert.deepEqual(feed.requests[0].body, {});
    assert.equal(feed.patches().length, 50);
    assert.equal(feed.patches().flatMap(({ body }) => body.products).length, 5000);
    t.diagnostic(`${feed.requests.length} requests`);
    // Nothing changed: nothing is told.
    await later();
    await synced();
    assert.equal(feed.patches().length, 50);
  });

  test('what the feed’s schema has words for', async () => {
    await begin({ rows: [
      product('cup-red', {
        title: 'Cup, red', description: 'A cup.', item_group_id: 'cup', item_group_title: 'Cup', sale_price: '10.00 USD', gtin: '00012345600012', mpn: 'C-1', condition: 'new',
        google_product_category: 'Home > Kitchen', product_type: 'Cups', color: 'Red', size: 'S', additional_image_link: 'https://shop.example/a.jpg,https://shop.example/b.jpg', video_link: 'https://shop.example/v.mp4',
      }),
      product('cup-blue', { title: 'Cup, blue', description: 'A blue cup.', item_group_id: 'cup', item_group_title: 'Cup', color: 'Blue', availability: 'out_of_stock' }),
      product('yen', { price: '500 JPY', availability: 'preorder' }), product('krona', { price: '500 ISK', availability: 'backorder' }), product('ariary', { price: '500 MGA' }),
      product('none-left', { inventory_quantity: 0 }), product('shown', { disable_checkout: true }),
    ], ready: false });
    fine(await api('PATCH', '/v1/shop', { name: 'Mugs & more', links: [{ type: 'terms_of_use', url: `${shop.origin}/terms`, title: 'Terms' }, { type: 'return_policy', url: `${shop.origin}/returns` }] }));
    await set({ feed_url: feed.url, feed_key: feed.key });
    await synced();
    await agrees({ amounts: false });
    const seller = { name: 'Mugs & more', links: [{ type: 'terms_of_service', url: `${shop.origin}/terms`, title: 'Terms' }, { type: 'refund_policy', url: `${shop.origin}/returns` }] };
    const media = (...urls) => urls.map((url) => ({ type: url.endsWith('mp4') ? 'video' : 'image', url: `https://shop.example/${url}` }));
    assert.deepEqual(feed.feeds.get('feed_1').get('cup'), {
      id: 'cup', title: 'Cup', description: { plain: 'A blue cup.' }, url: 'https://shop.example/cup-blue', media: media('cup-blue.jpg'),
      variants: [
        {
          id: 'cup-blue', title: 'Cup, blue', url: 'https://shop.example/cup-blue', price: { amount: 1230, currency: 'USD' }, availability: { available: false, status: 'out_of_stock' },
          variant_options: [{ name: 'Color', value: 'Blue' }], media: media('cup-blue.jpg'), seller,
        },
        {
          id: 'cup-red', title: 'Cup, red', description: { plain: 'A cup.' }, url: 'https://shop.example/cup-red', barcodes: [{ type: 'GTIN', value: '00012345600012' }, { type: 'MPN', value: 'C-1' }],
          price: { amount: 1000, currency: 'USD' }, list_price: { amount: 1230, currency: 'USD' }, availability: { available: true, status: 'in_stock' },
          categories: [{ value: 'Home > Kitchen', taxonomy: 'google_product_category' }, { value: 'Cups', taxonomy: 'merchant' }], condition: ['new'],
          variant_options: [{ name: 'Color', value: 'Red' }, { name: 'Size', value: 'S' }], media: media('cup-red.jpg', 'a.jpg', 'b.jpg', 'v.mp4'), seller,
        },
      ],
    });
    const offers = feed.offers();
    // In ISO 4217's minor units, which are not Stripe's in three currencies.
    assert.deepEqual(['yen', 'krona', 'ariary'].map((id) => offers.get(id).price.amount), [500, 500, 50_000]);
    assert.deepEqual(['yen', 'krona', 'none-left', 'shown'].map((id) => Object.values(offers.get(id).availability)), [[true, 'preorder'], [true, 'backorder'], [false, 'out_of_stock'], [false, 'in_stock']]);
  });

  test('a large batch stays below 256 KB', async () => {
    await begin({ rows: Array.from({ length: 120 }, (_, i) => product(`l${i}`, { description: 'ü'.repeat(4900) })) });
    await synced();
    assert.equal(await agrees(), 120);
    assert.ok(feed.patches().length >= 5);
  });

  test('groups: small ones are one product, one of more than a hundred is a product for each row; and they may change', async () => {
    const group = (n, id, from = 0) => Array.from({ length: n }, (_, i) => product(`${id}-${String(from + i).padStart(4, '0')}`, { item_group_id: id }));
    await begin({ rows: [...group(100, 'full'), ...group(450, 'over'), ...group(3, 'mixed'), product('zz-last', { item_group_id: 'mixed' }), product('mixed')] });
    const rowsAre = async (product, rows) => assert.deepEqual([...feed.offers().values()].filter((offer) => offer.product === product).length, rows, product);
    await synced();
    const wanted = async () => {
      const rows = await catalogue();
      const sizes = new Map();
      for (const { id, item_group_id: of = id } of rows) sizes.set(of, (sizes.get(of) ?? 0) + 1);
      const place = ({ id, item_group_id: of = id }) => (sizes.get(of) > 100 ? id : of);
      assert.deepEqual([...feed.offers().values()].map(({ id, product }) => `${id} ${product}`).sort(), rows.map((row) => `${row.id} ${place(row)}`).sort());
      assert.deepEqual(feed.wrong, []);
    };
    await wanted();
    await rowsAre('full', 100);
    await rowsAre('over', 0);
    await rowsAre('mixed', 5);
    // One more, and the group is too large for one product; one less, and it is one again.
    await upload(group(1, 'full', 100), 'PATCH');
    await synced();
    await wanted();
    await rowsAre('full', 0);
    fine(await api('DELETE', '/v1/catalogue/products/full-0000'));
    await synced();
    await wanted();
    await rowsAre('full', 100);
    // A row of a large group changes, another one goes.
    fine(await api('PUT', '/v1/catalogue/products/over-0007', product('over-0007', { item_group_id: 'over', title: 'New' })));
    fine(await api('DELETE', '/v1/catalogue/products/over-0008'));
    await synced();
    await wanted();
    assert.equal(feed.offers().get('over-0007').title, 'New');
    assert.equal(feed.feeds.get('feed_1').get('over-0008').variants[0].availability.status, 'discontinued');
  });
});

describe('what changes', () => {
  before(() => begin({ rows: [...numbered(300), product('a-red', { item_group_id: 'a' }), product('a-blue', { item_group_id: 'a' }), product('b-red', { item_group_id: 'b' })] }));
  beforeEach(async () => {
    await synced();
    await agrees();
    feed.requests.length = 0;
  });
  const told = () => feed.patches().flatMap(({ body }) => body.products.map(({ id }) => id));

  test('a product is put, and one is new', async () => {
    fine(await api('PUT', '/v1/catalogue/products/p00007', product('p00007', { price: '1.00 USD' })));
    fine(await api('PUT', '/v1/catalogue/products/fresh', product('fresh')));
    assert.equal((await status()).status, 'pushing');
    await synced();
    assert.deepEqual(told().sort(), ['fresh', 'p00007']);
    await agrees();
  });

  test('the stock', async () => {
    fine(await api('PATCH', '/v1/catalogue/inventory', [{ id: 'p00001', inventory_quantity: 0 }, { id: 'p00002', inventory_quantity: 5 }, { id: 'nobody', inventory_quantity: 5 }]));
    await synced();
    // How many there are is not told, only whether there are any.
    assert.deepEqual(told(), ['p00001']);
    await agrees();
  });

  test('a product is deleted: it is said to be discontinued, once', async () => {
    fine(await api('DELETE', '/v1/catalogue/products/p00003'));
    await synced();
    assert.deepEqual(feed.patches()[0].body.products, [{ id: 'p00003', title: 'Product p00003', variants: [{ id: 'p00003', title: 'Product p00003', availability: { available: false, status: 'discontinued' } }] }]);
    await agrees();
    await later();
    await synced();
    assert.equal(feed.patches().length, 1);
    // And comes back.
    fine(await api('PUT', '/v1/catalogue/products/p00003', product('p00003')));
    await synced();
    await agrees();
  });

  test('a variant goes, one moves to another group, a group ends', async () => {
    fine(await api('DELETE', '/v1/catalogue/products/a-blue'));
    await synced();
    assert.deepEqual(feed.patches()[0].body.products[0].variants.map(({ id, availability }) => [id, availability.status]), [['a-red', 'in_stock'], ['a-blue', 'discontinued']]);
    fine(await api('PUT', '/v1/catalogue/products/a-red', product('a-red', { item_group_id: 'b' })));
    await synced();
    const last = feed.patches().slice(1).flatMap(({ body }) => body.products);
    // What moved is not said to be gone.
    assert.deepEqual(last.map(({ id, variants }) => [id, variants.map(({ id, availability }) => `${id} ${availability.status}`)]), [['a', []], ['b', ['a-red in_stock', 'b-red in_stock']]]);
    await agrees();
  });

  test('an upsert: what it names, and nothing else', async () => {
    await upload([product('p00010', { title: 'Ten' }), { id: 'p00011', delete: true }, product('up'), product('p00012')], 'PATCH');
    await synced();
    assert.deepEqual(told().sort(), ['p00010', 'p00011', 'up']);
    await agrees();
  });

  test('a replacement: the catalogue is gone through, and what differs is told', async () => {
    await upload([...numbered(200, 100), product('brand-new')]);
    await synced();
    const ids = told();
    // What is the same the agent has.
    assert.ok(!ids.includes('p00150') && ids.includes('brand-new') && ids.includes('p00050'), ids.join());
    assert.equal(await agrees(), 201);
    assert.deepEqual([(await status()).pushed, (await status()).failed], [201, 0]);
  });

  test('what is sold', async () => {
    const buying = await agentShop(w, stripe, { shop: {} });
    open.push(buying.shop);
    const before = [shop, agent, feed];
    [shop, agent, feed] = [buying.shop, buying.agent, await startFeed({ key: 'k'.repeat(20) })];
    open.push(feed);
    await set({ feed_url: feed.url, feed_key: feed.key });
    await synced();
    assert.equal(feed.offers().get('last').availability.available, true);
    const made = await buying.call('POST', '/checkout_sessions', { line_items: [{ id: 'last' }], currency: 'usd', capabilities: {}, fulfillment_details: { address: ADDRESS } });
    const paid = await buying.call('POST', `/checkout_sessions/${made.body.id}/complete`, payBody(await stripe.grantToken({ account: buying.account, maxAmount: 1_000_000 })));
    assert.equal(paid.body.status, 'completed', paid.text);
    await synced();
    assert.deepEqual(feed.offers().get('last').availability, { available: false, status: 'out_of_stock' });
    await agrees();
    [shop, agent, feed] = before;
  });

  test('a price that begins by the clock', async () => {
    const now = Math.floor(Date.now() / 1000);
    const at = (seconds) => new Date((now + seconds) * 1000).toISOString().slice(0, 19);
    const rows = [product('sale', { sale_price: '9.00 USD', sale_price_effective_date: `${at(3600)}Z/${at(7200)}Z` })];
    fine(await api('PUT', '/v1/catalogue/products/sale', rows[0]));
    assert.equal((await synced()).next_at, now + 3600);
    assert.equal(feed.offers().get('sale').price.amount, 1230);
    // An hour passes, for this row.
    await w.d1("UPDATE products SET sale_from = ? WHERE id = 'sale'", now - 5);
    await w.d1("UPDATE agents SET feed_due_at = 1, feed_state = json_set(feed_state, '$.price_changes_at', CAST(? AS INTEGER), '$.full_at', CAST(? AS INTEGER)) WHERE id = ?", now - 5, now - 3600, agent.id);
    await synced();
    assert.deepEqual([feed.offers().get('sale').price.amount, feed.offers().get('sale').list_price.amount], [900, 1230]);
  });

  test('feed_url once more: all is told again, to the same feed', async () => {
    const { length } = await catalogue();
    assert.equal((await set({ feed_url: feed.url })).feed_id, 'feed_1');
    await synced();
    assert.equal(new Set(told()).size >= length, true);
    assert.equal(feed.feeds.size, 1);
    await agrees();
  });

  test('another feed_url: another feed; none: an end', async () => {
    const old = feed;
    feed = await startFeed({ key: old.key });
    open.push(feed);
    assert.equal((await set({ feed_url: `${feed.url}/feeds` })).feed_id, null);
    await synced();
    assert.equal((await status()).pushed, await agrees());
    assert.equal(old.patches().length, 0);
    const gone = fine(await api('PATCH', `/v1/agents/${agent.id}`, { feed_url: null }));
    assert.equal(gone.feed, null);
    await upload([product('unseen')], 'PATCH');
    await w.scheduled();
    await w.scheduled();
    assert.ok(!feed.offers().has('unseen'));
    assert.deepEqual(await w.d1('SELECT * FROM feed_products WHERE agent_id = ?', agent.id), []);
    assert.deepEqual(await w.d1('SELECT * FROM feed_changes WHERE shop_id = ?', shop.id), []);
    assert.deepEqual(await w.d1('SELECT feed_due_at FROM agents WHERE id = ?', agent.id), [{ feed_due_at: null }]);
    await set({ feed_url: feed.url });
  });

  test('a feed that the address names is not made', async () => {
    feed.feeds.set('my feed/1', new Map());
    await set({ feed_url: `${feed.url}/feeds/my%20feed%2F1` });
    feed.requests.length = 0;
    const { feed_id: id } = await synced();
    assert.equal(id, 'my%20feed%2F1');
    assert.deepEqual([...new Set(feed.requests.map(({ method, path }) => `${method} ${path}`))], ['PATCH /feeds/my%20feed%2F1/products']);
    assert.equal(feed.offers('my feed/1').size, (await catalogue()).length);
  });
});

describe('trouble', () => {
  /** The requests from the nth PATCH on answer so, as often as is said. */
  const fail = (answer, { nth = 3, times = 1 } = {}) => {
    let seen = 0;
    feed.misbehave = ({ method }) => {
      if (method !== 'PATCH') return undefined;
      seen += 1;
      return seen >= nth && seen < nth + times ? answer : undefined;
    };
  };
  const bodies = () => feed.patches().map(({ body }) => body.products[0].id);
  /** Until when it is left alone, and how long that is from when it failed. */
  const pause = async () => {
    const [{ until }] = await w.d1('SELECT feed_wait_until AS until FROM agents WHERE id = ?', agent.id);
    return { until, seconds: until - (await status()).last_error.created };
  };

  test('500 in the middle: it goes on with the very request, after a minute; pauses grow', async () => {
    await begin({ rows: numbered(500) });
    fail({ status: 500 }, { times: 3 });
    for (const wanted of [60, 120, 300]) {
      await w.scheduled();
      const seen = await status();
      assert.deepEqual([seen.status, seen.pushed, seen.last_error.status], ['failing', 200, 500]);
      const { until, seconds } = await pause();
      assert.deepEqual([seconds, seen.next_at], [wanted, until]);
      // Not before.
      await w.scheduled();
      assert.equal(bodies().at(-1), 'p00200');
      await later();
    }
    const seen = await synced();
    assert.deepEqual(bodies(), ['p00000', 'p00100', 'p00200', 'p00200', 'p00200', 'p00200', 'p00300', 'p00400']);
    assert.deepEqual([seen.pushed, seen.last_error], [500, null]);
    assert.equal(await agrees(), 500);
    await w.logLine((line) => line.event === 'feed_recovered' && line.agent === agent.id);
  });

  test('429 with Retry-After, in seconds and as a date; a change meanwhile does not hurry it', async () => {
    await begin({ rows: numbered(300) });
    const date = new Date(Date.now() + 500_000).toUTCString();
    for (const retryAfter of ['777', date, '99999999']) {
      fail({ status: 429, headers: { 'retry-after': retryAfter } }, { nth: 1 });
      await w.scheduled();
      const { until, seconds } = await pause();
      if (retryAfter === date) assert.ok(Math.abs(until - Date.parse(date) / 1000) <= 3, `${until}`);
      else assert.equal(seconds, Math.min(Number(retryAfter), 86_400));
      const sent = feed.requests.length;
      fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: retryAfter })));
      await w.scheduled();
      assert.equal(feed.requests.length, sent);
      await later();
    }
    feed.misbehave = () => undefined;
    await synced();
    await agrees();
  });

  test('it hangs: other shops’ feeds are told meanwhile', async () => {
    await begin({ rows: numbered(150) });
    const slow = { shop, agent, feed };
    feed.misbehave = ({ method }) => (method === 'PATCH' ? 'hang' : undefined);
    await begin({ rows: numbered(150) });
    const sweep = w.scheduled();
    await sweep;
    assert.equal((await status()).status, 'synced');
    await agrees();
    ({ shop, agent, feed } = slow);
    const seen = await status();
    assert.deepEqual([seen.status, seen.last_error.status], ['failing', null]);
    assert.match(seen.last_error.message, /no answer/);
    feed.misbehave = () => undefined;
    await later();
    await synced();
    await agrees();
  });

  test('the answer is lost after it was taken, when the feed is made and when it is filled', async () => {
    await begin({ rows: numbered(250) });
    let made = 0;
    feed.misbehave = ({ method }) => (method === 'POST' && (made += 1) === 1 ? { status: 503, take: true } : undefined);
    await w.scheduled();
    assert.equal((await status()).status, 'failing');
    await later();
    fail({ status: 502, take: true });
    await w.scheduled();
    await later();
    await synced();
    assert.equal(await agrees(), 250);
    assert.equal(feed.feeds.size, 1, 'one feed, however often it was asked for');
    const keys = feed.requests.filter(({ method }) => method === 'POST').map(({ headers }) => headers['idempotency-key']);
    assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
  });

  test('the connection is cut', async () => {
    await begin({ rows: numbered(150) });
    fail('drop', { nth: 2 });
    await w.scheduled();
    assert.equal((await status()).last_error.status, null);
    await later();
    await synced();
    await agrees();
  });

  test('a product that the agent refuses does not keep the others away; it is told again once it has changed', async () => {
    await begin({ rows: numbered(130) });
    const bad = new Set(['p00042', 'p00099']);
    feed.misbehave = ({ body }) => (body.products?.some(({ id, title }) => bad.has(id) && title.startsWith('Product')) ? { status: 400, body: { type: 'invalid_request', code: 'invalid_product_payload', message: '<secret>' } } : undefined);
    const seen = await synced();
    assert.deepEqual([seen.pushed, seen.failed, seen.last_error.product, seen.last_error.status], [128, 2, 'p00099', 400]);
    assert.match(seen.last_error.message, /invalid_product_payload/);
    // What an address answers is not shown: it might be an inside one.
    assert.doesNotMatch(JSON.stringify(seen), /secret/);
    assert.equal(feed.offers().size, 128);
    const sent = feed.requests.length;
    await later();
    await w.d1("UPDATE agents SET feed_state = json_set(feed_state, '$.full_at', 1) WHERE id = ?", agent.id);
    await synced();
    assert.equal(feed.requests.length, sent, 'what is refused is not sent again as it is');
    fine(await api('PUT', '/v1/catalogue/products/p00042', product('p00042', { title: 'Better' })));
    const again = await synced();
    assert.deepEqual([again.pushed, again.failed], [129, 1]);
    assert.equal(feed.offers().get('p00042').title, 'Better');
    // One that was there and is refused as it is now: the agent has the older one, and is told when it ends.
    bad.add('p00001');
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { price: '2.00 USD' })));
    const older = await synced();
    assert.deepEqual([older.pushed, older.failed], [128, 2]);
    feed.misbehave = () => undefined;
    fine(await api('DELETE', '/v1/catalogue/products/p00001'));
    fine(await api('DELETE', '/v1/catalogue/products/p00099'));
    const end = await synced();
    assert.deepEqual([end.pushed, end.failed, end.last_error, feed.offers().has('p00001'), feed.feeds.get('feed_1').has('p00099')], [128, 0, null, false, false]);
    await agrees();
  });

  test('an agent that refuses everything is left alone for a while', async () => {
    await begin({ rows: numbered(400) });
    feed.misbehave = ({ method }) => (method === 'PATCH' ? { status: 200, body: { id: 'feed_1', accepted: false } } : undefined);
    for (let run = 0; run < 6; run += 1) await w.scheduled();
    const seen = await status();
    assert.equal(seen.status, 'failing');
    assert.ok(feed.patches().length < 40, `${feed.patches().length}`);
    feed.misbehave = () => undefined;
    await set({ feed_url: feed.url });
    await synced();
    await agrees();
  });

  test('a wrong key, and then the right one', async () => {
    await begin({ rows: numbered(20), key: 'right_'.repeat(4) });
    await set({ feed_key: 'wrong_'.repeat(4) });
    await w.scheduled();
    const seen = await status();
    assert.deepEqual([seen.status, seen.last_error.status, seen.pushed], ['failing', 401, 0]);
    await set({ feed_key: feed.key });
    await synced();
    await agrees();
    assert.equal(feed.feeds.size, 1);
  });

  test('the agent has lost the feed: another one is made and filled', async () => {
    await begin({ rows: numbered(120) });
    await synced();
    feed.feeds.clear();
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: 'Changed' })));
    await w.scheduled();
    const seen = await status();
    assert.deepEqual([seen.status, seen.last_error.status], ['failing', 404]);
    await later();
    await synced();
    assert.equal(await agrees(), 120);
    assert.equal((await status()).pushed, 120);
  });

  test('it redirects: nobody follows', async () => {
    await begin({ rows: numbered(3) });
    feed.misbehave = () => ({ status: 307, headers: { location: `${w.url}/healthz` } });
    await w.scheduled();
    assert.deepEqual([(await status()).last_error.status, (await status()).feed_id], [307, null]);
  });

  test('replaced in the middle', async () => {
    await begin({ rows: numbered(1500) });
    let seen = 0;
    let swapped;
    feed.misbehave = ({ method }) => {
      if (method === 'PATCH' && (seen += 1) === 4) swapped = upload([...numbered(700, 900), product('other')]);
      return undefined;
    };
    await w.scheduled();
    await swapped;
    await synced();
    assert.equal(await agrees(), 701);
  });

  test('changed in the middle, by the shop and by its settings', async () => {
    await begin({ rows: numbered(1200) });
    let seen = 0;
    let work;
    feed.misbehave = ({ method }) => {
      if (method === 'PATCH' && (seen += 1) === 3) {
        work = Promise.all([
          api('PUT', '/v1/catalogue/products/p00000', product('p00000', { title: 'Behind' })), api('PUT', '/v1/catalogue/products/p01199', product('p01199', { title: 'Ahead' })),
          api('DELETE', '/v1/catalogue/products/p00001'), api('DELETE', '/v1/catalogue/products/p01100'),
        ]);
      }
      if (method === 'PATCH' && seen === 6) work = Promise.all([work, set({ feed_url: feed.url })]);
      return undefined;
    };
    await w.scheduled();
    await work;
    await synced();
    assert.equal(await agrees(), 1198);
  });

  for (const answer of [{ status: 502, take: true }, { status: 502 }]) {
    test(`an answer is lost (${answer.take ? 'taken' : 'not taken'}), and then the shop takes back what it changed: so does the agent`, async () => {
      await begin({ rows: [product('a', { item_group_id: 'g' }), product('b', { item_group_id: 'g' }), product('c')] });
      await synced();
      fail(answer, { nth: 1 });
      await api('PUT', '/v1/catalogue/products/a', product('a', { item_group_id: 'h', title: 'Other' }));
      await api('PUT', '/v1/catalogue/products/new', product('new'));
      await api('DELETE', '/v1/catalogue/products/c');
      await w.scheduled();
      assert.equal((await status()).status, 'failing');
      await api('PUT', '/v1/catalogue/products/a', product('a', { item_group_id: 'g' }));
      await api('PUT', '/v1/catalogue/products/c', product('c'));
      await api('DELETE', '/v1/catalogue/products/new');
      await later();
      await synced();
      assert.equal(await agrees(), 3);
      assert.deepEqual([(await status()).pushed, (await status()).failed], [2, 0]);
    });
  }

  for (const how of ['refuse', 'lose', 'die', 'die_after']) {
    test(`a crash at every call to the database (${how}): in the end the agent has exactly the catalogue`, async (t) => {
      await begin({ rows: [...numbered(130), product('g-1', { item_group_id: 'g' }), product('g-2', { item_group_id: 'g' })] });
      let nth = 0;
      // Each call of a sweep fails once, and each time there is something to tell.
      for (let calls = 0; calls >= nth;) {
        nth += 1;
        await api('PUT', '/v1/catalogue/products/g-1', product('g-1', { item_group_id: nth % 2 ? 'h' : 'g' }));
        await (nth % 3 ? api('PUT', `/v1/catalogue/products/n${nth}`, product(`n${nth}`)) : api('DELETE', `/v1/catalogue/products/n${nth - 1}`));
        await later();
        await w.fault([{ on: 'DB.batch', nth, how }]);
        await w.scheduled().catch(() => {});
        calls = (await w.faultCalls()).length;
        await w.fault();
      }
      await later();
      await synced();
      const rows = await agrees();
      // g-1 and g-2 are one product, or two.
      assert.equal((await status()).pushed, nth % 2 ? rows : rows - 1);
      assert.ok(nth > 12, `${nth}`);
      t.diagnostic(`${nth - 1} crashes`);
    });
  }
});

describe('whose it is', () => {
  test('of a shop with much and one with little, both are told at once; of two agents each has its own', async () => {
    await begin({ rows: numbered(6000) });
    const large = { shop, agent, feed };
    await begin({ rows: numbered(10) });
    const second = await addAgent(w, shop, { name: 'Second' });
    const other = await startFeed({ key: 'z'.repeat(20) });
    open.push(other);
    fine(await api('PATCH', `/v1/agents/${second.id}`, { feed_url: other.url, feed_key: other.key }));
    await w.scheduled();
    assert.equal((await status()).status, 'synced');
    assert.deepEqual([feed.offers().size, other.offers().size], [10, 10]);
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: 'For both' })));
    await w.scheduled();
    assert.deepEqual([feed, other].map((one) => one.offers().get('p00001').title), ['For both', 'For both']);
    // All have told it.
    assert.deepEqual(await w.d1('SELECT * FROM feed_changes WHERE shop_id = ?', shop.id), []);
    ({ shop, agent, feed } = large);
    await synced();
    assert.equal(await agrees(), 6000);
  });

  test('a shop without a feed notes nothing', async () => {
    await begin({ rows: numbered(5), ready: false });
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: 'x' })));
    assert.deepEqual(await w.d1('SELECT * FROM feed_changes WHERE shop_id = ?', shop.id), []);
  });

  test('a suspended shop tells nothing until it is back; one that is deleted leaves nothing', async () => {
    await begin({ rows: numbered(120) });
    const operator = (word) => w.api('POST', `/v1/admin/shops/${shop.id}/${word}`, { key: w.vars.ADMIN_KEY });
    fine(await operator('suspend'));
    await w.scheduled();
    assert.equal(feed.requests.length, 0);
    fine(await operator('resume'));
    await later();
    await synced();
    await agrees();
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: 'x' })));
    fine(await api('DELETE', '/v1/shop'));
    const sent = feed.requests.length;
    for (let run = 0; run < 3; run += 1) await w.scheduled();
    assert.equal(feed.requests.length, sent);
    for (const table of ['feed_products', 'feed_changes', 'agents']) assert.deepEqual(await w.d1(`SELECT * FROM ${table} WHERE shop_id = ?`, shop.id), [], table);
  });

  test('an agent that is deleted is told nothing more, and what was told is forgotten', async () => {
    await begin({ rows: numbered(120) });
    await synced();
    fine(await api('DELETE', `/v1/agents/${agent.id}`));
    const sent = feed.requests.length;
    fine(await api('PUT', '/v1/catalogue/products/p00001', product('p00001', { title: 'x' })));
    for (let run = 0; run < 2; run += 1) await w.scheduled();
    assert.equal(feed.requests.length, sent);
    assert.deepEqual(await w.d1('SELECT * FROM feed_products WHERE agent_id = ?', agent.id), []);
  });

  test('an address with a query is none; one that is not allowed any more is not called', async () => {
    await begin({ rows: numbered(2), ready: false });
    const refused = await api('PATCH', `/v1/agents/${agent.id}`, { feed_url: `${feed.url}/?key=1` });
    assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.param], [422, 'url_not_allowed', 'feed_url']);
    await set({ feed_url: feed.url, feed_key: feed.key });
    await w.d1("UPDATE agents SET feed_url = 'https://10.0.0.1/feeds' WHERE id = ?", agent.id);
    await w.scheduled();
    assert.deepEqual([(await status()).status, (await status()).last_error.message], ['failing', 'The feed_url is not allowed any more.']);
    assert.equal(feed.requests.length, 0);
    // A key that was sealed by a key of the operator's that is gone.
    await set({ feed_url: feed.url });
    await w.d1("UPDATE agents SET feed_key = replace(feed_key, 's1.k1.', 's1.k9.') WHERE id = ?", agent.id);
    await w.scheduled();
    assert.deepEqual([(await status()).status, (await status()).last_error.message], ['failing', 'The feed_key cannot be read any more: set it again.']);
    assert.equal(feed.requests.length, 0);
    await set({ feed_key: feed.key });
    await synced();
    assert.equal(await agrees(), 2);
  });

  test('a shop that changes its mind while a request is on its way: what comes of that one is not written down', async () => {
    await begin({ rows: numbered(150) });
    const old = feed;
    const next = await startFeed({ key: old.key });
    open.push(next);
    const { promise: arrived, resolve: arrive } = Promise.withResolvers();
    const { promise: over, resolve: end } = Promise.withResolvers();
    next.misbehave = async ({ method }) => {
      if (method === 'PATCH') arrive();
      return method === 'PATCH' ? over : undefined;
    };
    let again;
    old.misbehave = async ({ method }) => {
      if (method !== 'PATCH' || again) return undefined;
      // Before it is answered another sweep has taken it up, by the new address, and has it in hand: in the same second, mostly.
      await set({ feed_url: next.url });
      again = w.scheduled();
      await arrived;
      return undefined;
    };
    await w.scheduled();
    assert.equal(old.patches().length, 1, 'who was at it has lost it');
    end();
    await again;
    feed = next;
    const seen = await synced();
    assert.equal(await agrees(), 150);
    assert.deepEqual([seen.pushed, seen.feed_id, next.feeds.size], [150, 'feed_1', 1]);
  });
});

test('no statement of all this goes through a whole table', async () => {
  assert.ok(statements.size > 15, `${statements.size}`);
  // And by the names that they have in statements.
  const tables = 'agents|products|feed_products|feed_changes|catalogues|shops|stock_holds|catalogue_uploads|a|f|h|l|n|o|p|s';
  for (const text of statements) {
    const binds = Array.from({ length: Math.max(0, ...[...text.matchAll(/\?(\d+)/g)].map(([, n]) => Number(n))) }, () => (/json_each/.test(text) ? '[]' : 'x'));
    const plan = (await w.d1(`EXPLAIN QUERY PLAN ${text}`, ...binds)).map(({ detail }) => detail);
    const scans = plan.filter((detail) => new RegExp(`^SCAN (?:${tables})(?: |$)`).test(detail) && !detail.includes('VIRTUAL TABLE'));
    assert.deepEqual(scans, [], `${text}\n${plan.join('\n')}`);
  }
});
