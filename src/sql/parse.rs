//! Text to syntax trees, statement by statement.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use super::dialect::HighwaterDialect;
use super::prepare::prepare;
use super::split::Scanner;
use super::syntax::{SyntaxError, advance};
use super::utility;
use crate::error::{Result, Span};

/// Parentheses, calls and subqueries within each other, at most.
const MAX_NESTING: usize = 100;

/// A statement that was parsed and not yet bound.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Its own text, without what stands before and behind it. The spans of errors in [`bind`](super::bind) count from
    /// its start.
    pub text: String,
    /// The line of the whole text in which it begins, from 1.
    pub line: u64,
    /// Behind a pointer, since a tree can be too deep to be cloned.
    pub(super) ast: Arc<Ast>,
    /// The texts that name files, with their places.
    pub(super) files: Vec<(String, Span)>,
}

/// What a statement says.
#[derive(Debug)]
pub(super) enum Ast {
    /// What the SQL parser reads: queries, CREATE VIEW, INSERT, DROP, and what is refused.
    Sql(Box<ast::Statement>),
    /// CREATE TABLE, apart from the query behind AS, since only the rest may be compared and cloned as a whole.
    CreateTable { create: Box<ast::CreateTable>, query: Option<Box<ast::Query>> },
    /// EXPLAIN.
    Explain { analyze: bool, query: Box<ast::Query> },
    /// DESCRIBE.
    Describe(Rows),
    /// SUMMARIZE.
    Summarize(Rows),
    /// SHOW TABLES.
    ShowTables,
    /// SHOW FUNCTIONS.
    ShowFunctions,
    /// SHOW ALL, SHOW name.
    ShowSettings(Option<String>),
    /// SET.
    Set { name: String, value: String },
    /// COPY … TO. An option without a value is a switch.
    Copy { rows: Rows, columns: Vec<ast::Ident>, target: String, options: Vec<(ast::Ident, Option<ast::Expr>)> },
}

/// Where the rows of DESCRIBE, SUMMARIZE and COPY come from.
#[derive(Debug)]
pub(super) enum Rows {
    Query(Box<ast::Query>),
    Table(Box<ast::TableFactor>),
}

impl From<ast::Statement> for Ast {
    fn from(statement: ast::Statement) -> Self {
        match statement {
            ast::Statement::CreateTable(mut create) => {
                let query = create.query.take();
                Self::CreateTable { create: Box::new(create), query }
            }
            other => Self::Sql(Box::new(other)),
        }
    }
}

/// Cuts a text into statements at its semicolons and parses each. Comments and empty statements are left out.
///
/// # Errors
/// An SQL error for the first statement that does not parse; its span counts from the start of the whole text.
pub fn parse(sql: &str) -> Result<Vec<Parsed>> {
    let mut statements = Vec::new();
    let (mut place, mut seen) = ((1, 1), 0);
    for range in Scanner::new(sql) {
        place = advance(place, sql.get(seen..range.start).unwrap_or_default());
        seen = range.start;
        let text = sql.get(range).unwrap_or_default();
        if let Some((ast, files)) = parse_one(text).map_err(|error| error.into_error(place))? {
            statements.push(Parsed { text: text.to_string(), line: place.0, ast: Arc::new(ast), files });
        }
    }
    Ok(statements)
}

type WithFiles = (Ast, Vec<(String, Span)>);

/// Parses one statement; `None` where there is nothing but blanks and comments.
fn parse_one(text: &str) -> Result<Option<WithFiles>, SyntaxError> {
    let tokens = Tokenizer::new(&HighwaterDialect, text)
        .tokenize_with_location()
        .map_err(|error| SyntaxError::from_tokenizer(error, text))?;
    let prepared = prepare(tokens).map_err(|too_deep| SyntaxError {
        message: "the expression is too long".into(),
        span: too_deep.0,
        hint: Some("join a table, or use IN with a list, instead of so many operators".into()),
    })?;
    let tokens = prepared.tokens;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser =
        Parser::new(&HighwaterDialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens.clone());
    let parsed = match utility::parse(&tokens, &mut parser) {
        Ok(Some(ast)) => Ok(ast),
        Ok(None) => parser.parse_statement().map(Ast::from),
        Err(error) => Err(error),
    };
    let complete = parsed.and_then(|ast| end(&parser).map(|()| ast));
    let ast = complete.map_err(|error| SyntaxError::from_parser(&error, &tokens, text))?;
    Ok(Some((ast, prepared.files)))
}

fn end(parser: &Parser) -> Result<(), ParserError> {
    match parser.peek_token_ref() {
        token if token.token == Token::EOF => Ok(()),
        token => parser.expected_ref("end of statement", token),
    }
}
