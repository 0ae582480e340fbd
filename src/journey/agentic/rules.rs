//! What a shop sells to agents at Stripe, and when it does not (contract, *Stripe's agentic commerce*, `PUT /v1/agentic/rules`).

use super::{held_elsewhere, shared};
use crate::agentic::rules::Rules;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::Mode;
use crate::journey::access;
use crate::record::Json;
use crate::store::agentic::{AgenticRow, Switched};
use crate::store::connect::in_mode;
use serde_json::Value;

fn object(rules: &Rules, mode: Mode, row: Option<&AgenticRow>) -> Value {
    let mut object = rules.json();
    if let Value::Object(members) = &mut object {
        members.insert("object".to_owned(), "agentic.rules".json());
        members.insert("livemode".to_owned(), mode.live().json());
        members.insert("account".to_owned(), row.map(|row| row.account.clone()).json());
        members.insert("created".to_owned(), row.map(|row| row.created).json());
        members.insert("updated".to_owned(), row.map(|row| row.updated).json());
    }
    object
}

/// `PUT /v1/agentic/rules`: takes the place of all rules; the first one switches the agentic side on.
pub fn set(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let body = incoming.json()?;
    let mut rules = Rules::read(&body)?;
    let asked = Fields::lenient(&body, "")?.choice("mode", &[("live", Mode::Live), ("test", Mode::Test)])?;
    let connections = edge.db.connections(&shop.id)?;
    let mode = access::mode(edge, asked, &connections);
    edge.pair(mode)?;
    // Stripe knows the account alone: of two shops it could not be told whose an order is.
    if let Some(connection) = in_mode(&connections, mode.live()).filter(|connection| connection.active())
        && held_elsewhere(edge, &shop.id, &connection.account, mode.live())?
    {
        return Err(shared());
    }
    // Rules alone switch on what never was, and change nothing about what was switched off.
    if Fields::lenient(&body, "")?.get("enabled").is_none() {
        rules.enabled = edge.db.agentic(&shop.id, mode.live())?.is_none_or(|row| row.enabled != 0);
    }
    let stored = rules.text();
    match edge.db.set_agentic(&shop.id, mode.live(), rules.enabled, &stored, clock::now())? {
        Switched::Kept(row) => Ok(Reply::json(200, &object(&rules, mode, Some(&row)))),
        Switched::NotConnected => Err(Problem::request(
            409,
            "not_connected",
            format!("No Stripe account is connected in {} mode. Connect one in the shop's admin.", mode.name()),
        )),
        Switched::Shared => Err(shared()),
    }
}

/// `GET /v1/agentic/rules`: `enabled` is false before the first PUT.
pub fn get(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let mode = match access::mode_param(incoming)? {
        Some(mode) => mode,
        None => access::mode(edge, None, &edge.db.connections(&shop.id)?),
    };
    let row = edge.db.agentic(&shop.id, mode.live())?;
    let rules = row.as_ref().map_or(Ok(Rules::default()), |row| Rules::stored(&row.rules))?;
    Ok(Reply::json(200, &object(&rules, mode, row.as_deref())))
}
