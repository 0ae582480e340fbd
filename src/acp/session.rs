//! A checkout as the core knows it: the document that is kept in D1 and that every dialect writes in its own words.
//!
//! Amounts are minor units of `currency`, times Unix seconds. Names are those of 2026-04-17 where it has one. For every
//! session that [`super::price`] has priced:
//! `line.subtotal = line.base_amount - line.discount`, `line.total = line.subtotal + line.tax`,
//! `totals.total = totals.subtotal - totals.discount + totals.fulfillment + totals.tax + totals.fee`,
//! and the lines sum up to `items_base_amount`, `items_discount` and `subtotal`.

use crate::record::{Json, Member, Record};
use serde_json::Value;

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Something is missing: see the messages.
    #[default]
    NotReady,
    Ready,
    /// The bank wants to see the buyer: completing takes an `authentication_result`.
    AuthenticationRequired,
    /// A payment is under way, or its outcome is not known yet.
    InProgress,
    Completed,
    Canceled,
    Expired,
}

impl Status {
    pub const ALL: [Status; 7] = [
        Status::NotReady,
        Status::Ready,
        Status::AuthenticationRequired,
        Status::InProgress,
        Status::Completed,
        Status::Canceled,
        Status::Expired,
    ];

    /// Its name in the table, and in the newest version.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotReady => "not_ready_for_payment",
            Status::Ready => "ready_for_payment",
            Status::AuthenticationRequired => "authentication_required",
            Status::InProgress => "complete_in_progress",
            Status::Completed => "completed",
            Status::Canceled => "canceled",
            Status::Expired => "expired",
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Nothing more can be done with it.
    pub fn ended(self) -> bool {
        matches!(self, Status::Completed | Status::Canceled | Status::Expired)
    }
}

impl Member for Status {
    fn read(value: Option<Value>) -> Option<Self> {
        Status::parse(value?.as_str()?)
    }
}

impl Json for Status {
    fn json(&self) -> Value {
        self.name().json()
    }
}

