//! A shop says how it delivers, what tax it adds and which coupons it takes (contract, *Agents, catalogue, fulfilment*).

use super::access;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::Result;
use crate::fulfillment::Fulfillment;
use crate::record::Json;
use crate::store::catalogue::FulfillmentRow;
use serde_json::Value;
use std::rc::Rc;

fn object(rules: &Fulfillment, updated: Option<i64>) -> Value {
    let mut object = rules.json();
    if let Value::Object(members) = &mut object {
        members.insert("object".to_owned(), "fulfillment".json());
        members.insert("updated".to_owned(), updated.json());
    }
    object
}

/// `GET /v1/shop/fulfillment`: empty lists before the first PUT.
pub fn get(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    let found = edge.db.find::<FulfillmentRow>(edge.db.fulfillment_for(&shop.id))?;
    let (rules, updated) = match found {
        Some(row) => (Fulfillment::stored(&row.body)?, Some(row.updated)),
        None => (Rc::default(), None),
    };
    Ok(Reply::json(200, &object(&rules, updated)))
}

/// `PUT /v1/shop/fulfillment`: takes the place of all rules.
pub fn set(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    let rules = Fulfillment::read(&incoming.json()?)?;
    let now = clock::now();
    if !edge.db.set_fulfillment(&shop.id, &rules.text(), now)? {
        return Err(access::unknown_key());
    }
    Ok(Reply::json(200, &object(&rules, Some(now))))
}
