//! An agent pays (contract, *ACP*): a PaymentIntent with the shared payment token, on the shop's connected account.
//!
//! The order of things with money is that of [`crate::journey::checkout`]: checkout marked, stock held, row written with the exact form
//! and key; then Stripe; then the outcome. A lost answer leaves the checkout *in progress*: the same request asks Stripe the same thing
//! again, the webhook tells, or the sweep looks; nothing else can pay it meanwhile.

use super::document::{changed_meanwhile, in_flight, own, settle, text, with_private};
use super::{Answered, Asked, Caller, answer, caller, connected, disabled, earlier, load, now, sale, seller};
use crate::acp::ask::{Authentication, Payment};
use crate::acp::change::{self, Command};
use crate::acp::dialect::Dialect;
use crate::acp::session::{Line, Message, Session, Status};
use crate::acp::{price, read, write};
use crate::edge::http::Incoming;
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::journey::attempt::LOCK_LIFE;
use crate::journey::{checkout, connect, settle as ledger_settle};
use crate::ledger::{self, IntentNews, Mismatch, News, Row};
use crate::money::{Amount, Currency, FeeLine};
use crate::place::Slot;
use crate::product::ProductRow;
use crate::record::Json;
use crate::store::acp::{Back, Began, Begin, Kept, Loaded, SessionRow};
use crate::store::connect::ConnectionRow;
use crate::store::idempotency::Attempt;
use crate::stripe::StripeError;
use crate::stripe::call::Outcome;
use crate::stripe::payment_intent::{self, Page, PaymentIntent, Shipping, Terms, ThreeDSecure};
use serde_json::Value;

/// How long stock is held for a payment, seconds: longer than its outcome can stay unknown in all ordinary cases.
const HELD: i64 = 3600;
/// The sweep looks after this many seconds, should nothing more be heard.
pub const LOOK_AFTER: i64 = 120;
/// How long a key is surely known to Stripe, seconds: it keeps them for a day.
const KEY_LIFE: i64 = 20 * 3600;
/// How long looking for a payment can take, with all pages of a busy account.
const LOOKING: i64 = 300;

/// What one attempt to pay came to.
enum Paid {
    Yes(Box<PaymentIntent>),
    /// The bank takes its time.
    Processing(Box<PaymentIntent>),
    /// Nothing was paid: the message for the buyer, and the status that the checkout has then.
    No(Status, Message),
    /// The connected account is not ours to charge any more.
    Gone,
    /// A refusal that is not the agent's doing.
    Ours(Problem),
    Unknown(String),
}

