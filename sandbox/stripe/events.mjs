// The Events API: what happened, for whoever missed a webhook.
import { invalid } from './errors.mjs';
import { page, within } from './lists.mjs';
import { clone } from './world.mjs';

const matches = (type, wanted) => (wanted.endsWith('.*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted);

export const operations = {
  'GET /v1/events': ({ world, params, scope }) => {
    if (params.type && params.types) throw invalid('Send type or types, not both.', { param: 'types' });
    if (params.types?.length > 20) throw invalid('types takes up to 20 entries.', { param: 'types' });
    const wanted = params.types ?? (params.type ? [params.type] : null);
    const items = world.list('event', scope).map((record) => record.object)
      .filter((event) => event.object === 'event' && within(event.created, params.created)
        && (!wanted || wanted.some((type) => matches(event.type, type)))
        && (params.delivery_success === undefined || (event.pending_webhooks === 0) === params.delivery_success));
    return clone(page(items, params, '/v1/events', 'event'));
  },
  'GET /v1/events/{id}': ({ world, path, scope }) => clone(world.find('event', path.id, scope, 'id').object),
};
