//! Every variable and secret of the Worker, read once and checked together.
//!
//! Whatever is wrong is told in full and at once, each variable by its name and with what to do about it,
//! and never with its value: most of them are secrets, and an operator pastes the list into a ticket.
//! Contract: *Bindings, variables, secrets*.

use crate::error::Problem;
use crate::id::Mode;
use crate::money::{Currency, FeeRule, MAX_CHARGE};
use crate::place::Placement;
use crate::record::Json;
use crate::seal::SealKeys;
use crate::weburl;
use std::fmt;

/// Where Stripe is, unless a sandbox stands in for it.
const STRIPE_API: &str = "https://api.stripe.com";
const STRIPE_CONNECT: &str = "https://connect.stripe.com";
const STRIPE_FILES: &str = "https://files.stripe.com";
const STRIPE_CONNECT_JS: &str = "https://connect-js.stripe.com";

/// The operator's key opens every shop: too short a one can be guessed. In characters.
const ADMIN_KEY_MIN: usize = 8;

/// A value that must never be seen. It has no `Display`, so that it cannot slip into a message or a URL;
/// whoever needs it says [`Secret::expose`], and that word can be searched for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself. Only for what goes to its owner: a header, a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The platform's keys of one mode. Either mode may be missing, half a pair may not.
#[derive(Debug, Clone)]
pub struct Pair {
    pub secret_key: Secret,
    /// `ca_…`, for OAuth. Public: it stands in the merchant's address bar.
    pub client_id: String,
    /// For Stripe's embedded components only.
    pub publishable_key: Option<String>,
}

/// Who may register a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone; the challenge proves whose address it is.
    Open,
    /// Whoever holds `ADMIN_KEY`.
    Operator,
}

/// Whose charge it is at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeType {
    /// Made on the shop's account.
    Direct,
    /// Made on the platform's, on behalf of the shop's, and transferred.
    Destination,
}

impl ChargeType {
    /// Its name in the variable and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            ChargeType::Direct => "direct",
            ChargeType::Destination => "destination",
        }
    }
}

/// How catalogues get to Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueApi {
    /// `/v2/commerce/product_catalog/imports`.
    V2,
    /// A file, and an import set of it.
    ImportSets,
}

impl CatalogueApi {
    /// Its name in the variable and in an import.
    pub fn name(self) -> &'static str {
        match self {
            CatalogueApi::V2 => "v2",
            CatalogueApi::ImportSets => "import_sets",
        }
    }
}

/// A configuration that is known to be good.
#[derive(Debug)]
pub struct Config {
    /// The origin as the world sees it, no trailing slash. `None` only under `ALLOW_LOCAL`: the request's own then.
    pub public_url: Option<String>,
    pub live: Option<Pair>,
    pub test: Option<Pair>,
    /// One for each endpoint that Stripe has on `/stripe/webhooks`. Empty closes that route, and no other.
    pub webhook_secrets: Vec<Secret>,
    /// The same for the agentic hooks.
    pub hook_secrets: Vec<Secret>,
    /// The three hosts of Stripe, no trailing slash.
    pub api_base: String,
    pub connect_base: String,
    pub files_base: String,
    /// Where browsers get Connect.js: Stripe's host for it, or whoever stands in for `connect_base`.
    pub connect_js: String,
    pub seal_keys: SealKeys,
    /// Unset: the operator's routes answer 404.
    pub admin_key: Option<Secret>,
    pub registration: Registration,
    pub verification_required: bool,
    pub allow_local: bool,
    pub rate_limits: bool,
    /// What the platform takes of a sale.
    pub fee: FeeRule,
    /// What Stripe takes of the platform for it; the fee is never below it.
    pub cost: FeeRule,
    pub charge_type: ChargeType,
    /// By which of Stripe's ways catalogues are sent.
    pub catalogue_api: CatalogueApi,
    /// Which databases there are, and which shops are in which.
    pub placement: Placement,
}

