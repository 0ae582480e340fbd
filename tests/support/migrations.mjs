// wrangler.toml and migrations/ as the local runtime takes them. Reading them by wrangler costs most of a second, so what was
// read is kept beside the built Worker and used until one of them changes.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, inRoot, sha256 } from '../../scripts/lib/paths.mjs';

const KEPT = join(BUILD, '.tests-config.json');

export async function workerConfig() {
  const toml = inRoot('wrangler.toml');
  const folder = inRoot('migrations');
  const sql = readdirSync(folder).filter((name) => name.endsWith('.sql')).sort().map((name) => readFileSync(join(folder, name), 'utf8'));
  const key = sha256([readFileSync(toml, 'utf8'), readFileSync(inRoot('package-lock.json'), 'utf8'), ...sql].join('\0'));
  if (existsSync(KEPT)) {
    const kept = JSON.parse(readFileSync(KEPT, 'utf8'));
    if (kept.key === key) return kept;
  }
  const wrangler = await import('wrangler');
  const { workerOptions } = wrangler.unstable_getMiniflareWorkerOptions(toml);
  const { compatibilityDate, compatibilityFlags, bindings, kvNamespaces, d1Databases, ratelimits } = workerOptions;
  const config = {
    key,
    options: { compatibilityDate, compatibilityFlags, bindings, kvNamespaces, d1Databases, ratelimits },
    statements: sql.flatMap((text) => wrangler.unstable_splitSqlQuery(text)),
  };
  mkdirSync(BUILD, { recursive: true });
  const draft = `${KEPT}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(config));
  renameSync(draft, KEPT);
  return JSON.parse(JSON.stringify(config));
}
