//! Low-level arguments: what clap reads off the command line, before anything is checked against the machine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::convert::args::{ConvertArgs, VerifyArgs};
use super::output::Format;
use crate::io::write::{Existing, OutputFormat};

const EXAMPLES: &str = "\
Examples:
  highwater                                    open the shell
  highwater -c \"FROM 'data/flights/*.csv' LIMIT 5\"
  highwater -c \"SELECT origin, avg(temp) FROM 'data/weather/*.csv' GROUP BY ALL\" -o means.parquet
  highwater --memory-limit 2GB --threads 4 -f report.sql --format markdown
  echo \"SELECT 6 * 7 AS answer\" | highwater --format json
  highwater convert data/flights -o parquet/ --compression zstd:3 --verify checksum
  highwater convert data/flights -o parquet/ --resume
  highwater schema 'data/weather/*.csv' -o weather.toml
  highwater --schema weather.toml -c \"FROM 'data/weather/*.csv' LIMIT 5\"

Exit codes: 0 done, 1 query or data error, 2 usage, 3 memory or disk limit, 4 finished with rejected rows, 130 interrupted.
Settings come from /etc/highwater/config.toml, ~/.config/highwater/config.toml, --config, the environment
(HIGHWATER_MEMORY__TARGET=0.5) and flags; later ones win. `highwater config` shows each with its origin.";

/// Query directories of CSV and Parquet files as one table, inside a memory budget.
#[derive(Debug, Parser)]
#[command(name = "highwater", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Args {
    /// Settings of the session.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// Run this SQL and leave; may be given several times
    #[arg(short = 'c', long = "command", value_name = "SQL", allow_hyphen_values = true)]
    sql: Vec<String>,
    /// Run the SQL in this file ('-' is standard input) and leave; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What happens to rejected rows.
    #[command(flatten)]
    pub rejects: RejectArgs,
    /// What to do instead of running SQL.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// `-c` and `-f` in the order in which they were given.
    #[arg(skip)]
    pub scripts: Vec<ScriptArg>,
}

/// One `-c` or `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptArg {
    /// SQL.
    Text(String),
    /// A file with SQL; `-` is standard input.
    File(PathBuf),
}

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    /// Wrong arguments, and also `--help` and `--version`, which are to be printed.
    pub fn parse_from_os(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let mut args = Self::from_arg_matches(&matches)?;
        let indices = |id: &str| matches.indices_of(id).map_or_else(Vec::new, Iterator::collect::<Vec<usize>>);
        let texts = indices("sql").into_iter().zip(std::mem::take(&mut args.sql).into_iter().map(ScriptArg::Text));
        let files = indices("files").into_iter().zip(std::mem::take(&mut args.files).into_iter().map(ScriptArg::File));
        let mut scripts: Vec<(usize, ScriptArg)> = texts.chain(files).collect();
        scripts.sort_by_key(|(index, _)| *index);
        args.scripts = scripts.into_iter().map(|(_, script)| script).collect();
        Ok(args)
    }
}

/// Settings of the session; their texts are checked by [`crate::config::Config::set`], as those of every other layer.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingArgs {
    /// Memory budget: bytes (2GB) or a share of the machine's (60%)
    #[arg(long, global = true, value_name = "BYTES|PERCENT")]
    pub memory_limit: Option<String>,
    /// Worker threads
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<String>,
    /// threads, or synchronous: all work in the calling thread
    #[arg(long, global = true, value_name = "KIND")]
    pub scheduler: Option<String>,
    /// Folder for spill files
    #[arg(long, global = true, value_name = "DIR")]
    pub temp_dir: Option<String>,
    /// Bytes of spill files at most (50GB)
    #[arg(long, global = true, value_name = "BYTES")]
    pub max_spill: Option<String>,
    /// Rows in a batch, at most
    #[arg(long, global = true, value_name = "ROWS")]
    pub batch_size: Option<String>,
    /// Zone in which timestamps with time zone are shown and read
    #[arg(long, global = true, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Take dialect, names and types of CSV files from this file, which `highwater schema … -o FILE.toml` wrote
    #[arg(long = "schema", global = true, value_name = "FILE")]
    pub schema_file: Option<String>,
    /// Read settings from this file too
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show progress on standard error
    #[arg(long, global = true, value_enum, default_value_t)]
    pub progress: ProgressMode,
    /// Log what happens to standard error; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

