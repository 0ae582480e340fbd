//! The ledger: what a transaction is, which way its status may move, and when news from Stripe may move it.
//!
//! Nothing is believed because it arrived: a Session or PaymentIntent counts only if account, mode, currency,
//! amount and reference are those of the row (contract, *Completion*; seen missing in CVE-2026-9189 and
//! CVE-2026-2890, where a genuine 1-dollar payment settled a 2,000-dollar order).

use crate::aftermath;
use crate::id::Mode;
use crate::record::{Json, Member, made};
use crate::stripe::Charge;
use crate::stripe::payment_intent::{Reference, TransferData};
use crate::stripe::session::{Expandable, PaymentIntent, Session};
use serde_json::{Map, Value};

/// Where a transaction stands (contract, *Ledger*).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Open,
    Processing,
    Authorized,
    Paid,
    PartiallyRefunded,
    Refunded,
    Disputed,
    Failed,
    Expired,
    Canceled,
}

impl Status {
    pub const ALL: [Status; 10] = [
        Status::Open,
        Status::Processing,
        Status::Authorized,
        Status::Paid,
        Status::PartiallyRefunded,
        Status::Refunded,
        Status::Disputed,
        Status::Failed,
        Status::Expired,
        Status::Canceled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Processing => "processing",
            Status::Authorized => "authorized",
            Status::Paid => "paid",
            Status::PartiallyRefunded => "partially_refunded",
            Status::Refunded => "refunded",
            Status::Disputed => "disputed",
            Status::Failed => "failed",
            Status::Expired => "expired",
            Status::Canceled => "canceled",
        }
    }

    pub fn parse(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The statuses from which news of `self` moves a row. Only forward, whatever order the news comes in;
    /// paid wins over failed, expired and canceled, because a buyer whose card was declined may still pay.
    pub fn follows(self) -> &'static [Status] {
        use Status::*;
        match self {
            Open => &[],
            Processing => &[Open],
            Authorized => &[Open, Processing],
            Paid => &[Open, Processing, Authorized, Failed, Expired, Canceled],
            // What comes after paid is decided from all refunds and disputes: see `aftermath`.
            PartiallyRefunded | Refunded | Disputed => &[],
            Failed => &[Open, Processing],
            Expired => &[Open],
            Canceled => &[Open, Processing, Authorized],
        }
    }

    /// Whether the sum counts as sold (`gross` of the summary).
    pub fn sold(self) -> bool {
        matches!(self, Status::Paid | Status::PartiallyRefunded | Status::Refunded | Status::Disputed)
    }

    /// What the signed redirect says. A refunded order is not said to be paid: whoever keeps the link must not
    /// get the goods a second time.
    pub fn for_redirect(self) -> &'static str {
        match self {
            Status::Paid | Status::PartiallyRefunded | Status::Disputed => "paid",
            Status::Authorized => "authorized",
            Status::Processing => "processing",
            _ => "unpaid",
        }
    }

    /// Nothing that a returning buyer's browser could tell would change it.
    pub fn settled(self) -> bool {
        !matches!(self, Status::Open | Status::Processing | Status::Failed | Status::Expired | Status::Canceled)
    }
}

impl Member for Status {
    fn read(value: Option<Value>) -> Option<Self> {
        Status::parse(value?.as_str()?)
    }
}

