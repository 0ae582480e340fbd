// Every answer against the official schema of its version, and against our own examples.
import { VERSIONS } from '../dialects.mjs';
import { always, inFile } from '../requirements.mjs';
import { unlikeExamples } from '../compare.mjs';
import { hasOfficial, sourceOf, violations } from '../schemas.mjs';

inFile('schemas');

const CARTS = new Set(['cart.create', 'cart.get', 'cart.update', 'cart.cancel']);
/** What an answer is; undefined where the protocol does not say. */
function kindOf({ operation, status, body }) {
  if (status >= 400) return 'error';
  if (operation === 'discovery') return 'discovery';
  if (CARTS.has(operation)) return 'cart';
  return operation === 'complete' && body?.status === 'completed' ? 'completed' : 'session';
}

always(
  'schema.official',
  {
    versions: VERSIONS,
    section: "JSON Schema of the version; Stripe's page, Data structures",
    says: "every answer is valid by its version's official JSON Schema (Stripe's dialect: by ours)",
  },
  (answer) => {
    if (!hasOfficial(answer.version)) return undefined;
    const wrong = violations(answer.version, kindOf(answer), answer.body);
    return wrong === undefined ? undefined : wrong.length === 0 || wrong;
  },
);

always(
  'schema.examples',
  {
    versions: VERSIONS,
    level: 'ours',
    section: '`examples/`',
    says: 'every answer has the members and types of our own examples',
  },
  (answer) => {
    const wrong = unlikeExamples(answer.version, kindOf(answer), answer.body);
    return wrong === undefined ? undefined : wrong.length === 0 || wrong;
  },
);

/** Where schemas come from on this machine: printed with every run. */
export const sources = (versions) => versions.map((version) => `${version}: ${sourceOf(version)}`);
