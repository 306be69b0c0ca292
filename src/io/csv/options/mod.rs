//! What the user says about CSV files: the options of `read_csv`, by DuckDB's names and by those of pandas, Dask and Polars.
//!
//! [`CsvOptions`] holds them, `table` lists their names and how each is set, `refused` those that others have and we do
//! not need, `value` reads values, `check` reads them all and checks what they say against each other. A new option is a
//! field here with its setter, and an entry in the table.

mod check;
mod delimiter;
mod refused;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::path::{Path, PathBuf};

use crate::io::csv::decode::{Compression, Encoding};
use crate::io::hive::HiveOptions;
use crate::types::DataType;

pub(in crate::io) use self::check::canonical_name;
pub use self::delimiter::Delimiter;

/// Whether the first row holds names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does, unless it looks like data: unless one of its fields reads as a number, a date or a truth value.
    #[default]
    Detect,
    /// It does.
    Yes,
    /// It does not: columns are called `column0`, `column1` and so on.
    No,
}

/// What happens with a value that does not fit its column's type, and with a row of the wrong number of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The query ends with an error that says where.
    #[default]
    Error,
    /// The value, or the field that a short row lacks, becomes null. A row with too many fields is still an error, since
    /// there is no place for what is left over.
    Null,
    /// The row is left out and counted. To judge a row alike in every query, all of its columns are parsed, also those
    /// that are not asked for.
    Reject,
    /// The column gets the least type that holds the value too, in all files, and the query starts again on its own. A
    /// frame, whose types are known before it runs, looks at every value when the files are opened instead. Types that
    /// were declared are never widened, and rows of the wrong length are errors.
    Widen,
}

/// How much is read to infer types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleSize {
    /// 64 KiB of the head, the middle and the end of each file.
    #[default]
    Windows,
    /// That many rows at the head of each file, and 64 KiB of its middle and end.
    Rows(u64),
    /// All.
    All,
}

/// Whether dates and times are looked for where types are inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParseDates {
    /// They are, in all columns.
    #[default]
    Yes,
    /// They are not: such columns are text, unless their type is given.
    No,
    /// They are in all columns; and these hold nothing else, whatever their values look like.
    Columns(Vec<String>),
}

/// Options for reading CSV. The default detects what it can.
///
/// ```
/// use highwater::io::csv::{CsvOptions, OnError};
/// let options = CsvOptions::default().delimiter(b';').null_strings(["-"]).on_error(OnError::Reject);
/// let swiss = CsvOptions::default().delimiter(b';').thousands(b'\'').dateformat("%d.%m.%Y");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CsvOptions {
    pub(in crate::io) delimiter: Option<Delimiter>,
    pub(in crate::io) quote: Option<u8>,
    /// The quote was not given, and may turn out to be another.
    pub(in crate::io) detects_quote: bool,
    pub(in crate::io) escape: Option<u8>,
    pub(in crate::io) comment: Option<u8>,
    pub(in crate::io) header: Header,
    pub(in crate::io) names: Vec<String>,
    /// Whether `names` are all columns, and all have a type: the option `columns`.
    pub(in crate::io) names_are_all: bool,
    pub(in crate::io) types: Vec<(String, DataType)>,
    pub(in crate::io) types_by_position: Vec<DataType>,
    pub(in crate::io) all_varchar: bool,
    pub(in crate::io) assume_missing: bool,
    pub(in crate::io) parse_dates: ParseDates,
    pub(in crate::io) null_strings: Option<Vec<String>>,
    pub(in crate::io) null_strings_of: Vec<(String, Vec<String>)>,
    pub(in crate::io) force_not_null: Vec<String>,
    pub(in crate::io) allow_quoted_nulls: bool,
    pub(in crate::io) decimal_separator: u8,
    pub(in crate::io) thousands: Option<u8>,
    pub(in crate::io) dateformat: Option<String>,
    pub(in crate::io) timestampformat: Option<String>,
    pub(in crate::io) filename: Option<String>,
    pub(in crate::io) skip: u64,
    pub(in crate::io) skip_footer: u64,
    pub(in crate::io) sample_size: SampleSize,
    pub(in crate::io) on_error: OnError,
    pub(in crate::io) null_padding: bool,
    pub(in crate::io) ignore_extra: bool,
    pub(in crate::io) max_rejects: Option<u64>,
    pub(in crate::io) rejects: Option<PathBuf>,
    pub(in crate::io) max_line_size: usize,
    pub(in crate::io) compression: Compression,
    /// `None` for UTF-8, and UTF-16 where its mark says so.
    pub(in crate::io) encoding: Option<Encoding>,
    pub(in crate::io) blocksize: Option<u64>,
    pub(in crate::io) files_to_sniff: Option<usize>,
    pub(in crate::io) union_by_name: bool,
    pub(in crate::io) hive: HiveOptions,
    pub(in crate::io) schema_file: Option<PathBuf>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: Some(b'"'),
            detects_quote: true,
            escape: None,
            comment: None,
            header: Header::Detect,
            names: Vec::new(),
            names_are_all: false,
            types: Vec::new(),
            types_by_position: Vec::new(),
            all_varchar: false,
            assume_missing: false,
            parse_dates: ParseDates::Yes,
            null_strings: None,
            null_strings_of: Vec::new(),
            force_not_null: Vec::new(),
            allow_quoted_nulls: false,
            decimal_separator: b'.',
            thousands: None,
            dateformat: None,
            timestampformat: None,
            filename: None,
            skip: 0,
            skip_footer: 0,
            sample_size: SampleSize::Windows,
            on_error: OnError::Error,
            null_padding: false,
            ignore_extra: false,
            max_rejects: None,
            rejects: None,
            max_line_size: 16 << 20,
            compression: Compression::Auto,
            encoding: None,
            blocksize: None,
            files_to_sniff: None,
            union_by_name: true,
            hive: HiveOptions::default(),
            schema_file: None,
        }
    }
}

