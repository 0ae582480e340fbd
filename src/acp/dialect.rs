//! The versions in which agents speak to a shop. Facts: `facts/acp.md`, sections 1 and 4.

/// One version of the protocol on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Stripe's own page: `/checkouts`, updates by PUT, no version header.
    Stripe,
    V20250929,
    V20251212,
    V20260116,
    V20260130,
    V20260417,
}

impl Dialect {
    /// Those that are told by `API-Version`, oldest first.
    pub const VERSIONS: [Dialect; 5] = [Dialect::V20250929, Dialect::V20251212, Dialect::V20260116, Dialect::V20260130, Dialect::V20260417];

    /// What stands in `API-Version`; of Stripe's page, which has none, its name in our tables.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Stripe => "stripe",
            Dialect::V20250929 => "2025-09-29",
            Dialect::V20251212 => "2025-12-12",
            Dialect::V20260116 => "2026-01-16",
            Dialect::V20260130 => "2026-01-30",
            Dialect::V20260417 => "2026-04-17",
        }
    }

    /// From `API-Version`. Published clients call the first release by a day on which there was none.
    pub fn of_version(version: &str) -> Option<Dialect> {
        let version = if version == "2025-09-12" { "2025-09-29" } else { version };
        Dialect::VERSIONS.into_iter().find(|dialect| dialect.name() == version)
    }

    /// From [`Dialect::name`].
    pub fn stored(name: &str) -> Option<Dialect> {
        if name == "stripe" { Some(Dialect::Stripe) } else { Dialect::of_version(name) }
    }
}
