//! A catalogue as it arrives: bytes, cut anywhere, to rows. CSV (RFC 4180), TSV (the same with tabs) and NDJSON.
//!
//! Nothing is kept but the row that has begun. What a row means is [`crate::product`]'s to say; here is only where it begins and
//! ends. A row that cannot be taken apart is a bad row. Where it cannot be said how far the damage goes (an open quote, a row
//! without end), the whole file is refused: taken as far as it goes, a replacement would lose the products behind it.

use crate::error::{Problem, Result};
use crate::record::{self, NotJson};
use serde_json::{Map, Value};

/// Longest row, bytes.
pub const MAX_ROW: usize = 128 * 1024;
/// Most columns of a table.
pub const MAX_COLUMNS: usize = 200;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The forms that a catalogue may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Tsv,
    Ndjson,
}

impl Format {
    /// From a `Content-Type`. None: another one, or not UTF-8.
    pub fn of(content_type: &str) -> Option<Format> {
        let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
        let format = match parts.next()?.as_str() {
            "text/csv" => Format::Csv,
            "text/tab-separated-values" => Format::Tsv,
            "application/x-ndjson" => Format::Ndjson,
            _ => return None,
        };
        let charset = parts.find_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()));
        charset.is_none_or(|name| matches!(name.as_str(), "utf-8" | "utf8" | "us-ascii")).then_some(format)
    }

    /// Its name in what a file is recognised by.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Ndjson => "ndjson",
        }
    }
}

/// What a row says: by columns, or by names of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// As many as the header at most; what is missing is empty.
    Table(Vec<String>),
    Object(Map<String, Value>),
}

/// A row that cannot be taken apart, and why.
pub type Malformed = &'static str;

/// A row: its number (1 is the first one with data; empty lines do not count) and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub number: i64,
    pub cells: std::result::Result<Cells, Malformed>,
}

/// Where the reader of a table stands within a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the beginning of a cell.
    Begin,
    Plain,
    Quoted,
    /// Behind a quote within a quoted cell: the end of it, or the first of two.
    Quote,
    /// Behind what is wrong, until the line ends.
    Bad,
}

/// Reads a file piece by piece.
pub struct Feed {
    format: Format,
    /// What of the file has been read, until it is known whether it begins with a byte order mark.
    start: Option<Vec<u8>>,
    /// Of a table, once its first row has been read: names in lower case.
    header: Option<Vec<String>>,
    at: At,
    /// A line feed that follows belongs to the carriage return before it.
    after_return: bool,
    cell: Vec<u8>,
    cells: Vec<Vec<u8>>,
    /// Bytes of this row.
    size: usize,
    number: i64,
    /// Whether a table must have a column `id`.
    by_id: bool,
    /// Bytes of the file before the piece that is read now.
    before: usize,
    /// Where the header ended.
    header_end: Option<usize>,
    /// Where the rows ended, for whoever asked.
    ends: Option<Vec<usize>>,
}

impl Feed {
    pub fn new(format: Format) -> Self {
        Feed {
            format,
            start: Some(Vec::new()),
            header: None,
            at: At::Begin,
            after_return: false,
            cell: Vec::new(),
            cells: Vec::new(),
            size: 0,
            number: 0,
            by_id: true,
            before: 0,
            header_end: None,
            ends: None,
        }
    }

    /// The same for a table whose rows are cut out of the file's own bytes: [`Feed::ends`]. `by_id`: whether it must have a column `id`.
    pub fn with_ends(format: Format, by_id: bool) -> Self {
        Feed { by_id, ends: Some(Vec::new()), ..Feed::new(format) }
    }

    /// Where the rows that were added last ended: bytes from the beginning of the file, one for each row. They are handed out once.
    pub fn ends(&mut self) -> Vec<usize> {
        self.ends.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Where the header ended, once it has been read.
    pub fn header_end(&self) -> Option<usize> {
        self.header_end
    }

    /// The names of a table's columns; empty before they were read, and where rows have names of their own.
    pub fn header(&self) -> &[String] {
        self.header.as_deref().unwrap_or_default()
    }

    /// Rows that were begun so far and are not empty.
    pub fn rows(&self) -> i64 {
        self.number
    }

    /// Takes the next piece. Rows that end in it are added to `rows`.
    pub fn push(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<()> {
        let Some(mut start) = self.start.take() else { return self.read(piece, rows) };
        start.extend_from_slice(piece);
        if start.len() < BOM.len() {
            self.start = Some(start);
            return Ok(());
        }
        self.begin(&start, rows)
    }

    /// After the last piece.
    pub fn finish(&mut self, rows: &mut Vec<Row>) -> Result<()> {
        if let Some(start) = self.start.take() {
            self.begin(&start, rows)?;
        }
        match self.format {
            Format::Ndjson => self.end_line(rows),
            _ if self.at == At::Quoted => Err(self.unending("ends within a quoted cell: a quote is missing, or the file is not whole")),
            _ => {
                let count = rows.len();
                self.end_row(rows)?;
                self.ended(self.before, rows.len() > count);
                Ok(())
            }
        }
    }

    fn begin(&mut self, start: &[u8], rows: &mut Vec<Row>) -> Result<()> {
        if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
            return Err(Problem::request(422, "catalogue_malformed", "The file is UTF-16. Save it as UTF-8."));
        }
        let text = start.strip_prefix(BOM).unwrap_or(start);
        self.before = start.len().saturating_sub(text.len());
        self.read(text, rows)
    }

    /// Notes where a row ended.
    fn ended(&mut self, at: usize, is_row: bool) {
        if self.header.is_some() && self.header_end.is_none() {
            self.header_end = Some(at);
        } else if is_row && let Some(ends) = &mut self.ends {
            ends.push(at);
        }
    }

    fn unending(&self, what: &str) -> Problem {
        let row = self.number.saturating_add(1);
        Problem::request(422, "catalogue_malformed", format!("Row {row} {what}. Nothing was changed."))
    }

    /// Adds bytes to what has begun.
    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.size = self.size.saturating_add(bytes.len());
        // Attack: a line without end, to fill the isolate's memory.
        if self.size > MAX_ROW {
            let hint = if self.format == Format::Ndjson { ": send one object a line, not an array" } else { ": is a quote left open?" };
            return Err(self.unending(&format!("has more than {MAX_ROW} bytes{hint}")));
        }
        self.cell.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<()> {
        match self.format {
            Format::Ndjson => self.lines(piece, rows),
            Format::Csv => self.table(piece, b',', rows),
            Format::Tsv => self.table(piece, b'\t', rows),
        }?;
        self.before = self.before.saturating_add(piece.len());
        Ok(())
    }

    fn lines(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<()> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.keep(line)?;
            self.end_line(rows)?;
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest)
    }