impl Config {
    /// The keys of a mode, where they are configured.
    pub fn pair(&self, mode: Mode) -> Option<&Pair> {
        match mode {
            Mode::Live => self.live.as_ref(),
            Mode::Test => self.test.as_ref(),
        }
    }

    /// The mode that a request means which names none, for a shop with no or two active connections
    /// (contract, *Checkout*): live where its keys are, else test.
    pub fn default_mode(&self) -> Mode {
        Mode::from_live(self.live.is_some())
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misconfigured {
    /// Variable, and what is wrong with it and what to do: in the order of the contract's table. Never a value.
    pub problems: Vec<(String, String)>,
    /// Whether the front page has to shout even so.
    pub allow_local: bool,
}

impl Misconfigured {
    /// What every route but the front page and `/healthz` answers: 503 `not_configured`, with all of it.
    pub fn problem(&self) -> Problem {
        let told: Vec<String> = self.problems.iter().map(|(name, what)| format!("{name} {what}")).collect();
        let list: Vec<_> = self.problems.iter().map(|(name, what)| object! { "name": name, "problem": what }).collect();
        Problem::not_configured(format!("The operator has to set: {}", told.join(" "))).with("variables", list.json())
    }
}

/// Reads all variables through `get` (the environment's; blank counts as unset).
pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Config, Misconfigured> {
    let mut reader = Reader { get, problems: Vec::new() };
    // What the others depend on is read first; the list is put in the contract's order at the end.
    let allow_local = reader.word("ALLOW_LOCAL", &[("true", true), ("false", false)], false);

    let public_url = reader.public_url(allow_local);
    let live = reader.pair(&LIVE);
    let test = reader.pair(&TEST);
    if reader.no_pair() {
        // Both halves are named, because both are missing; which pair is the operator's choice.
        let either = "is not set, and there is no test pair either: set STRIPE_SECRET_KEY and STRIPE_CLIENT_ID for real \
                      payments, or STRIPE_TEST_SECRET_KEY and STRIPE_TEST_CLIENT_ID to try things out.";
        reader.bad(LIVE.secret_key, either);
        reader.bad(LIVE.client_id, either);
    }
    let webhook_secrets = reader.signing_secrets("STRIPE_WEBHOOK_SECRETS");
    let hook_secrets = reader.signing_secrets("STRIPE_HOOK_SECRETS");
    let api_base = reader.base("STRIPE_API_BASE", STRIPE_API);
    let connect_base = reader.base("STRIPE_CONNECT_BASE", STRIPE_CONNECT);
    let files_base = reader.base("STRIPE_FILES_BASE", STRIPE_FILES);
    let connect_js = if connect_base == STRIPE_CONNECT { STRIPE_CONNECT_JS.to_owned() } else { connect_base.clone() };
    let seal_keys = reader.seal_keys();
    let admin_key = reader.admin_key();
    let registration =
        reader.word("REGISTRATION", &[("open", Registration::Open), ("operator", Registration::Operator)], Registration::Open);
    if registration == Registration::Operator && reader.text("ADMIN_KEY").is_none() {
        reader.bad(
            "ADMIN_KEY",
            "is not set, and REGISTRATION is operator: nobody could register a shop. Set ADMIN_KEY, or REGISTRATION to open.",
        );
    }
    let verification_required = reader.guard("SHOP_VERIFICATION", "required", allow_local);
    let rate_limits = reader.guard("RATE_LIMITS", "on", allow_local);
    let fee = reader.fee_rule("FEE_BPS", "FEE_FIXED");
    let cost = reader.fee_rule("STRIPE_COST_BPS", "STRIPE_COST_FIXED");
    let charge_type =
        reader.word("CHARGE_TYPE", &[("direct", ChargeType::Direct), ("destination", ChargeType::Destination)], ChargeType::Direct);

    let catalogue_api =
        reader.word("STRIPE_CATALOGUE_API", &[("v2", CatalogueApi::V2), ("import_sets", CatalogueApi::ImportSets)], CatalogueApi::V2);
    let placement = reader.placement();

    // A key that cannot be read has said so already; without one there is nothing to build.
    match seal_keys {
        Some(seal_keys) if reader.problems.is_empty() => Ok(Config {
            public_url,
            live,
            test,
            webhook_secrets,
            hook_secrets,
            api_base,
            connect_base,
            files_base,
            connect_js,
            seal_keys,
            admin_key,
            registration,
            verification_required,
            allow_local,
            rate_limits,
            fee,
            cost,
            charge_type,
            catalogue_api,
            placement,
        }),
        _ => {
            let mut problems = Vec::new();
            for known in VARIABLES {
                problems.extend(reader.problems.iter().filter(|(name, _)| name == known).cloned());
            }
            Err(Misconfigured { problems, allow_local })
        }
    }
}

/// All variables that are read here, in the order of the contract's table.
pub const VARIABLES: &[&str] = &[
    "PUBLIC_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_CLIENT_ID",
    "STRIPE_TEST_SECRET_KEY",
    "STRIPE_TEST_CLIENT_ID",
    "STRIPE_PUBLISHABLE_KEY",
    "STRIPE_TEST_PUBLISHABLE_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "STRIPE_HOOK_SECRETS",
    "STRIPE_API_BASE",
    "STRIPE_CONNECT_BASE",
    "STRIPE_FILES_BASE",
    "SEAL_KEYS",
    "ADMIN_KEY",
    "REGISTRATION",
    "SHOP_VERIFICATION",
    "ALLOW_LOCAL",
    "RATE_LIMITS",
    "FEE_BPS",
    "FEE_FIXED",
    "STRIPE_COST_BPS",
    "STRIPE_COST_FIXED",
    "CHARGE_TYPE",
    "STRIPE_CATALOGUE_API",
    "DATABASES",
    "DATABASES_MOVING",
];

/// The three variables of one mode, and how Stripe begins their values.
struct PairNames {
    mode: &'static str,
    other: &'static str,
    secret_key: &'static str,
    client_id: &'static str,
    publishable_key: &'static str,
    /// A full key and a restricted one.
    secret_prefixes: [&'static str; 2],
    /// The other mode's: worth a word of its own, because a test key in the live slot is the common slip,
    /// and would let a test payment settle a live order.
    foreign_prefixes: [&'static str; 2],
    publishable_prefix: &'static str,
}

const LIVE: PairNames = PairNames {
    mode: "live",
    other: "test",
    secret_key: "STRIPE_SECRET_KEY",
    client_id: "STRIPE_CLIENT_ID",
    publishable_key: "STRIPE_PUBLISHABLE_KEY",
    secret_prefixes: ["sk_live_", "rk_live_"],
    foreign_prefixes: ["sk_test_", "rk_test_"],
    publishable_prefix: "pk_live_",
};

const TEST: PairNames = PairNames {
    mode: "test",
    other: "live",
    secret_key: "STRIPE_TEST_SECRET_KEY",
    client_id: "STRIPE_TEST_CLIENT_ID",
    publishable_key: "STRIPE_TEST_PUBLISHABLE_KEY",
    secret_prefixes: ["sk_test_", "rk_test_"],
    foreign_prefixes: ["sk_live_", "rk_live_"],
    publishable_prefix: "pk_test_",
};

/// Reads variable after variable and goes on after a bad one.
struct Reader<G> {
    get: G,
    problems: Vec<(String, String)>,
}

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    /// The variable without the white space around it: `echo … | wrangler secret put` leaves a line break.
    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn bad(&mut self, name: &str, what: impl Into<String>) {
        self.problems.push((name.to_owned(), what.into()));
    }

    /// One of two words.
    fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(name) else { return default };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => *meaning,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.bad(name, format!("must be {} (or not be set).", known.join(" or ")));
                default
            }
        }
    }

