//! An order that an agent made at Stripe, read from its expanded Session (seed: *Checkout session field reference*).
//!
//! | order field | here |
//! | --- | --- |
//! | order date | `payment_intent.latest_charge.created` |
//! | quantity, SKU, description, unit price | `line_items.data[].quantity`, `.price.external_reference`, `.price.product.description`, `.price.unit_amount` |
//! | tax amount, type, rate | `line_items.data[].taxes[].amount`, `.rate.tax_type`, `.rate.percentage` |
//! | shipping address | `collected_information.shipping_details` |
//! | billing address | `payment_intent.latest_charge.billing_details` |
//! | card | `payment_intent.latest_charge.payment_method_details.card` |
//! | amount | `amount_total` |
//! | GTIN, MPN (private preview) | `line_items.data[].price.product.identifiers` |
//! | agent (private preview) | `payment_intent.agent_details` |
//! | receipt number | `payment_intent.latest_charge.receipt_number` |
//!
//! Much of it is in previews: what is missing, or of another type than was promised, is not known, and never a reason to lose an order
//! that was paid. What money is decided by is compared in [`crate::ledger`].

use crate::acp::order::{Card, OrderDoc};
use crate::acp::session::{Address, Contact, DeliveryOption, Line, LineTax, TaxPart, Totals};
use crate::fields::MAX_SAFE_INTEGER;
use crate::ledger::{News, Row};
use crate::record::Json;
use crate::stripe::session::{Expandable, PaymentIntent, Session};
use serde_json::Value;

/// Characters of an agent's name, as the ledger takes it.
const LONGEST_NAME: usize = 64;

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A number that some version may write as one.
fn number_or_text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer) {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => text(value, pointer),
    }
}

/// A count, a time, or minor units: nobody is paid less than nothing, and D1 keeps no more than that.
fn amount(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64).filter(|amount| (0..=MAX_SAFE_INTEGER).contains(amount))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn charge(session: &Value) -> &Value {
    session.pointer("/payment_intent/latest_charge").unwrap_or(&Value::Null)
}

/// What Stripe tells of the agent that ordered: it is there only where one did.
pub fn agent_details(session: &Value) -> Option<&Value> {
    ["/payment_intent/agent_details", "/agent_details"]
        .iter()
        .find_map(|pointer| session.pointer(pointer).filter(|details| !details.is_null()))
}

