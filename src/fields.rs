//! Reads the members of a JSON body, one by one and by name, so that every refusal names the member it is about.
//!
//! The parsing itself is serde_json's; this only says which members there may be and of which type.
//! `null` counts as absent, as in Stripe's API. Unknown members are refused (contract, *Conventions*).

use crate::error::{Problem, Result};
use serde_json::{Map, Value};

/// Largest integer that survives D1, whose numbers are 64-bit floats.
pub const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// One JSON object of a request, with the path that leads to it.
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// Opens `value`, refusing members that are not in `known`. `path` is empty for the whole body, or `$` (see [`Fields::name`]).
    pub fn open(value: &'a Value, path: &str, known: &[&str]) -> Result<Self> {
        let fields = Fields::lenient(value, path)?;
        match fields.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let name: String = name.chars().take(100).collect();
                let param = fields.name(&name);
                Err(Problem::shape(
                    "parameter_unknown",
                    param.clone(),
                    format!("Unknown parameter: {param}. Known here: {}.", known.join(", ")),
                ))
            }
            None => Ok(fields),
        }
    }

    /// Opens an object of somebody who may send more than is known here.
    pub fn lenient(value: &'a Value, path: &str) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(Fields { members, path: path.to_owned() }),
            _ if path.is_empty() => Err(Problem::request(400, "json_invalid", "The body must be a JSON object.")),
            _ if path == "$" => Err(Problem::shape("json_invalid", path, "The body must be a JSON object.")),
            _ => Err(Problem::shape("parameter_invalid_object", path, format!("{path} must be an object."))),
        }
    }

    /// Names and values as they are.
    pub fn members(&self) -> &'a Map<String, Value> {
        self.members
    }

    /// The full name of a member: in Stripe's style, or, where the body was opened as `$`, as an RFC 9535 path.
    pub fn name(&self, member: &str) -> String {
        if self.path.starts_with('$') {
            let plain = member.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !member.starts_with(|c: char| c.is_ascii_digit());
            if plain && !member.is_empty() {
                return format!("{}.{member}", self.path);
            }
            return format!("{}[{}]", self.path, Value::from(member));
        }
        if self.path.is_empty() { member.to_owned() } else { format!("{}[{member}]", self.path) }
    }

    /// The member as it is: `None` when absent, `Some(Null)` when it is there and null.
    pub fn raw(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member)
    }

    /// The member, unless it is absent or null.
    pub fn get(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    /// Refuses an absent member.
    pub fn need(&self, member: &str) -> Result<&'a Value> {
        self.get(member).ok_or_else(|| {
            let param = self.name(member);
            Problem::shape("parameter_missing", param.clone(), format!("Missing required parameter: {param}."))
        })
    }

    /// A string of at most `max` characters without control characters; empty only where `need_string` is not used.
    pub fn string(&self, member: &str, max: usize) -> Result<Option<&'a str>> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let param = self.name(member);
        let Value::String(text) = value else {
            return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
        };
        if text.chars().count() > max {
            return Err(Problem::value_about("parameter_invalid", &param, &format!("may have at most {max} characters.")));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
            return Err(Problem::value_about("parameter_invalid", &param, "must not contain control characters."));
        }
        Ok(Some(text))
    }

    /// A string that must be there and not be blank.
    pub fn need_string(&self, member: &str, max: usize) -> Result<&'a str> {
        self.need(member)?;
        match self.string(member, max)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => {
                let param = self.name(member);
                Err(Problem::value_about("parameter_invalid_empty", &param, "must not be empty."))
            }
        }
    }

    /// An identifier of the shop's: a non-empty string or an integer (WooCommerce's are integers), kept as text.
    pub fn id(&self, member: &str, max: usize) -> Result<Option<String>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(Value::String(_)) => {
                let text = self.need_string(member, max)?;
                if text.chars().any(char::is_control) {
                    let param = self.name(member);
                    return Err(Problem::value_about("parameter_invalid", &param, "must not contain control characters."));
                }
                Ok(Some(text.to_owned()))
            }
            Some(_) => {
                let param = self.name(member);
                Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string or an integer."))
            }
        }
    }

    /// An integer within the given bounds (inclusive).
    pub fn integer(&self, member: &str, min: i64, max: i64) -> Result<Option<i64>> {
        let Some(value) = self.get(member) else { return Ok(None) };
        let param = self.name(member);
        let number = whole(value).map_err(|not_integer| match not_integer {
            NotWhole::Type => Problem::shape_about("parameter_invalid_integer", &param, "must be an integer."),
            NotWhole::Range => out_of_bounds(&param, min, max),
        })?;
        if number < min || number > max {
            return Err(out_of_bounds(&param, min, max));
        }
        Ok(Some(number))
    }

    /// `true` or `false`.
    pub fn boolean(&self, member: &str) -> Result<Option<bool>> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => {
                let param = self.name(member);
                Err(Problem::shape_about("parameter_invalid_boolean", &param, "must be true or false."))
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, member: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.string(member, 100)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let param = self.name(member);
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(Problem::value_about("parameter_invalid", &param, &format!("must be one of {}.", known.join(", "))))
            }
        }
    }

    /// The elements of an array with their names; empty when absent.
    pub fn array(&self, member: &str) -> Result<Vec<(String, &'a Value)>> {
        match self.get(member) {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => {
                let name = self.name(member);
                Ok(elements.iter().enumerate().map(|(i, element)| (format!("{name}[{i}]"), element)).collect())
            }
            Some(_) => {
                let param = self.name(member);
                Err(Problem::shape_about("parameter_invalid_array", &param, "must be an array."))
            }
        }
    }
}

fn out_of_bounds(param: &str, min: i64, max: i64) -> Problem {
    Problem::value_about("parameter_invalid_integer", param, &format!("must be from {min} to {max}."))
}

/// Why a JSON value is no integer that we can work with.
pub enum NotWhole {
    /// Not a number, or with a fraction.
    Type,
    /// An integer beyond ±2^53.
    Range,
}

/// Reads an integer, telling "no integer" from "too large an integer".
pub fn whole(value: &Value) -> std::result::Result<i64, NotWhole> {
    let Value::Number(number) = value else { return Err(NotWhole::Type) };
    match number.as_i64() {
        Some(n) if n.abs_diff(0) <= MAX_SAFE_INTEGER.unsigned_abs() => Ok(n),
        Some(_) => Err(NotWhole::Range),
        None if number.is_u64() => Err(NotWhole::Range),
        None => match number.as_f64() {
            // serde_json reads an integer literal beyond 64 bits as a float.
            Some(f) if f.fract() == 0.0 && f.abs() >= 9.0e15 => Err(NotWhole::Range),
            _ => Err(NotWhole::Type),
        },
    }
}
