// Money: integers in Stripe's minor units, and nothing else.
//
// Why not floats: 0.1 + 0.2 is not 0.3, and a shop that is a cent off is refused (`total_mismatch`).
// Why not ISO 4217's exponents: Stripe's differ. What Stripe calls a minor unit (contract, "Conventions"):
//
//   most            1/100        $12.30      -> 1230
//   zero-decimal    1            ¥500        -> 500
//   three-decimal   1/1000, and the last digit must be 0:   KWD 1.230 -> 1230, never 1235
//   ISK, UGX        no cents exist, yet two decimals are sent: ISK 500 -> 50000, always a multiple of 100

const ZERO_DECIMAL = new Set(['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf']);
const THREE_DECIMAL = new Set(['bhd', 'jod', 'kwd', 'omr', 'tnd']);
const WHOLE_UNITS_WITH_TWO_DECIMALS = new Set(['isk', 'ugx']);

/** How many decimal places Stripe's minor unit has. */
export function exponent(currency) {
  const code = known(currency);
  if (ZERO_DECIMAL.has(code)) return 0;
  if (THREE_DECIMAL.has(code)) return 3;
  return 2;
}

/** The smallest step an amount may be a multiple of: 1, 10 (three-decimal) or 100 (ISK, UGX). */
export function step(currency) {
  const code = known(currency);
  if (THREE_DECIMAL.has(code)) return 10;
  if (WHOLE_UNITS_WITH_TWO_DECIMALS.has(code)) return 100;
  return 1;
}

/** "12.30" in usd -> 1230. Refuses what the currency cannot express instead of rounding a price in silence. */
export function toMinor(decimal, currency) {
  const match = /^(\d{1,12})(?:\.(\d{1,6}))?$/.exec(String(decimal).trim());
  if (!match) throw new RangeError(`"${decimal}" is not an amount like 12.30`);
  const places = exponent(currency);
  const fraction = (match[2] ?? '').replace(/0+$/, '');
  if (fraction.length > places) throw new RangeError(`${currency.toUpperCase()} has ${places} decimal places, "${decimal}" has more`);
  const minor = Number(match[1] + fraction.padEnd(places, '0'));
  if (!Number.isSafeInteger(minor)) throw new RangeError(`"${decimal}" is too large`);
  if (minor % step(currency) !== 0) throw new RangeError(`${currency.toUpperCase()} cannot express "${decimal}": the amount must be a multiple of ${fromMinor(step(currency), currency)}`);
  return minor;
}

/** 1230 in usd -> "12.30", for a form field. */
export function fromMinor(amount, currency) {
  whole(amount);
  const places = exponent(currency);
  const digits = String(amount).padStart(places + 1, '0');
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** 1230 in usd -> "$12.30", for people. ISK and UGX are shown without the decimals that do not exist. */
export function format(amount, currency) {
  const decimals = WHOLE_UNITS_WITH_TWO_DECIMALS.has(known(currency)) ? 0 : exponent(currency);
  return new Intl.NumberFormat('en', {
    style: 'currency', currency, minimumFractionDigits: decimals, maximumFractionDigits: decimals,
  }).format(fromMinor(amount, currency));
}

/**
 * amount × numerator / denominator, rounded half up to a step the currency can express.
 * BigInt, because the product of a large amount and a rate may leave the safe integers on the way.
 */
export function scale(amount, numerator, denominator, currency) {
  whole(amount);
  const unit = BigInt(step(currency));
  const divisor = BigInt(denominator) * unit;
  const steps = (BigInt(amount) * BigInt(numerator) * 2n + divisor) / (divisor * 2n);
  return Number(steps * unit);
}

/** usd cents -> another currency, at a rate written as a decimal string ("151.2"): the demo's price lists. */
export function convertFromUsd(cents, rate, currency) {
  const [units, fraction = ''] = rate.split('.');
  const numerator = BigInt(units + fraction) * 10n ** BigInt(exponent(currency));
  const denominator = 10n ** BigInt(fraction.length + exponent('usd'));
  return scale(cents, numerator, denominator, currency);
}

function known(currency) {
  if (typeof currency !== 'string' || !/^[a-z]{3}$/.test(currency)) throw new RangeError(`"${currency}" is not a lower-case currency code`);
  return currency;
}

function whole(amount) {
  if (!Number.isSafeInteger(amount) || amount < 0) throw new RangeError(`${amount} is not an amount in minor units`);
}
