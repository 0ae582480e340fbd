// Variables of a local Worker: read as people write them, written as wrangler reads them.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { effectiveVars, hasRealKeys, keptSecrets, parseVars, printVars } from '../../scripts/lib/vars.mjs';

test('lines as people write them', () => {
  const text = ['# a comment', '', 'A=1', ' B = two words ', 'export C="quoted # not a comment" # one', "D='x=y'", 'E=plain # comment', 'F=a#b', 'G=', 'no line'].join('\r\n');
  assert.deepEqual(parseVars(text), { A: '1', B: 'two words', C: 'quoted # not a comment', D: 'x=y', E: 'plain', F: 'a#b', G: '' });
});

test('what is written is read back, dollar signs escaped for wrangler', () => {
  const vars = { A: 'sk_test_1', B: "it's", C: 'k1:00,k2:ff', D: 'a b # c' };
  assert.deepEqual(parseVars(printVars(vars)), vars);
  assert.equal(printVars({ A: 'a$b', B: undefined, C: '' }), "A='a\\$b'\n");
  assert.throws(() => printVars({ A: 'two\nlines' }), /A has a line break/);
});

test('only keys of Stripe switch the sandbox off', () => {
  for (const own of [{}, { STRIPE_TEST_SECRET_KEY: '' }, { STRIPE_SECRET_KEY: 'change me' }, { STRIPE_CLIENT_ID: 'ca_1' }]) assert.equal(hasRealKeys(own), false, JSON.stringify(own));
  for (const own of [{ STRIPE_TEST_SECRET_KEY: 'sk_test_x' }, { STRIPE_SECRET_KEY: 'rk_live_x' }]) assert.equal(hasRealKeys(own), true, JSON.stringify(own));
});

test('secrets are made once, kept, and for the owner alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vars-'));
  try {
    const path = join(folder, 'deep', 'secrets.json');
    const first = keptSecrets(path);
    assert.deepEqual(keptSecrets(path), first);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.match(first.seal, /^k1:[0-9a-f]{64}$/);
    assert.notEqual(first.connectWebhook, first.platformWebhook);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('with the sandbox its keys win; without it nothing of the sandbox is left', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vars-'));
  try {
    const secrets = keptSecrets(join(folder, 's.json'));
    const sandboxed = effectiveVars({ own: { FEE_BPS: '250' }, secrets, workerUrl: 'http://localhost:1', stripeUrl: 'http://localhost:2' });
    assert.equal(sandboxed.STRIPE_TEST_SECRET_KEY, secrets.stripe.test.secret);
    assert.deepEqual([sandboxed.STRIPE_HOOK_SECRETS, sandboxed.STRIPE_TEST_PUBLISHABLE_KEY], [secrets.hooks, secrets.publishable.test]);
    const fees = (own) => { const { FEE_BPS, FEE_FIXED } = effectiveVars({ own, secrets, workerUrl: 'http://localhost:1', stripeUrl: 'http://localhost:2' }); return [FEE_BPS, FEE_FIXED]; };
    assert.deepEqual([fees({}), fees({ FEE_BPS: '100' }), fees({ FEE_FIXED: 'eur=5' })], [['250', 'usd=30'], ['100', undefined], [undefined, 'eur=5']], 'own terms count alone, the others are for show');
    assert.equal(sandboxed.STRIPE_API_BASE, 'http://localhost:2');
    assert.equal(sandboxed.FEE_BPS, '250');
    const real = effectiveVars({ own: { STRIPE_TEST_SECRET_KEY: 'sk_test_mine', ADMIN_KEY: 'mine' }, secrets, workerUrl: 'http://localhost:1' });
    assert.deepEqual(Object.keys(real).filter((name) => name.startsWith('STRIPE_')), ['STRIPE_TEST_SECRET_KEY']);
    assert.equal(real.ADMIN_KEY, 'mine');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
