//! The dialect: PostgreSQL's grammar and precedence, with DuckDB's friendly additions.

use std::any::TypeId;

use sqlparser::ast::{Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, DuckDbDialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

/// A sign binds tighter than every operator but `::`, subscripts and the dot, as in PostgreSQL: `-2 ^ 2` is 4.
const SIGN_PRECEDENCE: u8 = 125;

/// The dialect of Highwater.
///
/// Named arguments with `=` are left to the expression parser on purpose: `sum(a = 1)` is a comparison, and only a
/// table function reads `header = true` as an option.
#[derive(Debug)]
pub(super) struct HighwaterDialect;

impl Dialect for HighwaterDialect {
    /// What the parser asks by name rather than by method (`//`, mostly) is DuckDB's.
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || !ch.is_ascii()
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '$' || ch == '_' || !ch.is_ascii()
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        PostgreSqlDialect {}.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        PostgreSqlDialect {}.is_table_alias(keyword, parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        PostgreSqlDialect {}.get_next_precedence(parser)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if let Some(sets) = grouping(parser) {
            return Some(sets);
        }
        let op = match parser.peek_token_ref().token {
            Token::Minus => UnaryOperator::Minus,
            Token::Plus => UnaryOperator::Plus,
            _ => return None,
        };
        parser.advance_token();
        Some(parser.parse_subexpr(SIGN_PRECEDENCE).map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_select_wildcard_rename(&self) -> bool {
        true
    }

    fn supports_select_wildcard_ilike(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }
}

/// Makes an expression of the items of grouping sets.
type Make = fn(Vec<Vec<Expr>>) -> Expr;

/// `GROUPING SETS (…)`, `ROLLUP (…)`, `CUBE (…)` and `()`, which the parser reads within GROUP BY only at the top, and
/// without keys that begin with a parenthesis. Each item is an expression of its own; those elsewhere are refused later.
fn grouping(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let keyword = |index: usize| match &parser.peek_nth_token_ref(index).token {
        Token::Word(Word { keyword, quote_style: None, .. }) => Some(*keyword),
        _ => None,
    };
    let opens = |index: usize| parser.peek_nth_token_ref(index).token == Token::LParen;
    let (make, words): (Make, usize) = match keyword(0) {
        Some(Keyword::GROUPING) if keyword(1) == Some(Keyword::SETS) && opens(2) => (Expr::GroupingSets, 2),
        Some(Keyword::ROLLUP) if opens(1) => (Expr::Rollup, 1),
        Some(Keyword::CUBE) if opens(1) => (Expr::Cube, 1),
        None if opens(0) && parser.peek_nth_token_ref(1).token == Token::RParen => {
            (0..2).for_each(|_| parser.advance_token());
            return Some(Ok(Expr::Tuple(Vec::new())));
        }
        _ => return None,
    };
    (0..=words).for_each(|_| parser.advance_token());
    let items = parser.parse_comma_separated(|parser| Ok(vec![parser.parse_expr()?]));
    Some(items.and_then(|items| parser.expect_token(&Token::RParen).map(|_| make(items))))
}