/// `POST …/{id}/complete`
pub fn complete(edge: &Edge, incoming: &Incoming, asked: &Asked, id: &str) -> Result<Answered> {
    // Receive, load.
    let now = now();
    let payment = asked.body.as_ref().ok().map(|body| read::complete(asked.dialect, body));
    let known = payment.as_ref().and_then(|payment| payment.as_ref().ok()).map(|payment| &payment.ask);
    let mut loaded = load(edge, asked, id, "session", known, now)?;
    let caller = caller(edge, incoming, asked, &mut loaded, now)?;
    if let Some(answered) = earlier(asked, loaded.attempt.as_deref(), now)? {
        return Ok(answered);
    }
    let (document, mut session) = own(&mut loaded, id, false, now)?;
    asked.body.as_ref().map_err(Clone::clone)?;
    let mut payment = payment.ok_or_else(|| Problem::fault("a body that asks nothing"))??;
    read::offered(&payment)?;
    // A retry of the request whose answer was lost, or one without a key: it is told what came of it, and pays nothing.
    if session.status == Status::Completed && (asked.key.is_none() || loaded.attempt.is_some()) {
        return paid_before(edge, asked, &caller, &loaded, &session, now);
    }
    if session.status == Status::InProgress {
        return take_up(edge, asked, &caller, &loaded, &document, session, now);
    }
    change::allowed(session.status, Command::Complete)?;
    // Decide.
    if caller.shop.checkout_enabled == 0 {
        return Err(disabled());
    }
    let mode = caller.agent.mode();
    edge.pair(mode)?;
    let connection = connected(&loaded.connections, mode)?;
    let needs_bank = session.status == Status::AuthenticationRequired;
    // The older versions have no member for it: there another token is tried.
    if needs_bank && payment.authentication.is_none() && asked.dialect >= Dialect::V20251212 {
        return Err(Problem::request(
            400,
            "requires_3ds",
            "The bank wants the buyer to be authenticated first: complete again with authentication_result.",
        )
        .at("$.authentication_result"));
    }
    let before = (session.totals.total, session.lines.iter().map(|line| line.total).collect::<Vec<_>>());
    if let crate::acp::ask::Patch::Set(address) = &payment.ask.address
        && session.address.as_ref() != Some(address)
    {
        return Err(Problem::request(409, "conflict", "The delivery address differs from the checkout's: update the checkout first.")
            .at("$.fulfillment_details.address"));
    }
    // Completing adds to what is known of who takes delivery: an e-mail alone does not make him nameless.
    if let (crate::acp::ask::Patch::Set(contact), Some(known)) = (&mut payment.ask.contact, &session.contact) {
        contact.name = contact.name.take().or_else(|| known.name.clone());
        contact.phone_number = contact.phone_number.take().or_else(|| known.phone_number.clone());
        contact.email = contact.email.take().or_else(|| known.email.clone());
    }
    change::apply(&mut session, &payment.ask);
    // Of channels that were never offered nothing is kept (rfc.marketing_consent, section 3.6).
    let offered = seller(edge, &caller.shop, &loaded.connections, mode.live());
    payment.consents.retain(|(channel, _)| write::consent_channels(&offered).contains(&channel.as_str()));
    if !payment.consents.is_empty() {
        session.consents = consents(&payment);
    }
    settle(edge, &caller, &loaded, &mut session, None, now)?;
    let private = private(&document, asked, &payment);
    // Prices and stock are looked at again, and what the buyer has not seen he does not pay.
    let seen = (session.totals.total, session.lines.iter().map(|line| line.total).collect::<Vec<_>>());
    if session.status == Status::Ready && seen != before {
        let content = "The price has changed since the checkout was last shown. Nothing was charged.".to_owned();
        session.messages.push(Message {
            kind: "warning".to_owned(),
            code: Some("price_change".to_owned()),
            param: Some("$.totals".to_owned()),
            content,
            resolution: Some("requires_buyer_review".to_owned()),
        });
        return keep(edge, asked, &caller, &loaded, &document, &session, &private, now);
    }
    if session.status == Status::NotReady {
        let short = session.messages.iter().any(|message| message.code.as_deref() == Some("out_of_stock"));
        if !short {
            return Err(change::not_ready(&session));
        }
        return keep(edge, asked, &caller, &loaded, &document, &session, &private, now);
    }
    if let Some(message) = payment.authentication.as_ref().and_then(failed) {
        session.messages.push(message);
        return keep(edge, asked, &caller, &loaded, &document, &session, &private, now);
    }
    let row = new_row(edge, &caller, connection, &session, &payment, &loaded, now)?;
    // Record the intent.
    let lock = clock::fresh_secret("")?;
    // Without a key of the agent's there is one of its own, which nobody can send again.
    let key = asked.key.clone().unwrap_or_else(|| ["-", &lock].concat());
    let attempt = Attempt { shop_id: &caller.agent.id, path: &asked.path, key: &key, lock: &lock };
    let coupons = redeemed(&loaded, &session);
    let mut marked = session.clone();
    marked.status = Status::InProgress;
    let begun = edge.db.begin_payment(&Begin {
        document: &document,
        session: &marked,
        private: &private,
        row: &row,
        attempt: &attempt,
        fingerprint: &asked.fingerprint,
        stock: &price::stock_of(&session),
        held_until: now.saturating_add(HELD),
        coupons: &coupons,
        locked_until: now.saturating_add(LOCK_LIFE),
        check_at: now.saturating_add(LOOK_AFTER),
        now,
    })?;
    match begun {
        Began::Yes => {}
        Began::KeyTaken => return Err(in_flight(asked)),
        Began::Changed | Began::CouponGone => return again(edge, asked, &caller, &document, now),
    }
    // Call Stripe, record the outcome, reply.
    let attempted =
        Attempted { document: &document, session, private: &private, coupons: coupons.into_iter().map(|(code, _)| code).collect() };
    pay(edge, asked, &caller, &loaded, attempted, row, &attempt, connection)
}

/// What is being paid.
struct Attempted<'a> {
    document: &'a SessionRow,
    session: Session,
    private: &'a str,
    coupons: Vec<String>,
}

