//! When something stops a person: what happened, what to do next, and a number to quote.

use super::layout::page;
use maud::html;

/// An error, told to someone who is not a programmer.
pub struct ErrorPage<'a> {
    pub title: &'a str,
    pub what_happened: &'a str,
    pub what_next: &'a str,
    /// The `Request-Id`, by which the operator finds the line in the log.
    pub reference: Option<&'a str>,
}

/// The page: an unknown, used or old ticket or state, the wrong browser, an unknown transaction, a 429, a fault.
pub fn problem(the: &ErrorPage<'_>) -> String {
    page(
        the.title,
        "CognitiveCart",
        html! {
            h1 { (the.title) }
            p { (the.what_happened) }
            p { (the.what_next) }
            @if let Some(reference) = the.reference {
                p.soft { "Reference: " code { (reference) } }
            }
        },
    )
}
