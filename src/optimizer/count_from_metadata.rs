//! Rule `count_from_metadata`: count(*) of tables that know their number of rows reads nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::Rule;
use crate::batch::record_batch;
use crate::config::Config;
use crate::error::Result;
use crate::expr::{AggregateExpr, BoundExpr};
use crate::plan::{LogicalPlan, Values};
use crate::types::DataType;

pub const RULE: Rule =
    Rule { name: "count_from_metadata", meaning: "answers count(*) from the number of rows that a table knows", apply };

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(plan.transform_up(&mut |node| counted(&node).unwrap_or(node)))
}

/// The counts as a row, where the node asks only for them and they are known.
fn counted(plan: &LogicalPlan) -> Option<LogicalPlan> {
    let LogicalPlan::Aggregate(node) = plan else { return None };
    let counts_rows = !node.aggregates.is_empty() && node.aggregates.iter().all(|(aggregate, _)| is_count(aggregate));
    if !node.keys.is_empty() || !counts_rows {
        return None;
    }
    let rows = i64::try_from(row_count(&node.input)?).ok()?;
    let count: ArrayRef = Arc::new(Int64Array::from(vec![rows]));
    record_batch(&node.schema, vec![count; node.aggregates.len()], 1).ok().map(Values::plan)
}

/// count(*), or count of a constant that is not null.
fn is_count(aggregate: &AggregateExpr) -> bool {
    let counts_all = aggregate.args.iter().all(|arg| matches!(arg, BoundExpr::Literal(value) if !value.is_null()));
    aggregate.function == "count"
        && aggregate.data_type == DataType::Int64
        && counts_all
        && !aggregate.distinct
        && aggregate.filter.is_none()
}

/// The exact number of rows of a plan, where it is known without running it.
fn row_count(plan: &LogicalPlan) -> Option<u64> {
    match plan {
        LogicalPlan::Scan(node) if node.filters.is_empty() && node.limit.is_none() => node.table.row_count(),
        LogicalPlan::Values(node) => u64::try_from(node.batch.num_rows()).ok(),
        LogicalPlan::Project(node) => row_count(&node.input),
        LogicalPlan::Window(node) => row_count(&node.input),
        LogicalPlan::Sort(node) => {
            let rows = row_count(&node.input)?;
            Some(node.fetch.map_or(rows, |fetch| rows.min(fetch as u64)))
        }
        LogicalPlan::Limit(node) => {
            let left = row_count(&node.input)?.saturating_sub(node.skip as u64);
            Some(node.fetch.map_or(left, |fetch| left.min(fetch as u64)))
        }
        LogicalPlan::Union(node) => node.inputs.iter().try_fold(0_u64, |sum, input| sum.checked_add(row_count(input)?)),
        LogicalPlan::Expand(node) => row_count(&node.input)?.checked_mul(node.projections.len() as u64),
        LogicalPlan::Aggregate(node) if node.keys.is_empty() => Some(1),
        LogicalPlan::Scan(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::FillGaps(_)
        | LogicalPlan::Unnest(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::super::testing::*;
    use super::*;

    fn count(plan: LogicalPlan) -> Option<i64> {
        let plan =
            apply(aggregate(plan, &[], vec![count_star(), agg("count", vec![int(1)], DataType::Int64)]), &config());
        let LogicalPlan::Values(node) = plan.unwrap() else { return None };
        let counts: Vec<i64> =
            node.batch.columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect();
        assert_eq!(counts[0], counts[1]);
        Some(counts[0])
    }

    #[test]
    fn golden() {
        insta::assert_snapshot!(rule_golden(&RULE, aggregate(scan_of(Some(42)), &[], vec![count_star()])), @r"
        before
          Aggregate keys=[] aggregates=[count(*)]
            Scan t
        after
          Values 1 rows
        ");
    }

    #[test]
    fn rows_are_counted_through_nodes_that_keep_their_number() {
        let scan = || scan_of(Some(42));
        assert_eq!(count(scan()), Some(42));
        assert_eq!(count(union(vec![scan(), limit(scan(), 40, Some(10))])), Some(44));
        assert_eq!(count(sort(project(scan(), &[("x", int(1))]), &[])), Some(42));
        assert_eq!(count(limit(scan(), 50, None)), Some(0));
    }

    #[test]
    fn what_is_not_known_is_counted() {
        let known = || scan_of(Some(42));
        assert_eq!(count(scan()), None);
        assert_eq!(count(union(vec![known(), scan()])), None);
        assert_eq!(count(filter(known(), col(&known(), "flag"))), None);
        assert_unchanged(&RULE, aggregate(known(), &[], vec![agg("count", vec![col(&known(), "a")], DataType::Int64)]));
        assert_unchanged(&RULE, aggregate(known(), &[("k", col(&known(), "a"))], vec![count_star()]));
        let some = AggregateExpr { filter: Some(col(&known(), "flag")), ..count_star() };
        assert_unchanged(&RULE, aggregate(known(), &[], vec![some]));
    }
}