    /// Where the shops are.
    fn placement(&mut self) -> Placement {
        let mut placement = match self.text("DATABASES").map(|text| Placement::read(&text)) {
            None => Placement::default(),
            Some(Ok(placement)) => placement,
            Some(Err(why)) => {
                self.bad("DATABASES", format!("{why} For example: DB=0-15 DB_2=16-31."));
                Placement::default()
            }
        };
        if let Some(text) = self.text("DATABASES_MOVING")
            && let Err(why) = placement.set_moving(&text)
        {
            self.bad("DATABASES_MOVING", why);
        }
        placement
    }

    /// A protection that only a machine of one's own may do without.
    fn guard(&mut self, name: &str, on: &str, allow_local: bool) -> bool {
        let guarded = self.word(name, &[(on, true), ("off", false)], true);
        if !guarded && !allow_local {
            self.bad(name, format!("is off, which only ALLOW_LOCAL=true permits: remove it, or set it to {on}."));
        }
        guarded
    }

    fn public_url(&mut self, allow_local: bool) -> Option<String> {
        match self.text("PUBLIC_URL") {
            Some(url) => match weburl::origin_only(&url, allow_local) {
                Ok(origin) => Some(origin),
                Err(why) => {
                    self.bad(
                        "PUBLIC_URL",
                        format!("must be an origin such as https://pay.example.com, without a path: {}.", why.trim_end_matches('.')),
                    );
                    None
                }
            },
            None => {
                if !allow_local {
                    self.bad("PUBLIC_URL", "is not set: set it to the address that the world sees, such as https://pay.example.com.");
                }
                None
            }
        }
    }

