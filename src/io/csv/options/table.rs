//! The options by name: how each is written, and how it is set.

use super::value::{
    Problem, boolean, bytes, data_type, delimiter, one_byte, text, texts, types_by_name, whole_number, wrong_kind,
};
use super::{CsvOptions, Header, OnError, ParseDates, SampleSize};
use crate::io::csv::decode::{Compression, Encoding};
use crate::io::csv::formats::check_separator;
use crate::io::csv::strptime::TimeFormat;
use crate::io::hive::{HivePartitioning, parse_hive_types};
use crate::io::options::OptionValue;
use crate::io::path_columns::filename;
use crate::types::TEXT;

/// An option: its names (ours first), how it is written, and how it is set. Names that say the same in other ways, as
/// `ignore_errors` and `on_error`, are one option, so that two of them cannot contradict each other.
pub struct CsvOption {
    pub names: &'static [&'static str],
    pub usage: &'static str,
    pub set: fn(&mut CsvOptions, &OptionValue) -> Result<(), Problem>,
}

/// The names of the options that say what happens with what does not fit.
pub const ON_ERROR: [&str; 4] = ["on_error", "on_bad_lines", "ignore_errors", "store_rejects"];

/// All options, in the order in which errors list them.
pub const OPTIONS: &[CsvOption] = &[
    CsvOption {
        names: &["delim", "sep", "separator", "delimiter", "field_delimiter"],
        usage: "write the character between fields: delim = ';' or delim = '\\t'",
        set: |options, value| {
            options.delimiter = Some(delimiter(value)?);
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
        names: &["columns", "schema"],
        usage: "write columns = {'column': 'TYPE'} with all columns of the files",
        set: |options, value| match value {
            OptionValue::Map(entries) => {
                options.types.splice(..0, types_by_name(entries)?);
                options.names.splice(..0, entries.iter().map(|(name, _)| name.clone()));
                options.names_are_all = true;
                Ok(())
            }
            // The name that Polars has for this is what others call a file with the schema.
            OptionValue::Text(path) if path.to_ascii_lowercase().ends_with(".toml") => {
                options.schema_file = Some(path.into());
                Ok(())
            }
            OptionValue::List(_) => Err("a list; to read some of the columns, SELECT them".into()),
            other => Err(wrong_kind(other)),
        },
    },
    CsvOption {
        names: &["types", "dtype", "dtypes", "schema_overrides", "column_types"],
        usage: "write types = {'column': 'TYPE'}, or types = ['TYPE'] for the first columns",
        set: |options, value| match value {
            OptionValue::Map(entries) => {
                options.types.extend(types_by_name(entries)?);
                Ok(())
            }
            OptionValue::List(types) => {
                options.types_by_position = types.iter().map(data_type).collect::<Result<_, Problem>>()?;
                Ok(())
            }
            // pandas: dtype = 'str'
            OptionValue::Text(_) if data_type(value)? == TEXT => {
                options.all_varchar = true;
                Ok(())
            }
            OptionValue::Text(name) => Err(format!("'{name}' for all columns, which only VARCHAR can be")),
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
        names: &["assume_missing"],
        usage: "write assume_missing = true to read whole numbers as DOUBLE",
        set: |options, value| {
            options.assume_missing = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["parse_dates", "try_parse_dates"],
        usage: "write parse_dates = false, or parse_dates = ['column'] for columns of nothing but dates and times",
        set: |options, value| {
            options.parse_dates = match (boolean(value), value) {
                (Ok(true), _) => ParseDates::Yes,
                (Ok(false), _) => ParseDates::No,
                (Err(_), OptionValue::Text(_) | OptionValue::List(_)) => ParseDates::Columns(texts(value)?),
                (Err(problem), _) => return Err(problem),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["dateformat", "date_format"],
        usage: TimeFormat::SPECIFIERS,
        set: |options, value| {
            options.dateformat = Some(time_format(value)?);
            Ok(())
        },
    },
    CsvOption {
        names: &["timestampformat", "timestamp_format"],
        usage: TimeFormat::SPECIFIERS,
        set: |options, value| {
            options.timestampformat = Some(time_format(value)?);
            Ok(())
        },
    },
    CsvOption {
        names: &["decimal_separator", "decimal"],
        usage: "write the character before the fraction of a number: decimal_separator = ','",
        set: |options, value| {
            options.decimal_separator = separator(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["decimal_comma"],
        usage: "write decimal_separator = ','",
        set: |options, value| {
            options.decimal_separator = if boolean(value)? { b',' } else { b'.' };
            Ok(())
        },
    },
    CsvOption {
        names: &["thousands"],
        usage: "write the character between groups of three digits: thousands = '.'",
        set: |options, value| {
            options.thousands = Some(separator(value)?);
            Ok(())
        },
    },
    CsvOption {
        names: &["nullstr", "na_values", "null_values", "nulls", "null"],
        usage: "write nullstr = '-', nullstr = ['-', 'n.a.'], or by column nullstr = {'column': ['-']}",
        set: |options, value| {
            match value {
                OptionValue::Map(entries) => {
                    let by_column = entries.iter().map(|(column, value)| Ok((column.clone(), texts(value)?)));
                    options.null_strings_of = by_column.collect::<Result<_, Problem>>()?;
                }
                other => options.null_strings = Some(texts(other)?),
            }
            Ok(())
        },
    },
    CsvOption {
        names: &["force_not_null"],
        usage: "write the columns in which nothing is null: force_not_null = ['a', 'b']",
        set: |options, value| {
            options.force_not_null = texts(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["allow_quoted_nulls"],
        usage: "write allow_quoted_nulls = true to let quoted text be null",
        set: |options, value| {
            options.allow_quoted_nulls = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["filename", "include_file_paths", "include_path_column"],
        usage: "write filename = true, or the new column's name: filename = 'path'",
        set: |options, value| {
            options.filename = filename(value).ok_or_else(|| wrong_kind(value))?;
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
        names: &["skip_footer", "skipfooter"],
        usage: "write the number of lines to leave out at the end: skip_footer = 1",
        set: |options, value| {
            options.skip_footer = whole_number(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["sample_size", "infer_schema_length", "infer"],
        usage: "write a number of rows, or -1 for all: sample_size = 10000; or infer = 'sample', or 'full' for all",
        set: |options, value| {
            options.sample_size = match value {
                OptionValue::Number(number) if *number == -1.0 => SampleSize::All,
                OptionValue::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "full" | "all") => {
                    SampleSize::All
                }
                OptionValue::Text(text) if text.eq_ignore_ascii_case("sample") => SampleSize::Windows,
                other => match whole_number(other)? {
                    0 => return Err("0, which leaves nothing to infer types from".into()),
                    rows => SampleSize::Rows(rows),
                },
            };
            Ok(())
        },
    },
    CsvOption {
        names: &ON_ERROR,
        usage: "write on_error = 'error', 'null', 'reject' or 'widen'; ignore_errors = true is 'reject'",
        set: |options, value| {
            if let Ok(ignores) = boolean(value) {
                options.on_error = if ignores { OnError::Reject } else { OnError::Error };
                return Ok(());
            }
            options.on_error = match text(value)?.to_ascii_lowercase().as_str() {
                "error" | "raise" => OnError::Error,
                "null" | "coerce" => OnError::Null,
                "reject" | "skip" | "warn" => OnError::Reject,
                "widen" => OnError::Widen,
                other => return Err(format!("'{other}', which is none of error, null, reject and widen")),
            };
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
        names: &["ignore_extra", "truncate_ragged_lines"],
        usage: "write ignore_extra = true to leave out fields that the header has no names for",
        set: |options, value| {
            options.ignore_extra = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["strict_mode"],
        usage: "strict_mode = false leaves out extra fields, as ignore_extra = true does",
        set: |options, value| {
            options.ignore_extra = !boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["max_rejects", "rejects_limit"],
        usage: "write how many rows may be rejected before the query fails: max_rejects = 100",
        set: |options, value| {
            options.max_rejects = Some(whole_number(value)?);
            Ok(())
        },
    },
    CsvOption {
        names: &["rejects", "rejects_file"],
        usage: "write the file that takes what did not fit: rejects = 'rejects.csv'",
        set: |options, value| {
            options.rejects = match text(value)? {
                "" => return Err("empty".into()),
                path => Some(path.into()),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["union_by_name"],
        usage: "write union_by_name = true, or false to match columns by position",
        set: |options, value| {
            options.union_by_name = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["files_to_sniff"],
        usage: "write a number of files, or -1 for all: files_to_sniff = 10",
        set: |options, value| {
            options.files_to_sniff = match value {
                OptionValue::Number(number) if *number == -1.0 => None,
                OptionValue::Text(text) if text.eq_ignore_ascii_case("all") => None,
                other => match whole_number(other)? {
                    0 => return Err("0, which leaves nothing to infer types from".into()),
                    files => Some(usize::try_from(files).unwrap_or(usize::MAX)),
                },
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["hive_partitioning"],
        usage: "write hive_partitioning = true, false or 'auto'",
        set: |options, value| {
            options.hive.partitioning = HivePartitioning::parse(value).ok_or_else(|| wrong_kind(value))?;
            Ok(())
        },
    },
    CsvOption {
        names: &["hive_types"],
        usage: "write hive_types = {'year': 'INTEGER'}",
        set: |options, value| {
            let types = parse_hive_types(value).map_err(|error| format!("wrong: {}", error.kind().message))?;
            options.hive.types = types.ok_or_else(|| wrong_kind(value))?;
            Ok(())
        },
    },
    CsvOption {
        names: &["schema_file"],
        usage: "write the path of a schema file: schema_file = 'sales.toml'",
        set: |options, value| {
            options.schema_file = Some(text(value)?.into());
            Ok(())
        },
    },
    CsvOption {
        names: &["max_line_size", "maximum_line_size"],
        usage: "write a number of bytes: max_line_size = '64MiB'",
        set: |options, value| {
            options.max_line_size = usize::try_from(bytes(value)?).unwrap_or(usize::MAX);
            Ok(())
        },
    },
    CsvOption {
        names: &["blocksize"],
        usage: "write the bytes of a file that make one partition: blocksize = '64MB'",
        set: |options, value| {
            options.blocksize = match value {
                OptionValue::Text(text) if text == "default" => None,
                other => Some(bytes(other)?),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["compression"],
        usage: "write compression = 'auto', 'none', 'gzip', 'zstd', 'lz4', 'bz2' or 'xz'",
        set: |options, value| {
            let name = text(value)?;
            options.compression = Compression::parse(name).ok_or_else(|| format!("'{name}', which is unknown"))?;
            Ok(())
        },
    },
    CsvOption {
        names: &["encoding"],
        usage: "write encoding = 'utf-8', 'utf-16', 'latin-1', 'windows-1252' or another label of the WHATWG",
        set: |options, value| {
            let label = text(value)?;
            options.encoding = Some(Encoding::for_label(label).ok_or_else(|| format!("'{label}', which is unknown"))?);
            Ok(())
        },
    },
];

/// A character that may stand in numbers.
fn separator(value: &OptionValue) -> Result<u8, Problem> {
    let byte = one_byte(value)?.ok_or("empty")?;
    check_separator(byte).map(|()| byte)
}

fn time_format(value: &OptionValue) -> Result<String, Problem> {
    let format = text(value)?;
    TimeFormat::new(format).map(|_| format.to_string())
}
