//! What a buyer sees where the order names no page of the shop's: after paying, and after turning back.
//! Contract: *Completion*, *Checkout* (where `success_url` and `cancel_url` are left out).

use super::layout::{link, page};
use crate::ledger::Status;
use maud::html;

/// An order whose buyer came back from Stripe.
pub struct Thanks<'a> {
    pub status: Status,
    /// For people: "USD 12.30".
    pub amount: &'a str,
    pub shop_name: &'a str,
    pub shop_url: &'a str,
    pub order_id: Option<&'a str>,
    /// Stripe's page, while it is open: where an unpaid order can still be paid.
    pub pay_url: Option<&'a str>,
}

/// The thank-you page. It promises no more than is known: «received» is said only of money that is.
pub fn thanks(the: &Thanks<'_>) -> String {
    let (heading, state, explanation) = match the.status {
        // A dispute is between the shop and the bank; the order it is about was paid.
        Status::Paid | Status::PartiallyRefunded | Status::Disputed => {
            ("Thank you, your payment was received", "Paid", "The shop takes it from here.")
        }
        Status::Authorized => (
            "Thank you, your payment is reserved",
            "Reserved, not yet charged",
            "The amount is set aside. The shop charges it when it accepts the order.",
        ),
        Status::Processing => (
            "Thank you, your payment is being processed",
            "Being processed",
            "This can take a moment, with some payment methods a few days. The shop is told as soon as it is through; there is no need to pay again.",
        ),
        Status::Refunded => ("This order was refunded", "Refunded", "The shop gave the whole amount back."),
        Status::Open | Status::Failed | Status::Expired | Status::Canceled => {
            ("This order is not paid yet", "Not paid", "Nothing has been charged.")
        }
    };
    let payable = matches!(the.status, Status::Open | Status::Failed);
    page(
        heading,
        brand(the.shop_name, the.shop_url),
        html! {
            h1 { (heading) }
            p { (explanation) }
            dl {
                div { dt { "Amount" } dd { strong { (the.amount) } } }
                div { dt { "State" } dd { (state) } }
                @if let Some(order_id) = the.order_id.filter(|id| !id.is_empty()) {
                    div { dt { "Order" } dd { bdi { (order_id) } } }
                }
            }
            @if let Some(url) = the.pay_url.filter(|_| payable) {
                p { (link(url, Some("button"), "Go back and pay")) }
            }
            p { (link(the.shop_url, None, "Back to the shop")) }
        },
    )
}

/// A cart whose buyer turned back at Stripe.
pub struct CartKept<'a> {
    pub shop_name: &'a str,
    pub shop_url: &'a str,
}

/// The cart-kept page. Nothing was changed by coming here: the buyer may go back in the browser and pay.
pub fn cart_kept(the: &CartKept<'_>) -> String {
    page(
        "Your cart is kept",
        brand(the.shop_name, the.shop_url),
        html! {
            h1 { "Your cart is kept" }
            p { "You left the payment page. Coming back here charged nothing and changed nothing. To pay after all, go back in your browser while the payment page is open, or start again from the shop." }
            p { (link(the.shop_url, Some("button"), "Back to the shop")) }
        },
    )
}

/// Whose page it is to the buyer: the shop's name, or its address where it gave none.
fn brand<'a>(name: &'a str, url: &'a str) -> &'a str {
    if name.trim().is_empty() { url } else { name }
}
