//! Rule `push_down_filters`: conditions move towards the scans, so that rows go before work is done on them.
//!
//! Each condition that AND joins moves by itself: through projections (its columns replaced by what computes them,
//! unless that would compute something more than once), sorts, all sides of unions, and aggregations where it speaks of
//! keys alone (it is then true for all rows of a group or for none), windows where it speaks of partitions alone,
//! expansions where it speaks of columns that all of their rows have in common, and unnestings where it speaks of no item. It stops at limits and top-N, whose
//! result depends on the rows before them. What reaches a scan becomes one of its filters, and the Filter node goes.
//!
//! The order of the conditions is kept, since a later one may rely on an earlier one (`n <> 0 AND 10 / n > 2`): where
//! one has to stay above a node, a later one that can fail stays with it.

use std::sync::Arc;

use super::Rule;
use super::facts::{can_fail, computes_nothing_twice, filter_by, replace_columns, substitute};
use crate::config::Config;
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::plan::{Aggregate, Expand, LogicalPlan, Project, Scan, Sort, Union, Unnest, Window};
use crate::types::{DataType, is_float};

pub const RULE: Rule = Rule {
    name: "push_down_filters",
    meaning: "moves conditions below projections, sorts, unions, windows, unnestings and aggregations, and into scans",
    apply,
};

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(push(plan, Vec::new()))
}

/// The plan with only the rows where all conditions are true, which are over its result and checked in their order.
fn push(plan: LogicalPlan, mut conditions: Vec<BoundExpr>) -> LogicalPlan {
    match plan {
        LogicalPlan::Filter(node) => {
            let mut all = node.predicate.conjuncts();
            all.append(&mut conditions);
            push(*node.input, all)
        }
        LogicalPlan::Project(node) => {
            let (below, above) = split(conditions, |condition| computes_nothing_twice([condition], &node.exprs));
            let below = below.into_iter().map(|condition| substitute(condition, &node.exprs)).collect();
            filter_by(LogicalPlan::Project(Project { input: Box::new(push(*node.input, below)), ..node }), above)
        }
        LogicalPlan::Sort(node) if node.fetch.is_none() => {
            LogicalPlan::Sort(Sort { input: Box::new(push(*node.input, conditions)), ..node })
        }
        LogicalPlan::Union(node) => {
            let into = |input: LogicalPlan| {
                let own = |condition: &BoundExpr| replace_columns(condition.clone(), &|index| input.column(index));
                let below = conditions.iter().map(own).collect();
                push(input, below)
            };
            LogicalPlan::Union(Union { inputs: node.inputs.into_iter().map(into).collect(), schema: node.schema })
        }
        LogicalPlan::Aggregate(node) => {
            let (below, above) = split(conditions, |condition| is_about_keys(condition, &node));
            let below = below.into_iter().map(|condition| substitute(condition, &node.keys)).collect();
            filter_by(LogicalPlan::Aggregate(Aggregate { input: Box::new(push(*node.input, below)), ..node }), above)
        }
        LogicalPlan::Expand(node) => {
            let passed_on = |column: usize| node.passed_on(column).cloned();
            let (below, above) = split(conditions, |condition| {
                condition.columns().into_iter().all(|column| passed_on(column).is_some())
            });
            let below = below.into_iter();
            let below = below.map(|condition| {
                condition.transform(&mut |part| match part {
                    BoundExpr::Column { index, .. } => passed_on(index).unwrap_or(part),
                    other => other,
                })
            });
            let below = below.collect();
            filter_by(LogicalPlan::Expand(Expand { input: Box::new(push(*node.input, below)), ..node }), above)
        }
        LogicalPlan::Window(node) => {
            let (below, above) = split(conditions, |condition| is_about_partitions(condition, &node));
            filter_by(LogicalPlan::Window(Window { input: Box::new(push(*node.input, below)), ..node }), above)
        }
        LogicalPlan::Unnest(node) => {
            // Below it, a condition is checked on rows without items too.
            let (below, above) = split(conditions, |condition| {
                let is_passed = condition.columns().into_iter().all(|column| node.passed_on(column).is_some());
                is_passed && (node.keeps_empty || !can_fail(condition))
            });
            let below = below.into_iter().map(|condition| {
                condition.transform(&mut |part| match part {
                    BoundExpr::Column { index, .. } => node.passed_on(index).unwrap_or(part),
                    other => other,
                })
            });
            let below = below.collect();
            filter_by(LogicalPlan::Unnest(Unnest { input: Box::new(push(*node.input, below)), ..node }), above)
        }
        // A limit that is in the scan counts rows before these conditions.
        LogicalPlan::Scan(node) if node.limit.is_none() => push_into_scan(node, conditions),
        other => filter_by(other.map_inputs(|input| push(input, Vec::new())), conditions),
    }
}

