//! The statements that are parsed here rather than by sqlparser, mostly those around queries: TABLE, EXPLAIN, DESCRIBE,
//! SUMMARIZE, SHOW, SET and COPY.

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::{Ast, Rows};

/// Parses the statement if it is one of these. `tokens` are all of the parser's.
pub(super) fn parse(tokens: &[TokenWithSpan], parser: &mut Parser) -> Result<Option<Ast>, ParserError> {
    let Some((Token::Word(word), rest)) = tokens.split_first().map(|(first, rest)| (&first.token, rest)) else {
        return Ok(None);
    };
    let ast = match word.keyword {
        Keyword::EXPLAIN => {
            parser.advance_token();
            explain(parser)?
        }
        Keyword::DESCRIBE | Keyword::DESC => {
            parser.advance_token();
            Ast::Describe(rows(parser)?)
        }
        Keyword::COPY => {
            parser.advance_token();
            copy(parser)?
        }
        Keyword::SHOW => {
            let ast = show(rest);
            skip(parser, tokens);
            ast.ok_or_else(|| wrong("Expected: TABLES, FUNCTIONS, ALL or the name of a setting, found: EOF"))?
        }
        Keyword::SET => {
            let ast = set(rest);
            skip(parser, tokens);
            ast.ok_or_else(|| wrong("SET takes a name and a value, such as SET threads = 4"))?
        }
        Keyword::TABLE => Ast::Sql(Box::new(ast::Statement::Query(parser.parse_query()?))),
        _ if is_summarize(word) => {
            parser.advance_token();
            Ast::Summarize(rows(parser)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(ast))
}

fn wrong(message: &str) -> ParserError {
    ParserError::ParserError(message.into())
}

fn skip(parser: &mut Parser, tokens: &[TokenWithSpan]) {
    for _ in tokens {
        parser.advance_token();
    }
}

/// `EXPLAIN [ANALYZE] query` and `EXPLAIN (ANALYZE) query`.
fn explain(parser: &mut Parser) -> Result<Ast, ParserError> {
    let mut analyze = parser.parse_keyword(Keyword::ANALYZE);
    if let (Token::LParen, Token::Word(Word { keyword: Keyword::ANALYZE, .. }), Token::RParen) =
        (&parser.peek_token_ref().token, &parser.peek_nth_token_ref(1).token, &parser.peek_nth_token_ref(2).token)
    {
        analyze = true;
        (0..3).for_each(|_| parser.advance_token());
    }
    if !begins_query(parser) {
        return parser.expected_ref("a query: SELECT, FROM, WITH or VALUES", parser.peek_token_ref());
    }
    Ok(Ast::Explain { analyze, query: parser.parse_query()? })
}

fn begins_query(parser: &Parser) -> bool {
    match &parser.peek_token_ref().token {
        Token::LParen => true,
        Token::Word(word) => {
            matches!(word.keyword, Keyword::SELECT | Keyword::FROM | Keyword::WITH | Keyword::VALUES)
        }
        _ => false,
    }
}

/// SUMMARIZE is no keyword of the parser's.
pub(super) fn is_summarize(word: &Word) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case("summarize")
}

/// What DESCRIBE and SUMMARIZE are about: `[TABLE] t`, `'file'`, `SELECT …`.
fn rows(parser: &mut Parser) -> Result<Rows, ParserError> {
    if begins_query(parser) {
        return Ok(Rows::Query(parser.parse_query()?));
    }
    let _ = parser.parse_keyword(Keyword::TABLE);
    Ok(Rows::Table(Box::new(parser.parse_table_factor()?)))
}

/// `SHOW TABLES`, `SHOW FUNCTIONS`, `SHOW ALL`, `SHOW memory.target`.
fn show(rest: &[TokenWithSpan]) -> Option<Ast> {
    let name = text(rest)?;
    Some(match name.to_ascii_lowercase().as_str() {
        "tables" => Ast::ShowTables,
        "functions" => Ast::ShowFunctions,
        "all" => Ast::ShowSettings(None),
        "time zone" | "timezone" => Ast::ShowSettings(Some("time_zone".into())),
        _ => Ast::ShowSettings(Some(name)),
    })
}

/// `SET [SESSION] name = value`, also with TO; the value need not be quoted: `SET memory_limit = 60%`.
fn set(rest: &[TokenWithSpan]) -> Option<Ast> {
    let is = |token: &TokenWithSpan, keyword: Keyword| matches!(&token.token, Token::Word(w) if w.keyword == keyword);
    let rest = match rest {
        [first, rest @ ..] if rest.len() > 2 && is(first, Keyword::SESSION) => rest,
        _ => rest,
    };
    if let [time, zone, value @ ..] = rest
        && is(time, Keyword::TIME)
        && is(zone, Keyword::ZONE)
        && !value.first().is_some_and(|token| token.token == Token::Eq || is(token, Keyword::TO))
    {
        return Some(Ast::Set { name: "time_zone".into(), value: text(value)? });
    }
    let split = rest.iter().position(|token| token.token == Token::Eq || is(token, Keyword::TO))?;
    let name = match text(rest.get(..split)?)? {
        name if matches!(name.to_ascii_lowercase().as_str(), "time zone" | "timezone") => "time_zone".into(),
        name => name,
    };
    Some(Ast::Set { name, value: text(rest.get(split + 1..)?)? })
}

/// The text of tokens: that of a lone quoted text without its quotes, else all as written, with one blank where there
/// were some.
fn text(tokens: &[TokenWithSpan]) -> Option<String> {
    if let [only] = tokens {
        return Some(match &only.token {
            Token::SingleQuotedString(value) => value.clone(),
            Token::Word(word) => word.value.clone(),
            other => other.to_string(),
        });
    }
    let mut joined = String::new();
    let mut end = tokens.first()?.span.start;
    for token in tokens {
        if token.span.start != end {
            joined.push(' ');
        }
        joined.push_str(&token.token.to_string());
        end = token.span.end;
    }
    Some(joined)
}

/// `COPY (query) TO 'path'`, `COPY t [(columns)] TO 'path'`, `COPY 'file' TO 'path'`, each with options.
fn copy(parser: &mut Parser) -> Result<Ast, ParserError> {
    let mut columns = Vec::new();
    let rows = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        Rows::Query(query)
    } else {
        let name = parser.parse_object_name(false)?;
        if parser.peek_token_ref().token == Token::LParen {
            columns = parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?;
        }
        Rows::Table(Box::new(table_factor(name)))
    };
    if parser.parse_keyword(Keyword::FROM) {
        return Err(wrong("COPY … FROM is not there yet: write INSERT INTO t SELECT * FROM 'file'"));
    }
    parser.expect_keyword(Keyword::TO)?;
    let target = match &parser.peek_token_ref().token {
        Token::SingleQuotedString(path) => path.clone(),
        _ => return parser.expected_ref("the path of the output in single quotes", parser.peek_token_ref()),
    };
    parser.advance_token();
    let mut options = Vec::new();
    let _ = parser.parse_keyword(Keyword::WITH);
    if parser.consume_token(&Token::LParen) {
        loop {
            let name = parser.parse_identifier()?;
            let _ = parser.consume_token(&Token::Eq);
            let bare = matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen);
            options.push((name, if bare { None } else { Some(parser.parse_expr()?) }));
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    } else {
        while parser.peek_token_ref().token != Token::EOF {
            options.push(bare_option(parser)?);
        }
    }
    Ok(Ast::Copy { rows, columns, target, options })
}

/// An option without parentheses around all of them: `FORMAT csv DELIMITER ';' HEADER`, or PostgreSQL's old `CSV HEADER`.
fn bare_option(parser: &mut Parser) -> Result<(ast::Ident, Option<ast::Expr>), ParserError> {
    let name = parser.parse_identifier()?;
    if ["csv", "parquet", "json", "arrow"].iter().any(|format| name.value.eq_ignore_ascii_case(format)) {
        let format = ast::Ident::with_span(name.span, "format");
        return Ok((format, Some(ast::Expr::Identifier(name))));
    }
    let assigned = parser.consume_token(&Token::Eq) || parser.parse_keyword(Keyword::AS);
    let takes_word = assigned || ["format", "compression"].iter().any(|key| name.value.eq_ignore_ascii_case(key));
    let value = match &parser.peek_token_ref().token {
        Token::Word(word) if !takes_word && !matches!(word.keyword, Keyword::TRUE | Keyword::FALSE) => None,
        Token::EOF if !assigned => None,
        _ => Some(parser.parse_expr()?),
    };
    Ok((name, value))
}

/// A plain table by name.
pub(super) fn table_factor(name: ast::ObjectName) -> ast::TableFactor {
    ast::TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
