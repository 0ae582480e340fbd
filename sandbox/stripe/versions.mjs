// The versions of Stripe's API that are played: the newest general one, and the previews that know shared payment tokens.
import { invalid } from './errors.mjs';
import { API_VERSION } from './world.mjs';

/** Tokens became a public preview with the first of these; a general version does not know them at all. */
const PREVIEWS = new Set(['2026-04-22.preview', '2026-05-27.preview', '2026-07-29.preview', '2026-09-30.preview', '2026-10-14.preview']);

/** @param version the header, undefined = the platform's default. → whether preview parameters and operations exist under it */
export function readVersion(version) {
  if (version === undefined || version === API_VERSION) return { preview: false };
  if (PREVIEWS.has(version)) return { preview: true };
  // Import sets: a general version of before, with the private preview's own mark.
  if (/^20\d\d-\d\d-\d\d\.(clover|dahlia|endive|preview);\s?udap_beta=v1$/.test(version)) return { preview: false, udap: true };
  throw invalid(`Invalid Stripe API version: ${version.slice(0, 60)}. This stand-in plays ${[API_VERSION, ...PREVIEWS].join(', ')}.`);
}
