//! What a checkout costs: from the shop's catalogue and rules, or from its live quote. Never from the agent.
//!
//! Every figure is a whole number of minor units, in the currency's smallest step, rounded half up where a share is not whole; sums are
//! sums of what is shown, so that nothing drifts. What follows for every priced session stands in [`super::session`].
//! Contract, *Agents, catalogue, fulfilment* and *ACP*.

use super::ask::ItemAsk;
use super::quote::Quote;
use super::session::{Allocation, Applied, DeliveryOption, Line, Message, Named, Rejected, Selected, Session, Status, TaxPart, Totals};
use crate::error::{Problem, Result};
use crate::fulfillment::{Coupon, Fulfillment, TaxRule, code_key};
use crate::money::{self, Amount, Currency, MAX_CHARGE};
use crate::product::ProductRow;
use crate::record::Json;
use serde_json::Value;

/// What a price is made of, besides what is wanted.
pub struct Terms<'a> {
    /// The catalogue's rows of the wanted products, with what others hold of them.
    pub products: &'a [ProductRow],
    /// `None`: the shop has set no rules.
    pub rules: Option<&'a Fulfillment>,
    /// How often coupons were redeemed, by [`Coupon::key`].
    pub redeemed: &'a [(String, i64)],
    pub quote: Option<&'a Quote>,
    /// The shop has a live quote, and it did not come.
    pub quote_failed: bool,
    /// Unix seconds.
    pub now: i64,
}

const WHOLE_BPS: i64 = 10_000;

/// Lines for what is wanted; a product that was in the checkout keeps its line's id, one that is named twice is one line.
/// `Err`: what is no product of the shop's, is sold in another currency, or costs more than can be charged.
pub fn set_items(session: &mut Session, wanted: &[ItemAsk], products: &[ProductRow]) -> Result<()> {
    let before = std::mem::take(&mut session.lines);
    let mut next = before.iter().filter_map(|line| line.id.strip_prefix("li_")?.parse::<i64>().ok()).max().unwrap_or(0);
    for item in wanted {
        let Some(product) = products.iter().find(|product| product.id == item.product) else {
            return Err(Problem::shape(
                "invalid_item_id",
                format!("{}.id", item.param),
                format!("The shop has no product '{}'.", item.product.chars().take(100).collect::<String>()),
            ));
        };
        if session.currency.is_empty() {
            session.currency = product.currency.clone();
        }
        if product.currency != session.currency {
            return Err(Problem::shape(
                "currency_unsupported",
                "$.currency",
                format!("'{}' is sold in {}, this checkout is in {}.", product.title, product.currency, session.currency),
            ));
        }
        let line = match session.lines.iter().position(|line| line.product == item.product) {
            Some(place) => session.lines.get_mut(place),
            None => {
                let id = before.iter().find(|line| line.product == item.product).map(|line| line.id.clone()).unwrap_or_else(|| {
                    next = next.saturating_add(1);
                    format!("li_{next}")
                });
                session.lines.push(Line { id, product: item.product.clone(), ..Line::default() });
                session.lines.last_mut()
            }
        };
        let Some(line) = line else { return Err(Problem::fault("a line that was there is gone")) };
        line.quantity = line.quantity.saturating_add(item.quantity);
        if product.price.saturating_mul(line.quantity) > MAX_CHARGE || line.quantity > 999_999 {
            let message = format!("{} of '{}' are more than can be charged at once.", line.quantity, product.title);
            return Err(Problem::shape("quantity_exceeded", format!("{}.quantity", item.param), message));
        }
    }
    Ok(())
}

/// The currency that was asked for, before any product is looked at.
pub fn set_currency(session: &mut Session, asked: Option<&str>) -> Result<()> {
    if let Some(code) = asked {
        let Some(currency) = Currency::parse(code) else {
            return Err(Problem::shape("currency_unsupported", "$.currency", format!("Stripe does not take the currency '{code}'.")));
        };
        session.currency = currency.code().to_owned();
    }
    Ok(())
}

