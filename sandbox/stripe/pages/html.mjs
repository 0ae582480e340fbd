// The one place that writes HTML: everything put into a template is escaped, unless it came out of a template.
import { readFileSync } from 'node:fs';

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (letter) => ENTITIES[letter]);

function print(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(print).join('');
  if (value === null || value === undefined || value === false) return '';
  return escape(value);
}

export function html(parts, ...values) {
  return new Markup(parts.reduce((text, part, index) => text + print(values[index - 1]) + part));
}

/** Only http(s) may stand in href or src: a shop's address could be `javascript:`. */
export const link = (address) => (/^https?:\/\//i.test(address ?? '') ? address : null);

const STYLE = readFileSync(new URL('./style.css', import.meta.url));

export const style = () => ({ headers: { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'max-age=60' }, body: STYLE });

/** One page; `framed`: it stands in a platform's page. `form-action` names every http(s) place, because it follows the whole chain of redirects home to the shop. */
export function document({ title, body, kind = '', status = 200, framed = false }) {
  const markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/local-stripe.css">
</head>
<body class="${kind}">
${body}
</body>
</html>
`;
  return {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': `default-src 'none'; style-src 'self'; img-src http: https: data:; form-action 'self' http: https:; frame-ancestors ${framed ? 'http: https:' : "'none'"}; base-uri 'none'`,
      'Referrer-Policy': 'same-origin',
    },
    body: markup.text,
  };
}

export const redirect = (location) => ({ status: 303, headers: { Location: location } });

export const message = ({ title, text, action, status = 200, badge }) => document({
  title, status, kind: 'single',
  body: html`<main class="card">${badge}<h1>${title}</h1><p>${text}</p>${action}</main>`,
});

export const testBadge = (livemode) => (livemode
  ? html`<span class="badge live">Live mode (pretended)</span>`
  : html`<span class="badge">Test mode</span>`);