record! {
    /// A transaction as D1 has it. JSON columns are text. Amounts are minor units, times Unix seconds.
    #[derive(Debug)]
    pub struct Row {
        pub id: String,
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub charge_type: String,
        pub status: Status,
        pub source: String,
        pub agent: Option<String>,
        pub currency: String,
        pub amount_expected: i64,
        pub total_rule: String,
        pub shipping_choices: String,
        pub automatic_tax: i64,
        pub amount: i64,
        pub amount_subtotal: i64,
        pub amount_tax: i64,
        pub amount_shipping: i64,
        pub amount_capturable: i64,
        pub amount_captured: i64,
        pub amount_refunded: i64,
        pub application_fee_amount: i64,
        pub application_fee_refunded: i64,
        pub capture: String,
        pub capture_before: Option<i64>,
        pub cart_id: Option<String>,
        pub order_id: Option<String>,
        pub order_key: Option<String>,
        pub success_url: Option<String>,
        pub cancel_url: Option<String>,
        pub checkout_session: Option<String>,
        pub session_url: Option<String>,
        pub expires_at: Option<i64>,
        pub payment_intent: Option<String>,
        pub line_items: String,
        pub extras: String,
        pub discounts: String,
        pub metadata: String,
        pub customer: Option<String>,
        pub shipping_details: Option<String>,
        pub billing_details: Option<String>,
        pub refunds: String,
        pub dispute: Option<String>,
        pub events: String,
        pub stripe_form: Option<String>,
        pub stripe_key: String,
        pub attempt_until: i64,
        pub created: i64,
        pub paid_at: Option<i64>,
        pub check_at: Option<i64>,
        pub checks: i64,
        /// `checkout`: a Checkout Session at Stripe. `acp`: an agent's checkout, paid by a PaymentIntent of our own. `stripe`: a Checkout
        /// Session that an agent made at Stripe, which names no transaction of ours.
        pub protocol: String = lenient,
    }
}

pub fn stored(text: &str) -> Value {
    text.parse::<Value>().unwrap_or(Value::Null)
}

fn stored_or_null(text: &Option<String>) -> Value {
    text.as_deref().map_or(Value::Null, stored)
}

/// The list of a row's events with one more.
pub fn with_event(events: &str, event: Value) -> String {
    match stored(events) {
        Value::Array(mut list) => {
            list.push(event);
            Value::Array(list).text()
        }
        _ => events.to_owned(),
    }
}

impl Row {
    pub fn mode(&self) -> Mode {
        Mode::from_live(self.livemode != 0)
    }

    pub fn destination(&self) -> bool {
        self.charge_type == "destination"
    }

    /// Whether it may have an order, of which the shop and an agent are told.
    pub fn has_order(&self) -> bool {
        !matches!(self.protocol.as_str(), "" | "checkout")
    }

    /// Whether an agent's checkout was paid by API: then `checkout_session` is no Session of Stripe's.
    pub fn by_api(&self) -> bool {
        self.protocol == "acp"
    }

    /// Whether an agent ordered it at Stripe: Session and PaymentIntent do not name the row, it names them.
    pub fn at_stripe(&self) -> bool {
        self.protocol == "stripe"
    }

    /// Whether an object of this metadata may be the row's: it names the row, or, of what an agent ordered at Stripe, none at all.
    fn named_by(&self, metadata: &Map<String, Value>) -> bool {
        match reference(metadata) {
            Some(named) => named == self.id,
            None => self.at_stripe(),
        }
    }

    /// The `Stripe-Account` of calls about this row: none for destination charges, which live on the platform.
    pub fn stripe_account(&self) -> Option<&str> {
        if self.destination() { None } else { Some(&self.account) }
    }

    /// The `transaction` object of the contract.
    pub fn transaction(&self) -> Value {
        let (refunds, dispute) = aftermath::shown(self);
        let mut object = object! { "object": "transaction",
        "id": self.id,
        "source": self.source,
        "agent": self.agent,
        "status": self.status.name(),
        "amount": self.amount,
        "amount_subtotal": self.amount_subtotal,
        "amount_tax": self.amount_tax,
        "amount_shipping": self.amount_shipping,
        "amount_capturable": self.amount_capturable,
        "amount_captured": self.amount_captured,
        "amount_refunded": self.amount_refunded,
        "application_fee_amount": self.application_fee_amount,
        "application_fee_refunded": self.application_fee_refunded,
        "currency": self.currency,
        "livemode": self.livemode != 0,
        "account": self.account,
        "checkout_session": self.checkout_session,
        "payment_intent": self.payment_intent,
        "order_id": self.order_id,
        "cart_id": self.cart_id,
        "line_items": made(stored(&self.line_items)),
        "discounts": made(stored(&self.discounts)),
        "metadata": made(stored(&self.metadata)),
        "customer": made(stored_or_null(&self.customer)),
        "shipping_details": made(stored_or_null(&self.shipping_details)),
        "billing_details": made(stored_or_null(&self.billing_details)),
        "charge_type": self.charge_type,
        "refunds": made(refunds),
        "events": made(stored(&self.events)),
        "created": self.created,
        "paid_at": self.paid_at };
        if let Value::Object(members) = &mut object {
            if let Value::Object(extras) = stored(&self.extras) {
                members.extend(extras);
            }
            if let Some(before) = self.capture_before {
                members.insert("capture_before".into(), before.json());
            }
            if self.dispute.is_some() {
                members.insert("dispute".into(), dispute);
            }
        }
        object
    }

