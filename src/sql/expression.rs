//! Expressions: sqlparser's tree to [`Expr`], by name and untyped. Names and types are bound by `plan`.

use sqlparser::ast::{self, BinaryOperator as B, CastKind, UnaryOperator};

use super::literal;
use super::span::{anchor, at, join, not_yet, span, span_of, spanned};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::{BinaryOp, Expr, SortKey, UnaryOp};
use crate::types::Scalar;
use crate::types::interval::parse_interval;

/// How deep expressions may nest, since all that walks them recurses. Chains of AND and OR are made balanced trees and
/// do not count.
const MAX_DEPTH: usize = 500;

/// Converts the expressions of one statement.
#[derive(Debug)]
pub(super) struct Converter<'a> {
    pub(super) config: &'a Config,
    /// When the statement began, in microseconds since the epoch: what `now()` gives throughout.
    pub(super) now: i64,
    depth: usize,
}

impl<'a> Converter<'a> {
    pub(super) fn new(config: &'a Config, now: i64) -> Self {
        Self { config, now, depth: 0 }
    }

    /// The expression; what it was made of carries its place in the text.
    ///
    /// # Errors
    /// An SQL error for what the engine does not have, or a constant that is none of its type.
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Result<Expr> {
        if self.depth == MAX_DEPTH {
            return Err(at(Error::sql(format!("the expression nests more than {MAX_DEPTH} deep")), anchor(expr))
                .with_hint("compute a part of it in a subquery or a WITH clause"));
        }
        self.depth += 1;
        let converted = self.convert(expr);
        self.depth -= 1;
        converted
    }

