//! Options of COPY and of every other writer, under DuckDB's names.

use std::path::Path;

use super::parquet_options::{PARQUET_NAMES, ParquetReader};
use super::{Existing, FolderOptions, OutputFormat, ParquetOptions};
use crate::error::{Error, Result};
use crate::io::option_values::{boolean, text, unknown};
use crate::io::options::Options;

/// Names of options that are not Parquet's alone, aliases left out.
const KNOWN: [&str; 8] = ["format", "existing", "overwrite", "header", "delimiter", "quote", "nullstr", "array"];

/// How text with delimiters is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between fields; by default a comma, in TSV a tab.
    pub delimiter: Option<u8>,
    /// Around fields that need it, doubled inside of them.
    pub quote: u8,
    /// Whether the first line holds the columns' names.
    pub header: bool,
    /// What stands for null, never quoted; texts that are the same are.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: None, quote: b'"', header: true, null: String::new() }
    }
}

/// Options of all writers; those of formats that are not written have no effect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteOptions {
    /// The format; without it the target's ending decides.
    pub format: Option<OutputFormat>,
    /// What to do about a target that exists.
    pub existing: Existing,
    /// For CSV and TSV.
    pub csv: CsvOptions,
    /// For Parquet.
    pub parquet: ParquetOptions,
    /// For a folder of files.
    pub folder: FolderOptions,
    /// Options that only CSV, JSON or Parquet have, as they were written.
    only: Vec<(Family, String)>,
    /// `array` of JSON: one array, or an object a line.
    json_array: Option<bool>,
}

/// Formats that share options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Csv,
    Json,
    Parquet,
}

impl WriteOptions {
    /// Options by default, but for the format and what to do about a target that exists.
    pub fn new(format: OutputFormat, existing: Existing) -> Self {
        Self { format: Some(format), existing, ..Self::default() }
    }

    /// Reads options under DuckDB's names: `format`, `header`, `delimiter` (`delim`, `sep`), `quote`, `nullstr` (`null`),
    /// `array`, those of [`ParquetOptions`], and `existing` (`error`, `overwrite`, `append` or `overwrite_or_ignore`; `overwrite true`
    /// is the same). A folder of files is asked for by `partition_by` (`partition_on`), `file_size_bytes` (`file_size`) or
    /// `rows_per_file`, see [`FolderOptions`].
    ///
    /// # Errors
    /// A usage error for an unknown name, with a suggestion, and for values that do not fit.
    pub fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self::default();
        let mut parquet = ParquetReader::default();
        for (name, value) in options {
            match name.as_str() {
                "format" => parsed.format = Some(OutputFormat::from_name(text(name, value)?)?),
                "existing" => parsed.existing = Existing::from_name(text(name, value)?)?,
                "overwrite" | "overwrite_or_ignore" | "append" => {
                    if boolean(name, value)? {
                        parsed.existing = Existing::from_name(name)?;
                    }
                }
                "header" => {
                    parsed.csv.header = boolean(name, value)?;
                    parsed.only.push((Family::Csv, name.clone()));
                }
                "delimiter" | "delim" | "sep" => {
                    parsed.csv.delimiter = Some(one_byte(name, text(name, value)?)?);
                    parsed.only.push((Family::Csv, name.clone()));
                }
                "quote" => {
                    parsed.csv.quote = one_byte(name, text(name, value)?)?;
                    parsed.only.push((Family::Csv, name.clone()));
                }
                "nullstr" | "null" => {
                    parsed.csv.null = null_text(text(name, value)?)?;
                    parsed.only.push((Family::Csv, name.clone()));
                }
                "array" => {
                    parsed.json_array = Some(boolean(name, value)?);
                    parsed.only.push((Family::Json, name.clone()));
                }
                _ if parquet.take(name, value)? => parsed.only.push((Family::Parquet, name.clone())),
                _ if parsed.folder.read(name, value)? => {}
                _ => {
                    let known: Vec<&str> = KNOWN.into_iter().chain(PARQUET_NAMES).chain(FolderOptions::NAMES).collect();
                    return Err(unknown("writing", name, &known));
                }
            }
        }
        parsed.parquet = parquet.finish()?;
        parsed.folder.check()?;
        if parsed.existing == Existing::Append && !parsed.folder.is_wanted() {
            return Err(Error::usage("nothing can be added to a single file")
                .with_hint("write PARTITION_BY (column) or FILE_SIZE_BYTES '100MB' for a folder of files"));
        }
        if parsed.csv.delimiter == Some(parsed.csv.quote) {
            return Err(Error::usage("the delimiter and the quote are the same"));
        }
        Ok(parsed)
    }

    /// The format that a target is written in.
    ///
    /// # Errors
    /// A usage error where neither option nor ending tells it, or an option belongs to another format.
    pub fn format_of(&self, target: &Path) -> Result<OutputFormat> {
        let format = match self.format.or_else(|| OutputFormat::from_path(target)) {
            Some(format) => format,
            None => {
                return Err(Error::usage(format!("'{}' does not tell in which format to write", target.display()))
                    .with_hint(format!("name the format, one of {}", OutputFormat::NAMES.join(", "))));
            }
        };
        self.check(format)?;
        Ok(match (format, self.json_array) {
            (OutputFormat::Json, Some(false)) => OutputFormat::JsonLines,
            (OutputFormat::JsonLines, Some(true)) => OutputFormat::Json,
            _ => format,
        })
    }

    /// An option that has no effect on what is written is a mistake.
    fn check(&self, format: OutputFormat) -> Result<()> {
        let family = match format {
            OutputFormat::Csv | OutputFormat::Tsv => Some(Family::Csv),
            OutputFormat::Json | OutputFormat::JsonLines => Some(Family::Json),
            OutputFormat::Parquet => Some(Family::Parquet),
            OutputFormat::Arrow => None,
        };
        match self.only.iter().find(|(other, _)| Some(*other) != family) {
            Some((_, name)) => {
                Err(Error::usage(format!("the option '{name}' has no meaning for {}", format.extension())))
            }
            None => Ok(()),
        }
    }
}

