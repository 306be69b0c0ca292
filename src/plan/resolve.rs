//! Binding: names become columns, types are checked, coercions become explicit.

use super::builder::sort_expr;
use super::coerce::{adapt_literals, cast_to, coerce_arguments, constant, is_text_literal, literal_as, rounded_scale};
use super::gaps::{FIRST_FILL, Fill, bucket_of, is_fill, is_gap_function};
use super::grouping::{is_grouping, unbound_grouping};
use super::nested::over_parts;
use super::scope::Scope;
use super::unnest::{Unnests, as_list, misplaced};
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::eval::arithmetic::arithmetic_type;
use crate::eval::cast::can_cast;
use crate::expr::{AggregateExpr, BinaryOp, BoundExpr, Expr, SortExpr, SortKey, UnaryOp};
use crate::functions::aggregate::AggregateFunction;
use crate::functions::scalar::UNNEST;
use crate::functions::{aggregate, scalar};
use crate::types::coercion::common_type;
use crate::types::{DataType, INTERVAL, Scalar, TEXT, is_list, is_numeric, is_timestamp, sql_name};

/// Where aggregate calls go while the expressions over them are bound: call `k` becomes the column
/// `first_column + k`.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    /// The calls, each once.
    pub calls: Vec<AggregateExpr>,
    /// The index of the first one as a column.
    pub first_column: usize,
    /// Values that are filled in buckets without rows, each once; `None` where gaps are not filled.
    pub fills: Option<Vec<Fill>>,
}

/// Binds a scalar expression: no aggregates.
///
/// # Errors
/// An SQL error with the place and, where something near exists, a suggestion.
pub fn resolve(expr: &Expr, scope: &Scope) -> Result<BoundExpr> {
    Resolver { scope, aggregates: None, unnests: None, clause: "here" }.resolve(expr)
}

/// Binds a condition, such as that of WHERE.
///
/// # Errors
/// As [`resolve`], and where the expression is no boolean.
pub(super) fn resolve_condition(
    expr: &Expr,
    scope: &Scope,
    aggregates: Option<&mut Aggregates>,
    clause: &str,
) -> Result<BoundExpr> {
    let bound = Resolver { scope, aggregates, unnests: None, clause }.resolve(expr)?;
    match bound.data_type() {
        DataType::Boolean | DataType::Null => Ok(cast_to(bound, &DataType::Boolean)),
        other => Err(place(
            Error::sql(format!("{clause} needs a condition, but {expr} is {}", sql_name(&other)))
                .with_hint("compare it with something, for instance <> 0"),
            expr,
        )),
    }
}

/// Binds an expression in which aggregates may be called; the calls go to `aggregates`.
pub(super) fn resolve_with_aggregates(expr: &Expr, scope: &Scope, aggregates: &mut Aggregates) -> Result<BoundExpr> {
    Resolver { scope, aggregates: Some(aggregates), unnests: None, clause: "here" }.resolve(expr)
}

/// Binds an expression in which `unnest` may be called, and aggregates where there is a place for them.
pub(super) fn resolve_item(
    expr: &Expr,
    scope: &Scope,
    aggregates: Option<&mut Aggregates>,
    unnests: &mut Unnests,
) -> Result<BoundExpr> {
    Resolver { scope, aggregates, unnests: Some(unnests), clause: "here" }.resolve(expr)
}

/// Whether an aggregate function is called in the expression, outside of subexpressions that are aggregates themselves.
pub fn contains_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } | Expr::Literal(_) | Expr::Wildcard { .. } => false,
        Expr::Alias(inner, _) | Expr::Spanned(inner, _) | Expr::Unary { expr: inner, .. } => contains_aggregate(inner),
        Expr::Cast { expr: inner, .. } => contains_aggregate(inner),
        Expr::Binary { left, right, .. } => contains_aggregate(left) || contains_aggregate(right),
        Expr::Between { expr, low, high, .. } => [expr, low, high].into_iter().any(|part| contains_aggregate(part)),
        Expr::InList { expr, list, .. } => contains_aggregate(expr) || list.iter().any(contains_aggregate),
        Expr::Like { expr, pattern, .. } => contains_aggregate(expr) || contains_aggregate(pattern),
        Expr::Case { operand, branches, otherwise } => {
            operand.iter().chain(otherwise).any(|part| contains_aggregate(part))
                || branches.iter().any(|(when, then)| contains_aggregate(when) || contains_aggregate(then))
        }
        Expr::Call { name, args, .. } => {
            is_grouping(name)
                || (aggregate::lookup(name).is_some() && scalar::lookup(name).is_none())
                || args.iter().any(contains_aggregate)
        }
    }
}

