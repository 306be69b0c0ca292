//! Reading options by their names, and checking what they say against each other.

use std::collections::HashSet;
use std::fmt::Display;

use super::refused::instead_of;
use super::table::{CsvOption, ON_ERROR, OPTIONS};
use super::{CsvOptions, Delimiter, OnError};
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::io::csv::formats::check_separator;
use crate::io::csv::strptime::TimeFormat;
use crate::io::options::Options;
use crate::types::DataType;

/// The largest `max_line_size`: positions in a block are 32 bits wide, and two of them carry flags.
const MAX_LINE_SIZE: u64 = 1 << 29;

impl CsvOptions {
    /// Reads options as SQL and the API give them.
    ///
    /// # Errors
    /// A usage error for an unknown name, which suggests a near one, a value of the wrong kind, and values that
    /// contradict each other.
    pub fn parse(options: &Options) -> Result<Self> {
        Self::parse_as(options, in_sql)
    }

    /// Reads options that the command line gave as flags of the same names; errors are about the flags.
    pub(crate) fn parse_flags(options: &Options) -> Result<Self> {
        Self::parse_as(options, |name| format!("--{}", name.replace('_', "-")))
    }

    fn parse_as(options: &Options, call: impl Fn(&str) -> String) -> Result<Self> {
        let mut parsed = Self::default();
        let mut given: Vec<(&str, &CsvOption)> = Vec::new();
        for (name, value) in options {
            let option = option_named(name)?;
            if let Some((earlier, _)) = given.iter().find(|(_, other)| other.names == option.names) {
                let (earlier, name) = (call(earlier), call(name));
                return Err(Error::usage(if earlier == name {
                    format!("{name} is given twice")
                } else {
                    format!("{earlier} and {name} are the same, and both are given")
                }));
            }
            given.push((name, option));
            (option.set)(&mut parsed, value)
                .map_err(|problem| Error::usage(format!("{} is {problem}", call(name))).with_hint(option.usage))?;
        }
        parsed.escape = parsed.escape.filter(|escape| Some(*escape) != parsed.quote);
        // Who says what happens to rejected rows wants them to be rejected.
        let says_how = given.iter().any(|(_, option)| option.names.iter().any(|name| ON_ERROR.contains(name)));
        if !says_how && (parsed.rejects.is_some() || parsed.max_rejects.is_some()) {
            parsed.on_error = OnError::Reject;
        }
        parsed.check_as(call)?;
        Ok(parsed)
    }

    /// Checks what the options say against each other.
    pub(in crate::io::csv) fn check(&self) -> Result<()> {
        self.check_as(in_sql)
    }

