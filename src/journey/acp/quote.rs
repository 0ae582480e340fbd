//! The shop is asked for a price of its own (contract, "Live quotes"): signed like a notice, 2.5 s, at its own address only.

use crate::acp::quote::{DEADLINE, LIMIT, Quote, question, read};
use crate::acp::session::Session;
use crate::edge::{Edge, clock, log, outside};
use crate::error::{Problem, Result};
use crate::journey::access;
use crate::record::Json;
use crate::sign;
use crate::store::shops::ShopRow;

/// What came of asking.
pub enum Quoted {
    /// The shop has no `quote_url`.
    None,
    Price(Box<Quote>),
    /// Late, failing, or not about these items: the tables count.
    Failed,
}

impl Quoted {
    pub fn price(&self) -> Option<&Quote> {
        match self {
            Quoted::Price(quote) => Some(quote),
            _ => None,
        }
    }

    pub fn failed(&self) -> bool {
        matches!(self, Quoted::Failed)
    }
}

/// Asks for the session's items, address and codes as they are now.
pub fn ask(edge: &Edge, shop: &ShopRow, session: &Session) -> Result<Quoted> {
    let Some(url) = &shop.quote_url else { return Ok(Quoted::None) };
    let now = clock::now();
    let body = question(session).text();
    // Looked at again each time: an origin may have been taken away since.
    let prepared = access::shop_url(edge, shop, "quote_url", url, false).and_then(|url| {
        let signature = sign::webhook_signature(&access::signing_secrets(edge, shop, now)?, &session.id, now, &body)?;
        Ok((url.to_string(), signature))
    });
    let answer = match prepared {
        Ok((url, signature)) => {
            let headers = [("webhook-id", session.id.as_str()), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)];
            outside::question(edge, &url, &headers, &body, DEADLINE, LIMIT)
        }
        Err(problem) => Err(problem.message.clone()),
    };
    let read = match answer {
        Ok((200..=299, bytes)) => read(session, &bytes).map_err(|problem: Problem| problem.message.clone()),
        Ok((status, _)) => Err(format!("status {status}")),
        Err(why) => Err(why),
    };
    Ok(match read {
        Ok(quote) => Quoted::Price(Box::new(quote)),
        Err(why) => {
            log::line(object! { "level": "warn", "event": "quote_failed", "request_id": &*edge.request_id, "shop": shop.id, "why": why });
            Quoted::Failed
        }
    })
}
