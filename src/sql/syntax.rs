//! Syntax errors: the parser's messages cleaned, with their place and what to do about them.

use sqlparser::keywords::Keyword;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan, TokenizerError};

use super::span::span;
use crate::config::suggest;
use crate::error::{Error, Span};

/// Words that a statement may begin with, for "did you mean".
const STATEMENTS: &[&str] =
    &["SELECT", "FROM", "WITH", "VALUES", "EXPLAIN", "CREATE", "INSERT", "DROP", "DESCRIBE", "SHOW", "SET", "COPY"];

/// Words that a clause may begin with, for "did you mean".
const CLAUSES: &[&str] = &["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION"];

/// Words that begin a clause and are no names of columns.
const CLAUSE_KEYWORDS: &[Keyword] =
    &[Keyword::FROM, Keyword::WHERE, Keyword::GROUP, Keyword::HAVING, Keyword::ORDER, Keyword::LIMIT, Keyword::UNION];

/// An error in one statement; its span counts from the statement's start.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) span: Option<Span>,
    pub(super) hint: Option<String>,
}

impl SyntaxError {
    /// As an error of the whole text, in which the statement begins at that line and column.
    pub(super) fn into_error(self, (line, column): (u64, u64)) -> Error {
        let shift = |(l, c): (u64, u64)| if l == 1 { (line, column + c - 1) } else { (line + l - 1, c) };
        let mut error = Error::sql(self.message);
        if let Some(span) = self.span {
            error = error.with_span(Span { start: shift(span.start), end: shift(span.end) });
        }
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// An error of the tokenizer, most often a quote that is not closed.
    pub(super) fn from_tokenizer(error: TokenizerError, text: &str) -> Self {
        let location = (error.location.line, error.location.column);
        let span = (location.0 > 0).then_some(Span { start: location, end: (location.0, location.1 + 1) });
        let (message, hint) = match error.message.as_str() {
            message if message.contains("string literal") => {
                ("the text that begins here is not closed", "close it with ', and write '' for a quote inside of it")
            }
            message if message.contains("dollar-quoted") => {
                ("a text in dollar quotes is not closed", "close it with the same $tag$ that opened it")
            }
            message if message.contains("comment") => ("a comment is not closed", "close it with */"),
            message if message.contains("delimited identifier") || message.contains("close delimiter") => {
                ("the name that begins here is not closed", "close it with \"")
            }
            other => return Self { message: lower_first(other), span, hint: None },
        };
        let span = match span {
            Some(span) if span.start < end_of(text) => Some(span),
            _ => Some(at_end(text)),
        };
        Self { message: message.into(), span, hint: Some(hint.into()) }
    }

    /// An error of the parser over these tokens of `text`.
    pub(super) fn from_parser(error: &ParserError, tokens: &[TokenWithSpan], text: &str) -> Self {
        let message = match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.as_str(),
            ParserError::RecursionLimitExceeded => {
                return Self {
                    message: "the statement nests too deep".into(),
                    span: None,
                    hint: Some("write inner queries and expressions as WITH clauses".into()),
                };
            }
        };
        if let Some(word) = stray_comma(tokens) {
            return Self {
                message: format!("expected a column, found {}", word.token),
                span: span(word.span),
                hint: Some("there is a comma too many before it".into()),
            };
        }
        let (message, location) = split_location(message);
        let index = location.and_then(|start| tokens.iter().position(|token| starts_at(token, start)));
        let span = match (index.and_then(|index| span(tokens.get(index)?.span)), location) {
            (Some(span), _) => Some(span),
            (None, Some(start)) => Some(Span { start, end: (start.0, start.1 + 1) }),
            (None, None) if message.contains("EOF") => Some(at_end(text)),
            (None, None) => None,
        };
        let Some((expected, found)) = message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "))
        else {
            return Self { message: lower_first(message), span, hint: None };
        };
        let found = if found == "EOF" { "the end of the statement" } else { found };
        let hint = hint(expected, index, tokens);
        Self { message: format!("expected {expected}, found {found}"), span, hint }
    }
}

/// A clause that begins behind a comma. The parser takes its word for a column and stumbles only later.
fn stray_comma(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    let is_clause = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) => CLAUSE_KEYWORDS.contains(&word.keyword),
        _ => false,
    };
    let mut pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs.find(|(comma, word)| comma.token == Token::Comma && is_clause(word)).map(|(_, word)| word)
}

/// The parser's `… at Line: 1, Column: 5`.
fn split_location(message: &str) -> (&str, Option<(u64, u64)>) {
    let parse = |rest: &str| {
        let (line, column) = rest.split_once(", Column: ")?;
        Some((line.parse().ok()?, column.parse().ok()?))
    };
    match message.rsplit_once(" at Line: ") {
        Some((head, rest)) => (head, parse(rest)),
        None => (message, None),
    }
}

fn starts_at(token: &TokenWithSpan, (line, column): (u64, u64)) -> bool {
    token.span.start.line == line && token.span.start.column == column
}

/// What most likely went wrong, where one can tell. `found` is the index of the token that did not fit.
fn hint(expected: &str, found: Option<usize>, tokens: &[TokenWithSpan]) -> Option<String> {
    let Some(index) = found else {
        return match expected {
            ")" => Some("a parenthesis is open: close it with )".into()),
            "]" => Some("a bracket is open: close it with ]".into()),
            _ => None,
        };
    };
    let word = |index: usize| match &tokens.get(index)?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    };
    let before = index.checked_sub(1);
    if expected == "an SQL statement" {
        let near = suggest(&word(index)?.value, STATEMENTS.iter().copied());
        return Some(match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("a statement begins with one of {}", STATEMENTS.join(", ")),
        });
    }
    if expected.starts_with("an expression") && word(index).is_some_and(|word| word.keyword != Keyword::NoKeyword) {
        return Some("a value is missing before it; a name that is also a keyword goes into double quotes".into());
    }
    if before.and_then(word).is_some_and(|word| word.value.eq_ignore_ascii_case("summarize")) {
        return Some("SUMMARIZE is a statement of its own: SUMMARIZE SELECT …, or SUMMARIZE a_table".into());
    }
    // A misspelt keyword reads as a name, and what follows it does not fit.
    for candidate in before.into_iter().chain([index]) {
        let Some(word) = word(candidate) else { continue };
        if word.keyword != Keyword::NoKeyword && CLAUSES.contains(&word.value.to_ascii_uppercase().as_str()) {
            continue;
        }
        if let Some(near) = suggest(&word.value, CLAUSES.iter().copied()) {
            return Some(format!("did you mean {near} instead of {}?", word.value));
        }
    }
    if matches!(expected, "end of statement" | ")" | "]" | "}" | ", or ) after column definition") {
        return Some("a comma or an operator may be missing before it".into());
    }
    None
}

/// The message as ours begin: in lower case, but for words of SQL.
fn lower_first(message: &str) -> String {
    if message.chars().nth(1).is_none_or(char::is_uppercase) {
        return message.to_string();
    }
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    format!("{first}{}", chars.as_str()).trim_end_matches('.').to_string()
}

/// Line and column just behind the last character.
pub(super) fn end_of(text: &str) -> (u64, u64) {
    advance((1, 1), text)
}

/// The last character.
fn at_end(text: &str) -> Span {
    let end = end_of(text);
    Span { start: (end.0, end.1.saturating_sub(1).max(1)), end }
}

/// The place behind `text` that begins at `place`.
pub(super) fn advance((mut line, mut column): (u64, u64), text: &str) -> (u64, u64) {
    for character in text.chars() {
        if character == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    (line, column)
}
