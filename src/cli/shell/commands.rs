//! Dot commands: what the shell itself is told.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::output::Format;
use crate::config::suggest;
use crate::error::{Error, Result};

/// What `.help` shows.
pub const HELP: &str = "\
.help              this list
.tables            tables and views
.schema [TABLE]    their columns and types
.mode FORMAT       how results look: table, box, csv, tsv, json, jsonl, markdown, line
.timer on|off      whether the time is shown below results
.maxrows N         rows of a table that are shown; 0 shows all
.read FILE         run the SQL in a file
.quit              leave; so does Ctrl-D

SQL ends with a semicolon and may take several lines. Tab completes names, keywords and, inside quotes, files.
Ctrl-C clears the line, or interrupts the statement that runs. SHOW FUNCTIONS lists functions, SHOW ALL settings.
";

/// The commands' names, for completion and for suggestions.
pub const NAMES: [&str; 8] = [".help", ".tables", ".schema", ".mode", ".timer", ".maxrows", ".read", ".quit"];

/// A dot command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DotCommand {
    /// List the commands.
    Help,
    /// List tables and views.
    Tables,
    /// Show the columns of one, or of all.
    Schema(Option<String>),
    /// Change the format of results.
    Mode(Format),
    /// Show times or not.
    Timer(bool),
    /// Show so many rows of a table.
    MaxRows(usize),
    /// Run a file.
    Read(PathBuf),
    /// Leave.
    Quit,
}

impl DotCommand {
    /// Reads a line that begins with a dot.
    ///
    /// # Errors
    /// A usage error, with what would be right.
    pub fn parse(line: &str) -> Result<Self> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = unquoted(rest.trim());
        let needs = |what: &str| Error::usage(format!("{name} needs {what}"));
        Ok(match name {
            ".help" => Self::Help,
            ".tables" => Self::Tables,
            ".schema" => Self::Schema((!argument.is_empty()).then(|| argument.to_string())),
            ".quit" | ".exit" | ".q" => Self::Quit,
            ".mode" => {
                let format = Format::from_str(argument, true).ok().filter(|format| !format.is_binary());
                Self::Mode(format.ok_or_else(|| needs(&format!("a format: {}", modes().join(", "))))?)
            }
            ".timer" => match argument {
                "on" => Self::Timer(true),
                "off" => Self::Timer(false),
                _ => return Err(needs("on or off")),
            },
            ".maxrows" => Self::MaxRows(argument.parse().map_err(|_| needs("a number of rows, 0 for all"))?),
            ".read" if argument.is_empty() => return Err(needs("a file")),
            ".read" => Self::Read(argument.into()),
            _ => {
                let error = Error::usage(format!("there is no command '{name}'"));
                return Err(match suggest(name, NAMES) {
                    Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                    None => error.with_hint(".help lists the commands"),
                });
            }
        })
    }
}

/// The formats that a terminal takes.
pub fn modes() -> Vec<String> {
    Format::value_variants().iter().filter(|format| !format.is_binary()).map(|format| format.name()).collect()
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_their_arguments() {
        let read = |line| DotCommand::parse(line).unwrap();
        assert_eq!(read(".quit"), DotCommand::Quit);
        assert_eq!(read(".schema"), DotCommand::Schema(None));
        assert_eq!(read(" .schema \"Big Table\"; "), DotCommand::Schema(Some("Big Table".into())));
        assert_eq!(read(".mode JSON"), DotCommand::Mode(Format::Json));
        assert_eq!(read(".timer off"), DotCommand::Timer(false));
        assert_eq!(read(".maxrows 0"), DotCommand::MaxRows(0));
        assert_eq!(read(".read 'my queries.sql'"), DotCommand::Read("my queries.sql".into()));
    }

    #[test]
    fn wrong_commands_say_what_would_be_right() {
        let refused = |line| DotCommand::parse(line).unwrap_err().to_string();
        assert!(refused(".tabels").contains("did you mean '.tables'"));
        assert!(refused(".mode parquet").contains("table, csv"));
        assert!(refused(".timer").contains("on or off"));
        assert!(refused(".maxrows many").contains("rows"));
        assert!(refused(".read").contains("file"));
    }

    #[test]
    fn help_lists_every_command() {
        assert!(NAMES.iter().all(|name| HELP.contains(name)));
    }
}