/// A record that is also written: the members are named once.
macro_rules! document {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$about:meta])* pub $field:ident : $type:ty),* $(,)? }) => {
        record! {
            $(#[$meta])*
            #[derive(Debug, PartialEq)]
            pub struct $name { $($(#[$about])* pub $field: $type = lenient),* }
        }
        impl $crate::record::Json for $name {
            fn json(&self) -> ::serde_json::Value {
                $crate::record::object(concat!($(stringify!($field), ","),*), &[$(&self.$field as &dyn $crate::record::Json),*])
            }
        }
    };
}
pub(crate) use document;

document! {
    /// A tax on one line, where somebody else has calculated it.
    pub struct LineTax {
        pub amount: i64,
        /// What kind of tax it is: Stripe's `tax_type` (`sales_tax`, `vat`, …), or the rate's name.
        pub kind: String,
        /// Percent, as it is printed.
        pub rate: Value,
        /// The price includes it.
        pub inclusive: bool,
    }
}

document! {
    /// One product of the checkout.
    pub struct Line {
        /// `li_1`, …; stays the product's as long as it is in the checkout.
        pub id: String,
        /// The catalogue's id: `item.id` on the wire.
        pub product: String,
        pub quantity: i64,
        pub title: String,
        pub description: Option<String>,
        pub link: Option<String>,
        pub images: Vec<String>,
        pub brand: Option<String>,
        /// The catalogue's `item_group_id`.
        pub group: Option<String>,
        pub category: Option<String>,
        pub tax_code: Option<String>,
        /// Needs no shipping.
        pub digital: bool,
        /// `[{name, value}]`: colour, size and the like.
        pub variant: Vec<Named>,
        /// `in_stock`, `out_of_stock`, `preorder` or `backorder`.
        pub availability: String,
        /// How many can be had; `None` where the shop does not count.
        pub available: Option<i64>,
        /// What one costs before any discount.
        pub unit_amount: i64,
        pub base_amount: i64,
        /// Sale prices and coupons by percent, for this line.
        pub discount: i64,
        pub subtotal: i64,
        /// What is added as tax; 0 where prices include it.
        pub tax: i64,
        pub total: i64,
        /// This line's share of the discounts on the whole order (`totals.discount`); not in `discount`.
        pub order_discount: i64,
        /// Tax that the price includes.
        pub included_tax: i64,
        /// Of the tax, in hundredths of a percent.
        pub tax_rate_bps: i64,
        /// Tax by tax, where Stripe has told them; empty where they follow from the totals.
        pub taxes: Vec<LineTax>,
        pub gtin: Option<String>,
        pub mpn: Option<String>,
    }
}

document! {
    pub struct Named {
        pub name: String,
        pub value: String,
    }
}

document! {
    /// Where it goes. All but `line_two` and `company` are required of an agent.
    pub struct Address {
        pub name: String,
        pub line_one: String,
        pub line_two: Option<String>,
        pub city: String,
        pub state: String,
        /// ISO 3166-1 alpha-2, capitals.
        pub country: String,
        pub postal_code: String,
        pub company: Option<String>,
    }
}

document! {
    /// Who takes delivery (`fulfillment_details` without its address).
    pub struct Contact {
        pub name: Option<String>,
        pub phone_number: Option<String>,
        pub email: Option<String>,
    }
}

document! {
    /// A way of delivery that may be chosen.
    pub struct DeliveryOption {
        /// `shipping` or `digital`.
        pub kind: String,
        pub id: String,
        pub title: String,
        pub description: Option<String>,
        pub carrier: Option<String>,
        pub earliest: Option<i64>,
        pub latest: Option<i64>,
        pub subtotal: i64,
        pub tax: i64,
        pub total: i64,
    }
}

document! {
    pub struct Selected {
        /// `shipping` or `digital`.
        pub kind: String,
        pub option_id: String,
        /// Ids of lines.
        pub item_ids: Vec<String>,
    }
}

document! {
    /// A share of a discount.
    pub struct Allocation {
        /// The line's place in `lines`.
        pub line: i64,
        pub amount: i64,
    }
}

document! {
    /// A discount that is in the price.
    pub struct Applied {
        /// `di_1`, …
        pub id: String,
        /// As the agent sent it; `None` for one that needs no code.
        pub code: Option<String>,
        /// The coupon's id: the code in lower case.
        pub coupon: String,
        pub name: String,
        /// Hundredths of a percent, where it goes by percent.
        pub percent_bps: Option<i64>,
        pub amount_off: Option<i64>,
        pub amount: i64,
        /// Item by item (by percent: it is in `line.discount`), or across the order (`line.order_discount`).
        pub each: bool,
        pub starts: Option<i64>,
        pub ends: Option<i64>,
        pub allocations: Vec<Allocation>,
    }
}

document! {
    pub struct Rejected {
        pub code: String,
        /// `discount_code_expired`, … (2026-01-30, `DiscountErrorCode`).
        pub reason: String,
        pub message: String,
    }
}

document! {
    /// A tax that is in the totals.
    pub struct TaxPart {
        pub name: String,
        pub rate_bps: i64,
        pub amount: i64,
        /// Prices include it: it is not in `totals.tax`.
        pub inclusive: bool,
    }
}

document! {
    pub struct Totals {
        pub items_base_amount: i64,
        pub items_discount: i64,
        pub subtotal: i64,
        pub discount: i64,
        pub fulfillment: i64,
        pub tax: i64,
        pub fee: i64,
        pub total: i64,
        pub included_tax: i64,
        pub taxes: Vec<TaxPart>,
    }
}

document! {
    pub struct Message {
        /// `info`, `warning` or `error`.
        pub kind: String,
        /// Of an error or a warning: the newest version's code.
        pub code: Option<String>,
        /// RFC 9535, into the newest version's session: `$.line_items[0]`, `$.fulfillment_details.address`.
        pub param: Option<String>,
        pub content: String,
        /// `recoverable`, `requires_buyer_input` or `requires_buyer_review`.
        pub resolution: Option<String>,
    }
}

document! {
    /// The order that a completed checkout became.
    pub struct OrderRef {
        /// `ord_…`
        pub id: String,
        /// The shop's own number, once it has told.
        pub number: Option<String>,
        pub permalink_url: String,
        pub status: String,
    }
}

document! {
    /// A checkout, or a cart (which has no payment and no delivery).
    pub struct Session {
        /// `checkout_…` or `cart_…`.
        pub id: String,
        pub status: Status,
        pub currency: String,
        pub livemode: bool,
        pub lines: Vec<Line>,
        /// The buyer as the newest version has him: `email`, `first_name`, `last_name`, `full_name`, `phone_number`, …; `null` without.
        pub buyer: Value,
        pub contact: Option<Contact>,
        pub address: Option<Address>,
        pub options: Vec<DeliveryOption>,
        pub selected: Vec<Selected>,
        /// Whether the agent chose among `options` himself; else the cheapest is chosen anew with every change.
        pub chosen: bool,
        pub codes: Vec<String>,
        /// The same as they are compared and counted ([`crate::fulfillment::code_key`]).
        pub code_keys: Vec<String>,
        pub applied: Vec<Applied>,
        pub rejected: Vec<Rejected>,
        pub totals: Totals,
        pub messages: Vec<Message>,
        /// What the agent says it can do (2026-01-30: `capabilities`); `null` where it said nothing.
        pub capabilities: Value,
        /// As the agent sent it, `null` without: echoed.
        pub groups: Value,
        pub metadata: Value,
        pub locale: Option<String>,
        pub timezone: Option<String>,
        pub quote_id: Option<String>,
        pub order_notes: Option<String>,
        /// Channels to which the buyer agreed or not: `[{channel, opted_in}]`.
        pub consents: Value,
        pub created: i64,
        pub updated: i64,
        pub expires_at: i64,
        pub order: Option<OrderRef>,
    }
}

/// A link to a page of the shop's: `type` as the newest version or the oldest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub kind: String,
    pub url: String,
    pub title: Option<String>,
}

/// What the answers say about the shop, besides the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    pub name: String,
    pub site_url: String,
    /// The connected account a payment token must be for: `merchant_id`. `None` while none is connected.
    pub account: Option<String>,
    pub links: Vec<Link>,
    /// The Worker's own address.
    pub public_url: String,
}

impl Session {
    /// From the table.
    pub fn stored(text: &str) -> Result<Session, crate::record::Unreadable> {
        Session::from_json(text.as_bytes())
    }

    pub fn physical(&self) -> bool {
        self.lines.iter().any(|line| !line.digital)
    }
}
