// Connect.js as it is played here, and the component that it puts into a platform's page.
import { readFileSync } from 'node:fs';
import { AGENTS, enable, terminate } from '../agreements.mjs';
import { claim, frameOf } from '../embedded.mjs';
import { document, html, redirect, testBadge } from './html.mjs';

const SCRIPT = readFileSync(new URL('./connect-js.js', import.meta.url));
const COMPONENT = 'agentic_commerce_settings';

export const connectJs = () => ({ headers: { 'Content-Type': 'text/javascript; charset=utf-8', 'Cache-Control': 'max-age=60' }, body: SCRIPT });

/** In somebody's page, unlike the others. */
const framed = (page) => document({ ...page, kind: 'embedded', framed: true });

const ended = (text) => framed({ status: 403, title: 'Agents', body: html`<main><p role="alert">${text}</p></main>` });

const STATES = { initiated: 'Waiting for you', partially_confirmed: 'Waiting for the agent', confirmed: 'May sell your products' };

function agentCard({ name }, agreement, token, hint) {
  const action = html`action="/embedded/agentic-commerce-settings/${token}"`;
  return html`<section class="box" aria-labelledby="agent-${name}"><h2 id="agent-${name}">${name}</h2>
${agreement
    ? html`<p>${STATES[agreement.status]}</p><form method="post" ${action}><input type="hidden" name="agent" value="${name}"><button name="do" value="stop" class="quiet">Stop selling with ${name}</button></form>`
    : html`<form method="post" ${action}><input type="hidden" name="agent" value="${name}"><label class="check"><input type="checkbox" name="terms" value="yes" required> I accept the terms of ${name}</label>
<button name="do" value="allow" class="primary">Sell with ${name}</button></form>`}
${hint === name && html`<p class="error" role="alert">Accept the terms first.</p>`}</section>`;
}

function show(world, record, token, hint) {
  const mine = world.list('agreement', { owner: record.owner, livemode: record.livemode }).map(({ object }) => object).filter(({ status }) => status !== 'terminated');
  const { name } = world.record('account', record.owner).object;
  return framed({
    title: 'Agents', status: hint ? 422 : 200,
    body: html`<main>${testBadge(record.livemode)}<h1>Agents that sell for ${name}</h1>
${AGENTS.map((agent) => agentCard(agent, mine.find((one) => one.orchestrator_details.name === agent.name), token, hint))}</main>`,
  });
}

export async function embedded(stripe, { method, rest, query, form }) {
  const { world } = stripe;
  const [component, token] = rest.split('/');
  if (component !== 'agentic-commerce-settings') return ended('This component is not played here.');
  if (!token) {
    const { page, problem } = claim(world, { clientSecret: query.client_secret, publishableKey: query.key, component: COMPONENT });
    return page ? redirect(`/embedded/${component}/${page}`) : ended(problem);
  }
  const record = frameOf(world, token);
  if (!record) return ended('This session is over. Reload the page that this is in.');
  if (method !== 'POST') return show(world, record, token);
  const agent = AGENTS.find(({ name }) => name === form.agent)?.name;
  if (!agent) return ended('There is no such agent.');
  const current = world.list('agreement', { owner: record.owner, livemode: record.livemode }).find(({ object }) => object.status !== 'terminated' && object.orchestrator_details.name === agent);
  if (form.do === 'stop' && current) terminate(world, current, 'seller');
  if (form.do === 'allow' && !current) {
    if (form.terms !== 'yes') return show(world, record, token, agent);
    enable(world, { owner: record.owner, livemode: record.livemode, agent });
  }
  return redirect(`/embedded/agentic-commerce-settings/${token}`);
}