/// The conditions that move below a node, and those that stay above it, both in their order.
fn split(conditions: Vec<BoundExpr>, may_move: impl Fn(&BoundExpr) -> bool) -> (Vec<BoundExpr>, Vec<BoundExpr>) {
    let (mut below, mut above) = (Vec::new(), Vec::new());
    for condition in conditions {
        let is_guarded = !above.is_empty() && can_fail(&condition);
        if !is_guarded && may_move(&condition) { below.push(condition) } else { above.push(condition) }
    }
    (below, above)
}

/// Whether a condition has one value for all rows of a group. Without keys there is one row also where no row passes.
fn is_about_keys(condition: &BoundExpr, node: &Aggregate) -> bool {
    let columns = condition.columns();
    !node.keys.is_empty()
        && columns.iter().all(|column| *column < node.keys.len())
        && computes_nothing_twice([condition], &node.keys)
        && !(columns.iter().any(|column| has_unlike_equals(&node.keys[*column].expr.data_type()))
            && may_tell_equals_apart(condition))
}

/// Whether a condition has one value for all rows of a partition: it takes or leaves whole ones.
fn is_about_partitions(condition: &BoundExpr, node: &Window) -> bool {
    let is_partition_key = |column: usize| {
        node.partition_by.iter().any(|key| matches!(key, BoundExpr::Column { index, .. } if *index == column))
    };
    let data_type = |column: usize| node.schema.field(column).data_type();
    let columns = condition.columns();
    !columns.is_empty()
        && columns.iter().all(|column| is_partition_key(*column))
        && !(columns.iter().any(|column| has_unlike_equals(data_type(*column))) && may_tell_equals_apart(condition))
}

/// Whether values that SQL calls equal can differ.
fn has_unlike_equals(data_type: &DataType) -> bool {
    is_float(data_type) || matches!(data_type, DataType::Interval(_))
}

/// Whether equal values of one group (0 and -0, a month and 30 days) can give different results: comparisons cannot,
/// their texts can.
fn may_tell_equals_apart(expr: &BoundExpr) -> bool {
    let itself = match expr {
        BoundExpr::Binary { op, .. } => op.is_arithmetic(),
        BoundExpr::Cast { .. } | BoundExpr::Call { .. } => true,
        _ => false,
    };
    itself || expr.children().into_iter().any(may_tell_equals_apart)
}

