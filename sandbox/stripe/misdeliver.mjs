// Rules by which events go astray on purpose: what networks and Stripe's queues do, made to happen when a test wants it.
export const FAULTS = {
  lose: 'never sent',
  twice: 'sent twice at the same moment',
  late: 'sent after a while',
  behind: 'sent after the next event to the same endpoint',
  unheard: 'sent, but the answer is lost on the way: sent again after the usual pause',
};

export class Misdelivery {
  constructor() {
    this.rules = [];
  }

  /**
   * `on`: a type ('charge.refunded', 'refund.*') or a RegExp; nothing = every event. `times` = Infinity: until called off.
   * `ms`: how late is late, and how long `behind` waits for another event at most.
   */
  add({ on, how, times = 1, ms = 2_000 }) {
    if (!Object.hasOwn(FAULTS, how)) throw new Error(`misdeliver: how is one of ${Object.keys(FAULTS).join(', ')}`);
    const rule = { on, how, left: times, ms };
    this.rules.push(rule);
    if (this.rules.length > 100) this.rules.shift();
    return rule;
  }

  clear() {
    this.rules = [];
  }

  /** The rule for this event, used up by one; undefined when all is to go well. */
  take(type) {
    const fits = (on) => !on || (on instanceof RegExp ? on.test(type) : on.endsWith('.*') ? type.startsWith(on.slice(0, -1)) : on === type);
    const rule = this.rules.find((candidate) => fits(candidate.on));
    if (!rule) return undefined;
    rule.left -= 1;
    if (rule.left <= 0) this.rules = this.rules.filter((candidate) => candidate !== rule);
    return rule;
  }
}
