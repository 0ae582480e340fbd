//! The platform's rate limits. What counts against which counter is decided in [`crate::limit`].

use super::http::Incoming;
use super::{js, log};
use crate::config::Config;
use crate::error::{Problem, Result};
use crate::limit::{Counter, network};
use std::sync::atomic::{AtomicBool, Ordering};
use worker::Env;
use worker::js_sys::{Object, Reflect};

/// A Worker that was deployed without the bindings says so once, and works.
static MISSING: AtomicBool = AtomicBool::new(false);

/// Counts a request. `Err` is the 429. A counter that is missing or fails limits nobody: it must never stand between a buyer and
/// his payment.
pub fn count(env: &Env, config: &Config, counter: Counter, whose: String) -> Result<()> {
    let Some(name) = counter.binding().filter(|_| config.rate_limits) else { return Ok(()) };
    let binding = js::binding(env, name);
    if binding.is_undefined() {
        if !MISSING.swap(true, Ordering::Relaxed) {
            log::line(object! { "level": "warn", "event": "rate_limit_missing", "binding": name });
        }
        return Ok(());
    }
    let asked = Object::new();
    if Reflect::set(&asked, &"key".into(), &whose.into()).is_err() {
        return Ok(());
    }
    match js::call(&binding, "limit", &[asked.into()]) {
        Ok(answer) if js::get(&answer, "success").is_falsy() => Err(Problem::rate_limited()),
        Ok(_) => Ok(()),
        Err(why) => {
            log::line(object! { "level": "warn", "event": "rate_limit_failed", "binding": name, "why": why });
            Ok(())
        }
    }
}

/// Counts what counts by address; the platform itself writes the header, whatever the caller sent.
pub fn count_address(env: &Env, config: &Config, counter: Counter, incoming: &Incoming) -> Result<()> {
    let counter = if counter.by_address() { counter } else { Counter::Nothing };
    count(env, config, counter, network(&incoming.header("CF-Connecting-IP").unwrap_or_default()))
}
