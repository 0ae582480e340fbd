// The days' sums of the ledger, as they are kept and as the rows come to: the two must be the same whatever happened.

/** -> [kept, recomputed] */
export async function ledgerDays(w) {
  const kept = await w.d1(`SELECT * FROM ledger_days WHERE count <> 0 OR captured <> 0 OR refunded <> 0 OR fees <> 0
    ORDER BY shop_id, created_day, paid_day, livemode, currency, source, agent, status`);
  const recomputed = await w.d1(`SELECT shop_id, created / 86400 AS created_day, coalesce(paid_at / 86400, -1) AS paid_day, livemode, currency, source,
      coalesce(agent, '') AS agent, status, count(*) AS count, sum(amount_captured) AS captured, sum(amount_refunded) AS refunded,
      sum(application_fee_amount - application_fee_refunded) AS fees
    FROM transactions GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8`);
  return [kept, recomputed];
}
