//! Completion: keywords, functions, tables, columns; files inside of quotes; dot commands and their arguments.

use std::borrow::Cow;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::{Context, Helper, Hinter, Validator};

use super::commands::{NAMES, modes};
use super::scan::{Inside, inside};
use crate::functions::{aggregate, scalar};
use crate::types::SchemaRef;

const KEYWORDS: &str = "\
    ALL ANALYZE AND AS ASC BETWEEN BY CASE CAST COPY CREATE DATE DESC DESCRIBE DISTINCT DROP ELSE END EXCLUDE \
    EXISTS EXPLAIN FALSE FILTER FIRST FROM FULL FUNCTIONS GROUP HAVING IF ILIKE IN INNER INSERT INTERVAL INTO IS \
    JOIN LAST LEFT LIKE LIMIT NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION REPLACE RIGHT SELECT SET \
    SHOW TABLE TABLES THEN TIMESTAMP TRUE UNION USING VALUES VIEW WHEN WHERE WITH";

fn keywords() -> impl Iterator<Item = &'static str> {
    KEYWORDS.split_ascii_whitespace()
}

/// Functions that are completed; their names come from the registry of functions.
fn function_names() -> Vec<&'static str> {
    let scalars = scalar::all().map(|function| function.name);
    let aggregates = aggregate::all().iter().map(|function| function.name);
    scalars.chain(aggregates).chain(["read_csv", "read_parquet"]).collect()
}

/// What the line editor asks while a line is typed.
#[derive(Helper, Hinter, Validator)]
pub struct ShellHelper {
    files: FilenameCompleter,
    tables: Vec<(String, Vec<String>)>,
    functions: Vec<&'static str>,
}

impl ShellHelper {
    /// Without tables.
    pub fn new() -> Self {
        Self { files: FilenameCompleter::new(), tables: Vec::new(), functions: function_names() }
    }

    /// The tables and columns to complete.
    pub fn set_tables(&mut self, tables: &[(String, SchemaRef)]) {
        let columns = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect();
        self.tables = tables.iter().map(|(name, schema)| (name.clone(), columns(schema))).collect();
    }

    /// Candidates for the word before the cursor, and where the word starts.
    fn names(&self, head: &str) -> (usize, Vec<Pair>) {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let start = head
            .rfind(|c| !is_word(c))
            .map_or(0, |index| index + head[index..].chars().next().map_or(1, char::len_utf8));
        let word = &head[start..];
        if let Some((table, prefix)) = word.rsplit_once('.') {
            let columns = self.tables.iter().filter(|(name, _)| name.eq_ignore_ascii_case(table));
            let columns = columns.flat_map(|(_, columns)| columns).map(|column| quoted(column));
            return (start + table.len() + 1, matching(prefix, columns));
        }
        let tables = self.tables.iter().map(|(name, _)| quoted(name));
        let columns = self.tables.iter().flat_map(|(_, columns)| columns).map(|column| quoted(column));
        let functions = self.functions.iter().map(|name| Cow::Owned(format!("{name}(")));
        let mut pairs = matching(word, tables.chain(columns).chain(functions));
        // Keywords are written as the user has begun.
        let small = word.chars().next().is_some_and(char::is_lowercase);
        let keywords = keywords().map(|name| match small {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        });
        if !word.is_empty() {
            pairs.extend(matching(word, keywords));
        }
        (start, pairs)
    }

    fn command(&self, head: &str) -> Option<(usize, Vec<Pair>)> {
        let Some((name, argument)) = head.split_once(' ') else {
            return Some((0, matching(head, NAMES.iter().map(|name| Cow::Borrowed(*name)))));
        };
        let start = head.len() - argument.len();
        match name {
            ".mode" => Some((start, matching(argument, modes().into_iter().map(Cow::Owned)))),
            ".timer" => Some((start, matching(argument, ["on", "off"].into_iter().map(Cow::Borrowed)))),
            ".schema" => Some((start, matching(argument, self.tables.iter().map(|(name, _)| quoted(name))))),
            _ => None,
        }
    }
}

fn matching<'a>(prefix: &str, candidates: impl Iterator<Item = Cow<'a, str>>) -> Vec<Pair> {
    let fits = |candidate: &str| {
        let bare = candidate.trim_start_matches('"');
        bare.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let mut names: Vec<Cow<'a, str>> = candidates.filter(|candidate| fits(candidate)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| Pair { display: name.to_string(), replacement: name.into_owned() }).collect()
}

/// The name as SQL reads it: in quotes, where it would read as something else without.
pub fn quoted(name: &str) -> Cow<'_, str> {
    let is_plain = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !keywords().any(|keyword| keyword.eq_ignore_ascii_case(name));
    if is_plain { Cow::Borrowed(name) } else { Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))) }
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let head = line.get(..position).unwrap_or(line);
        if head.starts_with('.') {
            return self.command(head).map_or_else(|| self.files.complete_path(line, position), Ok);
        }
        match inside(head) {
            Inside::Plain => Ok(self.names(head)),
            Inside::Quote('\'') => self.files.complete_path(line, position),
            Inside::Quote(..) | Inside::LineComment | Inside::BlockComment(_) => Ok((position, Vec::new())),
        }
    }
}

impl Highlighter for ShellHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\u{1b}[1m{prompt}\u{1b}[0m"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustyline::history::MemHistory;

    use super::*;
    use crate::types::{DataType, Field, Schema};

    fn complete(line: &str) -> (usize, Vec<String>) {
        let mut helper = ShellHelper::new();
        let fields = ["origin", "dep_delay", "Tail Number"].map(|name| Field::new(name, DataType::Int64, true));
        helper.set_tables(&[("flights".to_string(), Arc::new(Schema::new(fields.to_vec())))]);
        let history = MemHistory::new();
        let (start, pairs) = helper.complete(line, line.len(), &Context::new(&history)).unwrap();
        (start, pairs.into_iter().map(|pair| pair.replacement).collect())
    }

    #[test]
    fn names_and_keywords_complete_as_they_were_begun() {
        assert_eq!(complete("SELECT or"), (7, vec!["origin".to_string(), "or".into(), "order".into()]));
        assert_eq!(complete("SELECT 1 FR"), (9, vec!["FROM".to_string()]));
        assert_eq!(complete("SELECT 1 FROM fl"), (14, vec!["flights".to_string(), "floor(".into()]));
        assert_eq!(complete("SELECT flights.de"), (15, vec!["dep_delay".to_string()]));
        assert_eq!(complete("SELECT tail"), (7, vec!["\"Tail Number\"".to_string()]));
        assert_eq!(complete("SELECT (med"), (8, vec!["median(".to_string()]));
        assert_eq!(complete("SELECT é"), (7, vec![]));
    }

    #[test]
    fn commands_and_their_arguments_complete() {
        assert_eq!(complete(".t"), (0, vec![".tables".to_string(), ".timer".into()]));
        assert_eq!(complete(".mode j"), (6, vec!["json".to_string(), "jsonl".into()]));
        assert_eq!(complete(".timer o"), (7, vec!["off".to_string(), "on".into()]));
        assert_eq!(complete(".schema f"), (8, vec!["flights".to_string()]));
    }

    #[test]
    fn files_complete_inside_of_quotes_and_nothing_in_comments() {
        let (start, names) = complete("SELECT * FROM 'src/cl");
        assert_eq!((start, names.len()), (15, 1));
        assert!(names[0].starts_with("src/cli"), "{names:?}");
        assert_eq!(complete("-- SEL").1, Vec::<String>::new());
    }
}
