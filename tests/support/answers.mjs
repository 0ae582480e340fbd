// What tests say about answers of the API. Every answer that passes here is also held against src/openapi.json.
import assert from 'node:assert/strict';
import { wrongWith } from './schema.mjs';

const TYPES = { 401: 'authentication', 403: 'permission', 429: 'rate_limit', 500: 'internal', 502: 'upstream', 503: 'upstream', 504: 'upstream' };

/** `w.api`, whose answers must be as the OpenAPI document has them. */
export const documented = (w) => async (method, path, more) => {
  const answer = await w.api(method, path, more);
  assert.deepEqual(wrongWith(method, path, { status: answer.status, headers: answer.headers, body: answer.text }), []);
  return answer;
};

/** An error as the contract has it: status, type, code, the member at fault, the request's id. -> its `error` */
export function refused(answer, status, code, param) {
  assert.equal(answer.status, status, answer.text);
  const { error } = answer.body;
  assert.equal(error.code, code, answer.text);
  assert.equal(error.param, param, answer.text);
  assert.equal(error.type, code === 'not_configured' ? 'not_configured' : TYPES[status] ?? 'invalid_request');
  assert.ok(error.message.length > 10, 'says what to do');
  return error;
}

/** An answer that is no refusal. -> its body */
export function fine(answer, status = 200) {
  assert.equal(answer.status, status, answer.text);
  return answer.body;
}

/** Waits for what happens after an answer (the Worker works on, an event is on its way). -> what `look` gave */
export async function eventually(look, what = 'it did not happen', ms = 5_000) {
  for (const end = Date.now() + ms; ;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => { setTimeout(resolve, 15); });
  }
}
