import { html } from '../html.mjs';
import { layout } from './layout.mjs';

export const policyPage = (view, { title, text }) => layout(view, title, html`<h1>${title}</h1>${text.map((paragraph) => html`<p class="lead">${paragraph}</p>`)}`);
