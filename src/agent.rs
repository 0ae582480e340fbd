//! An agent of a shop's: who holds its key, what that opens, how it looks from outside (contract, *Agents, catalogue, fulfilment*).

use crate::acp::feed::State;
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::Mode;
use crate::ledger::stored;
use crate::record::{Json, Member};
use crate::weburl::WebUrl;
use serde_json::Value;

/// How a key of an agent begins.
pub const KEY_PREFIX: &str = "cca_";
/// What an agent's key may open (`allow`): the checkouts and carts of the protocol, and the same as tools.
pub const DOORS: [&str; 2] = ["acp", "mcp"];
/// How many agents a shop may have at a time.
pub const MOST: i64 = 100;
/// As in `source: "agent:<name>"`, characters.
const LONGEST_NAME: usize = 64;

record! {
    /// An agent as D1 has it; secrets are sealed.
    #[derive(Debug)]
    pub struct AgentRow {
        pub id: String,
        pub shop_id: String,
        /// The ledger's `agent` of what it buys.
        pub name: String,
        pub livemode: i64,
        /// JSON.
        pub allow: String,
        pub webhook_url: Option<String>,
        pub signing_secret: String,
        /// The one before, while it is rolled.
        pub previous_signing_secret: Option<String>,
        pub previous_signing_secret_expires_at: Option<i64>,
        /// Where the agent takes the catalogue.
        pub feed_url: Option<String>,
        pub feed_key: Option<String>,
        /// Where the push there stands ([`crate::acp::feed::State`], JSON).
        pub feed_state: Option<String>,
        pub feed_due_at: Option<i64>,
        pub feed_wait_until: i64,
        pub created: i64,
        pub deleted_at: Option<i64>,
    }
}

impl AgentRow {
    pub fn mode(&self) -> Mode {
        Mode::from_live(self.livemode != 0)
    }

    fn doors(&self) -> Vec<String> {
        Vec::read(Some(stored(&self.allow))).unwrap_or_default()
    }

    /// The `agent` object of the contract, without its secrets.
    pub fn object(&self, now: i64) -> Value {
        let feed = match &self.feed_url {
            Some(_) => State::object(self.feed_state.as_deref(), self.feed_due_at, self.feed_wait_until, now),
            None => Value::Null,
        };
        object! { "object": "agent",
        "id": self.id,
        "name": self.name,
        "mode": self.mode().name(),
        "livemode": self.livemode != 0,
        "allow": stored(&self.allow),
        "webhook_url": self.webhook_url,
        "feed_url": self.feed_url,
        "feed_key_set": self.feed_key.is_some(),
        "feed": feed,
        "created": self.created }
    }
}

/// Whether an agent of a shop in this status may enter by `door`, one of [`DOORS`]. Its key was found to be good before.
pub fn allowed(agent: &AgentRow, shop_status: &str, door: &str) -> Result<()> {
    match shop_status {
        _ if agent.deleted_at.is_some() => Err(Problem::unauthenticated("api_key_invalid", "This agent was deleted.")),
        "active" => {
            if agent.doors().iter().any(|open| open == door) {
                Ok(())
            } else {
                Err(Problem::forbidden(
                    "agent_not_allowed",
                    format!("The shop does not let this agent in here: '{door}' is not in the agent's allow."),
                ))
            }
        }
        "suspended" => Err(Problem::forbidden("shop_suspended", "The operator of this Worker has suspended the shop.")),
        "pending" => Err(Problem::forbidden("shop_not_verified", "The shop has not proved its address yet.")),
        _ => Err(Problem::unauthenticated("api_key_invalid", "The shop of this key is here no more.")),
    }
}

/// The name, which becomes the ledger's `agent`.
pub fn read_name(fields: &Fields<'_>) -> Result<String> {
    let name = fields.need_string("name", LONGEST_NAME)?.trim();
    if name.chars().any(char::is_control) {
        return Err(Problem::value_about("parameter_invalid", &fields.name("name"), "must not contain control characters."));
    }
    Ok(name.to_owned())
}

/// `allow` as it is kept, in the order of [`DOORS`]; `None` when absent. An empty list closes every door.
pub fn read_allow(fields: &Fields<'_>) -> Result<Option<String>> {
    if fields.get("allow").is_none() {
        return Ok(None);
    }
    let mut asked = Vec::new();
    for (param, value) in fields.array("allow")? {
        let Value::String(door) = value else {
            return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
        };
        if !DOORS.contains(&door.as_str()) {
            return Err(Problem::value_about("parameter_invalid", &param, &format!("must be one of {}.", DOORS.join(", "))));
        }
        asked.push(door.as_str());
    }
    let open: Vec<&str> = DOORS.into_iter().filter(|door| asked.contains(door)).collect();
    Ok(Some(open.text()))
}

/// An address of an agent's: `webhook_url`, `feed_url`. On any host, since it is not the shop's.
///
/// Attack: a shop names an address that only the Worker can reach, and reads the answer (server-side request forgery). What stops it:
/// - here: https, a full name of the public DNS and no IP literal in any spelling (`weburl` refuses a last label that begins with a
///   digit, and brackets), no `localhost`, no user and password. `allow_local` opens `localhost` and `127.0.0.1` and nothing else;
/// - here: not this Worker itself, so that no request can make it call itself in a circle;
/// - a name that leads to an inside address: the platform connects to public addresses only, in production (Cloudflare's network has
///   no way to the operator's) and in workerd (its outgoing network allows `public` alone). So there is no second look-up here that a
///   name could answer differently (DNS rebinding);
/// - `edge::outside`: a redirect is not followed, the call has a deadline, and of a webhook's answer the status alone is looked at
///   and shown: nothing that stands inside can be read;
/// - the address is read again by these rules with every attempt, not only when it was stored.
pub fn address(fields: &Fields<'_>, member: &str, public_url: &str, allow_local: bool) -> Result<Option<String>> {
    if fields.get(member).is_none() {
        return Ok(None);
    }
    let raw = fields.need_string(member, 1000)?;
    match outside(raw, public_url, allow_local) {
        Ok(url) => Ok(Some(url)),
        Err(why) => Err(Problem::value_about("url_not_allowed", &fields.name(member), &format!("is not allowed: {why}."))),
    }
}

/// `feed_url`: paths are put behind it, so it ends in one.
pub fn feed_address(fields: &Fields<'_>, public_url: &str, allow_local: bool) -> Result<Option<String>> {
    let url = address(fields, "feed_url", public_url, allow_local)?;
    if url.as_ref().is_some_and(|url| url.contains('?')) {
        return Err(Problem::value_about("url_not_allowed", &fields.name("feed_url"), "is not allowed: it must not have a query (?…)."));
    }
    Ok(url)
}

/// The rules of [`address`] for an address by itself, as it is used.
pub fn outside(raw: &str, public_url: &str, allow_local: bool) -> std::result::Result<String, &'static str> {
    let url = WebUrl::parse(raw, allow_local)?;
    if url.fragment().is_some() {
        return Err("it must not have a fragment (#…)");
    }
    if url.origin() == public_url {
        return Err("it must not be this Worker's own");
    }
    Ok(url.to_string())
}

/// The key of an agent's feed, which goes into a header as it is; `None` when absent.
pub fn read_feed_key<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>> {
    if fields.get("feed_key").is_none() {
        return Ok(None);
    }
    let key = fields.need_string("feed_key", 500)?;
    // Attack: a line break in it begins another header.
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::value_about("parameter_invalid", &fields.name("feed_key"), "must be printable ASCII without spaces."));
    }
    Ok(Some(key))
}
