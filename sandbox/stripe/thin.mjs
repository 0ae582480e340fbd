// Thin events: v2 event destinations with `event_payload: thin` name the object and do not show it; the receiver fetches it.

const COLLECTIONS = { 'checkout.session': 'checkout/sessions', 'shared_payment.granted_token': 'shared_payment/granted_tokens' };

/** The object as something to fetch; an application has no address, so an event about one names nothing. */
function related({ id, object }) {
  if (object === 'application') return undefined;
  return { id, type: object, url: `/v1/${COLLECTIONS[object] ?? `${object}s`}/${id}` };
}

/** A snapshot's thin twin: the same id, its type with `v1.` before it, the account as `context`. */
export function thin(event) {
  if (event.object !== 'event') return event; // of v2: it is thin
  const { request } = event;
  const object = related(event.data.object);
  return {
    id: event.id,
    object: 'v2.core.event',
    ...(event.context && { context: event.context }),
    created: new Date(event.created * 1000).toISOString(),
    livemode: event.livemode,
    ...(request.id && { reason: { type: 'request', request: { id: request.id, idempotency_key: request.idempotency_key ?? '' } } }),
    ...(object && { related_object: object }),
    type: `v1.${event.type}`,
  };
}

const isHash = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members laid over an event at any depth, e.g. { related_object: { url: 'https://elsewhere.example/' } }; undefined takes one out. */
export function bend(event, members = {}) {
  const bent = { ...event };
  for (const [name, value] of Object.entries(members)) bent[name] = isHash(value) && isHash(bent[name]) ? bend(bent[name], value) : value;
  return bent;
}
