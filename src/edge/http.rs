//! Requests as they come in, answers as they go out.

use crate::error::{Problem, Result};
use serde_json::Value;
use worker::js_sys::{self, Array, Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Headers, Request, Response, ResponseBody, ResponseBuilder, web_sys};

/// Largest body of a request, bytes (contract, *Conventions*).
pub const MAX_BODY: usize = 256 * 1024;
/// Up to here a body that is too large is still read, so that its sender sees the 413; beyond, the connection is cut.
const MAX_DRAINED: usize = 8 * 1024 * 1024;

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
        let url = request.inner().url();
        let without_fragment = url.split('#').next().unwrap_or_default();
        let (location, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
        let (origin, path) = match location.split_once("://").and_then(|(scheme, rest)| {
            rest.find('/').and_then(|slash| rest.split_at_checked(slash)).map(|(host, path)| (format!("{scheme}://{host}"), path))
        }) {
            Some((origin, path)) => (origin, path.to_owned()),
            None => (location.to_owned(), "/".to_owned()),
        };
        Incoming { method: request.inner().method(), path, query: query.to_owned(), origin, request }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// The first value of a query parameter, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The value of a cookie of ours: base64url, so there is nothing to unquote and nothing to decode.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let header = self.header("Cookie")?;
        header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    }

    /// The bytes of the body, at most [`MAX_BODY`]: by its announced length first, then by its real one.
    pub async fn bytes(&mut self) -> Result<Vec<u8>> {
        let announced = self.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > MAX_DRAINED) {
            return Err(too_large());
        }
        if self.request.inner().body().is_none() {
            return Ok(Vec::new());
        }
        let mut stream = self.request.stream().map_err(Problem::fault)?;
        let mut body = Vec::with_capacity(announced.unwrap_or(1024).min(MAX_BODY));
        let mut seen = 0_usize;
        while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
            let chunk = chunk.map_err(|e| Problem::request(400, "body_unreadable", "The body broke off.").because(e))?;
            seen = seen.saturating_add(chunk.len());
            if seen > MAX_DRAINED {
                return Err(too_large());
            }
            // What is too much is read and thrown away: an answer sent into a client that is still sending gets lost.
            if seen > MAX_BODY {
                body = Vec::new();
            } else {
                body.extend_from_slice(&chunk);
            }
        }
        if seen > MAX_BODY { Err(too_large()) } else { Ok(body) }
    }

    /// The body as JSON; an empty one counts as `{}`.
    pub async fn json(&mut self) -> Result<Value> {
        let kind = self.header("Content-Type").unwrap_or_default();
        let body = self.bytes().await?;
        if body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json" {
            return Err(Problem::request(415, "media_type_unsupported", "Send the body as JSON, with Content-Type: application/json."));
        }
        serde_json::from_slice(&body).map_err(|e| {
            Problem::request(400, "json_invalid", format!("The body is not valid JSON (line {}, column {}).", e.line(), e.column()))
        })
    }
}

fn too_large() -> Problem {
    Problem::request(413, "body_too_large", format!("The body may have at most {MAX_BODY} bytes."))
}

/// `new Response(packed).body.pipeThrough(new DecompressionStream("deflate"))`, for which `worker` has no binding.
fn unpack(packed: &[u8]) -> std::result::Result<web_sys::ReadableStream, JsValue> {
    let bytes = Uint8Array::from(packed);
    let body = JsValue::from(web_sys::Response::new_with_opt_buffer_source(Some(&bytes))?.body());
    let class: Function = Reflect::get(&js_sys::global(), &"DecompressionStream".into())?.dyn_into()?;
    let unpacker = Reflect::construct(&class, &Array::of1(&"deflate".into()))?;
    let pipe: Function = Reflect::get(&body, &"pipeThrough".into())?.dyn_into()?;
    pipe.call1(&body, &unpacker)?.dyn_into()
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
    Stream(Response),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Reply::text(status, "application/json; charset=utf-8", body.to_string())
    }

    /// JSON that was rendered before: a replayed answer is the first one, byte for byte.
    pub fn rendered(status: u16, body: String) -> Self {
        Reply::text(status, "application/json; charset=utf-8", body)
    }

    /// JSON that is in the binary as zlib's format; the platform's own `DecompressionStream` unpacks it.
    pub fn unpacked(status: u16, packed: &[u8]) -> Result<Self> {
        let stream = unpack(packed).map_err(|e| Problem::fault(format!("cannot unpack: {e:?}")))?;
        let response = Response::from_body(ResponseBody::Stream(stream)).map_err(Problem::fault)?;
        let mut reply = Reply::rendered(status, String::new());
        reply.body = Body::Stream(response);
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
        let mut reply = Reply::json(problem.status, &problem.body(request_id));
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
    pub fn send(self, request_id: &str, head: bool) -> worker::Result<Response> {
        let headers = Headers::new();
        for (name, value) in &self.headers {
            // More than one cookie may be set.
            if *name == "Set-Cookie" { headers.append(name, value)? } else { headers.set(name, value)? }
        }
        headers.set("Request-Id", request_id)?;
        headers.set("X-Content-Type-Options", "nosniff")?;
        headers.set("Strict-Transport-Security", "max-age=31536000")?;
        let builder = ResponseBuilder::new().with_status(self.status).with_headers(headers);
        Ok(match self.body {
            _ if head => builder.empty(),
            Body::Empty => builder.empty(),
            Body::Text(text) => builder.fixed(text.into_bytes()),
            Body::Stream(response) => {
                let (_, body) = response.into_parts();
                builder.body(body)
            }
        })
    }
}
