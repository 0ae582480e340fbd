//! `application/x-www-form-urlencoded`, as Stripe's v1 API takes it: brackets in the names, each byte encoded once.

use form_urlencoded::Serializer;

/// A form being filled in; what is pushed first comes first.
pub struct Form(Serializer<'static, String>);

impl Default for Form {
    fn default() -> Self {
        Form::new()
    }
}

impl Form {
    pub fn new() -> Self {
        Form(Serializer::new(String::new()))
    }

    /// Adds one parameter. `key` is plain (`line_items[0][quantity]`): encoding is done here and nowhere else.
    pub fn push(&mut self, key: &str, value: impl ToString) {
        self.add("", key, &value);
    }

    /// The same below `at`: `push_at("line_items[0]", "[quantity]", 1)`.
    pub fn push_at(&mut self, at: &str, key: &str, value: impl ToString) {
        self.add(at, key, &value);
    }

    fn add(&mut self, at: &str, key: &str, value: &dyn ToString) {
        self.0.append_pair(&[at, key].concat(), &value.to_string());
    }

    /// Adds a parameter that may be absent. An absent one is left out: an empty value would mean "unset" to Stripe.
    pub fn push_some(&mut self, key: &str, value: Option<impl ToString>) {
        self.push_some_at("", key, value);
    }

    /// The same below `at`.
    pub fn push_some_at(&mut self, at: &str, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(at, key, &value);
        }
    }

    /// The body, or the query.
    pub fn encode(mut self) -> String {
        self.0.finish()
    }
}

/// Makes one path segment of an id. Ids are checked before they get here; this only makes sure that one which was
/// not cannot lead to another path.
pub(super) fn segment(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('.', "%2E")
}
