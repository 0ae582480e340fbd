// Every answer that the writer of the agent protocol makes, in all six dialects, against the JSON Schema of its version.
//
// The answers are those of tests/native/acp_write.rs, which `cargo test` leaves in cargo's target folder. The official schemas are not
// part of this repository: where they are not at hand (../shared/contracts/acp, or ACP_CONTRACTS), only what our own schema describes is
// held against it, and the rest is reported as skipped.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { cargoEnv } from '../../scripts/lib/cargo.mjs';
import { inRoot } from '../../scripts/lib/paths.mjs';

const CONTRACTS = process.env.ACP_CONTRACTS || inRoot('..', 'shared', 'contracts', 'acp');
const SAMPLES = join(process.env.CARGO_TARGET_DIR || cargoEnv().CARGO_TARGET_DIR || inRoot('target'), 'acp-samples');
const VERSIONS = ['2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30', '2026-04-17'];

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Our own schemas: of Stripe's page, and of the events until 2026-01-30. */
const ours = (() => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(json(new URL('ours.schema.json', import.meta.url)));
  return (name) => ajv.getSchema(`https://ours.invalid/acp#/$defs/${name}`);
})();

/**
 * The official schemas of one version, with what is broken in them put right: `exclusiveMinimum: true` is of an older draft, and in
 * 2025-09-29 a completed checkout is a closed object without `order` and one that has it, which nothing can be at once.
 */
function official(version) {
  const folder = join(CONTRACTS, version, 'json-schema');
  const mended = (node) => {
    if (Array.isArray(node)) return node.map(mended);
    if (!node || typeof node !== 'object') return node;
    const entries = Object.entries(node).filter(([name, value]) => !(name === 'exclusiveMinimum' && value === true));
    return Object.fromEntries(entries.map(([name, value]) => [name, mended(value)]));
  };
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  for (const file of readdirSync(folder)) {
    const bundle = mended(json(join(folder, file)));
    const { CheckoutSessionBase: base } = bundle.$defs ?? {};
    if (base) base.properties.order ??= { $ref: '#/$defs/Order' };
    // They refer to each other by the names of their files.
    ajv.addSchema({ ...bundle, $id: `https://acp.invalid/${file}` });
  }
  return (name, file = 'schema.agentic_checkout.json') => ajv.getSchema(`https://acp.invalid/${file}#/$defs/${name}`);
}

/** Which schema an answer must satisfy; nothing where there is none. */
function validator(dialect, kind, schema) {
  if (dialect === 'stripe') return ours({ session: 'checkout', completed: 'completed', error: 'error', event: 'stripe_event' }[kind]);
  if (kind === 'event' && dialect < '2026-04-17') return ours('event');
  if (!schema) return undefined;
  switch (kind) {
    case 'session': return schema('CheckoutSession');
    case 'completed': return schema('CheckoutSessionWithOrder');
    case 'cart': return schema('Cart', 'schema.cart.json');
    case 'error': return schema('Error');
    case 'discovery': return schema('DiscoveryResponse');
    case 'event': {
      // EventDataOrder is in YAML: the Order, of which it wants four members more.
      const order = schema('Order');
      const check = ({ type, data, ...more }) => {
        const ok = order(data) && ['order_create', 'order_update'].includes(type) && Object.keys(more).length === 0
          && ['type', 'checkout_session_id', 'permalink_url', 'status'].every((name) => name in data);
        check.errors = order.errors ?? (ok ? null : [{ message: 'EventDataOrder' }]);
        return ok;
      };
      return check;
    }
    default: throw new Error(`there is no schema for ${kind}`);
  }
}

function samples(dialect) {
  const folder = join(SAMPLES, dialect);
  assert.ok(existsSync(folder), `${folder} is missing: cargo test --test native -- acp_write makes it`);
  return readdirSync(folder).sort().map((file) => ({ file, kind: file.split('.')[0], value: json(join(folder, file)) }));
}

