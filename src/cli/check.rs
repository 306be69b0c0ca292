//! Checked arguments: what the command line asks for, once everything that can be known beforehand is known to be right.

use std::path::PathBuf;

use super::args::{
    Args, Command, GenerateCommand, GenerateTarget, Infer, InspectArgs, OnError, OutputArgs, ReadArgs, ScriptArg,
};
use super::convert::args::ConvertRequest;
use super::generate::GeneratePlan;
use super::inspect::relation;
use super::output::{Format, OutputPlan, Target};
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::generate::{GroupbyOptions, TimeseriesOptions};
use crate::io::csv::CsvOptions;
use crate::io::options::{OptionValue, Options};
use crate::io::write::Existing;
use crate::io::write::atomic::check_target;
use crate::session::VerifyOptions;
use crate::types::parse_type;
use crate::types::rule::Rule;
use crate::types::temporal::parse_timestamp;

/// What to do.
#[derive(Clone, Debug)]
pub enum Request {
    /// Talk with the user.
    Shell,
    /// Run SQL.
    Scripts(Vec<ScriptSource>),
    /// Convert files.
    Convert(Box<ConvertRequest>),
    /// Compare what was converted with what was read.
    Verify(VerifyOptions),
    /// Show columns and types of a relation.
    Schema(String),
    /// Write a schema file.
    SchemaFile(SchemaFileRequest),
    /// Show the first rows of a relation.
    Head(String, u64),
    /// Show figures of every column of a relation.
    Describe(String),
    /// Generate data.
    Generate(GeneratePlan),
    /// Show the settings.
    Config,
}

/// A schema file to write.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaFileRequest {
    /// What it is about.
    pub inputs: Vec<String>,
    /// How that is read.
    pub read: Options,
    /// Where it goes, and what happens to a file that is there; `None` is standard output.
    pub output: Option<(PathBuf, Existing)>,
}

/// Where SQL comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptSource {
    /// The command line.
    Text(String),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Checks the arguments: what to do, and where results go.
///
/// # Errors
/// A usage error for what contradicts itself, does not fit, or would overwrite.
pub fn check(args: &Args, terminal: Terminal) -> Result<(Request, OutputPlan)> {
    let Some(command) = &args.command else {
        return check_sql(args, terminal);
    };
    let above = &args.output;
    if !args.scripts.is_empty() || above.output.is_some() || above.format.is_some() {
        return Err(Error::usage("-c, -f, -o and --format before a subcommand have no meaning")
            .with_hint("options of a subcommand stand behind its name"));
    }
    let inspected = |inspect: &InspectArgs| -> Result<(String, OutputPlan)> {
        let read = check_read(&inspect.read)?;
        check_inputs(&inspect.inputs)?;
        Ok((relation(&inspect.inputs, &read), check_output(&inspect.output, terminal)?))
    };
    Ok(match command {
        Command::Schema { inspect, toml } => match check_schema_file(inspect, *toml)? {
            Some(request) => (Request::SchemaFile(request), check_output(&OutputArgs::default(), terminal)?),
            None => {
                let (relation, output) = inspected(inspect)?;
                (Request::Schema(relation), output)
            }
        },
        Command::Head { inspect, rows } => {
            let (relation, mut output) = inspected(inspect)?;
            // Who asks for 100 rows wants to see them.
            output.max_rows = 0;
            (Request::Head(relation, *rows), output)
        }
        Command::Describe(inspect) => {
            let (relation, mut output) = inspected(inspect)?;
            output.max_rows = 0;
            (Request::Describe(relation), output)
        }
        Command::Convert(convert) => (Request::Convert(Box::new(convert.check()?)), check_output(above, terminal)?),
        Command::Verify(verify) => (Request::Verify(verify.check()), check_output(above, terminal)?),
        Command::Generate(generate) => (Request::Generate(check_generate(generate)?), check_output(above, terminal)?),
        Command::Config { output } => (Request::Config, check_output(output, terminal)?),
    })
}