    fn check_as(&self, call: impl Fn(&str) -> String) -> Result<()> {
        let wrong = |name: &str, problem: &dyn Display| Error::usage(format!("{} {problem}", call(name)));
        let delimiter = self.delimiter.and_then(|delimiter| delimiter.one_byte());
        if let Some(long) = self.delimiter.and_then(Delimiter::if_long) {
            let special = [Some(b'\n'), Some(b'\r'), Some(0), self.quote, self.escape];
            if long.as_bytes().iter().any(|byte| special.contains(&Some(*byte))) {
                return Err(wrong("delim", &"must not hold a line end, the quote or the escape character"));
            }
        }
        let special = [("delim", delimiter), ("quote", self.quote), ("escape", self.escape), ("comment", self.comment)];
        for (name, byte) in special {
            if byte.is_some_and(|byte| !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0)) {
                return Err(wrong(name, &"must be one ASCII character, and no line end"));
            }
        }
        let separators = [("decimal_separator", Some(self.decimal_separator)), ("thousands", self.thousands)];
        for (name, byte) in separators {
            if let Some(Err(problem)) = byte.map(check_separator) {
                return Err(wrong(name, &format!("is {problem}")));
            }
        }
        // The usual point is nobody's wish, and no conflict with what is one.
        let is_default = |name: &str, byte: u8| (name, byte) == ("decimal_separator", b'.');
        let all: Vec<(&str, u8)> =
            special.into_iter().chain(separators).filter_map(|(name, byte)| Some((name, byte?))).collect();
        for (index, (name, byte)) in all.iter().enumerate() {
            if is_default(name, *byte) {
                continue;
            }
            let Some((other, _)) = all[..index].iter().find(|(_, earlier)| earlier == byte) else { continue };
            // Quotes keep the numbers in one piece: "1,234.50" between commas.
            let is_number = separators.iter().any(|(separator, _)| separator == name);
            if is_number && *other == "delim" && self.quote.is_some() {
                continue;
            }
            let error = Error::usage(format!("{} and {} are both '{}'", call(other), call(name), char::from(*byte)));
            return Err(match (*name, self.decimal_separator) {
                ("thousands" | "decimal_separator", _) if *other == "delim" => {
                    error.with_hint("without quotes, numbers that hold the delimiter fall apart: leave out quote=''")
                }
                ("thousands", b'.') => error.with_hint("set decimal_separator too: decimal_separator = ','"),
                _ => error,
            });
        }
        self.check_columns(&call)?;
        let compiled = |name: &str, format: &Option<String>| match format.as_deref().map(TimeFormat::new) {
            Some(Err(problem)) => Err(wrong(name, &format!("is {problem}")).with_hint(TimeFormat::SPECIFIERS)),
            Some(Ok(format)) => Ok(Some(format)),
            None => Ok(None),
        };
        let dates = compiled("dateformat", &self.dateformat)?;
        let timestamps = compiled("timestampformat", &self.timestampformat)?;
        if timestamps.is_some() && dates.is_some_and(|format| format.has_time()) {
            return Err(wrong("dateformat", &"has a time, and how timestamps are written is given too")
                .with_hint("a dateformat with a time is a timestampformat: give one of them"));
        }
        if self.max_line_size == 0 || self.max_line_size as u64 > MAX_LINE_SIZE {
            return Err(wrong("max_line_size", &"must be between 1 byte and 512MiB"));
        }
        if self.blocksize == Some(0) {
            return Err(wrong("blocksize", &"must be at least 1 byte"));
        }
        Ok(())
    }

    /// Checks names and types of columns.
    fn check_columns(&self, call: impl Fn(&str) -> String) -> Result<()> {
        let names = if self.names_are_all { "columns" } else { "names" };
        let mut known = HashSet::with_capacity(self.names.len());
        if let Some(name) = self.names.iter().find(|name| !known.insert(*name)) {
            return Err(Error::usage(format!("{} holds '{name}' twice", call(names)))
                .with_hint("give each column a name of its own"));
        }
        if !self.names_are_all {
            return Ok(());
        }
        if self.names.is_empty() {
            return Err(Error::usage(format!("{} is empty", call("columns")))
                .with_hint("write columns = {'column': 'TYPE'} with all columns of the files"));
        }
        let same = |((column, _), name): (&(String, DataType), &String)| column == name;
        let says_more = self.types.len() != self.names.len() || !self.types.iter().zip(&self.names).all(same);
        if says_more || !self.types_by_position.is_empty() {
            return Err(Error::usage(format!("{} says all names and types, and others are given", call("columns")))
                .with_hint("leave out names and types, or columns"));
        }
        Ok(())
    }
}

/// The first name of the option that has this name; `None`, where there is none.
pub fn canonical_name(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let option = OPTIONS.iter().find(|option| option.names.contains(&wanted.as_str()))?;
    option.names.first().copied()
}

/// How errors call an option of SQL.
fn in_sql(name: &str) -> String {
    format!("the option '{name}'")
}

fn option_named(name: &str) -> Result<&'static CsvOption> {
    let wanted = name.to_ascii_lowercase();
    if let Some(option) = OPTIONS.iter().find(|option| option.names.contains(&wanted.as_str())) {
        return Ok(option);
    }
    let error = Error::usage(format!("read_csv has no option '{name}'"));
    if let Some(instead) = instead_of(&wanted) {
        return Err(error.with_hint(instead));
    }
    let names = OPTIONS.iter().flat_map(|option| option.names.iter().copied());
    Err(match suggest(&wanted, names) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => {
            let names: Vec<_> = OPTIONS.iter().filter_map(|option| option.names.first().copied()).collect();
            error.with_hint(format!("options are {}", names.join(", ")))
        }
    })
}
