//! Requests as they come in, answers as they go out.

use super::js;
use crate::error::{Problem, Result};
use crate::record::{self, Json, NotJson};
use crate::text;
use serde_json::Value;
use std::cell::Cell;
use worker::js_sys::{self, Array, Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{ReadableStream, Request, Response};

/// Largest body of a request, bytes (contract, *Conventions*).
pub const MAX_BODY: usize = 256 * 1024;
/// Up to here a body that is too large is still read, so that its sender sees the 413; beyond, the connection is cut.
const MAX_DRAINED: usize = 8 * 1024 * 1024;
/// How long a refused body may take, milliseconds.
const PATIENCE: u32 = 5_000;

/// A request, taken apart. The body is read on demand, once.
pub struct Incoming {
    pub method: String,
    pub path: String,
    pub query: String,
    /// `scheme://host(:port)` as the request itself says.
    pub origin: String,
    request: Request,
}

impl Incoming {
    pub fn new(request: Request) -> Self {
        // Not `Request::url`: it pulls 181 KB of URL tables into the binary.
        let url = request.url();
        let without_fragment = url.split('#').next().unwrap_or_default();
        let (location, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
        let (origin, path) = match location.split_once("://").and_then(|(scheme, rest)| {
            rest.find('/').and_then(|slash| rest.split_at_checked(slash)).map(|(host, path)| (format!("{scheme}://{host}"), path))
        }) {
            Some((origin, path)) => (origin, path.to_owned()),
            None => (location.to_owned(), "/".to_owned()),
        };
        Incoming { method: request.method(), path, query: query.to_owned(), origin, request }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// The first value of a query parameter, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        text::param(&self.query, name)
    }

    /// The value of a cookie of ours.
    pub fn cookie(&self, name: &str) -> Option<String> {
        text::cookie(&self.header("Cookie")?, name).map(str::to_owned)
    }

    /// The bytes of the body, at most [`MAX_BODY`]: by its announced length first, then by its real one.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        if self.announced().is_some_and(|length| length > MAX_DRAINED) {
            return Err(too_large());
        }
        // What is too much is read and thrown away: an answer sent into a client that is still sending gets lost.
        let read = read(&self.request, MAX_BODY, MAX_DRAINED, js::FOREVER);
        let read = read.map_err(|why| Problem::request(400, "body_unreadable", "The body broke off.").because(why))?;
        if read.whole { Ok(read.bytes) } else { Err(too_large()) }
    }

    /// Reads and throws away what nobody asked for, of a request that is refused: an answer sent into a client that is still sending
    /// gets lost, and the client takes a wrong key for a broken line. Not where so much is announced that it is cut off.
    pub fn drain(&self) {
        let unread = self.request.body().is_some() && !self.request.body_used();
        if unread && self.announced().is_none_or(|length| length <= MAX_DRAINED) {
            // If it breaks off there is nobody left to be answered.
            let _ = read(&self.request, 0, MAX_DRAINED, PATIENCE);
        }
    }

    /// The body piece by piece, for what is too large to be kept. It is read by this or by the others, once.
    pub fn pieces(&self) -> Pieces {
        Pieces::of(self.request.body())
    }

    /// What `Content-Length` says; nothing where the body comes in chunks.
    pub fn announced(&self) -> Option<usize> {
        self.header("Content-Length")?.parse().ok()
    }

    /// The body as JSON; an empty one counts as `{}`.
    pub fn json(&self) -> Result<Value> {
        Ok(self.json_and_bytes()?.0)
    }

    /// The same, with the bytes that a signature is over.
    pub fn json_and_bytes(&self) -> Result<(Value, Vec<u8>)> {
        let kind = self.header("Content-Type").unwrap_or_default();
        let body = self.bytes()?;
        if body.is_empty() {
            return Ok((Value::Object(serde_json::Map::new()), body));
        }
        let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json" {
            return Err(Problem::request(415, "media_type_unsupported", "Send the body as JSON, with Content-Type: application/json."));
        }
        let value = record::parsed(&body).map_err(|why| {
            let why = match why {
                NotJson::NotUtf8 => "The body is not UTF-8.".to_owned(),
                NotJson::At { line, column } => format!("The body is not valid JSON (line {line}, column {column})."),
            };
            Problem::request(400, "json_invalid", why)
        })?;
        Ok((value, body))
    }
}

fn too_large() -> Problem {
    larger_than(MAX_BODY)
}

/// 413.
pub fn larger_than(bytes: usize) -> Problem {
    Problem::request(413, "body_too_large", format!("The body may have at most {bytes} bytes."))
}

/// A body that is read piece by piece.
pub struct Pieces {
    /// None: there is no body, or no more of it.
    reader: Option<JsValue>,
    /// What the platform gave last, and how much of it has been handed out.
    chunk: Uint8Array,
    at: u32,
}