#[allow(clippy::too_many_arguments)]
fn pay(
    edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, attempted: Attempted<'_>, mut row: Box<Row>, attempt: &Attempt<'_>,
    connection: &ConnectionRow,
) -> Result<Answered> {
    let paid = match ask_stripe(edge, &mut row) {
        Ok(paid) => paid,
        Err(problem) => {
            edge.db.payment_unanswered(&row, attempt)?;
            return Err(problem);
        }
    };
    let now = now();
    match paid {
        Paid::Yes(intent) => record(edge, asked, caller, loaded, &attempted, &row, attempt, &intent, now),
        Paid::Processing(intent) => {
            let mut session = attempted.session.clone();
            session.status = Status::InProgress;
            session.messages = vec![info("The bank is still at work on the payment. Read the checkout again later.")];
            let news = News { to: Some(ledger::Status::Processing), payment_intent: Some(intent.id.clone()), ..News::default() };
            let (mut batch, _) = ledger_settle::moving_alone(edge, &row, &news, "acp", now)?;
            let body = rendered(edge, asked, caller, loaded, &session);
            batch.push(edge.db.keep_answer(attempt, 200, &body));
            edge.db.repeatable(batch)?;
            Ok(Answered { status: 200, body, replayed: false })
        }
        Paid::No(status, message) => {
            let mut session = attempted.session.clone();
            session.status = status;
            session.updated = now;
            session.messages.push(message);
            let body = rendered(edge, asked, caller, loaded, &session);
            let back = Back { row: &row, session_id: &session.id, coupons: &attempted.coupons, state: Some(&session) };
            let mut batch = edge.db.give_back(&back, now);
            batch.push(edge.db.keep_answer(attempt, 200, &body));
            edge.db.run_repeatable(batch)?;
            Ok(Answered { status: 200, body, replayed: false })
        }
        Paid::Gone => {
            undo(edge, &row, &attempted, attempt, now)?;
            Err(connect::account_refused(edge, row.mode(), connection)?)
        }
        Paid::Ours(problem) => {
            undo(edge, &row, &attempted, attempt, now)?;
            Err(problem)
        }
        Paid::Unknown(why) => {
            edge.db.payment_unanswered(&row, attempt)?;
            Err(Problem::stripe_unavailable(
                "Stripe did not answer. Send the same request again: it can never charge twice. The checkout is in progress until the outcome is known.",
            )
            .because(why))
        }
    }
}

fn undo(edge: &Edge, row: &Row, attempted: &Attempted<'_>, attempt: &Attempt<'_>, now: i64) -> Result<()> {
    let back = Back { row, session_id: &attempted.session.id, coupons: &attempted.coupons, state: Some(&attempted.session) };
    let mut batch = edge.db.give_back(&back, now);
    batch.push(edge.db.forget(attempt));
    edge.db.run_repeatable(batch)
}

fn info(content: &str) -> Message {
    Message { kind: "info".to_owned(), content: content.to_owned(), ..Message::default() }
}

fn declined(content: String) -> Message {
    Message {
        kind: "error".to_owned(),
        code: Some("payment_declined".to_owned()),
        param: None,
        content,
        resolution: Some("requires_buyer_input".to_owned()),
    }
}

/// An authentication that did not succeed: nothing is sent to the bank with it.
fn failed(authentication: &Authentication) -> Option<Message> {
    let good = ["authenticated", "attempt_acknowledged", "informational", "attempt"].contains(&authentication.outcome.as_str());
    (!good).then(|| declined("The bank did not confirm the buyer, so nothing was charged.".to_owned()))
}

fn consents(payment: &Payment) -> Value {
    let list: Vec<Value> =
        payment.consents.iter().map(|(channel, opted_in)| object! { "channel": channel, "opted_in": opted_in }).collect();
    list.json()
}

/// What is kept beside the document: for the order, and for who looks into fraud or attribution. Never a token.
fn private(document: &SessionRow, asked: &Asked, payment: &Payment) -> String {
    let mut private = with_private(&document.private, "dialect", Some(asked.dialect.name().json()));
    private = with_private(&private, "billing", payment.billing.as_ref().map(Json::json));
    private = with_private(&private, "affiliate_last", payment.ask.affiliate.clone());
    with_private(&private, "risk_signals", payment.risk.clone())
}

fn rendered(edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, session: &Session) -> String {
    let seller = seller(edge, &caller.shop, &loaded.connections, caller.agent.livemode != 0);
    write::completed(asked.dialect, session, &seller).text()
}

/// Keeps a checkout that could not be paid, with the answer that says why.
#[allow(clippy::too_many_arguments)]
fn keep(
    edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, document: &SessionRow, session: &Session, private: &str, now: i64,
) -> Result<Answered> {
    let body = rendered(edge, asked, caller, loaded, session);
    let kept = Kept { row: document, document: session, private, now, answer: answer(asked, 200, &body), also: Vec::new() };
    if edge.db.keep_document(kept, false)? {
        return Ok(Answered { status: 200, body, replayed: false });
    }
    Err(changed_meanwhile())
}

