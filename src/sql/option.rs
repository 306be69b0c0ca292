//! Options of table functions and of COPY: names and values that are part of the query's text.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArgOperator, UnaryOperator, Value};

use super::literal::text;
use super::span::{anchor, at, span};
use crate::error::{Error, Result, Span};
use crate::io::options::{OptionValue, Options};

/// Options of COPY that name columns.
const PARTITIONS: [&str; 3] = ["partition_by", "partition_on", "partition_cols"];

/// The arguments of a table function: first those without a name, then the options.
#[derive(Debug)]
pub(super) struct TableArguments {
    pub(super) positional: Vec<(OptionValue, Option<Span>)>,
    pub(super) options: Options,
}

/// Reads `('path', delim = ';', header := true, types => {'a': 'BIGINT'})`.
pub(super) fn table_arguments(args: &[FunctionArg]) -> Result<TableArguments> {
    let mut read = TableArguments { positional: Vec::new(), options: Options::new() };
    for arg in args {
        let (name, value) = match arg {
            // `delim = ';'` is a comparison to the parser, since in other calls it is one.
            FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::Eq | ast::BinaryOperator::Assignment,
                right,
            })) => match left.as_ref() {
                ast::Expr::Identifier(name) => (Some(name), right.as_ref()),
                other => return Err(at(Error::sql("an option begins with its name"), anchor(other))),
            },
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (None, value),
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                operator:
                    FunctionArgOperator::Equals | FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
            } => (Some(name), value),
            _ => {
                return Err(Error::sql("this is neither a path nor an option")
                    .with_hint("write the options as name = value, such as header = true"));
            }
        };
        match name {
            Some(name) => push(&mut read.options, name, option_value(value)?)?,
            None if read.options.is_empty() => read.positional.push((option_value(value)?, anchor(value))),
            None => return Err(at(Error::sql("an argument without a name stands behind the options"), anchor(value))),
        }
    }
    Ok(read)
}

/// Reads the options of COPY; a name for a value is text in lower case (`FORMAT CSV`), no value as true (`HEADER`).
pub(super) fn copy_options(options: &[(ast::Ident, Option<ast::Expr>)]) -> Result<Options> {
    let mut read = Options::new();
    for (name, value) in options {
        let value = match value {
            None => OptionValue::Boolean(true),
            Some(columns) if PARTITIONS.iter().any(|option| name.value.eq_ignore_ascii_case(option)) => {
                OptionValue::List(column_names(columns)?)
            }
            Some(ast::Expr::Identifier(word)) => OptionValue::Text(word.value.to_ascii_lowercase()),
            Some(value) => option_value(value)?,
        };
        push(&mut read, name, value)?;
    }
    Ok(read)
}

/// `(year, month)`, as they are written; in quotes as well.
fn column_names(columns: &ast::Expr) -> Result<Vec<OptionValue>> {
    match columns {
        ast::Expr::Identifier(word) => Ok(vec![OptionValue::Text(word.value.clone())]),
        ast::Expr::Nested(inner) => column_names(inner),
        ast::Expr::Tuple(items) | ast::Expr::Array(ast::Array { elem: items, .. }) => {
            Ok(items.iter().map(column_names).collect::<Result<Vec<_>>>()?.concat())
        }
        other => Ok(vec![option_value(other)?]),
    }
}

fn push(options: &mut Options, name: &ast::Ident, value: OptionValue) -> Result<()> {
    let lower = name.value.to_ascii_lowercase();
    if options.iter().any(|(known, _)| *known == lower) {
        return Err(at(Error::sql(format!("the option {lower} is given twice")), span(name.span)));
    }
    options.push((lower, value));
    Ok(())
}

/// The value of an option: a constant, a list `[…]` or a map `{'name': …}`.
pub(super) fn option_value(expr: &ast::Expr) -> Result<OptionValue> {
    use ast::Expr as E;
    match expr {
        E::Nested(inner) => option_value(inner),
        E::Value(value) => match &value.value {
            Value::Number(digits, _) => number(digits, 1.0, span(value.span)),
            Value::Boolean(value) => Ok(OptionValue::Boolean(*value)),
            other => match text(other) {
                Some(text) => Ok(OptionValue::Text(text.into())),
                None => Err(wrong(expr)),
            },
        },
        E::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match inner.as_ref() {
            E::Value(ast::ValueWithSpan { value: Value::Number(digits, _), span: place }) => {
                number(digits, -1.0, span(*place))
            }
            _ => Err(wrong(expr)),
        },
        E::Array(array) => Ok(OptionValue::List(array.elem.iter().map(option_value).collect::<Result<_>>()?)),
        E::Tuple(items) => Ok(OptionValue::List(items.iter().map(option_value).collect::<Result<_>>()?)),
        E::Dictionary(fields) => {
            let entries = fields.iter().map(|field| Ok((field.key.value.clone(), option_value(&field.value)?)));
            Ok(OptionValue::Map(entries.collect::<Result<_>>()?))
        }
        E::Map(map) => {
            let entries = map.entries.iter().map(|entry| match option_value(&entry.key)? {
                OptionValue::Text(key) => Ok((key, option_value(&entry.value)?)),
                _ => Err(wrong(&entry.key)),
            });
            Ok(OptionValue::Map(entries.collect::<Result<_>>()?))
        }
        E::Identifier(word) => {
            let hint = format!("a text goes into single quotes: '{}'", word.value);
            Err(at(Error::sql("a name is no value of an option"), span(word.span)).with_hint(hint))
        }
        _ => Err(wrong(expr)),
    }
}

fn number(digits: &str, sign: f64, place: Option<Span>) -> Result<OptionValue> {
    let value: f64 =
        digits.replace('_', "").parse().map_err(|_| at(Error::sql(format!("'{digits}' is no number")), place))?;
    Ok(OptionValue::Number(sign * value))
}

fn wrong(expr: &ast::Expr) -> Error {
    at(Error::sql("this is no value of an option"), anchor(expr))
        .with_hint("options take texts, numbers, true, false, lists ['a', 'b'] and maps {'name': 'value'}")
}
