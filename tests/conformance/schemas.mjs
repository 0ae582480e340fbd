// The official JSON Schemas, where they are on this machine, with what is known to be wrong in them put right while loading;
// and our own for Stripe's dialect and for events, which have no official one.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { inRoot } from '../../scripts/lib/paths.mjs';
import { VERSIONS, since } from './dialects.mjs';

export const CONTRACTS = process.env.ACP_CONTRACTS ?? inRoot('..', 'shared', 'contracts', 'acp');
const BUNDLE = 'https://example.com/schemas/agentic-checkout/bundle.schema.json';
/** schema.cart.json names the bundle by its file name, which its own `$id` turns into this. */
const BUNDLE_OF_CARTS = 'https://example.com/schemas/cart/schema.agentic_checkout.json';
const CARTS = 'https://example.com/schemas/cart/bundle.schema.json';

const DEFINITIONS = {
  session: `${BUNDLE}#/$defs/CheckoutSession`,
  completed: `${BUNDLE}#/$defs/CheckoutSessionWithOrder`,
  error: `${BUNDLE}#/$defs/Error`,
  discovery: `${BUNDLE}#/$defs/DiscoveryResponse`,
  order: `${BUNDLE}#/$defs/Order`,
  cart: `${CARTS}#/$defs/Cart`,
};

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const own = (name) => read(new URL(`./schemas/${name}`, import.meta.url));

/** What the official files say and cannot mean. Each entry: [versions, what is wrong, how it is put right]. */
export const DEFECTS = [
  [
    ['2025-09-29'],
    'Item.quantity has `exclusiveMinimum: true`, a boolean where 2020-12 wants a number',
    ({ $defs }) => {
      delete $defs.Item.properties.quantity.exclusiveMinimum;
    },
  ],
  [
    ['2025-09-29'],
    'CheckoutSessionWithOrder is a closed object without `order` and an object with `order` at once: nothing can be both',
    ({ $defs }) => {
      $defs.CheckoutSessionWithOrder.allOf[0] = {
        ...$defs.CheckoutSessionBase,
        properties: { ...$defs.CheckoutSessionBase.properties, order: {} },
      };
    },
  ],
];

function compiler(version, folder) {
  const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: false });
  addFormats(ajv);
  const bundle = read(join(folder, 'schema.agentic_checkout.json'));
  for (const [versions, , repair] of DEFECTS) if (versions.includes(version)) repair(bundle);
  ajv.addSchema(bundle, BUNDLE);
  const carts = join(folder, 'schema.cart.json');
  if (existsSync(carts)) {
    ajv.addSchema({ ...bundle, $id: BUNDLE_OF_CARTS });
    ajv.addSchema(read(carts), CARTS);
  }
  return ajv;
}

function ownCompiler(version) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  if (version === 'stripe') ajv.addSchema(own('stripe.json'), 'stripe');
  ajv.addSchema(own('events.json'), 'events');
  return ajv;
}

const cache = new Map();
const once = (key, make) => {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key);
};

const explain = ({ instancePath, message, params }) => {
  const more = params?.additionalProperty ?? params?.unevaluatedProperty ?? params?.allowedValues?.join(', ') ?? params?.allowedValue;
  return `${instancePath || '(body)'} ${message}${more === undefined ? '' : `: ${more}`}`;
};

/** What a union says about the branches that were not meant is noise: the branch is told by `type`. */
function plain(errors, value) {
  const at = (path) =>
    path
      .split('/')
      .slice(1)
      .reduce((node, name) => node?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], value);
  const wrongBranch = errors
    .filter(
      ({ keyword, schemaPath, instancePath }) =>
        keyword === 'const' && instancePath.endsWith('/type') && /oneOf/.test(schemaPath) && at(instancePath) !== undefined,
    )
    .map(({ schemaPath }) => schemaPath.replace(/\/properties\/type\/const$/, ''));
  const kept = errors.filter(
    ({ schemaPath, keyword }) => keyword !== 'oneOf' && !wrongBranch.some((branch) => schemaPath.startsWith(branch)),
  );
  return [...new Set((kept.length ? kept : errors).map(explain))].slice(0, 6);
}

function check(ajv, reference, value) {
  const validate = ajv.getSchema(reference);
  if (!validate) return undefined;
  return validate(value) ? [] : plain(validate.errors, value);
}

export const hasOfficial = (version) =>
  version === 'stripe' || existsSync(join(CONTRACTS, version, 'json-schema', 'schema.agentic_checkout.json'));

/** Where the schema of a version comes from, or why there is none. */
export const sourceOf = (version) =>
  version === 'stripe'
    ? "our own schema, after Stripe's page"
    : hasOfficial(version)
      ? 'the official JSON Schema'
      : `no official JSON Schema on this machine (looked in ${CONTRACTS})`;

/**
 * Errors of a value under the schema of its kind: session, completed, error, cart, discovery, order, event.
 * Undefined where this version has no such schema, or where it is not on this machine.
 */
export function violations(version, kind, value) {
  if (kind === 'event') {
    const events = once(`own ${version}`, () => ownCompiler(version));
    const wrong = check(events, `events#/$defs/${version}`, value) ?? [];
    const order = version === VERSIONS.at(-1) && hasOfficial(version) ? violations(version, 'order', value?.data) : [];
    return [...wrong, ...order];
  }
  if (version === 'stripe')
    return check(
      once('own stripe', () => ownCompiler('stripe')),
      `stripe#/$defs/${kind}`,
      value,
    );
  if (!hasOfficial(version)) return undefined;
  return check(
    once(version, () => compiler(version, join(CONTRACTS, version, 'json-schema'))),
    DEFINITIONS[kind],
    value,
  );
}

/** Versions whose official files are here. */
export const officialVersions = () => since('2025-09-29').filter(hasOfficial);
