//! Agents check out by tools (contract, *ACP*, `POST /mcp`): the operations of [`super::acp`], told in JSON-RPC.
//!
//! Who may not come in at all is told so by HTTP, whatever he asks for; everything else is an answer of JSON-RPC.

use super::acp::{self, Answered, Asked, Signed, complete, document};
use super::{access, welcome};
use crate::acp::dialect::Dialect;
use crate::acp::{idempotency, problem};
use crate::edge::http::{self, Body, Incoming, Reply};
use crate::edge::{Edge, log};
use crate::error::{Kind, Problem, Result};
use crate::mcp::{self, Asks, Call, Message, Refusal, Sent, Tool};
use crate::record::Json;
use crate::route::is_plain;
use serde_json::{Map, Value};

/// As in an agent's `allow`.
const DOOR: &str = "mcp";
/// The five tools with their schemas, packed by build.rs.
const TOOLS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tools.json.zlib"));

/// What is to be done about one message.
enum Work {
    Nothing,
    Refuse(Value, Refusal),
    Tell(Value, Asks),
    Run(Value, Box<Run>),
}

/// An operation on a checkout.
struct Run {
    tool: Tool,
    id: String,
    asked: Asked,
    request_id: Option<String>,
}

/// What one message is answered.
struct Told {
    body: String,
    retry_after: Option<u32>,
}

impl Told {
    fn good(id: &Value, result: &str) -> Self {
        Told { body: mcp::answered(id, result), retry_after: None }
    }

    fn refused(id: &Value, refusal: &Refusal) -> Self {
        Told { body: mcp::refused(id, refusal), retry_after: None }
    }
}

/// Whether a path is this one: then trouble is told in JSON-RPC.
pub fn is_here(path: &str) -> bool {
    path.trim_start_matches('/') == "mcp"
}

/// Trouble before a message was understood.
pub fn refused(problem: &Problem) -> Reply {
    let mut refusal = Refusal::of(Dialect::V20260417, problem);
    if problem.code == "json_invalid" {
        refusal.code = mcp::PARSE_ERROR;
    }
    Reply::rendered(problem.status, mcp::refused(&Value::Null, &refusal)).about(problem)
}

/// `POST /mcp`
pub fn serve(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    // Receive.
    if !mcp::may_come_from(incoming.header("Origin").as_deref(), &edge.public_url) {
        return Err(Problem::forbidden(
            "origin_not_allowed",
            "Pages in browsers may not speak here: an agent's key does not belong there.",
        ));
    }
    let key_hash = access::agent_key_hash(incoming)?;
    let version = incoming.header("MCP-Protocol-Version");
    let sent = match incoming.json() {
        Ok(body) => Ok(mcp::read(body, version.as_deref())),
        Err(problem) => Err(problem),
    };
    let (mut work, alone) = match sent {
        Ok(Ok(Sent::One(message))) => (vec![understood(&key_hash, message)], true),
        Ok(Ok(Sent::Many(messages))) => (messages.into_iter().map(|message| understood(&key_hash, message)).collect(), false),
        Ok(Err(refusal)) => {
            known(edge, incoming)?;
            return Ok(Reply::rendered(400, mcp::refused(&Value::Null, &refusal)));
        }
        Err(problem) => {
            known(edge, incoming)?;
            return Err(problem);
        }
    };
    // An operation by itself finds out who asks with what it loads.
    if !matches!((work.first(), alone), (Some(Work::Run(..)), true)) {
        known(edge, incoming)?;
    }
    let tools =
        if work.iter().any(|work| matches!(work, Work::Tell(_, Asks::ListTools))) { http::unpacked_text(TOOLS)? } else { String::new() };
    // Decide, record, reply: message by message, since a later one may build on an earlier one.
    let mut told = Vec::new();
    for work in work.drain(..) {
        told.extend(done(edge, incoming, work, &tools)?);
    }
    if alone && let Some(told) = told.pop() {
        let reply = Reply::rendered(200, told.body);
        return Ok(match told.retry_after {
            Some(seconds) => reply.with("Retry-After", seconds.to_string()),
            None => reply,
        });
    }
    if told.is_empty() {
        return Ok(Reply { status: 202, headers: vec![("Cache-Control", "no-store".to_owned())], body: Body::Empty });
    }
    let bodies: Vec<String> = told.into_iter().map(|told| told.body).collect();
    Ok(Reply::rendered(200, format!("[{}]", bodies.join(","))))
}

/// Whether whoever asks may come in.
fn known(edge: &Edge, incoming: &Incoming) -> Result<()> {
    let (agent, shop) = access::caller(edge, incoming)?;
    access::agent_allowed(&agent, &shop, DOOR)
}