/// The checkout, the stock or a coupon changed between reading and paying: it is read and priced again, and answered as it is then.
fn again(edge: &Edge, asked: &Asked, caller: &Caller, document: &SessionRow, now: i64) -> Result<Answered> {
    let mut loaded = load(edge, asked, &document.id, "session", None, now)?;
    if let Some(answered) = earlier(asked, loaded.attempt.as_deref(), now)? {
        return Ok(answered);
    }
    let (fresh, mut session) = own(&mut loaded, &document.id, false, now)?;
    change::allowed(session.status, Command::Complete)?;
    settle(edge, caller, &loaded, &mut session, None, now)?;
    if session.status == Status::Ready {
        // Nothing that can be told: whoever was faster has changed it back.
        return Err(changed_meanwhile());
    }
    let private = fresh.private.clone();
    keep(edge, asked, caller, &loaded, &fresh, &session, &private, now)
}

/// The coupons in a checkout that the shop counts: key and bound.
fn redeemed(loaded: &Loaded, session: &Session) -> Vec<(String, Option<i64>)> {
    let coupons = loaded.rules.as_ref().map(|rules| rules.coupons.as_slice()).unwrap_or_default();
    session
        .applied
        .iter()
        .filter_map(|applied| coupons.iter().find(|coupon| coupon.key() == applied.coupon))
        .map(|coupon| (coupon.key(), coupon.max_redemptions))
        .collect()
}

/// A request for a checkout whose payment is under way or of unknown outcome: the one that began it is taken up again, every other one
/// is told to wait.
fn take_up(
    edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, document: &SessionRow, session: Session, now: i64,
) -> Result<Answered> {
    let in_progress = || change::allowed(Status::InProgress, Command::Complete).err().unwrap_or_else(changed_meanwhile);
    let row = loaded.row.clone().filter(|row| row.status == ledger::Status::Open && row.stripe_form.is_some()).ok_or_else(in_progress)?;
    let own = match (&asked.key, &loaded.attempt) {
        (Some(_), Some(attempt)) => attempt.subject == row.id,
        // Without a key one retry looks like another: each asks what the first one asked.
        (None, _) => true,
        (Some(_), None) => false,
    };
    if !own || row.attempt_until > now {
        return Err(in_progress());
    }
    let connection = connected(&loaded.connections, caller.agent.mode())?;
    let lock = clock::fresh_secret("")?;
    let key = asked.key.clone().unwrap_or_else(|| ["-", &lock].concat());
    let attempt = Attempt { shop_id: &caller.agent.id, path: &asked.path, key: &key, lock: &lock };
    if !edge.db.resume_payment(&row, &attempt, &asked.fingerprint, now.saturating_add(LOCK_LIFE), now)? {
        return Err(in_flight(asked));
    }
    let coupons = redeemed(loaded, &session).into_iter().map(|(code, _)| code).collect();
    let mut session = session;
    session.status = Status::Ready;
    let attempted = Attempted { document, session, private: &document.private, coupons };
    pay(edge, asked, caller, loaded, attempted, row, &attempt, connection)
}

