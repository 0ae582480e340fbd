// Our table of parameters against Stripe's own description, and the refusals that come of it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { check } from '../../sandbox/stripe/check.mjs';
import { decodeForm } from '../../sandbox/stripe/form.mjs';
import { parameters } from '../../sandbox/stripe/parameters.mjs';
import { previewRoutes } from '../../sandbox/stripe/api.mjs';
import { udapRoutes } from '../../sandbox/stripe/imports.mjs';

const contracts = new URL('../../../shared/contracts/stripe/', import.meta.url);
const description = new URL('stripe-openapi.2026-10-28.endive.strict.json', contracts);
const previews = new URL('stripe-openapi.2026-10-14.preview.strict.json', contracts);
const oauth = new URL('stripe-connect-oauth.json', contracts);
const here = existsSync(description);

const read = (url) => JSON.parse(readFileSync(url, 'utf8'));

/** Both halves of an operation's input as one object schema. */
function inputOf(spec, route) {
  const [method, path] = route.split(' ');
  const operation = spec.paths[path]?.[method.toLowerCase()];
  assert.ok(operation, `${route} exists at Stripe`);
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  if (method === 'GET') return { type: 'object', properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])), required: query.filter(({ required }) => required).map(({ name }) => name) };
  // A description without a `type` is of a body without members.
  const [{ schema }] = Object.values(operation.requestBody.content);
  return { type: 'object', properties: {}, ...schema };
}

function compare(rule, schema, at, optionalHere = []) {
  if (rule.gone) {
    assert.equal(schema, undefined, `${at} is really gone`);
    return;
  }
  assert.ok(schema, `${at} exists at Stripe`);
  if (rule.unplayed) return;
  const choices = schema.anyOf ?? [schema];
  const empties = choices.filter((choice) => choice.enum?.length === 1 && choice.enum[0] === '');
  assert.equal(Boolean(rule.clearable), empties.length > 0, `${at} can be unset with '' exactly where Stripe allows it`);
  const real = choices.find((choice) => !empties.includes(choice) && (rule.type !== 'range' || choice.type === 'object'));
  switch (rule.type) {
    case 'file':
      assert.equal(schema.type, undefined, at);
      break;
    case 'metadata':
      assert.equal(real.type, 'object', at);
      assert.equal(real.additionalProperties.type, 'string', at);
      break;
    case 'range':
      assert.deepEqual(Object.keys(real.properties).sort(), ['gt', 'gte', 'lt', 'lte'], at);
      break;
    case 'array':
      assert.equal(real.type, 'array', at);
      compare(rule.items, real.items, `${at}[]`);
      break;
    case 'object':
      compareHash(rule.fields, real, at, optionalHere);
      break;
    default:
      assert.equal(rule.type, real.type, `${at}: type`);
      assert.equal(rule.max, real.maxLength, `${at}: maximum length`);
      if (rule.open) assert.equal(real['x-stripeBypassValidation'], true, `${at}: Stripe lists some of its values, not all`);
      else assert.deepEqual(rule.values && [...rule.values].sort(), real.enum && [...real.enum].sort(), `${at}: values`);
      if (rule.format === 'currency' || rule.format === 'decimal') assert.equal(real.format, rule.format, `${at}: format`);
  }
}

function compareHash(fields, schema, at, { except = [] } = {}) {
  assert.equal(schema.type, 'object', at);
  const gone = Object.keys(fields).filter((name) => fields[name].gone);
  assert.deepEqual(
    Object.keys(fields).filter((name) => !gone.includes(name)).sort(), Object.keys(schema.properties).sort(),
    `${at}: every member that Stripe knows is in the table, played or not, and no other`);
  const ours = Object.keys(fields).filter((name) => fields[name].required && !except.includes(name));
  assert.deepEqual(ours.sort(), [...(schema.required ?? [])].sort(), `${at}: required`);
  for (const [name, rule] of Object.entries(fields)) compare(rule, schema.properties[name], at ? `${at}[${name}]` : name);
}

/** The table as one version has it: what only previews know is not there under a general one. */
function under(rule, preview) {
  if (Array.isArray(rule)) return rule;
  const { required, ...rest } = rule;
  const seen = { ...rest, ...((required === 'general' ? !preview : required) && { required: true }) };
  if (rule.fields) seen.fields = fieldsUnder(rule.fields, preview);
  if (rule.items) seen.items = under(rule.items, preview);
  return seen;
}
const fieldsUnder = (fields, preview) => Object.fromEntries(Object.entries(fields).filter(([, rule]) => preview || !rule.preview).map(([name, rule]) => [name, under(rule, preview)]));

