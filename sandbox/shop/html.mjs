// The one place where text becomes HTML. Everything put into a template is escaped, unless it is itself
// the result of `html`. Attack: a product, agent or customer named `<script>…`; there is no way to forget it here.

class Markup {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };
export const escape = (text) => String(text).replace(/[&<>"'`]/g, (character) => ESCAPES[character]);

export function html(strings, ...values) {
  let text = strings[0];
  values.forEach((value, index) => { text += fill(value) + strings[index + 1]; });
  return new Markup(text);
}

function fill(value) {
  if (value === null || value === undefined || value === false || value === true) return '';
  if (Array.isArray(value)) return value.map(fill).join('');
  return value instanceof Markup ? value.text : escape(value);
}
