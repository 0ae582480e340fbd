//! Amounts, currencies, unit prices, shared discounts and fees. Loops draw from a fixed generator: the same cases
//! every time, and a failure prints its own.

use super::dice::Dice;
use cognitivecart_worker::fields::MAX_SAFE_INTEGER;
use cognitivecart_worker::money::{Amount, Currency, FeeRule, FeeTerms, MAX_CHARGE, UnitPrice, application_fee, spread, unit_price};
use cognitivecart_worker::record::Json;

fn amount(minor: i64) -> Amount {
    Amount::new(minor).unwrap()
}

fn amounts(minor: &[i64]) -> Vec<Amount> {
    minor.iter().map(|m| amount(*m)).collect()
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn fee(bps: i64, fixed: &[(&str, i64)]) -> FeeRule {
    FeeRule { bps, fixed: fixed.iter().map(|(code, minor)| ((*code).to_owned(), *minor)).collect() }
}

#[test]
fn amounts_stay_within_what_the_database_keeps_exactly() {
    assert_eq!(Amount::new(-1), None);
    assert_eq!(Amount::new(MAX_SAFE_INTEGER).map(Amount::get), Some(MAX_SAFE_INTEGER));
    assert_eq!(Amount::new(MAX_SAFE_INTEGER + 1), None);
    assert_eq!(Amount::new(i64::MAX), None);
    assert_eq!(Amount::new(i64::MIN), None);
    let most = amount(MAX_SAFE_INTEGER);
    assert_eq!(most.checked_add(amount(1)), None);
    assert_eq!(amount(1).checked_add(amount(2)), Amount::new(3));
    assert_eq!(amount(1).checked_sub(amount(2)), None);
    assert_eq!(amount(2).checked_sub(amount(2)), Some(Amount::ZERO));
    assert_eq!(Amount::sum([]), Some(Amount::ZERO));
    assert_eq!(Amount::sum([most, amount(1)]), None);
    assert_eq!(Amount::sum(amounts(&[1, 20, 300])), Amount::new(321));
    assert_eq!(amount(12).json(), 12);
}

#[test]
fn currencies_are_stripes() {
    for code in ["usd", "USD", "Usd"] {
        assert_eq!(currency(code).code(), "usd");
    }
    for code in ["", "us", "usdd", "xxx", "usd ", " usd", "btc", "ûsd", "usd\0", "hrk"] {
        assert_eq!(Currency::parse(code), None, "{code:?}");
    }
    for code in ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"] {
        assert_eq!((currency(code).exponent(), currency(code).step()), (0, 1), "{code}");
    }
    for code in ["bhd", "jod", "kwd", "omr", "tnd"] {
        assert_eq!((currency(code).exponent(), currency(code).step()), (3, 10), "{code}");
    }
    for code in ["isk", "ugx"] {
        assert_eq!((currency(code).exponent(), currency(code).step()), (2, 100), "{code}");
    }
    for code in ["usd", "eur", "huf", "twd", "aed", "zmw", "xcg"] {
        assert_eq!((currency(code).exponent(), currency(code).step()), (2, 1), "{code}");
    }
    // From Stripe's page, which prints 0.50, 0.30, 4.00, 175.00, 15.00, 50, 10 and 10.
    let minimums =
        [("usd", 50), ("gbp", 30), ("hkd", 400), ("huf", 17_500), ("czk", 1_500), ("jpy", 50), ("mxn", 1_000), ("thb", 1_000), ("afn", 1)];
    for (code, minimum) in minimums {
        assert_eq!(currency(code).minimum().get(), minimum, "{code}");
    }
}

/// The look-up is a binary search: a code out of order could not be found.
#[test]
fn every_currency_of_three_letters_that_is_found_is_found_by_itself() {
    let letters = || b'a'..=b'z';
    let mut found = 0;
    for (a, b, c) in letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| (a, b, c)))) {
        let code = String::from_utf8(vec![a, b, c]).unwrap();
        if let Some(currency) = Currency::parse(&code) {
            assert_eq!(currency.code(), code);
            found += 1;
        }
    }
    assert_eq!(found, 140, "a currency came, went, or is out of order");
}

