//! Rule `merge`: neighbours of one kind become one node, projections that change nothing go.

use std::sync::Arc;

use super::Rule;
use super::facts::{computes_nothing_twice, substitute};
use crate::config::Config;
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::plan::{Filter, LogicalPlan, NamedExpr, Project, Union};

pub const RULE: Rule = Rule {
    name: "merge",
    meaning: "joins neighbouring filters, projections and unions, and removes projections that change nothing",
    apply,
};

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(plan.transform_up(&mut merge_node))
}

fn merge_node(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Filter(outer) => merge_filters(outer),
        LogicalPlan::Project(outer) => merge_projections(outer),
        LogicalPlan::Union(outer) => {
            let flatten = |input| match input {
                LogicalPlan::Union(inner) => inner.inputs,
                other => vec![other],
            };
            let inputs = outer.inputs.into_iter().flat_map(flatten).collect();
            LogicalPlan::Union(Union { inputs, schema: outer.schema })
        }
        other => other,
    }
}

/// The inner conditions come first: the outer ones may rely on them.
fn merge_filters(outer: Filter) -> LogicalPlan {
    match *outer.input {
        LogicalPlan::Filter(inner) => {
            let conditions = inner.predicate.conjuncts().into_iter().chain(outer.predicate.conjuncts());
            match BoundExpr::conjunction(conditions) {
                Some(predicate) => LogicalPlan::Filter(Filter { input: inner.input, predicate }),
                None => *inner.input,
            }
        }
        input => Filter::plan(input, outer.predicate),
    }
}

fn merge_projections(outer: Project) -> LogicalPlan {
    if is_identity(&outer) {
        return *outer.input;
    }
    match *outer.input {
        LogicalPlan::Project(inner)
            if computes_nothing_twice(outer.exprs.iter().map(|named| &named.expr), &inner.exprs) =>
        {
            let exprs = outer.exprs.into_iter();
            let exprs =
                exprs.map(|named| NamedExpr { expr: substitute(named.expr, &inner.exprs), name: named.name }).collect();
            let merged = Project { input: inner.input, exprs, schema: outer.schema };
            if is_identity(&merged) { *merged.input } else { LogicalPlan::Project(merged) }
        }
        input => LogicalPlan::Project(Project { input: Box::new(input), ..outer }),
    }
}

/// Whether every column is the input's, under its name and in its place.
fn is_identity(node: &Project) -> bool {
    let input = node.input.schema();
    input.fields().len() == node.exprs.len()
        && node.exprs.iter().enumerate().all(|(position, named)| {
            matches!(named.expr, BoundExpr::Column { index, .. } if index == position)
                && named.name == *input.field(position).name()
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::expr::BinaryOp::*;

    #[test]
    fn golden_filters() {
        let scan = scan();
        let inner = filter(scan.clone(), compare(col(&scan, "a"), NotEqual, int(0)));
        let outer = filter(inner, compare(arithmetic(int(10), Divide, col(&scan, "a")), Greater, int(2)));
        insta::assert_snapshot!(rule_golden(&RULE, outer), @r"
        before
          Filter (10 / a) > 2
            Filter a <> 0
              Scan t
        after
          Filter (a <> 0) AND ((10 / a) > 2)
            Scan t
        ");
    }

    #[test]
    fn golden_projections() {
        let scan = scan();
        let inner = project(
            scan.clone(),
            &[("a", col(&scan, "a")), ("sum", arithmetic(col(&scan, "a"), Add, col(&scan, "b")))],
        );
        let outer = project(
            inner.clone(),
            &[
                ("twice", arithmetic(col(&inner, "sum"), Multiply, int(2))),
                ("a", col(&inner, "a")),
                ("again", col(&inner, "a")),
            ],
        );
        insta::assert_snapshot!(rule_golden(&RULE, outer), @r"
        before
          Project sum * 2 AS twice, a, a AS again
            Project a, a + b AS sum
              Scan t
        after
          Project (a + b) * 2 AS twice, a, a AS again
            Scan t
        ");
    }

    #[test]
    fn what_is_used_twice_stays_computed_once() {
        let scan = scan();
        let inner = project(scan.clone(), &[("sum", arithmetic(col(&scan, "a"), Add, col(&scan, "b")))]);
        let sum = col(&inner, "sum");
        let outer = project(inner, &[("x", arithmetic(sum.clone(), Multiply, sum))]);
        assert_unchanged(&RULE, outer);
    }

    #[test]
    fn golden_projections_that_change_nothing() {
        let scan = scan();
        let identity: Vec<_> = ["a", "b", "c", "f", "s", "d", "flag"].map(|name| (name, col(&scan, name))).into();
        insta::assert_snapshot!(rule_golden(&RULE, project(scan.clone(), &identity)), @r"
        before
          Project a, b, c, f, s, d, flag
            Scan t
        after
          Scan t
        ");
        let mut renamed = identity;
        renamed[0].0 = "other";
        assert_unchanged(&RULE, project(scan, &renamed));
    }

    #[test]
    fn golden_unions() {
        let plan = union(vec![union(vec![scan(), limit(scan(), 0, Some(1))]), scan()]);
        insta::assert_snapshot!(rule_golden(&RULE, plan), @r"
        before
          Union
            Union
              Scan t
              Limit 1 skip=0
                Scan t
            Scan t
        after
          Union
            Scan t
            Limit 1 skip=0
              Scan t
            Scan t
        ");
    }
}
