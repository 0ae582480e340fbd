//! Work that goes on side by side.

use futures_util::future::LocalBoxFuture;
use std::future::poll_fn;
use std::task::Poll;

/// Runs all of them, until the last is done. (`join_all` does the same with 10 KB of queues.)
pub async fn side_by_side(mut lanes: Vec<LocalBoxFuture<'_, ()>>) {
    poll_fn(|context| {
        lanes.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
        if lanes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