/// Prices a session anew, from its lines' products and quantities, its address, its codes and its choice of delivery. `choice` is what
/// the agent chooses now; without it, what he chose before counts as long as it is offered, else the cheapest.
/// Answers with the messages and the status that follow. `Err`: a choice that is not offered.
pub fn price(session: &mut Session, choice: Option<&[Selected]>, terms: &Terms) -> Result<()> {
    let Some(currency) = Currency::parse(&session.currency) else { return Err(Problem::fault("a checkout without its currency")) };
    session.messages.clear();
    session.totals = Totals::default();
    session.applied.clear();
    session.rejected.clear();
    for place in 0..session.lines.len() {
        price_line(session, place, terms);
    }
    match terms.quote {
        Some(quote) => quoted_discounts(session, quote, currency)?,
        None => coupons(session, terms, currency)?,
    }
    delivery(session, terms)?;
    let taxes = if terms.quote.is_some() { Vec::new() } else { tax_rules(session, terms.rules) };
    tax_lines(session, &taxes, currency);
    tax_options(session, &taxes, currency);
    choose(session, choice)?;
    sum_up(session, &taxes, currency);
    if let Some(quote) = terms.quote {
        quoted_tax(session, quote, currency)?;
    }
    told(session, terms, currency);
    Ok(())
}

fn say(session: &mut Session, kind: &str, code: Option<&str>, param: Option<String>, content: String) {
    let resolution = match (kind, code) {
        ("info", _) => None,
        (_, Some("missing")) => Some("requires_buyer_input".to_owned()),
        _ => Some("recoverable".to_owned()),
    };
    session.messages.push(Message { kind: kind.to_owned(), code: code.map(str::to_owned), param, content, resolution });
}

/// What the catalogue, or the quote, says of one line, and its price without coupons and tax.
fn price_line(session: &mut Session, place: usize, terms: &Terms) {
    let Some(line) = session.lines.get_mut(place) else { return };
    let mut trouble = None;
    match terms.products.iter().find(|product| product.id == line.product) {
        Some(product) => describe(line, product, terms.now),
        // It was taken out of the catalogue meanwhile: its last price is shown, and cannot be paid.
        None => {
            line.availability = "out_of_stock".to_owned();
            line.available = Some(0);
        }
    }
    line.base_amount = line.unit_amount.saturating_mul(line.quantity);
    let sale = terms
        .products
        .iter()
        .find(|product| product.id == line.product)
        .map_or(0, |product| product.price.saturating_sub(product.price_at(terms.now)).max(0).saturating_mul(line.quantity));
    line.discount = sale.min(line.base_amount);
    if let Some(quoted) = terms.quote.and_then(|quote| quote.items.iter().find(|item| item.id == line.product)) {
        line.base_amount = quoted.amount_total;
        line.discount = 0;
        line.unit_amount = quoted.amount_total.checked_div(line.quantity).unwrap_or_default();
        line.available = quoted.available.or(line.available);
        line.availability = if line.available == Some(0) { "out_of_stock" } else { "in_stock" }.to_owned();
    }
    line.subtotal = line.base_amount.saturating_sub(line.discount);
    (line.tax, line.included_tax, line.tax_rate_bps, line.order_discount) = (0, 0, 0, 0);
    line.total = line.subtotal;
    if let Some(left) = line.available.filter(|left| *left < line.quantity) {
        let title = &line.title;
        trouble = Some(match left {
            0 => format!("'{title}' is out of stock."),
            left => format!("Only {left} of '{title}' are left; the checkout has {}.", line.quantity),
        });
    }
    if let Some(content) = trouble {
        say(session, "error", Some("out_of_stock"), Some(format!("$.line_items[{place}]")), content);
    }
}

fn describe(line: &mut Line, product: &ProductRow, now: i64) {
    let _ = now;
    line.title = product.title.clone();
    line.description = product.description.clone();
    line.link = product.link.clone();
    let more = product.additional_image_link.iter().flat_map(|links| links.split(',')).map(str::trim).filter(|link| !link.is_empty());
    line.images = product.image_link.iter().map(String::as_str).chain(more).map(str::to_owned).take(10).collect();
    line.brand = product.brand.clone();
    line.group = product.item_group_id.clone();
    line.category = product.google_product_category.clone();
    line.tax_code = product.stripe_product_tax_code.clone();
    line.digital = product.digital != 0;
    let extra: Value = product.extra.parse().unwrap_or_default();
    line.variant = ["color", "size", "material", "pattern", "gender", "age_group"]
        .iter()
        .filter_map(|name| Some(Named { name: (*name).to_owned(), value: extra.get(*name)?.as_str()?.to_owned() }))
        .collect();
    line.availability = product.availability.clone();
    line.available = product.sellable();
    line.unit_amount = product.price;
}