    /// Both keys of a mode, or neither; the publishable one is checked even if it is alone.
    fn pair(&mut self, names: &PairNames) -> Option<Pair> {
        let secret_key = self.text(names.secret_key);
        let client_id = self.text(names.client_id);
        let publishable_key = self.text(names.publishable_key);

        if let Some(key) = &secret_key {
            let mode = names.mode;
            if names.foreign_prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                self.bad(names.secret_key, format!("holds a {} key; the {mode} key goes here.", names.other));
            } else if !names.secret_prefixes.iter().any(|prefix| is_key(key, prefix)) {
                let [full, restricted] = names.secret_prefixes;
                self.bad(names.secret_key, format!("must be Stripe's {mode} secret key: {full}… or {restricted}…."));
            }
        } else if client_id.is_some() {
            self.bad(names.secret_key, format!("is not set, but {} is: set both or neither.", names.client_id));
        }
        if let Some(id) = &client_id {
            if !is_key(id, "ca_") {
                self.bad(names.client_id, format!("must be the {} client id of Stripe Connect: ca_….", names.mode));
            }
        } else if secret_key.is_some() {
            self.bad(names.client_id, format!("is not set, but {} is: set both or neither.", names.secret_key));
        }
        if let Some(key) = &publishable_key
            && !is_key(key, names.publishable_prefix)
        {
            self.bad(names.publishable_key, format!("must be Stripe's {} publishable key: {}….", names.mode, names.publishable_prefix));
        }
        Some(Pair { secret_key: Secret::new(secret_key?), client_id: client_id?, publishable_key })
    }

    /// Whether neither pair was begun.
    fn no_pair(&self) -> bool {
        [&LIVE, &TEST].iter().all(|names| self.text(names.secret_key).is_none() && self.text(names.client_id).is_none())
    }

    /// `whsec_…`, comma separated. None at all is no mistake: the route that needs them stays closed.
    fn signing_secrets(&mut self, name: &str) -> Vec<Secret> {
        let Some(text) = self.text(name) else { return Vec::new() };
        let mut secrets = Vec::new();
        for (number, secret) in entries(&text) {
            let body = secret.strip_prefix("whsec_").unwrap_or_default();
            if body.is_empty() || !body.bytes().all(|b| b.is_ascii_graphic()) {
                self.bad(name, format!("must be signing secrets (whsec_…) separated by commas; number {number} is none."));
            } else {
                secrets.push(Secret::new(secret));
            }
        }
        secrets
    }

    /// A host of Stripe's or of a stand-in for it. The platform's key travels there: https, or this machine.
    fn base(&mut self, name: &str, default: &str) -> String {
        match self.text(name).map(|url| weburl::origin_only(&url, true)) {
            None => default.to_owned(),
            Some(Ok(origin)) => origin,
            Some(Err(why)) => {
                let why = why.trim_end_matches('.');
                self.bad(
                    name,
                    format!("must be an origin, https or (for a sandbox) http://localhost:<port>: {why}. Unset, it is {default}."),
                );
                default.to_owned()
            }
        }
    }

    fn seal_keys(&mut self) -> Option<SealKeys> {
        let make = "make one with `openssl rand -hex 32` and write k1:<the 64 digits>";
        match self.text("SEAL_KEYS") {
            None => {
                self.bad("SEAL_KEYS", format!("is not set: {make}."));
                None
            }
            // The reason that the parser gives is left out: a key that was written without its id would stand in it.
            Some(text) => match SealKeys::parse(&text) {
                Ok(keys) => Some(keys),
                Err(_) => {
                    self.bad("SEAL_KEYS", format!("must be keys `id:64 hex digits`, separated by commas, each id once: {make}."));
                    None
                }
            },
        }
    }

    fn admin_key(&mut self) -> Option<Secret> {
        let key = self.text("ADMIN_KEY")?;
        // It arrives in an Authorization header, hence no spaces; and it must not be taken for another's key.
        if key.len() < ADMIN_KEY_MIN || !key.bytes().all(|b| b.is_ascii_graphic()) {
            self.bad(
                "ADMIN_KEY",
                format!("must have at least {ADMIN_KEY_MIN} printable ASCII characters and no spaces: `openssl rand -hex 32` makes one."),
            );
        } else if key.starts_with("ccs_") || key.starts_with("cca_") {
            self.bad("ADMIN_KEY", "must not begin as the keys of shops (ccs_) and agents (cca_) do.");
        }
        Some(Secret::new(key))
    }

    fn fee_rule(&mut self, bps_name: &str, fixed_name: &str) -> FeeRule {
        let bps = match self.text(bps_name).map(|text| digits(&text)) {
            None => 0,
            Some(Some(bps)) if bps <= 10_000 => bps,
            Some(_) => {
                self.bad(bps_name, "must be a whole number of basis points from 0 to 10000 (250 is 2.5 %).");
                0
            }
        };
        let mut fixed: Vec<(String, i64)> = Vec::new();
        if let Some(text) = self.text(fixed_name) {
            for (number, part) in entries(&text) {
                match fixed_fee(part) {
                    Some((currency, amount)) if fixed.iter().all(|(known, _)| known != currency) => {
                        fixed.push((currency.to_owned(), amount));
                    }
                    Some(_) => self.bad(fixed_name, format!("names the currency of entry {number} twice.")),
                    None => self.bad(
                        fixed_name,
                        format!("must be amounts in minor units by currency, such as usd=30,eur=25; entry {number} is none."),
                    ),
                }
            }
        }
        FeeRule { bps, fixed }
    }
}

/// What stands between commas, numbered from 1; a comma too many does no harm.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1usize..).zip(text.split(',').map(str::trim)).filter(|(_, entry)| !entry.is_empty())
}

/// `usd=30`
fn fixed_fee(part: &str) -> Option<(&'static str, i64)> {
    let (currency, amount) = part.split_once('=')?;
    let currency = Currency::parse(currency.trim())?;
    let amount = digits(amount.trim()).filter(|amount| *amount <= MAX_CHARGE)?;
    Some((currency.code(), amount))
}

/// A number in plain digits: no sign, no point, no spaces.
fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A key or id of Stripe's: the prefix, and letters and digits after it. Anything else would be refused by
/// Stripe later and less clearly, and a line break inside would break the header that it goes into.
fn is_key(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}