fn check_sql(args: &Args, terminal: Terminal) -> Result<(Request, OutputPlan)> {
    let output = check_output(&args.output, terminal)?;
    let sources = args.scripts.iter().map(|script| match script {
        ScriptArg::Text(text) => ScriptSource::Text(text.clone()),
        ScriptArg::File(path) if path.as_os_str() == "-" => ScriptSource::Stdin,
        ScriptArg::File(path) => ScriptSource::File(path.clone()),
    });
    let mut sources: Vec<ScriptSource> = sources.collect();
    if sources.iter().filter(|source| **source == ScriptSource::Stdin).count() > 1 {
        return Err(Error::usage("standard input can be read once, and '-f -' is given twice"));
    }
    if sources.is_empty() && !terminal.stdin {
        sources.push(ScriptSource::Stdin);
    }
    if !sources.is_empty() {
        return Ok((Request::Scripts(sources), output));
    }
    if output.target != Target::Stdout {
        return Err(Error::usage("the shell has no use for -o").with_hint("give the SQL with -c, -f or standard input"));
    }
    Ok((Request::Shell, output))
}

fn check_output(args: &OutputArgs, terminal: Terminal) -> Result<OutputPlan> {
    let (target, format) = match &args.output {
        None => {
            let usual = if terminal.stdout { Format::Table } else { Format::Csv };
            (Target::Stdout, args.format.unwrap_or(usual))
        }
        Some(path) => {
            let format = args.format.or_else(|| Format::from_ending(path)).ok_or_else(|| {
                Error::usage(format!("the ending of '{}' stands for no format", path.display()))
                    .with_hint("give the format with --format, such as --format csv")
            })?;
            check_target(path, args.existing)?;
            (Target::File { path: path.clone(), existing: args.existing }, format)
        }
    };
    if format.is_binary() && target == Target::Stdout && terminal.stdout {
        return Err(Error::usage(format!("{} is not for a terminal", format.name()))
            .with_hint("write it to a file with -o, or into a pipe"));
    }
    let color = terminal.stdout_color && target == Target::Stdout;
    Ok(OutputPlan { format, target, max_rows: args.max_rows, color })
}

/// The schema file that is asked for: by name, or by an output with its ending.
fn check_schema_file(inspect: &InspectArgs, toml: bool) -> Result<Option<SchemaFileRequest>> {
    let OutputArgs { format, output, existing, .. } = &inspect.output;
    let has_ending = |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    if !toml && (format.is_some() || !output.as_ref().is_some_and(has_ending)) {
        return Ok(None);
    }
    if format.is_some() {
        return Err(Error::usage("--toml and --format contradict each other"));
    }
    check_inputs(&inspect.inputs)?;
    if let Some(path) = output {
        check_target(path, *existing)?;
    }
    Ok(Some(SchemaFileRequest {
        inputs: inspect.inputs.clone(),
        read: check_read(&inspect.read)?,
        output: output.clone().map(|path| (path, *existing)),
    }))
}

pub(super) fn check_inputs(inputs: &[String]) -> Result<()> {
    match inputs.iter().find(|input| input.is_empty()) {
        Some(_) => Err(Error::usage("an input has an empty name")),
        None => Ok(()),
    }
}

/// The reader's options, by the names they have in SQL. What is wrong with one is told by its flag.
pub(super) fn check_read(args: &ReadArgs) -> Result<Options> {
    let mut options = Options::new();
    for (name, texts) in [("types", &args.types), ("columns", &args.columns)] {
        if !texts.is_empty() {
            options.push((name.into(), OptionValue::Map(column_types(name, texts)?)));
        }
    }
    for (name, text) in args.texts() {
        options.push((name.into(), OptionValue::Text(text.into())));
    }
    for (name, texts) in args.lists() {
        let value = match texts {
            [text] => OptionValue::Text(text.clone()),
            texts => OptionValue::List(texts.iter().cloned().map(OptionValue::Text).collect()),
        };
        options.push((name.into(), value));
    }
    for name in args.switches() {
        options.push((name.into(), OptionValue::Boolean(true)));
    }
    if let Some(header) = args.header {
        options.push(("header".into(), OptionValue::Boolean(header)));
    }
    if let Some(on_error) = args.on_error {
        let name = match on_error {
            OnError::Error => "error",
            OnError::Null => "null",
            OnError::Reject => "reject",
            OnError::Widen => "widen",
        };
        options.push(("on_error".into(), OptionValue::Text(name.into())));
    }
    if let Some(infer) = args.infer {
        let name = match infer {
            Infer::Sample => "sample",
            Infer::Full => "full",
        };
        options.push(("infer".into(), OptionValue::Text(name.into())));
    }
    CsvOptions::parse_flags(&options)?;
    Ok(options)
}

