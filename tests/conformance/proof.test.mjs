// Who tests the tests? Two merchants that are right as they are and wrong when told to be: one that others published, and one of our own
// that speaks every version. Each way to be wrong must be noticed by the requirement that is there for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VERSIONS } from './dialects.mjs';
import { DEFECTS } from './reference/defects.mjs';
import { requirements } from './requirements.mjs';
import { openSuite, runSuite } from './suite.mjs';
import { hasOfficial } from './schemas.mjs';
import { BROKEN_SCENARIOS, startMock } from './targets/mock-merchant.mjs';
import { startReference } from './targets/reference.mjs';

const failedIn = (results) => results.filter(({ ok, skipped }) => !ok && !skipped);
const ids = (results) => results.map(({ id }) => id).sort();
/** What must hold in every answer needs some answers. */
const TRAFFIC = ['create.status'];

async function outcome(target, options) {
  try {
    return await runSuite(target, options);
  } finally {
    await target.close();
  }
}

/** Where @acp-check/mock-merchant 0.1.0 is wrong without being told to. The lists are exact: one that it no longer earns has to go. */
const DEVIATIONS = {
  'it takes any API-Version, or none': ['version.missing', 'version.unsupported', 'version.list'],
  'it does not look at the media type, and does not send Request-Id back': ['http.media_type', 'http.request_id'],
  'it does not keep what it is told of buyer, address and contact': [
    'buyer.echo',
    'buyer.email',
    'buyer.email_alone',
    'update.null',
    'complete.buyer',
    'fulfillment.echo',
    'fulfillment.contact',
    'fulfillment.moved',
    'state.not_ready_for_payment.update',
    'state.ready_for_payment.update',
  ],
  'it does not change items in an update': ['update.items', 'update.quantity', 'items.unknown_later'],
  'it takes any quantity, and prices with it': [
    'quantity.zero',
    'quantity.negative',
    'quantity.fraction',
    'quantity.text',
    'quantity.other',
    'totals.whole',
    'schema.official',
    'schema.examples',
  ],
  'an item of null brings it down, a nested one is not known': ['items.malformed', 'items.nested'],
  'it takes any currency, notes of any length and any capabilities': [
    'currency.required',
    'currency.case',
    'currency.other',
    'notes.length',
    'capabilities.malformed',
  ],
  'its message about stock is gone at the second look, names the first line always, and it sells what is sold out': [
    'stock.none',
    'stock.param',
    'stock.unpayable',
  ],
  'it completes whatever is asked: not ready, canceled, completed, with any token, data, handler, billing address or consent': [
    'state.not_ready_for_payment.complete',
    'state.completed.complete',
    'state.canceled.complete',
    'payment.missing',
    'payment.token',
    'payment.handler',
    'payment.billing',
    'payment.unknown_token',
    'consents.malformed',
    'idempotency.race_keys',
    'idempotency.conflict_payment',
  ],
  'it changes what is over': ['state.completed.update', 'state.canceled.update'],
  'it compares bodies as texts, and takes keys of any length': ['idempotency.order', 'idempotency.length'],
  'it always charges the same shipping, whether or not there is an address, and whatever is chosen': [
    'fulfillment.none',
    'fulfillment.choose',
    'fulfillment.cheapest',
    'fulfillment.unknown',
    'fulfillment.item_ids',
    'fulfillment.item_ids_unknown',
    'fulfillment.malformed',
    'fulfillment.country',
  ],
  'it has no order in a session that is read again, and always one piece in an order': ['complete.read_back', 'order.rich'],
  'it says little: no privacy policy, no reason why it is not ready, no kinds of total that are 0, no handlers': [
    'create.links',
    'state.says_why',
    'totals.kinds',
    'capabilities.handlers',
    'capabilities.merchant',
  ],
  'it does not look at traces, attribution and discounts': [
    'intent.nested',
    'intent.malformed',
    'attribution.provider',
    'attribution.metadata',
    'attribution.pii',
    'discounts.malformed',
  ],
};

/** Which requirement is there for each of its modes: it passes without the mode and fails with it. */
const NOTICED_BY = {
  'double-create': ['idempotency.create', 'idempotency.race_create'],
  'no-idempotency-required': ['idempotency.required'],
  'no-idempotency-conflict': ['idempotency.conflict', 'idempotency.null', 'idempotency.lists'],
  'missing-total': ['totals.total'],
  'empty-line-items': ['create.lines', 'lines.present'],
  'wrong-create-status': ['create.status', 'create.minimal'],
  'never-ready': ['state.ready_for_payment.get', 'state.becomes_ready'],
  'no-fulfillment-options': ['fulfillment.options'],
  'sku-500': ['items.unknown', 'http.no_5xx'],
  'sku-silent': ['items.unknown'],
  'html-errors': ['http.json', 'errors.shape', 'items.unknown'],
  'bad-error-shape': ['errors.shape', 'items.unknown'],
  'no-auth': ['auth.missing', 'auth.wrong'],
  'accept-any-token': ['auth.wrong'],
  'malformed-json-500': ['http.malformed'],
  'double-order': ['idempotency.complete', 'idempotency.race_complete'],
  'unknown-session-200': ['session.unknown'],
  'cancel-no-405': ['cancel.twice', 'state.completed.cancel', 'state.canceled.cancel'],
  'invalid-schema-session': [...(hasOfficial('2026-04-17') ? ['schema.official'] : []), 'state.ready_for_payment.get'],
};