/// Adds the place of an expression, where it is known, to an error about it.
fn place(error: Error, expr: &Expr) -> Error {
    match expr {
        Expr::Spanned(inner, span) => place(error, inner).with_span(*span),
        Expr::Alias(inner, _) => place(error, inner),
        _ => error,
    }
}

struct Resolver<'a> {
    scope: &'a Scope,
    aggregates: Option<&'a mut Aggregates>,
    /// Where calls of `unnest` go, where there may be some.
    unnests: Option<&'a mut Unnests>,
    /// What to say about an aggregate that must not be here.
    clause: &'a str,
}

impl Resolver<'_> {
    fn resolve(&mut self, expr: &Expr) -> Result<BoundExpr> {
        match expr {
            Expr::Spanned(inner, span) => self.resolve(inner).map_err(|error| error.with_span(*span)),
            Expr::Alias(inner, _) => self.resolve(inner),
            Expr::Column { table, name } => self.scope.column(table.as_deref(), name),
            Expr::Literal(value) => Ok(BoundExpr::Literal(value.clone())),
            Expr::Unary { op, expr } => self.unary(*op, expr),
            Expr::Binary { left, op, right } => self.binary(left, *op, right),
            Expr::Between { expr, low, high, negated } => {
                let above = self.binary(expr, BinaryOp::GreaterEqual, low)?;
                let below = self.binary(expr, BinaryOp::LessEqual, high)?;
                let both = boolean(above, BinaryOp::And, below);
                Ok(if *negated { not(both) } else { both })
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::Like { expr, pattern, escape, case_insensitive, negated } => Ok(BoundExpr::Like {
                expr: Box::new(self.text(expr)?),
                pattern: Box::new(self.text(pattern)?),
                escape: *escape,
                case_insensitive: *case_insensitive,
                negated: *negated,
            }),
            Expr::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            Expr::Cast { expr, to, try_cast } => self.cast(expr, to, *try_cast),
            Expr::Call { name, args, distinct, filter, order_by } => {
                let is_scalar = scalar::lookup(name).is_some() || is_grouping(name);
                if !is_scalar && aggregate::lookup(name).is_some() {
                    return self.aggregate(name, args, *distinct, filter.as_deref(), order_by);
                }
                if is_scalar && (*distinct || filter.is_some() || !order_by.is_empty()) {
                    return Err(Error::sql(format!(
                        "{name}() is no aggregate: DISTINCT, FILTER and ORDER BY do not go with it"
                    )));
                }
                self.scalar_call(name, args)
            }
            Expr::Wildcard { .. } => {
                Err(Error::sql("* stands for columns: it can be an item of SELECT, or the argument of count"))
            }
        }
    }

    /// Where the expression stands, in words.
    fn place(&self) -> String {
        let is_keyword = self.clause.starts_with(char::is_uppercase);
        if is_keyword { format!("in {}", self.clause) } else { self.clause.to_string() }
    }

    fn text(&mut self, expr: &Expr) -> Result<BoundExpr> {
        let bound = self.resolve(expr)?;
        match bound.data_type() {
            DataType::Utf8View | DataType::Null => Ok(cast_to(bound, &TEXT)),
            other => Err(place(
                Error::sql(format!("{expr} is {}, not text", sql_name(&other)))
                    .with_hint(format!("write CAST({expr} AS VARCHAR)")),
                expr,
            )),
        }
    }

    fn condition(&mut self, expr: &Expr, operator: &str) -> Result<BoundExpr> {
        let bound = self.resolve(expr)?;
        match bound.data_type() {
            DataType::Boolean | DataType::Null => Ok(cast_to(bound, &DataType::Boolean)),
            other => {
                Err(place(Error::sql(format!("{operator} needs booleans, but {expr} is {}", sql_name(&other))), expr))
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, expr: &Expr) -> Result<BoundExpr> {
        let bound = match op {
            UnaryOp::Not => self.condition(expr, "NOT")?,
            UnaryOp::IsTrue | UnaryOp::IsNotTrue | UnaryOp::IsFalse | UnaryOp::IsNotFalse => {
                self.condition(expr, "IS TRUE")?
            }
            UnaryOp::IsNull | UnaryOp::IsNotNull => self.resolve(expr)?,
            UnaryOp::Negate => {
                let bound = self.resolve(expr)?;
                match bound.data_type() {
                    DataType::Null => cast_to(bound, &DataType::Int64),
                    other if is_numeric(&other) || other == INTERVAL => bound,
                    other => return Err(Error::sql(format!("there is no -{}", sql_name(&other)))),
                }
            }
        };
        Ok(BoundExpr::Unary { op, expr: Box::new(bound) })
    }

    fn binary(&mut self, left: &Expr, op: BinaryOp, right: &Expr) -> Result<BoundExpr> {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let left = self.condition(left, op.symbol())?;
                Ok(boolean(left, op, self.condition(right, op.symbol())?))
            }
            BinaryOp::Concat => {
                let (left, right) = (self.resolve(left)?, self.resolve(right)?);
                refuse_lists("||", [&left, &right])?;
                let (left, right) = (cast_to(left, &TEXT), cast_to(right, &TEXT));
                Ok(BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type: TEXT })
            }
            op if op.is_comparison() => {
                let (bound_left, bound_right) = (self.resolve(left)?, self.resolve(right)?);
                refuse_lists("a comparison", [&bound_left, &bound_right])?;
                let (bound_left, bound_right) = adapt_literals(bound_left, bound_right)?;
                let (left_type, right_type) = (bound_left.data_type(), bound_right.data_type());
                let Some(common) = common_type(&left_type, &right_type) else {
                    return Err(Error::sql(format!(
                        "cannot compare {left} ({}) with {right} ({})",
                        sql_name(&left_type),
                        sql_name(&right_type)
                    ))
                    .with_hint("bring both sides to one type by CAST"));
                };
                Ok(boolean(cast_to(bound_left, &common), op, cast_to(bound_right, &common)))
            }
            op => self.arithmetic(left, op, right),
        }
    }

    fn arithmetic(&mut self, left: &Expr, op: BinaryOp, right: &Expr) -> Result<BoundExpr> {
        let (mut bound_left, mut bound_right) = (self.resolve(left)?, self.resolve(right)?);
        // A text constant beside a date, timestamp or interval is an interval; beside a number it is a number.
        let temporal = |other: &DataType| {
            is_timestamp(other) || matches!(other, DataType::Date32 | DataType::Time64(_) | DataType::Interval(_))
        };
        let (left_type, right_type) = (bound_left.data_type(), bound_right.data_type());
        for (side, other) in [(&mut bound_left, right_type), (&mut bound_right, left_type)] {
            if is_text_literal(side) && other != TEXT {
                let wanted =
                    if temporal(&other) && (op == BinaryOp::Add || other == INTERVAL) { INTERVAL } else { other };
                *side = literal_as(side.clone(), &wanted)?;
            }
        }
        let (left_type, right_type) = (bound_left.data_type(), bound_right.data_type());
        let Some((left_cast, right_cast, data_type)) = arithmetic_type(op, &left_type, &right_type) else {
            let error = Error::sql(format!(
                "there is no {} {} {}: {left} {} {right}",
                sql_name(&left_type),
                op.symbol(),
                sql_name(&right_type),
                op.symbol()
            ));
            return Err(match (op, left_type == TEXT || right_type == TEXT) {
                (BinaryOp::Add, true) => error.with_hint("text is joined by ||"),
                (_, true) => error.with_hint("convert text to a number by CAST"),
                _ => error,
            });
        };
        Ok(BoundExpr::Binary {
            left: Box::new(cast_to(bound_left, &left_cast)),
            op,
            right: Box::new(cast_to(bound_right, &right_cast)),
            data_type,
        })
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<BoundExpr> {
        let item = self.resolve(expr)?;
        let mut bound = vec![item];
        for other in list {
            bound.push(self.resolve(other)?);
        }
        refuse_lists("IN", &bound)?;
        let mut bound = self.to_common(bound, "IN")?;
        let item = bound.remove(0);
        Ok(BoundExpr::InList { expr: Box::new(item), list: bound, negated })
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<BoundExpr> {
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (condition, result) in branches {
            conditions.push(match operand {
                Some(operand) => self.binary(operand, BinaryOp::Equal, condition)?,
                None => self.condition(condition, "WHEN")?,
            });
            results.push(self.resolve(result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.resolve(otherwise)?);
        }
        let mut results = self.to_common(results, "CASE")?;
        let otherwise = otherwise.and_then(|_| results.pop()).map(Box::new);
        let data_type = results.first().map_or(DataType::Null, BoundExpr::data_type);
        Ok(BoundExpr::Case { branches: conditions.into_iter().zip(results).collect(), otherwise, data_type })
    }

    /// Brings all expressions to one type; text constants follow the others.
    fn to_common(&self, exprs: Vec<BoundExpr>, what: &str) -> Result<Vec<BoundExpr>> {
        let mut common: Option<DataType> = None;
        for expr in exprs.iter().filter(|expr| !is_text_literal(expr)) {
            let data_type = expr.data_type();
            common = Some(match common {
                None => data_type,
                Some(so_far) => common_type(&so_far, &data_type).ok_or_else(|| {
                    Error::sql(format!(
                        "the values of {what} have no common type: {} and {}",
                        sql_name(&so_far),
                        sql_name(&data_type)
                    ))
                    .with_hint("bring them to one type by CAST")
                })?,
            });
        }
        let common = match common {
            None | Some(DataType::Null) if exprs.iter().any(is_text_literal) => TEXT,
            None => DataType::Null,
            Some(common) => common,
        };
        exprs
            .into_iter()
            .map(|expr| if is_text_literal(&expr) { literal_as(expr, &common) } else { Ok(cast_to(expr, &common)) })
            .collect()
    }

    fn cast(&mut self, expr: &Expr, to: &DataType, try_cast: bool) -> Result<BoundExpr> {
        let bound = self.resolve(expr)?;
        let from = bound.data_type();
        if !can_cast(&from, to) {
            return Err(Error::sql(format!("cannot convert {expr} from {} to {}", sql_name(&from), sql_name(to))));
        }
        if try_cast && from != *to {
            return Ok(BoundExpr::Cast { expr: Box::new(bound), to: to.clone(), try_cast });
        }
        if is_text_literal(&bound) {
            return literal_as(bound, to);
        }
        Ok(cast_to(bound, to))
    }

    fn scalar_call(&mut self, name: &str, args: &[Expr]) -> Result<BoundExpr> {
        if is_grouping(name) {
            return self.grouping(args);
        }
        if is_gap_function(name) {
            return self.gap_call(name, args);
        }
        if name == UNNEST {
            return self.unnest(args);
        }
        if let Some(call) = over_parts(name, args, self.scope)? {
            return self.resolve(&call);
        }
        let Some(function) = scalar::lookup(name) else {
            return Err(unknown_function(name));
        };
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.resolve(arg)?);
        }
        let types: Vec<DataType> = bound.iter().map(BoundExpr::data_type).collect();
        let signature = (function.resolve)(&types)
            .map_err(|error| error.with_hint(format!("it is called as {}", function.usage)))?;
        let args = coerce_arguments(bound, &signature.arguments)?;
        let scale = rounded_scale(function.name, &args, &signature.result);
        let call = BoundExpr::Call { name: function.name, args, data_type: signature.result };
        Ok(match scale {
            Some(narrowed) => cast_to(call, &narrowed),
            None => call,
        })
    }

    /// The items of a list become a column of a node below.
    fn unnest(&mut self, args: &[Expr]) -> Result<BoundExpr> {
        let [list] = args else {
            return Err(Error::sql("in SELECT, unnest takes one list").with_hint("write unnest(a), unnest(b)"));
        };
        let Some(unnests) = self.unnests.take() else { return Err(misplaced(&self.place())) };
        // Without them no other call can stand inside.
        let clause = std::mem::replace(&mut self.clause, "inside of another unnest");
        let list = self.resolve(list).and_then(as_list);
        self.clause = clause;
        Ok(self.unnests.insert(unnests).items(list?))
    }

    /// The keys become bits of the grouping id once the groups are known.
    fn grouping(&mut self, args: &[Expr]) -> Result<BoundExpr> {
        if self.aggregates.is_none() {
            return Err(Error::sql(format!("GROUPING cannot stand {}", self.place()))
                .with_hint("it stands in SELECT, HAVING and ORDER BY, and not inside of aggregates"));
        }
        let mut keys = Resolver {
            scope: self.scope,
            aggregates: None,
            unnests: self.unnests.as_deref_mut(),
            clause: "inside of GROUPING",
        };
        unbound_grouping(args.iter().map(|arg| keys.resolve(arg)).collect::<Result<_>>()?)
    }

    /// A call that has a meaning only over groups whose gaps are filled.
    fn gap_call(&mut self, name: &str, args: &[Expr]) -> Result<BoundExpr> {
        let fills = self.aggregates.as_mut().map(|aggregates| aggregates.fills.take());
        let Some(Some(fills)) = fills else {
            return Err(misplaced_gap_call(name, self.clause, fills.is_some()));
        };
        // Without the fills, none of the arguments can be another call of this kind.
        let bound = match is_fill(name) {
            true => args.iter().map(|arg| self.resolve(arg)).collect::<Result<Vec<_>>>(),
            false => self.resolve(&bucket_of(args)).map(|bucket| vec![bucket]),
        };
        let Some(aggregates) = &mut self.aggregates else {
            return Err(Error::internal("a fill without a place to go"));
        };
        let fills = aggregates.fills.insert(fills);
        let mut bound = bound?;
        if !is_fill(name) {
            return bound.pop().ok_or_else(|| Error::internal("a bucket that was not bound"));
        }
        if self.clause == "HAVING" {
            return Err(Error::sql(format!("HAVING is checked before gaps are filled: there is no {name}() yet"))
                .with_hint("put the query into FROM (…), and the condition into WHERE"));
        }
        let fill = Fill::bind(name, bound)?;
        let data_type = fill.value.data_type();
        let display = format!("{name}({})", fill.value);
        let index = fills.iter().position(|other| *other == fill).unwrap_or_else(|| {
            fills.push(fill);
            fills.len() - 1
        });
        Ok(BoundExpr::column(FIRST_FILL + index, &display, &data_type))
    }

    fn aggregate(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
        filter: Option<&Expr>,
        order_by: &[SortKey],
    ) -> Result<BoundExpr> {
        let Some(function) = aggregate::lookup(name) else {
            return Err(unknown_function(name));
        };
        if self.aggregates.is_none() {
            return Err(Error::sql(format!("the aggregate {name}() cannot stand {}", self.place()))
                .with_hint("aggregates stand in SELECT, HAVING and ORDER BY, and not inside of each other"));
        }
        let args: &[Expr] = match args {
            [only] if matches!(only.unspanned(), Expr::Wildcard { .. }) && function.name == "count" => &[],
            other => other,
        };
        let mut inner =
            Resolver { scope: self.scope, aggregates: None, unnests: None, clause: "inside of another aggregate" };
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(inner.resolve(arg)?);
        }
        if let (Some(default), [_]) = (function.default, &bound[..]) {
            bound.push(BoundExpr::Literal(Scalar::text(default)));
        }
        let filter = filter.map(|filter| inner.condition(filter, "FILTER")).transpose()?;
        let mut keys = Vec::with_capacity(order_by.len());
        for key in order_by {
            keys.push(sort_expr(inner.resolve(&key.expr)?, key.descending, key.nulls_first));
        }
        let types: Vec<DataType> = bound.iter().map(BoundExpr::data_type).collect();
        let signature = (function.resolve)(&types)
            .map_err(|error| error.with_hint(format!("it is called as {}", function.usage)))?;
        let mut args = coerce_arguments(bound, &signature.arguments)?;
        let first_constant = args.len().saturating_sub(function.constants);
        for arg in &mut args[first_constant..] {
            *arg = BoundExpr::Literal(
                constant(arg).ok_or_else(|| Error::sql(format!("{arg} must be a constant in {}", function.usage)))?,
            );
        }
        if distinct && args.is_empty() {
            return Err(Error::sql(format!("{name}(DISTINCT *) is not possible")).with_hint("name a column"));
        }
        let (order_by, distinct) = order_of(function, keys, &args, distinct)?;
        let call =
            AggregateExpr { function: function.name, args, distinct, filter, order_by, data_type: signature.result };
        let Some(aggregates) = &mut self.aggregates else {
            return Err(Error::internal("an aggregate without a place to go"));
        };
        let known = aggregates.calls.iter().position(|other| *other == call);
        let index = known.unwrap_or_else(|| {
            aggregates.calls.push(call.clone());
            aggregates.calls.len() - 1
        });
        Ok(BoundExpr::column(aggregates.first_column + index, &call.to_string(), &call.data_type))
    }
}