/// The row as it is written before Stripe is called; a second attempt at one checkout is the same transaction with the next key.
#[allow(clippy::too_many_arguments)]
fn new_row(
    edge: &Edge, caller: &Caller, connection: &ConnectionRow, session: &Session, payment: &Payment, loaded: &Loaded, now: i64,
) -> Result<Box<Row>> {
    let Some(currency) = Currency::parse(&session.currency) else { return Err(Problem::fault("a checkout without its currency")) };
    let total = Amount::new(session.totals.total).ok_or_else(|| Problem::fault("a total that is no amount"))?;
    let categories: Vec<Option<String>> = session
        .lines
        .iter()
        .map(|line| loaded.products.iter().find(|product| product.id == line.product).and_then(ProductRow::category))
        .collect();
    let net = |line: &Line| Amount::new(line.subtotal.saturating_sub(line.order_discount)).unwrap_or_default();
    let fee_lines: Vec<FeeLine<'_>> = session.lines.iter().map(net).zip(categories.iter().map(Option::as_deref)).collect();
    let fee = checkout::fee_terms(edge, &caller.shop).fee(total, currency, &fee_lines).get();
    let before = loaded.row.as_deref();
    let id = match before {
        Some(row) => row.id.clone(),
        None => clock::fresh_id_in(Slot::of_id(&caller.shop.id), "cct_")?,
    };
    let tries = before.and_then(|row| row.stripe_key.rsplit('-').next()?.parse::<u32>().ok()).unwrap_or(0).saturating_add(1);
    let destination = edge.destination();
    let name = change::name(session).unwrap_or_default();
    let shipping = session.address.as_ref().map(|to| Shipping {
        name: if to.name.is_empty() { &name } else { &to.name },
        phone: change::phone(session),
        line_one: &to.line_one,
        line_two: to.line_two.as_deref(),
        city: &to.city,
        state: &to.state,
        country: &to.country,
        postal_code: &to.postal_code,
    });
    let secure = payment.authentication.as_ref().and_then(|authentication| {
        Some(ThreeDSecure {
            cryptogram: authentication.cryptogram.as_deref()?,
            transaction_id: authentication.transaction_id.as_deref()?,
            version: authentication.version.as_deref().unwrap_or("2.2.0"),
            electronic_commerce_indicator: authentication.electronic_commerce_indicator.as_deref(),
        })
    });
    let form = payment_intent::create_form(&Terms {
        amount: total.get(),
        currency: currency.code(),
        token: &payment.token,
        transaction: &id,
        checkout_session: &session.id,
        agent: Some(&caller.agent.name),
        description: &format!("{}: {}", caller.shop.name, session.id),
        receipt_email: change::email(session),
        shipping: shipping.as_ref(),
        fee,
        account: &connection.account,
        destination,
        three_d_secure: secure.as_ref(),
    });
    let buyer = sale::buyer_of(session, payment.billing.as_ref());
    let lines: Vec<Value> = session
        .lines
        .iter()
        .map(|line| {
            object! { "product_id": line.product, "sku": line.product, "name": line.title, "quantity": line.quantity, "amount_total": line.subtotal }
        })
        .collect();
    let extra = |label: &str, amount: i64| object! { "label": label, "amount": amount };
    let shipping: Vec<Value> = session
        .options
        .iter()
        .filter(|option| option.subtotal > 0 && session.selected.iter().any(|selected| selected.option_id == option.id))
        .map(|option| extra(&option.title, option.subtotal))
        .collect();
    let taxes: Vec<Value> =
        session.totals.taxes.iter().filter(|tax| !tax.inclusive && tax.amount > 0).map(|tax| extra(&tax.name, tax.amount)).collect();
    let discounts: Vec<Value> = session
        .applied
        .iter()
        .filter(|applied| !applied.each && applied.amount > 0)
        .map(|applied| extra(applied.code.as_deref().unwrap_or(&applied.name), applied.amount))
        .collect();
    Ok(Box::new(Row {
        stripe_key: format!("{id}-{tries}"),
        id,
        shop_id: caller.shop.id.clone(),
        livemode: caller.agent.livemode,
        account: connection.account.clone(),
        charge_type: edge.config.charge_type.name().to_owned(),
        source: "agent".to_owned(),
        agent: Some(caller.agent.name.clone()),
        currency: session.currency.clone(),
        amount_expected: total.get(),
        total_rule: "exact".to_owned(),
        shipping_choices: "[]".to_owned(),
        amount: total.get(),
        amount_subtotal: session.totals.subtotal,
        amount_tax: session.totals.tax,
        amount_shipping: session.totals.fulfillment,
        application_fee_amount: fee,
        capture: "automatic".to_owned(),
        checkout_session: Some(session.id.clone()),
        expires_at: Some(session.expires_at),
        line_items: text(&lines),
        extras: object! { "shipping": shipping, "fees": Vec::<Value>::new(), "taxes": taxes }.text(),
        discounts: text(&discounts),
        metadata: "{}".to_owned(),
        customer: buyer.customer.as_ref().map(ToString::to_string),
        refunds: "[]".to_owned(),
        events: "[]".to_owned(),
        stripe_form: Some(form),
        attempt_until: now.saturating_add(LOCK_LIFE),
        created: now,
        protocol: "acp".to_owned(),
        ..Row::default()
    }))
}