#[test]
fn amounts_are_shown_as_people_write_them() {
    for (code, minor, shown) in [
        ("usd", 1230, "USD 12.30"),
        ("usd", 5, "USD 0.05"),
        ("usd", 0, "USD 0.00"),
        ("jpy", 500, "JPY 500"),
        ("isk", 50_000, "ISK 500"),
        ("ugx", 100, "UGX 1"),
        // Cannot be charged, and must not be shown as something else either.
        ("isk", 50_050, "ISK 500.50"),
        ("kwd", 1_230, "KWD 1.230"),
        ("kwd", 10, "KWD 0.010"),
        ("eur", MAX_CHARGE, "EUR 9999999999.99"),
    ] {
        assert_eq!(currency(code).display(amount(minor)), shown);
    }
}

/// Quantity × unit price, rounded half up to the minor unit, as Stripe does; in integers.
pub fn charged(price: &UnitPrice, quantity: i64) -> i64 {
    let scaled: i128 = match price {
        UnitPrice::Whole(minor) => i128::from(*minor) * 1_000_000_000_000,
        UnitPrice::Decimal(text) => {
            let (whole, part) = text.split_once('.').unwrap();
            assert!(!part.is_empty() && part.len() <= 12 && !part.ends_with('0'), "{text}");
            format!("{whole}{part:0<12}").parse().unwrap()
        }
    };
    ((scaled * i128::from(quantity) * 2 + 1_000_000_000_000) / 2_000_000_000_000) as i64
}

#[test]
fn unit_prices_are_whole_where_they_can_be() {
    assert_eq!(unit_price(amount(1000), 4), UnitPrice::Whole(250));
    assert_eq!(unit_price(amount(0), 7), UnitPrice::Whole(0));
    assert_eq!(unit_price(amount(1000), 3), UnitPrice::Decimal("333.333333333333".into()));
    assert_eq!(unit_price(amount(2000), 3), UnitPrice::Decimal("666.666666666667".into()));
    assert_eq!(unit_price(amount(1), 8), UnitPrice::Decimal("0.125".into()));
    assert_eq!(unit_price(amount(1), 999_999), UnitPrice::Decimal("0.000001000001".into()));
    // Half up: 1 ÷ 2^13 = 0.0001220703125, thirteen decimals.
    assert_eq!(unit_price(amount(1), 8192), UnitPrice::Decimal("0.000122070313".into()));
}

#[test]
fn quantity_times_unit_price_is_the_line_again() {
    let mut dice = Dice(1);
    for round in 0..200_000 {
        let (line, quantity) = (dice.scaled(MAX_CHARGE), dice.scaled(999_998) + 1);
        let price = unit_price(amount(line), quantity);
        assert_eq!(charged(&price, quantity), line, "round {round}: {line} for {quantity}: {price:?}");
        assert_eq!(matches!(price, UnitPrice::Whole(_)), line % quantity == 0, "{line} for {quantity}");
    }
    for (line, quantity) in [(MAX_CHARGE, 999_999), (MAX_CHARGE - 1, 999_998), (1, 999_999), (999_998, 999_999)] {
        assert_eq!(charged(&unit_price(amount(line), quantity), quantity), line);
    }
}

fn shares(discount: i64, lines: &[i64], step: i64) -> Option<Vec<i64>> {
    spread(amount(discount), &amounts(lines), step).map(|shares| shares.into_iter().map(Amount::get).collect())
}

