// The floor: the least JavaScript that makes the same statements and the same calls. It decides nothing and believes everything:
// what a hand-written Worker without any guard would cost.
import plans from './plans.json';
import { batched, fill, fresh26, hmac, sha256, values } from './replay.js';

/** What a request names, by its journey. */
async function named(journey, request, url, body) {
  const parts = url.pathname.split('/');
  switch (plans[journey].names) {
    case 'create': return { K: request.headers.get('idempotency-key'), O: body.cart.order_id, cct: `cct_${fresh26()}` };
    case 'complete': return { cct: parts[3], cs: url.searchParams.get('session_id') };
    case 'webhook': return { cct: body.data.object.metadata.cc_transaction, cs: body.data.object.id, pi: body.data.object.payment_intent, evt: body.id };
    case 'acp': return { K: request.headers.get('idempotency-key'), A: parts[2] ?? `checkout_${fresh26()}`, ...(body?.payment_data && { spt: body.payment_data.instrument.credential.token }) };
    default: return {};
  }
}

export default {
  async fetch(request, env) {
    const journey = request.headers.get('x-journey') ?? 'healthz';
    const plan = plans[journey];
    const url = new URL(request.url);
    const text = request.method === 'GET' ? '' : await request.text();
    const body = text && JSON.parse(text);
    if (plan.names === 'webhook') {
      const [, t, v1] = /t=(\d+),v1=([0-9a-f]+)/.exec(request.headers.get('stripe-signature'));
      if (await hmac(env.WEBHOOK_SECRET, `${t}.${text}`) !== v1) return new Response('', { status: 400 });
    }
    const bearer = request.headers.get('authorization');
    const given = values(await named(journey, request, url, body));
    if (bearer) given.key_hash = await sha256(bearer.slice(7));
    let answers;
    for (const step of plan.steps) {
      if (step.batch) answers = await batched(env.DB, step.batch, given);
      else {
        const answer = await fetch(env.STRIPE_API_BASE + fill(step.fetch.path, given), {
          method: step.fetch.method, body: step.fetch.body && fill(step.fetch.body, given),
          headers: { authorization: `Bearer ${env.STRIPE_TEST_SECRET_KEY}`, 'stripe-version': '2026-10-28.endive', 'stripe-account': plan.account, ...(step.fetch.key && { 'idempotency-key': fill(step.fetch.key, given) }), ...(step.fetch.body && { 'content-type': 'application/x-www-form-urlencoded' }) },
        });
        const object = await answer.json();
        if (object.object === 'checkout.session') given.cs = object.id;
        if (object.object === 'payment_intent') given.pi = object.id;
      }
    }
    if (plan.names === 'list') return Response.json({ object: 'list', data: answers.at(-1).results });
    if (plan.names === 'complete') await hmac('a key of sixteen', fill(plan.answer.location, given));
    return new Response(plan.answer.body && fill(plan.answer.body, given), {
      status: plan.answer.status, headers: { ...(plan.answer.location && { location: fill(plan.answer.location, given) }), ...(plan.answer.type && { 'content-type': plan.answer.type }) },
    });
  },
};
