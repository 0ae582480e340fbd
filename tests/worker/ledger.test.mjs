// What was sold, by whom, for how much (contract, "Ledger"; lists as in "Conventions").
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStripe } from '../../sandbox/stripe/index.mjs';
import { agentBody, chatBody, connectShop, createSession, registerShop } from '../support/shop.mjs';
import { ledgerDays } from '../support/ledger-days.mjs';
import { startWorker } from '../support/worker.mjs';

let stripe, w, shop, rival;
const made = {};

const get = (path, whose = shop) => w.api('GET', path, { key: whose.key });
const list = async (query = '') => {
  const answer = await get(`/v1/transactions${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};
const ids = (page) => page.data.map(({ id }) => id);

before(async () => {
  stripe = await startStripe({ retryPauses: [20, 20] });
  w = await startWorker({ stripe, vars: { FEE_BPS: '250' } });
  shop = await registerShop(w);
  rival = await registerShop(w);
  const { account } = await connectShop(w, stripe, shop);
  await connectShop(w, stripe, shop, { mode: 'live', account });
  await connectShop(w, stripe, rival);
  const wanted = {
    chat: chatBody(shop, { mode: 'test', amount: 1000, cart: { order_id: 'A-1' }, metadata: { campaign: 'spring' }, customer: { email: 'ann@example.com' } }),
    claude: agentBody(shop, { mode: 'test', amount: 2000, order_id: 'A-2' }),
    gpt: agentBody(shop, { mode: 'test', source: 'agent:GPT', amount: 3000, currency: 'eur' }),
    open: agentBody(shop, { mode: 'test', amount: 4000 }),
    site: agentBody(shop, { mode: 'test', source: 'site', amount: 5000 }),
    live: chatBody(shop, { mode: 'live', amount: 6000 }),
    plain: agentBody(shop, { mode: 'test', source: 'agent', amount: 7000 }),
  };
  for (const [name, body] of Object.entries(wanted)) {
    made[name] = (await createSession(w, shop, body)).transaction;
    const { checkout_session: id } = (await get(`/v1/transactions/${made[name]}`)).body;
    if (name !== 'open') await stripe.pay(id, { name: 'Ann Buyer' });
  }
  made.theirs = (await createSession(w, rival)).transaction;
  await stripe.webhooks.drained();
  // Refunds and days, as they come to be with time.
  await w.d1("UPDATE transactions SET status = 'partially_refunded', amount_refunded = 500 WHERE id = ?", made.claude);
  await w.d1("UPDATE transactions SET status = 'disputed' WHERE id = ?", made.plain);
  await w.d1('UPDATE transactions SET paid_at = ? WHERE id = ?', Date.UTC(2026, 0, 31, 23, 59, 59) / 1000, made.chat);
  await w.d1('UPDATE transactions SET paid_at = ? WHERE id = ?', Date.UTC(2026, 1, 1) / 1000, made.claude);
});

after(async () => {
  await w?.close();
  await stripe?.close();
  await shop?.close();
  await rival?.close();
});

describe('one transaction', () => {
  test('has every member of the contract', async () => {
    const { body } = await get(`/v1/transactions/${made.chat}`);
    const { created, paid_at, events, account, checkout_session, payment_intent, billing_details, line_items, ...rest } = body;
    assert.deepEqual(rest, {
      object: 'transaction', id: made.chat, source: 'chat', agent: null, status: 'paid', amount: 1000, amount_subtotal: 1000, amount_tax: 0,
      amount_shipping: 0, amount_capturable: 0, amount_captured: 1000, amount_refunded: 0, application_fee_amount: 25, application_fee_refunded: 0, currency: 'usd', livemode: false,
      order_id: 'A-1', cart_id: 'cart_1', discounts: [], metadata: { campaign: 'spring' },
      customer: { email: 'ann@example.com', name: 'Ann Buyer', phone: null }, shipping_details: null, charge_type: 'direct', refunds: [],
      shipping: [], fees: [], taxes: [],
    });
    assert.match(account, /^acct_/);
    assert.match(checkout_session, /^cs_/);
    assert.match(payment_intent, /^pi_/);
    assert.equal(line_items[0].name, 'Thing');
    assert.equal(line_items[0].amount_total, 1000);
    assert.equal(billing_details.name, 'Ann Buyer');
    assert.deepEqual(events.map(({ type }) => type), ['open', 'paid']);
    assert.ok(created <= events[0].created && paid_at > 0);
  });

  for (const [name, id] of [['another shop’s', () => made.theirs], ['one that is not there', () => 'cct_00000000000000000000000000'], ['what is no id', () => 'cs_1']]) {
    test(`${name} is not found`, async () => {
      const answer = await get(`/v1/transactions/${id()}`);
      assert.equal(answer.status, 404);
      assert.equal(answer.body.error.code, 'resource_missing');
    });
  }
});

describe('filters', () => {
  const cases = {
    '': ['plain', 'live', 'site', 'open', 'gpt', 'claude', 'chat'],
    '?source=chat': ['live', 'chat'],
    '?source=site': ['site'],
    '?source=agent': ['plain', 'open', 'gpt', 'claude'],
    '?source=agent:Claude': ['open', 'claude'],
    '?agent=GPT': ['gpt'],
    '?status=open': ['open'],
    '?status=paid': ['live', 'site', 'gpt', 'chat'],
    '?status=partially_refunded': ['claude'],
    '?status=expired': [],
    '?mode=live': ['live'],
    '?mode=test&source=chat': ['chat'],
    '?order_id=A-2': ['claude'],
    '?order_id=A': [],
    '?created[gte]=4102444800': [],
    '?created[lt]=1000000000': [],
    '?created%5Bgte%5D=1000000000&created%5Blt%5D=4102444800&status=open': ['open'],
    '?nonsense=1&status=open': ['open'],
  };
  for (const [query, names] of Object.entries(cases)) {
    test(query || 'none: all, newest first', async () => {
      const page = await list(query);
      assert.deepEqual(ids(page), names.map((name) => made[name]));
      assert.deepEqual({ ...page, data: null }, { object: 'list', data: null, has_more: false, url: '/v1/transactions' });
    });
  }

  test('created is the second the row was made', async () => {
    const { created } = (await get(`/v1/transactions/${made.site}`)).body;
    assert.ok(ids(await list(`?created[gte]=${created}&created[lt]=${created + 1}`)).includes(made.site));
    assert.ok(!ids(await list(`?created[lt]=${created}`)).includes(made.site));
    assert.ok(!ids(await list(`?created[gte]=${created + 1}`)).includes(made.site));
  });

  for (const [query, status, param] of [
    ['source=shop', 422, 'source'], ['status=done', 422, 'status'], ['mode=both', 422, 'mode'], ['created[gte]=yesterday', 400, 'created[gte]'],
    ['created[lt]=-1', 422, 'created[lt]'], ['created[gte]=99999999999', 422, 'created[gte]'], ['limit=0', 422, 'limit'], ['limit=101', 422, 'limit'], ['limit=ten', 400, 'limit'],
  ]) {
    test(`${query} is refused by name`, async () => {
      const answer = await get(`/v1/transactions?${query}`);
      assert.equal(answer.status, status);
      assert.equal(answer.body.error.param, param);
    });
  }
});

describe('paging', () => {
  const all = ['plain', 'live', 'site', 'open', 'gpt', 'claude', 'chat'];

  test('down to the end', async () => {
    const seen = [];
    let page = await list('?limit=3');
    for (;;) {
      seen.push(...ids(page));
      if (!page.has_more) break;
      page = await list(`?limit=3&starting_after=${seen.at(-1)}`);
    }
    assert.deepEqual(seen, all.map((name) => made[name]));
  });

  test('back up again: the page just before, newest first', async () => {
    const page = await list(`?limit=2&ending_before=${made.chat}`);
    assert.deepEqual([ids(page), page.has_more], [[made.gpt, made.claude], true]);
    const first = await list(`?limit=2&ending_before=${made.live}`);
    assert.deepEqual([ids(first), first.has_more], [[made.plain], false]);
  });

  test('keeps to the filter', async () => {
    const page = await list(`?source=agent&limit=2&starting_after=${made.plain}`);
    assert.deepEqual([ids(page), page.has_more], [[made.open, made.gpt], true]);
  });

  test('exactly to the end has no more', async () => {
    const page = await list(`?limit=${all.length}`);
    assert.deepEqual([page.data.length, page.has_more], [all.length, false]);
  });

  for (const name of ['starting_after', 'ending_before']) {
    for (const [what, id] of [['unknown', () => 'cct_00000000000000000000000000'], ['another shop’s', () => made.theirs]]) {
      test(`${name} with an ${what} id is refused by name`, async () => {
        const answer = await get(`/v1/transactions?${name}=${id()}`);
        assert.equal(answer.status, 422);
        assert.deepEqual([answer.body.error.code, answer.body.error.param], ['resource_missing', name]);
      });
    }
  }

  test('both cursors at once are refused', async () => {
    assert.equal((await get(`/v1/transactions?starting_after=${made.chat}&ending_before=${made.gpt}`)).status, 422);
  });
});

describe('summary', () => {
  const row = (group, currency, livemode, count, gross, refunded, fees) => ({ group, currency, livemode, count, gross, refunded, fees, net: gross - refunded - fees });
  const sums = async (group) => {
    const { body } = await get(`/v1/transactions/summary?group_by=${group}`);
    assert.deepEqual([body.object, body.group_by], ['transactions.summary', group]);
    return body.data;
  };
  const key = ({ group, currency, livemode }) => `${group} ${currency} ${livemode}`;
  const sorted = (rows) => rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const same = (got, wanted) => assert.deepEqual(sorted(got), sorted(wanted));

  test('by source; currencies and modes are never added together, what is not sold is not counted', async () => {
    same(await sums('source'), [
      row('agent', 'eur', false, 1, 3000, 0, 75), row('agent', 'usd', false, 2, 9000, 500, 225),
      row('chat', 'usd', false, 1, 1000, 0, 25), row('chat', 'usd', true, 1, 6000, 0, 150), row('site', 'usd', false, 1, 5000, 0, 125),
    ]);
  });

  test('by source is the default', async () => {
    assert.deepEqual((await get('/v1/transactions/summary')).body.data, await sums('source'));
  });

  test('by agent', async () => {
    same(await sums('agent'), [
      row('Claude', 'usd', false, 1, 2000, 500, 50), row('GPT', 'eur', false, 1, 3000, 0, 75),
      row(null, 'usd', false, 3, 13000, 0, 325), row(null, 'usd', true, 1, 6000, 0, 150),
    ]);
  });

  test('by UTC day of payment', async () => {
    const days = (await sums('day')).filter(({ group }) => group < '2026-02-02');
    same(days, [row('2026-01-31', 'usd', false, 1, 1000, 0, 25), row('2026-02-01', 'usd', false, 1, 2000, 500, 50)]);
  });

  test('by currency', async () => {
    same(await sums('currency'), [
      row('eur', 'eur', false, 1, 3000, 0, 75), row('usd', 'usd', false, 4, 15000, 500, 375), row('usd', 'usd', true, 1, 6000, 0, 150),
    ]);
  });

  test('by status: every row counts, only what was sold is money', async () => {
    same(await sums('status'), [
      row('disputed', 'usd', false, 1, 7000, 0, 175), row('open', 'usd', false, 1, 0, 0, 0), row('paid', 'eur', false, 1, 3000, 0, 75),
      row('paid', 'usd', false, 2, 6000, 0, 150), row('paid', 'usd', true, 1, 6000, 0, 150), row('partially_refunded', 'usd', false, 1, 2000, 500, 50),
    ]);
  });

  test('takes the filters of the list', async () => {
    same((await get('/v1/transactions/summary?group_by=source&mode=live')).body.data, [row('chat', 'usd', true, 1, 6000, 0, 150)]);
  });

  test('a range of times that begins and ends in the middle of days: whole days by their sums, the ends by their rows', async () => {
    const all = await w.d1('SELECT created FROM transactions WHERE shop_id = ? ORDER BY created', shop.id);
    const times = [...new Set(all.flatMap(({ created }) => [created - 1, created, created + 1, Math.floor(created / 86400) * 86400, Math.ceil((created + 1) / 86400) * 86400]))].sort((a, b) => a - b);
    for (const from of times.filter((_, at) => at % 3 === 0)) {
      for (const below of times.filter((time, at) => time > from && at % 2 === 0)) {
        const counted = (await get(`/v1/transactions/summary?group_by=status&created[gte]=${from}&created[lt]=${below}`)).body.data.reduce((sum, { count }) => sum + count, 0);
        assert.equal(counted, all.filter(({ created }) => created >= from && created < below).length, `${from} to ${below}`);
      }
    }
  });

  test('what the days come to is what the rows come to, after all that happened to them', async () => {
    assert.deepEqual(...await ledgerDays(w));
  });

  test('by anything else is refused', async () => {
    const answer = await get('/v1/transactions/summary?group_by=shop_id');
    assert.deepEqual([answer.status, answer.body.error.param], [422, 'group_by']);
  });

  test('of a shop that sold nothing is empty', async () => {
    assert.deepEqual((await get('/v1/transactions/summary', rival)).body.data, []);
  });
});

describe('CSV', () => {
  /** RFC 4180, as a spreadsheet reads it. */
  const parse = (text) => {
    const rows = [];
    for (const line of text.split('\r\n').slice(0, -1)) {
      rows.push([...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare));
    }
    const [header, ...data] = rows;
    return data.map((cells) => Object.fromEntries(header.map((name, at) => [name, cells[at]])));
  };
  const download = async (query = '', whose = shop) => {
    const answer = await get(`/v1/transactions.csv${query}`, whose);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/csv; charset=utf-8');
    assert.match(answer.headers.get('content-disposition'), /^attachment/);
    return parse(answer.text);
  };

  test('has all rows, newest first, and takes the filters', async () => {
    const rows = await download();
    assert.deepEqual(rows.map(({ id }) => id), ids(await list()));
    const chat = rows.at(-1);
    assert.deepEqual([chat.amount, chat.currency, chat.status, chat.order_id, chat.customer_email, chat.agent, chat.livemode], ['1000', 'usd', 'paid', 'A-1', 'ann@example.com', '', 'false']);
    assert.deepEqual((await download('?source=agent:Claude')).map(({ id }) => id), [made.open, made.claude]);
    assert.deepEqual((await download('', rival)).map(({ id }) => id), [made.theirs]);
  });

  test('of nothing is the header', async () => {
    const { text } = await get('/v1/transactions.csv?status=expired');
    assert.match(text, /^id,created,paid_at,status,[a-z_,]+\r\n$/);
  });

  for (const cell of ['=HYPERLINK("http://evil.example")', '+1+1', '-2+3', '@SUM(A1)', '\tx', 'a,"b"', 'x;=cmd()', 'x;"@y"']) {
    test(`a cell ${JSON.stringify(cell)} runs nothing`, async () => {
      await w.d1('UPDATE transactions SET order_id = ?, customer = ? WHERE id = ?', cell, JSON.stringify({ email: cell }), made.open);
      const [row] = await download('?status=open');
      // Also where a spreadsheet that separates by semicolons would see the beginning of a cell.
      const shown = cell.replace(/(^|;"?)(?=[=+\-@])|^(?=\t)/g, "$1'");
      assert.deepEqual([row.order_id, row.customer_email], [shown, shown]);
      await w.d1('UPDATE transactions SET order_id = NULL, customer = NULL WHERE id = ?', made.open);
    });
  }

  test('goes on past what is read at a time', async () => {
    const columns = (await w.d1("SELECT name FROM pragma_table_info('transactions')")).map(({ name }) => name);
    const values = columns.map((name) => (name === 'id' ? "'cct_0' || printf('%025d', n)" : ['checkout_session', 'order_id'].includes(name) ? 'NULL' : name));
    await w.d1(
      `WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 1200)
       INSERT INTO transactions (${columns.join(', ')}) SELECT ${values.join(', ')} FROM count, transactions WHERE id = ?`, made.theirs);
    const rows = await download('', rival);
    assert.equal(rows.length, 1201);
    assert.equal(new Set(rows.map(({ id }) => id)).size, 1201);
    assert.deepEqual(rows.map(({ id }) => id), rows.map(({ id }) => id).toSorted().reverse());
  });
});