/// `amount` × `bps` ÷ 10,000, half up, in whole steps.
fn portion(amount: i64, bps: i64, step: i64) -> i64 {
    rounded(i128::from(amount).saturating_mul(i128::from(bps)), WHOLE_BPS, step)
}

/// `above` ÷ `below`, half up, in whole steps.
fn rounded(above: i128, below: i64, step: i64) -> i64 {
    let below = i128::from(below).saturating_mul(i128::from(step.max(1)));
    let twice = below.saturating_mul(2);
    let steps = above.saturating_mul(2).saturating_add(below).checked_div_euclid(twice).unwrap_or_default();
    i64::try_from(steps).unwrap_or(i64::MAX).saturating_mul(step.max(1))
}

/// The coupons, in the order in which their codes were sent.
fn coupons(session: &mut Session, terms: &Terms, currency: Currency) -> Result<()> {
    let base: i64 = session.lines.iter().map(|line| line.subtotal).fold(0, i64::saturating_add);
    let codes = session.codes.clone();
    let mut seen: Vec<String> = Vec::new();
    for (place, code) in codes.iter().enumerate() {
        let key = code_key(code);
        let coupon = terms.rules.and_then(|rules| rules.coupons.iter().find(|coupon| coupon.key() == key));
        match fits(coupon, &key, &seen, base, terms, currency) {
            Ok(coupon) => {
                let id = format!("di_{}", session.applied.len().saturating_add(1));
                apply(session, coupon, code, id, currency)?;
            }
            Err((reason, why)) => {
                let message = format!("The code '{code}' {why}");
                say(session, "warning", Some(reason), Some(format!("$.discounts.codes[{place}]")), message.clone());
                session.rejected.push(Rejected { code: code.clone(), reason: reason.to_owned(), message });
            }
        }
        seen.push(key);
    }
    Ok(())
}

/// Whether a coupon counts for this checkout, or why not.
fn fits<'a>(
    coupon: Option<&'a Coupon>, key: &str, seen: &[String], base: i64, terms: &Terms, currency: Currency,
) -> std::result::Result<&'a Coupon, (&'static str, String)> {
    let Some(coupon) = coupon else { return Err(("discount_code_invalid", "is not known to the shop.".to_owned())) };
    if seen.iter().any(|other| other == key) {
        return Err(("discount_code_already_applied", "was sent twice; it counts once.".to_owned()));
    }
    if coupon.ends.is_some_and(|end| end <= terms.now) {
        return Err(("discount_code_expired", "is not valid any more.".to_owned()));
    }
    if coupon.starts.is_some_and(|start| start > terms.now) {
        return Err(("discount_code_invalid", "is not valid yet.".to_owned()));
    }
    if coupon.currency.as_deref().is_some_and(|code| code != currency.code()) {
        return Err(("discount_code_invalid", format!("is not for checkouts in {currency}.")));
    }
    if let Some(least) = coupon.min_subtotal.filter(|least| base < *least) {
        let least = Amount::new(least).unwrap_or_default();
        return Err(("discount_code_minimum_not_met", format!("needs a subtotal of {} at least.", currency.display(least))));
    }
    let used = terms.redeemed.iter().find(|(code, _)| code == key).map_or(0, |(_, count)| *count);
    if coupon.max_redemptions.is_some_and(|most| used >= most) {
        return Err(("discount_code_usage_limit_reached", "has been used up.".to_owned()));
    }
    Ok(coupon)
}

