//! What the user says about CSV files: the options of `read_csv`, by DuckDB's names and by those of pandas, Dask and Polars.

use std::path::PathBuf;

use super::file_options::FILE_OPTIONS;
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::io::hive::HiveOptions;
use crate::io::options::{OptionValue, Options};
use crate::types::{DataType, TEXT, parse_bytes, parse_type};

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

/// Options for reading CSV. The default detects what it can.
///
/// ```
/// use highwater::io::csv::{CsvOptions, OnError};
/// let options = CsvOptions::default().delimiter(b';').null_strings(["-"]).on_error(OnError::Reject);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CsvOptions {
    pub(super) delimiter: Option<u8>,
    pub(super) quote: Option<u8>,
    /// The quote was not given, and may turn out to be another.
    pub(super) detects_quote: bool,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) header: Header,
    pub(super) names: Vec<String>,
    pub(super) types: Vec<(String, DataType)>,
    pub(super) all_varchar: bool,
    pub(super) null_strings: Option<Vec<String>>,
    pub(super) filename: Option<String>,
    pub(super) skip: u64,
    pub(super) sample_size: SampleSize,
    pub(super) on_error: OnError,
    pub(super) null_padding: bool,
    pub(super) max_line_size: usize,
    pub(super) files_to_sniff: Option<usize>,
    pub(super) union_by_name: bool,
    pub(super) hive: HiveOptions,
    pub(super) schema_file: Option<PathBuf>,
}

/// The largest `max_line_size`: positions in a block are 32 bits wide, and two of them carry flags.
const MAX_LINE_SIZE: u64 = 1 << 29;

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
            types: Vec::new(),
            all_varchar: false,
            null_strings: None,
            filename: None,
            skip: 0,
            sample_size: SampleSize::Windows,
            on_error: OnError::Error,
            null_padding: false,
            max_line_size: 16 << 20,
            files_to_sniff: None,
            union_by_name: true,
            hive: HiveOptions::default(),
            schema_file: None,
        }
    }
}

/// The setters take values as they are; [`CsvTable::open`](super::CsvTable::open) checks that they fit together.
impl CsvOptions {
    /// The byte between fields; without it, one of `,` `;` tab and `|` is detected, or `^`, `0x01`, `0x1f` where all agree.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = Some(delimiter);
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

    /// Bytes that a record may have at most, 16 MiB unless set: a quote that is never closed ends in an error and not
    /// with the file in memory.
    #[must_use]
    pub fn max_line_size(mut self, bytes: usize) -> Self {
        self.max_line_size = bytes;
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

    /// Reads options as SQL, the API and the command line give them.
    ///
    /// # Errors
    /// A usage error for an unknown name, which suggests a near one, a value of the wrong kind, and values that
    /// contradict each other.
    pub fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in options {
            parsed.set(name, value)?;
        }
        parsed.escape = parsed.escape.filter(|escape| Some(*escape) != parsed.quote);
        parsed.check()?;
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &OptionValue) -> Result<()> {
        let wanted = name.to_ascii_lowercase();
        let all = || OPTIONS.iter().chain(FILE_OPTIONS);
        let Some(option) = all().find(|option| option.names.contains(&wanted.as_str())) else {
            let names = all().flat_map(|option| option.names.iter().copied());
            let error = Error::usage(format!("read_csv has no option '{name}'"));
            return Err(match suggest(&wanted, names) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => {
                    let names: Vec<_> = all().filter_map(|option| option.names.first().copied()).collect();
                    error.with_hint(format!("options are {}", names.join(", ")))
                }
            });
        };
        (option.set)(self, value)
            .map_err(|problem| Error::usage(format!("the option '{name}' is {problem}")).with_hint(option.usage))
    }

    /// Checks what the options say against each other.
    pub(super) fn check(&self) -> Result<()> {
        let special =
            [("delim", self.delimiter), ("quote", self.quote), ("escape", self.escape), ("comment", self.comment)];
        for (index, (name, byte)) in special.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) {
                return Err(Error::usage(format!("the option '{name}' must be one ASCII character, and no line end")));
            }
            if let Some((other, _)) = special[..index].iter().find(|(_, earlier)| *earlier == Some(*byte)) {
                return Err(Error::usage(format!(
                    "the options '{other}' and '{name}' are both '{}'",
                    char::from(*byte)
                )));
            }
        }
        for (index, name) in self.names.iter().enumerate() {
            if self.names[..index].contains(name) {
                return Err(Error::usage(format!("the option 'names' holds '{name}' twice")));
            }
        }
        if self.max_line_size == 0 || self.max_line_size as u64 > MAX_LINE_SIZE {
            return Err(Error::usage("the option 'max_line_size' must be between 1 byte and 512MiB"));
        }
        Ok(())
    }
}

