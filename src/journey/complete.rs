//! The buyer comes back from Stripe and goes home to the shop (contract, *Completion*).
//!
//! Nothing that the browser brings is believed: the Session is fetched and compared with the row. And the buyer is
//! never kept: should Stripe be slow, he goes home with `processing`, and webhook and sweep finish it.

use super::access;
use super::settle::{self, Settled};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::id;
use crate::ledger::{Row, Status};
use crate::money::{Amount, Currency};
use crate::page;
use crate::place::Slot;
use crate::sign;
use crate::store::shops::ShopRow;
use crate::stripe::call::Outcome;
use crate::stripe::session::{self, Session};
use crate::weburl;

fn unknown(edge: &Edge) -> Reply {
    let html = page::problem(&page::ErrorPage {
        title: "We cannot find this payment",
        what_happened: "The address does not belong to a payment that was started here, or it was cut off on the way.",
        what_next: "If you have paid, nothing is lost: the shop is told by itself. Go back to the shop, or to the confirmation in your e-mail.",
        reference: Some(&edge.request_id),
    });
    Reply::page(404, html, page::csp(edge.config.allow_local))
}

/// `GET /checkout/complete/{cct_…}?session_id=cs_…` and `GET /checkout/complete?session_id=cs_…`
pub fn complete(edge: &Edge, incoming: &Incoming, transaction: Option<&str>) -> Result<Reply> {
    let session_id = incoming.param("session_id").unwrap_or_default();
    if !id::is_session_id(&session_id) || transaction.is_some_and(|t| !id::is_prefixed(t, "cct_")) {
        return Ok(unknown(edge));
    }
    // A session's id does not say in which database its transaction is.
    let (places, mut found) = (if transaction.is_some() { vec![edge.clone()] } else { edge.everywhere() }, None);
    for place in places {
        found = place.db.transaction_with_shop(transaction, &session_id)?.map(|(row, shop)| (place, row, shop));
        if found.is_some() {
            break;
        }
    }
    let Some((place, row, shop)) = found else { return Ok(unknown(edge)) };
    // Not while it is being moved: what is written then would be lost.
    let edge = &place.of(Slot::of_id(&row.id))?;
    *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
    // No buyer is sent here from what an agent ordered at Stripe.
    if row.at_stripe() {
        return Ok(unknown(edge));
    }
    // An unknown pair: no redirect, no trace.
    if row.checkout_session.as_ref().is_some_and(|known| *known != session_id) {
        return Ok(unknown(edge));
    }
    if row.status.settled() {
        let status = row.status.for_redirect();
        return go_home(edge, &shop, &row, &session_id, status);
    }
    let call = session::retrieve(&session_id, row.stripe_account());
    let fetched = outside::stripe::<Session>(edge, row.mode(), &call, outside::BUYER_DEADLINE);
    let session = match &fetched {
        Ok(Outcome::Ok(session)) => session,
        // A row that has no session yet: no buyer has its address, so this is a guess. Attack: while Stripe is away, a guessed
        // session id would come home signed.
        Ok(Outcome::Refused(_) | Outcome::Unavailable { .. }) | Err(_) if row.checkout_session.is_none() => return Ok(unknown(edge)),
        Ok(Outcome::Refused(_) | Outcome::Unavailable { .. }) | Err(_) => {
            if matches!(&fetched, Ok(Outcome::Refused(error)) if error.account_invalid()) {
                super::connect::doubt_later(edge, &row);
            }
            // The sweep asks first about those whose buyer has come back.
            if let Err(problem) = edge.db.check_first(&row.id) {
                log::line(object! { "level": "warn", "event": "check_not_noted", "transaction": row.id, "why": problem.cause });
            }
            let status = if row.status == Status::Open { "processing" } else { row.status.for_redirect() };
            return go_home(edge, &shop, &row, &session_id, status);
        }
    };
    if session.id != session_id {
        return Ok(unknown(edge));
    }
    match settle::session(edge, &row, session, "buyer")? {
        Settled::Row(row) => {
            let status = row.status.for_redirect();
            go_home(edge, &shop, &row, &session_id, status)
        }
        Settled::Stray => Ok(unknown(edge)),
    }
}

