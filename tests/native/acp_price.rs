//! What a checkout costs, against a second calculation in exact fractions: whatever is in the cart, wherever it goes, and in whatever
//! currency, every figure is the exact one rounded once, and every sum is the sum of what is shown.

use crate::dice::Dice;
use cognitivecart_worker::acp::ask::ItemAsk;
use cognitivecart_worker::acp::price::{self, Terms};
use cognitivecart_worker::acp::quote;
use cognitivecart_worker::acp::session::{Address, Session, Status};
use cognitivecart_worker::fulfillment::{Coupon, DigitalRule, Fulfillment, ShippingRule, TaxRule};
use cognitivecart_worker::money::Currency;
use cognitivecart_worker::product::ProductRow;
use serde_json::json;

const NOW: i64 = 1_790_000_000;

/// A fraction, never reduced: amounts are below 10^12 and rates below 10^5, so that products of three fit.
#[derive(Clone, Copy)]
struct Exact(i128, i128);

impl Exact {
    /// Half up, to whole steps.
    fn rounded(self, step: i64) -> i64 {
        let below = self.1 * i128::from(step);
        let (whole, rest) = (self.0.div_euclid(below), self.0.rem_euclid(below));
        ((whole + i128::from(rest * 2 >= below)) * i128::from(step)) as i64
    }
}

fn product(id: &str, price: i64, currency: &str, digital: bool) -> ProductRow {
    ProductRow {
        id: id.to_owned(),
        title: id.to_owned(),
        price,
        currency: currency.to_owned(),
        availability: "in_stock".to_owned(),
        digital: i64::from(digital),
        extra: "{}".to_owned(),
        ..ProductRow::default()
    }
}

fn wanted(items: &[(&str, i64)]) -> Vec<ItemAsk> {
    items
        .iter()
        .enumerate()
        .map(|(place, (id, quantity))| ItemAsk { product: (*id).to_owned(), quantity: *quantity, param: format!("$.line_items[{place}]") })
        .collect()
}

fn address(country: &str, state: &str) -> Address {
    Address {
        name: "Ada".to_owned(),
        line_one: "1 Main St".to_owned(),
        city: "X".to_owned(),
        state: state.to_owned(),
        country: country.to_owned(),
        postal_code: "1".to_owned(),
        ..Address::default()
    }
}

fn shipping(id: &str, amount: i64, currency: &str) -> ShippingRule {
    ShippingRule {
        id: id.to_owned(),
        title: id.to_owned(),
        subtitle: None,
        carrier: None,
        amount,
        currency: currency.to_owned(),
        countries: vec!["*".to_owned()],
        regions: Vec::new(),
        free_over: None,
        min_days: Some(1),
        max_days: Some(5),
    }
}

fn tax(country: &str, rate_bps: i64, inclusive: bool, applies_to_shipping: bool) -> TaxRule {
    TaxRule {
        id: None,
        country: country.to_owned(),
        region: None,
        rate_bps,
        inclusive,
        applies_to_shipping,
        display_name: "Tax".to_owned(),
    }
}

fn coupon(code: &str, percent_off: Option<i64>, amount_off: Option<i64>, currency: &str) -> Coupon {
    Coupon {
        code: code.to_owned(),
        percent_off,
        amount_off,
        currency: amount_off.map(|_| currency.to_owned()),
        min_subtotal: None,
        starts: None,
        ends: None,
        max_redemptions: None,
    }
}

fn terms<'a>(products: &'a [ProductRow], rules: Option<&'a Fulfillment>) -> Terms<'a> {
    Terms { products, rules, redeemed: &[], quote: None, quote_failed: false, now: NOW }
}

