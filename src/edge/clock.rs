//! Time and randomness: the two things that no pure function may make for itself.

use super::js;
use crate::error::{Problem, Result};
use crate::place::Slot;

/// Milliseconds since 1970. Stands still between I/O on this platform.
pub fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

/// Unix seconds.
pub fn now() -> i64 {
    i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX)
}

/// Waits, milliseconds.
pub fn pause(ms: u32) {
    js::sleep(ms);
}

/// By when what waits gives up.
#[derive(Clone, Copy, Default)]
pub struct Until(Option<u64>);

impl Until {
    /// Unix milliseconds.
    pub fn at(ms: u64) -> Self {
        Until(Some(ms))
    }

    /// Milliseconds that are left, [`js::FOREVER`] at most; `None`: it is over.
    pub fn left(self) -> Option<u32> {
        let Some(at) = self.0 else { return Some(js::FOREVER) };
        let left = at.saturating_sub(now_ms());
        Some(u32::try_from(left).unwrap_or(js::FOREVER)).filter(|left| *left > 0)
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
