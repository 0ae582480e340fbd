// README.md's table, the register and the examples say the same.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { examples, unlikeExamples } from './compare.mjs';
import { VERSIONS, since } from './dialects.mjs';
import { requirements, table } from './requirements.mjs';
import { CONTRACTS, DEFECTS, hasOfficial, officialVersions, violations } from './schemas.mjs';
import './suites/index.mjs';

const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const rows = readme
  .slice(readme.indexOf('## The requirements'))
  .split('\n')
  .filter((line) => line.startsWith('| `'));

describe('the table in README.md', () => {
  const listed = rows.map((row) => row.split('|')[1].trim().replaceAll('`', ''));

  test('has every requirement that has a test, and no other', () => {
    const registered = requirements().map(({ id }) => id);
    assert.deepEqual(
      registered.filter((id) => !listed.includes(id)),
      [],
      'these have a test and are not in the table',
    );
    assert.deepEqual(
      listed.filter((id) => !registered.includes(id)),
      [],
      'these are in the table and have no test',
    );
    assert.equal(new Set(listed).size, listed.length);
  });

  test('says of each what the register says (npm run conformance -- --table prints it)', () => {
    const due = table().split('\n').slice(2);
    assert.deepEqual(
      rows.filter((row) => !due.includes(row)),
      [],
    );
    assert.deepEqual(
      rows.map((row) => due.indexOf(row)),
      due.map((_row, i) => i),
      'in the same order',
    );
  });

  test('names files that there are', () => {
    for (const { file } of requirements()) assert.ok(existsSync(new URL(`./suites/${file}.mjs`, import.meta.url)), file);
  });
});

describe('our own examples', () => {
  test('each version has some of each kind', () => {
    for (const version of VERSIONS) {
      const kinds = new Set(examples(version).map(({ kind }) => kind));
      for (const kind of ['session', 'error', 'event', ...(version === '2026-04-17' ? ['cart', 'discovery'] : [])])
        assert.ok(kinds.has(kind), `${version}: ${kind}`);
    }
  });

  for (const version of VERSIONS) {
    test(`of ${version} are valid`, { skip: !hasOfficial(version) && `there is no official schema in ${CONTRACTS}` }, () => {
      for (const { name, kind, value } of examples(version)) assert.deepEqual(violations(version, kind, value), [], name);
    });

    test(`of ${version} are like themselves, and unlike what lacks a member, has another, or has another type`, () => {
      for (const { name, kind, value } of examples(version)) {
        assert.deepEqual(unlikeExamples(version, kind, value), [], name);
        assert.notDeepEqual(unlikeExamples(version, kind, { ...value, mood: 'cheerful' }), [], name);
        const [first] = Object.keys(value);
        assert.notDeepEqual(unlikeExamples(version, kind, { ...value, [first]: { not: 'that' } }), [], name);
      }
      const { value } = examples(version).find(({ kind }) => kind === 'session');
      for (const member of ['id', 'status', 'currency', 'line_items', 'totals', 'messages', 'links', 'fulfillment_options']) {
        const { [member]: gone, ...rest } = value;
        assert.notDeepEqual(unlikeExamples(version, 'session', rest), [], `without ${member}`);
      }
    });
  }
});

describe('what is put right in the official schemas', () => {
  for (const [versions, what] of DEFECTS) {
    for (const version of versions) {
      test(`${version}: ${what}`, { skip: !hasOfficial(version) && `there is no official schema in ${CONTRACTS}` }, () => {
        const raw = readFileSync(join(CONTRACTS, version, 'json-schema', 'schema.agentic_checkout.json'), 'utf8');
        const { $defs } = JSON.parse(raw);
        // Each is still there: one that was mended upstream need not be mended here.
        if (what.startsWith('Item.quantity')) assert.equal($defs.Item.properties.quantity.exclusiveMinimum, true);
        else assert.ok(!$defs.CheckoutSessionBase.properties.order && $defs.CheckoutSessionBase.additionalProperties === false);
      });
    }
  }

  test('every dated version has its official schema here, or each that lacks it is named', (t) => {
    for (const version of since('2025-09-29'))
      if (!officialVersions().includes(version)) t.diagnostic(`no official schema: ${version} (looked in ${CONTRACTS})`);
  });
});