/// Takes a coupon off: by percent from each line, a fixed amount from the order, shared out so that each line's tax is right.
fn apply(session: &mut Session, coupon: &Coupon, code: &str, id: String, currency: Currency) -> Result<()> {
    let step = currency.step();
    let mut allocations = Vec::new();
    let left: Vec<i64> = session.lines.iter().map(|line| line.subtotal.saturating_sub(line.order_discount).max(0)).collect();
    let shares: Vec<i64> = match (coupon.percent_off, coupon.amount_off) {
        (Some(bps), _) => left.iter().map(|left| portion(*left, bps, step).min(*left)).collect(),
        (None, amount) => {
            let all = left.iter().fold(0_i64, |sum, left| sum.saturating_add(*left));
            spread(amount.unwrap_or(0).min(all), &left, step)?
        }
    };
    for ((place, share), line) in shares.iter().enumerate().zip(session.lines.iter_mut()).filter(|((_, share), _)| **share > 0) {
        if coupon.percent_off.is_some() {
            line.discount = line.discount.saturating_add(*share);
            line.subtotal = line.subtotal.saturating_sub(*share);
        } else {
            line.order_discount = line.order_discount.saturating_add(*share);
        }
        allocations.push(Allocation { line: i64::try_from(place).unwrap_or(0), amount: *share });
    }
    let amount = shares.iter().fold(0_i64, |sum, share| sum.saturating_add(*share));
    let name = match (coupon.percent_off, coupon.amount_off) {
        (Some(bps), _) => format!("{} % off", decimal(bps)),
        (None, amount) => format!("{} off", currency.display(Amount::new(amount.unwrap_or(0)).unwrap_or_default())),
    };
    session.applied.push(Applied {
        id,
        code: Some(code.to_owned()),
        coupon: coupon.key(),
        name,
        percent_bps: coupon.percent_off,
        amount_off: coupon.amount_off,
        amount,
        each: coupon.percent_off.is_some(),
        starts: coupon.starts,
        ends: coupon.ends,
        allocations,
    });
    Ok(())
}

/// Hundredths, as people write them: `12.5`.
fn decimal(hundredths: i64) -> String {
    let (whole, part) = (hundredths.checked_div(100).unwrap_or(0), hundredths.checked_rem(100).unwrap_or(0));
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}").trim_end_matches('0').to_owned() }
}

fn spread(amount: i64, weights: &[i64], step: i64) -> Result<Vec<i64>> {
    let lines: Vec<Amount> = weights.iter().map(|weight| Amount::new(*weight).unwrap_or_default()).collect();
    let shares = Amount::new(amount).and_then(|amount| money::spread(amount, &lines, step));
    let shares = shares.ok_or_else(|| Problem::fault("a discount that does not fit its lines"))?;
    Ok(shares.into_iter().map(Amount::get).collect())
}

/// The discounts of a live quote: off the whole order.
fn quoted_discounts(session: &mut Session, quote: &Quote, currency: Currency) -> Result<()> {
    for discount in &quote.discounts {
        let left: Vec<i64> = session.lines.iter().map(|line| line.subtotal.saturating_sub(line.order_discount).max(0)).collect();
        let all = left.iter().fold(0_i64, |sum, left| sum.saturating_add(*left));
        let shares = spread(discount.amount.min(all), &left, currency.step())?;
        let mut allocations = Vec::new();
        for ((place, share), line) in shares.iter().enumerate().zip(session.lines.iter_mut()).filter(|((_, share), _)| **share > 0) {
            line.order_discount = line.order_discount.saturating_add(*share);
            allocations.push(Allocation { line: i64::try_from(place).unwrap_or(0), amount: *share });
        }
        let code = session.codes.iter().find(|code| discount.code.as_deref().is_some_and(|quoted| code_key(quoted) == code_key(code)));
        session.applied.push(Applied {
            id: format!("di_{}", session.applied.len().saturating_add(1)),
            code: code.cloned(),
            coupon: discount.code.as_deref().map_or_else(|| "quote".to_owned(), code_key),
            name: discount.label.clone(),
            amount_off: Some(discount.amount),
            amount: discount.amount.min(all),
            allocations,
            ..Applied::default()
        });
    }
    // A code that took nothing off was not taken.
    let codes = session.codes.clone();
    for (place, code) in codes.iter().enumerate() {
        let taken = session.applied.iter().any(|applied| applied.coupon == code_key(code));
        if !taken && !session.rejected.iter().any(|rejected| code_key(&rejected.code) == code_key(code)) {
            let message = format!("The shop does not take the code '{code}' for this checkout.");
            say(session, "warning", Some("discount_code_invalid"), Some(format!("$.discounts.codes[{place}]")), message.clone());
            session.rejected.push(Rejected { code: code.clone(), reason: "discount_code_invalid".to_owned(), message });
        }
    }
    Ok(())
}

/// Seconds since 1970 that many business days later.
fn business_days(now: i64, days: i64) -> i64 {
    const DAY: i64 = 24 * 3600;
    let (mut at, mut left) = (now, days.clamp(0, 400));
    while left > 0 {
        at = at.saturating_add(DAY);
        // 1970 began on a Thursday.
        let weekday = at.div_euclid(DAY).saturating_add(4).rem_euclid(7);
        if weekday != 0 && weekday != 6 {
            left = left.saturating_sub(1);
        }
    }
    at
}

