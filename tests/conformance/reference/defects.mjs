// What can be wrong with a merchant, one thing at a time. Each defect names the requirements that must notice it; together they name all
// that there are, so that no check exists that cannot fail. `in`: the version in which it shows, the newest unless told otherwise.
import { Refusal } from './merchant.mjs';

/** Puts `around(original, ...args)` in the place of a rule. */
const wrap = (m, rule, around) => {
  const original = m[rule].bind(m);
  m[rule] = (...args) => around(original, ...args);
};
/** Changes answers behind all rules: change(answer, request). */
const answers = (change) => (m) =>
  wrap(m, 'answer', async (original, request) => {
    const answer = await original(request);
    return change(answer, request) ?? answer;
  });
/** Changes the body of every session that is answered. */
const sessions = (change) =>
  answers((answer, request) => {
    if (!/^\/(checkouts|checkout_sessions)/.test(request.path) || answer.status >= 300 || !answer.body?.line_items) return undefined;
    const body = structuredClone(answer.body);
    change(body, request);
    return { ...answer, body };
  });
const carts = (change) =>
  answers((answer, request) => {
    if (!request.path.startsWith('/carts') || answer.status >= 300) return undefined;
    const body = structuredClone(answer.body);
    change(body, request);
    return { ...answer, body };
  });
const errors = (change) =>
  answers((answer) => {
    if (!(answer.status >= 400) || !answer.body?.code) return undefined;
    const changed = structuredClone(answer);
    change(changed);
    return changed;
  });
const discovery = (change) => (m) =>
  wrap(m, 'discovery', (original) => {
    const document = structuredClone(original());
    change(document);
    return document;
  });
/** Sees requests before all rules: change(request) gives the one that is let in. */
const requests = (change) => (m) => wrap(m, 'answer', (original, request) => original(change(request) ?? request));
const bodies = (change) =>
  requests((request) => {
    if (request.raw === '') return undefined;
    try {
      const body = JSON.parse(request.raw);
      return { ...request, raw: JSON.stringify(change(body, request) ?? body) };
    } catch {
      return undefined;
    }
  });
const rule = (name, around) => (m) => wrap(m, name, around);
const never = (name) => (m) => {
  m[name] = () => undefined;
};
const amount = (body, kind) => body.totals.find(({ type }) => type === kind);
const isCancel = ({ path }) => path.endsWith('/cancel');
const isComplete = ({ path }) => path.endsWith('/complete');
const isCreate = ({ method, path }) => method === 'POST' && /^\/(checkouts|checkout_sessions|carts)$/.test(path);
const isUpdate = ({ method, path }) => method !== 'GET' && /^\/(checkouts|checkout_sessions|carts)\/[^/]+$/.test(path);
const without = (body, ...path) => {
  const name = path.pop();
  const holder = path.reduce((node, step) => node?.[step], body);
  if (holder && typeof holder === 'object') delete holder[name];
};

const isFresh = ({ items }) => items === undefined;