/// What is wrong with a value, to follow "the option 'x' is".
pub(super) type Problem = String;

/// An option: its names (ours first), how it is written, and how it is set.
pub(super) struct CsvOption {
    pub names: &'static [&'static str],
    pub usage: &'static str,
    pub set: fn(&mut CsvOptions, &OptionValue) -> Result<(), Problem>,
}

const OPTIONS: &[CsvOption] = &[
    CsvOption {
        names: &["delim", "sep", "separator", "delimiter", "field_delimiter"],
        usage: "write the character between fields: delim = ';' or delim = '\\t'",
        set: |options, value| {
            options.delimiter = Some(one_byte(value)?.ok_or("empty")?);
            Ok(())
        },
    },
    CsvOption {
        names: &["quote", "quotechar", "quote_char"],
        usage: "write the character around fields: quote = '\"', or quote = '' for none",
        set: |options, value| {
            options.quote = one_byte(value)?;
            options.detects_quote = false;
            Ok(())
        },
    },
    CsvOption {
        names: &["escape", "escapechar", "escape_char"],
        usage: "write the character that makes the next one data: escape = '\\'",
        set: |options, value| {
            options.escape = one_byte(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["comment", "comment_char", "comment_prefix"],
        usage: "write the character that starts a comment line: comment = '#'",
        set: |options, value| {
            options.comment = one_byte(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["header", "has_header"],
        usage: "write header = true, false or 'detect'",
        set: |options, value| {
            options.header = match value {
                OptionValue::Boolean(true) => Header::Yes,
                OptionValue::Boolean(false) => Header::No,
                // pandas counts the row that holds the names.
                OptionValue::Number(number) if *number == 0.0 => Header::Yes,
                OptionValue::Text(text) => match text.to_ascii_lowercase().as_str() {
                    "detect" | "auto" | "infer" => Header::Detect,
                    "true" | "yes" => Header::Yes,
                    "false" | "no" | "none" => Header::No,
                    _ => return Err(format!("'{text}', which is none of true, false and detect")),
                },
                other => return Err(wrong_kind(other)),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["names", "column_names", "new_columns"],
        usage: "write names = ['a', 'b']",
        set: |options, value| {
            options.names = texts(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["types", "dtype", "dtypes", "schema_overrides", "schema", "column_types"],
        usage: "write types = {'column': 'TYPE'}",
        set: |options, value| match value {
            OptionValue::Map(entries) => {
                options.types = entries
                    .iter()
                    .map(|(column, name)| Ok((column.clone(), data_type(name)?)))
                    .collect::<Result<_, Problem>>()?;
                Ok(())
            }
            // pandas: dtype = 'str'
            OptionValue::Text(_) if data_type(value)? == TEXT => {
                options.all_varchar = true;
                Ok(())
            }
            other => Err(wrong_kind(other)),
        },
    },
    CsvOption {
        names: &["all_varchar"],
        usage: "write all_varchar = true",
        set: |options, value| {
            options.all_varchar = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["nullstr", "na_values", "null_values", "nulls", "null"],
        usage: "write nullstr = '-' or nullstr = ['-', 'n.a.']",
        set: |options, value| {
            options.null_strings = Some(texts(value)?);
            Ok(())
        },
    },
    CsvOption {
        names: &["filename", "include_file_paths", "include_path_column"],
        usage: "write filename = true, or the new column's name: filename = 'path'",
        set: |options, value| {
            options.filename = match value {
                OptionValue::Boolean(true) => Some("filename".into()),
                OptionValue::Boolean(false) => None,
                OptionValue::Text(name) if !name.is_empty() => Some(name.clone()),
                other => return Err(wrong_kind(other)),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["skip", "skip_rows", "skiprows", "skip_lines"],
        usage: "write the number of lines to leave out at the start: skip = 2",
        set: |options, value| {
            options.skip = whole_number(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["sample_size", "infer_schema_length", "sample"],
        usage: "write a number of rows, or -1 for all: sample_size = 10000",
        set: |options, value| {
            options.sample_size = match value {
                OptionValue::Number(number) if *number == -1.0 => SampleSize::All,
                other => match whole_number(other)? {
                    0 => return Err("0, which leaves nothing to infer types from".into()),
                    rows => SampleSize::Rows(rows),
                },
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["on_error", "on_bad_lines"],
        usage: "write on_error = 'error', 'null' or 'reject'",
        set: |options, value| {
            options.on_error = match text(value)?.to_ascii_lowercase().as_str() {
                "error" | "raise" => OnError::Error,
                "null" | "coerce" => OnError::Null,
                "reject" | "skip" => OnError::Reject,
                other => return Err(format!("'{other}', which is none of error, null and reject")),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["ignore_errors"],
        usage: "write on_error = 'reject' (the row is left out) or 'null' (the value is)",
        set: |options, value| {
            options.on_error = if boolean(value)? { OnError::Reject } else { OnError::Error };
            Ok(())
        },
    },
    CsvOption {
        names: &["null_padding"],
        usage: "write null_padding = true",
        set: |options, value| {
            options.null_padding = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["max_line_size", "maximum_line_size"],
        usage: "write a number of bytes: max_line_size = '64MiB'",
        set: |options, value| {
            let bytes = match value {
                OptionValue::Text(text) => parse_bytes(text).map_err(|error| error.kind().message.clone())?,
                other => whole_number(other)?,
            };
            options.max_line_size = usize::try_from(bytes).unwrap_or(usize::MAX);
            Ok(())
        },
    },
    CsvOption {
        names: &["encoding"],
        usage: "convert the file first: iconv -t UTF-8",
        set: |_, value| match text(value)?.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "utf8" => Ok(()),
            other => Err(format!("'{other}', but only UTF-8 can be read")),
        },
    },
];

/// The first name of the option that has this name; `None`, where there is none.
pub(super) fn canonical_name(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let option = OPTIONS.iter().chain(FILE_OPTIONS).find(|option| option.names.contains(&wanted.as_str()))?;
    option.names.first().copied()
}

pub(super) fn wrong_kind(value: &OptionValue) -> Problem {
    match value {
        OptionValue::Text(text) => format!("the text '{text}'"),
        OptionValue::Boolean(value) => format!("the truth value {value}"),
        OptionValue::Number(number) => format!("the number {number}"),
        OptionValue::List(_) => "a list".into(),
        OptionValue::Map(_) => "a map".into(),
    }
}

pub(super) fn text(value: &OptionValue) -> Result<&str, Problem> {
    match value {
        OptionValue::Text(text) => Ok(text),
        other => Err(wrong_kind(other)),
    }
}

fn texts(value: &OptionValue) -> Result<Vec<String>, Problem> {
    match value {
        OptionValue::Text(text) => Ok(vec![text.clone()]),
        OptionValue::List(items) => items.iter().map(|item| text(item).map(String::from)).collect(),
        other => Err(wrong_kind(other)),
    }
}

pub(super) fn boolean(value: &OptionValue) -> Result<bool, Problem> {
    match value {
        OptionValue::Boolean(value) => Ok(*value),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        OptionValue::Number(number) if *number == 0.0 || *number == 1.0 => Ok(*number == 1.0),
        other => Err(wrong_kind(other)),
    }
}

pub(super) fn whole_number(value: &OptionValue) -> Result<u64, Problem> {
    match value {
        OptionValue::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 9e15 => Ok(*number as u64),
        OptionValue::Text(text) => text.trim().parse().map_err(|_| wrong_kind(value)),
        other => Err(wrong_kind(other)),
    }
}

fn data_type(value: &OptionValue) -> Result<DataType, Problem> {
    parse_type(text(value)?).map_err(|error| format!("wrong: {}", error.kind().message))
}

/// One ASCII character; `\t` and `tab` may be spelt out; `None` for the empty text.
fn one_byte(value: &OptionValue) -> Result<Option<u8>, Problem> {
    match text(value)? {
        "" => Ok(None),
        "\\t" | "tab" => Ok(Some(b'\t')),
        text => match text.as_bytes() {
            [byte] => Ok(Some(*byte)),
            _ => Err(format!("'{text}', which is not one ASCII character")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, value: OptionValue) -> Result<CsvOptions> {
        CsvOptions::parse(&vec![(name.to_string(), value)])
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.into())
    }

    #[test]
    fn names_of_pandas_dask_and_polars_mean_the_same() {
        for name in ["delim", "sep", "separator", "delimiter"] {
            assert_eq!(parse(name, text(";")).unwrap(), CsvOptions::default().delimiter(b';'));
        }
        let types = OptionValue::Map(vec![("a".into(), text("bigint"))]);
        for name in ["types", "dtype", "dtypes", "schema_overrides"] {
            assert_eq!(parse(name, types.clone()).unwrap(), CsvOptions::default().with_type("a", DataType::Int64));
        }
        assert_eq!(parse("dtype", text("str")).unwrap(), CsvOptions::default().all_varchar(true));
        let nulls = OptionValue::List(vec![text("-"), text("x")]);
        assert_eq!(parse("na_values", nulls).unwrap(), CsvOptions::default().null_strings(["-", "x"]));
        assert_eq!(
            parse("header", OptionValue::Number(0.0)).unwrap(),
            CsvOptions::default().header(Header::Yes),
            "pandas counts rows"
        );
        assert_eq!(
            parse("infer_schema_length", OptionValue::Number(-1.0)).unwrap(),
            CsvOptions::default().sample_size(SampleSize::All)
        );
        assert_eq!(parse("sep", text("\\t")).unwrap(), CsvOptions::default().delimiter(b'\t'));
    }

    #[test]
    fn wrong_options_say_what_would_be_right() {
        let message = |result: Result<CsvOptions>| result.unwrap_err().to_string();
        assert!(message(parse("delimitr", text(";"))).contains("did you mean 'delimiter'"));
        assert!(message(parse("zzz", text(";"))).contains("options are delim, quote"));
        assert!(message(parse("delim", text(";;"))).contains("not one ASCII character"));
        assert!(message(parse("skip", text("two"))).contains("the text 'two'"));
        assert!(message(parse("skip", OptionValue::Number(-1.0))).contains("the number -1"));
        assert!(message(parse("header", OptionValue::List(vec![]))).contains("a list"));
        assert!(message(parse("types", OptionValue::Map(vec![("a".into(), text("blub"))]))).contains("no type 'blub'"));
        assert!(message(parse("delim", text("\""))).contains("both"));
        assert!(message(parse("encoding", text("latin-1"))).contains("UTF-8"));
        assert!(message(parse("max_line_size", text("1TB"))).contains("512MiB"));
        assert!(message(parse("infer", text("some"))).contains("none of sample and full"));
        assert!(message(parse("files_to_sniff", OptionValue::Number(0.0))).contains("nothing"));
        assert!(message(parse("hive_partitioning", OptionValue::Number(3.0))).contains("the number 3"));
        assert!(message(parse("hive_types", text("INT"))).contains("the text 'INT'"));
    }

    #[test]
    fn an_escape_that_is_the_quote_means_doubled_quotes() {
        assert_eq!(parse("escape", text("\"")).unwrap(), CsvOptions::default());
        assert_eq!(parse("quote", text("")).unwrap().quote, None);
        assert_eq!(canonical_name("SEP"), Some("delim"));
    }
}