    pub(super) fn boxed(&mut self, expr: &ast::Expr) -> Result<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    pub(super) fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn convert(&mut self, expr: &ast::Expr) -> Result<Expr> {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => Ok(column(None, ident)),
            E::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => Ok(column(Some(table), name)),
                // A field of a field, or of a table's column.
                [table, rest @ ..] => {
                    let names: Vec<&str> = rest.iter().map(|part| part.value.as_str()).collect();
                    let name = ast::Ident { value: names.join("."), ..rest.first().unwrap_or(table).clone() };
                    Ok(column(Some(table), &name))
                }
                [] => Err(Error::internal("a name without parts")),
            },
            E::Nested(inner) => self.expr(inner),
            E::Value(value) => literal::value(value, false),
            E::TypedString(typed) => literal::typed_text(typed, self.config),
            E::Interval(interval) => self.interval(interval),
            E::UnaryOp { op, expr: operand } => self.unary_operator(*op, operand),
            E::BinaryOp { left, op: B::And, right } => self.chain(left, &B::And, right),
            E::BinaryOp { left, op: B::Or, right } => self.chain(left, &B::Or, right),
            E::BinaryOp { left, op, right } => self.binary_operator(left, op, right),
            E::IsDistinctFrom(left, right) => self.binary(left, BinaryOp::DistinctFrom, right),
            E::IsNotDistinctFrom(left, right) => self.binary(left, BinaryOp::NotDistinctFrom, right),
            E::IsNull(inner) | E::IsUnknown(inner) => self.unary(UnaryOp::IsNull, inner),
            E::IsNotNull(inner) | E::IsNotUnknown(inner) => self.unary(UnaryOp::IsNotNull, inner),
            E::IsTrue(inner) => self.unary(UnaryOp::IsTrue, inner),
            E::IsNotTrue(inner) => self.unary(UnaryOp::IsNotTrue, inner),
            E::IsFalse(inner) => self.unary(UnaryOp::IsFalse, inner),
            E::IsNotFalse(inner) => self.unary(UnaryOp::IsNotFalse, inner),
            E::Between { expr, negated, low, high } => {
                let (expr, low, high) = (self.boxed(expr)?, self.boxed(low)?, self.boxed(high)?);
                let place = join(span_of(&expr), span_of(&high));
                Ok(spanned(Expr::Between { expr, low, high, negated: *negated }, place))
            }
            E::InList { expr, list, negated } => {
                let (expr, list) = (self.boxed(expr)?, self.exprs(list)?);
                let place = join(span_of(&expr), list.last().and_then(span_of));
                Ok(spanned(Expr::InList { expr, list, negated: *negated }, place))
            }
            E::Like { any: true, .. } | E::ILike { any: true, .. } => Err(not_yet("LIKE ANY is", anchor(expr))),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_deref(), false, *negated)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_deref(), true, *negated)
            }
            E::Cast { kind, expr: inner, data_type, format } => {
                if format.is_some() {
                    return Err(not_yet("formats in CAST are", anchor(inner)));
                }
                let try_cast = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
                self.cast(inner, data_type, try_cast)
            }
            E::Case { case_token, end_token, operand, conditions, else_result } => {
                let operand = operand.as_ref().map(|operand| self.boxed(operand)).transpose()?;
                let branches =
                    conditions.iter().map(|when| Ok((self.expr(&when.condition)?, self.expr(&when.result)?)));
                let branches = branches.collect::<Result<_>>()?;
                let otherwise = else_result.as_ref().map(|result| self.boxed(result)).transpose()?;
                let place = join(span(case_token.0.span), span(end_token.0.span));
                Ok(spanned(Expr::Case { operand, branches, otherwise }, place))
            }
            E::Function(_)
            | E::Extract { .. }
            | E::Ceil { .. }
            | E::Floor { .. }
            | E::Position { .. }
            | E::Substring { .. }
            | E::Trim { .. }
            | E::Overlay { .. }
            | E::AtTimeZone { .. } => self.call(expr),
            E::GroupingSets(items) | E::Cube(items) | E::Rollup(items) => {
                let place = items.iter().flatten().next().and_then(anchor);
                Err(at(
                    Error::sql("GROUPING SETS, ROLLUP and CUBE are items of GROUP BY, and not within others"),
                    place,
                )
                .with_hint("only GROUPING SETS has them among its items"))
            }
            E::Array(array) => {
                let items = self.exprs(&array.elem)?;
                let place = items.iter().fold(None, |place, item| join(place, span_of(item)));
                Ok(spanned(Expr::call("list_value", items), place))
            }
            E::CompoundFieldAccess { root, access_chain } => self.accesses(root, access_chain),
            other => Err(not_yet(missing(other), anchor(other))),
        }
    }

    /// `list[index]`, `map[key]`, `structs[index].field` and `(column).field`.
    fn accesses(&mut self, root: &ast::Expr, chain: &[ast::AccessExpr]) -> Result<Expr> {
        let mut value = self.expr(root)?;
        for access in chain {
            value = match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    let args = vec![value, self.expr(index)?];
                    let place = args.iter().fold(None, |place, arg| join(place, span_of(arg)));
                    spanned(Expr::call("list_extract", args), place)
                }
                ast::AccessExpr::Subscript(_) => {
                    return Err(not_yet("slices of lists are", anchor(root))
                        .with_hint("list[1] is the first item, list[-1] the last"));
                }
                ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => with_field(value, &field.value)
                    .ok_or_else(|| at(Error::sql("only columns, their items and values have fields"), anchor(root)))?,
                ast::AccessExpr::Dot(_) => return Err(not_yet("fields of values are", anchor(root))),
            };
        }
        Ok(value)
    }

    fn unary(&mut self, op: UnaryOp, operand: &ast::Expr) -> Result<Expr> {
        let operand = self.boxed(operand)?;
        let place = span_of(&operand);
        Ok(spanned(Expr::Unary { op, expr: operand }, place))
    }

    fn unary_operator(&mut self, op: UnaryOperator, operand: &ast::Expr) -> Result<Expr> {
        match op {
            UnaryOperator::Not => self.unary(UnaryOp::Not, operand),
            UnaryOperator::Plus => self.expr(operand),
            UnaryOperator::Minus => match operand {
                // Folded here, since the smallest BIGINT has no positive twin.
                ast::Expr::Value(value) if matches!(value.value, ast::Value::Number(_, _)) => {
                    literal::value(value, true)
                }
                _ => self.unary(UnaryOp::Negate, operand),
            },
            other => Err(not_yet(&format!("the operator {other} is"), anchor(operand))),
        }
    }

    fn binary(&mut self, left: &ast::Expr, op: BinaryOp, right: &ast::Expr) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        Ok(combine(left, op, right))
    }

    fn binary_operator(&mut self, left: &ast::Expr, op: &B, right: &ast::Expr) -> Result<Expr> {
        let op = match op {
            B::Plus => BinaryOp::Add,
            B::Minus => BinaryOp::Subtract,
            B::Multiply => BinaryOp::Multiply,
            B::Divide => BinaryOp::Divide,
            B::Modulo => BinaryOp::Modulo,
            B::Eq => BinaryOp::Equal,
            B::NotEq => BinaryOp::NotEqual,
            B::Lt => BinaryOp::Less,
            B::LtEq => BinaryOp::LessEqual,
            B::Gt => BinaryOp::Greater,
            B::GtEq => BinaryOp::GreaterEqual,
            B::StringConcat => BinaryOp::Concat,
            // `^`, which the parser takes for the exclusive or of other dialects, and `**`.
            B::BitwiseXor | B::PGExp => return self.operator_call("pow", left, right),
            B::PGRegexMatch => return self.regexp(left, right, None, false),
            B::PGRegexIMatch => return self.regexp(left, right, Some("i"), false),
            B::PGRegexNotMatch => return self.regexp(left, right, None, true),
            B::PGRegexNotIMatch => return self.regexp(left, right, Some("i"), true),
            B::DuckIntegerDivide | B::MyIntegerDivide => {
                return Err(not_yet(&format!("the operator {op} is"), anchor(left))
                    .with_hint("/ between integers truncates already"));
            }
            other => return Err(not_yet(&format!("the operator {other} is"), anchor(left))),
        };
        self.binary(left, op, right)
    }

    /// An operator that is a function.
    fn operator_call(&mut self, name: &str, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let args = self.exprs([left, right])?;
        let place = args.iter().fold(None, |place, arg| join(place, span_of(arg)));
        Ok(spanned(Expr::call(name, args), place))
    }

    /// `~`, `~*`, `!~` and `!~*`.
    fn regexp(&mut self, left: &ast::Expr, right: &ast::Expr, flags: Option<&str>, negated: bool) -> Result<Expr> {
        let mut args = self.exprs([left, right])?;
        let place = args.iter().fold(None, |place, arg| join(place, span_of(arg)));
        args.extend(flags.map(|flags| Expr::Literal(Scalar::text(flags))));
        let matches = spanned(Expr::call("regexp_matches", args), place);
        Ok(if negated { spanned(!matches, place) } else { matches })
    }

    /// A chain of AND or of OR as a balanced tree: the parser builds it as deep as it is long, and both are associative.
    fn chain(&mut self, left: &ast::Expr, op: &B, right: &ast::Expr) -> Result<Expr> {
        let mut terms = vec![right];
        let mut next = left;
        while let ast::Expr::BinaryOp { left, op: inner, right } = next
            && inner == op
        {
            terms.push(right);
            next = left;
        }
        terms.push(next);
        let converted = self.exprs(terms.into_iter().rev())?;
        let op = if *op == B::And { BinaryOp::And } else { BinaryOp::Or };
        balanced(converted, op).ok_or_else(|| Error::internal("a chain of operators without terms"))
    }

    fn like(
        &mut self,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        case_insensitive: bool,
        negated: bool,
    ) -> Result<Expr> {
        let (expr, pattern) = (self.boxed(expr)?, self.boxed(pattern)?);
        let escape = match escape {
            None => None,
            Some(ast::Expr::Value(value)) => {
                match literal::text(&value.value).map(|text| (text, text.chars().next())) {
                    Some((text, Some(first))) if text.len() == first.len_utf8() => Some(first),
                    _ => return Err(at(Error::sql("ESCAPE takes a text of one character"), span(value.span))),
                }
            }
            Some(other) => return Err(at(Error::sql("ESCAPE takes a text of one character"), anchor(other))),
        };
        let place = join(span_of(&expr), span_of(&pattern));
        Ok(spanned(Expr::Like { expr, pattern, escape, case_insensitive, negated }, place))
    }

    fn cast(&mut self, inner: &ast::Expr, to: &ast::DataType, try_cast: bool) -> Result<Expr> {
        let place = anchor(inner);
        let to = literal::data_type(to, self.config).map_err(|error| at(error, place))?;
        let expr = self.boxed(inner)?;
        let place = span_of(&expr);
        Ok(spanned(Expr::Cast { expr, to, try_cast }, place))
    }

    /// `INTERVAL '1 day'`, `INTERVAL '1' DAY`, `INTERVAL 1 DAY`; of what is no constant, so many times one unit.
    fn interval(&mut self, interval: &ast::Interval) -> Result<Expr> {
        let ast::Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
            interval;
        let place = anchor(value);
        if leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some() {
            return Err(not_yet("intervals with a precision or a range of units are", place));
        }
        let unit = leading_field.as_ref().map(|field| field.to_string().to_ascii_lowercase());
        let parse = |text: &str, unit: Option<&str>| {
            let interval = parse_interval(text, unit).map_err(|error| at(error, place))?;
            Ok(spanned(Expr::Literal(Scalar::interval(interval)), place))
        };
        if let Some((sign, value)) = constant(value) {
            if let Some(text) = literal::text(value) {
                return parse(text, unit.as_deref());
            }
            if let (ast::Value::Number(digits, _), Some(unit)) = (value, &unit) {
                return parse(&format!("{sign}{digits}"), Some(unit));
            }
        }
        let Some(unit) = unit else {
            return Err(at(Error::sql("INTERVAL takes a text, or a number with a unit"), place)
                .with_hint("write INTERVAL '1 day' or INTERVAL 1 DAY"));
        };
        let one = parse("1", Some(&unit))?;
        Ok(combine(self.expr(value)?, BinaryOp::Multiply, one))
    }

    /// A key of ORDER BY.
    pub(super) fn sort_key(&mut self, key: &ast::OrderByExpr) -> Result<SortKey> {
        if key.with_fill.is_some() {
            return Err(not_yet("WITH FILL is", anchor(&key.expr)));
        }
        let (descending, nulls_first) = direction(&key.options)?;
        Ok(SortKey { expr: self.expr(&key.expr)?, descending, nulls_first })
    }
}

