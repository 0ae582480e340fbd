// The pages that a person meets, by address.
import { decodeForm, decodeQuery, mediaType } from '../form.mjs';
import { isOwnForm, json } from '../http.mjs';
import { authenticate } from './authenticate.mjs';
import { authorize } from './authorize.mjs';
import { checkout } from './checkout.mjs';
import { dashboard } from './dashboard.mjs';
import { connectJs, embedded } from './embedded.mjs';
import { message, redirect, style } from './html.mjs';
import { setup } from './setup.mjs';

const TABLE = [
  ['/checkout/c/pay/', checkout],
  ['/authenticate/', authenticate],
  ['/oauth/authorize', authorize],
  ['/setup/', setup],
  ['/embedded/', embedded],
  ['/dashboard', dashboard],
];

export async function pages(stripe, request, url, body) {
  const { pathname } = url;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (pathname === '/') return redirect('/dashboard');
  if (pathname === '/assets/local-stripe.css') return style();
  if (pathname === '/v1.0/connect.js') return connectJs();
  const [prefix, page] = TABLE.find(([start]) => pathname.startsWith(start)) ?? [];
  if (!page) return message({ status: 404, title: 'Nothing is here', text: 'The local Stripe has no such page.' });
  if (method !== 'GET' && method !== 'POST') return json(405, { error: { message: 'GET or POST.' } }, { Allow: 'GET, HEAD, POST' });
  let form = {};
  if (method === 'POST') {
    if (!isOwnForm(request)) return message({ status: 403, title: 'This form came from elsewhere', text: 'Open the page here and send it again.' });
    const { type, charset } = mediaType(request.headers['content-type']);
    if (type !== 'application/x-www-form-urlencoded') return message({ status: 415, title: 'Not a form', text: 'Send a form.' });
    form = decodeForm(body.toString('latin1'), charset);
  }
  return page(stripe, { method, url, rest: pathname.slice(prefix.length), query: decodeQuery(url.search), form });
}
