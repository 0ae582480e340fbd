//! What a buyer sees where the order names no page of the shop's: after paying, and after turning back.
//! Contract: *Completion*, *Checkout* (where `success_url` and `cancel_url` are left out).

use super::layout::{link, page};
use maud::html;

/// What the buyer is told: the same four words as in the signed redirect, so that page and redirect cannot disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Paid,
    /// Set aside on the card, not charged.
    Authorized,
    /// Under way, or not known because Stripe did not answer in time.
    Processing,
    /// No money is there: not paid yet, or paid and given back.
    Unpaid,
}

/// An order whose buyer came back from Stripe.
pub struct Thanks<'a> {
    pub status: Status,
    /// For people: "USD 12.30".
    pub amount: &'a str,
    pub shop_name: &'a str,
    pub shop_url: &'a str,
    pub order_id: Option<&'a str>,
    /// Stripe's page, if it is still open: where an unpaid order can be paid.
    pub pay_url: Option<&'a str>,
}

/// The thank-you page. It promises no more than is known: «received» is said only of money that is.
pub fn thanks(the: &Thanks<'_>) -> String {
    let (heading, state, explanation) = match the.status {
        Status::Paid => ("Thank you, your payment was received", "Paid", "The shop takes it from here."),
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
        // A refunded order comes here too, hence not «nothing was charged».
        Status::Unpaid => ("This order is not paid", "Not paid", "The shop holds no payment for it: none was made, or it was given back."),
    };
    // Never offered where money is there or under way: nobody shall pay twice.
    let pay_url = the.pay_url.filter(|_| the.status == Status::Unpaid);
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
            @if let Some(url) = pay_url {
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
