//! Errors on standard error: what happened, the place in the SQL text with a mark under it, the place in the data, what to do.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::terminal::Terminal;
use crate::error::{Error, ErrorClass, Span};
use crate::sql::Parsed;

/// The text that an error's span counts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceText {
    /// The text.
    pub text: String,
    /// The file that it is part of.
    pub path: Option<PathBuf>,
    /// The line of that file on which it starts.
    pub first_line: usize,
}

impl SourceText {
    /// Text that is no part of a file.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), path: None, first_line: 1 }
    }

    /// The text of one of the statements that it was cut into.
    pub fn statement(&self, statement: &Parsed) -> Self {
        let lines_before = usize::try_from(statement.line).unwrap_or(1).saturating_sub(1);
        Self { text: statement.text.clone(), path: self.path.clone(), first_line: self.first_line + lines_before }
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// An error, and the text it is about.
    Error(Error, Option<SourceText>),
    /// The reader of standard output has gone, and needs no answer.
    BrokenPipe,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error, None)
    }
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Error(error, _) => error.exit_code(),
            Self::BrokenPipe => 0,
        }
    }

    /// Prints it.
    pub fn report(&self, terminal: Terminal) {
        if let Self::Error(error, source) = self {
            tell(&render(error, source.as_ref(), terminal.stderr_color));
        }
    }
}

/// Writes a line to standard error. That it is closed is no reason to fail.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The error as text.
pub fn render(error: &Error, source: Option<&SourceText>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let kind = error.kind();
    let message = match kind.class {
        ErrorClass::Internal => format!("internal error: {}", kind.message),
        _ => kind.message.clone(),
    };
    let title = Level::ERROR.primary_title(message.as_str());
    let shown = match (source, kind.span) {
        (Some(source), Some(span)) => {
            let snippet = Snippet::source(source.text.as_str())
                .line_start(source.first_line.max(1))
                .path(source.path.as_ref().map(|path| path.display().to_string()))
                .annotation(AnnotationKind::Primary.span(byte_range(&source.text, span)));
            renderer.render(&[title.element(snippet)])
        }
        _ => renderer.render(&[annotate_snippets::Group::with_title(title)]),
    };
    let mut details = String::new();
    // Writing to a string cannot fail.
    let _ = kind.write_details(&mut details);
    shown + &plain(&details)
}

/// The text in which names and raw text of files cannot send commands to the terminal.
pub fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() && c != '\n' { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// The bytes of the text that a span covers: at least one character, where there is one.
fn byte_range(text: &str, span: Span) -> Range<usize> {
    let start = byte_offset(text, span.start);
    let next = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
    start..byte_offset(text, span.end).max(next)
}

fn byte_offset(text: &str, (line, column): (u64, u64)) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(offset) => start += offset + 1,
            None => return text.len(),
        }
    }
    let rest = text[start..].split('\n').next().unwrap_or("");
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    start + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::DataLocation;

    #[test]
    fn the_place_is_marked_under_the_sql() {
        let source = SourceText::new("SELECT origin,\n  'é' || destt\nFROM flights");
        let span = Span { start: (2, 10), end: (2, 15) };
        let error = Error::sql("there is no column 'destt'").with_span(span).with_hint("did you mean 'dest'?");
        insta::assert_snapshot!(render(&error, Some(&source), false), @r"
        error: there is no column 'destt'
          |
        2 |   'é' || destt
          |          ^^^^^
        hint: did you mean 'dest'?
        ");
        assert!(render(&error, Some(&source), true).contains("\u{1b}["));
    }

    #[test]
    fn statements_of_a_file_count_its_lines() {
        let source = SourceText { text: "SELEC 1".into(), path: Some("q.sql".into()), first_line: 7 };
        let error = Error::sql("expected a statement").with_span(Span { start: (1, 1), end: (1, 6) });
        insta::assert_snapshot!(render(&error, Some(&source), false), @r"
        error: expected a statement
         --> q.sql:7:1
          |
        7 | SELEC 1
          | ^^^^^
        ");
    }

    #[test]
    fn places_in_data_are_told_and_cannot_command_the_terminal() {
        let location = DataLocation {
            file: Some(Path::new("a\u{1b}[2J.csv").into()),
            line: Some(12),
            column: Some("temp".into()),
            raw: Some("warm\t".into()),
            ..DataLocation::default()
        };
        let error = Error::data("the value does not fit BIGINT").with_location(location);
        insta::assert_snapshot!(render(&error, None, false), @r#"
        error: the value does not fit BIGINT
          in file 'a\u{1b}[2J.csv', line 12, column "temp"
          text: "warm\t"
        "#);
    }

    #[test]
    fn spans_outside_of_the_text_do_no_harm() {
        for (start, end) in [((9, 9), (9, 10)), ((1, 99), (1, 100)), ((0, 0), (0, 0)), ((1, 2), (1, 1))] {
            for text in ["", "é", "ab\ncd\n"] {
                let error = Error::sql("x").with_span(Span { start, end });
                assert!(render(&error, Some(&SourceText::new(text)), false).starts_with("error: x"));
            }
        }
    }
}
