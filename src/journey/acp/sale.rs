//! An agent's checkout was paid: it becomes an order, of which shop and agent are told; in the batch that says that it was paid.

use crate::acp::dialect::Dialect;
use crate::acp::order::{Card, OrderDoc};
use crate::acp::session::{Address, OrderRef, Session, Status};
use crate::edge::{Edge, clock, outside};
use crate::error::Result;
use crate::journey::settle;
use crate::ledger::{News, Row};
use crate::place::Slot;
use crate::record::Record;
use crate::store::Statement;
use crate::store::acp::SessionRow;
use crate::store::orders::NewOrder;
use crate::store::shops::ShopRow;
use crate::stripe::call::Outcome;
use crate::stripe::payment_intent::{self, PaymentIntent};
use serde_json::Value;

/// What a completed checkout becomes.
pub struct Sale {
    /// The checkout, completed.
    pub session: Session,
    pub order: OrderDoc,
    pub statements: Vec<Statement>,
}

/// The card that paid, as far as Stripe tells.
pub fn card(intent: &PaymentIntent) -> Option<Card> {
    let card = intent.latest_charge.as_ref()?.object()?.payment_method_details.get("card")?;
    let text = |member: &str| card.get(member).and_then(Value::as_str).map(str::to_owned);
    Some(Card {
        brand: text("brand"),
        last4: text("last4"),
        exp_month: card.get("exp_month").and_then(Value::as_i64),
        exp_year: card.get("exp_year").and_then(Value::as_i64),
    })
}

/// What is kept beside the document for the order: the version in which it was completed, the billing address.
pub struct Beside {
    pub dialect: Dialect,
    pub billing: Option<Address>,
}

impl Beside {
    pub fn of(private: &str) -> Beside {
        let value: Value = private.parse().unwrap_or_default();
        let dialect = value.get("dialect").and_then(Value::as_str).and_then(Dialect::stored);
        Beside {
            dialect: dialect.unwrap_or(Dialect::V20260417),
            billing: value
                .get("billing")
                .filter(|billing| billing.is_object())
                .and_then(|billing| Address::from_value(billing.clone()).ok()),
        }
    }
}

/// Makes the order of a paid checkout. `row` is the transaction as it is then.
#[allow(clippy::too_many_arguments)]
pub fn sale(
    edge: &Edge, document: &SessionRow, session: &Session, shop: &ShopRow, agent: Option<&str>, row: &Row, card: Option<Card>, now: i64,
) -> Result<Sale> {
    let beside = Beside::of(&document.private);
    let id = clock::fresh_id_in(Slot::of_id(&shop.id), "ord_")?;
    let permalink_url = permalink(edge, shop, &id);
    let order = OrderDoc {
        id: id.clone(),
        transaction: row.id.clone(),
        checkout_session_id: session.id.clone(),
        livemode: session.livemode,
        agent: row.agent.clone(),
        permalink_url: permalink_url.clone(),
        status: "created".to_owned(),
        currency: session.currency.clone(),
        lines: session.lines.clone(),
        totals: session.totals.clone(),
        discounts: session.applied.clone(),
        delivery: session
            .options
            .iter()
            .filter(|option| session.selected.iter().any(|selected| selected.option_id == option.id))
            .cloned()
            .collect(),
        address: session.address.clone(),
        contact: session.contact.clone(),
        buyer: session.buyer.clone(),
        billing: beside.billing,
        card,
        order_notes: session.order_notes.clone(),
        metadata: session.metadata.clone(),
        created: now,
        updated: now,
        ..OrderDoc::default()
    };
    let mut completed = session.clone();
    completed.status = Status::Completed;
    completed.updated = now;
    completed.messages.clear();
    completed.order = Some(OrderRef { id, number: None, permalink_url, status: "created".to_owned() });
    let mut statements = edge.db.create_order(
        &NewOrder {
            order: &order,
            shop_id: &row.shop_id,
            agent_id: agent,
            origin: "acp",
            dialect: Some(beside.dialect),
            buyer_email: crate::acp::change::email(session),
        },
        &clock::fresh_id("ccevt_")?,
        &clock::fresh_id("ccevt_")?,
        now,
    );
    statements.extend(edge.db.complete_document(row, &completed, now));
    Ok(Sale { session: completed, order, statements })
}

/// Where a buyer sees his order: the shop's own page where it has one, else ours.
pub fn permalink(edge: &Edge, shop: &ShopRow, id: &str) -> String {
    crate::journey::orders::home(edge, shop).of(id, None)
}

/// What moves a row, for whoever hears from Stripe that it was paid (a webhook, the sweep): with what the checkout knows of the buyer,
/// and the order.
pub fn moving(edge: &Edge, row: &Row, news: &News, by: &str, now: i64) -> Result<(Vec<Statement>, Box<Row>)> {
    // Its document is gone with its shop; the books are kept all the same.
    let Some((document, shop, agent)) = edge.db.document_of(row)? else {
        return settle::moving_alone(edge, row, news, by, now);
    };
    let session = document.document()?;
    let buyer = buyer_of(&session, Beside::of(&document.private).billing.as_ref());
    let known =
        News { customer: buyer.customer, shipping_details: buyer.shipping_details, billing_details: buyer.billing_details, ..news.clone() };
    let (mut statements, after) = settle::moving_alone(edge, row, &known, by, now)?;
    if !statements.is_empty() && session.status != Status::Completed {
        let agent = agent.as_ref().map(|agent| agent.id.as_str());
        let card = card_of(edge, &after);
        statements.extend(sale(edge, &document, &session, &shop, agent, &after, card, now)?.statements);
    }
    Ok((statements, after))
}

/// The card, asked for at Stripe: an event only names the charge that tells it. An order is made without it where Stripe does not answer.
fn card_of(edge: &Edge, row: &Row) -> Option<Card> {
    let call = payment_intent::retrieve(row.payment_intent.as_deref()?, row.stripe_account());
    match outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE) {
        Ok(Outcome::Ok(intent)) => card(&intent),
        Ok(Outcome::Refused(_) | Outcome::Unavailable { .. }) | Err(_) => None,
    }
}

/// What Stripe does not say of an agent's payment and the checkout does: who bought, and where it goes.
pub fn buyer_of(session: &Session, billing: Option<&Address>) -> News {
    use crate::acp::change::{email, name, phone};
    let address = |address: &Address| {
        object! { "line1": address.line_one, "line2": address.line_two, "city": address.city, "state": address.state,
        "country": address.country, "postal_code": address.postal_code }
    };
    let customer = object! { "email": email(session), "name": name(session), "phone": phone(session) };
    News {
        customer: Some(customer),
        shipping_details: session.address.as_ref().map(|to| object! { "name": to.name, "address": address(to) }),
        billing_details: billing.map(|from| {
            object! { "name": from.name, "email": email(session), "phone": phone(session), "address": address(from) }
        }),
        ..News::default()
    }
}
