//! How often one caller may ask (contract, *Conventions*, "Rate limits"): which counter a request counts against, and whose it is.
//! The figures stand in `wrangler.toml`, because the platform counts; it does so for each of its locations, and approximately.

use std::net::IpAddr;

/// A counter of the platform's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Requests with a key: 600 a minute for each shop. Counted once the shop is known.
    Key,
    /// What needs no key, and keys that open nothing: 60 a minute for each address.
    Address,
    /// New shops: 10 a minute for each address.
    Registration,
    /// Never counted.
    Nothing,
}

impl Counter {
    /// The binding that counts.
    pub fn binding(self) -> Option<&'static str> {
        match self {
            Counter::Key => Some("LIMIT_KEY"),
            Counter::Address => Some("LIMIT_ADDRESS"),
            Counter::Registration => Some("LIMIT_REGISTRATION"),
            Counter::Nothing => None,
        }
    }

    /// Whether it counts by address, and so before anything is read.
    pub fn by_address(self) -> bool {
        matches!(self, Counter::Address | Counter::Registration)
    }
}

/// What an address is counted as. Attack: whoever has one IPv6 line has 2^64 addresses to come from, so a line counts as one.
/// What is no address counts together.
pub fn network(address: &str) -> String {
    match address.trim().parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        Err(_) => "unknown".to_owned(),
    }
}
