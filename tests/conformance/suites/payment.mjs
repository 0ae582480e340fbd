// Paying, and every way in which it does not come to that.
import assert from 'node:assert/strict';
import { shown } from '../client.mjs';
import { VERSIONS, since } from '../dialects.mjs';
import { inFile, requirement } from '../requirements.mjs';

inFile('payment');
const ALL = VERSIONS;
const RFC = 'RFC checkout';

/** No order, no charge, and it may still be paid for. */
async function stillOpen(t, session, { statuses = ['ready_for_payment'] } = {}) {
  const now = await t.look(session.id);
  assert.ok(statuses.includes(now.status), `it is still to be paid for: ${shown(now.answer)}`);
  assert.equal(now.order, undefined, shown(now.answer));
  assert.equal((await t.charges(session.id)) ?? 0, 0, 'nothing was charged');
  return now;
}

/** A payment that did not come off, and says so by its code. */
async function failed(t, answer, codes) {
  assert.notEqual(answer.body?.status, 'completed', shown(answer));
  assert.equal(answer.body?.order, undefined, shown(answer));
  const said = t.complaints(answer);
  assert.ok(
    said.some((code) => codes.includes(code)),
    `${codes.join(' or ')} was due: ${shown(answer)}`,
  );
  if (answer.status >= 400) t.refused(answer);
}

requirement(
  'payment.advert',
  {
    versions: since('stripe', '2026-01-16'),
    level: 'should',
    section: "Stripe's page, PaymentProvider; JSON Schema",
    says: 'a session says that it is paid by card through Stripe, as its version says it',
  },
  async (t) => {
    const { provider } = await t.ready();
    assert.equal(provider?.provider, 'stripe');
    const [method] = provider.supported_payment_methods;
    if (t.version < '2025-12-12' || t.version === 'stripe') assert.equal(method, 'card');
    else {
      assert.equal(method.type, 'card');
      assert.ok(method.supported_card_networks.includes('visa'), JSON.stringify(method));
    }
    if (t.version === '2026-01-16') assert.ok(provider.merchant_id, 'and whose account a token is for');
  },
);

requirement(
  'payment.missing',
  {
    versions: ALL,
    section: 'JSON Schema, CompleteRequest; OpenAI, production checklist (`missing`, 400)',
    says: 'completing without payment data is refused: 400',
  },
  async (t) => {
    const session = await t.ready();
    for (const payment of [undefined, null, {}, 'spt_123']) {
      t.refused(await t.api.complete(session.id, { buyer: t.buyer, payment_data: payment }), { status: 400, type: 'invalid_request' });
    }
    t.refused(await t.api.complete(session.id), { status: 400, type: 'invalid_request' });
    await stillOpen(t, session);
  },
);

requirement(
  'payment.missing_param',
  { versions: ALL, level: 'should', section: `${RFC} §3.1`, says: 'such a refusal names `$.payment_data`' },
  async (t) => {
    const session = await t.ready();
    const error = t.refused(await t.api.complete(session.id, { buyer: t.buyer }), { status: 400 });
    assert.match(error.param ?? '', /^\$\.payment_data/);
  },
);

requirement(
  'payment.token',
  {
    versions: ALL,
    section: 'JSON Schema, PaymentData',
    says: 'payment data without a token, or with something else in its place, is refused: 400',
  },
  async (t) => {
    const session = await t.ready();
    for (const token of [null, 7, '', {}]) {
      t.refused(await t.complete(session, { token }), { status: 400 });
    }
    await stillOpen(t, session);
  },
);

requirement(
  'payment.provider',
  {
    versions: since('stripe', '2026-01-16'),
    section: 'JSON Schema, PaymentData.provider',
    says: 'another provider than the one that was offered is refused: 400',
  },
  async (t) => {
    const session = await t.ready();
    const body = await t.paymentBody(session);
    for (const provider of ['adyen', undefined, 7]) {
      t.refused(await t.api.complete(session.id, { ...body, payment_data: { ...body.payment_data, provider } }), {
        status: 400,
        type: 'invalid_request',
      });
    }
    await stillOpen(t, session);
  },
);

requirement(
  'payment.handler',
  {
    versions: since('2026-01-30'),
    section: 'RFC payment handlers §5.3; RFC capabilities §10',
    says: 'a handler that was not offered is refused',
  },
  async (t) => {
    const session = await t.ready();
    const body = await t.paymentBody(session);
    for (const handler of ['no-such-handler', 7]) {
      t.refused(await t.api.complete(session.id, { ...body, payment_data: { ...body.payment_data, handler_id: handler } }), {
        type: 'invalid_request',
      });
    }
    await stillOpen(t, session);
  },
);

requirement(
  'payment.billing',
  {
    versions: ALL,
    section: 'JSON Schema, PaymentData.billing_address',
    says: 'a billing address is taken; a malformed one is refused: 400',
  },
  async (t) => {
    const session = await t.ready();
    t.refused(await t.complete(session, { billing: { ...t.address, city: undefined } }), { status: 400 });
    await stillOpen(t, session);
    await t.paid(session, { billing: t.address });
  },
);

requirement(
  'payment.declined',
  {
    versions: ALL,
    needs: ['token:declined'],
    section: `${RFC} §5, MessageError; OpenAI, production checklist`,
    says: 'a card that is declined: `payment_declined`, no order; another card pays',
  },
  async (t) => {
    const session = await t.ready();
    await failed(t, await t.complete(session, { kind: 'declined' }), ['payment_declined']);
    await stillOpen(t, session);
    await t.paid(session);
  },
);

