//! `GET /connect/{ticket}`: whose shop, which mode, one button. Contract: *Connect*, step 2.

use super::layout::page;
use maud::html;

/// What the merchant has to know before Stripe is reached.
pub struct Consent<'a> {
    /// Proven by the challenge: the whole of it. Attack: whoever can publish a file under one path of a site has not proven its origin.
    pub site_url: &'a str,
    /// What the shop calls itself; proven by nobody.
    pub shop_name: &'a str,
    pub live: bool,
    /// `/connect/{ticket}`
    pub action: &'a str,
}

/// The page.
///
/// Attack: a stranger sends a merchant the link of the stranger's own shop, to have the merchant's sales run there.
/// What stops it is that the verified address is the largest thing on the page, before the name, which anyone may
/// choose; and that the name stands in a `bdi`, so that it cannot turn the text around it with direction marks.
pub fn consent(the: &Consent<'_>) -> String {
    let title = format!("Connect {} to Stripe", the.site_url);
    page(
        &title,
        "CognitiveCart",
        html! {
            h1 { "Connect your Stripe account to this shop?" }
            p.lead { (the.site_url) }
            dl {
                @if !the.shop_name.trim().is_empty() {
                    div { dt { "Calls itself" } dd { bdi { (the.shop_name) } } }
                }
                div {
                    dt { "Mode" }
                    dd {
                        @if the.live { strong { "Live" } ": real payments, real money" }
                        @else { strong { "Test" } ": no real money moves" }
                    }
                }
            }
            p { "Next, Stripe asks you to sign in and to choose the account. Afterwards " strong { (the.site_url) }
                " can take payments and make refunds through it, by way of this service, which gets access to the account for that." }
            p { "You can end this at any time, in the shop's settings or in your Stripe Dashboard." }
            form method="post" action=(the.action) {
                p { button.button type="submit" { "Continue to Stripe" } }
            }
            p.soft { "Is this not your shop, or did you not just ask for this in its settings? Then close this page: nothing has been connected." }
        },
    )
}
