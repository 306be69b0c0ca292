//! Rule `push_down_limits`: LIMIT moves towards the scans, so that they can stop early.

use std::sync::Arc;

use super::Rule;
use super::facts::empty;
use crate::config::Config;
use crate::error::Result;
use crate::plan::{Limit, LogicalPlan, Project, Scan, Union, Unnest, Values};

pub const RULE: Rule = Rule {
    name: "push_down_limits",
    meaning: "moves limits below projections, into the inputs of unions and into scans, and joins those that meet",
    apply,
};

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(push(plan))
}

fn push(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Limit(node) => push_limit(*node.input, node.skip, node.fetch),
        other => other.map_inputs(push),
    }
}

fn push_limit(input: LogicalPlan, skip: usize, fetch: Option<usize>) -> LogicalPlan {
    match (input, fetch) {
        (input, Some(0)) => empty(input.schema()),
        (input, None) if skip == 0 => push(input),
        (LogicalPlan::Limit(inner), _) => {
            // The outer limit sees what the inner one left: its skip counts from behind the inner one's.
            let left = inner.fetch.map(|inner| inner.saturating_sub(skip));
            let fetch = match (left, fetch) {
                (Some(left), Some(fetch)) => Some(left.min(fetch)),
                (left, fetch) => left.or(fetch),
            };
            push_limit(*inner.input, inner.skip.saturating_add(skip), fetch)
        }
        (LogicalPlan::Project(node), _) => {
            LogicalPlan::Project(Project { input: Box::new(push_limit(*node.input, skip, fetch)), ..node })
        }
        (LogicalPlan::Union(node), Some(rows)) => {
            let most = skip.saturating_add(rows);
            let inputs = node.inputs.into_iter().map(|input| push_limit(input, 0, Some(most))).collect();
            Limit::plan(LogicalPlan::Union(Union { inputs, schema: node.schema }), skip, fetch)
        }
        // Each row of the input has one at least. Otherwise any number of them may be needed.
        (LogicalPlan::Unnest(node), Some(rows)) if node.keeps_empty => {
            let input = Box::new(push_limit(*node.input, 0, Some(skip.saturating_add(rows))));
            Limit::plan(LogicalPlan::Unnest(Unnest { input, ..node }), skip, fetch)
        }
        (LogicalPlan::Scan(node), Some(rows)) if node.filters.is_empty() => {
            let most = skip.saturating_add(rows);
            let limit = Some(node.limit.map_or(most, |limit| limit.min(most)));
            Limit::plan(LogicalPlan::Scan(Scan { limit, ..node }), skip, fetch)
        }
        (LogicalPlan::Values(node), _) => {
            let skip = skip.min(node.batch.num_rows());
            let left = node.batch.num_rows() - skip;
            Values::plan(node.batch.slice(skip, fetch.map_or(left, |fetch| fetch.min(left))))
        }
        (input, _) => Limit::plan(push(input), skip, fetch),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;

    #[test]
    fn golden_into_a_scan() {
        let scan = scan();
        let plan = limit(project(scan.clone(), &[("x", arithmetic(col(&scan, "a"), Add, int(1)))]), 5, Some(10));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Limit 10 skip=5
            Project a + 1 AS x
              Scan t
        after
          Project a + 1 AS x
            Limit 10 skip=5
              Scan t limit=15
        ");
    }

    #[test]
    fn golden_into_a_union() {
        let scan = scan();
        let plan = limit(union(vec![scan.clone(), filter(scan.clone(), col(&scan, "flag"))]), 2, Some(3));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Limit 3 skip=2
            Union
              Scan t
              Filter flag
                Scan t
        after
          Limit 3 skip=2
            Union
              Limit 5 skip=0
                Scan t limit=5
              Limit 5 skip=0
                Filter flag
                  Scan t
        ");
    }

    #[test]
    fn golden_limits_that_meet() {
        let sorted = sort(scan(), &[(col(&scan(), "a"), false)]);
        insta::assert_snapshot!(rule_golden(&RULE, limit(limit(sorted.clone(), 3, Some(10)), 4, Some(20))), @r"
        before
          Limit 20 skip=4
            Limit 10 skip=3
              Sort a
                Scan t
        after
          Limit 6 skip=7
            Sort a
              Scan t
        ");
        let beyond = limit(limit(sorted, 3, Some(4)), 4, None);
        assert!(rule_golden(&RULE, beyond).ends_with("after\n  Values 0 rows\n"));
    }

    #[test]
    fn golden_limits_that_do_nothing_and_that_leave_nothing() {
        insta::assert_snapshot!(rule_golden(&RULE, union(vec![limit(scan(), 0, None), limit(scan(), 7, Some(0))])), @r"
        before
          Union
            Limit all skip=0
              Scan t
            Limit 0 skip=7
              Scan t
        after
          Union
            Scan t
            Values 0 rows
        ");
    }

    #[test]
    fn a_filtered_scan_reads_on() {
        let LogicalPlan::Scan(all) = scan() else { panic!() };
        let filtered = LogicalPlan::Scan(Scan { filters: vec![col(&scan(), "flag")], ..all });
        assert_unchanged(&RULE, limit(filtered, 0, Some(3)));
    }

    #[test]
    fn golden_a_limit_passes_an_unnesting_only_where_each_row_has_a_row() {
        let scan = scan();
        let lists = [("item", list_value(vec![col(&scan, "a")]))];
        insta::assert_snapshot!(rule_golden(&RULE, limit(unnest(scan.clone(), &lists, None, true), 2, Some(3))), @r"
        before
          Limit 3 skip=2
            Unnest list_value(a) keeping rows without items
              Scan t
        after
          Limit 3 skip=2
            Unnest list_value(a) keeping rows without items
              Limit 5 skip=0
                Scan t limit=5
        ");
        assert_unchanged(&RULE, limit(unnest(scan, &lists, None, false), 2, Some(3)));
    }
}
