//! Stripe asks before a sale.

use crate::edge::Edge;
use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};

pub async fn answer(_edge: &Edge, _incoming: &mut Incoming) -> Result<Reply> {
    Err(Problem::fault("not there yet"))
}
