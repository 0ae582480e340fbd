//! Web addresses, on a grammar narrower than a browser's.
//!
//! A shop's addresses decide where buyers are sent and where the Worker calls, so whatever two parsers could
//! read differently is refused: only ASCII `https://host(:port)` with RFC 3986 path, query and fragment. What is
//! accepted is written anew from its parts, in the form that `new URL(…).href` gives. The `url` crate is not used: its
//! Unicode tables would double the size of the Worker.
//!
//! Reasons are clauses for people ("it must begin with https://"), without a full stop. Contract, *Shops*.

use std::fmt;

/// Longest address that is accepted, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// What stands in a `success_url` for the id of the Checkout Session.
pub const PLACEHOLDER: &str = "{CHECKOUT_SESSION_ID}";

/// Longest id of a Checkout Session; an address must still be valid when the id has been filled in.
const SESSION_ID_LENGTH: usize = 255;

/// Why an address is refused.
pub type Reason = &'static str;

const TOO_LONG: Reason = "it is longer than 2048 characters";

/// An address that was taken apart and found harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    scheme: &'static str,
    /// Lower case.
    host: String,
    /// Unless it is the scheme's own.
    port: Option<u16>,
    /// Begins with a slash.
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl WebUrl {
    /// Takes `raw` apart. `allow_local` adds `http://localhost` and `http://127.0.0.1`, any port, and nothing else.
    pub fn parse(raw: &str, allow_local: bool) -> Result<Self, Reason> {
        if raw.len() > MAX_LENGTH {
            return Err(TOO_LONG);
        }
        if raw.contains('\\') {
            return Err("it must not contain a backslash");
        }
        if !raw.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("it must be plain ASCII without spaces (percent-encode the path, write the host in punycode)");
        }
        let (secure, rest) = scheme(raw).ok_or("it must begin with https://")?;
        let (rest, fragment) = cut(rest, '#');
        let (rest, query) = cut(rest, '?');
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at_checked(slash).unwrap_or((rest, "")),
            None => (rest, ""),
        };

        let (host, port) = authority_parts(authority)?;
        if allow_local && !secure && is_local(&host) {
            // Checked: these two names need no further rule.
        } else if !secure {
            return Err("it must begin with https://");
        } else {
            check_host(&host)?;
        }

        check_characters(path, b"/:@")?;
        check_segments(path)?;
        check_characters(query.unwrap_or_default(), b"/:@?")?;
        check_characters(fragment.unwrap_or_default(), b"/:@?")?;

        let url = WebUrl {
            scheme: if secure { "https" } else { "http" },
            host,
            port: port.filter(|port| *port != if secure { 443 } else { 80 }),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            // The one character of the grammar that browsers write differently.
            query: query.map(|query| query.replace('\'', "%27")),
            fragment: fragment.map(str::to_owned),
        };
        // What is written anew may be longer, and is read again later: an address that is kept must stay one.
        if url.to_string().len() > MAX_LENGTH { Err(TOO_LONG) } else { Ok(url) }
    }

    /// `https://shop.example` or `https://shop.example:8443`
    pub fn origin(&self) -> String {
        match self.port {
            Some(port) => format!("{}://{}:{port}", self.scheme, self.host),
            None => format!("{}://{}", self.scheme, self.host),
        }
    }

    /// Begins with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Without its `#`.
    pub fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// The address with `params` behind its own query and before its fragment. They take the place of what is there by their names:
    /// of two, one reader takes the first and another the last, and a signature is over ours.
    pub fn with_params(&self, params: &[(&str, &str)]) -> String {
        let ours =
            |part: &str| form_urlencoded::parse(part.as_bytes()).next().is_some_and(|(name, _)| params.iter().any(|(own, _)| *own == name));
        let own = self.query.as_deref().unwrap_or_default();
        let mut parts: Vec<&str> = own.split('&').filter(|part| !part.is_empty() && !ours(part)).collect();
        let added = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        parts.extend(Some(added.as_str()).filter(|added| !added.is_empty()));
        let query = if parts.is_empty() { self.query.clone() } else { Some(parts.join("&")) };
        WebUrl { query, ..self.clone() }.to_string()
    }

    /// Whether this lies at or below `site`: same origin, and `site`'s path is its first segments.
    /// Compared as written: percent-encodings of the same letter are different, which only refuses more.
    pub fn under(&self, site: &WebUrl) -> bool {
        let base = site.path.trim_end_matches('/');
        self.origin() == site.origin() && self.path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

/// A shop's own address, normalised: origin and path, no trailing slash. It names the shop, so two spellings of it
/// must give one string.
pub fn site_url(raw: &str, allow_local: bool) -> Result<String, Reason> {
    let url = WebUrl::parse(raw, allow_local)?;
    if url.query.is_some() {
        return Err("it must not have a query (?…)");
    }
    if url.fragment.is_some() {
        return Err("it must not have a fragment (#…)");
    }
    Ok(format!("{}{}", url.origin(), url.path.trim_end_matches('/')))
}

/// An origin, normalised, without a trailing slash; a lone `/` may stand behind it.
pub fn origin_only(raw: &str, allow_local: bool) -> Result<String, Reason> {
    let url = WebUrl::parse(raw, allow_local)?;
    if url.path != "/" || url.query.is_some() || url.fragment.is_some() {
        return Err("it must be an origin alone, without a path, query or fragment");
    }
    Ok(url.origin())
}

/// Checks an address that may hold [`PLACEHOLDER`]. The result is for comparisons: it holds the longest possible
/// id in its place, which proves that the address stays valid whatever id is filled in.
pub fn parse_with_placeholder(raw: &str, allow_local: bool) -> Result<WebUrl, Reason> {
    // An underscore may stand in a path, a query or a fragment, but in no host or port.
    let id = format!("{:0<SESSION_ID_LENGTH$}", "cs_");
    WebUrl::parse(&fill_session(raw, &id), allow_local)
}

/// Puts the Session's id where the shop asked for it. What comes out is to be parsed again.
pub fn fill_session(raw: &str, session: &str) -> String {
    raw.replace(PLACEHOLDER, session)
}

/// What stands in an `order_url_template` for an order: its id of ours (`ord_…`), and its id of the shop's.
pub const ORDER: &str = "{ORDER}";
pub const ORDER_ID: &str = "{ORDER_ID}";

/// An order's page by the shop's template; `None` where the template wants the shop's id and there is none yet. Ids are
/// percent-encoded, so that none can lead elsewhere.
pub fn fill_order(template: &str, order: &str, order_id: Option<&str>) -> Option<String> {
    let encoded = |id: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b);
        id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let filled = template.replace(ORDER, &encoded(order));
    if !filled.contains(ORDER_ID) {
        return Some(filled);
    }
    order_id.map(|id| filled.replace(ORDER_ID, &encoded(id)))
}

