//! Arguments of `convert` and `verify`, and their checking.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::super::args::ReadArgs;
use super::super::check::{check_inputs, check_read};
use crate::error::{Error, Result};
use crate::io::options::{OptionValue, Options};
use crate::io::write::atomic::check_target;
use crate::io::write::{Existing, OutputFormat, WriteOptions, column_option, sorted_by};
use crate::session::{ConvertOptions, Layout, OnExisting, Resume, Verify, VerifyOptions};

/// Files to convert.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// Files, globs and folders
    #[arg(required = true, value_name = "IN")]
    pub inputs: Vec<String>,
    /// The folder of the outputs, or the one file if they are merged
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// One output for each input, one for all, or a folder for each value of columns [default: per-file, or partition with
    /// --partition-by]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// The same as --layout merge
    #[arg(long, conflicts_with = "layout")]
    pub merge: bool,
    /// Columns whose values make folders, outermost first: year=2024/country=CH/data_0.parquet
    #[arg(long, value_name = "COLUMN,…")]
    pub partition_by: Option<String>,
    /// Keep the columns of --partition-by in the files too
    #[arg(long, requires = "partition_by")]
    pub write_partition_columns: bool,
    /// Begin a new file where one has about so many bytes; what is merged becomes a folder then
    #[arg(long, value_name = "BYTES")]
    pub file_size: Option<String>,
    /// Begin a new file where one has so many rows
    #[arg(long, value_name = "ROWS")]
    pub rows_per_file: Option<String>,
    /// Format of the outputs: parquet, csv, tsv, jsonl, json, arrow [default: the file's ending if merged, else parquet]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Compression of Parquet: zstd:3, snappy, lz4, gzip, brotli, none
    #[arg(long, value_name = "CODEC")]
    pub compression: Option<String>,
    /// Options of one column of Parquet, such as id:codec=snappy,bloom_filter; may be given several times
    #[arg(long, value_name = "COLUMN:OPTION=VALUE,…")]
    pub column_option: Vec<String>,
    /// Rows of a row group of Parquet
    #[arg(long, value_name = "ROWS")]
    pub row_group_size: Option<String>,
    /// Bytes of a row group of Parquet, before encoding
    #[arg(long, value_name = "BYTES")]
    pub row_group_bytes: Option<String>,
    /// Columns that the rows of each output are sorted by, such as 'day, amount DESC'
    #[arg(long, value_name = "COLUMN,…")]
    pub sort_by: Option<String>,
    /// What happens if outputs exist
    #[arg(long, value_enum, default_value = "error")]
    pub existing: OnExisting,
    /// Go on with what was begun: inputs that were converted and are what they were, by size and time or by content, are
    /// left out
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "time")]
    pub resume: Option<Resume>,
    /// Compare outputs with what was read, before they get their names
    #[arg(long, value_enum, value_name = "HOW")]
    pub verify: Option<Verify>,
    /// Show what would become what, columns and sizes, and write nothing
    #[arg(long, conflicts_with_all = ["verify", "summary_file"])]
    pub dry_run: bool,
    /// Write a summary as JSON to this file
    #[arg(id = "summary_file", long = "summary", value_name = "FILE")]
    pub summary_file: Option<PathBuf>,
    /// Keep the record of what was converted in this file [default: beside OUT, _OUT.manifest.jsonl]
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// How the inputs are read.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// What was converted, to be verified.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The folder or file that was converted to
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// How closely: sizes, rows, columns and types, or also every byte and value
    #[arg(long, value_enum, value_name = "HOW", default_value = "checksum")]
    pub level: Verify,
    /// Read the inputs again too: these, or those that were converted
    #[arg(long, value_name = "IN", num_args = 0..)]
    pub against: Option<Vec<String>>,
    /// The record of what was converted, where it is not beside OUT
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
}

/// A conversion to run, and what to tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertRequest {
    /// The conversion.
    pub options: ConvertOptions,
    /// Whether it is only planned.
    pub dry_run: bool,
    /// Where a summary goes.
    pub summary: Option<PathBuf>,
}

