//! Errors about records and values, with their place in the file.

use std::path::Path;

use memchr::memchr_iter;

use super::detect::DELIMITERS;
use super::file::{InputFile, TextReader};
use crate::error::{DataLocation, Error};
use crate::rejects::RejectFile;
use crate::types::{DataType, format_bytes, sql_name};

/// Characters of raw text that an error shows.
const SHOWN: usize = 80;
/// Bytes read at once to count lines.
const READ: usize = 256 << 10;
/// Bytes at the start of a file in which a title may stand.
const HEAD: usize = 16 << 10;
/// What may be meant by a line that is none of data.
const COMMENT: &str = "if lines that begin with '#' are comments, use comment='#'; otherwise ";

/// A record of a file, for an error about it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file.
    pub input: &'a InputFile,
    /// Where the record starts.
    pub offset: u64,
}

impl Place<'_> {
    fn location(&self, column: Option<&str>, raw: &[u8]) -> DataLocation {
        DataLocation {
            file: Some(self.input.path().to_path_buf()),
            line: line_of(self.input, self.offset),
            byte_offset: Some(self.offset),
            column: column.map(String::from),
            raw: Some(shortened(raw)),
        }
    }

    /// A value that does not fit its column.
    pub fn bad_value(&self, column: &str, data_type: &DataType, inferred: bool, raw: &[u8]) -> Error {
        let name = sql_name(data_type);
        // A declared type is never widened.
        let (how, widen) = if inferred { (", which samples of the files suggested", "'widen', ") } else { ("", "") };
        Error::data(format!("a value does not fit the type of its column: {name}{how}"))
            .with_location(self.location(Some(column), raw))
            .with_hint(format!(
                "{}read the column as text by types={{'{}': 'VARCHAR'}}, or use on_error={widen}'null' or 'reject'",
                if raw.starts_with(b"#") { COMMENT } else { "" },
                column.replace('\'', "''")
            ))
    }

    /// Text that is not UTF-8.
    pub fn bad_text(&self, column: &str, raw: &[u8]) -> Error {
        Error::data("a text is not valid UTF-8").with_location(self.location(Some(column), raw)).with_hint(
            "name the encoding, such as encoding='windows-1252', or use on_error='null' or on_error='reject'",
        )
    }

    /// A row with too few or too many fields.
    pub fn ragged(&self, fields: usize, expected: usize, record: &[u8]) -> Error {
        let location = self.location(None, record);
        let line = location.line.map_or_else(|| "a row".into(), |line| format!("line {line}"));
        let plural = if fields == 1 { "" } else { "s" };
        let titles = if fields > expected { self.lines_of_title(fields, record) } else { None };
        let hint = match titles {
            _ if record.starts_with(b"#") => format!("{COMMENT}use on_error='reject' to leave such rows out"),
            Some(lines) => format!(
                "if the table starts here, and what stands above is a title, use skip={lines}; otherwise use \
                 ignore_extra=true to leave out what is too much, or on_error='reject' to leave such rows out"
            ),
            None if fields < expected => {
                "use null_padding=true to read what is missing as null, or on_error='reject' to \
                                          leave such rows out"
                    .into()
            }
            None => {
                "put quotes around fields that hold the delimiter, or use ignore_extra=true to leave out what is too \
                     much, or on_error='reject' to leave such rows out"
                    .into()
            }
        };
        Error::data(format!("{line} has {fields} field{plural}, {expected} expected"))
            .with_location(location)
            .with_hint(hint)
    }

    /// How many lines above a record of so many fields are a title, which was taken for the header: there are few, all have
    /// fewer delimiters, and the lines below have as many. A guess without regard to quotes, for a hint.
    fn lines_of_title(&self, fields: usize, record: &[u8]) -> Option<usize> {
        let start = usize::try_from(self.offset).ok().filter(|start| *start < HEAD)?;
        let mut head = vec![0; HEAD + record.len()];
        let mut reader = self.input.open().and_then(|file| TextReader::new(self.input, file)).ok()?;
        let filled = reader.fill(self.input, &mut head).ok()?;
        let (above, below) = head.get(..filled)?.split_at_checked(start)?;
        let count = |delimiter: u8, line: &[u8]| memchr_iter(delimiter, line).count() + 1;
        let delimiter = DELIMITERS.into_iter().find(|delimiter| count(*delimiter, record) == fields)?;
        let mut next = full_lines(below).skip(1).take(2).peekable();
        let is_table = next.peek().is_some() && next.all(|line| count(delimiter, line) == fields);
        let is_title = full_lines(above).all(|line| count(delimiter, line) < fields);
        (is_table && is_title).then(|| memchr_iter(b'\n', above).count())
    }

    /// The first row of a file that is data where the files before it have names, or the other way round.
    pub fn other_header(&self, has_header: bool, row: &[Vec<u8>]) -> Error {
        let (this, others) = match has_header {
            true => ("has no header: its first row looks like data", "have one"),
            false => ("has a header", "have none"),
        };
        let raw = row.join(&b","[..]);
        Error::data(format!("'{}' {this}, and the files before it {others}", self.input.path().display()))
            .with_location(self.location(None, &raw))
            .with_hint("read it by itself; or set header=true, if all files have one, or header=false, if none has")
    }

    /// A quote that the file never closes.
    pub fn unterminated(&self, record: &[u8]) -> Error {
        Error::data("a quote is never closed, up to the end of the file")
            .with_location(self.location(None, record))
            .with_hint("close it, double quotes inside of quoted text, or read without quotes by quote=''")
    }

    /// A record that is longer than allowed.
    pub fn too_long(&self, limit: usize, record: &[u8]) -> Error {
        Error::data(format!("a record is longer than {}", format_bytes(limit as u64)))
            .with_location(self.location(None, record))
            .with_hint("is there a quote that is never closed? If not, set max_line_size")
    }
}