/// The setters take values as they are; [`CsvTable::open`](super::CsvTable::open) checks that they fit together.
impl CsvOptions {
    /// What stands between fields, mostly a byte; without it, one of `,` `;` tab and `|` is detected, or `^`, `0x01`,
    /// `0x1f` where all records agree.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<Delimiter>) -> Self {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// The byte around fields; `None` where quotes are data like any other. Unless set it is `"`, or `'` where a file
    /// uses that without any doubt.
    #[must_use]
    pub fn quote(mut self, quote: Option<u8>) -> Self {
        self.quote = quote;
        self.detects_quote = false;
        self
    }

    /// A byte that makes the next one data, inside quotes. A doubled quote means a quote in any case.
    #[must_use]
    pub fn escape(mut self, escape: Option<u8>) -> Self {
        self.escape = escape.filter(|escape| Some(*escape) != self.quote);
        self
    }

    /// Lines that start with this byte are skipped.
    #[must_use]
    pub fn comment(mut self, comment: Option<u8>) -> Self {
        self.comment = comment;
        self
    }

    /// Whether the first row holds names.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.header = header;
        self
    }

    /// Names for the first columns, which replace those of the header.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Names and types of all columns, in the order of the files. Nothing is inferred then, and a first row is a header
    /// only where it says the same names, or by [`header`](Self::header).
    #[must_use]
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = (S, DataType)>) -> Self {
        self.types = columns.into_iter().map(|(name, data_type)| (name.into(), data_type)).collect();
        self.names = self.types.iter().map(|(name, _)| name.clone()).collect();
        self.names_are_all = true;
        self
    }

    /// The types of the first columns, in the order of the files; a type by name wins over one by position.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = DataType>) -> Self {
        self.types_by_position = types.into_iter().collect();
        self
    }

    /// The type of a column, which is then not inferred.
    #[must_use]
    pub fn with_type(mut self, column: impl Into<String>, data_type: DataType) -> Self {
        self.types.push((column.into(), data_type));
        self
    }

    /// Reads every column without a type of its own as text.
    #[must_use]
    pub fn all_varchar(mut self, all_varchar: bool) -> Self {
        self.all_varchar = all_varchar;
        self
    }

    /// Spellings of null, case and all, which replace the usual ones. Quoted text is never null for them.
    #[must_use]
    pub fn null_strings<S: Into<String>>(mut self, strings: impl IntoIterator<Item = S>) -> Self {
        self.null_strings = Some(strings.into_iter().map(Into::into).collect());
        self
    }

    /// Spellings of null in one column, which replace those of the others.
    #[must_use]
    pub fn null_strings_of<S: Into<String>>(
        mut self,
        column: impl Into<String>,
        strings: impl IntoIterator<Item = S>,
    ) -> Self {
        self.null_strings_of.push((column.into(), strings.into_iter().map(Into::into).collect()));
        self
    }

    /// Columns in which nothing is null: an empty text is empty there, and a spelling of null is text. Only a field
    /// that its row does not have is null still.
    #[must_use]
    pub fn force_not_null<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.force_not_null = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Lets quoted text be null in columns of text: where it is empty, or one of [`null_strings`](Self::null_strings).
    #[must_use]
    pub fn allow_quoted_nulls(mut self, allow: bool) -> Self {
        self.allow_quoted_nulls = allow;
        self
    }

    /// The character before the fraction of a number; `.` unless set.
    #[must_use]
    pub fn decimal_separator(mut self, separator: u8) -> Self {
        self.decimal_separator = separator;
        self
    }

    /// The character between groups of three digits, which numbers may then have; it must not be the decimal separator.
    #[must_use]
    pub fn thousands(mut self, separator: u8) -> Self {
        self.thousands = Some(separator);
        self
    }

    /// How dates are written, as for C's strptime: `%d.%m.%Y`. ISO 8601 unless set. With a time, it says how timestamps
    /// are written.
    #[must_use]
    pub fn dateformat(mut self, format: impl Into<String>) -> Self {
        self.dateformat = Some(format.into());
        self
    }

    /// How timestamps are written, as for C's strptime: `%d.%m.%Y %H:%M`. ISO 8601 unless set.
    #[must_use]
    pub fn timestampformat(mut self, format: impl Into<String>) -> Self {
        self.timestampformat = Some(format.into());
        self
    }

    /// Whether dates and times are looked for where types are inferred.
    #[must_use]
    pub fn parse_dates(mut self, parse_dates: ParseDates) -> Self {
        self.parse_dates = parse_dates;
        self
    }

    /// Infers DOUBLE where all numbers seen are whole, for values further on may be missing or have a fraction (Dask); but
    /// not where a double would round one of them.
    #[must_use]
    pub fn assume_missing(mut self, assume_missing: bool) -> Self {
        self.assume_missing = assume_missing;
        self
    }

    /// Adds a column of that name with the path of the file that a row comes from.
    #[must_use]
    pub fn filename(mut self, column: impl Into<String>) -> Self {
        self.filename = Some(column.into());
        self
    }

    /// Lines to leave out at the start of each file.
    #[must_use]
    pub fn skip(mut self, lines: u64) -> Self {
        self.skip = lines;
        self
    }

    /// Lines to leave out at the end of each file. An empty line counts, and a quoted line end does too.
    #[must_use]
    pub fn skip_footer(mut self, lines: u64) -> Self {
        self.skip_footer = lines;
        self
    }

    /// How much is read to infer types.
    #[must_use]
    pub fn sample_size(mut self, size: SampleSize) -> Self {
        self.sample_size = size;
        self
    }

    /// What happens with what does not fit.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// Gives rows that are too short nulls for the fields they lack.
    #[must_use]
    pub fn null_padding(mut self, null_padding: bool) -> Self {
        self.null_padding = null_padding;
        self
    }

    /// How the files are compressed; found out from each file unless set.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How the text of the files is encoded: UTF-8 unless set, and UTF-16 where a file begins with its byte order mark.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = Some(encoding);
        self
    }

    /// Reads rows that are too long without the fields that the header has no names for.
    #[must_use]
    pub fn ignore_extra(mut self, ignore_extra: bool) -> Self {
        self.ignore_extra = ignore_extra;
        self
    }

    /// Ends a statement with an error once it rejected more rows than these, in all that it reads; `None` for no limit.
    #[must_use]
    pub fn max_rejects(mut self, rows: Option<u64>) -> Self {
        self.max_rejects = rows;
        self
    }

    /// Writes what did not fit to this file when a query ends; it replaces one that is there.
    #[must_use]
    pub fn rejects(mut self, file: impl Into<PathBuf>) -> Self {
        self.rejects = Some(file.into());
        self
    }

    /// The file that takes what did not fit.
    pub(crate) fn rejects_file(&self) -> Option<&Path> {
        self.rejects.as_deref()
    }

    /// What happens with what does not fit.
    pub(crate) fn errors(&self) -> OnError {
        self.on_error
    }

    /// Bytes that a record may have at most, 16 MiB unless set: a quote that is never closed ends in an error and not
    /// with the file in memory.
    #[must_use]
    pub fn max_line_size(mut self, bytes: usize) -> Self {
        self.max_line_size = bytes;
        self
    }

    /// Bytes of a file that make one partition, in place of the session's `partition_bytes`.
    #[must_use]
    pub fn blocksize(mut self, bytes: u64) -> Self {
        self.blocksize = Some(bytes);
        self
    }

    /// Infers types from that many of the files, evenly spread, and not from all. Names come from the headers of all.
    #[must_use]
    pub fn files_to_sniff(mut self, files: Option<usize>) -> Self {
        self.files_to_sniff = files;
        self
    }

    /// Matches columns of several files by name, which is usual, or by position: then all files must have as many.
    #[must_use]
    pub fn union_by_name(mut self, by_name: bool) -> Self {
        self.union_by_name = by_name;
        self
    }

    /// How columns in the paths of files, `year=2024/`, are read.
    #[must_use]
    pub fn hive(mut self, hive: HiveOptions) -> Self {
        self.hive = hive;
        self
    }

    /// Takes dialect, names and types from a schema file, and looks only at files that are new or have changed since.
    #[must_use]
    pub fn schema_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.schema_file = Some(path.into());
        self
    }
}
