//! Methods of the platform's objects for which `worker` has no wrapper, or one that costs more than it gives.

use futures_util::future::LocalBoxFuture;
use worker::Env;
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Array, Function, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};

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
