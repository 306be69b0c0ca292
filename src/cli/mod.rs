//! The command line: arguments are parsed (`args`), checked (`check`) and carried out here; errors become lines on
//! standard error and exit codes.
//!
//! Standard output carries results and nothing else when it is no terminal, so that it can be piped; what is said
//! about them goes to standard error.

mod args;
mod check;
mod convert;
mod generate;
mod inspect;
mod interrupt;
mod layers;
mod output;
mod progress;
mod rejects;
mod report;
mod runner;
mod shell;
mod terminal;

use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use tracing_subscriber::EnvFilter;

use crate::config::SETTINGS;
use crate::error::{Error, Result};
use crate::session::{Outcome, Session};

use args::{Args, SettingArgs};
use check::{Request, ScriptSource, check};
use interrupt::Interrupts;
use layers::Layers;
use output::Output;
use rejects::Rejects;
use report::{Failure, SourceText, tell};
use runner::{Finished, Runner};
use terminal::Terminal;

/// Exit code of a command that finished, but had to reject rows.
const EXIT_REJECTED: u8 = 4;

/// Runs the command line, the first argument being the program's name. `purge` makes the allocator give back to the
/// system what is free.
pub fn run(arguments: impl IntoIterator<Item = OsString>, purge: fn()) -> ExitCode {
    let args = match Args::parse_from_os(arguments) {
        Ok(args) => args,
        Err(message) => {
            // Help into a closed pipe is no error.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2));
        }
    };
    let terminal = Terminal::detect();
    let code = execute(&args, terminal, purge).unwrap_or_else(|failure| {
        failure.report(terminal);
        failure.exit_code()
    });
    ExitCode::from(code)
}

fn execute(args: &Args, terminal: Terminal, purge: fn()) -> Result<u8, Failure> {
    start_log(args.settings.verbose)?;
    let (request, plan) = check(args, terminal)?;
    let layers = load_layers(&args.settings)?;
    let mut output = Output::new(plan);
    if matches!(request, Request::Config) {
        let shown = settings(&layers).and_then(|batch| output.print(&batch, terminal.width()));
        return match shown {
            Err(_) if output.is_broken() => Ok(0),
            shown => Ok(shown.map(|()| 0)?),
        };
    }
    let session = Session::with_purge(layers.config, purge)?;
    let rejects = Rejects::new(&args.rejects)?;
    let mut runner = Runner::new(session, output, terminal, Interrupts::install()?, args.settings.progress, rejects);
    let done = match request {
        Request::Shell => shell::run(&mut runner),
        Request::Scripts(sources) => run_scripts(&mut runner, &sources),
        Request::Schema(relation) => inspect::schema(&mut runner, &relation),
        Request::SchemaFile(request) => inspect::schema_file(&mut runner, &request),
        Request::Head(relation, rows) => inspect::head(&mut runner, &relation, rows),
        Request::Describe(relation) => inspect::describe(&mut runner, &relation),
        Request::Convert(request) => convert::run(&mut runner, &request),
        Request::Verify(options) => {
            let code = convert::verify(&mut runner, &options);
            runner.finish()?;
            return code;
        }
        Request::Generate(plan) => generate::run(&mut runner, &plan),
        Request::Config => Ok(()),
    };
    // What was rejected by statements that were done is worth having, whatever came after them.
    let finished = runner.finish();
    done?;
    finished?;
    Ok(if runner.rejected() > 0 { EXIT_REJECTED } else { 0 })
}

fn run_scripts(runner: &mut Runner, sources: &[ScriptSource]) -> Result<(), Failure> {
    for source in sources {
        let text = read_script(source)?;
        runner.script(&text, |_, Finished { outcome, .. }| {
            if let Outcome::Done { message } = outcome {
                tell(&message);
            }
            Ok(())
        })?;
    }
    Ok(runner.output.close()?)
}

fn read_script(source: &ScriptSource) -> Result<SourceText> {
    let (bytes, path) = match source {
        ScriptSource::Text(text) => return Ok(SourceText::new(text)),
        ScriptSource::File(path) => {
            (std::fs::read(path).map_err(|error| Error::io("read", path, &error))?, Some(path.clone()))
        }
        ScriptSource::Stdin => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|error| Error::data(format!("cannot read standard input: {error}")))?;
            (bytes, None)
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let what = path.as_ref().map_or("standard input".to_string(), |path| format!("'{}'", path.display()));
        Error::data(format!("{what} is not UTF-8 text, at byte {}", error.utf8_error().valid_up_to()))
    })?;
    // Editors of some systems begin a text with a byte order mark.
    let text = text.strip_prefix('\u{feff}').map(String::from).unwrap_or(text);
    Ok(SourceText { text, path, first_line: 1 })
}

fn load_layers(settings: &SettingArgs) -> Result<Layers> {
    let files = layers::config_files(settings.config.as_deref(), layers::variable);
    Layers::load(&files, layers::environment(), &settings.given())
}

/// Every setting with its value and origin.
fn settings(layers: &Layers) -> Result<RecordBatch> {
    let column = |texts: Vec<String>| Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef;
    let of = |text: fn(&Layers, &crate::config::Setting) -> String| {
        column(SETTINGS.iter().map(|setting| text(layers, setting)).collect())
    };
    Ok(RecordBatch::try_from_iter([
        ("name", of(|_, setting| setting.name.into())),
        ("value", of(|layers, setting| (setting.show)(&layers.config))),
        ("origin", of(|layers, setting| layers.origin(setting.name).to_string())),
        ("meaning", of(|_, setting| setting.meaning.into())),
    ])?)
}

/// `-v` shows what the engine does, `-vv` more; `HIGHWATER_LOG` takes a filter of its own.
fn start_log(verbose: u8) -> Result<()> {
    let level = match verbose {
        0 => "warn",
        1 => "highwater=debug",
        _ => "trace",
    };
    let filter = match layers::variable(layers::LOG_VARIABLE) {
        Some(filter) if verbose == 0 => filter,
        _ => level.to_string(),
    };
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| Error::usage(format!("{}: '{filter}' is no filter: {error}", layers::LOG_VARIABLE)))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| Error::internal(format!("cannot start the log: {error}")))
}
