//! Money: amounts, currencies, unit prices, discounts shared out, fees.
//!
//! Everything is an integer in Stripe's minor units (`jpy` 500 is ¥500, `isk` 50000 is 500 kr, `kwd` 1230 is
//! 1.230), never ISO 4217's. There is no floating point here and nothing wraps: what does not fit is `None`.
//! Contract, *Conventions* and *Checkout*.

use crate::error::Problem;
use crate::fields::{Fields, MAX_SAFE_INTEGER};
use crate::record::Json;
use crate::text;
use serde_json::Value;
use std::fmt;

/// The most that Stripe charges to a card, in minor units of any currency.
pub const MAX_CHARGE: i64 = 999_999_999_999;

/// Zero or more minor units, within what D1 keeps exactly (2^53 − 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    pub const ZERO: Amount = Amount(0);

    /// `None` when negative or beyond 2^53 − 1.
    pub fn new(minor: i64) -> Option<Self> {
        (0..=MAX_SAFE_INTEGER).contains(&minor).then_some(Amount(minor))
    }

    /// In minor units.
    pub fn get(self) -> i64 {
        self.0
    }

    pub fn checked_add(self, other: Amount) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Amount::new)
    }

    /// `None` below zero.
    pub fn checked_sub(self, other: Amount) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Amount::new)
    }

    /// `None` when the sum does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Self> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
    }

    /// From arithmetic that was widened so that it could not overflow.
    fn from_wide(minor: i128) -> Option<Self> {
        i64::try_from(minor).ok().and_then(Amount::new)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The currencies that Stripe takes. Which of them a merchant's account may charge is Stripe's to say; it refuses the others itself.
const CODES: &str = "\
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny \
cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd \
jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad \
ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl \
thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw";

const THREE_DECIMALS: &str = "bhd jod kwd omr tnd";

/// Minor units, and the currencies of which Stripe charges no less.
const MINIMUMS: [(i64, &str); 9] = [
    (50, "usd ars aud brl cad chf cop eur idr ils inr nzd php rub sgd zar jpy krw"),
    (30, "gbp"),
    (200, "aed myr pln ron"),
    (250, "dkk"),
    (300, "nok sek"),
    (400, "hkd"),
    (1_000, "mxn thb"),
    (1_500, "czk"),
    (17_500, "huf"),
];

/// A currency that Stripe takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(&'static str);

impl Currency {
    /// Its three letters in either case; `None` when Stripe does not take it.
    pub fn parse(code: &str) -> Option<Self> {
        CODES.split(' ').find(|known| known.eq_ignore_ascii_case(code)).map(Currency)
    }

    /// Three lower-case letters.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// Whether it is one of some, written with spaces between.
    fn among(self, codes: &str) -> bool {
        codes.split(' ').any(|code| code == self.0)
    }

    /// How many decimals of the unit the minor unit has.
    pub fn exponent(self) -> u32 {
        if self.among("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf") {
            0
        } else if self.among(THREE_DECIMALS) {
            3
        } else {
            // isk and ugx too: they have no cents, and Stripe counts in hundredths nevertheless.
            2
        }
    }

    /// In ISO 4217's minor units, for whoever counts by those: three currencies have other ones there. `None` where it does not come
    /// out even, or does not fit.
    pub fn iso_minor(self, amount: Amount) -> Option<i64> {
        if self.among("isk ugx") {
            amount.0.checked_rem(100).filter(|part| *part == 0).and_then(|_| amount.0.checked_div(100))
        } else if self.among("mga") {
            amount.0.checked_mul(100)
        } else {
            Some(amount.0)
        }
    }

    /// The smallest step between two amounts that Stripe takes: every amount is a multiple of it.
    pub fn step(self) -> i64 {
        if self.among("isk ugx") {
            100
        } else if self.among(THREE_DECIMALS) {
            10
        } else {
            1
        }
    }

    /// The least that Stripe charges. It really goes by the currency in which the account is paid out, so this
    /// only catches early what cannot work in the common case; Stripe has the last word.
    pub fn minimum(self) -> Amount {
        Amount(MINIMUMS.iter().find(|(_, codes)| self.among(codes)).map_or(1, |(least, _)| *least))
    }

    /// For pages: `USD 12.30`, `JPY 500`, `ISK 500`, `KWD 1.230`.
    pub fn display(self, amount: Amount) -> String {
        format!("{} {}", self.0.to_ascii_uppercase(), self.decimal(amount))
    }

    /// In units, as people and feeds write it: `12.30`, and of jpy `500`, of isk `500`, of kwd `1.230`.
    pub fn decimal(self, amount: Amount) -> String {
        let unit = 10_i64.saturating_pow(self.exponent());
        let whole = amount.0.checked_div(unit).unwrap_or_default();
        let part = amount.0.checked_rem(unit).unwrap_or_default();
        let places = usize::try_from(self.exponent()).unwrap_or_default();
        // Nobody has seen a hundredth of a króna.
        if unit == 1 || (self.step() == unit && part == 0) { whole.to_string() } else { format!("{whole}.{part:0places$}") }
    }

    /// Reads an amount in units: digits, and with a point no more decimals than the currency has. Digit by digit, so that nothing is
    /// rounded. `Err` is a clause for people.
    pub fn read_decimal(self, text: &str) -> Result<Amount, &'static str> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err("must be digits with a decimal point, as in 12.30 USD");
        }
        let places = usize::try_from(self.exponent()).unwrap_or_default();
        if text.contains('.') && part.len() > places {
            return Err("has more decimals than its currency");
        }
        let part = if places == 0 { String::new() } else { format!("{part:0<places$}") };
        let minor = [whole, &part].concat().parse::<i64>().ok().filter(|minor| *minor <= MAX_CHARGE);
        let minor = minor.ok_or("is more than Stripe charges")?;
        if minor.checked_rem(self.step()) != Some(0) {
            return Err("is not a multiple of the smallest amount of its currency");
        }
        Amount::new(minor).ok_or("is more than Stripe charges")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Json for Amount {
    fn json(&self) -> Value {
        self.0.json()
    }
}

/// What one piece costs, in one of the two forms that Stripe takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitPrice {
    /// `unit_amount`
    Whole(i64),
    /// `unit_amount_decimal`: minor units with at most twelve decimals.
    Decimal(String),
}

