//! Stripe's agentic commerce for the shops (contract, *Stripe's agentic commerce*): their catalogues at Stripe, the hooks by which Stripe
//! asks before a sale, the agents that a merchant has switched on, and the orders that agents make there.

pub mod account;
pub mod agreements;
pub mod following;
pub mod hooks;
pub mod imports;
pub mod orders;
pub mod rules;
pub mod sending;
pub mod stock;

use crate::edge::Edge;
use crate::error::{Problem, Result};
use crate::store::agentic::AgenticRow;
use crate::store::shops::ShopRow;

/// The hands on a seller's database, and its rows.
pub type Seller = (Edge, Box<AgenticRow>, Box<ShopRow>);

/// Who has the agentic side of an account, in whichever database: in several as in one (`AGENTIC_OF_ACCOUNT`) the first that had it, of
/// those that were not registered anew.
pub fn seller_of(edge: &Edge, account: &str, live: bool) -> Result<Option<Seller>> {
    let mut holders = Vec::new();
    for place in edge.everywhere() {
        holders.extend(place.db.agentic_of_account(account, live)?.map(|(side, shop)| (place, side, shop)));
    }
    Ok(holders.into_iter().min_by_key(|(_, side, shop)| (shop.ended(), side.created, shop.id.clone())))
}

/// Whether a shop in another database has it, and may act. Within one database its own statements see to that.
pub fn held_elsewhere(edge: &Edge, shop_id: &str, account: &str, live: bool) -> Result<bool> {
    if edge.alone() {
        return Ok(false);
    }
    Ok(seller_of(edge, account, live)?.is_some_and(|(_, _, shop)| shop.id != shop_id && !shop.ended()))
}

/// One account has one catalogue and one seller: what a second shop of it is told.
pub fn shared() -> Problem {
    let message = "Another shop that is connected to this Stripe account has its agentic side. One shop per account and mode can have it: disconnect the other one first.";
    Problem::request(409, "account_shared", message)
}
