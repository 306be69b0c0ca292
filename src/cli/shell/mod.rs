//! The shell: reads statements and dot commands line by line, runs them, and lives on after errors.

mod commands;
mod helper;
mod scan;

use std::path::PathBuf;

use rustyline::config::ColorMode;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Editor};

use self::commands::{DotCommand, HELP};
use self::helper::ShellHelper;
use super::layers::{user_folder, variable};
use super::report::{Failure, SourceText};
use super::runner::{Finished, Runner};
use super::{ScriptSource, read_script};
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::session::Outcome;
use crate::sql::is_complete;
use crate::types::{SchemaRef, format_bytes, format_count, sql_name};

const PROMPT: &str = "highwater> ";
/// While a statement goes on.
const PROMPT_MORE: &str = "      ...> ";
/// Statements kept in the history.
const HISTORY_ENTRIES: usize = 10_000;

/// Talks with the user until they leave.
///
/// # Errors
/// The terminal cannot be read, or nobody reads standard output any more. Errors of statements are shown, and end nothing.
pub fn run(runner: &mut Runner) -> Result<(), Failure> {
    let mut shell = Shell::open(runner)?;
    shell.greet().and_then(|()| shell.talk())
}

struct Shell<'a> {
    runner: &'a mut Runner,
    editor: Editor<ShellHelper, FileHistory>,
    history: Option<PathBuf>,
    timer: bool,
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Prompt,
    Leave,
}