/// Whether `raw` is an absolute address that Stripe could show a picture from: http or https, any host. Neither
/// the Worker nor a buyer goes there by our hand, hence no more than this.
pub fn is_web_url(raw: &str) -> bool {
    if raw.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return false;
    }
    scheme(raw).is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !authority.is_empty() && !authority.starts_with(':') && !authority.contains('@')
    })
}

/// Whether it is https, and what follows `://`.
fn scheme(raw: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = raw.split_once("://")?;
    if scheme.eq_ignore_ascii_case("https") {
        Some((true, rest))
    } else if scheme.eq_ignore_ascii_case("http") {
        Some((false, rest))
    } else {
        None
    }
}

/// Cuts at the first `mark`, which belongs to neither side.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Lower-case host, and the port as it was written.
fn authority_parts(authority: &str) -> Result<(String, Option<u16>), Reason> {
    if authority.contains('@') {
        return Err("it must not contain a user name or password");
    }
    if authority.contains(['[', ']']) {
        return Err("its host must be a name, not an IP address");
    }
    let (host, port) = cut(authority, ':');
    let port = match port {
        None => None,
        Some(digits) => {
            // No sign, no leading zero: one way to write a port.
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            Some(digits.parse::<u16>().ok().filter(|_| plain).ok_or("its port must be a number from 1 to 65535")?)
        }
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1")
}

/// A name of the public DNS.
fn check_host(host: &str) -> Result<(), Reason> {
    if host.is_empty() {
        return Err("it has no host");
    }
    if host.len() > 253 {
        return Err("its host is longer than 253 characters");
    }
    for label in host.split('.') {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(known) {
            return Err("its host must be a plain domain name such as shop.example.com");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("no part of its host may begin or end with a hyphen");
        }
    }
    let Some((_, last)) = host.rsplit_once('.') else {
        return Err("its host must be a full domain name with a dot in it");
    };
    // Browsers read whatever ends in a number, decimal or 0x…, as an IPv4 address. No top-level domain begins with one.
    if !last.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("its host must be a name, not an IP address");
    }
    if last == "localhost" {
        return Err("its host must be reachable from the internet");
    }
    Ok(())
}

/// RFC 3986: unreserved, sub-delims, whole percent-encodings, and `also`.
fn check_characters(text: &str, also: &[u8]) -> Result<(), Reason> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let whole = [bytes.next(), bytes.next()].iter().all(|digit| digit.is_some_and(|d| d.is_ascii_hexdigit()));
            if !whole {
                return Err("it has a % that two hexadecimal digits do not follow");
            }
        } else if !byte.is_ascii_alphanumeric() && !b"-._~!$&'()*+,;=".contains(&byte) && !also.contains(&byte) {
            return Err("it has a character that must be percent-encoded");
        }
    }
    Ok(())
}

/// No `.` or `..` in a path, however it is written: it would lie elsewhere than it seems. Encoded slashes count as
/// slashes, because some servers take them for such.
fn check_segments(path: &str) -> Result<(), Reason> {
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    if plain.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("its path must not contain . or .. segments");
    }
    Ok(())
}