#[test]
fn discounts_are_shared_by_largest_remainder() {
    assert_eq!(shares(0, &[], 1), Some(vec![]));
    assert_eq!(shares(0, &[5, 0], 1), Some(vec![0, 0]));
    assert_eq!(shares(100, &[100, 100, 100], 1), Some(vec![34, 33, 33]), "the earlier line wins a tie");
    // 3.33…, 3.33…, 3.33… of unequal lines: 10 × 1/7, 2/7, 4/7 = 1.43, 2.86, 5.71
    assert_eq!(shares(10, &[100, 200, 400], 1), Some(vec![1, 3, 6]));
    assert_eq!(shares(7, &[7], 1), Some(vec![7]));
    assert_eq!(shares(30, &[10, 20], 1), Some(vec![10, 20]));
    assert_eq!(shares(31, &[10, 20], 1), None);
    assert_eq!(shares(1, &[], 1), None);
    assert_eq!(shares(1, &[0, 0], 1), None);
    assert_eq!(shares(1, &[0, 9], 1), Some(vec![0, 1]));
    assert_eq!(shares(100, &[300, 300, 300], 100), Some(vec![100, 0, 0]), "a króna is not divided");
    assert_eq!(shares(20, &[1000, 1000, 1000], 10), Some(vec![10, 10, 0]));
    // Nothing that the reader lets through, and exact all the same.
    assert_eq!(shares(55, &[33, 33, 33], 10).map(|s| s.iter().sum()), Some(55));
}

#[test]
fn shares_sum_to_the_discount_and_stay_within_one_step_of_the_exact_share() {
    let mut dice = Dice(2);
    for round in 0..20_000 {
        let step = [1, 10, 100][dice.within(0, 2) as usize];
        let lines: Vec<i64> = (0..dice.within(1, 100)).map(|_| dice.scaled(MAX_CHARGE / 100) / step * step).collect();
        let total: i64 = lines.iter().sum();
        let discount = match dice.within(0, 9) {
            0 => total,
            1 => 0,
            _ => dice.within(0, total) / step * step,
        };
        let shares = shares(discount, &lines, step).unwrap();
        let case = || format!("round {round}: {discount} over {lines:?} in {step}: {shares:?}");
        assert_eq!(shares.iter().sum::<i64>(), discount, "{}", case());
        for (share, line) in shares.iter().zip(&lines) {
            assert!((0..=*line).contains(share) && share % step == 0, "{}", case());
            let off = i128::from(*share) * i128::from(total) - i128::from(discount) * i128::from(*line);
            assert!(off.abs() < i128::from(step) * i128::from(total.max(1)), "{}", case());
        }
        assert_eq!(spread(amount(total + step), &amounts(&lines), step), None);
    }
}

/// Amounts that are no multiples of the step do not come from a checked order; the sum is exact even so.
#[test]
fn shares_are_exact_whatever_the_step() {
    let mut dice = Dice(3);
    for _ in 0..20_000 {
        let lines: Vec<i64> = (0..dice.within(1, 8)).map(|_| dice.within(0, 300)).collect();
        let discount = dice.within(0, lines.iter().sum());
        let step = dice.within(-1, 120);
        let shares = shares(discount, &lines, step).unwrap();
        assert_eq!(shares.iter().sum::<i64>(), discount, "{discount} over {lines:?} in {step}");
        assert!(shares.iter().zip(&lines).all(|(share, line)| share <= line && *share >= 0));
    }
}

#[test]
fn fees_are_rounded_down_and_never_more_than_the_total() {
    let none = FeeRule::default();
    let usd = currency("usd");
    let of = |total, rule: &FeeRule, cost: &FeeRule| application_fee(amount(total), usd, rule, cost).get();
    assert_eq!(of(1999, &none, &none), 0);
    assert_eq!(of(1999, &fee(250, &[]), &none), 49, "49.975");
    assert_eq!(of(1999, &fee(250, &[("usd", 30)]), &none), 79);
    assert_eq!(of(1999, &fee(250, &[("eur", 30)]), &none), 49, "another currency's part");
    assert_eq!(of(1999, &fee(10_000, &[("usd", 30)]), &none), 1999);
    assert_eq!(of(50, &fee(0, &[("usd", 80)]), &none), 50);
    // Never below what Stripe takes of the platform: 1999 × 2.9 % + 30 = 87.97…
    assert_eq!(of(1999, &fee(100, &[]), &fee(290, &[("usd", 30)])), 88);
    assert_eq!(of(1999, &fee(1000, &[]), &fee(290, &[("usd", 30)])), 199);
    assert_eq!(of(60, &none, &fee(0, &[("usd", 80)])), 60);
    assert_eq!(of(0, &fee(250, &[("usd", 30)]), &none), 0);
    assert_eq!(of(MAX_SAFE_INTEGER, &fee(10_000, &[]), &none), MAX_SAFE_INTEGER);
    assert_eq!(of(1000, &fee(i64::MAX, &[("usd", i64::MAX)]), &none), 1000);
    assert_eq!(of(1000, &fee(-5, &[("usd", -5)]), &none), 0);
}