/// Types by column from `COLUMN=TYPE`.
fn column_types(name: &str, texts: &[String]) -> Result<Vec<(String, OptionValue)>> {
    let read = |text: &String| {
        let Some((column, name_of_type)) = text.rsplit_once('=').filter(|(column, _)| !column.is_empty()) else {
            return Err(Error::usage(format!("--{name}: '{text}' is no COLUMN=TYPE"))
                .with_hint(format!("write for instance --{name} temp=DOUBLE --{name} id=BIGINT")));
        };
        parse_type(name_of_type)?;
        Ok((column.to_string(), OptionValue::Text(name_of_type.to_string())))
    };
    texts.iter().map(read).collect()
}

fn check_generate(command: &GenerateCommand) -> Result<GeneratePlan> {
    Ok(match command {
        GenerateCommand::Timeseries { start, end, freq, partition_freq, decimals, target } => {
            let GenerateTarget { seed, output, format, existing } = target.clone();
            GeneratePlan::Timeseries(TimeseriesOptions {
                start: moment("--start", start)?,
                end: moment("--end", end)?,
                freq: freq.parse::<Rule>()?.width(),
                partition_freq: partition_freq.parse::<Rule>()?.width(),
                decimals: *decimals,
                seed,
                output,
                format: format.into(),
                existing,
            })
        }
        GenerateCommand::Groupby { rows, groups, files, nulls, target } => {
            let GenerateTarget { seed, output, format, existing } = target.clone();
            GeneratePlan::Groupby(GroupbyOptions {
                rows: whole("--rows", rows)?,
                groups: whole("--groups", groups)?,
                files: whole("--files", files)?,
                nulls: *nulls,
                seed,
                output,
                format: format.into(),
                existing,
            })
        }
    })
}

fn moment(flag: &str, text: &str) -> Result<i64> {
    match parse_timestamp(text) {
        Some((micros, None)) => Ok(micros),
        _ => Err(Error::usage(format!("{flag}: '{text}' is no date or time"))
            .with_hint("write for instance 2000-01-01 or '2000-01-01 12:30', without a zone")),
    }
}

