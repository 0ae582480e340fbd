//! JSON objects of known makers (rows of D1's, objects of Stripe's) read into structs, and answers of ours written.
//!
//! [`record!`] does what serde's derive does, and [`object!`] what `json!` does, through plain calls instead of a copy of
//! the parser for each type: measured, 100 KB of the binary. Callers' bodies are read by [`crate::fields`], which refuses
//! unknown members and says what is wrong in a caller's words.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

/// Why an object is not the record that it should be: the member that is missing or of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unreadable member: ")?;
        f.write_str(self.0)
    }
}

/// What a member of a record can be.
pub trait Member: Sized + Default {
    /// Reads the member; `None` is given for an absent one, and answered for one of another type.
    fn read(value: Option<Value>) -> Option<Self>;
}

impl Member for String {
    fn read(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

impl Member for i64 {
    fn read(value: Option<Value>) -> Option<Self> {
        value?.as_i64()
    }
}

impl Member for bool {
    fn read(value: Option<Value>) -> Option<Self> {
        value?.as_bool()
    }
}

/// Whatever it is; `null` when absent.
impl Member for Value {
    fn read(value: Option<Value>) -> Option<Self> {
        Some(value.unwrap_or_default())
    }
}

impl<T: Member> Member for Option<T> {
    fn read(value: Option<Value>) -> Option<Self> {
        match value {
            None | Some(Value::Null) => Some(None),
            some => T::read(some).map(Some),
        }
    }
}

impl<T: Member> Member for Vec<T> {
    fn read(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::Array(elements)) => {
                // No `collect`: for each type that there are lists of, it is a kilobyte of the binary.
                let mut read = Vec::with_capacity(elements.len());
                for element in elements {
                    read.push(T::read(Some(element))?);
                }
                Some(read)
            }
            _ => None,
        }
    }
}

/// Members of any type (Stripe's `metadata`).
impl Member for Map<String, Value> {
    fn read(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::Object(members)) => Some(members),
            _ => None,
        }
    }
}

/// A struct that an object of a known maker can be read into.
pub trait Record: Member {
    fn read_from(reader: Reader) -> Result<Self, Unreadable>;

    fn from_value(value: Value) -> Result<Self, Unreadable> {
        Self::read_from(Reader::new(value))
    }

    /// Reads JSON. The parser's message may quote what it read, and that may be a secret or a buyer's: it is not kept.
    fn from_json(json: &[u8]) -> Result<Self, Unreadable> {
        Self::from_value(parsed(json).map_err(|_| Unreadable("JSON"))?)
    }
}

/// An object that stays as it came.
impl Record for Value {
    fn read_from(reader: Reader) -> Result<Self, Unreadable> {
        Ok(Value::Object(match reader.members {
            Members::Object(members) => members,
            Members::Row { columns, values, .. } => columns.iter().cloned().zip(values).collect(),
        }))
    }

    fn from_value(value: Value) -> Result<Self, Unreadable> {
        Ok(value)
    }
}

/// The names of a table's columns, for all of its rows.
pub type Columns = Rc<[String]>;

enum Members {
    Object(Map<String, Value>),
    /// `next` is the column behind the one that was found last: records and tables mostly have the same order.
    Row {
        columns: Columns,
        values: Vec<Value>,
        next: usize,
    },
}

impl Members {
    #[inline(never)]
    fn take(&mut self, name: &str) -> Option<Value> {
        match self {
            Members::Object(members) => members.get_mut(name).map(Value::take),
            Members::Row { columns, values, next } => {
                let (before, behind) = columns.split_at_checked(*next)?;
                let found = behind.iter().position(|column| column == name).map(|at| at.saturating_add(*next));
                let at = found.or_else(|| before.iter().position(|column| column == name))?;
                *next = at.saturating_add(1);
                values.get_mut(at).map(Value::take)
            }
        }
    }
}

/// Takes the members of one object, or of a row, and remembers the first that did not fit.
pub struct Reader {
    members: Members,
    bad: Option<&'static str>,
}

impl Reader {
    pub fn new(value: Value) -> Self {
        match value {
            Value::Object(members) => Reader { members: Members::Object(members), bad: None },
            _ => Reader { members: Members::Object(Map::new()), bad: Some("object") },
        }
    }

    #[inline(never)]
    pub fn of_row(columns: &Columns, values: Vec<Value>) -> Self {
        Reader { members: Members::Row { columns: columns.clone(), values, next: 0 }, bad: None }
    }

    /// A member that must be of its type; only an `Option` may be absent or null.
    pub fn strict<T: Member>(&mut self, name: &'static str) -> T {
        T::read(self.members.take(name)).unwrap_or_else(|| {
            self.bad.get_or_insert(name);
            T::default()
        })
    }

    /// A member that may be absent or null, which counts as its default; of another type it does not fit.
    pub fn lenient<T: Member>(&mut self, name: &'static str) -> T {
        self.strict::<Option<T>>(name).unwrap_or_default()
    }

    pub fn done<T>(self, record: T) -> Result<T, Unreadable> {
        match self.bad {
            None => Ok(record),
            Some(name) => Err(Unreadable(name)),
        }
    }
}

