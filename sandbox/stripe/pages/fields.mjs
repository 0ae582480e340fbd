// Labelled form fields, with their errors said to screen readers too.
import { html } from './html.mjs';

/** The countries a person may choose from in the forms here; a session's own list goes first. */
export const COUNTRIES = 'US CA GB DE FR IT ES NL BE AT CH SE NO DK FI IE PT PL CZ GR IS JP KR AU NZ BR MX IN SG HK KW UG ZA'.split(' ');
const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' });
const countryName = (code) => {
  try {
    return names.of(code);
  } catch {
    return code;
  }
};

export function field({ name, label, value = '', error, type = 'text', autocomplete, required = true, hint, inputmode, size = '' }) {
  const about = [error && `${name}-error`, hint && `${name}-hint`].filter(Boolean).join(' ');
  return html`<div class="field ${size}">
<label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${type}" value="${value}" ${autocomplete && html`autocomplete="${autocomplete}"`} ${inputmode && html`inputmode="${inputmode}"`}${required && html` required`}${error && html` aria-invalid="true"`}${about && html` aria-describedby="${about}"`}>
${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
${error && html`<p class="error" id="${name}-error">${error}</p>`}
</div>`;
}

export function country({ name, label = 'Country', value, codes = COUNTRIES, autocomplete = 'country', size = '' }) {
  return html`<div class="field ${size}">
<label for="${name}">${label}</label>
<select id="${name}" name="${name}" autocomplete="${autocomplete}">
${codes.map((code) => html`<option value="${code}"${code === value && html` selected`}>${countryName(code)}</option>`)}
</select>
</div>`;
}