/// A positive whole number, also written as `1e7` or `10_000`.
fn whole(flag: &str, text: &str) -> Result<u64> {
    let digits = text.trim().replace('_', "");
    let wrong = || Error::usage(format!("{flag}: '{text}' is no positive whole number"));
    let number = match digits.parse::<u64>() {
        Ok(number) => number,
        Err(_) => {
            let number: f64 = digits.parse().map_err(|_| wrong())?;
            // Up to here doubles are exact.
            if number.fract() != 0.0 || !(0.0..=9_007_199_254_740_992.0).contains(&number) {
                return Err(wrong());
            }
            number as u64
        }
    };
    if number == 0 { Err(wrong()) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::session::Layout;

    const TERMINAL: Terminal =
        Terminal { stdin: true, stdout: true, stderr: true, stdout_color: true, stderr_color: true };
    const PIPES: Terminal =
        Terminal { stdin: false, stdout: false, stderr: false, stdout_color: false, stderr_color: false };

    fn checked(line: &[&str], terminal: Terminal) -> Result<(Request, OutputPlan)> {
        let words = std::iter::once("highwater").chain(line.iter().copied()).map(OsString::from);
        check(&Args::parse_from_os(words).unwrap(), terminal)
    }

    fn refused(line: &[&str]) -> String {
        let error = checked(line, TERMINAL).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn a_terminal_gets_the_shell_and_tables_and_pipes_get_csv() {
        let (request, output) = checked(&[], TERMINAL).unwrap();
        assert!(matches!(request, Request::Shell));
        assert_eq!((output.format, output.color), (Format::Table, true));
        let (Request::Scripts(sources), output) = checked(&[], PIPES).unwrap() else { panic!("no SQL") };
        assert_eq!((sources, output.format), (vec![ScriptSource::Stdin], Format::Csv));
        let (Request::Scripts(sources), _) = checked(&["-c", "SELECT 1", "-f", "-"], PIPES).unwrap() else {
            panic!("no SQL")
        };
        assert_eq!(sources, [ScriptSource::Text("SELECT 1".into()), ScriptSource::Stdin]);
    }

    #[test]
    fn the_format_follows_the_ending_unless_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let text = path.to_str().unwrap();
        let (_, output) = checked(&["-c", "SELECT 1", "-o", text], TERMINAL).unwrap();
        assert_eq!((output.format, output.color), (Format::Parquet, false));
        let (_, output) = checked(&["-c", "SELECT 1", "-o", text, "--format", "jsonl"], TERMINAL).unwrap();
        assert_eq!(output.format, Format::Jsonl);
        assert!(refused(&["-c", "SELECT 1", "-o", "out.xls"]).contains("--format"));
        std::fs::write(&path, "").unwrap();
        assert!(refused(&["-c", "SELECT 1", "-o", text]).contains("--existing overwrite"));
        assert!(checked(&["-c", "SELECT 1", "-o", text, "--existing", "overwrite"], TERMINAL).is_ok());
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(refused(&["-o", "out.csv"]).contains("shell"));
        assert!(refused(&["-c", "SELECT 1", "--format", "parquet"]).contains("terminal"));
        assert!(refused(&["-c", "SELECT 1", "schema", "x.csv"]).contains("subcommand"));
        assert!(refused(&["-f", "-", "-f", "-"]).contains("twice"));
        assert!(refused(&["schema", ""]).contains("empty"));
    }

    #[test]
    fn reading_options_have_their_names_in_sql() {
        let line = [
            "convert",
            "in",
            "-o",
            "out",
            "--types",
            "a=b=DECIMAL(9,2)",
            "--delim",
            "\\t",
            "--nullstr",
            "NA",
            "--nullstr",
            "-",
            "--on-error",
            "reject",
            "--filename",
            "--compression",
            "zstd:3",
            "--merge",
        ];
        let (Request::Convert(request), _) = checked(&line, PIPES).unwrap() else { panic!("no conversion") };
        let options = request.options;
        let text = |text: &str| OptionValue::Text(text.into());
        let expected = vec![
            ("types".to_string(), OptionValue::Map(vec![("a=b".into(), text("DECIMAL(9,2)"))])),
            ("delim".to_string(), text("\\t")),
            ("nullstr".to_string(), OptionValue::List(vec![text("NA"), text("-")])),
            ("filename".to_string(), OptionValue::Boolean(true)),
            ("on_error".to_string(), text("reject")),
        ];
        assert_eq!(options.read, expected);
        assert_eq!(options.layout, Layout::Merge);
        let written = vec![("compression".to_string(), text("zstd:3"))];
        assert_eq!(options.write, written);
        assert!(refused(&["convert", "in", "-o", "out", "--compression", "zip"]).contains("zip"));
        assert!(refused(&["convert", "in", "-o", "out", "--compression", "zstd:99"]).contains("level"));
        assert!(refused(&["schema", "x.csv", "--types", "a"]).contains("COLUMN=TYPE"));
        assert!(refused(&["schema", "x.csv", "--types", "a=blob"]).contains("no type"));
    }

    #[test]
    fn wrong_reading_options_are_told_by_their_flags() {
        for (line, part) in [
            (&["--delim", "|||||||||"][..], "--delim is '|||||||||', which is longer than 8 bytes"),
            (&["--skip", "two"], "--skip is the text 'two'"),
            (&["--skip-footer", "-"], "--skip-footer is the text '-'"),
            (&["--columns", "a"], "--columns: 'a' is no COLUMN=TYPE"),
            (&["--columns", "a=INT", "--names", "a,b"], "--columns says all names"),
            (&["--dateformat", "%q"], "--dateformat is '%q', in which %q is unknown"),
            (
                &["--decimal-separator", ";", "--delim", ";", "--quote", ""],
                "--delim and --decimal-separator are both ';'",
            ),
            (&["--thousands", "."], "--decimal-separator and --thousands are both '.'"),
            (&["--blocksize", "0"], "--blocksize must be at least 1 byte"),
            (&["--max-line-size", "1TB"], "--max-line-size must be between"),
        ] {
            let line: Vec<&str> = ["schema", "x.csv"].iter().chain(line).copied().collect();
            let error = refused(&line);
            assert!(error.starts_with(part), "{error}");
        }
        let line = ["convert", "in", "-o", "out", "--parse-dates", "false", "--force-not-null", "a,b", "--all-varchar"];
        let (Request::Convert(request), _) = checked(&line, PIPES).unwrap() else { panic!("no conversion") };
        let options = request.options;
        let text = |text: &str| OptionValue::Text(text.into());
        let expected = vec![
            ("parse_dates".to_string(), text("false")),
            ("force_not_null".to_string(), OptionValue::List(vec![text("a"), text("b")])),
            ("all_varchar".to_string(), OptionValue::Boolean(true)),
        ];
        assert_eq!(options.read, expected);
    }

    #[test]
    fn outputs_of_conversions_must_be_of_the_right_kind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.parquet");
        std::fs::write(&file, "").unwrap();
        let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
        assert!(refused(&["convert", "x", "-o", folder, "--merge"]).contains("is a folder"));
        assert!(refused(&["convert", "x", "-o", file]).contains("is a file"));
        assert!(refused(&["convert", "x", "-o", file, "--merge"]).contains("exists"));
        assert!(checked(&["convert", "x", "-o", file, "--merge", "--existing", "overwrite"], PIPES).is_ok());
        // What is cut into files is a folder.
        assert!(checked(&["convert", "x", "-o", folder, "--merge", "--file-size", "1GB"], PIPES).is_ok());
        assert!(refused(&["convert", "x", "-o", file, "--merge", "--file-size", "1GB"]).contains("is a file"));
        let line = ["convert", "x", "-o", folder, "--partition-by", "a,b"];
        let (Request::Convert(request), _) = checked(&line, PIPES).unwrap() else { panic!("no conversion") };
        assert_eq!(request.options.layout, Layout::Partition);
        assert!(refused(&["convert", "x", "-o", folder, "--layout", "partition"]).contains("--partition-by"));
        assert!(
            refused(&["convert", "x", "-o", file, "--merge", "--partition-by", "a"]).contains("--layout partition")
        );
        assert!(refused(&["convert", "x", "-o", folder, "--file-size", "big"]).contains("big"));
    }

    #[test]
    fn generated_data_is_sized_by_rules_and_round_numbers() {
        let line = ["generate", "timeseries", "--start", "2000-01-01", "--end", "2000-12-31", "-o", "out"];
        let (Request::Generate(GeneratePlan::Timeseries(plan)), _) = checked(&line, PIPES).unwrap() else {
            panic!("no time series")
        };
        assert_eq!((plan.start, (plan.end - plan.start) / 86_400_000_000), (946_684_800_000_000, 365));
        assert_eq!((plan.freq.nanoseconds, plan.partition_freq.months), (1_000_000_000, 1));
        let line = ["generate", "groupby", "--rows", "1e7", "--groups", "1_00", "--nulls", "5", "-o", "out"];
        let (Request::Generate(GeneratePlan::Groupby(plan)), _) = checked(&line, PIPES).unwrap() else {
            panic!("no table to group")
        };
        assert_eq!((plan.rows, plan.groups, plan.files, plan.nulls), (10_000_000, 100, 1, 5.0));
        assert!(refused(&["generate", "groupby", "--rows", "1.5", "-o", "out"]).contains("--rows"));
        assert!(refused(&["generate", "groupby", "--rows", "0", "-o", "out"]).contains("--rows"));
        assert!(refused(&["generate", "timeseries", "--start", "soon", "-o", "out"]).contains("--start"));
    }
}
