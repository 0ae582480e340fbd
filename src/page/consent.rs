//! `GET /connect/{ticket}`: whose shop, which mode, one button. Contract: *Connect*, step 2.

use super::layout::page;
use maud::{Markup, html};

/// What the merchant has to know before Stripe is reached.
pub struct Consent<'a> {
    /// Proven by the challenge: the whole of it. Attack: whoever can publish a file under one path of a site has not proven its origin.
    pub site_url: &'a str,
    /// What the shop calls itself; proven by nobody.
    pub shop_name: &'a str,
    pub live: bool,
    /// `/connect/{ticket}`
    pub action: &'a str,
    /// Whether Stripe's form for an account of the platform's making comes next, and not a sign-in.
    pub onboarding: bool,
    /// Of an account that is yet to be made: what it is made of.
    pub fields: Option<AccountFields<'a>>,
    /// Why pressing the button led nowhere.
    pub refused: Option<&'a str>,
}

/// What Stripe wants to know before its own form, as far as the shop knows it.
pub struct AccountFields<'a> {
    pub email: &'a str,
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
}

/// Where Stripe has accounts for businesses.
const COUNTRIES: [(&str, &str); 46] = [
    ("AU", "Australia"),
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("BR", "Brazil"),
    ("BG", "Bulgaria"),
    ("CA", "Canada"),
    ("HR", "Croatia"),
    ("CY", "Cyprus"),
    ("CZ", "Czech Republic"),
    ("DK", "Denmark"),
    ("EE", "Estonia"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("GI", "Gibraltar"),
    ("GR", "Greece"),
    ("HK", "Hong Kong"),
    ("HU", "Hungary"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("LV", "Latvia"),
    ("LI", "Liechtenstein"),
    ("LT", "Lithuania"),
    ("LU", "Luxembourg"),
    ("MY", "Malaysia"),
    ("MT", "Malta"),
    ("MX", "Mexico"),
    ("NL", "Netherlands"),
    ("NZ", "New Zealand"),
    ("NO", "Norway"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("RO", "Romania"),
    ("SG", "Singapore"),
    ("SK", "Slovakia"),
    ("SI", "Slovenia"),
    ("ES", "Spain"),
    ("SE", "Sweden"),
    ("CH", "Switzerland"),
    ("TH", "Thailand"),
    ("AE", "United Arab Emirates"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
    ("CI", "Côte d’Ivoire"),
    ("IN", "India"),
];

/// The page.
///
/// Attack: a stranger sends a merchant the link of the stranger's own shop, to have the merchant's sales run there.
/// What stops it is that the verified address is the largest thing on the page, before the name, which anyone may
/// choose; and that the name stands in a `bdi`, so that it cannot turn the text around it with direction marks.
pub fn consent(the: &Consent<'_>) -> String {
    let title = format!("Connect {} to Stripe", the.site_url);
    let question = match (the.onboarding, the.fields.is_some()) {
        (false, _) => "Connect your Stripe account to this shop?",
        (true, true) => "Open a Stripe account for this shop?",
        (true, false) => "Finish your Stripe account for this shop?",
    };
    page(
        &title,
        "CognitiveCart",
        html! {
            h1 { (question) }
            p.lead { (the.site_url) }
            @if let Some(refused) = the.refused {
                div.warn role="alert" { p { (refused) } }
            }
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
            @if the.onboarding {
                p { "Next, Stripe asks who you are and where your money is to go. The account is yours, with a Dashboard of its own. Afterwards "
                    strong { (the.site_url) }
                    " can take payments and make refunds through it, by way of this service, which gets access to the account for that." }
                p { "You can end this at any time, in the shop's settings." }
            } @else {
                p { "Next, Stripe asks you to sign in and to choose the account. Afterwards " strong { (the.site_url) }
                    " can take payments and make refunds through it, by way of this service, which gets access to the account for that." }
                p { "You can end this at any time, in the shop's settings or in your Stripe Dashboard." }
            }
            form method="post" action=(the.action) {
                @if let Some(fields) = &the.fields { (account_fields(fields)) }
                p { button.button type="submit" { "Continue to Stripe" } }
            }
            p.soft { "Is this not your shop, or did you not just ask for this in its settings? Then close this page: nothing has been connected." }
        },
    )
}

fn account_fields(the: &AccountFields<'_>) -> Markup {
    html! {
        label for="email" { "Your e-mail address" }
        input id="email" name="email" type="email" autocomplete="email" maxlength="254" value=(the.email) required;
        label for="country" { "Country of your business" }
        select id="country" name="country" {
            option value="" selected[the.country.is_empty()] { "Ask me at Stripe" }
            @for (code, name) in COUNTRIES {
                option value=(code) selected[code.eq_ignore_ascii_case(the.country)] { (name) }
            }
        }
    }
}