// Stripe's description cannot say that `mode` depends on nothing else here; its API asks for it.
const ASKED_FOR_BY_THE_API = { 'POST /v1/checkout/sessions': ['mode'] };

/** Stripe has it, and no description that is at hand does. */
const UNDESCRIBED = ['GET /v1/payment_intents/search', 'GET /v1/files/{file}/contents'];
test('all but what is named is compared', { skip: !here && 'Stripe\'s description is not here' }, () => {
  const described = [description, previews].flatMap((url) => Object.entries(read(url).paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)));
  const missing = Object.keys(parameters).filter((route) => !route.includes('/oauth/') && !described.includes(route));
  assert.deepEqual(missing, UNDESCRIBED);
});

for (const [route, fields] of Object.entries(parameters)) {
  if (UNDESCRIBED.includes(route)) continue;
  const isOAuth = route.includes('/oauth/');
  const [method, path] = route.split(' ');
  const previewed = here && !isOAuth && read(previews).paths[path]?.[method.toLowerCase()];
  if (previewed) {
    test(`${route} takes what Stripe's previews take`, () => {
      compareHash(fieldsUnder(fields, true), inputOf(read(previews), route), '');
    });
  }
  if (previewRoutes.includes(route) || udapRoutes.includes(route)) continue;
  test(`${route} takes what Stripe takes`, { skip: !here && 'Stripe\'s description is not here' }, () => {
    const schema = inputOf(read(isOAuth ? oauth : description), route);
    const loose = structuredClone(fieldsUnder(fields, false));
    for (const rule of isOAuth ? Object.values(loose) : []) delete rule.max;
    compareHash(loose, schema, '', { except: ASKED_FOR_BY_THE_API[route] });
  });
}

// -- refusals, without the description -----------------------------------------------------------------------------

const session = parameters['POST /v1/checkout/sessions'];
const base = 'mode=payment&success_url=https://s.example/&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd' +
  '&line_items[0][price_data][unit_amount]=100&line_items[0][price_data][product_data][name]=Tea';

function refusal(more, fields = session, start = `${base}&`) {
  try {
    check(decodeForm(start + more), fields);
  } catch (error) {
    return error.error;
  }
  return null;
}

const cases = [
  ['foo=1', 'parameter_unknown', 'foo'],
  ['line_items[0][price_data][foo]=1', 'parameter_unknown', 'line_items[0][price_data][foo]'],
  ['line_items[0][price_data][product_data][tax][x]=1', 'parameter_unknown', 'line_items[0][price_data][product_data][tax]'],
  ['payment_intent_data[transfer_data][amount]=1', 'parameter_missing', 'payment_intent_data[transfer_data][destination]'],
  ['line_items[1][price_data][product_data][name]=x', 'parameter_missing', 'line_items[1][price_data][currency]'],
  ['shipping_address_collection[x]=1', 'parameter_unknown', 'shipping_address_collection[x]'],
  ['expires_at=soon', 'parameter_invalid_integer', 'expires_at'],
  ['expires_at=1.5', 'parameter_invalid_integer', 'expires_at'],
  ['line_items[0][quantity]=99999999999999999', 'parameter_invalid_integer', 'line_items[0][quantity]'],
  ['automatic_tax[enabled]=yes', undefined, 'automatic_tax[enabled]'],
  ['locale=xx', undefined, 'locale'],
  ['shipping_address_collection[allowed_countries][0]=XX', undefined, 'shipping_address_collection[allowed_countries][0]'],
  ['client_reference_id=' + 'x'.repeat(201), 'parameter_invalid_string_too_long', 'client_reference_id'],
  ['line_items[0][price_data][product_data][name]=', 'parameter_invalid_empty', 'line_items[0][price_data][product_data][name]'],
  ['line_items[0][price_data][currency]=xyz', undefined, 'line_items[0][price_data][currency]'],
  ['line_items[0][price_data][unit_amount_decimal]=1.1234567890123', undefined, 'line_items[0][price_data][unit_amount_decimal]'],
  ['cancel_url=nowhere', 'url_invalid', 'cancel_url'],
  ['cancel_url=javascript:alert(1)', 'url_invalid', 'cancel_url'],
  ['customer_email=nobody', 'email_invalid', 'customer_email'],
  ['payment_method_types[]=card', 'payment_method_types_no_longer_supported', 'payment_method_types'],
  ['discounts[0][coupon]=x', 'parameter_not_played_here', 'discounts'],
  ['line_items[0][price]=price_1', 'parameter_not_played_here', 'line_items[0][price]'],
  ['metadata[a][b]=1', undefined, 'metadata[a]'],
  ['metadata=1', undefined, 'metadata'],
  ['locale[x]=1', 'parameter_invalid_string', 'locale'],
  ['payment_intent_data=1', 'parameter_invalid_hash', 'payment_intent_data'],
  ['expand=line_items', 'parameter_invalid_array', 'expand'],
  [`metadata[${'k'.repeat(41)}]=1`, undefined, `metadata[${'k'.repeat(41)}]`],
  [`metadata[k]=${'v'.repeat(501)}`, undefined, 'metadata[k]'],
];
for (const [sent, code, param] of cases) {
  test(`refused: ${sent.slice(0, 70)}`, () => {
    const error = refusal(sent);
    assert.ok(error, 'it was accepted');
    assert.deepEqual({ type: error.type, code: error.code, param: error.param }, { type: 'invalid_request_error', code, param });
  });
}