/// Whether descending, and where nulls go if that was said.
pub(super) fn direction(options: &ast::OrderByOptions) -> Result<(bool, Option<bool>)> {
    let descending = match &options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(_)) => return Err(not_yet("ORDER BY … USING is", None)),
    };
    Ok((descending, options.nulls_first))
}

/// A constant with its sign.
fn constant(expr: &ast::Expr) -> Option<(&'static str, &ast::Value)> {
    match expr {
        ast::Expr::Value(value) => Some(("", &value.value)),
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) => Some(("-", &value.value)),
            _ => None,
        },
        _ => None,
    }
}

/// A column by name. Names are compared without case by who binds them, so they stay as written.
pub(super) fn column(table: Option<&ast::Ident>, name: &ast::Ident) -> Expr {
    let place = join(table.and_then(|table| span(table.span)), span(name.span));
    let column = Expr::Column { table: table.map(|table| table.value.clone()), name: name.value.clone() };
    spanned(column, place)
}

/// The field of a column, or of items of a list, which is a column of its own.
fn with_field(expr: Expr, field: &str) -> Option<Expr> {
    match expr {
        Expr::Spanned(inner, span) => Some(Expr::Spanned(Box::new(with_field(*inner, field)?), span)),
        Expr::Column { table: None, name } => Some(Expr::Column { table: Some(name), name: field.to_string() }),
        Expr::Column { table, name } => Some(Expr::Column { table, name: format!("{name}.{field}") }),
        Expr::Call { name, mut args, distinct, filter, order_by } if name == "list_extract" && args.len() == 2 => {
            let list = with_field(args.remove(0), field)?;
            args.insert(0, list);
            Some(Expr::Call { name, args, distinct, filter, order_by })
        }
        _ => None,
    }
}

