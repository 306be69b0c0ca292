//! Rule `single_distinct`: aggregates over the DISTINCT values of one expression become two aggregations, of which the
//! inner one groups by that expression too. What was a set per group is then an ordinary group-by, which runs in
//! parallel and spills like any other.
//!
//! ```text
//! SELECT k, count(DISTINCT x), sum(y) FROM t GROUP BY k
//! SELECT k, count(x), sum(s) FROM (SELECT k, x, sum(y) AS s FROM t GROUP BY k, x) GROUP BY k
//! ```
//!
//! The other aggregates must be exact when taken in two steps: counts, min, max, the boolean ones, and sums of integers
//! and decimals, whose parts are held in types that they cannot overflow. Sums of floats are not: they are rounded once,
//! at the end.

use std::sync::Arc;

use super::Rule;
use crate::config::Config;
use crate::error::Result;
use crate::expr::{AggregateExpr, BoundExpr, UnaryOp};
use crate::plan::{Aggregate, LogicalPlan, NamedExpr, Project};
use crate::types::coercion::MAX_PRECISION;
use crate::types::{DataType, Scalar};

pub const RULE: Rule = Rule {
    name: "single_distinct",
    meaning: "turns aggregates over the distinct values of one expression into two aggregations that can spill",
    apply,
};

/// Decimals of up to so many digits have room for the sum of 10^10 of them.
const MAX_SUMMED_PRECISION: u8 = MAX_PRECISION - 10;

/// Aggregates that take each distinct value once, in any order.
const OVER_SETS: [&str; 3] = ["count", "sum", "avg"];

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(plan.transform_up(&mut |node| match node {
        LogicalPlan::Aggregate(node) => {
            let node = without_needless_distinct(node);
            split(&node).unwrap_or(LogicalPlan::Aggregate(node))
        }
        other => other,
    }))
}

/// The least of the distinct values is the least of all.
fn without_needless_distinct(mut node: Aggregate) -> Aggregate {
    for (aggregate, _) in &mut node.aggregates {
        aggregate.distinct &= !matches!(aggregate.function, "min" | "max");
    }
    node
}