export const DEFECTS = [
  // The envelope.
  {
    breaks: ['auth.missing', 'auth.wrong', 'carts.auth', 'mcp.auth'],
    about: 'any caller is the first agent',
    apply: (m) => {
      m.authorize = () => ({ id: 'one' });
    },
  },
  {
    breaks: ['auth.scheme'],
    about: 'a key without its scheme is taken',
    apply: requests((r) =>
      r.headers.authorization?.startsWith('cca_')
        ? { ...r, headers: { ...r.headers, authorization: `Bearer ${r.headers.authorization}` } }
        : undefined,
    ),
  },
  {
    breaks: ['version.missing'],
    about: 'no version is the newest',
    apply: rule('version', (original, headers) => (headers['api-version'] === undefined ? '2026-04-17' : original(headers))),
  },
  {
    breaks: ['version.unsupported', 'mcp.errors'],
    about: 'any version is the newest',
    apply: rule('version', (original, headers) => {
      try {
        return original(headers);
      } catch {
        return '2026-04-17';
      }
    }),
  },
  {
    breaks: ['version.list'],
    about: 'no list of versions',
    apply: errors(({ body }) => {
      delete body.supported_versions;
    }),
  },
  {
    breaks: ['version.alias'],
    in: '2025-09-29',
    about: 'the old name of the first version is not known',
    apply: rule('version', (original, headers) => original(headers['api-version'] === '2025-09-12' ? { 'api-version': '?' } : headers)),
  },
  {
    breaks: ['http.malformed'],
    about: 'half a JSON is an empty object',
    apply: rule('parse', (original, request) => {
      try {
        return original(request);
      } catch {
        return {};
      }
    }),
  },
  {
    breaks: ['http.not_an_object'],
    about: 'a list is an empty body',
    in: '2025-09-29',
    apply: requests((r) => (/^(\[|null|"|1|true)/.test(r.raw) ? { ...r, raw: '{"items":[{"id":"shirt","quantity":1}]}' } : undefined)),
  },
  {
    breaks: ['http.media_type'],
    about: 'anything is JSON',
    apply: requests((r) => ({ ...r, headers: { ...r.headers, 'content-type': 'application/json' } })),
  },
  {
    breaks: ['session.unknown'],
    about: 'a session that there is not answers 400',
    apply: errors((a) => {
      if (a.status === 404) a.status = 400;
    }),
  },
  {
    breaks: ['session.foreign', 'mcp.foreign'],
    about: 'whoever knows the id has the session',
    apply: (m) => {
      m.own = (_agent, id) => {
        const session = m.sessions.get(id);
        if (!session) throw new Refusal(404, 'not_found', 'No.');
        return session;
      };
    },
  },
  {
    breaks: ['http.json'],
    with: ['create.status'],
    about: 'JSON that says it is a page',
    apply: answers((a) => ({ ...a, headers: { ...a.headers, 'content-type': 'text/html' } })),
  },
  {
    breaks: ['http.no_5xx'],
    with: ['items.unknown'],
    about: 'a refusal is a crash',
    apply: errors((a) => {
      a.status = 500;
    }),
  },
  {
    breaks: ['http.request_id'],
    with: ['create.status'],
    about: 'Request-Id is kept',
    apply: answers((a) => {
      delete a.headers['request-id'];
    }),
  },
  {
    breaks: ['http.key_echo'],
    with: ['create.status'],
    about: 'Idempotency-Key is kept',
    apply: answers((a) => {
      delete a.headers['idempotency-key'];
    }),
  },
  {
    breaks: ['errors.shape'],
    with: ['items.unknown'],
    about: 'an error in an envelope',
    apply: errors((a) => {
      a.body = { error: a.body };
    }),
  },
  {
    breaks: ['errors.shape'],
    with: ['items.unknown'],
    about: 'a type that the version does not know',
    apply: errors(({ body }) => {
      body.type = 'request_not_idempotent';
    }),
  },
  {
    breaks: ['errors.param'],
    with: ['items.unknown'],
    about: 'a member without its path',
    apply: errors(({ body }) => {
      if (body.param) body.param = body.param.replace('$.', '');
    }),
  },

  // The walk.
  {
    breaks: ['create.status', 'create.minimal'],
    about: 'made with 200',
    apply: answers((a, r) => (isCreate(r) && a.status === 201 ? { ...a, status: 200 } : undefined)),
  },
  {
    breaks: ['create.status'],
    about: 'one session for all',
    apply: sessions((body) => {
      body.id = 'cs_the_only_one';
    }),
  },
  {
    breaks: ['create.lines'],
    about: 'only the first item',
    apply: rule('items', (original, list, ...rest) => original(list, ...rest).slice(0, 1)),
  },
  {
    breaks: ['create.currency'],
    about: 'another currency',
    apply: sessions((body) => {
      body.currency = 'eur';
    }),
  },
  {
    breaks: ['create.links'],
    about: 'no links',
    apply: sessions((body) => {
      body.links = [];
    }),
  },
  {
    breaks: ['get.same'],
    about: 'read in an older state',
    apply: sessions((body, r) => {
      if (r.method === 'GET') body.totals = body.totals.map((one) => ({ ...one, amount: 0 }));
    }),
  },
  {
    breaks: ['update.status'],
    about: 'another id after each update',
    apply: sessions((body, r) => {
      if (isUpdate(r)) body.id += '_2';
    }),
  },
  {
    breaks: ['update.items'],
    about: 'items are added',
    apply: rule('take', (original, session, body, version) => {
      const next = original(session, body, version);
      return session.items && next.items !== session.items ? { ...next, items: [...session.items, ...next.items] } : next;
    }),
  },
  {
    breaks: ['update.quantity', 'idempotency.conflict'],
    about: 'items are not changed',
    apply: bodies((body, r) => (isUpdate(r) ? (({ items, line_items, ...rest }) => rest)(body) : undefined)),
  },
  {
    breaks: ['update.keeps'],
    about: 'an update begins anew',
    apply: rule('take', (original, session, body, version) =>
      original(isFresh(session) ? session : { ...session, buyer: undefined, address: undefined }, body, version),
    ),
  },
  {
    breaks: ['update.null'],
    about: 'null is refused',
    apply: rule('take', (original, session, body, version) => {
      if (body.buyer === null) throw new Refusal(400, 'invalid', 'No.', { param: '$.buyer' });
      return original(session, body, version);
    }),
  },
  {
    breaks: ['buyer.echo'],
    about: 'the buyer is forgotten',
    apply: sessions((body) => {
      delete body.buyer;
    }),
  },
  { breaks: ['buyer.email'], about: 'any e-mail address', apply: never('email') },
  {
    breaks: ['buyer.names'],
    in: '2025-09-29',
    about: 'nobody needs a name',
    apply: (m) => {
      m.readBuyer = (buyer) => {
        m.email(buyer.email);
        return buyer;
      };
    },
  },
  {
    breaks: ['buyer.email_alone'],
    about: 'everybody needs a name',
    apply: rule('readBuyer', (original, buyer) => original(buyer, '2025-09-29')),
  },
  {
    breaks: ['complete.order', 'mcp.purchase'],
    about: 'no order',
    apply: (m) => {
      const hide = (body) => {
        delete body.order;
        return body;
      };
      wrap(m, 'print', (original, ...args) => hide(original(...args)));
    },
  },
  {
    breaks: ['complete.read_back'],
    about: 'the order is not shown again',
    apply: sessions((body, r) => {
      if (r.method === 'GET') delete body.order;
    }),
  },
  {
    breaks: ['complete.amounts'],
    about: 'charged more than shown',
    apply: sessions((body, r) => {
      if (isComplete(r)) for (const one of body.totals) one.amount += 1;
    }),
  },
  {
    breaks: ['complete.buyer'],
    about: "the payment's buyer is passed over",
    apply: bodies((body, r) => (isComplete(r) ? (({ buyer, ...rest }) => rest)(body) : undefined)),
  },
  {
    breaks: ['complete.permalink'],
    about: 'the page shows the buyer',
    apply: (m) => {
      m.orderPage = () => '<!doctype html><p>ada.byron@example.com';
    },
  },
  {
    breaks: ['cancel.status'],
    about: 'canceled in word only',
    apply: (m) => {
      wrap(m, 'cancel', async (original, call) => {
        const answer = await original(call);
        m.sessions.get(call.id).state = 'open';
        return answer;
      });
    },
  },

  // What is bought.
  {
    breaks: ['quantity.zero', 'quantity.negative', 'carts.malformed'],
    about: 'below one',
    apply: rule('quantity', (original, value, ...rest) => (Number.isInteger(value) && value < 1 ? 1 : original(value, ...rest))),
  },
  {
    breaks: ['quantity.fraction'],
    about: 'fractions are cut',
    apply: rule('quantity', (original, value, ...rest) => original(typeof value === 'number' ? Math.floor(value) : value, ...rest)),
  },
  {
    breaks: ['quantity.text'],
    about: 'a text is a number',
    apply: rule('quantity', (original, value, ...rest) => original(typeof value === 'string' ? Number(value) : value, ...rest)),
  },
  {
    breaks: ['quantity.other'],
    about: 'nothing is one',
    apply: rule('quantity', (original, value, ...rest) => original(value === null || value === true ? 1 : value, ...rest)),
  },
  {
    breaks: ['quantity.missing'],
    in: '2025-09-29',
    about: 'one where none is said',
    apply: rule('quantity', (original, value, ...rest) => original(value === undefined ? 1 : value, ...rest)),
  },
  {
    breaks: ['quantity.default'],
    about: 'a quantity is required',
    apply: rule('quantity', (original, value, version, param) => original(value === undefined ? 0 : value, version, param)),
  },
  {
    breaks: ['quantity.whole'],
    about: '1.0 is a fraction',
    apply: requests((r) => (r.raw.includes('1.0') ? { ...r, raw: r.raw.replace('1.0', '1.5') } : undefined)),
  },
  {
    breaks: ['items.empty'],
    about: 'nothing is one shirt',
    apply: rule('items', (original, list, ...rest) =>
      original(Array.isArray(list) && list.length === 0 ? [{ id: 'shirt', quantity: 1 }] : list, ...rest),
    ),
  },
  {
    breaks: ['items.malformed'],
    about: 'an item without a name is a shirt',
    apply: rule('items', (original, list, ...rest) =>
      original(
        list.map((one) => (one && one.id === undefined && !one.item && typeof one === 'object' ? { ...one, id: 'shirt' } : one)),
        ...rest,
      ),
    ),
  },
  {
    breaks: ['items.unknown', 'items.unknown_later'],
    about: 'what there is not is a shirt',
    apply: rule('items', (original, list, ...rest) =>
      original(
        list.map((one) => (one?.id === 'no-such-item' ? { ...one, id: 'shirt' } : one)),
        ...rest,
      ),
    ),
  },
  {
    breaks: ['items.twice'],
    about: 'a product counts once',
    apply: rule('items', (original, list, ...rest) => {
      const items = original(list, ...rest);
      return items.filter(({ product }, i) => items.findIndex((one) => one.product === product) === i);
    }),
  },
  {
    breaks: ['items.nested'],
    about: 'only the flat form',
    apply: rule('items', (original, list, ...rest) =>
      original(
        list.map((one) => (one?.item ? { quantity: one.quantity } : one)),
        ...rest,
      ),
    ),
  },
  {
    breaks: ['items.price'],
    about: 'the agent names the price',
    apply: (m) => {
      m.price = (asked, id) => asked.unit_amount ?? m.catalogue.get(id).price;
    },
  },
  { breaks: ['currency.required', 'currency.other'], about: 'any currency', apply: never('readCurrency') },
  {
    breaks: ['currency.case'],
    about: 'lower case only',
    apply: rule('readCurrency', (original, currency) => {
      if (currency === 'USD') throw new Refusal(400, 'invalid', 'No.');
      original(currency);
    }),
  },
  { breaks: ['notes.length'], about: 'notes of any length', apply: never('notes') },
  {
    breaks: ['stock.none'],
    about: 'sold out is not said',
    apply: (m) => {
      m.short = () => [];
    },
  },
  {
    breaks: ['stock.none'],
    about: 'sold out is said once',
    apply: sessions((body, r) => {
      if (r.method === 'GET') body.messages = [];
    }),
  },
  {
    breaks: ['stock.param'],
    about: 'no line is named',
    apply: sessions((body) => {
      for (const one of body.messages) delete one.param;
    }),
  },
  {
    breaks: ['stock.unpayable'],
    about: 'what is sold out is sold',
    apply: (m) => {
      m.payable = () => {};
    },
  },
  {
    breaks: ['stock.too_many', 'carts.stock', 'versions.stock'],
    about: 'stock is not looked at',
    apply: (m) => {
      m.short = () => [];
    },
  },
  { breaks: ['stock.last_piece', 'stock.last_race'], about: 'stock is not taken', apply: never('reserve') },

  // Statuses and commands.
  {
    breaks: [
      'state.not_ready_for_payment.get',
      'fulfillment.none',
      'state.not_ready_for_payment.update',
      'state.not_ready_for_payment.cancel',
    ],
    about: 'ready without an address',
    apply: rule('status', (original, session) =>
      session.state === 'open' && !session.challenge ? 'ready_for_payment' : original(session),
    ),
  },
  {
    breaks: ['state.not_ready_for_payment.update', 'state.ready_for_payment.update', 'state.authentication_required.update'],
    about: 'the buyer cannot be changed',
    apply: bodies((body, r) => (isUpdate(r) ? (({ buyer, ...rest }) => rest)(body) : undefined)),
  },
  {
    breaks: ['state.not_ready_for_payment.cancel', 'state.ready_for_payment.cancel', 'state.authentication_required.cancel'],
    about: 'nothing can be canceled',
    apply: rule('cancelable', () => {
      throw new Refusal(405, 'not_cancelable', 'No.');
    }),
  },
  {
    breaks: ['state.not_ready_for_payment.complete'],
    about: 'paid without an address',
    apply: (m) => {
      m.payable = () => {};
    },
  },
  {
    breaks: ['state.ready_for_payment.get', 'state.ready_for_payment.complete', 'state.becomes_ready'],
    about: 'never ready',
    apply: rule('status', (original, session) => (original(session) === 'ready_for_payment' ? 'not_ready_for_payment' : original(session))),
  },
  {
    breaks: ['state.ready_for_payment.complete'],
    about: 'paid, and left as it is',
    apply: sessions((body, r) => {
      if (isComplete(r)) body.status = 'ready_for_payment';
    }),
  },
  {
    breaks: ['state.authentication_required.get', 'payment.3ds', 'payment.3ds_metadata', 'versions.authentication'],
    about: "the bank's wish is forgotten",
    apply: rule('status', (original, session) =>
      original(session) === 'authentication_required' ? 'ready_for_payment' : original(session),
    ),
  },
  {
    breaks: ['state.authentication_required.complete'],
    about: 'paid without the bank',
    apply: (m) => {
      wrap(m, 'charge', (original, session, token, sum, outcome) =>
        original(session, token, sum, session.challenge ? 'authenticated' : outcome),
      );
      m.needs3ds = () => new Refusal(400, 'requires_3ds', 'Please.', { param: '$.payment_data' });
    },
  },
  {
    breaks: ['state.completed.get'],
    about: 'completed reads as ready',
    apply: sessions((body, r) => {
      if (r.method === 'GET' && body.status === 'completed') body.status = 'ready_for_payment';
    }),
  },
  {
    breaks: ['state.completed.update', 'state.canceled.update', 'state.expired.update'],
    about: 'what is over can be changed',
    apply: never('changeable'),
  },
  {
    breaks: ['state.completed.cancel', 'state.canceled.cancel', 'state.expired.cancel', 'cancel.twice'],
    about: 'what is over can be canceled',
    apply: never('cancelable'),
  },
  {
    breaks: ['state.completed.complete', 'state.canceled.complete', 'state.expired.complete'],
    about: 'what is over can be paid for',
    apply: never('payable'),
  },
  {
    breaks: ['state.canceled.get'],
    about: 'canceled reads as ready',
    apply: sessions((body, r) => {
      if (r.method === 'GET' && body.status === 'canceled') body.status = 'ready_for_payment';
    }),
  },
  {
    breaks: ['state.expired.get'],
    about: 'expired reads as ready',
    apply: rule('status', (original, session) => (session.state === 'expired' ? 'ready_for_payment' : original(session))),
  },
  {
    breaks: ['state.says_why'],
    about: 'not ready, without a word',
    apply: sessions((body) => {
      body.messages = [];
    }),
  },

  // Keys.
  {
    breaks: ['idempotency.required', 'carts.idempotency'],
    about: 'no key is needed',
    apply: (m) => {
      m.keyRequired = () => false;
    },
  },
  {
    breaks: ['idempotency.optional'],
    in: '2026-01-30',
    about: 'a key is needed in every version',
    apply: (m) => {
      m.keyRequired = () => true;
    },
  },
  {
    breaks: ['idempotency.get'],
    about: 'reading is kept under a key',
    apply: (m) => {
      const kept = new Map();
      wrap(m, 'answer', async (original, r) => {
        const key = r.method === 'GET' && r.headers['idempotency-key'];
        if (!key) return original(r);
        if (!kept.has(key)) kept.set(key, await original(r));
        return kept.get(key);
      });
    },
  },
  {
    breaks: ['idempotency.length'],
    about: 'keys of any length',
    apply: (m) => {
      m.keyTooLong = () => false;
    },
  },
  {
    breaks: ['idempotency.create', 'idempotency.update', 'idempotency.complete', 'idempotency.cancel', 'idempotency.headers'],
    about: 'every call is new',
    apply: (m) => {
      let n = 0;
      m.scope = () => `${(n += 1)}`;
    },
  },
  {
    breaks: ['idempotency.create', 'idempotency.headers'],
    about: 'a replay says 200',
    apply: (m) => {
      m.replay = (answer) => ({ ...answer, status: 200 });
    },
  },
  {
    breaks: ['idempotency.declined'],
    about: 'a decline is not kept',
    apply: (m) => {
      let n = 0;
      m.keptAnswer = ({ status }) => status < 300;
      wrap(m, 'charge', (original, ...args) =>
        original(...args).catch((error) => {
          error.message += ` ${(n += 1)}`;
          throw error;
        }),
      );
    },
  },
  {
    breaks: ['idempotency.marked'],
    about: 'a replay is not marked',
    apply: (m) => {
      m.replay = (answer) => answer;
    },
  },
  {
    breaks: [
      'idempotency.conflict',
      'idempotency.conflict_type',
      'idempotency.conflict_payment',
      'idempotency.null',
      'idempotency.lists',
      'mcp.idempotency',
      'carts.idempotency',
    ],
    about: 'the body is not compared',
    apply: (m) => {
      m.fingerprint = () => '';
    },
  },
  {
    breaks: ['idempotency.conflict'],
    about: 'a conflict of the newest version is 409',
    apply: errors((a) => {
      if (a.body.code === 'idempotency_conflict') a.status = 409;
    }),
  },
  {
    breaks: ['idempotency.conflict'],
    in: '2026-01-30',
    about: 'a conflict of an older version is 422',
    apply: errors((a) => {
      if (a.body.code === 'idempotency_conflict') a.status = 422;
    }),
  },
  {
    breaks: ['idempotency.conflict_type'],
    in: '2025-12-12',
    about: 'the old type is not said',
    apply: errors(({ body }) => {
      body.type = 'invalid_request';
    }),
  },
  {
    breaks: ['idempotency.order'],
    about: 'bytes are compared',
    apply: (m) => {
      m.fingerprint = (body) => JSON.stringify(body);
    },
  },
  {
    breaks: ['idempotency.null'],
    about: 'null is absent',
    apply: rule('fingerprint', (original, body) => original(JSON.parse(JSON.stringify(body ?? {}, (_name, value) => value ?? undefined)))),
  },
  {
    breaks: ['idempotency.lists'],
    about: 'lists are sorted',
    apply: rule('fingerprint', (original, body) =>
      original(
        JSON.parse(
          JSON.stringify(body ?? {}, (_name, value) => (Array.isArray(value) ? value.map((one) => JSON.stringify(one)).sort() : value)),
        ),
      ),
    ),
  },
  {
    breaks: ['idempotency.headers'],
    about: "the caller's name is compared",
    apply: (m) => {
      let agent;
      wrap(m, 'answer', (original, r) => {
        agent = r.headers['user-agent'];
        return original(r);
      });
      wrap(m, 'fingerprint', (original, body) => `${agent} ${original(body)}`);
    },
  },
  {
    breaks: ['idempotency.path'],
    about: 'a key is good for one address only',
    apply: (m) => {
      m.scope = (agent, _method, _path, key) => `${agent.id} ${key}`;
    },
  },
  {
    breaks: ['idempotency.identity'],
    about: 'keys are shared by all',
    apply: (m) => {
      m.scope = (_agent, method, path, key) => `${method} ${path} ${key}`;
    },
  },
  {
    breaks: ['idempotency.race_create', 'idempotency.race_complete'],
    about: 'what runs is not seen',
    apply: (m) => {
      m.running = { has: () => false, add() {}, delete() {} };
      m.payable = () => {};
    },
  },
  {
    breaks: ['idempotency.race_create'],
    about: 'who is too early is not told when to come again',
    apply: errors((a) => {
      delete a.headers['retry-after'];
    }),
  },
  { breaks: ['idempotency.race_keys'], about: 'two payments at once', apply: never('payable') },

  // Arithmetic.
  {
    breaks: ['totals.total'],
    with: ['create.status'],
    about: 'no total',
    apply: sessions((body) => {
      body.totals = body.totals.filter(({ type }) => type !== 'total');
    }),
  },
  {
    breaks: ['totals.sum'],
    with: ['create.status'],
    about: 'a total that is one off',
    apply: sessions((body) => {
      amount(body, 'total').amount += 1;
    }),
  },
  {
    breaks: ['totals.subtotal'],
    with: ['create.status'],
    about: 'a subtotal before discounts',
    apply: sessions((body) => {
      amount(body, 'items_discount').amount += 5;
    }),
  },
  {
    breaks: ['totals.kinds'],
    with: ['create.status'],
    about: 'what is 0 is left out',
    apply: sessions((body) => {
      body.totals = body.totals.filter(({ amount: sum }) => sum !== 0);
    }),
  },
  {
    breaks: ['totals.once'],
    with: ['create.status'],
    about: 'tax in two entries',
    apply: sessions((body) => {
      body.totals.push({ type: 'tax', display_text: 'Tax', amount: 0 });
    }),
  },
  {
    breaks: ['totals.whole'],
    with: ['create.status'],
    about: 'a negative discount',
    apply: sessions((body) => {
      amount(body, 'discount').amount = -1;
    }),
  },
  {
    breaks: ['totals.whole'],
    with: ['create.status'],
    about: 'amounts in dollars',
    apply: sessions((body) => {
      amount(body, 'tax').amount = 1.75;
    }),
  },
  {
    breaks: ['totals.text'],
    with: ['create.status'],
    about: 'a total without a text',
    apply: sessions((body) => {
      delete body.totals[0].display_text;
    }),
  },
  {
    breaks: ['lines.present'],
    with: ['create.status'],
    about: 'no lines',
    apply: sessions((body) => {
      body.line_items = [];
    }),
  },
  {
    breaks: ['lines.sum'],
    with: ['create.status'],
    in: '2025-12-12',
    about: 'a line that is one off',
    apply: sessions((body) => {
      body.line_items[0].subtotal += 1;
    }),
  },
  {
    breaks: ['lines.total'],
    with: ['create.status'],
    in: '2025-12-12',
    about: "a line's total without its tax",
    apply: sessions((body) => {
      body.line_items[0].total -= 1;
    }),
  },
  {
    breaks: ['lines.add_up'],
    with: ['create.status'],
    about: 'lines that do not make the totals',
    apply: sessions((body) => {
      amount(body, 'items_base_amount').amount += 1;
    }),
  },
  {
    breaks: ['messages.content'],
    with: ['stock.none'],
    about: 'a script in a message',
    apply: sessions((body) => {
      for (const one of body.messages) Object.assign(one, { content_type: 'markdown', content: 'Sold <script>out</script>' });
    }),
  },
  {
    breaks: ['totals.quantity', 'totals.items'],
    about: 'a flat price',
    apply: sessions((body) => {
      amount(body, 'subtotal').amount = 100;
    }),
  },
  {
    breaks: ['totals.tax'],
    about: 'no tax',
    apply: (m) => {
      m.taxBps = () => 0;
    },
  },

  // Shipping.
  {
    breaks: ['fulfillment.options', 'state.becomes_ready'],
    about: 'no options',
    apply: (m) => {
      m.options = () => [];
    },
  },
  {
    breaks: ['fulfillment.echo', 'fulfillment.moved'],
    about: 'the address is cut short',
    apply: sessions((body) => {
      if (body.fulfillment_details?.address) body.fulfillment_details.address.line_one = '…';
    }),
  },
  {
    breaks: ['fulfillment.contact'],
    about: 'who receives it is forgotten',
    apply: sessions((body) => {
      delete body.fulfillment_details?.phone_number;
    }),
  },
  {
    breaks: ['fulfillment.cheapest'],
    about: 'the dearest is chosen',
    apply: (m) => {
      m.preselect = (options) => options.at(-1);
    },
  },
  {
    breaks: ['fulfillment.cheapest'],
    about: 'none is chosen',
    apply: (m) => {
      m.preselect = () => undefined;
    },
  },
  {
    breaks: ['fulfillment.choose', 'versions.update'],
    about: 'the choice is not heard',
    apply: (m) => {
      m.chosenOption = () => undefined;
    },
  },
  {
    breaks: ['fulfillment.unknown'],
    about: 'an option that was not offered is the cheapest',
    apply: (m) => {
      m.offered = (_session, id) => id;
    },
  },
  {
    breaks: ['fulfillment.item_ids'],
    about: 'only lines',
    apply: (m) => {
      wrap(m, 'chosenOption', (original, body, version, session) =>
        original(body, version, { items: session.items.map((item) => ({ ...item, product: item.line })) }),
      );
    },
  },
  {
    breaks: ['fulfillment.item_ids_unknown'],
    about: 'any item',
    apply: (m) => {
      wrap(m, 'chosenOption', (original, body, version, session) => {
        try {
          return original(body, version, session);
        } catch {
          return 'express';
        }
      });
    },
  },
  {
    breaks: ['fulfillment.elsewhere'],
    about: 'shipped to the pole',
    apply: (m) => {
      m.ships = () => true;
    },
  },
  {
    breaks: ['fulfillment.malformed'],
    about: 'half an address',
    apply: (m) => {
      m.readAddress = (address) => address;
    },
  },
  { breaks: ['fulfillment.country'], about: 'any country', apply: never('country') },
  {
    breaks: ['fulfillment.digital'],
    about: 'a download has to be shipped',
    apply: (m) => {
      m.shipped = () => true;
    },
  },
  {
    breaks: ['fulfillment.mixed'],
    about: 'one download and nothing is shipped',
    apply: (m) => {
      m.shipped = ({ items }) => items.every(({ product }) => m.catalogue.get(product).shipped);
    },
  },
  {
    breaks: ['fulfillment.selected'],
    with: ['create.status'],
    about: 'selected and not offered',
    apply: sessions((body) => {
      for (const one of body.selected_fulfillment_options) one.option_id = 'other';
    }),
  },
  {
    breaks: ['fulfillment.selected'],
    with: ['create.status'],
    about: 'not charged what it costs',
    apply: sessions((body) => {
      const one = amount(body, 'fulfillment');
      if (one.amount) {
        one.amount -= 1;
        amount(body, 'total').amount -= 1;
      }
    }),
  },

  // Paying.
  {
    breaks: ['payment.advert'],
    in: '2026-01-16',
    about: 'for whom a token is is not said',
    apply: sessions((body) => {
      delete body.payment_provider;
    }),
  },
  {
    breaks: ['payment.missing', 'payment.token'],
    about: 'any payment data',
    apply: rule('readPayment', (original, body, version) => {
      try {
        return original(body, version);
      } catch {
        return 'spt_nobody';
      }
    }),
  },
  {
    breaks: ['payment.missing_param'],
    about: 'what is missing is not named',
    apply: errors(({ body }) => {
      delete body.param;
    }),
  },
  {
    breaks: ['payment.provider'],
    in: '2025-12-12',
    about: 'any provider',
    apply: bodies((body, r) => {
      if (isComplete(r) && body.payment_data) body.payment_data.provider = 'stripe';
    }),
  },
  {
    breaks: ['payment.handler'],
    about: 'any handler',
    apply: bodies((body, r) => {
      if (isComplete(r) && body.payment_data) body.payment_data.handler_id = 'card';
    }),
  },
  {
    breaks: ['payment.billing'],
    about: 'any billing address',
    apply: (m) => {
      m.readAddress = (address) => address;
    },
  },
  {
    breaks: ['payment.declined', 'payment.expired_token', 'payment.over_limit'],
    about: 'every card pays',
    apply: (m) => {
      wrap(m, 'charge', async (original, session, token, sum, outcome) => {
        const granted = m.tokens.get(token);
        if (granted) Object.assign(granted, { kind: 'success', max: Infinity });
        return original(session, token, sum, outcome);
      });
    },
  },
  {
    breaks: ['payment.declined'],
    about: 'declined once, closed for good',
    apply: (m) => {
      wrap(m, 'charge', (original, session, ...rest) =>
        original(session, ...rest).catch((error) => {
          session.state = 'canceled';
          throw error;
        }),
      );
    },
  },
  {
    breaks: ['payment.unknown_token'],
    about: 'a token that nobody granted pays',
    apply: (m) => {
      wrap(m, 'charge', (original, session, token, ...rest) => {
        if (!m.tokens.has(token)) m.tokens.set(token, { kind: 'success', max: Infinity });
        return original(session, token, ...rest);
      });
    },
  },
  {
    breaks: ['payment.used_token'],
    about: 'a token pays for ever',
    apply: (m) => {
      wrap(m, 'charge', async (original, session, token, ...rest) => {
        await original(session, token, ...rest);
        m.tokens.get(token).used = false;
      });
    },
  },
  {
    breaks: ['payment.3ds_metadata'],
    about: 'no word on how to authenticate',
    apply: sessions((body) => {
      delete body.authentication_metadata;
    }),
  },
  {
    breaks: ['payment.3ds_refused'],
    about: 'what the bank refused is paid',
    apply: rule('readAuthentication', (original, result, version) =>
      original(result, version) === undefined ? undefined : 'authenticated',
    ),
  },
  {
    breaks: ['payment.3ds_malformed'],
    about: 'any result is one',
    apply: (m) => {
      m.readAuthentication = (result) => (result === undefined ? undefined : 'authenticated');
    },
  },
  {
    breaks: ['order.rich'],
    about: 'an order without its lines',
    apply: sessions((body) => {
      without(body, 'order', 'line_items');
    }),
  },

  // Giving up.
  {
    breaks: ['cancel.body'],
    about: 'a cancel needs a body',
    apply: rule('cancel', (original, call) => {
      if (call.body === undefined) throw new Refusal(400, 'invalid', 'No.');
      return original(call);
    }),
  },
  {
    breaks: ['cancel.lines'],
    about: 'what is canceled is empty',
    apply: sessions((body, r) => {
      if (isCancel(r)) body.line_items = [];
    }),
  },
  {
    breaks: ['intent.accepted'],
    about: 'a reason is not heard',
    apply: rule('cancel', (original, call) => {
      if (call.body?.intent_trace) throw new Refusal(400, 'invalid', 'No.');
      return original(call);
    }),
  },
  {
    breaks: ['intent.unknown'],
    about: 'only known reasons',
    apply: rule('readTrace', (original, trace) => {
      if (trace.reason_code === 'found_it_in_a_drawer') throw new Refusal(400, 'invalid', 'No.');
      original(trace);
    }),
  },
  { breaks: ['intent.nested', 'attribution.metadata'], about: 'metadata of any depth', apply: never('flat') },
  { breaks: ['intent.malformed'], about: 'a trace without a reason', apply: never('readTrace') },
  {
    breaks: ['intent.write_only'],
    about: 'a trace comes back',
    apply: (m) => {
      const traces = new Map();
      wrap(m, 'cancel', (original, call) => {
        traces.set(call.id, call.body?.intent_trace);
        return original(call);
      });
      wrap(m, 'print', (original, version, session, more) => ({
        ...original(version, session, more),
        ...(traces.get(session.id) && { metadata: { intent_trace: traces.get(session.id) } }),
      }));
    },
  },

  // Who brought the buyer.
  {
    breaks: ['attribution.accepted', 'attribution.conflict'],
    about: 'attribution is refused at completion',
    apply: rule('complete', (original, call) => {
      if (call.body?.affiliate_attribution) throw new Refusal(409, 'conflict', 'No.');
      return original(call);
    }),
  },
  {
    breaks: ['attribution.write_only'],
    about: 'attribution comes back',
    apply: (m) => {
      let last;
      wrap(m, 'readAttribution', (original, claim) => {
        last = claim;
        return original(claim);
      });
      wrap(m, 'print', (original, ...args) => ({ ...original(...args), metadata: { affiliate_attribution: last } }));
    },
  },
  { breaks: ['attribution.provider'], about: 'any claim', apply: never('readAttribution') },
  {
    breaks: ['attribution.pii'],
    about: 'persons are named',
    apply: (m) => {
      m.personal = () => false;
    },
  },
  {
    breaks: ['attribution.lenient'],
    about: 'nothing new under the sun',
    apply: rule('readAttribution', (original, claim) => {
      if (claim.shelf) throw new Refusal(400, 'invalid', 'No.');
      original(claim);
    }),
  },

  // What both can do.
  {
    breaks: ['capabilities.malformed'],
    about: 'anything is nothing',
    apply: (m) => {
      m.readCapabilities = (c) => ({ supported: c?.interventions?.supported ?? [], extensions: [] });
    },
  },
  {
    breaks: ['capabilities.present'],
    with: ['create.status'],
    about: 'no capabilities',
    apply: sessions((body) => {
      delete body.capabilities;
    }),
  },
  {
    breaks: ['capabilities.handlers', 'capabilities.merchant'],
    about: 'no handlers',
    apply: sessions((body) => {
      body.capabilities.payment.handlers = [];
    }),
  },
  {
    breaks: ['capabilities.merchant'],
    about: "another shop's account",
    apply: sessions((body) => {
      for (const one of body.capabilities.payment.handlers) one.config.merchant_id = 'acct_other';
    }),
  },
  {
    breaks: ['capabilities.intersection'],
    about: 'what the shop can do, whoever asks',
    apply: sessions((body) => {
      body.capabilities.interventions.supported = ['3ds', 'address_verification'];
    }),
  },
  {
    breaks: ['capabilities.unknown'],
    about: 'what the agent says comes back',
    apply: (m) => {
      wrap(m, 'print', (original, version, session, more) => {
        const body = original(version, session, more);
        body.capabilities.interventions.supported = session.supported;
        return body;
      });
    },
  },
  {
    breaks: ['capabilities.write_only'],
    about: "the agent's own limits come back",
    apply: sessions((body) => {
      body.capabilities.interventions.max_redirects = 2;
    }),
  },
  {
    breaks: ['capabilities.protocol'],
    with: ['create.status'],
    about: "another version's name",
    apply: sessions((body) => {
      body.protocol = { version: '2025-09-29' };
    }),
  },
  {
    breaks: ['capabilities.extension'],
    about: 'the extension is not declared',
    apply: sessions((body) => {
      body.capabilities.extensions = [];
    }),
  },
  {
    breaks: ['capabilities.quiet'],
    about: 'the extension is declared to everybody',
    apply: sessions((body) => {
      body.capabilities.extensions = [{ name: 'discount' }];
    }),
  },

  // Codes.
  {
    breaks: ['discounts.applied', 'discounts.alias', 'discounts.same_twice', 'discounts.stacked', 'discounts.unknown', 'discounts.warned'],
    about: 'codes are not read',
    apply: (m) => {
      m.readCodes = () => undefined;
    },
  },
  {
    breaks: ['discounts.applied'],
    about: 'shown and not taken off',
    apply: (m) => {
      wrap(m, 'reckon', (original, session) => ({ ...original({ ...session, codes: [] }), discounts: original(session).discounts }));
    },
  },
  {
    breaks: ['discounts.paid'],
    about: 'charged in full',
    apply: (m) => {
      wrap(m, 'charge', (original, session, token, sum, outcome) => {
        m.tokens.get(token).max = Infinity;
        return original(session, token, sum + 100, outcome);
      });
    },
  },
  {
    breaks: ['discounts.case'],
    about: 'upper case only',
    apply: rule('coupon', (original, code) => (code === code.toUpperCase() ? original(code) : undefined)),
  },
  {
    breaks: ['discounts.update'],
    about: 'codes are added',
    apply: (m) => {
      m.nextCodes = (before, given) => [...(before ?? []), ...(given ?? [])];
    },
  },
  {
    breaks: ['discounts.update'],
    about: 'codes are forgotten',
    apply: (m) => {
      m.nextCodes = (_before, given) => given;
    },
  },
  {
    breaks: ['discounts.stacked'],
    about: 'the second is lost',
    apply: (m) => {
      wrap(m, 'redeem', (original, session, base) => original({ ...session, codes: (session.codes ?? []).slice(0, 1) }, base));
    },
  },
  {
    breaks: ['discounts.same_twice'],
    about: 'one code counts twice',
    apply: (m) => {
      m.unusable = (coupon) => (coupon ? undefined : 'discount_code_invalid');
    },
  },
  {
    breaks: ['discounts.expired', 'discounts.minimum'],
    about: 'a code counts for ever',
    apply: (m) => {
      m.unusable = (coupon) => (coupon ? undefined : 'discount_code_invalid');
    },
  },
  {
    breaks: ['discounts.unknown'],
    about: 'a wrong code and no session',
    apply: rule('unusable', (original, ...args) => {
      const reason = original(...args);
      if (reason) throw new Refusal(400, 'coupon_invalid', 'No.');
      return reason;
    }),
  },
  {
    breaks: ['discounts.warned'],
    about: 'rejected without a word',
    apply: sessions((body) => {
      body.messages = body.messages.filter(({ type }) => type !== 'warning');
    }),
  },
  {
    breaks: ['discounts.alias'],
    about: 'the old name wins',
    apply: (m) => {
      m.readCodes = (body) => body.coupons ?? body.discounts?.codes;
    },
  },
  {
    breaks: ['discounts.malformed'],
    about: 'any list of codes',
    apply: (m) => {
      m.readCodes = (body) =>
        Array.isArray(body.discounts?.codes) ? body.discounts.codes.filter((one) => typeof one === 'string') : undefined;
    },
  },
  {
    breaks: ['discounts.sum'],
    with: ['discounts.applied'],
    about: 'allocations that lose a cent',
    apply: sessions((body) => {
      const one = body.discounts?.applied?.[0]?.allocations?.[0];
      if (one) one.amount -= 1;
    }),
  },
  {
    breaks: ['discounts.sum'],
    with: ['discounts.applied'],
    about: 'applied and totals differ',
    apply: sessions((body) => {
      const one = body.discounts?.applied?.[0];
      if (one) Object.assign(one, { amount: one.amount + 1, allocations: [] });
    }),
  },

  // May the shop write?
  {
    breaks: ['consents.accepted', 'consents.unoffered'],
    about: 'consents are refused',
    apply: rule('readConsents', () => {
      throw new Refusal(400, 'invalid', 'No.');
    }),
  },
  { breaks: ['consents.malformed'], about: 'anything is a yes', apply: never('readConsents') },
  {
    breaks: ['consents.offered'],
    about: 'asked without a policy',
    apply: sessions((body) => {
      for (const one of body.marketing_consent_options) delete one.privacy_policy_url;
    }),
  },

  // Side by side.
  {
    breaks: ['versions.read', 'versions.complete', 'versions.cancel'],
    about: 'a session is known only in its own version',
    apply: rule('get', (original, call) => {
      if (call.version !== '2026-04-17') throw new Refusal(404, 'not_found', 'No.');
      return original(call);
    }),
  },
  {
    breaks: ['versions.read'],
    about: 'older versions have older prices',
    apply: sessions((body, r) => {
      if (r.headers['api-version'] !== '2026-04-17') amount(body, 'total').amount += 1;
    }),
  },
  {
    breaks: ['versions.cancel'],
    about: 'older versions do not see that it is over',
    apply: sessions((body, r) => {
      if (r.headers['api-version'] !== '2026-04-17' && body.status === 'canceled') body.status = 'ready_for_payment';
    }),
  },
  {
    breaks: ['versions.authentication'],
    about: 'a status from the future',
    apply: sessions((body, r) => {
      if (r.headers['api-version'] === '2025-09-29' && body.status === 'in_progress') body.status = 'authentication_required';
    }),
  },

  // Carts.
  {
    breaks: ['carts.create'],
    about: 'made with 200',
    apply: answers((a, r) => (r.path === '/carts' && a.status === 201 ? { ...a, status: 200 } : undefined)),
  },
  {
    breaks: ['carts.no_checkout'],
    about: 'a cart with a status',
    apply: carts((body) => {
      body.status = 'incomplete';
    }),
  },
  {
    breaks: ['carts.get', 'carts.cancel'],
    about: 'a cart forgets its lines',
    apply: carts((body, r) => {
      if (r.method === 'GET' || isCancel(r)) body.line_items = [];
    }),
  },
  {
    breaks: ['carts.replace'],
    about: 'PUT adds',
    apply: (m) => {
      wrap(m, 'fill', (original, cart, body) => {
        const next = original(cart, body);
        return { ...next, items: [...(cart.items ?? []), ...next.items] };
      });
    },
  },
  {
    breaks: ['carts.cancel'],
    about: 'a canceled cart stays',
    apply: (m) => {
      m.carts.delete = () => true;
    },
  },
  {
    breaks: ['carts.unknown', 'carts.foreign'],
    about: 'any cart is the last one',
    apply: (m) => {
      m.carts.get = () =>
        [...m.carts.values()].map((cart) => ({ ...cart, agent: 'one' })).at(-1) ?? {
          items: m.items([{ id: 'shirt', quantity: 1 }], '2026-04-17', 'line_items'),
          agent: 'one',
          created: Date.now(),
          id: 'cart_x',
        };
      wrap(m, 'cart', (original, call) => original({ ...call, agent: { id: 'one' } }));
    },
  },
  {
    breaks: ['carts.same_price'],
    about: 'a cart is cheaper',
    apply: carts((body) => {
      amount(body, 'subtotal').amount -= 1;
    }),
  },
  {
    breaks: ['carts.expiry'],
    about: 'for how long is not said',
    apply: carts((body) => {
      delete body.expires_at;
    }),
  },

  // Before anyone has a key.
  {
    breaks: ['discovery.open'],
    about: 'a key is needed',
    apply: rule('route', async (original, r) => {
      if (r.path.startsWith('/.well-known') && !r.headers.authorization) throw new Refusal(401, 'unauthorized', 'No.');
      return original(r);
    }),
  },
  {
    breaks: ['discovery.cache'],
    about: 'not to be kept',
    apply: (m) => {
      wrap(m, 'discoveryAnswer', (original) => ({ ...original(), headers: { 'cache-control': 'no-store' } }));
    },
  },
  {
    breaks: ['discovery.versions'],
    about: 'newest first',
    apply: discovery((d) => {
      d.protocol.supported_versions.reverse();
    }),
  },
  {
    breaks: ['discovery.versions'],
    about: 'a version that is not spoken',
    apply: discovery((d) => {
      d.protocol.supported_versions.unshift('2024-01-01');
    }),
  },
  {
    breaks: ['discovery.address'],
    about: 'an address that leads nowhere',
    apply: discovery((d) => {
      d.api_base_url += '/v2';
    }),
  },
  {
    breaks: ['discovery.services'],
    about: 'carts are not told of',
    apply: discovery((d) => {
      d.capabilities.services = ['checkout'];
    }),
  },
  {
    breaks: ['discovery.discreet'],
    about: 'it names the account',
    apply: discovery((d) => {
      d.api_base_url += '?account=acct_reference';
    }),
  },

  // Tools.
  { breaks: ['mcp.tools'], about: 'four tools', apply: rule('toolList', (original) => original().slice(0, 4)) },
  {
    breaks: ['mcp.tools'],
    about: 'a schema that points to a file',
    apply: rule('toolList', (original) => {
      const list = original();
      list[0].inputSchema.properties.payload = { $ref: 'schema.agentic_checkout.json#/$defs/CheckoutSessionCreateRequest' };
      return list;
    }),
  },
  {
    breaks: ['mcp.purchase', 'mcp.cancel', 'mcp.same_session'],
    about: 'a result that is no session',
    apply: (m) => {
      m.toolResult = (body) => ({ content: [{ type: 'text', text: JSON.stringify(body) }], structuredContent: { session: body } });
    },
  },
  {
    breaks: ['mcp.errors'],
    about: "an error without the protocol's own",
    apply: rule('rpc', async (original, call) => {
      const answer = await original(call);
      if (answer.error) delete answer.error.data;
      return answer;
    }),
  },
  {
    breaks: ['mcp.malformed'],
    about: 'what is missing breaks it',
    apply: rule('rpc', async (original, call) => {
      const answer = await original(call);
      if (answer.error?.code === -32602) answer.error.code = -32603;
      return answer;
    }),
  },
  {
    breaks: ['mcp.cancel'],
    about: 'a cancel that does not cancel',
    apply: rule('rpc', async (original, call) =>
      call.message.params?.name === 'cancel_checkout_session'
        ? original({ ...call, message: { ...call.message, params: { ...call.message.params, name: 'get_checkout_session' } } })
        : original(call),
    ),
  },

  // What the agent is told.
  {
    breaks: ['webhooks.created', 'webhooks.full', 'webhooks.attribution'],
    about: 'the old names of events',
    apply: rule('eventOf', (original, ...args) => {
      const event = original(...args);
      return { ...event, type: `${event.type}d` };
    }),
  },
  {
    breaks: ['webhooks.created'],
    in: '2025-12-12',
    about: 'no list of refunds',
    apply: rule('eventOf', (original, ...args) => {
      const event = original(...args);
      delete event.data.refunds;
      return event;
    }),
  },
  { breaks: ['webhooks.signed'], about: 'signed with another secret', apply: rule('sign', (original, body) => original(`${body} `)) },
  {
    breaks: ['webhooks.signed'],
    about: 'signed an hour ago',
    apply: rule('sign', (original, body) => original(body).replace(/^t=\d+/, (t) => `t=${Number(t.slice(2)) - 3600}`)),
  },
  {
    breaks: ['webhooks.full'],
    about: 'only what changed',
    apply: rule('eventOf', (original, ...args) => {
      const event = original(...args);
      delete event.data.line_items;
      delete event.data.totals;
      return event;
    }),
  },
  {
    breaks: ['webhooks.updated', 'webhooks.refunded'],
    about: 'what comes after is not told',
    apply: rule('tell', (original, session, created) => (created ? original(session, created) : undefined)),
  },
  {
    breaks: ['webhooks.refunded'],
    about: 'a total less what was refunded',
    apply: rule('eventOf', (original, ...args) => {
      const event = original(...args);
      for (const one of event.data.totals ?? []) if (one.type === 'total' && event.data.adjustments.length) one.amount -= 500;
      return event;
    }),
  },
  {
    breaks: ['webhooks.attribution'],
    about: 'attribution is told',
    apply: rule('eventOf', (original, ...args) => {
      const event = original(...args);
      event.data.client_reference_id = 'atp_conformance_secret';
      return event;
    }),
  },

  // Schemas.
  {
    breaks: ['schema.official', 'schema.examples'],
    with: ['create.status'],
    about: 'a member that nobody knows',
    apply: sessions((body) => {
      body.line_items[0].mood = 'cheerful';
    }),
  },
  {
    breaks: ['schema.official'],
    with: ['create.status'],
    about: 'a status that there is not',
    apply: sessions((body) => {
      body.status = 'thinking_about_it';
    }),
  },
  {
    breaks: ['schema.examples'],
    with: ['create.status'],
    about: 'an amount in quotes',
    apply: sessions((body) => {
      body.totals[0].amount = String(body.totals[0].amount);
    }),
  },
  ...['stripe', '2025-09-29', '2025-12-12', '2026-01-16', '2026-01-30'].map((version) => ({
    breaks: ['schema.official', 'schema.examples'],
    in: version,
    with: ['create.status'],
    about: `a member of another version in ${version}`,
    apply: sessions((body) => {
      body.totals[0].unit = 'cent';
    }),
  })),
];
