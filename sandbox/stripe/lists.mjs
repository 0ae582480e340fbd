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
