// The Dashboard: accounts, payments, events and how they were delivered, and the switches for trouble.
import { account, home } from './dashboard/accounts.mjs';
import { agreements } from './dashboard/agreements.mjs';
import { agents, purchase } from './dashboard/agents.mjs';
import { perform } from './dashboard/deeds.mjs';
import { catalogue } from './dashboard/catalogue.mjs';
import { event, events } from './dashboard/events.mjs';
import { payment } from './dashboard/payment.mjs';
import { tokens } from './dashboard/tokens.mjs';
import { requests, trouble } from './dashboard/trouble.mjs';
import { message } from './html.mjs';

export async function dashboard(stripe, { method, rest, query, form }) {
  if (method === 'POST') return perform(stripe, form);
  const note = typeof query.note === 'string' ? query.note.slice(0, 300) : '';
  const [, what, id] = rest.split('/');
  if (!what) return home(stripe, note);
  const [, , , part] = rest.split('/');
  if (what === 'accounts' && id && part === 'catalogue') return catalogue(stripe, id, note);
  if (what === 'accounts' && id) return account(stripe, id, note);
  if (what === 'payments' && id) return payment(stripe, id, note);
  if (what === 'events') return id ? event(stripe, id, note) : events(stripe, note);
  if (what === 'requests') return requests(stripe);
  if (what === 'agreements') return agreements(stripe, note);
  if (what === 'purchases' && id) return purchase(stripe, id, note);
  if (what === 'agents') return agents(stripe, id, note);
  if (what === 'tokens') return tokens(stripe, note);
  if (what === 'trouble') return trouble(stripe, note);
  return message({ status: 404, title: 'Nothing is here', text: 'The local Stripe has no such page.' });
}
