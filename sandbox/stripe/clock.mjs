// What happens because time passes: sessions run out, authorisations lapse, debits and refunds end by themselves if asked to.
import { settle } from './checkout.mjs';
import { settleIntent } from './confirm.mjs';
import { lapse } from './intents.mjs';
import { settleRefund } from './refunds.mjs';
import { expireDue } from './sessions.mjs';
import { expireToken } from './tokens.mjs';

export function tick(world, settleAfterMs) {
  for (const record of world.table('checkout.session').values()) {
    expireDue(world, record);
    if (settleAfterMs === undefined || !record.later || record.object.status !== 'complete') continue;
    const charge = world.record('payment_intent', record.object.payment_intent)?.object.latest_charge;
    const started = world.record('charge', charge)?.object.created ?? world.now();
    if (world.now() >= started + settleAfterMs / 1000) settle(world, record);
  }
  for (const record of world.table('payment_intent').values()) lapse(world, record);
  for (const record of world.table('shared_payment.granted_token').values()) expireToken(world, record);
  if (settleAfterMs === undefined) return;
  const due = (created) => world.now() >= created + settleAfterMs / 1000;
  for (const record of world.table('payment_intent').values()) {
    if (record.later && due(world.record('charge', record.object.latest_charge).object.created)) settleIntent(world, record);
  }
  for (const record of world.table('refund').values()) {
    if (record.later && due(record.object.created)) settleRefund(world, record);
  }
}

/** Looks once a second; never keeps the process alive. */
export function startClock(world, settleAfterMs) {
  const timer = setInterval(() => tick(world, settleAfterMs), 1000);
  timer.unref();
  return () => clearInterval(timer);
}
