//! Statements and what is bound to them.

/// A bound parameter. Numbers travel as floats: refused beyond 2^53 before they get here.
#[derive(Clone, Copy)]
pub enum Bind<'a> {
    Text(&'a str),
    Int(i64),
    Null,
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Bind::Text(text)
    }
}
impl<'a> From<&'a String> for Bind<'a> {
    fn from(text: &'a String) -> Self {
        Bind::Text(text)
    }
}
impl From<i64> for Bind<'_> {
    fn from(number: i64) -> Self {
        Bind::Int(number)
    }
}
impl From<bool> for Bind<'_> {
    fn from(flag: bool) -> Self {
        Bind::Int(i64::from(flag))
    }
}
impl<'a, T: Into<Bind<'a>>> From<Option<T>> for Bind<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Bind::Null, Into::into)
    }
}
impl<'a> From<&'a Option<String>> for Bind<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().map_or(Bind::Null, Bind::Text)
    }
}

/// A statement with its parameters: `sql!("… ?1 …", a, b)`.
#[macro_export]
macro_rules! sql {
    ($text:expr $(, $bind:expr)* $(,)?) => {{
        #[allow(unused_mut)] // where nothing is bound
        let mut statement = $crate::store::Statement::new($text);
        $(statement.bind($bind);)*
        statement
    }};
}

/// A statement with its parameters, as the platform's side takes it: the text, NUL, a JSON list of the parameters (its end is written
/// when it is sent).
///
/// Each parameter is written where it will be read, by a call of a few bytes: lists of them cost 7 KB of the binary more, and a copy of each
/// text.
#[derive(Clone)]
pub struct Statement(Vec<u8>);

impl Statement {
    #[inline(never)]
    pub fn new(text: &str) -> Self {
        let mut whole = Vec::with_capacity(text.len().saturating_add(128));
        whole.extend_from_slice(text.as_bytes());
        whole.extend_from_slice(b"\0[");
        Statement(whole)
    }

    /// With parameters of which it depends how many there are.
    pub fn with(text: &str, binds: &[Bind<'_>]) -> Self {
        let mut statement = Statement::new(text);
        for bind in binds {
            statement.bind(*bind);
        }
        statement
    }

    /// The next parameter.
    pub fn bind<'a>(&mut self, value: impl Into<Bind<'a>>) {
        match value.into() {
            Bind::Text(text) => self.text(text),
            Bind::Int(number) => self.int(number),
            Bind::Null => self.null(),
        }
    }

    /// Several of them, with NUL between.
    pub fn together(statements: Vec<Statement>) -> Vec<u8> {
        let mut list = Vec::with_capacity(statements.iter().map(|Statement(whole)| whole.len().saturating_add(2)).sum());
        for Statement(whole) in statements {
            list.extend_from_slice(if list.is_empty() { b"" } else { b"\0" });
            list.extend_from_slice(&whole);
            list.push(b']');
        }
        list
    }

    /// What one needs that is not the first.
    fn comma(&mut self) {
        if self.0.last() != Some(&b'[') {
            self.0.push(b',');
        }
    }

    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.comma();
        // Into memory: it cannot fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    #[inline(never)]
    fn int(&mut self, number: i64) {
        self.comma();
        self.0.extend_from_slice(number.to_string().as_bytes());
    }

    #[inline(never)]
    fn null(&mut self) {
        self.comma();
        self.0.extend_from_slice(b"null");
    }
}