    fn end_line(&mut self, rows: &mut Vec<Row>) -> Result<()> {
        let line = std::mem::take(&mut self.cell);
        self.size = 0;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.number = self.number.saturating_add(1);
        let cells = match record::parsed(&line) {
            Ok(Value::Object(members)) => Ok(Cells::Object(members)),
            Ok(_) => Err("is no JSON object"),
            Err(NotJson::NotUtf8) => Err("is not UTF-8"),
            Err(NotJson::At { .. }) => Err("is no valid JSON"),
        };
        rows.push(Row { number: self.number, cells });
        Ok(())
    }

    fn table(&mut self, piece: &[u8], delimiter: u8, rows: &mut Vec<Row>) -> Result<()> {
        let mut rest = piece;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        loop {
            let at = self.at;
            // What means nothing here is taken in one go.
            let plain = match at {
                At::Quoted => rest.iter().position(|byte| *byte == b'"'),
                At::Begin | At::Quote => (!rest.is_empty()).then_some(0),
                At::Plain => rest.iter().position(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r')),
                At::Bad => rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
            };
            let (text, after) = rest.split_at_checked(plain.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            if at != At::Bad {
                self.keep(text)?;
            }
            let Some((byte, after)) = after.split_first() else { return Ok(()) };
            rest = after;
            match (at, *byte) {
                (At::Quoted, _) => self.at = At::Quote,
                (At::Quote, b'"') => {
                    self.keep(b"\"")?;
                    self.at = At::Quoted;
                }
                (At::Begin, b'"') => self.at = At::Quoted,
                (At::Bad, b'\n' | b'\r') | (_, b'\n' | b'\r') => {
                    let count = rows.len();
                    self.end_row(rows)?;
                    if *byte == b'\r' {
                        if rest.is_empty() {
                            self.after_return = true;
                        }
                        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                    }
                    let at = self.before.saturating_add(piece.len().saturating_sub(rest.len()));
                    self.ended(at, rows.len() > count);
                }
                (At::Begin | At::Plain | At::Quote, byte) if byte == delimiter => self.end_cell()?,
                (At::Quote, _) => self.at = At::Bad,
                (_, byte) => {
                    self.keep(&[byte])?;
                    self.at = At::Plain;
                }
            }
        }
    }

    fn end_cell(&mut self) -> Result<()> {
        if self.cells.len() > MAX_COLUMNS {
            return Err(self.unending(&format!("has more than {MAX_COLUMNS} cells")));
        }
        self.cells.push(std::mem::take(&mut self.cell));
        self.size = self.size.saturating_add(1);
        self.at = At::Begin;
        Ok(())
    }

    fn end_row(&mut self, rows: &mut Vec<Row>) -> Result<()> {
        let bad = self.at == At::Bad;
        self.end_cell()?;
        self.size = 0;
        let cells = std::mem::take(&mut self.cells);
        if !bad && cells.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let texts: Option<Vec<String>> = cells.into_iter().map(|cell| String::from_utf8(cell).ok()).collect();
        let Some(header) = &self.header else {
            self.header = Some(header(texts.filter(|_| !bad), self.by_id)?);
            return Ok(());
        };
        self.number = self.number.saturating_add(1);
        let cells = match texts {
            _ if bad => Err("has text behind a quoted cell: quotes within quotes are doubled"),
            None => Err("is not UTF-8"),
            // Spreadsheets leave out empty cells at the end of a row.
            Some(texts) if texts.len() <= header.len() => Ok(Cells::Table(texts)),
            Some(_) => Err("has more cells than the header"),
        };
        rows.push(Row { number: self.number, cells });
        Ok(())
    }
}

/// The names of the columns, or why nothing can be read under them.
fn header(cells: Option<Vec<String>>, by_id: bool) -> Result<Vec<String>> {
    let refused = |why: &str| Err(Problem::request(422, "catalogue_header_invalid", format!("The header {why}. Nothing was changed.")));
    let Some(cells) = cells else { return refused("cannot be read: is the file UTF-8?") };
    let names: Vec<String> = cells.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    sorted.sort_unstable();
    if let Some([name, _]) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        let name: String = name.chars().take(60).collect();
        return refused(&format!("names the column {name} twice"));
    }
    if by_id && !names.iter().any(|name| name == "id") {
        let first: String = names.join(", ").chars().take(200).collect();
        return refused(&format!("has no column id; it reads: {first}"));
    }
    Ok(names)
}
