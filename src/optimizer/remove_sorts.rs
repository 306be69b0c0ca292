//! Rule `remove_sorts`: rows that come in the order that is asked for are not sorted again, so that they stream, and a
//! LIMIT ends them early.
//!
//! Only sorts at the top of the plan are looked at, above the first node that takes all of its input. Those below order
//! rows for the nodes that rely on it.

use std::sync::Arc;

use super::Rule;
use crate::config::Config;
use crate::error::Result;
use crate::expr::{BoundExpr, SortExpr};
use crate::plan::{Filter, Limit, LogicalPlan, Project};

pub const RULE: Rule =
    Rule { name: "remove_sorts", meaning: "removes sorts of rows that are in that order already", apply };

fn apply(plan: LogicalPlan, _: &Arc<Config>) -> Result<LogicalPlan> {
    Ok(remove(plan))
}

fn remove(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Project(node) => LogicalPlan::Project(Project { input: Box::new(remove(*node.input)), ..node }),
        LogicalPlan::Filter(node) => LogicalPlan::Filter(Filter { input: Box::new(remove(*node.input)), ..node }),
        LogicalPlan::Limit(node) => LogicalPlan::Limit(Limit { input: Box::new(remove(*node.input)), ..node }),
        LogicalPlan::Sort(node) if node.fetch.is_none() => {
            let order = order_of(&node.input);
            let is_met = node.keys.len() <= order.len()
                && node.keys.iter().zip(&order).all(|(key, column)| ascending(key) == Some(*column));
            if is_met { remove(*node.input) } else { LogicalPlan::Sort(node) }
        }
        other => other,
    }
}

/// The column that a key sorts by as it is, nulls last.
fn ascending(key: &SortExpr) -> Option<usize> {
    match key.expr {
        BoundExpr::Column { index, .. } if !key.descending && !key.nulls_first => Some(index),
        _ => None,
    }
}

/// The columns by which the rows are in ascending order, nulls last, the most significant first.
fn order_of(plan: &LogicalPlan) -> Vec<usize> {
    match plan {
        LogicalPlan::Sort(node) => node.keys.iter().map_while(ascending).collect(),
        LogicalPlan::FillGaps(node) => order_of(&node.input),
        // Its rows begin with those of its input.
        LogicalPlan::Window(node) => order_of(&node.input),
        // Each row is repeated in its place.
        LogicalPlan::Unnest(node) => {
            let place = |column: usize| node.passed.iter().position(|passed| *passed == column);
            order_of(&node.input).into_iter().map_while(place).collect()
        }
        LogicalPlan::Filter(node) => order_of(&node.input),
        LogicalPlan::Limit(node) => order_of(&node.input),
        LogicalPlan::Project(node) => {
            let place = |column: usize| {
                node.exprs
                    .iter()
                    .position(|named| matches!(named.expr, BoundExpr::Column { index, .. } if index == column))
            };
            order_of(&node.input).into_iter().map_while(place).collect()
        }
        LogicalPlan::Scan(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Expand(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn golden() {
        let scan = scan();
        let inner = sort(scan.clone(), &[(col(&scan, "a"), false), (col(&scan, "b"), false)]);
        let chosen = project(limit(inner.clone(), 0, Some(9)), &[("b", col(&inner, "b")), ("a", col(&inner, "a"))]);
        let again = sort(chosen.clone(), &[(col(&chosen, "a"), false)]);
        insta::assert_snapshot!(rule_golden(&RULE, again), @r"
        before
          Sort a
            Project b, a
              Limit 9 skip=0
                Sort a, b
                  Scan t
        after
          Project b, a
            Limit 9 skip=0
              Sort a, b
                Scan t
        ");
    }

    #[test]
    fn another_order_is_sorted() {
        let scan = scan();
        let inner = sort(scan.clone(), &[(col(&scan, "a"), false)]);
        assert_unchanged(&RULE, sort(inner.clone(), &[(col(&scan, "a"), true)]));
        assert_unchanged(&RULE, sort(inner.clone(), &[(col(&scan, "b"), false)]));
        assert_unchanged(&RULE, sort(inner, &[(col(&scan, "a"), false), (col(&scan, "b"), false)]));
        assert_unchanged(&RULE, sort(scan.clone(), &[(col(&scan, "a"), false)]));
    }
}
