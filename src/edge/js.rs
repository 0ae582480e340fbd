//! Methods of the platform's objects for which `worker` has no wrapper, or one that costs more than it gives.

use futures_util::future::LocalBoxFuture;
use worker::Env;
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Array, Function, Promise, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::Response;

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, js_sys = worker::js_sys, module = "/src/edge/platform.js")]
extern "C" {
    /// An answer: `headers` is a JSON list of names and values, `body` a text, a stream or nothing.
    #[wasm_bindgen(catch)]
    pub fn respond(status: u16, headers: &str, body: &JsValue) -> Result<Response, JsValue>;

    /// One round trip to D1: statements there (see [`crate::store::Statement`]), JSON in UTF-8 back.
    pub fn batch(database: &JsValue, statements: &str) -> Promise;

    /// Of a request or an answer: `[bytes, whether that is all]`
    pub fn read(source: &JsValue, keep: u32, drain: u32) -> Promise;

    /// `{status, headers, body?}` or `{failed}`
    pub fn exchange(request: &str, deadline: u32, limit: u32) -> Promise;
}

/// Waits for a promise. The error is what the platform said.
pub fn settled(promise: Promise) -> LocalBoxFuture<'static, Result<JsValue, String>> {
    Box::pin(async move { JsFuture::from(promise).await.map_err(|error| told(&error)) })
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
pub fn call(target: &JsValue, method: &str, arguments: &[JsValue]) -> LocalBoxFuture<'static, Result<JsValue, String>> {
    let promise = apply(target, method, &arguments.iter().collect());
    Box::pin(async move {
        match promise {
            Ok(promise) => JsFuture::from(Promise::resolve(&promise)).await.map_err(|error| told(&error)),
            Err(error) => Err(told(&error)),
        }
    })
}

/// What an exception says.
pub fn told(error: &JsValue) -> String {
    let text = get(error, "message").as_string().or_else(|| error.as_string());
    text.unwrap_or_else(|| "the platform refused without a word".to_owned())
}