/// What every answer must keep, whatever it is about.
fn holds(session: &Session) {
    let sum = |of: fn(&cognitivecart_worker::acp::session::Line) -> i64| session.lines.iter().map(of).sum::<i64>();
    let totals = &session.totals;
    for line in &session.lines {
        assert_eq!(line.subtotal, line.base_amount - line.discount);
        assert_eq!(line.total, line.subtotal + line.tax);
        assert!(line.discount >= 0 && line.subtotal >= 0 && line.tax >= 0 && line.order_discount >= 0);
        assert!(line.order_discount <= line.subtotal, "no line is worth less than nothing");
    }
    assert_eq!(totals.items_base_amount, sum(|line| line.base_amount));
    assert_eq!(totals.items_discount, sum(|line| line.discount));
    assert_eq!(totals.subtotal, sum(|line| line.subtotal));
    assert_eq!(totals.discount, sum(|line| line.order_discount));
    assert_eq!(totals.total, totals.subtotal - totals.discount + totals.fulfillment + totals.tax + totals.fee);
    let added: i64 = totals.taxes.iter().filter(|tax| !tax.inclusive).map(|tax| tax.amount).sum();
    let inside: i64 = totals.taxes.iter().filter(|tax| tax.inclusive).map(|tax| tax.amount).sum();
    assert_eq!((added, inside), (totals.tax, totals.included_tax), "the taxes by name sum up");
    let chosen = session.options.iter().filter(|option| session.selected.iter().any(|selected| selected.option_id == option.id));
    let (of_delivery, tax_of_delivery) = chosen.fold((0, 0), |(amount, tax), option| (amount + option.subtotal, tax + option.tax));
    assert_eq!(totals.fulfillment, of_delivery);
    assert_eq!(totals.tax, sum(|line| line.tax) + tax_of_delivery);
    for applied in &session.applied {
        assert_eq!(applied.amount, applied.allocations.iter().map(|share| share.amount).sum::<i64>(), "allocations add up");
    }
    let each: i64 = session.applied.iter().filter(|applied| applied.each).map(|applied| applied.amount).sum();
    let across: i64 = session.applied.iter().filter(|applied| !applied.each).map(|applied| applied.amount).sum();
    assert_eq!(across, totals.discount);
    assert!(each <= totals.items_discount, "the rest are sales");
}