impl<'a> Shell<'a> {
    fn open(runner: &'a mut Runner) -> Result<Self> {
        let color = if runner.terminal.stdout_color { ColorMode::Enabled } else { ColorMode::Disabled };
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY_ENTRIES)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(terminal_error)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .color_mode(color)
            .build();
        let mut editor = Editor::with_config(config).map_err(terminal_error)?;
        editor.set_helper(Some(ShellHelper::new()));
        let history = history_file();
        if let Some(path) = &history {
            // There is none before the first session.
            let _ = editor.load_history(path);
        }
        Ok(Self { runner, editor, history, timer: true })
    }

    fn greet(&self) -> Result<(), Failure> {
        let config = self.runner.session.config();
        self.say(&format!(
            "Highwater {}, {} of memory, {} threads. SQL ends with a semicolon; see .help\n",
            env!("CARGO_PKG_VERSION"),
            format_bytes(config.memory_limit),
            config.threads,
        ))
    }

    fn talk(&mut self) -> Result<(), Failure> {
        let mut statement = String::new();
        loop {
            if statement.is_empty() {
                let tables = self.runner.session.tables();
                if let Some(helper) = self.editor.helper_mut() {
                    helper.set_tables(&tables);
                }
            }
            let prompt = if statement.is_empty() { PROMPT } else { PROMPT_MORE };
            let line = match self.editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => {
                    statement.clear();
                    continue;
                }
                Err(ReadlineError::Signal(_)) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(terminal_error(error).into()),
            };
            if statement.is_empty() {
                match line.trim() {
                    "" => continue,
                    "quit" | "exit" | "quit;" | "exit;" => return Ok(()),
                    command if command.starts_with('.') => {
                        self.remember(command);
                        if self.command(command)? == Next::Leave {
                            return Ok(());
                        }
                        continue;
                    }
                    _ => {}
                }
            } else {
                statement.push('\n');
            }
            statement.push_str(&line);
            if is_complete(&statement) {
                let text = std::mem::take(&mut statement);
                self.remember(text.trim());
                self.statements(&SourceText::new(text))?;
            }
        }
    }

    /// Runs statements and shows what they say.
    fn statements(&mut self, source: &SourceText) -> Result<(), Failure> {
        let timer = self.timer;
        let ran = self.runner.script(source, |runner, finished| runner.output.say(&closing_line(&finished, timer)));
        self.survive(ran)
    }

    /// Shows an error and goes on, unless nobody reads any more.
    fn survive(&self, ran: Result<(), Failure>) -> Result<(), Failure> {
        match ran {
            Err(Failure::BrokenPipe) => Err(Failure::BrokenPipe),
            Err(failure) => {
                failure.report(self.runner.terminal);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn command(&mut self, line: &str) -> Result<Next, Failure> {
        let done = match DotCommand::parse(line) {
            Ok(DotCommand::Quit) => return Ok(Next::Leave),
            Ok(command) => self.obey(command),
            Err(error) => Err(error.into()),
        };
        self.survive(done)?;
        Ok(Next::Prompt)
    }

    fn obey(&mut self, command: DotCommand) -> Result<(), Failure> {
        match command {
            DotCommand::Help => self.say(HELP),
            DotCommand::Tables => {
                let lines: String =
                    self.runner.session.tables().iter().map(|(name, _)| format!("{}\n", plain(name))).collect();
                self.say(&lines)
            }
            DotCommand::Schema(wanted) => {
                let text = schema_text(&self.runner.session.tables(), wanted.as_deref())?;
                self.say(&text)
            }
            DotCommand::Mode(format) => {
                self.runner.output.plan_mut().format = format;
                Ok(())
            }
            DotCommand::Timer(on) => {
                self.timer = on;
                Ok(())
            }
            DotCommand::MaxRows(rows) => {
                self.runner.output.plan_mut().max_rows = rows;
                Ok(())
            }
            DotCommand::Read(path) => {
                let source = read_script(&ScriptSource::File(path))?;
                self.statements(&source)
            }
            DotCommand::Quit => Ok(()),
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.runner.output.say(text).map_err(|error| self.runner.failure(error, None))
    }

    /// Adds to the history at once, so that it survives the process. A history that cannot be written is done without.
    fn remember(&mut self, text: &str) {
        let added = self.editor.add_history_entry(text);
        if let (Ok(true), Some(path)) = (added, &self.history) {
            let _ = self.editor.append_history(path);
        }
    }
}

/// `(12 rows, 0.034 s)` below rows; what was done, in words, otherwise.
fn closing_line(finished: &Finished, timer: bool) -> String {
    let time = format!("{:.3} s", finished.elapsed.as_secs_f64());
    match (&finished.outcome, timer) {
        (Outcome::Rows { rows }, timer) => {
            let unit = if *rows == 1 { "row" } else { "rows" };
            let time = if timer { format!(", {time}") } else { String::new() };
            format!("({} {unit}{time})\n", format_count(*rows))
        }
        (Outcome::Done { message }, true) => format!("{} ({time})\n", plain(message)),
        (Outcome::Done { message }, false) => format!("{}\n", plain(message)),
    }
}

/// Tables with their columns, as CREATE TABLE would make them.
fn schema_text(tables: &[(String, SchemaRef)], wanted: Option<&str>) -> Result<String> {
    let is_wanted = |name: &String| wanted.is_none_or(|wanted| name.eq_ignore_ascii_case(wanted));
    let mut text = String::new();
    for (name, schema) in tables.iter().filter(|(name, _)| is_wanted(name)) {
        let columns = schema
            .fields()
            .iter()
            .map(|field| format!("\n  {} {}", helper::quoted(&plain(field.name())), sql_name(field.data_type())));
        let columns: Vec<String> = columns.collect();
        text.push_str(&format!("CREATE TABLE {} ({}\n);\n", helper::quoted(&plain(name)), columns.join(",")));
    }
    match wanted {
        Some(wanted) if text.is_empty() => {
            let error = Error::usage(format!("there is no table '{wanted}'"));
            Err(match suggest(wanted, tables.iter().map(|(name, _)| name.as_str())) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint(".tables lists the tables and views"),
            })
        }
        _ => Ok(text),
    }
}

fn plain(text: &str) -> String {
    super::output::on_one_line(text).into_owned()
}

/// The history's file, in a folder that exists now.
fn history_file() -> Option<PathBuf> {
    let folder = user_folder("XDG_STATE_HOME", ".local/state", variable)?;
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn terminal_error(error: ReadlineError) -> Error {
    Error::data(format!("cannot read from the terminal: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::types::{DataType, Field, Schema, TEXT};

    #[test]
    fn closing_lines_count_rows_and_tell_the_time() {
        let elapsed = Duration::from_millis(34);
        let rows = |rows| Finished { outcome: Outcome::Rows { rows }, elapsed };
        assert_eq!(closing_line(&rows(12_345), true), "(12,345 rows, 0.034 s)\n");
        assert_eq!(closing_line(&rows(1), false), "(1 row)\n");
        let done = Finished { outcome: Outcome::Done { message: "created table t".into() }, elapsed };
        assert_eq!(closing_line(&done, true), "created table t (0.034 s)\n");
    }

    #[test]
    fn schemas_are_shown_as_statements_that_make_them() {
        let fields = vec![Field::new("id", DataType::Int64, true), Field::new("Full name", TEXT, true)];
        let tables = [("people".to_string(), Arc::new(Schema::new(fields)))];
        assert_eq!(
            schema_text(&tables, Some("PEOPLE")).unwrap(),
            "CREATE TABLE people (\n  id BIGINT,\n  \"Full name\" VARCHAR\n);\n"
        );
        assert_eq!(schema_text(&[], None).unwrap(), "");
        assert!(schema_text(&tables, Some("peple")).unwrap_err().to_string().contains("did you mean 'people'"));
    }
}
