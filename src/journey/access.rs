//! Who asks, and to which addresses of the shop's answers may go.

use crate::agent::{self, AgentRow};
use crate::edge::Edge;
use crate::edge::http::Incoming;
use crate::edge::{clock, limit};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::Mode;
use crate::limit::Counter;
use crate::sign;
use crate::store::connect::ConnectionRow;
use crate::store::shops::ShopRow;
use crate::weburl::{self, WebUrl};

/// The key that a request is sent with.
pub fn key(incoming: &Incoming) -> Result<String> {
    let header = incoming.header("Authorization").ok_or_else(|| {
        Problem::unauthenticated("api_key_missing", "Send your key as 'Authorization: Bearer …': a shop's is ccs_…, an agent's cca_….")
    })?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() && token.len() <= 256 => {
            Ok(token.trim().to_owned())
        }
        _ => Err(Problem::unauthenticated("api_key_invalid", "The Authorization header must be 'Bearer ' and a key.")),
    }
}

/// The hash of the shop's key that the caller has, by which D1 knows it. An agent's key is told by how it begins: agents never price
/// and never see the books.
pub fn key_hash(incoming: &Incoming) -> Result<String> {
    let token = key(incoming)?;
    if token.starts_with(agent::KEY_PREFIX) {
        return Err(Problem::forbidden(
            "agent_key_not_allowed",
            "This needs the shop's own key (ccs_…): an agent's opens the agent protocols only.",
        ));
    }
    Ok(sign::sha256_hex(token.as_bytes()))
}

/// The hash of the agent's key that the caller has. A shop's key does not speak for an agent.
pub fn agent_key_hash(incoming: &Incoming) -> Result<String> {
    let token = key(incoming)?;
    if token.starts_with("ccs_") {
        return Err(Problem::forbidden("shop_key_not_allowed", "This needs an agent's key (cca_…), which POST /v1/agents hands out."));
    }
    Ok(sign::sha256_hex(token.as_bytes()))
}

/// Of a request that says all by its address. Members of a body would be ignored, and a `mode` among them is meant.
pub fn no_body(incoming: &Incoming) -> Result<()> {
    Fields::open(&incoming.json()?, "", &[]).map(|_| ())
}

/// What everyone is told whose key opens nothing: unknown, rolled, or of a superseded or deleted shop.
pub fn unknown_key() -> Problem {
    Problem::unauthenticated(
        "api_key_invalid",
        "This key is not valid here. It may have been rolled, or the site was registered anew (see shop.superseded).",
    )
}

/// The operator's key, compared in constant time through its digest.
pub fn operator(edge: &Edge, incoming: &Incoming) -> Result<()> {
    let given = sign::sha256_hex(key(incoming)?.as_bytes());
    match &edge.config.admin_key {
        Some(key) if sign::equal(sign::sha256_hex(key.expose().as_bytes()).as_bytes(), given.as_bytes()) => Ok(()),
        _ => Err(refused(edge, incoming, Problem::unauthenticated("api_key_invalid", "This needs the operator's key."))),
    }
}

/// What answers a key that opens nothing. Attack: keys tried one after the other. They count against the address they come from.
fn refused(edge: &Edge, incoming: &Incoming, problem: Problem) -> Problem {
    limit::count_address(&edge.env, edge.config, Counter::Address, incoming).err().unwrap_or(problem)
}

/// The shop of a key, pending ones too. One D1 round trip.
pub fn shop(edge: &Edge, incoming: &Incoming) -> Result<Box<ShopRow>> {
    let found = edge.db.shop_of_key(&key_hash(incoming)?, clock::now())?;
    let shop = known(edge, incoming, found)?;
    if shop.status == "suspended" { Err(suspended()) } else { Ok(shop) }
}

/// The shop of a key, verified. One D1 round trip.
pub fn verified_shop(edge: &Edge, incoming: &Incoming) -> Result<Box<ShopRow>> {
    let shop = shop(edge, incoming)?;
    verified(&shop)?;
    Ok(shop)
}

/// Notes whose request this is, and counts it. It is counted by the shop's id, after its row was read: by the key's hash it could
/// be counted before, but a shop that rolls its key would begin anew with each.
pub fn known(edge: &Edge, incoming: &Incoming, found: Option<Box<ShopRow>>) -> Result<Box<ShopRow>> {
    match found {
        Some(shop) if !shop.ended() => {
            *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
            limit::count(&edge.env, edge.config, Counter::Key, shop.id.clone())?;
            Ok(shop)
        }
        _ => Err(refused(edge, incoming, unknown_key())),
    }
}

/// What is wrong with a request whose sender is not known yet: who may not ask at all is told that, and nothing else.
pub fn before(edge: &Edge, incoming: &Incoming, problem: Problem) -> Problem {
    verified_shop(edge, incoming).err().unwrap_or(problem)
}

/// The same for a shop that the batch found which reads all else, too; verified.
pub fn verified_known(edge: &Edge, incoming: &Incoming, found: Option<Box<ShopRow>>) -> Result<Box<ShopRow>> {
    let shop = known(edge, incoming, found)?;
    verified(&shop)?;
    Ok(shop)
}

/// Who asks with an agent's key, and for which shop. One D1 round trip.
pub fn caller(edge: &Edge, incoming: &Incoming) -> Result<(Box<AgentRow>, Box<ShopRow>)> {
    let (agent, shop) = edge.db.agent_of_key(&agent_key_hash(incoming)?, clock::now())?;
    known_agent(edge, incoming, agent, shop)
}