fn push_into_scan(mut node: Scan, conditions: Vec<BoundExpr>) -> LogicalPlan {
    for condition in conditions {
        let over_table = condition.renumber(&|column| node.table_column(column));
        if !node.filters.contains(&over_table) {
            node.filters.push(over_table);
        }
    }
    LogicalPlan::Scan(node)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;
    use crate::expr::Edge;
    use crate::types::TEXT;

    #[test]
    fn golden_below_a_window_go_conditions_over_partitions() {
        let scan = scan();
        let edges = (Edge::Rows(-1), Edge::Rows(0));
        let sum = agg("sum", vec![col(&scan, "b")], DataType::Int64);
        let windows = window(scan.clone(), vec![col(&scan, "a")], vec![col(&scan, "d")], edges, vec![sum]);
        let about_partition = compare(col(&windows, "a"), Equal, int(1));
        let about_row = compare(col(&windows, "b"), Greater, int(2));
        let plan = filter(windows, and(about_partition, about_row));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Filter (a = 1) AND (b > 2)
            Window frame=[1 row before, current row] partition=[a] order=[d] aggregates=[sum(b)]
              Sort a, d
                Scan t
        after
          Filter b > 2
            Window frame=[1 row before, current row] partition=[a] order=[d] aggregates=[sum(b)]
              Sort a, d
                Scan t filters=[a = 1]
        ");
    }

    #[test]
    fn golden_through_projection_and_sort() {
        let scan = scan();
        let double = arithmetic(col(&scan, "a"), Multiply, int(2));
        let projected = project(scan.clone(), &[("x", double), ("b", col(&scan, "b"))]);
        let sorted = sort(projected.clone(), &[(col(&projected, "b"), false)]);
        let first = compare(col(&sorted, "x"), Greater, int(10));
        let plan = filter(sorted.clone(), and(first, compare(col(&sorted, "b"), Less, int(3))));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Filter (x > 10) AND (b < 3)
            Sort b
              Project a * 2 AS x, b
                Scan t
        after
          Sort b
            Project a * 2 AS x, b
              Scan t filters=[(a * 2) > 10, b < 3]
        ");
    }

    /// Grouping sets (a, s), (a).
    fn expanded() -> LogicalPlan {
        let scan = scan();
        let (a, s) = (col(&scan, "a"), col(&scan, "s"));
        let no_text = BoundExpr::Literal(crate::types::Scalar::null(&TEXT));
        let projections = vec![vec![a.clone(), s, int(0)], vec![a, no_text, int(1)]];
        expand(scan, &["k", "s", "grouping_id"], projections)
    }

    #[test]
    fn golden_through_an_expansion_goes_what_all_its_rows_have_in_common() {
        let grouped =
            aggregate(expanded(), &[("k", col(&expanded(), "k")), ("s", col(&expanded(), "s"))], vec![count_star()]);
        let of_all = compare(col(&grouped, "k"), Greater, int(1));
        let of_some = compare(col(&grouped, "s"), Equal, text("x"));
        insta::assert_snapshot!(rule_golden(&RULE, filter(grouped, and(of_some, of_all))), @r"
        before
          Filter (s = 'x') AND (k > 1)
            Aggregate keys=[k, s] aggregates=[count(*)]
              Expand [s, grouping_id] = (s, 0), (NULL, 1)
                Scan t
        after
          Aggregate keys=[k, s] aggregates=[count(*)]
            Filter s = 'x'
              Expand [s, grouping_id] = (s, 0), (NULL, 1)
                Scan t filters=[a > 1]
        ");
    }

    #[test]
    fn golden_through_aggregation() {
        let scan = scan();
        let grouped = aggregate(scan.clone(), &[("k", col(&scan, "a"))], vec![count_star()]);
        let many = compare(col(&grouped, "count(*)"), Greater, int(1));
        let plan = filter(grouped.clone(), and(many, compare(col(&grouped, "k"), Equal, int(7))));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Filter (count(*) > 1) AND (k = 7)
            Aggregate keys=[a AS k] aggregates=[count(*)]
              Scan t
        after
          Filter count(*) > 1
            Aggregate keys=[a AS k] aggregates=[count(*)]
              Scan t filters=[a = 7]
        ");
    }

    #[test]
    fn golden_through_union() {
        let scan = scan();
        let left = project(scan.clone(), &[("x", col(&scan, "a"))]);
        let right = project(scan.clone(), &[("y", col(&scan, "b"))]);
        let both = union(vec![left, right]);
        let plan = filter(both.clone(), compare(col(&both, "x"), Equal, int(7)));
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Filter x = 7
            Union
              Project a AS x
                Scan t
              Project b AS y
                Scan t
        after
          Union
            Project a AS x
              Scan t filters=[a = 7]
            Project b AS y
              Scan t filters=[b = 7]
        ");
    }

    #[test]
    fn a_filter_stays_above_limit_and_top_n() {
        let plan = limit(scan(), 0, Some(3));
        assert_unchanged(&RULE, filter(plan.clone(), compare(col(&plan, "a"), Equal, int(7))));
        let LogicalPlan::Sort(sorted) = sort(scan(), &[(col(&scan(), "a"), false)]) else { panic!() };
        let top = LogicalPlan::Sort(Sort { fetch: Some(3), ..sorted });
        assert_unchanged(&RULE, filter(top.clone(), compare(col(&top, "a"), Equal, int(7))));
    }

    #[test]
    fn a_condition_that_can_fail_stays_behind_the_one_that_guards_it() {
        let scan = scan();
        let grouped = aggregate(
            scan.clone(),
            &[("k", col(&scan, "a"))],
            vec![agg("min", vec![col(&scan, "a")], DataType::Int64)],
        );
        let guard = compare(col(&grouped, "min(a)"), NotEqual, int(0));
        let fails = compare(arithmetic(int(10), Divide, col(&grouped, "k")), Greater, int(2));
        assert_unchanged(&RULE, filter(grouped, and(guard, fails)));
    }

    #[test]
    fn a_condition_does_not_grow_by_a_factor_a_projection() {
        let mut plan = project(scan(), &[("x", col(&scan(), "a"))]);
        for _ in 0..100 {
            let x = col(&plan, "x");
            plan = project(plan, &[("x", arithmetic(x.clone(), Add, x))]);
        }
        let condition = compare(col(&plan, "x"), Greater, int(0));
        let pushed = push(filter(plan, condition), Vec::new()).to_string();
        assert!(pushed.contains("Filter (x + x) > 0"), "{pushed}");
    }

    #[test]
    fn zeros_of_one_group_are_not_told_apart() {
        let scan = scan();
        let grouped = aggregate(scan.clone(), &[("k", col(&scan, "f"))], Vec::new());
        let minus = compare(cast(col(&grouped, "k"), &TEXT), Equal, text("-0"));
        assert_unchanged(&RULE, filter(grouped, minus));
    }

    #[test]
    fn having_over_no_rows_still_sees_its_one_row() {
        let grouped = aggregate(scan(), &[], vec![count_star()]);
        assert_unchanged(&RULE, filter(grouped, call("is_monday", Vec::new(), DataType::Boolean)));
    }

    #[test]
    fn conditions_of_a_scan_speak_of_the_whole_table() {
        let LogicalPlan::Scan(all) = scan() else { panic!() };
        let narrow = LogicalPlan::Scan(all.with_projection(vec![1, 4]));
        let plan = filter(narrow.clone(), compare(col(&narrow, "s"), Equal, text("x")));
        let LogicalPlan::Scan(pushed) = push(plan, Vec::new()) else { panic!("the filter went into the scan") };
        assert_eq!(pushed.filters[0].columns(), [4]);
    }

    #[test]
    fn golden_through_an_unnesting_goes_what_speaks_of_no_item() {
        let scan = scan();
        let lists = [("item", list_value(vec![col(&scan, "a"), col(&scan, "b")]))];
        let plan = |keeps_empty| {
            let unnested = unnest(scan.clone(), &lists, None, keeps_empty);
            let of_item = compare(col(&unnested, "item"), Greater, int(1));
            let of_row = compare(col(&unnested, "s"), Equal, text("x"));
            let fails = compare(arithmetic(int(10), Divide, col(&unnested, "b")), Greater, int(2));
            filter(unnested, and(fails, and(of_row, of_item)))
        };
        insta::assert_snapshot!(rule_golden(&RULE, plan(false)), @r"
        before
          Filter ((10 / b) > 2) AND ((s = 'x') AND (item > 1))
            Unnest list_value(a, b)
              Scan t
        after
          Filter ((10 / b) > 2) AND (item > 1)
            Unnest list_value(a, b)
              Scan t filters=[s = 'x']
        ");
        insta::assert_snapshot!(rule_golden(&RULE, plan(true)), @r"
        before
          Filter ((10 / b) > 2) AND ((s = 'x') AND (item > 1))
            Unnest list_value(a, b) keeping rows without items
              Scan t
        after
          Filter item > 1
            Unnest list_value(a, b) keeping rows without items
              Scan t filters=[(10 / b) > 2, s = 'x']
        ");
    }
}
