//! The Model Context Protocol (contract, *ACP*, `POST /mcp`): what a message asks for, and how its answer is written.
//!
//! JSON-RPC 2.0, one message a request, stateless. The five tools are the five operations of an agent's checkout (the protocol's MCP
//! binding, 2026-04-17): `meta` stands for the headers of REST, `id` for the path, `payload` for the body.

use crate::acp::dialect::Dialect;
use crate::acp::problem;
use crate::error::Problem;
use crate::record::Json;
use serde_json::{Map, Value};

/// The versions of the protocol that are spoken, newest first. For what is said here they are the same.
pub const VERSIONS: [&str; 5] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];
/// The version of whoever does not say (2025-06-18, *Transports*, "Protocol Version Header").
const UNSAID: &str = "2025-03-26";
/// The last version in which several messages may come as one list.
const LAST_WITH_BATCHES: &str = "2025-03-26";
/// Messages of one list. Attack: one request that makes thousands of calls.
pub const BATCH: usize = 20;

pub const PARSE_ERROR: i64 = -32700;
pub const INVALID_REQUEST: i64 = -32600;
pub const METHOD_NOT_FOUND: i64 = -32601;
pub const INVALID_PARAMS: i64 = -32602;
/// Whatever the shop refuses: `data` says what it is.
pub const REFUSED: i64 = -32000;

/// For the model that buys here.
const INSTRUCTIONS: &str = "Checkouts of one shop, by the Agentic Commerce Protocol. Start one with create_checkout_session, read status and \
messages of the answer, and add with update_checkout_session what they ask for: an address, a way of delivery. Show the buyer the totals \
(minor units of the currency). Once status is ready_for_payment and the buyer agrees, pay with complete_checkout_session. Prices are the \
shop's: only products and quantities are yours to say.";

/// Why a message is not answered with a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub code: i64,
    pub message: String,
    /// An `Error` of the Agentic Commerce Protocol.
    pub data: Option<Value>,
}

impl Refusal {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), data: None }
    }

    /// -32600: what came is no message, or none that may come so.
    fn no_message(message: impl Into<String>) -> Self {
        let message = message.into();
        let data = object! { "type": "invalid_request", "code": "message_invalid", "message": message };
        Refusal { code: INVALID_REQUEST, message, data: Some(data) }
    }

    /// -32602 about one of a tool's arguments; the path is that of the arguments.
    fn argument(code: &str, path: &str, what: &str) -> Self {
        let message = format!("{path} {what}");
        let data = object! { "type": "invalid_request", "code": code, "message": message, "param": path };
        Refusal { code: INVALID_PARAMS, message, data: Some(data) }
    }

    /// What the shop refuses, in the words of the version that was spoken. Of REST's bodies the paths begin at `$`, which is `payload`.
    pub fn of(dialect: Dialect, refused: &Problem) -> Self {
        let (_, mut data) = problem::body(dialect, refused);
        let path = data.get("param").and_then(Value::as_str).and_then(|path| path.strip_prefix('$')).map(|path| format!("$.payload{path}"));
        if let (Some(path), Value::Object(members)) = (path, &mut data) {
            members.insert("param".to_owned(), path.json());
        }
        Refusal { code: REFUSED, message: refused.message.clone(), data: Some(data) }
    }
}

/// What came in one request.
#[derive(Debug, PartialEq)]
pub enum Sent {
    One(Message),
    Many(Vec<Message>),
}

/// One message.
#[derive(Debug, PartialEq)]
pub enum Message {
    Request {
        /// A text or a whole number: comes back as it is.
        id: Value,
        method: String,
        params: Value,
    },
    /// Wants no answer: a notification, or an answer to what nobody here asked.
    Silent,
    Invalid(Refusal),
}

/// Reads the body of a request. `version` is the header `MCP-Protocol-Version`.
pub fn read(body: Value, version: Option<&str>) -> Result<Sent, Refusal> {
    let begins = body.get("method").is_some_and(|method| method == "initialize");
    let version = version.map_or(UNSAID, str::trim);
    // Whoever begins has not agreed on a version yet.
    if !begins && !VERSIONS.contains(&version) {
        return Err(Refusal::no_message(format!("MCP-Protocol-Version must be one of {}.", VERSIONS.join(", "))));
    }
    match body {
        Value::Array(messages) => {
            // Dates: in order as texts.
            if version > LAST_WITH_BATCHES {
                return Err(Refusal::no_message(format!("There are no batches in {version}: send one message a request.")));
            }
            if messages.is_empty() || messages.len() > BATCH {
                return Err(Refusal::no_message(format!("A batch has 1 to {BATCH} messages.")));
            }
            Ok(Sent::Many(messages.into_iter().map(message).map(alone).collect()))
        }
        body => match message(body) {
            Message::Invalid(refusal) => Err(refusal),
            message => Ok(Sent::One(message)),
        },
    }
}