    /// The `checkout.session` object of the contract; statuses are Stripe's for a Session.
    pub fn checkout_session(&self) -> Value {
        let (status, payment_status) = match self.status {
            Status::Open => ("open", "unpaid"),
            // Also after a declined card, which leaves a PaymentIntent behind.
            Status::Expired => ("expired", "unpaid"),
            Status::Canceled if self.payment_intent.is_none() => ("expired", "unpaid"),
            status if status.sold() => ("complete", "paid"),
            _ => ("complete", "unpaid"),
        };
        object! { "object": "checkout.session",
        "id": self.checkout_session,
        "url": if self.status == Status::Open { self.session_url.as_deref() } else { None },
        "status": status,
        "payment_status": payment_status,
        "amount_total": self.amount,
        "application_fee_amount": self.application_fee_amount,
        "currency": self.currency,
        "livemode": self.livemode != 0,
        "source": self.source,
        "agent": self.agent,
        "order_id": self.order_id,
        "transaction": self.id,
        "expires_at": self.expires_at }
    }
}

/// What Stripe says about a row, after it was found to be about that row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// Where the row should move; `None` when there is nothing new.
    pub to: Option<Status>,
    pub payment_intent: Option<String>,
    pub amount: Option<i64>,
    pub amount_subtotal: Option<i64>,
    pub amount_tax: Option<i64>,
    pub amount_shipping: Option<i64>,
    pub amount_capturable: Option<i64>,
    pub amount_captured: Option<i64>,
    pub capture_before: Option<i64>,
    /// Less than was agreed where less was captured.
    pub application_fee: Option<i64>,
    pub customer: Option<Value>,
    pub shipping_details: Option<Value>,
    pub billing_details: Option<Value>,
    /// Told by a PaymentIntent or a charge: who bought, the Session knows.
    pub buyer_elsewhere: bool,
}

impl News {
    /// Whether the shop should be told a moment later, when it is known who bought. `row` is as it is after the news.
    pub fn lacks_buyer(&self, row: &Row) -> bool {
        self.buyer_elsewhere && row.customer.is_none() && matches!(row.status, Status::Paid | Status::Authorized)
    }

    /// Whether it tells who bought. A PaymentIntent's event does not, and may be the one that comes first.
    pub fn tells_buyer(&self) -> bool {
        self.to.is_some() && (self.customer.is_some() || self.shipping_details.is_some() || self.billing_details.is_some())
    }
}

/// Why news is not about the row that it names. Said to the operator (a stray), never to a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    Reference,
    Session,
    Account,
    Mode,
    Currency,
    Amount,
    PaymentIntent,
    /// It names a row of ours and cannot be read.
    Unreadable,
}

impl Mismatch {
    pub fn name(self) -> &'static str {
        match self {
            Mismatch::Reference => "reference",
            Mismatch::Session => "session",
            Mismatch::Account => "account",
            Mismatch::Mode => "mode",
            Mismatch::Currency => "currency",
            Mismatch::Amount => "amount",
            Mismatch::PaymentIntent => "payment_intent",
            Mismatch::Unreadable => "unreadable",
        }
    }
}

/// The notice that a shop is owed when a transaction has moved to a status (contract, *To the shop*). A payment that was given up
/// after it had begun is a failed one to the shop; its `status` says more.
pub fn notice_of(to: Status) -> Option<&'static str> {
    match to {
        Status::Open => None,
        Status::Processing => Some("transaction.processing"),
        Status::Authorized => Some("transaction.authorized"),
        Status::Paid => Some("transaction.paid"),
        Status::PartiallyRefunded | Status::Refunded => Some("transaction.refunded"),
        Status::Disputed => Some("transaction.disputed"),
        Status::Failed | Status::Canceled => Some("transaction.failed"),
        Status::Expired => Some("transaction.expired"),
    }
}