/// The keys of ORDER BY inside of a call that are of any effect there, and whether the call is over distinct values.
fn order_of(
    function: &AggregateFunction,
    keys: Vec<SortExpr>,
    args: &[BoundExpr],
    distinct: bool,
) -> Result<(Vec<SortExpr>, bool)> {
    let keys: Vec<_> = keys.into_iter().filter(|key| !key.expr.columns().is_empty()).collect();
    if let Some(key) = keys.iter().find(|key| distinct && !args.contains(&key.expr)) {
        let error =
            format!("{}(DISTINCT …) cannot be ordered by {}, which is no argument of it", function.name, key.expr);
        return Err(Error::sql(error).with_hint("order by the argument itself, as it is converted (CAST)"));
    }
    if function.create_ordered.is_none() || keys.is_empty() {
        return Ok((Vec::new(), distinct));
    }
    // What repeats does not change which row is the first.
    let distinct = distinct && !aggregate::is_indifferent_to_repeats(function.name);
    Ok((keys, distinct))
}

/// Lists have no comparison yet.
fn refuse_lists<'e>(what: &str, exprs: impl IntoIterator<Item = &'e BoundExpr>) -> Result<()> {
    match exprs.into_iter().find(|expr| is_list(&expr.data_type())) {
        None => Ok(()),
        Some(list) => Err(Error::sql(format!("{what} does not take lists: {list} is {}", sql_name(&list.data_type())))
            .with_hint("CAST the list to VARCHAR, or take an item of it: list[1]")),
    }
}

