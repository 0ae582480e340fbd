//! Orders that agents make at Stripe: sessions that this Worker did not create.

use crate::edge::Edge;
use crate::error::Result;
use crate::stripe::event::Event;
use crate::stripe::session::Session;

/// A session that names no transaction of ours. What came of it, or `None`: it is none of an agent's.
pub async fn of_session(_edge: &Edge, _event: &Event, _session: &Session) -> Result<Option<&'static str>> {
    Ok(None)
}