/// Twelve decimals, as many as Stripe takes.
const DECIMALS: i128 = 1_000_000_000_000;

/// What one of `quantity` pieces costs that cost `line` together.
///
/// Stripe multiplies and then rounds to the minor unit. The price is off by at most half of 10^-12, so that for
/// any quantity that the contract allows (999,999) the product is off by less than a millionth: it rounds back
/// to `line` exactly.
pub fn unit_price(line: Amount, quantity: i64) -> UnitPrice {
    let quantity = i128::from(quantity.max(1));
    let total = i128::from(line.0).saturating_mul(DECIMALS);
    // Half up: (2 × total + quantity) ÷ (2 × quantity)
    let scaled = total.saturating_mul(2).saturating_add(quantity).checked_div(quantity.saturating_mul(2)).unwrap_or_default();
    let whole = scaled.checked_div(DECIMALS).unwrap_or_default();
    let part = scaled.checked_rem(DECIMALS).unwrap_or_default();
    // An amount is below 2^53 and a part below 10^12: both fit.
    let (whole, part) = (i64::try_from(whole).unwrap_or(i64::MAX), i64::try_from(part).unwrap_or(0));
    if part == 0 {
        return UnitPrice::Whole(whole);
    }
    let digits = format!("{part:012}");
    UnitPrice::Decimal(format!("{whole}.{}", digits.trim_end_matches('0')))
}