/// How an aggregate is taken in two steps.
struct Steps {
    /// Over the rows of the input; `None` for an aggregate over the distinct values, which are keys of the inner step.
    inner: Option<AggregateExpr>,
    /// The outer step's function and result.
    outer: (&'static str, DataType),
    /// Whether the result is a count, which is 0 and not null over no rows.
    is_count: bool,
}

fn split(node: &Aggregate) -> Option<LogicalPlan> {
    let value = distinct_argument(node)?;
    let steps = node.aggregates.iter().map(|(aggregate, _)| two_steps(aggregate)).collect::<Option<Vec<_>>>()?;

    let value_column = node.keys.len();
    let value = NamedExpr { expr: value.clone(), name: value.to_string() };
    let inner_keys = node.keys.iter().cloned().chain([value]).collect();
    let named = steps.iter().zip(&node.aggregates);
    let parts = named.filter_map(|(steps, (_, name))| Some((steps.inner.clone()?, name.clone()))).collect();
    let inner = Aggregate::plan((*node.input).clone(), inner_keys, parts);

    let mut part_columns = value_column + 1..;
    let outer_aggregates = steps.iter().zip(&node.aggregates).map(|(steps, (_, name))| {
        let column = if steps.inner.is_some() { part_columns.next()? } else { value_column };
        let (function, data_type) = steps.outer.clone();
        let args = vec![inner.column(column)];
        Some((
            AggregateExpr { function, args, distinct: false, filter: None, order_by: Vec::new(), data_type },
            name.clone(),
        ))
    });
    let outer_aggregates = outer_aggregates.collect::<Option<Vec<_>>>()?;
    let key = |(column, key): (usize, &NamedExpr)| NamedExpr { expr: inner.column(column), name: key.name.clone() };
    let outer_keys = node.keys.iter().enumerate().map(key).collect();
    let outer = Aggregate::plan(inner.clone(), outer_keys, outer_aggregates);
    Some(with_results(node, &steps, outer))
}

/// The one argument of all DISTINCT aggregates, where it is one.
fn distinct_argument(node: &Aggregate) -> Option<&BoundExpr> {
    let mut argument = None;
    for (aggregate, _) in node.aggregates.iter().filter(|(aggregate, _)| aggregate.distinct) {
        let [own] = &aggregate.args[..] else { return None };
        let fits = OVER_SETS.contains(&aggregate.function) && aggregate.filter.is_none() && !own.columns().is_empty();
        if !fits || argument.is_some_and(|argument| argument != own) {
            return None;
        }
        argument = Some(own);
    }
    argument
}

fn two_steps(aggregate: &AggregateExpr) -> Option<Steps> {
    let result = aggregate.data_type.clone();
    if aggregate.distinct {
        return Some(Steps { inner: None, outer: (aggregate.function, result), is_count: false });
    }
    let inner = |args: Vec<BoundExpr>, data_type: &DataType| {
        Some(AggregateExpr { args, data_type: data_type.clone(), ..aggregate.clone() })
    };
    match (aggregate.function, &aggregate.args[..]) {
        ("count" | "count_if", _) if result == DataType::Int64 => {
            let inner = inner(aggregate.args.clone(), &result);
            Some(Steps { inner, outer: ("sum", result), is_count: true })
        }
        ("min" | "max" | "bool_and" | "bool_or", [_]) => {
            let inner = inner(aggregate.args.clone(), &result);
            Some(Steps { inner, outer: (aggregate.function, result), is_count: false })
        }
        ("sum", [arg]) => {
            let (arg, data_type) = part_of_sum(arg, &result)?;
            Some(Steps { inner: inner(vec![arg], &data_type), outer: ("sum", data_type), is_count: false })
        }
        _ => None,
    }
}

/// The argument and the type of a sum over a part of the rows, which no part overflows unless the whole does.
fn part_of_sum(arg: &BoundExpr, result: &DataType) -> Option<(BoundExpr, DataType)> {
    let is_narrow = |data_type: &DataType| matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32);
    match (arg.data_type(), result) {
        (from, DataType::Int64) if is_narrow(&from) => Some((arg.clone(), DataType::Int64)),
        (DataType::Int64, DataType::Int64) => match arg {
            BoundExpr::Cast { expr, .. } if is_narrow(&expr.data_type()) => Some((arg.clone(), DataType::Int64)),
            // 2^63 integers of 63 bits fit 38 digits.
            _ => {
                let wide = DataType::Decimal128(MAX_PRECISION, 0);
                let arg = BoundExpr::Cast { expr: Box::new(arg.clone()), to: wide.clone(), try_cast: false };
                Some((arg, wide))
            }
        },
        (DataType::Decimal128(precision, scale), DataType::Decimal128(MAX_PRECISION, result_scale))
            if precision <= MAX_SUMMED_PRECISION && scale == *result_scale =>
        {
            Some((arg.clone(), result.clone()))
        }
        _ => None,
    }
}

/// The outer aggregation with the types and the counts of the one it stands for.
fn with_results(node: &Aggregate, steps: &[Steps], outer: LogicalPlan) -> LogicalPlan {
    let fields = node.schema.fields();
    let mut is_same = true;
    let exprs = fields.iter().enumerate().map(|(position, field)| {
        let column = outer.column(position);
        let is_count = position >= node.keys.len() && steps[position - node.keys.len()].is_count;
        let expr = if column.data_type() != *field.data_type() {
            BoundExpr::Cast { expr: Box::new(column), to: field.data_type().clone(), try_cast: false }
        } else if is_count && node.keys.is_empty() {
            zero_for_null(column)
        } else {
            return NamedExpr { expr: column, name: field.name().clone() };
        };
        is_same = false;
        NamedExpr { expr, name: field.name().clone() }
    });
    let exprs = exprs.collect();
    if is_same { outer } else { Project::plan(outer, exprs) }
}

