// Amounts: exact, in big integers where a product may leave 2^53. Rules as in Stripe's list of currencies.

const set = (text) => new Set(text.split(' '));

const CURRENCIES = set(
  'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny ' +
  'cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod ' +
  'jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio ' +
  'nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd ' +
  'top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw');
export const ZERO_DECIMAL = set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf');
export const THREE_DECIMAL = set('bhd jod kwd omr tnd');
/** Sent with two decimals that must be 00: whole units today, decimals kept for old integrations. */
export const WHOLE_UNITS = set('isk ugx');

/** Minor units; only where Stripe publishes a minimum. */
export const MINIMUM = {
  usd: 50, aed: 200, ars: 50, aud: 50, brl: 50, cad: 50, chf: 50, cop: 50, czk: 1500, dkk: 250, eur: 50, gbp: 30, hkd: 400,
  huf: 17500, idr: 50, ils: 50, inr: 50, jpy: 50, krw: 50, mxn: 1000, myr: 200, nok: 300, nzd: 50, php: 50, pln: 200, ron: 200,
  rub: 50, sek: 300, sgd: 50, thb: 1000, zar: 50,
};
export const MAXIMUM_CARD = 999_999_999_999;
export const MAXIMUM_OTHER = 99_999_999;

export const isCurrency = (code) => CURRENCIES.has(code);
export const decimals = (code) => (ZERO_DECIMAL.has(code) ? 0 : THREE_DECIMAL.has(code) ? 3 : 2);
/** The step an amount has to keep: 100 for ISK and UGX, 10 for three-decimal currencies. */
export const step = (code) => (WHOLE_UNITS.has(code) ? 100 : THREE_DECIMAL.has(code) ? 10 : 1);

const SCALE = 10n ** 12n; // unit_amount_decimal has up to 12 decimal places

/** '333.333333333333' → big integer of 10^-12 minor units; null when it is not such a number. */
export function parseDecimal(text) {
  const match = /^(\d{1,15})(?:\.(\d{1,12}))?$/.exec(text);
  return match ? BigInt(match[1]) * SCALE + BigInt((match[2] ?? '').padEnd(12, '0')) : null;
}

/** Quantity × unit, rounded half up once a line: never a unit first, which would lose money on every piece. */
export function lineTotal(scaledUnit, quantity) {
  const exact = scaledUnit * BigInt(quantity);
  return Number((exact + SCALE / 2n) / SCALE);
}

/** The canonical text of a decimal amount, as Stripe prints it: no trailing zeros. */
export function printDecimal(scaled) {
  const whole = scaled / SCALE;
  const rest = (scaled % SCALE).toString().padStart(12, '0').replace(/0+$/, '');
  return rest ? `${whole}.${rest}` : `${whole}`;
}

export const isWhole = (scaled) => scaled % SCALE === 0n;
export const scale = (integer) => BigInt(integer) * SCALE;

/** The toy tax of the stand-in: 10 %, whoever buys and wherever. Kept to the currency's step. */
export const TAX_PERCENT = 10n;
export function tax(amount, behavior, currency) {
  const whole = BigInt(amount);
  const over = behavior === 'inclusive' ? 100n + TAX_PERCENT : 100n;
  const unit = BigInt(step(currency));
  const exact = whole * TAX_PERCENT;
  return Number(((exact + (over * unit) / 2n) / (over * unit)) * unit);
}

/** a × b ÷ c, rounded down. */
export const share = (a, b, c) => (c ? Number((BigInt(a) * BigInt(b)) / BigInt(c)) : 0);

export function format(amount, currency) {
  if (amount === null || amount === undefined || !currency) return '';
  const digits = decimals(currency);
  const text = new Intl.NumberFormat('en', {
    style: 'currency', currency: currency.toUpperCase(),
    minimumFractionDigits: WHOLE_UNITS.has(currency) ? 0 : digits, maximumFractionDigits: digits,
  });
  return text.format(amount / 10 ** digits);
}
