//! What several rules ask about expressions and do with them.

use arrow::array::RecordBatch;

use crate::expr::{BinaryOp, BoundExpr, SortExpr, UnaryOp};
use crate::plan::{Aggregate, Expand, FillGaps, Filter, LogicalPlan, NamedExpr, Project, Scan, Sort, Unnest, Values};
use crate::types::{DataType, Scalar, SchemaRef, TEXT, coercion::integer_as_decimal, is_float, is_integer};

/// A truth value as an expression.
pub fn boolean(value: bool) -> BoundExpr {
    BoundExpr::Literal(Scalar::boolean(value))
}

/// The value of a literal that is true or false; `None` for null and whatever is no literal.
pub fn truth(expr: &BoundExpr) -> Option<bool> {
    match expr {
        BoundExpr::Literal(value) => value.as_bool(),
        _ => None,
    }
}

/// Whether it is the constant NULL.
pub fn is_null_literal(expr: &BoundExpr) -> bool {
    matches!(expr, BoundExpr::Literal(value) if value.is_null())
}

/// Whether evaluating the expression can raise an error on some row. Functions do not say so of themselves, so that
/// every call counts.
pub fn can_fail(expr: &BoundExpr) -> bool {
    let itself = match expr {
        BoundExpr::Column { .. } | BoundExpr::Literal(_) | BoundExpr::InList { .. } | BoundExpr::Case { .. } => false,
        BoundExpr::Unary { op, expr } => *op == UnaryOp::Negate && !is_float(&expr.data_type()),
        BoundExpr::Binary { op: BinaryOp::Divide | BinaryOp::Modulo, .. } => true,
        BoundExpr::Binary { op, data_type, .. } => op.is_arithmetic() && !is_float(data_type),
        // A pattern that ends in the escape character is an error.
        BoundExpr::Like { pattern, escape, .. } => match &**pattern {
            BoundExpr::Literal(text) => text.as_str().is_some_and(|text| text.ends_with(escape.unwrap_or('\\'))),
            _ => true,
        },
        BoundExpr::Cast { expr, to, try_cast } => !try_cast && *to != TEXT && !is_lossless(&expr.data_type(), to),
        BoundExpr::Call { .. } => true,
    };
    itself || expr.children().into_iter().any(can_fail)
}

/// Whether a cast keeps every value apart and in order, and never fails.
pub fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null};
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float64)
        | (Float32, Float64) => true,
        (Decimal128(p1, s1), Decimal128(p2, s2)) => decimal_holds((*p1, *s1), (*p2, *s2)),
        (from, Decimal128(p, s)) if is_integer(from) => decimal_holds(integer_as_decimal(from), (*p, *s)),
        _ => false,
    }
}

