//! Methods of the platform's objects for which `worker` has no wrapper, or one that costs more than it gives; and how Rust waits for them.
//!
//! Whoever waits is a plain function: the platform puts its whole stack aside and goes on with other requests (JavaScript Promise
//! Integration, which workerd has without a flag; wasm-bindgen calls such imports `suspending`). A `RefCell` must not be borrowed meanwhile:
//! another request that wants it would trap.

// wasm-bindgen calls these attributes experimental. They are pinned with it, and tests/worker runs every journey through them.
#![allow(deprecated)]

use std::cell::RefCell;
use worker::Env;
use worker::js_sys::{Array, Function, Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue, exports};
use worker::web_sys::Response;
use worker::worker_sys::Context;

/// Milliseconds that have no end.
pub const FOREVER: u32 = u32::MAX;

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, js_sys = worker::js_sys, module = "/src/edge/platform.js")]
extern "C" {
    /// An answer: `headers` is a JSON list of names and values, `body` a text, a stream or nothing.
    #[wasm_bindgen(catch)]
    pub fn respond(status: u16, headers: &str, body: &JsValue) -> Result<Response, JsValue>;

    /// One round trip to D1: statements there (see [`crate::store::Statement`]), JSON in UTF-8 back. It is given up after `patience`
    /// milliseconds.
    #[wasm_bindgen(catch, suspending)]
    pub fn batch(database: &JsValue, statements: &[u8], patience: u32) -> Result<JsValue, JsValue>;

    /// Of a request or an answer: `[bytes, whether that is all]`
    #[wasm_bindgen(catch, suspending)]
    pub fn read(source: &JsValue, keep: u32, drain: u32, patience: u32) -> Result<JsValue, JsValue>;

    /// `{status, headers, body?}` or `{failed}`
    #[wasm_bindgen(catch, suspending)]
    pub fn exchange(request: &str, deadline: u32, limit: u32) -> Result<JsValue, JsValue>;

    /// What a promise gives.
    #[wasm_bindgen(catch, suspending)]
    fn settle(promise: &JsValue, patience: u32) -> Result<JsValue, JsValue>;

    /// Whether a promise is kept before another one is over.
    #[wasm_bindgen(js_name = "keptBefore", suspending)]
    pub fn kept_before(promise: &JsValue, other: &JsValue) -> bool;

    /// Calls [`begun`] with a stack of its own.
    fn enter(exports: &JsValue, number: u32) -> Promise;

    /// Waits, milliseconds.
    #[wasm_bindgen(suspending)]
    pub fn sleep(ms: u32);

    /// Keeps a request going although its client may leave, until it is let go.
    pub fn hold(context: &Context) -> JsValue;

    /// Lets a request go.
    pub fn release(held: &JsValue);
}

/// What a promise gives. The error is what the platform said.
pub fn settled(promise: &JsValue) -> Result<JsValue, String> {
    settle(promise, FOREVER).map_err(|error| told(&error))
}

/// The same, for so many milliseconds; `None`: it takes longer, and can be asked for again.
pub fn settled_within(promise: &JsValue, patience: u32) -> Option<Result<JsValue, String>> {
    match settle(promise, patience) {
        Err(late) if late.is_null() => None,
        settled => Some(settled.map_err(|error| told(&error))),
    }
}

type Work = Box<dyn FnOnce()>;

thread_local! {
    /// Work that was begun and whose stack is yet to come, by its number.
    static BEGUN: RefCell<Vec<Option<Work>>> = const { RefCell::new(Vec::new()) };
}

/// Begins work with a stack of its own, side by side with whoever begins it. The promise says when it is over, and never fails.
pub fn begin(work: Work) -> Promise {
    let number = BEGUN.with_borrow_mut(|begun| {
        let free = begun.iter().position(Option::is_none).unwrap_or(begun.len());
        match begun.get_mut(free) {
            Some(place) => *place = Some(work),
            None => begun.push(Some(work)),
        }
        free
    });
    enter(&exports(), u32::try_from(number).unwrap_or(u32::MAX))
}

/// Where [`enter`] comes in.
#[wasm_bindgen(jspi, wasm_bindgen = worker::wasm_bindgen)]
pub fn begun(number: u32) {
    let work = BEGUN.with_borrow_mut(|begun| begun.get_mut(usize::try_from(number).ok()?).and_then(Option::take));
    if let Some(work) = work {
        work();
    }
}

/// A member of an object; `undefined` where there is none.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// A binding of the Worker by its name; `undefined` where there is none.
pub fn binding(env: &Env, name: &str) -> JsValue {
    get(env, name)
}

/// Calls a method.
pub fn apply(target: &JsValue, method: &str, arguments: &Array) -> Result<JsValue, JsValue> {
    get(target, method).dyn_into::<Function>()?.apply(target, arguments)
}

/// Calls a method that answers a promise, and waits for it. The error is what the platform said.
pub fn call(target: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, String> {
    let promise = apply(target, method, &arguments.iter().collect()).map_err(|error| told(&error))?;
    settled(&promise)
}

/// What an exception says.
pub fn told(error: &JsValue) -> String {
    let text = get(error, "message").as_string().or_else(|| error.as_string());
    text.unwrap_or_else(|| "the platform refused without a word".to_owned())
}
