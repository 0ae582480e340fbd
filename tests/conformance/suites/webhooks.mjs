// What the agent is told after the sale.
import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';
import { unlikeExamples } from '../compare.mjs';
import { violations } from '../schemas.mjs';

inFile('webhooks');
const RFC = 'RFC orders';
const needs = ['webhook'];
const WINDOW = 300;

const of =
  (session) =>
  ({ event }) =>
    event?.data?.checkout_session_id === session.id;

/** An event about a session, there or still to come, of a type. */
async function told(t, session, type, more = () => true) {
  const request = await t.target.webhook.wait(
    (one) => of(session)(one) && one.event.type === type && more(one.event.data),
    `${type} for ${session.id}`,
  );
  assert.deepEqual(violations(t.version, 'event', request.event), [], request.body);
  assert.deepEqual(unlikeExamples(t.version, 'event', request.event) ?? [], [], request.body);
  return request;
}

const same = (a, b) => a.length === b.length && timingSafeEqual(a, b);
/** Secrets are used as they are, or as Standard Webhooks has it: what follows `whsec_`, decoded. */
const keysOf = (secret) => [Buffer.from(secret), ...(secret.startsWith('whsec_') ? [Buffer.from(secret.slice(6), 'base64')] : [])];

/** `t=…,v1=…` over `t.body`, as 2026-04-17 has it. */
function signedWithTime(header, body, secret) {
  const [, t, v1] = /^t=(\d+),v1=([a-fA-F0-9]{64})$/.exec(header ?? '') ?? [];
  if (!t || Math.abs(Date.now() / 1000 - Number(t)) > WINDOW) return false;
  return keysOf(secret).some((key) => same(createHmac('sha256', key).update(`${t}.${body}`).digest(), Buffer.from(v1, 'hex')));
}

/** The versions before say only: an HMAC over the body. */
function signedPlainly(header, body, secret) {
  const value = (header ?? '').replace(/^sha256=/, '');
  return keysOf(secret).some((key) => {
    const due = createHmac('sha256', key).update(body).digest();
    return ['hex', 'base64', 'base64url'].some((encoding) => same(due, Buffer.from(value, encoding)));
  });
}

const signed = (t, { headers, body }) => {
  const header = headers['merchant-signature'];
  const { secret } = t.target.webhook;
  return signedWithTime(header, body, secret) || (!t.dialect.richOrders && signedPlainly(header, body, secret));
};

requirement(
  'webhooks.created',
  {
    versions: VERSIONS,
    needs,
    section: "OpenAPI, webhooks; Stripe's page, Event",
    says: 'an order is told to the agent, in the shape of the version that it was made in',
  },
  async (t) => {
    const done = await t.paid(await t.ready());
    const { event } = await told(t, done, t.dialect.eventTypes.created);
    assert.equal(event.data.permalink_url, done.order.permalink_url);
    if (t.dialect.richOrders) assert.equal(event.data.id, done.order.id);
    else assert.deepEqual(event.data.refunds, []);
  },
);

requirement(
  'webhooks.signed',
  {
    versions: VERSIONS,
    needs,
    section: 'OpenAPI, webhooks, Merchant-Signature',
    says: 'the message is signed over its very bytes, from 2026-04-17 on as `t=…,v1=…`',
  },
  async (t) => {
    const done = await t.paid(await t.ready());
    const request = await told(t, done, t.dialect.eventTypes.created);
    assert.match(request.headers['content-type'] ?? '', /^application\/json/);
    assert.ok(signed(t, request), `Merchant-Signature: ${request.headers['merchant-signature']}`);
    assert.ok(!signed(t, { ...request, body: `${request.body} ` }), 'this check sees a changed body');
  },
);

requirement(
  'webhooks.full',
  { versions: since('2026-04-17'), needs, section: `${RFC} §6`, says: 'the event has the full order: lines, totals' },
  async (t) => {
    const done = await t.paid(await t.ready());
    const {
      event: { data },
    } = await told(t, done, 'order_create');
    assert.equal(data.line_items?.length, done.lines.length, JSON.stringify(data));
    assert.equal(data.totals?.find(({ type }) => type === 'total')?.amount, done.totals.total);
  },
);

requirement(
  'webhooks.updated',
  { versions: VERSIONS, needs: [...needs, 'ship'], section: 'OpenAPI, webhooks', says: 'what becomes of the order is told too' },
  async (t) => {
    const done = await t.paid(await t.ready());
    await told(t, done, t.dialect.eventTypes.created);
    await t.target.ship(done);
    const {
      event: { data },
    } = await told(t, done, t.dialect.eventTypes.updated, ({ status }) => status === 'shipped');
    assert.equal(data.status, 'shipped');
    if (t.dialect.richOrders && data.fulfillments?.length) assert.ok(data.fulfillments.every(({ id, type }) => id && type));
  },
);

requirement(
  'webhooks.refunded',
  {
    versions: VERSIONS,
    needs: [...needs, 'refund'],
    section: `OpenAPI, webhooks; ${RFC} §4.5, §6.2`,
    says: 'a refund is told: in `refunds`, from 2026-04-17 on in `adjustments`, where the total stays what was charged',
  },
  async (t) => {
    const done = await t.paid(await t.ready());
    await t.target.refund(done, 500);
    if (t.dialect.richOrders) {
      const {
        event: { data },
      } = await told(t, done, 'order_update', ({ adjustments }) => adjustments?.length > 0);
      assert.deepEqual(
        data.adjustments.map(({ type, status, amount }) => [type, status, amount]),
        [['refund', 'completed', 500]],
      );
      assert.equal(data.totals.find(({ type }) => type === 'amount_refunded')?.amount, 500);
      assert.equal(data.totals.find(({ type }) => type === 'total')?.amount, done.totals.total);
    } else {
      const {
        event: { data },
      } = await told(t, done, t.dialect.eventTypes.updated, ({ refunds }) => refunds.length > 0);
      assert.deepEqual(data.refunds, [{ type: 'original_payment', amount: 500 }]);
    }
  },
);

requirement(
  'webhooks.attribution',
  { versions: since('2025-12-12'), needs, section: 'RFC attribution §4.3.4', says: 'attribution is not told' },
  async (t) => {
    const done = await t.paid(await t.ready(), {
      more: { affiliate_attribution: { provider: 'network.example', token: 'atp_conformance_secret' } },
    });
    const { body } = await told(t, done, t.dialect.eventTypes.created);
    assert.ok(!body.includes('atp_conformance') && !body.includes('affiliate'), body);
  },
);
