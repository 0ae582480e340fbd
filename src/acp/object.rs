//! Objects on the wire: what there is none of is left out of them, never `null`, which no schema of the protocol allows.

use crate::record::Json;
use serde_json::{Map, Value};

/// An object of those members that are not `null`.
pub fn without_null(members: &[(&str, &dyn Json)]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        let value = value.json();
        if !value.is_null() {
            object.insert((*name).to_owned(), value);
        }
    }
    Value::Object(object)
}

/// `present! { "name": value, … }`: like `object!`, without what is `null`.
macro_rules! present {
    ($($name:literal : $value:expr),* $(,)?) => {
        $crate::acp::object::without_null(&[$(($name, &$value as &dyn $crate::record::Json)),*])
    };
}
pub(super) use present;
