// Rules by which the stand-in fails on purpose.
export const WAYS = {
  500: 'answer 500 without doing the work',
  '500_after': 'do the work, then answer 500 (kept under the key and replayed)',
  429: 'answer 429 without doing the work',
  slow: 'wait before doing the work',
  drop_before: 'cut the connection without doing the work',
  drop_after: 'do the work, then cut the connection',
};

export class Misbehaviour {
  constructor() {
    this.rules = [];
  }

  /** `on`: 'POST /v1/checkout/sessions' (the route or the exact path) or a RegExp over either; nothing = everything. */
  add({ on, how, times = 1, ms = 11_000 }) {
    const way = String(how);
    if (!Object.hasOwn(WAYS, way)) throw new Error(`misbehave: how is one of ${Object.keys(WAYS).join(', ')}`);
    const rule = { on, how: way, left: times, ms };
    this.rules.push(rule);
    if (this.rules.length > 100) this.rules.shift();
    return rule;
  }

  clear() {
    this.rules = [];
  }

  /** The rule for this request, used up by one; undefined when all is to go well. */
  take(route, line) {
    const fits = ({ on }) => !on || (on instanceof RegExp ? on.test(route) || on.test(line) : on === route || on === line);
    const rule = this.rules.find((candidate) => candidate.left > 0 && fits(candidate));
    if (!rule) return undefined;
    rule.left -= 1;
    if (rule.left <= 0) this.rules = this.rules.filter((candidate) => candidate !== rule);
    return rule;
  }
}