#[test]
fn no_drift_in_three_thousand_checkouts() {
    let mut dice = Dice(20_261_127);
    let (mut taxed, mut ready, mut free) = (0, 0, 0);
    for _ in 0..3_000 {
        let code = dice.pick(&["usd", "usd", "eur", "jpy", "kwd", "isk", "huf"]);
        let step = Currency::parse(code).unwrap().step();
        let ids: Vec<String> = (0..dice.within(1, 8)).map(|n| format!("p{n}")).collect();
        let mut products = Vec::new();
        for id in &ids {
            let mut one = product(id, dice.scaled(9_999_999) * step, code, dice.one_in(4));
            if dice.one_in(3) {
                one.sale_price = Some(dice.within(0, one.price / step) * step);
            }
            products.push(one);
        }
        let items: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), dice.within(1, 40))).collect();
        let rules = Fulfillment {
            shipping: (0..dice.within(1, 4)).map(|n| shipping(&format!("s{n}"), dice.scaled(50_000) * step, code)).collect(),
            digital: vec![DigitalRule { id: "d".to_owned(), title: "d".to_owned(), subtitle: None }],
            tax: (0..dice.within(0, 3)).map(|_| tax("*", dice.within(0, 2_500), dice.one_in(2), dice.one_in(2))).collect(),
            coupons: vec![
                coupon("P", Some(dice.within(1, 10_000)), None, code),
                coupon("Q", Some(dice.within(1, 3_000)), None, code),
                coupon("A", None, Some(dice.scaled(99_999).max(1) * step), code),
                coupon("B", None, Some(dice.scaled(9_999_999).max(1) * step), code),
            ],
        };
        let mut session = Session { currency: code.to_owned(), ..Session::default() };
        price::set_items(&mut session, &wanted(&items), &products).unwrap();
        session.address = (!dice.one_in(5)).then(|| address("US", "CA"));
        for code in ["P", "A", "Q", "B"] {
            if dice.one_in(3) {
                session.codes.push(code.to_owned());
            }
        }
        price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
        holds(&session);

        // Line by line, in fractions.
        let mut left: Vec<i64> = Vec::new();
        for (line, product) in session.lines.iter().zip(&products) {
            let base = product.price * line.quantity;
            assert_eq!(line.base_amount, base);
            let mut net = product.sale_price.unwrap_or(product.price) * line.quantity;
            for code in &session.codes {
                let rule = rules.coupons.iter().find(|coupon| coupon.code == *code).unwrap();
                if let Some(bps) = rule.percent_off {
                    // What a fixed coupon before it has taken off is not taken off twice.
                    let fixed_before =
                        session.applied.iter().take_while(|applied| applied.code.as_deref() != Some(code)).filter(|applied| !applied.each);
                    let place = session.lines.iter().position(|other| other.id == line.id).unwrap() as i64;
                    let shared: i64 = fixed_before
                        .flat_map(|applied| &applied.allocations)
                        .filter(|share| share.line == place)
                        .map(|share| share.amount)
                        .sum();
                    net -= Exact(i128::from(net - shared) * i128::from(bps), 10_000).rounded(step);
                }
            }
            assert_eq!(line.subtotal, net, "{line:?} {:?}", session.codes);
            left.push(net - line.order_discount);
        }
        // Tax of each line and of the delivery: each rule rounded once, over what is left after inclusive tax.
        let rules_here: Vec<&TaxRule> = if session.address.is_some() { rules.tax.iter().collect() } else { Vec::new() };
        let tax_of = |amount: i64, shipping: bool| -> (i64, i64) {
            let fits = |rule: &&&TaxRule| !shipping || rule.applies_to_shipping;
            let inside: i64 = rules_here.iter().filter(fits).filter(|rule| rule.inclusive).map(|rule| rule.rate_bps).sum();
            let net = Exact(i128::from(amount) * 10_000, 10_000 + i128::from(inside)).rounded(step);
            let added = rules_here.iter().filter(fits).filter(|rule| !rule.inclusive);
            (amount - net, added.map(|rule| Exact(i128::from(net) * i128::from(rule.rate_bps), 10_000).rounded(step)).sum())
        };
        for (line, net) in session.lines.iter().zip(&left) {
            assert_eq!((line.included_tax, line.tax), tax_of(*net, false));
            assert_eq!([line.base_amount, line.discount, line.tax, line.order_discount].map(|amount| amount % step), [0; 4], "{code}");
            taxed += usize::from(line.tax > 0);
        }
        for option in &session.options {
            assert_eq!(option.tax, tax_of(option.subtotal, true).1);
            assert_eq!(option.total, option.subtotal + option.tax);
        }
        // The cheapest way is the one that is chosen.
        if let Some(chosen) = session.selected.iter().find(|selected| selected.kind == "shipping") {
            let cost = |id: &str| session.options.iter().find(|option| option.id == id).unwrap().total;
            assert!(
                session.options.iter().filter(|option| option.kind == "shipping").all(|option| cost(&chosen.option_id) <= option.total)
            );
        }
        ready += usize::from(session.status == Status::Ready);
        free += usize::from(session.totals.total == 0);
        // Twice gives the same, and so does what was stored.
        let mut again = Session::stored(&cognitivecart_worker::record::Json::json(&session).to_string()).unwrap();
        assert_eq!(again, session);
        price::price(&mut again, None, &terms(&products, Some(&rules))).unwrap();
        assert_eq!(again, session);
    }
    assert!(taxed > 1_500 && ready > 1_500 && free > 3, "{taxed} taxed lines, {ready} ready, {free} free");
}

fn simple() -> (Vec<ProductRow>, Fulfillment) {
    let products = vec![product("mug", 1_000, "usd", false), product("book", 500, "usd", true)];
    let rules = Fulfillment {
        shipping: vec![
            ShippingRule { countries: vec!["US".to_owned()], free_over: Some(5_000), ..shipping("slow", 400, "usd") },
            ShippingRule {
                countries: vec!["US".to_owned()],
                regions: vec!["CA".to_owned(), "ny".to_owned()],
                ..shipping("fast", 900, "usd")
            },
            shipping("abroad", 2_000, "usd"),
            shipping("euro", 1, "eur"),
        ],
        tax: vec![TaxRule { region: Some("CA".to_owned()), ..tax("US", 1_000, false, true) }, tax("DE", 1_900, true, true)],
        coupons: vec![
            coupon("TEN", Some(1_000), None, "usd"),
            Coupon { min_subtotal: Some(5_000), currency: Some("usd".to_owned()), ..coupon("BIG", Some(1_000), None, "usd") },
            Coupon { ends: Some(NOW), ..coupon("OVER", Some(1_000), None, "usd") },
            Coupon { starts: Some(NOW + 1), ..coupon("SOON", Some(1_000), None, "usd") },
            Coupon { max_redemptions: Some(2), ..coupon("FEW", Some(1_000), None, "usd") },
            coupon("EURO", None, Some(100), "eur"),
        ],
        digital: Vec::new(),
    };
    (products, rules)
}

