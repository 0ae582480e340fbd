//! Live or test, and the identifiers: the ones that we make and the shapes of the ones that Stripe makes.
//!
//! Ours are a prefix and 26 lower-case Crockford base32 characters (48 bits of Unix milliseconds, 80 random
//! bits), so that they sort by time and a list can page by them without a second column.
//! Randomness and time are passed in: nothing here asks the platform.

use base64ct::{Base64UrlUnpadded, Encoding};

/// Live money or Stripe's test mode. Never mixed: contract, *Connect* and *Checkout*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    Live,
    Test,
}

impl Mode {
    /// Stripe's `livemode`.
    pub fn live(self) -> bool {
        matches!(self, Mode::Live)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Test => "test",
        }
    }

    /// From Stripe's `livemode`.
    pub fn from_live(live: bool) -> Self {
        if live { Mode::Live } else { Mode::Test }
    }

    /// From its name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "live" => Some(Mode::Live),
            "test" => Some(Mode::Test),
            _ => None,
        }
    }
}

/// Crockford's base32 in lower case: no `i`, `l`, `o`, `u`, and in ASCII order, which is what makes ids sort.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters that carry 128 bits, five at a time.
const LENGTH: u32 = 26;

/// 48 bits: the year 10889.
const LAST_MS: u64 = 0xFFFF_FFFF_FFFF;

/// A new id: `prefix` and 26 characters that sort by `now_ms` (Unix milliseconds).
pub fn ordered(prefix: &str, now_ms: u64, random: &[u8; 10]) -> String {
    let mut bits = u128::from(now_ms.min(LAST_MS));
    for byte in random {
        bits = (bits << 8) | u128::from(*byte);
    }
    let mut id = String::with_capacity(prefix.len().saturating_add(26));
    id.push_str(prefix);
    for place in (0..LENGTH).rev() {
        let digit = bits.checked_shr(place.saturating_mul(5)).unwrap_or(0) & 31;
        let digit = usize::try_from(digit).unwrap_or(0);
        id.push(ALPHABET.get(digit).copied().map_or('0', char::from));
    }
    id
}

/// The lowest id that [`ordered`] can make at `seconds` (Unix): the bound of `created[gte]` and `created[lt]`.
/// Times before 1970 count as 1970.
pub fn lowest_at(prefix: &str, seconds: i64) -> String {
    ordered(prefix, u64::try_from(seconds).unwrap_or(0).saturating_mul(1000), &[0; 10])
}

/// A key, code or one-time reference: `prefix` and the random bytes as unpadded base64url.
pub fn secret(prefix: &str, random: &[u8]) -> String {
    format!("{prefix}{}", Base64UrlUnpadded::encode_string(random))
}

/// Whether `id` is `prefix` and at least one of `[A-Za-z0-9_]`, 255 characters at most, as Stripe's ids are.
/// What passes can be put into a path or a query as it is.
pub fn is_prefixed(id: &str, prefix: &str) -> bool {
    id.len() <= 255
        && id
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)))
}

/// A Checkout Session's id: `cs_test_…`, `cs_live_…`.
pub fn is_session_id(id: &str) -> bool {
    is_prefixed(id, "cs_")
}

/// A connected account's id, `^acct_[A-Za-z0-9]+$` (contract, *Connect*): it goes into a header.
pub fn is_account_id(id: &str) -> bool {
    id.len() <= 255 && id.strip_prefix("acct_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}
