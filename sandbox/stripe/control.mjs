// The library's functions over HTTP, for other processes: POST /_sandbox/<name> {"args":[…]} → {"result":…}.
import { json } from './http.mjs';

const CALLS = new Set([
  'createAccount', 'updateAccount', 'authorize', 'pay', 'confirm', 'settle', 'expire', 'deauthorize', 'cancelPayment', 'capture', 'refund',
  'enableAgent', 'agentAnswers', 'openForm', 'leaveForm', 'closeAccount', 'grantToken', 'revokeToken', 'holdImports', 'letLastImportGo', 'lateUploads', 'importsDone', 'failImport', 'catalogue', 'restrictedKey', 'lagSearch', 'slowRefunds', 'settleRefund', 'failRefund', 'dispute', 'moveDispute',
  'misbehave', 'clearMisbehaviour', 'holding', 'release', 'misdeliver', 'send', 'thin', 'patch', 'setRedirectUris', 'setWebhooks', 'addWebhook', 'advance', 'signature',
  'setHooks', 'setCatalogue', 'simulatePurchase', 'askPrice', 'closePreviews',
]);
const WEBHOOKS = new Set(['pause', 'resume', 'deliver', 'drop', 'drained']);

/** Requests without what opens doors: the control is for looking, and people paste what they see. */
const withoutSecrets = (request) => ({ ...request, headers: { ...request.headers, ...(request.headers.authorization && { authorization: '***' }) } });

const readable = (rule) => ({ ...rule, on: rule.on && String(rule.on) });

function looks(stripe, name) {
  switch (name) {
    case 'health': return { status: 'ok', url: stripe.url };
    case 'books': return stripe.books();
    case 'payments': return stripe.payments();
    case 'agreements': return stripe.books().agreements;
    case 'purchases': return stripe.purchases();
    case 'hooks': return stripe.hookCalls;
    case 'tokens': return stripe.books().granted_tokens;
    case 'requests': return stripe.requests.map(withoutSecrets);
    case 'deliveries': return stripe.webhooks.deliveries.map(({ event, ...rest }) => ({ ...rest, event: event.id }));
    case 'misbehaviour': return stripe.misbehaviour.rules.map(readable);
    case 'misdelivery': return stripe.webhooks.misdelivery.rules.map(readable);
    default: return undefined;
  }
}

function revive(args) {
  // A RegExp cannot travel in JSON: {"on":{"regexp":"^POST /v1"}}.
  for (const arg of args) if (arg?.on?.regexp) arg.on = new RegExp(arg.on.regexp);
  return args;
}

export async function control(stripe, request, url, body) {
  const name = url.pathname.slice('/_sandbox/'.length);
  if (request.method === 'GET') {
    const result = looks(stripe, name);
    return result === undefined ? json(404, { error: { message: `Nothing to look at under ${name}.` } }) : json(200, { result });
  }
  if (request.method !== 'POST') return json(405, { error: { message: 'GET or POST.' } }, { Allow: 'GET, POST' });
  // A form of a foreign page cannot send this type without asking first, and nobody here answers that question.
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return json(415, { error: { message: 'Send application/json.' } });
  let args;
  try {
    ({ args = [] } = body.length > 0 ? JSON.parse(body.toString('utf8')) : {});
    if (!Array.isArray(args)) throw new Error('args is a list');
  } catch (error) {
    return json(400, { error: { message: `The body is {"args":[…]}: ${error.message}` } });
  }
  try {
    const [group, call] = name.split('/');
    let result;
    if (group === 'webhooks' && WEBHOOKS.has(call)) result = await stripe.webhooks[call](...args);
    else if (CALLS.has(name)) result = await stripe[name](...revive(args));
    else return json(404, { error: { message: `There is no ${name} here.` } });
    return json(200, { result: result ?? null });
  } catch (error) {
    return json(error.status ?? 400, { error: { message: error.message } });
  }
}