impl ConvertArgs {
    /// What to convert.
    ///
    /// # Errors
    /// A usage error for what contradicts itself, or would overwrite.
    pub fn check(&self) -> Result<ConvertRequest> {
        check_inputs(&self.inputs)?;
        let layout = match self.layout {
            _ if self.merge => Layout::Merge,
            Some(layout) => layout,
            None if self.partition_by.is_some() => Layout::Partition,
            None => Layout::default(),
        };
        if let Some(summary) = &self.summary_file {
            check_target(summary, Existing::Overwrite)?;
            // A summary of before is replaced, and nothing else: '--summary in/*.csv' would name an input.
            let mut first = [b'{'];
            let is_other =
                File::open(summary).is_ok_and(|mut file| file.read_exact(&mut first).is_ok() && first != *b"{");
            if is_other {
                return Err(Error::usage(format!("'{}' is there already, and is no summary", summary.display()))
                    .with_hint("name another file, such as --summary summary.json"));
            }
        }
        let options = ConvertOptions {
            inputs: self.inputs.clone(),
            output: self.output.clone(),
            layout,
            read: check_read(&self.read)?,
            write: self.write_options()?,
            sort_by: match &self.sort_by {
                Some(columns) => sorted_by("sort_by", &OptionValue::Text(columns.clone()))?,
                None => Vec::new(),
            },
            existing: self.existing,
            resume: self.resume,
            verify: self.verify,
            manifest: self.manifest.clone(),
        };
        if options.is_file()? {
            // Refused before any work, and not after it.
            let replaced = self.existing != OnExisting::Error || self.resume.is_some() || self.dry_run;
            check_target(&self.output, if replaced { Existing::Overwrite } else { Existing::Error })?;
        } else if self.output.is_file() {
            return Err(Error::usage(format!("the output '{}' is a file", self.output.display()))
                .with_hint("name a folder, or write one file with --merge"));
        }
        Ok(ConvertRequest { options, dry_run: self.dry_run, summary: self.summary_file.clone() })
    }

    fn write_options(&self) -> Result<Options> {
        let mut options = Options::new();
        if let Some(format) = &self.format {
            OutputFormat::from_name(format)?;
            options.push(("format".into(), OptionValue::Text(format.clone())));
        }
        let texts = [
            ("compression", &self.compression),
            ("row_group_size", &self.row_group_size),
            ("row_group_bytes", &self.row_group_bytes),
            ("file_size", &self.file_size),
            ("rows_per_file", &self.rows_per_file),
        ];
        for (name, value) in texts {
            options.extend(value.iter().map(|value| (name.to_string(), OptionValue::Text(value.clone()))));
        }
        if let Some(columns) = &self.partition_by {
            let names = column_names(columns)?.into_iter().map(OptionValue::Text);
            options.push(("partition_by".into(), OptionValue::List(names.collect())));
        }
        if self.write_partition_columns {
            options.push(("write_partition_columns".into(), OptionValue::Boolean(true)));
        }
        if !self.column_option.is_empty() {
            let columns = self.column_option.iter().map(|spelled| column_option(spelled)).collect::<Result<_>>()?;
            options.push(("column_options".into(), OptionValue::Map(columns)));
        }
        WriteOptions::parse(&options)?;
        Ok(options)
    }
}

/// `year,"a, b"`: names with commas stand in quotes, which are doubled within.
fn column_names(text: &str) -> Result<Vec<String>> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            ' ' if !quoted && name.is_empty() => {}
            other => name.push(other),
        }
    }
    names.push(name);
    if quoted || names.iter().any(String::is_empty) {
        return Err(Error::usage(format!("--partition-by: '{text}' are no names of columns"))
            .with_hint("write for instance --partition-by year,month"));
    }
    Ok(names)
}

impl VerifyArgs {
    /// What to verify.
    pub fn check(&self) -> VerifyOptions {
        VerifyOptions {
            output: self.output.clone(),
            level: self.level,
            against: self.against.clone(),
            manifest: self.manifest.clone(),
        }
    }
}

impl ValueEnum for OnExisting {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Error, Self::Overwrite, Self::Append]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Error => PossibleValue::new("error").help("refuse, and write nothing"),
            Self::Overwrite => {
                PossibleValue::new("overwrite").help("replace what was converted before when all is complete")
            }
            Self::Append => PossibleValue::new("append").help("add to what was converted before"),
        })
    }
}

impl ValueEnum for Resume {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Time, Self::Checksum]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Time => PossibleValue::new("time").help("by size and time; by content where only the time differs"),
            Self::Checksum => PossibleValue::new("checksum").help("by content"),
        })
    }
}

impl ValueEnum for Verify {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Count, Self::Checksum]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Count => PossibleValue::new("count").help("sizes, rows, columns and types"),
            Self::Checksum => PossibleValue::new("checksum").help("also every byte and value"),
        })
    }
}

impl ValueEnum for Layout {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::PerFile, Self::Merge, Self::Partition]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::PerFile => PossibleValue::new("per-file").help("one output for each input"),
            Self::Merge => PossibleValue::new("merge").help("one output with the rows of all"),
            Self::Partition => PossibleValue::new("partition").help("a folder for each value of --partition-by"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_may_have_commas_in_quotes() {
        assert_eq!(column_names("year, month").unwrap(), ["year", "month"]);
        assert_eq!(column_names("\"a, b\",c \"\"d").unwrap(), ["a, b", "c d"]);
        assert_eq!(column_names("\"a\"\"b\"").unwrap(), ["a\"b"]);
        for wrong in ["", "a,", ",a", "\"a"] {
            assert_eq!(column_names(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
