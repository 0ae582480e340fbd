//! After `SEAL_KEYS` was rolled: what the older keys sealed is sealed anew under the first, until they may be taken away.
//! With one key there is nothing to look for.

use super::{access, connect};
use crate::edge::{Edge, clock, js, log};
use crate::error::{Problem, Result};
use crate::id::Mode;
use crate::seal;
use crate::store::connect::token_key;
use crate::store::reseal::{Kind, PLACES, Sealed};

/// Seals anew at most `limit` texts of each place and key. Answers how many.
pub fn run(edge: &Edge, limit: i64) -> Result<u32> {
    let mut done = 0_u32;
    for old in edge.config.seal_keys.older_ids() {
        let found = edge.db.sealed_under(old, limit)?;
        let mut statements = Vec::new();
        for (at, texts) in found.iter().enumerate() {
            for was in texts {
                let statement = match PLACES.get(at) {
                    Some(place) => anew(edge, place.kind, was, &was.sealed).map(|sealed| Some(edge.db.put_sealed(place, was, &sealed))),
                    None => in_kv(edge, was),
                };
                match statement {
                    Ok(statement) => statements.extend(statement),
                    // One text that does not open keeps none of the others.
                    Err(problem) => {
                        log::line(object! { "level": "error", "event": "reseal_failed", "shop": was.shop_id, "why": problem.cause });
                    }
                }
            }
        }
        if !statements.is_empty() {
            done = done.saturating_add(u32::try_from(statements.len()).unwrap_or(u32::MAX));
            edge.db.run(statements)?;
        }
    }
    Ok(done)
}

/// The same text under the first key, bound to what it was bound to.
fn anew(edge: &Edge, kind: Kind, was: &Sealed, sealed: &str) -> Result<String> {
    let context = match kind {
        Kind::ShopSecret => access::signing_secret_context(&was.shop_id),
        Kind::AgentSecret => access::agent_secret_context(&was.id),
        Kind::AgentFeed => access::agent_feed_context(&was.id),
        Kind::Token => {
            let account = was.account.as_deref().unwrap_or_default();
            connect::token_context(&was.shop_id, account, Mode::from_live(was.livemode != 0))
        }
    };
    let keys = &edge.config.seal_keys;
    keys.seal(clock::random::<12>()?, &context, &keys.open(&context, sealed)?)
}

/// A token in KV: written there first, then noted. KV may answer with what it had a minute ago, which is the same token.
fn in_kv(edge: &Edge, was: &Sealed) -> Result<Option<crate::store::Statement>> {
    let kv = js::binding(&edge.env, "KV");
    let key = token_key(&was.id);
    let Some(sealed) = js::call(&kv, "get", &[key.as_str().into()]).map_err(Problem::fault)?.as_string() else {
        edge.db.forget_token(&was.id)?;
        return Ok(None);
    };
    let first = edge.config.seal_keys.first_id();
    if seal::key_id(&sealed) != Some(first) {
        let sealed = anew(edge, Kind::Token, was, &sealed)?;
        js::call(&kv, "put", &[key.into(), sealed.into()]).map_err(Problem::fault)?;
    }
    Ok(Some(edge.db.token_sealed(&was.id, first)))
}