/// What can be chosen: for what is shipped by the address, for what is digital always.
fn delivery(session: &mut Session, terms: &Terms) -> Result<()> {
    let net = session.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.subtotal).saturating_sub(line.order_discount));
    let mut options = Vec::new();
    let option = |kind: &str, id: &str, title: &str| DeliveryOption {
        kind: kind.to_owned(),
        id: id.to_owned(),
        title: title.to_owned(),
        ..DeliveryOption::default()
    };
    if session.physical()
        && let Some(address) = &session.address
    {
        match terms.quote {
            Some(quote) => {
                for quoted in &quote.shipping {
                    options.push(DeliveryOption {
                        description: quoted.subtitle.clone(),
                        carrier: quoted.carrier.clone(),
                        earliest: quoted.min_days.map(|days| business_days(terms.now, days)),
                        latest: quoted.max_days.map(|days| business_days(terms.now, days)),
                        subtotal: quoted.amount,
                        ..option("shipping", &quoted.id, &quoted.title)
                    });
                }
            }
            None => {
                let rules = terms.rules.map(|rules| rules.shipping.as_slice()).unwrap_or_default();
                for rule in rules.iter().filter(|rule| rule.currency == session.currency) {
                    if rule.goes_to(&address.country, &address.state) {
                        options.push(DeliveryOption {
                            description: rule.subtitle.clone(),
                            carrier: rule.carrier.clone(),
                            earliest: rule.min_days.map(|days| business_days(terms.now, days)),
                            latest: rule.max_days.map(|days| business_days(terms.now, days)),
                            subtotal: rule.cost(net),
                            ..option("shipping", &rule.id, &rule.title)
                        });
                    }
                }
            }
        }
    }
    if session.lines.iter().any(|line| line.digital) && (terms.quote.is_some() || terms.rules.is_some()) {
        let rules = terms.rules.map(|rules| rules.digital.as_slice()).unwrap_or_default();
        for rule in rules {
            options.push(DeliveryOption { description: rule.subtitle.clone(), ..option("digital", &rule.id, &rule.title) });
        }
        if rules.is_empty() {
            options.push(option("digital", "digital", "Digital delivery"));
        }
    }
    session.options = options;
    Ok(())
}

/// The taxes of the address: all that fit are added.
fn tax_rules(session: &Session, rules: Option<&Fulfillment>) -> Vec<TaxRule> {
    let (Some(address), Some(rules)) = (&session.address, rules) else { return Vec::new() };
    rules.tax.iter().filter(|rule| rule.counts_in(&address.country, &address.state)).cloned().collect()
}

/// The tax that a gross amount includes at a rate.
fn included(gross: i64, bps: i64, step: i64) -> i64 {
    let net = rounded(i128::from(gross).saturating_mul(i128::from(WHOLE_BPS)), WHOLE_BPS.saturating_add(bps), step);
    gross.saturating_sub(net).max(0)
}

fn rate(taxes: &[TaxRule], inclusive: bool, shipping: bool) -> i64 {
    let rules = taxes.iter().filter(|rule| rule.inclusive == inclusive && (!shipping || rule.applies_to_shipping));
    rules.fold(0, |sum, rule| sum.saturating_add(rule.rate_bps))
}

/// What is included in an amount, and what is added to it, rule by rule.
fn taxed(amount: i64, taxes: &[TaxRule], shipping: bool, step: i64) -> (i64, Vec<i64>) {
    let included = included(amount, rate(taxes, true, shipping), step);
    let net = amount.saturating_sub(included);
    let added = taxes
        .iter()
        .map(|rule| if rule.inclusive || (shipping && !rule.applies_to_shipping) { 0 } else { portion(net, rule.rate_bps, step) })
        .collect();
    (included, added)
}

fn total_of(amounts: &[i64]) -> i64 {
    amounts.iter().fold(0, |sum, amount| sum.saturating_add(*amount))
}

fn tax_lines(session: &mut Session, taxes: &[TaxRule], currency: Currency) {
    for line in &mut session.lines {
        let net = line.subtotal.saturating_sub(line.order_discount).max(0);
        let (included, added) = taxed(net, taxes, false, currency.step());
        (line.included_tax, line.tax) = (included, total_of(&added));
        line.tax_rate_bps = rate(taxes, true, false).saturating_add(rate(taxes, false, false));
        line.total = line.subtotal.saturating_add(line.tax);
    }
}

