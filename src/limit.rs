//! How often one caller may ask (contract, *Conventions*, "Rate limits"): which counter a request counts against, and whose it is.
//! The figures stand in `wrangler.toml`, because the platform counts; it does so for each of its locations, and approximately.

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

/// What an address is counted as. Attack: whoever has one IPv6 line has 2^64 addresses to come from, so a line (its first 64 bits)
/// counts as one. What is no address counts together. By hand, because the parsers of `std::net` are 3 KB of the binary.
pub fn network(address: &str) -> String {
    let address = address.trim();
    if address.is_empty() || address.len() > 45 || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.' || b == b':') {
        return "unknown".to_owned();
    }
    // IPv4, also inside of IPv6 (`::ffff:203.0.113.7`).
    if address.contains('.') {
        return address.rsplit(':').next().filter(|last| last.contains('.')).unwrap_or("unknown").to_owned();
    }
    let (head, tail) = address.split_once("::").unwrap_or((address, ""));
    let groups = |text: &str| text.split(':').filter(|group| !group.is_empty()).count();
    let zeros = 8_usize.saturating_sub(groups(head)).saturating_sub(groups(tail));
    let all = head.split(':').filter(|group| !group.is_empty()).chain(std::iter::repeat_n("0", zeros)).chain(tail.split(':'));
    let mut line = String::new();
    for group in all.take(4) {
        line.push_str(match group.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        });
        line.push(':');
    }
    line.push_str(":/64");
    line.to_ascii_lowercase()
}