/// Shares `discount` out over `lines` in proportion, in whole `step`s: what is left after rounding down goes, one
/// step each, to the lines that rounding cost most (largest remainder; the earlier line wins a tie).
///
/// The shares sum to `discount` exactly and none is larger than its line. `None` when the discount is larger
/// than all lines together.
pub fn spread(discount: Amount, lines: &[Amount], step: i64) -> Option<Vec<Amount>> {
    let total = Amount::sum(lines.iter().copied())?;
    if discount > total {
        return None;
    }
    let step = step.max(1);
    let wide_step = i128::from(step);
    // In units of 1/total of a minor unit, nothing has to be rounded.
    let scale = i128::from(total.0.max(1)).checked_mul(wide_step)?;

    let mut shares = Vec::with_capacity(lines.len());
    let mut losses = Vec::with_capacity(lines.len());
    let mut left = discount.0;
    for (place, line) in lines.iter().enumerate() {
        let exact = i128::from(discount.0).checked_mul(i128::from(line.0))?;
        let share = Amount::from_wide(exact.checked_div(scale)?.checked_mul(wide_step)?)?.0;
        left = left.checked_sub(share)?;
        shares.push(share);
        // The greatest loss first; equal ones stay in the order of the lines.
        let loss = exact.checked_rem(scale)?;
        losses.insert(losses.partition_point(|(other, _)| *other >= loss), (loss, place));
    }

    // The first round gives a step each and is enough where everything is a multiple of the step. The second
    // gives whatever fits: amounts that no step divides still sum up.
    for give in [step, i64::MAX] {
        for (_, place) in &losses {
            let (Some(share), Some(line)) = (shares.get_mut(*place), lines.get(*place)) else { continue };
            let room = line.0.checked_sub(*share)?;
            let more = if give == step && (left < step || room < step) { 0 } else { give.min(left).min(room) };
            *share = share.checked_add(more)?;
            left = left.checked_sub(more)?;
        }
    }
    if left != 0 {
        return None;
    }
    shares.into_iter().map(Amount::new).collect()
}

/// Basis points of the total and a fixed part by currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeeRule {
    /// Hundredths of a per cent.
    pub bps: i64,
    /// Minor units by lower-case currency; none where a currency is missing.
    pub fixed: Vec<(String, i64)>,
}

impl FeeRule {
    /// Reads a stored fixed part: an object of minor units by currency.
    pub fn read_fixed(json: &str) -> Option<Vec<(String, i64)>> {
        let fixed: Value = json.parse().ok()?;
        fixed.as_object()?.iter().map(|(currency, minor)| Some((currency.clone(), minor.as_i64()?))).collect()
    }

    /// The fixed part, minor units.
    fn fixed_in(&self, currency: Currency) -> i128 {
        i128::from(self.fixed.iter().find(|(code, _)| code == currency.code()).map_or(0, |(_, minor)| (*minor).max(0)))
    }

    /// `total × bps / 10,000 + fixed`, in 10,000ths of a minor unit, so that the caller decides how to round.
    fn of(&self, total: Amount, currency: Currency) -> i128 {
        let fixed = self.fixed_in(currency).saturating_mul(TEN_THOUSAND);
        i128::from(total.0).saturating_mul(i128::from(self.bps.max(0))).saturating_add(fixed)
    }
}

const TEN_THOUSAND: i128 = 10_000;

/// What the platform takes of a shop's sales.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeeTerms {
    /// Where no category has a rule of its own.
    pub rule: FeeRule,
    /// Categories of the product feed, each with the rule of what is in it.
    pub categories: Vec<(String, FeeRule)>,
    /// What Stripe takes of the platform; the fee is never below it.
    pub cost: FeeRule,
}

/// A line of an order, as its fee sees it: what it costs and which category of the feed it is in.
pub type FeeLine<'a> = (Amount, Option<&'a str>);

impl FeeTerms {
    /// Reads the stored rules of categories: an object of `{bps?, fixed?}` by category. What one does not say is that of `rule`.
    pub fn read_categories(json: &str, rule: &FeeRule) -> Option<Vec<(String, FeeRule)>> {
        let stored: Value = json.parse().ok()?;
        let mut categories = Vec::new();
        for (category, own) in stored.as_object()? {
            let named = |name: &str| own.get(name).filter(|value| !value.is_null());
            let fixed = match named("fixed") {
                Some(fixed) => FeeRule::read_fixed(&fixed.text())?,
                None => rule.fixed.clone(),
            };
            let bps = named("bps").map_or(Some(rule.bps), Value::as_i64)?;
            categories.push((category.clone(), FeeRule { bps, fixed }));
        }
        Some(categories)
    }

