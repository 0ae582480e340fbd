// What is done over there in one go: each way across the boundary costs, and each promise that is awaited from Rust costs more.

/** One round trip to D1. statements: JSON, [[text, [parameter, …]], …]. -> the answers, as JSON */
export async function batch(database, statements) {
  return JSON.stringify(await database.batch(JSON.parse(statements).map(([text, binds]) => database.prepare(text).bind(...binds))));
}

/** All of a stream, as far as it is wanted: keeps `keep` bytes, reads on and throws away up to `drain`, then cancels. -> [bytes, whether that is all] */
export async function read(stream, keep, drain) {
  const reader = stream.getReader();
  const parts = [];
  let seen = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return [joined(parts, Math.min(seen, keep)), seen <= keep];
    if (seen < keep) parts.push(value);
    seen += value.length;
    if (seen > drain) {
      // Whether the other side hears of it does not matter.
      reader.cancel().catch(() => {});
      return [joined(parts, Math.min(seen, keep)), false];
    }
  }
}

function joined(parts, length) {
  if (parts.length === 1 && parts[0].length === length) return parts[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    const fits = part.subarray(0, length - at);
    whole.set(fits, at);
    at += fits.length;
  }
  return whole;
}

/**
 * A request to the outside and its answer: no redirect is followed, it ends after `deadline` milliseconds, at most `limit` bytes are
 * read (0: the answer's body is given up unread). request: JSON, {url, method, headers, body?}. -> {status, headers, body?}, or
 * {failed} with why there is no whole answer.
 */
export async function exchange(request, deadline, limit) {
  const { url, ...init } = JSON.parse(request);
  let answer;
  try {
    answer = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(deadline) });
  } catch (error) {
    return { failed: `no answer: ${error?.message ?? error}` };
  }
  const { status, headers } = answer;
  if (!answer.body) return { status, headers };
  if (limit === 0) {
    answer.body.cancel().catch(() => {});
    return { status, headers };
  }
  try {
    return { status, headers, body: (await read(answer.body, limit, limit))[0] };
  } catch (error) {
    return { failed: `the answer broke off: ${error?.message ?? error}` };
  }
}