fn understood(key_hash: &str, message: Message) -> Work {
    match message {
        Message::Silent => Work::Nothing,
        Message::Invalid(refusal) => Work::Refuse(Value::Null, refusal),
        Message::Request { id, method, params } => match mcp::asks(&method, &params) {
            Err(refusal) => Work::Refuse(id, refusal),
            Ok(Asks::Call(call)) => {
                let spoken = call.meta.api_version.as_deref().and_then(Dialect::of_version).unwrap_or(Dialect::V20260417);
                match asked(key_hash, *call) {
                    Ok(run) => Work::Run(id, Box::new(run)),
                    Err(problem) => Work::Refuse(id, Refusal::of(spoken, &problem)),
                }
            }
            Ok(asks) => Work::Tell(id, asks),
        },
    }
}

/// A call, as REST has it.
fn asked(key_hash: &str, call: Call) -> Result<Run> {
    let Call { tool, meta, id, payload } = call;
    let dialect = match meta.api_version.as_deref().map(str::trim) {
        None => return Err(problem::missing_version()),
        Some(sent) => Dialect::of_version(sent).ok_or_else(|| problem::unsupported_version(sent))?,
    };
    let key = acp::checked_key(meta.idempotency_key, tool.needs_key())?;
    if tool != Tool::Create && !is_plain(&id) {
        return Err(document::missing(false, &id));
    }
    // What is signed is the payload in its canonical form: members sorted, no spaces.
    let signed = meta.signature.map(|signature| Signed {
        signature,
        timestamp: meta.timestamp.unwrap_or_default(),
        body: payload.as_ref().map(Value::to_string).unwrap_or_default().into_bytes(),
    });
    let body = payload.unwrap_or_else(|| Value::Object(Map::new()));
    let fingerprint = idempotency::fingerprint(&body);
    let key_hash = key_hash.to_owned();
    let asked = Asked { dialect, door: DOOR, key_hash, path: tool.path(&id), key, body: Ok(body), fingerprint, signed };
    Ok(Run { tool, id, asked, request_id: meta.request_id })
}

/// Answers one message. `Err`: whoever asks may not come in.
fn done(edge: &Edge, incoming: &Incoming, work: Work, tools: &str) -> Result<Option<Told>> {
    Ok(Some(match work {
        Work::Nothing => return Ok(None),
        Work::Refuse(id, refusal) => Told::refused(&id, &refusal),
        Work::Tell(id, Asks::Initialize(version)) => Told::good(&id, &mcp::welcome(version, welcome::VERSION).text()),
        Work::Tell(id, Asks::ListTools) => Told::good(&id, &format!(r#"{{"tools":{tools}}}"#)),
        Work::Tell(id, Asks::Ping | Asks::Call(_)) => Told::good(&id, "{}"),
        Work::Run(id, run) => {
            let outcome = operate(edge, incoming, &run);
            let (status, code) = match &outcome {
                Ok(answered) => (answered.status, None),
                Err(problem) => (problem.status, Some(&*problem.code)),
            };
            log::line(
                object! { "level": "info", "event": "tool", "request_id": &*edge.request_id, "tool": run.tool.name(), "status": status,
                "code": code, "agent_request_id": run.request_id.as_deref().filter(|id| log::fits(id)) },
            );
            match outcome {
                Ok(answered) => Told::good(&id, &result(edge, &run, answered)),
                Err(problem) if of_the_door(&problem) => return Err(problem),
                Err(problem) => {
                    log::problem(&problem, &edge.request_id);
                    let refusal = Refusal::of(run.asked.dialect, &problem);
                    Told { retry_after: problem.retry_after, ..Told::refused(&id, &refusal) }
                }
            }
        }
    }))
}

fn operate(edge: &Edge, incoming: &Incoming, run: &Run) -> Result<Answered> {
    let (asked, id) = (&run.asked, run.id.as_str());
    match run.tool {
        Tool::Create => document::create(edge, incoming, asked, false),
        Tool::Get => document::get(edge, incoming, asked, id, false),
        Tool::Update => document::update(edge, incoming, asked, id, false),
        Tool::Complete => complete::complete(edge, incoming, asked, id),
        Tool::Cancel => document::cancel(edge, incoming, asked, id, false),
    }
}

/// The answer, with what REST says in headers.
fn result(edge: &Edge, run: &Run, answered: Answered) -> String {
    let mut meta = Map::new();
    meta.insert("request_id".to_owned(), run.request_id.as_deref().unwrap_or(&edge.request_id).json());
    if let Some(key) = &run.asked.key {
        meta.insert("idempotency_key".to_owned(), key.json());
    }
    if answered.replayed {
        meta.insert("idempotent_replayed".to_owned(), true.json());
    }
    mcp::result_of_tool(&answered.body, &Value::Object(meta))
}

/// Whether it is about who asks, and not about what is asked.
fn of_the_door(problem: &Problem) -> bool {
    let about_the_key =
        ["api_key_missing", "api_key_invalid", "shop_key_not_allowed", "agent_not_allowed", "shop_suspended", "shop_not_verified"];
    problem.kind == Kind::RateLimit || about_the_key.contains(&&*problem.code)
}
