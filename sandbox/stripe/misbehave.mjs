// Rules by which the stand-in fails on purpose.
export const WAYS = {
  500: 'answer 500 without doing the work',
  '500_after': 'do the work, then answer 500 (kept under the key and replayed)',
  429: 'answer 429 without doing the work',
  slow: 'wait before doing the work',
  hold_before: 'wait before doing the work, until told to go on',
  hold_after: 'do the work, but keep the answer back until told to go on',
  drop_before: 'cut the connection without doing the work',
  drop_after: 'do the work, then cut the connection',
  bend: 'do the work, but make something else of it (`fields`)',
};

export class Misbehaviour {
  constructor() {
    this.rules = [];
    this.held = [];
    this.watchers = [];
  }

  /**
   * `on`: 'POST /v1/checkout/sessions' (the route or the exact path) or a RegExp over either; nothing = everything.
   * `ms`: how long slow is. `fields`: what bend makes of the object, e.g. { url: null }.
   */
  add({ on, how, times = 1, ms = 11_000, fields }) {
    const way = String(how);
    if (!Object.hasOwn(WAYS, way)) throw new Error(`misbehave: how is one of ${Object.keys(WAYS).join(', ')}`);
    if (way === 'bend' && (fields === null || typeof fields !== 'object')) throw new Error('misbehave: bend needs fields');
    const rule = { on, how: way, left: times, ms, ...(way === 'bend' && { fields }) };
    this.rules.push(rule);
    if (this.rules.length > 100) this.rules.shift();
    return rule;
  }

  clear() {
    this.rules = [];
    this.release();
  }

  /** Keeps a call waiting until `release`. */
  hold() {
    return new Promise((goOn) => {
      this.held.push(goOn);
      for (const { count, wake } of this.watchers) if (this.held.length >= count) wake();
      this.watchers = this.watchers.filter(({ count }) => this.held.length < count);
    });
  }

  /** Resolves when `count` calls are kept waiting. */
  holding(count = 1) {
    if (this.held.length >= count) return Promise.resolve();
    return new Promise((resolve) => { this.watchers.push({ count, wake: resolve }); });
  }

  /** Lets those go on that are kept waiting now. → how many */
  release() {
    const held = this.held.splice(0);
    for (const goOn of held) goOn();
    return held.length;
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