/// A delimiter or quote: one ASCII character that does not end lines.
fn one_byte(name: &str, text: &str) -> Result<u8> {
    match text {
        "\\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
            _ => Err(Error::usage(format!("the option '{name}' is one ASCII character"))),
        },
    }
}

fn null_text(text: &str) -> Result<String> {
    if text.contains(['\n', '\r']) {
        return Err(Error::usage("the option 'nullstr' must not end a line"));
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::options::OptionValue;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| (name.to_string(), OptionValue::Text(value.to_string()))).collect()
    }

    #[test]
    fn duckdb_names_are_read() {
        let parsed = WriteOptions::parse(&options(&[
            ("format", "CSV"),
            ("header", "false"),
            ("sep", ";"),
            ("null", "NA"),
            ("existing", "overwrite"),
        ]))
        .unwrap();
        assert_eq!(parsed.format, Some(OutputFormat::Csv));
        assert_eq!(parsed.csv, CsvOptions { delimiter: Some(b';'), quote: b'"', header: false, null: "NA".into() });
        assert_eq!(parsed.existing, Existing::Overwrite);
        let parsed = WriteOptions::parse(&options(&[("compression", "gzip"), ("row_group_size", "1000")])).unwrap();
        assert_eq!(parsed.parquet.row_group_rows, 1000);
        assert_eq!(parsed.format_of(Path::new("a/b.parquet")).unwrap(), OutputFormat::Parquet);
        let lines = WriteOptions::parse(&options(&[("array", "false")])).unwrap();
        assert_eq!(lines.format_of(Path::new("b.json")).unwrap(), OutputFormat::JsonLines);
    }

    #[test]
    fn wrong_options_are_usage_errors_that_help() {
        for (pairs, part) in [
            (&[("delimter", ";")][..], "did you mean 'delimiter'"),
            (&[("format", "parkuet")], "did you mean 'parquet'"),
            (&[("delimiter", "ab")], "one ASCII character"),
            (&[("compression", "zip")], "did you mean 'gzip'"),
            (&[("compression", "snappy"), ("compression_level", "3")], "no compression levels"),
            (&[("compression_level", "99")], "no compression level 99"),
            (&[("filename_pattern", "part_{i}")], "single file"),
            (&[("append", "true")], "single file"),
            (&[("partition_bye", "a")], "did you mean 'partition_by'"),
            (&[("delimiter", "\"")], "are the same"),
            (&[("row_group_size", "0")], "positive whole number"),
        ] {
            let error = WriteOptions::parse(&options(pairs)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = WriteOptions::parse(&options(&[("delim", ";")])).unwrap().format_of(Path::new("a.parquet"));
        assert!(error.unwrap_err().to_string().contains("no meaning for parquet"));
        assert!(WriteOptions::default().format_of(Path::new("a.txt")).is_err());
    }
}
