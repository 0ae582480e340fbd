//! A shop's catalogue goes to Stripe.

use crate::edge::Edge;
use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};
use crate::stripe::event::Event;

pub async fn create(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn list(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn get(_edge: &Edge, _incoming: &mut Incoming, _id: &str) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn errors(_edge: &Edge, _incoming: &mut Incoming, _id: &str) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

/// A thin event about one: `webhook`'s word for what came of it.
pub async fn told(_edge: &Edge, _event: &Event) -> Result<&'static str> {
    Ok("not_handled")
}