/// Our transaction that an object of Stripe's names, if it names one.
pub fn reference(metadata: &Map<String, Value>) -> Option<&str> {
    metadata.get("cc_transaction")?.as_str()
}

/// Compares a Session with its row in full, and says what it means.
/// `account` is where the Session was found: the event's account, or the one that was asked.
pub fn news_of_session(row: &Row, account: Option<&str>, session: &Session) -> Result<News, Mismatch> {
    if account != row.stripe_account() {
        return Err(Mismatch::Account);
    }
    if !row.named_by(&session.metadata) {
        return Err(Mismatch::Reference);
    }
    if row.at_stripe() && row.checkout_session.is_none() {
        return Err(Mismatch::Session);
    }
    if row.checkout_session.as_ref().is_some_and(|known| *known != session.id) {
        return Err(Mismatch::Session);
    }
    if session.livemode != (row.livemode != 0) {
        return Err(Mismatch::Mode);
    }
    if session.currency.as_deref() != Some(row.currency.as_str()) {
        return Err(Mismatch::Currency);
    }
    let intent_id = session.payment_intent.as_ref().map(|intent| intent.id().to_owned());
    if let (Some(known), Some(told)) = (&row.payment_intent, &intent_id)
        && known != told
    {
        return Err(Mismatch::PaymentIntent);
    }
    let details = session.total_details.as_ref();
    let tax = details.and_then(|d| d.amount_tax).unwrap_or(0);
    let cost = || session.shipping_cost.as_ref()?.get("amount_total")?.as_i64();
    let shipping = details.and_then(|d| d.amount_shipping).or_else(cost).unwrap_or(0);
    let total = session.amount_total.ok_or(Mismatch::Amount)?;
    if row.total_rule == "exact" {
        if total != row.amount_expected {
            return Err(Mismatch::Amount);
        }
    } else {
        // Shipping is the buyer's choice among ours, tax is Stripe's; the rest is what was agreed.
        let subtotal = session.amount_subtotal.ok_or(Mismatch::Amount)?;
        let tax_allowed = if row.automatic_tax != 0 { tax } else { 0 };
        let agreed = row.amount_expected.checked_add(shipping).and_then(|sum| sum.checked_add(tax_allowed));
        if subtotal != row.amount_expected || tax < 0 || agreed != Some(total) || !shipping_was_offered(row, shipping, session) {
            return Err(Mismatch::Amount);
        }
    }
    let intent = match &session.payment_intent {
        Some(Expandable::Object(intent)) => {
            // The Session's own total has been compared.
            check_intent(row, intent, if intent.amount == 0 { 0 } else { total })?;
            Some(intent.as_ref())
        }
        _ => None,
    };
    let manual = row.capture == "manual";
    let to = match (session.status.as_deref(), session.payment_status.as_deref()) {
        (_, Some("paid" | "no_payment_required")) => Some(Status::Paid),
        (Some("complete"), _) => Some(match intent.map(|intent| intent.status.as_str()) {
            Some("requires_capture") => Status::Authorized,
            Some("canceled") => Status::Canceled,
            Some("requires_payment_method") if !manual => Status::Failed,
            Some("succeeded") => Status::Paid,
            Some(_) => Status::Processing,
            // Delayed methods cannot be captured by hand: complete and unpaid is an authorization.
            None if manual => Status::Authorized,
            None => Status::Processing,
        }),
        (Some("expired"), _) => Some(Status::Expired),
        _ => None,
    };
    let customer = session.customer_details.as_ref();
    let email = customer.and_then(|c| c.email.as_ref()).or(session.customer_email.as_ref());
    let (name, phone) = (customer.and_then(|c| c.name.as_ref()), customer.and_then(|c| c.phone.as_ref()));
    let mut news = News {
        to,
        payment_intent: intent_id,
        amount: Some(total),
        // The row's own subtotal is that of the goods; Stripe's counts shipping and fees, which go out as lines.
        amount_subtotal: None,
        amount_tax: if row.automatic_tax != 0 { Some(tax) } else { None },
        amount_shipping: if row.total_rule == "exact" { None } else { Some(shipping) },
        // Nothing at all takes nothing away that was known before.
        customer: email.or(name).or(phone).map(|_| object! { "email": email, "name": name, "phone": phone }),
        billing_details: customer
            .filter(|c| c.address.is_some())
            .map(|c| object! { "name": c.name, "email": c.email, "phone": c.phone, "address": c.address }),
        shipping_details: session.shipping(),
        ..News::default()
    };
    match to {
        Some(Status::Paid) => {
            news.amount_captured = Some(intent.map(|i| i.amount_received).filter(|a| *a > 0).unwrap_or(total));
            news.amount_capturable = Some(0);
            news.application_fee = intent.and_then(|i| i.application_fee_amount);
        }
        Some(Status::Authorized) => {
            news.amount_capturable = Some(intent.map(|i| i.amount_capturable).filter(|a| *a > 0).unwrap_or(total));
            news.capture_before = intent.and_then(PaymentIntent::capture_before);
        }
        // What was authorised is released.
        Some(Status::Canceled) => news.amount_capturable = Some(0),
        _ => {}
    }
    Ok(news)
}

