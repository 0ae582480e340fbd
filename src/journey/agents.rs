//! A shop lets agents in: each with a key, a signing secret and a mode of its own (contract, *Agents, catalogue, fulfilment*).

use super::access;
use super::lists::Page;
use super::shops::plausible;
use crate::agent::{self, AgentRow};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::Mode;
use crate::place::Slot;
use crate::record::Json;
use crate::sign;
use crate::store::agents::Rolled;
use crate::store::shops::ROLLED_LIFE;
use serde_json::Value;

/// `POST /v1/agents`
pub fn create(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["name", "mode", "webhook_url", "allow"])?;
    let name = agent::read_name(&fields)?;
    let asked = fields.choice("mode", &[("live", Mode::Live), ("test", Mode::Test)])?;
    let webhook_url = agent::address(&fields, "webhook_url", &edge.public_url, edge.config.allow_local)?;
    let allow = agent::read_allow(&fields)?.unwrap_or_else(|| agent::DOORS.text());
    let mode = access::mode(edge, asked, &edge.db.connections(&shop.id)?);
    edge.pair(mode)?;
    let id = clock::fresh_id("agt_")?;
    let api_key = clock::fresh_secret_in(Slot::of_id(&shop.id), agent::KEY_PREFIX)?;
    let secret = sign::signing_secret(&clock::random::<32>()?);
    let agent = AgentRow {
        signing_secret: seal(edge, &access::agent_secret_context(&id), &secret)?,
        id,
        shop_id: shop.id.clone(),
        name,
        livemode: i64::from(mode.live()),
        allow,
        webhook_url,
        created: clock::now(),
        ..AgentRow::default()
    };
    if !edge.db.insert_agent(&agent, &sign::sha256_hex(api_key.as_bytes()))? {
        return Err(Problem::request(422, "too_many_agents", format!("A shop may have {} agents. Delete one first.", agent::MOST)));
    }
    let mut object = agent.object(clock::now());
    if let Value::Object(members) = &mut object {
        members.insert("api_key".into(), api_key.json());
        members.insert("signing_secret".into(), secret.json());
    }
    Ok(Reply::json(201, &object))
}

fn seal(edge: &Edge, context: &str, plain: &str) -> Result<String> {
    edge.config.seal_keys.seal(clock::random::<12>()?, context, plain.as_bytes())
}

/// `GET /v1/agents`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let page = Page::read(incoming)?;
    let now = clock::now();
    let rows = edge.db.agents(&shop.id, &page.cursor(), page.limit)?;
    page.reply("/v1/agents", "agent", rows.map(|rows| rows.iter().map(|agent| agent.object(now)).collect()))
}

/// The agent of a path, if it is the shop's whose key asks.
fn find(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Box<AgentRow>> {
    let shop = access::verified_shop(edge, incoming)?;
    plausible("agent", id, "agt_")?;
    edge.db.agent(id, &shop.id)?.ok_or_else(|| Problem::missing("agent", id))
}

/// `GET /v1/agents/{agt_…}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    Ok(Reply::json(200, &find(edge, incoming, id)?.object(clock::now())))
}

/// What `PATCH /v1/agents/{id}` may change. The mode is fixed at its birth: a test agent never becomes one that moves money.
const SETTINGS: [&str; 5] = ["name", "webhook_url", "allow", "feed_url", "feed_key"];

/// `PATCH /v1/agents/{agt_…}`: what is named is set, `null` clears, the rest stays.
pub fn update(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let mut agent = find(edge, incoming, id)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &SETTINGS)?;
    let named: Vec<&str> = SETTINGS.into_iter().filter(|name| fields.raw(name).is_some()).collect();
    if named.contains(&"name") {
        agent.name = agent::read_name(&fields)?;
    }
    if named.contains(&"allow") {
        agent.allow = agent::read_allow(&fields)?.unwrap_or_else(|| agent::DOORS.text());
    }
    if named.contains(&"webhook_url") {
        agent.webhook_url = agent::address(&fields, "webhook_url", &edge.public_url, edge.config.allow_local)?;
    }
    if named.contains(&"feed_url") {
        agent.feed_url = agent::feed_address(&fields, &edge.public_url, edge.config.allow_local)?;
    }
    if named.contains(&"feed_key") {
        let key = agent::read_feed_key(&fields)?;
        agent.feed_key = key.map(|key| seal(edge, &access::agent_feed_context(&agent.id), key)).transpose()?;
    }
    let agent = edge.db.update_agent(&agent, &named, clock::now())?.ok_or_else(|| Problem::missing("agent", id))?;
    Ok(Reply::json(200, &agent.object(clock::now())))
}

/// `DELETE /v1/agents/{agt_…}`: its key dies at once; orders and transactions stay.
pub fn delete(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    access::no_body(incoming)?;
    plausible("agent", id, "agt_")?;
    if !edge.db.delete_agent(id, &shop.id, clock::now())? {
        return Err(Problem::missing("agent", id));
    }
    Ok(Reply::json(200, &object! { "object": "agent", "id": id, "deleted": true }))
}

/// `POST /v1/agents/{agt_…}/api_keys`: as the shop's own.
pub fn roll_api_key(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let agent = find(edge, incoming, id)?;
    let body = incoming.json()?;
    let good_for = Fields::open(&body, "", &["previous_valid_for"])?.integer("previous_valid_for", 0, ROLLED_LIFE)?;
    let now = clock::now();
    let until = now.saturating_add(good_for.unwrap_or(ROLLED_LIFE));
    let key = clock::fresh_secret_in(Slot::of_id(&agent.shop_id), agent::KEY_PREFIX)?;
    match edge.db.roll_agent_key(&agent, &sign::sha256_hex(key.as_bytes()), now, until)? {
        Rolled::Done => Ok(Reply::json(
            201,
            &object! { "object": "api_key", "agent": agent.id, "api_key": key, "created": now, "previous_expires_at": until },
        )),
        Rolled::Gone => Err(Problem::missing("agent", id)),
    }
}

/// `POST /v1/agents/{agt_…}/signing_secrets`: as the shop's own.
pub fn roll_signing_secret(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let agent = find(edge, incoming, id)?;
    Fields::open(&incoming.json()?, "", &[])?;
    let now = clock::now();
    let until = now.saturating_add(ROLLED_LIFE);
    let secret = sign::signing_secret(&clock::random::<32>()?);
    let sealed = seal(edge, &access::agent_secret_context(&agent.id), &secret)?;
    edge.db.roll_agent_secret(&agent, &sealed, until)?;
    Ok(Reply::json(
        201,
        &object! { "object": "signing_secret", "agent": agent.id, "signing_secret": secret, "created": now, "previous_expires_at": until },
    ))
}