fn tax_options(session: &mut Session, taxes: &[TaxRule], currency: Currency) {
    for option in &mut session.options {
        option.tax = total_of(&taxed(option.subtotal, taxes, true, currency.step()).1);
        option.total = option.subtotal.saturating_add(option.tax);
    }
}

/// Chooses the delivery: what the agent wants now, what he wanted before, else the cheapest.
fn choose(session: &mut Session, choice: Option<&[Selected]>) -> Result<()> {
    let before = std::mem::take(&mut session.selected);
    let find = |id: &str| session.options.iter().find(|option| option.id == id);
    if let Some(choice) = choice {
        let mut shipping: Option<&str> = None;
        for selected in choice {
            let Some(option) = find(&selected.option_id) else {
                return Err(Problem::shape(
                    "invalid",
                    "$.selected_fulfillment_options",
                    format!("'{}' is none of the fulfillment options of this checkout.", selected.option_id),
                ));
            };
            let known = |id: &String| session.lines.iter().any(|line| line.id == *id || line.product == *id);
            if let Some(unknown) = selected.item_ids.iter().find(|id| !known(id)) {
                let unknown: String = unknown.chars().take(100).collect();
                return Err(Problem::shape(
                    "invalid",
                    "$.selected_fulfillment_options",
                    format!("'{unknown}' is no line of this checkout."),
                ));
            }
            if option.kind == "shipping" && shipping.replace(&option.id).is_some_and(|other| other != option.id) {
                return Err(Problem::shape(
                    "unsupported",
                    "$.selected_fulfillment_options",
                    "All items of a checkout go out by one shipping option; make two checkouts to ship them apart.",
                ));
            }
        }
        session.chosen = !choice.is_empty();
    }
    let wanted = choice.unwrap_or(if session.chosen { &before } else { &[] });
    let mut selected = Vec::new();
    for kind in ["shipping", "digital"] {
        let ids: Vec<String> =
            session.lines.iter().filter(|line| line.digital == (kind == "digital")).map(|line| line.id.clone()).collect();
        let offered = || session.options.iter().filter(|option| option.kind == kind);
        let chosen = wanted.iter().find_map(|selected| offered().find(|option| option.id == selected.option_id));
        let cheapest = || offered().min_by_key(|option| option.total);
        if let Some(option) = chosen.or_else(cheapest).filter(|_| !ids.is_empty()) {
            selected.push(Selected { kind: kind.to_owned(), option_id: option.id.clone(), item_ids: ids });
        }
    }
    session.selected = selected;
    Ok(())
}

fn sum_up(session: &mut Session, taxes: &[TaxRule], currency: Currency) {
    let step = currency.step();
    let sum = |of: fn(&Line) -> i64| session.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(of(line)));
    let chosen: Vec<&DeliveryOption> =
        session.options.iter().filter(|option| session.selected.iter().any(|selected| selected.option_id == option.id)).collect();
    let mut totals = Totals {
        items_base_amount: sum(|line| line.base_amount),
        items_discount: sum(|line| line.discount),
        subtotal: sum(|line| line.subtotal),
        discount: sum(|line| line.order_discount),
        fulfillment: chosen.iter().fold(0, |sum, option| sum.saturating_add(option.subtotal)),
        ..Totals::default()
    };
    // Rule by rule, over the very amounts that the lines and the delivery were taxed with.
    let mut parts: Vec<i64> = vec![0; taxes.len()];
    let amounts = session.lines.iter().map(|line| (line.subtotal.saturating_sub(line.order_discount).max(0), false));
    for (amount, shipping) in amounts.chain(chosen.iter().map(|option| (option.subtotal, true))) {
        let (included, added) = taxed(amount, taxes, shipping, step);
        totals.included_tax = totals.included_tax.saturating_add(included);
        totals.tax = totals.tax.saturating_add(total_of(&added));
        let rates: Vec<i64> =
            taxes.iter().map(|rule| if rule.inclusive && (!shipping || rule.applies_to_shipping) { rule.rate_bps } else { 0 }).collect();
        let shares = share_out(included, &rates);
        for ((part, added), share) in parts.iter_mut().zip(&added).zip(&shares) {
            *part = part.saturating_add(*added).saturating_add(*share);
        }
    }
    totals.taxes = taxes
        .iter()
        .zip(parts)
        .map(|(rule, amount)| TaxPart { name: rule.display_name.clone(), rate_bps: rule.rate_bps, amount, inclusive: rule.inclusive })
        .collect();
    session.totals = totals;
    total(session);
}