/// Whether the shipping amount is one of those that were offered (0 while nothing is chosen yet).
fn shipping_was_offered(row: &Row, shipping: i64, session: &Session) -> bool {
    let offered = Vec::<i64>::read(Some(stored(&row.shipping_choices))).unwrap_or_default();
    match (offered.is_empty(), session.status.as_deref()) {
        (true, _) => shipping == 0,
        (false, Some("complete")) => offered.contains(&shipping),
        (false, _) => shipping == 0 || offered.contains(&shipping),
    }
}

/// Compares a PaymentIntent with its row; `total` is what was agreed in the end.
fn check_intent(row: &Row, intent: &PaymentIntent, total: i64) -> Result<(), Mismatch> {
    if reference(&intent.metadata).is_some_and(|named| named != row.id) {
        return Err(Mismatch::Reference);
    }
    if intent.currency.as_deref().is_some_and(|currency| currency != row.currency) {
        return Err(Mismatch::Currency);
    }
    if intent.amount != total {
        return Err(Mismatch::Amount);
    }
    check_destination(row, intent.transfer_data.as_ref(), intent.on_behalf_of.as_ref())
}

/// A destination charge lives on the platform, where everybody's do: it is this row's only if it goes to the row's account.
fn check_destination(row: &Row, transfer: Option<&TransferData>, on_behalf_of: Option<&Expandable<Reference>>) -> Result<(), Mismatch> {
    let account = Some(row.account.as_str());
    let good = !row.destination() || transfer.and_then(TransferData::destination) == account && on_behalf_of.map(Expandable::id) == account;
    if good { Ok(()) } else { Err(Mismatch::Account) }
}

/// Compares a charge with its row, beside what [`aftermath::check`] compares.
pub fn check_charge(row: &Row, charge: &Charge) -> Result<(), Mismatch> {
    let known_total = row.total_rule == "exact" || row.payment_intent.is_some();
    let whole = if charge.amount == 0 { row.amount } else { charge.amount };
    if known_total && whole != row.amount || charge.amount_captured > whole || charge.amount_refunded > whole {
        return Err(Mismatch::Amount);
    }
    check_destination(row, charge.transfer_data.as_ref(), charge.on_behalf_of.as_ref())
}

/// What a captured charge says of a row that nobody yet said to be paid; none where only the Session knows the total.
pub fn news_of_charge(row: &Row, charge: &Charge) -> Option<News> {
    let known_total = row.total_rule == "exact" || row.payment_intent.is_some();
    (known_total && charge.captured == Some(true)).then(|| News {
        to: Some(Status::Paid),
        payment_intent: charge.payment_intent.as_ref().map(|intent| intent.id().to_owned()),
        amount_captured: Some(charge.amount_captured),
        amount_capturable: Some(0),
        application_fee: charge.application_fee_amount,
        buyer_elsewhere: true,
        ..News::default()
    })
}

