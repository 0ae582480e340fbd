// src/openapi.json is what clients are written against, so it has to be true, in both directions:
// what it says the Worker does, and what the Worker does it says.

import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { openapi, operations, operationOf, resolve, violations, wrongWith } from '../support/schema.mjs';

const root = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const unique = (list) => [...new Set(list)].sort();

describe('the document by itself', () => {
  test('is OpenAPI 3.1 by the meta-schema', async () => {
    const verdict = await new Validator().validate(structuredClone(openapi));
    assert.deepEqual(verdict.errors ?? [], []);
    assert.ok(verdict.valid);
  });

  test('every $ref leads somewhere, and nothing is defined in vain', () => {
    const used = new Set();
    const walk = (node) => {
      if (!node || typeof node !== 'object') return;
      if (typeof node.$ref === 'string') {
        assert.ok(resolve(node), `${node.$ref} leads nowhere`);
        used.add(node.$ref);
      }
      Object.values(node).forEach(walk);
    };
    walk(openapi);
    for (const kind of ['schemas', 'responses', 'parameters', 'headers']) {
      for (const name of Object.keys(openapi.components[kind])) {
        // Allow is sent with every 405, which is told once for all routes.
        if (name !== 'Allow') assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is never used`);
      }
    }
  });

  test('request objects are closed, and their examples are valid', () => {
    for (const { method, path, operation } of operations) {
      const content = operation.requestBody?.content?.['application/json'];
      if (!content || path === '/stripe/webhooks') continue;
      for (const [name, example] of Object.entries(content.examples ?? {})) {
        assert.deepEqual(violations(content.schema, example.value), [], `${method} ${path}: example ${name}`);
      }
      for (const body of content.schema.oneOf ?? [content.schema]) {
        assert.equal(resolve(body).additionalProperties, false, `${method} ${path} takes unknown members`);
      }
    }
  });

  test('error statuses and x-error-codes tell the same', () => {
    for (const { method, path, operation } of operations) {
      const json = Object.keys(operation.responses).filter((status) => {
        const ref = operation.responses[status].$ref ?? '';
        return status >= 400 && ref !== '#/components/responses/ErrorPage' && path !== '/healthz';
      });
      assert.deepEqual(Object.keys(operation['x-error-codes'] ?? {}).sort(), json.sort(), `${method} ${path}`);
    }
  });

  test('is small enough to be carried in the binary', () => {
    assert.ok(JSON.stringify(openapi).length < 60_000);
  });
});

describe('the pages about it', () => {
  const codesOf = (status) => operations.flatMap(({ operation }) => operation['x-error-codes']?.[status] ?? []);
  const statuses = unique(operations.flatMap(({ operation }) => Object.keys(operation['x-error-codes'] ?? {})));

  test('docs/contract.md lists exactly the codes of the document, each at its status', () => {
    const table = read('docs/contract.md').split('## Every error code')[1];
    const told = [...table.matchAll(/^\| (\d{3}) \| ([^|]+) \|/gm)].flatMap(([, status, cell]) => {
      const names = [...cell.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name);
      // `parameter_invalid_string`, `_integer` … share a row.
      const stem = names[0].replace(/_[a-z]+$/, '');
      return names.map((name) => `${status} ${name.startsWith('_') ? stem + name : name}`);
    });
    const known = statuses.flatMap((status) => unique(codesOf(status)).map((code) => `${status} ${code}`));
    // These two are told for all routes together, in the document's introduction.
    known.push('404 route_unknown', '405 method_not_allowed');
    assert.deepEqual(unique(told), unique(known));
  });

  test('docs/contract.md names every route under /v1', () => {
    const text = read('docs/contract.md').replaceAll('{cct_…}', '{id}').replaceAll('{cs_…}', '{id}');
    for (const { method, path } of operations.filter(({ path }) => path.startsWith('/v1'))) {
      const route = `${method} ${path}`;
      assert.ok(text.includes(route) || text.includes(`${method} http://localhost:8787${path}`) || text.includes(path), `${route} is not in docs/contract.md`);
    }
  });

  test('README.md quotes the WordPress example word for word', () => {
    const plugin = read('examples/wordpress/cognitive-cart-example.php');
    const quotes = [...read('README.md').matchAll(/```php\n([\s\S]*?)\n```/g)].map(([, code]) => code);
    assert.ok(quotes.length >= 3);
    for (const quote of quotes) assert.ok(plugin.includes(quote), `not in the plugin any more:\n${quote.slice(0, 200)}`);
  });

  test('links between the pages lead somewhere', () => {
    for (const page of ['README.md', 'docs/contract.md', 'docs/deploy.md']) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [file, anchor] = target.split('#');
        const url = file ? new URL(file, new URL(page, root)) : new URL(page, root);
        assert.ok(existsSync(url), `${page}: ${target}`);
        if (anchor) {
          const anchors = [...readFileSync(url, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
            title.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'),
          );
          assert.ok(anchors.includes(anchor), `${page}: ${target}`);
        }
      }
    }
  });
});