/// 303 to the shop with the signed result; without an address of the shop's, our own page says the same.
fn go_home(edge: &Edge, shop: &ShopRow, row: &Row, session_id: &str, status: &'static str) -> Result<Reply> {
    // A deleted shop has no secret to sign with, and nobody to go home to.
    let Some(success_url) = row.success_url.as_ref().filter(|_| shop.status != "deleted") else {
        return Ok(thanks(edge, shop, row, status));
    };
    let filled = weburl::fill_session(success_url, session_id);
    let url = weburl::WebUrl::parse(&filled, edge.config.allow_local).map_err(Problem::fault)?;
    let t = clock::now();
    let order_id = row.order_id.as_deref().unwrap_or_default();
    let secret = access::signing_secret(edge, shop)?;
    let signature = sign::completion_signature(
        &secret,
        &sign::Completion {
            t,
            transaction: &row.id,
            session_id,
            order_id,
            status,
            amount_total: row.amount,
            currency: &row.currency,
            livemode: row.livemode != 0,
        },
    )?;
    Ok(Reply::see_other(url.with_params(&[
        ("session_id", session_id),
        ("transaction", &row.id),
        ("order_id", order_id),
        ("status", status),
        ("amount_total", &row.amount.to_string()),
        ("currency", &row.currency),
        ("livemode", if row.livemode != 0 { "true" } else { "false" }),
        ("t", &t.to_string()),
        ("signature", &signature),
    ])))
}

fn thanks(edge: &Edge, shop: &ShopRow, row: &Row, status: &'static str) -> Reply {
    let amount = Currency::parse(&row.currency).zip(Amount::new(row.amount)).map(|(c, a)| c.display(a)).unwrap_or_default();
    let pay_url = row.session_url.as_deref().filter(|_| row.status == Status::Open);
    let html = page::thanks(&page::Thanks {
        status: match status {
            "paid" => page::Status::Paid,
            "authorized" => page::Status::Authorized,
            "processing" => page::Status::Processing,
            _ => page::Status::Unpaid,
        },
        amount: &amount,
        shop_name: &shop.name,
        shop_url: &shop.site_url,
        order_id: row.order_id.as_deref(),
        pay_url,
    });
    Reply::page(200, html, page::csp(edge.config.allow_local))
}

/// `GET /checkout/cancel/{cct_…}`: changes nothing, for the buyer may still go back and pay.
pub fn cancel(edge: &Edge, transaction: &str) -> Result<Reply> {
    if !id::is_prefixed(transaction, "cct_") {
        return Ok(unknown(edge));
    }
    let Some((row, shop)) = edge.db.transaction_with_shop(Some(transaction), "")? else { return Ok(unknown(edge)) };
    *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
    let Some(cancel_url) = row.cancel_url.as_ref().filter(|_| shop.status != "deleted") else {
        let html = page::cart_kept(&page::CartKept { shop_name: &shop.name, shop_url: &shop.site_url });
        return Ok(Reply::page(200, html, page::csp(edge.config.allow_local)));
    };
    let filled = weburl::fill_session(cancel_url, row.checkout_session.as_deref().unwrap_or_default());
    let url = weburl::WebUrl::parse(&filled, edge.config.allow_local).map_err(Problem::fault)?;
    Ok(Reply::see_other(url.with_params(&[("transaction", &row.id), ("status", "canceled")])))
}

/// `GET /v1/manifest`: what the shop merges into its UCP manifest.
pub fn manifest(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let connected = edge.db.connections(&shop.id)?.iter().any(|c| c.active());
    if !connected {
        return Ok(Reply::json(200, &object! {}));
    }
    let endpoint = shop
        .create_session_endpoint
        .clone()
        .unwrap_or_else(|| format!("{}/wp-json/cognitive-cart/v1/checkout/create-session", shop.site_url));
    Ok(Reply::json(
        200,
        &object! { "checkoutCreateSessionEndpoint": endpoint,
        "checkoutCompleteUrlTemplate": format!("{}/checkout/complete?session_id={{CHECKOUT_SESSION_ID}}", edge.public_url) },
    ))
}