fn combine(left: Expr, op: BinaryOp, right: Expr) -> Expr {
    let place = join(span_of(&left), span_of(&right));
    spanned(left.binary(op, right), place)
}

/// All terms joined by `op`, in their order, as a tree of the least depth.
fn balanced(mut terms: Vec<Expr>, op: BinaryOp) -> Option<Expr> {
    while terms.len() > 1 {
        let mut halved = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            halved.push(match rest.next() {
                Some(right) => combine(left, op, right),
                None => left,
            });
        }
        terms = halved;
    }
    terms.pop()
}

/// What an expression that the engine does not have is called, with its verb.
fn missing(expr: &ast::Expr) -> &'static str {
    use ast::Expr as E;
    match expr {
        E::Subquery(_) | E::InSubquery { .. } => "subqueries in expressions are",
        E::Exists { .. } => "EXISTS is",
        E::AnyOp { .. } | E::AllOp { .. } => "comparisons with ANY and ALL are",
        E::SimilarTo { .. } => "SIMILAR TO is",
        E::RLike { .. } => "RLIKE is",
        E::Collate { .. } => "COLLATE is",
        E::Convert { .. } => "CONVERT is",
        E::Tuple(_) => "rows as values are",
        E::InUnnest { .. } => "unnest is",
        E::Struct { .. } | E::Dictionary(_) | E::Map(_) | E::Named { .. } => "structs and maps are",
        E::JsonAccess { .. } | E::IsJson { .. } => "operators of JSON are",
        E::Lambda(_) => "lambda functions are",
        E::Wildcard(_) | E::QualifiedWildcard(_, _) => "wildcards within expressions are",
        _ => "this kind of expression is",
    }
}