/// The line that a position is in, from 1; `None` where the file cannot be read any more. A stream is decoded again.
pub(in crate::io) fn line_of(input: &InputFile, offset: u64) -> Option<u64> {
    Lines::new(input.clone()).line_of(offset)
}

impl RejectFile for InputFile {
    fn path(&self) -> &Path {
        Self::path(self)
    }

    fn lines(&self) -> Box<dyn FnMut(u64) -> Option<u64> + Send> {
        let mut lines = Lines::new(self.clone());
        Box::new(move |offset| lines.line_of(offset))
    }
}

/// Counts the lines of a file from its start.
struct Lines {
    input: InputFile,
    /// `None` once it cannot be read.
    reader: Option<TextReader>,
    line: u64,
    at: u64,
    buffer: Vec<u8>,
}

impl Lines {
    fn new(input: InputFile) -> Self {
        let reader = input.open().and_then(|file| TextReader::new(&input, file)).ok();
        Self { reader, input, line: 1, at: 0, buffer: vec![0; READ] }
    }

    /// The line that a position is in, which is not before that of the last call.
    fn line_of(&mut self, offset: u64) -> Option<u64> {
        while self.at < offset {
            let amount = usize::try_from(offset - self.at).unwrap_or(READ).min(READ);
            let read = self.reader.as_mut()?.fill(&self.input, &mut self.buffer[..amount]);
            let Some(filled) = read.ok().filter(|filled| *filled > 0) else {
                self.reader = None;
                return None;
            };
            self.line += memchr_iter(b'\n', &self.buffer[..filled]).count() as u64;
            self.at += filled as u64;
        }
        self.reader.is_some().then_some(self.line)
    }
}

/// The lines that hold something.
fn full_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// The beginning of a text, for a message.
pub(in crate::io) fn shortened(raw: &[u8]) -> String {
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&raw[..raw.len().min(4 * SHOWN + 4)]);
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < raw.len() && text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