fn priced(items: &[(&str, i64)], to: Option<Address>, change: impl Fn(&mut Session)) -> Session {
    let (products, rules) = simple();
    let mut session = Session { currency: "usd".to_owned(), address: to, ..Session::default() };
    price::set_items(&mut session, &wanted(items), &products).unwrap();
    change(&mut session);
    let redeemed = [("few".to_owned(), 2)];
    price::price(&mut session, None, &Terms { redeemed: &redeemed, ..terms(&products, Some(&rules)) }).unwrap();
    holds(&session);
    session
}

fn codes(session: &Session) -> Vec<&str> {
    session.messages.iter().filter_map(|message| message.code.as_deref()).collect()
}

#[test]
fn delivery_goes_by_country_region_currency_and_worth() {
    let ids = |to: Address, quantity: i64| -> Vec<(String, i64)> {
        priced(&[("mug", quantity)], Some(to), |_| {}).options.iter().map(|option| (option.id.clone(), option.subtotal)).collect()
    };
    let named = |list: &[(&str, i64)]| list.iter().map(|(id, amount)| ((*id).to_owned(), *amount)).collect::<Vec<_>>();
    assert_eq!(ids(address("US", "CA"), 1), named(&[("slow", 400), ("fast", 900), ("abroad", 2_000)]));
    assert_eq!(ids(address("US", " Ny"), 1), named(&[("slow", 400), ("fast", 900), ("abroad", 2_000)]));
    assert_eq!(ids(address("US", "TX"), 5), named(&[("slow", 0), ("abroad", 2_000)]));
    assert_eq!(ids(address("DE", ""), 1), named(&[("abroad", 2_000)]));
}

#[test]
fn what_is_digital_needs_no_address_and_what_is_not_does() {
    assert_eq!(priced(&[("book", 1)], None, |_| {}).status, Status::Ready);
    let mixed = priced(&[("book", 1), ("mug", 1)], None, |_| {});
    assert_eq!((mixed.status, codes(&mixed)), (Status::NotReady, vec!["missing"]));
    let mixed = priced(&[("book", 1), ("mug", 1)], Some(address("US", "TX")), |_| {});
    let of = |kind: &str| mixed.selected.iter().find(|selected| selected.kind == kind).map(|selected| selected.item_ids.clone()).unwrap();
    assert_eq!((mixed.status, of("digital"), of("shipping")), (Status::Ready, vec!["li_1".to_owned()], vec!["li_2".to_owned()]));
}

#[test]
fn inclusive_tax_is_in_the_price_and_said() {
    let session = priced(&[("mug", 1)], Some(address("DE", "")), |_| {});
    // 1,000 - 1,000 / 1.19, and of the delivery 2,000 - 2,000 / 1.19.
    assert_eq!((session.totals.tax, session.totals.included_tax, session.totals.total), (0, 160 + 319, 3_000));
    assert!(session.messages.iter().any(|message| message.kind == "info" && message.content.contains("USD 4.79")));
    let session = priced(&[("mug", 1)], Some(address("US", "CA")), |_| {});
    assert_eq!((session.totals.tax, session.totals.total), (100 + 40, 1_540));
    assert_eq!(priced(&[("mug", 1)], Some(address("US", "TX")), |_| {}).totals.tax, 0);
}

#[test]
fn codes_that_do_not_count_say_why() {
    let session = priced(&[("mug", 1)], Some(address("US", "TX")), |session| {
        session.codes = ["ten", "Ten ", "BIG", "OVER", "SOON", "FEW", "EURO", "NONE"].map(str::to_owned).to_vec();
    });
    let rejected: Vec<(&str, &str)> = session.rejected.iter().map(|one| (one.code.as_str(), one.reason.as_str())).collect();
    assert_eq!(
        rejected,
        [
            ("Ten ", "discount_code_already_applied"),
            ("BIG", "discount_code_minimum_not_met"),
            ("OVER", "discount_code_expired"),
            ("SOON", "discount_code_invalid"),
            ("FEW", "discount_code_usage_limit_reached"),
            ("EURO", "discount_code_invalid"),
            ("NONE", "discount_code_invalid"),
        ]
    );
    assert_eq!((session.applied.len(), session.totals.items_discount, session.status), (1, 100, Status::Ready));
    let params: Vec<&str> = session.messages.iter().filter_map(|message| message.param.as_deref()).collect();
    assert_eq!(params[0], "$.discounts.codes[1]");
}