/// Shares a tax out over the rates that make it.
fn share_out(amount: i64, rates: &[i64]) -> Vec<i64> {
    let all = total_of(rates);
    let (mut rate_so_far, mut given) = (0_i64, 0_i64);
    rates
        .iter()
        .map(|rate| {
            rate_so_far = rate_so_far.saturating_add(*rate);
            let due = i128::from(amount).saturating_mul(i128::from(rate_so_far)).checked_div(i128::from(all)).unwrap_or(0);
            let due = i64::try_from(due).unwrap_or(0);
            let share = due.saturating_sub(given);
            given = due;
            share
        })
        .collect()
}

fn total(session: &mut Session) {
    let totals = &mut session.totals;
    let parts = [totals.fulfillment, totals.tax, totals.fee];
    totals.total = parts.iter().fold(totals.subtotal.saturating_sub(totals.discount), |sum, part| sum.saturating_add(*part));
}

/// The tax of a live quote, one figure for the order: shared out over the lines.
fn quoted_tax(session: &mut Session, quote: &Quote, currency: Currency) -> Result<()> {
    let Some(tax) = quote.tax_total.filter(|tax| *tax > 0) else { return Ok(()) };
    let weights: Vec<i64> = session.lines.iter().map(|line| line.subtotal.saturating_sub(line.order_discount).max(0)).collect();
    let all = total_of(&weights);
    let shares = if tax <= all { spread(tax, &weights, currency.step())? } else { share_out(tax, &weights) };
    for (line, share) in session.lines.iter_mut().zip(shares) {
        line.tax = share;
        line.total = line.subtotal.saturating_add(share);
    }
    session.totals.tax = tax;
    session.totals.taxes = vec![TaxPart { name: "Tax".to_owned(), rate_bps: 0, amount: tax, inclusive: false }];
    total(session);
    Ok(())
}

/// What is still in the way, and the status that follows.
fn told(session: &mut Session, terms: &Terms, currency: Currency) {
    if terms.quote_failed {
        let content = "The shop did not answer in time with a price of its own; these prices are those of its catalogue.".to_owned();
        say(session, "warning", Some("price_change"), None, content);
    }
    if let Some(quote) = terms.quote {
        for message in &quote.messages {
            session.messages.push(message.clone());
        }
    }
    let settled = terms.quote.is_some() || terms.rules.is_some();
    let address = || Some("$.fulfillment_details.address".to_owned());
    if !settled {
        let content = "The shop has not said yet how it delivers, so this cannot be paid.".to_owned();
        say(session, "error", Some("unsupported"), None, content);
    } else if session.physical() && session.address.is_none() {
        say(session, "error", Some("missing"), address(), "An address is needed to ship to.".to_owned());
    } else if session.physical() && !session.options.iter().any(|option| option.kind == "shipping") {
        say(session, "error", Some("region_restricted"), address(), "The shop does not ship to this address.".to_owned());
    }
    let included = Amount::new(session.totals.included_tax).filter(|amount| *amount > Amount::ZERO);
    if let Some(included) = included {
        say(session, "info", None, None, format!("Prices include tax: {}.", currency.display(included)));
    }
    let payable = settled && session.messages.iter().all(|message| message.kind != "error");
    if payable && session.totals.total < currency.minimum().get() {
        let content = format!("The total is below what can be charged: {} at least.", currency.display(currency.minimum()));
        say(session, "error", Some("minimum_not_met"), Some("$.totals".to_owned()), content);
    }
    if session.totals.total > MAX_CHARGE {
        say(session, "error", Some("maximum_exceeded"), Some("$.totals".to_owned()), "The total is above what can be charged.".to_owned());
    }
    let ready = session.messages.iter().all(|message| message.kind != "error");
    session.status = if ready { Status::Ready } else { Status::NotReady };
}

/// What is to be held of the stock for a payment: `[{id, quantity}]`.
pub fn stock_of(session: &Session) -> String {
    let items: Vec<Value> = session.lines.iter().map(|line| object! { "id": line.product, "quantity": line.quantity }).collect();
    Value::Array(items).text()
}