/// Sends the row's stored form with its stored key. After a 5xx that Stripe replays from its own store the payment is looked for, and
/// only where none was made the next key is written down and used.
fn ask_stripe(edge: &Edge, row: &mut Row) -> Result<Paid> {
    let form = row.stripe_form.clone().ok_or_else(|| Problem::fault("an attempt without its form"))?;
    // Stripe forgets a key after a day: what was paid under it would be paid again.
    if now().saturating_sub(row.created) > KEY_LIFE {
        return Ok(match look_for(edge, row)? {
            Looked::Found(intent) => of_intent(edge, row, *intent),
            Looked::Nothing => Paid::No(Status::Ready, declined(reason(Some("The payment was never made.")))),
            Looked::Unknown(why) => Paid::Unknown(why),
        });
    }
    for _ in 0..3 {
        let call = payment_intent::create(&form, row.stripe_account(), &row.stripe_key);
        match outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(intent) => {
                let intent = intent.answering(&row.id, &row.currency, row.amount, row.amount);
                return Ok(of_intent(edge, row, intent));
            }
            Outcome::Refused(error) => return Ok(of_refusal(&error)),
            Outcome::Unavailable { replayed_5xx: true, .. } => match look_for(edge, row)? {
                Looked::Found(intent) => return Ok(of_intent(edge, row, *intent)),
                Looked::Nothing => {
                    let tries = row.stripe_key.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(1).saturating_add(1);
                    let next = format!("{}-{tries}", row.id);
                    if !edge.db.next_payment_key(row, &next, now().saturating_add(LOCK_LIFE))? {
                        return Ok(Paid::Unknown("the attempt was given up meanwhile".to_owned()));
                    }
                    row.stripe_key = next;
                }
                Looked::Unknown(why) => return Ok(Paid::Unknown(why)),
            },
            Outcome::Unavailable { why, .. } => return Ok(Paid::Unknown(why)),
        }
    }
    Ok(Paid::Unknown("Stripe keeps answering 5xx".to_owned()))
}

/// What a payment that was made says.
fn of_intent(edge: &Edge, row: &Row, intent: PaymentIntent) -> Paid {
    match intent.status.as_str() {
        "succeeded" => Paid::Yes(Box::new(intent)),
        "processing" => Paid::Processing(Box::new(intent)),
        "requires_action" | "requires_confirmation" | "requires_capture" => {
            // Nobody here can show the buyer what his bank wants, and a payment that is left waiting could still be made later.
            let call = payment_intent::cancel(&intent.id, row.stripe_account(), &row.stripe_key);
            match outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE) {
                Ok(Outcome::Ok(_)) => bank(),
                _ => Paid::Unknown(format!("{} is {} and could not be canceled", intent.id, intent.status)),
            }
        }
        _ => {
            let said = intent.last_payment_error.as_ref().and_then(|error| error.get("message")).and_then(Value::as_str);
            let code = intent.last_payment_error.as_ref().and_then(|error| error.get("code")).and_then(Value::as_str);
            if code == Some("authentication_required") { bank() } else { Paid::No(Status::Ready, declined(reason(said))) }
        }
    }
}

/// The bank wants to see the buyer.
fn bank() -> Paid {
    Paid::No(
        Status::AuthenticationRequired,
        Message {
            kind: "error".to_owned(),
            code: Some("requires_3ds".to_owned()),
            param: Some("$.authentication_result".to_owned()),
            content:
                "The bank wants the buyer to be authenticated. Complete again with the outcome of that, or with another payment token."
                    .to_owned(),
            resolution: Some("requires_buyer_input".to_owned()),
        },
    )
}

fn reason(said: Option<&str>) -> String {
    let said: String = said.unwrap_or("The payment was declined.").chars().filter(|c| !c.is_control()).take(300).collect();
    format!("{said} Nothing was charged; try another payment method.")
}

/// What a refusal means to the agent. Of tokens Stripe says itself what is wrong with them: expired, revoked, for another seller, or
/// for less money. To the buyer that is one thing: with this one he cannot pay.
fn of_refusal(error: &StripeError) -> Paid {
    let code = error.code.as_deref().unwrap_or_default();
    if error.account_invalid() {
        return Paid::Gone;
    }
    let card = error.kind == "card_error";
    if card && (code == "authentication_required" || error.decline_code.as_deref() == Some("authentication_required")) {
        return bank();
    }
    // Stripe names neither code nor parameter where a token is spent, revoked, expired or good for less; all else names what it is about.
    let about = error.param.as_deref();
    let token = error.kind == "invalid_request_error" && about.is_none_or(|param| param.contains("shared_payment_granted_token"));
    if card || token {
        return Paid::No(Status::Ready, declined(reason(Some(&error.message))));
    }
    Paid::Ours(error.problem())
}

/// What looking for a payment gave.
pub enum Looked {
    Found(Box<PaymentIntent>),
    /// None was made.
    Nothing,
    Unknown(String),
}

