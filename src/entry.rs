//! The platform's ways in. What waits inside waits with its whole stack (JavaScript Promise Integration, see [`crate::edge::js`]), so
//! JavaScript gets a promise from both. `worker`'s own macro brings all of its `Response` along.

// wasm-bindgen calls `jspi` experimental; it is pinned.
#![allow(deprecated)]

use crate::edge::js;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::{Request, Response};
use worker::worker_sys::Context;

/// One request.
#[wasm_bindgen(js_name = "fetch", jspi, wasm_bindgen = worker::wasm_bindgen)]
pub fn on_fetch(request: Request, env: Env, context: Context) -> std::result::Result<Response, JsValue> {
    // A client that leaves must not leave a stack behind that waits for good: every request goes on to its end.
    let over = js::hold(&context);
    let answer = crate::fetch(request, env, context);
    js::release(&over);
    answer
}

/// Cron: once a minute.
#[wasm_bindgen(js_name = "scheduled", jspi, wasm_bindgen = worker::wasm_bindgen)]
pub fn on_schedule(_event: JsValue, env: Env, _context: JsValue) {
    crate::scheduled(env);
}
