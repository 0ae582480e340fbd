//! The merchant switches agents on: account sessions, and the page that mounts Stripe's component.

use crate::edge::Edge;
use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};

pub async fn session(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn link(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn page(_edge: &Edge, _incoming: &mut Incoming, _id: &str) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}
