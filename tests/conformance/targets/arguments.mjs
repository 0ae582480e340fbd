// Any server, as the command line and the environment describe it.
import { execFile } from 'node:child_process';
import { promisify, parseArgs } from 'node:util';
import { VERSIONS } from '../dialects.mjs';
import { startReceiver } from './receiver.mjs';

const run = promisify(execFile);
const ADDRESS = { name: 'Ada Byron', line_one: '1 Main Street', city: 'San Francisco', state: 'CA', country: 'US', postal_code: '94105' };

export const OPTIONS = {
  url: { type: 'string' },
  key: { type: 'string' },
  'other-key': { type: 'string' },
  versions: { type: 'string' },
  product: { type: 'string', multiple: true, default: [] },
  coupon: { type: 'string', multiple: true, default: [] },
  token: { type: 'string', multiple: true, default: [] },
  'token-command': { type: 'string' },
  feature: { type: 'string', multiple: true, default: [] },
  address: { type: 'string' },
  elsewhere: { type: 'string' },
  currency: { type: 'string' },
  account: { type: 'string' },
  handler: { type: 'string' },
  'webhook-port': { type: 'string' },
  'webhook-secret': { type: 'string' },
  only: { type: 'string' },
  strict: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  table: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

export const HELP = `npm run conformance -- --url https://shop.example/api --key KEY [options]

  --url, --key              the server's base address, and an agent's key (or ACP_URL, ACP_KEY)
  --other-key KEY           a second agent's key (or ACP_OTHER_KEY): that one agent does not see the other's sessions
  --versions A,B            of ${VERSIONS.join(', ')} (default: all that are dated)
  --product KIND=ID         what to buy: shipped and second are needed; digital, out_of_stock, last (one piece left) widen the run
  --address JSON            where it is shipped to;  --elsewhere JSON: where nothing is shipped to;  --currency usd
  --coupon KIND=CODE        valid, other, expired, minimum
  --token KIND=TOKEN        a payment token: success, declined, requires_3ds, expired, over_limit; used for every payment of its kind
  --token-command CMD       or a program that prints one: CMD KIND AMOUNT CURRENCY (it exits with 1 for a kind that it does not have)
  --feature NAME            carts, discovery, mcp, readAnyVersion, singleUse, consents
  --account acct_…          the account that a token must be for;  --handler ID: of the payment handler, where sessions name none
  --webhook-port N          where events are to be awaited, with --webhook-secret SECRET
  --only ID,ID              these requirements alone
  --strict                  should and ours count too, not only must
  --json                    results as JSON, one a line
  --table                   the table of requirements, and nothing else`;

export const read = (argv) => parseArgs({ args: argv, options: OPTIONS }).values;

const pairs = (list, what) =>
  Object.fromEntries(
    list.map((one) => {
      const at = one.indexOf('=');
      if (at < 1) throw new Error(`--${what} is KIND=VALUE, not "${one}"`);
      return [one.slice(0, at), one.slice(at + 1)];
    }),
  );

/** values: what `read` gave. */
export async function startFromArguments(values) {
  const url = values.url ?? process.env.ACP_URL;
  const key = values.key ?? process.env.ACP_KEY;
  if (!url || !key) throw new Error('--url and --key are needed; --help says more');
  const products = pairs(values.product, 'product');
  const tokens = pairs(values.token, 'token');
  const command = values['token-command'];
  const receiver = values['webhook-port'] ? await startReceiver({ port: Number(values['webhook-port']) }) : undefined;
  const versions = values.versions?.split(',') ?? VERSIONS.filter((version) => version !== 'stripe');
  for (const version of versions)
    if (!VERSIONS.includes(version)) throw new Error(`there is no version "${version}"; there are ${VERSIONS.join(', ')}`);
  return {
    name: url,
    url,
    key,
    otherKey: values['other-key'] ?? process.env.ACP_OTHER_KEY,
    versions,
    products: Object.keys(products),
    product: (kind) => products[kind],
    address: values.address ? JSON.parse(values.address) : ADDRESS,
    ...(values.elsewhere && { elsewhere: JSON.parse(values.elsewhere) }),
    currency: values.currency ?? 'usd',
    account: values.account,
    handler: values.handler,
    coupons: pairs(values.coupon, 'coupon'),
    tokens: command ? ['success', 'declined', 'requires_3ds', 'expired', 'over_limit'] : Object.keys(tokens),
    async token(kind, { amount, currency }) {
      if (!command) return tokens[kind];
      return run(command, [kind, String(amount), currency]).then(
        ({ stdout }) => stdout.trim() || undefined,
        () => undefined,
      );
    },
    features: new Set(values.feature),
    ...(receiver && { webhook: { secret: values['webhook-secret'] ?? '', wait: receiver.wait } }),
    close: async () => {
      await receiver?.close();
    },
  };
}
