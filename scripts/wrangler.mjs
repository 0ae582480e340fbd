// `npm run wrangler -- …`: wrangler by hand, on the Node that it needs; `npx wrangler` would take the system's, which may be too old.
import { spawn } from 'node:child_process';
import { inRoot, nodeBin } from './lib/paths.mjs';
import { main, setup } from './setup.mjs';

await main(import.meta.url, async () => {
  await setup({ rust: false });
  const child = spawn(nodeBin(), [inRoot('node_modules', 'wrangler', 'bin', 'wrangler.js'), ...process.argv.slice(2)], { stdio: 'inherit' });
  child.on('exit', (code) => { process.exitCode = code ?? 1; });
});
