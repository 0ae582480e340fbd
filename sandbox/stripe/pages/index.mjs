// The pages that a person meets, by address.
import { json } from '../http.mjs';

export async function pages(stripe, request, url) {
  return json(404, { error: { message: `Nothing is here: ${url.pathname}` } });
}
