//! Methods of the platform's bindings for which `worker` has no wrapper, or one that costs more than it gives.

use futures_util::future::LocalBoxFuture;
use worker::Env;
use worker::js_sys::futures::JsFuture;
use worker::js_sys::{Array, Function, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};

/// A binding of the Worker by its name; `undefined` where there is none.
pub fn binding(env: &Env, name: &str) -> JsValue {
    Reflect::get(env, &JsValue::from_str(name)).unwrap_or_default()
}

/// Calls a method that answers a promise, and waits for it. The error says what the platform said.
pub fn call(target: &JsValue, method: &str, arguments: &[JsValue]) -> LocalBoxFuture<'static, Result<JsValue, String>> {
    let list: Array = arguments.iter().collect();
    let promise = Reflect::get(target, &JsValue::from_str(method))
        .and_then(|found| found.dyn_into::<Function>())
        .and_then(|function| function.apply(target, &list));
    Box::pin(async move {
        match promise {
            Ok(promise) => JsFuture::from(Promise::resolve(&promise)).await.map_err(told),
            Err(error) => Err(told(error)),
        }
    })
}

fn told(error: JsValue) -> String {
    let text = Reflect::get(&error, &JsValue::from_str("message")).ok().and_then(|message| message.as_string());
    text.or_else(|| error.as_string()).unwrap_or_else(|| "the platform refused without a word".to_owned())
}
