// Everything the stand-in knows: accounts, who is connected, and each account's objects by mode.
// One record = { object (what the API shows), owner (account id), livemode, …private members }.
import { kindOf, newId, random } from './ids.mjs';
import { unknownObject } from './errors.mjs';

export const API_VERSION = '2026-10-28.endive';

/** The oldest are forgotten beyond this many of a kind: a sandbox must not eat the machine. */
const KEEP = 20_000;

export const clone = (value) => structuredClone(value);

export function makeKeys(platform = newId('account')) {
  const stem = platform.slice('acct_'.length, 'acct_'.length + 12);
  const pair = (mode) => ({ secret: `sk_${mode}_51${stem}${random(40)}`, clientId: `ca_${random(32)}` });
  return { test: pair('test'), live: pair('live'), platform };
}

export class World {
  /** @param wallClock milliseconds; `advance` moves the stand-in's own time, never the machine's. */
  constructor({ keys, wallClock = Date.now }) {
    this.keys = keys;
    this.wallClock = wallClock;
    this.ahead = 0;
    this.tables = new Map();
    this.connections = new Map(); // 'acct_… test' → { account, livemode, scope, codes, access_token, refresh_token, since }
    this.codes = new Map(); // OAuth codes, spent ones too: a second use has to be recognised
    this.idempotent = new Map();
    this.redirectUris = [];
    this.cause = { id: null, idempotency_key: null }; // the API request whose work is going on
    this.listeners = { event: [], change: [] };
    this.url = '';
    this.searchLag = 30; // seconds until what happened can be found by search; Stripe: under a minute, up to an hour in bad times
    if (!this.record('account', keys.platform)) {
      this.addAccount({ id: keys.platform, name: 'CognitiveCart (platform)', email: 'platform@example.com' });
    }
  }

  now() {
    return Math.floor(this.wallClock() / 1000) + this.ahead;
  }

  changed() {
    for (const listener of this.listeners.change) listener();
  }

  // -- records ---------------------------------------------------------------------------------------------------

  table(kind) {
    let table = this.tables.get(kind);
    if (!table) this.tables.set(kind, (table = new Map()));
    return table;
  }

  add(kind, object, { owner, livemode, ...secret }) {
    const table = this.table(kind);
    const record = { object, owner, livemode, ...secret };
    table.set(object.id, record);
    if (table.size > KEEP) table.delete(table.keys().next().value);
    this.changed();
    return record;
  }

  record(kind, id) {
    return this.tables.get(kind)?.get(id);
  }

  /** By id alone, whatever its kind: for pages and for the control, never for the API. */
  any(id) {
    return this.record(kindOf(id), id);
  }

  /** An object as one account sees it in one mode. Others' objects do not exist for it. */
  find(kind, id, scope, param) {
    const record = this.record(kind, id);
    if (record && record.owner === scope.owner && record.livemode === scope.livemode) return record;
    const hint = record && record.owner === scope.owner
      ? `; there is one in ${record.livemode ? 'live' : 'test'} mode, but the key is for ${scope.livemode ? 'live' : 'test'} mode.`
      : '';
    throw unknownObject(kind, id, param, hint);
  }

  /** Newest first. */
  list(kind, scope) {
    return [...this.table(kind).values()]
      .filter((record) => record.owner === scope.owner && record.livemode === scope.livemode)
      .reverse();
  }

  // -- accounts and connections ----------------------------------------------------------------------------------

  addAccount({
    id = newId('account'), livemode, name = 'A shop', email = 'shop@example.com', country = 'US', url = null,
    default_currency = country === 'US' ? 'usd' : 'eur', charges_enabled = true, details_submitted = true,
  } = {}) {
    const object = {
      id, object: 'account', type: 'standard', name, email, country, url, default_currency, charges_enabled,
      details_submitted, payouts_enabled: charges_enabled, created: this.now(),
    };
    // `only` = the one mode in which this merchant can be chosen; undefined = both, as at Stripe.
    return this.add('account', object, { owner: id, livemode: null, ...(livemode !== undefined && { only: livemode }) });
  }

  connection(account, livemode) {
    return this.connections.get(`${account} ${livemode ? 'live' : 'test'}`);
  }

  connect(connection) {
    this.connections.set(`${connection.account} ${connection.livemode ? 'live' : 'test'}`, connection);
    this.changed();
  }

  clientId(livemode) {
    return livemode ? this.keys.live.clientId : this.keys.test.clientId;
  }

  application(livemode) {
    return { id: this.clientId(livemode), object: 'application', name: 'CognitiveCart' };
  }

  /** Ends a connection; false when there was none. The event leaves first: afterwards nobody may hear of it. */
  disconnect(account, livemode) {
    if (!this.connection(account, livemode)) return false;
    this.emit('account.application.deauthorized', this.application(livemode), { owner: account, livemode });
    this.connections.delete(`${account} ${livemode ? 'live' : 'test'}`);
    this.changed();
    return true;
  }

  // -- events ----------------------------------------------------------------------------------------------------

  emit(type, object, { owner, livemode }, previous) {
    const event = {
      id: newId('event'),
      object: 'event',
      ...(owner !== this.keys.platform && { account: owner }),
      api_version: API_VERSION,
      ...(owner !== this.keys.platform && { context: owner }),
      created: this.now(),
      data: { object: clone(object), ...(previous && { previous_attributes: previous }) },
      livemode,
      pending_webhooks: 0,
      request: { ...this.cause },
      type,
    };
    const record = this.add('event', event, { owner, livemode });
    for (const listener of this.listeners.event) listener(record);
    return record;
  }

  /** A thin event of v2, which has no snapshot: it names its object and does not show it. */
  emitThin(type, object, { owner, livemode }) {
    const event = {
      id: newId('event'), object: 'v2.core.event', ...(owner !== this.keys.platform && { context: owner }), created: new Date(this.now() * 1000).toISOString(),
      livemode, related_object: object, type,
    };
    const record = this.add('event', event, { owner, livemode });
    for (const listener of this.listeners.event) listener(record);
    return record;
  }

  // -- to disk and back ------------------------------------------------------------------------------------------

  save() {
    const rows = (map) => [...map];
    return {
      version: 1, keys: this.keys, ahead: this.ahead,
      tables: [...this.tables].map(([kind, table]) => [kind, rows(table)]),
      connections: rows(this.connections), codes: rows(this.codes), idempotent: rows(this.idempotent),
    };
  }

  load(state) {
    this.ahead = state.ahead;
    this.tables = new Map(state.tables.map(([kind, table]) => [kind, new Map(table)]));
    this.connections = new Map(state.connections);
    this.codes = new Map(state.codes);
    // A request that was running when the process ended will never finish: its lock is not restored.
    this.idempotent = new Map(state.idempotent.filter(([, kept]) => kept.answer));
    if (!this.record('account', this.keys.platform)) {
      this.addAccount({ id: this.keys.platform, name: 'CognitiveCart (platform)', email: 'platform@example.com' });
    }
  }
}
