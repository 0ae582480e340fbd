//! The few HTML pages that a person meets: merchants on their way to Stripe, buyers without a page of the shop's
//! to return to, and whoever opens the Worker's address.
//!
//! Names, origins and Stripe's `error_description` are strangers' text. They are written by `maud` alone, which
//! escapes whatever it is given; nothing in this room builds HTML from strings. Should something slip through even
//! so, the policy of [`csp`] runs no script, loads nothing and lets no page be framed.
//! There is no script on any page but the one that mounts Stripe's own component, whose policy names it by its hash.

mod consent;
mod front;
mod layout;
mod order;
mod problem;
mod settings;
mod thanks;

pub use consent::{AccountFields, Consent, consent};
pub use front::front;
pub use layout::{csp, csp_own};
pub use order::{AskEmail, Order, Part, Shipment, ask_email, order};
pub use problem::{ErrorPage, problem};
pub use settings::{Settings, settings, settings_csp};
pub use thanks::{CartKept, Status, Thanks, cart_kept, thanks};