/// Looks for the payment of an attempt by its metadata among all that the account made in its time: Stripe's list is strongly
/// consistent, its search is not.
pub fn look_for(edge: &Edge, row: &Row) -> Result<Looked> {
    const PAGES: u32 = 20;
    const SLACK: i64 = 300;
    let (from, to) = (row.created.saturating_sub(SLACK), now().saturating_add(SLACK));
    let mut after: Option<String> = None;
    let mut found: Option<PaymentIntent> = None;
    for _ in 0..PAGES {
        let call = payment_intent::list(from, to, after.as_deref(), row.stripe_account());
        let page = match outside::stripe::<Page>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(page) => page,
            Outcome::Refused(error) => return Ok(Looked::Unknown(error.message)),
            Outcome::Unavailable { why, .. } => return Ok(Looked::Unknown(why)),
        };
        after = page.data.last().map(|intent| intent.id.clone());
        for intent in page.data {
            // Of several attempts the one that was paid counts, else the last.
            let ours = ledger::reference(&intent.metadata) == Some(row.id.as_str());
            let better = found.as_ref().is_none_or(|known| known.status != "succeeded" && intent.status == "succeeded");
            if ours && better {
                found = Some(intent);
            }
        }
        if !page.has_more || after.is_none() {
            return Ok(found.map_or(Looked::Nothing, |intent| Looked::Found(Box::new(intent))));
        }
    }
    match found {
        Some(intent) => Ok(Looked::Found(Box::new(intent))),
        None => Ok(Looked::Unknown("more payments than can be looked through".to_owned())),
    }
}

/// It was paid: the row, the order, the checkout and the answer, in one batch.
#[allow(clippy::too_many_arguments)]
fn record(
    edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, attempted: &Attempted<'_>, row: &Row, attempt: &Attempt<'_>,
    intent: &PaymentIntent, now: i64,
) -> Result<Answered> {
    let mut news = match compared(row, intent) {
        Ok(news) => news,
        Err(mismatch) => {
            // Never seen of Stripe; whatever it is, it is not what the buyer agreed to.
            return Err(Problem::fault(["Stripe charged something else: ", mismatch.name()].concat()));
        }
    };
    let beside = sale::Beside::of(attempted.private);
    let buyer = sale::buyer_of(&attempted.session, beside.billing.as_ref());
    (news.customer, news.shipping_details, news.billing_details) = (buyer.customer, buyer.shipping_details, buyer.billing_details);
    let (mut batch, after) = ledger_settle::moving_alone(edge, row, &news, "acp", now)?;
    let document = SessionRow { private: attempted.private.to_owned(), ..attempted.document.clone() };
    let sale = sale::sale(edge, &document, &attempted.session, &caller.shop, Some(&caller.agent.id), &after, sale::card(intent), now)?;
    batch.extend(sale.statements);
    let body = rendered(edge, asked, caller, loaded, &sale.session);
    let condition = "EXISTS (SELECT 1 FROM orders WHERE id = ?7)";
    batch.push(edge.db.keep_answer_if(attempt, 200, &body, condition, &[(&sale.order.id).into()]));
    let answers = edge.db.repeatable(batch)?;
    if answers.at(0)?.changed()? {
        return Ok(Answered { status: 200, body, replayed: false });
    }
    // The webhook was faster, or this batch ran before and its answer was lost: the order that there is counts.
    let mut loaded = load(edge, asked, &attempted.session.id, "session", None, now)?;
    let (_, session) = own(&mut loaded, &attempted.session.id, false, now)?;
    if session.status != Status::Completed {
        return Err(Problem::fault("a checkout was paid and is not completed"));
    }
    // Cannot be; should it be nevertheless, two payments were made and the operator has to know.
    if let Some(other) = loaded.row.as_ref().filter(|other| other.payment_intent.as_ref() != Some(&intent.id)) {
        let live = other.livemode != 0;
        ledger_settle::stray(edge, "session", &intent.id, &row.id, row.stripe_account(), live, Mismatch::PaymentIntent, now)?;
    }
    let body = rendered(edge, asked, caller, &loaded, &session);
    edge.db.run_repeatable(vec![edge.db.keep_answer(attempt, 200, &body)])?;
    Ok(Answered { status: 200, body, replayed: false })
}

/// The payment was made and recorded, and whoever asked for it was never told.
fn paid_before(edge: &Edge, asked: &Asked, caller: &Caller, loaded: &Loaded, session: &Session, now: i64) -> Result<Answered> {
    let body = rendered(edge, asked, caller, loaded, session);
    if let (Some(key), Some(begun)) = (&asked.key, &loaded.attempt) {
        let lock = clock::fresh_secret("")?;
        let attempt = Attempt { shop_id: &caller.agent.id, path: &asked.path, key, lock: &lock };
        let take = edge.db.take_key(&attempt, &asked.fingerprint, &begun.subject, None, now, now);
        edge.db.run_repeatable(vec![take, edge.db.keep_answer(&attempt, 200, &body)])?;
    }
    Ok(Answered { status: 200, body, replayed: true })
}