/// What a PaymentIntent's own event tells.
#[derive(Debug, Clone, PartialEq)]
pub enum IntentNews {
    /// It decides by itself.
    Decided(Box<News>),
    /// Only the Session can tell (a total that Stripe completes, a delayed payment that may have failed): ask Stripe.
    AskSession,
    /// A declined attempt does not end an open session, and the like.
    Nothing,
}

/// Compares a PaymentIntent of an event with its row in full, and says what it means.
pub fn news_of_intent(row: &Row, account: Option<&str>, kind: &str, intent: &PaymentIntent) -> Result<IntentNews, Mismatch> {
    if account != row.stripe_account() {
        return Err(Mismatch::Account);
    }
    if !row.named_by(&intent.metadata) {
        return Err(Mismatch::Reference);
    }
    if row.at_stripe() && row.payment_intent.is_none() {
        return Err(Mismatch::PaymentIntent);
    }
    if intent.livemode != (row.livemode != 0) {
        return Err(Mismatch::Mode);
    }
    if row.payment_intent.as_ref().is_some_and(|known| *known != intent.id) {
        return Err(Mismatch::PaymentIntent);
    }
    let known_total = row.total_rule == "exact" || row.payment_intent.is_some();
    // A try that was declined may have been for another sum: the buyer chose other shipping afterwards. It decides nothing by itself.
    let other_sum = row.total_rule != "exact" && kind == "payment_intent.payment_failed";
    check_intent(row, intent, if known_total && !other_sum { row.amount } else { intent.amount })?;
    if intent.currency.is_none() {
        return Err(Mismatch::Currency);
    }
    let manual = row.capture == "manual";
    // Only a capture by hand may take less than was agreed, and only such a payment waits to be captured.
    let received = intent.amount_received;
    let whole = if manual { received <= intent.amount } else { received == intent.amount };
    if kind == "payment_intent.succeeded" && intent.status == "succeeded" && !whole {
        return Err(Mismatch::Amount);
    }
    let mut news = News { payment_intent: Some(intent.id.clone()), buyer_elsewhere: true, ..News::default() };
    Ok(match kind {
        "payment_intent.succeeded" if known_total && intent.status == "succeeded" => {
            news.to = Some(Status::Paid);
            news.amount_captured = Some(received);
            news.amount_capturable = Some(0);
            news.application_fee = intent.application_fee_amount;
            IntentNews::Decided(Box::new(news))
        }
        "payment_intent.amount_capturable_updated" if manual && known_total && intent.status == "requires_capture" => {
            news.to = Some(Status::Authorized);
            news.amount_capturable = Some(intent.amount_capturable);
            news.capture_before = intent.capture_before();
            IntentNews::Decided(Box::new(news))
        }
        "payment_intent.canceled" if matches!(row.status, Status::Processing | Status::Authorized) => {
            news.to = Some(Status::Canceled);
            news.amount_capturable = Some(0);
            IntentNews::Decided(Box::new(news))
        }
        "payment_intent.succeeded" | "payment_intent.amount_capturable_updated" => IntentNews::AskSession,
        "payment_intent.payment_failed" if row.status == Status::Processing => IntentNews::AskSession,
        _ => IntentNews::Nothing,
    })
}

/// How long a payment that a bank takes its time over keeps an account from being given back, seconds.
pub const BANKS_TAKE: i64 = 14 * 24 * 3600;

/// When the sweep should ask Stripe next about a row, after it asked `checks` times; `None` when nothing can change by itself.
pub fn next_check(status: Status, checks: i64, now: i64, expires_at: Option<i64>) -> Option<i64> {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    // A payment that Stripe still holds open after a month is looked at by people.
    const GIVE_UP: i64 = 60;
    match status {
        Status::Open => {
            let end = expires_at.unwrap_or(now).saturating_add(2 * MINUTE);
            // Once early, for the buyer who paid and closed the window while the webhook was lost; then at its end.
            let early = now.saturating_add(30 * MINUTE);
            Some(if checks == 0 && early < end { early } else { end.max(now.saturating_add(10 * MINUTE)) })
        }
        Status::Processing | Status::Authorized if checks < GIVE_UP => Some(now.saturating_add(12 * HOUR)),
        _ => None,
    }
}
