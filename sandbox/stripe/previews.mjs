// What only preview versions show of an object. It is kept with the object, and taken out at the way out.

const HIDDEN = { price: ['external_reference'], product: ['identifiers'], payment_intent: ['agent_details'] };

/** The same without what is in previews only. Changes what it is given: a copy. */
export function withoutPreviews(value) {
  if (Array.isArray(value)) {
    for (const element of value) withoutPreviews(element);
  } else if (typeof value === 'object' && value !== null) {
    for (const name of HIDDEN[value.object] ?? []) delete value[name];
    for (const member of Object.values(value)) withoutPreviews(member);
  }
  return value;
}
