// The versions of Stripe's API that are played: the newest general one, and the previews that know shared payment tokens.
import { invalid } from './errors.mjs';
import { API_VERSION } from './world.mjs';

/** Tokens became a public preview with the first of these; a general version does not know them at all. */
const PREVIEWS = new Set(['2026-04-22.preview', '2026-05-27.preview', '2026-07-29.preview', '2026-09-30.preview', '2026-10-14.preview']);

/** What may be asked for beside a version, in private preview: `2026-10-14.preview; embedded_connect_beta=v2`. */
const BETAS = { embedded_connect_beta: ['v2'] };

/** @param header undefined = the platform's default. → whether preview parameters and operations exist under it, and which betas. `previewsClosed`: Stripe has not let this platform in. */
export function readVersion(header, { previewsClosed = false } = {}) {
  // Import sets: a general version of before, with the private preview's own mark.
  if (/^20\d\d-\d\d-\d\d\.(clover|dahlia|endive|preview);\s?udap_beta=v1$/.test(header ?? '')) return { preview: false, udap: true };
  const [version, ...more] = (header ?? API_VERSION).split(';').map((part) => part.trim());
  const betas = Object.fromEntries(more.map((part) => part.split('=')));
  for (const [name, value] of Object.entries(betas)) {
    if (!BETAS[name]?.includes(value)) throw invalid(`Invalid Stripe API version: no beta ${name.slice(0, 40)}=${String(value).slice(0, 20)} is played here.`);
  }
  if (version === API_VERSION) return { ...betas, preview: false };
  if (PREVIEWS.has(version) && !previewsClosed) return { ...betas, preview: true };
  throw invalid(`Invalid Stripe API version: ${version.slice(0, 60)}. This stand-in plays ${[API_VERSION, ...PREVIEWS].join(', ')}.`);
}
