import { html } from '../html.mjs';
import { layout, problem } from './layout.mjs';

/** A page for what went wrong: the Worker's refusal in words (problems.mjs), or our own. */
export function problemPage(view, words, back = '/cart') {
  return layout(view, words.title, html`${problem(words, 1)}<p class="row"><a class="button" href="${back}">Back</a> <a class="button second" href="/admin/connectivity">Connectivity</a></p>`);
}