impl Pieces {
    /// Longest piece, bytes: what the platform gives at once may be larger than what is to be worked on at once.
    const LONGEST: u32 = 64 * 1024;

    /// Those of a stream.
    pub fn of(stream: Option<ReadableStream>) -> Pieces {
        let reader = stream.map(|stream| stream.get_reader().into());
        Pieces { reader, chunk: Uint8Array::new_with_length(0), at: 0 }
    }

    /// The next piece; `None` at the end. `Err` when it breaks off.
    pub fn next(&mut self) -> std::result::Result<Option<Vec<u8>>, String> {
        while self.at >= self.chunk.length() {
            let Some(reader) = &self.reader else { return Ok(None) };
            let part = js::call(reader, "read", &[])?;
            if js::get(&part, "done").is_truthy() {
                self.reader = None;
                return Ok(None);
            }
            self.chunk = js::get(&part, "value").unchecked_into();
            self.at = 0;
        }
        let end = self.at.saturating_add(Self::LONGEST).min(self.chunk.length());
        let piece = self.chunk.subarray(self.at, end).to_vec();
        self.at = end;
        Ok(Some(piece))
    }

    /// Reads on and throws away up to a bound, then cancels: an answer sent into a client that is still sending gets lost.
    pub fn drain(&mut self) {
        let mut seen = 0_usize;
        while seen < MAX_DRAINED {
            self.at = self.chunk.length();
            match self.next() {
                Ok(Some(_)) => seen = seen.saturating_add(usize::try_from(self.chunk.length()).unwrap_or(0)),
                Ok(None) | Err(_) => return,
            }
        }
        if let Some(reader) = &self.reader {
            // Whether the other side hears of it does not matter.
            let _ = js::call(reader, "cancel", &[]);
        }
    }
}

/// What was read of a stream.
pub struct Read {
    pub bytes: Vec<u8>,
    /// Whether that is all there was.
    pub whole: bool,
}

/// Reads the body of a request or an answer: keeps `keep` bytes, reads on and throws away up to `drain`, then cancels it. `Err` when it
/// breaks off, or takes longer than `patience` milliseconds.
pub fn read(source: &JsValue, keep: usize, drain: usize, patience: u32) -> std::result::Result<Read, String> {
    let bound = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let read = js::read(source, bound(keep), bound(drain), patience).map_err(|error| js::told(&error))?;
    let list: Array = read.unchecked_into();
    Ok(Read { bytes: list.get(0).unchecked_into::<Uint8Array>().to_vec(), whole: list.get(1).is_truthy() })
}

/// A download that is written while it is sent.
pub struct Download {
    writer: JsValue,
    abandoned: Cell<bool>,
}

impl Download {
    /// The reading end, for the answer, and the writing one.
    pub fn new() -> Result<(ReadableStream, Download)> {
        let made = (|| {
            // The platform's own pipe: a write waits until the client has taken what was written before.
            let class: Function = js::get(&js_sys::global(), "IdentityTransformStream").dyn_into()?;
            let pipe = Reflect::construct(&class, &Array::new())?;
            let writer = js::apply(&js::get(&pipe, "writable"), "getWriter", &Array::new())?;
            Ok((js::get(&pipe, "readable").dyn_into()?, Download { writer, abandoned: Cell::new(false) }))
        })();
        made.map_err(|error: JsValue| Problem::fault(js::told(&error)))
    }

    /// `Err` when the client has gone.
    pub fn write(&self, bytes: &[u8]) -> std::result::Result<(), String> {
        let written = js::call(&self.writer, "write", &[Uint8Array::from(bytes).into()]).map(|_| ());
        self.abandoned.set(written.is_err());
        written
    }

    /// Whether the client has gone.
    pub fn abandoned(&self) -> bool {
        self.abandoned.get()
    }

    /// Ends the download: complete, or broken off, so that it does not look whole.
    pub fn end(self, complete: bool) {
        // The client may have gone meanwhile; then nobody is left to be told.
        let _ = if complete { js::call(&self.writer, "close", &[]) } else { js::call(&self.writer, "abort", &["broken off".into()]) };
    }
}

/// The platform's pipe for a body of a known length, which goes out with a `Content-Length`: its reading end and its writer. A write waits
/// until the other side has taken what was written before.
pub fn fixed_length(length: usize) -> std::result::Result<(JsValue, JsValue), JsValue> {
    let class: Function = js::get(&js_sys::global(), "FixedLengthStream").dyn_into()?;
    #[allow(clippy::cast_precision_loss)]
    let pipe = Reflect::construct(&class, &Array::of1(&JsValue::from_f64(length as f64)))?;
    let writer = js::apply(&js::get(&pipe, "writable"), "getWriter", &Array::new())?;
    Ok((js::get(&pipe, "readable"), writer))
}