/// The agent's name, as the ledger keeps it. It is a stranger's text: cut, and without what a log or a spreadsheet would stumble over.
pub fn agent_name(details: Option<&Value>) -> Option<String> {
    let name = details?.get("name")?.as_str()?;
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name: String = name.trim().chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// One tax on a line, and whether its price includes it.
fn line_tax(tax: &Value) -> LineTax {
    let kind = text(tax, "/rate/tax_type").or_else(|| text(tax, "/rate/display_name")).unwrap_or_else(|| "tax".to_owned());
    LineTax {
        amount: amount(tax, "/amount").unwrap_or_default(),
        kind,
        rate: tax.pointer("/rate/percentage").cloned().unwrap_or_default(),
        inclusive: tax.pointer("/rate/inclusive").and_then(Value::as_bool).unwrap_or(false),
    }
}

fn included(taxes: &[LineTax]) -> i64 {
    taxes.iter().filter(|tax| tax.inclusive).fold(0, |sum, tax| sum.saturating_add(tax.amount))
}

/// One line.
fn line(item: &Value, place: usize) -> Line {
    let quantity = amount(item, "/quantity").filter(|quantity| *quantity > 0).unwrap_or(1);
    let base = amount(item, "/amount_subtotal").unwrap_or_default();
    let unit = amount(item, "/price/unit_amount").or_else(|| base.checked_div(quantity)).unwrap_or_default();
    let discount = amount(item, "/amount_discount").unwrap_or_default();
    let subtotal = base.saturating_sub(discount);
    let total = amount(item, "/amount_total").unwrap_or(subtotal);
    let taxes: Vec<LineTax> = list(item, "/taxes").iter().map(line_tax).collect();
    let all_tax = amount(item, "/amount_tax").unwrap_or_else(|| total.saturating_sub(subtotal).max(0));
    let product = "/price/product";
    let of_product = |member: &str| text(item, &[product, member].concat());
    Line {
        id: text(item, "/id").unwrap_or_else(|| ["li_", &place.saturating_add(1).to_string()].concat()),
        product: text(item, "/price/external_reference").unwrap_or_default(),
        quantity,
        title: of_product("/name").or_else(|| text(item, "/description")).unwrap_or_default(),
        description: of_product("/description").or_else(|| text(item, "/description")),
        link: of_product("/url"),
        images: list(item, "/price/product/images").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        tax_code: of_product("/tax_code"),
        unit_amount: unit,
        base_amount: base,
        discount,
        subtotal,
        tax: all_tax.saturating_sub(included(&taxes)).max(0),
        included_tax: included(&taxes),
        total,
        taxes,
        gtin: number_or_text(item, "/price/product/identifiers/gtin"),
        mpn: number_or_text(item, "/price/product/identifiers/mpn"),
        ..Line::default()
    }
}

/// The lines of a Session, in Stripe's order.
pub fn lines(items: &[Value]) -> Vec<Line> {
    items.iter().enumerate().map(|(place, item)| line(item, place)).collect()
}

fn sum(lines: &[Line], of: fn(&Line) -> i64) -> i64 {
    lines.iter().fold(0, |sum, line| sum.saturating_add(of(line)))
}

fn totals(session: &Value, lines: &[Line]) -> Totals {
    let base = amount(session, "/amount_subtotal").unwrap_or_else(|| sum(lines, |line| line.base_amount));
    let items_discount = sum(lines, |line| line.discount);
    let discount = amount(session, "/total_details/amount_discount").unwrap_or(items_discount);
    let shipping = amount(session, "/shipping_cost/amount_subtotal").or_else(|| amount(session, "/total_details/amount_shipping"));
    let all_tax = amount(session, "/total_details/amount_tax").unwrap_or_default();
    let of_shipping: Vec<LineTax> = list(session, "/shipping_cost/taxes").iter().map(line_tax).collect();
    let included_tax = sum(lines, |line| line.included_tax).saturating_add(included(&of_shipping)).min(all_tax);
    let mut taxes: Vec<TaxPart> = Vec::new();
    for tax in lines.iter().flat_map(|line| &line.taxes).chain(&of_shipping) {
        match taxes.iter_mut().find(|part| part.name == tax.kind && part.inclusive == tax.inclusive) {
            Some(part) => part.amount = part.amount.saturating_add(tax.amount),
            None => taxes.push(TaxPart { name: tax.kind.clone(), amount: tax.amount, inclusive: tax.inclusive, ..TaxPart::default() }),
        }
    }
    Totals {
        items_base_amount: base,
        items_discount,
        subtotal: base.saturating_sub(items_discount),
        discount: discount.saturating_sub(items_discount).max(0),
        fulfillment: shipping.unwrap_or_default(),
        tax: all_tax.saturating_sub(included_tax),
        fee: 0,
        total: amount(session, "/amount_total").unwrap_or_default(),
        included_tax,
        taxes,
    }
}

/// An address as Stripe has it, with the name beside it.
fn address(details: &Value) -> Option<Address> {
    let at = details.get("address").filter(|address| address.is_object())?;
    let part = |member: &str| text(at, member).unwrap_or_default();
    Some(Address {
        name: text(details, "/name").unwrap_or_default(),
        line_one: part("/line1"),
        line_two: text(at, "/line2"),
        city: part("/city"),
        state: part("/state"),
        country: part("/country"),
        postal_code: part("/postal_code"),
        company: None,
    })
}

fn shipping_details(session: &Value) -> Option<&Value> {
    let places = ["/collected_information/shipping_details", "/shipping_details", "/payment_intent/shipping"];
    places.iter().find_map(|pointer| session.pointer(pointer).filter(|details| details.is_object()))
}

/// The way of delivery that was chosen.
fn delivery(session: &Value) -> Option<DeliveryOption> {
    let cost = session.get("shipping_cost").filter(|cost| cost.is_object())?;
    let rate = cost.get("shipping_rate").unwrap_or(&Value::Null);
    Some(DeliveryOption {
        kind: "shipping".to_owned(),
        id: text(rate, "/id").or_else(|| rate.as_str().map(str::to_owned)).unwrap_or_default(),
        title: text(rate, "/display_name").unwrap_or_else(|| "Shipping".to_owned()),
        subtotal: amount(cost, "/amount_subtotal").unwrap_or_default(),
        tax: amount(cost, "/amount_tax").unwrap_or_default(),
        total: amount(cost, "/amount_total").unwrap_or_default(),
        ..DeliveryOption::default()
    })
}

/// The card that paid.
fn card(session: &Value) -> Option<Card> {
    let card = charge(session).pointer("/payment_method_details/card").filter(|card| card.is_object())?;
    Some(Card {
        brand: text(card, "/brand"),
        last4: text(card, "/last4"),
        exp_month: card.get("exp_month").and_then(Value::as_i64),
        exp_year: card.get("exp_year").and_then(Value::as_i64),
    })
}

/// E-mail, name and telephone of who bought: of the Session, else of who paid.
fn buyer(session: &Value) -> [Option<String>; 3] {
    let of = |member: &str| {
        let places = [["/customer_details/", member].concat(), ["/payment_intent/latest_charge/billing_details/", member].concat()];
        places.iter().find_map(|place| text(session, place))
    };
    let email = of("email").or_else(|| text(session, "/customer_email")).or_else(|| text(session, "/payment_intent/receipt_email"));
    [email, of("name"), of("phone")]
}

/// What the ledger keeps of who bought, in Stripe's own words.
pub fn buyer_news(session: &Value) -> News {
    let [email, name, phone] = buyer(session);
    News {
        customer: Some(object! { "email": email, "name": name, "phone": phone }),
        shipping_details: shipping_details(session).cloned(),
        billing_details: charge(session).get("billing_details").filter(|details| details.is_object()).cloned(),
        ..News::default()
    }
}

/// The buyer's e-mail: by it he finds his order on its page.
pub fn buyer_email(session: &Value) -> Option<String> {
    let [email, ..] = buyer(session);
    email
}

/// The ids of an order, and where it is to be seen.
pub struct Born<'a> {
    /// `ord_…`
    pub id: &'a str,
    /// `cct_…`
    pub transaction: &'a str,
    pub permalink_url: String,
    /// Unix seconds.
    pub now: i64,
}