#[test]
fn stock_is_told_and_what_left_the_catalogue_cannot_be_paid() {
    let (mut products, rules) = simple();
    products[0].inventory_quantity = Some(5);
    products[0].held = 3;
    let mut session = Session { currency: "usd".to_owned(), address: Some(address("US", "TX")), ..Session::default() };
    price::set_items(&mut session, &wanted(&[("mug", 2)]), &products).unwrap();
    price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
    assert_eq!((session.status, session.lines[0].available), (Status::Ready, Some(2)));
    price::set_items(&mut session, &wanted(&[("mug", 3)]), &products).unwrap();
    price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
    assert_eq!((session.status, codes(&session)), (Status::NotReady, vec!["out_of_stock"]));
    assert_eq!(session.messages[0].param.as_deref(), Some("$.line_items[0]"));
    price::price(&mut session, None, &terms(&[], Some(&rules))).unwrap();
    assert_eq!((session.status, session.lines[0].unit_amount), (Status::NotReady, 1_000));
}

#[test]
fn lines_keep_their_ids_and_a_product_has_one_line() {
    let (products, _) = simple();
    let mut session = Session { currency: "usd".to_owned(), ..Session::default() };
    let ids =
        |session: &Session| session.lines.iter().map(|line| (line.id.clone(), line.product.clone(), line.quantity)).collect::<Vec<_>>();
    let line = |id: &str, product: &str, quantity: i64| (id.to_owned(), product.to_owned(), quantity);
    price::set_items(&mut session, &wanted(&[("mug", 1), ("book", 1), ("mug", 2)]), &products).unwrap();
    assert_eq!(ids(&session), [line("li_1", "mug", 3), line("li_2", "book", 1)]);
    price::set_items(&mut session, &wanted(&[("book", 4)]), &products).unwrap();
    assert_eq!(ids(&session), [line("li_2", "book", 4)]);
    price::set_items(&mut session, &wanted(&[("mug", 1), ("book", 4)]), &products).unwrap();
    assert_eq!(ids(&session), [line("li_3", "mug", 1), line("li_2", "book", 4)]);
    let refused = |items: &[(&str, i64)], currency: &str| {
        let mut session = Session { currency: currency.to_owned(), ..Session::default() };
        let problem = price::set_items(&mut session, &wanted(items), &products).unwrap_err();
        (problem.status, problem.code.to_string(), problem.param.clone().unwrap())
    };
    assert_eq!(refused(&[("mug", 1), ("nope", 1)], "usd"), (400, "invalid_item_id".to_owned(), "$.line_items[1].id".to_owned()));
    assert_eq!(refused(&[("mug", 1)], "eur").1, "currency_unsupported");
    assert_eq!(refused(&[("mug", 999_999), ("mug", 1)], "usd").1, "quantity_exceeded");
}

#[test]
fn without_rules_prices_only() {
    let (products, _) = simple();
    let mut session = Session { currency: "usd".to_owned(), address: Some(address("US", "TX")), ..Session::default() };
    price::set_items(&mut session, &wanted(&[("mug", 1)]), &products).unwrap();
    price::price(&mut session, None, &terms(&products, None)).unwrap();
    assert_eq!((session.status, session.totals.total, session.options.len()), (Status::NotReady, 1_000, 0));
    assert_eq!(codes(&session), ["unsupported"]);
}