/// `new Response(packed).body.pipeThrough(new DecompressionStream("deflate"))`, for which `worker` has no binding.
fn unpack(packed: &[u8]) -> std::result::Result<ReadableStream, JsValue> {
    let bytes = Uint8Array::from(packed);
    let body = JsValue::from(Response::new_with_opt_buffer_source(Some(&bytes))?.body());
    let class: Function = js::get(&js_sys::global(), "DecompressionStream").dyn_into()?;
    let unpacker = Reflect::construct(&class, &Array::of1(&"deflate".into()))?;
    js::apply(&body, "pipeThrough", &Array::of1(&unpacker))?.dyn_into()
}

/// Text that is in the binary as zlib's format.
pub fn unpacked_text(packed: &[u8]) -> Result<String> {
    let stream = unpack(packed).map_err(|error| Problem::fault(js::told(&error)))?;
    let source = Response::new_with_opt_readable_stream(Some(&stream)).map_err(|error| Problem::fault(js::told(&error)))?;
    let text = read(&source, MAX_BODY, MAX_BODY, js::FOREVER).map_err(Problem::fault)?;
    String::from_utf8(text.bytes).map_err(Problem::fault)
}

/// An answer, before it is given to the platform.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

pub enum Body {
    Empty,
    Text(String),
    /// A download that is made while it is sent.
    Stream(ReadableStream),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Reply::text(status, "application/json; charset=utf-8", body.text())
    }

    /// JSON that was rendered before: a replayed answer is the first one, byte for byte.
    pub fn rendered(status: u16, body: String) -> Self {
        Reply::text(status, "application/json; charset=utf-8", body)
    }

    /// JSON that is in the binary as zlib's format; the platform's own `DecompressionStream` unpacks it.
    pub fn unpacked(status: u16, packed: &[u8]) -> Result<Self> {
        let mut reply = Reply::rendered(status, String::new());
        reply.body = Body::Stream(unpack(packed).map_err(|error| Problem::fault(js::told(&error)))?);
        Ok(reply)
    }

    fn text(status: u16, kind: &str, body: String) -> Self {
        Reply { status, headers: vec![("Content-Type", kind.to_owned()), ("Cache-Control", "no-store".to_owned())], body: Body::Text(body) }
    }

    /// A page for a person. The policy lets it load nothing, run nothing and be framed by nobody; the address it
    /// was reached by (which may hold a ticket) is told to no one.
    pub fn page(status: u16, html: String, csp: String) -> Self {
        let mut reply = Reply::text(status, "text/html; charset=utf-8", html);
        reply.headers.extend([
            ("Content-Security-Policy", csp),
            ("Referrer-Policy", "no-referrer".to_owned()),
            ("X-Frame-Options", "DENY".to_owned()),
            ("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()".to_owned()),
        ]);
        reply
    }

    /// 303 to an address that was taken apart and put together again by `weburl`, or is a constant of the configuration.
    pub fn see_other(location: String) -> Self {
        Reply {
            status: 303,
            headers: vec![("Location", location), ("Cache-Control", "no-store".to_owned()), ("Referrer-Policy", "no-referrer".to_owned())],
            body: Body::Empty,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn problem(problem: &Problem, request_id: &str) -> Self {
        Reply::json(problem.status, &problem.body(request_id)).about(problem)
    }

    /// With the headers that go with a refusal.
    pub fn about(self, problem: &Problem) -> Self {
        let mut reply = self;
        if let Some(seconds) = problem.retry_after {
            reply = reply.with("Retry-After", seconds.to_string());
        }
        if let Some(allow) = problem.allow {
            reply = reply.with("Allow", allow);
        }
        if problem.status == 401 {
            reply = reply.with("WWW-Authenticate", "Bearer");
        }
        reply
    }

    /// Gives the answer to the platform. `head` keeps the headers and drops the body.
    pub fn send(self, request_id: &str, head: bool) -> std::result::Result<Response, JsValue> {
        let fixed = [("Request-Id", request_id), ("X-Content-Type-Options", "nosniff"), ("Strict-Transport-Security", "max-age=31536000")];
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_str())).chain(fixed);
        // A list, since more than one cookie may be set.
        let headers: Vec<Value> = headers.map(|(name, value)| Value::Array(vec![name.json(), value.json()])).collect();
        let body = match self.body {
            Body::Text(text) if !head => JsValue::from_str(&text),
            Body::Stream(stream) if !head => stream.into(),
            _ => JsValue::NULL,
        };
        js::respond(self.status, &Value::Array(headers).text(), &body)
    }
}
