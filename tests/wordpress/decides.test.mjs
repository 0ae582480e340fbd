// The example's decisions, one function at a time, under real PHP: money, lines, signatures, retries.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { evaluator, noPhp, plugin } from './support/php.mjs';

describe('WordPress example: what it decides', { skip: noPhp }, () => {
  let php;
  before(() => {
    php = evaluator();
  });
  after(() => php.close());

  describe('a lock', () => {
    const now = 1790000000;
    // Each but the first begins like a number in scientific notation.
    for (const uuid of ['c0ffee00-1234-4abc-a123-0123456789ab', '1e999000-1234-4abc-a123-0123456789ab', '1234567e-1234-4abc-a123-0123456789ab', '00000e20-1234-4abc-a123-0123456789ab', 'e9999999-1234-4abc-a123-0123456789ab']) {
      test(`of ${uuid.slice(0, 8)} is its holder's for two minutes`, async () => {
        const value = await php.ask('lock_value', now, uuid);
        assert.deepEqual([await php.ask('lock_is_stale', value, now), await php.ask('lock_is_stale', value, now + 120), await php.ask('lock_is_stale', value, now + 121)], [false, false, true]);
      });
    }

    test('that the version before wrote is read as it was meant', async () => {
      assert.deepEqual([await php.ask('lock_is_stale', `${now}.1e999`, now), await php.ask('lock_is_stale', `${now}.1e999`, now + 121)], [false, true]);
    });
  });

  describe('minor units', () => {
    for (const [decimal, currency, minor] of [
      ['20.00', 'usd', 2000],
      ['19.99', 'USD', 1999], // 19.99 * 100 is 1998.99… in floats
      ['1.15', 'eur', 115], // and this one 114.99…
      ['0.5', 'usd', 50],
      ['7', 'usd', 700],
      ['20.000000', 'usd', 2000],
      ['9999999999.99', 'usd', 999999999999],
      ['500', 'jpy', 500],
      ['500.00', 'JPY', 500],
      ['1234', 'isk', 123400],
      ['1234.00', 'isk', 123400],
      ['25000', 'ugx', 2500000],
      ['1.23', 'kwd', 1230],
      ['1.230', 'KWD', 1230],
      ['12.340', 'tnd', 12340],
      ['0', 'usd', 0],
      ['350', 'huf', 35000],
      ['1000', 'twd', 100000],
    ]) {
      test(`${decimal} ${currency} is ${minor}`, async () => {
        assert.equal(await php.ask('minor_units', decimal, currency), minor);
      });
    }

    for (const [decimal, currency] of [
      ['1.005', 'usd'],
      ['500.5', 'jpy'],
      ['1234.50', 'isk'],
      ['0.01', 'ugx'],
      ['1.234', 'kwd'],
      ['10000000000.00', 'usd'],
      ['-1.00', 'usd'],
      ['1,50', 'eur'],
      ['1.', 'usd'],
      ['.5', 'usd'],
      ['1e3', 'usd'],
      ['', 'usd'],
      [' 1', 'usd'],
      ['1\n', 'usd'],
      ['99999999999999999999', 'usd'],
    ]) {
      test(`${JSON.stringify(decimal)} ${currency} is refused, never guessed`, async () => {
        assert.equal((await php.raw('minor_units', decimal, currency)).thrown, 'InvalidArgumentException');
      });
    }

    for (const [decimal, currency, minor] of [
      ['6.666667', 'usd', 667],
      ['6.664999', 'usd', 666],
      ['0.005', 'usd', 1],
      ['166.5', 'jpy', 167],
      ['1234.50', 'isk', 123500],
      ['1234.49', 'isk', 123400],
      ['1.235', 'kwd', 1240],
      ['1.2349', 'kwd', 1230],
      ['9.999', 'usd', 1000],
    ]) {
      test(`a part of ${decimal} ${currency} is rounded to ${minor}`, async () => {
        assert.equal(await php.ask('minor_units', decimal, currency, true), minor);
      });
    }

    test('every currency that the contract names as special is treated so', async (t) => {
      const file = new URL('../../../shared/contracts/stripe/currencies.json', import.meta.url);
      if (!existsSync(file)) return t.skip('the collected Stripe contracts are not beside the repository');
      const known = JSON.parse(readFileSync(file, 'utf8'));
      for (const code of known.zero_decimal) assert.equal(await php.ask('minor_units', '7', code), 7, code);
      for (const code of known.three_decimal) assert.equal(await php.ask('minor_units', '7', code), 7000, code);
      for (const code of known.whole_units_sent_with_two_decimals) assert.equal(await php.ask('minor_units', '7', code), 700, code);
      for (const code of known.payout_only_rules) assert.equal(await php.ask('minor_units', '7', code), 700, code);
    });

    test('agrees with exact arithmetic on a few thousand amounts', async () => {
      let seed = 7;
      const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
      for (let i = 0; i < 3000; i++) {
        const whole = random(10 ** (1 + random(8)));
        const cents = random(100);
        const text = `${whole}.${String(cents).padStart(2, '0')}`;
        assert.equal(await php.ask('minor_units', text, 'usd'), whole * 100 + cents, text);
      }
    });
  });

  test('pennies that the shop rounded elsewhere go with the tax; more than pennies is refused', async () => {
    assert.equal(await php.ask('tax_and_pennies', 1080, [333, 333, 333], 80, 1), 81);
    assert.equal(await php.ask('tax_and_pennies', 999, [333, 333, 334], 0, 1), -1);
    assert.equal((await php.raw('tax_and_pennies', 2000, [333, 333, 333], 80, 1)).thrown, 'InvalidArgumentException');
    assert.equal(await php.ask('tax_and_pennies', 100, [], 100, 1), 100);
  });

  describe('what an agent asks for', () => {
    test('only product and quantity are taken from a line', async () => {
      const lines = await php.ask('agent_lines', {
        line_items: [
          { product_id: 20, name: 'Cheap!', amount_total: 1, unit_amount: 1, price: '0.01', quantity: 2 },
          { product_id: 'mug-blue', variation_id: 44, amount_total: -5 },
        ],
      });
      assert.deepEqual(lines, [
        { product_id: '20', quantity: 2 },
        { product_id: '44', quantity: 1 },
      ]);
    });
    const good = { product_id: 1, quantity: 1 };
    for (const [body, code] of [
      [null, 'line_items_invalid'],
      ['text', 'line_items_invalid'],
      [{}, 'line_items_invalid'],
      [{ line_items: [] }, 'line_items_invalid'],
      [{ line_items: 'x' }, 'line_items_invalid'],
      [{ line_items: Array(91).fill(good) }, 'line_items_invalid'],
      [{ line_items: [{ name: 'A mug', amount_total: 100, quantity: 1 }] }, 'product_id_missing'],
      [{ line_items: ['x'] }, 'product_id_missing'],
      [{ line_items: [{ product_id: { $gt: '' } }] }, 'product_id_missing'],
      [{ line_items: [{ product_id: "1' OR 1" }] }, 'product_id_missing'],
      [{ line_items: [{ ...good, quantity: 0 }] }, 'quantity_invalid'],
      [{ line_items: [{ ...good, quantity: -1 }] }, 'quantity_invalid'],
      [{ line_items: [{ ...good, quantity: 1.5 }] }, 'quantity_invalid'],
      [{ line_items: [{ ...good, quantity: '3' }] }, 'quantity_invalid'],
      [{ line_items: [{ ...good, quantity: 10000 }] }, 'quantity_invalid'],
    ]) {
      test(`${JSON.stringify(body).slice(0, 60)} is ${code}`, async () => {
        assert.deepEqual(await php.raw('agent_lines', body), { error: code });
      });
    }
    test('its name becomes the reporting key', async () => {
      for (const [name, source] of [
        ['Claude', 'agent:Claude'],
        ['agent:Claude', 'agent:Claude'],
        ['', 'agent'],
        [null, 'agent'],
        [['x'], 'agent'],
        ['agent', 'agent'],
        ['chat', 'agent:chat'], // never another kind of source
        ['<b>X</b>\r\n', 'agent:bXb'],
        ['x'.repeat(200), `agent:${'x'.repeat(64)}`],
      ])
        assert.equal(await php.ask('agent_source', name), source);
    });
  });

  describe('the body for the Worker', () => {
    const order = {
      id: '7',
      currency: 'usd',
      items: [{ product_id: '1', name: 'Mug', quantity: 3, amount_total: 1000 }],
      shipping: [{ label: 'Post', amount: 500 }],
      fees: [],
      taxes: [{ label: 'Tax', amount: 80 }],
      discounts: [{ label: 'Rounding', amount: 1 }],
      total: 1579,
    };
    test('a cart keeps its parts', async () => {
      const body = await php.ask('session_body', order, 'chat', 'test', 'https://shop.example/');
      const { id, ...parts } = order;
      assert.deepEqual(body.cart, { ...parts, id, order_id: '7' });
      assert.equal(body.success_url, 'https://shop.example/?cognitive-cart=complete');
      assert.equal(body.mode, 'test');
    });
    test("an agent's line items add up to the same total", async () => {
      const body = await php.ask('session_body', order, 'agent:Claude', 'live', 'https://shop.example/');
      assert.equal(body.amount_total, 1579);
      assert.equal(
        body.line_items.reduce((sum, line) => sum + line.amount_total, 0),
        1579,
      );
      assert.deepEqual(
        body.line_items.map((line) => line.name),
        ['Mug', 'Post', 'Tax'],
      );
      assert.equal(body.mode, 'live');
    });
  });

  describe('the attempt', () => {
    const old = { key: 'first', fingerprint: 'same', begun: 1000 };
    test('goes on with its key while the request is the same', async () => {
      assert.deepEqual(await php.ask('attempt', old, 'same', 1000 + 3599, 'second'), old);
    });
    test('is a new one when the order changed, when it is old, when there was none', async () => {
      assert.equal((await php.ask('attempt', old, 'other', 1001, 'second')).key, 'second');
      assert.equal((await php.ask('attempt', old, 'same', 1000 + 3600, 'second')).key, 'second');
      assert.equal((await php.ask('attempt', null, 'same', 1000, 'second')).key, 'second');
    });
  });

  test('asks again exactly where the contract says it is safe and soon', async () => {
    for (const [status, code, after, tries, wait] of [
      [503, 'stripe_unavailable', 0, 1, 1],
      [503, 'stripe_unavailable', 2, 2, 2],
      [503, 'stripe_unavailable', 0, 3, null],
      [503, 'not_configured', 0, 1, null],
      [409, 'idempotency_in_flight', 1, 1, 1],
      [409, 'order_in_flight', 1, 1, 1],
      [409, 'order_already_paid', 0, 1, null],
      [409, 'not_connected', 0, 1, null],
      [422, 'total_mismatch', 0, 1, null],
      [429, 'rate_limited', 60, 1, null],
      [503, 'stripe_unavailable', 60, 1, null], // a buyer is waiting
      [0, 'unreachable', 0, 1, 1],
      [502, 'upstream', 0, 1, 1],
      [504, 'upstream', 0, 1, 1],
      [500, 'internal', 0, 1, null],
    ])
      assert.equal(await php.ask('retry_in', status, code, after, tries), wait, `${status} ${code} ${after} ${tries}`);
  });

  describe('a notice', () => {
    const [key, body, now] = [`whsec_${Buffer.alloc(32, 7).toString('base64')}`, '{"id":"ccevt_1","type":"transaction.paid"}', 1_790_000_000];
    const header = (secret = key, id = 'ccevt_1', at = now) => new Webhook(secret).sign(id, new Date(at * 1000), body);
    const headers = (more = {}) => ({ id: 'ccevt_1', timestamp: String(now), signature: header(), ...more });
    const ask = (given, secret = key, at = now, text = body) => php.ask('check_notice', given, text, secret, at);

    test('signed by the Standard Webhooks library is good, alone or beside another signature', async () => {
      assert.equal(await ask(headers()), 'ok');
      const other = header(`whsec_${Buffer.alloc(32, 8).toString('base64')}`);
      assert.equal(await ask(headers({ signature: `${other} ${header()}` })), 'ok');
      assert.equal(await ask(headers({ signature: other })), 'bad_signature');
    });

    test('altered, unsigned or without a secret of ours is not', async () => {
      assert.equal(await ask(headers(), key, now, `${body} `), 'bad_signature');
      for (const more of [{ id: 'ccevt_2' }, { timestamp: String(now + 1) }, { signature: '' }, { signature: 'v1,' }, { signature: header().slice(3) }]) assert.equal(await ask(headers(more)), 'bad_signature');
      for (const secret of ['', 'whsec_', 'whsec_!']) assert.equal(await ask(headers(), secret), 'bad_signature');
    });

    test('is good for five minutes', async () => {
      assert.equal(await ask(headers(), key, now + 300), 'ok');
      for (const at of [now + 301, now - 301]) assert.equal(await ask(headers(), key, at), 'stale');
    });
  });

  describe('the completion', () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const now = 1790000000;
    const plain = {
      t: String(now),
      transaction: 'cct_01',
      session_id: 'cs_test_a1',
      order_id: '7',
      status: 'paid',
      amount_total: '2000',
      currency: 'usd',
      livemode: 'false',
    };
    const sign = (q, key = Buffer.from(secret.slice(6), 'base64')) =>
      createHmac('sha256', key)
        .update([q.t, q.transaction, q.session_id, q.order_id, q.status, q.amount_total, q.currency, q.livemode].join('.'))
        .digest('hex');
    const signed = (more = {}) => {
      const q = { ...plain, ...more };
      return { ...q, signature: sign(q) };
    };

    test('its signature is the one that another implementation makes', async () => {
      // printf … | openssl dgst -sha256 -mac HMAC -macopt hexkey:31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0
      assert.equal(await php.ask('completion_signature', plain, secret), '1f16c1b415ce9f93b0d20d6306b9da2151d2b26fe2481f785a6b2c2342f2e6b9');
      assert.equal(await php.ask('completion_signature', plain, secret), sign(plain));
    });
    test('a genuine one is accepted, up to its age, also without an order id', async () => {
      assert.equal(await php.ask('check_completion', signed(), secret, now), 'ok');
      assert.equal(await php.ask('check_completion', signed(), secret, now + 300), 'ok');
      assert.equal(await php.ask('check_completion', signed({ order_id: '' }), secret, now), 'ok');
      assert.equal(await php.ask('check_completion', { ...signed(), utm: 'x' }, secret, now), 'ok');
    });
    test('an old one, and one from the future, are stale', async () => {
      assert.equal(await php.ask('check_completion', signed(), secret, now + 301), 'stale');
      assert.equal(await php.ask('check_completion', signed(), secret, now - 301), 'stale');
      assert.equal(await php.ask('check_completion', signed({ t: '17900x' }), secret, now), 'stale');
    });
    for (const name of Object.keys(plain)) {
      test(`another ${name} is refused`, async () => {
        const altered = { ...signed(), [name]: `${plain[name]}1` };
        assert.equal(await php.ask('check_completion', altered, secret, now), 'bad_signature');
      });
      test(`without ${name}, or with a list in its place, it is malformed`, async () => {
        const { [name]: _, ...without } = signed();
        assert.equal(await php.ask('check_completion', without, secret, now), 'malformed');
        assert.equal(await php.ask('check_completion', { ...signed(), [name]: [plain[name]] }, secret, now), 'malformed');
      });
    }
    test('no secret, no trust: an empty key opens nothing', async () => {
      const forged = { ...plain, signature: sign(plain, '') };
      for (const none of ['', 'whsec_', 'whsec_AA==', 'whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!'])
        assert.equal(await php.ask('check_completion', forged, none, now), 'bad_signature');
    });

    const kept = { transactions: ['cct_00', 'cct_01'], total: 2000, currency: 'usd', livemode: true };
    const paid = { transaction: 'cct_01', amount_total: 2000, currency: 'usd', livemode: true };
    test('a payment is compared with the order in every respect', async () => {
      assert.equal(await php.ask('compare_payment', paid, kept), 'ok');
      assert.equal(await php.ask('compare_payment', { ...paid, transaction: 'cct_02' }, kept), 'other_order');
      assert.equal(await php.ask('compare_payment', { ...paid, amount_total: 100 }, kept), 'other_amount');
      assert.equal(await php.ask('compare_payment', { ...paid, currency: 'jpy' }, kept), 'other_currency');
      assert.equal(await php.ask('compare_payment', { ...paid, livemode: false }, kept), 'other_mode');
      assert.equal(await php.ask('compare_payment', paid, {}), 'other_order');
    });
  });

  test('requests are counted by address, IPv6 by its /64', async () => {
    assert.equal(await php.ask('network', '2001:db8:1:2:3:4:5:6'), await php.ask('network', '2001:db8:1:2::1'));
    assert.notEqual(await php.ask('network', '2001:db8:1:2::1'), await php.ask('network', '2001:db8:1:3::1'));
    assert.notEqual(await php.ask('network', '192.0.2.1'), await php.ask('network', '192.0.2.2'));
  });

  test('every code of the way back from Stripe is explained', async () => {
    for (const code of ['connected', 'denied', 'code_rejected', 'mode_mismatch', 'already_connected', 'stripe_unavailable', 'account_invalid', 'browser_mismatch', 'verifier_mismatch', 'claim_dead', 'challenge_failed', 'not_configured'])
      assert.notEqual(await php.ask('explain', code), await php.ask('explain', 'unheard_of'), code);
  });
});

test('what the example\'s README quotes is in the example', () => {
  const readme = readFileSync(new URL('../../examples/wordpress/README.md', import.meta.url), 'utf8');
  const squeeze = (text) => text.replace(/\s+/g, ' ');
  const code = squeeze(readFileSync(plugin, 'utf8').replace(/^ \* ?/gm, ''));
  const quotes = [...readme.matchAll(/```php\n([\s\S]*?)```/g)];
  assert.ok(quotes.length >= 3);
  for (const [, quote] of quotes) assert.ok(code.includes(squeeze(quote).trim()), quote);
});