#[test]
fn fees_are_in_the_currencys_steps() {
    let fee = |code: &str, total, rule: &FeeRule, cost: &FeeRule| application_fee(amount(total), currency(code), rule, cost).get();
    let none = FeeRule::default();
    let rule = self::fee(250, &[]);
    assert_eq!(fee("isk", 50_000, &rule, &none), 1_200, "12.5 kr");
    assert_eq!(fee("isk", 50_000, &none, &rule), 1_300, "a cost is rounded up");
    assert_eq!(fee("kwd", 1_230, &rule, &none), 30, "0.03075");
    assert_eq!(fee("kwd", 1_230, &none, &rule), 40);
    assert_eq!(fee("jpy", 999, &rule, &none), 24);

    let mut dice = Dice(4);
    for _ in 0..50_000 {
        let code = ["usd", "jpy", "isk", "kwd"][dice.within(0, 3) as usize];
        let step = currency(code).step();
        let total = dice.scaled(MAX_CHARGE / step) * step;
        let (rule, cost) = (self::fee(dice.within(0, 10_000), &[(code, dice.within(0, 500))]), self::fee(dice.within(0, 600), &[]));
        let taken = fee(code, total, &rule, &cost);
        let exact = i128::from(total) * i128::from(rule.bps) + i128::from(rule.fixed[0].1) * 10_000;
        let least = i128::from(total) * i128::from(cost.bps);
        assert!(taken >= 0 && taken <= total && taken % step == 0, "{code} {total} {rule:?} {cost:?}: {taken}");
        let scaled = i128::from(taken) * 10_000;
        assert!(taken == total || scaled >= least, "below the cost: {code} {total} {rule:?} {cost:?}: {taken}");
        assert!(
            scaled <= exact || scaled - least < i128::from(step) * 10_000,
            "more than either asks for: {code} {total} {rule:?} {cost:?}: {taken}"
        );
        assert!(taken == total || scaled + i128::from(step) * 10_000 > exact, "too little: {code} {total} {rule:?}: {taken}");
    }
}

fn terms(rule: FeeRule, categories: &[(&str, FeeRule)], cost: FeeRule) -> FeeTerms {
    FeeTerms { rule, categories: categories.iter().map(|(path, rule)| ((*path).to_owned(), rule.clone())).collect(), cost }
}

#[test]
fn the_longest_category_counts_step_by_step() {
    let terms = terms(
        fee(1, &[]),
        &[("Apparel", fee(2, &[])), ("apparel>shoes", fee(3, &[])), ("Apparel > Shoes > Boots", fee(4, &[])), ("187", fee(5, &[]))],
        fee(0, &[]),
    );
    for (category, bps) in [
        (None, 1),
        (Some(""), 1),
        (Some("Food"), 1),
        (Some("Apparel"), 2),
        (Some("APPAREL > Hats"), 2),
        (Some("Apparel > Shoes"), 3),
        (Some("Apparel>Shoes > Sandals"), 3),
        (Some("Apparel > Shoes > Boots > Hiking"), 4),
        (Some("Apparel > Shoe"), 2),
        (Some("Apparels"), 1),
        (Some("187"), 5),
        (Some("1870"), 1),
        (Some("Food > Apparel"), 1),
    ] {
        assert_eq!(terms.rule_of(category).bps, bps, "{category:?}");
    }
}

