//! Small texts that strangers write or that strangers' words go into: cookies, queries, cells of a spreadsheet.

/// The value of a cookie of ours: base64url, so there is nothing to unquote and nothing to decode.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The first value of a query parameter, decoded.
pub fn param(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// One cell as RFC 4180 writes it (the `csv` crate's writer is 20 KB of the binary), defused: what a spreadsheet would run as a
/// formula gets an apostrophe.
///
/// Attack: a buyer chooses his e-mail and an agent its name, and the merchant opens the file. A spreadsheet that separates by
/// semicolons or tabs (Excel in half of Europe) does not see our quotes, and makes a cell of its own of what follows in `x;=cmd()`.
pub fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut begins = true;
    for (place, c) in text.char_indices() {
        if begins && (matches!(c, '=' | '+' | '-' | '@') || place == 0 && matches!(c, '\t' | '\r' | '\n')) {
            cell.push('\'');
        }
        cell.push(c);
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || begins && c == '"';
    }
    if cell.contains([',', ';', '"', '\r', '\n', '\t']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