impl SettingArgs {
    /// The settings that were given: flag, name of the setting, value.
    pub fn given(&self) -> Vec<(&'static str, &'static str, &str)> {
        let all = [
            ("--memory-limit", "memory_limit", &self.memory_limit),
            ("--threads", "threads", &self.threads),
            ("--scheduler", "scheduler", &self.scheduler),
            ("--temp-dir", "temp_dir", &self.temp_dir),
            ("--max-spill", "max_spill", &self.max_spill),
            ("--batch-size", "batch_size", &self.batch_size),
            ("--time-zone", "time_zone", &self.time_zone),
            ("--schema", "schema_file", &self.schema_file),
        ];
        all.into_iter().filter_map(|(flag, name, value)| Some((flag, name, value.as_deref()?))).collect()
    }
}

/// What happens to rows of CSV that are rejected, and to values that become null.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Rejected rows")]
pub struct RejectArgs {
    /// Write what did not fit to this file, or to a file for each input in this folder
    #[arg(long, global = true, value_name = "FILE|DIR")]
    pub rejects: Option<PathBuf>,
    /// Fail once a statement rejects more rows than these
    #[arg(long, global = true, value_name = "ROWS")]
    pub max_rejects: Option<u64>,
    /// Sum up rows read, kept and rejected after each statement, also where all did fit
    #[arg(long)]
    pub summary: bool,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Where standard error is a terminal.
    #[default]
    Auto,
    /// Always; as lines where standard error is no terminal.
    On,
    /// Never.
    Off,
}

/// Where results go, and in which format.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format of results [default: table on a terminal, the file's ending with -o, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write the result to this file, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What happens if the output exists
    #[arg(long, value_enum, default_value = "error")]
    pub existing: Existing,
    /// Rows of a table that are shown; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub max_rows: usize,
}

/// How files are read, by the names that the options of `read_csv` have in SQL.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadArgs {
    /// The type of a column, against what its values suggest; may be given several times
    #[arg(long, alias = "dtype", value_name = "COLUMN=TYPE")]
    pub types: Vec<String>,
    /// A column of CSV, its name and type; given for all columns in order, nothing is inferred
    #[arg(long, value_name = "COLUMN=TYPE")]
    pub columns: Vec<String>,
    /// Names of the first columns of CSV
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub names: Vec<String>,
    /// What separates fields of CSV
    #[arg(long, value_name = "CHAR")]
    pub delim: Option<String>,
    /// What encloses fields of CSV
    #[arg(long, value_name = "CHAR")]
    pub quote: Option<String>,
    /// What makes the next character data, inside quotes
    #[arg(long, value_name = "CHAR")]
    pub escape: Option<String>,
    /// What begins a line that is a comment
    #[arg(long, value_name = "CHAR")]
    pub comment: Option<String>,
    /// Whether the first line of CSV names the columns
    #[arg(long, value_name = "BOOL")]
    pub header: Option<bool>,
    /// Lines to leave out at the start of each file
    #[arg(long, value_name = "LINES")]
    pub skip: Option<String>,
    /// Lines to leave out at the end of each file
    #[arg(long, value_name = "LINES")]
    pub skip_footer: Option<String>,
    /// Read every column as text that has no type given
    #[arg(long)]
    pub all_varchar: bool,
    /// Read whole numbers as DOUBLE where no type is given
    #[arg(long)]
    pub assume_missing: bool,
    /// Whether dates and times are looked for, or the columns that hold nothing else
    #[arg(long, value_name = "BOOL|COLUMN,…", value_delimiter = ',')]
    pub parse_dates: Vec<String>,
    /// How the text of CSV is encoded, such as latin-1 or utf-16 [default: utf-8, or what a byte order mark says]
    #[arg(long, value_name = "LABEL")]
    pub encoding: Option<String>,
    /// How dates are written, such as %d.%m.%Y
    #[arg(long, value_name = "FORMAT")]
    pub dateformat: Option<String>,
    /// How timestamps are written, such as '%d.%m.%Y %H:%M'
    #[arg(long, value_name = "FORMAT")]
    pub timestampformat: Option<String>,
    /// What stands before the fraction of a number
    #[arg(long, value_name = "CHAR")]
    pub decimal_separator: Option<String>,
    /// What stands between groups of three digits
    #[arg(long, value_name = "CHAR")]
    pub thousands: Option<String>,
    /// A text that means null; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub nullstr: Vec<String>,
    /// Columns in which nothing is null, and nothing at all is an empty text
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub force_not_null: Vec<String>,
    /// Let quoted text be null too
    #[arg(long)]
    pub allow_quoted_nulls: bool,
    /// Rows that types are inferred from, or -1 for all
    #[arg(long, value_name = "ROWS", allow_hyphen_values = true)]
    pub sample_size: Option<String>,
    /// What happens to a row with a value that does not fit its type
    #[arg(long, value_enum)]
    pub on_error: Option<OnError>,
    /// Read what a short row lacks as null
    #[arg(long)]
    pub null_padding: bool,
    /// Leave out fields that the header of CSV has no names for
    #[arg(long)]
    pub ignore_extra: bool,
    /// Bytes that a row of CSV may have
    #[arg(long, value_name = "BYTES")]
    pub max_line_size: Option<String>,
    /// Bytes of a file that make one partition
    #[arg(long, value_name = "BYTES")]
    pub blocksize: Option<String>,
    /// Add a column with the name of the file
    #[arg(long)]
    pub filename: bool,
    /// How much of CSV is read to infer types
    #[arg(long, value_enum)]
    pub infer: Option<Infer>,
}

