//! What did not fit while files were read: one record for each value that became null or cost its row, and for each row
//! of the wrong length.
//!
//! Scans find [`Reject`]s in any order and give them, task by task, to the [`RejectLog`] of their statement, which counts
//! all, keeps them in the order of the data within bounded memory, and says when there are too many. When the
//! statement has ended the log can be read as batches of [`reject_schema`]: for the table function `rejects()` and for
//! files. Lines are counted only then, in one pass over each file that has rejects.

mod log;
mod read;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use log::{Chunk, RejectLog, SHOWN_BYTES};
pub use read::{RejectBatch, RejectReader};

use crate::error::{DataLocation, Error};
use crate::types::{DataType, Field, Schema, SchemaRef, TEXT, sql_name};

/// Bytes of a field's or record's text that a record holds; what is longer is cut, and ends in `…`.
const MOST_TEXT: usize = 1 << 20;
/// Characters of it that a message shows.
const SHOWN: usize = 80;

/// A value or a row that did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where in the file its record starts.
    pub offset: u64,
    /// The column, by index into the columns of its scan; `None` where the row has the wrong number of fields.
    pub column: Option<usize>,
    /// Why it did not fit.
    pub reason: Reason,
    /// The field's text as the file has it.
    pub raw: Option<Box<str>>,
    /// The record's text, where the row was left out, or no field of it is to blame. Of several rejects of one row the
    /// first has it.
    pub record: Option<Box<str>>,
}

/// Why something did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The field's text is no value of the column's type.
    Value,
    /// The field's text is not valid UTF-8.
    Text,
    /// The row has too few fields, or too many.
    Fields {
        /// How many it has.
        found: usize,
        /// How many were expected.
        expected: usize,
    },
    /// The record cannot be read, in words.
    Record(&'static str),
}

impl Reason {
    /// In words that stay the same: `not a BIGINT`, `too few fields: 3 of 5`.
    pub fn describe(self, data_type: Option<&DataType>) -> String {
        match self {
            Self::Value => {
                let name = data_type.map_or_else(|| "value of its column".into(), sql_name);
                let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
                format!("not {article} {name}")
            }
            Self::Text => "not valid UTF-8".into(),
            Self::Record(what) => what.into(),
            Self::Fields { found, expected } if found < expected => format!("too few fields: {found} of {expected}"),
            Self::Fields { found, expected } => format!("too many fields: {found} of {expected}"),
        }
    }
}

impl Reject {
    /// Text of a file as a record holds it.
    pub fn text(raw: &[u8]) -> Box<str> {
        let mut text = String::from_utf8_lossy(&raw[..raw.len().min(MOST_TEXT)]).into_owned();
        if raw.len() > MOST_TEXT {
            text.push('…');
        }
        text.into_boxed_str()
    }

    /// Bytes of memory that it takes.
    fn memory(&self) -> u64 {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        (size_of::<Self>() + text(&self.raw) + text(&self.record)) as u64
    }
}

/// A file that rejects are found in.
pub trait RejectFile: Debug + Send + Sync {
    /// Where it is.
    fn path(&self) -> &Path;

    /// Tells lines, from 1, of offsets that do not decrease from call to call; `None` where the file cannot be read any
    /// more.
    fn lines(&self) -> Box<dyn FnMut(u64) -> Option<u64> + Send>;
}

/// A scan of files, as the log needs to know it.
#[derive(Clone, Debug)]
pub struct RejectScan {
    /// Its files, in the order of their rows.
    pub files: Vec<Arc<dyn RejectFile>>,
    /// Its columns.
    pub schema: SchemaRef,
    /// Rows that may be rejected.
    pub limit: Option<u64>,
    /// The file that its rejects are written to.
    pub target: Option<PathBuf>,
}

impl RejectScan {
    fn reason(&self, reject: &Reject) -> String {
        let field = reject.column.and_then(|column| self.schema.fields().get(column));
        reject.reason.describe(field.map(|field| field.data_type()))
    }

    fn column(&self, reject: &Reject) -> Option<&str> {
        Some(self.schema.fields().get(reject.column?)?.name().as_str())
    }

    /// An error that points at a reject; counts the lines before it.
    fn error(&self, message: String, file: usize, reject: &Reject) -> Error {
        let file = self.files.get(file);
        let raw = reject.raw.as_deref().or(reject.record.as_deref());
        let shown = raw.map(|raw| {
            let cut = raw.char_indices().nth(SHOWN).map(|(at, _)| at);
            cut.map_or_else(|| raw.to_string(), |at| format!("{}…", &raw[..at]))
        });
        Error::data(message).with_location(DataLocation {
            file: file.map(|file| file.path().to_path_buf()),
            line: file.and_then(|file| (file.lines())(reject.offset)),
            byte_offset: Some(reject.offset),
            column: self.column(reject).map(String::from),
            raw: shown,
        })
    }
}

/// The columns of rejects as a table: `file`, `line`, `byte_offset`, `column`, `reason`, `raw`, `record`.
pub fn reject_schema() -> SchemaRef {
    let fields = [
        ("file", TEXT),
        ("line", DataType::Int64),
        ("byte_offset", DataType::Int64),
        ("column", TEXT),
        ("reason", TEXT),
        ("raw", TEXT),
        ("record", TEXT),
    ];
    Arc::new(Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}