for (const dialect of ['stripe', ...VERSIONS]) {
  const at = existsSync(join(CONTRACTS, dialect));
  test(`what is answered in ${dialect} is what its schema describes`, (t) => {
    const schema = at ? official(dialect) : undefined;
    const counts = {};
    for (const { file, kind, value } of samples(dialect).filter((sample) => sample.kind !== 'request')) {
      const validate = validator(dialect, kind, schema);
      if (!validate) {
        counts.skipped = (counts.skipped ?? 0) + 1;
        continue;
      }
      assert.ok(validate(value), `${dialect}/${file}: ${JSON.stringify(validate.errors, null, 1)}\n${JSON.stringify(value, null, 1)}`);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    t.diagnostic(`validated: ${Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
    assert.ok((counts.event ?? 0) >= 5 || counts.skipped, 'events are among them');
    if (dialect === 'stripe' || at) {
      assert.ok(counts.session >= 100 && counts.completed >= 20 && counts.error >= 5, JSON.stringify(counts));
      assert.equal(counts.skipped, undefined);
    }
  });

  if (dialect === 'stripe') continue;
  test(`what our reader takes in ${dialect} is what its schema describes`, { skip: !at && 'the official schemas are not here' }, () => {
    const schema = official(dialect);
    const ours = samples(dialect).filter(({ kind }) => kind === 'request');
    const requests = Object.fromEntries(ours.map(({ file, value }) => [file.split('.')[1], value]));
    // Beyond the schemas, and read all the same: a quantity (which the schemas cannot say since 2026-01-30), the item within an item,
    // and, of a completion, whom it is for and, before 2026-04-17, notes and consents.
    for (const item of requests.create.line_items ?? []) {
      delete item.quantity;
      if (item.item) Object.assign(item, { id: item.item.id, item: undefined });
      if (!item.item) delete item.item;
    }
    delete requests.complete.fulfillment_details;
    if (dialect < '2026-04-17') for (const name of ['order_notes', 'marketing_consents']) delete requests.complete[name];
    if (dialect < '2026-04-17') delete requests.create.order_notes;
    // Unknown values of a closed list are ignored by the reader.
    const interventions = requests.create.capabilities?.interventions;
    if (interventions) interventions.supported = interventions.supported.filter((name) => name !== 'telepathy');
    delete requests.create.capabilities?.future;
    for (const [name, value] of Object.entries(requests)) {
      const validate = schema(name === 'create' ? 'CheckoutSessionCreateRequest' : 'CheckoutSessionCompleteRequest');
      assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors, null, 1)}`);
    }
  });
}

test('our own schema refuses what is not an answer', () => {
  const good = samples('stripe').find(({ kind, value }) => kind === 'session' && value.buyer && value.fulfillment_options.length).value;
  const validate = ours('checkout');
  assert.ok(validate(structuredClone(good)));
  const broken = [
    (it) => { it.status = 'complete_in_progress'; },
    (it) => { delete it.links; },
    (it) => { it.capabilities = {}; },
    (it) => { it.buyer = null; },
    (it) => { it.buyer.full_name = 'Ada'; },
    (it) => { it.line_items[0].item.quantity = 0; },
    (it) => { it.line_items[0].total = '1'; },
    (it) => { it.totals[0].type = 'tip'; },
    (it) => { it.fulfillment_options[0].description = 'x'; },
    (it) => { it.messages = [{ type: 'warning', content_type: 'plain', content: 'x' }]; },
    (it) => { it.messages = [{ type: 'error', content_type: 'plain', content: 'x' }]; },
    (it) => { it.messages = [{ type: 'info', content_type: 'plain', content: 'x', param: 'buyer' }]; },
  ];
  for (const damage of broken) {
    const value = structuredClone(good);
    damage(value);
    assert.ok(!validate(value), `accepted after ${damage}`);
  }
  const event = structuredClone(samples('stripe').find(({ kind }) => kind === 'event').value);
  assert.ok(ours('stripe_event')(event));
  assert.ok(!ours('event')(event), 'Stripe has names of its own for events');
});