#[test]
fn a_live_quote_is_the_price() {
    let (products, rules) = simple();
    let mut session = Session {
        id: "checkout_1".to_owned(),
        currency: "usd".to_owned(),
        address: Some(address("US", "TX")),
        codes: vec!["VIP".to_owned(), "NO".to_owned()],
        ..Session::default()
    };
    price::set_items(&mut session, &wanted(&[("mug", 3), ("book", 1)]), &products).unwrap();
    assert_eq!(
        quote::question(&session),
        json!({ "id": "checkout_1", "currency": "usd", "items": [{ "id": "mug", "quantity": 3 }, { "id": "book", "quantity": 1 }],
            "address": { "name": "Ada", "line_one": "1 Main St", "line_two": null, "city": "X", "state": "TX", "country": "US", "postal_code": "1", "company": null },
            "coupons": ["VIP", "NO"] })
    );
    let answer = json!({ "items": [{ "id": "mug", "amount_total": 2_501, "available": true }, { "id": "book", "amount_total": 499, "available": 7 }],
        "shipping": [{ "id": "bike", "title": "By bike", "amount": 350 }], "tax_total": 77, "more": 1,
        "discounts": [{ "code": "vip", "label": "For you", "amount": 301 }], "messages": [{ "type": "warning", "code": "high_demand", "content": "Hurry." }] });
    let quote = quote::read(&session, answer.to_string().as_bytes()).unwrap();
    let quoted = |quote: &quote::Quote, session: &mut Session| {
        price::price(session, None, &Terms { quote: Some(quote), ..terms(&products, Some(&rules)) }).unwrap();
        let totals = &session.totals;
        assert_eq!(totals.total, totals.subtotal - totals.discount + totals.fulfillment + totals.tax);
    };
    quoted(&quote, &mut session);
    let totals = &session.totals;
    assert_eq!((totals.subtotal, totals.discount, totals.fulfillment, totals.tax, totals.total), (3_000, 301, 350, 77, 3_126));
    assert_eq!(session.lines.iter().map(|line| line.tax).sum::<i64>(), 77);
    assert_eq!(session.rejected.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["NO"]);
    assert_eq!((session.status, codes(&session)), (Status::Ready, vec!["discount_code_invalid", "high_demand"]));
    // What is not about these items, or no amount, is no quote; one that says that something is gone is.
    for (bad, why) in [
        (json!([]), "object"),
        (json!({ "items": [{ "id": "mug", "amount_total": 1 }] }), "book"),
        (json!({ "items": [{ "id": "mug", "amount_total": -1 }] }), "amount_total"),
        (json!({ "items": [{ "id": "mug" }] }), "amount_total"),
    ] {
        let problem = quote::read(&session, bad.to_string().as_bytes()).unwrap_err();
        assert!(problem.message.contains(why), "{}", problem.message);
    }
    let mut gone = answer.clone();
    gone["items"][0]["available"] = json!(false);
    quoted(&quote::read(&session, gone.to_string().as_bytes()).unwrap(), &mut session);
    assert_eq!((session.status, session.lines[0].availability.as_str()), (Status::NotReady, "out_of_stock"));
}

#[test]
fn a_choice_stays_as_long_as_it_is_offered() {
    let (products, rules) = simple();
    let select = |id: &str| {
        vec![cognitivecart_worker::acp::session::Selected { kind: "shipping".to_owned(), option_id: id.to_owned(), item_ids: Vec::new() }]
    };
    let mut session = Session { currency: "usd".to_owned(), address: Some(address("US", "CA")), ..Session::default() };
    price::set_items(&mut session, &wanted(&[("mug", 1)]), &products).unwrap();
    let chosen = |session: &Session| session.selected[0].option_id.clone();
    price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
    assert_eq!(chosen(&session), "slow");
    price::price(&mut session, Some(&select("fast")), &terms(&products, Some(&rules))).unwrap();
    assert_eq!((chosen(&session), session.totals.fulfillment), ("fast".to_owned(), 900));
    price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
    assert_eq!(chosen(&session), "fast");
    session.address = Some(address("US", "TX"));
    price::price(&mut session, None, &terms(&products, Some(&rules))).unwrap();
    assert_eq!(chosen(&session), "slow", "not offered there");
    let refused = price::price(&mut session, Some(&select("fast")), &terms(&products, Some(&rules))).unwrap_err();
    assert_eq!((refused.status, refused.code.as_ref(), refused.param.as_deref()), (400, "invalid", Some("$.selected_fulfillment_options")));
    let both = [select("slow"), select("abroad")].concat();
    assert_eq!(price::price(&mut session, Some(&both), &terms(&products, Some(&rules))).unwrap_err().code, "unsupported");
}