/// The payment, compared with its row in full.
fn compared(row: &Row, intent: &PaymentIntent) -> std::result::Result<News, Mismatch> {
    match ledger::news_of_intent(row, row.stripe_account(), "payment_intent.succeeded", intent)? {
        IntentNews::Decided(news) => Ok(*news),
        IntentNews::AskSession | IntentNews::Nothing => Err(Mismatch::Unreadable),
    }
}

/// The sweep: what became of an agent's payment whose answer was lost, of one that the bank took its time over, and of a checkout that
/// was never paid. `true` when the row moved.
pub fn sweep(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    let asked = row.checks.saturating_add(1);
    if row.status == ledger::Status::Open && row.stripe_form.is_none() {
        // Its last attempt was declined. Past the checkout's time nobody can pay it any more.
        if row.expires_at.is_none_or(|end| end <= now) {
            return edge.db.payment_expired(&row.id, now);
        }
        edge.db.check_later(row, row.expires_at.map(|end| end.saturating_add(60)), asked)?;
        return Ok(false);
    }
    let taken_until = now.saturating_add(LOOKING);
    if row.status == ledger::Status::Open && !edge.db.take_payment(row, now, taken_until)? {
        edge.db.check_later(row, Some(now.saturating_add(LOOK_AFTER)), row.checks)?;
        return Ok(false);
    }
    let looked = match &row.payment_intent {
        Some(id) => {
            let call = payment_intent::retrieve(id, row.stripe_account());
            match outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
                Outcome::Ok(intent) => Looked::Found(Box::new(intent.answering(&row.id, &row.currency, row.amount, row.amount))),
                Outcome::Refused(error) => Looked::Unknown(error.message),
                Outcome::Unavailable { why, .. } => Looked::Unknown(why),
            }
        }
        None => look_for(edge, row)?,
    };
    let found = match looked {
        Looked::Found(intent) => Some(intent),
        // The call had ten seconds and this is two minutes later: it never arrived.
        Looked::Nothing => None,
        Looked::Unknown(why) => {
            log::line(object! { "level": "warn", "event": "payment_unknown", "transaction": row.id, "why": why });
            let pause = asked.clamp(1, 60).saturating_mul(60);
            edge.db.check_later(row, Some(now.saturating_add(pause)), asked)?;
            edge.db.leave_payment(row, taken_until)?;
            return Ok(false);
        }
    };
    if let Some(intent) = &found {
        let kind = match intent.status.as_str() {
            "succeeded" => "payment_intent.succeeded",
            "canceled" => "payment_intent.canceled",
            _ => "",
        };
        match ledger::news_of_intent(row, row.stripe_account(), kind, intent) {
            Ok(IntentNews::Decided(news)) if kind == "payment_intent.succeeded" || row.status == ledger::Status::Processing => {
                return Ok(ledger_settle::move_row(edge, row, &news, "sweep", now)?.is_some());
            }
            Ok(_) => {}
            Err(mismatch) => {
                let live = row.livemode != 0;
                ledger_settle::stray(edge, "session", &intent.id, &row.id, row.stripe_account(), live, mismatch, now)?;
                edge.db.check_later(row, None, asked)?;
                return Ok(false);
            }
        }
        if intent.status == "processing" {
            edge.db.check_later(row, ledger::next_check(ledger::Status::Processing, asked, now, row.expires_at), asked)?;
            return Ok(false);
        }
        if ["requires_action", "requires_confirmation", "requires_capture"].contains(&intent.status.as_str()) {
            let call = payment_intent::cancel(&intent.id, row.stripe_account(), &row.stripe_key);
            if !matches!(outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?, Outcome::Ok(_)) {
                edge.db.check_later(row, Some(now.saturating_add(120)), asked)?;
                return Ok(false);
            }
        }
    }
    give_back(edge, row, now)?;
    Ok(true)
}

/// Nothing was paid: the checkout can be paid again.
fn give_back(edge: &Edge, row: &Row, now: i64) -> Result<()> {
    let Some((document, _, _)) = edge.db.document_of(row)? else {
        edge.db.check_later(row, None, row.checks)?;
        return Ok(());
    };
    let mut session = document.document()?;
    session.status = Status::Ready;
    session.updated = now;
    session.messages.push(declined("The payment did not go through. Nothing was charged; it can be tried again.".to_owned()));
    let coupons: Vec<String> = session.applied.iter().map(|applied| applied.coupon.clone()).collect();
    let back = Back { row, session_id: &session.id, coupons: &coupons, state: Some(&session) };
    edge.db.run_repeatable(edge.db.give_back(&back, now))
}
