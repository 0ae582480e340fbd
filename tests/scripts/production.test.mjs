// What `npm run deploy` makes of wrangler.toml and of the list of secrets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlaceholder, missingSecrets, readWrangler, withIds } from '../../scripts/lib/production.mjs';

const TOML = `name = "w"
# a comment that stays
[[d1_databases]]
binding = "DB"
database_name = "cognitivecart"
database_id = "00000000-0000-0000-0000-000000000000"

[[kv_namespaces]]
binding = "KV"
id = "00000000000000000000000000000000"

[vars]
#PUBLIC_URL = "https://not.yet"
`;

test('zeros are no ids, and real ones take their place without touching the rest', () => {
  const before = readWrangler(TOML);
  assert.equal(before.d1Name, 'cognitivecart');
  assert.ok(isPlaceholder(before.d1) && isPlaceholder(before.kv) && isPlaceholder(undefined));
  assert.equal(before.publicUrl, undefined);
  const d1 = '0f1e2d3c-0000-4000-8000-000000000001';
  const kv = '0123456789abcdef0123456789abcdef';
  const after = withIds(TOML, { d1, kv });
  assert.deepEqual([readWrangler(after).d1, readWrangler(after).kv], [d1, kv]);
  assert.equal(after.replace(d1, '00000000-0000-0000-0000-000000000000').replace(kv, '0'.repeat(32)), TOML);
  assert.equal(withIds(after, { d1: '11111111-0000-4000-8000-000000000001' }), after, 'a real id is never replaced');
});

test('PUBLIC_URL and ALLOW_LOCAL are read from [vars] only', () => {
  const toml = `${TOML}PUBLIC_URL = "https://pay.example"\n[env.x.vars]\nALLOW_LOCAL = "true"\n`;
  assert.equal(readWrangler(toml).publicUrl, 'https://pay.example');
  assert.equal(readWrangler(toml).allowLocal, undefined);
});

test('either pair of Stripe keys will do, half a pair will not', () => {
  const names = (list) => missingSecrets(list).map(({ name }) => name);
  const rest = ['STRIPE_WEBHOOK_SECRETS', 'SEAL_KEYS'];
  assert.deepEqual(names([]), ['STRIPE_SECRET_KEY', 'STRIPE_CLIENT_ID', ...rest]);
  assert.deepEqual(names(['STRIPE_TEST_SECRET_KEY', 'STRIPE_TEST_CLIENT_ID', ...rest]), []);
  assert.deepEqual(names(['STRIPE_TEST_SECRET_KEY', 'STRIPE_TEST_CLIENT_ID', 'STRIPE_SECRET_KEY', ...rest]), ['STRIPE_CLIENT_ID']);
  assert.deepEqual(names(['STRIPE_SECRET_KEY', ...rest]), ['STRIPE_CLIENT_ID']);
});