/// Why a call of `time_bucket_gapfill`, `locf` or `interpolate` cannot stand where it does.
fn misplaced_gap_call(name: &str, clause: &str, over_groups: bool) -> Error {
    if !is_fill(name) {
        return Error::sql(format!(
            "{name}() must be a key of GROUP BY itself, not stand {clause} or inside of another"
        ))
        .with_hint("GROUP BY time_bucket_gapfill(…), and take its value apart in an outer query");
    }
    let error = Error::sql(match over_groups {
        true => format!("{name}() needs gaps to fill, or stands inside of another call that fills them"),
        false => format!("{name}() cannot stand {clause}"),
    });
    error.with_hint(format!("SELECT time_bucket_gapfill(…), {name}(avg(x)) … GROUP BY 1: it goes around aggregates"))
}

fn unknown_function(name: &str) -> Error {
    let names =
        scalar::all().map(|function| function.name).chain(aggregate::all().iter().map(|function| function.name));
    let error = Error::sql(format!("there is no function {name}()"));
    match suggest(name, names) {
        Some(near) => error.with_hint(format!("did you mean {near}()?")),
        None => error.with_hint("SHOW FUNCTIONS lists them"),
    }
}

fn boolean(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type: DataType::Boolean }
}

fn not(expr: BoundExpr) -> BoundExpr {
    BoundExpr::Unary { op: UnaryOp::Not, expr: Box::new(expr) }
}