#[test]
fn stored_rules_of_categories_take_what_they_do_not_say_from_the_shop() {
    let own = fee(100, &[("usd", 30)]);
    let read = |json: &str| FeeTerms::read_categories(json, &own);
    assert_eq!(read("{}"), Some(vec![]));
    assert_eq!(
        read(r#"{"A":{"bps":500},"B":{"fixed":{"usd":1}},"C":{"bps":0,"fixed":{}},"D":{"bps":null,"fixed":null}}"#),
        Some(vec![
            ("A".to_owned(), fee(500, &[("usd", 30)])),
            ("B".to_owned(), fee(100, &[("usd", 1)])),
            ("C".to_owned(), fee(0, &[])),
            ("D".to_owned(), own.clone()),
        ])
    );
    assert_eq!((read("[]"), read("{"), read(r#"{"A":{"bps":"5"}}"#)), (None, None, None));
}

#[test]
fn a_mixed_order_bears_each_categorys_share_exactly() {
    let usd = currency("usd");
    let terms = terms(fee(100, &[("usd", 3)]), &[("A", fee(1000, &[("usd", 5)])), ("B", fee(0, &[]))], fee(0, &[]));
    let of = |total, lines: &[(i64, Option<&str>)]| {
        let lines: Vec<_> = lines.iter().map(|(minor, category)| (amount(*minor), *category)).collect();
        terms.fee(amount(total), usd, &lines).get()
    };
    assert_eq!(of(1000, &[]), 13);
    assert_eq!(of(1000, &[(0, Some("A"))]), 13, "what costs nothing bears nothing");
    assert_eq!(of(1000, &[(7, Some("A"))]), 105);
    assert_eq!(of(1000, &[(7, Some("B"))]), 0);
    // A third at 10 %, two thirds at 1 %: 33.33 + 6.66 = 40, and the larger fixed part, once.
    assert_eq!(of(1000, &[(100, Some("A")), (200, None)]), 45);
    assert_eq!(of(1000, &[(100, Some("A")), (100, Some("A")), (100, Some("B"))]), 71);
}

/// The three promises to the operator: the platform never pays Stripe's fee out of its own pocket, once it was said what that is; it
/// never takes more than was paid; and who pays more never pays less fee.
#[test]
fn the_fee_of_any_order_covers_the_cost_stays_within_the_amount_and_grows_with_it() {
    let mut dice = Dice(5);
    for round in 0..60_000 {
        let code = ["usd", "jpy", "isk", "kwd"][dice.within(0, 3) as usize];
        let money = currency(code);
        let step = money.step();
        let mut rule = |most: i64| fee(dice.within(0, most), &[(code, dice.within(0, 500))]);
        let terms = terms(rule(3_000), &[("A", rule(10_000)), ("A > B", rule(300)), ("C", rule(0))], rule(600));
        let lines: Vec<(Amount, Option<&str>)> = (0..dice.within(0, 6))
            .map(|_| {
                (
                    amount(dice.scaled(MAX_CHARGE / 100)),
                    [None, Some("A"), Some("A > B > X"), Some("C"), Some("D")][dice.within(0, 4) as usize],
                )
            })
            .collect();
        let total = dice.scaled(MAX_CHARGE / step / 2) * step;
        let case = || format!("round {round}: {code} {total} {terms:?} {lines:?}");
        let taken = terms.fee(amount(total), money, &lines).get();
        assert!((0..=total).contains(&taken) && taken % step == 0, "{}: {taken}", case());
        let cost = i128::from(total) * i128::from(terms.cost.bps) + i128::from(terms.cost.fixed[0].1) * 10_000;
        assert!(taken == total || i128::from(taken) * 10_000 >= cost, "{}: {taken} does not cover {cost}", case());
        let more = total + dice.within(0, 3) * step + if dice.one_in(2) { dice.scaled(MAX_CHARGE / step / 4) * step } else { 0 };
        let taken_of_more = terms.fee(amount(more), money, &lines).get();
        assert!(taken_of_more >= taken, "{}: {taken} of {total}, {taken_of_more} of {more}", case());
        // One rule for everything is what it always was.
        let alone = terms.fee(amount(total), money, &[]);
        assert_eq!(alone, application_fee(amount(total), money, &terms.rule, &terms.cost), "{}", case());
    }
}
