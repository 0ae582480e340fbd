//! What a buyer sees of an order that an agent placed for him, where the shop has no page of its own for it (contract, *ACP*): a form
//! that asks for the e-mail of the order, and behind it the order.

use super::layout::{link, page};
use maud::{Markup, html};

/// The form. It is the same for every address, whether there is such an order or not.
#[derive(Default)]
pub struct AskEmail<'a> {
    /// What was entered and led to nothing.
    pub refused: Option<&'a str>,
}

/// The page with the form. It posts to its own address: an e-mail must not stand in one.
pub fn ask_email(the: &AskEmail<'_>) -> String {
    let title = if the.refused.is_some() { "No order found" } else { "Your order" };
    page(
        title,
        "Order status",
        html! {
            h1 { (title) }
            @if the.refused.is_some() {
                // Read out first, and told by words.
                div.warn role="alert" aria-label="Not found" id="refused" {
                    p { "There is no order at this address with that e-mail. Please check the e-mail that the order was placed with, and the link." }
                }
            } @else {
                p { "To see the order, enter the e-mail address that it was placed with." }
            }
            form method="post" {
                label for="email" { "E-mail address" }
                input type="email" id="email" name="email" required maxlength="254" autocomplete="email" value=[the.refused]
                    aria-describedby=[the.refused.map(|_| "refused")] aria-invalid=[the.refused.map(|_| "true")];
                button.button type="submit" { "Show the order" }
            }
        },
    )
}

/// A line with an amount, for people: "USD 12.30".
pub struct Part {
    pub name: String,
    /// Of an item.
    pub quantity: Option<i64>,
    pub amount: String,
}

pub struct Shipment {
    pub title: String,
    pub state: String,
    pub carrier: Option<String>,
    pub number: Option<String>,
    /// Where it is followed, or where a download lies.
    pub url: Option<String>,
    pub expected: Option<String>,
}

pub struct Order<'a> {
    pub shop_name: &'a str,
    pub shop_url: &'a str,
    /// The shop's own number, else ours.
    pub number: &'a str,
    /// For people: "2026-04-17".
    pub placed: &'a str,
    pub state: &'a str,
    pub items: &'a [Part],
    /// The last is the total.
    pub totals: &'a [Part],
    pub refunded: Option<&'a str>,
    pub shipments: &'a [Shipment],
    /// The shop's own page of it.
    pub own_page: Option<&'a str>,
}

/// The order.
pub fn order(the: &Order<'_>) -> String {
    let title = format!("Order {}", the.number);
    let brand = if the.shop_name.trim().is_empty() { the.shop_url } else { the.shop_name };
    let (total, parts) = the.totals.split_last().map_or((None, the.totals), |(total, parts)| (Some(total), parts));
    page(
        &title,
        brand,
        html! {
            h1 { "Order " bdi { (the.number) } }
            dl {
                div { dt { "State" } dd { strong { (the.state) } } }
                div { dt { "Placed" } dd { (the.placed) } }
                @if let Some(refunded) = the.refunded {
                    div { dt { "Given back" } dd { (refunded) } }
                }
            }
            h2 { "Items" }
            table {
                thead { tr { th scope="col" { "Item" } th.sum scope="col" { "Price" } } }
                tbody {
                    @for item in the.items { (row(item)) }
                    @for part in parts { (row(part)) }
                    @if let Some(total) = total {
                        tr.total { th scope="row" { (total.name) } td.sum { (total.amount) } }
                    }
                }
            }
            @if !the.shipments.is_empty() {
                h2 { "Delivery" }
                @for shipment in the.shipments { (delivery(shipment)) }
            }
            @if let Some(url) = the.own_page {
                p { (link(url, Some("button"), "See it at the shop")) }
            }
            p { (link(the.shop_url, None, "To the shop")) }
        },
    )
}

fn row(part: &Part) -> Markup {
    html! {
        tr {
            th scope="row" {
                bdi { (part.name) }
                @if let Some(quantity) = part.quantity { " × " (quantity) }
            }
            td.sum { (part.amount) }
        }
    }
}

fn delivery(shipment: &Shipment) -> Markup {
    html! {
        dl {
            div { dt { (shipment.title) } dd { strong { (shipment.state) } } }
            @if let Some(expected) = &shipment.expected { div { dt { "Expected" } dd { (expected) } } }
            @if let Some(carrier) = &shipment.carrier { div { dt { "Carrier" } dd { bdi { (carrier) } } } }
            @if let Some(number) = &shipment.number { div { dt { "Number" } dd { bdi { (number) } } } }
            @if let Some(url) = &shipment.url { div { dt { "Link" } dd { (link(url, None, url)) } } }
        }
    }
}