describe('@acp-check/mock-merchant', () => {
  test('as it is, it fails what is listed and nothing else', async () => {
    const listed = Object.values(DEVIATIONS)
      .flat()
      .filter((id) => id !== 'schema.official' || hasOfficial('2026-04-17'));
    const failed = failedIn(await outcome(await startMock()));
    assert.deepEqual(
      ids(failed),
      listed.sort(),
      failed
        .filter(({ id }) => !listed.includes(id))
        .map(({ title, why }) => `${title}\n${why}`)
        .join('\n'),
    );
  });

  test('each of its modes is in the list', () => {
    assert.deepEqual(Object.keys(NOTICED_BY).sort(), Object.keys(BROKEN_SCENARIOS).sort());
  });

  for (const [mode, noticed] of Object.entries(NOTICED_BY)) {
    test(`${mode} is noticed by ${noticed.join(', ')}`, async () => {
      // The traffic shows an error too, for those who look at every answer.
      const only = [...new Set([...TRAFFIC, 'items.unknown', ...noticed])];
      const right = await outcome(await startMock(), { only });
      assert.deepEqual(ids(failedIn(right).filter(({ id }) => noticed.includes(id))), [], 'without the mode they pass');
      const wrong = ids(failedIn(await outcome(await startMock({ broken: [mode] }), { only })));
      assert.deepEqual(
        noticed.filter((id) => !wrong.includes(id)),
        [],
        'with it they fail',
      );
    });
  }
});

describe('the reference merchant', () => {
  for (const version of VERSIONS) {
    test(`meets every requirement of ${version}`, async (t) => {
      const results = await outcome(await startReference(), { versions: [version] });
      assert.deepEqual(
        failedIn(results).map(({ title, why }) => `${title}\n${why}`),
        [],
      );
      const skipped = results.filter((one) => one.skipped);
      for (const { title, skipped: why } of skipped) t.diagnostic(`skipped: ${title}: ${why}`);
      assert.deepEqual(
        ids(skipped),
        hasOfficial(version) ? [] : ['schema.official'],
        'nothing is left out but what this machine has no schema for',
      );
    });
  }

  test('each requirement has a defect that it must notice', () => {
    const noticed = new Set(DEFECTS.flatMap(({ breaks }) => breaks));
    const known = requirements().map(({ id }) => id);
    assert.deepEqual(
      known.filter((id) => !noticed.has(id)),
      [],
      'these have none',
    );
    assert.deepEqual(
      [...noticed].filter((id) => !known.includes(id)),
      [],
      'there are no such requirements',
    );
  });

  const versionsOf = Object.fromEntries(requirements().map(({ id, versions }) => [id, versions]));
  for (const { breaks, about, apply, in: only, with: traffic = [] } of DEFECTS) {
    test(`«${about}» is noticed by ${breaks.join(', ')}`, async (t) => {
      const target = await startReference({ defect: { apply } });
      try {
        for (const id of breaks) {
          const version = only ?? versionsOf[id].at(-1);
          const results = await runSuite(target, { only: [id, ...traffic], versions: [version] });
          const result = results.find((one) => one.id === id);
          if (id === 'schema.official' && !hasOfficial(version)) t.diagnostic(`skipped: ${result.skipped}`);
          else assert.ok(!result.ok && !result.skipped, `${id} did not notice (${version}) ${result.skipped ?? ''}`);
        }
      } finally {
        await target.close();
      }
    });
  }
});

test('what a target cannot do is skipped with its reason, and never counts as passed', async () => {
  const target = await startReference();
  try {
    const less = { ...target, tokens: ['success'], features: new Set(), coupons: {}, webhook: undefined };
    for (const [id, reason] of [
      ['payment.declined', /declined/],
      ['mcp.tools', /mcp/],
      ['discounts.applied', /coupon/],
      ['webhooks.created', /webhook/],
    ]) {
      const [{ ok, skipped }] = await runSuite(less, { only: [id], versions: ['2026-04-17'] });
      assert.equal(ok, false);
      assert.match(skipped, reason);
    }
    const [unseen] = openSuite(target, { only: ['totals.sum'], versions: ['2026-04-17'] }).tests;
    assert.deepEqual(await unseen.run(), { ok: false, skipped: 'no answer of this kind was seen' });
  } finally {
    await target.close();
  }
});
