//! Small texts that strangers write or that strangers' words go into: cookies, queries, cells of a spreadsheet.

/// The value of a cookie of ours: base64url, so there is nothing to unquote and nothing to decode.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The first value of a query parameter, decoded.
pub fn param(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// At most so many characters of a stranger's text, on one line.
pub fn cut(text: &str, characters: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(characters).collect()
}

/// A text as it is compared where case does not matter. Greek has two small letters for one capital: which one it is depends on where it
/// stands, and buyers write either.
pub fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect()
}

/// A path's segment, decoded (RFC 3986, 2.1). None where a `%` has no two hexadecimal digits, or what comes out is no UTF-8.
pub fn percent_decoded(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit()?, digit()?);
        decoded.push(high.checked_mul(16)?.checked_add(low)?);
    }
    String::from_utf8(decoded).ok()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` where there is no such day.
pub fn civil_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year.checked_rem(4)? == 0 && (year.checked_rem(100)? != 0 || year.checked_rem(400)? == 0);
    let length = match month {
        2 => 28_i64.checked_add(i64::from(leap))?,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March end with the day that is sometimes missing.
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let month = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let of_year = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
    let leaps = year.checked_div_euclid(4)?.checked_sub(year.checked_div_euclid(100)?)?.checked_add(year.checked_div_euclid(400)?)?;
    year.checked_mul(365)?.checked_add(leaps)?.checked_add(of_year)?.checked_sub(719_468)
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