fn decimal_holds((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> bool {
    s2 >= s1 && i16::from(p2) - i16::from(s2) >= i16::from(p1) - i16::from(s1)
}

/// Whether an expression costs nothing to compute again: a column or a constant.
pub fn is_free(expr: &BoundExpr) -> bool {
    matches!(expr, BoundExpr::Column { .. } | BoundExpr::Literal(_))
}

/// The expression with each column replaced by the expression that computes it.
pub fn substitute(expr: BoundExpr, by: &[NamedExpr]) -> BoundExpr {
    replace_columns(expr, &|index| by[index].expr.clone())
}

/// The expression with each column `i` replaced by `by(i)`.
pub fn replace_columns(expr: BoundExpr, by: &dyn Fn(usize) -> BoundExpr) -> BoundExpr {
    expr.transform(&mut |part| match part {
        BoundExpr::Column { index, .. } => by(index),
        other => other,
    })
}

/// Whether [`substitute`] in all of the expressions leaves every expression of `by` that costs something in one place
/// at most. Where it does not, plans of many levels could grow by a factor a level.
pub fn computes_nothing_twice<'a>(exprs: impl IntoIterator<Item = &'a BoundExpr>, by: &[NamedExpr]) -> bool {
    let mut uses = vec![0_usize; by.len()];
    for expr in exprs {
        expr.visit(&mut |part| {
            if let BoundExpr::Column { index, .. } = part {
                uses[*index] += 1;
            }
        });
    }
    uses.into_iter().zip(by).all(|(uses, named)| uses <= 1 || is_free(&named.expr))
}

/// The same node with each of its own expressions replaced by `f` of it, which has the same type.
pub fn map_expressions(plan: LogicalPlan, f: &dyn Fn(BoundExpr) -> BoundExpr) -> LogicalPlan {
    let named = |exprs: Vec<NamedExpr>| -> Vec<NamedExpr> {
        exprs.into_iter().map(|named| NamedExpr { expr: f(named.expr), name: named.name }).collect()
    };
    match plan {
        LogicalPlan::Scan(node) => {
            LogicalPlan::Scan(Scan { filters: node.filters.into_iter().map(f).collect(), ..node })
        }
        LogicalPlan::Filter(node) => LogicalPlan::Filter(Filter { predicate: f(node.predicate), ..node }),
        LogicalPlan::Project(node) => LogicalPlan::Project(Project { exprs: named(node.exprs), ..node }),
        LogicalPlan::Aggregate(node) => {
            let aggregates = node.aggregates.into_iter().map(|(aggregate, name)| (aggregate.map_exprs(f), name));
            let aggregates = aggregates.collect();
            LogicalPlan::Aggregate(Aggregate { keys: named(node.keys), aggregates, ..node })
        }
        LogicalPlan::Sort(node) => {
            let keys = node.keys.into_iter().map(|key| SortExpr { expr: f(key.expr), ..key }).collect();
            LogicalPlan::Sort(Sort { keys, ..node })
        }
        LogicalPlan::Expand(node) => {
            let projections = node.projections.into_iter();
            let projections = projections.map(|exprs| exprs.into_iter().map(f).collect()).collect();
            LogicalPlan::Expand(Expand { projections, ..node })
        }
        LogicalPlan::Window(node) => LogicalPlan::Window(node.map_exprs(f)),
        LogicalPlan::Unnest(node) => LogicalPlan::Unnest(Unnest { lists: named(node.lists), ..node }),
        LogicalPlan::FillGaps(node) => {
            let all = |exprs: Vec<BoundExpr>| exprs.into_iter().map(f).collect();
            let (starts, finishes) = (all(node.starts), all(node.finishes));
            LogicalPlan::FillGaps(FillGaps { bucket: f(node.bucket), starts, finishes, ..node })
        }
        other @ (LogicalPlan::Values(_) | LogicalPlan::Limit(_) | LogicalPlan::Union(_)) => other,
    }
}

/// No rows, of that schema.
pub fn empty(schema: &SchemaRef) -> LogicalPlan {
    Values::plan(RecordBatch::new_empty(schema.clone()))
}

/// Whether the plan is known to give no rows.
pub fn is_empty(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values(node) if node.batch.num_rows() == 0)
}

/// The plan cut to some of its columns, under names.
pub fn select(plan: LogicalPlan, columns: impl IntoIterator<Item = (usize, String)>) -> LogicalPlan {
    let exprs = columns.into_iter().map(|(index, name)| NamedExpr { expr: plan.column(index), name }).collect();
    Project::plan(plan, exprs)
}

/// A filter by all of the conditions, or none for no condition.
pub fn filter_by(plan: LogicalPlan, conditions: Vec<BoundExpr>) -> LogicalPlan {
    match BoundExpr::conjunction(conditions) {
        Some(predicate) => Filter::plan(plan, predicate),
        None => plan,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;

    #[test]
    fn what_can_fail() {
        let scan = scan();
        let (a, f, s) = (col(&scan, "a"), col(&scan, "f"), col(&scan, "s"));
        assert!(!can_fail(&compare(a.clone(), Less, int(1))));
        assert!(can_fail(&arithmetic(a.clone(), Add, int(1))), "integers overflow");
        assert!(!can_fail(&arithmetic(f.clone(), Add, f.clone())));
        assert!(can_fail(&arithmetic(f.clone(), Divide, f)), "division by zero is an error of floats too");
        assert!(can_fail(&cast(s.clone(), &DataType::Int64)));
        assert!(!can_fail(&cast(a.clone(), &TEXT)));
        assert!(can_fail(&cast(a.clone(), &DataType::Int32)));
        assert!(!can_fail(&cast(col(&scan, "c"), &DataType::Float64)));
        assert!(can_fail(&compare(arithmetic(int(1), Divide, a), Less, int(1))), "also inside");
        assert!(!can_fail(&like(s.clone(), "a%")));
        assert!(can_fail(&like(s, "a\\")));
    }

    #[test]
    fn lossless_casts() {
        assert!(is_lossless(&DataType::Int32, &DataType::Int64));
        assert!(is_lossless(&DataType::Int32, &DataType::Float64));
        assert!(!is_lossless(&DataType::Int64, &DataType::Float64), "2^53 + 1 has no double");
        assert!(is_lossless(&DataType::Int64, &DataType::Decimal128(21, 2)));
        assert!(!is_lossless(&DataType::Int64, &DataType::Decimal128(20, 2)));
        assert!(!is_lossless(&DataType::Decimal128(10, 2), &DataType::Decimal128(12, 1)));
    }
}
