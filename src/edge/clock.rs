//! Time and randomness: the two things that no pure function may make for itself.

use crate::error::{Problem, Result};
use crate::place::Slot;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::time::Duration;

/// Milliseconds since 1970. Stands still between I/O on this platform.
pub fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

/// Unix seconds.
pub fn now() -> i64 {
    i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX)
}

/// What comes of some work within a time, milliseconds; `None`: it takes longer, and is given up. What it had asked for by then may
/// still happen.
pub async fn within<T>(ms: u64, work: LocalBoxFuture<'_, T>) -> Option<T> {
    wait(ms, work).await.ok()
}

/// The same, but work that takes longer is given back, to be waited for again.
pub async fn wait<T>(ms: u64, work: LocalBoxFuture<'_, T>) -> std::result::Result<T, LocalBoxFuture<'_, T>> {
    match select(work, worker::Delay::from(Duration::from_millis(ms))).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(((), work)) => Err(work),
    }
}

/// Fresh bytes from the platform's cryptographic source.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|e| Problem::fault(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// A fresh time-ordered id.
pub fn fresh_id(prefix: &str) -> Result<String> {
    Ok(crate::id::ordered(prefix, now_ms(), &random::<10>()?))
}

/// A fresh id that leads to a shop's slot (see [`Slot`]).
pub fn fresh_id_in(slot: Slot, prefix: &str) -> Result<String> {
    let mut random = random::<10>()?;
    slot.mark_id(&mut random);
    Ok(crate::id::ordered(prefix, now_ms(), &random))
}

/// A fresh secret that leads to a shop's slot.
pub fn fresh_secret_in(slot: Slot, prefix: &str) -> Result<String> {
    let mut random = random::<32>()?;
    slot.mark_secret(&mut random);
    Ok(crate::id::secret(prefix, &random))
}

/// A fresh secret of 256 bits.
pub fn fresh_secret(prefix: &str) -> Result<String> {
    Ok(crate::id::secret(prefix, &random::<32>()?))
}