/// How much of CSV is read to infer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Infer {
    /// The head, the middle and the end of each file.
    Sample,
    /// Every record.
    Full,
}

impl ReadArgs {
    /// The options of one text each that were given: name in SQL, value.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("delim", &self.delim),
            ("quote", &self.quote),
            ("escape", &self.escape),
            ("comment", &self.comment),
            ("skip", &self.skip),
            ("skip_footer", &self.skip_footer),
            ("encoding", &self.encoding),
            ("dateformat", &self.dateformat),
            ("timestampformat", &self.timestampformat),
            ("decimal_separator", &self.decimal_separator),
            ("thousands", &self.thousands),
            ("sample_size", &self.sample_size),
            ("max_line_size", &self.max_line_size),
            ("blocksize", &self.blocksize),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The options of several texts that were given.
    pub fn lists(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let all = [
            ("names", &self.names),
            ("parse_dates", &self.parse_dates),
            ("nullstr", &self.nullstr),
            ("force_not_null", &self.force_not_null),
        ];
        all.into_iter().map(|(name, values)| (name, values.as_slice())).filter(|(_, values)| !values.is_empty())
    }

    /// The options that were switched on.
    pub fn switches(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("all_varchar", self.all_varchar),
            ("assume_missing", self.assume_missing),
            ("allow_quoted_nulls", self.allow_quoted_nulls),
            ("null_padding", self.null_padding),
            ("ignore_extra", self.ignore_extra),
            ("filename", self.filename),
        ];
        all.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name)
    }
}

/// What happens to a row with a value that does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// The command ends.
    Error,
    /// The value becomes null.
    Null,
    /// The row is set aside and counted.
    Reject,
    /// The column gets a type that holds the value too.
    Widen,
}

