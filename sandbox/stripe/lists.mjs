// Pages of objects: newest first, cursors are ids.
import { invalid, unknownObject } from './errors.mjs';

export function within(created, range) {
  if (!range) return true;
  const { gt, gte, lt, lte } = range;
  return !(created <= gt || created < gte || created >= lt || created > lte);
}

/** @param items objects in the order they are shown */
export function page(items, params, url, what = 'object') {
  const { limit = 10, starting_after: after, ending_before: before } = params;
  if (limit < 1 || limit > 100) {
    throw invalid(`limit is between 1 and 100, not ${limit}.`, { param: 'limit', code: 'parameter_invalid_integer' });
  }
  if (after && before) throw invalid('Send starting_after or ending_before, not both.', { param: 'ending_before' });
  const indexOf = (id, param) => {
    const index = items.findIndex((item) => item.id === id);
    if (index < 0) throw unknownObject(what, id, param);
    return index;
  };
  let rest = items;
  if (after) rest = items.slice(indexOf(after, 'starting_after') + 1);
  if (before) {
    // Backwards: the page that ends just before the cursor.
    rest = items.slice(0, indexOf(before, 'ending_before'));
    return { object: 'list', data: rest.slice(-limit), has_more: rest.length > limit, url };
  }
  return { object: 'list', data: rest.slice(0, limit), has_more: rest.length > limit, url };
}

/** A list of what belongs to payments (refunds, disputes), by `created`, `payment_intent` and `charge`. */
export function ofPayment({ world, params, scope }, kind, url) {
  const items = world.list(kind, scope).map((record) => record.object)
    .filter((object) => within(object.created, params.created)
      && (!params.payment_intent || object.payment_intent === params.payment_intent)
      && (!params.charge || object.charge === params.charge));
  return structuredClone(page(items, params, url, kind));
}
