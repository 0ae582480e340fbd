//! `GET /`: what this is, and whether it is configured. Contract: *Conventions*, and the end of *Bindings*.

use super::layout::page;
use crate::config::{ChargeType, Config, Misconfigured, Registration};
use maud::{Markup, html};

/// The front page. `public_url` is the origin as the world sees it, or the request's own under `ALLOW_LOCAL`.
///
/// It is open to everyone, so it says what may be known to everyone: names of variables, never a value;
/// the addresses that the operator has to give to Stripe, which are derived from this one; no fees, no hosts.
pub fn front(version: &str, config: &Result<&Config, &Misconfigured>, public_url: &str) -> String {
    let local = match config {
        Ok(config) => config.allow_local,
        Err(misconfigured) => misconfigured.allow_local,
    };
    page(
        "CognitiveCart Worker",
        "CognitiveCart",
        html! {
            h1 { "CognitiveCart Worker" }
            p { "The payment side of shops that sell to chat visitors and AI agents. Shops connect their own Stripe accounts; buyers pay on Stripe's pages." }
            @if local { (local_warning(config)) }
            @match config {
                Ok(config) => (configured(config, public_url)),
                Err(misconfigured) => (misconfigured_list(misconfigured)),
            }
            h2 { "For programs" }
            ul {
                li { a href="/openapi.json" { "openapi.json" } ": everything that can be called, as OpenAPI 3.1" }
                li { a href="/healthz" { "healthz" } ": the state for monitors" }
            }
            p.soft { "Version " (version) }
        },
    )
}

/// Attack: a setting for the operator's own machine is left on in production, and shops may then live on
/// `localhost`, unverified. It cannot be told from here whether this is production, hence the noise.
fn local_warning(config: &Result<&Config, &Misconfigured>) -> Markup {
    html! {
        div.warn role="note" aria-label="Warning" {
            p { strong { "ALLOW_LOCAL is on. This is not a configuration for real shops." } }
            p { "Shops may live on " code { "http://localhost" } " and " code { "http://127.0.0.1" }
                ". Remove the variable wherever others can reach this Worker." }
            @if let Ok(config) = config {
                @if !config.verification_required { p { strong { "Shops are not verified" } " (SHOP_VERIFICATION is off)." } }
                @if !config.rate_limits { p { strong { "Nothing is rate-limited" } " (RATE_LIMITS is off)." } }
            }
        }
    }
}

fn configured(config: &Config, public_url: &str) -> Markup {
    html! {
        p.good { "Configured and ready." }
        dl {
            div {
                dt { "Modes" }
                dd {
                    @match (config.live.is_some(), config.test.is_some()) {
                        (true, true) => "live and test",
                        (true, false) => "live",
                        _ => "test only: no real money moves",
                    }
                }
            }
            div {
                dt { "Registration" }
                dd {
                    @match config.registration {
                        Registration::Open => "open: every shop that proves its address",
                        Registration::Operator => "by the operator",
                    }
                }
            }
            div {
                dt { "Charges" }
                dd {
                    @match config.charge_type {
                        ChargeType::Direct => "on the shop's own Stripe account",
                        ChargeType::Destination => "on behalf of the shop, transferred to its Stripe account",
                    }
                }
            }
        }
        @if config.webhook_secrets.is_empty() {
            div.warn role="note" aria-label="Warning" {
                p { strong { "Stripe's webhooks are refused" } ", because STRIPE_WEBHOOK_SECRETS is not set. Payments are then only noticed when the buyer comes back, or by the sweep." }
            }
        }
        h2 { "What Stripe has to know" }
        dl {
            div { dt { "Redirect URI" } dd { code { (public_url) "/connect/callback" } } }
            div { dt { "Webhook endpoint" } dd { code { (public_url) "/stripe/webhooks" } } }
        }
    }
}

fn misconfigured_list(misconfigured: &Misconfigured) -> Markup {
    html! {
        h2 { "Not configured yet" }
        p { "Until the operator has set these variables, everything else answers 503:" }
        ul {
            @for (name, what) in &misconfigured.problems {
                li { code { (name) } " " (what) }
            }
        }
    }
}