/// Declares a struct that can be read from an object. A member is written as it is in any struct; `= lenient` behind the type
/// lets it be absent or null, `"name"` there says what it is called in the object.
#[macro_export]
macro_rules! record {
    (@read $reader:ident, $field:ident, $name:literal) => { $reader.strict($name) };
    (@read $reader:ident, $field:ident, lenient) => { $reader.lenient(stringify!($field)) };
    (@read $reader:ident, $field:ident) => { $reader.strict(stringify!($field)) };
    ($(#[$meta:meta])* pub struct $record:ident { $($(#[$about:meta])* pub $field:ident : $type:ty $(= $how:tt)?),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Default)]
        pub struct $record { $($(#[$about])* pub $field: $type),* }

        impl $crate::record::Record for $record {
            fn read_from(mut reader: $crate::record::Reader) -> ::std::result::Result<Self, $crate::record::Unreadable> {
                let record = $record { $($field: $crate::record!(@read reader, $field $(, $how)?)),* };
                reader.done(record)
            }
        }

        impl $crate::record::Member for $record {
            fn read(value: Option<::serde_json::Value>) -> Option<Self> {
                <Self as $crate::record::Record>::from_value(value?).ok()
            }
        }
    };
}

/// Why bytes are no JSON. What the parser says of it may quote what it read: never shown.
pub enum NotJson {
    NotUtf8,
    At { line: usize, column: usize },
}

/// JSON. By `FromStr` everywhere, which is compiled once: `from_slice` and `from_str` are another parser each, 12 KB together.
pub fn parsed(json: &[u8]) -> Result<Value, NotJson> {
    let text = std::str::from_utf8(json).map_err(|_| NotJson::NotUtf8)?;
    text.parse().map_err(|error: serde_json::Error| NotJson::At { line: error.line(), column: error.column() })
}

/// What can stand in an answer.
pub trait Json {
    fn json(&self) -> Value;

    /// As text. (Sized: else each type's table of methods, of which [`object!`] needs one for each, had one more.)
    fn text(&self) -> String
    where
        Self: Sized,
    {
        self.json().text()
    }
}

impl Json for str {
    fn json(&self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Json for String {
    fn json(&self) -> Value {
        self.as_str().json()
    }
}

impl Json for Cow<'_, str> {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl Json for Box<str> {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl Json for i64 {
    fn json(&self) -> Value {
        Value::from(*self)
    }
}

impl Json for u64 {
    fn json(&self) -> Value {
        Value::from(*self)
    }
}

impl Json for u32 {
    fn json(&self) -> Value {
        i64::from(*self).json()
    }
}

impl Json for u16 {
    fn json(&self) -> Value {
        i64::from(*self).json()
    }
}

impl Json for bool {
    fn json(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Json for Value {
    fn json(&self) -> Value {
        self.clone()
    }

    /// Not by `Display`, which hands each quotation mark to a formatter: a third slower.
    fn text(&self) -> String {
        // What could not be written has members whose names are no text; a `Value` has none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An object of names and values. (`collect` brings a sort along for each kind of list.)
pub fn named(names: &[String], values: impl IntoIterator<Item = Value>) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, value) in names.iter().zip(values) {
        members.insert(name.clone(), value);
    }
    members
}

/// What is put into an answer as it is: [`object!`] borrows what it is given, and a list of a page would be copied for that.
pub struct Made(Cell<Value>);

/// `"data": made(list)`
pub fn made(value: impl Into<Value>) -> Made {
    Made(Cell::new(value.into()))
}

/// Once; then it is `null`.
impl Json for Made {
    fn json(&self) -> Value {
        self.0.take()
    }
}

impl<T: Json + ?Sized> Json for &T {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl<T: Json> Json for Option<T> {
    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::json)
    }
}

impl<T: Json> Json for [T] {
    fn json(&self) -> Value {
        each(self, &|element| element.json())
    }
}

/// A list of what is made of each element. The loop is the same for all that may be made of them.
pub fn each<T>(elements: &[T], make: &dyn Fn(&T) -> Value) -> Value {
    let mut made = Vec::with_capacity(elements.len());
    for element in elements {
        made.push(make(element));
    }
    Value::Array(made)
}

impl<T: Json> Json for Vec<T> {
    fn json(&self) -> Value {
        self.as_slice().json()
    }
}

impl<T: Json, const N: usize> Json for [T; N] {
    fn json(&self) -> Value {
        self.as_slice().json()
    }
}

impl Json for Map<String, Value> {
    fn json(&self) -> Value {
        Value::Object(self.clone())
    }
}

/// Texts by name, in an order of their own: an object.
impl Json for [(String, String)] {
    fn json(&self) -> Value {
        let mut object = Map::new();
        for (name, value) in self {
            object.insert(name.clone(), value.json());
        }
        Value::Object(object)
    }
}

impl Json for i32 {
    fn json(&self) -> Value {
        i64::from(*self).json()
    }
}

/// An object of the given members. `names` has a comma behind each: one text is a word at each call, a list of texts two for each member.
pub fn object(names: &str, values: &[&dyn Json]) -> Value {
    let mut object = Map::new();
    for (name, value) in names.split(',').zip(values) {
        object.insert(name.to_owned(), value.json());
    }
    Value::Object(object)
}

/// `object! { "name": value, … }`: an object of ours, as JSON.
#[macro_export]
macro_rules! object {
    ($($name:literal : $value:expr),* $(,)?) => {
        $crate::record::object(concat!($($name, ","),*), &[$(&$value as &dyn $crate::record::Json),*])
    };
}