requirement(
  'payment.expired_token',
  {
    versions: ALL,
    level: 'ours',
    needs: ['token:expired'],
    section: 'RFC delegate payment, allowance',
    says: 'a token past its time, or taken back, pays nothing',
  },
  async (t) => {
    const session = await t.ready();
    await failed(t, await t.complete(session, { kind: 'expired' }), ['payment_declined', 'invalid']);
    await stillOpen(t, session);
  },
);

requirement(
  'payment.over_limit',
  {
    versions: ALL,
    level: 'ours',
    needs: ['token:over_limit'],
    section: 'RFC delegate payment, allowance',
    says: 'a token for less than the total pays nothing',
  },
  async (t) => {
    const session = await t.ready();
    await failed(t, await t.complete(session, { kind: 'over_limit' }), ['payment_declined', 'invalid']);
    await stillOpen(t, session);
  },
);

requirement(
  'payment.unknown_token',
  { versions: ALL, level: 'ours', section: `${RFC} §4.4`, says: 'a token that nobody granted pays nothing' },
  async (t) => {
    const session = await t.ready();
    await failed(t, await t.complete(session, { token: 'spt_nobody_granted_this' }), ['payment_declined', 'invalid']);
    await stillOpen(t, session);
  },
);

requirement(
  'payment.used_token',
  {
    versions: ALL,
    level: 'ours',
    needs: ['singleUse'],
    section: 'RFC delegate payment, allowance (one_time)',
    says: 'a token that has paid for one session does not pay for another',
  },
  async (t) => {
    const session = await t.ready();
    const token = await t.token('success', session.totals.total);
    await t.paid(session, { token });
    const second = await t.ready();
    await failed(t, await t.complete(second, { token }), ['payment_declined', 'invalid']);
    await stillOpen(t, second);
  },
);

const NEEDS_3DS = ['token:requires_3ds'];
requirement(
  'payment.3ds',
  { versions: ALL, needs: NEEDS_3DS, section: `${RFC} §4.4, §5`, says: 'a card that its bank wants to see: `requires_3ds` and no order' },
  async (t) => {
    const session = await t.ready();
    const answer = await t.complete(session, { kind: 'requires_3ds' });
    assert.notEqual(answer.body?.status, 'completed', shown(answer));
    if (answer.body?.status !== 'authentication_required') await failed(t, answer, ['requires_3ds']);
    await stillOpen(t, session, {
      statuses: t.dialect.authentication ? ['authentication_required'] : ['ready_for_payment', 'not_ready_for_payment', 'in_progress'],
    });
  },
);

requirement(
  'payment.3ds_metadata',
  {
    versions: since('2025-12-12'),
    needs: NEEDS_3DS,
    section: `${RFC} §8`,
    says: 'such a session is `authentication_required` and carries `authentication_metadata`',
  },
  async (t) => {
    const session = await t.ready();
    await t.complete(session, { kind: 'requires_3ds' });
    const now = await t.look(session.id);
    assert.equal(now.status, 'authentication_required', shown(now.answer));
    assert.ok(now.authentication?.acquirer_details && now.authentication?.directory_server, shown(now.answer));
  },
);

requirement(
  'payment.3ds_refused',
  { versions: since('2025-12-12'), needs: NEEDS_3DS, section: `${RFC} §4.4`, says: 'an authentication that failed makes no order' },
  async (t) => {
    const session = await t.ready();
    const token = await t.token('requires_3ds', session.totals.total);
    await t.complete(session, { token });
    const answer = await t.complete(session, { token, authentication: t.dialect.refusedByBank });
    assert.notEqual(answer.body?.status, 'completed', shown(answer));
    await stillOpen(t, session, { statuses: ['authentication_required', 'ready_for_payment', 'not_ready_for_payment'] });
  },
);

requirement(
  'payment.3ds_malformed',
  {
    versions: since('2025-12-12'),
    needs: NEEDS_3DS,
    section: 'JSON Schema, AuthenticationResult',
    says: 'an `authentication_result` without an outcome, or authenticated without its proof, is refused: 400',
  },
  async (t) => {
    const session = await t.ready();
    const token = await t.token('requires_3ds', session.totals.total);
    await t.complete(session, { token });
    for (const authentication of [{}, { outcome: 7 }, ...(t.version === '2026-01-16' ? [] : [{ outcome: 'authenticated' }])]) {
      t.refused(await t.complete(session, { token, authentication }), { status: 400, type: 'invalid_request' });
    }
    await stillOpen(t, session, { statuses: ['authentication_required'] });
  },
);

requirement(
  'order.rich',
  {
    versions: since('2026-04-17'),
    level: 'should',
    section: 'RFC orders §4',
    says: "the order says what was ordered: lines with quantities, and totals that are the session's",
  },
  async (t) => {
    const items = [{ id: await t.product('shipped'), quantity: 2 }];
    const { order, totals } = await t.paid(await t.ready({ items }));
    assert.equal(order.line_items?.length, 1, JSON.stringify(order));
    assert.deepEqual(
      [order.line_items[0].quantity.ordered, order.line_items[0].quantity.current, order.line_items[0].quantity.fulfilled ?? 0],
      [2, 2, 0],
    );
    assert.equal(order.totals?.find(({ type }) => type === 'total')?.amount, totals.total, JSON.stringify(order));
  },
);