/// The order of an expanded Session.
pub fn order(session: &Value, items: &[Value], born: &Born<'_>) -> OrderDoc {
    let lines = lines(items);
    let [email, name, phone] = buyer(session);
    let ship_to = shipping_details(session);
    let contact = Contact {
        name: ship_to.and_then(|to| text(to, "/name")).or_else(|| name.clone()),
        phone_number: ship_to.and_then(|to| text(to, "/phone")).or_else(|| phone.clone()),
        email: email.clone(),
    };
    let details = agent_details(session);
    OrderDoc {
        id: born.id.to_owned(),
        transaction: born.transaction.to_owned(),
        checkout_session_id: text(session, "/id").unwrap_or_default(),
        livemode: session.get("livemode").and_then(Value::as_bool).unwrap_or(false),
        agent: agent_name(details),
        agent_details: details.filter(|details| details.is_object()).cloned().unwrap_or_default(),
        permalink_url: born.permalink_url.clone(),
        status: "created".to_owned(),
        currency: text(session, "/currency").unwrap_or_default(),
        totals: totals(session, &lines),
        lines,
        delivery: delivery(session).into_iter().collect(),
        address: ship_to.and_then(address),
        contact: Some(contact),
        // In Stripe's words and in those of an agent's checkout: one shop reads both.
        buyer: object! { "email": email, "name": name, "phone": phone, "full_name": name, "phone_number": phone },
        billing: charge(session).get("billing_details").and_then(address),
        card: card(session),
        receipt_number: text(charge(session), "/receipt_number"),
        receipt_url: text(charge(session), "/receipt_url"),
        metadata: session.get("metadata").cloned().unwrap_or_default(),
        created: amount(charge(session), "/created").unwrap_or(born.now),
        updated: born.now,
        ..OrderDoc::default()
    }
}