/// What to do instead of running SQL.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Convert CSV files to Parquet: a folder, a glob or files
    Convert(Box<ConvertArgs>),
    /// Compare what was converted with what was read then
    Verify(VerifyArgs),
    /// Show columns and types of files, as one table; -o FILE.toml writes a schema file for --schema
    Schema {
        /// Files and output.
        #[command(flatten)]
        inspect: InspectArgs,
        /// Show the schema file
        #[arg(long)]
        toml: bool,
    },
    /// Show the first rows of files
    Head {
        /// Files and output.
        #[command(flatten)]
        inspect: InspectArgs,
        /// Rows
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        rows: u64,
    },
    /// Show count, nulls, least, greatest and mean of every column of files
    Describe(InspectArgs),
    /// Generate data to try out and to measure with
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Show every setting, its value and where it came from
    Config {
        /// Where it goes.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Files to look at.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Files, globs and folders
    #[arg(required = true, value_name = "IN")]
    pub inputs: Vec<String>,
    /// How they are read.
    #[command(flatten)]
    pub read: ReadArgs,
    /// Where the answer goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Data to generate.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// A time series with the columns timestamp, id, name, x, y
    Timeseries {
        /// The first moment
        #[arg(long, default_value = "2000-01-01")]
        start: String,
        /// The end, which is no longer part of it
        #[arg(long, default_value = "2000-01-31")]
        end: String,
        /// Distance of two rows, as pandas writes it
        #[arg(long, default_value = "1s")]
        freq: String,
        /// Time that goes into one file: 1d, 1W, 1M
        #[arg(long, default_value = "1M")]
        partition_freq: String,
        /// Digits behind the point of x and y [default: all]
        #[arg(long)]
        decimals: Option<u32>,
        /// Where it goes.
        #[command(flatten)]
        target: GenerateTarget,
    },
    /// The table of the h2o.ai group-by benchmark: id1 to id6, v1 to v3
    Groupby {
        /// Rows, such as 1e7
        #[arg(long, default_value = "1e6")]
        rows: String,
        /// Distinct values of a group column, such as 1e2
        #[arg(long, default_value = "1e2")]
        groups: String,
        /// Files
        #[arg(long, default_value = "1")]
        files: String,
        /// Percent of values that are null
        #[arg(long, default_value_t = 0.0)]
        nulls: f64,
        /// Where it goes.
        #[command(flatten)]
        target: GenerateTarget,
    },
}

/// Where generated data goes.
#[derive(Clone, Debug, clap::Args)]
pub struct GenerateTarget {
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The folder
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Format of the files
    #[arg(long, value_enum, default_value_t)]
    pub format: GenerateFormat,
    /// What happens if the output exists
    #[arg(long, value_enum, default_value = "error")]
    pub existing: Existing,
}

/// Format of generated files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GenerateFormat {
    /// CSV.
    #[default]
    Csv,
    /// Parquet.
    Parquet,
}

impl From<GenerateFormat> for OutputFormat {
    fn from(format: GenerateFormat) -> Self {
        match format {
            GenerateFormat::Csv => Self::Csv,
            GenerateFormat::Parquet => Self::Parquet,
        }
    }
}

impl ValueEnum for Existing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Error, Self::Overwrite]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Error => PossibleValue::new("error").help("refuse, and write nothing"),
            Self::Overwrite => PossibleValue::new("overwrite").help("replace it when the new one is complete"),
            Self::Append => PossibleValue::new("append").help("add files under new names"),
            Self::Replace => PossibleValue::new("overwrite_or_ignore").help("replace files of the same names only"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        Args::parse_from_os(std::iter::once("highwater").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn commands_and_files_keep_their_order() {
        let args = parse(&["-c", "SELECT 1", "-f", "a.sql", "-c", "-- nothing", "--format", "csv"]).unwrap();
        let expected =
            [ScriptArg::Text("SELECT 1".into()), ScriptArg::File("a.sql".into()), ScriptArg::Text("-- nothing".into())];
        assert_eq!(args.scripts, expected);
    }

    #[test]
    fn settings_may_stand_before_and_after_the_subcommand() {
        let args = parse(&["--threads", "2", "schema", "x.csv", "--memory-limit", "1GB"]).unwrap();
        assert_eq!(args.settings.given(), [("--memory-limit", "memory_limit", "1GB"), ("--threads", "threads", "2")]);
    }

    #[test]
    fn unknown_formats_and_missing_inputs_are_usage_errors() {
        assert_eq!(parse(&["-c", "SELECT 1", "--format", "xls"]).unwrap_err().exit_code(), 2);
        assert_eq!(parse(&["schema"]).unwrap_err().exit_code(), 2);
        assert_eq!(parse(&["convert", "x.csv"]).unwrap_err().exit_code(), 2);
        assert_eq!(
            parse(&["convert", "x.csv", "-o", "y", "--merge", "--layout", "per-file"]).unwrap_err().exit_code(),
            2
        );
        assert_eq!(parse(&["--help"]).unwrap_err().exit_code(), 0);
    }
}
