// Step 5: the ledger (contract, "Ledger"), and what the shop does with it:
// reports, and finishing orders whose buyers never came home.

const PAGE = 10;
const FILTERS = ['source', 'agent', 'status', 'mode'];

// What a transaction's status means for the order. Refunded and disputed orders were paid.
const MEANS = {
  open: 'pending', processing: 'processing', authorized: 'authorized', paid: 'paid', partially_refunded: 'paid',
  refunded: 'paid', disputed: 'paid', failed: 'ended', expired: 'ended', canceled: 'ended',
};

export function createLedger({ client, orders }) {
  const filters = (query) => Object.fromEntries(FILTERS.map((name) => [name, query.get(name)?.trim()]).filter(([, value]) => value));

  /** One page. Cursors are ids, not page numbers: rows that arrive meanwhile do not shift the pages. */
  async function page(query, recorder) {
    const chosen = filters(query);
    const cursor = {};
    if (query.get('after')) cursor.starting_after = query.get('after');
    else if (query.get('before')) cursor.ending_before = query.get('before');
    const list = await client.call('GET', '/v1/transactions', { query: { ...chosen, ...cursor, limit: PAGE }, recorder });
    const rows = list.data;
    // `has_more` speaks of the direction we went in; in the other direction there is what we came from.
    const backwards = Boolean(cursor.ending_before);
    return {
      rows, filters: chosen,
      older: rows.length > 0 && (backwards || list.has_more) ? rows.at(-1).id : null,
      newer: rows.length > 0 && (backwards ? list.has_more : Boolean(cursor.starting_after)) ? rows[0].id : null,
    };
  }

  /** Sales by source, one group of bars for each currency and mode: those are never added together. */
  async function salesBySource(recorder) {
    const summary = await client.call('GET', '/v1/transactions/summary', { query: { group_by: 'source' }, recorder });
    return chartGroups(summary.data);
  }

  /** The CSV goes through the shop, because the browser must not hold the key. */
  async function csv(query, recorder) {
    return client.stream('/v1/transactions.csv', { query: filters(query), recorder });
  }

  /**
   * Asks the Worker what became of an order: the buyer closed the browser, the bank took its time, an answer was lost.
   * The same comparison as on the way home: the ledger is ours, but the row must still be this order's.
   */
  async function reconcile(order, recorder) {
    const list = await client.call('GET', '/v1/transactions', { query: { order_id: order.id, mode: order.livemode ? 'live' : 'test' }, recorder });
    return apply(order, list.data, 'asked the ledger');
  }

  /** Rows of the ledger, asked for or told (notices.mjs), as far as they are this order's. */
  function apply(order, rows, evidence) {
    const ours = rows.filter((row) => row.order_id === order.id && row.amount === order.total
      && row.currency === order.currency && row.livemode === order.livemode);
    const news = ours.map((row) => MEANS[row.status]).filter(Boolean);
    // One paid row settles the order. It has ended only when every session for it has.
    const best = ['paid', 'authorized', 'processing'].find((status) => news.includes(status));
    const ended = news.length > 0 && news.every((status) => status === 'ended');
    return orders.settle(order, best ?? (ended ? 'ended' : 'pending'), evidence);
  }

  return { page, salesBySource, csv, reconcile, apply };
}

export function chartGroups(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = `${row.livemode} ${row.currency}`;
    if (!groups.has(key)) groups.set(key, { livemode: row.livemode, currency: row.currency, rows: [] });
    groups.get(key).rows.push(row);
  }
  return [...groups.values()];
}