    /// The rule of a category: that of the longest path that it lies below.
    pub fn rule_of(&self, category: Option<&str>) -> &FeeRule {
        let fits = |(path, _): &&(String, FeeRule)| category.is_some_and(|category| lies_below(category, path));
        self.categories.iter().filter(fits).max_by_key(|(path, _)| path.split('>').count()).map_or(&self.rule, |(_, rule)| rule)
    }

    /// The application fee on `total`, which has tax and shipping in it. Where the lines are of categories with rules of their own, each
    /// line bears its exact share of the total, by what it costs, and of several fixed parts the largest counts, once for the order.
    /// Rounded down once, at the end: shares that were rounded each would let the fee of a larger total be the smaller one.
    /// Never below what Stripe takes of the platform (rounded up), never above the total; in the currency's steps, or Stripe would
    /// refuse it.
    pub fn fee(&self, total: Amount, currency: Currency, lines: &[FeeLine<'_>]) -> Amount {
        let (mut weights, mut weighted, mut fixed) = (0_i128, 0_i128, 0_i128);
        for (amount, category) in lines.iter().filter(|(amount, _)| *amount > Amount::ZERO) {
            let (rule, weight) = (self.rule_of(*category), i128::from(amount.0));
            weights = weights.saturating_add(weight);
            weighted = weighted.saturating_add(weight.saturating_mul(i128::from(rule.bps.max(0))));
            fixed = fixed.max(rule.fixed_in(currency));
        }
        if weights == 0 {
            (weights, weighted, fixed) = (1, i128::from(self.rule.bps.max(0)), self.rule.fixed_in(currency));
        }
        let wanted =
            i128::from(total.0).saturating_mul(weighted).saturating_add(fixed.saturating_mul(TEN_THOUSAND).saturating_mul(weights));
        let step = i128::from(currency.step());
        let unit = TEN_THOUSAND.saturating_mul(step);
        let wanted = wanted.checked_div(unit.saturating_mul(weights)).unwrap_or_default();
        let needed = self.cost.of(total, currency);
        let needed = needed.saturating_add(unit.saturating_sub(1)).checked_div(unit).unwrap_or_default();
        let minor = wanted.max(needed).saturating_mul(step).min(i128::from(total.0));
        Amount::from_wide(minor).unwrap_or(total)
    }
}

/// Whether a category of the feed is another one or lies below it: `Apparel > Shoes > Boots` below `apparel > shoes`, and not below
/// `Apparel > Sho`.
fn lies_below(category: &str, path: &str) -> bool {
    let mut steps = category.split('>').map(|step| text::folded(step.trim()));
    path.split('>').all(|step| steps.next().is_some_and(|own| own == text::folded(step.trim())))
}

/// The platform's application fee on `total` by one rule (see [`FeeTerms::fee`]).
pub fn application_fee(total: Amount, currency: Currency, fee: &FeeRule, cost: &FeeRule) -> Amount {
    FeeTerms { rule: fee.clone(), categories: Vec::new(), cost: cost.clone() }.fee(total, currency, &[])
}

/// Reads `{currency: minor units}`, where whoever sent it can be told what is wrong with it.
pub fn read_amounts(value: &Value, path: &str) -> crate::error::Result<Vec<(String, i64)>> {
    let names: Vec<&str> = value.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default();
    let amounts = Fields::open(value, path, &names)?;
    let mut read = Vec::new();
    for name in names {
        if Currency::parse(name).is_none_or(|currency| currency.code() != name) {
            let what = "is no currency that Stripe charges in, in lower case.";
            return Err(Problem::value_about("currency_unsupported", &amounts.name(name), what));
        }
        amounts.need(name)?;
        read.push((name.to_owned(), amounts.integer(name, 0, MAX_CHARGE)?.unwrap_or_default()));
    }
    Ok(read)
}