/// What is taken out of the stock: `[{id, quantity}]`.
pub fn stock(order: &OrderDoc) -> String {
    let known = order.lines.iter().filter(|line| !line.product.is_empty());
    let items: Vec<Value> = known.map(|line| object! { "id": line.product, "quantity": line.quantity }).collect();
    items.text()
}

/// Whose an order is.
pub struct Owner<'a> {
    pub shop_id: &'a str,
    /// The connected account that sells.
    pub account: &'a str,
    /// A destination charge: it lives on the platform.
    pub destination: bool,
}

/// The transaction of an expanded Session, as if it had been written before anybody paid: the Session, compared with it, says what it
/// is now. `None` where the Session does not say what everything is decided by.
pub fn row(session: &Session, whole: &Value, order: &OrderDoc, owner: &Owner<'_>, now: i64) -> Option<Box<Row>> {
    let intent: Option<&PaymentIntent> = session.payment_intent.as_ref().and_then(Expandable::object);
    let total = session.amount_total.filter(|total| (0..=crate::money::MAX_CHARGE).contains(total))?;
    let currency = session.currency.as_deref().filter(|code| crate::money::Currency::parse(code).is_some())?;
    let charged = |pointer: &str| amount(charge(whole), pointer);
    let fee = intent.and_then(|intent| intent.application_fee_amount).or_else(|| charged("/application_fee_amount")).unwrap_or_default();
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            let mut object = object! { "name": line.title, "quantity": line.quantity, "amount_total": line.subtotal };
            // Which product it is only a preview tells.
            if let (Value::Object(members), false) = (&mut object, line.product.is_empty()) {
                members.insert("product_id".to_owned(), line.product.json());
                members.insert("sku".to_owned(), line.product.json());
            }
            object
        })
        .collect();
    let extra = |label: &str, amount: i64| -> Vec<Value> {
        if amount > 0 { vec![object! { "label": label, "amount": amount }] } else { Vec::new() }
    };
    let shipping = extra(order.delivery.first().map_or("Shipping", |option| &option.title), order.totals.fulfillment);
    let manual = intent.and_then(|intent| intent.capture_method.as_deref()) == Some("manual");
    Some(Box::new(Row {
        id: order.transaction.clone(),
        shop_id: owner.shop_id.to_owned(),
        livemode: i64::from(session.livemode),
        account: owner.account.to_owned(),
        charge_type: if owner.destination { "destination" } else { "direct" }.to_owned(),
        source: "agent".to_owned(),
        agent: order.agent.clone(),
        currency: currency.to_owned(),
        amount_expected: total,
        total_rule: "exact".to_owned(),
        shipping_choices: "[]".to_owned(),
        automatic_tax: i64::from(whole.pointer("/automatic_tax/enabled").and_then(Value::as_bool).unwrap_or(false)),
        amount: total,
        amount_subtotal: amount(whole, "/amount_subtotal").unwrap_or_else(|| order.totals.items_base_amount.min(total)),
        amount_tax: amount(whole, "/total_details/amount_tax").unwrap_or_default(),
        amount_shipping: order.totals.fulfillment,
        application_fee_amount: fee.clamp(0, total),
        capture: if manual { "manual" } else { "automatic" }.to_owned(),
        checkout_session: Some(session.id.clone()),
        payment_intent: session.payment_intent.as_ref().map(|intent| intent.id().to_owned()),
        line_items: lines.text(),
        extras: object! { "shipping": shipping, "fees": Vec::<Value>::new(), "taxes": extra("Tax", order.totals.tax) }.text(),
        discounts: extra("Discount", order.totals.discount).text(),
        metadata: "{}".to_owned(),
        refunds: "[]".to_owned(),
        events: "[]".to_owned(),
        created: now,
        protocol: "stripe".to_owned(),
        ..Row::default()
    }))
}

/// Whether something of it was given back already when it was first heard of: its refunds are to be asked for.
pub fn refunded(session: &Value) -> bool {
    amount(charge(session), "/amount_refunded").is_some_and(|amount| amount > 0)
}
