//! What was sold to agents.

use super::{Db, Statement};
use crate::acp::dialect::Dialect;
use crate::acp::order::OrderDoc;
use crate::record::Json;
use crate::sql;

pub struct NewOrder<'a> {
    pub order: &'a OrderDoc,
    pub shop_id: &'a str,
    pub agent_id: Option<&'a str>,
    pub origin: &'a str,
    pub dialect: Option<Dialect>,
    pub buyer_email: Option<&'a str>,
}

impl Db {
    pub fn create_order(&self, new: &NewOrder<'_>, _shop_notice: &str, _agent_notice: &str, now: i64) -> Vec<Statement> {
        let order = new.order;
        let body = order.json().to_string();
        vec![sql!(
            self,
            "INSERT INTO orders (id, shop_id, agent_id, livemode, origin, dialect, checkout_session, transaction_id, permalink_url, status, body,
               buyer_email, created, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13) ON CONFLICT DO NOTHING",
            &order.id,
            new.shop_id,
            new.agent_id,
            i64::from(order.livemode),
            new.origin,
            new.dialect.map(Dialect::name),
            &order.checkout_session_id,
            &order.transaction,
            &order.permalink_url,
            &order.status,
            &body,
            new.buyer_email,
            now
        )]
    }
}