/// Who asks with an agent's key, and for which shop, as `Db::agent_and_shop_of_key` found them in the batch that reads all else, too.
/// What the agent may do is another question: [`agent_allowed`]. Notes whose request this is, and counts it: by the agent's id, so that one that floods does not stand in the way of the shop or of another.
pub fn known_agent(
    edge: &Edge, incoming: &Incoming, agent: Option<Box<AgentRow>>, shop: Option<Box<ShopRow>>,
) -> Result<(Box<AgentRow>, Box<ShopRow>)> {
    match (agent, shop) {
        (Some(agent), Some(shop)) if !shop.ended() && agent.shop_id == shop.id => {
            *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
            limit::count(&edge.env, edge.config, Counter::Key, agent.id.clone())?;
            Ok((agent, shop))
        }
        _ => Err(refused(edge, incoming, unknown_key())),
    }
}

/// Whether the agent may enter by a door, one of [`agent::DOORS`].
pub fn agent_allowed(agent: &AgentRow, shop: &ShopRow, door: &str) -> Result<()> {
    agent::allowed(agent, &shop.status, door)
}

pub fn suspended() -> Problem {
    Problem::forbidden("shop_suspended", "The operator of this Worker has suspended the shop. Payments under way are still recorded.")
}

/// Until its address is proved, a shop may only do what proves it.
pub fn verified(shop: &ShopRow) -> Result<()> {
    match shop.status.as_str() {
        "active" => Ok(()),
        "suspended" => Err(suspended()),
        _ => Err(Problem::forbidden(
            "shop_not_verified",
            "Prove the shop's address first: serve the challenge at challenge_url, then POST /v1/shop/verify.",
        )),
    }
}

/// An address of the shop's: on its own origin or one that it registered, exactly. Anything else would make the
/// Worker an open redirect in the shop's name, or a way to inside addresses.
pub fn shop_url(edge: &Edge, shop: &ShopRow, param: &str, raw: &str, fragment: bool) -> Result<WebUrl> {
    let refused = |why: &str| Problem::value_about("url_not_allowed", param, &format!("is not allowed: {why}"));
    // Only where a buyer comes home to is a Session's id filled in.
    let fills = param.ends_with("success_url") || param.ends_with("cancel_url");
    let parse = if fills { weburl::parse_with_placeholder } else { WebUrl::parse };
    let url = parse(raw, edge.config.allow_local).map_err(refused)?;
    let site = WebUrl::parse(&shop.site_url, edge.config.allow_local).map_err(Problem::fault)?;
    if url.origin() != site.origin() && !shop.origins().contains(&url.origin()) {
        return Err(refused("its origin is neither that of site_url nor one of allowed_origins."));
    }
    if !fragment && url.fragment().is_some() {
        return Err(refused("it must not have a fragment (#…)."));
    }
    Ok(url)
}

/// The mode of a request that does not say: that of the shop's only active connection; with both or none,
/// `live` where the live pair is configured, else `test`.
pub fn mode(edge: &Edge, asked: Option<Mode>, connections: &[ConnectionRow]) -> Mode {
    asked.unwrap_or_else(|| {
        let has = |live: bool| connections.iter().any(|c| c.active() && (c.livemode != 0) == live);
        match (has(true), has(false)) {
            (true, false) => Mode::Live,
            (false, true) => Mode::Test,
            _ => edge.default_mode(),
        }
    })
}

/// `?mode=`.
pub fn mode_param(incoming: &Incoming) -> Result<Option<Mode>> {
    match incoming.param("mode") {
        None => Ok(None),
        Some(text) => Mode::parse(&text).map(Some).ok_or_else(|| Problem::value("parameter_invalid", "mode", "mode must be live or test.")),
    }
}

/// Opens the shop's signing secret.
pub fn signing_secret(edge: &Edge, shop: &ShopRow) -> Result<String> {
    open_secret(edge, shop, &shop.signing_secret)
}

/// The shop's signing secret, and while it is rolled the one before.
pub fn signing_secrets(edge: &Edge, shop: &ShopRow, now: i64) -> Result<Vec<String>> {
    let mut secrets = vec![signing_secret(edge, shop)?];
    if let Some(sealed) = &shop.previous_signing_secret
        && shop.previous_signing_secret_expires_at.is_some_and(|end| end > now)
    {
        secrets.push(open_secret(edge, shop, sealed)?);
    }
    Ok(secrets)
}

fn open_secret(edge: &Edge, shop: &ShopRow, sealed: &str) -> Result<String> {
    let plain = edge.config.seal_keys.open(&signing_secret_context(&shop.id), sealed)?;
    String::from_utf8(plain).map_err(Problem::fault)
}

/// An agent's signing secret, and while it is rolled the one before.
pub fn agent_signing_secrets(edge: &Edge, agent: &AgentRow, now: i64) -> Result<Vec<String>> {
    let open = |sealed: &str| {
        let plain = edge.config.seal_keys.open(&agent_secret_context(&agent.id), sealed)?;
        String::from_utf8(plain).map_err(Problem::fault)
    };
    let mut secrets = vec![open(&agent.signing_secret)?];
    if let Some(sealed) = &agent.previous_signing_secret
        && agent.previous_signing_secret_expires_at.is_some_and(|end| end > now)
    {
        secrets.push(open(sealed)?);
    }
    Ok(secrets)
}

/// What an agent's sealed signing secret is bound to, and its feed key.
pub fn agent_secret_context(agent_id: &str) -> String {
    format!("agent/{agent_id}/signing_secret")
}

pub fn agent_feed_context(agent_id: &str) -> String {
    format!("agent/{agent_id}/feed_key")
}

/// What a sealed signing secret is bound to: moved to another shop's row it does not open.
pub fn signing_secret_context(shop_id: &str) -> String {
    format!("shop/{shop_id}/signing_secret")
}
