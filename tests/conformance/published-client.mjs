// Runs published-client.py against a target. By hand:
//   node tests/conformance/published-client.mjs --url … --key … --product shipped=… --token success=…
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensurePython } from '../../scripts/lib/python.mjs';
import { main } from '../../scripts/setup.mjs';
import { read, startFromArguments } from './targets/arguments.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
export const REQUIREMENTS = here('./published-client.requirements.txt');
const PLENTY = 1_000_000;

/** python: one with the packages of REQUIREMENTS. -> what published-client.py printed */
export async function runPublishedClient(target, python) {
  const task = {
    url: target.url,
    key: target.key,
    product: await target.product('shipped'),
    address: target.address,
    token: await target.token('success', { amount: PLENTY, currency: 'usd' }),
  };
  const child = spawn(python, [here('./published-client.py')], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  child.stdin.end(JSON.stringify(task));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`the published client ended with ${code}:\n${err.split('\n').slice(-25).join('\n')}`);
  return JSON.parse(out);
}

await main(import.meta.url, async () => {
  const python = await ensurePython(REQUIREMENTS);
  if (!python) throw new Error('Python 3.11 or newer is needed');
  const target = await startFromArguments(read(process.argv.slice(2)));
  console.log(JSON.stringify(await runPublishedClient(target, python), null, 2));
  await target.close();
});
