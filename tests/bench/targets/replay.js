// What both twins share: a plan that was recorded of the Worker, carried out with the ids of this request.
// A template is a text, or [text, name, text, name, …, text].

/** 26 characters, as the Worker's ids have them. */
export function fresh26() {
  let text = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(26))) text += (byte % 36).toString(36);
  return text;
}

/** The values of one request: what it named, what follows from that, and fresh tokens for the rest (`r0`, `r1`, …). */
export function values(known) {
  return { ...known, fresh: fresh26().slice(0, 20) };
}

export function fill(template, given) {
  if (!Array.isArray(template)) return template;
  let text = template[0];
  for (let at = 1; at < template.length; at += 2) text += value(given, template[at]) + template[at + 1];
  return text;
}

function value(given, name) {
  const found = given[name];
  if (found !== undefined) return found;
  // 'r3:26': the third fresh token, 26 characters long.
  const [which, length] = name.split(':');
  return (given[name] = `${which}${given.fresh}`.padEnd(Number(length), '0').slice(0, Number(length)));
}

const binds = (statement, given) => statement.binds.map((bind) => fill(bind, given));

/** One round trip for each batch that the Worker makes. */
export async function batched(database, batch, given, delay) {
  if (delay) await scheduler.wait(Number(delay));
  const list = batch.map((statement) => database.prepare(statement.sql).bind(...binds(statement, given)));
  return database.batch(list);
}

/** One round trip for each statement, as most people write it. */
export async function oneByOne(database, batch, given, delay) {
  const answers = [];
  for (const statement of batch) {
    if (delay) await scheduler.wait(Number(delay));
    answers.push(await database.prepare(statement.sql).bind(...binds(statement, given)).all());
  }
  return answers;
}

export async function sha256(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export async function hmac(key, text) {
  const imported = await crypto.subtle.importKey('raw', typeof key === 'string' ? new TextEncoder().encode(key) : key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', imported, new TextEncoder().encode(text));
  return [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