/// Over no rows there is no part, and the sum of no counts is null.
fn zero_for_null(count: BoundExpr) -> BoundExpr {
    let is_null = BoundExpr::Unary { op: UnaryOp::IsNull, expr: Box::new(count.clone()) };
    BoundExpr::Case {
        branches: vec![(is_null, BoundExpr::Literal(Scalar::int64(0)))],
        otherwise: Some(Box::new(count)),
        data_type: DataType::Int64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn distinct(aggregate: AggregateExpr) -> AggregateExpr {
        AggregateExpr { distinct: true, ..aggregate }
    }

    #[test]
    fn golden_with_keys() {
        let scan = scan();
        let (a, b) = (col(&scan, "a"), col(&scan, "b"));
        let aggregates = vec![
            count_distinct(b.clone()),
            agg("sum", vec![a.clone()], DataType::Int64),
            count_star(),
            distinct(agg("max", vec![a], DataType::Int64)),
        ];
        let plan = aggregate(scan.clone(), &[("k", col(&scan, "s"))], aggregates);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Aggregate keys=[s AS k] aggregates=[count(DISTINCT b), sum(a), count(*), max(DISTINCT a)]
            Scan t
        after
          Project k, count(DISTINCT b), CAST(sum(a) AS BIGINT) AS sum(a), count(*), max(DISTINCT a)
            Aggregate keys=[k] aggregates=[count(b), sum(sum(a)), sum(count(*)), max(max(DISTINCT a))]
              Aggregate keys=[s AS k, b] aggregates=[sum(CAST(a AS DECIMAL(38,0))), count(*), max(a)]
                Scan t
        ");
    }

    #[test]
    fn golden_without_keys_counts_are_zero_over_no_rows() {
        let scan = scan();
        let narrow = cast(col(&scan, "c"), &DataType::Int64);
        let aggregates = vec![count_star(), count_distinct(col(&scan, "s")), agg("sum", vec![narrow], DataType::Int64)];
        insta::assert_snapshot!(rule_golden(&RULE, aggregate(scan, &[], aggregates)), @r"
        before
          Aggregate keys=[] aggregates=[count(*), count(DISTINCT s), sum(CAST(c AS BIGINT))]
            Scan t
        after
          Project CASE WHEN count(*) IS NULL THEN 0 ELSE count(*) END AS count(*), count(DISTINCT s), sum(CAST(c AS BIGINT))
            Aggregate keys=[] aggregates=[sum(count(*)), count(s), sum(sum(CAST(c AS BIGINT)))]
              Aggregate keys=[s] aggregates=[count(*), sum(CAST(c AS BIGINT))]
                Scan t
        ");
    }

    #[test]
    fn filters_of_the_others_go_to_the_inner_step() {
        let scan = scan();
        let some = AggregateExpr { filter: Some(col(&scan, "flag")), ..count_star() };
        let plan = aggregate(scan.clone(), &[("a", col(&scan, "a"))], vec![count_distinct(col(&scan, "b")), some]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Aggregate keys=[a] aggregates=[count(DISTINCT b), count(*) FILTER (WHERE flag)]
            Scan t
        after
          Aggregate keys=[a] aggregates=[count(b), sum(count(*) FILTER (WHERE flag))]
            Aggregate keys=[a, b] aggregates=[count(*) FILTER (WHERE flag)]
              Scan t
        ");
    }

    #[test]
    fn what_two_steps_would_change_stays() {
        let scan = scan();
        let (a, b, f) = (col(&scan, "a"), col(&scan, "b"), col(&scan, "f"));
        let with = |other| aggregate(scan.clone(), &[], vec![count_distinct(b.clone()), other]);
        assert_unchanged(&RULE, with(count_distinct(a.clone())));
        assert_unchanged(&RULE, with(agg("sum", vec![f.clone()], DataType::Float64)));
        assert_unchanged(&RULE, with(agg("avg", vec![a.clone()], DataType::Float64)));
        assert_unchanged(&RULE, with(agg("first", vec![a.clone()], DataType::Int64)));
        let filtered = AggregateExpr { filter: Some(col(&scan, "flag")), ..count_distinct(b.clone()) };
        assert_unchanged(&RULE, with(filtered));
        let largest = DataType::Decimal128(38, 2);
        assert_unchanged(&RULE, with(agg("sum", vec![cast(a, &largest)], largest.clone())));
        assert_unchanged(&RULE, aggregate(scan.clone(), &[], vec![count_star()]));
    }
}
