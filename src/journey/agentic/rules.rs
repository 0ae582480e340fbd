//! What a shop sells to agents at Stripe, and when it does not.

use crate::edge::Edge;
use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};

pub async fn set(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}

pub async fn get(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}