/// 2025-03-26, *Lifecycle*: nobody begins in a batch.
fn alone(message: Message) -> Message {
    match message {
        Message::Request { method, .. } if method == "initialize" => {
            Message::Invalid(Refusal::no_message("initialize must not be part of a batch."))
        }
        message => message,
    }
}

fn message(body: Value) -> Message {
    let invalid = |what: &str| Message::Invalid(Refusal::no_message(what));
    let Value::Object(mut members) = body else { return invalid("A message must be a JSON object.") };
    if members.get("jsonrpc").is_none_or(|version| version != "2.0") {
        return invalid("jsonrpc must be \"2.0\".");
    }
    let method = match members.remove("method") {
        Some(Value::String(method)) => method,
        None if members.contains_key("result") || members.contains_key("error") => return Message::Silent,
        _ => return invalid("method must be a string."),
    };
    match members.remove("id") {
        None => Message::Silent,
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => {
            Message::Request { id, method, params: members.remove("params").unwrap_or_else(|| Value::Object(Map::new())) }
        }
        Some(_) => invalid("id must be a string or an integer."),
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub enum Asks {
    /// Carries the version that is agreed on.
    Initialize(&'static str),
    Ping,
    ListTools,
    Call(Box<Call>),
}

/// One use of a tool.
#[derive(Debug, PartialEq)]
pub struct Call {
    pub tool: Tool,
    pub meta: Meta,
    /// The checkout's id; empty where a new one is asked for.
    pub id: String,
    /// An object; `None` where it was left out and may be.
    pub payload: Option<Value>,
}

/// The headers of REST.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Meta {
    pub api_version: Option<String>,
    pub idempotency_key: Option<String>,
    pub request_id: Option<String>,
    pub signature: Option<String>,
    pub timestamp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Create,
    Get,
    Update,
    Complete,
    Cancel,
}

impl Tool {
    pub const ALL: [Tool; 5] = [Tool::Create, Tool::Get, Tool::Update, Tool::Complete, Tool::Cancel];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Create => "create_checkout_session",
            Tool::Get => "get_checkout_session",
            Tool::Update => "update_checkout_session",
            Tool::Complete => "complete_checkout_session",
            Tool::Cancel => "cancel_checkout_session",
        }
    }

    /// Whether a call must carry an idempotency key. The binding only recommends one; but a client that was cut off asks again by
    /// itself, and neither a second checkout nor a second payment may come of it.
    pub fn needs_key(self) -> bool {
        matches!(self, Tool::Create | Tool::Complete)
    }

    /// The path of the same operation in REST: the scope of an idempotency key, so that a call whose answer was lost may be repeated
    /// by either way.
    pub fn path(self, id: &str) -> String {
        match self {
            Tool::Create => "checkout_sessions".to_owned(),
            Tool::Get | Tool::Update => format!("checkout_sessions/{id}"),
            Tool::Complete => format!("checkout_sessions/{id}/complete"),
            Tool::Cancel => format!("checkout_sessions/{id}/cancel"),
        }
    }
}

/// Reads what a request asks for.
pub fn asks(method: &str, params: &Value) -> Result<Asks, Refusal> {
    let params = || params.as_object().ok_or_else(|| Refusal::new(INVALID_PARAMS, "params must be an object."));
    match method {
        "initialize" => match params()?.get("protocolVersion").and_then(Value::as_str) {
            // Whoever wants another one is told the newest that there is, and decides.
            Some(wanted) => Ok(Asks::Initialize(VERSIONS.into_iter().find(|version| *version == wanted).unwrap_or(VERSIONS[0]))),
            None => Err(Refusal::new(INVALID_PARAMS, "protocolVersion must be a string.")),
        },
        "ping" => Ok(Asks::Ping),
        "tools/list" => params().map(|_| Asks::ListTools),
        "tools/call" => call(params()?).map(|call| Asks::Call(Box::new(call))),
        _ => {
            let method: String = method.chars().take(80).collect();
            Err(Refusal::new(METHOD_NOT_FOUND, format!("There is no method '{method}'.")))
        }
    }
}