test('what only previews have is unknown under a general version, at any depth; what they can do without is asked for', () => {
  const fields = parameters['POST /v1/payment_intents'];
  const error = (more, options) => {
    try {
      check(decodeForm(`amount=100&currency=usd&${more}`), fields, options);
    } catch (refused) {
      return [refused.error.code, refused.error.param];
    }
    return null;
  };
  const token = 'payment_method_data[shared_payment_granted_token]';
  assert.deepEqual(error(`${token}=spt_1`), ['parameter_unknown', token]);
  assert.deepEqual(error(`${token}=spt_1&payment_method_data[type]=card`, { preview: false }), ['parameter_unknown', token]);
  assert.equal(error(`${token}=spt_1`, { preview: true }), null);
  assert.equal(error(`${token}=spt_1&payment_method_data[type]=card`, { preview: true }), null);
  assert.deepEqual(error('payment_method_data[billing_details][name]=Bo'), ['parameter_missing', 'payment_method_data[type]']);
  for (const name of ['fx_quote', 'payment_method_data[gopay]', 'payment_method_options[card][capture_delay]']) {
    assert.deepEqual(error(`payment_method_data[type]=card&${name}=1`), ['parameter_unknown', name]);
    assert.deepEqual(error(`payment_method_data[type]=card&${name}=1`, { preview: true }), ['parameter_not_played_here', name]);
  }
  assert.deepEqual(error('payment_method_options[card][three_d_secure][network_options]=1&payment_method_options[card][three_d_secure][x]=1', { preview: true })[0], 'parameter_unknown');
});

test('what is missing at the top is named', () => {
  assert.equal(refusal('', session, 'success_url=https://s.example/').param, 'mode');
});

test('50 metadata keys, 40 letters and 500 letters pass; one more of each does not', () => {
  const many = (count) => Array.from({ length: count }, (_, index) => `metadata[k${index}]=v`).join('&');
  assert.equal(refusal(many(50)), null);
  assert.match(refusal(many(51)).message, /50/);
  assert.equal(refusal(`metadata[${'k'.repeat(40)}]=${'%C3%A9'.repeat(500)}`), null);
});

test('100 lines pass the table, 101 do not', () => {
  const lines = (count) => `mode=payment&${Array.from({ length: count }, (_, index) => `line_items[${index}][quantity]=1`).join('&')}`;
  assert.equal(refusal('', session, lines(100)), null);
  assert.equal(refusal('', session, lines(101)).param, 'line_items');
});

test('a valid form becomes typed values', () => {
  const values = check(decodeForm(`${base}&automatic_tax[enabled]=false&metadata[a]=1&expand[]=line_items&expires_at=5`), session);
  assert.equal(values.line_items[0].price_data.unit_amount, 100);
  assert.equal(values.automatic_tax.enabled, false);
  assert.deepEqual(values.metadata, { a: '1' });
  assert.deepEqual(values.expand, ['line_items']);
});
