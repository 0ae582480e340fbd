// wrangler, on the Node that it needs; no telemetry, no questions, no look-ups of its own.
import { spawn } from 'node:child_process';
import { inRoot, nodeBin, ROOT } from './paths.mjs';
import { run } from './run.mjs';

const env = {
  WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false', WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: inRoot('.state', 'logs'), CLOUDFLARE_CF_FETCH_ENABLED: 'false', NO_COLOR: '1',
};
const script = () => inRoot('node_modules', 'wrangler', 'bin', 'wrangler.js');

/** Runs to its end. -> {code, out} */
export const wrangler = (args, options = {}) => run(nodeBin(), [script(), ...args], { cwd: ROOT, ...options, env: { ...env, ...options.env } });

/** Starts and stays. Its own process group, so that Ctrl-C reaches us alone and we end it in order. */
export const startWrangler = (args) => spawn(nodeBin(), [script(), ...args], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
