//! Objects on the wire: what there is none of is left out of them, never `null`, which no schema of the protocol allows.

use crate::record::Json;
use serde_json::{Map, Value};

#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub fn put(&mut self, name: &str, value: impl Json) -> &mut Self {
        self.add(name, value.json())
    }

    pub fn maybe(&mut self, name: &str, value: Option<impl Json>) -> &mut Self {
        match value {
            Some(value) => self.add(name, value.json()),
            None => self,
        }
    }

    /// `null` counts as nothing.
    pub fn add(&mut self, name: &str, value: Value) -> &mut Self {
        if !value.is_null() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// At the end of a chain.
    pub fn taken(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.0))
    }

    pub fn done(self) -> Value {
        Value::Object(self.0)
    }
}