fn call(params: &Map<String, Value>) -> Result<Call, Refusal> {
    let Some(name) = params.get("name").and_then(Value::as_str) else {
        return Err(Refusal::new(INVALID_PARAMS, "name must be the name of a tool."));
    };
    let Some(tool) = Tool::ALL.into_iter().find(|tool| tool.name() == name) else {
        let name: String = name.chars().take(80).collect();
        return Err(Refusal::new(INVALID_PARAMS, format!("Unknown tool: '{name}'. There are: {}.", Tool::ALL.map(Tool::name).join(", "))));
    };
    let none = Map::new();
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Refusal::argument("invalid", "$", "must be an object.")),
    };
    if let Some(name) = arguments.keys().find(|name| !["meta", "id", "payload"].contains(&name.as_str())) {
        let name: String = name.chars().take(80).collect();
        return Err(Refusal::argument("invalid", &format!("$.{name}"), "is no argument of this tool: there are meta, id and payload."));
    }
    let object = |name: &str| match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(Refusal::argument("invalid", &format!("$.{name}"), "must be an object.")),
    };
    let meta = meta(object("meta")?.ok_or_else(|| Refusal::argument("missing", "$.meta", "is missing."))?)?;
    let id = match arguments.get("id") {
        _ if tool == Tool::Create => String::new(),
        None | Some(Value::Null) => return Err(Refusal::argument("missing", "$.id", "is missing.")),
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(_) => return Err(Refusal::argument("invalid", "$.id", "must be the id of a checkout.")),
    };
    let payload = object("payload")?.map(Json::json);
    if payload.is_none() && !matches!(tool, Tool::Get | Tool::Cancel) {
        return Err(Refusal::argument("missing", "$.payload", "is missing."));
    }
    Ok(Call { tool, meta, id, payload: payload.filter(|_| tool != Tool::Get) })
}

/// What there is beside these is read past (binding, *Header Mapping*).
fn meta(members: &Map<String, Value>) -> Result<Meta, Refusal> {
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(Refusal::argument("invalid", &format!("$.meta.{name}"), "must be a string.")),
    };
    Ok(Meta {
        api_version: text("api_version")?,
        idempotency_key: text("idempotency_key")?,
        request_id: text("request_id")?,
        signature: text("signature")?,
        timestamp: text("timestamp")?,
    })
}

/// What a request is answered that begins.
pub fn welcome(version: &str, worker: &str) -> Value {
    object! { "protocolVersion": version,
    "capabilities": object! { "tools": Map::new() },
    "serverInfo": object! { "name": "cognitivecart-worker", "title": "CognitiveCart", "version": worker },
    "instructions": INSTRUCTIONS }
}

/// The result of a tool whose operation answered `body`, the text of an object. The binding has the body itself as the result, and MCP
/// wants `content` there and knows `structuredContent`: both find what they look for. What REST says in headers is in `_meta`.
pub fn result_of_tool(body: &str, meta: &Value) -> String {
    let text = body.json();
    let members = body.strip_prefix('{').unwrap_or("}");
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    format!(r#"{{"content":[{{"type":"text","text":{text}}}],"structuredContent":{body},"_meta":{meta}{comma}{members}"#)
}

/// A good answer; `result` is JSON.
pub fn answered(id: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The answer to what is refused; `id` is `null` where none was understood.
pub fn refused(id: &Value, refusal: &Refusal) -> String {
    let mut error = Map::new();
    error.insert("code".to_owned(), refusal.code.json());
    error.insert("message".to_owned(), refusal.message.json());
    if let Some(data) = &refusal.data {
        error.insert("data".to_owned(), data.clone());
    }
    object! { "jsonrpc": "2.0", "id": id, "error": error }.text()
}

/// Whether a browser's page that sends this `Origin` may speak here. Attack: a page makes its visitor's browser, which may reach what
/// the page cannot, speak for it (DNS rebinding; 2025-11-25, *Transports*, "Security Warning"). Agents are no browsers and send none.
pub fn may_come_from(origin: Option<&str>, public_url: &str) -> bool {
    origin.is_none_or(|origin| origin == public_url)
}
